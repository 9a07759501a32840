//! One replica of the log: what it promises, writes and learns, by the rules of Mesos's `replica.cpp`.
//!
//! No network and no clock: requests in, answers out, everything persisted through the store before
//! an answer is given. A replica that is not VOTING ignores promises and writes but still learns.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    practice::{error::PracticeError, replica_store::ReplicaStore},
    replog::{Action, ActionKind, Status},
};

use super::words::{Level, mesos};

/// What an action carries, as it travels between replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carried {
    /// Nothing.
    Nop,
    /// An entry of the scheduler, as hexadecimal digits.
    Append(String),
    /// Positions below this one are dropped.
    Truncate(u64),
}

/// A performed action, as it travels between replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Performed {
    /// Its position.
    pub position: u64,
    /// Under which proposal it was promised.
    pub promised: u64,
    /// Under which proposal it was written.
    pub performed: u64,
    /// Whether it is decided.
    pub learned: bool,
    /// What it carries.
    pub carried: Carried,
}

/// Asks for a promise; without a position, for the whole log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PromiseRequest {
    /// The proposal.
    pub proposal: u64,
    /// The position.
    pub position: Option<u64>,
}

/// Asks for a write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WriteRequest {
    /// The proposal.
    pub proposal: u64,
    /// Where.
    pub position: u64,
    /// What.
    pub carried: Carried,
}

/// How a replica answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Vote {
    /// Yes.
    Accept,
    /// There is a higher promise.
    Reject,
    /// The replica does not vote.
    Ignored,
}

/// The answer to a promise or a write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answered {
    /// The vote.
    pub vote: Vote,
    /// The proposal that stands.
    pub proposal: u64,
    /// The last position of the replica.
    pub end: u64,
    /// What is at the position that was asked for.
    pub action: Option<Performed>,
}

/// The answer to a recover request.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Recovered {
    /// The replica's status.
    pub status: Status,
    /// Its first position.
    pub begin: u64,
    /// Its last position.
    pub end: u64,
}

/// A replica on its store.
pub struct Replica {
    store: ReplicaStore,
    status: Status,
    promised: u64,
    /// Learned or not, by position, of everything from `begin` on.
    known: BTreeMap<u64, bool>,
    begin: u64,
    end: u64,
    /// Its own address, for the lines of its log.
    pub own: String,
}

impl Replica {
    /// Opens it and says what a real one says.
    pub fn open(path: &Path) -> Result<Self, PracticeError> {
        let (store, restored) = ReplicaStore::open(path).map_err(|error| PracticeError::Log {
            doing: "opening",
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        let mut known = BTreeMap::new();
        for (action, _) in store.read(restored.begin..=restored.end) {
            known.insert(action.position, action.learned == Some(true));
        }
        let text = format!(
            "Replica recovered with log positions {} -> {} with {} holes and {} unlearned",
            restored.begin, restored.end, restored.holes, restored.unlearned
        );
        mesos(Level::Info, "replica.cpp:779", &text);
        Ok(Self {
            store,
            status: restored.status,
            promised: restored.promised,
            known,
            begin: restored.begin,
            end: restored.end,
            own: String::new(),
        })
    }

    /// Its status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// What it promised for the whole log.
    pub fn promised(&self) -> u64 {
        self.promised
    }

    /// First and last position.
    pub fn range(&self) -> (u64, u64) {
        (self.begin, self.end)
    }

    /// Whether the position is decided here.
    pub fn learned_at(&self, position: u64) -> bool {
        self.known.get(&position) == Some(&true)
    }

    /// Persists a status.
    pub fn set_status(&mut self, status: Status) -> Result<(), String> {
        let promised = if status == Status::Recovering { 0 } else { self.promised };
        self.metadata(status, promised)?;
        mesos(Level::Info, "replica.cpp:323", &format!("Persisted replica status to {status}"));
        Ok(())
    }

    fn metadata(&mut self, status: Status, promised: u64) -> Result<(), String> {
        self.store.set_metadata(status, promised).map_err(|error| writing(&error))?;
        self.status = status;
        self.promised = promised;
        Ok(())
    }

    fn at(&self, position: u64) -> Option<(Action, Vec<u8>)> {
        self.store.read(position..=position).into_iter().next()
    }

    /// Answers a recover request.
    pub fn recover(&self, from: &str) -> Recovered {
        let status = self.status();
        let text = format!("Replica in {status} status received a broadcasted recover request from {from}");
        mesos(Level::Info, "replica.cpp:673", &text);
        Recovered { status, begin: self.begin, end: self.end }
    }

    /// Answers a promise request.
    pub fn promise(&mut self, from: &str, ask: &PromiseRequest) -> Result<Answered, String> {
        if self.status() != Status::Voting {
            return Ok(self.ignore("promise", from));
        }
        match ask.position {
            None => self.promise_all(from, ask.proposal),
            Some(position) => self.promise_one(from, ask.proposal, position),
        }
    }

    fn ignore(&self, what: &str, from: &str) -> Answered {
        let status = self.status();
        let text = format!("Replica ignoring {what} request from {from} as it is in {status} status");
        mesos(Level::Info, "replica.cpp:355", &text);
        Answered { vote: Vote::Ignored, proposal: 0, end: self.end, action: None }
    }

    fn promise_all(&mut self, from: &str, proposal: u64) -> Result<Answered, String> {
        let text = format!("Replica received implicit promise request from {from} with proposal {proposal}");
        mesos(Level::Info, "replica.cpp:493", &text);
        let promised = self.promised();
        if proposal <= promised {
            return Ok(self.deny(proposal, promised));
        }
        self.metadata(Status::Voting, proposal)?;
        mesos(Level::Info, "replica.cpp:345", &format!("Persisted promised to {proposal}"));
        Ok(Answered { vote: Vote::Accept, proposal, end: self.end, action: None })
    }

    fn deny(&self, proposal: u64, promised: u64) -> Answered {
        let text = format!("Replica denying promise request with proposal {proposal}");
        mesos(Level::Info, "replica.cpp:511", &text);
        Answered { vote: Vote::Reject, proposal: promised, end: self.end, action: None }
    }

    fn promise_one(&mut self, from: &str, proposal: u64, position: u64) -> Result<Answered, String> {
        let text = format!(
            "Replica received explicit promise request from {from} for position {position} with proposal {proposal}"
        );
        mesos(Level::Info, "replica.cpp:391", &text);
        if position < self.begin {
            // What was truncated is as good as nothing.
            let gone =
                Performed { position, promised: proposal, performed: proposal, learned: true, carried: Carried::Nop };
            return Ok(Answered { vote: Vote::Accept, proposal, end: self.end, action: Some(gone) });
        }
        let Some((action, bytes)) = self.at(position) else {
            if proposal <= self.promised() {
                return Ok(self.deny(proposal, self.promised()));
            }
            let promise = Action { position, promised: proposal, performed: None, learned: None, kind: None };
            self.persist(&promise, &[])?;
            return Ok(Answered { vote: Vote::Accept, proposal, end: self.end, action: None });
        };
        let performed = performed(&action, &bytes);
        if action.learned == Some(true) {
            return Ok(Answered { vote: Vote::Accept, proposal, end: self.end, action: performed });
        }
        if proposal <= action.promised {
            return Ok(self.deny(proposal, action.promised));
        }
        self.persist(&Action { promised: proposal, ..action }, &bytes)?;
        Ok(Answered { vote: Vote::Accept, proposal, end: self.end, action: performed })
    }

    /// Answers a write request.
    pub fn write(&mut self, from: &str, ask: &WriteRequest) -> Result<Answered, String> {
        if self.status() != Status::Voting {
            return Ok(self.ignore("write", from));
        }
        let text = format!("Replica received write request for position {} from {from}", ask.position);
        mesos(Level::Info, "replica.cpp:537", &text);
        let standing = match self.at(ask.position) {
            None => self.promised(),
            Some((action, _)) if action.learned == Some(true) => 0,
            Some((action, _)) => action.promised,
        };
        if ask.proposal < standing {
            return Ok(Answered { vote: Vote::Reject, proposal: standing, end: self.end, action: None });
        }
        if !self.learned_at(ask.position) {
            self.put(ask.position, ask.proposal, ask.proposal, false, &ask.carried)?;
        }
        Ok(Answered { vote: Vote::Accept, proposal: ask.proposal, end: self.end, action: None })
    }

    /// Takes a decided action, whatever the status.
    pub fn learn(&mut self, from: &str, action: &Performed) -> Result<(), String> {
        let text = format!("Replica received learned notice for position {} from {from}", action.position);
        mesos(Level::Info, "replica.cpp:691", &text);
        if action.position < self.begin {
            return Ok(());
        }
        self.put(action.position, action.promised, action.performed, true, &action.carried)?;
        if let Carried::Truncate(to) = action.carried {
            self.begin = self.begin.max(to);
            let begin = self.begin;
            self.known.retain(|position, _| *position >= begin);
        }
        Ok(())
    }

    fn put(
        &mut self,
        position: u64,
        promised: u64,
        performed: u64,
        learned: bool,
        carried: &Carried,
    ) -> Result<(), String> {
        let bytes = match carried {
            Carried::Append(digits) => unhex(digits).ok_or("an entry that is not hexadecimal")?,
            Carried::Nop | Carried::Truncate(_) => Vec::new(),
        };
        let kind = match carried {
            Carried::Nop => ActionKind::Nop { tombstone: false },
            Carried::Append(_) => ActionKind::Append { len: bytes.len() as u64 },
            Carried::Truncate(to) => ActionKind::Truncate { to: *to },
        };
        let learned = learned.then_some(true);
        let action = Action { position, promised, performed: Some(performed), learned, kind: Some(kind) };
        self.persist(&action, &bytes)
    }

    fn persist(&mut self, action: &Action, bytes: &[u8]) -> Result<(), String> {
        self.store.write_action(action, bytes).map_err(|error| writing(&error))?;
        self.end = self.end.max(action.position);
        self.known.insert(action.position, action.learned == Some(true));
        let kind = match action.kind {
            Some(ActionKind::Append { .. }) => "APPEND",
            Some(ActionKind::Truncate { .. }) => "TRUNCATE",
            Some(ActionKind::Nop { .. }) => "NOP",
            None => return Ok(()),
        };
        let place = action.position;
        mesos(Level::Info, "replica.cpp:712", &format!("Persisted action {kind} at position {place}"));
        Ok(())
    }

    /// The entries of the scheduler from the first position on: what it appended, in order.
    pub fn entries(&self) -> Vec<(u64, Vec<u8>)> {
        let actions = self.store.read(self.begin..=self.end).into_iter();
        let appended = actions.filter(|(action, _)| matches!(action.kind, Some(ActionKind::Append { .. })));
        appended.map(|(action, bytes)| (action.position, bytes)).collect()
    }
}

fn performed(action: &Action, bytes: &[u8]) -> Option<Performed> {
    let carried = match action.kind? {
        ActionKind::Nop { .. } => Carried::Nop,
        ActionKind::Append { .. } => Carried::Append(hex(bytes)),
        ActionKind::Truncate { to } => Carried::Truncate(to),
    };
    Some(Performed {
        position: action.position,
        promised: action.promised,
        performed: action.performed?,
        learned: action.learned == Some(true),
        carried,
    })
}

fn writing(error: &dyn std::fmt::Display) -> String {
    mesos(Level::Error, "replica.cpp:318", &format!("Error writing to log: {error}"));
    error.to_string()
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Hexadecimal digits as bytes.
pub fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect()
}
