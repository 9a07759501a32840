//! What may be asked of a session: by a person, by an answers file, by a result that comes in.

use serde_json::Value;

use super::{AttemptId, Outcome, Purpose, Report, UndoId};
use crate::runbook::model::{HostName, InputId, ItemId, StepId};

/// One thing that is asked of a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A consequence was read; `shown` is the text that stood there.
    Acknowledge {
        /// Which.
        item: ItemId,
        /// The text as it was shown.
        shown: String,
    },
    /// An input is answered.
    Answer {
        /// Which.
        input: InputId,
        /// The answer.
        given: Given,
    },
    /// Everything before the first step is settled: begin.
    Begin,
    /// A checklist item is ticked or unticked.
    Tick {
        /// The step.
        step: StepId,
        /// The item.
        item: ItemId,
        /// Ticked.
        on: bool,
    },
    /// Run a step that is ready.
    Run {
        /// The step.
        step: StepId,
        /// What was typed, where a phrase is asked for.
        typed: Option<String>,
        /// What stood on the screen when it was confirmed.
        shown: String,
        /// The sequence number of the state that the screen showed.
        seen_seq: u64,
    },
    /// Run again what stopped on a row.
    Retry {
        /// The step.
        step: StepId,
        /// The row.
        host: HostName,
    },
    /// Begin anew at a step that is over, as long as nothing since then has changed anything.
    GoBack {
        /// The step.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// Leave a step out.
    Skip {
        /// The step.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// The engineer has done a row's actions by hand; its gates are still looked at.
    ByHand {
        /// The step.
        step: StepId,
        /// The row; every row that is not done if left out.
        host: Option<HostName>,
        /// Why, or how.
        reason: String,
    },
    /// Let a gate count as open without evidence.
    Override {
        /// The step.
        step: StepId,
        /// The row.
        host: HostName,
        /// Which gate, counted from 0.
        gate: usize,
        /// Why.
        reason: String,
    },
    /// Write something into the record.
    Note {
        /// What.
        text: String,
    },
    /// Say whether an attempt without a result has happened.
    Settle {
        /// The attempt.
        attempt: AttemptId,
        /// Whether it happened.
        happened: bool,
        /// How it is known.
        reason: String,
    },
    /// Look again whether an attempt without a result has happened.
    LookAgain {
        /// The attempt.
        attempt: AttemptId,
    },
    /// An undo entry was put back by hand, or is to be left.
    UndoByHand {
        /// The entry.
        entry: UndoId,
        /// Why, or how.
        reason: String,
    },
    /// Give up: leave out what is left and go to the phases that are always walked.
    Abandon {
        /// Why.
        reason: String,
    },
    /// Start nothing new; what runs is finished.
    Hold,
    /// Go on after a hold.
    Release,
    /// The process ends in good order.
    Leave {
        /// Why.
        why: String,
    },
    /// Another process takes the session up.
    Resume {
        /// Who.
        operator: String,
        /// On which machine.
        machine: String,
        /// With which version of the tool.
        version: String,
        /// Its process id.
        pid: u32,
    },
    /// Wall clock and monotonic clock moved apart.
    ClockJumped {
        /// By how much, in milliseconds of wall time.
        by_ms: i64,
    },
    /// An attempt has a result.
    Finished {
        /// Which.
        attempt: AttemptId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A look has a result.
    Looked {
        /// What it was for.
        purpose: Purpose,
        /// What it found.
        report: Report,
    },
}

/// An answer as it comes in.
#[derive(Clone, PartialEq)]
pub enum Given {
    /// Text, a choice, a duration, a path, a host, yes/no/unsure.
    Text(String),
    /// One entry of a list that an earlier step found, by the value of the member that tells it apart.
    Pick(String),
    /// A secret was given; the session never sees it.
    Secret,
    /// The answer is taken back.
    Nothing,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Self::Pick(value) => f.debug_tuple("Pick").field(value).finish(),
            Self::Secret => f.write_str("Secret"),
            Self::Nothing => f.write_str("Nothing"),
        }
    }
}

/// True if a reason says something.
pub(super) fn says_something(reason: &str) -> bool {
    reason.trim().chars().count() >= 3
}

/// A scalar as the text that stands for it in a template.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
