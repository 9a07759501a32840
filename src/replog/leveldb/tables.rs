//! The tables of a directory: those that the version names, those that it does not, and what each damage may cost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::db::{
    FILE_BYTES_MAX, FILES_MAX, FileKind, Opener, Place, Profile, Stored, action_spans, keep_newest, parse_name,
};
use super::manifest::{TableMeta, Version};
use super::table::{self, BlockFault, Handle};
use crate::replog::finding::{Finding, Severity};
use crate::replog::positions::{Span, describe};
use crate::replog::record::{self, Key};
use crate::replog::source::FileEntry;

impl Opener<'_> {
    /// Runs of the tables that the version names (level 0 one by one, deeper levels joined); tables that it does not
    /// name only reach `newest`.
    pub(super) fn tables(
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
        let listed: BTreeSet<u64> = live.iter().map(|meta| meta.number).collect();
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
pub(super) fn costs(spans: &[Span]) -> String {
    if spans.is_empty() { String::new() } else { format!("; it may cost positions {}", describe(spans)) }
}

/// User key and tag of an internal key.
pub(super) fn internal_key(internal: &[u8]) -> Option<(&[u8], u64)> {
    let (key, tag) = internal.split_at_checked(internal.len().checked_sub(8)?)?;
    tag.try_into().ok().map(|tag| (key, u64::from_le_bytes(tag)))
}

/// The positions between a table's smallest and largest key.
pub(super) fn meta_span(meta: &TableMeta) -> Option<Span> {
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
