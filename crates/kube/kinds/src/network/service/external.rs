//! How a Service is reached from outside, and where its traffic may go.

use schema::cursor::Ref;
use schema::field::Errors;

use super::shape;
use crate::Place;
use crate::rules::{ip, text, value};

const ONLY_BALANCER: &str = "may only be used when `type` is 'LoadBalancer'";
const RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const POLICIES: &[&str] = &["Cluster", "Local"];
const DISTRIBUTIONS: &[&str] = &["PreferClose", "PreferSameZone", "PreferSameNode"];

/// What a new version may not change of the old one.
pub(super) fn update(service: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let spec = service.child("spec");
    let both = |needs: fn(Ref<'_>) -> bool| needs(service.value()) && needs(old);
    let class = spec.child("loadBalancerClass");
    if both(shape::is_load_balancer) && class.value() != old.path("spec.loadBalancerClass") {
        class.invalid(errors, "may not change once set");
    }
    let port = spec.child("healthCheckNodePort");
    if both(shape::needs_health_check) && port.int() != old.path("spec.healthCheckNodePort").int() {
        port.forbidden(errors, "field is immutable");
    }
}

pub(super) fn validate(service: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let balanced = shape::is_load_balancer(service.value());
    let spec = service.child("spec");
    source_ranges(service, balanced, old, errors);
    let node_ports = spec.child("allocateLoadBalancerNodePorts");
    match (node_ports.exists(), balanced) {
        (true, false) => node_ports.forbidden(errors, ONLY_BALANCER),
        (false, true) => service
            .child("allocateLoadBalancerNodePorts")
            .required(errors, ""),
        _ => {}
    }
    let class = spec.child("loadBalancerClass");
    match class.exists() {
        true if balanced => class.check(errors, text::qualified_name),
        true => class.forbidden(errors, ONLY_BALANCER),
        false => {}
    }
    external_policy(service, errors);
    internal_policy(service, errors);
    value::optional_one_of(&spec.child("trafficDistribution"), errors, DISTRIBUTIONS);
}

fn source_ranges(service: &Place<'_, '_>, balanced: bool, old: Option<Ref<'_>>, errors: &mut Errors) {
    let ranges = service.value().path("spec.loadBalancerSourceRanges");
    let spec = service.child("spec");
    let metadata = service.child("metadata");
    let annotations = metadata.child("annotations");
    let annotation = annotations.key(RANGES);
    if !ranges.is_empty() {
        // Upstream names the Go field here.
        let field = spec.named("LoadBalancerSourceRanges", ranges);
        if !balanced {
            field.forbidden(errors, ONLY_BALANCER);
        }
        let known: Vec<&str> = old
            .map(|old| {
                old.path("spec.loadBalancerSourceRanges")
                    .strings()
                    .map(str::trim)
                    .collect()
            })
            .unwrap_or_default();
        for range in field.each().filter(|range| !known.contains(&range.str().trim())) {
            ip::cidr_text(&range, range.str().trim(), errors);
        }
    } else if annotation.exists() {
        if !balanced {
            annotation.forbidden(errors, ONLY_BALANCER);
        }
        let was = old.map(|old| old.path("metadata.annotations").at(RANGES));
        let asked = was != Some(annotation.value()) && !annotation.str().trim().is_empty();
        let listed = annotation.str().trim().split(',').filter(|_| asked);
        for range in listed {
            ip::cidr_text(&annotation, range.trim(), errors);
        }
    }
}

fn external_policy(service: &Place<'_, '_>, errors: &mut Errors) {
    let spec = service.child("spec");
    let policy = spec.child("externalTrafficPolicy");
    if shape::is_external(service.value()) {
        value::required_one_of(&policy, errors, POLICIES);
    } else if !policy.is_empty() {
        policy.invalid(errors, "may only be set for externally-accessible services");
    }
    let port = spec.child("healthCheckNodePort");
    match (shape::needs_health_check(service.value()), port.int()) {
        (false, 0) => {}
        (false, _) => port.invalid(
            errors,
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ),
        (true, 0) => port.required(errors, ""),
        (true, _) => value::port_number(&port, errors),
    }
}

fn internal_policy(service: &Place<'_, '_>, errors: &mut Errors) {
    let spec = service.child("spec");
    let policy = spec.child("internalTrafficPolicy");
    let needed = matches!(
        shape::kind(service.value()),
        "NodePort" | "LoadBalancer" | "ClusterIP"
    );
    if needed && !policy.exists() {
        policy.required(errors, "");
    }
    value::optional_one_of(&policy, errors, POLICIES);
}
