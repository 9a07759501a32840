//! What is said of backup files: one as a report, many side by side, two held against each other.
//!
//! [`crate::aurora::snapshot`] decides what a snapshot holds and whether it may be restored. Here that is joined with what only the
//! file's name and place say: the time that the name claims and the zone it implies, a file that was never finished, a clock to
//! tell an age by. Pure: whoever opens the file hands over its bytes, its digest and the time.

mod name;
mod report;

pub use name::{Claimed, claimed, file_name};
pub use report::{BackupReport, Code, Counts, FORMAT, FileCode, Said, Seen, Verdict, Writer};
