//! Secrets given in a session: held in memory, put in at the last moment, taken out of everything that comes back.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::Value;

use crate::{
    runbook::model::InputId,
    session::{Outcome, Report},
};

/// What stands where a secret was.
const HIDDEN: &str = "***";
/// How a mark begins; the whole is `session::Context`'s secret mark.
const MARK: &str = "\u{27e6}secret:";
/// How it ends.
const MARK_END: char = '\u{27e7}';

/// The secrets of a session by the input that asked for them. Cheap to clone. There is no way to show one.
#[derive(Clone, Default)]
pub struct Secrets {
    by_input: Arc<RwLock<BTreeMap<InputId, String>>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(***)")
    }
}

impl Secrets {
    /// Keeps a secret; an earlier one of the same input is forgotten.
    pub fn put(&self, input: InputId, secret: String) {
        self.by_input.write().unwrap_or_else(PoisonError::into_inner).insert(input, secret);
    }

    /// True if the input's secret is known to this process.
    pub fn has(&self, input: &InputId) -> bool {
        self.by_input.read().unwrap_or_else(PoisonError::into_inner).contains_key(input)
    }

    /// True if a text holds a mark.
    pub(super) fn marked(text: &str) -> bool {
        text.contains(MARK)
    }

    /// The text with every mark replaced by its secret; the input that is not known, if one is not.
    pub(super) fn reveal(&self, text: &str) -> Result<String, InputId> {
        let known = self.by_input.read().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(MARK) {
            let Some((name, after)) = after.split_once(MARK_END) else { break };
            let input = InputId::from(name);
            out.push_str(before);
            out.push_str(known.get(&input).ok_or(input)?);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// The text without any secret.
    pub fn redact(&self, text: &str) -> String {
        let known = self.by_input.read().unwrap_or_else(PoisonError::into_inner);
        let mut out = text.to_owned();
        for form in forms(&known) {
            if out.contains(&form) {
                out = out.replace(&form, HIDDEN);
            }
        }
        out
    }

    /// The bytes without any secret, or `None` if there was none in them.
    pub(super) fn redact_bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let known = self.by_input.read().unwrap_or_else(PoisonError::into_inner);
        let mut changed: Option<Vec<u8>> = None;
        for form in forms(&known) {
            if let Some(done) = replace(changed.as_deref().unwrap_or(bytes), form.as_bytes()) {
                changed = Some(done);
            }
        }
        changed
    }

    /// Length of the longest form of a secret, in bytes.
    pub(super) fn longest(&self) -> usize {
        let known = self.by_input.read().unwrap_or_else(PoisonError::into_inner);
        forms(&known).first().map_or(0, String::len)
    }

    fn redact_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.redact(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_value(item)),
            Value::Object(members) => members.values_mut().for_each(|item| self.redact_value(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    pub(super) fn redact_report(&self, mut report: Report) -> Report {
        report.seen = self.redact(&report.seen);
        report.details.iter_mut().for_each(|line| *line = self.redact(line));
        self.redact_value(&mut report.outputs);
        report
    }

    pub(super) fn redact_outcome(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Done(report) => Outcome::Done(self.redact_report(report)),
            Outcome::Refused { why } => Outcome::Refused { why: self.redact(&why) },
            Outcome::Failed { why } => Outcome::Failed { why: self.redact(&why) },
            Outcome::InDoubt { why } => Outcome::InDoubt { why: self.redact(&why) },
            Outcome::Cancelled { why } => Outcome::Cancelled { why: self.redact(&why) },
        }
    }
}

/// Every form in which a secret may come back, longest first so that no part of a longer one stays: as it is, and as
/// JSON writes it.
fn forms(known: &BTreeMap<InputId, String>) -> Vec<String> {
    let mut forms: Vec<String> = Vec::new();
    for secret in known.values().filter(|secret| !secret.is_empty()) {
        let quoted = Value::String(secret.clone()).to_string();
        forms.push(quoted.trim_matches('"').to_owned());
        forms.push(secret.clone());
    }
    forms.retain(|form| !form.is_empty());
    forms.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    forms.dedup();
    forms
}

fn replace(bytes: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let at = |bytes: &[u8]| bytes.windows(wanted.len().max(1)).position(|part| part == wanted);
    let mut next = at(bytes)?;
    let mut rest = bytes;
    let mut out = Vec::with_capacity(bytes.len());
    loop {
        let (before, after) = rest.split_at_checked(next)?;
        out.extend_from_slice(before);
        out.extend_from_slice(HIDDEN.as_bytes());
        rest = after.get(wanted.len()..).unwrap_or_default();
        match at(rest) {
            Some(found) => next = found,
            None => break,
        }
    }
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_goes_in_and_never_comes_out() {
        let secrets = Secrets::default();
        secrets.put(InputId::from("password"), "hun\"ter2".to_owned());
        secrets.put(InputId::from("short"), "hun".to_owned());
        assert_eq!(secrets.reveal("Bearer \u{27e6}secret:password\u{27e7}!").unwrap(), "Bearer hun\"ter2!");
        assert_eq!(secrets.reveal("\u{27e6}secret:other\u{27e7}"), Err(InputId::from("other")));
        assert_eq!(secrets.redact("x hun\"ter2 y hun"), "x *** y ***");
        assert_eq!(secrets.redact(r#"{"p":"hun\"ter2"}"#), r#"{"p":"***"}"#);
        assert_eq!(secrets.redact_bytes(b"\xffhun\"ter2\xff").unwrap(), b"\xff***\xff");
        assert_eq!(secrets.redact_bytes(b"nothing"), None);
        let report = Report::holds("hun").with_outputs(json!({"a": ["hun"]})).with_details(vec!["hun".to_owned()]);
        let clean = serde_json::to_string(&secrets.redact_report(report)).unwrap();
        assert!(!clean.contains("hun"), "{clean}");
        assert!(!format!("{secrets:?}").contains("hun"));
    }
}
