//! One line: its prefixes stripped, its time completed.
//!
//! Formats: glog (`Immdd hh:mm:ss.uuuuuu tid file:line] `, since 0.6 with a year), logback as Aurora sets it
//! (`Immdd hh:mm:ss.mmm [thread, logger] `), Aurora's older form without brackets, and in front of these journald,
//! syslog and ISO timestamps with a host and a unit.

use serde::{Deserialize, Serialize};

/// What the caller knows of time: most lines have no year and no zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Now, milliseconds since the epoch; no line is taken to be more than a day after it.
    pub now_ms: i64,
    /// Seconds that the logging host's local time is ahead of UTC.
    pub offset_s: i32,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A line taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// `I`, `W`, `E`, `F` or `D` where the line has a level.
    pub level: Option<char>,
    /// Milliseconds since the epoch, where the line has a time.
    pub time_ms: Option<i64>,
    /// `file.cpp:123` of glog, or the logger of logback.
    pub origin: Option<&'a str>,
    /// What is said.
    pub message: &'a str,
}

/// Takes a line apart. A line without any known prefix is all message.
pub fn parse(text: &str, clock: Clock) -> Line<'_> {
    let text = text.trim_end_matches(['\r', '\n', ' ']);
    let plain = Line { level: None, time_ms: None, origin: None, message: text };
    if let Some(line) = levelled(text, clock) {
        return line;
    }
    let Some((time_ms, rest)) = outer(text, clock) else { return plain };
    let inner = levelled(rest, clock).unwrap_or(Line { message: rest, ..plain });
    Line { time_ms: inner.time_ms.or(time_ms), ..inner }
}

/// `Immdd hh:mm:ss.fraction ...`.
fn levelled(text: &str, clock: Clock) -> Option<Line<'_>> {
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
    Some(Line { level: Some(level), time_ms: Some(time_ms), origin, message })
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
fn outer(text: &str, clock: Clock) -> Option<(Option<i64>, &str)> {
    let text = text.strip_prefix('<').and_then(|rest| rest.split_once('>')).map_or(text, |(_, rest)| rest);
    let (time_ms, rest) = syslog_time(text, clock).or_else(|| iso_time(text, clock))?;
    let (_host, rest) = rest.split_once(' ')?;
    let (unit, message) = rest.split_once(": ")?;
    (!unit.contains(' ')).then_some((Some(time_ms), message))
}

fn syslog_time(text: &str, clock: Clock) -> Option<(i64, &str)> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (name, rest) = text.split_once(' ')?;
    let month = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
    let (day, rest) = rest.trim_start().split_once(' ')?;
    let (time, rest) = rest.split_once(' ')?;
    Some((complete(None, month, number(day)?, time_of_day(time)?, clock)?, rest))
}

fn iso_time(text: &str, clock: Clock) -> Option<(i64, &str)> {
    let (stamp, rest) = text.split_once(' ')?;
    let (date, time) = stamp.split_once('T')?;
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let cut = time.find(['+', '-', 'Z']).unwrap_or(time.len());
    let (time, zone) = time.split_at(cut);
    let offset_s = match zone.as_bytes() {
        [] => i64::from(clock.offset_s),
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

/// Completes a local time; without a year it is the latest one that is not more than a day after now.
fn complete(year: Option<i64>, month: i64, day: i64, time_of_day: i64, clock: Clock) -> Option<i64> {
    let offset_ms = i64::from(clock.offset_s) * 1000;
    let at = |year| Some(days(year, month, day)? * DAY_MS + time_of_day - offset_ms);
    if let Some(year) = year {
        return at(year);
    }
    let this = 1970 + clock.now_ms.div_euclid(DAY_MS) * 400 / 146_097;
    let limit = clock.now_ms.saturating_add(DAY_MS);
    [this + 1, this, this - 1].into_iter().filter_map(at).find(|ms| *ms <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock = Clock { now_ms: 1_795_374_000_000, offset_s: 0 };

    #[test]
    fn formats() {
        let check = |text: &str, level: Option<char>, time_ms: Option<i64>, origin: Option<&str>, message: &str| {
            assert_eq!(parse(text, CLOCK), Line { level, time_ms, origin, message }, "{text}");
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
            parse(odd, CLOCK);
        }
    }
}
