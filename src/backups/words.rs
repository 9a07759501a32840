//! Numbers and times as words.

use std::time::Duration;

/// An age in words: two units are enough.
pub fn age(age_ms: Option<i64>) -> String {
    match age_ms.map(u64::try_from) {
        Some(Ok(ms)) => span(ms),
        Some(Err(_)) => "of the future".to_owned(),
        None => "unknown".to_owned(),
    }
}

/// A span of time in words, two units.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    let unit = match seconds {
        86_400.. => 3_600,
        3_600.. => 60,
        _ => 1,
    };
    let words = humantime::format_duration(Duration::from_secs(seconds / unit * unit)).to_string();
    words
        .replace("days", "d")
        .replace("day", "d")
        .replace("months", "mo")
        .replace("month", "mo")
        .replace("years", "y")
        .replace("year", "y")
}

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `41.1 kB`: powers of ten, as disks and `ls --si` count.
pub fn bytes(number: u64) -> String {
    let mut amount = number as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if amount < 999.95 {
            return if unit == "B" { format!("{amount:.0} B") } else { format!("{amount:.1} {unit}") };
        }
        amount /= 1000.0;
    }
    format!("{amount:.1} TB")
}

/// `1 task`, `2 tasks`.
pub fn count(number: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A moment in UTC, to the second.
pub fn moment(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms);
    at.map_or_else(|_| "a time beyond any calendar".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let ages = [(0, "0s"), (61_000, "1m 1s"), (10_861_000, "3h 1m"), (176_400_000, "2d 1h")];
        for (ms, words) in ages {
            assert_eq!(age(Some(ms)), words);
        }
        assert_eq!((age(Some(-1)).as_str(), age(None).as_str()), ("of the future", "unknown"));
        let sizes = [(0, "0 B"), (999, "999 B"), (41_144, "41.1 kB"), (999_960, "1.0 MB"), (917_920_653, "917.9 MB")];
        for (number, words) in sizes {
            assert_eq!(bytes(number), words);
        }
        assert_eq!(
            (grouped(7).as_str(), grouped(41_144).as_str(), grouped(1_000_000).as_str()),
            ("7", "41,144", "1,000,000")
        );
        assert_eq!((count(1, "task"), count(0, "task")), ("1 task".to_owned(), "0 tasks".to_owned()));
        assert_eq!(moment(1_795_363_493_636), "2026-11-22 16:04:53 UTC");
    }
}
