//! Placeholder.

use super::kind::Kind;

/// One line for a kind.
pub fn describe(kind: &Kind) -> String {
    kind.name().to_owned()
}
