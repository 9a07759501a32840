//! One writer: an advisory lock on a file that says who holds it.
//!
//! The lock goes with the process, so a process that was killed leaves none behind; the text may
//! outlive it and means nothing without the lock.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use super::{JournalError, utc_text};
use crate::session::Stamp;

/// Whoever lists sessions takes each lock for a moment; a writer that meets that waits this often.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// Longest text in a lock file, in bytes.
const TEXT_BYTES_MAX: u64 = 4096;

/// Who drives a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Who started it.
    pub operator: String,
    /// On which machine.
    pub machine: String,
    /// Since when, in words.
    pub since: String,
}

impl Holder {
    /// This process.
    pub fn this_process(operator: &str, machine: &str, since: Stamp) -> Self {
        Self {
            pid: std::process::id(),
            operator: operator.to_owned(),
            machine: machine.to_owned(),
            since: utc_text(since.utc_ms),
        }
    }

    fn text(&self) -> String {
        let line = |text: &str| text.replace(char::is_control, " ");
        let (operator, machine) = (line(&self.operator), line(&self.machine));
        format!("pid {}\noperator {operator}\nmachine {machine}\nsince {}\n", self.pid, self.since)
    }

    fn parse(text: &str) -> Self {
        let find = |key: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
            value.unwrap_or("unknown").chars().filter(|c| !c.is_control()).collect::<String>()
        };
        Self {
            pid: find("pid").parse().unwrap_or(0),
            operator: find("operator"),
            machine: find("machine"),
            since: find("since"),
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}, process {}, since {}", self.operator, self.machine, self.pid, self.since)
    }
}

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

pub(super) enum Taken {
    Held(Lock),
    By(Holder),
}

/// Takes the lock for writing and writes down who holds it.
pub(super) fn take(path: &Path, holder: &Holder) -> Result<Taken, JournalError> {
    let io_error = |source| JournalError::Io { doing: "locking", path: path.to_owned(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(io_error)?;
    for attempt in 1..=TRIES {
        match file.try_lock() {
            Ok(()) => {
                write_holder(&mut file, holder).map_err(io_error)?;
                return Ok(Taken::Held(Lock { _file: file }));
            }
            Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(io_error(source)),
        }
    }
    Ok(Taken::By(read_holder(&mut file).map_err(io_error)?))
}

/// Who holds the lock, if someone does. A file that is not there is not held.
pub(super) fn holder(path: &Path) -> io::Result<Option<Holder>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => read_holder(&mut file).map(Some),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn write_holder(file: &mut File, holder: &Holder) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(holder.text().as_bytes())
}

fn read_holder(file: &mut File) -> io::Result<Holder> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(TEXT_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Holder::parse(&String::from_utf8_lossy(&bytes)))
}
