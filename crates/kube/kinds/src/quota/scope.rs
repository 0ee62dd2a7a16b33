//! Scopes: which objects a quota counts at all.

use schema::cursor::Ref;

/// One condition of a quota's `scopes` or `scopeSelector`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    name: String,
    operator: String,
    values: Vec<String>,
}

impl Scope {
    /// All conditions of a quota.
    pub fn of(quota: Ref<'_>) -> Vec<Self> {
        let plain = quota.path("spec.scopes").strings().map(|name| Self {
            name: name.to_owned(),
            operator: "Exists".to_owned(),
            values: Vec::new(),
        });
        let selected = quota.path("spec.scopeSelector.matchExpressions").items();
        let selected = selected.map(|term| Self {
            name: term.at("scopeName").str().to_owned(),
            operator: term.at("operator").str().to_owned(),
            values: term.at("values").strings().map(str::to_owned).collect(),
        });
        plain.chain(selected).collect()
    }

    /// Whether a pod is in it.
    pub(super) fn has_pod(&self, pod: Ref<'_>) -> bool {
        match self.name.as_str() {
            "Terminating" => terminating(pod),
            "NotTerminating" => !terminating(pod),
            "BestEffort" => best_effort(pod),
            "NotBestEffort" => !best_effort(pod),
            "PriorityClass" => self.selects(pod.path("spec.priorityClassName").str()),
            "CrossNamespacePodAffinity" => crosses_namespaces(pod),
            _ => false,
        }
    }

    /// Whether a claim is in it.
    pub(super) fn has_claim(&self, claim: Ref<'_>) -> bool {
        let names = [
            "spec.volumeAttributesClassName",
            "status.currentVolumeAttributesClassName",
            "status.modifyVolumeStatus.targetVolumeAttributesClassName",
        ];
        let mut names = names.into_iter().map(|path| claim.path(path).str());
        self.name == "VolumeAttributesClass" && names.any(|name| self.selects(name))
    }

    /// Whether the operator takes a name; empty is none.
    fn selects(&self, name: &str) -> bool {
        let listed = !name.is_empty() && self.values.iter().any(|value| value == name);
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => !name.is_empty(),
            "DoesNotExist" => name.is_empty(),
            _ => false,
        }
    }
}

fn terminating(pod: Ref<'_>) -> bool {
    let deadline = pod.path("spec.activeDeadlineSeconds").integer();
    deadline.is_some_and(|deadline| deadline >= 0)
}

/// Whether nothing is asked for: the quality of service of the pod, said or derived.
fn best_effort(pod: Ref<'_>) -> bool {
    let said = pod.path("status.qosClass").str();
    if !said.is_empty() {
        return said == "BestEffort";
    }
    let spec = pod.at("spec");
    let containers = ["containers", "initContainers"].map(|list| spec.at(list).items());
    let mut all = containers.into_iter().flatten().chain([spec]);
    !all.any(|asking| {
        let asked = ["requests", "limits"].map(|side| asking.at("resources").at(side));
        let mut asked = asked
            .into_iter()
            .flat_map(|side| [side.at("cpu"), side.at("memory")]);
        asked.any(|amount| !super::Amount::of(amount).is_zero())
    })
}

fn crosses_namespaces(pod: Ref<'_>) -> bool {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let crosses = |term: Ref<'_>| !term.at("namespaces").is_empty() || term.at("namespaceSelector").exists();
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let affinity = pod.path("spec.affinity").at(kind);
        let mut preferred = affinity
            .at(PREFERRED)
            .items()
            .map(|term| term.at("podAffinityTerm"));
        affinity.at(REQUIRED).items().any(crosses) || preferred.any(crosses)
    })
}
