//! LevelDB's files, written: log records, batches, version edits, tables without compression or filters.
//!
//! Pure: bytes in, bytes out. Used for logs that are made new (an initialized log, the practice cluster), never on a
//! log that somebody wants back.

use std::collections::BTreeMap;

use super::manifest::TableMeta;
use super::table::crc_masked;

const BLOCK: u64 = 32 * 1024;
const HEADER: usize = 7;
/// Size at which a table's block is closed, as the library's default.
const TABLE_BLOCK: usize = 4096;
/// Entries between restart points, as the library's default.
const RESTART: usize = 16;

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A record in log framing, to be appended to a file that has `file_len` bytes.
pub(crate) fn log_record(file_len: u64, record: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.len() + HEADER);
    let mut rest = record;
    let mut first = true;
    loop {
        let left = (BLOCK - (file_len + out.len() as u64) % BLOCK) as usize;
        if left < HEADER {
            out.resize(out.len() + left, 0);
            continue;
        }
        let (now, after) = rest.split_at((left - HEADER).min(rest.len()));
        let kind: u8 = match (first, after.is_empty()) {
            (true, true) => 1,
            (true, false) => 2,
            (false, false) => 3,
            (false, true) => 4,
        };
        out.extend_from_slice(&crc_masked(&[&[kind], now]).to_le_bytes());
        out.extend_from_slice(&(now.len() as u16).to_le_bytes());
        out.push(kind);
        out.extend_from_slice(now);
        rest = after;
        first = false;
        if rest.is_empty() {
            return out;
        }
    }
}

/// A write batch; `None` deletes its key.
pub(crate) fn batch(sequence: u64, ops: &[(&[u8], Option<&[u8]>)]) -> Vec<u8> {
    let mut out = sequence.to_le_bytes().to_vec();
    out.extend_from_slice(&(ops.len() as u32).to_le_bytes());
    for (key, value) in ops {
        out.push(u8::from(value.is_some()));
        prefixed(&mut out, key);
        if let Some(value) = value {
            prefixed(&mut out, value);
        }
    }
    out
}

/// A whole manifest: one edit with everything in it.
pub(crate) fn manifest<'t>(
    log_number: u64,
    next_file: u64,
    last_sequence: u64,
    tables: impl Iterator<Item = &'t TableMeta>,
) -> Vec<u8> {
    let mut edit = vec![1];
    prefixed(&mut edit, super::manifest::COMPARATOR);
    for (tag, value) in [(2, log_number), (9, 0), (3, next_file), (4, last_sequence)] {
        edit.push(tag);
        varint(&mut edit, value);
    }
    for table in tables {
        edit.push(7);
        varint(&mut edit, u64::from(table.level));
        varint(&mut edit, table.number);
        varint(&mut edit, table.size);
        prefixed(&mut edit, &table.smallest);
        prefixed(&mut edit, &table.largest);
    }
    log_record(0, &edit)
}

#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    entries: usize,
    last: Vec<u8>,
}

impl Block {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let shared = if self.entries.is_multiple_of(RESTART) {
            self.restarts.push(self.bytes.len() as u32);
            0
        } else {
            key.iter().zip(&self.last).take_while(|(a, b)| a == b).count()
        };
        varint(&mut self.bytes, shared as u64);
        varint(&mut self.bytes, (key.len() - shared) as u64);
        varint(&mut self.bytes, value.len() as u64);
        self.bytes.extend_from_slice(key.get(shared..).unwrap_or_default());
        self.bytes.extend_from_slice(value);
        self.entries += 1;
        self.last = key.to_vec();
    }

    /// Appends the block to the table and answers its handle.
    fn finish(mut self, table: &mut Vec<u8>) -> Vec<u8> {
        if self.restarts.is_empty() {
            self.restarts.push(0);
        }
        for restart in &self.restarts {
            self.bytes.extend_from_slice(&restart.to_le_bytes());
        }
        self.bytes.extend_from_slice(&(self.restarts.len() as u32).to_le_bytes());
        let mut handle = Vec::new();
        varint(&mut handle, table.len() as u64);
        varint(&mut handle, self.bytes.len() as u64);
        let crc = crc_masked(&[&self.bytes, &[0]]);
        table.extend_from_slice(&self.bytes);
        table.push(0);
        table.extend_from_slice(&crc.to_le_bytes());
        handle
    }
}

/// User key to sequence and value; `None` is a deletion.
pub(crate) type Entries = BTreeMap<Vec<u8>, (u64, Option<Vec<u8>>)>;

/// A table, with its smallest and largest internal key; `None` when there is nothing to write.
pub(crate) fn table(entries: &Entries) -> Option<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let internal = |key: &[u8], sequence: u64, put: bool| {
        let mut internal = key.to_vec();
        internal.extend_from_slice(&(sequence << 8 | u64::from(put)).to_le_bytes());
        internal
    };
    let mut out = Vec::new();
    let mut index = Block::default();
    let mut block = Block::default();
    let (mut smallest, mut largest) = (None, Vec::new());
    for (key, (sequence, value)) in entries {
        let internal = internal(key, *sequence, value.is_some());
        block.add(&internal, value.as_deref().unwrap_or_default());
        smallest.get_or_insert_with(|| internal.clone());
        largest = internal;
        if block.bytes.len() >= TABLE_BLOCK {
            let handle = std::mem::take(&mut block).finish(&mut out);
            index.add(&largest, &handle);
        }
    }
    let smallest = smallest?;
    if block.entries > 0 {
        let handle = block.finish(&mut out);
        index.add(&largest, &handle);
    }
    let mut footer = Block::default().finish(&mut out);
    footer.extend(index.finish(&mut out));
    footer.resize(40, 0);
    footer.extend_from_slice(&super::table::MAGIC.to_le_bytes());
    out.extend_from_slice(&footer);
    Some((out, smallest, largest))
}
