//! How a Rust struct or enum stands for a Thrift one.
//!
//! A field that is absent keeps its default, a field that is unknown or of another type than declared is kept aside in `other` and written
//! back at the end: nothing that was read is lost by writing it again, and a reader of an older or newer release does not stop.
//! This is also how Aurora's own generated code behaves, except that it drops what it does not know.

use super::value::{Map, Seq, Struct, TType, Value};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

/// A type with one Thrift form.
pub trait Thrift: Sized {
    /// Wire type of the form.
    const TTYPE: TType;
    /// Reads it; gives the value back when it is of another type.
    fn from_value(value: Value) -> Result<Self, Value>;
    /// Writes it.
    fn to_value(&self) -> Value;
}

/// A field of a struct: a [`Thrift`] type, or an `Option` of one for a field that may be unset.
pub trait Slot {
    /// Fills the field; gives the value back when it is of another type.
    fn fill(&mut self, value: Value) -> Result<(), Value>;
    /// The value to write, if any.
    fn emit(&self) -> Option<Value>;
}

impl<T: Thrift> Slot for T {
    fn fill(&mut self, value: Value) -> Result<(), Value> {
        *self = T::from_value(value)?;
        Ok(())
    }

    fn emit(&self) -> Option<Value> {
        Some(self.to_value())
    }
}

impl<T: Thrift> Slot for Option<T> {
    fn fill(&mut self, value: Value) -> Result<(), Value> {
        *self = Some(T::from_value(value)?);
        Ok(())
    }

    fn emit(&self) -> Option<Value> {
        self.as_ref().map(T::to_value)
    }
}

macro_rules! scalar {
    ($($type:ty => $variant:ident, $ttype:ident;)*) => {$(
        impl Thrift for $type {
            const TTYPE: TType = TType::$ttype;
            fn from_value(value: Value) -> Result<Self, Value> {
                if let Value::$variant(inner) = value { Ok(inner) } else { Err(value) }
            }
            fn to_value(&self) -> Value {
                Value::$variant(self.clone())
            }
        }
    )*};
}

scalar! {
    bool => Bool, Bool;
    f64 => Double, Double;
    i32 => I32, I32;
    i64 => I64, I64;
    String => Str, String;
    Struct => Struct, Struct;
}

impl<T: Thrift> Thrift for Vec<T> {
    const TTYPE: TType = TType::List;

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::List(seq) => items(seq).map_err(Value::List),
            other => Err(other),
        }
    }

    fn to_value(&self) -> Value {
        Value::List(Seq { elem: T::TTYPE, items: self.iter().map(T::to_value).collect() })
    }
}

/// A Thrift set. Order is that of the wire and means nothing; Aurora's changes from one writing to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct SetOf<T>(pub Vec<T>);

impl<T> Default for SetOf<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Deref for SetOf<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> DerefMut for SetOf<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T> FromIterator<T> for SetOf<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<T> From<Vec<T>> for SetOf<T> {
    fn from(items: Vec<T>) -> Self {
        Self(items)
    }
}

impl<T: Thrift> Thrift for SetOf<T> {
    const TTYPE: TType = TType::Set;

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Set(seq) => items(seq).map(Self).map_err(Value::Set),
            other => Err(other),
        }
    }

    fn to_value(&self) -> Value {
        Value::Set(Seq { elem: T::TTYPE, items: self.0.iter().map(T::to_value).collect() })
    }
}

/// All elements or, when one of them is of another type, the sequence unchanged.
fn items<T: Thrift>(seq: Seq) -> Result<Vec<T>, Seq> {
    if seq.items.is_empty() {
        return Ok(Vec::new());
    }
    if seq.elem != T::TTYPE {
        return Err(seq);
    }
    let elem = seq.elem;
    let mut done: Vec<T> = Vec::with_capacity(seq.items.len());
    let mut rest = seq.items.into_iter();
    while let Some(item) = rest.next() {
        match T::from_value(item) {
            Ok(item) => done.push(item),
            Err(item) => {
                let items = done.iter().map(T::to_value).chain(std::iter::once(item)).chain(rest).collect();
                return Err(Seq { elem, items });
            }
        }
    }
    Ok(done)
}

impl<K: Thrift + Ord + Clone, V: Thrift + Clone> Thrift for BTreeMap<K, V> {
    const TTYPE: TType = TType::Map;

    fn from_value(value: Value) -> Result<Self, Value> {
        let Value::Map(map) = value else { return Err(value) };
        let mut out = Self::new();
        for (key, value) in &map.entries {
            match (K::from_value(key.clone()), V::from_value(value.clone())) {
                (Ok(key), Ok(value)) => {
                    out.insert(key, value);
                }
                _ => return Err(Value::Map(map)),
            }
        }
        Ok(out)
    }

    fn to_value(&self) -> Value {
        let entries = self.iter().map(|(key, value)| (key.to_value(), value.to_value())).collect();
        Value::Map(Map { key: K::TTYPE, value: V::TTYPE, entries })
    }
}

/// Declares a struct by its field ids.
macro_rules! thrift_struct {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $id:literal $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$fmeta])* pub $field: $type,)*
            /// Fields that this struct does not declare, or that were of another type than declared.
            pub other: $crate::aurora::value::Struct,
        }

        impl $name {
            /// Ids of the declared fields.
            pub const IDS: &'static [i16] = &[$($id),*];

            /// Reads what is there; never fails, see the module `schema`.
            pub fn from_struct(fields: $crate::aurora::value::Struct) -> Self {
                let mut out = Self::default();
                for (id, value) in fields.fields {
                    let kept = match id {
                        $($id => $crate::aurora::schema::Slot::fill(&mut out.$field, value),)*
                        _ => Err(value),
                    };
                    if let Err(value) = kept {
                        out.other.fields.push((id, value));
                    }
                }
                out
            }

            /// Fields by declaration, then what was kept aside.
            pub fn to_struct(&self) -> $crate::aurora::value::Struct {
                let declared = [$(($id, $crate::aurora::schema::Slot::emit(&self.$field)),)*];
                let mut fields: Vec<_> =
                    declared.into_iter().filter_map(|(id, value)| value.map(|value| (id, value))).collect();
                fields.extend(self.other.fields.iter().cloned());
                $crate::aurora::value::Struct { fields }
            }
        }

        impl $crate::aurora::schema::Thrift for $name {
            const TTYPE: $crate::aurora::value::TType = $crate::aurora::value::TType::Struct;

            fn from_value(value: $crate::aurora::value::Value) -> Result<Self, $crate::aurora::value::Value> {
                match value {
                    $crate::aurora::value::Value::Struct(fields) => Ok(Self::from_struct(fields)),
                    other => Err(other),
                }
            }

            fn to_value(&self) -> $crate::aurora::value::Value {
                $crate::aurora::value::Value::Struct(self.to_struct())
            }
        }
    )*};
}

/// Declares an enum by its numbers; a number that it does not know is kept.
macro_rules! thrift_enum {
    ($($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal $text:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)*
            /// A number that none of the releases up to 0.23 gives a name to; `i32::MIN` when the field was not set.
            Other(i32),
        }

        impl $name {
            /// Every named value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of this number.
            pub const fn from_code(code: i32) -> Self {
                match code {
                    $($number => Self::$variant,)*
                    other => Self::Other(other),
                }
            }

            /// The number on the wire.
            pub const fn code(self) -> i32 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Other(code) => code,
                }
            }

            /// Aurora's name of the value, `UNKNOWN` for a number without one.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(_) => "UNKNOWN",
                }
            }

            /// The value of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::Other(i32::MIN)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::Other(i32::MIN) => f.write_str("UNSET"),
                    Self::Other(code) => write!(f, "UNKNOWN({code})"),
                    named => f.write_str(named.name()),
                }
            }
        }

        impl $crate::aurora::schema::Thrift for $name {
            const TTYPE: $crate::aurora::value::TType = $crate::aurora::value::TType::I32;

            fn from_value(value: $crate::aurora::value::Value) -> Result<Self, $crate::aurora::value::Value> {
                match value {
                    $crate::aurora::value::Value::I32(code) => Ok(Self::from_code(code)),
                    other => Err(other),
                }
            }

            fn to_value(&self) -> $crate::aurora::value::Value {
                $crate::aurora::value::Value::I32(self.code())
            }
        }
    )*};
}

pub(crate) use {thrift_enum, thrift_struct};
