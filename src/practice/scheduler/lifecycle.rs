//! A scheduler's life from its first line to its last.
//!
//! Each step is announced with the real one's words. What ends it is decided by whoever asks first;
//! how it ends depends on whether it ever was ACTIVE: an unregistered scheduler that committed a
//! backup, or that nobody let register, closes its port and stays, as the real one does since 0.21.

use std::{path::PathBuf, rc::Rc, time::Duration};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::spawn_local,
};

use crate::{
    aurora::log_entry::Skipped,
    practice::{
        error::PracticeError,
        layout::Home,
        plan::{LOOPBACK, OUTSIDE, Plan},
        web::{self, Server},
        zookeeper,
    },
};

use super::{
    core::{Core, End, Life, Storage, StorageError},
    driver::Driver,
    election::Election,
    entry::{self, Entry, Oddity},
    flags::Flags,
    http,
    members::Members,
    native_log::NativeLog,
    recovery,
    state::State,
    words::{Level, bare, mesos, say},
};

/// The class whose arguments the flags are.
pub const CLASS: &str = "org.apache.aurora.scheduler.app.SchedulerMain";
/// How long leaving the election may take.
const LEAVE_WAIT: Duration = Duration::from_millis(900);
/// A limit of an hour or more is one that the engineer set in order to have time; it is not compressed.
const UNCOMPRESSED_FROM: Duration = Duration::from_hours(1);
/// A shorter limit would be about the machine's load and no longer about the master.
const LIMIT_MIN: Duration = Duration::from_secs(3);
/// How long the last answers may take to leave.
const FLUSH: Duration = Duration::from_millis(150);

/// Runs one scheduler; returns its exit code.
pub fn run(home: &str, args: &[String]) -> Result<i32, PracticeError> {
    let home = Home::new(home);
    let (layout, plan, own) = Plan::of_home(&home)?;
    let flags = match Flags::parse(args) {
        Ok(flags) => flags,
        Err(why) => {
            bare(&format!("Usage: {CLASS} [options]"));
            say(Level::Error, "main", "CommandLine", &why);
            return Ok(1);
        }
    };
    let command = std::iter::once(CLASS).chain(args.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(PracticeError::io("starting a runtime for", home.dir()))?;
    let (core, ends) = Core::new((layout, plan, own), home, flags, command);
    let code = tokio::task::LocalSet::new().block_on(&runtime, live(core, ends));
    // Whatever still waits for a disk or a peer is abandoned, as at a JVM's halt.
    runtime.shutdown_timeout(Duration::ZERO);
    code
}

async fn live(core: Rc<Core>, mut ends: mpsc::Receiver<End>) -> Result<i32, PracticeError> {
    let watching = |error| PracticeError::io("watching signals in", core.home.dir())(error);
    let mut term = signal(SignalKind::terminate()).map_err(watching)?;
    let ports = Ports::open(&core).await?;
    let mut log_server = None;
    let end = {
        let living = begin(&core, &mut log_server);
        tokio::pin!(living);
        tokio::select! {
            Some(end) = ends.recv() => end,
            _ = term.recv() => End::Signal,
            failed = &mut living => {
                if let Err(error) = failed {
                    fail(&error);
                }
                End::Failed
            }
        }
    };
    if end == End::Abort {
        return Ok(0);
    }
    finish(&core, end, ports, term).await;
    Ok(0)
}

/// A failure in the words in which it is known.
fn fail(error: &PracticeError) {
    match error {
        PracticeError::Log { why, .. } => {
            mesos(Level::Error, "replica.cpp:774", &format!("EXIT with status 1: {why}"));
        }
        other => say(Level::Error, "main", "SchedulerLifecycle", &format!("Caught unchecked exception: {other}")),
    }
}

/// The HTTP port, as seen from here and from outside.
struct Ports {
    _inside: Server,
    _watch: AbortOnDrop,
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Ports {
    async fn open(core: &Rc<Core>) -> Result<Self, PracticeError> {
        for line in std::iter::once("-".repeat(71))
            .chain(["Parameters:".to_owned()])
            .chain(core.flags.printed())
            .chain(["-".repeat(71)])
        {
            say(Level::Info, "main", "CommandLine", &line);
        }
        say(Level::Info, "main", "BuildInfo", "Fetching build properties from build.properties");
        let text = format!("Build Info key: build.version has value {}", super::VERSION);
        say(Level::Info, "TimeSeriesRepositoryImpl STARTING", "TimeSeriesRepositoryImpl", &text);
        if core.plan.zookeeper_port.is_some() {
            let text = "Running without ZooKeeper digest credentials. ZooKeeper ACLs are disabled.";
            say(Level::Warn, "main", "ServiceDiscoveryModule", text);
        }
        let port = u16::try_from(core.flags.int("http_port")).unwrap_or(0);
        let inside = listen(core, LOOPBACK, port).await?;
        let text = format!("Started ServerConnector@b3d6a35{{HTTP/1.1, (http/1.1)}}{{{LOOPBACK}:{port}}}");
        say(Level::Info, "HttpServerLauncher STARTING", "AbstractConnector", &text);
        let watching = |error| PracticeError::io("watching signals in", core.home.dir())(error);
        let mut changed = signal(SignalKind::window_change()).map_err(watching)?;
        let core = Rc::clone(core);
        let watch = spawn_local(async move {
            let mut outside = None;
            loop {
                let blocked = core.home.block_file().exists();
                if blocked {
                    outside = None;
                } else if outside.is_none() {
                    // Where the address is not there, the outside sees nothing.
                    outside = listen(&core, OUTSIDE, port).await.ok();
                }
                if changed.recv().await.is_none() {
                    std::future::pending::<()>().await;
                }
            }
        });
        Ok(Self { _inside: inside, _watch: AbortOnDrop(watch) })
    }
}

async fn listen(core: &Rc<Core>, address: &str, port: u16) -> Result<Server, PracticeError> {
    let listener =
        TcpListener::bind((address, port)).await.map_err(PracticeError::io("listening for", core.home.dir()))?;
    let core = Rc::clone(core);
    Ok(web::serve(listener, Rc::new(move |asked| Box::pin(http::answer(Rc::clone(&core), asked)))))
}

/// From the first state to the end of leadership; returns only with a failure.
async fn begin(core: &Rc<Core>, log_server: &mut Option<Server>) -> Result<(), PracticeError> {
    core.live("main", Life::PreparingStorage);
    let backups = PathBuf::from(core.flags.text("backup_dir"));
    if !backups.exists() {
        std::fs::create_dir_all(&backups).map_err(PracticeError::io("Unable to create backup dir", &backups))?;
        let text = format!("Created backup dir {}.", backups.display());
        say(Level::Info, "main", "BackupModule", &text);
    }
    let client = zookeeper::connect(&core.plan).await?;
    let members = match &client {
        Some(client) => Members::group(client.clone(), core.flags.text("native_log_zk_group_path")).await?,
        None => Members::fixed(&core.plan),
    };
    let members = Rc::new(members);
    let path = PathBuf::from(core.flags.text("native_log_file_path"));
    let quorum = usize::try_from(core.flags.int("native_log_quorum_size")).unwrap_or(1);
    let port = core.own.libprocess_port;
    let (log, server) = NativeLog::open(&path, port, quorum, Rc::clone(&members)).await?;
    *log_server = Some(server);
    *core.log.borrow_mut() = Some(Rc::clone(&log));
    members.join(port).await?;
    log.start_recovery();
    core.store("main", Storage::Prepared);
    core.live("main", Life::StoragePrepared);
    say(Level::Info, "main", "Lifecycle", "Awaiting shutdown");
    let own = core.own.http_port;
    let election = match client {
        Some(client) => Election::by_nodes(client, core.flags.text("serverset_path"), own).await?,
        None => Election::by_lock(core.layout.election_lock(), own),
    };
    let election = Rc::new(election);
    *core.election.borrow_mut() = Some(Rc::clone(&election));
    tokio::select! {
        led = async { election.win().await?; lead(core).await } => led,
        () = election.lost() => {
            say(Level::Error, "LeaderSelector-0", "SchedulerLifecycle", "Lost leadership, committing suicide.");
            core.end(End::Failed);
            std::future::pending().await
        }
    }
}

/// Leads until somebody ends it.
async fn lead(core: &Rc<Core>) -> Result<(), PracticeError> {
    let thread = "LeaderSelector-0";
    core.live(thread, Life::LeaderAwaitingRegistration);
    say(Level::Info, thread, "SchedulerLifecycle", "Elected as leading scheduler!");
    if !start_storage(core).await {
        core.end(End::Failed);
        return std::future::pending().await;
    }
    core.store(thread, Storage::Ready);
    let driver = Rc::new(Driver::new(Rc::clone(core))?);
    if !driver.begin() {
        say(Level::Info, "BlockingDriverJoin", "SchedulerLifecycle", "Driver exited, terminating lifecycle.");
        core.end(End::Failed);
        return std::future::pending().await;
    }
    let (sender, asked) = mpsc::channel(4);
    *core.driver.borrow_mut() = Some(sender);
    let text = format!("Giving up on registration in {}", core.flags.time_text("max_registration_delay"));
    say(Level::Info, thread, "SchedulerLifecycle", &text);
    let timers = [limit(core, "max_registration_delay"), limit(core, "max_leading_duration")];
    tokio::select! {
        () = driver.run(asked) => {}
        () = registration_limit(core, timers[0]) => {
            let text = "Framework has not been registered within the tolerated delay.";
            say(Level::Error, "Lifecycle-0", "SchedulerLifecycle", text);
            core.end(End::NotRegistered);
        }
        () = tokio::time::sleep(timers[1]) => {
            say(Level::Info, "Lifecycle-0", "SchedulerLifecycle", "Triggering automatic failover.");
            core.end(End::Quit);
        }
        () = snapshots(core) => {}
    }
    std::future::pending().await
}

fn limit(core: &Core, flag: &str) -> Duration {
    let real = core.flags.time(flag);
    if real >= UNCOMPRESSED_FROM { real } else { core.plan.wait(real).max(LIMIT_MIN) }
}

async fn registration_limit(core: &Core, limit: Duration) {
    tokio::time::sleep(limit).await;
    if core.life.get() != Life::LeaderAwaitingRegistration {
        std::future::pending::<()>().await;
    }
}

/// Snapshots at their interval, once active, as since 0.20.
async fn snapshots(core: &Core) {
    let every = core.plan.wait(core.flags.time("dlog_snapshot_interval")).max(Duration::from_secs(1));
    loop {
        tokio::time::sleep(every).await;
        if core.life.get() == Life::Active {
            // A log that cannot be written has ended the scheduler already.
            let _ = recovery::snapshot(core).await;
        }
    }
}

/// Wins the log and replays it. False once the reason for a failure is logged.
async fn start_storage(core: &Rc<Core>) -> bool {
    let Ok(log) = core.log() else { return false };
    if !start_writer(core, &log).await {
        return false;
    }
    if core.append(&entry::noop()).await.is_err() {
        say(Level::Error, "LeaderSelector-0", "LogPersistence", "Error writing noop prior to a read");
        return false;
    }
    match replay(core, &log) {
        Ok(()) => true,
        Err(why) => {
            let text = format!(
                "Caught unchecked exception: org.apache.aurora.scheduler.storage.Storage$StorageException: \
                 org.apache.aurora.scheduler.storage.DistributedSnapshotStore$RecoveryFailedException: {why}"
            );
            say(Level::Error, "LeaderSelector-0", "SchedulerLifecycle", &text);
            false
        }
    }
}

async fn start_writer(core: &Core, log: &NativeLog) -> bool {
    let timeout = core.plan.wait(core.flags.time("native_log_election_timeout"));
    for _ in 0..core.flags.int("native_log_election_retries").max(1) {
        mesos(Level::Info, "log.cpp:549", "Attempting to start the writer");
        let until = tokio::time::Instant::now() + timeout;
        match tokio::time::timeout_at(until.max(tokio::time::Instant::now() + FLUSH), log.elect()).await {
            Ok(Ok(_)) => return true,
            Ok(Err(_)) | Err(_) => {
                mesos(Level::Info, "log.cpp:569", "Could not start the writer, but can be retried");
                tokio::time::sleep_until(until).await;
            }
        }
    }
    let text = "Caught unchecked exception: org.apache.aurora.scheduler.log.Log$Stream$StreamAccessException: \
                Problem writing to log: Retry limit has been reached during election";
    say(Level::Error, "LeaderSelector-0", "SchedulerLifecycle", text);
    false
}

fn replay(core: &Core, log: &NativeLog) -> Result<(), String> {
    let thread = "LeaderSelector-0";
    let appended: Vec<Vec<u8>> = log.read().into_iter().map(|(_, bytes)| bytes).collect();
    let bytes: usize = appended.iter().map(Vec::len).sum();
    core.count("scheduler_log_bytes_read", bytes as i64);
    core.count("scheduler_log_entries_read", appended.len() as i64);
    let entries = entry::read(&appended, |odd| match odd {
        Oddity::Inflating(size) => {
            core.count("scheduler_log_deflated_entries_read", 1);
            say(Level::Info, thread, "Entries", &format!("Inflating deflated log entry of size {size}"));
        }
        Oddity::Skipped(Skipped::ChunkWithoutHeader) => {
            say(Level::Warn, thread, "StreamManagerImpl", "Found a frame with no preceding header, skipping.");
        }
        Oddity::Skipped(Skipped::Aborted { required, found }) => {
            core.count("scheduler_log_bad_frames_read", 1);
            let text = format!("Found an aborted transaction, required {required} frames and found {found}");
            say(Level::Info, thread, "StreamManagerImpl", &text);
        }
    })?;
    let mut state = State::default();
    for entry in entries {
        match entry {
            Entry::Noop => {}
            Entry::Snapshot(snapshot) => {
                state = State::from_snapshot(&snapshot);
                let text = format!("Applying snapshot taken on {}", java_date(state.timestamp));
                say(Level::Info, thread, "LogPersistence", &text);
                say(Level::Info, thread, "SnapshotterImpl", "Restoring snapshot.");
                say(Level::Info, thread, "Loader", "Resetting storage");
            }
            Entry::Transaction(ops) => ops.iter().try_for_each(|op| state.apply(op))?,
        }
    }
    *core.state.borrow_mut() = state;
    Ok(())
}

/// `Sun Nov 22 16:04:53 UTC 2026`, in the zone of the host.
fn java_date(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
    at.strftime("%a %b %d %H:%M:%S %Z %Y").to_string()
}

/// Ends in order; returns when the process may exit.
async fn finish(core: &Rc<Core>, end: End, ports: Ports, mut term: tokio::signal::unix::Signal) {
    let was_active = core.life.get() == Life::Active || (end == End::Committed && core.registered.get());
    if end != End::Committed {
        step_down(core).await;
        say(Level::Info, "main", "SchedulerMain", "Stopping scheduler services.");
    }
    // The last answer is on its way.
    tokio::time::sleep(FLUSH).await;
    let text = "Action controller has already completed, subsequent calls ignored.";
    say(Level::Info, "TearDownShutdownRegistry STOPPING", "ShutdownRegistry$ShutdownRegistryImpl", text);
    let text = "Variable sampler shut down";
    say(Level::Info, "TimeSeriesRepositoryImpl STOPPING", "TimeSeriesRepositoryImpl", text);
    say(Level::Info, "HttpServerLauncher STOPPING", "JettyServerModule", "Shutting down embedded http server");
    drop(ports);
    say(Level::Info, "main", "SchedulerMain", "Application run() exited.");
    let stays = matches!(end, End::Committed | End::NotRegistered) && !was_active;
    if stays {
        // A thread of the task-SLA client keeps the process alive; its replica goes on voting.
        term.recv().await;
    }
}

async fn step_down(core: &Core) {
    let thread = "TearDownShutdownRegistry STOPPING";
    if core.life.get() != Life::Dead {
        core.live(thread, Life::Dead);
    }
    let election = core.election.borrow().clone();
    if let Some(election) = election {
        // Without an answer of ZooKeeper the session's end does the same.
        let _ = tokio::time::timeout(LEAVE_WAIT, election.leave()).await;
    }
    core.registered.set(false);
    if core.storage.get() != Storage::Stopped {
        core.store(thread, Storage::Stopped);
    }
    say(Level::Info, thread, "Lifecycle", "Shutting down application");
    say(Level::Info, thread, "ShutdownRegistry$ShutdownRegistryImpl", "Executing 3 shutdown commands.");
}

impl From<StorageError> for PracticeError {
    fn from(error: StorageError) -> Self {
        Self::Control(error.to_string())
    }
}
