//! `/vars` and `/vars.json`: the exported numbers and texts, by the real one's names.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    core::{Core, Life, Storage},
    state::{status, task_status},
};

/// Counters that are exported from the beginning.
const COUNTERS: [&str; 21] = [
    "reconciliation_explicit_runs",
    "reconciliation_implicit_runs",
    "scheduler_backup_failed",
    "scheduler_backup_success",
    "scheduler_framework_disconnects",
    "scheduler_framework_message",
    "scheduler_framework_reregisters",
    "scheduler_illegal_task_state_transitions",
    "scheduler_log_bad_frames_read",
    "scheduler_log_bytes_read",
    "scheduler_log_bytes_written",
    "scheduler_log_deflated_entries_read",
    "scheduler_log_entries_read",
    "scheduler_log_entries_written",
    "scheduler_log_snapshots",
    "scheduler_log_un_snapshotted_transactions",
    "scheduler_thrift_response_ERROR",
    "scheduler_thrift_response_ERROR_TRANSIENT",
    "scheduler_thrift_response_OK",
    "timed_out_tasks",
    "uncaught_exceptions",
];

/// Everything that is exported at this moment, sorted.
pub fn collect(core: &Core) -> BTreeMap<String, Value> {
    let mut vars: BTreeMap<String, Value> = BTreeMap::new();
    for name in COUNTERS {
        vars.insert(name.to_owned(), Value::from(0));
    }
    for (name, value) in core.counters.borrow().iter() {
        vars.insert((*name).to_owned(), Value::from(*value));
    }
    for life in Life::ALL {
        let gauge = i32::from(core.life.get() == life);
        vars.insert(format!("scheduler_lifecycle_{}", life.name()), Value::from(gauge));
    }
    vars.insert("framework_registered".to_owned(), Value::from(i32::from(core.registered.get())));
    let connected = core.election.borrow().as_ref().is_some_and(|election| election.connected());
    for state in ["CONNECTED", "SUSPENDED", "RECONNECTED", "LOST", "READ_ONLY"] {
        let gauge = i32::from(connected && state == "CONNECTED");
        vars.insert(format!("zk_connection_state_{state}"), Value::from(gauge));
        vars.insert(format!("zk_connection_state_{state}_counter"), Value::from(gauge));
    }
    process(core, &mut vars);
    stores(core, &mut vars);
    vars
}

fn process(core: &Core, vars: &mut BTreeMap<String, Value>) {
    let texts = [
        ("build.build.version", super::VERSION.to_owned()),
        ("build.build.date", "Fri, 18 Oct 2019 00:00:00 +0000".to_owned()),
        ("build.build.git.revision", "practice".to_owned()),
        ("build.build.path", "/practice".to_owned()),
        ("build.build.timestamp", "1571356800".to_owned()),
        ("build.build.user.name", "firstlight".to_owned()),
        ("jvm_prop_java.version", "1.8.0_292".to_owned()),
        ("jvm_prop_os.name", "Linux".to_owned()),
        ("jvm_prop_sun.java.command", core.command.clone()),
        ("jvm_prop_user.name", core.plan.user.clone()),
        ("jvm_prop_user.timezone", zone()),
    ];
    for (name, text) in texts {
        vars.insert(name.to_owned(), Value::from(text));
    }
    vars.insert("jvm_uptime_secs".to_owned(), Value::from(core.started.elapsed().as_secs()));
    vars.insert("jvm_time_ms".to_owned(), Value::from(core.now()));
}

fn stores(core: &Core, vars: &mut BTreeMap<String, Value>) {
    let state = core.state.borrow();
    if core.storage.get() == Storage::Ready {
        let sizes = [
            ("attribute", state.hosts.len()),
            ("cron", state.crons.len()),
            ("maintenance", state.maintenance.len()),
            ("quota", state.quotas.len()),
            ("update", state.updates.len()),
        ];
        for (name, size) in sizes {
            vars.insert(format!("mem_storage_{name}_size"), Value::from(size));
        }
    }
    // Counts of tasks are exported by a service that runs only when ACTIVE.
    if core.life.get() == Life::Active {
        for (number, name) in status::NAMES {
            let count = state.tasks.values().filter(|task| task_status(task) == number).count();
            vars.insert(format!("task_store_{name}"), Value::from(count));
        }
    }
}

fn zone() -> String {
    jiff::tz::TimeZone::system().iana_name().unwrap_or("GMT").to_owned()
}

/// `name value` lines.
pub fn lines(core: &Core) -> String {
    collect(core).into_iter().fold(String::new(), |mut text, (name, value)| {
        text.push_str(&name);
        text.push(' ');
        match value {
            Value::String(value) => text.push_str(&value),
            other => text.push_str(&other.to_string()),
        }
        text.push('\n');
        text
    })
}

/// One JSON object.
pub fn object(core: &Core) -> Value {
    Value::Object(Map::from_iter(collect(core)))
}
