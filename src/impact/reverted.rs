//! What a restore takes back besides tasks: jobs, cron jobs, quotas, updates, maintenance, locks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sides::{BackupSide, LiveSide};

/// What becomes of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Made since the backup: gone afterwards.
    Vanishes,
    /// Removed since the backup: there again afterwards.
    ComesBack,
    /// Changed since the backup: as it was, afterwards.
    Changes,
    /// Goes on by itself.
    Resumes,
    /// Waits for a pulse.
    Waits,
    /// Stays as it was put: paused, or under maintenance.
    Stays,
    /// In the backup; what there is now is not known.
    InBackup,
}

/// One thing that is taken back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// What becomes of it.
    pub change: Change,
    /// Its name: a job, a role, a host.
    pub name: String,
    /// What differs, or where it stands.
    pub words: String,
}

/// Things of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Section {
    /// How many are in the backup; `None` if they are in SQL statements.
    pub in_backup: Option<u64>,
    /// What there is now is known.
    pub compared: bool,
    /// What changes; where nothing could be compared, what is in the backup.
    pub items: Vec<Item>,
    /// Items that are not listed.
    pub more: u64,
}

/// What is taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reverted {
    /// Jobs with tasks.
    pub jobs: Section,
    /// Cron jobs.
    pub cron_jobs: Section,
    /// Quotas.
    pub quotas: Section,
    /// Job updates that are not over.
    pub updates: Section,
    /// Maintenance of hosts.
    pub maintenance: Section,
    /// Locks, up to 0.19.
    pub locks: Section,
}

pub(super) fn judge(_backup: &BackupSide, _live: &LiveSide) -> Reverted {
    Reverted::default()
}
