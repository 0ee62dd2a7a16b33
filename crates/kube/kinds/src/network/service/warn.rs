//! What a client is told about a Service that is valid but means less than it says.

use schema::cursor::Ref;

use super::shape;
use crate::Place;
use crate::rules::ip;

const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const MODE: &str = "service.kubernetes.io/topology-mode";

pub(super) fn warnings(service: Ref<'_>, _old: Option<Ref<'_>>) -> Vec<String> {
    let mut warnings = Vec::new();
    if service.path("metadata.annotations").at(HINTS).exists() {
        warnings.push(format!(
            "annotation {HINTS} is deprecated, please use {MODE} instead"
        ));
    }
    headless(service, &mut warnings);
    spellings(service, &mut warnings);
    warnings
}

fn headless(service: Ref<'_>, warnings: &mut Vec<String>) {
    let spec = service.at("spec");
    let ignored = [
        (!spec.at("loadBalancerIP").is_empty(), "spec.loadBalancerIP"),
        (!spec.at("externalIPs").is_empty(), "spec.externalIPs"),
        (spec.at("sessionAffinity").str() != "None", "spec.SessionAffinity"),
    ];
    let ignored = ignored
        .into_iter()
        .filter(|(set, _)| *set && shape::is_headless(service));
    warnings.extend(ignored.map(|(_, field)| format!("{field} is ignored for headless services")));
}

fn spellings(service: Ref<'_>, warnings: &mut Vec<String>) {
    let place = Place::root(service);
    let spec = place.child("spec");
    if !shape::is_headless(service) && !shape::is_external_name(service) {
        warnings.extend(
            spec.child("clusterIPs")
                .each()
                .filter_map(|address| ip::ip_warning(&address)),
        );
    }
    warnings.extend(
        spec.child("externalIPs")
            .each()
            .filter_map(|address| ip::ip_warning(&address)),
    );
    let balancer = spec.child("loadBalancerIP");
    warnings.extend(ip::ip_warning(&balancer).filter(|_| !balancer.is_empty()));
    let ranges = spec.child("loadBalancerSourceRanges");
    warnings.extend(ranges.each().filter_map(|range| ip::cidr_warning(&range)));
}
