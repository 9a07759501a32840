//! Pages that tools and browsers read beside `/api`: small ones of the same type and shape as the real scheduler's.

use std::collections::BTreeMap;

use hyper::{StatusCode, header};
use serde_json::{Value as Json, json};

use crate::{
    aurora::value::{Struct, Value},
    practice::web::{self, Answer},
};

use super::{
    core::{Core, Storage},
    state::{State, status, structs, task_id, task_job, task_status, text},
    vars,
};

const HTML: &str = "text/html;charset=utf-8";
const TEXT: &str = "text/plain;charset=utf-8";
/// Services of a leader that is active.
const LED_SERVICES: [&str; 12] = [
    "SnapshotService",
    "JobUpdateHistoryPruner",
    "TaskTimeout",
    "TaskGroupBatchWorker",
    "TaskReconciler",
    "TaskEventBatchWorker",
    "TaskStatusHandlerImpl",
    "SlaManager",
    "MaintenanceController",
    "CronBatchWorker",
    "CronLifecycle",
    "JobUpdateEventSubscriber",
];
/// Services of every scheduler.
const SERVICES: [&str; 4] =
    ["TearDownShutdownRegistry", "RedirectMonitor", "TimeSeriesRepositoryImpl", "HttpServerLauncher"];

/// A failure that no handler caught, as Jetty's page.
pub fn failed(message: &str) -> Answer {
    let shown = message.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;");
    let body = format!(
        "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n\
         <title>Error 500 {shown}</title>\n</head>\n<body><h2>HTTP ERROR 500 {shown}</h2>\n<table>\n\
         <tr><th>STATUS:</th><td>500</td></tr>\n<tr><th>MESSAGE:</th><td>{shown}</td></tr>\n</table>\n</body>\n</html>\n"
    );
    let mut answer = web::plain(StatusCode::INTERNAL_SERVER_ERROR, "text/html;charset=iso-8859-1", body);
    let never = header::HeaderValue::from_static("must-revalidate,no-cache,no-store");
    answer.headers_mut().insert(header::CACHE_CONTROL, never);
    answer
}

/// Pages of every scheduler.
pub fn own(core: &Core, first: &str) -> Answer {
    match first {
        "services" => {
            let active = core.life.get() == super::core::Life::Active;
            let led = LED_SERVICES.iter().filter(|_| active);
            let all = led.chain(&SERVICES).map(|name| json!({ "name": name, "state": "RUNNING" }));
            web::json(&all.collect::<Vec<Json>>())
        }
        "graphdata" => web::json(&vars::collect(core).into_keys().collect::<Vec<_>>()),
        "threads" => web::plain(StatusCode::OK, TEXT, "Name: main\nState: WAITING\nDaemon: false\nID: 1\n"),
        "contention" => web::plain(StatusCode::OK, TEXT, "Locked threads:\n"),
        "structdump" if core.storage.get() != Storage::Ready => failed(
            "org.jboss.resteasy.spi.UnhandledException: \
             org.apache.aurora.scheduler.storage.Storage$TransientStorageException: Storage is not READY",
        ),
        "" => html("text/html", "Aurora"),
        _ => html(HTML, "Aurora"),
    }
}

/// Pages of the leader.
pub fn led(core: &Core, first: &str, path: &str) -> Answer {
    let state = core.state.borrow();
    match first {
        "cron" => {
            let name = |(role, environment, job): &(String, String, String)| format!("{role}/{environment}/{job}");
            let all = state.crons.iter().map(|(key, job)| (name(key), Json::from(text(job, 4))));
            web::json(&json!({ "scheduled": all.collect::<serde_json::Map<_, _>>() }))
        }
        "quotas" => {
            let all = state.quotas.iter().map(|(role, quota)| (role.clone(), amounts(quota)));
            web::json(&Json::Object(all.collect()))
        }
        "maintenance" => web::json(&maintenance(&state)),
        "offers" => web::json(&json!([])),
        "pendingtasks" => web::json(&pending(&state)),
        "state" => web::json(&json!({ "taskConfigs": {} })),
        "tiers" => web::json(&json!({
            "default": "preemptible",
            "tiers": {
                "preferred": { "preemptible": false, "revocable": false },
                "preemptible": { "preemptible": true, "revocable": false },
                "revocable": { "preemptible": true, "revocable": true },
            },
        })),
        "mname" => named(&state, path),
        "agents" | "slaves" | "utilization" => html(HTML, "Aurora"),
        _ => html("text/html", "Aurora"),
    }
}

fn html(content_type: &str, title: &str) -> Answer {
    web::plain(StatusCode::OK, content_type, format!("<!doctype html>\n<title>{title}</title>\n"))
}

fn amounts(quota: &Struct) -> Json {
    let mut all = serde_json::Map::new();
    for resource in structs(quota, 4) {
        match resource.fields.first() {
            Some((1, Value::Double(cpus))) => all.insert("cpu_cores".to_owned(), Json::from(*cpus)),
            Some((2, Value::I64(ram))) => all.insert("ram_mb".to_owned(), Json::from(*ram)),
            Some((3, Value::I64(disk))) => all.insert("disk_mb".to_owned(), Json::from(*disk)),
            _ => None,
        };
    }
    Json::Object(all)
}

/// Hosts by their maintenance; those that are drained with the tasks that are still on them.
fn maintenance(state: &State) -> Json {
    let in_mode = |wanted: i32| {
        let hosts = state.hosts.values().filter(move |host| host.get(3).and_then(Value::as_i32) == Some(wanted));
        hosts.map(|host| text(host, 1))
    };
    let tasks_on = |host: &str| -> Vec<String> {
        let there = state.tasks.values().filter(|task| {
            status::ON_AGENT.contains(&task_status(task))
                && task.rec(1).is_some_and(|assigned| text(assigned, 3) == host)
        });
        there.map(task_id).collect()
    };
    let draining: serde_json::Map<String, Json> =
        in_mode(3).map(|host| (host.clone(), Json::from(tasks_on(&host)))).collect();
    json!({
        "SCHEDULED": in_mode(2).collect::<Vec<_>>(),
        "DRAINING": draining,
        "DRAINED": in_mode(4).collect::<Vec<_>>(),
    })
}

fn pending(state: &State) -> Json {
    let mut jobs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for task in state.tasks.values().filter(|task| task_status(task) == status::PENDING) {
        let (role, environment, job) = task_job(task);
        jobs.entry(format!("{role}/{environment}/{job}")).or_default().push(task_id(task));
    }
    let one =
        |(name, ids): (String, Vec<String>)| json!({ "penaltyMs": 0, "name": name, "taskIds": ids, "reason": "[]" });
    Json::Array(jobs.into_iter().map(one).collect())
}

/// Sends whoever asks for an instance to its own port.
fn named(state: &State, path: &str) -> Answer {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).skip(1).collect();
    let &[role, environment, job, instance] = parts.as_slice() else {
        let usage = "<html>Sends on to the present HTTP endpoint of a task.<p>\
                     Usage: /mname/{role}/{env}/{job}/{instance}</html>";
        return web::plain(StatusCode::BAD_REQUEST, "application/octet-stream", usage);
    };
    let wanted = (role.to_owned(), environment.to_owned(), job.to_owned());
    let place = state.tasks.values().find_map(|task| {
        let assigned = task.rec(1)?;
        let fits = task_status(task) == status::RUNNING
            && task_job(task) == wanted
            && assigned.get(6).and_then(Value::as_i32) == instance.parse().ok();
        let Some(Value::Map(ports)) = assigned.get(5).filter(|_| fits) else { return None };
        let port = ports.entries.iter().find(|(name, _)| name.as_str() == Some("http"))?.1.as_i32()?;
        Some(format!("http://{}:{port}/", text(assigned, 3)))
    });
    let Some(location) = place.and_then(|place| place.parse().ok()) else {
        return web::plain(StatusCode::NOT_FOUND, TEXT, "No such live instance found.");
    };
    let mut answer = web::empty(StatusCode::TEMPORARY_REDIRECT);
    answer.headers_mut().insert(header::LOCATION, location);
    answer
}
