//! Kinds that weigh what was seen of the replicated log on every host, and the one that makes a new log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runbook::text::{Slot, Text};

/// Who led when and why it ended, from every host's `log_lines`.
/// Outputs `leadership` (`stable`, `flapping`, `not_registering`, `unknown`), `recent` (elections within the last
/// hour of the logs), `leader` (who was elected last), `story` (one line for each leadership).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Elections {
    /// The register that holds each host's `log_lines` outputs.
    pub logs: String,
    /// The register that holds the outputs of `leadership`, if somebody watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<String>,
}

/// Who leads while one watches, by the nodes in ZooKeeper: each change with its time and how long it lasted.
/// Outputs `watched` (`steady`, `handed_over`, `changing`, `nobody`, `unknown`), `elections` (how often another came to lead), `leader`
/// (who led last), `says` (all of it in words), `story` (one line for each change).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leadership {
    /// The group of schedulers.
    pub among: String,
    /// The host variable that holds a scheduler's base URL.
    pub url_var: String,
    /// `host:port,host:port`.
    pub connect: Text,
    /// The serverset's path with the chroot.
    pub path: Text,
    /// How long to watch, as in `20s`.
    pub r#for: Text,
}

/// Quorum arithmetic over every host's `replica`; who could not be looked at is counted as unknown.
/// Outputs `voting`, `unknown`, `replicas`, `quorum`, `has_quorum` (`yes`, `no`, `unknown`), `restart` (what starting
/// all of them as they are would do), `rows` (one line for each replica), `group` (`whole`, `part`, `strangers`,
/// `unknown`, `not_asked`: who is registered in ZooKeeper, against 2q-1) and `registered` (their addresses).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// The register that holds each host's `replica` outputs.
    pub replicas: String,
    /// The quorum size.
    pub quorum: Text,
    /// `host:port,host:port`; ZooKeeper is not asked if left out or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Text>,
    /// `-native_log_zk_group_path`; no chroot goes before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_group: Option<Text>,
}

/// Who is registered in ZooKeeper as a replica of the log, by address. Nobody is, while every scheduler is stopped.
/// Outputs `count`, `registered` (their addresses).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogGroup {
    /// `host:port,host:port`.
    pub connect: Text,
    /// `-native_log_zk_group_path`; no chroot goes before it.
    pub path: Text,
    /// More than so many do not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Text>,
}

/// Initializes the replica's log under `path`, which must be empty or missing: VOTING, no entries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitializeLog {
    /// The directory.
    pub path: Text,
    /// The `mesos-log` program; `none` where it is not installed: the log is then written without it, the same bytes.
    pub with: Text,
    /// The user to run it as, and to own what is written.
    pub user: Text,
}

impl Leadership {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.connect));
        give(Slot::Plain(&mut self.path));
        give(Slot::Plain(&mut self.r#for));
    }
}

impl Quorum {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.quorum));
        self.connect.iter_mut().chain(&mut self.log_group).for_each(|text| give(Slot::Plain(text)));
    }
}

impl LogGroup {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.connect));
        give(Slot::Plain(&mut self.path));
        self.at_most.iter_mut().for_each(|text| give(Slot::Plain(text)));
    }
}

impl InitializeLog {
    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        give(Slot::Plain(&mut self.path));
        give(Slot::Plain(&mut self.with));
        give(Slot::Plain(&mut self.user));
    }
}
