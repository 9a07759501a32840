//! One file for each subcommand: arguments in, calls of the library, an exit code out.

mod args;
mod backup;
mod cluster;
mod drill;
mod files;
mod headless;
mod log;
mod page;
mod place;
pub mod practice;
mod reach;
mod session;
pub mod sessions;
mod start;
mod wizard;

pub use args::main;
