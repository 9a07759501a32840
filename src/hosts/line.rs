//! A way to start one command line on a machine, with its input and output as streams.
//!
//! A line carries one script and knows nothing of what it is for. It survives a script that prints bytes, holds its
//! output open or never ends. What it deliberately does not do: deadlines, retries, a verdict on what the script said.

use std::{
    fmt::{self, Debug},
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    process::Stdio,
};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{HostError, Run, child, local};

/// Where a script's input goes.
pub type Input = Box<dyn AsyncWrite + Send + Unpin>;
/// Where a script's output comes from.
pub type Out = Box<dyn AsyncRead + Send + Unpin>;
/// Says how a script ended.
pub type Ending = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// Starts scripts on one machine. Cheap to share; scripts may run beside each other.
#[async_trait]
pub trait Line: Debug + Send + Sync {
    /// Starts one script: POSIX sh text, run without a terminal in a shell of its own, in `LC_ALL=C`. It returns as
    /// soon as the script is on its way.
    async fn open(&self, script: &str) -> Result<Open, HostError>;
}

/// A script on its way.
///
/// Both outputs have to be read while `ended` is waited for, since a full pipe holds the script up. What was written
/// before the end can be read after it; the *end* of an output may never come, where something that the script left
/// behind still holds it. Input is taken until it is dropped. Dropping `ended` early gives the script up: it is killed
/// where this machine runs it, and its fate is unknown where another one does.
pub struct Open {
    /// Its standard input.
    pub stdin: Input,
    /// Its standard output: what the script wrote and nothing else.
    pub stdout: Out,
    /// Its standard error. A line may add words of its own when it breaks.
    pub stderr: Out,
    /// How it ended.
    pub ended: Ending,
}

impl Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").finish_non_exhaustive()
    }
}

/// How a script ended, as far as the line can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With this code, said by the machine itself.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It never began, for certain.
    NotStarted {
        /// Why not, and what to do about it.
        why: String,
    },
    /// The line broke first: whether it began, runs on or ended is not known.
    Lost {
        /// What was noticed.
        why: String,
    },
}

/// This machine, through `sh -c`.
#[derive(Debug, Clone)]
pub struct LocalLine {
    stub: PathBuf,
}

impl LocalLine {
    /// This machine; `stub` is the binary that knows [`super::EXEC_STUB`], the running one if left out.
    pub fn new(stub: Option<&Path>) -> Self {
        Self { stub: stub.map_or_else(local::own_binary, Path::to_path_buf) }
    }
}

#[async_trait]
impl Line for LocalLine {
    async fn open(&self, script: &str) -> Result<Open, HostError> {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        // Whoever opened it knows how long; the child is watched by no clock here.
        let run = Run::new(argv, std::time::Duration::MAX);
        let mut child = child::spawn(&self.stub, &run, Stdio::piped())?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(HostError::Io { doing: "run", path: "sh".to_owned(), why: "it has no pipes".to_owned() });
        };
        let mut listed = child::Listed::of(&child);
        let ended = async move {
            use std::os::unix::process::ExitStatusExt as _;
            let status = child.wait().await;
            if let Some(listed) = &mut listed {
                listed.ended();
            }
            match status {
                Ok(status) => {
                    status.code().map_or_else(|| Ended::Signalled(status.signal().unwrap_or(0)), Ended::Exited)
                }
                Err(error) => Ended::Lost { why: error.to_string() },
            }
        };
        Ok(Open { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), ended: Box::pin(ended) })
    }
}
