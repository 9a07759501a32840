//! All integration tests in one binary.

mod replog;
mod replog_store;
