//! The replicated log of Mesos as Aurora uses it: read-only forensics of a replica's directory, and the verdict.
//!
//! What belongs here: pure functions over bytes that a [`Source`] gives. [`inspect`] answers what a real replica would
//! restore from a directory, including what it would lose without a word, and lists findings with their places;
//! [`content`] says what Aurora kept inside; [`verdict`] weighs several replicas, the quorum and the engineer's
//! answers. It survives any bytes: nothing panics, every length is checked before it is allocated, every list has a
//! bound. What is deliberately absent: opening files, taking locks, changing anything.

mod compare;
pub mod content;
mod digest;
mod entry;
mod finding;
mod held;
mod inspect;
mod leveldb;
mod positions;
mod record;
mod restore;
mod rewrite;
mod source;
mod surroundings;
pub mod verdict;

pub use compare::{Compared, Comparison, Difference, Group, Member, Restart, compare};
pub use finding::{Finding, MAX_FINDINGS, MAX_SPANS, Severity};
pub use held::{Held, HeldQuota, HeldUpdate};
pub use inspect::{Inspection, MesosView, Salvage, Summary, inspect, inspect_as};
pub use leveldb::{Profile, crc_masked};
pub use positions::{Span, count, describe, spans_of, subtract, union};
pub use record::{
    Action, ActionKind, BadRecord, Key, METADATA_KEY, Record, Status, decode, encode_action, encode_metadata, key,
    key_of,
};
pub use restore::{ActionAt, Payloads};
pub use rewrite::{Changes, Values, Writer, initialized_files};
pub use source::{FileEntry, Files, Source, SourceError};
pub use surroundings::{FileFacts, FileSort, Lock, Surroundings};
