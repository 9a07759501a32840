//! The scheduler's state: what a snapshot holds, changed by the operations of the log.
//!
//! Values stay Thrift trees, so that fields which the practice cluster does not use come back
//! from a restore as they went in. Pure.

use std::collections::BTreeMap;

use crate::aurora::value::{Map, Seq, Struct, TType, Value};

use super::entry::{replaced, without};

/// A job's key: role, environment, name.
pub type JobKey = (String, String, String);

/// The numbers of `ScheduleStatus` that the cluster uses.
pub mod status {
    /// PENDING
    pub const PENDING: i32 = 0;
    /// STARTING
    pub const STARTING: i32 = 1;
    /// RUNNING
    pub const RUNNING: i32 = 2;
    /// FINISHED
    pub const FINISHED: i32 = 3;
    /// FAILED
    pub const FAILED: i32 = 4;
    /// LOST
    pub const LOST: i32 = 7;
    /// KILLED
    pub const KILLED: i32 = 5;
    /// KILLING
    pub const KILLING: i32 = 6;
    /// ASSIGNED
    pub const ASSIGNED: i32 = 9;
    /// DRAINING
    pub const DRAINING: i32 = 17;
    /// Those that end by themselves: a task that stays in one for too long is lost.
    pub const TRANSIENT: [i32; 5] = [9, 13, 12, 6, 17];
    /// Every active one, as the clients list them.
    pub const ACTIVE: [i32; 10] = [0, 16, 9, 1, 2, 12, 13, 17, 18, 6];
    /// Those with a process on an agent.
    pub const ON_AGENT: [i32; 8] = [9, 1, 2, 12, 13, 17, 18, 6];
    /// Names by number.
    pub const NAMES: [(i32, &str); 16] = [
        (11, "INIT"),
        (0, "PENDING"),
        (16, "THROTTLED"),
        (9, "ASSIGNED"),
        (1, "STARTING"),
        (2, "RUNNING"),
        (12, "RESTARTING"),
        (13, "PREEMPTING"),
        (17, "DRAINING"),
        (18, "PARTITIONED"),
        (6, "KILLING"),
        (3, "FINISHED"),
        (4, "FAILED"),
        (5, "KILLED"),
        (7, "LOST"),
        (10, "SANDBOX_DELETED"),
    ];

    /// A status by its name in the log.
    pub fn name(status: i32) -> &'static str {
        NAMES.iter().find(|(number, _)| *number == status).map_or("UNKNOWN", |(_, name)| name)
    }
}

/// Build properties in a snapshot's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildInfo {
    /// The scheduler's own.
    Own,
    /// The dummy of a snapshot that came from a backup.
    Restored,
}

/// Everything the scheduler stores.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// When the snapshot was taken that this began with, milliseconds since the epoch.
    pub timestamp: i64,
    /// The framework's id, once registered.
    pub framework_id: Option<String>,
    /// Tasks by id.
    pub tasks: BTreeMap<String, Struct>,
    /// Cron jobs' configurations.
    pub crons: BTreeMap<JobKey, Struct>,
    /// Quotas by role.
    pub quotas: BTreeMap<String, Struct>,
    /// Attributes of hosts by name.
    pub hosts: BTreeMap<String, Struct>,
    /// Stored job updates with their details.
    pub updates: Vec<Struct>,
    /// Hosts that are to be drained, by name.
    pub maintenance: BTreeMap<String, Struct>,
}

impl State {
    /// The state in a snapshot. A field that is not there is empty, as in the real reader.
    pub fn from_snapshot(snapshot: &Struct) -> Self {
        let mut state = Self { timestamp: i64_of(snapshot, 1), ..Self::default() };
        state.framework_id = snapshot.rec(6).and_then(|meta| meta.str(1)).map(str::to_owned);
        for host in structs(snapshot, 3) {
            state.hosts.insert(text(host, 1), host.clone());
        }
        for task in structs(snapshot, 4) {
            state.save_task(task);
        }
        for job in structs(snapshot, 5).filter_map(|stored| stored.rec(3)) {
            state.crons.insert(job_key(job.rec(9)), job.clone());
        }
        for quota in structs(snapshot, 8) {
            state.quotas.insert(text(quota, 1), quota.rec(2).cloned().unwrap_or_default());
        }
        state.updates = structs(snapshot, 10).cloned().collect();
        for request in structs(snapshot, 13) {
            state.maintenance.insert(text(request, 1), request.clone());
        }
        state
    }

    /// A snapshot of the state.
    pub fn to_snapshot(&self, timestamp: i64, build: BuildInfo) -> Struct {
        let details: &[(&str, &str)] = match build {
            BuildInfo::Own => &[
                ("build.version", super::VERSION),
                ("build.git.revision", "practice"),
                ("build.user.name", "firstlight"),
            ],
            BuildInfo::Restored => &[("DATE", "DATE"), ("GIT_REVISION", "GIT_REVISION"), ("GIT_TAG", "GIT_TAG")],
        };
        let details = Map {
            key: TType::String,
            value: TType::String,
            entries: details.iter().map(|(key, value)| (Value::from(*key), Value::from(*value))).collect(),
        };
        let mut meta = Struct::new();
        if let Some(id) = &self.framework_id {
            meta = meta.with(1, id.as_str());
        }
        let meta = meta.with(8, Value::Map(details));
        let crons = self.crons.values().map(|job| Struct::new().with(3, job.clone())).collect();
        let quotas =
            self.quotas.iter().map(|(role, quota)| Struct::new().with(1, role.as_str()).with(2, quota.clone()));
        Struct::new()
            .with(1, timestamp)
            .with(3, set(self.hosts.values().cloned().collect()))
            .with(4, set(self.tasks.values().cloned().collect()))
            .with(5, set(crons))
            .with(6, meta)
            .with(8, set(quotas.collect()))
            .with(10, set(self.updates.clone()))
            .with(13, set(self.maintenance.values().cloned().collect()))
    }

    /// Applies one operation of the log. An operation that is not known is fatal, as in the real reader.
    pub fn apply(&mut self, op: &Struct) -> Result<(), String> {
        let Some((id, value)) = op.fields.first() else {
            return Err("an operation without a member".to_owned());
        };
        let Some(body) = value.as_struct() else {
            return Err(format!("operation {id} is no struct"));
        };
        match id {
            1 => self.framework_id = body.str(1).map(str::to_owned),
            2 => {
                if let Some(job) = body.rec(2) {
                    self.crons.insert(job_key(job.rec(9)), job.clone());
                }
            }
            5 => {
                self.crons.remove(&job_key(body.rec(2)));
            }
            6 => structs(body, 1).for_each(|task| self.save_task(task)),
            7 => {
                for id in body.get(1).and_then(Value::as_items).unwrap_or_default().iter().filter_map(Value::as_str) {
                    self.tasks.remove(id);
                }
            }
            8 => {
                self.quotas.insert(text(body, 1), body.rec(2).cloned().unwrap_or_default());
            }
            9 => {
                self.quotas.remove(&text(body, 1));
            }
            10 => {
                if let Some(host) = body.rec(1) {
                    self.hosts.insert(text(host, 1), host.clone());
                }
            }
            14 => self.save_update(body),
            15 => self.add_to_update(body, 2),
            16 => self.add_to_update(body, 3),
            18 => {
                let gone: Vec<&Struct> = structs(body, 1).collect();
                self.updates.retain(|stored| update_key(stored).is_none_or(|key| !gone.contains(&key)));
            }
            // Locks and the pruning of updates are read and forgotten since 0.20.
            12 | 13 | 17 => {}
            19 => {
                if let Some(request) = body.rec(1) {
                    self.maintenance.insert(text(request, 1), request.clone());
                }
            }
            20 => {
                self.maintenance.remove(&text(body, 1));
            }
            other => return Err(format!("Unknown transaction op: {other}")),
        }
        Ok(())
    }

    fn save_update(&mut self, body: &Struct) {
        let Some(update) = body.rec(1) else { return };
        let none = || Value::List(Seq { elem: TType::Struct, items: Vec::new() });
        let details = Struct::new().with(1, update.clone()).with(2, none()).with(3, none());
        let stored = Struct::new().with(1, details);
        let key = update_key(&stored).cloned();
        self.updates.retain(|known| update_key(known) != key.as_ref());
        self.updates.push(stored);
    }

    /// Adds an event to the list with this id in an update's details.
    fn add_to_update(&mut self, body: &Struct, list_id: i16) {
        let (Some(event), Some(key)) = (body.rec(1), body.rec(3)) else { return };
        let Some(stored) = self.updates.iter_mut().find(|stored| update_key(stored) == Some(key)) else { return };
        let details = stored.rec(1).cloned().unwrap_or_default();
        let mut events: Vec<Struct> = structs(&details, list_id).cloned().collect();
        events.push(event.clone());
        *stored = replaced(stored, 1, replaced(&details, list_id, list(events)).into());
    }

    /// Keys and states of the updates that go on by themselves, or wait to.
    pub fn active_updates(&self) -> Vec<(Struct, i32)> {
        /// From `ROLLING_FORWARD` to `ROLL_BACK_PAUSED`, and those that wait for a pulse.
        const ACTIVE: [i32; 6] = [0, 1, 2, 3, 9, 10];
        let found = self.updates.iter().filter_map(|stored| {
            let last = structs(stored.rec(1)?, 2).last()?.get(1).and_then(Value::as_i32)?;
            ACTIVE.contains(&last).then(|| Some((update_key(stored)?.clone(), last)))?
        });
        found.collect()
    }

    fn save_task(&mut self, task: &Struct) {
        self.tasks.insert(task_id(task), task.clone());
    }

    /// The tasks that a `TaskQuery` means, without its offset and limit.
    pub fn query(&self, query: &Struct) -> Vec<&Struct> {
        self.tasks.values().filter(|task| matches_query(task, query)).collect()
    }
}

/// Whether a task is meant by a `TaskQuery`: every term that is there must fit. Blank roles and
/// empty sets are as if absent.
fn matches_query(task: &Struct, query: &Struct) -> bool {
    let (role, environment, name) = task_job(task);
    let is = |id: i16, value: &str| query.str(id).is_none_or(|wanted| wanted.is_empty() || wanted == value);
    let among = |id: i16, fits: &dyn Fn(&Value) -> bool| {
        let items = query.get(id).and_then(Value::as_items).unwrap_or_default();
        items.is_empty() || items.iter().any(fits)
    };
    let status = task_status(task);
    let assigned = task.rec(1).cloned().unwrap_or_default();
    let own_id = task_id(task);
    is(14, &role)
        && query.rec(8).is_none_or(|owner| owner.str(1).is_none_or(|wanted| wanted.is_empty() || wanted == role))
        && is(9, &environment)
        && is(2, &name)
        && among(4, &|id| id.as_str() == Some(&own_id))
        && among(5, &|wanted| wanted.as_i32() == Some(status))
        && among(7, &|wanted| wanted.as_i32() == assigned.get(6).and_then(Value::as_i32))
        && among(10, &|host| host.as_str() == assigned.str(3))
        && among(11, &|key| job_key(key.as_struct()) == (role.clone(), environment.clone(), name.clone()))
}

/// The key of a stored update.
pub fn update_key(stored: &Struct) -> Option<&Struct> {
    stored.rec(1)?.rec(1)?.rec(1)?.rec(5)
}

/// A task's id.
pub fn task_id(task: &Struct) -> String {
    task.rec(1).map(|assigned| text(assigned, 1)).unwrap_or_default()
}

/// A task's status.
pub fn task_status(task: &Struct) -> i32 {
    task.get(2).and_then(Value::as_i32).unwrap_or(0)
}

/// A task's configuration.
pub fn task_config(task: &Struct) -> Option<&Struct> {
    task.rec(1)?.rec(4)
}

/// A task's job.
pub fn task_job(task: &Struct) -> JobKey {
    job_key(task_config(task).and_then(|config| config.rec(28)))
}

/// A task with another status and the event that says so.
pub fn with_status(task: &Struct, status: i32, now: i64, message: Option<&str>) -> Struct {
    let mut event = Struct::new().with(1, now).with(2, status);
    if let Some(message) = message {
        event = event.with(3, message);
    }
    let mut events: Vec<Value> = task.get(4).and_then(Value::as_items).unwrap_or_default().to_vec();
    events.push(Value::Struct(event.with(4, super::HOSTNAME)));
    let task = replaced(task, 2, Value::I32(status));
    replaced(&task, 4, Value::List(Seq { elem: TType::Struct, items: events }))
}

/// A task whose executor's data are left out, as 0.22 lists them without configuration.
pub fn without_data(task: &Struct) -> Struct {
    let Some(assigned) = task.rec(1) else { return task.clone() };
    let Some(config) = assigned.rec(4) else { return task.clone() };
    let Some(executor) = config.rec(25) else { return task.clone() };
    let config = replaced(config, 25, without(executor, 2).into());
    replaced(task, 1, replaced(assigned, 4, config.into()).into())
}

/// A `JobKey` struct.
pub fn job_key_struct(key: &JobKey) -> Struct {
    Struct::new().with(1, key.0.as_str()).with(2, key.1.as_str()).with(3, key.2.as_str())
}

/// The fields of a `JobKey`; blank where there is none.
pub fn job_key(key: Option<&Struct>) -> JobKey {
    key.map(|key| (text(key, 1), text(key, 2), text(key, 3))).unwrap_or_default()
}

/// A set of structs.
pub fn set(items: Vec<Struct>) -> Value {
    Value::Set(Seq { elem: TType::Struct, items: items.into_iter().map(Value::Struct).collect() })
}

/// A list of structs.
pub fn list(items: Vec<Struct>) -> Value {
    Value::List(Seq { elem: TType::Struct, items: items.into_iter().map(Value::Struct).collect() })
}

/// The structs in a set or list.
pub fn structs(from: &Struct, id: i16) -> impl Iterator<Item = &Struct> {
    from.get(id).and_then(Value::as_items).unwrap_or_default().iter().filter_map(Value::as_struct)
}

/// A text field, blank where there is none.
pub fn text(from: &Struct, id: i16) -> String {
    from.str(id).unwrap_or_default().to_owned()
}

/// A number field, 0 where there is none.
pub fn i64_of(from: &Struct, id: i16) -> i64 {
    from.get(id).and_then(Value::as_i64).unwrap_or(0)
}
