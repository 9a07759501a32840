//! Where everything of a practice cluster lies on disk.
//!
//! One directory holds the whole cluster; each scheduler's home below it looks like the Debian
//! package's file system, so that paths read as they do in an incident.

use std::path::{Path, PathBuf};

use super::error::PracticeError;

/// The directory of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    dir: PathBuf,
}

/// A scheduler's home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    dir: PathBuf,
}

/// `$XDG_STATE_HOME/firstlight/practice/<name>`, with the specification's default for the variable.
pub fn default_dir(name: &str) -> Result<PathBuf, PracticeError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(fits) {
        return Err(PracticeError::Name(name.to_owned()));
    }
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")))
        .unwrap_or_else(std::env::temp_dir);
    Ok(state.join("firstlight").join("practice").join(name))
}

impl Layout {
    /// The cluster in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The inventory for the wizard.
    pub fn inventory(&self) -> PathBuf {
        self.dir.join("inventory.yaml")
    }

    /// The cluster list of the real `aurora_admin`.
    pub fn clusters_json(&self) -> PathBuf {
        self.dir.join("clusters.json")
    }

    /// What was chosen: ports, seed, scenario, speed. Written once.
    pub fn plan(&self) -> PathBuf {
        self.dir.join("cluster.json")
    }

    /// Which processes run, with their start times. Written by the supervisor.
    pub fn pids(&self) -> PathBuf {
        self.dir.join("pids.json")
    }

    /// The supervisor's socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("control")
    }

    /// The supervisor's words.
    pub fn supervisor_log(&self) -> PathBuf {
        self.dir.join("supervisor.log")
    }

    /// The Mesos master's directory.
    pub fn master(&self) -> PathBuf {
        self.dir.join("master")
    }

    /// The master's knowledge of tasks, which survives its restart.
    pub fn master_state(&self) -> PathBuf {
        self.master().join("state.json")
    }

    /// One line for each task that was killed, with the reason.
    pub fn master_kills(&self) -> PathBuf {
        self.master().join("kills.jsonl")
    }

    /// The master's log.
    pub fn master_log(&self) -> PathBuf {
        self.master().join("mesos-master.log")
    }

    /// ZooKeeper's directory.
    pub fn zookeeper(&self) -> PathBuf {
        self.dir.join("zookeeper")
    }

    /// Stands for the election where there is no ZooKeeper.
    pub fn election_lock(&self) -> PathBuf {
        self.dir.join("election.lock")
    }

    /// A scheduler's home.
    pub fn home(&self, host: &str) -> Home {
        Home { dir: self.dir.join(host) }
    }
}

impl Home {
    /// The home in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The flags file.
    pub fn flags_file(&self) -> PathBuf {
        self.dir.join("etc/default/aurora-scheduler")
    }

    /// The script that reads the flags file and becomes the scheduler.
    pub fn startup(&self) -> PathBuf {
        self.dir.join("usr/bin/aurora-scheduler-startup")
    }

    /// The stand-in for Mesos's own tool.
    pub fn mesos_log(&self) -> PathBuf {
        self.dir.join("usr/bin/mesos-log")
    }

    /// The native log.
    pub fn log_dir(&self) -> PathBuf {
        self.dir.join("var/lib/aurora/scheduler/db")
    }

    /// The backups.
    pub fn backup_dir(&self) -> PathBuf {
        self.dir.join("var/lib/aurora/scheduler/backups")
    }

    /// The scheduler's log.
    pub fn log_file(&self) -> PathBuf {
        self.dir.join("var/log/aurora/scheduler.log")
    }

    /// The scheduler's process id.
    pub fn pid_file(&self) -> PathBuf {
        self.dir.join("run/aurora-scheduler.pid")
    }

    /// While this file exists the scheduler does not listen to the outside.
    pub fn block_file(&self) -> PathBuf {
        self.dir.join("run/outside-traffic.blocked")
    }

    /// Makes every directory except the native log's, which its first writer makes.
    pub fn create(&self) -> Result<(), PracticeError> {
        let files = [self.flags_file(), self.startup(), self.log_dir(), self.log_file(), self.pid_file()];
        let parents = files.iter().filter_map(|file| file.parent());
        for dir in parents.chain([self.backup_dir().as_path()]) {
            std::fs::create_dir_all(dir).map_err(PracticeError::io("creating", dir))?;
        }
        Ok(())
    }
}
