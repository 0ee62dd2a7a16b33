//! Nobody is root.

use super::{Found, Pod, containers, found, setters};

const NON_ROOT: &str = "runAsNonRoot != true";

pub(super) fn non_root(pod: &Pod<'_>) -> Found {
    let path = "securityContext.runAsNonRoot";
    let of_pod = pod.context().at("runAsNonRoot").boolean();
    let roots = pod.which(|container| container.path(path).boolean() == Some(false));
    let who = setters(of_pod == Some(false), &roots);
    if !who.is_empty() {
        let detail = format!("{who} must not set securityContext.runAsNonRoot=false");
        return found(NON_ROOT, detail);
    }
    let silent = pod.which(|container| container.path(path).boolean().is_none());
    if of_pod == Some(true) || silent.is_empty() {
        return None;
    }
    let detail = format!(
        "pod or {} must set securityContext.runAsNonRoot=true",
        containers(&silent)
    );
    found(NON_ROOT, detail)
}

pub(super) fn non_root_1_35(pod: &Pod<'_>) -> Found {
    if pod.has_own_users() { None } else { non_root(pod) }
}

pub(super) fn not_zero(pod: &Pod<'_>) -> Found {
    let roots = pod.which(|container| container.path("securityContext.runAsUser").integer() == Some(0));
    let who = setters(pod.context().at("runAsUser").integer() == Some(0), &roots);
    if who.is_empty() {
        return None;
    }
    found("runAsUser=0", format!("{who} must not set runAsUser=0"))
}

pub(super) fn not_zero_1_35(pod: &Pod<'_>) -> Found {
    if pod.has_own_users() { None } else { not_zero(pod) }
}
