//! Validation of `PodSpec`: upstream's `ValidatePodSpec`, in its order.

use std::collections::BTreeSet;

use schema::field::Errors;

use super::scene::{Scene, Spec};
use super::{affinity, container, ports, resources, security, volumes, windows};
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
    ("tolerations", Of(tolerations)),
    ("hostAliases", Of(host_aliases)),
    ("priorityClassName", Text(dns1123_subdomain)),
    ("runtimeClassName", If(class_name)),
    (
        "preemptionPolicy",
        If(|place, errors| {
            RequiredWord(&["PreemptLowerPriority", "Never"]).check(place, errors);
        }),
    ),
    ("overhead", Of(overhead)),
];

/// The spec of a template: its pods have no names yet.
pub(crate) fn validate(place: &Place<'_, '_>, errors: &mut Errors) {
    let spec = Spec {
        place,
        pod_name: "",
        is_pod: false,
    };
    validate_spec(&spec, errors);
}

/// The spec of a pod or of a template.
pub(super) fn validate_spec(spec: &Spec<'_, '_>, errors: &mut Errors) {
    let place = spec.place;
    if !place.at("terminationGracePeriodSeconds").exists() {
        place.child("terminationGracePeriodSeconds").required(errors, "");
    }
    let scene = Scene::new(place.value(), volumes::validate(spec, errors));
    resources::pod_claims(&place.child("resourceClaims"), errors);
    container::all(place, &scene, errors);
    resources::pod(place, errors);
    ports::host_network(place, spec.is_pod, errors);
    check(place, PLACING, errors);
    security::pod(place, errors);
    affinity::validate(&place.child("affinity"), errors);
    dns(place, errors);
    gates(place, errors);
    affinity::spread(&place.child("topologySpreadConstraints"), spec.is_pod, errors);
    windows::host_process(place, errors);
    host_users(place, errors);
    check(place, NAMES, errors);
    windows::os(place, errors);
    host_name(place, errors);
}

fn class_name(place: &Place<'_, '_>, errors: &mut Errors) {
    place.check(errors, dns1123_subdomain);
}

/// Upstream judges the overhead as a container's limits.
fn overhead(overhead: &Place<'_, '_>, errors: &mut Errors) {
    let limits = overhead.named("limits", overhead.value());
    quantity::amounts(&limits, quantity::container_resource_name, errors);
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

/// A pod with users of its own cannot have other namespaces of the host. Upstream spells the members like Go.
fn host_users(spec: &Place<'_, '_>, errors: &mut Errors) {
    if spec.at("hostUsers").boolean() != Some(false) {
        return;
    }
    for (member, path) in [
        ("hostNetwork", "hostNetwork"),
        ("hostPID", "HostPID"),
        ("hostIPC", "HostIPC"),
    ] {
        if spec.at(member).bool() {
            spec.child(path)
                .forbidden(errors, "when `pod.Spec.HostUsers` is false");
        }
    }
}

/// The longest name of a Linux host.
const MAX_HOST_NAME: usize = 64;

fn host_name(spec: &Place<'_, '_>, errors: &mut Errors) {
    let name = spec.child("hostnameOverride");
    if !name.exists() {
        return;
    }
    if name.len() > MAX_HOST_NAME {
        name.too_long(errors, MAX_HOST_NAME);
    }
    name.check(errors, dns1123_subdomain);
    for other in ["setHostnameAsFQDN", "hostNetwork"] {
        if spec.at(other).bool() {
            name.forbidden(errors, format!("may not be specified when `{other}` is true"));
        }
    }
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

/// `spec.tolerations`
pub(in crate::workloads) fn tolerations(tolerations: &Place<'_, '_>, errors: &mut Errors) {
    tolerations.each().for_each(|each| toleration(&each, errors));
}

fn toleration(place: &Place<'_, '_>, errors: &mut Errors) {
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
        "Lt" | "Gt" => number(&operator, value.str(), errors),
        _ => operator.not_supported(errors, &["Equal", "Exists"]),
    }
    if !effect.is_empty() {
        one_of(&effect, errors, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
    }
}

/// What is compared is a number in its shortest form.
fn number(operator: &Place<'_, '_>, value: &str, errors: &mut Errors) {
    let right = value
        .parse::<i64>()
        .is_ok_and(|number| number.to_string() == value);
    if !right {
        let text = format!("value must be an integer when `operator` is '{}'", operator.str());
        operator.invalid_value(errors, value, text);
    }
}
