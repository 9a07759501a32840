//! `backups` and `backup`: backup files, decoded.
//!
//! Their age comes from the time inside the file. `rank` orders the fit ones of all hosts newest first; what is not
//! fit comes last.

use std::time::Duration;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::scene::{Scene, finding, seen};
use crate::{
    aurora::snapshot::{BACKUP_BYTES_MAX, BACKUP_NAME_PREFIX, BackupSummary, read_backup},
    hosts::{FileKind, clean},
    runbook::kind::{Backup, Backups},
    session::Report,
};

/// Backups of one directory that are decoded; a scheduler keeps 48 unless told otherwise.
const BACKUPS_MAX: usize = 500;
/// Names in a backup directory.
const NAMES_MAX: usize = 100_000;

struct Decoded {
    path: String,
    sha256: String,
    summary: BackupSummary,
}

async fn decode(scene: &Scene<'_>, path: &str) -> Result<Decoded, String> {
    let bytes = scene.host.read_file(path, BACKUP_BYTES_MAX).await.map_err(|error| error.to_string())?;
    let read = tokio::task::spawn_blocking(move || (crate::hosts::hex(&Sha256::digest(&bytes)), read_backup(&bytes)));
    let (sha256, summary) = read.await.map_err(|error| format!("could not decode {path}: {error}"))?;
    Ok(Decoded { path: path.to_owned(), sha256, summary })
}

fn age_ms(timestamp_ms: Option<i64>) -> Option<i64> {
    Some(jiff::Timestamp::now().as_millisecond() - timestamp_ms?)
}

/// An age in words: two units are enough.
fn age(age_ms: Option<i64>) -> String {
    match age_ms.map(u64::try_from) {
        Some(Ok(ms)) => {
            let seconds = ms / 1000;
            let unit = if seconds >= 86_400 {
                3_600
            } else if seconds >= 3_600 {
                60
            } else {
                1
            };
            humantime::format_duration(Duration::from_secs(seconds / unit * unit)).to_string()
        }
        Some(Err(_)) => "of the future".to_owned(),
        None => "unknown".to_owned(),
    }
}

fn entry(scene: &Scene<'_>, decoded: &Decoded) -> Map<String, Value> {
    let summary = &decoded.summary;
    let name = decoded.path.rsplit('/').next().unwrap_or_default();
    let problems: Vec<String> = summary
        .problems()
        .iter()
        .chain(&summary.warnings)
        .map(|problem| clean::line(problem.message.as_bytes()))
        .collect();
    let fit = summary.is_fit();
    let rank = if fit { -summary.timestamp_ms.unwrap_or(0) } else { i64::MAX };
    let members = json!({
        "host": scene.name.0,
        "name": name,
        "path": decoded.path,
        "sha256": decoded.sha256,
        "bytes": summary.size,
        "timestamp_ms": summary.timestamp_ms,
        "age": age(age_ms(summary.timestamp_ms)),
        "fit": if fit { "yes" } else { "no" },
        "tasks": summary.counts.tasks,
        "active": summary.counts.active_tasks,
        "jobs": summary.by_job.len(),
        "framework_id": summary.framework_id.clone().unwrap_or_default(),
        "problems": problems,
        "rank": rank,
    });
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn line(decoded: &Decoded) -> String {
    let summary = &decoded.summary;
    let name = clean::line(decoded.path.rsplit('/').next().unwrap_or_default().as_bytes());
    let problem =
        summary.problems().first().map(|problem| format!("; not fit: {}", problem.message)).unwrap_or_default();
    let problem = clean::line(problem.as_bytes());
    format!(
        "{name}: {} old, {} tasks, {} jobs, {} bytes{problem}",
        age(age_ms(summary.timestamp_ms)),
        summary.counts.tasks,
        summary.by_job.len(),
        summary.size
    )
}

pub(super) async fn look(scene: &Scene<'_>, backups: &Backups) -> Report {
    seen(look_or(scene, backups).await)
}

async fn look_or(scene: &Scene<'_>, backups: &Backups) -> Result<Report, String> {
    let directory = backups.dir.as_str().trim_end_matches('/');
    if scene.host.stat(directory).await.map_err(|error| error.to_string())?.is_none() {
        return Ok(
            Report::holds(format!("{directory} is not there: no backups")).with_outputs(json!({ "backups": [] }))
        );
    }
    let names = scene.host.list(directory, NAMES_MAX).await.map_err(|error| error.to_string())?;
    let ours =
        names.iter().filter(|entry| entry.stat.kind == FileKind::File && entry.name.starts_with(BACKUP_NAME_PREFIX));
    // The names of newer ones sort last.
    let mut paths: Vec<String> = ours.map(|entry| format!("{directory}/{}", entry.name)).collect();
    let skipped = paths.len().saturating_sub(BACKUPS_MAX);
    let mut found = Vec::new();
    for path in paths.split_off(skipped) {
        found.push(decode(scene, &path).await?);
    }
    found.sort_by_key(|decoded| std::cmp::Reverse(decoded.summary.timestamp_ms));
    let fit: Vec<&Decoded> = found.iter().filter(|decoded| decoded.summary.is_fit()).collect();
    let newest = fit.first().map(|decoded| format!(", the newest {} old", age(age_ms(decoded.summary.timestamp_ms))));
    let older = if skipped > 0 { format!("; {skipped} older ones were not read") } else { String::new() };
    let words = format!("{} backups, {} fit{}{older}", found.len(), fit.len(), newest.unwrap_or_default());
    let entries: Vec<Value> = found.iter().map(|decoded| Value::Object(entry(scene, decoded))).collect();
    let details = found.iter().map(line).collect();
    Ok(Report::holds(words).with_details(details).with_outputs(json!({ "backups": entries })))
}

pub(super) async fn look_at_one(scene: &Scene<'_>, backup: &Backup) -> Report {
    seen(one_or(scene, backup).await)
}

async fn one_or(scene: &Scene<'_>, backup: &Backup) -> Result<Report, String> {
    let path = backup.path.as_str();
    let max_age = match &backup.max_age {
        Some(text) => {
            let parsed = humantime::parse_duration(text.as_str());
            Some(parsed.map_err(|error| format!("{:?} is not a duration: {error}", text.as_str()))?)
        }
        None => None,
    };
    if scene.host.stat(path).await.map_err(|error| error.to_string())?.is_none() {
        return Ok(Report::fails(format!("{path} is not there")));
    }
    let decoded = decode(scene, path).await?;
    let same = backup.sha256.as_ref().is_none_or(|wanted| wanted.as_str().eq_ignore_ascii_case(&decoded.sha256));
    let old = age_ms(decoded.summary.timestamp_ms);
    let stale =
        max_age.is_some_and(|max| old.is_none_or(|old| u128::try_from(old).map_or(true, |old| old > max.as_millis())));
    let mut outputs = entry(scene, &decoded);
    outputs.insert("stale".to_owned(), json!(if stale { "yes" } else { "no" }));
    let mut words = line(&decoded);
    if !same {
        words = format!("{words}; its SHA-256 is {}, not what it must be", decoded.sha256);
    }
    let details = decoded.summary.problems().iter().chain(&decoded.summary.warnings);
    let details = details.map(|problem| clean::line(problem.message.as_bytes())).collect();
    let report = Report::new(finding(same && decoded.summary.is_fit()), words).with_details(details);
    Ok(report.with_outputs(Value::Object(outputs)))
}
