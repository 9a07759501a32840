//! The table that is open: what its keys do, and what answer its marked rows are. Pure; it is loaded elsewhere.

use std::sync::Arc;

use super::{
    act::{Do, Pressed, World},
    editor::Editor,
    kept::{self, Kept},
    keymap::{self, Context, Intent},
    text,
    ui::{Choose, DialogKind, UiState},
};
use crate::{
    runbook::model::{HostName, InputId, LOCAL},
    session::{Answer, Context as Names, Given},
    table::{Browse, Index, Place, Table},
};

/// Columns by which a query tells tasks, as they are called in a query.
const QUERY_COLUMNS: [&str; 5] = ["role", "env", "job", "status", "host"];
/// Most rows that an answer names one by one; for more it has to be a query. An answer is recorded whole.
pub const KEYS_MAX: usize = 2_000;
/// Most rows whose keys are copied at once.
const COPIED_MAX: usize = 1_000;
/// Rows that are looked at for the width of a column.
const WIDTH_ROWS: usize = 4_000;

/// A table that is in memory, with what makes looking through it quick.
#[derive(Debug)]
pub struct Loaded {
    /// The rows.
    pub table: Table,
    /// The index.
    pub index: Index,
    /// For each column the width of its widest cell or heading, in characters.
    pub widths: Vec<usize>,
}

impl Loaded {
    /// Makes what is needed to look through a table. It takes a while for many rows.
    pub fn new(table: Table) -> Self {
        let index = Index::of(&table);
        let step = (table.len() / WIDTH_ROWS).max(1);
        let width = |column: usize| {
            let rows = (0..table.len()).step_by(step);
            rows.map(|row| table.shown(row, column).chars().count()).max().unwrap_or(0)
        };
        let heading = |column: usize| table.columns().get(column).map_or(0, |column| column.title.chars().count());
        let widths = (0..table.columns().len()).map(|column| width(column).max(heading(column))).collect();
        Self { table, index, widths }
    }
}

/// How far a table is loaded.
#[derive(Debug, Clone)]
pub enum Load {
    /// It is read; the answer comes under this number.
    Waiting(u64),
    /// It cannot be read.
    Failed(String),
    /// It is there.
    Ready(Arc<Loaded>),
}

/// A filter under edit.
#[derive(Debug, Clone)]
pub struct Typing {
    /// What is typed.
    pub editor: Editor,
    /// The filter before.
    pub before: String,
}

/// A table that is, or was, open.
#[derive(Debug, Clone)]
pub struct TableUi {
    /// Which.
    pub kept: Kept,
    /// The question that its rows answer.
    pub answers: Option<InputId>,
    /// True while it is shown. One that is not keeps its marks until another is opened.
    pub open: bool,
    /// How far it is loaded.
    pub load: Load,
    /// What is shown of it.
    pub browse: Browse,
    /// The place that is drawn first.
    pub top: usize,
    /// The filter, while it is typed.
    pub typing: Option<Typing>,
    /// The row that is shown whole.
    pub row: Option<usize>,
    /// The first line of it that is drawn.
    pub row_scroll: usize,
    /// Columns left out at the left, after the first.
    pub left: usize,
    /// Filters and groups that were gone into, and come back one by one.
    outer: Vec<(String, usize)>,
}

impl TableUi {
    /// A table that is not loaded yet.
    pub fn new(kept: Kept, answers: Option<InputId>, ask: u64) -> Self {
        Self {
            kept,
            answers,
            open: true,
            load: Load::Waiting(ask),
            browse: Browse::default(),
            top: 0,
            typing: None,
            row: None,
            row_scroll: 0,
            left: 0,
            outer: Vec::new(),
        }
    }

    /// Which keys it takes.
    pub fn context(&self) -> Context {
        match (&self.typing, self.row) {
            (Some(_), _) => Context::Filter,
            (None, Some(_)) => Context::Row,
            (None, None) => Context::Table,
        }
    }

    /// The table, once it is there.
    pub fn loaded(&self) -> Option<Arc<Loaded>> {
        match &self.load {
            Load::Ready(loaded) => Some(loaded.clone()),
            Load::Waiting(_) | Load::Failed(_) => None,
        }
    }
}

/// Opens a table to look at, or one to choose from the files of the session.
pub fn open_any(world: World<'_>, ui: &mut UiState) -> Vec<Do> {
    let step = super::model::shown_step(world.state, ui.viewing.as_ref()).map(|(step, _, _)| step.id.clone());
    let own = step.map(|step| kept::of_step(world.state, &step)).unwrap_or_default();
    let mut tables = own.into_iter().filter(Kept::is_table);
    match (tables.next(), tables.next()) {
        (Some(only), None) => open(ui, only, None),
        _ if kept::any_table(world.state) => {
            ui.open(DialogKind::Choose { of: Choose::Kept, selected: 0 });
            Vec::new()
        }
        _ => {
            ui.message = Some(text::NO_TABLE.to_owned());
            Vec::new()
        }
    }
}

/// Opens a table. The one that was open last is there at once, with its marks.
pub fn open(ui: &mut UiState, kept: Kept, answers: Option<InputId>) -> Vec<Do> {
    ui.dialog = None;
    if let Some(table) = &mut ui.table
        && table.kept.same_as(&kept)
        && !matches!(table.load, Load::Failed(_))
    {
        table.open = true;
        table.answers = answers.or(table.answers.take());
        return Vec::new();
    }
    let number = ui.next_ask;
    ui.next_ask += 1;
    ui.table = Some(TableUi::new(kept.clone(), answers, number));
    vec![Do::Load(number, kept)]
}

/// Takes a table that was loaded; one that nobody waits for any more is dropped.
pub fn loaded(world: World<'_>, ui: &mut UiState, ask: u64, result: Result<Arc<Loaded>, String>) {
    let Some(table) = &mut ui.table else { return };
    if !matches!(table.load, Load::Waiting(number) if number == ask) {
        return;
    }
    match result {
        Err(why) => table.load = Load::Failed(why),
        Ok(found) => {
            table.browse = Browse::of(&found.table);
            let answer = table.answers.as_ref().and_then(|id| answer_text(world, id));
            let understood = answer.as_ref().is_none_or(|answer| mark_answer(&mut table.browse, &found, answer));
            table.load = Load::Ready(found);
            if !understood {
                let answer = answer.unwrap_or_default();
                ui.message = Some(format!("not all of the answer so far can be marked here: {answer}"));
            }
        }
    }
}

fn answer_text(world: World<'_>, id: &InputId) -> Option<String> {
    let (_, input) = world.state.runbook().inputs().find(|(_, input)| &input.id == id)?;
    match Names::new(world.state, &HostName::from(LOCAL)).answer(input)? {
        Answer::Text(text) => Some(text),
        Answer::Picked { .. } | Answer::Secret => None,
    }
}

/// Marks the rows that an answer names; false if it names them in a way that is not understood here.
fn mark_answer(browse: &mut Browse, found: &Loaded, answer: &str) -> bool {
    let table = &found.table;
    let Some(terms) = answer.contains('=').then(|| answer.split_whitespace()) else {
        let keys: Vec<&str> =
            answer.split(|at: char| at == ',' || at.is_whitespace()).filter(|key| !key.is_empty()).collect();
        return browse.mark_keys(table, &found.index, &keys) == keys.len();
    };
    let mut wanted = Vec::new();
    for word in terms {
        let known = word.split_once('=').and_then(|(id, values)| {
            let id = if id == "environment" { "env" } else { id };
            QUERY_COLUMNS.contains(&id).then_some((table.column(id)?, values))
        });
        let Some(term) = known else { return false };
        wanted.push(term);
    }
    let fits = |cell: &str, values: &str| {
        values.split(',').any(|value| match value.strip_suffix('*') {
            Some(begin) => cell.starts_with(begin),
            None => cell.eq_ignore_ascii_case(value),
        })
    };
    let keys: Vec<&str> = (0..table.len())
        .filter(|row| wanted.iter().all(|(column, values)| fits(table.cell(*row, *column), values)))
        .map(|row| table.key(row))
        .collect();
    browse.mark_keys(table, &found.index, &keys);
    true
}

/// Takes a key while a table is open.
pub fn key(world: World<'_>, ui: &mut UiState, pressed: Pressed, meant: Option<Intent>) -> Vec<Do> {
    let height = ui.facts.table_height;
    let Some(table) = &mut ui.table else { return Vec::new() };
    match table.context() {
        Context::Filter => type_filter(table, pressed, meant, height),
        Context::Row => return row_key(world, ui, meant),
        _ => match meant {
            Some(meant) => return list_key(world, ui, meant),
            None => return Vec::new(),
        },
    }
    Vec::new()
}

/// Takes a paste into the filter.
pub fn paste(table: &mut TableUi, pasted: &str) {
    if let Some(typing) = &mut table.typing {
        typing.editor.paste(pasted);
        apply_filter(table);
    }
}

fn type_filter(table: &mut TableUi, pressed: Pressed, meant: Option<Intent>, height: usize) {
    match meant {
        Some(Intent::Submit) => table.typing = None,
        Some(Intent::StepOut) => {
            if let Some(typing) = table.typing.take()
                && let Some(found) = table.loaded()
            {
                table.browse.type_filter(&found.table, &found.index, &typing.before);
            }
        }
        Some(moved @ (Intent::NextItem | Intent::PreviousItem | Intent::PageDown | Intent::PageUp)) => {
            move_cursor(table, moved, height);
        }
        Some(_) | None => {
            let Some(key) = keymap::pressed(pressed.event) else { return };
            if table.typing.as_mut().is_some_and(|typing| typing.editor.key(key)) {
                apply_filter(table);
            }
        }
    }
}

fn apply_filter(table: &mut TableUi) {
    if let (Some(typed), Some(found)) = (table.typing.as_ref().map(|typing| typing.editor.text()), table.loaded()) {
        table.browse.type_filter(&found.table, &found.index, &typed);
    }
}

fn row_key(world: World<'_>, ui: &mut UiState, meant: Option<Intent>) -> Vec<Do> {
    let (height, from) = (ui.facts.table_height, ui.facts.row_scroll);
    let Some(table) = &mut ui.table else { return Vec::new() };
    let page = height.saturating_sub(1).max(1);
    match meant {
        Some(Intent::Close) => table.row = None,
        Some(Intent::NextItem) => table.row_scroll = from.saturating_add(1),
        Some(Intent::PreviousItem) => table.row_scroll = from.saturating_sub(1),
        Some(Intent::PageDown) => table.row_scroll = from.saturating_add(page),
        Some(Intent::PageUp) => table.row_scroll = from.saturating_sub(page),
        Some(Intent::Top) => table.row_scroll = 0,
        Some(Intent::Bottom) => table.row_scroll = usize::MAX / 2,
        Some(moved @ (Intent::NextStep | Intent::PreviousStep)) => {
            let by = if moved == Intent::NextStep { 1 } else { -1 };
            table.browse.move_to(table.browse.cursor().saturating_add_signed(by));
            if let Some(Place::Row(row)) = table.browse.place(table.browse.cursor()) {
                table.row = Some(row);
                table.row_scroll = 0;
            }
        }
        Some(Intent::Copy) => return copy(world, ui),
        Some(_) | None => {}
    }
    Vec::new()
}

fn list_key(world: World<'_>, ui: &mut UiState, meant: Intent) -> Vec<Do> {
    let height = ui.facts.table_height;
    let more_right = ui.facts.table_right > 0;
    let Some(table) = &mut ui.table else { return Vec::new() };
    match meant {
        Intent::Close => close(ui),
        Intent::StepOut => step_out(ui),
        Intent::Help => ui.open(DialogKind::Help),
        Intent::Take => take(world, ui),
        Intent::Copy => return copy(world, ui),
        Intent::ColumnsRight if more_right => table.left += 1,
        Intent::ColumnsLeft => table.left = table.left.saturating_sub(1),
        _ => {
            if let Some(found) = table.loaded() {
                list_move(table, &found, meant, height);
            }
        }
    }
    Vec::new()
}

fn list_move(table: &mut TableUi, found: &Loaded, meant: Intent, height: usize) {
    let browse = &mut table.browse;
    match meant {
        Intent::Filter => {
            let before = browse.typed().to_owned();
            let blank = if before.is_empty() || before.ends_with(' ') { "" } else { " " };
            table.typing = Some(Typing { editor: Editor::with(&format!("{before}{blank}")), before });
        }
        Intent::Mark => {
            browse.mark(&found.index);
            browse.move_to(browse.cursor() + 1);
        }
        Intent::MarkRange => browse.mark_range(),
        Intent::MarkShown => browse.mark_shown(&found.index),
        Intent::Invert => browse.invert_shown(&found.index),
        Intent::Unmark => browse.clear_marks(&found.index),
        Intent::SortNext => {
            let next = browse.sort().map_or(0, |(column, _)| column + 1);
            let by = (next < found.table.columns().len()).then_some((next, false));
            browse.sort_by(&found.table, &found.index, by);
        }
        Intent::SortBack => {
            let (column, descending) = browse.sort().unwrap_or((0, false));
            browse.sort_by(&found.table, &found.index, Some((column, !descending)));
        }
        Intent::Group => {
            let mut groups = found.table.columns().iter().enumerate().filter(|(_, column)| column.group);
            let next = match browse.group() {
                None => groups.next(),
                Some(now) => groups.find(|(at, _)| *at > now),
            };
            browse.group_by(&found.index, next.map(|(at, _)| at));
        }
        Intent::Details => match browse.place(browse.cursor()) {
            Some(Place::Row(row)) => {
                table.row = Some(row);
                table.row_scroll = 0;
            }
            Some(Place::Group(group)) => {
                if let Some(column) = browse.group() {
                    table.outer.push((browse.typed().to_owned(), column));
                    browse.enter_group(&found.table, &found.index, group);
                }
            }
            None => {}
        },
        moved => move_cursor(table, moved, height),
    }
}

fn move_cursor(table: &mut TableUi, moved: Intent, height: usize) {
    let page = height.saturating_sub(1).max(1);
    let now = table.browse.cursor();
    table.browse.move_to(match moved {
        Intent::NextItem => now.saturating_add(1),
        Intent::PreviousItem => now.saturating_sub(1),
        Intent::PageDown => now.saturating_add(page),
        Intent::PageUp => now.saturating_sub(page),
        Intent::Top => 0,
        Intent::Bottom => usize::MAX,
        _ => now,
    });
}

/// One step back: to the groups, to all rows, out of the table.
fn step_out(ui: &mut UiState) {
    let Some(table) = &mut ui.table else { return };
    let found = table.loaded();
    match (found, table.outer.pop()) {
        (Some(found), Some((typed, column))) => {
            table.browse.type_filter(&found.table, &found.index, &typed);
            table.browse.group_by(&found.index, Some(column));
        }
        (Some(found), None) if table.browse.group().is_some() => table.browse.group_by(&found.index, None),
        (Some(found), None) if !table.browse.typed().is_empty() => {
            table.browse.type_filter(&found.table, &found.index, "");
        }
        _ => close(ui),
    }
}

/// Closes the table without a change. What was marked for an answer is still there when it is opened again.
fn close(ui: &mut UiState) {
    let Some(table) = &mut ui.table else { return };
    let marked = table.browse.marked();
    if table.answers.is_none() || marked == 0 {
        ui.table = None;
        return;
    }
    table.open = false;
    ui.message = Some(format!("nothing is answered; {marked} marked rows stay marked while no other table is opened"));
}

fn copy(world: World<'_>, ui: &mut UiState) -> Vec<Do> {
    if !world.may_copy {
        ui.message = Some(text::NO_COPY.to_owned());
        return Vec::new();
    }
    let Some(table) = &ui.table else { return Vec::new() };
    let Some(found) = table.loaded() else { return Vec::new() };
    let under = match table.browse.place(table.browse.cursor()) {
        Some(Place::Row(row)) => Some(row),
        Some(Place::Group(_)) | None => None,
    };
    let marked = table.browse.marked();
    let rows: Vec<usize> = if marked == 0 || table.row.is_some() {
        table.row.or(under).into_iter().collect()
    } else {
        table.browse.marked_rows().take(COPIED_MAX).collect()
    };
    if rows.is_empty() {
        ui.message = Some(text::NOTHING_MARKED.to_owned());
        return Vec::new();
    }
    let keys: Vec<&str> = rows.iter().map(|row| found.table.key(*row)).collect();
    let of = if rows.len() < marked && table.row.is_none() { format!(" of {marked}") } else { String::new() };
    let copied = keys.join("\n");
    ui.message = Some(format!("{}{of} sent to the terminal's clipboard", rows.len()));
    vec![Do::Copy(copied)]
}

fn take(world: World<'_>, ui: &mut UiState) {
    let Some(table) = &ui.table else { return };
    let (Some(input), Some(found)) = (table.answers.clone(), table.loaded()) else {
        ui.message = Some(text::ANSWERS_NOTHING.to_owned());
        return;
    };
    let rows = table.browse.marked();
    if rows == 0 && answer_text(world, &input).is_none_or(|answer| answer.is_empty()) {
        ui.message = Some(text::NOTHING_MARKED.to_owned());
        return;
    }
    match answer_of(&table.browse, &found) {
        Ok(answer) => ui.open(DialogKind::Take { input, answer, rows }),
        Err(why) => ui.message = Some(why),
    }
}

/// What the dialog that takes rows answers.
pub fn given(answer: &str) -> Given {
    if answer.is_empty() { Given::Nothing } else { Given::Text(answer.to_owned()) }
}

/// The marked rows as an answer: a query where one names them and no others, else their keys.
pub fn answer_of(browse: &Browse, found: &Loaded) -> Result<String, String> {
    let marked = browse.marked();
    let table = &found.table;
    let columns: Vec<usize> = QUERY_COLUMNS.iter().filter_map(|id| table.column(id)).collect();
    if marked > 1
        && let Some((row, terms)) = browse.common_terms(&found.index, &columns)
        && let Some(query) = query(browse, table, row, &terms)
    {
        return Ok(query);
    }
    if marked > KEYS_MAX {
        return Err(format!(
            "{marked} rows are too many to name one by one (at most {KEYS_MAX}), and no one value of {} is theirs \
             alone: mark a whole group, or fewer",
            QUERY_COLUMNS.join(", ")
        ));
    }
    let keys: Vec<&str> = browse.marked_rows().map(|row| table.key(row)).collect();
    match keys.iter().find(|key| key.contains([',', '=']) || key.chars().any(char::is_whitespace)) {
        Some(key) => Err(format!("\u{201c}{key}\u{201d} cannot stand in an answer")),
        None => Ok(keys.join(",")),
    }
}

/// The terms of a row as a query; none if a value cannot stand in one. Whoever reads the query tells `Ads` from
/// `ads` and takes a star for the rest of any name, so the marked rows must have the very same values.
fn query(browse: &Browse, table: &Table, row: usize, terms: &[usize]) -> Option<String> {
    let mut query = Vec::new();
    for column in terms {
        let (id, value) = (&table.columns().get(*column)?.id, table.cell(row, *column));
        let plain = |char: char| !char.is_whitespace() && !char.is_control() && !"\"'=,*".contains(char);
        let same = browse.marked_rows().all(|row| table.cell(row, *column) == value);
        if value.is_empty() || !value.chars().all(plain) || !same {
            return None;
        }
        query.push(format!("{id}={value}"));
    }
    Some(query.join(" "))
}
