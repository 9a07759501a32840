//! `/api`: Thrift calls, in TJSON and `TBinary`, answered as the recordings of the real scheduler show.
//!
//! Reads, the administrator's calls that a recovery needs, and of the others those that are cheap to do; the rest is
//! refused as an invalid request.

use crate::aurora::{
    tbinary, tjson,
    value::{ApplicationException, Map, Message, MessageKind, Seq, Struct, TType, Value},
};

use super::{
    auth::{Allowed, Who},
    changes,
    core::{Core, Wish},
    entry::replaced,
    recovery::{self, CallError},
    state::{State, job_key, list, set, structs, task_id, without_data},
    summaries,
    words::{Level, say},
};

/// `ResponseCode`
mod code {
    pub const INVALID_REQUEST: i32 = 0;
    pub const OK: i32 = 1;
    pub const ERROR: i32 = 2;
    pub const AUTH_FAILED: i32 = 4;
    pub const TRANSIENT: i32 = 6;
}

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON.
    Json,
    /// Binary.
    Binary,
}

/// Why there is no Thrift answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// The request is no message; the text is the exception's class and its message.
    Garbage(String),
    /// Credentials are asked for.
    Challenge,
    /// A status without a body.
    Status(hyper::StatusCode),
}

/// A member of the `Result` union, or none.
type Answered = Result<Option<(i16, Struct)>, CallError>;

/// Answers one request.
pub async fn call(core: &Core, who: &Who, body: &[u8], asked: Form, wanted: Form) -> Result<Vec<u8>, NoAnswer> {
    let message = match asked {
        Form::Json => tjson::decode_message(body).map_err(|_| NoAnswer::Garbage(no_json(body)))?,
        Form::Binary => tbinary::decode_message(body)
            .map_err(|_| NoAnswer::Garbage("org.apache.thrift.transport.TTransportException".to_owned()))?,
    };
    let reply = match who.may(&message) {
        Allowed::Yes => answer(core, &message).await?,
        Allowed::Challenge => return Err(NoAnswer::Challenge),
        Allowed::No(why) => {
            let response = Struct::new().with(1, code::AUTH_FAILED).with(6, list(vec![Struct::new().with(1, why)]));
            Message::reply(&message.name, message.seqid, response)
        }
    };
    match wanted {
        Form::Binary => Ok(tbinary::encode_message(&reply)),
        Form::Json => {
            tjson::encode_message(&reply).map_err(|_| NoAnswer::Status(hyper::StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

/// What the real reader says of a text that is no message.
fn no_json(body: &[u8]) -> String {
    match body.first() {
        None => "org.apache.thrift.transport.TTransportException".to_owned(),
        Some(b'[') => "org.apache.thrift.protocol.TProtocolException".to_owned(),
        Some(first) => {
            format!("org.apache.thrift.protocol.TProtocolException: Unexpected character:{}", char::from(*first))
        }
    }
}

async fn answer(core: &Core, message: &Message) -> Result<Message, NoAnswer> {
    let name = message.name.as_str();
    let unknown = || {
        let message_text = format!("Invalid method name: '{name}'");
        let exception = ApplicationException { message: message_text, code: ApplicationException::UNKNOWN_METHOD };
        Message::exception(name, message.seqid, &exception)
    };
    if message.kind != MessageKind::Call || !(METHODS.contains(&name) || REFUSED.contains(&name)) {
        return Ok(unknown());
    }
    let shown = format!("{name}({})", shown_arguments(name, &message.body));
    say(Level::Info, "qtp-api", "LoggingInterceptor", &shown);
    let outcome = perform(core, name, &message.body).await;
    let (code, result, details) = match outcome {
        Ok(result) => (code::OK, result, Vec::new()),
        Err(CallError::Http(status)) => return Err(NoAnswer::Status(status)),
        Err(CallError::Invalid(text)) => (code::INVALID_REQUEST, None, vec![Struct::new().with(1, text)]),
        Err(CallError::Transient(text)) => {
            let class = "org.apache.aurora.scheduler.storage.Storage$TransientStorageException";
            let line = format!("Uncaught transient exception while handling {shown} {class}: {text}");
            say(Level::Warn, "qtp-api", "LoggingInterceptor", &line);
            (code::TRANSIENT, None, vec![Struct::new().with(1, text)])
        }
        Err(CallError::Thrown(class, text)) => {
            let words = text.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
            let line = format!("Uncaught exception while handling {shown} {class}{words}");
            say(Level::Warn, "qtp-api", "LoggingInterceptor", &line);
            let detail = text.map_or_else(Struct::new, |text| Struct::new().with(1, text));
            (code::ERROR, None, vec![detail])
        }
    };
    match code {
        code::OK => core.count("scheduler_thrift_response_OK", 1),
        code::TRANSIENT => core.count("scheduler_thrift_response_ERROR_TRANSIENT", 1),
        _ => core.count("scheduler_thrift_response_ERROR", 1),
    }
    let mut response = Struct::new().with(1, code);
    if let Some((member, body)) = result {
        response = response.with(3, Struct::new().with(member, body));
    }
    let server = Struct::new().with(1, core.flags.text("cluster_name")).with(3, "");
    Ok(Message::reply(name, message.seqid, response.with(5, server).with(6, list(details))))
}

/// What this scheduler can be asked.
const METHODS: [&str; 24] = [
    "stageRecovery",
    "queryRecovery",
    "deleteRecoveryTasks",
    "commitRecovery",
    "unloadRecovery",
    "listBackups",
    "performBackup",
    "snapshot",
    "triggerExplicitTaskReconciliation",
    "triggerImplicitTaskReconciliation",
    "maintenanceStatus",
    "getRoleSummary",
    "getJobSummary",
    "getTasksStatus",
    "getTasksWithoutConfigs",
    "getPendingReason",
    "getConfigSummary",
    "getJobs",
    "getQuota",
    "getJobUpdateSummaries",
    "getJobUpdateDetails",
    "getTierConfigs",
    "setQuota",
    "createJob",
];
/// What it knows and refuses.
const REFUSED: [&str; 21] = [
    "pruneTasks",
    "forceTaskState",
    "startMaintenance",
    "drainHosts",
    "slaDrainHosts",
    "endMaintenance",
    "populateJobConfig",
    "getJobUpdateDiff",
    "scheduleCronJob",
    "descheduleCronJob",
    "startCronJob",
    "restartShards",
    "killTasks",
    "addInstances",
    "replaceCronTemplate",
    "startJobUpdate",
    "pauseJobUpdate",
    "resumeJobUpdate",
    "abortJobUpdate",
    "rollbackJobUpdate",
    "pulseJobUpdate",
];

async fn perform(core: &Core, name: &str, args: &Struct) -> Answered {
    let query = || args.rec(1).cloned().unwrap_or_default();
    match name {
        "stageRecovery" => recovery::stage(core, args.str(1)).map(|()| None),
        "queryRecovery" => recovery::staged(core, |state| tasks_of(state, &query()))
            .map(|tasks| Some((9, Struct::new().with(1, set(tasks))))),
        "deleteRecoveryTasks" => recovery::staged(core, |state| delete(state, &query())).map(|()| None),
        "commitRecovery" => recovery::commit(core).await.map(|()| None),
        "unloadRecovery" => {
            recovery::unload(core);
            Ok(None)
        }
        "listBackups" => {
            let names = recovery::list(core).into_iter().map(Value::from).collect();
            Ok(Some((6, Struct::new().with(1, Value::Set(Seq { elem: TType::String, items: names })))))
        }
        "performBackup" => recovery::backup_now(core).map(|()| None),
        "snapshot" => recovery::snapshot(core).await.map(|()| None),
        "triggerExplicitTaskReconciliation" => reconcile(core, Wish::Explicit),
        "triggerImplicitTaskReconciliation" => reconcile(core, Wish::Implicit),
        "setQuota" => changes::set_quota(core, args).await.map(|()| None),
        "createJob" => changes::create_job(core, args).await.map(|()| None),
        refused if REFUSED.contains(&refused) => {
            core.ready()?;
            Err(CallError::Invalid(format!("A practice cluster has no {refused}.")))
        }
        "getTierConfigs" => Ok(Some((27, tiers()))),
        _ => {
            core.ready()?;
            Ok(Some(read(&core.state.borrow(), name, args)))
        }
    }
}

fn reconcile(core: &Core, wish: Wish) -> Answered {
    core.ready()?;
    core.wish(wish);
    Ok(None)
}

fn read(state: &State, name: &str, args: &Struct) -> (i16, Struct) {
    let query = args.rec(1).cloned().unwrap_or_default();
    let role = args.str(1).filter(|role| !role.is_empty());
    let one = |items: Vec<Struct>| Struct::new().with(1, set(items));
    match name {
        "getTasksStatus" => (3, paged(tasks_of(state, &query), &query)),
        "getTasksWithoutConfigs" => {
            let tasks = tasks_of(state, &query).iter().map(without_data).collect();
            (3, paged(tasks, &query))
        }
        "getPendingReason" => {
            let pending = state.query(&replaced(&query, 5, statuses(&[super::state::status::PENDING])));
            let reason = |task: &&Struct| Struct::new().with(1, task_id(task)).with(2, "No matching hosts.");
            (21, one(pending.iter().map(reason).collect()))
        }
        "getRoleSummary" => (17, one(summaries::roles(state))),
        "getJobSummary" => (18, one(summaries::jobs(state, role))),
        "getJobs" => (4, one(summaries::configurations(state, role))),
        "getQuota" => (5, summaries::quota(state, role.unwrap_or_default())),
        "getConfigSummary" => (20, Struct::new().with(1, summaries::configs(state, &job_key(Some(&query))))),
        "maintenanceStatus" => (10, one(summaries::maintenance(state, &query))),
        "getJobUpdateSummaries" => {
            let found = summaries::updates(state, &query);
            let summaries = found.iter().filter_map(summaries::update_summary).collect();
            (23, Struct::new().with(1, list(summaries)))
        }
        _ => {
            let wanted = args.rec(1).map(|key| job_key(key.rec(1)));
            let found = state.updates.iter().filter_map(|stored| stored.rec(1));
            let found = found.filter(|details| wanted.is_none() || summaries::update_job(details) == wanted);
            (24, Struct::new().with(2, list(found.cloned().collect())))
        }
    }
}

fn statuses(wanted: &[i32]) -> Value {
    Value::Set(Seq { elem: TType::I32, items: wanted.iter().copied().map(Value::I32).collect() })
}

fn tasks_of(state: &State, query: &Struct) -> Vec<Struct> {
    state.query(query).into_iter().cloned().collect()
}

fn delete(state: &mut State, query: &Struct) {
    let ids: Vec<String> = state.query(query).into_iter().map(task_id).collect();
    for id in ids {
        state.tasks.remove(&id);
    }
}

fn paged(tasks: Vec<Struct>, query: &Struct) -> Struct {
    let number = |id: i16| query.get(id).and_then(Value::as_i32).and_then(|number| usize::try_from(number).ok());
    let offset = number(12).unwrap_or(0);
    let limit = number(13).filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    Struct::new().with(1, list(tasks.into_iter().skip(offset).take(limit).collect()))
}

fn tiers() -> Struct {
    let tier = |name: &str, preemptible: &str, revocable: &str| {
        let entries = [("preemptible", preemptible), ("revocable", revocable)];
        let entries = entries.iter().map(|(key, value)| (Value::from(*key), Value::from(*value))).collect();
        Struct::new().with(1, name).with(2, Value::Map(Map { key: TType::String, value: TType::String, entries }))
    };
    let all = vec![
        tier("preferred", "false", "false"),
        tier("preemptible", "true", "false"),
        tier("revocable", "true", "true"),
    ];
    Struct::new().with(1, "preemptible").with(2, set(all))
}

/// Arguments as the scheduler's log shows them.
fn shown_arguments(name: &str, args: &Struct) -> String {
    match name {
        "stageRecovery" | "getJobSummary" | "getJobs" | "getQuota" => args.str(1).unwrap_or("null").to_owned(),
        "queryRecovery" | "deleteRecoveryTasks" | "getTasksStatus" | "getTasksWithoutConfigs" | "getPendingReason" => {
            format!("TaskQuery({})", shown_query(&args.rec(1).cloned().unwrap_or_default()))
        }
        "getJobUpdateSummaries" => shown_update_query(&args.rec(1).cloned().unwrap_or_default()),
        // Nothing is in the others' arguments that the practice is about.
        _ => String::new(),
    }
}

fn shown_update_query(query: &Struct) -> String {
    let text = |id: i16| query.str(id).unwrap_or("null").to_owned();
    let number = |id: i16| query.get(id).and_then(Value::as_i32).unwrap_or(0);
    format!(
        "JobUpdateQuery(role:{}, key:null, jobKey:null, user:{}, updateStatuses:null, offset:{}, limit:{})",
        text(2),
        text(4),
        number(6),
        number(7)
    )
}

fn shown_query(query: &Struct) -> String {
    let mut parts = Vec::new();
    for (id, label) in [(14, "role"), (9, "environment"), (2, "jobName")] {
        parts.extend(query.str(id).map(|text| format!("{label}:{text}")));
    }
    let texts = |id: i16| {
        let items = query.get(id).and_then(Value::as_items)?;
        let items = items.iter().map(|item| match item {
            Value::I32(number) if id == 5 => super::state::status::name(*number).to_owned(),
            Value::I32(number) => number.to_string(),
            other => other.as_str().unwrap_or("?").to_owned(),
        });
        Some(items.collect::<Vec<_>>().join(", "))
    };
    for (id, label) in [(4, "taskIds"), (5, "statuses"), (10, "slaveHosts"), (7, "instanceIds")] {
        parts.extend(texts(id).map(|items| format!("{label}:[{items}]")));
    }
    let keys: Vec<String> = structs(query, 11)
        .map(|key| job_key(Some(key)))
        .map(|(role, environment, name)| format!("JobKey(role:{role}, environment:{environment}, name:{name})"))
        .collect();
    if !keys.is_empty() {
        parts.push(format!("jobKeys:[{}]", keys.join(", ")));
    }
    for (id, label) in [(12, "offset"), (13, "limit")] {
        parts.extend(query.get(id).and_then(Value::as_i32).map(|number| format!("{label}:{number}")));
    }
    parts.join(", ")
}
