//! Firstlight.

pub mod inventory;
pub mod runbook;
