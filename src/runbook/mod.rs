//! Runbooks: from YAML to a model that is valid by construction.
//!
//! `raw` is the only place that names `serde_yaml`; `locate` knows where each node of a document
//! stands; `check` turns raw shapes into the [`model`] and reports everything that is wrong at once;
//! `lint` holds a checked runbook against the safety rules; `schema` and `plan` describe it.
//! Pure: bytes in, model or problems out. The engine knows nothing of Aurora's procedure; that is
//! data in `runbooks/`.

pub(crate) mod check;
mod check_input;
mod check_kind;
mod describe;
pub mod embedded;
pub mod kind;
pub mod lint;
pub mod locate;
pub mod model;
mod names;
pub mod plan;
pub mod problem;
pub(crate) mod raw;
pub mod schema;
mod shape;
mod shell;
pub mod template;
pub mod text;

pub use check::{duration_ms, load_runbook};
pub use problem::{Problem, Problems, Severity};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a session is for. Recorded with everything it writes and shown on every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The real thing.
    Recovery,
    /// A training exercise on a healthy cluster.
    Training,
}
