//! What every line and every host promises, over ssh.

use std::{fs, sync::Arc, time::Duration};

use firstlight::{
    hosts::{
        HostError, Person, Quiet, Run, Stop,
        line::Ended,
        ssh::{ControlDir, Master, Shared, SshLine},
    },
    runbook::model::HostName,
};

use super::rig::{Rig, far_away, stub};
use crate::hosts::{contract::keeps_every_promise, line};

/// What a start file of a hostile or careless account prints.
const NOISE: &str =
    "echo NOISE; printf '\\033]0;title\\007\\036+\\n'; echo 'sudo: a password is required' >&2; echo rc=0\n";

pub fn master(rig: &Rig, to: &str) -> Arc<Master> {
    let shared = Shared {
        stub: stub().to_owned(),
        config: Some(rig.config.display().to_string()),
        control: ControlDir::default(),
    };
    Arc::new(Master::new(Arc::new(shared), to.to_owned(), None, 0))
}

pub fn line_to(rig: &Rig, to: &str) -> SshLine {
    SshLine::new(master(rig, to), None)
}

#[tokio::test]
async fn a_host_over_ssh_keeps_every_promise_whatever_its_account_prints() {
    let Some(rig) = Rig::start(1, "Banner /etc/passwd") else { return };
    fs::write(rig.host("a").home.join(".bashrc"), NOISE).unwrap();
    let hosts = rig.reached();
    keeps_every_promise(&*hosts.get(&HostName::from("a")).unwrap()).await;
    hosts.close().await;
}

#[tokio::test]
async fn scripts_survive_a_wrapper_that_prints() {
    let Some(rig) =
        Rig::start(1, "ForceCommand echo before; echo before >&2; eval \"$SSH_ORIGINAL_COMMAND\"; echo after; exit 3")
    else {
        return;
    };
    let line = line_to(&rig, "a");
    // The exit code is the script's, not the wrapper's.
    assert_eq!(line::ran(&line, "echo own; (exit 7)", "").await, ("own\n".to_owned(), String::new(), Ended::Exited(7)));
}

#[tokio::test]
async fn scripts_are_carried_as_they_are() {
    let Some(rig) = Rig::start(1, "") else { return };
    let master = master(&rig, "a");
    let line = SshLine::new(Arc::clone(&master), None);
    line::carries_scripts(&line).await;
    // More at a time than a server takes on one connection.
    let all: Vec<_> = (0..30)
        .map(|at| {
            let line = line.clone();
            tokio::spawn(async move { line::ran(&line, &format!("sleep 0.1; exit {at}"), "").await.2 })
        })
        .collect();
    for (at, ran) in all.into_iter().enumerate() {
        assert_eq!(ran.await.unwrap(), Ended::Exited(i32::try_from(at).unwrap()));
    }
    master.close().await;
}

#[tokio::test]
async fn sudo_is_used_and_its_refusal_is_clear() {
    let Some(rig) = Rig::start(1, "") else { return };
    // A stand-in: whether sudo is installed or not, nobody's rights on this machine are the test's business.
    rig.host("a")
        .program("sudo", "#!/bin/sh\n[ \"$1 $2\" = '-n -u' ] || exit 9\nAS=$3; export AS; shift 4; exec \"$@\"\n");
    let master = master(&rig, "a");
    let line = SshLine::new(Arc::clone(&master), Some("aurora".to_owned()));
    assert_eq!(
        line::ran(&line, "echo $AS; exit 5", "").await,
        ("aurora\n".to_owned(), String::new(), Ended::Exited(5))
    );
    rig.host("a").program("sudo", "#!/bin/sh\necho 'sudo: a password is required' >&2; exit 1\n");
    let (_, _, ended) = line::ran(&line, "echo $AS", "").await;
    let Ended::NotStarted { why } = ended else { panic!("{ended:?}") };
    for said in ["sudo wants a password to become aurora", "/etc/sudoers.d", "ALL=(aurora) NOPASSWD: ALL"] {
        assert!(why.contains(said), "{why}");
    }
    master.close().await;
}

#[tokio::test]
async fn each_call_is_one_command_however_far_away_the_host_is() {
    let Some(rig) = Rig::start(1, "") else { return };
    let host = rig.host("a");
    let port = far_away(&host.address, host.port, Duration::from_millis(100));
    rig.write_config(&[("a".to_owned(), host.address.clone(), port)]);
    let hosts = rig.reached();
    let a = hosts.get(&HostName::from("a")).unwrap();
    let dir = rig.dir.path().join("work");
    fs::create_dir(&dir).unwrap();
    let at = |name: &str| dir.join(name).display().to_string();
    a.identity().await.unwrap();
    let like = a.stat(&at("")).await.unwrap().unwrap().attributes;
    let mut before = host.commands();
    let mut one = |what: &str| {
        let now = host.commands();
        assert_eq!(now - before, 1, "{what}");
        before = now;
    };
    a.write_atomic(&at("f"), &mut &b"text"[..], &like, None).await.unwrap();
    one("write_atomic");
    assert_eq!(a.read_file(&at("f"), 9).await.unwrap(), b"text");
    one("read_file");
    a.tree(&at(""), 9, true).await.unwrap();
    one("tree");
    a.rename(&at("f"), &at("g")).await.unwrap();
    one("rename");
    a.processes().await.unwrap();
    one("processes");
    a.lock_holder(&at("g")).await.unwrap();
    one("lock_holder");
    let run = Run::new(vec!["true".to_owned()], Duration::from_secs(20));
    a.exec(&run, &Quiet, &Stop::never()).await.unwrap();
    one("exec");
    let source = a.log_source(&at(""));
    tokio::task::spawn_blocking(move || source.read("g", 9).unwrap()).await.unwrap();
    one("log_source");
    assert!(a.remove(&at("g")).await.unwrap());
    one("remove");
    hosts.close().await;
}

#[tokio::test]
async fn a_full_disk_leaves_what_stood_there() {
    let Some(rig) = Rig::start(1, "") else { return };
    let small = rig.dir.path().join("small");
    fs::create_dir(&small).unwrap();
    let mount =
        |args: &[&str]| std::process::Command::new(args[0]).args(&args[1..]).status().is_ok_and(|ran| ran.success());
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", &small.display().to_string()]) {
        eprintln!("SKIPPED: no small file system can be mounted here");
        return;
    }
    let hosts = rig.reached();
    let a = hosts.get(&HostName::from("a")).unwrap();
    let path = small.join("f").display().to_string();
    fs::write(&path, "old").unwrap();
    let like = a.stat(&path).await.unwrap().unwrap().attributes;
    let error = a.write_atomic(&path, &mut &vec![b'x'; 200_000][..], &like, None).await.unwrap_err();
    let left: Vec<_> = fs::read_dir(&small).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let stood = fs::read(&path).unwrap();
    hosts.close().await;
    assert!(mount(&["umount", &small.display().to_string()]));
    assert!(matches!(&error, HostError::Io { why, .. } if why.contains("No space left")), "{error:?}");
    assert_eq!((stood, left), (b"old".to_vec(), vec!["f".into()]));
}

#[tokio::test]
async fn what_a_killed_process_left_open_is_closed_by_the_next() {
    let Some(rig) = Rig::start(1, "") else { return };
    // It lives until its connection is open: whoever looks for what was left behind closes it from then on.
    let mut owner = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let dir = std::path::PathBuf::from(format!("/tmp/firstlight-{}-0", owner.id()));
    fs::create_dir(&dir).unwrap();
    let mut ssh = std::process::Command::new("ssh");
    ssh.arg("-F").arg(&rig.config).args(["-M", "-N", "-f", "-S"]).arg(dir.join("0-1"));
    assert!(ssh.args(["-oControlPersist=1m", "a"]).status().unwrap().success());
    let before = rig.host("a").sessions();
    assert!(!before.is_empty());
    owner.kill().unwrap();
    owner.wait().unwrap();
    let hosts = rig.reached();
    hosts.connect(Person::Away, &|_| ()).await;
    super::rig::until("it is closed", || !rig.host("a").sessions().iter().any(|pid| before.contains(pid)));
    hosts.close().await;
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let Some(rig) = Rig::start(2, "") else { return };
    let hosts = rig.reached();
    let reached = hosts.connect(Person::Away, &|_| ()).await;
    assert!(reached.iter().all(|reached| reached.found.is_ok()), "{reached:?}");
    assert_eq!(hosts.doubles(&reached), Vec::<String>::new());
    assert!(rig.hosts.iter().all(|host| host.master().is_some()));
    hosts.close().await;
    assert!(rig.hosts.iter().all(|host| host.master().is_none()));
    super::rig::until("the connections are closed", || rig.hosts.iter().all(|host| host.sessions().is_empty()));
}
