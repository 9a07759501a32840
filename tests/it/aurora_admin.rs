//! What the real `aurora_admin` printed, and the client that goes through it.

use crate::aurora_client::{Script, Server, recording, run};
use crate::aurora_codec::data;
use firstlight::actions::tool;
use firstlight::aurora::admin::{AdminCall, AdminError, AdminRan, CLUSTER, clusters_json, commit_outcome, read};
use firstlight::aurora::api::Commit;
use firstlight::aurora::client::{Client, ClientError, ClientOptions, Sent};
use firstlight::aurora::clusters::{Way, parse};
use firstlight::aurora::types::{ResponseCode, ScheduleStatus, TaskQuery};
use firstlight::hosts::Hosts;
use firstlight::inventory::Inventory;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

/// Command line, output and exit code of a recording.
fn recorded(name: &str) -> (String, AdminRan) {
    let text = std::fs::read_to_string(data("aurora_admin").join(format!("{name}.txt"))).unwrap();
    // One recording lacks its command line.
    let (first, rest) = if text.starts_with('$') { text.split_once('\n').unwrap() } else { ("", text.as_str()) };
    let (out, code) = match rest.rsplit_once("[exit ") {
        Some((out, code)) => (out, code.trim().trim_end_matches(']').parse().ok()),
        None => (rest, Some(1)),
    };
    (first.to_owned(), AdminRan { code, out: out.to_owned(), err: String::new() })
}

fn call_of(line: &str) -> Option<AdminCall> {
    let words: Vec<&str> = line.split_whitespace().filter(|word| !word.starts_with("--")).collect();
    let at = words.iter().position(|word| word.starts_with("scheduler_"))?;
    let arg = || words.get(at + 2).map(|word| (*word).to_owned()).unwrap_or_default();
    Some(match words[at] {
        "scheduler_list_backups" => AdminCall::ListBackups,
        "scheduler_stage_recovery" => AdminCall::Stage(arg()),
        "scheduler_print_recovery_tasks" => AdminCall::PrintTasks,
        "scheduler_delete_recovery_tasks" => AdminCall::DeleteTasks(arg().split(',').map(str::to_owned).collect()),
        "scheduler_commit_recovery" => AdminCall::Commit,
        "scheduler_unload_recovery" => AdminCall::Unload,
        "scheduler_backup_now" => AdminCall::BackupNow,
        "scheduler_snapshot" => AdminCall::Snapshot,
        other => panic!("{other}"),
    })
}

#[test]
fn every_recorded_command_is_understood() {
    let mut counts = (0, 0, 0);
    for entry in std::fs::read_dir(data("aurora_admin")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "txt") {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (line, ran) = recorded(&name);
        let Some(call) = call_of(&line) else { continue };
        let words: Vec<&str> = line.split_whitespace().skip_while(|word| *word != "aurora_admin").collect();
        let own: Vec<String> = call.argv(&[], line.contains("--bypass"));
        let theirs: Vec<&str> =
            words.iter().map(|word| if ["proxy", "uri"].contains(word) { CLUSTER } else { word }).collect();
        assert_eq!(own, theirs, "{name}");
        match read(&call, &ran) {
            Ok(reply) if reply.response.code == ResponseCode::Ok => counts.0 += 1,
            Ok(reply) => {
                assert_eq!((reply.response.code, ran.code), (ResponseCode::Error, Some(1)), "{name}");
                assert!(!reply.response.text().is_empty(), "{name}");
                counts.1 += 1;
            }
            Err(_) => counts.2 += 1,
        }
    }
    assert_eq!(counts, (16, 5, 4));
}

#[test]
fn what_is_printed_is_read_whole() {
    let reply = |name: &str| {
        let (line, ran) = recorded(name);
        read(&call_of(&line).unwrap(), &ran)
    };
    let names = reply("02-list_backups").unwrap().names;
    assert_eq!((names.len(), names[0].as_str()), (18, "not-a-backup.txt"));
    let tasks = reply("08-print_recovery_tasks").unwrap().tasks;
    let after = reply("10-print_recovery_tasks").unwrap().tasks;
    assert_eq!(tasks.len(), after.len() + 2);
    assert!(tasks.iter().all(|task| task.status.is_active() && task.job_key().is_some()));
    let staging = tasks.iter().find(|task| task.id().starts_with("www-data-staging0-hello-1-")).unwrap();
    assert_eq!(staging.job_key().unwrap().to_string(), "www-data/staging0/hello");
    assert_eq!((staging.assigned_task.instance_id, staging.status), (1, ScheduleStatus::Running));
    assert_eq!(
        reply("04-stage_missing").unwrap().response.text(),
        "Backup /var/lib/aurora/01/run/backups/nope does not exist."
    );
    assert!(matches!(reply("05b-stage_huge_length"), Err(AdminError::Status { status: 500, .. })));
    assert!(
        matches!(reply("22-nobody-listens"), Err(AdminError::NotReached(text)) if text.contains("Connection refused"))
    );
    assert!(matches!(reply("40-basic-no-credentials"), Err(AdminError::NotAllowed(text)) if text.contains("401")));
    assert!(matches!(reply("50-dr-list-no-bypass"), Err(AdminError::Status { status: 503, .. })));
    // One name less than is said: something was lost on the way.
    let (_, ran) = recorded("02-list_backups");
    let cut = AdminRan { out: ran.out.replace("not-a-backup.txt\n", ""), ..ran };
    assert!(matches!(read(&AdminCall::ListBackups, &cut), Err(AdminError::NoResult(_))));
}

#[test]
fn a_commit_by_command_has_the_same_three_outcomes() {
    let outcome = |ran: &AdminRan| commit_outcome(&read(&AdminCall::Commit, ran));
    assert_eq!(outcome(&recorded("55-dr-commit").1), Commit::Committed);
    assert!(
        matches!(outcome(&recorded("15-commit_nothing_staged").1), Commit::NotCommitted { text } if text == "No backup loaded.")
    );
    for refused in ["22-nobody-listens", "40-basic-no-credentials", "30-get_scheduler-no-leader"] {
        assert!(matches!(outcome(&recorded(refused).1), Commit::NotCommitted { .. }), "{refused}");
    }
    for unknown in ["05b-stage_huge_length", "50-dr-list-no-bypass"] {
        assert!(matches!(outcome(&recorded(unknown).1), Commit::Unknown { .. }), "{unknown}");
    }
    let ok = " INFO] Response from scheduler: OK (message: )\n";
    for (code, out, committed) in [(None, ok, false), (Some(1), ok, false), (Some(0), "", false), (Some(0), ok, true)] {
        let found = outcome(&AdminRan { code, out: out.to_owned(), err: String::new() });
        assert_eq!(found == Commit::Committed, committed, "{code:?} {out:?}");
        assert!(committed || matches!(found, Commit::Unknown { .. }), "{found:?}");
    }
    let told = AdminRan { code: Some(127), out: "sh: aurora_admin: not found".to_owned(), err: String::new() };
    assert!(matches!(outcome(&told), Commit::NotCommitted { .. }));
}

/// A program that prints a recording and notes how it was called.
fn stub(dir: &Path, recording: &str, code: i32) -> String {
    let text = recorded(recording).1.out;
    std::fs::write(dir.join("says"), text).unwrap();
    let path = dir.join("aurora_admin");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {dir}/called\ncat \"$AURORA_CONFIG_ROOT/clusters.json\" > {dir}/clusters\ncat {dir}/says >&2\nexit {code}\n",
        dir = dir.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn client(server: &Server, program: &str) -> Client {
    let hosts = Hosts::new(&Inventory::default(), Some(Path::new(env!("CARGO_BIN_EXE_firstlight"))));
    let command = tool(vec![program.to_owned()], Some("KERBEROS".to_owned()), &hosts).unwrap();
    let options =
        ClientOptions { command: Some(command), total_timeout: Duration::from_secs(20), ..ClientOptions::default() };
    Client::new(&format!("{}/api", server.url), options).unwrap()
}

#[test]
fn administrators_calls_go_through_the_command_and_reads_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let program = stub(dir.path(), "08-print_recovery_tasks", 0);
    let server = Server::start(vec![
        Script::Say(recording("200-leader-GET-vars.json.http")),
        Script::Say(recording("031-getRoleSummary.json")),
    ]);
    let client = client(&server, &program);
    run(async {
        let query = TaskQuery { environment: Some("staging0".to_owned()), ..TaskQuery::default() };
        let staged = client.query_recovery(&query).await.unwrap();
        assert_eq!((staged.value.len(), staged.cluster_name.as_deref()), (2, Some("oracle")));
        assert_eq!(client.get_role_summary().await.unwrap().value.len(), 3);
        let by_role = TaskQuery { role: Some("ads".to_owned()), ..TaskQuery::default() };
        let refused = client.delete_recovery_tasks(&by_role).await.unwrap_err();
        assert!(refused.sent() == Sent::No && refused.to_string().contains("by their ids only"), "{refused}");
        assert!(matches!(
            client.trigger_implicit_reconciliation().await,
            Err(ClientError::Command { sent: Sent::No, .. })
        ));
    });
    let called = std::fs::read_to_string(dir.path().join("called")).unwrap();
    assert_eq!(called.trim(), format!("scheduler_print_recovery_tasks --bypass-leader-redirect {CLUSTER}"));
    let clusters = std::fs::read(dir.path().join("clusters")).unwrap();
    assert_eq!(clusters, clusters_json(&server.url, Some("KERBEROS")).into_bytes());
    let entry = parse(&clusters).unwrap().clusters.remove(CLUSTER).unwrap();
    assert_eq!(entry.way(), Way::Direct(&server.url));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_commit_is_given_to_the_command_once_whatever_it_says() {
    for (recording_name, code, committed) in
        [("55-dr-commit", 0, true), ("15-commit_nothing_staged", 1, false), ("50-dr-list-no-bypass", 1, false)]
    {
        let dir = tempfile::tempdir().unwrap();
        let program = stub(dir.path(), recording_name, code);
        let server = Server::start(vec![Script::Say(recording("200-leader-GET-vars.json.http"))]);
        let outcome = run(client(&server, &program).commit_recovery());
        assert_eq!(outcome == Commit::Committed, committed, "{outcome:?}");
        assert_eq!(std::fs::read_to_string(dir.path().join("called")).unwrap().lines().count(), 1);
    }
    let server = Server::start(vec![Script::Say(recording("200-leader-GET-vars.json.http"))]);
    let outcome = run(client(&server, "/no/such/aurora_admin").commit_recovery());
    assert!(matches!(outcome, Commit::NotCommitted { .. }), "{outcome:?}");
}
