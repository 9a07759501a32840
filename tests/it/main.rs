//! All integration tests in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test that cannot go on panics, in its helpers as well; a long one tells one story"
)]

mod actions;
mod actions_aurora;
mod aurora_admin;
mod aurora_backup;
mod aurora_client;
mod aurora_codec;
mod aurora_judge;
mod aurora_stream;
mod aurora_tls;
mod backup_cli;
mod e2e;
mod firewall;
mod flags;
mod fuzz_corpus;
mod hostile;
mod hosts;
mod impact;
mod journal;
mod log_cli;
mod log_scan_cli;
mod logscan;
mod mesos_client;
mod practice;
mod practice_recorded;
mod replog;
mod replog_compare;
mod replog_disk;
mod replog_store;
mod replog_verdict;
mod report;
mod runbook;
mod services;
mod session;
mod ssh;
mod terminal;
mod tidy;
mod wizard;
mod wizard_table;
mod zk;
