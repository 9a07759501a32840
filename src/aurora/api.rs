//! The calls of a recovery as messages: names, arguments, and what an answer to a commit means.
//!
//! Pure, and the same for the client and for the practice cluster's server.

use super::types::{Response, ResponseCode, TaskQuery};
use super::value::{Message, Struct, Value};
use super::version::Feature;

/// Path of the API.
pub const API_PATH: &str = "/api";
/// TJSON under the name that every release takes and gives back.
pub const CONTENT_TYPE_TJSON: &str = "application/x-thrift";
/// `TBinary`, from 0.16.
pub const CONTENT_TYPE_TBINARY: &str = "application/vnd.apache.thrift.binary";
/// Presence of this header keeps a scheduler (0.12 and later) from sending the call elsewhere.
pub const BYPASS_HEADER: &str = "Bypass-Leader-Redirect";
/// Longest name of a backup worth sending.
const BACKUP_NAME_MAX: usize = 255;

/// The methods that a recovery calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads a backup of this host into the memory of this process.
    StageRecovery,
    /// Tasks of the staged backup.
    QueryRecovery,
    /// Takes tasks out of the staged backup.
    DeleteRecoveryTasks,
    /// Replaces the state by the staged backup. The scheduler ends.
    CommitRecovery,
    /// Forgets the staged backup.
    UnloadRecovery,
    /// Names in the backup directory of this host.
    ListBackups,
    /// Writes a backup.
    PerformBackup,
    /// Writes a snapshot into the log.
    Snapshot,
    /// Roles and how many jobs they have.
    GetRoleSummary,
    /// Jobs and how many tasks they have.
    GetJobSummary,
    /// Tasks without the data of their executors.
    GetTasksWithoutConfigs,
    /// Tasks, whole.
    GetTasksStatus,
    /// Jobs as they would be created.
    GetJobs,
    /// Quota of a role and what of it is used.
    GetQuota,
    /// Updates of jobs in short. From 0.6.
    GetJobUpdateSummaries,
    /// Why tasks wait.
    GetPendingReason,
    /// Configurations of a job's tasks.
    GetConfigSummary,
    /// Tiers of tasks. From 0.14.
    GetTierConfigs,
    /// Maintenance of hosts.
    MaintenanceStatus,
    /// Asks the master for every task that the scheduler knows. From 0.16.
    TriggerExplicitTaskReconciliation,
    /// Asks the master for every task that it knows; those that the scheduler does not know are killed. From 0.16.
    TriggerImplicitTaskReconciliation,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 21] = [
        Self::StageRecovery,
        Self::QueryRecovery,
        Self::DeleteRecoveryTasks,
        Self::CommitRecovery,
        Self::UnloadRecovery,
        Self::ListBackups,
        Self::PerformBackup,
        Self::Snapshot,
        Self::GetRoleSummary,
        Self::GetJobSummary,
        Self::GetTasksWithoutConfigs,
        Self::GetTasksStatus,
        Self::GetJobs,
        Self::GetQuota,
        Self::GetJobUpdateSummaries,
        Self::GetPendingReason,
        Self::GetConfigSummary,
        Self::GetTierConfigs,
        Self::MaintenanceStatus,
        Self::TriggerExplicitTaskReconciliation,
        Self::TriggerImplicitTaskReconciliation,
    ];

    /// Name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StageRecovery => "stageRecovery",
            Self::QueryRecovery => "queryRecovery",
            Self::DeleteRecoveryTasks => "deleteRecoveryTasks",
            Self::CommitRecovery => "commitRecovery",
            Self::UnloadRecovery => "unloadRecovery",
            Self::ListBackups => "listBackups",
            Self::PerformBackup => "performBackup",
            Self::Snapshot => "snapshot",
            Self::GetRoleSummary => "getRoleSummary",
            Self::GetJobSummary => "getJobSummary",
            Self::GetTasksWithoutConfigs => "getTasksWithoutConfigs",
            Self::GetTasksStatus => "getTasksStatus",
            Self::GetJobs => "getJobs",
            Self::GetQuota => "getQuota",
            Self::GetJobUpdateSummaries => "getJobUpdateSummaries",
            Self::GetPendingReason => "getPendingReason",
            Self::GetConfigSummary => "getConfigSummary",
            Self::GetTierConfigs => "getTierConfigs",
            Self::MaintenanceStatus => "maintenanceStatus",
            Self::TriggerExplicitTaskReconciliation => "triggerExplicitTaskReconciliation",
            Self::TriggerImplicitTaskReconciliation => "triggerImplicitTaskReconciliation",
        }
    }

    /// The method of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Argument that carries the session up to 0.10; `None` for calls that never had one.
    pub const fn session_arg(self) -> Option<i16> {
        match self {
            Self::StageRecovery | Self::QueryRecovery | Self::DeleteRecoveryTasks | Self::MaintenanceStatus => Some(2),
            Self::CommitRecovery | Self::UnloadRecovery | Self::ListBackups | Self::PerformBackup | Self::Snapshot => {
                Some(1)
            }
            Self::GetRoleSummary
            | Self::GetJobSummary
            | Self::GetTasksWithoutConfigs
            | Self::GetTasksStatus
            | Self::GetJobs
            | Self::GetQuota
            | Self::GetJobUpdateSummaries
            | Self::GetPendingReason
            | Self::GetConfigSummary
            | Self::GetTierConfigs
            | Self::TriggerExplicitTaskReconciliation
            | Self::TriggerImplicitTaskReconciliation => None,
        }
    }

    /// True when calling twice does what calling once does.
    pub const fn is_idempotent(self) -> bool {
        match self {
            Self::QueryRecovery
            | Self::DeleteRecoveryTasks
            | Self::UnloadRecovery
            | Self::ListBackups
            | Self::GetRoleSummary
            | Self::GetJobSummary
            | Self::GetTasksWithoutConfigs
            | Self::GetTasksStatus
            | Self::GetJobs
            | Self::GetQuota
            | Self::GetJobUpdateSummaries
            | Self::GetPendingReason
            | Self::GetConfigSummary
            | Self::GetTierConfigs
            | Self::MaintenanceStatus => true,
            // A repeated stage is answered "already loaded", a repeated commit "no backup loaded": the first answer cannot be told from it.
            Self::StageRecovery
            | Self::CommitRecovery
            | Self::PerformBackup
            | Self::Snapshot
            | Self::TriggerExplicitTaskReconciliation
            | Self::TriggerImplicitTaskReconciliation => false,
        }
    }

    /// What a release must have for the call to exist there; `None` for those that every release has.
    pub const fn needs(self) -> Option<Feature> {
        match self {
            Self::GetJobUpdateSummaries => Some(Feature::JobUpdates),
            Self::GetTierConfigs => Some(Feature::Tiers),
            Self::TriggerExplicitTaskReconciliation | Self::TriggerImplicitTaskReconciliation => {
                Some(Feature::ReconciliationCalls)
            }
            _ => None,
        }
    }

    /// The request. With `legacy_session` the argument of releases up to 0.10 goes along; later ones step over it.
    pub fn call(self, args: Struct, legacy_session: bool) -> Message {
        let args = match self.session_arg() {
            Some(id) if legacy_session => args.with(id, session()),
            _ => args,
        };
        Message::call(self.name(), 0, args)
    }

    /// Answer of a server.
    pub fn reply(self, seqid: i32, response: &Response) -> Message {
        Message::reply(self.name(), seqid, response.to_struct())
    }
}

/// The session of a client without authentication, as releases up to 0.9 want it.
fn session() -> Struct {
    Struct::new().with(4, "UNAUTHENTICATED").with(5, Value::Binary(b"UNAUTHENTICATED".to_vec()))
}

/// Argument 1 as a query.
pub fn query_arg(query: &TaskQuery) -> Struct {
    Struct::new().with(1, query.to_struct())
}

/// Query in argument 1 of a request; an empty one when it is missing.
pub fn query_of(args: &Struct) -> TaskQuery {
    args.rec(1).cloned().map(TaskQuery::from_struct).unwrap_or_default()
}

/// Whether a name may be staged. A scheduler takes any path from its backup directory on, `../` included, so only the names that it writes
/// itself are let through.
pub fn is_backup_name(name: &str) -> bool {
    let rest = name.strip_prefix(super::snapshot::BACKUP_NAME_PREFIX).unwrap_or_default();
    !rest.is_empty()
        && name.len() <= BACKUP_NAME_MAX
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// The scheduler said so. It is ending now.
    Committed,
    /// The log is as it was.
    NotCommitted {
        /// Why, in the scheduler's or the transport's words.
        text: String,
    },
    /// It may have been committed, and usually was. Look before anything else; a second commit would only answer that nothing is staged.
    Unknown {
        /// What was seen instead of an answer.
        why: String,
    },
}

/// Texts of an error after which the log is certainly untouched.
const NOT_COMMITTED: &[&str] = &["No backup loaded.", "Failed to encode snapshot.", "Storage is not READY"];

/// What an answer to a commit means. An error while the log was written leaves a whole snapshot, a part that is stepped over, or nothing.
pub fn commit_outcome(response: &Response) -> Commit {
    let text = response.text();
    match response.code {
        ResponseCode::Ok => Commit::Committed,
        ResponseCode::AuthFailed | ResponseCode::InvalidRequest => {
            Commit::NotCommitted { text: format!("{}: {text}", response.code) }
        }
        ResponseCode::Error | ResponseCode::ErrorTransient if NOT_COMMITTED.contains(&text.trim()) => {
            Commit::NotCommitted { text }
        }
        ResponseCode::Error
        | ResponseCode::ErrorTransient
        | ResponseCode::Warning
        | ResponseCode::LockError
        | ResponseCode::Other(_) => {
            Commit::Unknown { why: format!("the scheduler answered {}: {text}", response.code) }
        }
    }
}
