//! Who leads, as a view shows it beside the session: live, lossy, never journaled. It opens no gate and is no evidence.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::session::Stamp;

/// How it stands, for the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaderTone {
    /// One leads and is advertised.
    Leads,
    /// Nobody, several, or one that is not advertised.
    Waits,
    /// It is not known.
    Unknown,
}

/// What is known of who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderSeen {
    /// In words, without control characters.
    pub words: String,
    /// How it stands.
    pub tone: LeaderTone,
    /// Since when it is so.
    pub since: Stamp,
    /// True if it was so before it was first seen, so that it lasts longer than is known.
    pub longer: bool,
    /// When it was last confirmed.
    pub confirmed: Stamp,
    /// What was known before it became unknown.
    pub before: Option<String>,
    /// How often another came to lead while one looked.
    pub elections: u32,
}

/// Where it is put and read. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LeaderBoard {
    seen: Arc<Mutex<Option<LeaderSeen>>>,
}

impl LeaderBoard {
    /// Puts what is known in the place of what was.
    pub fn put(&self, seen: LeaderSeen) {
        *self.lock() = Some(seen);
    }

    /// What is known; `None` where nobody looks.
    pub fn get(&self) -> Option<LeaderSeen> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<LeaderSeen>> {
        // A writer that panicked leaves a whole value behind: it is still good to show.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
