//! Live output of actions: lossy, bounded, never journaled and never evidence.
//!
//! Lines come in sanitised and redacted; the full output of an attempt is in its file. Many lines lie in one text
//! each, so that a line costs its characters and a few bytes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{runbook::model::HostName, session::AttemptId};

/// Lines kept for the screen. A line is at most [`LINE_CHARS_MAX`] long, so this bounds the memory.
pub const LINES_MAX: usize = 100_000;

/// Longest line kept for the screen, in characters.
pub const LINE_CHARS_MAX: usize = 2_000;

/// Lines that lie in one text.
const LINES_IN_BLOCK: usize = 256;

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

/// One line, as it comes in.
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

/// One line, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptLine<'a> {
    /// Which attempt wrote it.
    pub attempt: AttemptId,
    /// On which host.
    pub host: &'a HostName,
    /// Where it came from.
    pub stream: Stream,
    /// The text: no control characters, no line end.
    pub text: &'a str,
}

/// Who wrote lines: an attempt on a host, to a stream. Few write many.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Writer {
    attempt: AttemptId,
    host: HostName,
    stream: Stream,
}

/// [`LINES_IN_BLOCK`] lines, or fewer in the newest block.
#[derive(Debug, Default)]
struct Block {
    text: String,
    /// For each line where it ends in the text, and the place of its writer.
    lines: Vec<(u32, u32)>,
    writers: Vec<Writer>,
}

/// The lines that are kept, the oldest first.
#[derive(Debug, Default)]
pub struct Lines {
    blocks: VecDeque<Block>,
    /// Lines of the oldest block that are dropped.
    skipped: usize,
    count: usize,
}

impl Lines {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A line by its place.
    pub fn get(&self, at: usize) -> Option<KeptLine<'_>> {
        let at = self.skipped + at;
        self.blocks.get(at / LINES_IN_BLOCK)?.get(at % LINES_IN_BLOCK)
    }

    /// The lines from a place on.
    pub fn from(&self, at: usize) -> impl DoubleEndedIterator<Item = KeptLine<'_>> {
        (at..self.count).filter_map(|at| self.get(at))
    }

    /// All lines.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = KeptLine<'_>> {
        self.from(0)
    }

    fn push(&mut self, line: &OutputLine) {
        if self.blocks.back().is_none_or(|block| block.lines.len() >= LINES_IN_BLOCK) {
            if let Some(full) = self.blocks.back_mut() {
                full.text.shrink_to_fit();
                full.writers.shrink_to_fit();
            }
            self.blocks.push_back(Block { lines: Vec::with_capacity(LINES_IN_BLOCK), ..Block::default() });
        }
        if let Some(block) = self.blocks.back_mut() {
            block.push(line);
            self.count += 1;
        }
    }

    fn drop_oldest(&mut self) {
        self.skipped += 1;
        self.count = self.count.saturating_sub(1);
        if self.skipped >= LINES_IN_BLOCK {
            self.blocks.pop_front();
            self.skipped = 0;
        }
    }
}

impl Block {
    fn get(&self, at: usize) -> Option<KeptLine<'_>> {
        let (end, writer) = *self.lines.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.lines.get(before)).map_or(0, |(end, _)| *end);
        let writer = self.writers.get(writer as usize)?;
        let text = self.text.get(start as usize..end as usize)?;
        Some(KeptLine { attempt: writer.attempt, host: &writer.host, stream: writer.stream, text })
    }

    fn push(&mut self, line: &OutputLine) {
        let same = |writer: &Writer| {
            writer.attempt == line.attempt && writer.stream == line.stream && writer.host == line.host
        };
        let writer = self.writers.iter().position(same).unwrap_or_else(|| {
            self.writers.push(Writer { attempt: line.attempt, host: line.host.clone(), stream: line.stream });
            self.writers.len() - 1
        });
        self.text.extend(line.text.chars().take(LINE_CHARS_MAX));
        self.lines.push((self.text.len() as u32, writer as u32));
    }
}

#[derive(Debug, Default)]
struct Kept {
    lines: Lines,
    dropped: u64,
}

/// The newest lines of all attempts, shared between the executor and the views.
#[derive(Debug, Clone, Default)]
pub struct OutputStore {
    kept: Arc<Mutex<Kept>>,
}

impl OutputStore {
    /// Adds a line; the oldest goes when there are too many.
    pub fn push(&self, line: OutputLine) {
        let mut kept = self.lock();
        if kept.lines.len() >= LINES_MAX {
            kept.lines.drop_oldest();
            kept.dropped += 1;
        }
        kept.lines.push(&line);
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
    pub fn with<R>(&self, read: impl FnOnce(&Lines) -> R) -> R {
        read(&self.lock().lines)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A writer that panicked leaves whole lines behind: they are still good to show.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize) -> OutputLine {
        let host = HostName::from(["s1", "s2"][number % 2]);
        let stream = [Stream::Out, Stream::Err, Stream::Note][number % 3];
        OutputLine { attempt: AttemptId(number as u64 / 1_000), host, stream, text: format!("line {number} ä") }
    }

    #[test]
    fn the_newest_lines_are_kept_as_they_came() {
        let store = OutputStore::default();
        let all = LINES_MAX + 3 * LINES_IN_BLOCK / 2;
        for number in 0..all {
            store.push(line(number));
        }
        assert_eq!(store.len(), (LINES_MAX, (all - LINES_MAX) as u64));
        store.with(|lines| {
            for (at, kept) in lines.iter().enumerate() {
                let came = line(all - LINES_MAX + at);
                assert_eq!((kept.attempt, kept.host, kept.stream), (came.attempt, &came.host, came.stream));
                assert_eq!(kept.text, came.text);
            }
            assert_eq!(lines.from(LINES_MAX - 2).count(), 2);
            assert_eq!(lines.get(LINES_MAX), None);
        });
    }

    #[test]
    fn a_long_line_is_cut() {
        let store = OutputStore::default();
        store.push(OutputLine { text: "ä".repeat(LINE_CHARS_MAX + 1), ..line(0) });
        store.push(OutputLine { text: String::new(), ..line(0) });
        store.with(|lines| {
            let lengths: Vec<usize> = lines.iter().map(|line| line.text.chars().count()).collect();
            assert_eq!(lengths, [LINE_CHARS_MAX, 0]);
        });
    }
}
