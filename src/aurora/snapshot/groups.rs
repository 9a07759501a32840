//! Names told apart while a million tasks go by: one look-up a task that touches one place in memory, and a limit on how many there may be.
//!
//! A name is known again by a fingerprint of 128 bits. Two names of one fingerprint would be counted as one; among 100,000 names that is less
//! likely than a fault of the memory that holds them. The fingerprints are the same in every run: a file made to collide would be counted
//! wrong, which somebody who can write backups has no need of.

use super::summary::{GROUP_NAME_BYTES_MAX, GROUPS_MAX, JobCount};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::collections::BTreeMap;
use std::hash::BuildHasher;

const HIGH: FixedState = FixedState::with_seed(0x6772_6f75_7031);
const LOW: FixedState = FixedState::with_seed(0x6772_6f75_7032);

/// Tasks by a name of up to three parts.
#[derive(Default)]
pub(super) struct Groups {
    table: HashTable<Group>,
    names: Vec<Name>,
    name_bytes: usize,
    pub(super) more: JobCount,
}

/// 32 bytes: two to a line of a processor's cache.
struct Group {
    low: u64,
    count: JobCount,
    /// Index into the names.
    name: u32,
}

/// The parts joined.
struct Name {
    text: Box<str>,
    /// Bytes of each part but the last.
    first: usize,
    second: usize,
}

type Parts<'a> = (&'a str, &'a str, &'a str);

impl Name {
    fn parts(&self) -> Option<Parts<'_>> {
        let (first, rest) = self.text.split_at_checked(self.first)?;
        let (second, third) = rest.split_at_checked(self.second)?;
        Some((first, second, third))
    }
}

impl JobCount {
    fn add(&mut self, other: Self) {
        self.total += other.total;
        self.active += other.active;
    }
}

impl Groups {
    /// Counts tasks under a name; false when there are too many names to tell this one apart.
    #[inline]
    pub(super) fn add(&mut self, parts: Parts<'_>, count: JobCount) -> bool {
        // The hash of a text tells where it ends, so what moves from one part to the next makes a difference.
        let (high, low) = (HIGH.hash_one(parts), LOW.hash_one(parts));
        match self.table.find_mut(high, |group| group.low == low) {
            Some(group) => group.count.add(count),
            None => return self.enter(high, low, parts, count),
        }
        true
    }

    #[cold]
    fn enter(&mut self, high: u64, low: u64, parts: Parts<'_>, count: JobCount) -> bool {
        let (first, second, third) = parts;
        let bytes = self.name_bytes + first.len() + second.len() + third.len();
        let name = match u32::try_from(self.names.len()) {
            Ok(name) if self.names.len() < GROUPS_MAX && bytes <= GROUP_NAME_BYTES_MAX => name,
            _ => {
                self.more.add(count);
                return false;
            }
        };
        let text = [first, second, third].concat().into_boxed_str();
        self.name_bytes = bytes;
        self.names.push(Name { text, first: first.len(), second: second.len() });
        let names = &self.names;
        let again =
            |group: &Group| names.get(group.name as usize).and_then(Name::parts).map_or(0, |of| HIGH.hash_one(of));
        self.table.insert_unique(high, Group { low, count, name }, again);
        true
    }

    /// Parts and counts of every name.
    pub(super) fn each(&self) -> impl Iterator<Item = (Parts<'_>, JobCount)> {
        self.table.iter().filter_map(|group| Some((self.names.get(group.name as usize)?.parts()?, group.count)))
    }

    /// Counts by the parts that `join` makes one name of.
    pub(super) fn counts(&self, join: impl Fn(Parts<'_>) -> String) -> BTreeMap<String, JobCount> {
        let mut counts = BTreeMap::<String, JobCount>::new();
        for (parts, count) in self.each() {
            counts.entry(join(parts)).or_default().add(count);
        }
        counts
    }
}
