//! Machines, each way of reaching them held to the same promises.

pub mod contract;
pub mod line;
