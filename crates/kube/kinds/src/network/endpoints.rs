//! `Endpoints`: where a Service's traffic went before slices.

use schema::cursor::{Ref, each_mut, set_default};
use schema::field::Errors;
use schema::tree::Value;

use super::service::PROTOCOLS;
use crate::rules::{ip, names, text, value};
use crate::{PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default: |types, endpoints| {
        each_mut(types, endpoints, "subsets", |subset| {
            each_mut(types, subset, "ports", |port| {
                set_default(types, port, "protocol", Value::str("TCP"));
            });
        });
    },
    validate_create: |_, endpoints, errors| validate(endpoints, None, errors),
    validate_update: |_, endpoints, old, errors| validate(endpoints, Some(old), errors),
    warn: |_, endpoints, _| spellings(endpoints),
    create_on_update: true,
    resets: &[],
    ..PLAIN
};

const LISTS: [&str; 2] = ["addresses", "notReadyAddresses"];

fn validate(endpoints: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let known = old.map(known).unwrap_or_default();
    let place = Place::root(endpoints);
    for subset in place.child("subsets").each() {
        let lists = LISTS.map(|name| subset.child(name));
        if lists.iter().all(|list| list.is_empty()) {
            subset.required(errors, "must specify `addresses` or `notReadyAddresses`");
        }
        for list in &lists {
            list.each().for_each(|each| address(&each, &known, errors));
        }
        let ports = subset.child("ports");
        ports.each().for_each(|each| port(&each, ports.len() > 1, errors));
    }
}

fn known(old: Ref<'_>) -> Vec<&str> {
    let subsets = old.at("subsets").items();
    let lists = subsets.flat_map(|subset| LISTS.map(|name| subset.at(name)));
    lists
        .flat_map(Ref::items)
        .map(|address| address.at("ip").str())
        .collect()
}

fn address(address: &Place<'_, '_>, known: &[&str], errors: &mut Errors) {
    let ip = address.child("ip");
    ip::ip_for_legacy_field(&ip, errors, known);
    let hostname = address.child("hostname");
    if !hostname.is_empty() {
        hostname.check(errors, names::dns1123_label);
    }
    let node = address.child("nodeName");
    if node.exists() {
        node.check(errors, names::dns1123_subdomain);
    }
    ip::non_special_ip(&ip, errors);
}

fn port(port: &Place<'_, '_>, several: bool, errors: &mut Errors) {
    let name = port.child("name");
    match name.is_empty() {
        true if several => name.required(errors, ""),
        true => {}
        false => name.check(errors, names::dns1123_label),
    }
    value::port_number(&port.child("port"), errors);
    value::required_one_of(&port.child("protocol"), errors, PROTOCOLS);
    let app = port.child("appProtocol");
    if app.exists() {
        app.check(errors, text::qualified_name);
    }
}

fn spellings(endpoints: Ref<'_>) -> Vec<String> {
    let place = Place::root(endpoints);
    let mut warnings = Vec::new();
    for subset in place.child("subsets").each() {
        for list in LISTS.map(|name| subset.child(name)) {
            warnings.extend(list.each().filter_map(|each| ip::ip_warning(&each.child("ip"))));
        }
    }
    warnings
}
