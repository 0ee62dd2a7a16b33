//! A Service's defaults: `SetDefaults_Service`.

use schema::cursor::{self, Ref};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::shape;

/// How long a client stays with an endpoint, in seconds.
const AFFINITY_SECONDS: i64 = 10_800;

pub(super) fn set(types: &Types, service: &mut Struct) {
    text(types, service, "spec.sessionAffinity", "None");
    affinity(types, service);
    text(types, service, "spec.type", "ClusterIP");
    cursor::each_mut(types, service, "spec.ports", |port| {
        text(types, port, "protocol", "TCP");
        target_port(types, port);
    });
    let read = Ref::new(types, service);
    let (external, named) = (shape::is_external(read), shape::is_external_name(read));
    let balanced = shape::is_load_balancer(read);
    if external {
        text(types, service, "spec.externalTrafficPolicy", "Cluster");
    }
    if !named {
        cursor::set_default(
            types,
            service,
            "spec.internalTrafficPolicy",
            Value::str("Cluster"),
        );
    }
    if balanced {
        let path = "spec.allocateLoadBalancerNodePorts";
        cursor::set_default(types, service, path, Value::Bool(true));
        cursor::each_mut(types, service, "status.loadBalancer.ingress", |ingress| {
            if !Ref::new(types, ingress).at("ip").is_empty() {
                cursor::set_default(types, ingress, "ipMode", Value::str("VIP"));
            }
        });
    }
}

fn text(types: &Types, object: &mut Struct, path: &str, default: &str) {
    if Ref::new(types, object).path(path).is_empty() {
        cursor::set(types, object, path, Value::str(default));
    }
}

fn affinity(types: &Types, service: &mut Struct) {
    let spec = Ref::new(types, service).at("spec");
    let timeout = spec
        .path("sessionAffinityConfig.clientIP.timeoutSeconds")
        .exists();
    match spec.at("sessionAffinity").str() {
        "None" => {
            cursor::remove(types, service, "spec.sessionAffinityConfig");
        }
        "ClientIP" if !timeout => {
            let path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
            cursor::set(types, service, path, Value::Int(AFFINITY_SECONDS));
        }
        _ => {}
    }
}

fn target_port(types: &Types, port: &mut Struct) {
    let read = Ref::new(types, port);
    let target = read.at("targetPort");
    let number = read.at("port").int();
    if target.is_empty() && number != 0 {
        cursor::set(types, port, "targetPort", Value::Int(number));
    }
}
