//! Firstlight.

pub mod inventory;
pub mod replog;
pub mod runbook;
