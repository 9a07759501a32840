//! Opening what a command was told to read: a file, and nothing that could block or be something else.

use std::{
    fs::File,
    io::{IsTerminal as _, Read},
    os::fd::AsFd as _,
};

use rustix::fs::{FileType, Mode, OFlags};

use crate::{
    actions::read_and_digest,
    aurora::snapshot::ProblemCode,
    backups::{BackupReport, Code, FileCode, Seen},
};

/// The name that stands for standard input.
const STDIN: &str = "-";

/// Why something cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotOpened {
    /// What kind.
    pub code: Code,
    /// What, where, and what to do next.
    pub message: String,
}

impl NotOpened {
    fn file(code: FileCode, message: String) -> Self {
        Self { code: Code::File(code), message }
    }
}

/// Opens a file for reading, or standard input for `-`. Never waits.
pub(super) fn open(path: &str) -> Result<Box<dyn Read>, NotOpened> {
    if path == STDIN {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            let message = "standard input is the terminal; give it a file: firstlight backup … - < FILE";
            return Err(NotOpened::file(FileCode::NotAFile, message.to_owned()));
        }
        return Ok(Box::new(stdin.lock()));
    }
    // Looked at before it is opened, as opening a device can do something, and after, as it can have changed.
    let kind = rustix::fs::stat(path).map(|stat| FileType::from_raw_mode(stat.st_mode));
    of_kind(path, kind.map_err(|error| refused(path, error))?)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| refused(path, error))?;
    let kind = rustix::fs::fstat(file.as_fd()).map(|stat| FileType::from_raw_mode(stat.st_mode));
    of_kind(path, kind.map_err(|error| refused(path, error))?)?;
    Ok(Box::new(File::from(file)))
}

fn of_kind(path: &str, kind: FileType) -> Result<(), NotOpened> {
    let what = match kind {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => {
            let message = format!("{path} is a directory; `firstlight backup list {path}` lists the backups in it");
            return Err(NotOpened::file(FileCode::IsADirectory, message));
        }
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "not a file",
    };
    let message = format!("{path} is {what}, which is never read: it could wait for ever; to read from a pipe use -");
    Err(NotOpened::file(FileCode::NotAFile, message))
}

fn refused(path: &str, error: rustix::io::Errno) -> NotOpened {
    use rustix::io::Errno;
    match error {
        Errno::NOENT | Errno::NOTDIR => {
            NotOpened::file(FileCode::NotThere, format!("{path} does not exist; is it on this machine?"))
        }
        Errno::ACCESS | Errno::PERM => NotOpened::file(
            FileCode::PermissionDenied,
            format!("{path} may not be read by this user; run as the scheduler's user or with sudo"),
        ),
        other => NotOpened { code: Code::Inside(ProblemCode::ReadFailed), message: format!("opening {path}: {other}") },
    }
}

/// Opens, reads and judges a file in one pass.
pub(super) fn report(path: &str) -> BackupReport {
    let file = match open(path) {
        Ok(file) => file,
        Err(why) => return BackupReport::unreadable(path, why.code, why.message),
    };
    let (summary, digest) = read_and_digest(file);
    BackupReport::of(Seen { path, sha256: digest.as_deref(), now_ms: now_ms() }, summary)
}

/// Present time, in milliseconds since the epoch.
pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
