//! Machines for a test: network namespaces with a cable from each to the host, and a host whose programs run in one.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use firstlight::{
    hosts::{
        Answer, Attributes, Entry, Host, HostError, Identity, LocalHost, Output, Proc, Ran, Run, Stat, Stop, Written,
    },
    replog::Source,
    runbook::model::HostName,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;
use tokio::io::AsyncRead;

/// Longest time for an answer from a namespace beside this one.
const ANSWER: Duration = Duration::from_secs(2);

/// Who is cabled to the host, in the order of their networks.
pub const OUTSIDE: usize = 0;
pub const PEER: usize = 1;
pub const OPERATOR: usize = 2;
const NAMES: [&str; 3] = ["out", "peer", "oper"];

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Whether namespaces can be made here; says so loudly where they cannot, and fails where they must.
pub fn possible() -> bool {
    let name = format!("fl-{}-try", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).output().is_ok_and(|ran| ran.status.success());
    if made {
        let _ = Command::new("ip").args(["netns", "del", &name]).output();
    }
    let installed =
        |program: &str| ["/usr/sbin", "/sbin", "/usr/bin"].iter().any(|dir| Path::new(dir).join(program).exists());
    let able = made && installed("nft") && installed("iptables-restore") && installed("ip6tables-restore");
    if !able {
        let why = "network namespaces cannot be made here, or nftables, iptables or iproute2 is missing";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        eprintln!("SKIPPED: {why}");
    }
    able
}

/// A host and three machines around it. Everything goes when it is dropped, after a panic as well.
pub struct Net {
    pub host: String,
    around: Vec<String>,
    pub bin: TempDir,
}

impl Net {
    pub fn new() -> Self {
        let tag = format!("fl-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let host = format!("{tag}-host");
        let around: Vec<String> = NAMES.iter().map(|name| format!("{tag}-{name}")).collect();
        let net = Self { host, around, bin: TempDir::new().unwrap() };
        let etc = net.etc();
        fs::create_dir_all(&etc).unwrap();
        fs::write(etc.join("hosts"), "127.0.0.1 localhost\n10.77.1.2 peer.example\nfd77:1::2 peer.example\n").unwrap();
        ip(&["netns", "add", &net.host]);
        ip(&["-n", &net.host, "link", "set", "lo", "up"]);
        for (at, name) in net.around.iter().enumerate() {
            let wire = format!("w{at}");
            ip(&["netns", "add", name]);
            ip(&["-n", &net.host, "link", "add", &wire, "type", "veth", "peer", "name", "eth0", "netns", name]);
            for (space, link, last) in [(&net.host, wire.as_str(), 1), (name, "eth0", 2)] {
                ip(&["-n", space, "address", "add", &format!("10.77.{at}.{last}/24"), "dev", link]);
                ip(&["-n", space, "address", "add", &format!("fd77:{at}::{last}/64"), "dev", link, "nodad"]);
                ip(&["-n", space, "link", "set", link, "up"]);
            }
        }
        net
    }

    fn etc(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.host)
    }

    /// The addresses by which a machine around the host knows it.
    pub fn at(who: usize, port: u16) -> [SocketAddr; 2] {
        [format!("10.77.{who}.1:{port}").parse().unwrap(), format!("[fd77:{who}::1]:{port}").parse().unwrap()]
    }

    /// Connects from one of the machines.
    pub fn connect(&self, who: usize, to: SocketAddr) -> std::io::Result<TcpStream> {
        connect_in(&self.around[who], to)
    }

    pub fn connect_inside(&self, to: &str) -> std::io::Result<TcpStream> {
        connect_in(&self.host, to.parse().unwrap())
    }

    /// A machine as a host of the inventory.
    pub fn machine(&self, name: &str, who: usize) -> Space {
        Space::new(name, &self.around[who])
    }

    /// Listens on the host, for both families, and sends back whatever comes.
    pub fn listen(&self, port: u16) {
        let listener = within(&self.host, move || TcpListener::bind(("::", port)).unwrap());
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || {
                    let mut bytes = [0; 64];
                    while let Ok(count @ 1..) = stream.read(&mut bytes) {
                        if stream.write_all(&bytes[..count]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
    }

    /// Runs a line on the host; what it printed.
    pub fn shell(&self, line: &str) -> String {
        let ran =
            Command::new("ip").args(["netns", "exec", &self.host, "sh", "-c", line]).env("PATH", self.path()).output();
        let ran = ran.unwrap();
        assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    fn path(&self) -> String {
        format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.bin.path().display())
    }

    /// Every rule of the host, without what changes by itself.
    pub fn rules(&self) -> String {
        self.shell("nft -s list ruleset; iptables-save; ip6tables-save 2>/dev/null")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// A program that stands in for `firewall-cmd`: what is passed through goes to iptables, as firewalld does it.
    pub fn play_firewalld(&self) {
        let text = "#!/bin/sh\n[ \"$1\" != --state ] || { echo running; exit 0; }\n\
                    [ \"$1 $2\" = '--direct --passthrough' ] || exit 2\n\
                    case $3 in ipv4) program=iptables ;; ipv6) program=ip6tables ;; *) exit 2 ;; esac\n\
                    shift 3\nexec \"$program\" -w \"$@\"\n";
        let path = self.bin.path().join("firewall-cmd");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// The host, by its name in the inventory.
    pub fn as_host(&self, name: &str) -> Space {
        Space { path: Some(self.path()), ..Space::new(name, &self.host) }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in self.around.iter().chain([&self.host]) {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
        let _ = fs::remove_dir_all(self.etc());
        // Gone only if no other test has its files there.
        let _ = fs::remove_dir("/etc/netns");
    }
}

fn ip(args: &[&str]) {
    let ran = Command::new("ip").args(args).output().unwrap();
    assert!(ran.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// Runs something on a thread of a namespace; a socket that it makes stays in there.
fn within<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let space = File::open(Path::new("/run/netns").join(name)).unwrap();
    let inside = move || {
        move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        work()
    };
    thread::spawn(inside).join().unwrap()
}

fn connect_in(name: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = within(name, move || TcpStream::connect_timeout(&to, ANSWER))?;
    stream.set_read_timeout(Some(ANSWER))?;
    Ok(stream)
}

/// This machine, but for the network: programs and connections are those of a namespace.
#[derive(Debug)]
pub struct Space {
    inner: LocalHost,
    name: String,
    /// Where programs are looked for.
    path: Option<String>,
    /// What stands before a program.
    pub before: Vec<String>,
}

impl Space {
    fn new(host: &str, name: &str) -> Self {
        let stub = Path::new(env!("CARGO_BIN_EXE_firstlight"));
        let inner = LocalHost::new(HostName::from(host), Some(stub));
        Self { inner, name: name.to_owned(), path: None, before: Vec::new() }
    }
}

#[async_trait]
impl Host for Space {
    fn name(&self) -> &HostName {
        self.inner.name()
    }

    async fn identity(&self) -> Result<Identity, HostError> {
        self.inner.identity().await
    }

    async fn exec(&self, run: &Run, output: &dyn Output, stop: &Stop) -> Result<Ran, HostError> {
        let mut run = run.clone();
        let space = ["ip", "netns", "exec", &self.name].map(str::to_owned);
        run.argv = space.into_iter().chain(self.before.clone()).chain(run.argv).collect();
        if let Some(path) = &self.path {
            run.env.insert("PATH".to_owned(), path.clone());
        }
        self.inner.exec(&run, output, stop).await
    }

    async fn connect(&self, at: &str, within: Duration) -> Answer {
        let (name, to) = (self.name.clone(), at.to_owned());
        let connected = tokio::task::spawn_blocking(move || {
            let runtime = move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let host = LocalHost::new(HostName::from("x"), None);
                runtime.block_on(host.connect(&to, within))
            };
            self::within(&name, runtime)
        });
        connected.await.unwrap()
    }

    async fn read_file(&self, path: &str, limit: u64) -> Result<Vec<u8>, HostError> {
        self.inner.read_file(path, limit).await
    }

    async fn read_end(&self, path: &str, limit: u64) -> Result<Vec<u8>, HostError> {
        self.inner.read_end(path, limit).await
    }

    async fn reader(&self, path: &str) -> Result<Box<dyn AsyncRead + Send + Unpin>, HostError> {
        self.inner.reader(path).await
    }

    async fn write_atomic(
        &self,
        path: &str,
        from: &mut (dyn AsyncRead + Send + Unpin),
        like: &Attributes,
        sha256: Option<&str>,
    ) -> Result<Written, HostError> {
        self.inner.write_atomic(path, from, like, sha256).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>, HostError> {
        self.inner.stat(path).await
    }

    async fn list(&self, path: &str, limit: usize) -> Result<Vec<Entry>, HostError> {
        self.inner.list(path, limit).await
    }

    async fn tree(&self, path: &str, limit: usize, digests: bool) -> Result<Vec<Entry>, HostError> {
        self.inner.tree(path, limit, digests).await
    }

    async fn rename(&self, from: &str, to: &str) -> Result<(), HostError> {
        self.inner.rename(from, to).await
    }

    async fn remove(&self, path: &str) -> Result<bool, HostError> {
        self.inner.remove(path).await
    }

    async fn make_dir(&self, path: &str, like: &Attributes) -> Result<(), HostError> {
        self.inner.make_dir(path, like).await
    }

    async fn sha256(&self, path: &str) -> Result<String, HostError> {
        self.inner.sha256(path).await
    }

    async fn free_bytes(&self, path: &str) -> Result<u64, HostError> {
        self.inner.free_bytes(path).await
    }

    async fn processes(&self) -> Result<Vec<Proc>, HostError> {
        self.inner.processes().await
    }

    async fn lock_holder(&self, path: &str) -> Result<Option<i32>, HostError> {
        self.inner.lock_holder(path).await
    }

    fn log_source(&self, path: &str) -> Box<dyn Source + Send> {
        self.inner.log_source(path)
    }
}
