//! The practice cluster's init: starts `ZooKeeper`, the master and the schedulers, restarts what
//! ends, and does what `firstlight practice service` asks.
//!
//! It is detached from the terminal and survives whoever started it. Everything it starts dies
//! with it, also by `kill -9`: each child asks the kernel for that before it becomes what it is.
//! It does not survive a full disk: without a record of its children it starts none.

use std::{
    fs::{File, OpenOptions},
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpStream, UnixListener, UnixStream},
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    control::{Ask, Reply, Service, Verb, short_path},
    error::PracticeError,
    layout::{Home, Layout},
    plan::{LOOPBACK, OUTSIDE, Pids, Plan, Started},
    zookeeper,
};

/// `RestartSec` of the packages' unit, before compression.
const RESTART_SEC: Duration = Duration::from_secs(20);
/// An orderly end takes milliseconds; whoever needs longer is killed.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// A JVM on a busy machine needs a few seconds.
const COME_UP_WAIT: Duration = Duration::from_secs(40);
/// How often something that is awaited is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A request of the control protocol is far shorter.
const ASK_BYTES_MAX: u64 = 4096;
/// Questions that may wait for a unit.
const INBOX: usize = 16;

type Inbox = mpsc::Receiver<(Verb, oneshot::Sender<Reply>)>;

/// Runs until it is told to end by SIGTERM or SIGINT.
pub fn run(dir: &Path) -> Result<(), PracticeError> {
    let layout = Layout::new(dir);
    let plan = Arc::new(Plan::read(&layout)?);
    if Pids::read(&layout).supervisor.is_some_and(Started::alive) {
        return Err(PracticeError::Running(dir.to_owned()));
    }
    // It is a session leader already if it was started from its own shell's job control.
    let _ = rustix::process::setsid();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(PracticeError::io("starting a runtime for", dir))?;
    runtime.block_on(Supervisor::new(layout, plan).run())
}

struct Supervisor {
    layout: Layout,
    plan: Arc<Plan>,
    record: Record,
}

impl Supervisor {
    fn new(layout: Layout, plan: Arc<Plan>) -> Self {
        let pids = Pids { supervisor: Started::of(own_pid()), ..Pids::default() };
        let record = Record { layout: layout.clone(), pids: Arc::new(Mutex::new(pids)) };
        Self { layout, plan, record }
    }

    async fn run(self) -> Result<(), PracticeError> {
        self.record.write()?;
        let mut term = signal(SignalKind::terminate()).map_err(PracticeError::io("watching signals in", "/"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(PracticeError::io("watching signals in", "/"))?;
        let listener = self.listen()?;
        let mut infrastructure = Vec::new();
        let served = async {
            self.start_infrastructure(&mut infrastructure).await?;
            self.serve(listener).await
        };
        let result = tokio::select! {
            result = served => result,
            _ = term.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        };
        self.end_children().await;
        for mut child in infrastructure {
            let _ = timeout(STOP_WAIT, child.wait()).await;
        }
        let _ = std::fs::remove_file(self.layout.socket());
        let _ = std::fs::remove_file(self.layout.pids());
        result
    }

    fn listen(&self) -> Result<UnixListener, PracticeError> {
        let dir = File::open(self.layout.dir()).map_err(PracticeError::io("opening", self.layout.dir()))?;
        // Left over from a supervisor that was killed.
        let _ = std::fs::remove_file(self.layout.socket());
        UnixListener::bind(short_path(&dir)).map_err(PracticeError::io("listening on", self.layout.socket()))
    }

    async fn start_infrastructure(&self, children: &mut Vec<Child>) -> Result<(), PracticeError> {
        if let Some(port) = self.plan.zookeeper_port {
            let log = self.layout.zookeeper().join("zookeeper.log");
            children.push(self.spawn("zookeeper", &zookeeper::argv(&self.layout), &log)?);
            self.await_port("ZooKeeper", port, &log).await?;
        }
        let argv = [
            self.plan.program.to_string_lossy().into_owned(),
            "practice".to_owned(),
            "__master".to_owned(),
            "--dir".to_owned(),
            self.layout.dir().to_string_lossy().into_owned(),
        ];
        let log = self.layout.master_log();
        children.push(self.spawn("mesos-master", &argv, &log)?);
        self.await_port("the Mesos master", self.plan.master_port, &log).await
    }

    fn spawn(&self, name: &str, argv: &[String], log: &Path) -> Result<Child, PracticeError> {
        let child = spawn_bound(&self.plan.program, argv, log)?;
        self.record.child(name, &child)?;
        Ok(child)
    }

    async fn await_port(&self, what: &str, port: u16, log: &Path) -> Result<(), PracticeError> {
        let up = async {
            while !answers(what, port).await {
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(COME_UP_WAIT, up).await.map_err(|_| PracticeError::Start {
            what: what.to_owned(),
            seconds: COME_UP_WAIT.as_secs(),
            log: log.to_owned(),
        })
    }

    /// Starts the schedulers and answers until it is dropped.
    async fn serve(&self, listener: UnixListener) -> Result<(), PracticeError> {
        let mut units = Vec::new();
        for scheduler in &self.plan.schedulers {
            let (sender, inbox) = mpsc::channel(INBOX);
            let unit = Unit {
                name: scheduler.name.clone(),
                http_port: scheduler.http_port,
                home: self.layout.home(&scheduler.name),
                plan: Arc::clone(&self.plan),
                record: self.record.clone(),
                child: None,
                wanted: true,
                restart_at: Instant::now(),
            };
            tokio::spawn(unit.run(inbox));
            units.push((scheduler.name.clone(), sender));
        }
        loop {
            let (stream, _) =
                listener.accept().await.map_err(PracticeError::io("accepting on", self.layout.socket()))?;
            tokio::spawn(converse(stream, units.clone(), self.outside()));
        }
    }

    fn outside(&self) -> Outside {
        Outside { layout: self.layout.clone(), plan: Arc::clone(&self.plan), record: self.record.clone() }
    }

    async fn end_children(&self) {
        // The schedulers first: their last words go to ZooKeeper and the master.
        let (first, last): (Vec<_>, Vec<_>) =
            self.record.children().into_iter().partition(|(name, _)| self.plan.scheduler(name).is_some());
        for group in [first, last] {
            for (_, started) in &group {
                started.signal(Signal::TERM);
            }
            let gone = async {
                while group.iter().any(|(_, started)| started.alive()) {
                    sleep(LOOK_EVERY).await;
                }
            };
            if timeout(STOP_WAIT, gone).await.is_err() {
                for (_, started) in &group {
                    started.signal(Signal::KILL);
                }
            }
        }
    }
}

/// The record of what runs, shared by everything that starts something.
#[derive(Clone)]
struct Record {
    layout: Layout,
    pids: Arc<Mutex<Pids>>,
}

impl Record {
    fn write(&self) -> Result<(), PracticeError> {
        self.pids.lock().unwrap_or_else(PoisonError::into_inner).write(&self.layout)
    }

    fn child(&self, name: &str, child: &Child) -> Result<(), PracticeError> {
        let started = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Started::of);
        let mut pids = self.pids.lock().unwrap_or_else(PoisonError::into_inner);
        match started {
            Some(started) => pids.children.insert(name.to_owned(), started),
            None => pids.children.remove(name),
        };
        pids.write(&self.layout)
    }

    fn children(&self) -> Vec<(String, Started)> {
        let pids = self.pids.lock().unwrap_or_else(PoisonError::into_inner);
        pids.children.iter().map(|(name, started)| (name.clone(), *started)).collect()
    }

    fn get(&self, name: &str) -> Option<Started> {
        self.pids.lock().unwrap_or_else(PoisonError::into_inner).children.get(name).copied()
    }
}

/// One scheduler under `Restart=always`.
struct Unit {
    name: String,
    http_port: u16,
    home: Home,
    plan: Arc<Plan>,
    record: Record,
    child: Option<Child>,
    wanted: bool,
    restart_at: Instant,
}

impl Unit {
    async fn run(mut self, mut inbox: Inbox) {
        loop {
            if self.wanted && self.child.is_none() && Instant::now() >= self.restart_at {
                self.start();
            }
            let waits_to_restart = self.wanted && self.child.is_none();
            tokio::select! {
                message = inbox.recv() => match message {
                    Some((verb, reply)) => {
                        let said = self.obey(verb).await;
                        // Whoever asked may have gone.
                        let _ = reply.send(said);
                    }
                    None => return,
                },
                () = ended(&mut self.child) => self.restart_later(),
                () = sleep_until(self.restart_at), if waits_to_restart => {}
            }
        }
    }

    fn restart_later(&mut self) {
        self.child = None;
        let _ = std::fs::remove_file(self.home.pid_file());
        self.restart_at = Instant::now() + self.plan.wait(RESTART_SEC);
    }

    fn start(&mut self) {
        let argv = [self.home.startup().to_string_lossy().into_owned()];
        let started = spawn_bound(&self.plan.program, &argv, &self.home.log_file()).and_then(|child| {
            self.record.child(&self.name, &child)?;
            let pid = child.id().unwrap_or_default();
            std::fs::write(self.home.pid_file(), format!("{pid}\n"))
                .map_err(PracticeError::io("writing", self.home.pid_file()))?;
            Ok(child)
        });
        match started {
            Ok(child) => self.child = Some(child),
            Err(error) => {
                note(&format!("{}: {error}", self.name));
                self.restart_later();
            }
        }
    }

    async fn obey(&mut self, verb: Verb) -> Reply {
        match verb {
            Verb::Start => {
                self.wanted = true;
                if self.child.is_none() {
                    self.start();
                }
                self.status()
            }
            Verb::Stop => {
                self.wanted = false;
                self.stop().await;
                match self.status() {
                    Reply::Running { pid } => Reply::Refused { why: format!("process {pid:?} does not end") },
                    other => other,
                }
            }
            Verb::Status => self.status(),
        }
    }

    async fn stop(&mut self) {
        let Some(child) = &mut self.child else {
            return;
        };
        if let Some(started) = self.record.get(&self.name) {
            started.signal(Signal::TERM);
            if timeout(STOP_WAIT, child.wait()).await.is_err() {
                note(&format!("{}: does not end, killed", self.name));
                started.signal(Signal::KILL);
                let _ = timeout(STOP_WAIT, child.wait()).await;
            }
        }
        if matches!(child.try_wait(), Ok(Some(_))) {
            self.child = None;
            let _ = std::fs::remove_file(self.home.pid_file());
        }
    }

    fn status(&self) -> Reply {
        match &self.child {
            Some(child) => Reply::Running { pid: child.id().and_then(|pid| i32::try_from(pid).ok()) },
            None if self.wanted => Reply::Stopped { detail: "it ended and waits to be restarted".to_owned() },
            None => Reply::Stopped { detail: format!("stopped; port {} is closed", self.http_port) },
        }
    }
}

/// The traffic from outside to a scheduler's port.
struct Outside {
    layout: Layout,
    plan: Arc<Plan>,
    record: Record,
}

impl Outside {
    async fn obey(&self, host: &str, verb: Verb) -> Reply {
        let Some(scheduler) = self.plan.scheduler(host) else {
            return Reply::Refused { why: format!("there is no scheduler {host:?}") };
        };
        let block = self.layout.home(host).block_file();
        let changed = match verb {
            Verb::Status => Ok(()),
            Verb::Stop => std::fs::write(&block, ""),
            Verb::Start if block.exists() => std::fs::remove_file(&block),
            Verb::Start => Ok(()),
        };
        if let Err(error) = changed {
            return Reply::Refused { why: format!("{}: {error}", block.display()) };
        }
        if verb != Verb::Status {
            if let Some(started) = self.record.get(host) {
                // Ignored by whoever does not expect it, unlike the signals for users.
                started.signal(Signal::WINCH);
            }
            let closed = async {
                while verb == Verb::Stop && TcpStream::connect((OUTSIDE, scheduler.http_port)).await.is_ok() {
                    sleep(LOOK_EVERY).await;
                }
            };
            if timeout(STOP_WAIT, closed).await.is_err() {
                return Reply::Refused { why: format!("{OUTSIDE}:{} still answers", scheduler.http_port) };
            }
        }
        if block.exists() {
            Reply::Stopped { detail: "traffic from outside is blocked".to_owned() }
        } else {
            Reply::Running { pid: None }
        }
    }
}

/// A unit by its name, and where it takes orders.
type Orders = (String, mpsc::Sender<(Verb, oneshot::Sender<Reply>)>);

async fn converse(stream: UnixStream, units: Vec<Orders>, outside: Outside) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    if BufReader::new(read.take(ASK_BYTES_MAX)).read_line(&mut line).await.is_err() {
        return;
    }
    let reply = match serde_json::from_str(&line) {
        Err(error) => Reply::Refused { why: error.to_string() },
        Ok(Ask::Ready) => Reply::Running { pid: Some(own_pid()) },
        Ok(Ask::Service { host, service: Service::OutsideTraffic, verb }) => outside.obey(&host, verb).await,
        Ok(Ask::Service { host, service: Service::Scheduler, verb }) => {
            let (sender, receiver) = oneshot::channel();
            match units.iter().find(|(name, _)| *name == host) {
                Some((_, unit)) if unit.send((verb, sender)).await.is_ok() => {
                    receiver.await.unwrap_or_else(|_| Reply::Refused { why: "the supervisor is ending".to_owned() })
                }
                _ => Reply::Refused { why: format!("there is no scheduler {host:?}") },
            }
        }
    };
    if let Ok(mut bytes) = serde_json::to_vec(&reply) {
        bytes.push(b'\n');
        // Whoever asked may have gone.
        let _ = write.write_all(&bytes).await;
    }
}

async fn ended(child: &mut Option<Child>) {
    match child {
        Some(child) => {
            let _ = child.wait().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether a service of the cluster answers on its port.
async fn answers(what: &str, port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((LOOPBACK, port)).await else {
        return false;
    };
    if what != "ZooKeeper" {
        return true;
    }
    let mut reply = [0_u8; 4];
    stream.write_all(b"ruok").await.is_ok() && stream.read_exact(&mut reply).await.is_ok() && reply == *b"imok"
}

/// Starts a process that dies with this one.
fn spawn_bound(program: &Path, argv: &[String], log: &Path) -> Result<Child, PracticeError> {
    let file = OpenOptions::new().create(true).append(true).open(log).map_err(PracticeError::io("opening", log))?;
    let second = file.try_clone().map_err(PracticeError::io("opening", log))?;
    Command::new(program)
        .args(["practice", "__exec", "--parent", &own_pid().to_string(), "--"])
        .args(argv)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(second)
        .spawn()
        .map_err(PracticeError::io("starting", program))
}

/// Becomes another program, after asking the kernel to end it when `parent` ends.
pub fn exec_bound(parent: i32, argv: &[String]) -> Result<std::convert::Infallible, PracticeError> {
    use std::os::unix::process::CommandExt as _;
    let (program, rest) = argv.split_first().ok_or_else(|| PracticeError::Control("nothing to run".to_owned()))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| PracticeError::io("binding", program)(error.into()))?;
    // It may have ended before the kernel was asked.
    if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return Err(PracticeError::Control("the supervisor has gone".to_owned()));
    }
    let error = std::process::Command::new(program).args(rest).exec();
    Err(PracticeError::io("starting", program)(error))
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

fn note(text: &str) {
    use std::io::Write as _;
    let now = jiff::Timestamp::now();
    // Its standard error is its log; with that gone nobody listens.
    let _ = writeln!(std::io::stderr(), "{now} {text}");
}
