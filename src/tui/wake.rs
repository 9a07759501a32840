//! What wakes the wizard: keys, changes of the session, answers of the engine, the word to end. One bounded
//! channel; what may be lost without harm (that something changed) is coalesced into a flag.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use crossterm::event::KeyEvent;

use super::rows::Loaded;
use crate::session::Refusal;

/// Room in the channel. A person does not type this far ahead; a paste comes as one.
const WAKES_MAX: usize = 1_024;

/// One reason to wake.
#[derive(Debug)]
pub(super) enum Wake {
    /// A key was read, this long after the start.
    Key(KeyEvent, Duration),
    /// Something was pasted.
    Paste(String),
    /// The terminal has another size.
    Resize,
    /// The engine answered a question.
    Answered(u64, Result<u64, Refusal>),
    /// A table was read, or why it could not be.
    Loaded(u64, Result<Arc<Loaded>, String>),
    /// Look at the flags.
    Flags,
    /// The terminal is gone.
    Lost,
}

/// Wakes the wizard from outside: whoever handles the signals holds one.
#[derive(Debug, Clone)]
pub struct Remote {
    sender: SyncSender<Wake>,
    flags: Arc<Flags>,
}

/// Where the wizard is woken.
#[derive(Debug)]
pub struct Wakes {
    pub(super) receiver: Receiver<Wake>,
    pub(super) remote: Remote,
}

#[derive(Debug, Default)]
struct Flags {
    changed: AtomicBool,
    continued: AtomicBool,
    queued: AtomicBool,
    quit: Mutex<Option<String>>,
}

/// What was flagged since it was last asked.
#[derive(Debug, Default)]
pub(super) struct Flagged {
    pub changed: bool,
    pub continued: bool,
    pub quit: Option<String>,
}

/// A wizard's wakes, and what wakes it from outside.
pub fn remote() -> (Remote, Wakes) {
    let (sender, receiver) = sync_channel(WAKES_MAX);
    let remote = Remote { sender, flags: Arc::default() };
    (remote.clone(), Wakes { receiver, remote })
}

impl Remote {
    /// The session or its output changed.
    pub fn changed(&self) {
        self.flags.changed.store(true, Ordering::Release);
        self.look_at_flags();
    }

    /// The process was stopped and goes on (SIGCONT): the terminal is taken again and drawn whole.
    pub fn continued(&self) {
        self.flags.continued.store(true, Ordering::Release);
        self.look_at_flags();
    }

    /// The wizard ends now, for this reason: the session is left by its owner.
    pub fn quit(&self, why: &str) {
        *self.flags.quit.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
        self.look_at_flags();
    }

    pub(super) fn sender(&self) -> SyncSender<Wake> {
        self.sender.clone()
    }

    pub(super) fn take_flags(&self) -> Flagged {
        self.flags.queued.store(false, Ordering::Release);
        Flagged {
            changed: self.flags.changed.swap(false, Ordering::AcqRel),
            continued: self.flags.continued.swap(false, Ordering::AcqRel),
            quit: self.flags.quit.lock().unwrap_or_else(PoisonError::into_inner).take(),
        }
    }

    /// Never blocks: a full channel is being read anyway, and its reader looks at the flags after each wake.
    fn look_at_flags(&self) {
        if !self.flags.queued.swap(true, Ordering::AcqRel) {
            drop(self.sender.try_send(Wake::Flags));
        }
    }
}
