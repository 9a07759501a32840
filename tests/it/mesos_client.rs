//! Fetching the master's state, from masters and from what is none.

use crate::aurora_client::{Script, Server, http, run};
use firstlight::mesos::client::{MasterError, MasterOptions, fetch_state};
use std::time::Duration;

const STATE: &str = r#"{"version":"1.4.0","id":"m-1","pid":"master@10.0.0.1:5050","leader":"master@10.0.0.1:5050",
    "frameworks":[{"id":"f-1","name":"Aurora","active":true,"connected":true,"tasks":[
    {"id":"t-1","name":"www/prod/hello","framework_id":"f-1","slave_id":"s-1","state":"TASK_RUNNING","resources":{"cpus":1,"mem":2,"disk":3}}]}],
    "completed_frameworks":[],"slaves":[{"id":"s-1","hostname":"host-1"}]}"#;

fn quick() -> MasterOptions {
    MasterOptions {
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_millis(400),
        total_timeout: Duration::from_secs(8),
        bytes_max: 1 << 20,
        ..MasterOptions::default()
    }
}

fn sent_to(location: &str) -> Script {
    Script::Say(http("307 Temporary Redirect", &format!("Location: {location}\r\n"), ""))
}

fn state() -> Script {
    Script::Say(http("200 OK", "Content-Type: application/json\r\n", STATE))
}

#[test]
fn the_leading_master_is_followed_to_and_said() {
    let leader = Server::start(vec![state()]);
    let at = leader.url.trim_start_matches("http:").to_owned();
    let follower = Server::start(vec![sent_to(&format!("{at}/state"))]);
    let fetched = run(fetch_state(&follower.url, &quick())).unwrap();
    assert_eq!(fetched.state.aurora().count(), 1);
    assert_eq!(fetched.sent_on_by, [format!("{}/state", follower.url)]);
    assert_eq!(fetched.url, format!("{}/state", leader.url));
    assert!(fetched.by().contains("sent there by"));
    assert_eq!(fetched.bytes, STATE.len() as u64);
    let request = leader.requests().remove(0);
    assert!(request.starts_with("GET /state ") && !request.to_ascii_lowercase().contains("authorization"), "{request}");
}

#[test]
fn an_old_master_has_another_page() {
    let server = Server::start(vec![Script::Say(http("404 Not Found", "", "")), state()]);
    let fetched = run(fetch_state(&server.url, &quick())).unwrap();
    assert!(fetched.url.ends_with("/master/state.json") && fetched.sent_on_by.is_empty());
}

#[test]
fn nothing_but_a_master_is_followed_or_believed() {
    let refused = |scripts: Vec<Script>| {
        let server = Server::start(scripts);
        run(fetch_state(&server.url, &quick())).unwrap_err()
    };
    for elsewhere in [
        "http://127.0.0.1:1/login",
        "https://127.0.0.1:1/state",
        "http://u:p@127.0.0.1:1/state",
        "/state?x=1",
        "",
        "/state",
    ] {
        let error = refused(vec![sent_to(elsewhere)]);
        assert!(matches!(error, MasterError::SentElsewhere { .. }), "{elsewhere}: {error}");
    }
    let error = refused(vec![sent_to("/master/state"), sent_to("/state"), sent_to("/master/state")]);
    assert!(error.to_string().contains("one redirect too many"), "{error}");
    for body in ["<html>proxy</html>", "{}", "[]", "{\"frameworks\":[]}", "", "{\"version\":\"1.4.0\",\"frameworks\":["]
    {
        let error = refused(vec![Script::Say(http("200 OK", "", body))]);
        assert!(matches!(error, MasterError::NotAState { .. }), "{body}: {error}");
    }
    let error = refused(vec![Script::Say(http("503 Service Unavailable", "", "x"))]);
    assert!(matches!(error, MasterError::Status { status: 503, .. }), "{error}");
    let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"frameworks\":[".to_vec();
    let error = refused(vec![Script::Flood(head, b" ".repeat(8000))]);
    assert!(matches!(error, MasterError::TooLarge { .. }), "{error}");
    let error = refused(vec![Script::Silence]);
    assert!(matches!(error, MasterError::NoAnswer { .. }), "{error}");
    let cut = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", STATE.len(), &STATE[..STATE.len() - 9]);
    let error = refused(vec![Script::Say(cut.into_bytes())]);
    assert!(matches!(error, MasterError::NoAnswer { .. }), "{error}");
    assert!(matches!(run(fetch_state("ftp://x", &quick())), Err(MasterError::BadUrl { .. })));
}
