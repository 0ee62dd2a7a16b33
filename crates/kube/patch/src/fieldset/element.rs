//! One step of a path: a member, an item of a list by its keys, by its value, or by its position.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use schema::json::go_quote;
use schema::tree::Value;

/// One step of a field's path, as `FieldsV1` spells it (structured-merge-diff `fieldpath.PathElement`).
/// The order of the variants, and the order in them, is that of upstream's sets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element<'a> {
    /// `f:name`: a member of an object or map
    Field(Cow<'a, str>),
    /// `k:{"name":"x"}`: the item of a list whose keys have these values; sorted by key
    Key(Vec<(Cow<'a, str>, Scalar<'a>)>),
    /// `v:"x"`: the item of a set
    Value(Scalar<'a>),
    /// `i:0`: the item of an atomic list
    Index(i64),
}

/// A value that identifies an item.
#[derive(Clone, Debug)]
pub enum Scalar<'a> {
    /// A number that is not an integer
    Float(f64),
    /// An integer
    Int(i64),
    /// Text
    Str(Cow<'a, str>),
    /// A boolean
    Bool(bool),
    /// `null`
    Null,
}

impl<'a> Scalar<'a> {
    /// The value as one that identifies, if it is a scalar.
    pub fn of(value: &'a Value) -> Option<Self> {
        Some(match value {
            Value::Str(text) => Self::Str(Cow::Borrowed(text)),
            Value::Int(int) => Self::Int(*int),
            Value::Float(float) => Self::Float(*float),
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Null => Self::Null,
            _ => return None,
        })
    }

    /// The same, owned.
    pub fn of_owned(value: Value) -> Option<Scalar<'static>> {
        Scalar::of(&value).map(Scalar::into_owned)
    }

    /// The same value, borrowing nothing.
    pub fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Str(text) => Scalar::Str(Cow::Owned(text.into_owned())),
            Self::Float(float) => Scalar::Float(float),
            Self::Int(int) => Scalar::Int(int),
            Self::Bool(truth) => Scalar::Bool(truth),
            Self::Null => Scalar::Null,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Float(_) | Self::Int(_) => 0,
            Self::Str(_) => 1,
            Self::Bool(_) => 2,
            Self::Null => 3,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "upstream compares an integer with a float as floats"
    )]
    fn number(&self) -> f64 {
        match self {
            Self::Float(float) => *float,
            Self::Int(int) => *int as f64,
            _ => 0.0,
        }
    }
}

impl Ord for Scalar<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => one.cmp(other),
            (Self::Str(one), Self::Str(other)) => one.cmp(other),
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            _ => self
                .rank()
                .cmp(&other.rank())
                .then_with(|| self.number().total_cmp(&other.number())),
        }
    }
}

impl PartialOrd for Scalar<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scalar<'_> {}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(float) => write!(f, "{float}"),
            Self::Int(int) => write!(f, "{int}"),
            Self::Str(text) => f.write_str(&go_quote(text)),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Null => f.write_str("null"),
        }
    }
}

/// As conflicts and errors name it: `.spec`, `[name="x",port=1]`, `[="v"]`, `[0]`.
impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                for (index, (name, value)) in keys.iter().enumerate() {
                    write!(f, "{}{name}={value}", if index == 0 { "[" } else { "," })?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl Element<'_> {
    /// The same step, borrowing nothing.
    pub fn into_owned(self) -> Element<'static> {
        match self {
            Self::Field(name) => Element::Field(Cow::Owned(name.into_owned())),
            Self::Key(keys) => Element::Key(
                keys.into_iter()
                    .map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned()))
                    .collect(),
            ),
            Self::Value(value) => Element::Value(value.into_owned()),
            Self::Index(index) => Element::Index(index),
        }
    }
}
