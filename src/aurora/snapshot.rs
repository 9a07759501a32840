//! Backup files: what is in one, and whether it may be restored.
//!
//! A backup is one bare Snapshot struct in `TBinary`: no envelope, no version, no checksum, no length. A scheduler stages a file with a flipped
//! byte, with bytes after its end, or of a single zero byte without a word, and committing the last empties the cluster. So this reader asks
//! for more than the scheduler does: decoded to the closing byte, nothing after it, a time, a writer, texts that are texts, tasks that are whole.
//!
//! [`walk`] hands over one element after another and keeps none, so memory does not grow with the backup beyond what the caller keeps; the
//! rest is built on it. Names (a `temp_` file is never a backup), digests and the age against a clock are the caller's.

use super::schema::Thrift;
use super::tbinary::{self, Reader, TBinaryError};
use super::types::{
    AssignedTask, HostAttributes, HostMaintenanceRequest, JobConfiguration, QuotaConfiguration, ScheduleStatus,
    ScheduledTask, SchedulerMetadata, Snapshot, StoredCronJob, StoredJobUpdateDetails, TaskConfig, TaskEvent,
};
use super::value::{Struct, TType, Value};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The largest file worth reading: fifty times the recorded backup of 20,000 tasks.
pub const BACKUP_BYTES_MAX: u64 = 1 << 30;
/// Prefix of the name of a finished backup.
pub const BACKUP_NAME_PREFIX: &str = "scheduler-backup-";
/// Prefix of the name of a file that is still being written, or was left when that failed.
pub const BACKUP_TEMP_PREFIX: &str = "temp_";

/// Fields of the struct that Aurora has and this program does not model.
const TASK_CONFIG_UNMODELLED: &[i16] = &[20, 22, 24, 29, 33, 34, 35];

/// Takes what [`walk`] finds, in the order of the file.
pub trait SnapshotSink {
    /// A task.
    fn task(&mut self, _task: ScheduledTask) {}
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

/// What a walk saw besides the elements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Walked {
    /// Field 1, if it was met.
    pub timestamp_ms: Option<i64>,
    /// Field 6, if it was met.
    pub metadata: Option<SchedulerMetadata>,
    /// Statements of field 11.
    pub db_statements: u64,
    /// Field 12.
    pub experimental_task_store: bool,
    /// Top-level fields that no release has, or of another type than declared.
    pub strange_fields: Vec<i16>,
    /// Strings that are not UTF-8. No release writes one.
    pub not_utf8: u64,
    /// Offset after the last byte that was understood.
    pub end: u64,
    /// Bytes after the closing byte.
    pub trailing: u64,
    /// Why the walk ended early.
    pub error: Option<TBinaryError>,
}

/// Walks a snapshot to its end or to the first byte that cannot be understood.
pub fn walk(bytes: &[u8], sink: &mut dyn SnapshotSink) -> Walked {
    let mut walked = Walked::default();
    let mut reader = Reader::new(bytes);
    walked.error = walk_fields(&mut reader, sink, &mut walked).err();
    walked.end = reader.offset() as u64;
    walked.not_utf8 = reader.not_utf8();
    if walked.error.is_none() {
        walked.trailing = reader.left() as u64;
    }
    walked
}

fn walk_fields(reader: &mut Reader<'_>, sink: &mut dyn SnapshotSink, walked: &mut Walked) -> Result<(), TBinaryError> {
    while let Some((id, ttype)) = reader.field()? {
        match (id, ttype) {
            (3, TType::Set) => each(reader, id, walked, &mut |host| sink.host(host))?,
            (4, TType::Set) => each(reader, id, walked, &mut |task| sink.task(task))?,
            (5, TType::Set) => each(reader, id, walked, &mut |job| sink.cron_job(job))?,
            (8, TType::Set) => each(reader, id, walked, &mut |quota| sink.quota(quota))?,
            (9, TType::Set) => each(reader, id, walked, &mut |lock| sink.lock(lock))?,
            (10, TType::Set) => each(reader, id, walked, &mut |update| sink.job_update(update))?,
            (11, TType::List) => each::<String>(reader, id, walked, &mut |_| ()).map(drop)?,
            (13, TType::Set) => each(reader, id, walked, &mut |request| sink.maintenance_request(request))?,
            _ => walk_single(id, reader.value(ttype)?, walked),
        }
    }
    Ok(())
}

fn walk_single(id: i16, value: Value, walked: &mut Walked) {
    match (id, value) {
        (1, Value::I64(timestamp)) => walked.timestamp_ms = Some(timestamp),
        (6, Value::Struct(fields)) => walked.metadata = Some(SchedulerMetadata::from_struct(fields)),
        (12, Value::Bool(yes)) => walked.experimental_task_store = yes,
        _ => walked.strange_fields.push(id),
    }
}

fn each<T: Thrift>(
    reader: &mut Reader<'_>,
    id: i16,
    walked: &mut Walked,
    take: &mut dyn FnMut(T),
) -> Result<(), TBinaryError> {
    let head = reader.seq_head()?;
    if head.count > 0 && head.elem != T::TTYPE {
        walked.strange_fields.push(id);
    }
    for _ in 0..head.count {
        if let Ok(item) = T::from_value(reader.value(head.elem)?) {
            take(item);
            if id == 11 {
                walked.db_statements += 1;
            }
        }
    }
    Ok(())
}

/// Decodes a whole snapshot as a scheduler does: what follows its end is ignored. To judge a file use [`read_backup`].
pub fn decode_snapshot(bytes: &[u8]) -> Result<Snapshot, TBinaryError> {
    Ok(Snapshot::from_struct(Reader::new(bytes).structure()?))
}

/// Encodes a snapshot; the bytes are a backup file.
pub fn encode_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    tbinary::encode_struct(&snapshot.to_struct())
}

/// A task in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRow {
    /// Id.
    pub id: String,
    /// `role/environment/name`; empty when the configuration does not say it.
    pub job: String,
    /// Name of the state.
    pub status: String,
    /// Host, once assigned.
    pub host: Option<String>,
    /// Index within the job.
    pub instance: i32,
}

impl TaskRow {
    /// The line of this task.
    pub fn of(task: &ScheduledTask) -> Self {
        Self {
            id: task.id().to_owned(),
            job: task.job_key().map(|key| key.to_string()).unwrap_or_default(),
            status: task.status.to_string(),
            host: task.assigned_task.slave_host.clone(),
            instance: task.assigned_task.instance_id,
        }
    }
}

/// Every task of a snapshot, in the order of the file.
pub fn list_tasks(bytes: &[u8]) -> Result<Vec<TaskRow>, TBinaryError> {
    #[derive(Default)]
    struct Rows(Vec<TaskRow>);
    impl SnapshotSink for Rows {
        fn task(&mut self, task: ScheduledTask) {
            self.0.push(TaskRow::of(&task));
        }
    }
    let mut rows = Rows::default();
    match walk(bytes, &mut rows).error {
        None => Ok(rows.0),
        Some(error) => Err(error),
    }
}

/// Tasks of one job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCount {
    /// In an active state.
    pub active: u64,
    /// In any state.
    pub total: u64,
}

/// How many of each kind. `None`: not countable, because the release keeps them in SQL statements that only a scheduler can run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupCounts {
    /// Tasks in any state.
    pub tasks: u64,
    /// Tasks in an active state.
    pub active_tasks: u64,
    /// Cron jobs.
    pub cron_jobs: u64,
    /// Quotas.
    pub quotas: Option<u64>,
    /// Hosts.
    pub host_attributes: Option<u64>,
    /// Job updates.
    pub job_updates: Option<u64>,
    /// Job updates that a restored scheduler goes on with, or could.
    pub active_job_updates: Option<u64>,
    /// Locks.
    pub locks: Option<u64>,
    /// Wishes for maintenance.
    pub maintenance_requests: u64,
}

/// What keeps a backup from being restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemCode {
    /// No bytes.
    EmptyFile,
    /// The first byte ends the struct: a file of zeros. A scheduler stages it, and committing it empties the cluster.
    EmptySnapshot,
    /// The data ends too early.
    Truncated,
    /// Not the encoding of a snapshot.
    Undecodable,
    /// Bytes after the end. A scheduler stages it.
    TrailingBytes,
    /// No time, or one that is not after 1970.
    NoTimestamp,
    /// The writer is not named.
    NoMetadata,
    /// Text that is not text: bytes were changed. A scheduler stages it.
    DamagedText,
    /// A field that no release has, or of another type than declared. A scheduler steps over it.
    StrangeFields,
    /// Tasks without id, job, state or, where the state needs one, host.
    IncompleteTasks,
    /// One id twice.
    DuplicateTasks,
    /// Neither tasks, nor cron jobs, nor a framework: written by a scheduler that never held anything.
    NothingInIt,
    /// No framework id: a scheduler restored from it registers as a new framework and the running tasks are orphans.
    NoFrameworkId,
    /// No tasks: after the first reconciliation nothing is left running.
    NoTasks,
    /// Part of the state is in SQL statements that only releases 0.13 to 0.19 load.
    KeptInSql,
    /// Fields inside tasks that no release up to 0.23 has: a newer release, or damage.
    UnknownTaskFields,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind.
    pub code: ProblemCode,
    /// The same in words, with numbers and places.
    pub message: String,
}

/// Whether a file may be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Whole, by all that can be seen without a scheduler.
    Fit,
    /// Not whole; at least one reason.
    Unfit(Vec<Problem>),
}

/// What a backup holds and whether it may be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSummary {
    /// Length of the file in bytes.
    pub size: u64,
    /// When it was taken, in milliseconds since the epoch; this, not the name, is its age.
    pub timestamp_ms: Option<i64>,
    /// Mesos framework id.
    pub framework_id: Option<String>,
    /// Version of the scheduler that wrote it, as far as its build said it.
    pub build_version: Option<String>,
    /// Build properties, from 0.10.
    pub build: BTreeMap<String, String>,
    /// How many of each kind; up to the damage, if it is damaged.
    pub counts: BackupCounts,
    /// Tasks by name of state.
    pub by_status: BTreeMap<String, u64>,
    /// Tasks by `role/environment/name`.
    pub by_job: BTreeMap<String, JobCount>,
    /// Newest change of state of any task, in milliseconds since the epoch.
    pub newest_event_ms: Option<i64>,
    /// The verdict.
    pub fit: Fit,
    /// What an engineer should know although it does not forbid the restore.
    pub warnings: Vec<Problem>,
}

impl BackupSummary {
    /// True when nothing forbids the restore.
    pub fn is_fit(&self) -> bool {
        self.fit == Fit::Fit
    }

    /// Reasons against the restore.
    pub fn problems(&self) -> &[Problem] {
        match &self.fit {
            Fit::Fit => &[],
            Fit::Unfit(problems) => problems,
        }
    }

    /// True when this is among the reasons.
    pub fn has(&self, code: ProblemCode) -> bool {
        self.problems().iter().chain(&self.warnings).any(|problem| problem.code == code)
    }
}

/// Reads a backup file and judges it.
pub fn read_backup(bytes: &[u8]) -> BackupSummary {
    let mut tally = Tally::default();
    let walked = walk(bytes, &mut tally);
    let problems = problems(bytes, &walked, &tally);
    let warnings = warnings(&walked, &tally);
    let metadata = walked.metadata.unwrap_or_default();
    BackupSummary {
        size: bytes.len() as u64,
        timestamp_ms: walked.timestamp_ms,
        build_version: metadata.build_version().map(str::to_owned),
        framework_id: metadata.framework_id,
        build: metadata.details.unwrap_or_default(),
        counts: tally.counts(walked.db_statements > 0),
        by_status: tally.by_status,
        by_job: tally.by_job,
        newest_event_ms: tally.newest_event_ms,
        fit: if problems.is_empty() { Fit::Fit } else { Fit::Unfit(problems) },
        warnings,
    }
}

#[derive(Default)]
struct Tally {
    tasks: u64,
    active_tasks: u64,
    cron_jobs: u64,
    quotas: u64,
    hosts: u64,
    updates: u64,
    updates_active: u64,
    locks: u64,
    maintenance_requests: u64,
    by_status: BTreeMap<String, u64>,
    by_job: BTreeMap<String, JobCount>,
    newest_event_ms: Option<i64>,
    ids: BTreeSet<String>,
    duplicates: u64,
    incomplete: u64,
    incomplete_first: Option<String>,
    mistyped: u64,
    unknown: u64,
}

impl SnapshotSink for Tally {
    fn task(&mut self, task: ScheduledTask) {
        let active = task.status.is_active();
        self.tasks += 1;
        self.active_tasks += u64::from(active);
        *self.by_status.entry(task.status.to_string()).or_default() += 1;
        let job = task.job_key();
        if let Some(why) = incomplete(&task, job.is_some()) {
            self.incomplete += 1;
            self.incomplete_first.get_or_insert_with(|| format!("{:?} has no {why}", task.id()));
        }
        let count = self.by_job.entry(job.map(|key| key.to_string()).unwrap_or_default()).or_default();
        count.total += 1;
        count.active += u64::from(active);
        self.newest_event_ms = self.newest_event_ms.max(task.last_event_ms());
        self.look_at_fields(&task);
        if !self.ids.insert(task.assigned_task.task_id) {
            self.duplicates += 1;
        }
    }

    fn cron_job(&mut self, job: StoredCronJob) {
        self.cron_jobs += 1;
        self.strange(&job.other, StoredCronJob::IDS, &[]);
        if let Some(job) = &job.job_configuration {
            self.strange(&job.other, JobConfiguration::IDS, &[]);
        }
    }

    fn quota(&mut self, quota: QuotaConfiguration) {
        self.quotas += 1;
        self.strange(&quota.other, QuotaConfiguration::IDS, &[]);
    }

    fn host(&mut self, host: HostAttributes) {
        self.hosts += 1;
        self.strange(&host.other, HostAttributes::IDS, &[]);
    }

    fn job_update(&mut self, update: StoredJobUpdateDetails) {
        self.updates += 1;
        let status = update.details.as_ref().and_then(super::types::JobUpdateDetails::status);
        self.updates_active += u64::from(status.is_some_and(super::types::JobUpdateStatus::is_active));
        self.strange(&update.other, StoredJobUpdateDetails::IDS, &[]);
    }

    fn lock(&mut self, _lock: Struct) {
        self.locks += 1;
    }

    fn maintenance_request(&mut self, request: HostMaintenanceRequest) {
        self.maintenance_requests += 1;
        self.strange(&request.other, HostMaintenanceRequest::IDS, &[]);
    }
}

impl Tally {
    fn look_at_fields(&mut self, task: &ScheduledTask) {
        self.strange(&task.other, ScheduledTask::IDS, &[]);
        self.strange(&task.assigned_task.other, AssignedTask::IDS, &[]);
        if let Some(config) = &task.assigned_task.task {
            self.strange(&config.other, TaskConfig::IDS, TASK_CONFIG_UNMODELLED);
        }
        for event in task.task_events.iter().flatten() {
            self.strange(&event.other, TaskEvent::IDS, &[]);
        }
    }

    /// Of what was kept aside: a declared id is there because its type was wrong, one that Aurora has and we do not model is fine.
    fn strange(&mut self, other: &Struct, declared: &[i16], unmodelled: &[i16]) {
        for (id, _) in &other.fields {
            if declared.contains(id) {
                self.mistyped += 1;
            } else if !unmodelled.contains(id) {
                self.unknown += 1;
            }
        }
    }

    fn counts(&self, in_sql: bool) -> BackupCounts {
        let unless_in_sql = |count: u64| if in_sql && count == 0 { None } else { Some(count) };
        BackupCounts {
            tasks: self.tasks,
            active_tasks: self.active_tasks,
            cron_jobs: self.cron_jobs,
            quotas: unless_in_sql(self.quotas),
            host_attributes: unless_in_sql(self.hosts),
            job_updates: unless_in_sql(self.updates),
            active_job_updates: unless_in_sql(self.updates).map(|_| self.updates_active),
            locks: unless_in_sql(self.locks),
            maintenance_requests: self.maintenance_requests,
        }
    }
}

fn incomplete(task: &ScheduledTask, has_job: bool) -> Option<&'static str> {
    if task.id().is_empty() {
        Some("id")
    } else if matches!(task.status, ScheduleStatus::Other(_)) {
        Some("known state")
    } else if !has_job {
        Some("job")
    } else if task.status.is_slave_assigned() && task.assigned_task.slave_host.is_none() {
        Some("host")
    } else {
        None
    }
}

fn problems(bytes: &[u8], walked: &Walked, tally: &Tally) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add = |code, message: String| found.push(Problem { code, message });
    let Some(first) = bytes.first() else {
        add(ProblemCode::EmptyFile, "the file has no bytes".to_owned());
        return found;
    };
    if *first == 0 {
        add(
            ProblemCode::EmptySnapshot,
            "the first byte ends the snapshot; committing it would empty the cluster".to_owned(),
        );
        return found;
    }
    if let Some(error) = &walked.error {
        let code = match error {
            TBinaryError::Truncated { .. } | TBinaryError::LengthBeyondEnd { .. } => ProblemCode::Truncated,
            _ => ProblemCode::Undecodable,
        };
        add(code, format!("decoding stops after {} of {} bytes: {error}", walked.end, bytes.len()));
        return found;
    }
    if walked.trailing > 0 {
        add(
            ProblemCode::TrailingBytes,
            format!("{} bytes follow the end of the snapshot at byte {}", walked.trailing, walked.end),
        );
    }
    match walked.timestamp_ms {
        Some(timestamp) if timestamp > 0 => {}
        Some(timestamp) => add(ProblemCode::NoTimestamp, format!("the time it was taken at is {timestamp}")),
        None => add(ProblemCode::NoTimestamp, "the time it was taken at is missing".to_owned()),
    }
    if walked.metadata.is_none() {
        add(ProblemCode::NoMetadata, "the scheduler that wrote it is not named".to_owned());
    }
    if walked.not_utf8 > 0 {
        add(
            ProblemCode::DamagedText,
            format!("{} texts are not UTF-8: bytes of the file were changed", walked.not_utf8),
        );
    }
    if !walked.strange_fields.is_empty() || tally.mistyped > 0 {
        let message = format!(
            "top-level fields {:?} and {} inside are not as any release writes them",
            walked.strange_fields, tally.mistyped
        );
        add(ProblemCode::StrangeFields, message);
    }
    if let Some(example) = &tally.incomplete_first {
        add(ProblemCode::IncompleteTasks, format!("{} tasks are not whole, the first: {example}", tally.incomplete));
    }
    if tally.duplicates > 0 {
        add(ProblemCode::DuplicateTasks, format!("{} task ids occur again", tally.duplicates));
    }
    if tally.tasks == 0 && tally.cron_jobs == 0 && framework_id(walked).is_none() {
        add(ProblemCode::NothingInIt, "it holds no task, no cron job and no framework id".to_owned());
    }
    found
}

fn warnings(walked: &Walked, tally: &Tally) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add = |code, message: String| found.push(Problem { code, message });
    if framework_id(walked).is_none() {
        add(
            ProblemCode::NoFrameworkId,
            "it has no framework id; running tasks would be orphans of the old framework".to_owned(),
        );
    }
    if tally.tasks == 0 {
        add(ProblemCode::NoTasks, "it holds no task".to_owned());
    }
    if walked.db_statements > 0 {
        let message = format!(
            "{} SQL statements hold part of the state; only releases 0.13 to 0.19 load them",
            walked.db_statements
        );
        add(ProblemCode::KeptInSql, message);
    }
    if tally.unknown > 0 {
        add(ProblemCode::UnknownTaskFields, format!("{} fields are unknown up to release 0.23", tally.unknown));
    }
    found
}

fn framework_id(walked: &Walked) -> Option<&str> {
    walked.metadata.as_ref()?.framework_id.as_deref().filter(|id| !id.is_empty())
}
