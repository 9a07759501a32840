//! Tasks of one framework, packed.

use std::collections::BTreeMap;

use crate::mesos::names::{Amounts, Full, Names, Put, Sym};

/// A task that the master knows of, as a value of its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveTask {
    /// Id; Aurora's own task id.
    pub id: String,
    /// Name: `role/environment/job` for Aurora's tasks.
    pub name: String,
    /// `TASK_RUNNING` and so on.
    pub state: String,
    /// Agent it runs on.
    pub agent_id: String,
    /// Host name of that agent, where the master's list of agents has it.
    pub host: Option<String>,
    /// Cores.
    pub cpus: Option<f64>,
    /// Memory in MiB.
    pub mem_mb: Option<f64>,
    /// Disk in MiB.
    pub disk_mb: Option<f64>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// When its newest status came, in milliseconds since the epoch.
    pub newest_status_ms: Option<i64>,
}

/// State of a task, in Mesos's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskState {
    /// Sent to its agent.
    Staging,
    /// Being prepared there.
    Starting,
    /// Runs.
    Running,
    /// Being ended; 1.0 and later.
    Killing,
    /// Its agent is out of reach; 1.1 and later, for frameworks that can bear it.
    Unreachable,
    /// Ended well.
    Finished,
    /// Ended badly.
    Failed,
    /// Ended on request.
    Killed,
    /// Given up.
    Lost,
    /// Refused.
    Error,
    /// Never reached its agent; 1.1 and later.
    Dropped,
    /// Its agent is gone for good; 1.1 and later.
    Gone,
    /// Given up by an operator; 1.1 and later.
    GoneByOperator,
    /// The master does not know; 1.1 and later.
    Unknown,
    /// A word that none of the releases up to 1.6 has.
    Other,
}

impl TaskState {
    const WORDS: [(&'static str, Self); 14] = [
        ("TASK_STAGING", Self::Staging),
        ("TASK_STARTING", Self::Starting),
        ("TASK_RUNNING", Self::Running),
        ("TASK_KILLING", Self::Killing),
        ("TASK_UNREACHABLE", Self::Unreachable),
        ("TASK_FINISHED", Self::Finished),
        ("TASK_FAILED", Self::Failed),
        ("TASK_KILLED", Self::Killed),
        ("TASK_LOST", Self::Lost),
        ("TASK_ERROR", Self::Error),
        ("TASK_DROPPED", Self::Dropped),
        ("TASK_GONE", Self::Gone),
        ("TASK_GONE_BY_OPERATOR", Self::GoneByOperator),
        ("TASK_UNKNOWN", Self::Unknown),
    ];

    /// The state of this word.
    pub fn from_word(word: &str) -> Self {
        Self::WORDS.iter().find(|(known, _)| *known == word).map_or(Self::Other, |(_, state)| *state)
    }

    /// The word; empty for one that is not known.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, state)| *state == self).map_or("", |(word, _)| word)
    }

    /// Its process runs, or is about to, as far as the master knows.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Staging | Self::Starting | Self::Running | Self::Killing | Self::Unreachable)
    }

    /// It is over.
    pub fn is_ended(self) -> bool {
        !self.is_alive() && !matches!(self, Self::Other | Self::Unknown)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    name: Sym,
    agent: Sym,
    resources: Sym,
    labels: Sym,
    state: TaskState,
    newest_status_ms: i64,
}

/// A task as it is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskRef<'a> {
    /// Id.
    pub id: &'a str,
    /// Name: `role/environment/job` for Aurora's tasks.
    pub name: &'a str,
    /// State.
    pub state: TaskState,
    /// Agent it runs on; empty if the master does not say.
    pub agent_id: &'a str,
    /// Cores.
    pub cpus: Option<f64>,
    /// Memory in MiB.
    pub mem_mb: Option<f64>,
    /// Disk in MiB.
    pub disk_mb: Option<f64>,
    /// Labels, one a line as `key=value`.
    pub labels: &'a str,
    /// When its newest status came, in milliseconds since the epoch.
    pub newest_status_ms: Option<i64>,
}

/// Tasks of one framework, each id once, in the order in which they were met.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tasks {
    ids: Names,
    rows: Vec<Row>,
    /// Names, agents and labels; thousands of tasks share one.
    shared: Names,
    amounts: Amounts,
    /// Tasks whose id or name is missing or longer than any release writes; they are not kept.
    pub odd: u64,
    /// Ids that were met again; the first is kept unless only the second is alive.
    pub twice: u64,
}

impl Tasks {
    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The task with this id.
    pub fn find(&self, id: &str) -> Option<TaskRef<'_>> {
        self.at(self.place(id)?)
    }

    /// Place of the task with this id.
    pub fn place(&self, id: &str) -> Option<usize> {
        Some(self.ids.find(id)?.index())
    }

    /// The task at this place.
    pub fn at(&self, at: usize) -> Option<TaskRef<'_>> {
        let row = self.rows.get(at)?;
        let (cpus, mem_mb, disk_mb) = self.amounts.get(row.resources);
        Some(TaskRef {
            id: self.ids.get(Sym(at as u32)),
            name: self.shared.get(row.name),
            state: row.state,
            agent_id: self.shared.get(row.agent),
            cpus,
            mem_mb,
            disk_mb,
            labels: self.shared.get(row.labels),
            newest_status_ms: (row.newest_status_ms != i64::MIN).then_some(row.newest_status_ms),
        })
    }

    /// Every task.
    pub fn iter(&self) -> impl Iterator<Item = TaskRef<'_>> {
        (0..self.rows.len()).filter_map(|at| self.at(at))
    }

    /// The tasks that run or are about to.
    pub fn alive(&self) -> impl Iterator<Item = TaskRef<'_>> {
        self.iter().filter(|task| task.state.is_alive())
    }

    /// Adds a task. One id comes twice only where a release lists a task in two places; then the living one counts.
    pub fn add(&mut self, task: &TaskRef<'_>) -> Result<(), Full> {
        let row = Row {
            name: self.shared.put(task.name)?.0,
            agent: self.shared.put(task.agent_id)?.0,
            resources: self.amounts.put((task.cpus, task.mem_mb, task.disk_mb))?,
            labels: self.shared.put(task.labels)?.0,
            state: task.state,
            newest_status_ms: task.newest_status_ms.unwrap_or(i64::MIN),
        };
        match self.ids.put(task.id)? {
            (_, Put::New) => self.rows.push(row),
            (sym, Put::WasThere) => {
                self.twice += 1;
                if let Some(before) = self.rows.get_mut(sym.index())
                    && !before.state.is_alive()
                    && row.state.is_alive()
                {
                    *before = row;
                }
            }
        }
        Ok(())
    }
}
