//! Aurora: its Thrift forms, its API and its backups.
//!
//! Everything but `client` is pure: functions over bytes and values without clock, network, files or randomness.

pub mod log_entry;
pub mod schema;
pub mod snapshot;
pub mod tbinary;
pub mod tjson;
pub mod types;
pub mod value;
