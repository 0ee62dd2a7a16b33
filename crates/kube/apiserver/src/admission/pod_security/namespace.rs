//! A namespace whose labels change: they must say something, and the client hears which pods would not be let in any
//! more. Those that are there stay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schema::cursor::Ref;
use schema::object::Obj;
use schema::status::Status;

use super::checks::{Pod, evaluate};
use super::level::{Level, LevelVersion, Policy};
use crate::Answer;
use crate::admission::Request;
use crate::registry::convert;

const PODS: &str = "/registry/pods/";

/// How many pods are looked at.
const MOST: usize = 3000;

/// Judges the labels.
///
/// # Errors
/// 422
pub(super) fn validate(request: &Request<'_>, namespace: Ref<'_>) -> Answer<()> {
    let of = |object: Ref<'_>| Policy::of(|label| object.path("metadata.labels").at(label).text());
    let (policy, errors) = of(namespace);
    let before = request.old.map(of);
    let known = before.as_ref().is_some_and(|(_, before)| *before == errors);
    if !errors.is_empty() && !known {
        let kind = request.op.served.group_kind();
        return Err(Status::invalid(kind, namespace.path("metadata.name").str(), &errors).into());
    }
    if let Some((before, _)) = before
        && is_stricter(policy.enforce, before.enforce)
    {
        warn(request, namespace.path("metadata.name").str(), policy.enforce)?;
    }
    Ok(())
}

fn is_stricter(new: LevelVersion, old: LevelVersion) -> bool {
    let relaxed = new.version == old.version && new.level <= old.level;
    new != old && new.level != Level::Privileged && !relaxed
}

/// Pods that break the same rules, in the order of their first names.
type Breaking = BTreeMap<String, BTreeSet<String>>;

fn warn(request: &Request<'_>, namespace: &str, enforce: LevelVersion) -> Answer<()> {
    let state = request.op.state;
    let pods = state.cache.snapshot(PODS);
    let below = format!("{namespace}/");
    let all = distinct_first(pods.range(&below, "").collect());
    let served = state.resources.lookup("", "v1", "pods");
    let served = served.ok_or_else(|| Status::internal("pods are not served"))?;
    let mut breaking = Breaking::new();
    for pod in all.iter().take(MOST) {
        let tree = convert::stored_tree(&served, pod)?;
        let violations = evaluate(enforce, &Pod::of(Ref::new(&served.def.types, &tree)));
        if !violations.is_empty() {
            let names = breaking.entry(violations.reason()).or_default();
            names.insert(pod.meta.name.to_string());
        }
    }
    let warnings = &request.op.call.warnings;
    if all.len() > MOST {
        warnings.add(format!(
            "new PodSecurity enforce level only checked against the first {MOST} of {} existing pods",
            all.len()
        ));
    }
    if !breaking.is_empty() {
        warnings.add(format!(
            "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{enforce}\""
        ));
    }
    let mut lines: Vec<String> = breaking
        .iter()
        .map(|(reason, names)| line(reason, names))
        .collect();
    lines.sort_unstable();
    lines.into_iter().for_each(|line| warnings.add(line));
    Ok(())
}

/// One pod of each controller first: its others will break the same rules.
fn distinct_first(pods: Vec<&Arc<Obj>>) -> Vec<&Arc<Obj>> {
    let mut seen = BTreeSet::new();
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for pod in pods {
        let mut owners = pod.meta.owner_references.iter();
        let controller = owners.find(|owner| owner.controller);
        match controller {
            Some(owner) if !seen.insert(owner.uid.to_string()) => rest.push(pod),
            _ => first.push(pod),
        }
    }
    first.append(&mut rest);
    first
}

fn line(reason: &str, names: &BTreeSet<String>) -> String {
    let first = names.first().map_or("", String::as_str);
    match names.len() {
        1 => format!("{first}: {reason}"),
        2 => format!("{first} (and 1 other pod): {reason}"),
        many => format!("{first} (and {} other pods): {reason}", many - 1),
    }
}
