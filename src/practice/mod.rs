//! The practice cluster: what a drill runs against, as real processes on loopback ports.
//!
//! Everything here may open, lock and write files of its own, below one directory for each cluster.
//! The processes are this same program under hidden subcommands: a supervisor (the cluster's init), a
//! Mesos master, schedulers, and, where Debian's package is installed, a real `ZooKeeper`. A cluster
//! survives the death of whoever started it; its processes do not survive their supervisor.
//!
//! Deliberately not here: anything that a recovery needs. The wizard sees a practice cluster through
//! its inventory alone, as it sees a real one.

mod cluster;
mod control;
pub mod damage;
mod error;
mod files;
mod layout;
mod master;
mod mesos_log;
mod options;
mod plan;
pub mod replica_store;
mod scheduler;
mod seed;
mod supervisor;
mod web;
mod writer;
mod zookeeper;

pub use cluster::{Cluster, Status};
pub use control::{Reply, Service, Verb};
pub use error::PracticeError;
pub use files::host_vars;
pub use layout::{Home, Layout, default_dir};
pub use master::{MasterState, MasterTask, run as run_master};
pub use mesos_log::{Outcome, run as run_mesos_log};
pub use options::{Options, SCHEDULERS_MAX, SPEED_DEFAULT, Scenario};
pub use plan::{LOOPBACK, OUTSIDE, Plan, PlannedScheduler};
pub use scheduler::run as run_scheduler;
pub use supervisor::{exec_bound, run as run_supervisor};
pub use zookeeper::installed as zookeeper_installed;
