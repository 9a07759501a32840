//! Machines, each way of reaching them held to the same promises.

mod line;
