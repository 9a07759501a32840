//! Counts by fate, for everything and for each role, environment and job.

use std::{collections::BTreeMap, fmt::Write as _};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fate::Fate;
use crate::mesos::names::{Amount, Full, Names, Sym};

/// Owners that are listed of a role, an environment or a job.
const OWNERS_MAX: usize = 12;

/// How many tasks have which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FateCounts([u64; Fate::ALL.len()]);

impl FateCounts {
    /// Of this fate.
    pub fn of(&self, fate: Fate) -> u64 {
        self.0.get(fate.index()).copied().unwrap_or(0)
    }

    /// Of every fate for which this is so.
    pub fn sum(&self, so: impl Fn(Fate) -> bool) -> u64 {
        Fate::ALL.into_iter().filter(|fate| so(*fate)).map(|fate| self.of(fate)).sum()
    }

    /// Processes that end because of the restore.
    pub fn kills(&self) -> u64 {
        self.sum(Fate::kills)
    }

    /// Tasks of which it is not known.
    pub fn unknown(&self) -> u64 {
        self.sum(Fate::is_unknown)
    }

    fn add(&mut self, fate: Fate) {
        if let Some(count) = self.0.get_mut(fate.index()) {
            *count += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// Every fate that some task has.
    pub fn some(&self) -> impl Iterator<Item = (Fate, u64)> {
        Fate::ALL.into_iter().map(|fate| (fate, self.of(fate))).filter(|(_, count)| *count > 0)
    }
}

impl Serialize for FateCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Fate::ALL.into_iter().map(|fate| (fate, self.of(fate))))
    }
}

/// For each of many groups: fates that no task has are left out.
pub(super) fn only_some<S: Serializer>(counts: &FateCounts, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.some())
}

impl<'de> Deserialize<'de> for FateCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut counts = Self::default();
        for (fate, number) in BTreeMap::<Fate, u64>::deserialize(deserializer)? {
            if let Some(count) = counts.0.get_mut(fate.index()) {
                *count = number;
            }
        }
        Ok(counts)
    }
}

impl JsonSchema for FateCounts {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FateCounts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<Fate, u64>::json_schema(generator)
    }
}

/// Amounts of resources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// Cores.
    pub cpus: f64,
    /// Memory in MiB.
    pub ram_mb: f64,
    /// Disk in MiB.
    pub disk_mb: f64,
}

impl Resources {
    fn add(&mut self, (cpus, ram_mb, disk_mb): Amount) {
        let sound = |amount: Option<f64>| amount.filter(|amount| amount.is_finite()).unwrap_or(0.0);
        self.cpus += sound(cpus);
        self.ram_mb += sound(ram_mb);
        self.disk_mb += sound(disk_mb);
    }

    fn merge(&mut self, other: &Self) {
        self.add((Some(other.cpus), Some(other.ram_mb), Some(other.disk_mb)));
    }
}

/// Instances of a job, as `0-9,12`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Instances(pub String);

impl Instances {
    /// Of these numbers, in any order.
    pub fn of(numbers: &[i32]) -> Self {
        let mut numbers = numbers.to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        let mut text = String::new();
        let mut put = |first: i32, last: i32| {
            let comma = if text.is_empty() { "" } else { "," };
            let _ = if first == last { write!(text, "{comma}{first}") } else { write!(text, "{comma}{first}-{last}") };
        };
        let mut run: Option<(i32, i32)> = None;
        for number in numbers {
            run = match run {
                Some((first, last)) if last.checked_add(1) == Some(number) => Some((first, number)),
                Some((first, last)) => {
                    put(first, last);
                    Some((number, number))
                }
                None => Some((number, number)),
            };
        }
        if let Some((first, last)) = run {
            put(first, last);
        }
        Self(text)
    }
}

/// A role or an environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// Its name; empty for tasks whose job is not known.
    pub name: String,
    /// Jobs with tasks that run or are cared for.
    pub jobs: u64,
    /// Tasks by fate; a fate that none has is left out.
    #[serde(serialize_with = "only_some")]
    pub counts: FateCounts,
    /// What the tasks have whose process ends.
    pub killed_resources: Resources,
    /// What the tasks ask for that are started again.
    pub restarted_resources: Resources,
    /// Contact e-mails, else users, of its jobs.
    pub owners: Vec<String>,
    /// Owners that are not listed.
    pub owners_more: u64,
}

/// A job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobGroup {
    /// `role/environment/name`.
    pub job: String,
    /// Tasks by fate; a fate that none has is left out.
    #[serde(serialize_with = "only_some")]
    pub counts: FateCounts,
    /// Instances by fate, of the fates that are listed; instances whose number is not known are only counted.
    pub instances: BTreeMap<Fate, Instances>,
    /// What the tasks have whose process ends.
    pub killed_resources: Resources,
    /// What the tasks ask for that are started again.
    pub restarted_resources: Resources,
    /// Contact e-mails, else users.
    pub owners: Vec<String>,
    /// The owners are those of other jobs of the role, because nobody says whose this one is.
    pub owners_by_role: bool,
}

impl JobGroup {
    /// Something happens to a task of it, or nobody knows.
    pub fn is_affected(&self) -> bool {
        self.counts.sum(Fate::is_listed) > 0
    }
}

/// What is counted of one job, or of several.
#[derive(Default)]
pub(super) struct Totals {
    pub counts: FateCounts,
    pub killed_resources: Resources,
    pub restarted_resources: Resources,
    instances: BTreeMap<Fate, Vec<i32>>,
    owners: Vec<Sym>,
    owners_more: u64,
    jobs: u64,
}

impl Totals {
    /// Adds a job.
    pub fn merge(&mut self, job: &Self) {
        self.counts.merge(&job.counts);
        self.killed_resources.merge(&job.killed_resources);
        self.restarted_resources.merge(&job.restarted_resources);
        self.jobs += u64::from(job.counts.sum(|fate| fate != Fate::History) > 0);
        for owner in &job.owners {
            self.owner(*owner);
        }
        self.owners_more += job.owners_more;
    }

    fn owner(&mut self, owner: Sym) {
        if !self.owners.contains(&owner) {
            if self.owners.len() < OWNERS_MAX {
                self.owners.push(owner);
            } else {
                self.owners_more += 1;
            }
        }
    }

    /// Names of the owners, sorted, and how many are not listed.
    pub fn owners(&self, tally: &Tally) -> (Vec<String>, u64) {
        let mut names: Vec<String> = self.owners.iter().map(|owner| tally.owners.get(*owner).to_owned()).collect();
        names.sort();
        (names, self.owners_more)
    }

    pub fn group(&self, name: String, tally: &Tally) -> Group {
        let (owners, owners_more) = self.owners(tally);
        Group {
            name,
            jobs: self.jobs,
            counts: self.counts,
            killed_resources: self.killed_resources,
            restarted_resources: self.restarted_resources,
            owners,
            owners_more,
        }
    }

    pub fn job_group(&self, job: &str, tally: &Tally) -> JobGroup {
        JobGroup {
            job: job.to_owned(),
            counts: self.counts,
            instances: self.instances.iter().map(|(fate, numbers)| (*fate, Instances::of(numbers))).collect(),
            killed_resources: self.killed_resources,
            restarted_resources: self.restarted_resources,
            owners: self.owners(tally).0,
            owners_by_role: false,
        }
    }
}

/// Counts by job.
#[derive(Default)]
pub(super) struct Tally {
    names: Names,
    owners: Names,
    totals: Vec<Totals>,
}

impl Tally {
    pub fn add(
        &mut self,
        job: &str,
        fate: Fate,
        instance: Option<i32>,
        owner: &str,
        amount: Amount,
    ) -> Result<(), Full> {
        let at = self.names.put(job)?.0.index();
        if at >= self.totals.len() {
            self.totals.resize_with(at + 1, Totals::default);
        }
        let owner = if owner.is_empty() { None } else { Some(self.owners.put(owner)?.0) };
        let Some(totals) = self.totals.get_mut(at) else { return Err(Full) };
        totals.counts.add(fate);
        if fate.kills() {
            totals.killed_resources.add(amount);
        }
        if matches!(fate, Fate::Restarted | Fate::Replaced | Fate::PartitionedGone) {
            totals.restarted_resources.add(amount);
        }
        if let Some(instance) = instance.filter(|_| fate.is_listed()) {
            totals.instances.entry(fate).or_default().push(instance);
        }
        if let Some(owner) = owner {
            totals.owner(owner);
        }
        Ok(())
    }

    /// Each job with its counts, in the order in which they were met.
    pub fn jobs(&self) -> impl Iterator<Item = (&str, &Totals)> {
        self.names.iter().zip(&self.totals)
    }

    /// All of them together.
    pub fn totals(&self) -> Totals {
        let mut all = Totals::default();
        for totals in &self.totals {
            all.merge(totals);
        }
        all
    }
}
