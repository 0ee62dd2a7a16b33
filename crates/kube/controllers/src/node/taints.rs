//! Taints that say what a node's conditions say, so that pods may tolerate it; and labels that say the same twice.
//!
//! New pods are kept away at once. Pods that are there are sent away (`NoExecute`) only while enough other nodes are well:
//! where all are silent, or most of a zone, it is more likely that the control plane is cut off.

use serde_json::{Value, json};
use views::NodeView;
use views::node::Truth;
use views::taint::Effect;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// A condition's type and status, and the taint that says so.
const BY_CONDITION: [(&str, Truth, &str); 6] = [
    ("Ready", Truth::False, NOT_READY),
    ("Ready", Truth::Unknown, UNREACHABLE),
    (
        "MemoryPressure",
        Truth::True,
        "node.kubernetes.io/memory-pressure",
    ),
    ("DiskPressure", Truth::True, "node.kubernetes.io/disk-pressure"),
    (
        "NetworkUnavailable",
        Truth::True,
        "node.kubernetes.io/network-unavailable",
    ),
    ("PIDPressure", Truth::True, "node.kubernetes.io/pid-pressure"),
];

/// Labels that are kept equal: the one that counts, and the old one.
const LABELS: [(&str, &str); 2] = [
    ("kubernetes.io/os", "beta.kubernetes.io/os"),
    ("kubernetes.io/arch", "beta.kubernetes.io/arch"),
];

/// A node that does not count when it is asked how many are well.
const EXCLUDED: &str = "node.kubernetes.io/exclude-disruption";

/// Up to how many nodes a zone is small: nothing is sent away when most of it is silent.
const SMALL_ZONE: usize = 50;

/// Whether pods may be sent away from a node that is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Execution {
    /// They may.
    Allowed,
    /// No node is newly tainted.
    Paused,
    /// No node is tainted.
    Stopped,
}

impl Execution {
    /// What holds for a zone, of all nodes there are.
    pub(super) fn of<'a>(zone: &str, nodes: impl Iterator<Item = &'a NodeView>) -> Self {
        let (mut anywhere, mut well, mut ill) = (false, 0, 0);
        let counted = nodes.filter(|node| !node.labels.iter().any(|(key, _)| **key == *EXCLUDED));
        for node in counted {
            let ready = node.is_ready();
            anywhere |= ready;
            if *node.zone == *zone {
                *(if ready { &mut well } else { &mut ill }) += 1;
            }
        }
        match (anywhere, well) {
            (false, _) => Self::Stopped,
            // 55 of a hundred, of three at least.
            (true, 1..) if ill > 2 && ill * 100 >= (ill + well) * 55 && ill + well <= SMALL_ZONE => {
                Self::Paused
            }
            _ => Self::Allowed,
        }
    }
}

/// A taint by what tells it from others.
type Wanted = (&'static str, Effect);

/// The node's taints and labels as they should be; none if they are. `node` is the whole object, `view` says the same.
pub(super) fn correct(node: &Value, view: &NodeView, execution: Execution, now: &str) -> Option<Value> {
    let mut changed = node.clone();
    let (added, removed) = difference(view, execution);
    retaint(&mut changed, &added, &removed, now);
    for (stable, old) in LABELS {
        let value = node["metadata"]["labels"][stable].clone();
        if value.is_string() {
            changed["metadata"]["labels"][old] = value;
        }
    }
    (changed != *node).then_some(changed)
}

/// What has to be added to a node's taints, and which have to go.
fn difference(view: &NodeView, execution: Execution) -> (Vec<Wanted>, Vec<Wanted>) {
    let has = |(key, effect): &Wanted| {
        view.taints
            .iter()
            .any(|taint| *taint.key == **key && taint.effect == *effect)
    };
    let says = |kind: &str, status: Truth| {
        view.condition(kind)
            .is_some_and(|condition| condition.status == status)
    };
    let mut wanted: Vec<Wanted> = BY_CONDITION
        .iter()
        .filter(|(kind, status, _)| says(kind, *status))
        .map(|(.., key)| (*key, Effect::NoSchedule))
        .collect();
    if view.unschedulable {
        wanted.push((UNSCHEDULABLE, Effect::NoSchedule));
    }
    let executing = [NOT_READY, UNREACHABLE].map(|key| (key, Effect::NoExecute));
    let sent_away = executing.iter().any(has);
    let may = match execution {
        Execution::Allowed => true,
        Execution::Paused => sent_away,
        Execution::Stopped => false,
    };
    let own = BY_CONDITION.iter().map(|(.., key)| *key).chain([UNSCHEDULABLE]);
    let own = own.map(|key| (key, Effect::NoSchedule));
    // Nothing is known of a node that has said nothing: admission has tainted it, and it stays so.
    if view.condition("Ready").is_none() {
        wanted.extend(own.clone().filter(|taint| taint.0 == NOT_READY && has(taint)));
    } else if may {
        let lasting = wanted
            .iter()
            .filter(|(key, _)| [NOT_READY, UNREACHABLE].contains(key));
        let execute: Vec<Wanted> = lasting.map(|(key, _)| (*key, Effect::NoExecute)).collect();
        wanted.extend(execute);
    }
    let removed = own
        .chain(executing)
        .filter(|taint| has(taint) && !wanted.contains(taint));
    let removed: Vec<Wanted> = removed.collect();
    wanted.retain(|taint| !has(taint));
    (wanted, removed)
}

fn retaint(node: &mut Value, added: &[Wanted], removed: &[Wanted], now: &str) {
    if added.is_empty() && removed.is_empty() {
        return;
    }
    let is =
        |taint: &Value, (key, effect): &Wanted| taint["key"] == **key && taint["effect"] == word(*effect);
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let kept = taints
        .into_iter()
        .filter(|taint| !removed.iter().any(|other| is(taint, other)));
    let new = added
        .iter()
        .map(|(key, effect)| json!({"key": key, "effect": word(*effect), "timeAdded": now}));
    node["spec"]["taints"] = kept.chain(new).collect();
}

const fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::NoSchedule => "NoSchedule",
        Effect::PreferNoSchedule => "PreferNoSchedule",
        Effect::NoExecute => "NoExecute",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::object::{Meta, View};

    /// A node's taints after it was corrected, as `key:effect` without the common prefix; none if nothing changes.
    fn after(node: &Value, execution: Execution) -> Option<Vec<String>> {
        let view = NodeView::read(&Meta::default(), node.to_string().as_bytes()).unwrap();
        let corrected = correct(node, &view, execution, "1970-01-01T00:00:01Z")?;
        let taints = corrected["spec"]["taints"].as_array().unwrap();
        let short = |taint: &Value| {
            let key = taint["key"].as_str().unwrap().replace("node.kubernetes.io/", "");
            format!("{key}:{}", taint["effect"].as_str().unwrap())
        };
        Some(taints.iter().map(short).collect())
    }

    fn node(ready: &str, taints: &[&str]) -> Value {
        let taint = |text: &&str| {
            let (key, effect) = text.split_once(':').unwrap();
            let key = if key == "mine" {
                key.to_owned()
            } else {
                format!("node.kubernetes.io/{key}")
            };
            json!({"key": key, "effect": effect})
        };
        let conditions = match ready {
            "" => json!([]),
            ready => json!([{"type": "Ready", "status": ready}]),
        };
        json!({
            "metadata": {},
            "spec": {"taints": taints.iter().map(taint).collect::<Vec<_>>()},
            "status": {"conditions": conditions},
        })
    }

    #[test]
    fn taints_say_what_conditions_say_and_others_stay() {
        use Execution::{Allowed, Paused, Stopped};
        type Row<'a> = (&'a str, &'a [&'a str], Execution, Option<&'a [&'a str]>);
        let unreachable: &[&str] = &["unreachable:NoSchedule", "unreachable:NoExecute"];
        let cases: [Row<'_>; 9] = [
            (
                "True",
                &["not-ready:NoSchedule", "mine:NoExecute"],
                Allowed,
                Some(&["mine:NoExecute"]),
            ),
            ("True", &["mine:NoSchedule"], Allowed, None),
            (
                "False",
                &[],
                Allowed,
                Some(&["not-ready:NoSchedule", "not-ready:NoExecute"]),
            ),
            (
                "Unknown",
                &["not-ready:NoSchedule", "not-ready:NoExecute"],
                Allowed,
                Some(unreachable),
            ),
            ("Unknown", unreachable, Allowed, None),
            ("Unknown", &[], Paused, Some(&["unreachable:NoSchedule"])),
            ("Unknown", &["not-ready:NoExecute"], Paused, Some(unreachable)),
            ("Unknown", unreachable, Stopped, Some(&["unreachable:NoSchedule"])),
            ("", &["not-ready:NoSchedule"], Allowed, None),
        ];
        for (ready, taints, execution, expected) in cases {
            let expected = expected.map(|all| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
            assert_eq!(
                after(&node(ready, taints), execution),
                expected,
                "{ready} {taints:?} {execution:?}"
            );
        }
    }

    #[test]
    fn pressure_and_cordons_keep_new_pods_away() {
        let mut cordoned = node("True", &[]);
        cordoned["spec"]["unschedulable"] = json!(true);
        let full = json!({"type": "DiskPressure", "status": "True"});
        cordoned["status"]["conditions"]
            .as_array_mut()
            .unwrap()
            .push(full);
        let expected = ["disk-pressure:NoSchedule", "unschedulable:NoSchedule"].map(str::to_owned);
        assert_eq!(after(&cordoned, Execution::Allowed), Some(expected.to_vec()));
    }

    #[test]
    fn old_labels_follow_new_ones() {
        let mut labelled = node("True", &[]);
        labelled["metadata"]["labels"] =
            json!({"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "plan9"});
        let view = NodeView::read(&Meta::default(), labelled.to_string().as_bytes()).unwrap();
        let corrected = correct(&labelled, &view, Execution::Allowed, "").unwrap();
        assert_eq!(corrected["metadata"]["labels"]["beta.kubernetes.io/os"], "linux");
        assert_eq!(correct(&corrected, &view, Execution::Allowed, ""), None);
    }

    #[test]
    fn where_too_many_are_silent_nobody_is_sent_away() {
        let view = |ready: bool, zone: &str| {
            let status = if ready { "True" } else { "Unknown" };
            let json = json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
            let mut view = NodeView::read(&Meta::default(), json.to_string().as_bytes()).unwrap();
            view.zone = zone.into();
            view
        };
        let of = |all: &[NodeView]| Execution::of("a", all.iter());
        let many = |well: usize, ill: usize, zone: &str| -> Vec<NodeView> {
            let states = [(true, well), (false, ill)];
            states
                .iter()
                .flat_map(|(ready, count)| (0..*count).map(|_| view(*ready, zone)))
                .collect()
        };
        assert_eq!(of(&many(0, 1, "a")), Execution::Stopped);
        assert_eq!(of(&many(1, 1, "a")), Execution::Allowed);
        assert_eq!(of(&many(2, 3, "a")), Execution::Paused);
        assert_eq!(of(&many(3, 3, "a")), Execution::Allowed);
        assert_eq!(
            of(&many(20, 40, "a")),
            Execution::Allowed,
            "large enough to go on"
        );
        let other = [many(0, 3, "a"), many(1, 0, "b")].concat();
        assert_eq!(
            of(&other),
            Execution::Allowed,
            "a zone alone, while others are well"
        );
    }
}
