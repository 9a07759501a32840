//! The text files of a new cluster: flags, scripts, the inventory, and the list for `aurora_admin`.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::{Value, json};

use super::{
    error::PracticeError,
    layout::{Home, Layout},
    plan::{LOOPBACK, OUTSIDE, Plan, PlannedScheduler, write_json},
    scheduler::{CLASS, VERSION},
    writer::FRAME_BYTES,
};

/// Where the server set is.
pub const SERVERSET: &str = "/aurora/scheduler";
/// Where the log's group is.
pub const LOG_GROUP: &str = "/aurora/replicated-log";

/// Writes all of them.
pub fn write(layout: &Layout, plan: &Plan) -> Result<(), PracticeError> {
    for scheduler in &plan.schedulers {
        let home = layout.home(&scheduler.name);
        home.create()?;
        text(&home.flags_file(), &flags_file(plan, scheduler, &home))?;
        script(&home.startup(), &startup(plan, &home))?;
        script(&home.mesos_log(), &mesos_log(plan))?;
        text(&home.log_file(), "")?;
    }
    text(&layout.inventory(), &inventory(layout, plan)?)?;
    write_json(&layout.clusters_json(), &clusters(plan))
}

fn text(path: &Path, text: &str) -> Result<(), PracticeError> {
    std::fs::write(path, text).map_err(PracticeError::io("writing", path))
}

fn script(path: &Path, body: &str) -> Result<(), PracticeError> {
    text(path, body)?;
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, executable).map_err(PracticeError::io("making executable", path))
}

/// A value that a shell reads as one word, whatever is in it.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn flags_file(plan: &Plan, scheduler: &PlannedScheduler, home: &Home) -> String {
    let zookeeper = plan.zookeeper_port.map_or_else(
        // Required by the scheduler; nobody listens there and nobody asks.
        || format!("{LOOPBACK}:1"),
        |port| format!("{LOOPBACK}:{port}"),
    );
    format!(
        "# Settings of the aurora-scheduler service.\n\
         \n\
         CLUSTER_NAME=\"{cluster}\"\n\
         \n\
         HTTP_PORT=\"{http}\"\n\
         \n\
         # Log replicas that must agree on a write: more than half of the schedulers.\n\
         QUORUM_SIZE=\"{quorum}\"\n\
         \n\
         ZK_ENDPOINTS=\"{zookeeper}\"\n\
         MESOS_MASTER=\"{master}\"\n\
         \n\
         ZK_SERVERSET_PATH=\"{SERVERSET}\"\n\
         ZK_LOGDB_PATH=\"{LOG_GROUP}\"\n\
         LOGDB_FILE_PATH=\"{db}\"\n\
         BACKUP_DIR=\"{backups}\"\n\
         \n\
         LIBPROCESS_IP=\"{LOOPBACK}\"\n\
         LIBPROCESS_PORT=\"{libprocess}\"\n\
         \n\
         # Flags that have no variable of their own.\n\
         EXTRA_SCHEDULER_ARGS=\"-dlog_max_entry_size={frame}KB\"\n",
        cluster = plan.cluster,
        http = scheduler.http_port,
        quorum = plan.quorum,
        master = plan.mesos_master(),
        db = home.log_dir().display(),
        backups = home.backup_dir().display(),
        libprocess = scheduler.libprocess_port,
        frame = FRAME_BYTES >> 10,
    )
}

fn startup(plan: &Plan, home: &Home) -> String {
    format!(
        "#!/bin/sh\n\
         # Reads the settings and becomes the scheduler.\n\
         set -e\n\
         . {flags}\n\
         export LIBPROCESS_IP LIBPROCESS_PORT\n\
         exec {program} practice __scheduler {home} {CLASS} \\\n\
         \x20 -cluster_name=\"$CLUSTER_NAME\" \\\n\
         \x20 -hostname={LOOPBACK} \\\n\
         \x20 -ip={LOOPBACK} \\\n\
         \x20 -http_port=\"$HTTP_PORT\" \\\n\
         \x20 -native_log_quorum_size=\"$QUORUM_SIZE\" \\\n\
         \x20 -zk_endpoints=\"$ZK_ENDPOINTS\" \\\n\
         \x20 -mesos_master_address=\"$MESOS_MASTER\" \\\n\
         \x20 -serverset_path=\"$ZK_SERVERSET_PATH\" \\\n\
         \x20 -native_log_zk_group_path=\"$ZK_LOGDB_PATH\" \\\n\
         \x20 -native_log_file_path=\"$LOGDB_FILE_PATH\" \\\n\
         \x20 -backup_dir=\"$BACKUP_DIR\" \\\n\
         \x20 $EXTRA_SCHEDULER_ARGS\n",
        flags = quoted(&home.flags_file().to_string_lossy()),
        program = quoted(&plan.program.to_string_lossy()),
        home = quoted(&home.dir().to_string_lossy()),
    )
}

fn mesos_log(plan: &Plan) -> String {
    format!("#!/bin/sh\nexec {} practice __mesos-log \"$@\"\n", quoted(&plan.program.to_string_lossy()))
}

fn inventory(layout: &Layout, plan: &Plan) -> Result<String, PracticeError> {
    let program = plan.program.to_string_lossy();
    let dir = layout.dir().to_string_lossy();
    let service = |verb: &str| json!([program, "practice", "service", verb, "{{ host.name }}", "--dir", dir]);
    let firewall = |verb: &str| json!([program, "practice", "firewall", verb, "{{ host.name }}", "--dir", dir]);
    let mut scheduler = json!({ "start": service("start"), "stop": service("stop"), "status": service("status") });
    if let Some(map) = scheduler.as_object_mut() {
        map.insert("pid_file".to_owned(), json!("{{ host.home }}/run/aurora-scheduler.pid"));
    }
    let prepared_address = format!("zk://localhost:{}/mesos/master", plan.dead_port);
    let zookeeper = plan.zookeeper_port.map_or_else(|| "none".to_owned(), |port| format!("{LOOPBACK}:{port}"));
    let value = json!({
        "format": 1,
        "cluster": {
            "name": plan.cluster,
            "practice": true,
            "vars": {
                "quorum": plan.quorum,
                "zookeeper": zookeeper,
                "serverset_path": SERVERSET,
                "log_group_path": LOG_GROUP,
                "master_url": format!("http://{LOOPBACK}:{}", plan.master_port),
                "mesos_master_address": plan.mesos_master(),
                "prepared_master_address": prepared_address,
                "scheduler_user": plan.user,
                "version": VERSION,
                "speed": plan.speed,
            },
        },
        "services": { "scheduler": scheduler },
        "firewall": {
            "manager": "custom",
            "outside": "local",
            "block": firewall("block"),
            "unblock": firewall("unblock"),
            "status": firewall("status"),
        },
        "groups": {
            "schedulers": {
                "hosts": plan.schedulers.iter().map(|scheduler| host(layout, scheduler)).collect::<Vec<_>>(),
            },
        },
    });
    let body = crate::runbook::raw::to_yaml(&value);
    Ok(format!("# A practice cluster, made by `firstlight practice`.\n{body}"))
}

fn host(layout: &Layout, scheduler: &PlannedScheduler) -> Value {
    let home = layout.home(&scheduler.name);
    let port = scheduler.http_port;
    json!({
        "name": scheduler.name,
        "reach": "local",
        "vars": {
            "address": LOOPBACK,
            "http_port": port,
            "http_at": format!("{LOOPBACK}:{port}"),
            "outside_at": format!("{OUTSIDE}:{port}"),
            "api_url": format!("http://{LOOPBACK}:{port}/api"),
            "flags_file": home.flags_file(),
            "log_dir": home.log_dir(),
            "backup_dir": home.backup_dir(),
            "log_file": home.log_file(),
            "mesos_log": home.mesos_log(),
            "home": home.dir(),
        },
    })
}

/// Clusters for `aurora_admin`: by election where there is one, and each scheduler by itself.
fn clusters(plan: &Plan) -> Value {
    let direct = |name: String, scheduler: &PlannedScheduler| {
        let uri = format!("http://{LOOPBACK}:{}", scheduler.http_port);
        json!({ "name": name, "auth_mechanism": "UNAUTHENTICATED", "scheduler_uri": uri })
    };
    let whole = match (plan.zookeeper_port, plan.schedulers.first()) {
        (Some(port), _) => Some(json!({
            "name": plan.cluster,
            "auth_mechanism": "UNAUTHENTICATED",
            "zk": LOOPBACK,
            "zk_port": port,
            "scheduler_zk_path": SERVERSET,
        })),
        (None, first) => first.map(|first| direct(plan.cluster.clone(), first)),
    };
    let each =
        plan.schedulers.iter().map(|scheduler| direct(format!("{}-{}", plan.cluster, scheduler.name), scheduler));
    whole.into_iter().chain(each).collect()
}

/// The inventory's variables of one host, for those who need one without reading YAML.
pub fn host_vars(layout: &Layout, scheduler: &PlannedScheduler) -> BTreeMap<String, Value> {
    let vars = host(layout, scheduler).get("vars").cloned().unwrap_or_default();
    serde_json::from_value(vars).unwrap_or_default()
}
