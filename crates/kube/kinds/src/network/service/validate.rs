//! A Service's rules: `ValidateService`, `ValidateServiceUpdate`.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::Errors;
use schema::tree::{Struct, Value};

use super::{cluster_ips, external, shape};
use crate::Place;
use crate::rules::{ip, names, text, value};

pub(crate) const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const MODE: &str = "service.kubernetes.io/topology-mode";
/// From a day to a second.
const AFFINITY: (i64, i64) = (1, 86_400);

pub(super) fn update(service: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(service);
    cluster_ips::validate_update(&place, old, errors);
    external::update(&place, old, errors);
    self::service(service, Some(old), errors);
}

pub(super) fn service(service: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let place = &Place::root(service);
    let spec = &place.child("spec");
    topology(place, errors);
    let portless = shape::is_headless(service) || shape::is_external_name(service);
    if !portless {
        spec.child("ports").require(errors, "");
    }
    by_type(place, errors);
    ports(&spec.child("ports"), errors);
    value::labels(&spec.child("selector"), errors);
    affinity(spec, errors);
    cluster_ips::validate(place, old, errors);
    external_ips(spec, old, errors);
    value::required_one_of(&spec.child("type"), errors, TYPES);
    port_numbers(place, errors);
    external::validate(place, old, errors);
}

fn topology(service: &Place<'_, '_>, errors: &mut Errors) {
    let metadata = service.child("metadata");
    let annotations = metadata.child("annotations");
    let (mode, hints) = (annotations.key(MODE), annotations.at(HINTS));
    if mode.exists() && hints.exists() && mode.str() != hints.str() {
        mode.invalid(
            errors,
            format!("must match annotations[{HINTS}] when both are specified"),
        );
    }
}

fn by_type(service: &Place<'_, '_>, errors: &mut Errors) {
    let spec = service.child("spec");
    match shape::kind(service.value()) {
        "ExternalName" => external_name(&spec, errors),
        kind @ ("LoadBalancer" | "NodePort") if shape::is_headless(service.value()) => {
            let ips = spec.child("clusterIPs");
            let first = ips.each().next();
            let detail = format!("may not be set to 'None' for {kind} services");
            first
                .into_iter()
                .for_each(|first| first.invalid(errors, detail.clone()));
        }
        _ => {}
    }
}

fn external_name(spec: &Place<'_, '_>, errors: &mut Errors) {
    for name in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let field = spec.child(name);
        if !field.is_empty() {
            field.forbidden(errors, "may not be set for ExternalName services");
        }
    }
    let name = spec.child("externalName");
    let relative = name.str().strip_suffix('.').unwrap_or(name.str());
    if relative.is_empty() {
        return name.required(errors, "");
    }
    for text in names::dns1123_subdomain(relative) {
        name.invalid_value(errors, relative, text);
    }
}

fn ports(ports: &Place<'_, '_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    let several = ports.len() > 1;
    for port in ports.each() {
        let name = port.child("name");
        if !name.is_empty() {
            name.check(errors, names::dns1123_label);
            if !seen.insert(name.str()) {
                name.duplicate(errors);
            }
        } else if several {
            name.required(errors, "");
        }
        value::port_number(&port.child("port"), errors);
        value::required_one_of(&port.child("protocol"), errors, PROTOCOLS);
        value::port(&port.child("targetPort"), errors);
        let app = port.child("appProtocol");
        if app.exists() {
            app.check(errors, text::qualified_name);
        }
    }
}

fn affinity(spec: &Place<'_, '_>, errors: &mut Errors) {
    let affinity = spec.child("sessionAffinity");
    value::required_one_of(&affinity, errors, &["ClientIP", "None"]);
    let config = spec.child("sessionAffinityConfig");
    match affinity.str() {
        "ClientIP" => client_ip(&config, errors),
        "None" if config.exists() => {
            config.forbidden(errors, "must not be set when session affinity is None");
        }
        _ => {}
    }
}

fn client_ip(config: &Place<'_, '_>, errors: &mut Errors) {
    let client = config.child("clientIP");
    let timeout = client.child("timeoutSeconds");
    if !config.exists() {
        config.required(errors, "when session affinity type is ClientIP");
    } else if !client.exists() {
        client.required(errors, "when session affinity type is ClientIP");
    } else if !timeout.exists() {
        timeout.required(errors, "when session affinity type is ClientIP");
    } else if !(AFFINITY.0..=AFFINITY.1).contains(&timeout.int()) {
        timeout.invalid(
            errors,
            format!("must be greater than 0 and less than {}", AFFINITY.1),
        );
    }
}

fn external_ips(spec: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let known: Vec<&str> = old
        .map(|old| old.path("spec.externalIPs").strings().collect())
        .unwrap_or_default();
    for address in spec.child("externalIPs").each() {
        let before = errors.len();
        ip::ip_for_legacy_field(&address, errors, &known);
        if errors.len() == before {
            ip::non_special_ip(&address, errors);
        }
    }
}

/// Node ports where there are none, and numbers that stand twice.
fn port_numbers(service: &Place<'_, '_>, errors: &mut Errors) {
    let spec = service.child("spec");
    let ports = &spec.child("ports");
    if shape::kind(service.value()) == "ClusterIP" {
        for port in ports.each().filter(|port| port.at("nodePort").int() != 0) {
            let node_port = port.child("nodePort");
            node_port.forbidden(errors, "may not be used when `type` is 'ClusterIP'");
        }
    }
    let mut seen = BTreeSet::new();
    for port in ports.each().filter(|port| port.at("nodePort").int() != 0) {
        if !seen.insert((port.at("protocol").str(), port.at("nodePort").int())) {
            port.child("nodePort").duplicate(errors);
        }
    }
    let mut seen = BTreeSet::new();
    for port in ports.each() {
        if !seen.insert((port.at("protocol").str(), port.at("port").int())) {
            let pair = pair(port.value());
            let shown = pair.as_ref().map(|pair| Ref::new(service.types(), pair));
            port.holding(shown.unwrap_or(port.value())).duplicate(errors);
        }
    }
}

/// Protocol and number of a port, which is what must stand once.
fn pair(port: Ref<'_>) -> Option<Struct> {
    let mut pair = Struct::new(port.object()?.ty);
    for name in ["protocol", "port"] {
        let value = port.at(name).value().cloned();
        schema::cursor::set(port.types(), &mut pair, name, value.unwrap_or(Value::Int(0)));
    }
    Some(pair)
}
