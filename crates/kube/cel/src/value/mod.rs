//! Values: what expressions compute with.
//!
//! A value borrows: from the object that is looked at, whose lists and maps are read where they lie, or from
//! the program's constants. Only what an expression makes itself is owned, and shared by reference counts.

pub(crate) mod compare;
mod list;
mod map;
mod place;
mod render;
pub(crate) mod time;

use std::ops::Deref;
use std::rc::Rc;

pub use list::List;
pub use map::Map;
pub use place::Place;
pub(crate) use render::{double, json, key_text};
pub use time::Timestamp;

use crate::library::Opaque;
use crate::types::Type;

/// A value of an expression.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// 64 bits with a sign.
    Int(i64),
    /// 64 bits without a sign.
    Uint(u64),
    /// An IEEE 754 double.
    Double(f64),
    /// Text.
    String(Text<'a>),
    /// Bytes.
    Bytes(Blob<'a>),
    /// A length of time, in nanoseconds.
    Duration(i64),
    /// A moment.
    Timestamp(Timestamp),
    /// A list.
    List(List<'a>),
    /// A map, or an object.
    Map(Map<'a>),
    /// A value or none.
    Optional(Option<Rc<Self>>),
    /// A type.
    Type(Type),
    /// A value of one of the libraries.
    Opaque(Opaque<'a>),
}

/// Text that is borrowed or shared.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    /// In an object or program.
    Borrowed(&'a str),
    /// Made by an expression.
    Shared(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

/// Bytes that are borrowed or shared.
#[derive(Clone, Debug)]
pub enum Blob<'a> {
    /// In an object or program.
    Borrowed(&'a [u8]),
    /// Made by an expression.
    Shared(Rc<[u8]>),
}

impl Deref for Blob<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl<'a> Value<'a> {
    /// Text that lives as long as the object.
    pub fn str(text: &'a str) -> Self {
        Self::String(Text::Borrowed(text))
    }

    /// Text of its own.
    pub fn owned(text: impl Into<Rc<str>>) -> Self {
        Self::String(Text::Shared(text.into()))
    }

    /// Bytes of their own.
    pub(crate) fn blob(bytes: impl Into<Rc<[u8]>>) -> Self {
        Self::Bytes(Blob::Shared(bytes.into()))
    }

    /// A list of its own.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::Made(Rc::new(items)))
    }

    /// An optional that has a value.
    pub(crate) fn some(value: Self) -> Self {
        Self::Optional(Some(Rc::new(value)))
    }

    /// The text, where the value is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, where the value is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value as JSON text; what JSON has no form for is a string.
    pub fn to_json(&self) -> String {
        json(self)
    }

    /// The type of the value as it is now.
    pub(crate) fn ty(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Uint(_) => Type::Uint,
            Self::Double(_) => Type::Double,
            Self::String(_) => Type::String,
            Self::Bytes(_) => Type::Bytes,
            Self::Duration(_) => Type::Duration,
            Self::Timestamp(_) => Type::Timestamp,
            Self::List(_) => Type::list(Type::Dyn),
            Self::Map(map) => map.ty(),
            Self::Optional(_) => Type::optional(Type::Dyn),
            Self::Type(ty) => Type::Type(ty.clone().into()),
            Self::Opaque(opaque) => Type::Opaque(opaque.type_name()),
        }
    }

    /// Upstream's size for costs: characters, bytes, items, entries; 1 for anything else.
    pub(crate) fn size(&self) -> u64 {
        let size = match self {
            Self::String(text) => characters(text),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(list) => list.len(),
            Self::Map(map) => map.len(),
            Self::Optional(Some(value)) => return value.size(),
            Self::Opaque(opaque) => return opaque.size(),
            _ => 1,
        };
        size as u64
    }

    /// Whether `optional.ofNonZeroValue` makes nothing of it.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(value) => !value,
            Self::Int(value) | Self::Duration(value) => *value == 0,
            Self::Uint(value) => *value == 0,
            Self::Double(value) => *value == 0.0,
            Self::String(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Timestamp(moment) => moment.is_zero(),
            Self::List(list) => list.is_empty(),
            Self::Map(map) => map.is_empty(),
            Self::Optional(value) => value.as_ref().is_none_or(|value| value.is_zero()),
            Self::Type(_) | Self::Opaque(_) => false,
        }
    }
}

/// How many characters a text has.
pub(crate) fn characters(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}
