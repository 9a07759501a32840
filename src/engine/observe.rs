//! A session that another process drives, or whose journal cannot be continued: read, never written.

use std::{sync::Arc, time::Duration};

use tokio::sync::{broadcast, mpsc, watch};

use super::{Ask, Handle, Health, LeaderBoard, OutputStore, Snapshot};
use crate::session::{Command, Refusal, State};

/// How often the record is read again.
const READ_EVERY: Duration = Duration::from_secs(2);

/// Reads the record again; `None` if it has not changed or cannot be read at this moment.
pub type Reread = Box<dyn FnMut() -> Option<State> + Send>;

/// Follows a session.
pub struct Observer {
    published: watch::Sender<Snapshot>,
    asks: mpsc::Receiver<Ask>,
    reread: Reread,
    why: String,
}

impl Observer {
    /// An observer of a session, and the handle for its views. `why` says why nothing can be done here.
    pub fn new(state: State, why: String, reread: Reread) -> (Self, Handle) {
        let (asks_in, asks) = mpsc::channel(16);
        let snapshot = Snapshot { state: Arc::new(state), health: Health::ReadOnly(why.clone()) };
        let (published, snapshots) = watch::channel(snapshot);
        let (output, leader) = (OutputStore::default(), LeaderBoard::default());
        let handle = Handle { snapshots, asks: asks_in, events: broadcast::Sender::new(1), output, leader };
        (Self { published, asks, reread, why }, handle)
    }

    /// Follows until a view leaves.
    pub async fn run(mut self) {
        let mut every = tokio::time::interval(READ_EVERY);
        loop {
            tokio::select! {
                ask = self.asks.recv() => {
                    let Some(ask) = ask else { return };
                    let left = matches!(ask.command, Command::Leave { .. });
                    if let Some(reply) = ask.reply {
                        // The view that asked may be gone by now.
                        drop(reply.send(Err(Refusal::NotYet(self.why.clone()))));
                    }
                    if left {
                        return;
                    }
                }
                _ = every.tick() => {
                    if let Some(state) = (self.reread)() {
                        let health = Health::ReadOnly(self.why.clone());
                        self.published.send_replace(Snapshot { state: Arc::new(state), health });
                    }
                }
            }
        }
    }
}
