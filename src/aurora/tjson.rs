//! `TJSONProtocol`, the form that every Aurora release from 0.5 on speaks at `/api`.
//!
//! A message is `[1,"name",kind,seqid,{..}]`; a struct is an object from field id to `{"tag":value}`; lists and sets are
//! `["tag",count,e1,..]`; maps are `["ktag","vtag",count,{"k":v}]` with keys that are not text quoted; bools are 0 and 1; binary is base64
//! under `str`; a double that JSON cannot write is one of three strings.
//!
//! Survives any bytes: the JSON reader stops at 128 levels and this at [`DEPTH_MAX`]; nothing is allocated by an announced count.
//! A tree is built while the text is read, without a JSON document between.
//!
//! Deliberately not here: telling base64 from text. Without the method's declaration both look alike, so every `str` decodes to text;
//! [`base64_decode`] is for the fields that are known to be binary.

use super::value::{DEPTH_MAX, Map, Message, MessageKind, Seq, Struct, TType, Value};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use std::fmt;
use thiserror::Error;

/// Elements reserved ahead of reading; more grow as they are really read.
const RESERVE_MAX: usize = 1024;
/// TJSON's own version.
const VERSION: i64 = 1;

/// Why bytes are not a TJSON message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a TJSON message: {what}")]
pub struct TJsonError {
    /// The JSON reader's words, with line and column.
    pub what: String,
    /// True when the text is not JSON at all: a page of HTML, say.
    pub not_json: bool,
}

/// Why a tree cannot be said in TJSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TJsonEncodeError {
    /// JSON has no keys of this type.
    #[error("a map key of type {0:?} cannot be written as TJSON")]
    Key(TType),
    /// An element differs from the declared type of its container.
    #[error("an element of type {found:?} in a container of {declared:?}")]
    Element {
        /// Declared type.
        declared: TType,
        /// Type of the element.
        found: TType,
    },
}

/// Decodes one message; nothing but white space may follow it.
pub fn decode_message(bytes: &[u8]) -> Result<Message, TJsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let message = reader.deserialize_message().and_then(|message| reader.end().map(|()| message));
    message.map_err(|error| TJsonError { not_json: error.is_syntax() || error.is_eof(), what: error.to_string() })
}

trait DeserializeMessage {
    fn deserialize_message(&mut self) -> Result<Message, serde_json::Error>;
}

impl<'de, R: serde_json::de::Read<'de>> DeserializeMessage for serde_json::Deserializer<R> {
    fn deserialize_message(&mut self) -> Result<Message, serde_json::Error> {
        de::Deserializer::deserialize_seq(self, MessageVisitor)
    }
}

struct MessageVisitor;

impl<'de> Visitor<'de> for MessageVisitor {
    type Value = Message;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of version, name, kind, sequence number and body")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Message, A::Error> {
        let version: i64 = next(&mut seq, "version")?;
        if version != VERSION {
            return Err(de::Error::custom(format_args!("unknown protocol version {version}")));
        }
        let name: String = next(&mut seq, "name")?;
        let kind: u8 = next(&mut seq, "kind")?;
        let kind = MessageKind::from_code(kind)
            .ok_or_else(|| de::Error::custom(format_args!("unknown message type {kind}")))?;
        let seqid: i32 = next(&mut seq, "sequence number")?;
        let body = seq.next_element_seed(StructSeed { depth: 1 })?.ok_or_else(|| de::Error::custom("no body"))?;
        end(&mut seq)?;
        Ok(Message { name, kind, seqid, body })
    }
}

fn next<'de, A: SeqAccess<'de>, T: de::Deserialize<'de>>(seq: &mut A, what: &str) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| de::Error::custom(format_args!("no {what}")))
}

fn end<'de, A: SeqAccess<'de>>(seq: &mut A) -> Result<(), A::Error> {
    match seq.next_element::<de::IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(de::Error::custom("more elements than announced")),
    }
}

fn check_depth<E: de::Error>(depth: usize) -> Result<(), E> {
    if depth > DEPTH_MAX { Err(E::custom(format_args!("nested deeper than {DEPTH_MAX} levels"))) } else { Ok(()) }
}

fn tag<E: de::Error>(tag: &str) -> Result<TType, E> {
    TType::from_tag(tag).ok_or_else(|| E::custom(format_args!("unknown type tag {tag:?}")))
}

/// An object from field ids to tagged values.
struct StructSeed {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for StructSeed {
    type Value = Struct;

    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<Struct, D::Error> {
        check_depth(self.depth)?;
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for StructSeed {
    type Value = Struct;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object from field ids to tagged values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Struct, A::Error> {
        let mut fields = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let id: i16 =
                key.parse().map_err(|_| de::Error::custom(format_args!("field id {key:?} is not a number")))?;
            fields.push((id, map.next_value_seed(TaggedSeed { depth: self.depth })?));
        }
        Ok(Struct { fields })
    }
}

/// `{"tag":value}`.
struct TaggedSeed {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for TaggedSeed {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TaggedSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one type tag")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let key: String = map.next_key()?.ok_or_else(|| de::Error::custom("a field without a type tag"))?;
        let value = map.next_value_seed(ValueSeed { ttype: tag(&key)?, depth: self.depth })?;
        match map.next_key::<de::IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(de::Error::custom("a field with two type tags")),
        }
    }
}

/// A value whose type is known.
struct ValueSeed {
    ttype: TType,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        let depth = self.depth + 1;
        match self.ttype {
            TType::Struct => StructSeed { depth }.deserialize(d).map(Value::Struct),
            TType::List => SeqSeed { depth }.deserialize(d).map(Value::List),
            TType::Set => SeqSeed { depth }.deserialize(d).map(Value::Set),
            TType::Map => MapSeed { depth }.deserialize(d).map(Value::Map),
            TType::Bool | TType::Byte | TType::Double | TType::I16 | TType::I32 | TType::I64 | TType::String => {
                d.deserialize_any(ScalarVisitor { ttype: self.ttype })
            }
        }
    }
}

/// A number, bool or text.
struct ScalarVisitor {
    ttype: TType,
}

impl ScalarVisitor {
    fn integer<E: de::Error>(&self, number: i64) -> Result<Value, E> {
        let beyond = || E::custom(format_args!("{number} does not fit {:?}", self.ttype));
        Ok(match self.ttype {
            TType::Bool => match number {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(beyond()),
            },
            TType::Byte => Value::Byte(i8::try_from(number).map_err(|_| beyond())?),
            TType::I16 => Value::I16(i16::try_from(number).map_err(|_| beyond())?),
            TType::I32 => Value::I32(i32::try_from(number).map_err(|_| beyond())?),
            TType::I64 => Value::I64(number),
            TType::Double => Value::Double(number as f64),
            _ => return Err(E::custom(format_args!("a number where {:?} is declared", self.ttype))),
        })
    }
}

impl Visitor<'_> for ScalarVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of type {:?}", self.ttype)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        self.integer(number)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        if self.ttype == TType::Double {
            return Ok(Value::Double(number as f64));
        }
        let number =
            i64::try_from(number).map_err(|_| E::custom(format_args!("{number} does not fit {:?}", self.ttype)))?;
        self.integer(number)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        match self.ttype {
            TType::Double => Ok(Value::Double(number)),
            other => Err(E::custom(format_args!("a fraction where {other:?} is declared"))),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        match (self.ttype, text.as_str()) {
            (TType::String, _) => Ok(Value::Str(text)),
            (TType::Double, "NaN") => Ok(Value::Double(f64::NAN)),
            (TType::Double, "Infinity") => Ok(Value::Double(f64::INFINITY)),
            (TType::Double, "-Infinity") => Ok(Value::Double(f64::NEG_INFINITY)),
            (other, _) => Err(E::custom(format_args!("text where {other:?} is declared"))),
        }
    }
}

/// `["tag",count,..]`.
struct SeqSeed {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for SeqSeed {
    type Value = Seq;

    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<Seq, D::Error> {
        check_depth(self.depth)?;
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for SeqSeed {
    type Value = Seq;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of type tag, count and elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seq, A::Error> {
        let elem = tag(&next::<_, String>(&mut seq, "element type")?)?;
        let count: u32 = next(&mut seq, "count")?;
        let mut items = Vec::with_capacity((count as usize).min(RESERVE_MAX));
        for _ in 0..count {
            let item = seq.next_element_seed(ValueSeed { ttype: elem, depth: self.depth })?;
            items.push(item.ok_or_else(|| de::Error::custom("fewer elements than announced"))?);
        }
        end(&mut seq)?;
        Ok(Seq { elem, items })
    }
}

/// `["ktag","vtag",count,{..}]`.
struct MapSeed {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for MapSeed {
    type Value = Map;

    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<Map, D::Error> {
        check_depth(self.depth)?;
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for MapSeed {
    type Value = Map;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of key type, value type, count and an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Map, A::Error> {
        let key = tag(&next::<_, String>(&mut seq, "key type")?)?;
        let value = tag(&next::<_, String>(&mut seq, "value type")?)?;
        let count: u32 = next(&mut seq, "count")?;
        let entries = seq
            .next_element_seed(EntriesSeed { key, value, depth: self.depth })?
            .ok_or_else(|| de::Error::custom("a map without its object"))?;
        end(&mut seq)?;
        if entries.len() != count as usize {
            return Err(de::Error::custom(format_args!("a map of {} entries that announces {count}", entries.len())));
        }
        Ok(Map { key, value, entries })
    }
}

struct EntriesSeed {
    key: TType,
    value: TType,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for EntriesSeed {
    type Value = Vec<(Value, Value)>;

    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EntriesSeed {
    type Value = Vec<(Value, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object from keys to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(text) = map.next_key::<String>()? {
            let key = key_value(self.key, text)?;
            entries.push((key, map.next_value_seed(ValueSeed { ttype: self.value, depth: self.depth })?));
        }
        Ok(entries)
    }
}

fn key_value<E: de::Error>(ttype: TType, text: String) -> Result<Value, E> {
    let scalar = ScalarVisitor { ttype };
    match ttype {
        TType::String => Ok(Value::Str(text)),
        TType::Double => match text.parse() {
            Ok(number) => Ok(Value::Double(number)),
            Err(_) => scalar.visit_string(text),
        },
        TType::Bool | TType::Byte | TType::I16 | TType::I32 | TType::I64 => match text.parse() {
            Ok(number) => scalar.integer(number),
            Err(_) => Err(E::custom(format_args!("map key {text:?} is not a number"))),
        },
        TType::Struct | TType::Map | TType::Set | TType::List => Err(E::custom("a map key that is not a scalar")),
    }
}

/// Encodes a message.
pub fn encode_message(message: &Message) -> Result<Vec<u8>, TJsonEncodeError> {
    let mut out = Vec::new();
    out.extend_from_slice(b"[1,");
    put_text(&mut out, &message.name);
    out.extend_from_slice(format!(",{},{},", message.kind as u8, message.seqid).as_bytes());
    put_struct(&mut out, &message.body)?;
    out.push(b']');
    Ok(out)
}

fn put_struct(out: &mut Vec<u8>, fields: &Struct) -> Result<(), TJsonEncodeError> {
    out.push(b'{');
    for (index, (id, value)) in fields.fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(format!("\"{id}\":{{\"{}\":", value.ttype().tag()).as_bytes());
        put_value(out, value)?;
        out.push(b'}');
    }
    out.push(b'}');
    Ok(())
}

fn put_value(out: &mut Vec<u8>, value: &Value) -> Result<(), TJsonEncodeError> {
    match value {
        Value::Bool(yes) => out.push(if *yes { b'1' } else { b'0' }),
        Value::Byte(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::I16(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::I32(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::I64(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(number) => out.extend_from_slice(double_text(*number).as_bytes()),
        Value::Str(text) => put_text(out, text),
        Value::Binary(bytes) => put_text(out, &base64_encode(bytes)),
        Value::Struct(fields) => put_struct(out, fields)?,
        Value::Set(seq) | Value::List(seq) => put_seq(out, seq)?,
        Value::Map(map) => put_map(out, map)?,
    }
    Ok(())
}

fn put_seq(out: &mut Vec<u8>, seq: &Seq) -> Result<(), TJsonEncodeError> {
    out.extend_from_slice(format!("[\"{}\",{}", seq.elem.tag(), seq.items.len()).as_bytes());
    for item in &seq.items {
        check_type(seq.elem, item)?;
        out.push(b',');
        put_value(out, item)?;
    }
    out.push(b']');
    Ok(())
}

fn put_map(out: &mut Vec<u8>, map: &Map) -> Result<(), TJsonEncodeError> {
    out.extend_from_slice(
        format!("[\"{}\",\"{}\",{},{{", map.key.tag(), map.value.tag(), map.entries.len()).as_bytes(),
    );
    for (index, (key, value)) in map.entries.iter().enumerate() {
        check_type(map.key, key)?;
        check_type(map.value, value)?;
        if index > 0 {
            out.push(b',');
        }
        put_key(out, key)?;
        out.push(b':');
        put_value(out, value)?;
    }
    out.extend_from_slice(b"}]");
    Ok(())
}

fn put_key(out: &mut Vec<u8>, key: &Value) -> Result<(), TJsonEncodeError> {
    match key {
        Value::Str(_) | Value::Binary(_) => put_value(out, key),
        Value::Double(number) if !number.is_finite() => put_value(out, key),
        Value::Bool(_) | Value::Byte(_) | Value::I16(_) | Value::I32(_) | Value::I64(_) | Value::Double(_) => {
            out.push(b'"');
            put_value(out, key)?;
            out.push(b'"');
            Ok(())
        }
        Value::Struct(_) | Value::Map(_) | Value::Set(_) | Value::List(_) => Err(TJsonEncodeError::Key(key.ttype())),
    }
}

fn check_type(declared: TType, value: &Value) -> Result<(), TJsonEncodeError> {
    let found = value.ttype();
    if found == declared { Ok(()) } else { Err(TJsonEncodeError::Element { declared, found }) }
}

fn double_text(number: f64) -> String {
    if number.is_nan() {
        "\"NaN\"".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "\"Infinity\"".to_owned() } else { "\"-Infinity\"".to_owned() }
    } else {
        // The shortest form that reads back as the same bits, with a point or an exponent as Java writes it.
        format!("{number:?}")
    }
}

/// JSON text with the escapes that Thrift's writers use: short forms and `\u00XX` for control characters, all else as it is.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            control if control < ' ' => out.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes()),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 without padding, as Thrift's Java writer leaves it.
pub fn base64_encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().enumerate().fold(0_u32, |word, (index, byte)| word | u32::from(*byte) << (16 - 8 * index));
        for index in 0..=chunk.len() {
            let digit = (word >> (18 - 6 * index) & 63) as usize;
            out.extend(ALPHABET.get(digit).map(|byte| char::from(*byte)));
        }
    }
    out
}

/// Base64 with or without padding; `None` for anything else.
pub fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let digits = text.trim_end_matches('=').as_bytes();
    for chunk in digits.chunks(4) {
        if chunk.len() == 1 {
            return None;
        }
        let mut word = 0_u32;
        for (index, digit) in chunk.iter().enumerate() {
            let value = ALPHABET.iter().position(|known| known == digit)?;
            word |= (value as u32) << (18 - 6 * index);
        }
        out.extend(word.to_be_bytes().iter().skip(1).take(chunk.len() - 1));
    }
    Some(out)
}
