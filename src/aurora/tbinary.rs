//! `TBinaryProtocol`, the encoding of Aurora's backup files, log entries and (from 0.16) of `/api` on request.
//!
//! A pull [`Reader`] over a slice, so that a large file can be walked element by element, and whole-tree decoding and encoding on top.
//! All integers are big-endian; the layout is Thrift's own.
//!
//! Survives any bytes: every length and count is checked against what is left before anything is allocated, depth and the number of
//! values are limited. It does not skip what it does not understand: a wire type that Thrift does not have is an error here, while some
//! readers of Java step over it and go on misaligned.

use super::value::{DEPTH_MAX, Map, Message, MessageKind, Seq, Struct, TType, Value};
use thiserror::Error;

/// The most values one decoding builds: a backup of 20,000 tasks has about 1.5 million; each costs about 40 bytes of memory.
pub const VALUES_MAX: u64 = 50_000_000;
/// The longest method name; Aurora's longest is 33 bytes.
const NAME_BYTES_MAX: usize = 256;
/// High half of the first word of a strict message.
const VERSION_1: u32 = 0x8001_0000;
const VERSION_MASK: u32 = 0xffff_0000;
/// Elements reserved ahead of reading; more grow as they are really read.
const RESERVE_MAX: usize = 1024;

/// Why bytes are not `TBinary`, with the offset where it showed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TBinaryError {
    /// The bytes end inside a value.
    #[error("the data ends at byte {at}, inside a value that needs {needed} more bytes")]
    Truncated {
        /// Offset of the value.
        at: usize,
        /// Bytes missing at least.
        needed: usize,
    },
    /// A negative length or count.
    #[error("negative length {length} at byte {at}")]
    NegativeLength {
        /// Offset of the length.
        at: usize,
        /// The length as written.
        length: i32,
    },
    /// A length or count that what is left cannot hold.
    #[error("length {length} at byte {at} is more than the {left} bytes left")]
    LengthBeyondEnd {
        /// Offset of the length.
        at: usize,
        /// The length as written.
        length: i32,
        /// Bytes left.
        left: usize,
    },
    /// A wire type that Thrift does not have.
    #[error("unknown wire type {code} at byte {at}")]
    UnknownType {
        /// Offset of the type.
        at: usize,
        /// The number.
        code: u8,
    },
    /// A message head that is neither strict nor the old form.
    #[error("not a thrift message: {what} at byte {at}")]
    BadMessage {
        /// Offset.
        at: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// More levels than [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX} levels at byte {at}")]
    TooDeep {
        /// Offset.
        at: usize,
    },
    /// More values than the limit.
    #[error("more than {limit} values at byte {at}")]
    TooMany {
        /// Offset.
        at: usize,
        /// The limit.
        limit: u64,
    },
    /// Bytes after the closing one.
    #[error("{left} bytes follow the end of the data at byte {at}")]
    Trailing {
        /// Offset of the first.
        at: usize,
        /// How many.
        left: usize,
    },
}

impl TBinaryError {
    /// Offset in the input at which the error showed.
    pub const fn offset(&self) -> usize {
        match self {
            Self::Truncated { at, .. }
            | Self::NegativeLength { at, .. }
            | Self::LengthBeyondEnd { at, .. }
            | Self::UnknownType { at, .. }
            | Self::BadMessage { at, .. }
            | Self::TooDeep { at }
            | Self::TooMany { at, .. }
            | Self::Trailing { at, .. } => *at,
        }
    }
}

/// Pulls values from a slice.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: u64,
    values_max: u64,
    not_utf8: u64,
}

/// Head of a list or set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeqHead {
    /// Type of the elements; `None` when there are none and the type is not one of Thrift's.
    pub elem: TType,
    /// Number of elements.
    pub count: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte, with [`VALUES_MAX`].
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self::with_limit(bytes, VALUES_MAX)
    }

    /// Starts at the first byte with another limit on the number of values.
    pub const fn with_limit(bytes: &'a [u8], values_max: u64) -> Self {
        Self { bytes, at: 0, values: 0, values_max, not_utf8: 0 }
    }

    /// Offset of the next byte.
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// Bytes not yet read.
    pub const fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Values read so far.
    pub const fn values(&self) -> u64 {
        self.values
    }

    /// Strings met so far that were not UTF-8. Aurora writes no binary into a snapshot, so one of these there means damage.
    pub const fn not_utf8(&self) -> u64 {
        self.not_utf8
    }

    /// Requires that nothing is left.
    pub fn end(&self) -> Result<(), TBinaryError> {
        match self.left() {
            0 => Ok(()),
            left => Err(TBinaryError::Trailing { at: self.at, left }),
        }
    }

    /// Head of the next field, or `None` at the end of the struct.
    pub fn field(&mut self) -> Result<Option<(i16, TType)>, TBinaryError> {
        let at = self.at;
        let code = self.u8()?;
        if code == 0 {
            return Ok(None);
        }
        let ttype = TType::from_code(code).ok_or(TBinaryError::UnknownType { at, code })?;
        Ok(Some((self.i16()?, ttype)))
    }

    /// Head of a list or set.
    pub fn seq_head(&mut self) -> Result<SeqHead, TBinaryError> {
        let at = self.at;
        let code = self.u8()?;
        let count_at = self.at;
        let count = self.i32()?;
        // Some writers give an empty container no element type.
        let elem = match (TType::from_code(code), count) {
            (Some(elem), _) => elem,
            (None, 0) => TType::Byte,
            (None, _) => return Err(TBinaryError::UnknownType { at, code }),
        };
        Ok(SeqHead { elem, count: self.checked_count(count_at, count, elem.size_min())? })
    }

    /// A value of the type, at the top.
    pub fn value(&mut self, ttype: TType) -> Result<Value, TBinaryError> {
        self.value_at(ttype, 0)
    }

    /// A struct up to its closing byte, at the top.
    pub fn structure(&mut self) -> Result<Struct, TBinaryError> {
        self.struct_at(0)
    }

    fn value_at(&mut self, ttype: TType, depth: usize) -> Result<Value, TBinaryError> {
        self.values = self.values.saturating_add(1);
        if self.values > self.values_max {
            return Err(TBinaryError::TooMany { at: self.at, limit: self.values_max });
        }
        Ok(match ttype {
            TType::Bool => Value::Bool(self.u8()? != 0),
            TType::Byte => Value::Byte(self.u8()? as i8),
            TType::Double => Value::Double(f64::from_bits(self.i64()? as u64)),
            TType::I16 => Value::I16(self.i16()?),
            TType::I32 => Value::I32(self.i32()?),
            TType::I64 => Value::I64(self.i64()?),
            TType::String => self.string()?,
            TType::Struct => Value::Struct(self.struct_at(depth + 1)?),
            TType::Map => Value::Map(self.map_at(depth + 1)?),
            TType::Set => Value::Set(self.seq_at(depth + 1)?),
            TType::List => Value::List(self.seq_at(depth + 1)?),
        })
    }

    fn struct_at(&mut self, depth: usize) -> Result<Struct, TBinaryError> {
        self.check_depth(depth)?;
        let mut fields = Vec::new();
        while let Some((id, ttype)) = self.field()? {
            fields.push((id, self.value_at(ttype, depth)?));
        }
        Ok(Struct { fields })
    }

    fn seq_at(&mut self, depth: usize) -> Result<Seq, TBinaryError> {
        self.check_depth(depth)?;
        let head = self.seq_head()?;
        let mut items = Vec::with_capacity(head.count.min(RESERVE_MAX));
        for _ in 0..head.count {
            items.push(self.value_at(head.elem, depth)?);
        }
        Ok(Seq { elem: head.elem, items })
    }

    fn map_at(&mut self, depth: usize) -> Result<Map, TBinaryError> {
        self.check_depth(depth)?;
        let at = self.at;
        let (key_code, value_code) = (self.u8()?, self.u8()?);
        let count_at = self.at;
        let count = self.i32()?;
        let ttype = |code: u8| match (TType::from_code(code), count) {
            (Some(ttype), _) => Ok(ttype),
            (None, 0) => Ok(TType::Byte),
            (None, _) => Err(TBinaryError::UnknownType { at, code }),
        };
        let (key, value) = (ttype(key_code)?, ttype(value_code)?);
        let count = self.checked_count(count_at, count, key.size_min() + value.size_min())?;
        let mut entries = Vec::with_capacity(count.min(RESERVE_MAX));
        for _ in 0..count {
            entries.push((self.value_at(key, depth)?, self.value_at(value, depth)?));
        }
        Ok(Map { key, value, entries })
    }

    fn string(&mut self) -> Result<Value, TBinaryError> {
        let at = self.at;
        let length = self.i32()?;
        let count = self.checked_count(at, length, 1)?;
        let bytes = self.take(count)?;
        Ok(if let Ok(text) = std::str::from_utf8(bytes) {
            Value::Str(text.to_owned())
        } else {
            self.not_utf8 += 1;
            Value::Binary(bytes.to_vec())
        })
    }

    const fn check_depth(&self, depth: usize) -> Result<(), TBinaryError> {
        if depth > DEPTH_MAX { Err(TBinaryError::TooDeep { at: self.at }) } else { Ok(()) }
    }

    fn checked_count(&self, at: usize, length: i32, each_min: usize) -> Result<usize, TBinaryError> {
        let count = usize::try_from(length).map_err(|_| TBinaryError::NegativeLength { at, length })?;
        let left = self.left();
        match count.checked_mul(each_min) {
            Some(bytes) if bytes <= left => Ok(count),
            _ => Err(TBinaryError::LengthBeyondEnd { at, length, left }),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], TBinaryError> {
        let end = self.at.saturating_add(count);
        let bytes = self
            .bytes
            .get(self.at..end)
            .ok_or(TBinaryError::Truncated { at: self.at, needed: count.saturating_sub(self.left()) })?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TBinaryError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, TBinaryError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn i16(&mut self) -> Result<i16, TBinaryError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    fn i32(&mut self) -> Result<i32, TBinaryError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64, TBinaryError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    fn message_head(&mut self) -> Result<(String, MessageKind, i32), TBinaryError> {
        let at = self.at;
        let first = self.i32()?;
        let (name, kind) = if first < 0 {
            let word = first as u32;
            if word & VERSION_MASK != VERSION_1 {
                return Err(TBinaryError::BadMessage { at, what: "unknown protocol version" });
            }
            let length = self.i32()?;
            (self.name(at, length)?, (word & 0xff) as u8)
        } else {
            (self.name(at, first)?, self.u8()?)
        };
        let kind = MessageKind::from_code(kind).ok_or(TBinaryError::BadMessage { at, what: "unknown message type" })?;
        Ok((name, kind, self.i32()?))
    }

    fn name(&mut self, at: usize, length: i32) -> Result<String, TBinaryError> {
        let count = self.checked_count(at, length, 1)?;
        if count > NAME_BYTES_MAX {
            return Err(TBinaryError::BadMessage { at, what: "a method name that is too long" });
        }
        let bytes = self.take(count)?;
        let name = std::str::from_utf8(bytes)
            .map_err(|_| TBinaryError::BadMessage { at, what: "a method name that is not text" })?;
        Ok(name.to_owned())
    }
}

/// Decodes one whole struct; nothing may follow it.
pub fn decode_struct(bytes: &[u8]) -> Result<Struct, TBinaryError> {
    let mut reader = Reader::new(bytes);
    let fields = reader.structure()?;
    reader.end()?;
    Ok(fields)
}

/// Decodes one message, strict or in the old form; nothing may follow it.
pub fn decode_message(bytes: &[u8]) -> Result<Message, TBinaryError> {
    let mut reader = Reader::new(bytes);
    let (name, kind, seqid) = reader.message_head()?;
    let body = reader.structure()?;
    reader.end()?;
    Ok(Message { name, kind, seqid, body })
}

/// Encodes a struct with its closing byte.
pub fn encode_struct(fields: &Struct) -> Vec<u8> {
    let mut out = Vec::new();
    put_struct(&mut out, fields);
    out
}

/// Encodes a message in the strict form.
pub fn encode_message(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend((VERSION_1 | u32::from(message.kind as u8)).to_be_bytes());
    put_bytes(&mut out, message.name.as_bytes());
    out.extend(message.seqid.to_be_bytes());
    put_struct(&mut out, &message.body);
    out
}

/// Encodes a message in the old form without a version.
pub fn encode_message_old(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, message.name.as_bytes());
    out.push(message.kind as u8);
    out.extend(message.seqid.to_be_bytes());
    put_struct(&mut out, &message.body);
    out
}

/// Appends a struct with its closing byte.
pub fn put_struct(out: &mut Vec<u8>, fields: &Struct) {
    for (id, value) in &fields.fields {
        put_field_head(out, *id, value.ttype());
        put_value(out, value);
    }
    out.push(0);
}

/// Appends the head of a field.
pub fn put_field_head(out: &mut Vec<u8>, id: i16, ttype: TType) {
    out.push(ttype.code());
    out.extend(id.to_be_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(yes) => out.push(u8::from(*yes)),
        Value::Byte(number) => out.extend(number.to_be_bytes()),
        Value::Double(number) => out.extend(number.to_bits().to_be_bytes()),
        Value::I16(number) => out.extend(number.to_be_bytes()),
        Value::I32(number) => out.extend(number.to_be_bytes()),
        Value::I64(number) => out.extend(number.to_be_bytes()),
        Value::Str(text) => put_bytes(out, text.as_bytes()),
        Value::Binary(bytes) => put_bytes(out, bytes),
        Value::Struct(fields) => put_struct(out, fields),
        Value::Map(map) => {
            let entries: Vec<_> = map
                .entries
                .iter()
                .filter(|(key, value)| key.ttype() == map.key && value.ttype() == map.value)
                .collect();
            out.extend([map.key.code(), map.value.code()]);
            put_count(out, entries.len());
            for (key, value) in entries {
                put_value(out, key);
                put_value(out, value);
            }
        }
        Value::Set(seq) | Value::List(seq) => {
            // An element of another type would make every byte after it mean something else.
            let items: Vec<_> = seq.items.iter().filter(|item| item.ttype() == seq.elem).collect();
            out.push(seq.elem.code());
            put_count(out, items.len());
            for item in items {
                put_value(out, item);
            }
        }
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend(bytes);
}

/// Counts beyond `i32` cannot be said in this protocol; nothing that this program holds in memory gets there.
fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes());
}
