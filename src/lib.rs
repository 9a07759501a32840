//! Firstlight.

pub mod actions;
pub mod aurora;
pub mod cli;
pub mod engine;
pub mod exit;
pub mod headless;
pub mod hosts;
pub mod inventory;
pub mod journal;
pub mod logscan;
pub mod practice;
pub mod replog;
pub mod report;
pub mod runbook;
pub mod session;
pub mod tui;
