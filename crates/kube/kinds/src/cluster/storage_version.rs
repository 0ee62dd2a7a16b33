//! `StorageVersion` and `StorageVersionMigration`: in which versions objects are stored, and their rewriting.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::Errors;

use crate::rules::names::{dns1035_label, dns1123_subdomain};
use crate::rules::value::{immutable, one_of};
use crate::{Generation, PLAIN, Place, Strategy};

/// The name is the group's and the resource's: `apps.deployments`.
pub(super) const VERSION: Strategy = Strategy {
    validate_status: |_, version, _, errors| servers(version, errors),
    name: |name, _| version_name(name),
    unconditional_update: false,
    ..PLAIN
};

pub(super) const MIGRATION: Strategy = Strategy {
    validate_create: |_, migration, errors| {
        let root = Place::root(migration);
        let spec = root.child("spec");
        let resource = spec.child("resource");
        resource.child("resource").require(errors, "resource is required");
    },
    validate_update: |_, new, old, errors| {
        let root = Place::root(new);
        immutable(&root.child("spec"), old.at("spec"), errors);
    },
    validate_status: |_, new, old, errors| migration_status(new, old, errors),
    generation: Generation::Spec,
    unconditional_update: false,
    ..PLAIN
};

fn version_name(name: &str) -> Vec<String> {
    let Some((group, resource)) = name.rsplit_once('.') else {
        return vec!["name must be in the form of <group>.<resource>".to_owned()];
    };
    let each = |part: &str, wrong: Vec<String>| {
        let part = part.to_owned();
        wrong
            .into_iter()
            .map(move |text| format!("the {part} segment {text}"))
    };
    let group = each("group", dns1123_subdomain(group));
    group.chain(each("resource", dns1035_label(resource))).collect()
}

/// Each server once; what it encodes into it can decode.
fn servers(version: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(version);
    let status = root.child("status");
    let mut seen = BTreeSet::new();
    for server in status.child("storageVersions").each() {
        let id = server.child("apiServerID");
        id.check(errors, dns1123_subdomain);
        if !seen.insert(id.str()) {
            id.duplicate(errors);
        }
        let encoding = server.child("encodingVersion");
        let decodes = server
            .at("decodableVersions")
            .strings()
            .any(|version| version == encoding.str());
        if encoding.require(errors, "") && !decodes {
            let list = server
                .at("decodableVersions")
                .strings()
                .collect::<Vec<_>>()
                .join(",");
            let text = format!(
                "decodableVersions must include encodingVersion {}",
                encoding.str()
            );
            server
                .child("decodableVersions")
                .invalid_value(errors, list, text);
        }
    }
    let common = status.child("commonEncodingVersion");
    let mut encodings = status
        .at("storageVersions")
        .items()
        .map(|server| server.at("encodingVersion").str());
    let first = encodings.next();
    let agreed = first.filter(|first| encodings.all(|other| other == *first));
    if common.text() != agreed {
        let text = match agreed {
            Some(version) => format!("the common encoding version is {version}"),
            None => "should be nil if servers do not agree on the same encoding version, or if there is no server \
                     reporting the supported versions yet"
                .to_owned(),
        };
        common.invalid(errors, text);
    }
}

fn migration_status(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(new);
    let status = root.child("status");
    let mut seen = BTreeSet::new();
    for condition in status.child("conditions").each() {
        let kind = condition.child("type");
        if kind.require(errors, "") && !seen.insert(kind.str()) {
            kind.duplicate(errors);
        }
        one_of(&condition.child("status"), errors, &["False", "True", "Unknown"]);
    }
    let is = |migration: Ref<'_>, kind: &str| {
        let mut conditions = migration.path("status.conditions").items();
        conditions.any(|it| it.at("type").str() == kind && it.at("status").str() == "True")
    };
    let conditions = status.child("conditions");
    if is(new, "Succeeded") && is(new, "Failed") {
        conditions.invalid(
            errors,
            "Both success and failed conditions cannot be true at the same time",
        );
    }
    for (kind, text) in [
        (
            "Succeeded",
            "Success condition cannot be set to false once it is true",
        ),
        (
            "Failed",
            "Failed condition cannot be set to false once it is true",
        ),
    ] {
        if is(old, kind) && !is(new, kind) {
            conditions.invalid(errors, text);
        }
    }
}
