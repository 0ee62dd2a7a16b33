//! `ObjectMeta`: what the server fills in, keeps, and checks, the same for every kind.

use kinds::rules::names::dns1123_label;
use kinds::rules::text::qualified_name;
use kinds::rules::value::{annotations, labels};
use kinds::{NameRule, Place};
use schema::cursor::{self, Ref};
use schema::field::{Error, Errors};
use schema::row::Types;
use schema::status::Status;
use schema::tree::{Struct, Value};

use crate::Answer;

/// What a client cannot choose: cleared when an object is created.
const SYSTEM_FIELDS: [&str; 6] = [
    "metadata.creationTimestamp",
    "metadata.uid",
    "metadata.deletionTimestamp",
    "metadata.deletionGracePeriodSeconds",
    "metadata.selfLink",
    "metadata.resourceVersion",
];

/// Finalizers without a domain.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// Clears what a client cannot choose.
pub(super) fn wipe(types: &Types, object: &mut Struct) {
    for path in SYSTEM_FIELDS {
        cursor::remove(types, object, path);
    }
}

/// Sets a text of the metadata; an empty one is taken out.
pub(super) fn set_text(types: &Types, object: &mut Struct, path: &str, text: &str) {
    if text.is_empty() {
        cursor::remove(types, object, path);
    } else {
        cursor::set(types, object, path, Value::str(text));
    }
}

/// Sets `metadata.generation`.
pub(super) fn set_generation(types: &Types, object: &mut Struct, generation: i64) {
    if generation == 0 {
        cursor::remove(types, object, "metadata.generation");
    } else {
        cursor::set(types, object, "metadata.generation", Value::Int(generation));
    }
}

/// Takes a member over from the old object.
pub(super) fn keep(types: &Types, object: &mut Struct, old: Ref<'_>, path: &str) {
    match old.path(path).value() {
        Some(value) => cursor::set(types, object, path, value.clone()),
        None => drop(cursor::remove(types, object, path)),
    }
}

/// Puts the object into the request's namespace.
///
/// # Errors
/// 400 when the object says another one.
pub(crate) fn ensure_namespace(types: &Types, object: &mut Struct, namespace: &str) -> Answer<()> {
    let own = Ref::new(types, object).path("metadata.namespace").str();
    if own == namespace {
        return Ok(());
    }
    if own.is_empty() || namespace.is_empty() {
        set_text(types, object, "metadata.namespace", namespace);
        return Ok(());
    }
    let why = "the namespace of the provided object does not match the namespace sent on the request";
    Err(Status::bad_request(why).into())
}

/// Checks a new object's metadata.
pub(super) fn validate(object: Ref<'_>, namespaced: bool, rule: NameRule, errors: &mut Errors) {
    let root = Place::root(object);
    let metadata = root.child("metadata");
    let base = metadata.child("generateName");
    if !base.is_empty() {
        base.all_invalid(errors, rule(base.str(), true));
    }
    let name = metadata.child("name");
    if name.require(errors, "name or generateName is required") {
        name.all_invalid(errors, rule(name.str(), false));
    }
    let namespace = metadata.child("namespace");
    match (namespaced, namespace.is_empty()) {
        (true, true) => namespace.required(errors, ""),
        (true, false) => namespace.check(errors, dns1123_label),
        (false, false) => namespace.forbidden(errors, "not allowed on this type"),
        (false, true) => {}
    }
    common(&metadata, errors);
}

fn common(metadata: &Place<'_, '_>, errors: &mut Errors) {
    let generation = metadata.child("generation");
    if generation.int() < 0 {
        generation.invalid(errors, "must be greater than or equal to 0");
    }
    labels(&metadata.child("labels"), errors);
    annotations(&metadata.child("annotations"), errors);
    owners(&metadata.child("ownerReferences"), errors);
    finalizers(&metadata.child("finalizers"), errors);
}

fn owners(owners: &Place<'_, '_>, errors: &mut Errors) {
    let mut controller = String::new();
    for owner in owners.each() {
        for member in ["apiVersion", "kind", "name", "uid"] {
            owner.child(member).require(errors, "must not be empty");
        }
        let (version, kind) = (owner.at("apiVersion").str(), owner.at("kind").str());
        if version == "v1" && kind == "Event" {
            owner.invalid(errors, "/v1, Kind=Event is disallowed from being an owner");
        }
        if owner.at("controller").bool() {
            let this = format!("{kind}/{}", owner.at("name").str());
            if !controller.is_empty() {
                owners.invalid(errors, format!("Only one reference can have Controller set to true. Found \"true\" in references for {controller} and {this}"));
            }
            controller = this;
        }
    }
}

fn finalizers(finalizers: &Place<'_, '_>, errors: &mut Errors) {
    for finalizer in finalizers.strings() {
        for text in qualified_name(finalizer) {
            finalizers.invalid_value(errors, finalizer, text);
        }
    }
    if !finalizers.types().is_custom() {
        finalizers.each().for_each(|finalizer| known(&finalizer, errors));
    }
    let has = |name: &str| finalizers.strings().any(|finalizer| finalizer == name);
    if has("orphan") && has("foregroundDeletion") {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        finalizers.invalid(errors, why);
    }
}

/// Of built-in kinds: one of the system's own, or somebody's.
fn known(finalizer: &Place<'_, '_>, errors: &mut Errors) {
    let own = STANDARD_FINALIZERS.contains(&finalizer.str());
    if !own && !finalizer.str().contains('/') {
        let why = "name is neither a standard finalizer name nor is it fully qualified";
        finalizer.invalid(errors, why);
    }
}

/// Checks updated metadata against the old.
pub(super) fn validate_update(object: Ref<'_>, old: Ref<'_>, namespaced: bool, errors: &mut Errors) {
    let root = Place::root(object);
    let metadata = root.child("metadata");
    let before = old.at("metadata");
    if namespaced && metadata.child("namespace").is_empty() {
        metadata.child("namespace").required(errors, "");
    }
    common(&metadata, errors);
    if before.at("deletionTimestamp").exists() {
        no_new_finalizers(&metadata.child("finalizers"), before.at("finalizers"), errors);
    }
    let generation = metadata.child("generation");
    if generation.int() < before.at("generation").int() {
        generation.invalid(errors, "must not be decremented");
    }
    const FIXED: [&str; 6] = [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ];
    for member in FIXED {
        let place = metadata.child(member);
        if place.value() != before.at(member) {
            place.invalid(errors, "field is immutable");
        }
    }
}

fn no_new_finalizers(finalizers: &Place<'_, '_>, before: Ref<'_>, errors: &mut Errors) {
    let old = |name: &&str| before.strings().any(|finalizer| finalizer == *name);
    let mut extra: Vec<&str> = finalizers.strings().filter(|name| !old(name)).collect();
    extra.sort_unstable();
    if !extra.is_empty() {
        let quoted: Vec<String> = extra.iter().map(|name| format!("{name:?}")).collect();
        errors.push(Error::forbidden(
            &finalizers.path(),
            format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                quoted.join(", ")
            ),
        ));
    }
}
