//! Backup files: what is in one, and whether it may be restored.
//!
//! A backup is one bare Snapshot struct in `TBinary`: no envelope, no version, no checksum, no length. A scheduler stages a file with a flipped
//! byte, with bytes after its end, or of a single zero byte without a word, and committing the last empties the cluster. So this reader asks
//! for more than the scheduler does: decoded to the closing byte, nothing after it, a time, a writer, texts that are texts, tasks that are whole.
//!
//! [`walk_from`] reads a stream and hands over one element after another; [`read_backup_from`] counts and judges them.
//!
//! Names (a `temp_` file is never a backup), digests, opening files and the age against a clock are the caller's.

mod judge;
mod rows;
mod strange;
mod summary;
mod tally;
mod walk;
mod whole;

pub use rows::{TaskRow, list_tasks, list_tasks_from};
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
