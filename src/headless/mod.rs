//! Walks a session without a terminal: an answers file in a person's stead.
//!
//! The same engine and the same refusals as the wizard. What a person would be asked is in the
//! answers, or the walk ends with a code of its own and says what is missing; nothing is guessed.
//! A typed confirmation counts only for the plan that it was written for.

mod answers;
mod drive;
mod words;

pub use answers::{ANSWERS_HELP, Answers, PlanBinding, Which, load_answers};
pub use drive::{Ended, Told, drive, ended_exit, plain};
pub use words::event_line;
