//! What the screen says in its own words. What the session says (reasons of blocks, refusals) is shown as
//! it comes.

use super::ui::Say;
use crate::{runbook::Mode, session::Ending};

/// The word that is typed to abandon.
pub const ABANDON_WORD: &str = "abandon";

/// A key that was read before its dialog was on the screen.
pub const NOT_DRAWN: &str = "that key came before this was on the screen; read it, then press it again";
/// A key that is held down.
pub const HELD_DOWN: &str = "a key that is held down does not confirm";
/// A paste where typing is asked for.
pub const NO_PASTE: &str = "type it: a paste does not confirm";
/// A dialog that does not fit.
pub const TOO_SMALL: &str = "the terminal is too small to show what is confirmed; make it larger";
/// An engine that has not answered yet.
pub const WAITING: &str = "waiting for the record to be written";
/// Nothing to act on.
pub const NOTHING_SELECTED: &str = "nothing is selected; Tab and the arrows select";
/// Copying is off.
pub const NO_COPY: &str = "copying through the terminal is switched off";
/// Copied.
pub const COPIED: &str = "sent to the terminal's clipboard";
/// Secrets have nowhere to go.
pub const NO_SECRETS: &str = "this session cannot take a secret";
/// Suspending while something runs.
pub const NO_SUSPEND: &str = "an action runs: suspending would stop its clock; wait for it";
/// Nothing found.
pub const NO_MATCH: &str = "not found in the output that is kept";
/// Leaving was asked for while something runs.
pub const LEAVING: &str = "leaving as soon as what runs has ended; nothing new is started";
/// No gate to override.
pub const NO_SHUT_GATE: &str = "no gate of this step is shut";
/// No doubt to settle.
pub const NO_DOUBT: &str = "no action of this step is in doubt";
/// Nothing stopped.
pub const NO_RETRY: &str = "select a row that stopped";
/// Nothing was changed.
pub const NOTHING_CHANGED: &str = "this session has changed nothing so far";
/// No table was found.
pub const NO_TABLE: &str = "no step of this session has kept a list so far";
/// A table is read.
pub const LOADING: &str = "reading the table";
/// Tables cannot be opened.
pub const NO_TABLES: &str = "tables cannot be opened here";
/// Nothing is marked.
pub const NOTHING_MARKED: &str = "nothing is marked: space marks a row, a all that are shown";
/// A table that is only read.
pub const ANSWERS_NOTHING: &str = "this table is only to be read: no question is answered with its rows";
/// A table without rows.
pub const EMPTY_TABLE: &str = "there is no row";
/// A filter that shows nothing.
pub const NONE_SHOWN: &str = "no row is like this; Esc shows all again";
/// What marking is for.
pub const TAKES_ROWS: &str = "space marks; t answers with what is marked, and says first what that means";
/// How a filter is typed.
pub const FILTER_HELP: &str = "words, column:text, column=exact, !without; Enter keeps it, Esc does not";

/// No drift.
pub const NO_DRIFT: &str = "nothing was found changed";
/// A step that is looked at is not the current one.
pub const NOT_CURRENT: &str = "this is not the current step; c goes there";

/// The mode, as the top line shows it.
pub fn mode(mode: Mode, practice: bool) -> &'static str {
    match (practice, mode) {
        (true, Mode::Recovery) => "PRACTICE",
        (true, Mode::Training) => "PRACTICE TRAINING",
        (false, Mode::Recovery) => "RECOVERY",
        (false, Mode::Training) => "TRAINING",
    }
}

/// The mode, in a sentence for the plan.
pub fn mode_sentence(mode: Mode, practice: bool) -> &'static str {
    match (practice, mode) {
        (true, Mode::Recovery) => "Practice: real processes on this machine, a cluster that nobody depends on.",
        (true, Mode::Training) => "Practice of a training: a healthy cluster on this machine that nobody depends on.",
        (false, Mode::Recovery) => "RECOVERY of a real cluster. What is run here changes it.",
        (false, Mode::Training) => "TRAINING on a real, healthy cluster. What is run here changes it.",
    }
}

/// The question of a dialog in which something is said, and what it leads to.
pub fn say(about: &Say) -> (&'static str, &'static str) {
    match about {
        Say::Note => ("Note", "It goes into the record, with the time and the current step."),
        Say::Skip(_) => ("Skip this step", "Why may it be left out? The reason goes into the record and the report."),
        Say::GoBack(_) => (
            "Go back to this step",
            "Why? It and every later step are done anew: what they were told and found is forgotten, and stays in the record.",
        ),
        Say::ByHand(..) => {
            ("Done by hand", "What did you do, and how do you know that it worked? Its gates are still looked at.")
        }
        Say::Override(..) => (
            "Override a gate",
            "Why may it count as open without evidence? It stays marked, in the record and in the report.",
        ),
        Say::Settle(_, true) => ("It has happened", "How do you know that the action has happened?"),
        Say::Settle(_, false) => ("It has not happened", "How do you know that the action has not happened?"),
        Say::UndoByHand(_) => {
            ("Put back by hand, or left", "How was it put back, or why is it left? It is taken off the list.")
        }
    }
}

/// Before why the walk cannot go back to the step that is shown.
pub const NO_WAY_BACK: &str = "cannot go back to this step";

/// What giving up means.
pub fn abandon(changed: usize) -> String {
    format!(
        "What is left of the procedure is left out. The phases that are always walked still come: they put back the \
         {changed} changes of this session, newest first, and verify each. Type \u{201c}{ABANDON_WORD}\u{201d}, then why."
    )
}

/// What leaving means.
pub fn leave(busy: &[String], changed: usize) -> String {
    let mut text = String::new();
    if busy.is_empty() {
        text.push_str("Nothing runs. The session stays as it is and can be resumed with `firstlight resume`.");
    } else {
        text.push_str("An action runs:\n");
        for line in busy {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
        text.push_str("Enter or Ctrl-C: start nothing new, wait for it to end, then leave. It is not cut off.");
    }
    if changed > 0 {
        text.push('\n');
        text.push_str(&changed.to_string());
        text.push_str(" changes of this session are still on the cluster.");
    }
    text
}

/// How a session ends before its last step.
pub fn ending(why: &Ending) -> String {
    match why {
        Ending::Abandoned { reason } => format!("abandoned: {reason}. What was changed is put back."),
        Ending::Early { outcome } => format!("ending early: {outcome}. What was changed is put back."),
    }
}

/// Said once when a session was taken up again.
pub const RESUMED: &str =
    "taken up again: what earlier steps made true is being looked at; what drifted is listed as it is found";
