//! Every scenario of the practice cluster, walked without a terminal to a cluster that is whole.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;

use firstlight::{journal::Sessions, practice::Scenario, runbook::model::Register, session::State};
use serde_json::Value;

use super::{
    cluster_checks::{Before, log_lines},
    rig::{Rig, WALK, answers, answers_text},
};

/// Walks a scenario with the answers shipped for it; the verdict on the log must be this.
fn recovers(scenario: Scenario, decision: &str) {
    let rig = Rig::up(scenario, 3);
    answered(&rig, &answers(scenario));
    judged(&rig, decision, "no");
}

/// What the verdict says, and whether it goes against an answer.
fn judged(rig: &Rig, decision: &str, contradicted: &str) {
    let verdict = outputs(rig, "verdict");
    assert_eq!(
        (&verdict["decision"], &verdict["contradicted"]),
        (&decision.into(), &contradicted.into()),
        "{verdict:#}"
    );
    let reasons = verdict["verdict"]["reasons"].as_array().unwrap();
    assert!(reasons.iter().all(|reason| reason["evidence"].is_array()), "{verdict:#}");
    let votes = outputs(rig, "quorum");
    assert_eq!((&votes["replicas"], &votes["unknown"]), (&3.into(), &0.into()), "{votes:#}");
    assert!(outputs(rig, "elections")["story"].as_array().is_some_and(|story| !story.is_empty()));
}

fn answered(rig: &Rig, answers: &str) {
    let before = Before::of(rig);
    rig.walk(answers).wait(WALK).expect(0);
    before.is_whole(rig);
    rig.verify();
    let (lost, report) = (before.lost(rig), rig.report());
    assert!(!lost.is_empty(), "every scenario has tasks that no backup knows");
    for id in &lost {
        assert!(report.contains(id), "{id} is not in the report");
    }
    exactly_the_predicted(rig, &before);
}

/// What the session found under a name, on whichever host.
fn outputs(rig: &Rig, register: &str) -> Value {
    let dir = rig.session();
    let (records, _) = Sessions::at(dir.parent().unwrap()).open_read_only(&rig.id()).unwrap();
    let state = State::fold(records.into_iter().map(|record| (record.at, record.event))).unwrap();
    let found = state.outputs.get(&Register::from(register)).and_then(|hosts| hosts.values().next().cloned());
    found.unwrap_or_else(|| panic!("nothing was found as {register}"))
}

/// Ids of the tasks of which a prediction lists one of these fates, from the file that was kept.
fn fated(rig: &Rig, register: &str, fates: &[&str]) -> BTreeSet<String> {
    let file = outputs(rig, register)["evidence"]["file"].as_str().unwrap().to_owned();
    let impact: Value = serde_json::from_slice(&std::fs::read(rig.session().join(file)).unwrap()).unwrap();
    let tasks = impact["tasks"].as_array().unwrap().iter();
    let fits = tasks.filter(|task| fates.iter().any(|fate| task["fate"] == *fate));
    fits.map(|task| task["id"].as_str().unwrap().to_owned()).collect()
}

fn doomed(rig: &Rig, register: &str) -> BTreeSet<String> {
    fated(rig, register, &["killed", "ended-in-backup", "killing", "replaced"])
}

/// What is gone by the cluster's own state, without those that the prediction says may go either way.
fn surely_lost(rig: &Rig, before: &Before) -> BTreeSet<String> {
    let either = fated(rig, "doomed", &["assigned", "pending-runs"]);
    before.lost(rig).into_iter().filter(|id| !either.contains(id)).collect()
}

/// What was predicted before staging and before the commit is what the cluster's own state says was killed.
fn exactly_the_predicted(rig: &Rig, before: &Before) {
    let lost = surely_lost(rig, before);
    assert_eq!(doomed(rig, "impact"), lost, "predicted before staging, and killed");
    assert_eq!(doomed(rig, "doomed"), lost, "predicted before the commit, and killed");
    let happened = outputs(rig, "happened");
    assert_eq!(happened["as_predicted"], "yes", "{happened:#}");
    let report = rig.report();
    assert!(report.contains("nothing differs from the prediction"));
    // An update that goes on, a cron job and a host that is drained are foretold as well.
    for said in ["resumes: ROLLING", "cron jobs: ", "maintenance: "] {
        assert!(report.contains(said), "{said}");
    }
    assert!(outputs(rig, "sweep")["at_ms"].is_i64());
    let journal = std::fs::metadata(rig.session().join("journal.jsonl")).unwrap().len();
    assert!(journal < 2 << 20, "a journal of {journal} bytes");
}

#[test]
fn a_task_taken_out_of_what_is_staged_is_killed_and_the_phrase_counts_it() {
    let rig = Rig::up(Scenario::Healthy, 3);
    let before = Before::of(&rig);
    let wrong = answers_text(Scenario::Healthy)
        .replace("inputs:\n", "inputs:\n  delete_tasks: role=ops env=prod job=metrics instance=0\n");
    // The phrase of the answers counts a task less: nothing is committed.
    let refused = rig.walk(&rig.file("wrong.yaml", &wrong)).wait(WALK);
    assert_ne!(refused.code, Some(0), "{}", refused.tail());
    assert_eq!(log_lines(&rig, "] commitRecovery("), 0, "{}", refused.tail());
    let right = wrong.replace("kill 6 tasks", "kill 7 tasks");
    rig.start(&["resume", &rig.id(), "--answers", &rig.file("right.yaml", &right)]).wait(WALK).expect(0);
    before.flags_are_back();
    let lost = surely_lost(&rig, &before);
    assert_eq!(lost.len(), 7, "{lost:?}");
    assert_eq!(doomed(&rig, "doomed"), lost, "predicted before the commit, and killed");
    let taken: Vec<String> = lost.difference(&doomed(&rig, "impact")).cloned().collect();
    assert!(matches!(taken.as_slice(), [only] if only.starts_with("ops-prod-metrics-0-")), "{taken:?}");
    assert_eq!(outputs(&rig, "happened")["as_predicted"], "yes");
    rig.verify();
}

#[test]
fn corrupt_log() {
    recovers(Scenario::CorruptLog, "reinitialize");
}

#[test]
fn lost_quorum() {
    // Whoever says that no log is missing is asked to look again; the survivor is found all the same.
    let rig = Rig::up(Scenario::LostQuorum, 3);
    let wrong = answers_text(Scenario::LostQuorum).replace("damaged: unsure", "damaged: \"no\"");
    answered(&rig, &rig.file("wrong.yaml", &wrong));
    judged(&rig, "survivor", "yes");
    let report = rig.report();
    assert!(report.contains("Look again at your answers"), "{report}");
}

#[test]
fn flapping() {
    recovers(Scenario::Flapping, "reinitialize");
}

#[test]
fn wiped_log() {
    recovers(Scenario::WipedLog, "reinitialize");
}

#[test]
fn stale_backup() {
    recovers(Scenario::StaleBackup, "reinitialize");
}

#[test]
fn healthy() {
    recovers(Scenario::Healthy, "healthy");
}
