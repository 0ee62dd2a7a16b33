//! Volumes, claims, and what makes them.

mod claim;
mod class;
mod csi;
mod volume;

pub(crate) use claim::{spec as claim_spec, warnings as claim_warnings};

use schema::field::Errors;

use crate::rules::quantity::Quantity;
use crate::{Place, Row};

const GROUP: &str = "storage.k8s.io";

pub(crate) const ROWS: &[Row] = &[
    ("", "persistentvolumeclaims", &claim::STRATEGY),
    ("", "persistentvolumes", &volume::STRATEGY),
    (GROUP, "csidrivers", &csi::DRIVER),
    (GROUP, "csinodes", &csi::NODE),
    (GROUP, "csistoragecapacities", &csi::CAPACITY),
    (GROUP, "storageclasses", &class::STORAGE),
    (GROUP, "volumeattachments", &csi::ATTACHMENT),
    (GROUP, "volumeattributesclasses", &class::ATTRIBUTES),
];

const MODES: &[&str] = &[
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];

/// How a volume may be used; one pod alone excludes all others.
fn access_modes(modes: &Place<'_, '_>, detail: &str, errors: &mut Errors) {
    modes.require(errors, detail);
}

fn known_modes(modes: &Place<'_, '_>, errors: &mut Errors) {
    for mode in modes.each().filter(|mode| !MODES.contains(&mode.str())) {
        modes.holding(mode.value()).not_supported(errors, MODES);
    }
    let single = modes.strings().filter(|mode| *mode == "ReadWriteOncePod").count();
    let known = modes.strings().filter(|mode| MODES.contains(mode)).count();
    if single > 0 && known > single {
        modes.forbidden(errors, "may not use ReadWriteOncePod with other access modes");
    }
}

/// A size above zero.
fn positive(place: &Place<'_, '_>, errors: &mut Errors) {
    if Quantity::of(place.value()) <= Quantity::default() {
        place.invalid(errors, "must be greater than zero");
    }
}
