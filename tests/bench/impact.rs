//! How long it takes to say what restoring a backup of a million tasks would do to a million that run, and in how much memory.
//!
//! The backup and the master's answer are made as they are read, so that what is measured is what the program keeps: the answer of a master
//! with a million tasks is half a gigabyte, and a million ids alone are 80 MB. One task in fifty was started since the backup, one in fifty is
//! gone. The reading of the answer is a figure of its own, from memory as well as from a stream.

use std::{error::Error, fmt::Write as _, io::Read, time::Duration};

use firstlight::{
    aurora::{brief::TaskBrief, types::ScheduleStatus},
    impact::{BackupSide, CsvOf, Fate, LiveSide, assess, outcome, predict},
    mesos::state::MasterState,
};

#[path = "made.rs"]
#[expect(dead_code, reason = "writing a whole backup is the other bench's")]
mod made;

use made::{FRAMEWORK, MadeTask, Size, TAKEN_MS, mixed};

const TASKS: u64 = 1_000_000;
const AIM: Duration = Duration::from_secs(3);
/// One task in so many was started after the backup, and one in so many is gone since.
const CHANGED: u64 = 50;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let tasks = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(TASKS);
    let size = Size::of_tasks(tasks);
    let at_rest = resident()?;
    let (backup, took) = timed(|| backup(size));
    println!("fill the backup's side: {took:.1?}, {} tasks, {} MB more", backup.tasks.len(), resident()? - at_rest);

    let before = resident()?;
    let (state, took) = timed(|| MasterState::from_reader(State::new(size)));
    let state = state?;
    println!("read /state from a stream that is made meanwhile: {took:.1?}, {} MB more", resident()? - before);
    let mut bytes = Vec::new();
    State::new(size).read_to_end(&mut bytes)?;
    let (again, took) = timed(|| MasterState::from_slice(&bytes));
    println!("read /state from memory: {took:.1?}, {} MB of JSON", bytes.len() >> 20);
    if again? != state {
        return Err("a stream reads otherwise than a whole".into());
    }
    drop(bytes);

    let live = LiveSide { at_ms: Some(TAKEN_MS + 3_600_000), ..LiveSide::of_master(state) };
    let before = resident()?;
    let (impact, took) = timed(|| assess(&backup, &live));
    println!("assess: {took:.1?}, {} MB more; {}", resident()? - before, impact.headline());
    let assessed = took;
    for (fate, count) in impact.counts.some() {
        println!("  {count:>9} {}", fate.name());
    }
    let ((_, prediction), took) = timed(|| predict(&backup, &live));
    let json = serde_json::to_vec(&prediction)?;
    println!("assess and predict: {took:.1?}, {} MB of JSON", json.len() >> 20);
    let (outcome, took) = timed(|| outcome::compare(&prediction, &live));
    println!("compare with what happened: {took:.1?}; {} still run", outcome.still_alive.count);
    let (text, took) = timed(|| impact.to_text(80));
    println!("text: {took:.1?}, {} lines", text.lines().count());
    let (csv, took) = timed(|| impact.to_csv(CsvOf::Tasks));
    println!("csv: {took:.1?}, {} rows", csv.lines().count());
    println!("peak of the whole program, the answer in memory included: {} MB", peak()?);
    if impact.counts.of(Fate::Killed) == 0 || impact.counts.of(Fate::Restarted) == 0 {
        return Err("nothing was compared".into());
    }
    if assessed > AIM && !cfg!(debug_assertions) {
        return Err(format!("took longer than {AIM:?}").into());
    }
    Ok(())
}

/// What it took of a core: on a machine with other work, time on the wall is that of the others.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = on_core();
    let done = work();
    (done, on_core().saturating_sub(start))
}

/// Time on cores of this program since its start, in steps of ten milliseconds.
fn on_core() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(ticks * 10)
}

fn backup(size: Size) -> BackupSide {
    let mut side =
        BackupSide { timestamp_ms: Some(TAKEN_MS), framework_id: Some(FRAMEWORK.to_owned()), ..BackupSide::default() };
    for index in 0..size.tasks {
        let task = made::task(index, size);
        side.add(&TaskBrief {
            id: &task.id,
            role: &task.role,
            environment: task.environment,
            name: &task.name,
            instance: task.instance,
            status: ScheduleStatus::from_code(task.status),
            host: Some(&task.host),
            agent_id: Some(&task.agent_id),
            contact_email: Some("owner@example.org"),
            cpus: Some(1.0),
            ram_mb: Some(1024),
            disk_mb: Some(4096),
            is_service: true,
            ..TaskBrief::default()
        });
    }
    side
}

/// A master's answer, made as it is read.
struct State {
    size: Size,
    next: u64,
    is_first: bool,
    text: String,
    given: usize,
}

impl State {
    fn new(size: Size) -> Self {
        let text = format!(
            r#"{{"version":"1.6.1","leader":"master@10.0.0.1:5050","pid":"master@10.0.0.1:5050","frameworks":[{{"id":"{FRAMEWORK}","name":"Aurora","active":false,"connected":false,"failover_timeout":1814400.0,"unregistered_time":1795363500.5,"tasks":["#
        );
        Self { size, next: 0, is_first: true, text, given: 0 }
    }

    fn more(&mut self) {
        self.text.clear();
        self.given = 0;
        while self.next < self.size.tasks && self.text.len() < 1 << 16 {
            let index = self.next;
            self.next += 1;
            let mut task = made::task(index, self.size);
            match mixed(index ^ 0xfeed) % CHANGED {
                0 => continue,
                1 => task.id.replace_range(task.id.len() - 4.., "beef"),
                _ if task.status != 2 => continue,
                _ => {}
            }
            let comma = if std::mem::take(&mut self.is_first) { "" } else { "," };
            self.put(comma, &task);
        }
        if self.next == self.size.tasks {
            self.next += 1;
            self.text.push_str(r#"],"completed_tasks":[],"offers":[]}],"slaves":["#);
            for host in 0..self.size.hosts {
                let comma = if host == 0 { "" } else { "," };
                let _ = write!(
                    self.text,
                    r#"{comma}{{"id":"5a4ba2f2-9c1e-4b0e-8f65-d5c41c23bd4e-S{host}","hostname":"agent-{host:05}.example.org","active":true}}"#
                );
            }
            self.text.push_str("]}");
        }
    }

    fn put(&mut self, comma: &str, task: &MadeTask) {
        let MadeTask { id, role, environment, name, agent_id, .. } = task;
        let _ = write!(
            self.text,
            r#"{comma}{{"executor_id":"thermos-{id}","framework_id":"{FRAMEWORK}","id":"{id}","labels":[{{"key":"org.apache.aurora.tier","value":"preferred"}}],"name":"{role}/{environment}/{name}","resources":{{"cpus":1.0,"disk":4096.0,"gpus":0.0,"mem":1024.0,"ports":"[31000-31000]"}},"role":"*","slave_id":"{agent_id}","state":"TASK_RUNNING","statuses":[{{"container_status":{{"network_infos":[{{"ip_addresses":[{{"ip_address":"10.0.0.9"}}]}}]}},"state":"TASK_STARTING","timestamp":1795363400.25}},{{"state":"TASK_RUNNING","timestamp":1795363401.5}}]}}"#
        );
    }
}

impl Read for State {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.given == self.text.len() {
            self.more();
        }
        let rest = self.text.as_bytes().get(self.given..).unwrap_or_default();
        let count = rest.len().min(into.len());
        if let (Some(into), Some(from)) = (into.get_mut(..count), rest.get(..count)) {
            into.copy_from_slice(from);
        }
        self.given += count;
        Ok(count)
    }
}

/// Resident memory, in MB.
fn resident() -> Result<i64> {
    status("VmRSS:")
}

fn peak() -> Result<i64> {
    status("VmHWM:")
}

fn status(name: &str) -> Result<i64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find(|line| line.starts_with(name)).ok_or("no such line")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse::<i64>()? / 1024)
}
