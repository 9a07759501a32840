//! A forward iteration over sorted runs, in the library's order, with one entry of each run in memory.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::db::{Opener, Place, Stored};
use super::tables::{Reading, Run, ahead};

/// Whether the library gives an entry to whoever iterates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It does.
    Visible,
    /// A newer entry of its key, or a place that the library does not read, hides it.
    Hidden,
}

/// Order of internal keys: user key ascending, sequence descending.
pub(super) fn compare(a: &Stored, b: &Stored) -> Ordering {
    let put = |stored: &Stored| !matches!(stored.place, Place::Deleted);
    a.key.cmp(&b.key).then(b.sequence.cmp(&a.sequence)).then(put(b).cmp(&put(a)))
}

/// The first entry of a run; the smallest is on top of the heap, the first run's among equals.
struct Head {
    stored: Stored,
    run: usize,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&other.stored, &self.stored).then(other.run.cmp(&self.run))
    }
}

/// What is given of one entry: the entry, whether an iteration shows it, and its value while that is still at hand.
pub(crate) type Each<'f> = dyn FnMut(&Stored, Seen, Option<&[u8]>) + 'f;

/// The runs that are merged: entries of the write-ahead logs first, then one for each run of tables.
struct Runs<'s> {
    logs: std::vec::IntoIter<Stored>,
    tables: Vec<Reading<'s>>,
}

impl Runs<'_> {
    fn next(&mut self, run: usize, opener: &mut Opener<'_>) -> Option<Stored> {
        match run.checked_sub(1) {
            None => self.logs.next(),
            Some(table) => self.tables.get_mut(table)?.next(opener),
        }
    }

    /// The value of the entry that a run gave last, where the run still holds it.
    fn value(&self, run: usize, place: Place) -> Option<&[u8]> {
        self.tables.get(run.checked_sub(1)?)?.value(place)
    }
}

/// Hands out every entry of every run. A key that does not sort after the one before it is hidden, as the library's
/// merging and database iterators have it; damaged tables are not in order.
pub(super) fn merge(
    opener: &mut Opener<'_>,
    logs: Vec<Stored>,
    tables: Vec<Run>,
    last_sequence: u64,
    each: &mut Each<'_>,
) {
    let (source, count) = (opener.source, tables.len());
    let ahead = ahead(count);
    let tables = tables.into_iter().map(|run| Reading::new(source, run, ahead)).collect();
    let mut runs = Runs { logs: logs.into_iter(), tables };
    let mut heap = BinaryHeap::new();
    for run in 0..=count {
        heap.extend(runs.next(run, opener).map(|stored| Head { stored, run }));
    }
    let mut hidden_up_to: Option<Box<[u8]>> = None;
    while let Some(Head { stored, run }) = heap.pop() {
        let mut seen = Seen::Hidden;
        if stored.shown && stored.sequence <= last_sequence {
            if matches!(stored.place, Place::Deleted) {
                hidden_up_to = Some(stored.key.clone());
            } else if hidden_up_to.as_ref().is_none_or(|hidden| stored.key > *hidden) {
                hidden_up_to = Some(stored.key.clone());
                seen = Seen::Visible;
            }
        }
        // Before its run goes on and lets go of the block.
        each(&stored, seen, runs.value(run, stored.place));
        heap.extend(runs.next(run, opener).map(|stored| Head { stored, run }));
    }
}
