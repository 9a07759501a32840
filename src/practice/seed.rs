//! What a new practice cluster has lived through: jobs, tasks, quotas, hosts, and what happened
//! since the newest backup. The same seed and the same moment make the same history. Pure.
//!
//! The newest backup catches the cluster in the middle of things, as real ones do: tasks that wait, start, drain and
//! end, job updates on their way, a host under maintenance. What became of each is told by `since`.

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
/// The last of them is under maintenance while the newest backup is made.
const DRAINED_HOST: usize = HOSTS - 1;
/// `MaintenanceMode`
mod mode {
    pub const NONE: i32 = 1;
    pub const DRAINING: i32 = 3;
}
/// `JobUpdateStatus`
mod update_status {
    pub const ROLLING_FORWARD: i32 = 0;
    pub const ROLLED_FORWARD: i32 = 4;
}

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
/// Waits for an agent while the newest backup is made, and runs since.
const WAITING: Job = job("search", "prod", "reindex", 1, 2.0, 4096);
/// Is on its way to an agent while the newest backup is made, and runs since.
const ASSIGNED: Job = job("media", "prod", "packager", 1, 1.0, 1024);
/// Is being ended while the newest backup is made, and is gone since.
const ENDING: Job = job("ops", "test", "loadgen", 1, 0.5, 512);
/// Is being moved off a host while the newest backup is made, and runs elsewhere since.
const MOVED: Job = job("search", "staging1", "exporter", 1, 0.5, 1024);
/// The job whose update is on its way in the newest backup, and is over since; and its last instance.
const UPDATED: (&Job, i32) = (&OLD[4], 3);
/// The job whose update is on its way in the newest backup, and is so still.
const UPDATING: &Job = &OLD[7];
/// Quotas of roles, as processors.
const QUOTAS: [(&str, f64); 4] = [("payments", 40.0), ("search", 60.0), ("media", 40.0), ("ops", 10.0)];
/// One of them since the newest backup.
const NEW_QUOTA: (&str, f64) = ("payments", 56.0);
/// The first cron job's schedule since the newest backup.
const NEW_SCHEDULE: &str = "45 4 * * *";
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
        if index == 0 {
            teller.busy(&mut state, at_ms);
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
    /// How many of the hosts take tasks.
    open_hosts: usize,
}

/// How a task comes to run, in milliseconds after its beginning.
const TO_RUNNING: [(i32, i64); 4] =
    [(status::PENDING, 0), (status::ASSIGNED, 120), (status::STARTING, 900), (status::RUNNING, 2600)];

impl Teller {
    fn new(seed: u64, now_ms: i64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let master = uuid_from(&mut random);
        let hosts = (1..=HOSTS).map(|at| (format!("agent-{at:02}"), format!("{master}-S{at}"))).collect();
        Self { random, now_ms, framework_id: format!("{master}-0000"), hosts, open_hosts: DRAINED_HOST }
    }

    fn old_state(&mut self) -> State {
        let mut state = State { framework_id: Some(self.framework_id.clone()), ..State::default() };
        for (host, agent) in &self.hosts {
            state.hosts.insert(host.clone(), host_attributes(host, agent, mode::NONE));
        }
        for (role, cpus) in QUOTAS {
            apply(&mut state, save_quota(role, cpus));
        }
        for (job, schedule) in &CRONS {
            apply(&mut state, save_cron(job, schedule));
        }
        for job in &OLD {
            let started = self.now_ms - DAY_MS * self.random.i64(2..9) - self.random.i64(0..DAY_MS);
            let tasks = self.tasks(job, started);
            apply(&mut state, save(tasks));
        }
        let ended = self.tasks(&OLD[5], self.now_ms - DAY_MS);
        let ended = ended.iter().map(|task| with_status(task, status::FINISHED, self.now_ms - DAY_MS / 2, None));
        apply(&mut state, save(ended.collect()));
        let at = self.now_ms - DAY_MS;
        for op in self.update(&OLD[0], at).into_iter().chain([update_event(
            &OLD[0],
            update_status::ROLLED_FORWARD,
            at + 240_000,
        )]) {
            apply(&mut state, op);
        }
        state
    }

    /// What is on its way while the newest backup is made.
    fn busy(&mut self, state: &mut State, at_ms: i64) {
        let begun = at_ms - 20_000;
        for job in [UPDATED.0, UPDATING] {
            for op in self.update(job, begun) {
                apply(state, op);
            }
        }
        let (host, agent) = self.hosts.get(DRAINED_HOST).cloned().unwrap_or_default();
        apply(state, save_host(host_attributes(&host, &agent, mode::DRAINING)));
        let request = Struct::new().with(1, host).with(2, no_sla()).with(3, 1800_i64).with(4, begun);
        apply(state, Struct::new().with(19, Struct::new().with(1, request)));
        let [pending, assigned, ..] = TO_RUNNING;
        let waiting = self.task_at(&WAITING, 0, begun, None, &[pending]);
        let at = self.random.usize(..self.open_hosts);
        let starting = self.task_at(&ASSIGNED, 0, at_ms - 900, Some(at), &[pending, assigned]);
        let old = self.now_ms - DAY_MS * 3;
        let ending =
            with_status(&self.task(&ENDING, 0, old), status::KILLING, at_ms - 1500, Some("Killed by practice"));
        let moved = self.task_at(&MOVED, 0, old, Some(DRAINED_HOST), &TO_RUNNING);
        let moved = with_status(&moved, status::DRAINING, at_ms - 1000, Some("Draining machine for maintenance."));
        apply(state, save(vec![waiting, starting, ending, moved]));
    }

    /// An update that has begun.
    fn update(&mut self, job: &Job, at_ms: i64) -> Vec<Struct> {
        let instances = set(vec![Struct::new().with(1, 0_i32).with(2, job.instances - 1)]);
        let config = |config: Struct| Struct::new().with(1, config).with(2, instances.clone());
        let settings = Struct::new()
            .with(1, 1_i32)
            .with(2, 0_i32)
            .with(3, 0_i32)
            .with(5, 45_000_i32)
            .with(6, Value::Bool(true))
            .with(7, set(Vec::new()))
            .with(8, Value::Bool(false))
            .with(9, 0_i32)
            .with(10, Value::Bool(false))
            .with(11, Struct::new().with(1, Struct::new().with(1, 1_i32)));
        let before = replaced(&task_config(job, true), 11, Value::I32(1));
        let instructions =
            Struct::new().with(1, set(vec![config(before)])).with(2, config(task_config(job, true))).with(3, settings);
        let summary =
            Struct::new().with(3, format!("{}-team", job.role)).with(5, update_key(job)).with(6, set(Vec::new()));
        let update = Struct::new().with(1, summary).with(2, instructions);
        let instance = Struct::new().with(1, 0_i32).with(2, at_ms + 60).with(3, 3_i32);
        let instance = Struct::new().with(1, instance).with(3, update_key(job));
        vec![
            Struct::new().with(14, Struct::new().with(1, update)),
            update_event(job, update_status::ROLLING_FORWARD, at_ms),
            Struct::new().with(16, instance),
        ]
    }

    /// The running tasks of a job.
    fn tasks(&mut self, job: &Job, started_ms: i64) -> Vec<Struct> {
        (0..job.instances).map(|instance| self.task(job, instance, started_ms + i64::from(instance) * 700)).collect()
    }

    fn task(&mut self, job: &Job, instance: i32, started_ms: i64) -> Struct {
        let at = self.random.usize(..self.open_hosts);
        self.task_at(job, instance, started_ms, Some(at), &TO_RUNNING)
    }

    /// A task on this host that went through these states.
    fn task_at(
        &mut self,
        job: &Job,
        instance: i32,
        started_ms: i64,
        host: Option<usize>,
        steps: &[(i32, i64)],
    ) -> Struct {
        let uuid = uuid_from(&mut self.random);
        let id = format!("{}-{}-{}-{instance}-{uuid}", job.role, job.environment, job.name);
        let mut assigned = Struct::new().with(1, id);
        let port = Value::I32(self.random.i32(31_000..32_000));
        if let Some((host, agent)) = host.and_then(|host| self.hosts.get(host)) {
            assigned = assigned.with(2, agent.as_str()).with(3, host.as_str());
        }
        assigned = assigned.with(4, task_config(job, true));
        if host.is_some() {
            let ports = Map { key: TType::String, value: TType::I32, entries: vec![(Value::from("http"), port)] };
            assigned = assigned.with(5, Value::Map(ports));
        }
        let events = Value::List(Seq { elem: TType::Struct, items: Vec::new() });
        let task =
            Struct::new().with(1, assigned.with(6, instance)).with(2, status::PENDING).with(3, 0_i32).with(4, events);
        steps.iter().fold(task, |task, (status, after)| with_status(&task, *status, started_ms + after, None))
    }

    /// What happened after the newest backup: a new job, instances that were replaced, a few that ended, what was on
    /// its way has arrived, and an administrator changed a schedule and a quota.
    fn since(&mut self, state: &State, at_ms: i64) -> Vec<Vec<Struct>> {
        self.open_hosts = HOSTS;
        let young = self.tasks(&YOUNG, at_ms);
        let mut changed = self.replaced_instances(state, at_ms);
        if let Some(task) = find(state, &ENDING, 0) {
            changed.push(with_status(task, status::KILLED, at_ms - 900, Some("Command terminated with signal Killed")));
        }
        changed.extend(self.arrived(state, at_ms));
        let ended = [0, 1].iter().filter_map(|instance| find(state, &OLD[6], *instance));
        let ended = ended.map(|task| with_status(task, status::FINISHED, at_ms + 9000, None)).collect();
        let (host, agent) = self.hosts.get(DRAINED_HOST).cloned().unwrap_or_default();
        let administered = vec![
            save_host(host_attributes(&host, &agent, mode::NONE)),
            Struct::new().with(20, Struct::new().with(1, host)),
            save_cron(&CRONS[0].0, NEW_SCHEDULE),
            save_quota(NEW_QUOTA.0, NEW_QUOTA.1),
            update_event(UPDATED.0, update_status::ROLLED_FORWARD, at_ms + 5000),
        ];
        vec![vec![save(young)], vec![save(changed)], vec![save(ended)], administered]
    }

    /// One failed, one was moved off its host, one was updated: each with what runs in its place.
    fn replaced_instances(&mut self, state: &State, at_ms: i64) -> Vec<Struct> {
        let mut changed = Vec::new();
        let cases = [
            (&OLD[3], 2, status::FAILED, "Command exited with 1", true),
            (&MOVED, 0, status::KILLED, "Command terminated with signal Killed", true),
            (UPDATED.0, UPDATED.1, status::KILLED, "Killed for job update.", false),
        ];
        for (job, instance, over, why, rescheduled) in cases {
            let Some(task) = find(state, job, instance) else { continue };
            let ancestor = task.rec(1).and_then(|assigned| assigned.str(1)).unwrap_or_default();
            let mut successor = self.task(job, instance, at_ms + 4000);
            if rescheduled {
                successor = replaced(&successor, 5, Value::from(ancestor));
            }
            changed.extend([with_status(task, over, at_ms + 3000, Some(why)), successor]);
        }
        changed
    }

    /// What waited or was assigned runs, under its old id.
    fn arrived(&mut self, state: &State, at_ms: i64) -> Vec<Struct> {
        let (host, agent) = self.hosts.first().cloned().unwrap_or_default();
        let mut changed = Vec::new();
        if let Some(task) = find(state, &WAITING, 0) {
            let assigned = task.rec(1).cloned().unwrap_or_default();
            let assigned = replaced(&replaced(&assigned, 2, Value::from(agent)), 3, Value::from(host));
            let task = with_status(&replaced(task, 1, assigned.into()), status::ASSIGNED, at_ms, None);
            changed.push(with_status(&task, status::RUNNING, at_ms + 2500, None));
        }
        if let Some(task) = find(state, &ASSIGNED, 0) {
            changed.push(with_status(task, status::RUNNING, at_ms, None));
        }
        changed
    }
}

/// The active task of this instance.
fn find<'a>(state: &'a State, job: &Job, instance: i32) -> Option<&'a Struct> {
    let prefix = format!("{}-{}-{}-{instance}-", job.role, job.environment, job.name);
    let active = |task: &Struct| task.get(2).and_then(Value::as_i32).is_some_and(|own| status::ACTIVE.contains(&own));
    state.tasks.iter().find(|(id, task)| id.starts_with(&prefix) && active(task)).map(|(_, task)| task)
}

fn save_quota(role: &str, cpus: f64) -> Struct {
    let quota = Struct::new().with(4, set(resources(cpus, cpus as i64 * 4096, cpus as i64 * 16_384)));
    Struct::new().with(8, Struct::new().with(1, role).with(2, quota))
}

fn save_cron(job: &Job, schedule: &str) -> Struct {
    let config = Struct::new()
        .with(4, schedule)
        .with(5, 1_i32)
        .with(6, task_config(job, false))
        .with(7, owner(job))
        .with(8, job.instances)
        .with(9, key(job));
    Struct::new().with(2, Struct::new().with(2, config))
}

fn save_host(attributes: Struct) -> Struct {
    Struct::new().with(10, Struct::new().with(1, attributes))
}

fn update_key(job: &Job) -> Struct {
    // The same in every cluster, so that it can be looked for.
    let id = format!("update-of-{}-{}-{}", job.role, job.environment, job.name);
    Struct::new().with(1, key(job)).with(2, id)
}

fn update_event(job: &Job, status: i32, at_ms: i64) -> Struct {
    let event = Struct::new().with(1, status).with(2, at_ms).with(3, format!("{}-team", job.role));
    Struct::new().with(15, Struct::new().with(1, event).with(3, update_key(job)))
}

/// `SlaPolicy` of hosts that are drained: 95 of 100 over half an hour, as the administrator's tool has it.
fn no_sla() -> Struct {
    let percentage = Struct::new().with(1, Value::Double(95.0)).with(2, 1800_i64);
    Struct::new().with(1, percentage)
}

fn key(job: &Job) -> Struct {
    job_key_struct(&(job.role.to_owned(), job.environment.to_owned(), job.name.to_owned()))
}

fn owner(job: &Job) -> Struct {
    Struct::new().with(2, format!("{}-team", job.role))
}

fn host_attributes(host: &str, agent: &str, mode: i32) -> Struct {
    let attribute = |name: &str, value: &str| {
        let values = Value::Set(Seq { elem: TType::String, items: vec![Value::from(value)] });
        Struct::new().with(1, name).with(2, values)
    };
    let rack = if host.ends_with(['1', '2', '3', '4']) { "rack-a" } else { "rack-b" };
    Struct::new()
        .with(1, host)
        .with(2, set(vec![attribute("host", host), attribute("rack", rack)]))
        .with(3, mode)
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
        let new = after.difference(&before).filter(|id| !newest.tasks.contains_key(*id)).count();
        assert_eq!(new, 6, "three of a new job, one rescheduled, one moved, one updated");
        let old = after.difference(&before).filter(|id| newest.tasks.contains_key(*id));
        let old: Vec<i32> = old.map(|id| task_status(&newest.tasks[id])).collect();
        assert_eq!(old, [status::ASSIGNED, status::PENDING], "on their way at the time of the backup");
        assert_eq!(before.difference(&after).count(), 4, "one failed, one updated and two ended");
        let of = |state: &State, wanted| state.tasks.values().filter(|task| task_status(task) == wanted).count();
        assert_eq!((of(&newest, status::KILLING), of(&told.state, status::KILLING)), (1, 0));
        assert_eq!((of(&newest, status::DRAINING), of(&told.state, status::DRAINING)), (1, 0));
        assert_eq!((newest.maintenance.len(), told.state.maintenance.len()), (1, 0));
        assert_eq!((newest.active_updates().len(), told.state.active_updates().len()), (2, 1));
        assert_eq!((newest.updates.len(), told.state.updates.len()), (3, 3));
        assert_ne!(newest.quotas, told.state.quotas);
        assert_ne!(newest.crons, told.state.crons);
        assert_eq!(newest.crons.len(), 2);
        assert!(told.backups.windows(2).all(|pair| pair[0].at_ms + 60_000 <= pair[1].at_ms));
        let stale = history(Scenario::StaleBackup, 1, 60.0, 3, NOW).backups.last().unwrap().at_ms;
        assert_eq!(NOW - stale, STALE.as_millis() as i64);
    }
}
