//! What replicas say of the same positions, as digests that can be carried from host to host.
//!
//! A learned value is the same on every replica for ever, and whatever was learned was accepted by a quorum before. So
//! two learned values of one position mean that the log split or that a value was damaged, and a learned position that
//! fewer than a quorum hold means that disks lost it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::replog::{ActionKind, Inspection, Span, spans_of};

/// Positions that are compared: some ten times what a log of 250 MB holds.
const POSITIONS_MAX: usize = 1_000_000;
/// Bytes of one position: position, digest, whether it is learned.
const VALUE_BYTES: usize = 17;

/// One position of one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Value {
    position: u64,
    digest: u64,
    learned: bool,
}

/// What one replica holds, ascending by position.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values(Vec<Value>);

/// Bytes that are no values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ValuesError {
    /// Not a whole number of them.
    #[error("{0} bytes are not a list of values")]
    Length(usize),
    /// Positions do not ascend.
    #[error("the positions do not ascend at {0}")]
    Order(u64),
}

impl Values {
    /// Of a directory that was read; `None` if it holds more positions than are compared.
    pub fn of(inspection: &Inspection) -> Option<Self> {
        if inspection.actions().len() > POSITIONS_MAX {
            return None;
        }
        let value = |at: &crate::replog::ActionAt| Value {
            position: at.action.position,
            digest: at.digest ^ kind_digest(at.action.kind),
            learned: at.action.learned == Some(true),
        };
        Some(Self(inspection.actions().iter().map(value).collect()))
    }

    /// For a file: per position 8 bytes of position and 8 of digest, little endian, and one that is 1 if it is learned.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len().saturating_mul(VALUE_BYTES));
        for value in &self.0 {
            bytes.extend(value.position.to_le_bytes());
            bytes.extend(value.digest.to_le_bytes());
            bytes.push(u8::from(value.learned));
        }
        bytes
    }

    /// The reverse of [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ValuesError> {
        let (parts, rest) = bytes.as_chunks::<VALUE_BYTES>();
        if !rest.is_empty() || parts.len() > POSITIONS_MAX {
            return Err(ValuesError::Length(bytes.len()));
        }
        let mut values: Vec<Value> = Vec::with_capacity(parts.len());
        for part in parts {
            let number = |part: Option<&[u8; 8]>| part.copied().map(u64::from_le_bytes).unwrap_or_default();
            let position = number(part.first_chunk());
            let digest = number(part.get(8..16).and_then(<[u8]>::first_chunk));
            if values.last().is_some_and(|last| last.position >= position) {
                return Err(ValuesError::Order(position));
            }
            values.push(Value { position, digest, learned: part.last() == Some(&1) });
        }
        Ok(Self(values))
    }

    /// Positions that are learned on both sides with different values.
    pub(super) fn differing(&self, other: &Self) -> Vec<Span> {
        let mut theirs = other.0.iter().peekable();
        let different = self.0.iter().filter_map(|mine| {
            while theirs.next_if(|their| their.position < mine.position).is_some() {}
            let their = theirs.peek().filter(|their| their.position == mine.position)?;
            (mine.learned && their.learned && mine.digest != their.digest).then_some(mine.position)
        });
        spans_of(different.collect::<Vec<_>>())
    }
}

/// Learned positions of `of`, from `begin` on, that fewer than `quorum` of `all` hold even if `unknown` more do.
pub(super) fn below_quorum(of: &Values, all: &[&Values], unknown: usize, quorum: usize, begin: u64) -> Vec<Span> {
    let mut rest: Vec<_> = all.iter().map(|values| values.0.iter().peekable()).collect();
    let thin = of.0.iter().filter(|value| value.learned && value.position >= begin).filter_map(|value| {
        let mut held = unknown;
        for one in &mut rest {
            while one.next_if(|other| other.position < value.position).is_some() {}
            held += usize::from(one.peek().is_some_and(|other| other.position == value.position));
        }
        (held < quorum).then_some(value.position)
    });
    spans_of(thin.collect::<Vec<_>>())
}

/// Tells kinds apart, and truncations to different positions; nothing for an APPEND, whose bytes have a digest.
fn kind_digest(kind: Option<ActionKind>) -> u64 {
    // Odd numbers without a pattern: what is XORed must not meet by chance.
    const NOP: u64 = 0x9e37_79b9_7f4a_7c15;
    const TOMBSTONE: u64 = 0xc2b2_ae3d_27d4_eb4f;
    const TRUNCATE: u64 = 0x1656_67b1_9e37_79f9;
    match kind {
        Some(ActionKind::Append { .. }) => 0,
        Some(ActionKind::Nop { tombstone: false }) => NOP,
        Some(ActionKind::Nop { tombstone: true }) => TOMBSTONE,
        Some(ActionKind::Truncate { to }) => TRUNCATE ^ to.wrapping_mul(NOP),
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(list: &[(u64, u64, bool)]) -> Values {
        Values(list.iter().map(|&(position, digest, learned)| Value { position, digest, learned }).collect())
    }

    #[test]
    fn values_differ_only_where_both_are_learned() {
        let one = values(&[(1, 1, true), (2, 2, true), (3, 3, false), (5, 5, true), (6, 6, true)]);
        let other = values(&[(2, 9, true), (3, 9, true), (5, 9, true), (6, 9, true), (7, 7, true)]);
        let spans = vec![Span { first: 2, last: 2 }, Span { first: 5, last: 6 }];
        assert_eq!((one.differing(&other), other.differing(&one)), (spans.clone(), spans));
        assert_eq!(one.differing(&one), []);
    }

    #[test]
    fn what_fewer_than_a_quorum_hold() {
        let long = values(&[(1, 1, true), (2, 2, true), (3, 3, true), (4, 4, true), (5, 5, false)]);
        let short = values(&[(1, 1, true), (2, 2, false)]);
        let spans = |unknown| below_quorum(&long, &[&long, &short, &short], unknown, 2, 1);
        assert_eq!(spans(0), [Span { first: 3, last: 4 }]);
        assert_eq!(spans(1), []);
        assert_eq!(below_quorum(&short, &[&long, &short], 0, 2, 0), []);
    }

    #[test]
    fn bytes_round_trip_and_nonsense_is_refused() {
        let some = values(&[(1, 7, true), (9, 8, false)]);
        assert_eq!(Values::from_bytes(&some.to_bytes()), Ok(some.clone()));
        assert_eq!(Values::from_bytes(&[0; 5]), Err(ValuesError::Length(5)));
        let twice = [some.to_bytes(), some.to_bytes()].concat();
        assert_eq!(Values::from_bytes(&twice), Err(ValuesError::Order(1)));
    }
}
