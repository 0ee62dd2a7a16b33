//! `RuntimeClass`: `pkg/apis/node/validation`.

use schema::cursor::Ref;
use schema::field::Errors;

use super::pod;
use crate::rules::names::dns1123_label;
use crate::rules::quantity;
use crate::rules::table::Rule::{If, Of};
use crate::rules::table::{Rules, check};
use crate::rules::value::{immutable, labels};
use crate::{PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    validate_create: |_, object, errors| check(&Place::root(object), CLASS, errors),
    validate_update: |_, new, old, errors| {
        immutable(&Place::root(new).child("handler"), old.at("handler"), errors);
    },
    resets: &[],
    ..PLAIN
};

const CLASS: Rules = &[
    ("handler", Of(handler)),
    ("overhead", If(overhead)),
    ("scheduling", If(scheduling)),
];
const SCHEDULING: Rules = &[("nodeSelector", Of(labels)), ("tolerations", Of(tolerations))];

fn handler(handler: &Place<'_, '_>, errors: &mut Errors) {
    handler.check(errors, dns1123_label);
}

/// Upstream judges the overhead as a container's limits.
fn overhead(overhead: &Place<'_, '_>, errors: &mut Errors) {
    let fixed = overhead.child("podFixed");
    let limits = fixed.named("limits", fixed.value());
    quantity::amounts(&limits, quantity::container_resource_name, true, errors);
}

fn scheduling(scheduling: &Place<'_, '_>, errors: &mut Errors) {
    check(scheduling, SCHEDULING, errors);
}

fn tolerations(tolerations: &Place<'_, '_>, errors: &mut Errors) {
    pod::validate_tolerations(tolerations, false, errors);
    let all: Vec<Ref<'_>> = tolerations.items().collect();
    for (index, toleration) in tolerations.each().enumerate() {
        if all[..index].contains(&toleration.value()) {
            toleration.duplicate(errors);
        }
    }
}
