//! How fast a session is folded, and how far the journal is from the disk beneath it.
//!
//! Each bench is a program of its own (`harness = false`) that prints one line a figure and ends with 1 if a figure
//! misses its aim where the aim does not depend on the disk. A figure that the machine decides is printed as a ratio
//! to the machine's own: a journal's appends beside a bare write and sync of as many bytes.
//!
//! The aims of the other benches, each in a file beside this one: from exec to the first frame under 30 ms; from a key
//! to its frame under 8 ms for 99 of 100 keys, with 1,000 steps and 100,000 lines of output; under 0.2 % of a core
//! when nothing happens; under 25 MB of resident memory.

use std::{
    error::Error,
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use firstlight::{
    inventory::load_inventory,
    journal::{FileDisk, Head, Journal, LineHash, MemoryDisk, read},
    runbook::{Mode, kind::Kind},
    session::{AttemptId, Event, Finding, GateOrder, Opened, Outcome, Report, Stamp, State},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const EVENTS: usize = 10_000;
const FOLD_AIM: Duration = Duration::from_millis(50);

/// Appends that are timed on the real disk: enough for a median, few enough for a slow one.
const APPENDS: usize = 300;

const RUNS: usize = 7;

const INVENTORY: &str = "
format: 1
cluster: { name: bench }
services: { web: { start: [start], stop: [stop], status: [status] } }
groups: { web: { hosts: [{ name: w1, reach: local }, { name: w2, reach: local }, { name: w3, reach: local }] } }
";

fn main() -> Result<()> {
    let events = events()?;
    let folded = fold(&events)?;
    appends(&events)?;
    if folded > FOLD_AIM && !cfg!(debug_assertions) {
        return Err(format!("folding took longer than {FOLD_AIM:?}").into());
    }
    Ok(())
}

/// A session that retries and looks for a long time.
fn events() -> Result<Vec<(Stamp, Event)>> {
    let runbook = "
format: 1
id: bench
title: Bench
summary: One step that is run again and again.
needs: { groups: { web: {} }, services: [web] }
phases:
  - id: one
    title: One
    steps:
      - id: stop
        title: Stop
        why: w
        expect: e
        by_hand: b
        on: web
        danger: changes
        confirm: key
        undo: inverse
        do:
          - service: { stop: web }
        gates:
          - process: { absent: web }
";
    let opened = Opened {
        session: "bench".to_owned(),
        mode: Mode::Training,
        operator: "ada".to_owned(),
        machine: "desk".to_owned(),
        version: "0".to_owned(),
        runbook_name: "bench".to_owned(),
        runbook: runbook.to_owned(),
        runbook_sha256: String::new(),
        inventory_name: "bench".to_owned(),
        inventory: load_inventory("bench", INVENTORY.as_bytes())?,
    };
    let kind: Kind = serde_json::from_str(r#"{"service":{"stop":"web"}}"#)?;
    let gate: Kind = serde_json::from_str(r#"{"process":{"absent":"web"}}"#)?;
    let hosts = ["w1", "w2", "w3"];
    let mut list = vec![
        Event::Opened(Box::new(opened)),
        Event::Began,
        Event::StepReady { step: "stop".into() },
        Event::StepStarted { step: "stop".into(), hosts: hosts.map(Into::into).into() },
    ];
    let mut attempt = 0;
    while list.len() < EVENTS {
        attempt += 1;
        let host = hosts.iter().cycle().nth(attempt % hosts.len()).copied().unwrap_or("w1");
        round(&mut list, AttemptId(attempt as u64), host, &kind, &gate);
    }
    list.truncate(EVENTS);
    let at = |n: usize| Stamp { utc_ms: 1_772_337_906_000 + n as i64 * 250, mono_ms: n as u64 * 250 };
    Ok(list.into_iter().enumerate().map(|(n, event)| (at(n), event)).collect())
}

/// One attempt on one host, with what is seen of it.
fn round(list: &mut Vec<Event>, attempt: AttemptId, host: &str, kind: &Kind, gate: &Kind) {
    let step = || "stop".into();
    let report = Report::holds(format!("stopped {host}")).with_details(vec!["exit code 0".to_owned()]);
    list.push(Event::AttemptStarted {
        attempt,
        step: step(),
        host: host.into(),
        action: 0,
        undoes: None,
        kind: kind.clone(),
        guards: Vec::new(),
        inverse: None,
        register: None,
        timeout_ms: 60_000,
    });
    list.push(Event::AttemptFinished { attempt, outcome: Outcome::Done(report), took_ms: 230 });
    let order = GateOrder { kind: gate.clone(), say: "web does not run".to_owned(), not_needed: None };
    list.push(Event::RowVerifying { step: step(), host: host.into(), gates: vec![order], undo: Vec::new() });
    for n in 0..6 {
        list.push(Event::Observed {
            step: step(),
            host: host.into(),
            gate: 0,
            finding: if n % 2 == 0 { Finding::Fails } else { Finding::Unknown },
            seen: format!("process {n} runs"),
            details: Vec::new(),
            outputs: serde_json::Value::Null,
        });
    }
    list.push(Event::RowRestarted { step: step(), host: host.into() });
}

/// Reads and folds the journal of all events; returns how long the folding took.
fn fold(events: &[(Stamp, Event)]) -> Result<Duration> {
    let disk = MemoryDisk::default();
    let mut journal = Journal::on(Box::new(disk.clone()), Head::EMPTY);
    let encoding = Instant::now();
    for (at, event) in events {
        journal.append(*at, std::slice::from_ref(event))?;
    }
    let encoded = encoding.elapsed();
    let bytes = disk.written();
    let (mut read_best, mut fold_best) = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        let reading = Instant::now();
        let (records, _) = read(bytes.as_slice(), Path::new("bench"))?;
        read_best = read_best.min(reading.elapsed());
        let folding = Instant::now();
        let state = State::fold(records.into_iter().map(|record| (record.at, record.event)))?;
        fold_best = fold_best.min(folding.elapsed());
        if state.seq != events.len() as u64 {
            return Err("the fold is of other events".into());
        }
    }
    let (count, kib) = (events.len(), bytes.len() / 1024);
    println!("encode {count} events ({kib} KiB)      {encoded:>10.1?}");
    println!("read and check {count} events        {read_best:>10.1?}");
    println!("fold {count} events                  {fold_best:>10.1?}  aim {FOLD_AIM:?}");
    println!("resume (read, check, fold)          {:>10.1?}  aim {FOLD_AIM:?}", read_best + fold_best);
    Ok(fold_best)
}

/// Appends beside bare writes and syncs of as many bytes to a file in the same directory.
fn appends(events: &[(Stamp, Event)]) -> Result<()> {
    let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let lengths: Vec<usize> = lengths(events)?;
    let mut bare = File::options().append(true).create_new(true).open(dir.path().join("bare"))?;
    let file = File::options().append(true).create_new(true).open(dir.path().join("journal"))?;
    let mut journal = Journal::on(Box::new(FileDisk(file)), Head::EMPTY);
    let (mut bare_times, mut journal_times) = (Vec::new(), Vec::new());
    // One of each in turn, so that what else the disk does meets both.
    for ((at, event), len) in events.iter().zip(lengths).take(APPENDS) {
        let bytes = vec![b'x'; len];
        let start = Instant::now();
        bare.write_all(&bytes)?;
        bare.sync_data()?;
        bare_times.push(start.elapsed());
        let start = Instant::now();
        journal.append(*at, std::slice::from_ref(event))?;
        journal_times.push(start.elapsed());
    }
    let (disk, ours) = (median(bare_times), median(journal_times));
    let rate = |time: Duration| 1.0 / time.as_secs_f64();
    println!("the disk's own write and sync       {disk:>10.1?}  {:>8.0} a second", rate(disk));
    println!("one event through the journal       {ours:>10.1?}  {:>8.0} a second", rate(ours));
    println!("journal to disk                     {:>10.2}", ours.as_secs_f64() / disk.as_secs_f64());
    Ok(())
}

fn lengths(events: &[(Stamp, Event)]) -> Result<Vec<usize>> {
    let line = |(n, (at, event)): (usize, &(Stamp, Event))| {
        firstlight::journal::encode(n as u64 + 1, *at, LineHash::NONE, event).map(|line| line.len())
    };
    Ok(events.iter().take(APPENDS).enumerate().map(line).collect::<std::result::Result<_, _>>()?)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
