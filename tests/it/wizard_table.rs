//! A kept table in the real program on a real terminal: opened, filtered, marked, taken as the answer; changed on the
//! disk, and refused.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use firstlight::{
    engine::system_clock,
    inventory::load_inventory,
    journal::Sessions,
    runbook::{Mode, kind::Kind},
    session::{Answer, AttemptId, Event, Evidence, Opened, Outcome, Report, State},
    table::{self, Column, Table},
};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use sha2::{Digest as _, Sha256};

const PROGRAM: &str = env!("CARGO_BIN_EXE_firstlight");
/// Longest wait for one thing to stand on the screen.
const WAIT: Duration = Duration::from_secs(90);
/// Between looks at the screen; longer than what the wizard takes for a key that is held down.
const LOOK: Duration = Duration::from_millis(200);
const SESSION: &str = "2026-03-01-west-1";

const INVENTORY: &str = "
format: 1
cluster: { name: west }
groups: { web: { hosts: [{ name: w1, reach: local }] } }
";

const RUNBOOK: &str = "
format: 1
id: tables
title: Tables
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
      - id: choose
        title: Choose
        why: Only a person knows.
        expect: An answer.
        by_hand: choose
        danger: reads
        confirm: key
        inputs:
          - id: doomed
            title: Which are left out?
            help: What is left out is not restored; the running process will be KILLED.
            type: rows
            from: staged
            table: table
            optional: true
        gates:
          - files: { exists: { path: /bin/sh } }
            say: the shell is there
";

fn staged() -> Vec<u8> {
    let mut table =
        Table::new("staged tasks", vec![Column::grouping("role", "role"), Column::grouping("job", "job")]).unwrap();
    for number in 0..5_000 {
        let role = ["www", "ads"][number % 2];
        table.push(&format!("task-{number}"), [role, &format!("job{}", number % 10)], ["one line"]).unwrap();
    }
    let mut bytes = Vec::new();
    table::write(&table, &mut bytes).unwrap();
    bytes
}

/// A session whose first step kept the table, at its second step.
fn session(place: &Path) {
    let sessions = Sessions::at(place.join("firstlight/sessions"));
    let opened = Opened {
        session: SESSION.to_owned(),
        mode: Mode::Recovery,
        operator: "ada".to_owned(),
        machine: "desk".to_owned(),
        version: "0".to_owned(),
        runbook_name: "tables".to_owned(),
        runbook: RUNBOOK.to_owned(),
        runbook_sha256: "0".repeat(64),
        inventory_name: "west".to_owned(),
        inventory: load_inventory("west", INVENTORY.as_bytes()).unwrap(),
    };
    let now = system_clock();
    let mut journal = sessions.create(&opened, now).unwrap();
    let (dir, bytes) = (sessions.dir(SESSION).unwrap(), staged());
    std::fs::create_dir(dir.path().join("evidence")).unwrap();
    std::fs::write(dir.path().join("evidence/a1-staged.table.jsonl"), &bytes).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = serde_json::json!({ "file": "evidence/a1-staged.table.jsonl", "sha256": sha256, "bytes": bytes.len() });
    let (step, host) = (|| "look".into(), || "local".into());
    let kind: Kind = serde_json::from_str(r#"{"command":{"argv":["seq","0"],"reads":true,"capture":"json"}}"#).unwrap();
    let report = Report::holds("exit code 0").with_outputs(serde_json::json!({ "table": kept }));
    let seen = vec![Evidence { seen: "exit code 0".to_owned(), at_utc_ms: now.utc_ms }];
    let list = [
        Event::Began,
        Event::StepReady { step: step() },
        Event::StepStarted { step: step(), hosts: vec![host()] },
        Event::AttemptStarted {
            attempt: AttemptId(1),
            step: step(),
            host: host(),
            action: 0,
            undoes: None,
            kind,
            guards: Vec::new(),
            inverse: None,
            register: Some("staged".into()),
            timeout_ms: 60_000,
        },
        Event::AttemptFinished { attempt: AttemptId(1), outcome: Outcome::Done(report), took_ms: 230 },
        Event::RowVerifying { step: step(), host: host(), gates: Vec::new(), undo: Vec::new() },
        Event::RowDone { step: step(), host: host(), evidence: seen },
        Event::StepDone { step: step() },
        Event::StepReady { step: "choose".into() },
    ];
    journal.append(now, &list).unwrap();
}

struct Terminal {
    _master: Box<dyn MasterPty + Send>,
    writer: Box<dyn std::io::Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Terminal {
    fn resume(place: &Path) -> Self {
        let (rows, cols) = (24_u16, 80_u16);
        let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(PROGRAM);
        command.args(["resume", SESSION]);
        command.env("XDG_STATE_HOME", place);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows.try_into().unwrap(), cols.try_into().unwrap(), 0)));
        let (parser, mut reader) = (screen.clone(), pair.master.try_clone_reader().unwrap());
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                parser.lock().unwrap().process(&bytes[..read]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { _master: pair.master, writer, child, screen }
    }

    fn wait(&self, what: &str) {
        let end = Instant::now() + WAIT;
        loop {
            let text = self.screen.lock().unwrap().screen().contents();
            if text.contains(what) {
                return;
            }
            assert!(Instant::now() < end, "{what:?} does not stand on\n{text}");
            std::thread::sleep(LOOK);
        }
    }

    fn press(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
        std::thread::sleep(LOOK);
    }
}

fn answer(place: &Path) -> Option<Answer> {
    let (records, _) = Sessions::at(place.join("firstlight/sessions")).open_read_only(SESSION).unwrap();
    let state = State::fold(records.into_iter().map(|record| (record.at, record.event))).unwrap();
    state.answers.get(&"doomed".into()).cloned()
}

#[test]
fn rows_of_a_kept_table_become_the_answer() {
    let place = tempfile::tempdir().unwrap();
    session(place.path());
    let mut terminal = Terminal::resume(place.path());
    terminal.wait("Which are left out? (none)");
    terminal.press("\r");
    terminal.wait("staged tasks: 5,000");
    terminal.press("/");
    terminal.wait("filter >");
    terminal.press("role=ads job3");
    terminal.wait("500 shown of 5,000");
    terminal.press("\r");
    terminal.press("a");
    terminal.wait("500 MARKED");
    terminal.press("t");
    terminal.wait("process will be KILLED");
    // Not yet: back to the rows, then once more.
    terminal.press("\x1b");
    terminal.wait("space mark");
    assert_eq!(answer(place.path()), None);
    terminal.press("t");
    terminal.wait("Enter answers");
    terminal.press("\r");
    terminal.wait("Which are left out? job=job3");
    assert_eq!(answer(place.path()), Some(Answer::Text("job=job3".to_owned())));
}

#[test]
fn a_table_that_was_changed_on_the_disk_is_refused() {
    let place = tempfile::tempdir().unwrap();
    session(place.path());
    let file = place.path().join(format!("firstlight/sessions/{SESSION}/evidence/a1-staged.table.jsonl"));
    let changed = String::from_utf8(std::fs::read(&file).unwrap()).unwrap().replace("task-7\"", "task-8\"");
    std::fs::write(&file, changed).unwrap();
    let mut terminal = Terminal::resume(place.path());
    terminal.wait("Which are left out? (none)");
    terminal.press("\r");
    terminal.wait("is not what was kept");
    terminal.press("q");
    terminal.wait("Which are left out? (none)");
}
