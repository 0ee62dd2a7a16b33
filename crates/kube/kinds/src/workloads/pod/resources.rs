//! What a pod asks for as a whole, and the claims of devices that it shares among containers.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::{Error, Errors};

use super::amounts;
use crate::Place;
use crate::rules::names::{dns1123_label, dns1123_subdomain};
use crate::rules::quantity::{self, Quantity};
use crate::rules::table::Rule;

/// The claims that a pod has: `spec.resourceClaims`.
pub(super) fn pod_claims(claims: &Place<'_, '_>, errors: &mut Errors) {
    let mut names = BTreeSet::new();
    for claim in claims.each() {
        let name = claim.child("name");
        if name.require(errors, "") {
            match names.insert(name.str()) {
                true => name.check(errors, dns1123_label),
                false => name.duplicate(errors),
            }
        }
        let (object, template) = (
            claim.child("resourceClaimName"),
            claim.child("resourceClaimTemplateName"),
        );
        let text = match (object.exists(), template.exists()) {
            (true, true) => {
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            }
            (false, false) => "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            _ => "",
        };
        if !text.is_empty() {
            claim.invalid(errors, text);
        }
        for place in [object, template] {
            if place.exists() {
                place.check(errors, dns1123_subdomain);
            }
        }
    }
}

/// The claims, or single requests of claims, that a container has: `resources.claims`.
pub(super) fn claims(claims: &Place<'_, '_>, known: &BTreeSet<&str>, errors: &mut Errors) {
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for claim in claims.each() {
        let (name, request) = (claim.at("name").str(), claim.at("request").str());
        if name.is_empty() {
            claim.required(errors, "");
            continue;
        }
        let duplicate = |text: &str| Error::duplicate(&claim.path(), text);
        if seen.contains(&(name, "")) {
            errors.push(duplicate(name));
        } else {
            Rule::Text(dns1123_label).check(&claim.child("request"), errors);
            if !request.is_empty() && seen.contains(&(name, request)) {
                errors.push(duplicate(&format!("{name}/{request}")));
            } else if request.is_empty() {
                let parts = seen.iter().filter(|(other, _)| *other == name);
                errors.extend(parts.map(|_| duplicate(name)));
            }
            seen.insert((name, request));
        }
        if !known.contains(name) {
            let mut error = Error::not_found(&claim.path(), name);
            let names: Vec<&str> = known.iter().copied().collect();
            let which = match names.is_empty() {
                true => " which is empty".to_owned(),
                false => format!(": {}", names.join(", ")),
            };
            error.detail = format!("must be one of the names in pod.spec.resourceClaims{which}");
            errors.push(error);
        }
    }
}

/// What a pod can ask for as a whole.
fn pod_resource_name(place: &Place<'_, '_>, name: &str, errors: &mut Errors) {
    let before = errors.len();
    quantity::resource_name(place, name, errors);
    if errors.len() == before && !amounts::is_supported(name) {
        let path = place.path();
        errors.push(Error::not_supported(
            &path,
            name,
            &["cpu", "hugepages-", "memory"],
        ));
    }
}

/// `spec.resources`: at least what the containers ask for together, and no container's limit is above it.
pub(super) fn pod(spec: &Place<'_, '_>, errors: &mut Errors) {
    let resources = spec.child("resources");
    if !resources.exists() {
        return;
    }
    if resources.at("claims").exists() {
        resources
            .child("claims")
            .forbidden(errors, "claims cannot be set for Resources at pod-level");
    }
    quantity::requirements_of(&resources, pod_resource_name, errors);
    let requests = resources.child("requests");
    for (name, asked) in amounts::requests(spec.value()) {
        let own = requests.at(&name);
        if asked > Quantity::of(own) {
            let given = if own.exists() { own.str() } else { "0" };
            let text = format!("must be greater than or equal to aggregate container requests of {asked}");
            requests.key(&name).invalid_value(errors, given, text);
        }
    }
    for container in spec.child("containers").each() {
        container_limits(&resources, &container, errors);
    }
}

/// Upstream's path goes through the pod's resources.
fn container_limits(resources: &Place<'_, '_>, container: &Place<'_, '_>, errors: &mut Errors) {
    let limits = resources.at("limits");
    let above = |(name, limit): &(&str, Ref<'_>)| {
        limits.at(name).exists() && Quantity::of(*limit) > Quantity::of(limits.at(name))
    };
    let own = container.at("resources").at("limits").entries();
    let index = container.path().to_string();
    let index = index
        .rsplit_once('[')
        .map_or("", |(_, index)| index.trim_end_matches(']'));
    for (name, limit) in own.filter(above) {
        let path = resources
            .path()
            .child(&format!("containers[{index}]"))
            .key(name)
            .child("limits");
        let text = format!(
            "must be less than or equal to pod limits of {}",
            limits.at(name).str()
        );
        errors.push(Error::invalid(&path, limit.str(), text));
    }
}
