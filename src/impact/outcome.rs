//! What was predicted against what happened.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    assess::instance_in,
    fate::Fate,
    model::FORMAT,
    prediction::Prediction,
    sides::{LiveSide, Master},
};
use crate::mesos::state::{MasterState, Standing, Tasks};

/// Ids that are listed of each kind; their number is always whole.
pub const IDS_MAX: usize = 1000;

/// Some tasks: how many, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// How many.
    pub count: u64,
    /// The first of them, by job.
    pub ids: Vec<String>,
}

impl Seen {
    fn add(&mut self, id: &str) {
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
    /// To be kept, and over by itself, as a scheduler says.
    pub ended: u64,
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
    let mut outcome = Outcome {
        format: FORMAT,
        at_ms: live.at_ms,
        unknown: None,
        framework: FrameworkSeen::Unknown,
        killed: Seen::default(),
        still_alive: Seen::default(),
        kept: 0,
        ended: 0,
        gone_unpredicted: Seen::default(),
        restarted: Seen::default(),
        not_restarted: Seen::default(),
        new: Seen::default(),
        unpredicted_alive: 0,
    };
    let state = match &live.master {
        Master::Answered(state) if state.is_leading() != Some(false) => state,
        Master::Answered(_) => {
            outcome.unknown = Some("the master that answered does not lead".to_owned());
            return outcome;
        }
        Master::Silent(why) => {
            outcome.unknown = Some(why.clone());
            return outcome;
        }
    };
    outcome.framework = framework(prediction, state);
    let own = prediction.framework_id.as_deref().and_then(|id| state.framework(id));
    let none = Tasks::default();
    let tasks = own.map_or(&none, |framework| &framework.tasks);
    let mut new = new_tasks(prediction, tasks);
    prediction.each(|job, id, fate| {
        let alive = tasks.find(id).is_some_and(|task| task.state.is_alive());
        match (fate, alive) {
            (_, true) if fate.kills() => outcome.still_alive.add(id),
            (_, true) if fate.keeps() => outcome.kept += 1,
            (_, true) => outcome.unpredicted_alive += 1,
            (_, false) if fate.kills() => outcome.killed.add(id),
            // One that waits in the backup and runs goes once its new launch was refused: LOST there, then swept.
            (_, false) if fate.keeps() => {
                if ended_by_itself(live, id) {
                    outcome.ended += 1;
                } else {
                    outcome.gone_unpredicted.add(id);
                }
            }
            (_, false) => {}
        }
        if matches!(fate, Fate::Restarted | Fate::Replaced) {
            let stands_for = instance_in(id, job).and_then(|instance| new.remove(&(job.to_owned(), instance)));
            match stands_for {
                Some(_) => outcome.restarted.add(id),
                None => outcome.not_restarted.add(id),
            }
        }
    });
    for id in new.into_values().flatten() {
        outcome.new.add(&id);
    }
    outcome
}

fn framework(prediction: &Prediction, state: &MasterState) -> FrameworkSeen {
    let own = prediction.framework_id.as_deref().and_then(|id| state.framework(id));
    if own.is_some_and(|framework| framework.standing == Standing::Active) {
        FrameworkSeen::AsPredicted
    } else if state.aurora().any(|framework| framework.standing == Standing::Active) {
        FrameworkSeen::Another
    } else {
        FrameworkSeen::NotYet
    }
}

/// Living tasks of which nothing was predicted, by job and instance. One whose instance is not known has the instance -1.
fn new_tasks(prediction: &Prediction, tasks: &Tasks) -> BTreeMap<(String, i32), Vec<String>> {
    let mut known = vec![false; tasks.len()];
    prediction.each(|_, id, _| {
        if let Some(known) = tasks.place(id).and_then(|at| known.get_mut(at)) {
            *known = true;
        }
    });
    let mut new: BTreeMap<(String, i32), Vec<String>> = BTreeMap::new();
    for (task, known) in tasks.iter().zip(known) {
        if !known && task.state.is_alive() {
            let instance = instance_in(task.id, task.name).unwrap_or(-1);
            new.entry((task.name.to_owned(), instance)).or_default().push(task.id.to_owned());
        }
    }
    new
}

fn ended_by_itself(live: &LiveSide, id: &str) -> bool {
    use crate::aurora::types::ScheduleStatus;
    let tasks = live.scheduler.as_ref().and_then(|scheduler| scheduler.tasks.as_ref());
    let task = tasks.and_then(|tasks| tasks.at(tasks.find(id)?));
    task.is_some_and(|task| matches!(task.status, ScheduleStatus::Finished | ScheduleStatus::Failed))
}

impl Outcome {
    /// In words, one sentence each; what differs comes first.
    pub fn words(&self) -> Vec<String> {
        if let Some(why) = &self.unknown {
            return vec![format!("What happened to the tasks is not known: {why}.")];
        }
        let mut words = Vec::new();
        let mut say = |count: u64, rest: &str| {
            if count > 0 {
                words.push(format!("{count} {} {rest}.", if count == 1 { "task" } else { "tasks" }));
            }
        };
        say(self.gone_unpredicted.count, "that were to be kept are GONE");
        say(self.still_alive.count, "that were to be killed still run");
        say(self.not_restarted.count, "that were to be started again have no successor that runs");
        say(self.new.count, "run that were neither there before nor stand for one of those");
        say(self.killed.count, "were killed as predicted");
        say(self.restarted.count, "were started again as predicted");
        say(self.kept, "were kept as predicted");
        say(self.ended, "that were to be kept have ended by themselves");
        words.push(
            match self.framework {
                FrameworkSeen::AsPredicted => "A scheduler is registered with the framework of the backup.",
                FrameworkSeen::NotYet => "No scheduler is registered with the framework of the backup yet.",
                FrameworkSeen::Another => "A scheduler is registered with ANOTHER framework than that of the backup.",
                FrameworkSeen::Unknown => "Which framework is registered is not known.",
            }
            .to_owned(),
        );
        words
    }
}
