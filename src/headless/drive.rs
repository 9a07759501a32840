//! The driver: looks at each snapshot, says what a person would say next, and knows when to give up.

use std::{collections::BTreeMap, time::Duration};

use super::{Answers, event_line};
use crate::{
    engine::{Clock, Handle, Health, Snapshot},
    exit::Exit,
    runbook::model::{Confirm, HostName, LOCAL, Step, StepId},
    session::{
        AttemptId, Closing, Command, Context, Ending, Event, Given, Life, RowStatus, Stamp, State, StepStatus, blocks,
        row_gates,
    },
};

/// How often the driver looks when nothing changes: gates become overdue by time alone.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long it waits before it runs again what stopped, so that a service can settle.
const BEFORE_RETRY: Duration = Duration::from_secs(2);

/// How often it is looked again whether an attempt happened, before a person is needed.
const DOUBT_LOOKS_MAX: u32 = 5;

/// How a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code.
    pub exit: Exit,
    /// Why, in words.
    pub why: String,
}

/// What a walk tells while it goes on.
#[derive(Debug)]
pub enum Told<'a> {
    /// An event, by its number and time, with the state after it.
    Event(u64, Stamp, &'a Event, &'a State),
}

/// What the driver has tried.
#[derive(Default)]
struct Tried {
    retries: BTreeMap<(StepId, HostName), u32>,
    looks: BTreeMap<AttemptId, u32>,
}

enum Next {
    Ask(Command),
    AskAfter(Duration, Command),
    Wait,
    End(Ended),
}

/// Walks a session to its end, or to where an answer is missing.
pub async fn drive(mut handle: Handle, answers: &Answers, clock: Clock, mut tell: impl FnMut(Told<'_>)) -> Ended {
    let mut events = handle.events.subscribe();
    let mut tried = Tried::default();
    loop {
        while let Ok(entry) = events.try_recv() {
            let (seq, at, event) = entry.as_ref();
            let state = handle.snapshots.borrow().state.clone();
            tell(Told::Event(*seq, *at, event, &state));
        }
        let snapshot = handle.snapshots.borrow_and_update().clone();
        let next = next(&snapshot, answers, clock(), &mut tried);
        match next {
            Next::End(ended) => return ended,
            Next::Wait => {
                // Either a change or the next look.
                drop(tokio::time::timeout(LOOK_EVERY, handle.snapshots.changed()).await);
            }
            Next::Ask(command) => {
                if let Some(ended) = ask(&handle, command).await {
                    return ended;
                }
            }
            Next::AskAfter(pause, command) => ask_after(&handle, pause, command).await,
        }
    }
}

async fn ask(handle: &Handle, command: Command) -> Option<Ended> {
    let what = command_name(&command);
    match handle.ask(command).await {
        Ok(_) => None,
        Err(refusal) => Some(Ended { exit: Exit::MissingAnswer, why: format!("{what}: {refusal}") }),
    }
}

/// Asks after a pause, unless the session goes on by itself meanwhile. A refusal means that it has gone on;
/// what comes next is read from its state.
async fn ask_after(handle: &Handle, pause: Duration, command: Command) {
    let mut snapshots = handle.snapshots.clone();
    let overtaken = snapshots.wait_for(|snapshot| match &command {
        Command::LookAgain { attempt } => {
            snapshot.state.attempts.get(attempt).is_none_or(|known| known.doubt.is_none())
        }
        _ => false,
    });
    if tokio::time::timeout(pause, overtaken).await.is_err() {
        drop(handle.ask(command).await);
    }
}

fn command_name(command: &Command) -> String {
    match command {
        Command::Run { step, .. } => format!("step {step}"),
        Command::Answer { input, .. } => format!("input {input}"),
        Command::Acknowledge { item, .. } => format!("consequence {item}"),
        Command::Skip { step, .. } => format!("skipping step {step}"),
        Command::GoBack { step, .. } => format!("going back to step {step}"),
        Command::Retry { step, host } => format!("step {step} on {host} again"),
        Command::Override { step, .. } => format!("overriding a gate of step {step}"),
        _ => "the session".to_owned(),
    }
}

fn missing(what: String) -> Next {
    Next::End(Ended { exit: Exit::MissingAnswer, why: what })
}

fn next(snapshot: &Snapshot, answers: &Answers, now: Stamp, tried: &mut Tried) -> Next {
    if let Health::ReadOnly(why) = &snapshot.health {
        return Next::End(Ended { exit: Exit::Journal, why: why.clone() });
    }
    let state = &snapshot.state;
    match &state.life {
        Life::Ended { outcome, .. } => Next::End(Ended { exit: ended_exit(state), why: outcome.clone() }),
        Life::Opening => opening(state, answers),
        Life::Walking | Life::Ending { .. } => walking(state, answers, now, tried),
    }
}

/// How a session that is over came to its end, from what is left in its state.
pub fn ended_exit(state: &State) -> Exit {
    match state.ending() {
        Some(Ending::Abandoned { .. }) => Exit::Abandoned,
        Some(Ending::Early { .. }) => Exit::EndedEarly,
        None => Exit::Done,
    }
}

fn opening(state: &State, answers: &Answers) -> Next {
    let local = HostName::from(LOCAL);
    let context = Context::new(state, &local);
    let runbook = state.runbook();
    if let Some(item) = runbook.consequences.iter().find(|item| !state.acknowledged.contains(&item.id)) {
        if !answers.acknowledge.has(&item.id) {
            return missing(format!("consequence `{}` is not acknowledged: {}", item.id, context.show(&item.text)));
        }
        return Next::Ask(Command::Acknowledge { item: item.id.clone(), shown: context.show(&item.text) });
    }
    for input in &runbook.inputs {
        match (state.answers.get(&input.id), answers.inputs.get(&input.id)) {
            (None, Some(text)) => {
                return Next::Ask(Command::Answer { input: input.id.clone(), given: Given::Text(text.clone()) });
            }
            (None, None) if !input.optional && context.answer(input).is_none() => {
                return missing(format!("input `{}` is not answered: {}", input.id, input.title));
            }
            (Some(_), _) | (None, None) => {}
        }
    }
    Next::Ask(Command::Begin)
}

fn walking(state: &State, answers: &Answers, now: Stamp, tried: &mut Tried) -> Next {
    let Some(step) = state.current() else { return Next::Wait };
    let Some((_, model)) = state.step_model(&step.id) else { return Next::Wait };
    match &step.status {
        StepStatus::Ready => ready(state, model, answers),
        StepStatus::Active => active(state, model, answers, now, tried),
        StepStatus::Locked
        | StepStatus::Closed(Closing::Done | Closing::NotNeeded { .. } | Closing::Skipped { .. }) => Next::Wait,
    }
}

fn ready(state: &State, model: &Step, answers: &Answers) -> Next {
    if let Some(reason) = answers.skip.get(&model.id) {
        return Next::Ask(Command::Skip { step: model.id.clone(), reason: reason.clone() });
    }
    let Some(step) = state.step(&model.id) else { return Next::Wait };
    let local = HostName::from(LOCAL);
    let context = Context::new(state, &local);
    for input in &model.inputs {
        let asked = input.when.as_ref().is_none_or(|when| context.applies(when).unwrap_or(false));
        match (state.answers.get(&input.id), answers.inputs.get(&input.id)) {
            (None, Some(text)) if asked => {
                return Next::Ask(Command::Answer { input: input.id.clone(), given: Given::Text(text.clone()) });
            }
            (None, None) if asked && !input.optional && context.answer(input).is_none() => {
                return missing(format!(
                    "input `{}` of step `{}` is not answered: {}",
                    input.id, model.id, input.title
                ));
            }
            _ => {}
        }
    }
    if let Some(item) = model.checklist.iter().find(|item| !step.ticked.contains(&item.id)) {
        if !answers.tick.has(&item.id) {
            return missing(format!("checklist item `{}` of step `{}` is not ticked", item.id, model.id));
        }
        return Next::Ask(Command::Tick { step: model.id.clone(), item: item.id.clone(), on: true });
    }
    let typed = match &model.confirm {
        Confirm::None => None,
        Confirm::Key if answers.run.has(&model.id) => None,
        Confirm::Key => {
            return missing(format!("step `{}` is not among those that may run: {}", model.id, model.title));
        }
        Confirm::Phrase(phrase) => match answers.phrases.get(&model.id) {
            Some(typed) => Some(typed.clone()),
            None => {
                let phrase = context.show(phrase);
                return missing(format!("step `{}` asks for the phrase \u{201c}{phrase}\u{201d}", model.id));
            }
        },
    };
    let shown = format!("{}: {}", model.title, context.show(&model.why));
    Next::Ask(Command::Run { step: model.id.clone(), typed, shown, seen_seq: state.seq })
}

fn active(state: &State, model: &Step, answers: &Answers, now: Stamp, tried: &mut Tried) -> Next {
    let Some(step) = state.step(&model.id) else { return Next::Wait };
    for row in &step.rows {
        let key = (model.id.clone(), row.host.clone());
        match &row.status {
            RowStatus::InDoubt { attempt, why } => {
                let looks = tried.looks.entry(*attempt).or_default();
                *looks += 1;
                let can_look = state
                    .attempts
                    .get(attempt)
                    .is_some_and(|known| known.kind.did_it_happen().is_some() || model.in_doubt.is_some());
                if !can_look || *looks > DOUBT_LOOKS_MAX {
                    let why = format!(
                        "step `{}` on {}: {why}; settle it in the wizard (firstlight resume)",
                        model.id, row.host
                    );
                    return Next::End(Ended { exit: Exit::InDoubt, why });
                }
                // The engine has asked for a look already when the doubt arose: give it its time.
                return Next::AskAfter(BEFORE_RETRY * 2, Command::LookAgain { attempt: *attempt });
            }
            // What the row relies on is being looked at again: if it is gone, its step comes first.
            RowStatus::Stopped { why, .. } if !state.is_busy() && state.looking_back.is_empty() => {
                let count = tried.retries.entry(key).or_default();
                *count += 1;
                if *count > answers.retries.saturating_add(run_again_before(state, &model.id)) {
                    let why = format!("step `{}` on {}: {why}", model.id, row.host);
                    return Next::End(Ended { exit: Exit::Failed, why });
                }
                return Next::AskAfter(BEFORE_RETRY, Command::Retry { step: model.id.clone(), host: row.host.clone() });
            }
            RowStatus::Verifying { since } => {
                let gates = row_gates(model, row, now);
                let shut = gates.iter().position(|gate| !gate.open && gate.overdue);
                let Some(gate) = shut else { continue };
                if let Some(reason) = answers.overrides.get(&model.id) {
                    let (step, host, reason) = (model.id.clone(), row.host.clone(), reason.clone());
                    return Next::Ask(Command::Override { step, host, gate, reason });
                }
                let within = model.gates.get(gate).map_or(0, |gate| gate.within_ms);
                if now.since(*since) > within.max(u64::try_from(answers.wait.as_millis()).unwrap_or(u64::MAX)) {
                    return Next::End(Ended { exit: Exit::Blocked, why: blocked(state, model, now) });
                }
            }
            RowStatus::Waiting | RowStatus::Running { .. } | RowStatus::Stopped { .. } | RowStatus::Done { .. } => {}
        }
    }
    Next::Wait
}

/// Steps before this one that had to be run again: each is a reason to try this one once more.
fn run_again_before(state: &State, id: &StepId) -> u32 {
    let before = state.steps.iter().take_while(|step| &step.id != id);
    u32::try_from(before.filter(|step| step.reopened.is_some()).count()).unwrap_or(u32::MAX)
}

fn blocked(state: &State, model: &Step, now: Stamp) -> String {
    let lines = blocks(state, &model.id, now).into_iter().map(|(host, why)| match host {
        Some(host) => format!("{host}: {why}"),
        None => why,
    });
    format!("step `{}`: {}", model.id, lines.collect::<Vec<_>>().join("; "))
}

/// Words for an event, for a plain terminal.
pub fn plain(told: &Told<'_>) -> Option<String> {
    let Told::Event(_, _, event, state) = told;
    event_line(state, event)
}
