//! One backup file as a report: what `firstlight backup inspect --json` prints.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::{Claimed, claimed, file_name, is_temporary};
use super::words::span;
use crate::aurora::snapshot::{
    BackupCounts, BackupSummary, CronBrief, FieldCounts, Fit, HostBrief, JobCount, LockBrief, MaintenanceBrief,
    NotListed, Problem, ProblemCode, QuotaBrief, UpdateBrief,
};

/// Version of the form of every JSON document about backups.
pub const FORMAT: u32 = 1;

/// The verdict on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Whole, by all that can be seen without a scheduler.
    Fit,
    /// It can be read to its end and must not be restored; `problems` says why.
    Unfit,
    /// It cannot be read to its end: cut off, no backup at all, missing, no permission; `problems` says which.
    Unreadable,
}

/// Problems that keep a file from being read to its end.
const UNREADABLE: [ProblemCode; 5] = [
    ProblemCode::EmptyFile,
    ProblemCode::Truncated,
    ProblemCode::Undecodable,
    ProblemCode::TooLarge,
    ProblemCode::ReadFailed,
];

/// What only a file, its name or a clock can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileCode {
    /// Nothing is there.
    NotThere,
    /// This user may not read it.
    PermissionDenied,
    /// A directory.
    IsADirectory,
    /// A pipe, a socket, a device: reading it could wait for ever.
    NotAFile,
    /// The name's time is not that of the snapshot in any zone: the file was renamed, or is another's copy.
    NameOfAnotherTime,
    /// It was taken after this machine's present: one of two clocks is wrong.
    OfTheFuture,
}

/// A kind of problem or warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Code {
    /// Of what is inside.
    Inside(ProblemCode),
    /// Of the file.
    File(FileCode),
}

/// A problem or a warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// What kind.
    pub code: Code,
    /// The same in words, with numbers and places.
    pub message: String,
}

/// How many of each kind. `null`: not countable, because the file could not be read to its end, or because its release keeps them in
/// SQL statements that only a scheduler can run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Tasks in any state.
    pub tasks: Option<u64>,
    /// Tasks in an active state.
    pub active_tasks: Option<u64>,
    /// Cron jobs.
    pub cron_jobs: Option<u64>,
    /// Quotas.
    pub quotas: Option<u64>,
    /// Hosts.
    pub host_attributes: Option<u64>,
    /// Job updates.
    pub job_updates: Option<u64>,
    /// Job updates that a restored scheduler goes on with, or could.
    pub active_job_updates: Option<u64>,
    /// Locks.
    pub locks: Option<u64>,
    /// Wishes for maintenance.
    pub maintenance_requests: Option<u64>,
    /// Jobs that have tasks.
    pub jobs: Option<u64>,
}

/// Who wrote a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Writer {
    /// Version of the scheduler, as far as its build said it.
    pub version: Option<String>,
    /// Build properties, from release 0.10.
    pub build: BTreeMap<String, String>,
    /// It was written by a commit of a staged backup, which leaves no build properties.
    pub made_by_restore: bool,
}

/// What is known of a backup file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackupReport {
    /// Version of this form: 1.
    pub format: u32,
    /// The file, as it was named; `-` for standard input.
    pub path: String,
    /// Length in bytes, as far as it could be read.
    pub size: Option<u64>,
    /// SHA-256 of the whole file in hex; none if it could not be read to its end.
    pub sha256: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// True for the verdict `fit`, false for every other.
    pub fit: bool,
    /// What keeps it from being restored, or from being read.
    pub problems: Vec<Said>,
    /// What an engineer should know although it does not forbid the restore.
    pub warnings: Vec<Said>,
    /// When the snapshot was taken, in milliseconds since the epoch: the true age, whatever name or file system say.
    pub timestamp_ms: Option<i64>,
    /// The same in UTC.
    pub timestamp: Option<String>,
    /// Age in milliseconds by the clock of this machine; negative for one of the future.
    pub age_ms: Option<i64>,
    /// What its name claims, where it has a backup's name.
    pub name: Option<Claimed>,
    /// Mesos framework id.
    pub framework_id: Option<String>,
    /// Who wrote it.
    pub written_by: Option<Writer>,
    /// How many of each kind.
    pub counts: Counts,
    /// Where decoding stopped early: how many were met before. They say nothing of the whole.
    pub counted_before_the_damage: Option<BackupCounts>,
    /// Tasks by name of state. Empty, as every list below, if the file could not be decoded to its end.
    pub by_status: BTreeMap<String, u64>,
    /// Tasks by role.
    pub by_role: BTreeMap<String, JobCount>,
    /// Tasks by environment, of all roles together.
    pub by_environment: BTreeMap<String, JobCount>,
    /// Tasks by `role/environment/name`.
    pub by_job: BTreeMap<String, JobCount>,
    /// Tasks by host.
    pub by_host: BTreeMap<String, JobCount>,
    /// Cron jobs.
    pub cron_jobs: Vec<CronBrief>,
    /// Quotas.
    pub quotas: Vec<QuotaBrief>,
    /// Job updates that a restored scheduler goes on with, or could.
    pub active_updates: Vec<UpdateBrief>,
    /// Hosts under maintenance.
    pub draining_hosts: Vec<HostBrief>,
    /// Locks, up to release 0.19.
    pub locks: Vec<LockBrief>,
    /// Wishes for maintenance, from release 0.21.
    pub maintenance_requests: Vec<MaintenanceBrief>,
    /// What the limits of these lists left out.
    pub not_listed: NotListed,
    /// Newest change of state of any task, in milliseconds since the epoch.
    pub newest_event_ms: Option<i64>,
    /// SQL statements, releases 0.13 to 0.18.
    pub sql_statements: u64,
    /// Tasks and cron jobs are in those statements too, and are loaded from there.
    pub tasks_in_sql: bool,
    /// Fields that no release up to 0.23 has.
    pub unknown_fields: FieldCounts,
    /// Fields of another type than declared.
    pub mistyped_fields: FieldCounts,
}

/// What whoever opened a file knows of it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The file, as it was named.
    pub path: &'a str,
    /// SHA-256 in hex, if it was read to its end.
    pub sha256: Option<&'a str>,
    /// Present time, in milliseconds since the epoch.
    pub now_ms: i64,
}

impl BackupReport {
    /// The report on a file that was read.
    pub fn of(seen: Seen<'_>, summary: BackupSummary) -> Self {
        let name = file_name(seen.path);
        let mut problems: Vec<Said> = summary.problems().iter().map(inside).collect();
        if is_temporary(name) {
            problems.push(Said {
                code: Code::Inside(ProblemCode::NeverFinished),
                message: "its name is that of a file that the scheduler never finished writing".to_owned(),
            });
        }
        let stops = |said: &Said| UNREADABLE.iter().any(|code| said.code == Code::Inside(*code));
        let verdict = match summary.fit {
            Fit::Unknown(_) => Verdict::Unreadable,
            Fit::Fit | Fit::Unfit(_) if problems.iter().any(stops) => Verdict::Unreadable,
            Fit::Fit | Fit::Unfit(_) if problems.is_empty() => Verdict::Fit,
            Fit::Fit | Fit::Unfit(_) => Verdict::Unfit,
        };
        // What decoding did not come to is not missing.
        let known = |problem: &&Problem| {
            verdict != Verdict::Unreadable
                || !matches!(problem.code, ProblemCode::NoFrameworkId | ProblemCode::NoTasks | ProblemCode::NothingInIt)
        };
        let mut warnings: Vec<Said> = summary.warnings.iter().filter(known).map(inside).collect();
        let claimed = claimed(name, summary.timestamp_ms);
        warnings.extend(claimed.as_ref().and_then(other_time));
        let age_ms = summary.timestamp_ms.map(|at| seen.now_ms.saturating_sub(at));
        if age_ms.is_some_and(|age| age < 0) {
            let message = "it was taken after the present of this machine: one of two clocks is wrong";
            warnings.push(Said { code: Code::File(FileCode::OfTheFuture), message: message.to_owned() });
        }
        let mut report = Self {
            size: Some(summary.size),
            sha256: seen.sha256.map(str::to_owned),
            timestamp_ms: summary.timestamp_ms,
            timestamp: summary.timestamp_ms.and_then(utc),
            age_ms,
            name: claimed,
            ..Self::nothing(seen.path, verdict, problems)
        };
        report.warnings = warnings;
        report.fill(summary);
        report
    }

    /// The report on a file that could not be opened.
    pub fn unreadable(path: &str, code: Code, message: String) -> Self {
        Self::nothing(path, Verdict::Unreadable, vec![Said { code, message }])
    }

    /// True when this is among the problems or the warnings.
    pub fn has(&self, code: Code) -> bool {
        self.problems.iter().chain(&self.warnings).any(|said| said.code == code)
    }

    fn fill(&mut self, summary: BackupSummary) {
        let written_by =
            Writer { version: summary.build_version, build: summary.build, made_by_restore: summary.made_by_restore };
        self.written_by = Some(written_by).filter(|writer| *writer != Writer::default());
        self.framework_id = summary.framework_id;
        self.sql_statements = summary.sql_statements;
        self.unknown_fields = summary.unknown_fields;
        self.mistyped_fields = summary.mistyped_fields;
        if self.verdict == Verdict::Unreadable {
            self.counted_before_the_damage = Some(summary.counts);
            return;
        }
        let count = summary.counts;
        self.counts = Counts {
            tasks: Some(count.tasks),
            active_tasks: Some(count.active_tasks),
            cron_jobs: Some(count.cron_jobs),
            quotas: count.quotas,
            host_attributes: count.host_attributes,
            job_updates: count.job_updates,
            active_job_updates: count.active_job_updates,
            locks: count.locks,
            maintenance_requests: Some(count.maintenance_requests),
            // Jobs beyond the limit cannot be told apart.
            jobs: (summary.not_listed.by_job.total == 0).then_some(summary.by_job.len() as u64),
        };
        self.by_status = summary.by_status;
        self.by_role = summary.by_role;
        self.by_environment = summary.by_environment;
        self.by_job = summary.by_job;
        self.by_host = summary.by_host;
        self.cron_jobs = summary.cron_jobs;
        self.quotas = summary.quotas;
        self.active_updates = summary.active_updates;
        self.draining_hosts = summary.draining_hosts;
        self.locks = summary.locks;
        self.maintenance_requests = summary.maintenance_requests;
        self.not_listed = summary.not_listed;
        self.newest_event_ms = summary.newest_event_ms;
        self.tasks_in_sql = summary.tasks_in_sql;
    }

    fn nothing(path: &str, verdict: Verdict, problems: Vec<Said>) -> Self {
        Self {
            format: FORMAT,
            path: path.to_owned(),
            size: None,
            sha256: None,
            verdict,
            fit: verdict == Verdict::Fit,
            problems,
            warnings: Vec::new(),
            timestamp_ms: None,
            timestamp: None,
            age_ms: None,
            name: None,
            framework_id: None,
            written_by: None,
            counts: Counts::default(),
            counted_before_the_damage: None,
            by_status: BTreeMap::new(),
            by_role: BTreeMap::new(),
            by_environment: BTreeMap::new(),
            by_job: BTreeMap::new(),
            by_host: BTreeMap::new(),
            cron_jobs: Vec::new(),
            quotas: Vec::new(),
            active_updates: Vec::new(),
            draining_hosts: Vec::new(),
            locks: Vec::new(),
            maintenance_requests: Vec::new(),
            not_listed: NotListed::default(),
            newest_event_ms: None,
            sql_statements: 0,
            tasks_in_sql: false,
            unknown_fields: FieldCounts::default(),
            mistyped_fields: FieldCounts::default(),
        }
    }
}

fn inside(problem: &Problem) -> Said {
    Said { code: Code::Inside(problem.code), message: problem.message.clone() }
}

fn other_time(claimed: &Claimed) -> Option<Said> {
    let later = claimed.later_by_minutes?;
    if claimed.zone_minutes.is_some() {
        return None;
    }
    let (by, than) = (span(later.unsigned_abs().saturating_mul(60_000)), if later < 0 { "before" } else { "after" });
    let message = format!(
        "its name says {}, {by} {than} the time inside (UTC): no zone explains that, so it was renamed or copied over another",
        claimed.minute
    );
    Some(Said { code: Code::File(FileCode::NameOfAnotherTime), message })
}

fn utc(ms: i64) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(ms).ok()?;
    Some(at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}
