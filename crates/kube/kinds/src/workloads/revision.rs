//! `ControllerRevision`: what a controller's template was; it does not change.

use schema::cursor::Ref;
use schema::field::{BadValue, Error, Errors};

use crate::rules::table::Rule::NonNegative;
use crate::rules::value::IMMUTABLE;
use crate::{PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    validate_create: |_, object, errors| validate(object, errors),
    validate_update: |_, new, old, errors| {
        validate(new, errors);
        if new.at("data") != old.at("data") {
            let path = Place::root(new).child("data").path();
            let shown = BadValue::json(&new.at("data").json());
            errors.push(Error::invalid(&path, shown, IMMUTABLE));
        }
    },
    resets: &[],
    ..PLAIN
};

fn validate(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let data = root.child("data");
    if !data.exists() {
        data.required(errors, "data is mandatory");
    }
    NonNegative.check(&root.child("revision"), errors);
}
