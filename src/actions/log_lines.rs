//! `log_lines`: counts lines of a log by kind, rotated neighbours `FILE.N` included.
//!
//! Outputs `count`, `counts`, `samples`, `elections`, `bad_lines`, `leadership`, `recent_elections`, `diagnoses`.
//! Lines without a year or zone are completed from this machine's clock. Compressed neighbours are not read, and that
//! is said.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::scene::{Scene, finding, seen};
use crate::{
    hosts::{FileKind, Host, HostError, clean},
    logscan::{Clock, JavaDate, SNAPSHOT_APPLIED, Scan, Scanner, parse},
    runbook::kind::LogLines,
    session::Report,
};

/// Neighbours that are read; rotation keeps a handful.
const NEIGHBOURS_MAX: usize = 50;
/// Names in a log directory.
const NAMES_MAX: usize = 100_000;
/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// Bytes of a line that is kept while its end is awaited.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Samples of a kind that become outputs.
const SAMPLES: usize = 3;
/// Elections that become outputs.
const ELECTIONS: usize = 50;
/// Lines kept of those that contain the text.
const MATCHES: usize = 20;
/// How far back from the newest line leadership is judged, in milliseconds: long enough for a flapping that takes
/// minutes each time, short enough not to count yesterday's upgrade.
const WINDOW_MS: i64 = 60 * 60 * 1000;

fn clock() -> Clock {
    let now = jiff::Timestamp::now();
    Clock { now_ms: now.as_millisecond(), zone: jiff::tz::TimeZone::system() }
}

/// The end of a log, scanned.
pub(super) async fn scan_end(host: &dyn Host, path: &str, bytes: u64) -> Result<Scan, HostError> {
    let tail = host.read_end(path, bytes).await?;
    let mut scanner = Scanner::new(clock());
    for line in tail.split(|byte| *byte == b'\n') {
        scanner.line(&String::from_utf8_lossy(line));
    }
    Ok(scanner.finish())
}

pub(super) async fn look(scene: &Scene<'_>, lines: &LogLines) -> Report {
    seen(look_or(scene, lines).await)
}

/// Reads lines and keeps what is asked for.
struct Reading {
    clock: Clock,
    scanner: Scanner,
    contains: Option<String>,
    since_ms: Option<i64>,
    time_ms: Option<i64>,
    matched: u64,
    matches: Vec<String>,
    /// The date of the newest snapshot that was applied, as it stands there.
    snapshot: Option<String>,
}

impl Reading {
    fn line(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if self.since_ms.is_some() {
            // A line without a time belongs to the one before it.
            self.time_ms = parse(&text, &self.clock).time_ms.or(self.time_ms);
            if self.time_ms < self.since_ms {
                return;
            }
        }
        self.scanner.line(&text);
        if let Some((_, date)) = text.split_once(SNAPSHOT_APPLIED) {
            self.snapshot = Some(clean::line(date.trim().as_bytes()));
        }
        if self.contains.as_ref().is_some_and(|wanted| text.contains(wanted.as_str())) {
            self.matched += 1;
            if self.matches.len() == MATCHES {
                self.matches.remove(0);
            }
            self.matches.push(clean::line(bytes));
        }
    }
}

async fn look_or(scene: &Scene<'_>, lines: &LogLines) -> Result<Report, String> {
    let host = &*scene.host;
    let since_ms = match &lines.since {
        Some(text) => {
            let at: jiff::Timestamp =
                text.as_str().parse().map_err(|error| format!("{:?} is not a time: {error}", text.as_str()))?;
            Some(at.as_millisecond())
        }
        None => None,
    };
    let clock = clock();
    let contains = lines.contains.as_ref().map(|text| text.0.clone());
    let mut reading = Reading {
        scanner: Scanner::new(clock.clone()),
        clock,
        contains,
        since_ms,
        time_ms: None,
        matched: 0,
        matches: Vec::new(),
        snapshot: None,
    };
    let (files, unread) = files(host, lines.file.as_str()).await?;
    for file in &files {
        read(host, file, &mut reading).await?;
    }
    if let Some(wanted) = &lines.snapshot {
        return snapshot(wanted.as_str(), reading.snapshot.as_deref());
    }
    let (matched, shown) = (reading.matched, reading.matches);
    let scan = reading.scanner.finish();
    let count = if lines.contains.is_some() { matched } else { scan.matched };
    let so = lines.at_least.is_none_or(|least| count >= least) && lines.at_most.is_none_or(|most| count <= most);
    let mut words = match &lines.contains {
        Some(text) => format!("{count} of {} lines contain {:?}", scan.lines, text.as_str()),
        None => story(&scan),
    };
    if unread > 0 {
        words = format!("{words}; {unread} compressed older logs were not read");
    }
    let from_ms = since_ms.or(scan.last_ms.map(|last| last - WINDOW_MS)).unwrap_or(i64::MIN);
    let details = if lines.contains.is_some() { shown } else { details(&scan) };
    Ok(Report::new(finding(so), words).with_details(details).with_outputs(outputs(count, &scan, from_ms)))
}

/// Compares the date of the snapshot that was applied last with a moment.
fn snapshot(wanted: &str, applied: Option<&str>) -> Result<Report, String> {
    let at_ms: i64 = wanted.trim().parse().map_err(|_| format!("{wanted:?} is not a number of milliseconds"))?;
    let at = jiff::Timestamp::from_millisecond(at_ms).map_err(|error| error.to_string())?;
    let Some(date) = applied else { return Ok(Report::fails("no line says that a snapshot was applied")) };
    let read = JavaDate::parse(date).ok_or_else(|| format!("{date:?} is not a date"))?;
    let so = read.may_be(at_ms);
    let words = if so { "which is" } else { "which is NOT" };
    Ok(Report::new(finding(so), format!("the newest snapshot that was applied is of {date}, {words} {at}")))
}

/// The log and its rotated neighbours, oldest first, and how many compressed ones there are.
async fn files(host: &dyn Host, path: &str) -> Result<(Vec<String>, usize), String> {
    let (directory, name) = path.rsplit_once('/').ok_or_else(|| format!("{path} is not an absolute path"))?;
    let directory = if directory.is_empty() { "/" } else { directory };
    let entries = host.list(directory, NAMES_MAX).await.map_err(|error| error.to_string())?;
    let files =
        || entries.iter().filter(|entry| entry.stat.kind == FileKind::File || entry.stat.kind == FileKind::Link);
    let rotated = |entry: &&crate::hosts::Entry| entry.name.strip_prefix(name)?.strip_prefix('.')?.parse::<u32>().ok();
    let mut found: Vec<(u32, String)> =
        files().filter_map(|entry| Some((rotated(&entry)?, format!("{directory}/{}", entry.name)))).collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let from = found.len().saturating_sub(NEIGHBOURS_MAX);
    let mut found: Vec<String> = found.into_iter().skip(from).map(|(_, path)| path).collect();
    let compressed = files()
        .filter(|entry| entry.name.starts_with(name) && entry.name.to_ascii_lowercase().ends_with(".gz"))
        .count();
    if files().any(|entry| entry.name == name) || found.is_empty() {
        found.push(path.to_owned());
    }
    Ok((found, compressed))
}

async fn read(host: &dyn Host, path: &str, reading: &mut Reading) -> Result<(), String> {
    let mut reader = host.reader(path).await.map_err(|error| error.to_string())?;
    let mut bytes = vec![0; READ_BYTES];
    let mut pending: Vec<u8> = Vec::new();
    loop {
        let count = reader.read(&mut bytes).await.map_err(|error| format!("read {path}: {error}"))?;
        let piece = bytes.get(..count).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        pending.extend_from_slice(piece);
        let mut rest = pending.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            reading.line(line);
            rest = after.get(1..).unwrap_or_default();
        }
        // The beginning of a line is enough to know it.
        pending = rest.get(..rest.len().min(LINE_BYTES_MAX)).unwrap_or_default().to_vec();
    }
    if !pending.is_empty() {
        reading.line(&pending);
    }
    Ok(())
}

fn story(scan: &Scan) -> String {
    let elections = scan.elections.len();
    let bad = scan.bad_lines();
    let status = scan.last_status.as_ref().map(|status| format!(", replica last {status}")).unwrap_or_default();
    format!("{} lines, {} known: elected {elections} times, {bad} bad{status}", scan.lines, scan.matched)
}

fn details(scan: &Scan) -> Vec<String> {
    let mut lines: Vec<String> = scan.diagnoses().into_iter().map(|found| found.message).collect();
    lines.extend(scan.counts.iter().map(|(kind, found)| format!("{} {kind}: {}", found.count, found.meaning)));
    lines.iter().map(|line| clean::line(line.as_bytes())).collect()
}

fn outputs(count: u64, scan: &Scan, from_ms: i64) -> Value {
    let counts: serde_json::Map<String, Value> =
        scan.counts.iter().map(|(kind, found)| (kind.clone(), json!(found.count))).collect();
    let last = |found: &crate::logscan::KindCount| -> Vec<String> {
        let from = found.samples.len().saturating_sub(SAMPLES);
        found.samples.iter().skip(from).map(|sample| clean::line(sample.text.as_bytes())).collect()
    };
    let samples: serde_json::Map<String, Value> =
        scan.counts.iter().map(|(kind, found)| (kind.clone(), json!(last(found)))).collect();
    let from = scan.elections.len().saturating_sub(ELECTIONS);
    let recent = scan.elections.iter().filter(|e| e.started_ms.is_some_and(|ms| ms >= from_ms)).count();
    json!({
        "count": count,
        "lines": scan.lines,
        "counts": counts,
        "samples": samples,
        "elections": scan.elections.get(from..).unwrap_or_default(),
        "bad_lines": scan.bad_lines(),
        "leadership": scan.leadership(from_ms),
        "recent_elections": recent,
        "diagnoses": scan.diagnoses(),
    })
}
