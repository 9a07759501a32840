//! What is wrong with what the program is given, and with the disk and the hosts it works on: each
//! with a clear end, its own exit code, and nothing lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use firstlight::practice::Scenario;
use rustix::net::{AddressFamily, SocketAddrV4, SocketType, bind, getsockname, listen, socket};

use super::{
    cluster_checks::{Before, log_lines},
    rig::{RUNBOOK, Rig, SHORT, WALK, answers, answers_text, wait_for},
};

#[test]
fn a_broken_runbook_is_told_whole_with_places() {
    let rig = Rig::created(Scenario::WipedLog, 1);
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/aurora-restore-from-backup.yaml"));
    let text = text.unwrap().replacen("danger: reads", "danger: raeds", 1).replacen(
        "{{ cluster.zookeeper }}",
        "{{ cluster.zokeeper }}",
        1,
    );
    let path = rig.file("broken.yaml", &text);
    let line = |word: &str| text.lines().position(|line| line.contains(word)).unwrap() + 1;
    let lint = rig.run(&["lint", &path]).expect(3);
    for word in ["raeds", "zokeeper"] {
        let place = format!("broken.yaml:{}:", line(word));
        assert!(lint.out.contains(&place), "no {place} in {}", lint.out);
    }
    let run = rig.run(&["run", &path, "--cluster", &rig.inventory(), "--answers", &answers(Scenario::WipedLog)]);
    assert!(run.expect(3).err.contains("broken.yaml:"));
    assert!(rig.sessions().is_empty());
}

#[test]
fn what_is_not_known_is_named() {
    let rig = Rig::bare();
    let scenario = rig.run(&["practice", "--headless", "--scenario", "corupt-log"]).expect(2);
    assert!(scenario.err.contains("corupt-log"), "{}", scenario.err);
    rig.run(&["frobnicate"]).expect(2);
    let runbook = rig.run(&["plan", "aurora-restore-from-bakup"]).expect(3);
    assert!(runbook.err.contains(RUNBOOK), "{}", runbook.err);
    rig.run(&["lint", "/nowhere/at-all.yaml"]).expect(3);
    rig.run(&["report", "nosuchsession"]).expect(8);
}

/// Walks until an answer is missing, before anything is done to a cluster that does not even run.
fn stuck(rig: &Rig) -> String {
    let text = answers_text(Scenario::WipedLog).replace("acknowledge: { all: true }", "acknowledge: { only: [whole] }");
    let answers = rig.file("stuck.yaml", &text);
    let ran = rig.walk(&answers).wait(SHORT).expect(4);
    assert!(ran.err.contains("outage"), "{}", ran.err);
    answers
}

#[test]
fn a_torn_end_is_set_aside_and_damage_refuses() {
    let rig = Rig::created(Scenario::WipedLog, 1);
    let answers = stuck(&rig);
    let (id, dir) = (rig.id(), rig.session());
    let journal = dir.join("journal.jsonl");
    let whole = fs::read(&journal).unwrap();
    let half = b"{\"v\":1,\"seq\":7,\"at\":\"20";
    fs::write(&journal, [whole.as_slice(), half].concat()).unwrap();
    rig.run(&["journal", "verify", &id]).expect(0);
    let resumed = rig.run(&["resume", &id, "--answers", &answers]).expect(4);
    assert!(resumed.err.contains("torn") || resumed.err.contains("set aside"), "{}", resumed.err);
    assert_eq!(fs::read(dir.join("journal.torn-1")).unwrap(), half);
    assert!(fs::read(&journal).unwrap().starts_with(&whole));
    rig.verify();

    let mut damaged = fs::read(&journal).unwrap();
    let second = damaged.iter().position(|byte| *byte == b'\n').unwrap() + 40;
    *damaged.get_mut(second).unwrap() ^= 1;
    fs::write(&journal, &damaged).unwrap();
    for args in [vec!["journal", "verify", &id], vec!["resume", &id, "--answers", &answers], vec!["report", &id]] {
        let ran = rig.run(&args).expect(8);
        assert!(ran.err.contains("line 2"), "{args:?}: {}", ran.err);
    }
    assert_eq!(fs::read(&journal).unwrap(), damaged);
}

#[test]
fn answers_for_another_plan_do_not_count() {
    let rig = Rig::created(Scenario::WipedLog, 1);
    let bound = |digest: &str| answers_text(Scenario::WipedLog).replace("plan: practice", &format!("plan: {digest}"));
    let other = rig.file("other.yaml", &bound(&"0".repeat(64)));
    let ran = rig.walk(&other).wait(SHORT).expect(4);
    assert!(ran.err.contains("another plan"), "{}", ran.err);
    assert!(rig.sessions().is_empty());
    // With the digest that is printed for it, it goes on to where an answer is missing.
    let digest = rig.run(&["plan", "--cluster", &rig.inventory(), "--mode", "recovery", "--digest"]).expect(0).out;
    let text = bound(digest.trim()).replace("acknowledge: { all: true }", "acknowledge: { only: [] }");
    let ran = rig.walk(&rig.file("bound.yaml", &text)).wait(SHORT).expect(4);
    assert!(ran.err.contains("consequence `whole`"), "{}", ran.err);
    // Answers for practice are for practice.
    let inventory = fs::read_to_string(rig.inventory()).unwrap();
    let real = inventory.lines().map(|line| if line.contains("practice: true") { "  practice: false" } else { line });
    let real = rig.file("real.yaml", &real.collect::<Vec<_>>().join("\n"));
    let args = ["run", RUNBOOK, "--cluster", &real, "--answers", &answers(Scenario::WipedLog)];
    let ran = rig.run(&args).expect(4);
    assert!(ran.err.contains("not a practice cluster"), "{}", ran.err);
}

/// A walk that ends at a step, with the cluster's flags as they were.
fn refused_at(scenario: Scenario, edit: (&str, &str), code: i32, says: &str) {
    let rig = Rig::up(scenario, 1);
    let before = Before::of(&rig);
    let text = answers_text(scenario);
    assert!(text.contains(edit.0), "{}", edit.0);
    let ran = rig.walk(&rig.file("answers.yaml", &text.replace(edit.0, edit.1))).wait(WALK).expect(code);
    assert!(ran.err.contains(says), "{}", ran.err);
    before.flags_are_back();
    rig.verify();
}

#[test]
fn a_phrase_that_is_missing_or_wrong_stops_nothing_and_nobody() {
    refused_at(Scenario::WipedLog, ("  stop-schedulers: stop practice\n", ""), 4, "stop practice");
    refused_at(Scenario::WipedLog, ("stop practice", "stop west"), 4, "stop-schedulers");
}

#[test]
fn a_backup_that_does_not_decode_is_not_staged() {
    let rig = Rig::up(Scenario::WipedLog, 1);
    let home = rig.cluster().layout().home(&rig.cluster().plan().schedulers.first().unwrap().name);
    let backup = home.backup_dir().join("scheduler-backup-2031-01-01-00-00");
    fs::write(&backup, [0]).unwrap();
    let text = answers_text(Scenario::WipedLog);
    let text = text.replace("inputs:\n", &format!("inputs:\n  backup: {}\n", backup.display()));
    let ran = rig.walk(&rig.file("answers.yaml", &text)).wait(WALK);
    let ran = ran.expect(7);
    assert!(ran.err.contains("backup"), "{}", ran.err);
    assert_eq!(log_lines(&rig, "] stageRecovery("), 0);
    rig.verify();
}

/// An address that takes no connection and refuses none: its queue is full.
fn silent() -> (u16, Vec<Box<dyn Send>>) {
    let server = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&server, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    listen(&server, 0).unwrap();
    let address = SocketAddrV4::try_from(getsockname(server.as_fd()).unwrap()).unwrap();
    let mut held: Vec<Box<dyn Send>> = vec![Box::new(server)];
    // One more than fits: the one that gets no answer shows that it is full.
    while let Ok(stream) = TcpStream::connect_timeout(&address.into(), Duration::from_millis(200)) {
        held.push(Box::new(stream));
    }
    (address.port(), held)
}

#[test]
fn a_scheduler_that_does_not_answer_is_unknown_and_blocks() {
    let rig = Rig::up(Scenario::WipedLog, 3);
    let before = Before::of(&rig);
    let (port, _held) = silent();
    let third = rig.cluster().plan().schedulers.last().unwrap().clone();
    let (real, dead) = (format!("127.0.0.1:{}", third.http_port), format!("127.0.0.1:{port}"));
    let inventory = fs::read_to_string(rig.inventory()).unwrap().replace(&real, &dead);
    let inventory = rig.file("unreachable.yaml", &inventory);
    let runbook = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/aurora-restore-from-backup.yaml"));
    let quick = "say: its HTTP port refuses connections";
    let runbook = runbook.unwrap().replacen(quick, &format!("{quick}\n            within: 15s"), 1);
    let runbook = rig.file("quick.yaml", &runbook);
    let answers = rig.file("answers.yaml", &answers_text(Scenario::WipedLog).replace("wait: 3min", "wait: 3s"));
    let ran = rig.run(&["run", &runbook, "--cluster", &inventory, "--answers", &answers]).expect(5);
    assert!(ran.err.contains("s3:") && ran.err.contains(&dead), "{}", ran.err);
    before.flags_are_back();
    rig.verify();
}

/// A file system of its own, unmounted with the test.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=1536k,mode=0700", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

#[test]
fn a_full_disk_stops_the_session_and_loses_nothing() {
    let mut rig = Rig::up(Scenario::WipedLog, 1);
    let at = rig.path("small");
    let Some(small) = Small::mount(&at) else {
        eprintln!("SKIPPED: a full disk is tried only where a small file system may be mounted");
        return;
    };
    rig.state_at(&small.0.join("state"));
    let before = Before::of(&rig);
    let walk = rig.walk(&answers(Scenario::WipedLog));
    wait_for("the walk is on its way", SHORT, || (rig.seq() > 60).then_some(()));
    let ballast = small.0.join("ballast");
    drop(fs::write(&ballast, vec![0; 2 << 20]));
    let ran = walk.wait(WALK).expect(8);
    assert!(ran.err.contains("No space left") || ran.err.contains("journal"), "{}", ran.err);
    fs::remove_file(&ballast).unwrap();
    // What could not be written was not done: the record is whole, and the recovery goes on from it.
    let resumed = rig.start(&["resume", &rig.id(), "--answers", &answers(Scenario::WipedLog)]).wait(WALK);
    resumed.expect(0);
    before.is_whole(&rig);
    rig.verify();
}
