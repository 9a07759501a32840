//! The state as a whole: who leads, which frameworks there are, which host an agent is.

use std::collections::BTreeMap;

use super::tasks::{LiveTask, TaskRef, Tasks};

/// Names that Aurora gives its framework: the first up to 0.15, the second since. `-framework_name` can be anything.
const AURORA_NAMES: [&str; 2] = ["TwitterScheduler", "Aurora"];

/// What a master answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MasterState {
    /// Version of Mesos.
    pub version: Option<String>,
    /// Id of this run of the master.
    pub id: Option<String>,
    /// Its address, as `master@IP:PORT`.
    pub pid: Option<String>,
    /// The address of the one that leads.
    pub leader: Option<String>,
    /// Name of the cluster, as its operators gave it.
    pub cluster: Option<String>,
    /// When it was elected, in milliseconds since the epoch; a master that does not lead has none.
    pub elected_ms: Option<i64>,
    /// Host names by agent id.
    pub agents: Agents,
    /// Agents known from before a failover of the master that have not come back.
    pub agents_missing: u64,
    /// Frameworks in the order of the answer; then the removed ones.
    pub frameworks: Vec<Framework>,
}

/// How a framework stands with the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// A scheduler is registered.
    Active,
    /// A scheduler is connected but takes no offers.
    Inactive,
    /// Its scheduler is away; its tasks run on until the failover timeout is over.
    Disconnected,
    /// Known from its agents after a failover of the master; its scheduler has not come back.
    Recovered,
    /// Removed for good: torn down, or away for longer than its failover timeout.
    Removed,
}

/// A framework.
#[derive(Debug, Clone, PartialEq)]
pub struct Framework {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Host of its scheduler.
    pub hostname: Option<String>,
    /// Web page of its scheduler.
    pub webui_url: Option<String>,
    /// How it stands.
    pub standing: Standing,
    /// When it first registered, in milliseconds since the epoch.
    pub registered_ms: Option<i64>,
    /// When it last came back.
    pub reregistered_ms: Option<i64>,
    /// When its scheduler was last lost.
    pub unregistered_ms: Option<i64>,
    /// How long it may stay away, in seconds.
    pub failover_timeout_secs: Option<f64>,
    /// Its tasks, ended ones that nobody has acknowledged too.
    pub tasks: Tasks,
    /// Ended tasks that the master remembers.
    pub completed_tasks: u64,
}

impl Framework {
    /// True if it has a name that Aurora gives.
    pub fn is_aurora(&self) -> bool {
        AURORA_NAMES.contains(&self.name.as_str())
    }

    /// When the master removes it unless its scheduler comes back, in milliseconds since the epoch. `None` if one is there, or
    /// if the master does not say since when none is.
    pub fn removed_at_ms(&self) -> Option<i64> {
        match self.standing {
            Standing::Disconnected => {
                let timeout_ms = self.failover_timeout_secs.filter(|secs| secs.is_finite() && *secs >= 0.0)? * 1000.0;
                Some(self.unregistered_ms?.saturating_add(timeout_ms as i64))
            }
            Standing::Active | Standing::Inactive | Standing::Recovered | Standing::Removed => None,
        }
    }
}

/// Host names by agent id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agents(pub BTreeMap<String, String>);

impl Agents {
    /// Host name of this agent.
    pub fn host(&self, agent_id: &str) -> Option<&str> {
        self.0.get(agent_id).map(String::as_str)
    }
}

impl MasterState {
    /// Whether the answer is that of a leading master, as far as it says.
    pub fn is_leading(&self) -> Option<bool> {
        match (&self.leader, &self.pid) {
            (Some(leader), Some(pid)) => Some(leader == pid),
            _ => self.elected_ms.map(|_| true),
        }
    }

    /// The framework with this id.
    pub fn framework(&self, id: &str) -> Option<&Framework> {
        self.frameworks.iter().find(|framework| framework.id == id)
    }

    /// Frameworks of Aurora, by their names, that are not removed.
    pub fn aurora(&self) -> impl Iterator<Item = &Framework> {
        self.frameworks.iter().filter(|one| one.is_aurora() && one.standing != Standing::Removed)
    }

    /// A task as a value of its own, with its host.
    pub fn live_task(&self, task: &TaskRef<'_>) -> LiveTask {
        let label = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        LiveTask {
            id: task.id.to_owned(),
            name: task.name.to_owned(),
            state: task.state.word().to_owned(),
            agent_id: task.agent_id.to_owned(),
            host: self.agents.host(task.agent_id).map(str::to_owned),
            cpus: task.cpus,
            mem_mb: task.mem_mb,
            disk_mb: task.disk_mb,
            labels: task.labels.lines().filter_map(label).collect(),
            newest_status_ms: task.newest_status_ms,
        }
    }
}
