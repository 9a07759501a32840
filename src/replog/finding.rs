//! What the reader noticed, as data: a stable code, how grave, where, which positions, and a sentence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::positions::{Span, describe};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Normal, worth knowing.
    Info,
    /// Not damage by itself; unusual, or able to become damage.
    Warning,
    /// Something is lost, wrong, or would be lost by opening the log.
    Damage,
}

/// One finding. Serialized form is a contract: `code` is stable, `message` is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable, lower case, words joined with dashes.
    pub code: String,
    /// How grave.
    pub severity: Severity,
    /// File name inside the directory, where one is meant.
    pub file: Option<String>,
    /// Byte offset inside that file, where one is known.
    pub offset: Option<u64>,
    /// Positions that are concerned or may be lost; at most [`MAX_SPANS`] spans.
    pub positions: Vec<Span>,
    /// One sentence.
    pub message: String,
}

/// Spans kept per finding: a report stays readable and bounded on a log with thousands of holes.
pub const MAX_SPANS: usize = 64;

/// Findings kept per directory: enough for every block of a badly damaged table, bounded for hostile bytes.
pub const MAX_FINDINGS: usize = 1000;

impl Finding {
    /// A finding without a place.
    pub fn new(code: &str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            severity,
            file: None,
            offset: None,
            positions: Vec::new(),
            message: message.into(),
        }
    }

    /// The same in a file.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// The same at a byte offset.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Code, place and sentence in a line, with the positions where the sentence does not name them itself.
    pub fn in_words(&self) -> String {
        let place = match (&self.file, self.offset) {
            (Some(file), Some(offset)) => format!(" in {file} at {offset}"),
            (Some(file), None) => format!(" in {file}"),
            (None, _) => String::new(),
        };
        let spans = describe(&self.positions);
        let positions = match self.positions.as_slice() {
            [] => String::new(),
            _ if self.names(&spans) => String::new(),
            [only] if only.first == only.last => format!(" (position {spans})"),
            _ => format!(" (positions {spans})"),
        };
        format!("{}{place}: {}{positions}", self.code, self.message)
    }

    /// Whether the sentence has these spans as words of their own.
    fn names(&self, spans: &str) -> bool {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '.';
        self.message.match_indices(spans).any(|(at, found)| {
            let before = self.message.get(..at).and_then(|text| text.chars().next_back());
            let after = self.message.get(at + found.len()..).unwrap_or_default();
            // A full stop ends a sentence, and is part of a span only before another one.
            !before.is_some_and(part) && !after.starts_with("..") && !after.starts_with(|c: char| c.is_alphanumeric())
        })
    }

    /// The same for these positions.
    #[must_use]
    pub fn over(mut self, spans: &[Span]) -> Self {
        self.positions = spans.iter().copied().take(MAX_SPANS).collect();
        self
    }
}

/// A list of findings that stops growing at [`MAX_FINDINGS`].
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    dropped: u64,
}

impl Findings {
    pub(crate) fn push(&mut self, finding: Finding) {
        if self.list.len() < MAX_FINDINGS {
            self.list.push(finding);
        } else {
            self.dropped += 1;
        }
    }

    /// Damage to what names all other files may cost whatever is in them and is not seen after opening.
    pub(crate) fn directory_costs(&mut self, hidden: &[Span]) {
        let names_others = |file: &str| file == "CURRENT" || file.starts_with("MANIFEST-");
        for finding in &mut self.list {
            let damage = finding.severity == Severity::Damage && finding.positions.is_empty();
            if damage && finding.file.as_deref().is_some_and(names_others) {
                finding.positions = hidden.iter().copied().take(MAX_SPANS).collect();
            }
        }
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.dropped += other.dropped;
        other.list.into_iter().for_each(|finding| self.push(finding));
    }

    /// All findings, gravest first, otherwise in the order in which they were made.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        if self.dropped > 0 {
            self.list.push(Finding::new(
                "limit-findings",
                Severity::Warning,
                format!("{} further findings are not listed", self.dropped),
            ));
        }
        self.list.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_said_once() {
        let found = |message: &str, spans: &[Span]| {
            Finding::new("c", Severity::Damage, message).in_file("f").at(7).over(spans).in_words()
        };
        let span = |first, last| Span { first, last };
        for (message, spans, wanted) in [
            ("is bad", vec![], "c in f at 7: is bad"),
            ("is bad", vec![span(3, 3)], "c in f at 7: is bad (position 3)"),
            ("costs 3", vec![span(3, 3)], "c in f at 7: costs 3"),
            ("position 3 is bad", vec![span(3, 3)], "c in f at 7: position 3 is bad"),
            ("33 bytes, not 3.", vec![span(3, 3)], "c in f at 7: 33 bytes, not 3."),
            ("13 bytes, or 3..4", vec![span(3, 3)], "c in f at 7: 13 bytes, or 3..4 (position 3)"),
            ("costs (3..4, 9)", vec![span(3, 4), span(9, 9)], "c in f at 7: costs (3..4, 9)"),
            ("is bad", vec![span(3, 4), span(9, 9)], "c in f at 7: is bad (positions 3..4, 9)"),
        ] {
            assert_eq!(found(message, &spans), wanted);
        }
    }
}
