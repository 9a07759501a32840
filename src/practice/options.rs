//! What may be chosen of a practice cluster, and its scenarios.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::PracticeError;

/// More than seven replicas vote nowhere: quorum 4 already waits for four disks on every write.
pub const SCHEDULERS_MAX: usize = 7;
/// A minute of the cluster's waits is a second: short enough to practise, long enough to see.
pub const SPEED_DEFAULT: f64 = 60.0;
/// Above this, waits are shorter than a scheduling quantum and nothing is compressed any more.
const SPEED_MAX: f64 = 10_000.0;

/// What is wrong with the cluster when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Every replica is damaged, each in another way, and none of them holds a readable state.
    CorruptLog,
    /// One replica still has everything, the others have nothing: no election is won.
    LostQuorum,
    /// All replicas vote, but each leader dies of a damaged entry while it replays.
    Flapping,
    /// Every log directory is gone.
    WipedLog,
    /// As the first, and the newest backup is many hours old.
    StaleBackup,
    /// Nothing is wrong: for training.
    Healthy,
}

impl Scenario {
    /// All, the default first.
    pub const ALL: [Self; 6] =
        [Self::CorruptLog, Self::LostQuorum, Self::Flapping, Self::WipedLog, Self::StaleBackup, Self::Healthy];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::CorruptLog => "corrupt-log",
            Self::LostQuorum => "lost-quorum",
            Self::Flapping => "flapping",
            Self::WipedLog => "wiped-log",
            Self::StaleBackup => "stale-backup",
            Self::Healthy => "healthy",
        }
    }

    /// One sentence for a list.
    pub fn about(self) -> &'static str {
        match self {
            Self::CorruptLog => "every scheduler's log is damaged, each in another way; no election in the log is won",
            Self::LostQuorum => "all replicas but one have lost their log; nobody wins an election in it",
            Self::Flapping => "each new leader dies of a damaged entry, and leadership changes hands again and again",
            Self::WipedLog => "every scheduler's log directory is gone",
            Self::StaleBackup => "the log is damaged and the newest backup is nine hours old",
            Self::Healthy => "nothing is wrong: the whole procedure as a training exercise",
        }
    }

    /// The scenario with this name.
    pub fn parse(name: &str) -> Result<Self, PracticeError> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == name)
            .ok_or_else(|| PracticeError::UnknownScenario(name.to_owned()))
    }
}

/// Choices for a new cluster.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it lives; `None` for [`super::layout::default_dir`] of its scenario.
    pub dir: Option<PathBuf>,
    /// What is wrong with it.
    pub scenario: Scenario,
    /// How many schedulers, 1 to [`SCHEDULERS_MAX`].
    pub schedulers: usize,
    /// Seeds names, ids and counts.
    pub seed: u64,
    /// By how much waits are compressed.
    pub speed: f64,
    /// Whether a real ZooKeeper may be used if one is installed.
    pub zookeeper: bool,
    /// The `firstlight` binary whose hidden subcommands are the cluster's processes.
    pub program: PathBuf,
}

impl Options {
    /// The default cluster, run by `program`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            dir: None,
            scenario: Scenario::CorruptLog,
            schedulers: 3,
            seed: 1,
            speed: SPEED_DEFAULT,
            zookeeper: true,
            program: program.into(),
        }
    }

    /// Refuses what cannot be built.
    pub fn check(&self) -> Result<(), PracticeError> {
        if !(1..=SCHEDULERS_MAX).contains(&self.schedulers) {
            return Err(PracticeError::SchedulerCount(self.schedulers));
        }
        if !(1.0..=SPEED_MAX).contains(&self.speed) {
            return Err(PracticeError::Speed(self.speed));
        }
        Ok(())
    }
}
