//! Texts with placeholders, as an author writes them: `{{ host.http_port }}`.
//!
//! Two types, because a value that reaches a shell is another thing than a value that is shown:
//! [`Text`] takes a value as it is, [`ShellText`] takes it quoted. There is no way to put an
//! unquoted value into a [`ShellText`].
//!
//! Not here: where the values come from (`session::context`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text in which `{{ name }}` stands for a value. After rendering it holds the final text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Text(pub String);

/// A shell command line in which `{{ name }}` stands for a value quoted for a POSIX shell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ShellText(pub String);

/// One text of a kind, handed out for checking or rendering.
#[derive(Debug)]
pub enum Slot<'a> {
    /// The value goes in as it is.
    Plain(&'a mut Text),
    /// The value goes in quoted.
    Shell(&'a mut ShellText),
}

impl Text {
    /// The text as it stands: the author's source before rendering, the result after it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ShellText {
    /// The text as it stands.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for ShellText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for ShellText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
