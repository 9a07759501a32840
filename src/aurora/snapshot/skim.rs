//! A cursor over bytes at hand that reads scalars and texts and steps over everything else without building it.
//!
//! Running out of bytes is not an error but [`Stop::More`]: the caller widens its window and begins the element again, or says that the data
//! is cut when there is no more. Texts are looked at on the way, also those that are stepped over: one that is not UTF-8 means damage.
//! No recursion beyond [`DEPTH_MAX`].

use super::strange::{Odd, Place};
use crate::aurora::tbinary::TBinaryError;
use crate::aurora::value::{DEPTH_MAX, TType};

/// Why the cursor does not go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes at hand end within a value.
    More {
        /// Offset of the value.
        at: usize,
        /// Bytes missing at least.
        needed: usize,
    },
    /// These bytes are no value.
    Bad(TBinaryError),
}

pub(super) type Skimmed<T> = Result<T, Stop>;

/// Reads from the front of `rest`.
pub(super) struct Cursor<'a, 'o> {
    rest: &'a [u8],
    /// Bytes at hand at the start.
    length: usize,
    /// Offset in the stream of the first of them.
    base: usize,
    /// What does not fit the model, of this element.
    pub(super) odd: &'o mut Odd,
}

impl<'a, 'o> Cursor<'a, 'o> {
    pub(super) fn new(bytes: &'a [u8], base: u64, odd: &'o mut Odd) -> Self {
        Self { rest: bytes, length: bytes.len(), base: usize::try_from(base).unwrap_or(usize::MAX), odd }
    }

    /// Bytes read.
    pub(super) const fn used(&self) -> usize {
        self.length - self.rest.len()
    }

    const fn at(&self) -> usize {
        self.base.saturating_add(self.used())
    }

    #[cold]
    const fn short(&self, count: usize) -> Stop {
        Stop::More { at: self.at(), needed: count.saturating_sub(self.rest.len()) }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Skimmed<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(*head)
            }
            None => Err(self.short(N)),
        }
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Skimmed<u8> {
        self.array().map(u8::from_be_bytes)
    }

    #[inline]
    pub(super) fn i32(&mut self) -> Skimmed<i32> {
        self.array().map(i32::from_be_bytes)
    }

    #[inline]
    pub(super) fn i64(&mut self) -> Skimmed<i64> {
        self.array().map(i64::from_be_bytes)
    }

    #[inline]
    pub(super) fn f64(&mut self) -> Skimmed<f64> {
        self.array().map(f64::from_be_bytes)
    }

    /// Head of the next field, or `None` at the end of the struct.
    #[inline]
    pub(super) fn field(&mut self) -> Skimmed<Option<(i16, TType)>> {
        if let Some(([code, high, low], rest)) = self.rest.split_first_chunk::<3>()
            && let Some(ttype) = TType::from_code(*code)
        {
            self.rest = rest;
            return Ok(Some((i16::from_be_bytes([*high, *low]), ttype)));
        }
        match self.rest.split_first() {
            Some((0, rest)) => {
                self.rest = rest;
                Ok(None)
            }
            Some((code, _)) if TType::from_code(*code).is_none() => Err(self.unknown_type(*code)),
            _ => Err(self.short(3)),
        }
    }

    #[cold]
    const fn unknown_type(&self, code: u8) -> Stop {
        Stop::Bad(TBinaryError::UnknownType { at: self.at(), code })
    }

    #[cold]
    const fn negative(&self, length: i32) -> Stop {
        Stop::Bad(TBinaryError::NegativeLength { at: self.at(), length })
    }

    /// Head of a list or set: type and number of the elements. An empty one may have no type.
    #[inline]
    pub(super) fn seq_head(&mut self) -> Skimmed<(TType, usize)> {
        let [code, count @ ..] = self.array::<5>()?;
        let count = i32::from_be_bytes(count);
        let elem = self.elem_type(code, count)?;
        Ok((elem, usize::try_from(count).map_err(|_| self.negative(count))?))
    }

    fn elem_type(&self, code: u8, count: i32) -> Skimmed<TType> {
        match TType::from_code(code) {
            Some(elem) => Ok(elem),
            None if count == 0 => Ok(TType::Byte),
            None => Err(self.unknown_type(code)),
        }
    }

    /// Head of a map: types and number of the pairs.
    pub(super) fn map_head(&mut self) -> Skimmed<(TType, TType, usize)> {
        let [key, value, count @ ..] = self.array::<6>()?;
        let count = i32::from_be_bytes(count);
        let (key, value) = (self.elem_type(key, count)?, self.elem_type(value, count)?);
        Ok((key, value, usize::try_from(count).map_err(|_| self.negative(count))?))
    }

    /// Bytes of a text.
    #[inline]
    pub(super) fn bytes(&mut self) -> Skimmed<&'a [u8]> {
        let length = self.i32()?;
        let count = usize::try_from(length).map_err(|_| self.negative(length))?;
        match self.rest.split_at_checked(count) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.short(count)),
        }
    }

    /// A text, or `None` when it is not UTF-8.
    #[inline]
    pub(super) fn text(&mut self) -> Skimmed<Option<&'a str>> {
        let text = std::str::from_utf8(self.bytes()?).ok();
        self.odd.not_utf8 += u64::from(text.is_none());
        Ok(text)
    }

    /// Steps over a text.
    #[inline]
    pub(super) fn skip_text(&mut self) -> Skimmed<()> {
        let bytes = self.bytes()?;
        if !bytes.is_ascii() && std::str::from_utf8(bytes).is_err() {
            self.odd.not_utf8 += 1;
        }
        Ok(())
    }

    #[inline]
    fn skip_bytes(&mut self, count: usize) -> Skimmed<()> {
        match self.rest.get(count..) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(self.short(count)),
        }
    }

    /// Steps over a value; `depth` is that of what it is in.
    #[inline]
    pub(super) fn skip(&mut self, ttype: TType, depth: usize) -> Skimmed<()> {
        match ttype {
            TType::Bool | TType::Byte => self.skip_bytes(1),
            TType::I16 => self.skip_bytes(2),
            TType::I32 => self.skip_bytes(4),
            TType::I64 | TType::Double => self.skip_bytes(8),
            TType::String => self.skip_text(),
            TType::Struct => self.skip_struct(depth + 1),
            TType::Set | TType::List => {
                self.check_depth(depth + 1)?;
                let (elem, count) = self.seq_head()?;
                self.skip_items(elem, count, depth + 1)
            }
            TType::Map => {
                self.check_depth(depth + 1)?;
                let (key, value, count) = self.map_head()?;
                for _ in 0..count {
                    self.skip(key, depth + 1)?;
                    self.skip(value, depth + 1)?;
                }
                Ok(())
            }
        }
    }

    /// Bytes of a struct with its closing byte.
    pub(super) fn of_struct(&mut self) -> Skimmed<&'a [u8]> {
        let before = self.rest;
        self.skip_struct(0)?;
        Ok(before.get(..before.len() - self.rest.len()).unwrap_or_default())
    }

    /// Steps over the rest of a struct.
    pub(super) fn skip_struct(&mut self, depth: usize) -> Skimmed<()> {
        self.check_depth(depth)?;
        while let Some((_, ttype)) = self.field()? {
            self.skip(ttype, depth)?;
        }
        Ok(())
    }

    /// Steps over elements.
    pub(super) fn skip_items(&mut self, elem: TType, count: usize, depth: usize) -> Skimmed<()> {
        match elem {
            TType::Bool | TType::Byte | TType::I16 | TType::I32 | TType::I64 | TType::Double => {
                self.skip_bytes(count.saturating_mul(elem.size_min()))
            }
            _ => (0..count).try_for_each(|_| self.skip(elem, depth)),
        }
    }

    fn check_depth(&self, depth: usize) -> Skimmed<()> {
        if depth > DEPTH_MAX { Err(Stop::Bad(TBinaryError::TooDeep { at: self.at() })) } else { Ok(()) }
    }

    /// Steps over a field that the model does not have.
    #[cold]
    pub(super) fn unknown(&mut self, place: Place, id: i16, ttype: TType, depth: usize) -> Skimmed<()> {
        self.odd.unknown.add(place, id);
        self.skip(ttype, depth)
    }

    /// Steps over a field of another type than declared.
    #[cold]
    pub(super) fn mistyped(&mut self, place: Place, id: i16, ttype: TType, depth: usize) -> Skimmed<()> {
        self.odd.mistyped.add(place, id);
        self.skip(ttype, depth)
    }

    /// Steps over a field that is not read: one of another type than declared, or one that is not declared.
    #[cold]
    pub(super) fn other(
        &mut self,
        place: Place,
        declared: &[i16],
        (id, ttype): (i16, TType),
        depth: usize,
    ) -> Skimmed<()> {
        if declared.contains(&id) {
            self.mistyped(place, id, ttype, depth)
        } else {
            self.unknown(place, id, ttype, depth)
        }
    }
}
