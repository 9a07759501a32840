//! Tables: footer, index, blocks. Read as the library reads them, with each checksum verified beside it.
//!
//! A block answers two questions that differ: what is in it (our reader), and whether the library that Mesos was
//! built with shows it ([`BlockFault::hides`]). A wrong checksum hides nothing, since Mesos never asks for checks.
//! One block is held at a time, and entries come out of it one by one.

use super::bytes::Cursor;
use super::window::Window;
use crate::replog::source::SourceError;

/// Footer: two handles padded to 40 bytes, then the magic number.
const FOOTER: u64 = 48;
pub(crate) const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
/// Type byte and checksum after each block.
pub(crate) const TRAILER: u64 = 5;
/// A block, stored or decompressed. Blocks are 4 KB plus one value; Aurora's values stay under a megabyte unless
/// configured otherwise.
pub(crate) const BLOCK_BYTES_MAX: u64 = 64 << 20;

/// The checksum of the log and table formats: CRC-32C, rotated and offset.
pub fn crc_masked(parts: &[&[u8]]) -> u32 {
    let crc = parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part));
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Where a block is in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl Handle {
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self { offset: cursor.varint64()?, size: cursor.varint64()? })
    }
}

/// What is wrong with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BlockFault {
    BadHandle,
    Truncated,
    BadType,
    BadSnappy,
    BadContents,
    EntryCut,
    Checksum,
    /// Longer than we hold; the library may well read it.
    TooLarge,
    /// It could not be read by us.
    Unread(SourceError),
}

impl BlockFault {
    /// Does the library lose the block (or the rest of it) because of this?
    pub(crate) fn hides(&self) -> bool {
        !matches!(self, Self::Checksum | Self::TooLarge | Self::Unread(_))
    }

    /// Is it our reading that ends here, and not the data?
    pub(crate) fn ours(&self) -> bool {
        matches!(self, Self::TooLarge | Self::Unread(_))
    }
}

/// A block's uncompressed bytes, and what was noticed while getting them.
pub(crate) struct Block {
    pub(crate) bytes: Vec<u8>,
    pub(crate) checksum_ok: bool,
    pub(crate) snappy: bool,
}

/// Reads the block at `handle`.
pub(crate) fn block(file: &mut Window<'_>, handle: Handle) -> Result<Block, BlockFault> {
    block_into(file, handle, Vec::new())
}

/// The same into the bytes of a block that is not needed any more.
pub(crate) fn block_into(file: &mut Window<'_>, handle: Handle, spare: Vec<u8>) -> Result<Block, BlockFault> {
    block_or_unchecked(file, handle, spare, true)
}

/// The same for a block that was read before, and whose values are known by their digests.
pub(crate) fn block_again(file: &mut Window<'_>, handle: Handle) -> Result<Block, BlockFault> {
    block_or_unchecked(file, handle, Vec::new(), false)
}

fn block_or_unchecked(
    file: &mut Window<'_>,
    handle: Handle,
    mut spare: Vec<u8>,
    check: bool,
) -> Result<Block, BlockFault> {
    let whole = handle.size.checked_add(TRAILER).ok_or(BlockFault::Truncated)?;
    handle.offset.checked_add(whole).ok_or(BlockFault::Truncated)?;
    // Whether the file is long enough is asked before whether that is too much for us.
    let probe = whole.min(BLOCK_BYTES_MAX + TRAILER);
    let last = handle.offset + whole - 1;
    if whole > probe && file.get(last, 1).map_err(BlockFault::Unread)?.is_empty() {
        return Err(BlockFault::Truncated);
    }
    if whole > probe {
        return Err(BlockFault::TooLarge);
    }
    let len = usize::try_from(whole).map_err(|_| BlockFault::TooLarge)?;
    let got = file.get(handle.offset, len).map_err(BlockFault::Unread)?;
    if got.len() < len {
        return Err(BlockFault::Truncated);
    }
    let (data, trailer) = got.split_at_checked(len - TRAILER as usize).ok_or(BlockFault::Truncated)?;
    let mut cursor = Cursor::new(trailer);
    let (Some(kind), Some(crc)) = (cursor.byte(), cursor.fixed32()) else { return Err(BlockFault::Truncated) };
    let checksum_ok = !check || crc == crc_masked(&[data, &[kind]]);
    match kind {
        0 => {
            spare.clear();
            spare.extend_from_slice(data);
            Ok(Block { bytes: spare, checksum_ok, snappy: false })
        }
        1 => {
            let len = snap::raw::decompress_len(data).map_err(|_| BlockFault::BadSnappy)?;
            if len as u64 > BLOCK_BYTES_MAX {
                return Err(BlockFault::TooLarge);
            }
            let bytes = snap::raw::Decoder::new().decompress_vec(data).map_err(|_| BlockFault::BadSnappy)?;
            Ok(Block { bytes, checksum_ok, snappy: true })
        }
        _ => Err(BlockFault::BadType),
    }
}

/// The block at `handle` taken as stored plainly, if its checksum says that it once was.
pub(crate) fn block_as_plain(file: &mut Window<'_>, handle: Handle) -> Option<Block> {
    let len = usize::try_from(handle.size.checked_add(TRAILER)?).ok()?;
    let got = file.get(handle.offset, len).ok()?;
    let (data, trailer) = got.split_at_checked(got.len().checked_sub(TRAILER as usize)?)?;
    let crc = Cursor::new(trailer.get(1..)?).fixed32()?;
    (got.len() == len && crc == crc_masked(&[data, &[0]])).then(|| Block {
        bytes: data.to_vec(),
        checksum_ok: true,
        snappy: false,
    })
}

/// Bytes in which the end of a block is looked for where no index says it: many times an entry of Aurora.
const SCAN_BYTES_MAX: usize = 8 << 20;
/// Entries between restart points, as the library's default.
const RESTART: usize = 16;

/// The plainly stored block that begins here, found by its entries, its restart points and its checksum.
pub(crate) fn scan_block(file: &mut Window<'_>, offset: u64) -> Option<Handle> {
    let bytes = file.get(offset, SCAN_BYTES_MAX).ok()?;
    let mut cursor = Cursor::new(bytes);
    let mut entries: usize = 0;
    loop {
        let at = bytes.len() - cursor.rest.len();
        let restarts = entries.div_ceil(RESTART).max(1);
        let size = at + restarts * 4 + 4;
        let ends = entries > 0
            && Cursor::new(bytes.get(at..)?).fixed32() == Some(0)
            && Cursor::new(bytes.get(size - 4..)?).fixed32() == u32::try_from(restarts).ok();
        if ends {
            let crc = Cursor::new(bytes.get(size + 1..)?).fixed32()?;
            if crc == crc_masked(&[bytes.get(..size)?, &[0]]) && bytes.get(size) == Some(&0) {
                return Some(Handle { offset, size: size as u64 });
            }
        }
        let (_shared, fresh, len) = (cursor.varint32()?, cursor.varint32()?, cursor.varint32()?);
        cursor.take(fresh as usize)?;
        cursor.take(len as usize)?;
        entries += 1;
    }
}

/// Walks a block's entries in order.
pub(crate) struct Entries {
    bytes: Vec<u8>,
    at: usize,
    end: usize,
    key: Vec<u8>,
    fault: Option<BlockFault>,
}

/// Where an entry's value is in its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValueAt {
    pub(crate) at: usize,
    pub(crate) len: usize,
}

impl Entries {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let mut entries = Self { bytes, at: 0, end: 0, key: Vec::new(), fault: None };
        let tail = entries.bytes.len().checked_sub(4);
        let count = tail.and_then(|tail| Cursor::new(entries.bytes.get(tail..)?).fixed32());
        match (tail, count) {
            (Some(tail), Some(count)) if count as usize <= tail / 4 => {
                let end = tail - count as usize * 4;
                // The first restart point is where reading begins; writers put it at zero.
                let first = Cursor::new(entries.bytes.get(end..).unwrap_or_default()).fixed32().unwrap_or(0);
                entries.at = (first as usize).min(end);
                entries.end = if count == 0 { entries.at } else { end };
            }
            _ => entries.fault = Some(BlockFault::BadContents),
        }
        entries
    }

    /// The next entry's value; its key is in [`Entries::key`].
    pub(crate) fn next_entry(&mut self) -> Option<ValueAt> {
        if self.at >= self.end || self.fault.is_some() {
            return None;
        }
        let found = self.step();
        if found.is_none() {
            self.fault = Some(BlockFault::EntryCut);
        }
        found
    }

    fn step(&mut self) -> Option<ValueAt> {
        let mut cursor = Cursor::new(self.bytes.get(self.at..self.end)?);
        let (shared, fresh, len) = (cursor.varint32()?, cursor.varint32()?, cursor.varint32()?);
        if self.key.len() < shared as usize {
            return None;
        }
        let fresh = cursor.take(fresh as usize)?;
        let at = self.end - cursor.rest.len();
        cursor.take(len as usize)?;
        self.at = self.end - cursor.rest.len();
        self.key.truncate(shared as usize);
        self.key.extend_from_slice(fresh);
        Some(ValueAt { at, len: len as usize })
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(crate) fn value(&self, value: ValueAt) -> &[u8] {
        value.at.checked_add(value.len).and_then(|end| self.bytes.get(value.at..end)).unwrap_or_default()
    }

    /// The bytes of a block that was walked.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What ended the walk early, if something did.
    pub(crate) fn fault(&self) -> Option<&BlockFault> {
        self.fault.as_ref()
    }
}

/// The index of a table: where its blocks are, with the separator key after each.
pub(crate) struct Index {
    pub(crate) entries: Entries,
    pub(crate) checksum_ok: bool,
    pub(crate) snappy: bool,
    pub(crate) handle: Handle,
}

/// Why a table does not open: the status text without its path, or our own limit.
pub(crate) enum TableFault {
    Text(&'static str),
    Ours(BlockFault),
}

/// Opens a table of the size that the manifest states.
pub(crate) fn open(file: &mut Window<'_>, size: u64) -> Result<Index, TableFault> {
    let Some(footer) = size.checked_sub(FOOTER) else {
        return Err(TableFault::Text("Corruption: file is too short to be an sstable"));
    };
    // The library maps the real file and asks for bytes by the manifest's size.
    let footer = file.get(footer, FOOTER as usize).map_err(|error| TableFault::Ours(BlockFault::Unread(error)))?;
    let (handles, magic) = match footer.split_at_checked(40) {
        Some(parts) if footer.len() == FOOTER as usize => parts,
        _ => return Err(TableFault::Text("IO error: Invalid argument")),
    };
    if Cursor::new(magic).fixed64() != Some(MAGIC) {
        return Err(TableFault::Text("Corruption: not an sstable (bad magic number)"));
    }
    let mut cursor = Cursor::new(handles);
    let handle = Handle::decode(&mut cursor)
        .and_then(|_metaindex| Handle::decode(&mut cursor))
        .ok_or(TableFault::Text("Corruption: bad block handle"))?;
    let index = block(file, handle).map_err(|fault| match fault {
        BlockFault::Truncated => TableFault::Text("IO error: Invalid argument"),
        BlockFault::BadType => TableFault::Text("Corruption: bad block type"),
        fault if fault.ours() => TableFault::Ours(fault),
        _ => TableFault::Text("Corruption: corrupted compressed block contents"),
    })?;
    let (checksum_ok, snappy) = (index.checksum_ok, index.snappy);
    Ok(Index { entries: Entries::new(index.bytes), checksum_ok, snappy, handle })
}
