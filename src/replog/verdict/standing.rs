//! What one replica is good for, and in one line.

use super::Replica;
use crate::replog::content::Replay;
use crate::replog::{Finding, Severity, Status, Summary};

/// What one replica is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Votes, opens, and its content can be replayed.
    Good,
    /// As good by itself, but its values are not those of the others.
    Astray,
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
/// Findings about Aurora's content, judged apart from the disk.
const CONTENT: [&str; 4] = ["frame-md5", "entry-undecodable", "operation-unreadable", "snapshot-incomplete"];
/// Findings that only say that nothing is there.
const ABSENT: [&str; 2] = ["directory-missing", "directory-empty"];

fn on_disk(finding: &Finding) -> bool {
    let code = finding.code.as_str();
    finding.severity == Severity::Damage
        && !HARMLESS.contains(&code)
        && !CONTENT.contains(&code)
        && !ABSENT.contains(&code)
}

pub(super) fn standing(replica: &Replica) -> Standing {
    let Some(summary) = &replica.summary else { return Standing::Unknown };
    let view = &summary.mesos_view;
    if !view.certain || summary.content.unread > 0 {
        return Standing::Unknown;
    }
    if !view.opens || summary.findings.iter().any(on_disk) {
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

/// What Aurora would make of its content, in words.
fn holds(replay: Replay) -> &'static str {
    match replay {
        Replay::Blank => "no entry of Aurora",
        Replay::NoopsOnly => "only noops",
        Replay::FromSnapshot => "a snapshot",
        Replay::TransactionsOnly => "transactions without a snapshot",
        Replay::EmptyByLoss => "only an incomplete snapshot",
        Replay::Fatal => "an entry on which every scheduler dies",
    }
}

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
    let holds = holds(summary.content.replay);
    let mut line =
        format!("{status}, positions {} to {}, {holds}", view.begin.unwrap_or_default(), view.end.unwrap_or_default());
    let damage = summary.findings.iter().find(|finding| finding.severity == Severity::Damage);
    if let Some(finding) = damage {
        let place = finding.file.as_deref().map(|file| format!(" in {file}")).unwrap_or_default();
        line = format!("{line}; {}{place}", finding.code);
    }
    line
}
