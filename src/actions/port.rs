//! `port`: does something accept connections, from here or from elsewhere?
//!
//! Accepted is open, refused is closed, anything else is unknown: a firewall that drops is not a closed port. Only
//! where it is seen at the same moment that others do get in does silence count as shut.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::scene::{Scene, finding};
use crate::{
    aurora::flags::MasterAddress,
    hosts::{Answer, Host},
    runbook::{
        kind::Port,
        model::{GroupName, HostName, LOCAL},
        text::Text,
    },
    session::{Finding, Report},
};

/// Longest time for one connection; a machine next door answers in milliseconds.
const CONNECT_MAX: Duration = Duration::from_secs(5);

pub(super) async fn look(scene: &Scene<'_>, port: &Port) -> Report {
    let seen = match port {
        Port::Open(at) => one(scene, at, true).await,
        Port::Closed(at) => one(scene, at, false).await,
        Port::OpenFrom { at, from } => open_from(scene, at, from).await,
        Port::ShutFrom { at, from, open } => shut_from(scene, at, from, open.as_ref()).await,
        Port::NoMasterAt(at) => no_master_at(scene, at).await,
    };
    super::scene::seen(seen)
}

/// A little less than all the time, so that the answer is ours and not the deadline's.
fn within(scene: &Scene<'_>) -> Duration {
    scene.at_most(CONNECT_MAX).mul_f32(0.9)
}

async fn one(scene: &Scene<'_>, text: &Text, wanted_open: bool) -> Result<Report, String> {
    let at = parsed(text)?;
    Ok(match scene.host.connect(&at, within(scene)).await {
        Answer::Open => Report::new(finding(wanted_open), format!("{at} accepts connections")),
        Answer::Refused => Report::new(finding(!wanted_open), format!("{at} refuses connections")),
        Answer::None(why) => Report::unknown(format!("{at} neither accepts nor refuses: {why}")),
    })
}

/// The machines that a text names: a group, a host, or the operator's own.
fn machines(scene: &Scene<'_>, from: &Text) -> Result<Vec<HostName>, String> {
    let inventory = &scene.world.inventory;
    let (name, host) = (from.as_str(), HostName::from(from.as_str()));
    let of_group = inventory.hosts_of(&GroupName::from(name));
    if !of_group.is_empty() {
        return Ok(of_group);
    }
    if name == LOCAL || inventory.host(&host).is_some() {
        return Ok(vec![host]);
    }
    Err(format!("the inventory has no group and no host {name:?} to look from"))
}

/// Connects from several machines, or to several addresses, at the same moment. Answers are in the order of what was
/// asked.
async fn connect_all(scene: &Scene<'_>, asked: Vec<(Option<Arc<dyn Host>>, String)>) -> Vec<Answer> {
    let (within, many) = (within(scene), asked.len());
    let mut running = JoinSet::new();
    for (at_index, (host, at)) in asked.into_iter().enumerate() {
        running.spawn(async move {
            let answer = match host {
                Some(host) => host.connect(&at, within).await,
                None => Answer::None("the inventory has no such host".to_owned()),
            };
            (at_index, answer)
        });
    }
    let mut answers = vec![Answer::None("no answer".to_owned()); many];
    while let Some(done) = running.join_next().await {
        // A task that ended by a defect leaves its answer unknown.
        if let Ok((at_index, answer)) = done
            && let Some(place) = answers.get_mut(at_index)
        {
            *place = answer;
        }
    }
    answers
}

async fn from_each(scene: &Scene<'_>, machines: Vec<HostName>, at: &str) -> Vec<(HostName, Answer)> {
    let asked = machines.iter().map(|name| (scene.world.hosts.get(name), at.to_owned())).collect();
    let answers = connect_all(scene, asked).await;
    machines.into_iter().zip(answers).collect()
}

async fn open_from(scene: &Scene<'_>, at: &Text, from: &Text) -> Result<Report, String> {
    let at = parsed(at)?;
    let answers = from_each(scene, machines(scene, from)?, &at).await;
    let lines = told(&answers, &at);
    let found = if answers.iter().any(|(_, answer)| *answer == Answer::Refused) {
        Finding::Fails
    } else if answers.iter().all(|(_, answer)| *answer == Answer::Open) {
        Finding::Holds
    } else {
        Finding::Unknown
    };
    Ok(Report::new(found, lines.join("; ")).with_details(lines))
}

async fn shut_from(scene: &Scene<'_>, at: &Text, from: &Text, open: Option<&Text>) -> Result<Report, String> {
    let at = parsed(at)?;
    let outside = machines(scene, from)?;
    let inside = vec![scene.name.clone(), HostName::from(LOCAL)];
    let (outside, inside) = match open.map(parsed).transpose()? {
        None => (from_each(scene, outside, &at).await, Vec::new()),
        Some(open) => {
            let (outside, inside) = tokio::join!(from_each(scene, outside, &at), from_each(scene, inside, &open));
            let lines = told(&inside, &open);
            (outside, inside.into_iter().zip(lines).collect())
        }
    };
    let mut lines = told(&outside, &at);
    let controlled = !inside.is_empty() && inside.iter().all(|((_, answer), _)| *answer == Answer::Open);
    let silent = outside.iter().any(|(_, answer)| matches!(answer, Answer::None(_)));
    let found = if outside.iter().any(|(_, answer)| *answer == Answer::Open) {
        Finding::Fails
    } else if controlled || inside.is_empty() && !silent {
        Finding::Holds
    } else {
        Finding::Unknown
    };
    lines.extend(inside.into_iter().map(|(_, line)| line));
    let why = if found == Finding::Unknown { "; whether that is the firewall's doing does not show" } else { "" };
    Ok(Report::new(found, format!("{}{why}", lines.join("; "))).with_details(lines))
}

fn told(answers: &[(HostName, Answer)], at: &str) -> Vec<String> {
    let words = |answer: &Answer| match answer {
        Answer::Open => "accepts connections".to_owned(),
        Answer::Refused => "refuses connections".to_owned(),
        Answer::None(why) => format!("does not answer ({why})"),
    };
    answers.iter().map(|(name, answer)| format!("from {name}, {at} {}", words(answer))).collect()
}

/// Every address behind a master address is asked. One that answers may be a real master, or a ZooKeeper that knows it;
/// one that neither accepts nor refuses, or does not resolve, is unknown: the driver aborts over a name without an
/// address.
async fn no_master_at(scene: &Scene<'_>, text: &Text) -> Result<Report, String> {
    let address = match MasterAddress::parse(text.as_str().trim()) {
        Ok(address) => address,
        Err(error) => return Ok(Report::fails(error.to_string())),
    };
    let endpoints = match &address {
        MasterAddress::ZooKeeper { hosts, .. } => hosts.clone(),
        MasterAddress::Direct(host) => vec![host.clone()],
        MasterAddress::File(file) => return Err(format!("what {file} names is not looked into")),
    };
    let asked: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
    let answers = connect_all(scene, asked.iter().map(|at| (Some(scene.host.clone()), at.clone())).collect()).await;
    let answers: Vec<(String, Answer)> = asked.into_iter().zip(answers).collect();
    let lines: Vec<String> = answers
        .iter()
        .map(|(at, answer)| match answer {
            Answer::Open => format!("something answers at {at}"),
            Answer::Refused => format!("nothing answers at {at}"),
            Answer::None(why) => format!("it is not known whether anything answers at {at}: {why}"),
        })
        .collect();
    let found = if answers.iter().any(|(_, answer)| *answer == Answer::Open) {
        Finding::Fails
    } else if answers.iter().all(|(_, answer)| *answer == Answer::Refused) {
        Finding::Holds
    } else {
        Finding::Unknown
    };
    Ok(Report::new(found, lines.join("; ")).with_details(lines))
}

fn parsed(text: &Text) -> Result<String, String> {
    address(text.as_str()).ok_or_else(|| format!("{:?} is not address:port", text.as_str()))
}

/// `address:port`, or a port alone, which is on the host's loopback.
fn address(text: &str) -> Option<String> {
    let text = text.trim();
    if let Ok(port) = text.parse::<u16>() {
        return Some(format!("127.0.0.1:{port}"));
    }
    let (host, port) = text.rsplit_once(':')?;
    let plain = !host.is_empty() && (!host.contains(':') || host.starts_with('[') && host.ends_with(']'));
    (plain && port.parse::<u16>().is_ok()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses() {
        let cases = [
            ("8081", Some("127.0.0.1:8081")),
            (" 10.0.0.1:80 ", Some("10.0.0.1:80")),
            ("[::1]:80", Some("[::1]:80")),
            ("::1:80", None),
            (":80", None),
            ("host", None),
            ("host:http", None),
            ("host:70000", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(address(text).as_deref(), wanted, "{text}");
        }
    }
}
