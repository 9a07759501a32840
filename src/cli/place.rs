//! Where things are on this machine, and who works on it: the one place that reads the environment.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::args::EndsWith;
use crate::{
    exit::Exit,
    inventory::{Inventory, load_inventory},
    journal::{Sessions, sessions_root},
    runbook::{
        embedded::{self, Named},
        model::Runbook,
        problem::did_you_mean,
    },
};

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
            let meant = did_you_mean(name, known.clone())
                .map_or_else(|| ".".to_owned(), |word| format!("; did you mean {word}?"));
            let known = known.collect::<Vec<_>>().join(", ");
            let why = format!(
                "there is no runbook {name}{meant} In this binary: {known}. A path has a slash or ends in .yaml."
            );
            Err(EndsWith { exit: Exit::BadInput, why }.into())
        }
    }
}

/// The inventory of a cluster: a path, or a name that stands for
/// `$XDG_CONFIG_HOME/firstlight/NAME.yaml`.
pub fn inventory(cluster: &str) -> anyhow::Result<(String, Inventory)> {
    let path = inventory_path(cluster, std::env::var_os("XDG_CONFIG_HOME"), std::env::var_os("HOME"))?;
    let name = path.display().to_string();
    let bytes = std::fs::read(&path).with_context(|| format!("reading the inventory of {cluster} from {name}"))?;
    let inventory = load_inventory(&name, &bytes).map_err(anyhow::Error::new)?;
    Ok((name, inventory))
}

fn inventory_path(cluster: &str, config: Option<OsString>, home: Option<OsString>) -> anyhow::Result<PathBuf> {
    let is_path =
        cluster.contains('/') || Path::new(cluster).extension().is_some_and(|end| end == "yaml" || end == "yml");
    if is_path {
        return Ok(PathBuf::from(cluster));
    }
    let config = config.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || home.map(|home| PathBuf::from(home).join(".config"));
    let root =
        config.or_else(home).context("neither XDG_CONFIG_HOME nor HOME is set; name the inventory by its path")?;
    Ok(root.join("firstlight").join(format!("{cluster}.yaml")))
}

/// Loads a runbook and holds an inventory against what it needs.
pub fn checked(found: &Found, inventory_name: &str, inventory: &Inventory) -> anyhow::Result<Runbook> {
    let runbook = crate::runbook::load_runbook(&found.name, &found.bytes).map_err(anyhow::Error::new)?;
    crate::inventory::check_against(inventory_name, &runbook, inventory).map_err(anyhow::Error::new)?;
    Ok(runbook)
}
