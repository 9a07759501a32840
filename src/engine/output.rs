//! Live output of actions: lossy, bounded, never journaled and never evidence.
//!
//! Lines come in sanitised and redacted; the full output of an attempt is in its file.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{runbook::model::HostName, session::AttemptId};

/// Lines kept for the screen. A line is at most [`LINE_CHARS_MAX`] long, so this bounds the memory.
pub const LINES_MAX: usize = 100_000;

/// Longest line kept for the screen, in characters.
pub const LINE_CHARS_MAX: usize = 2_000;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// The tool's own words about the action.
    Note,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    /// Which attempt wrote it.
    pub attempt: AttemptId,
    /// On which host.
    pub host: HostName,
    /// Where it came from.
    pub stream: Stream,
    /// The text: no control characters, no line end.
    pub text: String,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<OutputLine>,
    dropped: u64,
}

/// The newest lines of all attempts, shared between the executor and the views.
#[derive(Debug, Clone, Default)]
pub struct OutputStore {
    kept: Arc<Mutex<Kept>>,
}

impl OutputStore {
    /// Adds a line; the oldest goes when there are too many.
    pub fn push(&self, mut line: OutputLine) {
        if line.text.chars().count() > LINE_CHARS_MAX {
            line.text = line.text.chars().take(LINE_CHARS_MAX).collect();
        }
        let mut kept = self.lock();
        if kept.lines.len() >= LINES_MAX {
            kept.lines.pop_front();
            kept.dropped += 1;
        }
        kept.lines.push_back(line);
    }

    /// How many lines there are, and how many were dropped before them.
    pub fn len(&self) -> (usize, u64) {
        let kept = self.lock();
        (kept.lines.len(), kept.dropped)
    }

    /// True if there is no line.
    pub fn is_empty(&self) -> bool {
        self.lock().lines.is_empty()
    }

    /// Reads lines under the lock; `read` must be quick.
    pub fn with<R>(&self, read: impl FnOnce(&VecDeque<OutputLine>) -> R) -> R {
        read(&self.lock().lines)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A writer that panicked leaves whole lines behind: they are still good to show.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
