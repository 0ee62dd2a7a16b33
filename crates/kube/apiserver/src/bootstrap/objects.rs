//! The first objects: namespaces, RBAC, priority classes, the cluster's own service, trust.

use std::borrow::Cow;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::{Config, OpenError};

/// An object of a new cluster, as the API takes it.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) group: &'static str,
    pub(super) plural: &'static str,
    pub(super) namespace: &'static str,
    pub(super) name: Cow<'static, str>,
    pub(super) json: Value,
}

const REGISTRATION: &str = "apiregistration.k8s.io";

const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

const PRIORITIES: [(&str, i64, &str); 2] = [
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
];

/// All of them.
///
/// # Errors
/// [`OpenError::Bootstrap`] if the range of service addresses is none.
pub(super) fn all(config: &Config, now: &str) -> Result<Vec<Object>, OpenError> {
    let mut objects: Vec<Object> = NAMESPACES.into_iter().map(namespace).collect();
    objects.extend(local_services(now));
    objects.extend(auth::bootstrap::objects().into_iter().map(rbac));
    objects.extend(PRIORITIES.into_iter().map(priority));
    objects.extend(
        NAMESPACES
            .into_iter()
            .flat_map(|namespace| of_namespace(namespace, &config.root_ca)),
    );
    objects.extend(service(config)?);
    objects.push(client_trust(config));
    Ok(objects)
}

/// An APIService for each version that this server itself serves; there is none for the group of APIServices.
fn local_services(now: &str) -> Vec<Object> {
    let mut served: Vec<(&str, &str)> = Vec::new();
    for def in schema::resource::builtin() {
        let enabled = def.versions.iter().filter(|version| version.enabled);
        served.extend(enabled.map(|version| (&*def.group, &*version.name)));
    }
    served.sort_unstable();
    served.dedup();
    served.retain(|(group, _)| *group != REGISTRATION);
    served
        .into_iter()
        .map(|(group, version)| local_service(group, version, "onstart", now))
        .collect()
}

/// `managed` says until when it stays: `onstart` for good, `true` as long as the version is served.
pub(super) fn local_service(group: &str, version: &str, managed: &str, now: &str) -> Object {
    let priority = openapi::group_priority(group, version);
    let name = format!("{version}.{group}");
    let mut json = json!({
        "metadata": {"name": name, "labels": {"kube-aggregator.kubernetes.io/automanaged": managed}},
        "spec": {
            "version": version,
            "groupPriorityMinimum": priority.group,
            "versionPriority": priority.version,
        },
        "status": {"conditions": [{
            "type": "Available",
            "status": "True",
            "lastTransitionTime": now,
            "reason": "Local",
            "message": "Local APIServices are always available",
        }]},
    });
    if !group.is_empty() {
        json["spec"]["group"] = group.into();
    }
    Object {
        group: REGISTRATION,
        plural: "apiservices",
        namespace: "",
        name: name.into(),
        json,
    }
}

fn rbac(object: auth::bootstrap::Object) -> Object {
    Object {
        group: "rbac.authorization.k8s.io",
        plural: object.resource,
        namespace: object.namespace,
        name: object.name.into(),
        json: object.json,
    }
}

fn namespace(name: &'static str) -> Object {
    core(
        "namespaces",
        "",
        name,
        json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }),
    )
}

fn core(plural: &'static str, namespace: &'static str, name: &'static str, json: Value) -> Object {
    Object {
        group: "",
        plural,
        namespace,
        name: name.into(),
        json,
    }
}

fn priority((name, value, description): (&'static str, i64, &'static str)) -> Object {
    Object {
        group: "scheduling.k8s.io",
        plural: "priorityclasses",
        namespace: "",
        name: name.into(),
        json: json!({
            "metadata": {"name": name, "generation": 1},
            "value": value,
            "description": description,
            "preemptionPolicy": "PreemptLowerPriority",
        }),
    }
}

/// What controllers give every namespace: the first ones have it from the start.
fn of_namespace(namespace: &'static str, root_ca: &str) -> [Object; 2] {
    [
        core(
            "serviceaccounts",
            namespace,
            "default",
            json!({
                "metadata": {"name": "default", "namespace": namespace},
            }),
        ),
        core(
            "configmaps",
            namespace,
            "kube-root-ca.crt",
            json!({
                "metadata": {"name": "kube-root-ca.crt", "namespace": namespace, "annotations": {
                    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when \
                     using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage \
                     is guaranteed across distributions of Kubernetes clusters.",
                }},
                "data": {"ca.crt": root_ca},
            }),
        ),
    ]
}

/// By which extension API servers know whose client certificates the cluster believes, and who may say for whom it asks.
fn client_trust(config: &Config) -> Object {
    let name = "extension-apiserver-authentication";
    core(
        "configmaps",
        "kube-system",
        name,
        json!({
            "metadata": {"name": name, "namespace": "kube-system"},
            "data": {
                "client-ca-file": config.root_ca,
                "requestheader-allowed-names": "[\"front-proxy-client\"]",
                "requestheader-client-ca-file": config.front_proxy_ca,
                "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
                "requestheader-group-headers": "[\"X-Remote-Group\"]",
                "requestheader-uid-headers": "[\"X-Remote-Uid\"]",
                "requestheader-username-headers": "[\"X-Remote-User\"]",
            },
        }),
    )
}

/// The service `kubernetes`, at the first address of the range, and where it leads.
pub(super) fn service(config: &Config) -> Result<[Object; 4], OpenError> {
    let address = first_address(&config.service_cidr).ok_or_else(|| {
        OpenError::Bootstrap(format!("{} is not a range of addresses", config.service_cidr))
    })?;
    let name = "kubernetes";
    let (backend, port) = (config.advertise.to_string(), config.port);
    let family = if config.advertise.is_ipv4() {
        "IPv4"
    } else {
        "IPv6"
    };
    let metadata = |labels: Value| json!({"name": name, "namespace": "default", "labels": labels});
    let mirrored = json!({"endpointslice.kubernetes.io/skip-mirror": "true"});
    Ok([
        Object {
            group: "networking.k8s.io",
            plural: "servicecidrs",
            namespace: "",
            name: name.into(),
            json: json!({
                "metadata": {"name": name},
                "spec": {"cidrs": [config.service_cidr]},
                "status": {"conditions": [{
                    "type": "Ready",
                    "status": "True",
                    "reason": "",
                    "message": "Kubernetes default Service CIDR is ready",
                }]},
            }),
        },
        core(
            "services",
            "default",
            name,
            json!({
                "metadata": metadata(json!({"component": "apiserver", "provider": "kubernetes"})),
                "spec": {
                    "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}],
                    "clusterIP": address.to_string(),
                    "clusterIPs": [address.to_string()],
                    "type": "ClusterIP",
                    "sessionAffinity": "None",
                    "ipFamilies": [if address.is_ipv4() { "IPv4" } else { "IPv6" }],
                    "ipFamilyPolicy": "SingleStack",
                    "internalTrafficPolicy": "Cluster",
                },
                "status": {"loadBalancer": {}},
            }),
        ),
        core(
            "endpoints",
            "default",
            name,
            json!({
                "metadata": metadata(mirrored),
                "subsets": [{
                    "addresses": [{"ip": backend}],
                    "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
                }],
            }),
        ),
        Object {
            group: "discovery.k8s.io",
            plural: "endpointslices",
            namespace: "default",
            name: name.into(),
            json: json!({
                "metadata": metadata(json!({"kubernetes.io/service-name": name})),
                "addressType": family,
                "endpoints": [{"addresses": [backend], "conditions": {"ready": true}}],
                "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            }),
        },
    ])
}

/// The address after the range's own.
fn first_address(range: &str) -> Option<IpAddr> {
    let (network, _) = range.split_once('/')?;
    match network.parse().ok()? {
        IpAddr::V4(network) => Some(IpAddr::from((u32::from(network).checked_add(1)?).to_be_bytes())),
        IpAddr::V6(network) => Some(IpAddr::from((u128::from(network).checked_add(1)?).to_be_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_follows_the_range() {
        let first = |range: &str| first_address(range).map(|address| address.to_string());
        assert_eq!(first("10.43.0.0/16").as_deref(), Some("10.43.0.1"));
        assert_eq!(first("fd00::/112").as_deref(), Some("fd00::1"));
        assert_eq!(first("10.43.0.0"), None);
    }
}
