//! Decides which events and effects a command leads to, or refuses it with a reason.
//!
//! Pure. A [`Draft`] holds the state as it will be: each event is applied as it is emitted, so what
//! follows is decided on what has become true, by the same `apply` that later replays it.

mod advance;
mod person;
mod result;

use thiserror::Error;

use super::{ApplyError, Command, Effect, Event, Stamp, State};
use crate::runbook::{
    model::{HostName, StepId},
    template::RenderError,
};

/// Most events that one command may lead to. A runbook of 1,000 steps whose conditions all leave them
/// out stays below it; past it there is a loop.
const EVENTS_MAX: usize = 10_000;

/// What a command leads to.
#[derive(Debug, Clone)]
pub struct Decision {
    /// In order; each is durable before the effects begin.
    pub events: Vec<Event>,
    /// What the world is asked to do then.
    pub effects: Vec<Effect>,
    /// The state with the events applied. It holds once they are durable, not before.
    pub next: State,
}

/// Why a command is not carried out. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Refusal {
    /// The session is over.
    #[error("the session is over; start a new one")]
    Over,
    /// Something comes first.
    #[error("{0}")]
    NotYet(String),
    /// There is no such thing.
    #[error("there is no {0}")]
    NoSuch(String),
    /// A reason is asked for.
    #[error("say why, in a few words: it goes into the record")]
    NoReason,
    /// What was typed is not the phrase.
    #[error("what was typed is not the phrase \u{201c}{phrase}\u{201d}; nothing was started")]
    WrongPhrase {
        /// The phrase.
        phrase: String,
    },
    /// The screen that was answered is older than the step.
    #[error("something changed after the screen that you answered; read it again and confirm again")]
    StaleScreen,
    /// The answer does not fit the question.
    #[error("{input}: {why}")]
    BadAnswer {
        /// The input.
        input: String,
        /// What does not fit.
        why: String,
    },
    /// A text cannot be rendered at this moment.
    #[error("{what}: {why}")]
    Render {
        /// What was rendered.
        what: String,
        /// Why it cannot be.
        why: String,
    },
    /// The state does not allow what was decided: a defect of this tool.
    #[error("a defect of firstlight, nothing was started: {0}")]
    Defect(String),
}

/// Decides.
pub fn decide(state: &State, now: Stamp, command: &Command) -> Result<Decision, Refusal> {
    let mut draft = Draft { state: state.clone(), now, events: Vec::new(), effects: Vec::new() };
    if state.is_over() {
        match command {
            Command::Note { .. } | Command::Leave { .. } | Command::Resume { .. } => {}
            // Asked for before the end, and of no use to anybody now.
            Command::Looked { .. } | Command::ClockJumped { .. } => {
                return Ok(Decision { events: draft.events, effects: draft.effects, next: draft.state });
            }
            _ => return Err(Refusal::Over),
        }
    }
    match command {
        Command::Acknowledge { .. }
        | Command::Answer { .. }
        | Command::Begin
        | Command::Tick { .. }
        | Command::Run { .. }
        | Command::Retry { .. }
        | Command::Skip { .. }
        | Command::GoBack { .. }
        | Command::ByHand { .. }
        | Command::Override { .. }
        | Command::Note { .. }
        | Command::Settle { .. }
        | Command::LookAgain { .. }
        | Command::UndoByHand { .. }
        | Command::Abandon { .. }
        | Command::Hold
        | Command::Release
        | Command::Leave { .. } => draft.person(command)?,
        Command::Resume { .. } | Command::ClockJumped { .. } | Command::Finished { .. } | Command::Looked { .. } => {
            draft.result(command)?;
        }
    }
    draft.advance()?;
    Ok(Decision { events: draft.events, effects: draft.effects, next: draft.state })
}

/// The state as it will be, and what leads there.
struct Draft {
    state: State,
    now: Stamp,
    events: Vec<Event>,
    effects: Vec<Effect>,
}

impl Draft {
    fn emit(&mut self, event: Event) -> Result<(), Refusal> {
        if self.events.len() >= EVENTS_MAX {
            return Err(Refusal::Defect("one command leads to events without end".to_owned()));
        }
        self.state.apply(self.now, &event)?;
        self.events.push(event);
        Ok(())
    }

    fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn note(&mut self, text: String) -> Result<(), Refusal> {
        self.emit(Event::Noted { text })
    }
}

impl From<ApplyError> for Refusal {
    fn from(error: ApplyError) -> Self {
        Self::Defect(error.to_string())
    }
}

fn cannot_render(what: impl Into<String>) -> impl FnOnce(RenderError) -> Refusal {
    let what = what.into();
    move |error| Refusal::Render { what, why: error.to_string() }
}

fn no_step(id: &StepId) -> Refusal {
    Refusal::NoSuch(format!("step {id}"))
}

fn no_row(step: &StepId, host: &HostName) -> Refusal {
    Refusal::NoSuch(format!("row {host} in step {step}"))
}
