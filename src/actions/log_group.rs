//! `log_group`: which replicas are registered in ZooKeeper, as schedulers find each other's.
//!
//! Each scheduler that runs has a node below `-native_log_zk_group_path` that holds its replica's address; the node of one
//! that was killed stays until its session ends. More addresses than 2q-1 mean that a stranger votes: an old host that
//! still runs, or another cluster at the same path. What it deliberately does not do: say which of them is the stranger.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::{
    ensemble,
    scene::{Scene, finding, seen},
};
use crate::{aurora::leader::Znode, hosts::clean, runbook::kind::LogGroup, session::Report};

/// Members that are named in a line.
const NAMED: usize = 9;

/// Who is registered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Registered {
    /// Addresses of replicas (`ip:port`), each once.
    pub addresses: Vec<String>,
    /// Nodes whose data is no replica's.
    pub odd: Vec<String>,
}

impl Registered {
    /// What these nodes say. A scheduler that was killed and started again has two for a while.
    fn of(nodes: &[Znode]) -> Self {
        let mut found = Self::default();
        for node in nodes {
            let text = String::from_utf8_lossy(&node.data);
            match text.trim().split_once('@') {
                Some((name, address)) if name.starts_with("log-replica(") && address.contains(':') => {
                    found.addresses.push(clean::line(address.as_bytes()));
                }
                _ => found.odd.push(clean::line(node.name.as_bytes())),
            }
        }
        found.addresses.sort();
        found.addresses.dedup();
        found
    }

    /// Those in words.
    pub fn named(&self) -> String {
        let more = self.addresses.len().saturating_sub(NAMED);
        let mut names: Vec<String> = self.addresses.iter().take(NAMED).cloned().collect();
        names.extend((more > 0).then(|| format!("{more} more")));
        names.join(", ")
    }
}

/// Who is registered below a path; nobody, if it is not there.
pub(super) async fn registered(scene: &Scene<'_>, connect: &str, path: &str) -> Result<Registered, String> {
    let nodes = ensemble::replicas(scene, connect, path).await?;
    Ok(Registered::of(&nodes.unwrap_or_default()))
}

/// The group against the number of replicas that belong to it: a word, a sentence, and members of a report's outputs.
pub(super) async fn beside(scene: &Scene<'_>, connect: &str, path: &str, belong: usize) -> (String, Value) {
    let found = match registered(scene, connect, path).await {
        Ok(found) => found,
        Err(why) => {
            return (
                format!("who is registered in ZooKeeper is not known: {why}"),
                json!({ "group": "unknown", "registered": Value::Null }),
            );
        }
    };
    let count = found.addresses.len();
    let (word, text) = match count.cmp(&belong) {
        Ordering::Greater => {
            let text = format!(
                "DANGER: {count} replicas are registered under {path} where {belong} belong ({}): a stranger votes. An old host still runs, or another cluster shares the path; find and stop it before the log is started anew",
                found.named()
            );
            ("strangers", text)
        }
        Ordering::Equal => ("whole", format!("{count} replicas are registered under {path}, as many as belong there")),
        Ordering::Less => {
            let named = if count == 0 { "none".to_owned() } else { found.named() };
            let text = format!(
                "{count} of {belong} replicas are registered under {path} ({named}): the others do not run, or cannot reach ZooKeeper"
            );
            ("part", text)
        }
    };
    (text, json!({ "group": word, "registered": found.addresses }))
}

pub(super) async fn look(scene: &Scene<'_>, group: &LogGroup) -> Report {
    seen(look_or(scene, group).await)
}

async fn look_or(scene: &Scene<'_>, group: &LogGroup) -> Result<Report, String> {
    let path = group.path.as_str();
    let most = group
        .at_most
        .as_ref()
        .map(|most| most.as_str().trim().parse::<usize>().map_err(|_| format!("{:?} is not a number", most.as_str())));
    let most = most.transpose()?;
    let found = registered(scene, group.connect.as_str(), path).await?;
    let count = found.addresses.len() + found.odd.len();
    let words = match count {
        0 => format!("no replica is registered under {path}"),
        _ if found.odd.is_empty() => format!("registered under {path}: {}", found.named()),
        _ => {
            let odd = found.odd.join(", ");
            format!("registered under {path}: {}; what {odd} is for cannot be told", found.named())
        }
    };
    let outputs = json!({ "count": count, "registered": found.addresses });
    Ok(Report::new(finding(most.is_none_or(|most| count <= most)), words).with_outputs(outputs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_once_and_odd_nodes_are_named() {
        let node = |name: &str, data: &str| Znode { name: name.to_owned(), data: data.as_bytes().to_vec() };
        let found = Registered::of(&[
            node("0000000001", "log-replica(1)@10.0.0.2:8083"),
            node("0000000002", "log-replica(1)@10.0.0.1:8083"),
            node("0000000003", "log-replica(1)@10.0.0.2:8083"),
            node("0000000004", "log-replica(2)@10.0.0.3:8083\n"),
            node("0000000005", ""),
            node("member_1", "{}"),
        ]);
        assert_eq!(found.addresses, ["10.0.0.1:8083", "10.0.0.2:8083", "10.0.0.3:8083"]);
        assert_eq!(found.odd, ["0000000005", "member_1"]);
        let many = Registered { addresses: (0..12).map(|n| format!("h:{n}")).collect(), odd: Vec::new() };
        assert!(many.named().ends_with("h:8, 3 more"), "{}", many.named());
    }
}
