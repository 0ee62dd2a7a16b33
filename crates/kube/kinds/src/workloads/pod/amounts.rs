//! What the containers of a pod ask for together: upstream's `AggregateContainerRequests` and `…Limits`.

use std::collections::BTreeMap;

use schema::cursor::Ref;

use crate::rules::quantity::Quantity;

/// Amounts by resource.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// Whether a pod can ask for the resource as a whole.
pub(super) fn is_supported(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

/// Containers run at once. Init containers run one after the other, each beside the sidecars that started
/// before it; a sidecar stays.
fn together(spec: Ref<'_>, list: &str) -> Amounts {
    let amounts = |container: Ref<'_>| -> Amounts {
        let entries = container.at("resources").at(list).entries();
        entries
            .map(|(name, amount)| (name.to_owned(), Quantity::of(amount)))
            .collect()
    };
    let mut running = Amounts::new();
    for container in spec.at("containers").items() {
        add(&mut running, &amounts(container));
    }
    let (mut sidecars, mut starting) = (Amounts::new(), Amounts::new());
    for container in spec.at("initContainers").items() {
        let mut step = amounts(container);
        if container.at("restartPolicy").str() == "Always" {
            add(&mut running, &step);
            add(&mut sidecars, &step);
            step.clone_from(&sidecars);
        } else {
            add(&mut step, &sidecars);
        }
        raise(&mut starting, &step);
    }
    raise(&mut running, &starting);
    running
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let entry = sum.entry(name.clone()).or_default();
        *entry = entry.plus(*amount);
    }
}

fn raise(most: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let entry = most.entry(name.clone()).or_default();
        *entry = (*entry).max(*amount);
    }
}

/// The requests of the containers of a spec.
pub(super) fn requests(spec: Ref<'_>) -> Amounts {
    together(spec, "requests")
}

/// The limits of the containers of a spec.
pub(super) fn limits(spec: Ref<'_>) -> Amounts {
    together(spec, "limits")
}
