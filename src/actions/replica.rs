//! `replica` and `verdict`: one replica's directory read without opening it, and all of them weighed.
//!
//! The lock is never taken: who holds it is read from the kernel's list. A directory that could not be read whole is
//! unknown. The verdict counts hosts of the same group that nobody could look at as unknown.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::scene::{Scene, seen};
use crate::{
    hosts::{Host, HostError},
    replog::{
        Severity, Status, Summary, inspect,
        verdict::{self, Answer, Answers, Beside, Decision, Evidence, Leadership, Messages, Values},
    },
    runbook::{
        kind::{Replica, ReplicaStatus, Verdict},
        model::{HostName, Register},
        text::Text,
    },
    session::{Finding, Known, Report},
};

/// Findings of a directory that become outputs: the gravest come first, and these suffice for a verdict.
const FINDINGS: usize = 60;
/// Names in a replica's directory.
const NAMES_MAX: usize = 100_000;
/// Digests of a replica's values, to be compared with those of the others.
const VALUES: &str = "replica-values.bin";
/// Elections of all hosts within the window that count as flapping.
const FLAPPING: u64 = 3;

pub(super) async fn look(scene: &Scene<'_>, replica: &Replica) -> Report {
    seen(look_or(scene, replica).await)
}

async fn look_or(scene: &Scene<'_>, replica: &Replica) -> Result<Report, String> {
    let path = replica.path.as_str();
    let source = scene.host.log_source(path);
    let read = tokio::task::spawn_blocking(move || {
        let inspection = inspect(&*source);
        let values = Values::of(&inspection).map(|values| values.to_bytes());
        (inspection.summary, values)
    });
    let (mut summary, values) = read.await.map_err(|error| format!("could not read {path}: {error}"))?;
    summary.findings.truncate(FINDINGS);
    let holder = match scene.host.lock_holder(&format!("{}/LOCK", path.trim_end_matches('/'))).await {
        Ok(holder) => Ok(holder),
        Err(error) => Err(error.to_string()),
    };
    let owners = owners(&*scene.host, path).await;
    let mut worst = Finding::Holds;
    let mut lines = Vec::new();
    for (finding, line) in checks(replica, &summary, &holder, &owners) {
        worst = match (worst, finding) {
            (Finding::Fails, _) | (_, Finding::Fails) => Finding::Fails,
            (Finding::Unknown, _) | (_, Finding::Unknown) => Finding::Unknown,
            (Finding::Holds, Finding::Holds) => Finding::Holds,
        };
        lines.push(line);
    }
    let judgement = verdict::one_line(&summary);
    let mut words = judgement.clone();
    if !lines.is_empty() {
        words = format!("{words} ({})", lines.join("; "));
    }
    let mut details: Vec<String> = summary.findings.iter().map(detail).collect();
    let mut outputs = outputs(&summary, &judgement, holder.ok().flatten());
    // A gate asks again and again for something certain; what is compared is kept when the replica itself is looked at.
    if let (true, Some(bytes), Some(members)) = (asks_nothing(replica), values, outputs.as_object_mut()) {
        members.insert("values".to_owned(), scene.keep_as_output(VALUES, bytes, &mut details).await);
    }
    Ok(Report::new(worst, words).with_details(details).with_outputs(outputs))
}

/// A finding with its place.
fn detail(found: &crate::replog::Finding) -> String {
    let severity = match found.severity {
        Severity::Damage => "damage",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let place = match (&found.file, found.offset) {
        (Some(file), Some(offset)) => format!(" {file} at {offset}"),
        (Some(file), None) => format!(" {file}"),
        (None, _) => String::new(),
    };
    crate::hosts::clean::line(format!("{severity} {}{place}: {}", found.code, found.message).as_bytes())
}

fn asks_nothing(replica: &Replica) -> bool {
    let Replica { path: _, status, blank, unlocked, sound, snapshot, owner } = replica;
    status.is_none() && snapshot.is_none() && owner.is_none() && !(*blank || *unlocked || *sound)
}

/// What was asked for and is not so, or cannot be said.
fn checks(
    replica: &Replica,
    summary: &Summary,
    holder: &Result<Option<i32>, String>,
    owners: &Result<Vec<String>, String>,
) -> Vec<(Finding, String)> {
    let view = &summary.mesos_view;
    let mut found = Vec::new();
    if !view.certain {
        found.push((Finding::Unknown, "not everything could be read".to_owned()));
    }
    if let Some(wanted) = replica.status {
        let wanted = match wanted {
            ReplicaStatus::Empty => Status::Empty,
            ReplicaStatus::Starting => Status::Starting,
            ReplicaStatus::Recovering => Status::Recovering,
            ReplicaStatus::Voting => Status::Voting,
        };
        // A directory that is not there is what a replica makes for itself: empty.
        let status = if summary.exists { view.status } else { Some(Status::Empty) };
        if status != Some(wanted) {
            found.push((Finding::Fails, format!("its status must be {wanted}")));
        }
    }
    if replica.blank && view.actions > 0 {
        found.push((Finding::Fails, format!("it must be blank and holds {} actions", view.actions)));
    }
    if replica.unlocked {
        match holder {
            Ok(None) => {}
            Ok(Some(pid)) => found.push((Finding::Fails, format!("process {pid} holds its lock"))),
            Err(why) => found.push((Finding::Unknown, format!("whether its lock is held is not known: {why}"))),
        }
    }
    if replica.sound && summary.worst() == Some(Severity::Damage) {
        found.push((Finding::Fails, "it must be sound and is damaged".to_owned()));
    }
    if let Some(wanted) = &replica.snapshot {
        found.extend(snapshot(wanted, summary));
    }
    if let Some(wanted) = &replica.owner {
        match owners {
            Ok(owners) if owners.iter().all(|owner| owner == wanted.as_str()) => {}
            Ok(owners) => found.push((Finding::Fails, format!("it belongs to {}, not {wanted}", owners.join(" and ")))),
            Err(why) => found.push((Finding::Unknown, why.clone())),
        }
    }
    found
}

fn snapshot(wanted: &Text, summary: &Summary) -> Option<(Finding, String)> {
    let newest = summary.content.snapshots.last().and_then(|snapshot| snapshot.timestamp_ms);
    match (wanted.as_str().trim().parse::<i64>(), newest) {
        (Err(_), _) => Some((Finding::Unknown, format!("{:?} is not a time in milliseconds", wanted.as_str()))),
        (Ok(wanted), Some(found)) if wanted == found => None,
        (Ok(wanted), Some(found)) => Some((Finding::Fails, format!("its newest snapshot is of {found}, not {wanted}"))),
        (Ok(wanted), None) => Some((Finding::Fails, format!("it holds no snapshot; it must hold that of {wanted}"))),
    }
}

async fn owners(host: &dyn Host, path: &str) -> Result<Vec<String>, String> {
    let said = |error: HostError| error.to_string();
    let Some(own) = host.stat(path).await.map_err(said)? else { return Ok(Vec::new()) };
    let mut owners = vec![own.owner];
    owners.extend(host.list(path, NAMES_MAX).await.map_err(said)?.into_iter().map(|entry| entry.stat.owner));
    owners.sort();
    owners.dedup();
    Ok(owners)
}

fn outputs(summary: &Summary, judgement: &str, holder: Option<i32>) -> Value {
    let view = &summary.mesos_view;
    let messages: Vec<&str> = summary.findings.iter().take(FINDINGS).map(|found| found.message.as_str()).collect();
    json!({
        "judgement": judgement,
        "status": view.status.map_or_else(|| "UNKNOWN".to_owned(), |status| status.to_string()),
        "begin": view.begin,
        "end": view.end,
        "holes": view.holes,
        "findings": messages,
        "lock_holder": holder,
        "snapshot": summary.content.snapshots.last().and_then(|snapshot| snapshot.timestamp_ms),
        "summary": summary,
    })
}

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
    let evidence = Evidence {
        replicas,
        quorum,
        answers: Answers {
            failing_over: answer(&verdict.flapping)?,
            unusual_messages: answer(&verdict.messages)?,
            log_corrupt: answer(&verdict.damaged)?,
        },
        leadership: verdict.logs.as_ref().map(|logs| leadership(scene.known, logs)).unwrap_or_default(),
        messages: verdict.logs.as_ref().map(|logs| messages(scene.known, logs)).unwrap_or_default(),
        ..Evidence::default()
    };
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
        "copy_first": judged.copy_first, "verdict": judged,
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

/// Leadership by the logs of all hosts.
fn leadership(known: &Known, register: &str) -> Leadership {
    let Some(known) = known.get(&Register::from(register)) else { return Leadership::Unknown };
    let each: Vec<Leadership> =
        known.values().filter_map(|outputs| serde_json::from_value(outputs.get("leadership")?.clone()).ok()).collect();
    let elections: u64 = known.values().filter_map(|outputs| outputs.get("recent_elections")?.as_u64()).sum();
    let stable = each.iter().filter(|one| **one == Leadership::Stable).count();
    if each.contains(&Leadership::NotRegistering) {
        Leadership::NotRegistering
    } else if each.contains(&Leadership::Flapping) || elections >= FLAPPING {
        Leadership::Flapping
    } else if stable == 1 {
        Leadership::Stable
    } else {
        Leadership::Unknown
    }
}

/// Kinds of lines that a replica writes only where others do not vote or do not answer.
const UNUSUAL: [&str; 9] = [
    "recover-request",
    "recover-response",
    "recover-unfinished",
    "recover-failed",
    "catchup-stuck",
    "not-initialized",
    "promise-ignored",
    "write-ignored",
    "quorum-ignored",
];

/// Unusual replica messages by the logs of all hosts.
fn messages(known: &Known, register: &str) -> Messages {
    let Some(known) = known.get(&Register::from(register)) else { return Messages::default() };
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut lines = 0;
    for outputs in known.values() {
        lines += outputs.get("lines").and_then(Value::as_u64).unwrap_or(0);
        for kind in UNUSUAL {
            let count = outputs.get("counts").and_then(|counts| counts.get(kind)).and_then(Value::as_u64).unwrap_or(0);
            *counts.entry(kind).or_default() += count;
        }
    }
    counts.retain(|_, count| *count > 0);
    if !counts.is_empty() {
        let words: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        return Messages { unusual: Answer::Yes, says: words.join(", ") };
    }
    if lines == 0 {
        return Messages::default();
    }
    Messages { unusual: Answer::No, says: format!("none among {lines} lines") }
}
