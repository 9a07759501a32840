//! The table of known lines, read from `patterns.tsv`, and how a message is matched.

use serde::{Deserialize, Serialize};

/// What a line means for the health of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Something works.
    Good,
    /// Expected.
    Normal,
    /// A change of state or leadership; many are a sign.
    Change,
    /// Worth a look.
    Warn,
    /// Something does not work.
    Bad,
}

/// One known line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Stable name; several patterns may share one.
    pub kind: &'static str,
    /// `aurora` or `mesos`.
    pub source: &'static str,
    /// What it means for health.
    pub health: Health,
    /// In words.
    pub meaning: &'static str,
    /// Literal parts, and what is allowed before each.
    parts: Vec<(Gap, &'static str)>,
    /// What is allowed after the last.
    tail: Gap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    Nothing,
    Anything,
    Status,
}

/// Statuses as the lines spell them.
const STATUSES: [&str; 4] = ["VOTING", "RECOVERING", "STARTING", "EMPTY"];

impl Pattern {
    fn read(row: &'static str) -> Option<Self> {
        let mut fields = row.split('\t');
        let (kind, source, health) = (fields.next()?, fields.next()?, fields.next()?);
        let (mut rest, meaning) = (fields.next()?, fields.next()?);
        let health = match health {
            "good" => Health::Good,
            "normal" => Health::Normal,
            "change" => Health::Change,
            "warn" => Health::Warn,
            "bad" => Health::Bad,
            _ => return None,
        };
        let mut parts = Vec::new();
        let mut gap = Gap::Nothing;
        while let Some(at) = rest.find('{') {
            let (literal, tail) = rest.split_at(at);
            if !literal.is_empty() || gap == Gap::Nothing {
                parts.push((gap, literal));
            }
            (gap, rest) = match tail.strip_prefix("{}") {
                Some(after) => (Gap::Anything, after),
                None => (Gap::Status, tail.strip_prefix("{status}")?),
            };
        }
        if !rest.is_empty() {
            parts.push((std::mem::replace(&mut gap, Gap::Nothing), rest));
        }
        Some(Self { kind, source, health, meaning, parts, tail: gap })
    }

    /// Whether the message is this line, and the status in it.
    pub fn matches<'m>(&self, message: &'m str) -> Option<Option<&'m str>> {
        let mut rest = message;
        let mut status = None;
        for (gap, literal) in &self.parts {
            if *gap == Gap::Status {
                let (found, after) = status_at(rest)?;
                (status, rest) = (Some(found), after);
            }
            rest = match gap {
                Gap::Nothing | Gap::Status => rest.strip_prefix(literal)?,
                Gap::Anything => rest.get(rest.find(literal)? + literal.len()..)?,
            };
        }
        match self.tail {
            Gap::Anything => Some(status),
            Gap::Nothing => rest.is_empty().then_some(status),
            Gap::Status => status_at(rest).map(|(found, _)| Some(found)),
        }
    }

    /// The byte with which every matching message starts, where the pattern starts with a literal.
    pub(super) fn first_byte(&self) -> Option<u8> {
        self.parts.first().filter(|(gap, _)| *gap == Gap::Nothing).and_then(|(_, literal)| literal.bytes().next())
    }
}

fn status_at(text: &str) -> Option<(&str, &str)> {
    let status = STATUSES.iter().find(|status| text.starts_with(**status))?;
    text.split_at_checked(status.len())
}

/// The whole table, in the order in which it is tried.
pub fn table() -> Vec<Pattern> {
    include_str!("patterns.tsv").lines().filter(|row| !row.starts_with('#')).filter_map(Pattern::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_well_formed() {
        let rows = include_str!("patterns.tsv").lines().filter(|row| !row.starts_with('#')).count();
        assert_eq!(table().len(), rows);
        assert!(rows > 90);
        for pattern in table() {
            assert!(!pattern.parts.is_empty() && !pattern.meaning.is_empty(), "{}", pattern.kind);
            assert!(pattern.parts.iter().any(|(_, literal)| literal.len() > 6), "{}", pattern.kind);
        }
    }

    #[test]
    fn first_match_and_status() {
        let find = |message: &str| {
            table().into_iter().find_map(|p| p.matches(message).map(|status| (p.kind, status.map(str::to_owned))))
        };
        let some = |kind, status: Option<&str>| Some((kind, status.map(str::to_owned)));
        assert_eq!(find("Replica is in VOTING status"), some("replica-status", Some("VOTING")));
        assert_eq!(find("Replica is in ODD status"), None);
        assert_eq!(find("Updating replica status to STARTING"), some("status-update", Some("STARTING")));
        assert_eq!(find("Updating replica status from EMPTY to RECOVERING"), some("status-update", Some("RECOVERING")));
        assert_eq!(
            find("Replica ignoring write request from log-replica(1)@10.0.0.1:1 as it is in EMPTY status"),
            some("write-ignored", Some("EMPTY"))
        );
        assert_eq!(find("SchedulerLifecycle state machine transition ACTIVE -> DEAD"), some("dead", None));
        assert_eq!(find("EXIT with status 1: Failed to recover the log: IO error"), some("recover-failed", None));
    }
}
