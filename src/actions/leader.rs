//! `leader`: who leads, asked of the schedulers, their logs and ZooKeeper, side by side.
//!
//! Disagreement fails, with everything that was said. One source alone is enough only if the others say nothing, and
//! that is said. A prepared leader is not advertised, so the election's nodes stand for ZooKeeper then. A leader whose
//! storage does not answer yet does not hold.

use serde_json::json;

use super::{
    ensemble, log_lines, log_source,
    scene::{Scene, seen},
    scheduler,
};
use crate::{
    aurora::{
        client::ClientError,
        leader::{
            Agreement, LogSight, Roster, RosterEntry, Sight, Source, VarsSight, agreement, by_ballots, by_logs,
            by_members, by_vars,
        },
    },
    runbook::{
        kind::Leader,
        model::{GroupName, HostName},
    },
    session::Report,
};

/// Bytes at the end of a log in which the newest election is looked for.
const LOG_TAIL_BYTES: u64 = 8 * 1024 * 1024;
/// Variables of a host under which a scheduler may call itself.
const NAMES: [&str; 4] = ["hostname", "address", "ip", "advertised"];
/// The endpoint under which schedulers advertise themselves unless told otherwise.
const ENDPOINT: &str = "http";

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
        Agreement::Disagree(_) => Report::fails(format!("they do not agree: {said}")),
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
    let client = scheduler::client(scene, &url).map_err(|error| error.to_string())?;
    match client.get_role_summary().await {
        Ok(_) => Ok(Report::holds(format!("{name} leads and its storage answers{alone}")).with_outputs(outputs)),
        Err(error) if error.is_transient() => Ok(Report::fails(format!("{name} leads, but its storage is not ready"))),
        Err(error) => Err(format!("{name} leads, but {error}")),
    }
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

fn text_var(scene: &Scene<'_>, host: &HostName, name: &str) -> Option<String> {
    let value = scene.world.inventory.host_var(host, name)?;
    let raw = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    scene.world.render(host, &raw.into()).ok()
}

fn url(scene: &Scene<'_>, leader: &Leader, host: &HostName) -> Result<String, String> {
    text_var(scene, host, &leader.url_var).ok_or_else(|| format!("{host} has no variable {}", leader.url_var))
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
        let path = text_var(scene, name, var);
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
    if connect.as_str() == "none" {
        return (None, None);
    }
    let entry = |host: &HostName| {
        let url = text_var(scene, host, &leader.url_var).unwrap_or_default();
        let at = url.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
        let (named, port) = at.rsplit_once(':').unwrap_or((at.as_str(), ""));
        let mut aliases: Vec<String> = NAMES.iter().filter_map(|name| text_var(scene, host, name)).collect();
        aliases.push(named.to_owned());
        RosterEntry { host: host.0.clone(), aliases, http_port: port.parse().ok() }
    };
    let roster = Roster(hosts.iter().map(entry).collect());
    match ensemble::children(scene, connect.as_str(), path.as_str()).await {
        Ok(nodes) => {
            let nodes = nodes.unwrap_or_default();
            (Some(by_ballots(&nodes, &roster)), Some(by_members(&nodes, &roster, ENDPOINT)))
        }
        Err(why) => (Some(Sight::Unknown(why)), None),
    }
}
