//! What Aurora kept inside the log: each APPEND classified by its first bytes, frames put together and checked.
//!
//! An entry is one thrift `LogEntry` in the binary protocol, or a frame header with its chunks. This file answers what
//! a scheduler would do with the log: start from a snapshot, replay transactions only, start empty, or die. It does
//! not rebuild the state; timestamps of snapshots are read, their tasks are not. Frames are streamed: no entry is
//! held whole, and decompression stops at a limit that it states.

use flate2::{Decompress, FlushDecompress, Status as Inflated};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Findings, MAX_SPANS, Severity};
use super::positions::Span;
use super::record::ActionKind;

/// Bytes that an entry may decompress to. A snapshot of 20,000 tasks has 6.5 MB; the limit is for hostile streams.
const INFLATED_BYTES_MAX: u64 = 1 << 30;
/// First bytes of an entry kept to classify it.
const HEAD: usize = 64;
/// Snapshots listed; the log normally holds one.
const SNAPSHOTS_MAX: usize = 64;

/// What one APPEND is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "class")]
pub enum Class {
    /// Written by every leader before it replays.
    Noop,
    /// Changes since the last snapshot.
    Transaction {
        /// Number of operations.
        ops: u32,
    },
    /// A whole state.
    Snapshot {
        /// Milliseconds since the epoch, from the state itself: a restored backup keeps the backup's time.
        timestamp_ms: Option<i64>,
        /// Whether its task configurations are stored once.
        deduplicated: bool,
        /// Whether it is compressed.
        deflated: bool,
    },
    /// Announces chunks.
    FrameHeader {
        /// How many.
        chunks: i32,
        /// MD5 of their joined data.
        md5: [u8; 16],
    },
    /// Part of a large entry.
    FrameChunk {
        /// Bytes of data.
        len: u32,
    },
    /// None of these.
    Unknown,
}

/// Classifies an unframed entry or a frame part by its bytes.
pub fn classify(payload: &[u8]) -> Class {
    if let Some(header) = frame_header(payload) {
        return header;
    }
    if let Some(data) = chunk_data(payload) {
        return Class::FrameChunk { len: data.len() as u32 };
    }
    let mut entry = Entry::default();
    entry.feed(payload);
    entry.finish().unwrap_or(Class::Unknown)
}

fn frame_header(payload: &[u8]) -> Option<Class> {
    let rest = payload.strip_prefix(&[0x0c, 0, 4, 0x0c, 0, 1, 0x08, 0, 1])?;
    let (chunks, rest) = rest.split_first_chunk::<4>()?;
    let rest = rest.strip_prefix(&[0x0b, 0, 2, 0, 0, 0, 16])?;
    let (md5, _) = rest.split_first_chunk::<16>()?;
    Some(Class::FrameHeader { chunks: i32::from_be_bytes(*chunks), md5: *md5 })
}

fn chunk_data(payload: &[u8]) -> Option<&[u8]> {
    let rest = payload.strip_prefix(&[0x0c, 0, 4, 0x0c, 0, 2, 0x0b, 0, 2])?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(i32::from_be_bytes(*len)).ok()?)
}

fn be_i64(bytes: &[u8]) -> Option<i64> {
    bytes.first_chunk::<8>().map(|bytes| i64::from_be_bytes(*bytes))
}

/// Class of an entry by its uncompressed first bytes.
fn by_head(head: &[u8], deflated: bool) -> Class {
    if head == [0x02, 0, 3, 1, 0] {
        return Class::Noop;
    }
    if let Some(rest) = head.strip_prefix(&[0x0c, 0, 2, 0x0f, 0, 1, 0x0c])
        && let Some(ops) = rest.first_chunk::<4>()
    {
        return Class::Transaction { ops: u32::from_be_bytes(*ops) };
    }
    let timestamp = |rest: &[u8]| rest.strip_prefix(&[0x0a, 0, 1]).and_then(be_i64);
    if let Some(rest) = head.strip_prefix(&[0x0c, 0, 1]) {
        return Class::Snapshot { timestamp_ms: timestamp(rest), deduplicated: false, deflated };
    }
    if let Some(rest) = head.strip_prefix(&[0x0c, 0, 6]) {
        let timestamp_ms = rest.strip_prefix(&[0x0c, 0, 1]).and_then(timestamp);
        return Class::Snapshot { timestamp_ms, deduplicated: true, deflated };
    }
    Class::Unknown
}

/// Why an entry cannot be used by a scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    /// The compressed stream fails, or ends early.
    Zlib,
    /// It decompresses to more than the limit; not checked further.
    TooLarge,
}

/// An entry that comes in pieces.
#[derive(Default)]
struct Entry {
    head: Vec<u8>,
    inflate: Option<Inflate>,
}

struct Inflate {
    stream: Decompress,
    left: u64,
    head: Vec<u8>,
    state: Result<bool, Broken>,
}

impl Entry {
    fn feed(&mut self, mut bytes: &[u8]) {
        const PREFIX: usize = 7;
        if self.inflate.is_none() {
            bytes = self.keep(bytes, PREFIX);
            if let [0x0b, 0, 5, a, b, c, d] = self.head[..] {
                let left = u64::from(u32::from_be_bytes([a, b, c, d]));
                self.inflate =
                    Some(Inflate { stream: Decompress::new(true), left, head: Vec::new(), state: Ok(false) });
            }
        }
        match &mut self.inflate {
            Some(inflate) => inflate.feed(bytes),
            None => {
                self.keep(bytes, HEAD);
            }
        }
    }

    /// Moves bytes into the head until it has `len`; answers the rest.
    fn keep<'b>(&mut self, bytes: &'b [u8], len: usize) -> &'b [u8] {
        let (now, rest) = bytes.split_at(len.saturating_sub(self.head.len()).min(bytes.len()));
        self.head.extend_from_slice(now);
        rest
    }

    fn finish(self) -> Result<Class, Broken> {
        match self.inflate {
            None => Ok(by_head(&self.head, false)),
            Some(Inflate { state: Ok(true), left: 0, head, .. }) => Ok(by_head(&head, true)),
            Some(Inflate { state: Err(broken), .. }) => Err(broken),
            Some(Inflate { state: Ok(_), .. }) => Err(Broken::Zlib),
        }
    }
}

impl Inflate {
    fn feed(&mut self, bytes: &[u8]) {
        let now = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        self.left -= now as u64;
        let mut input = bytes.get(..now).unwrap_or_default();
        let mut out = vec![0_u8; 32 * 1024];
        while self.state == Ok(false) {
            let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
            let step = self.stream.decompress(input, &mut out, FlushDecompress::None);
            let used = usize::try_from(self.stream.total_in() - before_in).unwrap_or(usize::MAX);
            let made = usize::try_from(self.stream.total_out() - before_out).unwrap_or(usize::MAX);
            input = input.get(used..).unwrap_or_default();
            let keep = made.min(HEAD.saturating_sub(self.head.len()));
            self.head.extend_from_slice(out.get(..keep).unwrap_or_default());
            self.state = match step {
                Ok(Inflated::StreamEnd) => Ok(true),
                Ok(_) if self.stream.total_out() > INFLATED_BYTES_MAX => Err(Broken::TooLarge),
                Ok(_) => Ok(false),
                Err(_) => Err(Broken::Zlib),
            };
            if used == 0 && made == 0 {
                return;
            }
        }
    }
}

/// A complete snapshot in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotAt {
    /// Its positions, the frame header included.
    pub positions: Span,
    /// Milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
}

/// What a scheduler that replays this log ends up with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replay {
    /// Nothing of Aurora in it.
    #[default]
    Blank,
    /// Leaders came, nothing was stored.
    NoopsOnly,
    /// The newest snapshot and the transactions after it.
    FromSnapshot,
    /// No snapshot; transactions alone.
    TransactionsOnly,
    /// There was a state, but what holds it is incomplete: the scheduler starts empty, without an error.
    EmptyByLoss,
    /// Every scheduler that is elected dies on it.
    Fatal,
}

/// The log's content as Aurora sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// What a replay ends up with.
    pub replay: Replay,
    /// APPENDs read.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Noops.
    pub noops: u64,
    /// Transactions.
    pub transactions: u64,
    /// Transactions after the newest complete snapshot.
    pub transactions_since_snapshot: u64,
    /// Complete snapshots, ascending; at most 64.
    pub snapshots: Vec<SnapshotAt>,
    /// Frames with too few chunks.
    pub frames_aborted: u64,
    /// Chunks without a header.
    pub chunks_orphaned: u64,
    /// Frames whose joined data does not have the announced MD5.
    pub md5_mismatches: u64,
    /// Entries that a scheduler cannot decode.
    pub undecodable: u64,
    /// First position on which a scheduler dies.
    pub fatal_at: Option<u64>,
    /// Payloads that could not be read again from their file.
    pub unread: u64,
}

impl Content {
    /// The time of the newest complete snapshot, milliseconds since the epoch.
    pub fn newest_snapshot_ms(&self) -> Option<i64> {
        self.snapshots.last().and_then(|snapshot| snapshot.timestamp_ms)
    }
}

struct Frame {
    header_at: u64,
    last_at: u64,
    want: i32,
    got: i32,
    expected: [u8; 16],
    md5: Md5,
    entry: Entry,
}

struct Reader<'f> {
    content: Content,
    frame: Option<Frame>,
    /// Entries that are none of Aurora's.
    unknown: Vec<Span>,
    findings: &'f mut Findings,
}

/// Reads the actions of a log in the order of positions; payloads are asked for one at a time.
pub(crate) fn read<P>(actions: impl Iterator<Item = (u64, Option<ActionKind>, P)>, findings: &mut Findings) -> Content
where
    P: FnOnce() -> Option<Vec<u8>>,
{
    let mut reader = Reader { content: Content::default(), frame: None, unknown: Vec::new(), findings };
    for (position, kind, payload) in actions {
        if !matches!(kind, Some(ActionKind::Append { .. })) {
            continue;
        }
        let Some(bytes) = payload() else {
            reader.content.unread += 1;
            continue;
        };
        reader.content.entries += 1;
        reader.content.bytes += bytes.len() as u64;
        reader.append(position, &bytes);
    }
    reader.abort();
    reader.finish()
}

impl Reader<'_> {
    fn append(&mut self, position: u64, bytes: &[u8]) {
        if let Some(Class::FrameHeader { chunks, md5 }) = frame_header(bytes) {
            self.abort();
            let frame = Frame {
                header_at: position,
                last_at: position,
                want: chunks,
                got: 0,
                expected: md5,
                md5: Md5::new(),
                entry: Entry::default(),
            };
            self.frame = Some(frame);
            return;
        }
        if let Some(data) = chunk_data(bytes) {
            self.chunk(position, data);
            return;
        }
        self.abort();
        let mut entry = Entry::default();
        entry.feed(bytes);
        self.entry(Span { first: position, last: position }, entry);
    }

    fn chunk(&mut self, position: u64, data: &[u8]) {
        let Some(frame) = &mut self.frame else {
            self.content.chunks_orphaned += 1;
            self.findings.push(
                Finding::new(
                    "chunk-orphaned",
                    Severity::Warning,
                    "a chunk without a header before it; a scheduler skips it",
                )
                .over(&[Span { first: position, last: position }]),
            );
            return;
        };
        frame.got += 1;
        frame.last_at = position;
        frame.md5.update(data);
        frame.entry.feed(data);
        if frame.got < frame.want {
            return;
        }
        let Some(frame) = self.frame.take() else { return };
        let positions = Span { first: frame.header_at, last: frame.last_at };
        if <[u8; 16]>::from(frame.md5.finalize()) == frame.expected {
            self.entry(positions, frame.entry);
            return;
        }
        self.content.md5_mismatches += 1;
        self.fatal(
            positions,
            "frame-md5",
            "the joined chunks do not have the MD5 that their header announces: every elected scheduler dies with `Read back a framed log entry that failed its checksum`",
        );
    }

    /// Something that is not a chunk ends an incomplete frame.
    fn abort(&mut self) {
        let Some(frame) = self.frame.take() else { return };
        self.content.frames_aborted += 1;
        let message = format!("a frame has {} of {} chunks; a scheduler drops it and goes on", frame.got, frame.want);
        self.findings.push(
            Finding::new("frame-aborted", Severity::Warning, message)
                .over(&[Span { first: frame.header_at, last: frame.last_at }]),
        );
    }

    fn entry(&mut self, positions: Span, entry: Entry) {
        match entry.finish() {
            Ok(Class::Noop) => self.content.noops += 1,
            Ok(Class::Transaction { .. }) => {
                self.content.transactions += 1;
                self.content.transactions_since_snapshot += 1;
            }
            Ok(Class::Snapshot { timestamp_ms, .. }) => {
                self.content.transactions_since_snapshot = 0;
                if self.content.snapshots.len() >= SNAPSHOTS_MAX {
                    self.content.snapshots.remove(0);
                }
                self.content.snapshots.push(SnapshotAt { positions, timestamp_ms });
            }
            Ok(Class::FrameHeader { .. } | Class::FrameChunk { .. } | Class::Unknown) => self.undecodable(positions),
            Err(Broken::Zlib) => {
                self.content.undecodable += 1;
                self.fatal(
                    positions,
                    "entry-zlib",
                    "a compressed entry does not decompress: every elected scheduler dies on it",
                );
            }
            Err(Broken::TooLarge) => {
                self.content.undecodable += 1;
                self.findings.push(
                    Finding::new(
                        "limit-inflate",
                        Severity::Warning,
                        format!("a compressed entry grows beyond {INFLATED_BYTES_MAX} bytes; it was not read further"),
                    )
                    .over(&[positions]),
                );
            }
        }
    }

    fn undecodable(&mut self, positions: Span) {
        self.content.undecodable += 1;
        if let Some(span) = self.unknown.last_mut()
            && span.last.checked_add(1) == Some(positions.first)
        {
            span.last = positions.last;
        } else if self.unknown.len() < MAX_SPANS {
            self.unknown.push(positions);
        }
    }

    fn fatal(&mut self, positions: Span, code: &str, message: &str) {
        self.content.fatal_at.get_or_insert(positions.first);
        self.findings.push(Finding::new(code, Severity::Damage, message).over(&[positions]));
    }

    fn finish(mut self) -> Content {
        if !self.unknown.is_empty() {
            let message = format!("the bytes of {} entries are none of Aurora's", self.content.undecodable);
            self.findings.push(Finding::new("entry-unknown", Severity::Warning, message).over(&self.unknown));
        }
        let content = &mut self.content;
        content.replay = match content {
            Content { fatal_at: Some(_), .. } => Replay::Fatal,
            Content { snapshots, .. } if !snapshots.is_empty() => Replay::FromSnapshot,
            Content { frames_aborted, chunks_orphaned, .. } if *frames_aborted + *chunks_orphaned > 0 => {
                Replay::EmptyByLoss
            }
            Content { transactions: 1.., .. } => Replay::TransactionsOnly,
            Content { noops: 1.., .. } => Replay::NoopsOnly,
            _ => Replay::Blank,
        };
        if content.replay == Replay::EmptyByLoss {
            self.findings.push(Finding::new(
                "snapshot-incomplete",
                Severity::Damage,
                "the only snapshot is incomplete: a scheduler starts without it, an empty cluster, and reports no error",
            ));
        }
        self.content
    }
}
