//! What schedulers may be called in ZooKeeper: their names in the inventory, what variables say, what a resolver says.
//!
//! Names are resolved off the runtime's thread and within a short time. A name that cannot be resolved matches nobody;
//! it is then not known who is meant.

use std::{net::IpAddr, time::Duration};

use tokio::{net::lookup_host, time::timeout};

use super::World;
use crate::{
    aurora::leader::{Member, Roster, RosterEntry, Znode, ballot_host, leading},
    runbook::model::HostName,
};

/// Variables of a host under which a scheduler may call itself.
const NAMES: [&str; 4] = ["hostname", "address", "ip", "advertised"];
/// Longest time to resolve a name.
const RESOLVE_MAX: Duration = Duration::from_secs(2);
/// Longest name, in bytes; no resolver takes a longer one.
const NAME_BYTES_MAX: usize = 253;
/// Names in nodes that are resolved: who leads, and who else is advertised.
const LEARNED_MAX: usize = 4;

/// A variable of a host, as text.
pub(super) fn text_var(world: &World, host: &HostName, name: &str) -> Option<String> {
    let value = world.inventory.host_var(host, name)?;
    let raw = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    world.render(host, &raw.into()).ok()
}

/// What these hosts may be called.
pub(super) async fn roster(world: &World, hosts: &[HostName], url_var: &str) -> Roster {
    let mut entries = Vec::new();
    for host in hosts {
        let (named, http_port) = authority(&text_var(world, host, url_var).unwrap_or_default());
        let mut aliases: Vec<String> = NAMES.iter().filter_map(|name| text_var(world, host, name)).collect();
        aliases.push(named);
        aliases.retain(|alias| !alias.is_empty());
        entries.push(RosterEntry { host: host.0.clone(), aliases, http_port });
    }
    let resolving = entries.iter().map(|entry| {
        let mut names = entry.aliases.clone();
        names.push(entry.host.clone());
        names.sort();
        names.dedup();
        names.into_iter().map(|name| tokio::spawn(async move { addresses(&name).await })).collect::<Vec<_>>()
    });
    let resolving: Vec<_> = resolving.collect();
    for (entry, resolving) in entries.iter_mut().zip(resolving) {
        for found in resolving {
            entry.aliases.extend(found.await.unwrap_or_default());
        }
    }
    Roster(entries)
}

/// Host and port of a URL, the host without brackets.
fn authority(url: &str) -> (String, Option<u16>) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let at = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match at.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (at, None),
    };
    (host.trim_start_matches('[').trim_end_matches(']').to_owned(), port)
}

/// Lets a roster know the names in these nodes by their addresses. Gives the names that cannot be resolved.
pub(super) async fn learn(roster: &mut Roster, nodes: &[Znode], endpoint: &str) -> Vec<String> {
    let ballots = leading(nodes).into_iter().filter_map(|node| ballot_host(node).ok().map(str::to_owned));
    let members = nodes.iter().filter(|node| node.is_member());
    let members = members.filter_map(|node| Member::parse(&node.data, endpoint).map(|member| member.host));
    let mut names: Vec<String> = ballots.chain(members).filter(|name| roster.lacks(name)).collect();
    names.sort();
    names.dedup();
    names.truncate(LEARNED_MAX);
    let mut unresolved = Vec::new();
    for name in names {
        if name.parse::<IpAddr>().is_ok() {
            continue;
        }
        let found = addresses(&name).await;
        if found.is_empty() {
            unresolved.push(name);
        } else {
            roster.learn(&name, &found);
        }
    }
    unresolved
}

async fn addresses(name: &str) -> Vec<String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.parse::<IpAddr>().is_ok() {
        return Vec::new();
    }
    match timeout(RESOLVE_MAX, lookup_host((name, 0))).await {
        Ok(Ok(found)) => found.map(|address| address.ip().to_string()).collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url() {
        for (url, host, port) in [
            ("http://s1.example:8081/api", "s1.example", Some(8081)),
            ("https://s1", "s1", None),
            ("http://[::1]:8081", "::1", Some(8081)),
            ("http://[::1]/", "::1", None),
            ("s1:x", "s1", None),
            ("", "", None),
        ] {
            assert_eq!(authority(url), (host.to_owned(), port), "{url}");
        }
    }
}
