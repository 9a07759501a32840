//! Moving and searching in the whole output. Lines are numbered from the first that was ever written, so a
//! place stays the same while old lines are dropped.

use super::{
    act::World,
    keymap::Intent,
    text,
    ui::{OutputUi, UiState},
};
use crate::engine::KeptLine;

/// Takes an intent while the whole output is shown; false if it means nothing here.
pub fn intent(world: World<'_>, ui: &mut UiState, meant: Intent) -> bool {
    let page = ui.facts.output_height.saturating_sub(1).max(1) as u64;
    let top = ui.facts.output_top;
    let to = |ui: &mut UiState, line: u64| ui.output = Some(clamped(world, ui, line));
    match meant {
        Intent::Close | Intent::Output | Intent::Leave => ui.output = None,
        Intent::NextItem => to(ui, top.saturating_add(1)),
        Intent::PreviousItem => to(ui, top.saturating_sub(1)),
        Intent::PageDown => to(ui, top.saturating_add(page)),
        Intent::PageUp => to(ui, top.saturating_sub(page)),
        Intent::Top => to(ui, 0),
        Intent::Bottom | Intent::Follow => ui.output = Some(OutputUi::default()),
        Intent::NextMatch | Intent::PreviousMatch => find(world, ui, meant),
        _ => return false,
    }
    true
}

/// Goes to the next match; from the newest line upwards if the output was followed.
pub fn find(world: World<'_>, ui: &mut UiState, meant: Intent) {
    if ui.query.is_empty() {
        return;
    }
    let (count, dropped) = world.output.len();
    let following = ui.output.as_ref().is_none_or(|output| output.top.is_none());
    let stands = ui.output.as_ref().and_then(|output| output.found).unwrap_or(ui.facts.output_top);
    let here = if following { count } else { stands.saturating_sub(dropped) as usize };
    let query = ui.query.to_lowercase();
    let found = world.output.with(|lines| {
        if meant == Intent::NextMatch {
            (here + 1..lines.len()).find(|at| lines.get(*at).is_some_and(|line| matches(line, &query)))
        } else {
            (0..here.min(lines.len())).rev().find(|at| lines.get(*at).is_some_and(|line| matches(line, &query)))
        }
    });
    match found {
        Some(at) => {
            let line = dropped + at as u64;
            ui.output = Some(OutputUi { top: Some(line), found: Some(line) });
        }
        None => ui.message = Some(format!("\u{201c}{}\u{201d}: {}", ui.query, text::NO_MATCH)),
    }
}

/// True if a line holds a text, given in lower case.
pub fn matches(line: KeptLine<'_>, query: &str) -> bool {
    !query.is_empty() && line.text.to_lowercase().contains(query)
}

/// A place in the output; past the last page the newest line is followed.
fn clamped(world: World<'_>, ui: &UiState, line: u64) -> OutputUi {
    let (count, dropped) = world.output.len();
    let last_page = dropped + count.saturating_sub(ui.facts.output_height) as u64;
    if line >= last_page { OutputUi::default() } else { OutputUi { top: Some(line.max(dropped)), found: None } }
}
