//! Verdicts on recorded and damaged backups; round trips of what the practice cluster writes.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use crate::aurora_codec::data;
use firstlight::aurora::log_entry::{
    self, EntryClass, Frame, LogEntry, LogEntryError, Op, Reassembler, Skipped, Step, Transaction,
};
use firstlight::aurora::snapshot::{self, ProblemCode};
use firstlight::aurora::types::{JobKey, ScheduleStatus, SchedulerMetadata, Snapshot, TaskQuery};
use firstlight::replog::{ActionKind, inspect};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::io::Read;

pub fn backup(name: &str) -> Vec<u8> {
    let path = data("backups").join(name);
    if path.exists() {
        return std::fs::read(&path).unwrap();
    }
    let mut plain = Vec::new();
    let packed = std::fs::File::open(data("backups").join(format!("{name}.gz"))).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn each_recorded_backup_has_its_verdict() {
    use ProblemCode as P;
    for (name, verdict) in [
        ("scheduler-backup-2026-11-22-16-03", &[][..]),
        ("scheduler-backup-2026-11-22-16-04", &[]),
        ("scheduler-backup-2026-11-22-16-17", &[]),
        ("scheduler-backup-2026-11-22-16-22", &[]),
        ("scheduler-backup-2026-11-01-00-00", &[P::EmptyFile]),
        ("scheduler-backup-2026-11-01-00-01", &[P::Truncated]),
        ("scheduler-backup-2026-11-01-00-02", &[P::Truncated]),
        ("scheduler-backup-2026-11-01-00-03", &[P::DamagedText]),
        ("scheduler-backup-2026-11-01-00-04", &[P::Undecodable]),
        ("scheduler-backup-2026-11-01-00-05", &[P::TrailingBytes]),
        ("scheduler-backup-2026-11-01-00-06", &[P::Undecodable]),
        ("scheduler-backup-2026-11-01-00-08", &[P::Undecodable]),
        ("scheduler-backup-2026-11-01-00-09", &[P::Truncated]),
        ("scheduler-backup-2026-11-01-00-11", &[P::EmptySnapshot]),
        ("not-a-backup.txt", &[P::Undecodable]),
        ("temp_scheduler-backup-2026-11-01-00-12", &[P::Truncated]),
    ] {
        let summary = snapshot::read_backup(&backup(name));
        let codes: Vec<_> = summary.problems().iter().map(|problem| problem.code).collect();
        assert_eq!(codes, verdict, "{name}: {summary:?}");
        assert_eq!(summary.is_fit(), verdict.is_empty(), "{name}");
    }
}

#[test]
fn the_populated_backup_is_counted() {
    let bytes = backup("scheduler-backup-2026-11-22-16-04");
    let summary = snapshot::read_backup(&bytes);
    assert_eq!(summary.timestamp_ms, Some(1_795_363_493_636));
    assert_eq!(summary.framework_id.as_deref(), Some("5a4ba2f2-9c1e-4b0e-8f65-d5c41c23bd4e-0000"));
    assert_eq!(summary.build_version.as_deref(), Some("0.23.0-SNAPSHOT"));
    let counts = summary.counts;
    assert_eq!((counts.tasks, counts.cron_jobs, counts.quotas, counts.job_updates), (37, 2, Some(3), Some(3)));
    assert_eq!((counts.host_attributes, counts.maintenance_requests, counts.locks), (Some(6), 1, Some(0)));
    assert_eq!(counts.active_tasks, 26);
    assert_eq!((summary.by_job.len(), summary.by_status.len()), (10, 6));
    let roles: BTreeSet<_> = summary.by_job.keys().filter_map(|job| job.split('/').next()).collect();
    assert_eq!(roles.len(), 3);
    assert!(summary.warnings.is_empty(), "{:?}", summary.warnings);
    let rows = snapshot::list_tasks(&bytes).unwrap();
    assert_eq!(rows.len(), 37);
    assert!(rows.iter().all(|row| row.job.matches('/').count() == 2));

    let json = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<snapshot::BackupSummary>(&json).unwrap(), summary);
}

#[test]
fn an_empty_cluster_is_fit_but_said() {
    let summary = snapshot::read_backup(&backup("scheduler-backup-2026-11-22-16-03"));
    assert!(summary.is_fit() && summary.has(ProblemCode::NoTasks));
}

#[test]
fn twenty_thousand_tasks_are_read() {
    let summary = snapshot::read_backup(&backup("scheduler-backup-2026-11-22-16-22"));
    assert_eq!((summary.counts.tasks, summary.by_status.get("RUNNING")), (20_000, Some(&20_000)));
}

/// A small state that is not any recording's.
fn state() -> Snapshot {
    snapshot::decode_snapshot(&backup("scheduler-backup-2026-11-22-16-04")).unwrap()
}

#[test]
fn what_is_written_reads_back() {
    for name in ["scheduler-backup-2026-11-22-16-03", "scheduler-backup-2026-11-22-16-04"] {
        let bytes = backup(name);
        let snapshot = snapshot::decode_snapshot(&bytes).unwrap();
        let written = snapshot::encode_snapshot(&snapshot);
        assert_eq!(snapshot::decode_snapshot(&written).unwrap(), snapshot);
        assert_eq!(written.len(), bytes.len());
        let mut expected = snapshot::read_backup(&bytes);
        let mut found = snapshot::read_backup(&written);
        (expected.warnings, found.warnings) = (Vec::new(), Vec::new());
        assert_eq!(found, expected);
    }
}

#[test]
fn what_a_state_lacks_is_a_problem() {
    type Change = fn(&mut Snapshot);
    let table: [(Change, ProblemCode); 7] = [
        (|state| state.timestamp_ms = 0, ProblemCode::NoTimestamp),
        (|state| state.metadata = None, ProblemCode::NoMetadata),
        (|state| state.tasks.as_mut().unwrap()[3].status = ScheduleStatus::Other(99), ProblemCode::IncompleteTasks),
        (|state| state.tasks.as_mut().unwrap()[3].assigned_task.task = None, ProblemCode::IncompleteTasks),
        (
            |state| {
                let again = state.tasks.as_ref().unwrap()[0].clone();
                state.tasks.as_mut().unwrap().push(again);
            },
            ProblemCode::DuplicateTasks,
        ),
        (|state| state.other.fields.push((77, 1_i32.into())), ProblemCode::StrangeFields),
        (
            |state| {
                *state =
                    Snapshot { timestamp_ms: 5, metadata: Some(SchedulerMetadata::default()), ..Snapshot::default() }
            },
            ProblemCode::NothingInIt,
        ),
    ];
    for (index, (change, code)) in table.into_iter().enumerate() {
        let mut changed = state();
        change(&mut changed);
        let summary = snapshot::read_backup(&snapshot::encode_snapshot(&changed));
        let codes: Vec<_> = summary.problems().iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [code], "case {index}");
    }
    let mut no_id = state();
    no_id.metadata.as_mut().unwrap().framework_id = None;
    no_id.db_script = Some(vec!["CREATE TABLE".to_owned()]);
    no_id.quotas = None;
    let summary = snapshot::read_backup(&snapshot::encode_snapshot(&no_id));
    assert!(summary.is_fit() && summary.has(ProblemCode::NoFrameworkId) && summary.has(ProblemCode::KeptInSql));
    assert_eq!((summary.counts.quotas, summary.counts.job_updates), (None, Some(3)));
}

#[test]
fn a_delete_without_a_term_is_seen() {
    let empty = TaskQuery::default();
    let hollow = TaskQuery::ids([]);
    let paged = TaskQuery { limit: Some(1), offset: Some(2), role: Some(" ".to_owned()), ..TaskQuery::default() };
    assert!(empty.is_empty() && hollow.is_empty() && paged.is_empty() && hollow.has_empty_set());
    assert!(!TaskQuery::ids(["a"]).is_empty() && !TaskQuery::active().is_empty());
    let state = state();
    let tasks = state.tasks.as_ref().unwrap();
    assert_eq!(tasks.iter().filter(|task| empty.matches(task)).count(), 37);
    assert_eq!(tasks.iter().filter(|task| TaskQuery::active().matches(task)).count(), 26);
    assert_eq!(tasks.iter().filter(|task| TaskQuery::ids([tasks[5].id()]).matches(task)).count(), 1);
}

#[test]
fn a_snapshot_in_the_log_comes_back_whole() {
    let state = state();
    let entry = LogEntry::of_snapshot(&state);
    let bytes = entry.encode();
    assert_eq!(bytes[7..9], [0x78, 0x5e], "the zlib header of Aurora's own entries");
    assert!(matches!(log_entry::classify(&bytes), EntryClass::Deflated { .. }));
    for (max, frames) in [(log_entry::ENTRY_BYTES_MAX, 1), (1000, bytes.len().div_ceil(1000) + 1)] {
        let payloads = log_entry::split_into_frames(&bytes, max);
        assert_eq!(payloads.len(), frames);
        let mut reassembler = Reassembler::new();
        let mut steps: Vec<_> = payloads.iter().map(|payload| reassembler.push(payload).unwrap()).collect();
        let last = steps.pop().unwrap();
        assert!(steps.iter().all(|step| *step == Step::default()));
        assert_eq!(last.entry.unwrap().into_snapshot().unwrap().unwrap(), state);
        assert_eq!(reassembler.finish(), None);
    }
}

#[test]
fn frames_follow_auroras_rules() {
    let entry = LogEntry::of_snapshot(&state()).encode();
    let noop = LogEntry::Noop.encode();
    assert_eq!(noop, [2, 0, 3, 1, 0]);
    let frames = log_entry::split_into_frames(&entry, 1500);
    let required = i32::try_from(frames.len() - 1).unwrap();
    assert_eq!(log_entry::classify(&frames[0]), EntryClass::FrameHeader { chunks: required });
    assert_eq!(frames[0].len(), 39);
    assert_eq!(log_entry::classify(&frames[1]), EntryClass::FrameChunk { len: 1500 });
    assert_eq!(frames[1].len(), 1500 + 16);

    let mut cut = Reassembler::new();
    cut.push(&frames[0]).unwrap();
    cut.push(&frames[1]).unwrap();
    let step = cut.push(&noop).unwrap();
    assert_eq!(step, Step { entry: Some(LogEntry::Noop), skipped: Some(Skipped::Aborted { required, found: 1 }) });
    let step = cut.push(&frames[1]).unwrap();
    assert_eq!(step, Step { entry: None, skipped: Some(Skipped::ChunkWithoutHeader) });
    cut.push(&frames[0]).unwrap();
    let step = cut.push(&frames[0]).unwrap();
    assert_eq!(step.skipped, Some(Skipped::Aborted { required, found: 0 }));
    assert_eq!(cut.finish(), Some(Skipped::Aborted { required, found: 0 }));

    let mut wrong = Reassembler::new();
    let LogEntry::Frame(Frame::Header { chunk_count, .. }) = LogEntry::decode(&frames[0]).unwrap() else {
        panic!("no header")
    };
    wrong.push(&LogEntry::Frame(Frame::Header { chunk_count, checksum: vec![0; 16] }).encode()).unwrap();
    let last = frames[1..].iter().map(|frame| wrong.push(frame)).collect::<Vec<_>>().pop().unwrap();
    assert_eq!(last, Err(LogEntryError::Checksum));
}

#[test]
fn operations_read_back() {
    let state = state();
    let tasks = state.tasks.clone().unwrap().0;
    let quota = state.quotas.clone().unwrap()[0].clone();
    let ops = vec![
        Op::SaveFrameworkId("f-1".to_owned()),
        Op::SaveCronJob(Box::new(state.cron_jobs.clone().unwrap()[0].job_configuration.clone().unwrap())),
        Op::RemoveJob(JobKey::new("a", "b", "c")),
        Op::RemoveTasks(vec![tasks[0].id().to_owned()]),
        Op::SaveTasks(tasks),
        Op::SaveQuota { role: quota.role.clone(), quota: Box::new(quota.quota.unwrap()) },
        Op::RemoveQuota(quota.role),
        Op::SaveHostAttributes(Box::new(state.host_attributes.clone().unwrap()[0].clone())),
        Op::SaveHostMaintenanceRequest(Box::new(state.maintenance_requests.clone().unwrap()[0].clone())),
        Op::RemoveHostMaintenanceRequest("h".to_owned()),
        Op::Other { id: 14, fields: firstlight::aurora::value::Struct::new().with(2, "token") },
    ];
    let bytes = LogEntry::Transaction(Transaction::of(&ops)).encode();
    assert_eq!(log_entry::classify(&bytes), EntryClass::Transaction { ops: 11 });
    let LogEntry::Transaction(back) = LogEntry::decode(&bytes).unwrap() else { panic!("no transaction") };
    let read: Vec<_> = back.operations().map(Option::unwrap).collect();
    assert_eq!(read, ops);
    assert_eq!(back.schema_version, log_entry::SCHEMA_VERSION);
}

/// What replaying a recorded replica's log gives: snapshots, transactions, noops, frame sets left out, tasks of the last snapshot, and the
/// error that ends it.
#[derive(Debug, Default, PartialEq)]
struct Replay {
    snapshots: usize,
    transactions: usize,
    noops: usize,
    aborted: usize,
    tasks: usize,
    error: Option<LogEntryError>,
}

fn replay(name: &str) -> Replay {
    let directory = crate::replog::directory(name);
    let inspection = inspect(&directory);
    let mut found = Replay::default();
    let mut reassembler = Reassembler::new();
    for at in inspection.actions().iter().filter(|at| matches!(at.action.kind, Some(ActionKind::Append { .. }))) {
        let payload = inspection.payload(&directory, at).unwrap();
        assert_ne!(log_entry::classify(&payload), EntryClass::Unknown, "{name}");
        let step = match reassembler.push(&payload) {
            Ok(step) => step,
            Err(error) => {
                found.error = Some(error);
                break;
            }
        };
        found.aborted += usize::from(step.skipped.is_some());
        match step.entry {
            None => {}
            Some(LogEntry::Noop) => found.noops += 1,
            Some(LogEntry::Transaction(transaction)) => {
                found.transactions += 1;
                assert!(
                    transaction.operations().all(|op| op.is_some_and(|op| Op::name_of(op.id()).is_some())),
                    "{name}"
                );
                assert_eq!(LogEntry::Transaction(transaction).encode().len(), payload.len(), "{name}");
            }
            Some(entry) => {
                found.tasks = entry.into_snapshot().unwrap().unwrap().tasks.map_or(0, |tasks| tasks.len());
                found.snapshots += 1;
            }
        }
    }
    found.aborted += usize::from(reassembler.finish().is_some());
    found
}

#[test]
fn recorded_logs_replay() {
    for (name, expected) in [
        ("aurora-healthy/r1", Replay { snapshots: 1, transactions: 15, noops: 1, tasks: 37, ..Replay::default() }),
        (
            "aurora-aborted-frame/r1",
            Replay { snapshots: 1, transactions: 6, noops: 2, aborted: 1, tasks: 20_000, ..Replay::default() },
        ),
        ("aurora-bad-md5/r1", Replay { error: Some(LogEntryError::Checksum), ..Replay::default() }),
        ("aurora-noops/r1", Replay { noops: 3, ..Replay::default() }),
    ] {
        assert_eq!(replay(&format!("aurora-log/{name}")), expected, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_panics_and_mostly_shows(at in 0..41_144_usize, bit in 0..8_u8, cut in 0..41_144_usize) {
        let whole = backup("scheduler-backup-2026-11-22-16-04");
        prop_assert!(!snapshot::read_backup(&whole[..cut]).is_fit());
        let mut flipped = whole;
        flipped[at] ^= 1 << bit;
        let _ = snapshot::read_backup(&flipped);
        let _ = LogEntry::decode(&flipped);
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!snapshot::read_backup(&bytes).is_fit());
        let _ = log_entry::classify(&bytes);
        let _ = Reassembler::new().push(&bytes);
    }
}
