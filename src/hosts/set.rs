//! The hosts of an inventory.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{Host, LocalHost};
use crate::{
    inventory::{Inventory, Reach},
    runbook::model::{HostName, LOCAL},
};

/// Gives a host by its name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hosts {
    by_name: Arc<BTreeMap<HostName, Arc<dyn Host>>>,
}

impl Hosts {
    /// The hosts of an inventory and the operator's own machine. `stub` is the binary that stands between us and a
    /// child; the running binary if left out.
    pub fn new(inventory: &Inventory, stub: Option<&Path>) -> Self {
        let local = |name: &HostName| -> Arc<dyn Host> { Arc::new(LocalHost::new(name.clone(), stub)) };
        let own = HostName::from(LOCAL);
        let mut by_name = BTreeMap::from([(own.clone(), local(&own))]);
        for host in inventory.groups.values().flat_map(|group| &group.hosts) {
            let reached = match host.reach {
                Reach::Local => local(&host.name),
            };
            by_name.insert(host.name.clone(), reached);
        }
        Self { by_name: Arc::new(by_name) }
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
}
