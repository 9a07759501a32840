//! Each event as one line.

use super::{
    gather::{Teller, outcome_word, title},
    words::{self, took},
};
use crate::{
    runbook::{
        model::{HostName, InputId, LOCAL, StepId},
        plan::describe,
    },
    session::{Answer, Event, Opened, Outcome, UndoId},
};

impl Teller<'_> {
    /// One event as a line of the timeline.
    pub(super) fn line(&self, event: &Event) -> String {
        let by = &self.by;
        match event {
            Event::Opened(opened) => who_opened(opened),
            Event::Acknowledged { item, .. } => format!("{by} acknowledged a consequence ({item})"),
            Event::Answered { input, answer } => self.answered(input, answer.as_ref()),
            Event::Began => format!("{by} began the procedure"),
            Event::Ticked { step: id, item, on: true } => format!("{by} ticked {item} of {}", self.step(id)),
            Event::Ticked { step: id, item, on: false } => format!("{by} took back {item} of {}", self.step(id)),
            Event::StepReady { step: id } => format!("the turn of {} came", self.step(id)),
            Event::StepNotNeeded { step: id, why } => format!("{} is not needed: {why}", self.step(id)),
            Event::Confirmed { step: id, typed: None, .. } => format!("{by} confirmed {}", self.step(id)),
            Event::Confirmed { step: id, typed: Some(typed), .. } => {
                format!("{by} confirmed {}, typing {typed:?}", self.step(id))
            }
            Event::StepStarted { step: id, .. } => format!("{} started", self.step(id)),
            Event::AttemptStarted { attempt, step: id, host, kind, undoes, .. } => {
                let undo = if undoes.is_some() { "undo, " } else { "" };
                format!("{attempt}: {undo}{} ({})", describe(kind), self.row(id, host))
            }
            Event::ActionNotNeeded { step: id, host, action } => {
                format!("action {} of {} is not needed", action + 1, self.row(id, host))
            }
            Event::AttemptFinished { attempt, outcome, took_ms } => {
                format!("{attempt}: {} after {}: {}", outcome_word(outcome), took(*took_ms), said(outcome))
            }
            Event::AttemptDoubted { attempt, why } => format!("{attempt}: not known whether it happened: {why}"),
            Event::DoubtSettled { attempt, happened: true, how } => format!("{attempt}: it had happened: {how}"),
            Event::DoubtSettled { attempt, happened: false, how } => format!("{attempt}: it had not happened: {how}"),
            other => self.row_line(other),
        }
    }

    /// Events that concern a row or a step.
    fn row_line(&self, event: &Event) -> String {
        let by = &self.by;
        match event {
            Event::RowVerifying { step: id, host, .. } => format!("{} is being verified", self.row(id, host)),
            Event::Observed { step: id, host, gate, finding, seen, .. } => {
                format!(
                    "{}: {}: {}: {seen}",
                    self.row(id, host),
                    self.gate_name(id, host, *gate),
                    words::finding(*finding)
                )
            }
            Event::Refreshed { step: id, host, .. } => format!("{} was seen again", self.row(id, host)),
            Event::Overridden { step: id, host, gate, reason, .. } => {
                format!(
                    "{by} overrode \u{201c}{}\u{201d} of {}: {reason}",
                    self.gate_name(id, host, *gate),
                    self.row(id, host)
                )
            }
            Event::RowByHand { step: id, host, reason } => format!("{by} did {} by hand: {reason}", self.row(id, host)),
            Event::RowRestarted { step: id, host } => format!("{by} ran {} again", self.row(id, host)),
            Event::RowStopped { step: id, host, why } => format!("{} does not go on: {why}", self.row(id, host)),
            Event::RowDone { step: id, host, .. } => format!("{} is done", self.row(id, host)),
            Event::StepDone { step: id } => format!("{} is done everywhere", self.step(id)),
            Event::StepSkipped { step: id, reason } => format!("{by} skipped {}: {reason}", self.step(id)),
            Event::WentBack { step: id, reason } => format!("{by} went back to {}: {reason}", self.step(id)),
            Event::StepReopened { step: id, why } => format!("{} has to be run again: {why}", self.step(id)),
            Event::LookedBack { step: id, host, gate, finding, seen } => {
                let gate = self.gate_name(id, host, *gate);
                format!("looked again: {}: {gate}: {}: {seen}", self.row(id, host), words::finding(*finding))
            }
            Event::Noted { text } => format!("{by} noted: {text}"),
            other => self.course(other),
        }
    }

    /// Events that concern the session as a whole.
    fn course(&self, event: &Event) -> String {
        let by = &self.by;
        match event {
            Event::UndoSettled { entry, by } => {
                format!("permanent since \u{201c}{}\u{201d}: {}", title(self.state, by), self.undo(*entry))
            }
            Event::UndoByHand { entry, reason } => format!("{by} put back or left {}: {reason}", self.undo(*entry)),
            Event::Abandoned { reason } => format!("{by} gave up on going forward: {reason}"),
            Event::EndedEarly { step, outcome } => {
                format!("\u{201c}{}\u{201d} ended the procedure: {outcome}", title(self.state, step))
            }
            Event::Ended { outcome } => format!("the session ended: {outcome}"),
            Event::Held => format!("{by} held: nothing new is started"),
            Event::Released => format!("{by} went on"),
            Event::Left { why } => format!("{by} left: {why}"),
            Event::Resumed { operator, machine, version, pid } => {
                format!("{operator} resumed on {machine} with version {version} (process {pid})")
            }
            Event::ClockJumped { by_ms } => format!("the clock jumped by {by_ms} ms; evidence is looked at anew"),
            _ => String::new(),
        }
    }

    fn answered(&self, input: &InputId, answer: Option<&Answer>) -> String {
        let (by, question) = (&self.by, self.question(input));
        match answer {
            None => format!("{by} took back the answer to \u{201c}{question}\u{201d}"),
            Some(Answer::Text(text)) => format!("{by} answered \u{201c}{question}\u{201d}: {text}"),
            Some(Answer::Picked { value, .. }) => format!("{by} answered \u{201c}{question}\u{201d}: {value}"),
            Some(Answer::Secret) => format!("{by} gave a secret for \u{201c}{question}\u{201d}"),
        }
    }

    fn undo(&self, id: UndoId) -> String {
        let found = self.state.undo.iter().find(|entry| entry.id == id);
        found.map_or_else(|| format!("entry {}", id.0), |entry| format!("{} on {}", describe(&entry.kind), entry.host))
    }

    fn step(&self, id: &StepId) -> String {
        format!("\u{201c}{}\u{201d}", title(self.state, id))
    }

    fn row(&self, id: &StepId, host: &HostName) -> String {
        if host.as_str() == LOCAL { self.step(id) } else { format!("{} on {host}", self.step(id)) }
    }
}

fn said(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Done(report) => &report.seen,
        Outcome::Refused { why } | Outcome::Failed { why } | Outcome::InDoubt { why } | Outcome::Cancelled { why } => {
            why
        }
    }
}

fn who_opened(opened: &Opened) -> String {
    let (operator, machine, version) = (&opened.operator, &opened.machine, &opened.version);
    format!("{operator} opened the session on {machine} with version {version}")
}
