//! `backup diff`: what the second backup has more, less or otherwise.

use std::io::Read;

use super::{open, verdict};
use crate::{
    backups::{BackupDiff, BackupReport, Before, DiffError, ItemKind, JobChange, OneSided, Verdict, diff, words},
    cli::args::{EndsWith, print},
    cli::page::{Page, Side},
    exit::Exit,
};

/// Rows that are shown of each kind unless all are asked for.
const ROWS_SHOWN: usize = 12;

/// Compares two files and prints what differs.
pub(super) fn compare(before: &str, after: &str, json: bool, all: bool) -> anyhow::Result<Exit> {
    // Judged first: what cannot be read is said as `verify` says it, and what is unfit is compared, with a word about it.
    let reports = [open::report(before), open::report(after)];
    if let Some(bad) = reports.iter().find(|report| report.verdict == Verdict::Unreadable) {
        let why: Vec<&str> = bad.problems.iter().map(|said| said.message.as_str()).collect();
        let why = format!("{} cannot be compared: {}", bad.path, why.join("; "));
        return Err(EndsWith { exit: Exit::Unreadable, why }.into());
    }
    let first = Before::read(opened(before)?).map_err(|error| unreadable(before, &error))?;
    let found = diff(&first, opened(after)?).map_err(|error| unreadable(after, &error))?;
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&found)?))?;
    } else {
        print(&text(&found, &reports, if all { usize::MAX } else { ROWS_SHOWN }))?;
    }
    Ok(if found.equal { Exit::Done } else { Exit::Differs })
}

fn opened(path: &str) -> anyhow::Result<Box<dyn Read>> {
    if path == "-" {
        let why = "a comparison reads each file twice, so neither can be standard input; save it to a file first";
        return Err(EndsWith { exit: Exit::Usage, why: why.to_owned() }.into());
    }
    open::open(path).map_err(|why| EndsWith { exit: Exit::Unreadable, why: why.message }.into())
}

fn unreadable(path: &str, error: &DiffError) -> anyhow::Error {
    EndsWith { exit: Exit::Unreadable, why: format!("{path} cannot be compared: {error}") }.into()
}

fn text(found: &BackupDiff, reports: &[BackupReport; 2], rows: usize) -> String {
    let mut page = Page::default();
    for (sign, report) in ["A", "B"].iter().zip(reports) {
        page.words(&format!("{sign}  "), &report.path);
        let taken = report.timestamp_ms.map_or_else(|| "at an unknown time".to_owned(), words::moment);
        let tasks = report.counts.tasks.map(|tasks| format!(", {}", words::count(tasks, "task"))).unwrap_or_default();
        page.words("   ", &format!("taken {taken}, {} ago{tasks}", words::age(report.age_ms)));
        if report.verdict != Verdict::Fit {
            verdict::reasons(&mut page, report);
        }
    }
    page.blank();
    page.words("", &headline(found));
    if found.framework_changed {
        let id = |side: &Option<String>| side.clone().unwrap_or_else(|| "none".to_owned());
        page.words("! ", "they belong to different frameworks: another cluster, or one that began anew");
        page.field("in A", &id(&found.before.framework_id));
        page.field("in B", &id(&found.after.framework_id));
    }
    tasks(&mut page, found, rows);
    jobs(&mut page, found, rows);
    for kind in ItemKind::ALL {
        items(&mut page, found, kind, rows);
    }
    page.text().to_owned()
}

fn headline(found: &BackupDiff) -> String {
    let when = match found.apart_ms {
        None => String::new(),
        Some(0) => ", taken at the same moment".to_owned(),
        Some(ms) if ms < 0 => format!("; B is {} OLDER than A", words::span(ms.unsigned_abs())),
        Some(ms) => format!("; B is {} newer than A", words::span(ms.unsigned_abs())),
    };
    if found.equal { format!("Nothing differs{when}.") } else { format!("From A to B: {}{when}.", found.headline()) }
}

fn tasks(page: &mut Page, found: &BackupDiff, rows: usize) {
    let tasks = &found.tasks;
    if tasks.added.count + tasks.removed.count + tasks.status_changed + tasks.moved + tasks.otherwise == 0 {
        return;
    }
    page.blank();
    page.line("Tasks");
    let side = |side: &OneSided| format!("{}, {} active", words::grouped(side.count), words::grouped(side.active));
    if tasks.added.count > 0 {
        page.field("+ only in B", &side(&tasks.added));
    }
    if tasks.removed.count > 0 {
        page.field("- only in A", &side(&tasks.removed));
    }
    if tasks.status_changed > 0 {
        page.field("~ state", &format!("{} in another state", words::grouped(tasks.status_changed)));
        let lines: Vec<Vec<String>> = tasks
            .transitions
            .iter()
            .take(rows)
            .map(|one| vec![String::new(), words::grouped(one.count), format!("{} -> {}", one.from, one.to)])
            .collect();
        page.table(&[Side::Left, Side::Right, Side::Left], &lines);
        rest(page, tasks.transitions.len().saturating_sub(rows) as u64);
    }
    if tasks.moved > 0 {
        page.field("~ host", &format!("{} on another host or agent", words::grouped(tasks.moved)));
    }
    if tasks.otherwise > 0 {
        let count = words::grouped(tasks.otherwise);
        page.field("~ otherwise", &format!("{count} of another job, instance, owner or size: no scheduler does that"));
    }
    if !ids(page, "+", &tasks.added, rows) | !ids(page, "-", &tasks.removed, rows) {
        rest(page, 0);
    }
}

/// Ids where there are few; false if they were too many to be shown.
fn ids(page: &mut Page, sign: &str, side: &OneSided, rows: usize) -> bool {
    let few = side.count <= rows as u64;
    if few {
        side.ids.iter().for_each(|id| page.words(&format!("    {sign} "), id));
    }
    few
}

fn rest(page: &mut Page, more: u64) {
    if more > 0 {
        page.line(&format!("  … {} more; --all shows them", words::grouped(more)));
    }
}

fn jobs(page: &mut Page, found: &BackupDiff, rows: usize) {
    let jobs = &found.jobs;
    if jobs.list.is_empty() {
        return;
    }
    page.blank();
    page.line(&format!(
        "Jobs by their tasks: {} only in B, {} only in A, {} changed",
        jobs.added, jobs.removed, jobs.changed
    ));
    let mut sorted: Vec<&JobChange> = jobs.list.iter().collect();
    sorted.sort_by_key(|job| std::cmp::Reverse(job.added + job.removed + job.changed));
    let mut table = vec![["", "tasks A", "B", "+", "-", "~", "job"].map(str::to_owned).to_vec()];
    for job in sorted.iter().take(rows) {
        let sign = match (job.tasks_before, job.tasks_after) {
            (0, _) => "+",
            (_, 0) => "-",
            _ => "~",
        };
        let numbers = [job.tasks_before, job.tasks_after, job.added, job.removed, job.changed].map(words::grouped);
        table.push(std::iter::once(sign.to_owned()).chain(numbers).chain([job.job.clone()]).collect());
    }
    let sides = [Side::Left, Side::Right, Side::Right, Side::Right, Side::Right, Side::Right, Side::Left];
    page.table(&sides, &table);
    rest(page, (sorted.len().saturating_sub(rows)) as u64 + jobs.more);
}

fn items(page: &mut Page, found: &BackupDiff, kind: ItemKind, rows: usize) {
    let title = match kind {
        ItemKind::CronJob => "Cron jobs",
        ItemKind::Quota => "Quotas",
        ItemKind::JobUpdate => "Job updates",
        ItemKind::Host => "Hosts",
        ItemKind::Lock => "Locks",
        ItemKind::MaintenanceRequest => "Wishes for maintenance",
    };
    let items = found.items(kind);
    if !items.compared {
        page.blank();
        page.words("", &format!("{title}: not compared, as one of the two keeps them in SQL statements"));
        return;
    }
    if items.list.is_empty() {
        return;
    }
    page.blank();
    page.line(&format!("{title}: {} in A, {} in B", words::grouped(items.before), words::grouped(items.after)));
    for change in items.list.iter().take(rows) {
        let (sign, what) = match (&change.before, &change.after) {
            (None, Some(after)) => ("+", after.clone()),
            (Some(before), None) => ("-", before.clone()),
            (Some(before), Some(after)) if before == after => ("~", format!("{after}; something else of it changed")),
            (before, after) => {
                ("~", format!("{} -> {}", before.as_deref().unwrap_or("?"), after.as_deref().unwrap_or("?")))
            }
        };
        page.words(&format!("  {sign} "), &format!("{}: {what}", change.name));
    }
    rest(page, (items.list.len().saturating_sub(rows)) as u64 + items.more);
}
