//! What a record consists of. The serialized form is the report as JSON: times are UTC, durations milliseconds.

use serde::Serialize;
use serde_json::Value;

use crate::{
    journal::{self},
    session::{Finding, Stamp},
};

/// A time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// In words.
    pub at: String,
    /// In milliseconds since 1970, UTC.
    pub utc_ms: i64,
}

impl From<Stamp> for Moment {
    fn from(at: Stamp) -> Self {
        Self { at: journal::utc_text(at.utc_ms), utc_ms: at.utc_ms }
    }
}

/// Everything a reader asks afterwards.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Story {
    /// The version of this form.
    pub format: u32,
    /// The session.
    pub session: String,
    /// The cluster's name.
    pub cluster: String,
    /// True if nothing of this happened to a real cluster.
    pub practice: bool,
    /// `recovery` or `training`.
    pub mode: crate::runbook::Mode,
    /// The procedure, in one line.
    pub title: String,
    /// The runbook, as the operator named it.
    pub runbook: String,
    /// SHA-256 of the runbook's bytes.
    pub runbook_sha256: String,
    /// The inventory, as the operator named it.
    pub inventory: String,
    /// When the session began.
    pub began: Moment,
    /// When the newest event happened.
    pub last: Moment,
    /// From the first event to the newest.
    pub took_ms: u64,
    /// How many records there are.
    pub records: u64,
    /// The hash of the last of them: it stands for the whole journal.
    pub head: String,
    /// True if the session is over.
    pub over: bool,
    /// How it ended, or where it stands.
    pub outcome: String,
    /// Why it was given up, if it was.
    pub abandoned: Option<String>,
    /// Who drove it, one entry for each process.
    pub presences: Vec<Presence>,
    /// Consequences that were read.
    pub acknowledged: Vec<Remark>,
    /// Answers, also those that were changed later.
    pub answers: Vec<Answered>,
    /// What was confirmed.
    pub confirmations: Vec<Confirmation>,
    /// Items that were ticked or unticked.
    pub ticks: Vec<Remark>,
    /// Every action that was handed out.
    pub commands: Vec<Command>,
    /// Every gate, with the newest that was seen.
    pub evidence: Vec<Evidence>,
    /// Gates that count without evidence.
    pub overrides: Vec<Overridden>,
    /// What was done by hand.
    pub by_hand: Vec<Remark>,
    /// Steps that had to be run again.
    pub reopened: Vec<Remark>,
    /// Notes.
    pub notes: Vec<Remark>,
    /// Attempts of which it was not known whether they happened.
    pub doubts: Vec<Doubt>,
    /// What a resume found changed.
    pub drift: Vec<Drifted>,
    /// What was left out.
    pub not_done: Vec<NotDone>,
    /// What this session changed, oldest first.
    pub changed: Vec<Changed>,
    /// What was lost, as actions and looks found it.
    pub lost: Vec<Loss>,
    /// What the restore was expected to do to the tasks, and what it did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub radius: Vec<super::Radius>,
    /// Steps with their times, in the runbook's order.
    pub steps: Vec<StepTime>,
    /// Everything, in order.
    pub timeline: Vec<Told>,
}

/// A process that drove the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Presence {
    /// Who.
    pub operator: String,
    /// On which machine.
    pub machine: String,
    /// With which version of the tool.
    pub version: String,
    /// From its first event.
    pub from: Moment,
    /// To its last.
    pub to: Moment,
    /// Why it left; none if it was ended from outside, or drives the session still.
    pub left: Option<String>,
    /// How long nobody had driven the session before.
    pub away_ms: u64,
}

/// Something that was said, with what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// When.
    pub at: Moment,
    /// By whom.
    pub by: String,
    /// The step's title, if it is about one.
    pub step: Option<String>,
    /// The host, if it is about one.
    pub host: Option<String>,
    /// What.
    pub text: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answered {
    /// When.
    pub at: Moment,
    /// By whom.
    pub by: String,
    /// The question's name in the runbook.
    pub input: String,
    /// The question.
    pub title: String,
    /// The answer.
    pub given: Given,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// This text.
    Text(String),
    /// This entry of a list.
    Picked {
        /// The member that tells it apart.
        value: String,
        /// The whole entry.
        entry: Value,
    },
    /// A secret, which is written down nowhere.
    Secret,
    /// The answer was taken back.
    TakenBack,
}

/// A confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confirmation {
    /// When.
    pub at: Moment,
    /// By whom.
    pub by: String,
    /// The step's title.
    pub step: String,
    /// What was typed, where something was asked for.
    pub typed: Option<String>,
    /// What stood on the screen.
    pub shown: String,
}

/// An action that was handed out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Command {
    /// Names the attempt, and its file of output.
    pub attempt: String,
    /// The step's title.
    pub step: String,
    /// Where it ran.
    pub host: String,
    /// What it does.
    pub what: String,
    /// True if it takes back what an earlier one changed.
    pub undoes: bool,
    /// What had to hold right before.
    pub guards: Vec<String>,
    /// When it was handed out.
    pub at: Moment,
    /// How long it took; none if that is not known.
    pub took_ms: Option<u64>,
    /// `done`, `refused`, `failed`, `in doubt`, `not begun` or `no result`.
    pub outcome: &'static str,
    /// What was seen, or why.
    pub said: String,
    /// More lines.
    pub details: Vec<String>,
}

/// A gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The step's title.
    pub step: String,
    /// The host.
    pub host: String,
    /// What it shows.
    pub gate: String,
    /// What is looked at.
    pub what: String,
    /// What was found last; none if it was not looked at.
    pub finding: Option<Finding>,
    /// In words.
    pub seen: String,
    /// When that was seen.
    pub at: Option<Moment>,
    /// More lines.
    pub details: Vec<String>,
    /// Why it was not needed, if so.
    pub not_needed: Option<String>,
    /// Why it counts without evidence, if so.
    pub overridden: Option<String>,
    /// How often what was seen changed.
    pub changes: u64,
}

/// A gate that counts without evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overridden {
    /// When.
    pub at: Moment,
    /// By whom.
    pub by: String,
    /// The step's title.
    pub step: String,
    /// The host.
    pub host: String,
    /// What the gate shows.
    pub gate: String,
    /// What had been seen.
    pub seen: String,
    /// Why it counts.
    pub reason: String,
}

/// An attempt of which it was not known whether it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doubt {
    /// When it came up.
    pub at: Moment,
    /// The attempt.
    pub attempt: String,
    /// The step's title.
    pub step: String,
    /// The host.
    pub host: String,
    /// What the attempt was to do.
    pub what: String,
    /// Why it was not known.
    pub why: String,
    /// How it was settled; none if it is open.
    pub settled: Option<Settled>,
}

/// How a doubt was settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// When.
    pub at: Moment,
    /// Whether it had happened; none if it was done by hand after all.
    pub happened: Option<bool>,
    /// How that is known.
    pub how: String,
}

/// What a resume found changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drifted {
    /// When.
    pub at: Moment,
    /// The step's title.
    pub step: String,
    /// The host.
    pub host: String,
    /// What the gate shows.
    pub gate: String,
    /// What was found.
    pub finding: Finding,
    /// In words.
    pub seen: String,
    /// True if the session had it so still at its end.
    pub open: bool,
}

/// What was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotDone {
    /// The step's title.
    pub step: String,
    /// The host, if only there.
    pub host: Option<String>,
    /// `skipped` by the engineer, `not needed` by its condition, or `not reached`.
    pub how: &'static str,
    /// Why.
    pub why: String,
}

/// What this session changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The step's title.
    pub step: String,
    /// Where.
    pub host: String,
    /// What takes it back.
    pub undo: String,
    /// True if it is changed still and is not meant to stay.
    pub open: bool,
    /// What became of it.
    pub status: String,
}

/// Something that was lost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Loss {
    /// The step's title.
    pub step: String,
    /// The host on which it was found.
    pub host: String,
    /// The member's name.
    pub kind: String,
    /// What, as it was found.
    pub what: Value,
}

/// A step with its times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepTime {
    /// The phase's title.
    pub phase: String,
    /// The step's title.
    pub step: String,
    /// How it stands, in one word.
    pub status: &'static str,
    /// When its turn came.
    pub ready: Option<Moment>,
    /// From its turn to its start: time in which a person read and decided.
    pub waited_ms: Option<u64>,
    /// From its start to its end, or to the newest event.
    pub worked_ms: Option<u64>,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The record's number.
    pub seq: u64,
    /// When.
    pub at: Moment,
    /// Since the session began.
    pub since_ms: u64,
    /// What happened.
    pub text: String,
}
