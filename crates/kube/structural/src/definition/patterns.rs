//! How large all patterns of a definition are together. Each is compiled once, by the first object that has its field; so
//! that nobody fills the server's memory with them, their sum is bounded (upstream needs no bound: Go compiles a class of
//! Unicode to one instruction).

use kinds::Place;
use schema::cursor::Ref;
use schema::field::Errors;

/// What they may weigh ([`regexp::weight`]), about 60 MB.
const HEAVIEST: u64 = 2_000_000;

/// Checks the patterns of all versions.
pub(super) fn validate(spec: &Place<'_, '_>, errors: &mut Errors) {
    let mut total = 0;
    walk(spec.value().path("validation.openAPIV3Schema"), &mut total);
    for version in spec.value().at("versions").items() {
        walk(version.path("schema.openAPIV3Schema"), &mut total);
    }
    if total > HEAVIEST {
        let why = format!("the patterns of its schemas are too large together: at most {HEAVIEST} states");
        spec.child("versions").forbidden(errors, why);
    }
}

fn walk(schema: Ref<'_>, total: &mut u64) {
    if *total > HEAVIEST || schema.object().is_none() {
        return;
    }
    // What is no expression is told elsewhere.
    *total += regexp::weight(schema.at("pattern").str()).unwrap_or_default();
    for (_, property) in schema.at("properties").entries() {
        walk(property, total);
    }
    for one in ["items", "additionalProperties", "not"] {
        walk(schema.at(one), total);
    }
    for several in ["allOf", "anyOf", "oneOf"] {
        schema.at(several).items().for_each(|each| walk(each, total));
    }
}
