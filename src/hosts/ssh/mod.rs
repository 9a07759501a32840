//! The system's OpenSSH: one connection a host, kept by ssh itself, and scripts over it.
//!
//! What belongs here: how ssh is called, what its words mean, and how a script's output and exit code survive login
//! shells, banners and broken connections. It survives hosts that are not there, that hang, that show another key, that
//! print without being asked. What is deliberately absent: keys and passwords, which are ssh's own business; accepting
//! a host key; retries of anything that was sent.

mod control;
mod line;
mod master;
mod said;
mod word;

pub use control::ControlDir;
pub use line::SshLine;
pub use master::{Link, Master, NotOpened, Person, Shared, sweep};
pub use said::Trouble;
pub use word::is_ours;
