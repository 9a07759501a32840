//! How the supervisor is asked: one line of JSON each way over a unix socket in the cluster's directory.
//!
//! The socket is reached through an open descriptor of its directory, because a socket's path may
//! have only about a hundred bytes and a cluster's directory may be deeper than that.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{error::PracticeError, layout::Layout};

/// Stopping may wait for a scheduler's orderly end and then for the kernel.
const REPLY_WAIT: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Ask {
    /// Whether everything was started once.
    Ready,
    /// About one service of a scheduler.
    Service {
        /// The scheduler.
        host: String,
        /// Its service.
        service: Service,
        /// What to do.
        verb: Verb,
    },
}

/// The services that a scheduler's host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// The scheduler.
    Scheduler,
    /// The scheduler's port, as the network outside sees it: stopped means blocked.
    #[value(skip)]
    OutsideTraffic,
}

/// What is done to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Starts it; restarts follow by themselves.
    Start,
    /// Stops it and keeps it stopped.
    Stop,
    /// Says whether it runs.
    Status,
}

/// What the supervisor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Reply {
    /// It runs, under this id if it is a process.
    Running {
        /// The process.
        pid: Option<i32>,
    },
    /// It does not run.
    Stopped {
        /// In what way.
        detail: String,
    },
    /// It could not be done.
    Refused {
        /// Why.
        why: String,
    },
}

/// A path of the socket that is short enough, good as long as the directory is open.
pub fn short_path(dir: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/control", dir.as_raw_fd()))
}

/// Asks the supervisor and waits for its reply.
pub fn ask(layout: &Layout, ask: &Ask) -> Result<Reply, PracticeError> {
    let failed = |what: &str, why: &dyn std::fmt::Display| PracticeError::Control(format!("{what}: {why}"));
    let dir = File::open(layout.dir()).map_err(PracticeError::io("opening", layout.dir()))?;
    let stream = UnixStream::connect(short_path(&dir)).map_err(|error| failed("it does not run", &error))?;
    stream.set_read_timeout(Some(REPLY_WAIT)).map_err(|error| failed("setting a limit", &error))?;
    let mut line = serde_json::to_vec(ask).map_err(|error| failed("encoding", &error))?;
    line.push(b'\n');
    (&stream).write_all(&line).map_err(|error| failed("writing", &error))?;
    let mut reply = String::new();
    BufReader::new(&stream).read_line(&mut reply).map_err(|error| failed("waiting for its reply", &error))?;
    serde_json::from_str(&reply).map_err(|error| failed("its reply does not read", &error))
}
