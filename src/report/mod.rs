//! The record of a session, for people and for programs that were not there.
//!
//! [`tell`] gathers from a journal's records what a reader asks afterwards; [`markdown`] and [`json`] write it down.
//! Pure: records and the state folded from them in, text out. Secrets cannot be here because events hold none; what
//! came from hosts is taken as text and never as markup. What it survives: a session that is not over, at any point.
//! What it deliberately does not do: judge. It says what was seen, by whom it was confirmed, and what is not known.

mod entries;
mod gather;
mod markdown;
mod markup;
mod radius;
mod timeline;
mod words;

pub use entries::{
    Answered, Changed, Command, Confirmation, Doubt, Drifted, Evidence, Given, Loss, Moment, NotDone, Overridden,
    Presence, Remark, Settled, StepTime, Story, Told,
};
pub use gather::tell;
pub use markdown::markdown;
pub use radius::Radius;
pub use words::took;

use crate::{journal::Record, session::State};

/// Version of the JSON form. Members may be added within a version; none changes its meaning.
pub const JSON_FORMAT: u32 = 1;

/// The record as a JSON object.
pub fn json(records: &[Record], state: &State) -> serde_json::Value {
    serde_json::to_value(tell(records, state)).unwrap_or(serde_json::Value::Null)
}
