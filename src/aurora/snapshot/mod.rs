//! Backup files: what is in one, and whether it may be restored.
//!
//! A backup is one bare Snapshot struct in `TBinary`: no envelope, no version, no checksum, no length. A scheduler stages a file with a flipped
//! byte, with bytes after its end, or of a single zero byte without a word, and committing the last empties the cluster. So this reader asks
//! for more than the scheduler does: decoded to the closing byte, nothing after it, a time, a writer, texts that are texts, tasks that are whole.
//!
//! [`walk_from`] reads a stream once and hands over one element after another; of a task only what [`TaskBrief`](super::brief::TaskBrief) holds,
//! borrowed from the buffer. [`read_backup_from`] counts and judges what it is handed. Memory does not grow with the file: a buffer that holds
//! the largest element, names up to a limit, and 16 bytes a task for as many ids as are compared with each other.
//!
//! Survives any bytes: lengths are believed only as far as bytes arrive, depth, elements, names and lists have limits, a stream may give its
//! bytes in any portions and may fail on the way. What a limit left out is said; what could not be read is unknown, and neither good nor bad.
//!
//! Deliberately not here: opening files, names (a `temp_` file is never a backup), digests, the age against a clock; and running the SQL
//! statements of releases 0.13 to 0.18, in which they keep hosts, quotas, locks and job updates.

mod entry;
mod groups;
mod judge;
mod look;
mod repeated;
mod rows;
mod saved;
mod skim;
mod source;
mod strange;
mod summary;
mod tally;
mod task;
mod text;
mod walk;
mod whole;

pub use entry::{WalkedEntry, walk_entry_from};
pub use rows::{TaskRow, list_tasks, list_tasks_from};
pub use saved::{BriefOp, brief_operations};
pub use source::{ELEMENT_BYTES_MAX, STREAM_BYTES_MAX};
pub use strange::FieldCounts;
pub use summary::*;
pub use tally::{read_backup, read_backup_from};
pub use walk::{BriefSink, WalkError, Walked, walk_from};
pub use whole::{decode_snapshot, encode_snapshot};

/// The largest file worth reading: fifty times the recorded backup of 20,000 tasks.
pub const BACKUP_BYTES_MAX: u64 = 1 << 30;
/// Prefix of the name of a finished backup.
pub const BACKUP_NAME_PREFIX: &str = "scheduler-backup-";
/// Prefix of the name of a file that is still being written, or was left when that failed.
pub const BACKUP_TEMP_PREFIX: &str = "temp_";
