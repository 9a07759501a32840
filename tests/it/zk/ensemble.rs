//! A real ZooKeeper ensemble of three on loopback ports, started once for all tests of the process.
//!
//! They are children of one thread that lives as long as the process, and the kernel ends them with it: nothing is
//! left behind, however the tests end. Tests that only read share the ensemble; a test that takes members away has it
//! alone, and gives it back whole.

use std::{
    fs,
    net::TcpListener,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use firstlight::hosts::EXEC_STUB;
use zookeeper_client as zk;

/// Where Debian's package puts it.
const JAR: &str = "/usr/share/java/zookeeper.jar";
/// Members.
pub const MEMBERS: usize = 3;
/// Long enough for three Java programs on one busy core.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// The shortest session that a tick of 500 ms allows is one second.
pub const SESSION: Duration = Duration::from_secs(1);

/// What the keeping thread is asked for.
enum Order {
    Start(usize),
    Kill(usize),
    Freeze(usize),
    Thaw(usize),
    /// Brings back whom a test that failed took away.
    Whole,
}

/// The ensemble.
pub struct Ensemble {
    ports: Vec<u16>,
    orders: Sender<(Order, Sender<()>)>,
    use_of: RwLock<()>,
}

/// The ensemble of this process. Says so where ZooKeeper is not installed, and fails where it must be.
pub fn shared() -> Option<&'static Ensemble> {
    static SHARED: OnceLock<Option<Ensemble>> = OnceLock::new();
    SHARED.get_or_init(start).as_ref()
}

fn start() -> Option<Ensemble> {
    if !Path::new(JAR).exists() {
        assert!(std::env::var_os("CI").is_none(), "ZooKeeper is not installed");
        eprintln!("SKIPPED: ZooKeeper is not installed");
        return None;
    }
    // Held until all are chosen, so that none is given twice.
    let held: Vec<TcpListener> = (0..MEMBERS * 3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = held.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    drop(held);
    let (client_ports, others) = ports.split_at(MEMBERS);
    let dir = own_dir();
    let servers = others.chunks(2).enumerate();
    let servers = servers.map(|(n, ports)| format!("server.{}=127.0.0.1:{}:{}\n", n + 1, ports[0], ports[1]));
    let servers: String = servers.collect();
    for (n, port) in client_ports.iter().enumerate() {
        let data = dir.join(format!("{n}"));
        fs::create_dir_all(&data).unwrap();
        fs::write(data.join("myid"), format!("{}\n", n + 1)).unwrap();
        let text = format!(
            "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=500\ninitLimit=20\nsyncLimit=6\n\
             admin.enableServer=false\npreAllocSize=64\nsnapCount=1000000\nautopurge.purgeInterval=0\n{servers}",
            data.display()
        );
        fs::write(dir.join(format!("{n}.cfg")), text).unwrap();
    }
    let (orders, received) = channel();
    std::thread::Builder::new().name("zookeepers".to_owned()).spawn(move || keep(&dir, &received)).unwrap();
    let ensemble = Ensemble { ports: client_ports.to_vec(), orders, use_of: RwLock::new(()) };
    (0..MEMBERS).for_each(|n| ensemble.start(n));
    Some(ensemble)
}

/// A directory of this process; those of processes that are gone go.
fn own_dir() -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zookeepers");
    for old in fs::read_dir(&all).into_iter().flatten().flatten() {
        if !Path::new("/proc").join(old.file_name()).exists() {
            fs::remove_dir_all(old.path()).unwrap();
        }
    }
    let own = all.join(std::process::id().to_string());
    fs::create_dir_all(&own).unwrap();
    own
}

/// Carries out orders for as long as the process lives.
fn keep(dir: &Path, orders: &Receiver<(Order, Sender<()>)>) {
    let mut children: Vec<Option<Child>> = (0..MEMBERS).map(|_| None).collect();
    for (order, done) in orders {
        match order {
            Order::Start(n) => children[n] = Some(spawn(&dir.join(format!("{n}.cfg")), dir.join(format!("{n}.log")))),
            Order::Kill(n) => {
                if let Some(mut child) = children[n].take() {
                    child.kill().unwrap();
                    assert_eq!(child.wait().unwrap().signal(), Some(9));
                }
            }
            Order::Freeze(n) => signal(children[n].as_ref(), rustix::process::Signal::STOP),
            Order::Whole => {
                for (n, child) in children.iter_mut().enumerate() {
                    match child {
                        Some(_) => signal(child.as_ref(), rustix::process::Signal::CONT),
                        None => *child = Some(spawn(&dir.join(format!("{n}.cfg")), dir.join(format!("{n}.log")))),
                    }
                }
            }
            Order::Thaw(n) => signal(children[n].as_ref(), rustix::process::Signal::CONT),
        }
        done.send(()).unwrap();
    }
}

fn spawn(config: &Path, log: PathBuf) -> Child {
    let out = fs::File::options().create(true).append(true).open(log).unwrap();
    // One compiler tier and the serial collector: three small servers on a small machine.
    Command::new(env!("CARGO_BIN_EXE_firstlight"))
        .args([EXEC_STUB, &std::process::id().to_string(), "--", "java"])
        .args(["-Xmx64m", "-Xms16m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"])
        .args(["-cp", &format!("/etc/zookeeper/conf:{JAR}:/usr/share/java/*")])
        .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .spawn()
        .unwrap()
}

fn signal(child: Option<&Child>, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child.unwrap());
    rustix::process::kill_process(pid, signal).unwrap();
}

impl Ensemble {
    /// For tests that take nobody away.
    pub fn with_others(&self) -> RwLockReadGuard<'_, ()> {
        let guard = self.use_of.read().unwrap_or_else(PoisonError::into_inner);
        self.order(Order::Whole);
        self.wait_serving();
        guard
    }

    /// For tests that take members away. They put them back.
    pub fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        let guard = self.use_of.write().unwrap_or_else(PoisonError::into_inner);
        self.order(Order::Whole);
        self.wait_serving();
        guard
    }

    /// `host:port` of a member.
    pub fn member(&self, n: usize) -> String {
        format!("127.0.0.1:{}", self.ports[n])
    }

    /// All members, as clients are told.
    pub fn connect(&self) -> String {
        (0..MEMBERS).map(|n| self.member(n)).collect::<Vec<_>>().join(",")
    }

    pub fn start(&self, n: usize) {
        self.order(Order::Start(n));
    }

    pub fn kill(&self, n: usize) {
        self.order(Order::Kill(n));
    }

    /// Stops a member without ending it: it holds its connections and answers nothing.
    pub fn freeze(&self, n: usize) {
        self.order(Order::Freeze(n));
    }

    pub fn thaw(&self, n: usize) {
        self.order(Order::Thaw(n));
    }

    fn order(&self, order: Order) {
        let (done, wait) = channel();
        self.orders.send((order, done)).unwrap();
        wait.recv().unwrap();
    }

    /// Waits until every member serves.
    pub fn wait_serving(&self) {
        (0..MEMBERS).for_each(|n| self.wait_member(n));
    }

    /// Waits until a member serves.
    pub fn wait_member(&self, n: usize) {
        let until = Instant::now() + PATIENCE;
        while !self.mode(n).is_some_and(|mode| mode == "leader" || mode == "follower") {
            assert!(Instant::now() < until, "member {n} does not serve");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The member that leads the ensemble.
    pub fn leader(&self) -> usize {
        (0..MEMBERS).find(|n| self.mode(*n).as_deref() == Some("leader")).unwrap()
    }

    fn mode(&self, n: usize) -> Option<String> {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.ports[n])).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        stream.write_all(b"srvr").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
    }

    /// A session that may write, for what schedulers would do. It ends, with its nodes, when it is dropped.
    pub async fn writer(&self) -> zk::Client {
        self.writer_with(zk::Client::connector()).await
    }

    /// The same, with credentials.
    pub async fn writer_as(&self, digest: &str) -> zk::Client {
        self.writer_with(zk::Client::connector().with_auth("digest", digest.as_bytes())).await
    }

    async fn writer_with(&self, connector: zk::Connector) -> zk::Client {
        connector.with_session_timeout(Duration::from_secs(8)).connect(&self.connect()).await.unwrap()
    }
}

/// Makes a path for everybody, and everything above it.
pub async fn make(client: &zk::Client, path: &str) {
    client.mkdir(path, &zk::CreateMode::Persistent.with_acls(zk::Acls::anyone_all())).await.unwrap();
}

/// Makes a node that goes with the session, numbered by ZooKeeper as schedulers' are; its whole path.
pub async fn announce(client: &zk::Client, prefix: &str, data: &str) -> String {
    let options = zk::CreateMode::EphemeralSequential.with_acls(zk::Acls::anyone_all());
    let (_, sequence) = client.create(prefix, data.as_bytes(), &options).await.unwrap();
    format!("{prefix}{sequence}")
}

/// The data of a `member_` node.
pub fn endpoint(host: &str, port: u16, status: &str) -> String {
    format!(
        r#"{{"serviceEndpoint":{{"host":"{host}","port":{port}}},"additionalEndpoints":{{"http":{{"host":"{host}","port":{port}}}}},"status":"{status}"}}"#
    )
}
