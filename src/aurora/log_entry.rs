//! What Aurora writes into the replicated log: one `LogEntry` in `TBinary` for each position, large ones split into frames.
//!
//! Belongs here: entries and operations both ways, deflated and deduplicated snapshots, frames and their reassembly by Aurora's rules, and
//! a look at the first bytes that tells the kind without decoding.
//!
//! Survives any bytes: inflating is limited, a frame set is limited, a count of frames is never allocated. An operation of an unknown number
//! is kept as it is; the caller decides, as a scheduler that meets one stops.
//!
//! Deliberately not here: Mesos's actions and positions, LevelDB, and applying operations to a state.

use super::schema::{SetOf, Thrift, thrift_struct};
use super::tbinary::{self, TBinaryError};
use super::types::{
    DeduplicatedScheduledTask, DeduplicatedSnapshot, HostAttributes, HostMaintenanceRequest, JobConfiguration, JobKey,
    ResourceAggregate, ScheduledTask, Snapshot, TaskConfig,
};
use super::value::{Seq, Struct, Value};
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use md5::{Digest, Md5};
use std::io::Read;
use thiserror::Error;

/// Default of `-dlog_max_entry_size` in bytes: longer entries are split.
pub const ENTRY_BYTES_MAX: usize = 512 * 1024;
/// The most bytes an entry may inflate to; fifty times the recorded snapshot of 20,000 tasks, which deflates to a fourteenth.
pub const INFLATED_BYTES_MAX: u64 = 1 << 30;
/// The most bytes of chunks that one frame set may gather.
pub const FRAMED_BYTES_MAX: usize = 1 << 28;
/// `Transaction.schemaVersion` of every release.
pub const SCHEMA_VERSION: i32 = 1;
/// The level whose zlib header (78 5e) Aurora's entries carry.
const DEFLATE_LEVEL: u32 = 3;

/// Why an entry cannot be read. To a scheduler each of these is fatal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LogEntryError {
    /// Not `TBinary`.
    #[error("the log entry cannot be decoded: {0}")]
    Encoding(#[from] TBinaryError),
    /// Not one of the known entries.
    #[error("the log entry is of no known kind (field {0:?})")]
    UnknownKind(Option<i16>),
    /// A member of another type than declared.
    #[error("the log entry's {0} is not of its declared type")]
    WrongType(&'static str),
    /// Bad zlib data.
    #[error("the deflated log entry cannot be inflated: {0}")]
    Inflate(String),
    /// More than [`INFLATED_BYTES_MAX`].
    #[error("the deflated log entry holds more than {INFLATED_BYTES_MAX} bytes")]
    InflatedTooLarge,
    /// A deflated entry within a deflated entry.
    #[error("the deflated log entry holds another deflated entry")]
    NestedDeflate,
    /// A frame set that gathers more than [`FRAMED_BYTES_MAX`].
    #[error("the framed log entry holds more than {FRAMED_BYTES_MAX} bytes")]
    FramedTooLarge,
    /// The digest of a frame set does not match.
    #[error("the framed log entry failed its checksum")]
    Checksum,
    /// A task of a deduplicated snapshot names a configuration that is not there.
    #[error("a task of the deduplicated snapshot names configuration {0}, which is not there")]
    NoSuchConfig(i32),
}

thrift_struct! {
    /// Operations that are applied together.
    Transaction {
        /// Each a union with one member; see [`Op`].
        1 ops: Vec<Struct>,
        /// [`SCHEMA_VERSION`].
        2 schema_version: i32,
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub enum LogEntry {
    /// The whole state.
    Snapshot(Box<Snapshot>),
    /// Changes.
    Transaction(Transaction),
    /// What every leader writes before it reads.
    Noop,
    /// Part of a larger entry.
    Frame(Frame),
    /// zlib data of another entry.
    Deflated(Vec<u8>),
    /// The whole state, with shared configurations.
    Deduplicated(Box<DeduplicatedSnapshot>),
}

/// Part of an entry that was too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Comes first.
    Header {
        /// Chunks that follow.
        chunk_count: i32,
        /// MD5 of the joined chunks.
        checksum: Vec<u8>,
    },
    /// Data.
    Chunk(Vec<u8>),
}

/// One change of the stored state.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// 1.
    SaveFrameworkId(String),
    /// 2.
    SaveCronJob(Box<JobConfiguration>),
    /// 5.
    RemoveJob(JobKey),
    /// 6.
    SaveTasks(Vec<ScheduledTask>),
    /// 7.
    RemoveTasks(Vec<String>),
    /// 8.
    SaveQuota {
        /// Whose.
        role: String,
        /// How much.
        quota: Box<ResourceAggregate>,
    },
    /// 9.
    RemoveQuota(String),
    /// 10.
    SaveHostAttributes(Box<HostAttributes>),
    /// 19, from 0.21.
    SaveHostMaintenanceRequest(Box<HostMaintenanceRequest>),
    /// 20, from 0.21.
    RemoveHostMaintenanceRequest(String),
    /// Any other, known to a release or not, and the ones above when their fields are not as declared.
    Other {
        /// Number of the member.
        id: i16,
        /// Its struct.
        fields: Struct,
    },
}

impl Op {
    /// Aurora's name of the operation with this number, if a release up to 0.23 has one.
    pub const fn name_of(id: i16) -> Option<&'static str> {
        Some(match id {
            1 => "saveFrameworkId",
            2 => "saveCronJob",
            5 => "removeJob",
            6 => "saveTasks",
            7 => "removeTasks",
            8 => "saveQuota",
            9 => "removeQuota",
            10 => "saveHostAttributes",
            11 => "rewriteTask",
            12 => "saveLock",
            13 => "removeLock",
            14 => "saveJobUpdate",
            15 => "saveJobUpdateEvent",
            16 => "saveJobInstanceUpdateEvent",
            17 => "pruneJobUpdateHistory",
            18 => "removeJobUpdate",
            19 => "saveHostMaintenanceRequest",
            20 => "removeHostMaintenanceRequest",
            _ => return None,
        })
    }

    /// Number of the union's member.
    pub const fn id(&self) -> i16 {
        match self {
            Self::SaveFrameworkId(_) => 1,
            Self::SaveCronJob(_) => 2,
            Self::RemoveJob(_) => 5,
            Self::SaveTasks(_) => 6,
            Self::RemoveTasks(_) => 7,
            Self::SaveQuota { .. } => 8,
            Self::RemoveQuota(_) => 9,
            Self::SaveHostAttributes(_) => 10,
            Self::SaveHostMaintenanceRequest(_) => 19,
            Self::RemoveHostMaintenanceRequest(_) => 20,
            Self::Other { id, .. } => *id,
        }
    }

    /// Takes the union apart; `None` when it has no member or one that is not a struct.
    pub fn of(union: Struct) -> Option<Self> {
        let (id, value) = union.fields.into_iter().next()?;
        let Value::Struct(mut fields) = value else { return None };
        Some(Self::typed(id, &mut fields).unwrap_or(Self::Other { id, fields }))
    }

    /// Moves out what is declared; where something is of another type, all fields stay as they were.
    fn typed(id: i16, fields: &mut Struct) -> Option<Self> {
        fn field<T: Thrift>(fields: &mut Struct, id: i16) -> Option<T> {
            let (_, slot) = fields.fields.iter_mut().rev().find(|(known, _)| *known == id)?;
            let taken = T::from_value(std::mem::replace(slot, Value::Bool(false)));
            taken.map_err(|value| *slot = value).ok()
        }
        Some(match id {
            1 => Self::SaveFrameworkId(field(fields, 1)?),
            // The manager's name was stored beside it up to 0.7.
            2 if fields.get(1).is_none() => Self::SaveCronJob(Box::new(field(fields, 2)?)),
            5 => Self::RemoveJob(field(fields, 2)?),
            6 => Self::SaveTasks(field::<SetOf<_>>(fields, 1)?.0),
            7 => Self::RemoveTasks(field::<SetOf<_>>(fields, 1)?.0),
            // The name is looked at first, so that nothing fails once the quota is taken.
            8 if fields.str(1).is_some() => {
                Self::SaveQuota { quota: Box::new(field(fields, 2)?), role: field(fields, 1)? }
            }
            9 => Self::RemoveQuota(field(fields, 1)?),
            10 => Self::SaveHostAttributes(Box::new(field(fields, 1)?)),
            19 => Self::SaveHostMaintenanceRequest(Box::new(field(fields, 1)?)),
            20 => Self::RemoveHostMaintenanceRequest(field(fields, 1)?),
            _ => return None,
        })
    }

    /// Writes the union.
    pub fn to_struct(&self) -> Struct {
        let fields = match self {
            Self::SaveFrameworkId(text) | Self::RemoveQuota(text) | Self::RemoveHostMaintenanceRequest(text) => {
                Struct::new().with(1, text.as_str())
            }
            Self::SaveCronJob(job) => Struct::new().with(2, job.to_struct()),
            Self::RemoveJob(key) => Struct::new().with(2, key.to_struct()),
            Self::SaveTasks(tasks) => Struct::new().with(1, set_of(tasks)),
            Self::RemoveTasks(ids) => Struct::new().with(1, set_of(ids)),
            Self::SaveQuota { role, quota } => Struct::new().with(1, role.as_str()).with(2, quota.to_struct()),
            Self::SaveHostAttributes(host) => Struct::new().with(1, host.to_struct()),
            Self::SaveHostMaintenanceRequest(request) => Struct::new().with(1, request.to_struct()),
            Self::Other { fields, .. } => fields.clone(),
        };
        Struct::new().with(self.id(), fields)
    }
}

fn set_of<T: Thrift>(items: &[T]) -> Value {
    Value::Set(Seq { elem: T::TTYPE, items: items.iter().map(T::to_value).collect() })
}

impl Transaction {
    /// A transaction of these operations.
    pub fn of(ops: &[Op]) -> Self {
        Self { ops: ops.iter().map(Op::to_struct).collect(), schema_version: SCHEMA_VERSION, other: Struct::new() }
    }

    /// The operations, in order. `None` in place of one that is no union of a struct.
    pub fn operations(&self) -> impl Iterator<Item = Option<Op>> {
        self.ops.iter().cloned().map(Op::of)
    }

    /// The same, taken out and not copied.
    pub fn into_operations(self) -> impl Iterator<Item = Option<Op>> {
        self.ops.into_iter().map(Op::of)
    }
}

impl LogEntry {
    /// Decodes one entry as it stands: a frame stays a frame, a deflated entry stays deflated.
    pub fn decode(bytes: &[u8]) -> Result<Self, LogEntryError> {
        Self::from_union(tbinary::decode_struct(bytes)?)
    }

    fn from_union(mut union: Struct) -> Result<Self, LogEntryError> {
        if union.fields.len() != 1 {
            return Err(LogEntryError::UnknownKind(union.fields.get(1).map(|(id, _)| *id)));
        }
        match union.fields.pop() {
            Some((1, Value::Struct(fields))) => Ok(Self::Snapshot(Box::new(Snapshot::from_struct(fields)))),
            Some((2, Value::Struct(fields))) => Ok(Self::Transaction(Transaction::from_struct(fields))),
            Some((3, Value::Bool(_))) => Ok(Self::Noop),
            Some((4, Value::Struct(fields))) => Frame::from_union(fields).map(Self::Frame),
            Some((5, value)) => bytes_of(value).map(Self::Deflated).ok_or(LogEntryError::WrongType("deflated data")),
            Some((6, Value::Struct(fields))) => {
                Ok(Self::Deduplicated(Box::new(DeduplicatedSnapshot::from_struct(fields))))
            }
            Some((1..=6, _)) => Err(LogEntryError::WrongType("member")),
            other => Err(LogEntryError::UnknownKind(other.map(|(id, _)| id))),
        }
    }

    /// Encodes the entry, however long it gets; see [`split_into_frames`].
    pub fn encode(&self) -> Vec<u8> {
        let union = match self {
            Self::Snapshot(snapshot) => Struct::new().with(1, snapshot.to_struct()),
            Self::Transaction(transaction) => Struct::new().with(2, transaction.to_struct()),
            Self::Noop => Struct::new().with(3, Value::Bool(true)),
            Self::Frame(frame) => Struct::new().with(4, frame.to_union()),
            Self::Deflated(data) => Struct::new().with(5, Value::Binary(data.clone())),
            Self::Deduplicated(snapshot) => Struct::new().with(6, snapshot.to_struct()),
        };
        tbinary::encode_struct(&union)
    }

    /// Encodes and deflates the entry.
    #[must_use]
    pub fn deflate(&self) -> Self {
        let plain = self.encode();
        let mut data = Vec::new();
        // Reading from memory and writing to memory cannot fail.
        let _ = ZlibEncoder::new(plain.as_slice(), Compression::new(DEFLATE_LEVEL)).read_to_end(&mut data);
        Self::Deflated(data)
    }

    /// A snapshot as releases from 0.12 write it: deduplicated, then deflated.
    pub fn of_snapshot(snapshot: &Snapshot) -> Self {
        Self::Deduplicated(Box::new(deduplicate(snapshot))).deflate()
    }

    /// Inflates a deflated entry; any other is given back as it is.
    pub fn inflate(self) -> Result<Self, LogEntryError> {
        let Self::Deflated(data) = self else { return Ok(self) };
        match Self::decode(&inflate(&data)?)? {
            Self::Deflated(_) => Err(LogEntryError::NestedDeflate),
            entry => Ok(entry),
        }
    }

    /// The whole state, if this entry holds it in one form or another; `None` for the rest.
    pub fn into_snapshot(self) -> Result<Option<Snapshot>, LogEntryError> {
        match self.inflate()? {
            Self::Snapshot(snapshot) => Ok(Some(*snapshot)),
            Self::Deduplicated(snapshot) => reduplicate(*snapshot).map(Some),
            Self::Transaction(_) | Self::Noop | Self::Frame(_) | Self::Deflated(_) => Ok(None),
        }
    }
}

impl Frame {
    fn from_union(union: Struct) -> Result<Self, LogEntryError> {
        let (id, fields) = match union.fields.into_iter().next() {
            Some((id, Value::Struct(fields))) => (id, fields),
            other => return Err(LogEntryError::UnknownKind(other.map(|(id, _)| id))),
        };
        let data = |id| fields.get(id).cloned().and_then(bytes_of).ok_or(LogEntryError::WrongType("frame data"));
        match id {
            1 => Ok(Self::Header {
                chunk_count: fields.get(1).and_then(Value::as_i32).ok_or(LogEntryError::WrongType("chunk count"))?,
                checksum: data(2)?,
            }),
            2 => Ok(Self::Chunk(data(2)?)),
            other => Err(LogEntryError::UnknownKind(Some(other))),
        }
    }

    fn to_union(&self) -> Struct {
        match self {
            Self::Header { chunk_count, checksum } => {
                Struct::new().with(1, Struct::new().with(1, *chunk_count).with(2, Value::Binary(checksum.clone())))
            }
            Self::Chunk(data) => Struct::new().with(2, Struct::new().with(2, Value::Binary(data.clone()))),
        }
    }
}

fn bytes_of(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::Str(text) => Some(text.into_bytes()),
        Value::Binary(bytes) => Some(bytes),
        _ => None,
    }
}

fn inflate(data: &[u8]) -> Result<Vec<u8>, LogEntryError> {
    let mut plain = Vec::new();
    let mut limited = ZlibDecoder::new(data).take(INFLATED_BYTES_MAX + 1);
    limited.read_to_end(&mut plain).map_err(|error| LogEntryError::Inflate(error.to_string()))?;
    if plain.len() as u64 > INFLATED_BYTES_MAX { Err(LogEntryError::InflatedTooLarge) } else { Ok(plain) }
}

/// Takes the configurations out of the tasks, each kept once, in the order of first use.
pub fn deduplicate(snapshot: &Snapshot) -> DeduplicatedSnapshot {
    let mut configs: Vec<TaskConfig> = Vec::new();
    let mut known = std::collections::BTreeMap::new();
    let mut partial_tasks = Vec::new();
    for task in snapshot.tasks.iter().flat_map(|tasks| tasks.iter()) {
        let mut partial = task.clone();
        let config = partial.assigned_task.task.take().unwrap_or_default();
        let key = tbinary::encode_struct(&config.to_struct().canonical());
        let id = *known.entry(key).or_insert_with(|| {
            configs.push(config);
            configs.len() - 1
        });
        partial_tasks.push(DeduplicatedScheduledTask {
            partial_task: Some(partial),
            task_config_id: i32::try_from(id).unwrap_or(i32::MAX),
            other: Struct::new(),
        });
    }
    let partial_snapshot = Snapshot { tasks: None, ..snapshot.clone() };
    DeduplicatedSnapshot {
        partial_snapshot: Some(partial_snapshot),
        partial_tasks: Some(partial_tasks),
        task_configs: Some(configs),
        other: Struct::new(),
    }
}

/// Puts the configurations back into the tasks.
pub fn reduplicate(dedup: DeduplicatedSnapshot) -> Result<Snapshot, LogEntryError> {
    let configs = dedup.task_configs.unwrap_or_default();
    let mut snapshot = dedup.partial_snapshot.unwrap_or_default();
    let mut tasks = SetOf::default();
    for entry in dedup.partial_tasks.unwrap_or_default() {
        let config = usize::try_from(entry.task_config_id).ok().and_then(|id| configs.get(id));
        let config = config.ok_or(LogEntryError::NoSuchConfig(entry.task_config_id))?;
        let mut task = entry.partial_task.unwrap_or_default();
        task.assigned_task.task = Some(config.clone());
        tasks.push(task);
    }
    snapshot.tasks = Some(tasks);
    Ok(snapshot)
}

/// What goes into the log for an encoded entry: itself, or when it is longer than `entry_bytes_max` a header and chunks, each for a
/// position of its own.
pub fn split_into_frames(entry: &[u8], entry_bytes_max: usize) -> Vec<Vec<u8>> {
    let chunk_bytes = entry_bytes_max.max(1);
    if entry.len() <= chunk_bytes {
        return vec![entry.to_vec()];
    }
    let chunks = entry.chunks(chunk_bytes);
    let header = Frame::Header {
        chunk_count: i32::try_from(chunks.len()).unwrap_or(i32::MAX),
        checksum: Md5::digest(entry).to_vec(),
    };
    std::iter::once(header)
        .chain(chunks.map(|data| Frame::Chunk(data.to_vec())))
        .map(|frame| LogEntry::Frame(frame).encode())
        .collect()
}

/// Frames that were stepped over, as a scheduler does too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// A set that another entry, a new header or the end of the log cut short. If it held the only snapshot, a scheduler starts empty
    /// without any error.
    Aborted {
        /// Chunks announced.
        required: i32,
        /// Chunks found.
        found: i32,
    },
    /// A chunk with no header before it.
    ChunkWithoutHeader,
}

/// What one more payload led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// A whole entry, from this payload alone or with the ones before it; still deflated, if it was.
    pub entry: Option<LogEntry>,
    /// Frames stepped over.
    pub skipped: Option<Skipped>,
}

/// Joins frames. Only payloads of APPEND actions are to be pushed: Mesos's own NOP and TRUNCATE do not interrupt a set.
#[derive(Debug, Default)]
pub struct Reassembler {
    open: Option<OpenFrames>,
}

#[derive(Debug)]
struct OpenFrames {
    required: i32,
    found: i32,
    checksum: Vec<u8>,
    data: Vec<u8>,
}

impl Reassembler {
    /// Without open frames.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next payload. After an error the open frames are gone and the next payload starts afresh.
    pub fn push(&mut self, payload: &[u8]) -> Result<Step, LogEntryError> {
        match LogEntry::decode(payload) {
            Ok(LogEntry::Frame(Frame::Chunk(data))) => self.chunk(&data),
            Ok(LogEntry::Frame(Frame::Header { chunk_count, checksum })) => {
                let skipped = self.finish();
                self.open = Some(OpenFrames { required: chunk_count, found: 0, checksum, data: Vec::new() });
                Ok(Step { entry: None, skipped })
            }
            Ok(entry) => Ok(Step { entry: Some(entry), skipped: self.finish() }),
            Err(error) => {
                self.open = None;
                Err(error)
            }
        }
    }

    /// The end of the log: an open set is aborted.
    pub fn finish(&mut self) -> Option<Skipped> {
        let open = self.open.take()?;
        Some(Skipped::Aborted { required: open.required, found: open.found })
    }

    fn chunk(&mut self, data: &[u8]) -> Result<Step, LogEntryError> {
        let Some(mut open) = self.open.take() else {
            return Ok(Step { entry: None, skipped: Some(Skipped::ChunkWithoutHeader) });
        };
        if open.data.len().saturating_add(data.len()) > FRAMED_BYTES_MAX {
            return Err(LogEntryError::FramedTooLarge);
        }
        open.data.extend_from_slice(data);
        open.found = open.found.saturating_add(1);
        if open.found < open.required {
            self.open = Some(open);
            return Ok(Step::default());
        }
        if Md5::digest(&open.data).as_slice() != open.checksum.as_slice() {
            return Err(LogEntryError::Checksum);
        }
        Ok(Step { entry: Some(LogEntry::decode(&open.data)?), skipped: None })
    }
}

/// Kind of a payload by its first bytes; the rest may still be damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryClass {
    /// Written by every leader before it reads.
    Noop,
    /// Changes.
    Transaction {
        /// Operations announced.
        ops: i32,
    },
    /// The whole state.
    Snapshot {
        /// When it was taken, in milliseconds since the epoch.
        timestamp_ms: i64,
    },
    /// zlib data.
    Deflated {
        /// Its bytes.
        len: i32,
    },
    /// The whole state, with shared configurations.
    Deduplicated,
    /// Start of a frame set.
    FrameHeader {
        /// Chunks announced.
        chunks: i32,
    },
    /// Part of a frame set.
    FrameChunk {
        /// Its bytes.
        len: i32,
    },
    /// None of these.
    Unknown,
}

/// Looks at the first bytes only.
pub fn classify(payload: &[u8]) -> EntryClass {
    let head = |prefix: &[u8]| {
        payload.strip_prefix(prefix).map(|rest| rest.first_chunk::<4>().map(|word| i32::from_be_bytes(*word)))
    };
    if payload == [0x02, 0, 3, 1, 0] {
        EntryClass::Noop
    } else if let Some(Some(ops)) = head(&[0x0c, 0, 2, 0x0f, 0, 1, 0x0c]) {
        EntryClass::Transaction { ops }
    } else if let Some(rest) = payload.strip_prefix(&[0x0c, 0, 1, 0x0a, 0, 1]) {
        rest.first_chunk::<8>()
            .map_or(EntryClass::Unknown, |word| EntryClass::Snapshot { timestamp_ms: i64::from_be_bytes(*word) })
    } else if let Some(Some(len)) = head(&[0x0b, 0, 5]) {
        EntryClass::Deflated { len }
    } else if payload.starts_with(&[0x0c, 0, 6]) {
        EntryClass::Deduplicated
    } else if let Some(Some(chunks)) = head(&[0x0c, 0, 4, 0x0c, 0, 1, 8, 0, 1]) {
        EntryClass::FrameHeader { chunks }
    } else if let Some(Some(len)) = head(&[0x0c, 0, 4, 0x0c, 0, 2, 0x0b, 0, 2]) {
        EntryClass::FrameChunk { len }
    } else {
        EntryClass::Unknown
    }
}
