//! From records to what a reader asks.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    Answered, Changed, Command, Confirmation, Doubt, Drifted, Evidence, Given, JSON_FORMAT, Loss, Moment, NotDone,
    Overridden, Presence, Remark, Settled, StepTime, Story, Told, words,
};
use crate::{
    journal::Record,
    runbook::{
        model::{HostName, InputId, LOCAL, StepId},
        plan::describe_on,
    },
    session::{
        Answer, AttemptId, Closing, Context, Ending, Event, Finding, GateOrder, Life, Outcome, Stamp, State,
        StepStatus, UndoStatus, step_condition,
    },
};

/// Members of an output that say what is gone, wherever they stand.
const LOST: [&str; 3] = ["lost", "killed", "discarded"];

/// Gathers everything from the records of a session and the state folded from them.
pub fn tell(records: &[Record], state: &State) -> Story {
    let mut teller = Teller {
        state,
        story: begin(records, state),
        by: String::new(),
        attempts: HashMap::new(),
        gates: HashMap::new(),
        before: state.session.at,
    };
    for record in records {
        teller.take(record);
    }
    teller.end()
}

fn begin(records: &[Record], state: &State) -> Story {
    let opened = &state.session.opened;
    let abandoned = records.iter().find_map(|record| match &record.event {
        Event::Abandoned { reason } => Some(reason.clone()),
        _ => None,
    });
    Story {
        format: JSON_FORMAT,
        session: opened.session.clone(),
        cluster: opened.inventory.cluster.clone(),
        practice: opened.inventory.practice,
        mode: opened.mode,
        title: state.runbook().title.clone(),
        runbook: opened.runbook_name.clone(),
        runbook_sha256: opened.runbook_sha256.clone(),
        inventory: opened.inventory_name.clone(),
        began: state.session.at.into(),
        last: state.at.into(),
        took_ms: state.at.since(state.session.at),
        records: records.len() as u64,
        head: records.last().map(|record| record.hash.to_string()).unwrap_or_default(),
        over: state.is_over(),
        outcome: outcome(state),
        abandoned,
        presences: Vec::new(),
        acknowledged: Vec::new(),
        answers: Vec::new(),
        confirmations: Vec::new(),
        ticks: Vec::new(),
        commands: Vec::new(),
        evidence: Vec::new(),
        overrides: Vec::new(),
        by_hand: Vec::new(),
        reopened: Vec::new(),
        notes: Vec::new(),
        doubts: Vec::new(),
        drift: Vec::new(),
        not_done: Vec::new(),
        changed: Vec::new(),
        lost: Vec::new(),
        radius: super::radius::gather(state),
        steps: Vec::new(),
        timeline: Vec::new(),
    }
}

fn outcome(state: &State) -> String {
    let at = || match state.current() {
        Some(step) => format!("at \u{201c}{}\u{201d}", title(state, &step.id)),
        None => "after its last step".to_owned(),
    };
    match &state.life {
        Life::Ended { outcome, .. } => outcome.clone(),
        Life::Opening => "not begun".to_owned(),
        Life::Walking => format!("not finished, {}", at()),
        Life::Ending { why: Ending::Abandoned { .. } } => format!("abandoned, and not finished, {}", at()),
        Life::Ending { why: Ending::Early { outcome } } => format!("{outcome}; not finished, {}", at()),
    }
}

pub(super) fn title(state: &State, step: &StepId) -> String {
    state.step_model(step).map_or_else(|| step.to_string(), |(_, step)| step.title.clone())
}

pub(super) struct Teller<'a> {
    pub(super) state: &'a State,
    story: Story,
    /// Who drives.
    pub(super) by: String,
    /// Where each attempt stands among the commands, with its step, its row's host and its step's gates' place.
    attempts: HashMap<AttemptId, usize>,
    /// Where each gate stands among the evidence.
    gates: HashMap<(StepId, HostName, usize), usize>,
    before: Stamp,
}

impl Teller<'_> {
    fn take(&mut self, record: &Record) {
        let at = record.at;
        match &record.event {
            Event::Opened(_) | Event::Left { .. } | Event::Resumed { .. } => self.presence(at, &record.event),
            Event::Acknowledged { .. }
            | Event::Answered { .. }
            | Event::Ticked { .. }
            | Event::Confirmed { .. }
            | Event::RowByHand { .. }
            | Event::StepReopened { .. }
            | Event::WentBack { .. }
            | Event::Noted { .. } => self.said(at, &record.event),
            Event::AttemptStarted { .. }
            | Event::AttemptFinished { .. }
            | Event::AttemptDoubted { .. }
            | Event::DoubtSettled { .. } => self.attempted(at, &record.event),
            Event::RowVerifying { .. }
            | Event::Observed { .. }
            | Event::Refreshed { .. }
            | Event::Overridden { .. }
            | Event::LookedBack { .. } => self.looked(at, &record.event),
            Event::ActionNotNeeded { step, host, action } => self.action_left_out(step, host, *action),
            Event::Began
            | Event::StepReady { .. }
            | Event::StepNotNeeded { .. }
            | Event::StepStarted { .. }
            | Event::RowRestarted { .. }
            | Event::RowStopped { .. }
            | Event::RowDone { .. }
            | Event::StepDone { .. }
            | Event::StepSkipped { .. }
            | Event::UndoSettled { .. }
            | Event::UndoByHand { .. }
            | Event::Abandoned { .. }
            | Event::EndedEarly { .. }
            | Event::Ended { .. }
            | Event::Held
            | Event::Released
            | Event::ClockJumped { .. } => {}
        }
        let text = self.line(&record.event);
        self.story.timeline.push(Told {
            seq: record.seq,
            at: at.into(),
            since_ms: at.since(self.state.session.at),
            text,
        });
        if let Some(presence) = self.story.presences.last_mut() {
            presence.to = at.into();
        }
        self.before = at;
    }

    fn presence(&mut self, at: Stamp, event: &Event) {
        let (operator, machine, version) = match event {
            Event::Opened(opened) => (&opened.operator, &opened.machine, &opened.version),
            Event::Resumed { operator, machine, version, .. } => (operator, machine, version),
            Event::Left { why } => {
                if let Some(presence) = self.story.presences.last_mut() {
                    presence.left = Some(why.clone());
                }
                return;
            }
            _ => return,
        };
        self.by.clone_from(operator);
        self.story.presences.push(Presence {
            operator: operator.clone(),
            machine: machine.clone(),
            version: version.clone(),
            from: at.into(),
            to: at.into(),
            left: None,
            away_ms: at.since(self.before),
        });
    }

    fn said(&mut self, at: Stamp, event: &Event) {
        match event {
            Event::Acknowledged { shown, .. } => {
                let remark = self.remark(at, None, None, shown);
                self.story.acknowledged.push(remark);
            }
            Event::Answered { input, answer } => {
                let given = match answer {
                    Some(Answer::Text(text)) => Given::Text(text.clone()),
                    Some(Answer::Picked { value, entry }) => {
                        Given::Picked { value: value.clone(), entry: entry.clone() }
                    }
                    Some(Answer::Secret) => Given::Secret,
                    None => Given::TakenBack,
                };
                let (by, title) = (self.by.clone(), self.question(input));
                self.story.answers.push(Answered { at: at.into(), by, input: input.to_string(), title, given });
            }
            Event::Ticked { step, item, on } => {
                let model = self.state.step_model(step);
                let found = model.and_then(|(_, step)| step.checklist.iter().find(|entry| &entry.id == item));
                let local = HostName::from(LOCAL);
                let context = Context::new(self.state, &local);
                let text = found.map_or_else(|| item.to_string(), |item| context.show(&item.text));
                let text = if *on { text } else { format!("taken back: {text}") };
                let remark = self.remark(at, Some(step), None, &text);
                self.story.ticks.push(remark);
            }
            Event::Confirmed { step, typed, shown, .. } => {
                let (by, step) = (self.by.clone(), title(self.state, step));
                let (typed, shown) = (typed.clone(), shown.clone());
                self.story.confirmations.push(Confirmation { at: at.into(), by, step, typed, shown });
            }
            Event::RowByHand { step, host, reason } => {
                self.settle_by_hand(at, step, host, reason);
                let remark = self.remark(at, Some(step), Some(host), reason);
                self.story.by_hand.push(remark);
            }
            Event::StepReopened { step, why } => {
                let remark = self.remark(at, Some(step), None, why);
                self.story.reopened.push(remark);
            }
            Event::WentBack { step, reason } => {
                let remark = self.remark(at, Some(step), None, &format!("{} went back to it: {reason}", self.by));
                self.story.reopened.push(remark);
            }
            Event::Noted { text } => {
                let remark = self.remark(at, None, None, text);
                self.story.notes.push(remark);
            }
            _ => {}
        }
    }

    fn remark(&self, at: Stamp, step: Option<&StepId>, host: Option<&HostName>, text: &str) -> Remark {
        Remark {
            at: at.into(),
            by: self.by.clone(),
            step: step.map(|step| title(self.state, step)),
            host: host.map(ToString::to_string),
            text: text.to_owned(),
        }
    }

    pub(super) fn question(&self, id: &InputId) -> String {
        let found = self.state.runbook().inputs().find(|(_, input)| &input.id == id);
        found.map_or_else(|| id.to_string(), |(_, input)| input.title.clone())
    }

    fn attempted(&mut self, at: Stamp, event: &Event) {
        match event {
            Event::AttemptStarted { attempt, step, host, undoes, kind, guards, .. } => {
                self.attempts.insert(*attempt, self.story.commands.len());
                self.story.commands.push(Command {
                    attempt: attempt.to_string(),
                    step: title(self.state, step),
                    host: host.to_string(),
                    what: describe_on(kind, self.state.inventory(), host),
                    undoes: undoes.is_some(),
                    guards: guards.iter().map(|guard| describe_on(guard, self.state.inventory(), host)).collect(),
                    at: at.into(),
                    took_ms: None,
                    outcome: "no result",
                    said: String::new(),
                    details: Vec::new(),
                });
            }
            Event::AttemptFinished { attempt, outcome, took_ms } => {
                if let Outcome::InDoubt { why } = outcome {
                    self.doubt(at, *attempt, why);
                }
                let Some(command) = self.command(*attempt) else { return };
                command.took_ms = Some(*took_ms);
                command.outcome = outcome_word(outcome);
                match outcome {
                    Outcome::Done(report) => {
                        command.said.clone_from(&report.seen);
                        command.details.clone_from(&report.details);
                        let (step, host) = (command.step.clone(), command.host.clone());
                        self.losses(&step, &host, &report.outputs);
                    }
                    Outcome::Refused { why }
                    | Outcome::Failed { why }
                    | Outcome::InDoubt { why }
                    | Outcome::Cancelled { why } => command.said.clone_from(why),
                }
            }
            Event::AttemptDoubted { attempt, why } => self.doubt(at, *attempt, why),
            Event::DoubtSettled { attempt, happened, how } => {
                if let Some(command) = self.command(*attempt) {
                    command.outcome = if *happened { "had happened" } else { "had not happened" };
                    command.said.clone_from(how);
                }
                let settled = Settled { at: at.into(), happened: Some(*happened), how: how.clone() };
                self.settle(*attempt, settled);
            }
            _ => {}
        }
    }

    fn command(&mut self, attempt: AttemptId) -> Option<&mut Command> {
        self.story.commands.get_mut(*self.attempts.get(&attempt)?)
    }

    fn doubt(&mut self, at: Stamp, attempt: AttemptId, why: &str) {
        let Some(command) = self.command(attempt) else { return };
        command.outcome = "in doubt";
        why.clone_into(&mut command.said);
        // A second look that could not tell either belongs to the same doubt.
        let name = command.attempt.clone();
        let same = |doubt: &&mut Doubt| doubt.attempt == name && doubt.settled.is_none();
        if let Some(open) = self.story.doubts.iter_mut().find(same) {
            if open.why != why {
                open.why = format!("{}; {why}", open.why);
            }
            return;
        }
        let Some(command) = self.command(attempt) else { return };
        let doubt = Doubt {
            at: at.into(),
            attempt: command.attempt.clone(),
            step: command.step.clone(),
            host: command.host.clone(),
            what: command.what.clone(),
            why: why.to_owned(),
            settled: None,
        };
        self.story.doubts.push(doubt);
    }

    fn settle(&mut self, attempt: AttemptId, settled: Settled) {
        let name = attempt.to_string();
        let mut open = self.story.doubts.iter_mut().rev().filter(|doubt| doubt.settled.is_none());
        if let Some(doubt) = open.find(|doubt| doubt.attempt == name) {
            doubt.settled = Some(settled);
        }
    }

    fn settle_by_hand(&mut self, at: Stamp, step: &StepId, host: &HostName, reason: &str) {
        let (step, host) = (title(self.state, step), host.to_string());
        let open = self.story.doubts.iter_mut().rev().filter(|doubt| doubt.settled.is_none());
        for doubt in open.filter(|doubt| doubt.step == step && doubt.host == host) {
            doubt.settled = Some(Settled { at: at.into(), happened: None, how: reason.to_owned() });
        }
    }

    fn looked(&mut self, at: Stamp, event: &Event) {
        match event {
            Event::RowVerifying { step, host, gates, undo: _ } => {
                for (n, order) in gates.iter().enumerate() {
                    self.gate_begins(step, host, n, order);
                }
            }
            Event::Observed { step, host, gate, finding, seen, details, outputs } => {
                let place = (step.clone(), host.clone(), *gate);
                if let Some(entry) = self.gates.get(&place).and_then(|at| self.story.evidence.get_mut(*at)) {
                    entry.finding = Some(*finding);
                    entry.seen.clone_from(seen);
                    entry.details.clone_from(details);
                    entry.at = Some(at.into());
                    entry.changes += 1;
                }
                let step = title(self.state, step);
                self.losses(&step, host.as_str(), outputs);
            }
            Event::Overridden { step, host, gate, reason, seen } => {
                let name = self.gate_name(step, host, *gate);
                let place = (step.clone(), host.clone(), *gate);
                if let Some(entry) = self.gates.get(&place).and_then(|at| self.story.evidence.get_mut(*at)) {
                    entry.overridden = Some(reason.clone());
                }
                self.story.overrides.push(Overridden {
                    at: at.into(),
                    by: self.by.clone(),
                    step: title(self.state, step),
                    host: host.to_string(),
                    gate: name,
                    seen: seen.clone(),
                    reason: reason.clone(),
                });
            }
            Event::LookedBack { step, host, gate, finding, seen } if *finding != Finding::Holds => {
                let open = |drift: &crate::session::Drift| {
                    &drift.step == step && &drift.host == host && drift.gate == *gate && &drift.seen == seen
                };
                self.story.drift.push(Drifted {
                    at: at.into(),
                    step: title(self.state, step),
                    host: host.to_string(),
                    gate: self.gate_name(step, host, *gate),
                    finding: *finding,
                    seen: seen.clone(),
                    open: self.state.drift.iter().any(open),
                });
            }
            _ => {}
        }
    }

    fn gate_begins(&mut self, step: &StepId, host: &HostName, n: usize, order: &GateOrder) {
        let entry = Evidence {
            step: title(self.state, step),
            host: host.to_string(),
            gate: order.say.clone(),
            what: describe_on(&order.kind, self.state.inventory(), host),
            finding: None,
            seen: String::new(),
            at: None,
            details: Vec::new(),
            not_needed: order.not_needed.clone(),
            overridden: None,
            changes: 0,
        };
        let place = (step.clone(), host.clone(), n);
        if let Some(known) = self.gates.get(&place).and_then(|at| self.story.evidence.get_mut(*at)) {
            *known = entry;
        } else {
            self.gates.insert(place, self.story.evidence.len());
            self.story.evidence.push(entry);
        }
    }

    pub(super) fn gate_name(&self, step: &StepId, host: &HostName, gate: usize) -> String {
        let found = self.gates.get(&(step.clone(), host.clone(), gate)).and_then(|at| self.story.evidence.get(*at));
        found.map_or_else(|| format!("gate {}", gate + 1), |entry| entry.gate.clone())
    }

    fn losses(&mut self, step: &str, host: &str, outputs: &Value) {
        for kind in LOST {
            let Some(what) = outputs.get(kind).filter(|what| says_something(what)) else { continue };
            let loss = Loss { step: step.to_owned(), host: host.to_owned(), kind: kind.to_owned(), what: what.clone() };
            let same = |known: &&mut Loss| known.step == step && known.host == host && known.kind == kind;
            match self.story.lost.iter_mut().find(same) {
                Some(known) => *known = loss,
                None => self.story.lost.push(loss),
            }
        }
    }

    fn action_left_out(&mut self, step: &StepId, host: &HostName, action: usize) {
        // An undo that found nothing more to put back has a condition of its own kind: none.
        let model = self.state.step_model(step).and_then(|(_, step)| step.actions.get(action));
        let Some(when) = model.and_then(|action| action.when.as_ref()) else { return };
        self.story.not_done.push(NotDone {
            step: title(self.state, step),
            host: Some(host.to_string()),
            how: "not needed",
            why: format!("action {}: only when {}", action + 1, Context::new(self.state, host).say(when)),
        });
    }

    fn end(mut self) -> Story {
        for step in &self.state.steps {
            let Some((phase, model)) = self.state.step_model(&step.id) else { continue };
            let condition = step_condition(self.state, step, self.state.at);
            let end = step.closed.unwrap_or(self.state.at);
            self.story.steps.push(StepTime {
                phase: phase.title.clone(),
                step: model.title.clone(),
                status: words::condition(condition),
                ready: step.ready.map(Moment::from),
                waited_ms: step.ready.map(|ready| step.started.unwrap_or(end).since(ready)),
                worked_ms: step.started.map(|started| end.since(started)),
            });
            let (how, why) = match &step.status {
                StepStatus::Closed(Closing::Done) => continue,
                StepStatus::Closed(Closing::Skipped { reason }) => ("skipped", reason.clone()),
                StepStatus::Closed(Closing::NotNeeded { why }) => ("not needed", why.clone()),
                StepStatus::Locked => ("not reached", String::new()),
                StepStatus::Ready | StepStatus::Active => ("not finished", words::condition(condition).to_owned()),
            };
            self.story.not_done.push(NotDone { step: model.title.clone(), host: None, how, why });
        }
        for entry in &self.state.undo {
            let (open, status) = match &entry.status {
                UndoStatus::Open => (true, "still changed".to_owned()),
                UndoStatus::Undone { seen, .. } => (false, format!("put back: {seen}")),
                UndoStatus::ByHand { reason } => (false, format!("put back or left by hand: {reason}")),
                UndoStatus::Settled { by } => {
                    (false, format!("permanent since \u{201c}{}\u{201d}", title(self.state, by)))
                }
            };
            let step = title(self.state, &entry.step);
            let (host, undo) = (entry.host.to_string(), describe_on(&entry.kind, self.state.inventory(), &entry.host));
            self.story.changed.push(Changed { step, host, undo, open, status });
        }
        self.story
    }
}

pub(super) fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(report) => match report.finding {
            Finding::Holds => "done",
            Finding::Fails => "does not hold",
            Finding::Unknown => "unknown",
        },
        Outcome::Refused { .. } => "refused",
        Outcome::Failed { .. } => "failed",
        Outcome::InDoubt { .. } => "in doubt",
        Outcome::Cancelled { .. } => "not begun",
    }
}

/// False for what stands for nothing lost.
fn says_something(what: &Value) -> bool {
    match what {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}
