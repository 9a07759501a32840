//! The three things the engine asks for: attempt, look, predict.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{
    Secrets, Sink, Tag, World, backups, command, ensemble, files, firewall, flags, http, impact, initialize, leader,
    leadership, log_group, log_lines, master, pause, port, process, replica,
    scene::{Acted, Scene, Undone, span},
    scheduler, service, sweep, verdict,
};
use crate::{
    hosts::Stop,
    runbook::{kind::Kind, model::HostName, text::Slot},
    session::{Finding, Known, Look, Order, Outcome, Purpose, Report},
};

/// Longest time for one guard, in milliseconds: it is looked at in the same breath as the action.
const GUARD_MS_MAX: u64 = 30_000;
/// Longest time for a prediction, in milliseconds.
const PREDICT_MS_MAX: u64 = 20_000;
/// Time after the deadline in which an action ends its children before it is given up.
const ENDING: Duration = Duration::from_secs(8);

/// What an action would do, found out by reading only.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// One sentence.
    pub would: String,
    /// More lines: a diff, paths, commands.
    pub details: Vec<String>,
    /// Whether it could be done as things stand.
    pub possible: Finding,
}

impl Prediction {
    pub(super) fn new(possible: Finding, would: impl Into<String>) -> Self {
        Self { would: would.into(), details: Vec::new(), possible }
    }

    pub(super) fn with(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}

/// Runs an action once, guards first. Never longer than the order's time and what ending its children takes.
pub async fn attempt(world: &World, order: &Order, sink: &Sink, stop: &Stop) -> Outcome {
    let outcome = guarded(world, order, sink, stop).await;
    if let Outcome::Refused { why } | Outcome::Failed { why } | Outcome::InDoubt { why } | Outcome::Cancelled { why } =
        &outcome
    {
        sink.note(why);
    }
    sink.flush();
    world.secrets.redact_outcome(outcome)
}

async fn guarded(world: &World, order: &Order, sink: &Sink, stop: &Stop) -> Outcome {
    if let Some(why) = misplaced_secret(&order.kind) {
        return Outcome::Failed { why };
    }
    let Some(host) = world.hosts.get(&order.host) else {
        return Outcome::Failed { why: format!("the inventory has no host {}", order.host) };
    };
    for guard in &order.guards {
        if stop.is_stopped() {
            return Outcome::Cancelled { why: "stopped before it began".to_owned() };
        }
        let until = Instant::now() + Duration::from_millis(order.timeout_ms.min(GUARD_MS_MAX));
        let none = Sink::none();
        let scene = Scene {
            world,
            name: &order.host,
            host: host.clone(),
            known: &order.known,
            sink: &none,
            stop,
            until,
            tag: None,
        };
        let report = look_within(&scene, guard).await;
        let (how, why) = match report.finding {
            Finding::Holds => continue,
            Finding::Fails => ("does not hold", report.seen),
            Finding::Unknown => ("could not be seen", report.seen),
        };
        return Outcome::Refused { why: format!("a guard ({}) {how}: {why}. Nothing was done", guard.name()) };
    }
    if stop.is_stopped() {
        return Outcome::Cancelled { why: "stopped before it began".to_owned() };
    }
    let until = Instant::now() + Duration::from_millis(order.timeout_ms);
    let tag = Some(Tag::Attempt(order.attempt.to_string()));
    let scene = Scene { world, name: &order.host, host, known: &order.known, sink, stop, until, tag };
    if order.kind.looks() {
        return from_look(&scene, &order.kind).await;
    }
    let longest = span(Duration::from_millis(order.timeout_ms));
    match timeout_at(until + ENDING, act(&scene, &order.kind)).await {
        Ok(Ok(report)) => Outcome::Done(report),
        Ok(Err(undone)) => undone.into(),
        Err(_) => Outcome::InDoubt { why: format!("no result within {longest}; it may have happened") },
    }
}

/// A look as an action: nothing can be in doubt, since nothing changes.
async fn from_look(scene: &Scene<'_>, kind: &Kind) -> Outcome {
    let report = tokio::select! {
        report = look_within(scene, kind) => report,
        () = scene.stop.stopped() => {
            return Outcome::Cancelled { why: "stopped; it only looks, so nothing was changed".to_owned() };
        }
    };
    for line in &report.details {
        scene.sink.note(line);
    }
    match report.finding {
        Finding::Holds => Outcome::Done(report),
        Finding::Fails => Outcome::Failed { why: report.seen },
        Finding::Unknown => Outcome::Failed { why: format!("could not be seen: {}", report.seen) },
    }
}

/// Looks once. Never longer than the look's time; past it the finding is unknown.
pub async fn look(world: &World, look: &Look) -> Report {
    let Some(host) = world.hosts.get(&look.host) else {
        return Report::unknown(format!("the inventory has no host {}", look.host));
    };
    let until = Instant::now() + Duration::from_millis(look.timeout_ms);
    let (sink, stop) = (Sink::none(), Stop::never());
    let tag = tag_of(&look.purpose);
    let scene = Scene { world, name: &look.host, host, known: &look.known, sink: &sink, stop: &stop, until, tag };
    world.secrets.redact_report(look_within(&scene, &look.kind).await)
}

/// Only a gate's evidence is kept; the other looks ask whether something is so.
fn tag_of(purpose: &Purpose) -> Option<Tag> {
    match purpose {
        Purpose::Gate { step, host, gate, .. } => Some(Tag::Look(format!("{step}-{host}-g{gate}"))),
        Purpose::Happened { .. } | Purpose::DidNot { .. } | Purpose::StillSo { .. } => None,
    }
}

async fn look_within(scene: &Scene<'_>, kind: &Kind) -> Report {
    if let Some(why) = misplaced_secret(kind) {
        return Report::unknown(why);
    }
    let longest = span(scene.left());
    match timeout_at(scene.until, look_at(scene, kind)).await {
        Ok(report) => report,
        Err(_) => Report::unknown(format!("no answer within {longest}")),
    }
}

/// Says what an action would do. Reads only.
pub async fn predict(world: &World, host: &HostName, kind: &Kind, known: &Known) -> Prediction {
    let Some(found) = world.hosts.get(host) else {
        return Prediction::new(Finding::Fails, format!("the inventory has no host {host}"));
    };
    if let Some(why) = misplaced_secret(kind) {
        return Prediction::new(Finding::Fails, why);
    }
    let until = Instant::now() + Duration::from_millis(PREDICT_MS_MAX);
    let (sink, stop) = (Sink::none(), Stop::never());
    let scene = Scene { world, name: host, host: found, known, sink: &sink, stop: &stop, until, tag: None };
    let foreseen = timeout_at(until, foresee(&scene, kind)).await;
    let mut foreseen =
        foreseen.unwrap_or_else(|_| Prediction::new(Finding::Unknown, format!("{}: no answer in time", kind.name())));
    foreseen.would = world.secrets.redact(&foreseen.would);
    foreseen.details.iter_mut().for_each(|line| *line = world.secrets.redact(line));
    foreseen
}

async fn act(scene: &Scene<'_>, kind: &Kind) -> Acted {
    match kind {
        Kind::Command(command) => command::act(scene, command).await,
        Kind::Service(service) => service::act(scene, service).await,
        Kind::Firewall(firewall) => firewall::act(scene, firewall).await,
        Kind::Flags(flags) => flags::act(scene, flags).await,
        Kind::Files(files) => files::act(scene, files).await,
        Kind::Http(http) => http::act(scene, http).await,
        Kind::Aurora(aurora) => scheduler::act(scene, aurora).await,
        Kind::InitializeLog(asked) => initialize::act(scene, asked).await,
        Kind::Undo(_) => Err(Undone::Failed(
            "undo is not an action by itself: the session takes its changes back one by one".to_owned(),
        )),
        _ => Err(Undone::Failed(format!("{} cannot be run as an action", kind.name()))),
    }
}

async fn look_at(scene: &Scene<'_>, kind: &Kind) -> Report {
    match kind {
        Kind::Command(command) => command::look(scene, command).await,
        Kind::Service(service) => service::look(scene, service).await,
        Kind::Firewall(firewall) => firewall::look(scene, firewall).await,
        Kind::Flags(flags) => flags::look(scene, flags).await,
        Kind::Files(files) => files::look(scene, files).await,
        Kind::Http(http) => http::look(scene, http).await,
        Kind::Wait(wait) => pause::look(scene, wait).await,
        Kind::Process(process) => process::look(scene, process).await,
        Kind::Port(port) => port::look(scene, port).await,
        Kind::LogLines(lines) => log_lines::look(scene, lines).await,
        Kind::Zookeeper(zookeeper) => ensemble::look(scene, zookeeper).await,
        Kind::Serverset(serverset) => ensemble::look_at_serverset(scene, serverset).await,
        Kind::Aurora(aurora) => scheduler::look(scene, aurora).await,
        Kind::Vars(vars) => scheduler::look_at_vars(scene, vars).await,
        Kind::Leader(leader) => leader::look(scene, leader).await,
        Kind::Replica(replica) => replica::look(scene, replica).await,
        Kind::Backups(found) => impact::beside(scene, found, backups::look(scene, found).await).await,
        Kind::Backup(backup) => backups::look_at_one(scene, backup).await,
        Kind::Master(master) => master::look(scene, master).await,
        Kind::Verdict(asked) => verdict::judge(scene, asked).await,
        Kind::Leadership(asked) => leadership::look(scene, asked).await,
        Kind::Elections(asked) => verdict::elections(scene, asked),
        Kind::Quorum(asked) => verdict::quorum(scene, asked).await,
        Kind::LogGroup(group) => log_group::look(scene, group).await,
        Kind::InitializeLog(_) => Report::unknown("an action is not a look"),
        Kind::Impact(impacted) => impact::look(scene, impacted).await,
        Kind::Outcome(outcome) => impact::look_at_outcome(scene, outcome).await,
        Kind::Sweep(swept) => sweep::look(scene, swept).await,
        Kind::Undo(_) => Report::unknown("undo cannot be looked at"),
    }
}

async fn foresee(scene: &Scene<'_>, kind: &Kind) -> Prediction {
    match kind {
        _ if kind.looks() && !matches!(kind, Kind::Wait(_)) => {
            let report = look_at(scene, kind).await;
            let would = format!("would look ({}); now: {}", kind.name(), report.seen);
            Prediction::new(report.finding, would).with(report.details)
        }
        Kind::Command(command) => command::foresee(command),
        Kind::Service(service) => service::foresee(scene, service).await,
        Kind::Firewall(firewall) => firewall::foresee(scene, firewall).await,
        Kind::Flags(flags) => flags::foresee(scene, flags).await,
        Kind::Files(files) => files::foresee(scene, files).await,
        Kind::Http(http) => http::foresee(http),
        Kind::InitializeLog(asked) => initialize::foresee(asked),
        Kind::Aurora(aurora) => scheduler::foresee(scene, aurora).await,
        Kind::Wait(wait) => Prediction::new(Finding::Holds, format!("would wait {}", wait.r#for)),
        Kind::Undo(_) => Prediction::new(
            Finding::Holds,
            "would take back what this session changed, newest first; the list is known when it gets there",
        ),
        _ => Prediction::new(Finding::Unknown, format!("nothing is known of {}", kind.name())),
    }
}

/// A secret may stand in a request's headers and body and in a program's environment. Everywhere else it would show in
/// process lists, logs or on the screen.
fn misplaced_secret(kind: &Kind) -> Option<String> {
    let mut rest = kind.clone();
    match &mut rest {
        Kind::Http(http) => {
            http.headers.clear();
            http.body = None;
        }
        Kind::Command(command) => command.env.clear(),
        _ => {}
    }
    let mut found = false;
    rest.texts(&mut |slot| {
        found |= match slot {
            Slot::Plain(text) => Secrets::marked(text.as_str()),
            Slot::Shell(text) => Secrets::marked(text.as_str()),
        };
    });
    found.then(|| {
        format!(
            "{}: a secret may only stand in the environment of a command or in the headers or body of a request",
            kind.name()
        )
    })
}
