//! The framework: whether the master would give a restored scheduler its tasks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sides::{BackupSide, LiveSide, Master};
use crate::mesos::state::{Framework, MasterState, Standing};

/// How the framework of the backup stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FrameworkFate {
    /// A scheduler is registered with this id.
    Active,
    /// Known, and no scheduler is there: a restored one takes it over.
    Disconnected,
    /// Known from its agents after a failover of the master: a restored scheduler takes it over.
    Recovered,
    /// Removed by the master: a restored scheduler is refused and ends, again and again.
    Removed,
    /// The master does not know it: nothing that runs can be adopted.
    NotListed,
    /// The backup has no id: a restored scheduler registers as a new framework and adopts nothing.
    NotInBackup,
    /// The master does not say.
    Unknown,
}

impl FrameworkFate {
    /// A restore would adopt nothing.
    pub fn is_stop(self) -> bool {
        matches!(self, Self::Removed | Self::NotListed | Self::NotInBackup)
    }
}

/// Another framework of Aurora on the same master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OtherFramework {
    /// Id.
    pub id: String,
    /// Name; empty if the master does not know it yet.
    pub name: String,
    /// A scheduler is registered with it.
    pub is_active: bool,
    /// Tasks that run in it.
    pub tasks: u64,
    /// When it first registered, in milliseconds since the epoch.
    pub registered_ms: Option<i64>,
}

/// What is said of the framework.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FrameworkJudged {
    /// Id in the backup.
    pub id: Option<String>,
    /// How it stands.
    pub fate: FrameworkFate,
    /// The same in words.
    pub words: String,
    /// When the master removes it unless a scheduler comes back, in milliseconds since the epoch.
    pub removed_at_ms: Option<i64>,
    /// Other frameworks of Aurora.
    pub others: Vec<OtherFramework>,
}

/// Others that are listed.
const OTHERS_MAX: usize = 20;

/// Judges the framework of a backup by the master's answer.
pub(super) fn judge(backup: &BackupSide, live: &LiveSide) -> FrameworkJudged {
    let id = backup.framework_id.clone();
    let state = match &live.master {
        Master::Answered(state) => Some(state),
        Master::Silent(_) => None,
    };
    let known = id.as_deref().and_then(|id| state?.framework(id));
    let (fate, words) = match (&id, &live.master) {
        (None, _) => (
            FrameworkFate::NotInBackup,
            "the backup holds no framework id: a scheduler restored from it registers as a new framework, adopts nothing, \
             starts everything again, and what runs goes on without a scheduler"
                .to_owned(),
        ),
        (Some(id), Master::Silent(why)) => {
            (FrameworkFate::Unknown, format!("whether the master still knows framework {id} is not known: {why}"))
        }
        (Some(id), Master::Answered(state)) => known.map_or_else(|| absent(id, state), listed),
    };
    let mut others: Vec<OtherFramework> = state
        .into_iter()
        .flat_map(MasterState::aurora)
        .filter(|one| id.as_deref() != Some(one.id.as_str()))
        .map(|one| OtherFramework {
            id: one.id.clone(),
            name: one.name.clone(),
            is_active: one.standing == Standing::Active,
            tasks: one.tasks.alive().count() as u64,
            registered_ms: one.registered_ms,
        })
        .collect();
    others.truncate(OTHERS_MAX);
    FrameworkJudged { id, fate, words, removed_at_ms: known.and_then(Framework::removed_at_ms), others }
}

fn listed(framework: &Framework) -> (FrameworkFate, String) {
    let id = &framework.id;
    match framework.standing {
        Standing::Active | Standing::Inactive => {
            (FrameworkFate::Active, format!("the master knows framework {id}, and a scheduler is registered with it"))
        }
        Standing::Disconnected => (
            FrameworkFate::Disconnected,
            format!("the master knows framework {id}, and no scheduler is there: a restored one takes it over"),
        ),
        Standing::Recovered => (
            FrameworkFate::Recovered,
            format!("the master knows framework {id} from its agents: a restored scheduler takes it over"),
        ),
        Standing::Removed => (
            FrameworkFate::Removed,
            format!(
                "the master has REMOVED framework {id}: a scheduler restored from this backup is refused (\"Framework has been \
                 removed\") and ends, again and again; its tasks are gone"
            ),
        ),
    }
}

fn absent(id: &str, state: &MasterState) -> (FrameworkFate, String) {
    if state.is_leading() == Some(false) {
        let why = format!("whether the master knows framework {id} is not known: the one that answered does not lead");
        return (FrameworkFate::Unknown, why);
    }
    if state.agents_missing > 0 {
        let why = format!(
            "whether the master knows framework {id} is not known: {} agents have not come back to it yet",
            state.agents_missing
        );
        return (FrameworkFate::Unknown, why);
    }
    let why = format!("the master does NOT know framework {id}: nothing that runs can be adopted");
    (FrameworkFate::NotListed, why)
}
