//! What Aurora kept inside the log, read as a scheduler would replay it.
//!
//! Entries and frames are decoded by the codec of log entries (`entry` beside this); this file keeps the account: a
//! scheduler starts from a snapshot, replays transactions only, starts empty, or dies, and what it then holds. Nothing
//! is held whole but one payload: a snapshot is walked as it inflates, a frame's chunks are read again once its digest
//! has shown that they belong together. A log of bytes that are no entries of Aurora at all is said to be that and
//! nothing more: it may be another program's. Payloads are handed over while the log is read; only a log whose positions
//! are not in the order of its keys, or that still holds what was truncated, is read a second time.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::entry::{Chunks, Decoded, Refusal, Snapshot, decode};
use super::finding::{Finding, Findings, MAX_SPANS, Severity};
use super::held::{BadOp, Held, State};
use super::positions::Span;
use super::record::ActionKind;
use super::restore::{ActionAt, Payloads};
use super::source::Source;
use crate::aurora::log_entry::{EntryClass, Frame, LogEntry, LogEntryError, Op, Transaction, classify};
use crate::aurora::snapshot::brief_operations;

/// Snapshots listed; the log normally holds one.
const SNAPSHOTS_MAX: usize = 64;

/// A complete snapshot in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotAt {
    /// Its positions, the frame header included.
    pub positions: Span,
    /// Milliseconds since the epoch, from the state itself: a restored backup keeps the backup's time.
    pub timestamp_ms: Option<i64>,
    /// Tasks in it, ended ones too.
    pub tasks: u64,
    /// The state inflated, in bytes.
    pub bytes: u64,
    /// Whether it was made by the commit of a staged backup, by its own mark (0.10 and later).
    pub restored: bool,
}

/// What a scheduler that replays this log ends up with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Whole entries that a replay takes in, frames joined; a scheduler counts these and its own noop.
    pub whole_entries: u64,
    /// Of these, deflated.
    pub deflated: u64,
    /// Mesos's own NOPs and TRUNCATEs that a replay steps over.
    pub native_skipped: u64,
    /// What a scheduler holds afterwards; of a fatal log, what it held before it died.
    pub held: Held,
    /// First position on which a scheduler dies.
    pub fatal_at: Option<u64>,
    /// Entries that were not read: payloads that could not be read again from their file, and entries beyond a limit.
    pub unread: u64,
}

impl Content {
    /// The time of the newest complete snapshot, milliseconds since the epoch.
    pub fn newest_snapshot_ms(&self) -> Option<i64> {
        self.snapshots.last().and_then(|snapshot| snapshot.timestamp_ms)
    }
}

/// One position of a log in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// The position.
    pub position: u64,
    /// Proposal that was promised.
    pub promised: u64,
    /// Proposal that wrote it; `None` where only a promise was given.
    pub performed: Option<u64>,
    /// Whether it is learned.
    pub learned: bool,
    /// `NOP`, `APPEND`, `TRUNCATE`; `None` where only a promise was given.
    pub kind: Option<String>,
    /// Class of Aurora's entry.
    pub class: Option<String>,
    /// Bytes of an APPEND.
    pub bytes: Option<u64>,
    /// What is in it.
    pub note: String,
}

/// A frame that is being joined.
struct Open {
    required: i32,
    found: i32,
    checksum: Vec<u8>,
    digest: Md5,
    chunks: Vec<ActionAt>,
    positions: Span,
}

/// Takes actions in the order of positions.
pub(crate) struct Reader<'s> {
    content: Content,
    state: State,
    payloads: Payloads<'s>,
    open: Option<Open>,
    /// A state was in the log and is not complete.
    lost: bool,
    /// Entries that are none of Aurora's.
    unknown: Vec<Span>,
    first_unknown: Option<u64>,
    findings: Findings,
    /// What became of the payload at hand, for whoever wants to know of each.
    class: Option<&'static str>,
    note: String,
    noting: bool,
}

/// Reads the actions of a log again from the source, in the order of positions, and hands over each in words.
pub(crate) fn read<'a>(
    actions: impl Iterator<Item = &'a ActionAt>,
    source: &dyn Source,
    mut each: Option<&mut dyn FnMut(Line)>,
) -> (Content, Findings) {
    let mut reader = Reader::new(source);
    reader.noting = each.is_some();
    for at in actions {
        reader.take(at, None);
        if let Some(each) = &mut each {
            each(line(at, reader.class, std::mem::take(&mut reader.note)));
        }
    }
    reader.finish()
}

fn line(at: &ActionAt, class: Option<&'static str>, note: String) -> Line {
    let action = &at.action;
    let bytes = match action.kind {
        Some(ActionKind::Append { len }) => Some(len),
        Some(ActionKind::Nop { .. } | ActionKind::Truncate { .. }) | None => None,
    };
    let kind = action.kind.map(|kind| match kind {
        ActionKind::Nop { .. } => "NOP",
        ActionKind::Append { .. } => "APPEND",
        ActionKind::Truncate { .. } => "TRUNCATE",
    });
    Line {
        position: action.position,
        promised: action.promised,
        performed: action.performed,
        learned: action.learned == Some(true),
        kind: kind.map(str::to_owned),
        class: class.map(str::to_owned),
        bytes,
        note,
    }
}

impl<'s> Reader<'s> {
    /// Without any action so far. What has to be read again is read from the source.
    pub(crate) fn new(source: &'s dyn Source) -> Self {
        Self {
            content: Content::default(),
            state: State::default(),
            payloads: Payloads::new(source),
            open: None,
            lost: false,
            unknown: Vec::new(),
            first_unknown: None,
            findings: Findings::default(),
            class: None,
            note: String::new(),
            noting: false,
        }
    }

    /// Takes the next action, with its value where the caller has that.
    pub(crate) fn take(&mut self, at: &ActionAt, value: Option<&[u8]>) {
        (self.class, self.note) = (None, String::new());
        match at.action.kind {
            Some(ActionKind::Append { .. }) => match value.and_then(|value| at.bytes_in(value)) {
                Some(bytes) => self.append(at, bytes),
                None => match self.payloads.get(at) {
                    Some(bytes) => self.append(at, &bytes),
                    None => self.unread(),
                },
            },
            Some(ActionKind::Truncate { to }) => {
                self.content.native_skipped += 1;
                self.note(|| format!("to {to}"));
            }
            Some(ActionKind::Nop { tombstone }) => {
                self.content.native_skipped += 1;
                self.note(|| if tombstone { "tombstone".to_owned() } else { String::new() });
            }
            None => {}
        }
    }

    fn note(&mut self, words: impl FnOnce() -> String) {
        if self.noting {
            let words = words();
            if !self.note.is_empty() && !words.is_empty() {
                self.note.push_str("; ");
            }
            self.note.push_str(&words);
        }
    }

    fn unread(&mut self) {
        self.content.unread += 1;
        self.abort();
        self.note(|| "could not be read again".to_owned());
    }

    fn append(&mut self, at: &ActionAt, bytes: &[u8]) {
        let here = Span { first: at.action.position, last: at.action.position };
        self.content.entries += 1;
        self.content.bytes += bytes.len() as u64;
        match classify(bytes) {
            EntryClass::FrameHeader { .. } | EntryClass::FrameChunk { .. } => match LogEntry::decode(bytes) {
                Ok(LogEntry::Frame(Frame::Header { chunk_count, checksum })) => {
                    self.header(here, chunk_count, checksum);
                }
                Ok(LogEntry::Frame(Frame::Chunk(data))) => self.chunk(at, &data),
                Ok(_) => self.refused(here, &LogEntryError::WrongType("frame").into()),
                Err(error) => self.refused(here, &error.into()),
            },
            EntryClass::Transaction { .. } if self.transaction_in_brief(here, bytes) => {}
            class => {
                self.abort();
                let whole = decode(&mut &*bytes);
                if class == EntryClass::Unknown && whole.entry.is_err() {
                    self.foreign(here);
                } else {
                    self.whole(here, whole.deflated, whole.entry);
                }
            }
        }
    }

    fn header(&mut self, here: Span, required: i32, checksum: Vec<u8>) {
        self.abort();
        self.class = Some("frame header");
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.note(|| format!("{required} chunks, md5 {}", hex(&checksum)));
        if required <= 0 {
            // A scheduler joins nothing, and dies on what comes of it.
            self.refused(here, &LogEntryError::WrongType("chunk count").into());
            return;
        }
        let chunks = Vec::new();
        self.open = Some(Open { required, found: 0, checksum, digest: Md5::new(), chunks, positions: here });
    }

    fn chunk(&mut self, at: &ActionAt, data: &[u8]) {
        self.class = Some("frame chunk");
        self.note(|| format!("{} bytes", data.len()));
        let position = at.action.position;
        let Some(mut open) = self.open.take() else {
            self.content.chunks_orphaned += 1;
            self.lost = true;
            let text = "a chunk without a header before it; a scheduler skips it";
            let here = [Span { first: position, last: position }];
            self.findings.push(Finding::new("chunk-orphaned", Severity::Warning, text).over(&here));
            return;
        };
        open.digest.update(data);
        open.chunks.push(at.clone());
        open.positions.last = position;
        open.found += 1;
        if open.found < open.required {
            self.open = Some(open);
            return;
        }
        if open.digest.finalize().as_slice() != open.checksum.as_slice() {
            self.note(|| "frame complete, md5 wrong".to_owned());
            self.refused(open.positions, &LogEntryError::Checksum.into());
            return;
        }
        self.note(|| "frame complete, md5 right".to_owned());
        let mut joined = Chunks::new(&mut self.payloads, &open.chunks);
        let whole = decode(&mut joined);
        if joined.unread() {
            self.content.unread += 1;
            return;
        }
        self.whole(open.positions, whole.deflated, whole.entry);
    }

    /// An open frame that nothing completes.
    fn abort(&mut self) {
        let Some(open) = self.open.take() else { return };
        self.content.frames_aborted += 1;
        self.lost = true;
        let (found, required) = (open.found, open.required);
        self.note(|| format!("the frame before is aborted: {found} of {required} chunks"));
        let text = format!("a frame has {found} of {required} chunks; a scheduler drops it and goes on");
        self.findings.push(Finding::new("frame-aborted", Severity::Warning, text).over(&[open.positions]));
    }

    fn whole(&mut self, positions: Span, deflated: bool, entry: Result<Decoded, Refusal>) {
        self.content.deflated += u64::from(deflated);
        let framed = positions.first != positions.last;
        if deflated && !framed {
            self.class = Some("deflated entry");
        }
        match entry {
            Ok(Decoded::Noop) => {
                self.class.get_or_insert("noop");
                self.content.noops += 1;
            }
            Ok(Decoded::Transaction(transaction)) => {
                self.class.get_or_insert("transaction");
                self.note(|| operations(&transaction));
                let applied = self.state.apply(transaction);
                self.transaction(positions, applied);
            }
            Ok(Decoded::Snapshot(snapshot)) => self.snapshot(positions, *snapshot),
            Err(refusal) => return self.refused(positions, &refusal),
        }
        self.content.whole_entries += 1;
    }

    /// Takes an entry that is a transaction and nothing else, where nobody wants it in words; false for any other.
    fn transaction_in_brief(&mut self, here: Span, bytes: &[u8]) -> bool {
        if self.noting {
            return false;
        }
        let Some(operations) = brief_operations(bytes) else { return false };
        self.abort();
        let applied = self.state.apply_briefs(operations);
        self.transaction(here, applied);
        self.content.whole_entries += 1;
        true
    }

    fn transaction(&mut self, positions: Span, applied: Result<(), BadOp>) {
        self.content.transactions += 1;
        self.content.transactions_since_snapshot += 1;
        let Err(bad) = applied else { return };
        let text = match bad {
            BadOp::Unreadable => "an operation of a transaction is not of its declared form".to_owned(),
            BadOp::Unknown(id) => {
                format!("a transaction has operation {id}, which no release up to 0.23 has: a scheduler dies on it")
            }
        };
        let code = if bad == BadOp::Unreadable { "operation-unreadable" } else { "operation-unknown" };
        self.state.partial = true;
        self.content.fatal_at.get_or_insert(positions.first);
        self.findings.push(Finding::new(code, Severity::Damage, text).over(&[positions]));
    }

    fn snapshot(&mut self, positions: Span, snapshot: Snapshot) {
        let walked = &snapshot.entry.walked;
        let shared = snapshot.entry.member == 6;
        self.class.get_or_insert(if shared { "deduplicated snapshot" } else { "snapshot" });
        let metadata = walked.metadata.as_ref();
        let found = SnapshotAt {
            positions,
            timestamp_ms: walked.timestamp_ms,
            tasks: snapshot.tasks,
            bytes: walked.size,
            restored: metadata.is_some_and(crate::aurora::types::SchedulerMetadata::is_restored),
        };
        self.note(|| {
            let form = if shared { "deduplicated snapshot" } else { "snapshot" };
            let time = found.timestamp_ms.map_or_else(|| "none".to_owned(), |time| time.to_string());
            format!("{form} of {} bytes, timestamp {time}, {} tasks", found.bytes, found.tasks)
        });
        self.state = snapshot.state;
        self.content.transactions_since_snapshot = 0;
        if self.content.snapshots.len() >= SNAPSHOTS_MAX {
            self.content.snapshots.remove(0);
        }
        self.content.snapshots.push(found);
    }

    /// An entry that a scheduler cannot read, or that we do not read further.
    fn refused(&mut self, positions: Span, refusal: &Refusal) {
        let (code, message) = match refusal {
            Refusal::Limit(what) => {
                self.content.unread += 1;
                self.state.partial = true;
                let text = format!("{what}; it was not read further, and what follows of it is unknown");
                self.findings.push(Finding::new("limit-entry", Severity::Warning, text).over(&[positions]));
                return;
            }
            Refusal::Entry(LogEntryError::Checksum) => {
                self.content.md5_mismatches += 1;
                (
                    "frame-md5",
                    "the joined chunks do not have the MD5 that their header announces: every elected scheduler dies with `Read back a framed log entry that failed its checksum`".to_owned(),
                )
            }
            Refusal::Entry(other) => {
                self.content.undecodable += 1;
                ("entry-undecodable", format!("{other}: every elected scheduler dies on it"))
            }
        };
        self.note(|| message.clone());
        self.content.fatal_at.get_or_insert(positions.first);
        self.findings.push(Finding::new(code, Severity::Damage, message).over(&[positions]));
    }

    /// Bytes that do not begin like any entry.
    fn foreign(&mut self, here: Span) {
        self.class = Some("unknown");
        self.content.undecodable += 1;
        self.first_unknown.get_or_insert(here.first);
        if let Some(span) = self.unknown.last_mut()
            && span.last.checked_add(1) == Some(here.first)
        {
            span.last = here.last;
        } else if self.unknown.len() < MAX_SPANS {
            self.unknown.push(here);
        }
    }

    /// What the actions add up to, and what was noticed.
    pub(crate) fn finish(mut self) -> (Content, Findings) {
        self.abort();
        self.content.held = self.state.held();
        let content = &mut self.content;
        if let Some(first) = self.first_unknown {
            // Among Aurora's own entries, foreign bytes are damage; a log of nothing else is another program's.
            let aurora = content.whole_entries + content.frames_aborted + content.md5_mismatches > 0;
            let text = format!("the bytes of {} entries are none of Aurora's", content.undecodable);
            let (severity, text) = if aurora {
                let fatal = content.fatal_at.get_or_insert(first);
                *fatal = (*fatal).min(first);
                (Severity::Damage, format!("{text}: every elected scheduler dies on the first of them"))
            } else {
                (Severity::Warning, text)
            };
            self.findings.push(Finding::new("entry-unknown", severity, text).over(&self.unknown));
        }
        content.replay = match content {
            Content { fatal_at: Some(_), .. } => Replay::Fatal,
            Content { snapshots, .. } if !snapshots.is_empty() => Replay::FromSnapshot,
            _ if self.lost => Replay::EmptyByLoss,
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
        (self.content, self.findings)
    }
}

/// Operations by name and number.
fn operations(transaction: &Transaction) -> String {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for op in transaction.operations() {
        let name = op.map_or_else(
            || "unreadable".to_owned(),
            |op| Op::name_of(op.id()).map_or_else(|| format!("operation {}", op.id()), str::to_owned),
        );
        *counts.entry(name).or_default() += 1;
    }
    let named: Vec<String> =
        counts.iter().map(|(name, n)| if *n == 1 { name.clone() } else { format!("{name} x{n}") }).collect();
    named.join(", ")
}
