//! Files of this machine. Everything here blocks and is called away from the runtime's own thread.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use sha2::{Digest as _, Sha256};

use super::HostError;

/// Bytes read at once from a file.
pub(super) const READ_BYTES: usize = 256 * 1024;
/// Directories below directories that a walk follows; a log directory has one level.
const DEPTH_MAX: usize = 64;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket.
    Other,
}

/// A file's facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Length in bytes.
    pub len: u64,
    /// Owner, group and permission bits.
    pub attributes: Attributes,
    /// The owner's name; the number as text where the machine knows no name.
    pub owner: String,
    /// Last change of the content, milliseconds since the epoch.
    pub modified_ms: i64,
    /// The file system it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

/// Owner, group and permission bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Permission bits with set-id and sticky.
    pub mode: u32,
}

/// One name in a directory or below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to what was listed; bytes that are not UTF-8 are replaced.
    pub name: String,
    /// What it is.
    pub stat: Stat,
    /// SHA-256 (hex) of a regular file, where it was asked for.
    pub sha256: Option<String>,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Length in bytes.
    pub len: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// Words for an error of the system.
pub(super) fn io_error(doing: &'static str, path: &Path, error: &io::Error) -> HostError {
    let shown = path.display().to_string();
    match error.kind() {
        io::ErrorKind::NotFound => HostError::NotFound(shown),
        io::ErrorKind::PermissionDenied => HostError::Denied { doing, path: shown },
        io::ErrorKind::AlreadyExists => HostError::AlreadyThere(shown),
        _ => HostError::Io { doing, path: shown, why: error.to_string() },
    }
}

pub(super) fn stat(path: &Path) -> Result<Option<Stat>, HostError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(facts(&found))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(io_error("look at", path, &error)),
    }
}

fn facts(found: &Metadata) -> Stat {
    let kind = if found.is_file() {
        FileKind::File
    } else if found.is_dir() {
        FileKind::Directory
    } else if found.is_symlink() {
        FileKind::Link
    } else {
        FileKind::Other
    };
    let modified = found.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    Stat {
        kind,
        len: found.len(),
        attributes: Attributes { uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o7777 },
        owner: user_name(found.uid()).unwrap_or_else(|| found.uid().to_string()),
        modified_ms: modified.and_then(|at| i64::try_from(at.as_millis()).ok()).unwrap_or(0),
        device: found.dev(),
        inode: found.ino(),
    }
}

/// The name of a user id by the machine's own list (`/etc/passwd`, passwd(5)).
pub(super) fn user_name(uid: u32) -> Option<String> {
    let list = fs::read_to_string("/etc/passwd").ok()?;
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse::<u32>().ok()? == uid).then(|| name.to_owned())
    })
}

pub(super) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
    let failed = |error: &io::Error| io_error("read", path, error);
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    let len = bytes.len() as u64;
    if len > limit {
        let len = fs::metadata(path).map_or(len, |found| found.len());
        return Err(HostError::TooLarge { path: path.display().to_string(), len, limit });
    }
    Ok(bytes)
}

pub(super) fn read_end(path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
    use std::io::{Seek as _, SeekFrom};
    let failed = |error: io::Error| io_error("read", path, &error);
    let mut file = open(path)?;
    let len = file.metadata().map_err(failed)?.len();
    let from = len.saturating_sub(limit);
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if from > 0 {
        // The first line is most likely cut.
        let line_end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        bytes.drain(..line_end);
    }
    Ok(bytes)
}

/// Opens a regular file for reading. A pipe would block, a device may do anything.
pub(super) fn open(path: &Path) -> Result<File, HostError> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| io_error("read", path, &error))?;
    let found = file.metadata().map_err(|error| io_error("read", path, &error))?;
    if found.is_file() {
        return Ok(file);
    }
    Err(HostError::Io { doing: "read", path: path.display().to_string(), why: "not a regular file".to_owned() })
}

pub(super) fn sha256(path: &Path) -> Result<String, HostError> {
    let mut file = open(path)?;
    let mut digest = Sha256::new();
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let count = file.read(&mut bytes).map_err(|error| io_error("read", path, &error))?;
        if count == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(bytes.get(..count).unwrap_or_default());
    }
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn list(path: &Path, limit: usize) -> Result<Vec<Entry>, HostError> {
    let mut found = Vec::new();
    let names = fs::read_dir(path).map_err(|error| io_error("list", path, &error))?;
    for name in names {
        let name = name.map_err(|error| io_error("list", path, &error))?;
        if found.len() >= limit {
            return Err(too_many(path, limit));
        }
        // A name that vanished in between is not there.
        if let Some(stat) = stat(&name.path())? {
            found.push(Entry { name: name.file_name().to_string_lossy().into_owned(), stat, sha256: None });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn too_many(path: &Path, limit: usize) -> HostError {
    let why = format!("more than {limit} names");
    HostError::Io { doing: "list", path: path.display().to_string(), why }
}

pub(super) fn tree(top: &Path, limit: usize, digests: bool) -> Result<Vec<Entry>, HostError> {
    let Some(own) = stat(top)? else { return Err(HostError::NotFound(top.display().to_string())) };
    let mut found = Vec::new();
    if own.kind != FileKind::Directory {
        let sha256 = (digests && own.kind == FileKind::File).then(|| sha256(top)).transpose()?;
        found.push(Entry { name: String::new(), stat: own, sha256 });
        return Ok(found);
    }
    let mut open = vec![(top.to_path_buf(), String::new(), 0)];
    while let Some((directory, prefix, depth)) = open.pop() {
        for mut entry in list(&directory, limit)? {
            let path = directory.join(&entry.name);
            entry.name = format!("{prefix}{}", entry.name);
            if entry.stat.kind == FileKind::Directory && depth < DEPTH_MAX {
                open.push((path, format!("{}/", entry.name), depth + 1));
            } else if digests && entry.stat.kind == FileKind::File {
                entry.sha256 = Some(sha256(&path)?);
            }
            if found.len() >= limit {
                return Err(too_many(top, limit));
            }
            found.push(entry);
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), HostError> {
    use rustix::{fs, io::Errno};
    let flags = fs::RenameFlags::NOREPLACE;
    let failed = match fs::renameat_with(fs::CWD, from, fs::CWD, to, flags) {
        Ok(()) => return sync_parents(from, to),
        Err(errno) => errno,
    };
    let (shown_from, shown_to) = (from.display().to_string(), to.display().to_string());
    match failed {
        Errno::XDEV => Err(HostError::OtherFileSystem { from: shown_from, to: shown_to }),
        Errno::EXIST => Err(HostError::AlreadyThere(shown_to)),
        // A file system that does not know the flag: look first. Nobody else is expected to make that name.
        Errno::INVAL | Errno::NOSYS => {
            if stat(to)?.is_some() {
                return Err(HostError::AlreadyThere(shown_to));
            }
            std::fs::rename(from, to).map_err(|error| io_error("rename", from, &error))?;
            sync_parents(from, to)
        }
        errno => Err(io_error("rename", from, &errno.into())),
    }
}

fn sync_parents(from: &Path, to: &Path) -> Result<(), HostError> {
    let (one, other) = (parent(from), parent(to));
    sync_directory(other)?;
    if one == other { Ok(()) } else { sync_directory(one) }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn sync_directory(path: &Path) -> Result<(), HostError> {
    let opened = File::open(path).and_then(|directory| directory.sync_all());
    opened.map_err(|error| io_error("sync", path, &error))
}

pub(super) fn remove(path: &Path) -> Result<bool, HostError> {
    guard(path)?;
    // A process that was killed while it wrote this file left its draft beside it, under a name that nobody else removes.
    let _ = fs::remove_file(draft_of(path));
    let Some(found) = stat(path)? else { return Ok(false) };
    let removed = if found.kind == FileKind::Directory { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(|error| io_error("remove", path, &error))?;
    sync_directory(parent(path))?;
    Ok(true)
}

/// Paths that are never moved or removed: not absolute, the root or a directory right below it, or with `..` in it.
pub(super) fn guard(path: &Path) -> Result<(), HostError> {
    use std::path::Component;
    let refused = |why| Err(HostError::Refused { path: path.display().to_string(), why });
    if path.as_os_str().is_empty() {
        return refused("the path is empty");
    }
    if !path.is_absolute() {
        return refused("the path is not absolute");
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return refused("the path goes up with `..`");
    }
    match path.components().count() {
        0 | 1 => refused("it is the root directory"),
        2 => refused("it stands right below the root directory"),
        _ => Ok(()),
    }
}

pub(super) fn make_dir(path: &Path, like: &Attributes) -> Result<(), HostError> {
    fs::create_dir(path).map_err(|error| io_error("make directory", path, &error))?;
    let found = fs::symlink_metadata(path).map_err(|error| io_error("look at", path, &error))?;
    give(path, &found, like)?;
    sync_directory(parent(path))
}

fn give(path: &Path, found: &Metadata, like: &Attributes) -> Result<(), HostError> {
    if (found.uid(), found.gid()) != (like.uid, like.gid) {
        let given = std::os::unix::fs::chown(path, Some(like.uid), Some(like.gid));
        given.map_err(|error| io_error("give to its owner", path, &error))?;
    }
    let mode = fs::Permissions::from_mode(like.mode);
    fs::set_permissions(path, mode).map_err(|error| io_error("set the mode of", path, &error))
}

/// Where a file is written before it gets its name.
fn draft_of(target: &Path) -> PathBuf {
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    parent(target).join(format!(".{name}.firstlight-tmp"))
}

/// A file that is being written beside its final name.
#[derive(Debug)]
pub(super) struct Draft {
    target: PathBuf,
    temporary: PathBuf,
    file: File,
    digest: Sha256,
    len: u64,
    kept: bool,
}

impl Draft {
    /// Begins a file that will stand at `path`, or at what the link at `path` names.
    pub(super) fn begin(path: &Path) -> Result<Self, HostError> {
        let linked = stat(path)?.is_some_and(|found| found.kind == FileKind::Link);
        let target = if linked {
            fs::canonicalize(path).map_err(|error| io_error("follow", path, &error))?
        } else {
            path.to_path_buf()
        };
        let temporary = draft_of(&target);
        // What an earlier attempt left half written is worth nothing.
        let _ = fs::remove_file(&temporary);
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let file = opened.map_err(|error| io_error("write", &temporary, &error))?;
        Ok(Self { target, temporary, file, digest: Sha256::new(), len: 0, kept: false })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), HostError> {
        self.digest.update(bytes);
        self.len += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|error| io_error("write", &self.temporary, &error))
    }

    /// Syncs, checks and renames.
    pub(super) fn finish(mut self, like: &Attributes, wanted: Option<&str>) -> Result<Written, HostError> {
        let sha256 = hex(&std::mem::take(&mut self.digest).finalize());
        if let Some(wanted) = wanted
            && !wanted.eq_ignore_ascii_case(&sha256)
        {
            let path = self.target.display().to_string();
            return Err(HostError::Digest { path, wanted: wanted.to_owned(), found: sha256 });
        }
        let failed = |error: &io::Error| io_error("write", &self.temporary, error);
        let found = self.file.metadata().map_err(|error| failed(&error))?;
        give(&self.temporary, &found, like)?;
        // After owner and mode: a change of either takes some of these away.
        super::xattrs::copy(&self.target, &self.temporary)?;
        self.file.sync_all().map_err(|error| failed(&error))?;
        fs::rename(&self.temporary, &self.target).map_err(|error| failed(&error))?;
        self.kept = true;
        sync_directory(parent(&self.target))?;
        Ok(Written { len: self.len, sha256 })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
