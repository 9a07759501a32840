//! The files that were kept of what steps found: which there are, and which of them are tables. Pure: it reads
//! what the outputs say of them, never the files.

use serde_json::Value;

use super::model;
use crate::{
    runbook::model::{Input, InputId, InputKind, Register, StepId},
    session::State,
};

/// How the name of a file ends that holds a table.
const TABLE_ENDS: &str = ".table.jsonl";
/// How deep in an output a file is looked for.
const DEPTH_MAX: usize = 4;
/// Most files that are offered: what was found last comes first.
const FILES_MAX: usize = 200;

/// A file that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The output that names it: register, host where it is not the only one, and members, apart by dots.
    pub name: String,
    /// Where it is, as the output says.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// What names it for whoever opens it: `file`, `sha256`, `bytes`.
    pub evidence: Value,
}

impl Kept {
    /// True if it can be opened as a table.
    pub fn is_table(&self) -> bool {
        self.path.ends_with(TABLE_ENDS)
    }

    /// The same file, whatever it is called.
    pub fn same_as(&self, other: &Self) -> bool {
        let same = |name: &str| self.evidence.get(name) == other.evidence.get(name);
        same("file") && same("sha256")
    }
}

/// The files of one step.
pub fn of_step(state: &State, step: &StepId) -> Vec<Kept> {
    let mut found = Vec::new();
    for register in registers(state, step) {
        of_register(state, register, &mut found);
    }
    let mut kept: Vec<Kept> = Vec::new();
    for file in found {
        if !kept.iter().any(|known| known.same_as(&file)) {
            kept.push(file);
        }
    }
    kept
}

/// The files of the session: those of the step that is shown, then those of the others, the last step first.
pub fn all(state: &State, shown: Option<&StepId>) -> Vec<Kept> {
    let shown = model::shown_step(state, shown).map(|(step, _, _)| step.id.clone());
    let mut steps: Vec<&StepId> = state.steps.iter().map(|step| &step.id).rev().collect();
    steps.sort_by_key(|step| Some(*step) != shown.as_ref());
    let mut all: Vec<Kept> = Vec::new();
    for step in steps {
        for kept in of_step(state, step) {
            if !all.iter().any(|known| known.same_as(&kept)) {
                all.push(kept);
            }
        }
        if all.len() >= FILES_MAX {
            break;
        }
    }
    all
}

/// True if a table can be opened.
pub fn any_table(state: &State) -> bool {
    let found = state.outputs.values().flat_map(std::collections::BTreeMap::values);
    let mut files = Vec::new();
    for value in found {
        walk("", value, DEPTH_MAX, &mut files);
        if files.iter().any(Kept::is_table) {
            return true;
        }
    }
    false
}

fn registers<'a>(state: &'a State, step: &StepId) -> Vec<&'a Register> {
    let Some((_, model)) = state.step_model(step) else { return Vec::new() };
    let of_actions = model.actions.iter().filter_map(|action| action.register.as_ref());
    of_actions.chain(model.gates.iter().filter_map(|gate| gate.register.as_ref())).collect()
}

fn of_register(state: &State, register: &Register, kept: &mut Vec<Kept>) {
    let Some(found) = state.outputs.get(register) else { return };
    for (host, value) in found {
        let name = if found.len() > 1 { format!("{register}.{host}") } else { register.to_string() };
        walk(&name, value, DEPTH_MAX, kept);
    }
}

fn walk(name: &str, value: &Value, depth: usize, kept: &mut Vec<Kept>) {
    let Some(members) = value.as_object() else { return };
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if let (Some(file), Some(_)) = (text("file"), text("sha256")) {
        kept.push(Kept {
            name: name.to_owned(),
            path: text("path").unwrap_or(file).to_owned(),
            bytes: members.get("bytes").and_then(Value::as_u64).unwrap_or(0),
            evidence: value.clone(),
        });
        return;
    }
    if depth == 0 || kept.len() >= FILES_MAX {
        return;
    }
    for (member, value) in members.iter().filter(|(_, value)| value.is_object()) {
        let name = if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
        walk(&name, value, depth - 1, kept);
    }
}

/// The table whose rows answer a question, if it is one of that kind and the table was found.
pub fn of_input(state: &State, id: &InputId) -> Option<Kept> {
    let (_, input) = state.runbook().inputs().find(|(_, input)| &input.id == id)?;
    let (register, member) = rows_of(input)?;
    let mut kept = Vec::new();
    for value in state.outputs.get(register)?.values() {
        if let Some(value) = value.get(member) {
            walk(register.as_str(), value, 0, &mut kept);
        }
    }
    kept.into_iter().next()
}

/// The register and the member of its outputs whose table answers a question.
fn rows_of(input: &Input) -> Option<(&Register, &str)> {
    match &input.kind {
        InputKind::Rows { from, table } => Some((from, table)),
        InputKind::Text
        | InputKind::Choice(_)
        | InputKind::Pick { .. }
        | InputKind::Duration
        | InputKind::Path
        | InputKind::Host(_)
        | InputKind::Secret
        | InputKind::YesNoUnsure => None,
    }
}
