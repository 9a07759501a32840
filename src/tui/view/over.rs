//! The page after the end: how it ended, what is still changed, what was not done, where the report is.

use super::Scene;
use crate::{
    runbook::plan,
    session::{Closing, Life, StepStatus},
    tui::{
        doc::Doc,
        model::{self, span},
        theme::Role,
    },
};

/// Lost tasks that are named on the page; the report has all of them.
const LOST_MAX: usize = 8;

pub(super) fn page(scene: Scene<'_>, width: u16) -> Doc {
    let state = scene.world.state;
    let mut doc = Doc::new(scene.theme, width);
    let Life::Ended { outcome, at, .. } = &state.life else { return doc };
    doc.text(Role::Strong, "The session is over");
    doc.labelled("outcome  ", Role::Strong, outcome);
    doc.labelled("took     ", Role::Plain, &span(at.since(state.session.at)));
    if let Some(report) = &scene.info.report {
        doc.labelled("report   ", Role::Plain, report);
    }
    doc.gap();
    lost(scene, &mut doc);
    still_changed(scene, &mut doc);
    not_done(scene, &mut doc);
    for over in &state.overrides {
        let say = format!("{}: {} on {}: {} (was: {})", over.step, over.gate, over.host, over.reason, over.seen);
        doc.put(None, ("override ", Role::Warn), (&say, Role::Plain));
    }
    for note in &state.notes {
        doc.labelled("note     ", Role::Plain, &note.text);
    }
    doc.gap();
    doc.text(Role::Dim, "Left and Right go through the steps with their evidence; q leaves");
    doc
}

/// What steps reported as lost: the members named `lost` of what they found.
fn lost(scene: Scene<'_>, doc: &mut Doc) {
    for found in scene.world.state.outputs.values().flat_map(|hosts| hosts.values()) {
        let Some(ids) = found.get("lost").and_then(serde_json::Value::as_array) else { continue };
        let role = if ids.is_empty() { Role::Good } else { Role::Warn };
        doc.put(None, ("lost     ", Role::Dim), (&format!("{} tasks", ids.len()), role));
        for id in ids.iter().take(LOST_MAX).filter_map(serde_json::Value::as_str) {
            doc.put(None, ("  - ", Role::Dim), (id, Role::Plain));
        }
        if ids.len() > LOST_MAX {
            doc.text(Role::Dim, &format!("    and {} more, in the report", ids.len() - LOST_MAX));
        }
    }
}

fn still_changed(scene: Scene<'_>, doc: &mut Doc) {
    let mut open = scene.world.state.still_changed().peekable();
    if open.peek().is_none() {
        doc.put(None, ("changed  ", Role::Dim), ("nothing of this session is still changed", Role::Good));
        return;
    }
    doc.text(Role::Bad, "STILL CHANGED on the cluster");
    for entry in open {
        let say = format!("{} on {}: {}", entry.step, entry.host, plan::describe(&entry.kind));
        doc.put(None, ("  - ", Role::Bad), (&say, Role::Plain));
    }
    doc.gap();
}

fn not_done(scene: Scene<'_>, doc: &mut Doc) {
    let state = scene.world.state;
    for step in &state.steps {
        let number = model::number(state, &step.id);
        match &step.status {
            StepStatus::Closed(Closing::Skipped { reason }) => {
                doc.put(None, ("skipped  ", Role::Warn), (&format!("{number} {}: {reason}", step.id), Role::Plain));
            }
            StepStatus::Closed(Closing::NotNeeded { why }) => {
                doc.put(None, ("left out ", Role::Dim), (&format!("{number} {}: {why}", step.id), Role::Dim));
            }
            StepStatus::Closed(Closing::Done) | StepStatus::Locked | StepStatus::Ready | StepStatus::Active => {}
        }
    }
}
