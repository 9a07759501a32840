//! Staged tasks as a table that an engineer looks through: one row a task, with what is known of it as details.

use crate::{
    aurora::{types::ScheduledTask, value::Value as Wire},
    hosts::clean,
    table::{self, Column, ColumnKind, Table},
};

/// What stands under every task: what it means to take it out.
const MEANING: &str = "Taken out, it is unknown to the restored scheduler: if its process runs, it is KILLED.";
/// Events that are listed of a task, the newest last.
const EVENTS_MAX: usize = 20;
/// Field of a task's configuration that holds its constraints.
const CONSTRAINTS: i16 = 20;
/// Constraints that are listed of a task.
const CONSTRAINTS_MAX: usize = 20;

/// The table of some tasks, as it is kept; an error says why there is none.
pub(super) fn bytes(tasks: &[ScheduledTask]) -> Result<Vec<u8>, String> {
    let columns = vec![
        // Jobs of different environments are often called the same.
        Column::grouping("key", "Job"),
        Column::grouping("role", "Role"),
        Column::grouping("env", "Environment"),
        Column::grouping("job", "Name"),
        Column::of("instance", "Instance", ColumnKind::Number),
        Column::grouping("status", "Status"),
        Column::grouping("host", "Host"),
        Column::of("since", "Since", ColumnKind::Time),
        Column::of("cpus", "CPU", ColumnKind::Number),
        Column::of("ram_mb", "RAM MB", ColumnKind::Number),
    ];
    let mut table = Table::new("staged tasks", columns).map_err(|error| error.to_string())?;
    for task in tasks {
        let key = task.job_key();
        let of = |part: fn(&crate::aurora::types::JobKey) -> &str| {
            key.as_ref().map_or_else(String::new, |key| clean::line(part(key).as_bytes()))
        };
        let (cpus, ram, _) = resources(task);
        let cells = [
            key.as_ref().map_or_else(String::new, |key| clean::line(key.to_string().as_bytes())),
            of(|key| &key.role),
            of(|key| &key.environment),
            of(|key| &key.name),
            task.assigned_task.instance_id.to_string(),
            task.status.to_string(),
            task.assigned_task.slave_host.as_deref().map_or_else(String::new, |host| clean::line(host.as_bytes())),
            task.last_event_ms().map(|at| at.to_string()).unwrap_or_default(),
            cpus.map(|cpus| cpus.to_string()).unwrap_or_default(),
            ram.map(|ram| ram.to_string()).unwrap_or_default(),
        ];
        let key = clean::line(task.id().as_bytes());
        table.push(&key, &cells, details(task)).map_err(|error| error.to_string())?;
    }
    let mut bytes = Vec::new();
    table::write(&table, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn resources(task: &ScheduledTask) -> (Option<f64>, Option<i64>, Option<i64>) {
    task.assigned_task.task.as_ref().map(crate::aurora::types::TaskConfig::resources_flat).unwrap_or_default()
}

/// A constraint as `name = a, b`, `name != a` or `at most n per name`; the structs of the wire.
fn constraint(item: &Wire) -> Option<String> {
    let one = item.as_struct()?;
    let (name, what) = (one.str(1)?, one.rec(2)?);
    if let Some(limit) = what.rec(2).and_then(|limit| limit.get(1)) {
        return Some(format!("constraint: at most {} per {name}", limit.as_i32()?));
    }
    let values = what.rec(1)?;
    let listed = values.get(2).and_then(Wire::as_items).unwrap_or_default();
    let listed: Vec<&str> = listed.iter().filter_map(Wire::as_str).collect();
    let not = if matches!(values.get(1), Some(Wire::Bool(true))) { "!=" } else { "=" };
    Some(format!("constraint: {name} {not} {}", listed.join(", ")))
}

fn details(task: &ScheduledTask) -> Vec<String> {
    let mut lines = vec![MEANING.to_owned()];
    let config = task.assigned_task.task.as_ref();
    if let Some(owner) = config.and_then(|config| config.contact_email.as_deref()) {
        lines.push(format!("owner: {owner}"));
    }
    let (cpus, ram, disk) = resources(task);
    let amount = |amount: Option<String>, unit: &str| amount.map(|amount| format!("{amount} {unit}"));
    let amounts: Vec<String> = [
        amount(cpus.map(|cpus| cpus.to_string()), "cores"),
        amount(ram.map(|ram| ram.to_string()), "MB of memory"),
        amount(disk.map(|disk| disk.to_string()), "MB of disk"),
    ]
    .into_iter()
    .flatten()
    .collect();
    lines.push(format!("resources: {}", amounts.join(", ")));
    let constraints = config.and_then(|config| config.other.get(CONSTRAINTS)?.as_items()).unwrap_or_default();
    lines.extend(constraints.iter().take(CONSTRAINTS_MAX).filter_map(constraint));
    let events = task.task_events.as_deref().unwrap_or_default();
    let from = events.len().saturating_sub(EVENTS_MAX);
    lines.extend(events.iter().skip(from).map(|event| {
        let at =
            jiff::Timestamp::from_millisecond(event.timestamp_ms).map_or_else(|_| "?".to_owned(), |at| at.to_string());
        format!("{at} {} {}", event.status, event.message.as_deref().unwrap_or_default())
    }));
    lines.into_iter().map(|line| clean::line(line.as_bytes())).collect()
}
