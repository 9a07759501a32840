//! Backups read as a stream: the same as decoded whole, in any portions, cut, damaged, without end.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use crate::aurora_backup::backup;
use firstlight::aurora::brief::TaskBrief;
use firstlight::aurora::schema::SetOf;
use firstlight::aurora::snapshot::{
    self, BackupSummary, BriefSink, ELEMENT_BYTES_MAX, Fit, GROUPS_MAX, JobCount, LISTED_MAX, ProblemCode, WalkError,
    read_backup, read_backup_from, walk_from,
};
use firstlight::aurora::types::{
    AssignedTask, HostAttributes, Identity, JobConfiguration, JobKey, JobUpdate, JobUpdateDetails, JobUpdateEvent,
    JobUpdateKey, JobUpdateStatus, JobUpdateSummary, MaintenanceMode, QuotaConfiguration, Resource, ResourceAggregate,
    ScheduleStatus, ScheduledTask, SchedulerMetadata, Snapshot, StoredCronJob, StoredJobUpdateDetails, TaskConfig,
    TaskEvent,
};
use firstlight::aurora::value::{Struct, Value};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

/// Gives its bytes in portions of a size, interrupted now and then.
struct Portions<'a> {
    left: &'a [u8],
    size: usize,
    reads: usize,
}

impl<'a> Portions<'a> {
    fn new(left: &'a [u8], size: usize) -> Self {
        Self { left, size, reads: 0 }
    }
}

impl Read for Portions<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = self.size.min(buffer.len()).min(self.left.len());
        let (now, later) = self.left.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.left = later;
        Ok(count)
    }
}

/// Fails after its bytes.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::Error::other("the disk is gone")),
            count => Ok(count),
        }
    }
}

/// Each task as text, so that two readings can be held against each other.
#[derive(Default)]
struct Seen(Vec<String>);

impl BriefSink for Seen {
    fn task(&mut self, task: &TaskBrief<'_>) {
        self.0.push(format!("{task:?}"));
    }
}

fn codes(summary: &BackupSummary) -> Vec<ProblemCode> {
    summary.problems().iter().map(|problem| problem.code).collect()
}

fn count(map: &mut BTreeMap<String, JobCount>, name: String, active: bool) {
    let count = map.entry(name).or_default();
    count.total += 1;
    count.active += u64::from(active);
}

/// What the summary should say, by decoding the whole struct.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    tasks: u64,
    active: u64,
    by_status: BTreeMap<String, u64>,
    by_job: BTreeMap<String, JobCount>,
    by_role: BTreeMap<String, JobCount>,
    by_environment: BTreeMap<String, JobCount>,
    by_host: BTreeMap<String, JobCount>,
    newest: Option<i64>,
    cron_jobs: Vec<(String, String, i32)>,
    quotas: Vec<String>,
    updates: Vec<(String, String)>,
    hosts: Vec<(String, String)>,
    duplicates: bool,
}

impl Expected {
    fn of_whole(snapshot: &Snapshot) -> Self {
        let mut of = Self::default();
        let mut ids = BTreeSet::new();
        for task in snapshot.tasks.iter().flat_map(|tasks| tasks.iter()) {
            let (brief, active) = (TaskBrief::of(task), task.status.is_active());
            of.tasks += 1;
            of.active += u64::from(active);
            *of.by_status.entry(task.status.to_string()).or_default() += 1;
            count(&mut of.by_job, task.job_key().map(|key| key.to_string()).unwrap_or_default(), active);
            count(&mut of.by_role, brief.role.to_owned(), active);
            count(&mut of.by_environment, brief.environment.to_owned(), active);
            if let Some(host) = brief.host {
                count(&mut of.by_host, host.to_owned(), active);
            }
            of.newest = of.newest.max(task.last_event_ms());
            of.duplicates |= !ids.insert(task.id().to_owned());
        }
        for job in snapshot.cron_jobs.iter().flat_map(|jobs| jobs.iter()) {
            let job = job.job_configuration.as_ref().unwrap();
            let key = job.key.as_ref().unwrap().to_string();
            of.cron_jobs.push((key, job.cron_schedule.clone().unwrap(), job.instance_count));
        }
        of.quotas = snapshot.quotas.iter().flat_map(|quotas| quotas.iter()).map(|quota| quota.role.clone()).collect();
        for update in snapshot.job_updates.iter().flat_map(|updates| updates.iter()) {
            let details = update.details.as_ref().unwrap();
            let summary = details.update.as_ref().unwrap().summary.as_ref().unwrap();
            if let Some(status) = details.status().filter(|status| status.is_active()) {
                of.updates.push((summary.id().unwrap().to_owned(), status.to_string()));
            }
        }
        for host in snapshot.host_attributes.iter().flat_map(|hosts| hosts.iter()) {
            if let Some(mode) = host.mode.filter(|mode| *mode != MaintenanceMode::None) {
                of.hosts.push((host.host.clone(), mode.to_string()));
            }
        }
        of.cron_jobs.sort_unstable();
        of.quotas.sort_unstable();
        of.updates.sort_unstable();
        of.hosts.sort_unstable();
        of
    }

    fn of_summary(summary: &BackupSummary) -> Self {
        let mut updates: Vec<_> =
            summary.active_updates.iter().map(|update| (update.id.clone(), update.status.clone())).collect();
        updates.sort_unstable();
        let crons = summary.cron_jobs.iter().map(|cron| (cron.job.clone(), cron.schedule.clone(), cron.instances));
        Self {
            tasks: summary.counts.tasks,
            active: summary.counts.active_tasks,
            by_status: summary.by_status.clone(),
            by_job: summary.by_job.clone(),
            by_role: summary.by_role.clone(),
            by_environment: summary.by_environment.clone(),
            by_host: summary.by_host.clone(),
            newest: summary.newest_event_ms,
            cron_jobs: crons.collect(),
            quotas: summary.quotas.iter().map(|quota| quota.role.clone()).collect(),
            updates,
            hosts: summary.draining_hosts.iter().map(|host| (host.host.clone(), host.mode.clone())).collect(),
            duplicates: summary.has(ProblemCode::DuplicateTasks),
        }
    }
}

#[test]
fn recorded_backups_are_the_same_streamed_as_whole() {
    for name in
        ["scheduler-backup-2026-11-22-16-03", "scheduler-backup-2026-11-22-16-04", "scheduler-backup-2026-11-22-16-22"]
    {
        let bytes = backup(name);
        let whole = snapshot::decode_snapshot(&bytes).unwrap();
        let summary = read_backup_from(Portions::new(&bytes, 4093));
        assert_eq!(Expected::of_summary(&summary), Expected::of_whole(&whole), "{name}");
        assert_eq!(summary, read_backup(&bytes), "{name}");
        assert_eq!(summary.size, bytes.len() as u64);
        let mut seen = Seen::default();
        let walked = walk_from(&bytes[..], &mut seen);
        assert_eq!((walked.error, walked.end, walked.trailing), (None, bytes.len() as u64, 0));
        let tasks = whole.tasks.unwrap_or_default();
        for (seen, task) in seen.0.iter().zip(tasks.iter()) {
            assert_eq!(*seen, format!("{:?}", TaskBrief::of(task)), "{name}");
        }
        assert_eq!(seen.0.len(), tasks.len());
        assert_eq!((walked.unknown.total, walked.mistyped.total), (0, 0), "{name}");
    }
}

#[test]
fn the_lists_of_the_populated_backup_are_told() {
    let summary = read_backup(&backup("scheduler-backup-2026-11-22-16-04"));
    assert_eq!((summary.by_role.len(), summary.not_listed), (3, snapshot::NotListed::default()));
    assert_eq!(summary.by_role.values().map(|count| count.total).sum::<u64>(), 37);
    assert_eq!(summary.by_environment.values().map(|count| count.active).sum::<u64>(), 26);
    assert!(summary.cron_jobs.iter().all(|cron| !cron.schedule.is_empty() && cron.job.matches('/').count() == 2));
    assert_eq!((summary.cron_jobs.len(), summary.quotas.len(), summary.maintenance_requests.len()), (2, 3, 1));
    assert!(summary.quotas.iter().all(|quota| quota.cpus.is_some() && quota.ram_mb.is_some()));
    assert_eq!(Some(summary.active_updates.len() as u64), summary.counts.active_job_updates);
    assert!(!summary.made_by_restore && !summary.tasks_in_sql && summary.locks.is_empty());
}

#[test]
fn portions_of_any_size_make_no_difference() {
    let whole = backup("scheduler-backup-2026-11-22-16-04");
    for damaged in [
        "scheduler-backup-2026-11-22-16-04",
        "scheduler-backup-2026-11-01-00-03",
        "scheduler-backup-2026-11-01-00-05",
        "scheduler-backup-2026-11-01-00-08",
        "scheduler-backup-2026-11-01-00-09",
    ] {
        let bytes = backup(damaged);
        let expected = read_backup(&bytes);
        for size in [1, 7, 899] {
            assert_eq!(read_backup_from(Portions::new(&bytes, size)), expected, "{damaged} in portions of {size}");
        }
    }
    assert!(read_backup(&whole).is_fit());
}

#[test]
fn wherever_it_is_cut_it_is_said() {
    let small = backup("scheduler-backup-2026-11-22-16-03");
    for cut in 0..small.len() {
        let summary = read_backup(&small[..cut]);
        let expected = if cut == 0 { ProblemCode::EmptyFile } else { ProblemCode::Truncated };
        assert_eq!(codes(&summary), [expected], "cut at {cut}");
    }
    let large = backup("scheduler-backup-2026-11-22-16-04");
    let mut before = 0;
    // Every byte of the first elements, then a step that meets every kind of place.
    for cut in (1..1000).chain((1000..large.len()).step_by(211)) {
        let summary = read_backup(&large[..cut]);
        assert_eq!(codes(&summary), [ProblemCode::Truncated], "cut at {cut}");
        assert_eq!(summary.size, cut as u64);
        let message = &summary.problems()[0].message;
        assert!(message.contains(&format!("of {cut} bytes")), "{message}");
        assert!(summary.counts.tasks >= before);
        before = summary.counts.tasks;
    }
    assert!(before >= 36);
}

#[test]
fn a_failing_stream_is_unknown_not_damaged() {
    let bytes = backup("scheduler-backup-2026-11-22-16-04");
    for cut in [0, 1, 100, 20_000, bytes.len()] {
        let summary = read_backup_from(Failing(&bytes[..cut]));
        assert_eq!(codes(&summary), [ProblemCode::ReadFailed], "after {cut}");
        assert!(matches!(summary.fit, Fit::Unknown(_)) && !summary.is_fit());
        assert!(summary.problems()[0].message.contains("the disk is gone"), "{:?}", summary.problems());
        assert_eq!(summary.size, cut as u64);
    }
    let expected = read_backup(&bytes[..20_000]);
    assert_eq!(
        read_backup_from(Failing(&bytes[..20_000])).counts,
        expected.counts,
        "what came before is still counted"
    );
    // Damage that was seen stays damage, whatever follows.
    let damaged = backup("scheduler-backup-2026-11-01-00-08");
    assert_eq!(codes(&read_backup_from(Failing(&damaged))), [ProblemCode::Undecodable]);
}

/// Head of a field.
fn head(ttype: u8, id: i16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![ttype, high, low]
}

/// A container's head: type of the elements and their number.
fn of(elem: u8, count: i32) -> Vec<u8> {
    [&[elem][..], &count.to_be_bytes()].concat()
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as i32).to_be_bytes()[..], bytes].concat()
}

fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn hostile_bytes_are_refused_in_bounds() {
    use ProblemCode as P;
    let bomb = |levels: usize, level: Vec<u8>| level.repeat(levels);
    let task = |inner: Vec<u8>| joined(&[head(14, 4), of(12, 1), inner]);
    let huge = i32::MAX.to_be_bytes().to_vec();
    let minus = (-5_i32).to_be_bytes().to_vec();
    let table: Vec<(&str, Vec<u8>, P)> = vec![
        ("an id of 2 GB", task(joined(&[head(12, 1), head(11, 1), huge.clone(), vec![b'x'; 60]])), P::Truncated),
        ("an unknown text of 2 GB", joined(&[head(11, 99), huge.clone(), vec![b'x'; 80]]), P::Truncated),
        ("2 G tasks", joined(&[head(14, 4), of(12, i32::MAX), vec![0; 90]]), P::Truncated),
        ("2 G hosts", joined(&[head(14, 3), of(12, i32::MAX), vec![0; 90]]), P::Truncated),
        ("2 G numbers", joined(&[head(15, 77), of(10, i32::MAX), vec![0; 90]]), P::Truncated),
        ("2 G ports", task(joined(&[head(12, 1), head(13, 5), vec![11, 8], huge.clone(), vec![0; 60]])), P::Truncated),
        ("a negative text", joined(&[head(11, 99), minus.clone()]), P::Undecodable),
        ("a negative id", task(joined(&[head(12, 1), head(11, 1), minus.clone()])), P::Undecodable),
        ("a negative number of tasks", joined(&[head(14, 4), of(12, -1)]), P::Undecodable),
        ("a negative number of pairs", joined(&[head(13, 40), vec![11, 11], minus]), P::Undecodable),
        ("a wire type that is none", task(vec![77, 0, 1]), P::Undecodable),
        ("structs without end", joined(&[head(12, 50), bomb(100_000, head(12, 1))]), P::Undecodable),
        ("structs without end in a task", task(bomb(100_000, head(12, 9))), P::Undecodable),
        ("sets without end in a task", task(joined(&[head(14, 9), bomb(100_000, of(14, 1))])), P::Undecodable),
        ("structs without end in metadata", joined(&[head(12, 6), bomb(100_000, head(12, 7))]), P::Undecodable),
        ("maps without end", joined(&[head(13, 50), bomb(50_000, vec![13, 13, 0, 0, 0, 1])]), P::Undecodable),
    ];
    for (what, bytes, code) in table {
        for size in [1, bytes.len()] {
            let summary = read_backup_from(Portions::new(&bytes, size));
            assert_eq!(codes(&summary), [code], "{what}: {summary:?}");
            assert_eq!(summary.size, bytes.len() as u64, "{what}");
        }
    }
}

#[test]
fn an_element_beyond_the_limit_says_nothing_of_the_file() {
    let start = joined(&[head(14, 4), of(12, 1), head(12, 1), head(11, 1), i32::MAX.to_be_bytes().to_vec()]);
    let bytes = ELEMENT_BYTES_MAX as u64 + (1 << 20);
    let walked = walk_from((&start[..]).chain(io::repeat(b'x').take(bytes)), &mut Seen::default());
    assert!(matches!(walked.error, Some(WalkError::ElementTooLarge { at: 8, .. })), "{:?}", walked.error);
    assert_eq!(walked.size, start.len() as u64 + bytes);
    let summary = read_backup_from((&start[..]).chain(io::repeat(b'x').take(bytes)));
    assert_eq!(codes(&summary), [ProblemCode::TooLarge]);
    assert!(matches!(summary.fit, Fit::Unknown(_)));
}

#[test]
fn statements_larger_than_any_window_pass_by() {
    let script = format!("INSERT {}\u{20ac}", "h\u{e9}\u{20ac}".repeat(400_000));
    let mut state = made_state(7, 3);
    state.db_script = Some(vec![script.clone(), "COMMIT".to_owned()]);
    state.experimental_task_store = Some(true);
    (state.quotas, state.host_attributes, state.job_updates) = (None, None, None);
    let bytes = snapshot::encode_snapshot(&state);
    let summary = read_backup(&bytes);
    assert_eq!((summary.sql_statements, summary.tasks_in_sql), (2, true));
    assert!(summary.has(ProblemCode::KeptInSql) && summary.has(ProblemCode::TasksInSql));
    assert_eq!((summary.counts.quotas, summary.counts.host_attributes, summary.counts.job_updates), (None, None, None));
    assert!(!summary.has(ProblemCode::DamagedText));
    // One byte of a character in its middle.
    let at = bytes.windows(3).rposition(|three| three == "\u{20ac}".as_bytes()).unwrap();
    let mut damaged = bytes;
    damaged[at + 1] = b'(';
    assert_eq!(codes(&read_backup(&damaged)), [ProblemCode::DamagedText]);
}

#[test]
fn fields_beyond_the_model_are_named() {
    let mut state = made_state(3, 5);
    let tasks = state.tasks.as_mut().unwrap();
    tasks[0].assigned_task.task.get_or_insert_default().other.fields.push((77, "new".into()));
    tasks[1].assigned_task.task.get_or_insert_default().other.fields.push((77, 5_i64.into()));
    tasks[2].other.fields.push((9, Value::Struct(Struct::new().with(1, "x"))));
    let summary = read_backup(&snapshot::encode_snapshot(&state));
    let places: Vec<_> =
        summary.unknown_fields.by_place.iter().map(|(place, count)| (place.as_str(), *count)).collect();
    assert_eq!(places, [("tasks/9", 1), ("tasks/assignedTask/task/77", 2)]);
    assert!(summary.is_fit() && summary.has(ProblemCode::UnknownTaskFields), "{:?}", summary.problems());

    let tasks = state.tasks.as_mut().unwrap();
    tasks[3].assigned_task.other.fields.push((6, "not a number".into()));
    let summary = read_backup(&snapshot::encode_snapshot(&state));
    assert_eq!(codes(&summary), [ProblemCode::StrangeFields]);
    assert_eq!(summary.mistyped_fields.by_place.keys().collect::<Vec<_>>(), ["tasks/assignedTask/6"]);
    assert!(summary.problems()[0].message.contains("tasks/assignedTask/6 (1)"));
}

#[test]
fn a_snapshot_made_by_a_commit_is_known() {
    let mut state = made_state(3, 5);
    let details = ["DATE", "GIT_REVISION", "GIT_TAG"].map(|name| (name.to_owned(), name.to_owned()));
    state.metadata.as_mut().unwrap().details = Some(details.into_iter().collect());
    let summary = read_backup(&snapshot::encode_snapshot(&state));
    assert!(summary.is_fit() && summary.made_by_restore && summary.has(ProblemCode::MadeByRestore));
    assert_eq!(summary.build_version, None);
}

#[test]
fn shapes_of_old_releases_are_understood() {
    let mut state = made_state(11, 4);
    for task in &mut state.tasks.as_mut().unwrap().0 {
        let config = task.assigned_task.task.get_or_insert_default();
        config.job = None;
        config.owner = Some(Identity { role: Some("old".to_owned()), ..Identity::default() });
        config.environment = Some("prod".to_owned());
        config.job_name = Some("web".to_owned());
        config.resources = None;
    }
    let job = JobConfiguration { key: Some(JobKey::new("old", "prod", "web")), ..JobConfiguration::default() };
    let stored = StoredCronJob {
        job_manager_id: Some("IMMEDIATE".to_owned()),
        job_configuration: Some(job),
        ..StoredCronJob::default()
    };
    state.cron_jobs = Some(SetOf(vec![stored]));
    let lock = Struct::new()
        .with(1, Struct::new().with(1, Struct::new().with(1, "old").with(2, "prod").with(3, "web")))
        .with(2, "token")
        .with(3, "alice")
        .with(4, 5_i64);
    state.locks = Some(SetOf(vec![lock]));
    let summary = read_backup(&snapshot::encode_snapshot(&state));
    assert!(summary.is_fit() && summary.has(ProblemCode::StoredJobs), "{summary:?}");
    assert_eq!(summary.by_job.keys().collect::<Vec<_>>(), ["old/prod/web"]);
    let lock = &summary.locks[0];
    assert_eq!((lock.job.as_str(), lock.user.as_str(), lock.timestamp_ms), ("old/prod/web", "alice", Some(5)));
    assert_eq!(summary.counts.locks, Some(1));
}

/// A snapshot of many tasks, made while it is read; nothing of it is kept.
struct Roles {
    next: u32,
    last: u32,
    buffer: Vec<u8>,
    at: usize,
}

impl Roles {
    fn new(last: u32) -> Self {
        let head = joined(&[head(10, 1), 5_i64.to_be_bytes().to_vec(), head(14, 4), of(12, last as i32)]);
        Self { next: 0, last, buffer: head, at: 0 }
    }

    fn refill(&mut self) {
        self.at = 0;
        if self.next > self.last {
            return self.buffer.clear();
        }
        self.buffer = if self.next == self.last {
            joined(&[head(12, 6), head(11, 1), text(b"f"), vec![0], vec![0]])
        } else {
            let role = text(format!("role{}", self.next).as_bytes());
            let host = text(format!("host{}", self.next).as_bytes());
            let key =
                [head(11, 1), role.clone(), head(11, 2), role.clone(), head(11, 3), role.clone(), vec![0]].concat();
            let config = [head(12, 4), head(12, 28), key, vec![0]].concat();
            let assigned = [head(12, 1), head(11, 1), role, head(11, 3), host, config, vec![0]].concat();
            [assigned, head(8, 2), 2_i32.to_be_bytes().to_vec(), vec![0]].concat()
        };
        self.next += 1;
    }
}

impl Read for Roles {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.buffer.len() {
            self.refill();
        }
        let mut left = &self.buffer[self.at..];
        let count = left.read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

#[test]
fn more_roles_than_there_can_be_are_bounded() {
    let tasks = GROUPS_MAX as u32 + 20_000;
    let summary = read_backup_from(Roles::new(tasks));
    assert!(summary.is_fit(), "{:?}", summary.problems());
    assert_eq!(summary.counts.tasks, u64::from(tasks));
    for (what, map, more) in [
        ("jobs", &summary.by_job, summary.not_listed.by_job),
        ("roles", &summary.by_role, summary.not_listed.by_role),
        ("environments", &summary.by_environment, summary.not_listed.by_environment),
        ("hosts", &summary.by_host, summary.not_listed.by_host),
    ] {
        assert!(map.len() <= GROUPS_MAX, "{what}");
        let listed: u64 = map.values().map(|count| count.active).sum();
        assert_eq!(listed + more.active, u64::from(tasks), "{what}");
        assert!(more.total >= 20_000, "{what}");
    }
}

#[test]
fn lists_are_bounded() {
    let mut state = made_state(1, 1);
    let quota = |index: usize| QuotaConfiguration { role: format!("role{index}"), ..QuotaConfiguration::default() };
    state.quotas = Some((0..LISTED_MAX + 7).map(quota).collect());
    let summary = read_backup(&snapshot::encode_snapshot(&state));
    assert_eq!((summary.quotas.len(), summary.not_listed.quotas), (LISTED_MAX, 7));
    assert_eq!(summary.counts.quotas, Some(LISTED_MAX as u64 + 7));
}

/// Any state that a release could write.
fn made_state(seed: u64, tasks: usize) -> Snapshot {
    let mut rng = fastrand::Rng::with_seed(seed);
    let hosts = (0..rng.usize(..5)).map(|index| HostAttributes {
        host: format!("host{index}"),
        mode: rng.choice(MaintenanceMode::ALL).copied(),
        ..HostAttributes::default()
    });
    let hosts: SetOf<_> = hosts.collect();
    let tasks = (0..tasks).map(|index| made_task(&mut rng, index)).collect();
    let crons = (0..rng.usize(..4)).map(|index| made_cron(&mut rng, index)).collect();
    let updates = (0..rng.usize(..4)).map(|index| made_update(&mut rng, index)).collect();
    let quotas = (0..rng.usize(..4)).map(|index| QuotaConfiguration {
        role: format!("role{index}"),
        quota: Some(ResourceAggregate { num_cpus: Some(1.5), ..ResourceAggregate::default() }),
        ..QuotaConfiguration::default()
    });
    let quotas: SetOf<_> = quotas.collect();
    Snapshot {
        timestamp_ms: 1 + rng.i64(0..1 << 45),
        host_attributes: Some(hosts),
        tasks: Some(tasks),
        cron_jobs: Some(crons),
        metadata: Some(SchedulerMetadata { framework_id: Some("f-1".to_owned()), ..SchedulerMetadata::default() }),
        quotas: Some(quotas),
        job_updates: Some(updates),
        ..Snapshot::default()
    }
}

fn maybe<T>(rng: &mut fastrand::Rng, value: T) -> Option<T> {
    rng.bool().then_some(value)
}

fn made_word(rng: &mut fastrand::Rng) -> String {
    let words = ["web", "h\u{e9}llo", "\u{1f980}", "a-very-long-name-of-a-job-that-goes-on-and-on", "x"];
    format!("{}{}", rng.choice(words).unwrap(), rng.u8(..3))
}

fn maybe_word(rng: &mut fastrand::Rng) -> Option<String> {
    let word = made_word(rng);
    maybe(rng, word)
}

fn made_key(rng: &mut fastrand::Rng) -> JobKey {
    JobKey::new(&made_word(rng), &made_word(rng), &made_word(rng))
}

fn made_task(rng: &mut fastrand::Rng, index: usize) -> ScheduledTask {
    let resource = |cpus, ram| Resource { num_cpus: cpus, ram_mb: ram, ..Resource::default() };
    let config = TaskConfig {
        is_service: maybe(rng, true),
        num_cpus: maybe(rng, 2.5),
        disk_mb: maybe(rng, 9),
        priority: maybe(rng, 3),
        owner: Some(Identity { user: maybe(rng, "bob".to_owned()), ..Identity::default() }),
        requested_ports: maybe(rng, SetOf(vec!["http".to_owned(), "admin".to_owned()])),
        contact_email: maybe_word(rng),
        job: Some(made_key(rng)),
        tier: maybe(rng, "preferred".to_owned()),
        resources: maybe(rng, SetOf(vec![resource(Some(0.5), None), resource(None, Some(64))])),
        ..TaskConfig::default()
    };
    let event =
        |at: i64| TaskEvent { timestamp_ms: at, message: Some("m".repeat(at as usize % 99)), ..TaskEvent::default() };
    let events = (0..rng.usize(..6)).map(|_| event(rng.i64(..1 << 40))).collect();
    ScheduledTask {
        assigned_task: AssignedTask {
            task_id: format!("{index}-{}", made_word(rng)),
            slave_id: maybe(rng, "S1".to_owned()),
            slave_host: Some(made_word(rng)),
            task: Some(config),
            assigned_ports: maybe(rng, BTreeMap::from([("http".to_owned(), 31_000)])),
            instance_id: rng.i32(..),
            ..AssignedTask::default()
        },
        status: *rng.choice(ScheduleStatus::ALL).unwrap(),
        failure_count: rng.i32(..),
        task_events: maybe(rng, events),
        ancestor_id: maybe_word(rng),
        ..ScheduledTask::default()
    }
}

fn made_cron(rng: &mut fastrand::Rng, index: usize) -> StoredCronJob {
    let key = JobKey::new(&made_word(rng), "prod", &format!("cron{index}"));
    let job = JobConfiguration {
        key: Some(key),
        cron_schedule: Some("* * * * *".to_owned()),
        instance_count: rng.i32(1..9),
        ..JobConfiguration::default()
    };
    StoredCronJob { job_configuration: Some(job), ..StoredCronJob::default() }
}

fn made_update(rng: &mut fastrand::Rng, index: usize) -> StoredJobUpdateDetails {
    let key = JobUpdateKey { job: Some(made_key(rng)), id: format!("u{index}"), ..JobUpdateKey::default() };
    let summary = JobUpdateSummary { key: Some(key), user: Some("carol".to_owned()), ..JobUpdateSummary::default() };
    let event = |status: JobUpdateStatus| JobUpdateEvent { status, ..JobUpdateEvent::default() };
    let details = JobUpdateDetails {
        update: Some(JobUpdate { summary: Some(summary), ..JobUpdate::default() }),
        update_events: Some((0..3).map(|_| event(*rng.choice(JobUpdateStatus::ALL).unwrap())).collect()),
        ..JobUpdateDetails::default()
    };
    StoredJobUpdateDetails { details: Some(details), ..StoredJobUpdateDetails::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_state_is_the_same_streamed_as_whole(seed in any::<u64>(), tasks in 0..40_usize, size in 1..3000_usize) {
        let state = made_state(seed, tasks);
        let bytes = snapshot::encode_snapshot(&state);
        let summary = read_backup_from(Portions::new(&bytes, size));
        prop_assert_eq!(Expected::of_summary(&summary), Expected::of_whole(&state));
        prop_assert!(summary.is_fit(), "{:?}", summary.problems());
        let mut seen = Seen::default();
        walk_from(Portions::new(&bytes, size), &mut seen);
        let whole: Vec<_> = state.tasks.iter().flat_map(|tasks| tasks.iter()).map(|task| format!("{:?}", TaskBrief::of(task))).collect();
        prop_assert_eq!(seen.0, whole);
    }

    #[test]
    fn damage_is_the_same_in_any_portions(seed in any::<u64>(), flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..4), size in 1..700_usize) {
        let mut bytes = snapshot::encode_snapshot(&made_state(seed, 6));
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let summary = read_backup(&bytes);
        prop_assert_eq!(&read_backup_from(Portions::new(&bytes, size)), &summary);
        prop_assert_eq!(summary.size, bytes.len() as u64);
        // The whole decoder refuses what the stream refuses, and nothing else.
        let damaged = summary.has(ProblemCode::Truncated) || summary.has(ProblemCode::Undecodable);
        let empty = summary.has(ProblemCode::EmptySnapshot);
        prop_assert_eq!(snapshot::decode_snapshot(&bytes).is_err(), damaged && !empty);
    }
}
