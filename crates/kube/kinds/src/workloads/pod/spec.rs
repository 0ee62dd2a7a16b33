//! Validation of `PodSpec`: upstream's `ValidatePodSpec`, in its order.

use std::collections::BTreeSet;

use schema::field::Errors;

use super::kept::{Fault, Kept, own_users};
use super::scene::{Scene, Spec, each_container};
use super::{affinity, container, environment, ports, resources, security, volumes, windows};
use crate::Place;
use crate::rules::ip;
use crate::rules::names::{dns1123_label, dns1123_subdomain, dns1123_subdomain_with_underscore};
use crate::rules::quantity;
use crate::rules::table::Rule::{If, Of, Range, RequiredWord, Text};
use crate::rules::table::{Rules, check};
use crate::rules::text::{label_value, qualified_name};
use crate::rules::value::{labels, one_of};

const LONGEST_DEADLINE: i64 = i32::MAX as i64;
const DNS_POLICIES: &[&str] = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];

const PLACING: Rules = &[
    ("restartPolicy", RequiredWord(&["Always", "OnFailure", "Never"])),
    ("dnsPolicy", RequiredWord(DNS_POLICIES)),
    ("nodeSelector", Of(labels)),
];

const NAMES: Rules = &[
    ("serviceAccountName", Text(dns1123_subdomain)),
    ("nodeName", Text(dns1123_subdomain)),
    ("activeDeadlineSeconds", Range(1, LONGEST_DEADLINE)),
    ("hostname", Text(dns1123_label)),
    ("subdomain", Text(dns1123_label)),
];

const CLASSES: Rules = &[
    ("hostAliases", Of(host_aliases)),
    ("priorityClassName", Text(dns1123_subdomain)),
    ("runtimeClassName", If(class_name)),
    (
        "preemptionPolicy",
        If(|place, errors| {
            RequiredWord(&["PreemptLowerPriority", "Never"]).check(place, errors);
        }),
    ),
];

/// The spec of a template: its pods have no names yet.
pub(crate) fn validate(place: &Place<'_, '_>, kept: &Kept, errors: &mut Errors) {
    let spec = Spec {
        place,
        pod: None,
        kept,
    };
    validate_spec(&spec, errors);
}

/// The spec of a pod or of a template.
pub(super) fn validate_spec(spec: &Spec<'_, '_>, errors: &mut Errors) {
    let (place, kept) = (spec.place, spec.kept);
    if !place.at("terminationGracePeriodSeconds").exists() {
        place.child("terminationGracePeriodSeconds").required(errors, "");
    }
    let scene = Scene::new(place.value(), volumes::validate(spec, errors), kept);
    resources::pod_claims(spec, errors);
    container::all(place, &scene, errors);
    resources::pod(place, kept, errors);
    ports::host_network(place, spec.is_pod(), errors);
    check(place, PLACING, errors);
    security::pod(place, kept, errors);
    affinity::validate(&place.child("affinity"), kept, errors);
    dns(place, errors);
    gates(place, errors);
    affinity::spread(&place.child("topologySpreadConstraints"), kept, errors);
    windows::host_process(place, errors);
    host_users(place, kept, errors);
    host_name(place, errors);
    check(place, NAMES, errors);
    tolerations(&place.child("tolerations"), kept.has(Fault::Comparisons), errors);
    check(place, CLASSES, errors);
    overhead(&place.child("overhead"), kept, errors);
    windows::os(place, errors);
    environment::files(place, errors);
}

fn class_name(place: &Place<'_, '_>, errors: &mut Errors) {
    place.check(errors, dns1123_subdomain);
}

/// Upstream judges the overhead as a container's limits.
fn overhead(overhead: &Place<'_, '_>, kept: &Kept, errors: &mut Errors) {
    let limits = overhead.named("limits", overhead.value());
    let whole = !kept.has(Fault::HugePages);
    quantity::amounts(&limits, quantity::container_resource_name, whole, errors);
}

const MAX_NAME_SERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_BYTES: usize = 2048;

fn dns(spec: &Place<'_, '_>, errors: &mut Errors) {
    let config = spec.child("dnsConfig");
    let (servers, searches) = (config.child("nameservers"), config.child("searches"));
    if spec.at("dnsPolicy").str() == "None" {
        if !config.exists() {
            return config.required(errors, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if !servers.require(
            errors,
            "must provide at least one DNS nameserver when `dnsPolicy` is None",
        ) {
            return;
        }
    }
    if servers.len() > MAX_NAME_SERVERS {
        servers.invalid(
            errors,
            format!("must not have more than {MAX_NAME_SERVERS} nameservers"),
        );
    }
    servers
        .each()
        .for_each(|server| ip::ip_for_legacy_field(&server, errors, &[]));
    if searches.len() > MAX_SEARCHES {
        searches.invalid(
            errors,
            format!("must not have more than {MAX_SEARCHES} search paths"),
        );
    }
    let bytes: usize = searches.strings().map(|search| search.len() + 1).sum();
    if bytes > MAX_SEARCH_BYTES + 1 {
        let text = format!(
            "must not have more than {MAX_SEARCH_BYTES} characters (including spaces) in the search list"
        );
        searches.invalid(errors, text);
    }
    for search in searches.each().filter(|search| search.str() != ".") {
        let name = search.str().strip_suffix('.').unwrap_or(search.str());
        let wrong = dns1123_subdomain_with_underscore(name).into_iter();
        wrong.for_each(|text| search.invalid_value(errors, name, text));
    }
    for option in config
        .child("options")
        .each()
        .filter(|option| option.at("name").is_empty())
    {
        option.required(errors, "must not be empty");
    }
}

/// What must be true before the pod is ready, and before it is scheduled.
fn gates(spec: &Place<'_, '_>, errors: &mut Errors) {
    for gate in spec.child("readinessGates").each() {
        gate.child("conditionType").check(errors, qualified_name);
    }
    let mut seen = BTreeSet::new();
    for gate in spec.child("schedulingGates").each() {
        let name = gate.at("name");
        gate.holding(name).check(errors, qualified_name);
        if !seen.insert(name.str()) {
            gate.holding(name).duplicate(errors);
        }
    }
}

const OWN_USERS: &str = "when `hostUsers` is false";

/// A pod with users of its own cannot have other namespaces of the host, nor devices. Upstream spells the members like
/// Go.
fn host_users(spec: &Place<'_, '_>, kept: &Kept, errors: &mut Errors) {
    if !own_users(spec.value()) {
        return;
    }
    for (member, path) in [
        ("hostNetwork", "hostNetwork"),
        ("hostPID", "HostPID"),
        ("hostIPC", "HostIPC"),
    ] {
        let left = member == "hostNetwork" && kept.has(Fault::HostNetwork);
        if spec.at(member).bool() && !left {
            spec.child(path).forbidden(errors, OWN_USERS);
        }
    }
    if kept.has(Fault::VolumeDevices) {
        return;
    }
    each_container(spec, |container| {
        let devices = container.child("volumeDevices");
        if !devices.is_empty() {
            devices.forbidden(errors, OWN_USERS);
        }
    });
}

/// The longest name of a Linux host.
const MAX_HOST_NAME: usize = 64;

fn host_name(spec: &Place<'_, '_>, errors: &mut Errors) {
    let name = spec.child("hostnameOverride");
    if !name.exists() {
        return;
    }
    for other in ["setHostnameAsFQDN", "hostNetwork"] {
        if spec.at(other).bool() {
            name.forbidden(errors, format!("may not be specified when {other} is true"));
        }
    }
    if name.len() > MAX_HOST_NAME {
        name.too_long(errors, MAX_HOST_NAME);
    }
    name.check(errors, dns1123_subdomain);
}

fn host_aliases(aliases: &Place<'_, '_>, errors: &mut Errors) {
    for alias in aliases.each() {
        ip::ip_for_legacy_field(&alias.child("ip"), errors, &[]);
        let names = alias.child("hostnames");
        names
            .each()
            .for_each(|name| name.check(errors, dns1123_subdomain));
    }
}

/// `spec.tolerations`; numbers are compared only where they have been before.
pub(in crate::workloads) fn tolerations(tolerations: &Place<'_, '_>, numbers: bool, errors: &mut Errors) {
    tolerations
        .each()
        .for_each(|each| toleration(&each, numbers, errors));
}

fn toleration(place: &Place<'_, '_>, numbers: bool, errors: &mut Errors) {
    let (operator, effect, value) = (place.child("operator"), place.child("effect"), place.at("value"));
    Text(qualified_name).check(&place.child("key"), errors);
    if place.at("key").is_empty() && operator.str() != "Exists" {
        operator.invalid(
            errors,
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
        );
    }
    if place.at("tolerationSeconds").exists() && effect.str() != "NoExecute" {
        effect.invalid(
            errors,
            "effect must be 'NoExecute' when `tolerationSeconds` is set",
        );
    }
    match operator.str() {
        "" | "Equal" => {
            let wrong = label_value(value.str());
            if !wrong.is_empty() {
                operator.invalid_value(errors, value.str(), wrong.join(";"));
            }
        }
        "Exists" if value.is_empty() => {}
        "Exists" => {
            operator.invalid_value(
                errors,
                value.str(),
                "value must be empty when `operator` is 'Exists'",
            );
        }
        "Lt" | "Gt" if numbers => number(&place.child("value"), errors),
        "Lt" | "Gt" => operator.not_supported(errors, &["Equal", "Exists", "Lt", "Gt"]),
        _ => operator.not_supported(errors, &["Equal", "Exists"]),
    }
    if !effect.is_empty() {
        one_of(&effect, errors, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
    }
}

/// What is compared is a number in its shortest form.
fn number(value: &Place<'_, '_>, errors: &mut Errors) {
    let text = value.str();
    let shortest = |number: i64| number.to_string() == text;
    if !text.parse::<i64>().is_ok_and(shortest) {
        value.invalid(errors, "must be a valid decimal integer in canonical form");
    }
}
