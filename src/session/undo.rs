//! Taking back: a runbook that has no place for it gets one.

use crate::runbook::{
    kind::{Kind, UndoWhat},
    model::{Action, Condition, Confirm, Danger, Order, Phase, PhaseId, Runbook, Step, StepId, Target, Undo},
    text::Text,
};

/// Longest time for putting one change back, in milliseconds.
const TIMEOUT_MS: u64 = 120_000;

/// The runbook, with a last phase that puts everything back after an abandon if it has none of its own.
pub(super) fn with_put_back(mut runbook: Runbook) -> Runbook {
    let undoes = |step: &Step| step.actions.iter().any(|action| matches!(action.kind, Kind::Undo(_)));
    if runbook.phases.iter().any(|phase| phase.always && phase.steps.iter().any(undoes)) {
        return runbook;
    }
    runbook.phases.push(Phase {
        id: PhaseId::from("put-back"),
        title: "Put back".to_owned(),
        always: true,
        steps: vec![put_back()],
    });
    runbook
}

fn put_back() -> Step {
    Step {
        id: StepId::from("put-back-changes"),
        title: "Put back what was changed".to_owned(),
        why: Text::from("The session was abandoned: what it changed is taken back, newest first."),
        expect: Text::from("Each change is put back and looked at. Nothing is left on the list."),
        by_hand: Text::from("open the list of changes and put back each entry"),
        on: Target::Local,
        order: Order::Parallel,
        when: Some(Condition::Is { text: Text::from("{{ session.ending }}"), values: vec![Text::from("abandoned")] }),
        danger: Danger::Changes,
        checklist: Vec::new(),
        inputs: Vec::new(),
        guard: Vec::new(),
        confirm: Confirm::Key,
        actions: vec![Action { kind: Kind::Undo(UndoWhat::Everything), register: None, when: None }],
        gates: Vec::new(),
        undo: Undo::None("it is the undoing".to_owned()),
        idempotent: true,
        in_doubt: None,
        timeout_ms: TIMEOUT_MS,
        holds_until: None,
        settles: Vec::new(),
        ends: None,
        may_skip: false,
    }
}
