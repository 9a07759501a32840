//! Placeholders: `{{ root.name }}` in a text, and nothing else: no filters, no logic, no nesting.
//!
//! `\{{` stands for two braces. A name is two or more parts with dots between, each of letters, digits,
//! `_` and `-`. What stands for a placeholder must be a scalar; a list or a map is an error that says
//! so. Rendering is one pass: what a value contains is never looked at again, so a value cannot bring
//! placeholders of its own. For the same reason a text is rendered once; the result is final.
//!
//! In a [`ShellText`] every value goes in as one quoted word. `shell` refuses, at load, a placeholder
//! where a quoted word would not stay one word.
//!
//! Not here: where values come from ([`Lookup`]), and which names are defined (`names`).

use std::fmt::{self, Display, Formatter};

use serde_json::Value;

use super::{
    Mode,
    kind::Kind,
    model::Condition,
    text::{ShellText, Slot, Text},
};

/// A text that is rendered may not become longer than this, in bytes: more than any command line takes.
pub const RENDERED_BYTES_MAX: usize = 256 * 1024;

/// A name as in `outputs.leader.url`: at least two parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Vec<String>);

impl Name {
    /// Its parts.
    pub fn parts(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Characters as they are.
    Literal(String),
    /// A value.
    Placeholder(Name),
}

/// Why a text is not one with placeholders.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{{` without its end.
    #[error("`{{{{` without `}}}}`; write `\\{{{{` for the braces themselves")]
    Open,
    /// What is between the braces is no name.
    #[error("`{0}` is not a name such as `inputs.backup`; nothing but a name may stand between the braces")]
    NotAName(String),
}

/// Takes a text apart.
pub fn parse(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let (before, after) = rest.split_at(at);
        let after = after.strip_prefix("{{").unwrap_or(after);
        if let Some(before) = before.strip_suffix('\\') {
            literal.push_str(before);
            literal.push_str("{{");
            rest = after;
            continue;
        }
        literal.push_str(before);
        let (inside, after) = after.split_once("}}").ok_or(TemplateError::Open)?;
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        parts.push(Part::Placeholder(name(inside)?));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

/// The names that a text uses, in order.
pub fn names(text: &str) -> Result<Vec<Name>, TemplateError> {
    let parts = parse(text)?.into_iter().filter_map(|part| match part {
        Part::Placeholder(name) => Some(name),
        Part::Literal(_) => None,
    });
    Ok(parts.collect())
}

fn name(inside: &str) -> Result<Name, TemplateError> {
    let parts: Vec<String> = inside.trim().split('.').map(str::to_owned).collect();
    let word = |part: &String| {
        !part.is_empty() && part.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'))
    };
    if parts.len() < 2 || !parts.iter().all(word) {
        return Err(TemplateError::NotAName(inside.trim().chars().take(60).collect()));
    }
    Ok(Name(parts))
}

/// Where values come from.
pub trait Lookup {
    /// The value of a name, given by its parts: `cluster.X`, `host.X`, `inputs.ID[.MEMBER]`,
    /// `outputs.REGISTER.MEMBER…`, `session.id`, `session.mode`, `session.started`.
    fn get(&self, path: &[&str]) -> Result<Value, LookupError>;
}

/// Why a name has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// It will have one, but has none yet: an input not answered, a step not done or left out.
    #[error("has no value yet")]
    NotYet,
    /// There is no such name.
    #[error("is not defined")]
    Undefined,
    /// It has one for each of several hosts, and nothing says which is meant.
    #[error("has one value for each of {0} hosts, and nothing here says which is meant")]
    Several(usize),
}

/// Why a text could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The text is malformed; a checked runbook has no such text.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A name has no value.
    #[error("`{name}` {why}")]
    NoValue {
        /// The name.
        name: String,
        /// Why.
        why: LookupError,
    },
    /// A name stands for something that is not one value.
    #[error("`{name}` is {what}, not a single value; name one of its members")]
    NotAScalar {
        /// The name.
        name: String,
        /// `a list`, `a map`, `empty`.
        what: &'static str,
    },
    /// A value cannot be part of a command line.
    #[error("the value of `{name}` contains a NUL byte, which no command line can hold")]
    Nul {
        /// The name.
        name: String,
    },
    /// The result is too long.
    #[error("the text is longer than {RENDERED_BYTES_MAX} bytes with its values put in")]
    TooLong,
}

impl RenderError {
    /// True if the same text may render later, when more is known.
    pub fn not_yet(&self) -> bool {
        matches!(self, Self::NoValue { why: LookupError::NotYet, .. })
    }
}

/// Puts the values in, as they are.
pub fn render(text: &Text, lookup: &dyn Lookup) -> Result<String, RenderError> {
    fill(text.as_str(), |name| scalar(name, lookup))
}

/// Puts the values in, each quoted as one word for a POSIX shell.
pub fn render_shell(text: &ShellText, lookup: &dyn Lookup) -> Result<String, RenderError> {
    fill(text.as_str(), |name| {
        let value = scalar(name, lookup)?;
        quote(&value).ok_or_else(|| RenderError::Nul { name: name.to_string() })
    })
}

/// Puts the values into every text of a kind. On an error the kind is half rendered: throw it away.
pub fn render_kind(kind: &mut Kind, lookup: &dyn Lookup) -> Result<(), RenderError> {
    let mut first = Ok(());
    kind.texts(&mut |slot| {
        if first.is_err() {
            return;
        }
        let rendered = match slot {
            Slot::Plain(text) => render(text, lookup).map(|rendered| *text = Text(rendered)),
            Slot::Shell(text) => render_shell(text, lookup).map(|rendered| *text = ShellText(rendered)),
        };
        if let Err(error) = rendered {
            first = Err(error);
        }
    });
    first
}

/// For showing only: what has no value yet stays as `<name>`. Never run what this returns.
pub fn render_known(text: &Text, lookup: &dyn Lookup) -> String {
    fill(text.as_str(), |name| Ok(shown(name, lookup))).unwrap_or_else(|_| text.0.clone())
}

/// As [`render_known`], with values quoted as they will be.
pub fn render_known_shell(text: &ShellText, lookup: &dyn Lookup) -> String {
    let one = |name: &Name| match scalar(name, lookup) {
        Ok(value) => Ok(quote(&value).unwrap_or(value)),
        Err(_) => Ok(shown(name, lookup)),
    };
    fill(text.as_str(), one).unwrap_or_else(|_| text.0.clone())
}

/// For showing only: every text of a kind as [`render_known`] shows it.
pub fn render_known_kind(kind: &mut Kind, lookup: &dyn Lookup) {
    kind.texts(&mut |slot| match slot {
        Slot::Plain(text) => *text = Text(render_known(text, lookup)),
        Slot::Shell(text) => *text = ShellText(render_known_shell(text, lookup)),
    });
}

/// Whether a condition holds. What cannot be known yet is an error unless the rest decides anyway:
/// one part that is false decides `all`, one that is true decides `any`.
pub fn holds(condition: &Condition, mode: Mode, lookup: &dyn Lookup) -> Result<bool, RenderError> {
    match condition {
        Condition::Mode(wanted) => Ok(*wanted == mode),
        Condition::Is { text, values } => {
            let text = render(text, lookup)?;
            for value in values {
                if render(value, lookup)? == text {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Condition::All(parts) => decided(parts, false, mode, lookup),
        Condition::Any(parts) => decided(parts, true, mode, lookup),
        Condition::Not(part) => holds(part, mode, lookup).map(|holds| !holds),
    }
}

fn decided(parts: &[Condition], by: bool, mode: Mode, lookup: &dyn Lookup) -> Result<bool, RenderError> {
    let mut unknown = None;
    for part in parts {
        match holds(part, mode, lookup) {
            Ok(value) if value == by => return Ok(by),
            Ok(_) => {}
            Err(error) => unknown = unknown.or(Some(error)),
        }
    }
    unknown.map_or(Ok(!by), Err)
}

/// One word for a POSIX shell; `None` if the value holds a NUL byte.
pub fn quote(value: &str) -> Option<String> {
    shlex::try_quote(value).ok().map(std::borrow::Cow::into_owned)
}

fn fill(text: &str, mut value: impl FnMut(&Name) -> Result<String, RenderError>) -> Result<String, RenderError> {
    let mut out = String::with_capacity(text.len());
    for part in parse(text)? {
        match part {
            Part::Literal(literal) => out.push_str(&literal),
            Part::Placeholder(name) => out.push_str(&value(&name)?),
        }
        if out.len() > RENDERED_BYTES_MAX {
            return Err(RenderError::TooLong);
        }
    }
    Ok(out)
}

fn scalar(name: &Name, lookup: &dyn Lookup) -> Result<String, RenderError> {
    let value = lookup.get(&name.parts()).map_err(|why| RenderError::NoValue { name: name.to_string(), why })?;
    let what = match value {
        Value::String(text) => return Ok(text),
        Value::Number(number) => return Ok(number.to_string()),
        Value::Bool(value) => return Ok(value.to_string()),
        Value::Null => "empty",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    Err(RenderError::NotAScalar { name: name.to_string(), what })
}

fn shown(name: &Name, lookup: &dyn Lookup) -> String {
    scalar(name, lookup).unwrap_or_else(|_| format!("<{name}>"))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, process::Command};

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    struct Values(BTreeMap<String, Value>);

    impl Lookup for Values {
        fn get(&self, path: &[&str]) -> Result<Value, LookupError> {
            self.0.get(&path.join(".")).cloned().ok_or(LookupError::Undefined)
        }
    }

    fn values(pairs: &[(&str, Value)]) -> Values {
        Values(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    #[test]
    fn texts_are_taken_apart_and_put_together() {
        let lookup = values(&[
            ("a.b", json!("{{ a.c }}")),
            ("a.c", json!(8081)),
            ("a.list", json!([1])),
            ("a.map", json!({})),
            ("a.null", json!(null)),
            ("a.true", json!(true)),
        ]);
        let table: &[(&str, Result<&str, &str>)] = &[
            ("plain }} text", Ok("plain }} text")),
            ("{{a.b}}/{{  a.c  }}", Ok("{{ a.c }}/8081")),
            (r"\{{ a.b }} {{ a.true }}", Ok("{{ a.b }} true")),
            ("{{ a.list }}", Err("`a.list` is a list, not a single value; name one of its members")),
            ("{{ a.map }}", Err("`a.map` is a map, not a single value; name one of its members")),
            ("{{ a.null }}", Err("`a.null` is empty, not a single value; name one of its members")),
            ("{{ a.x }}", Err("`a.x` is not defined")),
            (
                "{{ a }}",
                Err("`a` is not a name such as `inputs.backup`; nothing but a name may stand between the braces"),
            ),
            (
                "{{ a.b | upper }}",
                Err(
                    "`a.b | upper` is not a name such as `inputs.backup`; nothing but a name may stand between the braces",
                ),
            ),
            (
                "{{ a..b }}",
                Err("`a..b` is not a name such as `inputs.backup`; nothing but a name may stand between the braces"),
            ),
            ("x {{ a.b", Err(r"`{{` without `}}`; write `\{{` for the braces themselves")),
        ];
        for (text, expected) in table {
            let found = render(&Text::from(*text), &lookup).map_err(|error| error.to_string());
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(render_known(&Text::from("{{ a.x }} {{ a.c }} {{ a.list }}"), &lookup), "<a.x> 8081 <a.list>");
    }

    #[test]
    fn a_condition_is_decided_by_what_is_known() {
        let lookup = values(&[("a.b", json!("yes"))]);
        let is = |name: &str, value: &str| Condition::Is {
            text: Text(format!("{{{{ a.{name} }}}}")),
            values: vec![Text::from(value)],
        };
        let unknown = || is("x", "yes");
        let holds = |condition: Condition| holds(&condition, Mode::Training, &lookup).ok();
        assert_eq!(holds(is("b", "yes")), Some(true));
        assert_eq!(holds(unknown()), None);
        assert_eq!(holds(Condition::All(vec![unknown(), is("b", "no")])), Some(false));
        assert_eq!(holds(Condition::All(vec![unknown(), is("b", "yes")])), None);
        assert_eq!(holds(Condition::Any(vec![unknown(), is("b", "yes")])), Some(true));
        assert_eq!(holds(Condition::Any(vec![unknown(), is("b", "no")])), None);
        assert_eq!(holds(Condition::Not(Box::new(Condition::Mode(Mode::Recovery)))), Some(true));
    }

    fn through_a_shell(value: &str) -> String {
        let lookup = values(&[("a.b", json!(value))]);
        let line = render_shell(&ShellText::from("printf %s x{{ a.b }}; printf %s $(printf %s .)"), &lookup).unwrap();
        let output = Command::new("/bin/sh").args(["-c", &line]).output().unwrap();
        assert!(output.status.success(), "{line}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn nasty_values_stay_one_word() {
        let nasty = [
            "",
            " ",
            "a b",
            "'",
            "\"",
            "\\",
            "$(touch x)",
            "`touch x`",
            "$HOME",
            "; rm -rf /",
            "a\nb",
            "*",
            "~",
            "!x",
            "#",
            "-n",
            "'; echo 'x",
            "\u{1b}[31m",
            "é…\u{27e6}",
            "a=b",
            "{a,b}",
            "\t",
            "\\\n",
            "'\\''",
        ];
        for value in nasty {
            assert_eq!(through_a_shell(value), format!("x{value}."), "{value:?}");
        }
        let lookup = values(&[("a.b", json!("a\0b"))]);
        let error = render_shell(&ShellText::from("echo {{ a.b }}"), &lookup).unwrap_err();
        assert_eq!(error, RenderError::Nul { name: "a.b".to_owned() });
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_value_stays_one_word(value in "[^\0]{0,40}") {
            prop_assert_eq!(through_a_shell(&value), format!("x{value}."));
        }

        #[test]
        fn any_text_is_taken_apart_or_refused(text in "([{}\\\\ .a-b]|\\{\\{|\\}\\}){0,20}") {
            let _ = parse(&text);
        }
    }
}
