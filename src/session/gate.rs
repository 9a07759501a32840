//! Whether a gate is open, and the reason in words why it is not: one computation for both.

use super::{Finding, GateState, Stamp};
use crate::runbook::model::Gate;

/// What a gate shows at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateView {
    /// True if it lets the row through.
    pub open: bool,
    /// True if it has been shut for longer than its `within`.
    pub overdue: bool,
    /// Why it is open or shut.
    pub reason: String,
}

/// Looks at a gate of a row that is verified since `since`.
pub fn gate_view(gate: &Gate, state: &GateState, since: Stamp, now: Stamp) -> GateView {
    if let Some(why) = &state.order.not_needed {
        return GateView { open: true, overdue: false, reason: format!("not needed: {why}") };
    }
    if let Some(reason) = &state.overridden {
        return GateView { open: true, overdue: false, reason: format!("overridden: {reason}") };
    }
    let overdue = now.since(since) > gate.within_ms;
    let shut = |reason: String| GateView { open: false, overdue, reason };
    let Some(seen) = &state.seen else { return shut("not looked at yet".to_owned()) };
    let age = now.since(seen.last);
    match seen.finding {
        Finding::Unknown => shut(format!("unknown: {}", seen.text)),
        Finding::Fails => shut(seen.text.clone()),
        Finding::Holds if age > gate.valid_for_ms => {
            shut(format!("{}, but seen {} ago: it is looked at again", seen.text, seconds(age)))
        }
        Finding::Holds => {
            let held = seen.last.since(seen.since);
            if held < gate.stable_for_ms {
                let reason = format!("{}; holds for {} of {}", seen.text, seconds(held), seconds(gate.stable_for_ms));
                return shut(reason);
            }
            GateView { open: true, overdue: false, reason: seen.text.clone() }
        }
    }
}

/// Milliseconds as people read them.
pub(super) fn seconds(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms}ms"),
        1000..=119_999 => format!("{}s", ms / 1000),
        120_000..=7_199_999 => format!("{}min", ms / 60_000),
        _ => format!("{}h{:02}min", ms / 3_600_000, ms / 60_000 % 60),
    }
}
