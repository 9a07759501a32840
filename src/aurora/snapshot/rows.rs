//! Tasks in one line each.

use super::walk::{BriefSink, WalkError, walk_from};
use crate::aurora::brief::TaskBrief;
use serde::{Deserialize, Serialize};
use std::io::Read;

/// A task in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRow {
    /// Id.
    pub id: String,
    /// `role/environment/name`; empty when the configuration does not say it.
    pub job: String,
    /// Name of the state.
    pub status: String,
    /// Host, once assigned.
    pub host: Option<String>,
    /// Index within the job.
    pub instance: i32,
}

impl TaskRow {
    /// The line of this task.
    pub fn of(task: &TaskBrief<'_>) -> Self {
        let job = match task {
            TaskBrief { role: "", environment: "", name: "", .. } => String::new(),
            TaskBrief { role, environment, name, .. } => format!("{role}/{environment}/{name}"),
        };
        Self {
            id: task.id.to_owned(),
            job,
            status: task.status.to_string(),
            host: task.host.map(str::to_owned),
            instance: task.instance,
        }
    }
}

#[derive(Default)]
struct Rows(Vec<TaskRow>);

impl BriefSink for Rows {
    fn task(&mut self, task: &TaskBrief<'_>) {
        self.0.push(TaskRow::of(task));
    }
}

/// Every task of a snapshot, in the order of the file; memory grows with them.
pub fn list_tasks_from(read: impl Read) -> Result<Vec<TaskRow>, WalkError> {
    let mut rows = Rows::default();
    match walk_from(read, &mut rows).error {
        None => Ok(rows.0),
        Some(error) => Err(error),
    }
}

/// [`list_tasks_from`] of bytes in memory.
pub fn list_tasks(bytes: &[u8]) -> Result<Vec<TaskRow>, WalkError> {
    list_tasks_from(bytes)
}
