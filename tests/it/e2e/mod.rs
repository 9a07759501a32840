//! The real program, driven as a script would, over clusters of real processes. What counts is what
//! the cluster shows afterwards, not what the program says.

mod bad_input;
mod cluster_checks;
mod kills;
mod plain;
mod rig;
mod rolling;
mod scenarios;
mod signals;
