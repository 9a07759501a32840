//! What happened. Events are durable and carry everything that is needed to fold them without the
//! runbook's file or the inventory's. Their serialized form is a contract: `FORMAT` counts its versions,
//! and a kind that is not known refuses to be read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AttemptId, Finding, Outcome, UndoId};
use crate::{
    inventory::Inventory,
    runbook::{
        Mode,
        kind::Kind,
        model::{HostName, InputId, ItemId, Register, StepId},
    },
};

/// Everything a session begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// The session's id.
    pub session: String,
    /// Recovery or training.
    pub mode: Mode,
    /// Who.
    pub operator: String,
    /// On which machine.
    pub machine: String,
    /// With which version of the tool.
    pub version: String,
    /// The runbook's name, as the operator gave it.
    pub runbook_name: String,
    /// The runbook's bytes.
    pub runbook: String,
    /// SHA-256 of the runbook's bytes, in hex.
    pub runbook_sha256: String,
    /// The inventory's name, as the operator gave it.
    pub inventory_name: String,
    /// The inventory.
    pub inventory: Inventory,
}

/// An answer as it is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Text of any kind.
    Text(String),
    /// The chosen entry, whole.
    Picked {
        /// The member that tells it apart.
        value: String,
        /// The entry.
        entry: Value,
    },
    /// A secret was given. It is not here.
    Secret,
}

/// A gate of one row, fully rendered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateOrder {
    /// What is looked at.
    pub kind: Kind,
    /// What it shows, in words.
    pub say: String,
    /// Why it is not needed, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_needed: Option<String>,
}

/// What a gate had seen when its row was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// What was seen, or why the gate counts without.
    pub seen: String,
    /// When, as milliseconds UTC; 0 if nothing was seen.
    pub at_utc_ms: i64,
}

/// One thing that happened.
#[expect(clippy::large_enum_variant, reason = "events are few at a time; boxes in all of them would hide their fields")]
#[expect(missing_docs, reason = "each variant says what happened; its fields are the nouns of that sentence")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The session was opened.
    Opened(Box<Opened>),
    /// A consequence was acknowledged, with the text that stood there.
    Acknowledged { item: ItemId, shown: String },
    /// An input was answered, or its answer taken back.
    Answered { input: InputId, answer: Option<Answer> },
    /// The first step may come.
    Began,
    /// A checklist item was ticked or unticked.
    Ticked { step: StepId, item: ItemId, on: bool },
    /// A step's turn has come.
    StepReady { step: StepId },
    /// A step is left out, by its condition or because the procedure ended early.
    StepNotNeeded { step: StepId, why: String },
    /// A step was confirmed: what was typed, what stood on the screen, and which state it showed.
    Confirmed { step: StepId, typed: Option<String>, shown: String, seen_seq: u64 },
    /// A step began on these rows.
    StepStarted { step: StepId, hosts: Vec<HostName> },
    /// An action is about to be handed out.
    AttemptStarted {
        attempt: AttemptId,
        step: StepId,
        host: HostName,
        /// Which of the step's actions, counted from 0.
        action: usize,
        /// The undo entry that it carries out, if it does.
        undoes: Option<UndoId>,
        /// Fully rendered.
        kind: Kind,
        guards: Vec<Kind>,
        /// What will take it back, known before it runs.
        inverse: Option<Kind>,
        register: Option<Register>,
        timeout_ms: u64,
    },
    /// An action of a row is left out by its condition.
    ActionNotNeeded { step: StepId, host: HostName, action: usize },
    /// An attempt has a result.
    AttemptFinished { attempt: AttemptId, outcome: Outcome, took_ms: u64 },
    /// An attempt's process is gone and left no result.
    AttemptDoubted { attempt: AttemptId, why: String },
    /// It was settled whether an attempt without a result has happened.
    DoubtSettled { attempt: AttemptId, happened: bool, how: String },
    /// A row's actions are done and its gates are looked at.
    RowVerifying { step: StepId, host: HostName, gates: Vec<GateOrder>, undo: Vec<Kind> },
    /// A gate's evidence changed.
    Observed {
        step: StepId,
        host: HostName,
        gate: usize,
        finding: Finding,
        seen: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        details: Vec<String>,
        #[serde(default, skip_serializing_if = "Value::is_null")]
        outputs: Value,
    },
    /// A gate's evidence was seen again and says the same, perhaps in other words. Never written: after a
    /// crash it is looked at anew.
    Refreshed { step: StepId, host: HostName, gate: usize, seen: String },
    /// A gate counts as open without evidence.
    Overridden { step: StepId, host: HostName, gate: usize, reason: String, seen: String },
    /// A row's actions were done by hand.
    RowByHand { step: StepId, host: HostName, reason: String },
    /// A row cannot go on, without an attempt having failed: what a text needs is not there.
    RowStopped { step: StepId, host: HostName, why: String },
    /// A row's actions are done once more, from the first.
    RowRestarted { step: StepId, host: HostName },
    /// A row is done, with the evidence of each gate.
    RowDone { step: StepId, host: HostName, evidence: Vec<Evidence> },
    /// A step is done on every row.
    StepDone { step: StepId },
    /// A step was left out by the engineer.
    StepSkipped { step: StepId, reason: String },
    /// The engineer went back to a step: it and every later one are as if their turn had not come.
    WentBack { step: StepId, reason: String },
    /// A step that was done has to be run again.
    StepReopened { step: StepId, why: String },
    /// What an earlier step made true was looked at after a resume.
    LookedBack { step: StepId, host: HostName, gate: usize, finding: Finding, seen: String },
    /// Something was written into the record.
    Noted { text: String },
    /// An undo entry is settled: what it would take back is permanent.
    UndoSettled { entry: UndoId, by: StepId },
    /// An undo entry was put back by hand, or is left.
    UndoByHand { entry: UndoId, reason: String },
    /// The engineer gave up on going forward.
    Abandoned { reason: String },
    /// A step ended the procedure early.
    EndedEarly { step: StepId, outcome: String },
    /// The session is over.
    Ended { outcome: String },
    /// Nothing new is started.
    Held,
    /// Things are started again.
    Released,
    /// The process ended in good order.
    Left { why: String },
    /// Another process took the session up.
    Resumed { operator: String, machine: String, version: String, pid: u32 },
    /// Wall clock and monotonic clock moved apart: evidence is looked at anew.
    ClockJumped { by_ms: i64 },
}

impl Event {
    /// True if it is written to the journal.
    pub fn is_durable(&self) -> bool {
        !matches!(self, Self::Refreshed { .. })
    }
}
