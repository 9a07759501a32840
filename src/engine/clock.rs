//! The two clocks, read in one place.

use crate::session::Stamp;

/// Reads both clocks.
pub type Clock = fn() -> Stamp;

/// The machine's clocks.
#[must_use]
pub fn system_clock() -> Stamp {
    let utc = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let mono = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let millis =
        |spec: rustix::time::Timespec| spec.tv_sec.saturating_mul(1000).saturating_add(spec.tv_nsec / 1_000_000);
    Stamp { utc_ms: millis(utc), mono_ms: u64::try_from(millis(mono)).unwrap_or(0) }
}

/// Wall time and monotonic time may drift apart by this much between two looks, in milliseconds,
/// before it counts as a jump: more than a slewed clock makes, less than a suspended laptop.
const JUMP_MS: i64 = 5_000;

/// By how much the wall clock moved against the monotonic one between two stamps of one boot, if it
/// jumped.
pub(super) fn jump(before: Stamp, after: Stamp) -> Option<i64> {
    let wall = after.utc_ms.saturating_sub(before.utc_ms);
    let mono = i64::try_from(after.mono_ms.saturating_sub(before.mono_ms)).unwrap_or(i64::MAX);
    let by = wall.saturating_sub(mono);
    (by.abs() >= JUMP_MS).then_some(by)
}
