//! The kinds that know Aurora, against a scripted scheduler and master, recorded backups, logs and replicas.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
};

use firstlight::{
    actions::{Secrets, Sink, Stop, World, attempt, look},
    aurora::{
        api::Method,
        tjson,
        types::{AssignedTask, Response, ResponseCode, ResultMember, ScheduledTask},
        value::{Seq, TType, Value as Wire},
    },
    inventory::Inventory,
    runbook::{
        kind::Kind,
        model::{HostName, LOCAL, Register, StepId},
    },
    session::{AttemptId, Finding, Known, Look, Order, Outcome, Purpose, Report},
};
use serde_json::{Value, json};

use crate::zk;

/// What the scripted scheduler holds and was asked.
#[derive(Default)]
pub struct Held {
    cluster: String,
    pub ready: bool,
    staged: Option<Vec<String>>,
    stored: Vec<String>,
    pub vars: String,
    state: String,
    calls: Vec<String>,
    /// The connection breaks instead of an answer to a commit.
    drops_commit: bool,
}

pub type Shared = Arc<Mutex<Held>>;

pub fn server(held: &Shared) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let held = held.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &held);
        }
    });
    format!("http://{at}")
}

fn answer(mut stream: TcpStream, held: &Shared) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    let body = loop {
        let count = stream.read(&mut piece).unwrap_or(0);
        request.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        if count == 0 || body.len() >= length.unwrap_or(0_usize) {
            break body.to_owned();
        }
    };
    let mut held = held.lock().unwrap();
    let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
    let (status, text) = match line.split(' ').nth(1).unwrap_or_default() {
        "/vars" if !held.vars.is_empty() => ("200 OK", held.vars.clone()),
        "/state" if !held.state.is_empty() => ("200 OK", held.state.clone()),
        "/api" => match call(&mut held, &body) {
            Some(text) => ("200 OK", text),
            None => return,
        },
        _ => ("404 Not Found", String::new()),
    };
    let _ = write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}", text.len());
}

fn task(id: &str) -> ScheduledTask {
    ScheduledTask {
        assigned_task: AssignedTask { task_id: id.to_owned(), ..AssignedTask::default() },
        ..ScheduledTask::default()
    }
}

fn call(held: &mut Held, body: &str) -> Option<String> {
    let message = tjson::decode_message(body.as_bytes()).unwrap();
    let method = Method::from_name(&message.name).unwrap();
    held.calls.push(message.name.clone());
    let response = |code, text: &str| Response::new(code, &held.cluster).with_detail(text);
    let ok = || Response::new(ResponseCode::Ok, &held.cluster);
    let none = || response(ResponseCode::Error, "No backup loaded.");
    let tasks = |member, ids: &[String]| {
        let items = ids.iter().map(|id| task(id).to_struct().into()).collect();
        let list = Seq { elem: TType::Struct, items };
        // A list and a set differ in nothing but their type.
        ok().with_result(
            member,
            if member == ResultMember::ScheduleStatus { Wire::List(list) } else { Wire::Set(list) },
        )
    };
    let wanted = || firstlight::aurora::api::query_of(&message.body).task_ids.map(|ids| ids.0);
    let response = match method {
        Method::GetRoleSummary | Method::GetTasksWithoutConfigs if !held.ready => {
            response(ResponseCode::ErrorTransient, "Storage is not READY")
        }
        Method::GetRoleSummary => tasks(ResultMember::RoleSummary, &[]),
        Method::GetTasksWithoutConfigs => tasks(ResultMember::ScheduleStatus, &held.stored),
        Method::QueryRecovery => match (&held.staged, wanted()) {
            (None, _) => none(),
            (Some(staged), Some(ids)) => {
                let found: Vec<String> = staged.iter().filter(|id| ids.contains(id)).cloned().collect();
                tasks(ResultMember::QueryRecovery, &found)
            }
            (Some(staged), None) => tasks(ResultMember::QueryRecovery, staged),
        },
        Method::StageRecovery if held.staged.is_some() => {
            response(ResponseCode::Error, "Another backup is already loaded.")
        }
        Method::StageRecovery => {
            let answer = ok();
            held.staged = Some(held.stored.clone());
            answer
        }
        Method::DeleteRecoveryTasks => {
            let answer = ok();
            let gone = wanted().unwrap();
            held.staged.as_mut().unwrap().retain(|id| !gone.contains(id));
            answer
        }
        Method::CommitRecovery if held.drops_commit => return None,
        Method::CommitRecovery if held.staged.is_none() => none(),
        Method::CommitRecovery | Method::UnloadRecovery => {
            let answer = ok();
            held.staged = None;
            answer
        }
        _ => ok(),
    };
    Some(String::from_utf8(tjson::encode_message(&method.reply(1, &response)).unwrap()).unwrap())
}

pub fn world(hosts: &Value) -> World {
    let inventory: Inventory = serde_json::from_value(json!({
        "cluster": "west", "groups": { "schedulers": { "hosts": hosts } },
    }))
    .unwrap();
    World::with_stub(Arc::new(inventory), Secrets::default(), Some(Path::new(env!("CARGO_BIN_EXE_firstlight"))))
}

fn alone() -> World {
    world(&json!([{ "name": "s1", "reach": "local" }]))
}

fn kind(value: Value) -> Kind {
    serde_json::from_value(value).unwrap()
}

pub async fn see(world: &World, value: Value, known: &Known) -> Report {
    let purpose = Purpose::Happened { attempt: AttemptId(1) };
    let order = Look {
        purpose,
        host: HostName::from("s1"),
        kind: kind(value),
        known: known.clone(),
        after_ms: 0,
        timeout_ms: 10_000,
    };
    look(world, &order).await
}

async fn run(world: &World, value: Value) -> Outcome {
    let order = Order {
        attempt: AttemptId(1),
        step: StepId::from("s"),
        host: HostName::from(LOCAL),
        kind: kind(value),
        guards: Vec::new(),
        known: Known::new(),
        timeout_ms: 10_000,
    };
    attempt(world, &order, &Sink::none(), &Stop::never()).await
}

pub fn held(staged: Option<&[&str]>) -> Shared {
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let held = Held {
        cluster: "west".to_owned(),
        ready: true,
        staged: staged.map(ids),
        stored: ids(&["a", "b", "c"]),
        ..Held::default()
    };
    Arc::new(Mutex::new(held))
}

fn calls(held: &Shared) -> Vec<String> {
    held.lock().unwrap().calls.clone()
}

#[tokio::test]
async fn a_backup_is_staged_cut_and_committed_once() {
    let (world, held) = (alone(), held(None));
    let url = server(&held);
    let at = |rest: Value| {
        let mut members = json!({ "url": url, "cluster": "west" });
        members.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        members
    };
    let staged = |tasks: &str| json!({ "aurora": { "staged": at(json!({ "tasks": tasks })) } });
    assert_eq!(see(&world, staged("none"), &Known::new()).await.finding, Finding::Holds);
    let stage = json!({ "aurora": { "stage": at(json!({ "backup": "scheduler-backup-2026-11-22-16-03" })) } });
    assert!(matches!(run(&world, stage.clone()).await, Outcome::Done(_)));
    assert!(matches!(run(&world, stage).await, Outcome::Failed { why } if why.contains("already loaded")));
    let seen = see(&world, staged("3"), &Known::new()).await;
    assert_eq!((seen.finding, &seen.outputs["tasks"]), (Finding::Holds, &json!(3)), "{seen:?}");
    assert_eq!(see(&world, staged("none"), &Known::new()).await.finding, Finding::Fails);
    let delete = |ids: &str| json!({ "aurora": { "delete_staged": at(json!({ "tasks": ids })) } });
    assert!(matches!(run(&world, delete(" ,\n")).await, Outcome::Failed { .. }));
    assert!(matches!(run(&world, delete("a, nobody")).await, Outcome::Failed { why } if why.contains("nobody")));
    assert!(matches!(run(&world, delete("a")).await, Outcome::Done(_)));
    let commit = |tasks: &str| json!({ "aurora": { "commit": at(json!({ "tasks": tasks })) } });
    assert!(matches!(run(&world, commit("3")).await, Outcome::Refused { why } if why.contains("2 tasks are staged")));
    assert!(!calls(&held).contains(&"commitRecovery".to_owned()));
    assert!(matches!(run(&world, commit("2")).await, Outcome::Done(_)));
    assert!(matches!(run(&world, commit("2")).await, Outcome::Refused { .. }));
    assert_eq!(calls(&held).iter().filter(|call| *call == "commitRecovery").count(), 1);
    let unload = json!({ "aurora": { "unload": at(json!({})) } });
    assert!(matches!(run(&world, unload).await, Outcome::Done(report) if report.seen.contains("nothing to forget")));
}

#[tokio::test]
async fn a_lost_commit_is_in_doubt_and_not_repeated() {
    let (world, held) = (alone(), held(Some(&["a"])));
    held.lock().unwrap().drops_commit = true;
    let commit = json!({ "aurora": { "commit": { "url": server(&held), "cluster": "west", "tasks": "1" } } });
    assert!(matches!(run(&world, commit).await, Outcome::InDoubt { .. }));
    assert_eq!(calls(&held), ["queryRecovery", "commitRecovery"]);
}

#[tokio::test]
async fn another_cluster_and_a_storage_that_is_not_ready_are_left_alone() {
    let (world, held) = (alone(), held(Some(&["a"])));
    let url = server(&held);
    let nowhere = json!({ "aurora": { "unload": { "url": "http://127.0.0.1:1", "cluster": "west" } } });
    assert!(matches!(run(&world, nowhere).await, Outcome::Done(_)), "what was staged went with its process");
    for (members, what) in
        [(json!({ "tasks": "1" }), "commit"), (json!({}), "unload"), (json!({ "tasks": "a" }), "delete_staged")]
    {
        let mut members = members;
        members["url"] = json!(url);
        members["cluster"] = json!("east");
        let outcome = run(&world, json!({ "aurora": { what: members } })).await;
        assert!(matches!(&outcome, Outcome::Refused { why } if why.contains("west")), "{what}: {outcome:?}");
    }
    let ready = json!({ "aurora": { "ready": { "url": url, "cluster": "west", "tasks": "3" } } });
    assert_eq!(see(&world, ready.clone(), &Known::new()).await.finding, Finding::Holds);
    held.lock().unwrap().ready = false;
    assert_eq!(see(&world, ready, &Known::new()).await.finding, Finding::Fails);
    let backup = json!({ "aurora": { "backup": { "url": url, "cluster": "west" } } });
    assert!(matches!(run(&world, backup).await, Outcome::Refused { .. }));
    assert!(
        !calls(&held).iter().any(|call| matches!(call.as_str(), "performBackup" | "commitRecovery" | "unloadRecovery"))
    );
}

#[tokio::test]
async fn gauges_and_the_leader() {
    let (one, other) = (held(None), held(None));
    let urls = [server(&one), server(&other)];
    one.lock().unwrap().vars =
        "scheduler_lifecycle_LEADER_AWAITING_REGISTRATION 1\nframework_registered 0\n".to_owned();
    other.lock().unwrap().vars = "scheduler_lifecycle_STORAGE_PREPARED 1\nframework_registered 0\n".to_owned();
    let world = world(&json!([
        { "name": "s1", "reach": "local", "vars": { "api_url": urls[0] } },
        { "name": "s2", "reach": "local", "vars": { "api_url": urls[1] } },
    ]));
    let leader =
        json!({ "leader": { "among": "schedulers", "url_var": "api_url", "connect": "none", "prepared": true } });
    let seen = see(&world, leader.clone(), &Known::new()).await;
    assert_eq!(seen.finding, Finding::Holds, "{seen:?}");
    assert_eq!(seen.outputs["name"], "s1");
    assert!(seen.seen.contains("only /vars says so"), "{}", seen.seen);
    let mut wrong = leader.clone();
    wrong["leader"]["is"] = json!("s2");
    assert_eq!(see(&world, wrong, &Known::new()).await.finding, Finding::Fails);
    one.lock().unwrap().ready = false;
    assert!(see(&world, leader.clone(), &Known::new()).await.seen.contains("not ready"));
    other.lock().unwrap().vars = "scheduler_lifecycle_ACTIVE 1\n".to_owned();
    let both = see(&world, leader, &Known::new()).await;
    assert!(
        both.finding == Finding::Fails && both.seen.contains("more than one scheduler answers as leader"),
        "{both:?}"
    );
    let vars = |has: Value, any: Value| json!({ "vars": { "url": urls[0], "has": has, "any": any } });
    let cases = [
        (json!({ "framework_registered": "0" }), json!({}), Finding::Holds),
        (json!({ "framework_registered": "1|2" }), json!({}), Finding::Fails),
        (json!({ "no_such_gauge": "0" }), json!({}), Finding::Unknown),
        (json!({}), json!({ "framework_registered": "0", "no_such_gauge": "1" }), Finding::Holds),
        (json!({}), json!({ "no_such_gauge": "1" }), Finding::Unknown),
    ];
    for (has, any, wanted) in cases {
        assert_eq!(see(&world, vars(has.clone(), any.clone()), &Known::new()).await.finding, wanted, "{has} {any}");
    }
}

#[tokio::test]
async fn the_master_tells_what_runs_and_what_was_lost() {
    let (world, held) = (alone(), held(None));
    let url = server(&held);
    let state = |active: bool, ids: &[&str]| {
        let tasks: Vec<Value> =
            ids.iter().map(|id| json!({ "id": id, "name": "www/prod/web", "state": "TASK_RUNNING" })).collect();
        let framework = json!({ "id": "f1", "name": "Aurora", "active": active, "tasks": tasks });
        json!({ "version": "1.4.1", "frameworks": [framework] }).to_string()
    };
    let master = |rest: Value| {
        let mut members = json!({ "url": url });
        members.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "master": members })
    };
    assert_eq!(see(&world, master(json!({})), &Known::new()).await.finding, Finding::Unknown);
    held.lock().unwrap().state = state(false, &["a", "b"]);
    let before = see(&world, master(json!({ "registered": false })), &Known::new()).await;
    assert_eq!((before.finding, &before.outputs["by_job"]), (Finding::Holds, &json!({ "www/prod/web": 2 })));
    let known = Known::from([(Register::from("before"), BTreeMap::from([(HostName::from(LOCAL), before.outputs)]))]);
    held.lock().unwrap().state = state(true, &["b", "c"]);
    assert_eq!(see(&world, master(json!({ "registered": false })), &known).await.finding, Finding::Fails);
    let after = see(&world, master(json!({ "registered": true, "since": "before" })), &known).await;
    assert_eq!(
        (after.finding, &after.outputs["lost"], &after.outputs["new"]),
        (Finding::Holds, &json!(["a"]), &json!(["c"]))
    );
}

#[tokio::test]
async fn backups_are_decoded_and_ordered() {
    let world = alone();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/aurora/backups");
    let seen = see(&world, json!({ "backups": { "dir": dir } }), &Known::new()).await;
    assert_eq!(seen.finding, Finding::Holds, "{seen:?}");
    let backups = seen.outputs["backups"].as_array().unwrap();
    assert!(backups.iter().any(|entry| entry["fit"] == "yes") && backups.iter().any(|entry| entry["fit"] == "no"));
    let ranks: Vec<i64> =
        backups.iter().filter(|entry| entry["fit"] == "yes").map(|entry| entry["rank"].as_i64().unwrap()).collect();
    assert!(ranks.is_sorted(), "{ranks:?}");
    let fit = backups.iter().find(|entry| entry["fit"] == "yes").unwrap();
    let one =
        |sha256: &Value, age: &str| json!({ "backup": { "path": fit["path"], "sha256": sha256, "max_age": age } });
    let found = see(&world, one(&fit["sha256"], "2h"), &Known::new()).await;
    assert_eq!((found.finding, &found.outputs["tasks"]), (Finding::Holds, &fit["tasks"]), "{found:?}");
    assert_eq!(see(&world, one(&json!("00"), "2h"), &Known::new()).await.finding, Finding::Fails);
    let bad = backups.iter().find(|entry| entry["fit"] == "no").unwrap();
    assert_eq!(see(&world, json!({ "backup": { "path": bad["path"] } }), &Known::new()).await.finding, Finding::Fails);
    let gone = see(&world, json!({ "backups": { "dir": "/no/such/dir" } }), &Known::new()).await;
    assert_eq!(gone.outputs["backups"], json!([]));
}

#[tokio::test]
async fn replicas_are_read_and_weighed() {
    let world = world(
        &json!([{ "name": "s1", "reach": "local" }, { "name": "s2", "reach": "local" }, { "name": "s3", "reach": "local" }]),
    );
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("db");
    fs::create_dir(&path).unwrap();
    let replica = |rest: Value| {
        let mut members = json!({ "path": path });
        members.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "replica": members })
    };
    let seen = see(&world, replica(json!({ "status": "EMPTY", "blank": true, "unlocked": true })), &Known::new()).await;
    assert_eq!(seen.finding, Finding::Holds, "{seen:?}");
    assert_eq!(see(&world, replica(json!({ "status": "VOTING" })), &Known::new()).await.finding, Finding::Fails);
    assert_eq!(see(&world, replica(json!({ "snapshot": "1" })), &Known::new()).await.finding, Finding::Fails);
    assert_eq!(
        see(&world, replica(json!({ "owner": "nobody-like-this" })), &Known::new()).await.finding,
        Finding::Fails
    );
    let own: Vec<(HostName, Value)> =
        ["s1", "s2"].iter().map(|host| (HostName::from(*host), seen.outputs.clone())).collect();
    let known = Known::from([(Register::from("replicas"), own.into_iter().collect())]);
    // What was judged must be what is acted on, and must have stood still.
    let state = seen.outputs["state"].clone();
    assert_eq!(see(&world, replica(json!({ "unchanged": state })), &Known::new()).await.finding, Finding::Holds);
    fs::write(path.join("LOG"), "looked at by another program").unwrap();
    assert_eq!(see(&world, replica(json!({ "unchanged": state })), &Known::new()).await.finding, Finding::Holds);
    fs::write(path.join("000099.log"), "").unwrap();
    let changed = see(&world, replica(json!({ "unchanged": state })), &Known::new()).await;
    assert!(changed.finding == Finding::Fails && changed.seen.contains("judge them again"), "{changed:?}");
    fs::remove_file(path.join("000099.log")).unwrap();
    let at_rest = json!({ "verdict": { "replicas": "replicas", "quorum": "2", "flapping": "unsure", "messages": "unsure", "damaged": "unsure", "stopped": true } });
    for (holder, wanted) in [(Value::Null, Finding::Holds), (json!(4711), Finding::Fails)] {
        let mut outputs = seen.outputs.clone();
        outputs["lock_holder"] = holder;
        let known = Known::from([(Register::from("replicas"), [(HostName::from("s1"), outputs)].into())]);
        let judged = see(&world, at_rest.clone(), &known).await;
        assert_eq!(judged.finding, wanted, "{judged:?}");
    }
    let verdict = json!({ "verdict": { "replicas": "replicas", "quorum": "2", "flapping": "unsure", "messages": "unsure", "damaged": "yes" } });
    let judged = see(&world, verdict, &known).await;
    assert_eq!(judged.finding, Finding::Holds, "{judged:?}");
    assert!(judged.outputs["decision"].is_string() && judged.outputs["reason"].is_string(), "{judged:?}");
}

#[tokio::test]
async fn logs_are_counted_with_their_rotated_neighbours() {
    let world = alone();
    let dir = tempfile::TempDir::new().unwrap();
    let log = dir.path().join("scheduler.log");
    let elected = "I1122 16:03:37.694 [main, SchedulerLifecycle] Elected as leading scheduler!\n";
    fs::write(dir.path().join("scheduler.log.1"), elected).unwrap();
    let packed = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    fs::write(dir.path().join("scheduler.log.2.gz"), packed(elected)).unwrap();
    // Of another log, and of none.
    fs::write(dir.path().join("other.log"), elected).unwrap();
    fs::create_dir(dir.path().join("scheduler.log.7")).unwrap();
    fs::write(&log, format!("nothing\n{elected}half a line, Elected as leading")).unwrap();
    let seen = see(&world, json!({ "log_lines": { "file": log } }), &Known::new()).await;
    assert_eq!(seen.finding, Finding::Holds, "{seen:?}");
    assert_eq!(seen.outputs["counts"]["elected"], 3, "{seen:?}");
    // A directory is all that is in it; what is damaged or no log is read up to there, and said.
    fs::write(dir.path().join("scheduler.log.3.gz"), &packed(&elected.repeat(1000))[..40]).unwrap();
    let seen = see(&world, json!({ "log_lines": { "file": dir.path() } }), &Known::new()).await;
    assert_eq!(seen.outputs["counts"]["elected"], 4, "{seen:?}");
    assert!(seen.seen.contains("scheduler.log.3.gz: damaged"), "{}", seen.seen);
    fs::remove_file(dir.path().join("scheduler.log.3.gz")).unwrap();
    let lines = |rest: Value| {
        let mut members = json!({ "file": log, "contains": "Elected as leading" });
        members.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "log_lines": members })
    };
    let cases = [
        (json!({}), Finding::Holds),
        (json!({ "at_least": 4 }), Finding::Holds),
        (json!({ "at_least": 5 }), Finding::Fails),
        (json!({ "at_most": 3 }), Finding::Fails),
        (json!({ "since": "2000-01-01T00:00:00Z", "at_least": 2 }), Finding::Holds),
        (json!({ "since": "2999-01-01T00:00:00Z", "at_most": 0 }), Finding::Holds),
        (json!({ "since": "yesterday" }), Finding::Unknown),
    ];
    for (rest, wanted) in cases {
        assert_eq!(see(&world, lines(rest.clone()), &Known::new()).await.finding, wanted, "{rest}");
    }
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (pipe, missing) = (pipe.display().to_string(), dir.path().join("missing").display().to_string());
    for nowhere in ["/no/such/log", "relative", &pipe, &missing] {
        let nowhere = json!({ "log_lines": { "file": nowhere } });
        assert_eq!(see(&world, nowhere.clone(), &Known::new()).await.finding, Finding::Unknown, "{nowhere}");
    }
}

#[tokio::test]
async fn times_without_a_zone_are_of_the_hosts_own() {
    let dir = tempfile::TempDir::new().unwrap();
    let log = dir.path().join("scheduler.log");
    fs::write(&log, "I1122 16:03:37.694 [main, SchedulerLifecycle] Elected as leading scheduler!\n").unwrap();
    let mut started = Vec::new();
    for zone in ["UTC", "+02:00", "+05:30"] {
        let world = world(&json!([{ "name": "s1", "reach": "local", "vars": { "timezone": zone } }]));
        let seen = see(&world, json!({ "log_lines": { "file": log } }), &Known::new()).await;
        started.push(seen.outputs["elections"][0]["started_ms"].as_i64().unwrap());
    }
    assert_eq!((started[0] - started[1], started[0] - started[2]), (7_200_000, 19_800_000));
    let world = world(&json!([{ "name": "s1", "reach": "local", "vars": { "timezone": "Middle/Earth" } }]));
    let seen = see(&world, json!({ "log_lines": { "file": log } }), &Known::new()).await;
    assert!(seen.finding == Finding::Unknown && seen.seen.contains("Middle/Earth"), "{seen:?}");
}

const ASKED: &str = "FIRSTLIGHT_TEST_LOG_LINES";

/// Not a test by itself: the other process of the test below, which finds another `journalctl`.
#[tokio::test]
async fn asks_the_journal() {
    if let Some(asked) = std::env::var_os(ASKED) {
        let asked: Value = serde_json::from_str(asked.to_str().unwrap()).unwrap();
        println!("{}", serde_json::to_string(&see(&alone(), asked, &Known::new()).await).unwrap());
    }
}

#[test]
fn a_unit_of_the_journal_is_a_log() {
    let dir = tempfile::TempDir::new().unwrap();
    let entry = |at: u64, text: &str| {
        json!({ "__REALTIME_TIMESTAMP": at.to_string(), "_HOSTNAME": "h7", "MESSAGE": text }).to_string()
    };
    let at = 1_795_361_734_175_000;
    let entries = [
        entry(at, "I1122 15:35:34.175 [main, SchedulerLifecycle] Elected as leading scheduler!"),
        entry(at + 1_000_000, "I1122 15:35:35.175 [main, L] Applying snapshot taken on Sun Nov 22 16:04:53 UTC 2026"),
    ];
    let asked = |body: &str, asked: Value| -> Report {
        let program = dir.path().join("journalctl");
        fs::write(&program, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let output = std::process::Command::new("/proc/self/exe")
            .args(["--exact", "actions_aurora::asks_the_journal", "--nocapture"])
            .env(ASKED, json!({ "log_lines": asked }).to_string())
            .env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let json = text.find('{').map_or_else(|| panic!("{output:?}"), |from| &text[from..]);
        serde_json::Deserializer::from_str(json).into_iter().next().unwrap().unwrap()
    };
    let told = dir.path().join("told");
    let print = format!("echo \"$@\" > {}\ncat <<'X'\n{}\nX", told.display(), entries.join("\n"));
    let file = json!({ "file": "journal:aurora-scheduler" });
    let seen = asked(&print, file.clone());
    assert_eq!((seen.finding, &seen.outputs["counts"]["elected"]), (Finding::Holds, &json!(1)), "{seen:?}");
    assert_eq!(seen.outputs["elections"][0]["started_ms"], json!(at / 1000));
    let arguments = fs::read_to_string(&told).unwrap();
    assert!(arguments.contains("--unit aurora-scheduler") && arguments.contains("--lines="), "{arguments}");
    let contains =
        json!({ "file": "journal:a", "contains": "Elected as", "at_least": 1, "since": "2026-11-22T15:00:00Z" });
    assert_eq!(asked(&print, contains).finding, Finding::Holds);
    assert!(fs::read_to_string(&told).unwrap().contains("--since=@"), "the journal is not read whole");
    let snapshot = json!({ "file": "journal:a", "snapshot": "1795363493636" });
    let seen = asked(&print, snapshot);
    assert_eq!(seen.finding, Finding::Holds, "{seen:?}");
    // Who may not see all of it must not take that for silence.
    let seen = asked("echo 'Hint: You are currently not seeing messages from other users' >&2", file.clone());
    assert!(seen.finding == Finding::Holds && seen.seen.contains("not seeing messages"), "{seen:?}");
    assert_eq!(asked("echo '-- No entries --'", file.clone()).outputs["lines"], json!(0));
    let seen = asked("echo no journal here >&2; exit 1", file);
    assert!(seen.finding == Finding::Unknown && seen.seen.contains("no journal here"), "{seen:?}");
}

#[tokio::test]
async fn no_ensemble_is_unknown() {
    let world = alone();
    for connect in ["none", "127.0.0.1:1"] {
        let serverset = json!({ "serverset": { "connect": connect, "path": "/aurora", "is": "absent" } });
        assert_eq!(see(&world, serverset, &Known::new()).await.finding, Finding::Unknown);
        let node = json!({ "zookeeper": { "connect": connect, "path": "/aurora" } });
        assert_eq!(see(&world, node, &Known::new()).await.finding, Finding::Unknown);
    }
}

/// Nobody, a part, all, and a stranger below the path of the replicas' group.
#[test]
fn the_group_of_replicas_is_counted() {
    let Some(ensemble) = zk::ensemble::shared() else { return };
    let _guard = ensemble.with_others();
    zk::run(count_the_group(&ensemble.connect(), ensemble));
}

async fn count_the_group(connect: &str, ensemble: &zk::ensemble::Ensemble) {
    let world = alone();
    let client = ensemble.writer().await;
    let group =
        |most: &str| json!({ "log_group": { "connect": connect, "path": "/counted/replicated-log", "at_most": most } });
    let known = Known::from([(Register::from("replicas"), [(HostName::from("s1"), json!({}))].into())]);
    let quorum = |connect: &str| json!({ "quorum": { "replicas": "replicas", "quorum": "2", "connect": connect, "log_group": "/counted/replicated-log" } });
    let lasting = zookeeper_client::CreateMode::Persistent.with_acls(zookeeper_client::Acls::anyone_all());
    assert_eq!(see(&world, group("0"), &Known::new()).await.finding, Finding::Holds, "there is no such path yet");
    client.mkdir("/counted/replicated-log", &lasting).await.unwrap();
    // The second one was killed and started again: its old session lives on beside the new one.
    for (n, (port, word)) in
        [(1, "part"), (2, "part"), (2, "part"), (3, "whole"), (9, "strangers")].into_iter().enumerate()
    {
        let path = format!("/counted/replicated-log/{n:010}");
        client.create(&path, format!("log-replica(1)@10.0.0.{port}:8083").as_bytes(), &lasting).await.unwrap();
        let seen = see(&world, quorum(connect), &known).await;
        assert_eq!((seen.finding, &seen.outputs["group"]), (Finding::Holds, &json!(word)), "{seen:?}");
    }
    let seen = see(&world, quorum(connect), &known).await;
    assert!(seen.seen.contains("DANGER: 4 replicas") && seen.seen.contains("10.0.0.9:8083"), "{seen:?}");
    assert!(seen.details.iter().any(|line| line.starts_with("DANGER")), "{seen:?}");
    let seen = see(&world, group("0"), &Known::new()).await;
    assert!(seen.finding == Finding::Fails && seen.seen.contains("10.0.0.1:8083"), "{seen:?}");
    assert_eq!(see(&world, group("4"), &Known::new()).await.finding, Finding::Holds);
    // No ensemble: unknown, not bad.
    let seen = see(&world, quorum("127.0.0.1:1"), &known).await;
    assert_eq!((seen.finding, &seen.outputs["group"]), (Finding::Holds, &json!("unknown")), "{seen:?}");
    assert_eq!(see(&world, quorum("none"), &known).await.outputs["group"], json!("not_asked"));
    let nowhere = json!({ "log_group": { "connect": "127.0.0.1:1", "path": "/x", "at_most": "0" } });
    assert_eq!(see(&world, nowhere, &Known::new()).await.finding, Finding::Unknown);
}
