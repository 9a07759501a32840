//! The session: a fold over events, and a pure function that decides which events a command leads to.
//!
//! ```text
//! decide(State, Stamp, Command) -> Refusal | events + effects
//! apply(State, Event)           -> State
//! ```
//!
//! What is absent, on purpose: no clock (time comes in as [`Stamp`] with each command), no randomness
//! (ids are counted), no async, no I/O, no path, no environment. Live, resume, replay and tests use the
//! same [`State::apply`]; a resume only adds [`Command::Resume`].
//!
//! What it survives: a process that dies between any two events. An attempt that was started and has
//! no result is *in doubt*; it is settled by looking, else by the engineer, and repeated by itself
//! only where the runbook declares it idempotent.
//!
//! What it does not survive: a journal that was changed by hand. An event that does not fit the state
//! is an [`ApplyError`], never skipped.

mod apply;
mod command;
mod context;
mod decide;
mod effect;
mod event;
mod gate;
mod ids;
mod state;
mod undo;
mod view;

pub use apply::ApplyError;
pub use command::{Command, Given};
pub use context::Context;
pub use decide::{Decision, Refusal, decide};
pub use effect::{Effect, Known, Look, Order, Purpose};
pub use event::{Answer, Event, Evidence, GateOrder, Opened};
pub use gate::{GateView, gate_view};
pub use ids::{AttemptId, Stamp, UndoId};
pub use state::{
    Attempt, Closing, Drift, Ending, GateState, Life, Note, Override, Row, RowStatus, Seen, Session, State, StepState,
    StepStatus, UndoEntry, UndoStatus,
};
pub use view::{Clock, StepCondition, blocks, clocks, no_way_back, row_gates, step_condition};

use serde::{Deserialize, Serialize};

/// What a look found. Unknown is a value of its own: it is never rounded to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It is so.
    Holds,
    /// It is not so.
    Fails,
    /// It could not be seen.
    Unknown,
}

/// What an action or a probe reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// For a probe: whether what was asked is so. For an action that was done: holds.
    pub finding: Finding,
    /// One line in words: what was seen or done.
    pub seen: String,
    /// More lines, for whoever opens the evidence. Bounded by who makes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Members for later steps; an object or null.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub outputs: serde_json::Value,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done; the report says what.
    Done(Report),
    /// A guard did not hold: nothing was done.
    Refused {
        /// Which and why.
        why: String,
    },
    /// It failed, and what it left is known.
    Failed {
        /// Why.
        why: String,
    },
    /// Whether it happened is not known.
    InDoubt {
        /// Why it is not known.
        why: String,
    },
    /// It never began.
    Cancelled {
        /// Why.
        why: String,
    },
}

impl Report {
    /// A report that holds.
    pub fn holds(seen: impl Into<String>) -> Self {
        Self::new(Finding::Holds, seen)
    }

    /// A report that fails.
    pub fn fails(seen: impl Into<String>) -> Self {
        Self::new(Finding::Fails, seen)
    }

    /// A report that could not be made.
    pub fn unknown(seen: impl Into<String>) -> Self {
        Self::new(Finding::Unknown, seen)
    }

    /// A report without details or outputs.
    pub fn new(finding: Finding, seen: impl Into<String>) -> Self {
        Self { finding, seen: seen.into(), details: Vec::new(), outputs: serde_json::Value::Null }
    }

    /// The same report with outputs.
    #[must_use]
    pub fn with_outputs(mut self, outputs: serde_json::Value) -> Self {
        self.outputs = outputs;
        self
    }

    /// The same report with details.
    #[must_use]
    pub fn with_details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}
