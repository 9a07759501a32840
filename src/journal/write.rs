//! Appending to a journal.

use super::{Disk, FILE_BYTES_MAX, JournalError, LineHash, SessionDir, encode, lock::Lock};
use crate::session::{Event, Stamp};

/// Where a journal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the newest record; 0 if there is none.
    pub seq: u64,
    /// The hash of its line.
    pub hash: LineHash,
    /// The length of the file in bytes.
    pub bytes: u64,
}

impl Head {
    /// Of a journal without records.
    pub const EMPTY: Self = Self { seq: 0, hash: LineHash::NONE, bytes: 0 };
}

/// A journal open for writing. There is one for each session; it holds the session's lock.
#[derive(Debug)]
pub struct Journal {
    disk: Box<dyn Disk>,
    head: Head,
    closed: Option<String>,
    dir: Option<SessionDir>,
    _lock: Option<Lock>,
}

impl Journal {
    /// A journal that goes on after `head` on a disk that was read before; without a directory and without a lock.
    pub fn on(disk: Box<dyn Disk>, head: Head) -> Self {
        Self { disk, head, closed: None, dir: None, _lock: None }
    }

    pub(super) fn in_dir(disk: Box<dyn Disk>, head: Head, dir: SessionDir, lock: Lock) -> Self {
        Self { disk, head, closed: None, dir: Some(dir), _lock: Some(lock) }
    }

    /// Writes what one decision led to: all of it in one write, then one sync. After it returns, the events are on the
    /// disk. After an error it is not known whether they are; the journal takes nothing more.
    pub fn append(&mut self, at: Stamp, events: &[Event]) -> Result<(), JournalError> {
        if let Some(why) = &self.closed {
            return Err(JournalError::Poisoned(why.clone()));
        }
        let written = self.try_append(at, events);
        if let Err(error) = &written {
            self.closed = Some(error.to_string());
        }
        written
    }

    /// Where it stands: after the newest record that is on the disk.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Why it takes nothing more, if so.
    pub fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    /// The session's directory; none for a journal made with [`Journal::on`].
    pub fn dir(&self) -> Option<&SessionDir> {
        self.dir.as_ref()
    }

    fn try_append(&mut self, at: Stamp, events: &[Event]) -> Result<(), JournalError> {
        if events.is_empty() {
            return Ok(());
        }
        let first = self.head.seq + 1;
        let mut head = self.head;
        let mut batch = Vec::new();
        for event in events {
            head.seq += 1;
            let line =
                encode(head.seq, at, head.hash, event).map_err(|why| JournalError::Refused { seq: head.seq, why })?;
            head.hash = LineHash::of(&line);
            batch.extend_from_slice(&line);
        }
        head.bytes += batch.len() as u64;
        if head.bytes > FILE_BYTES_MAX {
            return Err(JournalError::Refused {
                seq: first,
                why: format!("the journal would pass {FILE_BYTES_MAX} bytes"),
            });
        }
        self.write_all(&batch).map_err(|source| JournalError::Disk { doing: "writing", seq: first, source })?;
        self.disk.sync().map_err(|source| JournalError::Disk { doing: "syncing", seq: first, source })?;
        self.head = head;
        Ok(())
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            // A short write is how a full disk begins; the next one says so.
            match self.disk.append(bytes)? {
                0 => return Err(std::io::ErrorKind::WriteZero.into()),
                taken => bytes = bytes.get(taken..).unwrap_or_default(),
            }
        }
        Ok(())
    }
}
