//! The kinds of actions and probes a runbook may name: their shapes, nothing of what they do.
//!
//! A kind is one value in three roles: what the author wrote, the same with its texts rendered
//! (as it is journaled and run), and the inverse that undoes it. What each does lives in
//! `crate::actions`, one file per kind; what is here is pure.

mod aurora;
mod blast;
mod firewall;
mod flags;
mod generic;
mod log;
mod service;

pub use aurora::{Aurora, Backup, Backups, Leader, Master, Presence, Replica, ReplicaStatus, Serverset, Vars, Verdict};
pub use blast::{Impact, Outcome, Sweep};
pub use firewall::Firewall;
pub use flags::{Flags, Wanted};
pub use generic::{Capture, Command, Files, Http, LogLines, Method, Port, Process, UndoWhat, Wait, Zookeeper};
pub use log::{Elections, InitializeLog, Leadership, LogGroup, Quorum};
pub use service::{Service, mark_beside};

use serde::{Deserialize, Serialize};

use super::text::Slot;

/// An action or a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Run a program or a shell line on the row's host.
    Command(Command),
    /// Start, stop or look at a service by the inventory's templates.
    Service(Service),
    /// Refuse traffic from outside, let it in again, or look at the rules.
    Firewall(Firewall),
    /// Edit, restore or look at a scheduler's flags.
    Flags(Flags),
    /// Move aside, move back, copy, remove or look at files.
    Files(Files),
    /// One HTTP request.
    Http(Http),
    /// Read a node of a ZooKeeper ensemble.
    Zookeeper(Zookeeper),
    /// Let time pass.
    Wait(Wait),
    /// Is a service's process there?
    Process(Process),
    /// Does something accept connections?
    Port(Port),
    /// Count lines of a log by kind.
    LogLines(LogLines),
    /// Undo what this session changed.
    Undo(UndoWhat),
    /// A call of the scheduler's API.
    Aurora(Aurora),
    /// A scheduler's `/vars`.
    Vars(Vars),
    /// Who is advertised in ZooKeeper.
    Serverset(Serverset),
    /// Who leads, asked three ways.
    Leader(Leader),
    /// One replica of the log, read-only.
    Replica(Replica),
    /// The backups in a directory, decoded.
    Backups(Backups),
    /// One backup file, decoded.
    Backup(Backup),
    /// What the Mesos master knows.
    Master(Master),
    /// Judge the replicated log from what earlier steps saw.
    Verdict(Verdict),
    /// Who led when, by the logs of every host.
    Elections(Elections),
    /// Who leads while one watches, by ZooKeeper.
    Leadership(Leadership),
    /// Quorum arithmetic over every replica.
    Quorum(Quorum),
    /// Who is registered in ZooKeeper as a replica of the log.
    LogGroup(LogGroup),
    /// Initialize one replica of the log.
    InitializeLog(InitializeLog),
    /// What restoring a backup would do to what runs.
    Impact(Impact),
    /// What was predicted, against what there is now.
    Outcome(Outcome),
    /// When unknown tasks are swept.
    Sweep(Sweep),
}

/// Outputs of `verdict`.
const VERDICT: &[&str] = &[
    "decision",
    "initialize",
    "host",
    "headline",
    "reason",
    "reasons",
    "missing",
    "contradicted",
    "challenge",
    "copy_first",
    "verdict",
    "page",
];

/// Outputs of `quorum`.
const QUORUM: &[&str] =
    &["voting", "unknown", "replicas", "quorum", "has_quorum", "restart", "rows", "group", "registered", "page"];

impl Kind {
    /// The word that names this kind in a runbook.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Service(_) => "service",
            Self::Firewall(_) => "firewall",
            Self::Flags(_) => "flags",
            Self::Files(_) => "files",
            Self::Http(_) => "http",
            Self::Zookeeper(_) => "zookeeper",
            Self::Wait(_) => "wait",
            Self::Process(_) => "process",
            Self::Port(_) => "port",
            Self::LogLines(_) => "log_lines",
            Self::Undo(_) => "undo",
            Self::Aurora(_) => "aurora",
            Self::Vars(_) => "vars",
            Self::Serverset(_) => "serverset",
            Self::Leader(_) => "leader",
            Self::Replica(_) => "replica",
            Self::Backups(_) => "backups",
            Self::Backup(_) => "backup",
            Self::Master(_) => "master",
            Self::Verdict(_) => "verdict",
            Self::Elections(_) => "elections",
            Self::Leadership(_) => "leadership",
            Self::Quorum(_) => "quorum",
            Self::LogGroup(_) => "log_group",
            Self::InitializeLog(_) => "initialize_log",
            Self::Impact(_) => "impact",
            Self::Outcome(_) => "outcome",
            Self::Sweep(_) => "sweep",
        }
    }

    /// True if running it changes nothing, so that it may serve as a gate, a guard or a second look.
    pub fn looks(&self) -> bool {
        match self {
            Self::Command(command) => command.reads,
            Self::Service(service) => service.looks(),
            Self::Firewall(firewall) => firewall.looks(),
            Self::Flags(flags) => flags.looks(),
            Self::Files(files) => files.looks(),
            Self::Http(http) => http.looks(),
            Self::Aurora(aurora) => aurora.looks(),
            Self::Undo(_) | Self::InitializeLog(_) => false,
            Self::Zookeeper(_)
            | Self::Wait(_)
            | Self::Process(_)
            | Self::Port(_)
            | Self::LogLines(_)
            | Self::Vars(_)
            | Self::Serverset(_)
            | Self::Leader(_)
            | Self::Replica(_)
            | Self::Backups(_)
            | Self::Backup(_)
            | Self::Master(_)
            | Self::Verdict(_)
            | Self::Elections(_)
            | Self::Leadership(_)
            | Self::Quorum(_)
            | Self::LogGroup(_)
            | Self::Impact(_)
            | Self::Outcome(_)
            | Self::Sweep(_) => true,
        }
    }

    /// The registers that it needs whole, every host's outputs of them.
    pub fn registers(&self) -> Vec<&str> {
        match self {
            Self::Verdict(verdict) => {
                let others = verdict.logs.iter().chain(&verdict.watched);
                std::iter::once(&verdict.replicas).chain(others).map(String::as_str).collect()
            }
            Self::Elections(elections) => {
                std::iter::once(&elections.logs).chain(&elections.watched).map(String::as_str).collect()
            }
            Self::Quorum(quorum) => vec![quorum.replicas.as_str()],
            Self::Outcome(outcome) => vec![outcome.prediction.as_str()],
            Self::Master(master) => master.since.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The outputs that this kind writes; `None` where any may be there. A name that is not among them
    /// is refused when a runbook is loaded.
    pub fn outputs(&self) -> Option<&'static [&'static str]> {
        const TEXT: &[&str] = &["text"];
        const LINES: &[&str] = &["lines"];
        match self {
            Self::Command(Command { capture: Capture::Text, .. }) => Some(TEXT),
            Self::Command(Command { capture: Capture::Lines, .. }) => Some(LINES),
            Self::Aurora(Aurora::Staged { .. }) => {
                Some(&["tasks", "active", "jobs", "by_job", "ids", "digest", "evidence", "table"])
            }
            Self::Aurora(Aurora::Ready { .. }) => Some(&["tasks", "active", "by_job", "roles", "jobs"]),
            Self::Leader(_) => Some(&["name", "url", "by_vars", "by_log", "by_zookeeper"]),
            Self::Backups(_) => Some(&["backups"]),
            Self::Master(Master { since: None, .. }) => {
                Some(&["tasks", "ids", "by_job", "framework_id", "registered", "evidence"])
            }
            Self::Impact(_) => Some(&[
                "verdict",
                "kills",
                "starts",
                "kept",
                "unknown",
                "running",
                "counts",
                "roles",
                "jobs",
                "owners",
                "owners_text",
                "headline",
                "framework_id",
                "warnings",
                "reverted",
                "list",
                "evidence",
                "prediction",
                "tasks_csv",
                "jobs_csv",
                "text",
            ]),
            Self::Outcome(_) => Some(&[
                "as_predicted",
                "killed",
                "still_alive",
                "kept",
                "ended",
                "gone_unpredicted",
                "restarted",
                "not_restarted",
                "new",
                "lost",
                "differences",
                "owners_text",
                "evidence",
            ]),
            Self::Sweep(_) => Some(&["at_ms", "at", "after"]),
            Self::Elections(_) => Some(&["leadership", "recent", "leader", "story", "page"]),
            Self::Quorum(_) => Some(QUORUM),
            Self::LogGroup(_) => Some(&["count", "registered"]),
            Self::Leadership(_) => Some(&["watched", "elections", "leader", "says", "story", "page"]),
            Self::Verdict(_) => Some(VERDICT),
            _ => None,
        }
    }

    /// Hands out every text of this kind, for checking and for rendering.
    pub fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        match self {
            Self::Command(kind) => kind.texts(give),
            Self::Service(kind) => kind.texts(give),
            Self::Firewall(kind) => kind.texts(give),
            Self::Flags(kind) => kind.texts(give),
            Self::Files(kind) => kind.texts(give),
            Self::Http(kind) => kind.texts(give),
            Self::Zookeeper(kind) => kind.texts(give),
            Self::Wait(kind) => kind.texts(give),
            Self::Process(kind) => kind.texts(give),
            Self::Port(kind) => kind.texts(give),
            Self::LogLines(kind) => kind.texts(give),
            Self::Undo(_) => {}
            Self::Aurora(kind) => kind.texts(give),
            Self::Vars(kind) => kind.texts(give),
            Self::Serverset(kind) => kind.texts(give),
            Self::Leader(kind) => kind.texts(give),
            Self::Replica(kind) => kind.texts(give),
            Self::Backups(kind) => kind.texts(give),
            Self::Backup(kind) => kind.texts(give),
            Self::Master(kind) => kind.texts(give),
            Self::Verdict(kind) => kind.texts(give),
            Self::Elections(_) => {}
            Self::Leadership(kind) => kind.texts(give),
            Self::Quorum(kind) => kind.texts(give),
            Self::LogGroup(kind) => kind.texts(give),
            Self::InitializeLog(kind) => kind.texts(give),
            Self::Impact(kind) => kind.texts(give),
            Self::Outcome(kind) => kind.texts(give),
            Self::Sweep(kind) => kind.texts(give),
        }
    }

    /// Fills in what depends on the attempt alone (where a thing is moved aside, where an original is
    /// kept), so that the record made before the action names every path it will touch.
    pub fn settle_names(&mut self, tag: &str) {
        match self {
            Self::Files(files) => files.settle_names(tag),
            Self::Flags(flags) => flags.settle_names(tag),
            Self::Service(service) => service.settle_names(tag),
            _ => {}
        }
    }

    /// The action that takes this one back, known before it runs; `None` if there is none.
    ///
    /// Each inverse tolerates that there is nothing to take back, so it may be registered as soon as
    /// the attempt was started.
    pub fn inverse(&self) -> Option<Self> {
        match self {
            Self::Files(files) => files.inverse().map(Self::Files),
            Self::Firewall(firewall) => firewall.inverse().map(Self::Firewall),
            Self::Flags(flags) => flags.inverse().map(Self::Flags),
            Self::Service(service) => service.inverse().map(Self::Service),
            Self::Aurora(aurora) => aurora.inverse().map(Self::Aurora),
            _ => None,
        }
    }

    /// True if its outputs say that there was nothing to change, so that there is nothing to take back.
    pub fn changed_nothing(&self, outputs: &serde_json::Value) -> bool {
        match self {
            Self::Files(Files::Copy { .. }) => outputs.get("copied").and_then(serde_json::Value::as_str) == Some("no"),
            _ => false,
        }
    }

    /// The outputs that are known before it runs, for an action that is found to have happened.
    pub fn foreseen(&self) -> serde_json::Value {
        match self {
            Self::Files(Files::MoveAside { to: Some(to), .. }) => serde_json::json!({ "to": to }),
            _ => serde_json::Value::Null,
        }
    }

    /// True if it may leave a part of itself although it did not happen: an original that was kept before the edit that
    /// never came. What takes the action back takes that away too.
    pub fn may_leave_a_part(&self) -> bool {
        matches!(self, Self::Flags(Flags::Edit { .. }))
    }

    /// The probe that tells whether this action has happened, for an attempt that has no result.
    /// `None` where only a person can tell.
    pub fn did_it_happen(&self) -> Option<Self> {
        match self {
            Self::Files(files) => files.did_it_happen().map(Self::Files),
            Self::Firewall(firewall) => firewall.did_it_happen().map(Self::Firewall),
            Self::Flags(flags) => flags.did_it_happen().map(Self::Flags),
            Self::Service(service) => service.did_it_happen().map(Self::Service),
            Self::Aurora(aurora) => aurora.did_it_happen().map(Self::Aurora),
            _ => None,
        }
    }
}
