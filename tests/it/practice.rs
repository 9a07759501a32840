//! The practice cluster as real processes: it comes up, answers as the recordings of a real
//! scheduler do, survives a commit, and leaves nothing behind.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test that cannot go on fails, and tables of names are long"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    time::{Duration, Instant},
};

use firstlight::{
    aurora::{
        tjson,
        value::{Message, Seq, Struct, TType, Value},
    },
    practice::{Cluster, LOOPBACK, Options, PlannedScheduler, Reply, Scenario, Service, Verb, zookeeper_installed},
};

/// Long enough for a machine with one busy core.
const PATIENCE: Duration = Duration::from_mins(1);
const BYPASS: &str = "Bypass-Leader-Redirect: true\r\n";

/// A cluster that goes down with the test.
pub struct Up {
    /// It.
    pub cluster: Cluster,
    _dir: tempfile::TempDir,
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.cluster.down();
    }
}

pub fn create(scenario: Scenario, schedulers: usize, zookeeper: bool) -> Up {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(env!("CARGO_BIN_EXE_firstlight"));
    options.dir = Some(dir.path().join("cluster"));
    options.scenario = scenario;
    options.schedulers = schedulers;
    options.zookeeper = zookeeper;
    options.speed = 120.0;
    Up { cluster: Cluster::create(&options).unwrap(), _dir: dir }
}

pub fn up(scenario: Scenario, schedulers: usize, zookeeper: bool) -> Up {
    let up = create(scenario, schedulers, zookeeper);
    up.cluster.start().unwrap();
    up
}

impl Up {
    pub fn schedulers(&self) -> &[PlannedScheduler] {
        &self.cluster.plan().schedulers
    }

    /// Waits for what holds sooner or later; its logs if it does not.
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            if Instant::now() > until {
                for scheduler in self.schedulers() {
                    let log = self.cluster.layout().home(&scheduler.name).log_file();
                    let text = std::fs::read_to_string(log).unwrap_or_default();
                    let tail: Vec<&str> = text.lines().rev().take(30).collect();
                    eprintln!("--- {}\n{}", scheduler.name, tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
                }
                panic!("never: {what}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn leader(&self) -> PlannedScheduler {
        self.wait("one leader", || {
            let leads = |scheduler: &&PlannedScheduler| status(scheduler.http_port, "/leaderhealth") == Some(200);
            let leaders: Vec<_> = self.schedulers().iter().filter(leads).collect();
            let [one] = leaders.as_slice() else { return None };
            Some((*one).clone())
        })
    }

    /// Ids of what really runs, as the master says.
    fn running(&self) -> BTreeSet<String> {
        let (_, body) = get(self.cluster.plan().master_port, "/state").unwrap();
        let state: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let frameworks = state["frameworks"].as_array().unwrap();
        let tasks = frameworks.iter().flat_map(|framework| framework["tasks"].as_array().unwrap());
        tasks.map(|task| task["id"].as_str().unwrap().to_owned()).collect()
    }

    pub fn set_flags(&self, scheduler: &PlannedScheduler, edits: &[(&str, &str)]) {
        let file = self.cluster.layout().home(&scheduler.name).flags_file();
        let mut text = std::fs::read_to_string(&file).unwrap();
        for (from, to) in edits {
            assert!(text.contains(from), "{from} in {text}");
            text = text.replace(from, to);
        }
        std::fs::write(&file, text).unwrap();
    }

    fn all(&self, verb: Verb) {
        for scheduler in self.schedulers() {
            let reply = self.cluster.service(&scheduler.name, Service::Scheduler, verb).unwrap();
            assert_eq!(matches!(reply, Reply::Running { .. }), verb == Verb::Start, "{reply:?}");
        }
    }
}

type Page = (u16, Vec<u8>);

pub fn send(port: u16, bytes: &[u8]) -> Option<(u16, String, Vec<u8>)> {
    let mut stream = TcpStream::connect((LOOPBACK, port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(bytes).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..split]).into_owned();
    let code = head.split(' ').nth(1)?.parse().ok()?;
    Some((code, head, answer[split + 4..].to_vec()))
}

fn get(port: u16, path: &str) -> Option<Page> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    send(port, request.as_bytes()).map(|(code, _, body)| (code, body))
}

fn status(port: u16, path: &str) -> Option<u16> {
    get(port, path).map(|(code, _)| code)
}

pub fn vars(port: u16) -> BTreeMap<String, serde_json::Value> {
    get(port, "/vars.json").and_then(|(_, body)| serde_json::from_slice(&body).ok()).unwrap_or_default()
}

fn call(port: u16, method: &str, args: Struct) -> Option<Struct> {
    let body = tjson::encode_message(&Message::call(method, 0, args)).unwrap();
    let head = format!(
        "POST /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{BYPASS}Content-Type: application/x-thrift\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let (code, _, body) = send(port, &[head.as_bytes(), &body].concat())?;
    assert_eq!(code, 200);
    tjson::decode_message(&body).ok()?.body.rec(0).cloned()
}

fn code_of(response: &Struct) -> i32 {
    response.get(1).and_then(Value::as_i32).unwrap()
}

/// Ids of the tasks with these statuses that a result lists.
fn ids(response: &Struct, member: i16, statuses: &[i32]) -> BTreeSet<String> {
    let tasks = response.rec(3).unwrap().rec(member).unwrap().get(1).unwrap().as_items().unwrap();
    let tasks = tasks.iter().filter_map(Value::as_struct);
    let wanted = tasks.filter(|task| statuses.contains(&task.get(2).and_then(Value::as_i32).unwrap()));
    wanted.map(|task| task.rec(1).unwrap().str(1).unwrap().to_owned()).collect()
}

fn string_set(items: &[&str]) -> Value {
    Value::Set(Seq { elem: TType::String, items: items.iter().map(|item| Value::from(*item)).collect() })
}

fn running_of(port: u16) -> Option<BTreeSet<String>> {
    let response = call(port, "getTasksStatus", Struct::new().with(1, Struct::new()))?;
    (code_of(&response) == 1).then(|| ids(&response, 3, &[2]))
}

fn newest_backup(up: &Up) -> PathBuf {
    let dir = up.cluster.layout().home("s1").backup_dir();
    let mut names: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names.pop().unwrap()
}

fn healthy(zookeeper: bool) {
    let up = up(Scenario::Healthy, 3, zookeeper);
    let leader = up.leader();
    assert_eq!(vars(leader.http_port)["scheduler_lifecycle_ACTIVE"], 1);
    assert_eq!(vars(leader.http_port)["framework_registered"], 1);
    let running = up.running();
    assert!(running.len() >= 38, "{}", running.len());
    assert_eq!(running_of(leader.http_port), Some(running.clone()));
    for other in up.schedulers().iter().filter(|scheduler| **scheduler != leader) {
        assert_eq!(status(other.http_port, "/leaderhealth"), Some(503));
        assert_eq!(status(other.http_port, "/scheduler"), Some(307));
        assert_eq!(status(other.http_port, "/health"), Some(200));
    }
    // Both reconciliations find nothing to kill.
    up.wait("an implicit reconciliation", || {
        (vars(leader.http_port).get("reconciliation_implicit_runs")?.as_i64()? > 0).then_some(())
    });
    assert_eq!(up.running(), running);
    up.cluster.down().unwrap();
    assert!(!up.cluster.status().supervised);
    up.cluster.down().unwrap();
}

#[test]
fn a_healthy_cluster_without_zookeeper() {
    healthy(false);
}

#[test]
fn a_healthy_cluster_with_zookeeper() {
    if zookeeper_installed() {
        healthy(true);
    } else {
        assert!(std::env::var_os("CI").is_none(), "ZooKeeper is not installed");
        eprintln!("SKIPPED: ZooKeeper is not installed");
    }
}

/// The whole recovery by hand: prepared schedulers, a new log, a backup, and the consequences.
fn recovery(zookeeper: bool) {
    let up = up(Scenario::CorruptLog, 3, zookeeper);
    let plan = up.cluster.plan().clone();
    let running = up.running();
    let backup = newest_backup(&up);
    let master = format!(
        "MESOS_MASTER=\"{}\"",
        match plan.zookeeper_port {
            Some(port) => format!("zk://{LOOPBACK}:{port}/mesos"),
            None => format!("{LOOPBACK}:{}", plan.master_port),
        }
    );
    let prepared = format!("MESOS_MASTER=\"zk://localhost:{}/mesos/master\"", plan.dead_port);
    let extra = ("EXTRA_SCHEDULER_ARGS=\"", "EXTRA_SCHEDULER_ARGS=\"-max_registration_delay=360mins ");
    up.all(Verb::Stop);
    for scheduler in up.schedulers() {
        up.set_flags(scheduler, &[(&master, &prepared), extra]);
        let home = up.cluster.layout().home(&scheduler.name);
        std::fs::remove_dir_all(home.log_dir()).unwrap();
        let init = |words: &str| {
            let run = std::process::Command::new(home.mesos_log())
                .arg("initialize")
                .arg(format!("--path={}", home.log_dir().display()))
                .output()
                .unwrap();
            assert!(String::from_utf8_lossy(&run.stderr).contains(words), "{run:?}");
            run.status.success()
        };
        assert!(init(""));
        assert!(!init("The log is not empty"));
    }
    up.all(Verb::Start);
    let leader = up.wait("an unregistered leader", || {
        let ready = |s: &&PlannedScheduler| {
            vars(s.http_port).get("scheduler_lifecycle_LEADER_AWAITING_REGISTRATION") == Some(&1.into())
                && running_of(s.http_port).is_some()
        };
        up.schedulers().iter().find(ready).cloned()
    });
    for scheduler in up.schedulers() {
        assert_eq!(status(scheduler.http_port, "/leaderhealth"), Some(502));
        assert_eq!(status(scheduler.http_port, "/scheduler"), Some(503));
    }
    let name = backup.file_name().unwrap().to_str().unwrap();
    let to = up.cluster.layout().home(&leader.name).backup_dir().join(name);
    if to != backup {
        std::fs::copy(&backup, to).unwrap();
    }
    let staged = call(leader.http_port, "stageRecovery", Struct::new().with(1, name)).unwrap();
    assert_eq!(code_of(&staged), 1, "{staged:?}");
    let query = call(leader.http_port, "queryRecovery", Struct::new().with(1, Struct::new())).unwrap();
    let wanted = ids(&query, 9, &[2]);
    assert_eq!(wanted.difference(&running).count(), 4, "ended since the backup");
    let every: Vec<i32> = (0..20).collect();
    let (known, pending, assigned) = (ids(&query, 9, &every), ids(&query, 9, &[0]), ids(&query, 9, &[9]));
    assert_eq!((pending.len(), assigned.len(), ids(&query, 9, &[6]).len(), ids(&query, 9, &[17]).len()), (1, 1, 1, 1));
    // What the backup does not know; and what waits there, is launched again and refused, and so is ended there.
    let doomed: BTreeSet<String> = running.iter().filter(|id| !known.contains(*id)).cloned().chain(pending).collect();
    assert_eq!(doomed.len(), 7);
    assert_eq!(code_of(&call(leader.http_port, "commitRecovery", Struct::new()).unwrap()), 1);
    // The old leader closes its port and stays; only its supervisor can end it.
    up.wait("a closed port", || status(leader.http_port, "/health").is_none().then_some(()));
    let reply = up.cluster.service(&leader.name, Service::Scheduler, Verb::Status).unwrap();
    assert!(matches!(reply, Reply::Running { .. }), "{reply:?}");
    let next = up.wait("a leader with the backup's tasks", || {
        let others = up.schedulers().iter().filter(|scheduler| **scheduler != leader).collect::<Vec<_>>();
        others.into_iter().find(|other| running_of(other.http_port).as_ref() == Some(&wanted)).cloned()
    });
    let log = std::fs::read_to_string(up.cluster.layout().home(&next.name).log_file()).unwrap();
    assert!(log.contains("Applying snapshot taken on "), "{log}");
    assert_eq!(up.running(), running, "nothing is killed before registration");
    up.all(Verb::Stop);
    for scheduler in up.schedulers() {
        up.set_flags(scheduler, &[(&prepared, &master), (extra.1, extra.0)]);
    }
    up.all(Verb::Start);
    let leader = up.leader();
    let kept: BTreeSet<String> = wanted.union(&assigned).filter(|id| running.contains(*id)).cloned().collect();
    up.wait("the sweep", || {
        let now = up.running();
        // In place of those that wait, drain, and are gone; that which was assigned runs.
        let whole = now.len() == wanted.len() + 3 && running_of(leader.http_port).as_ref() == Some(&now);
        (now.is_disjoint(&doomed) && whole).then_some(())
    });
    let log = std::fs::read_to_string(up.cluster.layout().home(&leader.name).log_file()).unwrap();
    for words in [
        "Automatically resuming update IJobUpdateKey{job=IJobKey{role=search, environment=prod, name=indexer}",
        "Illegal state transition attempted: DELETED -> RUNNING (not allowed)",
        "Illegal state transition attempted: LOST -> RUNNING (not allowed)",
    ] {
        assert!(log.contains(words), "{words}");
    }
    let hosts = Struct::new().with(1, string_set(&["agent-08"]));
    up.wait("the drained host", || {
        let response = call(leader.http_port, "maintenanceStatus", Struct::new().with(1, hosts.clone()))?;
        let status = response.rec(3)?.rec(10)?.get(1)?.as_items()?.first()?.as_struct()?.get(2)?.as_i32()?;
        (status == 4).then_some(())
    });
    assert!(kept.is_subset(&up.running()), "what both knew runs on");
    let kills = std::fs::read_to_string(up.cluster.layout().master_kills()).unwrap();
    assert_eq!(kills.lines().count(), doomed.len(), "{kills}");
}

#[test]
fn a_recovery_without_zookeeper() {
    recovery(false);
}

#[test]
fn a_recovery_with_zookeeper() {
    if zookeeper_installed() {
        recovery(true);
    } else {
        assert!(std::env::var_os("CI").is_none(), "ZooKeeper is not installed");
        eprintln!("SKIPPED: ZooKeeper is not installed");
    }
}

#[test]
fn a_killed_supervisor_leaves_nothing() {
    let up = up(Scenario::Healthy, 2, false);
    let before = up.cluster.status();
    let (_, supervisor) = before.processes.iter().find(|(name, _)| name == "supervisor").unwrap();
    let pid = rustix::process::Pid::from_raw(*supervisor).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    up.cluster.down().unwrap();
    for (name, pid) in before.processes {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{name}: {stat}");
    }
    up.cluster.start().unwrap();
    up.leader();
}

#[test]
fn a_framework_that_was_removed_never_registers() {
    let up = up(Scenario::Healthy, 1, false);
    let leader = up.leader();
    let master = up.cluster.plan().master_port;
    let state: serde_json::Value = serde_json::from_slice(&get(master, "/state").unwrap().1).unwrap();
    let body = format!("frameworkId={}", state["frameworks"][0]["id"].as_str().unwrap());
    let head = format!(
        "POST /master/teardown HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    assert_eq!(send(master, format!("{head}{body}").as_bytes()).unwrap().0, 200);
    let state: serde_json::Value = serde_json::from_slice(&get(master, "/state").unwrap().1).unwrap();
    assert_eq!(state["frameworks"].as_array().unwrap().len(), 0);
    assert_eq!(state["completed_frameworks"][0]["name"], "Aurora");
    up.wait("the loop", || {
        let log = std::fs::read_to_string(up.cluster.layout().home(&leader.name).log_file()).unwrap();
        let died = log.matches("Received error message: Framework has been removed").count();
        (died > 1 && log.contains("Driver exited, terminating lifecycle.")).then_some(())
    });
}

#[test]
fn flags_are_refused_and_traffic_is_blocked() {
    let up = up(Scenario::Healthy, 1, false);
    let leader = up.leader();
    let outside = || TcpStream::connect((firstlight::practice::OUTSIDE, leader.http_port)).is_ok();
    assert!(outside());
    up.cluster.service("s1", Service::OutsideTraffic, Verb::Stop).unwrap();
    assert!(!outside());
    assert_eq!(status(leader.http_port, "/health"), Some(200));
    up.cluster.service("s1", Service::OutsideTraffic, Verb::Start).unwrap();
    up.wait("traffic from outside", || outside().then_some(()));
    up.all(Verb::Stop);
    assert_eq!(status(leader.http_port, "/health"), None);
    up.set_flags(&leader, &[("ARGS=\"", "ARGS=\"-max_registration_delay=360min ")]);
    let _ = up.cluster.service("s1", Service::Scheduler, Verb::Start);
    up.wait("the parser's words", || {
        let log = std::fs::read_to_string(up.cluster.layout().home("s1").log_file()).unwrap();
        log.contains("couldn't convert \"360min\" to one of [ns, us, ms, secs, mins, hrs, days]").then_some(())
    });
    assert_eq!(status(leader.http_port, "/health"), None);
}

#[test]
fn each_damaged_scenario_has_no_leader_and_says_why() {
    let table = [
        (Scenario::CorruptLog, "Could not start the writer"),
        (Scenario::LostQuorum, "Received a recover response from a replica in EMPTY status"),
        (Scenario::Flapping, "Read back a framed log entry that failed its checksum"),
        (Scenario::WipedLog, "Replicated log has not been initialized"),
        (Scenario::StaleBackup, "Could not start the writer"),
    ];
    for (scenario, words) in table {
        let up = up(scenario, 3, false);
        up.wait(words, || {
            let logs = up.schedulers().iter().map(|scheduler| {
                std::fs::read_to_string(up.cluster.layout().home(&scheduler.name).log_file()).unwrap()
            });
            logs.into_iter().any(|log| log.contains(words)).then_some(())
        });
        for scheduler in up.schedulers() {
            assert_ne!(status(scheduler.http_port, "/leaderhealth"), Some(200), "{scenario:?}");
        }
    }
}
