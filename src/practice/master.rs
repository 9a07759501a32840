//! The Mesos master of a practice cluster: the one who knows what really runs.
//!
//! Its `/state` has the shape of a real master's. Schedulers talk to it through plain JSON
//! endpoints under `/practice/`, since their libprocess is not real. What it knows is on disk
//! before it answers, so tasks survive its own restart as they survive a real master's.
//!
//! It does not make offers and has no agents that could refuse anything.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    rc::Rc,
};

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

use super::{
    error::PracticeError,
    layout::Layout,
    plan::{LOOPBACK, Plan, read_json, write_json},
    web::{self, Answer, Asked},
    zookeeper,
};

/// The version that it says it has: the one whose libmesos Aurora 0.22 uses.
pub const VERSION: &str = "1.6.1";
/// Ended tasks that are remembered, as the real master's default for one framework.
const COMPLETED_MAX: usize = 1000;

/// What the master knows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MasterState {
    /// Its own id, the prefix of the frameworks' ids.
    pub id: String,
    /// Frameworks by id.
    pub frameworks: BTreeMap<String, Framework>,
    /// Frameworks that were removed for good.
    pub removed: BTreeMap<String, Framework>,
    /// Agents: host names by id.
    #[serde(default)]
    pub agents: BTreeMap<String, String>,
    /// What runs, by task id.
    pub tasks: BTreeMap<String, MasterTask>,
    /// What ran, oldest first.
    pub ended: Vec<MasterTask>,
}

/// A framework.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Framework {
    /// Its name, `Aurora`.
    pub name: String,
    /// Where its scheduler says it is.
    pub hostname: String,
    /// Its scheduler's web page.
    pub webui_url: String,
    /// When it first registered, seconds since the epoch.
    pub registered_time: f64,
    /// When it last came back.
    pub reregistered_time: f64,
    /// When its scheduler was last lost.
    pub unregistered_time: f64,
    /// How many seconds it may stay away.
    pub failover_timeout: f64,
}

/// A task as the master sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MasterTask {
    /// Its id.
    pub id: String,
    /// Its name: `role/environment/job`.
    pub name: String,
    /// Whose it is.
    pub framework_id: String,
    /// Where it runs.
    pub slave_id: String,
    /// The name of that host.
    pub hostname: String,
    /// `TASK_RUNNING`, `TASK_KILLED`, …
    pub state: String,
    /// When it began to run, seconds since the epoch.
    pub since: f64,
    /// When it ended.
    pub until: Option<f64>,
    /// Why it ended.
    pub reason: Option<String>,
    /// Processors.
    pub cpus: f64,
    /// Memory in MiB.
    pub mem: f64,
    /// Disk in MiB.
    pub disk: f64,
}

/// A scheduler registers, or comes back with the framework id it had.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Register {
    /// The id from its storage, if there was one.
    pub framework_id: Option<String>,
    /// Its framework's name.
    pub name: String,
    /// Where it is.
    pub hostname: String,
    /// Its web page.
    pub webui_url: String,
    /// How many seconds it may stay away.
    pub failover_timeout: f64,
}

/// What registration gives.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Registered {
    /// The framework's id.
    pub framework_id: String,
    /// Whether it was known before.
    pub again: bool,
    /// The master, as it is printed.
    pub master: String,
}

/// Asks for the state of these tasks, or of all that run if there are none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reconcile {
    /// Whose.
    pub framework_id: String,
    /// Which; `None` is the implicit form.
    pub task_ids: Option<Vec<String>>,
}

/// A task and its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Which.
    pub task_id: String,
    /// `TASK_RUNNING`, `TASK_LOST`, …
    pub state: String,
}

/// Ends a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kill {
    /// Whose.
    pub framework_id: String,
    /// Which.
    pub task_id: String,
    /// Why.
    pub reason: String,
}

/// Starts tasks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Launch {
    /// What.
    pub tasks: Vec<MasterTask>,
}

/// Runs the master until it is killed.
pub fn run(dir: &Path) -> Result<(), PracticeError> {
    let layout = Layout::new(dir);
    let plan = Plan::read(&layout)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(PracticeError::io("starting a runtime for", dir))?;
    tokio::task::LocalSet::new().block_on(&runtime, serve(layout, plan))
}

async fn serve(layout: Layout, plan: Plan) -> Result<(), PracticeError> {
    let state: MasterState = read_json(&layout.master_state())?;
    // Its port is what the supervisor waits for, so it is opened last.
    let _session = announce(&plan).await?;
    let listener = TcpListener::bind((LOOPBACK, plan.master_port))
        .await
        .map_err(PracticeError::io("listening for", layout.master()))?;
    let master = Rc::new(Master {
        started: seconds(),
        port: plan.master_port,
        cluster: plan.cluster.clone(),
        file: layout.master_state(),
        kills: layout.master_kills(),
        state: RefCell::new(state),
        linked: RefCell::default(),
        torn_down: Notify::new(),
    });
    let _server = web::serve(
        listener,
        Rc::new(move |asked| {
            let master = Rc::clone(&master);
            Box::pin(async move { Some(master.answer(asked).await) })
        }),
    );
    std::future::pending().await
}

/// Puts the master's address where schedulers and agents look for it.
async fn announce(plan: &Plan) -> Result<Option<zookeeper_client::Client>, PracticeError> {
    let Some(client) = zookeeper::connect(plan).await? else {
        return Ok(None);
    };
    zookeeper::make_path(&client, "/mesos").await?;
    let info = json!({
        "address": { "hostname": "localhost", "ip": LOOPBACK, "port": plan.master_port },
        "hostname": "localhost",
        "id": format!("{}-master", plan.cluster),
        "ip": 16_777_343,
        "pid": format!("master@{LOOPBACK}:{}", plan.master_port),
        "port": plan.master_port,
        "version": VERSION,
    });
    zookeeper::announce(&client, "/mesos/json.info_", info.to_string().as_bytes()).await?;
    Ok(Some(client))
}

/// Why a scheduler gets no answer: the status and the words.
type Refused = (StatusCode, String);

struct Master {
    started: f64,
    port: u16,
    cluster: String,
    file: PathBuf,
    kills: PathBuf,
    state: RefCell<MasterState>,
    /// How many links each framework's scheduler holds.
    linked: RefCell<BTreeMap<String, u32>>,
    /// A framework was removed.
    torn_down: Notify,
}

impl Master {
    async fn answer(self: Rc<Self>, asked: Asked) -> Answer {
        let path = asked.path.strip_prefix("/master").unwrap_or(&asked.path).trim_end_matches('/');
        if asked.method == Method::GET {
            return match path {
                "/state" | "/state.json" => web::json(&self.state_json()),
                "/health" => web::empty(StatusCode::OK),
                "/redirect" => self.redirect(),
                "/version" => web::json(&json!({ "version": VERSION })),
                _ => web::empty(StatusCode::NOT_FOUND),
            };
        }
        let answered = match path {
            "/practice/register" => parse(&asked).and_then(|ask| self.register(ask)),
            "/practice/reconcile" => parse(&asked).map(|ask| web::json(&self.reconcile(&ask))),
            "/practice/kill" => parse(&asked).and_then(|ask| self.kill(&ask)),
            "/practice/launch" => parse(&asked).and_then(|ask| self.launch(ask)),
            "/teardown" => self.tear_down(&asked.body),
            "/practice/link" => match parse::<String>(&asked) {
                Ok(id) => self.hold(id).await,
                Err(refused) => Err(refused),
            },
            _ => Err((StatusCode::NOT_FOUND, String::new())),
        };
        answered.unwrap_or_else(|(status, why)| web::plain(status, "text/plain", why))
    }

    fn save(&self) -> Result<(), Refused> {
        write_json(&self.file, &*self.state.borrow()).map_err(|error| refuse(&error.to_string()))
    }

    fn register(&self, ask: Register) -> Result<Answer, Refused> {
        let mut state = self.state.borrow_mut();
        let id = ask.framework_id.unwrap_or_else(|| {
            let next = state.frameworks.len() + state.removed.len();
            format!("{}-{next:04}", state.id)
        });
        if state.removed.contains_key(&id) {
            return Err(refuse("Framework has been removed"));
        }
        let again = state.frameworks.contains_key(&id);
        let framework = state.frameworks.entry(id.clone()).or_default();
        if framework.registered_time == 0.0 {
            framework.registered_time = seconds();
        }
        framework.reregistered_time = seconds();
        framework.name = ask.name;
        framework.hostname = ask.hostname;
        framework.webui_url = ask.webui_url;
        framework.failover_timeout = ask.failover_timeout;
        drop(state);
        self.save()?;
        let master = format!("id: \"{}\" ip: 16777343 port: {}", self.state.borrow().id, self.port);
        Ok(web::json(&Registered { framework_id: id, again, master }))
    }

    /// Held open by a registered scheduler; when the connection ends, so does the future.
    async fn hold(self: &Rc<Self>, id: String) -> Result<Answer, Refused> {
        *self.linked.borrow_mut().entry(id.clone()).or_default() += 1;
        let link = Link { master: Rc::clone(self), id };
        while !self.state.borrow().removed.contains_key(&link.id) {
            self.torn_down.notified().await;
        }
        Err(refuse("Framework has been removed"))
    }

    /// As an operator does it by hand: `frameworkId=ID`. Its tasks are killed, and the id never registers again.
    fn tear_down(&self, body: &[u8]) -> Result<Answer, Refused> {
        let bad = |why: &str| (StatusCode::BAD_REQUEST, why.to_owned());
        let text = std::str::from_utf8(body).unwrap_or_default().trim();
        let id = text.strip_prefix("frameworkId=").ok_or_else(|| bad("Missing 'frameworkId' query parameter"))?;
        let tasks: Vec<String> = {
            let mut state = self.state.borrow_mut();
            let Some(framework) = state.frameworks.remove(id) else {
                return Err(bad("No framework found with specified ID"));
            };
            state.removed.insert(id.to_owned(), framework);
            state.tasks.values().filter(|task| task.framework_id == id).map(|task| task.id.clone()).collect()
        };
        for task_id in tasks {
            let reason = "its framework was torn down".to_owned();
            self.kill(&Kill { framework_id: id.to_owned(), task_id, reason })?;
        }
        self.save()?;
        self.torn_down.notify_waiters();
        Ok(web::empty(StatusCode::OK))
    }

    fn redirect(&self) -> Answer {
        let mut answer = web::empty(StatusCode::TEMPORARY_REDIRECT);
        if let Ok(location) = format!("//localhost:{}", self.port).parse() {
            answer.headers_mut().insert(hyper::header::LOCATION, location);
        }
        answer
    }

    fn reconcile(&self, ask: &Reconcile) -> Vec<TaskStatus> {
        let state = self.state.borrow();
        let status = |task: &MasterTask| TaskStatus { task_id: task.id.clone(), state: task.state.clone() };
        match &ask.task_ids {
            None => state.tasks.values().filter(|task| task.framework_id == ask.framework_id).map(status).collect(),
            Some(ids) => {
                let lost = |id: &String| TaskStatus { task_id: id.clone(), state: "TASK_LOST".to_owned() };
                ids.iter().map(|id| state.tasks.get(id).map_or_else(|| lost(id), status)).collect()
            }
        }
    }

    fn kill(&self, ask: &Kill) -> Result<Answer, Refused> {
        let Some(mut task) = self.state.borrow_mut().tasks.remove(&ask.task_id) else {
            return Ok(web::empty(StatusCode::OK));
        };
        "TASK_KILLED".clone_into(&mut task.state);
        task.until = Some(seconds());
        task.reason = Some(ask.reason.clone());
        let line = json!({
            "time": jiff::Timestamp::now().to_string(),
            "task_id": task.id,
            "name": task.name,
            "framework_id": ask.framework_id,
            "reason": ask.reason,
        });
        {
            let mut state = self.state.borrow_mut();
            state.ended.push(task);
            let over = state.ended.len().saturating_sub(COMPLETED_MAX);
            state.ended.drain(..over);
        }
        self.save()?;
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.kills)
            .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .map_err(|error| refuse(&error.to_string()))?;
        Ok(web::empty(StatusCode::OK))
    }

    /// Starts tasks; the answer names those that are refused.
    fn launch(&self, ask: Launch) -> Result<Answer, Refused> {
        let mut refused = Vec::new();
        let mut state = self.state.borrow_mut();
        for mut task in ask.tasks {
            if state.tasks.contains_key(&task.id) {
                refused.push(TaskStatus { task_id: task.id, state: "TASK_ERROR".to_owned() });
                continue;
            }
            "TASK_RUNNING".clone_into(&mut task.state);
            task.since = seconds();
            state.tasks.insert(task.id.clone(), task);
        }
        drop(state);
        self.save()?;
        Ok(web::json(&refused))
    }

    fn state_json(&self) -> Value {
        let state = self.state.borrow();
        let all = |of: &BTreeMap<String, Framework>| -> Vec<Value> {
            of.iter().map(|(id, framework)| self.framework_json(&state, id, framework)).collect()
        };
        let (frameworks, completed) = (all(&state.frameworks), all(&state.removed));
        let slaves: Vec<Value> = state.agents.iter().map(|(id, host)| self.agent_json(&state, id, host)).collect();
        let address = format!("{LOOPBACK}:{}", self.port);
        json!({
            "version": VERSION,
            "start_time": self.started,
            "elected_time": self.started,
            "id": state.id,
            "pid": format!("master@{address}"),
            "hostname": "localhost",
            "cluster": self.cluster,
            "leader": format!("master@{address}"),
            "leader_info": { "id": state.id, "hostname": "localhost", "port": self.port, "pid": format!("master@{address}") },
            "activated_slaves": slaves.len(),
            "deactivated_slaves": 0,
            "unreachable_slaves": 0,
            "flags": { "cluster": self.cluster, "port": self.port.to_string() },
            "slaves": slaves,
            "frameworks": frameworks,
            "completed_frameworks": completed,
            "recovered_slaves": [],
            "orphan_tasks": [],
            "unregistered_frameworks": [],
        })
    }

    fn agent_json(&self, state: &MasterState, id: &str, host: &str) -> Value {
        let used = state.tasks.values().filter(|task| task.slave_id == id);
        let (cpus, mem, disk) =
            used.fold((0.0, 0.0, 0.0), |(cpus, mem, disk), task| (cpus + task.cpus, mem + task.mem, disk + task.disk));
        json!({
            "id": id,
            "hostname": host,
            "pid": format!("slave(1)@{LOOPBACK}:5051"),
            "port": 5051,
            "registered_time": self.started,
            "resources": { "cpus": 64.0, "mem": 262_144.0, "disk": 1_048_576.0, "gpus": 0.0 },
            "used_resources": { "cpus": cpus, "mem": mem, "disk": disk, "gpus": 0.0 },
            "attributes": { "host": host },
            "active": true,
            "version": VERSION,
            "capabilities": [],
        })
    }

    fn framework_json(&self, state: &MasterState, id: &str, framework: &Framework) -> Value {
        let linked = self.linked.borrow().get(id).copied().unwrap_or(0) > 0;
        let own = |task: &&MasterTask| task.framework_id == id;
        let tasks: Vec<Value> = state.tasks.values().filter(own).map(task_json).collect();
        let ended: Vec<Value> = state.ended.iter().filter(own).map(task_json).collect();
        json!({
            "id": id,
            "name": framework.name,
            "hostname": framework.hostname,
            "webui_url": framework.webui_url,
            "pid": format!("scheduler-{id}@{LOOPBACK}"),
            "user": "aurora",
            "role": "*",
            "checkpoint": true,
            "active": linked,
            "connected": linked,
            "recovered": false,
            "capabilities": [],
            "failover_timeout": framework.failover_timeout,
            "registered_time": framework.registered_time,
            "reregistered_time": framework.reregistered_time,
            "unregistered_time": framework.unregistered_time,
            "offers": [],
            "executors": [],
            "tasks": tasks,
            "completed_tasks": ended,
            "unreachable_tasks": [],
        })
    }
}

struct Link {
    master: Rc<Master>,
    id: String,
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(count) = self.master.linked.borrow_mut().get_mut(&self.id) {
            *count = count.saturating_sub(1);
        }
        if let Some(framework) = self.master.state.borrow_mut().frameworks.get_mut(&self.id) {
            framework.unregistered_time = seconds();
        }
    }
}

fn task_json(task: &MasterTask) -> Value {
    let end = task.until.map(|until| json!({ "state": task.state, "timestamp": until }));
    let statuses: Vec<Value> =
        std::iter::once(json!({ "state": "TASK_RUNNING", "timestamp": task.since })).chain(end).collect();
    json!({
        "id": task.id,
        "name": task.name,
        "framework_id": task.framework_id,
        "executor_id": format!("thermos-{}", task.id),
        "slave_id": task.slave_id,
        "state": task.state,
        "resources": { "cpus": task.cpus, "mem": task.mem, "disk": task.disk, "gpus": 0 },
        "role": "*",
        "statuses": statuses,
        "labels": [{ "key": "org.apache.aurora.metadata.practice", "value": "true" }],
        "discovery": { "visibility": "CLUSTER", "name": task.name.replace('/', ".") },
    })
}

fn parse<T: serde::de::DeserializeOwned>(asked: &Asked) -> Result<T, Refused> {
    serde_json::from_slice(&asked.body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn refuse(why: &str) -> Refused {
    (StatusCode::CONFLICT, why.to_owned())
}

fn seconds() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1000.0
}
