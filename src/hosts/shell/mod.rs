//! A machine on which nothing of ours is installed: every promise of [`super::Host`] kept by one POSIX command each.
//!
//! What belongs here: the scripts, and what their words mean. They need sh and the small programs of coreutils or
//! busybox; where a machine lacks one that a promise rests on, that is an error and never a weaker promise. It survives
//! lines that break: what was only asked is then unknown, what was changed is [`super::HostError::Lost`]. What is
//! deliberately absent: how a script gets to the machine, which is the line's; retries.

mod ask;
mod exec;
mod facts;
mod host;
mod source;
mod table;
mod text;
mod write;

pub use host::ShellHost;
