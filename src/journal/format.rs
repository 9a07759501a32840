//! One record as one line of bytes, and back. Pure.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Damage;
use crate::session::{Event, Stamp};

/// The version of the format that is written. Readers refuse every other.
pub const FORMAT: u32 = 1;

/// Longest line in bytes, its end included. The longest event holds a runbook (bounded at load) or what one action
/// found (bounded by who makes it); four mebibytes leave room for both and bound what a damaged file can allocate.
pub const LINE_BYTES_MAX: usize = 4 << 20;

/// `,"crc":"01234567"}`: what follows the bytes that the checksum covers.
const SUFFIX_LEN: usize = 18;
const SUFFIX_HEAD: &[u8] = b",\"crc\":\"";
const SUFFIX_TAIL: &[u8] = b"\"}";

/// SHA-256 of a line with its line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineHash(pub [u8; 32]);

impl LineHash {
    /// What stands in place of the hash of the line before the first.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of a line, which includes its line end.
    pub fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).into())
    }

    /// In hex, as `sha256sum` prints it.
    pub fn hex(&self) -> String {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
    }
}

impl std::fmt::Display for LineHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hex())
    }
}

/// One event with its place in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its number, counted from 1: the number of its line.
    pub seq: u64,
    /// When it happened.
    pub at: Stamp,
    /// What happened.
    pub event: Event,
    /// The hash of its line.
    pub hash: LineHash,
}

#[derive(Serialize)]
struct LineOut<'a> {
    v: u32,
    seq: u64,
    at: &'a str,
    utc_ms: i64,
    mono_ms: u64,
    prev: &'a str,
    event: &'a Event,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineIn {
    v: u32,
    seq: u64,
    at: String,
    utc_ms: i64,
    mono_ms: u64,
    prev: String,
    event: Event,
    #[serde(rename = "crc")]
    _crc: String,
}

#[derive(Deserialize)]
struct VersionIn {
    v: u64,
}

/// Writes a record as a line, line end included. Returns why it cannot be written; a line that is returned reads back
/// as exactly this record, because that is tried.
pub fn encode(seq: u64, at: Stamp, prev: LineHash, event: &Event) -> Result<Vec<u8>, String> {
    if !event.is_durable() {
        return Err("an event that is never kept was to be written".to_owned());
    }
    let (when, chain) = (utc_text(at.utc_ms), prev.hex());
    let out = LineOut { v: FORMAT, seq, at: &when, utc_ms: at.utc_ms, mono_ms: at.mono_ms, prev: &chain, event };
    let mut line = serde_json::to_vec(&out).map_err(|error| error.to_string())?;
    line.pop();
    let crc = crc32c::crc32c(&line);
    line.extend_from_slice(format!(",\"crc\":\"{crc:08x}\"}}\n").as_bytes());
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("an event takes {} bytes, at most {LINE_BYTES_MAX} are allowed", line.len()));
    }
    match decode(&line, seq, prev) {
        Ok(back) if &back.event == event && back.at == at => Ok(line),
        Ok(_) => Err("an event would read back as another".to_owned()),
        Err(damage) => Err(format!("an event would not read back: {damage}")),
    }
}

/// Reads a line, line end included, as the record with this number after a line with this hash.
pub fn decode(line: &[u8], seq: u64, prev: LineHash) -> Result<Record, Damage> {
    let body = line.strip_suffix(b"\n").ok_or(Damage::CutOff)?;
    if body.contains(&0) {
        return Err(Damage::Nul);
    }
    check_sum(body)?;
    let parsed: LineIn = serde_json::from_slice(body).map_err(|error| unreadable(body, &error))?;
    if parsed.v != FORMAT {
        return Err(Damage::Version(u64::from(parsed.v)));
    }
    if parsed.seq != seq {
        return Err(Damage::Sequence { expected: seq, found: parsed.seq });
    }
    if parsed.prev != prev.hex() {
        return Err(Damage::Chain);
    }
    if parsed.at != utc_text(parsed.utc_ms) {
        return Err(Damage::Time);
    }
    if !parsed.event.is_durable() {
        return Err(Damage::UnknownEvent("an event that is never kept".to_owned()));
    }
    let at = Stamp { utc_ms: parsed.utc_ms, mono_ms: parsed.mono_ms };
    Ok(Record { seq, at, event: parsed.event, hash: LineHash::of(line) })
}

fn check_sum(body: &[u8]) -> Result<(), Damage> {
    let at = body.len().checked_sub(SUFFIX_LEN).ok_or(Damage::CutOff)?;
    let (covered, suffix) = body.split_at_checked(at).ok_or(Damage::CutOff)?;
    let hex = suffix.strip_prefix(SUFFIX_HEAD).and_then(|rest| rest.strip_suffix(SUFFIX_TAIL));
    let hex = hex.ok_or(Damage::CutOff)?;
    if hex == format!("{:08x}", crc32c::crc32c(covered)).as_bytes() { Ok(()) } else { Err(Damage::Checksum) }
}

/// What is wrong with a line whose checksum is right.
fn unreadable(body: &[u8], error: &serde_json::Error) -> Damage {
    if let Ok(VersionIn { v }) = serde_json::from_slice(body)
        && v != u64::from(FORMAT)
    {
        return Damage::Version(v);
    }
    let message = error.to_string();
    match message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once('`')) {
        Some((name, _)) => Damage::UnknownEvent(clipped(name)),
        None => Damage::Shape(clipped(&message)),
    }
}

fn clipped(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    text.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}

/// A time in words: `2026-03-01T04:05:06.789Z`, or the milliseconds if no calendar has that day.
pub fn utc_text(utc_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(utc_ms) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => format!("{utc_ms} ms"),
    }
}
