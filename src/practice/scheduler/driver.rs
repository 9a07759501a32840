//! The scheduler's side of Mesos: finding the master, registering, and the clocks of what comes after.
//!
//! An unprepared scheduler over an empty log registers as a new framework here. One whose framework the master has
//! removed ends here, each time it is started.

use std::{rc::Rc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::mpsc;

use crate::{
    aurora::value::{Struct, Value},
    practice::{
        error::PracticeError,
        master::{MasterTask, Register, Registered},
        plan::LOOPBACK,
        zookeeper,
    },
};

use super::{
    core::{Core, End, Life, Wish},
    flags::check_master_address,
    state::{structs, task_config, task_id, task_job, text},
    words::{Level, mesos, say},
};

/// Between attempts to find a master.
const FIND_EVERY: Duration = Duration::from_millis(500);
/// A connection to a port on this machine.
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// Mesos's own end of a status update.
const CALL_WAIT: Duration = Duration::from_secs(10);
/// How long a task may be on its way from one state to another: `-transient_task_state_timeout`.
const TRANSIENT_TIMEOUT: Duration = Duration::from_mins(5);
/// How long what is left of a resumed update takes.
const UPDATE_TAKES: Duration = Duration::from_mins(2);
/// The real one truncates reconciliation's times to whole minutes.
const MINUTE: u64 = 60;

const SERVICE: &str = "SchedulerDriverService";
const THREAD: &str = "SchedulerDriverService STARTING";
const HANDLER: &str = "MesosCallbackHandler$MesosCallbackHandlerImpl";

/// The driver of one leader.
pub struct Driver {
    pub(super) core: Rc<Core>,
    client: reqwest::Client,
}

impl Driver {
    /// A driver that has not begun.
    pub fn new(core: Rc<Core>) -> Result<Self, PracticeError> {
        let client = crate::aurora::client::http_builder()
            .map_err(PracticeError::Control)?
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_WAIT)
            .build()
            .map_err(|error| PracticeError::Control(error.to_string()))?;
        Ok(Self { core, client })
    }

    /// Says how it begins. An address that libmesos does not take ends the scheduler.
    pub fn begin(&self) -> bool {
        let address = self.core.flags.text("mesos_master_address");
        say(Level::Info, THREAD, SERVICE, &format!("Connecting to mesos master: {address}"));
        say(Level::Warn, THREAD, SERVICE, "Connecting to master without authentication!");
        match &self.core.state.borrow().framework_id {
            Some(id) => say(Level::Info, THREAD, SERVICE, &format!("Found persisted framework ID: Optional[{id}]")),
            None => {
                let text = "Did not find a persisted framework ID, connecting as a new framework.";
                say(Level::Warn, THREAD, SERVICE, text);
            }
        }
        if let Err(why) = check_master_address(address) {
            mesos(Level::Error, "sched.cpp:1959", &format!("Error creating master detector: {why}"));
            let text = format!("Received error message: Failed to create a master detector for '{address}': {why}");
            say(Level::Error, "Thread-driver", HANDLER, &text);
            say(Level::Info, THREAD, SERVICE, "Driver started with code DRIVER_ABORTED");
            return false;
        }
        say(Level::Info, THREAD, SERVICE, "Driver started with code DRIVER_RUNNING");
        true
    }

    /// Registers and reconciles until it is dropped.
    pub async fn run(self: Rc<Self>, mut asked: mpsc::Receiver<Wish>) {
        let mut active = false;
        loop {
            let master = self.find().await;
            let Some(registered) = self.register(&master).await else {
                tokio::time::sleep(FIND_EVERY).await;
                continue;
            };
            if !active {
                active = self.activate(&registered).await;
                if !active {
                    return;
                }
            }
            let serving = self.serve(&master, &registered.framework_id, &mut asked);
            tokio::select! {
                () = self.link(&master, &registered.framework_id) => {}
                () = serving => {}
            }
            self.core.registered.set(false);
            self.core.count("scheduler_framework_disconnects", 1);
            say(Level::Warn, "Thread-driver", HANDLER, "Framework disconnected.");
            tokio::time::sleep(FIND_EVERY).await;
        }
    }

    /// The master's `host:port`, once there is one.
    async fn find(&self) -> String {
        let address = self.core.flags.text("mesos_master_address");
        let Some(rest) = address.strip_prefix("zk://") else {
            return address.to_owned();
        };
        let (endpoints, path) = rest.split_once('/').unwrap_or((rest, ""));
        let first = endpoints.rsplit('@').next().unwrap_or(endpoints).split(',').next().unwrap_or_default();
        loop {
            // Nobody listens where a prepared scheduler looks; asking the port first keeps that cheap.
            let listens = tokio::time::timeout(CONNECT_WAIT, tokio::net::TcpStream::connect(first)).await;
            if matches!(listens, Ok(Ok(_)))
                && let Ok(master) = detect(first, &format!("/{path}")).await
            {
                mesos(Level::Info, "sched.cpp:336", &format!("New master detected at master@{master}"));
                return master;
            }
            tokio::time::sleep(FIND_EVERY).await;
        }
    }

    async fn register(&self, master: &str) -> Option<Registered> {
        let flags = &self.core.flags;
        let ask = Register {
            framework_id: self.core.state.borrow().framework_id.clone(),
            name: flags.text("framework_name").to_owned(),
            hostname: super::HOSTNAME.to_owned(),
            webui_url: format!("http://{LOOPBACK}:{}", self.core.own.http_port),
            failover_timeout: flags.time("framework_failover_timeout").as_secs_f64(),
        };
        let url = format!("http://{master}/practice/register");
        let response =
            self.client.post(url).timeout(CALL_WAIT).body(serde_json::to_vec(&ask).ok()?).send().await.ok()?;
        if !response.status().is_success() {
            let why = response.text().await.unwrap_or_default();
            say(Level::Error, "Thread-driver", HANDLER, &format!("Received error message: {why}"));
            say(Level::Info, "BlockingDriverJoin", "SchedulerLifecycle", "Driver exited, terminating lifecycle.");
            self.core.end(End::Failed);
            return std::future::pending().await;
        }
        serde_json::from_slice(&response.bytes().await.ok()?).ok()
    }

    /// The first registration makes the leader active.
    async fn activate(&self, registered: &Registered) -> bool {
        let id = &registered.framework_id;
        if self.core.life.get() != Life::LeaderAwaitingRegistration {
            return false;
        }
        self.core.registered.set(true);
        if registered.again {
            let text = format!("Framework re-registered with master {}", registered.master);
            say(Level::Info, "Thread-driver", HANDLER, &text);
        } else {
            let text = format!("Registered with ID value: \"{id}\"\n, master: {}", registered.master);
            say(Level::Info, "Thread-driver", HANDLER, &text);
        }
        if self.core.state.borrow().framework_id.as_deref() != Some(id) {
            let op = Struct::new().with(1, Struct::new().with(1, id.as_str()));
            if self.core.transact(vec![op]).await.is_err() {
                return false;
            }
        }
        self.core.live("RegisteredEventSink", Life::Active);
        let election = self.core.election.borrow().clone();
        if let Some(election) = election
            && election.advertise().await.is_err()
        {
            say(Level::Error, "main", "SchedulerLifecycle", "Failed to advertise leader, shutting down.");
            self.core.end(End::Failed);
            return false;
        }
        true
    }

    /// Holds the connection by which the master knows that this scheduler lives.
    async fn link(&self, master: &str, id: &str) {
        let url = format!("http://{master}/practice/link");
        if let Ok(body) = serde_json::to_vec(id) {
            // It ends only when the connection does.
            let _ = self.client.post(url).body(body).send().await;
        }
    }

    /// Everything that happens while registered.
    async fn serve(&self, master: &str, id: &str, asked: &mut mpsc::Receiver<Wish>) {
        self.core.registered.set(true);
        let minutes = |name: &str| {
            let whole = self.core.flags.time(name).as_secs() / MINUTE * MINUTE;
            self.core.plan.wait(Duration::from_secs(whole))
        };
        let initial = minutes("reconciliation_initial_delay");
        let implicit_first = initial + minutes("reconciliation_schedule_spread");
        let now = tokio::time::Instant::now();
        let mut explicit = every(now, initial, minutes("reconciliation_explicit_interval"));
        let mut implicit = every(now, implicit_first, minutes("reconciliation_implicit_interval"));
        let (transient, updates) = (self.transient(), self.updates_on_their_way());
        let times = [TRANSIENT_TIMEOUT, UPDATE_TAKES].map(|time| now + self.core.plan.wait(time));
        let (mut timed, mut updated) = (transient.is_empty(), updates.is_empty());
        if self.resume(master, id, &updates).await.is_none() {
            return;
        }
        loop {
            let done = tokio::select! {
                _ = explicit.tick() => self.explicit(master, id).await,
                _ = implicit.tick() => self.implicit(master, id).await,
                Some(wish) = asked.recv() => match wish {
                    Wish::Explicit => self.explicit(master, id).await,
                    Wish::Implicit => self.implicit(master, id).await,
                    Wish::Launch => self.launch_pending(master, id).await,
                },
                () = tokio::time::sleep_until(times[0]), if !timed => {
                    timed = true;
                    self.time_out(master, id, &transient).await
                }
                () = tokio::time::sleep_until(times[1]), if !updated => {
                    updated = true;
                    self.finish_updates(&updates).await
                }
            };
            if done.is_none() {
                return;
            }
        }
    }

    pub(super) async fn call<Q: Serialize, A: DeserializeOwned>(&self, master: &str, what: &str, ask: &Q) -> Option<A> {
        let url = format!("http://{master}/practice/{what}");
        let body = serde_json::to_vec(ask).ok()?;
        let response = self.client.post(url).timeout(CALL_WAIT).body(body).send().await.ok()?;
        let bytes = response.error_for_status().ok()?.bytes().await.ok()?;
        if bytes.is_empty() { serde_json::from_str("null").ok() } else { serde_json::from_slice(&bytes).ok() }
    }
}

fn every(now: tokio::time::Instant, first: Duration, then: Duration) -> tokio::time::Interval {
    // A year away is as good as never, and the clock cannot count much further.
    const FAR: Duration = Duration::from_hours(365 * 24);
    let mut ticks = tokio::time::interval_at(now + first.min(FAR), then.clamp(Duration::from_millis(100), FAR));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}

async fn detect(endpoint: &str, path: &str) -> Result<String, PracticeError> {
    let client = zookeeper_client::Client::connector()
        .with_session_timeout(zookeeper::SESSION)
        .with_connection_timeout(CONNECT_WAIT)
        .with_fail_eagerly()
        .connect(endpoint)
        .await
        .map_err(zookeeper::failed("connecting"))?;
    let none = || PracticeError::ZooKeeper { doing: "finding the master", why: "there is none".to_owned() };
    let mut names = client.list_children(path).await.map_err(zookeeper::failed("finding the master"))?;
    names.retain(|name| name.starts_with("json.info_"));
    names.sort();
    let first = names.first().ok_or_else(none)?;
    let (data, _) =
        client.get_data(&format!("{path}/{first}")).await.map_err(zookeeper::failed("reading the master"))?;
    let info: serde_json::Value = serde_json::from_slice(&data).map_err(|_| none())?;
    let address = info.get("address").ok_or_else(none)?;
    let ip = address.get("ip").and_then(serde_json::Value::as_str).ok_or_else(none)?;
    let port = address.get("port").and_then(serde_json::Value::as_u64).ok_or_else(none)?;
    Ok(format!("{ip}:{port}"))
}

/// The task as the master knows it.
pub fn master_task(task: &Struct, framework_id: &str, since_ms: i64) -> MasterTask {
    let (role, environment, job) = task_job(task);
    let assigned = task.rec(1).cloned().unwrap_or_default();
    let mut own = MasterTask {
        id: task_id(task),
        name: format!("{role}/{environment}/{job}"),
        framework_id: framework_id.to_owned(),
        slave_id: text(&assigned, 2),
        hostname: text(&assigned, 3),
        state: "TASK_RUNNING".to_owned(),
        since: since_ms as f64 / 1000.0,
        ..MasterTask::default()
    };
    for resource in task_config(task).into_iter().flat_map(|config| structs(config, 32)) {
        match resource.fields.first() {
            Some((1, Value::Double(cpus))) => own.cpus = *cpus,
            Some((2, Value::I64(ram))) => own.mem = *ram as f64,
            Some((3, Value::I64(disk))) => own.disk = *disk as f64,
            _ => {}
        }
    }
    own
}
