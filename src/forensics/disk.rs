//! A replica's directory on this machine as bytes.
//!
//! Files are opened relative to the directory, for reading, without following links, without moving their access time
//! where the system permits that, and only if they are regular files. `LOCK` is empty by nature, reads as that, and is
//! never opened: closing any descriptor
//! of it would drop a lock that this very process may hold (fcntl(2)). Opened files are kept open for a while, so that
//! a table that a live replica deletes can still be read to its end.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat},
    io::Errno,
};

use crate::replog::{FileEntry, Source, SourceError};

/// Names listed in one directory; a log of 250 MB has about a hundred.
const NAMES_MAX: usize = 100_000;
/// Files kept open at once, well below the usual limit of 1024 descriptors.
const OPEN_MAX: usize = 64;

/// A directory, opened for each listing and reading; nothing happens before the first of them.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    shown: String,
    open: Mutex<Vec<(String, Arc<File>)>>,
}

impl Disk {
    /// The directory at a path, there or not. `path` is what errors will show, as the real program would.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), shown: path.display().to_string(), open: Mutex::default() }
    }

    /// Opens a directory, through links to it, without moving its access time where that is permitted.
    fn directory(&self) -> Result<rustix::fd::OwnedFd, SourceError> {
        quietly(|more| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | more;
            openat(CWD, &self.path, flags, Mode::empty())
        })
        .map_err(|error| match source_error(error) {
            SourceError::NotFound if !self.has_parent() => SourceError::NoParent,
            other => other,
        })
    }

    /// A replica makes its directory, but not the one above it.
    fn has_parent(&self) -> bool {
        let above = self.path.parent().filter(|above| !above.as_os_str().is_empty());
        above.is_none_or(|above| statat(CWD, above, AtFlags::empty()).is_ok())
    }

    fn file(&self, name: &str) -> Result<Arc<File>, SourceError> {
        let bare = !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
        if !bare {
            return Err(SourceError::NotFound);
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|(known, _)| known == name) {
            // The one used last stands last.
            let found = open.remove(at);
            let file = Arc::clone(&found.1);
            open.push(found);
            return Ok(file);
        }
        let directory = self.directory()?;
        let found = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(source_error)?;
        regular(&found)?;
        let file = quietly(|more| {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | more;
            openat(&directory, name, flags, Mode::empty())
        })
        .map_err(source_error)?;
        // Between the look and the opening another thing may have taken the name.
        regular(&fstat(&file).map_err(source_error)?)?;
        let file = Arc::new(File::from(file));
        if open.len() >= OPEN_MAX {
            open.remove(0);
        }
        open.push((name.to_owned(), Arc::clone(&file)));
        Ok(file)
    }

    /// Reads to the front of a buffer; answers how many bytes there were.
    fn fill(&self, name: &str, offset: u64, len: u64, into: &mut Vec<u8>) -> Result<usize, SourceError> {
        let file = self.file(name)?;
        // A file shorter than asked for must not make us allocate what was asked for.
        let there = file.metadata().map_err(|error| io_error(&error))?.len().saturating_sub(offset);
        into.resize(usize::try_from(len.min(there)).unwrap_or(usize::MAX), 0);
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error(&error)),
            }
        }
        Ok(filled)
    }
}

/// Without moving access times if this user may ask for that, else as everybody reads.
fn quietly<T>(open: impl Fn(OFlags) -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    match open(OFlags::NOATIME) {
        Err(Errno::PERM) => open(OFlags::empty()),
        other => other,
    }
}

fn regular(found: &Stat) -> Result<(), SourceError> {
    if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile { Ok(()) } else { Err(SourceError::NotAFile) }
}

fn source_error(error: Errno) -> SourceError {
    match error {
        Errno::NOENT => SourceError::NotFound,
        Errno::ACCESS | Errno::PERM => SourceError::Denied,
        Errno::NOTDIR => SourceError::NotADirectory,
        other => io_error(&std::io::Error::from(other)),
    }
}

fn io_error(error: &std::io::Error) -> SourceError {
    SourceError::Io(error.to_string())
}

/// Changes whenever the file is written, replaced, or grows.
fn stamp(found: &Stat) -> u64 {
    let parts = [found.st_ino, found.st_mtime as u64, found.st_mtime_nsec, found.st_ctime_nsec];
    parts.iter().fold(0, |sum: u64, part| sum.rotate_left(17) ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Source for Disk {
    fn path(&self) -> &str {
        &self.shown
    }

    fn list(&self) -> Result<Vec<FileEntry>, SourceError> {
        // What is read after a new listing is opened anew.
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let directory = self.directory()?;
        let mut files = Vec::new();
        for entry in Dir::read_from(&directory).map_err(source_error)? {
            let entry = entry.map_err(source_error)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if files.len() >= NAMES_MAX {
                return Err(SourceError::Io(format!("more than {NAMES_MAX} names in the directory")));
            }
            match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found) => files.push(FileEntry {
                    name: name.to_string_lossy().into_owned(),
                    len: u64::try_from(found.st_size).unwrap_or(0),
                    stamp: stamp(&found),
                }),
                // It vanished between the listing and the look.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(source_error(error)),
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    fn read_at(&self, name: &str, offset: u64, len: u64) -> Result<Vec<u8>, SourceError> {
        let mut bytes = Vec::new();
        self.read_into(name, offset, len, &mut bytes)?;
        Ok(bytes)
    }

    fn read_into(&self, name: &str, offset: u64, len: u64, into: &mut Vec<u8>) -> Result<(), SourceError> {
        if name == "LOCK" {
            into.clear();
            return Ok(());
        }
        let filled = self.fill(name, offset, len, into);
        into.truncate(*filled.as_ref().unwrap_or(&0));
        filled.map(|_| ())
    }
}
