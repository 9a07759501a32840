//! The comparison itself.

use std::collections::BTreeMap;

use super::{
    fate::{Fate, Truth, fate},
    framework,
    groups::{FateCounts, Resources},
    model::{BackupFacts, FORMAT, Impact, LiveFacts, Verdict},
    prediction::Prediction,
    reverted,
    sides::{BackupSide, LiveSide, Master},
    version,
};

/// What restoring this backup would do to what there is.
pub fn assess(backup: &BackupSide, live: &LiveSide) -> Impact {
    predict(backup, live).0
}

/// The same, with what is to be kept to compare with later.
pub fn predict(backup: &BackupSide, live: &LiveSide) -> (Impact, Prediction) {
    let framework = framework::judge(backup, live);
    let mut counts = FateCounts::default();
    for task in backup.tasks.iter() {
        if let Some(fate) = fate(Some(task.status), Truth::Unknown) {
            counts.add(fate);
        }
    }
    let impact = Impact {
        format: FORMAT,
        verdict: Verdict::Unknown,
        backup: BackupFacts::default(),
        live: LiveFacts { master: matches!(live.master, Master::Answered(_)), ..LiveFacts::default() },
        framework,
        version: version::judge(backup, live),
        counts,
        fates: Fate::ALL
            .into_iter()
            .map(|fate| (fate.name().to_owned(), fate.words().to_owned()))
            .collect::<BTreeMap<_, _>>(),
        killed_resources: Resources::default(),
        restarted_resources: Resources::default(),
        by_role: Vec::new(),
        by_environment: Vec::new(),
        by_job: Vec::new(),
        reverted: reverted::judge(backup, live),
        stops: Vec::new(),
        warnings: Vec::new(),
        unknowns: Vec::new(),
        tasks: super::affected::Affected::default(),
    };
    (impact, Prediction::empty())
}
