//! Lines that break, hosts that hang, keys that changed: what is not known is said to be not known.

use std::{fs, path::Path, sync::Arc, time::Duration};

use firstlight::{
    actions::{Secrets, Sink, World, attempt, look},
    engine::OutputStore,
    hosts::{
        Host, HostError, Hosts, Person, Quiet, Run, Stop,
        line::{Ended, Line},
        ssh::SshLine,
    },
    inventory::load_inventory,
    runbook::{
        kind::{Command, Files, Kind},
        model::{HostName, StepId},
        text::{ShellText, Text},
    },
    session::{AttemptId, Finding, Known, Look, Order, Outcome, Purpose},
};
use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;

use super::{
    lines::{line_to, master},
    rig::{Rig, signal, stub},
};

fn name() -> HostName {
    HostName::from("a")
}

fn run(line: &str) -> Run {
    Run::new(["sh", "-c", line].map(str::to_owned).to_vec(), Duration::from_mins(1))
}

fn order(kind: Kind, timeout_ms: u64) -> Order {
    Order {
        attempt: AttemptId(1),
        step: StepId::from("s"),
        host: name(),
        kind,
        guards: Vec::new(),
        known: Known::new(),
        timeout_ms,
    }
}

fn shell(line: &str) -> Kind {
    Kind::Command(Command { shell: Some(ShellText::from(line)), ..Command::default() })
}

async fn attempted(world: &World, kind: Kind) -> Outcome {
    let order = order(kind, 60_000);
    let sink = Sink::new(order.attempt, name(), OutputStore::default(), Secrets::default(), None);
    attempt(world, &order, &sink, &Stop::never()).await
}

async fn looked(world: &World, kind: Kind, timeout_ms: u64) -> firstlight::session::Report {
    let purpose = Purpose::Gate { step: StepId::from("s"), host: name(), gate: 0, epoch: 0 };
    look(world, &Look { host: name(), kind, known: Known::new(), timeout_ms, after_ms: 0, purpose }).await
}

/// Waits until a file is there.
async fn there(path: &Path) {
    for _ in 0..3000 {
        if path.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} does not come", path.display());
}

#[tokio::test]
async fn a_line_that_is_cut_leaves_a_script_in_doubt() {
    let Some(rig) = Rig::start(1, "") else { return };
    let line = line_to(&rig, "a");
    let mut open = line.open("echo begun; sleep 60; echo done").await.unwrap();
    let mut begun = [0; 6];
    open.stdout.read_exact(&mut begun).await.unwrap();
    rig.host("a").cut();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (ended, _, _) = tokio::join!(open.ended, open.stdout.read_to_end(&mut out), open.stderr.read_to_end(&mut err));
    assert!(matches!(&ended, Ended::Lost { why } if why.contains("the connection to a broke")), "{ended:?}");
    // The next one opens another connection.
    assert_eq!(crate::hosts::line::ran(&line, "exit 4", "").await.2, Ended::Exited(4));
}

#[tokio::test]
async fn what_was_cut_is_in_doubt_as_an_action_and_unknown_as_a_look() {
    let Some(rig) = Rig::start(1, "") else { return };
    let hosts = rig.reached();
    let world = World::over(Arc::new(rig.inventory("")), Secrets::default(), hosts.clone());
    let mark = rig.dir.path().join("mark");
    for (at, act) in [(0, true), (1, false)] {
        let mark = mark.with_extension(at.to_string());
        let kind = shell(&format!("touch {}; sleep 60", mark.display()));
        let cutting = async {
            there(&mark).await;
            rig.host("a").cut();
        };
        if act {
            let (outcome, ()) = tokio::join!(attempted(&world, kind), cutting);
            assert!(matches!(&outcome, Outcome::InDoubt { why } if why.contains("is not known")), "{outcome:?}");
        } else {
            let (report, ()) = tokio::join!(looked(&world, kind, 60_000), cutting);
            assert_eq!(report.finding, Finding::Unknown, "{report:?}");
        }
    }
    // A remote 255 is an exit code; a host that is down was not asked.
    let outcome = attempted(&world, shell("exit 255")).await;
    assert!(matches!(&outcome, Outcome::Failed { why } if why.contains("exit code 255")), "{outcome:?}");
    let mut rig = rig;
    rig.hosts[0].stop();
    let down = attempted(&world, shell("exit 0")).await;
    assert!(matches!(&down, Outcome::Failed { why } if why.contains("nothing was asked of it")), "{down:?}");
    let report = looked(&world, Kind::Files(Files::Exists { path: Text::from("/etc") }), 20_000).await;
    assert_eq!(report.finding, Finding::Unknown, "{report:?}");
    hosts.close().await;
}

#[tokio::test]
async fn a_file_that_is_cut_off_is_not_written() {
    let Some(rig) = Rig::start(1, "") else { return };
    let hosts = rig.reached();
    let a = hosts.get(&name()).unwrap();
    let dir = rig.dir.path().join("work");
    fs::create_dir(&dir).unwrap();
    let path = dir.join("f").display().to_string();
    fs::write(&path, "old").unwrap();
    let like = a.stat(&path).await.unwrap().unwrap().attributes;
    // Half of it is on its way, then the line breaks.
    let (mut to, mut from) = tokio::io::duplex(1024 * 1024);
    let cutting = async {
        tokio::io::AsyncWriteExt::write_all(&mut to, &vec![b'x'; 100_000]).await.unwrap();
        there(&dir.join(".f.firstlight-tmp")).await;
        rig.host("a").cut();
        drop(to);
    };
    let digest = "0".repeat(64);
    let (written, ()) = tokio::join!(a.write_atomic(&path, &mut from, &like, Some(&digest)), cutting);
    assert!(matches!(written.unwrap_err(), HostError::Lost { .. }));
    assert_eq!(fs::read(&path).unwrap(), b"old");
    hosts.close().await;
}

#[tokio::test]
async fn a_host_that_hangs_is_unknown_within_the_time_of_the_look() {
    let Some(rig) = Rig::start(1, "") else { return };
    let hosts = rig.reached();
    let world = World::over(Arc::new(rig.inventory("")), Secrets::default(), hosts.clone());
    let exists = || Kind::Files(Files::Exists { path: Text::from("/etc") });
    assert_eq!(looked(&world, exists(), 20_000).await.finding, Finding::Holds);
    rig.host("a").freeze();
    let report = looked(&world, exists(), 1_500).await;
    assert_eq!(report.finding, Finding::Unknown, "{report:?}");
    rig.host("a").thaw();
    assert_eq!(looked(&world, exists(), 30_000).await.finding, Finding::Holds);
    hosts.close().await;
}

#[tokio::test]
async fn a_master_that_hangs_is_replaced() {
    let Some(rig) = Rig::start(1, "") else { return };
    let hosts = rig.reached();
    let a = hosts.get(&name()).unwrap();
    a.identity().await.unwrap();
    let mine = rig.host("a").master().unwrap();
    signal(mine, Signal::STOP);
    let error = a.read_file("/etc/hostname", 1024).await.unwrap_err();
    assert!(matches!(&error, HostError::Lost { why, .. } if why.contains("was given up")), "{error:?}");
    assert_ne!(rig.host("a").master(), Some(mine));
    a.read_file("/etc/hostname", 1024).await.unwrap();
    hosts.close().await;
}

#[tokio::test]
async fn host_keys_are_never_accepted_by_themselves() {
    let Some(mut rig) = Rig::start(2, "") else { return };
    let known = fs::read_to_string(&rig.known_hosts).unwrap();
    let only_b: String = known.lines().filter(|line| line.starts_with("b ")).map(|line| format!("{line}\n")).collect();
    fs::write(&rig.known_hosts, &only_b).unwrap();
    rig.hosts[1].change_key();
    let hosts = rig.reached();
    let reached = hosts.connect(Person::Away, &|_| ()).await;
    let why = |at: usize| reached[at].found.clone().unwrap_err();
    assert!(why(0).contains("a shows a host key that is not known here, and nothing was accepted"), "{}", why(0));
    assert!(why(1).contains("b shows another host key than the one that is known"), "{}", why(1));
    let error = hosts.get(&name()).unwrap().stat("/etc").await.unwrap_err();
    assert!(matches!(error, HostError::NotReached { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(&rig.known_hosts).unwrap(), only_b);
    hosts.close().await;
}

#[tokio::test]
async fn a_key_that_does_not_log_in_says_what_to_do() {
    let Some(rig) = Rig::start(1, "") else { return };
    let config = fs::read_to_string(&rig.config).unwrap().replace("/client\n", "/none\n");
    fs::write(&rig.config, config).unwrap();
    let hosts = rig.reached();
    let reached = hosts.connect(Person::Away, &|_| ()).await;
    let why = reached[0].found.clone().unwrap_err();
    assert!(why.contains("no key at hand logs in to a") && why.contains("ssh-add"), "{why}");
}

#[tokio::test]
async fn two_names_for_one_machine_are_said() {
    let Some(rig) = Rig::start(2, "") else { return };
    let text = rig.inventory_yaml("").replace(", same_machine: true", "");
    let inventory = load_inventory("west.yaml", text.as_bytes()).unwrap();
    let hosts = Hosts::new(&inventory, Some(stub()));
    let reached = hosts.connect(Person::Away, &|_| ()).await;
    let said = hosts.doubles(&reached);
    assert!(said.len() == 1 && said[0].contains("b and a are one machine"), "{said:?}");
    hosts.close().await;
    // One destination is seen without reaching anything.
    let text = text.replace("to: b", "to: a");
    let problems = load_inventory("west.yaml", text.as_bytes()).unwrap_err().to_string();
    assert!(problems.contains("`b` names the same host as `a`"), "{problems}");
}

#[tokio::test]
async fn a_change_is_refused_on_another_machine_than_the_one_that_was_reached() {
    let Some(rig) = Rig::start(1, "") else { return };
    // What the machine says of itself is read by the shell's own means, so the stand-in is a wrapper around it.
    let hosts = rig.reached();
    let a = hosts.get(&name()).unwrap();
    a.identity().await.unwrap();
    let dir = rig.dir.path().join("work");
    fs::create_dir(&dir).unwrap();
    let path = dir.display().to_string();
    hosts.close().await;
    let config = rig.dir.path().join("a/sshd_config");
    let text = fs::read_to_string(&config).unwrap();
    // Another machine answers at the same address, with the same key: a name of its own is all that differs.
    let wrapped =
        format!("{text}\nForceCommand unshare --uts sh -c 'hostname other; eval \"$SSH_ORIGINAL_COMMAND\"'\n");
    fs::write(&config, wrapped).unwrap();
    let mut rig = rig;
    rig.hosts[0].stop();
    rig.hosts[0].restart();
    let line = SshLine::new(master(&rig, "a"), None);
    if crate::hosts::line::ran(&line, "cat /proc/sys/kernel/hostname", "").await.0 != "other\n" {
        eprintln!("SKIPPED: no other name can be given to a process here");
        return;
    }
    let error = a.remove(&path).await.unwrap_err();
    assert!(matches!(&error, HostError::Refused { why, .. } if why.contains("another machine answers")), "{error:?}");
    let refused = a.exec(&run("rm -r work"), &Quiet, &Stop::never()).await;
    assert!(matches!(refused.unwrap_err(), HostError::Refused { .. }));
    assert!(dir.exists());
    hosts.close().await;
}

#[tokio::test]
async fn a_program_is_ended_on_the_host_when_it_takes_too_long() {
    let Some(rig) = Rig::start(1, "") else { return };
    let hosts = rig.reached();
    let a: Arc<dyn Host> = hosts.get(&name()).unwrap();
    // The first call opens the connection.
    a.identity().await.unwrap();
    let pid = rig.dir.path().join("pid");
    let mut slow = run(&format!("echo $$ > {}; exec sleep 600", pid.display()));
    slow.timeout = Duration::from_secs(2);
    let ran = a.exec(&slow, &Quiet, &Stop::never()).await.unwrap();
    assert_eq!(ran.end, firstlight::hosts::End::TimedOut);
    let pid = fs::read_to_string(&pid).unwrap();
    assert!(fs::read_to_string(format!("/proc/{}/stat", pid.trim())).map_or(true, |stat| stat.contains(") Z ")));
    hosts.close().await;
}
