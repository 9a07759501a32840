//! LevelDB's files, read from bytes: write-ahead logs and manifests, tables, and what an open of them would show.
//!
//! Three library versions matter to Mesos (1.4 up to Mesos 1.2, 1.19 bundled since 1.3, 1.23 of distributions); where
//! they differ, [`Profile`] says which one is asked about. Checksums are verified here although Mesos never asks
//! LevelDB to: what the library would swallow is reported as a finding and still counted as seen. Bytes of new logs are
//! made in `encode`. Deliberately absent: files, filters (Mesos sets none), compression when writing.

mod bytes;
mod db;
mod encode;
mod manifest;
mod merge;
mod recall;
mod table;
mod tables;
mod wal;
mod window;

pub use db::Profile;
pub(crate) use db::{Db, FileKind, Place, Stored, open, parse_name};
pub(crate) use encode::{Entries, batch, log_record, manifest, table};
pub(crate) use manifest::TableMeta;
pub(crate) use merge::Seen;
pub(crate) use recall::Recall;
pub use table::crc_masked;

#[cfg(test)]
mod tests;
