//! A disk in memory that fails where it is told to: for tests of everything that stands on a journal.
//!
//! It knows what was written and what was synced, and hands out each state that a crash may leave.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Disk;

/// What goes wrong, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The disk takes this many bytes in all and is full then.
    FullAfter(usize),
    /// Every write takes at most this many bytes.
    ShortWrites(usize),
    /// The n-th sync, counted from 1, fails; later ones say that all is well.
    SyncFails(usize),
    /// From the n-th sync on nothing reaches the disk, and each call fails.
    FreezeAtSync(usize),
}

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    synced: usize,
    syncs: usize,
    appends: usize,
    fault: Fault,
    frozen: bool,
}

/// A disk in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Inner>>);

impl MemoryDisk {
    /// An empty disk with a fault.
    pub fn with(fault: Fault) -> Self {
        let disk = Self::default();
        disk.lock().fault = fault;
        disk
    }

    /// Everything that was written.
    pub fn written(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// How many bytes are safe since the newest sync.
    pub fn synced(&self) -> usize {
        self.lock().synced
    }

    /// How many times it was synced with success.
    pub fn syncs(&self) -> usize {
        self.lock().syncs
    }

    /// How many times it was written to.
    pub fn appends(&self) -> usize {
        self.lock().appends
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for MemoryDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.lock();
        if inner.frozen {
            return Err(io::Error::other("the disk is gone"));
        }
        inner.appends += 1;
        let taken = match inner.fault {
            Fault::FullAfter(limit) => bytes.len().min(limit.saturating_sub(inner.bytes.len())),
            Fault::ShortWrites(limit) => bytes.len().min(limit),
            Fault::None | Fault::SyncFails(_) | Fault::FreezeAtSync(_) => bytes.len(),
        };
        if taken == 0 && !bytes.is_empty() {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        inner.bytes.extend(bytes.iter().take(taken));
        Ok(taken)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.lock();
        let nth = inner.syncs + 1;
        match inner.fault {
            _ if inner.frozen => return Err(io::Error::other("the disk is gone")),
            Fault::FreezeAtSync(at) if nth >= at => {
                inner.frozen = true;
                return Err(io::Error::other("the disk is gone"));
            }
            Fault::SyncFails(at) if nth == at => {
                inner.fault = Fault::None;
                return Err(io::Error::other("input/output error"));
            }
            _ => {}
        }
        inner.syncs = nth;
        inner.synced = inner.bytes.len();
        Ok(())
    }
}
