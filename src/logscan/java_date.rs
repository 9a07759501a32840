//! The date in a log line, as Java's `Date.toString` writes it: `Sun Nov 22 16:03:40 UTC 2026`.
//!
//! It is in the zone of the process, named by an abbreviation that may mean several zones (CST, IST), and in whole
//! seconds. So a date is not turned into a moment; it is only asked whether a moment could have been written so.

/// What stands before the date of a snapshot that a scheduler reads from its log.
pub const SNAPSHOT_APPLIED: &str = "Applying snapshot taken on ";

/// Zones whose offset the abbreviation tells.
const UTC: [&str; 5] = ["UTC", "GMT", "Z", "UCT", "Etc/UTC"];
/// Offsets of zones are whole quarters of an hour, in milliseconds.
const QUARTER_MS: i64 = 15 * 60 * 1000;
/// The offset farthest from UTC, in milliseconds: 14 hours.
const OFFSET_MS_MAX: i64 = 14 * 3_600_000;

/// A date as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JavaDate {
    /// The wall time, in milliseconds as if it were UTC.
    wall_ms: i64,
    /// The zone's abbreviation.
    zone: String,
}

impl JavaDate {
    /// Reads a date from the beginning of a text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (_weekday, month, day) = (words.next()?, words.next()?, words.next()?);
        let (time, zone, year) = (words.next()?, words.next()?, words.next()?);
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let month = months.iter().position(|name| *name == month)? + 1;
        let mut clock = time.split(':').map(|part| part.parse::<i8>().ok());
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        let year = year.get(..4)?.parse::<i16>().ok()?;
        let date = jiff::civil::Date::new(year, i8::try_from(month).ok()?, day.parse().ok()?).ok()?;
        let at = date.to_datetime(jiff::civil::Time::new(hour, minute, second, 0).ok()?);
        let wall_ms = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
        Some(Self { wall_ms, zone: zone.to_owned() })
    }

    /// True if this moment (milliseconds UTC) could have been written so.
    pub fn may_be(&self, at_ms: i64) -> bool {
        let offset = self.wall_ms - at_ms.div_euclid(1000) * 1000;
        match self.offset_ms() {
            Some(known) => offset == known,
            None => offset % QUARTER_MS == 0 && offset.abs() <= OFFSET_MS_MAX,
        }
    }

    /// The offset, where the zone's name tells it: UTC, or as in `GMT+02:00`.
    fn offset_ms(&self) -> Option<i64> {
        if UTC.contains(&self.zone.as_str()) {
            return Some(0);
        }
        let (sign, rest) = match self.zone.strip_prefix("GMT")?.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        };
        let (hours, minutes) = rest.split_once(':')?;
        Some(sign * (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?) * 60_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_compared_in_the_zone_that_it_was_written_in() {
        // 2026-11-22T16:03:40.789Z
        let at_ms = 1_795_363_420_789;
        let cases = [
            ("Sun Nov 22 16:03:40 UTC 2026", true),
            ("Sun Nov 22 16:03:41 UTC 2026", false),
            ("Sun Nov 22 17:03:40 UTC 2026", false),
            ("Sun Nov 22 08:03:40 PST 2026", true),
            ("Sun Nov 22 21:33:40 IST 2026", true),
            ("Sun Nov 22 21:34:40 IST 2026", false),
            ("Mon Nov 23 05:03:40 NZDT 2026", true),
            ("Tue Nov 24 16:03:40 XYZ 2026", false),
            ("Sun Nov 22 18:03:40 GMT+02:00 2026", true),
            ("Sun Nov 22 18:03:40 GMT+03:00 2026", false),
            ("Thu Jan 01 00:00:00 UTC 1970", false),
        ];
        for (text, wanted) in cases {
            assert_eq!(JavaDate::parse(text).unwrap().may_be(at_ms), wanted, "{text}");
        }
        for text in ["", "Sun Nov 22", "Sun Foo 22 16:03:40 UTC 2026", "Sun Nov 42 16:03:40 UTC 2026", "a b c d e f"] {
            assert_eq!(JavaDate::parse(text), None, "{text}");
        }
    }
}
