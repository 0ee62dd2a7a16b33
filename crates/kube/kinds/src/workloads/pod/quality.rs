//! The quality-of-service class of a pod: `status.qosClass`.

use schema::cursor::Ref;

use crate::rules::quantity::Quantity;

/// `Guaranteed`, `Burstable` or `BestEffort`, by what the containers ask for of cpu and memory.
pub(super) fn class(spec: Ref<'_>) -> &'static str {
    let whole = spec.at("resources");
    let own = [whole].into_iter().filter(|whole| whole.exists());
    let lists = [spec.at("containers"), spec.at("initContainers")];
    let containers = lists
        .into_iter()
        .flat_map(Ref::items)
        .map(|container| container.at("resources"));
    let resources: Vec<Ref<'_>> = match whole.exists() {
        true => own.collect(),
        false => containers.collect(),
    };
    if resources.iter().all(|one| !asks(*one)) {
        "BestEffort"
    } else if resources
        .iter()
        .all(|one| ["cpu", "memory"].iter().all(|name| pinned(*one, name)))
    {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

fn amount(resources: Ref<'_>, list: &str, name: &str) -> Quantity {
    Quantity::of(resources.at(list).at(name))
}

fn asks(resources: Ref<'_>) -> bool {
    let some = |list: &str, name: &str| amount(resources, list, name) > Quantity::default();
    ["cpu", "memory"]
        .iter()
        .any(|name| some("limits", name) || some("requests", name))
}

/// Whether what is asked for is the limit, and there is one.
fn pinned(resources: Ref<'_>, name: &str) -> bool {
    let limit = amount(resources, "limits", name);
    limit > Quantity::default() && amount(resources, "requests", name) == limit
}
