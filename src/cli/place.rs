//! Where things are on this machine, and who works on it: the one place that reads the environment.

use std::{
    ffi::OsString,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;

use super::args::EndsWith;
use crate::{
    actions::{client_options, tool},
    aurora::{
        client::{Client, ClientOptions, Credentials, EnsembleAccess, serverset},
        clusters::{self, ClusterEntry, Way},
        leader::{Advertised, Sight, VarsSight, advertised, by_vars},
    },
    exit::Exit,
    hosts::Hosts,
    inventory::{Inventory, load_inventory},
    journal::{Sessions, sessions_root},
    runbook::{
        embedded::{self, Named},
        model::Runbook,
        problem::nearest,
    },
};

/// Longest silence of one of several schedulers that are asked who leads.
const LOOK_MAX: Duration = Duration::from_secs(3);
/// Longest look into ZooKeeper.
const ENSEMBLE_MAX: Duration = Duration::from_secs(10);

/// A runbook as it was found.
pub struct Found {
    /// The name it is known by: an embedded id, or a path.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Sessions of this user.
pub fn sessions() -> anyhow::Result<Sessions> {
    let root = sessions_root(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"));
    Ok(Sessions::at(root.context("neither XDG_STATE_HOME nor HOME is set: there is no place for sessions")?))
}

/// Who works here.
pub fn operator() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"];
    let named = names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// The machine's name.
pub fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "this machine".to_owned() } else { name.to_owned() }
}

/// An embedded runbook by its id, or a file by its path.
pub fn runbook(name: &str) -> anyhow::Result<Found> {
    match embedded::find(name) {
        Named::Embedded(found) => Ok(Found { name: found.file.to_owned(), bytes: found.yaml.as_bytes().to_vec() }),
        Named::Path(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("reading the runbook {path}"))?;
            Ok(Found { name: name.to_owned(), bytes })
        }
        Named::Unknown => {
            let known = embedded::RUNBOOKS.iter().map(|runbook| runbook.name);
            let meant =
                nearest(name, known.clone()).map_or_else(|| ".".to_owned(), |word| format!("; did you mean {word}?"));
            let known = known.collect::<Vec<_>>().join(", ");
            let why = format!(
                "there is no runbook {name}{meant} In this binary: {known}. A path has a slash or ends in .yaml."
            );
            Err(EndsWith { exit: Exit::BadInput, why }.into())
        }
    }
}

/// A cluster that a command was told of.
#[derive(Debug, Clone)]
pub enum ClusterRef {
    /// One with an inventory.
    Inventory {
        /// The file.
        file: String,
        /// What it says.
        inventory: Box<Inventory>,
    },
    /// One that only `clusters.json` knows: how its schedulers are reached and no more.
    Clusters {
        /// The file.
        file: String,
        /// What it says.
        entry: Box<ClusterEntry>,
    },
}

impl ClusterRef {
    /// The name that every answer is held against.
    pub fn name(&self) -> &str {
        match self {
            Self::Inventory { inventory, .. } => &inventory.cluster,
            Self::Clusters { entry, .. } => &entry.name,
        }
    }

    /// How its schedulers are called: credentials, trust, limits.
    pub fn options(&self) -> anyhow::Result<ClientOptions> {
        match self {
            Self::Inventory { inventory, .. } => Ok(client_options(&inventory.api, &Hosts::new(inventory, None))?),
            Self::Clusters { entry, .. } => {
                let mut options = ClientOptions { credentials: Credentials::Netrc, ..ClientOptions::default() };
                if let Some(mechanism) = &entry.auth_mechanism {
                    let nobody = Inventory { cluster: entry.name.clone(), ..Inventory::default() };
                    options.credentials = Credentials::None;
                    options.command = Some(tool(Vec::new(), Some(mechanism.clone()), &Hosts::new(&nobody, None))?);
                }
                Ok(options)
            }
        }
    }

    /// The Mesos master's address, if it is known.
    pub fn master_url(&self) -> Option<String> {
        match self {
            Self::Inventory { inventory, .. } => inventory.cluster_var("master_url")?.as_str().map(str::to_owned),
            Self::Clusters { .. } => None,
        }
    }

    /// A client for the scheduler that leads, and how it was found: by what the schedulers of the inventory say of themselves, by ZooKeeper's
    /// advertisement, or by the address alone. Its release is found out. Whose cluster answers is not checked: each answer says it.
    pub async fn leader(&self) -> anyhow::Result<(Client, String)> {
        let options = self.options()?;
        let (url, how) = match self {
            Self::Inventory { inventory, file } => leader_of(inventory, file, &options).await?,
            Self::Clusters { entry, file } => leader_by(entry, file).await?,
        };
        let client = Client::new(&url, options)?;
        Ok((client.discover().await?, how))
    }

    /// The file that says it.
    pub fn file(&self) -> &str {
        match self {
            Self::Inventory { file, .. } | Self::Clusters { file, .. } => file,
        }
    }
}

/// Asks every scheduler of an inventory.
async fn leader_of(inventory: &Inventory, file: &str, options: &ClientOptions) -> anyhow::Result<(String, String)> {
    let hosts = inventory.groups.values().flat_map(|group| &group.hosts);
    let urls = hosts.filter_map(|host| {
        let url = inventory.host_var(&host.name, "api_url")?.as_str()?.to_owned();
        Some((host.name.to_string(), url))
    });
    let urls: Vec<(String, String)> = urls.collect();
    if urls.is_empty() {
        return Err(bad_input(format!(
            "no host of {file} has a variable api_url: it is not known where schedulers answer"
        )));
    }
    let mut sights = Vec::new();
    for (host, url) in &urls {
        let quick = ClientOptions { connect_timeout: LOOK_MAX, read_timeout: LOOK_MAX, ..options.clone() };
        let sight = match Client::new(url, quick)?.vars().await {
            Ok(vars) => VarsSight::Answered(vars.lifecycle()),
            Err(error) => VarsSight::Silent(error.to_string()),
        };
        sights.push((host.clone(), sight));
    }
    // A scheduler that is down may be one of several: who leads among those that answer is what is asked.
    let answered: Vec<_> =
        sights.iter().filter(|(_, sight)| matches!(sight, VarsSight::Answered(_))).cloned().collect();
    match by_vars(&answered) {
        Sight::Leader(host) => {
            let url = urls.into_iter().find_map(|(name, url)| (name == host).then_some(url)).unwrap_or_default();
            Ok((url, format!("{host} says that it leads")))
        }
        other => {
            let silent = sights.iter().filter_map(|(host, sight)| match sight {
                VarsSight::Silent(why) => Some(format!("{host}: {why}")),
                _ => None,
            });
            let silent: Vec<String> = silent.collect();
            let seen = match other {
                Sight::Several(names) => format!("several say that they lead: {}", names.join(", ")),
                Sight::Unknown(why) => why,
                _ => "none of those that answer leads".to_owned(),
            };
            anyhow::bail!("no scheduler of {file} can be asked: {seen}{}", tail(&silent))
        }
    }
}

fn tail(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!(" ({})", lines.join("; ")) }
}

/// Looks the leader up as Aurora's own commands do.
async fn leader_by(entry: &ClusterEntry, file: &str) -> anyhow::Result<(String, String)> {
    match entry.way() {
        Way::Direct(uri) => Ok((uri.to_owned(), format!("{file} names it"))),
        Way::Missing(why) => Err(bad_input(format!("{file} does not say how {} is reached: {why}", entry.name))),
        Way::ZooKeeper { connect, path } => {
            match advertised(&serverset(&EnsembleAccess::open(&connect)?, path, ENSEMBLE_MAX).await?, "http") {
                Advertised::Leader(member) => {
                    let how = format!("advertised under {path} in ZooKeeper at {connect}");
                    Ok((format!("http://{}:{}", member.host, member.port), how))
                }
                Advertised::Nobody(candidates) if candidates.is_empty() => {
                    anyhow::bail!(
                        "nobody is advertised under {path} in ZooKeeper at {connect}, and nobody stands for election"
                    )
                }
                Advertised::Nobody(candidates) => anyhow::bail!(
                    "nobody is advertised under {path} in ZooKeeper at {connect}; for election stand: {}. A prepared scheduler is not advertised: \
                 name it with scheduler_uri in place of zk, or use an inventory",
                    candidates
                        .iter()
                        .map(|name| crate::hosts::clean::line(name.as_bytes()))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
                Advertised::Unclear(why) => anyhow::bail!("{path} in ZooKeeper at {connect} names no leader: {why}"),
            }
        }
    }
}

/// The environment variables that say where clusters are looked for.
#[derive(Debug, Clone, Default)]
struct Env {
    config: Option<OsString>,
    home: Option<OsString>,
    aurora_config: Option<OsString>,
}

impl Env {
    fn now() -> Self {
        let var = std::env::var_os;
        Self { config: var("XDG_CONFIG_HOME"), home: var("HOME"), aurora_config: var("AURORA_CONFIG_ROOT") }
    }
}

/// What `--cluster` names: a path of an inventory; else a name that stands for `$XDG_CONFIG_HOME/firstlight/NAME.yaml`; else an entry of the
/// `clusters.json` files that Aurora's own commands read.
pub fn cluster(cluster: &str) -> anyhow::Result<ClusterRef> {
    find_cluster(cluster, Env::now())
}

fn find_cluster(cluster: &str, env: Env) -> anyhow::Result<ClusterRef> {
    let mut looked = Vec::new();
    match inventory_path(cluster, env.config, env.home.clone()) {
        Some(path) if is_path(cluster) || path.exists() => {
            let file = path.display().to_string();
            let bytes =
                std::fs::read(&path).with_context(|| format!("reading the inventory of {cluster} from {file}"))?;
            let inventory = Box::new(load_inventory(&file, &bytes).map_err(anyhow::Error::new)?);
            return Ok(ClusterRef::Inventory { file, inventory });
        }
        Some(path) => looked.push(format!("{} is not there", path.display())),
        None => looked.push("neither XDG_CONFIG_HOME nor HOME is set".to_owned()),
    }
    let mut known = Vec::new();
    let mut found = None;
    for path in clusters::search_paths(env.aurora_config, env.home) {
        let file = path.display().to_string();
        let bytes = match read_at_most(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                looked.push(format!("{file} is not there"));
                continue;
            }
            Err(error) => return Err(anyhow::Error::new(error).context(format!("reading {file}"))),
        };
        let parsed = clusters::parse(&bytes);
        let parsed = parsed.map_err(|error| bad_input(format!("{file} cannot be used: {error}")))?;
        let nameless = match parsed.nameless {
            0 => String::new(),
            count => format!(", and {count} without a name"),
        };
        looked.push(format!("{file} has {} clusters{nameless}", parsed.clusters.len()));
        known.extend(parsed.clusters.keys().cloned());
        found = parsed.clusters.get(cluster).cloned().map(|entry| (file, Box::new(entry))).or(found);
    }
    if let Some((file, entry)) = found {
        return Ok(ClusterRef::Clusters { file, entry });
    }
    let meant = nearest(cluster, known.iter().map(String::as_str))
        .map_or_else(String::new, |word| format!(" Did you mean {word}?"));
    let why = format!(
        "nothing is known of a cluster {cluster}: {}.{meant} An inventory can be named by its path, with a slash or ending in .yaml",
        looked.join("; ")
    );
    Err(bad_input(why))
}

fn bad_input(why: String) -> anyhow::Error {
    EndsWith { exit: Exit::BadInput, why }.into()
}

/// A file, with one byte more than is taken, so that a longer one is known.
fn read_at_most(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(clusters::CLUSTERS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The inventory of a cluster, which a session needs: it changes files and services, of which `clusters.json` knows nothing.
pub fn inventory(cluster: &str) -> anyhow::Result<(String, Inventory)> {
    match self::cluster(cluster)? {
        ClusterRef::Inventory { file, inventory } => Ok((file, *inventory)),
        ClusterRef::Clusters { file, .. } => Err(bad_input(format!(
            "{cluster} is known only from {file}, which says how its schedulers are reached; this needs an inventory with its hosts, files \
             and services: write ~/.config/firstlight/{cluster}.yaml (`firstlight schema inventory` prints its schema)"
        ))),
    }
}

fn is_path(cluster: &str) -> bool {
    cluster.contains('/') || Path::new(cluster).extension().is_some_and(|end| end == "yaml" || end == "yml")
}

/// Where the inventory is, or would be; none if the environment does not say.
fn inventory_path(cluster: &str, config: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    if is_path(cluster) {
        return Some(PathBuf::from(cluster));
    }
    let config = config.map(PathBuf::from).filter(|path| path.is_absolute());
    let root = config.or_else(|| home.map(|home| PathBuf::from(home).join(".config")))?;
    Some(root.join("firstlight").join(format!("{cluster}.yaml")))
}

/// Loads a runbook and holds an inventory against what it needs.
pub fn checked(found: &Found, inventory_name: &str, inventory: &Inventory) -> anyhow::Result<Runbook> {
    let runbook = crate::runbook::load_runbook(&found.name, &found.bytes).map_err(anyhow::Error::new)?;
    crate::inventory::check_against(inventory_name, &runbook, inventory).map_err(anyhow::Error::new)?;
    Ok(runbook)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(root: &Path) -> Env {
        let at = |name: &str| Some(root.join(name).into_os_string());
        Env { config: at("config"), home: at("home"), aurora_config: at("aurora") }
    }

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    const INVENTORY: &str =
        "format: 1\ncluster: { name: west }\ngroups: { schedulers: { hosts: [{ name: a, reach: local }] } }\n";

    #[test]
    fn an_inventory_wins_then_the_later_clusters_file() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(
            &root.join("aurora/clusters.json"),
            r#"[{"name": "west", "scheduler_uri": "http://site:1"}, {"name": "east", "scheduler_uri": "http://site:2"}]"#,
        );
        write(&root.join("home/.aurora/clusters.json"), r#"{"x": {"name": "west", "scheduler_uri": "http://own:1"}}"#);
        let of = |name: &str| match find_cluster(name, env(root)).unwrap() {
            ClusterRef::Clusters { entry, .. } => entry.scheduler_uri.unwrap(),
            ClusterRef::Inventory { file, .. } => file,
        };
        assert_eq!(of("west"), "http://own:1");
        assert_eq!(of("east"), "http://site:2");
        write(&root.join("config/firstlight/west.yaml"), INVENTORY);
        assert!(of("west").ends_with("config/firstlight/west.yaml"));
        assert!(of(&root.join("config/firstlight/west.yaml").display().to_string()).ends_with("west.yaml"));
        assert_eq!(find_cluster("west", env(root)).unwrap().name(), "west");
    }

    #[test]
    fn an_unknown_name_lists_what_was_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("home/.aurora/clusters.json"), r#"[{"name": "west", "zk": "a"}, {}]"#);
        let error = find_cluster("westt", env(dir.path())).unwrap_err().to_string();
        for said in [
            "config/firstlight/westt.yaml is not there",
            "aurora/clusters.json is not there",
            "home/.aurora/clusters.json has 1 clusters, and 1 without a name",
            "Did you mean west?",
        ] {
            assert!(error.contains(said), "{error}");
        }
        write(&dir.path().join("aurora/clusters.json"), "[{]");
        let error = find_cluster("west", env(dir.path())).unwrap_err().to_string();
        assert!(error.contains("aurora/clusters.json cannot be used: it is not JSON"), "{error}");
    }
}
