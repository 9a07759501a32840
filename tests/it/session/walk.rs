//! The shipped runbook, walked in a world where everything works, and broken off at every point.

use firstlight::{
    runbook::{
        Mode,
        kind::{Aurora, Kind, Process, Service},
    },
    session::{Command, Event, Life, Look, Order, Outcome, Report, RowStatus, State, StepStatus, UndoStatus},
};

use super::sim::{Fine, Sim, World, report};

const RUNBOOK: &str = include_str!("../../../runbooks/aurora-restore-from-backup.yaml");

/// Ticks and says what a person does at the step whose turn it is.
fn person(sim: &mut Sim<Fine>) {
    sim.tick_all();
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
    assert_eq!(settled, 7, "three holds, three logs and what was staged");
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

/// Schedulers that somebody starts again while nobody watches: whatever must find none refuses, until they
/// are stopped.
struct StartedAgain {
    up: bool,
    refused: usize,
}

impl World for StartedAgain {
    fn attempt(&mut self, order: &Order) -> Outcome {
        if matches!(order.kind, Kind::Service(Service::Stop(_))) {
            self.up = false;
        } else if self.up && order.guards.iter().any(finds_none) {
            self.refused += 1;
            return Outcome::Refused { why: "a scheduler runs".to_owned() };
        }
        Outcome::Done(report(&order.kind, order.host.as_str()))
    }

    fn look(&mut self, look: &Look) -> Report {
        if self.up && finds_none(&look.kind) {
            return Report::fails("a scheduler runs");
        }
        report(&look.kind, look.host.as_str())
    }
}

fn finds_none(kind: &Kind) -> bool {
    matches!(kind, Kind::Process(Process::Absent(_) | Process::AbsentEverywhere { .. }))
}

/// Breaks the record off wherever something was handed out, has the schedulers run again, resumes: nobody is
/// ever stuck, and where a step relies on their absence they are stopped again first.
#[test]
fn schedulers_that_run_again_after_a_crash_are_stopped_again_and_the_walk_ends() {
    let mut whole = Sim::new(RUNBOOK, Mode::Recovery, Fine);
    walk(&mut whole);
    let handed_out = |event: &Event| matches!(event, Event::AttemptStarted { kind, .. } if !kind.looks());
    let (mut reopened, mut refused) = (0, 0);
    for cut in (1..whole.events.len()).filter(|cut| handed_out(&whole.events[cut - 1].1)) {
        let mut sim = Sim::new(RUNBOOK, Mode::Recovery, StartedAgain { up: true, refused: 0 });
        sim.events = whole.events.iter().take(cut).cloned().collect();
        sim.state = State::fold(sim.events.iter().cloned()).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        sim.now = sim.state.at;
        let resume =
            Command::Resume { operator: "bob".to_owned(), machine: "m".to_owned(), version: "0".to_owned(), pid: 1 };
        sim.say(&resume).unwrap();
        let mut rounds = 0;
        while !sim.state.is_over() {
            sim.settle(2_000);
            rounds += 1;
            assert!(rounds < 200, "cut {cut}: stuck at {:?}, {:?}", sim.current(), sim.state.drift);
            let Some(step) = sim.state.current().cloned() else { continue };
            if step.status == StepStatus::Ready {
                sim.tick_all();
                sim.run().unwrap_or_else(|refusal| panic!("cut {cut}: {:?}: {refusal}", sim.current()));
            } else if let Some(row) = step.rows.iter().find(|row| matches!(row.status, RowStatus::Stopped { .. })) {
                // Refused: the looks back are on their way, and a person tries again.
                while sim.answer_one() {}
                let retry = Command::Retry { step: step.id.clone(), host: row.host.clone() };
                drop(sim.say(&retry));
            }
        }
        assert_eq!(sim.state.still_changed().count(), 0, "cut {cut}");
        reopened += usize::from(sim.events.iter().any(|(_, event)| matches!(event, Event::StepReopened { .. })));
        refused += sim.world.refused;
    }
    assert!(reopened > 3 && refused > 0, "{reopened} walks ran a step again, {refused} actions were refused");
}
