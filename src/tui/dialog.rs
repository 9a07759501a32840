//! What keys do in a dialog, and what a list offers. Pure, like `act`.

use super::{
    act::{self, Do, Pressed, World, ask},
    editor::Editor,
    kept,
    keymap::{self, Binding, Intent},
    rows, text,
    ui::{Choose, Dialog, DialogKind, Say, UiState},
};
use crate::{
    runbook::{
        model::{HostName, InputId, InputKind, LOCAL},
        plan,
    },
    session::{Command, Context as Names, Given, UndoStatus},
};

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What it stands for.
    pub value: String,
    /// What is shown.
    pub line: String,
}

/// Takes a key while a dialog is open.
pub fn key(world: World<'_>, ui: &mut UiState, pressed: Pressed, meant: Option<Intent>) -> Vec<Do> {
    let Some(dialog) = &mut ui.dialog else { return Vec::new() };
    match meant {
        Some(Intent::Close) => {
            let searched = matches!(dialog.kind, DialogKind::Search { .. });
            ui.dialog = None;
            if searched {
                ui.query.clear();
            }
            return Vec::new();
        }
        Some(Intent::Submit) => return submit(world, ui, pressed),
        Some(Intent::NextField) => next_field(dialog),
        Some(moved @ (Intent::NextItem | Intent::PreviousItem)) => move_by_one(world, ui, moved),
        Some(moved @ (Intent::PageDown | Intent::PageUp | Intent::Top | Intent::Bottom)) => {
            let page = ui.facts.dialog_height.saturating_sub(1).max(1);
            dialog.scroll = scrolled(moved, ui.facts.dialog_scroll, page);
        }
        Some(Intent::Copy) => return copy(world, ui),
        Some(Intent::ByHand) => by_hand(ui),
        Some(_) | None => type_key(world, ui, pressed),
    }
    Vec::new()
}

/// What a list offers.
pub fn choices(world: World<'_>, of: &Choose) -> Vec<Choice> {
    match of {
        Choose::Gate(step) => act::shut_gates(world, step)
            .into_iter()
            .map(|(host, gate, say, why)| Choice { value: gate.to_string(), line: format!("{host}: {say}: {why}") })
            .collect(),
        Choose::Undo => undo_choices(world),
        Choose::Doubt(_) => [
            ("look", "look again whether it happened"),
            ("yes", "it has happened; say how you know"),
            ("no", "it has not happened; say how you know"),
        ]
        .map(|(value, line)| Choice { value: value.to_owned(), line: line.to_owned() })
        .into(),
        Choose::Answer(input) => answer_choices(world, input),
        Choose::Kept => kept::all(world.state, None)
            .into_iter()
            .map(|kept| {
                let what = if kept.is_table() { "" } else { "  (not a table)" };
                Choice { line: format!("{}{what}: {}", kept.name, kept.path), value: kept.path }
            })
            .collect(),
    }
}

/// The members that a table of choices shows, if it is one.
pub fn columns(world: World<'_>, of: &Choose) -> Option<Vec<String>> {
    let Choose::Answer(id) = of else { return None };
    let (_, input) = world.state.runbook().inputs().find(|(_, input)| &input.id == id)?;
    match &input.kind {
        InputKind::Pick { show, .. } => Some(show.clone()),
        InputKind::Text
        | InputKind::Rows { .. }
        | InputKind::Choice(_)
        | InputKind::Duration
        | InputKind::Path
        | InputKind::Host(_)
        | InputKind::Secret
        | InputKind::YesNoUnsure => None,
    }
}

/// What the palette proposes: commands whose name holds the typed letters in their order.
pub fn proposals(world: World<'_>, ui: &UiState, typed: &str) -> Vec<&'static Binding> {
    let context = super::ui::page_context(world.state);
    let mut seen = Vec::new();
    let mut found: Vec<&'static Binding> = Vec::new();
    for binding in keymap::TABLE {
        let fits = binding.contexts.contains(&context) && !seen.contains(&binding.intent);
        if fits && in_order(typed, binding.label) && act::is_useful(world, ui, binding.intent) {
            seen.push(binding.intent);
            found.push(binding);
        }
    }
    found.sort_by_key(|binding| !binding.label.starts_with(typed));
    found
}

/// True if `text` holds the letters of `wanted` in their order.
fn in_order(wanted: &str, text: &str) -> bool {
    let mut letters = text.chars().flat_map(char::to_lowercase);
    wanted
        .chars()
        .flat_map(char::to_lowercase)
        .filter(|letter| !letter.is_whitespace())
        .all(|letter| letters.any(|known| known == letter))
}

fn undo_choices(world: World<'_>) -> Vec<Choice> {
    let line = |entry: &crate::session::UndoEntry| {
        let status = match &entry.status {
            UndoStatus::Open => "STILL CHANGED".to_owned(),
            UndoStatus::Undone { seen, .. } => format!("put back: {seen}"),
            UndoStatus::ByHand { reason } => format!("by hand: {reason}"),
            UndoStatus::Settled { by } => format!("permanent since {by}"),
        };
        format!("{} on {}: {} [{status}]", entry.step, entry.host, plan::describe(&entry.kind))
    };
    let newest_first = world.state.undo.iter().rev();
    newest_first.map(|entry| Choice { value: entry.id.0.to_string(), line: line(entry) }).collect()
}

fn answer_choices(world: World<'_>, id: &InputId) -> Vec<Choice> {
    let Some((_, input)) = world.state.runbook().inputs().find(|(_, input)| &input.id == id) else {
        return Vec::new();
    };
    let plain = |value: &str| Choice { value: value.to_owned(), line: value.to_owned() };
    match &input.kind {
        InputKind::Choice(values) => values.iter().map(|value| plain(value)).collect(),
        InputKind::YesNoUnsure => ["yes", "no", "unsure"].map(plain).into(),
        InputKind::Host(group) => {
            world.state.inventory().hosts_of(group).iter().map(|host| plain(host.as_str())).collect()
        }
        InputKind::Pick { value, .. } => {
            let local = HostName::from(LOCAL);
            let entries = Names::new(world.state, &local).choices(input);
            let tells = |entry: &serde_json::Value| match entry.get(value) {
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(serde_json::Value::Null) | None => String::new(),
                Some(other) => other.to_string(),
            };
            entries.iter().map(|entry| plain(&tells(entry))).collect()
        }
        InputKind::Text | InputKind::Rows { .. } | InputKind::Duration | InputKind::Path | InputKind::Secret => {
            Vec::new()
        }
    }
}

/// The entries of a list that was found, and the members that are shown of them, if the choice is of such a list.
pub fn entries(world: World<'_>, of: &Choose) -> Option<(Vec<serde_json::Value>, Vec<String>)> {
    let show = columns(world, of)?;
    let Choose::Answer(id) = of else { return None };
    let (_, input) = world.state.runbook().inputs().find(|(_, input)| &input.id == id)?;
    Some((Names::new(world.state, &HostName::from(LOCAL)).choices(input), show))
}

fn scrolled(moved: Intent, from: usize, page: usize) -> usize {
    match moved {
        Intent::PageDown => from.saturating_add(page),
        Intent::PageUp => from.saturating_sub(page),
        Intent::Bottom => usize::MAX / 2,
        _ => 0,
    }
}

fn move_by_one(world: World<'_>, ui: &mut UiState, moved: Intent) {
    let count = match ui.dialog.as_ref().map(|dialog| &dialog.kind) {
        Some(DialogKind::Choose { of, .. }) => choices(world, of).len(),
        Some(DialogKind::Palette { editor, .. }) => proposals(world, ui, &editor.text()).len(),
        _ => 0,
    };
    let Some(dialog) = &mut ui.dialog else { return };
    let by = if moved == Intent::NextItem { 1 } else { -1 };
    match &mut dialog.kind {
        DialogKind::Choose { selected, .. } | DialogKind::Palette { selected, .. } => {
            *selected = selected.saturating_add_signed(by).min(count.saturating_sub(1));
            dialog.revision += 1;
        }
        _ => dialog.scroll = ui.facts.dialog_scroll.saturating_add_signed(by),
    }
}

fn next_field(dialog: &mut Dialog) {
    dialog.revision += 1;
    match &mut dialog.kind {
        DialogKind::Abandon { on_reason, .. } => *on_reason = !*on_reason,
        DialogKind::Palette { selected, .. } => *selected += 1,
        _ => {}
    }
}

fn type_key(world: World<'_>, ui: &mut UiState, pressed: Pressed) {
    let _ = world;
    let Some(key) = keymap::pressed(pressed.event) else { return };
    let Some(dialog) = &mut ui.dialog else { return };
    let early = dialog.refuses_paste() && dialog.first_drawn.is_none_or(|at| pressed.read < at);
    if dialog.waiting.is_some() || dialog.editor().is_none() {
        return;
    }
    if early {
        dialog.refusal = Some(text::NOT_DRAWN.to_owned());
        return;
    }
    if let Some(editor) = dialog.editor()
        && editor.key(key)
    {
        dialog.revision += 1;
        dialog.refusal = None;
    }
    if let DialogKind::Palette { selected, .. } = &mut dialog.kind {
        *selected = 0;
    }
}

fn submit(world: World<'_>, ui: &mut UiState, pressed: Pressed) -> Vec<Do> {
    let Some(dialog) = &mut ui.dialog else { return Vec::new() };
    if dialog.waiting.is_some() {
        return Vec::new();
    }
    let harmless = matches!(dialog.kind, DialogKind::Search { .. });
    let wrong = if pressed.held {
        Some(text::HELD_DOWN)
    } else if dialog.answers_frame(pressed.read) || harmless {
        None
    } else if ui.facts.dialog_read {
        Some(text::NOT_DRAWN)
    } else {
        Some(text::TOO_SMALL)
    };
    if let Some(wrong) = wrong {
        dialog.refusal = Some(wrong.to_owned());
        return Vec::new();
    }
    let kind = dialog.kind.clone();
    match kind {
        DialogKind::Run { step, shown, seen_seq, phrase } => {
            let typed = phrase.map(|(_, editor)| editor.text());
            ask_and_wait(ui, Command::Run { step, typed, shown, seen_seq })
        }
        DialogKind::Begin => ask_and_wait(ui, Command::Begin),
        DialogKind::Take { input, answer, .. } => ask_and_wait(ui, act::answer(input, rows::given(&answer))),
        DialogKind::Say { about, editor } => ask_and_wait(ui, said(about, editor.text())),
        DialogKind::Choose { of, selected } => chosen(world, ui, &of, selected),
        DialogKind::Answer { input, editor, masked: true } => vec![Do::Secret(input.clone(), editor.text())]
            .into_iter()
            .chain(ask_and_wait(ui, act::answer(input, Given::Secret)))
            .collect(),
        DialogKind::Answer { input, editor, masked: false } => {
            let typed = editor.text();
            let given = if typed.trim().is_empty() { Given::Nothing } else { Given::Text(typed) };
            ask_and_wait(ui, act::answer(input, given))
        }
        DialogKind::Abandon { word, reason, on_reason } => abandon(ui, &word, &reason, on_reason),
        DialogKind::Palette { editor, selected } => {
            let found = proposals(world, ui, &editor.text());
            ui.dialog = None;
            let Some(binding) = found.get(selected.min(found.len().saturating_sub(1))) else { return Vec::new() };
            act::intent(world, ui, binding.intent)
        }
        DialogKind::Search { editor } => {
            ui.dialog = None;
            ui.query = editor.text();
            super::search::find(world, ui, Intent::PreviousMatch);
            Vec::new()
        }
        DialogKind::Leave => act::leave_when_idle(world, ui),
        DialogKind::Evidence { .. } | DialogKind::Manual { .. } | DialogKind::Help | DialogKind::Drift => Vec::new(),
    }
}

fn said(about: Say, text: String) -> Command {
    match about {
        Say::Note => Command::Note { text },
        Say::Skip(step) => Command::Skip { step, reason: text },
        Say::GoBack(step) => Command::GoBack { step, reason: text },
        Say::ByHand(step, host) => Command::ByHand { step, host, reason: text },
        Say::Override(step, host, gate) => Command::Override { step, host, gate, reason: text },
        Say::Settle(attempt, happened) => Command::Settle { attempt, happened, reason: text },
        Say::UndoByHand(entry) => Command::UndoByHand { entry, reason: text },
    }
}

fn ask_and_wait(ui: &mut UiState, command: Command) -> Vec<Do> {
    let asked = ask(ui, command);
    if let (Some(dialog), Do::Ask(number, _)) = (&mut ui.dialog, &asked) {
        dialog.waiting = Some(*number);
        dialog.refusal = None;
    }
    vec![asked]
}

fn abandon(ui: &mut UiState, word: &Editor, reason: &Editor, on_reason: bool) -> Vec<Do> {
    let right = word.text().trim() == text::ABANDON_WORD;
    if right && on_reason {
        return ask_and_wait(ui, Command::Abandon { reason: reason.text() });
    }
    let Some(dialog) = &mut ui.dialog else { return Vec::new() };
    dialog.revision += 1;
    if let DialogKind::Abandon { on_reason, .. } = &mut dialog.kind {
        *on_reason = right;
    }
    dialog.refusal = if right { None } else { Some(format!("type \u{201c}{}\u{201d} first", text::ABANDON_WORD)) };
    Vec::new()
}

fn chosen(world: World<'_>, ui: &mut UiState, of: &Choose, selected: usize) -> Vec<Do> {
    let offered = choices(world, of);
    let Some(choice) = offered.get(selected) else { return Vec::new() };
    let open = |ui: &mut UiState, about: Say| ui.open(DialogKind::Say { about, editor: Editor::default() });
    match of {
        Choose::Gate(step) => {
            let shut = act::shut_gates(world, step);
            let Some((host, gate, _, _)) = shut.get(selected) else { return Vec::new() };
            open(ui, Say::Override(step.clone(), host.clone(), *gate));
        }
        Choose::Undo => {
            let entry = world.state.undo.iter().rev().nth(selected);
            match entry {
                Some(entry) if entry.status == UndoStatus::Open => open(ui, Say::UndoByHand(entry.id)),
                Some(_) | None => {
                    if let Some(dialog) = &mut ui.dialog {
                        dialog.refusal = Some("that one is settled already".to_owned());
                    }
                }
            }
        }
        Choose::Doubt(attempt) => match choice.value.as_str() {
            "look" => return ask_and_wait(ui, Command::LookAgain { attempt: *attempt }),
            happened => open(ui, Say::Settle(*attempt, happened == "yes")),
        },
        Choose::Answer(input) => {
            let given = match columns(world, of) {
                Some(_) => Given::Pick(choice.value.clone()),
                None => Given::Text(choice.value.clone()),
            };
            return ask_and_wait(ui, act::answer(input.clone(), given));
        }
        Choose::Kept => {
            let Some(kept) = kept::all(world.state, None).into_iter().nth(selected) else { return Vec::new() };
            if kept.is_table() {
                return rows::open(ui, kept, None);
            }
            if let Some(dialog) = &mut ui.dialog {
                dialog.refusal = Some(format!("it is not a table; it lies at {}", kept.path));
            }
        }
    }
    Vec::new()
}

/// In the dialog that shows the manual twin, it is said to be done.
fn by_hand(ui: &mut UiState) {
    let Some(DialogKind::Manual { step, host, all }) = ui.dialog.as_ref().map(|dialog| dialog.kind.clone()) else {
        return;
    };
    let about = Say::ByHand(step, if all { None } else { Some(host) });
    ui.open(DialogKind::Say { about, editor: Editor::default() });
}

/// In the dialog that shows the manual twin, the twin is copied.
fn copy(world: World<'_>, ui: &mut UiState) -> Vec<Do> {
    let Some(DialogKind::Manual { step, host, .. }) = ui.dialog.as_ref().map(|dialog| &dialog.kind) else {
        return Vec::new();
    };
    if !world.may_copy {
        ui.message = Some(text::NO_COPY.to_owned());
        return Vec::new();
    }
    let Some((_, model)) = world.state.step_model(step) else { return Vec::new() };
    let twin = Names::new(world.state, host).show(&model.by_hand);
    ui.message = Some(text::COPIED.to_owned());
    vec![Do::Copy(twin)]
}
