//! `firstlight log …` as one runs it: the real program over recorded directories, whole and damaged, and over what is
//! no log at all.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use crate::replog::{directory, names};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_firstlight")).args(args).stdin(Stdio::null()).output().unwrap()
}

fn log(args: &[&str]) -> Output {
    run(&[&["log"], args].concat())
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(output)))
}

/// A recorded directory on a disk.
fn lay(below: &Path, name: &str) -> String {
    let path = below.join(name.replace('/', "-"));
    fs::create_dir(&path).unwrap();
    for (file, bytes) in directory(name).files() {
        fs::write(path.join(file), bytes).unwrap();
    }
    path.display().to_string()
}

/// Names, bytes, times and modes of everything in a directory.
fn state(path: &str) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64, u32)> {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let one = |file: PathBuf| {
        let found = fs::metadata(&file).unwrap();
        let times = (found.mtime_nsec() ^ found.mtime(), found.ctime_nsec() ^ found.ctime());
        (file.clone(), (fs::read(&file).unwrap(), times.0, times.1, found.mode()))
    };
    files.map(one).collect()
}

fn narrow(output: &Output, what: &str) {
    let text = stdout(output);
    assert!(text.lines().all(|line| line.width() <= 80), "{what}: {text}");
}

#[test]
fn every_recorded_directory_is_said_as_the_real_replica_finds_it() {
    let below = tempfile::tempdir().unwrap();
    let expected: Vec<Value> = serde_json::from_str(include_str!("../data/replog/expected.json")).unwrap();
    assert_eq!(expected.len(), names().len());
    for row in &expected {
        let name = row["dir"].as_str().unwrap();
        let path = lay(below.path(), name);
        let before = state(&path);
        let output = log(&["inspect", &path, "--json"]);
        let found = json_of(&output);
        let view = &found["directories"][0]["mesos_view"];
        let error = row["error"].as_str().map(|error| error.replace("@DIR@", &path));
        assert_eq!(view["error"].as_str().map(str::to_owned), error, "{name}");
        assert_eq!(view["opens"], json!(error.is_none()), "{name}");
        for member in ["status", "promised", "begin", "end", "holes", "unlearned"] {
            assert_eq!(view[member], row.get(member).cloned().unwrap_or_default(), "{name}: {member}");
        }
        let damage = |finding: &Value| finding["severity"] == "damage";
        let findings = found["directories"][0]["findings"].as_array().unwrap();
        let sound = view["status"] == "VOTING" && !findings.iter().any(damage);
        assert_eq!(code(&output), if sound { 0 } else { 17 }, "{name}");
        assert_eq!((&found["comparison"], &found["verdict"]), (&Value::Null, &Value::Null));
        for args in [&["inspect", &path][..], &["inspect", &path, "--all"], &["dump", &path]] {
            let output = log(args);
            narrow(&output, name);
            assert!(stdout(&output).contains(&path), "{name}");
        }
        assert!(state(&path) == before, "{name} was touched");
    }
}

#[test]
fn several_directories_are_compared_and_judged() {
    let below = tempfile::tempdir().unwrap();
    let at = |name: &str| below.path().join(name.replace('/', "-")).display().to_string();
    let good = ["aurora-log/aurora-healthy/r1", "aurora-log/aurora-healthy/r2", "aurora-log/aurora-healthy/r3"];
    let (empty, blank) = ("replicated-log/empty-dir", "replicated-log/initialized");
    let (no_current, bad_md5) = ("replicated-log/missing-current", "aurora-log/aurora-bad-md5/r1");
    good.iter().chain(&[empty, blank, no_current, bad_md5]).for_each(|name| drop(lay(below.path(), name)));
    for (dirs, exit, decision, directory) in [
        (good, 0, "healthy", None),
        ([good[0], good[1], empty], 20, "one_replica", Some(empty)),
        ([good[0], no_current, good[2]], 20, "one_replica", Some(no_current)),
        ([empty, good[1], blank], 19, "survivor", Some(good[1])),
        ([blank, blank, good[2]], 19, "survivor", Some(good[2])),
        ([empty, blank, no_current], 18, "reinitialize", None),
        ([bad_md5, bad_md5, empty], 18, "reinitialize", None),
        (["no-such-log", "no-such-log", "no-such-log"], 18, "reinitialize", None),
    ] {
        let dirs = dirs.map(at);
        let [one, two, three] = &dirs;
        let output = log(&["inspect", one, two, three, "--json"]);
        let found = json_of(&output);
        assert_eq!((code(&output), found["verdict"]["decision"].as_str()), (exit, Some(decision)), "{dirs:?}");
        let meant = directory.map_or(Value::Null, |name| json!(at(name)));
        assert_eq!(found["verdict"]["directory"], meant, "{dirs:?}");
        let reasons = found["verdict"]["reasons"].as_array().unwrap();
        assert!(reasons.iter().all(|reason| reason["text"].is_string() && reason["evidence"].is_array()));
        for dir in &dirs {
            assert!(
                reasons.iter().any(|reason| reason["text"].as_str().unwrap().starts_with(dir.as_str())),
                "{dirs:?}"
            );
        }
        assert_eq!(found["comparison"]["members"].as_array().unwrap().len(), 3);
        assert_eq!(found["assumed"]["quorum"], 2);
        let output = log(&["inspect", one, two, three]);
        assert_eq!(code(&output), exit);
        narrow(&output, decision);
        assert!(stdout(&output).starts_with(found["verdict"]["headline"].as_str().unwrap().get(..12).unwrap()));
    }
}

#[test]
fn answers_against_the_evidence_are_said() {
    let below = tempfile::tempdir().unwrap();
    let dirs: Vec<String> = (1..=3).map(|n| lay(below.path(), &format!("aurora-log/aurora-healthy/r{n}"))).collect();
    let mut args: Vec<&str> = vec!["inspect", "--log-corrupt", "yes"];
    args.extend(dirs.iter().map(String::as_str));
    let text = stdout(&log(&args)).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("AGAINST THE EVIDENCE") && text.contains("answered: yes"), "{text}");
    args.push("--json");
    let found = json_of(&log(&args));
    let third = &found["verdict"]["answers"][2];
    assert_eq!((&third["question"], &third["contradicts"]), (&json!("A3"), &json!(true)));
}

#[test]
fn leaders_that_do_not_register_are_not_the_logs_fault() {
    let temp = tempfile::tempdir().unwrap();
    let dirs = ["r1", "r2", "r3"].map(|r| lay(temp.path(), &format!("aurora-log/aurora-healthy/{r}")));
    let file = temp.path().join("aurora.log");
    fs::write(&file, crate::logscan::LOGS["aurora/12-s1-registration-timeout.log"].as_bytes()).unwrap();
    let logs = format!("s1={}", file.display());
    let mut args = vec!["inspect"];
    args.extend(dirs.iter().map(String::as_str));
    args.extend(["--logs", &logs, "--zone", "UTC"]);
    let output = log(&args);
    assert_eq!(code(&output), 21, "{}", stdout(&output));
    assert!(stdout(&output).starts_with("not the log"), "{}", stdout(&output));
    narrow(&output, "not the log");
    args.push("--json");
    let verdict = json_of(&log(&args))["verdict"].clone();
    assert_eq!(verdict["decision"], "not_the_log");
    assert_eq!((&verdict["answers"][0]["evidence"], &verdict["answers"][1]["evidence"]), (&"yes".into(), &"no".into()));
    // Without the logs the same directories are healthy, and what was not looked at is said.
    let output = log(&["inspect", &dirs[0], &dirs[1], &dirs[2], "--json"]);
    let verdict = json_of(&output)["verdict"].clone();
    assert_eq!((code(&output), &verdict["decision"]), (0, &"healthy".into()));
    assert!(verdict["missing"][0].as_str().unwrap().contains("changes of leadership"), "{verdict}");
    let output = log(&["inspect", &dirs[0], &dirs[1], "--logs", "/no/such/log"]);
    assert!(code(&output) == 13 && stderr(&output).contains("/no/such/log"), "{}", stderr(&output));
}

#[test]
fn a_value_that_one_replica_has_otherwise_is_found() {
    let below = tempfile::tempdir().unwrap();
    let same: Vec<String> =
        (1..=3).map(|n| lay(below.path(), &format!("replicated-log/ensemble-healthy/r{n}"))).collect();
    let found = json_of(&log(&["inspect", &same[0], &same[1], &same[2], "--json"]));
    assert_eq!(found["comparison"]["different_count"], 0);
    for directory in found["directories"].as_array().unwrap() {
        assert_eq!(directory["mesos_view"]["opens"], true);
    }
}

#[test]
fn the_quorum_and_the_user_can_be_given() {
    let below = tempfile::tempdir().unwrap();
    let one = lay(below.path(), "aurora-log/aurora-healthy/r1");
    let two = lay(below.path(), "aurora-log/aurora-healthy/r2");
    let found = json_of(&log(&["inspect", &one, &two, "--quorum", "1", "--json"]));
    assert_eq!(found["assumed"]["quorum"], 1);
    assert_eq!(found["assumed"]["quorum_given"], true);
    let found = json_of(&log(&["inspect", &one, "--user", "no-such-user-here", "--json"]));
    assert_eq!(found["assumed"]["user"], "no-such-user-here");
    let codes = found["directories"][0]["findings"].as_array().unwrap().iter().map(|finding| &finding["code"]);
    assert!(codes.into_iter().any(|code| code == "user-unknown"), "{found}");
    assert_eq!(code(&log(&["inspect", &one, "--quorum", "0"])), 2);
    assert_eq!(code(&log(&["inspect"])), 2);
}

#[test]
fn what_is_no_log_ends_soon_with_its_place() {
    let below = tempfile::tempdir().unwrap();
    let at = |name: &str| below.path().join(name).display().to_string();
    fs::write(at("file"), "not a log").unwrap();
    let made = Command::new("mkfifo").arg(at("fifo")).status().unwrap();
    assert!(made.success());
    symlink(at("loop"), at("loop")).unwrap();
    fs::create_dir(at("pipes")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipes/CURRENT")).status().unwrap().success());
    fs::create_dir(at("sparse")).unwrap();
    for file in ["000005.log", "000007.ldb", "MANIFEST-000002"] {
        fs::File::create(at(&format!("sparse/{file}"))).unwrap().set_len(100 << 30).unwrap();
    }
    fs::write(at("sparse/CURRENT"), "MANIFEST-000002\n").unwrap();
    fs::write(at("sparse/LOCK"), "").unwrap();
    for (name, exit) in
        [("file", 13), ("fifo", 13), ("loop", 13), ("file/below", 13), ("none", 17), ("pipes", 17), ("sparse", 17)]
    {
        let path = at(name);
        let output = log(&["inspect", &path]);
        assert_eq!(code(&output), exit, "{name}: {}{}", stdout(&output), stderr(&output));
        narrow(&output, name);
        assert!(stdout(&output).contains(&path), "{name}");
        let found = json_of(&log(&["inspect", &path, "--json"]));
        let directory = &found["directories"][0];
        assert_eq!(directory["path"], json!(path), "{name}");
        assert!(!directory["findings"].as_array().unwrap().is_empty(), "{name}");
        if exit == 13 || name == "none" {
            let dumped = log(&["dump", &path]);
            assert_eq!(code(&dumped), 13, "{name}");
            assert!(stderr(&dumped).contains(&path), "{name}");
        }
    }
}

#[test]
fn a_dump_shows_holes_and_keeps_to_its_range() {
    let below = tempfile::tempdir().unwrap();
    let path = lay(below.path(), "replicated-log/voting-with-holes");
    let found = json_of(&log(&["inspect", &path, "--json"]));
    let view = &found["directories"][0]["mesos_view"];
    let output = log(&["dump", &path, "--json"]);
    let rows: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let missing = |row: &&Value| row["state"] == "hole";
    let length = |row: &Value| row["last"].as_u64().unwrap() - row["position"].as_u64().unwrap() + 1;
    let holes: u64 = rows.iter().filter(missing).map(length).sum();
    assert_eq!(json!(holes), view["holes"]);
    let begin = view["begin"].as_u64().unwrap();
    let held = rows.iter().filter(|row| row["state"] != "hole" && row["position"].as_u64().unwrap() >= begin).count();
    let end = view["end"].as_u64().unwrap();
    assert_eq!(held as u64 + holes, end - begin + 1);
    let (from, to) = ((begin + 1).to_string(), (begin + 3).to_string());
    let few = stdout(&log(&["dump", &path, "--json", "--from", &from, "--to", &to]));
    let inside = |line: &str| {
        (begin + 1..=begin + 3).contains(&serde_json::from_str::<Value>(line).unwrap()["position"].as_u64().unwrap())
    };
    assert!(few.lines().count() > 0 && few.lines().all(inside), "{few}");
    let wrong = log(&["dump", &path, "--from", "9", "--to", "3"]);
    assert_eq!(code(&wrong), 3);
    assert!(stderr(&wrong).contains("bad read range"), "{}", stderr(&wrong));
}

#[test]
fn a_log_is_initialized_where_none_is_and_nowhere_else() {
    let below = tempfile::tempdir().unwrap();
    let at = |name: &str| below.path().join(name).display().to_string();
    let dry = log(&["init", &at("new"), "--dry-run"]);
    assert_eq!(code(&dry), 0, "{}", stderr(&dry));
    assert!(!Path::new(&at("new")).exists());
    fs::create_dir(at("empty")).unwrap();
    fs::set_permissions(at("empty"), fs::Permissions::from_mode(0o750)).unwrap();
    for (name, mode) in [("new", 0o755), ("empty", 0o750)] {
        let output = log(&["init", &at(name), "--json"]);
        assert_eq!(code(&output), 0, "{name}: {}", stderr(&output));
        assert_eq!(json_of(&output)["written"], true);
        assert_eq!(fs::metadata(at(name)).unwrap().mode() & 0o777, mode, "{name}");
        // Byte for byte what the real program leaves, without LevelDB's journal in words.
        for (file, bytes) in directory("replicated-log/initialized").files() {
            if file != "LOG" {
                assert_eq!(&fs::read(Path::new(&at(name)).join(file)).unwrap(), bytes, "{name}/{file}");
            }
        }
        let found = json_of(&log(&["inspect", &at(name), "--json"]));
        let view = &found["directories"][0]["mesos_view"];
        assert_eq!((&view["status"], &view["actions"], &view["holes"]), (&json!("VOTING"), &json!(0), &json!(1)));
    }
    fs::write(at("file"), "").unwrap();
    symlink(at("new"), at("link")).unwrap();
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/LOG"), "").unwrap();
    for (name, says) in [
        ("new", "is not empty"),
        ("full", "is not empty"),
        ("file", "is not a directory"),
        ("link", "symbolic link"),
        ("no/where", "make it first"),
        ("file/below", "file/below"),
    ] {
        for more in [&[][..], &["--dry-run"]] {
            let output = log(&[&["init", &at(name)], more].concat());
            assert_eq!(code(&output), 3, "{name}: {}", stderr(&output));
            assert!(stderr(&output).contains(says), "{name}: {}", stderr(&output));
        }
    }
    assert_eq!(code(&log(&["init", &at("other"), "--user", "no-such-user-here"])), 3);
    assert_eq!(code(&log(&["init", &at("other"), "--mode", "4444"])), 2);
    let left: Vec<String> = fs::read_dir(below.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_committed_schema_is_that_of_the_types_and_holds_for_what_is_printed() {
    let printed = stdout(&run(&["schema", "log"]));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/log.schema.json");
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, printed, "write what `firstlight schema log` prints to {}", path.display());
    let schema: Value = serde_json::from_str(&printed).unwrap();
    let below = tempfile::tempdir().unwrap();
    let good = lay(below.path(), "aurora-log/aurora-healthy/r1");
    let bad = lay(below.path(), "replicated-log/missing-current");
    let missing = below.path().join("none").display().to_string();
    for dirs in [&[good.as_str()][..], &[&bad], &[&missing], &[&good, &bad, &missing]] {
        let found = json_of(&log(&[&["inspect", "--json"], dirs].concat()));
        crate::backup_cli::fits(&schema, &schema, &found, "log");
    }
}
