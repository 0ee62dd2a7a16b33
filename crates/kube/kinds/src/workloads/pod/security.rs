//! Security contexts: of a pod, and of a container.

use std::collections::BTreeSet;

use schema::field::Errors;

use super::kept::{Fault, Kept};
use super::windows;
use crate::Place;
use crate::rules::paths::descending;
use crate::rules::table::Rule::{If, Of, Range, Word};
use crate::rules::table::{Rules, check};
use crate::rules::value::{in_range, one_of};

/// Users and groups are 31 bits.
const MAX_ID: i64 = i32::MAX as i64;

const POD: Rules = &[
    ("fsGroup", Range(0, MAX_ID)),
    ("runAsUser", Range(0, MAX_ID)),
    ("runAsGroup", Range(0, MAX_ID)),
    ("supplementalGroups", Of(groups)),
];

const POD_REST: Rules = &[
    ("fsGroupChangePolicy", Word(&["Always", "OnRootMismatch"])),
    ("seccompProfile", If(seccomp)),
    ("windowsOptions", If(windows::options)),
    ("appArmorProfile", If(app_armor)),
    ("supplementalGroupsPolicy", Word(&["Merge", "Strict"])),
];

fn groups(groups: &Place<'_, '_>, errors: &mut Errors) {
    groups
        .each()
        .for_each(|group| in_range(&group, errors, 0, MAX_ID));
}

/// The context of a pod.
pub(super) fn pod(spec: &Place<'_, '_>, kept: &Kept, errors: &mut Errors) {
    let context = spec.child("securityContext");
    check(&context, POD, errors);
    let shared = spec.at("shareProcessNamespace");
    if shared.bool() && spec.at("hostPID").bool() {
        let text = "ShareProcessNamespace and HostPID cannot both be enabled";
        context
            .named("shareProcessNamespace", shared)
            .invalid(errors, text);
    }
    sysctls(
        spec,
        &context.child("sysctls"),
        kept.has(Fault::SharedSysctls),
        errors,
    );
    check(&context, POD_REST, errors);
    // The other policy needs a feature that is off by default until 1.37.
    let policies: &[&str] = match kept.has(Fault::Relabelling) {
        true => &["MountOption", "Recursive"],
        false => &["Recursive"],
    };
    Word(policies).check(&context.child("seLinuxChangePolicy"), errors);
}

const SYSCTL: &str = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

/// `kernel.shm_rmid_forced`, `net/ipv4/ip_local_port_range`
fn is_sysctl(name: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let segment = |part: &str| {
        let bytes = part.as_bytes();
        let ends = bytes.first().zip(bytes.last());
        ends.is_some_and(|(first, last)| edge(*first) && edge(*last))
            && bytes.iter().all(|byte| edge(*byte) || b"-_".contains(byte))
    };
    name.len() <= 253 && name.split(['.', '/']).all(segment)
}

/// Settings of the kernel that a namespace has of its own.
fn namespace(name: &str) -> &'static str {
    const IPC: [&str; 4] = ["kernel.shm", "kernel.msg", "fs.mqueue.", "kernel.sem"];
    let dotted = name.replace('/', ".");
    match &dotted {
        name if name.starts_with("net.") => "hostNetwork",
        name if IPC.iter().any(|prefix| name.starts_with(prefix)) => "hostIPC",
        _ => "",
    }
}

/// The namespace of a setting, if it is the host's.
fn shared(spec: &Place<'_, '_>, sysctl: &str) -> Option<&'static str> {
    let namespace = namespace(sysctl);
    (!namespace.is_empty() && spec.at(namespace).bool()).then_some(namespace)
}

/// Whether a pod sets what is the host's.
pub(super) fn shares_sysctls(spec: &Place<'_, '_>) -> bool {
    let mut sysctls = spec.value().path("securityContext.sysctls").items();
    sysctls.any(|sysctl| shared(spec, sysctl.at("name").str()).is_some())
}

fn sysctls(spec: &Place<'_, '_>, sysctls: &Place<'_, '_>, may_share: bool, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for sysctl in sysctls.each() {
        let name = sysctl.child("name");
        let new = seen.insert(name.str());
        if name.require(errors, "") {
            if !is_sysctl(name.str()) {
                let text = format!("must have at most 253 characters and match regex {SYSCTL}");
                name.invalid(errors, text);
            } else if !new {
                name.duplicate(errors);
            }
        }
        if let Some(shared) = shared(spec, name.str()).filter(|_| !may_share) {
            name.invalid(errors, format!("may not be specified when '{shared}' is true"));
        }
    }
}

const PROFILES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

fn seccomp(profile: &Place<'_, '_>, errors: &mut Errors) {
    let (kind, local) = (profile.child("type"), profile.child("localhostProfile"));
    if kind.require(errors, "type is required when seccompProfile is set") {
        one_of(&kind, errors, PROFILES);
    }
    match (kind.str() == "Localhost", local.exists()) {
        (true, false) => local.required(errors, "must be set when seccomp type is Localhost"),
        (true, true) => descending(&local, errors),
        (false, true) => {
            let local = local.holding(profile.value());
            local.invalid(errors, "can only be set when seccomp type is Localhost");
        }
        (false, false) => {}
    }
}

/// The longest path that Linux knows, without its end.
const MAX_PATH: usize = 4095;

pub(super) fn app_armor(profile: &Place<'_, '_>, errors: &mut Errors) {
    const NEEDED: &str = "must be set when AppArmor type is Localhost";
    let (kind, local) = (profile.child("type"), profile.child("localhostProfile"));
    match kind.str() {
        "Localhost" if local.str().trim() != local.str() => {
            local.invalid(errors, "must not be padded with whitespace");
        }
        "Localhost" => drop(local.require(errors, NEEDED)),
        "RuntimeDefault" | "Unconfined" if local.exists() => {
            local.invalid(errors, "can only be set when AppArmor type is Localhost");
        }
        "RuntimeDefault" | "Unconfined" => {}
        "" => kind.required(errors, "type is required when appArmorProfile is set"),
        _ => kind.not_supported(errors, PROFILES),
    }
    if kind.str() == "Localhost" && local.len() > MAX_PATH {
        local.too_long(errors, MAX_PATH);
    }
}

const CONTAINER: Rules = &[("runAsUser", Range(0, MAX_ID)), ("runAsGroup", Range(0, MAX_ID))];

const CONTAINER_REST: Rules = &[
    ("windowsOptions", If(windows::options)),
    ("appArmorProfile", If(app_armor)),
];

/// The context of a container.
pub(super) fn container(context: &Place<'_, '_>, host_users: bool, errors: &mut Errors) {
    if !context.exists() {
        return;
    }
    check(context, CONTAINER, errors);
    let mount = context.child("procMount");
    Word(&["Default", "Unmasked"]).check(&mount, errors);
    if host_users && mount.str() == "Unmasked" {
        mount.invalid(errors, "`hostUsers` must be false to use `Unmasked`");
    }
    If(seccomp).check(&context.child("seccompProfile"), errors);
    if context.at("allowPrivilegeEscalation").boolean() == Some(false) {
        escalation(context, errors);
    }
    check(context, CONTAINER_REST, errors);
}

fn escalation(context: &Place<'_, '_>, errors: &mut Errors) {
    const TEXT: &str = "cannot set `allowPrivilegeEscalation` to false and";
    if context.at("privileged").bool() {
        context.invalid(errors, format!("{TEXT} `privileged` to true"));
    }
    let added = context.at("capabilities").at("add").strings();
    for _ in added.filter(|capability| *capability == "CAP_SYS_ADMIN") {
        context.invalid(errors, format!("{TEXT} `capabilities.Add` CAP_SYS_ADMIN"));
    }
}
