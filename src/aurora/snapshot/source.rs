//! A stream seen through a window that moves over it.
//!
//! The buffer holds one element at least and grows only as bytes really arrive, so a length in the data costs nothing by being large. It
//! survives reads of any size, interrupted ones, and a stream that fails: what came before the failure is still handed out.

use super::walk::WalkError;
use crate::aurora::tbinary::TBinaryError;
use std::io::{ErrorKind, Read};

/// Bytes of the buffer at first: a hundred tasks a read, in a part of a processor's second cache. Larger ones measure slower, because they
/// drive the names that are counted out of it.
const BUFFER_BYTES: usize = 128 << 10;
/// The most bytes one element (a task, a job update) may take. The largest that occur, updates of jobs with thousands of instances, take a
/// few megabytes.
pub const ELEMENT_BYTES_MAX: usize = 64 << 20;
/// The most bytes read of one stream: seventy times a backup of a million tasks. A device that never ends stops here.
pub const STREAM_BYTES_MAX: u64 = 64 << 30;

pub(super) struct Source<R> {
    read: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the stream of `start`.
    offset: u64,
    over: bool,
    failed: Option<WalkError>,
    element_max: usize,
}

impl<R: Read> Source<R> {
    pub(super) fn new(read: R) -> Self {
        Self {
            read,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            offset: 0,
            over: false,
            failed: None,
            element_max: ELEMENT_BYTES_MAX,
        }
    }

    /// Offset in the stream of the first byte of the window.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// What is at hand.
    pub(super) fn window(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Moves the window past bytes of it.
    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Widens the window by what comes next; false at the end of the stream.
    pub(super) fn more(&mut self) -> Result<bool, WalkError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        if self.over {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            if self.end >= self.element_max {
                return Err(WalkError::ElementTooLarge { at: self.offset, limit: self.element_max as u64 });
            }
            self.buffer.resize((self.end * 2).min(self.element_max), 0);
        }
        self.fill()
    }

    /// Reads until the buffer is full, so that small reads do not make an element be looked at again for each.
    fn fill(&mut self) -> Result<bool, WalkError> {
        let had = self.end;
        while let Some(room) = self.buffer.get_mut(self.end..).filter(|room| !room.is_empty()) {
            let room_bytes = room.len();
            match self.read.read(room) {
                Ok(0) => {
                    self.over = true;
                    break;
                }
                Ok(count) => self.end += count.min(room_bytes),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(WalkError::Read { at: self.read_so_far(), message: error.to_string() });
                    break;
                }
            }
        }
        if self.read_so_far() > STREAM_BYTES_MAX {
            self.failed = Some(WalkError::TooLong { limit: STREAM_BYTES_MAX });
        }
        match &self.failed {
            Some(failed) if self.end == had => Err(failed.clone()),
            _ => Ok(self.end > had),
        }
    }

    const fn read_so_far(&self) -> u64 {
        self.offset + (self.end - self.start) as u64
    }

    /// Widens the window to so many bytes.
    pub(super) fn need(&mut self, count: usize) -> Result<&[u8], WalkError> {
        while self.end - self.start < count {
            if !self.more()? {
                let at = usize::try_from(self.offset).unwrap_or(usize::MAX);
                return Err(TBinaryError::Truncated { at, needed: count - (self.end - self.start) }.into());
            }
        }
        Ok(self.window().get(..count).unwrap_or_default())
    }

    /// Takes so many bytes of a known, small number.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], WalkError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.need(N)?);
        self.consume(N);
        Ok(bytes)
    }

    /// Reads to the end of the stream; gives its length.
    pub(super) fn drain(&mut self) -> Result<u64, WalkError> {
        loop {
            self.consume(self.end - self.start);
            if !self.more()? {
                return Ok(self.offset);
            }
        }
    }
}
