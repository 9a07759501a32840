//! The recorded logs of schedulers and replicas, and the story that each tells.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests, beside the tests themselves")]

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::LazyLock;

use firstlight::logscan::{Clock, End, Scan, Scanner};
use firstlight::replog::verdict::Leadership;
use proptest::prelude::*;

/// 2026-11-22 23:00 UTC, after all recordings.
const CLOCK: Clock = Clock { now_ms: 1_795_388_400_000, offset_s: 0 };

/// Each log: a line `@ name length`, then its bytes.
static LOGS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let mut bytes = Vec::new();
    let packed: &[u8] = include_bytes!("../data/logscan/logs.pack.gz");
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let mut rest = bytes.as_slice();
    let mut logs = BTreeMap::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let head = std::str::from_utf8(&rest[2..end]).unwrap();
        let (name, len) = head.rsplit_once(' ').unwrap();
        let (text, after) = rest[end + 1..].split_at(len.parse().unwrap());
        logs.insert(name.to_owned(), String::from_utf8_lossy(text).into_owned());
        rest = after;
    }
    logs
});

fn scan(name: &str) -> Scan {
    let mut scanner = Scanner::new(CLOCK);
    LOGS[name].lines().for_each(|line| scanner.line(line));
    scanner.finish()
}

#[test]
fn schedulers_tell_who_led_and_why_it_ended() {
    // Registered, end, empty state, for every leadership.
    let check = |name: &str, want: &[(bool, Option<End>, bool)]| {
        let scan = scan(&format!("aurora/{name}"));
        let got: Vec<_> = scan.elections.iter().map(|e| (e.registered, e.end, e.empty_state)).collect();
        assert_eq!(got, want, "{name}: {:#?} {:#?}", scan.elections, scan.diagnoses());
        assert!(scan.last_ms > scan.first_ms && scan.matched > 0, "{name}");
    };
    check("01-s0-empty-cluster.log", &[(true, Some(End::Shutdown), true)]);
    check("02-s1-leader-populate-and-recordings.log", &[(true, None, true)]);
    check("03-s1-commit-bin.log", &[(true, Some(End::Commit), true)]);
    check("04-s2-standby-then-leader-then-commit-json.log", &[(true, Some(End::Commit), false)]);
    check("05-s3-aurora_admin-and-commit.log", &[(true, Some(End::Commit), false)]);
    check("06-s2-standby-bypass-commit.log", &[]);
    check("07-s2-takes-over-after-sigkill.log", &[(true, None, false)]);
    check("08-s2-quitquitquit.log", &[(true, Some(End::Shutdown), false)]);
    check("09-s1-abortabortabort.log", &[(true, None, false)]);
    check("10-s2-commits-empty-backup.log", &[(true, Some(End::Commit), false)]);
    check("12-s1-registration-timeout.log", &[(false, Some(End::RegistrationTimeout), false)]);
    check("14-s1-20k-commit.log", &[(true, Some(End::Commit), true)]);
    check("16-s1-dr-procedure.log", &[(false, Some(End::Commit), true)]);
}

#[test]
fn a_leadership_has_times_and_counts_in_a_window() {
    let scan = scan("aurora/12-s1-registration-timeout.log");
    let election = &scan.elections[0];
    assert_eq!(election.snapshot.as_deref(), Some("Sun Nov 22 16:04:53 UTC 2026"));
    assert_eq!(election.ended_ms.unwrap() - election.started_ms.unwrap(), 15_196);
    assert_eq!(scan.leadership(0), Leadership::NotRegistering);
    assert_eq!(scan.leadership_changes(0, i64::MAX), 2);
    assert_eq!(scan.leadership_changes(0, election.started_ms.unwrap()), 1);
    let text = LOGS["aurora/07-s2-takes-over-after-sigkill.log"].repeat(3);
    let mut scanner = Scanner::new(CLOCK);
    text.lines().for_each(|line| scanner.line(line));
    let scan = scanner.finish();
    assert_eq!(scan.leadership(0), Leadership::Flapping);
    assert_eq!(scan.elections[0].end, Some(End::Died));
}

#[test]
fn replicas_tell_what_is_wrong() {
    let check = |name: &str, status: Option<&str>, codes: &[&str]| {
        let scan = scan(&format!("mesos/{name}"));
        let diagnoses = scan.diagnoses();
        let got: Vec<&str> = diagnoses.iter().map(|diagnosis| diagnosis.code.as_str()).collect();
        assert_eq!((scan.last_status.as_deref(), got.as_slice()), (status, codes), "{name}: {diagnoses:#?}");
        scan
    };
    let first = check("run1-A-E.node1.log", Some("VOTING"), &[]);
    assert!(first.count("joined") > 0);
    check("run1-F.node1.log", Some("VOTING"), &["quorum-lost"]);
    let uninitialized = check("run1-G.node2.log", Some("EMPTY"), &["replica-stuck", "not-initialized"]);
    assert_eq!(uninitialized.count("not-initialized"), 18);
    let crashed = check("run3-H.node1.log", Some("VOTING"), &["quorum-lost"]);
    assert_eq!(crashed.count("coordinator-crash"), 1);
    check("run3-I.node1.log", Some("VOTING"), &[]);
    let survivor = check("run3-I.node2.log", Some("EMPTY"), &["replica-stuck"]);
    assert_eq!(survivor.count_status("recover-response", "VOTING"), 19);
    assert!(survivor.diagnoses()[0].message.contains("do not initialize"));
    let refused = check("run2-zk.node3.init-refused.log", None, &[]);
    assert_eq!(refused.count("log-not-empty"), 1);
    let verbose = check("single-node-GLOG_v2.log", Some("VOTING"), &[]);
    assert!(verbose.count("leveldb-timing") > 10);
}

#[test]
fn every_recording_is_read_to_its_end() {
    for (name, text) in &*LOGS {
        let scan = scan(name);
        assert_eq!(scan.lines, text.lines().count() as u64, "{name}");
        assert!(serde_json::to_string(&scan).unwrap().len() < 200_000, "{name}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(lines in proptest::collection::vec(".{0,80}", 0..20), cut in 0_usize..4000, name in 0_usize..30) {
        let mut scanner = Scanner::new(CLOCK);
        for line in &lines {
            scanner.line(line);
        }
        let text = LOGS.values().nth(name % LOGS.len()).unwrap();
        for line in text.lines().take(50) {
            scanner.line(&line.chars().skip(cut % 40).collect::<String>());
            scanner.line(&line.chars().take(cut % 60).collect::<String>());
        }
        scanner.finish().diagnoses();
    }
}
