//! What a pod asks for, in the kernel's units: shares, quotas, bytes, and whom the OOM killer takes first.
//!
//! The rules are upstream's (`pkg/kubelet/cm/helpers_linux.go`, `pkg/kubelet/qos/policy.go`). Everything here is decided
//! from the spec alone.

use std::ops::Add;

use engine::spec::Resources;
use kubelet::Pod;
use kubelet::pod::{Container, ContainerKind, Limits, ResourceList};
use schema::quantity::Quantity;

/// Of a container that asks for nothing: the kernel's least.
pub(crate) const MIN_SHARES: i64 = 2;
const MAX_SHARES: i64 = 262_144;

/// Microseconds in which a quota may be used up.
pub(crate) const PERIOD: i64 = 100_000;
/// The least quota that the kernel takes, in microseconds.
const MIN_QUOTA: i64 = 1_000;

/// The priority of pods that are critical to their node (`system-node-critical`).
const NODE_CRITICAL: i32 = 2_000_001_000;

/// How much a pod is promised (`status.qosClass`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Qos {
    /// All that it may use.
    Guaranteed,
    /// A part of it.
    Burstable,
    /// Nothing.
    BestEffort,
}

/// Amounts of processors, in thousandths, and of memory, in bytes; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    pub(crate) milli_cpu: i64,
    pub(crate) memory: i64,
}

impl Amounts {
    fn of(list: &ResourceList) -> Self {
        let amount = |name: &str| list.get(name).and_then(|text| Quantity::parse(text));
        Self {
            milli_cpu: amount("cpu").map_or(0, milli),
            memory: amount("memory").map_or(0, Quantity::value),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            milli_cpu: self.milli_cpu.max(other.milli_cpu),
            memory: self.memory.max(other.memory),
        }
    }

    /// These, and for each that is none the other's.
    fn or(self, other: Self) -> Self {
        let or = |own: i64, other: i64| if own == 0 { other } else { own };
        Self {
            milli_cpu: or(self.milli_cpu, other.milli_cpu),
            memory: or(self.memory, other.memory),
        }
    }
}

impl Add for Amounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            milli_cpu: self.milli_cpu.saturating_add(other.milli_cpu),
            memory: self.memory.saturating_add(other.memory),
        }
    }
}

/// Thousandths, rounded up.
fn milli(quantity: Quantity) -> i64 {
    let milli = (quantity.nanos() + 999_999).div_euclid(1_000_000);
    i64::try_from(milli).unwrap_or(i64::MAX)
}

/// What is asked for and what may be used. A request that is not said is the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    requests: Amounts,
    limits: Amounts,
}

impl Asked {
    fn of(resources: &Limits) -> Self {
        let limits = Amounts::of(&resources.limits);
        Self {
            requests: Amounts::of(&resources.requests).or(limits),
            limits,
        }
    }
}

/// What a pod is promised.
pub(crate) fn qos(pod: &Pod) -> Qos {
    let whole = Asked::of(&pod.spec.resources);
    let asked: Vec<Asked> = if whole == Asked::default() {
        let lasting = pod
            .spec
            .all
            .iter()
            .filter(|each| each.kind != ContainerKind::Ephemeral);
        lasting.map(|each| Asked::of(&each.resources)).collect()
    } else {
        vec![whole]
    };
    let full = |asked: &Asked| {
        asked.limits.milli_cpu > 0 && asked.limits.memory > 0 && asked.requests == asked.limits
    };
    if asked.iter().all(|asked| *asked == Asked::default()) {
        Qos::BestEffort
    } else if asked.iter().all(full) {
        Qos::Guaranteed
    } else {
        Qos::Burstable
    }
}

/// What all containers of a pod ask for together: those that run at once, or an init container that asks for more
/// (KEP-753), or what the pod says for itself (KEP-2837).
pub(crate) fn requests(pod: &Pod) -> Amounts {
    let own = Asked::of(&pod.spec.resources).requests;
    own.or(together(pod, |asked| asked.requests)) + Amounts::of(&pod.spec.overhead)
}

fn together(pod: &Pod, which: fn(Asked) -> Amounts) -> Amounts {
    let (mut sidecars, mut running, mut most) = <(Amounts, Amounts, Amounts)>::default();
    for container in &pod.spec.all {
        let asked = which(Asked::of(&container.resources));
        match container.kind {
            ContainerKind::Sidecar => sidecars = sidecars + asked,
            ContainerKind::Init => most = Amounts::max(most, sidecars + asked),
            ContainerKind::Regular => running = running + asked,
            ContainerKind::Ephemeral => {}
        }
    }
    Amounts::max(most, sidecars + running)
}

/// A group's share of the processors, and what bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Relative to other groups.
    pub(crate) shares: i64,
    /// Microseconds in each [`PERIOD`].
    pub(crate) quota: Option<i64>,
    /// Bytes.
    pub(crate) memory: Option<i64>,
}

/// The bounds of a pod's group. It is bounded where each of its containers is.
pub(crate) fn of_pod(pod: &Pod) -> Bounds {
    let asked = Asked::of(&pod.spec.resources).limits;
    let each = || {
        pod.spec
            .all
            .iter()
            .filter(|each| each.kind != ContainerKind::Ephemeral)
    };
    let all = |which: fn(Amounts) -> i64| each().all(|each| which(Asked::of(&each.resources).limits) > 0);
    let sum = asked.or(together(pod, |asked| asked.limits)) + Amounts::of(&pod.spec.overhead);
    let cpu = asked.milli_cpu > 0 || all(|limits| limits.milli_cpu);
    let memory = asked.memory > 0 || all(|limits| limits.memory);
    Bounds {
        shares: shares(requests(pod).milli_cpu),
        quota: quota(sum.milli_cpu).filter(|_| cpu),
        memory: Some(sum.memory).filter(|_| memory),
    }
}

/// The limits of a container, as the engine takes them. `capacity` is the node's memory in bytes.
pub(crate) fn of_container(pod: &Pod, container: &Container, capacity: i64) -> Resources {
    let Asked { requests, limits } = Asked::of(&container.resources);
    Resources {
        cpu_shares: shares(requests.milli_cpu),
        cpu_period: quota(limits.milli_cpu).map_or(0, |_| PERIOD),
        cpu_quota: quota(limits.milli_cpu).unwrap_or(0),
        memory: limits.memory,
        // All of it together: what is limited does not swap.
        memory_swap: limits.memory,
        // As the kubelet's singleProcessOOMKill is false by default: half a container is not left running.
        oom_group: true,
        oom_score_adj: oom_score(pod, container, capacity),
        ..Resources::default()
    }
}

/// Thousandths of a processor as shares, of which one processor has 1024.
pub(crate) fn shares(milli: i64) -> i64 {
    milli
        .saturating_mul(1024)
        .div_euclid(1000)
        .clamp(MIN_SHARES, MAX_SHARES)
}

fn quota(milli: i64) -> Option<i64> {
    (milli > 0).then(|| (milli.saturating_mul(PERIOD) / 1000).max(MIN_QUOTA))
}

/// Whom the kernel ends first when memory is short: -1000 nobody, 1000 this one.
fn oom_score(pod: &Pod, container: &Container, capacity: i64) -> i32 {
    let critical = pod
        .spec
        .priority
        .is_some_and(|priority| priority >= NODE_CRITICAL);
    match qos(pod) {
        _ if critical => -997,
        Qos::Guaranteed => -997,
        Qos::BestEffort => 1000,
        Qos::Burstable if container.kind == ContainerKind::Sidecar => {
            // It must not go before those that it serves.
            let served = pod
                .spec
                .all
                .iter()
                .filter(|each| each.kind == ContainerKind::Regular);
            let least = served.map(|each| burstable_score(pod, each, capacity)).min();
            burstable_score(pod, container, capacity).min(least.unwrap_or(i32::MAX))
        }
        Qos::Burstable => burstable_score(pod, container, capacity),
    }
}

/// The more of the node's memory was asked for, the later it goes.
fn burstable_score(pod: &Pod, container: &Container, capacity: i64) -> i32 {
    let asked = Asked::of(&container.resources).requests.memory + spare(pod);
    let score = 1000 - i128::from(asked) * 1000 / i128::from(capacity.max(1));
    i32::try_from(score.clamp(3, 999)).unwrap_or(999)
}

/// Memory that a pod asks for beyond its containers, for each of them.
fn spare(pod: &Pod) -> i64 {
    let whole = Asked::of(&pod.spec.resources).requests.memory;
    let lasting = || {
        pod.spec
            .all
            .iter()
            .filter(|each| each.kind != ContainerKind::Ephemeral)
    };
    let asked: i64 = lasting()
        .map(|each| Asked::of(&each.resources).requests.memory)
        .sum();
    let count = i64::try_from(lasting().count()).unwrap_or(i64::MAX).max(1);
    if whole > asked { (whole - asked) / count } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: &str) -> Pod {
        let json = format!(r#"{{"metadata":{{"name":"p","namespace":"n","uid":"u"}},"spec":{spec}}}"#);
        Pod::parse(json.as_bytes()).unwrap()
    }

    /// A pod of containers with these resources.
    fn of(resources: &[&str]) -> Pod {
        let containers = resources.iter().enumerate();
        let containers: Vec<String> = containers
            .map(|(at, resources)| format!(r#"{{"name":"c{at}","resources":{resources}}}"#))
            .collect();
        pod(&format!(r#"{{"containers":[{}]}}"#, containers.join(",")))
    }

    const FULL: &str = r#"{"limits":{"cpu":"500m","memory":"128Mi"}}"#;
    const PART: &str = r#"{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"128Mi"}}"#;

    #[test]
    fn classes_follow_what_is_asked_and_limited() {
        let cases: &[(&[&str], Qos)] = &[
            (&["{}"], Qos::BestEffort),
            (&["{}", "{}"], Qos::BestEffort),
            (&[FULL], Qos::Guaranteed),
            (&[FULL, FULL], Qos::Guaranteed),
            (&[FULL, "{}"], Qos::Burstable),
            (&[PART], Qos::Burstable),
            (&[r#"{"limits":{"cpu":"1"}}"#], Qos::Burstable),
            (&[r#"{"requests":{"cpu":"0"}}"#], Qos::BestEffort),
            (
                &[
                    r#"{"requests":{"cpu":"0.5","memory":"134217728"},"limits":{"cpu":"500m","memory":"128Mi"}}"#,
                ],
                Qos::Guaranteed,
            ),
        ];
        for (resources, expected) in cases {
            assert_eq!(qos(&of(resources)), *expected, "{resources:?}");
        }
        let whole = pod(r#"{"containers":[{"name":"c"}],"resources":{"limits":{"cpu":"1","memory":"1Gi"}}}"#);
        assert_eq!(qos(&whole), Qos::Guaranteed);
    }

    #[test]
    fn amounts_become_the_kernel_s() {
        for (milli, expected) in [
            (0, 2),
            (1, 2),
            (2, 2),
            (3, 3),
            (100, 102),
            (1000, 1024),
            (1 << 40, MAX_SHARES),
        ] {
            assert_eq!(shares(milli), expected, "{milli}");
        }
        for (milli, expected) in [
            (0, None),
            (1, Some(1000)),
            (10, Some(1000)),
            (500, Some(50_000)),
            (2000, Some(200_000)),
        ] {
            assert_eq!(quota(milli), expected, "{milli}");
        }
    }

    #[test]
    fn a_container_s_limits() {
        let full = of(&[FULL]);
        let limits = of_container(&full, &full.spec.all[0], 1 << 33);
        let memory = 128 << 20;
        assert_eq!(
            (
                limits.cpu_shares,
                limits.cpu_quota,
                limits.cpu_period,
                limits.memory,
                limits.memory_swap
            ),
            (512, 50_000, 100_000, memory, memory)
        );
        let none = of(&["{}"]);
        let limits = of_container(&none, &none.spec.all[0], 1 << 33);
        assert_eq!((limits.cpu_shares, limits.cpu_quota, limits.memory), (2, 0, 0));
    }

    #[test]
    fn a_pod_is_bounded_where_all_its_containers_are() {
        let bounds = |resources: &[&str]| {
            let bounds = of_pod(&of(resources));
            (bounds.shares, bounds.quota, bounds.memory)
        };
        assert_eq!(bounds(&["{}"]), (2, None, None));
        assert_eq!(bounds(&[FULL, FULL]), (1024, Some(100_000), Some(256 << 20)));
        assert_eq!(bounds(&[PART, FULL]), (614, None, Some(256 << 20)));
        assert_eq!(bounds(&[PART, "{}"]), (102, None, None));
        let init = pod(&format!(
            r#"{{"initContainers":[{{"name":"i","resources":{{"limits":{{"cpu":"2","memory":"1Gi"}}}}}},
                {{"name":"s","restartPolicy":"Always","resources":{FULL}}}],"containers":[{{"name":"c","resources":{FULL}}}]}}"#
        ));
        assert_eq!(of_pod(&init).quota, Some(200_000));
        assert_eq!(
            requests(&init),
            Amounts {
                milli_cpu: 2000,
                memory: 1 << 30
            }
        );
        let whole = pod(
            r#"{"containers":[{"name":"c"}],"resources":{"limits":{"cpu":"1","memory":"1Gi"}},"overhead":{"cpu":"500m"}}"#,
        );
        assert_eq!(
            (of_pod(&whole).quota, of_pod(&whole).shares),
            (Some(150_000), 1536)
        );
    }

    #[test]
    fn the_oom_killer_takes_those_first_that_were_promised_least() {
        let score = |pod: &Pod, at: usize| oom_score(pod, &pod.spec.all[at], 1 << 30);
        assert_eq!(score(&of(&["{}"]), 0), 1000);
        assert_eq!(score(&of(&[FULL]), 0), -997);
        assert_eq!(score(&of(&[PART]), 0), 938);
        assert_eq!(score(&of(&[PART, "{}"]), 1), 999);
        assert_eq!(score(&of(&[r#"{"requests":{"memory":"2Gi"}}"#]), 0), 3);
        let critical = pod(r#"{"priority":2000001000,"containers":[{"name":"c"}]}"#);
        assert_eq!(score(&critical, 0), -997);
        let sidecar = pod(&format!(
            r#"{{"initContainers":[{{"name":"s","restartPolicy":"Always"}}],"containers":[{{"name":"c","resources":{PART}}}]}}"#
        ));
        assert_eq!((score(&sidecar, 0), score(&sidecar, 1)), (938, 938));
    }
}
