//! The bottom line: the keys that do something now, from the keymap.

use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr;

use super::Scene;
use crate::{
    session::StepStatus,
    tui::{
        act,
        keymap::{self, Binding, Context, Intent},
        model::{self, Item},
        select,
        theme::Role,
        ui::DialogKind,
    },
};

/// Always there, at the end.
const LAST: [Intent; 2] = [Intent::Help, Intent::Leave];

pub(super) fn draw(scene: Scene<'_>, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let context = scene.ui.context(scene.world.state);
    let close = (context == Context::Table).then_some(Intent::Close);
    let last: Vec<String> = LAST
        .iter()
        .chain(&close)
        .filter_map(|intent| keymap::binding(context, *intent))
        .map(|b| hint(scene, b))
        .collect();
    let last = last.join("  ");
    let mut room = usize::from(area.width).saturating_sub(2);
    room = room.saturating_sub(if last.is_empty() { 0 } else { last.width() + 2 });
    let mut line = String::new();
    let mut said = Vec::new();
    for binding in keymap::TABLE {
        let here = binding.contexts.contains(&context) && !said.contains(&binding.intent);
        if !here || !is_shown(scene, context, binding) {
            continue;
        }
        said.push(binding.intent);
        let hint = hint(scene, binding);
        let needs = hint.width() + if line.is_empty() { 0 } else { 2 };
        if needs <= room {
            room -= needs;
            if !line.is_empty() {
                line.push_str("  ");
            }
            line.push_str(&hint);
        }
    }
    if !last.is_empty() {
        if !line.is_empty() {
            line.push_str("  ");
        }
        line.push_str(&last);
    }
    let style = scene.theme.style(Role::Strong);
    buf.set_stringn(area.x, area.y, format!(" {line}"), usize::from(area.width), style);
}

fn is_shown(scene: Scene<'_>, context: Context, binding: &Binding) -> bool {
    let silent = matches!(
        binding.intent,
        Intent::Redraw
            | Intent::Suspend
            | Intent::Interrupt
            | Intent::Top
            | Intent::Bottom
            | Intent::PageDown
            | Intent::PageUp
            | Intent::NextItem
            | Intent::PreviousItem
            | Intent::PreviousRow
            | Intent::Abandon
            | Intent::ColumnsLeft
            | Intent::ColumnsRight
    );
    let last = context == Context::Table && binding.intent == Intent::Close;
    if silent || last || LAST.contains(&binding.intent) {
        return false;
    }
    match context {
        Context::Plan | Context::Walk | Context::Over => act::is_useful(scene.world, scene.ui, binding.intent),
        Context::Output => {
            !matches!(binding.intent, Intent::NextMatch | Intent::PreviousMatch) || !scene.ui.query.is_empty()
        }
        Context::Read => match binding.intent {
            Intent::Copy | Intent::ByHand => {
                let manual = |dialog: &crate::tui::ui::Dialog| matches!(dialog.kind, DialogKind::Manual { .. });
                scene.ui.dialog.as_ref().is_some_and(manual)
            }
            _ => true,
        },
        Context::Table => match binding.intent {
            Intent::Take => scene.ui.table.as_ref().is_some_and(|table| table.answers.is_some()),
            _ => true,
        },
        Context::Type => binding.intent != Intent::NextField || has_fields(scene),
        Context::Row | Context::Filter | Context::Choose | Context::Confirm => true,
    }
}

fn has_fields(scene: Scene<'_>) -> bool {
    let kind = scene.ui.dialog.as_ref().map(|dialog| &dialog.kind);
    matches!(kind, Some(DialogKind::Abandon { .. } | DialogKind::Palette { .. }))
}

fn hint(scene: Scene<'_>, binding: &Binding) -> String {
    let key = binding.keys.first().map(|key| keymap::key_name(*key)).unwrap_or_default();
    format!("{key} {}", label(scene, binding))
}

/// What Enter does in a dialog.
fn submit_label(kind: &DialogKind) -> &'static str {
    match kind {
        DialogKind::Begin => "begin",
        DialogKind::Run { .. } => "run it",
        DialogKind::Leave => "leave",
        DialogKind::Say { .. } => "write it down",
        DialogKind::Answer { .. } | DialogKind::Take { .. } => "answer",
        DialogKind::Abandon { on_reason: true, .. } => "abandon",
        DialogKind::Choose { .. } | DialogKind::Abandon { .. } => "go on",
        DialogKind::Search { .. } => "search",
        DialogKind::Palette { .. }
        | DialogKind::Evidence { .. }
        | DialogKind::Manual { .. }
        | DialogKind::Help
        | DialogKind::Drift => "do it",
    }
}

/// A few keys are named after what they do at this moment.
fn label<'a>(scene: Scene<'_>, binding: &'a Binding) -> &'a str {
    let state = scene.world.state;
    let context = scene.ui.context(state);
    match binding.intent {
        Intent::Run if context == Context::Plan => "begin",
        Intent::Acknowledge if context == Context::Plan => "acknowledge",
        Intent::Act if matches!(select::selected(scene.world, scene.ui), Some(Item::Ask(_))) => "answer",
        Intent::Hold if state.held => "go on",
        Intent::Submit => scene.ui.dialog.as_ref().map_or(binding.label, |dialog| submit_label(&dialog.kind)),
        Intent::Retry => {
            let shown = model::shown_step(state, scene.ui.viewing.as_ref());
            let done = shown.is_some_and(|(step, _, _)| step.status != StepStatus::Active);
            if done { binding.label } else { "run again" }
        }
        _ => binding.label,
    }
}
