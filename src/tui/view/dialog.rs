//! Dialogs: drawn over the page, with what they are about, the line under edit or the list, and the
//! refusal right where one looks.

use std::collections::BTreeMap;

use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr;

use super::{Scene, output::rule, page, screen::more_marks};
use crate::{
    engine::Health,
    runbook::model::{HostName, InputId, LOCAL, StepId},
    session::{Context, RowStatus},
    tui::{
        act, dialog,
        doc::{Doc, scroll_to, wrap},
        keymap,
        model::{self, Item, ago, span},
        pick, text,
        theme::{Role, finding_role},
        ui::{Choose, Dialog, DialogKind, Facts, Say},
    },
};

/// Smallest area in which a dialog can be read, and so confirmed.
const READ_FROM: (u16, u16) = (20, 5);
/// Lowest dialog that has room for what is known of the selected entry.
const ENTRY_FROM_HEIGHT: u16 = 12;
/// Most lines of it.
const ENTRY_LINES_MAX: usize = 8;
/// Groups of marked rows that are named.
const KINDS_SHOWN: usize = 6;

pub(super) fn draw(scene: Scene<'_>, area: Rect, buf: &mut Buffer, facts: &mut Facts) {
    let Some(open) = &scene.ui.dialog else { return };
    // The bottom line stays: it says which keys count.
    let area = Rect { height: area.height.saturating_sub(u16::from(area.height > 1)), ..area };
    if area.is_empty() {
        return;
    }
    let area = place(open, area);
    clear(area, buf);
    let (title, mut doc) = body(scene, open, area.width);
    rule(scene.theme, Rect { height: 1, ..area }, &format!(" {} ", scene.theme.clean(&title)), buf);
    let foot = foot(scene, open, area);
    let inner = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let foot_height = (foot.doc.len() as u16).min(inner.height);
    let upper = Rect { height: inner.height - foot_height, ..inner };
    let lower = Rect { y: inner.y + upper.height, height: foot_height, ..inner };
    if doc.is_empty() {
        doc.text(Role::Dim, "");
    }
    let height = usize::from(upper.height);
    let from = match doc.selected_lines() {
        Some(range) if height > 0 => scroll_to(open.scroll, height, range),
        Some(_) | None => open.scroll,
    };
    facts.dialog_height = height;
    facts.dialog_scroll = doc.draw(upper, buf, from);
    more_marks(scene, &doc, upper, facts.dialog_scroll, buf);
    foot.doc.draw(lower, buf, foot.doc.len().saturating_sub(usize::from(lower.height)));
    let whole = usize::from(lower.height) >= foot.doc.len();
    facts.dialog_read = area.width >= READ_FROM.0 && area.height >= READ_FROM.1 && whole && upper.height > 0;
    if let Some((column, line)) = foot.cursor.filter(|_| whole) {
        let x = (area.x + column).min(area.right() - 1);
        facts.cursor = Some((x, lower.y + line));
    }
}

/// Short dialogs stand at the lower edge, so that the page above stays in sight.
fn place(open: &Dialog, area: Rect) -> Rect {
    let wants = match &open.kind {
        DialogKind::Say { .. } | DialogKind::Search { .. } | DialogKind::Answer { .. } => 9,
        DialogKind::Leave | DialogKind::Begin => 11,
        DialogKind::Take { .. } => 14,
        DialogKind::Palette { .. } | DialogKind::Abandon { .. } => 14,
        DialogKind::Choose { of: Choose::Answer(_), .. } => area.height - area.height / 8,
        DialogKind::Choose { .. } => area.height * 2 / 3,
        DialogKind::Run { .. }
        | DialogKind::Evidence { .. }
        | DialogKind::Manual { .. }
        | DialogKind::Help
        | DialogKind::Drift => area.height,
    };
    let height = wants.max(8).min(area.height);
    Rect { y: area.y + (area.height - height), height, ..area }
}

fn clear(area: Rect, buf: &mut Buffer) {
    for y in area.y..area.bottom() {
        for x in area.x..area.right() {
            if let Some(cell) = buf.cell_mut((x, y)) {
                cell.reset();
            }
        }
    }
}

fn body(scene: Scene<'_>, open: &Dialog, width: u16) -> (String, Doc) {
    let state = scene.world.state;
    let mut doc = Doc::new(scene.theme, width);
    let title = match &open.kind {
        DialogKind::Run { step, .. } => {
            page::confirm_body(state, step, &mut doc);
            "run this step?".to_owned()
        }
        DialogKind::Begin => {
            begin(scene, &mut doc);
            "begin?".to_owned()
        }
        DialogKind::Take { input, answer, rows } => {
            take(scene, &mut doc, input, answer, *rows);
            "take these rows as the answer?".to_owned()
        }
        DialogKind::Say { about, .. } => say(scene, &mut doc, about),
        DialogKind::Choose { of, selected } => return choose(scene, of, *selected, width),
        DialogKind::Answer { input, .. } => {
            let found = state.runbook().inputs().map(|(_, known)| known).find(|known| &known.id == input);
            let local = HostName::from(LOCAL);
            if let Some(help) = found.and_then(|input| input.help.as_ref()) {
                doc.text(Role::Plain, &Context::new(state, &local).show(help));
            }
            found.map(|input| input.title.clone()).unwrap_or_default()
        }
        DialogKind::Abandon { .. } => {
            doc.text(Role::Plain, &text::abandon(state.still_changed().count()));
            "abandon".to_owned()
        }
        DialogKind::Palette { editor, selected } => return palette(scene, &editor.text(), *selected, width),
        DialogKind::Search { .. } => {
            doc.text(Role::Dim, "Enter searches upwards from the newest line; n and N go on");
            "search in the output".to_owned()
        }
        DialogKind::Evidence { step, item } => evidence(scene, &mut doc, step, item),
        DialogKind::Manual { step, host, all } => {
            let title = manual(scene, &mut doc, step, host);
            let rows = if *all { "every row that is not done" } else { host.as_str() };
            let say = format!("When you have done it, h says so for {rows}, with a reason; gates are still looked at.");
            doc.text(Role::Plain, &say);
            title
        }
        DialogKind::Help => {
            help(&mut doc);
            "keys".to_owned()
        }
        DialogKind::Drift => {
            drift(scene, &mut doc);
            "found changed after the resume".to_owned()
        }
        DialogKind::Leave => {
            leave(scene, &mut doc);
            "leave?".to_owned()
        }
    };
    (title, doc)
}

struct Foot {
    doc: Doc,
    /// Column and line of the cursor.
    cursor: Option<(u16, u16)>,
}

/// The lines at the lower edge: refusal, line under edit. They are drawn whole or nothing can be confirmed.
fn foot(scene: Scene<'_>, open: &Dialog, area: Rect) -> Foot {
    let width = area.width;
    let mut doc = Doc::new(scene.theme, width);
    if let DialogKind::Choose { of, selected } = &open.kind {
        entry(scene, &mut doc, of, *selected, area.height);
    }
    if let Some(refusal) = &open.refusal {
        doc.put(None, ("! ", Role::Warn), (refusal, Role::Bad));
    } else if let Some(message) = &scene.ui.message {
        doc.put(None, ("! ", Role::Warn), (message, Role::Strong));
    }
    if open.waiting.is_some() {
        doc.text(Role::Busy, text::WAITING);
    }
    let mut cursor = None;
    let mut line = |doc: &mut Doc, label: &str, shown: String, before: usize, active: bool| {
        let room = usize::from(width).saturating_sub(label.width() + 1).max(1);
        // Of a long line the end is seen: it is where one types.
        let skip = before.saturating_sub(room);
        let tail: String = shown.chars().skip(skip).take(room).collect();
        let at = (label.width() + before - skip) as u16;
        doc.put(None, (label, Role::Strong), (&tail, Role::Plain));
        if active {
            cursor = Some((at, doc.len() as u16 - 1));
        }
    };
    let clean = |text: &str| scene.theme.clean(text).replace('\n', " ");
    match &open.kind {
        DialogKind::Run { phrase: Some((phrase, editor)), .. } => {
            doc.put(None, ("type to confirm: ", Role::Dim), (phrase, Role::Bad));
            line(&mut doc, "> ", clean(&editor.text()), clean(editor.before()).chars().count(), true);
        }
        DialogKind::Run { phrase: None, .. } => doc.text(Role::Strong, "Enter runs it, Esc does not"),
        DialogKind::Begin => doc.text(Role::Strong, "Enter begins, Esc does not"),
        DialogKind::Leave => doc.text(Role::Strong, "Enter leaves, Esc stays"),
        DialogKind::Take { .. } => doc.text(Role::Strong, "Enter answers, Esc goes back to the rows"),
        DialogKind::Answer { editor, masked: true, .. } => {
            let stars = |text: &str| "*".repeat(text.chars().count());
            line(&mut doc, "> ", stars(&editor.text()), editor.before().chars().count(), true);
        }
        DialogKind::Answer { editor, .. }
        | DialogKind::Say { editor, .. }
        | DialogKind::Palette { editor, .. }
        | DialogKind::Search { editor } => {
            line(&mut doc, "> ", clean(&editor.text()), clean(editor.before()).chars().count(), true);
        }
        DialogKind::Abandon { word, reason, on_reason } => {
            line(&mut doc, "word   > ", clean(&word.text()), clean(word.before()).chars().count(), !on_reason);
            line(&mut doc, "reason > ", clean(&reason.text()), clean(reason.before()).chars().count(), *on_reason);
        }
        DialogKind::Choose { .. }
        | DialogKind::Evidence { .. }
        | DialogKind::Manual { .. }
        | DialogKind::Help
        | DialogKind::Drift => {}
    }
    Foot { doc, cursor }
}

/// What else is known of the entry that is selected, where there is room for it.
fn entry(scene: Scene<'_>, doc: &mut Doc, of: &Choose, selected: usize, height: u16) {
    let Some((entries, show)) = dialog::entries(scene.world, of) else { return };
    let Some(entry) = entries.get(selected) else { return };
    let room = usize::from(height / 3).min(ENTRY_LINES_MAX);
    let mut about = Doc::new(scene.theme, doc.width());
    let short = pick::lay(scene.theme, &entries, &show, usize::from(doc.width()).saturating_sub(2)).short;
    for (text, role) in pick::details(entry, &show, &short) {
        about.text(role, &text);
    }
    if height >= ENTRY_FROM_HEIGHT && !about.is_empty() {
        doc.text(Role::Dim, "about the one that is selected:");
        doc.take(about, room);
    }
}

fn begin(scene: Scene<'_>, doc: &mut Doc) {
    let state = scene.world.state;
    let opened = &state.session.opened;
    doc.text(Role::Strong, &state.runbook().title);
    doc.labelled("cluster  ", Role::Strong, &state.inventory().cluster);
    doc.labelled("mode     ", Role::Strong, text::mode_sentence(opened.mode, opened.inventory.practice));
    for why in crate::session::blocks(
        state,
        &state.steps.first().map_or(StepId::from(""), |step| step.id.clone()),
        scene.world.now,
    )
    .into_iter()
    .filter(|_| state.acknowledged.len() < state.runbook().consequences.len())
    {
        doc.put(None, ("first    ", Role::Dim), (&why.1, Role::Warn));
    }
}

/// What an answer made of rows says, and what it means.
fn take(scene: Scene<'_>, doc: &mut Doc, id: &InputId, answer: &str, rows: usize) {
    let input = scene.world.state.runbook().inputs().map(|(_, known)| known).find(|known| &known.id == id);
    if let Some(input) = input {
        doc.text(Role::Strong, &input.title);
        if let Some(help) = &input.help {
            doc.text(Role::Warn, &Context::new(scene.world.state, &HostName::from(LOCAL)).show(help));
        }
    }
    doc.gap();
    match rows {
        0 => doc.text(Role::Plain, "No row: the answer that was given is taken back."),
        _ => {
            doc.labelled("rows    ", Role::Strong, &rows.to_string());
            doc.labelled("are     ", Role::Strong, &kinds_of_marked(scene));
            doc.labelled("answer  ", Role::Plain, answer);
        }
    }
}

/// The marked rows by the first column that groups them, the largest group first: a query that is short may name more than one has in mind.
fn kinds_of_marked(scene: Scene<'_>) -> String {
    let Some((open, found)) = scene.ui.table.as_ref().and_then(|open| Some((open, open.loaded()?))) else {
        return String::new();
    };
    let table = &found.table;
    let Some(column) = table.columns().iter().position(|column| column.group) else { return String::new() };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in open.browse.marked_rows() {
        *counts.entry(table.cell(row, column)).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let more = counts.len().saturating_sub(KINDS_SHOWN);
    let shown = counts.iter().take(KINDS_SHOWN).map(|(kind, count)| format!("{count} of {}", scene.theme.clean(kind)));
    let mut said: Vec<String> = shown.collect();
    if more > 0 {
        said.push(format!("{more} more"));
    }
    said.join(", ")
}

fn say(scene: Scene<'_>, doc: &mut Doc, about: &Say) -> String {
    let (title, question) = text::say(about);
    match about {
        Say::Override(step, host, gate) => {
            let shut = act::shut_gates(scene.world, step);
            if let Some((_, _, say, why)) = shut.iter().find(|(on, at, _, _)| on == host && at == gate) {
                doc.put(None, ("gate   ", Role::Dim), (&format!("{host}: {say}: {why}"), Role::Warn));
            }
        }
        Say::Settle(attempt, _) => {
            if let Some(known) = scene.world.state.attempts.get(attempt) {
                let what = crate::runbook::plan::describe(&known.kind);
                doc.put(None, ("action ", Role::Dim), (&format!("{}: {what}", known.host), Role::Warn));
            }
        }
        Say::UndoByHand(entry) => {
            if let Some(known) = scene.world.state.undo.iter().find(|known| &known.id == entry) {
                let what = crate::runbook::plan::describe(&known.kind);
                doc.put(None, ("change ", Role::Dim), (&format!("{}: {what}", known.host), Role::Warn));
            }
        }
        Say::ByHand(_, Some(host)) => doc.labelled("row    ", Role::Strong, host.as_str()),
        Say::ByHand(_, None) => doc.labelled("rows   ", Role::Strong, "every row that is not done"),
        Say::Note | Say::Skip(_) | Say::GoBack(_) => {}
    }
    doc.text(Role::Plain, question);
    title.to_owned()
}

fn choose(scene: Scene<'_>, of: &Choose, selected: usize, width: u16) -> (String, Doc) {
    // A line of a list stands for itself: any value of the right kind will do to mark it.
    let mark = |at: usize| Item::Gate(HostName::from(""), at);
    let mut doc = Doc::selecting(scene.theme, width, Some(mark(selected)));
    let choices = dialog::choices(scene.world, of);
    let title = match of {
        Choose::Gate(_) => "which gate counts without evidence?".to_owned(),
        Choose::Undo => "what this session changed, newest first; Enter: put back by hand, or left".to_owned(),
        Choose::Doubt(attempt) => {
            if let Some(known) = scene.world.state.attempts.get(attempt) {
                let what = crate::runbook::plan::describe(&known.kind);
                doc.text(Role::Plain, &format!("{attempt} on {}: {what}", known.host));
                doc.text(Role::Warn, known.doubt.as_deref().unwrap_or("it still runs"));
                doc.gap();
            }
            "has it happened?".to_owned()
        }
        Choose::Kept => "files that were kept; Enter opens a table".to_owned(),
        Choose::Answer(id) => {
            let inputs = scene.world.state.runbook().inputs();
            let found = inputs.map(|(_, input)| input).find(|input| &input.id == id);
            let local = HostName::from(LOCAL);
            if let Some(help) = found.and_then(|input| input.help.as_ref()) {
                doc.text(Role::Dim, &Context::new(scene.world.state, &local).show(help));
                doc.gap();
            }
            found.map(|input| input.title.clone()).unwrap_or_default()
        }
    };
    match dialog::entries(scene.world, of) {
        Some((entries, show)) => {
            let laid = pick::lay(scene.theme, &entries, &show, usize::from(width).saturating_sub(2));
            doc.put(None, (&laid.heading, Role::Dim), ("", Role::Dim));
            for (at, (line, fit)) in laid.lines.iter().enumerate() {
                let role = if *fit { Role::Plain } else { Role::Bad };
                doc.put(Some(&mark(at)), (line, role), ("", role));
            }
        }
        None => {
            for (at, choice) in choices.iter().enumerate() {
                doc.put(Some(&mark(at)), ("", Role::Plain), (&choice.line, Role::Plain));
            }
        }
    }
    if choices.is_empty() {
        doc.text(Role::Warn, "nothing to choose from: what it is chosen from has not been found yet");
    }
    (title, doc)
}

fn palette(scene: Scene<'_>, typed: &str, selected: usize, width: u16) -> (String, Doc) {
    let mark = |at: usize| Item::Gate(HostName::from(""), at);
    let found = dialog::proposals(scene.world, scene.ui, typed);
    let selected = selected.min(found.len().saturating_sub(1));
    let mut doc = Doc::selecting(scene.theme, width, Some(mark(selected)));
    for (at, binding) in found.iter().enumerate() {
        let key = binding.keys.first().map(|key| keymap::key_name(*key)).unwrap_or_default();
        let label = format!("{:<14}{key:<9}", binding.label);
        doc.put(Some(&mark(at)), (&label, Role::Strong), (binding.help, Role::Dim));
    }
    if found.is_empty() {
        doc.text(Role::Warn, "no command of this name does something now");
    }
    ("commands".to_owned(), doc)
}

/// What the row's actions found, line by line: outputs named `page` are written to be read; without it `samples` are.
fn found(scene: Scene<'_>, doc: &mut Doc, model: &crate::runbook::model::Step, host: &HostName) {
    let registers = model.actions.iter().filter_map(|action| action.register.as_ref());
    for outputs in registers.filter_map(|name| scene.world.state.outputs.get(name)?.get(host)) {
        let lines = |of: Option<&serde_json::Value>| -> Vec<String> {
            let lines = of.and_then(serde_json::Value::as_array).into_iter().flatten();
            lines.filter_map(|line| line.as_str().map(str::to_owned)).collect()
        };
        let page = lines(outputs.get("page"));
        for line in &page {
            doc.put(None, ("  ", Role::Plain), (line, Role::Plain));
        }
        let samples = outputs.get("samples").and_then(serde_json::Value::as_object).filter(|_| page.is_empty());
        for (kind, samples) in samples.into_iter().flatten() {
            doc.text(Role::Strong, kind);
            for line in lines(Some(samples)) {
                doc.put(None, ("  ", Role::Plain), (&line, Role::Plain));
            }
        }
        doc.gap();
    }
}

fn evidence(scene: Scene<'_>, doc: &mut Doc, id: &StepId, item: &Item) -> String {
    let state = scene.world.state;
    let (Some(step), Some((_, model))) = (state.step(id), state.step_model(id)) else { return String::new() };
    let Some(host) = item.host() else { return String::new() };
    let title = format!("{} on {host}", model.title);
    let Some(row) = step.row(host) else {
        doc.text(Role::Dim, "not started");
        return title;
    };
    let only = match item {
        Item::Gate(_, gate) => Some(*gate),
        Item::Consequence(_) | Item::Check(_) | Item::Ask(_) | Item::Row(_) => None,
    };
    if only.is_none() {
        let (line, role) = page::row_text(scene, step, model, row);
        doc.text(role, &line);
        if let RowStatus::Running { attempt, .. } | RowStatus::InDoubt { attempt, .. } = &row.status
            && let Some(known) = state.attempts.get(attempt)
        {
            doc.labelled("action  ", Role::Plain, &crate::runbook::plan::describe(&known.kind));
        }
        doc.gap();
        found(scene, doc, model, host);
    }
    let since = match row.status {
        RowStatus::Verifying { since } => since,
        _ => scene.world.now,
    };
    for (at, (gate, known)) in model.gates.iter().zip(&row.gates).enumerate() {
        if only.is_some_and(|only| only != at) {
            continue;
        }
        let view = crate::session::gate_view(gate, known, since, scene.world.now);
        doc.text(Role::Strong, &format!("{}. {}", at + 1, known.order.say));
        doc.labelled("  looks at ", Role::Dim, &crate::runbook::plan::describe(&known.order.kind));
        doc.labelled("  is       ", Role::Plain, if view.open { "open" } else { "shut" });
        doc.labelled("  reason   ", Role::Plain, &view.reason);
        if let Some(seen) = &known.seen {
            let mark = format!("  {} ", scene.theme.finding_symbol(seen.finding));
            let when = format!(
                "{} (seen {}, so for {})",
                seen.text,
                ago(scene.world.now, seen.last),
                span(seen.last.since(seen.since))
            );
            doc.put(None, (&mark, finding_role(seen.finding)), (&when, Role::Plain));
            for detail in &seen.details {
                doc.labelled("      ", Role::Plain, detail);
            }
        }
        doc.gap();
    }
    title
}

fn manual(scene: Scene<'_>, doc: &mut Doc, id: &StepId, host: &HostName) -> String {
    let state = scene.world.state;
    let Some((_, model)) = state.step_model(id) else { return String::new() };
    let context = Context::new(state, host);
    doc.text(Role::Plain, &format!("How \u{201c}{}\u{201d} is done by hand on {host}:", model.title));
    doc.gap();
    for line in context.show(&model.by_hand).trim_end().lines() {
        doc.put(None, ("  ", Role::Dim), (line, Role::Strong));
    }
    doc.gap();
    format!("by hand: {}", model.title)
}

fn help(doc: &mut Doc) {
    let mut last: &[keymap::Context] = &[];
    for binding in keymap::TABLE {
        if binding.contexts != last {
            doc.gap();
            let names: Vec<&str> = binding.contexts.iter().map(|context| context_name(*context)).collect();
            doc.text(Role::Dim, &names.join(", "));
            last = binding.contexts;
        }
        let keys: Vec<String> = binding.keys.iter().map(|key| keymap::key_name(*key)).collect();
        doc.put(None, (&format!("  {:<14}", keys.join(" ")), Role::Strong), (binding.help, Role::Plain));
    }
}

fn context_name(context: keymap::Context) -> &'static str {
    match context {
        keymap::Context::Plan => "plan",
        keymap::Context::Walk => "steps",
        keymap::Context::Over => "end",
        keymap::Context::Output => "output",
        keymap::Context::Table => "tables",
        keymap::Context::Row => "a row",
        keymap::Context::Filter => "a filter",
        keymap::Context::Read => "what is read",
        keymap::Context::Choose => "lists",
        keymap::Context::Type => "what is typed",
        keymap::Context::Confirm => "questions",
    }
}

fn drift(scene: Scene<'_>, doc: &mut Doc) {
    doc.text(Role::Plain, "Steps that were done were looked at again. What is not as it was, or could not be seen:");
    doc.gap();
    for drift in &scene.world.state.drift {
        let mark = format!("{} ", scene.theme.finding_symbol(drift.finding));
        let number = model::number(scene.world.state, &drift.step);
        let say = format!("{number} {} on {}: {}: {}", drift.step, drift.host, drift.say, drift.seen);
        doc.put(None, (&mark, finding_role(drift.finding)), (&say, Role::Plain));
    }
    for step in scene.world.state.steps.iter().filter(|step| !step.is_closed()) {
        if let Some(why) = &step.reopened {
            let say = format!("{} {} has to be run again: {why}", model::number(scene.world.state, &step.id), step.id);
            doc.put(None, ("! ", Role::Warn), (&say, Role::Plain));
        }
    }
}

fn leave(scene: Scene<'_>, doc: &mut Doc) {
    let state = scene.world.state;
    let busy: Vec<String> = state
        .attempts
        .values()
        .filter(|attempt| attempt.doubt.is_none())
        .map(|attempt| format!("{} on {}", crate::runbook::plan::describe(&attempt.kind), attempt.host))
        .collect();
    if matches!(scene.world.health, Health::ReadOnly(_)) {
        doc.text(Role::Plain, "This only reads the session; it goes on without you.");
        return;
    }
    for line in wrap(&text::leave(&busy, state.still_changed().count()), usize::from(u16::MAX)) {
        doc.text(Role::Plain, &line);
    }
}
