//! Evidence files: what an action or a look found and is too large for the journal, kept in the session's directory.
//!
//! A file appears under its name whole and synced, or not at all, readable by its owner only. It is named by what
//! found it (`evidence/a12-staged.jsonl`), what a look found also by its digest, since looks are repeated. The journal
//! holds name, size and SHA-256, so that a file that was changed or lost shows. Without a session (a dry run, a
//! prediction) nothing is kept, and that is said. What it deliberately does not do: decide what is worth keeping.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::hosts::hex;

/// Longest evidence file, in bytes: 100,000 tasks with their details take about a tenth of it.
pub const FILE_BYTES_MAX: u64 = 512 << 20;
/// All evidence of a session, in bytes: enough for a day of looks at a large cluster, not for a disk.
pub const SESSION_BYTES_MAX: u64 = 4 << 30;
/// Evidence files of a session.
const FILES_MAX: u64 = 20_000;
/// Longest name of an evidence file, in bytes.
const NAME_MAX: usize = 160;
/// Digits of the digest in the name of what a look found.
const DIGITS: usize = 12;
/// The directory of evidence within a session's.
const DIR: &str = "evidence";

/// A file that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name within the session's directory.
    pub file: String,
    /// Where it is at this moment.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

impl Kept {
    /// As a member of an output: `file`, `path`, `sha256`, `bytes`.
    pub fn to_value(&self) -> Value {
        json!({
            "file": self.file,
            "path": self.path.display().to_string(),
            "sha256": self.sha256,
            "bytes": self.bytes,
        })
    }
}

/// Why evidence was not kept, or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvidenceError {
    /// There is no session.
    #[error("not kept in a file: nothing is kept outside a session")]
    NoSession,
    /// One file would be too large.
    #[error("not kept in a file: {name} has {bytes} bytes, more than {FILE_BYTES_MAX}")]
    TooLarge {
        /// Which.
        name: String,
        /// Its size.
        bytes: u64,
    },
    /// The session has enough of it.
    #[error("not kept in a file: this session holds {bytes} bytes of evidence in {files} files already")]
    Full {
        /// Files there.
        files: u64,
        /// Bytes there.
        bytes: u64,
    },
    /// A file is not what was kept.
    #[error("{file} is not what was kept: its SHA-256 is {found}, not {wanted}")]
    Changed {
        /// Which.
        file: String,
        /// What it must be.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// An output does not name a file of evidence.
    #[error("no evidence file is named")]
    NotNamed,
    /// The system said no.
    #[error("{doing} {path}: {why}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: String,
        /// What the system said.
        why: String,
    },
}

/// The evidence of one session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The session's directory.
    session: PathBuf,
    held: Arc<Mutex<Option<Held>>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    files: u64,
    bytes: u64,
}

fn doing<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> EvidenceError + 'p {
    move |error| EvidenceError::Io { doing, path: path.display().to_string(), why: error.to_string() }
}

impl Evidence {
    /// Evidence in a session's directory.
    pub fn in_session(session: impl Into<PathBuf>) -> Self {
        Self { session: session.into(), held: Arc::default() }
    }

    /// Keeps bytes under a name that begins with `tag`. What is there already under that name, and is the same, is
    /// left as it is. Blocks until it is on the disk.
    pub fn keep(&self, tag: &Tag, name: &str, bytes: &[u8]) -> Result<Kept, EvidenceError> {
        let size = bytes.len() as u64;
        if size > FILE_BYTES_MAX {
            return Err(EvidenceError::TooLarge { name: name.to_owned(), bytes: size });
        }
        let sha256 = hex(&Sha256::digest(bytes));
        let file = format!("{DIR}/{}", tag.file_name(name, &sha256));
        let path = self.session.join(&file);
        let kept = Kept { file, path: path.clone(), sha256, bytes: size };
        let dir = self.session.join(DIR);
        // A look and an action may keep something at the same time; the counts must fit both.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = match *held {
            Some(now) => now,
            None => self.open(&dir)?,
        };
        if holds(&path, bytes) {
            *held = Some(now);
            return Ok(kept);
        }
        if now.files >= FILES_MAX || now.bytes.saturating_add(size) > SESSION_BYTES_MAX {
            return Err(EvidenceError::Full { files: now.files, bytes: now.bytes });
        }
        write(&dir, &path, bytes)?;
        *held = Some(Held { files: now.files + 1, bytes: now.bytes + size });
        Ok(kept)
    }

    /// Makes the directory, and counts what an earlier process left in it.
    fn open(&self, dir: &Path) -> Result<Held, EvidenceError> {
        match DirBuilder::new().mode(0o700).create(dir) {
            Ok(()) => sync_dir(&self.session)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(doing("making", dir)(error)),
        }
        let mut held = Held::default();
        for entry in fs::read_dir(dir).map_err(doing("reading", dir))?.flatten() {
            held.files += 1;
            held.bytes += entry.metadata().map_or(0, |found| found.len());
        }
        Ok(held)
    }

    /// The bytes that an output's member names (`file`, `sha256`), if they are what was kept.
    pub fn read(&self, evidence: &Value) -> Result<Vec<u8>, EvidenceError> {
        let text = |name: &str| evidence.get(name).and_then(Value::as_str);
        let (Some(file), Some(wanted)) = (text("file"), text("sha256")) else { return Err(EvidenceError::NotNamed) };
        // A name that leads elsewhere was not written here.
        let name = file.strip_prefix(DIR).and_then(|rest| rest.strip_prefix('/')).ok_or(EvidenceError::NotNamed)?;
        if name.contains('/') || name.starts_with('.') {
            return Err(EvidenceError::NotNamed);
        }
        let path = self.session.join(file);
        let mut bytes = Vec::new();
        let opened = File::open(&path).map_err(doing("opening", &path))?;
        opened.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(doing("reading", &path))?;
        let found = hex(&Sha256::digest(&bytes));
        if found != wanted {
            return Err(EvidenceError::Changed { file: file.to_owned(), wanted: wanted.to_owned(), found });
        }
        Ok(bytes)
    }
}

/// True if a file holds exactly these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let same_size = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == bytes.len() as u64);
    same_size && fs::read(path).is_ok_and(|found| found == bytes)
}

fn write(dir: &Path, path: &Path, bytes: &[u8]) -> Result<(), EvidenceError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = dir.join(format!(".{name}.new"));
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
    let mut file = open.map_err(doing("making", &draft))?;
    file.write_all(bytes).map_err(doing("writing", &draft))?;
    file.sync_all().map_err(doing("syncing", &draft))?;
    fs::rename(&draft, path).map_err(doing("naming", path))?;
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> Result<(), EvidenceError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(doing("syncing", dir))
}

/// Who found it: the beginning of a file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// An attempt, which finds a thing once.
    Attempt(String),
    /// A look, which may be repeated.
    Look(String),
}

impl Tag {
    /// The name of a file: short, and of characters that no shell minds.
    fn file_name(&self, name: &str, sha256: &str) -> String {
        let whole = match self {
            Self::Attempt(attempt) => format!("{attempt}-{name}"),
            Self::Look(look) => format!("{look}-{}-{name}", sha256.get(..DIGITS).unwrap_or(sha256)),
        };
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let whole: String = whole.chars().map(plain).collect();
        let from = whole.len().saturating_sub(NAME_MAX);
        // Its end tells what it is.
        whole.get(from..).unwrap_or(&whole).trim_start_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn attempt(n: u64) -> Tag {
        Tag::Attempt(format!("a{n}"))
    }

    #[test]
    fn what_is_kept_can_be_read_again_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let evidence = Evidence::in_session(dir.path());
        let kept = evidence.keep(&attempt(3), "staged.jsonl", b"one\ntwo\n").unwrap();
        assert_eq!((kept.file.as_str(), kept.bytes), ("evidence/a3-staged.jsonl", 8));
        assert_eq!(evidence.read(&kept.to_value()).unwrap(), b"one\ntwo\n");
        assert_eq!(fs::metadata(&kept.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(dir.path().join(DIR)).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(evidence.keep(&attempt(3), "staged.jsonl", b"one\ntwo\n").unwrap(), kept);
        assert_eq!(fs::read_dir(dir.path().join(DIR)).unwrap().count(), 1);
    }

    #[test]
    fn a_look_that_finds_something_else_leaves_what_it_found_before() {
        let dir = tempfile::tempdir().unwrap();
        let evidence = Evidence::in_session(dir.path());
        let look = Tag::Look("compare-local-g0".to_owned());
        let first = evidence.keep(&look, "ids.json", b"1").unwrap();
        let second = evidence.keep(&look, "ids.json", b"2").unwrap();
        assert_ne!(first.file, second.file);
        assert_eq!(evidence.read(&first.to_value()).unwrap(), b"1");
    }

    #[test]
    fn a_changed_file_and_a_name_that_leads_elsewhere_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let evidence = Evidence::in_session(dir.path());
        let kept = evidence.keep(&attempt(1), "x", b"good").unwrap();
        fs::write(&kept.path, b"evil").unwrap();
        assert!(matches!(evidence.read(&kept.to_value()), Err(EvidenceError::Changed { .. })));
        for file in ["/etc/passwd", "evidence/../journal.jsonl", "journal.jsonl", "evidence/.x"] {
            assert_eq!(evidence.read(&json!({"file": file, "sha256": ""})), Err(EvidenceError::NotNamed), "{file}");
        }
    }

    #[test]
    fn names_are_plain_whatever_they_are_made_of() {
        let dir = tempfile::tempdir().unwrap();
        let evidence = Evidence::in_session(dir.path());
        let tag = Tag::Look(format!("../{}\n", "h".repeat(400)));
        let kept = evidence.keep(&tag, "a/b c.json", b"").unwrap();
        assert!(kept.file.ends_with("-a_b_c.json") && kept.file.len() < 200, "{}", kept.file);
        assert!(kept.path.is_file());
    }
}
