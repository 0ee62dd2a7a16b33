//! From `kubectl apply` to `kubectl apply --server-side` and back: the annotation with the last
//! configuration says which fields kubectl owned before it owned them by apply.

use schema::cursor;
use schema::json::{encode_untyped, parse};
use schema::tree::{Struct, Value};

use super::apply::{Application, plain};
use super::conflict::Conflict;
use crate::fieldset::FieldSet;
use crate::typed::collect::collect;
use crate::typed::compare::compare;
use crate::typed::place::Place;
use crate::typed::side::Side;
use crate::typed::validate::validate;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The bytes that all annotations of an object may have (`ValidateAnnotationsSize`).
const MAX_ANNOTATIONS: usize = 256 << 10;

/// The conflicts that remain: those over fields that kubectl applied client-side and that are as it left
/// them are none.
pub(super) fn left_over(application: &Application<'_>, mut conflicts: Vec<Conflict>) -> Vec<Conflict> {
    let live = plain(application);
    let Some(last) = annotation(&live).and_then(|text| parse(text.as_bytes()).ok()) else {
        return conflicts;
    };
    if let Some(owned) = owned(application, &live, &last) {
        conflicts.retain(|conflict| !owned.contains(&conflict.path.0));
    }
    conflicts
}

fn annotation(object: &Value) -> Option<&str> {
    let annotations = object
        .as_map()?
        .get("metadata")?
        .as_map()?
        .get("annotations")?
        .as_map()?;
    annotations
        .get(ANNOTATION)?
        .as_str()
        .filter(|text| !text.is_empty())
}

/// The fields of the last configuration that are in the live object as they were in it.
fn owned<'a>(application: &Application<'a>, live: &'a Value, last: &'a Value) -> Option<FieldSet<'a>> {
    let kind = application.kind;
    let version = last.as_map()?.get("apiVersion")?.as_str()?;
    let place = Place::object(kind.types, kind.ty);
    if version != kind.api_version || validate(place, last).is_err() {
        return None;
    }
    let mut fields = collect(place, Side::of(last)).ok()?.1;
    let compared = compare(kind.types, kind.ty, Side::of(last), Side::of(live)).ok()?;
    for differs in [&compared.modified, &compared.added, &compared.removed] {
        fields.subtract(differs);
    }
    Some(fields)
}

/// Brings the annotation up to date where the object has it, so that client-side apply can go on from here.
/// One that would be too large is left out.
pub(super) fn set(application: &Application<'_>, object: &mut Struct) {
    let types = application.kind.types;
    let has = cursor::Ref::new(types, object)
        .path("metadata.annotations")
        .at(ANNOTATION)
        .str();
    if has.is_empty() {
        return;
    }
    let text = configuration(application.config.clone());
    let Some(annotations) = cursor::map_mut(types, object, "metadata.annotations") else {
        return;
    };
    annotations.insert(ANNOTATION, Value::str(&text));
    let size = |(key, value): &(Box<str>, Value)| key.len() + value.as_str().map_or(0, str::len);
    if annotations.entries().iter().map(size).sum::<usize>() > MAX_ANNOTATIONS {
        annotations.remove(ANNOTATION);
    }
}

/// The configuration without the annotation, as kubectl writes it: one line.
fn configuration(mut config: Value) -> String {
    if let Value::Map(object) = &mut config
        && let Some(Value::Map(metadata)) = object.get_mut("metadata")
        && let Some(Value::Map(annotations)) = metadata.get_mut("annotations")
    {
        annotations.remove(ANNOTATION);
    }
    let mut json = Vec::new();
    encode_untyped(&config, &mut json);
    json.push(b'\n');
    String::from_utf8(json).unwrap_or_default()
}
