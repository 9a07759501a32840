//! The master's `/state`, as far as a recovery needs it.

use std::collections::BTreeMap;

/// A task that the master knows of, in a state that is not an end.
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
