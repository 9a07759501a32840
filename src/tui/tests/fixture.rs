//! A session without an engine: commands are decided and folded, results are given by the test.

use std::{sync::Arc, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    engine::{Health, LeaderSeen, OutputLine, OutputStore, Stream},
    inventory::load_inventory,
    runbook::{
        Mode,
        model::{HostName, LOCAL, StepId},
    },
    session::{
        AttemptId, Command, Context, Effect, Given, Look, Opened, Order, Outcome, Refusal, Report, Stamp, State, decide,
    },
    table::{Column, ColumnKind, Table},
    tui::{
        act::{self, Do, Pressed, World},
        rows::{self, Loaded},
        theme::Theme,
        ui::{Facts, UiState},
        view::{Info, Scene, draw},
    },
};

pub const RUNBOOK: &str = include_str!("small.yaml");

pub const INVENTORY: &str = r"
format: 1
cluster: { name: west, practice: PRACTICE, vars: { user: aurora } }
services:
  scheduler: { start: [start], stop: [stop], status: [status] }
groups:
  schedulers:
    vars: { log: /var/lib/aurora/db }
    hosts:
      - { name: s1, reach: local }
      - { name: s2, reach: local }
      - { name: s3, reach: local }
";

/// The state before anything was acknowledged.
pub fn opened(mode: Mode, practice: bool) -> Opened {
    let inventory = INVENTORY.replace("PRACTICE", &practice.to_string());
    Opened {
        session: "2026-11-22-west-1".to_owned(),
        mode,
        operator: "ada".to_owned(),
        machine: "ops1".to_owned(),
        version: "0.1.0".to_owned(),
        runbook_name: "small".to_owned(),
        runbook: RUNBOOK.to_owned(),
        runbook_sha256: "0".repeat(64),
        inventory_name: "west".to_owned(),
        inventory: load_inventory("west", inventory.as_bytes()).unwrap(),
    }
}

/// A session with what is shown of it.
pub struct Fixture {
    pub state: State,
    pub now: Stamp,
    pub ui: UiState,
    pub theme: Theme,
    pub info: Info,
    pub health: Health,
    pub output: OutputStore,
    pub leader: Option<LeaderSeen>,
    pub looks: Vec<Look>,
    pub orders: Vec<Order>,
    pub size: (u16, u16),
    pub clock: Duration,
    pub done: Vec<Do>,
    /// What is found when a table is opened.
    pub table: Option<Table>,
}

impl Fixture {
    pub fn new(mode: Mode, practice: bool) -> Self {
        let now = Stamp { utc_ms: 1_800_000_000_000, mono_ms: 5_000_000 };
        Self {
            state: State::open(opened(mode, practice), now).unwrap(),
            now,
            ui: UiState::default(),
            theme: Theme { ascii: false, no_color: false },
            info: Info { report: Some("/home/ada/report.md".to_owned()), ..Info::default() },
            health: Health::Writing,
            output: OutputStore::default(),
            leader: None,
            looks: Vec::new(),
            orders: Vec::new(),
            size: (80, 24),
            clock: Duration::from_secs(1),
            done: Vec::new(),
            table: None,
        }
    }

    pub fn recovery() -> Self {
        Self::new(Mode::Recovery, false)
    }

    /// Time passes.
    pub fn wait(&mut self, ms: u64) {
        self.now.utc_ms += ms as i64;
        self.now.mono_ms += ms;
    }

    /// Decides a command and takes what follows from it.
    pub fn ask(&mut self, command: &Command) -> Result<u64, Refusal> {
        let decision = decide(&self.state, self.now, command)?;
        for event in &decision.events {
            self.state.apply(self.now, event).unwrap();
        }
        for effect in decision.effects {
            match effect {
                Effect::Attempt(order) => self.orders.push(order),
                Effect::Look(look) => self.looks.push(look),
            }
        }
        Ok(self.state.seq)
    }

    /// Through the plan to the first step.
    pub fn begin(&mut self) {
        for item in self.state.runbook().consequences.clone() {
            let shown = item.text.as_str().to_owned();
            self.ask(&Command::Acknowledge { item: item.id, shown }).unwrap();
        }
        self.ask(&Command::Begin).unwrap();
    }

    /// Answers everything that was asked of the world with "it is so", until nothing is asked.
    pub fn settle(&mut self) {
        for _ in 0..100 {
            if self.orders.is_empty() && self.looks.is_empty() {
                return self.changed();
            }
            self.attempts_end(|_| Outcome::Done(backups()));
            self.looks_end(|_| Report::holds("seen, all is well"));
        }
    }

    pub fn attempts_end(&mut self, end: impl Fn(&Order) -> Outcome) {
        for order in std::mem::take(&mut self.orders) {
            let command = Command::Finished { attempt: order.attempt, outcome: end(&order) };
            self.ask(&command).unwrap();
        }
    }

    pub fn looks_end(&mut self, end: impl Fn(&Look) -> Report) {
        for look in std::mem::take(&mut self.looks) {
            let command = Command::Looked { purpose: look.purpose.clone(), report: end(&look) };
            self.ask(&command).unwrap();
        }
    }

    /// To the step with this id, ready.
    pub fn walk_to(&mut self, wanted: &str) {
        self.begin();
        for _ in 0..50 {
            self.settle();
            let Some(step) = self.state.current().map(|step| step.id.clone()) else { return };
            if step.as_str() == wanted {
                return;
            }
            self.prepare(&step);
            self.run(&step);
        }
        panic!("{wanted} is not reached");
    }

    pub fn run(&mut self, id: &StepId) {
        let local = HostName::from(LOCAL);
        let (_, model) = self.state.step_model(id).unwrap();
        let typed = match &model.confirm {
            crate::runbook::model::Confirm::Phrase(text) => Some(Context::new(&self.state, &local).text(text).unwrap()),
            _ => None,
        };
        let seen_seq = self.state.seq;
        self.ask(&Command::Run { step: id.clone(), typed, shown: "shown".to_owned(), seen_seq }).unwrap();
    }

    fn prepare(&mut self, id: &StepId) {
        let (_, model) = self.state.step_model(id).unwrap();
        let model = model.clone();
        for item in model.checklist {
            self.ask(&Command::Tick { step: id.clone(), item: item.id, on: true }).unwrap();
        }
        if id.as_str() == "decide" {
            self.answer("unsure", Given::Text("unsure".to_owned()));
            self.answer("which", Given::Text("restore".to_owned()));
        }
    }

    pub fn answer(&mut self, input: &str, given: Given) {
        self.ask(&Command::Answer { input: input.into(), given }).unwrap();
    }

    pub fn world(&self) -> World<'_> {
        World {
            state: &self.state,
            health: &self.health,
            output: &self.output,
            leader: self.leader.as_ref(),
            now: self.now,
            may_copy: true,
            takes_secrets: true,
        }
    }

    /// Draws a frame, as the loop does, and tells the screen's state about it.
    pub fn frame(&mut self) -> Buffer {
        let (buffer, facts) = self.frame_at(self.size);
        self.clock += Duration::from_millis(50);
        let at = self.clock;
        self.ui.drawn(facts, at);
        buffer
    }

    pub fn frame_at(&self, (width, height): (u16, u16)) -> (Buffer, Facts) {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let scene = Scene { world: self.world(), ui: &self.ui, theme: self.theme, info: &self.info };
        let facts = draw(scene, area, &mut buffer);
        (buffer, facts)
    }

    /// What is on the screen.
    pub fn screen(&mut self) -> String {
        text_of(&self.frame())
    }

    /// Presses a key after what stands on the screen was drawn, and does what follows.
    pub fn key(&mut self, code: KeyCode) {
        self.frame();
        self.clock += Duration::from_millis(400);
        self.raw(KeyEvent::new(code, KeyModifiers::NONE), self.clock, false);
    }

    pub fn char(&mut self, char: char) {
        self.key(KeyCode::Char(char));
    }

    pub fn ctrl(&mut self, char: char) {
        self.frame();
        self.clock += Duration::from_millis(400);
        self.raw(KeyEvent::new(KeyCode::Char(char), KeyModifiers::CONTROL), self.clock, false);
    }

    pub fn enter(&mut self) {
        self.key(KeyCode::Enter);
    }

    pub fn typed(&mut self, text: &str) {
        for char in text.chars() {
            self.char(char);
        }
    }

    /// A key as the terminal gave it.
    pub fn raw(&mut self, event: KeyEvent, read: Duration, held: bool) {
        let mut ui = std::mem::take(&mut self.ui);
        let todo = act::key(self.world(), &mut ui, Pressed { event, read, held });
        self.ui = ui;
        for one in todo {
            if let Do::Ask(number, command) = &one {
                let answer = self.ask(command);
                act::answered(&mut self.ui, *number, answer);
            }
            if let Do::Load(number, kept) = &one {
                let table = self.table.clone().ok_or_else(|| format!("opening {}: No such file", kept.path));
                let mut ui = std::mem::take(&mut self.ui);
                rows::loaded(self.world(), &mut ui, *number, table.map(|table| Arc::new(Loaded::new(table))));
                self.ui = ui;
            }
            self.done.push(one);
        }
        self.changed();
    }

    /// What the wizard does whenever the session has changed.
    fn changed(&mut self) {
        let mut ui = std::mem::take(&mut self.ui);
        let todo = act::changed(self.world(), &mut ui);
        self.ui = ui;
        self.done.extend(todo);
    }

    pub fn line(&self, host: &str, text: &str) {
        self.output.push(OutputLine {
            attempt: AttemptId(1),
            host: host.into(),
            stream: Stream::Out,
            text: text.to_owned(),
        });
    }
}

/// What the world answers when all is well.
pub fn backups() -> Report {
    let entry = |name: &str, age: &str, tasks: u32| serde_json::json!({ "name": name, "age": age, "tasks": tasks });
    let mut list = vec![
        entry("scheduler-backup-2026-11-22-18-00", "1h12min", 412),
        entry("scheduler-backup-2026-11-22-17-00", "2h12min", 398),
    ];
    let mut unfit = entry("scheduler-backup-2026-11-22-19-00", "12min", 0);
    unfit["rank"] = 1.into();
    unfit["fit"] = "no".into();
    unfit["bytes"] = 4_096.into();
    unfit["problems"] = serde_json::json!(["the file holds zeros only", "nothing of it can be restored\u{1b}[2J"]);
    list.push(unfit);
    let kept = |file: &str, digit: &str| {
        let path = format!("/home/ada/.local/state/firstlight/s/evidence/{file}");
        serde_json::json!({ "file": format!("evidence/{file}"), "path": path, "sha256": digit.repeat(64), "bytes": 23_000 })
    };
    let outputs = serde_json::json!({
        "backups": list,
        "staged": kept("a7-staged.table.jsonl", "7"),
        "impact": { "text": kept("a7-impact.txt", "8") },
    });
    Report::holds("done as asked").with_outputs(outputs)
}

/// Staged tasks, some of them with names that a hostile client may choose.
pub fn staged(rows: usize) -> Table {
    let columns = vec![
        Column::grouping("role", "role"),
        Column::grouping("env", "env"),
        Column::grouping("job", "job"),
        Column::of("instance", "inst", ColumnKind::Number),
        Column::grouping("status", "status"),
        Column::grouping("host", "host"),
        Column::of("ram", "ram", ColumnKind::Bytes),
        Column::of("since", "since", ColumnKind::Time),
    ];
    let mut table = Table::new("staged tasks", columns).unwrap();
    for row in 0..rows {
        let role = ["www-data", "ads", "search-infra"][row % 3];
        let env = ["prod", "prod", "staging"][row % 7 % 3];
        let job = if row == 4 { "\u{1b}[2J漢字\u{202e}\tevil\nname".to_owned() } else { format!("job{}", row % 11) };
        let key = format!("{}-{role}-{env}-{row}", 1_300_000_000_000_u64 + row as u64);
        let status = ["RUNNING", "PENDING", "RUNNING", "KILLING"][row % 4];
        let cells = [
            role.to_owned(),
            env.to_owned(),
            job,
            (row / 11).to_string(),
            status.to_owned(),
            format!("rack{}-{:02}.example.org", row % 5, row % 40),
            (128_000_000 + row * 1_000_000).to_string(),
            (1_799_990_000_000_u64 + row as u64 * 1_000).to_string(),
        ];
        let detail =
            [format!("{status} 2027-01-15 07:41:02  from the scheduler"), "constraint: limit host 1".to_owned()];
        table.push(&key, cells, detail).unwrap();
    }
    table
}

/// A buffer as lines of text.
pub fn text_of(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut out = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        for x in area.left()..area.right() {
            line.push_str(buffer[(x, y)].symbol());
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
