//! The loop: take a command, decide, make it durable, apply, publish, hand out.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, broadcast, mpsc, watch},
    task::JoinHandle,
};

use super::{Ask, Clock, Handle, Health, LeaderBoard, Numbered, OutputStore, Perform, Snapshot, clock::jump};
use crate::{
    journal::Journal,
    session::{Command, Decision, Effect, Event, Finding, Look, Order, Outcome, Refusal, Report, State, decide},
};

/// Commands that may wait for the engine.
const ASKS_MAX: usize = 64;

/// Events that a view may lag behind.
const EVENTS_MAX: usize = 4096;

/// Looks that are made at the same time.
const LOOKS_MAX: usize = 64;

/// How often the two clocks are compared.
const CLOCKS_EVERY: Duration = Duration::from_secs(5);

/// What an action may take past its time before the engine stops waiting for it.
const PAST_TIME: Duration = Duration::from_secs(30);

/// A session that is driven by this process.
pub struct Engine {
    state: State,
    journal: Journal,
    world: Arc<dyn Perform>,
    clock: Clock,
    health: Health,
    published: watch::Sender<Snapshot>,
    asks: mpsc::Receiver<Ask>,
    results: mpsc::UnboundedReceiver<Command>,
    report: mpsc::UnboundedSender<Command>,
    events: broadcast::Sender<Numbered>,
    output: OutputStore,
    looks: Arc<Semaphore>,
    left: bool,
}

impl Engine {
    /// An engine over a session whose journal is open for writing, and the handle for its views.
    pub fn new(state: State, journal: Journal, world: Arc<dyn Perform>, clock: Clock) -> (Self, Handle) {
        let (asks_in, asks) = mpsc::channel(ASKS_MAX);
        // Bounded by what was handed out: each effect comes back once.
        let (report, results) = mpsc::unbounded_channel();
        let snapshot = Snapshot { state: Arc::new(state.clone()), health: Health::Writing };
        let (published, snapshots) = watch::channel(snapshot);
        let output = OutputStore::default();
        let events = broadcast::Sender::new(EVENTS_MAX);
        let leader = LeaderBoard::default();
        let handle = Handle { snapshots, asks: asks_in, events: events.clone(), output: output.clone(), leader };
        let looks = Arc::new(Semaphore::new(LOOKS_MAX));
        let health = Health::Writing;
        let left = false;
        let engine = Self {
            state,
            journal,
            world,
            clock,
            health,
            published,
            asks,
            results,
            report,
            events,
            output,
            looks,
            left,
        };
        (engine, handle)
    }

    /// Runs until a view leaves, or every view is gone. What still runs then has no result: the next
    /// process finds it in doubt.
    pub async fn run(mut self) -> State {
        let mut clocks = tokio::time::interval(CLOCKS_EVERY);
        clocks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut seen = (self.clock)();
        while !self.left {
            tokio::select! {
                biased;
                Some(command) = self.results.recv() => self.result(&command),
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.ask(ask),
                    None => break,
                },
                _ = clocks.tick() => {
                    let now = (self.clock)();
                    if let Some(by_ms) = jump(seen, now) {
                        self.result(&Command::ClockJumped { by_ms });
                    }
                    seen = now;
                }
            }
        }
        self.state
    }

    fn ask(&mut self, ask: Ask) {
        let answer = match &self.health {
            Health::Writing => self.carry_out(&ask.command),
            Health::ReadOnly(why) => Err(Refusal::NotYet(why.clone())),
        };
        if matches!(ask.command, Command::Leave { .. }) {
            // Whoever leaves is let go, whether or not it could be written down.
            self.left = true;
        }
        if let Some(reply) = ask.reply {
            // The view that asked may be gone by now.
            drop(reply.send(answer));
        }
    }

    fn result(&mut self, command: &Command) {
        if self.health != Health::Writing {
            return;
        }
        if let Err(refusal) = self.carry_out(command) {
            let why = format!("a result could not be taken in: {refusal}");
            self.stop_writing(why);
        }
    }

    fn carry_out(&mut self, command: &Command) -> Result<u64, Refusal> {
        let now = (self.clock)();
        let Decision { events, effects, next } = decide(&self.state, now, command)?;
        let durable: Vec<Event> = events.iter().filter(|event| event.is_durable()).cloned().collect();
        if !durable.is_empty()
            && let Err(error) = self.journal.append(now, &durable)
        {
            let why = format!("the journal cannot be written, nothing new is started: {error}");
            self.stop_writing(why.clone());
            return Err(Refusal::NotYet(why));
        }
        let first = self.state.seq + 1;
        self.state = next;
        self.publish();
        for (seq, event) in (first..).zip(durable) {
            // Nobody may be listening.
            drop(self.events.send(Arc::new((seq, now, event))));
        }
        for effect in effects {
            self.hand_out(effect);
        }
        Ok(self.state.seq)
    }

    fn stop_writing(&mut self, why: String) {
        self.health = Health::ReadOnly(why);
        self.publish();
    }

    fn publish(&self) {
        let snapshot = Snapshot { state: Arc::new(self.state.clone()), health: self.health.clone() };
        self.published.send_replace(snapshot);
    }

    fn hand_out(&self, effect: Effect) {
        let report = self.report.clone();
        match effect {
            Effect::Attempt(order) => {
                let attempt = order.attempt;
                let task = self.attempt(order);
                tokio::spawn(async move {
                    let outcome = task.await.unwrap_or_else(|error| Outcome::InDoubt {
                        why: format!("a defect of firstlight broke it off: {error}"),
                    });
                    drop(report.send(Command::Finished { attempt, outcome }));
                });
            }
            Effect::Look(look) => {
                let purpose = look.purpose.clone();
                let task = self.look(look);
                tokio::spawn(async move {
                    let report_of = |error: tokio::task::JoinError| {
                        Report::unknown(format!("a defect of firstlight broke the look off: {error}"))
                    };
                    let found = task.await.unwrap_or_else(report_of);
                    drop(report.send(Command::Looked { purpose, report: found }));
                });
            }
        }
    }

    fn attempt(&self, order: Order) -> JoinHandle<Outcome> {
        let (world, output) = (Arc::clone(&self.world), self.output.clone());
        let longest = Duration::from_millis(order.timeout_ms).saturating_add(PAST_TIME);
        tokio::spawn(async move {
            let why = "it did not end within its time, and could not be ended".to_owned();
            tokio::time::timeout(longest, world.attempt(order, output)).await.unwrap_or(Outcome::InDoubt { why })
        })
    }

    fn look(&self, look: Look) -> JoinHandle<Report> {
        let (world, looks) = (Arc::clone(&self.world), Arc::clone(&self.looks));
        let longest = Duration::from_millis(look.timeout_ms).saturating_add(PAST_TIME);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(look.after_ms)).await;
            let _turn = looks.acquire().await;
            let late = || Report::new(Finding::Unknown, "the look did not end within its time");
            tokio::time::timeout(longest, world.look(look)).await.unwrap_or_else(|_| late())
        })
    }
}
