//! The tables of a directory: those that the version names, those that it does not, and what each damage may cost.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::bytes::Cursor;
use super::db::{FILES_MAX, FileKind, Opener, Place, Profile, Stored, parse_name};
use super::manifest::{TableMeta, Version};
use super::table::{self, BLOCK_BYTES_MAX, BlockFault, Handle, TableFault, ValueAt};
use super::window::Window;
use crate::replog::finding::{Finding, Severity};
use crate::replog::positions::{Positions, Span, describe};
use crate::replog::record::{self, Key, Record};
use crate::replog::source::{FileEntry, Source};

/// Bytes read ahead of all tables that are open at once, and of one of them.
const AHEAD_TOTAL: usize = 4 << 20;
const AHEAD_MIN: usize = 8 << 10;
const AHEAD_MAX: usize = 128 << 10;
/// Bytes of a block whose memory is used again: many times a usual one.
const SPARE_BYTES_MAX: usize = 64 << 10;

/// Tables that come one after another in the order of keys: one of level 0, all of a deeper level, or one that the
/// manifest does not name. One table and one block of it are open at a time.
pub(super) struct Run {
    tables: VecDeque<Planned>,
}

/// A table that is to be read.
struct Planned {
    file: FileEntry,
    meta: Option<TableMeta>,
    fate: Fate,
}

/// What becomes of a table when the directory is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Live,
    /// The library deletes it with everything else: there is no CURRENT.
    Doomed,
    /// Not named by the manifest, and deleted.
    Stray,
    /// Not named by what can be read of a manifest, and kept, since the log does not open.
    Unlisted,
}

impl Opener<'_> {
    /// Runs of the tables that the version names (level 0 one by one, deeper levels joined), then of those that it
    /// does not.
    pub(super) fn tables(&mut self, version: &Version, created: bool, fails: bool) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut live: Vec<&TableMeta> = version.tables.values().collect();
        live.sort_by(|a, b| a.level.cmp(&b.level).then_with(|| by_smallest(a, b)).then(a.number.cmp(&b.number)));
        let mut joined: Option<u32> = None;
        let mut used: BTreeSet<String> = BTreeSet::new();
        for meta in live {
            let Some(file) = self.table_file(meta.number) else { continue };
            used.insert(file.name.clone());
            let planned = Planned { file, meta: Some(meta.clone()), fate: Fate::Live };
            match runs.last_mut() {
                Some(run) if meta.level > 0 && joined == Some(meta.level) => run.tables.push_back(planned),
                _ => runs.push(Run { tables: VecDeque::from([planned]) }),
            }
            joined = Some(meta.level);
        }
        let fate = match (created, fails) {
            (true, _) => Fate::Doomed,
            (false, true) => Fate::Unlisted,
            (false, false) => Fate::Stray,
        };
        let stray = self
            .names
            .iter()
            .filter(|file| matches!(parse_name(&file.name), Some((_, FileKind::Table))) && !used.contains(&file.name));
        for file in stray.take(FILES_MAX) {
            let planned = Planned { file: file.clone(), meta: None, fate };
            runs.push(Run { tables: VecDeque::from([planned]) });
        }
        runs
    }

    fn table_file(&self, number: u64) -> Option<FileEntry> {
        let find = |suffix: &str| {
            let name = format!("{number:06}.{suffix}");
            self.names.iter().find(|file| file.name == name).cloned()
        };
        let (new, old) = (find("ldb"), find("sst"));
        if self.profile == Profile::Leveldb14 { old.or(new) } else { new.or(old) }
    }

    /// The library of before 1.5 does not know tables named `.ldb`.
    fn name_known(&self, name: &str) -> bool {
        self.profile != Profile::Leveldb14 || name.rsplit_once('.').is_some_and(|(_, kind)| kind == "sst")
    }

    fn open_table<'s>(&mut self, source: &'s dyn Source, planned: &Planned, ahead: usize) -> Option<OpenTable<'s>> {
        let (file, meta) = (&planned.file, planned.meta.as_ref());
        let known: Vec<Span> = meta.and_then(meta_span).into_iter().collect();
        let mut window = Window::new(source, &file.name, ahead);
        let index = match table::open(&mut window, meta.map_or(file.len, |meta| meta.size)) {
            Ok(index) => index,
            Err(TableFault::Ours(BlockFault::Unread(error))) => {
                self.unread(&file.name, &error, "table-unreadable");
                return None;
            }
            Err(TableFault::Ours(_)) => {
                self.limit(&file.name, 0, &known);
                return None;
            }
            Err(TableFault::Text(text)) => {
                let text = format!(
                    "the whole table is dropped without a word when this log is opened ({text}){}",
                    costs(&known)
                );
                self.findings
                    .push(Finding::new("table-damaged", Severity::Damage, text).in_file(&file.name).over(&known));
                return Some(OpenTable::scanned(window, planned.fate));
            }
        };
        if !index.checksum_ok {
            let message = "the checksum of the table's index is wrong; Mesos does not check it";
            self.findings.push(
                Finding::new("index-checksum", Severity::Damage, message)
                    .in_file(&file.name)
                    .at(index.handle.offset)
                    .over(&known),
            );
        }
        let live = planned.fate == Fate::Live;
        Some(OpenTable {
            visible: live && (!index.snappy || self.profile.snappy()) && self.name_known(&file.name),
            snappy: index.snappy,
            previous: known.first().map(|span| span.first),
            last: known.first().map(|span| span.last),
            fate: planned.fate,
            index_at: index.handle.offset,
            index: Some(index.entries),
            scan: 0,
            window,
            block: None,
            spare: Vec::new(),
            positions: Positions::default(),
            known,
        })
    }

    fn limit(&mut self, name: &str, offset: u64, cost: &[Span]) {
        self.uncertain = true;
        let text = format!("a block of more than {BLOCK_BYTES_MAX} bytes was not read; what it holds is unknown");
        self.findings.push(Finding::new("limit-block", Severity::Warning, text).in_file(name).at(offset).over(cost));
    }

    fn fault(&mut self, name: &str, offset: u64, fault: &BlockFault, cost: &[Span]) {
        match fault {
            BlockFault::TooLarge => return self.limit(name, offset, cost),
            BlockFault::Unread(error) => {
                self.unread(name, error, "table-unreadable");
                return;
            }
            _ => {}
        }
        let (code, what) = describe_fault(fault);
        let costs = if fault.hides() { costs(cost) } else { String::new() };
        let finding = Finding::new(code, Severity::Damage, format!("{what}{costs}"));
        self.findings.push(finding.in_file(name).at(offset).over(cost));
    }
}

/// Order of tables within a level: by the smallest key, newest first where that is the same.
fn by_smallest(a: &TableMeta, b: &TableMeta) -> Ordering {
    match (internal_key(&a.smallest), internal_key(&b.smallest)) {
        (Some((a, older)), Some((b, newer))) => a.cmp(b).then(newer.cmp(&older)),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// How far to read ahead when so many runs are open.
pub(super) fn ahead(runs: usize) -> usize {
    (AHEAD_TOTAL / runs.max(1)).clamp(AHEAD_MIN, AHEAD_MAX)
}

/// A run that is being read.
pub(super) struct Reading<'s> {
    source: &'s dyn Source,
    run: Run,
    ahead: usize,
    open: Option<OpenTable<'s>>,
}

impl<'s> Reading<'s> {
    pub(super) fn new(source: &'s dyn Source, run: Run, ahead: usize) -> Self {
        Self { source, run, ahead, open: None }
    }

    /// The next entry in the order of the files.
    pub(super) fn next(&mut self, opener: &mut Opener<'_>) -> Option<Stored> {
        loop {
            if let Some(table) = &mut self.open {
                if let Some(stored) = table.next(opener) {
                    return Some(stored);
                }
                table.finish(opener);
                self.open = None;
            }
            let planned = self.run.tables.pop_front()?;
            self.open = opener.open_table(self.source, &planned, self.ahead);
        }
    }

    /// The value at a place in the block at hand.
    pub(super) fn value(&self, place: Place) -> Option<&[u8]> {
        let Place::Table { block, at, len } = place else { return None };
        let open = self.open.as_ref()?.block.as_ref().filter(|open| open.handle == block)?;
        Some(open.entries.value(ValueAt { at: at as usize, len: len as usize }))
    }
}

struct OpenTable<'s> {
    window: Window<'s>,
    /// Where the blocks are. Without one they are looked for from the start, and the library sees none of them.
    index: Option<table::Entries>,
    index_at: u64,
    /// Where the next block is looked for.
    scan: u64,
    block: Option<OpenBlock>,
    /// The bytes of the block before, to be used again.
    spare: Vec<u8>,
    fate: Fate,
    visible: bool,
    snappy: bool,
    /// First position that the next block can hold, and the last of the table, where known.
    previous: Option<u64>,
    last: Option<u64>,
    known: Vec<Span>,
    /// Positions met, for tables that somebody must be told about.
    positions: Positions,
}

struct OpenBlock {
    handle: Handle,
    entries: table::Entries,
    shown: bool,
    checksum_ok: bool,
    cost: Vec<Span>,
}

impl OpenBlock {
    fn new(handle: Handle, block: table::Block, shown: bool, cost: Vec<Span>) -> Self {
        let checksum_ok = block.checksum_ok;
        Self { handle, entries: table::Entries::new(block.bytes), shown, checksum_ok, cost }
    }
}

impl<'s> OpenTable<'s> {
    /// A table without an index that could be used.
    fn scanned(window: Window<'s>, fate: Fate) -> Self {
        Self {
            window,
            index: None,
            index_at: 0,
            scan: 0,
            block: None,
            spare: Vec::new(),
            fate,
            visible: false,
            snappy: false,
            previous: None,
            last: None,
            known: Vec::new(),
            positions: Positions::default(),
        }
    }

    fn next(&mut self, opener: &mut Opener<'_>) -> Option<Stored> {
        loop {
            if let Some(block) = &mut self.block {
                while let Some(value) = block.entries.next_entry() {
                    let Some((key, tag)) = internal_key(block.entries.key()) else { continue };
                    if tag & 0xff > 1 {
                        continue;
                    }
                    if !opener.take_entry() {
                        return None;
                    }
                    let put = tag & 0xff == 1;
                    let (record, digest) = Stored::read(put.then(|| block.entries.value(value)));
                    if let Some(Ok(Record::Action(action, _))) = &record
                        && (self.fate != Fate::Live || self.snappy)
                    {
                        self.positions.add(action.position);
                    }
                    let place = Place::Table { block: block.handle, at: value.at as u32, len: value.len as u32 };
                    return Some(Stored {
                        key: key.into(),
                        sequence: tag >> 8,
                        shown: block.shown,
                        record,
                        digest,
                        place: if put { place } else { Place::Deleted },
                        file: Arc::clone(&self.window.name),
                        offset: block.handle.offset,
                    });
                }
                let fault = block.entries.fault().cloned();
                let fault = fault.or_else(|| (!block.checksum_ok).then_some(BlockFault::Checksum));
                if let Some(fault) = fault {
                    opener.fault(&self.window.name, block.handle.offset, &fault, &block.cost);
                }
                // One long block is not kept for the short ones after it.
                let spare = self.block.take().map(|block| block.entries.into_bytes()).unwrap_or_default();
                self.spare = if spare.capacity() > SPARE_BYTES_MAX { Vec::new() } else { spare };
            }
            self.load(opener)?;
        }
    }

    /// Opens the next block that can be opened.
    fn load(&mut self, opener: &mut Opener<'_>) -> Option<()> {
        loop {
            let Some(index) = &mut self.index else {
                let handle = table::scan_block(&mut self.window, self.scan)?;
                self.scan = handle.offset.checked_add(handle.size)?.checked_add(table::TRAILER)?;
                let block = table::block(&mut self.window, handle).ok()?;
                self.block = Some(OpenBlock::new(handle, block, false, Vec::new()));
                return Some(());
            };
            let value = index.next_entry()?;
            let handle = Handle::decode(&mut Cursor::new(index.value(value)));
            let upper = separator_position(index.key());
            let cost = self.cost(upper);
            let found = handle.ok_or(BlockFault::BadHandle);
            let spare = std::mem::take(&mut self.spare);
            match found.and_then(|handle| Ok((handle, table::block_into(&mut self.window, handle, spare)?))) {
                Ok((handle, block)) => {
                    self.snappy |= block.snappy;
                    let shown = self.visible && (!block.snappy || opener.profile.snappy());
                    self.block = Some(OpenBlock::new(handle, block, shown, cost));
                    return Some(());
                }
                Err(fault) => {
                    let offset = handle.map_or(self.index_at, |handle| handle.offset);
                    opener.fault(&self.window.name, offset, &fault, &cost);
                    let plain = handle.filter(|_| fault == BlockFault::BadType);
                    if let Some(handle) = plain
                        && let Some(block) = table::block_as_plain(&mut self.window, handle)
                    {
                        self.block = Some(OpenBlock::new(handle, block, false, cost));
                        return Some(());
                    }
                }
            }
        }
    }

    /// The positions that a block up to this one can hold.
    fn cost(&mut self, upper: Option<u64>) -> Vec<Span> {
        let upper = upper.map(|upper| self.last.map_or(upper, |last| upper.min(last)));
        let cost = match (self.previous, upper) {
            (Some(first), Some(last)) if first <= last => vec![Span { first, last }],
            _ => Vec::new(),
        };
        if let Some(upper) = upper {
            self.previous = Some(upper.saturating_add(1));
        }
        cost
    }

    /// What is to be said of the table as a whole.
    fn finish(&mut self, opener: &mut Opener<'_>) {
        let name = &*self.window.name;
        if self.index.as_ref().is_some_and(|index| index.fault().is_some()) {
            let message = "the table's index ends early: blocks behind that place are dropped without a word";
            opener.findings.push(
                Finding::new("index-damaged", Severity::Damage, message)
                    .in_file(name)
                    .at(self.index_at)
                    .over(&self.known),
            );
        }
        let spans = std::mem::take(&mut self.positions).finish();
        if self.fate == Fate::Live && self.snappy && !opener.profile.snappy() {
            let text = "has blocks compressed with snappy, which Mesos's bundled LevelDB drops without a word; only a Mesos linked to a LevelDB with snappy sees them";
            opener.findings.push(Finding::new("table-snappy", Severity::Damage, text).in_file(name).over(&spans));
        }
        let holds =
            if spans.is_empty() { "no positions".to_owned() } else { format!("positions {}", describe(&spans)) };
        let (code, severity, what) = match self.fate {
            Fate::Live => return,
            Fate::Doomed => ("table-doomed", Severity::Damage, "opening this directory deletes it"),
            Fate::Stray => (
                "table-unreferenced",
                Severity::Info,
                "the manifest does not list it, and opening this directory deletes it",
            ),
            Fate::Unlisted => (
                "table-unlisted",
                Severity::Info,
                "no manifest that can be used lists it, and as long as the log does not open, nothing deletes it",
            ),
        };
        let text = format!("holds {holds}; {what}");
        opener.findings.push(Finding::new(code, severity, text).in_file(name).over(&spans));
    }
}

fn describe_fault(fault: &BlockFault) -> (&'static str, &'static str) {
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
        BlockFault::TooLarge | BlockFault::Unread(_) => ("block-unread", "a block could not be read"),
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
