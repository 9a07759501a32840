//! Records of LevelDB's log format (write-ahead logs and manifests share it), and write batches.
//!
//! Follows the library's recovery reader, including what it swallows: a bad checksum drops the rest of its 32 KiB
//! block, a record that the file ends in is taken for a writer that died. Offsets of everything dropped are kept, and
//! what can still be read of it is handed out as hidden. One block and one record are held at a time.

use std::ops::Range;

use super::bytes::Cursor;
use super::table::crc_masked;
use super::window::Window;
use crate::replog::positions::{Span, spans_of};
use crate::replog::record::{self, Key};
use crate::replog::source::{Source, SourceError};

/// Blocks of the log format.
const BLOCK: usize = 32 * 1024;
/// Checksum, length, type.
const HEADER: usize = 7;
/// Bytes read ahead.
const AHEAD: usize = 8 * BLOCK;
/// Bytes read of one log. LevelDB turns a write-ahead log into a table at 4 MB, and a manifest takes about a hundred
/// bytes a table; a sparse file of any length must end somewhere.
pub(crate) const LOG_BYTES_MAX: u64 = 1 << 30;
/// Bytes of one record: a batch, so one value of Aurora and its frame; many times what a scheduler may write at once.
const RECORD_BYTES_MAX: usize = 64 << 20;
/// Drops kept per file.
const DROPS_MAX: usize = 1_000;
/// Records that are found in dropped places and wait to be handed out.
const HIDDEN_MAX: usize = 10_000;

/// Something the reader dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drop {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) reason: String,
    /// The file ends inside a record: the library says nothing.
    pub(crate) torn: bool,
    /// Positions of records that begin in it, as far as they can be recognized.
    pub(crate) positions: Vec<Span>,
}

/// A record, and where it starts.
#[derive(Debug)]
pub(crate) struct LogRecord {
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    /// The library drops it with what is around it.
    pub(crate) hidden: bool,
}

/// One step of reading; ranges are of the block at hand.
enum Step {
    Full(Range<usize>),
    First(Range<usize>),
    Middle(Range<usize>),
    Last(Range<usize>),
    Unknown(u8, usize),
    Bad,
    Eof,
}

/// Reads records of one file.
pub(crate) struct LogReader<'s> {
    window: Window<'s>,
    /// Where the next block starts.
    next_block: u64,
    /// The current block, what of it is unread, and where the unread starts in the file.
    block: Vec<u8>,
    rest: usize,
    at: u64,
    eof: bool,
    /// The library of before 1.6 reports a record that the file ends in.
    strict_eof: bool,
    hidden: Vec<LogRecord>,
    pub(crate) drops: Vec<Drop>,
    /// Why not everything was read.
    pub(crate) failed: Option<SourceError>,
}

impl<'s> LogReader<'s> {
    pub(crate) fn new(source: &'s dyn Source, name: &str, strict_eof: bool) -> Self {
        Self::over(Window::new(source, name, AHEAD), strict_eof)
    }

    fn over(window: Window<'s>, strict_eof: bool) -> Self {
        Self {
            window,
            next_block: 0,
            block: Vec::new(),
            rest: 0,
            at: 0,
            eof: false,
            strict_eof,
            hidden: Vec::new(),
            drops: Vec::new(),
            failed: None,
        }
    }

    /// The record at a known offset, and the window back.
    pub(crate) fn record_at(window: Window<'s>, offset: u64) -> (Option<LogRecord>, Window<'s>) {
        let mut reader = Self::over(window, false);
        reader.next_block = offset - offset % BLOCK as u64;
        reader.fill();
        reader.rest = usize::try_from(offset % BLOCK as u64).unwrap_or(0).min(reader.block.len());
        reader.at = offset;
        let record = reader.next_record().filter(|record| record.offset == offset);
        (record, reader.window)
    }

    /// The next record.
    pub(crate) fn next_record(&mut self) -> Option<LogRecord> {
        if let Some(hidden) = self.hidden.pop() {
            return Some(hidden);
        }
        let mut scratch: Option<(u64, Vec<u8>)> = None;
        loop {
            let (offset, step) = self.physical();
            match step {
                Step::Full(range) => {
                    self.abandon(scratch.take(), "partial record without end(1)");
                    return Some(LogRecord { offset, bytes: self.bytes(range).to_vec(), hidden: false });
                }
                Step::First(range) => {
                    self.abandon(scratch.take(), "partial record without end(2)");
                    scratch = Some((offset, self.bytes(range).to_vec()));
                }
                Step::Middle(range) => match scratch.as_mut() {
                    Some((_, whole)) => whole.extend_from_slice(self.bytes(range)),
                    None => self.report(offset, range.len(), "missing start of fragmented record(1)", &[]),
                },
                Step::Last(range) => match scratch.take() {
                    Some((offset, mut bytes)) => {
                        bytes.extend_from_slice(self.bytes(range));
                        return Some(LogRecord { offset, bytes, hidden: false });
                    }
                    None => self.report(offset, range.len(), "missing start of fragmented record(2)", &[]),
                },
                Step::Unknown(kind, len) => {
                    let (offset, held) = scratch.take().unwrap_or((offset, Vec::new()));
                    self.report(offset, len + held.len(), &format!("unknown record type {kind}"), &held);
                }
                Step::Bad => {
                    if let Some((start, whole)) = scratch.take() {
                        self.report(start, whole.len(), "error in middle of record", &whole);
                    }
                    if let Some(hidden) = self.hidden.pop() {
                        return Some(hidden);
                    }
                }
                Step::Eof => {
                    if let Some((start, whole)) = scratch.take() {
                        self.torn(start, whole.len(), "partial record without end(3)", &whole);
                    }
                    return None;
                }
            }
            if let Some((_, whole)) = scratch.as_ref().filter(|(_, whole)| whole.len() > RECORD_BYTES_MAX) {
                self.failed = Some(SourceError::TooLarge { len: whole.len() as u64, limit: RECORD_BYTES_MAX as u64 });
                return None;
            }
        }
    }

    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.block.get(range).unwrap_or_default()
    }

    fn abandon(&mut self, scratch: Option<(u64, Vec<u8>)>, reason: &str) {
        // An empty first fragment is a known quirk of old writers and is no loss.
        if let Some((start, whole)) = scratch.filter(|(_, whole)| !whole.is_empty()) {
            self.report(start, whole.len(), reason, &whole);
        }
    }

    /// Reads the next block of the file.
    fn fill(&mut self) {
        self.at = self.next_block;
        self.rest = 0;
        self.block.clear();
        if self.next_block >= LOG_BYTES_MAX {
            self.failed = Some(SourceError::TooLarge { len: self.next_block, limit: LOG_BYTES_MAX });
        } else {
            match self.window.get(self.next_block, BLOCK) {
                Ok(bytes) => self.block.extend_from_slice(bytes),
                Err(error) => self.failed = Some(error),
            }
        }
        self.eof = self.block.len() < BLOCK;
        self.next_block += self.block.len() as u64;
    }

    fn physical(&mut self) -> (u64, Step) {
        while self.block.len() - self.rest < HEADER {
            if self.eof {
                let left = self.block.len() - self.rest;
                if left > 0 {
                    self.torn(self.at, left, "truncated record at end of file", &[]);
                }
                self.rest = self.block.len();
                return (self.at, Step::Eof);
            }
            self.fill();
        }
        let (offset, from) = (self.at, self.rest);
        let whole = self.block.len() - from;
        let Some(head) = Physical::of(&self.block, from) else { return (offset, Step::Eof) };
        if head.data.end > self.block.len() {
            self.rest = self.block.len();
            let held = self.block.get(head.data.start..).unwrap_or_default().to_vec();
            if !self.eof || self.strict_eof {
                self.report(offset, whole, "bad record length", &held);
                return (offset, Step::Bad);
            }
            self.torn(offset, whole, "record longer than the file", if head.begins() { &held } else { &[] });
            return (offset, Step::Eof);
        }
        if head.kind == 0 && head.data.is_empty() {
            // Preallocated, never written space.
            self.rest = self.block.len();
            return (offset, Step::Bad);
        }
        if !head.sound(&self.block) {
            self.rest = self.block.len();
            let positions = self.salvage(offset, head.clone());
            self.push(Drop {
                offset,
                bytes: whole as u64,
                reason: "checksum mismatch".to_owned(),
                torn: false,
                positions,
            });
            return (offset, Step::Bad);
        }
        self.rest = head.data.end;
        self.at += (head.data.end - from) as u64;
        let step = match head.kind {
            1 => Step::Full(head.data),
            2 => Step::First(head.data),
            3 => Step::Middle(head.data),
            4 => Step::Last(head.data),
            other => Step::Unknown(other, head.data.len()),
        };
        (offset, step)
    }

    /// What the rest of a block holds after a record whose checksum is wrong: whole records behind it are kept as
    /// hidden, and positions of all that begin there are named. Lengths are believed only as far as records follow.
    fn salvage(&mut self, offset: u64, bad: Physical) -> Vec<Span> {
        let base = bad.data.start;
        let mut positions = Vec::new();
        let mut next = Some(bad);
        while let Some(head) = next.take().filter(|head| head.data.end <= self.block.len()) {
            if head.begins() {
                let data = self.bytes(head.data.clone()).to_vec();
                positions.extend(peek(&data));
                if head.kind == 1 && head.sound(&self.block) && self.hidden.len() < HIDDEN_MAX {
                    let at = offset + (head.data.start - base) as u64;
                    self.hidden.push(LogRecord { offset: at, bytes: data, hidden: true });
                }
            }
            next = Physical::of(&self.block, head.data.end).filter(|head| (1..=4).contains(&head.kind));
        }
        positions.sort_unstable();
        spans_of(positions)
    }

    fn torn(&mut self, offset: u64, bytes: usize, reason: &str, held: &[u8]) {
        let torn = !self.strict_eof;
        let positions = spans_of(peek(held));
        self.push(Drop { offset, bytes: bytes as u64, reason: reason.to_owned(), torn, positions });
    }

    fn report(&mut self, offset: u64, bytes: usize, reason: &str, held: &[u8]) {
        let positions = spans_of(peek(held));
        self.push(Drop { offset, bytes: bytes as u64, reason: reason.to_owned(), torn: false, positions });
    }

    fn push(&mut self, drop: Drop) {
        if self.drops.len() < DROPS_MAX {
            self.drops.push(drop);
        }
    }
}

/// The head of a physical record, and where its data is in the block.
#[derive(Clone)]
struct Physical {
    crc: u32,
    kind: u8,
    data: Range<usize>,
}

impl Physical {
    fn of(block: &[u8], from: usize) -> Option<Self> {
        let mut head = Cursor::new(block.get(from..)?);
        let crc = head.fixed32()?;
        let len = usize::from(head.byte()?) | usize::from(head.byte()?) << 8;
        let kind = head.byte()?;
        let start = from + HEADER;
        Some(Self { crc, kind, data: start..start + len })
    }

    fn begins(&self) -> bool {
        matches!(self.kind, 1 | 2)
    }

    fn sound(&self, block: &[u8]) -> bool {
        block.get(self.data.clone()).is_some_and(|data| self.crc == crc_masked(&[&[self.kind], data]))
    }
}

/// Positions that a batch, or what is left of its beginning, writes; ascending.
fn peek(held: &[u8]) -> Vec<u64> {
    let mut cursor = Cursor::new(held.get(BATCH_HEADER..).unwrap_or_default());
    let mut positions = Vec::new();
    while let Some(1) = cursor.byte() {
        let Some(key) = cursor.prefixed() else { break };
        if let Key::Position(position) | Key::Wrapped(position) = record::key(key) {
            positions.push(position);
        }
        if cursor.prefixed().is_none() {
            break;
        }
    }
    positions.sort_unstable();
    positions
}

/// One operation of a write batch; `None` as value deletes the key.
#[derive(Debug)]
pub(crate) struct BatchOp<'a> {
    pub(crate) sequence: u64,
    pub(crate) key: &'a [u8],
    pub(crate) value: Option<&'a [u8]>,
    /// Offset of the value in the record.
    pub(crate) at: usize,
}

/// What a batch's bytes say: its operations as far as they could be read, and what is wrong with the rest.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    record: &'a [u8],
    cursor: Cursor<'a>,
    first: u64,
    announced: u32,
    found: u32,
    /// Sequence after the last operation that the header promises.
    pub(crate) last_sequence: u64,
    pub(crate) error: Option<&'static str>,
}

/// Sequence (8), count (4).
const BATCH_HEADER: usize = 12;

/// Reads a batch as recovery does: operations before an error stand, the rest is gone. `None` if it is too small.
pub(crate) fn batch(record: &[u8]) -> Option<Batch<'_>> {
    let mut cursor = Cursor::new(record);
    let (first, announced) = (cursor.fixed64()?, cursor.fixed32()?);
    let last_sequence = first.wrapping_add(u64::from(announced)).wrapping_sub(1);
    Some(Batch { record, cursor, first, announced, found: 0, last_sequence, error: None })
}

impl<'a> Iterator for Batch<'a> {
    type Item = BatchOp<'a>;

    fn next(&mut self) -> Option<BatchOp<'a>> {
        if self.error.is_some() {
            return None;
        }
        if self.cursor.is_empty() {
            self.error = (self.found != self.announced).then_some("WriteBatch has wrong count");
            return None;
        }
        // Sequences above 56 bits cannot be told from the type byte; the library would mix them up as well.
        let sequence = self.first.wrapping_add(u64::from(self.found)) & ((1 << 56) - 1);
        let op = match self.cursor.byte() {
            Some(1) => match (self.cursor.prefixed(), self.cursor.prefixed()) {
                (Some(key), Some(value)) => Some((key, Some(value))),
                _ => self.bad("bad WriteBatch Put"),
            },
            Some(0) => match self.cursor.prefixed() {
                Some(key) => Some((key, None)),
                None => self.bad("bad WriteBatch Delete"),
            },
            _ => self.bad("unknown WriteBatch tag"),
        };
        let (key, value) = op?;
        self.found = self.found.wrapping_add(1);
        let at = (self.record.len() - self.cursor.rest.len()).saturating_sub(value.map_or(0, <[u8]>::len));
        Some(BatchOp { sequence, key, value, at })
    }
}

impl Batch<'_> {
    fn bad<T>(&mut self, what: &'static str) -> Option<T> {
        self.error = Some(what);
        None
    }
}
