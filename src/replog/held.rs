//! The state that a scheduler holds after replaying a log, as far as counting and naming go.
//!
//! Snapshots replace everything, operations of transactions change it, in the order of positions. Of a task its id's
//! digest and status are kept, of jobs, quotas and updates their names and what a person would ask first. Operations of
//! releases that replay ignores since (locks, pruning, rewriting) change nothing here. Deliberately not here: the tasks
//! themselves; a backup file is where those are looked at.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::digest::digest;
use crate::aurora::brief::TaskBrief;
use crate::aurora::log_entry::{Op, Transaction};
use crate::aurora::schema::{SetOf, Thrift};
use crate::aurora::snapshot::{BriefOp, BriefSink};
use crate::aurora::types::{
    HostAttributes, HostMaintenanceRequest, JobUpdateDetails, JobUpdateEvent, JobUpdateKey, QuotaConfiguration,
    ResourceAggregate, ScheduleStatus, ScheduledTask, StoredCronJob, StoredJobUpdateDetails,
};
use crate::aurora::value::{Struct, Value};

/// Tasks that are told apart: four times the largest cluster known.
const TASKS_MAX: usize = 4_000_000;
/// Cron jobs, quotas, updates and hosts that are told apart, each.
const NAMED_MAX: usize = 100_000;
/// Bytes of all those names together.
const NAMED_BYTES_MAX: usize = 16 << 20;
/// Entries of each list in a report.
const LISTED_MAX: usize = 500;

/// A role's quota.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeldQuota {
    /// Whose.
    pub role: String,
    /// Cores.
    pub cpus: Option<f64>,
    /// Memory in MiB.
    pub ram_mb: Option<i64>,
    /// Disk in MiB.
    pub disk_mb: Option<i64>,
}

/// A job update.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldUpdate {
    /// `role/environment/name`.
    pub job: String,
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: String,
}

/// What a scheduler holds after replaying the log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    /// Tasks, ended ones too.
    pub tasks: u64,
    /// Tasks by status.
    pub by_status: BTreeMap<String, u64>,
    /// Cron jobs as `role/environment/name`; at most 500.
    pub cron_jobs: Vec<String>,
    /// How many cron jobs.
    pub cron_count: u64,
    /// Quotas; at most 500.
    pub quotas: Vec<HeldQuota>,
    /// How many quotas.
    pub quota_count: u64,
    /// Job updates; at most 500.
    pub updates: Vec<HeldUpdate>,
    /// How many job updates.
    pub update_count: u64,
    /// Hosts with attributes.
    pub hosts: u64,
    /// Hosts that are to be maintained.
    pub maintenance: u64,
    /// Framework id.
    pub framework_id: Option<String>,
    /// Newest change of a task or update, milliseconds since the epoch.
    pub newest_event_ms: Option<i64>,
    /// Whether all of it was understood and counted.
    pub complete: bool,
}

// Doubles come from the wire and are compared as they are.
impl Eq for Held {}

/// The state while it is replayed.
#[derive(Debug, Default)]
pub(super) struct State {
    tasks: BTreeMap<u64, ScheduleStatus>,
    crons: BTreeSet<String>,
    quotas: BTreeMap<String, HeldQuota>,
    updates: BTreeMap<(String, String), String>,
    hosts: BTreeSet<String>,
    maintenance: BTreeSet<String>,
    pub(super) framework_id: Option<String>,
    newest_event_ms: Option<i64>,
    /// Bytes of names that came so far.
    bytes: usize,
    /// Something was left out.
    pub(super) partial: bool,
}

/// Why an operation cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadOp {
    /// It is no union with one struct, or its fields are of other types than declared.
    Unreadable,
    /// No release up to 0.23 has it.
    Unknown(i16),
}

impl State {
    /// Whether there is room for one more, of whose kind so many are held, with a name of so many bytes.
    fn room(&mut self, held: usize, max: usize, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        let room = held < max && self.bytes <= NAMED_BYTES_MAX;
        self.partial |= !room;
        room
    }

    fn set_task(&mut self, id: &str, status: ScheduleStatus, event_ms: Option<i64>) {
        self.newest_event_ms = self.newest_event_ms.max(event_ms);
        let id = digest(id.as_bytes());
        if self.tasks.contains_key(&id) || self.room(self.tasks.len(), TASKS_MAX, 0) {
            self.tasks.insert(id, status);
        }
    }

    fn set_quota(&mut self, role: String, amounts: ResourceAggregate) {
        let resources = amounts.resources.map(|set| set.0).unwrap_or_default();
        let quota = HeldQuota {
            role: role.clone(),
            cpus: resources.iter().find_map(|one| one.num_cpus).or(amounts.num_cpus),
            ram_mb: resources.iter().find_map(|one| one.ram_mb).or(amounts.ram_mb),
            disk_mb: resources.iter().find_map(|one| one.disk_mb).or(amounts.disk_mb),
        };
        if self.quotas.contains_key(&role) || self.room(self.quotas.len(), NAMED_MAX, role.len()) {
            self.quotas.insert(role, quota);
        }
    }

    fn set_update(&mut self, key: (String, String), status: String) {
        if self.updates.contains_key(&key) || self.room(self.updates.len(), NAMED_MAX, key.0.len() + key.1.len()) {
            self.updates.insert(key, status);
        }
    }

    /// Applies the operations of a transaction, as far as the first that cannot be.
    pub(super) fn apply(&mut self, transaction: Transaction) -> Result<(), BadOp> {
        transaction.into_operations().try_for_each(|op| self.op(op.ok_or(BadOp::Unreadable)?))
    }

    /// The same where tasks are briefs.
    pub(super) fn apply_briefs(&mut self, operations: Vec<BriefOp<'_>>) -> Result<(), BadOp> {
        operations.into_iter().try_for_each(|op| match op {
            BriefOp::Tasks(tasks) => {
                tasks.iter().for_each(|task| self.task(task));
                Ok(())
            }
            BriefOp::Other(op) => self.op(op.ok_or(BadOp::Unreadable)?),
        })
    }

    fn op(&mut self, op: Op) -> Result<(), BadOp> {
        match op {
            Op::SaveFrameworkId(id) => self.framework_id = Some(id),
            Op::SaveCronJob(job) => {
                let key = job.key.clone().or_else(|| job.task_config.as_ref()?.job_key());
                self.add_cron(key.map(|key| key.to_string()).unwrap_or_default());
            }
            Op::RemoveJob(key) => {
                self.crons.remove(&key.to_string());
            }
            Op::SaveTasks(tasks) => {
                for task in &tasks {
                    self.set_task(&task.assigned_task.task_id, task.status, ScheduledTask::last_event_ms(task));
                }
            }
            Op::RemoveTasks(ids) => {
                for id in ids {
                    self.tasks.remove(&digest(id.as_bytes()));
                }
            }
            Op::SaveQuota { role, quota } => self.set_quota(role, *quota),
            Op::RemoveQuota(role) => {
                self.quotas.remove(&role);
            }
            Op::SaveHostAttributes(host) => self.host(*host),
            Op::SaveHostMaintenanceRequest(request) => self.maintenance_request(*request),
            Op::RemoveHostMaintenanceRequest(host) => {
                self.maintenance.remove(&host);
            }
            Op::Other { id, fields } => self.other(id, &fields)?,
        }
        Ok(())
    }

    fn add_cron(&mut self, job: String) {
        if !self.crons.contains(&job) && self.room(self.crons.len(), NAMED_MAX, job.len()) {
            self.crons.insert(job);
        }
    }

    fn other(&mut self, id: i16, fields: &Struct) -> Result<(), BadOp> {
        match id {
            14 => {
                let summary = fields.rec(1).and_then(|update| update.rec(1)).cloned().unwrap_or_default();
                let details = JobUpdateDetails::from_struct(Struct::new().with(1, Struct::new().with(1, summary)));
                let (key, status) = update_of(&details);
                self.set_update(key, status);
            }
            15 => {
                let event = fields.rec(1).ok_or(BadOp::Unreadable)?;
                let event = JobUpdateEvent::from_struct(event.clone());
                self.newest_event_ms = self.newest_event_ms.max(Some(event.timestamp_ms));
                let key = fields.rec(3).map(|key| update_key(&JobUpdateKey::from_struct(key.clone())));
                // Up to 0.8 an id alone stood for the update.
                let id = fields.str(2).unwrap_or_default();
                let key = key.or_else(|| self.updates.keys().find(|(_, known)| known == id).cloned());
                self.set_update(key.unwrap_or_default(), event.status.to_string());
            }
            16 => {
                let event_ms = fields.rec(1).and_then(|event| event.get(2)).and_then(Value::as_i64);
                self.newest_event_ms = self.newest_event_ms.max(event_ms);
            }
            18 => {
                let keys = fields.get(1).cloned().and_then(|keys| SetOf::<JobUpdateKey>::from_value(keys).ok());
                for key in keys.ok_or(BadOp::Unreadable)?.0 {
                    self.updates.remove(&update_key(&key));
                }
            }
            // Locks, pruning and rewriting: decoded and not applied by the releases that are left. Of the acceptance
            // of jobs up to 0.7, the cron jobs would count.
            11 | 12 | 13 | 17 => {}
            2 => self.partial = true,
            known if Op::name_of(known).is_some() => return Err(BadOp::Unreadable),
            unknown => return Err(BadOp::Unknown(unknown)),
        }
        Ok(())
    }

    /// The state in numbers and names.
    pub(super) fn held(&self) -> Held {
        let mut by_status: BTreeMap<String, u64> = BTreeMap::new();
        for status in self.tasks.values() {
            *by_status.entry(status.to_string()).or_default() += 1;
        }
        let updates = self.updates.iter().take(LISTED_MAX);
        Held {
            tasks: self.tasks.len() as u64,
            by_status,
            cron_jobs: self.crons.iter().take(LISTED_MAX).cloned().collect(),
            cron_count: self.crons.len() as u64,
            quotas: self.quotas.values().take(LISTED_MAX).cloned().collect(),
            quota_count: self.quotas.len() as u64,
            updates: updates
                .map(|((job, id), status)| HeldUpdate { job: job.clone(), id: id.clone(), status: status.clone() })
                .collect(),
            update_count: self.updates.len() as u64,
            hosts: self.hosts.len() as u64,
            maintenance: self.maintenance.len() as u64,
            framework_id: self.framework_id.clone(),
            newest_event_ms: self.newest_event_ms,
            complete: !self.partial,
        }
    }
}

fn update_key(key: &JobUpdateKey) -> (String, String) {
    (key.job.as_ref().map(ToString::to_string).unwrap_or_default(), key.id.clone())
}

fn update_of(details: &JobUpdateDetails) -> ((String, String), String) {
    let status = details.status().map(|status| status.to_string()).unwrap_or_default();
    let summary = details.update.as_ref().and_then(|update| update.summary.as_ref());
    let job = summary.and_then(|summary| summary.job()).map(ToString::to_string).unwrap_or_default();
    let id = summary.and_then(|summary| summary.id()).unwrap_or_default().to_owned();
    ((job, id), status)
}

impl BriefSink for State {
    fn task(&mut self, task: &TaskBrief<'_>) {
        self.set_task(task.id, task.status, task.newest_event_ms);
    }

    fn cron_job(&mut self, job: StoredCronJob) {
        let config = job.job_configuration.unwrap_or_default();
        let key = config.key.or_else(|| config.task_config.as_ref()?.job_key());
        self.add_cron(key.map(|key| key.to_string()).unwrap_or_default());
    }

    fn quota(&mut self, quota: QuotaConfiguration) {
        self.set_quota(quota.role, quota.quota.unwrap_or_default());
    }

    fn host(&mut self, host: HostAttributes) {
        if !self.hosts.contains(&host.host) && self.room(self.hosts.len(), NAMED_MAX, host.host.len()) {
            self.hosts.insert(host.host);
        }
    }

    fn job_update(&mut self, update: StoredJobUpdateDetails) {
        let details = update.details.unwrap_or_default();
        let events = details.update_events.iter().flatten().map(|event| event.timestamp_ms).max();
        self.newest_event_ms = self.newest_event_ms.max(events);
        let (key, status) = update_of(&details);
        self.set_update(key, status);
    }

    fn maintenance_request(&mut self, request: HostMaintenanceRequest) {
        let host = request.host;
        if !self.maintenance.contains(&host) && self.room(self.maintenance.len(), NAMED_MAX, host.len()) {
            self.maintenance.insert(host);
        }
    }
}
