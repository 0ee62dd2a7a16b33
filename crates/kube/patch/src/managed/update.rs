//! What a create, update or patch does to the managers: the fields that it changes become the writer's.

use std::sync::LazyLock;

use schema::row::Types;
use schema::tree::{Struct, Value};

use super::entry::{self, Entry, Operation};
use super::{Kind, Writer, cap};
use crate::fieldset::FieldSet;
use crate::typed::Malformed;
use crate::typed::compare::{Comparison, compare};
use crate::typed::side::Side;

/// Fields of every object that nobody owns.
static NOBODYS: LazyLock<FieldSet<'static>> = LazyLock::new(|| {
    let metadata = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    let top = ["apiVersion", "kind", "metadata"].map(|name| FieldSet::path(&[name]));
    let below = metadata.map(|name| FieldSet::path(&["metadata", name]));
    top.into_iter()
        .chain(below)
        .fold(FieldSet::default(), FieldSet::union)
});

/// Takes out of a set what nobody owns.
pub(super) fn strip(fields: &mut FieldSet<'_>) {
    fields.subtract(&NOBODYS);
}

/// Leaves in `new` the managers that it has after a write that is no apply: call it once the object is what
/// is to be stored. `live` is the object before the write; nothing when it is created.
///
/// Managers that a client sends are taken as they are (so that they can be edited), except by way of a
/// subresource. Where they cannot be read, those of the live object stay.
pub fn update(kind: Kind<'_>, live: Option<&Struct>, new: &mut Struct, writer: &Writer<'_>) {
    let types = kind.types;
    let given = entry::take(types, new);
    let source = source(types, live, new, given, writer);
    let entries = match source {
        Source::Reset => Some(Vec::new()),
        Source::Given(ref object) => entry::decode(types, object).ok(),
        Source::Live => live.and_then(|live| entry::decode(types, live).ok()),
    };
    let entries = entries.unwrap_or_default();
    // Who starts without managers goes on without, until somebody applies.
    let managed = match live {
        Some(_) if entries.is_empty() => None,
        _ => match changed(kind, live, new, entries, writer) {
            Ok(entries) => entry::encode(types, new, entries),
            Err(_) => live.and_then(|live| entry::take(types, &mut live.clone())),
        },
    };
    entry::put(types, new, managed);
}

/// Whose managers count.
enum Source {
    Reset,
    /// Those that the client sent, in an object of nothing else.
    Given(Struct),
    Live,
}

fn source(
    types: &Types,
    live: Option<&Struct>,
    new: &Struct,
    given: Option<Value>,
    writer: &Writer<'_>,
) -> Source {
    if !writer.subresource.is_empty() {
        return Source::Live;
    }
    let Some(given) = given else { return Source::Live };
    let mut object = Struct::new(new.ty);
    entry::put(types, &mut object, Some(given));
    if entry::is_reset(types, &object) {
        return Source::Reset;
    }
    match entry::decode(types, &object) {
        Ok(entries) if !entries.is_empty() => Source::Given(object),
        _ if live.is_some() => Source::Live,
        _ => Source::Reset,
    }
}

fn changed<'a>(
    kind: Kind<'a>,
    live: Option<&'a Struct>,
    new: &'a Struct,
    mut entries: Vec<Entry<'a>>,
    writer: &Writer<'a>,
) -> Result<Vec<Entry<'a>>, Malformed> {
    let changes = changes(kind, live, new, writer)?;
    yield_fields(kind, &mut entries, &changes);
    let mut fields = changes.added.union(changes.modified);
    strip(&mut fields);
    if !fields.is_empty() {
        own(&mut entries, fields, kind, writer);
    }
    cap::cap(&mut entries);
    Ok(entries)
}

/// What the write changes, without what it cannot change. Managers are no part of it.
pub(super) fn changes<'a>(
    kind: Kind<'a>,
    live: Option<&'a Struct>,
    new: &'a Struct,
    writer: &Writer<'a>,
) -> Result<Comparison<'a>, Malformed> {
    let old = live.map_or(Side::Unset(kind.ty), Side::Object);
    let mut changes = compare(kind.types, kind.ty, old, Side::Object(new))?;
    if !writer.resets.is_empty() {
        changes.exclude(&writer.excluded());
    }
    // Those of the live object are still in it, those of the new one are not.
    changes
        .removed
        .subtract_deep(&FieldSet::path(&["metadata", "managedFields"]));
    Ok(changes)
}

/// Takes from the managers what the write changes or removes.
fn yield_fields(kind: Kind<'_>, entries: &mut Vec<Entry<'_>>, changes: &Comparison<'_>) {
    entries.retain(|entry| entry.api_version == kind.api_version || (kind.served)(&entry.api_version));
    for entry in entries.iter_mut() {
        for lost in [&changes.modified, &changes.added, &changes.removed] {
            if entry.fields.intersects(lost) {
                entry.fields_mut().subtract(lost);
            }
        }
    }
    entries.retain(|entry| !entry.fields.is_empty());
}

fn own<'a>(entries: &mut Vec<Entry<'a>>, fields: FieldSet<'a>, kind: Kind<'a>, writer: &Writer<'a>) {
    let mut entry = Entry::new(
        Operation::Update,
        writer.name(),
        kind.api_version,
        writer.subresource,
    );
    entry.time = Some(writer.time.into());
    *entry.fields_mut() = fields;
    match entries.iter_mut().find(|old| old.is(&entry)) {
        Some(old) => {
            let before = std::mem::take(old.fields_mut());
            *old.fields_mut() = entry.fields.union(before);
            old.time = entry.time;
        }
        None => entries.push(entry),
    }
}
