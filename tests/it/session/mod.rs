//! The session core against a world that is made up: no clock, no disk, no process.

mod cases;
pub mod sim;
mod walk;
