//! `log inspect` for a terminal.

use super::report::{Directory, Judged, Report};
use crate::{
    backups::words,
    cli::page::{Page, Side, cut_front},
    replog::{
        Comparison, Finding, Lock, Restart, Severity, Surroundings,
        content::{Content, Replay},
        describe,
        verdict::{Pointer, one_line},
    },
};

/// Findings shown of a directory unless all are asked for.
const FINDINGS_SHOWN: usize = 8;
/// Columns of a directory's name in the comparison.
const NAME_WIDTH: usize = 26;

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The whole page.
pub(super) fn page(report: &Report, all: bool) -> String {
    let mut page = Page::default();
    let shown = if all { usize::MAX } else { FINDINGS_SHOWN };
    if let Some(verdict) = &report.verdict {
        page.words("", &verdict.headline);
        why(&mut page, verdict);
    }
    for directory in &report.directories {
        page.blank();
        one(&mut page, directory, shown);
    }
    if let Some(comparison) = &report.comparison {
        page.blank();
        beside(&mut page, comparison);
    }
    page.blank();
    assumed(&mut page, report);
    page.text().to_owned()
}

fn assumed(page: &mut Page, report: &Report) {
    let mut text = format!("LevelDB {}", report.assumed.leveldb);
    if report.comparison.is_some() {
        let given = if report.assumed.quorum_given { "as given" } else { "the majority of the directories" };
        text = format!("quorum {} ({given}); {text}", report.assumed.quorum);
    }
    let user = match &report.assumed.user {
        Some(user) => format!("the scheduler runs as {user}"),
        None => "owners are not judged without --user".to_owned(),
    };
    page.words("Assumed: ", &format!("{text}; {user}"));
}

fn headline(directory: &Directory) -> &'static str {
    if !directory.summary.exists {
        "NO LOG HERE"
    } else if directory.unread() {
        "NOT READABLE"
    } else if directory.summary.worst() == Some(Severity::Damage) {
        "DAMAGED, or a replica would lose something by opening it"
    } else if directory.sound() {
        "SOUND"
    } else {
        "does not vote"
    }
}

fn one(page: &mut Page, directory: &Directory, shown: usize) {
    let summary = &directory.summary;
    let view = &summary.mesos_view;
    page.words("", &summary.path);
    page.words("", &format!("{}: {}", headline(directory), one_line(summary)));
    if summary.exists && view.opens {
        let spans = |count: Option<u64>, spans: &[crate::replog::Span]| match count {
            Some(0) => "0".to_owned(),
            Some(count) => format!("{} ({})", words::grouped(count), describe(spans)),
            None => "?".to_owned(),
        };
        page.field("promised", &view.promised.map_or_else(|| "?".to_owned(), words::grouped));
        page.field("holes", &spans(view.holes, &view.hole_spans));
        page.field("unlearned", &spans(view.unlearned, &view.unlearned_spans));
    }
    if summary.salvage.hidden > 0 {
        let salvage = &summary.salvage;
        page.field("hidden", &format!("{} ({})", words::grouped(salvage.hidden), describe(&salvage.hidden_spans)));
    }
    if summary.exists && !directory.unread() {
        page.field("content", &content(&summary.content));
    }
    around(page, summary.files, &directory.surroundings);
    for finding in summary.findings.iter().take(shown) {
        said(page, finding);
    }
    let more = summary.findings.len().saturating_sub(shown);
    if more > 0 {
        page.line(&format!("  … {more} more findings; --all shows them"));
    }
    next(page, directory);
}

fn said(page: &mut Page, finding: &Finding) {
    let sign = match finding.severity {
        Severity::Damage => "✗",
        Severity::Warning => "!",
        Severity::Info => "·",
    };
    page.words(&format!("  {sign} "), &finding.in_words());
}

/// What can be done about a directory that says little.
fn next(page: &mut Page, directory: &Directory) {
    let path = &directory.summary.path;
    if !directory.summary.exists {
        page.words("  → ", "is the path right, and this the right host? -native_log_file_path has it");
    } else if directory.unread() {
        page.words("  → ", "name the directory itself, and run as the scheduler's user or with sudo");
    } else if !directory.summary.mesos_view.certain {
        page.words("  → ", "not everything could be read: run as the scheduler's user or with sudo");
    } else if directory.summary.worst() == Some(Severity::Damage) && directory.summary.salvage.learned > 0 {
        page.words("  → ", &format!("keep it as it is before anything opens it: cp -a {path} {path}.copy"));
    }
}

fn content(content: &Content) -> String {
    let since = match content.transactions_since_snapshot {
        0 => "nothing since".to_owned(),
        count => format!("{} since", words::count(count, "transaction")),
    };
    match (content.replay, content.snapshots.last()) {
        (Replay::Blank, _) => "nothing of Aurora's".to_owned(),
        (Replay::NoopsOnly, _) => format!("{} and nothing else", words::count(content.noops, "noop")),
        (Replay::FromSnapshot, Some(snapshot)) => {
            let taken = snapshot.timestamp_ms.map_or_else(
                || "of an unknown time".to_owned(),
                |ms| format!("of {} ({} ago)", words::moment(ms), words::age(Some(now_ms().saturating_sub(ms)))),
            );
            format!("a snapshot {taken}, {}, {since}", words::count(snapshot.tasks, "task"))
        }
        (Replay::FromSnapshot, None) => "a snapshot".to_owned(),
        (Replay::TransactionsOnly, _) => format!("no snapshot, {}", words::count(content.transactions, "transaction")),
        (Replay::EmptyByLoss, _) => "a scheduler starts EMPTY: the only snapshot is incomplete".to_owned(),
        (Replay::Fatal, _) => {
            let at = content.fatal_at.map(|position| format!(" at position {position}")).unwrap_or_default();
            format!("every scheduler dies on it{at}")
        }
    }
}

fn around(page: &mut Page, files: u64, around: &Surroundings) {
    let Some(directory) = &around.directory else { return };
    let written = around.newest_write.as_ref().map(|(name, ms)| {
        let age = now_ms().saturating_sub(*ms);
        format!("; {name} written {} ago", words::age(Some(age)))
    });
    page.field(
        "files",
        &format!("{}, {}{}", words::count(files, "file"), words::bytes(around.size_bytes), written.unwrap_or_default()),
    );
    let free = around.free_bytes.map_or_else(|| "?".to_owned(), words::bytes);
    page.field("owner", &format!("{}, mode {:04o}; {free} free", directory.owner, directory.mode));
    let lock = match &around.lock {
        Lock::Held { pid: Some(pid), program } => {
            let program = program.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            format!("held by process {pid}{program}: a replica is live on it")
        }
        Lock::Held { .. } => "held by a process that is not seen from here".to_owned(),
        Lock::Free => "not held".to_owned(),
        Lock::NoFile => "no such file".to_owned(),
        Lock::NotLooked => "not looked at".to_owned(),
        Lock::Unknown { why } => format!("not known: {why}"),
    };
    page.field("LOCK", &lock);
}

fn beside(page: &mut Page, comparison: &Comparison) {
    let number = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let head = ["directory", "status", "begin", "end", "only here", "a restart makes it"];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for member in &comparison.members {
        let status = match (member.known, member.status) {
            (false, _) => "unknown".to_owned(),
            (true, None) => "-".to_owned(),
            (true, Some(status)) => status.to_string(),
        };
        table.push(vec![
            cut_front(&member.name, NAME_WIDTH),
            status,
            number(member.begin),
            number(member.end),
            member.only_here_count.to_string(),
            restart(member.restart).to_owned(),
        ]);
    }
    page.line(&format!(
        "Beside each other: {} of {} vote, {} unknown, {} are needed",
        comparison.voting,
        comparison.members.len(),
        comparison.unknown,
        comparison.quorum
    ));
    page.table(&[Side::Left, Side::Left, Side::Right, Side::Right, Side::Right, Side::Left], &table);
    for finding in &comparison.findings {
        said(page, finding);
    }
}

fn restart(restart: Restart) -> &'static str {
    match restart {
        Restart::Votes => "vote",
        Restart::CatchesUp => "catch up",
        Restart::InitializesItself => "initialize itself",
        Restart::WaitsForInitialize => "wait for ever",
        Restart::StuckForEver => "stuck for ever",
        Restart::DoesNotStart => "not start",
        Restart::Unknown => "not known",
    }
}

fn why(page: &mut Page, verdict: &Judged) {
    for reason in &verdict.reasons {
        let places: Vec<String> = reason.evidence.iter().filter_map(place).collect();
        let places = if places.is_empty() { String::new() } else { format!(" [{}]", places.join("; ")) };
        page.words("  - ", &format!("{}{places}", reason.text));
    }
    for beside in &verdict.answers {
        let sign = if beside.contradicts { " AGAINST THE EVIDENCE" } else { "" };
        let text = format!(
            "{:?} {}? you: {}{sign}; evidence: {} ({})",
            beside.question,
            beside.asked,
            beside.answered.word(),
            beside.evidence.word(),
            beside.says
        );
        page.words("  ? ", &text);
    }
    for missing in &verdict.missing {
        page.words("  … not known: ", missing);
    }
    if !verdict.copy_first.is_empty() {
        page.words("  → copy aside first: ", &verdict.copy_first.join(", "));
    }
}

/// Where a reason is seen; what only repeats its sentence is left out.
fn place(pointer: &Pointer) -> Option<String> {
    let file = pointer.file.as_ref()?;
    let at = pointer.offset.map(|offset| format!(" at {offset}")).unwrap_or_default();
    let positions = match pointer.positions.as_slice() {
        [] => String::new(),
        spans => format!(", positions {}", describe(spans)),
    };
    Some(format!("{} in {file}{at}{positions}", pointer.code))
}
