//! What the Mesos master knows: the tasks that truly run, whether or not a scheduler is there.
//!
//! Types and the reading of `/state` are pure; [`client`] fetches it. Shapes are those of Mesos 0.18 to 1.6. A field
//! that a release does not have is `None`, never a default.

pub mod client;
pub mod names;
pub mod state;
