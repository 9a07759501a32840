//! What a new practice cluster has lived through: jobs, tasks, quotas, hosts, and what happened
//! since the newest backup. The same seed and the same moment make the same history. Pure.

use std::time::Duration;

use crate::aurora::value::{Map, Seq, Struct, TType, Value};

use super::{
    options::Scenario,
    scheduler::{BuildInfo, State, job_key_struct, replaced, resources, set, status, uuid_from, with_status},
};

/// How many backups there are on disk.
const BACKUPS: usize = 6;
/// An hour.
const HOUR: Duration = Duration::from_hours(1);
/// Backup names have minutes; two in one minute would be one file.
const SPACING_MIN: Duration = Duration::from_mins(1);
/// How old the newest backup of `stale-backup` is.
const STALE: Duration = Duration::from_hours(9);
/// How long ago most tasks were started.
const DAY_MS: i64 = 86_400_000;
/// Agents.
const HOSTS: usize = 8;

/// A job of the story.
struct Job {
    role: &'static str,
    environment: &'static str,
    name: &'static str,
    instances: i32,
    cpus: f64,
    ram_mb: i64,
}

const fn job(
    role: &'static str,
    environment: &'static str,
    name: &'static str,
    instances: i32,
    cpus: f64,
    ram_mb: i64,
) -> Job {
    Job { role, environment, name, instances, cpus, ram_mb }
}

/// Jobs that every backup knows.
const OLD: [Job; 9] = [
    job("payments", "prod", "api", 6, 1.0, 2048),
    job("payments", "prod", "ledger", 4, 2.0, 4096),
    job("payments", "staging1", "api", 2, 0.5, 1024),
    job("search", "prod", "frontend", 6, 1.0, 2048),
    job("search", "prod", "indexer", 4, 2.0, 8192),
    job("search", "devel", "scratch", 2, 0.25, 512),
    job("media", "test", "thumbnailer", 3, 0.5, 512),
    job("media", "prod", "origin", 4, 1.0, 1024),
    job("ops", "prod", "metrics", 4, 0.5, 1024),
];
/// Deployed between the older backups and the newer ones.
const MIDDLE: Job = job("media", "prod", "transcoder", 5, 4.0, 4096);
/// Deployed after the newest backup: these tasks will die.
const YOUNG: Job = job("payments", "prod", "refunds", 3, 1.0, 1024);
/// Run by the clock.
const CRONS: [(Job, &str); 2] = [
    (job("ops", "prod", "nightly-report", 1, 0.5, 512), "15 3 * * *"),
    (job("search", "prod", "compact-index", 2, 1.0, 2048), "40 1 * * *"),
];

/// A backup as it was saved.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedBackup {
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// What.
    pub snapshot: Struct,
    /// The index of the scheduler that led, and so has the file.
    pub leader: usize,
}

/// Everything that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The framework's id.
    pub framework_id: String,
    /// Backups, oldest first.
    pub backups: Vec<SavedBackup>,
    /// Transactions after the newest backup's snapshot.
    pub since: Vec<Vec<Struct>>,
    /// The state at the end.
    pub state: State,
}

/// Tells the history that ends at `now_ms`.
pub fn history(scenario: Scenario, seed: u64, speed: f64, schedulers: usize, now_ms: i64) -> History {
    let mut teller = Teller::new(seed, now_ms);
    let stale = scenario == Scenario::StaleBackup;
    let (spacing, newest) = if stale {
        (HOUR, STALE)
    } else {
        let spacing = HOUR.div_f64(speed).max(SPACING_MIN);
        (spacing, spacing.mul_f64(1.4))
    };
    let age = |index: usize| (newest + spacing * u32::try_from(index).unwrap_or(0)).as_millis() as i64;
    let mut state = teller.old_state();
    let mut backups = Vec::new();
    for index in (0..BACKUPS).rev() {
        let at_ms = now_ms - age(index);
        if index == BACKUPS / 2 - 1 {
            let started = at_ms - spacing.as_millis() as i64 / 2;
            for task in teller.tasks(&MIDDLE, started) {
                apply(&mut state, save(vec![task]));
            }
        }
        let leader = if index >= BACKUPS / 2 { schedulers.saturating_sub(1).min(1) } else { 0 };
        backups.push(SavedBackup { at_ms, snapshot: state.to_snapshot(at_ms, BuildInfo::Own), leader });
    }
    let since = teller.since(&state, now_ms - age(0) / 2);
    for op in since.iter().flatten() {
        apply(&mut state, op.clone());
    }
    History { framework_id: teller.framework_id, backups, since, state }
}

fn apply(state: &mut State, op: Struct) {
    // Operations are made here and known to the state.
    let _ = state.apply(&op);
}

fn save(tasks: Vec<Struct>) -> Struct {
    Struct::new().with(6, Struct::new().with(1, set(tasks)))
}

struct Teller {
    random: fastrand::Rng,
    now_ms: i64,
    framework_id: String,
    hosts: Vec<(String, String)>,
}

impl Teller {
    fn new(seed: u64, now_ms: i64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let master = uuid_from(&mut random);
        let hosts = (1..=HOSTS).map(|at| (format!("agent-{at:02}"), format!("{master}-S{at}"))).collect();
        Self { random, now_ms, framework_id: format!("{master}-0000"), hosts }
    }

    fn old_state(&mut self) -> State {
        let mut state = State { framework_id: Some(self.framework_id.clone()), ..State::default() };
        for (host, agent) in &self.hosts {
            state.hosts.insert(host.clone(), host_attributes(host, agent));
        }
        for (role, cpus) in [("payments", 40.0), ("search", 60.0), ("media", 40.0), ("ops", 10.0)] {
            let quota = Struct::new().with(4, set(resources(cpus, cpus as i64 * 4096, cpus as i64 * 16_384)));
            state.quotas.insert(role.to_owned(), quota);
        }
        for (job, schedule) in &CRONS {
            let config = Struct::new()
                .with(4, *schedule)
                .with(5, 1_i32)
                .with(6, task_config(job, false))
                .with(7, owner(job))
                .with(8, job.instances)
                .with(9, key(job));
            apply(&mut state, Struct::new().with(2, Struct::new().with(2, config)));
        }
        for job in &OLD {
            let started = self.now_ms - DAY_MS * self.random.i64(2..9) - self.random.i64(0..DAY_MS);
            let tasks = self.tasks(job, started);
            apply(&mut state, save(tasks));
        }
        let ended = self.tasks(&OLD[5], self.now_ms - DAY_MS);
        let ended = ended.iter().map(|task| with_status(task, status::FINISHED, self.now_ms - DAY_MS / 2, None));
        apply(&mut state, save(ended.collect()));
        state
    }

    /// The running tasks of a job.
    fn tasks(&mut self, job: &Job, started_ms: i64) -> Vec<Struct> {
        (0..job.instances).map(|instance| self.task(job, instance, started_ms + i64::from(instance) * 700)).collect()
    }

    fn task(&mut self, job: &Job, instance: i32, started_ms: i64) -> Struct {
        let at = self.random.usize(..self.hosts.len());
        let (host, agent) = self.hosts.get(at).cloned().unwrap_or_default();
        let uuid = uuid_from(&mut self.random);
        let id = format!("{}-{}-{}-{instance}-{uuid}", job.role, job.environment, job.name);
        let ports = Map {
            key: TType::String,
            value: TType::I32,
            entries: vec![(Value::from("http"), Value::I32(self.random.i32(31_000..32_000)))],
        };
        let assigned = Struct::new()
            .with(1, id)
            .with(2, agent)
            .with(3, host)
            .with(4, task_config(job, true))
            .with(5, Value::Map(ports))
            .with(6, instance);
        let events = Value::List(Seq { elem: TType::Struct, items: Vec::new() });
        let task = Struct::new().with(1, assigned).with(2, status::PENDING).with(3, 0_i32).with(4, events);
        let steps = [(status::PENDING, 0), (status::ASSIGNED, 120), (status::STARTING, 900), (status::RUNNING, 2600)];
        steps.iter().fold(task, |task, (status, after)| with_status(&task, *status, started_ms + after, None))
    }

    /// What happened after the newest backup: a new job, one instance rescheduled, a few that ended.
    fn since(&mut self, state: &State, at_ms: i64) -> Vec<Vec<Struct>> {
        let young = self.tasks(&YOUNG, at_ms);
        let find = |name: &str, instance: i32| {
            state.tasks.values().find(|task| {
                let assigned = task.rec(1);
                let fits = assigned.and_then(|assigned| assigned.get(6)).and_then(Value::as_i32) == Some(instance);
                fits && assigned.and_then(|assigned| assigned.str(1)).is_some_and(|id| id.contains(name))
            })
        };
        let lost = find("search-prod-frontend-", 2);
        let replaced_task = self.task(&OLD[3], 2, at_ms + 4000);
        let ancestor = lost.and_then(|task| task.rec(1)).and_then(|assigned| assigned.str(1)).unwrap_or_default();
        let successor = replaced(&replaced_task, 5, Value::from(ancestor));
        let failed = lost.map(|task| with_status(task, status::FAILED, at_ms + 3000, Some("Command exited with 1")));
        let mut rescheduled: Vec<Struct> = failed.into_iter().collect();
        rescheduled.push(successor);
        let ended = [0, 1].iter().filter_map(|instance| find("media-test-thumbnailer-", *instance));
        let ended = ended.map(|task| with_status(task, status::FINISHED, at_ms + 9000, None)).collect();
        vec![vec![save(young)], vec![save(rescheduled)], vec![save(ended)]]
    }
}

fn key(job: &Job) -> Struct {
    job_key_struct(&(job.role.to_owned(), job.environment.to_owned(), job.name.to_owned()))
}

fn owner(job: &Job) -> Struct {
    Struct::new().with(2, format!("{}-team", job.role))
}

fn host_attributes(host: &str, agent: &str) -> Struct {
    let attribute = |name: &str, value: &str| {
        let values = Value::Set(Seq { elem: TType::String, items: vec![Value::from(value)] });
        Struct::new().with(1, name).with(2, values)
    };
    let rack = if host.ends_with(['1', '2', '3', '4']) { "rack-a" } else { "rack-b" };
    Struct::new()
        .with(1, host)
        .with(2, set(vec![attribute("host", host), attribute("rack", rack)]))
        .with(3, 1_i32)
        .with(4, agent)
}

fn task_config(job: &Job, service: bool) -> Struct {
    let email = format!("{}-oncall@example.com", job.role);
    let production = job.environment == "prod";
    let executor = serde_json::json!({
        "environment": job.environment,
        "role": job.role,
        "name": job.name,
        "task": {
            "name": job.name,
            "processes": [{ "name": job.name, "cmdline": format!("./{} --port {{{{thermos.ports[http]}}}}", job.name) }],
            "resources": { "cpu": job.cpus, "ram": job.ram_mb << 20, "disk": 1_i64 << 30 },
        },
    });
    let container = Struct::new().with(1, Struct::new());
    Struct::new()
        .with(7, Value::Bool(service))
        .with(11, 0_i32)
        .with(13, 1_i32)
        .with(17, owner(job))
        .with(18, Value::Bool(production))
        .with(20, set(Vec::new()))
        .with(23, email)
        .with(25, Struct::new().with(1, "AuroraExecutor").with(2, executor.to_string()))
        .with(27, set(Vec::new()))
        .with(28, key(job))
        .with(29, container)
        .with(30, if production { "preferred" } else { "preemptible" })
        .with(32, set(resources(job.cpus, job.ram_mb, 1024)))
        .with(33, set(Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::practice::scheduler::task_status;

    const NOW: i64 = 1_795_363_857_000;

    #[test]
    fn a_seed_makes_one_history() {
        let make = |seed| history(Scenario::CorruptLog, seed, 60.0, 3, NOW);
        assert_eq!(make(7), make(7));
        assert_ne!(make(7).framework_id, make(8).framework_id);
    }

    #[test]
    fn the_history_has_what_a_recovery_is_about() {
        let told = history(Scenario::CorruptLog, 1, 60.0, 3, NOW);
        let newest = State::from_snapshot(&told.backups.last().unwrap().snapshot);
        let running = |state: &State| {
            let tasks = state.tasks.iter().filter(|(_, task)| task_status(task) == status::RUNNING);
            tasks.map(|(id, _)| id.clone()).collect::<std::collections::BTreeSet<_>>()
        };
        let (before, after) = (running(&newest), running(&told.state));
        assert!(before.len() >= 38, "{}", before.len());
        assert_eq!(after.difference(&before).count(), 4, "three of a new job and one rescheduled");
        assert_eq!(before.difference(&after).count(), 3, "one failed and two ended");
        assert_eq!(newest.crons.len(), 2);
        assert!(told.backups.windows(2).all(|pair| pair[0].at_ms + 60_000 <= pair[1].at_ms));
        let stale = history(Scenario::StaleBackup, 1, 60.0, 3, NOW).backups.last().unwrap().at_ms;
        assert_eq!(NOW - stale, STALE.as_millis() as i64);
    }
}
