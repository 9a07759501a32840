//! A forward iteration over sorted runs, in the library's order.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::db::{Place, Stored};

/// Order of internal keys: user key ascending, sequence descending.
pub(super) fn compare(a: &Stored, b: &Stored) -> Ordering {
    let put = |stored: &Stored| !matches!(stored.place, Place::Deleted);
    a.key.cmp(&b.key).then(b.sequence.cmp(&a.sequence)).then(put(b).cmp(&put(a)))
}

/// A forward iteration over all runs, as the library's merging and database iterators do it: a key that does not sort
/// after the one before it is hidden.
pub(super) fn merge(runs: Vec<Vec<Stored>>, last_sequence: u64) -> Vec<Stored> {
    let mut runs: Vec<VecDeque<Stored>> =
        runs.into_iter().map(|run| run.into_iter().filter(|stored| stored.shown).collect()).collect();
    let mut out = Vec::new();
    let mut hidden_up_to: Option<Box<[u8]>> = None;
    loop {
        let mut best: Option<(usize, &Stored)> = None;
        for (at, run) in runs.iter().enumerate() {
            if let Some(front) = run.front()
                && best.is_none_or(|(_, held)| compare(front, held) == Ordering::Less)
            {
                best = Some((at, front));
            }
        }
        let best = best.map(|(at, _)| at);
        let Some(stored) = best.and_then(|at| runs.get_mut(at)).and_then(VecDeque::pop_front) else { return out };
        if stored.sequence > last_sequence {
            continue;
        }
        if matches!(stored.place, Place::Deleted) {
            hidden_up_to = Some(stored.key);
        } else if hidden_up_to.as_ref().is_none_or(|hidden| stored.key > *hidden) {
            hidden_up_to = Some(stored.key.clone());
            out.push(stored);
        }
    }
}
