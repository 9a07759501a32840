//! The page of a step: what it is, why, what to expect, what it asks, its rows and gates, its commands.

use super::Scene;
use crate::{
    runbook::model::{Confirm, HostName, Input, LOCAL, Step, StepId, Undo},
    session::{
        Answer, Closing, Context, Row, RowStatus, State, StepCondition as Condition, StepState, StepStatus, gate_view,
        step_condition,
    },
    tui::{
        doc::Doc,
        kept,
        model::{self, Item, ago, span},
        select,
        theme::{Role, Theme, condition_role, condition_word, finding_role},
    },
};

/// Width of a page that is recorded rather than drawn.
const RECORD_WIDTH: u16 = 120;

pub(super) fn page(scene: Scene<'_>, width: u16) -> Doc {
    let state = scene.world.state;
    let mut doc = Doc::selecting(scene.theme, width, selected(scene));
    let Some((step, _, model)) = model::shown_step(state, scene.ui.viewing.as_ref()) else { return doc };
    heading(scene, &mut doc, step);
    if model::rows_first(step) {
        rows(scene, &mut doc, step, model);
        doc.gap();
        explain(scene, &mut doc, model);
        asks(scene, &mut doc, step, model);
        commands(state, &mut doc, step, model);
    } else {
        explain(scene, &mut doc, model);
        asks(scene, &mut doc, step, model);
        commands(state, &mut doc, step, model);
        rows(scene, &mut doc, step, model);
        evidence_wanted(state, &mut doc, model);
    }
    undo_text(&mut doc, model);
    files(scene, &mut doc, step);
    notes(scene, &mut doc, step);
    doc
}

/// What is about to run, as it is confirmed and recorded.
pub fn run_page(state: &State, id: &StepId) -> Doc {
    let mut doc = Doc::new(Theme { ascii: false, no_color: true }, RECORD_WIDTH);
    confirm_body(state, id, &mut doc);
    doc
}

/// What is about to run: drawn in the dialog, and recorded as what stood there.
pub(super) fn confirm_body(state: &State, id: &StepId, doc: &mut Doc) {
    let (Some(step), Some((_, model))) = (state.step(id), state.step_model(id)) else { return };
    let title = format!("{} {}", model::number(state, id), model.title);
    doc.text(Role::Strong, &title);
    doc.put(None, ("danger  ", Role::Dim), (model::danger_word(model.danger), Role::Bad));
    let local = HostName::from(LOCAL);
    let context = Context::new(state, &local);
    doc.labelled("expect  ", Role::Plain, &context.show(&model.expect));
    if let Undo::None(why) = &model.undo {
        doc.put(None, ("undo    ", Role::Dim), (&format!("none: {why}"), Role::Warn));
    }
    answers(state, doc, model);
    commands(state, doc, step, model);
}

fn answers(state: &State, doc: &mut Doc, model: &Step) {
    let local = HostName::from(LOCAL);
    let context = Context::new(state, &local);
    for input in model.inputs.iter().filter(|input| model::is_asked(state, input)) {
        let answer = answer_text(context.answer(input).as_ref()).unwrap_or_else(|| "no answer".to_owned());
        let colon = if input.title.ends_with(['?', ':', '.', '!']) { "" } else { ":" };
        doc.labelled("answer  ", Role::Plain, &format!("{}{colon} {answer}", input.title));
    }
}

/// An answer as it is shown; a secret is only said to be there.
pub fn answer_text(answer: Option<&Answer>) -> Option<String> {
    Some(match answer? {
        Answer::Text(text) => text.clone(),
        Answer::Picked { value, .. } => value.clone(),
        Answer::Secret => "(given, not shown)".to_owned(),
    })
}

/// The question, its answer and where that comes from.
pub(super) fn ask_line(state: &State, doc: &mut Doc, input: &Input) {
    let local = HostName::from(LOCAL);
    let context = Context::new(state, &local);
    let answer = answer_text(context.answer(input).as_ref());
    let (answer, role) = match (answer, state.answers.contains_key(&input.id)) {
        (Some(answer), true) => (answer, Role::Plain),
        (Some(answer), false) => (format!("{answer}  (default)"), Role::Plain),
        (None, _) if input.optional => ("(none)".to_owned(), Role::Dim),
        (None, _) => ("not answered".to_owned(), Role::Warn),
    };
    let item = Item::Ask(input.id.clone());
    // A question that ends with a question mark needs no colon.
    let colon = if input.title.ends_with(['?', ':', '.', '!']) { "" } else { ":" };
    doc.put(Some(&item), ("? ", Role::Strong), (&format!("{}{colon} {answer}", input.title), role));
    if let Some(help) = &input.help {
        doc.put(None, ("    ", Role::Dim), (&context.show(help), Role::Dim));
    }
}

fn selected(scene: Scene<'_>) -> Option<Item> {
    select::selected(scene.world, scene.ui)
}

/// Which step the page is about, how far it is and how dangerous: seen however the page is scrolled.
pub(super) fn head(scene: Scene<'_>, width: u16) -> Doc {
    let state = scene.world.state;
    let mut doc = Doc::new(scene.theme, width);
    let Some((step, _, model)) = model::shown_step(state, scene.ui.viewing.as_ref()) else { return doc };
    let condition = step_condition(state, step, scene.world.now);
    let symbol = scene.theme.step_symbol(condition);
    let role = condition_role(condition);
    doc.text(Role::Strong, &format!("{} {}", model::number(state, &step.id), model.title));
    let word = format!("{symbol} {}", condition_word(condition));
    let confirm = match model.confirm {
        Confirm::None => "",
        Confirm::Key => ", asks first",
        Confirm::Phrase(_) => ", asks for a phrase",
    };
    doc.put(None, (&word, role), (&format!("   {}{confirm}", model::danger_word(model.danger)), danger_role(model)));
    doc
}

fn heading(scene: Scene<'_>, doc: &mut Doc, step: &StepState) {
    let state = scene.world.state;
    match &step.status {
        StepStatus::Closed(Closing::NotNeeded { why }) => doc.labelled("left out: ", Role::Plain, why),
        StepStatus::Closed(Closing::Skipped { reason }) => doc.labelled("skipped: ", Role::Warn, reason),
        StepStatus::Closed(Closing::Done) | StepStatus::Locked | StepStatus::Ready | StepStatus::Active => {}
    }
    if let Some(why) = &step.reopened {
        doc.put(None, ("again   ", Role::Warn), (why, Role::Warn));
    }
    for over in state.overrides.iter().filter(|over| over.step == step.id) {
        let say = format!("{} on {}: {} (was: {})", over.gate, over.host, over.reason, over.seen);
        doc.put(None, ("override ", Role::Warn), (&say, Role::Warn));
    }
    for drift in state.drift.iter().filter(|drift| drift.step == step.id) {
        let say = format!("{} on {}: {}", drift.say, drift.host, drift.seen);
        doc.put(None, ("drift   ", Role::Warn), (&say, Role::Warn));
    }
    if !doc.is_empty() {
        doc.gap();
    }
}

fn danger_role(model: &Step) -> Role {
    match model.danger {
        crate::runbook::model::Danger::Reads => Role::Dim,
        crate::runbook::model::Danger::Changes => Role::Plain,
        crate::runbook::model::Danger::Destroys | crate::runbook::model::Danger::PointOfNoReturn => Role::Bad,
    }
}

fn explain(scene: Scene<'_>, doc: &mut Doc, model: &Step) {
    let local = HostName::from(LOCAL);
    let context = Context::new(scene.world.state, &local);
    doc.labelled("why    ", Role::Plain, context.show(&model.why).trim_end());
    doc.labelled("expect ", Role::Plain, context.show(&model.expect).trim_end());
    doc.gap();
}

fn asks(scene: Scene<'_>, doc: &mut Doc, step: &StepState, model: &Step) {
    let state = scene.world.state;
    let local = HostName::from(LOCAL);
    let context = Context::new(state, &local);
    for item in &model.checklist {
        let ticked = step.ticked.contains(&item.id);
        let (mark, role) = if ticked { ("[x] ", Role::Good) } else { ("[ ] ", Role::Strong) };
        let key = Item::Check(item.id.clone());
        doc.put(Some(&key), (mark, role), (context.show(&item.text).trim_end(), Role::Plain));
    }
    for input in model.inputs.iter().filter(|input| model::is_asked(state, input)) {
        ask_line(state, doc, input);
    }
    doc.gap();
}

/// The commands of a step for each host.
pub(super) fn commands(state: &State, doc: &mut Doc, step: &StepState, model: &Step) {
    if model.actions.is_empty() {
        return;
    }
    let all = model::commands(state, step, model);
    let hosts: usize = all.iter().map(|(hosts, _)| hosts.len()).sum();
    doc.text(Role::Dim, if step.started.is_some() { "commands" } else { "will run" });
    for (on, lines) in &all {
        let names: Vec<&str> = on.iter().map(HostName::as_str).collect();
        let place = if on.len() == hosts && hosts > 1 {
            format!("on each of {}", names.join(", "))
        } else {
            format!("on {}", names.join(", "))
        };
        doc.text(Role::Dim, &format!("  {place}"));
        for line in lines {
            doc.put(None, ("  $ ", Role::Dim), (line, Role::Plain));
        }
    }
    doc.gap();
}

fn rows(scene: Scene<'_>, doc: &mut Doc, step: &StepState, model: &Step) {
    let hosts = model::hosts(scene.world.state, step, model);
    let longest = hosts.iter().map(|host| host.as_str().chars().count()).max().unwrap_or(0).min(16);
    for host in hosts {
        let label = format!("{:<longest$}  ", host.as_str());
        let item = Item::Row(host.clone());
        match step.row(&host) {
            Some(row) => {
                let (text, role) = row_text(scene, step, model, row);
                doc.put(Some(&item), (&label, Role::Strong), (&text, role));
                gates(scene, doc, model, row);
            }
            None => doc.put(Some(&item), (&label, Role::Strong), ("not started", Role::Dim)),
        }
    }
}

/// A row in one line: its state in words, for how long, what was reported.
pub(super) fn row_text(scene: Scene<'_>, step: &StepState, model: &Step, row: &Row) -> (String, Role) {
    let now = scene.world.now;
    let theme = scene.theme;
    let actions = model.actions.len();
    let report = row.report.as_ref().map(|report| format!(": {report}")).unwrap_or_default();
    let by_hand = row.by_hand.as_ref().map(|how| format!(", by hand: {how}")).unwrap_or_default();
    let symbol = |condition| theme.step_symbol(condition);
    match &row.status {
        RowStatus::Waiting => (format!("{} waiting{report}", symbol(Condition::Locked)), Role::Dim),
        RowStatus::Running { attempt, since } => {
            let of = if actions > 1 { format!(" {} of {actions}", row.next + 1) } else { String::new() };
            let mark = symbol(Condition::Running);
            (format!("{mark} running{of}, {attempt}, for {}", span(now.since(*since))), Role::Busy)
        }
        RowStatus::Stopped { why, again } => {
            let then = if *again { "starts again" } else { "R runs it again" };
            (format!("{} FAILED: {why}; {then}", symbol(Condition::Failed)), Role::Bad)
        }
        RowStatus::InDoubt { attempt, why } => {
            (format!("{} IN DOUBT ({attempt}): {why}; d settles it", symbol(Condition::InDoubt)), Role::Bad)
        }
        RowStatus::Verifying { .. } => {
            let views = crate::session::row_gates(model, row, now);
            let open = views.iter().filter(|view| view.open).count();
            let overdue = views.iter().any(|view| view.overdue && !view.open);
            let (mark, word, role) = if overdue {
                (symbol(Condition::Blocked), "BLOCKED", Role::Bad)
            } else {
                (symbol(Condition::Verifying), "checking", Role::Busy)
            };
            (format!("{mark} {word}, {open} of {} gates open{by_hand}{report}", views.len()), role)
        }
        RowStatus::Done { at } => {
            let when = if step.is_closed() { String::new() } else { format!(" {}", ago(now, *at)) };
            (format!("{} done{when}{by_hand}{report}", symbol(Condition::Done)), Role::Good)
        }
    }
}

fn gates(scene: Scene<'_>, doc: &mut Doc, model: &Step, row: &Row) {
    let now = scene.world.now;
    let done = matches!(row.status, RowStatus::Done { .. });
    let chosen = scene.ui.selected.as_ref().and_then(Item::host) == Some(&row.host);
    let since = match row.status {
        RowStatus::Verifying { since } => since,
        _ => now,
    };
    for (at, (gate, state)) in model.gates.iter().zip(&row.gates).enumerate() {
        let view = gate_view(gate, state, since, now);
        // What is done and not chosen stays on one line.
        if done && !chosen && state.overridden.is_none() {
            continue;
        }
        let open = view.open || (done && state.seen.is_some());
        let (mark, role) = match (&state.overridden, &state.order.not_needed, &state.seen) {
            (Some(_), _, _) => ('!', Role::Warn),
            (None, Some(_), _) => ('-', Role::Dim),
            (None, None, Some(seen)) if open || seen.finding != crate::session::Finding::Holds => {
                (scene.theme.finding_symbol(seen.finding), finding_role(seen.finding))
            }
            (None, None, Some(_)) => (if scene.theme.ascii { 'o' } else { '○' }, Role::Busy),
            (None, None, None) => (if scene.theme.ascii { 'o' } else { '○' }, Role::Dim),
        };
        let reason = if done && state.overridden.is_none() && state.order.not_needed.is_none() {
            state.seen.as_ref().map_or("not looked at".to_owned(), |seen| seen.text.clone())
        } else {
            view.reason.clone()
        };
        let age = state.seen.as_ref().map(|seen| format!(", {}", ago(now, seen.last))).unwrap_or_default();
        let word = if open { "" } else { "shut: " };
        let item = Item::Gate(row.host.clone(), at);
        let label = format!("    {mark} ");
        let say = format!("{}: {word}{reason}{age}", state.order.say);
        doc.put(Some(&item), (&label, role), (&say, if open { Role::Plain } else { role }));
    }
}

/// The evidence that will be asked for, before there is any.
fn evidence_wanted(state: &State, doc: &mut Doc, model: &Step) {
    if model.gates.is_empty() {
        return;
    }
    doc.gap();
    doc.text(Role::Dim, "done when");
    let local = HostName::from(LOCAL);
    let context = Context::new(state, &local);
    for gate in &model.gates {
        let say = gate.say.as_ref().map_or_else(
            || crate::runbook::plan::describe(&model::shown_kind(&context, &gate.kind)),
            |say| context.show(say),
        );
        doc.put(None, ("  - ", Role::Dim), (&say, Role::Plain));
    }
}

fn undo_text(doc: &mut Doc, model: &Step) {
    if model.actions.iter().all(|action| action.kind.looks()) {
        return;
    }
    doc.gap();
    match &model.undo {
        Undo::Inverse => doc.labelled("undo   ", Role::Plain, "each change is registered and put back at the end"),
        Undo::Actions(_) => doc.labelled("undo   ", Role::Plain, "registered when its actions are done"),
        Undo::None(why) => doc.put(None, ("undo   ", Role::Dim), (&format!("none: {why}"), Role::Warn)),
    }
}

/// The files that were kept of what the step found.
fn files(scene: Scene<'_>, doc: &mut Doc, step: &StepState) {
    let kept = kept::of_step(scene.world.state, &step.id);
    if kept.is_empty() {
        return;
    }
    doc.gap();
    for file in kept {
        let opens = if file.is_table() { ", t opens it" } else { "" };
        doc.labelled("file   ", Role::Plain, &format!("{}{opens}: {}", file.name, file.path));
    }
}

fn notes(scene: Scene<'_>, doc: &mut Doc, step: &StepState) {
    let state = scene.world.state;
    for note in state.notes.iter().filter(|note| note.step.as_ref() == Some(&step.id)) {
        let say = format!("{} ({})", note.text, ago(scene.world.now, note.at));
        doc.labelled("note   ", Role::Plain, &say);
    }
}
