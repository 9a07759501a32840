//! Where lines come from: files and their rotated sets, directories, standard input, the journal; whole or as they grow.
//!
//! Nothing is read but regular files, pipes that were handed over, and a command's output. Compressed files are known by
//! their first bytes, and end where they would become larger than logs do.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant, UNIX_EPOCH},
};

use flate2::read::MultiGzDecoder;

use super::inspect::plain;

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// Names looked at in a directory.
const NAMES_MAX: usize = 10_000;
/// How many times larger than its file a compressed log may become; logs reach a tenth of that.
const RATIO_MAX: u64 = 250;
/// Bytes that a compressed log may have, however small its file is.
const RATIO_FLOOR: u64 = 64 << 20;
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

/// How old a file of a rotated set is: dated ones in order, then numbered ones from the highest down, then the live one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    Dated(String),
    Numbered(Reverse<u32>),
    Live,
}

/// The name that a rotated set shares, and the file's place in it.
fn rotated(name: &str) -> (String, Age) {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
    // aurora.log.2026-11-22 and aurora.log-2026-11-22
    let from = plain.len().saturating_sub(11);
    if let Some((base, date)) = plain.split_at_checked(from)
        && let Some(date) = date.strip_prefix(['.', '-'])
        && !base.is_empty()
        && digits(date) == 8
        && date.split('-').count() == 3
    {
        return (base.to_owned(), Age::Dated(date.replace('-', "")));
    }
    if let Some((base, end)) = plain.rsplit_once(['.', '-'])
        && !base.is_empty()
        && !end.is_empty()
        && end.chars().all(|letter| letter.is_ascii_digit())
    {
        return match end.parse() {
            Ok(number) if end.len() < 8 => (base.to_owned(), Age::Numbered(Reverse(number))),
            _ => (base.to_owned(), Age::Dated(end.to_owned())),
        };
    }
    (plain.to_owned(), Age::Live)
}

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
        Place::Stdin => pump(&mut io::stdin().lock(), u64::MAX, take).map_err(|error| error.to_string()),
        Place::Journal(unit) => journal(unit, take),
        Place::File(path) => file(path, take).map_err(|error| format!("{}: {error}", path.display())),
    }
}

fn file(path: &Path, take: &mut dyn FnMut(&[u8])) -> io::Result<Option<String>> {
    // A pipe would make the reader wait for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut magic = Vec::new();
    (&mut file).take(2).read_to_end(&mut magic)?;
    let mut whole = magic.as_slice().chain(file);
    if magic != [0x1f, 0x8b] {
        return pump(&mut whole, u64::MAX, take);
    }
    let most = len.saturating_mul(RATIO_MAX).max(RATIO_FLOOR);
    match pump(&mut MultiGzDecoder::new(whole), most, take) {
        // What came before the damage was handed over.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
            Ok(Some(format!("damaged within its compressed data, and read up to there: {error}")))
        }
        other => other,
    }
}

fn pump(from: &mut dyn Read, most: u64, take: &mut dyn FnMut(&[u8])) -> io::Result<Option<String>> {
    let mut bytes = vec![0; READ_BYTES];
    let mut read: u64 = 0;
    loop {
        let count = match from.read(&mut bytes) {
            Ok(0) => return Ok(None),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        take(bytes.get(..count).unwrap_or_default());
        read = read.saturating_add(count as u64);
        if read > most {
            return Ok(Some(format!("not read beyond {read} bytes: no log is compressed so well")));
        }
    }
}

fn journal(unit: &str, take: &mut dyn FnMut(&[u8])) -> Result<Option<String>, String> {
    let args = ["--no-pager", "--quiet", "--output=json", "--unit", unit];
    let mut child = Command::new("journalctl")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("journalctl: {error}"))?;
    let read = match child.stdout.take() {
        Some(mut out) => pump(&mut out, u64::MAX, take).map_err(|error| format!("journalctl: {error}")),
        None => Ok(None),
    };
    let ended = child.wait().map_err(|error| format!("journalctl: {error}"))?;
    if ended.success() { read } else { Err(format!("journalctl ended with {ended}")) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_sets_are_in_order() {
        let mut names = ["a.log", "a.log.1", "a.log.10.gz", "a.log.2.gz", "a.log-20261121.gz", "a.log.2026-11-22"];
        names.sort_by_key(|name| rotated(name));
        let want = ["a.log-20261121.gz", "a.log.2026-11-22", "a.log.10.gz", "a.log.2.gz", "a.log.1", "a.log"];
        assert_eq!(names, want);
        for odd in ["", ".gz", ".1", "1", "-", "node3.b.log", "ü.1"] {
            rotated(odd);
        }
    }
}
