//! What becomes of one task: the table of Aurora's own rules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{aurora::types::ScheduleStatus, mesos::state::TaskState};

/// What becomes of a task after a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Runs and is not in the backup: killed.
    Killed,
    /// Over in the backup, and runs: killed.
    EndedInBackup,
    /// KILLING in the backup, and runs: killed, not started again.
    Killing,
    /// RESTARTING, PREEMPTING or DRAINING in the backup, and runs: killed and started again.
    Replaced,
    /// ASSIGNED in the backup, and runs: kept if its status comes in time.
    Assigned,
    /// Ran in the backup and is gone: lost, and started again as a new task.
    Restarted,
    /// PARTITIONED in the backup and gone: started again as its policy says.
    PartitionedGone,
    /// Ended while no scheduler listened.
    EndedMeanwhile,
    /// Waits in the backup, but runs: an orphan that goes on running.
    PendingRuns,
    /// Waits in the backup and does not run: is scheduled.
    Pending,
    /// Runs under a framework that a restored scheduler does not hold.
    Orphaned,
    /// In the backup, but the scheduler could not register: nothing happens.
    Stuck,
    /// Is being ended already.
    Ending,
    /// KILLING in the backup and gone: noted as LOST, not started again.
    KillingGone,
    /// Its agent is out of reach.
    Unreachable,
    /// Cannot be known.
    Unknown,
    /// STARTING in the backup, and runs: kept.
    Starting,
    /// PARTITIONED in the backup, and runs: kept.
    PartitionedBack,
    /// In the backup, and runs: kept.
    Kept,
    /// Over in the backup, and does not run.
    History,
}

impl Fate {
    /// Every fate, in the order in which they are shown.
    pub const ALL: [Self; 20] = [
        Self::Killed,
        Self::EndedInBackup,
        Self::Killing,
        Self::Replaced,
        Self::Assigned,
        Self::Restarted,
        Self::PartitionedGone,
        Self::EndedMeanwhile,
        Self::PendingRuns,
        Self::Pending,
        Self::Orphaned,
        Self::Stuck,
        Self::Ending,
        Self::KillingGone,
        Self::Unreachable,
        Self::Unknown,
        Self::Starting,
        Self::PartitionedBack,
        Self::Kept,
        Self::History,
    ];

    /// Its name in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::EndedInBackup => "ended-in-backup",
            Self::Killing => "killing",
            Self::Replaced => "replaced",
            Self::Assigned => "assigned",
            Self::Restarted => "restarted",
            Self::PartitionedGone => "partitioned-gone",
            Self::EndedMeanwhile => "ended-meanwhile",
            Self::PendingRuns => "pending-runs",
            Self::Pending => "pending",
            Self::Orphaned => "orphaned",
            Self::Stuck => "stuck",
            Self::Ending => "ending",
            Self::KillingGone => "killing-gone",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
            Self::Starting => "starting",
            Self::PartitionedBack => "partitioned-back",
            Self::Kept => "kept",
            Self::History => "history",
        }
    }

    /// What it means, to stand after a number of tasks.
    pub fn words(self) -> &'static str {
        match self {
            Self::Killed => "run and are not in the backup: they will be KILLED",
            Self::EndedInBackup => "are over in the backup, but run: they will be KILLED",
            Self::Killing => "are KILLING in the backup, and run: they will be KILLED, and not started again",
            Self::Replaced => {
                "are RESTARTING, PREEMPTING or DRAINING in the backup, and run: after 5 minutes each is LOST and KILLED, \
                 and a new one is started"
            }
            Self::Assigned => {
                "are ASSIGNED in the backup, and run: kept if a status of theirs comes within 5 minutes of the start (the \
                 first reconciliation asks after 1 minute), else LOST, KILLED and started again"
            }
            Self::Restarted => "run in the backup and are gone: LOST, and started again as new tasks",
            Self::PartitionedGone => {
                "are PARTITIONED in the backup and gone: started again as their partition policy says"
            }
            Self::EndedMeanwhile => "ended and nobody has taken note: the scheduler will, and start services again",
            Self::PendingRuns => {
                "wait in the backup, but run: the scheduler starts each a second time, is refused for its duplicate id, and \
                 starts a new one; the old one runs on until a later sweep finds it, and is KILLED then"
            }
            Self::Pending => "wait in the backup and do not run: they will be scheduled",
            Self::Orphaned => "run under a framework that a restored scheduler does not hold: they go on without one",
            Self::Stuck => "are in the backup, but a restored scheduler could not register: nothing happens to them",
            Self::Ending => "are being ended already",
            Self::KillingGone => "are KILLING in the backup and gone: noted as LOST, not started again",
            Self::Unreachable => "are on agents out of reach: what becomes of them shows when the agents are back",
            Self::Unknown => "cannot be told",
            Self::Starting => "are STARTING in the backup, and run: kept",
            Self::PartitionedBack => "are PARTITIONED in the backup, and run: kept",
            Self::Kept => "are in the backup, and run: kept",
            Self::History => "are over in the backup, and do not run",
        }
    }

    /// A running process ends because of the restore.
    pub fn kills(self) -> bool {
        matches!(self, Self::Killed | Self::EndedInBackup | Self::Killing | Self::Replaced)
    }

    /// A new task is started because of the restore.
    pub fn starts(self) -> bool {
        matches!(self, Self::Replaced | Self::Restarted | Self::Pending)
    }

    /// It goes on as it is, in the scheduler's care.
    pub fn keeps(self) -> bool {
        matches!(self, Self::Starting | Self::PartitionedBack | Self::Kept)
    }

    /// What happens to it is not known.
    pub fn is_unknown(self) -> bool {
        matches!(self, Self::Unreachable | Self::Unknown)
    }

    /// It is listed by itself in exports: something happens to it, or nobody knows.
    pub fn is_listed(self) -> bool {
        !matches!(self, Self::Starting | Self::PartitionedBack | Self::Kept | Self::History)
    }

    /// Place in [`Self::ALL`].
    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// What is known of a task outside the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Runs, or is about to.
    Runs,
    /// Is being ended.
    Ending,
    /// Its agent is out of reach.
    Unreachable,
    /// Is over; nobody has acknowledged its end.
    Ended,
    /// Is not there.
    Gone,
    /// Nobody can say.
    Unknown,
}

impl From<TaskState> for Truth {
    fn from(state: TaskState) -> Self {
        match state {
            TaskState::Staging | TaskState::Starting | TaskState::Running => Self::Runs,
            TaskState::Killing => Self::Ending,
            TaskState::Unreachable => Self::Unreachable,
            TaskState::Finished
            | TaskState::Failed
            | TaskState::Killed
            | TaskState::Lost
            | TaskState::Error
            | TaskState::Dropped
            | TaskState::Gone
            | TaskState::GoneByOperator => Self::Ended,
            TaskState::Unknown | TaskState::Other => Self::Unknown,
        }
    }
}

/// What becomes of a task by its state in the backup (`None`: it is not there) and what is known of it. The framework is taken
/// to be the one that the restored scheduler holds. `None`: there is no such task.
pub fn fate(in_backup: Option<ScheduleStatus>, truth: Truth) -> Option<Fate> {
    let Some(status) = in_backup else {
        return match truth {
            Truth::Runs => Some(Fate::Killed),
            Truth::Ending => Some(Fate::Ending),
            Truth::Unreachable => Some(Fate::Unreachable),
            Truth::Unknown => Some(Fate::Unknown),
            Truth::Ended | Truth::Gone => None,
        };
    };
    Some(match truth {
        Truth::Runs => runs(status),
        Truth::Gone => gone(status),
        Truth::Ended if status.is_terminal() => Fate::History,
        Truth::Ended => match gone(status) {
            // That it was launched and is over is news to the scheduler only for tasks that it believes launched.
            fate @ (Fate::Pending | Fate::KillingGone | Fate::Unknown) => fate,
            _ => Fate::EndedMeanwhile,
        },
        Truth::Ending => Fate::Ending,
        Truth::Unreachable => Fate::Unreachable,
        Truth::Unknown if status.is_terminal() => Fate::History,
        Truth::Unknown => Fate::Unknown,
    })
}

fn runs(status: ScheduleStatus) -> Fate {
    match status {
        ScheduleStatus::Running => Fate::Kept,
        ScheduleStatus::Starting => Fate::Starting,
        ScheduleStatus::Partitioned => Fate::PartitionedBack,
        ScheduleStatus::Assigned => Fate::Assigned,
        ScheduleStatus::Restarting | ScheduleStatus::Preempting | ScheduleStatus::Draining => Fate::Replaced,
        ScheduleStatus::Killing => Fate::Killing,
        ScheduleStatus::Init | ScheduleStatus::Pending | ScheduleStatus::Throttled => Fate::PendingRuns,
        ScheduleStatus::Finished
        | ScheduleStatus::Failed
        | ScheduleStatus::Killed
        | ScheduleStatus::Lost
        | ScheduleStatus::SandboxDeleted => Fate::EndedInBackup,
        ScheduleStatus::Other(_) => Fate::Unknown,
    }
}

fn gone(status: ScheduleStatus) -> Fate {
    match status {
        ScheduleStatus::Running
        | ScheduleStatus::Starting
        | ScheduleStatus::Assigned
        | ScheduleStatus::Restarting
        | ScheduleStatus::Preempting
        | ScheduleStatus::Draining => Fate::Restarted,
        ScheduleStatus::Partitioned => Fate::PartitionedGone,
        ScheduleStatus::Killing => Fate::KillingGone,
        ScheduleStatus::Init | ScheduleStatus::Pending | ScheduleStatus::Throttled => Fate::Pending,
        ScheduleStatus::Finished
        | ScheduleStatus::Failed
        | ScheduleStatus::Killed
        | ScheduleStatus::Lost
        | ScheduleStatus::SandboxDeleted => Fate::History,
        ScheduleStatus::Other(_) => Fate::Unknown,
    }
}
