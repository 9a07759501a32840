//! The practice cluster as the rest of the program holds it: make, start, look at, take down.
//!
//! The processes outlive whoever started them until `down`; they are found again by the cluster's
//! own record, by process id and start time, never by name.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    control::{Ask, Reply, Service, Verb, ask},
    error::PracticeError,
    files,
    layout::{Layout, default_dir},
    options::Options,
    plan::{LOOPBACK, OUTSIDE, Pids, Plan, PlannedScheduler, Started},
    seed, writer, zookeeper,
};

/// The version of `cluster.json`.
const FORMAT: u32 = 1;
/// A JVM on a loaded machine takes a while.
const START_WAIT: Duration = Duration::from_mins(1);
/// The supervisor ends its children in order, each with its own limit.
const DOWN_WAIT: Duration = Duration::from_secs(20);
/// How often something that is awaited is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The port of the documentation's example for a master that is not there.
const DEAD_PORT: u16 = 1111;
/// Attempts at ports that are free on both addresses.
const PORT_TRIES: usize = 100;

/// A practice cluster on disk.
#[derive(Debug, Clone)]
pub struct Cluster {
    layout: Layout,
    plan: Plan,
}

/// What runs of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Whether the supervisor answers.
    pub supervised: bool,
    /// Processes that are alive, by name.
    pub processes: Vec<(String, i32)>,
    /// Each scheduler's service, in order.
    pub schedulers: Vec<(String, Reply)>,
}

impl Cluster {
    /// Makes a new cluster, in place of a stopped one in the same directory. Nothing is started.
    pub fn create(options: &Options) -> Result<Self, PracticeError> {
        options.check()?;
        let dir = match &options.dir {
            Some(dir) => std::path::absolute(dir).map_err(PracticeError::io("finding", dir))?,
            None => default_dir(options.scenario.name())?,
        };
        let layout = Layout::new(&dir);
        clear(&layout)?;
        std::fs::create_dir_all(&dir).map_err(PracticeError::io("creating", &dir))?;
        // Links on the way would show in paths that are compared.
        let dir = dir.canonicalize().map_err(PracticeError::io("finding", &dir))?;
        let layout = Layout::new(dir);
        let plan = plan(options)?;
        plan.write(&layout)?;
        if let Some(port) = plan.zookeeper_port {
            zookeeper::prepare(&layout, port)?;
        }
        files::write(&layout, &plan)?;
        let history = seed::history(plan.scenario, plan.seed, plan.speed, plan.schedulers.len(), plan.created_ms);
        writer::write(&layout, &plan, &history)?;
        Ok(Self { layout, plan })
    }

    /// A cluster that was made before.
    pub fn open(dir: &Path) -> Result<Self, PracticeError> {
        let dir = dir.canonicalize().map_err(|_| PracticeError::None(dir.to_owned()))?;
        let layout = Layout::new(dir);
        let plan = Plan::read(&layout)?;
        Ok(Self { layout, plan })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        self.layout.dir()
    }

    /// Its files.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What was chosen for it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Its inventory.
    pub fn inventory_path(&self) -> PathBuf {
        self.layout.inventory()
    }

    /// Starts everything and returns once every service was started. Leftovers of a run that was
    /// killed are ended first. Schedulers may still be electing a leader.
    pub fn start(&self) -> Result<(), PracticeError> {
        if ask(&self.layout, &Ask::Ready).is_ok() {
            return Ok(());
        }
        self.down()?;
        let log = self.layout.supervisor_log();
        let file = std::fs::File::create(&log).map_err(PracticeError::io("creating", &log))?;
        let second = file.try_clone().map_err(PracticeError::io("creating", &log))?;
        let mut child = Command::new(&self.plan.program)
            .args(["practice", "__supervise", "--dir"])
            .arg(self.layout.dir())
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(second)
            // Ctrl-C in the terminal is not for it; it leaves the session itself as well.
            .process_group(0)
            .spawn()
            .map_err(PracticeError::io("starting", &self.plan.program))?;
        let until = Instant::now() + START_WAIT;
        while ask(&self.layout, &Ask::Ready).is_err() {
            let ended = matches!(child.try_wait(), Ok(Some(_)));
            if ended || Instant::now() > until {
                self.down()?;
                let seconds = START_WAIT.as_secs();
                return Err(PracticeError::Start { what: "the practice cluster".to_owned(), seconds, log });
            }
            std::thread::sleep(LOOK_EVERY);
        }
        // Whoever started it reaps it, so that it does not stay as a corpse after `down`.
        std::thread::spawn(move || child.wait());
        Ok(())
    }

    /// What runs.
    pub fn status(&self) -> Status {
        let alive = Pids::read(&self.layout).alive();
        let service =
            |name: &str| Ask::Service { host: name.to_owned(), service: Service::Scheduler, verb: Verb::Status };
        let asked = |scheduler: &PlannedScheduler| {
            let reply = ask(&self.layout, &service(&scheduler.name));
            let reply = reply.unwrap_or_else(|error| Reply::Refused { why: error.to_string() });
            (scheduler.name.clone(), reply)
        };
        let supervised = alive.iter().any(|(name, _)| name == "supervisor");
        let schedulers = if supervised { self.plan.schedulers.iter().map(asked).collect() } else { Vec::new() };
        Status {
            supervised,
            processes: alive.into_iter().map(|(name, started)| (name, started.pid)).collect(),
            schedulers,
        }
    }

    /// Does something to a service of a scheduler.
    pub fn service(&self, host: &str, service: Service, verb: Verb) -> Result<Reply, PracticeError> {
        ask(&self.layout, &Ask::Service { host: host.to_owned(), service, verb })
    }

    /// Stops everything that was started, also after a supervisor that was killed. Doing it twice does no harm.
    pub fn down(&self) -> Result<(), PracticeError> {
        stop_all(&self.layout)
    }
}

fn stop_all(layout: &Layout) -> Result<(), PracticeError> {
    let pids = Pids::read(layout);
    if let Some(supervisor) = pids.supervisor {
        supervisor.signal(Signal::TERM);
        wait_for(&[supervisor], DOWN_WAIT);
        supervisor.signal(Signal::KILL);
    }
    // Its children die with it; what is recorded is made sure of.
    let children: Vec<Started> = pids.children.values().copied().collect();
    wait_for(&children, LOOK_EVERY * 5);
    for child in &children {
        child.signal(Signal::KILL);
    }
    let all: Vec<Started> = children.into_iter().chain(pids.supervisor).collect();
    if !wait_for(&all, DOWN_WAIT) {
        return Err(PracticeError::Control("a process does not end".to_owned()));
    }
    for path in [layout.pids(), layout.socket()] {
        if path.exists() {
            std::fs::remove_file(&path).map_err(PracticeError::io("removing", &path))?;
        }
    }
    Ok(())
}

fn wait_for(processes: &[Started], limit: Duration) -> bool {
    let until = Instant::now() + limit;
    loop {
        if !processes.iter().any(|process| process.alive()) {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Makes room: ends and removes an old cluster, refuses a running one and anything that is none.
fn clear(layout: &Layout) -> Result<(), PracticeError> {
    let dir = layout.dir();
    if !dir.exists() {
        return Ok(());
    }
    if layout.plan().exists() {
        if Pids::read(layout).supervisor.is_some_and(Started::alive) {
            return Err(PracticeError::Running(dir.to_owned()));
        }
        stop_all(layout)?;
        return std::fs::remove_dir_all(dir).map_err(PracticeError::io("removing", dir));
    }
    let mut entries = std::fs::read_dir(dir).map_err(PracticeError::io("listing", dir))?;
    if entries.next().is_some() { Err(PracticeError::NotOurs(dir.to_owned())) } else { Ok(()) }
}

fn plan(options: &Options) -> Result<Plan, PracticeError> {
    let mut ports = Ports::default();
    let mut schedulers = Vec::new();
    for index in 1..=options.schedulers {
        schedulers.push(PlannedScheduler {
            name: format!("s{index}"),
            http_port: ports.both()?,
            libprocess_port: ports.one()?,
        });
    }
    let zookeeper = options.zookeeper && zookeeper::installed();
    let program = std::path::absolute(&options.program).map_err(PracticeError::io("finding", &options.program))?;
    Ok(Plan {
        format: FORMAT,
        cluster: "practice".to_owned(),
        scenario: options.scenario,
        seed: options.seed,
        speed: options.speed,
        program,
        created_ms: jiff::Timestamp::now().as_millisecond(),
        user: user(),
        quorum: options.schedulers / 2 + 1,
        master_port: ports.one()?,
        dead_port: dead_port(&mut ports)?,
        zookeeper_port: if zookeeper { Some(ports.one()?) } else { None },
        schedulers,
    })
}

/// The name of whoever runs this, for `sudo -u`; the number where there is no name.
fn user() -> String {
    let own = rustix::process::getuid().as_raw().to_string();
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == own).then(|| name.to_owned())
    });
    named.unwrap_or(own)
}

/// Ports that were free a moment ago, held until the plan is made.
#[derive(Default)]
struct Ports {
    held: Vec<TcpListener>,
}

impl Ports {
    fn one(&mut self) -> Result<u16, PracticeError> {
        let failed = |error| PracticeError::io("finding a port on", LOOPBACK)(error);
        let listener = TcpListener::bind((LOOPBACK, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        self.held.push(listener);
        Ok(port)
    }

    /// A port that is free inside and outside.
    fn both(&mut self) -> Result<u16, PracticeError> {
        for _ in 0..PORT_TRIES {
            let port = self.one()?;
            match TcpListener::bind((OUTSIDE, port)) {
                Ok(listener) => {
                    self.held.push(listener);
                    return Ok(port);
                }
                // Where the second address is not there, the outside is not played.
                Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => return Ok(port),
                Err(_) => {}
            }
        }
        self.one()
    }
}

/// A port where nothing listens, by preference the one of the documentation's example.
fn dead_port(ports: &mut Ports) -> Result<u16, PracticeError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, DEAD_PORT));
    match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        Ok(_) => ports.one(),
        Err(_) => Ok(DEAD_PORT),
    }
}
