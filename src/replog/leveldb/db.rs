//! What an open of a directory by LevelDB would show, key by key, without opening it.
//!
//! Follows the library's recovery: CURRENT, manifest, the check for missing tables, replay of the write-ahead logs,
//! then a forward iteration that merges all of them. Each stored entry carries whether the library would show it, so
//! that the caller can tell what Mesos would see from what is really in the files.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::manifest::{self, TableMeta, Version};
use super::table::{self, BlockFault, Handle};
use super::wal;
use crate::replog::finding::{Finding, Findings, Severity};
use crate::replog::positions::{Span, describe, spans_of};
use crate::replog::record::{self, Key, Record};
use crate::replog::source::{FileEntry, Source, SourceError};

/// One file read into memory. Mesos's tables are 2 to 4 MB and its write-ahead logs a little more than 4 MB plus one
/// value.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Tables and logs read per directory.
const FILES_MAX: usize = 100_000;
/// Entries held per directory, about 200 bytes each.
const ENTRIES_MAX: usize = 10_000_000;

/// Which library the question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// LevelDB 1.4, bundled up to Mesos 1.2; knows `.sst` only, misses no missing table.
    Leveldb14,
    /// LevelDB 1.19 without snappy, bundled since Mesos 1.3.
    Leveldb119,
    /// LevelDB 1.23 of distributions, with snappy.
    Leveldb123,
}

impl Profile {
    fn snappy(self) -> bool {
        self == Self::Leveldb123
    }

    fn strict_eof(self) -> bool {
        self == Self::Leveldb14
    }
}

/// Where a value is, so that it can be read again.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In a table's block.
    Table { file: Arc<str>, block: Handle, at: usize, len: usize },
    /// In a write-ahead log's batch, held in memory.
    Held(Arc<[u8]>),
    /// The entry deletes its key.
    Deleted,
}

/// One entry of a file.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) key: Box<[u8]>,
    pub(crate) sequence: u64,
    /// Whether the library shows it; hidden entries are in damaged or unreferenced places.
    pub(crate) shown: bool,
    pub(crate) record: Option<Result<Record, record::BadRecord>>,
    pub(crate) place: Place,
    pub(crate) file: Arc<str>,
    pub(crate) offset: u64,
}

/// The whole directory as read.
pub(crate) struct Db {
    /// The status text of a failing open.
    pub(crate) error: Option<String>,
    /// No CURRENT: an open makes a new database over what is there.
    pub(crate) created: bool,
    /// Something needed could not be read by us; the answer is then not certain.
    pub(crate) uncertain: bool,
    /// The last sequence number after the write-ahead logs.
    pub(crate) last_sequence: u64,
    /// What the manifest lists.
    pub(crate) version: Version,
    /// What a forward iteration would give, in order.
    pub(crate) iterated: Vec<Stored>,
    /// All entries of all files, shown or not, newest per key.
    pub(crate) newest: BTreeMap<Box<[u8]>, Stored>,
}

/// Reads a directory.
pub(crate) fn open(source: &dyn Source, names: &[FileEntry], profile: Profile, findings: &mut Findings) -> Db {
    let mut opener = Opener { source, names, profile, findings, uncertain: false, entries_left: ENTRIES_MAX };
    opener.run()
}

struct Opener<'a> {
    source: &'a dyn Source,
    names: &'a [FileEntry],
    profile: Profile,
    findings: &'a mut Findings,
    uncertain: bool,
    entries_left: usize,
}

/// Number and kind of a file name, as the library parses it.
pub(crate) fn parse_name(name: &str) -> Option<(u64, FileKind)> {
    match name {
        "CURRENT" | "LOCK" | "LOG" | "LOG.old" => return Some((0, FileKind::Other)),
        _ => {}
    }
    let number = |text: &str| {
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u64>().ok()).flatten()
    };
    if let Some(rest) = name.strip_prefix("MANIFEST-") {
        return number(rest).map(|number| (number, FileKind::Manifest));
    }
    let (stem, kind) = name.split_once('.')?;
    let kind = match kind {
        "log" => FileKind::Wal,
        "sst" | "ldb" => FileKind::Table,
        "dbtmp" => FileKind::Other,
        _ => return None,
    };
    number(stem).map(|number| (number, kind))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Manifest,
    Wal,
    Table,
    Other,
}

impl Opener<'_> {
    fn run(&mut self) -> Db {
        let mut error = None;
        let mut version = Version::default();
        let created = !self.names.iter().any(|file| file.name == "CURRENT");
        if created {
            self.missing_current();
        } else {
            match self.version() {
                Ok(found) => version = found,
                Err((text, found)) => {
                    error = Some(text);
                    version = found;
                }
            }
        }
        self.foreign();
        let missing = self.missing_tables(&version);
        if self.profile != Profile::Leveldb14
            && error.is_none()
            && let Some(first) = missing.first()
        {
            error = Some(format!(
                "Corruption: {} missing files; e.g.: {}/{first:06}.ldb",
                missing.len(),
                self.source.path()
            ));
        }
        let (mut children, last_sequence) = self.logs(&version, created);
        let mut newest = BTreeMap::new();
        for stored in children.iter().flatten() {
            keep_newest(&mut newest, stored);
        }
        children.extend(self.tables(&version, created, &mut newest));
        let iterated = if error.is_some() { Vec::new() } else { merge(children, last_sequence) };
        Db { error, created, uncertain: self.uncertain, last_sequence, version, iterated, newest }
    }

    fn missing_current(&mut self) {
        let parsed: Vec<_> = self.names.iter().filter_map(|file| Some((file, parse_name(&file.name)?.1))).collect();
        let of =
            |kind| parsed.iter().filter(|(_, k)| *k == kind).map(|(file, _)| file.name.as_str()).collect::<Vec<_>>();
        let (tables, logs) = (of(FileKind::Table), of(FileKind::Wal));
        if tables.is_empty() && logs.is_empty() {
            return;
        }
        self.findings.push(
            Finding::new(
                "current-missing",
                Severity::Damage,
                format!(
                    "CURRENT is missing: opening this directory makes a new database, deletes its {} tables and keeps only what is in {}",
                    tables.len(),
                    if logs.is_empty() { "nothing".to_owned() } else { logs.join(", ") }
                ),
            )
            .in_file("CURRENT"),
        );
    }

    /// CURRENT and the manifest that it names. The error is the real status text, with what was read before it.
    fn version(&mut self) -> Result<Version, (String, Version)> {
        let path = self.source.path().to_owned();
        let fail = |text: String| (text, Version::default());
        let current = match self.source.read("CURRENT", 4096) {
            Ok(bytes) => bytes,
            Err(error) => return Err(fail(self.unread("CURRENT", &error, "current-unreadable"))),
        };
        let Some(name) = current.strip_suffix(b"\n") else {
            let text = "Corruption: CURRENT file does not end with newline";
            self.damage(
                "current-bad",
                "CURRENT",
                "CURRENT is empty or cut: it names no manifest, and no replica opens this log",
            );
            return Err(fail(text.to_owned()));
        };
        let name = String::from_utf8_lossy(name).into_owned();
        if !self.names.iter().any(|file| file.name == name) {
            self.damage("manifest-missing", &name, &format!("CURRENT names {name}, which is not there"));
            let io = format!("{path}/{name}: No such file or directory");
            return Err(fail(match self.profile {
                Profile::Leveldb123 => format!("Corruption: CURRENT points to a non-existent file: NotFound: {io}"),
                Profile::Leveldb14 | Profile::Leveldb119 => format!("IO error: {io}"),
            }));
        }
        let bytes = match self.source.read(&name, FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) => return Err(fail(self.unread(&name, &error, "manifest-unreadable"))),
        };
        let scan = manifest::scan(&bytes, self.profile.strict_eof(), self.profile == Profile::Leveldb123);
        for drop in &scan.drops {
            let (code, severity) =
                if drop.torn { ("manifest-torn", Severity::Warning) } else { ("manifest-corrupt", Severity::Damage) };
            let message = format!("{} bytes of the manifest are dropped: {}", drop.bytes, drop.reason);
            self.findings.push(Finding::new(code, severity, message).in_file(&name).at(drop.offset));
        }
        match scan.error {
            Some(text) => {
                if scan.drops.iter().all(|drop| drop.torn) {
                    self.damage("manifest-corrupt", &name, &format!("the manifest cannot be used: {text}"));
                }
                Err((text, scan.version))
            }
            None => Ok(scan.version),
        }
    }

    fn damage(&mut self, code: &str, file: &str, message: &str) {
        self.findings.push(Finding::new(code, Severity::Damage, message).in_file(file));
    }

    /// Something that we could not read: the real status text if the real program could not either.
    fn unread(&mut self, name: &str, error: &SourceError, code: &str) -> String {
        self.uncertain = true;
        self.findings.push(
            Finding::new(
                code,
                Severity::Warning,
                format!("{name} could not be read: {error}; what it holds is unknown"),
            )
            .in_file(name),
        );
        let reason = match error {
            SourceError::NotFound => "No such file or directory",
            SourceError::Denied => "Permission denied",
            SourceError::NotADirectory => "Not a directory",
            SourceError::NotAFile => "Is a directory",
            SourceError::TooLarge { .. } | SourceError::Changed | SourceError::Io(_) => "Input/output error",
        };
        format!("IO error: {}/{name}: {reason}", self.source.path())
    }

    fn foreign(&mut self) {
        for file in self.names {
            if parse_name(&file.name).is_none() {
                self.findings.push(
                    Finding::new("foreign-file", Severity::Info, "not a file of LevelDB; it is left alone")
                        .in_file(&file.name),
                );
            }
        }
    }

    fn missing_tables(&mut self, version: &Version) -> Vec<u64> {
        let present: std::collections::BTreeSet<u64> =
            self.names.iter().filter_map(|file| parse_name(&file.name)).map(|(number, _)| number).collect();
        let mut missing: Vec<u64> = Vec::new();
        for meta in version.tables.values().filter(|meta| !present.contains(&meta.number)) {
            missing.push(meta.number);
            let name = format!("{:06}.ldb", meta.number);
            let cost = meta_span(meta).into_iter().collect::<Vec<_>>();
            self.findings.push(
                Finding::new(
                    "table-missing",
                    Severity::Damage,
                    format!("the manifest lists {name}, which is not there{}", costs(&cost)),
                )
                .in_file(&name)
                .over(&cost),
            );
        }
        missing.sort_unstable();
        missing
    }

    /// Write-ahead logs that an open replays, as one sorted run, and the last sequence number after them.
    fn logs(&mut self, version: &Version, created: bool) -> (Vec<Vec<Stored>>, u64) {
        let mut last_sequence = version.last_sequence;
        let mut logs: Vec<(u64, &FileEntry)> = self
            .names
            .iter()
            .filter_map(|file| {
                parse_name(&file.name).filter(|(_, kind)| *kind == FileKind::Wal).map(|(n, _)| (n, file))
            })
            .take(FILES_MAX)
            .collect();
        logs.sort_unstable_by_key(|(number, _)| *number);
        let mut run = Vec::new();
        let mut replayed = 0;
        for (number, file) in logs {
            let live = number >= version.log_number || number == version.prev_log_number && number != 0;
            replayed += u64::from(live);
            self.wal(file, live, &mut last_sequence, &mut run);
        }
        if replayed == 0 && !created {
            self.findings.push(Finding::new(
                "wal-missing",
                Severity::Damage,
                format!(
                    "no write-ahead log from number {} on: what was written last is gone, and a real replica opens without a word",
                    version.log_number
                ),
            ));
        }
        run.sort_by(compare);
        (vec![run], last_sequence)
    }

    fn wal(&mut self, file: &FileEntry, live: bool, last_sequence: &mut u64, run: &mut Vec<Stored>) {
        let bytes = match self.source.read(&file.name, FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.unread(&file.name, &error, "wal-unreadable");
                return;
            }
        };
        let name: Arc<str> = file.name.as_str().into();
        let mut reader = wal::LogReader::new(&bytes, self.profile.strict_eof());
        while let Some((offset, record)) = reader.next_record() {
            let Some(batch) = wal::batch(&record) else {
                self.findings.push(batch_finding(&name, offset, "log record too small"));
                continue;
            };
            if let Some(reason) = batch.error {
                self.findings.push(batch_finding(&name, offset, reason));
            }
            for op in &batch.ops {
                if !self.take_entry() {
                    return;
                }
                run.push(Stored {
                    key: op.key.into(),
                    sequence: op.sequence,
                    shown: live,
                    record: op.value.map(record::decode),
                    place: op.value.map_or(Place::Deleted, |value| Place::Held(value.into())),
                    file: Arc::clone(&name),
                    offset,
                });
            }
            if live {
                *last_sequence = (*last_sequence).max(batch.last_sequence);
            }
        }
        for drop in &reader.drops {
            let torn = drop.torn;
            self.findings.push(
                Finding::new(
                    if torn { "wal-torn" } else { "wal-corrupt" },
                    if torn { Severity::Warning } else { Severity::Damage },
                    format!(
                        "{} bytes are dropped without a word when this log is opened: {}; the end moves back by what they held",
                        drop.bytes, drop.reason
                    ),
                )
                .in_file(&name)
                .at(drop.offset),
            );
        }
    }

    fn take_entry(&mut self) -> bool {
        if self.entries_left == 0 {
            if !self.uncertain {
                self.findings.push(Finding::new(
                    "limit-entries",
                    Severity::Warning,
                    format!("more than {ENTRIES_MAX} entries; the rest was not read"),
                ));
            }
            self.uncertain = true;
            return false;
        }
        self.entries_left -= 1;
        true
    }

    /// Runs of the tables that the version names (level 0 one by one, deeper levels joined); tables that it does not
    /// name only reach `newest`.
    fn tables(
        &mut self,
        version: &Version,
        created: bool,
        newest: &mut BTreeMap<Box<[u8]>, Stored>,
    ) -> Vec<Vec<Stored>> {
        let mut runs: Vec<Vec<Stored>> = Vec::new();
        let mut live: Vec<&TableMeta> = version.tables.values().collect();
        live.sort_by(|a, b| {
            (a.level, internal_key(&a.smallest))
                .cmp(&(b.level, internal_key(&b.smallest)))
                .then(a.number.cmp(&b.number))
        });
        let mut joined: Option<u32> = None;
        for meta in &live {
            let Some(file) = self.table_file(meta.number) else { continue };
            let entries = self.table(&file, Some(meta));
            for stored in &entries {
                keep_newest(newest, stored);
            }
            let shown: Vec<Stored> = entries.into_iter().filter(|stored| stored.shown).collect();
            match runs.last_mut() {
                Some(run) if meta.level > 0 && joined == Some(meta.level) => run.extend(shown),
                _ => runs.push(shown),
            }
            joined = Some(meta.level);
        }
        let listed: std::collections::BTreeSet<u64> = live.iter().map(|meta| meta.number).collect();
        let stray: Vec<FileEntry> = self
            .names
            .iter()
            .filter(
                |file| matches!(parse_name(&file.name), Some((number, FileKind::Table)) if !listed.contains(&number)),
            )
            .take(FILES_MAX)
            .cloned()
            .collect();
        for file in stray {
            let mut entries = self.table(&file, None);
            self.stray(&file.name, created, &entries);
            for stored in &mut entries {
                stored.shown = false;
                keep_newest(newest, stored);
            }
        }
        runs
    }

    fn stray(&mut self, name: &str, created: bool, entries: &[Stored]) {
        let spans = action_spans(entries);
        let holds =
            if spans.is_empty() { "no positions".to_owned() } else { format!("positions {}", describe(&spans)) };
        let finding = if created {
            Finding::new("table-doomed", Severity::Damage, format!("holds {holds}; opening this directory deletes it"))
        } else {
            Finding::new(
                "table-unreferenced",
                Severity::Info,
                format!("holds {holds}; the manifest does not list it, and opening this directory deletes it"),
            )
        };
        self.findings.push(finding.in_file(name).over(&spans));
    }

    fn table_file(&self, number: u64) -> Option<FileEntry> {
        let find = |suffix: &str| {
            let name = format!("{number:06}.{suffix}");
            self.names.iter().find(|file| file.name == name).cloned()
        };
        find("ldb").or_else(|| find("sst"))
    }

    fn table(&mut self, file: &FileEntry, meta: Option<&TableMeta>) -> Vec<Stored> {
        let bytes = match self.source.read(&file.name, FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.unread(&file.name, &error, "table-unreadable");
                return Vec::new();
            }
        };
        let known: Vec<Span> = meta.and_then(meta_span).into_iter().collect();
        let index = match table::open(&bytes, meta.map_or(bytes.len() as u64, |meta| meta.size)) {
            Ok(index) => index,
            Err(text) => {
                self.findings.push(
                    Finding::new(
                        "table-damaged",
                        Severity::Damage,
                        format!(
                            "the whole table is dropped without a word when this log is opened ({text}){}",
                            costs(&known)
                        ),
                    )
                    .in_file(&file.name)
                    .over(&known),
                );
                return Vec::new();
            }
        };
        let visible = (!index.snappy || self.profile.snappy()) && self.name_known(&file.name);
        self.index_findings(file, &index, &known);
        let mut walk = TableWalk {
            name: file.name.as_str().into(),
            bytes: &bytes,
            visible,
            snappy: index.snappy,
            previous: known.first().map(|span| span.first),
            last: known.first().map(|span| span.last),
            entries: Vec::new(),
        };
        for (separator, handle) in &index.blocks {
            self.block(&mut walk, separator, *handle);
        }
        if walk.snappy && !self.profile.snappy() {
            let spans = action_spans(&walk.entries);
            self.findings.push(
                Finding::new(
                    "table-snappy",
                    Severity::Damage,
                    "has blocks compressed with snappy, which Mesos's bundled LevelDB drops without a word; only a Mesos linked to a LevelDB with snappy sees them",
                )
                .in_file(&file.name)
                .over(&spans),
            );
        }
        walk.entries
    }

    /// The library of before 1.5 does not know tables named `.ldb`.
    fn name_known(&self, name: &str) -> bool {
        self.profile != Profile::Leveldb14 || name.rsplit_once('.').is_some_and(|(_, kind)| kind == "sst")
    }

    fn index_findings(&mut self, file: &FileEntry, index: &table::Index, known: &[Span]) {
        if !index.checksum_ok {
            let message = "the checksum of the table's index is wrong; Mesos does not check it";
            self.findings.push(
                Finding::new("index-checksum", Severity::Damage, message)
                    .in_file(&file.name)
                    .at(index.handle.offset)
                    .over(known),
            );
        }
        if index.cut {
            let message = "the table's index ends early: blocks behind that place are dropped without a word";
            self.findings.push(
                Finding::new("index-damaged", Severity::Damage, message)
                    .in_file(&file.name)
                    .at(index.handle.offset)
                    .over(known),
            );
        }
    }

    fn block(&mut self, walk: &mut TableWalk<'_>, separator: &[u8], handle: Option<Handle>) {
        let upper = separator_position(separator).map(|upper| walk.last.map_or(upper, |last| upper.min(last)));
        let cost = match (walk.previous, upper) {
            (Some(first), Some(last)) if first <= last => vec![Span { first, last }],
            _ => Vec::new(),
        };
        if let Some(upper) = upper {
            walk.previous = Some(upper.saturating_add(1));
        }
        let fault = match handle {
            None => Some((0, BlockFault::BadHandle)),
            Some(handle) => match table::block(walk.bytes, handle) {
                Err(fault) => Some((handle.offset, fault)),
                Ok(block) => self.block_entries(walk, handle, &block).map(|fault| (handle.offset, fault)),
            },
        };
        if let Some((offset, fault)) = fault {
            let (code, what) = describe_fault(fault);
            let costs = if fault.hides() { costs(&cost) } else { String::new() };
            self.findings.push(
                Finding::new(code, Severity::Damage, format!("{what}{costs}"))
                    .in_file(&walk.name)
                    .at(offset)
                    .over(&cost),
            );
        }
    }

    fn block_entries(
        &mut self,
        walk: &mut TableWalk<'_>,
        handle: Handle,
        block: &table::Block<'_>,
    ) -> Option<BlockFault> {
        let shown = walk.visible && (!block.snappy || self.profile.snappy());
        walk.snappy |= block.snappy;
        let name = Arc::clone(&walk.name);
        let entries = &mut walk.entries;
        let cut = table::entries(&block.bytes, |internal, at, value| {
            let Some((key, tag)) = internal_key(internal) else { return };
            if tag & 0xff > 1 || !self.take_entry() {
                return;
            }
            let put = tag & 0xff == 1;
            entries.push(Stored {
                key: key.into(),
                sequence: tag >> 8,
                shown,
                record: put.then(|| record::decode(value)),
                place: if put {
                    Place::Table { file: Arc::clone(&name), block: handle, at, len: value.len() }
                } else {
                    Place::Deleted
                },
                file: Arc::clone(&name),
                offset: handle.offset,
            });
        });
        cut.or_else(|| (!block.checksum_ok).then_some(BlockFault::Checksum))
    }
}

struct TableWalk<'a> {
    name: Arc<str>,
    bytes: &'a [u8],
    visible: bool,
    snappy: bool,
    /// First position that the next block can hold, and the last of the table, where known.
    previous: Option<u64>,
    last: Option<u64>,
    entries: Vec<Stored>,
}

fn describe_fault(fault: BlockFault) -> (&'static str, &'static str) {
    match fault {
        BlockFault::BadHandle => {
            ("block-handle", "an index entry does not say where its block is; the block is dropped without a word")
        }
        BlockFault::Truncated => ("block-outside", "a block lies outside the file; it is dropped without a word"),
        BlockFault::BadType => ("block-type", "a block of unknown compression is dropped without a word"),
        BlockFault::BadSnappy => ("block-snappy", "a block does not decompress and is dropped without a word"),
        BlockFault::BadContents => {
            ("block-contents", "a block's restart points are impossible; the block is dropped without a word")
        }
        BlockFault::EntryCut => (
            "block-entry",
            "an entry of a block is impossible; it and the rest of the block are dropped without a word",
        ),
        BlockFault::Checksum => (
            "block-checksum",
            "a block's checksum is wrong; Mesos does not check it and takes the changed bytes as they are",
        ),
    }
}

fn batch_finding(name: &str, offset: u64, reason: &str) -> Finding {
    Finding::new(
        "wal-batch",
        Severity::Damage,
        format!("a write batch is damaged: {reason}; the rest of it is dropped"),
    )
    .in_file(name)
    .at(offset)
}

fn costs(spans: &[Span]) -> String {
    if spans.is_empty() { String::new() } else { format!("; it may cost positions {}", describe(spans)) }
}

/// User key and tag of an internal key.
fn internal_key(internal: &[u8]) -> Option<(&[u8], u64)> {
    let (key, tag) = internal.split_at_checked(internal.len().checked_sub(8)?)?;
    tag.try_into().ok().map(|tag| (key, u64::from_le_bytes(tag)))
}

/// The positions between a table's smallest and largest key.
fn meta_span(meta: &TableMeta) -> Option<Span> {
    let first = separator_position(&meta.smallest)?;
    let last = separator_position(&meta.largest)?;
    (first <= last).then_some(Span { first, last })
}

/// The position up to which an internal key separates; the metadata key counts as position 0, a key that the library
/// shortened stands for the first position that sorts after it.
fn separator_position(internal: &[u8]) -> Option<u64> {
    let (key, _) = internal_key(internal)?;
    match record::key(key) {
        Key::Metadata => Some(0),
        Key::Position(position) | Key::Wrapped(position) => Some(position),
        Key::Foreign if key.len() < 10 && key.iter().all(u8::is_ascii_digit) => {
            let mut padded = key.to_vec();
            padded.resize(10, b'0');
            match record::key(&padded) {
                Key::Position(position) => Some(position),
                _ => Some(0),
            }
        }
        Key::Foreign => None,
    }
}

pub(crate) fn action_spans(entries: &[Stored]) -> Vec<Span> {
    let mut positions: Vec<u64> = entries
        .iter()
        .filter_map(|stored| match &stored.record {
            Some(Ok(Record::Action(action, _))) => Some(action.position),
            _ => None,
        })
        .collect();
    positions.sort_unstable();
    spans_of(positions)
}

fn keep_newest(newest: &mut BTreeMap<Box<[u8]>, Stored>, stored: &Stored) {
    match newest.get(&stored.key) {
        Some(held) if held.sequence > stored.sequence || held.sequence == stored.sequence && held.shown => {}
        _ => {
            newest.insert(stored.key.clone(), stored.clone());
        }
    }
}

/// A stored value again; tables are read by block.
pub(crate) fn value(source: &dyn Source, stored: &Stored) -> Option<Vec<u8>> {
    match &stored.place {
        Place::Deleted => None,
        Place::Held(bytes) => Some(bytes.to_vec()),
        Place::Table { file, block, at, len } => {
            let bytes = source.read_at(file, block.offset, block.size.checked_add(table::TRAILER)?).ok()?;
            let block = table::block(&bytes, Handle { offset: 0, size: block.size }).ok()?;
            block.bytes.get(*at..at.checked_add(*len)?).map(<[u8]>::to_vec)
        }
    }
}

/// Order of internal keys: user key ascending, sequence descending.
fn compare(a: &Stored, b: &Stored) -> Ordering {
    let put = |stored: &Stored| !matches!(stored.place, Place::Deleted);
    a.key.cmp(&b.key).then(b.sequence.cmp(&a.sequence)).then(put(b).cmp(&put(a)))
}

/// A forward iteration over all runs, as the library's merging and database iterators do it: a key that does not sort
/// after the one before it is hidden.
fn merge(runs: Vec<Vec<Stored>>, last_sequence: u64) -> Vec<Stored> {
    let mut runs: Vec<VecDeque<Stored>> =
        runs.into_iter().map(|run| run.into_iter().filter(|stored| stored.shown).collect()).collect();
    let mut out = Vec::new();
    let mut hidden_up_to: Option<Box<[u8]>> = None;
    loop {
        let mut best: Option<(usize, &Stored)> = None;
        for (at, run) in runs.iter().enumerate() {
            if let Some(front) = run.front()
                && best.is_none_or(|(_, held)| compare(front, held) == Ordering::Less)
            {
                best = Some((at, front));
            }
        }
        let best = best.map(|(at, _)| at);
        let Some(stored) = best.and_then(|at| runs.get_mut(at)).and_then(VecDeque::pop_front) else { return out };
        if stored.sequence > last_sequence {
            continue;
        }
        if matches!(stored.place, Place::Deleted) {
            hidden_up_to = Some(stored.key);
        } else if hidden_up_to.as_ref().is_none_or(|hidden| stored.key > *hidden) {
            hidden_up_to = Some(stored.key.clone());
            out.push(stored);
        }
    }
}
