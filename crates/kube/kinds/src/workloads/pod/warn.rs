//! What a client is told about a pod that is valid and probably not meant so: upstream's `pkg/api/pod/warnings.go`.

use std::collections::{BTreeMap, BTreeSet};

use schema::cursor::Ref;

use super::scene::each_container;
use crate::Place;
use crate::rules::quantity::Quantity;

/// Warnings about a pod or a template; the place is what has `metadata` and `spec`.
pub(crate) fn warnings(place: &Place<'_, '_>, is_template: bool) -> Vec<String> {
    let (metadata, spec) = (place.child("metadata"), place.child("spec"));
    let mut found = Vec::new();
    node_labels(&spec, &mut found);
    annotations(&metadata, &mut found);
    volumes(&spec.child("volumes"), &mut found);
    token_files(&spec.child("volumes"), &mut found);
    repeated(&spec.child("hostAliases"), "ip", &mut found);
    repeated(&spec.child("imagePullSecrets"), "name", &mut found);
    for secret in spec
        .child("imagePullSecrets")
        .each()
        .filter(|secret| secret.at("name").is_empty())
    {
        found.push(format!(
            "{}: invalid empty name \"\"",
            secret.child("name").path()
        ));
    }
    fractions(&spec.child("overhead"), &mut found);
    profiles(&metadata, &spec, is_template, &mut found);
    each_container(&spec, |container| variables(&container.child("env"), &mut found));
    ports(&spec, &mut found);
    let grace = spec.child("terminationGracePeriodSeconds");
    if grace.int() < 0 {
        let text = "must be >= 0; negative values are invalid and will be treated as 1";
        found.push(format!("{}: {text}", grace.path()));
    }
    affinity(&spec.child("affinity"), &mut found);
    found
}

/// Labels of nodes that have new names.
const NODE_LABELS: [(&str, &str); 5] = [
    (
        "beta.kubernetes.io/arch",
        "deprecated since v1.14; use \"kubernetes.io/arch\" instead",
    ),
    (
        "beta.kubernetes.io/os",
        "deprecated since v1.14; use \"kubernetes.io/os\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
];

fn deprecated_label(label: &str) -> Option<&'static str> {
    let found = NODE_LABELS.iter().find(|(name, _)| *name == label);
    found.map(|(_, text)| *text)
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const NO_SELECTOR: &str = "a null labelSelector results in matching no pod";

fn node_labels(spec: &Place<'_, '_>, found: &mut Vec<String>) {
    for (label, place) in spec.child("nodeSelector").each_entry() {
        found.extend(deprecated_label(label).map(|text| format!("{}: {text}", place.path())));
    }
    let nodes = spec.child("affinity.nodeAffinity");
    let required = nodes.child(REQUIRED);
    let required = required.child("nodeSelectorTerms");
    required.each().for_each(|each| term(&each, found));
    for preference in nodes.child(PREFERRED).each() {
        term(&preference.child("preference"), found);
    }
    for constraint in spec.child("topologySpreadConstraints").each() {
        let topology = constraint.child("topologyKey");
        if let Some(text) = deprecated_label(topology.str()) {
            found.push(format!("{}: {} is {text}", topology.path(), topology.str()));
        }
        let selector = constraint.child("labelSelector");
        if !selector.exists() {
            found.push(format!("{}: {NO_SELECTOR}", selector.path()));
        }
    }
}

fn term(term: &Place<'_, '_>, found: &mut Vec<String>) {
    for expression in term.child("matchExpressions").each() {
        let key = expression.child("key");
        if let Some(text) = deprecated_label(key.str()) {
            found.push(format!("{}: {} is {text}", key.path(), key.str()));
        }
    }
}

const ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];

fn annotations(metadata: &Place<'_, '_>, found: &mut Vec<String>) {
    let annotations = metadata.child("annotations");
    let given = ANNOTATIONS.iter().filter(|(key, _)| annotations.at(key).exists());
    found.extend(given.map(|(key, text)| format!("{}: {text}", annotations.key(key).path())));
}

/// Sources that no node can mount any more.
const SOURCES: [(&str, &str, &str); 9] = [
    (
        "photonPersistentDisk",
        "photonPersistentDisk",
        "deprecated in v1.11, non-functional in v1.16+",
    ),
    (
        "gitRepo",
        "gitRepo",
        "deprecated in v1.11, and disabled by default in v1.33+",
    ),
    (
        "scaleIO",
        "scaleIO",
        "deprecated in v1.16, non-functional in v1.22+",
    ),
    (
        "flocker",
        "flocker",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "storageos",
        "storageOS",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "quobyte",
        "quobyte",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "glusterfs",
        "glusterfs",
        "deprecated in v1.25, non-functional in v1.26+",
    ),
    (
        "cephfs",
        "cephfs",
        "deprecated in v1.28, non-functional in v1.31+",
    ),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

fn volumes(volumes: &Place<'_, '_>, found: &mut Vec<String>) {
    for volume in volumes.each() {
        let given = SOURCES.iter().filter(|(member, _, _)| volume.at(member).exists());
        found.extend(given.map(|(_, path, text)| format!("{}: {text}", volume.child(path).path())));
        let claim = volume.child("ephemeral.volumeClaimTemplate.spec");
        found.extend(crate::storage::claim_warnings(&claim));
    }
}

/// A token's file that another source writes too.
fn token_files(volumes: &Place<'_, '_>, found: &mut Vec<String>) {
    let projected = volumes
        .items()
        .flat_map(|volume| volume.path("projected.sources").items());
    let tokens = projected.map(|source| source.at("serviceAccountToken"));
    let tokens: BTreeSet<&str> = tokens
        .filter(|token| token.exists())
        .map(|token| token.at("path").str())
        .collect();
    for volume in volumes.each() {
        let sources = volume.child("projected");
        for source in sources.at("sources").items() {
            shadowed(&sources.named("sources", source), source, &tokens, found);
        }
    }
}

/// Upstream's paths name no source by its index, and spell some otherwise.
fn shadowed(sources: &Place<'_, '_>, source: Ref<'_>, tokens: &BTreeSet<&str>, found: &mut Vec<String>) {
    let mut warn = |path: String, file: &str| {
        if tokens.contains(file) {
            found.push(format!(
                "{path}: has duplicated path with ServiceAccountToken {file:?}"
            ));
        }
    };
    let path = sources.path();
    for (member, name) in [
        ("configMap", "configMap"),
        ("secret", "secrets"),
        ("downwardAPI", "downwardAPI"),
    ] {
        for (index, item) in source.at(member).at("items").items().enumerate() {
            warn(path.child(name).index(index).to_string(), item.at("path").str());
        }
    }
    let bundle = source.at("clusterTrustBundle");
    if bundle.exists() {
        warn(
            path.child("ClusterTrustBundle").to_string(),
            bundle.at("path").str(),
        );
    }
}

fn repeated(list: &Place<'_, '_>, member: &str, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for item in list.each().filter(|item| !seen.insert(item.at(member).str())) {
        let text = item.at(member).str();
        found.push(format!(
            "{}: duplicate {member} {text:?}",
            item.child(member).path()
        ));
    }
}

/// Bytes come in whole ones.
fn fractions(amounts: &Place<'_, '_>, found: &mut Vec<String>) {
    for name in ["memory", "ephemeral-storage"] {
        let amount = amounts.key(name);
        if amount.exists() && !Quantity::of(amount.value()).is_whole() {
            let text = format!(
                "fractional byte value {:?} is invalid, must be an integer",
                amount.str()
            );
            found.push(format!("{}: {text}", amount.path()));
        }
    }
}

const SECCOMP: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
const APP_ARMOR: &str = "deprecated since v1.30; use the \"appArmorProfile\" field instead";

/// Profiles in annotations where the field says nothing, and amounts of containers.
fn profiles(metadata: &Place<'_, '_>, spec: &Place<'_, '_>, is_template: bool, found: &mut Vec<String>) {
    let annotations = metadata.child("annotations");
    let warn = |key: &str, text: &str, found: &mut Vec<String>| {
        if annotations.at(key).exists() {
            found.push(format!("{}: {text}", annotations.key(key).path()));
        }
    };
    let whole = spec.at("securityContext");
    if !whole.at("seccompProfile").exists() {
        warn("seccomp.security.alpha.kubernetes.io/pod", SECCOMP, found);
    }
    each_container(spec, |container| {
        let (name, context) = (container.at("name").str(), container.at("securityContext"));
        if !context.at("seccompProfile").exists() {
            let key = format!("container.seccomp.security.alpha.kubernetes.io/{name}");
            warn(&key, SECCOMP, found);
        }
        let confined = [whole, context]
            .iter()
            .any(|context| context.at("appArmorProfile").exists());
        if is_template && !confined {
            let key = format!("container.apparmor.security.beta.kubernetes.io/{name}");
            warn(&key, APP_ARMOR, found);
        }
        let resources = container.child("resources");
        fractions(&resources.child("limits"), found);
        fractions(&resources.child("requests"), found);
    });
}

/// A second definition that does not build upon the first.
fn variables(variables: &Place<'_, '_>, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for variable in variables.each() {
        let (name, value) = (variable.at("name").str(), variable.at("value").str());
        let reference = format!("$({name})");
        let builds = !variable.at("valueFrom").exists() && value.contains(&reference) && value != reference;
        if !seen.insert(name) && !builds {
            let text = "which may be dropped when using apply";
            found.push(format!(
                "{}: hides previous definition of {name:?}, {text}",
                variable.path()
            ));
        }
    }
}

/// Ports of the same number, over all containers.
fn ports(spec: &Place<'_, '_>, found: &mut Vec<String>) {
    let mut seen: BTreeMap<(i64, String), Vec<(String, i64, String)>> = BTreeMap::new();
    each_container(spec, |container| {
        for port in container.child("ports").each() {
            let (address, outer) = (port.at("hostIP").str(), port.at("hostPort").int());
            let (number, protocol) = (port.at("containerPort").int(), port.at("protocol").str());
            let path = port.path().to_string();
            if !address.is_empty() && outer == 0 {
                found.push(format!(
                    "{path}: hostIP set without hostPort: {}",
                    go_port(port.value())
                ));
            }
            let others = seen.entry((number, protocol.to_owned())).or_default();
            for (other, other_outer, other_address) in others.iter() {
                let how = overlap((outer, address), (*other_outer, other_address));
                found.extend(how.map(|how| format!("{path}: {how} port definition with {other}")));
            }
            others.push((path, outer, address.to_owned()));
        }
    });
}

fn overlap(one: (i64, &str), other: (i64, &str)) -> Option<&'static str> {
    if one == other {
        Some("duplicate")
    } else if one.0 == 0 || other.0 == 0 {
        Some("overlapping")
    } else if one.0 == other.0 && one.1.is_empty() != other.1.is_empty() {
        Some("dangerously ambiguous")
    } else {
        None
    }
}

/// A port as Go prints it.
fn go_port(port: Ref<'_>) -> String {
    let text = |name: &str| port.at(name).str();
    format!(
        "{{Name:{} HostPort:{} ContainerPort:{} Protocol:{} HostIP:{}}}",
        text("name"),
        port.at("hostPort").int(),
        port.at("containerPort").int(),
        text("protocol"),
        text("hostIP")
    )
}

fn affinity(affinity: &Place<'_, '_>, found: &mut Vec<String>) {
    for name in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.child(name);
        let mut warn = |term: &Place<'_, '_>| {
            let selector = term.child("labelSelector");
            if !selector.exists() {
                found.push(format!("{}: {NO_SELECTOR}", selector.path()));
            }
        };
        pods.child(REQUIRED).each().for_each(|term| warn(&term));
        for preference in pods.child(PREFERRED).each() {
            warn(&preference.child("podAffinityTerm"));
        }
    }
}
