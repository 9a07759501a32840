//! Tasks of a backup or of a scheduler, packed.

use crate::{
    aurora::{brief::TaskBrief, types::ScheduleStatus},
    mesos::names::{Amounts, Full, Names, Put, Sym},
};

#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    job: Sym,
    host: Sym,
    agent: Sym,
    owner: Sym,
    amount: Sym,
    instance: i32,
    status: i32,
    is_service: bool,
}

/// A task as it is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskView<'a> {
    /// Id.
    pub id: &'a str,
    /// `role/environment/name`; empty when the configuration does not say it.
    pub job: &'a str,
    /// Index within the job.
    pub instance: i32,
    /// State.
    pub status: ScheduleStatus,
    /// Host; empty before it is assigned, as for the agent.
    pub host: &'a str,
    /// Agent.
    pub agent_id: &'a str,
    /// Contact e-mail, else the user who made the job, else empty.
    pub owner: &'a str,
    /// Runs for ever.
    pub is_service: bool,
    /// Cores.
    pub cpus: Option<f64>,
    /// Memory in MiB.
    pub ram_mb: Option<f64>,
    /// Disk in MiB.
    pub disk_mb: Option<f64>,
}

/// Tasks, each id once, in the order in which they were met.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskTable {
    ids: Names,
    rows: Vec<Row>,
    shared: Names,
    amounts: Amounts,
    job: String,
    /// Ids that were met again; the first is kept.
    pub twice: u64,
}

impl TaskTable {
    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a task.
    pub fn add(&mut self, task: &TaskBrief<'_>) -> Result<(), Full> {
        self.job.clear();
        if !task.role.is_empty() || !task.environment.is_empty() || !task.name.is_empty() {
            self.job.extend([task.role, "/", task.environment, "/", task.name]);
        }
        let owner = task.contact_email.filter(|text| !text.is_empty()).or(task.user).unwrap_or_default();
        let row = Row {
            job: self.shared.put(&self.job)?.0,
            host: self.shared.put(task.host.unwrap_or_default())?.0,
            agent: self.shared.put(task.agent_id.unwrap_or_default())?.0,
            owner: self.shared.put(owner)?.0,
            amount: self.amounts.put((task.cpus, task.ram_mb.map(|mb| mb as f64), task.disk_mb.map(|mb| mb as f64)))?,
            instance: task.instance,
            status: task.status.code(),
            is_service: task.is_service,
        };
        match self.ids.put(task.id)?.1 {
            Put::New => self.rows.push(row),
            Put::WasThere => self.twice += 1,
        }
        Ok(())
    }

    /// Place of the task with this id.
    pub fn find(&self, id: &str) -> Option<usize> {
        Some(self.ids.find(id)?.index())
    }

    /// The task at this place.
    pub fn at(&self, at: usize) -> Option<TaskView<'_>> {
        let row = self.rows.get(at)?;
        let (cpus, ram_mb, disk_mb) = self.amounts.get(row.amount);
        Some(TaskView {
            id: self.ids.get(Sym(at as u32)),
            job: self.shared.get(row.job),
            instance: row.instance,
            status: ScheduleStatus::from_code(row.status),
            host: self.shared.get(row.host),
            agent_id: self.shared.get(row.agent),
            owner: self.shared.get(row.owner),
            is_service: row.is_service,
            cpus,
            ram_mb,
            disk_mb,
        })
    }

    /// Every task.
    pub fn iter(&self) -> impl Iterator<Item = TaskView<'_>> {
        (0..self.rows.len()).filter_map(|at| self.at(at))
    }
}
