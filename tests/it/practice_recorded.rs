//! Every recorded exchange with a real scheduler, sent again to a practice scheduler in the same situation.
//!
//! Compared are the status, the headers that a client acts on, and the answer: whole where the practice scheduler holds
//! the very state of the recording, else by code, texts and members of the result.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use firstlight::{
    aurora::{
        tbinary, tjson,
        value::{Message, Struct, Value},
    },
    practice::{Cluster, PlannedScheduler, Scenario, Verb},
};

use super::practice::{Up, create, send, up, vars};

/// How much of an answer must be the recorded one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Everything, in any order.
    Whole,
    /// Code, texts, and which members there are.
    Shape,
}

/// Headers that a client acts on.
const HEADERS: [&str; 7] =
    ["content-type", "location", "www-authenticate", "allow", "content-encoding", "vary", "set-cookie"];
const BYPASS: &str = "Bypass-Leader-Redirect: true\r\n";
/// The backup of the very state in which the reads were recorded.
const POPULATED: &str = "scheduler-backup-2026-11-22-16-04";
/// Who was where in the recordings.
const RECORDED_LEADER: &str = "127.0.0.1:18081";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/aurora")
}

/// Names of recordings that begin so, sorted; `.bin` stands before `.json`.
fn named(begin: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(data().join("http"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".request").map(str::to_owned))
        .filter(|name| name.starts_with(begin))
        .collect();
    names.sort();
    names
}

fn read(name: &str, what: &str) -> Vec<u8> {
    std::fs::read(data().join("http").join(format!("{name}.{what}"))).unwrap()
}

/// The head's status and headers.
fn head_of(head: &str) -> (u16, Vec<(String, String)>) {
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.split("Expires").next().unwrap().trim().to_owned()))
        .filter(|(name, _)| HEADERS.contains(&name.as_str()))
        .collect();
    headers.sort();
    (status, headers)
}

fn message(body: &[u8]) -> Option<Struct> {
    let body = unpacked(body);
    let message: Message = if body.first() == Some(&b'[') {
        tjson::decode_message(&body).ok()?
    } else {
        tbinary::decode_message(&body).ok()?
    };
    Some(message.body)
}

fn unpacked(body: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut plain = Vec::new();
    match flate2::read::GzDecoder::new(body).read_to_end(&mut plain) {
        Ok(_) if body.starts_with(&[0x1f, 0x8b]) => plain,
        _ => body.to_vec(),
    }
}

/// The same for the same meaning: order does not count, nor when a cron job runs next.
fn normal(value: &Value) -> Value {
    let struct_of = |of: &Struct| {
        let summary =
            matches!(of.fields.as_slice(), [(1, Value::Struct(_)), (2, Value::Struct(_)), (3, Value::I64(_))]);
        let kept = of.fields.iter().filter(|(id, _)| !(summary && *id == 3));
        let mut fields: Vec<(i16, Value)> = kept.map(|(id, value)| (*id, normal(value))).collect();
        fields.sort_by_key(|(id, _)| *id);
        Struct { fields }
    };
    match value {
        Value::Struct(of) => Value::Struct(struct_of(of)),
        Value::List(seq) | Value::Set(seq) => {
            let mut seq = seq.clone();
            seq.items = seq.items.iter().map(normal).collect();
            seq.items.sort_by_key(|item| format!("{item:?}"));
            Value::List(seq)
        }
        other => other.clone(),
    }
}

fn comparable(body: &[u8], depth: Depth, dirs: &[String]) -> Option<String> {
    let body = message(body)?;
    let text = match depth {
        Depth::Whole => format!("{:?}", normal(&Value::from(body))),
        Depth::Shape => {
            let response = body.rec(0).cloned().unwrap_or_default();
            let members =
                |of: Option<&Struct>| of.map(|of| of.fields.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>());
            format!("{:?} {:?} {:?}", response.get(1), response.get(6).map(normal), members(response.rec(3)))
        }
    };
    let text = dirs.iter().fold(text, |text, dir| text.replace(dir, "BACKUPS"));
    let text = text.replace("/var/lib/aurora/01/run/backups", "BACKUPS");
    Some(text.replace("\"oracle\"", "CLUSTER").replace("\"practice\"", "CLUSTER"))
}

/// A place to send recordings to, and what did not come back as it was recorded.
struct Replay<'a> {
    up: &'a Up,
    leader: &'a str,
    wrong: Vec<String>,
    held: usize,
}

impl<'a> Replay<'a> {
    fn new(up: &'a Up, leader: &'a str) -> Self {
        Self { up, leader, wrong: Vec::new(), held: 0 }
    }

    fn send(&mut self, to: &PlannedScheduler, name: &str, depth: Depth, extra: &str) {
        let request = read(name, "request");
        let split = request.windows(2).position(|window| window == b"\r\n").unwrap() + 2;
        let request = [&request[..split], extra.as_bytes(), &request[split..]].concat();
        let response = read(name, "response");
        let Some((_, head, body)) = send(to.http_port, &request) else {
            if !response.is_empty() {
                self.wrong.push(format!("{name}: no answer"));
            }
            return;
        };
        let dirs = self.up.schedulers().iter();
        let dirs: Vec<String> =
            dirs.map(|one| self.up.cluster.layout().home(&one.name).backup_dir().display().to_string()).collect();
        let split = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let recorded = String::from_utf8_lossy(&response[..split]).replace(RECORDED_LEADER, self.leader);
        let (wanted, got) = (head_of(&recorded), head_of(&head));
        let before = self.wrong.len();
        if wanted != got {
            self.wrong.push(format!("{name}: recorded {wanted:?}, got {got:?}"));
        }
        let recorded = &response[split + 4..];
        let (wanted, got) = (comparable(recorded, depth, &dirs), comparable(&body, depth, &dirs));
        if wanted != got {
            self.wrong.push(format!("{name}:\n  recorded {wanted:?}\n  got      {got:?}"));
        }
        let head_only = request.starts_with(b"HEAD");
        if wanted.is_none() && !head_only && body.is_empty() != recorded.is_empty() {
            self.wrong.push(format!("{name}: a body of {} bytes, recorded {}", body.len(), recorded.len()));
        }
        self.held += usize::from(self.wrong.len() == before);
    }

    fn done(self, at_least: usize) {
        assert!(self.wrong.is_empty(), "{} differ:\n{}", self.wrong.len(), self.wrong.join("\n"));
        assert!(self.held >= at_least, "only {} were sent", self.held);
    }
}

fn put_backups(cluster: &Cluster, name: &str) {
    for entry in std::fs::read_dir(data().join("backups")).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), cluster.layout().home(name).backup_dir().join(entry.file_name())).unwrap();
    }
}

fn leader_and_standby(up: &Up) -> (PlannedScheduler, PlannedScheduler) {
    let leader = up.leader();
    let standby = up.schedulers().iter().find(|scheduler| **scheduler != leader).unwrap().clone();
    (leader, standby)
}

#[test]
fn pages_of_a_leader_and_of_a_standby() {
    let up = up(Scenario::Healthy, 2, false);
    let (leader, standby) = leader_and_standby(&up);
    let at = format!("127.0.0.1:{}", leader.http_port);
    let mut replay = Replay::new(&up, &at);
    for name in named("2") {
        let to = if name.contains("-standby-") { &standby } else { &leader };
        if name.starts_with("200-leader-GET-mname_") {
            // Whose host and port are in the answer is the cluster's own affair.
            let (status, head, _) = send(
                to.http_port,
                b"GET /mname/search/prod/frontend/0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            )
            .unwrap();
            assert!(status == 307 && head.to_lowercase().contains("location: http://agent-"), "{head}");
            continue;
        }
        replay.send(to, &name, Depth::Shape, "");
    }
    replay.send(&leader, "301-createJob-after-backup-then-lost.bin", Depth::Shape, "");
    replay.done(80);
}

#[test]
fn administration() {
    let up = up(Scenario::Healthy, 2, false);
    let (leader, standby) = leader_and_standby(&up);
    for scheduler in [&leader, &standby] {
        put_backups(&up.cluster, &scheduler.name);
        let dir = up.cluster.layout().home(&scheduler.name).backup_dir();
        // What the recorded name with dots leads to, and files of the recordings that were made at random.
        let beside = dir.parent().unwrap().join("backups-first");
        std::fs::create_dir_all(&beside).unwrap();
        std::fs::copy(dir.join(POPULATED), beside.join("scheduler-backup-2026-11-22-15-33")).unwrap();
        let longest = [0x0b, 0, 1, 0x7f, 0xff, 0xff, 0xff, b'x'];
        std::fs::write(dir.join("scheduler-backup-2026-11-01-00-07"), longest).unwrap();
        for name in ["10", "12"] {
            std::fs::copy(dir.join(POPULATED), dir.join(format!("scheduler-backup-2026-11-01-00-{name}"))).unwrap();
        }
    }
    let at = format!("127.0.0.1:{}", leader.http_port);
    let mut replay = Replay::new(&up, &at);
    for begin in ["040", "050", "06", "07", "08"] {
        for name in named(begin) {
            let depth = if begin == "040" { Depth::Shape } else { Depth::Whole };
            replay.send(&leader, &name, depth, "");
        }
    }
    for form in [".bin", ".json"] {
        for name in named("09").into_iter().filter(|name| name.ends_with(form)) {
            replay.send(&leader, &name, Depth::Whole, "");
        }
    }
    for name in ["100-snapshot.bin", "100-snapshot.json", "302-stageRecovery.bin"] {
        replay.send(&leader, name, Depth::Shape, "");
    }
    for begin in ["11", "50"] {
        for name in named(begin) {
            let depth = if name.starts_with("114") { Depth::Shape } else { Depth::Whole };
            replay.send(&standby, &name, depth, "");
        }
    }
    replay.done(90);
}

/// Schedulers that nobody lets register, and the state of the recordings in their log.
#[test]
fn nobody_leads_and_the_recorded_state_is_read() {
    let up = create(Scenario::WipedLog, 2, false);
    let plan = up.cluster.plan().clone();
    let master = format!("MESOS_MASTER=\"127.0.0.1:{}\"", plan.master_port);
    let prepared = format!("MESOS_MASTER=\"zk://localhost:{}/mesos/master\"", plan.dead_port);
    for scheduler in up.schedulers() {
        let extra = ("EXTRA_SCHEDULER_ARGS=\"", "EXTRA_SCHEDULER_ARGS=\"-max_registration_delay=360mins ");
        up.set_flags(scheduler, &[(&master, &prepared), extra]);
        let home = up.cluster.layout().home(&scheduler.name);
        let path = format!("--path={}", home.log_dir().display());
        let _ = std::fs::remove_dir_all(home.log_dir());
        assert!(std::process::Command::new(home.mesos_log()).args(["initialize", &path]).status().unwrap().success());
        put_backups(&up.cluster, &scheduler.name);
    }
    up.cluster.start().unwrap();
    let waits = |not: Option<&str>| {
        up.wait("an unregistered leader", || {
            let ready = |one: &&PlannedScheduler| {
                let vars = vars(one.http_port);
                let leads = vars.get("scheduler_lifecycle_LEADER_AWAITING_REGISTRATION") == Some(&1.into());
                leads && vars.contains_key("mem_storage_quota_size") && not != Some(one.name.as_str())
            };
            up.schedulers().iter().find(ready).cloned()
        })
    };
    let first = waits(None);
    let mut replay = Replay::new(&up, "nobody");
    for name in ["530", "531", "532"].iter().flat_map(|begin| named(begin)) {
        replay.send(&first, &name, Depth::Shape, "");
    }
    let body = tjson::encode_message(&Message::call("stageRecovery", 0, Struct::new().with(1, POPULATED))).unwrap();
    let head = |body: &[u8]| {
        format!(
            "POST /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{BYPASS}Content-Type: application/x-thrift\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
    };
    send(first.http_port, &[head(&body).as_bytes(), &body].concat()).unwrap();
    let commit = tjson::encode_message(&Message::call("commitRecovery", 0, Struct::new())).unwrap();
    send(first.http_port, &[head(&commit).as_bytes(), &commit].concat()).unwrap();
    up.cluster.service(&first.name, firstlight::practice::Service::Scheduler, Verb::Stop).unwrap();
    let next = waits(Some(&first.name));
    for name in ["01", "02", "03"].iter().flat_map(|begin| named(begin)) {
        // Tasks of the recorded cluster came and went between the backup and these answers; and which tasks are on a
        // page is not said by the order of anything.
        let moved = ["010", "011", "021", "022", "030"].iter().any(|begin| name.starts_with(begin));
        let depth = if moved { Depth::Shape } else { Depth::Whole };
        replay.send(&next, &name, depth, BYPASS);
    }
    for name in named("533") {
        replay.send(&next, &name, Depth::Shape, "");
    }
    replay.done(28);
}

#[test]
fn authentication() {
    let up = create(Scenario::Healthy, 1, false);
    let only = up.schedulers()[0].clone();
    let ini = up.cluster.dir().join("shiro.ini");
    let users = "[users]\nroot = secret, admin\nwfarner = password, eng\nksweeney = 12345\n\
                 [roles]\nadmin = *\neng = thrift.AuroraSchedulerManager:*\n";
    std::fs::write(&ini, users).unwrap();
    let extra =
        format!("EXTRA_SCHEDULER_ARGS=\"-http_authentication_mechanism=BASIC -shiro_ini_path={} ", ini.display());
    up.set_flags(&only, &[("EXTRA_SCHEDULER_ARGS=\"", &extra)]);
    up.cluster.start().unwrap();
    let leader = up.leader();
    let at = format!("127.0.0.1:{}", leader.http_port);
    let mut replay = Replay::new(&up, &at);
    for name in named("4") {
        replay.send(&leader, &name, Depth::Shape, "");
    }
    replay.done(30);
}

#[test]
fn the_ends() {
    let up = up(Scenario::Healthy, 1, false);
    let leader = up.leader();
    let mut replay = Replay::new(&up, "nobody");
    replay.send(&leader, "510-leader-POST-quitquitquit.http", Depth::Shape, "");
    up.wait("it is back", || (vars(leader.http_port).get("jvm_uptime_secs")?.as_i64()? < 60).then_some(()));
    replay.done(1);
    let leader = up.leader();
    assert!(send(leader.http_port, &read("511-leader-POST-abortabortabort.http", "request")).is_none());
}
