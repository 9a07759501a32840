//! Hosts over ssh: real servers, and everything that can go wrong on the way to them.

mod faults;
mod lines;
mod person;
pub mod rig;
