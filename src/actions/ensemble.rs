//! `zookeeper` and `serverset`: what an ensemble says.
//!
//! Each look has a session of its own, which ends with it; nothing is ever written. No connection is unknown. A read
//! follows a sync, so that a server that lags behind does not answer from yesterday.

use zookeeper_client::{Client, Error};

use super::scene::{Scene, finding, seen};
use crate::{
    aurora::leader::{Member, Znode},
    hosts::clean,
    runbook::{
        kind::{Presence, Serverset, Zookeeper},
        text::Text,
    },
    session::Report,
};

/// What stands in place of an address where there is no ensemble.
const NO_ENSEMBLE: &str = "none";
/// Longest time to get a session.
const CONNECT_MAX: std::time::Duration = std::time::Duration::from_secs(5);
/// Children of a node that are read; a serverset has one for each scheduler and candidate.
const CHILDREN_MAX: usize = 1_000;
/// Lines of a node's data that are shown.
const DATA_LINES: usize = 20;
/// The endpoint under which schedulers advertise themselves unless told otherwise.
const ENDPOINT: &str = "http";

async fn connect(scene: &Scene<'_>, ensemble: &str) -> Result<Client, String> {
    let ensemble = ensemble.trim();
    if ensemble == NO_ENSEMBLE || ensemble.is_empty() {
        return Err("there is no ZooKeeper here".to_owned());
    }
    let connector = Client::connector()
        .with_session_timeout(std::time::Duration::from_secs(6))
        .with_connection_timeout(scene.at_most(std::time::Duration::from_secs(4)))
        .with_fail_eagerly();
    let connected = tokio::time::timeout(scene.at_most(CONNECT_MAX).mul_f32(0.9), connector.connect(ensemble)).await;
    match connected {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(format!("no session with ZooKeeper at {ensemble}: {error}")),
        Err(_) => Err(format!("no session with ZooKeeper at {ensemble} in time")),
    }
}

fn said(path: &str, error: &Error) -> String {
    format!("ZooKeeper does not give {path}: {error}")
}

/// The children of a node with their data; `None` if the node is not there.
pub(super) async fn children(scene: &Scene<'_>, ensemble: &str, path: &str) -> Result<Option<Vec<Znode>>, String> {
    let client = connect(scene, ensemble).await?;
    match client.sync(path).await {
        Ok(()) | Err(Error::NoNode) => {}
        Err(error) => return Err(said(path, &error)),
    }
    let names = match client.list_children(path).await {
        Ok(names) => names,
        Err(Error::NoNode) => return Ok(None),
        Err(error) => return Err(said(path, &error)),
    };
    if names.len() > CHILDREN_MAX {
        return Err(format!("{path} has {} children, more than {CHILDREN_MAX}", names.len()));
    }
    let mut nodes = Vec::new();
    for name in names {
        match client.get_data(&format!("{}/{name}", path.trim_end_matches('/'))).await {
            Ok((data, _)) => nodes.push(Znode { name, data }),
            // It went in between.
            Err(Error::NoNode) => {}
            Err(error) => return Err(said(path, &error)),
        }
    }
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Some(nodes))
}

pub(super) async fn look(scene: &Scene<'_>, zookeeper: &Zookeeper) -> Report {
    seen(look_or(scene, zookeeper).await)
}

async fn look_or(scene: &Scene<'_>, zookeeper: &Zookeeper) -> Result<Report, String> {
    let path = zookeeper.path.as_str();
    let client = connect(scene, zookeeper.connect.as_str()).await?;
    match client.sync(path).await {
        Ok(()) | Err(Error::NoNode) => {}
        Err(error) => return Err(said(path, &error)),
    }
    match client.get_data(path).await {
        Ok((data, stat)) => {
            let words = format!("{path} is there, with {} bytes and {} children", data.len(), stat.num_children);
            let report = Report::new(finding(zookeeper.exists != Some(false)), words);
            Ok(report.with_details(clean::lines(&data, DATA_LINES)))
        }
        Err(Error::NoNode) => Ok(Report::new(finding(zookeeper.exists != Some(true)), format!("{path} is not there"))),
        Err(error) => Err(said(path, &error)),
    }
}

pub(super) async fn look_at_serverset(scene: &Scene<'_>, serverset: &Serverset) -> Report {
    seen(serverset_or(scene, serverset).await)
}

async fn serverset_or(scene: &Scene<'_>, serverset: &Serverset) -> Result<Report, String> {
    let path = serverset.path.as_str();
    let nodes = children(scene, serverset.connect.as_str(), path).await?;
    let missing = nodes.is_none();
    let mut members = Vec::new();
    for node in nodes.unwrap_or_default().iter().filter(|node| node.is_member()) {
        let member = Member::parse(&node.data, ENDPOINT);
        members.push(member.ok_or_else(|| format!("{path}/{} holds no endpoint", clean::line(node.name.as_bytes())))?);
    }
    let shown = |member: &Member| clean::line(format!("{}:{}", member.host, member.port).as_bytes());
    let wanted = serverset.member.as_ref().map(Text::as_str);
    let is_wanted = |member: &&Member| wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&shown(member)));
    let found = members.iter().filter(is_wanted).count();
    let alive = members.iter().filter(is_wanted).filter(|member| member.is_alive()).count();
    let so = match serverset.is {
        Presence::Present => alive > 0,
        Presence::Absent => found == 0,
        Presence::Only => alive == 1 && members.len() == 1,
    };
    let names: Vec<String> = members.iter().map(shown).collect();
    let words = match names.as_slice() {
        [] if missing => format!("nobody is advertised: {path} is not there"),
        [] => format!("nobody is advertised under {path}"),
        names => format!("advertised under {path}: {}", names.join(", ")),
    };
    Ok(Report::new(finding(so), words))
}
