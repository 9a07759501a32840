//! Hosts for tests: real ssh servers on loopback addresses, each with a home and a key of its own, and a client
//! configuration that knows them. Nothing outside the rig's directory is touched.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use firstlight::{
    hosts::Hosts,
    inventory::{Inventory, load_inventory},
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";
/// Longest time for a server to listen, or for a condition of a test to hold.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// One host.
pub struct Host {
    pub name: String,
    pub address: String,
    pub port: u16,
    /// The home of whoever logs in.
    pub home: PathBuf,
    /// Programs that are found before the system's.
    pub bin: PathBuf,
    dir: PathBuf,
    sshd: Child,
}

/// The hosts `a`, `b`, ... and how they are reached.
pub struct Rig {
    pub dir: TempDir,
    pub hosts: Vec<Host>,
    /// For `ssh: { config: }` of an inventory, or `ssh -F`.
    pub config: PathBuf,
    pub known_hosts: PathBuf,
}

impl Rig {
    /// Starts so many hosts, with these lines more in their servers' configuration. `None` where no server is
    /// installed, which a run that has to test everything does not let pass.
    pub fn start(count: usize, more: &str) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            assert!(std::env::var_os("CI").is_none(), "no ssh server is installed");
            eprintln!("SKIPPED: no ssh server is installed");
            return None;
        }
        // The server asks for it where it is started by root.
        let _ = fs::create_dir_all("/run/sshd");
        let dir = TempDir::with_prefix("fl-").unwrap();
        keygen(&dir.path().join("client"));
        let names = ["a", "b", "c", "d", "e"];
        let hosts: Vec<Host> = names
            .iter()
            .take(count)
            .enumerate()
            .map(|(at, name)| Host::start(dir.path(), name, &format!("127.0.0.{}", 11 + at), more))
            .collect();
        let (config, known_hosts) = (dir.path().join("ssh_config"), dir.path().join("known_hosts"));
        let rig = Self { dir, hosts, config, known_hosts };
        rig.know_all();
        let ways: Vec<(String, String, u16)> =
            rig.hosts.iter().map(|host| (host.name.clone(), host.address.clone(), host.port)).collect();
        rig.write_config(&ways);
        Some(rig)
    }

    /// Writes the client's configuration: under which name which address and port are reached.
    pub fn write_config(&self, ways: &[(String, String, u16)]) {
        let dir = self.dir.path().display();
        let text: String = ways
            .iter()
            .map(|(name, address, port)| {
                format!(
                    "Host {name}\n  HostName {address}\n  Port {port}\n  HostKeyAlias {name}\n  IdentityFile {dir}/client\n  \
                     IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {dir}/known_hosts\n  \
                     GlobalKnownHostsFile /dev/null\n  UpdateHostKeys no\n"
                )
            })
            .collect();
        fs::write(&self.config, text).unwrap();
    }

    /// Makes every host's key known.
    pub fn know_all(&self) {
        let lines: String = self.hosts.iter().map(|host| format!("{} {}", host.name, host.public_key())).collect();
        fs::write(&self.known_hosts, lines).unwrap();
    }

    /// The host with this name.
    pub fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|host| host.name == name).unwrap()
    }

    /// An inventory over the hosts; `reach` are more members of each host's `ssh`, such as `sudo: root`.
    pub fn inventory_yaml(&self, reach: &str) -> String {
        let reach = if reach.is_empty() { String::new() } else { format!(", {reach}") };
        let hosts: String = self
            .hosts
            .iter()
            .map(|host| {
                let name = &host.name;
                format!("      - {{ name: {name}, reach: {{ ssh: {{ to: {name}, same_machine: true{reach} }} }} }}\n")
            })
            .collect();
        format!(
            "format: 1\ncluster: {{ name: west }}\nssh: {{ config: {} }}\ngroups:\n  schedulers:\n    hosts:\n{hosts}",
            self.config.display()
        )
    }

    pub fn inventory(&self, reach: &str) -> Inventory {
        load_inventory("west.yaml", self.inventory_yaml(reach).as_bytes()).unwrap()
    }

    /// The hosts as the program reaches them.
    pub fn reached(&self) -> Hosts {
        Hosts::new(&self.inventory(""), Some(stub()))
    }
}

pub fn stub() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_firstlight"))
}

fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap();
    assert!(made.success());
}

impl Host {
    fn start(rig: &Path, name: &str, address: &str, more: &str) -> Self {
        let dir = rig.join(name);
        let (home, bin) = (dir.join("home"), dir.join("bin"));
        fs::create_dir_all(&home).unwrap();
        fs::create_dir_all(&bin).unwrap();
        keygen(&dir.join("key"));
        let port = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let (shown, home_shown) = (dir.display(), home.display());
        let config = format!(
            "Port {port}\nListenAddress {address}\nHostKey {shown}/key\nAuthorizedKeysFile {}/client.pub\nPidFile none\n\
             UsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             MaxStartups 100\nLogLevel VERBOSE\nSetEnv HOME={home_shown} PATH={}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n{more}\n",
            rig.display(),
            bin.display(),
        );
        fs::write(dir.join("sshd_config"), config).unwrap();
        let sshd = launch(&dir);
        let host = Self { name: name.to_owned(), address: address.to_owned(), port, home, bin, dir, sshd };
        until("the server listens", || TcpStream::connect((address, port)).is_ok());
        host
    }

    pub fn public_key(&self) -> String {
        fs::read_to_string(self.dir.join("key.pub")).unwrap()
    }

    /// Gives it another key, as a machine that was set up anew.
    pub fn change_key(&mut self) {
        self.stop();
        fs::remove_file(self.dir.join("key")).unwrap();
        fs::remove_file(self.dir.join("key.pub")).unwrap();
        keygen(&self.dir.join("key"));
        self.restart();
    }

    /// Ends the server and every session, as a machine that fails.
    pub fn stop(&mut self) {
        for pid in self.sessions() {
            signal(pid, Signal::KILL);
        }
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }

    /// Starts the server again.
    pub fn restart(&mut self) {
        self.sshd = launch(&self.dir);
        until("the server listens", || TcpStream::connect((self.address.as_str(), self.port)).is_ok());
    }

    /// The processes of the server that hold connections: each connection, and what is below it.
    pub fn sessions(&self) -> Vec<i32> {
        let mut found: Vec<i32> = Vec::new();
        let mut above = vec![i32::try_from(self.sshd.id()).unwrap()];
        while let Some(parent) = above.pop() {
            for pid in children(parent) {
                let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
                if name.starts_with(b"sshd") {
                    found.push(pid);
                    above.push(pid);
                }
            }
        }
        found
    }

    /// Breaks every connection off, as a cable that is pulled.
    pub fn cut(&self) {
        for pid in self.sessions() {
            signal(pid, Signal::KILL);
        }
    }

    /// Stops the server and its sessions where they stand, as a machine that hangs.
    pub fn freeze(&self) {
        self.all(Signal::STOP);
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.all(Signal::CONT);
    }

    fn all(&self, with: Signal) {
        for pid in self.sessions().into_iter().chain([i32::try_from(self.sshd.id()).unwrap()]) {
            signal(pid, with);
        }
    }

    /// The client's process that holds the connection to it.
    pub fn master(&self) -> Option<i32> {
        let sockets = sockets_to(self.port);
        let holds = |pid: &i32| {
            let Ok(names) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
            names
                .flatten()
                .filter_map(|name| fs::read_link(name.path()).ok())
                .any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
        };
        masters().into_iter().find(holds)
    }

    /// Commands that it was given so far.
    pub fn commands(&self) -> usize {
        self.log().matches("Starting session: ").count()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Puts a program on its path, before the system's.
    pub fn program(&self, name: &str, text: &str) {
        let path = self.bin.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.thaw();
        self.stop();
    }
}

fn launch(dir: &Path) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
    let mut sshd = Command::new(SSHD);
    sshd.args(["-D", "-e", "-f"]).arg(dir.join("sshd_config"));
    sshd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// The direct children of a process.
pub fn children(parent: i32) -> Vec<i32> {
    let parts = |pid: i32| -> Option<i32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    pids().into_iter().filter(|pid| parts(*pid) == Some(parent)).collect()
}

fn pids() -> Vec<i32> {
    let names = fs::read_dir("/proc").unwrap().flatten();
    names.filter_map(|name| name.file_name().to_str()?.parse().ok()).collect()
}

/// Masters of this process: ssh says in its title which socket it serves.
fn masters() -> Vec<i32> {
    let own = format!("firstlight-{}-", std::process::id());
    let title = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    pids().into_iter().filter(|pid| title(pid).starts_with("ssh") && title(pid).contains(&own)).collect()
}

/// The sockets that are connected to a port, by the kernel's list: numbers in hex, the inode in the tenth field.
fn sockets_to(port: u16) -> Vec<String> {
    let end = format!(":{port:04X}");
    let list = fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = list.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let to = fields.filter(|fields| fields.len() > 9 && fields[2].ends_with(&end) && fields[3] == "01");
    to.map(|fields| format!("socket:[{}]", fields[9])).collect()
}

pub fn signal(pid: i32, with: Signal) {
    if let Some(pid) = Pid::from_raw(pid).filter(|_| pid > 1) {
        let _ = kill_process(pid, with);
    }
}

/// Waits for a condition, with a bound.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WAIT_MAX, "in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A port that passes everything on later, both ways: a host far away.
pub fn far_away(address: &str, port: u16, later: Duration) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    let target = (address.to_owned(), port);
    // The threads end with the process; connections end with their ends.
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect((target.0.as_str(), target.1)) else { continue };
            pass(near.try_clone().unwrap(), far.try_clone().unwrap(), later);
            pass(far, near, later);
        }
    });
    own
}

fn pass(mut from: TcpStream, mut to: TcpStream, later: Duration) {
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(1024);
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count) = from.read(&mut bytes)
            && count > 0
            && sender.send((Instant::now() + later, bytes[..count].to_vec())).is_ok()
        {}
    });
    thread::spawn(move || {
        for (at, bytes) in receiver {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}
