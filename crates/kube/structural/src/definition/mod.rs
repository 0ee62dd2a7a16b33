//! `CustomResourceDefinition`: the kind's own row (`apiextensions-apiserver/pkg/apis/apiextensions`).
//!
//! Upstream keeps definitions in an internal form that has what all versions share once, beside them
//! (`spec.validation` for `spec.versions[*].schema`), and its errors name those places: `layout` knows them.

mod approval;
mod conversion;
mod defaults;
mod layout;
mod names;
mod patterns;
mod schema;
mod spec;
mod structure;
mod topology;
mod validations;
mod version;
mod warnings;

use ::schema::cursor::{self, Ref};
use ::schema::field::Errors;
use ::schema::row::Types;
use ::schema::tree::{Struct, Value};
use kinds::{Generation, PLAIN, Place, Strategy};

pub use approval::{Approval, approval, is_protected};
pub use structure::errors as structural_errors;

/// The finalizer that keeps a definition until its objects are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// What is special about the kind.
pub const STRATEGY: Strategy = Strategy {
    default,
    prepare_create: |context, definition| {
        cursor::remove(context.types, definition, "status");
        remember_storage(context.types, definition);
    },
    prepare_update: |context, new, _| remember_storage(context.types, new),
    validate_create: |_, definition, errors| {
        let root = Place::root(definition);
        name(&root, errors);
        validate(&root, None, errors);
    },
    validate_update: |_, definition, old, errors| validate(&Place::root(definition), Some(old), errors),
    validate_status: |_, definition, _, errors| status(&Place::root(definition).child("status"), errors),
    warn: |_, new, old| warnings::of(new, old),
    generation: Generation::Spec,
    unconditional_update: false,
    ..PLAIN
};

/// `SetDefaults_CustomResourceDefinition`
fn default(types: &Types, definition: &mut Struct) {
    let names = Ref::new(types, definition).path("spec.names");
    let kind = names.at("kind").str().to_owned();
    let (singular, list) = (names.at("singular").is_empty(), names.at("listKind").is_empty());
    if singular && !kind.is_empty() {
        cursor::set(
            types,
            definition,
            "spec.names.singular",
            Value::str(&kind.to_lowercase()),
        );
    }
    if list && !kind.is_empty() {
        cursor::set(
            types,
            definition,
            "spec.names.listKind",
            Value::Str(format!("{kind}List").into()),
        );
    }
    let conversion = Ref::new(types, definition).path("spec.conversion");
    if !conversion.exists() {
        cursor::set(types, definition, "spec.conversion.strategy", Value::str("None"));
    } else if conversion.path("webhook.clientConfig.service").exists() {
        cursor::set_default(
            types,
            definition,
            "spec.conversion.webhook.clientConfig.service.port",
            Value::Int(443),
        );
    }
    if Ref::new(types, definition)
        .path("status.storedVersions")
        .is_empty()
    {
        remember_storage(types, definition);
    }
}

/// The version that objects are stored in; empty where there is none.
pub fn storage_version(definition: Ref<'_>) -> &str {
    let mut versions = definition.path("spec.versions").items();
    versions
        .find(|version| version.at("storage").bool())
        .map_or("", |version| version.at("name").str())
}

/// Objects may be stored in every version that once was the storage version.
fn remember_storage(types: &Types, definition: &mut Struct) {
    let object = Ref::new(types, definition);
    let storage = storage_version(object).to_owned();
    let stored: Vec<Value> = object
        .path("status.storedVersions")
        .strings()
        .map(Value::str)
        .collect();
    if storage.is_empty() || stored.iter().any(|version| version.as_str() == Some(&storage)) {
        return;
    }
    let all = stored.into_iter().chain([Value::str(&storage)]).collect();
    cursor::set(types, definition, "status.storedVersions", Value::List(all));
}

fn name(root: &Place<'_, '_>, errors: &mut Errors) {
    let name = root.child("metadata").path();
    let own = root.value().path("metadata.name");
    let spec = root.value().at("spec");
    let wanted = format!("{}.{}", spec.path("names.plural").str(), spec.at("group").str());
    if !own.is_empty() && own.str() != wanted {
        let why = "must be spec.names.plural+\".\"+spec.group";
        errors.push(::schema::field::Error::invalid(
            &name.child("name"),
            own.str(),
            why,
        ));
    }
}

fn validate(root: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    spec::validate(&root.child("spec"), old, errors);
    patterns::validate(&root.child("spec"), errors);
    status(&root.child("status"), errors);
    stored_versions(root, errors);
    approval::validate(root, old, errors);
    let open = root.child("spec");
    let open = open.child("preserveUnknownFields");
    if open.bool() && !old.is_some_and(|old| old.path("spec.preserveUnknownFields").bool()) {
        open.invalid(
            errors,
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        );
    }
}

fn status(status: &Place<'_, '_>, errors: &mut Errors) {
    names::validate(&status.child("acceptedNames"), errors);
}

fn stored_versions(root: &Place<'_, '_>, errors: &mut Errors) {
    let status = root.child("status");
    let stored = status.child("storedVersions");
    if stored.is_empty() {
        return stored.invalid(errors, "must have at least one stored version");
    }
    let versions = root.value().path("spec.versions");
    for version in versions.items().filter(|version| version.at("storage").bool()) {
        let name = version.at("name").str();
        if !stored.strings().any(|stored| stored == name) {
            stored.invalid(errors, format!("must have the storage version {name}"));
        }
    }
    for place in stored.each() {
        let name = place.str();
        if !versions.items().any(|version| version.at("name").str() == name) {
            place.invalid(
                errors,
                format!(
                    "missing from spec.versions; {name} was previously a storage version, and must remain in \
                     spec.versions until a storage migration ensures no data remains persisted in {name} and removes \
                     {name} from status.storedVersions"
                ),
            );
        }
    }
}
