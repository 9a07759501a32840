//! Counting lines by kind, and the story of leadership that they tell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::line::{Clock, Line, parse};
use super::patterns::{Health, Pattern, table};
use crate::replog::verdict::Leadership;

/// Bytes of a line that are looked at; log lines of both programs stay far below, except for printed protobufs.
const LINE_BYTES: usize = 8 * 1024;
/// Bytes of a line that are kept as a sample.
const SAMPLE_BYTES: usize = 400;
/// Samples kept per kind: the first ones and the last ones.
const SAMPLES_FIRST: usize = 3;
const SAMPLES_LAST: usize = 5;
/// Elections kept; older ones are dropped and counted.
const ELECTIONS_MAX: usize = 2000;

/// A line kept as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Counted from 1.
    pub line: u64,
    /// Milliseconds since the epoch.
    pub time_ms: Option<i64>,
    /// The line without control characters, shortened.
    pub text: String,
}

/// How many lines of one kind there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindCount {
    /// How many.
    pub count: u64,
    /// What the kind means for health.
    pub health: Health,
    /// In words.
    pub meaning: String,
    /// The status in the line, where it has one: status to count.
    pub statuses: BTreeMap<String, u64>,
    /// Time of the first and the last.
    pub first_ms: Option<i64>,
    /// Time of the last.
    pub last_ms: Option<i64>,
    /// The first lines and the last lines.
    pub samples: Vec<Sample>,
}

/// Why a leadership ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// A staged backup was committed.
    Commit,
    /// Asked to quit over HTTP.
    Quit,
    /// The Mesos side did not answer in time.
    RegistrationTimeout,
    /// The ZooKeeper session or ballot was lost.
    LostLeadership,
    /// The leading timer ran out.
    AutomaticFailover,
    /// The content of the log failed a checksum or could not be replayed.
    ContentCorrupt,
    /// A write or read of the log failed: no quorum, or a disk.
    LogFailed,
    /// Mesos refused the framework.
    MesosError,
    /// Another lifecycle error.
    Exception,
    /// It ended in order, for a reason that the log does not give.
    Shutdown,
    /// The process started again without having said that it ends.
    Died,
}

/// One leadership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Election {
    /// Line of the election, counted from 1.
    pub line: u64,
    /// When it was elected.
    pub started_ms: Option<i64>,
    /// Whether it registered with Mesos.
    pub registered: bool,
    /// When it ended; `None` while it lasts.
    pub ended_ms: Option<i64>,
    /// Why it ended; `None` while it lasts.
    pub end: Option<End>,
    /// The date of the snapshot that it applied, as printed.
    pub snapshot: Option<String>,
    /// It found no framework id: the state was empty.
    pub empty_state: bool,
}

/// What a replica said of its directory when it last started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastPositions {
    /// When.
    pub time_ms: Option<i64>,
    /// The line's own words.
    pub text: String,
}

/// A conclusion from lines, with the kinds that support it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Stable.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// Kinds of lines whose samples show it.
    pub kinds: Vec<String>,
}

/// What the lines say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// Lines read.
    pub lines: u64,
    /// Lines of a known kind.
    pub matched: u64,
    /// By kind.
    pub counts: BTreeMap<String, KindCount>,
    /// Leaderships of this host, ascending; at most 2000.
    pub elections: Vec<Election>,
    /// Leaderships that were dropped for that limit.
    pub elections_dropped: u64,
    /// The last status that the replica gave of itself.
    pub last_status: Option<String>,
    /// How often it gave that status since it last changed.
    pub last_status_repeats: u64,
    /// What it last said of its positions.
    pub last_positions: Option<LastPositions>,
    /// Time of the oldest line that has one.
    pub first_ms: Option<i64>,
    /// Time of the newest line that has one.
    pub last_ms: Option<i64>,
}

/// Reads lines one by one.
#[derive(Debug)]
pub struct Scanner {
    clock: Clock,
    patterns: Vec<Pattern>,
    /// Patterns by the first byte of their message; those that may start anywhere are in each list.
    by_byte: Vec<Vec<usize>>,
    scan: Scan,
    /// Why the present leadership will have ended, as far as it is known.
    cause: Option<End>,
    leading: bool,
    time_ms: Option<i64>,
}

impl Scanner {
    /// A scanner for the log of one host.
    pub fn new(clock: Clock) -> Self {
        let patterns = table();
        let by_byte = (0..=u8::MAX)
            .map(|byte| {
                let fits = |pattern: &Pattern| pattern.first_byte().is_none_or(|first| first == byte);
                patterns.iter().enumerate().filter(|(_, pattern)| fits(pattern)).map(|(at, _)| at).collect()
            })
            .collect();
        Self { clock, patterns, by_byte, scan: Scan::default(), cause: None, leading: false, time_ms: None }
    }

    /// Takes the next line, with or without its line end.
    pub fn line(&mut self, text: &str) {
        self.scan.lines += 1;
        let text = cut(text, LINE_BYTES);
        let line = parse(text, self.clock);
        if let Some(ms) = line.time_ms {
            self.time_ms = Some(ms);
            self.scan.first_ms = Some(self.scan.first_ms.map_or(ms, |first| first.min(ms)));
            self.scan.last_ms = Some(self.scan.last_ms.map_or(ms, |last| last.max(ms)));
        }
        let Some((at, status)) = self.find(&line) else { return };
        self.scan.matched += 1;
        self.count(at, status, text);
        self.story(at, status, line.message);
    }

    /// Everything that was said.
    pub fn finish(self) -> Scan {
        self.scan
    }

    fn find<'l>(&self, line: &Line<'l>) -> Option<(usize, Option<&'l str>)> {
        let first = usize::from(*line.message.as_bytes().first()?);
        let mut candidates = self.by_byte.get(first)?.iter();
        candidates.find_map(|at| Some((*at, self.patterns.get(*at)?.matches(line.message)?)))
    }

    fn count(&mut self, at: usize, status: Option<&str>, text: &str) {
        let Some(pattern) = self.patterns.get(at) else { return };
        let kind = self.scan.counts.entry(pattern.kind.to_owned()).or_insert_with(|| KindCount {
            count: 0,
            health: pattern.health,
            meaning: pattern.meaning.to_owned(),
            statuses: BTreeMap::new(),
            first_ms: self.time_ms,
            last_ms: None,
            samples: Vec::new(),
        });
        kind.count += 1;
        kind.last_ms = self.time_ms;
        if let Some(status) = status {
            *kind.statuses.entry(status.to_owned()).or_default() += 1;
        }
        if kind.samples.len() == SAMPLES_FIRST + SAMPLES_LAST {
            kind.samples.remove(SAMPLES_FIRST);
        }
        let text = cut(text, SAMPLE_BYTES).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        kind.samples.push(Sample { line: self.scan.lines, time_ms: self.time_ms, text });
    }

    fn story(&mut self, at: usize, status: Option<&str>, message: &str) {
        let Some(kind) = self.patterns.get(at).map(|pattern| pattern.kind) else { return };
        match kind {
            "process-start" => {
                self.end(End::Died);
                self.cause = None;
            }
            "elected" => self.elect(),
            "registered" | "reregistered" | "active" => self.leader(|election| election.registered = true),
            "framework-missing" => self.leader(|election| election.empty_state = true),
            "snapshot-applied" => {
                let date = message.strip_prefix("Applying snapshot taken on ").unwrap_or_default().to_owned();
                self.leader(|election| election.snapshot = Some(date));
            }
            // A call that failed did not end anything.
            "call-failed" => self.cause = self.cause.filter(|cause| *cause != End::Commit),
            "dead" | "run-exited" => self.end(End::Shutdown),
            "recovered-positions" => {
                self.scan.last_positions = Some(LastPositions { time_ms: self.time_ms, text: message.to_owned() });
            }
            "replica-status" | "status-persisted" => self.status(status),
            _ => self.blame(kind),
        }
    }

    /// Remembers the first reason that is given for the end to come.
    fn blame(&mut self, kind: &str) {
        let cause = match kind {
            "recovery-commit" => End::Commit,
            "quit" => End::Quit,
            "registration-timeout" => End::RegistrationTimeout,
            "lost-leadership" => End::LostLeadership,
            "automatic-failover" => End::AutomaticFailover,
            "frame-checksum" => End::ContentCorrupt,
            "noop-failed" | "log-read-timeout" | "log-read-problem" | "log-append-timeout" | "log-append-problem"
            | "log-unusable" | "coordinator-crash" => End::LogFailed,
            "mesos-error" => End::MesosError,
            "unchecked-exception" | "recovery-failed" | "advertise-failed" => End::Exception,
            _ => return,
        };
        // An exception often wraps the reason, on the same line or on a later one of its trace.
        let weak = matches!(self.cause, None | Some(End::Commit | End::Exception));
        if self.leading && weak {
            self.cause = Some(cause);
        }
    }

    fn elect(&mut self) {
        self.end(End::Died);
        self.cause = None;
        self.leading = true;
        if self.scan.elections.len() == ELECTIONS_MAX {
            self.scan.elections.remove(0);
            self.scan.elections_dropped += 1;
        }
        self.scan.elections.push(Election {
            line: self.scan.lines,
            started_ms: self.time_ms,
            registered: false,
            ended_ms: None,
            end: None,
            snapshot: None,
            empty_state: false,
        });
    }

    fn leader(&mut self, change: impl FnOnce(&mut Election)) {
        if self.leading
            && let Some(election) = self.scan.elections.last_mut()
        {
            change(election);
        }
    }

    fn end(&mut self, otherwise: End) {
        let (end, time_ms) = (self.cause.take().unwrap_or(otherwise), self.time_ms);
        self.leader(|election| {
            election.ended_ms = time_ms;
            election.end = Some(end);
        });
        self.leading = false;
    }

    fn status(&mut self, status: Option<&str>) {
        let status = status.map(str::to_owned);
        if self.scan.last_status == status {
            self.scan.last_status_repeats += 1;
        } else {
            self.scan.last_status = status;
            self.scan.last_status_repeats = 1;
        }
    }
}

/// At most `max` bytes, cut between characters.
fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// A status repeated so often is stuck; a member retries every half to one second.
const STUCK_REPEATS: u64 = 5;
/// Elections on one host within the window that count as flapping.
const FLAPPING_ELECTIONS: usize = 3;

impl Scan {
    /// How many lines of a kind there are.
    pub fn count(&self, kind: &str) -> u64 {
        self.counts.get(kind).map_or(0, |kind| kind.count)
    }

    /// Lines of a kind with a status.
    pub fn count_status(&self, kind: &str, status: &str) -> u64 {
        self.counts.get(kind).and_then(|kind| kind.statuses.get(status)).copied().unwrap_or(0)
    }

    /// Lines that speak against health.
    pub fn bad_lines(&self) -> u64 {
        self.counts.values().filter(|kind| kind.health == Health::Bad).map(|kind| kind.count).sum()
    }

    /// Leaderships that began or ended within `from_ms..=to_ms`, each of which is one change.
    pub fn leadership_changes(&self, from_ms: i64, to_ms: i64) -> usize {
        let within = |ms: Option<i64>| ms.is_some_and(|ms| (from_ms..=to_ms).contains(&ms));
        self.elections.iter().map(|e| usize::from(within(e.started_ms)) + usize::from(within(e.ended_ms))).sum()
    }

    /// Leadership as this host's log shows it from a time on. A host that was never elected says nothing.
    pub fn leadership(&self, from_ms: i64) -> Leadership {
        let recent: Vec<&Election> =
            self.elections.iter().filter(|e| e.started_ms.is_some_and(|ms| ms >= from_ms)).collect();
        let unregistered = recent.iter().filter(|e| e.end == Some(End::RegistrationTimeout)).count();
        match (recent.len(), self.elections.last()) {
            (1.., _) if unregistered * 2 > recent.len() => Leadership::NotRegistering,
            (FLAPPING_ELECTIONS.., _) => Leadership::Flapping,
            (_, Some(Election { end: None, .. })) => Leadership::Stable,
            _ => Leadership::Unknown,
        }
    }

    /// What the lines add up to.
    pub fn diagnoses(&self) -> Vec<Diagnosis> {
        let mut found = Vec::new();
        let mut add = |code: &str, kinds: &[&str], message: String| {
            let kinds =
                kinds.iter().filter(|kind| self.counts.contains_key(**kind)).map(|kind| (*kind).to_owned()).collect();
            found.push(Diagnosis { code: code.to_owned(), message, kinds });
        };
        let stuck = self.last_status.as_deref().filter(|s| *s != "VOTING" && self.last_status_repeats >= STUCK_REPEATS);
        if let Some(status) = stuck {
            let voting = self.count_status("recover-response", "VOTING") > 0;
            let also =
                if voting { "; a VOTING replica answers, so a good copy may be left: do not initialize" } else { "" };
            add(
                "replica-stuck",
                &["replica-status", "recover-response", "recover-unfinished"],
                format!("this replica stays {status}, said {} times{also}", self.last_status_repeats),
            );
        }
        let rules: [(&str, &[&str], &str); 10] = [
            ("not-initialized", &["not-initialized"], "no replica of the group is initialized"),
            (
                "content-corrupt",
                &["frame-checksum"],
                "the content of the log fails its checksum: every leader dies on it",
            ),
            ("directory-damaged", &["recover-failed", "record-corrupt"], "the local directory does not open"),
            (
                "log-failing",
                &[
                    "noop-failed",
                    "log-read-timeout",
                    "log-read-problem",
                    "log-append-timeout",
                    "log-append-problem",
                    "write-error",
                    "read-error",
                ],
                "reads or writes of the log fail",
            ),
            ("quorum-lost", &["quorum-ignored", "coordinator-crash"], "a quorum of replicas does not vote"),
            (
                "writer-refused",
                &["writer-timeout"],
                "the leader is not elected inside the log: no quorum, or competing leaders",
            ),
            (
                "not-registering",
                &["registration-timeout", "mesos-error"],
                "the Mesos side refuses or does not answer: not the log",
            ),
            ("state-empty", &["framework-missing"], "a leader found no framework id: the state was empty"),
            (
                "zookeeper",
                &["session-expired", "group-failed", "lost-leadership", "advertise-failed"],
                "ZooKeeper sessions are lost",
            ),
            ("frames-aborted", &["frame-aborted", "frame-orphan"], "partial writes are in the log"),
        ];
        for (code, kinds, message) in rules {
            let lines: u64 = kinds.iter().map(|kind| self.count(kind)).sum();
            if lines > 0 {
                add(code, kinds, format!("{message} ({lines} lines)"));
            }
        }
        found
    }
}
