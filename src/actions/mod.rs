//! What each kind of action and probe does: one file per kind.
//!
//! What belongs here: turning a rendered kind into something done or seen on a host, with an outcome that is true:
//! done, refused, failed, in doubt, cancelled; holds, fails, unknown. Every kind has a bounded time, can be stopped,
//! and predicts what it would do by reading only.
//!
//! It survives hosts that do not answer, programs that hang, files that others changed, answers that are lost. What is
//! deliberately absent: retries, waiting between looks, any knowledge of steps, journals or screens.

mod backups;
mod command;
mod ensemble;
mod evidence;
mod files;
mod firewall;
mod flags;
mod flags_log;
mod flags_place;
mod hold;
mod http;
mod impact;
mod initialize;
mod leader;
mod leadership;
mod log_group;
mod log_lines;
mod log_source;
mod managers;
mod master;
mod pause;
mod port;
mod process;
mod reach;
mod replica;
mod roster;
mod run;
mod scene;
mod scheduler;
mod secrets;
mod service;
mod sink;
mod staged_table;
mod sweep;
mod verdict;
mod web;
mod world;

pub use crate::hosts::{Stop, Stopper};
pub use backups::{paths_in as backup_paths_in, read_and_digest, report_of as backup_report_of};
pub use evidence::{Evidence, EvidenceError, Kept, Tag};
pub use leadership::LeaderWatch;
pub use log_source::zone as log_zone;
pub use master::master_state;
pub use reach::{client_options, tool};
pub use run::{Prediction, attempt, look, predict};
pub use secrets::Secrets;
pub use sink::Sink;
pub use world::World;
