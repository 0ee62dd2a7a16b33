//! `Ingress`: HTTP from outside, by host and path.

use schema::cursor::Ref;
use schema::field::Errors;

use super::class;
use super::service::{address, hostname};
use crate::internal::bad_value;
use crate::rules::{ip, names, text, value};
use crate::{Generation, PLAIN, Place, Strategy};

const ANNOTATION: &str = "kubernetes.io/ingress.class";
const PATH_TYPES: &[&str] = &["Exact", "ImplementationSpecific", "Prefix"];

pub(super) const STRATEGY: Strategy = Strategy {
    validate_create: |_, ingress, errors| {
        validate(ingress, None, errors);
        class_annotation(ingress, errors);
    },
    validate_update: |_, ingress, old, errors| validate(ingress, Some(old), errors),
    validate_status: |_, ingress, old, errors| status(ingress, old, errors),
    warn: |_, ingress, old| warnings(ingress, old),
    generation: Generation::Spec,
    ..PLAIN
};

fn class_annotation(ingress: Ref<'_>, errors: &mut Errors) {
    let annotation = ingress.path("metadata.annotations").at(ANNOTATION);
    let class = ingress.path("spec.ingressClassName");
    if annotation.exists() && class.exists() && annotation.str() != class.str() {
        let place = Place::root(ingress);
        let annotations = place.named("annotations", ingress.path("metadata.annotations"));
        let detail = "must match `ingressClassName` when both are specified";
        annotations.named(ANNOTATION, annotation).invalid(errors, detail);
    }
}

fn validate(ingress: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let place = Place::root(ingress);
    let spec = place.child("spec");
    let (rules, backend) = (spec.child("rules"), spec.child("defaultBackend"));
    if rules.is_empty() && !backend.exists() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        spec.invalid_value(errors, bad_value(rules.value()), detail);
    }
    if backend.exists() {
        self::backend(&backend, errors);
    }
    rules.each().for_each(|each| rule(&each, errors));
    let secrets_loose = old.is_some_and(has_bad_secret);
    spec.child("tls")
        .each()
        .for_each(|each| tls(&each, secrets_loose, errors));
    let class = spec.child("ingressClassName");
    if class.exists() {
        class.check(errors, names::dns1123_subdomain);
    }
}

fn has_bad_secret(old: Ref<'_>) -> bool {
    let mut names = old.path("spec.tls").items().map(|tls| tls.at("secretName").str());
    names.any(|name| !name.is_empty() && !names::dns1123_subdomain(name).is_empty())
}

fn host(host: &Place<'_, '_>, errors: &mut Errors) {
    let wildcard = host.str().contains('*');
    host.check(
        errors,
        if wildcard {
            text::wildcard_subdomain
        } else {
            names::dns1123_subdomain
        },
    );
}

fn tls(tls: &Place<'_, '_>, loose: bool, errors: &mut Errors) {
    tls.child("hosts").each().for_each(|each| host(&each, errors));
    let secret = tls.child("secretName");
    if !loose && !secret.is_empty() {
        secret.check(errors, names::dns1123_subdomain);
    }
}

fn rule(rule: &Place<'_, '_>, errors: &mut Errors) {
    let name = rule.child("host");
    if !name.is_empty() {
        if ip::parse_sloppy(name.str()).is_some() {
            name.invalid(errors, "must be a DNS name, not an IP address");
        }
        host(&name, errors);
    }
    let http = rule.child("http");
    if http.exists() {
        let paths = http.child("paths");
        paths.require(errors, "");
        paths.each().for_each(|each| path(&each, errors));
    }
}

fn path(path: &Place<'_, '_>, errors: &mut Errors) {
    let (kind, text) = (path.child("pathType"), path.child("path"));
    let absolute = text.str().starts_with('/');
    match kind.text() {
        None => return kind.required(errors, "pathType must be specified"),
        Some("Exact" | "Prefix") => {
            if !absolute {
                text.invalid(errors, "must be an absolute path");
            }
            canonical(&text, errors);
        }
        Some("ImplementationSpecific") if text.is_empty() || absolute => {}
        Some("ImplementationSpecific") => text.invalid(errors, "must be an absolute path"),
        Some(_) => kind.not_supported(errors, PATH_TYPES),
    }
    backend(&path.child("backend"), errors);
}

fn canonical(path: &Place<'_, '_>, errors: &mut Errors) {
    for part in ["//", "/./", "/../", "%2f", "%2F"] {
        if path.str().contains(part) {
            path.invalid(errors, format!("must not contain '{part}'"));
        }
    }
    for end in ["/..", "/."] {
        if path.str().ends_with(end) {
            path.invalid(errors, format!("cannot end with '{end}'"));
        }
    }
}

fn backend(backend: &Place<'_, '_>, errors: &mut Errors) {
    let (resource, service) = (backend.child("resource"), backend.child("service"));
    match (resource.exists(), service.exists()) {
        (true, true) => backend.invalid_value(errors, "", "cannot set both resource and service backends"),
        (true, false) => class::reference(&resource, errors),
        (false, true) => service_backend(backend, &service, errors),
        (false, false) => backend.invalid_value(errors, "", "resource or service backend is required"),
    }
}

fn service_backend(backend: &Place<'_, '_>, service: &Place<'_, '_>, errors: &mut Errors) {
    let name = service.child("name");
    if name.require(errors, "") {
        name.check(errors, names::dns1123_label);
    }
    let port = service.child("port");
    let (name, number) = (port.child("name"), port.child("number"));
    match (!name.is_empty(), number.int() != 0) {
        (true, true) => backend.invalid_value(errors, "", "cannot set both port name & port number"),
        (true, false) => name.check(errors, text::port_name),
        (false, true) => value::port_number(&number, errors),
        (false, false) => backend.required(errors, "port name or number is required"),
    }
}

fn status(ingress: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    const PATH: &str = "status.loadBalancer.ingress";
    let known: Vec<&str> = old
        .path(PATH)
        .items()
        .map(|ingress| ingress.at("ip").str())
        .collect();
    let place = Place::root(ingress);
    for ingress in place.child(PATH).each() {
        address(&ingress, &known, errors);
        hostname(&ingress.child("hostname"), errors);
    }
}

fn warnings(ingress: Ref<'_>, old: Option<Ref<'_>>) -> Vec<String> {
    let annotated = ingress.path("metadata.annotations").at(ANNOTATION).exists();
    let warning = "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead";
    (annotated && old.is_none())
        .then(|| warning.to_owned())
        .into_iter()
        .collect()
}
