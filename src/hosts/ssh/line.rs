//! One script over a master.
//!
//! What the script wrote is told from what a login shell, a banner or a wrapper wrote; its exit code is believed only
//! from its last mark. A connection that broke before that mark leaves the script's fate unknown, whatever ssh's own
//! exit code says.

use std::{process::Stdio, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    process::Child,
    sync::{OwnedSemaphorePermit, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    master::{Link, Master},
    said, word,
};
use crate::hosts::{
    HostError, Run, child,
    frame::{Frame, Marks},
    line::{Ended, Line, Open},
};

/// Time in which a script's first mark comes from a host that is well; then the connection itself is asked.
const BEGIN_MAX: Duration = Duration::from_secs(10);
/// Time that ssh may go on after a script's end, for output that something else still holds.
const HELD_MAX: Duration = Duration::from_secs(2);
/// Bytes on their way between ssh and whoever reads.
const PIPE_BYTES: usize = 64 * 1024;

/// Scripts on one host, as one user.
#[derive(Debug, Clone)]
pub struct SshLine {
    master: Arc<Master>,
    sudo: Option<String>,
}

impl SshLine {
    /// A line over a master; `sudo` names the user that scripts run as.
    pub fn new(master: Arc<Master>, sudo: Option<String>) -> Self {
        Self { master, sudo }
    }
}

#[async_trait]
impl Line for SshLine {
    async fn open(&self, script: &str) -> Result<Open, HostError> {
        let marks = Marks::new(fastrand::u128(..));
        let Some(command) = word::command(&marks.around(script), self.sudo.as_deref()) else {
            return Err(HostError::Refused { path: String::new(), why: "the script is too long for one command" });
        };
        let Ok(turn) = Arc::clone(&self.master.sessions).acquire_owned().await else {
            return Err(HostError::NotReached { why: format!("the connection to {} was closed", self.master.to()) });
        };
        let link = self.master.link().await?;
        let run = Run::new(self.master.over(&link, command), Duration::MAX);
        let mut child = child::spawn(self.master.stub(), &run, Stdio::piped())?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(HostError::Io { doing: "run", path: "ssh".to_owned(), why: "it has no pipes".to_owned() });
        };
        let listed = child::Listed::of(&child);
        let (out_to, out) = duplex(PIPE_BYTES);
        let (err_to, err) = duplex(PIPE_BYTES);
        let (begun_to, begun) = oneshot::channel();
        let (code_to, code) = oneshot::channel();
        let out_pump = tokio::spawn(pump(stdout, Frame::new(&marks), out_to, Some(begun_to), Some(code_to)));
        let err_pump = tokio::spawn(pump(stderr, Frame::new(&marks), err_to, None, None));
        let script = Script { line: self.clone(), link, child, listed, out_pump, err_pump, turn };
        let ended = Box::pin(script.until_end(begun, code));
        Ok(Open { stdin: Box::new(stdin), stdout: Box::new(out), stderr: Box::new(err), ended })
    }
}

/// Passes on what the script wrote. Reads to the end even if nobody listens, so that ssh is not held up.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut frame: Frame,
    mut to: DuplexStream,
    mut begun: Option<oneshot::Sender<()>>,
    mut code: Option<oneshot::Sender<i32>>,
) -> Frame {
    let mut bytes = vec![0; PIPE_BYTES];
    while let Ok(count) = from.read(&mut bytes).await
        && count > 0
    {
        let own = frame.take(bytes.get(..count).unwrap_or_default());
        if frame.begun()
            && let Some(begun) = begun.take()
        {
            let _ = begun.send(());
        }
        let _ = to.write_all(&own).await;
        if let Some(found) = frame.exit_code()
            && let Some(code) = code.take()
        {
            let _ = code.send(found);
        }
    }
    let _ = to.write_all(&frame.rest()).await;
    frame
}

/// A script that runs.
struct Script {
    line: SshLine,
    link: Link,
    child: Child,
    listed: Option<child::Listed>,
    out_pump: JoinHandle<Frame>,
    err_pump: JoinHandle<Frame>,
    turn: OwnedSemaphorePermit,
}

impl Script {
    async fn until_end(mut self, begun: oneshot::Receiver<()>, mut code: oneshot::Receiver<i32>) -> Ended {
        tokio::select! {
            _ = begun => {}
            () = sleep(BEGIN_MAX) => {
                if let Err(why) = self.line.master.probe(&self.link).await {
                    self.give_up().await;
                    return Ended::Lost { why };
                }
            }
        }
        if let Ok(code) = (&mut code).await {
            // Whoever reads may still be at it; ssh ends when nothing holds the output any more.
            tokio::spawn(self.see_out());
            return Ended::Exited(code);
        }
        self.without_a_code().await
    }

    /// Both streams ended, or the first one did, and no exit code came.
    async fn without_a_code(mut self) -> Ended {
        let status = timeout(HELD_MAX, self.child.wait()).await.ok().and_then(Result::ok);
        let own = status.and_then(|status| status.code());
        let (out, err) = self.give_up().await;
        let begun = out.as_ref().is_some_and(Frame::begun) || err.as_ref().is_some_and(Frame::begun);
        let noise = |frame: &Option<Frame>| frame.as_ref().map(|frame| frame.noise().to_vec()).unwrap_or_default();
        let (out, err) = (noise(&out), noise(&err));
        let to = self.line.master.to();
        let words = said::words(if err.is_empty() { &out } else { &err });
        let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
        if begun {
            return Ended::Lost { why: format!("the connection to {to} broke{words}") };
        }
        if let Some(user) = &self.line.sudo
            && own.is_some_and(|code| code != SSH_FAILED)
            && let Some(why) = said::sudo_refusal(&err, user, login(to))
        {
            return Ended::NotStarted { why: format!("{to}: {why}") };
        }
        match own {
            // The far shell ended in order, so everything that it wrote is here, and the script wrote nothing.
            Some(code) if code != SSH_FAILED => Ended::NotStarted {
                why: format!("the login shell on {to} ended with {code} before it ran anything{words}"),
            },
            _ if said::never_sent(&err) => {
                Ended::NotStarted { why: format!("the connection to {to} took no further command{words}") }
            }
            _ => Ended::Lost { why: format!("the connection to {to} broke{words}") },
        }
    }

    async fn see_out(mut self) {
        if timeout(HELD_MAX, self.child.wait()).await.is_err() {
            let _ = self.child.start_kill();
            let _ = self.child.wait().await;
        }
        if let Some(listed) = &mut self.listed {
            listed.ended();
        }
        drop(self.turn);
    }

    /// Ends ssh; what both streams were.
    async fn give_up(&mut self) -> (Option<Frame>, Option<Frame>) {
        let _ = self.child.start_kill();
        let _ = timeout(HELD_MAX, self.child.wait()).await;
        if let Some(listed) = &mut self.listed {
            listed.ended();
        }
        let out = timeout(HELD_MAX, &mut self.out_pump).await.ok().and_then(Result::ok);
        let err = timeout(HELD_MAX, &mut self.err_pump).await.ok().and_then(Result::ok);
        (out, err)
    }
}

/// The login user, where the destination names it.
fn login(to: &str) -> &str {
    to.rsplit_once('@').map_or("LOGIN_USER", |(user, _)| user)
}

/// The exit code by which ssh says that it failed itself. A command may end with it as well.
const SSH_FAILED: i32 = 255;
