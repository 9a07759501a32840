//! The inventory: which hosts there are, how each is reached, and the values that texts may use.
//!
//! Pure: it is parsed and checked like a runbook (same errors, same places) and then only read.
//! Values nest: a host's own variable wins over its group's, a group's over the cluster's.

mod check;
mod check_firewall;
pub mod firewall;
pub mod model;
pub(crate) mod raw;
mod reach;
mod service;

pub use check::{check_against, inventory_yaml, load_inventory};
pub use firewall::{BlockName, Firewall, FirewallManager, FirewallTemplates};
pub use model::{Api, Group, Host, Inventory, Password, Reach, Ssh, SshReach, Via};
pub use service::{FlagCommands, Managed, Manager, ServiceTemplates};
