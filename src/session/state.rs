//! What a session knows: the fold of its events, and nothing else. Views read it; only `apply` writes it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::Value;

use super::{Answer, AttemptId, Finding, GateOrder, Opened, Outcome, Stamp, UndoId};
use crate::{
    inventory::Inventory,
    runbook::{
        kind::Kind,
        model::{HostName, InputId, ItemId, Phase, Register, Runbook, Step, StepId},
    },
};

/// What a session begins with; it never changes.
#[derive(Debug)]
pub struct Session {
    /// The event that opened it.
    pub opened: Opened,
    /// When.
    pub at: Stamp,
    /// The runbook, checked.
    pub runbook: Arc<Runbook>,
    pub(super) index: HashMap<StepId, usize>,
    /// Where each step stands in the runbook: phase, step within it.
    pub(super) places: Vec<(usize, usize)>,
}

/// Everything that is known of a session at one moment.
#[derive(Debug, Clone)]
pub struct State {
    /// What it began with.
    pub session: Arc<Session>,
    /// How far its life has come.
    pub life: Life,
    /// Consequences that were acknowledged.
    pub acknowledged: BTreeSet<ItemId>,
    /// Answers.
    pub answers: BTreeMap<InputId, Answer>,
    /// Steps, in the runbook's order.
    pub steps: Vec<StepState>,
    /// What actions and gates found: register, host, members.
    pub outputs: BTreeMap<Register, BTreeMap<HostName, Value>>,
    /// Attempts that have no result: they run, or they are in doubt.
    pub attempts: BTreeMap<AttemptId, Attempt>,
    /// What this session changed, oldest first.
    pub undo: Vec<UndoEntry>,
    /// Notes, oldest first.
    pub notes: Vec<Note>,
    /// Gates that count without evidence.
    pub overrides: Vec<Override>,
    /// What was found changed when earlier steps were looked at again.
    pub drift: Vec<Drift>,
    /// Gates of earlier steps that are being looked at again: step, row, gate.
    pub looking_back: BTreeSet<(StepId, HostName, usize)>,
    /// True while nothing new is started.
    pub held: bool,
    /// The number of the newest event.
    pub seq: u64,
    /// When the newest event happened.
    pub at: Stamp,
    pub(super) next_attempt: u64,
}

/// How far a session has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Life {
    /// Consequences and inputs come first.
    Opening,
    /// Steps are walked.
    Walking,
    /// What is left is left out; the phases that are always walked come.
    Ending {
        /// Why.
        why: Ending,
    },
    /// It is over.
    Ended {
        /// How.
        outcome: String,
        /// Why it ended before its last step, if it did.
        why: Option<Ending>,
        /// When.
        at: Stamp,
    },
}

/// Why a session ends before its last step.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// The engineer gave up on going forward.
    Abandoned {
        /// Why.
        reason: String,
    },
    /// A step ended the procedure.
    Early {
        /// How.
        outcome: String,
    },
}

/// One step.
#[derive(Debug, Clone)]
pub struct StepState {
    /// Its id.
    pub id: StepId,
    /// How far it has come.
    pub status: StepStatus,
    /// One row for each host, from the moment it is started.
    pub rows: Vec<Row>,
    /// Items that are ticked.
    pub ticked: BTreeSet<ItemId>,
    /// When its turn came.
    pub ready: Option<Stamp>,
    /// When it was started.
    pub started: Option<Stamp>,
    /// When it was closed.
    pub closed: Option<Stamp>,
    /// Why it has to be run again, if it was done before.
    pub reopened: Option<String>,
    /// The newest event that changed what a confirmation of this step is about.
    pub asked_seq: u64,
}

/// How far a step has come.
#[derive(Debug, Clone, PartialEq)]
pub enum StepStatus {
    /// Its turn has not come.
    Locked,
    /// It waits for the engineer.
    Ready,
    /// It was started.
    Active,
    /// It is over.
    Closed(Closing),
}

/// How a step was closed.
#[derive(Debug, Clone, PartialEq)]
pub enum Closing {
    /// Done on every row.
    Done,
    /// Left out by its condition.
    NotNeeded {
        /// Why.
        why: String,
    },
    /// Left out by the engineer.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// A step on one host.
#[derive(Debug, Clone)]
pub struct Row {
    /// The host.
    pub host: HostName,
    /// How far it has come.
    pub status: RowStatus,
    /// The action that comes next, counted from 0.
    pub next: usize,
    /// What the newest attempt reported.
    pub report: Option<String>,
    /// Gates, from the moment they are looked at.
    pub gates: Vec<GateState>,
    /// Counts how often its gates were taken up.
    pub epoch: u32,
    /// Why its actions count as done, if a person did them.
    pub by_hand: Option<String>,
}

/// How far a row has come.
#[derive(Debug, Clone, PartialEq)]
pub enum RowStatus {
    /// Its next action has not been handed out.
    Waiting,
    /// An action runs.
    Running {
        /// Which attempt.
        attempt: AttemptId,
        /// Since when.
        since: Stamp,
    },
    /// Its action did not succeed, or did not happen.
    Stopped {
        /// Why.
        why: String,
        /// True if it may be started again without asking.
        again: bool,
    },
    /// Whether its action happened is not known.
    InDoubt {
        /// Which attempt.
        attempt: AttemptId,
        /// Why.
        why: String,
    },
    /// Its gates are looked at.
    Verifying {
        /// Since when.
        since: Stamp,
    },
    /// Done.
    Done {
        /// When.
        at: Stamp,
    },
}

/// A gate on one row.
#[derive(Debug, Clone)]
pub struct GateState {
    /// What is looked at, and what it shows.
    pub order: GateOrder,
    /// The newest evidence.
    pub seen: Option<Seen>,
    /// Why it counts as open without evidence.
    pub overridden: Option<String>,
}

/// Evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What it says.
    pub finding: Finding,
    /// In words.
    pub text: String,
    /// More lines.
    pub details: Vec<String>,
    /// Since when it says so without a break.
    pub since: Stamp,
    /// When it was last seen.
    pub last: Stamp,
}

/// An attempt without a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The step.
    pub step: StepId,
    /// The row. For an undo this is the step's row, not the host it runs on.
    pub row: HostName,
    /// The host it runs on.
    pub host: HostName,
    /// Which of the step's actions.
    pub action: usize,
    /// The undo entry that it carries out.
    pub undoes: Option<UndoId>,
    /// Fully rendered.
    pub kind: Kind,
    /// What takes it back.
    pub inverse: Option<Kind>,
    /// Where its outputs go.
    pub register: Option<Register>,
    /// When it was handed out.
    pub since: Stamp,
    /// Why it is in doubt, if it is.
    pub doubt: Option<String>,
}

/// Something this session changed.
#[derive(Debug, Clone, PartialEq)]
pub struct UndoEntry {
    /// Its number.
    pub id: UndoId,
    /// The step that changed it.
    pub step: StepId,
    /// Where.
    pub host: HostName,
    /// What takes it back, fully rendered.
    pub kind: Kind,
    /// How far it has come.
    pub status: UndoStatus,
}

/// How far an undo has come.
#[derive(Debug, Clone, PartialEq)]
pub enum UndoStatus {
    /// It is still changed.
    Open,
    /// It was put back.
    Undone {
        /// When.
        at: Stamp,
        /// What was seen.
        seen: String,
    },
    /// It was put back, or is left, by the engineer.
    ByHand {
        /// Why, or how.
        reason: String,
    },
    /// It is permanent since this step.
    Settled {
        /// The step.
        by: StepId,
    },
}

/// A note.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// When.
    pub at: Stamp,
    /// The step that was current.
    pub step: Option<StepId>,
    /// What.
    pub text: String,
}

/// A gate that counts without evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// When.
    pub at: Stamp,
    /// The step.
    pub step: StepId,
    /// The row.
    pub host: HostName,
    /// What the gate shows.
    pub gate: String,
    /// What had been seen.
    pub seen: String,
    /// Why it counts.
    pub reason: String,
}

/// Something that an earlier step made true, that later ones rely on, and that is not so any more, or not known to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// The step.
    pub step: StepId,
    /// The row.
    pub host: HostName,
    /// Which gate.
    pub gate: usize,
    /// What the gate shows.
    pub say: String,
    /// What was found.
    pub finding: Finding,
    /// In words.
    pub seen: String,
}

impl State {
    /// The runbook.
    pub fn runbook(&self) -> &Runbook {
        &self.session.runbook
    }

    /// The inventory.
    pub fn inventory(&self) -> &Inventory {
        &self.session.opened.inventory
    }

    /// A step's place in the order.
    pub fn position(&self, id: &StepId) -> Option<usize> {
        self.session.index.get(id).copied()
    }

    /// A step's state.
    pub fn step(&self, id: &StepId) -> Option<&StepState> {
        self.steps.get(self.position(id)?)
    }

    /// A step as the runbook has it, with its phase.
    pub fn step_model(&self, id: &StepId) -> Option<(&Phase, &Step)> {
        let &(phase, step) = self.session.places.get(self.position(id)?)?;
        let phase = self.session.runbook.phases.get(phase)?;
        Some((phase, phase.steps.get(step)?))
    }

    /// The step whose turn it is: the first that is not closed.
    pub fn current(&self) -> Option<&StepState> {
        self.steps.iter().find(|step| !matches!(step.status, StepStatus::Closed(_)))
    }

    /// True if it is a step's turn: nothing before it is open.
    pub fn has_its_turn(&self, id: &StepId) -> bool {
        self.current().is_some_and(|current| &current.id == id)
    }

    /// Every gate of a step that is done and that a step still to be done relies on.
    pub(super) fn relied_on_gates(&self) -> impl Iterator<Item = (&StepState, &Row, usize, &GateState)> {
        self.steps.iter().filter(|step| self.is_relied_on(step)).flat_map(|step| {
            step.rows.iter().flat_map(move |row| {
                let gates = row.gates.iter().enumerate();
                let counts = |gate: &GateState| gate.order.not_needed.is_none() && gate.overridden.is_none();
                gates.filter(move |(_, gate)| counts(gate)).map(move |(at, gate)| (step, row, at, gate))
            })
        })
    }

    fn is_relied_on(&self, step: &StepState) -> bool {
        let until = self.step_model(&step.id).and_then(|(_, model)| model.holds_until.as_ref());
        // Once the step that relies on it has acted on every host, what it found is rightly gone.
        let still_to_act = |until: &StepState| {
            let acted = |row: &Row| matches!(row.status, RowStatus::Verifying { .. } | RowStatus::Done { .. });
            !until.is_closed() && (until.rows.is_empty() || !until.rows.iter().all(acted))
        };
        step.status == StepStatus::Closed(Closing::Done)
            && until.and_then(|until| self.step(until)).is_some_and(still_to_act)
    }

    /// The first step that has to be run again, before the step whose turn it is: what it made true is no
    /// longer so, and a step that can still come relies on it.
    pub(super) fn drifted(&self) -> Option<&StepState> {
        let turn = self.current().and_then(|current| self.position(&current.id))?;
        let walked = |step: &StepState| {
            self.life == Life::Walking || self.step_model(&step.id).is_some_and(|(phase, _)| phase.always)
        };
        let gone =
            |step: &StepState| self.drift.iter().any(|drift| drift.step == step.id && drift.finding == Finding::Fails);
        self.steps.iter().take(turn).find(|step| gone(step) && walked(step) && self.is_relied_on(step))
    }

    /// True if an action runs.
    pub fn is_busy(&self) -> bool {
        self.attempts.values().any(|attempt| attempt.doubt.is_none())
    }

    /// What is still changed on the cluster, newest first.
    pub fn still_changed(&self) -> impl Iterator<Item = &UndoEntry> {
        self.undo.iter().rev().filter(|entry| entry.status == UndoStatus::Open)
    }

    /// Why the session ends, or has ended, before its last step; `None` if it did not.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.life {
            Life::Ending { why } => Some(why),
            Life::Ended { why, .. } => why.as_ref(),
            Life::Opening | Life::Walking => None,
        }
    }

    /// True once the session is over.
    pub fn is_over(&self) -> bool {
        matches!(self.life, Life::Ended { .. })
    }
}

impl StepState {
    /// The row of a host.
    pub fn row(&self, host: &HostName) -> Option<&Row> {
        self.rows.iter().find(|row| &row.host == host)
    }

    /// True if it is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.status, StepStatus::Closed(_))
    }
}

/// True if an outcome means that the action was done.
pub(super) fn was_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(_))
}
