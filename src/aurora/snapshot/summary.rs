//! What is said about a backup.
//!
//! Every list and map here has a limit, so that a summary stays small whatever the file holds; [`NotListed`] says what was left out of
//! which, and [`BackupCounts`] always counts everything.

use super::strange::FieldCounts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Jobs, roles, environments or hosts that are told apart, each: several times what the largest cluster has.
pub const GROUPS_MAX: usize = 100_000;
/// Bytes of all names of one of those maps: 100,000 names of a length that occurs.
pub const GROUP_NAME_BYTES_MAX: usize = 16 << 20;
/// Entries of each list of cron jobs, quotas, updates, hosts, locks and wishes for maintenance.
pub const LISTED_MAX: usize = 10_000;
/// Bytes of all texts of one of those lists: 10,000 entries of a length that occurs.
pub const LISTED_BYTES_MAX: usize = 4 << 20;

/// Tasks of one job, role, environment or host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobCount {
    /// In an active state.
    pub active: u64,
    /// In any state.
    pub total: u64,
}

/// How many of each kind. `None`: not countable, because the release keeps them in SQL statements that only a scheduler can run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupCounts {
    /// Tasks in any state.
    pub tasks: u64,
    /// Tasks in an active state.
    pub active_tasks: u64,
    /// Cron jobs.
    pub cron_jobs: u64,
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
    pub maintenance_requests: u64,
}

/// A cron job.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct CronBrief {
    /// `role/environment/name`; empty when the configuration does not say it.
    pub job: String,
    /// When it runs; empty for a stored job that is none (releases up to 0.7).
    pub schedule: String,
    /// Instances.
    pub instances: i32,
}

/// What a role may use.
#[derive(Clone, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
pub struct QuotaBrief {
    /// The role.
    pub role: String,
    /// Cores.
    pub cpus: Option<f64>,
    /// Memory in MiB.
    pub ram_mb: Option<i64>,
    /// Disk in MiB.
    pub disk_mb: Option<i64>,
}

/// A job update that a restored scheduler goes on with, or could.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct UpdateBrief {
    /// `role/environment/name`; empty when the update does not say it.
    pub job: String,
    /// Id.
    pub id: String,
    /// Name of the state; `UNSET` when nothing says it.
    pub status: String,
    /// Who asked for it.
    pub user: String,
}

/// A host under maintenance.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct HostBrief {
    /// The host.
    pub host: String,
    /// Name of the mode.
    pub mode: String,
}

/// A lock, up to 0.19.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LockBrief {
    /// `role/environment/name` of the job that it keeps others from; empty when it does not say it.
    pub job: String,
    /// Who took it.
    pub user: String,
    /// When, in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
}

/// A wish for maintenance, from 0.21.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct MaintenanceBrief {
    /// The host.
    pub host: String,
    /// Seconds to wait at most.
    pub timeout_secs: i64,
    /// When it was asked for, in milliseconds since the epoch.
    pub created_ms: i64,
}

/// What the limits left out of the maps and lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotListed {
    /// Tasks of jobs beyond the limit.
    pub by_job: JobCount,
    /// Tasks of roles beyond the limit.
    pub by_role: JobCount,
    /// Tasks in environments beyond the limit.
    pub by_environment: JobCount,
    /// Tasks on hosts beyond the limit.
    pub by_host: JobCount,
    /// Cron jobs.
    pub cron_jobs: u64,
    /// Quotas.
    pub quotas: u64,
    /// Job updates.
    pub active_updates: u64,
    /// Hosts under maintenance.
    pub draining_hosts: u64,
    /// Locks.
    pub locks: u64,
    /// Wishes for maintenance.
    pub maintenance_requests: u64,
}

/// What keeps a backup from being restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemCode {
    /// No bytes.
    EmptyFile,
    /// The first byte ends the struct: a file of zeros. A scheduler stages it, and committing it empties the cluster.
    EmptySnapshot,
    /// The data ends too early.
    Truncated,
    /// Not the encoding of a snapshot.
    Undecodable,
    /// The file or one element of it is larger than this program reads. Says nothing of the file.
    TooLarge,
    /// Reading failed before the end. Says nothing of the file.
    ReadFailed,
    /// Bytes after the end. A scheduler stages it.
    TrailingBytes,
    /// No time, or one that is not after 1970.
    NoTimestamp,
    /// The writer is not named.
    NoMetadata,
    /// Text that is not text: bytes were changed. A scheduler stages it.
    DamagedText,
    /// A field that no release has, or of another type than declared. A scheduler steps over it.
    StrangeFields,
    /// Tasks without id, job, state or, where the state needs one, host.
    IncompleteTasks,
    /// One id twice.
    DuplicateTasks,
    /// Neither tasks, nor cron jobs, nor a framework: written by a scheduler that never held anything.
    NothingInIt,
    /// No framework id: a scheduler restored from it registers as a new framework and the running tasks are orphans.
    NoFrameworkId,
    /// No tasks: after the first reconciliation nothing is left running.
    NoTasks,
    /// Part of the state is in SQL statements that only releases 0.13 to 0.18 load.
    KeptInSql,
    /// Tasks and cron jobs are in those statements too.
    TasksInSql,
    /// Fields inside tasks that no release up to 0.23 has: a newer release, or damage.
    UnknownTaskFields,
    /// It was written by a commit of a staged backup: the build is not that of the scheduler that wrote it.
    MadeByRestore,
    /// Jobs that are not cron jobs are stored, as only releases up to 0.7 do.
    StoredJobs,
    /// More tasks than ids are compared for.
    DuplicatesNotSought,
    /// The name is that of a file that was never finished. Only whoever knows the name finds it.
    NeverFinished,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// What kind.
    pub code: ProblemCode,
    /// The same in words, with numbers and places.
    pub message: String,
}

/// Whether a file may be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Whole, by all that can be seen without a scheduler.
    Fit,
    /// Not whole; at least one reason.
    Unfit(Vec<Problem>),
    /// Not read to its end for a reason that is not the file's; at least one.
    Unknown(Vec<Problem>),
}

/// What a backup holds and whether it may be restored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackupSummary {
    /// Length of the file in bytes.
    pub size: u64,
    /// When it was taken, in milliseconds since the epoch; this, not the name, is its age.
    pub timestamp_ms: Option<i64>,
    /// Mesos framework id.
    pub framework_id: Option<String>,
    /// Version of the scheduler that wrote it, as far as its build said it.
    pub build_version: Option<String>,
    /// Build properties, from 0.10.
    pub build: BTreeMap<String, String>,
    /// It was written by a commit of a staged backup, which leaves no build properties.
    pub made_by_restore: bool,
    /// SQL statements, 0.13 to 0.18.
    pub sql_statements: u64,
    /// Tasks and cron jobs are in those statements too; what is counted of them here is not what such a release loads.
    pub tasks_in_sql: bool,
    /// How many of each kind; up to the damage, if it is damaged.
    pub counts: BackupCounts,
    /// Tasks by name of state.
    pub by_status: BTreeMap<String, u64>,
    /// Tasks by `role/environment/name`.
    pub by_job: BTreeMap<String, JobCount>,
    /// Tasks by role.
    pub by_role: BTreeMap<String, JobCount>,
    /// Tasks by environment, of all roles together.
    pub by_environment: BTreeMap<String, JobCount>,
    /// Tasks by host; those that have none are not here.
    pub by_host: BTreeMap<String, JobCount>,
    /// Cron jobs, in order of their names.
    pub cron_jobs: Vec<CronBrief>,
    /// Quotas, in order of the roles.
    pub quotas: Vec<QuotaBrief>,
    /// Job updates that a restored scheduler goes on with, or could.
    pub active_updates: Vec<UpdateBrief>,
    /// Hosts under maintenance.
    pub draining_hosts: Vec<HostBrief>,
    /// Locks.
    pub locks: Vec<LockBrief>,
    /// Wishes for maintenance.
    pub maintenance_requests: Vec<MaintenanceBrief>,
    /// What the limits left out of these.
    pub not_listed: NotListed,
    /// Newest change of state of any task, in milliseconds since the epoch.
    pub newest_event_ms: Option<i64>,
    /// Fields that no release up to 0.23 has.
    pub unknown_fields: FieldCounts,
    /// Fields of another type than declared.
    pub mistyped_fields: FieldCounts,
    /// The verdict.
    pub fit: Fit,
    /// What an engineer should know although it does not forbid the restore.
    pub warnings: Vec<Problem>,
}

impl BackupSummary {
    /// True when nothing forbids the restore.
    pub fn is_fit(&self) -> bool {
        self.fit == Fit::Fit
    }

    /// Reasons against the restore.
    pub fn problems(&self) -> &[Problem] {
        match &self.fit {
            Fit::Fit => &[],
            Fit::Unfit(problems) | Fit::Unknown(problems) => problems,
        }
    }

    /// True when this is among the reasons or the warnings.
    pub fn has(&self, code: ProblemCode) -> bool {
        self.problems().iter().chain(&self.warnings).any(|problem| problem.code == code)
    }
}
