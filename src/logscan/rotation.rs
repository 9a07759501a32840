//! Names of rotated logs: which belong together, and in which order they were written.

use std::cmp::Reverse;

/// How old a file of a rotated set is: dated ones in order, then numbered ones from the highest down, then the live one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// Rotated on a day.
    Dated(String),
    /// Rotated so many times.
    Numbered(Reverse<u32>),
    /// Written to.
    Live,
}

/// The name that a rotated set shares, and the file's place in it. Compressed files belong to it.
pub fn rotated(name: &str) -> (String, Age) {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
    // aurora.log.2026-11-22 and aurora.log-2026-11-22
    let from = plain.len().saturating_sub(11);
    if let Some((base, date)) = plain.split_at_checked(from)
        && let Some(date) = date.strip_prefix(['.', '-'])
        && !base.is_empty()
        && digits(date) == 8
        && date.split('-').count() == 3
    {
        return (base.to_owned(), Age::Dated(date.replace('-', "")));
    }
    if let Some((base, end)) = plain.rsplit_once(['.', '-'])
        && !base.is_empty()
        && !end.is_empty()
        && end.chars().all(|letter| letter.is_ascii_digit())
    {
        return match end.parse() {
            Ok(number) if end.len() < 8 => (base.to_owned(), Age::Numbered(Reverse(number))),
            _ => (base.to_owned(), Age::Dated(end.to_owned())),
        };
    }
    (plain.to_owned(), Age::Live)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_sets_are_in_order() {
        let mut names = ["a.log", "a.log.1", "a.log.10.gz", "a.log.2.gz", "a.log-20261121.gz", "a.log.2026-11-22"];
        names.sort_by_key(|name| rotated(name));
        let want = ["a.log-20261121.gz", "a.log.2026-11-22", "a.log.10.gz", "a.log.2.gz", "a.log.1", "a.log"];
        assert_eq!(names, want);
        for odd in ["", ".gz", ".1", "1", "-", "node3.b.log", "ü.1"] {
            rotated(odd);
        }
    }
}
