//! `backup`: what is in backups, whether they may be restored, and what differs between two. One file for each command.
//!
//! Nothing here changes anything. What a file holds and whether it is fit is decided in [`crate::aurora::snapshot`] and
//! [`crate::backups`]; here files are opened with care, and what is known is set out for 80 columns or as JSON.

mod args;
mod diff;
mod impact;
mod inspect;
mod list;
mod live;
mod open;
mod verdict;
mod verify;

pub use args::{BackupCommand, after_help, run};
