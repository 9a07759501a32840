//! The walk over a snapshot: one element after another, none of them kept.

use super::strange::FieldCounts;
use crate::aurora::brief::TaskBrief;
use crate::aurora::schema::Thrift;
use crate::aurora::tbinary::{Reader, TBinaryError};
use crate::aurora::types::{
    AssignedTask, HostAttributes, HostMaintenanceRequest, JobConfiguration, QuotaConfiguration, ScheduledTask,
    SchedulerMetadata, StoredCronJob, StoredJobUpdateDetails, TaskConfig, TaskEvent,
};
use crate::aurora::value::{Struct, TType, Value};
use std::io::Read;
use thiserror::Error;

/// Fields of the struct that Aurora has and this program does not model.
const TASK_CONFIG_UNMODELLED: &[i16] = &[20, 22, 24, 29, 33, 34, 35];

/// Takes what [`walk_from`] finds, in the order of the file. Everything but a task is handed over whole.
pub trait BriefSink {
    /// A task.
    fn task(&mut self, _task: &TaskBrief<'_>) {}
    /// A cron job.
    fn cron_job(&mut self, _job: StoredCronJob) {}
    /// A quota.
    fn quota(&mut self, _quota: QuotaConfiguration) {}
    /// A host.
    fn host(&mut self, _host: HostAttributes) {}
    /// A job update.
    fn job_update(&mut self, _update: StoredJobUpdateDetails) {}
    /// A lock.
    fn lock(&mut self, _lock: Struct) {}
    /// A wish for maintenance.
    fn maintenance_request(&mut self, _request: HostMaintenanceRequest) {}
}

/// Why a walk ended early.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WalkError {
    /// The bytes are not a snapshot, or not all of one.
    #[error(transparent)]
    Bytes(#[from] TBinaryError),
    /// The stream failed. Says nothing of the bytes that were not read.
    #[error("reading fails after {at} bytes: {message}")]
    Read {
        /// Bytes read before.
        at: u64,
        /// The cause.
        message: String,
    },
    /// One element takes more than is held in memory.
    #[error("the element at byte {at} takes more than {limit} bytes, the most that is held in memory")]
    ElementTooLarge {
        /// Offset of the element.
        at: u64,
        /// The limit.
        limit: u64,
    },
    /// The stream goes on beyond what is read of any.
    #[error("longer than {limit} bytes, the most that is read")]
    TooLong {
        /// The limit.
        limit: u64,
    },
}

/// What a walk saw besides the elements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Walked {
    /// Bytes of the whole stream, as far as it could be read.
    pub size: u64,
    /// The first byte ends the struct.
    pub starts_with_end: bool,
    /// Field 1, if it was met.
    pub timestamp_ms: Option<i64>,
    /// Field 6, if it was met.
    pub metadata: Option<SchedulerMetadata>,
    /// Statements of field 11.
    pub db_statements: u64,
    /// Field 12.
    pub experimental_task_store: bool,
    /// Top-level fields that no release has, or of another type than declared; each once.
    pub strange_fields: Vec<i16>,
    /// Fields within the elements that no release up to 0.23 has.
    pub unknown: FieldCounts,
    /// Fields within the elements that are of another type than declared.
    pub mistyped: FieldCounts,
    /// Strings that are not UTF-8. No release writes one.
    pub not_utf8: u64,
    /// Offset after the last byte that was understood.
    pub end: u64,
    /// Bytes after the closing byte.
    pub trailing: u64,
    /// Why the walk ended early.
    pub error: Option<WalkError>,
}

/// Walks a snapshot to its end or to the first byte that cannot be understood, and reads the stream to its end.
pub fn walk_from(mut read: impl Read, sink: &mut dyn BriefSink) -> Walked {
    let mut bytes = Vec::new();
    let failed = read.by_ref().take(super::BACKUP_BYTES_MAX).read_to_end(&mut bytes).err();
    let mut walked =
        Walked { size: bytes.len() as u64, starts_with_end: bytes.first() == Some(&0), ..Walked::default() };
    let mut reader = Reader::new(&bytes);
    walked.error = walk_fields(&mut reader, sink, &mut walked).err().map(WalkError::Bytes);
    walked.end = reader.offset() as u64;
    walked.not_utf8 = reader.not_utf8();
    if walked.error.is_none() {
        walked.trailing = reader.left() as u64;
    }
    if let Some(error) = failed {
        walked.error = Some(WalkError::Read { at: walked.size, message: error.to_string() });
    }
    walked
}

fn walk_fields(reader: &mut Reader<'_>, sink: &mut dyn BriefSink, walked: &mut Walked) -> Result<(), TBinaryError> {
    while let Some((id, ttype)) = reader.field()? {
        match (id, ttype) {
            (3, TType::Set) => each(reader, id, walked, &mut |walked, host: HostAttributes| {
                walked.strange("hostAttributes", &host.other, HostAttributes::IDS, &[]);
                sink.host(host);
            })?,
            (4, TType::Set) => each(reader, id, walked, &mut |walked, task: ScheduledTask| {
                walked.look_at_task(&task);
                sink.task(&TaskBrief::of(&task));
            })?,
            (5, TType::Set) => each(reader, id, walked, &mut |walked, job: StoredCronJob| {
                walked.strange("cronJobs", &job.other, StoredCronJob::IDS, &[]);
                if let Some(job) = &job.job_configuration {
                    walked.strange("cronJobs/jobConfiguration", &job.other, JobConfiguration::IDS, &[]);
                }
                sink.cron_job(job);
            })?,
            (8, TType::Set) => each(reader, id, walked, &mut |walked, quota: QuotaConfiguration| {
                walked.strange("quotas", &quota.other, QuotaConfiguration::IDS, &[]);
                sink.quota(quota);
            })?,
            (9, TType::Set) => each(reader, id, walked, &mut |_, lock| sink.lock(lock))?,
            (10, TType::Set) => each(reader, id, walked, &mut |walked, update: StoredJobUpdateDetails| {
                walked.strange("jobUpdates", &update.other, StoredJobUpdateDetails::IDS, &[]);
                sink.job_update(update);
            })?,
            (11, TType::List) => {
                each(reader, id, walked, &mut |walked, _: String| walked.db_statements += 1)?;
            }
            (13, TType::Set) => each(reader, id, walked, &mut |walked, request: HostMaintenanceRequest| {
                walked.strange("maintenanceRequests", &request.other, HostMaintenanceRequest::IDS, &[]);
                sink.maintenance_request(request);
            })?,
            _ => {
                let value = reader.value(ttype)?;
                walked.single(id, value);
            }
        }
    }
    Ok(())
}

fn each<T: Thrift>(
    reader: &mut Reader<'_>,
    id: i16,
    walked: &mut Walked,
    take: &mut dyn FnMut(&mut Walked, T),
) -> Result<(), TBinaryError> {
    let head = reader.seq_head()?;
    if head.count > 0 && head.elem != T::TTYPE {
        walked.strange_fields.push(id);
    }
    for _ in 0..head.count {
        if let Ok(item) = T::from_value(reader.value(head.elem)?) {
            take(walked, item);
        }
    }
    Ok(())
}

impl Walked {
    fn single(&mut self, id: i16, value: Value) {
        match (id, value) {
            (1, Value::I64(timestamp)) => self.timestamp_ms = Some(timestamp),
            (6, Value::Struct(fields)) => self.metadata = Some(SchedulerMetadata::from_struct(fields)),
            (12, Value::Bool(yes)) => self.experimental_task_store = yes,
            _ => self.strange_fields.push(id),
        }
    }

    fn look_at_task(&mut self, task: &ScheduledTask) {
        self.strange("tasks", &task.other, ScheduledTask::IDS, &[]);
        self.strange("tasks/assignedTask", &task.assigned_task.other, AssignedTask::IDS, &[]);
        if let Some(config) = &task.assigned_task.task {
            self.strange("tasks/assignedTask/task", &config.other, TaskConfig::IDS, TASK_CONFIG_UNMODELLED);
        }
        for event in task.task_events.iter().flatten() {
            self.strange("tasks/taskEvents", &event.other, TaskEvent::IDS, &[]);
        }
    }

    /// Of what was kept aside: a declared id is there because its type was wrong, one that Aurora has and we do not model is fine.
    fn strange(&mut self, place: &str, other: &Struct, declared: &[i16], unmodelled: &[i16]) {
        for (id, _) in &other.fields {
            if declared.contains(id) {
                self.mistyped.add(place, *id);
            } else if !unmodelled.contains(id) {
                self.unknown.add(place, *id);
            }
        }
    }
}
