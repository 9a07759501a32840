//! What lines said, and what that adds up to on one host.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::patterns::Health;
use crate::replog::verdict::Leadership;

/// Lines of each kind that support a diagnosis.
const EVIDENCE: usize = 3;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A line kept as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// The file, where one was named.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub file: String,
    /// In that file, counted from 1.
    pub line: u64,
    /// Milliseconds since the epoch.
    pub time_ms: Option<i64>,
    /// The line without control characters, shortened.
    pub text: String,
}

/// How many lines of one kind there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KindCount {
    /// How many.
    pub count: u64,
    /// What the kind means for health.
    pub health: Health,
    /// In words.
    pub meaning: String,
    /// The status in the line, where it has one: status to count.
    pub statuses: BTreeMap<String, u64>,
    /// Releases of the program that says it, as far as known.
    pub releases: Option<String>,
    /// By the host that a prefix of syslog or journald names; at most 1000.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub hosts: BTreeMap<String, u64>,
    /// By minute: its start in milliseconds since the epoch, and how many; the newest 10,080, a week's.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub minutes: Vec<(i64, u64)>,
    /// Minutes that were dropped for that limit.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub minutes_dropped: u64,
    /// Time of the first.
    pub first_ms: Option<i64>,
    /// Time of the last.
    pub last_ms: Option<i64>,
    /// The first lines and the last lines.
    pub samples: Vec<Sample>,
}

/// Why a leadership ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Election {
    /// The file, where one was named.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub file: String,
    /// Line of the election in that file, counted from 1.
    pub line: u64,
    /// Where the reason for the end stands, or where it ended.
    pub ended_at: Option<Sample>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastPositions {
    /// When.
    pub time_ms: Option<i64>,
    /// The line's own words.
    pub text: String,
}

/// A conclusion from lines, with the kinds that support it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnosis {
    /// Stable.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// Whether something is wrong; else it is only worth knowing.
    pub bad: bool,
    /// Kinds of lines whose samples show it.
    pub kinds: Vec<String>,
    /// Some of those lines.
    pub evidence: Vec<Sample>,
}

/// What the lines say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scan {
    /// Lines read.
    pub lines: u64,
    /// Lines that were not counted, because they are not of the time that was asked for.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub outside: u64,
    /// Lines whose end was not looked at, being longer than 64 KiB.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub cut: u64,
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

    /// Elections from a time on that speak of unrest. A leader that someone stopped, or that committed a backup, ended in
    /// order: a restart by hand is none of the log's doing.
    pub fn recent_elections(&self, from_ms: i64) -> u64 {
        let in_order = |end: Option<End>| matches!(end, Some(End::Commit | End::Quit | End::Shutdown));
        let counts = |e: &&Election| e.started_ms.is_some_and(|ms| ms >= from_ms) && !in_order(e.end);
        self.elections.iter().filter(counts).count() as u64
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

    pub(super) fn diagnosis(&self, code: &str, bad: bool, kinds: &[&str], message: String) -> Diagnosis {
        let seen = || kinds.iter().filter_map(|kind| Some((*kind, self.counts.get(*kind)?)));
        let kinds = seen().map(|(kind, _)| kind.to_owned()).collect();
        let evidence = seen().flat_map(|(_, count)| count.samples.iter().take(EVIDENCE).cloned()).collect();
        Diagnosis { code: code.to_owned(), message, bad, kinds, evidence }
    }

    /// True if the last status that this replica gave of itself is not VOTING, and it gave it again and again.
    pub fn stuck(&self) -> bool {
        self.last_status.as_deref().is_some_and(|s| s != "VOTING") && self.last_status_repeats >= STUCK_REPEATS
    }

    /// What the lines of this host add up to.
    pub fn diagnoses(&self) -> Vec<Diagnosis> {
        let mut found = Vec::new();
        let mut add = |code: &str, kinds: &[&str], message: String| {
            found.push(self.diagnosis(code, code != "frames-aborted", kinds, message));
        };
        if let Some(status) = self.last_status.as_deref().filter(|_| self.stuck()) {
            let voting = self.count_status("recover-response", "VOTING") > 0;
            let also =
                if voting { "; a VOTING replica answers, so a good copy may be left: do not initialize" } else { "" };
            add(
                "replica-stuck",
                &["replica-status", "recover-response", "recover-unfinished"],
                format!("this replica stays {status}, said {} times{also}", self.last_status_repeats),
            );
        }
        let rules: [(&str, &[&str], &str); 11] = [
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
                    "append-failed",
                    "log-timeout",
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
            (
                "state-empty",
                &["framework-missing"],
                "a leader found no framework id, the state was empty: expected only of a new cluster or while it is kept off Mesos",
            ),
            (
                "zookeeper",
                &["session-expired", "group-failed", "lost-leadership", "advertise-failed"],
                "ZooKeeper sessions are lost",
            ),
            ("replay-failed", &["recovery-failed"], "the log was not replayed to its end"),
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
