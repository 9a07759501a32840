//! One connection to one host, kept open by ssh itself, which every command then goes over.
//!
//! The master is a process of its own (`ssh -M -N -f`): opened before anything is drawn, so that a password can be
//! typed; closed by `-O exit`; and gone by itself after a while without use, should this process be killed. One that
//! died or hangs is replaced without asking anybody. A new socket for each, so that an old one is never in the way.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Command,
    sync::{Mutex, Semaphore},
    time::timeout,
};

use super::{
    control::{self, ControlDir},
    said::{self, NO_MASTER, Trouble},
};
use crate::hosts::{End, HostError, Quiet, Ran, Run, Stop, child};

/// Longest time for a connection without anybody who types.
const OPEN_MAX: Duration = Duration::from_secs(30);
/// Longest time for a person who types a password or compares a fingerprint.
const PERSON_MAX: Duration = Duration::from_mins(5);
/// Longest time for a word between ssh and its own master, on this machine.
const CONTROL_MAX: Duration = Duration::from_secs(5);
/// Longest time for a command that does nothing, over a master that is well.
const PROBE_MAX: Duration = Duration::from_secs(8);
/// Time before a host that could not be reached is tried again: looks come every few seconds from every step.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Commands that run at the same time on one host. Servers allow ten on one connection (`MaxSessions`), and the probe
/// needs one.
const SESSIONS_MAX: usize = 8;
/// What is the same for every call of ssh. Keys, agents, jump hosts and known hosts stay the engineer's own; a key is
/// never accepted by ssh itself, and nothing but commands goes over the connection.
const ALWAYS: &[&str] = &[
    "-T",
    "-oClearAllForwardings=yes",
    "-oForwardAgent=no",
    "-oForwardX11=no",
    "-oPermitLocalCommand=no",
    "-oRemoteCommand=none",
    "-oConnectTimeout=10",
    "-oServerAliveInterval=5",
    "-oServerAliveCountMax=3",
    "-oTCPKeepAlive=yes",
];
/// Nobody is asked.
const BATCH: &str = "-oBatchMode=yes";
/// Where nobody types.
const QUIETLY: &[&str] = &[BATCH, "-oStrictHostKeyChecking=yes", "-oLogLevel=ERROR"];
/// What makes a master. It ends by itself after this time without a command, so that none outlives us for long.
const AS_MASTER: &[&str] = &["-M", "-N", "-f", "-oControlPersist=15m"];

/// What all masters share.
#[derive(Debug)]
pub struct Shared {
    /// The binary that stands between us and children.
    pub stub: PathBuf,
    /// The configuration file that ssh reads in place of the engineer's own.
    pub config: Option<String>,
    /// Where sockets stand.
    pub control: ControlDir,
}

/// Who can be asked while a connection is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// One sits at this process's terminal.
    AtTheTerminal,
    /// Nobody.
    Away,
}

/// A connection that could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotOpened {
    /// What was the matter.
    pub trouble: Trouble,
    /// The same as a sentence, with what to do.
    pub why: String,
}

/// The connection to one destination.
#[derive(Debug)]
pub struct Master {
    shared: Arc<Shared>,
    to: String,
    port: Option<u16>,
    /// Tells the sockets of hosts apart.
    number: usize,
    state: Mutex<State>,
    pub(super) sessions: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    up: Option<Link>,
    opened: u32,
    failed: Option<(Instant, NotOpened)>,
}

/// A master that was up when it was last looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    socket: PathBuf,
    pid: i32,
}

impl Link {
    /// True while the process that holds the connection lives, and is still that one.
    fn lives(&self) -> bool {
        // Its title names the socket. A process that has ended and is not yet taken away has no title.
        let title = std::fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let socket = self.socket.as_os_str().as_encoded_bytes();
        memchr::memmem::find(&title, socket).is_some() && self.socket.exists()
    }

    fn end(&self) {
        if self.lives()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            // One that hangs does not hear anything else.
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Master {
    /// The connection to a destination; nothing happens before it is needed.
    pub fn new(shared: Arc<Shared>, to: String, port: Option<u16>, number: usize) -> Self {
        let sessions = Arc::new(Semaphore::new(SESSIONS_MAX));
        Self { shared, to, port, number, state: Mutex::default(), sessions }
    }

    /// The destination, as ssh takes it.
    pub fn to(&self) -> &str {
        &self.to
    }

    pub(super) fn stub(&self) -> &std::path::Path {
        &self.shared.stub
    }

    /// A master that is up, opened without asking anybody if there is none.
    pub async fn link(&self) -> Result<Link, HostError> {
        self.open(Person::Away).await.map_err(|error| HostError::NotReached { why: error.why })
    }

    /// Opens the connection, unless it is open.
    pub async fn open(&self, person: Person) -> Result<Link, NotOpened> {
        let mut state = self.state.lock().await;
        if let Some(link) = state.up.take_if(|link| !link.lives()) {
            link.end();
        }
        if let Some(link) = &state.up {
            return Ok(link.clone());
        }
        if person == Person::Away
            && let Some((at, error)) = &state.failed
            && at.elapsed() < AGAIN_AFTER
        {
            return Err(error.clone());
        }
        state.opened += 1;
        let socket = self.shared.control.socket(&format!("{}-{}", self.number, state.opened));
        let opened = match socket {
            Ok(socket) => self.open_at(socket, person).await,
            Err(error) => Err(NotOpened { trouble: Trouble::Other, why: error.to_string() }),
        };
        match opened {
            Ok(link) => {
                (state.up, state.failed) = (Some(link.clone()), None);
                Ok(link)
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn open_at(&self, socket: PathBuf, person: Person) -> Result<Link, NotOpened> {
        let path = socket.display().to_string();
        match person {
            Person::Away => {
                let options = [AS_MASTER, QUIETLY].concat();
                let ran = self.ssh(&options, &path, &[], OPEN_MAX).await;
                let ran = ran.map_err(|error| NotOpened { trouble: Trouble::Other, why: error.to_string() })?;
                if ran.end != End::Exited(0) {
                    return Err(self.not_opened(&ran));
                }
            }
            Person::AtTheTerminal => self.open_with_a_person(&path).await?,
        }
        let pid = self.pid_of(&path).await.ok_or_else(|| NotOpened {
            trouble: Trouble::Other,
            why: format!("ssh to {} logged in, but keeps no connection open", self.to),
        })?;
        Ok(Link { socket, pid })
    }

    /// ssh itself asks, on the terminal that it shares with us: for a password, a second factor, an unknown key.
    async fn open_with_a_person(&self, socket: &str) -> Result<(), NotOpened> {
        let argv = self.argv(&[AS_MASTER, &["-oStrictHostKeyChecking=ask"]].concat(), socket, &[]);
        let failed = |why: String| NotOpened { trouble: Trouble::Login, why };
        let Some((program, arguments)) = argv.split_first() else { return Err(failed("no ssh".to_owned())) };
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| failed(format!("ssh cannot be run: {error}")))?;
        match timeout(PERSON_MAX, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(_)) => Err(failed(format!("ssh to {} did not log in; it says why above", self.to))),
            Ok(Err(error)) => Err(failed(format!("ssh to {}: {error}", self.to))),
            Err(_) => Err(failed(format!("ssh to {} was not logged in within {PERSON_MAX:?}", self.to))),
        }
    }

    fn not_opened(&self, ran: &Ran) -> NotOpened {
        let (to, words) = (&self.to, said::words(&ran.stderr));
        let trouble = said::trouble(&ran.stderr);
        let why = match (trouble, ran.end) {
            (Trouble::UnknownKey, _) => format!(
                "{to} shows a host key that is not known here, and nothing was accepted. At a terminal it is shown and \
                 asked about before the session opens; `ssh {to}` asks as well"
            ),
            (Trouble::ChangedKey, _) => format!(
                "{to} shows another host key than the one that is known here: it was set up anew, or something stands \
                 in between. Nothing was accepted. Compare with `ssh-keygen -lf` of its own key file; if it is right, \
                 `ssh-keygen -R` forgets the old one ({words})"
            ),
            (Trouble::Login, _) => format!(
                "no key at hand logs in to {to} ({words}). Load one with `ssh-add`, or start or resume the session at a \
                 terminal, where a password can be typed before it opens"
            ),
            (Trouble::Other, End::TimedOut) => format!("{to} did not log in within {OPEN_MAX:?}"),
            (Trouble::Other, _) if words.is_empty() => format!("ssh to {to} ended without a word"),
            (Trouble::Other, _) => format!("{to} cannot be reached: {words}"),
        };
        // A second factor without a terminal looks like silence.
        let trouble = if ran.end == End::TimedOut { Trouble::Login } else { trouble };
        NotOpened { trouble, why }
    }

    async fn pid_of(&self, socket: &str) -> Option<i32> {
        let ran = self.ssh(&["-Ocheck", BATCH], socket, &[], CONTROL_MAX).await.ok()?;
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let after = said.split_once("pid=")?.1;
        after.split(|char: char| !char.is_ascii_digit()).next()?.parse().ok()
    }

    /// Asks whether the connection still carries commands. One that does not is ended, and with it every command that
    /// hangs on it; the next command opens another.
    pub(super) async fn probe(&self, link: &Link) -> Result<(), String> {
        let path = link.socket.display().to_string();
        let ran = self.ssh(&[QUIETLY, &[&no_other_way()]].concat(), &path, &["exit 0"], PROBE_MAX).await;
        // A server that refuses one more command answers, which is what is asked.
        if matches!(&ran, Ok(ran) if ran.end != End::TimedOut) && link.lives() {
            return Ok(());
        }
        let mut state = self.state.lock().await;
        state.up.take_if(|up| up == link);
        link.end();
        Err(format!("the connection to {} did not answer within {PROBE_MAX:?}, and was given up", self.to))
    }

    /// Ends the connection by its own means, else by force.
    pub async fn close(&self) {
        let Some(link) = self.state.lock().await.up.take() else { return };
        let path = link.socket.display().to_string();
        let _ = self.ssh(&["-Oexit", BATCH], &path, &[], CONTROL_MAX).await;
        link.end();
    }

    /// The command line that runs a command over a master, and never another way.
    pub(super) fn over(&self, link: &Link, command: String) -> Vec<String> {
        let path = link.socket.display().to_string();
        let mut argv = self.argv(&[QUIETLY, &[&no_other_way()]].concat(), &path, &[]);
        argv.push(command);
        argv
    }

    async fn ssh(&self, options: &[&str], socket: &str, rest: &[&str], within: Duration) -> Result<Ran, HostError> {
        let run = Run::new(self.argv(options, socket, rest), within);
        child::run(&self.shared.stub, &run, &Quiet, &Stop::never()).await
    }

    fn argv(&self, options: &[&str], socket: &str, rest: &[&str]) -> Vec<String> {
        let mut argv = vec!["ssh".to_owned()];
        if let Some(config) = &self.shared.config {
            argv.extend(["-F".to_owned(), config.clone()]);
        }
        if let Some(port) = self.port {
            argv.extend(["-p".to_owned(), port.to_string()]);
        }
        argv.extend(ALWAYS.iter().chain(options).map(|option| (*option).to_owned()));
        if !options.contains(&"-M") {
            argv.push("-oControlMaster=no".to_owned());
        }
        argv.extend(["-S".to_owned(), socket.to_owned(), "--".to_owned(), self.to.clone()]);
        argv.extend(rest.iter().map(|word| (*word).to_owned()));
        argv
    }
}

impl Drop for Master {
    /// Nobody is left who could close it in order.
    fn drop(&mut self) {
        if let Some(link) = self.state.get_mut().up.take() {
            link.end();
        }
    }
}

/// ssh makes a connection of its own where the master is gone; this stands in its way, and says so.
fn no_other_way() -> String {
    format!("-oProxyCommand=echo {NO_MASTER} >&2; exit 1")
}

/// Closes the masters that processes of this user left behind when they were killed.
pub async fn sweep(shared: &Shared) {
    let (sockets, dirs) = control::left_behind();
    for socket in sockets {
        let path = socket.display().to_string();
        let argv = ["ssh", "-oBatchMode=yes", "-Oexit", "-S", path.as_str(), "left-behind"].map(str::to_owned);
        let run = Run::new(argv.to_vec(), CONTROL_MAX);
        let _ = child::run(&shared.stub, &run, &Quiet, &Stop::never()).await;
    }
    for dir in dirs {
        let _ = std::fs::remove_dir_all(dir);
    }
}
