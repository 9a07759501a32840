//! What a session asks the world to do. Each effect follows from events that are durable by then.

use std::collections::BTreeMap;

use serde_json::Value;

use super::AttemptId;
use crate::runbook::{
    kind::Kind,
    model::{HostName, Register, StepId},
};

/// Outputs of earlier steps that a kind needs whole: register, host, members.
pub type Known = BTreeMap<Register, BTreeMap<HostName, Value>>;

/// One thing the world is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Run an action; its result comes back as `Command::Finished`.
    Attempt(Order),
    /// Look; the result comes back as `Command::Looked`.
    Look(Look),
}

/// An action to run, with the guards that are looked at in the same breath.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Names the attempt in journal, output file and on the host.
    pub attempt: AttemptId,
    /// The step it belongs to.
    pub step: StepId,
    /// Where it runs.
    pub host: HostName,
    /// What is done, fully rendered.
    pub kind: Kind,
    /// What must hold right before.
    pub guards: Vec<Kind>,
    /// Outputs of earlier steps that it needs whole.
    pub known: Known,
    /// Longest time, in milliseconds; past it the attempt is in doubt.
    pub timeout_ms: u64,
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// What for.
    pub purpose: Purpose,
    /// Where.
    pub host: HostName,
    /// What is looked at, fully rendered.
    pub kind: Kind,
    /// Outputs of earlier steps that it needs whole.
    pub known: Known,
    /// Wait this many milliseconds first.
    pub after_ms: u64,
    /// Longest time, in milliseconds; past it the finding is unknown.
    pub timeout_ms: u64,
}

/// What a look is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Evidence for a gate.
    Gate {
        /// The step.
        step: StepId,
        /// The row.
        host: HostName,
        /// The gate, counted from 0.
        gate: usize,
        /// Looks of an earlier epoch of the row are void.
        epoch: u32,
    },
    /// Whether an attempt without a result has happened.
    Happened {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Whether an attempt without a result has not happened.
    DidNot {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Whether what an earlier step made true is still so, after a resume.
    StillSo {
        /// The step.
        step: StepId,
        /// The row.
        host: HostName,
        /// The gate, counted from 0.
        gate: usize,
    },
}
