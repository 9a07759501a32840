//! One entry of Aurora from a stream of its bytes, with a state walked instead of built.
//!
//! A deflated entry is inflated as it is read and a snapshot never stands in memory whole, so that neither a large
//! cluster nor data made to inflate without end costs more than a window. What a scheduler would refuse and what only
//! we do not read further are different answers.

use std::io::{self, Read};

use flate2::read::ZlibDecoder;

use super::held::State;
use super::restore::{ActionAt, Payloads};
use crate::aurora::log_entry::{Frame, INFLATED_BYTES_MAX, LogEntry, LogEntryError, Transaction};
use crate::aurora::snapshot::{WalkError, WalkedEntry, walk_entry_from};

/// Bytes of an entry that is decoded whole: a transaction. Those are never split unless longer than 512 KB.
const WHOLE_BYTES_MAX: u64 = 64 << 20;

/// What an entry holds.
pub(super) enum Decoded {
    Noop,
    Transaction(Transaction),
    Snapshot(Box<Snapshot>),
}

/// A state in the log.
pub(super) struct Snapshot {
    pub(super) entry: WalkedEntry,
    pub(super) tasks: u64,
    pub(super) state: State,
}

/// Why an entry is not taken in.
pub(super) enum Refusal {
    /// A scheduler refuses it too.
    Entry(LogEntryError),
    /// Only we do not read it further.
    Limit(String),
}

impl From<LogEntryError> for Refusal {
    fn from(error: LogEntryError) -> Self {
        Self::Entry(error)
    }
}

/// An entry, and whether it was deflated.
pub(super) struct Whole {
    pub(super) entry: Result<Decoded, Refusal>,
    pub(super) deflated: bool,
}

/// Head of a deflated entry, before its length.
const DEFLATED: [u8; 3] = [0x0b, 0, 5];
/// Heads of the entries that hold a state.
const STATES: [[u8; 3]; 2] = [[0x0c, 0, 1], [0x0c, 0, 6]];

/// Decodes the entry that a stream holds.
pub(super) fn decode(read: &mut dyn Read) -> Whole {
    let mut head = [0; 3];
    let count = fill(read, &mut head);
    if count == 3 && head == DEFLATED {
        return Whole { entry: deflated(read), deflated: true };
    }
    let begun = head.get(..count).unwrap_or_default();
    Whole { entry: plain(begun, read, false), deflated: false }
}

/// As many bytes as there are.
fn fill(read: &mut dyn Read, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read.read(rest) {
            Ok(0) | Err(_) => break,
            Ok(count) => filled += count,
        }
    }
    filled
}

fn deflated(read: &mut dyn Read) -> Result<Decoded, Refusal> {
    let mut len = [0; 4];
    let truncated = || Refusal::from(LogEntryError::Inflate("the entry is cut".to_owned()));
    if fill(read, &mut len) < 4 {
        return Err(truncated());
    }
    let len = u64::try_from(i32::from_be_bytes(len)).map_err(|_| LogEntryError::WrongType("deflated data"))?;
    let mut data = Counted { read: read.take(len), left: len };
    let mut inflating = Limited { read: ZlibDecoder::new(&mut data), left: INFLATED_BYTES_MAX, over: false };
    let mut head = [0; 3];
    let count = fill(&mut inflating, &mut head);
    let found = plain(head.get(..count).unwrap_or_default(), &mut inflating, true);
    if inflating.over {
        return Err(Refusal::Limit(LogEntryError::InflatedTooLarge.to_string()));
    }
    let found = found?;
    // All of the data, and the closing byte, must be there: a scheduler decodes the outer entry first.
    io::copy(&mut data, &mut io::sink()).map_err(|_| truncated())?;
    let mut end = [0xff];
    if data.left > 0 || fill(read, &mut end) == 0 || end != [0] {
        return Err(truncated());
    }
    Ok(found)
}

fn plain(head: &[u8], read: &mut dyn Read, inflated: bool) -> Result<Decoded, Refusal> {
    let mut whole = head.chain(read);
    if STATES.iter().any(|state| state == head) {
        return state(&mut whole);
    }
    let mut bytes = Vec::new();
    let failed = |error: io::Error| Refusal::from(LogEntryError::Inflate(error.to_string()));
    (&mut whole).take(WHOLE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > WHOLE_BYTES_MAX {
        return Err(Refusal::Limit(format!("an entry that holds no state has more than {WHOLE_BYTES_MAX} bytes")));
    }
    match LogEntry::decode(&bytes)? {
        LogEntry::Noop => Ok(Decoded::Noop),
        LogEntry::Transaction(transaction) => Ok(Decoded::Transaction(transaction)),
        LogEntry::Deflated(_) if inflated => Err(LogEntryError::NestedDeflate.into()),
        LogEntry::Frame(Frame::Header { .. } | Frame::Chunk(_)) => Err(LogEntryError::WrongType("frame").into()),
        // Both begin with bytes that were looked for above.
        LogEntry::Deflated(_) | LogEntry::Snapshot(_) | LogEntry::Deduplicated(_) => {
            Err(LogEntryError::WrongType("member").into())
        }
    }
}

fn state(read: &mut dyn Read) -> Result<Decoded, Refusal> {
    let mut sink = Counting { state: State::default(), tasks: 0 };
    let entry = walk_entry_from(read, &mut sink);
    let Counting { mut state, tasks } = sink;
    match &entry.walked.error {
        None => {}
        Some(WalkError::Bytes(error)) => return Err(LogEntryError::Encoding(error.clone()).into()),
        Some(WalkError::Read { message, .. }) => return Err(LogEntryError::Inflate(message.clone()).into()),
        Some(limit) => return Err(Refusal::Limit(limit.to_string())),
    }
    if let Some(id) = entry.missing_config() {
        return Err(LogEntryError::NoSuchConfig(id).into());
    }
    // Releases 0.13 to 0.18 keep part of the state in statements that only a scheduler can run.
    state.partial |= entry.walked.db_statements > 0;
    state.framework_id = entry.walked.metadata.as_ref().and_then(|metadata| metadata.framework_id.clone());
    Ok(Decoded::Snapshot(Box::new(Snapshot { entry, tasks, state })))
}

/// Counts tasks beside keeping the state, since tasks with one id are one of the state.
struct Counting {
    state: State,
    tasks: u64,
}

impl crate::aurora::snapshot::BriefSink for Counting {
    fn task(&mut self, task: &crate::aurora::brief::TaskBrief<'_>) {
        self.tasks += 1;
        self.state.task(task);
    }
    fn cron_job(&mut self, job: crate::aurora::types::StoredCronJob) {
        self.state.cron_job(job);
    }
    fn quota(&mut self, quota: crate::aurora::types::QuotaConfiguration) {
        self.state.quota(quota);
    }
    fn host(&mut self, host: crate::aurora::types::HostAttributes) {
        self.state.host(host);
    }
    fn job_update(&mut self, update: crate::aurora::types::StoredJobUpdateDetails) {
        self.state.job_update(update);
    }
    fn maintenance_request(&mut self, request: crate::aurora::types::HostMaintenanceRequest) {
        self.state.maintenance_request(request);
    }
}

/// Knows how many bytes of what was announced are still to come.
struct Counted<R> {
    read: R,
    left: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

/// Ends after so many bytes, and says so.
struct Limited<R> {
    read: R,
    left: u64,
    over: bool,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if room == 0 && !buffer.is_empty() {
            self.over = self.over || self.read.read(&mut [0])? > 0;
            return Ok(0);
        }
        let count = self.read.read(buffer.get_mut(..room).unwrap_or_default())?;
        self.left -= count as u64;
        Ok(count)
    }
}

/// The data of a frame's chunks, one chunk at a time.
pub(super) struct Chunks<'a, 'p, 's> {
    payloads: &'p mut Payloads<'s>,
    rest: std::slice::Iter<'a, ActionAt>,
    data: Vec<u8>,
    used: usize,
    unread: bool,
}

impl<'a, 'p, 's> Chunks<'a, 'p, 's> {
    pub(super) fn new(payloads: &'p mut Payloads<'s>, chunks: &'a [ActionAt]) -> Self {
        Self { payloads, rest: chunks.iter(), data: Vec::new(), used: 0, unread: false }
    }

    /// Whether a chunk could not be read again.
    pub(super) fn unread(&self) -> bool {
        self.unread
    }
}

impl Read for Chunks<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.used >= self.data.len() {
            let Some(at) = self.rest.next() else { return Ok(0) };
            self.data = match self.payloads.get(at).as_deref().map(LogEntry::decode) {
                Some(Ok(LogEntry::Frame(Frame::Chunk(data)))) => data,
                _ => {
                    self.unread = true;
                    return Ok(0);
                }
            };
            self.used = 0;
        }
        let rest = self.data.get(self.used..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.used += count;
        Ok(count)
    }
}
