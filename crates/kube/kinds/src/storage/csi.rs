//! CSI's objects: drivers, what a node has of them, what they have room for, what is attached where.

use std::collections::BTreeSet;

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::rules::quantity::Quantity;
use crate::rules::{names, text, value};
use crate::volume::driver_name;
use crate::{PLAIN, Place, Strategy};

const MODES: &[&str] = &["Ephemeral", "Persistent"];
const POLICIES: &[&str] = &["File", "None", "ReadWriteOnceWithFSType"];

pub(super) const DRIVER: Strategy = Strategy {
    default,
    validate_create: |_, driver, errors| validate_driver(driver, errors),
    validate_update: |_, driver, old, errors| {
        validate_driver(driver, errors);
        let place = Place::root(driver);
        for name in ["attachRequired", "fsGroupPolicy", "volumeLifecycleModes"] {
            let field = place.child("spec").child(name).value();
            value::immutable(
                &place.child("spec").child(name).holding(field),
                old.at("spec").at(name),
                errors,
            );
        }
    },
    unconditional_update: false,
    resets: &[],
    ..PLAIN
};

pub(super) const NODE: Strategy = Strategy {
    validate_create: |_, node, errors| drivers(node, errors),
    validate_update: |_, node, old, errors| {
        drivers(node, errors);
        drivers_kept(node, old, errors);
    },
    unconditional_update: false,
    resets: &[],
    ..PLAIN
};

pub(super) const CAPACITY: Strategy = Strategy {
    validate_create: |_, capacity, errors| room(capacity, errors),
    validate_update: |_, capacity, old, errors| {
        room(capacity, errors);
        let place = Place::root(capacity);
        for name in ["nodeTopology", "storageClassName"] {
            value::immutable(&place.child(name), old.at(name), errors);
        }
    },
    unconditional_update: false,
    resets: &[],
    ..PLAIN
};

pub(super) const ATTACHMENT: Strategy = Strategy {
    validate_create: |_, attachment, errors| attach(attachment, errors),
    validate_update: |_, attachment, old, errors| {
        attach(attachment, errors);
        value::immutable(&Place::root(attachment).child("spec"), old.at("spec"), errors);
    },
    unconditional_update: false,
    ..PLAIN
};

fn default(types: &Types, driver: &mut Struct) {
    let falses = [
        "podInfoOnMount",
        "storageCapacity",
        "requiresRepublish",
        "seLinuxMount",
    ];
    cursor::set_default(types, driver, "spec.attachRequired", Value::Bool(true));
    for name in falses {
        cursor::set_default(types, driver, &format!("spec.{name}"), Value::Bool(false));
    }
    let policy = Value::str("ReadWriteOnceWithFSType");
    cursor::set_default(types, driver, "spec.fsGroupPolicy", policy);
    if Ref::new(types, driver)
        .path("spec.volumeLifecycleModes")
        .is_empty()
    {
        let modes = Value::List(vec![Value::str("Persistent")]);
        cursor::set(types, driver, "spec.volumeLifecycleModes", modes);
    }
}

fn validate_driver(driver: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(driver);
    let metadata = place.child("metadata");
    driver_name(&metadata.child("name"), errors);
    let spec = place.child("spec");
    for name in ["attachRequired", "podInfoOnMount", "storageCapacity"] {
        let field = spec.child(name);
        if !field.exists() {
            field.required(errors, "");
        }
    }
    value::optional_one_of(&spec.child("fsGroupPolicy"), errors, POLICIES);
    spec.child("volumeLifecycleModes")
        .each()
        .for_each(|each| value::one_of(&each, errors, MODES));
}

fn drivers(node: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(node);
    let mut seen = BTreeSet::new();
    for driver in place.child("spec.drivers").each() {
        driver_name(&driver.child("name"), errors);
        let id = driver.child("nodeID");
        if id.require(errors, "") && id.len() > 192 {
            id.invalid(errors, "must be 192 characters or less");
        }
        let count = driver.child("allocatable.count");
        if count.int() < 0 {
            count.invalid(errors, "must be greater than or equal to 0");
        }
        if !seen.insert(driver.at("name").str()) {
            driver.child("name").duplicate(errors);
        }
        driver
            .child("topologyKeys")
            .each()
            .for_each(|key| key.check(errors, text::qualified_name));
    }
}

fn drivers_kept(node: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(node);
    for driver in place.child("spec.drivers").each() {
        let mut olds = old.path("spec.drivers").items();
        let was = olds.find(|old| old.at("name") == driver.at("name"));
        if was.is_some_and(|was| {
            ["nodeID", "topologyKeys"]
                .iter()
                .any(|name| was.at(name) != driver.at(name))
        }) {
            driver.invalid(errors, value::IMMUTABLE);
        }
    }
}

fn room(capacity: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(capacity);
    value::label_selector(&place.child("nodeTopology"), errors);
    let class = place.child("storageClassName");
    class.check(errors, names::dns1123_subdomain);
    for name in ["capacity", "maximumVolumeSize"] {
        let field = place.child(name);
        if Quantity::of(field.value()).is_negative() {
            field.invalid(errors, "must be greater than or equal to 0");
        }
    }
}

fn attach(attachment: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(attachment);
    let spec = place.child("spec");
    spec.child("attacher").require(errors, "");
    let source = spec.child("source");
    let (volume, inline) = (
        source.child("persistentVolumeName"),
        source.at("inlineVolumeSpec"),
    );
    match (volume.exists(), inline.exists()) {
        (false, false) => source.required(
            errors,
            "must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
        (true, true) => source.invalid(
            errors,
            "must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
        (true, false) => volume.check(errors, names::dns1123_subdomain),
        (false, true) => {}
    }
    let node = spec.child("nodeName");
    if node.require(errors, "") {
        node.check(errors, names::dns1123_subdomain);
    }
}
