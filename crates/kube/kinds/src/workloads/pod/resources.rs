//! What a pod asks for as a whole, and the claims of devices that it shares among containers.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::{Error, Errors, Path};

use super::amounts;
use super::annotations::MIRROR;
use super::kept::{Fault, Kept};
use super::scene::Spec;
use crate::Place;
use crate::rules::names::{dns1123_label, dns1123_subdomain};
use crate::rules::quantity::{self, Quantity};
use crate::rules::table::Rule;

/// The claims that a pod has: `spec.resourceClaims`.
pub(super) fn pod_claims(spec: &Spec<'_, '_>, errors: &mut Errors) {
    let claims = spec.place.child("resourceClaims");
    let annotations = spec.pod.map(|metadata| metadata.at("annotations"));
    let is_mirror = annotations.is_some_and(|annotations| annotations.at(MIRROR).exists());
    let mut names = BTreeSet::new();
    for claim in claims.each() {
        if is_mirror {
            let text = "static pods do not support resource claims";
            errors.push(Error::forbidden(&Path::root(), text));
            continue;
        }
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
pub(super) fn pod(spec: &Place<'_, '_>, kept: &Kept, errors: &mut Errors) {
    let resources = spec.child("resources");
    if !resources.exists() {
        return;
    }
    if spec.value().path("os.name").str() == "windows" {
        return resources.forbidden(errors, "may not be set for a windows pod");
    }
    let own = resources.child("claims");
    if own.exists() {
        own.forbidden(errors, "claims may not be set for Resources at pod-level");
    }
    quantity::requirements_of(&resources, pod_resource_name, !kept.has(Fault::HugePages), errors);
    claims(&own, &claim_names(spec.value()), errors);
    aggregates(&resources, "requests", amounts::requests(spec.value()), errors);
    let pages = amounts::limits(spec.value()).into_iter();
    let pages = pages.filter(|(name, _)| quantity::is_huge_page(name)).collect();
    aggregates(&resources, "limits", pages, errors);
    for container in spec.child("containers").each() {
        container_limits(&resources, &container, errors);
    }
}

/// The names of the claims that a pod has.
pub(super) fn claim_names(spec: Ref<'_>) -> BTreeSet<&str> {
    let names = spec
        .at("resourceClaims")
        .items()
        .map(|claim| claim.at("name").str());
    names.filter(|name| !name.is_empty()).collect()
}

/// What is stated of the pod as a whole is enough for its containers together.
fn aggregates(resources: &Place<'_, '_>, list: &str, sums: amounts::Amounts, errors: &mut Errors) {
    let stated = resources.child(list);
    for (name, sum) in sums {
        let own = stated.key(&name);
        if own.exists() && sum > Quantity::of(own.value()) {
            let text = format!("must be greater than or equal to aggregate container {list} of {sum}");
            own.invalid(errors, text);
        }
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
