//! Backups and their restoration: making, listing and pruning files, staging one, committing it.
//!
//! Errors carry the words of the real scheduler. Committing leaves leadership before it answers:
//! for a moment two schedulers say that they lead.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use hyper::StatusCode;

use crate::aurora::{
    tbinary::{Reader, TBinaryError, encode_struct},
    value::{Struct, TType},
};

use super::{
    core::{Core, End, Life, Storage, StorageError},
    state::{BuildInfo, State},
    words::{Level, bare, say},
};

/// The length that no Java array can have; the real scheduler runs out of memory over it.
const LENGTH_TOO_LONG: i32 = i32::MAX;
/// How long a commit is answered after the fact. Real ones took 0.05 to 5.6 seconds.
const LINGER: Duration = Duration::from_millis(900);
/// The class in front of a recovery's own errors, in the log.
const CLASS: &str = "org.apache.aurora.scheduler.storage.backup.Recovery$RecoveryException";

/// Why a call fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// An exception of this class with this message.
    Thrown(&'static str, Option<String>),
    /// The storage is not ready, or has lost its log.
    Transient(String),
    /// Not as it is asked.
    Invalid(String),
    /// No Thrift answer at all.
    Http(StatusCode),
}

impl From<StorageError> for CallError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotReady => Self::Transient(error.to_string()),
            StorageError::Log(error) => {
                Self::Thrown("org.apache.aurora.scheduler.storage.Storage$StorageException", Some(error.to_string()))
            }
        }
    }
}

fn thrown(text: impl Into<String>) -> CallError {
    CallError::Thrown(CLASS, Some(text.into()))
}

/// Where backups are.
fn dir(core: &Core) -> PathBuf {
    PathBuf::from(core.flags.text("backup_dir"))
}

/// Every name in the directory, as it comes.
pub fn list(core: &Core) -> Vec<String> {
    let entries = std::fs::read_dir(dir(core)).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Loads a backup beside the state.
pub fn stage(core: &Core, name: Option<&str>) -> Result<(), CallError> {
    let Some(name) = name else {
        return Err(CallError::Thrown("java.lang.NullPointerException", None));
    };
    let path = dir(core).join(name);
    if !path.exists() {
        return Err(thrown(format!("Backup {} does not exist.", path.display())));
    }
    let shown = path.display().to_string();
    let shown = shown.trim_end_matches('/');
    let bytes = std::fs::read(&path).map_err(|error| {
        let why = if path.is_dir() { "Is a directory".to_owned() } else { error.to_string() };
        thrown(format!("Failed to read backup java.io.FileNotFoundException: {shown} ({why})"))
    })?;
    let snapshot = decode(&bytes)?;
    say(Level::Info, "qtp-api", "SnapshotterImpl", "Restoring snapshot.");
    let state = State::from_snapshot(&snapshot);
    let mut staged = core.staged.borrow_mut();
    if staged.is_some() {
        return Err(thrown("Another backup is already loaded."));
    }
    *staged = Some(state);
    Ok(())
}

/// Reads a backup as the real decoder does: what it does not know it skips, and it stops at the first end.
fn decode(bytes: &[u8]) -> Result<Struct, CallError> {
    match Reader::new(bytes).structure() {
        Ok(snapshot) => Ok(snapshot),
        Err(TBinaryError::UnknownType { .. }) => skip_unknown(bytes),
        Err(error) => Err(refusal(&error)),
    }
}

fn refusal(error: &TBinaryError) -> CallError {
    match error {
        TBinaryError::NegativeLength { length, .. } => thrown(format!(
            "Failed to decode backup org.apache.thrift.protocol.TProtocolException: Negative length: {length}"
        )),
        TBinaryError::LengthBeyondEnd { length: LENGTH_TOO_LONG, .. } => {
            CallError::Http(StatusCode::INTERNAL_SERVER_ERROR)
        }
        _ => thrown("Failed to decode backup org.apache.thrift.transport.TTransportException"),
    }
}

/// A field of a type that does not exist has no length for the real decoder: it goes on behind the field's head.
fn skip_unknown(bytes: &[u8]) -> Result<Struct, CallError> {
    const HEAD: usize = 3;
    let mut snapshot = Struct::new();
    let mut rest = bytes;
    loop {
        let Some((&kind, _)) = rest.split_first() else {
            return Err(refusal(&TBinaryError::Truncated { at: bytes.len(), needed: 1 }));
        };
        if kind == 0 {
            return Ok(snapshot);
        }
        let Some((head, value)) = rest.split_at_checked(HEAD) else {
            return Err(refusal(&TBinaryError::Truncated { at: bytes.len(), needed: HEAD }));
        };
        rest = value;
        if let Some(kind) = TType::from_code(kind) {
            let mut reader = Reader::new(value);
            let value = reader.value(kind).map_err(|error| refusal(&error))?;
            rest = rest.get(reader.offset()..).unwrap_or_default();
            let id = head.get(1..).and_then(|id| id.try_into().ok()).map_or(0, i16::from_be_bytes);
            snapshot.fields.push((id, value));
        }
    }
}

/// Runs over the staged state.
pub fn staged<T>(core: &Core, look: impl FnOnce(&mut State) -> T) -> Result<T, CallError> {
    core.staged.borrow_mut().as_mut().map(look).ok_or_else(|| thrown("No backup loaded."))
}

/// Forgets what is staged.
pub fn unload(core: &Core) {
    *core.staged.borrow_mut() = None;
}

/// Replaces the log's content by what is staged, and ends this scheduler.
pub async fn commit(core: &Core) -> Result<(), CallError> {
    let snapshot = staged(core, |state| (state.to_snapshot(state.timestamp, BuildInfo::Restored), state.tasks.len()));
    let (snapshot, tasks) = snapshot?;
    let _writing = core.write_lock.lock().await;
    core.ready()?;
    deduplication(tasks);
    core.write_snapshot(&snapshot).await?;
    let thread = "qtp-api";
    say(Level::Info, thread, "Lifecycle", "Shutting down application");
    say(Level::Info, thread, "ShutdownRegistry$ShutdownRegistryImpl", "Executing 3 shutdown commands.");
    let election = core.election.borrow().clone();
    if let Some(election) = election {
        election.leave().await;
    }
    say(Level::Info, thread, "ZooKeeper", "Session: 0x1000015398f0042 closed");
    let was_active = core.life.get() == Life::Active;
    core.live(thread, Life::Dead);
    if was_active {
        not_left(thread);
        say(Level::Info, "BlockingDriverJoin", "SchedulerLifecycle", "Driver exited, terminating lifecycle.");
        core.live("BlockingDriverJoin", Life::Dead);
        let text = "Shutdown already invoked, ignoring extra call.";
        say(Level::Info, "BlockingDriverJoin", "SchedulerLifecycle", text);
    }
    core.store(thread, Storage::Stopped);
    say(Level::Info, "SlaManager STOPPING", "SlaManager", "Shutting down SlaManager async http client.");
    say(Level::Info, "CronLifecycle STOPPING", "CronLifecycle", "Shutting down Quartz cron scheduler.");
    // Another one leads already, and this one goes on answering that it does.
    tokio::time::sleep(LINGER).await;
    say(Level::Info, "main", "SchedulerMain", "Stopping scheduler services.");
    core.end(End::Committed);
    Ok(())
}

/// What every leader says that commits: harmless.
fn not_left(thread: &str) {
    let text = "Failed to leave leadership: org.apache.aurora.common.zookeeper.SingletonService$LeaveException: \
                Failed to abdicate leadership of group at /aurora/scheduler";
    say(Level::Warn, thread, "SchedulerLifecycle", text);
    for place in [
        "scheduler.discovery.CuratorSingletonService$1$1.leave(CuratorSingletonService.java:172)",
        "scheduler.SchedulerLifecycle$6.accept(SchedulerLifecycle.java:285)",
        "common.application.Lifecycle.shutdown(Lifecycle.java:85)",
        "scheduler.storage.backup.Recovery$RecoveryImpl$PendingRecovery.lambda$commit$0(Recovery.java:186)",
    ] {
        bare(&format!("\tat org.apache.aurora.{place}"));
    }
    bare(
        "Caused by: java.io.IOException: java.lang.IllegalStateException: instance must be started before calling this method",
    );
    bare("");
    say(Level::Info, "main-EventThread", "ClientCnxn", "EventThread shut down for session: 0x1000015398f0042");
}

/// What the real one says of a snapshot with so many tasks.
fn deduplication(tasks: usize) {
    let logger = "SnapshotDeduplicator$SnapshotDeduplicatorImpl";
    let text = format!("Starting deduplication of a snapshot with {tasks} tasks.");
    say(Level::Info, "qtp-api", logger, &text);
    // Nothing is deduplicated in the practice log; what is said is what is true of it.
    let ratio = if tasks == 0 { "NaN".to_owned() } else { "100".to_owned() };
    let text = format!("Finished deduplicating snapshot. Deduplication ratio: {tasks}/{tasks} = {ratio}%.");
    say(Level::Info, "qtp-api", logger, &text);
}

/// Writes a snapshot into the log, and a backup if one is due or asked for.
pub async fn snapshot(core: &Core) -> Result<(), CallError> {
    let _writing = core.write_lock.lock().await;
    core.ready()?;
    say(Level::Info, "SnapshotService", "SnapshotService", "Creating snapshot");
    let (snapshot, tasks) = {
        let state = core.state.borrow();
        (state.to_snapshot(core.now(), BuildInfo::Own), state.tasks.len())
    };
    deduplication(tasks);
    core.write_snapshot(&snapshot).await?;
    {
        let state = core.state.borrow();
        let text = format!(
            "Snapshot complete. host attrs: {}, cron jobs: {}, quota confs: {}, tasks: {}, updates: {}",
            state.hosts.len(),
            state.crons.len(),
            state.quotas.len(),
            state.tasks.len(),
            state.updates.len()
        );
        say(Level::Info, "SnapshotService", "SnapshotService", &text);
    }
    let interval = core.plan.wait(core.flags.time("backup_interval"));
    let since = core.last_backup.get().unwrap_or(core.started).elapsed();
    if since >= interval {
        save(core, &snapshot);
    }
    Ok(())
}

/// Makes a backup of the state at once. A failure is only logged, as in the real one.
pub fn backup_now(core: &Core) -> Result<(), CallError> {
    core.ready()?;
    let snapshot = core.state.borrow().to_snapshot(core.now(), BuildInfo::Own);
    save(core, &snapshot);
    Ok(())
}

fn save(core: &Core, snapshot: &Struct) {
    core.last_backup.set(Some(Instant::now()));
    // The name is in the zone of the host, to the minute; a second one in a minute replaces the first.
    let name = file_name(&jiff::Zoned::now());
    let temp = dir(core).join(format!("temp_{name}"));
    let text = format!("Saving backup to {}", temp.display());
    say(Level::Info, "qtp-api", "StorageBackup$StorageBackupImpl", &text);
    let saved =
        std::fs::write(&temp, encode_struct(snapshot)).and_then(|()| std::fs::rename(&temp, dir(core).join(&name)));
    match saved {
        Ok(()) => core.count("scheduler_backup_success", 1),
        Err(error) => {
            core.count("scheduler_backup_failed", 1);
            let text = format!("Failed to prepare backup {name}: {error}");
            say(Level::Error, "qtp-api", "StorageBackup$StorageBackupImpl", &text);
        }
    }
    prune(core);
}

/// A backup's name at a time.
pub fn file_name(at: &jiff::Zoned) -> String {
    at.strftime("scheduler-backup-%Y-%m-%d-%H-%M").to_string()
}

fn prune(core: &Core) {
    let mut names: Vec<String> = list(core).into_iter().filter(|name| name.starts_with("scheduler-backup-")).collect();
    names.sort();
    let keep = usize::try_from(core.flags.int("max_saved_backups")).unwrap_or(usize::MAX);
    let outdated = names.len().saturating_sub(keep);
    let old: Vec<String> = names.iter().take(outdated).map(|name| dir(core).join(name).display().to_string()).collect();
    if old.is_empty() {
        return;
    }
    let text = format!("Deleting {} outdated backups: [{}]", old.len(), old.join(", "));
    say(Level::Info, "qtp-api", "StorageBackup$StorageBackupImpl", &text);
    for path in old {
        // It is pruned again after the next save.
        let _ = std::fs::remove_file(path);
    }
}
