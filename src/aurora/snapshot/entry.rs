//! The walk over an entry of the log that holds a state: a snapshot, or one whose tasks share configurations.

use super::skim::{Cursor, Skimmed};
use super::task;
use super::walk::{BriefSink, Walk, WalkError, Walked};
use crate::aurora::brief::TaskBrief;
use crate::aurora::value::TType;
use std::io::Read;

/// What a walk over an entry saw besides the elements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WalkedEntry {
    /// Of the state, and why the walk ended early.
    pub walked: Walked,
    /// Number of the union's member that the entry has: 1 is a snapshot, 6 one with shared configurations. Others are
    /// not walked, and nothing else is known of them.
    pub member: i16,
    /// Configurations that tasks share.
    pub configs: u64,
    /// The lowest and the highest configuration that a task names.
    pub named_configs: Option<(i32, i32)>,
}

impl WalkedEntry {
    /// A configuration that a task names and that is not there.
    pub fn missing_config(&self) -> Option<i32> {
        let (lowest, highest) = self.named_configs?;
        if lowest < 0 {
            return Some(lowest);
        }
        u64::try_from(highest).is_ok_and(|highest| highest >= self.configs).then_some(highest)
    }
}

/// Walks an inflated entry to its end or to the first byte that cannot be understood, and reads the stream to its end.
pub fn walk_entry_from(read: impl Read, sink: &mut dyn BriefSink) -> WalkedEntry {
    let mut walk = Walk::new(read, sink);
    let mut entry = WalkedEntry::default();
    let error = union(&mut walk, &mut entry).err();
    entry.walked = walk.finish(error);
    entry
}

fn union<R: Read>(walk: &mut Walk<'_, R>, entry: &mut WalkedEntry) -> Result<(), WalkError> {
    let Some((member, ttype)) = walk.field()? else { return Ok(()) };
    entry.member = member;
    match (member, ttype) {
        (1, TType::Struct) => walk.fields()?,
        (6, TType::Struct) => deduplicated(walk, entry)?,
        _ => return walk.skip(ttype),
    }
    // A union ends after its one member.
    match walk.field()? {
        None => Ok(()),
        Some((_, ttype)) => walk.skip(ttype),
    }
}

fn deduplicated<R: Read>(walk: &mut Walk<'_, R>, entry: &mut WalkedEntry) -> Result<(), WalkError> {
    while let Some((id, ttype)) = walk.field()? {
        match (id, ttype) {
            (1, TType::Struct) => walk.fields()?,
            (2, TType::List) => {
                let (elem, count, right) = walk.head(id, TType::Struct)?;
                if !right {
                    walk.skip_items(elem, count)?;
                    continue;
                }
                for _ in 0..count {
                    let config = partial_task(walk)?;
                    let (lowest, highest) = entry.named_configs.unwrap_or((config, config));
                    entry.named_configs = Some((lowest.min(config), highest.max(config)));
                }
            }
            (3, TType::List) => {
                let (elem, count, right) = walk.head(id, TType::Struct)?;
                walk.skip_items(elem, count)?;
                entry.configs += if right { count as u64 } else { 0 };
            }
            _ => walk.skip(ttype)?,
        }
    }
    Ok(())
}

/// Hands over the task and answers the configuration that it names.
fn partial_task<R: Read>(walk: &mut Walk<'_, R>) -> Result<i32, WalkError> {
    walk.element(|cursor, sink| {
        let (mut brief, mut config) = (TaskBrief::default(), 0);
        if one(cursor, &mut brief, &mut config)? {
            sink.task(&brief);
        }
        Ok(config)
    })
}

/// Whether there is a task in it.
fn one<'a>(cursor: &mut Cursor<'a, '_>, brief: &mut TaskBrief<'a>, config: &mut i32) -> Skimmed<bool> {
    let mut found = false;
    while let Some((id, ttype)) = cursor.field()? {
        match (id, ttype) {
            (1, TType::Struct) => {
                *brief = task::task(cursor)?;
                found = true;
            }
            (2, TType::I32) => *config = cursor.i32()?,
            _ => cursor.skip(ttype, 1)?,
        }
    }
    Ok(found)
}
