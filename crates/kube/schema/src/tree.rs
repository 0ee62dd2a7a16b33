//! The tree: the temporary value on which mutation works.
//!
//! Where a row is known, an object is a [`Struct`]: slots in row order, no member names. Where it
//! is not, it is a [`Map`]. Opaque JSON (`managedFields`, raw extensions) stays [`Raw`] text.
//!
//! A tree is *canonical* when it says each thing in one way. What Go cannot tell apart is absent:
//! a member held by value that is zero, an empty list or map that JSON would omit. Maps are sorted,
//! and times, durations and quantities are in upstream's canonical text. Decoders only make
//! canonical trees, so equal objects are equal trees whichever encoding they came in.

use crate::row::{Kind, TypeId};

/// One value. 24 bytes, so that lists of scalars stay small.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON `null` where a list or map holds one.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number that is not an integer of 64 bits.
    Float(f64),
    /// Text; also times, durations and quantities, in canonical form.
    Str(Box<str>),
    /// Binary data, base64 in JSON.
    Bytes(Box<[u8]>),
    /// Any JSON, kept as text.
    Raw(Raw),
    /// A list.
    List(Vec<Self>),
    /// A map with string keys.
    Map(Box<Map>),
    /// An object whose row is known.
    Struct(Box<Struct>),
}

const _: () = assert!(size_of::<Value>() == 24);

impl Value {
    /// Text as a value.
    pub fn str(text: &str) -> Self {
        Self::Str(text.into())
    }

    /// The text, where the value is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, where the value is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// The map, where the value is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, where the value is one.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The object, where the value is one with a row.
    pub fn as_struct(&self) -> Option<&Struct> {
        match self {
            Self::Struct(object) => Some(object),
            _ => None,
        }
    }

    /// The object to change, where the value is one with a row.
    pub fn as_struct_mut(&mut self) -> Option<&mut Struct> {
        match self {
            Self::Struct(object) => Some(object),
            _ => None,
        }
    }

    /// What Go's `omitempty` calls empty.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(b) => !b,
            Self::Int(i) => *i == 0,
            Self::Float(f) => *f == 0.0,
            Self::Str(s) => s.is_empty(),
            Self::Bytes(b) => b.is_empty(),
            Self::List(l) => l.is_empty(),
            Self::Map(m) => m.entries.is_empty(),
            Self::Raw(_) | Self::Struct(_) => false,
        }
    }

    /// Whether this is the zero of a member of this kind that Go holds by value.
    pub fn is_zero(&self, kind: Kind) -> bool {
        match (kind, self) {
            (Kind::Quantity, Self::Str(s)) => &**s == "0",
            (Kind::Duration, Self::Str(s)) => &**s == "0s",
            (Kind::IntOrString, Self::Str(_)) => false,
            (Kind::Bytes | Kind::Strings, value) => *value == Self::Null,
            (Kind::SchemaOrArray | Kind::SchemaOrStrings, Self::List(_)) => false,
            (_, Self::Struct(object)) => object.fields.is_empty() && kind == Kind::Struct,
            _ => self.is_empty(),
        }
    }
}

/// Valid JSON text without white space, `<`, `>` and `&` escaped as Go escapes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(pub(crate) Box<str>);

impl Raw {
    /// JSON text from outside, brought into that form.
    ///
    /// # Errors
    /// Text that is not one JSON value.
    pub fn new(json: &[u8]) -> Result<Self, crate::json::SyntaxError> {
        crate::json::text::raw(json)
    }

    /// Text that is in that form already, because it was printed with [`crate::json::write_string`] and no white
    /// space. It is not looked at again: managed fields are printed on every write.
    pub fn printed(json: String) -> Self {
        Self(json.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Entries sorted by key, each key once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map {
    entries: Vec<(Box<str>, Value)>,
}

impl Map {
    /// Sorts the entries; of equal keys the last one stays, as in a Go map.
    pub fn from_entries(mut entries: Vec<(Box<str>, Value)>) -> Self {
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            entries.reverse();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.dedup_by(|later, kept| later.0 == kept.0);
        }
        Self { entries }
    }

    /// The entries in key order.
    pub fn entries(&self) -> &[(Box<str>, Value)] {
        &self.entries
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = self.entries.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        Some(&self.entries[at].1)
    }

    /// The value of a key, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        let at = self.entries.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        Some(&mut self.entries[at].1)
    }

    /// Keeps the entries that the predicate, which may change their values, accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
    }

    /// The entries in key order, owned.
    pub fn into_entries(self) -> Vec<(Box<str>, Value)> {
        self.entries
    }

    /// Sets a key.
    pub fn insert(&mut self, key: &str, value: Value) {
        match self.entries.binary_search_by(|(k, _)| (**k).cmp(key)) {
            Ok(at) => self.entries[at].1 = value,
            Err(at) => self.entries.insert(at, (key.into(), value)),
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.entries.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        Some(self.entries.remove(at).1)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// Entries as they come; the map is not one until [`Struct::settle`] has sorted it.
    pub(crate) fn unsorted(entries: Vec<(Box<str>, Value)>) -> Self {
        Self { entries }
    }

    /// Appends an entry, to be sorted in as above.
    pub(crate) fn push_unsorted(&mut self, entry: (Box<str>, Value)) {
        self.entries.push(entry);
    }

    /// All entries, to be sorted and put back.
    pub(crate) fn take_entries(&mut self) -> Vec<(Box<str>, Value)> {
        std::mem::take(&mut self.entries)
    }
}

/// An object of a known type: its present members by slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Struct {
    /// The type whose rows name the slots.
    pub ty: TypeId,
    fields: Vec<(u16, Value)>,
}

impl Struct {
    /// An object without members.
    pub fn new(ty: TypeId) -> Self {
        Self {
            ty,
            fields: Vec::new(),
        }
    }

    /// Present members in slot order.
    pub fn fields(&self) -> &[(u16, Value)] {
        &self.fields
    }

    /// Whether no member is present.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    #[inline]
    fn position(&self, slot: usize) -> Result<usize, usize> {
        // Members arrive in order, so the slot is mostly past the last one.
        match self.fields.last() {
            Some((last, _)) if usize::from(*last) >= slot => {
                self.fields.binary_search_by_key(&slot, |(s, _)| usize::from(*s))
            }
            _ => Err(self.fields.len()),
        }
    }

    /// The member in a slot.
    pub fn get(&self, slot: usize) -> Option<&Value> {
        self.position(slot).ok().map(|at| &self.fields[at].1)
    }

    /// The member in a slot, to change.
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut Value> {
        self.position(slot).ok().map(|at| &mut self.fields[at].1)
    }

    /// Puts a member into a slot.
    pub fn set(&mut self, slot: usize, value: Value) {
        match (self.position(slot), u16::try_from(slot)) {
            (Ok(at), _) => self.fields[at].1 = value,
            (Err(at), Ok(slot)) if at == self.fields.len() => self.fields.push((slot, value)),
            (Err(at), Ok(slot)) => self.fields.insert(at, (slot, value)),
            (Err(_), Err(_)) => unreachable!("tables have fewer than 65,536 fields in a type"),
        }
    }

    /// Takes a member out of its slot.
    pub fn remove(&mut self, slot: usize) -> Option<Value> {
        self.position(slot).ok().map(|at| self.fields.remove(at).1)
    }

    /// Sorts the maps of a tree that a decoder has filled out of order. One pass, however often
    /// the input came back to a map.
    pub(crate) fn settle(&mut self) {
        self.fields.iter_mut().for_each(|(_, value)| settle(value));
    }
}

fn settle(value: &mut Value) {
    match value {
        Value::List(items) => items.iter_mut().for_each(settle),
        Value::Struct(object) => object.settle(),
        Value::Map(map) => {
            **map = Map::from_entries(map.take_entries());
            map.values_mut().for_each(settle);
        }
        _ => {}
    }
}
