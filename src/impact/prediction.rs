//! What was predicted, small enough to keep, to be compared with what happens.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    fate::Fate,
    model::{FORMAT, Verdict},
};

/// Tasks of a job by what was predicted of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PredictedJob {
    /// What the ids of all its tasks begin with.
    pub prefix: String,
    /// The rest of each id, by fate; one a line.
    pub tasks: BTreeMap<Fate, String>,
}

/// What was predicted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Prediction {
    /// Format of this value.
    pub format: u32,
    /// The answer in one word.
    pub verdict: Verdict,
    /// When the backup was taken, in milliseconds since the epoch.
    pub backup_timestamp_ms: Option<i64>,
    /// When what runs was seen, in milliseconds since the epoch.
    pub at_ms: Option<i64>,
    /// Framework that a restored scheduler holds.
    pub framework_id: Option<String>,
    /// Processes that end because of the restore.
    pub kills: u64,
    /// Tasks by `role/environment/name`; ended ones are left out.
    pub jobs: BTreeMap<String, PredictedJob>,
}

impl Prediction {
    /// Of nothing.
    pub fn empty() -> Self {
        Self {
            format: FORMAT,
            verdict: Verdict::Unknown,
            backup_timestamp_ms: None,
            at_ms: None,
            framework_id: None,
            kills: 0,
            jobs: BTreeMap::new(),
        }
    }

    /// Every task that was predicted of: its job, its id, its fate.
    pub fn each(&self, mut take: impl FnMut(&str, &str, Fate)) {
        let mut id = String::new();
        for (job, of) in &self.jobs {
            for (fate, rests) in &of.tasks {
                for rest in rests.lines() {
                    id.clear();
                    id.extend([of.prefix.as_str(), rest]);
                    take(job, &id, *fate);
                }
            }
        }
    }
}
