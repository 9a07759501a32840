//! The program is killed again and again while it recovers, and taken up each time. The recovery ends
//! as if nothing had happened, and nothing that destroys happens twice.

use std::{path::Path, time::Duration};

use firstlight::{
    practice::Scenario,
    runbook::kind::Kind,
    session::{Event, Outcome},
};
use rustix::process::Signal;

use super::{
    cluster_checks::{Before, log_lines},
    rig::{Ran, Rig, Running, WALK, answers_text},
};

/// Events that say that something got further; what a resume looks at again does not count.
const PROGRESS: [&str; 5] =
    ["{\"attempt_started\"", "{\"attempt_finished\"", "{\"row_done\"", "{\"step_done\"", "{\"confirmed\""];
/// A kill after so many of them: more than twenty over a whole recovery.
const STRIDE: usize = 11;
/// How often a walk has to be killed in its course.
const KILLS_MIN: usize = 20;
/// Steps of which every action may happen once only.
const DESTRUCTIVE: [&str; 8] =
    ["stop-schedulers", "set-flags", "move-aside", "initialize", "stage", "commit", "put-back", "start-normal"];

fn journal(rig: &Rig) -> String {
    let dirs = rig.sessions();
    dirs.last().map_or_else(String::new, |dir| {
        String::from_utf8_lossy(&std::fs::read(dir.join("journal.jsonl")).unwrap_or_default()).into_owned()
    })
}

fn progress(rig: &Rig) -> usize {
    journal(rig).lines().filter(|line| PROGRESS.iter().any(|word| line.contains(word))).count()
}

/// Steps of which an attempt was begun.
fn begun(rig: &Rig) -> Vec<&'static str> {
    let journal = journal(rig);
    let has = |step: &str| {
        let word = format!("\"step\":\"{step}\"");
        journal.lines().any(|line| line.contains("{\"attempt_started\"") && line.contains(&word))
    };
    DESTRUCTIVE.into_iter().filter(|step| has(step)).collect()
}

/// Kills the walk when it is time to; what it left if it ended before.
fn kill_when(mut walk: Running, mut now: impl FnMut() -> bool) -> Option<Ran> {
    let until = std::time::Instant::now() + WALK;
    loop {
        if walk.ended() || std::time::Instant::now() > until {
            return Some(walk.wait(Duration::from_secs(1)));
        }
        if now() {
            walk.signal(Signal::KILL);
            let ran = walk.wait(Duration::from_secs(10));
            // It may have ended by itself in that very moment.
            return (ran.signal.is_none()).then_some(ran);
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

fn setting() -> (Rig, Before, String) {
    let rig = Rig::up(Scenario::CorruptLog, 3);
    let before = Before::of(&rig);
    // The old logs stay, so that they can be counted.
    let text = answers_text(Scenario::CorruptLog).replace("keep_old_log: \"no\"", "keep_old_log: \"yes\"");
    let answers = rig.file("answers.yaml", &text);
    (rig, before, answers)
}

fn next_leg(rig: &Rig, answers: &str) -> Running {
    if rig.sessions().is_empty() {
        return rig.walk(answers);
    }
    rig.verify();
    rig.start(&["resume", &rig.id(), "--answers", answers])
}

#[track_caller]
fn ends_as_ever(rig: &Rig, before: &Before) {
    before.is_whole(rig);
    rig.verify();
    assert_eq!(log_lines(rig, "] commitRecovery("), 1, "commits that reached a scheduler");
    for scheduler in &rig.cluster().plan().schedulers {
        let log = rig.cluster().layout().home(&scheduler.name).log_dir();
        assert_eq!(asides(&log), 1, "logs moved aside on {}", scheduler.name);
    }
    assert_eq!(done(rig, |kind| matches!(kind, Kind::Aurora(_)), "commit"), 1);
    assert_eq!(done(rig, |kind| matches!(kind, Kind::InitializeLog(_)), "initialize"), 3);
    assert_eq!(done(rig, |kind| matches!(kind, Kind::Files(_)), "move-aside"), 3);
}

/// Directories of old logs beside a log.
fn asides(log: &Path) -> usize {
    let name = format!("{}.aside-", log.file_name().map(|name| name.to_string_lossy()).unwrap_or_default());
    let Some(Ok(entries)) = log.parent().map(std::fs::read_dir) else { return 0 };
    entries.flatten().filter(|one| one.path().is_dir() && one.file_name().to_string_lossy().starts_with(&name)).count()
}

/// Actions of a step that happened: those with a good result, and those that were found to have happened.
fn done(rig: &Rig, is: impl Fn(&Kind) -> bool, step: &str) -> usize {
    let events = rig.events();
    let ours = |event: &Event| match event {
        Event::AttemptStarted { attempt, step: of, kind, undoes: None, .. } if of.0 == step && is(kind) => {
            Some(*attempt)
        }
        _ => None,
    };
    let attempts: Vec<_> = events.iter().filter_map(ours).collect();
    let happened = |event: &&Event| match event {
        Event::AttemptFinished { attempt, outcome: Outcome::Done(_), .. }
        | Event::DoubtSettled { attempt, happened: true, .. } => attempts.contains(attempt),
        _ => false,
    };
    events.iter().filter(happened).count()
}

#[test]
fn twenty_kills_spread_over_a_recovery() {
    let (rig, before, answers) = setting();
    let mut kills = 0;
    loop {
        let walk = next_leg(&rig, &answers);
        let next = progress(&rig) + STRIDE;
        match kill_when(walk, || progress(&rig) >= next) {
            None => kills += 1,
            Some(ran) => {
                ran.expect(0);
                break;
            }
        }
    }
    assert!(kills >= KILLS_MIN, "only {kills} kills");
    ends_as_ever(&rig, &before);
}

#[test]
fn killed_the_moment_that_each_destructive_action_is_on_record() {
    let (rig, before, answers) = setting();
    let mut kills = 0;
    loop {
        let walk = next_leg(&rig, &answers);
        let known = begun(&rig).len();
        match kill_when(walk, || begun(&rig).len() > known) {
            None => kills += 1,
            Some(ran) => {
                ran.expect(0);
                break;
            }
        }
    }
    assert_eq!(kills, DESTRUCTIVE.len());
    ends_as_ever(&rig, &before);
}
