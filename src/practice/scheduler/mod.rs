//! One scheduler of a practice cluster, as a process of its own.
//!
//! It speaks Aurora's `/api`, keeps its state in a real replicated log on disk, stands in the
//! election, registers with the practice master, and says all of it in the real one's words.
//! It schedules nothing: agents and offers do not exist.

mod aftermath;
mod api;
mod auth;
mod changes;
mod core;
mod driver;
mod election;
mod entry;
mod flags;
mod http;
mod lifecycle;
mod members;
mod native_log;
mod pages;
mod recovery;
mod replica;
mod state;
mod summaries;
mod vars;
mod words;

pub use driver::master_task;
pub use election::uuid_from;
pub use entry::{noop, replaced, snapshot, transaction};
pub use lifecycle::{CLASS, run};
pub use recovery::file_name;
pub use state::{BuildInfo, State, job_key_struct, set, status, task_status, with_status};
pub use summaries::resources;

/// The release that it says it is.
pub const VERSION: &str = "0.22.0";
/// The name that it advertises.
pub const HOSTNAME: &str = "127.0.0.1";
