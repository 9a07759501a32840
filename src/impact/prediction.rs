//! What was predicted, small enough to keep, to be compared with what happens.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    assess::Compared,
    fate::Fate,
    model::{FORMAT, Verdict},
    sides::BackupSide,
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
    /// Tasks whose id cannot be kept.
    pub unnamed: u64,
    /// Tasks by `role/environment/name`; ended ones are left out.
    pub jobs: BTreeMap<String, PredictedJob>,
}

impl Prediction {
    /// What was found, task by task.
    pub(super) fn of(backup: &BackupSide, compared: &Compared<'_>) -> Self {
        let mut jobs: BTreeMap<String, PredictedJob> = BTreeMap::new();
        let mut unnamed = 0;
        each_task(backup, compared, |job, id, _| {
            // A line each: what has a line end in it is no id of Aurora's.
            if id.contains('\n') {
                unnamed += 1;
                return;
            }
            match jobs.get_mut(job) {
                Some(known) => shorten(&mut known.prefix, id),
                None => {
                    jobs.insert(job.to_owned(), PredictedJob { prefix: id.to_owned(), tasks: BTreeMap::new() });
                }
            }
        });
        each_task(backup, compared, |job, id, fate| {
            if let Some(known) = jobs.get_mut(job)
                && let Some(rest) = id.strip_prefix(known.prefix.as_str()).filter(|rest| !rest.contains('\n'))
            {
                let rests = known.tasks.entry(fate).or_default();
                rests.push_str(rest);
                rests.push('\n');
            }
        });
        Self {
            format: FORMAT,
            verdict: compared.impact.verdict,
            backup_timestamp_ms: backup.timestamp_ms,
            at_ms: compared.impact.live.at_ms,
            framework_id: backup.framework_id.clone(),
            kills: compared.impact.kills(),
            unnamed,
            jobs,
        }
    }

    /// How many tasks have this fate.
    pub fn count(&self, fate: Fate) -> u64 {
        self.jobs
            .values()
            .filter_map(|job| job.tasks.get(&fate))
            .map(|rests| rests.split_terminator('\n').count() as u64)
            .sum()
    }

    /// Every task that was predicted of: its job, its id, its fate.
    pub fn each(&self, mut take: impl FnMut(&str, &str, Fate)) {
        let mut id = String::new();
        for (job, of) in &self.jobs {
            for (fate, rests) in &of.tasks {
                for rest in rests.split_terminator('\n') {
                    id.clear();
                    id.extend([of.prefix.as_str(), rest]);
                    take(job, &id, *fate);
                }
            }
        }
    }
}

/// Every task that is not history: its job, its id, its fate.
fn each_task(backup: &BackupSide, compared: &Compared<'_>, mut take: impl FnMut(&str, &str, Fate)) {
    for (task, fate) in backup.tasks.iter().zip(&compared.of_backup) {
        if let Some(fate) = fate.filter(|fate| *fate != Fate::History) {
            take(task.job, task.id, fate);
        }
    }
    for (at, fate) in compared.of_live.iter().enumerate() {
        if let (Some(fate), Some(task)) = (fate, compared.truth.at(at)) {
            take(&task.job, task.id, *fate);
        }
    }
}

/// Cuts to what both begin with.
fn shorten(prefix: &mut String, id: &str) {
    if id.starts_with(prefix.as_str()) {
        return;
    }
    let both = prefix.char_indices().zip(id.chars()).take_while(|((_, a), b)| a == b).last();
    let keep = both.map_or(0, |((at, last), _)| at + last.len_utf8());
    prefix.truncate(keep);
}
