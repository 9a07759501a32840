//! `master`: what the Mesos master knows, from its `/state`.
//!
//! A framework that is listed but not active is one whose scheduler is away: its tasks run on. Names of the framework
//! are those that Aurora had: `TwitterScheduler` up to 0.15, `Aurora` since.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::scene::{Scene, finding, seen};
use crate::{
    hosts::clean,
    mesos::{
        client::{MasterOptions, fetch_state},
        state::{Framework, MasterState, Standing},
    },
    runbook::{kind::Master, model::Register},
    session::Report,
};

/// Lost tasks that are listed in words.
const SHOWN: usize = 20;
/// Ids that become outputs; all of them are in the evidence file.
const SAMPLE: usize = 200;

pub(super) async fn look(scene: &Scene<'_>, master: &Master) -> Report {
    seen(look_or(scene, master).await)
}

/// The state of the master at this base URL, or of the one that it says leads; why there is none, in words.
pub async fn master_state(base: &str, within: Duration) -> Result<MasterState, String> {
    let options = MasterOptions { read_timeout: within, total_timeout: within, ..MasterOptions::default() };
    match fetch_state(base, &options).await {
        Ok(fetched) => Ok(fetched.state),
        Err(error) => Err(error.to_string()),
    }
}

/// The same in the time that a look has left.
pub(super) async fn state(scene: &Scene<'_>, base: &str) -> Result<MasterState, String> {
    master_state(base, scene.left().mul_f32(0.9)).await
}

async fn look_or(scene: &Scene<'_>, master: &Master) -> Result<Report, String> {
    let state = state(scene, master.url.as_str()).await?;
    let meant = |framework: &&Framework| match &master.framework_id {
        Some(id) => framework.id == id.as_str() && framework.standing != Standing::Removed,
        None => framework.is_aurora() && framework.standing != Standing::Removed,
    };
    let found: Vec<&Framework> = state.frameworks.iter().filter(meant).collect();
    let is_active = |framework: &&Framework| framework.standing == Standing::Active;
    let registered: Vec<&Framework> = found.iter().copied().filter(is_active).collect();
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
            format!("{} tasks run; framework {} {word}", ids.len(), clean::line(framework.id.as_bytes()))
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
    let id = chosen.map(|framework| framework.id.as_str()).unwrap_or_default();
    outputs.insert("framework_id".to_owned(), json!(id));
    outputs.insert("registered".to_owned(), json!(if is_registered { "yes" } else { "no" }));
    let so = master.registered.is_none_or(|wanted| wanted == is_registered);
    Ok(Report::new(finding(so), words).with_details(details).with_outputs(Value::Object(outputs)))
}

/// Ids of tasks that run, and how many of each job: Aurora names a task after its job.
fn running(framework: &Framework) -> (BTreeSet<String>, BTreeMap<String, u64>) {
    let (mut ids, mut by_job) = (BTreeSet::new(), BTreeMap::new());
    for task in framework.tasks.alive() {
        if ids.insert(clean::line(task.id.as_bytes())) {
            *by_job.entry(clean::line(task.name.as_bytes())).or_default() += 1;
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
