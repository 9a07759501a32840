//! Small words: durations, findings, states.

use crate::session::{Finding, StepCondition};

/// A duration as people read it.
pub fn took(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1_000..=59_999 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..=3_599_999 => format!("{} min {:02} s", ms / 60_000, ms / 1000 % 60),
        _ => format!("{} h {:02} min {:02} s", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60),
    }
}

pub(super) fn finding(finding: Finding) -> &'static str {
    match finding {
        Finding::Holds => "holds",
        Finding::Fails => "does not hold",
        Finding::Unknown => "unknown",
    }
}

pub(super) fn condition(condition: StepCondition) -> &'static str {
    match condition {
        StepCondition::Locked => "not reached",
        StepCondition::Ready => "ready, not started",
        StepCondition::Running => "running",
        StepCondition::Verifying => "being verified",
        StepCondition::Blocked => "blocked",
        StepCondition::InDoubt => "in doubt",
        StepCondition::Failed => "failed",
        StepCondition::Done => "done",
        StepCondition::NotNeeded => "not needed",
        StepCondition::Skipped => "skipped",
    }
}
