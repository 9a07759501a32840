//! The practice cluster: what a drill runs against. Everything here may open, lock and write files of its own.

pub mod damage;
pub mod replica_store;
