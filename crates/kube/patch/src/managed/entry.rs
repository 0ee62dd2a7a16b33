//! One manager's entry in `metadata.managedFields`, and the list of them.

use std::borrow::Cow;
use std::cmp::Ordering;

use schema::cursor::{self, Ref};
use schema::json::go_quote;
use schema::row::Types;
use schema::tree::{Raw, Struct, Value};

use crate::fieldset::FieldSet;

const PATH: &str = "metadata.managedFields";

/// How a manager came to own its fields. The order is that of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// It applied them.
    Apply,
    /// It changed them.
    Update,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What one manager owns.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// `kubectl`
    pub manager: Cow<'a, str>,
    /// How
    pub operation: Operation,
    /// The version whose names the fields have
    pub api_version: Cow<'a, str>,
    /// When it last changed or applied something
    pub time: Option<Cow<'a, str>>,
    /// The subresource that it wrote
    pub subresource: Cow<'a, str>,
    /// The fields
    pub fields: FieldSet<'a>,
    /// The fields' text as it was read, until they change.
    raw: Option<&'a Raw>,
}

impl<'a> Entry<'a> {
    /// An entry that nobody has read.
    pub fn new(operation: Operation, manager: &'a str, api_version: &'a str, subresource: &'a str) -> Self {
        Self {
            manager: manager.into(),
            operation,
            api_version: api_version.into(),
            time: None,
            subresource: subresource.into(),
            fields: FieldSet::default(),
            raw: None,
        }
    }

    /// The fields, to change.
    pub(super) fn fields_mut(&mut self) -> &mut FieldSet<'a> {
        self.raw = None;
        &mut self.fields
    }

    pub(super) fn applied(&self) -> bool {
        self.operation == Operation::Apply
    }

    /// Whether the two are the same manager: one that applies is, in whichever version.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.operation == other.operation
            && self.manager == other.manager
            && self.subresource == other.subresource
            && (self.applied() || self.api_version == other.api_version)
    }

    /// What upstream identifies the manager by; lists are sorted by it where times are equal.
    pub(super) fn identity(&self) -> String {
        let part = |name: &str, value: &str| match value {
            "" => String::new(),
            value => format!("{}:{},", go_quote(name), go_quote(value)),
        };
        let version = if self.applied() { "" } else { &self.api_version };
        [
            part("manager", &self.manager),
            part("operation", self.operation.name()),
            part("apiVersion", version),
            part("subresource", &self.subresource),
        ]
        .concat()
    }

    /// The order of the list. Times are canonical texts, so that they sort as times.
    fn order(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| (entry.operation, entry.time.clone().unwrap_or_default());
        key(self)
            .cmp(&key(other))
            .then_with(|| self.manager.cmp(&other.manager))
            .then_with(|| self.api_version.cmp(&other.api_version))
            .then_with(|| self.subresource.cmp(&other.subresource))
    }
}

/// Reads an object's managers.
///
/// # Errors
/// Upstream's text of the first entry that is malformed.
pub fn decode<'a>(types: &'a Types, object: &'a Struct) -> Result<Vec<Entry<'a>>, String> {
    let mut out: Vec<Entry<'a>> = Vec::new();
    for (index, item) in Ref::new(types, object).path(PATH).items().enumerate() {
        let entry = read(item, index)?;
        // Of two entries of one manager the last one counts.
        out.retain(|old| !old.is(&entry));
        out.push(entry);
    }
    Ok(out)
}

fn read<'a>(item: Ref<'a>, index: usize) -> Result<Entry<'a>, String> {
    let operation = match item.at("operation").str() {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err("operation must be `Apply` or `Update`".to_owned()),
    };
    if item.at("apiVersion").str().is_empty() {
        return Err("apiVersion must not be empty".to_owned());
    }
    match item.at("fieldsType").str() {
        "FieldsV1" => {}
        "" => return Err(format!("missing fieldsType in managed fields entry {index}")),
        other => {
            let other = go_quote(other);
            return Err(format!(
                "invalid fieldsType {other} in managed fields entry {index}"
            ));
        }
    }
    let raw = match item.at("fieldsV1").value() {
        Some(Value::Raw(raw)) => Some(raw),
        _ => None,
    };
    let fields = FieldSet::decode(raw.map_or("{}", Raw::as_str));
    Ok(Entry {
        manager: item.at("manager").str().into(),
        operation,
        api_version: item.at("apiVersion").str().into(),
        time: item.at("time").text().map(Cow::Borrowed),
        subresource: item.at("subresource").str().into(),
        fields: fields.map_err(|why| format!("error decoding set: {why}"))?,
        raw,
    })
}

/// Whether what an object says of its managers can be read; what admission may have left is checked with it.
///
/// # Errors
/// See [`decode`].
pub fn validate(types: &Types, object: &Struct) -> Result<(), String> {
    decode(types, object).map(drop)
}

/// The list as a value for [`put`]; nothing for no managers.
pub(super) fn encode(types: &Types, object: &Struct, mut entries: Vec<Entry<'_>>) -> Option<Value> {
    entries.retain(|entry| !entry.fields.is_empty());
    entries.sort_by(Entry::order);
    let ty = entry_type(types, object)?;
    let items: Vec<Value> = entries.iter().map(|entry| print(types, ty, entry)).collect();
    (!items.is_empty()).then_some(Value::List(items))
}

/// The type of an entry, from the row that holds them.
fn entry_type(types: &Types, object: &Struct) -> Option<schema::row::TypeId> {
    let field = |ty, name| types.slot(ty, name, 0).map(|slot| types.fields(ty)[slot]);
    let metadata = field(object.ty, "metadata")?;
    field(metadata.ty, "managedFields").map(|field| field.ty)
}

fn print(types: &Types, ty: schema::row::TypeId, entry: &Entry<'_>) -> Value {
    let mut out = Struct::new(ty);
    let mut set = |name, value| cursor::set(types, &mut out, name, value);
    for (name, text) in [
        ("manager", &*entry.manager),
        ("operation", entry.operation.name()),
        ("apiVersion", &*entry.api_version),
        ("time", entry.time.as_deref().unwrap_or_default()),
        ("fieldsType", "FieldsV1"),
        ("subresource", &*entry.subresource),
    ] {
        if !text.is_empty() {
            set(name, Value::str(text));
        }
    }
    let raw = entry.raw.cloned();
    let raw = raw.unwrap_or_else(|| Raw::printed(entry.fields.encode()));
    set("fieldsV1", Value::Raw(raw));
    Value::Struct(Box::new(out))
}

/// Puts the list into an object, or takes it out.
pub(super) fn put(types: &Types, object: &mut Struct, entries: Option<Value>) {
    match entries {
        Some(list) => cursor::set(types, object, PATH, list),
        None => {
            cursor::remove(types, object, PATH);
        }
    }
}

/// Takes the list out of an object.
pub(super) fn take(types: &Types, object: &mut Struct) -> Option<Value> {
    cursor::remove(types, object, PATH)
}

/// Whether a client asks for no managers: a list of one empty entry.
pub(super) fn is_reset(types: &Types, object: &Struct) -> bool {
    let mut items = Ref::new(types, object).path(PATH).items();
    items.len() <= 1 && items.next().is_some_and(Ref::is_empty)
}
