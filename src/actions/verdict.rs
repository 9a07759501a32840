//! `verdict`, `elections` and `quorum`: what was seen of the log on every host, weighed together.
//!
//! Hosts of the same group that nobody could look at are counted as unknown. What it deliberately does not do: look
//! again; each of these rests on what earlier steps saw, and says so.

use serde_json::{Value, json};

use super::{
    ensemble::NO_ENSEMBLE,
    log_group,
    scene::{Scene, seen},
};
use crate::{
    hosts::clean,
    logscan::{Election, End, HostSays, leadership, messages},
    replog::{
        Status, Summary,
        verdict::{self, Answer, Answers, Beside, Decision, Evidence, Leadership, Values, one_line},
    },
    runbook::{
        kind::{Elections, Quorum, Verdict},
        model::{HostName, Register},
        text::Text,
    },
    session::{Known, Report},
};

/// Leaderships that are told.
const STORY: usize = 40;

pub(super) async fn judge(scene: &Scene<'_>, verdict: &Verdict) -> Report {
    seen(judge_or(scene, verdict).await)
}

async fn judge_or(scene: &Scene<'_>, verdict: &Verdict) -> Result<Report, String> {
    let quorum: u32 = verdict
        .quorum
        .as_str()
        .trim()
        .parse()
        .map_err(|_| format!("the quorum {:?} is not a number", verdict.quorum.as_str()))?;
    let (replicas, mut notes) = replicas(scene, &verdict.replicas).await?;
    let said = verdict.logs.as_ref().map(|logs| said(scene.known, logs)).unwrap_or_default();
    let (leadership, leading) = leadership(&said);
    let evidence = Evidence {
        replicas,
        quorum,
        answers: Answers {
            failing_over: answer(&verdict.flapping)?,
            unusual_messages: answer(&verdict.messages)?,
            log_corrupt: answer(&verdict.damaged)?,
        },
        leadership: with_watched(leadership, scene.known, verdict.watched.as_deref()),
        leading,
        messages: messages(&said),
        ..Evidence::default()
    };
    if let Some(live) = evidence.replicas.iter().find(|replica| verdict.stopped && replica.live) {
        let host = clean::line(live.host.as_bytes());
        return Ok(Report::fails(format!(
            "the replica on {host} was open in a process while it was read: stop that, and look at it again"
        )));
    }
    let mut judged = verdict::judge(&evidence);
    judged.missing.append(&mut notes);
    let word = judged.decision.word();
    let initialize = if judged.decision == Decision::Reinitialize { "yes" } else { "no" };
    let reasons: Vec<&str> = judged.reasons.iter().map(|reason| reason.text.as_str()).collect();
    let reason = reasons.first().copied().unwrap_or("nothing was found either way");
    let challenges: Vec<String> = judged.contradicted().map(challenge).collect();
    let contradicted = if challenges.is_empty() { "no" } else { "yes" };
    let mut details = vec![judged.decision.headline()];
    details.extend(judged.answers.iter().map(beside));
    details.extend(reasons.iter().map(|text| (*text).to_owned()));
    details.extend(judged.missing.iter().map(|missing| format!("not known: {missing}")));
    let outputs = json!({
        "decision": word, "initialize": initialize, "reason": reason,
        "host": judged.decision.host().unwrap_or_default(),
        "headline": judged.decision.headline(),
        "reasons": reasons, "missing": judged.missing,
        "contradicted": contradicted, "challenge": challenges.join("; "),
        "copy_first": judged.copy_first, "verdict": judged, "page": details,
    });
    Ok(Report::holds(format!("{word}: {reason}")).with_details(details).with_outputs(outputs))
}

/// An answer that the evidence speaks against.
fn challenge(beside: &Beside) -> String {
    let (asked, answered, says) = (&beside.asked, beside.answered.word(), &beside.says);
    format!("you answered {answered} to \u{201c}{asked}?\u{201d}; the evidence: {says}")
}

fn beside(beside: &Beside) -> String {
    let sign = if beside.contradicts { ", AGAINST THE EVIDENCE" } else { "" };
    let (question, asked, answered) = (beside.question, &beside.asked, beside.answered.word());
    format!("{question:?} {asked}: you {answered}, evidence {}{sign} ({})", beside.evidence.word(), beside.says)
}

fn answer(text: &Text) -> Result<Answer, String> {
    match text.as_str().trim() {
        "yes" => Ok(Answer::Yes),
        "no" => Ok(Answer::No),
        "unsure" | "" => Ok(Answer::Unsure),
        other => Err(format!("{other:?} is neither yes, no nor unsure")),
    }
}

/// What was seen of each replica, and what could not be compared. Hosts of their group of which nothing was seen are
/// unknown.
async fn replicas(scene: &Scene<'_>, register: &str) -> Result<(Vec<verdict::Replica>, Vec<String>), String> {
    let known = scene.known.get(&Register::from(register)).ok_or_else(|| format!("nothing is known of {register}"))?;
    let groups = scene.world.inventory.groups.values();
    let own = |host: &HostName| known.contains_key(host);
    let mut hosts: Vec<HostName> = groups
        .filter(|group| group.hosts.iter().any(|host| own(&host.name)))
        .flat_map(|group| group.hosts.iter().map(|host| host.name.clone()))
        .collect();
    hosts.extend(known.keys().cloned());
    hosts.sort();
    hosts.dedup();
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for host in &hosts {
        let outputs = known.get(host);
        let read = outputs.and_then(|outputs| outputs.get("summary"));
        let read = read.map(|found| serde_json::from_value::<Summary>(found.clone())).transpose();
        let summary =
            read.map_err(|error| format!("what was seen of the replica on {host} cannot be read: {error}"))?;
        let live = outputs.and_then(|outputs| outputs.get("lock_holder")).is_some_and(|holder| !holder.is_null());
        let values = match outputs.and_then(|outputs| outputs.get("values")).filter(|kept| !kept.is_null()) {
            Some(kept) => match scene.kept(kept).await {
                Ok(bytes) => Values::from_bytes(&bytes).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            },
            None => Err("its values were not kept".to_owned()),
        };
        let values = values.map_err(|why| notes.push(format!("whether {host} agrees with the others: {why}"))).ok();
        found.push(verdict::Replica { host: host.0.clone(), summary, values, live });
    }
    if found.iter().all(|replica| replica.values.is_none()) {
        notes.truncate(1);
    }
    Ok((found, notes))
}

/// What the log of each host said.
fn said(known: &Known, register: &str) -> Vec<HostSays> {
    let Some(known) = known.get(&Register::from(register)) else { return Vec::new() };
    let number = |outputs: &Value, name: &str| outputs.get(name).and_then(Value::as_u64).unwrap_or(0);
    let each = known.values().map(|outputs| HostSays {
        leadership: outputs.get("leadership").and_then(|found| serde_json::from_value(found.clone()).ok()),
        recent: number(outputs, "recent_elections"),
        lines: number(outputs, "lines"),
        counts: outputs.get("counts").and_then(|found| serde_json::from_value(found.clone()).ok()).unwrap_or_default(),
    });
    each.collect()
}

/// Leadership by the logs, and by what was watched in ZooKeeper. A leader that stayed for the while that one watched
/// says nothing against logs that tell of changes.
fn with_watched(by_logs: Leadership, known: &Known, watched: Option<&str>) -> Leadership {
    let word = watched_output(known, watched, "watched");
    match (by_logs, word.as_str()) {
        (Leadership::Stable | Leadership::Unknown, "changing") => Leadership::Flapping,
        (by_logs, _) => by_logs,
    }
}

/// An output of `leadership`, empty if nobody watched.
fn watched_output(known: &Known, register: Option<&str>, name: &str) -> String {
    let outputs = register.and_then(|register| known.get(&Register::from(register)));
    let found = outputs.and_then(|hosts| hosts.values().find_map(|outputs| outputs.get(name)?.as_str()));
    found.unwrap_or_default().to_owned()
}

pub(super) fn elections(scene: &Scene<'_>, elections: &Elections) -> Report {
    let Some(known) = scene.known.get(&Register::from(elections.logs.as_str())) else {
        return Report::unknown(format!("nothing is known of {}", elections.logs));
    };
    let mut all: Vec<(&HostName, Election)> = Vec::new();
    for (host, outputs) in known {
        let read = outputs.get("elections").map(|found| serde_json::from_value::<Vec<Election>>(found.clone()));
        all.extend(read.and_then(Result::ok).into_iter().flatten().map(|election| (host, election)));
    }
    all.sort_by_key(|(_, election)| election.started_ms);
    let said = said(scene.known, &elections.logs);
    let (by_logs, _) = leadership(&said);
    let leadership = with_watched(by_logs, scene.known, elections.watched.as_deref());
    let recent: u64 = said.iter().map(|host| host.recent).sum();
    let watched = watched_output(scene.known, elections.watched.as_deref(), "says");
    let from = all.len().saturating_sub(STORY);
    let mut story: Vec<String> =
        all.iter().skip(from).map(|(host, election)| clean::line(told(host, election).as_bytes())).collect();
    if !watched.is_empty() {
        story.push(format!("ZooKeeper, watched: {watched}"));
    }
    let leader = all.last().map(|(host, _)| host.0.clone()).unwrap_or_default();
    let says = match leadership {
        Leadership::Stable => "one leader that stays",
        Leadership::Flapping => "the leadership keeps changing",
        Leadership::NotRegistering => "leaders end because they do not register with Mesos",
        Leadership::Unknown => "who leads is not known",
    };
    let words =
        format!("{says}: {} elections in the logs of {} hosts, {recent} of them recent", all.len(), known.len());
    let outputs =
        json!({ "leadership": leadership, "recent": recent, "leader": leader, "story": story, "page": story });
    Report::holds(words).with_details(story).with_outputs(outputs)
}

/// One leadership in a line.
fn told(host: &HostName, election: &Election) -> String {
    let moment = |ms: Option<i64>| {
        let at = ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        at.map_or_else(|| "at an unknown time".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
    };
    let lasted = match (election.started_ms, election.ended_ms) {
        (Some(started), Some(ended)) => {
            let whole = u64::try_from(ended.saturating_sub(started) / 1000).unwrap_or(0);
            format!(" for {}", humantime::format_duration(std::time::Duration::from_secs(whole)))
        }
        _ => String::new(),
    };
    let end = match election.end {
        None => "leads still",
        Some(End::Commit) => "ended by a commit",
        Some(End::Quit) => "was asked to quit",
        Some(End::RegistrationTimeout) => "ended: Mesos did not register it in time",
        Some(End::LostLeadership) => "ended: lost its ZooKeeper session or ballot",
        Some(End::AutomaticFailover) => "ended: its leading timer ran out",
        Some(End::ContentCorrupt) => "ended: the content of the log is corrupt",
        Some(End::LogFailed) => "ended: a write or read of the log failed",
        Some(End::MesosError) => "ended: Mesos refused the framework",
        Some(End::Exception) => "ended by an error",
        Some(End::Shutdown) => "ended in order",
        Some(End::Died) => "died without a word",
    };
    let empty = if election.empty_state { ", with an EMPTY state" } else { "" };
    format!("{} {host} led{lasted}{empty}, {end}", moment(election.started_ms))
}

pub(super) async fn quorum(scene: &Scene<'_>, asked: &Quorum) -> Report {
    seen(quorum_or(scene, asked).await)
}

async fn quorum_or(scene: &Scene<'_>, asked: &Quorum) -> Result<Report, String> {
    let quorum: usize = asked
        .quorum
        .as_str()
        .trim()
        .parse()
        .map_err(|_| format!("the quorum {:?} is not a number", asked.quorum.as_str()))?;
    let (replicas, _) = replicas(scene, &asked.replicas).await?;
    let known = |replica: &verdict::Replica| replica.summary.as_ref().is_some_and(|found| found.mesos_view.certain);
    let votes = |replica: &verdict::Replica| {
        replica.summary.as_ref().is_some_and(|found| found.mesos_view.status == Some(Status::Voting))
    };
    let unknown = replicas.iter().filter(|replica| !known(replica)).count();
    let voting = replicas.iter().filter(|replica| known(replica) && votes(replica)).count();
    let (has, restart) = if voting >= quorum {
        ("yes", "a quorum votes; a replica that does not vote copies from it and joins")
    } else if voting + unknown >= quorum {
        ("unknown", "whether a quorum votes depends on replicas that could not be looked at")
    } else {
        ("no", "no quorum votes: started as they are, they ask each other for ever, and nothing leads")
    };
    let rows: Vec<String> = replicas
        .iter()
        .map(|replica| {
            let said = replica.summary.as_ref().map_or_else(|| "could not be looked at".to_owned(), one_line);
            let live = if replica.live { " (live)" } else { "" };
            clean::line(format!("{}{live}: {said}", replica.host).as_bytes())
        })
        .collect();
    let size = match (2 * quorum).saturating_sub(1) {
        size if size == replicas.len() => String::new(),
        size => format!("; a quorum of {quorum} goes with {size} replicas"),
    };
    let words = format!("{voting} of {} vote, {unknown} unknown, {quorum} are needed{size}", replicas.len());
    let belong = (2 * quorum).saturating_sub(1);
    let (group, members) = match (&asked.connect, &asked.log_group) {
        (Some(connect), Some(path)) if connect.as_str().trim() != NO_ENSEMBLE => {
            log_group::beside(scene, connect.as_str(), path.as_str(), belong).await
        }
        _ => (String::new(), json!({ "group": "not_asked", "registered": Value::Null })),
    };
    let mut details = vec![restart.to_owned()];
    details.extend((!group.is_empty()).then(|| group.clone()));
    details.extend(rows.iter().cloned());
    let mut outputs = json!({
        "voting": voting, "unknown": unknown, "replicas": replicas.len(), "quorum": quorum,
        "has_quorum": has, "restart": restart, "rows": rows,
        "page": details,
    });
    if let (Value::Object(outputs), Value::Object(members)) = (&mut outputs, members) {
        outputs.extend(members);
    }
    let words = if group.is_empty() { words } else { format!("{words}; {group}") };
    Ok(Report::holds(words).with_details(details).with_outputs(outputs))
}
