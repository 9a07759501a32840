//! Names told apart while a million tasks go by: one look-up a task, and a limit on how many there may be.
//!
//! The hashes are the same in every run. A file made to collide could make counting slow, which somebody who can write backups has no need of.

use super::summary::{GROUP_NAME_BYTES_MAX, GROUPS_MAX, JobCount};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::collections::BTreeMap;
use std::hash::BuildHasher;

const HASH: FixedState = FixedState::with_seed(0x6261_636b_7570);

/// Tasks by a name of up to three parts, joined by slashes.
#[derive(Default)]
pub(super) struct Groups {
    /// Indexes into `entries`.
    table: HashTable<u32>,
    entries: Vec<Group>,
    name_bytes: usize,
    pub(super) more: JobCount,
}

struct Group {
    hash: u64,
    /// The parts joined.
    name: Box<str>,
    /// Bytes of each part but the last.
    first: u32,
    second: u32,
    count: JobCount,
}

fn parts_of(group: &Group) -> Option<(&str, &str, &str)> {
    let (first, rest) = group.name.split_at_checked(group.first as usize)?;
    let (second, third) = rest.split_at_checked(group.second as usize)?;
    Some((first, second, third))
}

fn count(count: &mut JobCount, active: bool) {
    count.total += 1;
    count.active += u64::from(active);
}

impl Groups {
    /// Counts a task under a name of one part.
    pub(super) fn add(&mut self, name: &str, active: bool) -> bool {
        self.add_parts("", "", name, active)
    }

    /// Counts a task under a name; false when there are too many names to tell this one apart.
    #[inline]
    pub(super) fn add_parts(&mut self, first: &str, second: &str, third: &str, active: bool) -> bool {
        // The lengths go in so that what moves from one part to the next makes a difference.
        let hash = HASH.hash_one((first, second, third));
        let entries = &self.entries;
        let found = self
            .table
            .find(hash, |index| entries.get(*index as usize).and_then(parts_of) == Some((first, second, third)));
        let index = match found {
            Some(index) => *index as usize,
            None => match self.enter(hash, first, second, third) {
                Some(index) => index,
                None => {
                    count(&mut self.more, active);
                    return false;
                }
            },
        };
        if let Some(group) = self.entries.get_mut(index) {
            count(&mut group.count, active);
        }
        true
    }

    #[cold]
    fn enter(&mut self, hash: u64, first: &str, second: &str, third: &str) -> Option<usize> {
        let name = [first, second, third].concat().into_boxed_str();
        let (index, bytes) = (self.entries.len(), self.name_bytes + name.len());
        if index >= GROUPS_MAX || bytes > GROUP_NAME_BYTES_MAX {
            return None;
        }
        let lengths = (u32::try_from(first.len()).ok()?, u32::try_from(second.len()).ok()?);
        let at = u32::try_from(index).ok()?;
        self.name_bytes = bytes;
        self.entries.push(Group { hash, name, first: lengths.0, second: lengths.1, count: JobCount::default() });
        let entries = &self.entries;
        self.table.insert_unique(hash, at, |index| entries.get(*index as usize).map_or(0, |group| group.hash));
        Some(index)
    }

    /// Parts and counts of every name.
    pub(super) fn each(&self) -> impl Iterator<Item = ((&str, &str, &str), JobCount)> {
        self.entries.iter().filter_map(|group| Some((parts_of(group)?, group.count)))
    }

    /// Adds counts under a name of one part.
    pub(super) fn merge(&mut self, name: &str, of: JobCount) {
        let hash = HASH.hash_one(("", "", name));
        let entries = &self.entries;
        let found =
            self.table.find(hash, |index| entries.get(*index as usize).and_then(parts_of) == Some(("", "", name)));
        let index = found.map(|index| *index as usize).or_else(|| self.enter(hash, "", "", name));
        let to = match index.and_then(|index| self.entries.get_mut(index)) {
            Some(group) => &mut group.count,
            None => &mut self.more,
        };
        to.total += of.total;
        to.active += of.active;
    }

    /// Counts by names of one part.
    pub(super) fn into_names(self) -> BTreeMap<String, JobCount> {
        self.entries.into_iter().map(|group| (group.name.into_string(), group.count)).collect()
    }

    /// Counts by the parts joined with slashes; a name without any stays empty. Names that differ only in where a slash belongs are one then.
    pub(super) fn into_joined(self) -> BTreeMap<String, JobCount> {
        let mut counts = BTreeMap::new();
        for (parts, of) in self.each() {
            let name = match parts {
                ("", "", "") => String::new(),
                (first, second, third) => format!("{first}/{second}/{third}"),
            };
            let to: &mut JobCount = counts.entry(name).or_default();
            to.total += of.total;
            to.active += of.active;
        }
        counts
    }
}
