//! From what an author wrote to a [`Runbook`], or everything that is wrong with it.
//!
//! In this order, each as far as the file allows: structure (`locate`), shape (`shape`), what values mean
//! (here), what names refer to (`names`). Problems of all of them are reported together, in the order of
//! the file. What was repaired to look further is not reported twice. Nothing here reads a file or knows
//! of a host.

use std::{collections::BTreeSet, time::Duration};

use super::{
    kind::Kind,
    locate::{Node, locate},
    model::{
        Action, Clock, Condition, Confirm, Danger, End, Gate, GroupName, GroupNeeds, InDoubt, Item, ItemId, Needs,
        Order, Phase, PhaseId, Register, Runbook, Step, StepId, Target, Undo,
    },
    names,
    problem::{DocPath, Problem, Problems, Seg, Severity, did_you_mean},
    raw::{
        self, RawClock, RawCondition, RawConfirm, RawConfirmWord, RawGate, RawItem, RawNeeds, RawPhase, RawProbe,
        RawRunbook, RawStep, RawTarget, RawUndo, RawValues,
    },
    schema::runbook_schema,
    shape,
};

/// Longest id, in characters: it must fit beside others in a narrow column.
const ID_CHARS_MAX: usize = 48;
/// Longest time a runbook may name, in milliseconds: 30 days. Longer is a slip of the unit.
const TIME_MS_MAX: u64 = 30 * 24 * 3_600_000;
/// Longest time for one action where a step names none, in milliseconds.
const TIMEOUT_MS: u64 = 60_000;
/// Time between two looks where a gate names none, in milliseconds.
const GATE_EVERY_MS: u64 = 1_000;
/// Time without success after which a gate is shown as blocked where it names none, in milliseconds.
const GATE_WITHIN_MS: u64 = 60_000;
/// Age after which evidence does not count where a gate names none, in milliseconds.
const GATE_VALID_FOR_MS: u64 = 60_000;
/// The reason for no undo of a step whose actions change nothing.
pub(crate) const CHANGES_NOTHING: &str = "it changes nothing";

/// A document that was read, as far as its shape goes.
pub(crate) struct Document {
    /// Its structure.
    pub node: Node,
    /// Its values, in the right shape.
    pub value: serde_json::Value,
    /// What is wrong with its shape.
    pub shape: shape::Shape,
}

/// Reads a document's structure and values and checks their shape.
pub(crate) fn read(file: &str, bytes: &[u8], what: &str, schema: &serde_json::Value) -> Result<Document, Problems> {
    let node = locate(file, bytes)?;
    let problem = |place, path, message, suggestion| {
        let severity = Severity::Error;
        Problems(vec![Problem { severity, file: file.to_owned(), place: Some(place), path, message, suggestion }])
    };
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let mut value = raw::values(text, &node)
        .map_err(|no_value| problem(no_value.place, DocPath::root(), no_value.message, None))?;
    let path = DocPath::root().key("format");
    let format = value.get("format");
    if format.and_then(serde_json::Value::as_u64) != Some(raw::FORMAT) && value.is_object() {
        let newer = format.and_then(serde_json::Value::as_u64).is_some_and(|format| format > raw::FORMAT);
        let message = match format {
            None => "`format` is missing".to_owned(),
            Some(format) => format!("this is {what} of format {format}; this version reads format {}", raw::FORMAT),
        };
        let suggestion = (!newer).then(|| format!("write `format: {}`", raw::FORMAT));
        return Err(problem(node.nearest(&path).place, path, message, suggestion));
    }
    let shape = shape::check(file, schema, &mut value, &node);
    Ok(Document { node, value, shape })
}

/// Reads and checks a runbook. `name` stands before every problem.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_runbook(name: &str, bytes: &[u8]) -> Result<Runbook, Problems> {
    let Document { node, value, shape } = read(name, bytes, "a runbook", runbook_schema())?;
    let mut checker = Checker::new(name, &node);
    let runbook = match serde_json::from_value::<RawRunbook>(value) {
        Ok(raw) => {
            let runbook = checker.runbook(raw);
            if !names_are_unsure(&shape.repaired) {
                names::check(&runbook, &node, &mut |path, message, suggestion| {
                    checker.report(path, message, suggestion);
                });
            }
            Some(runbook)
        }
        Err(error) => {
            if shape.problems.0.is_empty() {
                checker.report(&DocPath::root(), format!("it does not have the shape of a runbook: {error}"), None);
            }
            None
        }
    };
    let problems = merge(shape, checker.problems);
    match runbook {
        Some(runbook) if problems.0.is_empty() => Ok(runbook),
        _ => Err(problems),
    }
}

/// The problems of shape, and those others that are not about something that was repaired.
pub(crate) fn merge(shape: shape::Shape, later: Problems) -> Problems {
    let mut problems = shape.problems;
    let repaired: Vec<DocPath> = shape.repaired.iter().flat_map(touched).collect();
    let own = later
        .0
        .into_iter()
        .filter(|problem| !repaired.iter().any(|path| path.holds(&problem.path) || problem.path.holds(path)));
    problems.0.extend(own);
    problems.settle();
    problems
}

/// A repaired path, and what is judged by what stands there.
fn touched(path: &DocPath) -> Vec<DocPath> {
    let mut all = vec![path.clone()];
    match path.0.split_last() {
        // What belongs to an input is decided by its type.
        Some((Seg::Key(last), above)) if last == "type" => all.push(DocPath(above.to_vec())),
        _ => {}
    }
    let actions = path.0.iter().position(|seg| matches!(seg, Seg::Key(key) if key == "do"));
    if let Some(step) = actions.and_then(|at| path.0.get(..at)) {
        // How dangerous a step is and how it is undone is decided by its actions.
        let step = DocPath(step.to_vec());
        all.extend([step.key("danger"), step.key("undo")]);
    }
    all
}

/// True if a repair took away something that names may refer to: what is said about names then would
/// be wrong.
fn names_are_unsure(repaired: &[DocPath]) -> bool {
    const DEFINING: [&str; 10] = ["id", "register", "on", "type", "needs", "inputs", "phases", "steps", "do", "gates"];
    repaired.iter().any(|path| match path.0.as_slice() {
        [Seg::Key(first), ..] if first == "needs" => true,
        [.., Seg::Key(above), Seg::Index(_)] => matches!(above.as_str(), "inputs" | "phases" | "steps"),
        [.., Seg::Key(last)] => DEFINING.contains(&last.as_str()) || did_you_mean(last, DEFINING).is_some(),
        _ => true,
    })
}

/// Collects problems with their places.
pub(crate) struct Checker<'a> {
    file: &'a str,
    node: &'a Node,
    /// What was found.
    pub problems: Problems,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(file: &'a str, node: &'a Node) -> Self {
        Self { file, node, problems: Problems::default() }
    }

    pub(crate) fn report(&mut self, path: &DocPath, message: impl Into<String>, suggestion: Option<String>) {
        self.problems.0.push(Problem {
            severity: Severity::Error,
            file: self.file.to_owned(),
            place: Some(self.node.nearest(path).place),
            path: path.clone(),
            message: message.into(),
            suggestion,
        });
    }

    pub(crate) fn id(&mut self, id: &str, path: &DocPath) {
        let well_formed = id.starts_with(|char: char| char.is_ascii_lowercase())
            && id.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || "-_".contains(char));
        if !well_formed {
            let message = format!("`{id}` is not an id: lower-case letters, digits, `-` and `_`, a letter first");
            self.report(path, message, None);
        } else if id.chars().count() > ID_CHARS_MAX {
            self.report(path, format!("an id of more than {ID_CHARS_MAX} characters"), None);
        }
    }

    /// A name that texts may use: what a placeholder can say.
    pub(crate) fn var_name(&mut self, name: &str, path: &DocPath) {
        let well_formed =
            !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || "-_".contains(char));
        if !well_formed {
            self.report(path, format!("`{name}` is not a name: letters, digits, `_` and `-`"), None);
        } else if name == "name" {
            self.report(path, "`name` is always there and cannot be a variable", None);
        }
    }

    pub(crate) fn filled(&mut self, text: &str, path: &DocPath) {
        if text.trim().is_empty() {
            self.report(path, "it is empty", None);
        }
    }

    /// A text that is filled and takes no placeholders.
    pub(super) fn plain(&mut self, text: &str, path: &DocPath) {
        self.filled(text, path);
        if text.contains("{{") {
            self.report(path, "it takes no placeholders", None);
        }
    }

    /// Ids of which none may be there twice.
    pub(super) fn unique<'t>(&mut self, what: &str, ids: impl Iterator<Item = (DocPath, &'t str)>) {
        let mut seen = BTreeSet::new();
        for (path, id) in ids {
            if !seen.insert(id) {
                self.report(&path, format!("`{id}` names a {what} that is there already"), None);
            }
        }
    }

    /// Milliseconds of a time that may be left out.
    pub(super) fn time(&mut self, text: Option<&str>, default_ms: u64, may_be_zero: bool, path: &DocPath) -> u64 {
        let Some(text) = text else { return default_ms };
        match duration_ms(text) {
            Ok(0) if !may_be_zero => self.report(path, "it must be longer than nothing", None),
            Ok(ms) => return ms,
            Err(message) => {
                let number = text.trim().chars().all(|char| char.is_ascii_digit()) && !text.trim().is_empty();
                let suggestion = number.then(|| format!("did you mean `{}s`?", text.trim()));
                self.report(path, message, suggestion);
            }
        }
        default_ms
    }

    fn runbook(&mut self, raw: RawRunbook) -> Runbook {
        let root = DocPath::root();
        self.id(&raw.id, &root.key("id"));
        self.plain(&raw.title, &root.key("title"));
        self.plain(&raw.summary, &root.key("summary"));
        if raw.phases.is_empty() {
            self.report(&root.key("phases"), "a runbook has at least one phase", None);
        }
        let runbook = Runbook {
            id: raw.id,
            title: raw.title,
            summary: raw.summary,
            consequences: self.items(raw.consequences, &root.key("consequences")),
            needs: self.needs(raw.needs, &root.key("needs")),
            inputs: self.inputs(raw.inputs, &root.key("inputs")),
            clocks: self.clocks(raw.clocks, &root.key("clocks")),
            phases: (raw.phases.into_iter().enumerate())
                .map(|(at, phase)| self.phase(phase, &root.key("phases").index(at)))
                .collect(),
        };
        self.unique_ids(&runbook);
        runbook
    }

    fn unique_ids(&mut self, runbook: &Runbook) {
        let phases = DocPath::root().key("phases");
        let phase_ids = runbook.phases.iter().enumerate();
        self.unique("phase", phase_ids.map(|(at, phase)| (phases.index(at).key("id"), phase.id.as_str())));
        let steps = || names::steps(runbook);
        self.unique("step", steps().map(|(path, step)| (path.key("id"), step.id.as_str())));
        let first = DocPath::root().key("inputs");
        let own = runbook.inputs.iter().enumerate().map(|(at, input)| (first.index(at).key("id"), input.id.as_str()));
        let later = steps().flat_map(|(path, step)| {
            let inputs = step.inputs.iter().enumerate();
            inputs.map(move |(at, input)| (path.key("inputs").index(at).key("id"), input.id.as_str()))
        });
        self.unique("input", own.chain(later));
        for (path, step) in steps() {
            let actions = step.actions.iter().enumerate().map(|(at, action)| ("do", at, action.register.as_ref()));
            let gates = step.gates.iter().enumerate().map(|(at, gate)| ("gates", at, gate.register.as_ref()));
            let written = actions.chain(gates).filter_map(|(list, at, register)| {
                Some((path.key(list).index(at).key("register"), register?.as_str()))
            });
            self.unique("register of this step", written);
        }
    }

    fn needs(&mut self, raw: RawNeeds, path: &DocPath) -> Needs {
        for (at, name) in raw.cluster.iter().enumerate() {
            self.var_name(name, &path.key("cluster").index(at));
        }
        let groups = raw.groups.into_iter().map(|(name, needs)| {
            let path = path.key("groups").key(&name);
            self.var_name(&name, &path);
            for (at, var) in needs.vars.iter().enumerate() {
                self.var_name(var, &path.key("vars").index(at));
            }
            let hosts_min = needs.hosts_min.map_or(1, usize::from);
            (GroupName(name), GroupNeeds { vars: needs.vars, hosts_min })
        });
        Needs { cluster: raw.cluster, groups: groups.collect(), services: raw.services }
    }

    fn clocks(&mut self, raw: Vec<RawClock>, path: &DocPath) -> Vec<Clock> {
        let ids = raw.iter().enumerate().map(|(at, clock)| (path.index(at).key("id"), clock.id.as_str()));
        self.unique("clock", ids.collect::<Vec<_>>().into_iter());
        let clocks = raw.into_iter().enumerate().map(|(at, clock)| {
            let path = path.index(at);
            self.id(&clock.id, &path.key("id"));
            self.plain(&clock.title, &path.key("title"));
            self.filled(clock.at.as_str(), &path.key("at"));
            Clock { id: ItemId(clock.id), title: clock.title, at: clock.at, until: clock.until.map(StepId) }
        });
        clocks.collect()
    }

    fn items(&mut self, raw: Vec<RawItem>, path: &DocPath) -> Vec<Item> {
        let ids = raw.iter().enumerate().map(|(at, item)| (path.index(at).key("id"), item.id.as_str()));
        self.unique("item of this list", ids.collect::<Vec<_>>().into_iter());
        let items = raw.into_iter().enumerate().map(|(at, item)| {
            self.id(&item.id, &path.index(at).key("id"));
            self.filled(item.text.as_str(), &path.index(at).key("text"));
            Item { id: ItemId(item.id), text: item.text }
        });
        items.collect()
    }

    /// A condition, and what is wrong with it.
    pub(super) fn condition(&mut self, raw: RawCondition, path: &DocPath) -> Condition {
        let mut several = |parts: Vec<RawCondition>, key: &str| -> Vec<Condition> {
            let path = path.key(key);
            if parts.is_empty() {
                self.report(&path, "the list is empty", None);
            }
            parts.into_iter().enumerate().map(|(at, part)| self.condition(part, &path.index(at))).collect()
        };
        if let Some(parts) = raw.all {
            return Condition::All(several(parts, "all"));
        }
        if let Some(parts) = raw.any {
            return Condition::Any(several(parts, "any"));
        }
        if let Some(part) = raw.not {
            return Condition::Not(Box::new(self.condition(*part, &path.key("not"))));
        }
        if let Some(mode) = raw.mode {
            if raw.is.is_some() {
                self.report(&path.key("is"), "`is` belongs to `text`", None);
            }
            return Condition::Mode(mode);
        }
        let text = raw.text.unwrap_or_default();
        if !text.as_str().contains("{{") {
            self.report(&path.key("text"), "it has no placeholder, so it is always the same", None);
        }
        let values = match raw.is {
            Some(RawValues::One(value)) => vec![value],
            Some(RawValues::Several(values)) => values,
            None => Vec::new(),
        };
        if values.is_empty() {
            self.report(&path.key("is"), "there is no value that it could have", None);
        }
        Condition::Is { text, values }
    }

    fn phase(&mut self, raw: RawPhase, path: &DocPath) -> Phase {
        self.id(&raw.id, &path.key("id"));
        self.plain(&raw.title, &path.key("title"));
        if raw.steps.is_empty() {
            self.report(&path.key("steps"), "a phase has at least one step", None);
        }
        let steps = raw.steps.into_iter().enumerate();
        let steps = steps.map(|(at, step)| self.step(step, &path.key("steps").index(at))).collect();
        Phase { id: PhaseId(raw.id), title: raw.title, always: raw.always, steps }
    }

    fn step(&mut self, raw: RawStep, path: &DocPath) -> Step {
        self.id(&raw.id, &path.key("id"));
        self.plain(&raw.title, &path.key("title"));
        for (key, text) in [("why", &raw.why), ("expect", &raw.expect), ("by_hand", &raw.by_hand)] {
            self.filled(text.as_str(), &path.key(key));
        }
        let actions = self.actions(raw.r#do, &path.key("do"));
        let gates = raw.gates.into_iter().enumerate();
        let gates = gates.map(|(at, gate)| self.gate(gate, &path.key("gates").index(at))).collect();
        self.danger(raw.danger, &actions, path);
        Step {
            id: StepId(raw.id),
            title: raw.title,
            why: raw.why,
            expect: raw.expect,
            by_hand: raw.by_hand,
            on: match raw.on {
                None => Target::Local,
                Some(RawTarget::Group(group)) => Target::Group(GroupName(group)),
                Some(RawTarget::Host(host)) => Target::Host(host.host),
            },
            order: raw.order.unwrap_or(Order::Parallel),
            when: raw.when.map(|when| self.condition(when, &path.key("when"))),
            danger: raw.danger,
            checklist: self.items(raw.checklist, &path.key("checklist")),
            inputs: self.inputs(raw.inputs, &path.key("inputs")),
            guard: self.looks(raw.guard, &path.key("guard"), "a guard"),
            confirm: self.confirm(raw.confirm, raw.danger, path),
            undo: self.undo(raw.undo, &actions, path),
            actions,
            gates,
            idempotent: raw.idempotent,
            in_doubt: raw.in_doubt.map(|raw| {
                let path = path.key("in_doubt");
                let happened = self.look(raw.happened, &path.key("happened"), "a second look");
                let did_not = raw.did_not.map(|raw| self.look(raw, &path.key("did_not"), "a second look"));
                InDoubt { happened, did_not }
            }),
            timeout_ms: self.time(raw.timeout.as_deref(), TIMEOUT_MS, false, &path.key("timeout")),
            holds_until: raw.holds_until.map(StepId),
            settles: raw.settles.into_iter().map(StepId).collect(),
            ends: raw.ends.map(|end| {
                self.filled(end.outcome.as_str(), &path.key("ends").key("outcome"));
                let when = self.condition(end.when, &path.key("ends").key("when"));
                End { when, outcome: end.outcome }
            }),
            may_skip: raw.may_skip,
        }
    }

    fn danger(&mut self, danger: Danger, actions: &[Action], path: &DocPath) {
        let changing = actions.iter().find(|action| !action.kind.looks());
        if let (Danger::Reads, Some(action)) = (danger, changing) {
            let message = format!("`reads`, but its action `{}` may change something", action.kind.name());
            let suggestion = match action.kind {
                Kind::Command(_) => "write `reads: true` in the command if it changes nothing",
                _ => "write `changes` or worse",
            };
            self.report(&path.key("danger"), message, Some(suggestion.to_owned()));
        }
    }

    fn confirm(&mut self, raw: Option<RawConfirm>, danger: Danger, path: &DocPath) -> Confirm {
        match raw {
            Some(RawConfirm::Word(RawConfirmWord::None)) => Confirm::None,
            Some(RawConfirm::Word(RawConfirmWord::Key)) => Confirm::Key,
            Some(RawConfirm::Phrase(phrase)) => {
                self.filled(phrase.r#type.as_str(), &path.key("confirm").key("type"));
                Confirm::Phrase(phrase.r#type)
            }
            None if danger == Danger::Reads => Confirm::None,
            None => {
                let suggestion = "write `confirm: key`, or `confirm: { type: … }` for what destroys".to_owned();
                self.report(path, "`confirm` is missing for a step that does more than read", Some(suggestion));
                Confirm::Key
            }
        }
    }

    fn undo(&mut self, raw: Option<RawUndo>, actions: &[Action], path: &DocPath) -> Undo {
        let without = actions.iter().map(|action| &action.kind).find(|kind| !kind.looks() && !has_inverse(kind));
        let changes = actions.iter().any(|action| !action.kind.looks());
        let own = path.key("undo");
        match raw {
            Some(RawUndo::Word(_)) => {
                if let Some(kind) = without {
                    self.report(&own, format!("its action `{}` has no inverse", kind.name()), Some(say_undo()));
                }
                Undo::Inverse
            }
            Some(RawUndo::Actions(list)) => {
                if list.is_empty() {
                    self.report(&own, "the list is empty", Some(say_undo()));
                }
                let kinds = list.into_iter().enumerate();
                Undo::Actions(kinds.map(|(at, raw)| self.undo_action(raw, &own.index(at))).collect())
            }
            Some(RawUndo::None(none)) => {
                self.plain(&none.none, &own.key("none"));
                Undo::None(none.none)
            }
            None if !changes => Undo::None(CHANGES_NOTHING.to_owned()),
            None => {
                if let Some(kind) = without {
                    let message = format!("`undo` is missing: its action `{}` has no inverse", kind.name());
                    self.report(path, message, Some(say_undo()));
                }
                Undo::Inverse
            }
        }
    }

    fn undo_action(&mut self, raw: RawProbe, path: &DocPath) -> Kind {
        let kind = self.probe(raw, path);
        if matches!(kind, Kind::Undo(_)) {
            self.report(path, "an undo cannot begin another", None);
        }
        kind
    }

    fn actions(&mut self, raw: Vec<super::raw::RawAction>, path: &DocPath) -> Vec<Action> {
        let actions = raw.into_iter().enumerate().map(|(at, mut raw)| {
            let path = path.index(at);
            let kind = self.kind(raw.take_kind(), &path);
            let register = self.register(raw.register, &path);
            Action { kind, register, when: raw.when.map(|when| self.condition(when, &path.key("when"))) }
        });
        actions.collect()
    }

    fn register(&mut self, raw: Option<String>, path: &DocPath) -> Option<Register> {
        let register = raw?;
        self.id(&register, &path.key("register"));
        Some(Register(register))
    }

    fn gate(&mut self, mut raw: RawGate, path: &DocPath) -> Gate {
        let kind = self.kind(raw.take_kind(), path);
        self.must_look(&kind, path, "a gate");
        let register = self.register(raw.register, path);
        let mut time =
            |text: Option<String>, key, default, zero| self.time(text.as_deref(), default, zero, &path.key(key));
        let every_ms = time(raw.every, "every", GATE_EVERY_MS, false);
        let within_ms = time(raw.within, "within", GATE_WITHIN_MS, false);
        let stable_for_ms = time(raw.stable_for, "stable_for", 0, true);
        let valid_for_ms = time(raw.valid_for, "valid_for", GATE_VALID_FOR_MS, false);
        if valid_for_ms < every_ms {
            let message = "evidence would be too old before the next look: `valid_for` is shorter than `every`";
            self.report(path, message, None);
        }
        let when = raw.when.map(|when| self.condition(when, &path.key("when")));
        Gate { kind, say: raw.say, when, register, every_ms, within_ms, stable_for_ms, valid_for_ms }
    }

    fn looks(&mut self, raw: Vec<RawProbe>, path: &DocPath, what: &str) -> Vec<Kind> {
        raw.into_iter().enumerate().map(|(at, raw)| self.look(raw, &path.index(at), what)).collect()
    }

    fn look(&mut self, raw: RawProbe, path: &DocPath, what: &str) -> Kind {
        let kind = self.probe(raw, path);
        self.must_look(&kind, path, what);
        kind
    }

    fn must_look(&mut self, kind: &Kind, path: &DocPath, what: &str) {
        if !kind.looks() {
            let suggestion = matches!(kind, Kind::Command(_))
                .then(|| "write `reads: true` in the command if it changes nothing".to_owned());
            let message = format!("{what} only looks, but this `{}` may change something", kind.name());
            self.report(path, message, suggestion);
        }
    }

    fn probe(&mut self, mut raw: RawProbe, path: &DocPath) -> Kind {
        self.kind(raw.take_kind(), path)
    }
}

fn say_undo() -> String {
    "write a list of actions, or `{ none: … }` with the reason".to_owned()
}

/// True if an action has an inverse once the names that depend on the attempt are filled in.
pub(crate) fn has_inverse(kind: &Kind) -> bool {
    let mut kind = kind.clone();
    kind.settle_names("check");
    kind.inverse().is_some()
}

/// Milliseconds of a time such as `90s`, `5m` or `1h 30m`.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    let duration: Duration =
        humantime::parse_duration(text.trim()).map_err(|_| format!("`{text}` is not a time such as `90s` or `5m`"))?;
    match u64::try_from(duration.as_millis()) {
        Ok(ms) if ms <= TIME_MS_MAX => Ok(ms),
        _ => Err(format!("`{text}` is longer than 30 days")),
    }
}
