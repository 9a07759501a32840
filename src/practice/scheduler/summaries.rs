//! What the scheduler computes from its state when it is asked for summaries. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::aurora::value::{Struct, Value};

use super::state::{
    JobKey, State, i64_of, job_key, job_key_struct, set, status, structs, task_config, task_job, task_status, text,
};

/// `RoleSummary` of every role.
pub fn roles(state: &State) -> Vec<Struct> {
    let mut jobs: BTreeMap<String, BTreeSet<JobKey>> = BTreeMap::new();
    let mut crons: BTreeMap<String, i32> = BTreeMap::new();
    for key in state.tasks.values().map(task_job) {
        jobs.entry(key.0.clone()).or_default().insert(key);
    }
    for key in state.crons.keys() {
        jobs.entry(key.0.clone()).or_default();
        *crons.entry(key.0.clone()).or_default() += 1;
    }
    let summary = |(role, jobs): (&String, &BTreeSet<JobKey>)| {
        let crons = crons.get(role).copied().unwrap_or(0);
        Struct::new().with(1, role.as_str()).with(2, jobs.len() as i32).with(3, crons)
    };
    jobs.iter().map(summary).collect()
}

fn by_job<'a>(state: &'a State, role: Option<&str>) -> BTreeMap<JobKey, Vec<&'a Struct>> {
    let mut jobs: BTreeMap<JobKey, Vec<&Struct>> = BTreeMap::new();
    for task in state.tasks.values() {
        let key = task_job(task);
        if role.is_none_or(|role| role == key.0) {
            jobs.entry(key).or_default().push(task);
        }
    }
    for key in state.crons.keys().filter(|key| role.is_none_or(|role| role == key.0)) {
        jobs.entry(key.clone()).or_default();
    }
    jobs
}

/// `JobSummary` of every job.
pub fn jobs(state: &State, role: Option<&str>) -> Vec<Struct> {
    let summary = |(key, tasks): (&JobKey, &Vec<&Struct>)| {
        let cron = state.crons.get(key);
        // Here every instance counts that is known, and in `getJobs` only the active ones.
        let configuration = cron.cloned().unwrap_or_else(|| configuration(key, tasks, tasks.len()));
        let next = cron.and_then(|job| next_run(&text(job, 4)));
        let summary = Struct::new().with(1, configuration).with(2, stats(tasks));
        match next {
            Some(next) => summary.with(3, next),
            None => summary,
        }
    };
    by_job(state, role).iter().map(summary).collect()
}

/// `JobConfiguration` of every cron job, and of every job that has active tasks.
pub fn configurations(state: &State, role: Option<&str>) -> Vec<Struct> {
    by_job(state, role)
        .iter()
        .filter_map(|(key, tasks)| {
            let active = tasks.iter().filter(|task| status::ACTIVE.contains(&task_status(task))).count();
            match state.crons.get(key) {
                Some(job) => Some(job.clone()),
                None if active > 0 => Some(configuration(key, tasks, active)),
                None => None,
            }
        })
        .collect()
}

fn configuration(key: &JobKey, tasks: &[&Struct], instances: usize) -> Struct {
    let newest = tasks.iter().max_by_key(|task| last_event(task));
    let config = newest.and_then(|task| task_config(task)).cloned().unwrap_or_default();
    let owner = config.rec(17).cloned().unwrap_or_default();
    Struct::new().with(6, config).with(7, owner).with(8, instances as i32).with(9, job_key_struct(key))
}

fn last_event(task: &Struct) -> i64 {
    structs(task, 4).last().map_or(0, |event| i64_of(event, 1))
}

fn stats(tasks: &[&Struct]) -> Struct {
    let count = |wanted: &[i32]| tasks.iter().filter(|task| wanted.contains(&task_status(task))).count() as i32;
    let pending = [11, status::PENDING, 16];
    Struct::new()
        .with(1, count(&status::ON_AGENT))
        .with(2, count(&[status::FINISHED, 5]))
        .with(3, count(&[status::FAILED, status::LOST]))
        .with(4, count(&pending))
}

/// `GetQuotaResult` of a role.
pub fn quota(state: &State, role: &str) -> Struct {
    let mut shared = [Sum::default(), Sum::default()];
    let mut dedicated = [Sum::default(), Sum::default()];
    let counted = state.tasks.values().filter(|task| {
        let key = task_job(task);
        key.0 == role && status::ACTIVE.contains(&task_status(task)) && !state.crons.contains_key(&key)
    });
    let configs = counted.filter_map(task_config).map(|config| (config, 1));
    let crons = state
        .crons
        .iter()
        .filter(|(key, _)| key.0 == role)
        .filter_map(|(_, job)| Some((job.rec(6)?, job.get(8).and_then(Value::as_i32).unwrap_or(1))));
    for (config, times) in configs.chain(crons) {
        let production = matches!(config.get(18), Some(Value::Bool(true)));
        let is_dedicated = structs(config, 20).any(|constraint| text(constraint, 1) == "dedicated");
        let [prod, other] = if is_dedicated { &mut dedicated } else { &mut shared };
        if production { prod } else { other }.add(config, times);
    }
    let [prod, non_prod] = shared;
    let [prod_dedicated, non_prod_dedicated] = dedicated;
    let none = || Sum::default().aggregate();
    Struct::new()
        .with(1, state.quotas.get(role).cloned().unwrap_or_else(none))
        .with(2, prod.aggregate())
        .with(3, non_prod.aggregate())
        .with(4, prod_dedicated.aggregate())
        .with(5, non_prod_dedicated.aggregate())
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    cpus: f64,
    ram_mb: i64,
    disk_mb: i64,
}

impl Sum {
    fn add(&mut self, config: &Struct, times: i32) {
        for resource in structs(config, 32) {
            match resource.fields.first() {
                Some((1, Value::Double(cpus))) => self.cpus += cpus * f64::from(times),
                Some((2, Value::I64(ram))) => self.ram_mb += ram * i64::from(times),
                Some((3, Value::I64(disk))) => self.disk_mb += disk * i64::from(times),
                _ => {}
            }
        }
    }

    fn aggregate(self) -> Struct {
        Struct::new().with(4, set(resources(self.cpus, self.ram_mb, self.disk_mb)))
    }
}

/// A set of `Resource` as 0.14 and later write it.
pub fn resources(cpus: f64, ram_mb: i64, disk_mb: i64) -> Vec<Struct> {
    vec![Struct::new().with(2, ram_mb), Struct::new().with(3, disk_mb), Struct::new().with(1, Value::Double(cpus))]
}

/// `ConfigSummary` of a job.
pub fn configs(state: &State, key: &JobKey) -> Struct {
    let mut groups: Vec<(Struct, Vec<i32>)> = Vec::new();
    for task in state.tasks.values().filter(|task| task_job(task) == *key) {
        if !status::ACTIVE.contains(&task_status(task)) {
            continue;
        }
        let instance = task.rec(1).and_then(|assigned| assigned.get(6)).and_then(Value::as_i32).unwrap_or(0);
        let Some(config) = task_config(task) else { continue };
        match groups.iter_mut().find(|(known, _)| known == config) {
            Some((_, instances)) => instances.push(instance),
            None => groups.push((config.clone(), vec![instance])),
        }
    }
    let group = |(config, instances): (Struct, Vec<i32>)| {
        let ranges = instances.into_iter().map(|at| Struct::new().with(1, at).with(2, at)).collect();
        Struct::new().with(1, config).with(3, set(ranges))
    };
    Struct::new().with(1, job_key_struct(key)).with(2, set(groups.into_iter().map(group).collect()))
}

/// `HostStatus` of the hosts that are asked for and known.
pub fn maintenance(state: &State, hosts: &Struct) -> Vec<Struct> {
    let wanted = hosts.get(1).and_then(Value::as_items).unwrap_or_default();
    let known = wanted.iter().filter_map(Value::as_str).filter_map(|name| state.hosts.get(name));
    known
        .map(|host| {
            let mode = host.get(3).and_then(Value::as_i32).unwrap_or(1);
            Struct::new().with(1, text(host, 1)).with(2, mode)
        })
        .collect()
}

/// `JobUpdateDetails` that a `JobUpdateQuery` means.
pub fn updates(state: &State, query: &Struct) -> Vec<Struct> {
    let role = query.str(2).filter(|role| !role.is_empty());
    let key = query.rec(3).map(|key| job_key(Some(key)));
    let found = state.updates.iter().filter_map(|stored| stored.rec(1));
    found
        .filter(|details| {
            let job = update_job(details);
            role.is_none_or(|role| job.as_ref().is_some_and(|job| job.0 == role)) && (key.is_none() || job == key)
        })
        .cloned()
        .collect()
}

/// `JobUpdateSummary` of a `JobUpdateDetails`, its state by its events.
pub fn update_summary(details: &Struct) -> Option<Struct> {
    let summary = details.rec(1)?.rec(1)?;
    let at = |event: &Struct| i64_of(event, 2);
    let (first, last) = (structs(details, 2).next(), structs(details, 2).last());
    let (Some(first), Some(last)) = (first, last) else { return Some(summary.clone()) };
    let modified = structs(details, 3).last().map_or(0, at).max(at(last));
    let status = last.get(1).and_then(Value::as_i32).unwrap_or(0);
    let state = Struct::new().with(1, status).with(2, at(first)).with(3, modified);
    Some(super::entry::replaced(summary, 4, state.into()))
}

/// The job of a `JobUpdateDetails`.
pub fn update_job(details: &Struct) -> Option<JobKey> {
    Some(job_key(details.rec(1)?.rec(1)?.rec(5)?.rec(1)))
}

/// The next run of a schedule in GMT, if there is one within the days that are looked at.
fn next_run(schedule: &str) -> Option<i64> {
    /// A yearly schedule is looked for in vain; the practice has none.
    const DAYS: i64 = 32;
    const MINUTE: i64 = 60_000;
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let &[minute, hour, day, month, weekday] = fields.as_slice() else { return None };
    let begin = jiff::Timestamp::now().as_millisecond() / MINUTE + 1;
    (begin..begin + DAYS * 24 * 60).map(|at| at * MINUTE).find(|ms| {
        let Ok(at) = jiff::Timestamp::from_millisecond(*ms) else { return false };
        let at = at.to_zoned(jiff::tz::TimeZone::UTC);
        let parts = [
            (minute, at.minute()),
            (hour, at.hour()),
            (day, at.day()),
            (month, at.month()),
            (weekday, at.weekday().to_sunday_zero_offset()),
        ];
        parts.iter().all(|(field, value)| fits(field, *value))
    })
}

/// Whether a cron field of numbers, `*` and `*/N` means this value.
fn fits(field: &str, value: i8) -> bool {
    field.split(',').any(|part| match part.split_once('/') {
        Some((_, step)) => step.parse::<i8>().is_ok_and(|step| step > 0 && value % step == 0),
        None => part == "*" || part.parse() == Ok(value),
    })
}
