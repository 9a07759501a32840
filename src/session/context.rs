//! What the names in a text mean at a moment of a session, on one host.

use serde_json::Value;

use super::{Answer, State, state::Ending, state::Life};
use crate::runbook::{
    Mode,
    model::{Condition, HostName, Input, InputId, InputKind, LOCAL, Register},
    template::{self, Lookup, LookupError, RenderError},
    text::Text,
};

/// Names as they stand on one host.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    state: &'a State,
    host: &'a HostName,
}

/// Stands in a rendered text where a secret goes; whoever runs the action puts the secret in.
pub fn secret_mark(input: &str) -> String {
    format!("\u{27e6}secret:{input}\u{27e7}")
}

impl<'a> Context<'a> {
    /// Names as they stand on `host`.
    pub fn new(state: &'a State, host: &'a HostName) -> Self {
        Self { state, host }
    }

    /// Renders a text.
    pub fn text(&self, text: &Text) -> Result<String, RenderError> {
        template::render(text, self)
    }

    /// Renders a text to be shown; what is not known yet stays as its name in angle brackets.
    pub fn show(&self, text: &Text) -> String {
        template::render_known(text, self)
    }

    /// True if a condition applies.
    pub fn applies(&self, condition: &Condition) -> Result<bool, RenderError> {
        Ok(match condition {
            Condition::Mode(mode) => self.state.session.opened.mode == *mode,
            Condition::Is { text, values } => {
                let found = self.text(text)?;
                let mut same = false;
                for value in values {
                    same |= self.text(value)? == found;
                }
                same
            }
            Condition::All(parts) => {
                for part in parts {
                    if !self.applies(part)? {
                        return Ok(false);
                    }
                }
                true
            }
            Condition::Any(parts) => {
                for part in parts {
                    if self.applies(part)? {
                        return Ok(true);
                    }
                }
                false
            }
            Condition::Not(part) => !self.applies(part)?,
        })
    }

    /// Says a condition in words, with what its texts have come to.
    pub fn say(&self, condition: &Condition) -> String {
        match condition {
            Condition::Mode(Mode::Recovery) => "this is a recovery".to_owned(),
            Condition::Mode(Mode::Training) => "this is a training".to_owned(),
            Condition::Is { text, values } => {
                let values: Vec<_> = values.iter().map(|value| self.show(value)).collect();
                format!("{} (now {}) is {}", bare(text), self.show(text), values.join(" or "))
            }
            Condition::All(parts) => self.say_all(parts, " and "),
            Condition::Any(parts) => self.say_all(parts, " or "),
            Condition::Not(part) => format!("not ({})", self.say(part)),
        }
    }

    fn say_all(&self, parts: &[Condition], between: &str) -> String {
        parts.iter().map(|part| self.say(part)).collect::<Vec<_>>().join(between)
    }

    /// The answer to an input: what was given, else its default.
    pub fn answer(&self, input: &Input) -> Option<Answer> {
        if let Some(answer) = self.state.answers.get(&input.id) {
            return Some(answer.clone());
        }
        let default = input.default.as_ref().and_then(|text| self.text(text).ok())?;
        match &input.kind {
            InputKind::Pick { value, .. } => {
                let entries = self.choices(input);
                let found = match default.as_str() {
                    "first" => entries.first(),
                    wanted => entries.iter().find(|entry| member(entry, value).as_deref() == Some(wanted)),
                };
                found.and_then(|entry| Some(Answer::Picked { value: member(entry, value)?, entry: entry.clone() }))
            }
            InputKind::Secret => None,
            InputKind::Text
            | InputKind::Rows { .. }
            | InputKind::Choice(_)
            | InputKind::Duration
            | InputKind::Path
            | InputKind::Host(_)
            | InputKind::YesNoUnsure => Some(Answer::Text(default)),
        }
    }

    /// The entries that a pick offers: the lists of every host, one after the other, in the order of
    /// the list's own `rank` member where there is one.
    pub fn choices(&self, input: &Input) -> Vec<Value> {
        let InputKind::Pick { from, list, .. } = &input.kind else { return Vec::new() };
        let Some(found) = self.state.outputs.get(from) else { return Vec::new() };
        let mut entries: Vec<Value> = found
            .values()
            .filter_map(|outputs| outputs.get(list.as_str()).and_then(Value::as_array))
            .flatten()
            .cloned()
            .collect();
        entries.sort_by_key(|entry| entry.get("rank").and_then(Value::as_i64).unwrap_or(0));
        entries
    }

    /// The evidence file (`file`, `path`, `sha256`, `bytes`) whose table an input's rows are chosen from; `None` if it takes
    /// no rows, or nothing was kept.
    pub fn table(&self, input: &Input) -> Option<&'a Value> {
        let InputKind::Rows { from, table } = &input.kind else { return None };
        let found = self.state.outputs.get(from)?;
        found.values().find_map(|outputs| outputs.get(table.as_str()).filter(|evidence| evidence.is_object()))
    }

    fn input(&self, id: &str, rest: &[&str]) -> Result<Value, LookupError> {
        let id = InputId::from(id);
        let input = self.state.runbook().inputs().map(|(_, input)| input).find(|input| input.id == id);
        let input = input.ok_or(LookupError::Undefined)?;
        match (self.answer(input), rest) {
            (Some(Answer::Text(text)), []) => Ok(Value::String(text)),
            (Some(Answer::Picked { value, .. }), []) => Ok(Value::String(value)),
            (Some(Answer::Picked { entry, .. }), rest) => dig(&entry, rest),
            (Some(Answer::Secret), []) => Ok(Value::String(secret_mark(id.as_str()))),
            (Some(Answer::Text(_) | Answer::Secret), _) => Err(LookupError::Undefined),
            (None, []) if input.optional => Ok(Value::String(String::new())),
            (None, _) => Err(LookupError::NotYet),
        }
    }

    fn output(&self, register: &str, rest: &[&str]) -> Result<Value, LookupError> {
        let found = self.state.outputs.get(&Register::from(register)).ok_or(LookupError::NotYet)?;
        let own = found.get(self.host);
        let single = || if found.len() == 1 { found.values().next() } else { found.get(&HostName::from(LOCAL)) };
        dig(own.or_else(single).ok_or(LookupError::NotYet)?, rest)
    }

    fn session(&self, name: &str) -> Result<Value, LookupError> {
        let opened = &self.state.session.opened;
        Ok(Value::String(match name {
            "id" => opened.session.clone(),
            "operator" => opened.operator.clone(),
            "mode" => match opened.mode {
                Mode::Recovery => "recovery".to_owned(),
                Mode::Training => "training".to_owned(),
            },
            "started" => jiff::Timestamp::from_millisecond(self.state.session.at.utc_ms)
                .map(|at| at.to_string())
                .unwrap_or_default(),
            "ending" => match &self.state.life {
                Life::Ending { why: Ending::Abandoned { .. } } => "abandoned".to_owned(),
                Life::Ending { why: Ending::Early { .. } } => "early".to_owned(),
                Life::Opening | Life::Walking | Life::Ended { .. } => "none".to_owned(),
            },
            _ => return Err(LookupError::Undefined),
        }))
    }
}

impl Lookup for Context<'_> {
    fn get(&self, path: &[&str]) -> Result<Value, LookupError> {
        let inventory = self.state.inventory();
        match path {
            ["cluster", name] => inventory.cluster_var(name).ok_or(LookupError::Undefined),
            ["host", name] => inventory.host_var(self.host, name).ok_or(LookupError::Undefined),
            ["inputs", id, rest @ ..] => self.input(id, rest),
            ["outputs", register, rest @ ..] => self.output(register, rest),
            ["session", name] => self.session(name),
            _ => Err(LookupError::Undefined),
        }
    }
}

fn dig(value: &Value, rest: &[&str]) -> Result<Value, LookupError> {
    let mut found = value;
    for name in rest {
        found = found.get(*name).ok_or(LookupError::NotYet)?;
    }
    Ok(found.clone())
}

/// A member of an entry as text.
pub(super) fn member(entry: &Value, name: &str) -> Option<String> {
    super::command::scalar_text(entry.get(name)?)
}

fn bare(text: &Text) -> String {
    text.as_str().replace("{{", "").replace("}}", "").trim().to_owned()
}
