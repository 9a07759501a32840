//! From JSON to the state, piece by piece: what is not kept is stepped over, and no list is held twice.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::{BufReader, Read},
    marker::PhantomData,
};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
};

use super::{
    model::{Agents, Framework, MasterState, Standing},
    tasks::{TaskRef, TaskState, Tasks},
};

/// Bytes of an id, a name or another text that is kept. Mesos itself refuses ids longer than 255.
pub const TEXT_BYTES_MAX: usize = 4096;
/// Bytes of all labels of one task that are kept.
const LABEL_BYTES_MAX: usize = 64 << 10;
/// Frameworks that are kept; a busy cluster has dozens, and 50 removed ones.
const FRAMEWORKS_MAX: usize = 10_000;
/// Agents that are kept; the largest clusters have some ten thousand.
const AGENTS_MAX: usize = 1_000_000;
/// Tasks of one framework that are kept.
const TASKS_MAX: usize = 20_000_000;

/// Bytes that are asked of a stream at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Why an answer is not a state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Not JSON, cut short, or JSON of another shape.
    #[error("the master's state cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON without a list of frameworks.
    #[error("the answer lists no frameworks: it is not the state of a Mesos master")]
    NoFrameworks,
}

impl MasterState {
    /// Reads a whole answer.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, StateError> {
        serde_json::from_slice::<RawState>(bytes)?.checked()
    }

    /// Reads an answer as it comes. The caller limits how much that is.
    pub fn from_reader(reader: impl Read) -> Result<Self, StateError> {
        // The reader of JSON asks for single bytes.
        serde_json::from_reader::<_, RawState>(BufReader::with_capacity(BUFFER_BYTES, reader))?.checked()
    }
}

#[derive(Deserialize)]
struct RawState {
    version: Option<Text>,
    id: Option<Text>,
    pid: Option<Text>,
    leader: Option<Text>,
    cluster: Option<Text>,
    elected_time: Option<f64>,
    #[serde(default)]
    slaves: RawAgents,
    #[serde(default)]
    recovered_slaves: Count,
    frameworks: Option<Several<RawFramework>>,
    #[serde(default)]
    completed_frameworks: Several<RawFramework>,
    /// Ids; up to 1.1 the frameworks that have not come back after a failover of the master.
    #[serde(default)]
    unregistered_frameworks: Several<Text>,
    #[serde(default)]
    orphan_tasks: Orphans,
}

impl RawState {
    fn checked(self) -> Result<MasterState, StateError> {
        let listed = self.frameworks.ok_or(StateError::NoFrameworks)?;
        let mut frameworks: Vec<Framework> = listed.0.into_iter().map(|raw| raw.framework(Presence::Listed)).collect();
        let mut orphans = self.orphan_tasks.0;
        let known: BTreeSet<String> = frameworks.iter().map(|one| one.id.clone()).collect();
        let returning = self.unregistered_frameworks.0.into_iter().map(|Text(id)| id);
        let returning: BTreeSet<String> = returning.chain(orphans.keys().cloned()).collect();
        for id in returning.difference(&known) {
            frameworks.push(Framework {
                id: id.clone(),
                // The master has not been told its name yet.
                name: String::new(),
                hostname: None,
                webui_url: None,
                standing: Standing::Recovered,
                registered_ms: None,
                reregistered_ms: None,
                unregistered_ms: None,
                failover_timeout_secs: None,
                tasks: orphans.remove(id).unwrap_or_default(),
                completed_tasks: 0,
            });
        }
        let removed = self.completed_frameworks.0.into_iter().map(|raw| raw.framework(Presence::Completed));
        // One that was removed and is there again under its id counts as there.
        frameworks.extend(removed.filter(|one| !known.contains(&one.id)));
        Ok(MasterState {
            version: text(self.version),
            id: text(self.id),
            pid: text(self.pid),
            leader: text(self.leader),
            cluster: text(self.cluster),
            elected_ms: millis(self.elected_time),
            agents: Agents(self.slaves.0),
            agents_missing: self.recovered_slaves.0,
            frameworks,
        })
    }
}

#[derive(Clone, Copy)]
enum Presence {
    Listed,
    Completed,
}

#[derive(Deserialize)]
struct RawFramework {
    #[serde(default)]
    id: Text,
    #[serde(default)]
    name: Text,
    hostname: Option<Text>,
    webui_url: Option<Text>,
    active: Option<bool>,
    connected: Option<bool>,
    recovered: Option<bool>,
    registered_time: Option<f64>,
    reregistered_time: Option<f64>,
    unregistered_time: Option<f64>,
    failover_timeout: Option<f64>,
    #[serde(default)]
    tasks: Tasks,
    #[serde(default)]
    unreachable_tasks: Tasks,
    #[serde(default)]
    completed_tasks: Count,
}

impl RawFramework {
    fn framework(self, presence: Presence) -> Framework {
        let mut tasks = self.tasks;
        for task in self.unreachable_tasks.iter() {
            // Both came through the same limits; together they can only exceed them by being counted.
            if tasks.add(&task).is_err() {
                tasks.odd += 1;
            }
        }
        tasks.odd += self.unreachable_tasks.odd;
        let standing = match (presence, self.active, self.connected) {
            (Presence::Completed, _, _) => Standing::Removed,
            _ if self.recovered == Some(true) => Standing::Recovered,
            (_, Some(true), None | Some(true)) => Standing::Active,
            (_, Some(false), Some(true)) => Standing::Inactive,
            _ => Standing::Disconnected,
        };
        Framework {
            id: self.id.0,
            name: self.name.0,
            hostname: text(self.hostname),
            webui_url: text(self.webui_url),
            standing,
            registered_ms: millis(self.registered_time),
            reregistered_ms: millis(self.reregistered_time),
            unregistered_ms: millis(self.unregistered_time),
            failover_timeout_secs: self.failover_timeout,
            tasks,
            completed_tasks: self.completed_tasks.0,
        }
    }
}

/// Seconds since the epoch to milliseconds; masters write 0 for "never".
fn millis(seconds: Option<f64>) -> Option<i64> {
    seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0).map(|seconds| (seconds * 1000.0).round() as i64)
}

fn text(text: Option<Text>) -> Option<String> {
    text.map(|Text(text)| text).filter(|text| !text.is_empty())
}

/// A text that is not longer than what is kept.
#[derive(Default)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = Borrowed::<'de>::deserialize(deserializer)?.0;
        if found.len() > TEXT_BYTES_MAX {
            return Err(D::Error::custom(format!("a text of {} bytes", found.len())));
        }
        Ok(Self(found.into_owned()))
    }
}

/// A text, copied only where it has escapes or comes from a stream. `null` is an empty one.
#[derive(Default)]
struct Borrowed<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Borrowed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taker;
        impl<'de> Visitor<'de> for Taker {
            type Value = Borrowed<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Owned(text)))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Borrowed::default())
            }
        }
        deserializer.deserialize_any(Taker)
    }
}

/// Walks a list; `null` is an empty one.
fn each<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    what: &'static str,
    limit: usize,
    take: impl FnMut(T) -> Result<(), String>,
) -> Result<(), D::Error> {
    struct Walk<T, F> {
        what: &'static str,
        limit: usize,
        take: F,
        of: PhantomData<T>,
    }
    impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), String>> Visitor<'de> for Walk<T, F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of {}", self.what)
        }

        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
            let mut count = 0;
            while let Some(item) = list.next_element()? {
                count += 1;
                if count > self.limit {
                    return Err(A::Error::custom(format!("more than {} {}", self.limit, self.what)));
                }
                (self.take)(item).map_err(A::Error::custom)?;
            }
            Ok(())
        }
    }
    deserializer.deserialize_any(Walk { what, limit, take, of: PhantomData })
}

struct Several<T>(Vec<T>);

impl<T> Default for Several<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Several<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut several = Vec::new();
        each(deserializer, "frameworks", FRAMEWORKS_MAX, |one| {
            several.push(one);
            Ok(())
        })?;
        Ok(Self(several))
    }
}

/// How many, of whatever.
#[derive(Default)]
struct Count(u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut count = 0;
        each(deserializer, "entries", usize::MAX, |_: IgnoredAny| {
            count += 1;
            Ok(())
        })?;
        Ok(Self(count))
    }
}

#[derive(Default)]
struct RawAgents(BTreeMap<String, String>);

#[derive(Deserialize)]
struct RawAgent {
    #[serde(default)]
    id: Text,
    #[serde(default)]
    hostname: Text,
}

impl<'de> Deserialize<'de> for RawAgents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut agents = BTreeMap::new();
        each(deserializer, "agents", AGENTS_MAX, |agent: RawAgent| {
            agents.insert(agent.id.0, agent.hostname.0);
            Ok(())
        })?;
        Ok(Self(agents))
    }
}

#[derive(Deserialize)]
struct RawTask<'a> {
    #[serde(borrow, default)]
    id: Borrowed<'a>,
    #[serde(borrow, default)]
    name: Borrowed<'a>,
    #[serde(borrow, default)]
    framework_id: Borrowed<'a>,
    #[serde(borrow, default)]
    slave_id: Borrowed<'a>,
    #[serde(borrow, default)]
    state: Borrowed<'a>,
    resources: Option<RawResources>,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    statuses: Newest,
}

#[derive(Deserialize)]
struct RawResources {
    cpus: Option<f64>,
    mem: Option<f64>,
    disk: Option<f64>,
}

impl RawTask<'_> {
    fn add_to(&self, tasks: &mut Tasks) -> Result<(), String> {
        let fits = |text: &Borrowed<'_>| text.0.len() <= TEXT_BYTES_MAX;
        if self.id.0.is_empty() || !fits(&self.id) || !fits(&self.name) || !fits(&self.slave_id) {
            tasks.odd += 1;
            return Ok(());
        }
        let resources = self.resources.as_ref();
        let task = TaskRef {
            id: &self.id.0,
            name: &self.name.0,
            state: TaskState::from_word(&self.state.0),
            agent_id: &self.slave_id.0,
            cpus: resources.and_then(|of| of.cpus),
            mem_mb: resources.and_then(|of| of.mem),
            disk_mb: resources.and_then(|of| of.disk),
            labels: &self.labels.0,
            newest_status_ms: millis(self.statuses.0),
        };
        tasks.add(&task).map_err(|full| full.to_string())
    }
}

impl<'de> Deserialize<'de> for Tasks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut tasks = Self::default();
        each(deserializer, "tasks", TASKS_MAX, |task: RawTask<'_>| task.add_to(&mut tasks))?;
        Ok(tasks)
    }
}

/// Tasks of frameworks that have not come back, by framework.
#[derive(Default)]
struct Orphans(BTreeMap<String, Tasks>);

impl<'de> Deserialize<'de> for Orphans {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut orphans: BTreeMap<String, Tasks> = BTreeMap::new();
        each(deserializer, "tasks", TASKS_MAX, |task: RawTask<'_>| {
            let of = &task.framework_id.0;
            if let Some(tasks) = orphans.get_mut(of.as_ref()) {
                return task.add_to(tasks);
            }
            if of.len() > TEXT_BYTES_MAX || orphans.len() >= FRAMEWORKS_MAX {
                return Err("tasks of more frameworks than any cluster has".to_owned());
            }
            task.add_to(orphans.entry(of.to_string()).or_default())
        })?;
        Ok(Self(orphans))
    }
}

/// Labels as lines of `key=value`, up to the limit.
#[derive(Default)]
struct Labels(String);

#[derive(Deserialize)]
struct RawLabel<'a> {
    #[serde(borrow, default)]
    key: Borrowed<'a>,
    #[serde(borrow, default)]
    value: Borrowed<'a>,
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut labels = String::new();
        each(deserializer, "labels", usize::MAX, |label: RawLabel<'_>| {
            let (key, value) = (&label.key.0, &label.value.0);
            // A line end within one would make it two.
            let whole = labels.len() + key.len() + value.len() + 2 <= LABEL_BYTES_MAX;
            if whole && !key.contains('\n') && !value.contains('\n') {
                labels.push_str(key);
                labels.push('=');
                labels.push_str(value);
                labels.push('\n');
            }
            Ok(())
        })?;
        Ok(Self(labels))
    }
}

/// Seconds of the newest of a task's statuses.
#[derive(Default)]
struct Newest(Option<f64>);

#[derive(Deserialize)]
struct RawStatus {
    timestamp: Option<f64>,
}

impl<'de> Deserialize<'de> for Newest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut newest: Option<f64> = None;
        each(deserializer, "statuses", usize::MAX, |status: RawStatus| {
            newest = match (newest, status.timestamp) {
                (Some(before), Some(at)) => Some(before.max(at)),
                (before, at) => before.or(at),
            };
            Ok(())
        })?;
        Ok(Self(newest))
    }
}
