//! The table of known lines, read from `assets/log-patterns.tsv` and a reader's own file, and how a message is matched.
//!
//! Most patterns start with what a message starts with: those are found by its first eight bytes. The few that may
//! stand anywhere are looked for in whole blocks at once.

use std::{collections::HashMap, sync::Arc};

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::memmem;
use schemars::JsonSchema;

use serde::{Deserialize, Serialize};

/// What a line means for the health of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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

/// Rows of a reader's own file.
const OWN_ROWS_MAX: usize = 10_000;
/// Bytes of a message by which patterns are looked up.
const KEY: usize = 8;

/// One known line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Stable name; several patterns may share one.
    pub kind: String,
    /// `aurora`, `mesos`, or what a reader's own file says.
    pub source: String,
    /// What it means for health.
    pub health: Health,
    /// The source's releases that have it, as far as known.
    pub releases: Option<String>,
    /// In words.
    pub meaning: String,
    /// The pattern as it was written.
    pub text: String,
    /// Literal parts, and what is allowed before each.
    parts: Vec<(Gap, Vec<u8>)>,
    /// What is allowed after the last.
    tail: Gap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    Nothing,
    Anything,
    Status,
}

/// A row of a table that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct RowError {
    /// Counted from 1.
    pub line: usize,
    /// What does not fit.
    pub why: String,
}

/// Statuses as the lines spell them.
const STATUSES: [&str; 4] = ["VOTING", "RECOVERING", "STARTING", "EMPTY"];

impl Pattern {
    fn read(row: &str) -> Result<Self, String> {
        let fields: Vec<&str> = row.split('\t').collect();
        let [kind, source, health, releases, text, meaning] = fields.as_slice() else {
            return Err(format!("{} columns where there are six, with a tab between them", fields.len()));
        };
        let health = match *health {
            "good" => Health::Good,
            "normal" => Health::Normal,
            "change" => Health::Change,
            "warn" => Health::Warn,
            "bad" => Health::Bad,
            other => return Err(format!("{other:?} is none of good, normal, change, warn, bad")),
        };
        let (mut parts, mut gap, mut rest) = (Vec::new(), Gap::Nothing, *text);
        while let Some(at) = rest.find('{') {
            let (literal, tail) = rest.split_at(at);
            if !literal.is_empty() {
                parts.push((std::mem::replace(&mut gap, Gap::Nothing), literal.as_bytes().to_vec()));
            }
            (gap, rest) = match tail.strip_prefix("{}") {
                Some(after) => (Gap::Anything, after),
                None => (Gap::Status, tail.strip_prefix("{status}").ok_or("{ without } or status}")?),
            };
        }
        if !rest.is_empty() {
            parts.push((std::mem::replace(&mut gap, Gap::Nothing), rest.as_bytes().to_vec()));
        }
        if kind.is_empty() || parts.is_empty() {
            return Err("a kind and a pattern with some text are needed".to_owned());
        }
        let releases = (*releases != "-").then(|| (*releases).to_owned());
        let (kind, source, meaning) = ((*kind).to_owned(), (*source).to_owned(), (*meaning).to_owned());
        Ok(Self { kind, source, health, releases, meaning, text: (*text).to_owned(), parts, tail: gap })
    }

    /// Whether the message is this line, and the status in it.
    pub fn matches(&self, message: &[u8]) -> Option<Option<&'static str>> {
        let mut rest = message;
        let mut status = None;
        for (gap, literal) in &self.parts {
            if *gap == Gap::Status {
                let found = status_at(rest)?;
                (status, rest) = (Some(found), rest.get(found.len()..)?);
            }
            rest = match gap {
                Gap::Nothing | Gap::Status => rest.strip_prefix(literal.as_slice())?,
                Gap::Anything => rest.get(memmem::find(rest, literal)? + literal.len()..)?,
            };
        }
        match self.tail {
            Gap::Anything => Some(status),
            Gap::Nothing => rest.is_empty().then_some(status),
            Gap::Status => status_at(rest).map(Some),
        }
    }

    /// What every matching message starts with, where the pattern says that.
    fn start(&self) -> Option<&[u8]> {
        self.parts.first().filter(|(gap, _)| *gap == Gap::Nothing).map(|(_, literal)| literal.as_slice())
    }
}

fn status_at(text: &[u8]) -> Option<&'static str> {
    STATUSES.into_iter().find(|status| text.starts_with(status.as_bytes()))
}

/// Patterns in the order in which they are tried, and the ways to the few that may match.
#[derive(Debug)]
pub struct Table {
    patterns: Vec<Pattern>,
    /// By the first bytes of a message.
    starts: HashMap<[u8; KEY], Vec<usize>, foldhash::fast::FixedState>,
    /// Those that start with fewer bytes.
    short: Vec<usize>,
    /// Those that may start anywhere.
    floating: Vec<usize>,
    /// Finds the first literal of each of those.
    anywhere: Option<AhoCorasick>,
}

impl Table {
    /// The patterns that this program knows.
    pub fn embedded() -> Arc<Self> {
        Arc::new(Self::of(rows(EMBEDDED).filter_map(|(_, row)| Pattern::read(row).ok()).collect()))
    }

    /// A reader's own patterns, which are tried first, and then those that this program knows.
    pub fn with_own(own: &str) -> Result<Arc<Self>, RowError> {
        let mut patterns = Vec::new();
        for (line, row) in rows(own) {
            if patterns.len() == OWN_ROWS_MAX {
                return Err(RowError { line, why: format!("more than {OWN_ROWS_MAX} patterns") });
            }
            patterns.push(Pattern::read(row).map_err(|why| RowError { line, why })?);
        }
        patterns.extend(rows(EMBEDDED).filter_map(|(_, row)| Pattern::read(row).ok()));
        Ok(Arc::new(Self::of(patterns)))
    }

    fn of(patterns: Vec<Pattern>) -> Self {
        let mut starts: HashMap<[u8; KEY], Vec<usize>, _> = HashMap::default();
        let (mut short, mut floating, mut literals) = (Vec::new(), Vec::new(), Vec::new());
        for (at, pattern) in patterns.iter().enumerate() {
            match pattern.start().map(|start| start.first_chunk::<KEY>()) {
                Some(Some(key)) => starts.entry(*key).or_default().push(at),
                Some(None) => short.push(at),
                None => {
                    floating.push(at);
                    literals.extend(pattern.parts.first().map(|(_, literal)| literal.clone()));
                }
            }
        }
        let mut builder = AhoCorasick::builder();
        // One that cannot be built for its size is left out: then every line is asked.
        let anywhere = builder.match_kind(MatchKind::LeftmostFirst).build(&literals).ok();
        Self { patterns, starts, short, floating, anywhere }
    }

    /// All patterns, in the order in which they are tried.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Where in a block a pattern may match that may start anywhere, ascending; `None` if that is anywhere.
    pub(super) fn anywhere<'b>(&'b self, block: &'b [u8]) -> Option<impl Iterator<Item = usize> + 'b> {
        self.anywhere.as_ref().map(|search| search.find_iter(block).map(|found| found.start()))
    }

    /// The first pattern that matches, and the status in the message; `floating` says whether those are asked that may
    /// start anywhere.
    pub fn find(&self, message: &[u8], floating: bool) -> Option<(usize, Option<&'static str>)> {
        let first = |list: &[usize], below: usize| {
            let mut list = list.iter().take_while(|at| **at < below);
            list.find_map(|at| Some((*at, self.patterns.get(*at)?.matches(message)?)))
        };
        let bucket = message.first_chunk::<KEY>().and_then(|key| self.starts.get(key));
        let mut found = bucket.and_then(|list| first(list, usize::MAX));
        let lists: [&[usize]; 2] = [&self.short, if floating { &self.floating } else { &[] }];
        for list in lists {
            found = first(list, found.map_or(usize::MAX, |(at, _)| at)).or(found);
        }
        found
    }
}

const EMBEDDED: &str = include_str!("../../assets/log-patterns.tsv");

/// Rows with their numbers, without comments.
fn rows(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, row)| (at + 1, row.trim_end_matches('\r')));
    lines.filter(|(_, row)| !row.is_empty() && !row.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_well_formed() {
        for (line, row) in rows(EMBEDDED) {
            let pattern = Pattern::read(row).unwrap_or_else(|why| panic!("line {line}: {why}"));
            assert!(!pattern.meaning.is_empty(), "line {line}");
            let plain = |kind: &str| kind.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            assert!(plain(&pattern.kind) && plain(&pattern.source), "line {line}");
        }
        assert!(rows(EMBEDDED).count() > 230);
    }

    #[test]
    fn own_rows_come_first_and_bad_ones_are_named() {
        let own = "# mine\nmine\town\tbad\t-\tReplica is in {}\tmine\n";
        let table = Table::with_own(own).unwrap();
        assert_eq!(table.find(b"Replica is in VOTING status", false), Some((0, None)));
        for bad in ["a", "a\tb\tc\td\te\tf", "a\tb\tbad\t-\t{}\tf", "a\tb\tbad\t-\tx{y\tf", "\tb\tbad\t-\tx\tf"] {
            assert_eq!(Table::with_own(&format!("#\n{bad}")).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn first_match_and_status() {
        let table = Table::embedded();
        let check = |message: &str, want: Option<(&str, Option<&str>)>| {
            let found = table.find(message.as_bytes(), true);
            assert_eq!(found.map(|(at, status)| (table.patterns()[at].kind.as_str(), status)), want, "{message}");
        };
        check("Replica is in VOTING status", Some(("replica-status", Some("VOTING"))));
        check("Replica is in ODD status", None);
        check("Updating replica status to STARTING", Some(("status-update", Some("STARTING"))));
        check("Updating replica status from EMPTY to RECOVERING", Some(("status-update", Some("RECOVERING"))));
        let ignoring = "Replica ignoring write request from log-replica(1)@10.0.0.1:1 as it is in EMPTY status";
        check(ignoring, Some(("write-ignored", Some("EMPTY"))));
        check("SchedulerLifecycle state machine transition ACTIVE -> DEAD", Some(("dead", None)));
        check("EXIT with status 1: Failed to recover the log: IO error", Some(("recover-failed", None)));
        check("Wrote 7", Some(("append", None)));
        check("", None);
    }
}
