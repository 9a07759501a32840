//! The table of exit codes. Scripts rely on it: a number, once given, keeps its meaning.

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Done,
    /// A defect of firstlight, or something that no other code names.
    Defect,
    /// The command line was not understood.
    Usage,
    /// A runbook, an inventory, an answers file or another input is wrong.
    BadInput,
    /// An answer or a confirmation is missing, or one does not fit.
    MissingAnswer,
    /// A gate did not open within its time.
    Blocked,
    /// Whether an action happened is not known.
    InDoubt,
    /// An action did not succeed.
    Failed,
    /// The session's journal is damaged, held by another process, or cannot be written.
    Journal,
    /// The procedure ended early, by decision.
    EndedEarly,
    /// The session was abandoned.
    Abandoned,
    /// Left before the end; the session can be resumed.
    Left,
    /// A backup can be read and must not be restored.
    Unfit,
    /// A backup cannot be read to its end.
    Unreadable,
    /// Two things that were compared differ.
    Differs,
    /// Restoring the backup would kill running tasks.
    Kills,
    /// What was asked cannot be known.
    NotKnown,
    /// A replica's log is damaged, does not open, or does not vote.
    NotSound,
    /// The replicated log is to be initialized anew on all replicas.
    Reinitialize,
    /// One good copy of the replicated log is left.
    Survivor,
    /// All replicas but one or a few are good.
    OneReplica,
    /// The replicated log is well, and something else is wrong.
    NotTheLog,
}

impl Exit {
    /// Every code, in order.
    pub const ALL: [Self; 22] = [
        Self::Done,
        Self::Defect,
        Self::Usage,
        Self::BadInput,
        Self::MissingAnswer,
        Self::Blocked,
        Self::InDoubt,
        Self::Failed,
        Self::Journal,
        Self::EndedEarly,
        Self::Abandoned,
        Self::Left,
        Self::Unfit,
        Self::Unreadable,
        Self::Differs,
        Self::Kills,
        Self::NotKnown,
        Self::NotSound,
        Self::Reinitialize,
        Self::Survivor,
        Self::OneReplica,
        Self::NotTheLog,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Defect => 1,
            Self::Usage => 2,
            Self::BadInput => 3,
            Self::MissingAnswer => 4,
            Self::Blocked => 5,
            Self::InDoubt => 6,
            Self::Failed => 7,
            Self::Journal => 8,
            Self::EndedEarly => 9,
            Self::Abandoned => 10,
            Self::Left => 11,
            Self::Unfit => 12,
            Self::Unreadable => 13,
            Self::Differs => 14,
            Self::Kills => 15,
            Self::NotKnown => 16,
            Self::NotSound => 17,
            Self::Reinitialize => 18,
            Self::Survivor => 19,
            Self::OneReplica => 20,
            Self::NotTheLog => 21,
        }
    }

    /// What it means.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Defect => "a defect of firstlight, or an error that no other code names",
            Self::Usage => "the command line was not understood",
            Self::BadInput => "a runbook, an inventory, an answers file or another input is wrong",
            Self::MissingAnswer => "an answer or a confirmation is missing or does not fit",
            Self::Blocked => "a gate did not open within its time",
            Self::InDoubt => "it is not known whether an action happened",
            Self::Failed => "an action did not succeed",
            Self::Journal => "the journal is damaged, held by another process, or cannot be written",
            Self::EndedEarly => "the procedure ended early, by decision",
            Self::Abandoned => "the session was abandoned and what it changed was put back",
            Self::Left => "left before the end; the session can be resumed",
            Self::Unfit => "a backup can be read and must not be restored",
            Self::Unreadable => "a backup or log cannot be read to its end: cut off, missing, no permission, none",
            Self::Differs => "what was compared differs",
            Self::Kills => "restoring the backup would kill running tasks",
            Self::NotKnown => "what was asked cannot be known: what knows it does not answer or cannot be read",
            Self::NotSound => "a replica's log is damaged, does not open, or does not vote",
            Self::Reinitialize => "the replicated log is lost: initialize it anew on all replicas",
            Self::Survivor => "one good copy of the replicated log is left: initialize nothing before it is copied",
            Self::OneReplica => "a quorum of replicas is good: wipe only the one that is not",
            Self::NotTheLog => "the replicated log is well: look at Mesos, the registration and ZooKeeper",
        }
    }

    /// The table, one line for each code.
    pub fn table() -> String {
        Self::ALL.iter().map(|exit| format!("  {:>2}  {}\n", exit.code(), exit.meaning())).collect()
    }
}
