//! `ConfigMap`: text and bytes by key.

use schema::cursor::Ref;
use schema::field::Errors;

use super::{MAX_BYTES, immutable, keys};
use crate::{PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    validate_create: |_, map, errors| validate(map, errors),
    validate_update: |_, map, old, errors| {
        immutable(map, old, &["data", "binaryData"], errors);
        validate(map, errors);
    },
    resets: &[],
    ..PLAIN
};

fn validate(map: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(map);
    let (data, binary) = (place.child("data"), place.child("binaryData"));
    let mut size = keys(&data, errors);
    for (key, entry) in data.each_entry().filter(|(key, _)| binary.at(key).exists()) {
        entry.invalid_value(errors, key, "duplicate of key present in binaryData");
    }
    size += keys(&binary, errors);
    if size > MAX_BYTES {
        // Upstream's path of the whole object is the empty name, which it prints like this.
        place.child("[]").too_long(errors, MAX_BYTES);
    }
}
