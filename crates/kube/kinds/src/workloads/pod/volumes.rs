//! A pod's volumes: upstream's `ValidateVolumes`.

use std::collections::{BTreeMap, BTreeSet};

use schema::cursor::Ref;
use schema::field::{ErrorType, Errors};

use super::kept::Fault;
use super::scene::Spec;
use crate::Place;
use crate::rules::names::{dns1123_label, dns1123_subdomain};
use crate::rules::table::Rule;
use crate::volume::{POD, check_source};

/// The volumes that are right, by name: mounts can have these.
pub(super) type Volumes<'a> = BTreeMap<&'a str, Ref<'a>>;

/// Checks the volumes of a spec.
pub(super) fn validate<'a>(spec: &Spec<'_, 'a>, errors: &mut Errors) -> Volumes<'a> {
    let volumes = spec.place.child("volumes");
    let created = created_claims(spec, volumes.value());
    let mut right = Volumes::new();
    for volume in volumes.each() {
        let before = errors.len();
        source(spec, &volume, errors);
        let name = volume.child("name");
        Rule::RequiredText(dns1123_label).check(&name, errors);
        if right.contains_key(name.str()) {
            name.duplicate(errors);
        }
        if errors.len() == before {
            right.insert(name.str(), volume.value());
        }
        let claim = volume.child("persistentVolumeClaim");
        let claim = claim.child("claimName");
        if claim.exists() && created.contains(claim.str()) {
            let text = "must not reference a PVC that gets created for an ephemeral volume";
            claim.invalid(errors, text);
        }
    }
    right
}

/// The claims that this pod's ephemeral volumes make; a template's pods have no name yet.
fn created_claims(spec: &Spec<'_, '_>, volumes: Ref<'_>) -> BTreeSet<String> {
    if spec.pod_name().is_empty() {
        return BTreeSet::new();
    }
    let ephemeral = volumes.items().filter(|volume| volume.at("ephemeral").exists());
    ephemeral
        .map(|volume| format!("{}-{}", spec.pod_name(), volume.at("name").str()))
        .collect()
}

fn source(spec: &Spec<'_, '_>, volume: &Place<'_, '_>, errors: &mut Errors) {
    check_source(volume, POD, errors);
    if spec.kept.has(Fault::TokenPaths) {
        // Nothing else is wrong with the value at this path.
        let path = volume.child("projected").child("path").path().to_string();
        errors.retain(|error| error.kind != ErrorType::Invalid || error.field != path);
    }
    let name = volume.child("name");
    let (disk, image) = (volume.at("iscsi"), volume.child("image"));
    if disk.at("initiatorName").exists() && name.len() + 1 + disk.at("targetPortal").len() > 64 {
        name.invalid(
            errors,
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is \
             specified.",
        );
    }
    if spec.is_pod() && image.exists() {
        image.child("reference").require(errors, "");
    }
    if volume.at("ephemeral").exists() && !spec.pod_name().is_empty() && !name.is_empty() {
        let claim = format!("{}-{}", spec.pod_name(), name.str());
        for text in dns1123_subdomain(&claim) {
            name.invalid(errors, format!("PVC name {claim:?}: {text}"));
        }
    }
}
