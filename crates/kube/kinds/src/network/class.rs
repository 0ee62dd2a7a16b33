//! `IngressClass`: which controller serves an Ingress.

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::rules::{names, value};
use crate::{Generation, PLAIN, Place, Strategy};

const MAX_CONTROLLER: usize = 250;

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    validate_create: |_, class, errors| validate(class, errors),
    validate_update: |_, class, old, errors| {
        let place = Place::root(class);
        value::immutable(
            &place.child("spec").child("controller"),
            old.path("spec.controller"),
            errors,
        );
        validate(class, errors);
    },
    generation: Generation::Spec,
    resets: &[],
    ..PLAIN
};

fn default(types: &Types, class: &mut Struct) {
    if Ref::new(types, class).path("spec.parameters").exists() {
        cursor::set_default(types, class, "spec.parameters.scope", Value::str("Cluster"));
    }
}

fn validate(class: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(class);
    let spec = place.child("spec");
    let controller = spec.child("controller");
    if controller.require(errors, "") {
        if controller.len() > MAX_CONTROLLER {
            controller.too_long(errors, MAX_CONTROLLER);
        }
        domain_prefixed(&controller, errors);
    }
    let parameters = spec.child("parameters");
    if parameters.exists() {
        reference(&parameters, errors);
        scope(&parameters, errors);
    }
}

/// `acme.io/foo`
fn domain_prefixed(place: &Place<'_, '_>, errors: &mut Errors) {
    const PATH: &str = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+";
    let parts = place
        .str()
        .split_once('/')
        .filter(|(host, path)| !host.is_empty() && !path.is_empty());
    let Some((host, path)) = parts else {
        return place.invalid(errors, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    };
    for text in names::dns1123_subdomain(host) {
        place.invalid_value(errors, host, text);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    if !path.bytes().all(allowed) {
        place.invalid_value(errors, path, names::mismatch("Invalid path", PATH, &[]));
    }
}

/// A reference to an object by group, kind and name.
pub(super) fn reference(reference: &Place<'_, '_>, errors: &mut Errors) {
    let group = reference.child("apiGroup");
    if group.exists() {
        group.check(errors, names::dns1123_subdomain);
    }
    for name in ["kind", "name"].map(|name| reference.child(name)) {
        if name.require(errors, "") {
            name.check(errors, names::path_segment);
        }
    }
}

fn scope(parameters: &Place<'_, '_>, errors: &mut Errors) {
    let (scope, namespace) = (parameters.child("scope"), parameters.child("namespace"));
    match (scope.text(), namespace.exists()) {
        (None, _) => scope.required(errors, ""),
        (Some("Namespace"), false) => namespace.required(errors, "`parameters.scope` is set to 'Namespace'"),
        (Some("Namespace"), true) => namespace.check(errors, names::dns1123_label),
        (Some("Cluster"), true) => namespace.forbidden(errors, "`parameters.scope` is set to 'Cluster'"),
        (Some("Cluster"), false) => {}
        _ => scope.not_supported(errors, &["Cluster", "Namespace"]),
    }
}
