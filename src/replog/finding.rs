//! What the reader noticed, as data: a stable code, how grave, where, which positions, and a sentence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::positions::Span;

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
