//! How fast the wizard is there, how fast it answers, and what it costs while nothing happens.
//!
//! Everything is measured from outside, on the real program on a pty: from the start of the process, or from the
//! writing of a key, to the byte that ends the frame. First frame, idle and memory are those of a session on the
//! shipped runbook; the keys go to a session of 1,000 steps, half of them done, whose next step writes more lines of
//! output than are kept. Sessions are made through the library and resumed by the program, so their journals are on
//! the disk. `FIRSTLIGHT_BENCH_PROGRAM` names another build than the one that `cargo bench` makes.

mod pty;

use std::{
    fmt::Write as _,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use firstlight::{
    engine::{LINES_MAX, system_clock},
    inventory::{Inventory, load_inventory},
    journal::Sessions,
    practice::{Cluster, Options, SPEED_DEFAULT, Scenario},
    runbook::{Mode, embedded, kind::Kind},
    session::{AttemptId, Event, Evidence, Finding, GateOrder, Opened, Outcome, Report},
};
use portable_pty::CommandBuilder;
use pty::{Pty, Result};

/// The program that is measured.
fn program() -> PathBuf {
    std::env::var_os("FIRSTLIGHT_BENCH_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_firstlight").into(), PathBuf::from)
}

const FIRST_FRAME_AIM: Duration = Duration::from_millis(30);
const KEY_AIM: Duration = Duration::from_millis(8);
const IDLE_AIM_PERCENT: f64 = 0.2;
const MEMORY_AIM_KB: u64 = 25_000;

const STARTS: usize = 40;
const IDLE: Duration = Duration::from_secs(10);
const SIZE: (u16, u16) = (140, 45);

/// Steps of the long session, and how many of them are done.
const STEPS: usize = 1_000;
const STEPS_DONE: usize = 500;
/// Rounds over [`KEYS`].
const ROUNDS: usize = 60;

/// Keys, each with what it does there. A round ends where it began.
const KEYS: [(&str, &str); 18] = [
    ("[", "step back"),
    ("[", "step back"),
    ("\t", "next row"),
    ("j", "down"),
    ("j", "down"),
    ("k", "up"),
    ("e", "evidence"),
    ("\x1b[B", "down"),
    ("q", "close"),
    ("]", "next step"),
    ("c", "current step"),
    ("l", "whole output"),
    ("g", "to its beginning"),
    ("j", "down"),
    ("\x1b[6~", "page down"),
    ("\x1b[5~", "page up"),
    ("G", "to its end"),
    ("q", "close"),
];

fn main() -> Result<()> {
    let place = tempfile::Builder::new().prefix("bench-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    first_frames(place.path())?;
    idle(place.path())?;
    keys(place.path())
}

/// A new session on the shipped runbook over a practice cluster that does not run.
fn session(place: &Path, number: usize) -> Result<String> {
    let dir = place.join("cluster");
    let path = dir.join("inventory.yaml");
    if !path.exists() {
        let options = Options {
            dir: Some(dir),
            scenario: Scenario::CorruptLog,
            schedulers: 3,
            seed: 1,
            speed: SPEED_DEFAULT,
            zookeeper: false,
            program: program(),
        };
        Cluster::create(&options)?;
    }
    let shipped = embedded::RUNBOOKS.first().ok_or("no runbook ships")?;
    let id = format!("2026-03-01-bench-{number:03}");
    let inventory = load_inventory("bench", &std::fs::read(&path)?)?;
    sessions(place).create(&opened(&id, shipped.yaml, inventory), system_clock())?;
    Ok(id)
}

fn sessions(place: &Path) -> Sessions {
    Sessions::at(place.join("firstlight/sessions"))
}

fn opened(id: &str, runbook: &str, inventory: Inventory) -> Opened {
    Opened {
        session: id.to_owned(),
        mode: Mode::Recovery,
        operator: "ada".to_owned(),
        machine: "desk".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        runbook_name: "bench".to_owned(),
        runbook: runbook.to_owned(),
        runbook_sha256: "0".repeat(64),
        inventory_name: "bench".to_owned(),
        inventory,
    }
}

fn resume(place: &Path, id: &str) -> Result<(Pty, Instant)> {
    let mut command = CommandBuilder::new(program());
    command.args(["resume", id]);
    command.env("XDG_STATE_HOME", place);
    command.cwd(place);
    let start = Instant::now();
    Ok((Pty::start(command, SIZE)?, start))
}

fn first_frames(place: &Path) -> Result<()> {
    let (mut times, mut bare) = (Vec::new(), Vec::new());
    for number in 0..STARTS {
        let id = session(place, number)?;
        let (pty, start) = resume(place, &id)?;
        let at = pty.frame()?;
        if !pty.screen().screen().alternate_screen() {
            return Err("the first frame is not on the alternate screen".into());
        }
        times.push(at - start);
        drop(pty);
        let start = Instant::now();
        std::process::Command::new(program()).arg("--version").output()?;
        bare.push(start.elapsed());
    }
    let ours = Figures::of(times);
    println!("exec to the first frame       {ours}  aim {FIRST_FRAME_AIM:?}{}", ours.judged(FIRST_FRAME_AIM));
    println!("exec to the end of --version  {}", Figures::of(bare));
    Ok(())
}

/// What a wizard costs that shows a session's plan and is left alone.
fn idle(place: &Path) -> Result<()> {
    let id = session(place, STARTS)?;
    let (pty, _) = resume(place, &id)?;
    pty.frame()?;
    // Two ticks of its clocks: what it does only once is done.
    pty.frame()?;
    pty.frame()?;
    cost("idle for 10 s", &pty)
}

fn cost(what: &str, pty: &Pty) -> Result<()> {
    let pid = pty.pid;
    let before = processor_time(pid)?;
    let start = Instant::now();
    std::thread::sleep(IDLE);
    let used = processor_time(pid)?.saturating_sub(before);
    let percent = used.as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
    let verdict = if percent > IDLE_AIM_PERCENT { "  MISSED" } else { "" };
    println!("{what}: {used:.1?} of the processor, {percent:.3} % of a core  aim {IDLE_AIM_PERCENT} %{verdict}");
    let (now, most) = (status_kb(pid, "VmRSS:")?, status_kb(pid, "VmHWM:")?);
    let verdict = if now > MEMORY_AIM_KB { "  MISSED" } else { "" };
    println!("{what}: {now} kB resident, {most} kB at most  aim {MEMORY_AIM_KB} kB{verdict}");
    Ok(())
}

/// Time that a process's threads were on a processor (the first figure of `schedstat`, in nanoseconds): `stat` counts
/// in hundredths of a second, five of which are more than the aim.
fn processor_time(pid: u32) -> Result<Duration> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += text.split_whitespace().next().ok_or("schedstat is empty")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}

fn status_kb(pid: u32, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("status lacks a line")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// Keys to a session of 1,000 steps with 100,000 lines of output.
fn keys(place: &Path) -> Result<()> {
    let id = long_session(place)?;
    let (mut pty, start) = resume(place, &id)?;
    println!("exec to the first frame, {STEPS} steps  {:.1?}", pty.frame()? - start);
    pty.shows("11.1 Write to the output for the 500th time")?;
    // A step that only looks runs without being asked about.
    pty.send("r")?;
    pty.shows("11.2 Write to the output for the 501th time")?;
    pty.shows("l shows all")?;
    let mut times = Vec::new();
    let mut worst = (Duration::ZERO, "");
    for _ in 0..ROUNDS {
        for (key, does) in KEYS {
            let time = frame_after(&mut pty, key)?;
            times.push(time);
            worst = worst.max((time, does));
        }
    }
    let ours = Figures::of(times);
    println!("key to frame, {STEPS} steps, {LINES_MAX} lines  {ours}  aim p99 {KEY_AIM:?}{}", ours.judged_p99(KEY_AIM));
    println!("  the slowest: {}", worst.1);
    search(&mut pty)?;
    hold(place, &mut pty)?;
    cost("idle for 10 s with these", &pty)
}

/// Time from the writing of a key to the end of the next frame.
fn frame_after(pty: &mut Pty, key: &str) -> Result<Duration> {
    pty.drain();
    let start = Instant::now();
    pty.send(key)?;
    Ok(pty.frame()? - start)
}

/// Every line is looked at for a text that is in none of them.
fn search(pty: &mut Pty) -> Result<()> {
    pty.send("/")?;
    pty.shows("search in the output")?;
    pty.send("no line holds this")?;
    pty.shows("> no line holds this")?;
    let mut times = vec![frame_after(pty, "\r")?];
    for _ in 0..STARTS {
        times.push(frame_after(pty, "N")?);
    }
    let ours = Figures::of(times);
    println!("a search that finds nothing   {ours}  aim {KEY_AIM:?}{}", ours.judged(KEY_AIM));
    pty.send("q")?;
    pty.shows("l shows all")?;
    Ok(())
}

/// A key that changes the session: decided, written and synced, folded, published and drawn.
fn hold(place: &Path, pty: &mut Pty) -> Result<()> {
    let (mut times, mut disk) = (Vec::new(), Vec::new());
    let mut bare = File::create_new(place.join("bare"))?;
    for round in 0..STARTS {
        pty.drain();
        let start = Instant::now();
        pty.send("p")?;
        let wanted = round % 2 == 0;
        while pty.screen().screen().contents().contains("nothing new is started") != wanted {
            pty.frame()?;
        }
        times.push(start.elapsed());
        let start = Instant::now();
        bare.write_all(&[b'x'; 300])?;
        bare.sync_data()?;
        disk.push(start.elapsed());
    }
    let (ours, disk) = (Figures::of(times), Figures::of(disk));
    println!("key to a changed session      {ours}");
    println!("the disk's own write and sync {disk}");
    println!("a changed session to the disk   {:.2}", ours.median.as_secs_f64() / disk.median.as_secs_f64());
    Ok(())
}

struct Figures {
    median: Duration,
    p99: Duration,
    most: Duration,
}

impl Figures {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |part: usize| times.get((times.len() * part / 100).min(times.len() - 1)).copied().unwrap_or_default();
        Self { median: at(50), p99: at(99), most: at(100) }
    }

    fn judged(&self, aim: Duration) -> &'static str {
        if self.median > aim { "  MISSED" } else { "" }
    }

    fn judged_p99(&self, aim: Duration) -> &'static str {
        if self.p99 > aim { "  MISSED" } else { "" }
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "median {:>8.2?}  p99 {:>8.2?}  most {:>8.2?}", self.median, self.p99, self.most)
    }
}

const INVENTORY: &str = "
format: 1
cluster: { name: bench }
groups: { web: { hosts: [{ name: w1, reach: local }, { name: w2, reach: local }, { name: w3, reach: local }] } }
";

const HOSTS: [&str; 3] = ["w1", "w2", "w3"];
const LOG_LINE: &str = "I0301 04:05:06 4711 replica.cpp:537] Replica received a write request for position %.0f";

/// Twenty phases; every step does nothing on three hosts, but one writes.
fn long_runbook() -> Result<String> {
    let head = "format: 1\nid: bench\ntitle: Bench\nsummary: A thousand steps.\n\
                needs: { groups: { web: {} } }\nphases:\n";
    let mut text = head.to_owned();
    for number in 0..STEPS {
        if number % 50 == 0 {
            write!(text, "  - id: phase-{number}\n    title: Phase {}\n    steps:\n", number / 50 + 1)?;
        }
        // More than is kept, from three hosts: `seq` counts from 0.
        let lines = if number == STEPS_DONE { LINES_MAX / 2 } else { 0 };
        write!(
            text,
            "      - id: step-{number}\n        title: Write to the output for the {number}th time\n        \
             why: Because nothing else shows how long a list of steps can become.\n        \
             expect: It takes a moment on every host.\n        \
             by_hand: Do it on each host.\n        on: web\n        danger: reads\n        confirm: key\n        \
             do:\n          - command: {{ argv: [seq, -f, '{LOG_LINE}', '0', '{lines}'], reads: true }}\n        \
             gates:\n          - files: {{ exists: {{ path: /bin/sh }} }}\n            say: the shell is there\n"
        )?;
    }
    Ok(text)
}

/// Half of the steps are done, and it is the next one's turn.
fn long_session(place: &Path) -> Result<String> {
    let id = "2026-03-01-bench-long".to_owned();
    let opened = opened(&id, &long_runbook()?, load_inventory("bench", INVENTORY.as_bytes())?);
    let now = system_clock();
    let mut journal = sessions(place).create(&opened, now)?;
    let mut list = vec![Event::Began];
    for number in 0..STEPS_DONE {
        done_step(&mut list, number)?;
    }
    list.push(Event::StepReady { step: format!("step-{STEPS_DONE}").as_str().into() });
    journal.append(now, &list)?;
    Ok(id)
}

fn done_step(list: &mut Vec<Event>, number: usize) -> Result<()> {
    let step = || format!("step-{number}").as_str().into();
    list.push(Event::StepReady { step: step() });
    list.push(Event::StepStarted { step: step(), hosts: HOSTS.map(Into::into).into() });
    for (place, host) in HOSTS.into_iter().enumerate() {
        let attempt = AttemptId((number * HOSTS.len() + place + 1) as u64);
        let kind: Kind = serde_json::from_str(r#"{"command":{"argv":["seq","0"],"reads":true}}"#)?;
        list.push(Event::AttemptStarted {
            attempt,
            step: step(),
            host: host.into(),
            action: 0,
            undoes: None,
            kind,
            guards: Vec::new(),
            inverse: None,
            register: None,
            timeout_ms: 60_000,
        });
        let report = Report::holds("exit code 0").with_details(vec!["nothing on standard output".to_owned()]);
        list.push(Event::AttemptFinished { attempt, outcome: Outcome::Done(report), took_ms: 230 });
        let gate: Kind = serde_json::from_str(r#"{"files":{"exists":{"path":"/bin/sh"}}}"#)?;
        let order = GateOrder { kind: gate, say: "the shell is there".to_owned(), not_needed: None };
        list.push(Event::RowVerifying { step: step(), host: host.into(), gates: vec![order], undo: Vec::new() });
        let seen = "/bin/sh is there".to_owned();
        list.push(Event::Observed {
            step: step(),
            host: host.into(),
            gate: 0,
            finding: Finding::Holds,
            seen: seen.clone(),
            details: vec!["125688 bytes".to_owned()],
            outputs: serde_json::Value::Null,
        });
        let evidence = vec![Evidence { seen, at_utc_ms: 1_772_337_906_000 }];
        list.push(Event::RowDone { step: step(), host: host.into(), evidence });
    }
    list.push(Event::StepDone { step: step() });
    Ok(())
}
