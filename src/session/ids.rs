//! Numbers that name things within a session, and the two clocks.

use serde::{Deserialize, Serialize};

/// Names an attempt: the n-th time that an action was handed out in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(pub u64);

/// Names an entry of the undo list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UndoId(pub u64);

impl std::fmt::Display for AttemptId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a{}", self.0)
    }
}

/// A moment by both clocks. The wall clock orders records across processes; the monotonic one, which
/// does not count sleep and starts anew with each boot, tells when the wall clock jumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since the Unix epoch, UTC.
    pub utc_ms: i64,
    /// Milliseconds of the monotonic clock.
    pub mono_ms: u64,
}

impl Stamp {
    /// Milliseconds of wall time from `earlier` to this; 0 if the clock went back.
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.utc_ms.saturating_sub(earlier.utc_ms)).unwrap_or(0)
    }
}
