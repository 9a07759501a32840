//! Mesos's records: keys and the protobuf `Record` (proto2), decoded by hand with presence kept.
//!
//! Accepts and refuses what protobuf's own parser does: unknown fields are skipped, a field of another wire type is
//! unknown, an unknown enum value is as if absent, required fields must be there. Nothing is copied but small numbers;
//! payload bytes stay ranges into the value. Format: `src/messages/log.proto` of Mesos.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A replica's status, persisted in its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Takes part in votes.
    Voting,
    /// Copying positions from a quorum of voting replicas.
    Recovering,
    /// First phase of auto-initialization.
    Starting,
    /// Never initialized, or the metadata is lost.
    Empty,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Voting => "VOTING",
            Self::Recovering => "RECOVERING",
            Self::Starting => "STARTING",
            Self::Empty => "EMPTY",
        })
    }
}

/// What an action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum ActionKind {
    /// Fills a position; with a tombstone it also drops all positions before it.
    Nop {
        /// Whether the tombstone is set.
        tombstone: bool,
    },
    /// Carries bytes.
    Append {
        /// Length of the bytes.
        len: u64,
    },
    /// Drops positions below `to`.
    Truncate {
        /// First position that is kept.
        to: u64,
    },
}

/// One action without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The position, from the record and not from its key.
    pub position: u64,
    /// The proposal that was promised for the position.
    pub promised: u64,
    /// The proposal under which it was written; absent for a promise only.
    pub performed: Option<u64>,
    /// Present and true once it is decided.
    pub learned: Option<bool>,
    /// What it does; absent for a promise only.
    pub kind: Option<ActionKind>,
}

/// A decoded record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Status and promise of the whole replica.
    Metadata {
        /// Status.
        status: Status,
        /// Highest promised proposal.
        promised: u64,
    },
    /// The promise of releases up to 0.16, which counts as VOTING.
    Promise {
        /// Promised proposal.
        proposal: u64,
    },
    /// A position, and where an APPEND's bytes are inside the value.
    Action(Action, Option<Range<usize>>),
    /// A record whose type says that a part is there which is not; a real replica aborts on it.
    PartMissing(&'static str),
}

/// Why a value is not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Failed to deserialize record")]
pub struct BadRecord;

/// Nesting that is followed inside unknown groups, as protobuf's own limit.
const DEPTH_MAX: u32 = 100;

/// One field of a message; ranges are into the whole value.
enum Field {
    Varint(u64),
    Bytes(Range<usize>),
    Other,
}

struct Reader<'a> {
    all: &'a [u8],
    at: usize,
    end: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, BadRecord> {
        if self.at >= self.end {
            return Err(BadRecord);
        }
        let byte = self.all.get(self.at).copied().ok_or(BadRecord)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, BadRecord> {
        let mut value = 0_u64;
        for n in 0..10_u32 {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(n * 7).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BadRecord)
    }

    fn skip(&mut self, n: usize) -> Result<Range<usize>, BadRecord> {
        let to = self.at.checked_add(n).filter(|to| *to <= self.end).ok_or(BadRecord)?;
        let range = self.at..to;
        self.at = to;
        Ok(range)
    }

    /// The next field's number and content, or `None` at the end of the message.
    fn field(&mut self, depth: u32) -> Result<Option<(u32, Field)>, BadRecord> {
        if self.at >= self.end {
            return Ok(None);
        }
        let tag = u32::try_from(self.varint()?).map_err(|_| BadRecord)?;
        let number = tag >> 3;
        if number == 0 {
            return Err(BadRecord);
        }
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => self.skip(8).map(|_| Field::Other)?,
            2 => {
                let len = self.varint()?;
                Field::Bytes(self.skip(usize::try_from(len).map_err(|_| BadRecord)?)?)
            }
            3 => self.group(number, depth).map(|()| Field::Other)?,
            5 => self.skip(4).map(|_| Field::Other)?,
            _ => return Err(BadRecord),
        };
        Ok(Some((number, field)))
    }

    fn group(&mut self, number: u32, depth: u32) -> Result<(), BadRecord> {
        if depth >= DEPTH_MAX {
            return Err(BadRecord);
        }
        loop {
            let before = self.at;
            let tag = u32::try_from(self.varint()?).map_err(|_| BadRecord)?;
            if tag & 7 == 4 {
                return if tag >> 3 == number { Ok(()) } else { Err(BadRecord) };
            }
            self.at = before;
            self.field(depth + 1)?.ok_or(BadRecord)?;
        }
    }
}

/// Calls `each` with every field of the message in `range`.
fn message(
    value: &[u8],
    range: Range<usize>,
    mut each: impl FnMut(u32, Field) -> Result<(), BadRecord>,
) -> Result<(), BadRecord> {
    let mut reader = Reader { all: value, at: range.start, end: range.end.min(value.len()) };
    while let Some((number, field)) = reader.field(0)? {
        each(number, field)?;
    }
    Ok(())
}

#[derive(Default)]
struct RawAction {
    position: Option<u64>,
    promised: Option<u64>,
    performed: Option<u64>,
    learned: Option<bool>,
    kind: Option<u64>,
    tombstone: Option<bool>,
    append: bool,
    bytes: Option<Range<usize>>,
    truncate: bool,
    to: Option<u64>,
}

impl RawAction {
    fn field(&mut self, value: &[u8], number: u32, field: Field) -> Result<(), BadRecord> {
        match (number, field) {
            (1, Field::Varint(n)) => self.position = Some(n),
            (2, Field::Varint(n)) => self.promised = Some(n),
            (3, Field::Varint(n)) => self.performed = Some(n),
            (4, Field::Varint(n)) => self.learned = Some(n != 0),
            (5, Field::Varint(n)) => self.kind = enumerated(n, 3).or(self.kind),
            (6, Field::Bytes(range)) => message(value, range, |number, field| {
                if let (1, Field::Varint(n)) = (number, field) {
                    self.tombstone = Some(n != 0);
                }
                Ok(())
            })?,
            (7, Field::Bytes(range)) => {
                self.append = true;
                message(value, range, |number, field| {
                    if let (1, Field::Bytes(range)) = (number, field) {
                        self.bytes = Some(range);
                    }
                    Ok(())
                })?;
            }
            (8, Field::Bytes(range)) => {
                self.truncate = true;
                message(value, range, |number, field| {
                    if let (1, Field::Varint(n)) = (number, field) {
                        self.to = Some(n);
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<(Action, Option<Range<usize>>), BadRecord> {
        if self.append && self.bytes.is_none() || self.truncate && self.to.is_none() {
            return Err(BadRecord);
        }
        let kind = self.kind.map(|kind| match kind {
            1 => ActionKind::Nop { tombstone: self.tombstone.unwrap_or(false) },
            2 => ActionKind::Append { len: self.bytes.as_ref().map_or(0, ExactSizeIterator::len) as u64 },
            _ => ActionKind::Truncate { to: self.to.unwrap_or(0) },
        });
        let bytes = self.bytes.filter(|_| matches!(kind, Some(ActionKind::Append { .. })));
        let (Some(position), Some(promised)) = (self.position, self.promised) else { return Err(BadRecord) };
        Ok((Action { position, promised, performed: self.performed, learned: self.learned, kind }, bytes))
    }
}

/// An enum travels as a varint of which the low 32 bits count; an unknown value is as if absent.
fn enumerated(n: u64, max: u64) -> Option<u64> {
    let n = u64::from(n as u32);
    (1..=max).contains(&n).then_some(n)
}

/// Decodes a value.
pub fn decode(value: &[u8]) -> Result<Record, BadRecord> {
    let mut kind = None;
    let (mut promise, mut has_promise) = (None, false);
    let mut action: Option<RawAction> = None;
    let (mut status, mut promised, mut has_metadata) = (None, None, false);
    message(value, 0..value.len(), |number, field| {
        match (number, field) {
            (1, Field::Varint(n)) => kind = enumerated(n, 3).or(kind),
            (2, Field::Bytes(range)) => {
                has_promise = true;
                message(value, range, |number, field| {
                    if let (1, Field::Varint(n)) = (number, field) {
                        promise = Some(n);
                    }
                    Ok(())
                })?;
            }
            (3, Field::Bytes(range)) => {
                let action = action.get_or_insert_default();
                message(value, range, |number, field| action.field(value, number, field))?;
            }
            (4, Field::Bytes(range)) => {
                has_metadata = true;
                message(value, range, |number, field| {
                    match (number, field) {
                        (1, Field::Varint(n)) => status = enumerated(n, 4).or(status),
                        (2, Field::Varint(n)) => promised = Some(n),
                        _ => {}
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    })?;
    // Required fields of every part that is there, whatever the type says.
    if has_promise && promise.is_none() || has_metadata && (status.is_none() || promised.is_none()) {
        return Err(BadRecord);
    }
    let action = action.map(RawAction::finish).transpose()?;
    match kind.ok_or(BadRecord)? {
        1 => Ok(promise.map_or(Record::PartMissing("promise"), |proposal| Record::Promise { proposal })),
        2 => Ok(action.map_or(Record::PartMissing("action"), |(action, bytes)| Record::Action(action, bytes))),
        _ => Ok(match (status, promised) {
            (Some(status), Some(promised)) => Record::Metadata { status: status_of(status), promised },
            _ => Record::PartMissing("metadata"),
        }),
    }
}

fn status_of(n: u64) -> Status {
    match n {
        1 => Status::Voting,
        2 => Status::Recovering,
        3 => Status::Starting,
        _ => Status::Empty,
    }
}

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `0000000000`.
    Metadata,
    /// A position in the regular form: ten digits, or `A` and twenty.
    Position(u64),
    /// The negative number of releases up to 1.11 for a position of 2^31-1 and above; the position that it stands
    /// for if it wrapped once.
    Wrapped(u64),
    /// No key of Mesos.
    Foreign,
}

/// Reads a key.
pub fn key(key: &[u8]) -> Key {
    let digits = |digits: &[u8]| {
        digits.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(digits).ok()?.parse::<u64>().ok()).flatten()
    };
    match key {
        [b'A', rest @ ..] if rest.len() == 20 => match digits(rest) {
            Some(n) if n > 0 => Key::Position(n - 1),
            _ => Key::Foreign,
        },
        [b'-', rest @ ..] if (1..=10).contains(&rest.len()) => match digits(rest) {
            Some(n) if (1..=1 << 31).contains(&n) => Key::Wrapped((1_u64 << 32) - n - 1),
            _ => Key::Foreign,
        },
        _ if key.len() == 10 => match digits(key) {
            Some(0) => Key::Metadata,
            Some(n) => Key::Position(n - 1),
            None => Key::Foreign,
        },
        _ => Key::Foreign,
    }
}

/// The key of a position, in the form without overflow.
pub fn key_of(position: u64) -> Vec<u8> {
    let n = u128::from(position) + 1;
    if n > 9_999_999_999 { format!("A{n:020}").into_bytes() } else { format!("{n:010}").into_bytes() }
}

/// The key of the metadata.
pub const METADATA_KEY: &[u8] = b"0000000000";

fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn put_field(out: &mut Vec<u8>, tag: u8, n: u64) {
    out.push(tag);
    put_varint(out, n);
}

fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    put_field(out, tag, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Encodes a metadata record, byte for byte as Mesos does.
pub fn encode_metadata(status: Status, promised: u64) -> Vec<u8> {
    let status = match status {
        Status::Voting => 1,
        Status::Recovering => 2,
        Status::Starting => 3,
        Status::Empty => 4,
    };
    let mut metadata = Vec::new();
    put_field(&mut metadata, 0x08, status);
    put_field(&mut metadata, 0x10, promised);
    let mut record = vec![0x08, 3];
    put_bytes(&mut record, 0x22, &metadata);
    record
}

/// Encodes an action record, byte for byte as Mesos does. `bytes` are those of an APPEND.
pub fn encode_action(action: &Action, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    put_field(&mut body, 0x08, action.position);
    put_field(&mut body, 0x10, action.promised);
    if let Some(performed) = action.performed {
        put_field(&mut body, 0x18, performed);
    }
    if let Some(learned) = action.learned {
        put_field(&mut body, 0x20, u64::from(learned));
    }
    match action.kind {
        Some(ActionKind::Nop { tombstone }) => {
            put_field(&mut body, 0x28, 1);
            put_bytes(&mut body, 0x32, if tombstone { &[0x08, 1] } else { &[] });
        }
        Some(ActionKind::Append { .. }) => {
            put_field(&mut body, 0x28, 2);
            let mut append = Vec::new();
            put_bytes(&mut append, 0x0a, bytes);
            put_bytes(&mut body, 0x3a, &append);
        }
        Some(ActionKind::Truncate { to }) => {
            put_field(&mut body, 0x28, 3);
            let mut truncate = Vec::new();
            put_field(&mut truncate, 0x08, to);
            put_bytes(&mut body, 0x42, &truncate);
        }
        None => {}
    }
    let mut record = vec![0x08, 2];
    put_bytes(&mut record, 0x1a, &body);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn known_bytes() {
        for (status, text) in [
            (Status::Voting, "0803220408011000"),
            (Status::Starting, "0803220408031000"),
            (Status::Recovering, "0803220408021000"),
        ] {
            assert_eq!(encode_metadata(status, 0), hex(text));
            assert_eq!(decode(&hex(text)), Ok(Record::Metadata { status, promised: 0 }));
        }
        let nop = |learned| Action {
            position: 0,
            promised: 2,
            performed: Some(2),
            learned,
            kind: Some(ActionKind::Nop { tombstone: false }),
        };
        assert_eq!(encode_action(&nop(None), &[]), hex("08021a0a08001002180228013200"));
        assert_eq!(encode_action(&nop(Some(true)), &[]), hex("08021a0c080010021802200128013200"));
        assert_eq!(decode(&hex("08021a0c080010021802200128013200")), Ok(Record::Action(nop(Some(true)), None)));
        let promise = decode(&hex("08021a0408001002")).unwrap();
        let Record::Action(promise, None) = promise else { panic!("{promise:?}") };
        assert_eq!((promise.position, promise.promised, promise.performed, promise.kind), (0, 2, None, None));
        assert_eq!(decode(&hex("0802")), Ok(Record::PartMissing("action")));
        for bad in ["", "0809", "0f", "0802 1a02 0800".replace(' ', "").as_str(), "080222020801", "0c", "00"] {
            assert_eq!(decode(&hex(bad)), Err(BadRecord), "{bad}");
        }
    }

    #[test]
    fn keys() {
        for (text, meaning) in [
            ("0000000000", Key::Metadata),
            ("0000000001", Key::Position(0)),
            ("A00000000010000000000", Key::Position(9_999_999_999)),
            ("-2147483648", Key::Wrapped(2_147_483_647)),
            ("-1", Key::Wrapped(4_294_967_294)),
            ("hello", Key::Foreign),
            ("", Key::Foreign),
            ("-", Key::Foreign),
            ("000000000x", Key::Foreign),
        ] {
            assert_eq!(key(text.as_bytes()), meaning, "{text}");
        }
        for position in [0, 41, 9_999_999_998, 9_999_999_999, u64::MAX - 1] {
            assert_eq!(key(&key_of(position)), Key::Position(position));
        }
    }
}
