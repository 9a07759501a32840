//! The state of a scheduler as it is stored: in backups, and in the replicated log.

use super::job::{HostAttributes, HostMaintenanceRequest, JobConfiguration, JobUpdateDetails, QuotaConfiguration};
use super::task::{ScheduledTask, TaskConfig};
use crate::aurora::schema::{SetOf, thrift_struct};
use crate::aurora::value::Struct;
use std::collections::BTreeMap;

thrift_struct! {
    /// Who wrote a snapshot.
    SchedulerMetadata {
        /// Mesos framework id; unset when the scheduler never registered.
        1 framework_id: Option<String>,
        /// Build, up to 0.9.
        2 revision: Option<String>,
        /// Build, up to 0.9.
        3 tag: Option<String>,
        /// Build, up to 0.9.
        4 timestamp: Option<String>,
        /// Build, up to 0.9.
        5 user: Option<String>,
        /// Build, up to 0.9.
        6 machine: Option<String>,
        /// API version, up to 0.10.
        7 version: Option<Struct>,
        /// Build properties, from 0.10.
        8 details: Option<BTreeMap<String, String>>,
    }

    /// A cron job. Releases up to 0.7 stored other jobs in the same form.
    StoredCronJob {
        /// Up to 0.7: `CRON` in practice.
        1 job_manager_id: Option<String>,
        /// The job.
        3 job_configuration: Option<JobConfiguration>,
    }

    /// A job update with its lock.
    StoredJobUpdateDetails {
        /// The update.
        1 details: Option<JobUpdateDetails>,
        /// Up to 0.19.
        2 lock_token: Option<String>,
    }

    /// Everything a scheduler keeps. A backup file is one of these in `TBinary` and nothing around it.
    Snapshot {
        /// When it was taken, in milliseconds since the epoch.
        1 timestamp_ms: i64,
        /// Hosts.
        3 host_attributes: Option<SetOf<HostAttributes>>,
        /// Tasks, ended ones too.
        4 tasks: Option<SetOf<ScheduledTask>>,
        /// Cron jobs.
        5 cron_jobs: Option<SetOf<StoredCronJob>>,
        /// Who wrote it.
        6 metadata: Option<SchedulerMetadata>,
        /// Quotas.
        8 quotas: Option<SetOf<QuotaConfiguration>>,
        /// Locks, up to 0.19.
        9 locks: Option<SetOf<Struct>>,
        /// Job updates, from 0.6.
        10 job_updates: Option<SetOf<StoredJobUpdateDetails>>,
        /// Statements for an H2 database, 0.13 to 0.18.
        11 db_script: Option<Vec<String>>,
        /// Tasks and cron jobs are in those statements too, 0.13 to 0.18.
        12 experimental_task_store: Option<bool>,
        /// Wishes for maintenance, from 0.21.
        13 maintenance_requests: Option<SetOf<HostMaintenanceRequest>>,
    }

    /// A task without its configuration.
    DeduplicatedScheduledTask {
        /// The task, its configuration unset.
        1 partial_task: Option<ScheduledTask>,
        /// Index of its configuration.
        2 task_config_id: i32,
    }

    /// A snapshot in which tasks share configurations; the form of the log from 0.12, optional from 0.6.
    DeduplicatedSnapshot {
        /// All but the tasks.
        1 partial_snapshot: Option<Snapshot>,
        /// The tasks.
        2 partial_tasks: Option<Vec<DeduplicatedScheduledTask>>,
        /// The configurations.
        3 task_configs: Option<Vec<TaskConfig>>,
    }
}

impl SchedulerMetadata {
    /// The value that each build property has in a snapshot made by a commit of a staged backup, keys and values alike.
    pub const RESTORED_DETAILS: &'static [&'static str] = &["DATE", "GIT_REVISION", "GIT_TAG"];

    /// True for the mark that a committed recovery leaves in the log, 0.10 and later.
    pub fn is_restored(&self) -> bool {
        self.details.as_ref().is_some_and(|details| {
            !details.is_empty()
                && details.iter().all(|(key, value)| key == value && Self::RESTORED_DETAILS.contains(&key.as_str()))
        })
    }

    /// Version of the scheduler that wrote the snapshot, as far as its build said it.
    pub fn build_version(&self) -> Option<&str> {
        let details = self.details.as_ref()?;
        ["build.version", "version"].iter().find_map(|key| details.get(*key)).map(String::as_str)
    }
}
