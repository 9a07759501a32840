//! What can go wrong with a journal, each with the place and what to do next.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::Holder;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Damage {
    /// It does not end like a record.
    #[error("it is cut off")]
    CutOff,
    /// It holds NUL bytes.
    #[error("it holds NUL bytes, as a disk leaves them that lost a write")]
    Nul,
    /// The checksum is another.
    #[error("its checksum does not match its bytes")]
    Checksum,
    /// It does not follow the line before.
    #[error("its `prev` is not the hash of the line before: a line was changed, taken out or put in")]
    Chain,
    /// The numbers have a gap.
    #[error("its number is {found}, {expected} comes here: a line was taken out or put in")]
    Sequence {
        /// What comes here.
        expected: u64,
        /// What stands there.
        found: u64,
    },
    /// `at` and `utc_ms` differ.
    #[error("its `at` and its `utc_ms` are different times")]
    Time,
    /// Another version wrote it.
    #[error("it has format {0}, this version reads format {format}: use the version that wrote it", format = super::FORMAT)]
    Version(u64),
    /// Its event, or a part of it, is not known.
    #[error("its event is not known to this version: {0}")]
    UnknownEvent(String),
    /// It is not shaped like a record.
    #[error("it is not a record: {0}")]
    Shape(String),
    /// It is too long.
    #[error("it is longer than {max} bytes", max = super::LINE_BYTES_MAX)]
    TooLong,
}

impl Damage {
    /// True if a write that did not finish leaves a last line like this.
    pub(super) fn may_be_torn(&self) -> bool {
        matches!(self, Self::CutOff | Self::Nul | Self::Checksum)
    }
}

/// What can go wrong with a journal.
#[derive(Debug, Error)]
pub enum JournalError {
    /// A line that is not the last is damaged, or no version of this tool wrote it.
    #[error(
        "journal {path}, line {line} (byte {offset}): {what}; the session is not continued from it. \
         Keep the directory as evidence; `firstlight journal show` prints what stands before the line"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// Where the line begins, in bytes.
        offset: u64,
        /// What is wrong.
        what: Damage,
    },
    /// There is not one whole record.
    #[error("journal {0} holds no whole record: nothing was begun in it, start anew")]
    Empty(PathBuf),
    /// It is larger than anything a session writes.
    #[error("journal {path} has more than {bytes_max} bytes and is not read or continued", bytes_max = super::FILE_BYTES_MAX)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Another process writes it.
    #[error("session {session} is driven by {by}; it can be read meanwhile")]
    Locked {
        /// The session.
        session: String,
        /// Who.
        by: Holder,
    },
    /// There is no such session.
    #[error("there is no session {word} in {root}; `firstlight sessions` lists them")]
    NoSuchSession {
        /// What was asked for.
        word: String,
        /// Where.
        root: PathBuf,
    },
    /// Several sessions begin like that.
    #[error("{} sessions begin with {word}: {}", ids.len(), ids.join(", "))]
    Ambiguous {
        /// What was asked for.
        word: String,
        /// Which.
        ids: Vec<String>,
    },
    /// A session's id would not be a good name of a directory.
    #[error("{0:?} cannot be a session's id: lower-case letters, digits and dashes, at most {max}", max = super::id::ID_CHARS_MAX)]
    BadId(String),
    /// The session is there.
    #[error("session {0} exists")]
    Exists(String),
    /// A file or directory could not be used.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// An event cannot be written.
    #[error("event {seq} cannot be written: {why}")]
    Refused {
        /// Its number.
        seq: u64,
        /// Why.
        why: String,
    },
    /// The disk did not take a record. Whether it is there is not known.
    #[error("{doing} record {seq}: {source}; nothing more is written. Free or repair the disk, then resume")]
    Disk {
        /// Writing or syncing.
        doing: &'static str,
        /// The number of the first record concerned.
        seq: u64,
        /// Why it failed.
        source: io::Error,
    },
    /// An earlier record could not be written, so none is.
    #[error("the journal is closed since an error: {0}")]
    Poisoned(String),
}
