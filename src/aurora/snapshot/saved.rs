//! The operations of a transaction, with tasks as briefs: most bytes of a log are tasks that are saved again.

use super::skim::{Cursor, Skimmed, Stop};
use super::strange::Odd;
use super::task;
use crate::aurora::brief::TaskBrief;
use crate::aurora::log_entry::Op;
use crate::aurora::tbinary::Reader;
use crate::aurora::value::TType;

/// One operation.
pub enum BriefOp<'a> {
    /// Tasks are saved.
    Tasks(Vec<TaskBrief<'a>>),
    /// Any other; `None` when it is no union of a struct.
    Other(Option<Op>),
}

/// The operations of an entry that is a transaction and nothing else; `None` when it is not that to its last byte, or
/// says something that only decoding it whole can answer.
pub fn brief_operations(entry: &[u8]) -> Option<Vec<BriefOp<'_>>> {
    let mut odd = Odd::default();
    let mut cursor = Cursor::new(entry, 0, &mut odd);
    let found = transaction(&mut cursor).ok().flatten()?;
    (cursor.used() == entry.len()).then_some(found)
}

/// The two fields of every release, in their order; anything else is for the decoder.
fn transaction<'a>(cursor: &mut Cursor<'a, '_>) -> Skimmed<Option<Vec<BriefOp<'a>>>> {
    if cursor.field()? != Some((2, TType::Struct)) || cursor.field()? != Some((1, TType::List)) {
        return Ok(None);
    }
    let (elem, count) = cursor.seq_head()?;
    if elem != TType::Struct {
        return Ok(None);
    }
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(operation(cursor.of_struct()?)?);
    }
    if cursor.field()? != Some((2, TType::I32)) {
        return Ok(None);
    }
    cursor.i32()?;
    let ends = cursor.field()?.is_none() && cursor.field()?.is_none();
    Ok(ends.then_some(found))
}

fn operation(union: &[u8]) -> Skimmed<BriefOp<'_>> {
    let mut odd = Odd::default();
    if let Some(tasks) = tasks(&mut Cursor::new(union, 0, &mut odd))? {
        return Ok(BriefOp::Tasks(tasks));
    }
    let fields = Reader::new(union).structure().map_err(Stop::Bad)?;
    Ok(BriefOp::Other(Op::of(fields)))
}

/// The tasks of an operation that saves tasks and says nothing else.
fn tasks<'a>(cursor: &mut Cursor<'a, '_>) -> Skimmed<Option<Vec<TaskBrief<'a>>>> {
    if cursor.field()? != Some((6, TType::Struct)) || cursor.field()? != Some((1, TType::Set)) {
        return Ok(None);
    }
    let (elem, count) = cursor.seq_head()?;
    if elem != TType::Struct {
        return Ok(None);
    }
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(task::task(cursor)?);
    }
    let ends = cursor.field()?.is_none() && cursor.field()?.is_none();
    Ok(ends.then_some(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aurora::log_entry::{LogEntry, Transaction};
    use crate::aurora::types::{ScheduledTask, TaskEvent};

    fn entry() -> Vec<u8> {
        let task = |n: i64| {
            let mut task = ScheduledTask::default();
            task.assigned_task.task_id = format!("task-{n}");
            task.task_events = Some(vec![TaskEvent { timestamp_ms: n, ..TaskEvent::default() }]);
            task
        };
        let ops = [
            Op::SaveTasks(vec![task(1), task(2)]),
            Op::RemoveQuota("www".to_owned()),
            Op::SaveTasks(Vec::new()),
            Op::RemoveTasks(vec!["task-1".to_owned()]),
        ];
        LogEntry::Transaction(Transaction::of(&ops)).encode()
    }

    #[test]
    fn the_brief_of_an_entry_is_that_of_the_whole() {
        let entry = entry();
        // Each byte changed: either the decoder is asked, or it would have found the same.
        for at in 0..=entry.len() {
            let mut changed = entry.clone();
            changed.get_mut(at).into_iter().for_each(|byte| *byte ^= 0x05);
            let Some(brief) = brief_operations(&changed) else {
                assert!(at < entry.len(), "the entry itself has a brief");
                continue;
            };
            let Ok(LogEntry::Transaction(whole)) = LogEntry::decode(&changed) else { panic!("byte {at}") };
            let whole: Vec<_> = whole.into_operations().collect();
            assert_eq!(brief.len(), whole.len(), "byte {at}");
            for (brief, whole) in brief.into_iter().zip(whole) {
                match (brief, whole) {
                    (BriefOp::Tasks(briefs), Some(Op::SaveTasks(tasks))) => {
                        assert_eq!(briefs, tasks.iter().map(TaskBrief::of).collect::<Vec<_>>(), "byte {at}");
                    }
                    (BriefOp::Other(other), whole) => assert_eq!(other, whole, "byte {at}"),
                    (BriefOp::Tasks(_), whole) => panic!("byte {at}: {whole:?}"),
                }
            }
        }
        for len in 0..entry.len() {
            assert!(brief_operations(&entry[..len]).is_none(), "{len} bytes");
        }
    }
}
