//! A value as JSON has it, whether its tree knows rows or not.

use schema::field::BadValue;
use schema::json;
use schema::row::Types;
use schema::tree::{Map, Struct, Value};

/// One value of a tree.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Another number.
    Float(f64),
    /// A text.
    Text(&'a str),
    /// A list.
    List(&'a [Value]),
    /// An object without rows.
    Map(&'a Map),
    /// An object with rows.
    Object(&'a Struct),
    /// JSON that is kept as text: managed fields.
    Opaque,
}

impl<'a> From<&'a Value> for View<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(int) => Self::Int(*int),
            Value::Float(float) => Self::Float(*float),
            Value::Str(text) => Self::Text(text),
            Value::List(items) => Self::List(items),
            Value::Map(map) => Self::Map(map),
            Value::Struct(object) => Self::Object(object),
            Value::Bytes(_) | Value::Raw(_) => Self::Opaque,
        }
    }
}

impl<'a> From<&'a Struct> for View<'a> {
    fn from(object: &'a Struct) -> Self {
        Self::Object(object)
    }
}

impl<'a> View<'a> {
    /// JSON Schema's name of the type, as upstream infers it.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) => "integer",
            Self::Float(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) | Self::Object(_) | Self::Opaque => "object",
        }
    }

    /// Whether it is an object.
    pub(crate) fn is_object(self) -> bool {
        self.type_name() == "object"
    }

    /// The member of this name.
    pub fn member(self, types: &'a Types, name: &str) -> Option<Self> {
        let found = match self {
            Self::Map(map) => map.get(name),
            Self::Object(object) => match types.slot(object.ty, name, 0) {
                Some(slot) => object.get(slot),
                None => rest(types, object).and_then(|rest| rest.get(name)),
            },
            _ => None,
        };
        found.map(Self::from)
    }

    /// What stands at the end of a path of members.
    pub fn path(self, types: &'a Types, path: impl IntoIterator<Item = impl AsRef<str>>) -> Option<Self> {
        let mut steps = path.into_iter();
        steps.try_fold(self, |at, name| at.member(types, name.as_ref()))
    }

    /// Does something with each member; those of the schema's rows first.
    pub(crate) fn each(self, types: &'a Types, mut act: impl FnMut(&'a str, Self)) {
        let mut entries = |map: &'a Map| {
            map.entries()
                .iter()
                .for_each(|(name, value)| act(name, value.into()));
        };
        match self {
            Self::Map(map) => entries(map),
            Self::Object(object) => {
                rest(types, object).into_iter().for_each(&mut entries);
                let fields = types.fields(object.ty);
                for (slot, value) in object.fields() {
                    if let Some(field) = fields.get(usize::from(*slot)) {
                        act(types.name(field.json), value.into());
                    }
                }
            }
            _ => {}
        }
    }

    /// How many members there are.
    pub(crate) fn breadth(self, types: &Types) -> usize {
        match self {
            Self::Map(map) => map.entries().len(),
            Self::Object(object) => match rest(types, object) {
                Some(rest) => object.fields().len() - 1 + rest.entries().len(),
                None => object.fields().len(),
            },
            _ => 0,
        }
    }

    /// As JSON.
    pub fn json(self, types: &Types) -> String {
        let mut out = Vec::new();
        match self {
            Self::Null | Self::Opaque => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Int(int) => json::write_int(&mut out, int),
            Self::Float(float) => json::write_float(&mut out, float),
            Self::Text(text) => json::write_string(&mut out, text),
            Self::List(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    json::encode_value(types, item, &mut out);
                }
                out.push(b']');
            }
            Self::Map(map) => json::encode_value(types, &Value::Map(Box::new(map.clone())), &mut out),
            Self::Object(object) => json::encode(types, object, &mut out),
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// As an error shows it.
    pub(crate) fn bad(self, types: &Types) -> BadValue {
        match self {
            Self::Text(text) => text.into(),
            Self::Null => "null".into(),
            other => BadValue::json(&other.json(types)),
        }
    }
}

fn rest<'a>(types: &Types, object: &'a Struct) -> Option<&'a Map> {
    object.get(types.rest(object.ty)?)?.as_map()
}

/// Whether both are the same value, in trees of the same types.
impl PartialEq for View<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Int(one), Self::Int(other)) => one == other,
            (Self::Float(one), Self::Float(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::List(one), Self::List(other)) => one == other,
            (Self::Map(one), Self::Map(other)) => one == other,
            (Self::Object(one), Self::Object(other)) => one == other,
            _ => false,
        }
    }
}
