//! The manifest: version edits folded into the set of live tables, with the errors that an open would give.

use std::collections::BTreeMap;

use super::bytes::Cursor;
use super::wal::{Drop, LogReader};
use crate::replog::source::SourceError;

/// Levels of the library; an edit naming another is corrupt.
const LEVELS: u32 = 7;
/// The only comparator that Mesos uses.
pub(crate) const COMPARATOR: &[u8] = b"leveldb.BytewiseComparator";
/// Live tables kept: a log of 250 MB has about a hundred; a manifest cannot make us hold more than this.
const MAX_TABLES: usize = 100_000;

/// A table as the manifest knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableMeta {
    pub(crate) level: u32,
    pub(crate) number: u64,
    pub(crate) size: u64,
    /// Internal keys: user key and eight bytes.
    pub(crate) smallest: Vec<u8>,
    pub(crate) largest: Vec<u8>,
}

/// What the manifest says as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) tables: BTreeMap<(u32, u64), TableMeta>,
    pub(crate) log_number: u64,
    pub(crate) prev_log_number: u64,
    pub(crate) last_sequence: u64,
    pub(crate) edits: u64,
    /// More tables are listed than are kept.
    pub(crate) cut: bool,
}

/// The result of reading a manifest.
#[derive(Debug)]
pub(crate) struct ManifestScan {
    pub(crate) version: Version,
    /// The status text that an open would end with.
    pub(crate) error: Option<String>,
    pub(crate) drops: Vec<Drop>,
    /// Why not everything was read.
    pub(crate) failed: Option<SourceError>,
}

#[derive(Default)]
struct Seen {
    next_file: bool,
    log_number: bool,
    last_sequence: bool,
}

/// Reads a manifest. `nonempty_keys` is the check that came with 1.22: an empty internal key is corrupt.
pub(crate) fn scan(mut reader: LogReader<'_>, nonempty_keys: bool) -> ManifestScan {
    let mut version = Version::default();
    let mut seen = Seen::default();
    let mut error = None;
    while let Some(record) = reader.next_record() {
        // A drop before this record makes the open fail before the record is used.
        if error.is_some() || reader.drops.iter().any(|drop| !drop.torn) {
            break;
        }
        error = apply(&mut version, &mut seen, &record.bytes, nonempty_keys);
        version.edits += 1;
    }
    let reported = reader.drops.iter().find(|drop| !drop.torn).map(|drop| format!("Corruption: {}", drop.reason));
    let error = error.or(reported).or_else(|| {
        let missing = match (seen.next_file, seen.log_number, seen.last_sequence) {
            (false, _, _) => "no meta-nextfile entry in descriptor",
            (_, false, _) => "no meta-lognumber entry in descriptor",
            (_, _, false) => "no last-sequence-number entry in descriptor",
            (true, true, true) => return None,
        };
        Some(format!("Corruption: {missing}"))
    });
    ManifestScan { version, error, drops: reader.drops, failed: reader.failed }
}

fn apply(version: &mut Version, seen: &mut Seen, record: &[u8], nonempty_keys: bool) -> Option<String> {
    let mut edit = Edit::default();
    if let Err(what) = edit.decode(record, nonempty_keys) {
        return Some(format!("Corruption: VersionEdit: {what}"));
    }
    if let Some(name) = edit.comparator.filter(|name| name != COMPARATOR) {
        return Some(format!(
            "Invalid argument: {} does not match existing comparator : {}",
            String::from_utf8_lossy(&name),
            String::from_utf8_lossy(COMPARATOR)
        ));
    }
    for key in edit.deleted {
        version.tables.remove(&key);
    }
    for table in edit.added {
        if version.tables.len() < MAX_TABLES {
            version.tables.insert((table.level, table.number), table);
        } else {
            version.cut = true;
        }
    }
    if let Some(number) = edit.log_number {
        version.log_number = number;
        seen.log_number = true;
    }
    if let Some(number) = edit.prev_log_number {
        version.prev_log_number = number;
    }
    seen.next_file |= edit.next_file;
    if let Some(sequence) = edit.last_sequence {
        version.last_sequence = sequence;
        seen.last_sequence = true;
    }
    None
}

#[derive(Default)]
struct Edit {
    comparator: Option<Vec<u8>>,
    log_number: Option<u64>,
    prev_log_number: Option<u64>,
    next_file: bool,
    last_sequence: Option<u64>,
    deleted: Vec<(u32, u64)>,
    added: Vec<TableMeta>,
}

impl Edit {
    fn decode(&mut self, record: &[u8], nonempty_keys: bool) -> Result<(), &'static str> {
        let mut cursor = Cursor::new(record);
        while let Some(tag) = cursor.varint32() {
            match tag {
                1 => self.comparator = Some(cursor.prefixed().ok_or("comparator name")?.to_vec()),
                2 => self.log_number = Some(cursor.varint64().ok_or("log number")?),
                9 => self.prev_log_number = Some(cursor.varint64().ok_or("previous log number")?),
                3 => {
                    cursor.varint64().ok_or("next file number")?;
                    self.next_file = true;
                }
                4 => self.last_sequence = Some(cursor.varint64().ok_or("last sequence number")?),
                5 => {
                    level(&mut cursor).ok_or("compaction pointer")?;
                    key(&mut cursor, nonempty_keys).ok_or("compaction pointer")?;
                }
                6 => {
                    let level = level(&mut cursor).ok_or("deleted file")?;
                    self.deleted.push((level, cursor.varint64().ok_or("deleted file")?));
                }
                7 => self.added.push(new_file(&mut cursor, nonempty_keys).ok_or("new-file entry")?),
                _ => return Err("unknown tag"),
            }
        }
        if cursor.is_empty() { Ok(()) } else { Err("invalid tag") }
    }
}

fn level(cursor: &mut Cursor<'_>) -> Option<u32> {
    cursor.varint32().filter(|level| *level < LEVELS)
}

fn key(cursor: &mut Cursor<'_>, nonempty: bool) -> Option<Vec<u8>> {
    cursor.prefixed().filter(|key| !nonempty || !key.is_empty()).map(<[u8]>::to_vec)
}

fn new_file(cursor: &mut Cursor<'_>, nonempty_keys: bool) -> Option<TableMeta> {
    Some(TableMeta {
        level: level(cursor)?,
        number: cursor.varint64()?,
        size: cursor.varint64()?,
        smallest: key(cursor, nonempty_keys)?,
        largest: key(cursor, nonempty_keys)?,
    })
}
