//! Counting what a walk finds.

use super::groups::Groups;
use super::judge;
use super::repeated::Repeated;
use super::summary::{
    BackupCounts, BackupSummary, CronBrief, HostBrief, JobCount, LISTED_BYTES_MAX, LISTED_MAX, LockBrief,
    MaintenanceBrief, NotListed, QuotaBrief, UpdateBrief,
};
use super::walk::{BriefSink, walk_from};
use crate::aurora::brief::TaskBrief;
use crate::aurora::types::{
    HostAttributes, HostMaintenanceRequest, JobUpdateDetails, JobUpdateStatus, MaintenanceMode, QuotaConfiguration,
    ScheduleStatus, StoredCronJob, StoredJobUpdateDetails,
};
use crate::aurora::value::{Struct, Value};
use std::collections::BTreeMap;
use std::io::Read;

/// Reads a backup file from a stream and judges it.
pub fn read_backup_from(read: impl Read) -> BackupSummary {
    let mut tally = Tally::default();
    let walked = walk_from(read, &mut tally);
    tally.settle();
    let fit = judge::fit(&walked, &tally);
    let warnings = judge::warnings(&walked, &tally);
    let in_sql = walked.db_statements > 0;
    let metadata = walked.metadata.unwrap_or_default();
    let mut summary = BackupSummary {
        size: walked.size,
        timestamp_ms: walked.timestamp_ms,
        build_version: metadata.build_version().map(str::to_owned),
        made_by_restore: metadata.is_restored(),
        framework_id: metadata.framework_id,
        build: metadata.details.unwrap_or_default(),
        sql_statements: walked.db_statements,
        tasks_in_sql: in_sql && walked.experimental_task_store,
        counts: tally.counts(in_sql),
        by_status: BTreeMap::new(),
        by_job: BTreeMap::new(),
        by_role: BTreeMap::new(),
        by_environment: BTreeMap::new(),
        by_host: BTreeMap::new(),
        cron_jobs: Vec::new(),
        quotas: Vec::new(),
        active_updates: Vec::new(),
        draining_hosts: Vec::new(),
        locks: Vec::new(),
        maintenance_requests: Vec::new(),
        not_listed: NotListed::default(),
        newest_event_ms: tally.newest_event_ms,
        unknown_fields: walked.unknown,
        mistyped_fields: walked.mistyped,
        fit,
        warnings,
    };
    tally.lists_into(&mut summary);
    summary
}

/// [`read_backup_from`] of bytes in memory.
pub fn read_backup(bytes: &[u8]) -> BackupSummary {
    read_backup_from(bytes)
}

/// The first entries of a list, and how many more there were.
struct Listed<T> {
    items: Vec<T>,
    bytes: usize,
    more: u64,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { items: Vec::new(), bytes: 0, more: 0 }
    }
}

impl<T> Listed<T> {
    /// Takes an entry whose texts are so many bytes.
    fn add(&mut self, item: T, text_bytes: usize) {
        let bytes = self.bytes.saturating_add(text_bytes);
        if self.items.len() < LISTED_MAX && bytes <= LISTED_BYTES_MAX {
            self.bytes = bytes;
            self.items.push(item);
        } else {
            self.more += 1;
        }
    }
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) tasks: u64,
    active_tasks: u64,
    pub(super) cron_jobs: u64,
    /// Stored jobs that have no schedule.
    pub(super) jobs_not_cron: u64,
    quotas: u64,
    hosts: u64,
    updates: u64,
    updates_active: u64,
    locks: u64,
    maintenance_requests: u64,
    /// Few states occur, so they are sought one by one.
    by_status: Vec<(ScheduleStatus, u64)>,
    other_statuses: u64,
    by_job: Groups,
    by_role: Groups,
    by_environment: Groups,
    by_host: Groups,
    cron_list: Listed<CronBrief>,
    quota_list: Listed<QuotaBrief>,
    update_list: Listed<UpdateBrief>,
    host_list: Listed<HostBrief>,
    lock_list: Listed<LockBrief>,
    maintenance_list: Listed<MaintenanceBrief>,
    newest_event_ms: Option<i64>,
    ids: Repeated,
    pub(super) duplicates: u64,
    pub(super) duplicates_not_sought: u64,
    pub(super) incomplete: u64,
    pub(super) incomplete_first: Option<String>,
}

impl BriefSink for Tally {
    fn task(&mut self, task: &TaskBrief<'_>) {
        let active = task.status.is_active();
        self.tasks += 1;
        self.active_tasks += u64::from(active);
        self.count_status(task.status);
        if let Some(why) = incomplete(task) {
            self.incomplete += 1;
            self.incomplete_first.get_or_insert_with(|| format!("{:?} has no {why}", shortened(task.id)));
        }
        let one = JobCount { active: u64::from(active), total: 1 };
        if !self.by_job.add((task.role, task.environment, task.name), one) {
            self.by_role.add(("", "", task.role), one);
            self.by_environment.add(("", "", task.environment), one);
        }
        if let Some(host) = task.host {
            self.by_host.add(("", "", host), one);
        }
        self.newest_event_ms = self.newest_event_ms.max(task.newest_event_ms);
        // Tasks without an id are not whole, which is said of them.
        if !task.id.is_empty() {
            self.ids.add(task.id);
        }
    }

    fn cron_job(&mut self, job: StoredCronJob) {
        self.cron_jobs += 1;
        let config = job.job_configuration.unwrap_or_default();
        let schedule = config.cron_schedule.unwrap_or_default();
        self.jobs_not_cron += u64::from(schedule.is_empty());
        let key = config.key.or_else(|| config.task_config.as_ref()?.job_key());
        let job = key.map(|key| key.to_string()).unwrap_or_default();
        let bytes = job.len() + schedule.len();
        self.cron_list.add(CronBrief { job, schedule, instances: config.instance_count }, bytes);
    }

    fn quota(&mut self, quota: QuotaConfiguration) {
        self.quotas += 1;
        let amounts = quota.quota.unwrap_or_default();
        let resources = amounts.resources.map(|set| set.0).unwrap_or_default();
        let bytes = quota.role.len();
        let brief = QuotaBrief {
            role: quota.role,
            cpus: resources.iter().find_map(|one| one.num_cpus).or(amounts.num_cpus),
            ram_mb: resources.iter().find_map(|one| one.ram_mb).or(amounts.ram_mb),
            disk_mb: resources.iter().find_map(|one| one.disk_mb).or(amounts.disk_mb),
        };
        self.quota_list.add(brief, bytes);
    }

    fn host(&mut self, host: HostAttributes) {
        self.hosts += 1;
        if let Some(mode) = host.mode.filter(|mode| *mode != MaintenanceMode::None) {
            let bytes = host.host.len();
            self.host_list.add(HostBrief { host: host.host, mode: mode.to_string() }, bytes);
        }
    }

    fn job_update(&mut self, update: StoredJobUpdateDetails) {
        self.updates += 1;
        let status = update.details.as_ref().and_then(JobUpdateDetails::status);
        if !status.is_some_and(JobUpdateStatus::is_active) {
            return;
        }
        self.updates_active += 1;
        let summary = update.details.and_then(|details| details.update?.summary).unwrap_or_default();
        let brief = UpdateBrief {
            job: summary.job().map(ToString::to_string).unwrap_or_default(),
            id: summary.id().unwrap_or_default().to_owned(),
            status: status.unwrap_or_default().to_string(),
            user: summary.user.unwrap_or_default(),
        };
        let bytes = brief.job.len() + brief.id.len() + brief.user.len();
        self.update_list.add(brief, bytes);
    }

    fn lock(&mut self, lock: Struct) {
        self.locks += 1;
        let job = lock.rec(1).and_then(|key| key.rec(1));
        let job = job.map(|job| [1, 2, 3].map(|id| job.str(id).unwrap_or_default()).join("/")).unwrap_or_default();
        let user = lock.str(3).unwrap_or_default().to_owned();
        let bytes = job.len() + user.len();
        self.lock_list.add(LockBrief { job, user, timestamp_ms: lock.get(4).and_then(Value::as_i64) }, bytes);
    }

    fn maintenance_request(&mut self, request: HostMaintenanceRequest) {
        self.maintenance_requests += 1;
        let bytes = request.host.len();
        let brief = MaintenanceBrief {
            host: request.host,
            timeout_secs: request.timeout_secs,
            created_ms: request.created_timestamp_ms,
        };
        self.maintenance_list.add(brief, bytes);
    }
}

/// States that are told apart; eighteen exist, damage makes more.
const STATUSES_MAX: usize = 64;

impl Tally {
    #[inline]
    fn count_status(&mut self, status: ScheduleStatus) {
        let room = self.by_status.len() < STATUSES_MAX;
        match self.by_status.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count += 1,
            None if room => self.by_status.push((status, 1)),
            None => self.other_statuses += 1,
        }
    }

    /// Does what is left until the last task was seen.
    fn settle(&mut self) {
        let ids = std::mem::take(&mut self.ids);
        self.duplicates_not_sought = ids.beyond;
        self.duplicates = ids.count();
        for ((role, environment, _), count) in self.by_job.each() {
            self.by_role.add(("", "", role), count);
            self.by_environment.add(("", "", environment), count);
        }
    }

    fn counts(&self, in_sql: bool) -> BackupCounts {
        let unless_in_sql = |count: u64| if in_sql && count == 0 { None } else { Some(count) };
        BackupCounts {
            tasks: self.tasks,
            active_tasks: self.active_tasks,
            cron_jobs: self.cron_jobs,
            quotas: unless_in_sql(self.quotas),
            host_attributes: unless_in_sql(self.hosts),
            job_updates: unless_in_sql(self.updates),
            active_job_updates: unless_in_sql(self.updates).map(|_| self.updates_active),
            locks: unless_in_sql(self.locks),
            maintenance_requests: self.maintenance_requests,
        }
    }

    fn lists_into(mut self, summary: &mut BackupSummary) {
        self.cron_list.items.sort_unstable();
        self.quota_list.items.sort_by(|a, b| a.role.cmp(&b.role));
        self.update_list.items.sort_unstable();
        self.host_list.items.sort_unstable();
        self.lock_list.items.sort_unstable();
        self.maintenance_list.items.sort_unstable();
        summary.not_listed = NotListed {
            by_job: self.by_job.more,
            by_role: self.by_role.more,
            by_environment: self.by_environment.more,
            by_host: self.by_host.more,
            cron_jobs: self.cron_list.more,
            quotas: self.quota_list.more,
            active_updates: self.update_list.more,
            draining_hosts: self.host_list.more,
            locks: self.lock_list.more,
            maintenance_requests: self.maintenance_list.more,
        };
        summary.by_status = self.by_status.into_iter().map(|(status, count)| (status.to_string(), count)).collect();
        if self.other_statuses > 0 {
            summary.by_status.insert("UNKNOWN".to_owned(), self.other_statuses);
        }
        summary.by_job = self.by_job.counts(|parts| match parts {
            ("", "", "") => String::new(),
            (role, environment, name) => format!("{role}/{environment}/{name}"),
        });
        let alone = |(_, _, name): (&str, &str, &str)| name.to_owned();
        summary.by_role = self.by_role.counts(alone);
        summary.by_environment = self.by_environment.counts(alone);
        summary.by_host = self.by_host.counts(alone);
        summary.cron_jobs = self.cron_list.items;
        summary.quotas = self.quota_list.items;
        summary.active_updates = self.update_list.items;
        summary.draining_hosts = self.host_list.items;
        summary.locks = self.lock_list.items;
        summary.maintenance_requests = self.maintenance_list.items;
    }
}

fn incomplete(task: &TaskBrief<'_>) -> Option<&'static str> {
    if task.id.is_empty() {
        Some("id")
    } else if matches!(task.status, ScheduleStatus::Other(_)) {
        Some("known state")
    } else if task.role.is_empty() || task.environment.is_empty() || task.name.is_empty() {
        Some("job")
    } else if task.status.is_slave_assigned() && task.host.is_none() {
        Some("host")
    } else {
        None
    }
}

/// An id as it is quoted: a damaged one may be very long.
fn shortened(id: &str) -> &str {
    const QUOTED_BYTES_MAX: usize = 200;
    id.get(..id.floor_char_boundary(QUOTED_BYTES_MAX)).unwrap_or_default()
}
