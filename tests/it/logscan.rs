//! The recorded logs of schedulers and replicas, and the story that each tells.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests, beside the tests themselves")]

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::LazyLock;

use firstlight::logscan::{Clock, End, Health, Scan, Scanner, Table, across};
use firstlight::replog::verdict::Leadership;
use proptest::prelude::*;

/// 2026-11-22 23:00 UTC, after all recordings.
fn clock() -> Clock {
    Clock::fixed(1_795_388_400_000, 0)
}

/// Each log: a line `@ name length`, then its bytes.
pub static LOGS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
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
    let mut scanner = Scanner::new(clock());
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
    let mut scanner = Scanner::new(clock());
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
        let mut scanner = Scanner::new(clock());
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

#[test]
fn every_line_of_every_release_of_mesos_is_known() {
    let table = Table::embedded();
    let rows = include_str!("../data/logscan/mesos-lines.tsv");
    for row in rows.lines().skip(1) {
        let text = row.split('\t').nth(3).unwrap();
        // A block is matched by its first line that says something.
        let mut text = text.split(" / ").find(|line| line.contains("initialized")).unwrap_or(text).to_owned();
        for before in ["is in ", "status to ", "status from ", "Replica in ", "as it is in ", "a replica in ", " to "] {
            text = text.replace(&format!("{before}{{}}"), &format!("{before}VOTING"));
        }
        let text = text.replace("{}", "7");
        assert!(table.find(text.as_bytes(), true).is_some(), "{row}");
    }
}

#[test]
fn bytes_in_any_portions_are_the_same_lines() {
    let text = &LOGS["mesos/run3-I.node2.log"];
    let want = scan("mesos/run3-I.node2.log");
    for size in [1, 7, 100, 4096] {
        let mut scanner = Scanner::new(clock());
        text.as_bytes().chunks(size).for_each(|portion| scanner.feed(portion));
        assert_eq!(scanner.finish(), want, "{size}");
    }
    let mut scanner = Scanner::new(clock());
    scanner.feed(text.replace('\n', "\r\n").as_bytes());
    let got = scanner.finish();
    assert_eq!(
        (got.lines, got.matched, got.elections, got.last_status),
        (want.lines, want.matched, want.elections, want.last_status)
    );
}

#[test]
fn prefixes_do_not_change_what_is_said() {
    let text = &LOGS["aurora/12-s1-registration-timeout.log"];
    let want = scan("aurora/12-s1-registration-timeout.log");
    let short = |line: &str| format!("Nov 22 16:10:00 h1 aurora[17]: {line}");
    let iso = |line: &str| format!("2026-11-22T16:10:00+0000 h1 aurora[17]: {line}");
    let json = |line: &str| {
        serde_json::json!({ "__REALTIME_TIMESTAMP": "1795363800000000", "_HOSTNAME": "h1", "MESSAGE": line })
            .to_string()
    };
    let ways: [&dyn Fn(&str) -> String; 3] = [&short, &iso, &json];
    for way in ways {
        let mut scanner = Scanner::new(clock());
        text.lines().for_each(|line| scanner.line(&way(line)));
        let got = scanner.finish();
        assert_eq!((got.matched, got.leadership(0)), (want.matched, want.leadership(0)), "{}", way("x"));
        assert_eq!(got.elections[0].ended_ms, want.elections[0].ended_ms);
        assert_eq!(got.counts["elected"].hosts["h1"], 1);
    }
}

#[test]
fn long_lines_and_odd_bytes_end_where_they_should() {
    let mut scanner = Scanner::new(clock());
    let mut bytes = b"I1122 15:35:34.175158 1 recover.cpp:1] Replica is in VOTING status\n".to_vec();
    bytes.extend(vec![b'x'; 3 << 20]);
    bytes.extend(b"\nI1122 15:35:35.175158 1 recover.cpp:1] Replica is in EMPTY status \xff\xfe\n\0\0\n");
    bytes.extend(b"I1122 15:35:36.175158 1 recover.cpp:1] Replica is in EMPTY status");
    bytes.chunks(1 << 16).for_each(|portion| scanner.feed(portion));
    let scan = scanner.finish();
    assert_eq!((scan.lines, scan.matched, scan.cut), (5, 2, 1));
    assert_eq!(scan.last_status.as_deref(), Some("EMPTY"));
    assert_eq!(scan.counts["replica-status"].samples[1].line, 5);
    assert_eq!(scan.last_ms.unwrap() - scan.first_ms.unwrap(), 2000);
}

#[test]
fn only_the_time_that_is_asked_for_is_counted() {
    let whole = scan("aurora/12-s1-registration-timeout.log");
    let middle = whole.elections[0].started_ms.unwrap();
    let part = |from, to| {
        let mut scanner = Scanner::new(clock());
        scanner.within(from, to);
        scanner.feed(LOGS["aurora/12-s1-registration-timeout.log"].as_bytes());
        scanner.finish()
    };
    let (before, after) = (part(None, Some(middle - 1)), part(Some(middle), None));
    assert_eq!(before.matched + after.matched, whole.matched);
    assert_eq!((before.elections.len(), after.elections.len()), (0, 1));
    assert_eq!(before.outside + after.outside, whole.lines);
    let kind = &whole.counts["elected"];
    assert_eq!((kind.health, kind.minutes.len()), (Health::Change, 1));
}

fn hosts(names: &[(&str, &str)]) -> BTreeMap<String, Scan> {
    names.iter().map(|(host, name)| ((*host).to_owned(), scan(&format!("mesos/{name}")))).collect()
}

#[test]
fn several_hosts_tell_more_than_each() {
    let check = |names: &[(&str, &str)], want: &[&str]| {
        let found = across(&hosts(names));
        let codes: Vec<&str> = found.iter().map(|one| one.code.as_str()).collect();
        assert_eq!(codes, want, "{names:?}: {found:#?}");
        assert!(found.iter().all(|one| !one.evidence.is_empty()), "{found:#?}");
    };
    check(&[("1", "run1-A-E.node1.log"), ("2", "run1-A-E.node2.log"), ("3", "run1-A-E.node3.log")], &["all-voting"]);
    check(&[("1", "run1-G.node1.log"), ("2", "run1-G.node2.log"), ("3", "run1-G.node3.log")], &["all-uninitialized"]);
    check(&[("1", "run3-I.node1.log"), ("2", "run3-I.node2.log"), ("3", "run3-I.node3.log")], &["survivor"]);
}

/// Each recorded run of a group of three: what its logs add up to, and of each node the status it said last, the positions
/// it came up with last, and how often it joined, could write and crashed.
#[test]
fn each_run_tells_its_story() {
    type Node = (&'static str, Option<&'static str>, &'static str, [u64; 3]);
    type Run = (&'static str, &'static str, [Node; 3]);
    let (blank, voting, empty) = ("0 -> 0 with 1 holes and 0 unlearned", Some("VOTING"), Some("EMPTY"));
    let runs: [Run; 6] = [
        // Initialized by themselves; node 2 wiped, killed in its catch-up and joined in the end; two writers.
        (
            "run1-A-E",
            "all-voting",
            [
                ("node1", voting, blank, [1, 2, 0]),
                ("node2", voting, "0 -> 60 with 0 holes and 0 unlearned", [2, 0, 0]),
                ("node3", voting, "0 -> 105 with 40 holes and 0 unlearned", [1, 0, 0]),
            ],
        ),
        // Two of three wiped: node 1 tries to lead, and nobody promises.
        (
            "run1-F",
            "survivor",
            [
                ("node1", voting, "300 -> 512 with 0 holes and 0 unlearned", [0, 0, 0]),
                ("node2", empty, blank, [0, 0, 0]),
                ("node3", empty, blank, [0, 0, 0]),
            ],
        ),
        // Nobody initialized, and none does it by itself.
        (
            "run1-G",
            "all-uninitialized",
            [
                ("node1", empty, blank, [0, 0, 0]),
                ("node2", empty, blank, [0, 0, 0]),
                ("node3", empty, blank, [0, 0, 0]),
            ],
        ),
        // With ZooKeeper: all initialized by hand, node 3 leads.
        (
            "run2-zk",
            "all-voting",
            [
                ("node1", voting, blank, [0, 0, 0]),
                ("node2", voting, blank, [0, 0, 0]),
                ("node3", voting, blank, [0, 1, 0]),
            ],
        ),
        // A quorum stops voting under the leader, which crashes in its next write.
        (
            "run3-H",
            "survivor",
            [
                ("node1", voting, blank, [0, 1, 1]),
                ("node2", empty, blank, [0, 0, 0]),
                ("node3", empty, blank, [0, 0, 0]),
            ],
        ),
        // One that votes and two that are empty ask each other for ever.
        (
            "run3-I",
            "survivor",
            [
                ("node1", voting, "0 -> 21 with 0 holes and 1 unlearned", [0, 0, 0]),
                ("node2", empty, blank, [0, 0, 0]),
                ("node3", empty, blank, [0, 0, 0]),
            ],
        ),
    ];
    for (run, code, nodes) in runs {
        let mut hosts = BTreeMap::new();
        for (node, status, positions, counts) in nodes {
            let scan = scan(&format!("mesos/{run}.{node}.log"));
            let last = scan.last_positions.as_ref().unwrap();
            assert!(last.text.ends_with(positions), "{run} {node}: {}", last.text);
            let got = ["joined", "writer-started", "coordinator-crash"].map(|kind| scan.count(kind));
            assert_eq!((scan.last_status.as_deref(), got), (status, counts), "{run} {node}");
            hosts.insert(node.to_owned(), scan);
        }
        let found = across(&hosts);
        let got: Vec<&str> = found.iter().map(|one| one.code.as_str()).collect();
        assert_eq!(got, [code], "{run}: {found:#?}");
    }
    // Wiped, and back by itself from the two that vote; initializing a directory that is in use is refused.
    let wiped = scan("mesos/run2-zk.node2.wiped.log");
    assert_eq!((wiped.count("joined"), wiped.count("catchup-started"), wiped.diagnoses().len()), (1, 1, 0));
    let again = scan("mesos/run2-zk.node3.b.log");
    assert!(again.last_positions.unwrap().text.ends_with("0 -> 100 with 0 holes and 0 unlearned"));
}

#[test]
fn each_signature_of_damage_is_told_with_its_lines() {
    let log = |messages: &[&str]| {
        let mut scanner = Scanner::new(clock());
        scanner.file("s.log", None);
        for (at, message) in messages.iter().enumerate() {
            scanner.line(&format!("I1122 15:{:02}:{:02}.000 [main, L] {message}", at / 60, at % 60));
        }
        scanner.finish()
    };
    let check = |logs: &[&[&str]], want: &[&str]| {
        let hosts = logs.iter().enumerate().map(|(at, messages)| (format!("h{at}"), log(messages))).collect();
        let found = across(&hosts);
        let codes: Vec<&str> = found.iter().map(|one| one.code.as_str()).collect();
        assert_eq!(codes, want, "{found:#?}");
        assert!(found.iter().flat_map(|one| &one.evidence).all(|one| one.file == "s.log" && one.line > 0));
    };
    let (voting, empty) = ("Replica is in VOTING status", "Replica is in EMPTY status");
    let start = "SchedulerLifecycle state machine transition IDLE -> PREPARING_STORAGE";
    let dead = "SchedulerLifecycle state machine transition LEADER_AWAITING_REGISTRATION -> DEAD";
    let elected = "Elected as leading scheduler!";
    let recovered = |end: u64| format!("Replica recovered with log positions 1 -> {end} with 0 holes and 0 unlearned");
    check(
        &[&[voting, elected, "Registered with ID x", "Writer started with ending position 7"], &[voting]],
        &["all-voting", "stable-leader"],
    );
    let refused: &[&str] =
        &[elected, "Could not start the writer, but can be retried", "Timeout performing log append", dead];
    check(&[refused, refused, refused], &["no-quorum-rotation"]);
    let corrupt: &[&str] = &[
        elected,
        "Applying snapshot taken on Sun Nov 22 16:04:53 UTC 2026",
        "Read back a framed log entry that failed its checksum",
        dead,
    ];
    check(&[corrupt, corrupt], &["dies-on-content"]);
    let alone: &[&str] = &[elected, "Framework has not been registered within the tolerated delay.", dead];
    check(&[alone, alone, &[start]], &["mesos-side"]);
    check(&[&[voting], &[voting], &[empty]], &["one-behind"]);
    check(&[&[voting], &[empty], &[empty]], &["survivor"]);
    check(&[&[empty, "Replicated log has not been initialized. Did you"], &[empty]], &["all-uninitialized"]);
    check(&[&[empty], &["Replica is in RECOVERING status"]], &["none-voting"]);
    check(&[&[voting], &["Failed to recover the log: Corruption"]], &["one-damaged"]);
    check(&[&[&recovered(9000)], &[&recovered(20)]], &["positions-differ"]);
    check(&[&[&recovered(9000)], &[&recovered(8990)]], &[]);
    // An empty state is said of its own host.
    let found = log(&["Did not find a persisted framework ID, connecting as a new framework."]).diagnoses();
    assert_eq!(found[0].code, "state-empty");
}
