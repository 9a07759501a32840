//! What the practice store writes, read back by the reader, by a whole LevelDB library, and byte for byte.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use firstlight::practice::damage;
use firstlight::practice::replica_store::{Directory, ReplicaStore, StoreError, initialize, write_initialized};
use firstlight::replog::{Action, ActionKind, Files, Source, Status, content::Replay, inspect};
use rusty_leveldb::LdbIterator;

use crate::replog::directory;

fn append(position: u64, len: usize, learned: Option<bool>) -> (Action, Vec<u8>) {
    let bytes: Vec<u8> = (0..len).map(|at| (at as u64 ^ position) as u8).collect();
    let kind = Some(ActionKind::Append { len: len as u64 });
    (Action { position, promised: 1, performed: Some(1), learned, kind }, bytes)
}

fn truncate(position: u64, to: u64) -> Action {
    let kind = Some(ActionKind::Truncate { to });
    Action { position, promised: 1, performed: Some(1), learned: Some(true), kind }
}

/// A voting replica with positions 1..=count, opened twice so that tables exist beside a write-ahead log.
fn filled(dir: &Path, count: u64, len: usize) {
    initialize(dir).unwrap();
    let (mut store, _) = ReplicaStore::open(dir).unwrap();
    for position in 0..count {
        let (action, bytes) = append(position, len, Some(true));
        store.write_action(&action, &bytes).unwrap();
    }
    drop(store);
    let (mut store, _) = ReplicaStore::open(dir).unwrap();
    let (action, bytes) = append(count, len, None);
    store.write_action(&action, &bytes).unwrap();
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let source = Directory::new(dir);
    source
        .list()
        .unwrap()
        .into_iter()
        .map(|file| (file.name.clone(), source.read(&file.name, u64::MAX).unwrap()))
        .collect()
}

#[test]
fn initialized_log_is_byte_for_byte_the_real_one() {
    let real = directory("replicated-log/initialized");
    for make in [write_initialized, initialize] {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("log");
        make(&dir).unwrap();
        let written = contents(&dir);
        let expected: BTreeMap<_, _> = real
            .files()
            .iter()
            .filter(|(name, _)| *name != "LOG")
            .map(|(name, bytes)| (name.clone(), bytes.clone()))
            .collect();
        assert_eq!(written, expected);
        assert!(matches!(initialize(&dir), Err(StoreError::NotEmpty)));
        assert!(matches!(write_initialized(&dir), Err(StoreError::Occupied(_))));
    }
}

#[test]
fn what_is_written_is_restored_and_a_library_agrees() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("log");
    initialize(&dir).unwrap();
    let (mut store, restored) = ReplicaStore::open(&dir).unwrap();
    assert_eq!((restored.status, restored.end, restored.holes), (Status::Voting, 0, 1));
    store.set_metadata(Status::Voting, 7).unwrap();
    // Large values cross blocks of the log and turn it into tables.
    for position in 1..=60 {
        let (action, bytes) = append(position, if position % 3 == 0 { 200_000 } else { 90 }, Some(position != 50));
        store.write_action(&action, &bytes).unwrap();
    }
    store.write_action(&truncate(62, 10), &[]).unwrap();
    let read = store.read(0..=100);
    assert_eq!(read.first().map(|(action, _)| action.position), Some(10));
    assert_eq!(read.iter().find(|(action, _)| action.position == 12).unwrap().1, append(12, 200_000, None).1);
    drop(store);

    let view = inspect(&Directory::new(&dir)).summary;
    assert!(view.worst().is_none_or(|worst| worst < firstlight::replog::Severity::Damage), "{:#?}", view.findings);
    let (store, restored) = ReplicaStore::open(&dir).unwrap();
    assert_eq!((restored.status, restored.promised), (Status::Voting, 7));
    assert_eq!((restored.begin, restored.end, restored.holes, restored.unlearned), (10, 62, 1, 1));
    assert_eq!(store.read(0..=100), read);
    drop(store);
    let view = inspect(&Directory::new(&dir)).summary.mesos_view;
    assert_eq!((view.begin, view.end, view.holes, view.unlearned), (Some(10), Some(62), Some(1), Some(1)));

    let mut library = rusty_leveldb::DB::open(&dir, rusty_leveldb::Options::default()).unwrap();
    let mut iterator = library.new_iter().unwrap();
    let mut keys = Vec::new();
    while let Some((key, value)) = iterator.next() {
        firstlight::replog::decode(&value).unwrap();
        keys.push(String::from_utf8(key.clone()).unwrap());
    }
    assert_eq!(keys.len(), 1 + 51 + 1);
    assert_eq!((keys[0].as_str(), keys[1].as_str()), ("0000000000", "0000000011"));
}

#[test]
fn a_recorded_log_survives_a_practice_open() {
    for name in [
        "replicated-log/ensemble-healthy/r1",
        "replicated-log/voting-with-holes",
        "replicated-log/corrupt-table-footer",
    ] {
        let recorded: Files = directory(name);
        let temp = tempfile::tempdir().unwrap();
        for (file, bytes) in recorded.files() {
            fs::write(temp.path().join(file), bytes).unwrap();
        }
        let before = inspect(&recorded).summary.mesos_view;
        for _ in 0..3 {
            drop(ReplicaStore::open(temp.path()).unwrap());
        }
        let after = inspect(&Directory::new(temp.path())).summary.mesos_view;
        assert_eq!(before, after, "{name}");
    }
}

#[test]
fn damage_is_deterministic_and_found() {
    type Damage = fn(&Path) -> String;
    let cases: [(&str, Damage, &str); 7] = [
        ("footer", |dir| damage::corrupt_table_footer(dir, 3).unwrap(), "table-damaged"),
        ("block", |dir| damage::corrupt_table_block(dir, 3).unwrap(), "block-checksum"),
        ("current", |dir| damage::remove_current(dir).unwrap(), "current-missing"),
        ("wal", |dir| damage::tear_wal(dir, 3).unwrap(), "wal-torn"),
        ("wipe", |dir| damage::wipe(dir).unwrap(), "directory-empty"),
        ("empty", |dir| damage::set_status(dir, Status::Empty).unwrap(), "metadata-lost"),
        ("recovering", |dir| damage::set_status(dir, Status::Recovering).unwrap(), "status-recovering"),
    ];
    for (name, harm, code) in cases {
        let said: Vec<(String, BTreeMap<String, Vec<u8>>)> = (0..2)
            .map(|_| {
                let temp = tempfile::tempdir().unwrap();
                let dir = temp.path().join("log");
                filled(&dir, 40, 300);
                let said = harm(&dir);
                let summary = inspect(&Directory::new(&dir)).summary;
                assert!(summary.has(code), "{name}: {:#?}", summary.findings);
                (said, contents(&dir))
            })
            .collect();
        assert_eq!(said[0], said[1], "{name}");
    }
}

#[test]
fn a_broken_frame_kills_schedulers_only() {
    let temp = tempfile::tempdir().unwrap();
    for (file, bytes) in directory("aurora-log/aurora-framed/r1").files() {
        fs::write(temp.path().join(file), bytes).unwrap();
    }
    assert!(damage::break_frame(temp.path(), 1).unwrap().is_some());
    let summary = inspect(&Directory::new(temp.path())).summary;
    assert!(summary.mesos_view.opens);
    assert_eq!((summary.content.replay, summary.content.md5_mismatches), (Replay::Fatal, 1), "{:#?}", summary.findings);
}

#[test]
fn an_incomplete_only_snapshot_starts_an_empty_cluster() {
    let temp = tempfile::tempdir().unwrap();
    let mut payloads = firstlight::aurora::log_entry::split_into_frames(&[7; 900], 400);
    payloads.pop();
    payloads.push(vec![0x02, 0, 3, 1, 0]);
    initialize(temp.path()).unwrap();
    let (mut store, _) = ReplicaStore::open(temp.path()).unwrap();
    for (position, bytes) in (1..).zip(&payloads) {
        let (action, _) = append(position, bytes.len(), Some(true));
        store.write_action(&action, bytes).unwrap();
    }
    let summary = inspect(&Directory::new(temp.path())).summary;
    assert_eq!((summary.content.replay, summary.content.frames_aborted), (Replay::EmptyByLoss, 1));
    assert!(summary.has("snapshot-incomplete"));
}

#[test]
fn an_entry_that_inflates_without_end_is_left_at_its_limit() {
    use firstlight::aurora::log_entry::LogEntry;
    use std::io::Read as _;
    // A transaction with a member of 200 MB that nobody knows, in 200 kB.
    let zeros = 200 << 20_u32;
    let head = [&[0x0c, 0, 2, 0x0b, 0, 99][..], &u32::to_be_bytes(zeros)].concat();
    let whole = head.as_slice().chain(std::io::repeat(0).take(u64::from(zeros) + 2));
    let mut packed = Vec::new();
    flate2::read::ZlibEncoder::new(whole, flate2::Compression::fast()).read_to_end(&mut packed).unwrap();
    let bytes = LogEntry::Deflated(packed).encode();
    assert!(bytes.len() < 2 << 20, "{}", bytes.len());
    let temp = tempfile::tempdir().unwrap();
    initialize(temp.path()).unwrap();
    let (mut store, _) = ReplicaStore::open(temp.path()).unwrap();
    let (action, _) = append(1, bytes.len(), Some(true));
    store.write_action(&action, &bytes).unwrap();
    let summary = inspect(&Directory::new(temp.path())).summary;
    let found = summary.findings.iter().find(|finding| finding.message.contains("more than")).unwrap();
    assert_eq!((found.positions[0].first, found.positions[0].last, summary.content.unread), (1, 1, 1), "{found:?}");
}

const CHILD: &str = "FIRSTLIGHT_TEST_LOCK_DIR";

/// Not a test by itself: the other process of the test below.
#[test]
fn lock_child() {
    if let Some(dir) = std::env::var_os(CHILD) {
        println!("child: {}", ReplicaStore::open(Path::new(&dir)).unwrap_err());
    }
}

#[test]
fn another_process_is_locked_out() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("log");
    let (_store, _) = ReplicaStore::open(&dir).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "replog_store::lock_child", "--nocapture"])
        .env(CHILD, &dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected =
        format!("Failed to recover the log: IO error: lock {}/LOCK: Resource temporarily unavailable", dir.display());
    assert!(said.contains(&expected), "{said}");
}

/// A position that stands under its own key learned, and under a damaged one unlearned, is both to a replica: it goes by
/// the record, not by the key.
#[test]
fn a_position_under_two_keys_counts_for_both() {
    let mut source = directory("replicated-log/unlearned-tail");
    let view = inspect(&source).summary.mesos_view;
    assert_eq!((view.end, view.unlearned, view.actions), (Some(10), Some(1), 11));
    // The first write of position 9, before it was learned, gets the key that position 11 would have.
    let log = source.get_mut("000004.log").unwrap();
    let (mut at, mut first) = (0, None);
    while at + 7 < log.len() {
        let len = usize::from(log[at + 4]) | usize::from(log[at + 5]) << 8;
        let key = log[at..at + 7 + len].windows(10).position(|bytes| bytes == b"0000000010");
        if let Some(key) = key.filter(|_| first.is_none()) {
            first = Some((at, len, at + key));
        }
        at += 7 + len;
    }
    let (at, len, key) = first.unwrap();
    log[key..key + 10].copy_from_slice(b"0000000012");
    let crc = firstlight::replog::crc_masked(&[&log[at + 6..at + 7 + len]]);
    log[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    let inspection = inspect(&source);
    let view = &inspection.summary.mesos_view;
    assert_eq!((view.end, view.unlearned, view.holes, view.actions), (Some(10), Some(2), Some(0), 11), "{view:?}");
    assert!(inspection.summary.has("key-mismatch"), "{:?}", inspection.summary.findings);
}

#[test]
fn a_current_that_names_no_file_is_answered_as_the_system_does() {
    for (current, error) in [
        ("\n", "IO error: @DIR@/: Is a directory"),
        (".\n", "IO error: @DIR@/.: Is a directory"),
        ("..\n", "IO error: @DIR@/..: Is a directory"),
        ("MANIFEST-000001\n", "IO error: @DIR@/MANIFEST-000001: No such file or directory"),
        ("MANIFEST-000025", "Corruption: CURRENT file does not end with newline"),
    ] {
        let mut source = directory("replicated-log/small-healthy");
        *source.get_mut("CURRENT").unwrap() = current.as_bytes().to_vec();
        let summary = inspect(&source).summary;
        assert_eq!(summary.mesos_view.error.as_deref(), Some(error), "{current:?}");
        // What it may cost is everything that is in the files.
        let damage = &summary.findings[0];
        assert_eq!(damage.positions, summary.salvage.hidden_spans, "{current:?}: {damage:?}");
        assert!(damage.in_words().contains("(positions 100..420)"), "{}", damage.in_words());
    }
}
