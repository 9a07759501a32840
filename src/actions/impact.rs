//! `impact`, `outcome` and `sweep`: what a restore would do to what runs, what it did, and when.
//!
//! What runs is asked of the Mesos master, which answers while every scheduler is down. A scheduler that is prepared for a
//! restore knows nothing, so it is asked for what is staged on it and for nothing else. The whole comparison is kept as
//! evidence, in forms that can be sent around; outputs hold what the next steps and the engineer need of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    backups::{digested, through},
    master,
    scene::{Scene, finding, seen},
    scheduler,
};
use crate::{
    aurora::{brief::TaskBrief, types::ScheduledTask},
    hosts::clean,
    impact::{
        BackupSide, CsvOf, Impact as Impacted, LiveSide, Outcome as Happened, Prediction, TaskTable, Verdict, assess,
        outcome, predict,
    },
    runbook::{
        kind::{Backups, Impact, Outcome},
        model::Register,
        text::Text,
    },
    session::{Finding, Report},
};

/// Columns of the text that is kept to be sent around.
const TEXT_WIDTH: usize = 100;
/// Lines of it that are shown with the evidence; the file has all of them.
const LINES_MAX: usize = 200;
/// Jobs, roles and owners that become outputs, those with most kills first.
const GROUPS_MAX: usize = 50;
/// Owners in one line of text.
const OWNERS_SHOWN: usize = 12;
/// Items of each section of what is reverted that become outputs.
const ITEMS_MAX: usize = 50;
/// Backups of one directory that are compared with what runs; an older one is hardly restored.
const BESIDE_MAX: usize = 6;
/// Larger ones are compared once they are chosen, in bytes.
const BESIDE_BYTES_MAX: u64 = 256 << 20;
/// Ids that become outputs.
const IDS_MAX: usize = 200;

pub(super) async fn look(scene: &Scene<'_>, impact: &Impact) -> Report {
    seen(look_or(scene, impact).await)
}

/// What the master says at this moment; silent with a reason where it says nothing.
pub(super) async fn live(scene: &Scene<'_>, url: &str) -> LiveSide {
    let mut live = match master::state(scene, url).await {
        Ok(state) => LiveSide::of_master(state),
        Err(why) => LiveSide::silent(why),
    };
    live.at_ms = Some(jiff::Timestamp::now().as_millisecond());
    live
}

/// The backup on the scene's host, with the digest that it must have.
async fn backup(scene: &Scene<'_>, path: &str, sha256: Option<&str>) -> Result<BackupSide, String> {
    let read = through(&*scene.host, path, |pieces| digested(pieces, |reader| BackupSide::read(reader)));
    let (side, found) = read.await.map_err(|error| error.to_string())?;
    let side = side.map_err(|error| format!("{path}: {error}"))?;
    let found = found.ok_or_else(|| format!("{path} was not read to its end"))?;
    match sha256 {
        Some(wanted) if !found.eq_ignore_ascii_case(wanted) => {
            Err(format!("the SHA-256 of {path} is {found}, not {wanted}"))
        }
        _ => Ok(side),
    }
}

/// The same backup with the tasks that are staged: some may have been taken out.
fn with_staged(mut side: BackupSide, tasks: &[ScheduledTask]) -> BackupSide {
    side.tasks = TaskTable::default();
    side.tasks_in_sql = false;
    tasks.iter().for_each(|task| side.add(&TaskBrief::of(task)));
    side
}

async fn look_or(scene: &Scene<'_>, asked: &Impact) -> Result<Report, String> {
    let path = asked.backup.as_str();
    let mut side = backup(scene, path, asked.sha256.as_ref().map(Text::as_str)).await?;
    if let Some(url) = &asked.staged {
        let tasks = scheduler::staged_tasks(scene, url, asked.cluster.as_ref()).await?;
        side = with_staged(side, &tasks);
    }
    let live = live(scene, asked.master.as_str()).await;
    let compared = tokio::task::spawn_blocking(move || predict(&side, &live)).await;
    let (impact, prediction) = compared.map_err(|error| format!("could not compare: {error}"))?;
    let (finding, words) = judged(&impact, asked.kills_at_most.as_ref().map(Text::as_str))?;
    let mut details = Vec::new();
    let mut outputs = outputs(&impact);
    // A look that only asks whether it is still as it was confirmed has found nothing that is worth keeping.
    if asked.kills_at_most.is_none() {
        keep(scene, &impact, &prediction, &mut outputs, &mut details).await;
    }
    let text = impact.to_text(TEXT_WIDTH);
    details.extend(text.lines().take(LINES_MAX).map(|line| clean::line(line.as_bytes())));
    Ok(Report::new(finding, words).with_details(details).with_outputs(Value::Object(outputs)))
}

async fn keep(
    scene: &Scene<'_>,
    impact: &Impacted,
    prediction: &Prediction,
    outputs: &mut Map<String, Value>,
    details: &mut Vec<String>,
) {
    let json = serde_json::to_vec(impact).unwrap_or_default();
    let predicted = serde_json::to_vec(prediction).unwrap_or_default();
    let files = [
        ("tasks_csv", "impact-tasks.csv", impact.to_csv(CsvOf::Tasks).into_bytes()),
        ("jobs_csv", "impact-jobs.csv", impact.to_csv(CsvOf::Jobs).into_bytes()),
        ("text", "impact.txt", impact.to_text(TEXT_WIDTH).into_bytes()),
        ("evidence", "impact.json", json),
        ("prediction", "prediction.json", predicted),
    ];
    for (member, name, bytes) in files {
        let kept = scene.keep_as_output(name, bytes, details).await;
        if member == "tasks_csv" {
            let path = kept.get("path").cloned().unwrap_or_else(|| json!("nowhere: nothing is kept"));
            outputs.insert("list".to_owned(), path);
        }
        outputs.insert(member.to_owned(), kept);
    }
}

/// What is found, in one line; the worst first.
fn judged(impact: &Impacted, at_most: Option<&str>) -> Result<(Finding, String), String> {
    let headline = clean::line(impact.headline().as_bytes());
    if impact.verdict == Verdict::MustNotRestore || impact.framework.fate.is_stop() {
        let why = impact.stops.first().map_or(impact.framework.words.as_str(), |note| note.message.as_str());
        return Ok((Finding::Fails, format!("STOP: {}", clean::line(why.as_bytes()))));
    }
    if impact.verdict == Verdict::Unknown {
        let why = impact.unknowns.first().map(|note| format!(" {}", clean::line(note.message.as_bytes())));
        return Ok((Finding::Unknown, format!("{headline}{}", why.unwrap_or_default())));
    }
    let Some(at_most) = at_most else { return Ok((Finding::Holds, headline)) };
    let most: u64 = at_most.trim().parse().map_err(|_| format!("{at_most:?} is not a number of tasks"))?;
    let kills = impact.kills();
    let words = if kills > most { format!("{kills} tasks would be killed, {most} were confirmed") } else { headline };
    Ok((finding(kills <= most), words))
}

fn outputs(impact: &Impacted) -> Map<String, Value> {
    let counts: BTreeMap<&str, u64> = impact.counts.some().map(|(fate, count)| (fate.name(), count)).collect();
    let mut jobs: Vec<_> = impact.affected_jobs().collect();
    jobs.sort_by_key(|job| std::cmp::Reverse(job.counts.kills()));
    let mut roles: Vec<_> = impact.by_role.iter().filter(|role| role.counts.kills() > 0).collect();
    roles.sort_by_key(|role| std::cmp::Reverse(role.counts.kills()));
    let killed_jobs: Vec<_> = jobs.iter().filter(|job| job.counts.kills() > 0).collect();
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for job in &killed_jobs {
        for owner in &job.owners {
            owners.entry(clean::line(owner.as_bytes())).or_default().insert(clean::line(job.job.as_bytes()));
        }
    }
    let nobody = killed_jobs.iter().filter(|job| job.owners.is_empty()).count();
    let reverted = serde_json::to_value(&impact.reverted).map(bounded).unwrap_or_default();
    let owner_list: Vec<Value> = owners
        .iter()
        .take(GROUPS_MAX)
        .map(|(owner, jobs)| json!({ "owner": owner, "jobs": jobs.iter().take(GROUPS_MAX).collect::<Vec<_>>() }))
        .collect();
    let members = json!({
        "verdict": impact.verdict,
        "headline": clean::line(impact.headline().as_bytes()),
        "kills": impact.kills(),
        "starts": impact.counts.sum(crate::impact::Fate::starts),
        "kept": impact.counts.sum(crate::impact::Fate::keeps),
        "unknown": impact.counts.unknown(),
        "running": impact.live.running,
        "counts": counts,
        "roles": roles.iter().take(GROUPS_MAX).map(|role| json!({
            "name": clean::line(role.name.as_bytes()), "kills": role.counts.kills() })).collect::<Vec<_>>(),
        "jobs": jobs.iter().take(GROUPS_MAX).map(|job| json!({
            "job": clean::line(job.job.as_bytes()),
            "kills": job.counts.kills(),
            "starts": job.counts.sum(crate::impact::Fate::starts),
            "owners": job.owners,
        })).collect::<Vec<_>>(),
        "owners": owner_list,
        "owners_text": owners_text(owners.keys().map(String::as_str), nobody),
        "framework_id": impact.framework.id.clone().unwrap_or_default(),
        "warnings": impact.warnings.iter().map(|note| clean::line(note.message.as_bytes())).collect::<Vec<_>>(),
        "reverted": reverted,
    });
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The same without the ends of long lists; each section says how many there are more.
fn bounded(mut reverted: Value) -> Value {
    for section in reverted.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        let Some(items) = section.get_mut("items").and_then(Value::as_array_mut) else { continue };
        let cut = items.len().saturating_sub(ITEMS_MAX);
        items.truncate(ITEMS_MAX);
        let more = section.get("more").and_then(Value::as_u64).unwrap_or(0) + cut as u64;
        if let Some(section) = section.as_object_mut() {
            section.insert("more".to_owned(), json!(more));
        }
    }
    reverted
}

/// Owners in one line; those of whom nobody knows are counted in jobs.
fn owners_text<'o>(owners: impl Iterator<Item = &'o str>, nobody: usize) -> String {
    let all: Vec<&str> = owners.collect();
    let more = all.len().saturating_sub(OWNERS_SHOWN);
    let mut parts: Vec<String> = all.iter().take(OWNERS_SHOWN).map(|owner| (*owner).to_owned()).collect();
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    if nobody > 0 {
        parts.push(format!("whoever owns {nobody} jobs without a contact"));
    }
    if parts.is_empty() { "nobody".to_owned() } else { parts.join(", ") }
}

/// Adds to a list of backups what each of the newest fit ones would do, in a few words.
pub(super) async fn beside(scene: &Scene<'_>, asked: &Backups, mut report: Report) -> Report {
    let Some(master) = &asked.master else { return report };
    let Some(entries) = report.outputs.get_mut("backups").and_then(Value::as_array_mut) else { return report };
    let live = live(scene, master.as_str()).await;
    let mut compared = 0;
    for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
        let is_fit = entry.get("fit").and_then(Value::as_str) == Some("yes");
        let bytes = entry.get("bytes").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let words = match entry.get("path").and_then(Value::as_str) {
            Some(path) if is_fit && compared < BESIDE_MAX && bytes <= BESIDE_BYTES_MAX => {
                compared += 1;
                in_short(scene, path, &live).await
            }
            _ => String::new(),
        };
        entry.insert("impact".to_owned(), json!(words));
    }
    report
}

async fn in_short(scene: &Scene<'_>, path: &str, live: &LiveSide) -> String {
    let side = match backup(scene, path, None).await {
        Ok(side) => side,
        Err(why) => return format!("not known: {}", clean::line(why.as_bytes())),
    };
    let impact = assess(&side, live);
    match impact.verdict {
        Verdict::MustNotRestore => "MUST NOT be restored".to_owned(),
        Verdict::Unknown => "not known".to_owned(),
        Verdict::Kills | Verdict::KillsNone => {
            format!("kills {}, starts {}", impact.kills(), impact.counts.sum(crate::impact::Fate::starts))
        }
    }
}

pub(super) async fn look_at_outcome(scene: &Scene<'_>, outcome: &Outcome) -> Report {
    seen(outcome_or(scene, outcome).await)
}

async fn outcome_or(scene: &Scene<'_>, asked: &Outcome) -> Result<Report, String> {
    let known = scene.known.get(&Register::from(asked.prediction.as_str()));
    let predicted = known.and_then(|known| known.values().find(|outputs| outputs.get("prediction").is_some()));
    let predicted = predicted.ok_or_else(|| format!("nothing was predicted as {}", asked.prediction))?;
    let kept = |member: &str| predicted.get(member).cloned().unwrap_or_default();
    let bytes = scene.kept(&kept("prediction")).await.map_err(|error| format!("the prediction: {error}"))?;
    let prediction: Prediction = serde_json::from_slice(&bytes).map_err(|error| format!("the prediction: {error}"))?;
    let live = live(scene, asked.master.as_str()).await;
    let mut happened = outcome::compare(&prediction, &live);
    // The record has the time of each look; what is found stays the same as long as nothing changes.
    happened.at_ms = None;
    if let Some(why) = &happened.unknown {
        return Err(format!("what happened to the tasks is not known: {why}"));
    }
    // Who owns what differs: best known at the time of the prediction.
    let owners = match scene.kept(&kept("evidence")).await {
        Ok(bytes) => {
            serde_json::from_slice::<Impacted>(&bytes).map(|impact| owners_by_job(&impact)).unwrap_or_default()
        }
        Err(_) => BTreeMap::new(),
    };
    let registered = happened.framework == outcome::FrameworkSeen::AsPredicted;
    let so = registered && happened.still_alive.count == 0;
    let words = happened.words();
    let mut details: Vec<String> = words.iter().map(|line| clean::line(line.as_bytes())).collect();
    let mut outputs = happened_outputs(&happened, &prediction, &owners);
    let bytes = serde_json::to_vec(&happened).unwrap_or_default();
    if so {
        outputs.insert("evidence".to_owned(), scene.keep_as_output("outcome.json", bytes, &mut details).await);
    }
    let said = details.first().cloned().unwrap_or_default();
    let told = if happened.is_as_predicted() { "as predicted" } else { "it differs from the prediction" };
    let seen = format!(
        "{told}: {} killed, {} kept, {} started again; {said}",
        happened.killed.count, happened.kept, happened.restarted.count
    );
    Ok(Report::new(finding(so), seen).with_details(details).with_outputs(Value::Object(outputs)))
}

fn owners_by_job(impact: &Impacted) -> BTreeMap<String, Vec<String>> {
    impact.by_job.iter().map(|job| (job.job.clone(), job.owners.clone())).collect()
}

fn happened_outputs(
    happened: &Happened,
    prediction: &Prediction,
    owners: &BTreeMap<String, Vec<String>>,
) -> Map<String, Value> {
    let differ: BTreeSet<&str> = [&happened.gone_unpredicted, &happened.still_alive, &happened.not_restarted]
        .into_iter()
        .flat_map(|seen| seen.ids.iter().map(String::as_str))
        .collect();
    let mut jobs: BTreeSet<String> = BTreeSet::new();
    prediction.each(|job, id, _| {
        if differ.contains(id) {
            jobs.insert(job.to_owned());
        }
    });
    let named: BTreeSet<&str> = jobs.iter().filter_map(|job| owners.get(job)).flatten().map(String::as_str).collect();
    let nobody = jobs.iter().filter(|job| owners.get(*job).is_none_or(Vec::is_empty)).count();
    let lost: Vec<String> = happened
        .killed
        .ids
        .iter()
        .chain(&happened.gone_unpredicted.ids)
        .take(IDS_MAX)
        .map(|id| clean::line(id.as_bytes()))
        .collect();
    let differences: Vec<String> = if happened.is_as_predicted() {
        Vec::new()
    } else {
        let gone = differ.iter().take(IDS_MAX).map(|id| clean::line(id.as_bytes()));
        happened.words().into_iter().chain(gone).collect()
    };
    let members = json!({
        "as_predicted": if happened.is_as_predicted() { "yes" } else { "no" },
        "killed": happened.killed.count,
        "still_alive": happened.still_alive.count,
        "kept": happened.kept,
        "ended": happened.ended,
        "gone_unpredicted": happened.gone_unpredicted.count,
        "restarted": happened.restarted.count,
        "not_restarted": happened.not_restarted.count,
        "new": happened.new.count,
        "lost": lost,
        "differences": differences,
        "owners_text": owners_text(named.into_iter(), nobody),
    });
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
