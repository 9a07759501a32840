//! What was predicted against what happened.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{prediction::Prediction, sides::LiveSide};

/// Ids that are listed of each kind; their number is always whole.
pub const IDS_MAX: usize = 1000;

/// Some tasks: how many, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// How many.
    pub count: u64,
    /// The first of them, by job and id.
    pub ids: Vec<String>,
}

impl Seen {
    pub(super) fn add(&mut self, id: &str) {
        self.count += 1;
        if self.ids.len() < IDS_MAX {
            self.ids.push(id.to_owned());
        }
    }
}

/// How the framework turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FrameworkSeen {
    /// The scheduler registered with the framework of the backup.
    AsPredicted,
    /// No scheduler is registered with it yet.
    NotYet,
    /// A scheduler is registered with another.
    Another,
    /// Nobody says.
    Unknown,
}

/// What happened, held against the prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Format of this value.
    pub format: u32,
    /// When it was seen, in milliseconds since the epoch.
    pub at_ms: Option<i64>,
    /// Why nothing can be said of tasks, if so.
    pub unknown: Option<String>,
    /// The framework.
    pub framework: FrameworkSeen,
    /// To be killed, and gone.
    pub killed: Seen,
    /// To be killed, and alive.
    pub still_alive: Seen,
    /// To be kept, and alive.
    pub kept: u64,
    /// To be kept, and gone.
    pub gone_unpredicted: Seen,
    /// To be started again, and a new task of the same job and instance runs.
    pub restarted: Seen,
    /// To be started again, and none runs yet.
    pub not_restarted: Seen,
    /// Run, and were neither there when the prediction was made nor stand for one that was to be started.
    pub new: Seen,
    /// Of which nothing was predicted, and alive.
    pub unpredicted_alive: u64,
}

impl Outcome {
    /// Everything that was to be killed is gone, everything else is there, the framework is the one: nothing differs.
    pub fn is_as_predicted(&self) -> bool {
        self.unknown.is_none()
            && self.framework == FrameworkSeen::AsPredicted
            && self.still_alive.count == 0
            && self.gone_unpredicted.count == 0
            && self.not_restarted.count == 0
    }
}

/// Compares what was predicted with what there is.
pub fn compare(prediction: &Prediction, live: &LiveSide) -> Outcome {
    let _ = (prediction, live);
    Outcome {
        format: super::model::FORMAT,
        at_ms: live.at_ms,
        unknown: Some("not compared".to_owned()),
        framework: FrameworkSeen::Unknown,
        killed: Seen::default(),
        still_alive: Seen::default(),
        kept: 0,
        gone_unpredicted: Seen::default(),
        restarted: Seen::default(),
        not_restarted: Seen::default(),
        new: Seen::default(),
        unpredicted_alive: 0,
    }
}
