//! `log_lines`: counts lines of a log by kind: of a file with its rotated neighbours, a directory, a unit of the journal.
//!
//! Outputs `count`, `counts`, `samples`, `elections`, `bad_lines`, `leadership`, `recent_elections`, `diagnoses`,
//! `page`.
//! Lines without a year are of the year in which their file was last written, lines without a zone of the host's. What
//! was not read of it is said. What it deliberately does not do: look for logs elsewhere.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    log_source::{self, Place, Sources},
    scene::{Scene, finding, seen},
};
use crate::{
    hosts::{Host, clean},
    logscan::{Clock, Health, JavaDate, SNAPSHOT_APPLIED, Sample, Scan, Scanner, WINDOW_MS, timed},
    runbook::kind::LogLines,
    session::Report,
};

/// Bytes of a line that is kept while its end is awaited.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Samples of a kind that become outputs.
const SAMPLES: usize = 3;
/// Elections that become outputs.
const ELECTIONS: usize = 50;
/// Lines kept of those that contain the text.
const MATCHES: usize = 20;
fn clock(zone: jiff::tz::TimeZone) -> Clock {
    Clock { now_ms: jiff::Timestamp::now().as_millisecond(), zone }
}

/// The end of a log, scanned.
pub(super) async fn scan_end(
    host: &dyn Host,
    named: &str,
    zone: jiff::tz::TimeZone,
    bytes: u64,
    within: Duration,
) -> Result<Scan, String> {
    let tail = log_source::end(host, named, bytes, within).await?;
    let mut scanner = Scanner::new(clock(zone));
    scanner.feed(&tail);
    Ok(scanner.finish())
}

pub(super) async fn look(scene: &Scene<'_>, lines: &LogLines) -> Report {
    seen(look_or(scene, lines).await)
}

/// Looks for a text, and for the newest snapshot that was applied.
struct Finder {
    clock: Clock,
    contains: Option<String>,
    since_ms: Option<i64>,
    time_ms: Option<i64>,
    /// The beginning of a line whose end has not come.
    carry: Vec<u8>,
    lines: u64,
    matched: u64,
    matches: Vec<String>,
    /// The date of the newest snapshot that was applied, as it stands there.
    snapshot: Option<String>,
}

impl Finder {
    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            if self.carry.is_empty() {
                self.line(line);
            } else {
                self.carry_on(line);
                self.flush();
            }
            rest = after.get(1..).unwrap_or_default();
        }
        self.carry_on(rest);
    }

    /// The beginning of a line is enough to know it.
    fn carry_on(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.carry.len());
        self.carry.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
    }

    /// A source is over.
    fn flush(&mut self) {
        if !self.carry.is_empty() {
            let line = std::mem::take(&mut self.carry);
            self.line(&line);
        }
    }

    fn line(&mut self, bytes: &[u8]) {
        let whole = String::from_utf8_lossy(bytes);
        let (time_ms, text) = timed(&whole, &self.clock);
        // A line without a time belongs to the one before it.
        self.time_ms = time_ms.or(self.time_ms);
        if self.since_ms.is_some() && self.time_ms < self.since_ms {
            return;
        }
        self.lines += 1;
        if let Some((_, date)) = text.split_once(SNAPSHOT_APPLIED) {
            self.snapshot = Some(clean::line(date.trim().as_bytes()));
        }
        if self.contains.as_ref().is_some_and(|wanted| text.contains(wanted.as_str())) {
            self.matched += 1;
            if self.matches.len() == MATCHES {
                self.matches.remove(0);
            }
            self.matches.push(clean::line(text.as_bytes()));
        }
    }
}

async fn look_or(scene: &Scene<'_>, lines: &LogLines) -> Result<Report, String> {
    let since_ms = match &lines.since {
        Some(text) => {
            let at: jiff::Timestamp =
                text.as_str().parse().map_err(|error| format!("{:?} is not a time: {error}", text.as_str()))?;
            Some(at.as_millisecond())
        }
        None => None,
    };
    let clock = clock(log_source::zone_of(&scene.world.inventory, scene.name)?);
    let Sources { places, mut notes } = log_source::sources(&*scene.host, lines.file.as_str()).await?;
    if lines.contains.is_none() && lines.snapshot.is_none() {
        let mut scanner = Scanner::new(clock);
        scanner.within(since_ms, None);
        for place in &places {
            let written = if let Place::File { written_ms, .. } = place { *written_ms } else { None };
            scanner.file(&place.name(), written);
            let note = log_source::read(scene, place, since_ms, &mut |bytes| scanner.feed(bytes)).await?;
            notes.extend(note.map(|note| format!("{}: {note}", place.name())));
        }
        return Ok(counted(lines, &scanner.finish(), since_ms, &notes));
    }
    let contains = lines.contains.as_ref().map(|text| text.0.clone());
    let mut finder = Finder {
        clock,
        contains,
        since_ms,
        time_ms: None,
        carry: Vec::new(),
        lines: 0,
        matched: 0,
        matches: Vec::new(),
        snapshot: None,
    };
    for place in &places {
        let note = log_source::read(scene, place, since_ms, &mut |bytes| finder.feed(bytes)).await?;
        notes.extend(note.map(|note| format!("{}: {note}", place.name())));
        finder.flush();
    }
    match &lines.snapshot {
        Some(wanted) => snapshot(wanted.as_str(), finder.snapshot.as_deref()),
        None => Ok(contained(lines, finder, &notes)),
    }
}

fn within(lines: &LogLines, count: u64) -> bool {
    lines.at_least.is_none_or(|least| count >= least) && lines.at_most.is_none_or(|most| count <= most)
}

fn with_notes(words: String, notes: &[String]) -> String {
    if notes.is_empty() { words } else { clean::line(format!("{words}; {}", notes.join("; ")).as_bytes()) }
}

/// How many lines are known, and what they tell.
fn counted(lines: &LogLines, scan: &Scan, since_ms: Option<i64>, notes: &[String]) -> Report {
    let from_ms = since_ms.or(scan.last_ms.map(|last| last - WINDOW_MS)).unwrap_or(i64::MIN);
    let words = with_notes(story(scan), notes);
    let report = Report::new(finding(within(lines, scan.matched)), words).with_details(details(scan));
    report.with_outputs(outputs(scan.matched, scan, from_ms))
}

/// How many lines contain the text.
fn contained(lines: &LogLines, found: Finder, notes: &[String]) -> Report {
    let wanted = lines.contains.as_ref().map(|text| text.0.clone()).unwrap_or_default();
    let words = with_notes(format!("{} of {} lines contain {wanted:?}", found.matched, found.lines), notes);
    let outputs = json!({ "count": found.matched, "lines": found.lines });
    Report::new(finding(within(lines, found.matched)), words).with_details(found.matches).with_outputs(outputs)
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

/// What is to be read, the worst first: diagnoses with their lines, then kinds of lines with the last ones of each.
fn page(scan: &Scan) -> Vec<String> {
    let short = |file: &str| file.rsplit('/').next().unwrap_or_default().to_owned();
    let told = |sample: &Sample| format!("  {}:{} {}", short(&sample.file), sample.line, sample.text);
    let mut lines = Vec::new();
    for found in scan.diagnoses() {
        let sign = if found.bad { "BAD" } else { "note" };
        lines.push(format!("{sign} {}: {}", found.code, found.message));
        lines.extend(found.evidence.iter().take(SAMPLES).map(told));
    }
    let grave = |health: Health| match health {
        Health::Bad => 0,
        Health::Warn => 1,
        Health::Change => 2,
        Health::Good => 3,
        Health::Normal => 4,
    };
    let mut kinds: Vec<_> = scan.counts.iter().filter(|(_, kind)| kind.health != Health::Normal).collect();
    kinds.sort_by_key(|(_, kind)| grave(kind.health));
    for (name, kind) in kinds {
        lines.push(format!("{} {name}: {}", kind.count, kind.meaning));
        let from = kind.samples.len().saturating_sub(SAMPLES);
        lines.extend(kind.samples.iter().skip(from).map(told));
    }
    if lines.is_empty() {
        lines.push(format!("{} lines, none of them remarkable", scan.lines));
    }
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
    json!({
        "count": count,
        "lines": scan.lines,
        "counts": counts,
        "samples": samples,
        "elections": scan.elections.get(from..).unwrap_or_default(),
        "bad_lines": scan.bad_lines(),
        "leadership": scan.leadership(from_ms),
        "recent_elections": scan.recent_elections(from_ms),
        "diagnoses": scan.diagnoses(),
        "page": page(scan),
    })
}
