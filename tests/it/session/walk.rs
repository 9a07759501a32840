//! The shipped runbook, walked in a world where everything works, and broken off at every point.

use firstlight::{
    runbook::{
        Mode,
        kind::{Aurora, Kind},
    },
    session::{Command, Event, Life, State, UndoStatus},
};

use super::sim::{Fine, Sim};

const RUNBOOK: &str = include_str!("../../../runbooks/aurora-restore-from-backup.yaml");

/// Says what a person says at the step whose turn it is.
fn person(sim: &mut Sim<Fine>) {
    sim.run().unwrap_or_else(|refusal| panic!("{:?}: {refusal}", sim.current()));
}

fn walk(sim: &mut Sim<Fine>) {
    if sim.state.life == Life::Opening {
        sim.begin();
    }
    for _ in 0..200 {
        sim.settle(10_000);
        if sim.state.is_over() {
            return;
        }
        person(sim);
    }
    panic!("no end: stuck at {:?}", sim.current());
}

#[test]
fn everything_works_and_nothing_is_left_changed() {
    let mut sim = Sim::new(RUNBOOK, Mode::Recovery, Fine);
    walk(&mut sim);
    assert!(matches!(&sim.state.life, Life::Ended { why: None, .. }));
    assert_eq!(sim.state.still_changed().count(), 0);
    // The log that was moved aside is not put back after a commit; the flags of every host are.
    let settled = sim.state.undo.iter().filter(|entry| matches!(entry.status, UndoStatus::Settled { .. })).count();
    assert_eq!(settled, 4, "three logs and what was staged");
    let restored = sim
        .done
        .iter()
        .filter(|(_, _, kind)| matches!(kind, Kind::Flags(flags) if format!("{flags:?}").starts_with("Restore")))
        .count();
    assert_eq!(restored, 3);
    let commits = sim.done.iter().filter(|(_, _, kind)| format!("{kind:?}").contains("Commit")).count();
    assert_eq!(commits, 1);
}

#[test]
fn the_record_folds_to_the_same_state() {
    let mut sim = Sim::new(RUNBOOK, Mode::Recovery, Fine);
    walk(&mut sim);
    let folded = sim.refold();
    assert_eq!(folded.seq, sim.state.seq);
    assert_eq!(format!("{:?}", folded.undo), format!("{:?}", sim.state.undo));
    assert_eq!(format!("{:?}", folded.life), format!("{:?}", sim.state.life));
}

/// Breaks the record off after each of its events, as a crash does, resumes, and walks to the end.
#[test]
fn broken_off_anywhere_it_ends_the_same_and_destroys_nothing_twice() {
    let mut whole = Sim::new(RUNBOOK, Mode::Recovery, Fine);
    walk(&mut whole);
    // Every cut right after something was handed out or came back, and a part of the others.
    let counts = |event: &Event| matches!(event, Event::AttemptStarted { .. } | Event::AttemptFinished { .. });
    for cut in (1..whole.events.len()).filter(|cut| cut % 5 == 0 || counts(&whole.events[cut - 1].1)) {
        let mut sim = Sim::new(RUNBOOK, Mode::Recovery, Fine);
        sim.events = whole.events.iter().take(cut).cloned().collect();
        sim.state = State::fold(sim.events.iter().cloned()).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        sim.now = sim.state.at;
        let resume =
            Command::Resume { operator: "bob".to_owned(), machine: "m".to_owned(), version: "0".to_owned(), pid: 1 };
        sim.say(&resume).unwrap();
        walk(&mut sim);
        assert_eq!(sim.state.still_changed().count(), 0, "cut {cut}");
        // In this world every look says that the action had happened: nothing that changes runs again.
        let before: Vec<String> = whole
            .events
            .iter()
            .take(cut)
            .filter_map(|(_, event)| match event {
                Event::AttemptStarted { kind, host, .. } if !kind.looks() => Some(format!("{host} {kind:?}")),
                _ => None,
            })
            .collect();
        for (_, host, kind) in &sim.done {
            let again = format!("{host} {kind:?}");
            // The runbook says of these that they may be repeated.
            let repeatable = matches!(kind, Kind::Service(_) | Kind::Aurora(Aurora::Backup { .. }));
            let harmless = repeatable || kind.looks();
            // Putting an original back tolerates that it is back: only undoing is repeated unasked.
            let undo = matches!(kind, Kind::Flags(_)) && again.contains("Restore");
            assert!(harmless || undo || !before.contains(&again), "cut {cut}: {again} ran twice");
        }
    }
}
