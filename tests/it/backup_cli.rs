//! `firstlight backup …` as one runs it: the real program over recorded backups, whole and damaged; and the comparison of two backups.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use crate::aurora_codec::data;
use firstlight::aurora::snapshot::{decode_snapshot, encode_snapshot};
use firstlight::aurora::types::{JobKey, MaintenanceMode, ScheduleStatus, Snapshot};
use firstlight::backups::{BackupDiff, Before, ItemKind, diff, diff_schema, list_schema, report_schema};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use unicode_width::UnicodeWidthStr as _;

const POPULATED: &str = "scheduler-backup-2026-11-22-16-04";

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_firstlight")).arg("backup").args(args).stdin(Stdio::null()).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", stdout(output), String::from_utf8_lossy(&output.stderr)))
}

fn recorded(name: &str) -> String {
    data("backups").join(name).display().to_string()
}

fn populated() -> Snapshot {
    decode_snapshot(&std::fs::read(recorded(POPULATED)).unwrap()).unwrap()
}

/// Required members, types of members, and no members that are not declared: as much of JSON Schema as the schemas use.
pub fn fits(schema: &Value, root: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let shape = &root["$defs"][name.rsplit('/').next().unwrap()];
        return fits(shape, root, value, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let one = any.iter().any(|shape| shape["type"] != "null" || value.is_null());
        assert!(one, "{at}");
        if !value.is_null() && any.iter().any(|shape| shape["type"] == "null") {
            let shape = any.iter().find(|shape| shape["type"] != "null").unwrap();
            fits(shape, root, value, at);
        }
        return;
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(types.contains(&is) || (is == "integer" && types.contains(&"number")), "{at}: {is} is none of {types:?}");
    if let Some(required) = schema["required"].as_array() {
        required.iter().for_each(|name| assert!(value.get(name.as_str().unwrap()).is_some(), "{at}: no {name}"));
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(shape), _) | (None, Some(shape)) => fits(shape, root, member, &format!("{at}/{name}")),
            (None, None) => panic!("{at}/{name} is not in the schema"),
        }
    }
    for member in value.as_array().into_iter().flatten() {
        fits(&schema["items"], root, member, &format!("{at}[]"));
    }
}

#[test]
fn every_recorded_backup_has_its_report_and_its_code() {
    let schema = report_schema().to_value();
    for (name, exit, problem, tasks) in [
        (POPULATED, 0, None, json!(37)),
        ("scheduler-backup-2026-11-22-16-17", 0, None, json!(37)),
        ("scheduler-backup-2026-11-22-16-03", 0, None, json!(0)),
        ("scheduler-backup-2026-11-01-00-00", 13, Some("empty-file"), json!(null)),
        ("scheduler-backup-2026-11-01-00-01", 13, Some("truncated"), json!(null)),
        ("scheduler-backup-2026-11-01-00-02", 13, Some("truncated"), json!(null)),
        ("scheduler-backup-2026-11-01-00-03", 12, Some("damaged-text"), json!(37)),
        ("scheduler-backup-2026-11-01-00-04", 13, Some("undecodable"), json!(null)),
        ("scheduler-backup-2026-11-01-00-05", 12, Some("trailing-bytes"), json!(37)),
        ("scheduler-backup-2026-11-01-00-06", 13, Some("undecodable"), json!(null)),
        ("scheduler-backup-2026-11-01-00-08", 13, Some("undecodable"), json!(null)),
        ("scheduler-backup-2026-11-01-00-09", 13, Some("truncated"), json!(null)),
        ("scheduler-backup-2026-11-01-00-11", 12, Some("empty-snapshot"), json!(0)),
        ("not-a-backup.txt", 13, Some("undecodable"), json!(null)),
        ("temp_scheduler-backup-2026-11-01-00-12", 13, Some("truncated"), json!(null)),
        ("no-such-file", 13, Some("not-there"), json!(null)),
    ] {
        let path = recorded(name);
        let output = run(&["inspect", &path, "--json"]);
        assert_eq!(code(&output), exit, "{name}");
        let report = json_of(&output);
        fits(&schema, &schema, &report, name);
        assert_eq!(report["fit"], json!(exit == 0), "{name}");
        assert_eq!(report["problems"][0]["code"].as_str(), problem, "{name}: {}", report["problems"]);
        assert!(problem.is_none() || report["problems"][0]["message"].is_string(), "{name}");
        assert_eq!(report["counts"]["tasks"], tasks, "{name}");
        for command in ["verify", "inspect"] {
            let output = run(&[command, &path]);
            assert_eq!(code(&output), exit, "{command} {name}");
            let text = stdout(&output);
            assert!(text.lines().all(|line| line.width() <= 80), "{command} {name}: {text}");
            let text = text + &String::from_utf8_lossy(&output.stderr);
            assert!(problem.is_none_or(|problem| text.contains(problem)), "{command} {name}: {text}");
        }
    }
}

#[test]
fn the_populated_backup_is_said_in_full() {
    let report = json_of(&run(&["inspect", &recorded(POPULATED), "--json"]));
    let counts = json!({
        "tasks": 37, "active_tasks": 26, "cron_jobs": 2, "quotas": 3, "host_attributes": 6, "job_updates": 3,
        "active_job_updates": report["counts"]["active_job_updates"], "locks": 0, "maintenance_requests": 1, "jobs": 10,
    });
    assert_eq!(report["counts"], counts);
    assert_eq!(report["timestamp_ms"], json!(1_795_363_493_636_i64));
    assert_eq!(report["timestamp"], "2026-11-22T16:04:53.636Z");
    assert_eq!(report["framework_id"], "5a4ba2f2-9c1e-4b0e-8f65-d5c41c23bd4e-0000");
    assert_eq!(report["written_by"]["version"], "0.23.0-SNAPSHOT");
    assert_eq!((&report["name"]["minute"], &report["name"]["zone_minutes"]), (&json!("2026-11-22 16:04"), &json!(0)));
    assert_eq!(report["size"], json!(41_144));
    assert_eq!(report["by_role"].as_object().unwrap().len(), 3);
    assert_eq!(report["cron_jobs"].as_array().unwrap().len(), 2);
    let sum = Command::new("sha256sum").arg(recorded(POPULATED)).output().unwrap();
    assert!(String::from_utf8(sum.stdout).unwrap().starts_with(report["sha256"].as_str().unwrap()));
}

#[test]
fn a_backup_comes_through_standard_input_too() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_firstlight"))
        .args(["backup", "inspect", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&std::fs::read(recorded(POPULATED)).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), &json_of(&output)["counts"]["tasks"]), (0, &json!(37)));
}

#[test]
fn what_is_no_file_is_said_and_never_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let pipe = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(pipe.success());
    std::fs::create_dir(at("directory")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("link")).unwrap();
    for (name, problem) in [("pipe", "not-a-file"), ("directory", "is-a-directory"), ("link", "not-there")] {
        for command in ["inspect", "verify"] {
            let output = run(&[command, &at(name)]);
            assert_eq!(code(&output), 13, "{name}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(problem) && said.contains(&at(name)), "{name}: {said}");
        }
    }
    let null = run(&["verify", "/dev/null"]);
    assert!(String::from_utf8_lossy(&null.stderr).contains("a device"), "{null:?}");
}

#[test]
fn a_name_of_another_time_and_an_unfinished_file_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str| {
        let to = dir.path().join(name);
        std::fs::copy(recorded(POPULATED), &to).unwrap();
        json_of(&run(&["inspect", "--json", &to.display().to_string()]))
    };
    let codes = |said: &Value| said.as_array().unwrap().iter().map(|one| one["code"].clone()).collect::<Vec<_>>();
    let report = put("scheduler-backup-2026-11-20-16-04");
    assert_eq!((codes(&report["warnings"]), &report["fit"]), (vec![json!("name-of-another-time")], &json!(true)));
    let report = put("scheduler-backup-2026-11-22-18-05");
    assert_eq!((codes(&report["warnings"]), &report["name"]["zone_minutes"]), (vec![], &json!(120)));
    let report = put("temp_scheduler-backup-2026-11-22-16-04");
    assert_eq!((codes(&report["problems"]), &report["verdict"]), (vec![json!("never-finished")], &json!("unfit")));
}

#[test]
fn directories_are_listed_newest_first() {
    let dir = data("backups").display().to_string();
    let output = run(&["list", &dir, "--json", "--interval", "1m"]);
    assert_eq!(code(&output), 0);
    let list = json_of(&output);
    let schema = list_schema().to_value();
    fits(&schema, &schema, &list, "list");
    let times: Vec<_> = list["backups"].as_array().unwrap().iter().map(|one| one["timestamp_ms"].as_i64()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    assert!(!list["gaps"].as_array().unwrap().is_empty() && list["other_files"].as_u64() > Some(0));

    let copies = tempfile::tempdir().unwrap();
    let copied = copies.path().join(POPULATED);
    std::fs::copy(recorded(POPULATED), &copied).unwrap();
    let copied = copied.display().to_string();
    let list = json_of(&run(&["list", &recorded(POPULATED), &copied, "--json"]));
    assert_eq!(list["backups"].as_array().unwrap().len(), 2);
    assert!(list["backups"].as_array().unwrap().iter().any(|one| one["same_file_as"].is_string()), "{list}");

    let text = stdout(&run(&["list", &dir, &copies.path().display().to_string(), "/no/such/directory"]));
    assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    assert!(text.contains("has the same bytes as") && text.contains("/no/such/directory does not exist"), "{text}");
    assert_eq!(code(&run(&["list", "/no/such/directory"])), 13);
    assert_eq!(code(&run(&["list", &tempfile::tempdir().unwrap().path().display().to_string()])), 12);
}

#[test]
fn a_cluster_is_listed_by_its_inventory() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = dir.path().join("west.yaml");
    let backups = data("backups").display().to_string();
    let text = format!(
        "format: 1\ncluster: {{ name: west }}\ngroups:\n  schedulers:\n    hosts:\n      - {{ name: a, reach: local, vars: {{ backup_dir: {backups} }} }}\n      \
         - {{ name: b, reach: local, vars: {{ backup_dir: /no/such/directory }} }}\n"
    );
    std::fs::write(&inventory, text).unwrap();
    let output = run(&["list", "--cluster", &inventory.display().to_string(), "--json"]);
    assert_eq!(code(&output), 13, "{}", String::from_utf8_lossy(&output.stderr));
    let list = json_of(&output);
    assert_eq!(list["backups"][0]["host"], "a");
    assert!(list["unread"][0]["place"].as_str().unwrap().starts_with("b:/no/such"), "{list}");
}

#[test]
fn two_backups_are_compared() {
    let later = recorded("scheduler-backup-2026-11-22-16-17");
    let output = run(&["diff", &recorded(POPULATED), &recorded(POPULATED)]);
    assert_eq!(code(&output), 0);
    assert!(stdout(&output).contains("Nothing differs"), "{}", stdout(&output));
    let empty = recorded("scheduler-backup-2026-11-22-16-03");
    let output = run(&["diff", &empty, &later, "--json"]);
    assert_eq!(code(&output), 14);
    let found = json_of(&output);
    let schema = diff_schema().to_value();
    fits(&schema, &schema, &found, "diff");
    assert_eq!((&found["tasks"]["added"]["count"], &found["cron_jobs"]["added"]), (&json!(37), &json!(2)));
    for pair in [[&empty, &later], [&later, &empty], [&recorded(POPULATED), &later]] {
        let text = stdout(&run(&["diff", pair[0], pair[1]]));
        assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    }
    let output = run(&["diff", &later, &recorded("scheduler-backup-2026-11-01-00-01")]);
    assert_eq!(code(&output), 13);
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be compared"), "{output:?}");
}

#[test]
fn the_committed_schemas_of_backups_are_those_of_the_types() {
    for (name, schema) in [("backup", report_schema()), ("backup-list", list_schema()), ("backup-diff", diff_schema())]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/{name}.schema.json"));
        let printed = Command::new(env!("CARGO_BIN_EXE_firstlight")).args(["schema", name]).output().unwrap();
        let text = format!("{:#}\n", schema.to_value());
        assert_eq!(String::from_utf8(printed.stdout).unwrap(), text);
        if std::env::var_os("FIRSTLIGHT_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let same = std::fs::read_to_string(&path).unwrap_or_default() == text;
        assert!(same, "{} is old; `firstlight schema {name}` says what it should be", path.display());
    }
}

fn compared(before: &Snapshot, after: &Snapshot) -> BackupDiff {
    let before = Before::read(encode_snapshot(before).as_slice()).unwrap();
    diff(&before, encode_snapshot(after).as_slice()).unwrap()
}

/// A change, with the parts of the state that it is made to.
#[derive(Clone, Debug, Default)]
struct Changes {
    remove: BTreeSet<usize>,
    restate: BTreeSet<usize>,
    add: usize,
    cron_jobs_gone: usize,
    quota: bool,
    host: bool,
    turn: usize,
}

fn changes() -> impl Strategy<Value = Changes> {
    let places = || prop::collection::btree_set(0_usize..37, 0..8);
    (places(), places(), 0_usize..5, 0_usize..3, any::<bool>(), any::<bool>(), 0_usize..37).prop_map(
        |(remove, restate, add, cron_jobs_gone, quota, host, turn)| Changes {
            restate: restate.difference(&remove).copied().collect(),
            remove,
            add,
            cron_jobs_gone,
            quota,
            host,
            turn,
        },
    )
}

fn changed(state: &Snapshot, changes: &Changes) -> Snapshot {
    let mut state = state.clone();
    let tasks = &mut state.tasks.as_mut().unwrap().0;
    let mut new = Vec::new();
    for (at, task) in tasks.iter().enumerate().take(changes.add) {
        let mut task = task.clone();
        task.assigned_task.task_id = format!("new-{at}");
        task.assigned_task.task.as_mut().unwrap().job = Some(JobKey::new("new", "prod", "job"));
        new.push(task);
    }
    for at in &changes.restate {
        let now = if tasks[*at].status == ScheduleStatus::Lost { ScheduleStatus::Failed } else { ScheduleStatus::Lost };
        tasks[*at].status = now;
    }
    let mut at = 0;
    tasks.retain(|_| {
        at += 1;
        !changes.remove.contains(&(at - 1))
    });
    tasks.extend(new);
    let turn = changes.turn % tasks.len().max(1);
    tasks.rotate_left(turn);
    let crons = &mut state.cron_jobs.as_mut().unwrap().0;
    crons.rotate_left(1);
    crons.truncate(2 - changes.cron_jobs_gone);
    let quotas = &mut state.quotas.as_mut().unwrap().0;
    quotas.rotate_left(1);
    if changes.quota {
        quotas[0].quota = None;
    }
    let hosts = &mut state.host_attributes.as_mut().unwrap().0;
    hosts.rotate_left(2);
    for host in hosts.iter_mut() {
        host.attributes.iter_mut().for_each(|attributes| attributes.0.reverse());
    }
    if changes.host {
        hosts[0].slave_id = Some("another".to_owned());
    }
    state.timestamp_ms += 1;
    state
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_comparison_finds_exactly_what_was_changed(changes in changes()) {
        let before = populated();
        let after = changed(&before, &changes);
        let found = compared(&before, &after);
        let tasks = &found.tasks;
        prop_assert_eq!(tasks.removed.count as usize, changes.remove.len());
        prop_assert_eq!(tasks.added.count as usize, changes.add);
        prop_assert_eq!(tasks.status_changed as usize, changes.restate.len());
        prop_assert_eq!((tasks.moved, tasks.otherwise), (0, 0));
        prop_assert_eq!(tasks.transitions.iter().map(|one| one.count).sum::<u64>() as usize, changes.restate.len());
        prop_assert_eq!((found.cron_jobs.removed as usize, found.cron_jobs.added), (changes.cron_jobs_gone, 0));
        prop_assert_eq!(found.quotas.changed, u64::from(changes.quota));
        prop_assert_eq!((found.hosts.changed, found.hosts.added), (u64::from(changes.host), 0));
        prop_assert!(!found.job_updates.any() && !found.maintenance_requests.any() && !found.framework_changed);
        prop_assert_eq!(found.jobs.added, u64::from(changes.add > 0));
        let nothing = changes.remove.is_empty() && changes.restate.is_empty() && changes.add == 0;
        prop_assert_eq!(found.equal, nothing && changes.cron_jobs_gone == 0 && !changes.quota && !changes.host);

        let back = compared(&after, &before);
        prop_assert_eq!((&back.tasks.added.ids, back.tasks.removed.count), (&tasks.removed.ids, tasks.added.count));
        prop_assert!(compared(&after, &after).equal);
    }
}

#[test]
fn changes_have_words() {
    let before = populated();
    let mut after = before.clone();
    let hosts = &mut after.host_attributes.as_mut().unwrap().0;
    let host = hosts.iter().position(|host| host.mode.is_none_or(|mode| mode == MaintenanceMode::None)).unwrap();
    hosts[host].mode = Some(MaintenanceMode::Drained);
    let found = compared(&before, &after);
    let change = &found.items(ItemKind::Host).list[0];
    assert_eq!((change.before.as_deref(), change.after.as_deref()), (Some("in service"), Some("DRAINED")));
    assert_eq!(found.headline(), "~1 hosts");
    assert_eq!(compared(&before, &before).headline(), "nothing changed");
}

#[test]
fn what_is_in_sql_is_not_compared() {
    let mut before = populated();
    before.db_script = Some(vec!["INSERT …".to_owned()]);
    let mut after = before.clone();
    after.quotas = None;
    let found = compared(&before, &after);
    assert!(!found.quotas.compared && !found.quotas.any() && found.cron_jobs.compared);
}
