//! Jobs, quotas, hosts and updates.

use super::task::{Identity, JobKey, Metadata, Resource, TaskConfig};
use crate::aurora::schema::{SetOf, thrift_enum, thrift_struct};
use crate::aurora::value::Struct;
use std::collections::BTreeMap;

thrift_enum! {
    /// What happens when a cron job is due while its last run still goes on.
    CronCollisionPolicy {
        /// The old run is killed.
        KillExisting = 0 "KILL_EXISTING",
        /// The new run is left out.
        CancelNew = 1 "CANCEL_NEW",
        /// Both run.
        RunOverlap = 2 "RUN_OVERLAP",
    }

    /// State of a host under maintenance.
    MaintenanceMode {
        /// Not under maintenance.
        None = 1 "NONE",
        /// To be drained.
        Scheduled = 2 "SCHEDULED",
        /// Being drained.
        Draining = 3 "DRAINING",
        /// Empty.
        Drained = 4 "DRAINED",
    }

    /// State of a job update.
    JobUpdateStatus {
        /// Goes on.
        RollingForward = 0 "ROLLING_FORWARD",
        /// Goes back.
        RollingBack = 1 "ROLLING_BACK",
        /// Halted on its way.
        RollForwardPaused = 2 "ROLL_FORWARD_PAUSED",
        /// Halted on its way back.
        RollBackPaused = 3 "ROLL_BACK_PAUSED",
        /// Done.
        RolledForward = 4 "ROLLED_FORWARD",
        /// Undone.
        RolledBack = 5 "ROLLED_BACK",
        /// Given up by a person.
        Aborted = 6 "ABORTED",
        /// Given up by the scheduler.
        Error = 7 "ERROR",
        /// Failed and not rolled back.
        Failed = 8 "FAILED",
        /// Waits for a pulse; from 0.8.
        RollForwardAwaitingPulse = 9 "ROLL_FORWARD_AWAITING_PULSE",
        /// Waits for a pulse on its way back; from 0.8.
        RollBackAwaitingPulse = 10 "ROLL_BACK_AWAITING_PULSE",
    }
}

impl JobUpdateStatus {
    /// The updates that a restored scheduler goes on with by itself, or could.
    pub const ACTIVE: &'static [Self] = &[
        Self::RollingForward,
        Self::RollingBack,
        Self::RollForwardPaused,
        Self::RollBackPaused,
        Self::RollForwardAwaitingPulse,
        Self::RollBackAwaitingPulse,
    ];

    /// In [`Self::ACTIVE`].
    pub fn is_active(self) -> bool {
        Self::ACTIVE.contains(&self)
    }
}

thrift_struct! {
    /// A job as it is asked for; cron jobs are kept in this form.
    JobConfiguration {
        /// When a cron job runs.
        4 cron_schedule: Option<String>,
        /// What happens on overlap.
        5 cron_collision_policy: Option<CronCollisionPolicy>,
        /// What each instance is.
        6 task_config: Option<TaskConfig>,
        /// Owner.
        7 owner: Option<Identity>,
        /// Instances.
        8 instance_count: i32,
        /// Name.
        9 key: Option<JobKey>,
    }

    /// A role and what it has.
    RoleSummary {
        /// The role.
        1 role: String,
        /// Jobs with tasks.
        2 job_count: i32,
        /// Cron jobs.
        3 cron_job_count: i32,
    }

    /// Tasks of a job by kind of state.
    JobStats {
        /// Active and not pending.
        1 active_task_count: i32,
        /// Ended well or on request.
        2 finished_task_count: i32,
        /// Failed or lost.
        3 failed_task_count: i32,
        /// Waiting for a host.
        4 pending_task_count: i32,
    }

    /// A job and its numbers.
    JobSummary {
        /// The job.
        1 job: Option<JobConfiguration>,
        /// Its numbers.
        2 stats: Option<JobStats>,
        /// Next run of a cron job, in milliseconds since the epoch.
        3 next_cron_run_ms: Option<i64>,
    }

    /// Amounts of resources.
    ResourceAggregate {
        /// Cores, up to 0.20.
        1 num_cpus: Option<f64>,
        /// Memory in MiB, up to 0.20.
        2 ram_mb: Option<i64>,
        /// Disk in MiB, up to 0.20.
        3 disk_mb: Option<i64>,
        /// Resources, from 0.14.
        4 resources: Option<SetOf<Resource>>,
    }

    /// What a role may use.
    QuotaConfiguration {
        /// The role.
        1 role: String,
        /// Its quota.
        2 quota: Option<ResourceAggregate>,
    }

    /// Answer of getQuota.
    GetQuotaResult {
        /// The quota.
        1 quota: Option<ResourceAggregate>,
        /// Used by production jobs on shared hosts.
        2 prod_shared_consumption: Option<ResourceAggregate>,
        /// Used by other jobs on shared hosts.
        3 non_prod_shared_consumption: Option<ResourceAggregate>,
        /// Used by production jobs on dedicated hosts, from 0.10.
        4 prod_dedicated_consumption: Option<ResourceAggregate>,
        /// Used by other jobs on dedicated hosts, from 0.10.
        5 non_prod_dedicated_consumption: Option<ResourceAggregate>,
    }

    /// Whole numbers from the first to the last, both included.
    Range {
        /// The first.
        1 first: i32,
        /// The last.
        2 last: i32,
    }

    /// Instances of a job with one configuration.
    ConfigGroup {
        /// The configuration.
        1 config: Option<TaskConfig>,
        /// Instances one by one, up to 0.11.
        2 instance_ids: Option<SetOf<i32>>,
        /// Instances in ranges, from 0.10.
        3 instances: Option<SetOf<Range>>,
    }

    /// Configurations that a job's tasks have.
    ConfigSummary {
        /// The job.
        1 key: Option<JobKey>,
        /// Its configurations.
        2 groups: Option<SetOf<ConfigGroup>>,
    }

    /// Why a task waits.
    PendingReason {
        /// Its id.
        1 task_id: String,
        /// Why, in words.
        2 reason: Option<String>,
    }

    /// What a tier means.
    TierConfig {
        /// Its name.
        1 name: String,
        /// `preemptible`, `revocable` and what they are.
        2 settings: Option<BTreeMap<String, String>>,
    }

    /// Answer of getTierConfigs.
    GetTierConfigResult {
        /// The tier of a job that names none.
        1 default_tier_name: Option<String>,
        /// All tiers.
        2 tiers: Option<SetOf<TierConfig>>,
    }

    /// A host and its maintenance.
    HostStatus {
        /// The host.
        1 host: String,
        /// Maintenance.
        2 mode: Option<MaintenanceMode>,
    }

    /// Names of hosts.
    Hosts {
        /// The names.
        1 host_names: SetOf<String>,
    }

    /// How a reconciliation of known tasks is done.
    ExplicitReconciliationSettings {
        /// Tasks that are asked for at once.
        1 batch_size: Option<i32>,
    }

    /// Which updates are asked for; unset terms restrict nothing.
    JobUpdateQuery {
        /// Id, 0.6 and 0.7.
        1 update_id: Option<String>,
        /// Owner.
        2 role: Option<String>,
        /// Job.
        3 job_key: Option<JobKey>,
        /// Who asked for it.
        4 user: Option<String>,
        /// States.
        5 update_statuses: Option<SetOf<JobUpdateStatus>>,
        /// Updates to leave out at the start.
        6 offset: Option<i32>,
        /// Updates to give at most.
        7 limit: Option<i32>,
        /// Name, from 0.8.
        8 key: Option<JobUpdateKey>,
    }

    /// One attribute of a host.
    Attribute {
        /// `host`, `rack`, …
        1 name: String,
        /// Its values.
        2 values: Option<SetOf<String>>,
    }

    /// What is known of a host.
    HostAttributes {
        /// The host.
        1 host: String,
        /// Its attributes.
        2 attributes: Option<SetOf<Attribute>>,
        /// Maintenance.
        3 mode: Option<MaintenanceMode>,
        /// Mesos agent id. Without one the record is dropped on restore.
        4 slave_id: Option<String>,
    }

    /// A wish for maintenance, from 0.21.
    HostMaintenanceRequest {
        /// The host.
        1 host: String,
        /// Which guarantees hold meanwhile.
        2 default_sla_policy: Option<Struct>,
        /// Seconds to wait at most.
        3 timeout_secs: i64,
        /// When it was asked for, in milliseconds since the epoch.
        4 created_timestamp_ms: i64,
    }

    /// Name of an update, from 0.8.
    JobUpdateKey {
        /// The job.
        1 job: Option<JobKey>,
        /// Id within it.
        2 id: String,
    }

    /// Where an update stands.
    JobUpdateState {
        /// State.
        1 status: Option<JobUpdateStatus>,
        /// Milliseconds since the epoch.
        2 created_timestamp_ms: Option<i64>,
        /// Milliseconds since the epoch.
        3 last_modified_timestamp_ms: Option<i64>,
    }

    /// An update in short.
    JobUpdateSummary {
        /// Id, 0.6 to 0.8.
        1 update_id: Option<String>,
        /// Job, 0.6 to 0.8.
        2 job_key: Option<JobKey>,
        /// Who asked for it.
        3 user: Option<String>,
        /// Where it stands; may be unset within a snapshot.
        4 state: Option<JobUpdateState>,
        /// Name, from 0.8.
        5 key: Option<JobUpdateKey>,
        /// Labels, from 0.16.
        6 metadata: Option<SetOf<Metadata>>,
    }

    /// An update.
    JobUpdate {
        /// In short.
        1 summary: Option<JobUpdateSummary>,
        /// From what to what and how.
        2 instructions: Option<Struct>,
    }

    /// A change of state of an update.
    JobUpdateEvent {
        /// State entered.
        1 status: JobUpdateStatus,
        /// Milliseconds since the epoch.
        2 timestamp_ms: i64,
        /// By whom.
        3 user: Option<String>,
        /// Why, from 0.8.
        4 message: Option<String>,
    }

    /// An update with its history.
    JobUpdateDetails {
        /// The update.
        1 update: Option<JobUpdate>,
        /// Changes of state.
        2 update_events: Option<Vec<JobUpdateEvent>>,
        /// What happened to single instances.
        3 instance_events: Option<Vec<Struct>>,
    }
}

impl JobUpdateQuery {
    /// Updates that a restored scheduler goes on with by itself, or could.
    pub fn active() -> Self {
        Self { update_statuses: Some(SetOf(JobUpdateStatus::ACTIVE.to_vec())), ..Self::default() }
    }
}

impl JobUpdateSummary {
    /// Name of the job, from whichever fields the release used.
    pub fn job(&self) -> Option<&JobKey> {
        self.key.as_ref().and_then(|key| key.job.as_ref()).or(self.job_key.as_ref())
    }

    /// Id of the update, from whichever fields the release used.
    pub fn id(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.id.as_str()).or(self.update_id.as_deref())
    }
}

impl JobUpdateDetails {
    /// State by the newest event; a snapshot may leave the summary's own unset.
    pub fn status(&self) -> Option<JobUpdateStatus> {
        let by_event = self.update_events.as_ref().and_then(|events| events.last()).map(|event| event.status);
        by_event.or_else(|| self.update.as_ref()?.summary.as_ref()?.state.as_ref()?.status)
    }
}
