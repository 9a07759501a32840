//! Calls to one scheduler over HTTP.
//!
//! Each reply is bounded in time and bytes, no redirect is followed, nothing is sent twice; see the parts.

mod scheduler;
mod tls;

pub use scheduler::*;
pub use tls::{CA_BYTES_MAX, Trust, http_builder, tls};
