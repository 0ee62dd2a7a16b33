//! `NetworkPolicy`: which traffic pods may have.

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::rules::{ip, text, value};
use crate::{Generation, PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    validate_create: |_, policy, errors| validate(policy, None, errors),
    validate_update: |_, policy, old, errors| validate(policy, Some(old), errors),
    generation: Generation::Spec,
    resets: &[],
    ..PLAIN
};

/// Both directions, the list of rules, and the list of peers of a rule.
const DIRECTIONS: [(&str, &str); 2] = [("ingress", "from"), ("egress", "to")];
const TYPES: &[&str] = &["Ingress", "Egress"];

fn default(types: &Types, policy: &mut Struct) {
    for (rules, _) in DIRECTIONS {
        cursor::each_mut(types, policy, &format!("spec.{rules}"), |rule| {
            cursor::each_mut(types, rule, "ports", |port| {
                cursor::set_default(types, port, "protocol", Value::str("TCP"));
            });
        });
    }
    let spec = Ref::new(types, policy).at("spec");
    if !spec.at("policyTypes").exists() {
        let count = if spec.at("egress").is_empty() { 1 } else { 2 };
        let both = TYPES[..count].iter().map(|name| Value::str(name)).collect();
        cursor::set(types, policy, "spec.policyTypes", Value::List(both));
    }
}

fn validate(policy: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let known = old.map(ranges).unwrap_or_default();
    let place = Place::root(policy);
    let spec = place.child("spec");
    value::label_selector(&spec.child("podSelector"), errors);
    for (rules, peers) in DIRECTIONS {
        for rule in spec.child(rules).each() {
            rule.child("ports").each().for_each(|each| port(&each, errors));
            rule.child(peers)
                .each()
                .for_each(|each| peer(&each, &known, errors));
        }
    }
    let kinds = spec.child("policyTypes");
    if kinds.len() > TYPES.len() {
        return kinds.invalid(errors, "may not specify more than two policyTypes");
    }
    kinds.each().for_each(|each| value::one_of(&each, errors, TYPES));
}

/// The ranges that a policy has: an update does not question them.
fn ranges(policy: Ref<'_>) -> Vec<&str> {
    let peers = DIRECTIONS.into_iter().flat_map(|(rules, peers)| {
        let rules = policy.at("spec").at(rules).items();
        rules.flat_map(move |rule| rule.at(peers).items())
    });
    let blocks = peers.map(|peer| peer.at("ipBlock"));
    blocks
        .flat_map(|block| std::iter::once(block.at("cidr").str()).chain(block.at("except").strings()))
        .collect()
}

fn port(port: &Place<'_, '_>, errors: &mut Errors) {
    value::optional_one_of(&port.child("protocol"), errors, &["TCP", "UDP", "SCTP"]);
    let (number, end) = (port.child("port"), port.child("endPort"));
    if number.integer().is_some() {
        value::port_number(&number, errors);
        if end.exists() {
            if end.int() < number.int() {
                end.invalid(errors, "must be greater than or equal to `port`");
            }
            value::port_number(&end, errors);
        }
        return;
    }
    let without = if number.exists() {
        "non-numeric"
    } else {
        "not specified"
    };
    if end.exists() {
        end.invalid(errors, format!("may not be specified when `port` is {without}"));
    }
    if number.exists() {
        number.check(errors, text::port_name);
    }
}

fn peer(peer: &Place<'_, '_>, known: &[&str], errors: &mut Errors) {
    let block = peer.child("ipBlock");
    let selectors = ["podSelector", "namespaceSelector"].map(|name| peer.child(name));
    selectors
        .iter()
        .for_each(|selector| value::label_selector(selector, errors));
    if block.exists() {
        ip_block(&block, known, errors);
    }
    match (selectors.iter().any(|selector| selector.exists()), block.exists()) {
        (false, false) => peer.required(errors, "must specify a peer"),
        (true, true) => peer.forbidden(errors, "may not specify both ipBlock and another peer"),
        _ => {}
    }
}

fn ip_block(block: &Place<'_, '_>, known: &[&str], errors: &mut Errors) {
    let cidr = block.child("cidr");
    if !cidr.require(errors, "") {
        return;
    }
    ip::cidr_for_legacy_field(&cidr, errors, known);
    let Some((base, prefix)) = ip::parse_cidr_sloppy(cidr.str()) else {
        return;
    };
    for except in block.child("except").each() {
        ip::cidr_for_legacy_field(&except, errors, known);
        let inside = ip::parse_cidr_sloppy(except.str()).map(|(address, length)| {
            let same = address.is_ipv4() == base.is_ipv4();
            same && length > prefix && ip::masked(address, prefix) == ip::masked(base, prefix)
        });
        if inside == Some(false) {
            except.invalid(errors, "must be a strict subset of `cidr`");
        }
    }
}
