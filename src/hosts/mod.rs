//! Hosts: what can be done on a machine, behind one trait, so that an action does not know how the machine is reached.
//!
//! What belongs here: running programs without a terminal, files, processes, ports, and nothing of what they are for.
//! It survives a child that ignores signals, floods its output, opens the terminal, leaves a daemon behind or never
//! ends; a file that is huge, vanishes or belongs to another user. What is deliberately absent: knowledge of services,
//! flags, schedulers; retries; any decision about what a failure means for a step.

mod child;
pub mod clean;
mod disk;
mod exec_stub;
mod frame;
mod host;
mod identity;
pub mod line;
mod local;
mod processes;
mod set;
pub mod shell;
pub mod ssh;
mod stop;
mod xattrs;

pub use child::{End, Output, Quiet, Ran, Run};
pub use disk::{Attributes, Entry, FileKind, Stat, Written, hex};
pub use exec_stub::{EXEC_STUB, exec_stub};
pub use host::{Answer, Host, HostError};
pub use identity::Identity;
pub use local::LocalHost;
pub use processes::Proc;
pub use set::{Hosts, Reached, Step};
pub use ssh::Person;
pub use stop::{Stop, Stopper};
