//! What stands around a replica's directory, as data: looked up elsewhere, judged here.
//!
//! A lock that is held means a live replica; an owner or a mode that the scheduler's user cannot work with means a
//! replica that will not start. What is deliberately absent: looking anything up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Severity};

/// What a name in a directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileSort {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A pipe with a name.
    Pipe,
    /// A socket.
    Socket,
    /// A device.
    Device,
}

/// One name's facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileFacts {
    /// Its name in the directory; `.` is the directory itself.
    pub name: String,
    /// What it is.
    pub sort: FileSort,
    /// Length in bytes.
    pub len: u64,
    /// Bytes that it takes on the disk; less than `len` for a sparse file.
    pub disk_bytes: u64,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Owner's name, or the number where the machine knows no name.
    pub owner: String,
    /// Permission bits.
    pub mode: u32,
    /// Last change of its content, milliseconds since the epoch.
    pub modified_ms: i64,
}

/// Whether somebody has the directory open as a replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Lock {
    /// A process holds the lock: a replica is live on this directory.
    Held {
        /// Its number, where it is visible from here.
        pid: Option<i32>,
        /// Its program's name.
        program: Option<String>,
    },
    /// The file is there and nobody holds it; its presence alone means nothing.
    Free,
    /// There is no file.
    NoFile,
    /// Could not be found out.
    #[default]
    NotLooked,
    /// Could not be found out, for this reason.
    Unknown {
        /// What the system said.
        why: String,
    },
}

/// What stands around one directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Surroundings {
    /// The directory.
    pub path: String,
    /// Why it could not be looked at or listed.
    pub problem: Option<String>,
    /// The directory's own facts; absent if it is not there.
    pub directory: Option<FileFacts>,
    /// Facts of the names in it, by name.
    pub files: Vec<FileFacts>,
    /// Who holds the lock.
    pub lock: Lock,
    /// The user that the scheduler runs as, if given.
    pub expected_user: Option<String>,
    /// Bytes in all files.
    pub size_bytes: u64,
    /// Bytes that a user without privileges can still write there.
    pub free_bytes: Option<u64>,
    /// Whether the file system is mounted for reading only.
    pub read_only_fs: bool,
    /// The file of the log that was written last, and when, in milliseconds since the epoch.
    pub newest_write: Option<(String, i64)>,
    /// What is remarkable.
    pub findings: Vec<Finding>,
}

/// Room below which a replica soon fails to write: a few tables and write-ahead logs of LevelDB's default size.
const ROOM_BYTES: u64 = 64 << 20;

/// A sparse or blown-up file: tables and logs of a replica stay at a few megabytes.
const STRANGE_BYTES: u64 = 1 << 30;

impl Surroundings {
    /// Derives sums and findings from the facts. `wanted` is the number of the expected user, where it is known.
    pub(crate) fn judge(&mut self, wanted: Option<u32>) {
        self.size_bytes = self.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.len));
        let written = |file: &&FileFacts| file.sort == FileSort::File && !matches!(file.name.as_str(), "LOCK");
        let newest = self.files.iter().filter(written).max_by_key(|file| file.modified_ms);
        self.newest_write = newest.map(|file| (file.name.clone(), file.modified_ms));
        if let Some(problem) = &self.problem {
            let text = format!("{}: {problem}", self.path);
            self.findings.push(Finding::new("directory-problem", Severity::Warning, text));
        }
        self.judge_lock();
        self.judge_room();
        self.judge_owners(wanted);
        for file in &self.files {
            if file.sort != FileSort::File {
                let text = format!("{} is not a regular file but a {}; it is not opened", file.name, file.sort.word());
                self.findings.push(Finding::new("file-sort", Severity::Warning, text).in_file(&file.name));
            } else if file.len > STRANGE_BYTES {
                let text = format!(
                    "{} claims {} bytes and takes {} on the disk: no file of a replica is that long",
                    file.name, file.len, file.disk_bytes
                );
                self.findings.push(Finding::new("file-strange-length", Severity::Warning, text).in_file(&file.name));
            }
        }
    }

    fn judge_lock(&mut self) {
        let (severity, text) = match &self.lock {
            Lock::Held { pid, program } => {
                let who = match (pid, program) {
                    (Some(pid), Some(program)) => format!("process {pid} ({program})"),
                    (Some(pid), None) => format!("process {pid}"),
                    _ => "a process that is not visible from here".to_owned(),
                };
                let text =
                    format!("{who} holds the lock: a replica is live on this directory, and what is read may change");
                (Severity::Info, text)
            }
            Lock::Unknown { why } => (Severity::Info, format!("whether the lock is held is not known: {why}")),
            Lock::Free | Lock::NoFile | Lock::NotLooked => return,
        };
        let code = if matches!(self.lock, Lock::Held { .. }) { "lock-held" } else { "lock-unknown" };
        self.findings.push(Finding::new(code, severity, text).in_file("LOCK"));
    }

    fn judge_room(&mut self) {
        if self.read_only_fs {
            let text = format!(
                "the file system is read-only: a replica fails with `IO error: {}/LOCK: Read-only file system`",
                self.path
            );
            self.findings.push(Finding::new("read-only-fs", Severity::Damage, text));
        }
        if let Some(free) = self.free_bytes.filter(|free| *free < ROOM_BYTES) {
            let text = format!("{free} bytes are free on its file system: writes fail with `No space left on device`");
            self.findings.push(Finding::new("disk-full", Severity::Damage, text));
        }
    }

    /// Who is not root needs the directory for writing and passing, and every file for reading and writing.
    fn judge_owners(&mut self, wanted: Option<u32>) {
        let Some(user) = self.expected_user.clone() else { return };
        let Some(uid) = wanted else {
            let text = format!("the user {user} is not known on this machine");
            self.findings.push(Finding::new("user-unknown", Severity::Warning, text));
            return;
        };
        let lacks = |file: &FileFacts, bits: u32| {
            // Membership of groups is not known here, so a group's bits help nobody.
            let allowed = if file.uid == uid { file.mode >> 6 } else { file.mode };
            uid != 0 && allowed & bits != bits
        };
        if let Some(directory) = self.directory.as_ref().filter(|directory| lacks(directory, 0o3)) {
            let text = format!(
                "the directory belongs to {} with mode {:o}: {user} may fail with `IO error: {}/LOCK: Permission denied`",
                directory.owner, directory.mode, self.path
            );
            self.findings.push(Finding::new("owner-directory", Severity::Damage, text));
        }
        let needed = || self.files.iter().filter(|file| file.sort == FileSort::File && !is_text(&file.name));
        let bad: Vec<&FileFacts> = needed().filter(|file| lacks(file, 0o6)).collect();
        let other: Vec<&FileFacts> = needed().filter(|file| file.uid != uid && !lacks(file, 0o6)).collect();
        let say = |files: &[&FileFacts], code: &str, severity: Severity, what: &str| {
            let first = files.first()?;
            let text = format!(
                "{} files {what} {user}, such as {} of {} with mode {:o}",
                files.len(),
                first.name,
                first.owner,
                first.mode
            );
            Some(Finding::new(code, severity, text).in_file(&first.name))
        };
        let cannot = "may not be read and written by";
        let found = [
            say(&bad, "owner-files", Severity::Damage, cannot),
            say(&other, "owner-other", Severity::Warning, "belong to another user than"),
        ];
        self.findings.extend(found.into_iter().flatten());
    }
}

/// LevelDB's own journal in words, which a replica goes on without.
fn is_text(name: &str) -> bool {
    matches!(name, "LOG" | "LOG.old")
}

impl FileSort {
    fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Link => "symbolic link",
            Self::Pipe => "named pipe",
            Self::Socket => "socket",
            Self::Device => "device",
        }
    }
}
