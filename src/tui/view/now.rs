//! What stands right below the page: the answer to the last key, what is in the way, in the session's own
//! words, and what comes next. It is always seen, however the page is scrolled.

use super::Scene;
use crate::{
    engine::Health,
    runbook::model::Danger,
    session::{Life, RowStatus, StepStatus, blocks},
    tui::{
        doc::Doc,
        model::{self, span},
        text,
        theme::Role,
    },
};

pub(super) fn notices(scene: Scene<'_>, width: u16) -> Doc {
    let mut doc = Doc::new(scene.theme, width);
    let state = scene.world.state;
    if let Some(message) = &scene.ui.message {
        doc.put(None, ("! ", Role::Warn), (message, Role::Strong));
    }
    if let Health::ReadOnly(why) = scene.world.health {
        doc.put(None, ("read only: ", Role::Bad), (why, Role::Bad));
    }
    match &state.life {
        Life::Opening => opening(scene, &mut doc),
        Life::Walking => walking(scene, &mut doc),
        Life::Ending { why } => {
            doc.put(None, ("", Role::Warn), (&text::ending(why), Role::Warn));
            walking(scene, &mut doc);
        }
        Life::Ended { .. } => {}
    }
    doc
}

fn opening(scene: Scene<'_>, doc: &mut Doc) {
    let state = scene.world.state;
    let all = state.runbook().consequences.len();
    let open = all.saturating_sub(state.acknowledged.len());
    if open > 0 {
        let say = format!("{open} of {all} consequences to acknowledge: space, one by one");
        doc.put(None, ("next  ", Role::Dim), (&say, Role::Strong));
    } else {
        doc.put(None, ("next  ", Role::Dim), ("r begins the session", Role::Strong));
    }
}

fn walking(scene: Scene<'_>, doc: &mut Doc) {
    let state = scene.world.state;
    if scene.ui.leaving {
        doc.put(None, ("", Role::Plain), (text::LEAVING, Role::Warn));
    } else if state.held {
        doc.put(None, ("held  ", Role::Warn), ("nothing new is started; p goes on", Role::Warn));
    }
    if !state.drift.is_empty() {
        let say = format!("{} things are not as their steps left them; D lists them", state.drift.len());
        doc.put(None, ("drift ", Role::Warn), (&say, Role::Warn));
    }
    let Some((step, _, model)) = model::shown_step(state, scene.ui.viewing.as_ref()) else { return };
    if step.is_closed() {
        let is_last = state.current().is_none();
        if !is_last {
            doc.put(None, ("next  ", Role::Dim), ("c goes to the current step", Role::Plain));
        }
        return;
    }
    let reasons = blocks(state, &step.id, scene.world.now);
    let free = reasons.is_empty();
    for (host, why) in reasons {
        let place = host.map(|host| format!("{host}: ")).unwrap_or_default();
        let label = if step.status == StepStatus::Ready { "first " } else { "blocked: " };
        doc.put(None, (label, Role::Bad), (&format!("{place}{why}"), Role::Strong));
    }
    if free || step.status == StepStatus::Active {
        next(scene, doc, step, model);
    }
}

fn next(scene: Scene<'_>, doc: &mut Doc, step: &crate::session::StepState, model: &crate::runbook::model::Step) {
    match step.status {
        StepStatus::Ready if model.danger > Danger::Reads => {
            doc.put(None, ("next  ", Role::Dim), ("r shows what will run and asks", Role::Strong));
        }
        StepStatus::Ready => doc.put(None, ("next  ", Role::Dim), ("r runs it; it only looks", Role::Strong)),
        StepStatus::Active => {
            let runs: Vec<String> = step
                .rows
                .iter()
                .filter_map(|row| match &row.status {
                    RowStatus::Running { since, .. } => {
                        Some(format!("{} for {}", row.host, span(scene.world.now.since(*since))))
                    }
                    RowStatus::Waiting
                    | RowStatus::Stopped { .. }
                    | RowStatus::InDoubt { .. }
                    | RowStatus::Verifying { .. }
                    | RowStatus::Done { .. } => None,
                })
                .collect();
            if !runs.is_empty() {
                doc.put(None, ("runs  ", Role::Dim), (&runs.join(", "), Role::Busy));
            }
        }
        StepStatus::Locked | StepStatus::Closed(_) => {}
    }
}
