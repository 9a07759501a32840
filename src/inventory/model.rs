//! A checked inventory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Firewall, ServiceTemplates};
use crate::runbook::model::{GroupName, HostName, LOCAL};

/// Variables: scalars only (string, number, bool).
pub type Vars = BTreeMap<String, Value>;

/// Variables that every cluster has, whatever its inventory says: its name, what manages its hosts' firewall, and a
/// machine outside of it; `none` where there is neither.
pub const CLUSTER_ALWAYS: [&str; 3] = ["name", "firewall", "outside"];

/// Everything that is known of a cluster before a session begins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// The cluster's name, as its schedulers say it.
    pub cluster: String,
    /// True if this is a practice cluster on the operator's own machine.
    #[serde(default)]
    pub practice: bool,
    /// How its schedulers are called.
    #[serde(default, skip_serializing_if = "Api::is_default")]
    pub api: Api,
    /// Where `user:password` of ZooKeeper's digest scheme is, where reading needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zookeeper_auth: Option<Password>,
    /// How hosts that are reached over ssh are spoken to.
    #[serde(default, skip_serializing_if = "Ssh::is_default")]
    pub ssh: Ssh,
    /// Variables of the cluster.
    #[serde(default)]
    pub vars: Vars,
    /// How services are started, stopped and looked at.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceTemplates>,
    /// The firewall of its hosts, if it may be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firewall: Option<Firewall>,
    /// Groups of hosts.
    pub groups: BTreeMap<GroupName, Group>,
}

/// How schedulers are called. Holds where a password is, never the password.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Api {
    /// What calls go through.
    #[serde(skip_serializing_if = "Via::is_http")]
    pub via: Via,
    /// User of HTTP Basic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the user's password is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// False if `~/.netrc` must not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netrc: Option<bool>,
    /// Authorities to trust in place of the machine's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// The program that stands for `aurora_admin`, with its first arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// `auth_mechanism` of `aurora_admin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_mechanism: Option<String>,
}

impl Api {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Hosts that are spoken to at the same time while lines are opened, if the inventory does not say.
pub const AT_ONCE: u8 = 16;

/// How ssh is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ssh {
    /// The configuration file that ssh reads in place of the engineer's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Hosts that are spoken to at the same time while lines are opened.
    pub at_once: u8,
}

impl Default for Ssh {
    fn default() -> Self {
        Self { config: None, at_once: AT_ONCE }
    }
}

impl Ssh {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What calls go through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// HTTP.
    #[default]
    Http,
    /// Aurora's own command for what only administrators may, HTTP for the rest.
    AuroraAdmin,
}

impl Via {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde calls")]
    fn is_http(&self) -> bool {
        *self == Self::Http
    }
}

/// Where a password is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Password {
    /// In this environment variable.
    Env(String),
    /// In the first line of this file.
    File(String),
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
    /// Through the system's OpenSSH.
    Ssh(SshReach),
}

/// Where a host is reached over ssh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshReach {
    /// The destination as ssh takes it.
    pub to: String,
    /// The port, where neither 22 nor the ssh configuration says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Everything is run as this user, through sudo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo: Option<String>,
    /// True if another host of the inventory is the same machine, and that is meant.
    #[serde(default, skip_serializing_if = "is_false")]
    pub same_machine: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde calls")]
fn is_false(value: &bool) -> bool {
    !value
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

    /// A variable of the cluster. Those of [`CLUSTER_ALWAYS`] are always there.
    pub fn cluster_var(&self, var: &str) -> Option<Value> {
        let firewall = self.firewall.as_ref();
        let always = match var {
            "name" => self.cluster.as_str(),
            "firewall" => firewall.map_or("none", Firewall::word),
            "outside" => firewall.and_then(|firewall| firewall.outside.as_deref()).unwrap_or("none"),
            _ => return self.vars.get(var).cloned(),
        };
        Some(Value::String(always.to_owned()))
    }
}
