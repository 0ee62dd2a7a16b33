//! Services and what carries their traffic.

mod class;
mod endpoint_slice;
mod endpoints;
mod ingress;
mod ip_address;
mod policy;
pub(crate) mod service;
mod service_cidr;

use crate::Row;

const NETWORKING: &str = "networking.k8s.io";

pub(crate) const ROWS: &[Row] = &[
    ("", "endpoints", &endpoints::STRATEGY),
    ("", "services", &service::STRATEGY),
    ("discovery.k8s.io", "endpointslices", &endpoint_slice::STRATEGY),
    (NETWORKING, "ingressclasses", &class::STRATEGY),
    (NETWORKING, "ingresses", &ingress::STRATEGY),
    (NETWORKING, "ipaddresses", &ip_address::STRATEGY),
    (NETWORKING, "networkpolicies", &policy::STRATEGY),
    (NETWORKING, "servicecidrs", &service_cidr::STRATEGY),
];
