//! Spans of log positions, and sets of them.
//!
//! Positions are 64-bit and a log may claim a hole of billions of them, so a set is kept as spans, never as single
//! numbers. Counts saturate instead of wrapping.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Positions `first..=last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// First position.
    pub first: u64,
    /// Last position, inclusive.
    pub last: u64,
}

impl Span {
    /// How many positions, saturating.
    pub fn count(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(u64::from(self.first <= self.last))
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}..{}", self.first, self.last) }
    }
}

/// The spans that cover these ascending positions; a position that is not above the one before it is ignored.
pub fn spans_of(ascending: impl IntoIterator<Item = u64>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for position in ascending {
        match spans.last_mut() {
            Some(span) if position <= span.last => {}
            Some(span) if span.last.checked_add(1) == Some(position) => span.last = position,
            _ => spans.push(Span { first: position, last: position }),
        }
    }
    spans
}

/// Positions that come in almost ascending order, kept as spans.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    spans: Vec<Span>,
}

/// Spans that are kept unjoined at most: positions with a gap after each, in no order.
const UNJOINED_MAX: usize = 4_000_000;

impl Positions {
    pub(crate) fn add(&mut self, position: u64) {
        match self.spans.last_mut() {
            Some(span) if span.first <= position && position <= span.last => {}
            Some(span) if span.last.checked_add(1) == Some(position) => span.last = position,
            _ => {
                if self.spans.len() >= UNJOINED_MAX {
                    self.spans = union(std::mem::take(&mut self.spans).into_iter());
                }
                self.spans.push(Span { first: position, last: position });
            }
        }
    }

    /// Ascending and joined.
    pub(crate) fn finish(self) -> Vec<Span> {
        union(self.spans.into_iter())
    }
}

/// What of `whole` is in none of the ascending, disjoint `taken`.
pub fn subtract(whole: Span, taken: &[Span]) -> Vec<Span> {
    if whole.first > whole.last {
        return Vec::new();
    }
    let mut left = Vec::new();
    let mut next = whole.first;
    for span in taken.iter().filter(|span| span.last >= whole.first && span.first <= whole.last) {
        if span.first > next {
            left.push(Span { first: next, last: span.first - 1 });
        }
        match span.last.checked_add(1) {
            Some(after) => next = next.max(after),
            None => return left,
        }
    }
    if next <= whole.last {
        left.push(Span { first: next, last: whole.last });
    }
    left
}

/// Spans in any order, joined and ascending.
pub fn union(spans: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut sorted: Vec<Span> = spans.filter(|span| span.first <= span.last).collect();
    sorted.sort_unstable();
    let mut joined: Vec<Span> = Vec::new();
    for span in sorted {
        match joined.last_mut() {
            Some(held) if span.first <= held.last.saturating_add(1) => held.last = held.last.max(span.last),
            _ => joined.push(span),
        }
    }
    joined
}

/// How many positions the spans hold together, saturating.
pub fn count(spans: &[Span]) -> u64 {
    spans.iter().fold(0, |sum: u64, span| sum.saturating_add(span.count()))
}

/// Spans as a sentence part: the first few, and how many more there are.
pub fn describe(spans: &[Span]) -> String {
    const SHOWN: usize = 4;
    let mut text: Vec<String> = spans.iter().take(SHOWN).map(ToString::to_string).collect();
    if spans.len() > SHOWN {
        text.push(format!("and {} more ranges", spans.len() - SHOWN));
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_subtract_and_count() {
        let taken = spans_of([1, 2, 3, 7, 9]);
        assert_eq!(taken.len(), 3);
        let left = subtract(Span { first: 0, last: 10 }, &taken);
        assert_eq!(describe(&left), "0, 4..6, 8, 10");
        assert_eq!(count(&left), 6);
        assert_eq!(subtract(Span { first: 3, last: 2 }, &[]), []);
        let all = Span { first: 0, last: u64::MAX };
        assert_eq!(all.count(), u64::MAX);
        assert_eq!(subtract(all, &[all]), []);
    }
}
