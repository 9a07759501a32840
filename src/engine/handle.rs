//! What a view holds of the engine: snapshots to read, a channel to ask through.

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::{LeaderBoard, OutputStore};
use crate::session::{Command, Event, Refusal, Stamp, State};

/// Whether the session can go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Writing,
    /// It is only read, for this reason: another process drives it, or the journal cannot be written.
    ReadOnly(String),
}

/// A moment of the session, as a view draws it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What is known.
    pub state: Arc<State>,
    /// Whether it can go on.
    pub health: Health,
}

/// One command, with the place where its answer goes.
#[derive(Debug)]
pub struct Ask {
    /// What is asked.
    pub command: Command,
    /// The sequence number after it, or why it was refused.
    pub reply: Option<oneshot::Sender<Result<u64, Refusal>>>,
}

/// A durable event with its number and time.
pub type Numbered = Arc<(u64, Stamp, Event)>;

/// What a view holds of the engine.
#[derive(Debug, Clone)]
pub struct Handle {
    /// The newest snapshot; changes when anything changed.
    pub snapshots: watch::Receiver<Snapshot>,
    /// Takes commands. Bounded: a full channel means that the engine is stuck on its disk.
    pub asks: mpsc::Sender<Ask>,
    /// Durable events as they happen. A view that falls behind misses some: the journal has them all.
    pub events: broadcast::Sender<Numbered>,
    /// Output of actions, lossy; the full output is in a file for each attempt.
    pub output: OutputStore,
    /// Who leads, where somebody looks; lossy.
    pub leader: LeaderBoard,
}

impl Handle {
    /// Asks from a thread that is not part of the runtime, and waits for the answer.
    pub fn ask_blocking(&self, command: Command) -> Result<u64, Refusal> {
        let (reply, answer) = oneshot::channel();
        let gone = || Refusal::NotYet("the engine has ended".to_owned());
        self.asks.blocking_send(Ask { command, reply: Some(reply) }).map_err(|_| gone())?;
        answer.blocking_recv().map_err(|_| gone())?
    }

    /// Asks from a task of the runtime, and waits for the answer.
    pub async fn ask(&self, command: Command) -> Result<u64, Refusal> {
        let (reply, answer) = oneshot::channel();
        let gone = || Refusal::NotYet("the engine has ended".to_owned());
        self.asks.send(Ask { command, reply: Some(reply) }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}
