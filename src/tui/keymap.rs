//! Keys to intents, in one table. The help screen and the bottom bar are made from it; no other place
//! names a key. A test holds that no key means two things in one context.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

pub use super::intent::Intent;

/// What a key means where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    /// The plan, before the first step.
    Plan,
    /// The steps.
    Walk,
    /// After the end.
    Over,
    /// The whole output.
    Output,
    /// A table.
    Table,
    /// One row of a table, whole.
    Row,
    /// The filter of a table, while it is typed.
    Filter,
    /// A dialog that is read.
    Read,
    /// A dialog in which one of a list is chosen.
    Choose,
    /// A dialog in which something is typed.
    Type,
    /// A dialog that asks for one key.
    Confirm,
}

/// A key with its modifiers; shift is part of the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which.
    pub code: KeyCode,
    /// True with control held.
    pub ctrl: bool,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// What it means.
    pub intent: Intent,
    /// The keys; the first is the one that is shown in the bottom bar.
    pub keys: &'static [Key],
    /// Where.
    pub contexts: &'static [Context],
    /// One or two words, for the bottom bar and the palette.
    pub label: &'static str,
    /// A sentence, for the help screen.
    pub help: &'static str,
}

const fn key(char: char) -> Key {
    Key { code: KeyCode::Char(char), ctrl: false }
}

const fn ctrl(char: char) -> Key {
    Key { code: KeyCode::Char(char), ctrl: true }
}

const fn named(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

const MAIN: &[Context] = &[Context::Plan, Context::Walk, Context::Over];
const WALK: &[Context] = &[Context::Walk];
const STEPS: &[Context] = &[Context::Walk, Context::Over];
const SCROLLED: &[Context] = &[
    Context::Plan,
    Context::Walk,
    Context::Over,
    Context::Output,
    Context::Table,
    Context::Row,
    Context::Filter,
    Context::Read,
    Context::Choose,
    Context::Type,
    Context::Confirm,
];
const LISTED: &[Context] = &[
    Context::Plan,
    Context::Walk,
    Context::Over,
    Context::Output,
    Context::Table,
    Context::Row,
    Context::Read,
    Context::Choose,
];
/// In a table `g` groups, as it does nowhere else; there Home and End go to the ends.
const ENDED: &[Context] =
    &[Context::Plan, Context::Walk, Context::Over, Context::Output, Context::Row, Context::Read, Context::Choose];
const TABLES: &[Context] = &[Context::Table];
const EVERYWHERE: &[Context] = SCROLLED;
const DIALOGS: &[Context] =
    &[Context::Output, Context::Row, Context::Read, Context::Choose, Context::Type, Context::Confirm];

/// The table. Its order is the order of the help screen and of what is kept in a narrow bottom bar.
pub const TABLE: &[Binding] = &[
    Binding {
        intent: Intent::Run,
        keys: &[key('r')],
        contexts: &[Context::Plan, Context::Walk],
        label: "run",
        help: "Begin the session; run the step that is ready. What changes something asks first.",
    },
    Binding {
        intent: Intent::Acknowledge,
        keys: &[key(' ')],
        contexts: &[Context::Plan, Context::Walk],
        label: "tick",
        help: "Acknowledge a consequence; tick or untick an item of the checklist.",
    },
    Binding {
        intent: Intent::Act,
        keys: &[named(KeyCode::Enter)],
        contexts: MAIN,
        label: "open",
        help: "Answer the selected question; open the selected row or gate.",
    },
    Binding {
        intent: Intent::Settle,
        keys: &[key('d')],
        contexts: WALK,
        label: "settle doubt",
        help: "Say whether an action without a result has happened, or look again.",
    },
    Binding {
        intent: Intent::Retry,
        keys: &[key('R')],
        contexts: WALK,
        label: "retry",
        help: "Run again what stopped on the selected row.",
    },
    Binding {
        intent: Intent::Override,
        keys: &[key('o')],
        contexts: WALK,
        label: "override",
        help: "Let a gate count as open without evidence, with a reason.",
    },
    Binding {
        intent: Intent::ByHand,
        keys: &[key('h')],
        contexts: &[Context::Walk, Context::Read],
        label: "by hand",
        help: "Show how the step is done by hand; say that it was, with a reason.",
    },
    Binding {
        intent: Intent::Skip,
        keys: &[key('s')],
        contexts: WALK,
        label: "skip",
        help: "Leave the step out, with a reason, where the runbook allows it.",
    },
    Binding {
        intent: Intent::Drift,
        keys: &[key('D')],
        contexts: WALK,
        label: "drift",
        help: "Show what a resume found changed.",
    },
    Binding {
        intent: Intent::OpenTable,
        keys: &[key('t')],
        contexts: STEPS,
        label: "table",
        help: "Open a list that was found: what is staged, what a restore kills.",
    },
    Binding {
        intent: Intent::Note,
        keys: &[key('n')],
        contexts: MAIN,
        label: "note",
        help: "Write a note into the record.",
    },
    Binding {
        intent: Intent::Copy,
        keys: &[key('y')],
        contexts: &[Context::Walk, Context::Over, Context::Read],
        label: "copy",
        help: "Copy the commands of the selected row through the terminal's clipboard.",
    },
    Binding {
        intent: Intent::NextRow,
        keys: &[named(KeyCode::Tab)],
        contexts: MAIN,
        label: "rows",
        help: "Select the next row or question.",
    },
    Binding {
        intent: Intent::PreviousRow,
        keys: &[named(KeyCode::BackTab)],
        contexts: MAIN,
        label: "rows back",
        help: "Select the row or question before.",
    },
    Binding {
        intent: Intent::Evidence,
        keys: &[key('e')],
        contexts: STEPS,
        label: "evidence",
        help: "Open what was seen on the selected row or gate, whole.",
    },
    Binding {
        intent: Intent::NextStep,
        keys: &[named(KeyCode::Right), key(']')],
        contexts: STEPS,
        label: "next step",
        help: "Show the next step.",
    },
    Binding {
        intent: Intent::PreviousStep,
        keys: &[named(KeyCode::Left), key('[')],
        contexts: STEPS,
        label: "step back",
        help: "Show the step before, with its evidence.",
    },
    Binding {
        intent: Intent::CurrentStep,
        keys: &[key('c')],
        contexts: STEPS,
        label: "current",
        help: "Show the current step again.",
    },
    Binding {
        intent: Intent::GoBack,
        keys: &[key('b')],
        contexts: WALK,
        label: "go back",
        help: "Begin anew at the earlier step that is shown, while nothing since has changed anything.",
    },
    Binding {
        intent: Intent::UndoList,
        keys: &[key('u')],
        contexts: STEPS,
        label: "changed",
        help: "List what this session changed and what is still changed.",
    },
    Binding {
        intent: Intent::Output,
        keys: &[key('l')],
        contexts: STEPS,
        label: "output",
        help: "Show the live output on the whole screen.",
    },
    Binding {
        intent: Intent::Search,
        keys: &[key('/')],
        contexts: &[Context::Walk, Context::Over, Context::Output],
        label: "search",
        help: "Search in the output.",
    },
    Binding {
        intent: Intent::NextMatch,
        keys: &[key('n')],
        contexts: &[Context::Output],
        label: "next",
        help: "Go to the next match, downwards.",
    },
    Binding {
        intent: Intent::PreviousMatch,
        keys: &[key('N')],
        contexts: &[Context::Output],
        label: "previous",
        help: "Go to the match before, upwards.",
    },
    Binding {
        intent: Intent::Follow,
        keys: &[key('f')],
        contexts: &[Context::Output],
        label: "follow",
        help: "Follow the newest line.",
    },
    Binding {
        intent: Intent::Hold,
        keys: &[key('p')],
        contexts: WALK,
        label: "hold",
        help: "Hold: start nothing new. The same key goes on.",
    },
    Binding {
        intent: Intent::Abandon,
        keys: &[key('A')],
        contexts: WALK,
        label: "abandon",
        help: "Give up: leave out what is left and put back what was changed.",
    },
    Binding {
        intent: Intent::Palette,
        keys: &[key(':')],
        contexts: MAIN,
        label: "commands",
        help: "Find a command by its name.",
    },
    Binding {
        intent: Intent::Help,
        keys: &[key('?')],
        contexts: &[Context::Plan, Context::Walk, Context::Over, Context::Table],
        label: "help",
        help: "Show this.",
    },
    Binding {
        intent: Intent::Leave,
        keys: &[key('q')],
        contexts: MAIN,
        label: "leave",
        help: "Leave; the session can be resumed.",
    },
    Binding {
        intent: Intent::Mark,
        keys: &[key(' ')],
        contexts: TABLES,
        label: "mark",
        help: "In a table: mark the row or the group, or take its mark away; go on to the next.",
    },
    Binding {
        intent: Intent::Filter,
        keys: &[key('/')],
        contexts: TABLES,
        label: "filter",
        help: "Filter as you type: words, column:text, column=exact, !without.",
    },
    Binding {
        intent: Intent::Take,
        keys: &[key('t')],
        contexts: TABLES,
        label: "take",
        help: "Answer the question with the rows that are marked; it says first what that means.",
    },
    Binding {
        intent: Intent::MarkShown,
        keys: &[key('a')],
        contexts: TABLES,
        label: "mark all",
        help: "Mark all rows that the filter shows; if all are marked, none of them.",
    },
    Binding {
        intent: Intent::Details,
        keys: &[named(KeyCode::Enter), key('d')],
        contexts: TABLES,
        label: "details",
        help: "Show the row whole; go into the group.",
    },
    Binding {
        intent: Intent::Group,
        keys: &[key('g')],
        contexts: TABLES,
        label: "group",
        help: "Group by the next column that groups, or not at all.",
    },
    Binding {
        intent: Intent::SortNext,
        keys: &[key('s')],
        contexts: TABLES,
        label: "sort",
        help: "Sort by the next column.",
    },
    Binding {
        intent: Intent::MarkRange,
        keys: &[key('v')],
        contexts: TABLES,
        label: "to here",
        help: "Mark from the row that was marked last to this one.",
    },
    Binding {
        intent: Intent::Invert,
        keys: &[key('i')],
        contexts: TABLES,
        label: "invert",
        help: "Of the rows that are shown, mark those that are not and the other way round.",
    },
    Binding {
        intent: Intent::Unmark,
        keys: &[key('u')],
        contexts: TABLES,
        label: "unmark",
        help: "Take all marks away, also of rows that are not shown.",
    },
    Binding {
        intent: Intent::Copy,
        keys: &[key('y')],
        contexts: &[Context::Table, Context::Row],
        label: "copy ids",
        help: "In a table: copy what the marked rows are called through the terminal's clipboard.",
    },
    Binding {
        intent: Intent::SortBack,
        keys: &[key('S')],
        contexts: TABLES,
        label: "turn",
        help: "Turn the order round.",
    },
    Binding {
        intent: Intent::ColumnsRight,
        keys: &[named(KeyCode::Right), key('>')],
        contexts: TABLES,
        label: "columns",
        help: "Show the columns further right.",
    },
    Binding {
        intent: Intent::ColumnsLeft,
        keys: &[named(KeyCode::Left), key('<')],
        contexts: TABLES,
        label: "columns back",
        help: "Show the columns further left.",
    },
    Binding {
        intent: Intent::NextStep,
        keys: &[named(KeyCode::Right), key(']')],
        contexts: &[Context::Row],
        label: "next row",
        help: "Show the next row whole.",
    },
    Binding {
        intent: Intent::PreviousStep,
        keys: &[named(KeyCode::Left), key('[')],
        contexts: &[Context::Row],
        label: "row before",
        help: "Show the row before whole.",
    },
    Binding {
        intent: Intent::Submit,
        keys: &[named(KeyCode::Enter)],
        contexts: &[Context::Filter],
        label: "keep",
        help: "Keep the filter and go back to the rows.",
    },
    Binding {
        intent: Intent::Top,
        keys: &[named(KeyCode::Home)],
        contexts: TABLES,
        label: "top",
        help: "Go to the first row.",
    },
    Binding {
        intent: Intent::Bottom,
        keys: &[named(KeyCode::End), key('G')],
        contexts: TABLES,
        label: "bottom",
        help: "Go to the last row.",
    },
    Binding {
        intent: Intent::StepOut,
        keys: &[named(KeyCode::Esc)],
        contexts: &[Context::Table, Context::Filter],
        label: "back",
        help: "In a table: back out of the filter, then of the table; nothing is answered.",
    },
    Binding {
        intent: Intent::NextItem,
        keys: &[named(KeyCode::Down), key('j')],
        contexts: LISTED,
        label: "down",
        help: "Select what comes next; scroll down.",
    },
    Binding {
        intent: Intent::PreviousItem,
        keys: &[named(KeyCode::Up), key('k')],
        contexts: LISTED,
        label: "up",
        help: "Select what comes before; scroll up.",
    },
    Binding {
        intent: Intent::NextItem,
        keys: &[named(KeyCode::Down)],
        contexts: &[Context::Filter, Context::Type, Context::Confirm],
        label: "down",
        help: "In a dialog: select the next proposal; scroll down.",
    },
    Binding {
        intent: Intent::PreviousItem,
        keys: &[named(KeyCode::Up)],
        contexts: &[Context::Filter, Context::Type, Context::Confirm],
        label: "up",
        help: "In a dialog: select the proposal before; scroll up.",
    },
    Binding {
        intent: Intent::PageDown,
        keys: &[named(KeyCode::PageDown), ctrl('f')],
        contexts: SCROLLED,
        label: "page down",
        help: "Scroll down by a page.",
    },
    Binding {
        intent: Intent::PageUp,
        keys: &[named(KeyCode::PageUp), ctrl('b')],
        contexts: SCROLLED,
        label: "page up",
        help: "Scroll up by a page.",
    },
    Binding { intent: Intent::Top, keys: &[key('g')], contexts: ENDED, label: "top", help: "Go to the top." },
    Binding { intent: Intent::Bottom, keys: &[key('G')], contexts: ENDED, label: "bottom", help: "Go to the bottom." },
    Binding {
        intent: Intent::Submit,
        keys: &[named(KeyCode::Enter)],
        contexts: &[Context::Choose, Context::Type, Context::Confirm],
        label: "do it",
        help: "In a dialog: do what it says.",
    },
    Binding {
        intent: Intent::NextField,
        keys: &[named(KeyCode::Tab)],
        contexts: &[Context::Type],
        label: "next field",
        help: "In a dialog: go to the next field or proposal.",
    },
    Binding {
        intent: Intent::Close,
        keys: &[named(KeyCode::Esc)],
        contexts: DIALOGS,
        label: "close",
        help: "Close a dialog; nothing is done.",
    },
    Binding {
        intent: Intent::Close,
        keys: &[key('q')],
        contexts: &[Context::Output, Context::Table, Context::Row, Context::Read, Context::Choose],
        label: "close",
        help: "Close what is read.",
    },
    Binding {
        intent: Intent::Redraw,
        keys: &[ctrl('l')],
        contexts: EVERYWHERE,
        label: "redraw",
        help: "Draw the screen anew.",
    },
    Binding {
        intent: Intent::Suspend,
        keys: &[ctrl('z')],
        contexts: EVERYWHERE,
        label: "suspend",
        help: "Suspend, if no action runs.",
    },
    Binding {
        intent: Intent::Interrupt,
        keys: &[ctrl('c')],
        contexts: EVERYWHERE,
        label: "interrupt",
        help: "Once: ask whether to leave. Twice: hold, and leave after the current action.",
    },
];

/// What a key event means in a context.
pub fn intent(context: Context, event: KeyEvent) -> Option<Intent> {
    let pressed = pressed(event)?;
    TABLE
        .iter()
        .find(|binding| binding.contexts.contains(&context) && binding.keys.contains(&pressed))
        .map(|binding| binding.intent)
}

/// The first binding of an intent in a context.
pub fn binding(context: Context, intent: Intent) -> Option<&'static Binding> {
    TABLE.iter().find(|binding| binding.intent == intent && binding.contexts.contains(&context))
}

/// A key event as a key of the table; alt and the like make it another key, which means nothing.
pub fn pressed(event: KeyEvent) -> Option<Key> {
    let known = KeyModifiers::SHIFT | KeyModifiers::CONTROL;
    if !known.contains(event.modifiers) {
        return None;
    }
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    Some(Key { code: event.code, ctrl })
}

/// A key as it is written on the screen.
pub fn key_name(key: Key) -> String {
    let name = match key.code {
        KeyCode::Char(' ') => "space".to_owned(),
        KeyCode::Char(char) => char.to_string(),
        KeyCode::Enter => "Enter".to_owned(),
        KeyCode::Esc => "Esc".to_owned(),
        KeyCode::Tab => "Tab".to_owned(),
        KeyCode::BackTab => "Shift-Tab".to_owned(),
        KeyCode::Up => "Up".to_owned(),
        KeyCode::Down => "Down".to_owned(),
        KeyCode::Left => "Left".to_owned(),
        KeyCode::Right => "Right".to_owned(),
        KeyCode::PageUp => "PgUp".to_owned(),
        KeyCode::PageDown => "PgDn".to_owned(),
        other => format!("{other:?}"),
    };
    if key.ctrl { format!("Ctrl-{}", name.to_uppercase()) } else { name }
}
