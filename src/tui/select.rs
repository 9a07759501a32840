//! What is selected on the page, and how it is scrolled. What is selected without being chosen is the first
//! thing about which something is still to be done.

use super::{
    act::World,
    keymap::{Context, Intent},
    model::{self, Item},
    ui::{UiState, page_context},
};
use crate::{
    runbook::model::{HostName, LOCAL},
    session::{Context as Names, RowStatus, row_gates},
};

/// What can be selected on the page.
pub fn items(world: World<'_>, ui: &UiState) -> Vec<Item> {
    match page_context(world.state) {
        Context::Plan => model::plan_items(world.state),
        _ => model::shown_step(world.state, ui.viewing.as_ref())
            .map(|(step, _, model)| model::step_items(world.state, step, model))
            .unwrap_or_default(),
    }
}

/// What is selected, or would be if nothing is: the first thing that asks for something.
pub fn selected(world: World<'_>, ui: &UiState) -> Option<Item> {
    let items = items(world, ui);
    let chosen = ui.selected.clone().filter(|item| items.contains(item));
    let open = || items.iter().find(|item| is_open(world, ui, item)).cloned();
    chosen.or_else(open).or_else(|| items.first().cloned())
}

/// True if something is still to be done about an item.
fn is_open(world: World<'_>, ui: &UiState, item: &Item) -> bool {
    let state = world.state;
    let shown = model::shown_step(state, ui.viewing.as_ref());
    match item {
        Item::Consequence(id) => !state.acknowledged.contains(id),
        Item::Check(id) => shown.is_some_and(|(step, _, _)| !step.is_closed() && !step.ticked.contains(id)),
        Item::Ask(id) => {
            let local = HostName::from(LOCAL);
            let names = Names::new(state, &local);
            let asked = state.runbook().inputs().map(|(_, input)| input).find(|input| &input.id == id);
            asked.is_some_and(|input| !input.optional && names.answer(input).is_none())
        }
        Item::Row(host) => shown.and_then(|(step, _, _)| step.row(host)).is_some_and(|row| match row.status {
            RowStatus::Stopped { .. } | RowStatus::InDoubt { .. } => true,
            RowStatus::Waiting | RowStatus::Running { .. } | RowStatus::Verifying { .. } | RowStatus::Done { .. } => {
                false
            }
        }),
        Item::Gate(host, gate) => shown.is_some_and(|(step, _, model)| {
            let verified = |row: &&crate::session::Row| matches!(row.status, RowStatus::Verifying { .. });
            let row = step.row(host).filter(verified);
            row.is_some_and(|row| {
                row_gates(model, row, world.now).get(*gate).is_some_and(|view| view.overdue && !view.open)
            })
        }),
    }
}

/// Selects what comes next or before; past the last item the page is scrolled.
pub fn select(world: World<'_>, ui: &mut UiState, meant: Intent) {
    let mut items = items(world, ui);
    if matches!(meant, Intent::NextRow | Intent::PreviousRow) {
        items.retain(|item| !matches!(item, Item::Gate(..)));
    }
    let explicit = ui.selected.is_some();
    let now = selected(world, ui);
    let host = now.as_ref().and_then(Item::host).cloned();
    let at = items.iter().position(|item| Some(item) == now.as_ref());
    let at = at.or_else(|| items.iter().position(|item| item.host().is_some() && item.host() == host.as_ref()));
    let last = items.len().saturating_sub(1);
    let next = match (meant, at) {
        (_, None) => 0,
        (_, Some(at)) if !explicit && meant == Intent::NextRow => at,
        (Intent::NextRow, Some(at)) => {
            if at >= last {
                0
            } else {
                at + 1
            }
        }
        (Intent::PreviousRow, Some(at)) => at.checked_sub(1).unwrap_or(last),
        (Intent::PreviousItem, Some(at)) => {
            if at == 0 {
                // Above the first item stands the text that explains the step.
                ui.scroll = ui.scroll.saturating_sub(1);
                ui.follow_selected = false;
                return;
            }
            at - 1
        }
        (_, Some(at)) => {
            if at == last {
                ui.scroll = ui.scroll.saturating_add(1);
                ui.follow_selected = false;
                return;
            }
            at + 1
        }
    };
    if items.is_empty() {
        ui.scroll = if meant == Intent::PreviousItem { ui.scroll.saturating_sub(1) } else { ui.scroll + 1 };
    }
    ui.selected = items.get(next).cloned();
    ui.follow_selected = true;
}

/// Scrolls the page.
pub fn scroll(ui: &mut UiState, meant: Intent) {
    let page = ui.facts.page_height.saturating_sub(1).max(1);
    ui.follow_selected = false;
    ui.scroll = match meant {
        Intent::PageDown => ui.scroll.saturating_add(page),
        Intent::PageUp => ui.scroll.saturating_sub(page),
        Intent::Bottom => usize::MAX / 2,
        _ => 0,
    };
}
