//! What is weighed, and what comes of it, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Values;
use crate::replog::{Finding, Span, Summary};

/// An engineer's answer to a question, or what the evidence answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Cannot say, or not asked.
    #[default]
    Unsure,
}

impl Answer {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unsure => "unsure",
        }
    }
}

/// The three questions of the assessment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answers {
    /// Does the scheduler keep failing over?
    pub failing_over: Answer,
    /// Do the logs show unusual replica messages?
    pub unusual_messages: Answer,
    /// Is the log missing or corrupt on any replica?
    pub log_corrupt: Answer,
}

/// What logs and ZooKeeper show of leadership.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Leadership {
    /// One leader, staying.
    Stable,
    /// Leadership changes again and again, for no reason on the Mesos side.
    Flapping,
    /// Leaders die because they do not register with Mesos.
    NotRegistering,
    /// Not known.
    #[default]
    Unknown,
}

/// What the schedulers' logs show of replicas that do not find each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Messages {
    /// Whether there are such lines; unsure where no log was read.
    pub unusual: Answer,
    /// How many of which kind, in words.
    pub says: String,
}

/// Why the question is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Something is wrong: is it the log?
    #[default]
    Damage,
    /// The state itself is to be rolled back to a backup: what a last copy holds is given up on purpose.
    Rollback,
}

/// One replica as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// Its host.
    pub host: String,
    /// What its directory says; `None` where nobody could look.
    pub summary: Option<Summary>,
    /// Digests of its values, where they are known: only with them are replicas compared position by position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Values>,
    /// A process held its lock while it was read: its end moves, and is not held against others.
    #[serde(default)]
    pub live: bool,
}

impl Replica {
    /// A replica of which the summary is all that is known.
    pub fn new(host: impl Into<String>, summary: Option<Summary>) -> Self {
        Self { host: host.into(), summary, values: None, live: false }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "decision")]
pub enum Decision {
    /// The log is well.
    Healthy,
    /// Initialize the log anew on all replicas and restore a backup into it.
    Reinitialize,
    /// One good copy is left: copy it aside before anything else, initialize nothing.
    DoNotTouchSurvivor {
        /// Where it is.
        host: String,
    },
    /// One replica is bad and the others form a quorum: move its directory aside, do not initialize it, start it.
    OneReplicaOnly {
        /// Which.
        host: String,
    },
    /// The log is well; look at Mesos or ZooKeeper.
    NotTheLog,
    /// Not enough is known.
    CannotTell,
}

impl Decision {
    /// One word, the same in runbooks and in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Reinitialize => "reinitialize",
            Self::DoNotTouchSurvivor { .. } => "survivor",
            Self::OneReplicaOnly { .. } => "one_replica",
            Self::NotTheLog => "not_the_log",
            Self::CannotTell => "cannot_tell",
        }
    }

    /// The replica that is meant.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::DoNotTouchSurvivor { host } | Self::OneReplicaOnly { host } => Some(host),
            _ => None,
        }
    }

    /// For a person in a hurry.
    pub fn headline(&self) -> String {
        match self {
            Self::Healthy => "healthy: the log is well".to_owned(),
            Self::Reinitialize => "re-initialize: on all replicas, then restore a backup".to_owned(),
            Self::DoNotTouchSurvivor { host } => {
                format!("DO NOT TOUCH: survivor on {host}; copy its directory aside first, initialize nothing")
            }
            Self::OneReplicaOnly { host } => {
                format!("one replica only: wipe {host}, do not initialize it; the others are a quorum")
            }
            Self::NotTheLog => "not the log: look at the Mesos side, registration and ZooKeeper".to_owned(),
            Self::CannotTell => "cannot tell: what is missing is listed".to_owned(),
        }
    }
}

/// Where a reason can be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pointer {
    /// The replica; absent where the schedulers' logs are meant.
    pub replica: Option<String>,
    /// The finding's code, or the kind of evidence.
    pub code: String,
    /// The file in the replica's directory.
    pub file: Option<String>,
    /// The byte in that file.
    pub offset: Option<u64>,
    /// The positions.
    pub positions: Vec<Span>,
}

impl Pointer {
    /// Spans of one pointer: it shows where to look, the finding has them all.
    const SPANS: usize = 4;

    pub(super) fn finding(host: &str, finding: &Finding) -> Self {
        Self {
            replica: Some(host.to_owned()),
            code: finding.code.clone(),
            file: finding.file.clone(),
            offset: finding.offset,
            positions: finding.positions.iter().copied().take(Self::SPANS).collect(),
        }
    }

    pub(super) fn of(code: &str) -> Self {
        Self { code: code.to_owned(), ..Self::default() }
    }

    pub(super) fn on(host: &str, code: &str, spans: &[Span]) -> Self {
        let positions = spans.iter().copied().take(Self::SPANS).collect();
        Self { replica: Some(host.to_owned()), positions, ..Self::of(code) }
    }
}

/// A sentence, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The sentence.
    pub text: String,
    /// Where that is seen.
    pub evidence: Vec<Pointer>,
}

/// A question of the assessment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Question {
    /// Does the scheduler keep failing over?
    A1,
    /// Do the logs show unusual replica messages?
    A2,
    /// Is the log missing or corrupt on any replica?
    A3,
}

impl Question {
    /// As it is asked.
    pub fn text(self) -> &'static str {
        match self {
            Self::A1 => "does the leadership keep changing",
            Self::A2 => "do the logs show unusual replica messages",
            Self::A3 => "is the log missing or corrupt on any replica",
        }
    }
}

/// An engineer's answer beside what the evidence answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Beside {
    /// Which question.
    pub question: Question,
    /// As it is asked.
    pub asked: String,
    /// What the engineer said.
    pub answered: Answer,
    /// What the evidence says.
    pub evidence: Answer,
    /// The evidence in words.
    pub says: String,
    /// One says yes and the other no.
    pub contradicts: bool,
}

/// Everything that is weighed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// One per scheduler.
    pub replicas: Vec<Replica>,
    /// `-native_log_quorum_size`.
    pub quorum: u32,
    /// The engineer's answers.
    pub answers: Answers,
    /// Leadership as logs and ZooKeeper show it.
    pub leadership: Leadership,
    /// Why that is said, in words.
    #[serde(default)]
    pub leading: String,
    /// What the schedulers' logs show of their replicas.
    #[serde(default)]
    pub messages: Messages,
    /// Why it is asked.
    pub mode: Mode,
}

/// The decision and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// What to do.
    pub decision: Decision,
    /// Why: what decided first, then each replica.
    pub reasons: Vec<Reason>,
    /// What must be known to tell better.
    pub missing: Vec<String>,
    /// The engineer's answers beside the evidence.
    pub answers: Vec<Beside>,
    /// Replicas whose directory is copied aside before anything is done to it.
    pub copy_first: Vec<String>,
}

impl Verdict {
    /// Answers that the evidence speaks against.
    pub fn contradicted(&self) -> impl Iterator<Item = &Beside> {
        self.answers.iter().filter(|beside| beside.contradicts)
    }
}
