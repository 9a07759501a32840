//! The client against scripted servers on loopback: recorded answers, and servers that misbehave.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests, beside the tests themselves")]

use crate::aurora_codec::{self, data};
use firstlight::aurora::api::{Commit, Method, is_backup_name};
use firstlight::aurora::client::{
    Client, ClientError, ClientOptions, Credentials, LeaderHealth, Login, Protocol, Sent,
};
use firstlight::aurora::secret::Secret;
use firstlight::aurora::types::{
    JobKey, JobUpdateQuery, JobUpdateStatus, MaintenanceMode, Response, ResponseCode, TaskQuery,
};
use firstlight::aurora::value::{Message, MessageKind, Struct};
use firstlight::aurora::vars::Lifecycle;
use firstlight::aurora::version::AuroraVersion;
use firstlight::aurora::{tbinary, tjson};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How the server treats one connection after it has read the request.
pub enum Script {
    /// Sends these bytes and closes.
    Say(Vec<u8>),
    /// Says nothing until the client is gone.
    Silence,
    /// Closes with unread bytes, so that the client sees a reset, or at least no answer.
    Hangup,
    /// Sends these bytes over and over until the client is gone.
    Flood(Vec<u8>, Vec<u8>),
}

pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// One script for each connection, in order; then it stops listening.
    pub fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            for script in scripts {
                let Ok((stream, _)) = listener.accept() else { return };
                serve(stream, script, &log);
            }
        });
        Self { url, seen, thread: Some(thread) }
    }

    fn recorded(names: &[&str]) -> Self {
        Self::start(names.iter().map(|name| Script::Say(recording(name))).collect())
    }

    fn client(&self) -> Client {
        Client::new(&self.url, quick()).unwrap()
    }

    /// Requests seen, after all scripts have run.
    pub fn requests(mut self) -> Vec<String> {
        self.thread.take().unwrap().join().unwrap();
        self.seen.lock().unwrap().clone()
    }
}

fn quick() -> ClientOptions {
    ClientOptions {
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_millis(300),
        total_timeout: Duration::from_secs(5),
        ..ClientOptions::default()
    }
}

pub fn recording(name: &str) -> Vec<u8> {
    std::fs::read(data("http").join(format!("{name}.response"))).unwrap()
}

pub fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn serve(mut stream: TcpStream, script: Script, log: &Mutex<Vec<String>>) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !whole(&request) {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => request.extend_from_slice(&piece[..count]),
        }
    }
    log.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    match script {
        Script::Say(bytes) => {
            let _ = stream.write_all(&bytes);
        }
        Script::Silence => {
            let _ = stream.read(&mut piece);
        }
        Script::Hangup => {}
        Script::Flood(head, body) => {
            let _ = stream.write_all(&head);
            while stream.write_all(&body).is_ok() {}
        }
    }
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}

pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn recorded_answers_are_understood() {
    let server = Server::recorded(&[
        "031-getRoleSummary.json",
        "010-getJobSummary-all.json",
        "021-getTasksWithoutConfigs-active.json",
        "040-listBackups.json",
        "050-performBackup.json",
        "094-queryRecovery-all.json",
    ]);
    let client = server.client();
    run(async {
        let roles = client.get_role_summary().await.unwrap();
        assert_eq!((roles.value.len(), roles.cluster_name.as_deref()), (3, Some("oracle")));
        assert_eq!(client.get_job_summary(None).await.unwrap().value.len(), 11);
        assert_eq!(client.get_tasks_without_configs(&TaskQuery::active()).await.unwrap().value.len(), 26);
        assert_eq!(client.list_backups().await.unwrap().value.len(), 17);
        client.perform_backup().await.unwrap();
        assert!(client.query_recovery(&TaskQuery::default()).await.unwrap().value.len() > 20);
    });
    let requests = server.requests();
    for request in &requests {
        let head = request.to_ascii_lowercase();
        for wanted in [
            "post /api http/1.1",
            "content-type: application/x-thrift",
            "accept: application/x-thrift",
            "bypass-leader-redirect: ",
        ] {
            assert!(head.contains(wanted), "{wanted} in {request}");
        }
    }
    let body = requests[3].split_once("\r\n\r\n").unwrap().1;
    assert_eq!(
        body,
        "[1,\"listBackups\",1,0,{\"1\":{\"rec\":{\"4\":{\"str\":\"UNAUTHENTICATED\"},\"5\":{\"str\":\"VU5BVVRIRU5USUNBVEVE\"}}}}]"
    );
    let message = tjson::decode_message(body.as_bytes()).unwrap();
    assert_eq!(Method::from_name(&message.name), Some(Method::ListBackups));
}

#[test]
fn errors_are_told_apart() {
    let html = http("503 Service Unavailable", "Content-Type: text/html\r\n", "<html>\u{1b}]0;x\u{7}busy</html>");
    let server = Server::start(vec![
        Script::Say(html),
        Script::Say(recording("110-nonleader-getJobSummary.json")),
        Script::Say(recording("401-basic-anon-listBackups.json")),
        Script::Say(recording("401-basic-noroles-listBackups.json")),
        Script::Say(recording("218-leader-POST-api-unknown-method.http")),
        Script::Say(http("200 OK", "", "<html>proxy</html>")),
        Script::Say(http("200 OK", "", "[1,\"other\",2,0,{\"0\":{\"rec\":{}}}]")),
        Script::Say(recording("080-stageRecovery-corrupt-00.json")),
        Script::Silence,
        Script::Hangup,
    ]);
    let client = server.client();
    run(async {
        let error = client.list_backups().await.unwrap_err();
        assert!(
            matches!(&error, ClientError::Status { status: 503, start, .. } if !start.contains('\u{1b}')),
            "{error:?}"
        );
        let error = client.get_job_summary(None).await.unwrap_err();
        assert!(
            matches!(&error, ClientError::Status { status: 307, location: Some(to), .. } if to == "http://127.0.0.1:18081/api"),
            "{error:?}"
        );
        let error = client.list_backups().await.unwrap_err();
        assert!(matches!(&error, ClientError::Status { status: 401, .. }), "{error:?}");
        let error = client.list_backups().await.unwrap_err();
        assert!(
            matches!(&error, ClientError::Api { code: ResponseCode::AuthFailed, text } if text.contains("lacks permission")),
            "{error:?}"
        );
        let error = client.list_backups().await.unwrap_err();
        assert!(matches!(&error, ClientError::Exception { code: 1, .. }), "{error:?}");
        let error = client.list_backups().await.unwrap_err();
        assert!(matches!(&error, ClientError::NotThrift { start, .. } if start == "<html>proxy</html>"), "{error:?}");
        assert_eq!(error.sent(), Sent::Yes);
        let error = client.list_backups().await.unwrap_err();
        assert!(matches!(&error, ClientError::NotThrift { .. }), "{error:?}");
        let error = client.stage_recovery("scheduler-backup-2026-11-01-00-00").await.unwrap_err();
        assert!(
            matches!(&error, ClientError::Api { code: ResponseCode::Error, text } if text.starts_with("Failed to decode backup")),
            "{error:?}"
        );
        let error = client.list_backups().await.unwrap_err();
        assert!(matches!(&error, ClientError::Timeout { .. }) && error.sent() == Sent::Maybe, "{error:?}");
        let error = client.list_backups().await.unwrap_err();
        assert!(matches!(&error, ClientError::Broken { .. }) && error.sent() == Sent::Maybe, "{error:?}");
    });
    let url = server.url.clone();
    assert_eq!(server.requests().len(), 10, "nothing is sent twice, no redirect is followed");
    let gone = Client::new(&url, quick()).unwrap();
    let error = run(gone.list_backups()).unwrap_err();
    assert!(matches!(&error, ClientError::Connect { .. }) && error.sent() == Sent::No, "{error:?}");
}

#[test]
fn a_body_is_limited_announced_or_not() {
    let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[1,\"".to_vec();
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_vec();
    let server = Server::start(vec![Script::Flood(head, vec![b'x'; 65_536]), Script::Say(announced)]);
    let client = Client::new(&server.url, ClientOptions { body_bytes_max: 1 << 20, ..quick() }).unwrap();
    for _ in 0..2 {
        let error = run(client.list_backups()).unwrap_err();
        assert!(matches!(error, ClientError::TooLarge { limit: 1_048_576, .. }), "{error:?}");
    }
}

#[test]
fn a_commit_has_three_outcomes() {
    let reply = |code: i32, text: &str| {
        http(
            "200 OK",
            "",
            &format!(
                "[1,\"commitRecovery\",2,0,{{\"0\":{{\"rec\":{{\"1\":{{\"i32\":{code}}},\"6\":{{\"lst\":[\"rec\",1,{{\"1\":{{\"str\":\"{text}\"}}}}]}}}}}}}}]"
            ),
        )
    };
    let ok = http(
        "200 OK",
        "",
        "[1,\"commitRecovery\",2,0,{\"0\":{\"rec\":{\"1\":{\"i32\":1},\"6\":{\"lst\":[\"rec\",0]}}}}]",
    );
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[1,\"commitRecovery\",2,0".to_vec();
    let (committed, not, unknown) = (0, 1, 2);
    let table = vec![
        (committed, Script::Say(ok)),
        (not, Script::Say(recording("062-commitRecovery-nothing-staged.json"))),
        (not, Script::Say(recording("410-basic-anon-commitRecovery.json"))),
        (not, Script::Say(recording("531-noleader-getJobSummary.json"))),
        (not, Script::Say(reply(6, "Storage is not READY"))),
        (not, Script::Say(reply(4, "Subject x lacks permission y"))),
        (not, Script::Say(http("307 Temporary Redirect", "Location: http://127.0.0.1:1/api\r\n", ""))),
        (unknown, Script::Say(reply(2, "Problem performing logappend"))),
        (unknown, Script::Say(reply(2, "Timeout performing log append"))),
        (unknown, Script::Say(http("503 Service Unavailable", "", "<html>proxy: backend lost</html>"))),
        (unknown, Script::Say(http("500 Server Error", "", ""))),
        (unknown, Script::Say(http("200 OK", "", "<html></html>"))),
        (unknown, Script::Say(cut)),
        (unknown, Script::Say(Vec::new())),
        (unknown, Script::Hangup),
        (unknown, Script::Silence),
    ];
    let (wanted, scripts): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    let count = scripts.len();
    let server = Server::start(scripts);
    let client = server.client();
    for (index, wanted) in wanted.into_iter().enumerate() {
        let found = run(client.commit_recovery());
        let kind = match &found {
            Commit::Committed => committed,
            Commit::NotCommitted { .. } => not,
            Commit::Unknown { .. } => unknown,
        };
        assert_eq!(kind, wanted, "row {index}: {found:?}");
    }
    assert_eq!(server.requests().len(), count, "a commit is never sent twice");
    assert!(matches!(run(client.commit_recovery()), Commit::NotCommitted { .. }), "nobody listens");
}

#[test]
fn what_would_destroy_is_refused_before_it_is_sent() {
    let server = Server::start(Vec::new());
    let client = server.client();
    run(async {
        for query in [TaskQuery::default(), TaskQuery::ids([]), TaskQuery { limit: Some(3), ..TaskQuery::default() }] {
            assert_eq!(client.delete_recovery_tasks(&query).await, Err(ClientError::EmptyDelete));
        }
        let half = TaskQuery { role: Some("r".to_owned()), ..TaskQuery::ids([]) };
        assert_eq!(client.delete_recovery_tasks(&half).await, Err(ClientError::EmptyDelete));
        for name in [
            "",
            "../x",
            "scheduler-backup-",
            "scheduler-backup-../../etc",
            "temp_scheduler-backup-2026-11-01-00-12",
            "scheduler-backup-a b",
        ] {
            assert!(matches!(client.stage_recovery(name).await, Err(ClientError::BadBackupName(_))), "{name}");
        }
    });
    assert!(server.requests().is_empty());
    assert!(is_backup_name("scheduler-backup-2026-11-22-16-04"));
    for url in ["h:8081", "https://u@h:1", "http://u:p@h:1", "ftp://h"] {
        assert!(matches!(Client::new(url, quick()), Err(ClientError::BadUrl { .. })), "{url}");
    }
}

#[test]
fn credentials_are_sent_and_not_shown() {
    let server = Server::recorded(&["401-basic-root-listBackups.json"]);
    let options = ClientOptions {
        credentials: Credentials::Basic(Login { user: "root".to_owned(), password: Secret::new("hunter2".to_owned()) }),
        legacy_session: false,
        ..quick()
    };
    let client = Client::new(&server.url, options).unwrap();
    assert!(!format!("{client:?}").contains("hunter2"));
    run(client.list_backups()).unwrap();
    let requests = server.requests();
    assert!(
        requests[0].to_ascii_lowercase().contains("authorization: basic cm9vddpodw50zxiy")
            || requests[0].contains("cm9vdDpodW50ZXIy")
    );
    assert!(requests[0].ends_with("[1,\"listBackups\",1,0,{}]"));
}

#[test]
fn pages_are_read() {
    let server = Server::recorded(&["200-leader-GET-vars.json.http"]);
    let client = server.client();
    let vars = run(client.vars()).unwrap();
    assert_eq!(vars.lifecycle(), Ok(Lifecycle::Active));
    drop(server);

    let server = Server::start(vec![
        Script::Say(http("404 Not Found", "", "")),
        Script::Say(recording("530-noleader-GET-vars.http")),
        Script::Say(recording("200-leader-GET-health.http")),
        Script::Say(recording("200-leader-GET-leaderhealth.http")),
        Script::Say(recording("200-standby-GET-leaderhealth.http")),
        Script::Say(recording("530-noleader-GET-leaderhealth.http")),
        Script::Say(http("404 Not Found", "", "")),
    ]);
    let client = server.client();
    run(async {
        assert_eq!(client.vars().await.unwrap().lifecycle(), Ok(Lifecycle::LeaderAwaitingRegistration));
        assert!(client.health().await.unwrap());
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(client.leader_health().await.unwrap());
        }
        assert_eq!(seen, [LeaderHealth::Leads, LeaderHealth::Follows, LeaderHealth::NoLeader, LeaderHealth::NotThere]);
    });
}

#[test]
fn the_other_calls_have_typed_answers_in_both_forms() {
    for (form, protocol) in [("json", Protocol::Json), ("bin", Protocol::Binary)] {
        let names = [
            "030-getTasksStatus-jobkey",
            "032-getQuota",
            "033-getJobs-all",
            "034-getJobUpdateSummaries",
            "035-getTierConfigs",
            "036-maintenanceStatus",
        ];
        let scripts = names.iter().map(|name| Script::Say(recording(&format!("{name}.{form}"))));
        let server = Server::start(scripts.collect());
        let client = Client::new(&server.url, ClientOptions { protocol, ..quick() }).unwrap();
        run(async {
            let job = JobKey::new("www-data", "prod", "hello");
            let query = TaskQuery { job_keys: Some(vec![job].into()), ..TaskQuery::active() };
            let tasks = client.get_tasks_status(&query).await.unwrap();
            assert_eq!((tasks.value.len(), tasks.cluster_name.as_deref()), (6, Some("oracle")));
            let config = tasks.value[0].assigned_task.task.as_ref().unwrap();
            assert!(config.executor_config.is_some());
            let quota = client.get_quota("www-data").await.unwrap().value;
            assert!(quota.other.is_empty() && quota.prod_shared_consumption.is_some());
            let ram = |one: &firstlight::aurora::types::ResourceAggregate| {
                one.resources.as_ref().unwrap().iter().find_map(|resource| resource.ram_mb)
            };
            assert_eq!(ram(&quota.quota.unwrap()), Some(1_048_576));
            assert_eq!(client.get_jobs(None).await.unwrap().value.len(), 11);
            let updates = client.get_job_update_summaries(&JobUpdateQuery::default()).await.unwrap().value;
            let status = |at: usize| updates[at].state.as_ref().unwrap().status.unwrap();
            assert_eq!(updates.len(), 3);
            assert_eq!(
                (status(1), status(2)),
                (JobUpdateStatus::RollForwardPaused, JobUpdateStatus::RollForwardAwaitingPulse)
            );
            let tiers = client.get_tier_configs().await.unwrap().value;
            assert_eq!((tiers.default_tier_name.as_deref(), tiers.tiers.unwrap().len()), (Some("preemptible"), 3));
            let mut hosts = client.maintenance_status(&["slave-3-hostname", "slave-4-hostname"]).await.unwrap().value;
            hosts.sort_by(|one, other| one.host.cmp(&other.host));
            assert_eq!(hosts[0].mode, Some(MaintenanceMode::Scheduled));
            assert_eq!(hosts[1].mode, Some(MaintenanceMode::Draining));
        });
        let wanted = if form == "bin" { "application/vnd.apache.thrift.binary" } else { "application/x-thrift" };
        for request in server.requests() {
            let head = request.to_ascii_lowercase();
            assert!(head.contains(&format!("content-type: {wanted}")) && head.contains(&format!("accept: {wanted}")));
        }
    }
}

#[test]
fn calls_without_a_recording_are_sent_in_their_form_and_read() {
    let reply = |name: &str, result: &str| {
        let body = format!("[1,\"{name}\",2,0,{{\"0\":{{\"rec\":{{\"1\":{{\"i32\":1}}{result}}}}}}}]");
        Script::Say(http("200 OK", "", &body))
    };
    let reasons = ",\"3\":{\"rec\":{\"21\":{\"rec\":{\"1\":{\"set\":[\"rec\",1,{\"1\":{\"str\":\"t\"},\"2\":{\"str\":\"ram\"}}]}}}}}";
    let summary = ",\"3\":{\"rec\":{\"20\":{\"rec\":{\"1\":{\"rec\":{\"1\":{\"rec\":{\"1\":{\"str\":\"r\"}}},\"2\":{\"set\":[\"rec\",1,{\"3\":{\"set\":[\"rec\",1,{\"1\":{\"i32\":0},\"2\":{\"i32\":4}}]}}]}}}}}}}";
    let server = Server::start(vec![
        reply("getPendingReason", reasons),
        reply("getConfigSummary", summary),
        reply("triggerExplicitTaskReconciliation", ""),
        reply("triggerImplicitTaskReconciliation", ""),
    ]);
    let client = server.client();
    run(async {
        let reasons = client.get_pending_reason(&TaskQuery::default()).await.unwrap().value;
        assert_eq!((reasons[0].task_id.as_str(), reasons[0].reason.as_deref()), ("t", Some("ram")));
        let summary = client.get_config_summary(&JobKey::new("r", "e", "j")).await.unwrap().value;
        let group = &summary.groups.unwrap().0[0];
        assert_eq!(group.instances.as_ref().unwrap()[0].last, 4);
        client.trigger_explicit_reconciliation(Some(50)).await.unwrap();
        client.trigger_implicit_reconciliation().await.unwrap();
    });
    let requests = server.requests();
    let body = |at: usize| requests[at].split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(2), "[1,\"triggerExplicitTaskReconciliation\",1,0,{\"1\":{\"rec\":{\"1\":{\"i32\":50}}}}]");
    assert_eq!(body(3), "[1,\"triggerImplicitTaskReconciliation\",1,0,{}]");
}

#[test]
fn the_release_decides_what_is_sent_and_offered() {
    let of = |text: &str| AuroraVersion::parse(text).unwrap();
    let server = Server::start(vec![]);
    let client = |version: AuroraVersion| Client::new(&server.url, ClientOptions { version, ..quick() }).unwrap();
    run(async {
        for old in ["0.5.0", "0.15.0"] {
            let error = client(of(old)).trigger_implicit_reconciliation().await.unwrap_err();
            assert!(matches!(&error, ClientError::NotOffered { .. }) && error.sent() == Sent::No, "{error}");
        }
        assert!(matches!(client(of("0.13.0")).get_tier_configs().await, Err(ClientError::NotOffered { .. })));
        let query = JobUpdateQuery::active();
        assert!(matches!(
            client(of("0.5.0")).get_job_update_summaries(&query).await,
            Err(ClientError::NotOffered { .. })
        ));
        // A term that no release from 0.5 on reads would leave an empty query, and a blank one may.
        let gone = TaskQuery { slave_host: Some("h".to_owned()), ..TaskQuery::default() };
        let blank = TaskQuery { role: Some(" ".to_owned()), ..TaskQuery::ids(["t"]) };
        for query in [gone, blank] {
            let refused = client(AuroraVersion::Unknown).delete_recovery_tasks(&query).await;
            assert!(matches!(refused, Err(ClientError::EmptyDelete)), "{refused:?}");
        }
    });
    assert!(server.requests().is_empty());

    let sent = |version: AuroraVersion| {
        let server = Server::recorded(&["096-deleteRecoveryTasks-by-taskid.json"]);
        let client = Client::new(&server.url, ClientOptions { version, ..quick() }).unwrap();
        let by_role = TaskQuery { role: Some("www".to_owned()), ..TaskQuery::default() };
        run(client.delete_recovery_tasks(&by_role)).unwrap();
        server.requests()[0].split_once("\r\n\r\n").unwrap().1.to_owned()
    };
    let session = ",\"2\":{\"rec\":{\"4\":";
    let (owner, role) = ("\"8\":{\"rec\":{\"1\":{\"str\":\"www\"", "\"14\":{\"str\":\"www\"}");
    for (version, wants) in [
        (of("0.5.0"), [true, true, false]),
        (of("0.6.0"), [true, false, true]),
        (of("0.10.0"), [true, false, true]),
        (of("0.11.0"), [false, false, true]),
        (of("0.22.0"), [false, false, true]),
        (AuroraVersion::Unknown, [true, true, true]),
    ] {
        let body = sent(version.clone());
        assert_eq!([session, owner, role].map(|part| body.contains(part)), wants, "{version}: {body}");
    }
}

#[test]
fn the_release_is_found_out() {
    let server = Server::recorded(&["200-leader-GET-vars.json.http", "031-getRoleSummary.bin"]);
    let url = server.url.clone();
    run(async {
        let client = Client::new(&url, quick()).unwrap().discover().await.unwrap();
        assert_eq!(client.version().to_string(), "0.23.0-SNAPSHOT");
        assert_eq!(client.get_role_summary().await.unwrap().value.len(), 3);
    });
    assert!(server.requests()[1].contains("application/vnd.apache.thrift.binary"));
}

#[test]
fn kerberos_is_said_with_the_way_around_it() {
    let kerberos = || http("401 Unauthorized", "WWW-Authenticate: Negotiate\r\n", "");
    let both = http("401 Unauthorized", "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: BASIC realm=\"x\"\r\n", "");
    let server = Server::start(vec![Script::Say(kerberos()), Script::Say(kerberos()), Script::Say(both)]);
    let client = server.client();
    run(async {
        let error = client.list_backups().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Negotiate { .. }) && error.to_string().contains("via: aurora_admin"),
            "{error}"
        );
        assert!(matches!(client.commit_recovery().await, Commit::NotCommitted { .. }));
        let error = client.list_backups().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Status { status: 401, .. }) && error.to_string().contains(".netrc"),
            "{error}"
        );
    });
    server.requests();
}

/// The call that a recorded request makes; none for methods that are not here, and for what is refused before it is sent.
async fn again(client: &Client, message: &Message) -> Option<Result<(), ClientError>> {
    let query = firstlight::aurora::api::query_of(&message.body);
    let text = message.body.str(1).map(str::to_owned);
    Some(match Method::from_name(&message.name)? {
        Method::StageRecovery => client.stage_recovery(text.as_deref().unwrap_or_default()).await.map(drop),
        Method::QueryRecovery => client.query_recovery(&query).await.map(drop),
        Method::DeleteRecoveryTasks => client.delete_recovery_tasks(&query).await.map(drop),
        Method::UnloadRecovery => client.unload_recovery().await.map(drop),
        Method::ListBackups => client.list_backups().await.map(drop),
        Method::PerformBackup => client.perform_backup().await.map(drop),
        Method::Snapshot => client.snapshot().await.map(drop),
        Method::GetRoleSummary => client.get_role_summary().await.map(drop),
        Method::GetJobSummary => client.get_job_summary(text.as_deref()).await.map(drop),
        Method::GetTasksWithoutConfigs => client.get_tasks_without_configs(&query).await.map(drop),
        Method::GetTasksStatus => client.get_tasks_status(&query).await.map(drop),
        Method::GetJobs => client.get_jobs(text.as_deref()).await.map(drop),
        Method::GetQuota => client.get_quota(text.as_deref().unwrap_or_default()).await.map(drop),
        Method::GetJobUpdateSummaries => client.get_job_update_summaries(&JobUpdateQuery::default()).await.map(drop),
        Method::GetTierConfigs => client.get_tier_configs().await.map(drop),
        Method::MaintenanceStatus => client.maintenance_status(&["h"]).await.map(drop),
        _ => return None,
    })
}

#[test]
fn every_recorded_exchange_comes_out_as_it_went() {
    let mut counts = std::collections::BTreeMap::new();
    let mut names: Vec<_> = std::fs::read_dir(data("http")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".request") else { continue };
        let form = stem.rsplit('.').next().unwrap();
        let protocol = if form == "bin" { Protocol::Binary } else { Protocol::Json };
        let (head, body) = aurora_codec::http(&std::fs::read(&path).unwrap());
        let response_path = path.with_file_name(format!("{stem}.response"));
        if !["bin", "json"].contains(&form) || !head.starts_with("POST /api ") || !response_path.exists() {
            continue;
        }
        let decode = |body: &[u8]| {
            if form == "bin" { tbinary::decode_message(body).ok() } else { tjson::decode_message(body).ok() }
        };
        let Some(message) = decode(&body) else { continue };
        let bytes = std::fs::read(&response_path).unwrap();
        let (head, body) = aurora_codec::http(&bytes);
        let Some(status) = head.split_whitespace().nth(1).and_then(|word| word.parse::<u16>().ok()) else { continue };
        let server = Server::start(vec![Script::Say(bytes)]);
        let client = Client::new(&server.url, ClientOptions { protocol, ..quick() }).unwrap();
        let Some(result) = run(again(&client, &message)) else { continue };
        if matches!(result, Err(ClientError::EmptyDelete | ClientError::BadBackupName(_))) {
            *counts.entry("refused here").or_insert(0) += 1;
            continue;
        }
        let reply = decode(&body).filter(|reply| reply.kind == MessageKind::Reply);
        let response = reply.map(|reply| Response::from_struct(reply.body.rec(0).cloned().unwrap_or_else(Struct::new)));
        let kind = match (status, response, &result) {
            (200, Some(response), Ok(())) => {
                assert_eq!(response.code, ResponseCode::Ok, "{stem}");
                "ok"
            }
            (200, Some(response), Err(ClientError::Api { code, text })) => {
                assert_eq!((response.code, response.text()), (*code, text.clone()), "{stem}");
                "refused there"
            }
            (other, None, Err(ClientError::Status { status, .. })) if other == *status => "status",
            other => panic!("{stem}: {other:?}"),
        };
        *counts.entry(kind).or_insert(0) += 1;
    }
    assert!(
        counts["ok"] > 60 && counts["refused there"] > 30 && counts["status"] > 10 && counts["refused here"] > 3,
        "{counts:?}"
    );
}
