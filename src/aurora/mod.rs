//! Aurora: its Thrift forms, its API and its backups.
//!
//! Everything but [`client`] is pure: functions over bytes and values without clock, network, files or randomness.

pub mod admin;
pub mod api;
pub mod brief;
pub mod client;
pub mod clusters;
pub mod ensemble;
pub mod flag_rules;
pub mod flags;
pub mod flags_file;
pub mod leader;
pub mod leadership;
pub mod log_entry;
pub mod schema;
pub mod secret;
pub mod selection;
pub mod snapshot;
pub mod tbinary;
pub mod tjson;
pub mod types;
pub mod value;
pub mod vars;
pub mod version;
