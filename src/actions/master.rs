//! `master`: what the Mesos master knows, from its `/state`.
//!
//! A framework that is listed but not active is one whose scheduler is away: its tasks run on. Names of the framework
//! are those that Aurora had: `TwitterScheduler` up to 0.15, `Aurora` since.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::scene::{Scene, finding, seen};
use crate::{
    hosts::clean,
    runbook::{kind::Master, model::Register},
    session::Report,
};

/// Bytes of a state that are read: a cluster of 100,000 tasks has about 100 MB.
const STATE_BYTES_MAX: usize = 256 << 20;
/// Names of Aurora's framework.
const NAMES: [&str; 2] = ["Aurora", "TwitterScheduler"];
/// States of a task that runs, or is about to.
const RUNS: [&str; 5] = ["TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_UNREACHABLE"];
/// Lost tasks that are listed in words.
const SHOWN: usize = 20;
/// Ids that become outputs; all of them are in the evidence file.
const SAMPLE: usize = 200;

pub(super) async fn look(scene: &Scene<'_>, master: &Master) -> Report {
    seen(look_or(scene, master).await)
}

async fn state(scene: &Scene<'_>, url: &str) -> Result<Value, String> {
    let base = url.trim_end_matches('/');
    let mut last = String::new();
    // Releases before 0.25 know only `/master/state.json`, later ones `/state`.
    for path in ["/state", "/master/state.json"] {
        let at = format!("{base}{path}");
        let within = scene.left().mul_f32(0.9);
        let page = scene.world.http.get(&at, within, STATE_BYTES_MAX).await;
        let page = page.map_err(|no_page| format!("{at}: {}", no_page.why()))?;
        let to = page.location.map(|to| format!(" to {}", clean::line(to.as_bytes()))).unwrap_or_default();
        match page.status {
            200 if page.cut => return Err(format!("the answer of {at} is longer than {STATE_BYTES_MAX} bytes")),
            200 => {
                return serde_json::from_slice(&page.body)
                    .map_err(|error| format!("{at} did not answer in JSON: {error}"));
            }
            status => last = format!("{at} answered with status {status}{to}"),
        }
    }
    Err(last)
}

fn member<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn is_registered(framework: &Value) -> bool {
    let yes = |name: &str| framework.get(name).and_then(Value::as_bool);
    yes("active").unwrap_or(false) && yes("connected").unwrap_or(true)
}

async fn look_or(scene: &Scene<'_>, master: &Master) -> Result<Report, String> {
    let state = state(scene, master.url.as_str()).await?;
    let frameworks = state.get("frameworks").and_then(Value::as_array).ok_or("the answer lists no frameworks")?;
    let meant = |framework: &&Value| match &master.framework_id {
        Some(id) => member(framework, "id") == id.as_str(),
        None => NAMES.contains(&member(framework, "name")),
    };
    let found: Vec<&Value> = frameworks.iter().filter(meant).collect();
    let registered: Vec<&Value> = found.iter().copied().filter(|framework| is_registered(framework)).collect();
    let chosen = match (found.as_slice(), registered.as_slice()) {
        ([], _) => None,
        ([only], _) | (_, [only]) => Some(*only),
        _ => return Err(format!("{} frameworks could be meant; name one by its id", found.len())),
    };
    let is_registered = !registered.is_empty();
    let (ids, by_job) = chosen.map(running).unwrap_or_default();
    let word = if is_registered { "is registered" } else { "is not registered" };
    let mut words = match chosen {
        Some(framework) => {
            format!("{} tasks run; framework {} {word}", ids.len(), clean::line(member(framework, "id").as_bytes()))
        }
        None => "the master knows no framework of Aurora".to_owned(),
    };
    let (mut outputs, mut all) = (Map::new(), Map::new());
    let mut details: Vec<String> = by_job.iter().map(|(job, count)| format!("{count} {job}")).collect();
    if let Some(register) = &master.since {
        let compared = compare(scene, register, &ids).await?;
        words = format!("{words}; {} lost, {} new", compared.lost.len(), compared.new.len());
        details.splice(..0, compared.lost.iter().take(SHOWN).map(|id| format!("lost: {id}")));
        outputs.insert("lost_count".to_owned(), json!(compared.lost.len()));
        outputs.insert("new_count".to_owned(), json!(compared.new.len()));
        outputs.insert("lost".to_owned(), json!(sample(&compared.lost)));
        outputs.insert("new".to_owned(), json!(sample(&compared.new)));
        all.insert("lost".to_owned(), json!(compared.lost));
        all.insert("new".to_owned(), json!(compared.new));
    }
    outputs.insert("tasks".to_owned(), json!(ids.len()));
    outputs.insert("ids".to_owned(), json!(sample(&ids)));
    all.insert("ids".to_owned(), json!(ids));
    // A look that only asks whether a scheduler is registered has found nothing that is worth keeping.
    if master.registered.is_none() || master.since.is_some() {
        let bytes = serde_json::to_vec(&all).unwrap_or_default();
        outputs.insert("evidence".to_owned(), scene.keep_as_output("running.json", bytes, &mut details).await);
    }
    outputs.insert("by_job".to_owned(), json!(by_job));
    outputs
        .insert("framework_id".to_owned(), json!(chosen.map(|framework| member(framework, "id")).unwrap_or_default()));
    outputs.insert("registered".to_owned(), json!(if is_registered { "yes" } else { "no" }));
    let so = master.registered.is_none_or(|wanted| wanted == is_registered);
    Ok(Report::new(finding(so), words).with_details(details).with_outputs(Value::Object(outputs)))
}

/// Ids of tasks that run, and how many of each job: Aurora names a task after its job.
fn running(framework: &Value) -> (BTreeSet<String>, BTreeMap<String, u64>) {
    let (mut ids, mut by_job) = (BTreeSet::new(), BTreeMap::new());
    let lists = ["tasks", "unreachable_tasks"].iter().filter_map(|name| framework.get(name)?.as_array());
    for task in lists.flatten().filter(|task| RUNS.contains(&member(task, "state"))) {
        if ids.insert(clean::line(member(task, "id").as_bytes())) {
            *by_job.entry(clean::line(member(task, "name").as_bytes())).or_default() += 1;
        }
    }
    (ids, by_job)
}

struct Compared {
    lost: Vec<String>,
    new: Vec<String>,
}

fn sample<'i>(ids: impl IntoIterator<Item = &'i String>) -> Vec<&'i String> {
    ids.into_iter().take(SAMPLE).collect()
}

/// The ids of an earlier look: from its evidence file, or from its outputs where they hold all of them.
async fn ids_of(scene: &Scene<'_>, register: &str) -> Result<BTreeSet<String>, String> {
    let known = scene.known.get(&Register::from(register));
    let outputs = known.and_then(|known| known.values().find(|outputs| outputs.get("ids").is_some()));
    let outputs = outputs.ok_or_else(|| format!("nothing is known of {register} to compare with"))?;
    let shown = outputs.get("ids").and_then(Value::as_array).cloned().unwrap_or_default();
    let count = outputs.get("tasks").and_then(Value::as_u64).unwrap_or(shown.len() as u64);
    let ids = if count == shown.len() as u64 {
        shown
    } else {
        let evidence = outputs.get("evidence").unwrap_or(&Value::Null);
        let bytes = scene.kept(evidence).await.map_err(|error| format!("the tasks of {register}: {error}"))?;
        let all: Value = serde_json::from_slice(&bytes).map_err(|error| format!("the tasks of {register}: {error}"))?;
        all.get("ids").and_then(Value::as_array).cloned().unwrap_or_default()
    };
    Ok(ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
}

async fn compare(scene: &Scene<'_>, register: &str, now: &BTreeSet<String>) -> Result<Compared, String> {
    let then = ids_of(scene, register).await?;
    Ok(Compared { lost: then.difference(now).cloned().collect(), new: now.difference(&then).cloned().collect() })
}
