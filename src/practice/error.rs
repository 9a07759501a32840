//! What can go wrong with a practice cluster.

use std::path::PathBuf;

/// An error of the practice cluster: what was being done, to what.
#[derive(Debug, thiserror::Error)]
pub enum PracticeError {
    /// A file of the cluster.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A name that is no scenario.
    #[error("unknown scenario {0:?}; `firstlight practice --list` names them")]
    UnknownScenario(String),
    /// A number of schedulers outside the limits.
    #[error("{0} schedulers are not possible; choose 1 to {max}", max = crate::practice::SCHEDULERS_MAX)]
    SchedulerCount(usize),
    /// A speed that is no positive number.
    #[error("a speed of {0} is not possible; choose 1 to 10000")]
    Speed(f64),
    /// A name that cannot be a directory.
    #[error("{0:?} is not usable as a name of a practice cluster; use letters, digits and dashes")]
    Name(String),
    /// There is something there already.
    #[error("{0} holds a practice cluster that still runs; stop it with `firstlight practice down`")]
    Running(PathBuf),
    /// There is something else there.
    #[error("{0} is not empty and is no practice cluster; choose another directory")]
    NotOurs(PathBuf),
    /// There is no cluster there.
    #[error("no practice cluster in {0}; start one with `firstlight practice up`")]
    None(PathBuf),
    /// The cluster's own record does not read.
    #[error("the record of the practice cluster {path} does not read: {why}")]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A process did not come up.
    #[error("{what} did not come up within {seconds} s; its log is {log}")]
    Start {
        /// Which process.
        what: String,
        /// How long it was waited for.
        seconds: u64,
        /// Where its words are.
        log: PathBuf,
    },
    /// The supervisor refused or could not be asked.
    #[error("asking the practice cluster's supervisor: {0}")]
    Control(String),
    /// ZooKeeper said no.
    #[error("{doing} in the practice cluster's ZooKeeper: {why}")]
    ZooKeeper {
        /// What was being done.
        doing: &'static str,
        /// What it answered.
        why: String,
    },
    /// The replicated log.
    #[error("{doing} the replicated log {path}: {why}")]
    Log {
        /// What was being done.
        doing: &'static str,
        /// The directory.
        path: PathBuf,
        /// The store's own words.
        why: String,
    },
    /// Something that is written cannot be encoded.
    #[error("encoding {what}: {why}")]
    Encode {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
}

impl PracticeError {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
