//! Every recorded replica directory against what the real programs said of it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests, beside the tests themselves")]

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::LazyLock;

use firstlight::replog::{Files, Inspection, Profile, Severity, inspect, inspect_as};
use serde::Deserialize;

/// Directory to file to ranges in the pool.
type Index = BTreeMap<String, BTreeMap<String, Vec<(usize, usize)>>>;

/// The recorded directories: an index line (directory, file, ranges) and a pool of bytes shared between them.
static PACK: LazyLock<(Index, Vec<u8>)> = LazyLock::new(|| {
    let packed: &[u8] = include_bytes!("../data/replog/directories.pack.gz");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    (serde_json::from_slice(&bytes[..line]).unwrap(), bytes.split_off(line + 1))
});

pub fn names() -> Vec<String> {
    PACK.0.keys().cloned().collect()
}

pub fn directory(name: &str) -> Files {
    let (index, pool) = &*PACK;
    let files = index[name].iter().map(|(file, ranges)| {
        (file.clone(), ranges.iter().flat_map(|(at, len)| &pool[*at..at + len]).copied().collect())
    });
    Files::new("@DIR@", files.collect())
}

#[derive(Debug, Deserialize)]
struct Expected {
    dir: String,
    error: Option<String>,
    status: Option<String>,
    promised: Option<u64>,
    begin: Option<u64>,
    end: Option<u64>,
    holes: Option<u64>,
    unlearned: Option<u64>,
    missing: Option<Vec<(u64, u64)>>,
    read_actions: Option<u64>,
    leveldb_1_23: Option<Other>,
}

#[derive(Debug, Deserialize)]
struct Other {
    error: Option<String>,
    begin: Option<u64>,
    end: Option<u64>,
    holes: Option<u64>,
    unlearned: Option<u64>,
}

fn expected() -> Vec<Expected> {
    serde_json::from_str(include_str!("../data/replog/expected.json")).unwrap()
}

#[test]
fn mesos_view_equals_the_real_replica() {
    let all = expected();
    assert_eq!(all.len(), names().len());
    let mut wrong = Vec::new();
    for row in &all {
        let inspection = inspect(&directory(&row.dir));
        let view = &inspection.mesos_view;
        let got = (
            view.error.clone(),
            view.status.map(|status| status.to_string()),
            (view.promised, view.begin, view.end),
            (view.holes, view.unlearned),
        );
        let want =
            (row.error.clone(), row.status.clone(), (row.promised, row.begin, row.end), (row.holes, row.unlearned));
        if got != want || view.opens != row.error.is_none() || !view.certain {
            wrong.push(format!("{}\n  got  {got:?}\n  want {want:?}\n  {:#?}", row.dir, inspection.findings));
        }
        if let Some(missing) = &row.missing {
            let mut got: Vec<(u64, u64)> =
                view.hole_spans.iter().chain(&view.unlearned_spans).map(|span| (span.first, span.last)).collect();
            got.sort_unstable();
            let mut joined: Vec<(u64, u64)> = Vec::new();
            for (first, last) in got {
                match joined.last_mut() {
                    Some(span) if span.1 + 1 == first => span.1 = last,
                    _ => joined.push((first, last)),
                }
            }
            assert_eq!(&joined, missing, "{}", row.dir);
        }
        if let Some(count) = row.read_actions {
            let listed = inspection.actions().iter().filter(|at| Some(at.action.position) >= view.begin).count();
            assert_eq!(listed as u64, count, "{}", row.dir);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_other_library_differs_where_it_did() {
    let mut seen = 0;
    for row in expected() {
        let Some(other) = row.leveldb_1_23 else { continue };
        seen += 1;
        let view = inspect_as(&directory(&row.dir), Profile::Leveldb123).summary.mesos_view;
        assert_eq!(view.error, other.error, "{}", row.dir);
        assert_eq!((view.begin, view.end), (other.begin, other.end), "{}", row.dir);
        assert_eq!((view.holes, view.unlearned), (other.holes, other.unlearned), "{}", row.dir);
    }
    assert_eq!(seen, 2);
}

fn codes(inspection: &Inspection) -> Vec<&str> {
    inspection.findings.iter().filter(|f| f.severity == Severity::Damage).map(|f| f.code.as_str()).collect()
}

#[test]
fn damage_is_named_and_health_is_not() {
    let check = |dir: &str, damage: &[&str]| {
        let name = format!("replicated-log/{dir}");
        let inspection = inspect(&directory(&name));
        assert_eq!(codes(&inspection), damage, "{dir}: {:#?}", inspection.findings);
    };
    for healthy in [
        "initialized",
        "starting",
        "recovering",
        "voting-healthy",
        "small-healthy",
        "voting-with-holes",
        "cksum",
        "sst-names",
        "old-promise-format",
        "large-positions",
        "unlearned-tail",
        "truncated-begin-hole",
        "ensemble-healthy/r1",
    ] {
        check(healthy, &[]);
    }
    check(
        "missing-current",
        &["current-missing", "table-doomed", "table-doomed", "table-doomed", "positions-lost", "status-lost"],
    );
    check("corrupt-table", &["block-checksum"]);
    check("corrupt-table-crc", &["block-checksum"]);
    check("corrupt-table-footer", &["table-damaged", "positions-lost"]);
    check("corrupt-table-footer0", &["table-damaged", "positions-lost", "status-lost"]);
    check("metadata-lost", &["metadata-lost"]);
    check("empty-current", &["current-bad", "positions-locked-in"]);
    check("overflow-1.11", &["key-overflow"; 4]);
}

#[test]
fn aurora_content_as_recorded() {
    use firstlight::replog::content::Replay;
    let check = |dir: &str, replay: Replay, (snapshots, since, noops): (usize, u64, u64), newest: Option<i64>| {
        let inspection = inspect(&directory(&format!("aurora-log/{dir}")));
        let content = &inspection.content;
        let got = (content.replay, (content.snapshots.len(), content.transactions_since_snapshot, content.noops));
        assert_eq!(got, (replay, (snapshots, since, noops)), "{dir}: {content:#?} {:#?}", inspection.findings);
        assert_eq!(content.newest_snapshot_ms(), newest, "{dir}");
        assert_eq!((content.unread, content.undecodable), (0, 0), "{dir}");
        inspection
    };
    for r in ["r1", "r2", "r3"] {
        let healthy = check(&format!("aurora-healthy/{r}"), Replay::FromSnapshot, (1, 15, 1), Some(1_795_366_321_878));
        assert_eq!(healthy.content.snapshots[0].tasks, 37);
        check(&format!("aurora-noops/{r}"), Replay::NoopsOnly, (0, 0, 3), None);
        check(&format!("aurora-restored/{r}"), Replay::FromSnapshot, (1, 0, 0), Some(1_795_363_493_636));
    }
    let framed = check("aurora-framed/r1", Replay::FromSnapshot, (1, 2, 0), Some(1_795_366_495_575));
    let positions = framed.content.snapshots[0].positions;
    assert_eq!((positions.first, positions.last, framed.content.snapshots[0].tasks), (11, 14, 20_000));
    let aborted = check("aurora-aborted-frame/r1", Replay::FromSnapshot, (1, 6, 2), Some(1_795_366_495_575));
    assert_eq!(aborted.content.frames_aborted, 1);
    let finding = aborted.findings.iter().find(|finding| finding.code == "frame-aborted").unwrap();
    assert_eq!((finding.positions[0].first, finding.positions[0].last), (21, 23));
    let bad = check("aurora-bad-md5/r1", Replay::Fatal, (0, 2, 0), None);
    assert_eq!((bad.content.md5_mismatches, bad.content.fatal_at), (1, Some(11)));
    assert_eq!(codes(&bad), ["frame-md5"]);
}

/// What is gone without a word, by directory: the finding that names it, where, and which positions.
#[test]
fn silent_losses_name_what_is_lost() {
    type Row = (&'static str, &'static str, Option<&'static str>, &'static [(u64, u64)]);
    let rows: [Row; 20] = [
        ("missing-current", "current-missing", Some("CURRENT"), &[(600, 1900)]),
        ("corrupt-manifest", "manifest-corrupt", Some("MANIFEST-000027"), &[(600, 2001)]),
        ("missing-manifest", "manifest-missing", Some("MANIFEST-000025"), &[(100, 420)]),
        ("empty-current", "current-bad", Some("CURRENT"), &[(100, 420)]),
        ("missing-current", "positions-lost", None, &[(600, 1900)]),
        ("missing-current", "table-doomed", Some("000020.ldb"), &[(600, 1401)]),
        ("corrupt-table", "block-checksum", Some("000020.ldb"), &[(1013, 1025)]),
        ("corrupt-table-crc", "block-checksum", Some("000020.ldb"), &[(198, 208)]),
        ("corrupt-table-type", "block-type", Some("000020.ldb"), &[(198, 208)]),
        // The block is whole but for its type, so what was in it can still be read.
        ("corrupt-table-type", "positions-lost", None, &[(198, 208)]),
        ("corrupt-table-footer", "table-damaged", Some("000030.ldb"), &[(302, 350)]),
        ("corrupt-table-footer", "positions-lost", None, &[(302, 350)]),
        ("corrupt-table-footer0", "table-damaged", Some("000020.ldb"), &[(0, 301)]),
        ("corrupt-table-footer0", "status-lost", None, &[]),
        ("truncated-table", "table-damaged", Some("000030.ldb"), &[(302, 350)]),
        ("truncated-wal", "wal-torn", Some("000030.log"), &[(1955, 1955)]),
        ("snappy-1.23", "table-snappy", Some("000020.ldb"), &[(100, 301)]),
        ("snappy-1.23", "positions-lost", None, &[(100, 350)]),
        ("metadata-lost", "metadata-lost", None, &[]),
        ("missing-table", "table-missing", Some("000026.ldb"), &[(1402, 1600)]),
    ];
    for (dir, code, file, spans) in rows {
        let inspection = inspect(&directory(&format!("replicated-log/{dir}")));
        let found = inspection.findings.iter().find(|finding| finding.code == code && finding.file.as_deref() == file);
        let found = found.unwrap_or_else(|| panic!("{dir} has no {code}: {:#?}", inspection.findings));
        let got: Vec<(u64, u64)> = found.positions.iter().map(|span| (span.first, span.last)).collect();
        assert_eq!(got, spans, "{dir} {code}");
        let words = firstlight::replog::describe(&found.positions);
        assert!(found.in_words().contains(&words), "{dir}: {}", found.in_words());
    }
    // Of the table that was cut to two thirds, some blocks are left.
    let cut = inspect(&directory("replicated-log/truncated-table"));
    let left = cut.findings.iter().find(|finding| finding.code == "positions-lost").unwrap();
    assert!(left.positions[0].first == 302 && left.positions[0].last < 350, "{left:?}");
}

#[derive(Debug, Deserialize)]
struct Position {
    position: u64,
    promised: u64,
    performed: u64,
    r#type: String,
    class: String,
    bytes: Option<u64>,
    content: String,
}

#[test]
fn every_position_is_of_the_class_that_was_recorded() {
    let all: BTreeMap<String, Vec<Position>> =
        serde_json::from_str(include_str!("../data/replog/positions.json")).unwrap();
    assert_eq!(all.len(), 6);
    for (dir, rows) in all {
        let source = directory(&format!("aurora-log/{dir}"));
        let mut lines = Vec::new();
        inspect(&source).lines(&source, &mut |line| lines.push(line));
        assert_eq!(lines.len(), rows.len(), "{dir}");
        for (row, line) in rows.iter().zip(&lines) {
            let got = (line.position, line.promised, line.performed, line.kind.as_deref(), line.bytes);
            let want = (row.position, row.promised, Some(row.performed), Some(row.r#type.as_str()), row.bytes);
            assert_eq!(got, want, "{dir}");
            let class = match row.class.as_str() {
                "" => None,
                "deflatedEntry > deduplicatedSnapshot" => Some("deflated entry"),
                other => Some(other),
            };
            assert_eq!(line.class.as_deref(), class, "{dir} {}", row.position);
            for part in ["md5 OK", "MISMATCH", "aborted: 2 of 3 chunks", "to 11", "to 137", "tasks 37", "tasks 20000"] {
                if row.content.contains(part) {
                    let said = match part {
                        "md5 OK" => "md5 right",
                        "MISMATCH" => "md5 wrong",
                        "tasks 37" => "37 tasks",
                        "tasks 20000" => "20000 tasks",
                        other => other,
                    };
                    assert!(line.note.contains(said), "{dir} {}: {:?} lacks {said:?}", row.position, line.note);
                }
            }
            for op in
                row.content.split(['(', ' ', ';']).filter(|word| word.starts_with("save") || word.starts_with("remove"))
            {
                assert!(line.note.contains(op), "{dir} {}: {:?} lacks {op:?}", row.position, line.note);
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct Replayed {
    tasks: u64,
    by_status: Option<BTreeMap<String, u64>>,
    crons: Vec<String>,
    quotas: BTreeMap<String, BTreeMap<String, f64>>,
    updates: Vec<(String, String)>,
    vars: BTreeMap<String, String>,
}

#[test]
fn what_a_scheduler_holds_is_what_a_real_one_held() {
    let all: BTreeMap<String, Option<Replayed>> =
        serde_json::from_str(include_str!("../data/replog/replay.json")).unwrap();
    assert_eq!(all.len(), 6);
    for (dir, real) in all {
        for name in names().iter().filter(|name| name.starts_with(&format!("aurora-log/{dir}/"))) {
            let content = inspect(&directory(name)).summary.content;
            let Some(real) = &real else {
                assert_eq!(content.replay, firstlight::replog::content::Replay::Fatal, "{name}");
                continue;
            };
            let held = &content.held;
            assert!(held.complete, "{name}");
            assert_eq!(held.tasks, real.tasks, "{name}");
            if let Some(by_status) = &real.by_status {
                assert_eq!(&held.by_status, by_status, "{name}");
            }
            assert_eq!(held.cron_jobs, real.crons, "{name}");
            let quotas: BTreeMap<String, BTreeMap<String, f64>> = held
                .quotas
                .iter()
                .map(|quota| {
                    let amounts = [
                        ("cpu_cores", quota.cpus.unwrap()),
                        ("disk_mb", quota.disk_mb.unwrap() as f64),
                        ("ram_mb", quota.ram_mb.unwrap() as f64),
                    ];
                    (quota.role.clone(), amounts.map(|(name, amount)| (name.to_owned(), amount)).into())
                })
                .collect();
            assert_eq!(quotas, real.quotas, "{name}");
            let updates: Vec<(String, String)> =
                held.updates.iter().map(|update| (update.job.clone(), update.status.clone())).collect();
            assert_eq!(updates, real.updates, "{name}");
            let var = |name: &str| real.vars[name].parse::<u64>().unwrap();
            // The scheduler that replays has written a noop of its own.
            assert_eq!(content.whole_entries + 1, var("scheduler_log_entries_read"), "{name}");
            assert_eq!(content.frames_aborted, var("scheduler_log_bad_frames_read"), "{name}");
            assert_eq!(content.deflated, var("scheduler_log_deflated_entries_read"), "{name}");
            assert_eq!(content.native_skipped, var("scheduler_log_native_native_entries_skipped"), "{name}");
        }
    }
}
