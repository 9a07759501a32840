//! One line: its prefixes stripped, its time completed.
//!
//! Formats: glog (`Immdd hh:mm:ss.uuuuuu tid file:line] `, since 0.6 with a year), logback as Aurora sets it
//! (`Immdd hh:mm:ss.mmm [thread, logger] `), Aurora's older form without brackets, and in front of these journald,
//! syslog and ISO timestamps with a host and a unit.

use std::borrow::Cow;

use jiff::tz::{Offset, TimeZone};

/// What the caller knows of time: most lines have no year and no zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// Now, milliseconds since the epoch; no line is taken to be more than a day after it.
    pub now_ms: i64,
    /// The zone of the logging host.
    pub zone: TimeZone,
}

impl Clock {
    /// A clock of a host whose local time is always so many seconds ahead of UTC.
    pub fn fixed(now_ms: i64, offset_s: i32) -> Self {
        let zone = Offset::from_seconds(offset_s).map_or(TimeZone::UTC, TimeZone::fixed);
        Self { now_ms, zone }
    }
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Years to go back for a date without a year: the 29th of February comes every fourth, across 1900 or 2100 every eighth.
const YEARS_BACK: i64 = 8;
/// Bytes of a line in which a prefix ends.
const PREFIX_BYTES: usize = 256;

/// A line taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// `I`, `W`, `E`, `F` or `D` where the line has a level.
    pub level: Option<char>,
    /// Milliseconds since the epoch, where the line has a time.
    pub time_ms: Option<i64>,
    /// The host in a prefix of syslog or journald.
    pub host: Option<&'a str>,
    /// `file.cpp:123` of glog, or the logger of logback.
    pub origin: Option<&'a str>,
    /// What is said.
    pub message: &'a str,
}

/// Takes a line apart. A line without any known prefix is all message.
pub fn parse<'a>(text: &'a str, clock: &Clock) -> Line<'a> {
    let text = text.trim_end_matches(['\r', '\n', ' ']);
    let plain = Line { level: None, time_ms: None, host: None, origin: None, message: text };
    if let Some(line) = levelled(text, clock) {
        return line;
    }
    let Some((time_ms, host, rest)) = outer(text, clock) else { return plain };
    let inner = levelled(rest, clock).unwrap_or(Line { message: rest, ..plain });
    Line { time_ms: inner.time_ms.or(Some(time_ms)), host: Some(host), ..inner }
}

/// `Immdd hh:mm:ss.fraction ...`.
fn levelled<'a>(text: &'a str, clock: &Clock) -> Option<Line<'a>> {
    let mut chars = text.chars();
    let level = chars.next().filter(|level| "IWEFD".contains(*level))?;
    let (date, rest) = chars.as_str().split_once(' ')?;
    let (year, month, day) = match date.len() {
        4 => (None, number(date.get(..2)?)?, number(date.get(2..)?)?),
        8 => (Some(number(date.get(..4)?)?), number(date.get(4..6)?)?, number(date.get(6..)?)?),
        _ => return None,
    };
    let (time, rest) = rest.split_once(' ')?;
    let time_of_day = time_of_day(time)?;
    let time_ms = complete(year, month, day, time_of_day, clock)?;
    let (origin, message) = origin(rest.trim_start());
    Some(Line { level: Some(level), time_ms: Some(time_ms), host: None, origin, message })
}

/// What is between the time and the message.
fn origin(rest: &str) -> (Option<&str>, &str) {
    if let Some((inside, message)) = rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        return (inside.rsplit_once(", ").map(|(_, logger)| logger), message);
    }
    if let Some(inside) = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return (inside.rsplit_once(", ").map(|(_, logger)| logger), "");
    }
    if let Some((tid, after)) = rest.split_once(' ') {
        let glog = after.split_once("] ").or_else(|| after.strip_suffix(']').map(|origin| (origin, "")));
        if let Some((origin, message)) =
            glog.filter(|(origin, _)| tid.bytes().all(|b| b.is_ascii_digit()) && origin.contains(':'))
        {
            return (Some(origin), message);
        }
        // Aurora up to 0.11: THREAD123 class.method: message
        if tid.starts_with("THREAD")
            && let Some((origin, message)) = after.split_once(": ")
        {
            return (Some(origin), message);
        }
    }
    (None, rest)
}

/// A syslog priority, a time of journald or syslog or ISO 8601, a host and a unit.
fn outer<'a>(text: &'a str, clock: &Clock) -> Option<(i64, &'a str, &'a str)> {
    let text = text.strip_prefix('<').and_then(|rest| rest.split_once('>')).map_or(text, |(_, rest)| rest);
    let (time_ms, rest) = syslog_time(text, clock).or_else(|| iso_time(text, clock))?;
    let (host, rest) = rest.split_once(' ')?;
    let (unit, message) = rest.split_once(": ")?;
    (!unit.contains(' ')).then_some((time_ms, host, message))
}

fn syslog_time<'a>(text: &'a str, clock: &Clock) -> Option<(i64, &'a str)> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (name, rest) = text.split_once(' ')?;
    let month = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
    let (day, rest) = rest.trim_start().split_once(' ')?;
    let (time, rest) = rest.split_once(' ')?;
    Some((complete(None, month, number(day)?, time_of_day(time)?, clock)?, rest))
}

fn iso_time<'a>(text: &'a str, clock: &Clock) -> Option<(i64, &'a str)> {
    let (stamp, rest) = text.split_once(' ')?;
    let (date, time) = stamp.split_once('T')?;
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let cut = time.find(['+', '-', 'Z']).unwrap_or(time.len());
    let (time, zone) = time.split_at(cut);
    let offset_s = match zone.as_bytes() {
        [] => return Some((complete(Some(year), month, day, time_of_day(time)?, clock)?, rest)),
        [b'Z'] => 0,
        [sign, ..] => {
            let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
            let seconds = number(digits.get(..2)?)? * 3600 + digits.get(2..4).map_or(Some(0), number)? * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
    };
    let ms = days(year, month, day)?.checked_mul(DAY_MS)?.checked_add(time_of_day(time)?)?;
    Some((ms - offset_s * 1000, rest))
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// `hh:mm:ss[.fraction]` in milliseconds.
fn time_of_day(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some(((hour * 60 + minute) * 60 + second) * 1000 + number(&digits)?)
}

/// Days since the epoch of a civil date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Completes a local time; without a year it is the latest one that is not more than a day after now. A time that
/// comes twice, as clocks are put back, is the first; one that never comes is as far after the gap as it says.
fn complete(year: Option<i64>, month: i64, day: i64, time_of_day: i64, clock: &Clock) -> Option<i64> {
    let at = |year: i64| {
        let (year, month, day) = (i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        let midnight = jiff::civil::Date::new(year, month, day).ok()?.at(0, 0, 0, 0);
        let wall = midnight.checked_add(jiff::SignedDuration::from_millis(time_of_day)).ok()?;
        Some(clock.zone.to_timestamp(wall).ok()?.as_millisecond())
    };
    if let Some(year) = year {
        return at(year);
    }
    let this = 1970 + clock.now_ms.div_euclid(DAY_MS) * 400 / 146_097;
    let limit = clock.now_ms.saturating_add(DAY_MS);
    (0..=YEARS_BACK + 1).filter_map(|back| at(this + 1 - back)).find(|ms| *ms <= limit)
}

/// Where the message of a line starts, found without reading its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// A level and a time; the message starts at this byte.
    Levelled(usize),
    /// It may have a prefix of syslog or journald, or be one of journald's objects.
    Other,
    /// It goes on with the line before.
    None,
}

/// Looks only at the bytes that tell formats apart.
pub(super) fn head(line: &[u8]) -> Head {
    match line {
        [b'I' | b'W' | b'E' | b'F' | b'D', a, b, c, d, rest @ ..]
            if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) =>
        {
            let near = rest.get(..rest.len().min(PREFIX_BYTES)).unwrap_or_default();
            // Aurora's older form has no brackets of its own.
            let bare = line.get(19..).is_some_and(|rest| rest.starts_with(b"THREAD"));
            match memchr::memchr(b']', near) {
                Some(at) if !bare && near.get(at + 1).is_none_or(|byte| *byte == b' ') => {
                    Head::Levelled((5 + at + 2).min(line.len()))
                }
                _ => Head::Other,
            }
        }
        [b'<' | b'{' | b'0'..=b'9', ..] => Head::Other,
        [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b' ', ..] => Head::Other,
        _ => Head::None,
    }
}

/// Minutes that were read last: lines of one minute share all but seconds.
#[derive(Debug, Default)]
pub(super) struct Minute {
    text: [u8; 10],
    start_ms: Option<i64>,
}

impl Minute {
    /// The time of a line with a level, its year left out.
    pub(super) fn time_ms(&mut self, line: &[u8], clock: &Clock) -> Option<i64> {
        let text: &[u8; 10] = line.get(1..11)?.try_into().ok()?;
        let second = match line.get(11..14)? {
            [b':', tens @ b'0'..=b'5', ones @ b'0'..=b'9'] => i64::from(tens - b'0') * 10 + i64::from(ones - b'0'),
            _ => return None,
        };
        let thousandths = match line.get(14..18)? {
            [b'.', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                i64::from(a - b'0') * 100 + i64::from(b - b'0') * 10 + i64::from(c - b'0')
            }
            _ => return None,
        };
        if self.start_ms.is_none() || self.text != *text {
            let (date, time) = std::str::from_utf8(text).ok()?.split_once(' ')?;
            let (month, day) = (number(date.get(..2)?)?, number(date.get(2..)?)?);
            let (hour, minute) = time.split_once(':')?;
            let (hour, minute) = (number(hour)?, number(minute)?);
            if hour > 23 || minute > 59 {
                return None;
            }
            self.start_ms = complete(None, month, day, (hour * 60 + minute) * 60_000, clock);
            self.text = *text;
        }
        Some(self.start_ms? + second * 1000 + thousandths)
    }
}

/// What `journalctl` is asked for, before the unit. Without its hints a user who may not see everything would take nothing
/// for silence, so it is not asked to be quiet.
pub const JOURNAL_ARGS: [&str; 3] = ["--no-pager", "--output=json", "--unit"];

/// When a line was written, where it says so, and the line as its program wrote it: the journal wraps it.
pub fn timed<'a>(text: &'a str, clock: &Clock) -> (Option<i64>, Cow<'a, str>) {
    match journal_object(text).filter(|_| text.starts_with('{')) {
        Some((time_ms, _, message)) => (time_ms, Cow::Owned(message)),
        None => (parse(text, clock).time_ms, Cow::Borrowed(text)),
    }
}

/// A line as `journalctl -o json` prints it: the time, the host and the message.
pub(super) fn journal_object(line: &str) -> Option<(Option<i64>, Option<String>, String)> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let message = match value.get("MESSAGE")? {
        serde_json::Value::String(text) => text.clone(),
        // Bytes that are no UTF-8 come as numbers.
        serde_json::Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => return None,
    };
    let micros = value.get("__REALTIME_TIMESTAMP").and_then(|at| at.as_str()?.parse::<i64>().ok());
    let host = value.get("_HOSTNAME").and_then(|host| host.as_str()).map(str::to_owned);
    Some((micros.map(|micros| micros / 1000), host, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock::fixed(1_795_374_000_000, 0)
    }

    #[test]
    fn formats() {
        let check = |text: &str, level: Option<char>, time_ms: Option<i64>, origin: Option<&str>, message: &str| {
            let line = parse(text, &clock());
            assert_eq!(
                (line.level, line.time_ms, line.origin, line.message),
                (level, time_ms, origin, message),
                "{text}"
            );
            // The quick ways agree with the long one.
            let bytes = text.as_bytes();
            if let Head::Levelled(at) = head(bytes) {
                assert_eq!(text.get(at..).unwrap().trim_end(), message, "{text}");
                // A year is read the long way.
                let quick = Minute::default().time_ms(bytes, &clock());
                assert_eq!(quick, time_ms.filter(|_| !text.starts_with("I2026")), "{text}");
            }
        };
        let at = Some(1_795_361_734_175);
        check(
            "I1122 15:35:34.175158 19988 replica.cpp:795] Said so",
            Some('I'),
            at,
            Some("replica.cpp:795"),
            "Said so",
        );
        check(
            "I20261122 15:35:34.175158 19988 replica.cpp:795] Said so",
            Some('I'),
            at,
            Some("replica.cpp:795"),
            "Said so",
        );
        check("W1122 15:35:34.175 [main, Logger] Said: so ", Some('W'), at, Some("Logger"), "Said: so");
        check("I1122 15:35:34.175 THREAD12 org.Main.run: Said so", Some('I'), at, Some("org.Main.run"), "Said so");
        check(
            "Nov 22 15:35:35 h1 aurora[17]: I1122 15:35:34.175 [main, L] Said so",
            Some('I'),
            at,
            Some("L"),
            "Said so",
        );
        check("<13>Nov 22 15:35:34 h1 aurora[17]: Said so", None, Some(1_795_361_734_000), None, "Said so");
        check("2026-11-22T16:35:34.175+0100 h1 aurora[17]: Said so", None, at, None, "Said so");
        check(
            "    @     0x56179fcd621d  google::LogMessage::Fail()",
            None,
            None,
            None,
            "    @     0x56179fcd621d  google::LogMessage::Fail()",
        );
        // After now: last year's.
        check("I1231 00:00:00.000 [main, L] x", Some('I'), Some(1_767_139_200_000), Some("L"), "x");
        for odd in ["", "I", "I1122", "I1399 99:99:99.1 1 a:1] x", "<", "Nov", "Nov 22 15:35:34", "I1122 15:35:34.1 ["]
        {
            parse(odd, &clock());
            head(odd.as_bytes());
            journal_object(odd);
        }
    }

    #[test]
    fn zones_and_years() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let clock = Clock { now_ms: 1_795_374_000_000, zone };
        let at = |text: &str| {
            parse(text, &clock).time_ms.map(|ms| jiff::Timestamp::from_millisecond(ms).unwrap().to_string())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(at("I0701 12:00:00.000 [main, L] summer"), some("2026-07-01T10:00:00Z"));
        assert_eq!(at("I1101 12:00:00.000 [main, L] winter"), some("2026-11-01T11:00:00Z"));
        assert_eq!(at("I1025 02:30:00.000 [main, L] twice"), some("2026-10-25T00:30:00Z"));
        assert_eq!(at("I0329 02:30:00.000 [main, L] never"), some("2026-03-29T01:30:00Z"));
        assert_eq!(at("I0229 12:00:00.000 [main, L] leap day"), some("2024-02-29T11:00:00Z"));
        assert_eq!(at("2026-07-01T12:00:00 h1 aurora[1]: no zone"), some("2026-07-01T10:00:00Z"));
        assert_eq!(at("2026-07-01T12:00:00-05:30 h1 aurora[1]: zone"), some("2026-07-01T17:30:00Z"));
    }

    #[test]
    fn objects_of_journald() {
        let text = r#"{"__REALTIME_TIMESTAMP":"1795361734175000","_HOSTNAME":"h1","MESSAGE":"Said so"}"#;
        let want = (Some(1_795_361_734_175), Some("h1".to_owned()), "Said so".to_owned());
        assert_eq!(journal_object(text), Some(want));
        assert_eq!(journal_object(r#"{"MESSAGE":[72,105,255]}"#), Some((None, None, "Hi\u{fffd}".to_owned())));
        assert_eq!(journal_object("{}"), None);
    }
}
