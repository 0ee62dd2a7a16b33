//! What a pod's status says of devices: the claims made for extended resources, and how the devices are.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::{Error, Errors};

use crate::Place;
use crate::rules::names::{dns1123_label, dns1123_subdomain};
use crate::rules::value::one_of;

/// The claim that stands for extended resources: each request is of a container that asks for the resource.
pub(super) fn extended_claim(status: &Place<'_, '_>, spec: Ref<'_>, errors: &mut Errors) {
    if !status.exists() {
        return;
    }
    let mappings = status.child("requestMappings");
    mappings.require(errors, "at least one request mapping is required");
    let mut seen = BTreeSet::new();
    for mapping in mappings.each() {
        mapped(&mapping, spec, errors);
        // Upstream's path is not the mapping's.
        let request = status.named("requestName", mapping.at("requestName"));
        request.check(errors, dns1123_label);
        let names = ["containerName", "resourceName", "requestName"];
        if !seen.insert(names.map(|name| mapping.at(name).str())) {
            names
                .iter()
                .for_each(|name| mapping.child(name).duplicate(errors));
        }
    }
    let claim = status.child("resourceClaimName");
    if claim.require(errors, "") {
        claim.check(errors, dns1123_subdomain);
    }
}

fn mapped(mapping: &Place<'_, '_>, spec: Ref<'_>, errors: &mut Errors) {
    let (name, resource) = (mapping.child("containerName"), mapping.child("resourceName"));
    let lists = ["containers", "initContainers"]
        .into_iter()
        .map(|list| spec.at(list));
    match lists.flat_map(Ref::items).find(|one| one.at("name") == name.value()) {
        None => name.invalid(errors, "must match the name of an entry in spec.initContainers.name or spec.containers.name"),
        Some(container) if !container.path("resources.requests").at(resource.str()).exists() => resource.invalid(
            errors,
            "must match the extended resource name of an entry in spec.initContainers.resources.requests or \
             spec.containers.resources.requests",
        ),
        Some(_) => {}
    }
}

/// The health of devices: of those that the container asked for.
pub(super) fn allocated(statuses: &Place<'_, '_>, spec: Ref<'_>, of: &str, errors: &mut Errors) {
    for status in statuses.each() {
        let list = status.child("allocatedResourcesStatus");
        if of == "ephemeralContainers" && !list.is_empty() {
            list.forbidden(errors, "must not be specified in container status");
            continue;
        }
        let same = |container: &Ref<'_>| container.at("name") == status.at("name");
        let container = spec.at(of).items().find(same);
        for resource in list.each() {
            let name = resource.child("name");
            if container.is_some_and(|container| !asks(container, name.str())) {
                name.invalid(errors, unknown(name.str()));
            }
            health(&resource.child("resources"), errors);
        }
    }
}

/// How long a message about a device may be.
const MESSAGE: usize = 1024;

fn health(devices: &Place<'_, '_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for device in devices.each() {
        one_of(
            &device.child("health"),
            errors,
            &["Healthy", "Unhealthy", "Unknown"],
        );
        let (message, id) = (device.child("message"), device.child("resourceID"));
        if message.exists()
            && message.require(errors, "must be non-empty if specified")
            && message.str().len() > MESSAGE
        {
            errors.push(Error::too_long(&message.path(), MESSAGE));
        }
        if !seen.insert(id.str()) {
            id.duplicate(errors);
        }
    }
}

fn unknown(name: &str) -> &'static str {
    match name.starts_with("claim:") {
        true => {
            "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or \
             'claim:<claimName>' if request is empty"
        }
        false => "must match one of the container's resource requests",
    }
}

fn asks(container: Ref<'_>, name: &str) -> bool {
    let resources = container.at("resources");
    let Some(claim) = name.strip_prefix("claim:") else {
        return resources.at("requests").at(name).exists();
    };
    let (name, request) = claim.split_once('/').unwrap_or((claim, ""));
    let mut claims = resources.at("claims").items();
    claims.any(|claim| claim.at("name").str() == name && claim.at("request").str() == request)
}
