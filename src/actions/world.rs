//! Everything that actions reach: hosts, secrets, the inventory's services.

use std::{path::Path, sync::Arc};

use serde_json::Value;

use super::{Evidence, Secrets, web};
use crate::{
    hosts::Hosts,
    inventory::{Firewall, Inventory, ServiceTemplates},
    runbook::{
        model::HostName,
        template::{self, Lookup, LookupError},
        text::Text,
    },
};

/// The world as actions see it. One for a session.
#[derive(Debug, Clone)]
pub struct World {
    /// What is known of the cluster.
    pub inventory: Arc<Inventory>,
    /// How its machines are reached.
    pub hosts: Hosts,
    /// The secrets of the session.
    pub secrets: Secrets,
    /// Where large findings go; nowhere without a session.
    pub evidence: Option<Evidence>,
    pub(super) http: web::Client,
}

impl World {
    /// The world of an inventory.
    pub fn new(inventory: Arc<Inventory>, secrets: Secrets) -> Self {
        Self::with_stub(inventory, secrets, None)
    }

    /// The same, where another binary than the running one stands between us and children.
    pub fn with_stub(inventory: Arc<Inventory>, secrets: Secrets, stub: Option<&Path>) -> Self {
        let hosts = Hosts::new(&inventory, stub);
        Self::over(inventory, secrets, hosts)
    }

    /// The same, over hosts that may have been reached already.
    pub fn over(inventory: Arc<Inventory>, secrets: Secrets, hosts: Hosts) -> Self {
        Self { inventory, hosts, secrets, evidence: None, http: web::Client::new() }
    }

    /// The same, with a place for large findings.
    #[must_use]
    pub fn keeping(mut self, evidence: Evidence) -> Self {
        self.evidence = Some(evidence);
        self
    }

    /// A service's templates.
    pub(super) fn service(&self, name: &Text) -> Result<&ServiceTemplates, String> {
        let found = self.inventory.services.get(name.as_str());
        found.ok_or_else(|| format!("the inventory has no service {name}"))
    }

    /// The firewall of the hosts.
    pub(super) fn firewall(&self) -> Result<&Firewall, String> {
        let found = self.inventory.firewall.as_ref();
        found.ok_or_else(|| "the inventory has no `firewall`, so none is changed".to_owned())
    }

    /// Renders texts of the inventory for a host.
    pub(super) fn render(&self, host: &HostName, text: &Text) -> Result<String, String> {
        let names = Names { inventory: &self.inventory, host };
        template::render(text, &names)
            .map_err(|error| format!("the inventory's text {text:?}: {error}", text = text.as_str()))
    }

    /// Renders a command of the inventory for a host.
    pub(super) fn render_all(&self, host: &HostName, texts: &[Text]) -> Result<Vec<String>, String> {
        texts.iter().map(|text| self.render(host, text)).collect()
    }
}

/// The names that texts of the inventory may use.
struct Names<'a> {
    inventory: &'a Inventory,
    host: &'a HostName,
}

impl Lookup for Names<'_> {
    fn get(&self, path: &[&str]) -> Result<Value, LookupError> {
        let found = match path {
            ["cluster", name] => self.inventory.cluster_var(name),
            ["host", name] => self.inventory.host_var(self.host, name),
            _ => None,
        };
        found.ok_or(LookupError::Undefined)
    }
}
