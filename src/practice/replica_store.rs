//! A practice replica's log on disk, in Mesos's layout: opened, locked, written and read as a real replica does.
//!
//! One process holds a directory at a time, by the same fcntl lock on `LOCK` that LevelDB takes. Opening follows the
//! real rules, silent losses included, so that damage done in practice behaves as it would on a patient; and it
//! rewrites the directory, so it is never used on one. It survives any bytes it finds; it does not coordinate with
//! other replicas.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

pub use crate::forensics::Disk as Directory;
use crate::replog::{
    Action, ActionKind, Changes, METADATA_KEY, Record, Status, Values, Writer, decode, encode_action, encode_metadata,
    initialized_files, inspect, key_of,
};

/// Why a practice log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// As the real program says it.
    #[error("Failed to recover the log: {0}")]
    Recover(String),
    /// Initialization is for an EMPTY log only.
    #[error("The log is not empty")]
    NotEmpty,
    /// The directory has files in it.
    #[error("refusing to write an initialized log into {0}: it is not empty; move what is in it aside first")]
    Occupied(PathBuf),
    /// A disk said no.
    #[error("writing the log at {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a replica restores when it opens its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Its status.
    pub status: Status,
    /// Highest promised proposal.
    pub promised: u64,
    /// First position.
    pub begin: u64,
    /// Last position.
    pub end: u64,
    /// Missing positions.
    pub holes: u64,
    /// Positions written or promised, not learned.
    pub unlearned: u64,
}

/// A practice replica's open log.
#[derive(Debug)]
pub struct ReplicaStore {
    dir: PathBuf,
    writer: Writer,
    values: Values,
    /// Held for as long as the store lives; the lock goes with the file.
    _lock: File,
}

impl ReplicaStore {
    /// Opens or creates a log, as a starting replica does.
    pub fn open(dir: &Path) -> Result<(Self, Restored), StoreError> {
        fs::create_dir(dir)
            .or_else(|error| if dir.is_dir() { Ok(()) } else { Err(error) })
            .map_err(|error| StoreError::Recover(format!("IO error: {}/LOCK: {}", dir.display(), reason(&error))))?;
        let lock = lock(dir)?;
        let source = Directory::new(dir);
        let inspection = inspect(&source);
        if let Some(error) = &inspection.mesos_view.error {
            return Err(StoreError::Recover(error.clone()));
        }
        let view = &inspection.mesos_view;
        let restored = Restored {
            status: view.status.unwrap_or(Status::Empty),
            promised: view.promised.unwrap_or(0),
            begin: view.begin.unwrap_or(0),
            end: view.end.unwrap_or(0),
            holes: view.holes.unwrap_or(0),
            unlearned: view.unlearned.unwrap_or(0),
        };
        let (writer, values, changes) = Writer::open(&source).map_err(StoreError::Recover)?;
        let store = Self { dir: dir.to_owned(), writer, values, _lock: lock };
        store.apply(&changes)?;
        Ok((store, restored))
    }

    fn io(&self, name: &str) -> impl Fn(io::Error) -> StoreError {
        let path = self.dir.join(name);
        move |source| StoreError::Io { path: path.clone(), source }
    }

    fn apply(&self, changes: &Changes) -> Result<(), StoreError> {
        for (name, bytes) in changes.write.iter().filter(|(name, _)| name != "LOCK") {
            let staged = self.dir.join("000000.dbtmp");
            fs::write(&staged, bytes).map_err(self.io("000000.dbtmp"))?;
            fs::rename(&staged, self.dir.join(name)).map_err(self.io(name))?;
        }
        for name in &changes.delete {
            match fs::remove_file(self.dir.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.io(name)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&mut self, ops: &[(&[u8], Option<&[u8]>)]) -> Result<(), StoreError> {
        let (name, bytes) = self.writer.append(ops);
        let path = self.dir.join(&name);
        let append = || {
            let mut file = OpenOptions::new().append(true).open(&path)?;
            file.write_all(&bytes)?;
            file.sync_data()
        };
        append().map_err(self.io(&name))?;
        for (key, value) in ops {
            match value {
                Some(value) => self.values.insert(key.to_vec(), value.to_vec()),
                None => self.values.remove(*key),
            };
        }
        if self.writer.is_full() {
            let changes = self.writer.flush();
            self.apply(&changes)?;
        }
        Ok(())
    }

    /// Persists status and promise.
    pub fn set_metadata(&mut self, status: Status, promised: u64) -> Result<(), StoreError> {
        let record = encode_metadata(status, promised);
        self.write(&[(METADATA_KEY, Some(&record))])
    }

    /// Persists an action; `bytes` are those of an APPEND. A learned TRUNCATE drops the positions below it.
    pub fn write_action(&mut self, action: &Action, bytes: &[u8]) -> Result<(), StoreError> {
        let record = encode_action(action, bytes);
        self.write(&[(&key_of(action.position), Some(&record))])?;
        match action.kind {
            Some(ActionKind::Truncate { to }) if action.learned == Some(true) => self.truncate(to),
            Some(ActionKind::Nop { tombstone: true }) if action.learned == Some(true) => self.truncate(action.position),
            _ => Ok(()),
        }
    }

    /// Actions of these positions that are there, with the bytes of APPENDs.
    pub fn read(&self, positions: RangeInclusive<u64>) -> Vec<(Action, Vec<u8>)> {
        let range = key_of(*positions.start())..=key_of(*positions.end());
        if range.start() > range.end() {
            return Vec::new();
        }
        let decoded = self.values.range(range).filter_map(|(_, value)| match decode(value) {
            Ok(Record::Action(action, bytes)) => {
                Some((action, bytes.and_then(|range| value.get(range)).unwrap_or_default().to_vec()))
            }
            _ => None,
        });
        decoded.collect()
    }

    /// Drops the positions below `to`, in one batch.
    pub fn truncate(&mut self, to: u64) -> Result<(), StoreError> {
        let keys: Vec<Vec<u8>> = self.values.range(key_of(0)..key_of(to)).map(|(key, _)| key.clone()).collect();
        let ops: Vec<(&[u8], Option<&[u8]>)> = keys.iter().map(|key| (key.as_slice(), None)).collect();
        if ops.is_empty() { Ok(()) } else { self.write(&ops) }
    }
}

fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "No such file or directory",
        io::ErrorKind::PermissionDenied => "Permission denied",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "Not a directory",
        io::ErrorKind::StorageFull => "No space left on device",
        io::ErrorKind::ReadOnlyFilesystem => "Read-only file system",
        _ => "Input/output error",
    }
}

/// Takes LevelDB's lock. Within one process such a lock does not exclude; a process opens a directory once.
fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("LOCK");
    let failed = |reason: &str| StoreError::Recover(format!("IO error: lock {}: {reason}", path.display()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| StoreError::Recover(format!("IO error: {}: {}", path.display(), reason(&error))))?;
    rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| failed("Resource temporarily unavailable"))?;
    Ok(file)
}

/// What `mesos-log initialize` does: an EMPTY log becomes VOTING, any other is refused.
pub fn initialize(dir: &Path) -> Result<(), StoreError> {
    let (mut store, restored) = ReplicaStore::open(dir)?;
    if restored.status != Status::Empty {
        return Err(StoreError::NotEmpty);
    }
    store.set_metadata(Status::Voting, 0)
}

/// Writes the files of an initialized log into a directory that is absent or empty, without opening a database.
pub fn write_initialized(dir: &Path) -> Result<(), StoreError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Io { path, source }
    };
    fs::create_dir(dir).or_else(|error| if dir.is_dir() { Ok(()) } else { Err(error) }).map_err(io(dir))?;
    if fs::read_dir(dir).map_err(io(dir))?.next().is_some() {
        return Err(StoreError::Occupied(dir.to_owned()));
    }
    for (name, bytes) in initialized_files() {
        let path = dir.join(name);
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        write().map_err(io(&path))?;
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io(dir))
}
