//! Which intents lead to anything at this moment: the bottom bar and the palette show only these.

use super::{
    act::{World, shut_gates},
    kept,
    keymap::{Context, Intent},
    model::{self, Item},
    select::{items, selected},
    ui::{UiState, page_context},
};
use crate::session::{RowStatus, StepStatus, no_way_back};

/// Whether an intent leads to anything now.
pub fn is_useful(world: World<'_>, ui: &UiState, meant: Intent) -> bool {
    let state = world.state;
    let Some((step, _, model)) = model::shown_step(state, ui.viewing.as_ref()) else {
        return matches!(meant, Intent::Help | Intent::Leave | Intent::Note | Intent::Palette | Intent::Run);
    };
    let context = page_context(state);
    let current = state.current().is_some_and(|current| current.id == step.id) && context == Context::Walk;
    let any_row = |wanted: fn(&RowStatus) -> bool| step.rows.iter().any(|row| wanted(&row.status));
    match meant {
        Intent::Run => context == Context::Plan || current && step.status == StepStatus::Ready,
        Intent::Acknowledge => may_acknowledge(world, ui, current),
        Intent::Act => match selected(world, ui) {
            Some(Item::Consequence(_) | Item::Check(_)) | None => false,
            Some(Item::Ask(_)) => context == Context::Plan || current,
            Some(Item::Row(_) | Item::Gate(..)) => true,
        },
        Intent::Settle => current && any_row(|status| matches!(status, RowStatus::InDoubt { .. })),
        Intent::Retry => current && any_row(may_retry) && !model.actions.is_empty(),
        Intent::Override => current && !shut_gates(world, &step.id).is_empty(),
        Intent::ByHand => !step.is_closed() && context == Context::Walk,
        Intent::Skip => current && model.may_skip,
        Intent::GoBack => step.is_closed() && no_way_back(state, &step.id).is_none(),
        Intent::Drift => !state.drift.is_empty(),
        Intent::Copy => world.may_copy && context != Context::Plan,
        Intent::NextRow => !items(world, ui).is_empty(),
        Intent::Evidence => selected(world, ui).is_some_and(|item| item.host().is_some()),
        Intent::CurrentStep => ui.viewing.is_some(),
        Intent::UndoList => !state.undo.is_empty(),
        Intent::Search | Intent::Output => !world.output.is_empty(),
        Intent::OpenTable => kept::any_table(state),
        Intent::Hold | Intent::Abandon => context == Context::Walk,
        Intent::Note
        | Intent::NextItem
        | Intent::PreviousItem
        | Intent::PreviousRow
        | Intent::NextStep
        | Intent::PreviousStep
        | Intent::PageDown
        | Intent::PageUp
        | Intent::Top
        | Intent::Bottom
        | Intent::Follow
        | Intent::NextMatch
        | Intent::PreviousMatch
        | Intent::Palette
        | Intent::Help
        | Intent::Redraw
        | Intent::Suspend
        | Intent::Leave
        | Intent::Interrupt
        | Intent::Submit
        | Intent::Close
        | Intent::NextField
        | Intent::Filter
        | Intent::Mark
        | Intent::MarkRange
        | Intent::MarkShown
        | Intent::Invert
        | Intent::Unmark
        | Intent::SortNext
        | Intent::SortBack
        | Intent::Group
        | Intent::Details
        | Intent::Take
        | Intent::ColumnsRight
        | Intent::ColumnsLeft
        | Intent::StepOut => true,
    }
}

/// Whether the selected entry waits for a tick.
fn may_acknowledge(world: World<'_>, ui: &UiState, current: bool) -> bool {
    match selected(world, ui) {
        Some(Item::Consequence(id)) => !world.state.acknowledged.contains(&id),
        Some(Item::Check(_)) => current,
        Some(Item::Ask(_) | Item::Row(_) | Item::Gate(..)) | None => false,
    }
}

/// Whether a host in this state can be tried again.
fn may_retry(status: &RowStatus) -> bool {
    match status {
        RowStatus::Stopped { .. } | RowStatus::InDoubt { .. } | RowStatus::Verifying { .. } => true,
        RowStatus::Waiting | RowStatus::Running { .. } | RowStatus::Done { .. } => false,
    }
}
