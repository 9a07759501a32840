//! What only reads: the plan, the prediction, the tables, and events as lines of JSON.

use std::{collections::BTreeMap, path::PathBuf};

use firstlight::{
    exit::Exit,
    practice::{Scenario, zookeeper_installed},
};

use super::{
    cluster_checks::visit,
    rig::{RUNBOOK, Rig, SHORT, answers, answers_text, wait_for},
};

fn files(rig: &Rig) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    visit(rig.cluster().dir(), &mut |path| {
        files.insert(path.to_owned(), std::fs::read(path).unwrap_or_default());
    });
    files
}

#[test]
fn a_dry_run_changes_nothing() {
    // Not started, so that nobody else changes anything either.
    let rig = Rig::created(Scenario::CorruptLog, 3);
    let before = files(&rig);
    let answers = answers(Scenario::CorruptLog);
    let ran = rig.run(&["run", RUNBOOK, "--cluster", &rig.inventory(), "--answers", &answers, "--dry-run"]).expect(0);
    assert!(ran.out.starts_with("DRY RUN"), "{}", ran.out);
    assert!(ran.out.contains("s3: would:"), "{}", ran.out);
    assert!(rig.sessions().is_empty());
    let after = files(&rig);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let changed: Vec<_> = before.iter().filter(|(path, bytes)| after.get(*path) != Some(bytes)).collect();
    assert!(changed.is_empty(), "{:?}", changed.iter().map(|(path, _)| path).collect::<Vec<_>>());
}

#[test]
fn the_plan_has_every_command_for_every_host() {
    let rig = Rig::created(Scenario::CorruptLog, 3);
    let inventory = rig.inventory();
    for how in [&[][..], &["--markdown"][..]] {
        let args = [&["plan", RUNBOOK, "--cluster", inventory.as_str()], how].concat();
        let plan = rig.run(&args).expect(0).out;
        for scheduler in &rig.cluster().plan().schedulers {
            let home = rig.cluster().layout().home(&scheduler.name);
            let initialize = format!("--path={}", home.log_dir().display());
            assert!(plan.contains(&initialize), "no {initialize}");
            assert!(plan.contains(&home.flags_file().display().to_string()));
            assert!(plan.contains(&format!("stop {}", scheduler.name)), "no stop of {}", scheduler.name);
        }
    }
}

#[test]
fn events_are_lines_of_json() {
    let rig = Rig::created(Scenario::WipedLog, 1);
    let text = answers_text(Scenario::WipedLog).replace("acknowledge: { all: true }", "acknowledge: { only: [whole] }");
    let answers = rig.file("answers.yaml", &text);
    let args = ["run", RUNBOOK, "--cluster", &rig.inventory(), "--answers", &answers, "--json"];
    let ran = rig.run(&args).expect(4);
    let lines: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line.pointer("/event/acknowledged").is_some()), "{}", ran.out);
    assert!(lines.iter().all(|line| line.get("seq").is_some_and(serde_json::Value::is_u64)), "{}", ran.out);
}

/// The practice cluster leaves a `clusters.json`, which needs no inventory: with ZooKeeper the leader is looked up there.
#[test]
fn a_cluster_is_found_where_auroras_own_commands_find_it() {
    let rig = Rig::up(Scenario::Healthy, 2);
    let urls = rig.cluster().plan().schedulers.iter().map(|one| format!("http://127.0.0.1:{}/", one.http_port));
    let urls: Vec<String> = urls.collect();
    let (said, leader) = wait_for("a leader is advertised", SHORT, || {
        let ran = rig.run(&["cluster", "practice"]);
        let leader = urls.iter().find(|url| ran.out.contains(*url)).cloned()?;
        (ran.code == Some(0)).then_some((ran.out, leader))
    });
    let way = if zookeeper_installed() { "in ZooKeeper at" } else { "names it" };
    assert!(said.contains(way) && said.contains("answers as     practice"), "{said}");
    let ran = rig.run(&["backup", "list", "--cluster", "practice", "--json"]).expect(13);
    let list: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let named = list["named"].as_array().unwrap();
    assert!(!named.is_empty() && named.iter().all(|one| one["scheduler"] == *leader), "{}", ran.out);
    assert!(named.iter().all(|one| one["name"].as_str().unwrap().starts_with("scheduler-backup-2")), "{}", ran.out);
    // The name of an entry that is not the cluster's own: whoever answers is not taken for it.
    rig.run(&["backup", "list", "--cluster", "practice-s1"]).expect(14);
    rig.run(&["backup", "list", "--cluster", "practise"]).expect(3);
}

#[test]
fn the_help_has_the_table_of_exit_codes() {
    let help = Rig::bare().run(&["--help"]).expect(0).out;
    for exit in Exit::ALL {
        let line = format!("{:>2}  {}", exit.code(), exit.meaning());
        assert!(help.contains(&line), "no {line} in {help}");
    }
}
