//! `clusters.json`, in which Aurora's own commands keep how each cluster is reached.
//!
//! Pure: text in, entries out; which files are read and in which order is said by [`search_paths`], reading them is the caller's. Both shapes
//! are taken, a list of objects and an object by name, and unknown keys are stepped over, as Aurora's reader does. An entry without a name is
//! left out and counted. Of two entries with one name the later wins whole: nothing is merged between them.
//!
//! Deliberately not here: finding a leader through what an entry says, and keys that only jobs need.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use thiserror::Error;

/// Longest file that is read: clusters are written by hand.
pub const CLUSTERS_BYTES_MAX: usize = 4 << 20;
/// The most entries of one file.
pub const CLUSTERS_MAX: usize = 10_000;
/// Port of ZooKeeper where the entry has none.
pub const ZK_PORT: u16 = 2181;
/// What an entry without `auth_mechanism` means.
pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
/// Directory of the first file where `AURORA_CONFIG_ROOT` is not set.
const CONFIG_ROOT: &str = "/etc/aurora";
const FILE_NAME: &str = "clusters.json";

/// Why a text is not a `clusters.json`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClustersError {
    /// Longer than [`CLUSTERS_BYTES_MAX`].
    #[error("it has more than {CLUSTERS_BYTES_MAX} bytes")]
    TooLong,
    /// More than [`CLUSTERS_MAX`] entries.
    #[error("it has more than {CLUSTERS_MAX} clusters")]
    TooMany,
    /// Not JSON.
    #[error("it is not JSON: {0}")]
    Json(String),
    /// JSON of another shape.
    #[error("it is neither a list of clusters nor an object of clusters by name")]
    Shape,
    /// One entry that is no object.
    #[error("{0} is not an object")]
    NoObject(String),
    /// A key with a value that cannot be meant.
    #[error("{cluster}: {key} is {value}; {why}")]
    Key {
        /// Which entry.
        cluster: String,
        /// Which key.
        key: &'static str,
        /// Its value as JSON, cut.
        value: String,
        /// What it must be.
        why: &'static str,
    },
}

/// How one cluster is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterEntry {
    /// Name by which the commands know it. Schedulers may call it otherwise.
    pub name: String,
    /// ZooKeeper's servers, each with its port.
    pub zk: Vec<String>,
    /// Path of the schedulers' serverset, with a chroot in front if there is one.
    pub scheduler_zk_path: Option<String>,
    /// A scheduler's address, `http://host:port`. Means nothing beside `zk`, which wins.
    pub scheduler_uri: Option<String>,
    /// How one proves who one is; `None` for [`UNAUTHENTICATED`].
    pub auth_mechanism: Option<String>,
}

/// The way to a cluster's schedulers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// Through the serverset in ZooKeeper.
    ZooKeeper {
        /// `host:port,host:port`.
        connect: String,
        /// Path of the serverset.
        path: &'a str,
    },
    /// To one address.
    Direct(&'a str),
    /// The entry names no way, or half of one.
    Missing(&'static str),
}

impl ClusterEntry {
    /// The way that Aurora's commands take: ZooKeeper where the entry has it, else the address.
    pub fn way(&self) -> Way<'_> {
        match (self.zk.as_slice(), &self.scheduler_zk_path, &self.scheduler_uri) {
            ([], _, Some(uri)) => Way::Direct(uri),
            ([], _, None) => Way::Missing("it has neither zk nor scheduler_uri"),
            (_, None, _) => Way::Missing("it has zk, but no scheduler_zk_path"),
            (servers, Some(path), _) => Way::ZooKeeper { connect: servers.join(","), path },
        }
    }
}

/// What one file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClustersFile {
    /// Entries by name.
    pub clusters: BTreeMap<String, ClusterEntry>,
    /// Entries that were left out because they have no name.
    pub nameless: usize,
}

/// Files that are read, in this order; of two entries with one name the one in the later file counts. `config_root` is the environment's
/// `AURORA_CONFIG_ROOT`, `home` its `HOME`.
pub fn search_paths(config_root: Option<OsString>, home: Option<OsString>) -> Vec<PathBuf> {
    let set = |value: Option<OsString>| value.filter(|value| !value.is_empty()).map(PathBuf::from);
    let site = set(config_root).unwrap_or_else(|| PathBuf::from(CONFIG_ROOT)).join(FILE_NAME);
    let own = set(home).map(|home| home.join(".aurora").join(FILE_NAME));
    std::iter::once(site).chain(own).collect()
}

/// Reads one file.
pub fn parse(text: &[u8]) -> Result<ClustersFile, ClustersError> {
    if text.len() > CLUSTERS_BYTES_MAX {
        return Err(ClustersError::TooLong);
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let value: Value = serde_json::from_slice(text).map_err(|error| ClustersError::Json(error.to_string()))?;
    let entries: Vec<(String, Value)> = match value {
        Value::Array(items) => {
            items.into_iter().enumerate().map(|(at, item)| (format!("entry {}", at + 1), item)).collect()
        }
        Value::Object(members) => members.into_iter().collect(),
        _ => return Err(ClustersError::Shape),
    };
    if entries.len() > CLUSTERS_MAX {
        return Err(ClustersError::TooMany);
    }
    let mut file = ClustersFile::default();
    for (place, value) in entries {
        let Value::Object(keys) = value else { return Err(ClustersError::NoObject(place)) };
        // An object by name needs the name inside as well: without one Aurora's reader leaves the entry out.
        match text_of(&keys, "name", &place)? {
            Some(name) => {
                let found = entry(name.clone(), &keys)?;
                file.clusters.insert(name, found);
            }
            None => file.nameless += 1,
        }
    }
    Ok(file)
}

fn entry(name: String, keys: &Map<String, Value>) -> Result<ClusterEntry, ClustersError> {
    let port = port_of(keys, &name)?;
    let zk = text_of(keys, "zk", &name)?.unwrap_or_default();
    let zk = zk.split(',').map(str::trim).filter(|server| !server.is_empty());
    // A server with a port of its own keeps it; Aurora's reader knows only `zk_port`.
    let zk =
        zk.map(|server| if server.contains(':') { server.to_owned() } else { format!("{server}:{port}") }).collect();
    let path = text_of(keys, "scheduler_zk_path", &name)?;
    if let Some(path) = path.as_ref().filter(|path| !path.starts_with('/')) {
        return Err(wrong(&name, "scheduler_zk_path", &Value::from(path.as_str()), "a path begins with /"));
    }
    let uri = text_of(keys, "scheduler_uri", &name)?;
    if let Some(uri) = uri.as_ref().filter(|uri| !uri.starts_with("http://") && !uri.starts_with("https://")) {
        let why = "an address begins with http:// or https://";
        return Err(wrong(&name, "scheduler_uri", &Value::from(uri.as_str()), why));
    }
    let auth_mechanism = text_of(keys, "auth_mechanism", &name)?.filter(|mechanism| mechanism != UNAUTHENTICATED);
    Ok(ClusterEntry { zk, scheduler_zk_path: path, scheduler_uri: uri, auth_mechanism, name })
}

/// Text of a key; none if it is missing, null or empty.
fn text_of(keys: &Map<String, Value>, key: &'static str, name: &str) -> Result<Option<String>, ClustersError> {
    match keys.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Some(other) => Err(wrong(name, key, other, "it must be a text")),
    }
}

fn port_of(keys: &Map<String, Value>, name: &str) -> Result<u16, ClustersError> {
    let port = match keys.get("zk_port") {
        None | Some(Value::Null) => return Ok(ZK_PORT),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    let port = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    port.ok_or_else(|| {
        let value = keys.get("zk_port").cloned().unwrap_or_default();
        wrong(name, "zk_port", &value, "a port is a number from 1 to 65535")
    })
}

fn wrong(cluster: &str, key: &'static str, value: &Value, why: &'static str) -> ClustersError {
    let value = value.to_string().chars().take(60).collect();
    ClustersError::Key { cluster: cluster.to_owned(), key, value, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_are_read_and_a_nameless_entry_is_counted() {
        let list = br#"[{"name": "west", "zk": "a, b", "zk_port": 2182, "scheduler_zk_path": "/aurora/scheduler", "slave_root": "/x"},
            {"zk": "c"}, {"name": "east", "scheduler_uri": "http://east:8081", "auth_mechanism": "KERBEROS"}]"#;
        let object = br#"{"west": {"name": "west", "zk": "a,b", "zk_port": "2182", "scheduler_zk_path": "/aurora/scheduler"},
            "nameless": {"zk": "c", "scheduler_zk_path": "/x"}, "other": {"name": "east", "scheduler_uri": "http://east:8081",
            "auth_mechanism": "KERBEROS"}}"#;
        let (one, other) = (parse(list).unwrap(), parse(object).unwrap());
        assert_eq!(one, other);
        assert_eq!(one.nameless, 1);
        let way = one.clusters["west"].way();
        assert_eq!(way, Way::ZooKeeper { connect: "a:2182,b:2182".to_owned(), path: "/aurora/scheduler" });
        assert_eq!(one.clusters["east"].way(), Way::Direct("http://east:8081"));
        assert_eq!(one.clusters["east"].auth_mechanism.as_deref(), Some("KERBEROS"));
    }

    #[test]
    fn zookeeper_wins_over_an_address_and_half_a_way_is_said() {
        let text = br#"[{"name": "both", "zk": "a", "scheduler_zk_path": "/s", "scheduler_uri": "http://x:1"},
            {"name": "half", "zk": "a", "scheduler_uri": "http://x:1"}, {"name": "none"},
            {"name": "quiet", "zk": "", "auth_mechanism": "UNAUTHENTICATED", "scheduler_uri": "https://x"}]"#;
        let found = parse(text).unwrap().clusters;
        assert_eq!(found["both"].way(), Way::ZooKeeper { connect: "a:2181".to_owned(), path: "/s" });
        assert!(matches!(found["half"].way(), Way::Missing(why) if why.contains("scheduler_zk_path")));
        assert!(matches!(found["none"].way(), Way::Missing(_)));
        assert_eq!(found["quiet"].way(), Way::Direct("https://x"));
        assert_eq!(found["quiet"].auth_mechanism, None);
    }

    #[test]
    fn what_cannot_be_meant_is_said_with_its_cluster_and_key() {
        for (text, said) in [
            ("", "not JSON"),
            ("7", "neither a list"),
            ("[7]", "entry 1 is not an object"),
            (r#"{"west": []}"#, "west is not an object"),
            (r#"[{"name": "w", "zk_port": 0}]"#, "w: zk_port is 0; a port"),
            (r#"[{"name": "w", "zk_port": "many"}]"#, "a port is a number"),
            (r#"[{"name": "w", "zk": ["a"]}]"#, "w: zk is [\"a\"]; it must be a text"),
            (r#"[{"name": "w", "scheduler_zk_path": "aurora"}]"#, "a path begins with /"),
            (r#"[{"name": "w", "scheduler_uri": "host:8081"}]"#, "begins with http://"),
            (r#"[{"name": 7}]"#, "entry 1: name is 7"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn the_files_are_the_ones_that_aurora_reads_in_its_order() {
        let paths = |root: Option<&str>, home: Option<&str>| -> Vec<String> {
            let found = search_paths(root.map(OsString::from), home.map(OsString::from));
            found.iter().map(|path| path.display().to_string()).collect()
        };
        assert_eq!(paths(None, Some("/home/me")), ["/etc/aurora/clusters.json", "/home/me/.aurora/clusters.json"]);
        assert_eq!(paths(Some("/cfg"), None), ["/cfg/clusters.json"]);
        assert_eq!(paths(Some(""), Some("")), ["/etc/aurora/clusters.json"]);
    }
}
