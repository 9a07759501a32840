//! What names refer to: every placeholder of every text, every step, group, service and register that is
//! named somewhere.
//!
//! A name must be defined where it is used: an input asked by then, a register written by then. Texts of
//! a row (actions, gates, guards, undo, `by_hand`) may use `host.*` and what the same host's row found;
//! texts of a step as a whole (`why`, `expect`, conditions of the step, confirmations) have no host.
//! What a text of the screen names may still be unknown when it is shown; it is shown as a name then.

use std::collections::BTreeMap;

use super::{
    kind::{Firewall, Kind, Process},
    locate::Node,
    model::{Condition, Confirm, GroupName, Input, InputId, InputKind, Register, Runbook, Step, StepId, Target, Undo},
    problem::{DocPath, did_you_mean},
    shell,
    template::{self, Name, Part},
    text::{Slot, Text},
};

/// The roots of names.
const ROOTS: [&str; 5] = ["cluster", "host", "inputs", "outputs", "session"];
/// What is known of a session.
const SESSION: [&str; 5] = ["id", "operator", "mode", "started", "ending"];

/// Takes a problem: path, message, suggestion.
pub(crate) type Report<'a> = dyn FnMut(&DocPath, String, Option<String>) + 'a;

/// Every step with its path, in order.
pub(crate) fn steps(runbook: &Runbook) -> impl Iterator<Item = (DocPath, &Step)> {
    runbook.phases.iter().enumerate().flat_map(|(phase_at, phase)| {
        let steps = DocPath::root().key("phases").index(phase_at).key("steps");
        phase.steps.iter().enumerate().map(move |(at, step)| (steps.index(at), step))
    })
}

/// Checks every name of a runbook.
pub(crate) fn check(runbook: &Runbook, node: &Node, report: &mut Report<'_>) {
    let mut names = Names { runbook, node, registers: BTreeMap::new(), inputs: BTreeMap::new(), report };
    names.collect();
    names.first();
    for (at, (path, step)) in steps(runbook).enumerate() {
        names.step(at, &path, step);
    }
}

/// Something that writes a register.
struct Writer<'a> {
    step: usize,
    on: &'a Target,
    /// The outputs that are known to be there; `None` if any may be.
    outputs: Option<&'static [&'static str]>,
}

struct Names<'a, 'r> {
    runbook: &'a Runbook,
    node: &'a Node,
    registers: BTreeMap<&'a Register, Vec<Writer<'a>>>,
    /// The step that asks (none: before the first) and the input.
    inputs: BTreeMap<&'a InputId, (Option<usize>, &'a Input)>,
    report: &'r mut Report<'r>,
}

/// From where a name is looked at.
#[derive(Clone)]
struct Scope<'a> {
    /// The step; `None` before the first.
    step: Option<usize>,
    /// The inputs of the step itself are answered.
    asked: bool,
    /// What the step itself has written by then.
    written: Vec<&'a Register>,
    /// The row's host.
    row: Row<'a>,
}

#[derive(Clone, Copy, PartialEq)]
enum Row<'a> {
    /// No host: the step runs on the operator's machine, or the text is the whole step's.
    None,
    /// Each host of a group in its turn.
    Group(&'a GroupName),
    /// One host that is known when the step begins.
    One,
}

impl<'a> Row<'a> {
    fn of(target: &'a Target) -> Self {
        match target {
            Target::Local => Self::None,
            Target::Group(group) => Self::Group(group),
            Target::Host(_) => Self::One,
        }
    }
}

impl<'a> Names<'a, '_> {
    fn collect(&mut self) {
        for input in &self.runbook.inputs {
            self.inputs.entry(&input.id).or_insert((None, input));
        }
        for (at, (_, step)) in self.runbook.steps().enumerate() {
            for input in &step.inputs {
                self.inputs.entry(&input.id).or_insert((Some(at), input));
            }
            let actions = step.actions.iter().map(|action| (&action.kind, action.register.as_ref()));
            let gates = step.gates.iter().map(|gate| (&gate.kind, gate.register.as_ref()));
            for (kind, register) in actions.chain(gates) {
                if let Some(register) = register {
                    let writer = Writer { step: at, on: &step.on, outputs: kind.outputs() };
                    self.registers.entry(register).or_default().push(writer);
                }
            }
        }
    }

    fn first(&mut self) {
        let root = DocPath::root();
        let scope = Scope { step: None, asked: false, written: Vec::new(), row: Row::None };
        for (at, item) in self.runbook.consequences.iter().enumerate() {
            self.text(
                &item.text,
                &root.key("consequences").index(at).key("text"),
                &Scope { asked: true, ..scope.clone() },
            );
        }
        self.inputs(&self.runbook.inputs, &root.key("inputs"), &scope);
        // A clock is shown from the moment that its time is known: it may use what any step finds.
        let end = self.runbook.steps().count();
        let last = Scope { step: Some(end), asked: true, ..scope };
        for (at, clock) in self.runbook.clocks.iter().enumerate() {
            let path = root.key("clocks").index(at);
            self.text(&clock.at, &path.key("at"), &last);
            if let Some(until) = &clock.until
                && self.runbook.step(until).is_none()
            {
                let known = self.runbook.steps().map(|(_, step)| step.id.as_str());
                let suggestion = did_you_mean(until.as_str(), known);
                (self.report)(&path.key("until"), format!("there is no step `{until}`"), suggestion);
            }
        }
    }

    /// Inputs in order: each may use those before it.
    fn inputs(&mut self, inputs: &'a [Input], path: &DocPath, scope: &Scope<'a>) {
        for (at, input) in inputs.iter().enumerate() {
            let path = path.index(at);
            let before: Vec<&InputId> = inputs.iter().take(at).map(|input| &input.id).collect();
            let own = |names: &mut Self, text: &Text, path: &DocPath| {
                names.text_with(text, path, scope, &before);
            };
            if let Some(help) = &input.help {
                own(self, help, &path.key("help"));
            }
            if let Some(default) = &input.default {
                own(self, default, &path.key("default"));
            }
            if let Some(when) = &input.when {
                each_text(when, &path.key("when"), &mut |text, path| own(self, text, path));
            }
            match &input.kind {
                InputKind::Host(group) => self.group(group, &path.key("group")),
                InputKind::Pick { from, list, .. } => self.pick(from, list, "list", &path, scope),
                InputKind::Rows { from, table } => self.pick(from, table, "table", &path, scope),
                _ => {}
            }
        }
    }

    fn pick(&mut self, from: &Register, list: &str, key: &str, path: &DocPath, scope: &Scope<'a>) {
        self.register(from, &path.key("from"), scope);
        if let Some(outputs) = self.outputs_of(from)
            && !outputs.contains(&list)
        {
            let suggestion = did_you_mean(list, outputs);
            (self.report)(&path.key(key), format!("`{from}` has no output `{list}`"), suggestion);
        }
    }

    fn step(&mut self, at: usize, path: &DocPath, step: &'a Step) {
        let before = Scope { step: Some(at), asked: false, written: Vec::new(), row: Row::None };
        let asked = Scope { asked: true, ..before.clone() };
        match &step.on {
            Target::Local => {}
            Target::Group(group) => self.group(group, &path.key("on")),
            // Where a step runs is settled once its own inputs are answered.
            Target::Host(host) => self.text(host, &path.key("on").key("host"), &asked),
        }
        if let Some(when) = &step.when {
            self.condition(when, &path.key("when"), &before);
        }
        self.inputs(&step.inputs, &path.key("inputs"), &before);
        for (at, item) in step.checklist.iter().enumerate() {
            self.text(&item.text, &path.key("checklist").index(at).key("text"), &asked);
        }
        if let Confirm::Phrase(phrase) = &step.confirm {
            self.text(phrase, &path.key("confirm").key("type"), &asked);
        }
        let mut row = Scope { row: Row::of(&step.on), ..asked.clone() };
        for (at, kind) in step.guard.iter().enumerate() {
            self.kind(kind, &path.key("guard").index(at), &row);
        }
        if let Some(in_doubt) = &step.in_doubt {
            let path = path.key("in_doubt");
            self.kind(&in_doubt.happened, &path.key("happened"), &row);
            if let Some(did_not) = &in_doubt.did_not {
                self.kind(did_not, &path.key("did_not"), &row);
            }
        }
        self.actions_and_gates(step, path, &mut row);
        if let Undo::Actions(kinds) = &step.undo {
            for (at, kind) in kinds.iter().enumerate() {
                self.kind(kind, &path.key("undo").index(at), &row);
            }
        }
        let after = Scope { row: Row::None, ..row.clone() };
        self.text(&step.why, &path.key("why"), &after);
        self.text(&step.expect, &path.key("expect"), &after);
        self.text(&step.by_hand, &path.key("by_hand"), &row);
        if let Some(ends) = &step.ends {
            self.condition(&ends.when, &path.key("ends").key("when"), &after);
            self.text(&ends.outcome, &path.key("ends").key("outcome"), &after);
        }
        self.other_steps(at, step, path);
    }

    fn actions_and_gates(&mut self, step: &'a Step, path: &DocPath, row: &mut Scope<'a>) {
        for (at, action) in step.actions.iter().enumerate() {
            let path = path.key("do").index(at);
            if let Some(when) = &action.when {
                self.condition(when, &path.key("when"), row);
            }
            self.kind(&action.kind, &path, row);
            row.written.extend(&action.register);
        }
        for (at, gate) in step.gates.iter().enumerate() {
            let path = path.key("gates").index(at);
            if let Some(when) = &gate.when {
                self.condition(when, &path.key("when"), row);
            }
            if let Some(say) = &gate.say {
                self.text(say, &path.key("say"), row);
            }
            self.kind(&gate.kind, &path, row);
            row.written.extend(&gate.register);
        }
    }

    fn other_steps(&mut self, at: usize, step: &Step, path: &DocPath) {
        let mut refer = |id: &StepId, path: &DocPath, later: bool| {
            let found = self.runbook.steps().position(|(_, step)| &step.id == id);
            match found {
                None => {
                    let suggestion = did_you_mean(id.as_str(), self.runbook.steps().map(|(_, step)| step.id.as_str()));
                    (self.report)(path, format!("there is no step `{id}`"), suggestion);
                }
                Some(found) if later && found <= at => {
                    (self.report)(path, format!("step `{id}` does not come after this one"), None);
                }
                Some(found) if !later && found >= at => {
                    (self.report)(path, format!("step `{id}` does not come before this one"), None);
                }
                Some(_) => {}
            }
        };
        if let Some(id) = &step.holds_until {
            refer(id, &path.key("holds_until"), true);
        }
        for (at, id) in step.settles.iter().enumerate() {
            refer(id, &path.key("settles").index(at), false);
        }
    }

    fn group(&mut self, group: &GroupName, path: &DocPath) {
        let groups = &self.runbook.needs.groups;
        if !groups.contains_key(group) {
            let suggestion = did_you_mean(group.as_str(), groups.keys().map(GroupName::as_str));
            let message = format!("`{group}` is not in `needs.groups`");
            (self.report)(path, message, suggestion.or_else(|| Some("add it to `needs.groups`".to_owned())));
        }
    }

    fn service(&mut self, service: &Text, path: &DocPath) {
        let services = &self.runbook.needs.services;
        if !service.as_str().contains("{{") && !services.iter().any(|known| known == service.as_str()) {
            let suggestion = did_you_mean(service.as_str(), services.iter().map(String::as_str));
            let message = format!("`{service}` is not in `needs.services`");
            (self.report)(path, message, suggestion.or_else(|| Some("add it to `needs.services`".to_owned())));
        }
    }

    fn kind(&mut self, kind: &Kind, path: &DocPath, scope: &Scope<'a>) {
        let mut copy = kind.clone();
        let below = self.node.nearest(path);
        let mut texts = Vec::new();
        copy.texts(&mut |slot| {
            texts.push(match slot {
                Slot::Plain(text) => (text.0.clone(), false),
                Slot::Shell(text) => (text.0.clone(), true),
            });
        });
        for (text, shell) in texts {
            let relative = below.find_scalar(&text).unwrap_or_default();
            let path = DocPath(path.0.iter().cloned().chain(relative.0).collect());
            self.parsed(&text, shell, &path, scope, &[]);
        }
        let own = path.key(kind.name());
        for register in kind.registers() {
            let relative = below.find_scalar(register).unwrap_or_default();
            let path = DocPath(path.0.iter().cloned().chain(relative.0).collect());
            self.register(&Register::from(register), &path, scope);
        }
        match kind {
            Kind::Service(service) => self.service(service.service(), &own),
            Kind::Flags(flags) => {
                if let Some(service) = flags.service() {
                    let relative = below.find_scalar(service.as_str()).unwrap_or_default();
                    self.service(service, &DocPath(path.0.iter().cloned().chain(relative.0).collect()));
                }
            }
            Kind::Leader(leader) => {
                let group = GroupName(leader.among.clone());
                self.group(&group, &own.key("among"));
                let vars = [("url_var", Some(&leader.url_var)), ("log_var", leader.log_var.as_ref())];
                for (key, var) in vars.into_iter().filter_map(|(key, var)| Some((key, var?))) {
                    self.host_var(var, &[&group], &own.key(key));
                }
            }
            Kind::Firewall(Firewall::Block { peers_var, .. }) => {
                let own = own.key("block").key("peers_var");
                match scope.row {
                    Row::Group(group) => self.host_var(peers_var, &[group], &own),
                    Row::None | Row::One => {
                        let message = "whoever is let in is the row's group: the step is `on` a group".to_owned();
                        (self.report)(&own, message, None);
                    }
                }
            }
            Kind::Leadership(watched) => {
                let group = GroupName(watched.among.clone());
                self.group(&group, &own.key("among"));
                self.host_var(&watched.url_var, &[&group], &own.key("url_var"));
            }
            Kind::Process(Process::AbsentEverywhere { service, group }) => {
                let own = own.key("absent_everywhere");
                self.service(service, &own.key("service"));
                self.group(&GroupName(group.clone()), &own.key("group"));
            }
            Kind::Process(process) => self.service(process.service(), &own),
            _ => {}
        }
    }

    fn condition(&mut self, condition: &Condition, path: &DocPath, scope: &Scope<'a>) {
        each_text(condition, path, &mut |text, path| self.text(text, path, scope));
    }

    fn text(&mut self, text: &Text, path: &DocPath, scope: &Scope<'a>) {
        self.parsed(text.as_str(), false, path, scope, &[]);
    }

    fn text_with(&mut self, text: &Text, path: &DocPath, scope: &Scope<'a>, asked: &[&InputId]) {
        self.parsed(text.as_str(), false, path, scope, asked);
    }

    fn parsed(&mut self, text: &str, shell: bool, path: &DocPath, scope: &Scope<'a>, asked: &[&InputId]) {
        let parts = match template::parse(text) {
            Ok(parts) => parts,
            Err(error) => return (self.report)(path, error.to_string(), None),
        };
        if shell && let Err(error) = shell::check(&parts) {
            (self.report)(path, error.to_string(), None);
        }
        for part in &parts {
            if let Part::Placeholder(name) = part {
                self.name(name, path, scope, asked);
                if shell && self.is_secret(name) {
                    let suggestion = Some("give it to the program through `env`".to_owned());
                    (self.report)(path, format!("`{name}` is a secret; a shell line is seen by others"), suggestion);
                }
            }
        }
    }

    fn name(&mut self, name: &Name, path: &DocPath, scope: &Scope<'a>, asked: &[&InputId]) {
        let parts = name.parts();
        let [root, second, rest @ ..] = parts.as_slice() else { return };
        if matches!(*root, "cluster" | "host" | "session") && !rest.is_empty() {
            return (self.report)(path, format!("`{name}`: values of `{root}` have no members"), None);
        }
        match *root {
            "cluster" => {
                let needed = self.runbook.needs.cluster.iter().map(String::as_str);
                let known = needed.chain(crate::inventory::model::CLUSTER_ALWAYS);
                self.known(
                    second,
                    known.collect(),
                    path,
                    |known| format!("`{name}` is not in {known}"),
                    "`needs.cluster`",
                );
            }
            "host" => self.host(second, path, scope),
            "session" => {
                self.known(
                    second,
                    SESSION.to_vec(),
                    path,
                    |known| format!("`{name}` is not {known}"),
                    "known of a session",
                );
            }
            "inputs" => self.input(second, rest, path, scope, asked),
            "outputs" => self.output(name, second, rest, path, scope),
            _ => {
                let suggestion = did_you_mean(root, ROOTS);
                (self.report)(path, format!("`{name}` is not defined: there is no `{root}`"), suggestion);
            }
        }
    }

    fn is_secret(&self, name: &Name) -> bool {
        match name.parts().as_slice() {
            ["inputs", id, ..] => {
                self.inputs.get(&InputId::from(*id)).is_some_and(|(_, input)| input.kind == InputKind::Secret)
            }
            _ => false,
        }
    }

    fn known(&mut self, word: &str, known: Vec<&str>, path: &DocPath, say: impl Fn(&str) -> String, place: &str) {
        if !known.contains(&word) {
            (self.report)(path, say(place), did_you_mean(word, known));
        }
    }

    fn host(&mut self, var: &str, path: &DocPath, scope: &Scope<'a>) {
        let needs = &self.runbook.needs;
        match scope.row {
            Row::None => {
                let message = format!("`host.{var}` has no host here: the text is not that of a row");
                (self.report)(path, message, None);
            }
            Row::Group(group) => self.host_var(var, &[group], path),
            // Which group the host is of shows when it is known; one that could have it is enough here.
            Row::One => self.host_var(var, &needs.groups.keys().collect::<Vec<_>>(), path),
        }
    }

    fn host_var(&mut self, var: &str, groups: &[&GroupName], path: &DocPath) {
        let needs = &self.runbook.needs.groups;
        let known: Vec<&str> = groups
            .iter()
            .filter_map(|group| needs.get(*group))
            .flat_map(|needs| needs.vars.iter().map(String::as_str))
            .chain(["name"])
            .collect();
        let all_known = groups.iter().any(|group| needs.contains_key(*group));
        if all_known && !known.contains(&var) {
            let suggestion = did_you_mean(var, known);
            (self.report)(path, format!("`host.{var}` is not in the `vars` that `needs.groups` asks for"), suggestion);
        }
    }

    fn input(&mut self, id: &str, rest: &[&str], path: &DocPath, scope: &Scope<'a>, asked: &[&InputId]) {
        let input_id = InputId(id.to_owned());
        let Some((step, input)) = self.inputs.get(&input_id).copied() else {
            let suggestion = did_you_mean(id, self.inputs.keys().map(|id| id.as_str()));
            return (self.report)(path, format!("there is no input `{id}`"), suggestion);
        };
        let answered = asked.contains(&&input_id)
            || match (step, scope.step) {
                (None, here) => here.is_some() || scope.asked,
                (Some(step), Some(here)) => step < here || step == here && scope.asked,
                (Some(_), None) => false,
            };
        if !answered {
            (self.report)(path, format!("input `{id}` is not asked before this"), None);
        }
        match (&input.kind, rest) {
            (_, []) | (InputKind::Pick { .. }, [_]) => {}
            (InputKind::Pick { .. }, _) => {
                (self.report)(path, format!("entries of `inputs.{id}` have members, but those have none"), None);
            }
            _ => (self.report)(path, format!("`inputs.{id}` has no members"), None),
        }
    }

    fn outputs_of(&self, register: &Register) -> Option<Vec<&'static str>> {
        let writers = self.registers.get(register)?;
        let all: Option<Vec<&[&str]>> = writers.iter().map(|writer| writer.outputs).collect();
        Some(all?.concat())
    }

    /// Reports a register that is not written by then; true if it is.
    fn register(&mut self, register: &Register, path: &DocPath, scope: &Scope<'a>) -> bool {
        let Some(writers) = self.registers.get(register) else {
            let suggestion = did_you_mean(register.as_str(), self.registers.keys().map(|known| known.as_str()));
            (self.report)(path, format!("nothing has `register: {register}`"), suggestion);
            return false;
        };
        let by_then = writers.iter().any(|writer| scope.step.is_some_and(|here| writer.step < here));
        if !by_then && !scope.written.contains(&register) {
            (self.report)(path, format!("`{register}` is not written before this"), None);
            return false;
        }
        true
    }

    fn output(&mut self, name: &Name, register: &str, rest: &[&str], path: &DocPath, scope: &Scope<'a>) {
        let register = Register(register.to_owned());
        if !self.register(&register, path, scope) {
            return;
        }
        let Some(first) = rest.first() else {
            let message = format!("`{name}` is everything that was found; name one of its members");
            return (self.report)(path, message, None);
        };
        if let Some(outputs) = self.outputs_of(&register)
            && !outputs.contains(first)
        {
            let suggestion = did_you_mean(first, outputs.iter().copied());
            (self.report)(path, format!("`{register}` has no output `{first}`"), suggestion);
        }
        let writers = self.registers.get(&register).into_iter().flatten();
        let elsewhere =
            writers.filter(|writer| scope.step.is_some_and(|here| writer.step <= here)).find_map(|writer| {
                let Target::Group(group) = writer.on else { return None };
                let same_host = scope.row == Row::One || scope.row == Row::Group(group);
                (!same_host).then_some(group)
            });
        if let Some(group) = elsewhere {
            let message =
                format!("`{name}` has one value for each host of `{group}`, and nothing here says which is meant");
            (self.report)(path, message, None);
        }
    }
}

/// Hands out every text of a condition with its path.
fn each_text(condition: &Condition, path: &DocPath, give: &mut dyn FnMut(&Text, &DocPath)) {
    match condition {
        Condition::Mode(_) => {}
        Condition::Is { text, values } => {
            give(text, &path.key("text"));
            for value in values {
                give(value, &path.key("is"));
            }
        }
        Condition::All(parts) => {
            parts.iter().enumerate().for_each(|(at, part)| each_text(part, &path.key("all").index(at), give));
        }
        Condition::Any(parts) => {
            parts.iter().enumerate().for_each(|(at, part)| each_text(part, &path.key("any").index(at), give));
        }
        Condition::Not(part) => each_text(part, &path.key("not"), give),
    }
}
