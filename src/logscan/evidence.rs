//! What the logs of several hosts say to the verdict over their replicas: who leads, and which messages are unusual.

use std::collections::BTreeMap;

use super::said::Scan;
use crate::replog::verdict::{Answer, Leadership, Messages};

/// Elections of all hosts within the window that count as flapping.
const FLAPPING: u64 = 3;
/// How far back from the newest line leadership is judged, in milliseconds: long enough for a flapping that takes
/// minutes each time, short enough not to count yesterday's upgrade.
pub const WINDOW_MS: i64 = 60 * 60 * 1000;
/// Kinds of lines that a replica writes only where others do not vote or do not answer.
const UNUSUAL: [&str; 9] = [
    "recover-request",
    "recover-response",
    "recover-unfinished",
    "recover-failed",
    "catchup-stuck",
    "not-initialized",
    "promise-ignored",
    "write-ignored",
    "quorum-ignored",
];

/// What one host's log says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSays {
    /// Leadership, as far as this log shows it; `None` where no log was read.
    pub leadership: Option<Leadership>,
    /// Elections within the window that did not end in order.
    pub recent: u64,
    /// Lines that were read.
    pub lines: u64,
    /// Known lines by kind.
    pub counts: BTreeMap<String, u64>,
}

impl HostSays {
    /// By what was read of its log.
    pub fn of(scan: &Scan) -> Self {
        let from_ms = scan.last_ms.map_or(i64::MIN, |last| last - WINDOW_MS);
        Self {
            leadership: Some(scan.leadership(from_ms)),
            recent: scan.recent_elections(from_ms),
            lines: scan.lines,
            counts: scan.counts.iter().map(|(kind, found)| (kind.clone(), found.count)).collect(),
        }
    }
}

/// Leadership by the logs of all hosts, and why that is said.
pub fn leadership(hosts: &[HostSays]) -> (Leadership, String) {
    let each: Vec<Leadership> = hosts.iter().filter_map(|host| host.leadership).collect();
    let recent: u64 = hosts.iter().map(|host| host.recent).sum();
    let stable = each.iter().filter(|one| **one == Leadership::Stable).count();
    let window = "within the last hour of the logs, without those that ended in order";
    if each.contains(&Leadership::NotRegistering) {
        let says = format!("leaders end because they do not register with Mesos ({recent} elections {window})");
        (Leadership::NotRegistering, says)
    } else if each.contains(&Leadership::Flapping) || recent >= FLAPPING {
        (Leadership::Flapping, format!("the leadership changes again and again ({recent} elections {window})"))
    } else if stable == 1 {
        (Leadership::Stable, format!("one leader stays ({recent} elections {window})"))
    } else {
        (Leadership::Unknown, String::new())
    }
}

/// Unusual replica messages by the logs of all hosts.
pub fn messages(hosts: &[HostSays]) -> Messages {
    let lines: u64 = hosts.iter().map(|host| host.lines).sum();
    let mut words: Vec<String> = Vec::new();
    for kind in UNUSUAL {
        let count: u64 = hosts.iter().filter_map(|host| host.counts.get(kind)).sum();
        words.extend((count > 0).then(|| format!("{count} {kind}")));
    }
    if !words.is_empty() {
        return Messages { unusual: Answer::Yes, says: words.join(", ") };
    }
    if lines == 0 {
        return Messages::default();
    }
    Messages { unusual: Answer::No, says: format!("none among {lines} lines") }
}
