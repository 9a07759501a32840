//! The list on the left: phases, and the steps of the phases that matter now.

use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr;

use super::Scene;
use crate::{
    runbook::model::{Phase, StepId},
    session::{StepCondition, StepState, step_condition},
    tui::{
        doc::cut,
        model,
        theme::{Role, condition_role, condition_word},
    },
};

enum Entry<'a> {
    Phase(&'a Phase, usize),
    Step(&'a StepState, usize, usize),
}

pub(super) fn draw(scene: Scene<'_>, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let state = scene.world.state;
    let shown = model::shown_step(state, scene.ui.viewing.as_ref()).map(|(step, _, _)| step.id.clone());
    let entries = entries(scene, shown.as_ref(), usize::from(area.height));
    let is_shown = |entry: &Entry<'_>| matches!(entry, Entry::Step(step, ..) if Some(&step.id) == shown.as_ref());
    let at = entries.iter().position(is_shown).unwrap_or(0);
    let height = usize::from(area.height);
    let from = at.saturating_sub(height / 2).min(entries.len().saturating_sub(height));
    for (entry, y) in entries.iter().skip(from).zip(area.y..area.bottom()) {
        let line = Rect { y, height: 1, ..area };
        match entry {
            Entry::Phase(phase, first) => draw_phase(scene, phase, *first, line, buf),
            Entry::Step(step, phase, place) => {
                let chosen = Some(&step.id) == shown.as_ref();
                draw_step(scene, step, (*phase, *place), chosen, line, buf);
            }
        }
    }
}

fn entries<'a>(scene: Scene<'a>, shown: Option<&StepId>, height: usize) -> Vec<Entry<'a>> {
    let state = scene.world.state;
    let runbook = state.runbook();
    let all_fit = runbook.phases.len() + state.steps.len() <= height;
    let current = state.current().map(|step| &step.id);
    let mut entries = Vec::new();
    let mut first = 0;
    for (phase_at, phase) in runbook.phases.iter().enumerate() {
        entries.push(Entry::Phase(phase, first));
        let matters = phase.steps.iter().any(|step| Some(&step.id) == shown || Some(&step.id) == current);
        if all_fit || matters {
            let steps = state.steps.iter().skip(first).take(phase.steps.len()).enumerate();
            entries.extend(steps.map(|(place, step)| Entry::Step(step, phase_at + 1, place + 1)));
        }
        first += phase.steps.len();
    }
    entries
}

fn draw_phase(scene: Scene<'_>, phase: &Phase, first: usize, area: Rect, buf: &mut Buffer) {
    let steps = scene.world.state.steps.iter().skip(first).take(phase.steps.len());
    let closed = steps.filter(|step| step.is_closed()).count();
    let done = if closed == phase.steps.len() { " done" } else { "" };
    let count = format!("{closed}/{}{done}", phase.steps.len());
    let title = scene.theme.clean(&phase.title).replace('\n', " ");
    two_sides(scene, &title, &count, Role::Strong, area, buf);
}

fn draw_step(scene: Scene<'_>, step: &StepState, number: (usize, usize), chosen: bool, area: Rect, buf: &mut Buffer) {
    let condition = step_condition(scene.world.state, step, scene.world.now);
    let title = scene.world.state.step_model(&step.id).map_or("", |(_, model)| model.title.as_str());
    let title = scene.theme.clean(title).replace('\n', " ");
    let symbol = scene.theme.step_symbol(condition);
    let left = format!(" {symbol} {}.{} {title}", number.0, number.1);
    // The plain ones are told by their symbol and by the count of their phase.
    let word = match condition {
        StepCondition::Locked | StepCondition::Done => "",
        _ if overridden(scene, &step.id) => "override",
        StepCondition::Ready
        | StepCondition::Running
        | StepCondition::Verifying
        | StepCondition::Blocked
        | StepCondition::InDoubt
        | StepCondition::Failed
        | StepCondition::NotNeeded
        | StepCondition::Skipped => condition_word(condition),
    };
    let word = if condition == StepCondition::Done && overridden(scene, &step.id) { "override" } else { word };
    let role = condition_role(condition);
    two_sides(scene, &left, word, role, area, buf);
    if chosen {
        buf.set_style(area, scene.theme.style(Role::Selected));
    }
}

fn overridden(scene: Scene<'_>, step: &StepId) -> bool {
    scene.world.state.overrides.iter().any(|over| &over.step == step)
}

fn two_sides(scene: Scene<'_>, left: &str, right: &str, role: Role, area: Rect, buf: &mut Buffer) {
    let width = usize::from(area.width);
    let keeps = if right.is_empty() || right.width() + 8 > width { 0 } else { right.width() + 1 };
    let style = scene.theme.style(role);
    let room = width.saturating_sub(keeps);
    buf.set_stringn(area.x, area.y, cut(scene.theme, left, room), room, style);
    if keeps > 0 {
        let x = area.right().saturating_sub(right.width() as u16);
        buf.set_stringn(x, area.y, right, right.width(), style);
    }
}
