//! Where the bytes of a replica's directory come from.
//!
//! The reader in this area never touches a disk: it asks a [`Source`]. The caller owns the directory (local, copied,
//! or behind a helper on another host) and says honestly what it could not read. What is deliberately absent: paths,
//! open modes, locks being taken. A source that is read while a live replica writes may answer differently twice; the
//! reader treats every answer as new bytes and never as a promise.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One name in the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Bare file name, without any separator.
    pub name: String,
    /// Length in bytes when it was listed.
    pub len: u64,
    /// Changes when the file is written or replaced; the same number where a source cannot tell.
    #[serde(default)]
    pub stamp: u64,
}

/// Why a directory or a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum SourceError {
    /// The directory or file is not there.
    #[error("no such file or directory")]
    NotFound,
    /// The directory is not there, nor is the one that it would be made in.
    #[error("no such directory, nor one to make it in")]
    NoParent,
    /// This user may not read it; another user (the scheduler's) may.
    #[error("permission denied")]
    Denied,
    /// The path of the directory names something else.
    #[error("not a directory")]
    NotADirectory,
    /// A name in the directory is not a regular file.
    #[error("not a regular file")]
    NotAFile,
    /// Longer than the limit that the reader gave.
    #[error("{len} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Length in bytes.
        len: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file changed or vanished while it was read.
    #[error("changed while it was read")]
    Changed,
    /// Anything else the system said.
    #[error("{0}")]
    Io(String),
}

impl SourceError {
    /// The words that the real program gets from the system for the same trouble.
    pub(crate) fn reason(&self) -> String {
        let words = match self {
            Self::NotFound | Self::NoParent => "No such file or directory",
            Self::Denied => "Permission denied",
            Self::NotADirectory => "Not a directory",
            Self::NotAFile => "Is a directory",
            Self::TooLarge { .. } | Self::Changed => "Input/output error",
            Self::Io(text) => text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words),
        };
        words.to_owned()
    }
}

/// A replica's directory as bytes.
pub trait Source {
    /// The directory as the real program would print it in its errors.
    fn path(&self) -> &str;
    /// All names in the directory. An absent directory is [`SourceError::NotFound`].
    fn list(&self) -> Result<Vec<FileEntry>, SourceError>;
    /// `len` bytes of a file from `offset`; fewer where the file ends earlier. Never allocates more than the file has.
    fn read_at(&self, name: &str, offset: u64, len: u64) -> Result<Vec<u8>, SourceError>;
    /// The same into a buffer that is used again; what it held is gone, also after an error.
    fn read_into(&self, name: &str, offset: u64, len: u64, into: &mut Vec<u8>) -> Result<(), SourceError> {
        into.clear();
        *into = self.read_at(name, offset, len)?;
        Ok(())
    }
    /// A whole file of at most `limit` bytes.
    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, SourceError> {
        let bytes = self.read_at(name, 0, limit.saturating_add(1))?;
        let len = bytes.len() as u64;
        if len > limit { Err(SourceError::TooLarge { len, limit }) } else { Ok(bytes) }
    }
}

/// A directory held in memory: for tests, for bytes that came over a wire, for copies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    path: String,
    by_name: BTreeMap<String, Vec<u8>>,
    missing: bool,
}

impl Files {
    /// A directory at `path` with these files.
    pub fn new(path: impl Into<String>, files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { path: path.into(), by_name: files, missing: false }
    }

    /// A path where no directory is.
    pub fn absent(path: impl Into<String>) -> Self {
        Self { path: path.into(), by_name: BTreeMap::new(), missing: true }
    }

    /// The bytes of one file, to be changed by tests and scenarios.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Vec<u8>> {
        self.by_name.get_mut(name)
    }

    /// All files by name.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.by_name
    }
}

impl Source for Files {
    fn path(&self) -> &str {
        &self.path
    }

    fn list(&self) -> Result<Vec<FileEntry>, SourceError> {
        if self.missing {
            return Err(SourceError::NotFound);
        }
        Ok(self
            .by_name
            .iter()
            .map(|(name, bytes)| FileEntry { name: name.clone(), len: bytes.len() as u64, stamp: 0 })
            .collect())
    }

    fn read_at(&self, name: &str, offset: u64, len: u64) -> Result<Vec<u8>, SourceError> {
        let bytes = self.by_name.get(name).ok_or(SourceError::NotFound)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(bytes.len());
        Ok(bytes.get(start..end).unwrap_or_default().to_vec())
    }
}
