//! One case each: refusals, doubts, overrides, abandon, drift.

use firstlight::{
    runbook::{
        Mode,
        kind::{Kind, Service},
        model::HostName,
    },
    session::{
        AttemptId, Command, Finding, Given, Life, Look, Order, Outcome, Purpose, Refusal, Report, RowStatus,
        StepCondition, blocks, step_condition,
    },
};

use super::sim::{Sim, World, report};

const RUNBOOK: &str = r#"
format: 1
id: small
title: Small
summary: Three steps.
needs:
  groups: { schedulers: { vars: [http_at] } }
  services: [scheduler]
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
        do:
          - service: { stop: scheduler }
        gates:
          - port: { closed: "{{ host.http_at }}" }
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
          - command: { argv: [change, "{{ inputs.how }}"] }
        gates:
          - files: { exists: { path: /done } }
      - id: tell
        title: Tell
        why: w
        expect: e
        by_hand: b
        danger: reads
        may_skip: true
        do:
          - command: { argv: [tell], reads: true }
"#;

/// Answers as the test says, else that everything works.
#[derive(Default)]
struct Scripted {
    attempt: Option<fn(&Order) -> Option<Outcome>>,
    look: Option<fn(&Look) -> Option<Report>>,
}

impl World for Scripted {
    fn attempt(&mut self, order: &Order) -> Outcome {
        let scripted = self.attempt.and_then(|script| script(order));
        scripted.unwrap_or_else(|| Outcome::Done(report(&order.kind, order.host.as_str())))
    }

    fn look(&mut self, look: &Look) -> Report {
        let scripted = self.look.and_then(|script| script(look));
        scripted.unwrap_or_else(|| report(&look.kind, look.host.as_str()))
    }
}

fn sim(world: Scripted) -> Sim<Scripted> {
    let mut sim = Sim::new(RUNBOOK, Mode::Recovery, world);
    sim.begin();
    sim
}

#[test]
fn a_phrase_that_is_not_the_phrase_starts_nothing() {
    let mut sim = sim(Scripted::default());
    let seen_seq = sim.state.seq;
    let run = |typed: &str| Command::Run {
        step: "stop".into(),
        typed: Some(typed.to_owned()),
        shown: String::new(),
        seen_seq,
    };
    assert!(matches!(sim.say(&run("stop east")), Err(Refusal::WrongPhrase { phrase }) if phrase == "stop west"));
    assert!(sim.pending.is_empty());
    assert_eq!(sim.say(&run(" stop west ")), Ok(()));
    assert_eq!(sim.pending.len(), 3);
}

#[test]
fn an_answer_to_a_screen_that_has_changed_is_refused() {
    let mut sim = sim(Scripted::default());
    sim.run().unwrap();
    sim.settle(100);
    let seen_seq = sim.state.seq;
    sim.give("how", "badly").unwrap();
    let run = Command::Run { step: "change".into(), typed: Some("go".to_owned()), shown: String::new(), seen_seq };
    assert_eq!(sim.say(&run), Err(Refusal::StaleScreen));
}

#[test]
fn a_step_waits_for_its_answers_and_refuses_wrong_ones() {
    let mut sim = sim(Scripted::default());
    sim.run().unwrap();
    sim.settle(100);
    assert!(matches!(sim.run(), Err(Refusal::NotYet(why)) if why.contains("How")));
    assert!(matches!(sim.give("how", "slowly"), Err(Refusal::BadAnswer { .. })));
    sim.give("how", "well").unwrap();
    sim.run().unwrap();
    assert!(matches!(sim.give("how", "badly"), Err(Refusal::NotYet(_))));
}

#[test]
fn a_gate_that_fails_blocks_with_its_own_words_until_it_holds_or_is_overridden() {
    let look = |look: &Look| {
        (look.host.as_str() == "s3" && matches!(look.kind, Kind::Port(_)))
            .then(|| Report::unknown("s3 does not answer"))
    };
    let mut sim = sim(Scripted { look: Some(look), ..Scripted::default() });
    sim.run().unwrap();
    for _ in 0..40 {
        sim.answer_one();
    }
    let step = sim.state.current().unwrap().clone();
    assert_eq!(step_condition(&sim.state, &step, sim.now), StepCondition::Blocked);
    let reasons = blocks(&sim.state, &"stop".into(), sim.now);
    assert_eq!(reasons.len(), 1);
    assert_eq!(reasons[0].0, Some(HostName::from("s3")));
    assert!(reasons[0].1.contains("unknown: s3 does not answer"), "{}", reasons[0].1);
    let over =
        |reason: &str| Command::Override { step: "stop".into(), host: "s3".into(), gate: 0, reason: reason.to_owned() };
    assert_eq!(sim.say(&over(" ")), Err(Refusal::NoReason));
    sim.say(&over("it was carried out of the building")).unwrap();
    assert_eq!(sim.current().as_deref(), Some("change"));
    assert_eq!(sim.state.overrides.len(), 1);
}

#[test]
fn a_guard_that_refuses_has_done_nothing_and_can_be_tried_again() {
    let attempt = |order: &Order| {
        matches!(order.kind, Kind::Command(_)).then(|| Outcome::Refused { why: "the port is open".to_owned() })
    };
    let mut sim = sim(Scripted { attempt: Some(attempt), ..Scripted::default() });
    sim.run().unwrap();
    sim.settle(100);
    sim.give("how", "well").unwrap();
    sim.run().unwrap();
    sim.settle(100);
    let row = &sim.state.current().unwrap().rows[0];
    assert!(matches!(&row.status, RowStatus::Stopped { why, .. } if why.contains("nothing was done")));
    sim.world.attempt = None;
    sim.say(&Command::Retry { step: "change".into(), host: "local".into() }).unwrap();
    sim.settle(100);
    assert!(sim.state.is_over() || sim.current().as_deref() == Some("tell"));
}

#[test]
fn a_timeout_is_a_doubt_and_only_a_person_settles_what_nobody_can_see() {
    let attempt = |order: &Order| {
        matches!(order.kind, Kind::Command(_)).then(|| Outcome::InDoubt { why: "timed out".to_owned() })
    };
    let mut sim = sim(Scripted { attempt: Some(attempt), ..Scripted::default() });
    sim.run().unwrap();
    sim.settle(100);
    sim.give("how", "well").unwrap();
    sim.run().unwrap();
    sim.settle(100);
    let RowStatus::InDoubt { attempt, .. } = sim.state.current().unwrap().rows[0].status.clone() else { panic!() };
    let done = sim.done.len();
    assert!(sim.say(&Command::Abandon { reason: "enough of this".to_owned() }).is_err());
    sim.say(&Command::Settle { attempt, happened: true, reason: "the file is there".to_owned() }).unwrap();
    sim.settle(100);
    assert_eq!(
        sim.done.iter().filter(|(_, _, kind)| matches!(kind, Kind::Command(command) if !command.reads)).count(),
        1
    );
    assert!(sim.done.len() >= done);
}

/// A service that is down at one moment may be between two starts: a look does not show that it was stopped.
#[test]
fn a_lost_service_stop_is_given_again_or_asked_about_and_never_settled_by_a_look() {
    let attempt = |order: &Order| {
        let lost = order.host.as_str() == "s2" && order.attempt == AttemptId(2);
        lost.then(|| Outcome::InDoubt { why: "the line was lost".to_owned() })
    };
    for idempotent in [false, true] {
        let runbook = if idempotent {
            RUNBOOK.replacen("undo: inverse", "undo: inverse\n        idempotent: true", 1)
        } else {
            RUNBOOK.to_owned()
        };
        let world = Scripted { attempt: Some(attempt), ..Scripted::default() };
        let mut sim = Sim::new(&runbook, Mode::Recovery, world);
        sim.begin();
        sim.run().unwrap();
        while sim.current().as_deref() == Some("stop") && sim.answer_one() {}
        let stops = sim.done.iter().filter(|(_, host, _)| host.as_str() == "s2").count();
        assert_eq!(stops, if idempotent { 2 } else { 1 });
        let row = sim.state.step(&"stop".into()).unwrap().row(&"s2".into()).unwrap().clone();
        let done = matches!(row.status, RowStatus::Done { .. });
        let doubt = matches!(&row.status, RowStatus::InDoubt { why, .. } if why == "the line was lost");
        assert!(if idempotent { done } else { doubt }, "{row:?}");
    }
}

#[test]
fn an_abandon_puts_everything_back_newest_first() {
    let mut sim = sim(Scripted::default());
    sim.run().unwrap();
    sim.settle(100);
    sim.say(&Command::Abandon { reason: "wrong cluster".to_owned() }).unwrap();
    for _ in 0..20 {
        sim.settle(100);
        if sim.state.is_over() {
            break;
        }
        if let Err(refusal) = sim.run() {
            panic!("{:?}: {refusal}", sim.current());
        }
    }
    let started: Vec<_> = sim
        .done
        .iter()
        .filter(|(_, _, kind)| matches!(kind, Kind::Service(Service::Start(_))))
        .map(|(_, host, _)| host.as_str())
        .collect();
    assert_eq!(started, ["s3", "s2", "s1"]);
    assert!(matches!(&sim.state.life, Life::Ended { outcome, .. } if outcome.starts_with("abandoned")));
    assert_eq!(sim.state.still_changed().count(), 0);
}

#[test]
fn what_drifted_while_nobody_looked_has_to_be_done_again() {
    let mut sim = sim(Scripted::default());
    sim.run().unwrap();
    sim.settle(100);
    assert_eq!(sim.current().as_deref(), Some("change"));
    sim.world.look = Some(|look: &Look| {
        (look.host.as_str() == "s1" && matches!(look.purpose, Purpose::StillSo { .. }))
            .then(|| Report::fails("it is open"))
    });
    sim.pending.clear();
    sim.say(&resume()).unwrap();
    while sim.answer_one() {}
    assert_eq!(sim.current().as_deref(), Some("stop"));
    let step = sim.state.current().unwrap();
    assert!(step.reopened.as_deref().is_some_and(|why| why.contains("it is open")));
    assert_eq!(sim.refold().current().map(|step| step.id.clone()), Some("stop".into()));
}

/// The change is started; its guard refuses as long as something listens, which stopping cures.
fn refused_change() -> Sim<Scripted> {
    let attempt = |order: &Order| {
        matches!(order.kind, Kind::Command(_)).then(|| Outcome::Refused { why: "the port is open".to_owned() })
    };
    let mut sim = sim(Scripted::default());
    sim.run().unwrap();
    sim.settle(100);
    sim.give("how", "well").unwrap();
    sim.world.attempt = Some(attempt);
    sim
}

fn resume() -> Command {
    Command::Resume { operator: "bob".into(), machine: "m".into(), version: "0".into(), pid: 2 }
}

/// What a person sees of a step: a word, and what is in its way.
fn seen(sim: &Sim<Scripted>, step: &str) -> (StepCondition, Vec<String>) {
    let state = sim.state.step(&step.into()).unwrap();
    let reasons = blocks(&sim.state, &step.into(), sim.now);
    (step_condition(&sim.state, state, sim.now), reasons.into_iter().map(|(_, why)| why).collect())
}

/// Runs the reopened step in a world that is well again, and the later one after it, to the end.
fn goes_on_after_running_again(mut sim: Sim<Scripted>, again: bool) {
    assert_eq!(sim.current().as_deref(), Some("stop"));
    let why = sim.state.current().unwrap().reopened.clone().unwrap();
    assert_eq!(why, "on s1 it is no longer so: it is open; on s3 it is no longer so: it is open");
    let (condition, reasons) = seen(&sim, "change");
    assert_eq!(condition, StepCondition::Blocked);
    assert_eq!(reasons[0], "goes on after \u{201c}Stop\u{201d}, which has to be run again");
    let later = [
        Command::Retry { step: "change".into(), host: "local".into() },
        Command::ByHand { step: "change".into(), host: None, reason: "with my hands".to_owned() },
        Command::Override { step: "change".into(), host: "local".into(), gate: 0, reason: "it is so".to_owned() },
    ];
    for command in later {
        assert!(matches!(sim.say(&command), Err(Refusal::NotYet(why)) if why == reasons[0]), "{command:?}");
    }
    (sim.world.attempt, sim.world.look) = (None, None);
    let before = sim.done.len();
    sim.run().unwrap();
    sim.settle(100);
    let ran: Vec<_> = sim.done.iter().skip(before).map(|(_, _, kind)| kind.name()).collect();
    assert_eq!(ran[..3], ["service"; 3]);
    assert_eq!(ran.contains(&"command"), !again, "{ran:?}");
    assert_eq!(sim.state.drift, []);
    assert_eq!(sim.refold().current().map(|step| step.id.clone()), sim.state.current().map(|step| step.id.clone()));
    if again {
        assert_eq!(sim.current().as_deref(), Some("change"));
        sim.say(&Command::Retry { step: "change".into(), host: "local".into() }).unwrap();
    }
    sim.settle(100);
    assert!(sim.state.is_over(), "stuck at {:?}", sim.current());
}

const OPEN_AGAIN: fn(&Look) -> Option<Report> = |look| {
    (look.host.as_str() != "s2" && matches!(look.purpose, Purpose::StillSo { .. })).then(|| Report::fails("it is open"))
};

#[test]
fn a_guard_that_refuses_has_looked_back_and_the_earlier_step_is_run_again() {
    let mut sim = refused_change();
    sim.world.look = Some(OPEN_AGAIN);
    sim.run().unwrap();
    while sim.answer_one() {}
    goes_on_after_running_again(sim, true);
}

#[test]
fn what_drifted_under_a_started_step_is_run_again_after_a_resume() {
    let mut sim = refused_change();
    sim.run().unwrap();
    while sim.answer_one() {}
    assert_eq!(sim.current().as_deref(), Some("change"));
    sim.world.look = Some(OPEN_AGAIN);
    sim.say(&resume()).unwrap();
    while sim.answer_one() {}
    goes_on_after_running_again(sim, true);
}

#[test]
fn what_drifted_under_a_doubt_is_run_again_once_the_doubt_is_settled() {
    for happened in [true, false] {
        let mut sim = refused_change();
        sim.world.attempt = None;
        sim.world.look = Some(OPEN_AGAIN);
        sim.run().unwrap();
        // The process dies with the change handed out.
        sim.pending.clear();
        sim.say(&resume()).unwrap();
        while sim.answer_one() {}
        assert_eq!(sim.current().as_deref(), Some("change"));
        let (condition, reasons) = seen(&sim, "change");
        assert_eq!(condition, StepCondition::InDoubt);
        assert!(reasons[0].contains("\u{201c}Stop\u{201d} has to be run again first"), "{reasons:?}");
        let RowStatus::InDoubt { attempt, .. } = sim.state.current().unwrap().rows[0].status.clone() else { panic!() };
        sim.say(&Command::Settle { attempt, happened, reason: "the file tells".to_owned() }).unwrap();
        while sim.answer_one() {}
        goes_on_after_running_again(sim, !happened);
    }
}

#[test]
fn what_drifted_is_not_run_again_where_nothing_relies_on_it_any_more() {
    let mut sim = refused_change();
    sim.world.look = Some(OPEN_AGAIN);
    sim.run().unwrap();
    let abandon = Command::Abandon { reason: "wrong cluster".to_owned() };
    // The refusal is in, the looks back are not: the engineer gives up first.
    sim.answer_one();
    sim.say(&abandon).unwrap();
    for _ in 0..20 {
        while sim.answer_one() {}
        if sim.state.is_over() {
            break;
        }
        sim.run().unwrap_or_else(|refusal| panic!("{:?}: {refusal}", sim.current()));
    }
    assert!(sim.state.is_over());
    assert_eq!(sim.state.step(&"stop".into()).unwrap().reopened, None);
}

#[test]
fn nothing_starts_while_held() {
    let mut sim = sim(Scripted::default());
    sim.say(&Command::Hold).unwrap();
    assert!(matches!(sim.run(), Err(Refusal::NotYet(_))));
    sim.say(&Command::Release).unwrap();
    sim.run().unwrap();
}

#[test]
fn what_may_not_be_skipped_is_not_skipped() {
    let mut sim = sim(Scripted::default());
    let skip = Command::Skip { step: "stop".into(), reason: "no time for it".to_owned() };
    assert!(matches!(sim.say(&skip), Err(Refusal::NotYet(_))));
}

#[test]
fn done_by_hand_is_still_looked_at() {
    let mut sim = sim(Scripted::default());
    sim.say(&Command::ByHand { step: "stop".into(), host: None, reason: "stopped them on the console".to_owned() })
        .unwrap();
    assert!(sim.done.is_empty());
    sim.settle(100);
    assert!(sim.done.is_empty());
    assert_eq!(sim.current().as_deref(), Some("change"));
    assert!(matches!(
        sim.say(&Command::Answer { input: "how".into(), given: Given::Secret }),
        Err(Refusal::BadAnswer { .. })
    ));
    let finding = sim.state.step(&"stop".into()).unwrap().rows[0].gates[0].seen.as_ref().unwrap().finding;
    assert_eq!(finding, Finding::Holds);
}

const CHOICE: &str = r#"
format: 1
id: choice
title: Choice
summary: What is chosen is looked at before anything is changed.
needs: { groups: { schedulers: { vars: [http_at] } } }
phases:
  - id: one
    title: One
    steps:
      - id: choose
        title: Choose
        why: w
        expect: e
        by_hand: b
        danger: reads
        confirm: key
        inputs:
          - { id: which, title: Which, type: choice, choices: [newest, older] }
        do:
          - command: { argv: [look, "{{ inputs.which }}"], reads: true }
            register: looked
      - id: judge
        title: Judge
        why: w
        expect: e
        by_hand: b
        danger: reads
        confirm: key
        checklist:
          - { id: told, text: They know. }
      - id: change
        title: Change
        why: w
        expect: e
        by_hand: b
        danger: changes
        confirm: key
        undo: { none: "there is none" }
        do:
          - command: { argv: [change, "{{ inputs.which }}"] }
        gates:
          - files: { exists: { path: /done } }
      - id: tell
        title: Tell
        why: w
        expect: e
        by_hand: b
        danger: reads
        confirm: key
"#;

fn go_back(step: &str) -> Command {
    Command::GoBack { step: step.into(), reason: "the owners want another one".to_owned() }
}

#[test]
fn a_choice_is_taken_back_while_nothing_has_changed() {
    let mut sim = Sim::new(CHOICE, Mode::Recovery, Scripted::default());
    sim.begin();
    assert!(matches!(sim.say(&go_back("choose")), Err(Refusal::NotYet(_))), "it is not over");
    sim.give("which", "newest").unwrap();
    sim.run().unwrap();
    assert!(matches!(sim.say(&go_back("choose")), Err(Refusal::NotYet(_))), "it runs");
    sim.settle(10);
    assert_eq!(sim.current().as_deref(), Some("judge"));
    sim.tick_all();
    let wordless = Command::GoBack { step: "choose".into(), reason: " ".to_owned() };
    assert!(matches!(sim.say(&wordless), Err(Refusal::NoReason)));
    assert!(matches!(sim.say(&go_back("nowhere")), Err(Refusal::NoSuch(_))));
    sim.say(&go_back("choose")).unwrap();

    // As if their turn had not come: no answer, nothing found, nothing ticked.
    assert_eq!(sim.current().as_deref(), Some("choose"));
    assert!(sim.state.answers.is_empty() && sim.state.outputs.is_empty());
    assert!(matches!(sim.run(), Err(Refusal::NotYet(_))), "it is asked again");
    sim.give("which", "older").unwrap();
    sim.run().unwrap();
    sim.settle(10);
    assert!(sim.state.step(&"judge".into()).unwrap().ticked.is_empty());
    assert!(matches!(sim.run(), Err(Refusal::NotYet(_))), "it is ticked again");
    sim.tick_all();
    sim.run().unwrap();
    let refolded = sim.refold();
    assert_eq!(refolded.answers, sim.state.answers);
    assert_eq!(refolded.current().map(|step| &step.id), sim.state.current().map(|step| &step.id));

    // From the first change on, what was decided is put back, not unsaid.
    sim.run().unwrap();
    sim.settle(10);
    assert_eq!(sim.current().as_deref(), Some("tell"));
    let changes: Vec<_> = sim.done.iter().filter(|(_, _, kind)| format!("{kind:?}").contains("change")).collect();
    assert!(matches!(changes.as_slice(), [(_, _, kind)] if format!("{kind:?}").contains("older")), "{changes:?}");
    for step in ["choose", "judge", "change"] {
        let refused = sim.say(&go_back(step));
        assert!(matches!(&refused, Err(Refusal::NotYet(why)) if why.contains("may have changed")), "{refused:?}");
    }
}

#[test]
fn what_is_seen_after_the_end_changes_nothing() {
    let mut sim = Sim::new(CHOICE, Mode::Recovery, Scripted::default());
    sim.begin();
    sim.give("which", "newest").unwrap();
    while !matches!(sim.state.life, Life::Ended { .. }) {
        sim.tick_all();
        sim.run().unwrap();
        sim.settle(10);
    }
    let before = sim.state.seq;
    let late = Purpose::Gate { step: "change".into(), host: HostName::from("local"), gate: 0, epoch: 0 };
    sim.say(&Command::Looked { purpose: late, report: Report::new(Finding::Fails, "gone") }).unwrap();
    sim.say(&Command::ClockJumped { by_ms: 60_000 }).unwrap();
    assert_eq!(sim.state.seq, before);
    assert!(matches!(sim.say(&go_back("choose")), Err(Refusal::Over)));
}
