//! From keys to what is asked of the engine: a function of what is known, what is shown and the key. No I/O;
//! what has to be done outside comes back as [`Do`].

use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind};

pub use super::useful::is_useful;
use super::{
    dialog,
    kept::{self, Kept},
    keymap::{self, Context, Intent},
    model::{self, Item},
    rows, search,
    select::{scroll, select, selected},
    text,
    ui::{Choose, DialogKind, OutputUi, Say, UiState, page_context},
};
use crate::{
    engine::{Health, LeaderSeen, OutputStore},
    runbook::model::{Confirm, Danger, HostName, InputId, InputKind, LOCAL, StepId},
    session::{Command, Context as Names, Given, Refusal, RowStatus, Stamp, State, StepStatus, no_way_back, row_gates},
};

/// What is known when a key comes.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The session.
    pub state: &'a State,
    /// Whether it can go on.
    pub health: &'a Health,
    /// Live output.
    pub output: &'a OutputStore,
    /// Who leads, where somebody looks.
    pub leader: Option<&'a LeaderSeen>,
    /// The time.
    pub now: Stamp,
    /// True if texts may be sent to the terminal's clipboard.
    pub may_copy: bool,
    /// True if secrets have somewhere to go.
    pub takes_secrets: bool,
}

/// What has to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Do {
    /// Ask the engine; its answer comes back under this number.
    Ask(u64, Command),
    /// Hand over a secret, then ask.
    Secret(InputId, String),
    /// Send a text to the terminal's clipboard.
    Copy(String),
    /// Read a table; it comes back under this number.
    Load(u64, Kept),
    /// Draw everything anew.
    Redraw,
    /// Suspend the process.
    Suspend,
    /// The wizard ends.
    End,
}

/// A key that was read, with when.
#[derive(Debug, Clone, Copy)]
pub struct Pressed {
    /// The key.
    pub event: KeyEvent,
    /// When it was read.
    pub read: Duration,
    /// True if it follows the same key so closely that it is held down.
    pub held: bool,
}

/// Takes a key.
pub fn key(world: World<'_>, ui: &mut UiState, pressed: Pressed) -> Vec<Do> {
    if pressed.event.kind == KeyEventKind::Release {
        return Vec::new();
    }
    ui.message = None;
    let context = ui.context(world.state);
    let meant = keymap::intent(context, pressed.event);
    match meant {
        Some(Intent::Interrupt) => return interrupt(world, ui, pressed.read),
        Some(Intent::Redraw) => return vec![Do::Redraw],
        Some(Intent::Suspend) => return suspend(world, ui),
        _ => {}
    }
    if ui.dialog.is_some() {
        return dialog::key(world, ui, pressed, meant);
    }
    if ui.table.as_ref().is_some_and(|table| table.open) {
        return rows::key(world, ui, pressed, meant);
    }
    let Some(meant) = meant else { return Vec::new() };
    intent(world, ui, meant)
}

/// Takes a paste.
pub fn paste(ui: &mut UiState, pasted: &str) {
    ui.message = None;
    let Some(dialog) = &mut ui.dialog else {
        if let Some(table) = ui.table.as_mut().filter(|table| table.open) {
            rows::paste(table, pasted);
        }
        return;
    };
    if dialog.refuses_paste() {
        dialog.refusal = Some(text::NO_PASTE.to_owned());
        return;
    }
    if let Some(editor) = dialog.editor() {
        editor.paste(pasted);
        dialog.revision += 1;
    }
}

/// Takes the engine's answer.
pub fn answered(ui: &mut UiState, ask: u64, answer: Result<u64, Refusal>) {
    let waits = ui.dialog.as_ref().is_some_and(|dialog| dialog.waiting == Some(ask));
    match answer {
        Ok(_) if waits => {
            let taken = matches!(ui.dialog.take().map(|dialog| dialog.kind), Some(DialogKind::Take { .. }));
            if taken {
                ui.table = None;
            }
        }
        Ok(_) => {}
        Err(refusal) if waits => {
            if let Some(dialog) = &mut ui.dialog {
                dialog.waiting = None;
                dialog.revision += 1;
                dialog.refusal = Some(refusal.to_string());
            }
        }
        Err(refusal) => ui.message = Some(refusal.to_string()),
    }
}

/// Takes a new state: what a resume found is shown once, and what was to be left is left.
pub fn changed(world: World<'_>, ui: &mut UiState) -> Vec<Do> {
    // A step is read from its first line, whatever was selected on the one before.
    let turn = world.state.current().map(|step| step.id.clone());
    if ui.turn != turn {
        ui.turn = turn;
        if ui.viewing.is_none() {
            look_at(ui, None);
        }
    }
    let drift = world.state.drift.len();
    if drift < ui.drift_shown {
        ui.drift_shown = drift;
    }
    if drift > ui.drift_shown && ui.dialog.is_none() && model::is_walking(world.state) {
        ui.drift_shown = drift;
        ui.open(DialogKind::Drift);
    }
    if ui.leaving && !world.state.is_busy() { vec![leave_now(world, ui)] } else { Vec::new() }
}

/// Does what an intent says, where no dialog is open.
pub fn intent(world: World<'_>, ui: &mut UiState, meant: Intent) -> Vec<Do> {
    if ui.output.is_some() && search::intent(world, ui, meant) {
        return Vec::new();
    }
    match meant {
        Intent::NextItem | Intent::PreviousItem | Intent::NextRow | Intent::PreviousRow => {
            select(world, ui, meant);
        }
        Intent::PageDown | Intent::PageUp | Intent::Top | Intent::Bottom => scroll(ui, meant),
        Intent::NextStep => step_by(world, ui, 1),
        Intent::PreviousStep => step_by(world, ui, -1),
        Intent::CurrentStep => look_at(ui, None),
        Intent::Output => ui.output = Some(OutputUi::default()),
        Intent::Search => {
            ui.output = Some(ui.output.take().unwrap_or_default());
            ui.open(DialogKind::Search { editor: super::editor::Editor::default() });
        }
        Intent::Palette => {
            ui.open(DialogKind::Palette { editor: super::editor::Editor::default(), selected: 0 });
        }
        Intent::Help => ui.open(DialogKind::Help),
        Intent::Note => say(ui, Say::Note),
        Intent::Evidence => evidence(world, ui),
        Intent::OpenTable => return rows::open_any(world, ui),
        Intent::UndoList => undo_list(world, ui),
        Intent::Drift if world.state.drift.is_empty() => ui.message = Some(text::NO_DRIFT.to_owned()),
        Intent::Drift => ui.open(DialogKind::Drift),
        Intent::Copy => return copy(world, ui),
        Intent::Leave => return leave(world, ui),
        Intent::Run => return run(world, ui),
        Intent::Act => return act(world, ui),
        Intent::Acknowledge => return acknowledge(world, ui),
        Intent::Override => choose_gate(world, ui),
        Intent::ByHand => by_hand(world, ui),
        Intent::Retry => return retry(world, ui),
        Intent::Settle => settle(world, ui),
        Intent::Skip => on_current(world, ui, |ui, step| say(ui, Say::Skip(step))),
        Intent::GoBack => go_back(world, ui),
        Intent::Hold => {
            let command = if world.state.held { Command::Release } else { Command::Hold };
            return vec![ask(ui, command)];
        }
        Intent::Abandon => give_up(ui),
        Intent::Follow
        | Intent::NextMatch
        | Intent::PreviousMatch
        | Intent::Redraw
        | Intent::Suspend
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
        | Intent::StepOut => {}
    }
    Vec::new()
}

/// Asks the engine; the answer is waited for by the dialog that is open, if one is.
pub fn ask(ui: &mut UiState, command: Command) -> Do {
    let number = ui.next_ask;
    ui.next_ask += 1;
    Do::Ask(number, command)
}

/// The gates of a step that are shut, with what they show and why they are shut.
pub fn shut_gates(world: World<'_>, id: &StepId) -> Vec<(HostName, usize, String, String)> {
    let (Some(step), Some((_, model))) = (world.state.step(id), world.state.step_model(id)) else { return Vec::new() };
    let mut shut = Vec::new();
    for row in step.rows.iter().filter(|row| matches!(row.status, RowStatus::Verifying { .. })) {
        for (at, (view, gate)) in row_gates(model, row, world.now).into_iter().zip(&row.gates).enumerate() {
            if !view.open {
                shut.push((row.host.clone(), at, gate.order.say.clone(), view.reason));
            }
        }
    }
    shut
}

/// Goes on to leave: at once if nothing runs.
pub fn leave_when_idle(world: World<'_>, ui: &mut UiState) -> Vec<Do> {
    if !world.state.is_busy() {
        return vec![leave_now(world, ui)];
    }
    ui.dialog = None;
    ui.leaving = true;
    ui.message = Some(text::LEAVING.to_owned());
    vec![ask(ui, Command::Hold)]
}

fn leave_now(world: World<'_>, ui: &mut UiState) -> Do {
    ui.leaving = false;
    if world.state.is_over() || matches!(world.health, Health::ReadOnly(_)) {
        return Do::End;
    }
    ui.next_ask += 1;
    Do::Ask(LEAVE_ASK, Command::Leave { why: "the engineer left".to_owned() })
}

/// The number of the question whose answer ends the wizard.
pub const LEAVE_ASK: u64 = u64::MAX;

fn interrupt(world: World<'_>, ui: &mut UiState, read: Duration) -> Vec<Do> {
    let asked = matches!(&ui.dialog, Some(dialog) if matches!(dialog.kind, DialogKind::Leave));
    let drawn = ui.dialog.as_ref().is_some_and(|dialog| dialog.answers_frame(read));
    if ui.leaving {
        ui.message = Some(text::LEAVING.to_owned());
        return Vec::new();
    }
    if asked && drawn {
        return leave_when_idle(world, ui);
    }
    if !asked {
        ui.output = None;
        ui.open(DialogKind::Leave);
    }
    Vec::new()
}

fn leave(world: World<'_>, ui: &mut UiState) -> Vec<Do> {
    if world.state.is_over() {
        return vec![Do::End];
    }
    ui.open(DialogKind::Leave);
    Vec::new()
}

fn suspend(world: World<'_>, ui: &mut UiState) -> Vec<Do> {
    if world.state.is_busy() {
        ui.message = Some(text::NO_SUSPEND.to_owned());
        return Vec::new();
    }
    vec![Do::Suspend]
}

fn step_by(world: World<'_>, ui: &mut UiState, by: isize) {
    let steps = &world.state.steps;
    let Some((step, _, _)) = model::shown_step(world.state, ui.viewing.as_ref()) else { return };
    let Some(at) = world.state.position(&step.id) else { return };
    let next = at.saturating_add_signed(by).min(steps.len().saturating_sub(1));
    let Some(step) = steps.get(next) else { return };
    let is_current = world.state.current().is_some_and(|current| current.id == step.id);
    look_at(ui, if is_current { None } else { Some(step.id.clone()) });
}

fn look_at(ui: &mut UiState, step: Option<StepId>) {
    ui.viewing = step;
    ui.selected = None;
    ui.scroll = 0;
}

fn say(ui: &mut UiState, about: Say) {
    ui.open(DialogKind::Say { about, editor: super::editor::Editor::default() });
}

fn give_up(ui: &mut UiState) {
    let (word, reason) = (super::editor::Editor::default(), super::editor::Editor::default());
    ui.open(DialogKind::Abandon { word, reason, on_reason: false });
}

/// Asks why the walk goes back to the step that is shown.
fn go_back(world: World<'_>, ui: &mut UiState) {
    let Some((step, _, _)) = model::shown_step(world.state, ui.viewing.as_ref()) else { return };
    match no_way_back(world.state, &step.id) {
        None => say(ui, Say::GoBack(step.id.clone())),
        Some(why) => ui.message = Some(format!("{}: {why}", text::NO_WAY_BACK)),
    }
}

fn on_current(world: World<'_>, ui: &mut UiState, act: impl FnOnce(&mut UiState, StepId)) {
    match current(world, ui) {
        Some(step) => act(ui, step),
        None => ui.message = Some(text::NOT_CURRENT.to_owned()),
    }
}

/// The current step, if it is the one that is shown.
fn current(world: World<'_>, ui: &UiState) -> Option<StepId> {
    let (step, _, _) = model::shown_step(world.state, ui.viewing.as_ref())?;
    world.state.current().filter(|current| current.id == step.id).map(|current| current.id.clone())
}

/// The host that is selected, else the only one, else none.
fn selected_host(world: World<'_>, ui: &UiState) -> Option<HostName> {
    let chosen = ui.selected.as_ref().and_then(Item::host).cloned();
    chosen.or_else(|| {
        let (step, _, model) = model::shown_step(world.state, ui.viewing.as_ref())?;
        let mut hosts = model::hosts(world.state, step, model);
        if hosts.len() == 1 { hosts.pop() } else { None }
    })
}

fn run(world: World<'_>, ui: &mut UiState) -> Vec<Do> {
    if page_context(world.state) == Context::Plan {
        ui.open(DialogKind::Begin);
        return Vec::new();
    }
    let Some(id) = current(world, ui) else {
        ui.message = Some(text::NOT_CURRENT.to_owned());
        return Vec::new();
    };
    let Some((_, model)) = world.state.step_model(&id) else { return Vec::new() };
    let ready = world.state.step(&id).is_some_and(|step| step.status == StepStatus::Ready);
    let blocked = crate::session::blocks(world.state, &id, world.now);
    let seen_seq = world.state.seq;
    let shown = super::view::run_page(world.state, &id).plain();
    let asks_first = match &model.confirm {
        Confirm::None => false,
        Confirm::Key => model.danger > Danger::Reads,
        Confirm::Phrase(_) => true,
    };
    if !asks_first || !ready || !blocked.is_empty() {
        return vec![ask(ui, Command::Run { step: id, typed: None, shown, seen_seq })];
    }
    let local = HostName::from(LOCAL);
    let phrase = match &model.confirm {
        Confirm::Phrase(phrase) => match Names::new(world.state, &local).text(phrase) {
            Ok(phrase) => Some((phrase, super::editor::Editor::default())),
            Err(error) => {
                ui.message = Some(format!("the phrase that confirms this step cannot be shown: {error}"));
                return Vec::new();
            }
        },
        Confirm::None | Confirm::Key => None,
    };
    ui.open(DialogKind::Run { step: id, shown, seen_seq, phrase });
    Vec::new()
}

fn act(world: World<'_>, ui: &mut UiState) -> Vec<Do> {
    match selected(world, ui) {
        Some(Item::Ask(id)) => match kept::of_input(world.state, &id) {
            Some(found) => return rows::open(ui, found, Some(id)),
            None => open_answer(world, ui, id),
        },
        Some(Item::Row(_) | Item::Gate(..)) => evidence(world, ui),
        Some(Item::Consequence(_) | Item::Check(_)) | None => {}
    }
    Vec::new()
}

/// Opens the dialog of a question. Rows of a table that was not kept can still be named by hand.
fn open_answer(world: World<'_>, ui: &mut UiState, id: InputId) {
    let Some(input) = world.state.runbook().inputs().map(|(_, input)| input).find(|input| input.id == id) else {
        return;
    };
    let local = HostName::from(LOCAL);
    let now = super::view::answer_text(Names::new(world.state, &local).answer(input).as_ref());
    match &input.kind {
        InputKind::Text | InputKind::Rows { .. } | InputKind::Duration | InputKind::Path => {
            let editor = super::editor::Editor::with(&now.unwrap_or_default());
            ui.open(DialogKind::Answer { input: id, editor, masked: false });
        }
        InputKind::Secret if !world.takes_secrets => ui.message = Some(text::NO_SECRETS.to_owned()),
        InputKind::Secret => {
            let editor = super::editor::Editor::default();
            ui.open(DialogKind::Answer { input: id, editor, masked: true });
        }
        InputKind::Choice(_) | InputKind::Host(_) | InputKind::YesNoUnsure | InputKind::Pick { .. } => {
            let choices = dialog::choices(world, &Choose::Answer(id.clone()));
            let selected = choices.iter().position(|choice| Some(&choice.value) == now.as_ref()).unwrap_or(0);
            ui.open(DialogKind::Choose { of: Choose::Answer(id), selected });
        }
    }
}

fn acknowledge(world: World<'_>, ui: &mut UiState) -> Vec<Do> {
    let now = selected(world, ui);
    ui.selected.clone_from(&now);
    match now {
        Some(Item::Consequence(id)) => {
            let found = world.state.runbook().consequences.iter().find(|item| item.id == id);
            let local = HostName::from(LOCAL);
            let shown = found.map(|item| Names::new(world.state, &local).show(&item.text)).unwrap_or_default();
            ui.selected = next_consequence(world, &id).map(Item::Consequence).or(ui.selected.take());
            vec![ask(ui, Command::Acknowledge { item: id, shown })]
        }
        Some(Item::Check(id)) => {
            let Some(step) = current(world, ui) else {
                ui.message = Some(text::NOT_CURRENT.to_owned());
                return Vec::new();
            };
            let on = world.state.step(&step).is_some_and(|step| !step.ticked.contains(&id));
            vec![ask(ui, Command::Tick { step, item: id, on })]
        }
        Some(Item::Ask(_) | Item::Row(_) | Item::Gate(..)) | None => Vec::new(),
    }
}

/// The consequence that is to be read after this one.
fn next_consequence(world: World<'_>, id: &crate::runbook::model::ItemId) -> Option<crate::runbook::model::ItemId> {
    let items = &world.state.runbook().consequences;
    let at = items.iter().position(|item| &item.id == id)?;
    let open = |item: &&crate::runbook::model::Item| !world.state.acknowledged.contains(&item.id);
    items.iter().skip(at + 1).find(open).map(|item| item.id.clone())
}

fn choose_gate(world: World<'_>, ui: &mut UiState) {
    let Some(step) = current(world, ui) else {
        ui.message = Some(text::NOT_CURRENT.to_owned());
        return;
    };
    let shut = shut_gates(world, &step);
    if shut.is_empty() {
        ui.message = Some(text::NO_SHUT_GATE.to_owned());
        return;
    }
    let selected = match &ui.selected {
        Some(Item::Gate(host, gate)) => shut.iter().position(|(on, at, _, _)| on == host && at == gate),
        Some(Item::Row(host)) => shut.iter().position(|(on, _, _, _)| on == host),
        Some(Item::Consequence(_) | Item::Check(_) | Item::Ask(_)) | None => None,
    };
    ui.open(DialogKind::Choose { of: Choose::Gate(step), selected: selected.unwrap_or(0) });
}

fn by_hand(world: World<'_>, ui: &mut UiState) {
    let Some((step, _, model)) = model::shown_step(world.state, ui.viewing.as_ref()) else { return };
    let chosen = ui.selected.as_ref().and_then(Item::host).cloned();
    let all = chosen.is_none();
    let Some(host) = chosen.or_else(|| model::hosts(world.state, step, model).into_iter().next()) else { return };
    ui.open(DialogKind::Manual { step: step.id.clone(), host, all });
}

fn retry(world: World<'_>, ui: &mut UiState) -> Vec<Do> {
    let Some(id) = current(world, ui) else {
        ui.message = Some(text::NOT_CURRENT.to_owned());
        return Vec::new();
    };
    let stopped = |status: &RowStatus| matches!(status, RowStatus::Stopped { .. } | RowStatus::InDoubt { .. });
    let only =
        world.state.step(&id).map(|step| step.rows.iter().filter(|row| stopped(&row.status)).collect::<Vec<_>>());
    let host = match (ui.selected.as_ref().and_then(Item::host).cloned(), only.unwrap_or_default().as_slice()) {
        (Some(host), _) => Some(host),
        (None, [row]) => Some(row.host.clone()),
        (None, _) => selected_host(world, ui),
    };
    if let Some(host) = host {
        return vec![ask(ui, Command::Retry { step: id, host })];
    }
    ui.message = Some(text::NO_RETRY.to_owned());
    Vec::new()
}

fn settle(world: World<'_>, ui: &mut UiState) {
    let preferred = ui.selected.as_ref().and_then(Item::host).cloned();
    let step = world.state.current();
    let doubt = step.and_then(|step| model::first_doubt(step, preferred.as_ref()));
    match doubt {
        Some(attempt) => ui.open(DialogKind::Choose { of: Choose::Doubt(attempt), selected: 0 }),
        None => ui.message = Some(text::NO_DOUBT.to_owned()),
    }
}

fn evidence(world: World<'_>, ui: &mut UiState) {
    let Some((step, _, _)) = model::shown_step(world.state, ui.viewing.as_ref()) else { return };
    let chosen = selected(world, ui).filter(|item| item.host().is_some());
    let item = chosen.or_else(|| step.rows.first().map(|row| Item::Row(row.host.clone())));
    match item {
        Some(item) => ui.open(DialogKind::Evidence { step: step.id.clone(), item }),
        None => ui.message = Some(text::NOTHING_SELECTED.to_owned()),
    }
}

fn undo_list(world: World<'_>, ui: &mut UiState) {
    if world.state.undo.is_empty() {
        ui.message = Some(text::NOTHING_CHANGED.to_owned());
        return;
    }
    ui.open(DialogKind::Choose { of: Choose::Undo, selected: 0 });
}

fn copy(world: World<'_>, ui: &mut UiState) -> Vec<Do> {
    if !world.may_copy {
        ui.message = Some(text::NO_COPY.to_owned());
        return Vec::new();
    }
    let Some((step, _, model)) = model::shown_step(world.state, ui.viewing.as_ref()) else { return Vec::new() };
    let host = selected_host(world, ui).or_else(|| model::hosts(world.state, step, model).into_iter().next());
    let Some(host) = host else { return Vec::new() };
    ui.message = Some(text::COPIED.to_owned());
    vec![Do::Copy(model::host_commands(world.state, model, &host).join("\n"))]
}

/// The command that an answer becomes.
pub fn answer(input: InputId, given: Given) -> Command {
    Command::Answer { input, given }
}
