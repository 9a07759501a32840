//! What an open of a directory by LevelDB would show, key by key, without opening it.
//!
//! Follows the library's recovery: CURRENT, manifest, the check for missing tables, replay of the write-ahead logs,
//! then a forward iteration that merges all of them. Each stored entry carries whether the library would show it, so
//! that the caller can tell what Mesos would see from what is really in the files.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::manifest::{self, Version};
use super::merge::{Each, Seen, compare, merge};
use super::table::Handle;
use super::tables::{costs, meta_span};
use super::wal::{self, LogReader};
use crate::replog::digest::digest;
use crate::replog::finding::{Finding, Findings, Severity};
use crate::replog::record::{self, Record};
use crate::replog::source::{FileEntry, Source, SourceError};

/// Tables and logs read per directory.
pub(super) const FILES_MAX: usize = 100_000;
/// Entries read per directory: a bound on time, since none of them is held for long.
const ENTRIES_MAX: u64 = 50_000_000;
/// Entries of write-ahead logs, which are held until they are sorted. A replica's log of 4 MB has some thousands.
const WAL_ENTRIES_MAX: usize = 500_000;

/// What is read of CURRENT; a path of the system is no longer than this.
const CURRENT_BYTES_MAX: u64 = 4096;
/// The longest name of a file on Linux.
const NAME_BYTES_MAX: usize = 255;

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
    pub(super) fn snappy(self) -> bool {
        self == Self::Leveldb123
    }

    fn strict_eof(self) -> bool {
        self == Self::Leveldb14
    }
}

/// Where a value is, so that it can be read again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// In a table's block.
    Table { block: Handle, at: u32, len: u32 },
    /// In a record of a write-ahead log.
    Wal { record: u64, at: u32, len: u32 },
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
    /// Of an APPEND's bytes.
    pub(crate) digest: u64,
    pub(crate) place: Place,
    pub(crate) file: Arc<str>,
    pub(crate) offset: u64,
}

impl Stored {
    /// Reads the record of a value.
    pub(crate) fn read(value: Option<&[u8]>) -> (Option<Result<Record, record::BadRecord>>, u64) {
        let record = value.map(record::decode);
        let digest = match (&record, value) {
            (Some(Ok(Record::Action(_, Some(bytes)))), Some(value)) => value.get(bytes.clone()).map_or(0, digest),
            _ => 0,
        };
        (record, digest)
    }
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
}

/// Reads a directory. `each` is called for every entry of every file in the order of keys, newest first, with whether
/// a forward iteration of the library would give it, and with its value where that needs no second reading.
pub(crate) fn open(
    source: &dyn Source,
    names: &[FileEntry],
    profile: Profile,
    findings: &mut Findings,
    each: &mut Each<'_>,
) -> Db {
    let mut opener = Opener { source, names, profile, findings, uncertain: false, entries_left: ENTRIES_MAX };
    opener.run(each)
}

pub(super) struct Opener<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) names: &'a [FileEntry],
    pub(super) profile: Profile,
    pub(super) findings: &'a mut Findings,
    pub(super) uncertain: bool,
    pub(super) entries_left: u64,
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
    fn run(&mut self, each: &mut Each<'_>) -> Db {
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
        let (run, last_sequence) = self.logs(&version, created);
        let tables = self.tables(&version, created, error.is_some());
        let fails = error.is_some();
        merge(self, run, tables, last_sequence, &mut |stored, seen, value| {
            each(stored, if fails { Seen::Hidden } else { seen }, value);
        });
        Db { error, created, uncertain: self.uncertain, last_sequence, version }
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
        let current = match self.current() {
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
        let named = String::from_utf8_lossy(name).into_owned();
        // The library hands the name to the system, for which it ends at the first zero byte.
        let name = named.split('\0').next().unwrap_or_default().to_owned();
        if matches!(name.as_str(), "" | "." | "..") {
            self.damage("current-bad", "CURRENT", "CURRENT names nothing, and no replica opens this log");
            return Err(fail(format!("IO error: {path}/{named}: Is a directory")));
        }
        if name.len() > NAME_BYTES_MAX {
            self.damage("current-bad", "CURRENT", "CURRENT names a file of an impossible name");
            return Err(fail(format!("IO error: {path}/{named}: File name too long")));
        }
        if !self.names.iter().any(|file| file.name == name) {
            self.damage("manifest-missing", &name, &format!("CURRENT names {name}, which is not there"));
            let io = format!("{path}/{named}: No such file or directory");
            return Err(fail(match self.profile {
                Profile::Leveldb123 => format!("Corruption: CURRENT points to a non-existent file: NotFound: {io}"),
                Profile::Leveldb14 | Profile::Leveldb119 => format!("IO error: {io}"),
            }));
        }
        let reader = LogReader::new(self.source, &name, self.profile.strict_eof());
        let scan = manifest::scan(reader, self.profile == Profile::Leveldb123);
        if let Some(error) = &scan.failed {
            let text = self.unread(&name, error, "manifest-unreadable");
            return Err((text, scan.version));
        }
        if scan.version.cut {
            self.uncertain = true;
            let text = "lists more tables than are read";
            self.findings.push(Finding::new("limit-tables", Severity::Warning, text).in_file(&name));
        }
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

    /// What CURRENT holds. Of a file longer than any name, the beginning and the last byte, which decides alone.
    fn current(&self) -> Result<Vec<u8>, SourceError> {
        let mut bytes = self.source.read_at("CURRENT", 0, CURRENT_BYTES_MAX)?;
        let len = self.names.iter().find(|file| file.name == "CURRENT").map_or(0, |file| file.len);
        if bytes.len() as u64 == CURRENT_BYTES_MAX && len > CURRENT_BYTES_MAX {
            bytes.extend(self.source.read_at("CURRENT", len - 1, 1)?);
        }
        Ok(bytes)
    }

    fn damage(&mut self, code: &str, file: &str, message: &str) {
        self.findings.push(Finding::new(code, Severity::Damage, message).in_file(file));
    }

    /// Something that we could not read: the real status text if the real program could not either.
    pub(super) fn unread(&mut self, name: &str, error: &SourceError, code: &str) -> String {
        self.uncertain = true;
        self.findings.push(
            Finding::new(
                code,
                Severity::Warning,
                format!("{name} could not be read: {error}; what it holds is unknown"),
            )
            .in_file(name),
        );
        let reason = error.reason();
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
    fn logs(&mut self, version: &Version, created: bool) -> (Vec<Stored>, u64) {
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
        (run, last_sequence)
    }

    fn wal(&mut self, file: &FileEntry, live: bool, last_sequence: &mut u64, run: &mut Vec<Stored>) {
        let name: Arc<str> = file.name.as_str().into();
        let mut reader = LogReader::new(self.source, &name, self.profile.strict_eof());
        while let Some(record) = reader.next_record() {
            let Some(mut batch) = wal::batch(&record.bytes) else {
                if !record.hidden {
                    self.findings.push(batch_finding(&name, record.offset, "log record too small"));
                }
                continue;
            };
            let shown = live && !record.hidden;
            for op in &mut batch {
                if run.len() >= WAL_ENTRIES_MAX || !self.take_entry() {
                    self.too_many(&name);
                    return;
                }
                let (found, digest) = Stored::read(op.value);
                run.push(Stored {
                    key: op.key.into(),
                    sequence: op.sequence,
                    shown,
                    record: found,
                    digest,
                    place: op.value.map_or(Place::Deleted, |value| Place::Wal {
                        record: record.offset,
                        at: op.at as u32,
                        len: value.len() as u32,
                    }),
                    file: Arc::clone(&name),
                    offset: record.offset,
                });
            }
            if record.hidden {
                continue;
            }
            if let Some(reason) = batch.error {
                self.findings.push(batch_finding(&name, record.offset, reason));
            }
            if live {
                *last_sequence = (*last_sequence).max(batch.last_sequence);
            }
        }
        if let Some(error) = &reader.failed {
            self.unread(&file.name, error, "wal-unreadable");
        }
        self.dropped(&name, live, &reader.drops);
    }

    fn dropped(&mut self, name: &str, live: bool, drops: &[wal::Drop]) {
        for drop in drops {
            let (code, severity) = match (drop.torn, live) {
                (true, true) => ("wal-torn", Severity::Warning),
                (false, true) => ("wal-corrupt", Severity::Damage),
                (_, false) => ("wal-old-damaged", Severity::Info),
            };
            let what = if live {
                "dropped without a word when this log is opened"
            } else {
                "damaged in a log that is not replayed any more"
            };
            let cost = if drop.positions.is_empty() {
                "; the end moves back by what they held".to_owned()
            } else {
                costs(&drop.positions)
            };
            let text = format!("{} bytes are {what}: {}{cost}", drop.bytes, drop.reason);
            self.findings.push(Finding::new(code, severity, text).in_file(name).at(drop.offset).over(&drop.positions));
        }
    }

    fn too_many(&mut self, name: &str) {
        self.uncertain = true;
        let text = format!("more than {WAL_ENTRIES_MAX} entries in write-ahead logs; the rest was not read");
        self.findings.push(Finding::new("limit-entries", Severity::Warning, text).in_file(name));
    }

    pub(super) fn take_entry(&mut self) -> bool {
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
