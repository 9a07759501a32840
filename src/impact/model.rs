//! What a restore would do, as a value that is kept, shown and sent around.

use std::{collections::BTreeMap, sync::LazyLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    affected::Affected,
    framework::FrameworkJudged,
    groups::{FateCounts, Group, JobGroup, Resources},
    reverted::Reverted,
    version::VersionJudged,
};

/// Format of the JSON.
pub const FORMAT: u32 = 1;

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No running task would be killed.
    KillsNone,
    /// Running tasks would be killed.
    Kills,
    /// It must not be restored: nothing that runs could be adopted.
    MustNotRestore,
    /// It cannot be known.
    Unknown,
}

/// Something to be said, with a code for scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// What kind, in lower case with dashes.
    pub code: String,
    /// In words.
    pub message: String,
}

impl Note {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

/// The backup, in short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupFacts {
    /// When it was taken, in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// Framework id.
    pub framework_id: Option<String>,
    /// Version of the scheduler that wrote it.
    pub build_version: Option<String>,
    /// Tasks in any state.
    pub tasks: u64,
    /// Tasks in an active state.
    pub active_tasks: u64,
}

/// What was compared with, in short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LiveFacts {
    /// When it was seen, in milliseconds since the epoch.
    pub at_ms: Option<i64>,
    /// The master answered.
    pub master: bool,
    /// Its version.
    pub master_version: Option<String>,
    /// A scheduler answered.
    pub scheduler: bool,
    /// Its version.
    pub scheduler_version: Option<String>,
    /// Tasks that run, or are about to; `None` if nobody says.
    pub running: Option<u64>,
}

/// What a restore would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Impact {
    /// Format of this value.
    pub format: u32,
    /// The answer in one word.
    pub verdict: Verdict,
    /// The backup.
    pub backup: BackupFacts,
    /// What there is.
    pub live: LiveFacts,
    /// Whether what runs can be adopted.
    pub framework: FrameworkJudged,
    /// Whether the scheduler reads what was written.
    pub version: VersionJudged,
    /// Tasks by fate.
    pub counts: FateCounts,
    /// What each fate means.
    pub fates: BTreeMap<String, String>,
    /// What the tasks have whose process ends.
    pub killed_resources: Resources,
    /// What the tasks ask for that are started again.
    pub restarted_resources: Resources,
    /// By role.
    pub by_role: Vec<Group>,
    /// By environment.
    pub by_environment: Vec<Group>,
    /// By job.
    pub by_job: Vec<JobGroup>,
    /// What is taken back besides tasks.
    pub reverted: Reverted,
    /// Why it must not be restored.
    pub stops: Vec<Note>,
    /// What an engineer should know.
    pub warnings: Vec<Note>,
    /// What is not known, and why.
    pub unknowns: Vec<Note>,
    /// Every task to which something happens, or of which it is not known.
    pub tasks: Affected,
}

impl Impact {
    /// Running tasks that would be killed.
    pub fn kills(&self) -> u64 {
        self.counts.kills()
    }

    /// Adds a reason not to restore that was found elsewhere: damage of the file, say.
    pub fn stop(&mut self, code: &str, message: &str) {
        self.stops.push(Note::new(code, message));
        self.verdict = Verdict::MustNotRestore;
    }

    /// Jobs of which something happens to a task, or nobody knows.
    pub fn affected_jobs(&self) -> impl Iterator<Item = &JobGroup> {
        self.by_job.iter().filter(|job| job.is_affected())
    }
}

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = schemars::schema_for!(Impact);
    schema.insert("title".to_owned(), Value::from(format!("What restoring a backup would do, format {FORMAT}")));
    schema.to_value()
});

/// The JSON Schema of [`Impact`].
pub fn schema() -> &'static Value {
    &SCHEMA
}
