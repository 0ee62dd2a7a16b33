//! Services, what is behind them, and what lets traffic in.

use std::collections::BTreeSet;

use schema::cursor::Ref;

use super::{AGE, NAME};
use crate::text::{first_of, first_or_unset, host_port, join, labels, selector};
use crate::{Cells, Column, Row};

pub(super) const SERVICE: &[Column] = &[
    NAME,
    Column::text("Type", "How the service is reached."),
    Column::text("Cluster-IP", "Its first address inside the cluster."),
    Column::text("External-IP", "The addresses it is reached at from outside."),
    Column::text("Port(s)", "Its ports, node ports and protocols."),
    AGE,
    Column::wide("Selector", "Which pods are behind it."),
];

pub(super) fn service(row: &Row<'_>, cells: &mut Cells<'_>) {
    let address = row.at("spec.clusterIPs").strings().next();
    cells
        .name(row)
        .text(row.at("spec.type").str())
        .text(address.unwrap_or("<none>"))
        .text(&external(row))
        .text_or(&join(row.at("spec.ports").items().map(port), ","), "<none>")
        .age(row)
        .text(&labels(row.at("spec.selector")));
}

fn external(row: &Row<'_>) -> String {
    let ips = join(row.at("spec.externalIPs").strings(), ",");
    let (fixed, balancer) = match row.at("spec.type").str() {
        "ClusterIP" | "NodePort" => (ips, String::new()),
        "LoadBalancer" => (ips, balancers(row)),
        "ExternalName" => return row.at("spec.externalName").str().to_owned(),
        _ => return "<unknown>".to_owned(),
    };
    match (balancer.as_str(), fixed.as_str()) {
        ("", "") if row.at("spec.type").str() == "LoadBalancer" => "<pending>".to_owned(),
        ("", "") => "<none>".to_owned(),
        ("", ips) | (ips, "") => ips.to_owned(),
        (balancer, ips) => format!("{balancer},{ips}"),
    }
}

/// Addresses of load balancers, or their names; each once, sorted.
fn balancers(row: &Row<'_>) -> String {
    let points = row.at("status.loadBalancer.ingress");
    let known: BTreeSet<&str> = points
        .items()
        .map(|it| match it.at("ip").str() {
            "" => it.at("hostname").str(),
            ip => ip,
        })
        .filter(|address| !address.is_empty())
        .collect();
    join(known, ",")
}

fn port(port: Ref<'_>) -> String {
    let (number, protocol) = (port.at("port").int(), port.at("protocol").str());
    match port.at("nodePort").int() {
        node if node > 0 => format!("{number}:{node}/{protocol}"),
        _ => format!("{number}/{protocol}"),
    }
}

pub(super) const ENDPOINTS: &[Column] = &[NAME, Column::text("Endpoints", "Addresses and ports."), AGE];

pub(super) fn endpoints(row: &Row<'_>, cells: &mut Cells<'_>) {
    let subsets = row.at("subsets");
    let all: Vec<String> = subsets.items().flat_map(subset).collect();
    let text = match subsets.is_empty() {
        true => "<none>".to_owned(),
        false => first_of(&all, all.len()),
    };
    cells.name(row).text(&text).age(row);
}

/// Every address with every port; addresses alone where a headless service has no ports.
fn subset(subset: Ref<'_>) -> Vec<String> {
    let ips = || subset.at("addresses").items().map(|it| it.at("ip").str());
    if subset.at("ports").is_empty() {
        return ips().map(str::to_owned).collect();
    }
    let ports = subset.at("ports").items().map(|it| it.at("port").int());
    ports
        .flat_map(|port| ips().map(move |ip| host_port(ip, port)))
        .collect()
}

pub(super) const ENDPOINT_SLICE: &[Column] = &[
    NAME,
    Column::text("AddressType", "What the addresses are."),
    Column::text("Ports", "The ports of each endpoint."),
    Column::text("Endpoints", "The addresses."),
    AGE,
];

pub(super) fn endpoint_slice(row: &Row<'_>, cells: &mut Cells<'_>) {
    let ports: Vec<String> = row.at("ports").items().map(slice_port).collect();
    let addresses: Vec<String> = row
        .at("endpoints")
        .items()
        .flat_map(|it| {
            it.at("addresses")
                .strings()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    cells
        .name(row)
        .text(row.at("addressType").str())
        .text(&first_or_unset(&ports))
        .text(&first_or_unset(&addresses))
        .age(row);
}

fn slice_port(port: Ref<'_>) -> String {
    match (port.at("port").integer(), port.at("name").text()) {
        (Some(number), _) => number.to_string(),
        (None, Some(name)) => name.to_owned(),
        (None, None) => "*".to_owned(),
    }
}

pub(super) const INGRESS: &[Column] = &[
    NAME,
    Column::text("Class", "The name of the IngressClass that says who serves it."),
    Column::text("Hosts", "The hosts that its rules are for."),
    Column::text("Address", "Where it is reached."),
    Column::text("Ports", "The ports that it opens."),
    AGE,
];

pub(super) fn ingress(row: &Row<'_>, cells: &mut Cells<'_>) {
    let tls = !row.at("spec.tls").is_empty();
    cells
        .name(row)
        .present_or(row.at("spec.ingressClassName"), "<none>")
        .text(&hosts(row))
        .text(&balancers(row))
        .text(if tls { "80, 443" } else { "80" })
        .age(row);
}

/// The first three hosts. Upstream counts rules, not hosts, once it has three.
fn hosts(row: &Row<'_>) -> String {
    let rules = row.at("spec.rules");
    let host = |rule: Ref<'_>| rule.at("host").str().to_owned();
    let named = || {
        rules
            .items()
            .enumerate()
            .filter(|(_, rule)| !rule.at("host").is_empty())
    };
    let shown: Vec<String> = named().take(3).map(|(_, rule)| host(rule)).collect();
    let third = named().nth(2).map_or(rules.len(), |(at, _)| at + 1);
    match shown.len() {
        0 => "*".to_owned(),
        _ if third < rules.len() => format!("{} + {} more...", shown.join(","), rules.len() - 3),
        _ => shown.join(","),
    }
}

pub(super) const INGRESS_CLASS: &[Column] = &[
    NAME,
    Column::text(
        "Controller",
        "Controller that is responsible for handling this class",
    ),
    Column::text(
        "Parameters",
        "A reference to a resource with additional parameters",
    ),
    AGE,
];

pub(super) fn ingress_class(row: &Row<'_>, cells: &mut Cells<'_>) {
    let parameters = row.at("spec.parameters");
    let text = parameters.exists().then(|| {
        let group = parameters.at("apiGroup").text();
        let group = group.map(|group| format!(".{group}")).unwrap_or_default();
        format!(
            "{}{group}/{}",
            parameters.at("kind").str(),
            parameters.at("name").str()
        )
    });
    cells
        .name(row)
        .text(row.at("spec.controller").str())
        .text(text.as_deref().unwrap_or("<none>"))
        .age(row);
}

pub(super) const POLICY: &[Column] = &[NAME, Column::text("Pod-Selector", "Which pods it is for."), AGE];

pub(super) fn policy(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells
        .name(row)
        .text(&selector(row.at("spec.podSelector")))
        .age(row);
}

pub(super) const SERVICE_CIDR: &[Column] = &[
    NAME,
    Column::text("CIDRs", "The ranges that service addresses are from."),
    AGE,
];

pub(super) fn service_cidr(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells
        .name(row)
        .text(&join(row.at("spec.cidrs").strings(), ","))
        .age(row);
}

pub(super) const IP_ADDRESS: &[Column] = &[NAME, Column::text("ParentRef", "What has the address."), AGE];

pub(super) fn ip_address(row: &Row<'_>, cells: &mut Cells<'_>) {
    let parent = row.at("spec.parentRef");
    let part = |member: &str, before: &str| match parent.at(member).str() {
        "" => String::new(),
        text => format!("{before}{text}"),
    };
    let text = parent.exists().then(|| {
        let resource = format!("{}{}", parent.at("resource").str(), part("group", ".")).to_lowercase();
        format!("{resource}{}/{}", part("namespace", "/"), parent.at("name").str())
    });
    cells.name(row).text(text.as_deref().unwrap_or("<none>")).age(row);
}
