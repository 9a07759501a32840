//! One child process: started without a terminal, watched, ended as a group.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    time::{Instant, sleep, sleep_until},
};

use super::{EXEC_STUB, HostError, Stop};
use crate::engine::Stream;

/// Time between the request to end and the kill, for programs that tidy up.
const GRACE: Duration = Duration::from_secs(3);
/// Time that pipes may stay open after the program ended, before it counts as "a child of it still holds them".
const LEAK: Duration = Duration::from_millis(500);
/// Time between looks whether a group is gone.
const GONE_EVERY: Duration = Duration::from_millis(20);
/// Bytes of standard error kept for the words of a failure.
const STDERR_KEPT_BYTES: usize = 16 * 1024;
/// Bytes read at once from a pipe.
const READ_BYTES: usize = 16 * 1024;

/// Takes output as it comes.
pub trait Output: Send + Sync {
    /// Some bytes, not always whole lines.
    fn take(&self, stream: Stream, bytes: &[u8]);
}

/// Takes output and drops it.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Output for Quiet {
    fn take(&self, _stream: Stream, _bytes: &[u8]) {}
}

/// A program to run.
#[derive(Clone, PartialEq, Eq)]
pub struct Run {
    /// Program and arguments; never empty.
    pub argv: Vec<String>,
    /// Variables added to the environment. May hold secrets, so they are never shown.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: Option<String>,
    /// Its standard input; nothing at all if left out.
    pub stdin: Option<Vec<u8>>,
    /// Longest time.
    pub timeout: Duration,
    /// Bytes of standard output kept for the caller.
    pub keep_bytes: usize,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let env: Vec<&String> = self.env.keys().collect();
        f.debug_struct("Run").field("argv", &self.argv).field("env", &env).finish_non_exhaustive()
    }
}

impl Run {
    /// A program with its arguments, for at most `timeout`.
    pub fn new(argv: Vec<String>, timeout: Duration) -> Self {
        Self { argv, env: BTreeMap::new(), cwd: None, stdin: None, timeout, keep_bytes: 64 * 1024 }
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this code.
    Exited(i32),
    /// By this signal, which was not ours.
    Signalled(i32),
    /// It took too long and was ended.
    TimedOut,
    /// It was ended because we were asked to stop.
    Stopped,
}

/// A program that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub end: End,
    /// The beginning of its standard output, as much as was asked for.
    pub stdout: Vec<u8>,
    /// Whether there was more.
    pub stdout_cut: bool,
    /// The end of its standard error.
    pub stderr: Vec<u8>,
    /// Whether something that it started still held its output when it had ended.
    pub held: bool,
}

/// Sessions of children that run at the moment, so that they are not taken for a service. One list, because the
/// process table that it explains is one for all hosts that are this machine.
static SESSIONS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// The sessions of children that run at the moment.
pub(super) fn sessions() -> BTreeSet<i32> {
    SESSIONS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Runs a program through the stub.
pub(super) async fn run(stub: &Path, run: &Run, output: &dyn Output, stop: &Stop) -> Result<Ran, HostError> {
    let stdin = if run.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = spawn(stub, run, stdin)?;
    let mut listed = Listed::of(&child);
    let pid = listed.as_ref().map(|listed| listed.pid);
    let feeding = child.stdin.take().zip(run.stdin.clone()).map(|(mut pipe, bytes)| {
        tokio::spawn(async move {
            // A program that does not read its input to the end is not an error of ours.
            let _ = pipe.write_all(&bytes).await;
        })
    });
    let ran = Watch::new(run, pid, output).until_end(&mut child, stop).await;
    if let Some(feeding) = feeding {
        feeding.abort();
    }
    if let Some(listed) = &mut listed {
        listed.ended();
    }
    ran
}

/// Starts a program through the stub; its outputs are pipes.
pub(super) fn spawn(stub: &Path, run: &Run, stdin: Stdio) -> Result<Child, HostError> {
    let Some(program) = run.argv.first() else {
        return Err(HostError::Refused { path: String::new(), why: "there is no program to run" });
    };
    let mut command = Command::new(stub);
    command.arg(EXEC_STUB).arg(std::process::id().to_string()).arg("--").args(&run.argv);
    // Words in one language, no colours, no pager, nothing that asks.
    command.env("LC_ALL", "C").env("TERM", "dumb").env("PAGER", "cat").env("SYSTEMD_PAGER", "cat");
    command.env("SYSTEMD_COLORS", "0").env("DEBIAN_FRONTEND", "noninteractive");
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS", "SUDO_ASKPASS", "SSH_TTY"] {
        command.env_remove(name);
    }
    command.envs(&run.env);
    if let Some(cwd) = &run.cwd {
        command.current_dir(cwd);
    }
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().map_err(|error| HostError::Io { doing: "run", path: program.clone(), why: error.to_string() })
}

/// Keeps a session listed while its child runs. Given up before the child has ended, it takes the whole group along:
/// the runtime's own kill on drop reaches the child alone.
pub(super) struct Listed {
    pid: Pid,
    ended: bool,
}

impl Listed {
    /// Lists a child that has just been started.
    pub(super) fn of(child: &Child) -> Option<Self> {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw)?;
        SESSIONS.lock().unwrap_or_else(PoisonError::into_inner).insert(pid.as_raw_nonzero().get());
        Some(Self { pid, ended: false })
    }

    /// The child ended: its group is left alone.
    pub(super) fn ended(&mut self) {
        self.ended = true;
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        if !self.ended {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
        SESSIONS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.pid.as_raw_nonzero().get());
    }
}

/// What is known of a child while it runs.
struct Watch<'a> {
    run: &'a Run,
    pid: Option<Pid>,
    output: &'a dyn Output,
    stdout: Vec<u8>,
    stdout_cut: bool,
    stderr: Vec<u8>,
    /// Why we end it, and when it is killed.
    ending: Option<(End, Instant)>,
    killed: bool,
}

impl<'a> Watch<'a> {
    fn new(run: &'a Run, pid: Option<Pid>, output: &'a dyn Output) -> Self {
        Self {
            run,
            pid,
            output,
            stdout: Vec::new(),
            stdout_cut: false,
            stderr: Vec::new(),
            ending: None,
            killed: false,
        }
    }

    async fn until_end(mut self, child: &mut Child, stop: &Stop) -> Result<Ran, HostError> {
        let deadline = Instant::now() + self.run.timeout;
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let (mut out_bytes, mut err_bytes) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
        let mut status = None;
        let mut held = false;
        let mut leak = deadline;
        while status.is_none() || out.is_some() || err.is_some() {
            let kill_at = self.ending.map_or(deadline, |(_, at)| at);
            tokio::select! {
                found = child.wait(), if status.is_none() => {
                    status = Some(found.map_err(|error| self.lost(&error))?);
                    leak = Instant::now() + LEAK;
                }
                read = read(&mut out, &mut out_bytes), if out.is_some() => match read {
                    Some(bytes) => self.take(Stream::Out, bytes),
                    None => out = None,
                },
                read = read(&mut err, &mut err_bytes), if err.is_some() => match read {
                    Some(bytes) => self.take(Stream::Err, bytes),
                    None => err = None,
                },
                () = sleep_until(leak), if status.is_some() => {
                    held = true;
                    break;
                }
                () = sleep_until(deadline), if self.ending.is_none() && status.is_none() => self.end(End::TimedOut),
                () = stop.stopped(), if self.ending.is_none() && status.is_none() => self.end(End::Stopped),
                () = sleep_until(kill_at), if self.ending.is_some() && !self.killed => self.kill(),
            }
        }
        self.end_group().await;
        let end = match (self.ending, status) {
            (Some((why, _)), _) => why,
            (None, Some(status)) => {
                use std::os::unix::process::ExitStatusExt as _;
                status.code().map_or_else(|| End::Signalled(status.signal().unwrap_or(0)), End::Exited)
            }
            (None, None) => End::Stopped,
        };
        Ok(Ran { end, stdout: self.stdout, stdout_cut: self.stdout_cut, stderr: self.stderr, held })
    }

    fn lost(&self, error: &std::io::Error) -> HostError {
        let path = self.run.argv.first().cloned().unwrap_or_default();
        HostError::Io { doing: "wait for", path, why: error.to_string() }
    }

    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        self.output.take(stream, bytes);
        match stream {
            Stream::Out => {
                let room = self.run.keep_bytes.saturating_sub(self.stdout.len());
                self.stdout.extend(bytes.iter().take(room));
                self.stdout_cut |= bytes.len() > room;
            }
            Stream::Err | Stream::Note => {
                self.stderr.extend_from_slice(bytes);
                let over = self.stderr.len().saturating_sub(STDERR_KEPT_BYTES);
                self.stderr.drain(..over);
            }
        }
    }

    fn end(&mut self, why: End) {
        self.ending = Some((why, Instant::now() + GRACE));
        self.signal(Signal::TERM);
    }

    fn kill(&mut self) {
        self.killed = true;
        self.signal(Signal::KILL);
    }

    /// Signals the group, or the stub alone while it has no group of its own yet. `Pid` is never 0 or
    /// negative, so this cannot reach ourselves.
    fn signal(&self, signal: Signal) {
        let Some(pid) = self.pid else { return };
        if kill_process_group(pid, signal).is_err() {
            let _ = kill_process(pid, signal);
        }
    }

    /// After we ended a program, what else is in its group goes too. A program that ended by itself may leave a
    /// service behind; that is left alone.
    async fn end_group(&mut self) {
        let (Some(pid), Some((_, kill_at))) = (self.pid, self.ending) else { return };
        let give_up = kill_at + GRACE;
        while test_kill_process_group(pid).is_ok() && Instant::now() < give_up {
            if Instant::now() >= kill_at && !self.killed {
                self.killed = true;
                let _ = kill_process_group(pid, Signal::KILL);
            }
            sleep(GONE_EVERY).await;
        }
    }
}

/// Some bytes, or `None` at the end. A read error ends the stream: the program's exit says what matters.
async fn read<'b>(pipe: &mut Option<impl AsyncRead + Unpin>, into: &'b mut [u8]) -> Option<&'b [u8]> {
    let count = pipe.as_mut()?.read(into).await.ok()?;
    into.get(..count).filter(|bytes| !bytes.is_empty())
}
