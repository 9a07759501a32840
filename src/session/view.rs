//! What a step looks like from outside at a moment, and why it does not go on: the words that every
//! view shows verbatim, computed where the blocking is decided.

use super::{
    Closing, GateView, RowStatus, Stamp, State, StepState, StepStatus,
    gate::gate_view,
    state::{Life, Row},
};
use crate::runbook::model::{Danger, HostName, Step, StepId};

/// A step in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepCondition {
    /// Its turn has not come.
    Locked,
    /// It waits for the engineer.
    Ready,
    /// An action runs.
    Running,
    /// Its gates are looked at.
    Verifying,
    /// Something is in the way; [`blocks`] says what.
    Blocked,
    /// Whether an action happened is not known.
    InDoubt,
    /// An action did not succeed.
    Failed,
    /// Done.
    Done,
    /// Left out by its condition.
    NotNeeded,
    /// Left out by the engineer.
    Skipped,
}

/// A step in one word, at a moment.
pub fn step_condition(state: &State, step: &StepState, now: Stamp) -> StepCondition {
    match &step.status {
        StepStatus::Locked => StepCondition::Locked,
        StepStatus::Ready => StepCondition::Ready,
        StepStatus::Closed(Closing::Done) => StepCondition::Done,
        StepStatus::Closed(Closing::NotNeeded { .. }) => StepCondition::NotNeeded,
        StepStatus::Closed(Closing::Skipped { .. }) => StepCondition::Skipped,
        StepStatus::Active if !state.has_its_turn(&step.id) => StepCondition::Blocked,
        StepStatus::Active => active_condition(state, step, now),
    }
}

fn active_condition(state: &State, step: &StepState, now: Stamp) -> StepCondition {
    let any = |wanted: fn(&RowStatus) -> bool| step.rows.iter().any(|row| wanted(&row.status));
    if any(|status| matches!(status, RowStatus::InDoubt { .. })) {
        return StepCondition::InDoubt;
    }
    if any(|status| matches!(status, RowStatus::Stopped { .. })) {
        return StepCondition::Failed;
    }
    if any(|status| matches!(status, RowStatus::Running { .. } | RowStatus::Waiting)) {
        return StepCondition::Running;
    }
    let Some((_, model)) = state.step_model(&step.id) else { return StepCondition::Verifying };
    let overdue = step.rows.iter().any(|row| row_gates(model, row, now).iter().any(|gate| gate.overdue && !gate.open));
    if overdue { StepCondition::Blocked } else { StepCondition::Verifying }
}

/// Every gate of a row at a moment; none if they are not looked at yet.
pub fn row_gates(model: &Step, row: &Row, now: Stamp) -> Vec<GateView> {
    let since = match &row.status {
        RowStatus::Verifying { since } => *since,
        RowStatus::Waiting
        | RowStatus::Running { .. }
        | RowStatus::Stopped { .. }
        | RowStatus::InDoubt { .. }
        | RowStatus::Done { .. } => now,
    };
    model.gates.iter().zip(&row.gates).map(|(gate, state)| gate_view(gate, state, since, now)).collect()
}

/// Why a step does not go on, in words: one line for each thing in its way, with the row it concerns.
/// Empty if nothing is in its way.
pub fn blocks(state: &State, id: &StepId, now: Stamp) -> Vec<(Option<HostName>, String)> {
    let (Some(step), Some((_, model))) = (state.step(id), state.step_model(id)) else { return Vec::new() };
    match &step.status {
        StepStatus::Closed(_) => Vec::new(),
        StepStatus::Locked => vec![(None, locked_reason(state, id))],
        StepStatus::Ready => not_ready(state, step, model).into_iter().map(|why| (None, why)).collect(),
        StepStatus::Active => {
            let rows = step
                .rows
                .iter()
                .flat_map(|row| row_blocks(model, row, now).into_iter().map(|why| (Some(row.host.clone()), why)));
            out_of_turn(state, id).map(|why| (None, why)).into_iter().chain(rows).collect()
        }
    }
}

/// Why a step that was started does not go on: what an earlier one made true is gone.
pub(super) fn out_of_turn(state: &State, id: &StepId) -> Option<String> {
    let current = state.current()?;
    if &current.id != id {
        return Some(format!("goes on after {}, which has to be run again", title(state, &current.id)));
    }
    let gone = title(state, &state.drifted()?.id);
    Some(format!("{gone} has to be run again first: it is, once nothing runs and nothing is in doubt"))
}

fn title(state: &State, id: &StepId) -> String {
    let title = state.step_model(id).map_or(id.as_str(), |(_, step)| step.title.as_str());
    format!("\u{201c}{title}\u{201d}")
}

fn locked_reason(state: &State, id: &StepId) -> String {
    if state.life == Life::Opening {
        return "the plan's consequences have not been acknowledged".to_owned();
    }
    match state.current() {
        Some(current) if &current.id != id => {
            format!("comes after {}", title(state, &current.id))
        }
        _ => "its turn has not come".to_owned(),
    }
}

/// Why the walk cannot go back to a step; none if it can. Only what looked can be done as if it had not been: what was changed is taken back
/// by putting it back.
pub fn no_way_back(state: &State, id: &StepId) -> Option<String> {
    let at = state.position(id)?;
    let Some(current) = state.current().and_then(|current| state.position(&current.id)) else {
        return Some("the walk is over".to_owned());
    };
    if state.life != Life::Walking {
        return Some("the walk has not begun, or it is ending".to_owned());
    }
    if at >= current {
        return Some("it is not over".to_owned());
    }
    if !state.attempts.is_empty() || !state.looking_back.is_empty() || state.drifted().is_some() {
        return Some("something runs, is in doubt, or has to be run again first".to_owned());
    }
    let since = state.steps.get(at..=current).unwrap_or_default();
    let changed = since.iter().find(|step| {
        let reads = state.step_model(&step.id).is_some_and(|(_, model)| model.danger == Danger::Reads);
        !reads && step.started.is_some()
    });
    changed.map(|step| format!("{} may have changed something since then; A puts it back", title(state, &step.id)))
}

/// What is missing before a step that is ready may run.
pub(super) fn not_ready(state: &State, step: &StepState, model: &Step) -> Vec<String> {
    let mut missing = Vec::new();
    let unticked = model.checklist.iter().filter(|item| !step.ticked.contains(&item.id)).count();
    if unticked > 0 {
        missing.push(format!("{unticked} of {} checklist items are not ticked", model.checklist.len()));
    }
    let local = HostName::from(crate::runbook::model::LOCAL);
    let context = super::Context::new(state, &local);
    for input in &model.inputs {
        let asked = input.when.as_ref().is_none_or(|when| context.applies(when).unwrap_or(true));
        if asked && !input.optional && context.answer(input).is_none() {
            missing.push(format!("\u{201c}{}\u{201d} is not answered", input.title));
        }
    }
    missing
}

fn row_blocks(model: &Step, row: &Row, now: Stamp) -> Vec<String> {
    match &row.status {
        RowStatus::Waiting | RowStatus::Running { .. } | RowStatus::Done { .. } => Vec::new(),
        RowStatus::Stopped { why, .. } => vec![why.clone()],
        RowStatus::InDoubt { why, .. } => vec![format!("not known whether it happened: {why}")],
        RowStatus::Verifying { .. } => {
            let views = row_gates(model, row, now);
            let shut = views.iter().zip(&row.gates).filter(|(view, _)| !view.open);
            shut.map(|(view, gate)| format!("{}: {}", gate.order.say, view.reason)).collect()
        }
    }
}

/// A moment to come, known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// What happens then.
    pub title: String,
    /// When, as milliseconds UTC. It may have passed.
    pub at_ms: i64,
}

/// The runbook's clocks whose time is known and whose step is not over, in the runbook's order.
pub fn clocks(state: &State) -> Vec<Clock> {
    let local = HostName::from(crate::runbook::model::LOCAL);
    let context = super::Context::new(state, &local);
    let over = |until: &StepId| state.step(until).is_some_and(StepState::is_closed);
    let shown =
        state.runbook().clocks.iter().filter(|clock| !state.is_over() && !clock.until.as_ref().is_some_and(over));
    shown
        .filter_map(|clock| {
            let at_ms = context.text(&clock.at).ok()?.trim().parse().ok()?;
            Some(Clock { title: clock.title.clone(), at_ms })
        })
        .collect()
}
