//! `firstlight log scan` as one runs it.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use crate::logscan::LOGS;

fn scan(args: &[&str]) -> Output {
    let args = [&["log", "scan", "--zone", "UTC"], args].concat();
    Command::new(env!("CARGO_BIN_EXE_firstlight")).args(args).stdin(Stdio::null()).output().unwrap()
}

fn json(args: &[&str]) -> (Option<i32>, Value) {
    let output = scan(&[args, &["--json"]].concat());
    let value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), value)
}

fn lay(dir: &Path, log: &str, name: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, &LOGS[log]).unwrap();
    path.display().to_string()
}

fn squeezed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn exit_codes_and_pages_say_what_the_logs_say() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&[&str], i32); 6] = [
        (&["mesos/run1-A-E.node1.log", "mesos/run1-A-E.node2.log", "mesos/run1-A-E.node3.log"], 0),
        (&["mesos/run1-G.node1.log", "mesos/run1-G.node2.log", "mesos/run1-G.node3.log"], 18),
        (&["mesos/run3-I.node1.log", "mesos/run3-I.node2.log", "mesos/run3-I.node3.log"], 19),
        (&["aurora/12-s1-registration-timeout.log"], 21),
        (&["aurora/08-s2-quitquitquit.log"], 0),
        (&["aurora/06-s2-standby-bypass-commit.log"], 0),
    ];
    let committed: Value = serde_json::from_str(include_str!("../../assets/log-scan.schema.json")).unwrap();
    for (logs, want) in cases {
        let paths: Vec<String> = logs.iter().map(|log| lay(dir.path(), log, &log.replace('/', "-"))).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let output = scan(&paths);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(want), "{logs:?}: {text}");
        assert!(text.lines().all(|line| line.width() <= 80), "{text}");
        let (code, value) = json(&paths);
        assert_eq!(code, Some(want));
        crate::backup_cli::fits(&committed, &committed, &value, "log-scan");
    }
    let printed = Command::new(env!("CARGO_BIN_EXE_firstlight")).args(["schema", "log-scan"]).output().unwrap();
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed, committed, "write what `firstlight schema log-scan` prints to assets/log-scan.schema.json");
}

#[test]
fn a_rotated_set_is_one_story_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let text = &LOGS["aurora/12-s1-registration-timeout.log"];
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let part = |from: usize, to: usize| lines[from * lines.len() / 4..to * lines.len() / 4].concat();
    fs::write(dir.path().join("s.log-20261121.gz"), squeezed(part(0, 1).as_bytes())).unwrap();
    fs::write(dir.path().join("s.log.10"), part(1, 2)).unwrap();
    fs::write(dir.path().join("s.log.2.gz"), squeezed(part(2, 3).as_bytes())).unwrap();
    fs::write(dir.path().join("s.log"), part(3, 4)).unwrap();
    let whole = lay(dir.path(), "aurora/12-s1-registration-timeout.log", "whole");
    let (_, want) = json(&[&whole]);
    fs::remove_file(&whole).unwrap();
    let (code, got) = json(&[&dir.path().display().to_string()]);
    assert_eq!(code, Some(21));
    assert_eq!(got["hosts"]["s"]["matched"], want["hosts"]["whole"]["matched"]);
    assert_eq!(got["hosts"]["s"]["sources"].as_array().unwrap().len(), 4);
    let (got, want) = (&got["leaderships"][0], &want["leaderships"][0]);
    for field in ["lasted_ms", "end", "registered", "started_ms"] {
        assert_eq!(got[field], want[field], "{field}");
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let code = |args: &[&str]| scan(args).status.code();
    assert_eq!(code(&[&at("none")]), Some(13));
    assert_eq!(code(&["/dev/null"]), Some(13));
    fs::create_dir(at("empty")).unwrap();
    assert_eq!(code(&[&at("empty")]), Some(13));
    fs::write(at("nothing.log"), "").unwrap();
    assert_eq!(code(&[&at("nothing.log")]), Some(16));
    fs::write(at("own.tsv"), "one\ttwo\n").unwrap();
    assert_eq!(code(&[&at("nothing.log"), "--patterns", &at("own.tsv")]), Some(3));
    for bad in [["--since", "yesterday-ish"], ["--zone", "Atlantis/Deep"]] {
        assert_eq!(code(&[&[at("nothing.log").as_str()][..], &bad].concat()), Some(2), "{bad:?}");
    }
    // A bomb ends where no log would be; a cut file is read up to there.
    let bomb: Vec<u8> = std::iter::repeat_with(|| squeezed(&vec![b'x'; 8 << 20])).take(24).flatten().collect();
    fs::write(at("bomb.log.gz"), bomb).unwrap();
    let (_, value) = json(&[&at("bomb.log.gz")]);
    assert!(value["hosts"]["bomb"]["notes"][0].as_str().unwrap().contains("no log is compressed so well"));
    let mut cut = squeezed(LOGS["aurora/12-s1-registration-timeout.log"].as_bytes());
    cut.truncate(cut.len() / 2);
    fs::write(at("cut.log.gz"), cut).unwrap();
    let (_, value) = json(&[&at("cut.log.gz")]);
    assert!(value["hosts"]["cut"]["notes"][0].as_str().unwrap().contains("damaged"));
    // What is known begins in the second half.
    assert!(value["hosts"]["cut"]["lines"].as_u64().unwrap() > 100);
}

#[test]
fn own_patterns_standard_input_and_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own.tsv");
    fs::write(&own, "disk-full\town\tbad\t-\t{}No space left on device{}\tthe disk is full\n").unwrap();
    let run = |command: &mut Command| {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let line = "I1122 15:35:34.175158 1 a.cpp:1] write: No space left on device\n";
        child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let program = || Command::new(env!("CARGO_BIN_EXE_firstlight"));
    let mut piped = program();
    piped.args(["log", "scan", "h1=-", "--json", "--patterns"]).arg(&own);
    let value = run(&mut piped);
    assert_eq!(value["hosts"]["h1"]["counts"]["disk-full"]["count"], 1);
    // A journal of its own, asked through a command of that name.
    let fake = dir.path().join("journalctl");
    let said =
        r#"{"__REALTIME_TIMESTAMP":"1795361734175000","_HOSTNAME":"h7","MESSAGE":"Elected as leading scheduler!"}"#;
    fs::write(&fake, format!("#!/bin/sh\necho '{said}'\n")).unwrap();
    fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut journal = program();
    journal
        .args(["log", "scan", "--journal", "aurora", "--json"])
        .env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()));
    let value = run(&mut journal);
    assert_eq!(value["hosts"]["aurora"]["counts"]["elected"]["hosts"]["h7"], 1);
    assert_eq!(value["leaderships"][0]["started_ms"], 1_795_361_734_175_i64);
}

#[test]
fn a_followed_file_survives_rotation_and_truncation_and_ends_at_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.log");
    let line = |text: &str| format!("I1122 15:35:34.175 [main, L] {text}\n");
    fs::write(&path, line("Elected as leading scheduler!")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_firstlight"))
        .args(["log", "scan", "--zone", "UTC", "--follow", "--for", "60s", "--lines", "4"])
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut until = |wanted: &str| {
        let mut text = String::new();
        while !text.contains(wanted) {
            text.clear();
            assert!(out.read_line(&mut text).unwrap() > 0, "ended before {wanted}");
        }
    };
    until("Elected");
    let mut old = OpenOptions::new().append(true).open(&path).unwrap();
    fs::rename(&path, dir.path().join("s.log.1")).unwrap();
    old.write_all(line("Triggering automatic failover.").as_bytes()).unwrap();
    fs::write(&path, line("Framework disconnected. And not known")).unwrap();
    until("Triggering");
    OpenOptions::new().append(true).open(&path).unwrap().write_all(line("Framework disconnected.").as_bytes()).unwrap();
    until("disconnected.");
    fs::write(&path, line("Notifying quit listener.")).unwrap();
    until("Notifying");
    until("rotated while");
    until("truncated while");
    until("until 4 known lines");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
