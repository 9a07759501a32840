//! The two sides that are compared: a backup, and what there is.

use std::collections::BTreeMap;

use super::table::TaskTable;
use crate::{
    aurora::{
        brief::TaskBrief,
        snapshot::{BriefSink, Walked},
        types::{
            HostAttributes, HostMaintenanceRequest, JobConfiguration, JobUpdateSummary, QuotaConfiguration,
            ResourceAggregate, StoredCronJob, StoredJobUpdateDetails,
        },
        value::Struct,
    },
    mesos::{names::Full, state::MasterState},
};

/// Why there is no backup to compare.
#[derive(Debug, thiserror::Error)]
pub enum SideError {
    /// It cannot be decoded to its end.
    #[error("the backup cannot be read: {0}")]
    Unreadable(String),
    /// It holds no snapshot's time: a file of zeros decodes as an empty cluster.
    #[error("the backup has no time inside: it is empty or damaged, and restoring it would leave an empty cluster")]
    Empty,
    /// Larger than what is kept.
    #[error(transparent)]
    Full(#[from] Full),
}

/// What a backup holds, as far as it is compared. Filled by walking the file into it; then [`BackupSide::finished`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BackupSide {
    /// When it was taken, in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// Framework id.
    pub framework_id: Option<String>,
    /// Version of the scheduler that wrote it, as far as its build said it.
    pub build_version: Option<String>,
    /// True if it was itself written by a commit of a staged backup.
    pub is_restored: bool,
    /// Part of the state is in SQL statements that only a scheduler can run.
    pub in_sql: bool,
    /// Tasks and cron jobs are in those statements too, and are taken from there.
    pub tasks_in_sql: bool,
    /// Tasks.
    pub tasks: TaskTable,
    /// Cron jobs; up to 0.7 every stored job.
    pub cron_jobs: Vec<JobConfiguration>,
    /// Quotas.
    pub quotas: Vec<QuotaConfiguration>,
    /// Hosts that are under maintenance.
    pub hosts: Vec<HostAttributes>,
    /// Job updates that are not over, and how many are.
    pub updates: Vec<StoredJobUpdateDetails>,
    /// Job updates that are over.
    pub updates_ended: u64,
    /// Locks, up to 0.19.
    pub locks: Vec<Struct>,
    /// Wishes for maintenance, from 0.21.
    pub maintenance_requests: Vec<HostMaintenanceRequest>,
    /// Set once a task did not fit; [`Self::finished`] then refuses.
    pub full: Option<Full>,
}

impl BackupSide {
    /// Takes what the walk saw besides the elements.
    pub fn finished(mut self, walked: Walked) -> Result<Self, SideError> {
        if let Some(full) = self.full {
            return Err(full.into());
        }
        if let Some(error) = &walked.error {
            return Err(SideError::Unreadable(error.to_string()));
        }
        if walked.timestamp_ms.is_none_or(|at| at <= 0) && self.tasks.is_empty() {
            return Err(SideError::Empty);
        }
        let metadata = walked.metadata.unwrap_or_default();
        self.timestamp_ms = walked.timestamp_ms;
        self.build_version = metadata.build_version().map(str::to_owned);
        self.is_restored = metadata.is_restored();
        self.framework_id = metadata.framework_id.filter(|id| !id.is_empty());
        self.in_sql = walked.db_statements > 0;
        self.tasks_in_sql = walked.db_statements > 0 && walked.experimental_task_store;
        Ok(self)
    }

    /// Reads a whole file; its memory does not hold the file's.
    pub fn read(file: impl std::io::Read) -> Result<Self, SideError> {
        let mut side = Self::default();
        let walked = crate::aurora::snapshot::walk_from(file, &mut side);
        side.finished(walked)
    }

    /// [`BackupSide::read`] of bytes in memory.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SideError> {
        Self::read(bytes)
    }

    /// Takes a task.
    pub fn add(&mut self, task: &TaskBrief<'_>) {
        if let Err(full) = self.tasks.add(task) {
            self.full = Some(full);
        }
    }
}

impl BriefSink for BackupSide {
    fn task(&mut self, task: &TaskBrief<'_>) {
        self.add(task);
    }

    fn cron_job(&mut self, job: StoredCronJob) {
        self.cron_jobs.extend(job.job_configuration);
    }

    fn quota(&mut self, quota: QuotaConfiguration) {
        self.quotas.push(quota);
    }

    fn host(&mut self, host: HostAttributes) {
        use crate::aurora::types::MaintenanceMode;
        if host.mode.is_some_and(|mode| mode != MaintenanceMode::None) {
            self.hosts.push(host);
        }
    }

    fn job_update(&mut self, update: StoredJobUpdateDetails) {
        let status = update.details.as_ref().and_then(crate::aurora::types::JobUpdateDetails::status);
        // Without a status it cannot be told to be over.
        if status.is_none_or(crate::aurora::types::JobUpdateStatus::is_active) {
            self.updates.push(update);
        } else {
            self.updates_ended += 1;
        }
    }

    fn lock(&mut self, lock: Struct) {
        self.locks.push(lock);
    }

    fn maintenance_request(&mut self, request: HostMaintenanceRequest) {
        self.maintenance_requests.push(request);
    }
}

/// What the master said.
#[derive(Debug, Clone, PartialEq)]
pub enum Master {
    /// Its state.
    Answered(MasterState),
    /// It did not answer, or was not asked; why.
    Silent(String),
}

/// What a scheduler said; `None` for what it was not asked or did not answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SchedulerSide {
    /// Name of its cluster.
    pub cluster: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its tasks, in any state.
    pub tasks: Option<TaskTable>,
    /// Its jobs, cron jobs included: the answer of getJobs.
    pub jobs: Option<Vec<JobConfiguration>>,
    /// Quotas of the roles that were asked for: the answers of getQuota.
    pub quotas: Option<BTreeMap<String, ResourceAggregate>>,
    /// Job updates: the answer of getJobUpdateSummaries.
    pub updates: Option<Vec<JobUpdateSummary>>,
    /// Hosts that are under maintenance, with the mode.
    pub hosts: Option<BTreeMap<String, crate::aurora::types::MaintenanceMode>>,
    /// Locks, up to 0.12: the answer of getLocks.
    pub locks: Option<Vec<Struct>>,
}

/// What there is.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSide {
    /// The master: what truly runs.
    pub master: Master,
    /// A scheduler, if one answers.
    pub scheduler: Option<SchedulerSide>,
    /// Version of the scheduler that is to restore, if known from elsewhere (its package, a flag).
    pub installed_version: Option<String>,
    /// When this was seen, in milliseconds since the epoch.
    pub at_ms: Option<i64>,
}

impl LiveSide {
    /// Only the master's answer.
    pub fn of_master(state: MasterState) -> Self {
        Self { master: Master::Answered(state), scheduler: None, installed_version: None, at_ms: None }
    }

    /// Nothing is known.
    pub fn silent(why: impl Into<String>) -> Self {
        Self { master: Master::Silent(why.into()), scheduler: None, installed_version: None, at_ms: None }
    }
}
