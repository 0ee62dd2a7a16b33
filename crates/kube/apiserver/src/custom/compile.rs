//! A definition as a row, and what goes beside it.

use cel::rules::Rules;
use schema::cursor::Ref;
use schema::custom::TooLarge;
use schema::object::Revision;
use schema::resource::{GroupVersion, ResourceDef, Scope, Subresource, Verbs, Version, type_of_kind};
use schema::row::TypesRef;
use std::sync::Arc;
use structural::definition::storage_version;
use structural::{Node, nulls, rows};

use super::{Columns, Custom, CustomVersion, Scale, conversion};

/// Makes the row. Names are the accepted ones: what others have been given first, a definition does not get.
///
/// # Errors
/// See [`TooLarge`].
pub(super) fn compile(definition: Ref<'_>, since: Revision) -> Result<(ResourceDef, Custom), TooLarge> {
    let (spec, names) = (definition.at("spec"), definition.path("status.acceptedNames"));
    let versions: Vec<Ref<'_>> = spec.at("versions").items().collect();
    let schemas: Vec<Node> = versions.iter().map(|version| schema_of(*version)).collect();
    let (types, roots) = rows(names.at("kind").str(), schemas.iter())?;
    let texts = |list: Ref<'_>| {
        list.strings()
            .map(|text| text.to_owned().into())
            .collect::<Vec<_>>()
    };
    let mut def = ResourceDef {
        group: spec.at("group").str().to_owned().into(),
        kind: names.at("kind").str().to_owned().into(),
        plural: spec.path("names.plural").str().to_owned().into(),
        singular: names.at("singular").str().to_owned().into(),
        short_names: texts(names.at("shortNames")).into(),
        categories: texts(names.at("categories")).into(),
        scope: match spec.at("scope").str() {
            "Cluster" => Scope::Cluster,
            _ => Scope::Namespaced,
        },
        storage_version: GroupVersion {
            group: spec.at("group").str().to_owned().into(),
            version: storage_version(definition).to_owned().into(),
        },
        types: TypesRef::Shared(Arc::new(types)),
        versions: Vec::new().into(),
    };
    let made: Vec<Version> = versions
        .iter()
        .zip(roots)
        .map(|(version, root)| served(&def, *version, root))
        .collect();
    def.versions = made.into();
    let custom = Custom {
        versions: versions
            .iter()
            .zip(schemas)
            .map(|(version, schema)| beside(definition, *version, schema))
            .collect(),
        list_kind: names.at("listKind").str().to_owned(),
        webhook: conversion::Webhook::of(spec.at("conversion")),
        terminating: definition.path("metadata.deletionTimestamp").exists(),
        since,
    };
    Ok((def, custom))
}

/// A version without a schema, which only very old definitions have, keeps everything.
fn schema_of(version: Ref<'_>) -> Node {
    let schema = version.path("schema.openAPIV3Schema");
    match schema.object() {
        Some(_) => Node::parse(schema),
        None => Node {
            open: true,
            ..Node::default()
        },
    }
}

fn served(def: &ResourceDef, version: Ref<'_>, root: structural::Root) -> Version {
    let mut made = Version {
        enabled: version.at("served").bool(),
        ..Version::custom(version.at("name").str(), root, Vec::new())
    };
    let below = version.at("subresources");
    let mut paths = Vec::new();
    if below.at("scale").exists() {
        paths.push(scale_of(&made));
    }
    if below.at("status").exists() {
        paths.push(def.status(&made));
    }
    made.subresources = paths.into();
    made
}

fn scale_of(version: &Version) -> Subresource {
    Subresource {
        name: "scale".into(),
        group: "autoscaling".into(),
        version: "v1".into(),
        kind: "Scale".into(),
        // A row of the built-in table: a Scale is the same everywhere.
        schema: type_of_kind("autoscaling", "v1", "Scale").unwrap_or(version.schema),
        verbs: Verbs(Verbs::GET.0 | Verbs::PATCH.0 | Verbs::UPDATE.0),
    }
}

fn beside(definition: Ref<'_>, version: Ref<'_>, schema: Node) -> CustomVersion {
    let scale = version.path("subresources.scale");
    let path = |name: &str| scale.at(name).str().trim_start_matches('.').to_owned();
    let fields = version.at("selectableFields").items();
    CustomVersion {
        rules: Rules::compile(version.path("schema.openAPIV3Schema")),
        nulls: nulls::may_hold(&schema),
        schema,
        columns: Columns::of(version),
        selectable: fields
            .map(|field| field.at("jsonPath").str().trim_start_matches('.').to_owned())
            .collect(),
        scale: scale.exists().then(|| Scale {
            spec: path("specReplicasPath"),
            status: path("statusReplicasPath"),
            selector: path("labelSelectorPath"),
        }),
        deprecation: version
            .at("deprecated")
            .bool()
            .then(|| deprecation(definition, version)),
    }
}

/// The definition's own warning, or upstream's, which names a better version if there is one.
fn deprecation(definition: Ref<'_>, version: Ref<'_>) -> String {
    if let Some(own) = version.at("deprecationWarning").text() {
        return own.to_owned();
    }
    let (spec, name) = (definition.at("spec"), version.at("name").str());
    let (group, kind) = (spec.at("group").str(), spec.path("names.kind").str());
    let rank = openapi::version_rank;
    let good = |other: &Ref<'_>| other.at("served").bool() && !other.at("deprecated").bool();
    let better = spec
        .at("versions")
        .items()
        .filter(good)
        .map(|other| other.at("name").str())
        .filter(|other| rank(other) > rank(name))
        .max_by_key(|other| rank(other));
    let hint = better.map_or_else(String::new, |better| format!("; use {group}/{better} {kind}"));
    format!("{group}/{name} {kind} is deprecated{hint}")
}
