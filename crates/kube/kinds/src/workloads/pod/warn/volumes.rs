//! Volumes that no node can mount any more, and files that two sources write.

use std::collections::BTreeSet;

use schema::cursor::Ref;

use crate::Place;

/// Sources that no node can mount any more.
const SOURCES: [(&str, &str, &str); 9] = [
    (
        "photonPersistentDisk",
        "photonPersistentDisk",
        "deprecated in v1.11, non-functional in v1.16+",
    ),
    (
        "gitRepo",
        "gitRepo",
        "deprecated in v1.11, and disabled by default in v1.33+",
    ),
    (
        "scaleIO",
        "scaleIO",
        "deprecated in v1.16, non-functional in v1.22+",
    ),
    (
        "flocker",
        "flocker",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "storageos",
        "storageOS",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "quobyte",
        "quobyte",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "glusterfs",
        "glusterfs",
        "deprecated in v1.25, non-functional in v1.26+",
    ),
    (
        "cephfs",
        "cephfs",
        "deprecated in v1.28, non-functional in v1.31+",
    ),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

pub(super) fn volumes(volumes: &Place<'_, '_>, found: &mut Vec<String>) {
    for volume in volumes.each() {
        let given = SOURCES.iter().filter(|(member, _, _)| volume.at(member).exists());
        found.extend(given.map(|(_, path, text)| format!("{}: {text}", volume.child(path).path())));
        let claim = volume.child("ephemeral.volumeClaimTemplate.spec");
        found.extend(crate::storage::claim_warnings(&claim));
    }
}

/// A token's file that another source writes too.
pub(super) fn token_files(volumes: &Place<'_, '_>, found: &mut Vec<String>) {
    let projected = volumes
        .items()
        .flat_map(|volume| volume.path("projected.sources").items());
    let tokens = projected.map(|source| source.at("serviceAccountToken"));
    let tokens: BTreeSet<&str> = tokens
        .filter(|token| token.exists())
        .map(|token| token.at("path").str())
        .collect();
    for volume in volumes.each() {
        let sources = volume.child("projected");
        for source in sources.at("sources").items() {
            shadowed(&sources.named("sources", source), source, &tokens, found);
        }
    }
}

/// Upstream's paths name no source by its index, and spell some otherwise.
fn shadowed(sources: &Place<'_, '_>, source: Ref<'_>, tokens: &BTreeSet<&str>, found: &mut Vec<String>) {
    let mut warn = |path: String, file: &str| {
        if tokens.contains(file) {
            found.push(format!(
                "{path}: has duplicated path with ServiceAccountToken {file:?}"
            ));
        }
    };
    let path = sources.path();
    for (member, name) in [
        ("configMap", "configMap"),
        ("secret", "secrets"),
        ("downwardAPI", "downwardAPI"),
    ] {
        for (index, item) in source.at(member).at("items").items().enumerate() {
            warn(path.child(name).index(index).to_string(), item.at("path").str());
        }
    }
    let bundle = source.at("clusterTrustBundle");
    if bundle.exists() {
        warn(
            path.child("ClusterTrustBundle").to_string(),
            bundle.at("path").str(),
        );
    }
}
