//! What the schema of a custom resource says of an object that is written (`registry/customresource`).

use kinds::rules::text;
use schema::cursor::Ref;
use schema::field::{Error, ErrorType, Errors, Path};
use schema::json::go_quote;
use schema::tree::Struct;
use structural::{View, embedded, nulls, unique, validate};

use super::{CustomVersion, Scale};
use crate::registry::Op;

/// Brings a decoded object into the form in which it is judged: no `null` where there may be none.
pub(crate) fn settle(version: &CustomVersion, types: &schema::row::Types, object: &mut Struct) {
    if version.nulls {
        nulls::settle(types, &version.schema, object);
    }
}

/// Judges a new object; nothing for a built-in kind.
pub(crate) fn create(op: &Op<'_>, object: Ref<'_>, errors: &mut Errors) {
    let (Some(version), Some(tree)) = (op.served.custom_version(), object.object()) else {
        return;
    };
    let value = View::from(tree);
    validate(op.types(), &version.schema, value, None, "", errors);
    if let Some(scale) = &version.scale {
        wanted(op, scale, value, errors);
        found(op, scale, value, errors);
    }
    embedded(op.types(), &version.schema, value, &Path::root(), errors);
    unique(op.types(), &version.schema, value, &Path::root(), errors);
    by_rules(op, version, object, None, errors);
}

/// Judges an object by the rules in CEL, which are only asked about what has the types that they were compiled for.
fn by_rules(
    op: &Op<'_>,
    version: &CustomVersion,
    object: Ref<'_>,
    old: Option<Ref<'_>>,
    errors: &mut Errors,
) {
    let Some(rules) = &version.rules else { return };
    let blocks = |error: &Error| {
        use ErrorType::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
        matches!(
            error.kind,
            NotSupported | Required | TooLong | TooMany | TypeInvalid
        )
    };
    if errors.iter().any(blocks) {
        let why = "some validation rules were not checked because the object was invalid; correct the existing errors \
                   to complete validation";
        errors.push(Error::invalid(&Path::root(), "null", why));
        return;
    }
    let judgement = rules.validate(&Path::root(), object, old);
    errors.extend(judgement.errors);
    judgement
        .warnings
        .into_iter()
        .for_each(|warning| op.call.warnings.add(warning));
}

/// Judges an update, of the object or of its status.
pub(crate) fn update(op: &Op<'_>, object: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let (Some(version), Some(tree), Some(before)) =
        (op.served.custom_version(), object.object(), old.object())
    else {
        return;
    };
    let (types, value, before) = (op.types(), View::from(tree), View::from(before));
    let of_status = op.subresource == "status";
    if of_status {
        status(op, version, value, before, errors);
    } else {
        validate(types, &version.schema, value, Some(before), "", errors);
    }
    if let Some(scale) = &version.scale {
        if !of_status {
            wanted(op, scale, value, errors);
        }
        found(op, scale, value, errors);
    }
    if !of_status {
        embedded(types, &version.schema, value, &Path::root(), errors);
    }
    unchanged_or_unique(op, version, value, before, errors);
    by_rules(op, version, object, Some(old), errors);
}

fn status(op: &Op<'_>, version: &CustomVersion, value: View<'_>, before: View<'_>, errors: &mut Errors) {
    let types = op.types();
    if let (Some(schema), Some(status)) = (version.schema.property("status"), value.member(types, "status")) {
        validate(
            types,
            schema,
            status,
            before.member(types, "status"),
            "status",
            errors,
        );
    }
}

/// Lists that held something twice before may go on doing so.
fn unchanged_or_unique(
    op: &Op<'_>,
    version: &CustomVersion,
    value: View<'_>,
    before: View<'_>,
    errors: &mut Errors,
) {
    let twice = |value: View<'_>| {
        let mut errors = Errors::new();
        unique(op.types(), &version.schema, value, &Path::root(), &mut errors);
        errors
    };
    let now = twice(value);
    if !now.is_empty() && twice(before).is_empty() {
        errors.extend(now);
    }
}

fn at<'a>(op: &'a Op<'_>, value: View<'a>, path: &str) -> Option<View<'a>> {
    value.path(op.types(), path.split('.'))
}

fn wanted(op: &Op<'_>, scale: &Scale, value: View<'_>, errors: &mut Errors) {
    count(op, value, &scale.spec, errors);
}

fn found(op: &Op<'_>, scale: &Scale, value: View<'_>, errors: &mut Errors) {
    count(op, value, &scale.status, errors);
    if scale.selector.is_empty() {
        return;
    }
    match at(op, value, &scale.selector) {
        None | Some(View::Text(_)) => {}
        Some(other) => {
            let path = format!(".{}", scale.selector);
            let why = format!(
                "{path} accessor error: {} is of the type {}, expected string",
                other.json(op.types()),
                go_type(other)
            );
            errors.push(Error::invalid(&Path::new(&path), "", why));
        }
    }
}

fn count(op: &Op<'_>, value: View<'_>, path: &str, errors: &mut Errors) {
    let place = Path::new(&format!(".{path}"));
    match at(op, value, path) {
        None => {}
        Some(View::Int(number)) if number < 0 => {
            errors.push(Error::invalid(&place, number, "should be a non-negative integer"));
        }
        Some(View::Int(number)) if number > i64::from(i32::MAX) => {
            let why = format!("should be less than or equal to {}", i32::MAX);
            errors.push(Error::invalid(&place, number, why));
        }
        Some(View::Int(_)) => {}
        Some(other) => {
            let why = format!(
                ".{path} accessor error: {} is of the type {}, expected int64",
                other.json(op.types()),
                go_type(other)
            );
            errors.push(Error::invalid(&place, 0_i64, why));
        }
    }
}

fn go_type(value: View<'_>) -> &'static str {
    match value {
        View::Null => "<nil>",
        View::Bool(_) => "bool",
        View::Int(_) => "int64",
        View::Float(_) => "float64",
        View::Text(_) => "string",
        View::List(_) => "[]interface {}",
        _ => "map[string]interface {}",
    }
}

/// Finalizers that only Kubernetes itself may name without a domain.
const STANDARD: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];

/// What the client is warned of: finalizers that are new and have no domain.
pub(crate) fn warnings(object: Ref<'_>, old: Option<Ref<'_>>) -> Vec<String> {
    let known =
        |name: &str| old.is_some_and(|old| old.path("metadata.finalizers").strings().any(|it| it == name));
    let mut new: Vec<&str> = object
        .path("metadata.finalizers")
        .strings()
        .filter(|name| !known(name))
        .collect();
    new.sort_unstable();
    new.dedup();
    new.into_iter().flat_map(finalizer).collect()
}

fn finalizer(name: &str) -> Vec<String> {
    let place = format!("metadata.finalizers: {}", go_quote(name));
    let mut told: Vec<String> = text::qualified_name(name)
        .into_iter()
        .map(|why| format!("{place}: {why}"))
        .collect();
    if !name.contains('/') && !STANDARD.contains(&name) {
        let path = if name.contains('.') {
            " including a path (/)"
        } else {
            ""
        };
        told.push(format!(
            "{place}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers"
        ));
    }
    told
}
