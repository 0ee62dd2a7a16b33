//! Pods.

mod container;
mod defaults;
mod quality;
mod spec;
mod update;

pub(super) use defaults::spec as spec_defaults;
pub(super) use spec::validate as validate_spec;

use schema::cursor::{Ref, set};
use schema::tree::{Struct, Value};

use crate::{Context, Generation, PLAIN, Place, SelectableField, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default: defaults::pod,
    prepare_create,
    validate_create: |_, object, errors| {
        let root = Place::root(object);
        spec::validate(&root.child("spec"), errors);
        let ephemeral = object.path("spec.ephemeralContainers");
        if !ephemeral.is_empty() {
            let spec = root.child("spec");
            spec.child("ephemeralContainers")
                .forbidden(errors, "cannot be set on create");
        }
    },
    validate_update: |_, new, old, errors| update::validate(new, old, errors),
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
    resets: &[
        ("", &["status"]),
        (
            "status",
            &["spec", "metadata.deletionTimestamp", "metadata.ownerReferences"],
        ),
    ],
    ..PLAIN
};

fn prepare_create(context: &Context<'_>, pod: &mut Struct) {
    let class = quality::class(Ref::new(context.types, pod).at("spec"));
    set(context.types, pod, "status.phase", Value::str("Pending"));
    set(context.types, pod, "status.qosClass", Value::str(class));
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
