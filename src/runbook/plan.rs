//! The whole procedure as it will be walked, nothing run: every step, every command for every host.
//!
//! One plan, two renderings: plain text and Markdown. What is not known yet (answers, what earlier steps
//! find) stays as `<outputs.leader.url>`. The digest is the SHA-256 of the plain text, so that anyone can
//! take it again with `sha256sum`; a typed confirmation given beforehand is bound to it.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use serde_json::Value;
use sha2::{Digest, Sha256};

pub use super::describe::{HostLookup, describe, describe_on};
use super::{
    Mode,
    describe::describe_with,
    kind::Kind,
    model::{
        Action, Condition, Confirm, Danger, Gate, HostName, Input, InputId, InputKind, LOCAL, Order, Runbook, Step,
        Target, Undo,
    },
    template::{self, Lookup, LookupError},
    text::Text,
};
use crate::inventory::Inventory;

/// What is known when a plan is made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// The mode, if it is decided.
    pub mode: Option<Mode>,
    /// The answers that are there: a scalar, or the chosen entry of a pick. A secret is never shown.
    pub inputs: BTreeMap<InputId, Value>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    blocks: Vec<Block>,
    digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Block {
    /// The title of the whole (1), a phase (2) or a step (3).
    Heading(usize, String),
    Paragraph(String),
    /// A word and what it says.
    Field(&'static str, String),
    /// A word and the lines below it.
    List(String, Vec<String>),
    /// A word and exact commands.
    Commands(String, Vec<String>),
}

impl Plan {
    /// Lower-case hex of the SHA-256 of [`Plan::text`].
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// As plain text, with a line end at the end.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for block in &self.blocks {
            // Writing to a string does not fail.
            let _ = text_block(&mut out, block);
        }
        out
    }

    /// As Markdown, with the digest at the end.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        for block in &self.blocks {
            let _ = markdown_block(&mut out, block);
        }
        let _ = writeln!(out, "\nSHA-256 of this plan's plain text: `{}`", self.digest);
        out
    }
}

fn text_block(out: &mut String, block: &Block) -> fmt::Result {
    match block {
        Block::Heading(level, title) => {
            let line = match level {
                1 => "=",
                2 => "-",
                _ => "",
            };
            writeln!(out, "{}{title}", if out.is_empty() { "" } else { "\n" })?;
            if !line.is_empty() {
                writeln!(out, "{}", line.repeat(title.chars().count()))?;
            }
            Ok(())
        }
        Block::Paragraph(text) => indented(out, "", text),
        Block::Field(word, text) => indented(out, &format!("  {word}: "), text),
        Block::List(word, lines) | Block::Commands(word, lines) => {
            writeln!(out, "  {word}:")?;
            lines.iter().try_for_each(|line| indented(out, "    - ", line))
        }
    }
}

/// A text whose further lines stand below its first.
fn indented(out: &mut String, first: &str, text: &str) -> fmt::Result {
    let below = " ".repeat(first.chars().count());
    for (at, line) in text.trim_end().lines().enumerate() {
        let before = if at == 0 { first } else { below.as_str() };
        writeln!(out, "{}", format!("{before}{line}").trim_end())?;
    }
    Ok(())
}

fn markdown_block(out: &mut String, block: &Block) -> fmt::Result {
    match block {
        Block::Heading(level, title) => {
            writeln!(out, "{}{} {}\n", if out.is_empty() { "" } else { "\n" }, "#".repeat(*level), escape(title))
        }
        Block::Paragraph(text) => writeln!(out, "{}\n", escape(text.trim_end())),
        Block::Field(word, text) => writeln!(out, "- **{word}**: {}", escape(&one_line(text))),
        Block::List(word, lines) => {
            writeln!(out, "- **{}**:", escape(word))?;
            lines.iter().try_for_each(|line| writeln!(out, "  - {}", escape(&one_line(line))))
        }
        Block::Commands(word, lines) => {
            writeln!(out, "- **{}**:\n", escape(word))?;
            // Longer than any run of backquotes within, so that no command can end the block.
            let longest = lines.iter().flat_map(|line| line.split(|char| char != '`')).map(str::len).max();
            let fence = "`".repeat(longest.unwrap_or(0).max(2).saturating_add(1));
            writeln!(out, "  {fence}")?;
            lines.iter().flat_map(|line| line.lines()).try_for_each(|line| writeln!(out, "  {line}"))?;
            writeln!(out, "  {fence}\n")
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text in which Markdown sees no markup of its own.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '\\' | '`' | '*' | '_' | '<' | '[' | ']' | '#' | '|') {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

/// Makes the plan of a procedure, on a cluster if one is given.
pub fn plan(runbook: &Runbook, inventory: Option<&Inventory>, known: &Known) -> Plan {
    let mut planner = Planner { runbook, inventory, known, blocks: Vec::new() };
    planner.whole();
    let mut plan = Plan { blocks: planner.blocks, digest: String::new() };
    let digest = Sha256::digest(plan.text().as_bytes());
    for byte in digest {
        let _ = write!(plan.digest, "{byte:02x}");
    }
    plan
}

struct Planner<'a> {
    runbook: &'a Runbook,
    inventory: Option<&'a Inventory>,
    known: &'a Known,
    blocks: Vec<Block>,
}

/// What is known on one row.
struct Row<'a> {
    planner: &'a Planner<'a>,
    host: Option<&'a HostName>,
}

impl Lookup for Row<'_> {
    fn get(&self, path: &[&str]) -> Result<Value, LookupError> {
        let inventory = self.planner.inventory;
        match path {
            ["cluster", var] => inventory.ok_or(LookupError::NotYet)?.cluster_var(var).ok_or(LookupError::Undefined),
            ["host", "name"] => self.host.map(|host| Value::from(host.as_str())).ok_or(LookupError::NotYet),
            ["host", var] => {
                let (Some(inventory), Some(host)) = (inventory, self.host) else { return Err(LookupError::NotYet) };
                inventory.host_var(host, var).ok_or(LookupError::Undefined)
            }
            ["inputs", id, rest @ ..] => self.planner.input(id, rest),
            ["session", "mode"] => self.planner.known.mode.map(mode_word).map(Value::from).ok_or(LookupError::NotYet),
            _ => Err(LookupError::NotYet),
        }
    }
}

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Recovery => "recovery",
        Mode::Training => "training",
    }
}

impl Planner<'_> {
    fn input(&self, id: &str, rest: &[&str]) -> Result<Value, LookupError> {
        let id = InputId::from(id);
        let input = self.runbook.inputs().map(|(_, input)| input).find(|input| input.id == id);
        let input = input.ok_or(LookupError::Undefined)?;
        let answer = self.known.inputs.get(&id).ok_or(LookupError::NotYet)?;
        match (&input.kind, rest) {
            (InputKind::Secret, _) => Err(LookupError::NotYet),
            (InputKind::Pick { value, .. }, []) if answer.is_object() => {
                answer.get(value).cloned().ok_or(LookupError::NotYet)
            }
            (_, []) => Ok(answer.clone()),
            (_, [member, ..]) => answer.get(*member).cloned().ok_or(LookupError::NotYet),
        }
    }

    fn show(&self, text: &Text) -> String {
        template::render_known(text, &Row { planner: self, host: None })
    }

    fn whole(&mut self) {
        let runbook = self.runbook;
        self.blocks.push(Block::Heading(1, runbook.title.clone()));
        self.blocks.push(Block::Paragraph(runbook.summary.clone()));
        let mut about = vec![format!("runbook {}", runbook.id)];
        about.extend(self.inventory.map(|inventory| {
            let practice = if inventory.practice { " (practice)" } else { "" };
            format!("cluster {}{practice}", inventory.cluster)
        }));
        about.extend(self.known.mode.map(|mode| format!("mode {}", mode_word(mode))));
        self.blocks.push(Block::List("for".to_owned(), about));
        self.list(
            "consequences to acknowledge",
            runbook.consequences.iter().map(|item| self.show(&item.text)).collect(),
        );
        self.list("asked first", runbook.inputs.iter().map(|input| self.question(input)).collect());
        for (phase_at, phase) in runbook.phases.iter().enumerate() {
            let always = if phase.always { " (always)" } else { "" };
            self.blocks.push(Block::Heading(2, format!("{}. {}{always}", phase_at.saturating_add(1), phase.title)));
            for (at, step) in phase.steps.iter().enumerate() {
                let number = format!("{}.{}", phase_at.saturating_add(1), at.saturating_add(1));
                self.step(&number, step);
            }
        }
    }

    fn list(&mut self, word: &str, lines: Vec<String>) {
        if !lines.is_empty() {
            self.blocks.push(Block::List(word.to_owned(), lines));
        }
    }

    fn question(&self, input: &Input) -> String {
        let kind = match &input.kind {
            InputKind::Text => "text".to_owned(),
            InputKind::Choice(choices) => choices.join(" | "),
            InputKind::Pick { from, list, .. } => format!("one of outputs.{from}.{list}"),
            InputKind::Rows { from, table } => format!("rows of outputs.{from}.{table}"),
            InputKind::Duration => "a time".to_owned(),
            InputKind::Path => "a path".to_owned(),
            InputKind::Host(group) => format!("a host of {group}"),
            InputKind::Secret => "a secret".to_owned(),
            InputKind::YesNoUnsure => "yes | no | unsure".to_owned(),
        };
        let mut line = format!("{} ({}: {kind})", input.title, input.id);
        match self.input(input.id.as_str(), &[]) {
            Ok(Value::String(answer)) => line.extend([" = ", &answer]),
            Ok(answer) if !answer.is_null() => line.extend([" = ", &answer.to_string()]),
            _ => line.extend(input.default.as_ref().map(|default| format!(", default {}", self.show(default)))),
        }
        if input.optional {
            line.push_str(", optional");
        }
        line.extend(input.when.as_ref().map(|when| format!(", if {}", self.condition(when, None))));
        line
    }

    fn step(&mut self, number: &str, step: &Step) {
        let danger = match step.danger {
            Danger::Reads => "",
            Danger::Changes => "  [CHANGES]",
            Danger::Destroys => "  [DESTROYS]",
            Danger::PointOfNoReturn => "  [POINT OF NO RETURN]",
        };
        self.blocks.push(Block::Heading(3, format!("{number} {}{danger}", step.title)));
        let mut fields = vec![("why", self.show(&step.why)), ("expect", self.show(&step.expect))];
        fields.extend(step.when.as_ref().map(|when| ("only if", self.condition(when, None))));
        fields.push(("where", self.place(step)));
        fields.extend(match &step.confirm {
            Confirm::None => None,
            Confirm::Key => Some(("confirm", "one key".to_owned())),
            Confirm::Phrase(phrase) => Some(("confirm", format!("type \"{}\"", self.show(phrase)))),
        });
        self.blocks.extend(fields.into_iter().map(|(word, text)| Block::Field(word, text)));
        self.list("tick", step.checklist.iter().map(|item| self.show(&item.text)).collect());
        self.list("asked", step.inputs.iter().map(|input| self.question(input)).collect());
        let hosts = self.hosts(&step.on);
        self.rows("refused unless", step, &hosts, false, |planner, host| {
            step.guard.iter().map(|kind| planner.kind(kind, host)).collect()
        });
        self.rows("do", step, &hosts, true, |planner, host| {
            let line = |action: &Action| {
                let only = action.when.as_ref().map(|when| format!("    # only if {}", planner.condition(when, host)));
                format!("{}{}", planner.kind(&action.kind, host), only.unwrap_or_default())
            };
            step.actions.iter().map(line).collect()
        });
        self.rows("done when", step, &hosts, false, |planner, host| {
            step.gates.iter().map(|gate| planner.gate(gate, host)).collect()
        });
        self.undo(step, &hosts);
        self.by_hand(step, &hosts);
        if let Some(ends) = &step.ends {
            let text = format!("if {}: {}", self.condition(&ends.when, None), self.show(&ends.outcome));
            self.blocks.push(Block::Field("may end here", text));
        }
        if step.may_skip {
            self.blocks.push(Block::Field("skip", "allowed, with a reason".to_owned()));
        }
    }

    fn place(&self, step: &Step) -> String {
        let order = match step.order {
            Order::Parallel => "at once",
            Order::OneAtATime => "one at a time",
        };
        match &step.on {
            Target::Local => "this machine".to_owned(),
            Target::Group(group) => {
                let hosts = self.inventory.map(|inventory| inventory.hosts_of(group)).unwrap_or_default();
                let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
                let names = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
                format!("every host of {group}, {order}{names}")
            }
            Target::Host(host) => format!("host {}", self.show(host)),
        }
    }

    /// The rows of a step; one without a host where it is not known which there are.
    fn hosts(&self, target: &Target) -> Vec<Option<HostName>> {
        match target {
            Target::Local => vec![Some(HostName::from(LOCAL))],
            Target::Group(group) => {
                let hosts = self.inventory.map(|inventory| inventory.hosts_of(group)).unwrap_or_default();
                if hosts.is_empty() { vec![None] } else { hosts.into_iter().map(Some).collect() }
            }
            Target::Host(host) => {
                let name = HostName(self.show(host));
                let known = self.inventory.is_some_and(|inventory| inventory.host(&name).is_some());
                vec![known.then_some(name)]
            }
        }
    }

    /// The lines of each row of a step; nothing where there are none.
    fn rows(
        &mut self,
        word: &str,
        step: &Step,
        hosts: &[Option<HostName>],
        commands: bool,
        lines: impl Fn(&Self, Option<&HostName>) -> Vec<String>,
    ) {
        for host in hosts {
            let lines = lines(self, host.as_ref());
            if lines.is_empty() {
                continue;
            }
            let label = match (host, &step.on) {
                (_, Target::Local) => word.to_owned(),
                (Some(host), _) => format!("{word}, on {host}"),
                (None, Target::Host(host)) => format!("{word}, on {}", self.show(host)),
                (None, Target::Group(group)) => format!("{word}, on each of {group}"),
            };
            self.blocks.push(if commands { Block::Commands(label, lines) } else { Block::List(label, lines) });
        }
    }

    fn kind(&self, kind: &Kind, host: Option<&HostName>) -> String {
        let mut shown = kind.clone();
        template::render_known_kind(&mut shown, &Row { planner: self, host });
        match self.inventory {
            Some(inventory) => describe_with(&shown, inventory, host),
            None => describe(&shown),
        }
    }

    fn gate(&self, gate: &Gate, host: Option<&HostName>) -> String {
        let mut line = self.kind(&gate.kind, host);
        if gate.stable_for_ms > 0 {
            line.push_str(", for ");
            line.push_str(&time(gate.stable_for_ms));
        }
        line.push_str(", within ");
        line.push_str(&time(gate.within_ms));
        line.extend(gate.when.as_ref().map(|when| format!(", only if {}", self.condition(when, host))));
        line
    }

    fn undo(&mut self, step: &Step, hosts: &[Option<HostName>]) {
        match &step.undo {
            Undo::None(reason) => self.blocks.push(Block::Field("undo", format!("none: {reason}"))),
            Undo::Inverse => self.rows("undo", step, hosts, true, |planner, host| {
                let inverse = |action: &Action| {
                    let mut kind = action.kind.clone();
                    // Where a thing is kept depends on the attempt, which has no number yet.
                    kind.settle_names("<attempt>");
                    kind.inverse().map(|inverse| planner.kind(&inverse, host))
                };
                step.actions.iter().rev().filter_map(inverse).collect()
            }),
            Undo::Actions(kinds) => self.rows("undo", step, hosts, true, |planner, host| {
                kinds.iter().map(|kind| planner.kind(kind, host)).collect()
            }),
        }
    }

    fn by_hand(&mut self, step: &Step, hosts: &[Option<HostName>]) {
        let shown =
            hosts.iter().map(|host| template::render_known(&step.by_hand, &Row { planner: self, host: host.as_ref() }));
        let mut lines: Vec<String> = shown.collect();
        lines.dedup();
        self.blocks.push(Block::Commands("by hand".to_owned(), lines));
    }

    fn condition(&self, condition: &Condition, host: Option<&HostName>) -> String {
        let row = Row { planner: self, host };
        let show = |text: &Text| template::render_known(text, &row);
        let several = |parts: &[Condition], between: &str| {
            parts.iter().map(|part| self.condition(part, host)).collect::<Vec<_>>().join(between)
        };
        match condition {
            Condition::Mode(mode) => format!("the mode is {}", mode_word(*mode)),
            Condition::Is { text, values } => {
                let values: Vec<String> = values.iter().map(show).collect();
                format!("{} is {}", show(text), values.join(" or "))
            }
            Condition::All(parts) => several(parts, " and "),
            Condition::Any(parts) => format!("({})", several(parts, " or ")),
            Condition::Not(part) => format!("not ({})", self.condition(part, host)),
        }
    }
}

fn time(ms: u64) -> String {
    humantime::format_duration(std::time::Duration::from_millis(ms)).to_string()
}
