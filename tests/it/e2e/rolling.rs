//! A runbook of another kind, with the generic kinds only, over real servers that are restarted.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::rig::Rig;

const INSTANCES: [&str; 3] = ["web1", "web2", "web3"];
const RUNBOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/runbooks/rolling-restart.yaml");
const INVENTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/runbooks/rolling-restart.inventory.yaml");
/// The variable that turns this test into a server.
const SERVE: &str = "FIRSTLIGHT_TEST_SERVE";

/// Starts and stops an instance, and writes down when. `SELF` is this very test program.
const CONTROL: &str = r#"#!/bin/sh
home=$2
case $1 in
start)
    [ -e "$home/next" ] && cp "$home/next" "$home/serving"
    FIRSTLIGHT_TEST_SERVE="$home" FIRSTLIGHT_TEST_PORT="$3" setsid 'SELF' --exact e2e::rolling::serves --nocapture \
        </dev/null >"$home/out" 2>&1 &
    echo $! >"$home/pid"
    echo "start $(basename "$home")" >>'ROOT/order' ;;
stop)
    [ -e "$home/pid" ] || exit 0
    pid=$(cat "$home/pid")
    kill "$pid" 2>/dev/null
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
    rm -f "$home/pid"
    echo "stop $(basename "$home")" >>'ROOT/order' ;;
status)
    [ -e "$home/pid" ] && kill -0 "$(cat "$home/pid")" 2>/dev/null || exit 3 ;;
esac
"#;

/// Not a test by itself: an instance, when the control script starts this program.
#[test]
fn serves() {
    let Some(home) = std::env::var_os(SERVE).map(PathBuf::from) else { return };
    let port: u16 = std::env::var("FIRSTLIGHT_TEST_PORT").unwrap().parse().unwrap();
    let version = fs::read_to_string(home.join("serving")).unwrap_or_default();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    for stream in listener.incoming().flatten() {
        drop(answer(stream, &version));
    }
}

fn answer(mut stream: TcpStream, version: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let body = if first.starts_with("GET /version ") { version } else { "OK\n" };
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Instances that are stopped with the test.
struct Instances(PathBuf);

impl Drop for Instances {
    fn drop(&mut self) {
        for name in INSTANCES {
            control(&self.0, &["stop".as_ref(), self.0.join(name).as_os_str()]);
        }
    }
}

fn control(root: &Path, args: &[&std::ffi::OsStr]) {
    drop(std::process::Command::new(root.join("bin/web")).args(args).status());
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn restarts_one_after_the_other() {
    let rig = Rig::bare();
    let root = rig.path("web");
    for dir in INSTANCES.into_iter().chain(["bin", "releases"]) {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let own = std::env::current_exe().unwrap();
    let script = CONTROL.replace("SELF", &own.to_string_lossy()).replace("ROOT", &root.to_string_lossy());
    fs::write(root.join("bin/web"), script).unwrap();
    fs::set_permissions(root.join("bin/web"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(root.join("releases/release-2"), "release-2\n").unwrap();
    let mut inventory = fs::read_to_string(INVENTORY).unwrap().replace("ROOT", &root.to_string_lossy());
    let instances = Instances(root.clone());
    for (number, name) in (1..).zip(INSTANCES) {
        let port = free_port().to_string();
        fs::write(root.join(name).join("serving"), "release-1\n").unwrap();
        inventory = inventory.replace(&format!("PORT{number}"), &port);
        control(&root, &["start".as_ref(), root.join(name).as_os_str(), port.as_ref()]);
    }
    fs::remove_file(root.join("order")).unwrap();
    let inventory = rig.file("web.yaml", &inventory);
    let answers = rig.file(
        "answers.yaml",
        "format: 1\nrunbook: rolling-restart\nmode: recovery\nplan: practice\nacknowledge: { all: true }\n\
         run: { all: true }\ntick: { all: true }\ninputs: { release: release-2, canary: web2 }\n\
         type: { restart-rest: restart web, clean: remove copies }\n",
    );
    rig.run(&["run", RUNBOOK, "--cluster", &inventory, "--answers", &answers]).expect(0);
    let order = fs::read_to_string(root.join("order")).unwrap();
    let expected = "stop web2\nstart web2\nstop web1\nstart web1\nstop web3\nstart web3\n";
    assert_eq!(order, expected);
    for name in INSTANCES {
        assert_eq!(fs::read_to_string(root.join(name).join("serving")).unwrap(), "release-2\n");
        assert!(!root.join(name).join("next").exists());
    }
    rig.verify();
    drop(instances);
}
