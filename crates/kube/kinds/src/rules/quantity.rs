//! The rules of lists of resources: their names and amounts.

use schema::cursor::Ref;
use schema::field::Errors;
pub use schema::quantity::Quantity;

use super::text::qualified_name;
use crate::Place;

const CONTAINER: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const COUNTED: [&str; 9] = [
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
const QUOTA: [&str; 8] = [
    "storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];

/// Whether the resource is memory in large pages.
pub fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether the resource belongs to Kubernetes: no domain, or `kubernetes.io`.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether the resource is a device plugin's: only whole numbers of it can be asked for.
pub fn is_extended(name: &str) -> bool {
    let in_quota = || qualified_name(&format!("requests.{name}")).is_empty();
    !is_native(name) && !name.starts_with("requests.") && in_quota()
}

/// Whether a container can ask for the resource by this name without a domain.
pub fn is_container_resource(name: &str) -> bool {
    CONTAINER.contains(&name) || is_huge_page(name)
}

/// Whether the name is one that upstream knows without a domain.
fn is_standard(name: &str) -> bool {
    is_container_resource(name)
        || COUNTED.contains(&name)
        || QUOTA.contains(&name)
        || name.starts_with("requests.hugepages-")
}

/// A resource's name: qualified, and one that is known if it has no domain.
pub fn resource_name(place: &Place<'_, '_>, name: &str, errors: &mut Errors) {
    let mut faults = qualified_name(name);
    if faults.is_empty() && !name.contains('/') && !is_standard(name) {
        faults.push("must be a standard resource type or fully qualified".to_owned());
    }
    faults
        .into_iter()
        .for_each(|text| place.invalid_value(errors, name, text));
}

/// The name of a resource that a container can ask for.
pub fn container_resource_name(place: &Place<'_, '_>, name: &str, errors: &mut Errors) {
    resource_name(place, name, errors);
    if !name.contains('/') && !is_container_resource(name) {
        place.invalid_value(errors, name, "must be a standard resource for containers");
    } else if !is_native(name) && !is_extended(name) {
        place.invalid_value(errors, name, "doesn't follow extended resource name standard");
    }
}

/// The amount of a resource: not negative, whole where only whole numbers are.
pub fn resource_quantity(place: &Place<'_, '_>, name: &str, errors: &mut Errors) {
    let amount = Quantity::of(place.value());
    if amount.is_negative() {
        place.invalid(errors, "must be greater than or equal to 0");
    }
    let counted = COUNTED.contains(&name) || is_extended(name);
    if counted && !amount.is_whole() {
        place.invalid(errors, "must be an integer");
    }
}

/// A rule about a resource's name; the place is the amount's.
pub type NameRule = fn(&Place<'_, '_>, &str, &mut Errors);

/// Requests and limits of a container: upstream's `ValidateContainerResourceRequirements`.
pub fn requirements(place: &Place<'_, '_>, whole_pages: bool, errors: &mut Errors) {
    requirements_of(place, container_resource_name, whole_pages, errors);
}

/// The same, where other resources can be asked for.
pub fn requirements_of(place: &Place<'_, '_>, name_rule: NameRule, whole_pages: bool, errors: &mut Errors) {
    let (limits, requests) = (place.child("limits"), place.child("requests"));
    amounts(&limits, name_rule, whole_pages, errors);
    for (name, request) in requests.each_entry() {
        name_rule(&request, name, errors);
        resource_quantity(&request, name, errors);
        within_limit(&requests, &limits, name, errors);
        if whole_pages {
            huge_pages(&request, name, errors);
        }
    }
    let asked = |name: &str| limits.at(name).exists() || requests.at(name).exists();
    let huge = |list: &Place<'_, '_>| list.entries().any(|(name, _)| is_huge_page(name));
    if (huge(&limits) || huge(&requests)) && !asked("cpu") && !asked("memory") {
        place.forbidden(errors, "HugePages require cpu or memory");
    }
}

/// The amounts of a list of limits; those of huge pages are whole ones unless an old object's were not.
pub fn amounts(limits: &Place<'_, '_>, name_rule: NameRule, whole_pages: bool, errors: &mut Errors) {
    for (name, limit) in limits.each_entry() {
        name_rule(&limit, name, errors);
        resource_quantity(&limit, name, errors);
        if whole_pages {
            huge_pages(&limit, name, errors);
        }
    }
}

/// Whether an amount of a resource that is memory in large pages is one of whole pages.
pub fn is_whole_pages(name: &str, amount: Ref<'_>) -> bool {
    let size = name.strip_prefix("hugepages-").and_then(Quantity::parse);
    let page = size.map_or(0, Quantity::nanos);
    page > 0 && Quantity::of(amount).nanos() % page == 0
}

/// Huge pages come in whole ones.
fn huge_pages(amount: &Place<'_, '_>, name: &str, errors: &mut Errors) {
    if is_huge_page(name) && !is_whole_pages(name, amount.value()) {
        let text = format!("{} is not positive integer multiple of {name}", amount.str());
        amount.invalid(errors, text);
    }
}

fn within_limit(requests: &Place<'_, '_>, limits: &Place<'_, '_>, name: &str, errors: &mut Errors) {
    let exact = !is_overcommitted(name);
    let (request, limit) = (requests.at(name), limits.at(name));
    let (asked, most) = (Quantity::of(request), Quantity::of(limit));
    let mut wrong = |relation: &str| {
        let text = format!("must be {relation} {name} limit of {}", limit.str());
        requests.invalid_value(errors, request.str(), text);
    };
    match limit.exists() {
        true if exact && asked != most => wrong("equal to"),
        true if asked > most => wrong("less than or equal to"),
        false if exact => limits.required(errors, "Limit must be set for non overcommitable resources"),
        _ => {}
    }
}

/// Whether more of the resource can be promised than there is.
pub fn is_overcommitted(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}
