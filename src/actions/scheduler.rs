//! `aurora` and `vars`: calls of a scheduler's API, and its gauges.
//!
//! Before anything that changes, a reading call in the same breath must answer with the right cluster's name. Nothing
//! is sent twice: a lost answer is in doubt. A commit asks right before how many tasks are staged, and cannot be
//! stopped once it was sent. Predicts what is staged or stored at that moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    run::Prediction,
    scene::{Acted, Scene, Undone, finding, seen},
    staged_table,
};
use crate::{
    aurora::{
        api::Commit,
        client::{Answer, Client, ClientError, ClientOptions, Sent},
        selection::Selection,
        types::{ScheduledTask, TaskQuery},
    },
    runbook::{
        kind::{Aurora, Vars},
        text::Text,
    },
    session::{Finding, Report},
};

/// Ids of tasks that become outputs; all of them are in the evidence file.
const SAMPLE: usize = 200;
/// Tasks that are taken out with one call; each call is logged whole by the scheduler.
const DELETE_BATCH: usize = 500;
/// Ids of an answer that are named when they are not staged.
const MISSING_SHOWN: usize = 5;
/// Jobs that are counted one by one in outputs, those with most tasks first.
const JOBS_MAX: usize = 500;
/// What a scheduler answers when nothing is staged.
const NOTHING_STAGED: &str = "No backup loaded.";
/// An id that no task has: asks whether anything is staged without asking for it.
const NO_TASK: &str = "firstlight-no-such-task";
/// Longest silence of a scheduler; staging a large backup takes some seconds before the first byte.
const SILENCE_MAX: Duration = Duration::from_mins(2);

/// A client for one scheduler within the time that is left.
pub(super) fn client(scene: &Scene<'_>, url: &str) -> Result<Client, ClientError> {
    let total = scene.left();
    let connect_timeout = total.mul_f32(0.5).min(Duration::from_secs(5));
    let read_timeout = total.min(SILENCE_MAX);
    let total_timeout = total.mul_f32(0.95);
    let options = super::client_options(&scene.world.inventory.api, &scene.world.hosts)?;
    Client::new(url, ClientOptions { connect_timeout, read_timeout, total_timeout, ..options })
}

fn of_cluster<T>(answer: &Answer<T>, cluster: &Text) -> Result<(), String> {
    match answer.cluster_name.as_deref() {
        Some(name) if name == cluster.as_str() => Ok(()),
        Some(name) => Err(format!("it answered as cluster {name:?}, not {cluster}")),
        None => Err("its answer does not name its cluster".to_owned()),
    }
}

fn is_nothing_staged(error: &ClientError) -> bool {
    matches!(error, ClientError::Api { text, .. } if text.trim() == NOTHING_STAGED)
}

/// A failed reading call before a change: nothing was sent that changes anything.
fn not_begun(error: &ClientError) -> Undone {
    Undone::Refused(format!("{error}; nothing was changed"))
}

/// A failed changing call.
fn ended(error: &ClientError) -> Undone {
    let lost = match error {
        ClientError::Status { status, .. } => *status >= 500,
        ClientError::NotThrift { .. } | ClientError::NoResult { .. } | ClientError::TooLarge { .. } => true,
        other => other.sent() == Sent::Maybe,
    };
    if lost {
        return Undone::InDoubt(format!("{error}; it may have happened"));
    }
    Undone::Failed(error.to_string())
}

pub(super) async fn act(scene: &Scene<'_>, aurora: &Aurora) -> Acted {
    let (url, cluster) = address(aurora);
    let client = client(scene, url.as_str()).map_err(|error| Undone::Failed(error.to_string()))?;
    let caller = Caller { scene, client, cluster };
    match aurora {
        Aurora::Stage { backup, .. } => caller.stage(backup.as_str()).await,
        Aurora::Unload { .. } => caller.unload().await,
        Aurora::DeleteStaged { tasks, .. } => caller.delete(tasks.as_str()).await,
        Aurora::Commit { tasks, digest, .. } => caller.commit(tasks.as_str(), digest.as_ref()).await,
        Aurora::Backup { .. } => caller.backup().await,
        Aurora::Staged { .. } | Aurora::Ready { .. } => Err(Undone::Failed("a look is not an action".to_owned())),
    }
}

fn address(aurora: &Aurora) -> (&Text, &Text) {
    match aurora {
        Aurora::Stage { url, cluster, .. }
        | Aurora::Unload { url, cluster }
        | Aurora::DeleteStaged { url, cluster, .. }
        | Aurora::Commit { url, cluster, .. }
        | Aurora::Backup { url, cluster }
        | Aurora::Staged { url, cluster, .. }
        | Aurora::Ready { url, cluster, .. } => (url, cluster),
    }
}

struct Caller<'a> {
    scene: &'a Scene<'a>,
    client: Client,
    cluster: &'a Text,
}

impl Caller<'_> {
    /// The storage answers reads, and it is the right cluster's.
    async fn identify(&self) -> Result<(), Undone> {
        let answer = self.client.get_role_summary().await.map_err(|error| not_begun(&error))?;
        of_cluster(&answer, self.cluster).map_err(|why| Undone::Refused(format!("{why}; nothing was sent")))?;
        self.not_stopped()
    }

    fn not_stopped(&self) -> Result<(), Undone> {
        if self.scene.stop.is_stopped() {
            return Err(Undone::Cancelled("stopped before anything was sent".to_owned()));
        }
        Ok(())
    }

    /// Staged tasks that a query finds; `None` if nothing is staged. Refuses another cluster's answer.
    async fn staged(&self, query: &TaskQuery) -> Result<Option<Vec<ScheduledTask>>, Undone> {
        match self.client.query_recovery(query).await {
            Ok(answer) => {
                of_cluster(&answer, self.cluster).map_err(|why| Undone::Refused(format!("{why}; nothing was sent")))?;
                Ok(Some(answer.value))
            }
            Err(error) if is_nothing_staged(&error) => Ok(None),
            Err(error) => Err(not_begun(&error)),
        }
    }

    async fn stage(&self, backup: &str) -> Acted {
        self.identify().await?;
        self.client.stage_recovery(backup).await.map_err(|error| ended(&error))?;
        Ok(Report::holds(format!("staged {backup} at {}", self.client.base_url())))
    }

    async fn unload(&self) -> Acted {
        let query = TaskQuery::ids([NO_TASK]);
        match self.client.query_recovery(&query).await {
            Ok(answer) => of_cluster(&answer, self.cluster).map_err(Undone::Refused)?,
            Err(error) if is_nothing_staged(&error) => {
                return Ok(Report::holds("nothing is staged: nothing to forget"));
            }
            // What is staged lives in the memory of one process.
            Err(ClientError::Connect { why, .. }) if why.to_ascii_lowercase().contains("refused") => {
                return Ok(Report::holds("that scheduler does not run: what it had staged went with it"));
            }
            Err(error) => return Err(not_begun(&error)),
        }
        self.client.unload_recovery().await.map_err(|error| ended(&error))?;
        Ok(Report::holds(format!("forgot what was staged at {}", self.client.base_url())))
    }

    async fn delete(&self, tasks: &str) -> Acted {
        let selection =
            Selection::parse(tasks).map_err(|error| Undone::Failed(format!("{error}; nothing was sent")))?;
        let Some(staged) = self.staged(&TaskQuery::default()).await? else {
            return Err(Undone::Failed("nothing is staged; nothing was sent".to_owned()));
        };
        if let Selection::Ids(ids) = &selection {
            let there: BTreeSet<&str> = staged.iter().map(ScheduledTask::id).collect();
            let missing: Vec<&str> =
                ids.iter().map(String::as_str).filter(|id| !there.contains(id)).take(MISSING_SHOWN).collect();
            if !missing.is_empty() {
                return Err(Undone::Failed(format!("not staged: {}; nothing was sent", missing.join(", "))));
            }
        }
        let meant: Vec<&str> = staged.iter().filter(|task| selection.fits(task)).map(ScheduledTask::id).collect();
        if meant.is_empty() {
            return Err(Undone::Failed("no staged task fits; nothing was sent".to_owned()));
        }
        let batches = meant.len().div_ceil(DELETE_BATCH);
        for (at, batch) in meant.chunks(DELETE_BATCH).enumerate() {
            // What was sent stays taken out; the same selection takes out the rest when it is run again.
            self.not_stopped()?;
            self.delete_batch(batch).await?;
            self.scene.sink.note(&format!("took out {} tasks (batch {} of {batches})", batch.len(), at + 1));
        }
        Ok(Report::holds(format!("took {} of {} tasks out of what is staged", meant.len(), staged.len())))
    }

    /// Takes some tasks out, and looks that they are gone: the answer does not say it.
    async fn delete_batch(&self, ids: &[&str]) -> Result<(), Undone> {
        // A query without a term means every task.
        if ids.is_empty() {
            return Err(Undone::Failed("no task was named; nothing was sent".to_owned()));
        }
        let query = TaskQuery::ids(ids.iter().copied());
        self.client.delete_recovery_tasks(&query).await.map_err(|error| ended(&error))?;
        match self.staged(&query).await {
            Ok(Some(left)) if left.is_empty() => Ok(()),
            Ok(Some(left)) => Err(Undone::Failed(format!("{} of {} tasks are still staged", left.len(), ids.len()))),
            Ok(None) => Err(Undone::Failed("nothing is staged any more".to_owned())),
            Err(_) => {
                Err(Undone::InDoubt("the scheduler took the call, but does not say what is staged now".to_owned()))
            }
        }
    }

    async fn commit(&self, tasks: &str, digest: Option<&Text>) -> Acted {
        let Ok(wanted) = tasks.trim().parse::<usize>() else {
            return Err(Undone::Refused(format!("{tasks:?} is not a number of tasks; nothing was sent")));
        };
        let Some(staged) = self.staged(&TaskQuery::default()).await? else {
            return Err(Undone::Refused("nothing is staged; nothing was sent".to_owned()));
        };
        if staged.len() != wanted {
            let why =
                format!("{} tasks are staged, not the {wanted} that were confirmed; nothing was sent", staged.len());
            return Err(Undone::Refused(why));
        }
        if digest.is_some_and(|wanted| wanted.as_str() != digest_of(&staged)) {
            let why = "as many tasks are staged as were confirmed, but not the same ones: someone else staged \
                       something; nothing was sent";
            return Err(Undone::Refused(why.to_owned()));
        }
        self.not_stopped()?;
        self.scene.sink.note(&format!("commitRecovery to {}: sent once", self.client.base_url()));
        match self.client.commit_recovery().await {
            Commit::Committed => Ok(Report::holds(format!("committed {wanted} tasks; the leader steps down"))),
            Commit::NotCommitted { text } => Err(Undone::Failed(format!("not committed: {text}"))),
            Commit::Unknown { why } => {
                Err(Undone::InDoubt(format!("{why}; it was probably committed. It is not sent again")))
            }
        }
    }

    async fn backup(&self) -> Acted {
        self.identify().await?;
        self.client.perform_backup().await.map_err(|error| ended(&error))?;
        Ok(Report::holds("asked for a backup; its counters and the file say whether it was written"))
    }
}

pub(super) async fn look(scene: &Scene<'_>, aurora: &Aurora) -> Report {
    match aurora {
        Aurora::Staged { url, cluster, tasks, digest } => {
            seen(staged(scene, url, cluster, tasks.as_ref(), digest.as_ref()).await)
        }
        Aurora::Ready { url, cluster, tasks } => seen(ready(scene, url, cluster, tasks.as_ref()).await),
        _ => Report::unknown("an action is not a look"),
    }
}

async fn staged(
    scene: &Scene<'_>,
    url: &Text,
    cluster: &Text,
    wanted: Option<&Text>,
    digest: Option<&Text>,
) -> Result<Report, String> {
    let client = client(scene, url.as_str()).map_err(|error| error.to_string())?;
    let none_wanted = wanted.is_some_and(|text| text.as_str() == "none");
    let answer = match client.query_recovery(&TaskQuery::default()).await {
        Ok(answer) => answer,
        Err(error) if is_nothing_staged(&error) => {
            return Ok(Report::new(finding(none_wanted), "nothing is staged"));
        }
        Err(error) => return Err(error.to_string()),
    };
    of_cluster(&answer, cluster)?;
    let tasks = &answer.value;
    let mut report = judged(tasks.len(), wanted, "staged", "staged tasks")?;
    let mut outputs = outputs(tasks);
    let ids = digest_of(tasks);
    if let Some(wanted) = digest
        && wanted.as_str() != ids
    {
        report.finding = Finding::Fails;
        report.seen = format!("{}; they are not the tasks that were looked at: something else was staged", report.seen);
    }
    let mut details = Vec::new();
    if let Some(members) = outputs.as_object_mut() {
        members.insert("digest".to_owned(), json!(ids));
        // A look that only asks whether so many are staged has found nothing that is worth keeping.
        if wanted.is_none() {
            let ids: BTreeSet<&str> = tasks.iter().map(ScheduledTask::id).collect();
            let bytes = serde_json::to_vec(&json!({ "ids": ids })).unwrap_or_default();
            members.insert("evidence".to_owned(), scene.keep_as_output("staged.json", bytes, &mut details).await);
            let table = match staged_table::bytes(tasks) {
                Ok(bytes) => scene.keep_as_output("staged.table", bytes, &mut details).await,
                Err(why) => {
                    details.push(format!("staged.table: {why}"));
                    Value::Null
                }
            };
            members.insert("table".to_owned(), table);
        }
    }
    Ok(report.with_details(details).with_outputs(outputs))
}

/// SHA-256 over the ids, sorted, one a line: tells whether two looks saw the same tasks.
fn digest_of(tasks: &[ScheduledTask]) -> String {
    let ids: BTreeSet<&str> = tasks.iter().map(ScheduledTask::id).collect();
    let mut digest = Sha256::new();
    for id in ids {
        digest.update(id.as_bytes());
        digest.update(b"\n");
    }
    crate::hosts::hex(&digest.finalize())
}

/// What is staged; an error if nothing is, or on another cluster.
pub(super) async fn staged_tasks(
    scene: &Scene<'_>,
    url: &Text,
    cluster: Option<&Text>,
) -> Result<Vec<ScheduledTask>, String> {
    let client = client(scene, url.as_str()).map_err(|error| error.to_string())?;
    let answer = client.query_recovery(&TaskQuery::default()).await.map_err(|error| error.to_string())?;
    if let Some(cluster) = cluster {
        of_cluster(&answer, cluster)?;
    }
    Ok(answer.value)
}

/// Compares a number of tasks with what it must be.
fn judged(count: usize, wanted: Option<&Text>, verb: &str, noun: &str) -> Result<Report, String> {
    let Some(wanted) = wanted else { return Ok(Report::holds(format!("{count} {noun}"))) };
    if wanted.as_str() == "none" {
        return Ok(Report::new(finding(false), format!("{count} tasks are {verb}; there must be nothing")));
    }
    let number: usize =
        wanted.as_str().trim().parse().map_err(|_| format!("{:?} is not a number of tasks", wanted.as_str()))?;
    let words = if number == count { format!("{count} {noun}") } else { format!("{count} {noun}, not {number}") };
    Ok(Report::new(finding(number == count), words))
}

fn outputs(tasks: &[ScheduledTask]) -> Value {
    let mut by_job: BTreeMap<String, u64> = BTreeMap::new();
    for task in tasks {
        *by_job.entry(task.job_key().map(|key| key.to_string()).unwrap_or_default()).or_default() += 1;
    }
    let active = tasks.iter().filter(|task| task.status.is_active()).count();
    let mut ids: Vec<&str> = tasks.iter().map(ScheduledTask::id).collect();
    ids.sort_unstable();
    ids.truncate(SAMPLE);
    let jobs = by_job.len();
    let mut largest: Vec<(String, u64)> = by_job.into_iter().collect();
    largest.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let by_job: BTreeMap<String, u64> = largest.into_iter().take(JOBS_MAX).collect();
    json!({ "tasks": tasks.len(), "active": active, "jobs": jobs, "by_job": by_job, "ids": ids })
}

async fn ready(scene: &Scene<'_>, url: &Text, cluster: &Text, wanted: Option<&Text>) -> Result<Report, String> {
    let client = client(scene, url.as_str()).map_err(|error| error.to_string())?;
    let roles = match client.get_role_summary().await {
        Ok(answer) => answer,
        Err(error) if error.is_transient() => {
            return Ok(Report::fails(format!("the storage is not ready: {error}")));
        }
        Err(error) => return Err(error.to_string()),
    };
    of_cluster(&roles, cluster)?;
    let tasks = client.get_tasks_without_configs(&TaskQuery::default()).await.map_err(|error| error.to_string())?;
    let report = judged(tasks.value.len(), wanted, "stored", "tasks in the storage, which is ready")?;
    let mut outputs = outputs(&tasks.value);
    if let Some(members) = outputs.as_object_mut() {
        members.insert("roles".to_owned(), json!(roles.value.len()));
        members.remove("ids");
    }
    Ok(report.with_outputs(outputs))
}

pub(super) async fn foresee(scene: &Scene<'_>, aurora: &Aurora) -> Prediction {
    let (url, cluster) = address(aurora);
    let what = match aurora {
        Aurora::Stage { backup, .. } => format!("stage {backup}"),
        Aurora::Unload { .. } => "forget what is staged".to_owned(),
        Aurora::DeleteStaged { tasks, .. } => format!("take out of what is staged: {tasks}"),
        Aurora::Commit { tasks, .. } => format!("replace the log by the {tasks} tasks that are staged"),
        Aurora::Backup { .. } => "ask for a backup".to_owned(),
        Aurora::Staged { .. } | Aurora::Ready { .. } => "look".to_owned(),
    };
    let now = seen(staged(scene, url, cluster, None, None).await);
    let possible = if now.finding == Finding::Unknown { Finding::Unknown } else { Finding::Holds };
    Prediction::new(possible, format!("would {what} at {url}; now: {}", now.seen))
}

pub(super) async fn look_at_vars(scene: &Scene<'_>, vars: &Vars) -> Report {
    seen(vars_or(scene, vars).await)
}

/// The flags of the command line that a scheduler exports.
pub(super) async fn flags_of(scene: &Scene<'_>, url: &Text) -> Result<crate::aurora::flags::Flags, String> {
    let client = client(scene, url.as_str()).map_err(|error| error.to_string())?;
    let found = client.vars().await.map_err(|error| error.to_string())?;
    found.flags().filter(|flags| !flags.flags.is_empty()).ok_or_else(|| format!("/vars of {url} shows no command line"))
}

async fn vars_or(scene: &Scene<'_>, vars: &Vars) -> Result<Report, String> {
    let client = client(scene, vars.url.as_str()).map_err(|error| error.to_string())?;
    let found = client.vars().await.map_err(|error| error.to_string())?;
    let value = |name: &str| found.values.get(name).map(ToString::to_string);
    let fits = |value: &str, wanted: &Text| wanted.as_str().split('|').any(|one| one.trim() == value);
    let (mut lines, mut worst) = (Vec::new(), Finding::Holds);
    for (name, wanted) in &vars.has {
        match value(name) {
            Some(found) if fits(&found, wanted) => lines.push(format!("{name} is {found}")),
            Some(found) => {
                lines.insert(0, format!("{name} is {found}, not {}", wanted.as_str().replace('|', " or ")));
                worst = Finding::Fails;
            }
            // A gauge that is not exported says nothing: not in this release, or not yet.
            None => {
                lines.insert(0, format!("{name} is not exported"));
                worst = if worst == Finding::Fails { worst } else { Finding::Unknown };
            }
        }
    }
    if !vars.any.is_empty() {
        let shown: Vec<(Option<bool>, String)> = vars
            .any
            .iter()
            .map(|(name, wanted)| match value(name) {
                Some(found) => (Some(fits(&found, wanted)), format!("{name} is {found}")),
                None => (None, format!("{name} is not exported")),
            })
            .collect();
        if !shown.iter().any(|(fits, _)| *fits == Some(true)) {
            let unseen = shown.iter().all(|(fits, _)| fits.is_none());
            worst = if unseen && worst != Finding::Fails { Finding::Unknown } else { Finding::Fails };
        }
        lines.extend(shown.into_iter().map(|(_, line)| line));
    }
    let lines: Vec<String> = lines.iter().map(|line| crate::hosts::clean::line(line.as_bytes())).collect();
    Ok(Report::new(worst, lines.join("; ")).with_details(lines))
}
