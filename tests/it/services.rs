//! Services under their managers. runit and supervisord are the real ones, each with a directory of its own; systemd,
//! Upstart and an LSB script are programs that write down what they are told and answer with texts of the real ones.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use firstlight::{
    actions::{Secrets, Sink, Stop, World, attempt, look},
    inventory::load_inventory,
    runbook::{
        kind::Kind,
        model::{HostName, StepId},
    },
    session::{AttemptId, Finding, Known, Look, Order, Outcome, Purpose, Report},
};
use serde_json::json;
use tempfile::TempDir;

const TIMEOUT_MS: u64 = 40_000;
const OURS: &str = "20261130-030405-west-abcd-a7";
const OTHERS: &str = "20261129-111111-west-9999-a3";

struct Bench {
    dir: TempDir,
    world: World,
}

impl Bench {
    /// With services, as YAML below `services:`; `DIR` stands for the directory.
    fn new(dir: TempDir, services: &str) -> Self {
        let services = services.replace("DIR", &dir.path().display().to_string());
        let yaml = format!(
            "format: 1\ncluster: {{ name: west }}\nservices:\n{services}\ngroups:\n  all:\n    hosts: [{{ name: s1, reach: local }}]\n"
        );
        let inventory = load_inventory("west.yaml", yaml.as_bytes()).unwrap_or_else(|problems| panic!("{problems}"));
        let stub = Path::new(env!("CARGO_BIN_EXE_firstlight"));
        let world = World::with_stub(Arc::new(inventory), Secrets::default(), Some(stub));
        Self { dir, world }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn mark(&self) -> String {
        self.path("db.held").display().to_string()
    }

    async fn attempt_with(&self, kind: Kind, guards: Vec<Kind>) -> Outcome {
        let (host, step) = (HostName::from("s1"), StepId::from("s"));
        let order =
            Order { attempt: AttemptId(1), step, host, kind, guards, known: Known::new(), timeout_ms: TIMEOUT_MS };
        attempt(&self.world, &order, &Sink::none(), &Stop::never()).await
    }

    async fn done(&self, kind: Kind) -> String {
        match self.attempt_with(kind, Vec::new()).await {
            Outcome::Done(report) => report.seen,
            other => panic!("{other:?}"),
        }
    }

    async fn not_done(&self, kind: Kind) -> String {
        match self.attempt_with(kind, Vec::new()).await {
            Outcome::Refused { why } | Outcome::Failed { why } => why,
            other => panic!("{other:?}"),
        }
    }

    async fn look(&self, kind: Kind) -> Report {
        let purpose = Purpose::Happened { attempt: AttemptId(1) };
        let host = HostName::from("s1");
        look(&self.world, &Look { purpose, host, kind, known: Known::new(), after_ms: 0, timeout_ms: TIMEOUT_MS }).await
    }

    async fn holds(&self, verb: &str, service: &str) -> bool {
        let report = self.look(told(verb, service)).await;
        assert_ne!(report.finding, Finding::Unknown, "{report:?}");
        report.finding == Finding::Holds
    }

    /// Until a service runs, or is stopped.
    async fn until(&self, verb: &str, service: &str) {
        let started = Instant::now();
        while !self.holds(verb, service).await {
            assert!(started.elapsed() < Duration::from_secs(20), "{service} is never {verb}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn hold(&self, service: &str, by: &str) -> Kind {
        kind(
            json!({ "hold": { "service": service, "beside": self.path("db"), "because": "its log is replaced", "by": by } }),
        )
    }

    fn release(&self, service: &str, by: &str) -> Kind {
        kind(json!({ "release": { "service": service, "beside": self.path("db"), "by": by } }))
    }

    fn held(&self, service: &str) -> Kind {
        kind(json!({ "held": { "service": service, "beside": self.path("db") } }))
    }

    fn free(&self, service: &str) -> Kind {
        kind(json!({ "free": { "service": service, "beside": self.path("db") } }))
    }
}

fn kind(service: serde_json::Value) -> Kind {
    serde_json::from_value(json!({ "service": service })).unwrap()
}

fn told(verb: &str, service: &str) -> Kind {
    kind(json!({ verb: service }))
}

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A program of Debian's packages; a test without it is loud, and fails where all of them must run.
fn installed(program: &str) -> bool {
    let there = ["/usr/bin", "/bin", "/usr/sbin"].iter().any(|dir| Path::new(dir).join(program).exists());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "{program} is not installed");
        eprintln!("SKIPPED: {program} is not installed");
    }
    there
}

/// A manager that is ended with the test, and its services with it.
struct Manager {
    child: Child,
    signal: rustix::process::Signal,
}

impl Manager {
    fn start(command: &mut Command, signal: rustix::process::Signal) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, signal }
    }

    fn end(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process(pid, self.signal);
            let _ = self.child.wait();
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.end();
    }
}

fn runit(dir: &Path) -> Manager {
    // A hangup has it end its services before itself.
    Manager::start(Command::new("runsvdir").arg("-P").arg(dir.join("sv")), rustix::process::Signal::HUP)
}

/// The process that `runsv` looks after at the moment.
fn pid_of(dir: &Path) -> Option<i32> {
    fs::read_to_string(dir.join("sv/scheduler/supervise/pid")).ok()?.trim().parse().ok()
}

/// Waits for a `runsv` to have ended: what it looks after is gone by then.
fn supervise_is_free(dir: &Path) {
    let started = Instant::now();
    let free = || {
        let Ok(file) = fs::OpenOptions::new().write(true).open(dir.join("sv/scheduler/supervise/lock")) else {
            return true;
        };
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
    };
    while !free() {
        assert!(started.elapsed() < Duration::from_secs(10), "runsv does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn a_service_under_runit() {
    if !installed("runsvdir") {
        return;
    }
    let dir = TempDir::new().unwrap();
    script(&dir.path().join("sv/scheduler/run"), "#!/bin/sh\nexec sleep 600\n");
    script(&dir.path().join("sv/crasher/run"), "#!/bin/sh\nexit 1\n");
    let services = "  scheduler: { manager: runit, unit: scheduler, dir: DIR/sv }\n  crasher: { manager: runit, unit: DIR/sv/crasher }";
    let bench = Bench::new(dir, services);
    let mut manager = runit(bench.dir.path());
    let up = bench.path("sv/scheduler/supervise/ok");
    let crashing = bench.path("sv/crasher/supervise/ok");
    let started = Instant::now();
    while !up.exists() || !crashing.exists() {
        assert!(started.elapsed() < Duration::from_secs(10), "runsvdir starts nothing");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.until("running", "scheduler").await;
    // Killed, it is started again, and is never taken for stopped in between.
    let before = pid_of(bench.dir.path()).expect("it runs");
    rustix::process::kill_process(rustix::process::Pid::from_raw(before).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
    let started = Instant::now();
    while !(bench.holds("running", "scheduler").await && pid_of(bench.dir.path()).is_some_and(|pid| pid != before)) {
        assert!(!bench.holds("stopped", "scheduler").await, "about to be started again is not stopped");
        assert!(started.elapsed() < Duration::from_secs(10), "it is not started again");
    }
    // Stopped between two of its starts, it stays down.
    assert!(bench.done(told("stop", "crasher")).await.contains("stays down"));
    assert!(bench.holds("stopped", "crasher").await);
    // What does not come up is no start that is done.
    assert!(matches!(bench.attempt_with(told("start", "nobody"), Vec::new()).await, Outcome::Failed { .. }));
    assert!(bench.done(told("stop", "scheduler")).await.contains("stays down"));
    assert!(bench.done(told("stop", "scheduler")).await.contains("stays down"), "stopped twice");

    assert!(bench.look(bench.free("scheduler")).await.finding == Finding::Holds);
    assert!(bench.done(bench.hold("scheduler", OURS)).await.contains("is held down"));
    bench.done(bench.hold("scheduler", OURS)).await;
    let mark = fs::read_to_string(bench.mark()).unwrap();
    let down = bench.path("sv/scheduler/down");
    for words in [
        "its log is replaced",
        "session: 20261130-030405-west-abcd\n",
        "attempt: a7",
        "since: 20",
        &format!("rm -f {}", down.display()),
    ] {
        assert!(mark.contains(words), "{words} is not in\n{mark}");
    }
    assert!(down.exists());
    assert_eq!(bench.look(bench.held("scheduler")).await.finding, Finding::Holds);
    let free = bench.look(bench.free("scheduler")).await;
    assert!(free.finding == Finding::Fails && free.seen.contains("20261130-030405-west-abcd"), "{free:?}");
    let guarded = bench.attempt_with(told("start", "scheduler"), vec![bench.free("scheduler")]).await;
    assert!(matches!(&guarded, Outcome::Refused { why } if why.contains("must not be started")), "{guarded:?}");
    assert!(bench.not_done(bench.hold("scheduler", OTHERS)).await.contains("20261130-030405-west-abcd"));
    assert!(bench.not_done(bench.release("scheduler", OTHERS)).await.contains("it was left"));
    // Not even a manager that starts anew, as after a reboot, starts it.
    manager.end();
    supervise_is_free(bench.dir.path());
    let mut manager = runit(bench.dir.path());
    let started = Instant::now();
    while bench.look(told("stopped", "scheduler")).await.finding != Finding::Holds {
        assert!(started.elapsed() < Duration::from_secs(10), "runsvdir does not come back");
    }
    assert!(!bench.holds("running", "scheduler").await);

    assert!(bench.done(bench.release("scheduler", OURS)).await.contains("let scheduler go"));
    assert!(!down.exists() && !Path::new(&bench.mark()).exists());
    assert!(bench.holds("stopped", "scheduler").await, "letting go starts nothing");
    assert!(bench.done(bench.release("scheduler", OURS)).await.contains("nothing to let go"));
    bench.done(told("start", "scheduler")).await;
    bench.until("running", "scheduler").await;
    manager.end();
}

#[tokio::test]
async fn a_service_under_supervisord() {
    if !installed("supervisord") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let home = dir.path().display().to_string();
    let conf = dir.path().join("c");
    fs::write(
        &conf,
        format!(
            "[unix_http_server]\nfile={home}/s\n[supervisord]\nlogfile={home}/log\npidfile={home}/pid\n\
             [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
             [supervisorctl]\nserverurl=unix://{home}/s\n\
             [program:scheduler]\ncommand=/bin/sleep 600\nstartsecs=0\nautorestart=true\n\
             [program:crasher]\ncommand=/bin/false\nstartsecs=1\nstartretries=100\nautorestart=true\n"
        ),
    )
    .unwrap();
    let with = "program: [supervisorctl, -c, DIR/c]";
    let services = format!(
        "  scheduler: {{ manager: supervisor, unit: scheduler, {with} }}\n  crasher: {{ manager: supervisor, unit: crasher, {with} }}\n  nobody: {{ manager: supervisor, unit: nobody, {with} }}"
    );
    let bench = Bench::new(dir, &services);
    let unreachable = bench.look(told("stopped", "scheduler")).await;
    assert_eq!(unreachable.finding, Finding::Unknown, "a supervisor that is not there says nothing: {unreachable:?}");
    let _manager =
        Manager::start(Command::new("supervisord").arg("-n").arg("-c").arg(&conf), rustix::process::Signal::TERM);
    let started = Instant::now();
    while bench.look(told("running", "scheduler")).await.finding != Finding::Holds {
        assert!(started.elapsed() < Duration::from_secs(20), "supervisord does not come up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(bench.done(told("stop", "crasher")).await.contains("stays down"));
    assert!(bench.holds("stopped", "crasher").await);
    bench.done(told("start", "scheduler")).await;
    assert!(bench.done(told("stop", "scheduler")).await.contains("stays down"));
    assert!(bench.done(told("stop", "scheduler")).await.contains("stays down"), "stopped twice");
    assert!(bench.holds("stopped", "scheduler").await && !bench.holds("running", "scheduler").await);
    assert!(bench.not_done(told("start", "nobody")).await.contains("no such process"));
    // It has nothing to hold a program down with: the mark is all there is, and that is said.
    assert!(bench.done(bench.hold("scheduler", OURS)).await.contains("no means"));
    assert_eq!(bench.look(bench.held("scheduler")).await.finding, Finding::Holds);
    let guarded = bench.attempt_with(told("start", "scheduler"), vec![bench.free("scheduler")]).await;
    assert!(matches!(guarded, Outcome::Refused { .. }), "{guarded:?}");
    bench.done(bench.release("scheduler", OURS)).await;
    bench.done(told("restart", "scheduler")).await;
    bench.until("running", "scheduler").await;
}

/// Answers as `systemctl` does, and writes down what it is told. A file `etc` stands for a unit in `/etc`, over which a
/// mask for the runtime has no power.
const SYSTEMCTL: &str = r#"#!/bin/sh
home=$(dirname "$0")
echo "$*" >> "$home/told"
load=$(cat "$home/load"); active=$(cat "$home/active"); sub=$(cat "$home/sub")
case "$1" in
  show) printf 'LoadState=%s\nActiveState=%s\nSubState=%s\n' "$load" "$active" "$sub" ;;
  stop) echo inactive > "$home/active"; echo dead > "$home/sub" ;;
  start)
    if [ "$load" = masked ]; then
      echo "Failed to start $2.service: Unit $2.service is masked." >&2; exit 1
    fi
    echo active > "$home/active"; echo running > "$home/sub" ;;
  mask)
    echo "Created symlink /run/systemd/system/$3.service → /dev/null." >&2
    [ -e "$home/etc" ] || echo masked > "$home/load" ;;
  unmask) echo "Removed /run/systemd/system/$3.service." >&2; echo loaded > "$home/load" ;;
  daemon-reload) ;;
  *) echo "Unknown operation $1." >&2; exit 1 ;;
esac
"#;

fn systemd() -> Bench {
    let dir = TempDir::new().unwrap();
    script(&dir.path().join("systemctl"), SYSTEMCTL);
    for (name, text) in [("load", "loaded"), ("active", "activating"), ("sub", "auto-restart")] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    fs::create_dir(dir.path().join("run")).unwrap();
    let services =
        "  scheduler: { manager: systemd, unit: aurora-scheduler, program: [DIR/systemctl], dir: DIR/run, matches: x }";
    Bench::new(dir, services)
}

/// What a manager was told that changes something.
fn orders(bench: &Bench) -> Vec<String> {
    let told = fs::read_to_string(bench.path("told")).unwrap();
    fs::remove_file(bench.path("told")).unwrap();
    told.lines().filter(|line| !line.starts_with("show") && !line.starts_with("status")).map(str::to_owned).collect()
}

#[tokio::test]
async fn what_systemd_is_told() {
    let bench = systemd();
    // Down for twenty seconds by `RestartSec`, and neither running nor stopped.
    assert!(!bench.holds("stopped", "scheduler").await && !bench.holds("running", "scheduler").await);
    bench.done(told("stop", "scheduler")).await;
    assert!(bench.holds("stopped", "scheduler").await);
    bench.done(bench.hold("scheduler", OURS)).await;
    assert_eq!(bench.look(bench.held("scheduler")).await.finding, Finding::Holds);
    assert!(bench.not_done(told("start", "scheduler")).await.contains("is masked"));
    assert!(fs::read_to_string(bench.mark()).unwrap().contains("unmask --runtime aurora-scheduler"));
    bench.done(bench.release("scheduler", OURS)).await;
    assert_eq!(bench.look(bench.free("scheduler")).await.finding, Finding::Holds);
    bench.done(told("start", "scheduler")).await;
    assert!(bench.holds("running", "scheduler").await);
    let wanted = [
        "stop aurora-scheduler",
        "mask --runtime aurora-scheduler",
        "start aurora-scheduler",
        "unmask --runtime aurora-scheduler",
        "start aurora-scheduler",
    ];
    assert_eq!(orders(&bench), wanted);
}

#[tokio::test]
async fn a_unit_that_no_mask_reaches_is_held_by_an_assertion() {
    let bench = systemd();
    fs::write(bench.path("etc"), "").unwrap();
    bench.done(bench.hold("scheduler", OURS)).await;
    let drop_in = bench.path("run/aurora-scheduler.service.d/zz-firstlight-hold.conf");
    assert!(fs::read_to_string(&drop_in).unwrap().contains(&format!("AssertPathExists=!{}", bench.mark())));
    assert_eq!(bench.look(bench.held("scheduler")).await.finding, Finding::Holds);
    bench.done(bench.release("scheduler", OURS)).await;
    assert!(!drop_in.exists());
    assert_eq!(bench.look(bench.free("scheduler")).await.finding, Finding::Holds);
    let unmask = "unmask --runtime aurora-scheduler";
    assert_eq!(orders(&bench), ["mask --runtime aurora-scheduler", unmask, "daemon-reload", "daemon-reload", unmask]);
}

#[tokio::test]
async fn what_was_masked_before_stays_masked() {
    let bench = systemd();
    fs::write(bench.path("load"), "masked").unwrap();
    bench.done(bench.hold("scheduler", OURS)).await;
    assert!(bench.done(bench.release("scheduler", OURS)).await.contains("still is"));
    let free = bench.look(bench.free("scheduler")).await;
    assert!(free.finding == Finding::Fails && free.seen.contains("not this program"), "{free:?}");
}

#[tokio::test]
async fn what_upstart_and_an_lsb_script_are_told() {
    let dir = TempDir::new().unwrap();
    script(
        &dir.path().join("initctl"),
        "#!/bin/sh\nhome=$(dirname \"$0\")\necho \"$*\" >> $home/told\ncase $1 in\n\
         start) [ -e $home/up ] && { echo 'initctl: Job is already running: aurora' >&2; exit 1; }; : > $home/up ;;\n\
         stop) [ -e $home/up ] || { echo 'initctl: Unknown instance:' >&2; exit 1; }; rm $home/up ;;\nesac\n\
         if [ -e $home/up ]; then echo 'aurora start/running, process 812'; else echo 'aurora stop/waiting'; fi\n",
    );
    script(
        &dir.path().join("service"),
        "#!/bin/sh\nhome=$(dirname \"$0\")\necho \"$*\" >> $home/told\ncase $2 in\nstart) : > $home/lsb ;;\nstop) rm -f $home/lsb ;;\n\
         status) [ -e $home/lsb ] && { echo 'aurora (pid 812) is running...'; exit 0; }; echo 'aurora is stopped'; exit 3 ;;\nesac\n",
    );
    fs::create_dir(dir.path().join("init")).unwrap();
    fs::write(dir.path().join("init/aurora.override"), "env GLOG_v=1").unwrap();
    let services = "  scheduler: { manager: upstart, unit: aurora, program: [DIR/initctl], dir: DIR/init }\n  lsb: { manager: sysv, unit: aurora, program: [DIR/service] }";
    let bench = Bench::new(dir, services);
    bench.done(told("start", "scheduler")).await;
    assert!(bench.done(told("start", "scheduler")).await.contains("runs already"));
    bench.done(told("stop", "scheduler")).await;
    assert!(bench.done(told("stop", "scheduler")).await.contains("Unknown instance"));
    assert!(bench.holds("stopped", "scheduler").await);
    bench.done(bench.hold("scheduler", OURS)).await;
    let file = bench.path("init/aurora.override");
    assert_eq!(fs::read_to_string(&file).unwrap(), "env GLOG_v=1\nmanual # held by firstlight\n");
    assert_eq!(bench.look(bench.held("scheduler")).await.finding, Finding::Holds);
    bench.done(bench.release("scheduler", OURS)).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), "env GLOG_v=1\n");
    fs::remove_file(&file).unwrap();
    bench.done(bench.hold("scheduler", OURS)).await;
    bench.done(bench.release("scheduler", OURS)).await;
    assert!(!file.exists(), "what was not there is not there again");
    bench.done(told("restart", "lsb")).await;
    assert!(bench.holds("running", "lsb").await);
    let mut told = orders(&bench);
    told.retain(|order| !order.ends_with("status"));
    assert_eq!(told, ["start aurora", "start aurora", "stop aurora", "stop aurora", "aurora stop", "aurora start"]);
}

#[test]
fn managers_are_checked_like_everything_else_in_an_inventory() {
    let load = |service: &str| {
        let yaml = format!(
            "format: 1\ncluster: {{ name: west }}\nservices:\n  scheduler:\n    {service}\ngroups:\n  all:\n    hosts: [{{ name: s1, reach: local }}]\n"
        );
        load_inventory("west.yaml", yaml.as_bytes())
    };
    for (service, place, words) in [
        ("{ unit: x, start: [a], stop: [b], status: [c] }", "5:13", "means nothing without `manager`"),
        ("{ manager: systemd }", "5:16", "`unit` is missing"),
        ("{ manager: systemd, unit: x, start: [a] }", "5:41", "means nothing beside `manager`"),
        ("{ manager: systemd, unit: -x }", "5:31", "not the name of a service"),
        ("{ manager: sysv, unit: x, dir: /y }", "5:36", "means nothing to this manager"),
        ("{ manager: launchd, unit: x }", "5:16", "launchd"),
        ("{ start: [a] }", "5:5", "missing: `stop`, `status`"),
        ("{ start: [], stop: [b], status: [c] }", "5:14", "it runs nothing"),
        ("{ manager: runit, unit: x, hold: [a] }", "5:38", "`release` is missing"),
        ("{ manager: runit, unit: \"{{ host.none }}\" }", "5:29", "host.none"),
    ] {
        let problems = load(service).unwrap_err().to_string();
        assert!(problems.contains(&format!("west.yaml:{place}")) && problems.contains(words), "{service}:\n{problems}");
    }
    for service in [
        "{ manager: systemd, unit: x, matches: y }",
        "{ manager: runit, unit: x, dir: /sv, hold: [a], release: [b] }",
        "{ start: [a], stop: [b], status: [c], hold: [d], release: [e], flags: { read: [f], write: [g] } }",
    ] {
        let inventory = load(service).unwrap();
        let again = load_inventory("again", firstlight::inventory::inventory_yaml(&inventory).as_bytes());
        assert_eq!(again.unwrap(), inventory, "{service}");
    }
}
