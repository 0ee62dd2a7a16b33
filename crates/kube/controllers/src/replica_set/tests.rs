use std::time::Duration;

use schema::object::Meta;
use serde_json::{Value, json};

use super::plan::plan;
use super::*;
use crate::workload::conditions;
use crate::workload::pods::sample::{at, clock, pod, ready};
use crate::workload::rank::rank;

fn names<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Vec<&'a str> {
    pods.into_iter().map(Pod::name).collect()
}

fn running(name: &str, since: i64) -> Pod {
    let status = json!({"phase": "Running", "conditions": ready("True", &at(since))});
    pod(
        name,
        &json!({"metadata": {"creationTimestamp": at(0)}, "spec": {"nodeName": "n"}, "status": status}),
    )
}

/// A pod that its node refused a second after it was made.
fn refused(name: &str, created: i64) -> Pod {
    let status = json!({"phase": "Failed", "conditions": ready("False", &at(created + 1))});
    pod(
        name,
        &json!({"metadata": {"creationTimestamp": at(created)}, "status": status}),
    )
}

#[test]
fn who_is_missed_least_goes_first() {
    let on = |node: &str, phase: &str| json!({"spec": {"nodeName": node}, "status": {"phase": phase}});
    let serving = |name: &str, node: &str, since: i64, restarts: u32, cost: &str| {
        pod(
            name,
            &json!({
                "metadata": {
                    "creationTimestamp": at(0),
                    "annotations": {"controller.kubernetes.io/pod-deletion-cost": cost},
                },
                "spec": {"nodeName": node, "containers": [{"name": "c"}]},
                "status": {
                    "phase": "Running", "conditions": ready("True", &at(since)),
                    "containerStatuses": [{"name": "c", "restartCount": restarts}],
                },
            }),
        )
    };
    // From the first to go to the last.
    let pods = [
        pod("unassigned", &on("", "Pending")),
        pod("pending", &on("n", "Pending")),
        pod("unknown", &on("n", "Unknown")),
        pod("unready", &on("n", "Running")),
        serving("cheap", "n", 10, 0, "-1"),
        serving("crowded", "crowd", 10, 0, ""),
        serving("new", "n", 4000, 0, ""),
        serving("restarted", "n", 10, 3, ""),
        serving("a", "n", 10, 0, ""),
        serving("b", "n", 11, 0, ""),
        serving("dear", "n", 10, 0, "5"),
    ];
    let expected = names(&pods);
    let neighbours = Neighbours::from([("crowd".into(), 3), ("n".into(), 1)]);
    for turned in 0..pods.len() {
        let mut mixed: Vec<&Pod> = pods.iter().cycle().skip(turned).take(pods.len()).collect();
        rank(&mut mixed, |pod| *pod, &neighbours, clock(4100));
        assert_eq!(names(mixed), expected);
    }
}

#[test]
fn what_is_missing_is_made_and_what_is_too_much_deleted() {
    let deleting = json!({"deletionTimestamp": at(9), "deletionGracePeriodSeconds": 30});
    let pods = [
        running("a", 1),
        running("b", 2),
        pod("ended", &json!({"status": {"phase": "Succeeded"}})),
        pod(
            "leaving",
            &json!({"metadata": deleting, "status": {"phase": "Running"}}),
        ),
    ];
    let look = |replicas| {
        let plan = plan(replicas, &pods, Neighbours::new, clock(100));
        assert_eq!(plan.wait, None);
        (plan.create, plan.delete.len())
    };
    assert_eq!(
        [look(5), look(2), look(1), look(0)],
        [(3, 0), (0, 0), (0, 1), (0, 2)]
    );
    assert_eq!([look(10_000).0, look(-1).1], [500, 2]);
    let all = || -> Neighbours { panic!("nobody is chosen from where all go") };
    assert_eq!(plan(0, &pods, all, clock(100)).delete.len(), 2);
}

#[test]
fn pods_that_are_refused_are_made_ever_more_slowly() {
    let of = |count: usize| -> Vec<Pod> {
        (0..count)
            .map(|at| refused(&format!("p{at}"), i64::try_from(at).unwrap()))
            .collect()
    };
    for (count, pause) in [(1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (70, 300)] {
        let pods = of(count);
        let newest = i64::try_from(count).unwrap();
        let look = |second| plan(1, &pods, Neighbours::new, clock(newest + second));
        let waiting = look(0);
        assert_eq!(
            (waiting.create, waiting.wait),
            (0, Some(Duration::from_secs(pause))),
            "{count}"
        );
        let over = look(i64::try_from(pause).unwrap());
        assert_eq!((over.create, over.wait), (1, None), "{count}");
        assert_eq!(names(&over.delete).len(), count.saturating_sub(10));
    }
    let twelve = plan(0, &of(12), Neighbours::new, clock(100));
    assert_eq!(
        (names(&twelve.delete), twelve.wait),
        (vec!["p0", "p1"], None),
        "the oldest go"
    );
}

#[test]
fn a_newer_pod_that_runs_ends_the_pause_and_late_failures_make_none() {
    let newer = pod(
        "newer",
        &json!({"metadata": {"creationTimestamp": at(5)}, "status": {"phase": "Pending"}}),
    );
    let pods = [refused("p", 1), newer];
    assert_eq!(plan(2, &pods, Neighbours::new, clock(6)).create, 1);
    let status = json!({"phase": "Failed", "conditions": ready("False", &at(60))});
    let late = pod(
        "late",
        &json!({"metadata": {"creationTimestamp": at(1)}, "status": status}),
    );
    assert_eq!(plan(1, &[late], Neighbours::new, clock(61)).create, 1);
}

fn set(spec: &Value, status: &Value) -> ReplicaSet {
    serde_json::from_value(json!({"spec": spec, "status": status})).unwrap()
}

#[test]
fn a_status_counts_pods() {
    let labels = json!({"app": "web"});
    let spec = json!({"replicas": 3, "minReadySeconds": 10, "template": {"metadata": {"labels": labels}}});
    let set = set(&spec, &json!({"replicas": 0}));
    let mut labelled = running("new", 95);
    labelled = pod("new", &{
        let mut body: Value = serde_json::from_slice(labelled.object.body()).unwrap();
        body["metadata"]["labels"] = labels;
        body
    });
    let deleting = json!({"deletionTimestamp": at(9)});
    let pods = [
        running("old", 50),
        labelled,
        pod("pending", &json!({"status": {"phase": "Pending"}})),
        pod(
            "leaving",
            &json!({"metadata": deleting.clone(), "status": {"phase": "Running"}}),
        ),
        pod(
            "left",
            &json!({"metadata": deleting, "status": {"phase": "Failed"}}),
        ),
    ];
    let meta = Meta {
        generation: 7,
        ..Meta::default()
    };
    let status = status::of(&meta, &set, &pods, None, clock(100));
    let expected = json!({
        "replicas": 3, "fullyLabeledReplicas": 1, "readyReplicas": 2, "availableReplicas": 1,
        "terminatingReplicas": 1, "observedGeneration": 7, "conditions": [],
    });
    assert_eq!(serde_json::to_value(&status).unwrap(), expected);
    assert_eq!(status::again(10, &pods, clock(100)), Some(Duration::from_secs(5)));
    assert_eq!(status::again(0, &pods, clock(100)), None);
}

#[test]
fn a_failure_is_said_until_it_is_over() {
    let meta = Meta::default();
    let healthy = set(&json!({"replicas": 1}), &json!({"replicas": 0}));
    let failed = status::of(&meta, &healthy, &[], Some("no quota".to_owned()), clock(1));
    let failure = conditions::find(&failed.conditions, REPLICA_FAILURE).unwrap();
    assert_eq!(
        (&*failure.reason, &*failure.message),
        ("FailedCreate", "no quota")
    );
    let still = set(&json!({"replicas": 1}), &serde_json::to_value(&failed).unwrap());
    let again = status::of(&meta, &still, &[], Some("another text".to_owned()), clock(2));
    assert_eq!(again.conditions, failed.conditions, "what is said already stays");
    assert!(
        status::of(&meta, &still, &[], None, clock(3))
            .conditions
            .is_empty()
    );
}
