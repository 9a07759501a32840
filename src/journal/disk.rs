//! What the journal needs of a disk, and the real one.

use std::{
    fs::File,
    io::{self, Write},
};

/// A file that grows at its end.
pub trait Disk: Send + std::fmt::Debug {
    /// Writes at the end; returns how many bytes were taken.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Returns once everything appended so far is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// A real file, opened for appending.
#[derive(Debug)]
pub struct FileDisk(pub File);

impl Disk for FileDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                // A signal came before the first byte: nothing was written.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
