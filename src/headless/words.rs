//! An event in one line of words, for whoever follows a walk on a plain terminal or in a log.

use crate::{
    runbook::{model::StepId, plan::describe},
    session::{Event, Finding, Outcome, State},
};

/// One line, or nothing for events that say nothing new to a person.
pub fn event_line(state: &State, event: &Event) -> Option<String> {
    let title = |step: &StepId| state.step_model(step).map_or_else(|| step.0.clone(), |(_, step)| step.title.clone());
    Some(match event {
        Event::Opened(opened) => format!("opened {} on {}", opened.session, opened.inventory.cluster),
        Event::Began => "begin".to_owned(),
        Event::StepReady { step } => format!("== {}", title(step)),
        Event::StepNotNeeded { step, why } => format!("-- {} is not needed: {why}", title(step)),
        Event::Confirmed { typed: Some(typed), .. } => format!("   confirmed by typing \u{201c}{typed}\u{201d}"),
        Event::AttemptStarted { attempt, host, kind, undoes, .. } => {
            let word = if undoes.is_some() { "undo" } else { "run" };
            format!("   {host}: {word} {attempt}: {}", describe(kind))
        }
        Event::AttemptFinished { attempt, outcome, took_ms } => {
            format!("   {attempt}: {} ({took_ms} ms)", outcome_words(outcome))
        }
        Event::AttemptDoubted { attempt, why } => format!("   {attempt}: in doubt: {why}"),
        Event::DoubtSettled { attempt, happened, how } => {
            let word = if *happened { "had happened" } else { "had not happened" };
            format!("   {attempt}: {word}: {how}")
        }
        Event::Observed { host, finding, seen, .. } => format!("   {host}: {}: {seen}", finding_word(*finding)),
        Event::Overridden { host, gate, reason, .. } => format!("   {host}: gate {gate} overridden: {reason}"),
        Event::RowStopped { host, why, .. } => format!("   {host}: stopped: {why}"),
        Event::RowByHand { host, reason, .. } => format!("   {host}: done by hand: {reason}"),
        Event::StepDone { step } => format!("== {}: done", title(step)),
        Event::StepSkipped { step, reason } => format!("-- {} skipped: {reason}", title(step)),
        Event::WentBack { step, reason } => format!("-- back to {}: {reason}", title(step)),
        Event::StepReopened { step, why } => format!("!! {} has to be run again: {why}", title(step)),
        Event::LookedBack { host, seen, finding: Finding::Fails | Finding::Unknown, .. } => {
            format!("!! {host}: looked back: {seen}")
        }
        Event::UndoByHand { reason, .. } => format!("   a change was put back by hand: {reason}"),
        Event::Abandoned { reason } => format!("!! abandoned: {reason}"),
        Event::EndedEarly { outcome, .. } => format!("!! {outcome}"),
        Event::Ended { outcome } => format!("ended: {outcome}"),
        Event::Resumed { operator, pid, .. } => format!("resumed by {operator} (process {pid})"),
        Event::Left { why } => format!("left: {why}"),
        Event::ClockJumped { by_ms } => format!("!! the clock jumped by {by_ms} ms; evidence is looked at anew"),
        Event::Noted { text } => format!("   note: {text}"),
        Event::Acknowledged { .. }
        | Event::Answered { .. }
        | Event::Ticked { .. }
        | Event::Confirmed { typed: None, .. }
        | Event::StepStarted { .. }
        | Event::ActionNotNeeded { .. }
        | Event::RowVerifying { .. }
        | Event::Refreshed { .. }
        | Event::RowRestarted { .. }
        | Event::RowDone { .. }
        | Event::LookedBack { finding: Finding::Holds, .. }
        | Event::UndoSettled { .. }
        | Event::Held
        | Event::Released => return None,
    })
}

fn finding_word(finding: Finding) -> &'static str {
    match finding {
        Finding::Holds => "holds",
        Finding::Fails => "does not hold",
        Finding::Unknown => "unknown",
    }
}

fn outcome_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(report) if report.finding == Finding::Holds => format!("done: {}", report.seen),
        Outcome::Done(report) => format!("{}: {}", finding_word(report.finding), report.seen),
        Outcome::Refused { why } => format!("refused, nothing was done: {why}"),
        Outcome::Failed { why } => format!("failed: {why}"),
        Outcome::InDoubt { why } => format!("in doubt: {why}"),
        Outcome::Cancelled { why } => format!("not begun: {why}"),
    }
}
