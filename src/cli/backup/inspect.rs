//! `backup inspect`: all that is known of one file.

use std::collections::BTreeMap;

use super::{open, verdict};
use crate::{
    aurora::snapshot::{BackupCounts, JobCount},
    backups::{BackupReport, Verdict, words},
    cli::{
        args::print,
        page::{Page, Side},
    },
    exit::Exit,
};

/// Rows of a table that are shown unless all are asked for.
const ROWS_SHOWN: usize = 8;

/// Prints the report on a file.
pub(super) fn inspect(file: &str, json: bool, all: bool) -> anyhow::Result<Exit> {
    let report = open::report(file);
    if !json {
        verdict::opened(&report)?;
    }
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        print(&text(&report, if all { usize::MAX } else { ROWS_SHOWN }))?;
    }
    Ok(verdict::exit_of(report.verdict))
}

/// The report for a terminal.
fn text(report: &BackupReport, rows: usize) -> String {
    let mut page = Page::default();
    page.words("", &report.path);
    page.words("", verdict::headline(report.verdict));
    verdict::reasons(&mut page, report);
    page.blank();
    verdict::times(&mut page, report);
    verdict::file(&mut page, report);
    writer(&mut page, report);
    let none = if report.verdict == Verdict::Unreadable { "not come to" } else { "none" };
    page.field("framework", report.framework_id.as_deref().unwrap_or(none));
    if let Some(found) = &report.counted_before_the_damage {
        page.field("before that", &format!("{}; what is missing is not known", counted_early(found)));
        return page.text().to_owned();
    }
    holds(&mut page, report);
    by_itself(&mut page, report, rows);
    statuses(&mut page, report);
    groups(&mut page, "Tasks by role", &report.by_role, rows);
    groups(&mut page, "Tasks by environment", &report.by_environment, rows);
    groups(&mut page, "Tasks by job", &report.by_job, rows);
    groups(&mut page, "Tasks by host", &report.by_host, rows);
    cron_jobs(&mut page, report, rows);
    quotas(&mut page, report, rows);
    page.text().to_owned()
}

fn writer(page: &mut Page, report: &BackupReport) {
    let words = match &report.written_by {
        Some(writer) if writer.made_by_restore => {
            "a commit of a staged backup; by which release is not said".to_owned()
        }
        Some(writer) => {
            let version = writer.version.as_deref().unwrap_or("of a version that it does not say");
            let revision = ["build.git.revision", "git.revision"].iter().find_map(|key| writer.build.get(*key));
            let revision = revision.map(|text| format!(", revision {text}")).unwrap_or_default();
            format!("Aurora {version}{revision}")
        }
        None if report.verdict == Verdict::Unreadable => "not come to".to_owned(),
        None => "not said; releases before 0.10 do not".to_owned(),
    };
    page.field("written by", &words);
}

fn counted_early(found: &BackupCounts) -> String {
    let tasks = words::count(found.tasks, "task");
    format!(
        "{tasks} were met, {} active, and {}",
        words::grouped(found.active_tasks),
        words::count(found.cron_jobs, "cron job")
    )
}

fn holds(page: &mut Page, report: &BackupReport) {
    let count = &report.counts;
    let jobs = count.jobs.map(|jobs| format!(" of {}", words::count(jobs, "job"))).unwrap_or_default();
    let tasks = words::count(count.tasks.unwrap_or_default(), "task");
    let active = words::grouped(count.active_tasks.unwrap_or_default());
    let or_sql = |number: Option<u64>, one: &str| match number {
        Some(number) => words::count(number, one),
        None => format!("{one}s kept in SQL, not counted"),
    };
    let parts = [
        or_sql(count.cron_jobs, "cron job"),
        or_sql(count.quotas, "quota"),
        or_sql(count.job_updates, "job update"),
        or_sql(count.host_attributes, "host"),
        or_sql(count.locks, "lock"),
        or_sql(count.maintenance_requests, "wish for maintenance").replace("maintenances", "maintenance"),
    ];
    page.field("holds", &format!("{tasks}{jobs}, {active} active; {}", parts.join(", ")));
}

/// What a restored scheduler goes on with unasked.
fn by_itself(page: &mut Page, report: &BackupReport, rows: usize) {
    let updates = report.active_updates.iter().map(|update| {
        format!(
            "update of {} goes on: {}, {}, by {}",
            or_none(&update.job),
            update.status,
            update.id,
            or_none(&update.user)
        )
    });
    let hosts =
        report.draining_hosts.iter().map(|host| format!("host {} is under maintenance: {}", host.host, host.mode));
    let requests = report.maintenance_requests.iter().map(|request| {
        format!(
            "host {} is to be drained within {}",
            request.host,
            words::span(request.timeout_secs.unsigned_abs().saturating_mul(1000))
        )
    });
    let locks = report.locks.iter().map(|lock| format!("{} is locked by {}", or_none(&lock.job), or_none(&lock.user)));
    let more = report.not_listed;
    let more = more.active_updates + more.draining_hosts + more.maintenance_requests + more.locks;
    let lines: Vec<String> = updates.chain(hosts).chain(requests).chain(locks).collect();
    if lines.is_empty() {
        return;
    }
    page.blank();
    page.line("A scheduler restored from it goes on with this by itself");
    for line in lines.iter().take(rows) {
        page.words("  - ", line);
    }
    rest(page, (lines.len().saturating_sub(rows)) as u64 + more);
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "?" } else { text }
}

fn rest(page: &mut Page, more: u64) {
    if more > 0 {
        page.line(&format!("  … {} more; --all shows them", words::grouped(more)));
    }
}

fn statuses(page: &mut Page, report: &BackupReport) {
    if report.by_status.is_empty() {
        return;
    }
    page.blank();
    page.line("Tasks by state");
    let mut states: Vec<_> = report.by_status.iter().collect();
    states.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let words: Vec<String> = states.iter().map(|(name, count)| format!("{} {name}", words::grouped(**count))).collect();
    page.words("  ", &words.join(", "));
}

fn groups(page: &mut Page, title: &str, found: &BTreeMap<String, JobCount>, rows: usize) {
    if found.is_empty() {
        return;
    }
    let mut sorted: Vec<_> = found.iter().collect();
    sorted.sort_by(|a, b| (b.1.active, b.1.total).cmp(&(a.1.active, a.1.total)).then_with(|| a.0.cmp(b.0)));
    let mut table = vec![vec!["active".to_owned(), "all".to_owned(), String::new()]];
    for (name, count) in sorted.iter().take(rows) {
        let name = if name.is_empty() { "(not said)" } else { name.as_str() };
        table.push(vec![words::grouped(count.active), words::grouped(count.total), name.to_owned()]);
    }
    page.blank();
    page.line(&format!("{title} ({})", words::grouped(found.len() as u64)));
    page.table(&[Side::Right, Side::Right, Side::Left], &table);
    rest(page, (sorted.len().saturating_sub(rows)) as u64);
}

fn cron_jobs(page: &mut Page, report: &BackupReport, rows: usize) {
    if report.cron_jobs.is_empty() {
        return;
    }
    page.blank();
    page.line(&format!("Cron jobs ({})", words::grouped(report.counts.cron_jobs.unwrap_or_default())));
    let table: Vec<Vec<String>> = report
        .cron_jobs
        .iter()
        .take(rows)
        .map(|cron| vec![cron.schedule.clone(), format!("x{}", cron.instances), cron.job.clone()])
        .collect();
    page.table(&[Side::Left, Side::Right, Side::Left], &table);
    rest(page, (report.cron_jobs.len().saturating_sub(rows)) as u64 + report.not_listed.cron_jobs);
}

fn quotas(page: &mut Page, report: &BackupReport, rows: usize) {
    if report.quotas.is_empty() {
        return;
    }
    let amount = |number: Option<i64>| number.map_or_else(|| "?".to_owned(), |mb| words::grouped(mb.unsigned_abs()));
    let mut table = vec![["CPU", "RAM MiB", "disk MiB", ""].map(str::to_owned).to_vec()];
    for quota in report.quotas.iter().take(rows) {
        let cpus = quota.cpus.map_or_else(|| "?".to_owned(), |cpus| cpus.to_string());
        table.push(vec![cpus, amount(quota.ram_mb), amount(quota.disk_mb), quota.role.clone()]);
    }
    page.blank();
    page.line(&format!("Quotas ({})", words::grouped(report.counts.quotas.unwrap_or_default())));
    page.table(&[Side::Right, Side::Right, Side::Right, Side::Left], &table);
    rest(page, (report.quotas.len().saturating_sub(rows)) as u64 + report.not_listed.quotas);
}
