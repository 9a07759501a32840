//! Where lines come from: files and their rotated sets, directories, standard input, the journal; whole or as they grow.
//!
//! Nothing is read but regular files, pipes that were handed over, and a command's output.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant, UNIX_EPOCH},
};

use super::inspect::plain;
use crate::logscan::{Age, JOURNAL_ARGS, Unpack, rotated};

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// Names looked at in a directory.
const NAMES_MAX: usize = 10_000;
/// How often a growing file is looked at.
const POLL: Duration = Duration::from_millis(200);

/// Where something is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A regular file.
    File(PathBuf),
    /// What is piped in.
    Stdin,
    /// The journal's entries of a unit.
    Journal(String),
}

/// The sources of one host, oldest first.
pub(super) type Hosts = BTreeMap<String, Vec<Place>>;

/// What the arguments mean: `HOST=FILE`, `FILE`, a directory, or `-`.
pub(super) fn sources(args: &[String], host: Option<&str>, journal: &[String]) -> Result<Hosts, String> {
    let mut sets: Vec<(Option<String>, PathBuf, String, Age, Place)> = Vec::new();
    for arg in args {
        let (named, path) = match arg.split_once('=') {
            Some((name, path)) if !name.contains('/') && !Path::new(arg).exists() => (Some(name.to_owned()), path),
            _ => (host.map(str::to_owned), arg.as_str()),
        };
        if path == "-" {
            sets.push((named.or(Some("-".to_owned())), PathBuf::new(), String::new(), Age::Live, Place::Stdin));
            continue;
        }
        for file in files(&plain(path))? {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let (base, age) = rotated(&name);
            let parent = file.parent().map(Path::to_path_buf).unwrap_or_default();
            sets.push((named.clone(), parent, base, age, Place::File(file)));
        }
    }
    // Sets of one name in several directories are told apart by the whole path.
    let short = |base: &str| base.strip_suffix(".log").unwrap_or(base).to_owned();
    let mut parents: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (_, parent, base, ..) in sets.iter().filter(|(named, ..)| named.is_none()) {
        let known = parents.entry(base.clone()).or_default();
        if !known.contains(parent) {
            known.push(parent.clone());
        }
    }
    let mut hosts: BTreeMap<String, Vec<(PathBuf, String, Age, Place)>> = BTreeMap::new();
    for (named, parent, base, age, place) in sets {
        let several = parents.get(&base).is_some_and(|known| known.len() > 1);
        let own = || if several { parent.join(short(&base)).display().to_string() } else { short(&base) };
        hosts.entry(named.unwrap_or_else(own)).or_default().push((parent, base, age, place));
    }
    for unit in journal {
        let name = host.unwrap_or(unit).to_owned();
        let place = Place::Journal(unit.clone());
        hosts.entry(name).or_default().push((PathBuf::new(), unit.clone(), Age::Live, place));
    }
    let places = |mut set: Vec<(PathBuf, String, Age, Place)>| {
        set.sort_by(|a, b| (&a.0, &a.1, &a.2).cmp(&(&b.0, &b.1, &b.2)));
        set.dedup_by(|a, b| a.3 == b.3);
        set.into_iter().map(|(.., place)| place).collect()
    };
    Ok(hosts.into_iter().map(|(name, set)| (name, places(set))).collect())
}

/// A file, or the files of a directory.
fn files(path: &str) -> Result<Vec<PathBuf>, String> {
    let place = PathBuf::from(path);
    let found = fs::metadata(&place).map_err(|error| format!("{path}: {error}"))?;
    if found.is_file() {
        return Ok(vec![place]);
    }
    if !found.is_dir() {
        return Err(format!("{path} is neither a file nor a directory; pipe it in and name it -"));
    }
    let entries = fs::read_dir(&place).map_err(|error| format!("{path}: {error}"))?;
    let mut inside = Vec::new();
    for entry in entries.take(NAMES_MAX) {
        let file = entry.map_err(|error| format!("{path}: {error}"))?.path();
        let hidden = file.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && fs::metadata(&file).is_ok_and(|found| found.is_file()) {
            inside.push(file);
        }
    }
    if inside.is_empty() { Err(format!("{path} holds no files")) } else { Ok(inside) }
}

/// When a file was last written, in milliseconds since the epoch: no line in it is newer.
pub(super) fn written_ms(path: &Path) -> Option<i64> {
    let written = fs::metadata(path).ok()?.modified().ok()?;
    i64::try_from(written.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// Hands over everything that a place holds, and says in words what was not read.
pub(super) fn read(place: &Place, take: &mut dyn FnMut(&[u8])) -> Result<Option<String>, String> {
    match place {
        Place::Stdin => {
            let mut unpack = Unpack::default();
            let read = pump(&mut io::stdin().lock(), &mut |bytes| unpack.feed(bytes, take));
            read.map_err(|error| error.to_string())?;
            Ok(unpack.finish(take))
        }
        Place::Journal(unit) => journal(unit, take),
        Place::File(path) => file(path, take).map_err(|error| format!("{}: {error}", path.display())),
    }
}

fn file(path: &Path, take: &mut dyn FnMut(&[u8])) -> io::Result<Option<String>> {
    // A pipe would make the reader wait for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut unpack = Unpack::default();
    let mut file = File::open(path)?;
    pump(&mut file, &mut |bytes| unpack.feed(bytes, take))?;
    Ok(unpack.finish(take))
}

/// Reads to the end, or until no more is wanted.
fn pump(from: &mut dyn Read, take: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut bytes = vec![0; READ_BYTES];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                if !take(bytes.get(..count).unwrap_or_default()) {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn journal(unit: &str, take: &mut dyn FnMut(&[u8])) -> Result<Option<String>, String> {
    let mut child = Command::new("journalctl")
        .args(JOURNAL_ARGS)
        .arg(unit)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("journalctl: {error}"))?;
    let read = match child.stdout.take() {
        Some(mut out) => {
            let mut all = |bytes: &[u8]| {
                take(bytes);
                true
            };
            pump(&mut out, &mut all).map_err(|error| format!("journalctl: {error}"))
        }
        None => Ok(()),
    };
    let ended = child.wait().map_err(|error| format!("journalctl: {error}"))?;
    read?;
    if ended.success() { Ok(None) } else { Err(format!("journalctl ended with {ended}")) }
}

/// Why a file is followed no longer, or what happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Another file has its name.
    Rotated,
    /// It became shorter, and is read from its beginning.
    Truncated,
}

/// Follows a file by its name: what it holds, and then what is added, until the time is over or `take` says that it is
/// enough. Between two looks nothing is lost by rotation: the old file is read to its end first.
pub(super) fn follow(
    path: &Path,
    lasts: Duration,
    take: &mut dyn FnMut(&[u8]) -> bool,
    turned: &mut dyn FnMut(Turn),
) -> io::Result<()> {
    let until = Instant::now() + lasts;
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("only a regular file can be followed"));
    }
    let mut file = File::open(path)?;
    let mut at: u64 = 0;
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let over = Instant::now() >= until;
        // Asked before reading: what is written in between belongs to the old file, and is read below.
        let named = fs::metadata(path).ok().filter(Metadata::is_file);
        loop {
            let count = file.read(&mut bytes)?;
            at += count as u64;
            if count == 0 {
                break;
            }
            if !take(bytes.get(..count).unwrap_or_default()) || Instant::now() >= until {
                return Ok(());
            }
        }
        if over {
            return Ok(());
        }
        let own = file.metadata()?;
        if named.is_some_and(|named| (named.dev(), named.ino()) != (own.dev(), own.ino())) {
            // It may be gone again at once.
            if let Ok(next) = File::open(path) {
                (file, at) = (next, 0);
                turned(Turn::Rotated);
                continue;
            }
        } else if own.len() < at {
            file = File::open(path)?;
            at = 0;
            turned(Turn::Truncated);
            continue;
        }
        std::thread::sleep(POLL.min(until.saturating_duration_since(Instant::now())));
    }
}
