//! A checked inventory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::runbook::{
    model::{GroupName, HostName, LOCAL},
    text::Text,
};

/// Variables: scalars only (string, number, bool).
pub type Vars = BTreeMap<String, Value>;

/// Everything that is known of a cluster before a session begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// The cluster's name, as its schedulers say it.
    pub cluster: String,
    /// True if this is a practice cluster on the operator's own machine.
    #[serde(default)]
    pub practice: bool,
    /// Variables of the cluster.
    #[serde(default)]
    pub vars: Vars,
    /// How services are started, stopped and looked at.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceTemplates>,
    /// Groups of hosts.
    pub groups: BTreeMap<GroupName, Group>,
}

/// The commands of one service; texts may use `cluster.*` and `host.*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceTemplates {
    /// Starts it.
    pub start: Vec<Text>,
    /// Stops it.
    pub stop: Vec<Text>,
    /// Exits 0 if it runs, 3 if it does not; anything else is unknown.
    pub status: Vec<Text>,
    /// A file with the process's id, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_file: Option<Text>,
    /// A text that the process's command line contains, where there is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<Text>,
}

/// A group of hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Variables of every host in the group.
    #[serde(default)]
    pub vars: Vars,
    /// The hosts, in the order in which they are shown.
    pub hosts: Vec<Host>,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// How it is reached.
    pub reach: Reach,
    /// Variables of this host.
    #[serde(default)]
    pub vars: Vars,
}

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It is this machine.
    Local,
}

impl Inventory {
    /// The host with this name, with its group.
    pub fn host(&self, name: &HostName) -> Option<(&GroupName, &Group, &Host)> {
        self.groups.iter().find_map(|(group_name, group)| {
            let host = group.hosts.iter().find(|host| &host.name == name)?;
            Some((group_name, group, host))
        })
    }

    /// The hosts of a group, in order; none if there is no such group.
    pub fn hosts_of(&self, group: &GroupName) -> Vec<HostName> {
        self.groups
            .get(group)
            .map(|group| group.hosts.iter().map(|host| host.name.clone()).collect())
            .unwrap_or_default()
    }

    /// A host's variable: its own, else its group's, else the cluster's. `name` is always there.
    pub fn host_var(&self, host: &HostName, var: &str) -> Option<Value> {
        if var == "name" {
            return Some(Value::String(host.0.clone()));
        }
        if host.as_str() == LOCAL {
            return self.vars.get(var).cloned();
        }
        let (_, group, entry) = self.host(host)?;
        entry.vars.get(var).or_else(|| group.vars.get(var)).or_else(|| self.vars.get(var)).cloned()
    }

    /// A variable of the cluster. `name` is always there.
    pub fn cluster_var(&self, var: &str) -> Option<Value> {
        if var == "name" {
            return Some(Value::String(self.cluster.clone()));
        }
        self.vars.get(var).cloned()
    }
}
