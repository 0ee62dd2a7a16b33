//! What an update leaves out and the Service had: clients that know fewer fields must not lose them.

use schema::cursor::{self, Ref};
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::network::service::shape;

/// A client that knows `clusterIP` alone means `clusterIPs` too.
pub(super) fn plural_of_singular(types: &Types, service: &mut Struct) {
    let spec = Ref::new(types, service).at("spec");
    let one = spec.at("clusterIP").str();
    if !one.is_empty() && spec.at("clusterIPs").is_empty() {
        let list = Value::List(vec![Value::str(one)]);
        cursor::set(types, service, "spec.clusterIPs", list);
    }
}

/// Takes over addresses and ports that both Services need and the new one does not name.
pub(super) fn allocated(types: &Types, service: &mut Struct, old: Ref<'_>) {
    let new = Ref::new(types, service);
    let both = |needs: fn(Ref<'_>) -> bool| needs(old) && needs(new);
    let [ips, ports, health] = [
        shape::needs_cluster_ip,
        shape::needs_node_port,
        shape::needs_health_check,
    ]
    .map(both);
    if ips {
        take_over(types, service, old, "spec.clusterIP");
        take_over(types, service, old, "spec.clusterIPs");
    }
    if ports {
        node_ports(types, service, old);
    }
    if health {
        take_over(types, service, old, "spec.healthCheckNodePort");
    }
}

fn take_over(types: &Types, service: &mut Struct, old: Ref<'_>, path: &str) {
    if Ref::new(types, service).path(path).is_empty()
        && let Some(value) = old.path(path).value()
    {
        cursor::set(types, service, path, value.clone());
    }
}

/// A port keeps its node port by name, unless another port of the new Service names that one.
fn node_ports(types: &Types, service: &mut Struct, old: Ref<'_>) {
    let had = shape::node_ports(old);
    let names = shape::node_ports(Ref::new(types, service));
    let mut used: Vec<i64> = names.into_iter().filter(|port| had.contains(port)).collect();
    cursor::each_mut(types, service, "spec.ports", |port| {
        let read = Ref::new(types, port);
        if read.at("nodePort").int() != 0 {
            return;
        }
        let name = read.at("name").str();
        let mut by_name = old
            .path("spec.ports")
            .items()
            .filter(|old| old.at("name").str() == name);
        let known = by_name.next_back().map_or(0, |old| old.at("nodePort").int());
        if known != 0 && !used.contains(&known) {
            used.push(known);
            cursor::set(types, port, "nodePort", Value::Int(known));
        }
    });
}

/// Keeps `clusterIP` and `clusterIPs` in step where a client changed the one that it knows.
pub(super) fn addresses_in_step(types: &Types, service: &mut Struct, old: Ref<'_>) {
    let new = Ref::new(types, service).at("spec");
    let old = old.at("spec");
    let (one, was) = (new.at("clusterIP").str().to_owned(), old.at("clusterIP").str());
    let same_list = new.at("clusterIPs") == old.at("clusterIPs");
    if one == was {
        if new.at("clusterIPs").is_empty()
            && let Some(list) = old.at("clusterIPs").value()
        {
            cursor::set(types, service, "spec.clusterIPs", list.clone());
        }
    } else if same_list && one.is_empty() {
        cursor::remove(types, service, "spec.clusterIPs");
    } else if same_list {
        cursor::set(
            types,
            service,
            "spec.clusterIPs",
            Value::List(vec![Value::str(&one)]),
        );
    }
}
