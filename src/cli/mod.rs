//! One file for each subcommand: arguments in, text or an exit code out. What ends the process is `main`.

pub mod practice;
pub mod sessions;
