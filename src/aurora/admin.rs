//! The command line of Aurora's own `aurora_admin`, and what it prints.
//!
//! Pure: arguments, and what an ended command says, by its exit code and its lines. The lines are those of the command itself: one result line
//! `Response from scheduler: CODE (message: TEXT)`, names or tasks below it; or a traceback, whose last line names the error.
//!
//! What it cannot say: the name of the cluster that answered; ended tasks of a staged backup; the environment of a task except through its id.
//! By itself it repeats a call that was answered "not now", for up to ten minutes; a call whose connection broke it never repeats.

use super::api::{self, Commit, Method};
use super::types::{AssignedTask, JobKey, Response, ResponseCode, ScheduleStatus, ScheduledTask, TaskConfig};
use thiserror::Error;

/// The name under which a scheduler is put into a `clusters.json` of our own. One's own file must not have it: the later file wins.
pub const CLUSTER: &str = "firstlight-direct";
/// The program, unless the inventory names another.
pub const PROGRAM: &str = "aurora_admin";
/// Longest list of ids in one command: one argument of a process holds 128 KiB.
pub const IDS_BYTES_MAX: usize = 100_000;
/// Length of the random part of a task's id.
const UUID_LEN: usize = 36;
/// What begins the result line.
const RESULT: &str = "Response from scheduler: ";
/// Longest text that an error quotes.
const QUOTED_MAX: usize = 600;

/// A call that the command has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminCall {
    /// Names in the backup directory.
    ListBackups,
    /// Stages a backup.
    Stage(String),
    /// Active tasks of the staged backup.
    PrintTasks,
    /// Takes tasks out of it.
    DeleteTasks(Vec<String>),
    /// Commits it.
    Commit,
    /// Forgets it.
    Unload,
    /// Writes a backup.
    BackupNow,
    /// Writes a snapshot into the log.
    Snapshot,
}

impl AdminCall {
    /// The subcommand.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ListBackups => "scheduler_list_backups",
            Self::Stage(_) => "scheduler_stage_recovery",
            Self::PrintTasks => "scheduler_print_recovery_tasks",
            Self::DeleteTasks(_) => "scheduler_delete_recovery_tasks",
            Self::Commit => "scheduler_commit_recovery",
            Self::Unload => "scheduler_unload_recovery",
            Self::BackupNow => "scheduler_backup_now",
            Self::Snapshot => "scheduler_snapshot",
        }
    }

    /// The method that it calls.
    pub const fn method(&self) -> Method {
        match self {
            Self::ListBackups => Method::ListBackups,
            Self::Stage(_) => Method::StageRecovery,
            Self::PrintTasks => Method::QueryRecovery,
            Self::DeleteTasks(_) => Method::DeleteRecoveryTasks,
            Self::Commit => Method::CommitRecovery,
            Self::Unload => Method::UnloadRecovery,
            Self::BackupNow => Method::PerformBackup,
            Self::Snapshot => Method::Snapshot,
        }
    }

    /// The whole command. The option that keeps a call at one scheduler stands before the cluster; it is there from 0.12 on.
    pub fn argv(&self, program: &[String], bypass: bool) -> Vec<String> {
        let mut argv = if program.is_empty() { vec![PROGRAM.to_owned()] } else { program.to_vec() };
        argv.push(self.name().to_owned());
        if bypass {
            argv.push("--bypass-leader-redirect".to_owned());
        }
        argv.push(CLUSTER.to_owned());
        match self {
            Self::Stage(name) => argv.push(name.clone()),
            Self::DeleteTasks(ids) => argv.push(ids.join(",")),
            _ => {}
        }
        argv
    }
}

/// A `clusters.json` in which [`CLUSTER`] is the scheduler at this address.
pub fn clusters_json(uri: &str, auth_mechanism: Option<&str>) -> String {
    let mechanism = auth_mechanism.unwrap_or(super::clusters::UNAUTHENTICATED);
    serde_json::json!([{ "name": CLUSTER, "scheduler_uri": uri, "auth_mechanism": mechanism }]).to_string()
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminRan {
    /// Exit code; none if it was ended.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// What a command said.
#[derive(Clone, Debug, PartialEq)]
pub struct AdminReply {
    /// Its result line.
    pub response: Response,
    /// Names below it.
    pub names: Vec<String>,
    /// Tasks below it.
    pub tasks: Vec<ScheduledTask>,
}

/// Why a command has no result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AdminError {
    /// It did not reach a scheduler.
    #[error("aurora_admin did not reach the scheduler: {0}")]
    NotReached(String),
    /// It was not let in.
    #[error("aurora_admin was not let in: {0}")]
    NotAllowed(String),
    /// The scheduler, or something before it, answered with another status.
    #[error("aurora_admin was answered with status {status}: {text}")]
    Status {
        /// The status.
        status: u16,
        /// Its words.
        text: String,
    },
    /// It could not be run, or does not know the subcommand.
    #[error("aurora_admin cannot be used: {0}")]
    NotRun(String),
    /// It was ended, or says something else.
    #[error("aurora_admin gave no result: {0}")]
    NoResult(String),
}

/// Reads what an ended command said.
pub fn read(call: &AdminCall, ran: &AdminRan) -> Result<AdminReply, AdminError> {
    let Some(code) = ran.code else {
        return Err(AdminError::NoResult("it was ended before it answered".to_owned()));
    };
    let lines: Vec<&str> = ran.out.lines().chain(ran.err.lines()).collect();
    let Some((at, response)) = result_line(&lines) else { return Err(failure(code, &lines)) };
    // The command ends with 1 unless all is well; another pair is not one of its own.
    if (response.code == ResponseCode::Ok) != (code == 0) {
        return Err(AdminError::NoResult(format!("it says {} and ends with {code}", response.code)));
    }
    let below = lines.get(at + 1..).unwrap_or_default();
    // Below a refusal there is nothing.
    let done = response.code == ResponseCode::Ok;
    let names = if done && *call == AdminCall::ListBackups { names(&ran.out)? } else { Vec::new() };
    let tasks = if done && *call == AdminCall::PrintTasks { tasks(below)? } else { Vec::new() };
    Ok(AdminReply { response, names, tasks })
}

/// The result line and where it ends.
fn result_line(lines: &[&str]) -> Option<(usize, Response)> {
    let (at, rest) = lines.iter().enumerate().find_map(|(at, line)| Some((at, line.split_once(RESULT)?.1)))?;
    let (code, text) = rest.split_once(" (message: ")?;
    let code = response_code(code)?;
    let mut text = text.to_owned();
    let mut last = at;
    // A text may have lines of its own.
    while !text.ends_with(')') {
        last += 1;
        text.push('\n');
        text.push_str(lines.get(last)?);
    }
    text.pop();
    let response = Response { code, ..Response::default() };
    Some((last, if text.is_empty() { response } else { response.with_detail(&text) }))
}

fn response_code(name: &str) -> Option<ResponseCode> {
    Some(match name {
        "INVALID_REQUEST" => ResponseCode::InvalidRequest,
        "OK" => ResponseCode::Ok,
        "ERROR" => ResponseCode::Error,
        "WARNING" => ResponseCode::Warning,
        "AUTH_FAILED" => ResponseCode::AuthFailed,
        "LOCK_ERROR" | "JOB_UPDATING_ERROR" => ResponseCode::LockError,
        "ERROR_TRANSIENT" => ResponseCode::ErrorTransient,
        _ => return None,
    })
}

/// `<n> available backups:` and as many names, all on standard output.
fn names(out: &str) -> Result<Vec<String>, AdminError> {
    let odd = |why: &str| AdminError::NoResult(format!("its list of backups cannot be read: {why}"));
    let mut lines = out.lines().skip_while(|line| !line.trim_end().ends_with("available backups:"));
    let count = lines.next().and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    let count = count.ok_or_else(|| odd("it does not say how many there are"))?;
    let names: Vec<String> = lines.map(str::to_owned).filter(|line| !line.is_empty()).collect();
    if names.len() == count { Ok(names) } else { Err(odd(&format!("{count} are said, {} are named", names.len()))) }
}

fn tasks(lines: &[&str]) -> Result<Vec<ScheduledTask>, AdminError> {
    let bare = |line: &str| line.split_once("INFO] ").map_or_else(|| line.to_owned(), |(_, rest)| rest.to_owned());
    let mut rows = lines.iter().map(|line| bare(line)).skip_while(|line| *line != "Role\tJob\tShard\tStatus\tTask ID");
    if rows.next().is_none() {
        return Err(AdminError::NoResult("its list of tasks has no heading".to_owned()));
    }
    rows.filter(|row| !row.trim().is_empty())
        .map(|row| task(&row).ok_or_else(|| AdminError::NoResult(format!("{:?} is not a task", quoted(&row)))))
        .collect()
}

fn task(row: &str) -> Option<ScheduledTask> {
    let cells: Vec<&str> = row.split('\t').collect();
    let [role, job, shard, status, id] = cells.as_slice() else { return None };
    let status = ScheduleStatus::ALL.iter().copied().find(|known| known.to_string() == *status)?;
    let instance_id = shard.parse().ok()?;
    let key = environment_of(id, role, job, instance_id).map(|environment| JobKey::new(role, environment, job));
    let task = TaskConfig { job: key, ..TaskConfig::default() };
    let assigned_task =
        AssignedTask { task_id: (*id).to_owned(), task: Some(task), instance_id, ..AssignedTask::default() };
    Some(ScheduledTask { assigned_task, status, ..ScheduledTask::default() })
}

/// A task's id is `role-environment-job-instance-uuid`.
fn environment_of<'a>(id: &'a str, role: &str, job: &str, instance: i32) -> Option<&'a str> {
    let uuid_at = id.len().checked_sub(UUID_LEN)?;
    let end = format!("-{job}-{instance}-");
    let head = id.get(..uuid_at)?.strip_suffix(&end)?;
    head.strip_prefix(role)?.strip_prefix('-').filter(|environment| !environment.is_empty())
}

/// What a command without a result line means.
fn failure(code: i32, lines: &[&str]) -> AdminError {
    let said = |part: &str| lines.iter().rev().find(|line| line.contains(part)).map(|line| quoted(line));
    let last = lines.iter().rev().find(|line| !line.trim().is_empty()).map_or_else(String::new, |line| quoted(line));
    if matches!(code, 126 | 127) || said("Unknown command").is_some() || said("no such option").is_some() {
        return AdminError::NotRun(if last.is_empty() { format!("exit code {code}") } else { last });
    }
    if let Some(text) = said("AuthError:").or_else(|| said("401 Client Error")) {
        return AdminError::NotAllowed(text);
    }
    let before_sending = [
        "No schedulers detected",
        "Failed to establish a new connection",
        "Could not connect to scheduler",
        "Unknown cluster",
    ];
    if let Some(text) = before_sending.iter().find_map(|part| said(part)) {
        return AdminError::NotReached(text);
    }
    for line in lines.iter().rev() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let status = words.windows(3).find_map(|three| match three {
            [status, "Server" | "Client", "Error:"] => status.parse::<u16>().ok(),
            _ => None,
        });
        if let Some(status) = status {
            return AdminError::Status { status, text: quoted(line) };
        }
    }
    AdminError::NoResult(format!("exit code {code}: {last}"))
}

/// What a commit by command means: the same three outcomes as one by HTTP.
pub fn commit_outcome(result: &Result<AdminReply, AdminError>) -> Commit {
    match result {
        Ok(reply) => api::commit_outcome(&reply.response),
        Err(error @ (AdminError::NotReached(_) | AdminError::NotAllowed(_) | AdminError::NotRun(_))) => {
            Commit::NotCommitted { text: error.to_string() }
        }
        Err(error) => Commit::Unknown { why: error.to_string() },
    }
}

fn quoted(line: &str) -> String {
    let clean = line.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(QUOTED_MAX).collect()
}
