//! The wizard: the session on a terminal.
//!
//! One thread owns the terminal and draws; one reads keys; one carries questions to the engine, so that a
//! slow disk never freezes the screen, and a screen that nobody reads never holds up the engine. What is
//! shown is a function of the session's state and of [`UiState`], which holds every scroll and selection.
//!
//! What it survives: any size of terminal, storms of resizes, a terminal that goes away, a panic. The
//! terminal is put back once on every path. What it deliberately does not do: change the session other
//! than by commands, or know anything of a procedure.

mod act;
mod app;
mod dialog;
mod doc;
mod editor;
mod input;
mod intent;
mod kept;
mod keymap;
mod model;
mod pick;
mod rows;
mod search;
mod select;
mod svg;
mod terminal;
mod text;
mod theme;
mod ui;
mod useful;
mod view;
mod wake;

#[cfg(test)]
mod tests;

pub use app::{OpenTable, TuiEnd, TuiOptions, run};
pub use svg::snapshot_svg;
pub use theme::Theme;
pub use ui::UiState;
pub use wake::{Remote, Wakes, remote};
