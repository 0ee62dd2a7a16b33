//! `EndpointSlice`: where a Service's traffic goes (KEP-752).

use std::collections::BTreeSet;

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::service::PROTOCOLS;
use crate::rules::{ip, names, text, value};
use crate::{Generation, PLAIN, Place, Strategy};

const TYPES: &[&str] = &["FQDN", "IPv4", "IPv6"];
/// Most endpoints, and most ports, of a slice; most addresses of an endpoint.
const MAX: [(&str, usize); 2] = [("endpoints", 1000), ("ports", 20_000)];
const MAX_ADDRESSES: usize = 100;
const MAX_HINTS: usize = 8;

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    validate_create: |_, slice, errors| validate(slice, errors),
    validate_update: |_, slice, old, errors| {
        validate(slice, errors);
        value::immutable(
            &Place::root(slice).child("addressType"),
            old.at("addressType"),
            errors,
        );
    },
    generation: Generation::Content,
    resets: &[],
    ..PLAIN
};

fn default(types: &Types, slice: &mut Struct) {
    cursor::each_mut(types, slice, "ports", |port| {
        cursor::set_default(types, port, "name", Value::str(""));
        cursor::set_default(types, port, "protocol", Value::str("TCP"));
    });
}

fn validate(slice: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(slice);
    value::required_one_of(&place.child("addressType"), errors, TYPES);
    for (name, max) in MAX {
        let list = place.child(name);
        match (list.len() > max, name) {
            (true, _) => list.too_many(errors, max),
            (_, "ports") => ports(&list, errors),
            _ => list
                .each()
                .for_each(|each| endpoint(&each, slice.at("addressType").str(), errors)),
        }
    }
}

fn endpoint(endpoint: &Place<'_, '_>, kind: &str, errors: &mut Errors) {
    let addresses = endpoint.child("addresses");
    match addresses.len() {
        0 => addresses.required(errors, "must contain at least 1 address"),
        1..=MAX_ADDRESSES => {}
        _ => addresses.too_many(errors, MAX_ADDRESSES),
    }
    addresses.each().for_each(|each| address(&each, kind, errors));
    let node = endpoint.child("nodeName");
    if node.exists() {
        node.check(errors, names::dns1123_subdomain);
    }
    value::labels(&endpoint.child("deprecatedTopology"), errors);
    let hostname = endpoint.child("hostname");
    if hostname.exists() {
        hostname.check(errors, names::dns1123_label);
    }
    let hints = endpoint.child("hints");
    for (list, rule) in [
        ("forZones", text::label_value as fn(&str) -> Vec<String>),
        ("forNodes", names::dns1123_subdomain),
    ] {
        let list = hints.child(list);
        if list.len() > MAX_HINTS {
            list.too_many(errors, MAX_HINTS);
        } else {
            named_once(&list, rule, errors);
        }
    }
}

fn named_once(list: &Place<'_, '_>, rule: fn(&str) -> Vec<String>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for item in list.each() {
        let name = item.child("name");
        name.check(errors, rule);
        if !seen.insert(name.str()) {
            name.duplicate(errors);
        }
    }
}

fn address(address: &Place<'_, '_>, kind: &str, errors: &mut Errors) {
    let parsed = ip::parse_sloppy(address.str());
    let wrong = match (kind, parsed.map(|parsed| parsed.is_ipv4())) {
        ("IPv4", Some(true)) | ("IPv6", Some(false)) => None,
        ("IPv4", _) => Some("must be a valid IPv4 address"),
        ("IPv6", _) => Some("must be a valid IPv6 address"),
        ("FQDN", _) => return domain(address, errors),
        _ => return,
    };
    if let Some(wrong) = wrong {
        address.invalid(errors, wrong);
    }
    ip::non_special_ip(address, errors);
}

fn domain(address: &Place<'_, '_>, errors: &mut Errors) {
    let name = address.str().strip_suffix('.').unwrap_or(address.str());
    if address.str().is_empty() {
        return address.required(errors, "");
    }
    let wrong = names::dns1123_subdomain(name);
    if !wrong.is_empty() {
        address.invalid_value(errors, name, wrong.join(","));
    } else if !name.contains('.') {
        address.invalid_value(
            errors,
            name,
            "should be a domain with at least two segments separated by dots",
        );
    }
}

fn ports(ports: &Place<'_, '_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for port in ports.each() {
        let name = port.child("name");
        if !name.is_empty() {
            name.check(errors, names::dns1123_label);
        }
        if !seen.insert(name.str()) {
            name.duplicate(errors);
        }
        let protocol = port.child("protocol");
        match protocol.exists() {
            true => value::one_of(&protocol, errors, PROTOCOLS),
            false => protocol.required(errors, ""),
        }
        let app = port.child("appProtocol");
        if app.exists() {
            app.check(errors, text::qualified_name);
        }
    }
}
