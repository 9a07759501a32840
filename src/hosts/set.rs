//! The hosts of an inventory, and the connections that they are reached over.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use tokio::sync::Semaphore;

use super::{
    Host, Identity, LocalHost, identity, local,
    shell::ShellHost,
    ssh::{self, Master, Person, SshLine, Trouble},
};
use crate::{
    inventory::{Inventory, Reach},
    runbook::model::{HostName, LOCAL},
};

/// Gives a host by its name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hosts {
    by_name: Arc<BTreeMap<HostName, Arc<dyn Host>>>,
    far: Arc<Vec<Far>>,
    /// Those that are this machine.
    near: Arc<Vec<HostName>>,
    shared: Arc<ssh::Shared>,
    at_once: usize,
}

/// A host that is reached over ssh.
#[derive(Debug)]
struct Far {
    name: HostName,
    master: Arc<Master>,
    same_machine: bool,
}

/// What became of reaching one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Its name in the inventory.
    pub name: HostName,
    /// The destination, as ssh takes it.
    pub to: String,
    /// Which machine answered, else why none did.
    pub found: Result<Identity, String>,
}

/// What is said while hosts are reached.
#[derive(Debug)]
pub enum Step<'a> {
    /// ssh is about to ask the person at the terminal.
    Asks(&'a Reached),
    /// This is settled.
    Settled(&'a Reached),
}

impl Hosts {
    /// The hosts of an inventory and the operator's own machine. `stub` is the binary that stands between us and a
    /// child; the running binary if left out. Nothing is reached before it is needed.
    pub fn new(inventory: &Inventory, stub: Option<&Path>) -> Self {
        let local = |name: &HostName| -> Arc<dyn Host> { Arc::new(LocalHost::new(name.clone(), stub)) };
        let own = HostName::from(LOCAL);
        let mut by_name = BTreeMap::from([(own.clone(), local(&own))]);
        let shared = Arc::new(ssh::Shared {
            stub: stub.map_or_else(local::own_binary, Path::to_path_buf),
            config: inventory.ssh.config.clone(),
            control: ssh::ControlDir::default(),
        });
        let mut masters: BTreeMap<(String, Option<u16>), Arc<Master>> = BTreeMap::new();
        let (mut far, mut near) = (Vec::new(), Vec::new());
        for host in inventory.groups.values().flat_map(|group| &group.hosts) {
            let reached = match &host.reach {
                Reach::Local => {
                    near.push(host.name.clone());
                    local(&host.name)
                }
                Reach::Ssh(reach) => {
                    let number = masters.len();
                    let master = masters.entry((reach.to.clone(), reach.port)).or_insert_with(|| {
                        Arc::new(Master::new(Arc::clone(&shared), reach.to.clone(), reach.port, number))
                    });
                    let (name, same_machine) = (host.name.clone(), reach.same_machine);
                    far.push(Far { name, master: Arc::clone(master), same_machine });
                    let line = SshLine::new(Arc::clone(master), reach.sudo.clone());
                    Arc::new(ShellHost::new(host.name.clone(), Arc::new(line)))
                }
            };
            by_name.insert(host.name.clone(), reached);
        }
        let at_once = usize::from(inventory.ssh.at_once.max(1));
        Self { by_name: Arc::new(by_name), far: Arc::new(far), near: Arc::new(near), shared, at_once }
    }

    /// The same, where one host is reached in another way.
    #[must_use]
    pub fn reaching(mut self, host: Arc<dyn Host>) -> Self {
        Arc::make_mut(&mut self.by_name).insert(host.name().clone(), host);
        self
    }

    /// The host with this name.
    pub fn get(&self, name: &HostName) -> Option<Arc<dyn Host>> {
        self.by_name.get(name).cloned()
    }

    /// True if any host is reached over ssh.
    pub fn are_far(&self) -> bool {
        !self.far.is_empty()
    }

    /// Opens the connections to all hosts that are reached over ssh, several at once, and asks each which machine it is.
    /// What needs a person is done after that, one host after the other, if there is one.
    pub async fn connect(&self, person: Person, tell: &dyn Fn(Step<'_>)) -> Vec<Reached> {
        if self.far.is_empty() {
            return Vec::new();
        }
        ssh::sweep(&self.shared).await;
        let turns = Arc::new(Semaphore::new(self.at_once));
        let mut open = tokio::task::JoinSet::new();
        for (at, far) in self.far.iter().enumerate() {
            let (turns, far) = (Arc::clone(&turns), far.clone_for_a_task());
            let host = self.get(&far.0);
            open.spawn(async move {
                let _turn = turns.acquire().await;
                (at, reach(&far.0, &far.1, host.as_deref(), Person::Away).await)
            });
        }
        let mut settled: BTreeMap<usize, Reached> = BTreeMap::new();
        let mut asking = BTreeMap::new();
        while let Some(done) = open.join_next().await {
            let Ok((at, (reached, trouble))) = done else { continue };
            let asks = person == Person::AtTheTerminal && matches!(trouble, Some(Trouble::UnknownKey | Trouble::Login));
            if asks {
                asking.insert(at, reached);
            } else {
                tell(Step::Settled(&reached));
                settled.insert(at, reached);
            }
        }
        for (at, reached) in asking {
            tell(Step::Asks(&reached));
            let Some(far) = self.far.get(at) else { continue };
            let (reached, _) = reach(&far.name, &far.master, self.get(&far.name).as_deref(), person).await;
            tell(Step::Settled(&reached));
            settled.insert(at, reached);
        }
        settled.into_values().collect()
    }

    /// Two names for one machine would do everything on it twice; said for each pair where it is not meant.
    pub fn doubles(&self, reached: &[Reached]) -> Vec<String> {
        // Names for this machine are many in practice, and are meant.
        let here = |name: &HostName| self.near.contains(name);
        let meant = |name: &HostName| here(name) || self.far.iter().any(|far| &far.name == name && far.same_machine);
        let mut known: Vec<(&HostName, Identity)> = self.near.iter().map(|name| (name, identity::own())).collect();
        let mut said = Vec::new();
        for Reached { name, found, .. } in reached {
            let Ok(identity) = found else { continue };
            let same = known.iter().filter(|(_, other)| other.same_machine(identity));
            for (other, _) in same.filter(|(other, _)| !(meant(name) && meant(other))) {
                said.push(format!(
                    "{name} and {other} are one machine ({}, machine-id {}): what is done on one would be done on the \
                     other. If that is meant, say `same_machine: true` at both in the inventory",
                    identity.host_name, identity.machine_id
                ));
            }
            known.push((name, identity.clone()));
        }
        said
    }

    /// Closes every connection. What still runs over one is in doubt.
    pub async fn close(&self) {
        for far in self.far.iter() {
            far.master.close().await;
        }
        self.shared.control.remove();
    }
}

impl Far {
    fn clone_for_a_task(&self) -> (HostName, Arc<Master>) {
        (self.name.clone(), Arc::clone(&self.master))
    }
}

async fn reach(
    name: &HostName,
    master: &Master,
    host: Option<&dyn Host>,
    person: Person,
) -> (Reached, Option<Trouble>) {
    let (name, to) = (name.clone(), master.to().to_owned());
    if let Err(error) = master.open(person).await {
        return (Reached { name, to, found: Err(error.why) }, Some(error.trouble));
    }
    let found = match host {
        Some(host) => host.identity().await.map_err(|error| error.to_string()),
        None => Err("the inventory does not know it".to_owned()),
    };
    (Reached { name, to, found }, None)
}
