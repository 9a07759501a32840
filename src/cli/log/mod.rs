//! `log`: replicas of the replicated log and schedulers' own logs, read without changing a byte. One file for each command.
//!
//! They run alone, on a host where nothing else is. What a directory holds and what a replica would make of it is decided
//! in [`crate::replog`], what lines mean in [`crate::logscan`]; here is only what is asked and how it is set out. The one
//! command that writes, `init`, writes a new log where there is none.

mod args;
mod dump;
mod init;
mod inspect;
mod report;
mod scan;
mod scan_text;
mod source;
mod text;

pub use args::{LogCommand, after_help, run};
pub use report::schema;
pub use scan::scan_schema;
