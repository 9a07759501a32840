//! What a backup holds beside tasks, each under a name, so that two backups can be held against each other.
//!
//! Of each thing a digest and a few words are kept, not the thing: an update with thousands of events takes a line.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher as _},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aurora::{
    tbinary::encode_struct,
    types::{
        HostAttributes, HostMaintenanceRequest, JobUpdateDetails, MaintenanceMode, QuotaConfiguration, StoredCronJob,
        StoredJobUpdateDetails,
    },
    value::{Struct, Value},
};

/// Things of one kind that are kept to be compared: more than the largest cluster has hosts.
pub const ITEMS_MAX: usize = 200_000;
/// Changes that are listed of each kind; all are counted.
pub const CHANGES_MAX: usize = 1_000;
/// Bytes of a name or a description that are kept.
const WORDS_MAX: usize = 300;

/// A kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKind {
    /// Cron jobs, by job.
    CronJob,
    /// Quotas, by role.
    Quota,
    /// Job updates, by job and id.
    JobUpdate,
    /// Hosts.
    Host,
    /// Locks, by job.
    Lock,
    /// Wishes for maintenance, by host.
    MaintenanceRequest,
}

impl ItemKind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::CronJob, Self::Quota, Self::JobUpdate, Self::Host, Self::Lock, Self::MaintenanceRequest];
}

/// Something that one backup has and the other has not, or has otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemChange {
    /// Its name: a job, a role, a host; an update by job and id.
    pub name: String,
    /// What it is in the first; none if it is not there.
    pub before: Option<String>,
    /// What it is in the second; none if it is not there. The same words on both sides mean that something else of it differs.
    pub after: Option<String>,
}

/// What differs among things of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemChanges {
    /// False if one of the two keeps them where they cannot be read; then nothing is said of them.
    pub compared: bool,
    /// How many the first has.
    pub before: u64,
    /// How many the second has.
    pub after: u64,
    /// Only in the second.
    pub added: u64,
    /// Only in the first.
    pub removed: u64,
    /// In both, and not the same.
    pub changed: u64,
    /// All of these in the order of their names, the first 1,000.
    pub list: Vec<ItemChange>,
    /// How many are not listed.
    pub more: u64,
}

impl ItemChanges {
    /// True if something differs.
    pub fn any(&self) -> bool {
        self.added + self.removed + self.changed > 0
    }
}

#[derive(Debug, Clone)]
struct Item {
    digest: u64,
    words: String,
}

/// The things of one backup.
#[derive(Debug, Clone, Default)]
pub(super) struct Items {
    by_kind: BTreeMap<ItemKind, BTreeMap<String, Item>>,
    /// A kind with more things than are kept.
    pub(super) too_many: Option<ItemKind>,
}

impl Items {
    fn add(&mut self, kind: ItemKind, name: String, words: String, whole: Struct) {
        let of_kind = self.by_kind.entry(kind).or_default();
        let (name, digest) = (cut(name), digest(whole));
        if let Some(other) = of_kind.get_mut(&name) {
            // Sets have no order, so two under one name are one whose digest depends on both alike.
            other.digest = other.digest.wrapping_add(digest);
            "several under this name".clone_into(&mut other.words);
        } else if of_kind.len() < ITEMS_MAX {
            of_kind.insert(name, Item { digest, words: cut(words) });
        } else {
            self.too_many = Some(kind);
        }
    }

    pub(super) fn cron_job(&mut self, job: StoredCronJob) {
        let whole = job.to_struct();
        let config = job.job_configuration.unwrap_or_default();
        let name = config.key.or_else(|| config.task_config.as_ref()?.job_key());
        let schedule = config.cron_schedule.unwrap_or_default();
        let schedule = if schedule.is_empty() { "no schedule".to_owned() } else { schedule };
        let words = format!("{schedule}, {}", count(config.instance_count, "instance"));
        self.add(ItemKind::CronJob, name.map(|name| name.to_string()).unwrap_or_default(), words, whole);
    }

    pub(super) fn quota(&mut self, quota: QuotaConfiguration) {
        let whole = quota.to_struct();
        let amounts = quota.quota.unwrap_or_default();
        let resources = amounts.resources.map(|set| set.0).unwrap_or_default();
        let cpus = resources.iter().find_map(|one| one.num_cpus).or(amounts.num_cpus);
        let ram = resources.iter().find_map(|one| one.ram_mb).or(amounts.ram_mb);
        let disk = resources.iter().find_map(|one| one.disk_mb).or(amounts.disk_mb);
        let mib = |amount: Option<i64>| amount.map_or_else(|| "?".to_owned(), |mb| mb.to_string());
        let cpus = cpus.map_or_else(|| "?".to_owned(), |cpus| cpus.to_string());
        let words = format!("{cpus} CPU, {} MiB RAM, {} MiB disk", mib(ram), mib(disk));
        self.add(ItemKind::Quota, quota.role, words, whole);
    }

    pub(super) fn job_update(&mut self, update: StoredJobUpdateDetails) {
        let whole = update.to_struct();
        let status = update.details.as_ref().and_then(JobUpdateDetails::status);
        let words = status.map_or_else(|| "state unknown".to_owned(), |status| status.to_string());
        let summary = update.details.and_then(|details| details.update?.summary).unwrap_or_default();
        let job = summary.job().map(ToString::to_string).unwrap_or_default();
        let name = format!("{job} {}", summary.id().unwrap_or_default());
        self.add(ItemKind::JobUpdate, name, words, whole);
    }

    pub(super) fn host(&mut self, host: HostAttributes) {
        let whole = host.to_struct();
        let words = match host.mode {
            None | Some(MaintenanceMode::None) => "in service".to_owned(),
            Some(mode) => mode.to_string(),
        };
        self.add(ItemKind::Host, host.host, words, whole);
    }

    pub(super) fn lock(&mut self, lock: Struct) {
        let job = lock.rec(1).and_then(|key| key.rec(1));
        let job = job.map(|job| [1, 2, 3].map(|id| job.str(id).unwrap_or_default()).join("/"));
        let words = format!("by {}", lock.str(3).unwrap_or("?"));
        self.add(ItemKind::Lock, job.unwrap_or_default(), words, lock);
    }

    pub(super) fn maintenance_request(&mut self, request: HostMaintenanceRequest) {
        let whole = request.to_struct();
        let words = format!("within {}", count(request.timeout_secs, "second"));
        self.add(ItemKind::MaintenanceRequest, request.host, words, whole);
    }

    /// What differs among those of a kind.
    pub(super) fn against(&self, after: &Self, kind: ItemKind) -> ItemChanges {
        let nothing = BTreeMap::new();
        let before = self.by_kind.get(&kind).unwrap_or(&nothing);
        let after = after.by_kind.get(&kind).unwrap_or(&nothing);
        let mut changes = ItemChanges {
            compared: true,
            before: before.len() as u64,
            after: after.len() as u64,
            ..ItemChanges::default()
        };
        let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let (was, is) = (before.get(name), after.get(name));
            match (was, is) {
                (Some(was), Some(is)) if was.digest == is.digest => continue,
                (Some(_), Some(_)) => changes.changed += 1,
                (Some(_), None) => changes.removed += 1,
                (None, _) => changes.added += 1,
            }
            if changes.list.len() >= CHANGES_MAX {
                changes.more += 1;
                continue;
            }
            let words = |item: Option<&Item>| item.map(|item| item.words.clone());
            changes.list.push(ItemChange { name: name.clone(), before: words(was), after: words(is) });
        }
        changes
    }
}

/// The same for two things that differ only in what Thrift leaves open, such as the order of a set.
fn digest(whole: Struct) -> u64 {
    let Value::Struct(whole) = Value::Struct(whole).canonical() else { return 0 };
    let mut hasher = DefaultHasher::new();
    hasher.write(&encode_struct(&whole));
    hasher.finish()
}

fn count(number: impl Into<i64>, word: &str) -> String {
    let number = number.into();
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn cut(mut text: String) -> String {
    if text.len() > WORDS_MAX {
        let end = (0..=WORDS_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
