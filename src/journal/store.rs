//! Where sessions are kept: one directory for each, made, found, opened and listed.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{
    FileDisk, Head, Holder, Journal, JournalError, Record, Torn, check_id,
    lock::{self, Taken},
    read::{self, scan},
};
use crate::{
    runbook::Mode,
    session::{AttemptId, Event, Opened, Stamp},
};

pub(super) const JOURNAL: &str = "journal.jsonl";
const LOCK: &str = "lock";
const OUTPUT: &str = "output";
const KEPT: &str = "kept";

/// Torn ends that are kept of one journal; each takes a crash in the middle of a write.
const TORN_MAX: u32 = 1000;

/// Where sessions are kept by convention: below `$XDG_STATE_HOME`, which counts only if it is absolute, else below
/// `~/.local/state`. None if neither is known.
pub fn sessions_root(xdg_state_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let xdg = xdg_state_home.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || home.map(PathBuf::from).filter(|path| path.is_absolute()).map(|home| home.join(".local/state"));
    Some(xdg.or_else(home)?.join("firstlight/sessions"))
}

/// The directory of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDir {
    path: PathBuf,
}

impl SessionDir {
    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// Where everything goes that an attempt writes.
    pub fn output(&self, attempt: AttemptId) -> PathBuf {
        self.path.join(OUTPUT).join(format!("{attempt}.log"))
    }

    /// Where originals go.
    pub fn kept(&self) -> PathBuf {
        self.path.join(KEPT)
    }

    fn lock(&self) -> PathBuf {
        self.path.join(LOCK)
    }
}

/// What a session began with, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// The cluster's name.
    pub cluster: String,
    /// True for a practice cluster.
    pub practice: bool,
    /// The runbook's name.
    pub runbook: String,
    /// Recovery or training.
    pub mode: Mode,
    /// Who began it.
    pub operator: String,
    /// When.
    pub started: Stamp,
}

/// Whether a session can go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is over.
    Ended {
        /// How it ended.
        outcome: String,
    },
    /// It can be resumed.
    Unfinished,
    /// Its journal cannot be read to its end.
    Damaged {
        /// Why.
        why: String,
    },
}

/// A session as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Its id.
    pub id: String,
    /// What it began with; none if not even that can be read.
    pub heading: Option<Heading>,
    /// When the last record was written.
    pub last: Option<Stamp>,
    /// How many records can be read.
    pub records: u64,
    /// Whether it can go on.
    pub standing: Standing,
    /// Who drives it at this moment.
    pub held_by: Option<Holder>,
    /// True if its last write did not finish.
    pub torn: bool,
}

/// All sessions below one directory.
#[derive(Debug, Clone)]
pub struct Sessions {
    root: PathBuf,
}

impl Sessions {
    /// Sessions below this directory, which need not be there yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory they are in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of a session, which need not be there.
    pub fn dir(&self, id: &str) -> Result<SessionDir, JournalError> {
        check_id(id)?;
        Ok(SessionDir { path: self.root.join(id) })
    }

    /// Makes a session's directory with the event that opens it. It appears under its name only when that event is on
    /// the disk.
    pub fn create(&self, opened: &Opened, at: Stamp) -> Result<Journal, JournalError> {
        let dir = self.dir(&opened.session)?;
        if dir.path.exists() {
            return Err(JournalError::Exists(opened.session.clone()));
        }
        make_dirs(&self.root)?;
        // Not a good id, so that nothing takes it for a session.
        let fresh = SessionDir { path: self.root.join(format!(".{}.new", opened.session)) };
        make_dir(&fresh.path)?;
        make_dir(&fresh.path.join(OUTPUT))?;
        make_dir(&fresh.path.join(KEPT))?;
        let holder = Holder::this_process(&opened.operator, &opened.machine, at);
        let lock = match lock::take(&fresh.lock(), &holder)? {
            Taken::Held(lock) => lock,
            Taken::By(by) => return Err(JournalError::Locked { session: opened.session.clone(), by }),
        };
        let file =
            private().append(true).create_new(true).open(fresh.journal()).map_err(doing("making", &fresh.journal()))?;
        let mut journal = Journal::in_dir(Box::new(FileDisk(file)), Head::EMPTY, dir.clone(), lock);
        journal.append(at, &[Event::Opened(Box::new(opened.clone()))])?;
        sync_dir(&fresh.path)?;
        fs::rename(&fresh.path, &dir.path).map_err(doing("naming", &dir.path))?;
        sync_dir(&self.root)?;
        Ok(journal)
    }

    /// Opens a session to go on with it. What stands at its end and is not a record is moved into a file of its own.
    pub fn open_for_writing(
        &self,
        id: &str,
        holder: &Holder,
    ) -> Result<(Journal, Vec<Record>, Option<Torn>), JournalError> {
        let dir = self.existing(id)?;
        let lock = match lock::take(&dir.lock(), holder)? {
            Taken::Held(lock) => lock,
            Taken::By(by) => return Err(JournalError::Locked { session: id.to_owned(), by }),
        };
        let path = dir.journal();
        let (records, torn) = read::read(read::open(&path)?, &path)?;
        let last = records.last().ok_or_else(|| JournalError::Empty(path.clone()))?;
        let file = OpenOptions::new().append(true).open(&path).map_err(doing("opening", &path))?;
        if let Some(torn) = &torn {
            set_aside(&dir, torn)?;
            file.set_len(torn.offset).map_err(doing("shortening", &path))?;
        }
        // What a process wrote that was killed before it synced counts from here on.
        file.sync_all().map_err(doing("syncing", &path))?;
        let bytes = file.metadata().map_err(doing("measuring", &path))?.len();
        let head = Head { seq: last.seq, hash: last.hash, bytes };
        Ok((Journal::in_dir(Box::new(FileDisk(file)), head, dir, lock), records, torn))
    }

    /// Reads a session, whoever writes it meanwhile.
    pub fn open_read_only(&self, id: &str) -> Result<(Vec<Record>, Option<Torn>), JournalError> {
        let path = self.existing(id)?.journal();
        let (records, torn) = read::read(read::open(&path)?, &path)?;
        if records.is_empty() { Err(JournalError::Empty(path)) } else { Ok((records, torn)) }
    }

    /// The records before the first that is damaged, with what is wrong there.
    pub fn salvage(&self, id: &str) -> Result<(Vec<Record>, Option<JournalError>), JournalError> {
        let path = self.existing(id)?.journal();
        let mut records = Vec::new();
        let end = scan(read::open(&path)?, &path, &mut |record| records.push(record));
        Ok((records, end.err()))
    }

    /// Every session, newest first.
    pub fn list(&self) -> Result<Vec<Listing>, JournalError> {
        Ok(self.ids()?.iter().rev().map(|id| self.listing(id)).collect())
    }

    /// The session with this id, the only one whose id begins or ends like this, or `last`.
    pub fn resolve(&self, word: &str) -> Result<String, JournalError> {
        let none = || JournalError::NoSuchSession { word: word.to_owned(), root: self.root.clone() };
        let mut ids = self.ids()?;
        if word == "last" {
            return ids.pop().ok_or_else(none);
        }
        if ids.iter().any(|id| id == word) {
            return Ok(word.to_owned());
        }
        ids.retain(|id| !word.is_empty() && (id.starts_with(word) || id.ends_with(word)));
        match ids.as_slice() {
            [] => Err(none()),
            [_] => ids.pop().ok_or_else(none),
            _ => Err(JournalError::Ambiguous { word: word.to_owned(), ids }),
        }
    }

    /// Ids of what is there, oldest first.
    fn ids(&self) -> Result<Vec<String>, JournalError> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(doing("listing", &self.root)(source)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(doing("listing", &self.root))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if check_id(&name).is_ok() && entry.path().is_dir() {
                ids.push(name);
            }
        }
        ids.sort();
        Ok(ids)
    }

    fn existing(&self, id: &str) -> Result<SessionDir, JournalError> {
        let dir = self.dir(id)?;
        if dir.path.is_dir() {
            return Ok(dir);
        }
        Err(JournalError::NoSuchSession { word: id.to_owned(), root: self.root.clone() })
    }

    fn listing(&self, id: &str) -> Listing {
        let dir = SessionDir { path: self.root.join(id) };
        let mut listing = Listing {
            id: id.to_owned(),
            heading: None,
            last: None,
            records: 0,
            standing: Standing::Unfinished,
            held_by: lock::holder(&dir.lock()).unwrap_or(None),
            torn: false,
        };
        let path = dir.journal();
        let scanned = read::open(&path).and_then(|file| scan(file, &path, &mut |record| listing.take(&record)));
        match scanned {
            Ok(_) if listing.records == 0 => {
                listing.standing = Standing::Damaged { why: JournalError::Empty(path).to_string() };
            }
            Ok(torn) => listing.torn = torn.is_some(),
            Err(error) => listing.standing = Standing::Damaged { why: error.to_string() },
        }
        listing
    }
}

impl Listing {
    fn take(&mut self, record: &Record) {
        self.records += 1;
        self.last = Some(record.at);
        match &record.event {
            Event::Opened(opened) => {
                self.heading = Some(Heading {
                    cluster: opened.inventory.cluster.clone(),
                    practice: opened.inventory.practice,
                    runbook: opened.runbook_name.clone(),
                    mode: opened.mode,
                    operator: opened.operator.clone(),
                    started: record.at,
                });
            }
            Event::Ended { outcome } => self.standing = Standing::Ended { outcome: outcome.clone() },
            _ => {}
        }
    }
}

/// Keeps what stood at the end of a journal, on the disk before the journal is shortened.
fn set_aside(dir: &SessionDir, torn: &Torn) -> Result<(), JournalError> {
    for n in 1..=TORN_MAX {
        let path = dir.path.join(format!("journal.torn-{n}"));
        match private().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(&torn.bytes).and_then(|()| file.sync_all()).map_err(doing("setting aside", &path))?;
                return sync_dir(&dir.path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(doing("setting aside", &path)(source)),
        }
    }
    let full = io::Error::other(format!("{TORN_MAX} torn ends are there"));
    Err(doing("setting aside", &dir.journal())(full))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn make_dir(path: &Path) -> Result<(), JournalError> {
    DirBuilder::new().mode(0o700).create(path).map_err(doing("making", path))
}

/// Makes a directory with what is missing above it, each entry on the disk.
fn make_dirs(path: &Path) -> Result<(), JournalError> {
    let missing: Vec<_> = path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    DirBuilder::new().mode(0o700).recursive(true).create(path).map_err(doing("making", path))?;
    missing.iter().filter_map(|dir| dir.parent()).filter(|dir| !dir.as_os_str().is_empty()).try_for_each(sync_dir)
}

fn sync_dir(path: &Path) -> Result<(), JournalError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(doing("syncing", path))
}

fn doing<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> JournalError + 'a {
    move |source| JournalError::Io { doing, path: path.to_owned(), source }
}
