//! What goes when a Service changes its type: fields that no longer mean anything, and that the client did not
//! change in the same breath (then validation tells it). Upstream: `dropTypeDependentFields`.

use schema::cursor::{self, Ref};
use schema::row::Types;
use schema::tree::Struct;

use super::shape;
use crate::Context;

/// A need that may end, and the fields that go with it if they are as they were.
type Ending = (fn(Ref<'_>) -> bool, &'static [&'static str]);

const ENDINGS: &[Ending] = &[
    (shape::needs_cluster_ip, &["spec.clusterIP", "spec.clusterIPs"]),
    (shape::needs_cluster_ip, &["spec.ipFamilies"]),
    (shape::needs_cluster_ip, &["spec.ipFamilyPolicy"]),
    (shape::needs_health_check, &["spec.healthCheckNodePort"]),
    (shape::is_load_balancer, &["spec.allocateLoadBalancerNodePorts"]),
    (shape::is_load_balancer, &["spec.loadBalancerClass"]),
    (shape::is_external, &["spec.externalTrafficPolicy"]),
];

pub(super) fn drop_dependent(context: &Context<'_>, service: &mut Struct, old: &Struct) {
    let types = context.types;
    let old = Ref::new(types, old);
    for (needs, paths) in ENDINGS {
        let new = Ref::new(types, service);
        let ended = needs(old) && !needs(new);
        if ended && paths.iter().all(|path| new.path(path) == old.path(path)) {
            paths
                .iter()
                .for_each(|path| drop(cursor::remove(types, service, path)));
        }
    }
    let new = Ref::new(types, service);
    if shape::needs_node_port(old) && !shape::needs_node_port(new) && adds_no_node_port(new, old) {
        cursor::each_mut(types, service, "spec.ports", |port| {
            cursor::remove(types, port, "nodePort");
        });
    }
    drop_balancer(types, service);
}

fn adds_no_node_port(new: Ref<'_>, old: Ref<'_>) -> bool {
    let had = shape::node_ports(old);
    shape::node_ports(new).iter().all(|port| had.contains(port))
}

fn drop_balancer(types: &Types, service: &mut Struct) {
    if !shape::is_load_balancer(Ref::new(types, service)) {
        cursor::remove(types, service, "status.loadBalancer");
    }
}
