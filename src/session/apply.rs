//! The one transition function. Live, resume, replay and tests come through here.
//!
//! Every event either fits the state or is an [`ApplyError`]; nothing is skipped and nothing panics.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use thiserror::Error;

use super::{
    AttemptId, Event, Finding, GateOrder, Opened, Outcome, Report, Stamp, UndoId,
    state::{
        Attempt, Closing, Drift, Ending, GateState, Life, Note, Override, Row, RowStatus, Seen, Session, State,
        StepState, StepStatus, UndoEntry, UndoStatus, was_done,
    },
};
use crate::runbook::{
    self,
    kind::Kind,
    model::{HostName, Register, StepId, Undo},
};

/// An event that does not fit.
#[derive(Debug, Error, PartialEq)]
pub enum ApplyError {
    /// The first event is not the one that opens a session.
    #[error("the record does not begin with the opening of a session")]
    NotOpened,
    /// A session is opened once.
    #[error("the session is opened a second time")]
    OpenedTwice,
    /// The runbook in the record does not load.
    #[error("the runbook in the record does not load: {0}")]
    Runbook(String),
    /// The step is not in the runbook, or not in a status in which this can happen.
    #[error("step {step}: {what}")]
    Step {
        /// The step.
        step: StepId,
        /// What does not fit.
        what: &'static str,
    },
    /// There is no such row.
    #[error("step {step} has no row for {host}")]
    Row {
        /// The step.
        step: StepId,
        /// The host.
        host: HostName,
    },
    /// There is no such attempt without a result.
    #[error("attempt {0} is not under way")]
    Attempt(AttemptId),
    /// There is no such open undo entry.
    #[error("undo entry {0:?} is not open")]
    Undo(UndoId),
    /// The session is over.
    #[error("the session is over")]
    Over,
}

type Applied = Result<(), ApplyError>;

impl State {
    /// The state after the first event.
    pub fn open(opened: Opened, at: Stamp) -> Result<Self, ApplyError> {
        let runbook = runbook::load_runbook(&opened.runbook_name, opened.runbook.as_bytes())
            .map_err(|problems| ApplyError::Runbook(problems.to_string()))?;
        Ok(Self::with_runbook(opened, super::undo::with_put_back(runbook), at))
    }

    fn with_runbook(opened: Opened, runbook: runbook::model::Runbook, at: Stamp) -> Self {
        let mut places = Vec::new();
        let mut steps = Vec::new();
        for (phase_at, phase) in runbook.phases.iter().enumerate() {
            for (step_at, step) in phase.steps.iter().enumerate() {
                places.push((phase_at, step_at));
                steps.push(StepState::new(step.id.clone()));
            }
        }
        let index: HashMap<_, _> = steps.iter().enumerate().map(|(at, step)| (step.id.clone(), at)).collect();
        let session = Session { opened, at, runbook: Arc::new(runbook), index, places };
        Self {
            session: Arc::new(session),
            life: Life::Opening,
            acknowledged: BTreeSet::new(),
            answers: BTreeMap::new(),
            steps,
            outputs: BTreeMap::new(),
            attempts: BTreeMap::new(),
            undo: Vec::new(),
            notes: Vec::new(),
            overrides: Vec::new(),
            drift: Vec::new(),
            looking_back: BTreeSet::new(),
            held: false,
            // The event that opened it: numbers are those of the journal.
            seq: 1,
            at,
            next_attempt: 1,
        }
    }

    /// Folds a whole record.
    pub fn fold<I>(events: I) -> Result<Self, ApplyError>
    where
        I: IntoIterator<Item = (Stamp, Event)>,
    {
        let mut events = events.into_iter();
        let Some((at, Event::Opened(opened))) = events.next() else { return Err(ApplyError::NotOpened) };
        let mut state = Self::open(*opened, at)?;
        for (at, event) in events {
            state.apply(at, &event)?;
        }
        Ok(state)
    }

    /// The state after one more event.
    pub fn apply(&mut self, at: Stamp, event: &Event) -> Applied {
        if self.is_over() && !matches!(event, Event::Noted { .. } | Event::Left { .. } | Event::Resumed { .. }) {
            return Err(ApplyError::Over);
        }
        self.dispatch(at, event)?;
        if event.is_durable() {
            self.seq += 1;
        }
        self.at = at;
        Ok(())
    }

    #[expect(clippy::too_many_lines, reason = "a table: one arm for each event")]
    fn dispatch(&mut self, at: Stamp, event: &Event) -> Applied {
        match event {
            Event::Opened(_) => return Err(ApplyError::OpenedTwice),
            Event::Acknowledged { item, shown: _ } => {
                self.acknowledged.insert(item.clone());
            }
            Event::Answered { input, answer } => self.answered(input, answer.as_ref()),
            Event::Began => self.life = Life::Walking,
            Event::Ticked { step, item, on } => {
                let step = self.step_mut(step)?;
                if *on {
                    step.ticked.insert(item.clone());
                } else {
                    step.ticked.remove(item);
                }
            }
            Event::StepReady { step } => self.step_ready(step, at)?,
            Event::StepNotNeeded { step, why } => {
                self.close(step, at, Closing::NotNeeded { why: why.clone() })?;
            }
            Event::Confirmed { step, .. } => {
                self.step_mut(step)?;
            }
            Event::StepStarted { step, hosts } => self.step_started(step, hosts, at)?,
            Event::AttemptStarted { .. } => self.attempt_started(event, at)?,
            Event::ActionNotNeeded { step, host, action } => self.row_mut(step, host)?.next = action + 1,
            Event::AttemptFinished { attempt, outcome, took_ms: _ } => self.attempt_finished(*attempt, outcome, at)?,
            Event::AttemptDoubted { attempt, why } => self.attempt_doubted(*attempt, why)?,
            Event::DoubtSettled { attempt, happened, how } => self.doubt_settled(*attempt, *happened, how, at)?,
            Event::RowVerifying { step, host, gates, undo } => self.row_verifying(step, host, gates, undo, at)?,
            Event::Observed { .. } => self.observed(event, at)?,
            Event::Refreshed { step, host, gate, seen } => {
                if let Some(before) = self.gate_mut(step, host, *gate)?.seen.as_mut() {
                    before.last = at;
                    before.text.clone_from(seen);
                }
            }
            Event::Overridden { step, host, gate, reason, seen } => {
                self.overridden(step, host, *gate, reason, seen, at)?;
            }
            Event::RowByHand { step, host, reason } => self.row_by_hand(step, host, reason)?,
            Event::RowStopped { step, host, why } => {
                self.row_mut(step, host)?.status = RowStatus::Stopped { why: why.clone(), again: false };
            }
            Event::RowRestarted { step, host } => {
                let row = self.row_mut(step, host)?;
                row.next = 0;
                row.epoch += 1;
                row.status = RowStatus::Waiting;
            }
            Event::RowDone { step, host, evidence: _ } => self.row_mut(step, host)?.status = RowStatus::Done { at },
            Event::StepDone { step } => self.close(step, at, Closing::Done)?,
            Event::StepSkipped { step, reason } => {
                self.close(step, at, Closing::Skipped { reason: reason.clone() })?;
            }
            Event::StepReopened { step, why } => self.step_reopened(step, why)?,
            Event::WentBack { step, reason: _ } => self.went_back(step)?,
            Event::LookedBack { step, host, gate, finding, seen } => {
                self.looked_back(step, host, *gate, *finding, seen)?;
            }
            Event::Noted { text } => {
                let step = self.current().map(|step| step.id.clone());
                self.notes.push(Note { at, step, text: text.clone() });
            }
            Event::UndoSettled { entry, by } => self.undo_mut(*entry)?.status = UndoStatus::Settled { by: by.clone() },
            Event::UndoByHand { entry, reason } => {
                self.undo_mut(*entry)?.status = UndoStatus::ByHand { reason: reason.clone() };
            }
            Event::Abandoned { reason } => {
                self.life = Life::Ending { why: Ending::Abandoned { reason: reason.clone() } };
            }
            Event::EndedEarly { step: _, outcome } => {
                self.life = Life::Ending { why: Ending::Early { outcome: outcome.clone() } };
            }
            Event::Ended { outcome } => {
                self.life = Life::Ended { outcome: outcome.clone(), why: self.ending().cloned(), at };
            }
            Event::Held => self.held = true,
            Event::Released => self.held = false,
            Event::Left { why: _ } => {}
            Event::Resumed { .. } => {
                self.held = false;
                self.drift.clear();
                self.begin_to_look_back();
                self.forget_freshness();
            }
            Event::ClockJumped { by_ms: _ } => self.forget_freshness(),
        }
        Ok(())
    }

    fn answered(&mut self, input: &runbook::model::InputId, answer: Option<&super::Answer>) {
        match answer {
            Some(answer) => self.answers.insert(input.clone(), answer.clone()),
            None => self.answers.remove(input),
        };
        let seq = self.seq + 1;
        let asked_by = self.session.runbook.inputs().find(|(_, entry)| &entry.id == input);
        let step = asked_by.and_then(|(step, _)| step).map(|step| step.id.clone());
        if let Some(step) = step.and_then(|id| self.step_mut(&id).ok()) {
            step.asked_seq = seq;
        }
    }

    fn step_ready(&mut self, id: &StepId, at: Stamp) -> Applied {
        let seq = self.seq + 1;
        let step = self.step_mut(id)?;
        if step.status != StepStatus::Locked {
            return Err(ApplyError::Step { step: id.clone(), what: "its turn comes a second time" });
        }
        step.status = StepStatus::Ready;
        step.ready = Some(at);
        step.asked_seq = seq;
        Ok(())
    }

    fn step_started(&mut self, id: &StepId, hosts: &[HostName], at: Stamp) -> Applied {
        let step = self.step_mut(id)?;
        if step.status != StepStatus::Ready {
            return Err(ApplyError::Step { step: id.clone(), what: "it is started without being ready" });
        }
        step.status = StepStatus::Active;
        step.started = Some(at);
        step.rows = hosts.iter().cloned().map(Row::new).collect();
        Ok(())
    }

    fn attempt_started(&mut self, event: &Event, at: Stamp) -> Applied {
        let Event::AttemptStarted { attempt, step, host, action, undoes, kind, inverse, register, .. } = event else {
            return Ok(());
        };
        if attempt.0 != self.next_attempt {
            return Err(ApplyError::Attempt(*attempt));
        }
        let row_host = match undoes {
            Some(_) => self.single_row(step)?,
            None => host.clone(),
        };
        let row = self.row_mut(step, &row_host)?;
        if !matches!(row.status, RowStatus::Waiting | RowStatus::Stopped { .. }) {
            return Err(ApplyError::Step { step: step.clone(), what: "a row starts an action while another is open" });
        }
        row.status = RowStatus::Running { attempt: *attempt, since: at };
        self.next_attempt += 1;
        self.attempts.insert(
            *attempt,
            Attempt {
                step: step.clone(),
                row: row_host,
                host: host.clone(),
                action: *action,
                undoes: *undoes,
                kind: kind.clone(),
                inverse: inverse.clone(),
                register: register.clone(),
                since: at,
                doubt: None,
            },
        );
        Ok(())
    }

    fn single_row(&self, step: &StepId) -> Result<HostName, ApplyError> {
        let rows = self.step(step).map(|step| step.rows.as_slice()).unwrap_or_default();
        let missing = ApplyError::Step { step: step.clone(), what: "it has no row" };
        rows.first().map(|row| row.host.clone()).ok_or(missing)
    }

    fn attempt_finished(&mut self, id: AttemptId, outcome: &Outcome, at: Stamp) -> Applied {
        if let Outcome::InDoubt { why } = outcome {
            return self.attempt_doubted(id, why);
        }
        let attempt = self.attempts.remove(&id).ok_or(ApplyError::Attempt(id))?;
        match outcome {
            Outcome::Done(report) => self.attempt_done(&attempt, report, at)?,
            Outcome::Refused { why } => {
                self.begin_to_look_back();
                self.stop_row(&attempt, format!("refused, nothing was done: {why}"), false)?;
            }
            Outcome::Failed { why } => {
                // What a failed action left half done is taken back like what it finished.
                self.register_undo(&attempt);
                self.stop_row(&attempt, why.clone(), false)?;
            }
            Outcome::Cancelled { why } => self.stop_row(&attempt, format!("not begun: {why}"), true)?,
            Outcome::InDoubt { .. } => {}
        }
        debug_assert!(!was_done(outcome) || !self.attempts.contains_key(&id));
        Ok(())
    }

    fn attempt_done(&mut self, attempt: &Attempt, report: &Report, at: Stamp) -> Applied {
        if report.finding != Finding::Holds && attempt.undoes.is_none() {
            let word = if report.finding == Finding::Fails { "does not hold" } else { "unknown" };
            return self.stop_row(attempt, format!("{word}: {}", report.seen), false);
        }
        if let Some(register) = &attempt.register {
            self.set_outputs(register, &attempt.host, &report.outputs);
        }
        if let Some(entry) = attempt.undoes {
            self.undo_mut(entry)?.status = UndoStatus::Undone { at, seen: report.seen.clone() };
        } else if !attempt.kind.changed_nothing(&report.outputs) {
            self.register_undo(attempt);
        }
        let row = self.row_mut(&attempt.step, &attempt.row)?;
        row.status = RowStatus::Waiting;
        row.report = Some(report.seen.clone());
        if attempt.undoes.is_none() {
            row.next = attempt.action + 1;
        }
        Ok(())
    }

    fn set_outputs(&mut self, register: &Register, host: &HostName, outputs: &serde_json::Value) {
        self.outputs.entry(register.clone()).or_default().insert(host.clone(), outputs.clone());
    }

    fn register_undo(&mut self, attempt: &Attempt) {
        let by_inverse = self.step_model(&attempt.step).is_some_and(|(_, step)| step.undo == Undo::Inverse);
        let Some(kind) = attempt.inverse.clone().filter(|_| by_inverse) else { return };
        self.push_undo(&attempt.step, &attempt.host, kind);
    }

    fn push_undo(&mut self, step: &StepId, host: &HostName, kind: Kind) {
        let known = |entry: &UndoEntry| &entry.host == host && entry.kind == kind && entry.status == UndoStatus::Open;
        if self.undo.iter().any(known) {
            return;
        }
        let id = UndoId(self.undo.len() as u64 + 1);
        self.undo.push(UndoEntry { id, step: step.clone(), host: host.clone(), kind, status: UndoStatus::Open });
    }

    fn stop_row(&mut self, attempt: &Attempt, why: String, again: bool) -> Applied {
        let row = self.row_mut(&attempt.step, &attempt.row)?;
        row.report = Some(why.clone());
        row.status = RowStatus::Stopped { why, again };
        Ok(())
    }

    fn attempt_doubted(&mut self, id: AttemptId, why: &str) -> Applied {
        let attempt = self.attempts.get_mut(&id).ok_or(ApplyError::Attempt(id))?;
        attempt.doubt = Some(why.to_owned());
        let attempt = attempt.clone();
        let row = self.row_mut(&attempt.step, &attempt.row)?;
        row.status = RowStatus::InDoubt { attempt: id, why: why.to_owned() };
        Ok(())
    }

    fn doubt_settled(&mut self, id: AttemptId, happened: bool, how: &str, at: Stamp) -> Applied {
        let attempt = self.attempts.remove(&id).ok_or(ApplyError::Attempt(id))?;
        if happened {
            let report = Report::holds(format!("it had happened: {how}")).with_outputs(attempt.kind.foreseen());
            return self.attempt_done(&attempt, &report, at);
        }
        if attempt.kind.may_leave_a_part() {
            self.register_undo(&attempt);
        }
        let again = self.step_model(&attempt.step).is_some_and(|(_, step)| step.idempotent);
        self.stop_row(&attempt, format!("it had not happened: {how}"), again)
    }

    fn row_verifying(
        &mut self,
        step: &StepId,
        host: &HostName,
        gates: &[GateOrder],
        undo: &[Kind],
        at: Stamp,
    ) -> Applied {
        for kind in undo {
            self.push_undo(step, host, kind.clone());
        }
        let row = self.row_mut(step, host)?;
        row.epoch += 1;
        row.gates =
            gates.iter().map(|order| GateState { order: order.clone(), seen: None, overridden: None }).collect();
        row.status = RowStatus::Verifying { since: at };
        Ok(())
    }

    fn observed(&mut self, event: &Event, at: Stamp) -> Applied {
        let Event::Observed { step, host, gate, finding, seen, details, outputs } = event else { return Ok(()) };
        let register = self.step_model(step).and_then(|(_, model)| model.gates.get(*gate)?.register.clone());
        if let Some(register) = register
            && *finding == Finding::Holds
        {
            self.set_outputs(&register, host, outputs);
        }
        let state = self.gate_mut(step, host, *gate)?;
        let since = match &state.seen {
            Some(before) if before.finding == *finding => before.since,
            _ => at,
        };
        state.seen = Some(Seen { finding: *finding, text: seen.clone(), details: details.clone(), since, last: at });
        Ok(())
    }

    fn overridden(
        &mut self,
        step: &StepId,
        host: &HostName,
        gate: usize,
        reason: &str,
        seen: &str,
        at: Stamp,
    ) -> Applied {
        let state = self.gate_mut(step, host, gate)?;
        state.overridden = Some(reason.to_owned());
        let say = state.order.say.clone();
        self.overrides.push(Override {
            at,
            step: step.clone(),
            host: host.clone(),
            gate: say,
            seen: seen.to_owned(),
            reason: reason.to_owned(),
        });
        Ok(())
    }

    fn row_by_hand(&mut self, step: &StepId, host: &HostName, reason: &str) -> Applied {
        let actions = self.step_model(step).map_or(0, |(_, model)| model.actions.len());
        let row = self.row_mut(step, host)?;
        let open = match &row.status {
            RowStatus::InDoubt { attempt, .. } => Some(*attempt),
            _ => None,
        };
        row.by_hand = Some(reason.to_owned());
        row.next = actions;
        row.status = RowStatus::Waiting;
        if let Some(attempt) = open.and_then(|id| self.attempts.remove(&id)) {
            self.register_undo(&attempt);
        }
        Ok(())
    }

    fn step_reopened(&mut self, id: &StepId, why: &str) -> Applied {
        let at = self.position(id).ok_or(ApplyError::Step { step: id.clone(), what: "it is not in the runbook" })?;
        let seq = self.seq + 1;
        for (place, step) in self.steps.iter_mut().enumerate() {
            if place == at {
                step.status = StepStatus::Ready;
                step.rows.clear();
                step.closed = None;
                step.reopened = Some(why.to_owned());
                step.asked_seq = seq;
            } else if place > at && matches!(step.status, StepStatus::Ready) {
                step.status = StepStatus::Locked;
            }
        }
        self.drift.retain(|drift| &drift.step != id);
        Ok(())
    }

    /// What later steps were told and found is forgotten: the record has it, and it may not fit what is decided now.
    fn went_back(&mut self, id: &StepId) -> Applied {
        let at =
            self.position(id).ok_or_else(|| ApplyError::Step { step: id.clone(), what: "it is not in the runbook" })?;
        let runbook = self.session.runbook.clone();
        for (_, step) in runbook.steps().skip(at) {
            step.inputs.iter().for_each(|input| drop(self.answers.remove(&input.id)));
            let actions = step.actions.iter().filter_map(|action| action.register.as_ref());
            let gates = step.gates.iter().filter_map(|gate| gate.register.as_ref());
            actions.chain(gates).for_each(|register| drop(self.outputs.remove(register)));
        }
        for step in self.steps.iter_mut().skip(at) {
            *step = StepState::new(step.id.clone());
        }
        Ok(())
    }

    fn looked_back(&mut self, step: &StepId, host: &HostName, gate: usize, finding: Finding, seen: &str) -> Applied {
        self.looking_back.remove(&(step.clone(), host.clone(), gate));
        self.drift.retain(|drift| &drift.step != step || &drift.host != host || drift.gate != gate);
        if finding == Finding::Holds {
            return Ok(());
        }
        let say = self.gate_mut(step, host, gate)?.order.say.clone();
        let drift = Drift { step: step.clone(), host: host.clone(), gate, say, finding, seen: seen.to_owned() };
        self.drift.push(drift);
        Ok(())
    }

    /// What begins here is asked for by the same decision.
    fn begin_to_look_back(&mut self) {
        let gates = self.relied_on_gates().map(|(step, row, gate, _)| (step.id.clone(), row.host.clone(), gate));
        self.looking_back = gates.collect();
    }

    /// Evidence from before a gap does not count; rows that are verified begin anew.
    fn forget_freshness(&mut self) {
        for row in self.steps.iter_mut().flat_map(|step| step.rows.iter_mut()) {
            if let RowStatus::Verifying { .. } = row.status {
                row.epoch += 1;
                row.gates.iter_mut().for_each(|gate| gate.seen = None);
            }
        }
    }

    fn close(&mut self, id: &StepId, at: Stamp, how: Closing) -> Applied {
        let step = self.step_mut(id)?;
        if step.is_closed() {
            return Err(ApplyError::Step { step: id.clone(), what: "it is closed a second time" });
        }
        step.status = StepStatus::Closed(how);
        step.closed = Some(at);
        Ok(())
    }

    fn step_mut(&mut self, id: &StepId) -> Result<&mut StepState, ApplyError> {
        let missing = || ApplyError::Step { step: id.clone(), what: "it is not in the runbook" };
        let at = self.position(id).ok_or_else(missing)?;
        self.steps.get_mut(at).ok_or_else(missing)
    }

    fn row_mut(&mut self, step: &StepId, host: &HostName) -> Result<&mut Row, ApplyError> {
        let missing = ApplyError::Row { step: step.clone(), host: host.clone() };
        self.step_mut(step)?.rows.iter_mut().find(|row| &row.host == host).ok_or(missing)
    }

    fn gate_mut(&mut self, step: &StepId, host: &HostName, gate: usize) -> Result<&mut GateState, ApplyError> {
        let missing = ApplyError::Step { step: step.clone(), what: "it has no such gate" };
        self.row_mut(step, host)?.gates.get_mut(gate).ok_or(missing)
    }

    fn undo_mut(&mut self, id: UndoId) -> Result<&mut UndoEntry, ApplyError> {
        let open = |entry: &&mut UndoEntry| entry.id == id && entry.status == UndoStatus::Open;
        self.undo.iter_mut().find(open).ok_or(ApplyError::Undo(id))
    }
}

impl StepState {
    fn new(id: StepId) -> Self {
        Self {
            id,
            status: StepStatus::Locked,
            rows: Vec::new(),
            ticked: BTreeSet::new(),
            ready: None,
            started: None,
            closed: None,
            reopened: None,
            asked_seq: 0,
        }
    }
}

impl Row {
    fn new(host: HostName) -> Self {
        Self { host, status: RowStatus::Waiting, next: 0, report: None, gates: Vec::new(), epoch: 0, by_hand: None }
    }
}
