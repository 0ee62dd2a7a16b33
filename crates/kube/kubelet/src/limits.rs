//! How much of the node's disk a pod may take: `emptyDir.sizeLimit` and limits of `ephemeral-storage`. Nothing stops a
//! program that writes more; the pod is evicted then (upstream's `localStorageEviction`).

use schema::quantity::Quantity;

use crate::pod::{Container, ContainerKind, Pod, VolumeSource};
use crate::volume::Usage;

const RESOURCE: &str = "ephemeral-storage";

/// Whether anything about a pod is limited.
pub(crate) fn has_any(pod: &Pod) -> bool {
    pod.spec
        .volumes
        .iter()
        .any(|volume| size_limit(&volume.source).is_some())
        || pod.spec.all.iter().any(|container| limit(container).is_some())
}

/// What a pod takes too much of, in upstream's words and order: volumes, the pod as a whole, containers.
pub(crate) fn exceeded(pod: &Pod, usage: &Usage) -> Option<String> {
    volume(pod, usage)
        .or_else(|| whole(pod, usage))
        .or_else(|| container(pod, usage))
}

fn size_limit(source: &VolumeSource) -> Option<&str> {
    match source {
        VolumeSource::EmptyDir(volume) => volume.size_limit.as_deref(),
        _ => None,
    }
}

fn limit(container: &Container) -> Option<&str> {
    container.resources.limits.get(RESOURCE).map(String::as_str)
}

/// A limit in bytes. One that says nothing, or zero for a volume, limits nothing.
fn bytes(quantity: &str) -> Option<u64> {
    u64::try_from(Quantity::parse(quantity)?.value()).ok()
}

fn volume(pod: &Pod, usage: &Usage) -> Option<String> {
    pod.spec.volumes.iter().find_map(|volume| {
        let text = size_limit(&volume.source)?;
        let limit = bytes(text).filter(|limit| *limit > 0)?;
        let used = *usage.volumes.get(&volume.name)?;
        (used > limit).then(|| {
            format!(
                "Usage of EmptyDir volume {:?} exceeds the limit {text:?}. ",
                volume.name
            )
        })
    })
}

/// What runs beside each other counts together; of init containers, the one with the most.
fn whole(pod: &Pod, usage: &Usage) -> Option<String> {
    let of = |kinds: &'static [ContainerKind]| {
        let some = pod
            .spec
            .all
            .iter()
            .filter(|container| kinds.contains(&container.kind));
        some.filter_map(|container| Quantity::parse(limit(container)?))
    };
    let beside = of(&[ContainerKind::Regular, ContainerKind::Sidecar]).reduce(Quantity::plus);
    let limit = beside.max(of(&[ContainerKind::Init]).max())?;
    let used: u64 = usage.volumes.values().chain(usage.containers.values()).sum();
    (i128::from(used) > i128::from(limit.value()))
        .then(|| format!("Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "))
}

fn container(pod: &Pod, usage: &Usage) -> Option<String> {
    pod.spec.all.iter().find_map(|container| {
        let text = limit(container)?;
        let used = *usage.containers.get(&container.name)?;
        (used > bytes(text)?).then(|| {
            format!(
                "Container {} exceeded its local ephemeral storage limit {text:?}. ",
                container.name
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: &str) -> Pod {
        let json =
            format!(r#"{{"metadata": {{"name": "p", "namespace": "x", "uid": "u"}}, "spec": {spec}}}"#);
        Pod::parse(json.as_bytes()).unwrap()
    }

    fn usage(volume: u64, containers: &[(&str, u64)]) -> Usage {
        Usage {
            volumes: [("v".to_owned(), volume)].into(),
            containers: containers
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), *bytes))
                .collect(),
        }
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_volume_has_its_limit() {
        let pod = pod(r#"{"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "20Mi"}}]}"#);
        assert!(has_any(&pod));
        assert_eq!(exceeded(&pod, &usage(20 * MIB, &[])), None);
        let message = "Usage of EmptyDir volume \"v\" exceeds the limit \"20Mi\". ";
        assert_eq!(
            exceeded(&pod, &usage(20 * MIB + 1, &[])).as_deref(),
            Some(message)
        );
    }

    #[test]
    fn containers_have_theirs_and_volumes_count_for_the_pod() {
        let container = |name: &str| {
            format!(r#"{{"name": "{name}", "resources": {{"limits": {{"ephemeral-storage": "1Gi"}}}}}}"#)
        };
        let pod = pod(&format!(
            r#"{{"containers": [{}, {}]}}"#,
            container("a"),
            container("b")
        ));
        let gib = 1024 * MIB;
        assert_eq!(exceeded(&pod, &usage(0, &[("a", gib), ("b", gib)])), None);
        let whole = "Pod ephemeral local storage usage exceeds the total limit of containers 2Gi. ";
        assert_eq!(
            exceeded(&pod, &usage(1, &[("a", gib), ("b", gib)])).as_deref(),
            Some(whole)
        );
        let one = "Container b exceeded its local ephemeral storage limit \"1Gi\". ";
        assert_eq!(
            exceeded(&pod, &usage(0, &[("a", 0), ("b", gib + 1)])).as_deref(),
            Some(one)
        );
    }

    #[test]
    fn a_pod_that_says_nothing_is_not_looked_at() {
        let pod = pod(r#"{"containers": [{"name": "a"}], "volumes": [{"name": "v", "emptyDir": {}}]}"#);
        assert!(!has_any(&pod));
        assert_eq!(exceeded(&pod, &usage(u64::MAX / 2, &[("a", u64::MAX / 2)])), None);
    }
}
