//! The journal: what happened in a session, one line for each event, durable before anything follows from it.
//!
//! # A session's directory
//!
//! ```text
//! sessions/ID/                0700; every file in it 0600
//!     journal.jsonl           the events
//!     journal.torn-N          what stood at the end of the journal and was not a whole record
//!     lock                    held by the one writer; says who that is
//!     output/aN.log           everything that attempt N wrote
//!     kept/                   originals of what the session replaced
//! ```
//!
//! # A record, format [`FORMAT`]
//!
//! One line of JSON, its members in this order and without blanks between them:
//!
//! ```text
//! {"v":1,"seq":7,"at":"2026-03-01T04:05:06.789Z","utc_ms":1772337906789,"mono_ms":4711,"prev":"HASH","event":{…},"crc":"CRC"}
//! ```
//!
//! - `v` is the format, `seq` counts from 1 without gaps and is the number of the line.
//! - `at` says `utc_ms` (milliseconds since 1970, UTC) in words; `mono_ms` is the machine's monotonic clock.
//! - `prev` is the SHA-256, in hex, of the line before with its line end: `sed -n 6p journal.jsonl | sha256sum`
//!   prints what line 7 says. The first line has 64 zeros there.
//! - `event` is one [`Event`](crate::session::Event).
//! - `crc` is the CRC-32C, in hex, of every byte of the line before `,"crc":"`.
//!
//! The checksum tells a record that was cut off from one that is whole; the chain tells whether a record was changed,
//! taken out or put in; the hash of the last line stands for the whole journal and is printed in reports.
//!
//! # What it survives
//!
//! A process that is killed, a machine that stops and a disk that fills up, at any byte: what is read afterwards is
//! what was written, up to some record. A last line that is not whole is set aside and said. Damage anywhere else, and
//! any event, member or format that is not known, refuses the whole journal with the place: a recovery is not
//! continued from a record with a hole in it.
//!
//! # What it does not
//!
//! It trusts that a disk which says "synced" has synced. An error of the disk is final: nothing is tried again, since
//! a second sync may succeed although the first lost data. It keeps no secrets, because events hold none, and it does
//! not keep a person with the rights of the operator from writing another journal with a chain of its own.

mod disk;
mod error;
mod format;
mod id;
mod lock;
mod memory;
mod read;
mod store;
mod write;

pub use disk::{Disk, FileDisk};
pub use error::{Damage, JournalError};
pub use format::{FORMAT, LINE_BYTES_MAX, LineHash, Record, decode, encode, utc_text};
pub use id::{check_id, session_id};
pub use lock::Holder;
pub use memory::{Fault, MemoryDisk};
pub use read::{FILE_BYTES_MAX, Torn, Verified, read, verify};
pub use store::{Heading, Listing, SessionDir, Sessions, Standing, sessions_root};
pub use write::{Head, Journal};
