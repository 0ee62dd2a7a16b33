//! Pods.

mod affinity;
mod amounts;
mod annotations;
mod container;
mod defaults;
mod environment;
mod handlers;
mod kept;
mod mounts;
mod off;
mod ports;
mod prepare;
mod quality;
mod resize;
mod resources;
mod scene;
mod security;
mod spec;
mod status;
mod subresources;
mod update;
mod volumes;
mod warn;
mod windows;

pub(super) use annotations::{agree as annotations_agree, validate as validate_annotations};
pub(super) use defaults::spec as spec_defaults;
pub(crate) use kept::Kept;
pub(super) use off::drop_disabled;
pub(super) use spec::{tolerations as validate_tolerations, validate as validate_spec};
pub(super) use warn::warnings;

use schema::cursor::Ref;
use schema::field::Errors;

use self::scene::Spec;
use crate::rules::names::dns1123_label;
use crate::{Context, Generation, PLAIN, Place, SelectableField, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default: defaults::pod,
    prepare_create: prepare::create,
    prepare_update: prepare::update,
    prepare_status: status::prepare,
    validate_create: create,
    validate_update: |_, new, old, errors| {
        validate(new, &Kept::of(Some(old)), errors);
        update::validate(new, old, errors);
    },
    validate_status: |_, new, old, errors| status::validate(new, old, errors),
    warn: created_warnings,
    generation: Generation::Spec,
    graceful,
    fields: &[
        SelectableField::text("spec.nodeName"),
        SelectableField::text("spec.restartPolicy"),
        SelectableField::text("spec.schedulerName"),
        SelectableField::text("spec.serviceAccountName"),
        SelectableField::boolean("spec.hostNetwork"),
        SelectableField::text("status.phase"),
        SelectableField::text("status.podIP"),
        SelectableField::text("status.nominatedNodeName"),
    ],
    subresources: subresources::SUBRESOURCES,
    resets: &[
        ("", &["status"]),
        (
            "status",
            &["spec", "metadata.deletionTimestamp", "metadata.ownerReferences"],
        ),
    ],
    ..PLAIN
};

/// Upstream's `validatePodMetadataAndSpec`: what holds for every pod.
fn validate(pod: Ref<'_>, kept: &Kept, errors: &mut Errors) {
    let root = Place::root(pod);
    let (metadata, place) = (root.child("metadata"), root.child("spec"));
    annotations::validate(&metadata, &place, kept, errors);
    let spec = Spec {
        place: &place,
        pod: Some(metadata.value()),
        kept,
    };
    spec::validate_spec(&spec, errors);
    if place.at("serviceAccountName").is_empty() {
        tokens(&place, errors);
    }
    for list in ["containers", "initContainers"] {
        let list = place.child(list);
        list.each()
            .for_each(|each| container::trimmed_image(&each, errors));
    }
}

/// A token is somebody's.
fn tokens(spec: &Place<'_, '_>, errors: &mut Errors) {
    for volume in spec.child("volumes").each() {
        let projected = volume.child("projected");
        for source in projected.child("sources").each() {
            let token = source.child("serviceAccountToken");
            if token.exists() {
                let text = "must not be specified when serviceAccountName is not set";
                token.forbidden(errors, text);
            }
        }
    }
}

fn create(_: &Context<'_>, pod: Ref<'_>, errors: &mut Errors) {
    validate(pod, &Kept::NOTHING, errors);
    let root = Place::root(pod);
    let spec = root.child("spec");
    if !spec.at("ephemeralContainers").is_empty() {
        spec.child("ephemeralContainers")
            .forbidden(errors, "cannot be set on create");
    }
    if !spec.at("nodeName").is_empty() && !spec.at("schedulingGates").is_empty() {
        let text = "cannot be set until all schedulingGates have been cleared";
        spec.child("nodeName").forbidden(errors, text);
    }
    annotations::agree(pod.at("metadata"), &spec, errors);
}

/// Upstream warns when a pod is created: people seldom update pods themselves.
fn created_warnings(_: &Context<'_>, pod: Ref<'_>, old: Option<Ref<'_>>) -> Vec<String> {
    if old.is_some() {
        return Vec::new();
    }
    let wrong = dns1123_label(pod.path("metadata.name").str()).join(" ");
    let name = (!wrong.is_empty()).then(|| {
        format!(
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label \
             is recommended: [{wrong}]"
        )
    });
    let root = Place::root(pod);
    name.into_iter().chain(warnings(&root, false)).collect()
}

/// Upstream's `CheckGracefulDelete`: what does not run on a node goes at once.
fn graceful(_: &Context<'_>, pod: Ref<'_>, requested: Option<i64>) -> Option<i64> {
    let own = pod.path("spec.terminationGracePeriodSeconds").int();
    let placed = !pod.path("spec.nodeName").is_empty();
    let ended = matches!(pod.path("status.phase").str(), "Failed" | "Succeeded");
    let seconds = if placed && !ended {
        requested.unwrap_or(own)
    } else {
        0
    };
    Some(if seconds < 0 { 1 } else { seconds })
}

#[cfg(test)]
mod changes;
#[cfg(test)]
mod tests;
