//! What the screen shows besides the session: what is selected, how far things are scrolled, which dialog
//! is open and what was typed into it. With the same state and the same `UiState` the same frame is drawn.
//!
//! Not here: anything of the session. It survives nothing and needs to survive nothing.

use std::time::Duration;

use super::{editor::Editor, keymap::Context, model::Item, rows::TableUi};
use crate::{
    runbook::model::{HostName, InputId, StepId},
    session::{AttemptId, Life, State, UndoId},
};

/// Everything that the screen holds of its own.
#[derive(Debug, Clone, Default)]
pub struct UiState {
    /// The step that was chosen to be looked at; the current one if none.
    pub viewing: Option<StepId>,
    /// The step whose turn it was when the state was last taken in.
    pub turn: Option<StepId>,
    /// What is selected on the page.
    pub selected: Option<Item>,
    /// The first line of the page that is drawn.
    pub scroll: usize,
    /// True while the page is scrolled so that what is selected is seen.
    pub follow_selected: bool,
    /// The whole output, if it is shown.
    pub output: Option<OutputUi>,
    /// What was searched for in the output.
    pub query: String,
    /// The table that was opened last.
    pub table: Option<TableUi>,
    /// The dialog that is open.
    pub dialog: Option<Dialog>,
    /// What is to be said about the last key.
    pub message: Option<String>,
    /// True once it was asked to leave as soon as nothing runs.
    pub leaving: bool,
    /// How many drifts have been shown in a dialog.
    pub drift_shown: usize,
    /// The number of the next question to the engine.
    pub next_ask: u64,
    /// What the newest frame had room for.
    pub facts: Facts,
}

/// How the whole output is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputUi {
    /// The number of the first line, counted from the first that was ever written; the newest if none.
    pub top: Option<u64>,
    /// The number of the line that was found last.
    pub found: Option<u64>,
}

/// What a frame had room for; it feeds the next scroll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// Lines of the page that were seen.
    pub page_height: usize,
    /// The line that the page began with.
    pub page_scroll: usize,
    /// Lines of output that were seen.
    pub output_height: usize,
    /// The first line of output that was seen.
    pub output_top: u64,
    /// Rows of the table that were seen.
    pub table_height: usize,
    /// The place of the table that was seen first.
    pub table_top: usize,
    /// Columns of the table that could not be seen at the right.
    pub table_right: usize,
    /// The line that the row which is shown whole began with.
    pub row_scroll: usize,
    /// Lines of the dialog that were seen.
    pub dialog_height: usize,
    /// The line that the dialog began with.
    pub dialog_scroll: usize,
    /// True if a dialog was drawn, large enough to be read.
    pub dialog_read: bool,
    /// Where the cursor of a line under edit stands.
    pub cursor: Option<(u16, u16)>,
}

/// A dialog.
#[derive(Debug, Clone)]
pub struct Dialog {
    /// What it is about.
    pub kind: DialogKind,
    /// Counts its changes.
    pub revision: u64,
    /// The newest change that was drawn, and when. Keys read before that do not confirm anything.
    pub drawn: Option<(u64, Duration)>,
    /// When it was first drawn so that it could be read. Keys read before that were meant for what stood
    /// there before; those after it are taken, however fast they come: a slow line delivers many at once.
    pub first_drawn: Option<Duration>,
    /// Why the engine refused.
    pub refusal: Option<String>,
    /// The question to the engine that is not answered yet.
    pub waiting: Option<u64>,
    /// The first line that is drawn.
    pub scroll: usize,
}

/// What a dialog is about.
#[derive(Debug, Clone)]
pub enum DialogKind {
    /// Run a step: by one key, or by a phrase.
    Run {
        /// The step.
        step: StepId,
        /// The text that stands there, as it is recorded.
        shown: String,
        /// The sequence number of the state that it was made from.
        seen_seq: u64,
        /// The phrase and what was typed of it.
        phrase: Option<(String, Editor)>,
    },
    /// Begin the session.
    Begin,
    /// Say something, mostly why.
    Say {
        /// What about.
        about: Say,
        /// What is typed.
        editor: Editor,
    },
    /// Choose one of a list.
    Choose {
        /// Of what.
        of: Choose,
        /// Which is selected.
        selected: usize,
    },
    /// Answer a question.
    Answer {
        /// Which.
        input: InputId,
        /// What is typed.
        editor: Editor,
        /// True if it is not to be seen.
        masked: bool,
    },
    /// Give up on going forward.
    Abandon {
        /// The word that is typed.
        word: Editor,
        /// Why.
        reason: Editor,
        /// True while the reason is typed.
        on_reason: bool,
    },
    /// Find a command.
    Palette {
        /// What is typed.
        editor: Editor,
        /// Which proposal is selected.
        selected: usize,
    },
    /// Answer a question with rows of a table.
    Take {
        /// Which.
        input: InputId,
        /// The answer.
        answer: String,
        /// How many rows it names.
        rows: usize,
    },
    /// Search in the output.
    Search {
        /// What is typed.
        editor: Editor,
    },
    /// What was seen on a row or a gate, whole.
    Evidence {
        /// The step.
        step: StepId,
        /// The row or the gate.
        item: Item,
    },
    /// How a step is done by hand.
    Manual {
        /// The step.
        step: StepId,
        /// On which host.
        host: HostName,
        /// True if no row was chosen: then it is about all of them.
        all: bool,
    },
    /// The keys.
    Help,
    /// What a resume found changed.
    Drift,
    /// Leave.
    Leave,
}

/// What is said.
#[derive(Debug, Clone, PartialEq)]
pub enum Say {
    /// A note.
    Note,
    /// Why a step is left out.
    Skip(StepId),
    /// Why the walk goes back to a step.
    GoBack(StepId),
    /// How a row was done by hand; every row if none.
    ByHand(StepId, Option<HostName>),
    /// Why a gate counts.
    Override(StepId, HostName, usize),
    /// How it is known whether an attempt happened.
    Settle(AttemptId, bool),
    /// How a change was put back, or why it is left.
    UndoByHand(UndoId),
}

/// What one is chosen of.
#[derive(Debug, Clone, PartialEq)]
pub enum Choose {
    /// The gates of a step that are shut.
    Gate(StepId),
    /// What this session changed.
    Undo,
    /// What is to be said of an attempt in doubt.
    Doubt(AttemptId),
    /// The answers to a question.
    Answer(InputId),
    /// The files that were kept of what was found.
    Kept,
}

impl Dialog {
    /// A dialog that has not been drawn.
    pub fn new(kind: DialogKind) -> Self {
        Self { kind, revision: 0, drawn: None, first_drawn: None, refusal: None, waiting: None, scroll: 0 }
    }

    /// Which keys it takes.
    pub fn context(&self) -> Context {
        match &self.kind {
            DialogKind::Run { phrase: None, .. } | DialogKind::Begin | DialogKind::Leave | DialogKind::Take { .. } => {
                Context::Confirm
            }
            DialogKind::Run { phrase: Some(_), .. }
            | DialogKind::Say { .. }
            | DialogKind::Answer { .. }
            | DialogKind::Abandon { .. }
            | DialogKind::Palette { .. }
            | DialogKind::Search { .. } => Context::Type,
            DialogKind::Choose { .. } => Context::Choose,
            DialogKind::Evidence { .. } | DialogKind::Manual { .. } | DialogKind::Help | DialogKind::Drift => {
                Context::Read
            }
        }
    }

    /// The line under edit.
    pub fn editor(&mut self) -> Option<&mut Editor> {
        match &mut self.kind {
            DialogKind::Run { phrase: Some((_, editor)), .. }
            | DialogKind::Say { editor, .. }
            | DialogKind::Answer { editor, .. }
            | DialogKind::Palette { editor, .. }
            | DialogKind::Search { editor } => Some(editor),
            DialogKind::Abandon { word, reason, on_reason } => Some(if *on_reason { reason } else { word }),
            DialogKind::Run { phrase: None, .. }
            | DialogKind::Begin
            | DialogKind::Take { .. }
            | DialogKind::Choose { .. }
            | DialogKind::Evidence { .. }
            | DialogKind::Manual { .. }
            | DialogKind::Help
            | DialogKind::Drift
            | DialogKind::Leave => None,
        }
    }

    /// True if a key that was read at this time answers what stands on the screen.
    pub fn answers_frame(&self, read: Duration) -> bool {
        self.drawn.is_some_and(|(revision, at)| revision == self.revision && read >= at)
    }

    /// True if its confirmation has to be typed by hand.
    pub fn refuses_paste(&self) -> bool {
        match &self.kind {
            DialogKind::Run { .. } | DialogKind::Begin | DialogKind::Leave | DialogKind::Take { .. } => true,
            DialogKind::Abandon { on_reason, .. } => !on_reason,
            DialogKind::Say { .. }
            | DialogKind::Choose { .. }
            | DialogKind::Answer { .. }
            | DialogKind::Palette { .. }
            | DialogKind::Search { .. }
            | DialogKind::Evidence { .. }
            | DialogKind::Manual { .. }
            | DialogKind::Help
            | DialogKind::Drift => false,
        }
    }
}

impl UiState {
    /// Which keys count.
    pub fn context(&self, state: &State) -> Context {
        if let Some(dialog) = &self.dialog {
            return dialog.context();
        }
        match &self.table {
            Some(table) if table.open => table.context(),
            Some(_) | None if self.output.is_some() => Context::Output,
            Some(_) | None => page_context(state),
        }
    }

    /// Opens a dialog.
    pub fn open(&mut self, kind: DialogKind) {
        self.dialog = Some(Dialog::new(kind));
    }

    /// Takes in what a frame had room for. `at` is when it was on the screen.
    pub fn drawn(&mut self, facts: Facts, at: Duration) {
        self.facts = facts;
        self.scroll = facts.page_scroll;
        if let Some(table) = self.table.as_mut().filter(|table| table.open) {
            table.top = facts.table_top;
            if table.row.is_some() {
                table.row_scroll = facts.row_scroll;
            }
        }
        if let Some(dialog) = &mut self.dialog
            && facts.dialog_read
            && dialog.drawn.is_none_or(|(revision, _)| revision != dialog.revision)
        {
            dialog.drawn = Some((dialog.revision, at));
            dialog.first_drawn.get_or_insert(at);
        }
    }
}

/// Which keys the page takes.
pub fn page_context(state: &State) -> Context {
    match state.life {
        Life::Opening => Context::Plan,
        Life::Walking | Life::Ending { .. } => Context::Walk,
        Life::Ended { .. } => Context::Over,
    }
}
