//! Kinds that know Aurora and Mesos: the scheduler's API, its gauges, its leader, its log, its backups.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runbook::text::{Slot, Text};

/// One call of a scheduler's API. `url` is the scheduler's base URL, `cluster` the name that its
/// answers must carry: an answer from another cluster refuses the call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Aurora {
    /// Stage a backup by its name in the scheduler's backup directory.
    Stage {
        /// Base URL.
        url: Text,
        /// Cluster name.
        cluster: Text,
        /// `scheduler-backup-…`.
        backup: Text,
    },
    /// Forget what is staged.
    Unload {
        /// Base URL.
        url: Text,
        /// Cluster name.
        cluster: Text,
    },
    /// Remove tasks from what is staged, some hundred at a time. At least one; an empty query would remove everything.
    DeleteStaged {
        /// Base URL.
        url: Text,
        /// Cluster name.
        cluster: Text,
        /// Task ids, separated by commas or white space; or a query such as `role=www env=prod job=hello instance=0-9
        /// status=RUNNING host=h1`, of which every term must fit.
        tasks: Text,
    },
    /// Replace the log by what is staged. Sent once; a lost answer is in doubt.
    Commit {
        /// Base URL.
        url: Text,
        /// Cluster name.
        cluster: Text,
        /// Tasks that must be staged at that moment; nothing is sent otherwise.
        tasks: Text,
        /// The `digest` of an earlier look: the staged tasks must be the same ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Text>,
    },
    /// Ask for a backup now. The answer says nothing; the counters and the file do.
    Backup {
        /// Base URL.
        url: Text,
        /// Cluster name.
        cluster: Text,
    },
    /// Look: what is staged. Outputs `tasks`, `active`, `jobs`, `by_job` (the largest), `ids` (some of them),
    /// `digest` (over all ids), and, unless a number is asked for, `evidence`, the file with all of them, and `table`,
    /// the file with what is known of each.
    Staged {
        /// Base URL.
        url: Text,
        /// Cluster name.
        cluster: Text,
        /// How many tasks must be staged; `none` if nothing may be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tasks: Option<Text>,
        /// The `digest` of an earlier look: the staged tasks must be the same ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Text>,
    },
    /// Look: the storage answers reads (it is replayed), and what it holds.
    /// Outputs `tasks`, `active`, `by_job`, `roles`, `jobs`.
    Ready {
        /// Base URL.
        url: Text,
        /// Cluster name.
        cluster: Text,
        /// How many tasks the storage must hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tasks: Option<Text>,
    },
}

/// A scheduler's `/vars`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vars {
    /// Base URL.
    pub url: Text,
    /// Names and the values they must have; several values separated by `|`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub has: BTreeMap<String, Text>,
    /// At least one of these must have its value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub any: BTreeMap<String, Text>,
}

/// What must be true of a member of the serverset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Advertised.
    Present,
    /// Not advertised.
    Absent,
    /// The only one advertised.
    Only,
}

/// Who is advertised in ZooKeeper under the serverset path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Serverset {
    /// `host:port,host:port`.
    pub connect: Text,
    /// The serverset's path with the chroot.
    pub path: Text,
    /// `host:port` of the member in question; any member if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Text>,
    /// What must be true.
    pub is: Presence,
}

/// Who leads: by `/vars`, by the logs, by ZooKeeper, side by side.
/// Outputs `name`, `url`, `by_vars`, `by_log`, `by_zookeeper`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leader {
    /// The group of schedulers.
    pub among: String,
    /// The host variable that holds a scheduler's base URL.
    pub url_var: String,
    /// The host variable that holds the path of a scheduler's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_var: Option<String>,
    /// `host:port,host:port`; ZooKeeper is not asked if left out or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Text>,
    /// The serverset's path with the chroot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
    /// True if the leader is prepared (elected, never registered), so that nothing is advertised.
    #[serde(default)]
    pub prepared: bool,
    /// The host that must lead; any single leader will do if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Text>,
}

/// A replica's status in its own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReplicaStatus {
    /// Never initialized.
    Empty,
    /// In the first phase of initializing by itself.
    Starting,
    /// Catching up.
    Recovering,
    /// Votes.
    Voting,
}

/// One replica of the log under `path`, read without changing it.
/// Outputs `judgement`, `status`, `begin`, `end`, `holes`, `findings`, `state` (stands for the files as they were read) and
/// what `verdict` and `quorum` need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replica {
    /// The directory.
    pub path: Text,
    /// The status it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ReplicaStatus>,
    /// True if it must hold no actions.
    #[serde(default)]
    pub blank: bool,
    /// True if no process may hold its lock.
    #[serde(default)]
    pub unlocked: bool,
    /// True if it must have no damage.
    #[serde(default)]
    pub sound: bool,
    /// The timestamp (milliseconds UTC) that the newest complete snapshot in the log must have: the
    /// proof of which backup was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Text>,
    /// The user who must own every file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// The `state` of an earlier look: the files must be the same ones, of the same lengths and times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<Text>,
}

/// The backups in a directory, each decoded. Outputs `backups`: a list, newest (by the time inside)
/// first, of `host`, `name`, `path`, `sha256`, `bytes`, `timestamp_ms`, `age`, `fit`, `tasks`,
/// `active`, `jobs`, `framework_id`, `problems`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backups {
    /// The directory.
    pub dir: Text,
    /// Base URL of the Mesos master: each of the newest fit ones is compared with what runs, and gets `impact`, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<Text>,
}

/// One backup file, decoded. It holds if the file is fit to restore (and has the digest). Outputs as
/// one entry of [`Backups`], and `stale`: `yes` if it is older than `max_age`, else `no`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The file.
    pub path: Text,
    /// The SHA-256 (hex) that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Text>,
    /// Past this age (as in `2h`) it is stale. It may be restored all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Text>,
}

/// What the Mesos master knows. Outputs `tasks`, `ids` (some of them), `by_job`, `framework_id`, `registered`; and
/// `evidence`, the file with all ids, unless it is only asked whether a scheduler is registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Master {
    /// Base URL of the master.
    pub url: Text,
    /// True if a scheduler must be registered, false if none may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<bool>,
    /// The framework that is meant; the only one named `Aurora` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework_id: Option<Text>,
    /// The register of an earlier look, to compare with: adds `lost` (ran then, does not run now) and
    /// `new` to the outputs, as lists of some ids, and `lost_count` and `new_count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// Judges the replicated log from what earlier steps saw.
/// Outputs `decision` (`healthy`, `reinitialize`, `survivor`, `one_replica`, `not_the_log`,
/// `cannot_tell`), `headline` (the same in words), `host` (the replica that is meant), `initialize` (`yes`, `no`),
/// `reason` (the first of the reasons), `reasons`, `missing`, `copy_first` (hosts whose log is copied aside before
/// anything else), `contradicted` (`yes` if an answer goes against the evidence), `challenge` (which, in words) and
/// `verdict` (all of it, each reason with its evidence).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The register that holds each host's `replica` outputs.
    pub replicas: String,
    /// The register that holds each host's `log_lines` outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<String>,
    /// The register that holds the outputs of `leadership`, if somebody watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<String>,
    /// The quorum size.
    pub quorum: Text,
    /// The engineer's own answer: does the leader keep changing?
    pub flapping: Text,
    /// The engineer's own answer: are there unusual replica messages?
    pub messages: Text,
    /// The engineer's own answer: is a log missing or corrupt?
    pub damaged: Text,
    /// True if it must rest on replicas that stand still: it does not hold where a process had a log open while it was
    /// read, since positions that fewer than a quorum hold cannot be told then.
    #[serde(default)]
    pub stopped: bool,
}

impl Aurora {
    pub(super) fn looks(&self) -> bool {
        matches!(self, Self::Staged { .. } | Self::Ready { .. })
    }

    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        match self {
            Self::Stage { url, cluster, backup: third } | Self::DeleteStaged { url, cluster, tasks: third } => {
                give(Slot::Plain(url));
                give(Slot::Plain(cluster));
                give(Slot::Plain(third));
            }
            Self::Commit { url, cluster, tasks, digest } => {
                give(Slot::Plain(url));
                give(Slot::Plain(cluster));
                give(Slot::Plain(tasks));
                digest.iter_mut().for_each(|text| give(Slot::Plain(text)));
            }
            Self::Unload { url, cluster } | Self::Backup { url, cluster } => {
                give(Slot::Plain(url));
                give(Slot::Plain(cluster));
            }
            Self::Staged { url, cluster, tasks, digest } => {
                give(Slot::Plain(url));
                give(Slot::Plain(cluster));
                tasks.iter_mut().chain(digest.iter_mut()).for_each(|text| give(Slot::Plain(text)));
            }
            Self::Ready { url, cluster, tasks } => {
                give(Slot::Plain(url));
                give(Slot::Plain(cluster));
                tasks.iter_mut().for_each(|text| give(Slot::Plain(text)));
            }
        }
    }

    pub(super) fn inverse(&self) -> Option<Self> {
        match self {
            Self::Stage { url, cluster, .. } => Some(Self::Unload { url: url.clone(), cluster: cluster.clone() }),
            Self::Unload { .. }
            | Self::DeleteStaged { .. }
            | Self::Commit { .. }
            | Self::Backup { .. }
            | Self::Staged { .. }
            | Self::Ready { .. } => None,
        }
    }

    pub(super) fn did_it_happen(&self) -> Option<Self> {
        match self {
            Self::Unload { url, cluster } => Some(Self::Staged {
                url: url.clone(),
                cluster: cluster.clone(),
                tasks: Some(Text::from("none")),
                digest: None,
            }),
            // Whether a lost stage or commit happened shows in the steps that follow them: what is
            // staged, and which snapshot the next leader applied. A single call cannot tell.
            Self::Stage { .. }
            | Self::DeleteStaged { .. }
            | Self::Commit { .. }
            | Self::Backup { .. }
            | Self::Staged { .. }
            | Self::Ready { .. } => None,
        }
    }
}

impl Vars {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.url));
        self.has.values_mut().for_each(|text| give(Slot::Plain(text)));
        self.any.values_mut().for_each(|text| give(Slot::Plain(text)));
    }
}

impl Serverset {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.connect));
        give(Slot::Plain(&mut self.path));
        self.member.iter_mut().for_each(|text| give(Slot::Plain(text)));
    }
}

impl Leader {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        self.connect.iter_mut().for_each(|text| give(Slot::Plain(text)));
        self.path.iter_mut().for_each(|text| give(Slot::Plain(text)));
        self.is.iter_mut().for_each(|text| give(Slot::Plain(text)));
    }
}

impl Replica {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.path));
        self.owner.iter_mut().for_each(|text| give(Slot::Plain(text)));
        self.snapshot.iter_mut().chain(&mut self.unchanged).for_each(|text| give(Slot::Plain(text)));
    }
}

impl Backups {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.dir));
        self.master.iter_mut().for_each(|text| give(Slot::Plain(text)));
    }
}

impl Backup {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.path));
        self.sha256.iter_mut().for_each(|text| give(Slot::Plain(text)));
        self.max_age.iter_mut().for_each(|text| give(Slot::Plain(text)));
    }
}

impl Master {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.url));
        self.framework_id.iter_mut().for_each(|text| give(Slot::Plain(text)));
    }
}

impl Verdict {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.quorum));
        give(Slot::Plain(&mut self.flapping));
        give(Slot::Plain(&mut self.messages));
        give(Slot::Plain(&mut self.damaged));
    }
}
