//! Privileges: all of them, single capabilities, and gaining more.

use std::collections::BTreeSet;

use schema::cursor::Ref;

use super::{Found, Pod, containers, found, quoted, setters};

pub(super) fn privileged(pod: &Pod<'_>) -> Found {
    let names = pod.which(|container| container.path("securityContext.privileged").bool());
    if names.is_empty() {
        return None;
    }
    let detail = format!(
        "{} must not set securityContext.privileged=true",
        containers(&names)
    );
    found("privileged", detail)
}

pub(super) fn host_process(pod: &Pod<'_>) -> Found {
    const HOST_PROCESS: &str = "windowsOptions.hostProcess";
    let names = pod.which(|container| container.at("securityContext").path(HOST_PROCESS).bool());
    let who = setters(pod.context().path(HOST_PROCESS).bool(), &names);
    if who.is_empty() {
        return None;
    }
    let detail = format!("{who} must not set securityContext.windowsOptions.hostProcess=true");
    found("hostProcess", detail)
}

pub(super) fn escalation(pod: &Pod<'_>) -> Found {
    let path = "securityContext.allowPrivilegeEscalation";
    let names = pod.which(|container| container.path(path).boolean() != Some(false));
    if names.is_empty() {
        return None;
    }
    let detail = format!(
        "{} must set securityContext.allowPrivilegeEscalation=false",
        containers(&names)
    );
    found("allowPrivilegeEscalation != false", detail)
}

pub(super) fn escalation_1_25(pod: &Pod<'_>) -> Found {
    if pod.is_windows() { None } else { escalation(pod) }
}

/// What container runtimes give anyway.
const DEFAULT: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Who adds what beyond the allowed.
fn adding<'a>(pod: &Pod<'a>, allowed: &[&str]) -> Option<String> {
    let added = |container: Ref<'a>| {
        let added = container.path("securityContext.capabilities.add").strings();
        added.filter(|name| !allowed.contains(name)).collect::<Vec<_>>()
    };
    let names = pod.which(|container| !added(container).is_empty());
    if names.is_empty() {
        return None;
    }
    let added: BTreeSet<&str> = pod.containers().flat_map(added).collect();
    Some(format!(
        "{} must not include {} in securityContext.capabilities.add",
        containers(&names),
        quoted(&added)
    ))
}

pub(super) fn capabilities(pod: &Pod<'_>) -> Found {
    found("non-default capabilities", adding(pod, &DEFAULT)?)
}

pub(super) fn few_capabilities(pod: &Pod<'_>) -> Found {
    let keeps = |container: Ref<'_>| {
        let mut dropped = container.path("securityContext.capabilities.drop").strings();
        !dropped.any(|name| name == "ALL")
    };
    let names = pod.which(keeps);
    let keeping = (!names.is_empty()).then(|| {
        let who = containers(&names);
        format!("{who} must set securityContext.capabilities.drop=[\"ALL\"]")
    });
    let wrong: Vec<String> = keeping
        .into_iter()
        .chain(adding(pod, &["NET_BIND_SERVICE"]))
        .collect();
    if wrong.is_empty() {
        return None;
    }
    found("unrestricted capabilities", wrong.join("; "))
}

pub(super) fn few_capabilities_1_25(pod: &Pod<'_>) -> Found {
    if pod.is_windows() {
        None
    } else {
        few_capabilities(pod)
    }
}
