//! What Aurora kept inside the log, read as a scheduler would replay it.
//!
//! Entries, frames and their digests are decoded by the codec of log entries; this file keeps the account: a scheduler
//! starts from a snapshot, replays transactions only, starts empty, or dies. Tasks of snapshots are counted, the state
//! is not rebuilt. Bytes that are no entry of Aurora at all are said to be that and nothing more: the log may be
//! another program's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Findings, MAX_SPANS, Severity};
use super::positions::Span;
use super::record::ActionKind;
use crate::aurora::log_entry::{EntryClass, LogEntry, LogEntryError, Reassembler, Skipped, Transaction, classify};
use crate::aurora::types::DeduplicatedSnapshot;

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

struct Reader<'f> {
    content: Content,
    reassembler: Reassembler,
    /// First and last position of the open frame.
    open: Option<Span>,
    /// Entries that are none of Aurora's.
    unknown: Vec<Span>,
    findings: &'f mut Findings,
}

/// Reads the actions of a log in the order of positions; payloads are asked for one at a time.
pub(crate) fn read<P>(actions: impl Iterator<Item = (u64, Option<ActionKind>, P)>, findings: &mut Findings) -> Content
where
    P: FnOnce() -> Option<Vec<u8>>,
{
    let mut reader = Reader {
        content: Content::default(),
        reassembler: Reassembler::new(),
        open: None,
        unknown: Vec::new(),
        findings,
    };
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
    let skipped = reader.reassembler.finish();
    reader.skipped(skipped, None);
    reader.finish()
}

impl Reader<'_> {
    fn append(&mut self, position: u64, bytes: &[u8]) {
        let here = Span { first: position, last: position };
        let class = classify(bytes);
        if class == EntryClass::Unknown {
            let skipped = self.reassembler.finish();
            self.skipped(skipped, Some(here));
            self.undecodable(here);
            return;
        }
        let before = self.open;
        let positions = match (class, before) {
            (EntryClass::FrameChunk { .. }, Some(open)) => Span { first: open.first, last: position },
            _ => here,
        };
        self.open =
            matches!(class, EntryClass::FrameHeader { .. } | EntryClass::FrameChunk { .. }).then_some(positions);
        match self.reassembler.push(bytes) {
            Ok(step) => {
                self.skipped(step.skipped, before.or(Some(here)));
                if let Some(entry) = step.entry {
                    self.open = None;
                    self.entry(positions, entry);
                }
            }
            Err(error) => {
                self.open = None;
                self.broken(positions, &error);
            }
        }
    }

    /// Frames that a scheduler steps over.
    fn skipped(&mut self, skipped: Option<Skipped>, positions: Option<Span>) {
        let (code, message) = match skipped {
            None => return,
            Some(Skipped::Aborted { required, found }) => {
                self.content.frames_aborted += 1;
                ("frame-aborted", format!("a frame has {found} of {required} chunks; a scheduler drops it and goes on"))
            }
            Some(Skipped::ChunkWithoutHeader) => {
                self.content.chunks_orphaned += 1;
                self.open = None;
                ("chunk-orphaned", "a chunk without a header before it; a scheduler skips it".to_owned())
            }
        };
        let positions: Vec<Span> = positions.or(self.open).into_iter().collect();
        self.findings.push(Finding::new(code, Severity::Warning, message).over(&positions));
    }

    /// An entry that a scheduler cannot read.
    fn broken(&mut self, positions: Span, error: &LogEntryError) {
        let (code, message) = match error {
            LogEntryError::Checksum => {
                self.content.md5_mismatches += 1;
                (
                    "frame-md5",
                    "the joined chunks do not have the MD5 that their header announces: every elected scheduler dies with `Read back a framed log entry that failed its checksum`".to_owned(),
                )
            }
            LogEntryError::InflatedTooLarge | LogEntryError::FramedTooLarge => {
                self.content.undecodable += 1;
                let message = format!("{error}; it was not read further");
                self.findings.push(Finding::new("limit-entry", Severity::Warning, message).over(&[positions]));
                return;
            }
            other => {
                self.content.undecodable += 1;
                ("entry-undecodable", format!("{other}: every elected scheduler dies on it"))
            }
        };
        self.content.fatal_at.get_or_insert(positions.first);
        self.findings.push(Finding::new(code, Severity::Damage, message).over(&[positions]));
    }

    fn entry(&mut self, positions: Span, entry: LogEntry) {
        match entry.inflate() {
            Ok(LogEntry::Noop) => self.content.noops += 1,
            Ok(LogEntry::Transaction(transaction)) => self.transaction(positions, &transaction),
            Ok(LogEntry::Snapshot(snapshot)) => {
                let tasks = snapshot.tasks.as_ref().map_or(0, |tasks| tasks.len() as u64);
                self.snapshot(SnapshotAt { positions, timestamp_ms: Some(snapshot.timestamp_ms), tasks });
            }
            Ok(LogEntry::Deduplicated(snapshot)) => match missing_config(&snapshot) {
                Some(id) => self.broken(positions, &LogEntryError::NoSuchConfig(id)),
                None => self.snapshot(SnapshotAt {
                    positions,
                    timestamp_ms: snapshot.partial_snapshot.as_ref().map(|partial| partial.timestamp_ms),
                    tasks: snapshot.partial_tasks.as_ref().map_or(0, |tasks| tasks.len() as u64),
                }),
            },
            Ok(LogEntry::Frame(_) | LogEntry::Deflated(_)) => self.undecodable(positions),
            Err(error) => self.broken(positions, &error),
        }
    }

    fn transaction(&mut self, positions: Span, transaction: &Transaction) {
        self.content.transactions += 1;
        self.content.transactions_since_snapshot += 1;
        let unreadable = transaction.operations().filter(Option::is_none).count();
        if unreadable > 0 {
            let message = format!("{unreadable} operations of a transaction cannot be read");
            self.findings.push(Finding::new("operation-unreadable", Severity::Damage, message).over(&[positions]));
        }
    }

    fn snapshot(&mut self, snapshot: SnapshotAt) {
        self.content.transactions_since_snapshot = 0;
        if self.content.snapshots.len() >= SNAPSHOTS_MAX {
            self.content.snapshots.remove(0);
        }
        self.content.snapshots.push(snapshot);
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

/// The first configuration that a task names and that is not there.
fn missing_config(snapshot: &DeduplicatedSnapshot) -> Option<i32> {
    let configs = snapshot.task_configs.as_ref().map_or(0, Vec::len);
    let mut ids = snapshot.partial_tasks.iter().flatten().map(|task| task.task_config_id);
    ids.find(|id| usize::try_from(*id).map_or(true, |id| id >= configs))
}
