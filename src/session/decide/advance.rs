//! What follows by itself once a command has been taken in: steps whose turn comes, actions that are
//! handed out, rows and steps that are done, the end.

use super::{Draft, Refusal, cannot_render, no_step};
use crate::{
    runbook::{
        kind::Kind,
        model::{Action, Confirm, HostName, LOCAL, Order as RowOrder, Register, Step, StepId, Undo},
    },
    session::{
        AttemptId, Context, Effect, Event, Evidence, Finding, GateOrder, Known, Look, Order, Purpose,
        gate::gate_view,
        state::{Ending, Life, RowStatus, StepStatus, UndoStatus},
        view::not_ready,
    },
};

use super::result::LOOK_TIMEOUT_MS;

/// Longest `kind` name of a gate that has no words of its own.
const SAY_MAX: usize = 120;

impl Draft {
    /// Goes on until nothing follows by itself.
    pub(super) fn advance(&mut self) -> Result<(), Refusal> {
        loop {
            let before = self.events.len();
            match self.state.life {
                Life::Opening | Life::Ended { .. } => return Ok(()),
                Life::Walking | Life::Ending { .. } => self.advance_once()?,
            }
            if self.events.len() == before {
                return Ok(());
            }
        }
    }

    fn advance_once(&mut self) -> Result<(), Refusal> {
        if self.state.drifted().is_some() {
            return self.reopen_drifted();
        }
        let Some(current) = self.state.current() else { return self.finish() };
        let id = current.id.clone();
        match current.status {
            StepStatus::Locked => self.open_step(&id),
            StepStatus::Ready => self.ready_step(&id),
            StepStatus::Active => self.active_step(&id),
            StepStatus::Closed(_) => Ok(()),
        }
    }

    /// An earlier step has to be run again. Nothing more is handed out until what runs is over, what is in
    /// doubt is settled, and everything that is looked at again is seen. A later step that was started
    /// stays as it is and goes on once its turn comes again.
    fn reopen_drifted(&mut self) -> Result<(), Refusal> {
        let Some(step) = self.state.drifted().map(|step| step.id.clone()) else { return Ok(()) };
        if !self.state.attempts.is_empty() || !self.state.looking_back.is_empty() {
            return Ok(());
        }
        let gone = self.state.drift.iter().filter(|drift| drift.step == step && drift.finding == Finding::Fails);
        let why: Vec<_> = gone.map(|drift| format!("on {} it is no longer so: {}", drift.host, drift.seen)).collect();
        self.emit(Event::StepReopened { step, why: why.join("; ") })
    }

    fn finish(&mut self) -> Result<(), Refusal> {
        let open = self.state.still_changed().count();
        let left = if open > 0 { format!("; {open} changes are still on the cluster") } else { String::new() };
        let outcome = match &self.state.life {
            Life::Ending { why: Ending::Abandoned { reason } } => format!("abandoned: {reason}{left}"),
            Life::Ending { why: Ending::Early { outcome } } => format!("{outcome}{left}"),
            Life::Opening | Life::Walking | Life::Ended { .. } => format!("walked to the end{left}"),
        };
        self.emit(Event::Ended { outcome })
    }

    /// A step's turn comes: it is ready, or it is left out.
    fn open_step(&mut self, id: &StepId) -> Result<(), Refusal> {
        let (phase, model) = self.state.step_model(id).ok_or_else(|| no_step(id))?;
        if let Life::Ending { why } = &self.state.life
            && !phase.always
        {
            let why = match why {
                Ending::Abandoned { reason } => format!("abandoned: {reason}"),
                Ending::Early { outcome } => outcome.clone(),
            };
            return self.emit(Event::StepNotNeeded { step: id.clone(), why });
        }
        if let Some(when) = &model.when {
            let local = HostName::from(LOCAL);
            let context = Context::new(&self.state, &local);
            // What a condition asks about may belong to a step that was left out: then it does not apply.
            let applies = context.applies(when).unwrap_or(false);
            if !applies {
                let why = format!("only when {}", context.say(when));
                return self.emit(Event::StepNotNeeded { step: id.clone(), why });
            }
        }
        self.emit(Event::StepReady { step: id.clone() })
    }

    /// A step that only looks and asks nothing starts by itself.
    fn ready_step(&mut self, id: &StepId) -> Result<(), Refusal> {
        let (phase, model) = self.state.step_model(id).ok_or_else(|| no_step(id))?;
        let (always, model) = (phase.always, model.clone());
        if matches!(self.state.life, Life::Ending { .. }) && !always {
            return self.emit(Event::StepNotNeeded { step: id.clone(), why: "the session is ending".to_owned() });
        }
        let step = self.state.step(id).ok_or_else(|| no_step(id))?;
        let waits = model.confirm != Confirm::None || !model.checklist.is_empty() || !model.inputs.is_empty();
        if waits || self.state.held || !not_ready(&self.state, step, &model).is_empty() {
            return Ok(());
        }
        let hosts = self.hosts_of(&model)?;
        self.emit(Event::StepStarted { step: id.clone(), hosts })
    }

    fn active_step(&mut self, id: &StepId) -> Result<(), Refusal> {
        let (phase, model) = self.state.step_model(id).ok_or_else(|| no_step(id))?;
        let (always, model) = (phase.always, model.clone());
        if matches!(self.state.life, Life::Ending { .. }) && !always && self.state.attempts.is_empty() {
            return self.emit(Event::StepNotNeeded { step: id.clone(), why: "the session is ending".to_owned() });
        }
        let rows: Vec<(HostName, RowStatus)> = match self.state.step(id) {
            Some(step) => step.rows.iter().map(|row| (row.host.clone(), row.status.clone())).collect(),
            None => return Err(no_step(id)),
        };
        for (host, status) in &rows {
            match status {
                RowStatus::Waiting => self.next_action_or_stop(id, host)?,
                RowStatus::Stopped { again: true, .. } if !self.state.held => self.next_action_or_stop(id, host)?,
                RowStatus::Verifying { .. } => self.finish_row_if_open(id, host)?,
                RowStatus::Running { .. }
                | RowStatus::Stopped { .. }
                | RowStatus::InDoubt { .. }
                | RowStatus::Done { .. } => {}
            }
            let done = self
                .state
                .step(id)
                .and_then(|step| step.row(host))
                .is_some_and(|row| matches!(row.status, RowStatus::Done { .. }));
            if model.order == RowOrder::OneAtATime && !done {
                return Ok(());
            }
        }
        let all_done = self
            .state
            .step(id)
            .is_some_and(|step| step.rows.iter().all(|row| matches!(row.status, RowStatus::Done { .. })));
        if all_done { self.step_done(id, &model) } else { Ok(()) }
    }

    fn step_done(&mut self, id: &StepId, model: &Step) -> Result<(), Refusal> {
        let settled: Vec<_> = self
            .state
            .undo
            .iter()
            .filter(|entry| entry.status == UndoStatus::Open && model.settles.contains(&entry.step))
            .map(|entry| entry.id)
            .collect();
        for entry in settled {
            self.emit(Event::UndoSettled { entry, by: id.clone() })?;
        }
        self.emit(Event::StepDone { step: id.clone() })?;
        let local = HostName::from(LOCAL);
        let context = Context::new(&self.state, &local);
        if let Some(end) = &model.ends
            && self.state.life == Life::Walking
            && context.applies(&end.when).unwrap_or(false)
        {
            let outcome = context.show(&end.outcome);
            self.emit(Event::EndedEarly { step: id.clone(), outcome })?;
        }
        Ok(())
    }

    /// As [`Self::next_action`]; a text that cannot be rendered stops the row, with its reason, and not
    /// the session.
    fn next_action_or_stop(&mut self, id: &StepId, host: &HostName) -> Result<(), Refusal> {
        match self.next_action(id, host) {
            Err(Refusal::Render { what, why }) => {
                let why = format!("{what}: {why}");
                self.emit(Event::RowStopped { step: id.clone(), host: host.clone(), why })
            }
            other => other,
        }
    }

    /// Hands out a row's next action, or takes up its gates.
    pub(super) fn next_action(&mut self, id: &StepId, host: &HostName) -> Result<(), Refusal> {
        if self.state.held {
            return Ok(());
        }
        let (_, model) = self.state.step_model(id).ok_or_else(|| no_step(id))?;
        let model = model.clone();
        let next = self.state.step(id).and_then(|step| step.row(host)).map_or(0, |row| row.next);
        let Some(action) = model.actions.get(next) else { return self.take_up_gates(id, &model, host) };
        if let Some(when) = &action.when {
            let applies =
                Context::new(&self.state, host).applies(when).map_err(cannot_render("when an action applies"))?;
            if !applies {
                return self.emit(Event::ActionNotNeeded { step: id.clone(), host: host.clone(), action: next });
            }
        }
        if let Kind::Undo(_) = action.kind {
            return self.next_undo(id, &model, host, next);
        }
        self.attempt(id, &model, host, next, action)
    }

    fn attempt(
        &mut self,
        id: &StepId,
        model: &Step,
        host: &HostName,
        at: usize,
        action: &Action,
    ) -> Result<(), Refusal> {
        let attempt = AttemptId(self.state.next_attempt);
        let mut kind = match self.rendered(id, host, &action.kind) {
            Ok(kind) => kind,
            Err(refusal) => return self.cannot_attempt(id, host, at, action, &refusal),
        };
        kind.settle_names(&format!("{}-{attempt}", self.state.session.opened.session));
        let mut guards = Vec::new();
        if !kind.looks() {
            for guard in &model.guard {
                match self.rendered(id, host, guard) {
                    Ok(guard) => guards.push(guard),
                    Err(refusal) => return self.cannot_attempt(id, host, at, action, &refusal),
                }
            }
        }
        let inverse = if kind.looks() { None } else { kind.inverse() };
        let known = self.known_for(&kind);
        self.emit(Event::AttemptStarted {
            attempt,
            step: id.clone(),
            host: host.clone(),
            action: at,
            undoes: None,
            kind: kind.clone(),
            guards: guards.clone(),
            inverse,
            register: action.register.clone(),
            timeout_ms: model.timeout_ms,
        })?;
        let order =
            Order { attempt, step: id.clone(), host: host.clone(), kind, guards, known, timeout_ms: model.timeout_ms };
        self.effect(Effect::Attempt(order));
        Ok(())
    }

    /// An action whose texts cannot be rendered is an attempt that never began: it stands in the record
    /// with its reason, and the row can be run again once what it lacks is there.
    fn cannot_attempt(
        &mut self,
        id: &StepId,
        host: &HostName,
        at: usize,
        action: &Action,
        why: &Refusal,
    ) -> Result<(), Refusal> {
        let attempt = AttemptId(self.state.next_attempt);
        self.emit(Event::AttemptStarted {
            attempt,
            step: id.clone(),
            host: host.clone(),
            action: at,
            undoes: None,
            kind: action.kind.clone(),
            guards: Vec::new(),
            inverse: None,
            register: None,
            timeout_ms: 0,
        })?;
        let outcome = crate::session::Outcome::Refused { why: why.to_string() };
        self.emit(Event::AttemptFinished { attempt, outcome, took_ms: 0 })?;
        self.look_back();
        Ok(())
    }

    /// The newest change that is still there is taken back next, until none is left. The step's guards
    /// are looked at before each, on the change's own host.
    fn next_undo(&mut self, id: &StepId, model: &Step, host: &HostName, at: usize) -> Result<(), Refusal> {
        let Some(entry) = self.state.still_changed().next().cloned() else {
            return self.emit(Event::ActionNotNeeded { step: id.clone(), host: host.clone(), action: at });
        };
        let attempt = AttemptId(self.state.next_attempt);
        let mut guards = Vec::new();
        for guard in &model.guard {
            guards.push(self.rendered(id, &entry.host, guard)?);
        }
        self.emit(Event::AttemptStarted {
            attempt,
            step: id.clone(),
            host: entry.host.clone(),
            action: at,
            undoes: Some(entry.id),
            kind: entry.kind.clone(),
            guards: guards.clone(),
            inverse: None,
            register: None,
            timeout_ms: model.timeout_ms,
        })?;
        let (host, kind, timeout_ms) = (entry.host, entry.kind, model.timeout_ms);
        let order = Order { attempt, step: id.clone(), host, kind, guards, known: Known::new(), timeout_ms };
        self.effect(Effect::Attempt(order));
        Ok(())
    }

    /// Does a row's actions once more, from the first.
    pub(super) fn start_over(&mut self, id: &StepId, host: &HostName) -> Result<(), Refusal> {
        let (_, model) = self.state.step_model(id).ok_or_else(|| no_step(id))?;
        let model = model.clone();
        let Some(action) = model.actions.first() else {
            return Err(Refusal::NotYet(
                "this step has no action to run again; its gates are looked at anyway".to_owned(),
            ));
        };
        if matches!(action.kind, Kind::Undo(_)) {
            return Err(Refusal::NotYet("what was put back stays put back; its gates are looked at anyway".to_owned()));
        }
        self.emit(Event::RowRestarted { step: id.clone(), host: host.clone() })
    }

    fn take_up_gates(&mut self, id: &StepId, model: &Step, host: &HostName) -> Result<(), Refusal> {
        let mut gates = Vec::new();
        for gate in &model.gates {
            gates.push(self.gate_order(id, host, gate)?);
        }
        let mut undo = Vec::new();
        if let Undo::Actions(kinds) = &model.undo {
            for kind in kinds {
                undo.push(self.rendered(id, host, kind)?);
            }
        }
        self.emit(Event::RowVerifying { step: id.clone(), host: host.clone(), gates, undo })?;
        for gate in 0..model.gates.len() {
            self.look_at_gate(id, host, gate, 0);
        }
        Ok(())
    }

    fn gate_order(
        &self,
        id: &StepId,
        host: &HostName,
        gate: &crate::runbook::model::Gate,
    ) -> Result<GateOrder, Refusal> {
        let context = Context::new(&self.state, host);
        let not_needed = match &gate.when {
            Some(when) if !context.applies(when).unwrap_or(false) => Some(format!("only when {}", context.say(when))),
            Some(_) | None => None,
        };
        let kind = match &not_needed {
            Some(_) => gate.kind.clone(),
            None => self.rendered(id, host, &gate.kind)?,
        };
        let say = match &gate.say {
            Some(say) => context.show(say),
            None => crate::runbook::plan::describe(&kind).chars().take(SAY_MAX).collect(),
        };
        Ok(GateOrder { kind, say, not_needed })
    }

    /// Asks for a look at one gate, unless its row is not verified any more or it needs none.
    pub(super) fn look_at_gate(&mut self, id: &StepId, host: &HostName, gate: usize, after_ms: u64) {
        let Some(row) = self.state.step(id).and_then(|step| step.row(host)) else { return };
        let Some(state) = row.gates.get(gate) else { return };
        let idle = state.order.not_needed.is_some() || state.overridden.is_some();
        if idle || !matches!(row.status, RowStatus::Verifying { .. }) {
            return;
        }
        let purpose = Purpose::Gate { step: id.clone(), host: host.clone(), gate, epoch: row.epoch };
        let kind = state.order.kind.clone();
        let known = self.known_for(&kind);
        let look = Look { purpose, host: host.clone(), kind, known, after_ms, timeout_ms: LOOK_TIMEOUT_MS };
        self.effect(Effect::Look(look));
    }

    /// A row whose gates are all open at this moment is done.
    pub(super) fn finish_row_if_open(&mut self, id: &StepId, host: &HostName) -> Result<(), Refusal> {
        let (_, model) = self.state.step_model(id).ok_or_else(|| no_step(id))?;
        let Some(row) = self.state.step(id).and_then(|step| step.row(host)) else { return Ok(()) };
        let RowStatus::Verifying { since } = row.status else { return Ok(()) };
        let mut evidence = Vec::new();
        for (gate, state) in model.gates.iter().zip(&row.gates) {
            let view = gate_view(gate, state, since, self.now);
            if !view.open {
                return Ok(());
            }
            let at_utc_ms = state.seen.as_ref().map_or(0, |seen| seen.last.utc_ms);
            evidence.push(Evidence { seen: view.reason, at_utc_ms });
        }
        self.emit(Event::RowDone { step: id.clone(), host: host.clone(), evidence })
    }

    /// What earlier steps found that a kind needs whole.
    pub(super) fn known_for(&self, kind: &Kind) -> Known {
        let mut known = Known::new();
        for name in kind.registers() {
            let register = Register::from(name);
            let found = self.state.outputs.get(&register).cloned().unwrap_or_default();
            known.insert(register, found);
        }
        known
    }
}
