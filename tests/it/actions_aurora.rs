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
    fs::write(dir.path().join("scheduler.log.2.gz"), "").unwrap();
    fs::write(&log, format!("nothing\n{elected}half a line, Elected as leading")).unwrap();
    let seen = see(&world, json!({ "log_lines": { "file": log } }), &Known::new()).await;
    assert_eq!(seen.finding, Finding::Holds, "{seen:?}");
    assert_eq!(seen.outputs["counts"]["elected"], 2, "{seen:?}");
    assert!(seen.seen.contains("1 compressed"), "{}", seen.seen);
    let lines = |rest: Value| {
        let mut members = json!({ "file": log, "contains": "Elected as leading" });
        members.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "log_lines": members })
    };
    let cases = [
        (json!({}), Finding::Holds),
        (json!({ "at_least": 3 }), Finding::Holds),
        (json!({ "at_least": 4 }), Finding::Fails),
        (json!({ "at_most": 2 }), Finding::Fails),
        (json!({ "since": "2000-01-01T00:00:00Z", "at_least": 2 }), Finding::Holds),
        (json!({ "since": "2999-01-01T00:00:00Z", "at_most": 0 }), Finding::Holds),
        (json!({ "since": "yesterday" }), Finding::Unknown),
    ];
    for (rest, wanted) in cases {
        assert_eq!(see(&world, lines(rest.clone()), &Known::new()).await.finding, wanted, "{rest}");
    }
    let nowhere = json!({ "log_lines": { "file": "/no/such/log" } });
    assert_eq!(see(&world, nowhere, &Known::new()).await.finding, Finding::Unknown);
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
