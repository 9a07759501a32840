//! `zookeeper` and `serverset`: what an ensemble says.
//!
//! No session is unknown, and so is a node that cannot be understood. What it deliberately does not do: write, or keep
//! a session from one look to the next.

use super::{
    reach::ensemble_access,
    scene::{Scene, finding, seen},
};
use crate::{
    aurora::{
        client::{EnsembleAccess, EnsembleReader, Node},
        leader::{Member, Znode},
    },
    hosts::clean,
    runbook::{
        kind::{Presence, Serverset, Zookeeper},
        text::Text,
    },
    session::Report,
};

/// What stands in place of an address where there is no ensemble.
pub(super) const NO_ENSEMBLE: &str = "none";
/// Longest time for one look.
const LOOK_MAX: std::time::Duration = std::time::Duration::from_secs(8);
/// Lines of a node's data that are shown.
const DATA_LINES: usize = 20;
/// The endpoint under which schedulers advertise themselves unless told otherwise.
pub(super) const ENDPOINT: &str = "http";

fn access(scene: &Scene<'_>, connect: &str) -> Result<EnsembleAccess, String> {
    let connect = connect.trim();
    if connect == NO_ENSEMBLE || connect.is_empty() {
        return Err("there is no ZooKeeper here".to_owned());
    }
    ensemble_access(&scene.world.inventory, connect).map_err(|error| error.to_string())
}

async fn open(scene: &Scene<'_>, access: &EnsembleAccess) -> Result<EnsembleReader, String> {
    let within = scene.at_most(LOOK_MAX).mul_f32(0.9);
    EnsembleReader::open(access, within).await.map_err(|error| error.to_string())
}

/// The candidates and members below a path; `None` if it is not there.
pub(super) async fn candidates(scene: &Scene<'_>, connect: &str, path: &str) -> Result<Option<Vec<Znode>>, String> {
    let reader = open(scene, &access(scene, connect)?).await?;
    reader.candidates(path).await.map_err(|error| error.to_string())
}

/// The replicas' nodes below a path; `None` if it is not there. Schedulers take that path from the root: a chroot is
/// for their election alone.
pub(super) async fn replicas(scene: &Scene<'_>, connect: &str, path: &str) -> Result<Option<Vec<Znode>>, String> {
    let mut access = access(scene, connect)?;
    access.ensemble.chroot = None;
    let reader = open(scene, &access).await?;
    reader.children(path).await.map_err(|error| error.to_string())
}

pub(super) async fn look(scene: &Scene<'_>, zookeeper: &Zookeeper) -> Report {
    seen(look_or(scene, zookeeper).await)
}

async fn look_or(scene: &Scene<'_>, zookeeper: &Zookeeper) -> Result<Report, String> {
    let path = zookeeper.path.as_str();
    let reader = open(scene, &access(scene, zookeeper.connect.as_str())?).await?;
    match reader.node(path).await.map_err(|error| error.to_string())? {
        Some(Node { data, children }) => {
            let words = format!("{path} is there, with {} bytes and {children} children", data.len());
            let report = Report::new(finding(zookeeper.exists != Some(false)), words);
            Ok(report.with_details(clean::lines(&data, DATA_LINES)))
        }
        None => Ok(Report::new(finding(zookeeper.exists != Some(true)), format!("{path} is not there"))),
    }
}

pub(super) async fn look_at_serverset(scene: &Scene<'_>, serverset: &Serverset) -> Report {
    seen(serverset_or(scene, serverset).await)
}

async fn serverset_or(scene: &Scene<'_>, serverset: &Serverset) -> Result<Report, String> {
    let path = serverset.path.as_str();
    let nodes = candidates(scene, serverset.connect.as_str(), path).await?;
    let missing = nodes.is_none();
    let mut members = Vec::new();
    for node in nodes.unwrap_or_default().iter().filter(|node| node.is_member()) {
        let member = Member::parse(&node.data, ENDPOINT);
        members.push(member.ok_or_else(|| format!("{path}/{} holds no endpoint", clean::line(node.name.as_bytes())))?);
    }
    let named = |member: &Member| clean::line(format!("{}:{}", member.host, member.port).as_bytes());
    let shown = |member: &Member| match (member.is_alive(), &member.status) {
        (true, _) => named(member),
        (false, Some(status)) => format!("{} with status {}", named(member), clean::line(status.as_bytes())),
        (false, None) => format!("{} without a status", named(member)),
    };
    let wanted = serverset.member.as_ref().map(Text::as_str);
    let is_wanted = |member: &&Member| wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&named(member)));
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
        [name] => format!("advertised under {path}: {name}"),
        names => format!("advertised under {path}: {}; schedulers take several for nobody", names.join(", ")),
    };
    Ok(Report::new(finding(so), words))
}
