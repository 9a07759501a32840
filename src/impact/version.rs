//! Whether the scheduler that is to restore reads what the other wrote.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sides::{BackupSide, LiveSide};

/// How the two releases go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VersionFit {
    /// The same release.
    Same,
    /// Another, which reads it.
    Reads,
    /// Another, which loses part of it or does not read it.
    Breaks,
    /// One of the two is not known.
    Unknown,
}

/// What is said of the versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionJudged {
    /// Who wrote the backup, as far as its build said it.
    pub written_by: Option<String>,
    /// Who is to restore it.
    pub read_by: Option<String>,
    /// How they go together.
    pub fit: VersionFit,
    /// The same in words.
    pub words: String,
}

/// First release whose snapshots have everything in Thrift again.
const SQL_ENDS: u32 = 19;
/// First release that does not read the SQL.
const SQL_FORGOTTEN: u32 = 20;
/// First release that writes SQL.
const SQL_BEGINS: u32 = 13;
/// First release with quotas of exactly three kinds, maintenance requests and policies.
const POLICIES_BEGIN: u32 = 21;

/// Minor number of a version like `0.22.0` or `0.23.0-SNAPSHOT`.
fn minor(version: &str) -> Option<u32> {
    let mut parts = version.trim().trim_start_matches('v').split(['.', '-']);
    let major: u32 = parts.next()?.parse().ok()?;
    let minor = parts.next()?.parse().ok()?;
    (major == 0).then_some(minor)
}

pub(super) fn judge(backup: &BackupSide, live: &LiveSide) -> VersionJudged {
    let written_by = backup.build_version.clone();
    let scheduler = live.scheduler.as_ref().and_then(|scheduler| scheduler.version.clone());
    let read_by = live.installed_version.clone().or(scheduler);
    let (fit, words) = match (&written_by, &read_by) {
        (Some(from), Some(by)) if from == by => (VersionFit::Same, format!("written and to be read by {by}")),
        (from, Some(by)) => other(backup, from.as_deref(), by),
        (Some(from), None) => (
            VersionFit::Unknown,
            format!("written by {from}; which version is to read it is not known; restore with the same"),
        ),
        (None, None) => (VersionFit::Unknown, unknown_writer(backup).to_owned()),
    };
    VersionJudged { written_by, read_by, fit, words }
}

fn unknown_writer(backup: &BackupSide) -> &'static str {
    if backup.is_restored {
        "which version wrote it is not known: it was written by the commit of a staged backup"
    } else if backup.in_sql {
        "written by 0.13 to 0.18; restore with the same version"
    } else {
        "which version wrote it is not known"
    }
}

fn other(backup: &BackupSide, from: Option<&str>, by: &str) -> (VersionFit, String) {
    let Some(reads) = minor(by) else {
        return (VersionFit::Unknown, format!("{}; {by} is no version that is known", unknown_writer(backup)));
    };
    if backup.in_sql && reads >= SQL_FORGOTTEN {
        let why = format!(
            "part of the backup is in SQL statements, which {by} drops without a word: what has no other copy is lost \
             (quotas, hosts, updates and locks may be)"
        );
        return (VersionFit::Breaks, why);
    }
    let Some(wrote) = from.and_then(minor) else {
        return (VersionFit::Unknown, format!("{}; {by} is to read it", unknown_writer(backup)));
    };
    let from = from.unwrap_or_default();
    let breaks = |why: String| (VersionFit::Breaks, why);
    if wrote == reads {
        return (VersionFit::Reads, format!("written by {from}, to be read by {by}: the same release, another build"));
    }
    if wrote >= SQL_FORGOTTEN && reads < SQL_FORGOTTEN {
        return breaks(format!("written by {from}: releases before 0.20, as {by}, do not read that"));
    }
    if wrote >= POLICIES_BEGIN && reads < POLICIES_BEGIN {
        return breaks(format!("written by {from}: {by} loses maintenance requests and policies of it"));
    }
    if wrote < SQL_ENDS && reads >= SQL_FORGOTTEN {
        return breaks(format!("written by {from}: releases from 0.20, as {by}, are not made to read that"));
    }
    if reads < wrote && wrote >= SQL_BEGINS && reads < SQL_BEGINS {
        return breaks(format!("written by {from}: {by} reads only what is not in SQL, if it reads it at all"));
    }
    if reads < wrote {
        return breaks(format!("written by {from}, a later release than {by}: what it added is lost"));
    }
    (VersionFit::Reads, format!("written by {from}, to be read by {by}; restore with the version that wrote it"))
}
