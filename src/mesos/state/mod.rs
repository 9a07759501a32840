//! The master's `/state`, as far as a recovery needs it.
//!
//! Facts of the format, by release: up to 0.24 the page is `/master/state.json`. Aurora's tasks are named
//! `role/environment/job`. A framework whose scheduler is away stays in `frameworks` with `active` false until its failover
//! timeout, counted from `unregistered_time`, is over; after that it is in `completed_frameworks`, at most 50 of them, and
//! after a failover of the master in none. After such a failover, until its scheduler is back, a framework is known from
//! its agents: up to 1.1 only by its id in `unregistered_frameworks` with its tasks in `orphan_tasks`, since 1.2 in
//! `frameworks` with `recovered`. Agents that have not come back are in `recovered_slaves` since 1.1, tasks on agents out of
//! reach in `unreachable_tasks` since 1.2. A task whose end nobody has acknowledged stays in `tasks` with its last state. A
//! master that does not lead answers with empty lists up to 0.28 and redirects since.
//!
//! Reading keeps no more than what is listed here, in a few dozen bytes a task besides its id; it never trusts a length, and
//! nesting is limited by the reader of JSON. Fetching, and how much is fetched, is the caller's.

mod model;
mod read;
mod tasks;

pub use model::{Agents, Framework, MasterState, Standing};
pub use read::{StateError, TEXT_BYTES_MAX};
pub use tasks::{LiveTask, TaskRef, TaskState, Tasks};
