//! The verdict: several replicas, the quorum, the engineer's answers and the evidence of the logs, weighed together.
//!
//! A replica that could not be reached is unknown and is counted as unknown: it neither votes nor is missing. "Unsure"
//! leads to re-initializing, as the procedure has it, except where the evidence shows that this would destroy the only
//! good copy, or that the log is well and something else is wrong. What is deliberately absent: any action.

use serde::{Deserialize, Serialize};

use super::content::Replay;
use super::inspect::Summary;
use super::record::Status;

/// An engineer's answer to a question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Cannot say, or not asked.
    #[default]
    Unsure,
}

/// The three questions of the assessment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Does the scheduler keep failing over?
    pub failing_over: Answer,
    /// Do the logs show unusual replica messages?
    pub unusual_messages: Answer,
    /// Is the log missing or corrupt on any replica?
    pub log_corrupt: Answer,
}

/// What logs and ZooKeeper show of leadership.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leadership {
    /// One leader, staying.
    Stable,
    /// Leadership changes again and again, for no reason on the Mesos side.
    Flapping,
    /// Leaders die because they do not register with Mesos.
    NotRegistering,
    /// Not known.
    #[default]
    Unknown,
}

/// Why the question is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Something is wrong: is it the log?
    #[default]
    Damage,
    /// The state itself is to be rolled back to a backup: what a last copy holds is given up on purpose.
    Rollback,
}

/// One replica as it was found: `None` where nobody could look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// Its host.
    pub host: String,
    /// What its directory says; `None` is unknown.
    pub summary: Option<Summary>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "decision")]
pub enum Decision {
    /// The log is well.
    Healthy,
    /// Initialize the log anew on all replicas and restore a backup into it.
    Reinitialize,
    /// One good copy is left: copy it aside before anything else, initialize nothing.
    DoNotTouchSurvivor {
        /// Where it is.
        host: String,
    },
    /// One replica is bad and the others form a quorum: move its directory aside, do not initialize it, start it.
    OneReplicaOnly {
        /// Which.
        host: String,
    },
    /// The log is well; look at Mesos or ZooKeeper.
    NotTheLog,
    /// Not enough is known.
    CannotTell,
}

/// The decision and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What to do.
    pub decision: Decision,
    /// Sentences, each naming its evidence.
    pub reasons: Vec<String>,
    /// What must be known to tell better.
    pub missing: Vec<String>,
}

/// What one replica is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Votes, opens, and its content can be replayed.
    Good,
    /// Votes and opens, and holds nothing of Aurora.
    Blank,
    /// Votes and opens, and every leader dies on its content, or it replays to nothing although there was something.
    Poisoned,
    /// Opens but does not vote, and holds nothing.
    Idle,
    /// Does not open, or opens with losses.
    Damaged,
    /// Nobody could look, or not everything could be read.
    Unknown,
}

/// Codes of findings that are damage on disk but leave the replayed state whole.
const HARMLESS: [&str; 3] = ["frame-aborted", "table-unreferenced", "wal-torn"];

fn standing(replica: &Replica) -> Standing {
    let Some(summary) = &replica.summary else { return Standing::Unknown };
    let view = &summary.mesos_view;
    if !view.certain || summary.content.unread > 0 {
        return Standing::Unknown;
    }
    let on_disk = summary.findings.iter().any(|finding| {
        finding.severity == super::Severity::Damage
            && !HARMLESS.contains(&finding.code.as_str())
            && !CONTENT.contains(&finding.code.as_str())
            && !ABSENT.contains(&finding.code.as_str())
    });
    if !view.opens || on_disk {
        return Standing::Damaged;
    }
    let holds = match summary.content.replay {
        Replay::Blank | Replay::NoopsOnly => Standing::Blank,
        Replay::Fatal | Replay::EmptyByLoss => Standing::Poisoned,
        Replay::FromSnapshot | Replay::TransactionsOnly => Standing::Good,
    };
    match view.status {
        Some(Status::Voting) => holds,
        _ if view.actions == 0 => Standing::Idle,
        _ => Standing::Damaged,
    }
}

/// Findings about Aurora's content, judged apart from the disk.
const CONTENT: [&str; 4] = ["frame-md5", "entry-undecodable", "operation-unreadable", "snapshot-incomplete"];
/// Findings that only say that nothing is there.
const ABSENT: [&str; 2] = ["directory-missing", "directory-empty"];

/// Everything that is weighed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// One per scheduler.
    pub replicas: Vec<Replica>,
    /// `-native_log_quorum_size`.
    pub quorum: u32,
    /// The engineer's answers.
    pub answers: Answers,
    /// Leadership as logs and ZooKeeper show it.
    pub leadership: Leadership,
    /// Why it is asked.
    pub mode: Mode,
}

struct Weighing<'e> {
    evidence: &'e Evidence,
    standings: Vec<(&'e str, Standing)>,
    reasons: Vec<String>,
    missing: Vec<String>,
}

/// Weighs the evidence.
pub fn judge(evidence: &Evidence) -> Verdict {
    let standings = evidence.replicas.iter().map(|replica| (replica.host.as_str(), standing(replica))).collect();
    let mut weighing = Weighing { evidence, standings, reasons: Vec::new(), missing: Vec::new() };
    weighing.describe();
    let decision = weighing.decide();
    Verdict { decision, reasons: weighing.reasons, missing: weighing.missing }
}

impl<'e> Weighing<'e> {
    fn count(&self, standing: Standing) -> usize {
        self.standings.iter().filter(|(_, s)| *s == standing).count()
    }

    fn hosts(&self, of: &[Standing]) -> Vec<&'e str> {
        self.standings.iter().filter(|(_, s)| of.contains(s)).map(|(host, _)| *host).collect()
    }

    fn quorum(&self) -> usize {
        self.evidence.quorum as usize
    }

    /// One reason per replica, and what could not be learned.
    fn describe(&mut self) {
        for (replica, (host, standing)) in self.evidence.replicas.iter().zip(&self.standings) {
            let text = replica.summary.as_ref().map_or_else(|| "could not be looked at".to_owned(), one_line);
            if *standing == Standing::Unknown {
                self.missing.push(format!("{host}: read its log directory, as a user who may"));
            }
            self.reasons.push(format!("{host}: {text}"));
        }
        let total = self.standings.len();
        if self.quorum() == 0 {
            self.missing.push("the quorum size (-native_log_quorum_size)".to_owned());
        } else if total != 2 * self.quorum() - 1 {
            self.reasons.push(format!(
                "{total} replicas with quorum {} instead of {}: a quorum is not safe to reason about",
                self.quorum(),
                2 * self.quorum() - 1
            ));
        }
        if self.evidence.leadership == Leadership::Unknown {
            self.missing.push("changes of leadership over a window, from ZooKeeper and the scheduler logs".to_owned());
        }
    }

    fn decide(&mut self) -> Decision {
        if self.standings.is_empty() {
            self.missing.push("at least one replica".to_owned());
            return Decision::CannotTell;
        }
        let unknown = self.count(Standing::Unknown);
        let good = self.count(Standing::Good);
        if unknown == self.standings.len() {
            return self.blind();
        }
        // An only good copy among replicas that hold nothing, whatever the answers say.
        if let Some(decision) = self.survivor(good, unknown) {
            return decision;
        }
        if good >= self.quorum().max(1) {
            return self.quorate();
        }
        if unknown > 0 {
            self.reasons.push(format!(
                "{good} replicas are good and {unknown} are unknown: one of the unknown may hold the only good copy"
            ));
            if self.evidence.answers.log_corrupt == Answer::Yes {
                self.reasons.push(
                    "answered: the log is corrupt; look at the unknown replicas before destroying them".to_owned(),
                );
            }
            return Decision::CannotTell;
        }
        self.lost()
    }

    /// Nothing could be read: only the engineer's answers are left.
    fn blind(&mut self) -> Decision {
        if self.evidence.answers == ALL_NO {
            self.reasons.push("no replica could be read, and all three questions were answered with no".to_owned());
            return Decision::CannotTell;
        }
        self.missing
            .push("at least one replica's directory: initializing unseen may destroy the only good copy".to_owned());
        Decision::CannotTell
    }

    fn survivor(&mut self, good: usize, unknown: usize) -> Option<Decision> {
        let total = self.standings.len();
        if good == 0 || total == 1 || good >= self.quorum().max(1) || unknown > 0 && good + unknown >= self.quorum() {
            return None;
        }
        let best = self
            .evidence
            .replicas
            .iter()
            .zip(&self.standings)
            .filter(|(_, (_, standing))| *standing == Standing::Good)
            .max_by_key(|(replica, _)| replica.summary.as_ref().and_then(|summary| summary.mesos_view.end))?;
        let host = best.0.host.clone();
        self.reasons.push(format!(
            "{good} of {total} replicas holds the state and the others form no quorum with it: initializing would destroy it. Copy the directory on {host} aside first"
        ));
        self.challenge();
        if self.evidence.mode == Mode::Rollback {
            self.reasons.push(
                "the state is to be rolled back to a backup: once the copy is aside, the log may be initialized"
                    .to_owned(),
            );
            return Some(Decision::Reinitialize);
        }
        Some(Decision::DoNotTouchSurvivor { host })
    }

    /// A quorum is good.
    fn quorate(&mut self) -> Decision {
        let bad = self.hosts(&[Standing::Damaged, Standing::Poisoned, Standing::Blank, Standing::Idle]);
        match bad.as_slice() {
            [] => self.all_good(),
            [host] => {
                self.reasons.push(format!(
                    "a quorum is good without {host}: move its directory aside, do not initialize it, start it, and it catches up"
                ));
                Decision::OneReplicaOnly { host: (*host).to_owned() }
            }
            [first, ..] => {
                self.reasons.push(format!(
                    "a quorum is good; {} are not: treat them one after another, {first} first, and wait for each to join",
                    bad.join(", ")
                ));
                Decision::OneReplicaOnly { host: (*first).to_owned() }
            }
        }
    }

    fn all_good(&mut self) -> Decision {
        match self.evidence.leadership {
            Leadership::NotRegistering => {
                self.reasons.push("the log is well and leaders die because they do not register with Mesos".to_owned());
                Decision::NotTheLog
            }
            Leadership::Flapping => {
                self.reasons.push(
                    "the log is well although leadership keeps changing: look at ZooKeeper, Mesos and the hosts"
                        .to_owned(),
                );
                Decision::NotTheLog
            }
            Leadership::Stable | Leadership::Unknown => {
                self.challenge();
                Decision::Healthy
            }
        }
    }

    /// No quorum of good copies, and none that could still be.
    fn lost(&mut self) -> Decision {
        let total = self.standings.len();
        let poisoned = self.count(Standing::Poisoned);
        let reason = if poisoned >= self.quorum().max(1) {
            format!(
                "{poisoned} of {total} replicas agree on content that no scheduler can replay: the log is bad although Mesos is content with it"
            )
        } else if self.count(Standing::Blank) + self.count(Standing::Idle) == total {
            "no replica holds any state: there is nothing to lose, and a backup must bring the state back".to_owned()
        } else {
            format!(
                "only {} of {total} replicas are good, fewer than the quorum of {}",
                self.count(Standing::Good),
                self.quorum()
            )
        };
        self.reasons.push(reason);
        let damaged =
            self.evidence.replicas.iter().filter(|r| r.summary.as_ref().is_some_and(|s| s.salvage.learned > 0));
        let damaged: Vec<&str> = damaged.map(|replica| replica.host.as_str()).collect();
        if !damaged.is_empty() {
            self.reasons.push(format!(
                "copy the directories on {} aside before: what is in them may be newer than the backup",
                damaged.join(", ")
            ));
        }
        Decision::Reinitialize
    }

    /// Says where the engineer's answers differ from the evidence.
    fn challenge(&mut self) {
        let answers = self.evidence.answers;
        if answers.log_corrupt == Answer::Yes && self.hosts(&[Standing::Damaged, Standing::Poisoned]).is_empty() {
            self.reasons.push(
                "answered: the log is missing or corrupt on a replica; no directory that was read shows damage"
                    .to_owned(),
            );
        }
        if answers.failing_over == Answer::Yes && self.evidence.leadership == Leadership::Stable {
            self.reasons.push(
                "answered: the scheduler keeps failing over; logs and ZooKeeper show one stable leader".to_owned(),
            );
        }
    }
}

const ALL_NO: Answers = Answers { failing_over: Answer::No, unusual_messages: Answer::No, log_corrupt: Answer::No };

/// A replica in one line, for reasons and rows.
pub fn one_line(summary: &Summary) -> String {
    let view = &summary.mesos_view;
    if !summary.exists {
        return "has no log directory".to_owned();
    }
    if let Some(error) = &view.error {
        return format!("does not open: {error}");
    }
    let status = view.status.map_or_else(|| "of unknown status".to_owned(), |status| status.to_string());
    let holds = match summary.content.replay {
        Replay::Blank => "no entry of Aurora",
        Replay::NoopsOnly => "only noops",
        Replay::FromSnapshot => "a snapshot",
        Replay::TransactionsOnly => "transactions without a snapshot",
        Replay::EmptyByLoss => "only an incomplete snapshot",
        Replay::Fatal => "an entry on which every scheduler dies",
    };
    let mut line =
        format!("{status}, positions {} to {}, {holds}", view.begin.unwrap_or_default(), view.end.unwrap_or_default());
    let damage = summary.findings.iter().find(|finding| finding.severity == super::Severity::Damage);
    if let Some(finding) = damage {
        let place = finding.file.as_deref().map(|file| format!(" in {file}")).unwrap_or_default();
        line = format!("{line}; {}{place}", finding.code);
    }
    line
}
