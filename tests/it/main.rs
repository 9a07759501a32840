//! All integration tests in one binary.

mod aurora_backup;
mod aurora_codec;
mod replog;
mod replog_store;
mod runbook;
