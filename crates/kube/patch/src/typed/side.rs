//! What stands at a place, in an object with rows or in plain JSON: one reading of both, so that comparing
//! and collecting fields is written once.
//!
//! A canonical tree leaves out what Go cannot tell from nothing. Upstream looks at Go values, and sees a
//! member that JSON always shows even where nobody set it (`template: {}`, `containers: null`); here it is
//! an [`Side::Unset`] or a [`Side::Zero`].

use std::borrow::Cow;

use schema::row::{Emit, Field, Form, Kind, Merge, Shape, TypeId, Types};
use schema::tree::{Struct, Value};

use super::Malformed;
use super::place::Place;
use crate::fieldset::{Element, Scalar};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Side<'a> {
    Null,
    Object(&'a Struct),
    /// An object that Go holds by value and that nobody set.
    Unset(TypeId),
    /// A scalar that nobody set and JSON shows.
    Zero(Kind),
    Value(&'a Value),
}

/// The form of JSON that a value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looks {
    Scalar,
    List,
    Map,
    Null,
}

impl<'a> Side<'a> {
    pub(crate) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Struct(object) => Self::Object(object),
            other => Self::Value(other),
        }
    }

    /// A member of an object with rows, as Go's JSON shows it; nothing if it does not.
    fn member(types: &Types, field: &Field, value: Option<&'a Value>) -> Option<Self> {
        let form: &Form = types.form(field);
        match value {
            Some(value) if form.emit == Emit::NonEmpty && form.shape != Shape::Ptr && value.is_empty() => {
                None
            }
            Some(value) => Some(Self::of(value)),
            None if form.emit != Emit::Always => None,
            None => Some(match (form.shape, form.kind) {
                (Shape::Value, Kind::Struct) => Self::Unset(field.ty),
                (Shape::Value, Kind::Bytes | Kind::Raw | Kind::Strings | Kind::Time | Kind::MicroTime) => {
                    Self::Null
                }
                (Shape::Value, kind) => Self::Zero(kind),
                _ => Self::Null,
            }),
        }
    }

    pub(crate) fn looks(self) -> Looks {
        match self {
            Self::Null => Looks::Null,
            Self::Object(_) | Self::Unset(_) | Self::Value(Value::Map(_)) => Looks::Map,
            Self::Value(Value::List(_)) => Looks::List,
            Self::Zero(_) | Self::Value(_) => Looks::Scalar,
        }
    }

    /// Whether it is nothing, or has no members or items.
    pub(crate) fn is_empty(self, types: &Types) -> bool {
        let shows = |field: &Field| types.form(field).emit == Emit::Always;
        match self {
            Self::Null => true,
            Self::Unset(ty) => !types.fields(ty).iter().any(shows),
            Self::Object(object) => object.is_empty() && !types.fields(object.ty).iter().any(shows),
            Self::Value(Value::Map(map)) => map.entries().is_empty(),
            Self::Value(Value::List(items)) => items.is_empty(),
            Self::Zero(_) | Self::Value(_) => false,
        }
    }

    pub(crate) fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) | (Self::Unset(_), Self::Unset(_)) | (Self::Zero(_), Self::Zero(_)) => {
                true
            }
            (Self::Object(one), Self::Object(other)) => one == other,
            (Self::Object(object), Self::Unset(_)) | (Self::Unset(_), Self::Object(object)) => {
                object.is_empty()
            }
            (Self::Value(one), Self::Value(other)) => one == other,
            _ => false,
        }
    }

    pub(crate) fn items(self) -> &'a [Value] {
        match self {
            Self::Value(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// The present slots of an object with rows.
    fn slots(self) -> &'a [(u16, Value)] {
        match self {
            Self::Object(object) => object.fields(),
            _ => &[],
        }
    }

    fn object_type(self) -> Option<TypeId> {
        match self {
            Self::Object(object) => Some(object.ty),
            Self::Unset(ty) => Some(ty),
            _ => None,
        }
    }

    /// The member of this name, where it is there.
    fn named(self, types: &Types, name: &str) -> Option<Self> {
        match self {
            Self::Value(Value::Map(map)) => map.get(name).map(Self::of),
            _ => {
                let ty = self.object_type()?;
                let slot = types.slot(ty, name, 0)?;
                let value = match self {
                    Self::Object(object) => object.get(slot),
                    _ => None,
                };
                Self::member(types, &types.fields(ty)[slot], value)
            }
        }
    }
}

/// A member that at least one of two sides has.
pub(crate) struct Pair<'a> {
    pub(crate) name: &'a str,
    pub(crate) place: Option<Place<'a>>,
    pub(crate) old: Option<Side<'a>>,
    pub(crate) new: Option<Side<'a>>,
}

/// Gives every member that one of the two sides has; of objects with rows, only those that may differ.
pub(crate) fn each_member<'a>(
    place: Place<'a>,
    old: Option<Side<'a>>,
    new: Option<Side<'a>>,
    mut visit: impl FnMut(Pair<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let ty = [old, new].into_iter().flatten().find_map(Side::object_type);
    match ty {
        Some(ty) => each_slot(place.types, ty, old, new, &mut visit),
        None => each_entry(place, entries(old), entries(new), &mut visit),
    }
}

fn entries(side: Option<Side<'_>>) -> &[(Box<str>, Value)] {
    match side {
        Some(Side::Value(Value::Map(map))) => map.entries(),
        _ => &[],
    }
}

fn each_entry<'a>(
    place: Place<'a>,
    mut old: &'a [(Box<str>, Value)],
    mut new: &'a [(Box<str>, Value)],
    visit: &mut impl FnMut(Pair<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    while let Some((name, _)) = match (old.first(), new.first()) {
        (Some(one), Some(two)) => Some(if one.0 <= two.0 { one } else { two }),
        (one, two) => one.or(two),
    } {
        visit(Pair {
            name,
            place: place.member(name),
            old: next_if(&mut old, name),
            new: next_if(&mut new, name),
        })?;
    }
    Ok(())
}

fn next_if<'a>(entries: &mut &'a [(Box<str>, Value)], name: &str) -> Option<Side<'a>> {
    match *entries {
        [(key, value), rest @ ..] if **key == *name => {
            *entries = rest;
            Some(Side::of(value))
        }
        _ => None,
    }
}

/// The same over slots. Where both sides are objects, a slot that neither has set is the same in both.
fn each_slot<'a>(
    types: &'a Types,
    ty: TypeId,
    old: Option<Side<'a>>,
    new: Option<Side<'a>>,
    visit: &mut impl FnMut(Pair<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let (mut olds, mut news) = (old.map_or(&[][..], Side::slots), new.map_or(&[][..], Side::slots));
    let is_object = |side: Option<Side<'_>>| side.is_some_and(|side| side.object_type().is_some());
    let (has_old, has_new) = (is_object(old), is_object(new));
    for (slot, field) in types.fields(ty).iter().enumerate() {
        let (one, two) = (slot_if(&mut olds, slot), slot_if(&mut news, slot));
        if one.is_none() && two.is_none() && (has_old == has_new || types.form(field).emit != Emit::Always) {
            continue;
        }
        let side = |has: bool, value| has.then(|| Side::member(types, field, value)).flatten();
        let (old, new) = (side(has_old, one), side(has_new, two));
        if old.is_some() || new.is_some() {
            let (name, place) = (types.name(field.json), Some(Place::field(types, field)));
            visit(Pair {
                name,
                place,
                old,
                new,
            })?;
        }
    }
    each_rest(types, ty, old, new, visit)
}

/// The members of an open object that have no row.
fn each_rest<'a>(
    types: &'a Types,
    ty: TypeId,
    old: Option<Side<'a>>,
    new: Option<Side<'a>>,
    visit: &mut impl FnMut(Pair<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let Some(slot) = types.rest(ty) else { return Ok(()) };
    let rest = |side: Option<Side<'a>>| match side {
        Some(Side::Object(object)) => entries(object.get(slot).map(Side::Value)),
        _ => &[],
    };
    each_entry(Place::object(types, ty), rest(old), rest(new), visit)
}

fn slot_if<'a>(slots: &mut &'a [(u16, Value)], slot: usize) -> Option<&'a Value> {
    match *slots {
        [(at, value), rest @ ..] if usize::from(*at) == slot => {
            *slots = rest;
            Some(value)
        }
        _ => None,
    }
}

/// What identifies an item of a list that is a map or a set.
pub(crate) fn identity<'a>(
    list: Place<'a>,
    merge: &'a Merge,
    item: Side<'a>,
) -> Result<Element<'a>, Malformed> {
    if merge.keys.is_empty() {
        return value_identity(item).map(Element::Value);
    }
    match item.looks() {
        Looks::Map => {}
        Looks::Null => {
            return Err(Malformed::new(
                "associative list with keys may not have a null element",
            ));
        }
        _ => {
            return Err(Malformed::new(
                "associative list with keys may not have non-map elements",
            ));
        }
    }
    let mut keys = Vec::with_capacity(merge.keys.len());
    for key in merge.keys.iter().map(|key| list.types.name(*key)) {
        if let Some(value) = key_value(list, item, key)? {
            keys.push((Cow::Borrowed(key), value));
        }
    }
    if keys.is_empty() {
        return Err(without_keys(list, merge));
    }
    keys.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(Element::Key(keys))
}

fn key_value<'a>(list: Place<'a>, item: Side<'a>, key: &str) -> Result<Option<Scalar<'a>>, Malformed> {
    match item.named(list.types, key) {
        Some(Side::Null) => Ok(Some(Scalar::Null)),
        Some(Side::Zero(kind)) => Ok(Some(zero(kind))),
        Some(Side::Value(value)) => match Scalar::of(value) {
            Some(value) => Ok(Some(value)),
            None => Err(Malformed::new("the key of an item is no scalar")),
        },
        Some(_) => Err(Malformed::new("the key of an item is no scalar")),
        None => {
            let default = schema::json::parse(list.key_default(key).as_bytes()).ok();
            Ok(default.and_then(Scalar::of_owned))
        }
    }
}

fn zero(kind: Kind) -> Scalar<'static> {
    match kind {
        Kind::Bool => Scalar::Bool(false),
        Kind::Int32 | Kind::Int64 | Kind::Float64 | Kind::IntOrString => Scalar::Int(0),
        _ => Scalar::Str(Cow::Borrowed("")),
    }
}

fn value_identity(item: Side<'_>) -> Result<Scalar<'_>, Malformed> {
    let why = match (item, item.looks()) {
        (Side::Value(value), Looks::Scalar) => match Scalar::of(value) {
            Some(value) => return Ok(value),
            None => "associative list without keys has an element that's no scalar",
        },
        (_, Looks::Map) => "associative list without keys has an element that's a map type",
        (_, Looks::List) => "not supported: associative list with lists as elements",
        _ => "associative list without keys has an element that's an explicit null",
    };
    Err(Malformed::new(why))
}

fn without_keys(list: Place<'_>, merge: &Merge) -> Malformed {
    let keys: Vec<String> = merge
        .keys
        .iter()
        .map(|key| schema::json::go_quote(list.types.name(*key)))
        .collect();
    Malformed::new(&format!(
        "associative list with keys has an element that omits all key fields [{}] (and doesn't have default \
         values for any key fields)",
        keys.join(" ")
    ))
}
