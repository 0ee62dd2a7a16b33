//! `PersistentVolumeClaim`: `ValidatePersistentVolumeClaim`.

mod status;
mod update;

use schema::cursor::{self, Ref};
use schema::field::{BadValue, Errors};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{access_modes, known_modes, positive};
use crate::rules::quantity::{self, Quantity};
use crate::rules::{names, value};
use crate::{PLAIN, Place, SelectableField, Strategy};

/// Where the class of a claim's volume once stood.
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    prepare_create: |context, claim| {
        cursor::set(context.types, claim, "status.phase", Value::str("Pending"));
        known_sources(context.types, claim);
        sources(context.types, claim);
    },
    prepare_update: |context, claim, old| {
        let old = Ref::new(context.types, old).at("spec");
        if !old.at("dataSource").exists() && !old.at("dataSourceRef").exists() {
            known_sources(context.types, claim);
        }
        sources(context.types, claim);
    },
    validate_create: |_, claim, errors| validate(claim, None, errors),
    validate_update: |_, claim, old, errors| {
        validate(claim, Some(old), errors);
        update::validate(claim, old, errors);
    },
    validate_status: |_, claim, _, errors| status::validate(claim, errors),
    fields: &[SelectableField {
        name: "name",
        path: "metadata.name",
        absent: "",
    }],
    ..PLAIN
};

fn default(types: &Types, claim: &mut Struct) {
    if Ref::new(types, claim).path("status.phase").is_empty() {
        cursor::set(types, claim, "status.phase", Value::str("Pending"));
    }
    cursor::set_default(types, claim, "spec.volumeMode", Value::str("Filesystem"));
}

/// What a new claim can be made from: `dataSource` knows claims and snapshots only, and namespaces are not crossed.
fn known_sources(types: &Types, claim: &mut Struct) {
    let spec = Ref::new(types, claim).at("spec");
    let source = spec.at("dataSource");
    let known = match source.at("kind").str() {
        "PersistentVolumeClaim" => source.at("apiGroup").is_empty(),
        "VolumeSnapshot" => source.at("apiGroup").str() == "snapshot.storage.k8s.io",
        _ => false,
    };
    let crosses = !spec.path("dataSourceRef.namespace").is_empty();
    for (path, drops) in [("spec.dataSource", !known), ("spec.dataSourceRef", crosses)] {
        if drops {
            cursor::remove(types, claim, path);
        }
    }
}

/// `dataSource` and `dataSourceRef` say the same in two ways: each is made from the other.
fn sources(types: &Types, claim: &mut Struct) {
    let spec = Ref::new(types, claim).at("spec");
    let (source, reference) = (spec.at("dataSource"), spec.at("dataSourceRef"));
    let (from, to) = match (source.exists(), reference.exists()) {
        (true, false) => (source, "spec.dataSourceRef"),
        (false, true) if reference.at("namespace").is_empty() => (reference, "spec.dataSource"),
        _ => return,
    };
    let members = ["apiGroup", "kind", "name"].map(|name| (name, from.at(name).value().cloned()));
    for (name, value) in members {
        if let Some(value) = value {
            cursor::set(types, claim, &format!("{to}.{name}"), value);
        }
    }
}

fn validate(claim: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let kept = Kept::of(old.map(|old| old.at("spec")));
    kept_spec(&Place::root(claim).child("spec"), kept, errors);
}

/// What was wrong with an old claim and may stay so.
#[derive(Clone, Copy, Default)]
struct Kept {
    /// A selector that nothing can match.
    selector: bool,
    /// The group of a source.
    groups: bool,
}

impl Kept {
    fn of(old: Option<Ref<'_>>) -> Self {
        let Some(old) = old else { return Self::default() };
        let mut found = Errors::new();
        value::label_selector(&Place::root(old).child("selector"), &mut found);
        let sources = ["dataSource", "dataSourceRef"];
        Self {
            selector: !found.is_empty(),
            groups: sources.iter().any(|name| old.at(name).at("apiGroup").exists()),
        }
    }
}

/// The spec of a claim, or of a template of claims.
pub(crate) fn spec(spec: &Place<'_, '_>, errors: &mut Errors) {
    kept_spec(spec, Kept::default(), errors);
}

fn kept_spec(spec: &Place<'_, '_>, kept: Kept, errors: &mut Errors) {
    let modes = spec.child("accessModes");
    access_modes(&modes, "at least 1 access mode is required", errors);
    value::label_selector_of(&spec.child("selector"), !kept.selector, errors);
    known_modes(&modes, errors);
    size(spec, errors);
    class_name(&spec.child("storageClassName"), errors);
    value::optional_one_of(&spec.child("volumeMode"), errors, &["Block", "Filesystem"]);
    for name in ["dataSource", "dataSourceRef"] {
        source(&spec.child(name), kept, errors);
    }
    same_sources(spec, errors);
    class_name(&spec.child("volumeAttributesClassName"), errors);
}

fn size(spec: &Place<'_, '_>, errors: &mut Errors) {
    let size = spec.value().path("resources.requests.storage");
    let storage = spec.named("resources", size);
    let storage = storage.key("storage").holding(size);
    if !size.exists() {
        return storage.required(errors, "");
    }
    let before = errors.len();
    positive(&storage, errors);
    if errors.len() == before {
        quantity::resource_quantity(&storage, "storage", errors);
    }
}

/// Both sources are the same, unless one is of another namespace. Upstream shows a path here, whose members are its own.
fn same_sources(spec: &Place<'_, '_>, errors: &mut Errors) {
    let (source, reference) = (spec.at("dataSource"), spec.at("dataSourceRef"));
    if !source.exists() || !reference.exists() {
        return;
    }
    let same = ["apiGroup", "kind", "name"]
        .iter()
        .all(|name| source.at(name) == reference.at(name));
    let text = match reference.at("namespace").is_empty() {
        false => "may not be specified when dataSourceRef.namespace is specified",
        true if !same => "must match dataSourceRef",
        true => return,
    };
    spec.invalid_value(errors, BadValue::json("{}"), text);
}

/// Warnings about the spec of a claim, if there is one.
pub(crate) fn warnings(spec: &Place<'_, '_>) -> Vec<String> {
    let mut found = Vec::new();
    for list in ["requests", "limits"] {
        let amounts = spec.child("resources");
        let amount = amounts.child(list);
        let amount = amount.key("storage");
        if amount.exists() && !Quantity::of(amount.value()).is_whole() {
            let text = format!(
                "fractional byte value {:?} is invalid, must be an integer",
                amount.str()
            );
            found.push(format!("{}: {text}", amount.path()));
        }
    }
    found
}

fn class_name(name: &Place<'_, '_>, errors: &mut Errors) {
    if !name.is_empty() {
        name.check(errors, names::dns1123_subdomain);
    }
}

fn source(source: &Place<'_, '_>, kept: Kept, errors: &mut Errors) {
    if !source.exists() {
        return;
    }
    source.child("name").require(errors, "");
    source.child("kind").require(errors, "");
    let (group, kind) = (source.child("apiGroup"), source.at("kind").str());
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        source.invalid_value(errors, kind, detail);
    }
    if !group.is_empty() && !kept.groups {
        group.check(errors, names::dns1123_subdomain);
    }
    let namespace = source.child("namespace");
    if !namespace.is_empty() {
        namespace.check(errors, names::dns1123_label);
    }
}
