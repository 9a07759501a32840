//! What the scheduler writes into its log and reads from it, between Thrift trees and the log's codec.

use crate::aurora::{
    log_entry::{LogEntry, LogEntryError, Reassembler, SCHEMA_VERSION, Skipped, Transaction, split_into_frames},
    types::Snapshot,
    value::{Struct, Value},
};

/// A decoded entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// The whole state.
    Snapshot(Struct),
    /// Operations, in order.
    Transaction(Vec<Struct>),
    /// Nothing.
    Noop,
}

/// What reading meets besides entries, and the real reader only logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// Frames that were stepped over.
    Skipped(Skipped),
    /// A deflated entry, with its size.
    Inflating(usize),
}

/// The payloads of a transaction.
pub fn transaction(ops: Vec<Struct>, frame_max: usize) -> Vec<Vec<u8>> {
    let transaction = Transaction { ops, schema_version: SCHEMA_VERSION, other: Struct::new() };
    split_into_frames(&LogEntry::Transaction(transaction).encode(), frame_max)
}

/// The payloads of a snapshot.
pub fn snapshot(snapshot: &Struct, frame_max: usize) -> Vec<Vec<u8>> {
    let snapshot = Snapshot::from_struct(snapshot.clone());
    split_into_frames(&LogEntry::of_snapshot(&snapshot).encode(), frame_max)
}

/// The payload that a leader writes before it reads.
pub fn noop() -> Vec<u8> {
    LogEntry::Noop.encode()
}

/// Decodes payloads in order, up to what is fatal to the real reader; the error has its words.
pub fn read(payloads: &[Vec<u8>], mut odd: impl FnMut(Oddity)) -> Result<Vec<Entry>, String> {
    let mut frames = Reassembler::new();
    let mut entries = Vec::new();
    for payload in payloads {
        let step = frames.push(payload).map_err(words)?;
        step.skipped.into_iter().for_each(|skipped| odd(Oddity::Skipped(skipped)));
        let Some(entry) = step.entry else { continue };
        if let LogEntry::Deflated(data) = &entry {
            odd(Oddity::Inflating(data.len()));
        }
        entries.push(match entry.inflate().map_err(words)? {
            LogEntry::Noop => Entry::Noop,
            LogEntry::Transaction(transaction) => Entry::Transaction(transaction.ops),
            other => match other.into_snapshot().map_err(words)? {
                Some(snapshot) => Entry::Snapshot(snapshot.to_struct()),
                None => return Err("Unknown log entry".to_owned()),
            },
        });
    }
    frames.finish().into_iter().for_each(|skipped| odd(Oddity::Skipped(skipped)));
    Ok(entries)
}

fn words(error: LogEntryError) -> String {
    match error {
        LogEntryError::Checksum => "Read back a framed log entry that failed its checksum".to_owned(),
        other => format!("Failed to decode log entry: {other}"),
    }
}

/// A struct without a field.
pub fn without(from: &Struct, id: i16) -> Struct {
    Struct { fields: from.fields.iter().filter(|(field, _)| *field != id).cloned().collect() }
}

/// A struct with a field set to another value, in its old place.
pub fn replaced(from: &Struct, id: i16, value: Value) -> Struct {
    let mut fields = from.fields.clone();
    match fields.iter_mut().find(|(field, _)| *field == id) {
        Some(slot) => slot.1 = value,
        None => fields.push((id, value)),
    }
    Struct { fields }
}
