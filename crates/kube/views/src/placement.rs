//! Where a pod wants to run: node selector, affinity to nodes and to other pods, and how it wants to be spread.

use serde::Deserialize;

use crate::selector::{LabelSelector, NodeSelector, NodeSelectorTerm, Selector};

/// What a pod asks of the place where it runs, as its spec says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Placement {
    /// `spec.nodeSelector`
    pub node_selector: Selector,
    /// `spec.affinity`
    pub affinity: Affinity,
    /// `spec.topologySpreadConstraints`
    pub topology_spread_constraints: Box<[Spread]>,
}

/// `core/v1 Affinity`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Affinity {
    /// To nodes.
    pub node_affinity: NodeAffinity,
    /// To places where other pods are.
    pub pod_affinity: PodAffinity,
    /// Away from places where other pods are.
    pub pod_anti_affinity: PodAffinity,
}

/// `core/v1 NodeAffinity`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct NodeAffinity {
    /// What a node must be.
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Option<NodeSelector>,
    /// What is better than not.
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    pub preferred: Box<[Preferred<NodeSelectorTerm>]>,
}

/// `core/v1 PodAffinity` and `PodAntiAffinity`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct PodAffinity {
    /// What must be so.
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Box<[PodTerm]>,
    /// What is better than not.
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    pub preferred: Box<[Preferred<PodTerm>]>,
}

/// A wish and how much it counts, 1 to 100.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preferred<T> {
    /// How much it counts.
    pub weight: i32,
    /// What is wished.
    #[serde(alias = "preference", alias = "podAffinityTerm")]
    pub term: T,
}

/// Pods, and the label of nodes that says what "the same place" is (`core/v1 PodAffinityTerm`). What `matchLabelKeys`
/// asks for, the API server has put into the selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTerm {
    /// Which pods; none: no pods.
    pub label_selector: Option<LabelSelector>,
    /// In which namespaces; none, and no selector of them: in the pod's own.
    pub namespaces: Box<[Box<str>]>,
    /// And in which other namespaces, by their labels.
    pub namespace_selector: Option<LabelSelector>,
    /// `kubernetes.io/hostname`
    pub topology_key: Box<str>,
}

/// What happens to a pod that a constraint leaves no node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum Unsatisfiable {
    /// It waits.
    #[default]
    DoNotSchedule,
    /// It goes where the skew is least.
    ScheduleAnyway,
}

/// Whether a constraint counts nodes that the pod cannot run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub enum Inclusion {
    /// It does not.
    Honor,
    /// It counts all.
    Ignore,
}

/// How pods are spread over places (`core/v1 TopologySpreadConstraint`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// How many more pods than in the place with the fewest there may be in one.
    pub max_skew: i64,
    /// The label of nodes that says what a place is.
    pub topology_key: Box<str>,
    /// What happens where that cannot be.
    pub when_unsatisfiable: Unsatisfiable,
    /// The pods that count; none: no pods.
    #[serde(default)]
    pub label_selector: Option<LabelSelector>,
    /// With fewer places than this, the fewest is 0.
    #[serde(default)]
    pub min_domains: Option<i64>,
    /// Whether nodes count that the pod's selector and affinity exclude; not said: they do not.
    #[serde(default = "Spread::honor")]
    pub node_affinity_policy: Inclusion,
    /// Whether nodes count whose taints the pod does not tolerate; not said: they do.
    #[serde(default = "Spread::ignore")]
    pub node_taints_policy: Inclusion,
}

impl Spread {
    fn honor() -> Inclusion {
        Inclusion::Honor
    }

    fn ignore() -> Inclusion {
        Inclusion::Ignore
    }
}
