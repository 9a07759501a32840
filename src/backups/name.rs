//! What the name of a backup says.
//!
//! A scheduler names a backup after the minute at which it is saved, in the zone of its own machine, which the name does not say.
//! The time inside the file is that of the snapshot, in UTC; the save follows within seconds, or minutes for a large cluster. So
//! the two together tell the zone, or that the file did not get its name from the scheduler that wrote it.

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aurora::snapshot::{BACKUP_NAME_PREFIX, BACKUP_TEMP_PREFIX};

/// Minutes that a name may be later than the time inside: as long as a save takes on the slowest disk that is still one.
const SAVED_WITHIN_MIN: i64 = 5;
/// Every zone in use is a multiple of this many minutes from UTC.
const ZONE_STEP_MIN: i64 = 15;
/// The zones furthest west and east, in minutes from UTC.
const ZONES_MIN: std::ops::RangeInclusive<i64> = -720..=840;

/// The time that a name claims, held against the time inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claimed {
    /// The minute, without a zone: `2026-11-22 16:04`.
    pub minute: String,
    /// Minutes from UTC of the zone that explains it; none if no zone does, or if there is no time inside.
    pub zone_minutes: Option<i64>,
    /// Minutes by which the name is later than the time inside, the zone not counted out.
    pub later_by_minutes: Option<i64>,
}

impl Claimed {
    /// The zone as `UTC`, `UTC+02:00`.
    pub fn zone(&self) -> Option<String> {
        let minutes = self.zone_minutes?;
        if minutes == 0 {
            return Some("UTC".to_owned());
        }
        let sign = if minutes < 0 { '-' } else { '+' };
        Some(format!("UTC{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60))
    }
}

/// The last part of a path.
pub fn file_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// True for the name of a file that a scheduler did not finish.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(BACKUP_TEMP_PREFIX)
}

/// What a name such as `scheduler-backup-2026-11-22-16-04` claims; none if it is no such name.
pub fn claimed(name: &str, timestamp_ms: Option<i64>) -> Option<Claimed> {
    let bare = name.strip_prefix(BACKUP_TEMP_PREFIX).unwrap_or(name).strip_prefix(BACKUP_NAME_PREFIX)?;
    let minute = minute_of(bare)?;
    let later_by_minutes = timestamp_ms.and_then(|ms| later_by(minute, ms));
    let zone_minutes = later_by_minutes.and_then(zone_of);
    Some(Claimed { minute: minute.strftime("%Y-%m-%d %H:%M").to_string(), zone_minutes, later_by_minutes })
}

fn minute_of(text: &str) -> Option<DateTime> {
    let mut numbers = text.split('-').map(|part| {
        let plain = !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse::<i16>().ok()).flatten()
    });
    let mut next = || numbers.next().flatten();
    let (year, month, day, hour, minute) = (next()?, next()?, next()?, next()?, next()?);
    if numbers.next().is_some() {
        return None;
    }
    let small = |number: i16| i8::try_from(number).ok();
    DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, 0, 0).ok()
}

fn later_by(minute: DateTime, timestamp_ms: i64) -> Option<i64> {
    let named = Offset::UTC.to_timestamp(minute).ok()?.as_second().div_euclid(60);
    let inside = Timestamp::from_millisecond(timestamp_ms).ok()?.as_second().div_euclid(60);
    Some(named - inside)
}

fn zone_of(later_by_minutes: i64) -> Option<i64> {
    let saved_after = later_by_minutes.rem_euclid(ZONE_STEP_MIN);
    let zone = later_by_minutes - saved_after;
    (saved_after <= SAVED_WITHIN_MIN && ZONES_MIN.contains(&zone)).then_some(zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 16:04:53.636 UTC.
    const INSIDE: i64 = 1_795_363_493_636;

    #[test]
    fn a_name_tells_the_zone_or_that_it_is_another_files() {
        let table = [
            ("scheduler-backup-2026-11-22-16-04", Some(0), Some("UTC")),
            ("scheduler-backup-2026-11-22-16-07", Some(0), Some("UTC")),
            ("temp_scheduler-backup-2026-11-22-17-04", Some(60), Some("UTC+01:00")),
            ("scheduler-backup-2026-11-22-21-35", Some(330), Some("UTC+05:30")),
            ("scheduler-backup-2026-11-22-08-05", Some(-480), Some("UTC-08:00")),
            ("scheduler-backup-2026-11-23-06-04", Some(840), Some("UTC+14:00")),
            ("scheduler-backup-2026-11-22-16-14", None, None),
            ("scheduler-backup-2026-11-22-16-03", None, None),
            ("scheduler-backup-2026-11-24-16-04", None, None),
        ];
        for (name, zone, words) in table {
            let claimed = claimed(name, Some(INSIDE)).unwrap();
            assert_eq!((claimed.zone_minutes, claimed.zone().as_deref()), (zone, words), "{name}");
        }
        assert_eq!(claimed("scheduler-backup-2026-11-22-16-04", None).unwrap().zone_minutes, None);
    }

    #[test]
    fn another_name_claims_nothing() {
        for name in [
            "",
            "notes.txt",
            "scheduler-backup-",
            "scheduler-backup-2026-11-22-16",
            "scheduler-backup-2026-11-22-16-04-01",
            "scheduler-backup-2026-13-22-16-04",
            "scheduler-backup-2026-11-22-16-4x",
            "scheduler-backup-2026-11-22--16",
            "scheduler-backup-99999-11-22-16-04",
        ] {
            assert_eq!(claimed(name, Some(INSIDE)), None, "{name}");
        }
        assert_eq!(claimed("scheduler-backup-2026-11-22-16-04", Some(i64::MAX)).unwrap().later_by_minutes, None);
    }
}
