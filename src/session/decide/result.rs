//! Results that come in, and the two things that break the course of time: a resume and a clock that
//! jumped.

use super::{Draft, Refusal};
use crate::{
    runbook::model::{HostName, StepId},
    session::{AttemptId, Command, Context, Effect, Event, Finding, Look, Outcome, Purpose, Report, state::RowStatus},
};

/// Longest time for a look whose gate says nothing else, in milliseconds.
pub(super) const LOOK_TIMEOUT_MS: u64 = 15_000;

/// Times that it is looked again, by itself, whether an attempt happened.
const LOOK_AGAIN_MS: u64 = 2_000;

impl Draft {
    pub(super) fn result(&mut self, command: &Command) -> Result<(), Refusal> {
        match command {
            Command::Finished { attempt, outcome } => self.finished(*attempt, outcome),
            Command::Looked { purpose, report } => self.looked(purpose, report),
            Command::Resume { operator, machine, version, pid } => self.resume(operator, machine, version, *pid),
            Command::ClockJumped { by_ms } => {
                self.emit(Event::ClockJumped { by_ms: *by_ms })?;
                self.look_at_all_gates();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finished(&mut self, id: AttemptId, outcome: &Outcome) -> Result<(), Refusal> {
        let Some(attempt) = self.state.attempts.get(&id) else {
            // A second result of one attempt says nothing new.
            return Ok(());
        };
        let took_ms = self.now.since(attempt.since);
        self.emit(Event::AttemptFinished { attempt: id, outcome: outcome.clone(), took_ms })?;
        match outcome {
            Outcome::InDoubt { .. } => self.settle_or_look(id),
            // A guard refuses what an earlier step should have made possible: perhaps that is gone.
            Outcome::Refused { .. } => {
                self.look_back();
                Ok(())
            }
            Outcome::Done(_) | Outcome::Failed { .. } | Outcome::Cancelled { .. } => Ok(()),
        }
    }

    fn looked(&mut self, purpose: &Purpose, report: &Report) -> Result<(), Refusal> {
        match purpose {
            Purpose::Gate { step, host, gate, epoch } => self.gate_looked(step, host, *gate, *epoch, report),
            Purpose::Happened { attempt } => self.happened_looked(*attempt, report),
            Purpose::DidNot { attempt } => self.did_not_looked(*attempt, report),
            Purpose::StillSo { step, host, gate } => self.looked_back(step, host, *gate, report),
        }
    }

    fn gate_looked(
        &mut self,
        step: &StepId,
        host: &HostName,
        gate: usize,
        epoch: u32,
        report: &Report,
    ) -> Result<(), Refusal> {
        let Some(row) = self.state.step(step).and_then(|step| step.row(host)) else { return Ok(()) };
        if row.epoch != epoch || !matches!(row.status, RowStatus::Verifying { .. }) {
            return Ok(());
        }
        let Some(state) = row.gates.get(gate) else { return Ok(()) };
        let outputs = self.gate_outputs(step, gate, report);
        let known = self.gate_register(step, gate).and_then(|register| self.state.outputs.get(&register)?.get(host));
        let unchanged = state.seen.as_ref().is_some_and(|seen| seen.finding == report.finding);
        if unchanged && (outputs.is_null() || known == Some(&outputs)) {
            let seen = report.seen.clone();
            self.emit(Event::Refreshed { step: step.clone(), host: host.clone(), gate, seen })?;
        } else {
            self.emit(Event::Observed {
                step: step.clone(),
                host: host.clone(),
                gate,
                finding: report.finding,
                seen: report.seen.clone(),
                details: report.details.clone(),
                outputs,
            })?;
        }
        let every = self
            .state
            .step_model(step)
            .and_then(|(_, model)| model.gates.get(gate))
            .map_or(1_000, |gate| gate.every_ms);
        if self.state.has_its_turn(step) {
            self.finish_row_if_open(step, host)?;
        }
        self.look_at_gate(step, host, gate, every);
        Ok(())
    }

    fn gate_register(&self, step: &StepId, gate: usize) -> Option<crate::runbook::model::Register> {
        self.state.step_model(step)?.1.gates.get(gate)?.register.clone()
    }

    /// What of a look is kept: outputs that nobody asked for would only fill the journal.
    fn gate_outputs(&self, step: &StepId, gate: usize, report: &Report) -> serde_json::Value {
        match self.gate_register(step, gate) {
            Some(_) if report.finding == Finding::Holds => report.outputs.clone(),
            Some(_) | None => serde_json::Value::Null,
        }
    }

    fn happened_looked(&mut self, id: AttemptId, report: &Report) -> Result<(), Refusal> {
        let Some(attempt) = self.state.attempts.get(&id) else { return Ok(()) };
        let told = self.in_doubt_rule(&attempt.step.clone());
        let has_other_side = told.as_ref().is_some_and(|rule| rule.did_not.is_some());
        match report.finding {
            Finding::Holds => self.emit(Event::DoubtSettled { attempt: id, happened: true, how: report.seen.clone() }),
            Finding::Fails if !has_other_side => {
                self.emit(Event::DoubtSettled { attempt: id, happened: false, how: report.seen.clone() })
            }
            Finding::Fails | Finding::Unknown => {
                if let Some(kind) = told.and_then(|rule| rule.did_not) {
                    return self.look_for_doubt(id, Purpose::DidNot { attempt: id }, kind, 0);
                }
                let why = format!("looked, but could not tell: {}", report.seen);
                self.emit(Event::AttemptDoubted { attempt: id, why })
            }
        }
    }

    fn did_not_looked(&mut self, id: AttemptId, report: &Report) -> Result<(), Refusal> {
        if !self.state.attempts.contains_key(&id) {
            return Ok(());
        }
        if report.finding == Finding::Holds {
            return self.emit(Event::DoubtSettled { attempt: id, happened: false, how: report.seen.clone() });
        }
        let why = format!("looked both ways, but could not tell: {}", report.seen);
        self.emit(Event::AttemptDoubted { attempt: id, why })
    }

    fn looked_back(&mut self, step: &StepId, host: &HostName, gate: usize, report: &Report) -> Result<(), Refusal> {
        if !self.state.looking_back.contains(&(step.clone(), host.clone(), gate)) {
            // Asked for before a later resume, or answered already.
            return Ok(());
        }
        self.emit(Event::LookedBack {
            step: step.clone(),
            host: host.clone(),
            gate,
            finding: report.finding,
            seen: report.seen.clone(),
        })
    }

    fn resume(&mut self, operator: &str, machine: &str, version: &str, pid: u32) -> Result<(), Refusal> {
        self.emit(Event::Resumed {
            operator: operator.to_owned(),
            machine: machine.to_owned(),
            version: version.to_owned(),
            pid,
        })?;
        if self.state.is_over() {
            return Ok(());
        }
        let open: Vec<AttemptId> = self.state.attempts.keys().copied().collect();
        for id in open {
            self.take_up_attempt(id)?;
        }
        self.look_at_all_gates();
        self.look_back();
        Ok(())
    }

    fn take_up_attempt(&mut self, id: AttemptId) -> Result<(), Refusal> {
        let Some(attempt) = self.state.attempts.get(&id) else { return Ok(()) };
        let why = "the process that ran it is gone and left no result".to_owned();
        if attempt.kind.looks() {
            let outcome = Outcome::Cancelled { why: format!("{why}; it only looks") };
            return self.emit(Event::AttemptFinished { attempt: id, outcome, took_ms: 0 });
        }
        if attempt.doubt.is_none() {
            self.emit(Event::AttemptDoubted { attempt: id, why })?;
        }
        self.settle_or_look(id)
    }

    /// An attempt in doubt is settled by looking; a declared idempotent one that nobody can look at is
    /// run again; any other waits for the engineer.
    fn settle_or_look(&mut self, id: AttemptId) -> Result<(), Refusal> {
        let Some(attempt) = self.state.attempts.get(&id) else { return Ok(()) };
        let rule = self.in_doubt_rule(&attempt.step);
        if rule.is_some() || attempt.kind.did_it_happen().is_some() {
            return self.look_whether_it_happened(id);
        }
        let idempotent = self.state.step_model(&attempt.step).is_some_and(|(_, step)| step.idempotent);
        if idempotent || attempt.undoes.is_some() {
            let how = "nobody can look; the runbook lets it be run again".to_owned();
            return self.emit(Event::DoubtSettled { attempt: id, happened: false, how });
        }
        Ok(())
    }

    pub(super) fn look_whether_it_happened(&mut self, id: AttemptId) -> Result<(), Refusal> {
        let Some(attempt) = self.state.attempts.get(&id) else {
            return Err(Refusal::NoSuch(format!("attempt {id} in doubt")));
        };
        if attempt.doubt.is_none() {
            return Err(Refusal::NotYet("it still runs".to_owned()));
        }
        let ruled =
            if attempt.undoes.is_some() { None } else { self.in_doubt_rule(&attempt.step).map(|rule| rule.happened) };
        let Some(kind) = attempt.kind.did_it_happen().filter(|_| ruled.is_none()).or(ruled) else {
            return Err(Refusal::NotYet("only a person can tell whether it happened; say so with a reason".to_owned()));
        };
        self.look_for_doubt(id, Purpose::Happened { attempt: id }, kind, LOOK_AGAIN_MS)
    }

    fn look_for_doubt(
        &mut self,
        id: AttemptId,
        purpose: Purpose,
        kind: crate::runbook::kind::Kind,
        after_ms: u64,
    ) -> Result<(), Refusal> {
        let Some(attempt) = self.state.attempts.get(&id) else { return Ok(()) };
        let (host, step) = (attempt.host.clone(), attempt.step.clone());
        match self.rendered(&step, &host, &kind) {
            Ok(kind) => {
                let known = self.known_for(&kind);
                self.effect(Effect::Look(Look { purpose, host, kind, known, after_ms, timeout_ms: LOOK_TIMEOUT_MS }));
                Ok(())
            }
            Err(refusal) => self.emit(Event::AttemptDoubted { attempt: id, why: format!("cannot look: {refusal}") }),
        }
    }

    fn in_doubt_rule(&self, step: &StepId) -> Option<crate::runbook::model::InDoubt> {
        self.state.step_model(step).and_then(|(_, model)| model.in_doubt.clone())
    }

    /// Looks again at what earlier steps made true, where later ones rely on it.
    pub(super) fn look_back(&mut self) {
        let relied_on = self.state.relied_on_gates();
        let looks: Vec<_> = relied_on
            .map(|(step, row, gate, state)| {
                let purpose = Purpose::StillSo { step: step.id.clone(), host: row.host.clone(), gate };
                (purpose, row.host.clone(), state.order.kind.clone())
            })
            .collect();
        for (purpose, host, kind) in looks {
            let known = self.known_for(&kind);
            self.effect(Effect::Look(Look { purpose, host, kind, known, after_ms: 0, timeout_ms: LOOK_TIMEOUT_MS }));
        }
    }

    fn look_at_all_gates(&mut self) {
        let rows: Vec<(StepId, HostName, usize)> = self
            .state
            .steps
            .iter()
            .flat_map(|step| step.rows.iter().map(move |row| (step, row)))
            .filter(|(_, row)| matches!(row.status, RowStatus::Verifying { .. }))
            .flat_map(|(step, row)| (0..row.gates.len()).map(move |gate| (step.id.clone(), row.host.clone(), gate)))
            .collect();
        for (step, host, gate) in rows {
            self.look_at_gate(&step, &host, gate, 0);
        }
    }

    /// Renders a kind that is not part of the step's rows, on the host it concerns.
    pub(super) fn rendered(
        &self,
        step: &StepId,
        host: &HostName,
        kind: &crate::runbook::kind::Kind,
    ) -> Result<crate::runbook::kind::Kind, Refusal> {
        let mut kind = kind.clone();
        let context = Context::new(&self.state, host);
        crate::runbook::template::render_kind(&mut kind, &context)
            .map_err(super::cannot_render(format!("{} in step {step}", kind.name())))?;
        Ok(kind)
    }
}
