//! Defaults of pods and pod templates that upstream sets in code (`pkg/apis/core/v1/defaults.go`).

use schema::cursor::{Ref, each_mut, ensure, get_mut, map_mut, set_default};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::amounts;
use crate::rules::quantity::{Quantity, is_huge_page, is_overcommitted};

/// A permission of files: rw-r--r--.
const FILE_MODE: i64 = 0o644;

/// The lists of a pod's containers.
pub(super) const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Defaults of a pod: those of its spec, and some that templates do not get.
pub(super) fn pod(types: &Types, pod: &mut Struct) {
    spec(types, pod, "spec");
    let host_network = Ref::new(types, pod).path("spec.hostNetwork").bool();
    for list in ["spec.initContainers", "spec.containers"] {
        each_mut(types, pod, list, |container| {
            requests_from_limits(types, container);
            if host_network {
                each_mut(types, container, "ports", |port| host_port(types, port));
            }
        });
    }
    whole(types, pod);
    set_default(types, pod, "spec.enableServiceLinks", Value::Bool(true));
}

/// What a pod asks for as a whole, where it says a part of it: upstream's `defaultHugePagePodLimits` and
/// `defaultPodRequests`.
fn whole(types: &Types, pod: &mut Struct) {
    let read = Ref::new(types, pod).at("spec");
    let resources = read.at("resources");
    let (limits, requests) = (resources.at("limits"), resources.at("requests"));
    if limits.is_empty() && requests.is_empty() {
        return;
    }
    let pages = amounts::limits(read)
        .into_iter()
        .filter(|(name, _)| is_huge_page(name));
    let pages: Vec<_> = pages.filter(|(name, _)| !requests.at(name).exists()).collect();
    let asked = amounts::requests(read).into_iter();
    let asked: Vec<_> = asked
        .filter(|(name, _)| amounts::is_supported(name) && is_overcommitted(name))
        .collect();
    lend_amounts(types, pod, "spec.resources.limits", pages);
    let limits = Ref::new(types, pod).path("spec.resources.limits").entries();
    let limits: Vec<_> = limits
        .filter(|(name, _)| amounts::is_supported(name))
        .map(|(name, amount)| (name.to_owned(), Quantity::of(amount)))
        .collect();
    if !limits.is_empty() {
        lend_amounts(types, pod, "spec.resources.requests", asked);
        lend_amounts(types, pod, "spec.resources.requests", limits);
    }
}

fn lend_amounts(types: &Types, object: &mut Struct, path: &str, amounts: Vec<(String, Quantity)>) {
    if amounts.is_empty() {
        return;
    }
    if let Some(map) = map_mut(types, object, path) {
        for (name, amount) in amounts {
            if map.get(&name).is_none() {
                map.insert(&name, Value::str(&amount.to_string()));
            }
        }
    }
}

/// Defaults of the `PodSpec` at a path.
pub(crate) fn spec(types: &Types, object: &mut Struct, path: &str) {
    let Some(spec) = ensure(types, object, path) else {
        return;
    };
    for (name, value) in [
        ("dnsPolicy", "ClusterFirst"),
        ("restartPolicy", "Always"),
        ("schedulerName", "default-scheduler"),
    ] {
        set_default(types, spec, name, Value::str(value));
    }
    set_default(types, spec, "terminationGracePeriodSeconds", Value::Int(30));
    ensure(types, spec, "securityContext");
    each_mut(types, spec, "volumes", |source| volume(types, source));
    for list in CONTAINERS {
        each_mut(types, spec, list, |each| container(types, each));
    }
}

fn host_port(types: &Types, port: &mut Struct) {
    let number = Ref::new(types, port).at("containerPort").int();
    set_default(types, port, "hostPort", Value::Int(number));
}

fn requests_from_limits(types: &Types, container: &mut Struct) {
    let limits = Ref::new(types, container).path("resources.limits");
    let limits: Vec<(String, String)> = limits
        .entries()
        .map(|(name, amount)| (name.to_owned(), amount.str().to_owned()))
        .collect();
    if limits.is_empty() {
        return;
    }
    if let Some(requests) = map_mut(types, container, "resources.requests") {
        for (name, amount) in limits {
            if requests.get(&name).is_none() {
                requests.insert(&name, Value::str(&amount));
            }
        }
    }
}

fn container(types: &Types, container: &mut Struct) {
    let image = Ref::new(types, container).at("image").str().to_owned();
    for (name, value) in [
        ("imagePullPolicy", pull_policy(&image)),
        ("terminationMessagePath", "/dev/termination-log"),
        ("terminationMessagePolicy", "File"),
    ] {
        set_default(types, container, name, Value::str(value));
    }
    each_mut(types, container, "env", |env| {
        field_ref(types, env, "valueFrom.fieldRef");
    });
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(Value::Struct(each)) = get_mut(types, container, name) {
            probe(types, each);
        }
    }
    for name in ["lifecycle.postStart.httpGet", "lifecycle.preStop.httpGet"] {
        http_get(types, container, name);
    }
}

/// `Always` where the tag can move: it is `latest`, or there is none and no digest.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or_default();
    let pinned = name.contains('@');
    match name.rsplit_once(':') {
        _ if pinned => "IfNotPresent",
        Some((_, tag)) if tag != "latest" => "IfNotPresent",
        _ => "Always",
    }
}

fn probe(types: &Types, probe: &mut Struct) {
    for (name, number) in [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ] {
        set_default(types, probe, name, Value::Int(number));
    }
    http_get(types, probe, "httpGet");
}

fn http_get(types: &Types, object: &mut Struct, path: &str) {
    if let Some(Value::Struct(get)) = get_mut(types, object, path) {
        set_default(types, get, "path", Value::str("/"));
        set_default(types, get, "scheme", Value::str("HTTP"));
    }
}

fn field_ref(types: &Types, object: &mut Struct, path: &str) {
    if let Some(Value::Struct(field)) = get_mut(types, object, path) {
        set_default(types, field, "apiVersion", Value::str("v1"));
    }
}

fn volume(types: &Types, volume: &mut Struct) {
    let sources = Ref::new(types, volume);
    let mut names = types.fields(volume.ty).iter().map(|field| types.name(field.json));
    if names.all(|name| name == "name" || !sources.at(name).exists()) {
        ensure(types, volume, "emptyDir");
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(Value::Struct(source)) = get_mut(types, volume, source) {
            set_default(types, source, "defaultMode", Value::Int(FILE_MODE));
        }
    }
    each_mut(types, volume, "downwardAPI.items", |item| {
        field_ref(types, item, "fieldRef");
    });
    each_mut(types, volume, "projected.sources", |source| {
        projection(types, source);
    });
    if let Some(Value::Struct(path)) = get_mut(types, volume, "hostPath") {
        set_default(types, path, "type", Value::str(""));
    }
    if let Some(Value::Struct(image)) = get_mut(types, volume, "image") {
        let policy = pull_policy(Ref::new(types, image).at("reference").str());
        set_default(types, image, "pullPolicy", Value::str(policy));
    }
    if get_mut(types, volume, "ephemeral.volumeClaimTemplate").is_some() {
        set_default(
            types,
            volume,
            "ephemeral.volumeClaimTemplate.spec.volumeMode",
            Value::str("Filesystem"),
        );
    }
    azure_disk(types, volume);
}

fn projection(types: &Types, source: &mut Struct) {
    each_mut(types, source, "downwardAPI.items", |item| {
        field_ref(types, item, "fieldRef");
    });
    if let Some(Value::Struct(token)) = get_mut(types, source, "serviceAccountToken") {
        set_default(types, token, "expirationSeconds", Value::Int(3600));
    }
}

fn azure_disk(types: &Types, volume: &mut Struct) {
    if let Some(Value::Struct(disk)) = get_mut(types, volume, "azureDisk") {
        for (name, value) in [
            ("cachingMode", "ReadWrite"),
            ("kind", "Shared"),
            ("fsType", "ext4"),
        ] {
            set_default(types, disk, name, Value::str(value));
        }
        set_default(types, disk, "readOnly", Value::Bool(false));
    }
}
