//! A file seen through a window that moves over it: many small reads become few large ones.

use std::sync::Arc;

use crate::replog::source::{Source, SourceError};

/// Reads ranges of one file. What lies behind the file's end is simply not there.
pub(crate) struct Window<'s> {
    source: &'s dyn Source,
    pub(crate) name: Arc<str>,
    /// Bytes read ahead.
    ahead: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl<'s> Window<'s> {
    pub(crate) fn new(source: &'s dyn Source, name: &str, ahead: usize) -> Self {
        Self { source, name: name.into(), ahead, start: 0, bytes: Vec::new() }
    }

    /// `len` bytes at `offset`, fewer where the file ends. The caller has checked `len` against a limit.
    pub(crate) fn get(&mut self, offset: u64, len: usize) -> Result<&[u8], SourceError> {
        let held = offset.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let held = held.filter(|skip| skip.checked_add(len).is_some_and(|end| end <= self.bytes.len()));
        let skip = match held {
            Some(skip) => skip,
            None => {
                let len = len.max(self.ahead) as u64;
                self.source.read_into(&self.name, offset, len, &mut self.bytes)?;
                // What one long block needed is not kept for the short ones after it.
                self.bytes.shrink_to(self.ahead.saturating_mul(2));
                self.start = offset;
                0
            }
        };
        let end = skip.saturating_add(len).min(self.bytes.len());
        Ok(self.bytes.get(skip..end).unwrap_or_default())
    }
}
