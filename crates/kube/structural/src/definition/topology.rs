//! `x-kubernetes-list-type` and `-map-type`: how lists and maps merge, and what their items must be for that.

use std::collections::BTreeSet;

use kinds::Place;
use schema::field::Errors;

/// Checks what a schema says of merging.
pub(super) fn validate(schema: &Place<'_, '_>, errors: &mut Errors) {
    map_type(schema, errors);
    list_type(schema, errors);
}

fn of_type(schema: &Place<'_, '_>, wanted: &str, why: &str, errors: &mut Errors) -> bool {
    let ty = schema.child("type");
    if ty.str() == wanted {
        return true;
    }
    match ty.is_empty() {
        true => ty.required(errors, why),
        false => ty.invalid(errors, why),
    }
    false
}

fn map_type(schema: &Place<'_, '_>, errors: &mut Errors) {
    let ty = schema.child("x-kubernetes-map-type");
    if !ty.exists() {
        return;
    }
    of_type(
        schema,
        "object",
        "must be object if x-kubernetes-map-type is specified",
        errors,
    );
    if !["atomic", "granular"].contains(&ty.str()) {
        ty.not_supported(errors, &["atomic", "granular"]);
    }
}

fn list_type(schema: &Place<'_, '_>, errors: &mut Errors) {
    let ty = schema.child("x-kubernetes-list-type");
    if ty.exists() {
        let array = of_type(
            schema,
            "array",
            "must be array if x-kubernetes-list-type is specified",
            errors,
        );
        if array && ty.str() == "set" {
            set_items(schema, errors);
        }
        if !["atomic", "set", "map"].contains(&ty.str()) {
            ty.not_supported(errors, &["atomic", "set", "map"]);
        }
    }
    let keys = schema.child("x-kubernetes-list-map-keys");
    if !keys.is_empty() && ty.str() != "map" {
        let why = "must be map if x-kubernetes-list-map-keys is non-empty";
        match ty.exists() {
            true => ty.invalid(errors, why),
            false => ty.required(errors, why),
        }
    }
    if ty.str() == "map" {
        map_items(schema, &keys, errors);
    }
    if ["set", "map"].contains(&ty.str()) {
        unique_items(schema, ty.str(), &keys, errors);
    }
}

fn set_items(schema: &Place<'_, '_>, errors: &mut Errors) {
    let items = schema.child("items");
    let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let list = items.child("x-kubernetes-list-type");
    if items.at("type").str() == "array" && list.exists() && list.str() != "atomic" {
        list.invalid(errors, why);
    }
    let map = items.child("x-kubernetes-map-type");
    if items.at("type").str() == "object" && map.str() != "atomic" {
        map.invalid_value(errors, items.at("x-kubernetes-list-type"), why);
    }
}

fn map_items(schema: &Place<'_, '_>, keys: &Place<'_, '_>, errors: &mut Errors) {
    keys.require(errors, "must not be empty if x-kubernetes-list-type is map");
    let items = schema.child("items");
    if !items.exists() {
        return items.required(errors, "must have a schema if x-kubernetes-list-type is map");
    }
    let ty = items.child("type");
    if ty.str() != "object" {
        return ty.invalid_value(
            errors,
            ty.str(),
            "must be object if parent array's x-kubernetes-list-type is map",
        );
    }
    let mut seen = BTreeSet::new();
    let properties = items.child("properties");
    for key in keys.strings() {
        let property = properties.key(key);
        if !property.exists() {
            keys.invalid(errors, "entries must all be names of item properties");
        } else if ["array", "object"].contains(&property.at("type").str()) {
            let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            property.child("type").invalid_value(errors, ty.value(), why);
        }
        if !seen.insert(key) {
            keys.invalid(errors, "must not contain duplicate entries");
        }
    }
}

fn unique_items(schema: &Place<'_, '_>, ty: &str, keys: &Place<'_, '_>, errors: &mut Errors) {
    let items = schema.child("items");
    let nullable = items.child("nullable");
    if nullable.bool() {
        nullable.forbidden(
            errors,
            format!("cannot be nullable when x-kubernetes-list-type is {ty}"),
        );
    }
    let properties = items.child("properties");
    for key in keys.strings().filter(|_| ty == "map") {
        let property = properties.key(key);
        if !property.exists() {
            continue;
        }
        let required = items.at("required").strings().any(|name| name == key);
        let default = property.child("default");
        if !required && !default.exists() {
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required \
                       property";
            default.required(errors, why);
        }
        let nullable = property.child("nullable");
        if nullable.bool() {
            nullable.forbidden(
                errors,
                "this property is in x-kubernetes-list-map-keys, so it cannot be nullable",
            );
        }
    }
}
