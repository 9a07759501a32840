//! Inventories as their authors write them, format 1: the source of their JSON Schema, as
//! `runbook::raw` is for runbooks. What values mean is not decided here.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::Value;

use crate::runbook::text::Text;

/// An inventory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawInventory {
    /// The format of this file: 1.
    #[schemars(with = "u64")]
    #[expect(dead_code, reason = "looked at before the document is read into this shape")]
    pub format: u64,
    /// The cluster.
    pub cluster: RawCluster,
    /// How hosts that are reached over ssh are spoken to.
    #[serde(default)]
    pub ssh: RawSsh,
    /// How services are started, stopped and looked at.
    #[serde(default)]
    pub services: BTreeMap<String, RawService>,
    /// The firewall of the hosts, if it may be changed for the time of the work.
    pub firewall: Option<RawFirewall>,
    /// Groups of hosts.
    pub groups: BTreeMap<String, RawGroup>,
}

/// How a port is shut from outside for the time of the work. The host itself, the hosts of its group and the operator
/// are always let in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFirewall {
    /// What manages it.
    pub manager: RawFirewallManager,
    /// Addresses, networks or names that are let in as well.
    #[serde(default)]
    pub allow: Vec<String>,
    /// A host, a group or `local`: a machine that is not let in, from which it is seen that the port is shut.
    pub outside: Option<String>,
    /// With `custom`: refuses traffic from outside. `FIRSTLIGHT_PORT`, `FIRSTLIGHT_SESSION` and `FIRSTLIGHT_ALLOW`
    /// (addresses and networks, separated by spaces) are in its environment.
    #[serde(default)]
    pub block: Vec<Text>,
    /// With `custom`: lets it in again; succeeds if it was let in already.
    #[serde(default)]
    pub unblock: Vec<Text>,
    /// With `custom`: exits 0 if it is refused, 3 if it is let in; anything else is unknown.
    #[serde(default)]
    pub status: Vec<Text>,
}

/// What manages a firewall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawFirewallManager {
    /// A table of the session's own.
    Nftables,
    /// A chain of the session's own, in iptables and ip6tables.
    Iptables,
    /// A chain of the session's own, passed through by `firewall-cmd --direct`.
    Firewalld,
    /// The commands `block`, `unblock` and `status`, each a program with its arguments; texts may use `cluster.*` and
    /// `host.*`.
    Custom,
}

/// A cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCluster {
    /// Its name, as its schedulers say it.
    pub name: String,
    /// True if this is a practice cluster on the operator's own machine.
    #[serde(default)]
    pub practice: bool,
    /// How its schedulers are called.
    #[serde(default)]
    pub api: RawApi,
    /// Where `user:password` of ZooKeeper's digest scheme is. Reading needs none unless nodes are closed to the world.
    pub zookeeper_auth: Option<RawPassword>,
    /// Variables of the cluster.
    #[serde(default)]
    pub vars: BTreeMap<String, RawScalar>,
}

/// How schedulers are called. A password is never written here: only where it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawApi {
    /// `http`, or `aurora_admin` where Kerberos is asked for.
    #[serde(default)]
    pub via: RawVia,
    /// User of HTTP Basic. Without one `~/.netrc` is asked.
    pub user: Option<String>,
    /// Where the user's password is.
    pub password: Option<RawPassword>,
    /// False if `~/.netrc` must not be asked.
    pub netrc: Option<bool>,
    /// A file with the certificate authorities to trust in place of the machine's own, as PEM.
    pub ca_file: Option<String>,
    /// With `aurora_admin`: the program and its first arguments.
    #[serde(default)]
    pub command: Vec<String>,
    /// With `aurora_admin`: its `auth_mechanism`.
    pub auth_mechanism: Option<String>,
}

/// How ssh is used. Keys, agents, jump hosts and known hosts are those of the engineer's own configuration.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSsh {
    /// The configuration file that ssh reads in place of the engineer's own.
    pub config: Option<String>,
    /// Hosts that are spoken to at the same time while lines are opened: 1 to 64, 16 if left out.
    pub at_once: Option<u64>,
}

/// What calls go through.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawVia {
    /// HTTP.
    #[default]
    Http,
    /// Aurora's own command for what only administrators may, HTTP for the rest.
    AuroraAdmin,
}

/// Where a password is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPassword {
    /// In this environment variable.
    Env(String),
    /// In the first line of this file, which only its owner may read.
    File(String),
}

/// A service: the manager that looks after it, or its commands, each a program with its arguments; texts may use
/// `cluster.*` and `host.*`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawService {
    /// What looks after it; then `unit` names it there, and the commands are known.
    pub manager: Option<RawManager>,
    /// The manager's name for it.
    pub unit: Option<Text>,
    /// The manager's program with its first arguments, if it is not the usual one.
    pub program: Option<Vec<Text>>,
    /// The directory of systemd's units for the runtime, of Upstart's jobs or of runit's services, if it is not the usual
    /// one.
    pub dir: Option<Text>,
    /// Starts it.
    pub start: Option<Vec<Text>>,
    /// Stops it.
    pub stop: Option<Vec<Text>>,
    /// Exits 0 if it runs, 3 if it does not; anything else is unknown.
    pub status: Option<Vec<Text>>,
    /// Keeps it from being started by accident, in place of what the manager has for that.
    pub hold: Option<Vec<Text>>,
    /// Takes that back.
    pub release: Option<Vec<Text>>,
    /// Commands for flags that are in no file (`flags_form: command`).
    pub flags: Option<RawFlagCommands>,
    /// A file with the process's id.
    pub pid_file: Option<Text>,
    /// A text that the process's command line contains, where there is no file.
    pub matches: Option<Text>,
}

/// Commands for flags that are in no file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFlagCommands {
    /// Prints the flags, as `-name=value` words.
    pub read: Vec<Text>,
    /// Takes all of them on its standard input, one a line.
    pub write: Vec<Text>,
}

/// What looks after a service.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawManager {
    /// systemd: `systemctl`.
    Systemd,
    /// Upstart: `initctl`.
    Upstart,
    /// Start scripts by the LSB: `service`.
    Sysv,
    /// runit: `sv`.
    Runit,
    /// supervisord: `supervisorctl`.
    Supervisor,
}

/// A group of hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawGroup {
    /// Variables of every host in the group.
    #[serde(default)]
    pub vars: BTreeMap<String, RawScalar>,
    /// The hosts, in the order in which they are shown.
    pub hosts: Vec<RawHostEntry>,
}

/// A host.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHostEntry {
    /// Its name, unique in the inventory.
    pub name: String,
    /// How it is reached.
    pub reach: RawReach,
    /// Variables of this host.
    #[serde(default)]
    pub vars: BTreeMap<String, RawScalar>,
}

/// How a host is reached.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawReach {
    /// It is this machine.
    Local,
    /// Through the system's OpenSSH.
    Ssh(RawSshReach),
}

/// Where a host is reached over ssh.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSshReach {
    /// The destination as ssh takes it: `host`, `user@host`, or a name of the ssh configuration.
    pub to: String,
    /// The port, where neither 22 nor the ssh configuration says it.
    pub port: Option<u64>,
    /// Everything is run as this user, through `sudo -n -u USER`; as the login user if left out.
    pub sudo: Option<String>,
    /// True if another host of this inventory is the same machine, and that is meant.
    #[serde(default)]
    pub same_machine: bool,
}

/// The value of a variable: a text, a number, or `true` or `false`.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct RawScalar(pub Value);

impl JsonSchema for RawScalar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "A text, a number, or `true` or `false`.",
            "type": ["string", "number", "boolean"],
        })
    }
}
