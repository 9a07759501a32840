//! What every part of one scheduler process shares.
//!
//! One thread, so cells instead of locks; no borrow is held across an await.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Instant,
};

use tokio::sync::mpsc;

use crate::{
    aurora::value::Struct,
    practice::{
        layout::{Home, Layout},
        plan::{Plan, PlannedScheduler},
    },
};

use super::{
    election::Election,
    entry,
    flags::Flags,
    native_log::{LogError, NativeLog},
    state::State,
    words::{Level, say, transition},
};

/// Where a scheduler is in its life: the very states that its clients tell apart.
pub use crate::aurora::vars::Lifecycle as Life;

/// Where its storage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Made.
    Constructed,
    /// The replica is open.
    Prepared,
    /// Replayed; calls are answered.
    Ready,
    /// Ended.
    Stopped,
}

impl Storage {
    fn name(self) -> &'static str {
        match self {
            Self::Constructed => "CONSTRUCTED",
            Self::Prepared => "PREPARED",
            Self::Ready => "READY",
            Self::Stopped => "STOPPED",
        }
    }
}

/// Why a scheduler ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its supervisor says so.
    Signal,
    /// `/quitquitquit`.
    Quit,
    /// `/abortabortabort`.
    Abort,
    /// A backup was committed.
    Committed,
    /// Nobody let it register in time.
    NotRegistered,
    /// A failure that was logged already.
    Failed,
}

/// What the driver of a leader is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// An explicit reconciliation.
    Explicit,
    /// An implicit one.
    Implicit,
    /// To place what waits.
    Launch,
}

/// The shared part of one process.
pub struct Core {
    /// Where the cluster is.
    pub layout: Layout,
    /// Where this scheduler is.
    pub home: Home,
    /// What was chosen for the cluster.
    pub plan: Plan,
    /// This scheduler's place.
    pub own: PlannedScheduler,
    /// Its flags.
    pub flags: Flags,
    /// The class and the flags, as one line.
    pub command: String,
    /// When it began.
    pub started: Instant,
    /// Its life.
    pub life: Cell<Life>,
    /// Its storage's life.
    pub storage: Cell<Storage>,
    /// Whether the master knows it at this moment.
    pub registered: Cell<bool>,
    /// Its state; empty until replayed.
    pub state: RefCell<State>,
    /// A backup that is staged.
    pub staged: RefCell<Option<State>>,
    /// Its log, once opened.
    pub log: RefCell<Option<Rc<NativeLog>>>,
    /// Who leads.
    pub election: RefCell<Option<Rc<Election>>>,
    /// Exported numbers that only grow.
    pub counters: RefCell<BTreeMap<&'static str, i64>>,
    /// One writer at a time, as the storage's write lock.
    pub write_lock: tokio::sync::Mutex<()>,
    /// When a backup was last made.
    pub last_backup: Cell<Option<Instant>>,
    /// Asks the driver for something.
    pub driver: RefCell<Option<mpsc::Sender<Wish>>>,
    end: mpsc::Sender<End>,
}

/// Why a call on the storage fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// It has not begun, or has ended.
    #[error("Storage is not READY")]
    NotReady,
    /// The log.
    #[error("{0}")]
    Log(#[from] LogError),
}

impl Core {
    /// A scheduler that has not begun, and where it is told to end.
    pub fn new(
        (layout, plan, own): (Layout, Plan, PlannedScheduler),
        home: Home,
        flags: Flags,
        command: String,
    ) -> (Rc<Self>, mpsc::Receiver<End>) {
        // Whoever ends first decides; the others are too late.
        let (end, ends) = mpsc::channel(4);
        let core = Self {
            layout,
            home,
            plan,
            own,
            flags,
            command,
            started: Instant::now(),
            life: Cell::new(Life::Idle),
            storage: Cell::new(Storage::Constructed),
            registered: Cell::new(false),
            state: RefCell::default(),
            staged: RefCell::default(),
            log: RefCell::default(),
            election: RefCell::default(),
            counters: RefCell::default(),
            write_lock: tokio::sync::Mutex::new(()),
            last_backup: Cell::new(None),
            driver: RefCell::default(),
            end,
        };
        (Rc::new(core), ends)
    }

    /// Steps on in life.
    pub fn live(&self, thread: &str, to: Life) {
        let from = self.life.replace(to);
        transition(thread, "SchedulerLifecycle", from.name(), to.name());
    }

    /// Steps on in the storage's life.
    pub fn store(&self, thread: &str, to: Storage) {
        let from = self.storage.replace(to);
        transition(thread, "storage", from.name(), to.name());
    }

    /// Tells the process to end.
    pub fn end(&self, why: End) {
        // A full queue means that it ends already.
        let _ = self.end.try_send(why);
    }

    /// Asks the driver, if there is one.
    pub fn wish(&self, wish: Wish) {
        if let Some(sender) = self.driver.borrow().as_ref() {
            // One that waits already is enough.
            let _ = sender.try_send(wish);
        }
    }

    /// Counts.
    pub fn count(&self, name: &'static str, by: i64) {
        *self.counters.borrow_mut().entry(name).or_default() += by;
    }

    /// The frame size of the log.
    pub fn frame_max(&self) -> usize {
        self.flags.bytes("dlog_max_entry_size")
    }

    /// The log, for those who run after it was opened.
    pub fn log(&self) -> Result<Rc<NativeLog>, StorageError> {
        self.log.borrow().clone().ok_or(StorageError::NotReady)
    }

    /// Whether calls on the storage are answered.
    pub fn ready(&self) -> Result<(), StorageError> {
        if self.storage.get() == Storage::Ready { Ok(()) } else { Err(StorageError::NotReady) }
    }

    /// Applies operations and appends them to the log as one transaction.
    pub async fn transact(&self, ops: Vec<Struct>) -> Result<(), StorageError> {
        let _writing = self.write_lock.lock().await;
        self.ready()?;
        for bytes in entry::transaction(ops.clone(), self.frame_max()) {
            self.append(&bytes).await?;
        }
        let mut state = self.state.borrow_mut();
        for op in &ops {
            // They are made here, from the same table.
            let _ = state.apply(op);
        }
        self.count("scheduler_log_un_snapshotted_transactions", 1);
        Ok(())
    }

    /// Appends one entry; a failure is the end of this scheduler, as of a real one.
    pub async fn append(&self, bytes: &[u8]) -> Result<u64, StorageError> {
        match self.log()?.append(bytes).await {
            Ok(position) => {
                self.count("scheduler_log_entries_written", 1);
                self.count("scheduler_log_bytes_written", bytes.len() as i64);
                Ok(position)
            }
            Err(error) => {
                let text = format!("Problem performing logappend: {error}");
                say(Level::Error, "storage", "LogManager", &text);
                self.end(End::Failed);
                Err(error.into())
            }
        }
    }

    /// Writes a snapshot and drops what was before it. The write lock is held by the caller.
    pub async fn write_snapshot(&self, snapshot: &Struct) -> Result<(), StorageError> {
        let mut first = None;
        for bytes in entry::snapshot(snapshot, self.frame_max()) {
            let position = self.append(&bytes).await?;
            first.get_or_insert(position);
        }
        if let Some(first) = first {
            self.log()?.truncate(first).await?;
        }
        self.count("scheduler_log_snapshots", 1);
        self.counters.borrow_mut().insert("scheduler_log_un_snapshotted_transactions", 0);
        Ok(())
    }

    /// Milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }
}
