//! The engine: makes events durable first and runs effects second.
//!
//! One task owns the state and the journal. Commands come in through a bounded channel; each is
//! decided, its events are appended and synced, only then applied, published and its effects handed
//! to the executor. Views get `Arc` snapshots and send commands; they never touch the state.
//!
//! What it survives: an action that panics, hangs or loses its host; a view that stops drawing; a
//! kill at any point. What it deliberately does not: a journal that cannot be written. Then nothing
//! new is started, and that is said.

mod clock;
mod handle;
mod leader;
mod live;
mod observe;
mod output;
mod perform;
mod run;

pub use clock::{Clock, system_clock};
pub use handle::{Ask, Handle, Health, Numbered, Snapshot};
pub use leader::{LeaderBoard, LeaderSeen, LeaderTone};
pub use live::Live;
pub use observe::{Observer, Reread};
pub use output::{KeptLine, LINE_CHARS_MAX, LINES_MAX, Lines, OutputLine, OutputStore, Stream};
pub use perform::Perform;
pub use run::Engine;
