//! `log scan` for a terminal.

use super::scan::{HostLog, Led, Report};
use crate::{
    backups::words,
    cli::page::{Page, Side},
    logscan::{Clock, Diagnosis, End, Health, Sample, parse, timed},
};

/// Lines shown for each diagnosis.
const EVIDENCE_SHOWN: usize = 3;
/// Leaderships shown unless all are asked for: the newest.
const LEADERSHIPS_SHOWN: usize = 12;

/// The whole page.
pub(super) fn page(report: &Report, all: bool) -> String {
    let mut page = Page::default();
    for found in &report.across {
        diagnosis(&mut page, found);
    }
    leaderships(&mut page, &report.leaderships, if all { usize::MAX } else { LEADERSHIPS_SHOWN });
    for (name, log) in &report.hosts {
        page.blank();
        host(&mut page, name, log, all);
    }
    page.text().to_owned()
}

fn diagnosis(page: &mut Page, found: &Diagnosis) {
    page.words(if found.bad { "BAD   " } else { "note  " }, &format!("{}: {}", found.code, found.message));
    for sample in found.evidence.iter().take(EVIDENCE_SHOWN) {
        page.line(&format!("        {}:{} {}", short(&sample.file), sample.line, told(sample)));
    }
}

/// When, and the message: what else stands before it leaves no room for it in 80 columns.
fn told(sample: &Sample) -> String {
    // The time is known already.
    let clock = Clock::fixed(0, 0);
    let (_, text) = timed(&sample.text, &clock);
    let at = sample.time_ms.map(|ms| format!("{} ", brief(ms))).unwrap_or_default();
    format!("{at}{}", parse(&text, &clock).message)
}

/// A moment in UTC, in few columns: the year and the zone stand above.
fn brief(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|at| at.strftime("%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

fn short(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn leaderships(page: &mut Page, all: &[Led], shown: usize) {
    if all.is_empty() {
        return;
    }
    page.blank();
    let hidden = all.len().saturating_sub(shown);
    let more = if hidden > 0 { format!(" (the newest {shown}; --all shows them)") } else { String::new() };
    page.words("", &format!("{}{more}", words::count(all.len() as u64, "leadership")));
    let row = |led: &Led| {
        let election = &led.election;
        let since = election.started_ms.map_or_else(|| "?".to_owned(), words::moment);
        let lasted = led.lasted_ms.and_then(|ms| u64::try_from(ms).ok()).map(words::span);
        let registered = if election.registered { "registered" } else { "not registered" };
        let end = format!("{}, {registered}", election.end.map_or("not ended", reason));
        vec![since, lasted.unwrap_or_else(|| "-".to_owned()), end, led.host.clone()]
    };
    let rows: Vec<Vec<String>> = all.iter().skip(hidden).map(row).collect();
    page.table(&[Side::Left, Side::Right, Side::Left, Side::Left], &rows);
}

fn reason(end: End) -> &'static str {
    match end {
        End::Commit => "backup committed",
        End::Quit => "asked to quit",
        End::RegistrationTimeout => "Mesos did not answer",
        End::LostLeadership => "lost in ZooKeeper",
        End::AutomaticFailover => "leading time over",
        End::ContentCorrupt => "content corrupt",
        End::LogFailed => "log failed",
        End::MesosError => "Mesos refused",
        End::Exception => "exception",
        End::Shutdown => "shut down",
        End::Died => "died",
    }
}

fn host(page: &mut Page, name: &str, log: &HostLog, all: bool) {
    let scan = &log.scan;
    let grouped = words::grouped;
    let sources = words::count(log.sources.len() as u64, "source");
    page.words("", &format!("{name}: {sources}, {} lines, {} known", grouped(scan.lines), grouped(scan.matched)));
    if let (Some(first), Some(last)) = (scan.first_ms, scan.last_ms) {
        page.field("time", &format!("{} to {}", words::moment(first), words::moment(last)));
    }
    if let Some(status) = &scan.last_status {
        page.field(
            "replica",
            &format!("said {status} last, {} in a row", words::count(scan.last_status_repeats, "time")),
        );
    }
    if let Some(positions) = &scan.last_positions {
        page.field("positions", &positions.text);
    }
    for note in &log.notes {
        page.field("note", note);
    }
    for found in &log.diagnoses {
        diagnosis(page, found);
    }
    let shown = |health: Health| all || health != Health::Normal;
    let rows: Vec<Vec<String>> = scan
        .counts
        .iter()
        .filter(|(_, kind)| shown(kind.health))
        .map(|(name, kind)| {
            let last = kind.last_ms.map(brief).unwrap_or_default();
            vec![grouped(kind.count), sign(kind.health).to_owned(), name.clone(), last, kind.meaning.clone()]
        })
        .collect();
    page.table(&[Side::Right, Side::Left, Side::Left, Side::Left, Side::Left], &rows);
}

fn sign(health: Health) -> &'static str {
    match health {
        Health::Good => "good",
        Health::Normal => "normal",
        Health::Change => "change",
        Health::Warn => "warn",
        Health::Bad => "BAD",
    }
}
