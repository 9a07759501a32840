//! What can be done on a host.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use thiserror::Error;
use tokio::io::AsyncRead;

use super::{Attributes, Entry, Identity, Output, Proc, Ran, Run, Stat, Stop, Written};
use crate::runbook::model::HostName;

/// Why something could not be done on a host. The path is part of each text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostError {
    /// It is not there.
    #[error("{0} does not exist")]
    NotFound(String),
    /// This user may not.
    #[error("{doing} {path}: permission denied for this user")]
    Denied {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: String,
    },
    /// Longer than the limit.
    #[error("{path} has {len} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The file.
        path: String,
        /// Its length in bytes.
        len: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A rename cannot leave its file system.
    #[error("{from} and {to} are not on the same file system")]
    OtherFileSystem {
        /// What was to be renamed.
        from: String,
        /// To what.
        to: String,
    },
    /// Something is there that would be overwritten.
    #[error("{0} is already there")]
    AlreadyThere(String),
    /// The path is one that is never touched.
    #[error("refused to touch {path:?}: {why}")]
    Refused {
        /// The path.
        path: String,
        /// Why.
        why: &'static str,
    },
    /// The digest is another.
    #[error("{path} has SHA-256 {found}, not {wanted}")]
    Digest {
        /// The file.
        path: String,
        /// What it must have.
        wanted: String,
        /// What it has.
        found: String,
    },
    /// The machine cannot be spoken to: nothing was asked of it.
    #[error("{why}; nothing was asked of it")]
    NotReached {
        /// What was noticed, and what to do about it.
        why: String,
    },
    /// It was asked, and the line broke before the answer: whether it happened is not known.
    #[error("{doing} {path}: {why}")]
    Lost {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: String,
        /// What was noticed.
        why: String,
    },
    /// Anything else that the system said.
    #[error("{doing} {path}: {why}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: String,
        /// What the system said.
        why: String,
    },
}

/// What happened to an attempt to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A connection was accepted.
    Open,
    /// It was refused: nothing listens there.
    Refused,
    /// Nobody answered, or the way is closed.
    None(String),
}

/// A machine. Every method is bounded by what it is given; none retries.
#[async_trait]
pub trait Host: Debug + Send + Sync {
    /// Its name in the inventory.
    fn name(&self) -> &HostName;

    /// Which machine answers, and as whom.
    async fn identity(&self) -> Result<Identity, HostError>;

    /// Runs a program without a terminal, in a session of its own, and gives its output to `output` as it comes.
    async fn exec(&self, run: &Run, output: &dyn Output, stop: &Stop) -> Result<Ran, HostError>;

    /// A whole file of at most `limit` bytes.
    async fn read_file(&self, path: &str, limit: u64) -> Result<Vec<u8>, HostError>;

    /// The last `limit` bytes of a file, from the beginning of a line; the whole file if it is shorter.
    async fn read_end(&self, path: &str, limit: u64) -> Result<Vec<u8>, HostError>;

    /// The file as a stream.
    async fn reader(&self, path: &str) -> Result<Box<dyn AsyncRead + Send + Unpin>, HostError>;

    /// Writes a file whole or not at all: temporary name, sync, digest, rename, sync of the directory. `like` gives
    /// owner and mode. A link is followed, so that the file behind it is replaced.
    async fn write_atomic(
        &self,
        path: &str,
        from: &mut (dyn AsyncRead + Send + Unpin),
        like: &Attributes,
        sha256: Option<&str>,
    ) -> Result<Written, HostError>;

    /// What stands at a path, links not followed; `None` if nothing does.
    async fn stat(&self, path: &str) -> Result<Option<Stat>, HostError>;

    /// The names in a directory, sorted; more than `limit` is an error.
    async fn list(&self, path: &str, limit: usize) -> Result<Vec<Entry>, HostError>;

    /// Every file below a path with its size, relative to it, sorted; `digests` adds SHA-256. More than `limit` entries
    /// is an error.
    async fn tree(&self, path: &str, limit: usize, digests: bool) -> Result<Vec<Entry>, HostError>;

    /// Renames within one file system; never overwrites.
    async fn rename(&self, from: &str, to: &str) -> Result<(), HostError>;

    /// Removes a file, or a directory with everything in it; false if nothing was there. Links are not followed. What a
    /// killed [`Host::write_atomic`] left half written for that path goes with it.
    async fn remove(&self, path: &str) -> Result<bool, HostError>;

    /// Makes one directory with this owner and mode; its parent must be there.
    async fn make_dir(&self, path: &str, like: &Attributes) -> Result<(), HostError>;

    /// SHA-256 of a file, in hex, read as a stream.
    async fn sha256(&self, path: &str) -> Result<String, HostError>;

    /// Free bytes for this user on the file system that holds `path`.
    async fn free_bytes(&self, path: &str) -> Result<u64, HostError>;

    /// The processes that this user can see; an error if it cannot see those of others.
    async fn processes(&self) -> Result<Vec<Proc>, HostError>;

    /// The process that holds a POSIX lock on a file, if one does. The lock is never taken to find out.
    async fn lock_holder(&self, path: &str) -> Result<Option<i32>, HostError>;

    /// Connects to `address:port` from this host and hangs up.
    async fn connect(&self, at: &str, within: Duration) -> Answer;

    /// A replica's directory, for the reader of replicated logs.
    fn log_source(&self, path: &str) -> Box<dyn crate::replog::Source + Send>;
}
