//! What keys do, and above all what they do not.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::fixture::Fixture;
use crate::{
    session::{Command, Life, Outcome, Report, StepStatus, UndoStatus},
    tui::{
        act::{self, Do},
        keymap::{self, Context},
        text,
        ui::DialogKind,
    },
};

fn ready(step: &str) -> Fixture {
    let mut fixture = Fixture::recovery();
    fixture.walk_to(step);
    fixture
}

fn status(fixture: &Fixture, step: &str) -> StepStatus {
    fixture.state.step(&step.into()).unwrap().status.clone()
}

fn press(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

#[test]
fn a_whole_session_by_keys() {
    let mut fixture = Fixture::recovery();
    // The mark goes on to the next consequence by itself.
    fixture.char(' ');
    fixture.char(' ');
    fixture.char('r');
    fixture.enter();
    assert_eq!(fixture.state.life, Life::Walking);
    fixture.settle();
    // decide: two ticks, two lists, then run.
    fixture.char(' ');
    fixture.key(KeyCode::Down);
    fixture.char(' ');
    fixture.key(KeyCode::Down);
    fixture.enter();
    fixture.key(KeyCode::Down);
    fixture.enter();
    fixture.key(KeyCode::Down);
    fixture.enter();
    fixture.enter();
    fixture.char('r');
    fixture.settle();
    assert!(matches!(status(&fixture, "decide"), StepStatus::Closed(_)), "{}", fixture.screen());
    fixture.char('r');
    fixture.enter();
    fixture.settle();
    fixture.char('r');
    fixture.typed("initialize west");
    fixture.enter();
    fixture.settle();
    fixture.char('r');
    fixture.enter();
    fixture.settle();
    assert!(fixture.state.is_over(), "{}", fixture.screen());
    fixture.char('q');
    assert_eq!(fixture.done.last(), Some(&Do::End));
    let undone = |entry: &crate::session::UndoEntry| matches!(entry.status, UndoStatus::Undone { .. });
    assert!(fixture.state.undo.iter().all(undone));
}

#[test]
fn the_shown_text_is_recorded() {
    let mut fixture = ready("stop");
    fixture.char('r');
    fixture.enter();
    let shown = fixture.done.iter().rev().find_map(|done| match done {
        Do::Ask(_, Command::Run { shown, .. }) => Some(shown.clone()),
        _ => None,
    });
    let shown = shown.unwrap();
    assert!(shown.contains("systemctl stop aurora-scheduler") && shown.contains("s1, s2, s3"), "{shown}");
}

#[test]
fn keys_read_before_the_dialog_was_drawn_do_not_confirm() {
    let mut fixture = ready("stop");
    fixture.frame();
    let read = fixture.clock;
    fixture.raw(press(KeyCode::Char('r')), read, false);
    fixture.raw(press(KeyCode::Enter), read, false);
    fixture.frame();
    // Drawn by now, but the key was read before.
    fixture.raw(press(KeyCode::Enter), read, false);
    assert_eq!(status(&fixture, "stop"), StepStatus::Ready);
    assert!(fixture.screen().contains(text::NOT_DRAWN));
    fixture.enter();
    assert_eq!(status(&fixture, "stop"), StepStatus::Active);
}

#[test]
fn a_key_that_is_held_down_does_not_confirm() {
    let mut fixture = ready("stop");
    fixture.char('r');
    fixture.frame();
    let read = fixture.clock + Duration::from_secs(1);
    fixture.raw(press(KeyCode::Enter), read, true);
    assert_eq!(status(&fixture, "stop"), StepStatus::Ready);
}

#[test]
fn a_phrase_is_typed_not_pasted() {
    let mut fixture = ready("initialize");
    fixture.char('r');
    fixture.frame();
    act::paste(&mut fixture.ui, "initialize west\n");
    assert!(fixture.screen().contains(text::NO_PASTE));
    fixture.enter();
    assert_eq!(status(&fixture, "initialize"), StepStatus::Ready);
    assert!(fixture.screen().contains("is not the phrase"));
    // A terminal without bracketed paste gives a paste as keys, all read before the next frame.
    fixture.char('x');
    fixture.key(KeyCode::Backspace);
    fixture.frame();
    let read = fixture.clock + Duration::from_secs(1);
    for char in "initialize west".chars() {
        fixture.raw(press(KeyCode::Char(char)), read, false);
    }
    fixture.raw(press(KeyCode::Enter), read, false);
    assert_eq!(status(&fixture, "initialize"), StepStatus::Ready);
}

#[test]
fn a_pasted_line_end_does_not_submit() {
    let mut fixture = ready("stop");
    fixture.char('n');
    fixture.frame();
    act::paste(&mut fixture.ui, "first\nsecond\n");
    assert!(fixture.state.notes.is_empty());
    fixture.enter();
    assert_eq!(fixture.state.notes[0].text, "first second");
}

#[test]
fn nothing_is_confirmed_on_a_screen_too_small_to_read() {
    let mut fixture = ready("stop");
    fixture.size = (10, 3);
    fixture.char('r');
    fixture.enter();
    assert_eq!(status(&fixture, "stop"), StepStatus::Ready);
    fixture.size = (80, 24);
    fixture.enter();
    assert_eq!(status(&fixture, "stop"), StepStatus::Active);
}

#[test]
fn interrupt_once_asks_twice_holds_and_leaves_after_the_action() {
    let mut fixture = ready("stop");
    fixture.run(&"stop".into());
    fixture.ctrl('c');
    assert!(matches!(fixture.ui.dialog.as_ref().unwrap().kind, DialogKind::Leave));
    assert!(fixture.screen().contains("systemctl stop"));
    fixture.ctrl('c');
    assert!(fixture.state.held && fixture.ui.leaving);
    assert!(!fixture.done.iter().any(|done| matches!(done, Do::Ask(act::LEAVE_ASK, _))));
    fixture.attempts_end(|_| Outcome::Done(Report::holds("exit 0")));
    fixture.key(KeyCode::Null);
    assert!(fixture.done.iter().any(|done| matches!(done, Do::Ask(act::LEAVE_ASK, Command::Leave { .. }))));
}

#[test]
fn suspending_waits_for_the_action() {
    let mut fixture = ready("stop");
    fixture.ctrl('z');
    assert_eq!(fixture.done.last(), Some(&Do::Suspend));
    fixture.done.clear();
    fixture.run(&"stop".into());
    fixture.ctrl('z');
    assert!(fixture.done.is_empty());
    assert!(fixture.screen().contains("suspending"));
}

#[test]
fn override_skip_doubt_undo_and_abandon_ask_for_a_reason() {
    let mut fixture = ready("decide");
    fixture.char('s');
    fixture.enter();
    assert!(fixture.screen().contains("say why"), "{}", fixture.screen());
    fixture.typed("asked before");
    fixture.enter();
    fixture.run(&"stop".into());
    fixture.attempts_end(|order| match order.host.as_str() {
        "s1" => Outcome::InDoubt { why: "no result".to_owned() },
        _ => Outcome::Done(Report::holds("exit 0")),
    });
    fixture.char('d');
    fixture.key(KeyCode::Down);
    fixture.enter();
    fixture.typed("the unit is stopped");
    fixture.enter();
    assert!(fixture.state.attempts.is_empty(), "{}", fixture.screen());
    fixture.looks_end(|_| Report::unknown("no answer"));
    fixture.char('o');
    fixture.enter();
    fixture.typed("seen on the console");
    fixture.enter();
    assert_eq!(fixture.state.overrides.len(), 1, "{}", fixture.screen());
    fixture.char('A');
    fixture.typed("abandon");
    fixture.enter();
    fixture.typed("enough for today");
    fixture.enter();
    assert!(matches!(fixture.state.life, Life::Ending { .. }), "{}", fixture.screen());
}

#[test]
fn by_hand_shows_the_twin_first() {
    let mut fixture = ready("initialize");
    fixture.char('h');
    assert!(fixture.screen().contains("sudo -u aurora mesos-log initialize --path=/var/lib/aurora/db"));
    fixture.char('y');
    assert!(matches!(fixture.done.last(), Some(Do::Copy(text)) if text.contains("mesos-log initialize")));
    fixture.char('h');
    fixture.typed("did it on each host");
    fixture.enter();
    assert!(fixture.state.step(&"initialize".into()).unwrap().rows.iter().all(|row| row.by_hand.is_some()));
}

#[test]
fn the_palette_finds_commands_by_name() {
    let mut fixture = ready("stop");
    fixture.char(':');
    fixture.typed("nte");
    fixture.enter();
    assert!(matches!(fixture.ui.dialog.as_ref().unwrap().kind, DialogKind::Say { .. }));
}

#[test]
fn output_is_searched_and_followed() {
    let mut fixture = ready("stop");
    for number in 0..1_000 {
        fixture.line("s1", &format!("entry {number}"));
    }
    fixture.char('/');
    fixture.typed("entry 50");
    fixture.enter();
    assert!(fixture.screen().contains("entry 509"));
    fixture.char('N');
    assert!(fixture.screen().contains("entry 508"));
    fixture.char('n');
    assert_eq!(fixture.ui.output.as_ref().unwrap().found, Some(509));
    fixture.char('f');
    assert!(fixture.screen().contains("entry 999"));
    fixture.key(KeyCode::Esc);
    assert!(fixture.ui.output.is_none());
}

#[test]
fn no_key_means_two_things() {
    let contexts = [
        Context::Plan,
        Context::Walk,
        Context::Over,
        Context::Output,
        Context::Read,
        Context::Choose,
        Context::Type,
        Context::Confirm,
    ];
    for context in contexts {
        let mut seen = Vec::new();
        for binding in keymap::TABLE.iter().filter(|binding| binding.contexts.contains(&context)) {
            for key in binding.keys {
                assert!(!seen.contains(key), "{key:?} means two things in {context:?}");
                seen.push(*key);
            }
        }
    }
}

#[test]
fn help_is_the_table() {
    let mut fixture = ready("stop");
    fixture.char('?');
    fixture.size = (160, 200);
    let screen = fixture.screen();
    for binding in keymap::TABLE {
        let keys: Vec<String> = binding.keys.iter().map(|key| keymap::key_name(*key)).collect();
        let line = screen.lines().find(|line| line.contains(binding.help));
        let line = line.unwrap_or_else(|| panic!("{} is not in the help", binding.help));
        assert!(keys.iter().all(|key| line.contains(key)), "{line}");
    }
}
