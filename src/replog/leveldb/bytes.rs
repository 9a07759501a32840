//! LevelDB's integers, little-endian and base 128, read from a slice that may end anywhere.

/// A reader over a slice; every call either consumes or answers `None`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn fixed32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    pub(crate) fn fixed64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// At most five bytes; bits above 32 are dropped, as the library does.
    pub(crate) fn varint32(&mut self) -> Option<u32> {
        self.varint(5).map(|value| value as u32)
    }

    /// At most ten bytes; bits above 64 are dropped, as the library does.
    pub(crate) fn varint64(&mut self) -> Option<u64> {
        self.varint(10)
    }

    fn varint(&mut self, bytes_max: u32) -> Option<u64> {
        let mut probe = *self;
        let mut value = 0_u64;
        for n in 0..bytes_max {
            let byte = probe.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(n * 7).unwrap_or(0);
            if byte & 0x80 == 0 {
                self.rest = probe.rest;
                return Some(value);
            }
        }
        None
    }

    /// A length and that many bytes.
    pub(crate) fn prefixed(&mut self) -> Option<&'a [u8]> {
        let mut probe = *self;
        let len = probe.varint32()?;
        let taken = probe.take(len as usize)?;
        self.rest = probe.rest;
        Some(taken)
    }
}
