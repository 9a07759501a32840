//! A Thrift value without a schema, as both wire forms of Aurora carry it.
//!
//! Belongs here: the tree of values, the order-free comparison of two trees, and the message envelope. The trees keep every
//! field they met, known or not, in the order of the wire, so that what was decoded can be encoded again unchanged.
//!
//! Deliberately not here: names of fields (see [`super::types`]) and bytes (see [`super::tbinary`] and [`super::tjson`]).
//!
//! Text and binary share one wire type in Thrift. A [`Value::Str`] is text; a [`Value::Binary`] is bytes that are not UTF-8, or that the
//! caller wants written as binary (base64 in TJSON). TJSON cannot tell the two apart, so it always decodes to `Str`.

use std::cmp::Ordering;

/// The most levels of structs and containers a decoder follows. Aurora's deepest reply needs about 14; the JSON form doubles
/// the number and the JSON reader itself stops at 128.
pub const DEPTH_MAX: usize = 32;

/// Wire type of a value; the numbers are `TBinary`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TType {
    /// One byte, 0 or 1.
    Bool = 2,
    /// Signed 8 bits.
    Byte = 3,
    /// IEEE 754, 64 bits.
    Double = 4,
    /// Signed 16 bits.
    I16 = 6,
    /// Signed 32 bits; enums too.
    I32 = 8,
    /// Signed 64 bits.
    I64 = 10,
    /// Text or bytes with a length before.
    String = 11,
    /// Struct, union or exception.
    Struct = 12,
    /// Pairs.
    Map = 13,
    /// Elements without order.
    Set = 14,
    /// Elements in order.
    List = 15,
}

impl TType {
    /// The type of this wire number, if there is one.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            2 => Self::Bool,
            3 => Self::Byte,
            4 => Self::Double,
            6 => Self::I16,
            8 => Self::I32,
            10 => Self::I64,
            11 => Self::String,
            12 => Self::Struct,
            13 => Self::Map,
            14 => Self::Set,
            15 => Self::List,
            _ => return None,
        })
    }

    /// `TBinary`'s number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The fewest bytes a value of this type takes in `TBinary`; what a count is checked against before anything is allocated.
    pub const fn size_min(self) -> usize {
        match self {
            Self::Bool | Self::Byte | Self::Struct => 1,
            Self::I16 => 2,
            Self::I32 | Self::String => 4,
            Self::Set | Self::List => 5,
            Self::Map => 6,
            Self::Double | Self::I64 => 8,
        }
    }

    /// TJSON's tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Bool => "tf",
            Self::Byte => "i8",
            Self::Double => "dbl",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::String => "str",
            Self::Struct => "rec",
            Self::Map => "map",
            Self::Set => "set",
            Self::List => "lst",
        }
    }

    /// The type of this TJSON tag, if there is one.
    pub fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "tf" => Self::Bool,
            "i8" => Self::Byte,
            "dbl" => Self::Double,
            "i16" => Self::I16,
            "i32" => Self::I32,
            "i64" => Self::I64,
            "str" => Self::String,
            "rec" => Self::Struct,
            "map" => Self::Map,
            "set" => Self::Set,
            "lst" => Self::List,
            _ => return None,
        })
    }
}

/// One value.
#[derive(Clone, Debug)]
pub enum Value {
    /// `bool`.
    Bool(bool),
    /// `byte` / `i8`.
    Byte(i8),
    /// `double`.
    Double(f64),
    /// `i16`.
    I16(i16),
    /// `i32` or an enum.
    I32(i32),
    /// `i64`.
    I64(i64),
    /// `string`.
    Str(String),
    /// `binary`, or a string that is not UTF-8.
    Binary(Vec<u8>),
    /// A struct, union or exception.
    Struct(Struct),
    /// A map.
    Map(Map),
    /// A set, in the order of the wire.
    Set(Seq),
    /// A list.
    List(Seq),
}

/// Fields of a struct in wire order. A repeated id keeps all; the last one counts, as it does for Thrift's own readers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Struct {
    /// Field id and value.
    pub fields: Vec<(i16, Value)>,
}

/// Elements of a list or set with their declared type.
#[derive(Clone, Debug, PartialEq)]
pub struct Seq {
    /// Declared type of the elements.
    pub elem: TType,
    /// The elements.
    pub items: Vec<Value>,
}

/// Pairs of a map with their declared types.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Declared type of the keys.
    pub key: TType,
    /// Declared type of the values.
    pub value: TType,
    /// The pairs in wire order.
    pub entries: Vec<(Value, Value)>,
}

impl PartialEq for Value {
    /// Doubles compare by bits, so that a decoded NaN equals itself.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Byte(a), Self::Byte(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::I16(a), Self::I16(b)) => a == b,
            (Self::I32(a), Self::I32(b)) => a == b,
            (Self::I64(a), Self::I64(b)) => a == b,
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Binary(a), Self::Binary(b)) => a == b,
            (Self::Struct(a), Self::Struct(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Set(a), Self::Set(b)) | (Self::List(a), Self::List(b)) => a == b,
            _ => false,
        }
    }
}

impl Value {
    /// Wire type of this value.
    pub const fn ttype(&self) -> TType {
        match self {
            Self::Bool(_) => TType::Bool,
            Self::Byte(_) => TType::Byte,
            Self::Double(_) => TType::Double,
            Self::I16(_) => TType::I16,
            Self::I32(_) => TType::I32,
            Self::I64(_) => TType::I64,
            Self::Str(_) | Self::Binary(_) => TType::String,
            Self::Struct(_) => TType::Struct,
            Self::Map(_) => TType::Map,
            Self::Set(_) => TType::Set,
            Self::List(_) => TType::List,
        }
    }

    /// Text of a string value.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Str(text) = self { Some(text) } else { None }
    }

    /// Number of an `i32` value.
    pub const fn as_i32(&self) -> Option<i32> {
        if let Self::I32(number) = self { Some(*number) } else { None }
    }

    /// Number of an `i64` value.
    pub const fn as_i64(&self) -> Option<i64> {
        if let Self::I64(number) = self { Some(*number) } else { None }
    }

    /// The struct of a struct value.
    pub const fn as_struct(&self) -> Option<&Struct> {
        if let Self::Struct(fields) = self { Some(fields) } else { None }
    }

    /// Elements of a list or a set.
    pub fn as_items(&self) -> Option<&[Value]> {
        match self {
            Self::Set(seq) | Self::List(seq) => Some(&seq.items),
            _ => None,
        }
    }

    /// The same tree with fields by id, set elements and map entries in one order: equal for two trees that differ only in what
    /// Thrift leaves open. Java writes hash sets, so two recordings of one state differ in order.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        self.sort();
        self
    }

    fn sort(&mut self) {
        match self {
            Self::Struct(fields) => fields.sort(),
            Self::List(seq) => seq.items.iter_mut().for_each(Self::sort),
            Self::Set(seq) => {
                seq.items.iter_mut().for_each(Self::sort);
                seq.items.sort_by(total_order);
            }
            Self::Map(map) => {
                for (key, value) in &mut map.entries {
                    key.sort();
                    value.sort();
                }
                map.entries.sort_by(|a, b| total_order(&a.0, &b.0).then_with(|| total_order(&a.1, &b.1)));
            }
            _ => {}
        }
    }
}

impl From<Struct> for Value {
    fn from(fields: Struct) -> Self {
        Self::Struct(fields)
    }
}

impl Struct {
    /// A struct without fields.
    pub const fn new() -> Self {
        Self { fields: Vec::new() }
    }

    /// The value of the field, the last one when it is repeated.
    pub fn get(&self, id: i16) -> Option<&Value> {
        self.fields.iter().rev().find(|(field, _)| *field == id).map(|(_, value)| value)
    }

    /// Text of the field, if it is there and text.
    pub fn str(&self, id: i16) -> Option<&str> {
        self.get(id).and_then(Value::as_str)
    }

    /// Struct in the field, if it is there and a struct.
    pub fn rec(&self, id: i16) -> Option<&Struct> {
        self.get(id).and_then(Value::as_struct)
    }

    /// Struct in the field, taken out; the last one when it is repeated. For what is too large to be copied.
    pub fn take_rec(self, id: i16) -> Option<Self> {
        let last = self.fields.into_iter().rev().find(|(field, _)| *field == id);
        if let Some((_, Value::Struct(fields))) = last { Some(fields) } else { None }
    }

    /// Adds a field at the end.
    #[must_use]
    pub fn with(mut self, id: i16, value: impl Into<Value>) -> Self {
        self.fields.push((id, value.into()));
        self
    }

    /// True without fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The same in one order; see [`Value::canonical`].
    #[must_use]
    pub fn canonical(mut self) -> Self {
        self.sort();
        self
    }

    fn sort(&mut self) {
        for (_, value) in &mut self.fields {
            value.sort();
        }
        self.fields.sort_by_key(|(id, _)| *id);
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::I32(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::I64(number)
    }
}

/// A total order over trees; only its consistency matters, not its meaning.
fn total_order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Byte(a), Value::Byte(b)) => a.cmp(b),
        (Value::Double(a), Value::Double(b)) => a.total_cmp(b),
        (Value::I16(a), Value::I16(b)) => a.cmp(b),
        (Value::I32(a), Value::I32(b)) => a.cmp(b),
        (Value::I64(a), Value::I64(b)) => a.cmp(b),
        (Value::Str(a), Value::Str(b)) => a.cmp(b),
        (Value::Binary(a), Value::Binary(b)) => a.cmp(b),
        (Value::Str(_), Value::Binary(_)) => Ordering::Less,
        (Value::Binary(_), Value::Str(_)) => Ordering::Greater,
        (Value::Struct(a), Value::Struct(b)) => {
            order_all(&a.fields, &b.fields, |x, y| x.0.cmp(&y.0).then_with(|| total_order(&x.1, &y.1)))
        }
        (Value::Map(a), Value::Map(b)) => {
            order_all(&a.entries, &b.entries, |x, y| total_order(&x.0, &y.0).then_with(|| total_order(&x.1, &y.1)))
        }
        (Value::Set(a), Value::Set(b)) | (Value::List(a), Value::List(b)) => order_all(&a.items, &b.items, total_order),
        _ => a.ttype().cmp(&b.ttype()),
    }
}

fn order_all<T>(a: &[T], b: &[T], order: impl Fn(&T, &T) -> Ordering) -> Ordering {
    a.iter().zip(b).map(|(x, y)| order(x, y)).find(|found| found.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MessageKind {
    /// A request.
    Call = 1,
    /// The answer to a request.
    Reply = 2,
    /// A [`ApplicationException`] in place of the answer.
    Exception = 3,
    /// A request that gets no answer. Aurora has none.
    Oneway = 4,
}

impl MessageKind {
    /// The kind of this wire number, if there is one.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Call,
            2 => Self::Reply,
            3 => Self::Exception,
            4 => Self::Oneway,
            _ => return None,
        })
    }
}

/// One message: the body of a request or of an answer at `/api`.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Bare name of the method.
    pub name: String,
    /// Request, answer or exception.
    pub kind: MessageKind,
    /// Echoed by the server; the clients of Aurora always send 0.
    pub seqid: i32,
    /// Arguments by id; or the result in field 0; or the exception.
    pub body: Struct,
}

impl Message {
    /// A request.
    pub fn call(name: &str, seqid: i32, args: Struct) -> Self {
        Self { name: name.to_owned(), kind: MessageKind::Call, seqid, body: args }
    }

    /// The answer to a request, with its result in field 0.
    pub fn reply(name: &str, seqid: i32, result: impl Into<Value>) -> Self {
        Self { name: name.to_owned(), kind: MessageKind::Reply, seqid, body: Struct::new().with(0, result) }
    }

    /// An exception in place of an answer.
    pub fn exception(name: &str, seqid: i32, exception: &ApplicationException) -> Self {
        let body = Struct::new().with(1, exception.message.as_str()).with(2, exception.code);
        Self { name: name.to_owned(), kind: MessageKind::Exception, seqid, body }
    }
}

/// `TApplicationException`: the server did not get as far as the method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationException {
    /// The server's text.
    pub message: String,
    /// 1 unknown method, 6 internal error, 7 protocol error.
    pub code: i32,
}

impl ApplicationException {
    /// `type` for a method the server does not have.
    pub const UNKNOWN_METHOD: i32 = 1;
    /// `type` for a failure outside the handler.
    pub const INTERNAL_ERROR: i32 = 6;
    /// `type` for a message that could not be decoded.
    pub const PROTOCOL_ERROR: i32 = 7;

    /// Reads the body of an exception message; what is missing is left empty.
    pub fn from_body(body: &Struct) -> Self {
        Self {
            message: body.str(1).unwrap_or_default().to_owned(),
            code: body.get(2).and_then(Value::as_i32).unwrap_or_default(),
        }
    }
}
