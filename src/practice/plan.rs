//! `cluster.json`: what was chosen for a cluster, and `pids.json`: what runs of it.
//!
//! The first is written once, before anything starts. The second is rewritten by the supervisor
//! at each start of a process; a process is named by its id together with its start time, so a
//! recycled id is never mistaken for ours.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    error::PracticeError,
    layout::{Home, Layout},
    options::Scenario,
};

/// Where everything outside listens.
pub const LOOPBACK: &str = "127.0.0.1";
/// The address that stands for the network outside the operator's reach.
pub const OUTSIDE: &str = "127.0.0.2";

/// What was chosen for a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of this shape.
    pub format: u32,
    /// The cluster's name.
    pub cluster: String,
    /// What is wrong with it.
    pub scenario: Scenario,
    /// What its content was made from.
    pub seed: u64,
    /// By how much waits are compressed.
    pub speed: f64,
    /// The binary that runs it.
    pub program: PathBuf,
    /// When its history ends, milliseconds since the epoch.
    pub created_ms: i64,
    /// The user whose files they are.
    pub user: String,
    /// Votes needed in the log.
    pub quorum: usize,
    /// The Mesos master's port.
    pub master_port: u16,
    /// A port on which nothing listens, for the prepared master address.
    pub dead_port: u16,
    /// ZooKeeper's client port, if there is one.
    pub zookeeper_port: Option<u16>,
    /// The schedulers, in order.
    pub schedulers: Vec<PlannedScheduler>,
}

/// A scheduler's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedScheduler {
    /// `s1`, `s2`, …
    pub name: String,
    /// Its HTTP port, on [`LOOPBACK`] and [`OUTSIDE`].
    pub http_port: u16,
    /// Its libprocess port, on which the replicas talk.
    pub libprocess_port: u16,
}

/// A process that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its id.
    pub pid: i32,
    /// Its start time in clock ticks since boot, as in field 22 of `/proc/PID/stat`.
    pub start: u64,
}

/// What runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pids {
    /// The supervisor.
    pub supervisor: Option<Started>,
    /// Its children by name.
    pub children: BTreeMap<String, Started>,
}

impl Plan {
    /// Reads the plan of a cluster.
    pub fn read(layout: &Layout) -> Result<Self, PracticeError> {
        let path = layout.plan();
        if !path.exists() {
            return Err(PracticeError::None(layout.dir().to_owned()));
        }
        read_json(&path)
    }

    /// Writes it.
    pub fn write(&self, layout: &Layout) -> Result<(), PracticeError> {
        write_json(&layout.plan(), self)
    }

    /// The scheduler with this name.
    pub fn scheduler(&self, name: &str) -> Option<&PlannedScheduler> {
        self.schedulers.iter().find(|scheduler| scheduler.name == name)
    }

    /// The plan and the scheduler that a home belongs to.
    pub fn of_home(home: &Home) -> Result<(Layout, Self, PlannedScheduler), PracticeError> {
        let none = || PracticeError::None(home.dir().to_owned());
        let layout = Layout::new(home.dir().parent().ok_or_else(none)?);
        let name = home.dir().file_name().and_then(|name| name.to_str()).ok_or_else(none)?;
        let plan = Self::read(&layout)?;
        let scheduler = plan.scheduler(name).cloned().ok_or_else(none)?;
        Ok((layout, plan, scheduler))
    }

    /// A wait of the real cluster, compressed.
    pub fn wait(&self, real: std::time::Duration) -> std::time::Duration {
        real.div_f64(self.speed)
    }

    /// What `MESOS_MASTER` says while nothing is prepared.
    pub fn mesos_master(&self) -> String {
        match self.zookeeper_port {
            Some(port) => format!("zk://{LOOPBACK}:{port}/mesos"),
            None => format!("{LOOPBACK}:{}", self.master_port),
        }
    }
}

impl Started {
    /// The process with this id, if there is one that is not a corpse.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, also spaces and parentheses.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?;
        let start = fields.nth(18)?.parse().ok()?;
        (state != "Z" && state != "X").then_some(Self { pid, start })
    }

    /// Whether exactly this process is alive.
    pub fn alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal, to this process only.
    pub fn signal(self, signal: rustix::process::Signal) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid).filter(|_| self.alive()) {
            // It may have ended in between; then there is nothing to end.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

impl Pids {
    /// What is recorded; nothing if there is no record.
    pub fn read(layout: &Layout) -> Self {
        read_json(&layout.pids()).unwrap_or_default()
    }

    /// Records it.
    pub fn write(&self, layout: &Layout) -> Result<(), PracticeError> {
        write_json(&layout.pids(), self)
    }

    /// Those that are still alive, the supervisor first.
    pub fn alive(&self) -> Vec<(String, Started)> {
        let supervisor = self.supervisor.map(|started| ("supervisor".to_owned(), started));
        let children = self.children.iter().map(|(name, started)| (name.clone(), *started));
        supervisor.into_iter().chain(children).filter(|(_, started)| started.alive()).collect()
    }
}

/// Reads a JSON file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, PracticeError> {
    let bytes = std::fs::read(path).map_err(PracticeError::io("reading", path))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| PracticeError::Record { path: path.to_owned(), why: error.to_string() })
}

/// Writes a JSON file as a whole: a reader sees the old one or the new one.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), PracticeError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| PracticeError::Encode { what: "a record", why: error.to_string() })?;
    bytes.push(b'\n');
    write_whole(path, &bytes)
}

/// Writes a file under another name and renames it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), PracticeError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut file = std::fs::File::create(&new).map_err(PracticeError::io("creating", &new))?;
    file.write_all(bytes).map_err(PracticeError::io("writing", &new))?;
    drop(file);
    std::fs::rename(&new, path).map_err(PracticeError::io("renaming to", path))
}
