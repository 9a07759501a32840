//! One file for each subcommand: plain functions from arguments to text. Printing and exit codes are `main`'s.

pub mod sessions;
