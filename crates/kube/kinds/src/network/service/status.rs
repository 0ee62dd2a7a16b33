//! A Service's status: the addresses that a load balancer answers at.

use schema::cursor::Ref;
use schema::field::Errors;

use super::shape;
use crate::Place;
use crate::rules::{ip, names, value};

pub(super) fn validate(service: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(service);
    let status = place.child("status");
    let balancer = status.child("loadBalancer");
    let ingresses = balancer.child("ingress");
    if !shape::is_load_balancer(service) && !ingresses.is_empty() {
        return ingresses.forbidden(errors, "may only be used when `spec.type` is 'LoadBalancer'");
    }
    let old = old.path("status.loadBalancer.ingress").items();
    let known: Vec<&str> = old.map(|ingress| ingress.at("ip").str()).collect();
    for ingress in ingresses.each() {
        address(&ingress, &known, errors);
        mode(&ingress, errors);
        hostname(&ingress.child("hostname"), errors);
    }
}

/// The address of an ingress, if it has one.
pub(crate) fn address(ingress: &Place<'_, '_>, known: &[&str], errors: &mut Errors) {
    let address = ingress.child("ip");
    if !address.is_empty() {
        ip::ip_for_legacy_field(&address, errors, known);
    }
}

fn mode(ingress: &Place<'_, '_>, errors: &mut Errors) {
    let mode = ingress.child("ipMode");
    match (ingress.at("ip").is_empty(), mode.exists()) {
        (false, false) => mode.required(errors, "must be specified when `ip` is set"),
        (false, true) => value::one_of(&mode, errors, &["Proxy", "VIP"]),
        (true, true) => mode.forbidden(errors, "may not be specified when `ip` is not set"),
        (true, false) => {}
    }
}

/// The name of an ingress, if it has one.
pub(crate) fn hostname(hostname: &Place<'_, '_>, errors: &mut Errors) {
    if hostname.is_empty() {
        return;
    }
    hostname.check(errors, names::dns1123_subdomain);
    if ip::parse_sloppy(hostname.str()).is_some() {
        hostname.invalid(errors, "must be a DNS name, not an IP address");
    }
}
