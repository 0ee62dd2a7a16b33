//! `ObjectMeta`: what the server fills in, keeps, and checks, the same for every kind.

use kinds::rules::names::{dns1123_label, dns1123_subdomain, mismatch, too_long};
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

fn labels(labels: &Place<'_, '_>, errors: &mut Errors) {
    for (key, value) in labels.entries() {
        for text in qualified_name(key) {
            labels.invalid_value(errors, key, text);
        }
        for text in label_value(value.str()) {
            labels.invalid_value(errors, value.str(), text);
        }
    }
}

/// All annotations of an object together, in bytes.
const MAX_ANNOTATIONS: usize = 256 << 10;

fn annotations(annotations: &Place<'_, '_>, errors: &mut Errors) {
    let mut size = 0;
    for (key, value) in annotations.entries() {
        size += key.len() + value.str().len();
        for text in qualified_name(&key.to_lowercase()) {
            annotations.invalid_value(errors, key, text);
        }
    }
    if size > MAX_ANNOTATIONS {
        annotations.too_long(errors, MAX_ANNOTATIONS);
    }
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
    let has = |name: &str| finalizers.strings().any(|finalizer| finalizer == name);
    if has("orphan") && has("foregroundDeletion") {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        finalizers.invalid(errors, why);
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

const NAME: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

fn is_name(text: &str) -> bool {
    let ends = text.bytes().next().zip(text.bytes().next_back());
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    ends.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
        && text.bytes().all(inner)
}

/// `prefix/name`, the key of a label, an annotation, a finalizer.
fn qualified_name(text: &str) -> Vec<String> {
    const RULE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', \
                        and must start and end with an alphanumeric character";
    let mut wrong = Vec::new();
    let name = match text.split('/').collect::<Vec<_>>()[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                wrong.push("prefix part must be non-empty".to_owned());
            } else {
                wrong.extend(
                    dns1123_subdomain(prefix)
                        .iter()
                        .map(|text| format!("prefix part {text}")),
                );
            }
            name
        }
        _ => {
            const RULE: &str = "a valid label key must consist of alphanumeric characters, '-', '_' or '.', \
                                and must start and end with an alphanumeric character";
            let examples = ["MyName", "my.name", "123-abc"];
            let text = mismatch(RULE, NAME, &examples);
            return vec![format!(
                "{text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        wrong.push(format!("name part {}", too_long(63)));
    }
    if !is_name(name) {
        wrong.push(mismatch(RULE, NAME, &["MyName", "my.name", "123-abc"]));
    }
    wrong
}

/// A label's value.
fn label_value(text: &str) -> Vec<String> {
    const RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
                        and must start and end with an alphanumeric character";
    const VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
    let long = (text.len() > 63).then(|| too_long(63));
    let examples = ["MyValue", "my_value", "12345"];
    let wrong = (!text.is_empty() && !is_name(text)).then(|| mismatch(RULE, VALUE, &examples));
    long.into_iter().chain(wrong).collect()
}
