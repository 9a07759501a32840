//! Two backups held against each other.
//!
//! The first is read into tables, the second only walked: of its tasks none is kept but those that the first has not, up to the
//! limits. Two backups of one state differ in bytes, since sets have no order; so tasks are compared by id and everything else by name.
//! A million tasks of the first take about 150 MB, ids included.

use std::{collections::BTreeMap, io::Read};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::items::{ItemChanges, ItemKind, Items};
use super::report::FORMAT;
use super::words::grouped;
use crate::{
    aurora::{
        brief::TaskBrief,
        snapshot::{BriefSink, GROUPS_MAX, Walked, walk_from},
        types::{
            HostAttributes, HostMaintenanceRequest, QuotaConfiguration, ScheduleStatus, StoredCronJob,
            StoredJobUpdateDetails,
        },
        value::Struct,
    },
    impact::{TaskTable, TaskView},
};

/// Ids that are listed of tasks on one side only, each.
pub const IDS_MAX: usize = 1_000;
/// Jobs that are listed; all are counted.
pub const JOBS_MAX: usize = 10_000;

/// Why two backups cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiffError {
    /// One cannot be decoded to its end.
    #[error("it cannot be read to its end: {0}")]
    Unreadable(String),
    /// One holds more than is compared.
    #[error("it holds more {0} than are compared")]
    TooMany(&'static str),
}

/// One of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// When it was taken, in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// Mesos framework id.
    pub framework_id: Option<String>,
    /// Version of the scheduler that wrote it.
    pub version: Option<String>,
    /// Length in bytes.
    pub size: u64,
    /// Tasks.
    pub tasks: u64,
    /// Tasks in an active state.
    pub active_tasks: u64,
    /// SQL statements, whose content is not compared.
    pub sql_statements: u64,
}

/// Tasks that only one of the two has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OneSided {
    /// How many.
    pub count: u64,
    /// How many of them are in an active state.
    pub active: u64,
    /// The first 1,000 ids.
    pub ids: Vec<String>,
}

impl OneSided {
    fn add(&mut self, id: &str, active: bool) {
        self.count += 1;
        self.active += u64::from(active);
        if self.ids.len() < IDS_MAX {
            self.ids.push(id.to_owned());
        }
    }
}

/// Tasks that went from one state to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Transition {
    /// State in the first.
    pub from: String,
    /// State in the second.
    pub to: String,
    /// How many.
    pub count: u64,
}

/// What differs among tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskChanges {
    /// Only in the second.
    pub added: OneSided,
    /// Only in the first.
    pub removed: OneSided,
    /// In both, in another state.
    pub status_changed: u64,
    /// Those, by states.
    pub transitions: Vec<Transition>,
    /// In both, on another host or agent.
    pub moved: u64,
    /// In both, with another job, instance, owner or resources. No scheduler does that to a task.
    pub otherwise: u64,
}

/// What differs within a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct JobChange {
    /// `role/environment/name`.
    pub job: String,
    /// Active tasks in the first.
    pub active_before: u64,
    /// Active tasks in the second.
    pub active_after: u64,
    /// Tasks in any state in the first.
    pub tasks_before: u64,
    /// Tasks in any state in the second.
    pub tasks_after: u64,
    /// Tasks only in the second.
    pub added: u64,
    /// Tasks only in the first.
    pub removed: u64,
    /// Tasks in both that are not the same.
    pub changed: u64,
}

/// What differs among jobs, by their tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobChanges {
    /// Jobs that only the second has tasks of.
    pub added: u64,
    /// Jobs that only the first has tasks of.
    pub removed: u64,
    /// Jobs of both whose tasks differ.
    pub changed: u64,
    /// All of these in the order of their names, the first 10,000.
    pub list: Vec<JobChange>,
    /// How many are not listed.
    pub more: u64,
}

/// What the second backup has more, less or otherwise than the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupDiff {
    /// Version of this form: 1.
    pub format: u32,
    /// The first.
    pub before: Side,
    /// The second.
    pub after: Side,
    /// Nothing differs but the time, the writer's version and the order of the bytes.
    pub equal: bool,
    /// Milliseconds from the first to the second; negative if the first is the newer one.
    pub apart_ms: Option<i64>,
    /// They belong to different frameworks: another cluster, or one that began anew.
    pub framework_changed: bool,
    /// Tasks.
    pub tasks: TaskChanges,
    /// Jobs.
    pub jobs: JobChanges,
    /// Cron jobs.
    pub cron_jobs: ItemChanges,
    /// Quotas.
    pub quotas: ItemChanges,
    /// Job updates.
    pub job_updates: ItemChanges,
    /// Hosts, with their maintenance and attributes.
    pub hosts: ItemChanges,
    /// Locks.
    pub locks: ItemChanges,
    /// Wishes for maintenance.
    pub maintenance_requests: ItemChanges,
}

impl BackupDiff {
    /// What differs among things of a kind.
    pub fn items(&self, kind: ItemKind) -> &ItemChanges {
        match kind {
            ItemKind::CronJob => &self.cron_jobs,
            ItemKind::Quota => &self.quotas,
            ItemKind::JobUpdate => &self.job_updates,
            ItemKind::Host => &self.hosts,
            ItemKind::Lock => &self.locks,
            ItemKind::MaintenanceRequest => &self.maintenance_requests,
        }
    }

    /// In a few words, for a line beside a backup: `+3 -1 tasks, +1 job`.
    pub fn headline(&self) -> String {
        if self.equal {
            return "nothing changed".to_owned();
        }
        let mut words = Vec::new();
        let mut say = |added: u64, removed: u64, changed: u64, what: &str| {
            let parts = [('+', added), ('-', removed), ('~', changed)];
            let parts: Vec<String> = parts
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(sign, count)| format!("{sign}{}", grouped(*count)))
                .collect();
            if !parts.is_empty() {
                words.push(format!("{} {what}", parts.join(" ")));
            }
        };
        let tasks = &self.tasks;
        say(tasks.added.count, tasks.removed.count, tasks.status_changed, "tasks");
        say(self.jobs.added, self.jobs.removed, 0, "jobs");
        for (kind, what) in [
            (ItemKind::CronJob, "cron jobs"),
            (ItemKind::Quota, "quotas"),
            (ItemKind::JobUpdate, "updates"),
            (ItemKind::Host, "hosts"),
            (ItemKind::MaintenanceRequest, "maintenance"),
        ] {
            let items = self.items(kind);
            say(items.added, items.removed, items.changed, what);
        }
        if self.framework_changed {
            words.push("another framework".to_owned());
        }
        if words.is_empty() { "details changed".to_owned() } else { words.join(", ") }
    }
}

/// A backup that another one is held against.
#[derive(Clone, Debug, Default)]
pub struct Before {
    side: Side,
    tasks: TaskTable,
    items: Items,
    full: bool,
}

impl Before {
    /// Reads a file.
    pub fn read(file: impl Read) -> Result<Self, DiffError> {
        let mut before = Self::default();
        let walked = walk_from(file, &mut before);
        if before.full {
            return Err(DiffError::TooMany("tasks"));
        }
        before.side = finished(before.side, walked, &before.items)?;
        Ok(before)
    }
}

fn finished(mut side: Side, walked: Walked, items: &Items) -> Result<Side, DiffError> {
    if let Some(error) = walked.error {
        return Err(DiffError::Unreadable(error.to_string()));
    }
    if items.too_many.is_some() {
        return Err(DiffError::TooMany("things of one kind beside tasks"));
    }
    let metadata = walked.metadata.unwrap_or_default();
    side.timestamp_ms = walked.timestamp_ms;
    side.version = metadata.build_version().map(str::to_owned);
    side.framework_id = metadata.framework_id.filter(|id| !id.is_empty());
    side.size = walked.size;
    side.sql_statements = walked.db_statements;
    Ok(side)
}

impl BriefSink for Before {
    fn task(&mut self, task: &TaskBrief<'_>) {
        self.side.tasks += 1;
        self.side.active_tasks += u64::from(task.status.is_active());
        self.full |= self.tasks.add(task).is_err();
    }

    fn cron_job(&mut self, job: StoredCronJob) {
        self.items.cron_job(job);
    }

    fn quota(&mut self, quota: QuotaConfiguration) {
        self.items.quota(quota);
    }

    fn host(&mut self, host: HostAttributes) {
        self.items.host(host);
    }

    fn job_update(&mut self, update: StoredJobUpdateDetails) {
        self.items.job_update(update);
    }

    fn lock(&mut self, lock: Struct) {
        self.items.lock(lock);
    }

    fn maintenance_request(&mut self, request: HostMaintenanceRequest) {
        self.items.maintenance_request(request);
    }
}

/// The walk over the second.
struct After<'a> {
    before: &'a Before,
    side: Side,
    items: Items,
    seen: Vec<bool>,
    tasks: TaskChanges,
    transitions: BTreeMap<(ScheduleStatus, ScheduleStatus), u64>,
    jobs: BTreeMap<String, JobChange>,
    jobs_full: bool,
}

impl After<'_> {
    fn job(&mut self, role: &str, environment: &str, name: &str) -> Option<&mut JobChange> {
        let key = match (role, environment, name) {
            ("", "", "") => String::new(),
            _ => format!("{role}/{environment}/{name}"),
        };
        self.job_named(key)
    }

    fn job_named(&mut self, key: String) -> Option<&mut JobChange> {
        if self.jobs.len() >= GROUPS_MAX && !self.jobs.contains_key(&key) {
            self.jobs_full = true;
            return None;
        }
        Some(self.jobs.entry(key).or_default())
    }

    /// What of a task that both have differs.
    fn compare(&mut self, was: TaskView<'_>, is: &TaskBrief<'_>) -> bool {
        let status = was.status != is.status;
        if status {
            self.tasks.status_changed += 1;
            *self.transitions.entry((was.status, is.status)).or_default() += 1;
        }
        let moved = was.host != is.host.unwrap_or_default() || was.agent_id != is.agent_id.unwrap_or_default();
        self.tasks.moved += u64::from(moved);
        let mut job = was.job.splitn(3, '/');
        let same_job = [is.role, is.environment, is.name].iter().all(|part| job.next().unwrap_or_default() == *part);
        let same = same_job && was.instance == is.instance && was.is_service == is.is_service;
        let amounts = (is.cpus, is.ram_mb.map(|mb| mb as f64), is.disk_mb.map(|mb| mb as f64));
        let owner = is.contact_email.filter(|text| !text.is_empty()).or(is.user).unwrap_or_default();
        let same = same && (was.cpus, was.ram_mb, was.disk_mb) == amounts && was.owner == owner;
        self.tasks.otherwise += u64::from(!same);
        status || moved || !same
    }
}

impl BriefSink for After<'_> {
    fn task(&mut self, task: &TaskBrief<'_>) {
        let active = task.status.is_active();
        self.side.tasks += 1;
        self.side.active_tasks += u64::from(active);
        let at = self.before.tasks.find(task.id);
        let was = at.and_then(|at| self.before.tasks.at(at));
        let (mut added, mut changed) = (0, 0);
        if let Some(was) = was {
            if let Some(seen) = at.and_then(|at| self.seen.get_mut(at)) {
                *seen = true;
            }
            changed = u64::from(self.compare(was, task));
        } else {
            self.tasks.added.add(task.id, active);
            added = 1;
        }
        if let Some(job) = self.job(task.role, task.environment, task.name) {
            job.tasks_after += 1;
            job.active_after += u64::from(active);
            job.added += added;
            job.changed += changed;
        }
    }

    fn cron_job(&mut self, job: StoredCronJob) {
        self.items.cron_job(job);
    }

    fn quota(&mut self, quota: QuotaConfiguration) {
        self.items.quota(quota);
    }

    fn host(&mut self, host: HostAttributes) {
        self.items.host(host);
    }

    fn job_update(&mut self, update: StoredJobUpdateDetails) {
        self.items.job_update(update);
    }

    fn lock(&mut self, lock: Struct) {
        self.items.lock(lock);
    }

    fn maintenance_request(&mut self, request: HostMaintenanceRequest) {
        self.items.maintenance_request(request);
    }
}

/// Walks the second and says what it has more, less or otherwise than the first.
pub fn diff(before: &Before, after: impl Read) -> Result<BackupDiff, DiffError> {
    let mut walk = After {
        before,
        side: Side::default(),
        items: Items::default(),
        seen: vec![false; before.tasks.len()],
        tasks: TaskChanges::default(),
        transitions: BTreeMap::new(),
        jobs: BTreeMap::new(),
        jobs_full: false,
    };
    let walked = walk_from(after, &mut walk);
    let side = finished(std::mem::take(&mut walk.side), walked, &walk.items)?;
    for (at, was) in before.tasks.iter().enumerate() {
        let gone = walk.seen.get(at) == Some(&false);
        let active = was.status.is_active();
        if gone {
            walk.tasks.removed.add(was.id, active);
        }
        if let Some(job) = walk.job_named(was.job.to_owned()) {
            job.tasks_before += 1;
            job.active_before += u64::from(active);
            job.removed += u64::from(gone);
        }
    }
    if walk.jobs_full {
        return Err(DiffError::TooMany("jobs"));
    }
    Ok(finish(before, side, walk))
}

fn finish(before: &Before, side: Side, mut walk: After<'_>) -> BackupDiff {
    walk.tasks.transitions = walk
        .transitions
        .iter()
        .map(|((from, to), count)| Transition { from: from.to_string(), to: to.to_string(), count: *count })
        .collect();
    walk.tasks.transitions.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.cmp(b)));
    walk.tasks.added.ids.sort_unstable();
    walk.tasks.removed.ids.sort_unstable();
    let in_sql = before.side.sql_statements > 0 || side.sql_statements > 0;
    let items = |kind: ItemKind| {
        let found = before.items.against(&walk.items, kind);
        // Statements may hold what the lists lack, so a difference of the lists says nothing.
        let readable = !in_sql || matches!(kind, ItemKind::CronJob | ItemKind::MaintenanceRequest);
        if readable { found } else { ItemChanges::default() }
    };
    let mut diff = BackupDiff {
        format: FORMAT,
        apart_ms: side.timestamp_ms.zip(before.side.timestamp_ms).and_then(|(after, before)| after.checked_sub(before)),
        framework_changed: before.side.framework_id != side.framework_id,
        cron_jobs: items(ItemKind::CronJob),
        quotas: items(ItemKind::Quota),
        job_updates: items(ItemKind::JobUpdate),
        hosts: items(ItemKind::Host),
        locks: items(ItemKind::Lock),
        maintenance_requests: items(ItemKind::MaintenanceRequest),
        jobs: jobs(&walk.jobs),
        tasks: walk.tasks,
        before: before.side.clone(),
        after: side,
        equal: false,
    };
    let tasks = &diff.tasks;
    let same_tasks =
        tasks.added.count + tasks.removed.count + tasks.status_changed + tasks.moved + tasks.otherwise == 0;
    let same_items = ItemKind::ALL.iter().all(|kind| !diff.items(*kind).any());
    diff.equal = same_tasks
        && same_items
        && !diff.framework_changed
        && diff.before.tasks == diff.after.tasks
        && diff.before.sql_statements == diff.after.sql_statements;
    diff
}

fn jobs(found: &BTreeMap<String, JobChange>) -> JobChanges {
    let mut changes = JobChanges::default();
    for (name, job) in found {
        match (job.tasks_before, job.tasks_after) {
            (0, _) => changes.added += 1,
            (_, 0) => changes.removed += 1,
            _ if job.added + job.removed + job.changed > 0 => changes.changed += 1,
            _ => continue,
        }
        if changes.list.len() < JOBS_MAX {
            changes.list.push(JobChange { job: name.clone(), ..job.clone() });
        } else {
            changes.more += 1;
        }
    }
    changes
}
