//! What `log inspect` knows, as one value: for JSON, for the page, and for the exit code.

use std::path::Path;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use crate::{
    exit::Exit,
    forensics::{Disk, surround},
    logscan::{HostSays, leadership, messages},
    replog::{
        Compared, Comparison, Group, Inspection, Lock, Profile, Severity, Status, Summary, Surroundings, compare,
        inspect_as,
        verdict::{Answers, Beside, Decision, Evidence, Reason, Replica, Values, Verdict, judge},
    },
};

/// One directory: what a replica would make of it, what Aurora kept inside, and what stands around it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Directory {
    /// What is inside.
    #[serde(flatten)]
    pub summary: Summary,
    /// Owner, mode, room, newest write, lock.
    pub surroundings: Surroundings,
}

/// What was taken for granted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Assumed {
    /// Replicas that a write needs (`-native_log_quorum_size`).
    pub quorum: u32,
    /// Whether that was given; else it is the majority of the directories.
    pub quorum_given: bool,
    /// Whose LevelDB opens the directories.
    pub leveldb: String,
    /// The user that the scheduler runs as; owners are not judged without.
    pub user: Option<String>,
}

/// The verdict over several directories.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Judged {
    /// `healthy`, `reinitialize`, `survivor`, `one_replica`, `not_the_log` or `cannot_tell`.
    pub decision: String,
    /// The directory that is meant, for `survivor` and `one_replica`.
    pub directory: Option<String>,
    /// In words.
    pub headline: String,
    /// Why: what decided first, then each directory.
    pub reasons: Vec<Reason>,
    /// What must be known to tell better.
    pub missing: Vec<String>,
    /// The engineer's answers beside the evidence.
    pub answers: Vec<Beside>,
    /// Directories to be copied aside before anything is done to them.
    pub copy_first: Vec<String>,
}

/// What `log inspect --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    /// The directories, in the order in which they were named.
    pub directories: Vec<Directory>,
    /// Several directories beside each other, position by position.
    pub comparison: Option<Comparison>,
    /// What to do, where several directories were named.
    pub verdict: Option<Judged>,
    /// What was taken for granted.
    pub assumed: Assumed,
    #[serde(skip)]
    decision: Option<Decision>,
}

/// Of what `log inspect --json` prints.
pub fn schema() -> Schema {
    schema_for!(Report)
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub dirs: &'a [String],
    pub quorum: Option<u32>,
    pub user: Option<&'a str>,
    pub profile: Profile,
    pub leveldb: &'a str,
    pub answers: Answers,
    pub logs: &'a [HostSays],
}

/// Reads every directory, one after another, and weighs them.
pub(super) fn report(asked: &Asked<'_>) -> Report {
    let mut read: Vec<(Inspection, Surroundings)> = Vec::new();
    for dir in asked.dirs {
        let path = Path::new(dir);
        let inspection = inspect_as(&Disk::new(path), asked.profile);
        read.push((inspection, surround(path, asked.user)));
    }
    let majority = u32::try_from(read.len() / 2 + 1).unwrap_or(u32::MAX);
    let quorum = asked.quorum.unwrap_or(majority);
    let assumed = Assumed {
        quorum,
        quorum_given: asked.quorum.is_some(),
        leveldb: asked.leveldb.to_owned(),
        user: asked.user.map(str::to_owned),
    };
    let several = read.len() > 1;
    let comparison = several.then(|| {
        let compared = |(inspection, _): &'_ (Inspection, Surroundings)| looked_at(inspection);
        let all: Vec<Compared<'_>> = read
            .iter()
            .map(|one| Compared { name: &one.0.summary.path, inspection: compared(one).then_some(&one.0) })
            .collect();
        compare(&all, Group { quorum: Some(quorum), auto_initialize: false })
    });
    let verdict = several.then(|| judge(&evidence(&read, quorum, asked)));
    let decision = verdict.as_ref().map(|verdict| verdict.decision.clone());
    let directories = read.into_iter().map(|(inspection, around)| directory(inspection.summary, around)).collect();
    Report { directories, comparison, verdict: verdict.map(judged), assumed, decision }
}

/// Whether there was something to look at: a directory that is not there is known to be empty.
fn looked_at(inspection: &Inspection) -> bool {
    inspection.summary.mesos_view.certain
}

fn evidence(read: &[(Inspection, Surroundings)], quorum: u32, asked: &Asked<'_>) -> Evidence {
    let replica = |(inspection, around): &(Inspection, Surroundings)| Replica {
        host: inspection.summary.path.clone(),
        summary: Some(inspection.summary.clone()),
        values: Values::of(inspection),
        live: matches!(around.lock, Lock::Held { .. }),
    };
    let (leadership, leading) = leadership(asked.logs);
    Evidence {
        replicas: read.iter().map(replica).collect(),
        quorum,
        answers: asked.answers,
        leadership,
        leading,
        messages: messages(asked.logs),
        ..Evidence::default()
    }
}

/// Findings of what is inside and of what stands around it become one list, gravest first.
fn directory(mut summary: Summary, mut surroundings: Surroundings) -> Directory {
    let known: Vec<String> = summary.findings.iter().map(|finding| finding.code.clone()).collect();
    let around = std::mem::take(&mut surroundings.findings);
    // A directory that cannot be listed is said once.
    let unlisted = known.iter().any(|code| code == "directory-missing" || code == "directory-unreadable");
    summary.findings.extend(around.into_iter().filter(|finding| !(unlisted && finding.code == "directory-problem")));
    summary.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Directory { summary, surroundings }
}

fn judged(verdict: Verdict) -> Judged {
    Judged {
        decision: verdict.decision.word().to_owned(),
        directory: verdict.decision.host().map(str::to_owned),
        headline: verdict.decision.headline(),
        reasons: verdict.reasons,
        missing: verdict.missing,
        answers: verdict.answers,
        copy_first: verdict.copy_first,
    }
}

impl Directory {
    /// Whether nothing could be read of it at all.
    pub(super) fn unread(&self) -> bool {
        self.summary.has("directory-unreadable")
    }

    /// Votes, and nothing is or would be lost.
    pub(super) fn sound(&self) -> bool {
        self.summary.mesos_view.status == Some(Status::Voting) && self.summary.worst() != Some(Severity::Damage)
    }
}

impl Report {
    /// The code that it ends with.
    pub(super) fn exit(&self) -> Exit {
        match (&self.decision, self.directories.as_slice()) {
            (Some(Decision::Healthy), _) => Exit::Done,
            (Some(Decision::NotTheLog), _) => Exit::NotTheLog,
            (Some(Decision::Reinitialize), _) => Exit::Reinitialize,
            (Some(Decision::DoNotTouchSurvivor { .. }), _) => Exit::Survivor,
            (Some(Decision::OneReplicaOnly { .. }), _) => Exit::OneReplica,
            (Some(Decision::CannotTell), _) => Exit::NotKnown,
            (None, [only]) if only.unread() => Exit::Unreadable,
            (None, [only]) if only.sound() => Exit::Done,
            (None, _) => Exit::NotSound,
        }
    }
}
