//! The plan before the first step: what it does, what follows from it, what it asks, every step.

use super::{Scene, page};
use crate::{
    runbook::model::{HostName, LOCAL},
    session::Context,
    tui::{
        doc::Doc,
        model::{self, Item},
        select, text,
        theme::Role,
    },
};

pub(super) fn page(scene: Scene<'_>, width: u16) -> Doc {
    let state = scene.world.state;
    let runbook = state.runbook();
    let opened = &state.session.opened;
    let mut doc = Doc::selecting(scene.theme, width, select::selected(scene.world, scene.ui));
    doc.text(Role::Strong, &runbook.title);
    doc.text(Role::Plain, runbook.summary.trim_end());
    doc.gap();
    doc.labelled("cluster  ", Role::Strong, &state.inventory().cluster);
    doc.labelled("mode     ", Role::Strong, text::mode_sentence(opened.mode, opened.inventory.practice));
    doc.labelled("operator ", Role::Plain, &format!("{} on {}", opened.operator, opened.machine));
    doc.gap();
    consequences(scene, &mut doc);
    inputs(scene, &mut doc);
    steps(scene, &mut doc);
    doc
}

fn consequences(scene: Scene<'_>, doc: &mut Doc) {
    let state = scene.world.state;
    let local = HostName::from(LOCAL);
    let context = Context::new(state, &local);
    if state.runbook().consequences.is_empty() {
        return;
    }
    doc.text(Role::Dim, "what follows from it; acknowledge each with space");
    for item in &state.runbook().consequences {
        let (mark, role) =
            if state.acknowledged.contains(&item.id) { ("[x] ", Role::Good) } else { ("[ ] ", Role::Strong) };
        let key = Item::Consequence(item.id.clone());
        doc.put(Some(&key), (mark, role), (context.show(&item.text).trim_end(), Role::Plain));
    }
    doc.gap();
}

fn inputs(scene: Scene<'_>, doc: &mut Doc) {
    let state = scene.world.state;
    let asked: Vec<_> = state.runbook().inputs.iter().filter(|input| model::is_asked(state, input)).collect();
    if asked.is_empty() {
        return;
    }
    doc.text(Role::Dim, "questions; Enter changes an answer");
    for input in asked {
        page::ask_line(state, doc, input);
    }
    doc.gap();
}

fn steps(scene: Scene<'_>, doc: &mut Doc) {
    doc.text(Role::Dim, "the plan; nothing runs before you begin");
    for (phase_at, phase) in scene.world.state.runbook().phases.iter().enumerate() {
        let always = if phase.always { "  (also when it ends early)" } else { "" };
        doc.text(Role::Strong, &format!("{} {}{always}", phase_at + 1, phase.title));
        for (step_at, step) in phase.steps.iter().enumerate() {
            let number = format!("  {}.{} ", phase_at + 1, step_at + 1);
            let danger = model::danger_word(step.danger);
            let role = if step.danger > crate::runbook::model::Danger::Changes { Role::Bad } else { Role::Plain };
            let sometimes = if step.when.is_some() { ", only if needed" } else { "" };
            doc.put(None, (&number, Role::Dim), (&format!("{}  [{danger}{sometimes}]", step.title), role));
        }
    }
}
