//! `backups` and `backup`: backup files, decoded.
//!
//! Their age comes from the time inside the file. `rank` orders the fit ones of all hosts newest first, those without a task
//! after those with; what is not fit comes last. Files are read as streams. The newest say what changed since the one before.

use std::{
    io::{self, Read},
    sync::Arc,
};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{io::AsyncReadExt as _, sync::mpsc};

use super::scene::{Scene, finding, seen};
use crate::{
    aurora::snapshot::{BACKUP_NAME_PREFIX, BackupSummary, read_backup_from},
    backups::{BackupReport, Before, DiffError, Seen, diff, words},
    hosts::{FileKind, Host, HostError, clean, hex},
    runbook::kind::{Backup, Backups},
    session::Report,
};

/// Backups of one directory that are decoded; a scheduler keeps 48 unless told otherwise.
const BACKUPS_MAX: usize = 200;
/// Names in a backup directory.
const NAMES_MAX: usize = 100_000;
/// Newest fit ones of a directory that are held against the one before. Each is read once more for it.
const COMPARED_MAX: usize = 3;
/// What puts a backup without a task behind every one with tasks: a scheduler that began anew over an empty log writes such.
const WITHOUT_TASKS: i64 = 1 << 60;
/// Reasons of one backup that are kept.
const REASONS_MAX: usize = 8;
/// Bytes that are read at once, and how many such pieces wait for the decoder.
const PIECE_BYTES: usize = 256 << 10;
const PIECES_WAITING: usize = 4;

/// A file of a host as the decoders read it: pieces come from the host as they are asked for, so that memory does not grow with the file.
pub(super) struct Pieces {
    from: mpsc::Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.piece.len() {
            match self.from.blocking_recv() {
                Some(piece) => (self.piece, self.at) = (piece?, 0),
                None => return Ok(0),
            }
        }
        let left = self.piece.get(self.at..).unwrap_or_default();
        let count = left.len().min(into.len());
        for (to, from) in into.iter_mut().zip(left) {
            *to = *from;
        }
        self.at += count;
        Ok(count)
    }
}

/// Reads a file of a host through a decoder that runs beside it.
pub(super) async fn through<T: Send + 'static>(
    host: &dyn Host,
    path: &str,
    decode: impl FnOnce(Pieces) -> T + Send + 'static,
) -> Result<T, HostError> {
    let mut file = host.reader(path).await?;
    let (to, from) = mpsc::channel(PIECES_WAITING);
    let decoded = tokio::task::spawn_blocking(move || decode(Pieces { from, piece: Vec::new(), at: 0 }));
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let read = file.read(&mut piece).await;
        let last = !matches!(read, Ok(1..));
        if let Ok(count) = read {
            piece.truncate(count);
        }
        // A decoder that has seen enough hangs up.
        if matches!(read, Ok(0)) || to.send(read.map(|_| piece)).await.is_err() || last {
            break;
        }
    }
    drop(to);
    let failed = |why: String| HostError::Io { doing: "decode", path: path.to_owned(), why };
    decoded.await.map_err(|error| failed(error.to_string()))
}

/// A reader that takes the digest of what goes through it.
struct Hashing<R> {
    inner: R,
    sha256: Sha256,
    ended: bool,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.ended |= count == 0 && !into.is_empty();
        self.sha256.update(into.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Reads in one pass for what `read` makes of it and for the digest, which is none if the end was not reached.
pub(super) fn digested<R: Read, T>(from: R, read: impl FnOnce(&mut dyn Read) -> T) -> (T, Option<String>) {
    let mut hashing = Hashing { inner: from, sha256: Sha256::new(), ended: false };
    let made = read(&mut hashing);
    let digest = hashing.ended.then(|| hex(&hashing.sha256.finalize()));
    (made, digest)
}

/// Reads a backup for what it holds and for its digest.
pub fn read_and_digest(from: impl Read) -> (BackupSummary, Option<String>) {
    digested(from, |reader| read_backup_from(reader))
}

/// What is known of a backup on a host.
pub async fn report_of(host: &dyn Host, path: &str) -> Result<BackupReport, HostError> {
    let (summary, sha256) = through(host, path, read_and_digest).await?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    Ok(BackupReport::of(Seen { path, sha256: sha256.as_deref(), now_ms }, summary))
}

/// Paths of the backups in a directory, and how many of those and of other files were left out. The names of newer ones sort last, and
/// are kept.
pub async fn paths_in(host: &dyn Host, directory: &str) -> Result<(Vec<String>, usize, usize), HostError> {
    let names = host.list(directory, NAMES_MAX).await?;
    let ours =
        names.iter().filter(|entry| entry.stat.kind == FileKind::File && entry.name.starts_with(BACKUP_NAME_PREFIX));
    let mut paths: Vec<String> = ours.map(|entry| format!("{directory}/{}", entry.name)).collect();
    let others = names.len() - paths.len();
    let skipped = paths.len().saturating_sub(BACKUPS_MAX);
    Ok((paths.split_off(skipped), skipped, others))
}

async fn decode(scene: &Scene<'_>, path: &str) -> Result<BackupReport, String> {
    report_of(&*scene.host, path).await.map_err(|error| error.to_string())
}

/// What changed from one backup to the next, in a few words.
async fn changes(scene: &Scene<'_>, before: &str, after: &str) -> String {
    let compared = async {
        let read = through(&*scene.host, before, Before::read);
        let before = Arc::new(read.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?);
        let walked = through(&*scene.host, after, move |pieces| diff(&before, pieces));
        walked.await.map_err(|error| error.to_string())?.map_err(|error: DiffError| error.to_string())
    };
    match compared.await {
        Ok(found) => found.headline(),
        Err(why) => format!("not compared: {why}"),
    }
}

/// A number, or a word that a reader of the record does not take for one.
fn known(count: Option<u64>) -> Value {
    count.map_or_else(|| json!("unknown"), |count| json!(count))
}

fn entry(scene: &Scene<'_>, report: &BackupReport, changes: &str) -> Map<String, Value> {
    let name = report.path.rsplit('/').next().unwrap_or_default();
    let problems: Vec<String> = report
        .problems
        .iter()
        .chain(&report.warnings)
        .take(REASONS_MAX)
        .map(|said| clean::line(said.message.as_bytes()))
        .collect();
    let newest_first = -report.timestamp_ms.unwrap_or(0);
    let rank = match (report.fit, report.counts.tasks) {
        (false, _) => i64::MAX,
        (true, Some(0)) => newest_first.saturating_add(WITHOUT_TASKS),
        (true, _) => newest_first,
    };
    let members = json!({
        "host": scene.name.0,
        "name": name,
        "path": report.path,
        "sha256": report.sha256.clone().unwrap_or_default(),
        "bytes": report.size,
        "timestamp_ms": report.timestamp_ms,
        "age": words::age(report.age_ms),
        "fit": if report.fit { "yes" } else { "no" },
        "tasks": known(report.counts.tasks),
        "active": known(report.counts.active_tasks),
        "jobs": known(report.counts.jobs),
        "framework_id": report.framework_id.clone().unwrap_or_default(),
        "version": report.written_by.as_ref().and_then(|writer| writer.version.clone()).unwrap_or_default(),
        "changes": changes,
        "problems": problems,
        "rank": rank,
    });
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn line(report: &BackupReport) -> String {
    let name = clean::line(report.path.rsplit('/').next().unwrap_or_default().as_bytes());
    let problem = report.problems.first().map(|said| format!("; not fit: {}", said.message)).unwrap_or_default();
    let problem = clean::line(problem.as_bytes());
    let count = |number: Option<u64>, one: &str| match number {
        Some(number) => words::count(number, one),
        None => format!("{one}s unknown"),
    };
    format!(
        "{name}: {} old, {}, {}, {}{problem}",
        words::age(report.age_ms),
        count(report.counts.tasks, "task"),
        count(report.counts.jobs, "job"),
        count(report.size, "byte"),
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
    let listed = paths_in(&*scene.host, directory).await;
    let (paths, skipped, _) = listed.map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for path in paths {
        found.push(decode(scene, &path).await?);
    }
    found.sort_by_key(|report| std::cmp::Reverse(report.timestamp_ms));
    let fit: Vec<&BackupReport> = found.iter().filter(|report| report.fit).collect();
    let newest = fit.first().map(|report| format!(", the newest {} old", words::age(report.age_ms)));
    let older = if skipped > 0 { format!("; {skipped} older ones were not read") } else { String::new() };
    let said = format!("{} backups, {} fit{}{older}", found.len(), fit.len(), newest.unwrap_or_default());
    let mut changed = std::collections::BTreeMap::new();
    for (after, before) in fit.iter().zip(fit.iter().skip(1)).take(COMPARED_MAX) {
        changed.insert(after.path.clone(), changes(scene, &before.path, &after.path).await);
    }
    let of = |report: &BackupReport| changed.get(&report.path).map_or("", String::as_str);
    let entries: Vec<Value> = found.iter().map(|report| Value::Object(entry(scene, report, of(report)))).collect();
    let details = found.iter().map(|report| match of(report) {
        "" => line(report),
        changes => format!("{}; since the one before: {changes}", line(report)),
    });
    Ok(Report::holds(said).with_details(details.collect()).with_outputs(json!({ "backups": entries })))
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
    let report = decode(scene, path).await?;
    let sha256 = report.sha256.clone().unwrap_or_else(|| "unknown, as it could not be read to its end".to_owned());
    let same = backup.sha256.as_ref().is_none_or(|wanted| wanted.as_str().eq_ignore_ascii_case(&sha256));
    let old = report.age_ms;
    let stale =
        max_age.is_some_and(|max| old.is_none_or(|old| u128::try_from(old).map_or(true, |old| old > max.as_millis())));
    let mut outputs = entry(scene, &report, "");
    outputs.insert("stale".to_owned(), json!(if stale { "yes" } else { "no" }));
    let mut said = line(&report);
    if !same {
        said = format!("{said}; its SHA-256 is {sha256}, not what it must be");
    }
    let details = report.problems.iter().chain(&report.warnings).take(REASONS_MAX);
    let details = details.map(|one| clean::line(one.message.as_bytes())).collect();
    let report = Report::new(finding(same && report.fit), said).with_details(details);
    Ok(report.with_outputs(Value::Object(outputs)))
}
