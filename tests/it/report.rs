//! A session with everything in it: its journal must always be read, and its report says what happened.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

use std::{fs, path::PathBuf};

use firstlight::{
    cli::sessions::{self, journal_show, journal_verify},
    journal::{Head, Journal, LineHash, MemoryDisk, Record, Sessions, encode, read, session_id},
    report::{json, markdown, took},
    runbook::{Mode, kind::Kind, model::HostName},
    session::{
        AttemptId, Command, Given, Look, Order, Outcome, Purpose, Report, RowStatus, Stamp, State, StepStatus,
        UndoStatus,
    },
};
use serde_json::{Value, json as value};

use crate::session::sim::{Sim, World, report};

const RUNBOOK: &str = r#"
format: 1
id: small
title: Stop, change | tell
summary: Three steps and a way back.
consequences:
  - { id: down, text: "Nothing of {{ cluster.name }} answers while it runs." }
needs:
  groups: { schedulers: { vars: [http_at] } }
  services: [scheduler]
inputs:
  - { id: ticket, title: Which ticket?, type: text }
phases:
  - id: one
    title: One
    steps:
      - id: stop
        title: Stop
        why: w
        expect: e
        by_hand: b
        on: schedulers
        danger: changes
        confirm: { type: "stop {{ cluster.name }}" }
        undo: inverse
        holds_until: change
        checklist:
          - { id: told, text: "Everybody knows." }
        do:
          - service: { stop: scheduler }
        gates:
          - port: { closed: "{{ host.http_at }}" }
            say: nothing listens
            within: 10s
      - id: change
        title: Change
        why: w
        expect: e
        by_hand: b
        danger: destroys
        confirm: { type: go }
        undo: { none: "there is none" }
        inputs:
          - { id: how, title: How, type: choice, choices: [well, badly] }
        guard:
          - port: { closed: "127.0.0.1:1" }
        do:
          - command: { argv: [change, "{{ inputs.how }}"], capture: json }
            register: change
        gates:
          - files: { exists: { path: /done } }
      - id: tell
        title: Tell
        why: w
        expect: e
        by_hand: b
        danger: reads
        may_skip: true
        confirm: key
        do:
          - command: { argv: [tell], reads: true }
"#;

/// The second host's stop never answers, the third's port stays open, and the change loses two tasks.
struct Troubled;

impl World for Troubled {
    fn attempt(&mut self, order: &Order) -> Outcome {
        match (&order.kind, order.host.as_str()) {
            (Kind::Service(_), "s2") => Outcome::InDoubt { why: "no answer for 30s".to_owned() },
            (Kind::Command(_), _) => Outcome::Done(
                Report::holds("changed `it` <b>well</b>")
                    .with_outputs(value!({ "ratio": 0.1, "lost": ["task-1", { "id": "task-2|x" }] }))
                    .with_details(vec!["| a | table |".to_owned()]),
            ),
            (kind, host) => Outcome::Done(report(kind, host)),
        }
    }

    fn look(&mut self, look: &Look) -> Report {
        match (&look.purpose, look.host.as_str()) {
            (Purpose::Happened { .. }, _) => Report::unknown("no answer"),
            (Purpose::Gate { .. }, "s3") => Report::fails("something listens"),
            (Purpose::StillSo { .. }, "s1") => Report::unknown("no answer\u{1b}[2J for 5s"),
            _ => report(&look.kind, look.host.as_str()),
        }
    }
}

fn troubled() -> Sim<Troubled> {
    let mut sim = Sim::new(RUNBOOK, Mode::Recovery, Troubled);
    let say = |sim: &mut Sim<Troubled>, command: Command| {
        sim.say(&command).unwrap_or_else(|why| panic!("{command:?}: {why:?}"));
    };
    sim.give("ticket", "OPS-1 *bold*").unwrap();
    sim.begin();
    say(&mut sim, Command::Tick { step: "stop".into(), item: "told".into(), on: true });
    sim.run().unwrap();
    sim.settle(12);
    say(&mut sim, Command::Settle { attempt: AttemptId(2), happened: true, reason: "seen on its console".to_owned() });
    sim.settle(6);
    say(&mut sim, Command::Note { text: "# not a heading\nsecond line".to_owned() });
    let s3 = HostName::from("s3");
    let reason = "unplugged by hand".to_owned();
    say(&mut sim, Command::Override { step: "stop".into(), host: s3, gate: 0, reason });
    sim.settle(6);
    say(&mut sim, Command::Leave { why: "end of shift".to_owned() });
    sim.pending.clear();
    sim.now = Stamp { utc_ms: sim.now.utc_ms + 3_723_000, mono_ms: 5 };
    let (operator, machine, version) = ("grace".to_owned(), "laptop".to_owned(), "0.0.0".to_owned());
    say(&mut sim, Command::Resume { operator, machine, version, pid: 7 });
    sim.settle(6);
    while sim.answer_one() {}
    say(&mut sim, Command::Answer { input: "how".into(), given: Given::Text("well".to_owned()) });
    sim.run().unwrap();
    sim.settle(6);
    say(&mut sim, Command::Skip { step: "tell".into(), reason: "they know".to_owned() });
    sim.settle(6);
    sim
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/journal").join(name)
}

fn journal_of<W>(sim: &Sim<W>) -> Vec<u8> {
    let disk = MemoryDisk::default();
    let mut journal = Journal::on(Box::new(disk.clone()), Head::EMPTY);
    for (at, event) in &sim.events {
        journal.append(*at, std::slice::from_ref(event)).unwrap();
    }
    disk.written()
}

fn fold(records: &[Record]) -> State {
    State::fold(records.iter().map(|record| (record.at, record.event.clone()))).unwrap()
}

fn golden() -> (Vec<Record>, State) {
    let path = data("v1.jsonl");
    let (records, torn) = read(fs::File::open(&path).unwrap(), &path).unwrap();
    assert_eq!(torn, None);
    let state = fold(&records);
    (records, state)
}

/// Compares with a file of `tests/data/journal`; `BLESS=1` writes it. The journal itself is written by `BLESS_JOURNAL=1`,
/// and never once a version of the format was released.
fn check_file(name: &str, found: &[u8]) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(data(name), found).unwrap();
    }
    let expected = fs::read(data(name)).unwrap_or_default();
    let (found, expected) = (String::from_utf8_lossy(found), String::from_utf8_lossy(&expected));
    let differs = found.lines().zip(expected.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or(found.lines().count().min(expected.lines().count()));
    let (is, was) = (found.lines().nth(line), expected.lines().nth(line));
    assert!(found == expected, "{name}, line {}:\n  is  {is:?}\n  was {was:?}", line + 1);
}

/// Everything of a state that has a defined order.
fn gist(state: &State) -> String {
    let State { life, acknowledged, answers, steps, outputs, undo, notes, overrides, drift, seq, at, .. } = state;
    format!("{:?}", (life, acknowledged, answers, steps, outputs, undo, notes, overrides, drift, seq, at))
}

/// A journal of format 1 is read for ever: its events keep their bytes, and lead to the same state.
#[test]
fn the_journal_of_format_1() {
    if std::env::var_os("BLESS_JOURNAL").is_some() {
        fs::write(data("v1.jsonl"), journal_of(&troubled())).unwrap();
    }
    let (records, state) = golden();
    let mut prev = LineHash::NONE;
    for (record, line) in records.iter().zip(fs::read_to_string(data("v1.jsonl")).unwrap().split_inclusive('\n')) {
        let again = encode(record.seq, record.at, prev, &record.event).unwrap();
        assert_eq!(String::from_utf8(again).unwrap(), line);
        prev = record.hash;
    }
    assert_eq!(state.seq, records.len() as u64);
    assert!(state.steps.iter().all(|step| matches!(step.status, StepStatus::Closed(_))));
    assert!(state.steps[0].rows.iter().all(|row| matches!(row.status, RowStatus::Done { .. })));
    let undo: Vec<_> = state.undo.iter().map(|entry| (entry.host.as_str(), &entry.status)).collect();
    assert_eq!(undo.len(), 3);
    assert!(undo.iter().all(|(_, status)| **status == UndoStatus::Open));
    assert_eq!(state.outputs[&"change".into()][&"local".into()]["ratio"], value!(0.1));
    assert_eq!((state.overrides.len(), state.notes.len(), state.drift.len()), (1, 1, 1));
    assert!(state.is_over());
}

#[test]
fn what_is_read_folds_like_what_was_written() {
    let sim = troubled();
    let (records, _) = read(journal_of(&sim).as_slice(), &data("none")).unwrap();
    assert!(gist(&fold(&records)) == gist(&sim.refold()));
    assert_eq!(records.last().unwrap().seq, sim.state.seq);
}

#[test]
fn the_report_of_a_session_with_everything_in_it() {
    let (records, state) = golden();
    let text = markdown(&records, &state);
    check_file("v1.report.md", text.as_bytes());
    for part in [
        "# RECOVERY: Stop, change \\| tell (west)",
        "**Something is still changed on the cluster**",
        "- **ada** on bastion",
        "- **grace** on laptop",
        "1 h 02 min 03 s without anybody",
        "left: end of shift",
        "2. on s3: ",
        "- **lost** (Change, local): 2",
        "- **skipped**: Tell: they know",
        "because: unplugged by hand",
        "seen by then: something listens",
        "not known because: no answer for 30s; looked, but could not tell",
        "it had happened: the engineer says: seen on its console",
        "typing `stop west`",
        "\\# not a heading second line",
        "guarded by ",
        "changed \\`it\\` \\<b\\>well\\</b\\>",
        "OPS-1 *bold*",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(text.contains("nothing listens: unknown: no answer\u{fffd}\\[2J for 5s"));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    assert!(text.contains(&records.last().unwrap().hash.to_string()), "the head of the journal");
}

#[test]
fn the_report_as_json() {
    let (records, state) = golden();
    let report = json(&records, &state);
    let count = |member: &str| report[member].as_array().map(Vec::len);
    for (member, expected) in [
        ("presences", 2),
        ("acknowledged", 1),
        ("answers", 2),
        ("confirmations", 2),
        ("ticks", 1),
        ("commands", 4),
        ("overrides", 1),
        ("doubts", 1),
        ("drift", 1),
        ("notes", 1),
        ("not_done", 2),
        ("changed", 3),
        ("lost", 1),
        ("steps", 4),
        ("timeline", records.len()),
    ] {
        assert_eq!(count(member), Some(expected), "{member}: {:#}", report[member]);
    }
    assert_eq!(report["practice"], Value::Bool(false));
    assert_eq!(report["head"], value!(records.last().unwrap().hash.to_string()));
}

/// A report can be asked for at any moment.
#[test]
fn every_beginning_of_a_session_has_a_report() {
    let (records, _) = golden();
    for len in 1..=records.len() {
        let state = fold(&records[..len]);
        let text = markdown(&records[..len], &state);
        assert!(text.starts_with("# RECOVERY: "));
        assert_eq!(json(&records[..len], &state)["timeline"].as_array().unwrap().len(), len);
    }
}

#[test]
fn a_practice_run_is_unmistakable() {
    let (mut records, _) = golden();
    for (practice, mode, expected) in [
        (true, Mode::Recovery, "# PRACTICE: "),
        (true, Mode::Training, "# PRACTICE, TRAINING: "),
        (false, Mode::Training, "# TRAINING: "),
    ] {
        let firstlight::session::Event::Opened(opened) = &mut records[0].event else { panic!("not opened") };
        opened.inventory.practice = practice;
        opened.mode = mode;
        let text = markdown(&records, &fold(&records));
        assert!(text.starts_with(expected), "{}", &text[..80]);
    }
}

#[test]
fn durations() {
    for (ms, expected) in [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_250, "1.2 s"),
        (59_999, "59.9 s"),
        (61_000, "1 min 01 s"),
        (3_723_000, "1 h 02 min 03 s"),
    ] {
        assert_eq!(took(ms), expected);
    }
}

#[test]
fn sessions_on_the_command_line() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("sessions");
    assert!(sessions::sessions(&root, false).unwrap().starts_with("no sessions"));
    let (records, _) = golden();
    let firstlight::session::Event::Opened(opened) = &records[0].event else { panic!("not opened") };
    let id = session_id(records[0].at, "west", 5);
    let mut opened = (**opened).clone();
    opened.session.clone_from(&id);
    let mut journal = Sessions::at(&root).create(&opened, records[0].at).unwrap();
    let line = sessions::sessions(&root, false).unwrap();
    assert!(line.starts_with(&format!("{id}  recovery  west  test.yaml  by ada")), "{line}");
    assert!(line.contains("unfinished") && line.contains("driven by ada on bastion"), "{line}");
    for record in &records[1..] {
        journal.append(record.at, std::slice::from_ref(&record.event)).unwrap();
    }
    drop(journal);
    let listed: Value = serde_json::from_str(&sessions::sessions(&root, true).unwrap()).unwrap();
    assert_eq!((&listed[0]["id"], &listed[0]["standing"]), (&value!(id), &value!("ended")));
    for word in ["last", &id, "west-0005"] {
        assert!(sessions::report(&root, word).unwrap().starts_with("# RECOVERY"));
    }
    assert!(sessions::report_json(&root, "last").unwrap().starts_with('{'));
    assert_eq!(journal_show(&root, "last").unwrap().lines().count(), records.len());
    let path = root.join(&id);
    for what in ["last", path.to_str().unwrap(), data("v1.jsonl").to_str().unwrap()] {
        assert!(
            journal_verify(&root, what).unwrap().starts_with(&format!("whole: {} records", records.len())),
            "{what}"
        );
    }
    // Damage: shown up to the place, refused by everything else.
    let file = path.join("journal.jsonl");
    let damaged = fs::read_to_string(&file).unwrap().replace("not a heading", "not a h3ading");
    fs::write(&file, damaged).unwrap();
    let shown = journal_show(&root, "last").unwrap();
    assert!(shown.lines().last().unwrap().contains("checksum"), "{shown}");
    assert!(journal_verify(&root, "last").is_err() && sessions::report(&root, "last").is_err());
    assert!(sessions::sessions(&root, false).unwrap().contains("DAMAGED"));
}
