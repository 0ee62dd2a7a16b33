//! Labels that a node may not give itself: by them, workloads with secrets would be steered to it.

use std::collections::BTreeSet;

use schema::cursor::Ref;

const RESTRICTED: &str = "node-restriction.kubernetes.io";

/// What a kubelet knows of its node.
const KUBELETS: [&str; 14] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.kubernetes.io/region",
    "failure-domain.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "node.kubernetes.io/windows-build",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// The changed labels that a node may not change, by name.
pub(super) fn forbidden<'a>(new: Ref<'a>, old: Ref<'a>) -> BTreeSet<&'a str> {
    let labels = |node: Ref<'a>| node.path("metadata.labels");
    let (new, old) = (labels(new), labels(old));
    let keys = new.entries().chain(old.entries()).map(|(key, _)| key);
    let changed = keys.filter(|key| new.at(key) != old.at(key));
    changed.filter(|key| is_forbidden(key)).collect()
}

fn is_forbidden(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let below = |parent: &str| {
        let rest = domain.strip_suffix(parent);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let kubernetes = below("kubernetes.io") || below("k8s.io");
    let kubelets = KUBELETS.contains(&key) || below("kubelet.kubernetes.io") || below("node.kubernetes.io");
    below(RESTRICTED) || (kubernetes && !kubelets)
}
