//! `leader`: who leads, asked of the schedulers, their logs and ZooKeeper, side by side.
//!
//! Disagreement fails, with everything that was said. One source alone is enough only if the others say nothing, and
//! that is said. A prepared leader is not advertised, so the election's nodes stand for ZooKeeper then. A leader whose
//! storage does not answer yet does not hold.

use serde_json::json;

use super::{
    ensemble::{self, ENDPOINT, NO_ENSEMBLE},
    log_lines, log_source,
    roster::{learn, roster, text_var},
    scene::{Scene, seen},
    scheduler,
};
use crate::{
    aurora::{
        client::ClientError,
        leader::{Agreement, LogSight, Sight, Source, VarsSight, agreement, by_ballots, by_logs, by_members, by_vars},
    },
    runbook::{
        kind::Leader,
        model::{GroupName, HostName},
    },
    session::Report,
};

/// Bytes at the end of a log in which the newest election is looked for.
const LOG_TAIL_BYTES: u64 = 8 * 1024 * 1024;

pub(super) async fn look(scene: &Scene<'_>, leader: &Leader) -> Report {
    seen(look_or(scene, leader).await)
}

async fn look_or(scene: &Scene<'_>, leader: &Leader) -> Result<Report, String> {
    let hosts = scene.world.inventory.hosts_of(&GroupName::from(leader.among.as_str()));
    if hosts.is_empty() {
        return Err(format!("the inventory has no hosts in {}", leader.among));
    }
    let vars = ask_schedulers(scene, leader, &hosts).await?;
    let logs = read_logs(scene, leader, &hosts).await;
    let (ballots, members) = ask_ensemble(scene, leader, &hosts).await;
    let mut sights = vec![(Source::Vars, by_vars(&vars))];
    sights.extend(ballots.map(|sight| (Source::Ballots, sight)));
    sights.extend(logs.map(|logs| (Source::Logs, by_logs(&logs))));
    // What is not advertised says nothing of a prepared leader.
    let members = members.filter(|sight| !(leader.prepared && *sight == Sight::Nobody));
    sights.extend(members.map(|sight| (Source::Members, sight)));
    let mut lines: Vec<String> = sights.iter().map(|(source, sight)| format!("{source}: {}", words(sight))).collect();
    lines.extend(vars.iter().map(|(host, sight)| format!("{host} says: {}", vars_words(sight))));
    let lines: Vec<String> = lines.iter().map(|line| crate::hosts::clean::line(line.as_bytes())).collect();
    let said = lines.get(..sights.len()).unwrap_or_default().join("; ");
    let report = match agreement(&sights) {
        Agreement::Agree(name) => agreed(scene, leader, &name, &sights, &said).await?,
        Agreement::Disagree(_) => Report::fails(disagreed(&sights, &said)),
        Agreement::None => Report::fails(format!("nobody leads: {said}")),
        Agreement::Unknown(why) => Report::unknown(format!("{why} ({said})")),
    };
    Ok(report.with_details(lines))
}

async fn agreed(
    scene: &Scene<'_>,
    leader: &Leader,
    name: &str,
    sights: &[(Source, Sight)],
    said: &str,
) -> Result<Report, String> {
    let url = url(scene, leader, &HostName::from(name))?;
    let telling: Vec<&Source> =
        sights.iter().filter(|(_, sight)| matches!(sight, Sight::Leader(_))).map(|(source, _)| source).collect();
    let alone = match telling.as_slice() {
        [only] => format!("; only {only} says so"),
        _ => String::new(),
    };
    let said_by = |wanted: &[Source]| {
        let found = sights.iter().filter(|(source, _)| wanted.contains(source)).map(|(_, sight)| words(sight));
        let found: Vec<String> = found.collect();
        if found.is_empty() { "not asked".to_owned() } else { found.join(", ") }
    };
    let outputs = json!({
        "name": name, "url": url,
        "by_vars": said_by(&[Source::Vars]),
        "by_log": said_by(&[Source::Logs]),
        "by_zookeeper": said_by(&[Source::Members, Source::Ballots]),
    });
    if let Some(wanted) = &leader.is
        && wanted.as_str() != name
    {
        return Ok(Report::fails(format!("{name} leads, not {wanted} ({said})")));
    }
    if !leader.prepared && sights.contains(&(Source::Members, Sight::Nobody)) {
        return Ok(Report::fails(format!("{name} leads, but is not advertised: it has not registered yet ({said})")));
    }
    let client = scheduler::client(scene, &url).map_err(|error| error.to_string())?;
    match client.get_role_summary().await {
        Ok(_) => Ok(Report::holds(format!("{name} leads and its storage answers{alone}")).with_outputs(outputs)),
        Err(error) if error.is_transient() => Ok(Report::fails(format!("{name} leads, but its storage is not ready"))),
        Err(error) => Err(format!("{name} leads, but {error}")),
    }
}

/// A disagreement, with what passes by itself said as such.
fn disagreed(sights: &[(Source, Sight)], said: &str) -> String {
    let several =
        |wanted: Source| sights.iter().any(|(source, sight)| *source == wanted && matches!(sight, Sight::Several(_)));
    if several(Source::Vars) {
        return format!(
            "more than one scheduler answers as leader, as for some seconds after a commit, while the old one shuts \
             down; if it stays so, the schedulers are split: {said}"
        );
    }
    if several(Source::Members) {
        return format!(
            "more than one is advertised, which schedulers take for nobody; the node of a dead one goes with its \
             session, after some seconds: {said}"
        );
    }
    format!("they do not agree: {said}")
}

fn words(sight: &Sight) -> String {
    match sight {
        Sight::Leader(name) => name.clone(),
        Sight::Stranger(name) => format!("{name}, which the inventory does not know"),
        Sight::Nobody => "nobody".to_owned(),
        Sight::Several(names) => format!("several: {}", names.join(", ")),
        Sight::Unknown(why) => format!("unknown ({why})"),
    }
}

fn vars_words(sight: &VarsSight) -> String {
    match sight {
        VarsSight::Answered(Ok(state)) => state.to_string(),
        VarsSight::Answered(Err(why)) => why.to_string(),
        VarsSight::Refused => "nothing listens".to_owned(),
        VarsSight::Silent(why) => why.clone(),
    }
}

fn url(scene: &Scene<'_>, leader: &Leader, host: &HostName) -> Result<String, String> {
    text_var(scene.world, host, &leader.url_var).ok_or_else(|| format!("{host} has no variable {}", leader.url_var))
}

async fn ask_schedulers(
    scene: &Scene<'_>,
    leader: &Leader,
    hosts: &[HostName],
) -> Result<Vec<(String, VarsSight)>, String> {
    let mut asked = Vec::new();
    for host in hosts {
        let client = scheduler::client(scene, &url(scene, leader, host)?).map_err(|error| error.to_string())?;
        asked.push((host.0.clone(), client));
    }
    // One silent scheduler must leave time for the others' logs and for ZooKeeper.
    let within = scene.left().mul_f32(0.4);
    let answers = asked.into_iter().map(|(host, client)| {
        tokio::spawn(async move {
            let Ok(answer) = tokio::time::timeout(within, client.vars()).await else {
                return (host, VarsSight::Silent("no answer in time".to_owned()));
            };
            let sight = match answer {
                Ok(vars) => VarsSight::Answered(vars.lifecycle()),
                Err(ClientError::Connect { why, .. }) if why.to_ascii_lowercase().contains("refused") => {
                    VarsSight::Refused
                }
                Err(error) => VarsSight::Silent(error.to_string()),
            };
            (host, sight)
        })
    });
    let mut seen = Vec::new();
    for answer in answers.collect::<Vec<_>>() {
        seen.push(answer.await.map_err(|error| error.to_string())?);
    }
    Ok(seen)
}

async fn read_logs(scene: &Scene<'_>, leader: &Leader, hosts: &[HostName]) -> Option<Vec<(String, Option<LogSight>)>> {
    let var = leader.log_var.as_ref()?;
    let mut seen = Vec::new();
    for name in hosts {
        let path = text_var(scene.world, name, var);
        let host = scene.world.hosts.get(name);
        let scan = match (path, host) {
            (Some(path), Some(host)) => match log_source::zone_of(&scene.world.inventory, name) {
                Ok(zone) => log_lines::scan_end(&*host, &path, zone, LOG_TAIL_BYTES, scene.left()).await.ok(),
                Err(_) => None,
            },
            _ => None,
        };
        let sight = scan.map(|scan| {
            let last = scan.elections.last();
            LogSight {
                elected: last.and_then(|election| election.started_ms),
                ended: last.and_then(|election| election.ended_ms),
            }
        });
        seen.push((name.0.clone(), sight));
    }
    Some(seen)
}

async fn ask_ensemble(scene: &Scene<'_>, leader: &Leader, hosts: &[HostName]) -> (Option<Sight>, Option<Sight>) {
    let (Some(connect), Some(path)) = (&leader.connect, &leader.path) else { return (None, None) };
    if connect.as_str().trim() == NO_ENSEMBLE {
        return (None, None);
    }
    let (roster, nodes) = tokio::join!(
        roster(scene.world, hosts, &leader.url_var),
        ensemble::candidates(scene, connect.as_str(), path.as_str()),
    );
    let nodes = match nodes {
        Ok(nodes) => nodes.unwrap_or_default(),
        Err(why) => return (Some(Sight::Unknown(why)), None),
    };
    let mut roster = roster;
    let unresolved = learn(&mut roster, &nodes, ENDPOINT).await;
    let members = match by_members(&nodes, &roster, ENDPOINT) {
        // Who cannot be told from the schedulers of the inventory does not contradict them.
        Sight::Stranger(name) if unresolved.iter().any(|host| is_named(&name, host)) => {
            Sight::Unknown(format!("{name} is advertised, and that name cannot be resolved here"))
        }
        known => known,
    };
    (Some(by_ballots(&nodes, &roster)), Some(members))
}

/// True if a name, perhaps with a port, is this host's.
fn is_named(name: &str, host: &str) -> bool {
    name == host || name.rsplit_once(':').is_some_and(|(bare, _)| bare == host)
}
