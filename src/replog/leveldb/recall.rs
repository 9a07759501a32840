//! Values read again from where they were found.

use std::sync::Arc;

use super::db::Place;
use super::table;
use super::wal::LogReader;
use super::window::Window;
use crate::replog::source::Source;

/// Bytes read ahead: values are mostly asked for in the order in which they stand.
const AHEAD: usize = 128 << 10;

/// Holds the block or record that was read last.
pub(crate) struct Recall<'s> {
    source: &'s dyn Source,
    window: Option<Window<'s>>,
    held: Option<(Arc<str>, u64, bool, Vec<u8>)>,
}

impl<'s> Recall<'s> {
    pub(crate) fn new(source: &'s dyn Source) -> Self {
        Self { source, window: None, held: None }
    }

    /// A stored value; `None` for a deletion, and when it cannot be read any more.
    pub(crate) fn value(&mut self, file: &Arc<str>, place: Place) -> Option<&[u8]> {
        let (offset, in_table, at, len) = match place {
            Place::Deleted => return None,
            Place::Wal { record, at, len } => (record, false, at, len),
            Place::Table { block, at, len } => (block.offset, true, at, len),
        };
        let held = self
            .held
            .as_ref()
            .is_some_and(|(name, from, table, _)| *from == offset && *table == in_table && name == file);
        if !held {
            self.held = None;
            let bytes = self.load(file, place)?;
            self.held = Some((Arc::clone(file), offset, in_table, bytes));
        }
        let (_, _, _, bytes) = self.held.as_ref()?;
        bytes.get(at as usize..(at as usize).checked_add(len as usize)?)
    }

    fn load(&mut self, file: &Arc<str>, place: Place) -> Option<Vec<u8>> {
        let window = self.window.take().filter(|window| window.name == *file);
        let mut window = window.unwrap_or_else(|| Window::new(self.source, file, AHEAD));
        match place {
            Place::Deleted => None,
            Place::Wal { record, .. } => {
                let (found, window) = LogReader::record_at(window, record);
                self.window = Some(window);
                found.map(|record| record.bytes)
            }
            Place::Table { block, .. } => {
                let found = table::block_again(&mut window, block).ok().map(|block| block.bytes);
                self.window = Some(window);
                found
            }
        }
    }
}
