//! The client against scripted servers on loopback: recorded answers, and servers that misbehave.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests, beside the tests themselves")]

use crate::aurora_codec::data;
use firstlight::aurora::api::{Commit, Method, is_backup_name};
use firstlight::aurora::client::{Client, ClientError, ClientOptions, Credentials, LeaderHealth, Login, Sent};
use firstlight::aurora::secret::Secret;
use firstlight::aurora::tjson;
use firstlight::aurora::types::{ResponseCode, TaskQuery};
use firstlight::aurora::vars::Lifecycle;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How the server treats one connection after it has read the request.
enum Script {
    /// Sends these bytes and closes.
    Say(Vec<u8>),
    /// Says nothing until the client is gone.
    Silence,
    /// Closes with unread bytes, so that the client sees a reset, or at least no answer.
    Hangup,
    /// Sends these bytes over and over until the client is gone.
    Flood(Vec<u8>, Vec<u8>),
}

struct Server {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// One script for each connection, in order; then it stops listening.
    fn start(scripts: Vec<Script>) -> Self {
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
    fn requests(mut self) -> Vec<String> {
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

fn recording(name: &str) -> Vec<u8> {
    std::fs::read(data("http").join(format!("{name}.response"))).unwrap()
}

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
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

fn run<T>(future: impl Future<Output = T>) -> T {
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
