//! Every scenario of the practice cluster, walked without a terminal to a cluster that is whole.

use firstlight::practice::Scenario;

use super::{
    cluster_checks::Before,
    rig::{Rig, WALK, answers},
};

fn recovers(scenario: Scenario) {
    let rig = Rig::up(scenario, 3);
    let before = Before::of(&rig);
    rig.walk(&answers(scenario)).wait(WALK).expect(0);
    before.is_whole(&rig);
    rig.verify();
    let (lost, report) = (before.lost(&rig), rig.report());
    assert!(!lost.is_empty(), "every scenario has tasks that no backup knows");
    for id in lost {
        assert!(report.contains(&id), "{id} is not in the report");
    }
}

#[test]
fn corrupt_log() {
    recovers(Scenario::CorruptLog);
}

#[test]
fn lost_quorum() {
    recovers(Scenario::LostQuorum);
}

#[test]
fn flapping() {
    recovers(Scenario::Flapping);
}

#[test]
fn wiped_log() {
    recovers(Scenario::WipedLog);
}

#[test]
fn stale_backup() {
    recovers(Scenario::StaleBackup);
}

#[test]
fn healthy() {
    recovers(Scenario::Healthy);
}
