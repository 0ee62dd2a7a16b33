//! Validation of containers: names, images, ports, environment, mounts, probes, resources.

use std::collections::BTreeSet;

use schema::field::Errors;

use super::defaults::CONTAINERS;
use crate::Place;
use crate::rules::names::dns1123_label;
use crate::rules::quantity;
use crate::rules::text::port_name;
use crate::rules::value::{non_negative, one_of, port, port_number, required_one_of};
use crate::rules::variable::env_var_name;

/// Every container of the spec, whose volumes have these names.
pub(super) fn all(spec: &Place<'_, '_>, volumes: &BTreeSet<&str>, errors: &mut Errors) {
    if spec.at("containers").is_empty() {
        spec.child("containers").required(errors, "");
    }
    let host_network = spec.at("hostNetwork").bool();
    let mut names = BTreeSet::new();
    for list in ["containers", "ephemeralContainers", "initContainers"] {
        debug_assert!(CONTAINERS.contains(&list));
        for container in spec.child(list).each() {
            one(&container, volumes, host_network, errors);
            let name = container.child("name");
            if !name.is_empty() && !names.insert(name.str()) {
                name.duplicate(errors);
            }
        }
    }
}

fn one(container: &Place<'_, '_>, volumes: &BTreeSet<&str>, host_network: bool, errors: &mut Errors) {
    let name = container.child("name");
    if name.require(errors, "") {
        name.check(errors, dns1123_label);
    }
    let image = container.child("image");
    if image.require(errors, "") && image.str().trim() != image.str() {
        image.invalid(errors, "must not have leading or trailing whitespace");
    }
    ports(&container.child("ports"), host_network, errors);
    container
        .child("env")
        .each()
        .for_each(|env| variable(&env, errors));
    mounts(&container.child("volumeMounts"), volumes, errors);
    required_one_of(
        &container.child("imagePullPolicy"),
        errors,
        &["Always", "IfNotPresent", "Never"],
    );
    quantity::requirements(&container.child("resources"), errors);
    for (name, fixed) in [
        ("livenessProbe", true),
        ("readinessProbe", false),
        ("startupProbe", true),
    ] {
        let place = container.child(name);
        if place.exists() {
            probe(&place, fixed, errors);
        }
    }
}

fn ports(ports: &Place<'_, '_>, host_network: bool, errors: &mut Errors) {
    let mut names = BTreeSet::new();
    for each in ports.each() {
        let name = each.child("name");
        if !name.is_empty() {
            name.check(errors, port_name);
            if !names.insert(name.str()) {
                name.duplicate(errors);
            }
        }
        let (inner, outer) = (each.child("containerPort"), each.child("hostPort"));
        match inner.int() {
            0 => inner.required(errors, ""),
            _ => port_number(&inner, errors),
        }
        if outer.int() != 0 {
            port_number(&outer, errors);
        }
        if host_network && outer.int() != inner.int() {
            inner.invalid_value(
                errors,
                inner.int(),
                "must match `hostPort` when `hostNetwork` is true",
            );
        }
        required_one_of(&each.child("protocol"), errors, &["SCTP", "TCP", "UDP"]);
    }
}

const SOURCES: [&str; 5] = [
    "fieldRef",
    "resourceFieldRef",
    "configMapKeyRef",
    "secretKeyRef",
    "fileKeyRef",
];

fn variable(env: &Place<'_, '_>, errors: &mut Errors) {
    let name = env.child("name");
    if name.require(errors, "") {
        name.check(errors, env_var_name);
    }
    let from = env.child("valueFrom");
    if !from.exists() {
        return;
    }
    let sources = SOURCES.iter().filter(|name| from.at(name).exists()).count();
    if sources == 0 {
        from.invalid_value(
            errors,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
        );
    }
    if !env.at("value").is_empty() && sources > 0 {
        from.invalid_value(errors, "", "may not be specified when `value` is not empty");
    }
    if sources > 1 {
        from.invalid_value(errors, "", "may not have more than one field specified at a time");
    }
}

fn mounts(mounts: &Place<'_, '_>, volumes: &BTreeSet<&str>, errors: &mut Errors) {
    let mut paths = BTreeSet::new();
    for mount in mounts.each() {
        let (name, path) = (mount.child("name"), mount.child("mountPath"));
        if name.require(errors, "") && !volumes.contains(name.str()) {
            name.not_found(errors);
        }
        path.require(errors, "");
        if !paths.insert(path.str()) {
            path.invalid(errors, "must be unique");
        }
    }
}

const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];

fn probe(probe: &Place<'_, '_>, fixed: bool, errors: &mut Errors) {
    let mut handlers = HANDLERS.iter().filter(|name| probe.at(name).exists());
    if handlers.next().is_none() {
        probe.required(errors, "must specify a handler type");
    }
    for another in handlers {
        probe
            .child(another)
            .forbidden(errors, "may not specify more than 1 handler type");
    }
    let get = probe.child("httpGet");
    if get.exists() {
        get.child("path").require(errors, "");
        port(&get.child("port"), errors);
        one_of(&get.child("scheme"), errors, &["HTTP", "HTTPS"]);
    }
    let socket = probe.child("tcpSocket");
    if socket.exists() {
        port(&socket.child("port"), errors);
    }
    for name in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        non_negative(&probe.child(name), errors);
    }
    let successes = probe.child("successThreshold");
    if fixed && successes.int() != 1 {
        successes.invalid_value(errors, successes.int(), "must be 1");
    }
}
