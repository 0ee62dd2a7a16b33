//! Profiles of the kernel's security modules: `AppArmor`, `SELinux`, seccomp.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::json::go_quote;

use super::{Found, Pod, containers, found, plural, quoted, setters};

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

fn is_confined(kind: &str) -> bool {
    ["RuntimeDefault", "Localhost"].contains(&kind)
}

/// The types below a profile that confine nothing: of the pod, and of its containers by name.
fn unconfined<'a>(pod: &Pod<'a>, profile: &'a str) -> (Option<&'a str>, Vec<(&'a str, &'a str)>) {
    let kind = |context: Ref<'a>| {
        let profile = context.at(profile);
        let wrong = profile.exists() && !is_confined(profile.at("type").str());
        wrong.then(|| profile.at("type").str())
    };
    let of = |container: Ref<'a>| {
        let kind = kind(container.at("securityContext"))?;
        Some((container.at("name").str(), kind))
    };
    (kind(pod.context()), pod.containers().filter_map(of).collect())
}

pub(super) fn app_armor(pod: &Pod<'_>) -> Found {
    let (of_pod, wrong) = unconfined(pod, "appArmorProfile");
    let names: Vec<&str> = wrong.iter().map(|(name, _)| *name).collect();
    let kinds: BTreeSet<&str> = of_pod
        .into_iter()
        .chain(wrong.iter().map(|(_, kind)| *kind))
        .collect();
    let fine =
        |value: &str| value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
    let annotated = pod.annotations.entries();
    let annotated = annotated.filter(|(key, value)| key.starts_with(APP_ARMOR) && !fine(value.str()));
    let annotated: Vec<String> = annotated
        .map(|(key, value)| format!("{key}={}", go_quote(value.str())))
        .collect();
    let mut who = vec![setters(of_pod.is_some(), &names)];
    if !annotated.is_empty() {
        who.push(plural(annotated.len(), "annotation", "annotations").to_owned());
    }
    who.retain(|who| !who.is_empty());
    if who.is_empty() {
        return None;
    }
    let values: Vec<String> = kinds.into_iter().map(str::to_owned).chain(annotated).collect();
    found(
        plural(
            values.len(),
            "forbidden AppArmor profile",
            "forbidden AppArmor profiles",
        ),
        format!(
            "{} must not set AppArmor profile type to {}",
            who.join(" and "),
            quoted(&values)
        ),
    )
}

const SELINUX_TYPES: [&str; 5] = [
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

pub(super) fn selinux(pod: &Pod<'_>) -> Found {
    selinux_of(pod, &SELINUX_TYPES[..4])
}

pub(super) fn selinux_1_31(pod: &Pod<'_>) -> Found {
    selinux_of(pod, &SELINUX_TYPES)
}

fn selinux_of(pod: &Pod<'_>, allowed: &[&str]) -> Found {
    const OPTIONS: &str = "securityContext.seLinuxOptions";
    let has = |options: Ref<'_>, member: &str| !options.at(member).is_empty();
    let bad_type = |options: Ref<'_>| !allowed.contains(&options.at("type").str());
    let wrong = |options: Ref<'_>| bad_type(options) || has(options, "user") || has(options, "role");
    let names = pod.which(|container| wrong(container.path(OPTIONS)));
    let who = setters(wrong(pod.spec.path(OPTIONS)), &names);
    if who.is_empty() {
        return None;
    }
    let holders = std::iter::once(pod.spec).chain(pod.containers());
    let all: Vec<Ref<'_>> = holders.map(|holder| holder.path(OPTIONS)).collect();
    let types = all.iter().filter(|options| bad_type(**options));
    let types: BTreeSet<&str> = types.map(|options| options.at("type").str()).collect();
    let mut what = Vec::new();
    if !types.is_empty() {
        what.push(format!(
            "{} {}",
            plural(types.len(), "type", "types"),
            quoted(&types)
        ));
    }
    for member in ["user", "role"] {
        if all.iter().any(|options| has(*options, member)) {
            what.push(format!("{member} may not be set"));
        }
    }
    let what = what.join("; ");
    found(
        "seLinuxOptions",
        format!("{who} set forbidden securityContext.seLinuxOptions: {what}"),
    )
}

/// Before 1.19 profiles were annotations.
pub(super) fn seccomp_annotations(pod: &Pod<'_>) -> Found {
    const OF_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
    const OF_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
    let fine = |value: &str| {
        ["runtime/default", "docker/default"].contains(&value) || value.starts_with("localhost/")
    };
    let of_containers = pod
        .containers()
        .map(|container| format!("{OF_CONTAINER}{}", container.at("name").str()));
    let keys = std::iter::once(OF_POD.to_owned()).chain(of_containers);
    let wrong = keys.filter_map(|key| {
        let value = pod.annotations.at(&key).text().filter(|value| !fine(value))?;
        Some(format!("{key}={}", go_quote(value)))
    });
    let wrong: BTreeSet<String> = wrong.collect();
    if wrong.is_empty() {
        return None;
    }
    let listed: Vec<&str> = wrong.iter().map(String::as_str).collect();
    let annotations = plural(wrong.len(), "annotation", "annotations");
    found(
        "seccompProfile",
        format!("forbidden {annotations} {}", listed.join(", ")),
    )
}

pub(super) fn seccomp(pod: &Pod<'_>) -> Found {
    let (of_pod, wrong) = unconfined(pod, "seccompProfile");
    let names: Vec<&str> = wrong.iter().map(|(name, _)| *name).collect();
    let who = setters(of_pod.is_some(), &names);
    if who.is_empty() {
        return None;
    }
    let kinds: BTreeSet<&str> = of_pod
        .into_iter()
        .chain(wrong.iter().map(|(_, kind)| *kind))
        .collect();
    let detail = format!(
        "{who} must not set securityContext.seccompProfile.type to {}",
        quoted(&kinds)
    );
    found("seccompProfile", detail)
}

pub(super) fn seccomp_required(pod: &Pod<'_>) -> Found {
    if let Some(wrong) = seccomp(pod) {
        return Some(wrong);
    }
    if pod.context().at("seccompProfile").exists() {
        return None;
    }
    let names = pod.which(|container| !container.path("securityContext.seccompProfile").exists());
    if names.is_empty() {
        return None;
    }
    let who = containers(&names);
    found(
        "seccompProfile",
        format!(
            "pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\""
        ),
    )
}

pub(super) fn seccomp_required_1_25(pod: &Pod<'_>) -> Found {
    if pod.is_windows() {
        None
    } else {
        seccomp_required(pod)
    }
}
