//! The replicated log as a scheduler uses it: its own replica, the protocol with the others, and
//! the coordinator's part when it leads.
//!
//! The rules are Mesos's (`recover.cpp`, `consensus.cpp`, `coordinator.cpp`); the wire is plain HTTP
//! with JSON, because nothing outside the practice cluster listens in. Automatic initialization is
//! off, as in Aurora: a group of EMPTY replicas waits until someone initializes it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    path::Path,
    rc::Rc,
    time::Duration,
};

use hyper::StatusCode;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::TcpListener, task::spawn_local};

use crate::{
    practice::{
        error::PracticeError,
        plan::LOOPBACK,
        web::{self, Answer, Asked, Server},
    },
    replog::Status,
};

use super::{
    members::Members,
    replica::{Answered, Carried, Performed, PromiseRequest, Recovered, Replica, Vote, WriteRequest, hex},
    words::{Level, mesos},
};

/// A peer on this machine answers in milliseconds; one that is dead refuses at once.
const PEER_WAIT: Duration = Duration::from_secs(3);
/// Between rounds of recovery. Mesos waits half a second to one; faster would only fill the log.
const RECOVER_PAUSE: Duration = Duration::from_millis(750);

/// Why an append or an election did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// No majority answered.
    #[error("Timed out while trying to {0}")]
    NoQuorum(&'static str),
    /// Somebody else was promised more.
    #[error("Exclusive write promise lost")]
    Lost,
    /// The local replica.
    #[error("{0}")]
    Local(String),
}

/// The log of one scheduler.
pub struct NativeLog {
    replica: RefCell<Replica>,
    members: Rc<Members>,
    client: reqwest::Client,
    quorum: usize,
    own: String,
    proposal: Cell<u64>,
    index: Cell<u64>,
}

impl NativeLog {
    /// Opens the local replica and begins to serve it to the others.
    pub async fn open(
        path: &Path,
        port: u16,
        quorum: usize,
        members: Rc<Members>,
    ) -> Result<(Rc<Self>, Server), PracticeError> {
        let mut replica = Replica::open(path)?;
        let own = format!("{LOOPBACK}:{port}");
        replica.own = format!("log-replica(1)@{own}");
        let client = crate::aurora::client::http_builder()
            .map_err(PracticeError::Control)?
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PEER_WAIT)
            .build()
            .map_err(|error| PracticeError::Control(error.to_string()))?;
        let log = Rc::new(Self {
            replica: RefCell::new(replica),
            members,
            client,
            quorum,
            own,
            proposal: Cell::new(0),
            index: Cell::new(0),
        });
        let listener = TcpListener::bind((LOOPBACK, port)).await.map_err(PracticeError::io("listening for", path))?;
        let served = Rc::clone(&log);
        let server = web::serve(
            listener,
            Rc::new(move |asked| {
                let log = Rc::clone(&served);
                Box::pin(async move { Some(log.answer(&asked)) })
            }),
        );
        Ok((log, server))
    }

    /// Begins recovery, which ends when the replica votes. A replica that votes already is done at once.
    pub fn start_recovery(self: &Rc<Self>) {
        mesos(Level::Info, "recover.cpp:451", "Starting replica recovery");
        let status = self.replica.borrow().status();
        mesos(Level::Info, "recover.cpp:477", &format!("Replica is in {status} status"));
        if status != Status::Voting {
            let log = Rc::clone(self);
            spawn_local(async move { log.recover().await });
        }
    }

    /// The replica's status.
    pub fn status(&self) -> Status {
        self.replica.borrow().status()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let from = asked.headers.get("x-from").and_then(|value| value.to_str().ok()).unwrap_or("?").to_owned();
        let mut replica = self.replica.borrow_mut();
        let answered = match asked.path.as_str() {
            "/log-replica(1)/recover" => Ok(web::json(&replica.recover(&from))),
            "/log-replica(1)/promise" => {
                body(asked).and_then(|ask| replica.promise(&from, &ask)).map(|answer| web::json(&answer))
            }
            "/log-replica(1)/write" => {
                body(asked).and_then(|ask| replica.write(&from, &ask)).map(|answer| web::json(&answer))
            }
            "/log-replica(1)/learned" => {
                body(asked).and_then(|action| replica.learn(&from, &action)).map(|()| web::empty(StatusCode::OK))
            }
            _ => return web::empty(StatusCode::NOT_FOUND),
        };
        answered.unwrap_or_else(|why| web::plain(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", why))
    }

    /// Asks one member; nothing if it does not answer.
    async fn ask<Q: Serialize, A: DeserializeOwned>(&self, peer: &str, what: &str, ask: &Q) -> Option<A> {
        let response = self
            .client
            .post(format!("http://{peer}/log-replica(1)/{what}"))
            .header("x-from", format!("__req_res__({})@{}", self.proposal.get(), self.own))
            .body(serde_json::to_vec(ask).ok()?)
            .send()
            .await;
        let response = match response {
            Ok(response) if response.status().is_success() => response,
            Ok(_) => return None,
            Err(_) => {
                let text =
                    format!("Failed to send to '{peer}', connect: Failed to connect to {peer}: Connection refused");
                mesos(Level::Warn, "process.cpp:1917", &text);
                return None;
            }
        };
        let bytes = response.bytes().await.ok()?;
        if bytes.is_empty() {
            return serde_json::from_str("null").ok();
        }
        serde_json::from_slice(&bytes).ok()
    }

    /// Asks every member, this one included, and gives what answered.
    async fn ask_all<Q: Serialize, A: DeserializeOwned>(&self, what: &str, ask: &Q) -> Vec<A> {
        let peers = self.members.list().await;
        let asking = peers.iter().map(|peer| self.ask(peer, what, ask));
        join_all(asking).await.into_iter().flatten().collect()
    }

    async fn recover(self: Rc<Self>) {
        let mut warned = false;
        loop {
            if self.members.list().await.len() >= self.quorum {
                match self.recover_round(&mut warned).await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(why) => {
                        mesos(Level::Error, "recover.cpp:560", &format!("Failed to recover: {why}"));
                    }
                }
            }
            tokio::time::sleep(RECOVER_PAUSE).await;
            let status = self.status();
            mesos(Level::Info, "recover.cpp:477", &format!("Replica is in {status} status"));
        }
    }

    /// One round of the recover protocol; true once the replica votes.
    async fn recover_round(&self, warned: &mut bool) -> Result<bool, LogError> {
        let answers: Vec<Recovered> = self.ask_all("recover", &()).await;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for answer in &answers {
            let text = format!("Received a recover response from a replica in {} status", answer.status);
            mesos(Level::Info, "recover.cpp:197", &text);
            *counts.entry(answer.status.to_string()).or_default() += 1;
        }
        let voting: Vec<&Recovered> = answers.iter().filter(|answer| answer.status == Status::Voting).collect();
        if voting.len() >= self.quorum {
            let begin = voting.iter().map(|answer| answer.begin).min().unwrap_or(0);
            let end = voting.iter().map(|answer| answer.end).max().unwrap_or(0);
            self.catch_up(begin, end).await?;
            return Ok(true);
        }
        let empty = counts.get("EMPTY").copied().unwrap_or(0);
        if empty + 1 >= self.quorum * 2 && !*warned {
            *warned = true;
            mesos(Level::Warn, "recover.cpp:388", NOT_INITIALIZED);
        }
        Ok(false)
    }

    async fn catch_up(&self, begin: u64, end: u64) -> Result<(), LogError> {
        self.set_status(Status::Recovering)?;
        mesos(Level::Info, "recover.cpp:568", &format!("Starting catch-up from position {begin} to {end}"));
        for position in begin..=end {
            if !self.replica.borrow().learned_at(position) {
                self.fill(position).await?;
            }
        }
        self.set_status(Status::Voting)?;
        mesos(Level::Info, "recover.cpp:582", "Successfully joined the Paxos group");
        Ok(())
    }

    fn set_status(&self, status: Status) -> Result<(), LogError> {
        mesos(Level::Info, "recover.cpp:554", &format!("Updating replica status to {status}"));
        self.replica.borrow_mut().set_status(status).map_err(LogError::Local)
    }

    /// Becomes the coordinator: wins a promise for the whole log and settles every position of it.
    /// Gives the last position.
    pub async fn elect(&self) -> Result<u64, LogError> {
        if self.status() != Status::Voting {
            return Err(LogError::NoQuorum("get elected"));
        }
        let proposal = self.proposal.get().max(self.replica.borrow().promised()) + 1;
        self.proposal.set(proposal);
        let answers: Vec<Answered> = self.ask_all("promise", &PromiseRequest { proposal, position: None }).await;
        let accepted: Vec<&Answered> = answers.iter().filter(|answer| answer.vote == Vote::Accept).collect();
        if let Some(higher) = answers.iter().filter(|answer| answer.vote == Vote::Reject).map(|a| a.proposal).max() {
            self.proposal.set(higher.max(proposal));
            return Err(LogError::Lost);
        }
        if accepted.len() < self.quorum {
            let ignored = answers.iter().filter(|answer| answer.vote == Vote::Ignored).count();
            if ignored > 0 {
                let text = format!("Aborting implicit promise request because {ignored} ignores received");
                mesos(Level::Info, "consensus.cpp:358", &text);
            }
            return Err(LogError::NoQuorum("get elected"));
        }
        let index = accepted.iter().map(|answer| answer.end).max().unwrap_or(0);
        self.index.set(index);
        mesos(Level::Info, "coordinator.cpp:238", "Coordinator attempting to fill missing positions");
        let begin = self.replica.borrow().range().0;
        for position in begin..=index {
            if !self.replica.borrow().learned_at(position) {
                self.fill(position).await?;
            }
        }
        mesos(Level::Info, "log.cpp:607", &format!("Writer started with ending position {index}"));
        Ok(index)
    }

    /// Settles one position: what a majority may have accepted, else nothing.
    async fn fill(&self, position: u64) -> Result<(), LogError> {
        let mut proposal = self.proposal.get().max(self.replica.borrow().promised()) + 1;
        // A rejection names the promise to outbid; the second round does.
        for _ in 0..3 {
            let answers: Vec<Answered> =
                self.ask_all("promise", &PromiseRequest { proposal, position: Some(position) }).await;
            if let Some(higher) = answers.iter().filter(|a| a.vote == Vote::Reject).map(|a| a.proposal).max() {
                proposal = higher.max(proposal) + 1;
                continue;
            }
            let accepted: Vec<&Answered> = answers.iter().filter(|a| a.vote == Vote::Accept).collect();
            if accepted.len() < self.quorum {
                return Err(LogError::NoQuorum("fill a position"));
            }
            let found = accepted.iter().filter_map(|answer| answer.action.clone());
            let best = found.max_by_key(|action| (action.learned, action.performed));
            return match best {
                Some(action) if action.learned => {
                    self.replica.borrow_mut().learn(&self.own, &action).map_err(LogError::Local)
                }
                Some(action) => self.write_at(proposal, position, action.carried).await,
                None => self.write_at(proposal, position, Carried::Nop).await,
            };
        }
        Err(LogError::Lost)
    }

    async fn write_at(&self, proposal: u64, position: u64, carried: Carried) -> Result<(), LogError> {
        let kind = match carried {
            Carried::Nop => "NOP",
            Carried::Append(_) => "APPEND",
            Carried::Truncate(_) => "TRUNCATE",
        };
        let text = format!("Coordinator attempting to write {kind} action at position {position}");
        mesos(Level::Info, "coordinator.cpp:348", &text);
        let ask = WriteRequest { proposal, position, carried };
        let answers: Vec<Answered> = self.ask_all("write", &ask).await;
        if answers.iter().any(|answer| answer.vote == Vote::Reject) {
            return Err(LogError::Lost);
        }
        if answers.iter().filter(|answer| answer.vote == Vote::Accept).count() < self.quorum {
            return Err(LogError::NoQuorum("append"));
        }
        let learned =
            Performed { position, promised: proposal, performed: proposal, learned: true, carried: ask.carried };
        let _: Vec<()> = self.ask_all("learned", &learned).await;
        Ok(())
    }

    async fn next(&self, carried: Carried) -> Result<u64, LogError> {
        let position = self.index.get() + 1;
        self.write_at(self.proposal.get(), position, carried).await?;
        self.index.set(position);
        Ok(position)
    }

    /// Appends one entry; gives its position.
    pub async fn append(&self, bytes: &[u8]) -> Result<u64, LogError> {
        self.next(Carried::Append(hex(bytes))).await
    }

    /// Drops everything below a position.
    pub async fn truncate(&self, to: u64) -> Result<(), LogError> {
        self.next(Carried::Truncate(to)).await.map(|_| ())
    }

    /// What was appended and not truncated, in order.
    pub fn read(&self) -> Vec<(u64, Vec<u8>)> {
        self.replica.borrow().entries()
    }
}

/// The block that a group prints in which nobody was ever initialized.
const NOT_INITIALIZED: &str = "
----------------------------------------------------------------------
Replicated log has not been initialized. Did you
forget to manually initialize the log (i.e.,
mesos-log initialize --path=<PATH>)? Note that all
replicas are not initialized and the above command
needs to be run on each host!
----------------------------------------------------------------------";

fn body<T: DeserializeOwned>(asked: &Asked) -> Result<T, String> {
    serde_json::from_slice(&asked.body).map_err(|error| error.to_string())
}

/// Awaits all of them at once, on this one task.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |context| {
        let mut waiting = false;
        for (future, output) in &mut pending {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(pending.drain(..).filter_map(|(_, output)| output).collect())
    })
    .await
}
