//! A table of 100,000 staged tasks: how fast a filter follows what is typed.
//!
//! First the model alone, then the real program on a pty: from the writing of a key to the byte that ends the frame,
//! so that drawing is in it. The table lies in the session's evidence and is opened as an engineer opens it.
//! `FIRSTLIGHT_BENCH_PROGRAM` names another build than the one that `cargo bench` makes.

mod pty;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use firstlight::{
    engine::system_clock,
    inventory::load_inventory,
    journal::Sessions,
    runbook::{Mode, kind::Kind},
    session::{AttemptId, Event, Evidence, Finding, GateOrder, Opened, Outcome, Report},
    table::{self, Browse, Column, ColumnKind, Index, Table},
};
use portable_pty::CommandBuilder;
use pty::{Pty, Result};
use sha2::{Digest as _, Sha256};

const ROWS: usize = 100_000;
const KEY_AIM: Duration = Duration::from_millis(10);
const SIZE: (u16, u16) = (140, 45);
const ROUNDS: usize = 5;

/// What is typed, letter by letter: what fits much, what fits little, columns, exact cells, what is not there.
const TYPED: [&str; 7] =
    ["www-data prod", "role:ads env=prod", "rack3-1", "!pending e", "job=job7 1300", "no such thing", "e a o r 1 -"];

fn main() -> Result<()> {
    let table = staged()?;
    model(&table)?;
    let place = tempfile::Builder::new().prefix("bench-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    program(place.path(), &table)
}

/// Tasks as a cluster of ten thousand machines has them, from a small generator.
fn staged() -> Result<Table> {
    let mut table = Table::new(
        "staged tasks",
        vec![
            Column::grouping("role", "role"),
            Column::grouping("env", "env"),
            Column::grouping("job", "job"),
            Column::of("instance", "inst", ColumnKind::Number),
            Column::grouping("status", "status"),
            Column::grouping("host", "host"),
            Column::of("ram", "ram", ColumnKind::Bytes),
            Column::of("since", "since", ColumnKind::Time),
        ],
    )?;
    let mut seed = 1_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for row in 0..ROWS {
        let role = ["www-data", "ads", "search-infra", "payments", "mesos", "geo"].get(next(6) as usize).unwrap_or(&"");
        let env = ["prod", "staging", "devel"].get(next(3) as usize).unwrap_or(&"");
        let status = ["RUNNING", "RUNNING", "PENDING", "ASSIGNED", "FINISHED"].get(next(5) as usize).unwrap_or(&"");
        let job = format!("job{}", next(400));
        let key = format!("{}-{role}-{env}-{job}-{}-{:08x}", 1_600_000_000_000 + row, row % 50, next(1 << 32));
        let cells = [
            (*role).to_owned(),
            (*env).to_owned(),
            job,
            (row % 50).to_string(),
            (*status).to_owned(),
            format!("rack{}-{:02}.example.org", next(200), next(50)),
            (next(64) * 268_435_456).to_string(),
            (1_772_337_906_000 + next(100_000_000)).to_string(),
        ];
        let detail =
            [format!("{status} since the backup"), "constraint host limit 1".to_owned(), "cpus 0.5".to_owned()];
        table.push(&key, cells, detail)?;
    }
    Ok(table)
}

fn model(table: &Table) -> Result<()> {
    let start = Instant::now();
    let mut file = Vec::new();
    table::write(table, &mut file)?;
    println!("write {ROWS} rows               {:.1?}, {} bytes", start.elapsed(), file.len());
    let start = Instant::now();
    let read = table::read(&mut file.as_slice())?;
    println!("read them                     {:.1?}", start.elapsed());
    let start = Instant::now();
    let index = Index::of(&read);
    println!("index them                    {:.1?}", start.elapsed());
    let mut browse = Browse::of(&read);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        for text in TYPED {
            for end in 1..=text.len() {
                let start = Instant::now();
                browse.type_filter(&read, &index, text.get(..end).unwrap_or(text));
                times.push(start.elapsed());
            }
            browse.type_filter(&read, &index, "");
        }
    }
    report("a letter of a filter, model", times);
    let mut times = Vec::new();
    for column in 0..read.columns().len() {
        let start = Instant::now();
        browse.sort_by(&read, &index, Some((column, column % 2 == 0)));
        times.push(start.elapsed());
    }
    report("sort by a column, model", times);
    Ok(())
}

fn program(place: &Path, table: &Table) -> Result<()> {
    let id = session(place, table)?;
    let mut command = CommandBuilder::new(
        std::env::var_os("FIRSTLIGHT_BENCH_PROGRAM")
            .map_or_else(|| env!("CARGO_BIN_EXE_firstlight").into(), PathBuf::from),
    );
    command.args(["resume", &id]);
    command.env("XDG_STATE_HOME", place);
    command.cwd(place);
    let mut pty = Pty::start(command, SIZE)?;
    pty.shows("Which are left out?")?;
    let start = Instant::now();
    pty.send("\r")?;
    pty.shows("staged tasks: 100,000")?;
    println!("open the table                {:.1?}", start.elapsed());
    pty.send("/")?;
    pty.shows("filter >")?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        for text in TYPED {
            for letter in text.chars() {
                times.push(frame_after(&mut pty, &letter.to_string())?);
            }
            // All of it goes at once: every row is shown again.
            times.push(frame_after(&mut pty, "\x15")?);
        }
    }
    report("a letter of a filter to frame", times);
    pty.send("\r")?;
    pty.shows("g group")?;
    for (keys, what) in
        [("ssssssssS", "sort"), ("gggggg", "group"), ("aaiiu", "mark all, invert, unmark"), ("jk G", "move, mark")]
    {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            for key in keys.chars() {
                times.push(frame_after(&mut pty, &key.to_string())?);
            }
        }
        report(&format!("{what} to frame"), times);
    }
    let text = std::fs::read_to_string(format!("/proc/{}/status", pty.pid))?;
    let resident = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    println!("resident with the table open  {}", resident.trim());
    Ok(())
}

/// Time from the writing of a key to the end of the next frame.
fn frame_after(pty: &mut Pty, key: &str) -> Result<Duration> {
    pty.drain();
    let start = Instant::now();
    pty.send(key)?;
    Ok(pty.frame()? - start)
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len() - 1)).copied().unwrap_or_default();
    let missed = if at(99) > KEY_AIM { "  MISSED" } else { "" };
    println!(
        "{what:<29} median {:>8.2?}  p99 {:>8.2?}  most {:>8.2?}  aim p99 {KEY_AIM:?}{missed}",
        at(50),
        at(99),
        at(100)
    );
}

const INVENTORY: &str = "
format: 1
cluster: { name: bench }
groups: { web: { hosts: [{ name: w1, reach: local }] } }
";

const RUNBOOK: &str = "
format: 1
id: bench
title: Bench
summary: One table.
needs: { groups: { web: {} } }
phases:
  - id: only
    title: Only
    steps:
      - id: look
        title: Look
        why: It has to be seen.
        expect: A table.
        by_hand: look
        danger: reads
        confirm: key
        do:
          - command: { argv: [seq, '0'], reads: true, capture: json }
            register: staged
        gates:
          - files: { exists: { path: /bin/sh } }
            say: the shell is there
      - id: choose
        title: Choose
        why: Only a person knows.
        expect: An answer.
        by_hand: choose
        danger: reads
        confirm: key
        inputs:
          - { id: doomed, title: 'Which are left out?', type: rows, from: staged, table: table, optional: true }
        gates:
          - files: { exists: { path: /bin/sh } }
            say: the shell is there
";

/// A session whose first step kept the table, at its second step.
fn session(place: &Path, table: &Table) -> Result<String> {
    let id = "2026-03-01-bench-table".to_owned();
    let sessions = Sessions::at(place.join("firstlight/sessions"));
    let opened = Opened {
        session: id.clone(),
        mode: Mode::Recovery,
        operator: "ada".to_owned(),
        machine: "desk".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        runbook_name: "bench".to_owned(),
        runbook: RUNBOOK.to_owned(),
        runbook_sha256: "0".repeat(64),
        inventory_name: "bench".to_owned(),
        inventory: load_inventory("bench", INVENTORY.as_bytes())?,
    };
    let now = system_clock();
    let mut journal = sessions.create(&opened, now)?;
    let kept = keep(sessions.dir(&id)?.path(), table)?;
    let mut list = vec![Event::Began];
    walk(&mut list, kept)?;
    journal.append(now, &list)?;
    Ok(id)
}

fn keep(session: &Path, table: &Table) -> Result<serde_json::Value> {
    let mut bytes = Vec::new();
    table::write(table, &mut bytes)?;
    let file = "evidence/a1-staged.table.jsonl";
    let path = session.join(file);
    std::fs::create_dir(session.join("evidence"))?;
    std::fs::write(&path, &bytes)?;
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(serde_json::json!({ "file": file, "path": path, "sha256": sha256, "bytes": bytes.len() }))
}

fn walk(list: &mut Vec<Event>, kept: serde_json::Value) -> Result<()> {
    let (step, host) = (|| "look".into(), || "local".into());
    let attempt = AttemptId(1);
    let kind: Kind = serde_json::from_str(r#"{"command":{"argv":["seq","0"],"reads":true,"capture":"json"}}"#)?;
    list.push(Event::StepReady { step: step() });
    list.push(Event::StepStarted { step: step(), hosts: vec![host()] });
    list.push(Event::AttemptStarted {
        attempt,
        step: step(),
        host: host(),
        action: 0,
        undoes: None,
        kind,
        guards: Vec::new(),
        inverse: None,
        register: Some("staged".into()),
        timeout_ms: 60_000,
    });
    let report = Report::holds("exit code 0").with_outputs(serde_json::json!({ "table": kept }));
    list.push(Event::AttemptFinished { attempt, outcome: Outcome::Done(report), took_ms: 230 });
    let gate: Kind = serde_json::from_str(r#"{"files":{"exists":{"path":"/bin/sh"}}}"#)?;
    let order = GateOrder { kind: gate, say: "the shell is there".to_owned(), not_needed: None };
    list.push(Event::RowVerifying { step: step(), host: host(), gates: vec![order], undo: Vec::new() });
    let seen = "/bin/sh is there".to_owned();
    list.push(Event::Observed {
        step: step(),
        host: host(),
        gate: 0,
        finding: Finding::Holds,
        seen: seen.clone(),
        details: Vec::new(),
        outputs: serde_json::Value::Null,
    });
    let evidence = vec![Evidence { seen, at_utc_ms: 1_772_337_906_000 }];
    list.push(Event::RowDone { step: step(), host: host(), evidence });
    list.push(Event::StepDone { step: step() });
    list.push(Event::StepReady { step: "choose".into() });
    Ok(())
}
