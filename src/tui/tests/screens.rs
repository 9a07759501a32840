//! What is drawn: every kind of screen at four sizes, and no panic at any size in any state.

use crossterm::event::KeyCode;
use proptest::prelude::*;

use super::fixture::{Fixture, text_of};
use crate::{
    engine::{Health, LeaderSeen, LeaderTone},
    runbook::Mode,
    session::{Command, Finding, Outcome, Purpose, Report},
};

const SIZES: [(u16, u16); 4] = [(80, 24), (120, 40), (40, 10), (1, 1)];

/// A name and what makes it.
type Scene = (&'static str, fn() -> Fixture);

/// Every kind of screen by name.
const SCENES: &[Scene] = &[
    ("plan", Fixture::recovery),
    ("ready-checklist", || walked("decide")),
    ("ready-danger", || walked("initialize")),
    ("running", running),
    ("blocked", blocked),
    ("failed", failed),
    ("in-doubt", in_doubt),
    ("finished-step", finished_step),
    ("drift", drift),
    ("ending", ending),
    ("over", over),
    ("output", output),
    ("read-only", read_only),
    ("training", || Fixture::new(Mode::Training, true)),
    ("dialog-begin", || with(Fixture::recovery(), "r")),
    ("dialog-run", || with(walked("stop"), "r")),
    ("dialog-phrase", || with(walked("initialize"), "rinit")),
    ("dialog-note", || with(walked("stop"), "nlooks odd")),
    ("dialog-override", || with(blocked(), "o")),
    ("dialog-manual", || with(walked("initialize"), "h")),
    ("dialog-doubt", || with(in_doubt(), "d")),
    ("dialog-undo", || with(changed(), "u")),
    ("dialog-abandon", || with(changed(), "Aaban")),
    ("dialog-palette", || with(blocked(), ":ov")),
    ("dialog-help", || with(walked("stop"), "?")),
    ("dialog-leave", || with(running(), "q")),
    ("dialog-evidence", || with(blocked(), "e")),
    ("dialog-pick", pick),
    ("dialog-drift", || with(drift(), "D")),
    ("leader", leader),
    ("leader-unknown", leader_unknown),
];

fn with(mut fixture: Fixture, keys: &str) -> Fixture {
    fixture.typed(keys);
    fixture
}

/// One who leads, and who was not there from the beginning.
fn leader() -> Fixture {
    let mut fixture = walked("stop");
    let since = fixture.now;
    fixture.wait(252_000);
    let (confirmed, words) = (fixture.now, "s1 leads, advertised".to_owned());
    let (tone, before) = (LeaderTone::Leads, None);
    fixture.leader = Some(LeaderSeen { words, tone, since, longer: false, confirmed, before, elections: 2 });
    fixture.wait(2_000);
    fixture
}

/// Nothing is known any more, and the reason is longer than the line.
fn leader_unknown() -> Fixture {
    let mut fixture = leader();
    let since = fixture.now;
    fixture.wait(12_000);
    let words =
        "unknown: no session with ZooKeeper at 10.0.0.1:2181,10.0.0.2:2181: it runs without a quorum".to_owned();
    let before = Some("s1 leads, advertised".to_owned());
    let (tone, confirmed) = (LeaderTone::Unknown, fixture.now);
    fixture.leader = Some(LeaderSeen { words, tone, since, longer: false, confirmed, before, elections: 2 });
    fixture
}

fn walked(step: &str) -> Fixture {
    let mut fixture = Fixture::recovery();
    fixture.walk_to(step);
    fixture.wait(65_000);
    fixture
}

fn running() -> Fixture {
    let mut fixture = walked("stop");
    fixture.run(&"stop".into());
    fixture.line("s1", "Stopping aurora-scheduler...");
    fixture.line("s2", "Stopping aurora-scheduler...\twaiting");
    fixture.wait(12_000);
    fixture
}

fn blocked() -> Fixture {
    let mut fixture = running();
    fixture.attempts_end(|_| Outcome::Done(Report::holds("exit 0")));
    fixture.looks_end(|look| match &look.purpose {
        Purpose::Gate { host, gate: 0, .. } if host.as_str() == "s3" => {
            Report::unknown("no answer for 40s").with_details(vec!["connect: timed out".to_owned()])
        }
        _ => Report::holds("none seen"),
    });
    fixture.wait(40_000);
    fixture
}

fn failed() -> Fixture {
    let mut fixture = running();
    fixture.attempts_end(|order| match order.host.as_str() {
        "s2" => Outcome::Failed { why: "exit 1: unit aurora-scheduler.service not loaded".to_owned() },
        _ => Outcome::Done(Report::holds("exit 0")),
    });
    fixture
}

fn in_doubt() -> Fixture {
    let mut fixture = running();
    fixture.attempts_end(|order| match order.host.as_str() {
        "s2" => Outcome::InDoubt { why: "no result within 60s".to_owned() },
        _ => Outcome::Done(Report::holds("exit 0")),
    });
    fixture
}

fn changed() -> Fixture {
    let mut fixture = walked("initialize");
    fixture.run(&"initialize".into());
    fixture.attempts_end(|_| Outcome::Done(Report::holds("moved aside, 14 files")));
    fixture.attempts_end(|_| Outcome::Failed { why: "exit 1: permission denied".to_owned() });
    fixture
}

fn finished_step() -> Fixture {
    let mut fixture = walked("stop");
    fixture.key(KeyCode::Left);
    fixture.key(KeyCode::Left);
    fixture
}

fn drift() -> Fixture {
    let mut fixture = walked("stop");
    let resume =
        Command::Resume { operator: "bob".to_owned(), machine: "ops2".to_owned(), version: "0.1.0".to_owned(), pid: 7 };
    fixture.ask(&resume).unwrap();
    fixture.looks_end(|_| Report::new(Finding::Unknown, "connection timed out"));
    // The list opens by itself with the first key and is closed by the second.
    fixture.key(KeyCode::Esc);
    assert!(fixture.ui.dialog.is_some());
    fixture.key(KeyCode::Esc);
    fixture
}

fn ending() -> Fixture {
    let mut fixture = changed();
    fixture.ask(&Command::Abandon { reason: "the survivor came back".to_owned() }).unwrap();
    fixture
}

fn over() -> Fixture {
    let mut fixture = walked("decide");
    fixture.ask(&Command::Note { text: "paged the owners".to_owned() }).unwrap();
    let mut ended = fixture;
    ended.ask(&Command::Skip { step: "decide".into(), reason: "asked before".to_owned() }).unwrap();
    for step in ["stop", "initialize", "put-back"] {
        ended.run(&step.into());
        ended.settle();
    }
    assert!(ended.state.is_over());
    ended
}

fn output() -> Fixture {
    let mut fixture = running();
    for number in 0..500 {
        fixture.line("s2", &format!("line {number} of the log"));
    }
    fixture.typed("/line 12");
    fixture.enter();
    fixture
}

fn read_only() -> Fixture {
    let mut fixture = running();
    fixture.health = Health::ReadOnly("ada drives it on ops1 (process 71)".to_owned());
    fixture
}

fn pick() -> Fixture {
    let mut fixture = walked("decide");
    for _ in 0..4 {
        fixture.key(KeyCode::Down);
    }
    fixture.enter();
    fixture
}

#[test]
fn every_screen_at_every_size() {
    for (name, make) in SCENES {
        let mut fixture = make();
        for size in SIZES {
            fixture.size = size;
            fixture.frame();
            let screen = fixture.screen();
            insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
                insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), screen);
            });
        }
    }
}

/// A session whose unknown tasks are swept this long after its start.
fn swept_after(ms: i64) -> Fixture {
    let mut opened = super::fixture::opened(Mode::Recovery, false);
    let at = 1_800_000_000_000_i64 + ms;
    let clock = format!("clocks:\n  - {{ id: sweep, title: unknown tasks killed, at: \"{at}\" }}\nneeds:");
    opened.runbook = opened.runbook.replacen("needs:", &clock, 1);
    let mut fixture = Fixture::recovery();
    fixture.state = crate::session::State::open(opened, fixture.now).unwrap();
    fixture.walk_to("stop");
    fixture
}

#[test]
fn the_time_to_what_comes_is_in_the_top_line() {
    let mut fixture = swept_after(31 * 60_000);
    for (width, minutes, line) in [
        (100, 0, "incident 00:00  step 00:00  unknown tasks killed 31:00"),
        (70, 0, "incident 00:00  step 00:00  unknown tasks k… 31:00"),
        (60, 6, "incident 06:00  unknown tasks k… 25:00"),
        (100, 21, "incident 27:00  step 27:00  ! unknown tasks killed 04:00"),
        (42, 0, "! unknown tasks k… 04:00"),
        (30, 0, "! 04:00"),
        (100, 4, "incident 31:00  step 31:00  ! unknown tasks killed due"),
        (30, 60, "! due"),
    ] {
        fixture.wait(minutes * 60_000);
        fixture.size = (width, 24);
        let screen = fixture.screen();
        assert_eq!(screen.lines().next().unwrap().split_once("RECOVERY").unwrap().1.trim(), line);
    }
    let (buffer, _) = fixture.frame_at((100, 24));
    assert_eq!(buffer[(98, 0)].fg, ratatui::style::Color::Red);
}

#[test]
fn mode_is_on_every_frame() {
    for (name, make) in SCENES {
        let mut fixture = make();
        let word = if *name == "training" { "PRACTICE TRAINING" } else { "RECOVERY" };
        for size in [(80, 24), (40, 10), (20, 5)] {
            fixture.size = size;
            let screen = fixture.screen();
            assert!(screen.lines().next().unwrap().contains(word), "{name} at {size:?}:\n{screen}");
        }
    }
}

#[test]
fn ascii_and_no_color_lose_nothing() {
    for (name, make) in SCENES {
        let mut fixture = make();
        fixture.theme.ascii = true;
        fixture.theme.no_color = true;
        let buffer = fixture.frame();
        for cell in buffer.content() {
            assert!(cell.symbol().is_ascii(), "{name}: {:?} is not ASCII", cell.symbol());
            assert_eq!(cell.fg, ratatui::style::Color::Reset, "{name}");
            assert_eq!(cell.bg, ratatui::style::Color::Reset, "{name}");
        }
    }
}

#[test]
fn reasons_stand_verbatim() {
    let mut fixture = blocked();
    fixture.size = (200, 60);
    let reasons = crate::session::blocks(&fixture.state, &"stop".into(), fixture.now);
    assert!(!reasons.is_empty());
    let screen = fixture.screen();
    for (_, reason) in reasons {
        assert!(screen.contains(&reason), "{reason} is not in\n{screen}");
    }
}

/// What a hostile host might send.
const HOSTILE: &str =
    "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{1b}[31mred\u{9b}5n\r\n\0\u{8}\u{202e}tiger\u{200d}\u{fe0f}e\u{301}";

#[test]
fn control_characters_never_reach_the_screen() {
    let mut fixture = running();
    fixture.line("s1\u{1b}[2J", HOSTILE);
    fixture.attempts_end(|_| Outcome::Done(Report::holds(HOSTILE)));
    fixture.looks_end(|_| Report::fails(HOSTILE).with_details(vec![HOSTILE.to_owned()]));
    fixture.ask(&Command::Note { text: HOSTILE.to_owned() }).unwrap();
    for keys in ["", "e", "l"] {
        fixture.typed(keys);
        for size in [(80, 24), (200, 60), (30, 8)] {
            let (buffer, _) = fixture.frame_at(size);
            for cell in buffer.content() {
                let bad = |char: char| char.is_control() || ('\u{202a}'..='\u{202e}').contains(&char);
                assert!(!cell.symbol().contains(bad), "{:?} in\n{}", cell.symbol(), text_of(&buffer));
            }
        }
        fixture.key(KeyCode::Esc);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// No state and no size makes a view panic, nor do any keys.
    #[test]
    fn nothing_panics(
        scene in 0usize..1_000,
        sizes in proptest::collection::vec((0u16..160, 0u16..60), 1..6),
        keys in proptest::collection::vec(prop_oneof![
            proptest::char::range(' ', '~').prop_map(KeyCode::Char),
            Just(KeyCode::Enter), Just(KeyCode::Esc), Just(KeyCode::Tab), Just(KeyCode::Up), Just(KeyCode::Down),
            Just(KeyCode::PageUp), Just(KeyCode::PageDown), Just(KeyCode::Left), Just(KeyCode::Backspace),
        ], 0..12),
    ) {
        let (_, make) = SCENES[scene % SCENES.len()];
        let mut fixture = make();
        for size in sizes {
            fixture.size = size;
            for key in &keys {
                fixture.key(*key);
            }
            fixture.frame();
        }
    }
}
