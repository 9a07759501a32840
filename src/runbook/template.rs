//! Placeholder: rendering of texts. Replaced by the full module.

use serde_json::Value;
use thiserror::Error;

use super::{
    kind::Kind,
    text::{Slot, Text},
};

/// Where names get their values.
pub trait Lookup {
    /// The value of a dotted name.
    fn get(&self, path: &[&str]) -> Result<Value, LookupError>;
}

/// Why a name has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LookupError {
    /// There is no such name.
    #[error("is not defined")]
    Undefined,
    /// It will have a value later.
    #[error("is not known yet")]
    NotYet,
}

/// Why a text cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name} {why}")]
pub struct RenderError {
    name: String,
    why: String,
}

/// Renders a text.
pub fn render(text: &Text, lookup: &dyn Lookup) -> Result<String, RenderError> {
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let path: Vec<&str> = name.trim().split('.').collect();
        let bad = |why: String| RenderError { name: name.trim().to_owned(), why };
        match lookup.get(&path).map_err(|e| bad(e.to_string()))? {
            Value::String(text) => out.push_str(&text),
            other => out.push_str(&other.to_string()),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Renders what is known.
pub fn render_known(text: &Text, lookup: &dyn Lookup) -> String {
    render(text, lookup).unwrap_or_else(|_| text.as_str().to_owned())
}

/// Renders every text of a kind.
pub fn render_kind(kind: &mut Kind, lookup: &dyn Lookup) -> Result<(), RenderError> {
    let mut failed = None;
    kind.texts(&mut |slot| {
        if let Slot::Plain(text) = slot {
            match render(text, lookup) {
                Ok(done) => text.0 = done,
                Err(error) => failed = Some(error),
            }
        }
    });
    failed.map_or(Ok(()), Err)
}
