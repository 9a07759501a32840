//! Tables: footer, index, blocks. Read as the library reads them, with each checksum verified beside it.
//!
//! A block answers two questions that differ: what is in it (our reader), and whether the library that Mesos was
//! built with shows it ([`BlockFault::hides`]). A wrong checksum hides nothing, since Mesos never asks for checks.

use super::bytes::Cursor;

/// Footer: two handles padded to 40 bytes, then the magic number.
const FOOTER: u64 = 48;
pub(crate) const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
/// Type byte and checksum after each block.
pub(crate) const TRAILER: u64 = 5;
/// A decompressed block. Blocks are 4 KB plus one value; Aurora's values stay under a megabyte unless configured so.
const BLOCK_BYTES_MAX: usize = 256 << 20;

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
    fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self { offset: cursor.varint64()?, size: cursor.varint64()? })
    }
}

/// What is wrong with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockFault {
    BadHandle,
    Truncated,
    BadType,
    BadSnappy,
    BadContents,
    EntryCut,
    Checksum,
}

impl BlockFault {
    /// Does the library lose the block (or the rest of it) because of this?
    pub(crate) fn hides(self) -> bool {
        match self {
            Self::Checksum => false,
            Self::BadHandle
            | Self::Truncated
            | Self::BadType
            | Self::BadSnappy
            | Self::BadContents
            | Self::EntryCut => true,
        }
    }
}

/// A block's uncompressed bytes, and what was noticed while getting them.
pub(crate) struct Block<'a> {
    pub(crate) bytes: std::borrow::Cow<'a, [u8]>,
    pub(crate) checksum_ok: bool,
    pub(crate) snappy: bool,
}

/// Reads the block at `handle` from the file's bytes.
pub(crate) fn block(file: &[u8], handle: Handle) -> Result<Block<'_>, BlockFault> {
    let start = usize::try_from(handle.offset).map_err(|_| BlockFault::Truncated)?;
    let end =
        handle.offset.checked_add(handle.size).and_then(|end| end.checked_add(TRAILER)).ok_or(BlockFault::Truncated)?;
    let end = usize::try_from(end).map_err(|_| BlockFault::Truncated)?;
    let whole = file.get(start..end).ok_or(BlockFault::Truncated)?;
    let size = usize::try_from(handle.size).map_err(|_| BlockFault::Truncated)?;
    let (data, trailer) = whole.split_at_checked(size).ok_or(BlockFault::Truncated)?;
    let mut cursor = Cursor::new(trailer);
    let (Some(kind), Some(crc)) = (cursor.byte(), cursor.fixed32()) else { return Err(BlockFault::Truncated) };
    let checksum_ok = crc == crc_masked(&[data, &[kind]]);
    match kind {
        0 => Ok(Block { bytes: data.into(), checksum_ok, snappy: false }),
        1 => {
            let len = snap::raw::decompress_len(data).map_err(|_| BlockFault::BadSnappy)?;
            if len > BLOCK_BYTES_MAX {
                return Err(BlockFault::BadSnappy);
            }
            let bytes = snap::raw::Decoder::new().decompress_vec(data).map_err(|_| BlockFault::BadSnappy)?;
            Ok(Block { bytes: bytes.into(), checksum_ok, snappy: true })
        }
        _ => Err(BlockFault::BadType),
    }
}

/// Walks a block's entries in order. Answers the fault that ends it early, if one does.
pub(crate) fn entries(bytes: &[u8], mut each: impl FnMut(&[u8], usize, &[u8])) -> Option<BlockFault> {
    let Some(tail) = bytes.len().checked_sub(4) else { return Some(BlockFault::BadContents) };
    let (body, count) = bytes.split_at(tail);
    let Some(restarts) = Cursor::new(count).fixed32() else { return Some(BlockFault::BadContents) };
    if restarts as usize > body.len() / 4 {
        return Some(BlockFault::BadContents);
    }
    if restarts == 0 {
        return None;
    }
    let body = body.get(..body.len() - restarts as usize * 4).unwrap_or_default();
    // The first restart point is where reading begins; writers put it at zero.
    let first = bytes.get(body.len()..).and_then(|rest| Cursor::new(rest).fixed32()).unwrap_or(0) as usize;
    let mut cursor = Cursor::new(body.get(first..).unwrap_or_default());
    let mut key: Vec<u8> = Vec::new();
    while !cursor.is_empty() {
        let entry = (|| {
            let (shared, fresh, len) = (cursor.varint32()?, cursor.varint32()?, cursor.varint32()?);
            if key.len() < shared as usize {
                return None;
            }
            let fresh = cursor.take(fresh as usize)?;
            let at = body.len() - cursor.rest.len();
            let value = cursor.take(len as usize)?;
            key.truncate(shared as usize);
            key.extend_from_slice(fresh);
            Some((at, value))
        })();
        let Some((at, value)) = entry else { return Some(BlockFault::EntryCut) };
        each(&key, at, value);
    }
    None
}

/// The index of a table: where its blocks are, with the separator key after each.
pub(crate) struct Index {
    pub(crate) blocks: Vec<(Vec<u8>, Option<Handle>)>,
    pub(crate) checksum_ok: bool,
    pub(crate) snappy: bool,
    /// The index itself ends early.
    pub(crate) cut: bool,
    pub(crate) handle: Handle,
}

/// Opens a table of the size that the manifest states. The error is the status text without its path.
pub(crate) fn open(file: &[u8], size: u64) -> Result<Index, String> {
    if size < FOOTER {
        return Err("Corruption: file is too short to be an sstable".to_owned());
    }
    // The library maps the real file and asks for bytes by the manifest's size.
    let footer = usize::try_from(size - FOOTER)
        .ok()
        .zip(usize::try_from(size).ok())
        .and_then(|(from, to)| file.get(from..to))
        .ok_or("IO error: Invalid argument")?;
    let (handles, magic) = footer.split_at_checked(40).ok_or("IO error: Invalid argument")?;
    if Cursor::new(magic).fixed64() != Some(MAGIC) {
        return Err("Corruption: not an sstable (bad magic number)".to_owned());
    }
    let mut cursor = Cursor::new(handles);
    let handle = Handle::decode(&mut cursor)
        .and_then(|_metaindex| Handle::decode(&mut cursor))
        .ok_or("Corruption: bad block handle")?;
    let index = block(file, handle).map_err(|fault| match fault {
        BlockFault::Truncated => "IO error: Invalid argument",
        BlockFault::BadType => "Corruption: bad block type",
        _ => "Corruption: corrupted compressed block contents",
    })?;
    let mut blocks = Vec::new();
    let cut = entries(&index.bytes, |key, _, value| {
        blocks.push((key.to_vec(), Handle::decode(&mut Cursor::new(value))));
    });
    Ok(Index { blocks, checksum_ok: index.checksum_ok, snappy: index.snappy, cut: cut.is_some(), handle })
}
