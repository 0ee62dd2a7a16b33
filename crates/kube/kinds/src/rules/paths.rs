//! Paths of files that clients name, and the modes of those files.

use schema::field::Errors;

use crate::Place;

/// No part of the path leads upward.
pub fn no_backsteps(place: &Place<'_, '_>, errors: &mut Errors) {
    if place.str().split('/').any(|part| part == "..") {
        place.invalid(errors, "must not contain '..'");
    }
}

/// A path below some other place.
pub fn descending(place: &Place<'_, '_>, errors: &mut Errors) {
    if place.str().starts_with('/') {
        place.invalid(errors, "must be a relative path");
    }
    no_backsteps(place, errors);
}

/// The same; names that start with two dots belong to the kubelet.
pub fn non_reserved(place: &Place<'_, '_>, errors: &mut Errors) {
    descending(place, errors);
    let path = place.str();
    if path.starts_with("..") && !path.starts_with("../") {
        place.invalid(errors, "must not start with '..'");
    }
}

/// A file's permissions.
pub fn mode(place: &Place<'_, '_>, errors: &mut Errors) {
    if !(0..=0o777).contains(&place.int()) {
        place.invalid(
            errors,
            "must be a number between 0 and 0777 (octal), both inclusive",
        );
    }
}
