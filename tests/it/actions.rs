//! Actions and looks against real processes, real files, a loopback server.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use firstlight::{
    actions::{Secrets, Sink, Stop, World, attempt, look, predict},
    engine::{OutputStore, Stream},
    inventory::Inventory,
    runbook::{
        kind::{Command, Files, Http, Kind, Port, Process, Service},
        model::{HostName, InputId, LOCAL, StepId},
        text::{ShellText, Text},
    },
    session::{AttemptId, Finding, Known, Look, Order, Outcome, Purpose, Report},
};
use serde_json::json;
use tempfile::TempDir;

const TIMEOUT_MS: u64 = 10_000;

struct Bench {
    dir: TempDir,
    world: World,
    output: OutputStore,
    secrets: Secrets,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let home = dir.path().display().to_string();
        let inventory: Inventory = serde_json::from_value(json!({
            "cluster": "west",
            "vars": { "home": home },
            "services": { "daemon": {
                "start": ["/bin/sh", "-c", "setsid sleep 600 >/dev/null 2>&1 </dev/null & echo $! > {{ cluster.home }}/pid"],
                "stop": ["/bin/sh", "-c", "kill $(cat {{ cluster.home }}/pid) && rm {{ cluster.home }}/pid"],
                "status": ["/bin/sh", "-c", "test -e {{ cluster.home }}/pid || exit 3; kill -0 $(cat {{ cluster.home }}/pid)"],
                "pid_file": "{{ cluster.home }}/pid",
            }, "matched": {
                "start": ["true"], "stop": ["true"], "status": ["false"], "matches": "{{ cluster.home }}/no-such-program",
            }},
            "groups": { "all": { "hosts": [{ "name": "s1", "reach": "local" }] } },
        }))
        .unwrap();
        let secrets = Secrets::default();
        let stub = Path::new(env!("CARGO_BIN_EXE_firstlight"));
        let world = World::with_stub(Arc::new(inventory), secrets.clone(), Some(stub));
        Self { dir, world, output: OutputStore::default(), secrets }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> Text {
        Text(self.path(name).display().to_string())
    }

    fn order(&self, kind: Kind, guards: Vec<Kind>, timeout_ms: u64) -> Order {
        let host = HostName::from(LOCAL);
        Order { attempt: AttemptId(1), step: StepId::from("s"), host, kind, guards, known: Known::new(), timeout_ms }
    }

    fn sink(&self) -> Sink {
        let file = fs::File::create(self.path("output")).unwrap();
        Sink::new(AttemptId(1), HostName::from(LOCAL), self.output.clone(), self.secrets.clone(), Some(file))
    }

    async fn attempt(&self, kind: Kind) -> Outcome {
        attempt(&self.world, &self.order(kind, Vec::new(), TIMEOUT_MS), &self.sink(), &Stop::never()).await
    }

    async fn done(&self, kind: Kind) -> Report {
        match self.attempt(kind).await {
            Outcome::Done(report) => report,
            other => panic!("{other:?}"),
        }
    }

    async fn failed(&self, kind: Kind) -> String {
        match self.attempt(kind).await {
            Outcome::Failed { why } => why,
            other => panic!("{other:?}"),
        }
    }

    async fn look_for(&self, kind: Kind, timeout_ms: u64) -> Report {
        let purpose = Purpose::Happened { attempt: AttemptId(1) };
        let host = HostName::from(LOCAL);
        look(&self.world, &Look { purpose, host, kind, known: Known::new(), after_ms: 0, timeout_ms }).await
    }

    async fn look(&self, kind: Kind) -> Report {
        self.look_for(kind, TIMEOUT_MS).await
    }

    fn lines(&self, stream: Stream) -> Vec<String> {
        self.output
            .with(|lines| lines.iter().filter(|line| line.stream == stream).map(|line| line.text.to_owned()).collect())
    }
}

fn kind(value: serde_json::Value) -> Kind {
    serde_json::from_value(value).unwrap()
}

fn shell(line: &str) -> Command {
    Command { shell: Some(ShellText::from(line)), ..Command::default() }
}

fn run(line: &str) -> Kind {
    Kind::Command(shell(line))
}

fn reads(line: &str) -> Kind {
    Kind::Command(Command { reads: true, ..shell(line) })
}

fn alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn pid_in(path: &Path) -> i32 {
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

async fn until(what: &str, so: impl Fn() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn commands_end_as_what_they_are() {
    let bench = Bench::new();
    let cases: Vec<(Kind, &str)> = vec![
        (run("true"), "done"),
        (run("echo no >&2; exit 4"), "failed: exit code 4: no"),
        (Kind::Command(Command { ok: vec![4], ..shell("exit 4") }), "done"),
        (run("kill -9 $$"), "in doubt: ended by signal 9"),
        (run("/no/such/program"), "failed: exit code 127"),
        (
            Kind::Command(Command { argv: vec![Text::from("/no/such/program")], ..Command::default() }),
            "failed: exit code 127: firstlight: cannot run /no/such/program",
        ),
        (Kind::Command(Command::default()), "failed: there is neither"),
        (reads("exit 1"), "failed: exit code 1"),
        (reads("exit 0"), "done"),
    ];
    for (kind, wanted) in cases {
        let shown = format!("{kind:?}");
        let found = match bench.attempt(kind).await {
            Outcome::Done(_) => "done".to_owned(),
            Outcome::Failed { why } => format!("failed: {why}"),
            Outcome::InDoubt { why } => format!("in doubt: {why}"),
            other => format!("{other:?}"),
        };
        assert!(found.starts_with(wanted), "{shown}: {found}");
    }
}

#[tokio::test]
async fn what_a_command_prints_becomes_outputs() {
    use firstlight::runbook::kind::Capture;
    let bench = Bench::new();
    let with = |line: &str, capture| Kind::Command(Command { capture, ..shell(line) });
    let cases = [
        (with("printf 'a\\nb\\n'", Capture::Text), json!({ "text": "a\nb" })),
        (with("printf 'a\\nb\\n'", Capture::Lines), json!({ "lines": ["a", "b"] })),
        (with("echo '{\"n\": 1}'", Capture::Json), json!({ "n": 1 })),
        (with("echo x", Capture::Nothing), json!(null)),
    ];
    for (kind, wanted) in cases {
        assert_eq!(bench.done(kind).await.outputs, wanted);
    }
    assert!(bench.failed(with("echo x", Capture::Json)).await.contains("not print a JSON object"));
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group_and_is_in_doubt() {
    let bench = Bench::new();
    // The shell ignores TERM, and so does what it starts: both are killed.
    let line = format!("trap '' TERM; sleep 600 & echo $! > {}; wait; sleep 600", bench.text("child"));
    let order = bench.order(run(&line), Vec::new(), 500);
    let outcome = attempt(&bench.world, &order, &bench.sink(), &Stop::never()).await;
    assert!(matches!(&outcome, Outcome::InDoubt { why } if why.contains("took too long")), "{outcome:?}");
    let child = pid_in(&bench.path("child"));
    until("the grandchild is gone", || !alive(child)).await;
}

#[tokio::test]
async fn stopping_ends_a_command_and_is_in_doubt() {
    let bench = Bench::new();
    let (stopper, stop) = Stop::pair();
    let order = bench.order(run(&format!("echo $$ > {}; sleep 600", bench.text("pid"))), Vec::new(), TIMEOUT_MS);
    let sink = bench.sink();
    let (outcome, ()) = tokio::join!(attempt(&bench.world, &order, &sink, &stop), async {
        until("it began", || fs::read_to_string(bench.path("pid")).is_ok_and(|text| text.ends_with('\n'))).await;
        stopper.stop();
    });
    assert!(matches!(&outcome, Outcome::InDoubt { why } if why.contains("stopped")), "{outcome:?}");
    assert!(!alive(pid_in(&bench.path("pid"))));
    // Stopped before it begins: nothing happens at all.
    let order = bench.order(run("touch never"), Vec::new(), TIMEOUT_MS);
    let outcome = attempt(&bench.world, &order, &sink, &stop).await;
    assert!(matches!(outcome, Outcome::Cancelled { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_daemon_that_keeps_the_pipes_does_not_hold_us() {
    let bench = Bench::new();
    let started = Instant::now();
    let line = format!("setsid sleep 600 & echo $! > {}; echo ok", bench.text("pid"));
    let report = bench.done(run(&line)).await;
    assert!(report.seen.contains("still holds its output"), "{}", report.seen);
    assert!(started.elapsed() < Duration::from_secs(5));
    let daemon = pid_in(&bench.path("pid"));
    assert!(alive(daemon), "a daemon that was meant to stay was ended");
    let pid = rustix::process::Pid::from_raw(daemon).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_child_has_no_terminal_no_input_and_a_session_of_its_own() {
    let bench = Bench::new();
    let report = bench
        .done(run("(echo bad > /dev/tty) 2>/dev/null && echo tty; cat; ps -o sid= -p $$ | tr -d ' '; echo $$"))
        .await;
    let lines = bench.lines(Stream::Out);
    assert_eq!(lines.len(), 2, "{lines:?} {report:?}");
    assert_eq!(lines[0], lines[1], "not the leader of its session");
}

#[tokio::test]
async fn hostile_output_is_made_plain_and_kept() {
    let bench = Bench::new();
    bench.done(run(r"printf '\033]52;c;ZXZpbA==\007\033[31mred\tx\377\n\033[2Jno end'")).await;
    assert_eq!(bench.lines(Stream::Out), ["red     x\\xff".to_owned(), "no end".to_owned()]);
    let kept = fs::read(bench.path("output")).unwrap();
    assert!(kept.windows(4).any(|part| part == b"\x1b[31"), "the file has the bytes as they came");
}

#[tokio::test]
async fn a_flood_is_bounded_in_time_and_memory() {
    let bench = Bench::new();
    let order = bench.order(run("yes"), Vec::new(), 400);
    let outcome = attempt(&bench.world, &order, &bench.sink(), &Stop::never()).await;
    assert!(matches!(outcome, Outcome::InDoubt { .. }), "{outcome:?}");
    assert!(fs::metadata(bench.path("output")).unwrap().len() < 70 * 1024 * 1024);
}

#[tokio::test]
async fn secrets_reach_the_environment_and_nothing_else() {
    let bench = Bench::new();
    bench.secrets.put(InputId::from("password"), "hunter2".to_owned());
    let mark = Text::from("\u{27e6}secret:password\u{27e7}");
    let env = BTreeMap::from([("PASSWORD".to_owned(), mark.clone())]);
    let kind = Kind::Command(Command { env, ..shell("test \"$PASSWORD\" = hunter2 && echo it is $PASSWORD") });
    let report = bench.done(kind).await;
    assert_eq!(report.details, ["it is ***"]);
    assert!(bench.lines(Stream::Out).contains(&"it is ***".to_owned()));
    assert!(!String::from_utf8_lossy(&fs::read(bench.path("output")).unwrap()).contains("hunter2"));
    let argv = Kind::Command(Command { argv: vec![Text::from("echo"), mark], ..Command::default() });
    assert!(bench.failed(argv).await.contains("a secret may only stand"));
}

#[tokio::test]
async fn guards_come_first() {
    let bench = Bench::new();
    let here = Kind::Files(Files::Exists { path: bench.text("here") });
    let touch = run(&format!("touch {}", bench.text("done")));
    for (guard, word) in [(here.clone(), "does not hold"), (reads("sleep 600"), "could not be seen")] {
        let order = bench.order(touch.clone(), vec![guard], 600);
        let outcome = attempt(&bench.world, &order, &bench.sink(), &Stop::never()).await;
        assert!(matches!(&outcome, Outcome::Refused { why } if why.contains(word)), "{outcome:?}");
        assert!(!bench.path("done").exists());
    }
    fs::write(bench.path("here"), "").unwrap();
    let order = bench.order(touch, vec![here], TIMEOUT_MS);
    assert!(matches!(attempt(&bench.world, &order, &bench.sink(), &Stop::never()).await, Outcome::Done(_)));
    assert!(bench.path("done").exists());
}

#[tokio::test]
async fn services_and_their_processes() {
    let bench = Bench::new();
    let daemon = || Text::from("daemon");
    let present = || Kind::Process(Process::Present(daemon()));
    let absent = || Kind::Process(Process::Absent(daemon()));
    let running = || Kind::Service(Service::Running(daemon()));
    assert_eq!(bench.look(present()).await.finding, Finding::Fails);
    assert_eq!(bench.look(running()).await.finding, Finding::Fails);
    let foreseen =
        predict(&bench.world, &HostName::from(LOCAL), &Kind::Service(Service::Start(daemon())), &Known::new()).await;
    assert!(foreseen.would.contains("does not run now"), "{foreseen:?}");
    bench.done(Kind::Service(Service::Start(daemon()))).await;
    until("it runs", || fs::read_to_string(bench.path("pid")).is_ok_and(|text| text.ends_with('\n'))).await;
    assert_eq!(bench.look(present()).await.finding, Finding::Holds);
    assert_eq!(bench.look(absent()).await.finding, Finding::Fails);
    assert_eq!(bench.look(running()).await.finding, Finding::Holds);
    let pid = pid_in(&bench.path("pid"));
    bench.done(Kind::Service(Service::Stop(daemon()))).await;
    until("it ended", || !alive(pid)).await;
    let everywhere = Kind::Process(Process::AbsentEverywhere { service: daemon(), group: "all".to_owned() });
    assert_eq!(bench.look(everywhere).await.finding, Finding::Holds);
    // A file that names another program, started after the file was written, is not the service.
    fs::write(bench.path("pid"), format!("{}\n", std::process::id())).unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options().write(true).open(bench.path("pid")).unwrap().set_modified(long_ago).unwrap();
    // Our own process is never looked at.
    assert_eq!(bench.look(absent()).await.finding, Finding::Holds);
    fs::write(bench.path("pid"), "1\n").unwrap();
    fs::File::options().write(true).open(bench.path("pid")).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(bench.look(absent()).await.finding, Finding::Unknown);
    fs::write(bench.path("pid"), "none of your business").unwrap();
    assert_eq!(bench.look(absent()).await.finding, Finding::Unknown);
    assert_eq!(bench.look(Kind::Process(Process::Absent(Text::from("matched")))).await.finding, Finding::Holds);
    assert_eq!(bench.look(Kind::Service(Service::Running(Text::from("matched")))).await.finding, Finding::Unknown);
    assert_eq!(bench.look(Kind::Process(Process::Absent(Text::from("nobody")))).await.finding, Finding::Unknown);
}

#[tokio::test]
async fn ports_are_open_closed_or_unknown() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = Text(listener.local_addr().unwrap().to_string());
    let port = Text(listener.local_addr().unwrap().port().to_string());
    assert_eq!(bench.look(Kind::Port(Port::Open(at.clone()))).await.finding, Finding::Holds);
    assert_eq!(bench.look(Kind::Port(Port::Open(port))).await.finding, Finding::Holds);
    assert_eq!(bench.look(Kind::Port(Port::Closed(at.clone()))).await.finding, Finding::Fails);
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (address, wanted) in [
        (format!("zk://localhost:{dead}/mesos/master"), Finding::Holds),
        (format!("zk://me:secret@127.0.0.1:{dead},localhost:{dead}/mesos"), Finding::Holds),
        (format!("127.0.0.1:{dead}"), Finding::Holds),
        // Without a path the driver aborts; one that answers is enough to be in danger; a name without an address is
        // neither dead nor alive.
        (format!("zk://localhost:{dead}"), Finding::Fails),
        (format!("zk://localhost:{dead},{at}/mesos"), Finding::Fails),
        (format!("zk://no-such-host.invalid:{dead},{at}/mesos"), Finding::Fails),
        (format!("zk://no-such-host.invalid:{dead},localhost:{dead}/mesos"), Finding::Unknown),
        ("file:///etc/mesos/zk".to_owned(), Finding::Unknown),
    ] {
        let report = bench.look(Kind::Port(Port::NoMasterAt(Text::from(address.as_str())))).await;
        assert_eq!(report.finding, wanted, "{address}: {}", report.seen);
        assert!(!report.seen.contains("secret"));
    }
    drop(listener);
    assert_eq!(bench.look(Kind::Port(Port::Closed(at.clone()))).await.finding, Finding::Holds);
    assert_eq!(bench.look(Kind::Port(Port::Open(at))).await.finding, Finding::Fails);
    assert_eq!(bench.look(Kind::Port(Port::Open(Text::from("nowhere")))).await.finding, Finding::Unknown);
}

/// Answers every request on a port with the same bytes, until the test ends; nothing at all if they are empty.
fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut bytes = [0; 4096];
            let _ = stream.read(&mut bytes);
            if answer == "silence" {
                std::thread::park();
            }
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{at}/x")
}

fn http(url: &str) -> Http {
    serde_json::from_value(json!({ "url": url })).unwrap()
}

#[tokio::test]
async fn http_keeps_failed_in_doubt_and_unknown_apart() {
    use firstlight::runbook::kind::Method;
    let bench = Bench::new();
    let ok = server("HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\n{\"a\": 1}");
    let redirect =
        server("HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let closes = server("");
    let silence = server("silence");
    let nobody = "http://127.0.0.1:1/".to_owned();
    let cases = [
        (&ok, Finding::Holds, "done"),
        (&redirect, Finding::Fails, "failed"),
        (&closes, Finding::Unknown, "in doubt"),
        (&silence, Finding::Unknown, "in doubt"),
        (&nobody, Finding::Unknown, "failed"),
        (&"https://127.0.0.1:1/".to_owned(), Finding::Unknown, "failed"),
    ];
    for (url, seen, ended) in cases {
        let report = bench.look_for(Kind::Http(http(url)), 700).await;
        assert_eq!(report.finding, seen, "{url}: {report:?}");
        let order = bench.order(Kind::Http(Http { method: Method::Post, ..http(url) }), Vec::new(), 700);
        let found = match attempt(&bench.world, &order, &bench.sink(), &Stop::never()).await {
            Outcome::Done(_) => "done",
            Outcome::Failed { .. } => "failed",
            Outcome::InDoubt { .. } => "in doubt",
            other => panic!("{other:?}"),
        };
        assert_eq!(found, ended, "{url}");
    }
    let contains = Kind::Http(Http { contains: Some(Text::from("\"b\"")), ..http(&ok) });
    assert_eq!(bench.look(contains).await.finding, Finding::Fails);
    let capture = Kind::Http(Http { capture: firstlight::runbook::kind::Capture::Json, ..http(&ok) });
    assert_eq!(bench.look(capture).await.outputs, json!({ "a": 1 }));
    let redirected = bench.look(Kind::Http(http(&redirect))).await;
    assert!(redirected.seen.contains("307 to http://127.0.0.1:1/"), "{}", redirected.seen);
}

#[tokio::test]
async fn a_look_ends_in_time_and_is_unknown() {
    let bench = Bench::new();
    let started = Instant::now();
    let line = format!("sleep 600 & echo $! > {}; wait", bench.text("child"));
    let report = bench.look_for(reads(&line), 300).await;
    assert_eq!(report.finding, Finding::Unknown);
    let child = pid_in(&bench.path("child"));
    until("what the look started is gone", || !alive(child)).await;
    assert!(started.elapsed() < Duration::from_secs(5));
    let wait: Kind = Kind::Wait(firstlight::runbook::kind::Wait { r#for: Text::from("1ms") });
    assert_eq!(bench.look(wait).await.finding, Finding::Holds);
}

#[tokio::test]
async fn what_a_killed_move_left_half_written_goes_with_the_next() {
    let bench = Bench::new();
    fs::create_dir(bench.path("db")).unwrap();
    fs::write(bench.path("db/one"), "1").unwrap();
    fs::create_dir(bench.path("db.aside-SESSION-a3")).unwrap();
    let goes = [".db.aside-SESSION-a5.manifest.firstlight-tmp", "db.aside-SESSION-a6.manifest"];
    let stays = ["db.aside-SESSION-a3.manifest", "db.aside-ANOTHER-a5.manifest"];
    goes.iter().chain(&stays).for_each(|name| fs::write(bench.path(name), "{}").unwrap());
    let to = Some(bench.text("db.aside-SESSION-a7"));
    bench.done(Kind::Files(Files::MoveAside { path: bench.text("db"), to })).await;
    let left: Vec<_> = goes.iter().filter(|name| bench.path(name).exists()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(stays.iter().all(|name| bench.path(name).exists()));
    assert!(bench.path("db.aside-SESSION-a7.manifest").exists());
}

#[tokio::test]
async fn a_directory_moves_aside_and_back() {
    let bench = Bench::new();
    let log = bench.path("db");
    fs::create_dir_all(log.join("sub")).unwrap();
    fs::write(log.join("CURRENT"), "MANIFEST-1\n").unwrap();
    fs::write(log.join("sub/x"), "deep").unwrap();
    fs::set_permissions(&log, fs::Permissions::from_mode(0o750)).unwrap();
    let aside = Files::MoveAside { path: bench.text("db/"), to: Some(bench.text("db.aside")) };
    let foreseen = predict(&bench.world, &HostName::from(LOCAL), &Kind::Files(aside.clone()), &Known::new()).await;
    assert_eq!(foreseen.possible, Finding::Holds, "{foreseen:?}");
    assert!(foreseen.would.contains("2 files, 15 bytes"), "{foreseen:?}");
    assert!(log.join("CURRENT").exists(), "a prediction moved something");
    bench.done(Kind::Files(aside.clone())).await;
    assert_eq!(fs::read_dir(&log).unwrap().count(), 0);
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o7777, 0o750);
    assert_eq!(fs::read_to_string(bench.path("db.aside/sub/x")).unwrap(), "deep");
    let manifest = fs::read_to_string(bench.path("db.aside.manifest")).unwrap();
    assert!(manifest.contains("\"name\":\"CURRENT\"") && manifest.contains("\"sha256\":\""), "{manifest}");
    assert!(bench.failed(Kind::Files(aside)).await.contains("already there"));
    // Something was made in its place: it goes aside in its turn.
    fs::write(log.join("NEW"), "new").unwrap();
    let back = Kind::Files(Files::MoveBack { from: bench.text("db.aside"), to: bench.text("db") });
    let report = bench.done(back.clone()).await;
    assert!(report.seen.contains("db.aside.replaced"), "{}", report.seen);
    assert_eq!(fs::read_to_string(log.join("CURRENT")).unwrap(), "MANIFEST-1\n");
    assert_eq!(fs::read_to_string(bench.path("db.aside.replaced/NEW")).unwrap(), "new");
    assert!(!bench.path("db.aside.manifest").exists());
    assert!(bench.done(back).await.seen.contains("nothing to put back"));
}

#[tokio::test]
async fn paths_that_must_not_be_touched_are_not() {
    let bench = Bench::new();
    std::os::unix::fs::symlink(bench.path("real"), bench.path("link")).unwrap();
    let link = bench.path("link").display().to_string();
    for path in ["/", "", "relative/path", "/etc", "//", "/tmp/../etc", "/tmp/./x", link.as_str()] {
        let to = Some(bench.text("away"));
        let aside = Kind::Files(Files::MoveAside { path: Text::from(path), to });
        assert!(bench.failed(aside).await.contains("refused to touch"), "{path}");
        let remove = Kind::Files(Files::Remove { path: Text::from(path), only_if_sha256: None });
        assert!(bench.failed(remove).await.contains("refused to touch"), "{path}");
    }
    assert!(bench.path("link").is_symlink());
}

#[tokio::test]
async fn a_copy_has_its_name_only_when_it_is_whole() {
    let bench = Bench::new();
    fs::write(bench.path("from"), "content").unwrap();
    let digest = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";
    let copy = |sha256: &str, to: &str| {
        Kind::Files(Files::Copy {
            from: bench.text("from"),
            from_host: Some(Text::from("s1")),
            to: bench.text(to),
            sha256: Some(Text::from(sha256)),
        })
    };
    assert!(bench.failed(copy(&"0".repeat(64), "to")).await.contains("not copied"));
    assert!(!bench.path("to").exists());
    assert_eq!(bench.done(copy(digest, "to")).await.outputs["copied"], "yes");
    assert_eq!(fs::read_to_string(bench.path("to")).unwrap(), "content");
    assert_eq!(bench.done(copy(digest, "to")).await.outputs["copied"], "no");
    let same = Kind::Files(Files::Same { path: bench.text("to"), sha256: Text::from(digest) });
    assert_eq!(bench.look(same.clone()).await.finding, Finding::Holds);
    fs::write(bench.path("to"), "other").unwrap();
    assert_eq!(bench.look(same).await.finding, Finding::Fails);
    assert!(bench.failed(copy(digest, "to")).await.contains("other content"));
    let remove = Kind::Files(Files::Remove { path: bench.text("to"), only_if_sha256: Some(Text::from(digest)) });
    assert!(bench.failed(remove.clone()).await.contains("left as it is"));
    fs::write(bench.path("to"), "content").unwrap();
    bench.done(remove.clone()).await;
    assert!(bench.done(remove).await.seen.contains("nothing to remove"));
    assert!(bench.failed(copy(digest, "no/such/dir")).await.contains("is not there"));
    let names: Vec<_> = fs::read_dir(bench.dir.path()).unwrap().flatten().map(|name| name.file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("firstlight-tmp")), "{names:?}");
}

const DEFAULTS: &str = "# Aurora scheduler\nCLUSTER_NAME=\"west\"\nZK_ENDPOINTS=\"a:2181,b:2181\"\nMESOS_MASTER=\"zk://${ZK_ENDPOINTS}/mesos\"\n\n# more\nEXTRA_SCHEDULER_ARGS=\"-gc_executor_path=/x -max_registration_delay=1mins\"\nGLOG_v=0\n";

fn flag_values(values: &[(&str, &str)]) -> BTreeMap<String, Text> {
    values.iter().map(|(name, value)| ((*name).to_owned(), Text::from(*value))).collect()
}

#[tokio::test]
async fn flags_are_edited_where_they_stand_and_put_back_byte_for_byte() {
    let bench = Bench::new();
    let file = bench.path("defaults");
    fs::write(&file, DEFAULTS).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let set = flag_values(&[
        ("mesos_master_address", "zk://localhost:1111/mesos/master"),
        ("max_registration_delay", "360mins"),
        ("reconciliation_initial_delay", "365days"),
    ]);
    let unset = vec!["gc_executor_path".to_owned()];
    let edit = kind(json!({ "flags": { "edit": {
        "file": bench.text("defaults"), "set": set, "unset": unset, "keep": bench.text("keep"),
    } } }));
    let foreseen = predict(&bench.world, &HostName::from(LOCAL), &edit, &Known::new()).await;
    assert!(foreseen.details.iter().any(|line| line.starts_with("+MESOS_MASTER")), "{foreseen:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), DEFAULTS);
    bench.done(edit.clone()).await;
    let wanted = DEFAULTS.replace("zk://${ZK_ENDPOINTS}/mesos", "zk://localhost:1111/mesos/master").replace(
        "-gc_executor_path=/x -max_registration_delay=1mins",
        "-max_registration_delay=360mins -reconciliation_initial_delay=365days",
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), wanted);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
    let seen = bench
        .look(kind(json!({ "flags": { "file": { "file": bench.text("defaults"), "has": set, "has_not": unset } } })))
        .await;
    assert_eq!(seen.finding, Finding::Holds, "{seen:?}");
    assert!(bench.done(edit.clone()).await.seen.contains("edited already"));
    let restore = kind(json!({ "flags": { "restore": {
        "file": bench.text("defaults"), "keep": bench.text("keep"), "set": set, "unset": unset,
    } } }));
    fs::write(&file, format!("{wanted}# by someone else\n")).unwrap();
    let why = bench.failed(restore.clone()).await;
    assert!(why.contains("+# by someone else"), "{why}");
    fs::write(&file, &wanted).unwrap();
    bench.done(restore.clone()).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), DEFAULTS);
    assert!(!bench.path("keep").exists());
    assert!(bench.done(restore).await.seen.contains("nothing to put back"));
    fs::write(bench.path("keep"), "another original").unwrap();
    assert!(bench.failed(edit).await.contains("nothing was changed"));
    let minutes = kind(json!({ "flags": { "edit": {
        "file": bench.text("defaults"), "set": { "max_registration_delay": "360min" }, "keep": bench.text("keep2"),
    } } }));
    assert!(bench.failed(minutes).await.contains("360min"));
}

/// A process that is killed while it writes leaves `.NAME.firstlight-tmp` and no `NAME`; taking back removes that too.
#[tokio::test]
async fn what_a_killed_write_left_goes_with_its_undo() {
    let bench = Bench::new();
    fs::write(bench.path("defaults"), DEFAULTS).unwrap();
    let set = flag_values(&[("max_registration_delay", "360mins")]);
    let (file, keep) = (bench.text("defaults"), bench.text("keep"));
    let undos = [
        kind(json!({ "flags": { "restore": { "file": file, "keep": keep, "set": set } } })),
        Kind::Files(Files::Remove { path: bench.text("keep"), only_if_sha256: None }),
    ];
    for undo in undos {
        let draft = bench.path(".keep.firstlight-tmp");
        fs::write(&draft, "half").unwrap();
        bench.done(undo.clone()).await;
        assert!(!draft.exists(), "{undo:?}");
    }
}

#[tokio::test]
async fn an_edit_that_found_its_work_done_leaves_the_original_to_the_earlier_one() {
    let bench = Bench::new();
    fs::write(bench.path("defaults"), DEFAULTS).unwrap();
    let (file, set) = (bench.text("defaults"), flag_values(&[("max_registration_delay", "360mins")]));
    let keep = |attempt: &str| bench.text(&format!("defaults.firstlight-{attempt}"));
    let edit = json!({ "flags": { "edit": { "file": file, "set": set, "keep": keep("S-a1") } } });
    bench.done(kind(edit)).await;
    let restore = |keep: Text| kind(json!({ "flags": { "restore": { "file": file, "keep": keep, "set": set } } }));
    assert!(bench.failed(restore(keep("T-a2"))).await.contains("by hand"), "another session's original is not ours");
    assert!(bench.done(restore(keep("S-a2"))).await.seen.contains("its own entry"));
    bench.done(restore(keep("S-a1"))).await;
    assert_eq!(fs::read_to_string(bench.path("defaults")).unwrap(), DEFAULTS);
}

#[test]
fn flags_files_of_every_form() {
    use firstlight::aurora::flags_file::FlagsFile;
    // Before, set, unset, after.
    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
        Result<&'static str, &'static str>,
    );
    let cases: &[Case] = &[
        ("-a=1 -b=2\n", &[("b", "3")], &[], Ok("-a=1 -b=3\n")),
        ("-a=1 -b=2\n", &[("c", "3")], &["a"], Ok("-b=2 -c=3\n")),
        ("-a=1\n-b=2\n", &[("c", "3")], &["a"], Ok("-b=2\n-c=3\n")),
        ("-a=1\n-b=2", &[("c", "3")], &["b"], Ok("-a=1\n-c=3")),
        ("-a=1\n", &[], &["a"], Ok("")),
        ("-a=1\n", &[("b", "2")], &[], Ok("-a=1\n-b=2\n")),
        ("# c -a=9\n-a 1\n", &[("a", "2")], &[], Ok("# c -a=9\n-a=2\n")),
        ("-a=1 -a=2\n", &[("a", "3")], &[], Err("more than once")),
        ("-a='x y'\n", &[("b", "2")], &[], Ok("-a='x y'\n-b=2\n")),
        ("-a=1\n", &[("b", "x;rm")], &[], Err("shell would change")),
        ("-a=1\n", &[("b", "$(x)")], &[], Err("shell would change")),
        ("-a=1\n", &[("a", "1")], &["a"], Err("to be set and to be removed")),
        ("", &[("a", "1")], &[], Ok("EXTRA_SCHEDULER_ARGS=\"-a=1\"\n")),
        ("# nothing", &[("mesos_master_address", "x:1")], &[], Ok("# nothing\nMESOS_MASTER=\"x:1\"\n")),
        ("EXTRA_SCHEDULER_ARGS=\"\"\n", &[("a", "1")], &[], Ok("EXTRA_SCHEDULER_ARGS=\"-a=1\"\n")),
        ("EXTRA_SCHEDULER_ARGS=\n", &[("a", "1")], &[], Ok("EXTRA_SCHEDULER_ARGS=\"-a=1\"\n")),
        ("EXTRA_SCHEDULER_ARGS=-b=1\n", &[("a", "1")], &[], Ok("EXTRA_SCHEDULER_ARGS=\"-b=1 -a=1\"\n")),
        (
            "export EXTRA_SCHEDULER_ARGS='-a=1  -b=2'\n",
            &[("a", "2")],
            &["b"],
            Ok("export EXTRA_SCHEDULER_ARGS='-a=2'\n"),
        ),
        ("X=\"-a=1 -b=2\"\n", &[("a", "2")], &[], Ok("X=\"-a=2 -b=2\"\n")),
        (
            "EXTRA_SCHEDULER_ARGS=\"-mesos_master_address=a:1\"\n",
            &[("mesos_master_address", "b:2")],
            &[],
            Ok("EXTRA_SCHEDULER_ARGS=\"-mesos_master_address=b:2\"\n"),
        ),
        (
            "MESOS_MASTER=a:1\nEXTRA_SCHEDULER_ARGS=\"-mesos_master_address=a:1\"\n",
            &[("mesos_master_address", "b:2")],
            &[],
            Err("more than once"),
        ),
        ("MESOS_MASTER=a:1\n", &[("mesos_master_address", "b:2")], &[], Ok("MESOS_MASTER=\"b:2\"\n")),
        ("MESOS_MASTER=a:1\nX=1\n", &[], &["mesos_master_address"], Ok("X=1\n")),
        (
            "AURORA_FLAGS=(\n  -a=1\n  # -b=9\n  -b=2\n)\n",
            &[("b", "3"), ("c", "4")],
            &["a"],
            Ok("AURORA_FLAGS=(\n  # -b=9\n  -b=3\n  -c=4\n)\n"),
        ),
        (
            "AURORA_FLAGS=( -a=1 )\n",
            &[("mesos_master_address", "b:2")],
            &[],
            Ok("AURORA_FLAGS=( -a=1 -mesos_master_address=b:2 )\n"),
        ),
        (
            "EXTRA_SCHEDULER_ARGS=\"-a=1 \\\n  -b=2\"\n",
            &[("b", "3")],
            &[],
            Ok("EXTRA_SCHEDULER_ARGS=\"-a=1 \\\n  -b=3\"\n"),
        ),
        ("EXTRA_SCHEDULER_ARGS=\"-a=1\"'-b=2'\n", &[("a", "3")], &[], Err("quoted in pieces")),
        (
            "if true; then\n. /etc/other\nfi\nGLOG_v=0\n",
            &[("a", "1")],
            &[],
            Ok("if true; then\n. /etc/other\nfi\nGLOG_v=0\nEXTRA_SCHEDULER_ARGS=\"-a=1\"\n"),
        ),
        ("just words\n", &[("a", "1")], &[], Err("neither variables nor flags")),
    ];
    for (before, set, unset, wanted) in cases {
        let set: BTreeMap<String, &str> = set.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let unset: Vec<String> = unset.iter().map(|name| (*name).to_owned()).collect();
        let found = FlagsFile::parse(before.as_bytes()).and_then(|file| file.edit(&set, &unset));
        match (found, wanted) {
            (Ok(edited), Ok(after)) => {
                assert_eq!(edited.text, *after, "{before:?} {set:?} {unset:?}");
                if !after.is_empty() {
                    let again = FlagsFile::parse(after.as_bytes()).unwrap();
                    for (name, value) in &set {
                        assert_eq!(again.values(name), [*value], "{after:?}");
                    }
                    let twice = again.edit(&set, &unset).unwrap();
                    assert_eq!(twice.text, *after, "an edit of what was edited changes it");
                }
            }
            (Err(error), Err(word)) => assert!(error.to_string().contains(word), "{before:?}: {error}"),
            (found, wanted) => panic!("{before:?}: {found:?} {wanted:?}"),
        }
    }
    let file = FlagsFile::parse(DEFAULTS.as_bytes()).unwrap();
    assert_eq!(file.values("mesos_master_address"), ["zk://a:2181,b:2181/mesos"]);
}

proptest::proptest! {
    #[test]
    fn flags_files_of_any_bytes_do_not_panic(text in "[-a-c=\"'\\\\ \n#()$;é]{0,60}") {
        use firstlight::aurora::flags_file::FlagsFile;
        if let Ok(file) = FlagsFile::parse(text.as_bytes()) {
            let set = BTreeMap::from([("a".to_owned(), "1")]);
            let _ = file.edit(&set, &["b".to_owned()]);
            let _ = file.flags();
        }
    }
}
