//! Where a host's log lines come from, as an inventory names it: a file with its rotated neighbours, compressed or not; a
//! directory of logs; `journal:UNIT`, the journal's entries of a unit. And which zone their times are of.
//!
//! It survives neighbours that are damaged, bombs or too many, and a journal that is long: what was left out is said.
//! What it deliberately does not do: follow links to directories within one, read pipes, understand lines.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::tz::{Offset, TimeZone};
use tokio::io::AsyncReadExt as _;

use super::{
    command::{ended, last_words},
    scene::Scene,
};
use crate::{
    engine::Stream,
    hosts::{End, Entry, FileKind, Host, HostError, Output, Ran, Run, Stop, clean},
    inventory::Inventory,
    logscan::{Age, JOURNAL_ARGS, Unpack, rotated},
    runbook::model::HostName,
};

/// In front of a unit's name.
const JOURNAL: &str = "journal:";
/// The variable of a host, a group or the cluster that names the zone of its times.
const ZONE_VAR: &str = "timezone";
/// Names in a log directory.
const NAMES_MAX: usize = 100_000;
/// Files of one source; rotation keeps a handful.
const FILES_MAX: usize = 200;
/// Bytes of one source's files; a busy scheduler writes about that in a week.
const BYTES_MAX: u64 = 8 << 30;
/// How many times larger a compressed log is when it is read, about.
const PACKED: u64 = 10;
/// Entries of a journal, the newest: more than a scheduler writes in a day, some 200 MB as they are printed.
const ENTRIES_MAX: usize = 200_000;
/// Entries read where only the end is wanted: a start with its flags is some 300.
const ENTRIES_END: usize = 20_000;
/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// What the journal prints in place of entries.
const NO_ENTRIES: &[u8] = b"-- ";

/// Where something is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A file, and when it was last written.
    File { path: String, written_ms: Option<i64> },
    /// The journal's entries of a unit.
    Journal(String),
}

impl Place {
    pub(super) fn name(&self) -> String {
        match self {
            Self::File { path, written_ms: _ } => path.clone(),
            Self::Journal(unit) => format!("{JOURNAL}{unit}"),
        }
    }
}

/// What is to be read, oldest first, and what is left out, in words.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub places: Vec<Place>,
    pub notes: Vec<String>,
}

/// What a name means on a host.
pub(super) async fn sources(host: &dyn Host, named: &str) -> Result<Sources, String> {
    let said = |error: HostError| error.to_string();
    if let Some(unit) = named.strip_prefix(JOURNAL) {
        return Ok(Sources { places: vec![Place::Journal(unit.to_owned())], notes: Vec::new() });
    }
    let found = host.stat(named).await.map_err(said)?;
    match found.as_ref().map(|stat| stat.kind) {
        Some(FileKind::Directory) => return in_directory(host, named).await,
        Some(FileKind::Other) => return Err(format!("{named} is neither a file nor a directory")),
        Some(FileKind::Link) if host.list(named, NAMES_MAX).await.is_ok() => return in_directory(host, named).await,
        Some(FileKind::File | FileKind::Link) | None => {}
    }
    let (directory, name) = named.rsplit_once('/').ok_or_else(|| format!("{named} is not an absolute path"))?;
    let directory = if directory.is_empty() { "/" } else { directory };
    let entries = host.list(directory, NAMES_MAX).await.map_err(said)?;
    let own = |entry: &Entry| entry.name == name || rotated(&entry.name).0 == name;
    let sources = chosen(directory, entries.into_iter().filter(own).collect());
    // Who asks for a file that is not there must hear of it.
    if sources.places.is_empty() { Err(HostError::NotFound(named.to_owned()).to_string()) } else { Ok(sources) }
}

async fn in_directory(host: &dyn Host, directory: &str) -> Result<Sources, String> {
    let entries = host.list(directory, NAMES_MAX).await.map_err(|error| error.to_string())?;
    let shown = entries.into_iter().filter(|entry| !entry.name.starts_with('.')).collect();
    let sources = chosen(directory.trim_end_matches('/'), shown);
    if sources.places.is_empty() { Err(format!("{directory} holds no files")) } else { Ok(sources) }
}

/// The files among these names, each set oldest first. Where there are too many the oldest are left out.
fn chosen(directory: &str, entries: Vec<Entry>) -> Sources {
    let mut files: Vec<(String, Age, Entry)> = entries
        .into_iter()
        .filter(|entry| matches!(entry.stat.kind, FileKind::File | FileKind::Link))
        .map(|entry| {
            let (base, age) = rotated(&entry.name);
            (base, age, entry)
        })
        .collect();
    files.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    let mut newest: Vec<&Entry> = files.iter().map(|(.., entry)| entry).collect();
    newest.sort_by_key(|entry| std::cmp::Reverse(entry.stat.modified_ms));
    let mut bytes: u64 = 0;
    let within = |(at, entry): &(usize, &&Entry)| {
        let packed = Path::new(&entry.name).extension().is_some_and(|end| end.eq_ignore_ascii_case("gz"));
        bytes = bytes.saturating_add(entry.stat.len.saturating_mul(if packed { PACKED } else { 1 }));
        *at == 0 || *at < FILES_MAX && bytes <= BYTES_MAX
    };
    let kept = newest.iter().enumerate().take_while(within).count();
    let oldest = newest.get(kept..).unwrap_or_default();
    let notes = match oldest.len() {
        0 => Vec::new(),
        count => {
            vec![format!("{count} older logs were not read: there are more than {FILES_MAX} or {BYTES_MAX} bytes")]
        }
    };
    let oldest: Vec<String> = oldest.iter().map(|entry| entry.name.clone()).collect();
    let places = files
        .iter()
        .filter(|(.., entry)| !oldest.contains(&entry.name))
        .map(|(.., entry)| Place::File {
            path: format!("{directory}/{}", entry.name).replace("//", "/"),
            // A link's own time says nothing of the lines.
            written_ms: (entry.stat.kind == FileKind::File).then_some(entry.stat.modified_ms),
        })
        .collect();
    Sources { places, notes }
}

/// Hands over everything that a place holds, and says in words what was not read.
pub(super) async fn read(
    scene: &Scene<'_>,
    place: &Place,
    since_ms: Option<i64>,
    take: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Option<String>, String> {
    match place {
        Place::File { path, .. } => file(&*scene.host, path, take).await,
        Place::Journal(unit) => {
            let mut argv = journal(unit, ENTRIES_MAX);
            if let Some(ms) = since_ms {
                argv.push(format!("--since=@{}", ms.div_euclid(1000)));
            }
            let mut lines = 0;
            let mut counted = |bytes: &[u8]| {
                lines += memchr::memchr_iter(b'\n', bytes).count();
                take(bytes);
            };
            let ran = ask(&*scene.host, argv, scene.left(), scene.stop, &mut counted).await?;
            let cut = (lines >= ENTRIES_MAX).then(|| format!("only the newest {ENTRIES_MAX} entries were read"));
            // What it says beside is that this user may not see everything.
            let hint = clean::lines(&ran.stderr, 1).into_iter().next().filter(|line| !line.trim().is_empty());
            let notes: Vec<String> = cut.into_iter().chain(hint).collect();
            Ok((!notes.is_empty()).then(|| notes.join("; ")))
        }
    }
}

async fn file(host: &dyn Host, path: &str, take: &mut (dyn FnMut(&[u8]) + Send)) -> Result<Option<String>, String> {
    let mut reader = host.reader(path).await.map_err(|error| error.to_string())?;
    let mut bytes = vec![0; READ_BYTES];
    let mut unpack = Unpack::default();
    loop {
        let count = reader.read(&mut bytes).await.map_err(|error| format!("read {path}: {error}"))?;
        if count == 0 || !unpack.feed(bytes.get(..count).unwrap_or_default(), take) {
            return Ok(unpack.finish(take));
        }
    }
}

/// The last bytes of the newest log that a name means; of a journal the messages alone.
pub(super) async fn end(host: &dyn Host, named: &str, bytes: u64, within: Duration) -> Result<Vec<u8>, String> {
    let said = |error: HostError| error.to_string();
    if let Some(unit) = named.strip_prefix(JOURNAL) {
        let mut argv = journal(unit, ENTRIES_END);
        argv.push("--output=cat".to_owned());
        let most = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut kept = Vec::new();
        let mut keep = |bytes: &[u8]| {
            kept.extend_from_slice(bytes);
            if kept.len() / 2 > most {
                kept.drain(..kept.len() - most);
            }
        };
        ask(host, argv, within, &Stop::never(), &mut keep).await?;
        kept.drain(..kept.len().saturating_sub(most));
        return Ok(kept);
    }
    let found = host.stat(named).await.map_err(said)?;
    if found.is_some_and(|stat| stat.kind == FileKind::Directory) {
        let newest = in_directory(host, named).await?.places.into_iter().rev().max_by_key(|place| match place {
            Place::File { written_ms, .. } => *written_ms,
            Place::Journal(_) => None,
        });
        let newest = newest.map(|place| place.name()).unwrap_or_default();
        return host.read_end(&newest, bytes).await.map_err(said);
    }
    host.read_end(named, bytes).await.map_err(said)
}

fn journal(unit: &str, entries: usize) -> Vec<String> {
    let mut argv = vec!["journalctl".to_owned()];
    argv.extend(JOURNAL_ARGS.map(str::to_owned));
    argv.extend([unit.to_owned(), format!("--lines={entries}")]);
    argv
}

/// Hands over what a program prints, as it comes.
struct Tap<'a>(Mutex<Tapped<'a>>);

struct Tapped<'a> {
    take: &'a mut (dyn FnMut(&[u8]) + Send),
    begun: bool,
}

impl Output for Tap<'_> {
    fn take(&self, stream: Stream, bytes: &[u8]) {
        if stream != Stream::Out {
            return;
        }
        let mut tapped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tapped.begun || !bytes.starts_with(NO_ENTRIES) {
            (tapped.take)(bytes);
        }
        tapped.begun = true;
    }
}

async fn ask(
    host: &dyn Host,
    argv: Vec<String>,
    within: Duration,
    stop: &Stop,
    take: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Ran, String> {
    let mut run = Run::new(argv, within);
    run.keep_bytes = 0;
    let tap = Tap(Mutex::new(Tapped { take, begun: false }));
    let ran = host.exec(&run, &tap, stop).await.map_err(|error| error.to_string())?;
    match ran.end {
        End::Exited(0) => Ok(ran),
        _ => Err(format!("journalctl: {}{}", ended(&ran, &run), last_words(&ran))),
    }
}

/// The zone of a host's times: its variable `timezone`, or this machine's.
pub(super) fn zone_of(inventory: &Inventory, host: &HostName) -> Result<TimeZone, String> {
    match inventory.host_var(host, ZONE_VAR) {
        None => Ok(TimeZone::system()),
        Some(value) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            zone(&text).map_err(|why| format!("{ZONE_VAR} of {host}: {why}"))
        }
    }
}

/// A zone by its name or its distance from UTC.
pub fn zone(text: &str) -> Result<TimeZone, String> {
    if let Some(sign) = text.chars().next().filter(|sign| "+-".contains(*sign)) {
        let fixed = || {
            let (hours, minutes) = text.get(1..)?.split_once(':')?;
            let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
            Offset::from_seconds(if sign == '-' { -seconds } else { seconds }).ok()
        };
        return fixed().map(TimeZone::fixed).ok_or_else(|| format!("{text} is no offset such as +02:00"));
    }
    TimeZone::get(text).map_err(|error| format!("the zone {text} is not known here: {error}"))
}
