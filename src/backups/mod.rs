//! What is said of backup files: one as a report, many side by side, two held against each other.
//!
//! [`crate::aurora::snapshot`] decides what a snapshot holds and whether it may be restored. Here that is joined with what only the
//! file's name and place say: the time that the name claims and the zone it implies, a file that was never finished, a clock to
//! tell an age by. Pure: whoever opens the file hands over its bytes, its digest and the time.

mod diff;
mod items;
mod list;
mod name;
mod report;
mod schema;
pub mod words;

pub use diff::{
    BackupDiff, Before, DiffError, IDS_MAX, JOBS_MAX, JobChange, JobChanges, OneSided, Side, TaskChanges, Transition,
    diff,
};
pub use items::{CHANGES_MAX, ITEMS_MAX, ItemChange, ItemChanges, ItemKind};
pub use list::{BackupList, Gap, INTERVAL_MS, ListedBackup, NamedBackup, NotListedPlace};
pub use name::{Claimed, claimed, file_name};
pub use report::{BackupReport, Code, Counts, FORMAT, FileCode, Said, Seen, Verdict, Writer};
pub use schema::{diff_schema, list_schema, report_schema};
