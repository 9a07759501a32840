//! What a restore takes back besides tasks: jobs, cron jobs, quotas, updates, maintenance, locks.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    assess::Source,
    sides::{BackupSide, LiveSide, SchedulerSide},
    table::TaskTable,
};
use crate::{
    aurora::{
        types::{JobConfiguration, JobUpdateStatus, JobUpdateSummary, MaintenanceMode, ResourceAggregate, TaskConfig},
        value::Struct,
    },
    mesos::names::Amount,
};

/// Items of a kind that are listed.
const ITEMS_MAX: usize = 10_000;
/// Different configurations of one job that are told apart; a job under update has two.
const KINDS_MAX: usize = 8;

/// What becomes of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Made since the backup: gone afterwards.
    Vanishes,
    /// Removed since the backup: there again afterwards.
    ComesBack,
    /// Changed since the backup: as it was, afterwards.
    Changes,
    /// Goes on by itself.
    Resumes,
    /// Waits for a pulse.
    Waits,
    /// Stays as it was put: paused, or under maintenance.
    Stays,
    /// In the backup; what there is now is not known.
    InBackup,
}

/// One thing that is taken back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// What becomes of it.
    pub change: Change,
    /// Its name: a job, a role, a host.
    pub name: String,
    /// What differs, or where it stands.
    pub words: String,
}

/// Things of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Section {
    /// How many are in the backup; `None` if they are in SQL statements.
    pub in_backup: Option<u64>,
    /// What there is now is known.
    pub compared: bool,
    /// What changes; where nothing could be compared, what is in the backup.
    pub items: Vec<Item>,
    /// Items that are not listed.
    pub more: u64,
}

/// What is taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reverted {
    /// Jobs with tasks.
    pub jobs: Section,
    /// Cron jobs.
    pub cron_jobs: Section,
    /// Quotas.
    pub quotas: Section,
    /// Job updates that are not over.
    pub updates: Section,
    /// Maintenance of hosts.
    pub maintenance: Section,
    /// Locks, up to 0.19.
    pub locks: Section,
}

fn section(in_backup: Option<u64>, compared: bool, mut items: Vec<Item>) -> Section {
    items.sort();
    let more = items.len().saturating_sub(ITEMS_MAX) as u64;
    items.truncate(ITEMS_MAX);
    Section { in_backup, compared, items, more }
}

/// A number of things, or `None` if they may be in SQL statements instead.
fn count(backup: &BackupSide, number: usize) -> Option<u64> {
    (number > 0 || !backup.in_sql).then_some(number as u64)
}

pub(super) fn judge(backup: &BackupSide, live: &LiveSide, truth: Source<'_>) -> Reverted {
    let scheduler = live.scheduler.as_ref();
    Reverted {
        jobs: jobs(backup, scheduler, truth),
        cron_jobs: cron_jobs(backup, scheduler),
        quotas: quotas(backup, scheduler),
        updates: updates(backup, scheduler),
        maintenance: maintenance(backup, scheduler),
        locks: locks(backup, scheduler),
    }
}

/// What a task of a job asks for: amounts, whether it runs for ever, owner.
type Kind = (Amount, bool, String);

/// What is compared of a job that is known from its tasks.
#[derive(Default)]
struct JobTasks {
    active: u64,
    kinds: Vec<Kind>,
}

fn by_job(tasks: &TaskTable) -> BTreeMap<&str, JobTasks> {
    let mut jobs: BTreeMap<&str, JobTasks> = BTreeMap::new();
    for task in tasks.iter().filter(|task| task.status.is_active() && !task.job.is_empty()) {
        let job = jobs.entry(task.job).or_default();
        job.active += 1;
        let amount = (task.cpus, task.ram_mb, task.disk_mb);
        let known = job.kinds.iter().any(|kind| kind.0 == amount && kind.1 == task.is_service && kind.2 == task.owner);
        if !known && job.kinds.len() < KINDS_MAX {
            job.kinds.push((amount, task.is_service, task.owner.to_owned()));
        }
    }
    jobs
}

fn jobs(backup: &BackupSide, scheduler: Option<&SchedulerSide>, truth: Source<'_>) -> Section {
    let then = by_job(&backup.tasks);
    let in_backup = Some(then.len() as u64);
    if let Some(tasks) = scheduler.and_then(|scheduler| scheduler.tasks.as_ref()) {
        return section(in_backup, true, jobs_by_scheduler(&then, &by_job(tasks)));
    }
    let Source::Master(_, tasks) = truth else { return section(in_backup, false, Vec::new()) };
    let mut now: BTreeMap<&str, u64> = BTreeMap::new();
    for task in tasks.alive() {
        *now.entry(task.name).or_default() += 1;
    }
    let mut items = Vec::new();
    for (job, count) in now.iter().filter(|(job, _)| !then.contains_key(*job)) {
        items.push(item(Change::Vanishes, job, format!("{count} running, none active in the backup")));
    }
    for (job, of) in then.iter().filter(|(job, _)| !now.contains_key(*job)) {
        items.push(item(Change::ComesBack, job, format!("{} active in the backup, none running", of.active)));
    }
    section(in_backup, true, items)
}

fn jobs_by_scheduler(then: &BTreeMap<&str, JobTasks>, now: &BTreeMap<&str, JobTasks>) -> Vec<Item> {
    let mut items = Vec::new();
    for (job, of) in now {
        let Some(before) = then.get(job) else {
            let words = format!("{} active, none in the backup", of.active);
            items.push(item(Change::Vanishes, job, words));
            continue;
        };
        let mut words = Vec::new();
        if before.active != of.active {
            words.push(format!("{} instances instead of {}", before.active, of.active));
        }
        let differ = |same: fn(&Kind, &Kind) -> bool| before.kinds.iter().any(|a| !of.kinds.iter().any(|b| same(a, b)));
        if differ(|a, b| a.0 == b.0) {
            words.push("other resources".to_owned());
        }
        if differ(|a, b| a.1 == b.1) {
            words.push("a service or not".to_owned());
        }
        if differ(|a, b| a.2 == b.2) {
            words.push("another owner".to_owned());
        }
        if !words.is_empty() {
            items.push(item(Change::Changes, job, words.join(", ")));
        }
    }
    for (job, of) in then.iter().filter(|(job, _)| !now.contains_key(*job)) {
        items.push(item(Change::ComesBack, job, format!("{} active in the backup, none now", of.active)));
    }
    items
}

fn item(change: Change, name: &str, words: impl Into<String>) -> Item {
    Item { change, name: name.to_owned(), words: words.into() }
}

fn key_of(job: &JobConfiguration) -> String {
    let of_task = || job.task_config.as_ref().and_then(TaskConfig::job_key);
    job.key.clone().or_else(of_task).map(|key| key.to_string()).unwrap_or_default()
}

fn schedule(job: &JobConfiguration) -> &str {
    job.cron_schedule.as_deref().unwrap_or_default()
}

fn cron_jobs(backup: &BackupSide, scheduler: Option<&SchedulerSide>) -> Section {
    let then: BTreeMap<String, &JobConfiguration> = backup.cron_jobs.iter().map(|job| (key_of(job), job)).collect();
    let in_backup = count_tasks_in_sql(backup, then.len());
    let Some(jobs) = scheduler.and_then(|scheduler| scheduler.jobs.as_ref()) else {
        let items = then.iter().map(|(key, job)| item(Change::InBackup, key, format!("runs at {}", schedule(job))));
        return section(in_backup, false, items.collect());
    };
    let now: BTreeMap<String, &JobConfiguration> =
        jobs.iter().filter(|job| !schedule(job).is_empty()).map(|job| (key_of(job), job)).collect();
    let mut items = Vec::new();
    for (key, job) in &now {
        match then.get(key) {
            None => items.push(item(Change::Vanishes, key, format!("runs at {}", schedule(job)))),
            Some(before) => {
                let words = differences(before, job);
                if !words.is_empty() {
                    items.push(item(Change::Changes, key, words.join(", ")));
                }
            }
        }
    }
    for (key, job) in then.iter().filter(|(key, _)| !now.contains_key(*key)) {
        items.push(item(Change::ComesBack, key, format!("runs at {}", schedule(job))));
    }
    section(in_backup, true, items)
}

fn count_tasks_in_sql(backup: &BackupSide, number: usize) -> Option<u64> {
    (number > 0 || !backup.tasks_in_sql).then_some(number as u64)
}

/// What of a job is otherwise in the backup than it is.
fn differences(then: &JobConfiguration, now: &JobConfiguration) -> Vec<String> {
    let mut words = Vec::new();
    if schedule(then) != schedule(now) {
        words.push(format!("runs at {} instead of {}", schedule(then), schedule(now)));
    }
    if then.cron_collision_policy != now.cron_collision_policy {
        words.push("another collision policy".to_owned());
    }
    if then.instance_count != now.instance_count {
        words.push(format!("{} instances instead of {}", then.instance_count, now.instance_count));
    }
    if let (Some(then), Some(now)) = (&then.task_config, &now.task_config) {
        let data = |config: &TaskConfig| config.executor_config.as_ref().and_then(|executor| executor.data.clone());
        let differs = [
            ("other resources", then.resources_flat() != now.resources_flat()),
            ("another command", data(then).is_some() && data(now).is_some() && data(then) != data(now)),
            ("another contact", then.contact_email != now.contact_email),
            ("another tier", then.tier != now.tier),
            ("another priority", then.priority != now.priority),
        ];
        words.extend(differs.iter().filter(|(_, differs)| *differs).map(|(what, _)| (*what).to_owned()));
    }
    words
}

fn amounts(quota: &ResourceAggregate) -> Amount {
    let all = quota.resources.as_deref().map_or(&[][..], Vec::as_slice);
    let mib = |mb: i64| mb as f64;
    (
        all.iter().find_map(|one| one.num_cpus).or(quota.num_cpus),
        all.iter().find_map(|one| one.ram_mb).or(quota.ram_mb).map(mib),
        all.iter().find_map(|one| one.disk_mb).or(quota.disk_mb).map(mib),
    )
}

fn amount_words((cpus, ram, disk): Amount) -> String {
    let number = |amount: Option<f64>| amount.unwrap_or(0.0);
    format!("{} cpus, {} MiB ram, {} MiB disk", number(cpus), number(ram), number(disk))
}

/// A role without a quota is answered like one with a quota of nothing.
fn is_nothing((cpus, ram, disk): Amount) -> bool {
    [cpus, ram, disk].into_iter().flatten().all(|amount| amount == 0.0)
}

fn quotas(backup: &BackupSide, scheduler: Option<&SchedulerSide>) -> Section {
    let in_backup = count(backup, backup.quotas.len());
    let then: BTreeMap<&str, Amount> = backup
        .quotas
        .iter()
        .map(|one| (one.role.as_str(), one.quota.as_ref().map(amounts).unwrap_or_default()))
        .collect();
    let now = scheduler.and_then(|scheduler| scheduler.quotas.as_ref());
    let mut items = Vec::new();
    for (role, before) in &then {
        let Some(quota) = now.and_then(|now| now.get(*role)) else {
            items.push(item(Change::InBackup, role, amount_words(*before)));
            continue;
        };
        let quota = amounts(quota);
        if is_nothing(quota) && !is_nothing(*before) {
            items.push(item(Change::ComesBack, role, amount_words(*before)));
        } else if number_of(quota) != number_of(*before) {
            let words = format!("{} instead of {}", amount_words(*before), amount_words(quota));
            items.push(item(Change::Changes, role, words));
        }
    }
    for (role, quota) in now.into_iter().flatten().filter(|_| in_backup.is_some()) {
        let quota = amounts(quota);
        if !then.contains_key(role.as_str()) && !is_nothing(quota) {
            items.push(item(Change::Vanishes, role, amount_words(quota)));
        }
    }
    section(in_backup, now.is_some() && in_backup.is_some(), items)
}

fn number_of((cpus, ram, disk): Amount) -> [u64; 3] {
    [cpus, ram, disk].map(|amount| amount.unwrap_or(0.0).to_bits())
}

fn update_name(summary: &JobUpdateSummary) -> String {
    let job = summary.job().map(ToString::to_string).unwrap_or_default();
    format!("{job} {}", summary.id().unwrap_or_default())
}

fn updates(backup: &BackupSide, scheduler: Option<&SchedulerSide>) -> Section {
    let known = backup.updates.len() + usize::try_from(backup.updates_ended).unwrap_or(usize::MAX);
    let in_backup = count(backup, known).map(|_| backup.updates.len() as u64);
    let live = scheduler.and_then(|scheduler| scheduler.updates.as_ref());
    let status = |summary: &JobUpdateSummary| summary.state.as_ref().and_then(|state| state.status);
    let now: Option<BTreeMap<String, Option<JobUpdateStatus>>> =
        live.map(|all| all.iter().map(|summary| (update_name(summary), status(summary))).collect());
    let mut items = Vec::new();
    let mut then = BTreeSet::new();
    for details in backup.updates.iter().filter_map(|stored| stored.details.as_ref()) {
        let Some(summary) = details.update.as_ref().and_then(|update| update.summary.as_ref()) else { continue };
        let name = update_name(summary);
        let (change, mut words) = resumes(details.status());
        if let Some(user) = &summary.user {
            words.extend([", asked for by ", user]);
        }
        match now.as_ref().map(|now| now.get(&name)) {
            Some(None) => words.push_str("; it is not there now"),
            Some(Some(Some(status))) if !status.is_active() => {
                words.extend(["; it is ", status.to_string().as_str(), " now"]);
            }
            _ => {}
        }
        items.push(item(change, &name, words));
        then.insert(name);
    }
    for (name, status) in now.iter().flatten().filter(|_| in_backup.is_some()) {
        if let Some(status) = status.filter(|status| status.is_active() && !then.contains(name)) {
            let words =
                format!("{status} now; the restored scheduler does not know it, its instances stay as far as they are");
            items.push(item(Change::Vanishes, name, words));
        }
    }
    section(in_backup, live.is_some() && in_backup.is_some(), items)
}

/// What a restored scheduler does with an update in this state.
fn resumes(status: Option<JobUpdateStatus>) -> (Change, String) {
    let Some(status) = status else {
        return (Change::Resumes, "in a state that the backup does not say; it may go on by itself".to_owned());
    };
    match status {
        JobUpdateStatus::RollForwardPaused | JobUpdateStatus::RollBackPaused => {
            (Change::Stays, format!("{status}: stays paused"))
        }
        JobUpdateStatus::RollForwardAwaitingPulse | JobUpdateStatus::RollBackAwaitingPulse => {
            (Change::Waits, format!("{status}: waits for a pulse, then goes on"))
        }
        _ => (Change::Resumes, format!("{status}: goes on by itself, restarting and killing instances")),
    }
}

fn maintenance(backup: &BackupSide, scheduler: Option<&SchedulerSide>) -> Section {
    let in_backup = count(backup, backup.hosts.len());
    let now = scheduler.and_then(|scheduler| scheduler.hosts.as_ref());
    let mut then: BTreeMap<&str, MaintenanceMode> = BTreeMap::new();
    for host in &backup.hosts {
        then.insert(&host.host, host.mode.unwrap_or_default());
    }
    let mut items = Vec::new();
    for (host, mode) in &then {
        let (change, mut words) = match mode {
            MaintenanceMode::Draining => (Change::Resumes, "DRAINING: its tasks are killed and moved again".to_owned()),
            mode => (Change::Stays, format!("{mode}: is under maintenance again")),
        };
        match now.map(|now| now.get(*host).copied().unwrap_or(MaintenanceMode::None)) {
            Some(live) if live == *mode && change == Change::Stays => continue,
            Some(live) if live != *mode => words.extend(["; it is ", live.to_string().as_str(), " now"]),
            _ => {}
        }
        items.push(item(change, host, words));
    }
    for request in backup.maintenance_requests.iter().filter(|one| !then.contains_key(one.host.as_str())) {
        items.push(item(Change::Resumes, &request.host, "a wish for maintenance is in the backup: it is drained"));
    }
    for (host, mode) in now.into_iter().flatten().filter(|_| in_backup.is_some()) {
        if *mode != MaintenanceMode::None && !then.contains_key(host.as_str()) {
            let words = format!("{mode} now; forgotten, tasks are placed on it again");
            items.push(item(Change::Vanishes, host, words));
        }
    }
    section(in_backup, now.is_some() && in_backup.is_some(), items)
}

/// Job and holder of a lock: 1 key, a union with 1 job; 3 user.
fn lock_name(lock: &Struct) -> (String, String) {
    let job = lock.rec(1).and_then(|key| key.rec(1));
    let part = |id| job.and_then(|job| job.str(id)).unwrap_or_default().to_owned();
    (format!("{}/{}/{}", part(1), part(2), part(3)), lock.str(3).unwrap_or_default().to_owned())
}

fn locks(backup: &BackupSide, scheduler: Option<&SchedulerSide>) -> Section {
    let in_backup = count(backup, backup.locks.len());
    let then: BTreeMap<String, String> = backup.locks.iter().map(lock_name).collect();
    let now = scheduler.and_then(|scheduler| scheduler.locks.as_ref());
    let now: Option<BTreeMap<String, String>> = now.map(|locks| locks.iter().map(lock_name).collect());
    let mut items = Vec::new();
    for (job, user) in &then {
        match &now {
            None => items.push(item(Change::InBackup, job, format!("held by {user}"))),
            Some(now) if now.contains_key(job) => {}
            Some(_) => {
                let words = format!("held by {user}: the job cannot be changed until it is taken away");
                items.push(item(Change::ComesBack, job, words));
            }
        }
    }
    for (job, user) in now.iter().flatten().filter(|(job, _)| in_backup.is_some() && !then.contains_key(*job)) {
        items.push(item(Change::Vanishes, job, format!("held by {user}")));
    }
    section(in_backup, now.is_some() && in_backup.is_some(), items)
}
