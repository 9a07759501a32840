//! What a restore would do: the table of fates one by one, small worlds against a naive model, recorded backups against masters
//! of several releases, exports, and states of masters that lie.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use std::collections::{BTreeMap, BTreeSet};

use firstlight::{
    aurora::{
        brief::TaskBrief,
        snapshot,
        types::{MaintenanceMode, ResourceAggregate, ScheduleStatus as S, Snapshot},
    },
    impact::{
        self, BackupSide, Change, CsvOf, Fate, FrameworkFate, Impact, Instances, LiveSide, Master, Prediction,
        SchedulerSide, TaskTable, Truth, Verdict, VersionFit,
        outcome::{self, FrameworkSeen},
    },
    mesos::state::{MasterState, Standing, StateError, TaskState},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::aurora_codec::data;

const FRAMEWORK: &str = "5a4ba2f2-9c1e-4b0e-8f65-d5c41c23bd4e-0000";
const RELEASES: [&str; 6] = ["0.18.0", "0.22.0", "0.28.2", "1.1.0", "1.2.0", "1.6.1"];

fn backup(name: &str) -> Vec<u8> {
    std::fs::read(data("backups").join(name)).unwrap()
}

/// 37 tasks of 9 jobs, with cron jobs, quotas, updates, hosts.
fn populated() -> BackupSide {
    BackupSide::from_bytes(&backup("scheduler-backup-2026-11-22-16-04")).unwrap()
}

/// A task of a master: id, name, state, agent.
type Row<'a> = (&'a str, &'a str, &'a str, &'a str);

fn task_json(release: &str, (id, name, state, agent): Row<'_>) -> Value {
    let mut task = json!({
        "executor_id": format!("thermos-{id}"), "framework_id": FRAMEWORK, "id": id, "name": name,
        "resources": { "cpus": 0.5, "disk": 64, "mem": 128.0, "ports": "[31000-31000]" },
        "slave_id": agent, "state": state,
    });
    if release != "0.18.0" {
        task["statuses"] = json!([
            { "state": "TASK_STARTING", "timestamp": 1_795_363_400.25 },
            { "state": state, "timestamp": 1_795_363_410.5, "container_status": { "network_infos": [] } },
        ]);
        task["labels"] = json!([{ "key": "org.apache.aurora.tier", "value": "preferred" }]);
    }
    task
}

/// The framework as a release writes it.
fn framework_json(release: &str, id: &str, name: &str, active: bool, tasks: &[Row<'_>]) -> Value {
    let (unreachable, listed): (Vec<Row<'_>>, Vec<Row<'_>>) =
        tasks.iter().partition(|(_, _, state, _)| *state == "TASK_UNREACHABLE");
    let all = |rows: &[Row<'_>]| rows.iter().map(|row| task_json(release, *row)).collect::<Vec<_>>();
    let mut framework = json!({
        "active": active, "checkpoint": true, "completed_tasks": [task_json(release, ("old", "a/b/c", "TASK_KILLED", "s"))],
        "failover_timeout": 1_814_400.0, "hostname": "aurora-1.example.com", "id": id, "name": name,
        "offers": [], "registered_time": 1_795_000_000.123_4, "resources": { "cpus": 3, "ports": "[31000-31000]" },
        "tasks": all(&listed), "unregistered_time": if active { 0.0 } else { 1_795_363_500.0 },
        "user": "aurora", "webui_url": "http://aurora-1.example.com:8081",
    });
    let minor = |n: usize| release.split('.').nth(n).unwrap().parse::<u32>().unwrap();
    if minor(0) >= 1 {
        framework["connected"] = json!(active);
        framework["capabilities"] = json!(["PARTITION_AWARE"]);
    }
    if (minor(0), minor(1)) >= (1, 2) {
        framework["recovered"] = json!(false);
        framework["unreachable_tasks"] = json!(all(&unreachable));
    }
    framework
}

/// What the leading master of this release answers.
fn state_json(release: &str, frameworks: Vec<Value>) -> Value {
    let at = "master@10.0.0.1:5050";
    let mut state = json!({
        "activated_slaves": 2, "build_date": "2016-01-01", "cluster": "west", "completed_frameworks": [],
        "deactivated_slaves": 0, "elected_time": 1_795_000_000.5, "flags": { "quorum": "2" }, "frameworks": frameworks,
        "hostname": "m1", "id": "20160101-000000-16777343-5050-1", "leader": at, "pid": at,
        "slaves": [
            { "id": "agent-0", "hostname": "host-0.example.com", "resources": { "cpus": 8 }, "attributes": {} },
            { "id": "agent-1", "hostname": "host-1.example.com", "resources": { "cpus": 8 }, "attributes": {} },
        ],
        "start_time": 1_795_000_000.0, "version": release,
    });
    if release.starts_with("0.2") || release.starts_with("1.") {
        state["orphan_tasks"] = json!([]);
        state["unregistered_frameworks"] = json!([]);
    }
    if release.starts_with("1.") {
        state["recovered_slaves"] = json!([]);
        state["leader_info"] = json!({ "hostname": "m1", "id": "x", "pid": at, "port": 5050 });
    }
    state
}

fn parsed(state: &Value) -> MasterState {
    let text = state.to_string();
    let by_slice = MasterState::from_slice(text.as_bytes()).unwrap();
    assert_eq!(MasterState::from_reader(text.as_bytes()).unwrap(), by_slice, "a stream reads as a whole");
    by_slice
}

fn live(release: &str, tasks: &[Row<'_>]) -> LiveSide {
    LiveSide::of_master(parsed(&state_json(release, vec![framework_json(release, FRAMEWORK, "Aurora", false, tasks)])))
}

/// A backup of these tasks: id, job, instance, state.
fn side(tasks: &[(&str, &str, i32, S)]) -> BackupSide {
    let mut side = BackupSide {
        timestamp_ms: Some(1_795_363_493_636),
        framework_id: Some(FRAMEWORK.to_owned()),
        build_version: Some("0.22.0".to_owned()),
        ..BackupSide::default()
    };
    for (id, job, instance, status) in tasks {
        side.add(&brief(id, job, *instance, *status));
    }
    side
}

fn brief<'a>(id: &'a str, job: &'a str, instance: i32, status: S) -> TaskBrief<'a> {
    let mut parts = job.split('/');
    TaskBrief {
        id,
        role: parts.next().unwrap_or_default(),
        environment: parts.next().unwrap_or_default(),
        name: parts.next().unwrap_or_default(),
        instance,
        status,
        host: Some("host-0.example.com"),
        agent_id: Some("agent-0"),
        contact_email: Some("owner@example.com"),
        cpus: Some(0.5),
        ram_mb: Some(128),
        disk_mb: Some(64),
        is_service: true,
        ..TaskBrief::default()
    }
}

#[test]
fn each_task_has_its_fate() {
    use Fate as F;
    let states = [Truth::Runs, Truth::Gone, Truth::Ended, Truth::Ending, Truth::Unreachable, Truth::Unknown];
    let gone = [F::Ending, F::Unreachable, F::Unknown];
    let with = |runs, gone_, ended| [runs, gone_, ended, gone[0], gone[1], gone[2]].map(Some);
    let over = [F::EndedInBackup, F::History, F::History, F::Ending, F::Unreachable, F::History].map(Some);
    let table = [
        (None, [Some(F::Killed), None, None, Some(F::Ending), Some(F::Unreachable), Some(F::Unknown)]),
        (Some(S::Running), with(F::Kept, F::Restarted, F::EndedMeanwhile)),
        (Some(S::Starting), with(F::Starting, F::Restarted, F::EndedMeanwhile)),
        (Some(S::Assigned), with(F::Assigned, F::Restarted, F::EndedMeanwhile)),
        (Some(S::Restarting), with(F::Replaced, F::Restarted, F::EndedMeanwhile)),
        (Some(S::Preempting), with(F::Replaced, F::Restarted, F::EndedMeanwhile)),
        (Some(S::Draining), with(F::Replaced, F::Restarted, F::EndedMeanwhile)),
        (Some(S::Partitioned), with(F::PartitionedBack, F::PartitionedGone, F::EndedMeanwhile)),
        (Some(S::Killing), with(F::Killing, F::KillingGone, F::KillingGone)),
        (Some(S::Pending), with(F::PendingRuns, F::Pending, F::Pending)),
        (Some(S::Throttled), with(F::PendingRuns, F::Pending, F::Pending)),
        (Some(S::Finished), over),
        (Some(S::Failed), over),
        (Some(S::Killed), over),
        (Some(S::Lost), over),
        (Some(S::Other(77)), with(F::Unknown, F::Unknown, F::Unknown)),
    ];
    for (status, fates) in table {
        for (truth, fate) in states.into_iter().zip(fates) {
            assert_eq!(impact::fate(status, truth), fate, "{status:?} in the backup, {truth:?}");
        }
    }
    for fate in Fate::ALL {
        assert_eq!(serde_json::to_value(fate).unwrap(), json!(fate.name()));
        assert!(!fate.words().is_empty());
        let kinds = [fate.kills(), fate.keeps(), fate.is_unknown()];
        assert!(kinds.into_iter().filter(|so| *so).count() <= 1, "{fate:?} is of one kind");
    }
}

#[test]
fn states_of_every_release_are_read() {
    let running = ("www-prod-web-3-0b0f", "www/prod/web", "TASK_RUNNING", "agent-0");
    let away = ("www-prod-web-4-0b0f", "www/prod/web", "TASK_UNREACHABLE", "agent-9");
    let over = ("www-prod-web-5-0b0f", "www/prod/web", "TASK_FINISHED", "agent-1");
    for release in RELEASES {
        let name = if release < "0.28" { "TwitterScheduler" } else { "Aurora" };
        let state =
            parsed(&state_json(release, vec![framework_json(release, "F", name, false, &[running, away, over])]));
        assert_eq!((state.version.as_deref(), state.is_leading()), (Some(release), Some(true)));
        let framework = state.framework("F").unwrap();
        assert_eq!((framework.standing, framework.is_aurora()), (Standing::Disconnected, true), "{release}");
        assert_eq!(framework.registered_ms, Some(1_795_000_000_123));
        assert_eq!(framework.removed_at_ms(), Some(1_795_363_500_000 + 1_814_400_000), "{release}");
        assert_eq!(framework.completed_tasks, 1);
        let unreachable = u64::from(release >= "1.2");
        assert_eq!(framework.tasks.len() as u64, 2 + unreachable, "{release}");
        assert_eq!(framework.tasks.alive().count() as u64, 1 + unreachable);
        let task = framework.tasks.find("www-prod-web-3-0b0f").unwrap();
        assert_eq!((task.state, task.name), (TaskState::Running, "www/prod/web"));
        assert_eq!(state.agents.host(task.agent_id), Some("host-0.example.com"));
        let whole = state.live_task(&task);
        assert_eq!((whole.cpus, whole.mem_mb, whole.disk_mb), (Some(0.5), Some(128.0), Some(64.0)));
        let newest = (release != "0.18.0").then_some(1_795_363_410_500);
        assert_eq!((whole.newest_status_ms, whole.labels.len()), (newest, usize::from(newest.is_some())));
    }
}

#[test]
fn frameworks_stand_as_each_release_says_it() {
    let tasks = [("t", "a/b/c", "TASK_RUNNING", "agent-0")];
    // Up to 1.1 a framework that has not come back after a failover of the master is known by its tasks only.
    let mut old = state_json("1.1.0", vec![]);
    old["unregistered_frameworks"] = json!([FRAMEWORK]);
    old["orphan_tasks"] = json!([task_json("1.1.0", tasks[0])]);
    let state = parsed(&old);
    let framework = state.framework(FRAMEWORK).unwrap();
    assert_eq!((framework.standing, framework.tasks.len()), (Standing::Recovered, 1));

    let mut recovered = framework_json("1.6.1", FRAMEWORK, "Aurora", false, &tasks);
    recovered["recovered"] = json!(true);
    let state = parsed(&state_json("1.6.1", vec![recovered]));
    assert_eq!(state.framework(FRAMEWORK).unwrap().standing, Standing::Recovered);

    for (active, connected, standing) in [
        (json!(true), json!(true), Standing::Active),
        (json!(false), json!(true), Standing::Inactive),
        (json!(false), json!(false), Standing::Disconnected),
        (json!(true), Value::Null, Standing::Active),
        (Value::Null, Value::Null, Standing::Disconnected),
    ] {
        let mut framework = framework_json("1.6.1", FRAMEWORK, "Aurora", true, &[]);
        (framework["active"], framework["connected"]) = (active, connected);
        let state = parsed(&state_json("1.6.1", vec![framework]));
        assert_eq!(state.framework(FRAMEWORK).unwrap().standing, standing);
    }

    let mut state = state_json("1.6.1", vec![framework_json("1.6.1", "G", "Aurora", true, &[])]);
    state["completed_frameworks"] = json!([
        framework_json("1.6.1", FRAMEWORK, "Aurora", false, &[]),
        framework_json("1.6.1", "G", "Aurora", false, &[]),
    ]);
    let state = parsed(&state);
    assert_eq!(state.framework(FRAMEWORK).unwrap().standing, Standing::Removed);
    assert_eq!(state.framework("G").unwrap().standing, Standing::Active, "one that is there again is there");
    assert_eq!(state.aurora().count(), 1);
}

#[test]
fn a_state_that_lies_is_refused_or_counted() {
    for (text, why) in [
        ("", "EOF"),
        ("<html>502</html>", "expected value"),
        ("{}", "lists no frameworks"),
        ("[]", "invalid"),
        ("null", "invalid"),
        (r#"{"frameworks": {}}"#, "a list of frameworks"),
        (r#"{"frameworks": [{"tasks": [{"id": 5}]}]}"#, "a text"),
        (r#"{"frameworks": [{"tasks": [{"id": "x"}"#, "EOF"),
        (r#"{"frameworks": [], "slaves": [{"id": "a", "hostname": []}]}"#, "a text"),
    ] {
        let error = MasterState::from_slice(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(why), "{text}: {error}");
        assert_eq!(matches!(error, StateError::NoFrameworks), text == "{}");
    }
    let deep = format!(r#"{{"x": {}, "frameworks": []}}"#, "[".repeat(200_000));
    assert!(MasterState::from_slice(deep.as_bytes()).is_err());
    let many = format!(r#"{{"frameworks": [{}{{}}]}}"#, "{},".repeat(20_000));
    assert!(MasterState::from_slice(many.as_bytes()).unwrap_err().to_string().contains("more than"));

    let long = "x".repeat(100_000);
    let mut framework =
        framework_json("1.6.1", FRAMEWORK, "Aurora", false, &[("ok", "a/b/c", "TASK_RUNNING", "agent-0")]);
    let odd = [
        json!({ "id": long, "name": "a/b/c", "state": "TASK_RUNNING" }),
        json!({ "name": "a/b/c", "state": "TASK_RUNNING" }),
        json!({ "id": "twice", "name": "a/b/c", "state": "TASK_LOST", "resources": null }),
        json!({ "id": "twice", "name": "a/b/c", "state": "TASK_RUNNING", "labels": null, "statuses": null }),
        json!({ "id": "strange", "name": "a/b/c", "state": "TASK_DANCING", "statuses": [{ "timestamp": -1e300 }] }),
    ];
    framework["tasks"].as_array_mut().unwrap().extend(odd);
    let state = parsed(&state_json("1.6.1", vec![framework]));
    let tasks = &state.framework(FRAMEWORK).unwrap().tasks;
    assert_eq!((tasks.len(), tasks.odd, tasks.twice), (3, 2, 1));
    assert_eq!(tasks.find("twice").unwrap().state, TaskState::Running);
    let impact = impact::assess(&side(&[]), &LiveSide::of_master(state));
    assert_eq!((impact.counts.of(Fate::Killed), impact.counts.of(Fate::Unknown)), (2, 1));
    assert!(impact.unknowns.iter().any(|note| note.code == "odd-tasks"), "{:?}", impact.unknowns);
}

#[test]
fn the_framework_decides_whether_anything_is_adopted() {
    let task = ("a-b-c-0-x", "a/b/c", "TASK_RUNNING", "agent-0");
    let backup = side(&[("a-b-c-0-x", "a/b/c", 0, S::Running), ("a-b-c-1-y", "a/b/c", 1, S::Finished)]);
    let of = |id: &str, active| framework_json("1.6.1", id, "Aurora", active, &[task]);
    let judged = |backup: &BackupSide, state: Value| impact::assess(backup, &LiveSide::of_master(parsed(&state)));

    for (active, fate) in [(true, FrameworkFate::Active), (false, FrameworkFate::Disconnected)] {
        let impact = judged(&backup, state_json("1.6.1", vec![of(FRAMEWORK, active)]));
        assert_eq!((impact.framework.fate, impact.verdict), (fate, Verdict::KillsNone));
        assert_eq!(impact.framework.removed_at_ms.is_some(), !active);
    }

    let impact = judged(&backup, state_json("1.6.1", vec![of("other", true)]));
    assert_eq!((impact.framework.fate, impact.verdict), (FrameworkFate::NotListed, Verdict::MustNotRestore));
    assert_eq!((impact.counts.of(Fate::Orphaned), impact.counts.of(Fate::Restarted)), (1, 1));
    assert_eq!(impact.framework.others.len(), 1);
    assert!(impact.warnings.iter().any(|note| note.code == "another-framework"));

    let mut removed = state_json("1.6.1", vec![]);
    removed["completed_frameworks"] = json!([framework_json("1.6.1", FRAMEWORK, "Aurora", false, &[])]);
    let impact = judged(&backup, removed);
    assert_eq!((impact.framework.fate, impact.verdict), (FrameworkFate::Removed, Verdict::MustNotRestore));
    assert_eq!((impact.counts.of(Fate::Stuck), impact.counts.of(Fate::History)), (1, 1));
    assert_eq!(impact.stops[0].code, "framework-removed");

    let without = BackupSide { framework_id: None, ..backup.clone() };
    let impact = judged(&without, state_json("1.6.1", vec![of(FRAMEWORK, false)]));
    assert_eq!((impact.framework.fate, impact.verdict), (FrameworkFate::NotInBackup, Verdict::MustNotRestore));
    assert_eq!((impact.counts.of(Fate::Orphaned), impact.counts.of(Fate::Restarted)), (1, 1));

    // A standby of an early release answers with empty lists: that is no "not known".
    let mut standby = state_json("0.22.0", vec![]);
    standby["leader"] = json!("master@10.0.0.2:5050");
    let impact = judged(&backup, standby);
    assert_eq!((impact.framework.fate, impact.verdict), (FrameworkFate::Unknown, Verdict::Unknown));
    assert_eq!((impact.counts.of(Fate::Unknown), impact.counts.of(Fate::History)), (1, 1));

    // After a failover of the master, before its agents are back.
    let mut early = state_json("1.6.1", vec![]);
    early["recovered_slaves"] = json!([{ "id": "agent-0", "hostname": "h" }]);
    early["slaves"] = json!([]);
    assert_eq!(judged(&backup, early).verdict, Verdict::Unknown);

    let silent = impact::assess(&backup, &LiveSide::silent("no connection"));
    assert_eq!((silent.verdict, silent.live.running), (Verdict::Unknown, None));
    assert!(silent.unknowns.iter().any(|note| note.message.contains("no connection")));
}

#[test]
fn a_task_on_an_agent_that_is_not_back_is_not_lost() {
    let backup = side(&[("t0", "a/b/c", 0, S::Running), ("t1", "a/b/c", 1, S::Running)]);
    let known = ("t1", "a/b/c", "TASK_RUNNING", "agent-1");
    let mut state = state_json("1.6.1", vec![framework_json("1.6.1", FRAMEWORK, "Aurora", false, &[known])]);
    let impact = impact::assess(&backup, &LiveSide::of_master(parsed(&state)));
    assert_eq!((impact.counts.of(Fate::Restarted), impact.counts.of(Fate::Kept)), (1, 1));
    state["recovered_slaves"] = json!([{ "id": "agent-0" }]);
    state["slaves"] = json!([{ "id": "agent-1", "hostname": "host-1" }]);
    let impact = impact::assess(&backup, &LiveSide::of_master(parsed(&state)));
    assert_eq!((impact.counts.of(Fate::Unknown), impact.counts.of(Fate::Kept)), (1, 1));
    assert_eq!(impact.verdict, Verdict::Unknown);
}

#[test]
fn the_recorded_backup_is_held_against_masters_of_every_release() {
    let side = populated();
    let statuses: BTreeMap<String, usize> = side.tasks.iter().fold(BTreeMap::new(), |mut all, task| {
        *all.entry(task.status.to_string()).or_default() += 1;
        all
    });
    assert_eq!(side.tasks.len(), 37);
    let running: Vec<(String, String)> = side
        .tasks
        .iter()
        .filter(|task| task.status == S::Running)
        .map(|task| (task.id.to_owned(), task.job.to_owned()))
        .collect();
    for release in RELEASES {
        // Everything but the first runs; one started since, one of them with the name of a job of early releases.
        let mut rows: Vec<Row<'_>> =
            running.iter().skip(1).map(|(id, job)| (id.as_str(), job.as_str(), "TASK_RUNNING", "agent-0")).collect();
        rows.push(("1795363600000-www-prod-new-7-1f", "www/prod/new", "TASK_RUNNING", "agent-1"));
        rows.push(("www-prod-new-9-2f", "www/prod/new", "TASK_STAGING", "agent-1"));
        let impact = impact::assess(&side, &live(release, &rows));
        assert_eq!(impact.verdict, Verdict::Kills, "{release}");
        assert_eq!((impact.kills(), impact.counts.of(Fate::Kept) as usize), (2, running.len() - 1), "{release}");
        assert_eq!(
            impact.counts.of(Fate::Restarted),
            1 + statuses.get("ASSIGNED").copied().unwrap_or(0) as u64
                + statuses.get("STARTING").copied().unwrap_or(0) as u64
                + statuses.get("RESTARTING").copied().unwrap_or(0) as u64
                + statuses.get("PREEMPTING").copied().unwrap_or(0) as u64
                + statuses.get("DRAINING").copied().unwrap_or(0) as u64
        );
        let new = impact.by_job.iter().find(|job| job.job == "www/prod/new").unwrap();
        assert_eq!(new.instances[&Fate::Killed], Instances("7,9".to_owned()));
        assert_eq!((new.killed_resources.cpus, new.killed_resources.ram_mb), (1.0, 256.0));
        let killed: Vec<&str> = impact.tasks.ids_of(Fate::Killed).collect();
        assert_eq!(killed, ["1795363600000-www-prod-new-7-1f", "www-prod-new-9-2f"]);
        assert_eq!(impact.reverted.jobs.items.iter().filter(|item| item.change == Change::Vanishes).count(), 1);
        assert!(!impact.reverted.cron_jobs.compared && impact.reverted.cron_jobs.in_backup == Some(2));
        assert!(impact.reverted.cron_jobs.items.iter().all(|item| item.change == Change::InBackup));
    }
}

#[test]
fn what_is_kept_beside_tasks_is_compared_with_a_scheduler() {
    let bytes = backup("scheduler-backup-2026-11-22-16-04");
    let snapshot: Snapshot = snapshot::decode_snapshot(&bytes).unwrap();
    let side = populated();
    let mut jobs: Vec<_> = side.cron_jobs.clone();
    let gone = jobs.remove(0);
    jobs[0].cron_schedule = Some("*/7 * * * *".to_owned());
    let mut new = gone.clone();
    new.key.as_mut().unwrap().name = "made-since".to_owned();
    jobs.push(new);
    let mut quotas: BTreeMap<String, ResourceAggregate> = BTreeMap::new();
    let stored = snapshot.quotas.clone().unwrap();
    for (n, quota) in stored.iter().enumerate() {
        let mut now = quota.quota.clone().unwrap();
        if n == 0 {
            now = ResourceAggregate { num_cpus: Some(1.25), ram_mb: Some(1), disk_mb: Some(1), ..Default::default() };
        } else if n == 1 {
            now = ResourceAggregate::default();
        }
        quotas.insert(quota.role.clone(), now);
    }
    quotas.insert("brand-new".to_owned(), ResourceAggregate { num_cpus: Some(2.0), ..Default::default() });
    let scheduler = SchedulerSide {
        version: Some("0.23.0-SNAPSHOT".to_owned()),
        jobs: Some(jobs),
        quotas: Some(quotas),
        updates: Some(Vec::new()),
        hosts: Some([("elsewhere".to_owned(), MaintenanceMode::Drained)].into_iter().collect()),
        ..SchedulerSide::default()
    };
    let seen = LiveSide { scheduler: Some(scheduler), ..live("1.6.1", &[]) };
    let impact = impact::assess(&side, &seen);
    let changes = |items: &[impact::Item]| items.iter().map(|item| item.change).collect::<BTreeSet<_>>();
    assert_eq!(impact.version.fit, VersionFit::Same, "{:?}", impact.version);
    let crons = &impact.reverted.cron_jobs;
    assert!(crons.compared);
    assert_eq!(changes(&crons.items), [Change::Vanishes, Change::ComesBack, Change::Changes].into_iter().collect());
    assert!(crons.items.iter().any(|item| item.words.contains("instead of */7")), "{crons:?}");
    let quotas = &impact.reverted.quotas;
    assert_eq!(changes(&quotas.items), [Change::Vanishes, Change::ComesBack, Change::Changes].into_iter().collect());
    assert!(
        impact
            .reverted
            .maintenance
            .items
            .iter()
            .any(|item| item.name == "elsewhere" && item.change == Change::Vanishes)
    );
    let active = side.updates.len();
    assert_eq!(impact.reverted.updates.items.len(), active);
    assert!(impact.reverted.updates.items.iter().all(|item| item.words.contains("not there now")));
}

#[test]
fn versions_go_together_or_not() {
    use VersionFit as V;
    for (from, by, in_sql, fit) in [
        (Some("0.22.0"), Some("0.22.0"), false, V::Same),
        (Some("0.22.0"), Some("0.22.1"), false, V::Reads),
        (Some("0.21.0"), Some("0.22.0"), false, V::Reads),
        (Some("0.22.0"), Some("0.21.0"), false, V::Breaks),
        (Some("0.22.0"), Some("0.20.0"), false, V::Breaks),
        (Some("0.20.0"), Some("0.19.1"), false, V::Breaks),
        (Some("0.17.0"), Some("0.20.0"), true, V::Breaks),
        (None, Some("0.20.0"), true, V::Breaks),
        (Some("0.17.0"), Some("0.19.0"), true, V::Reads),
        (Some("0.12.0"), Some("0.19.0"), false, V::Reads),
        (Some("0.12.0"), Some("0.22.0"), false, V::Breaks),
        (Some("0.17.0"), Some("0.12.0"), true, V::Breaks),
        (None, Some("0.22.0"), false, V::Unknown),
        (Some("0.22.0"), None, false, V::Unknown),
        (None, None, true, V::Unknown),
        (Some("0.22.0"), Some("rubbish"), false, V::Unknown),
    ] {
        let backup = BackupSide { build_version: from.map(str::to_owned), in_sql, ..side(&[]) };
        let live = LiveSide { installed_version: by.map(str::to_owned), ..live("1.6.1", &[]) };
        let judged = impact::assess(&backup, &live).version;
        assert_eq!(judged.fit, fit, "{from:?} by {by:?}: {judged:?}");
    }
}

/// A world with one or two of everything.
fn small() -> (BackupSide, LiveSide) {
    let backup = side(&[
        ("www-prod-web-0-a", "www/prod/web", 0, S::Running),
        ("www-prod-web-1-b", "www/prod/web", 1, S::Running),
        ("www-prod-web-2-c", "www/prod/web", 2, S::Running),
        ("www-prod-web-3-d", "www/prod/web", 3, S::Pending),
        ("www-prod-web-4-e", "www/prod/web", 4, S::Draining),
        ("ads-test-job-0-f", "ads/test/job", 0, S::Killed),
    ]);
    let live = live(
        "1.6.1",
        &[
            ("www-prod-web-0-a", "www/prod/web", "TASK_RUNNING", "agent-0"),
            ("www-prod-web-4-e", "www/prod/web", "TASK_RUNNING", "agent-0"),
            ("www-prod-web-3-d", "www/prod/web", "TASK_RUNNING", "agent-0"),
            ("ads-test-job-0-f", "ads/test/job", "TASK_RUNNING", "agent-1"),
            ("www-prod-new-0-g", "www/prod/new", "TASK_RUNNING", "agent-1"),
            ("www-prod-new-1-h", "www/prod/new", "TASK_STARTING", "agent-1"),
            ("www-prod-new-2-i", "www/prod/new", "TASK_RUNNING", "agent-1"),
            ("www-prod-new-7-j", "www/prod/new", "TASK_RUNNING", "agent-1"),
        ],
    );
    (backup, LiveSide { at_ms: Some(1_795_363_493_636 + 7 * 3_600_000), ..live })
}

#[test]
fn it_is_exported_as_text_json_and_csv() {
    let (backup, live) = small();
    let impact = impact::assess(&backup, &live);
    let text = impact.to_text(80);
    insta::assert_snapshot!("impact_text", text);
    assert!(text.lines().all(|line| line.chars().count() <= 80 || !line.trim().contains(' ')), "{text}");
    insta::assert_snapshot!("impact_tasks_csv", impact.to_csv(CsvOf::Tasks));
    insta::assert_snapshot!("impact_jobs_csv", impact.to_csv(CsvOf::Jobs));
    let json = serde_json::to_string_pretty(&impact).unwrap();
    assert_eq!(serde_json::from_str::<Impact>(&json).unwrap(), impact);
    let web = impact.by_job.iter().find(|job| job.job == "www/prod/new").unwrap();
    assert_eq!((web.owners.as_slice(), web.owners_by_role), (&["owner@example.com".to_owned()][..], true));
    assert_eq!(web.instances[&Fate::Killed].0, "0-2,7");
}

#[test]
fn the_schema_in_assets_is_that_of_the_type() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/impact.schema.json");
    let made = format!("{:#}\n", impact::schema());
    if std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
        std::fs::write(&path, &made).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), made, "INSTA_UPDATE=always writes it");
}

#[test]
fn hostile_names_do_not_reach_a_terminal_or_a_formula() {
    let mut backup = side(&[]);
    let mut task = brief("=cmd()|x\u{1b}[2J", "r\u{202e}/e/n\n", 0, S::Running);
    task.contact_email = Some("@SUM(1)");
    backup.add(&task);
    let impact = impact::assess(&backup, &live("1.6.1", &[]));
    let text = impact.to_text(80);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    let csv = impact.to_csv(CsvOf::Tasks);
    assert!(csv.contains("'=cmd()") && csv.contains("'@SUM") && !csv.contains('\u{1b}'), "{csv:?}");
}

#[test]
fn instances_are_named_in_short() {
    for (numbers, text) in [
        (&[][..], ""),
        (&[0][..], "0"),
        (&[12, 0, 1, 2, 2, 3][..], "0-3,12"),
        (&[i32::MAX, i32::MIN, 5, 6][..], "-2147483648,5-6,2147483647"),
    ] {
        assert_eq!(Instances::of(numbers).0, text);
    }
}

#[test]
fn what_happens_is_held_against_what_was_predicted() {
    let (backup, before) = small();
    let (impact, prediction) = impact::predict(&backup, &before);
    assert_eq!((prediction.kills, impact.kills()), (6, 6));
    let json = serde_json::to_string(&prediction).unwrap();
    let prediction: Prediction = serde_json::from_str(&json).unwrap();
    let mut ids = BTreeSet::new();
    prediction.each(|_, id, _| assert!(ids.insert(id.to_owned())));
    assert_eq!((ids.len(), prediction.unnamed), (10, 0));

    // As predicted: the killed are gone, the lost ones have successors, the framework is there.
    let after = [
        ("www-prod-web-0-a", "www/prod/web", "TASK_RUNNING", "agent-0"),
        ("www-prod-web-1-B", "www/prod/web", "TASK_RUNNING", "agent-0"),
        ("www-prod-web-2-C", "www/prod/web", "TASK_RUNNING", "agent-0"),
        ("www-prod-web-3-d", "www/prod/web", "TASK_RUNNING", "agent-0"),
        ("www-prod-web-4-E", "www/prod/web", "TASK_RUNNING", "agent-0"),
    ];
    let seen = |active, tasks: &[Row<'_>]| {
        let framework = framework_json("1.6.1", FRAMEWORK, "Aurora", active, tasks);
        outcome::compare(&prediction, &LiveSide::of_master(parsed(&state_json("1.6.1", vec![framework]))))
    };
    let outcome = seen(true, &after);
    assert!(outcome.is_as_predicted(), "{outcome:?}");
    assert_eq!((outcome.killed.count, outcome.restarted.count, outcome.kept), (6, 3, 1));
    assert_eq!((outcome.new.count, outcome.framework), (0, FrameworkSeen::AsPredicted));

    // Otherwise: one survives, one kept is gone, one has no successor, one is new.
    let otherwise = [
        ("www-prod-new-0-g", "www/prod/new", "TASK_RUNNING", "agent-1"),
        ("www-prod-web-1-B", "www/prod/web", "TASK_RUNNING", "agent-0"),
        ("www-prod-web-4-E", "www/prod/web", "TASK_RUNNING", "agent-0"),
        ("ads-prod-late-0-z", "ads/prod/late", "TASK_RUNNING", "agent-0"),
    ];
    let outcome = seen(false, &otherwise);
    assert!(!outcome.is_as_predicted());
    assert_eq!(outcome.still_alive.ids, ["www-prod-new-0-g"]);
    assert_eq!(outcome.gone_unpredicted.ids, ["www-prod-web-0-a"], "a duplicate that was swept is no surprise");
    assert_eq!(outcome.not_restarted.ids, ["www-prod-web-2-c"]);
    assert_eq!(
        (outcome.new.ids.as_slice(), outcome.framework),
        (&["ads-prod-late-0-z".to_owned()][..], FrameworkSeen::NotYet)
    );
    let text = outcome.to_text(80);
    assert!(text.contains("to be kept are GONE") && text.contains("gone: www-prod-web-0-a"), "{text}");

    let silent = outcome::compare(&prediction, &LiveSide::silent("no answer in time"));
    assert!(silent.unknown.is_some() && !silent.is_as_predicted());
}

/// Two tables of one meaning: what the rules come to is written down here a second time, as it is told in prose.
fn naive(status: Option<S>, state: Option<&str>) -> Option<Fate> {
    let transient = [S::Restarting, S::Preempting, S::Draining];
    let live = matches!(state, Some("TASK_STAGING" | "TASK_STARTING" | "TASK_RUNNING"));
    let word = match (status, state) {
        (None, None) => return None,
        (None, _) if live => "killed",
        (Some(status), None | Some("TASK_FINISHED" | "TASK_LOST")) if status.is_terminal() => "history",
        (_, Some("TASK_KILLING")) => "ending",
        (_, Some("TASK_UNREACHABLE")) => "unreachable",
        (Some(S::Other(_)), _) => "unknown",
        (Some(status), _) if live && status.is_terminal() => "ended-in-backup",
        (Some(S::Running), _) if live => "kept",
        (Some(S::Starting), _) if live => "starting",
        (Some(S::Assigned), _) if live => "assigned",
        (Some(S::Partitioned), _) if live => "partitioned-back",
        (Some(S::Killing), _) if live => "killing",
        (Some(status), _) if live && transient.contains(&status) => "replaced",
        (Some(_), _) if live => "pending-runs",
        (Some(S::Pending | S::Throttled | S::Init), _) => "pending",
        (Some(S::Killing), _) => "killing-gone",
        (Some(_), Some(_)) => "ended-meanwhile",
        (None, Some(_)) => return None,
        (Some(S::Partitioned), None) => "partitioned-gone",
        (Some(_), None) => "restarted",
    };
    Some(Fate::ALL.into_iter().find(|fate| fate.name() == word).unwrap())
}

const STATES: [&str; 7] =
    ["TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_UNREACHABLE", "TASK_FINISHED", "TASK_LOST"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_worlds_come_out_as_by_hand(
        tasks in proptest::collection::vec((0..4_usize, 0..6_i32, 0..18_usize, 0..9_usize), 0..40),
    ) {
        // Each task is in the backup in some state or not, and at the master in some state or not.
        let statuses: Vec<Option<S>> =
            S::ALL.iter().copied().filter(|status| *status != S::Init).map(Some).chain([Some(S::Other(99)), None]).collect();
        let named: Vec<_> = tasks
            .iter()
            .enumerate()
            .map(|(n, (job, instance, status, state))| {
                let job = ["a/prod/x", "a/prod/y", "b/prod/x", "b/test/x"][*job];
                let id = format!("{}-{instance}-{n:04x}", job.replace('/', "-"));
                (id, job.to_owned(), *instance, statuses[*status % statuses.len()], STATES.get(*state).copied())
            })
            .collect();
        let mut backup = side(&[]);
        for (id, job, instance, status, _) in &named {
            if let Some(status) = status {
                backup.add(&brief(id, job, *instance, *status));
            }
        }
        let rows: Vec<Row<'_>> = named
            .iter()
            .filter_map(|(id, job, _, _, state)| Some((id.as_str(), job.as_str(), (*state)?, "agent-0")))
            .collect();
        let (impact, prediction) = impact::predict(&backup, &live("1.6.1", &rows));

        let mut counts: BTreeMap<Fate, u64> = BTreeMap::new();
        let mut by_job: BTreeMap<(String, Fate), BTreeSet<i32>> = BTreeMap::new();
        let mut listed: BTreeSet<(String, Fate)> = BTreeSet::new();
        for (id, job, instance, status, state) in &named {
            let Some(fate) = naive(*status, *state) else { continue };
            *counts.entry(fate).or_default() += 1;
            if fate.is_listed() {
                listed.insert((id.clone(), fate));
                by_job.entry((job.clone(), fate)).or_default().insert(*instance);
            }
        }
        for fate in Fate::ALL {
            prop_assert_eq!(impact.counts.of(fate), counts.get(&fate).copied().unwrap_or(0), "{:?}", fate);
        }
        let found: BTreeSet<(String, Fate)> =
            impact.tasks.iter().map(|task| (task.id.into_owned(), task.fate.unwrap())).collect();
        prop_assert_eq!(&found, &listed);
        let instances: BTreeMap<(String, Fate), String> = impact
            .by_job
            .iter()
            .flat_map(|job| job.instances.iter().map(|(fate, of)| ((job.job.clone(), *fate), of.0.clone())))
            .collect();
        let expected: BTreeMap<(String, Fate), String> = by_job
            .into_iter()
            .map(|(key, of)| (key, Instances::of(&of.into_iter().collect::<Vec<_>>()).0))
            .collect();
        prop_assert_eq!(instances, expected);
        let sums = |groups: &[impact::Group]| groups.iter().map(|group| group.counts.kills()).sum::<u64>();
        prop_assert_eq!(sums(&impact.by_role), impact.kills());
        prop_assert_eq!(sums(&impact.by_environment), impact.kills());
        prop_assert_eq!(impact.by_job.iter().map(|job| job.counts.kills()).sum::<u64>(), impact.kills());

        let mut predicted = 0;
        prediction.each(|_, id, fate| {
            predicted += 1;
            assert!(fate != Fate::History && named.iter().any(|(known, ..)| known == id));
        });
        prop_assert_eq!(predicted, impact.counts.sum(|fate| fate != Fate::History));
        let text = impact.to_text(80);
        prop_assert!(text.lines().all(|line| line.chars().count() <= 80));
    }
}

#[test]
fn what_a_scheduler_believes_stands_in_for_a_silent_master() {
    let backup = side(&[("t0", "a/b/c", 0, S::Running), ("t1", "a/b/c", 1, S::Running)]);
    let mut tasks = TaskTable::default();
    for (id, status) in [("t0", S::Running), ("t2", S::Running), ("t3", S::Pending)] {
        tasks.add(&brief(id, "a/b/c", 2, status)).unwrap();
    }
    let live = LiveSide {
        master: Master::Silent("no connection".to_owned()),
        scheduler: Some(SchedulerSide { tasks: Some(tasks), ..SchedulerSide::default() }),
        installed_version: None,
        at_ms: None,
    };
    let impact = impact::assess(&backup, &live);
    assert_eq!((impact.kills(), impact.counts.of(Fate::Restarted), impact.counts.of(Fate::Kept)), (1, 1, 1));
    assert_eq!((impact.verdict, impact.live.master), (Verdict::Kills, false));
    assert!(impact.unknowns.iter().any(|note| note.code == "only-believed"));
}

/// A master on loopback that gives one answer to everybody, until it is dropped.
struct Answering {
    url: String,
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Answering {
    fn with(head: &str, body: &str) -> Self {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = std::sync::Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
                let mut stream = stream.unwrap();
                let (mut asked, mut byte) = (Vec::new(), [0]);
                while !asked.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                    asked.extend(byte);
                }
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        Self { url, stop, thread: Some(thread) }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        drop(std::net::TcpStream::connect(self.url.trim_start_matches("http://")));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn command(args: &[&str]) -> (i32, String) {
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_firstlight"))
        .args(["backup", "impact"])
        .args(args)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    (ran.status.code().unwrap(), String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn the_command_gives_its_answer_as_an_exit_code() {
    let name = "scheduler-backup-2026-11-22-16-04";
    let path = data("backups").join(name);
    let path = path.to_str().unwrap();
    let side = populated();
    let rows: Vec<(String, String)> = side
        .tasks
        .iter()
        .filter(|task| task.status == S::Running)
        .map(|task| (task.id.into(), task.job.into()))
        .collect();
    let mut rows: Vec<Row<'_>> =
        rows.iter().map(|(id, job)| (id.as_str(), job.as_str(), "TASK_RUNNING", "agent-0")).collect();
    let state = |rows: &[Row<'_>], id: &str| {
        state_json("1.6.1", vec![framework_json("1.6.1", id, "Aurora", false, rows)]).to_string()
    };
    let quiet = Answering::with("200 OK", &state(&rows, FRAMEWORK));
    let (code, text) = command(&[path, "--master", &quiet.url]);
    assert!(code == 0 && text.contains("No running task will be killed"), "{code}: {text}");

    rows.push(("www-prod-new-9-2f", "www/prod/new", "TASK_RUNNING", "agent-1"));
    let killing = Answering::with("200 OK", &state(&rows, FRAMEWORK));
    let (code, text) = command(&[path, "--master", &killing.url]);
    assert!(code == 15 && text.contains("1 task of 1 job will be KILLED"), "{code}: {text}");
    let (code, text) = command(&[path, "--master", &killing.url, "--json"]);
    let impact: Impact = serde_json::from_str(&text).unwrap();
    assert_eq!((code, impact.verdict, impact.kills(), impact.live.scheduler), (15, Verdict::Kills, 1, false));
    let (code, text) = command(&[path, "--master", &killing.url, "--csv"]);
    assert!(code == 15 && text.contains("\nwww-prod-new-9-2f,www,prod,new,9,killed,"), "{text}");
    let (_, text) = command(&[path, "--master", &killing.url, "--csv=jobs"]);
    assert!(text.contains("\nwww,prod,new,"), "{text}");

    // One that does not lead names the one that does.
    let to = killing.url.trim_start_matches("http:");
    let other = Answering::with(&format!("307 Temporary Redirect\r\nlocation: {to}/state"), "");
    assert_eq!(command(&[path, "--master", &other.url]).0, 15);
    let circle = Answering::with("307 Temporary Redirect\r\nlocation: //127.0.0.1:1/state", "");
    assert_eq!(command(&[path, "--master", &circle.url]).0, 16);

    let foreign = Answering::with("200 OK", &state(&rows, "another"));
    let (code, text) = command(&[path, "--master", &foreign.url]);
    assert!(code == 12 && text.contains("MUST NOT be restored"), "{code}: {text}");
    let damaged = data("backups").join("scheduler-backup-2026-11-01-00-05");
    let (code, text) = command(&[damaged.to_str().unwrap(), "--master", &killing.url]);
    assert!(code == 12 && text.contains("STOP"), "{code}: {text}");
    // Cut off; a zero byte, which is read to its end as nothing; not there.
    let bad =
        [("scheduler-backup-2026-11-01-00-01", 13), ("scheduler-backup-2026-11-01-00-11", 12), ("no-such-file", 13)];
    for (name, wanted) in bad {
        let bad = data("backups").join(name);
        assert_eq!(command(&[bad.to_str().unwrap(), "--master", &killing.url]).0, wanted, "{name}");
    }
    let html = Answering::with("200 OK", "<html>not a master</html>");
    assert_eq!(command(&[path, "--master", &html.url]).0, 16);
    assert_eq!(command(&[path, "--master", "http://127.0.0.1:1"]).0, 16);
    assert_eq!(command(&[path]).0, 2, "a cluster or a master is named");
}
