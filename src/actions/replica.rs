//! `replica`: one replica's directory read without opening it.
//!
//! The lock is never taken: who holds it is read from the kernel's list. A directory that could not be read whole is
//! unknown. Digests of its values are kept as evidence, for the verdict to compare.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::scene::{Scene, seen};
use crate::{
    hosts::{Host, HostError, hex},
    replog::{
        Severity, Status, Summary, inspect,
        verdict::{self, Values},
    },
    runbook::{
        kind::{Replica, ReplicaStatus},
        text::Text,
    },
    session::{Finding, Report},
};

/// Findings of a directory that become outputs: the gravest come first, and these suffice for a verdict.
const FINDINGS: usize = 60;
/// Names in a replica's directory.
const NAMES_MAX: usize = 100_000;
/// Digests of a replica's values, to be compared with those of the others.
const VALUES: &str = "replica-values.bin";

pub(super) async fn look(scene: &Scene<'_>, replica: &Replica) -> Report {
    seen(look_or(scene, replica).await)
}

async fn look_or(scene: &Scene<'_>, replica: &Replica) -> Result<Report, String> {
    let path = replica.path.as_str();
    // Before the files are read: what changes meanwhile is not what was judged.
    let around = around(&*scene.host, path).await;
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
    let mut worst = Finding::Holds;
    let mut lines = Vec::new();
    for (finding, line) in checks(replica, &summary, &holder, &around) {
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
    let state = around.map(|around| around.state).ok();
    if let Some(members) = outputs.as_object_mut() {
        let page = if details.is_empty() { vec!["no findings".to_owned()] } else { details.clone() };
        members.insert("page".to_owned(), json!(page));
        members.insert("state".to_owned(), json!(state));
    }
    // A gate asks again and again for something certain; what is compared is kept when the replica itself is looked at.
    if let (true, Some(bytes), Some(members)) = (asks_nothing(replica), values, outputs.as_object_mut()) {
        members.insert("values".to_owned(), scene.keep_as_output(VALUES, bytes, &mut details).await);
    }
    Ok(Report::new(worst, words).with_details(details).with_outputs(outputs))
}

/// A finding with its place and its positions.
fn detail(found: &crate::replog::Finding) -> String {
    let severity = match found.severity {
        Severity::Damage => "damage",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    crate::hosts::clean::line(format!("{severity} {}", found.in_words()).as_bytes())
}

fn asks_nothing(replica: &Replica) -> bool {
    let Replica { path: _, status, blank, unlocked, sound, snapshot, owner, unchanged } = replica;
    let texts = snapshot.is_none() && owner.is_none() && unchanged.is_none();
    status.is_none() && texts && !(*blank || *unlocked || *sound)
}

/// What was asked for and is not so, or cannot be said.
fn checks(
    replica: &Replica,
    summary: &Summary,
    holder: &Result<Option<i32>, String>,
    around: &Result<Around, String>,
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
        match around {
            Ok(Around { owners, .. }) if owners.iter().all(|owner| owner == wanted.as_str()) => {}
            Ok(Around { owners, .. }) => {
                found.push((Finding::Fails, format!("it belongs to {}, not {wanted}", owners.join(" and "))));
            }
            Err(why) => found.push((Finding::Unknown, why.clone())),
        }
    }
    if let Some(judged) = &replica.unchanged {
        match around {
            Ok(Around { state, .. }) if state == judged.as_str() => {}
            Ok(_) => {
                found.push((Finding::Fails, "its files are not those that were judged: judge them again".to_owned()));
            }
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

/// What a list of the directory says.
struct Around {
    /// Who owns what is there.
    owners: Vec<String>,
    /// Stands for names, lengths and times of the log's files.
    state: String,
}

/// Files that say nothing of the log: every look of another program may write them.
const BESIDE_THE_LOG: [&str; 3] = ["LOG", "LOG.old", "LOCK"];

async fn around(host: &dyn Host, path: &str) -> Result<Around, String> {
    let said = |error: HostError| error.to_string();
    let (mut owners, mut digest) = (Vec::new(), Sha256::new());
    if let Some(own) = host.stat(path).await.map_err(said)? {
        owners.push(own.owner);
        for entry in host.list(path, NAMES_MAX).await.map_err(said)? {
            if !BESIDE_THE_LOG.contains(&entry.name.as_str()) {
                let line = format!("{}\0{}\0{}\0", entry.name, entry.stat.len, entry.stat.modified_ms);
                digest.update(line.as_bytes());
            }
            owners.push(entry.stat.owner);
        }
    }
    owners.sort();
    owners.dedup();
    Ok(Around { owners, state: hex(&digest.finalize()) })
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
