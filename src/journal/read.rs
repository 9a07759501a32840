//! Reading a journal: every record, or why not.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use super::{Damage, JournalError, LINE_BYTES_MAX, LineHash, Record, decode};
use crate::session::Stamp;

/// Largest journal in bytes. A whole recovery writes a few megabytes.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// What stands at the end of a journal and is not a whole record: a write that did not finish. What it
/// would have recorded was not begun, unless the disk damaged the record after it was synced; so it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Where it begins, in bytes: the length of what is whole.
    pub offset: u64,
    /// What stands there.
    pub bytes: Vec<u8>,
    /// Why it is not a record.
    pub what: Damage,
}

/// What a check of a journal found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// How many records there are.
    pub records: u64,
    /// When the first was written.
    pub first: Stamp,
    /// When the last was written.
    pub last: Stamp,
    /// The hash of the last line: it stands for all of them.
    pub head: LineHash,
    /// What stands after them.
    pub torn: Option<Torn>,
}

/// Reads every record; what is left at the end and is not a record is handed out beside them. `path` is for messages.
pub fn read(input: impl Read, path: &Path) -> Result<(Vec<Record>, Option<Torn>), JournalError> {
    let mut records = Vec::new();
    let torn = scan(input, path, &mut |record| records.push(record))?;
    Ok((records, torn))
}

/// Checks a journal, given as its file or as the session's directory, without keeping its records.
pub fn verify(path: &Path) -> Result<Verified, JournalError> {
    let file = if path.is_dir() { path.join(super::store::JOURNAL) } else { path.to_owned() };
    let (mut records, mut first, mut last, mut head) = (0, None, Stamp::default(), LineHash::NONE);
    let torn = scan(open(&file)?, &file, &mut |record| {
        records += 1;
        first.get_or_insert(record.at);
        last = record.at;
        head = record.hash;
    })?;
    let first = first.ok_or(JournalError::Empty(file))?;
    Ok(Verified { records, first, last, head, torn })
}

/// Opens a journal for reading.
pub(super) fn open(path: &Path) -> Result<File, JournalError> {
    File::open(path).map_err(|source| JournalError::Io { doing: "opening", path: path.to_owned(), source })
}

/// Hands out each record of a journal in order.
pub(super) fn scan(input: impl Read, path: &Path, give: &mut dyn FnMut(Record)) -> Result<Option<Torn>, JournalError> {
    let io_error = |source: io::Error| JournalError::Io { doing: "reading", path: path.to_owned(), source };
    let mut input = BufReader::with_capacity(1 << 16, input.take(FILE_BYTES_MAX + 1));
    let (mut line, mut seq, mut offset, mut prev) = (Vec::new(), 0, 0_u64, LineHash::NONE);
    loop {
        line.clear();
        (&mut input).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line).map_err(io_error)?;
        if line.is_empty() {
            return Ok(None);
        }
        if offset + line.len() as u64 > FILE_BYTES_MAX {
            return Err(JournalError::TooLarge { path: path.to_owned() });
        }
        let decoded = if line.len() > LINE_BYTES_MAX { Err(Damage::TooLong) } else { decode(&line, seq + 1, prev) };
        match decoded {
            Ok(record) => {
                seq += 1;
                offset += line.len() as u64;
                prev = record.hash;
                give(record);
            }
            Err(what) if what.may_be_torn() && input.fill_buf().map_err(io_error)?.is_empty() => {
                return Ok(Some(Torn { offset, bytes: line, what }));
            }
            Err(what) => return Err(JournalError::Damaged { path: path.to_owned(), line: seq + 1, offset, what }),
        }
    }
}
