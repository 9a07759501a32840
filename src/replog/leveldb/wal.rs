//! Records of LevelDB's log format (write-ahead logs and manifests share it), and write batches.
//!
//! Follows the library's recovery reader, including what it swallows: a bad checksum drops the rest of its 32 KiB
//! block, a record that the file ends in is taken for a writer that died. Offsets of everything dropped are kept.

use super::bytes::Cursor;
use super::table::crc_masked;

/// Blocks of the log format.
const BLOCK: usize = 32 * 1024;
/// Checksum, length, type.
const HEADER: usize = 7;

/// Something the reader dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drop {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) reason: String,
    /// The file ends inside a record: the library says nothing.
    pub(crate) torn: bool,
}

/// One step of reading.
enum Step<'a> {
    Full(&'a [u8]),
    First(&'a [u8]),
    Middle(&'a [u8]),
    Last(&'a [u8]),
    Unknown(u8, &'a [u8]),
    Bad,
    Eof,
}

/// Reads records from a whole file's bytes.
pub(crate) struct LogReader<'a> {
    file: &'a [u8],
    /// Where the next block starts.
    next_block: usize,
    /// What is left of the current block, and where it starts in the file.
    buffer: &'a [u8],
    at: usize,
    eof: bool,
    /// The library of before 1.6 reports a record that the file ends in.
    strict_eof: bool,
    pub(crate) drops: Vec<Drop>,
}

/// Drops kept per file: one per block of the largest file that is read would be 8192.
const MAX_DROPS: usize = 10_000;

impl<'a> LogReader<'a> {
    pub(crate) fn new(file: &'a [u8], strict_eof: bool) -> Self {
        Self { file, next_block: 0, buffer: &[], at: 0, eof: false, strict_eof, drops: Vec::new() }
    }

    /// The next record and the offset at which it starts.
    pub(crate) fn next_record(&mut self) -> Option<(u64, Vec<u8>)> {
        let mut scratch: Option<(u64, Vec<u8>)> = None;
        loop {
            let (offset, step) = self.physical();
            match step {
                Step::Full(data) => {
                    self.abandon(scratch.take(), "partial record without end(1)");
                    return Some((offset, data.to_vec()));
                }
                Step::First(data) => {
                    self.abandon(scratch.take(), "partial record without end(2)");
                    scratch = Some((offset, data.to_vec()));
                }
                Step::Middle(data) => match scratch.as_mut() {
                    Some((_, whole)) => whole.extend_from_slice(data),
                    None => self.report(offset, data.len(), "missing start of fragmented record(1)"),
                },
                Step::Last(data) => match scratch.take() {
                    Some((start, mut whole)) => {
                        whole.extend_from_slice(data);
                        return Some((start, whole));
                    }
                    None => self.report(offset, data.len(), "missing start of fragmented record(2)"),
                },
                Step::Unknown(kind, data) => {
                    let held = scratch.take().map_or(0, |(_, whole)| whole.len());
                    self.report(offset, data.len() + held, &format!("unknown record type {kind}"));
                }
                Step::Bad => {
                    if let Some((start, whole)) = scratch.take() {
                        self.report(start, whole.len(), "error in middle of record");
                    }
                }
                Step::Eof => {
                    if let Some((start, whole)) = scratch.take() {
                        self.torn(start, whole.len(), "partial record without end(3)");
                    }
                    return None;
                }
            }
        }
    }

    fn abandon(&mut self, scratch: Option<(u64, Vec<u8>)>, reason: &str) {
        // An empty first fragment is a known quirk of old writers and is no loss.
        if let Some((start, whole)) = scratch.filter(|(_, whole)| !whole.is_empty()) {
            self.report(start, whole.len(), reason);
        }
    }

    fn physical(&mut self) -> (u64, Step<'a>) {
        while self.buffer.len() < HEADER {
            if self.eof {
                if !self.buffer.is_empty() {
                    self.torn(self.at as u64, self.buffer.len(), "truncated record at end of file");
                }
                self.buffer = &[];
                return (self.at as u64, Step::Eof);
            }
            let end = self.next_block.saturating_add(BLOCK).min(self.file.len());
            self.at = self.next_block.min(self.file.len());
            self.buffer = self.file.get(self.at..end).unwrap_or_default();
            self.eof = self.buffer.len() < BLOCK;
            self.next_block = end;
        }
        let offset = self.at as u64;
        let whole = self.buffer;
        let mut header = Cursor::new(whole);
        let (Some(crc), Some(lo), Some(hi), Some(kind)) =
            (header.fixed32(), header.byte(), header.byte(), header.byte())
        else {
            return (offset, Step::Eof);
        };
        let len = usize::from(lo) | usize::from(hi) << 8;
        let Some(data) = header.take(len) else {
            self.buffer = &[];
            if !self.eof || self.strict_eof {
                self.report(offset, whole.len(), "bad record length");
                return (offset, Step::Bad);
            }
            self.torn(offset, whole.len(), "record longer than the file");
            return (offset, Step::Eof);
        };
        if kind == 0 && len == 0 {
            // Preallocated, never written space.
            self.buffer = &[];
            return (offset, Step::Bad);
        }
        if crc != crc_masked(&[&[kind], data]) {
            self.buffer = &[];
            self.report(offset, whole.len(), "checksum mismatch");
            return (offset, Step::Bad);
        }
        self.buffer = header.rest;
        self.at += HEADER + len;
        let step = match kind {
            1 => Step::Full(data),
            2 => Step::First(data),
            3 => Step::Middle(data),
            4 => Step::Last(data),
            other => Step::Unknown(other, data),
        };
        (offset, step)
    }

    fn torn(&mut self, offset: u64, bytes: usize, reason: &str) {
        if self.strict_eof {
            self.report(offset, bytes, reason);
        } else {
            self.push(Drop { offset, bytes: bytes as u64, reason: reason.to_owned(), torn: true });
        }
    }

    fn report(&mut self, offset: u64, bytes: usize, reason: &str) {
        self.push(Drop { offset, bytes: bytes as u64, reason: reason.to_owned(), torn: false });
    }

    fn push(&mut self, drop: Drop) {
        if self.drops.len() < MAX_DROPS {
            self.drops.push(drop);
        }
    }
}

/// One operation of a write batch; offsets are into the batch's bytes.
#[derive(Debug)]
pub(crate) struct BatchOp<'a> {
    pub(crate) sequence: u64,
    pub(crate) key: &'a [u8],
    /// `None` deletes the key.
    pub(crate) value: Option<&'a [u8]>,
}

/// What a batch's bytes say: its operations as far as they could be read, and what is wrong with the rest.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) ops: Vec<BatchOp<'a>>,
    /// Sequence after the last operation that the header promises.
    pub(crate) last_sequence: u64,
    pub(crate) error: Option<&'static str>,
}

/// Sequence (8), count (4).
const BATCH_HEADER: usize = 12;

/// Reads a batch as recovery does: operations before an error stand, the rest is gone.
pub(crate) fn batch(record: &[u8]) -> Option<Batch<'_>> {
    if record.len() < BATCH_HEADER {
        return None;
    }
    let mut cursor = Cursor::new(record);
    let first = cursor.fixed64()?;
    let announced = cursor.fixed32()?;
    let mut ops = Vec::new();
    let mut error = None;
    while !cursor.is_empty() {
        // Sequences above 56 bits cannot be told from the type byte; the library would mix them up as well.
        let sequence = first.wrapping_add(ops.len() as u64) & ((1 << 56) - 1);
        match cursor.byte() {
            Some(1) => match (cursor.prefixed(), cursor.prefixed()) {
                (Some(key), Some(value)) => ops.push(BatchOp { sequence, key, value: Some(value) }),
                _ => error = Some("bad WriteBatch Put"),
            },
            Some(0) => match cursor.prefixed() {
                Some(key) => ops.push(BatchOp { sequence, key, value: None }),
                None => error = Some("bad WriteBatch Delete"),
            },
            _ => error = Some("unknown WriteBatch tag"),
        }
        if error.is_some() {
            break;
        }
    }
    if error.is_none() && ops.len() != announced as usize {
        error = Some("WriteBatch has wrong count");
    }
    let last_sequence = first.wrapping_add(u64::from(announced)).wrapping_sub(1);
    Some(Batch { ops, last_sequence, error })
}
