//! A single-threaded stand-in for engine and world: effects are answered by a script, time is counted.

use std::collections::VecDeque;

use firstlight::{
    inventory::load_inventory,
    runbook::{
        Mode,
        kind::Kind,
        model::{Confirm, HostName, StepId},
    },
    session::{
        AttemptId, Command, Context, Effect, Event, Finding, Given, Life, Look, Opened, Order, Outcome, Refusal,
        Report, RowStatus, Stamp, State, StepStatus, decide,
    },
};

/// Three schedulers and every name that the shipped runbook asks for.
pub const INVENTORY: &str = r#"
format: 1
cluster:
  name: west
  vars:
    quorum: 2
    zookeeper: "127.0.0.1:2181"
    serverset_path: /aurora/scheduler
    log_group_path: /aurora/replicated-log
    master_url: http://127.0.0.1:5050
    mesos_master_address: zk://127.0.0.1:2181/mesos
    prepared_master_address: zk://localhost:1111/mesos/master
    scheduler_user: aurora
    version: "0.22.0"
services:
  scheduler: { start: [start], stop: [stop], status: [status] }
firewall: { manager: nftables, allow: [10.0.0.0/24] }
groups:
  schedulers:
    vars:
      http_at: "127.0.0.1:8081"
      outside_at: "127.0.0.2:8081"
      api_url: http://127.0.0.1:8081
      flags_file: /etc/default/aurora-scheduler
      log_dir: /var/lib/aurora/scheduler/db
      backup_dir: /var/lib/aurora/scheduler/backups
      log_file: /var/log/aurora/scheduler.log
      mesos_log: /usr/bin/mesos-log
    hosts:
      - { name: s1, reach: local }
      - { name: s2, reach: local }
      - { name: s3, reach: local }
"#;

/// Answers effects.
pub trait World {
    fn attempt(&mut self, order: &Order) -> Outcome;
    fn look(&mut self, look: &Look) -> Report;
}

pub struct Sim<W> {
    pub state: State,
    pub events: Vec<(Stamp, Event)>,
    pub world: W,
    pub now: Stamp,
    pub pending: VecDeque<Effect>,
    /// Every action that was handed out, in order.
    pub done: Vec<(AttemptId, HostName, Kind)>,
}

impl<W: World> Sim<W> {
    pub fn new(runbook: &str, mode: Mode, world: W) -> Self {
        let opened = Opened {
            session: "20260301-040506-west-abcd".to_owned(),
            mode,
            operator: "ada".to_owned(),
            machine: "bastion".to_owned(),
            version: "0.0.0".to_owned(),
            runbook_name: "test.yaml".to_owned(),
            runbook: runbook.to_owned(),
            runbook_sha256: String::new(),
            inventory_name: "west.yaml".to_owned(),
            inventory: load_inventory("west.yaml", INVENTORY.as_bytes()).unwrap(),
        };
        let now = Stamp { utc_ms: 1_772_337_906_000, mono_ms: 1_000 };
        let state = State::open(opened.clone(), now).unwrap_or_else(|error| panic!("{error}"));
        let events = vec![(now, Event::Opened(Box::new(opened)))];
        Self { state, events, world, now, pending: VecDeque::new(), done: Vec::new() }
    }

    pub fn say(&mut self, command: &Command) -> Result<(), Refusal> {
        self.now.utc_ms += 1;
        self.now.mono_ms += 1;
        let decision = decide(&self.state, self.now, command)?;
        for event in decision.events {
            // What is decided can be applied, and leads to the same state.
            self.state.apply(self.now, &event).unwrap();
            if event.is_durable() {
                self.events.push((self.now, event));
            }
        }
        assert_eq!(self.state.seq, decision.next.seq);
        self.pending.extend(decision.effects);
        Ok(())
    }

    /// Lets the world answer one effect; false if there is none.
    pub fn answer_one(&mut self) -> bool {
        let Some(effect) = self.pending.pop_front() else { return false };
        let command = match effect {
            Effect::Attempt(order) => {
                // Nothing is handed out that is not written down.
                assert!(self.events.iter().any(|(_, event)| {
                    matches!(event, Event::AttemptStarted { attempt, .. } if *attempt == order.attempt)
                }));
                self.done.push((order.attempt, order.host.clone(), order.kind.clone()));
                let outcome = self.world.attempt(&order);
                Command::Finished { attempt: order.attempt, outcome }
            }
            Effect::Look(look) => {
                self.now.utc_ms += look.after_ms as i64;
                self.now.mono_ms += look.after_ms;
                let report = self.world.look(&look);
                Command::Looked { purpose: look.purpose, report }
            }
        };
        self.say(&command).unwrap();
        true
    }

    /// Lets the world answer until the session waits for a person, or `steps` effects are answered.
    pub fn settle(&mut self, steps: usize) {
        for _ in 0..steps {
            if self.waits_for_a_person() || !self.answer_one() {
                return;
            }
        }
    }

    pub fn waits_for_a_person(&self) -> bool {
        match &self.state.life {
            Life::Opening | Life::Ended { .. } => true,
            Life::Walking | Life::Ending { .. } => self.state.current().is_none_or(|step| match step.status {
                StepStatus::Ready => true,
                StepStatus::Active => step.rows.iter().any(|row| {
                    matches!(row.status, RowStatus::Stopped { .. })
                        || matches!(row.status, RowStatus::InDoubt { .. }) && self.pending.is_empty()
                }),
                StepStatus::Locked | StepStatus::Closed(_) => false,
            }),
        }
    }

    pub fn begin(&mut self) {
        let items: Vec<_> = self.state.runbook().consequences.iter().map(|item| item.id.clone()).collect();
        for item in items {
            self.say(&Command::Acknowledge { item, shown: "shown".to_owned() }).unwrap();
        }
        self.say(&Command::Begin).unwrap();
    }

    pub fn current(&self) -> Option<String> {
        self.state.current().map(|step| step.id.0.clone())
    }

    /// Ticks every item of the current step's checklist.
    pub fn tick_all(&mut self) {
        let step = self.state.current().unwrap().id.clone();
        let (_, model) = self.state.step_model(&step).unwrap();
        for item in model.checklist.iter().map(|item| item.id.clone()).collect::<Vec<_>>() {
            self.say(&Command::Tick { step: step.clone(), item, on: true }).unwrap();
        }
    }

    /// Runs the current step with whatever phrase it asks for.
    pub fn run(&mut self) -> Result<(), Refusal> {
        let step = self.state.current().unwrap().id.clone();
        self.run_step(&step)
    }

    pub fn run_step(&mut self, step: &StepId) -> Result<(), Refusal> {
        let (_, model) = self.state.step_model(step).unwrap();
        let local = HostName::from("local");
        let typed = match &model.confirm {
            Confirm::Phrase(phrase) => Some(Context::new(&self.state, &local).text(phrase).unwrap()),
            Confirm::None | Confirm::Key => None,
        };
        let seen_seq = self.state.seq;
        self.say(&Command::Run { step: step.clone(), typed, shown: "shown".to_owned(), seen_seq })
    }

    pub fn give(&mut self, input: &str, text: &str) -> Result<(), Refusal> {
        self.say(&Command::Answer { input: input.into(), given: Given::Text(text.to_owned()) })
    }

    pub fn refold(&self) -> State {
        State::fold(self.events.iter().cloned()).unwrap()
    }
}

/// A world in which everything works.
pub struct Fine;

impl World for Fine {
    fn attempt(&mut self, order: &Order) -> Outcome {
        Outcome::Done(report(&order.kind, order.host.as_str()))
    }

    fn look(&mut self, look: &Look) -> Report {
        report(&look.kind, look.host.as_str())
    }
}

/// What a kind reports where everything works.
pub fn report(kind: &Kind, host: &str) -> Report {
    use serde_json::json;
    let outputs = match kind {
        Kind::Leader(_) => json!({ "name": "s2", "url": "http://127.0.0.1:8081" }),
        Kind::Backups(_) => json!({ "backups": [{
            "host": host, "name": "scheduler-backup-2026-03-01-03-00", "rank": i32::from(host != "s3"),
            "path": format!("/{host}/scheduler-backup-2026-03-01-03-00"), "sha256": "ab", "tasks": 40, "jobs": 4,
            "age": "1h 5min", "fit": "yes", "timestamp_ms": 1_772_334_000_000_i64,
        }]}),
        Kind::Backup(_) => {
            json!({ "tasks": 40, "age": "1h 5min", "stale": "no", "timestamp_ms": 1_772_334_000_000_i64 })
        }
        Kind::Elections(_) => json!({ "leadership": "flapping", "recent": 3, "leader": "a", "story": [] }),
        Kind::Quorum(_) => json!({
            "voting": 0, "unknown": 0, "replicas": 3, "quorum": 2, "has_quorum": "no", "restart": "asks", "rows": [],
            "group": "whole", "registered": [],
        }),
        Kind::Replica(_) => json!({ "state": "5e1f" }),
        Kind::Verdict(_) => json!({
            "decision": "reinitialize", "headline": "re-initialize", "host": "", "initialize": "yes",
            "reason": "no replica votes", "reasons": [], "missing": [], "contradicted": "no", "challenge": "",
            "copy_first": [], "verdict": null,
        }),
        Kind::Aurora(_) => json!({ "tasks": 40, "active": 38, "digest": "1f2e" }),
        Kind::Impact(_) => json!({
            "kills": 3,
            "headline": "3 running tasks will be KILLED",
            "owners_text": "payments-oncall@example.com (3)",
            "list": "evidence/a9-impact.txt",
        }),
        Kind::Sweep(_) => json!({ "at_ms": 1_772_336_000_000_i64 }),
        Kind::Master(_) => json!({ "tasks": 41, "ids": [] }),
        Kind::Files(firstlight::runbook::kind::Files::MoveAside { to, .. }) => json!({ "to": to }),
        _ => serde_json::Value::Null,
    };
    Report::new(Finding::Holds, format!("{} holds", kind.name())).with_outputs(outputs)
}
