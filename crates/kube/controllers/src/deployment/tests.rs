use std::time::{Duration, SystemTime};

use bytes::Bytes;
use schema::object::{Obj, Order, Revision};
use serde_json::{Value, json};

use super::plan::{Plan, World as Asked, plan};
use super::replica_set::Set;
use super::spec::Deployment;
use crate::workload::conditions;
use crate::workload::pods::sample::{at, clock};
use crate::workload::time::Time;

/// A world without pods, in which names that begin with this are taken.
struct Taken(&'static str);

impl Asked for Taken {
    fn is_taken(&self, name: &str) -> bool {
        !self.0.is_empty() && name.starts_with(self.0)
    }

    fn has_pods(&self, _: &Set) -> bool {
        false
    }
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}})
}

fn deployment(spec: &Value, status: &Value) -> Deployment {
    let mut all = json!({
        "replicas": 10, "progressDeadlineSeconds": 600, "selector": {"matchLabels": {"app": "web"}},
        "template": template("new"),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}},
    });
    for (member, value) in spec.as_object().unwrap() {
        all[member] = value.clone();
    }
    let metadata = json!({"name": "web", "generation": 1});
    serde_json::from_value(json!({"metadata": metadata, "spec": all, "status": status})).unwrap()
}

/// A ReplicaSet with a size, of which so many are available; made in the order of `created`.
fn set(image: &str, created: i64, replicas: i64, available: i64, annotations: &Value) -> Set {
    let mut template = template(image);
    template["metadata"]["labels"]["pod-template-hash"] = image.into();
    let body = json!({
        "metadata": {
            "name": image, "namespace": "x", "uid": image, "generation": 1, "creationTimestamp": at(created),
            "annotations": annotations,
        },
        "spec": {"replicas": replicas, "template": template},
        "status": {
            "replicas": replicas, "readyReplicas": available, "availableReplicas": available,
            "observedGeneration": 1,
        },
    });
    let (key, bytes) = (format!("x/{image}"), Bytes::from(body.to_string()));
    let object = Obj::new(&key, Revision(1), bytes, Order::Declared);
    Set::read(&object.unwrap().into()).unwrap()
}

fn look(deployment: &Deployment, sets: Vec<Set>, now: SystemTime) -> (Plan, Vec<i64>) {
    let (plan, sets) = plan(deployment, sets, &Taken(""), now);
    (plan, sets.iter().map(|set| set.wanted.replicas).collect())
}

#[test]
fn each_look_is_one_step() {
    // Old and new as (size, available), and their sizes after a look, of 10 with 3 more and 2 fewer.
    let cases = [
        ((10, 10), (0, 0), (10, 3)),
        ((10, 10), (3, 0), (8, 3)),
        ((8, 8), (3, 0), (8, 5)),
        ((8, 8), (5, 0), (8, 5)),
        ((8, 8), (5, 3), (5, 5)),
        ((5, 5), (5, 3), (5, 8)),
        ((8, 6), (5, 2), (6, 5)),
        ((8, 0), (5, 5), (3, 5)),
        ((0, 0), (12, 12), (0, 10)),
        ((0, 0), (10, 10), (0, 10)),
    ];
    let web = deployment(&json!({}), &json!({}));
    for (old, new, (old_after, new_after)) in cases {
        let sets = vec![
            set("old", 0, old.0, old.1, &json!({})),
            set("new", 1, new.0, new.1, &json!({})),
        ];
        assert_eq!(
            look(&web, sets, clock(9)).1,
            [old_after, new_after],
            "{old:?} {new:?}"
        );
    }
}

#[test]
fn the_oldest_and_the_broken_go_first() {
    let web = deployment(&json!({}), &json!({}));
    let sets = vec![
        set("oldest", 0, 4, 4, &json!({})),
        set("older", 1, 4, 1, &json!({})),
        set("new", 2, 5, 5, &json!({})),
    ];
    // 13 of at least 8: five may go, of which three are broken.
    assert_eq!(look(&web, sets, clock(9)).1, [2, 1, 5]);
}

#[test]
fn upstreams_cases_of_proportional_scaling() {
    /// Sizes of the Deployment and what it surges by, before and after; of its ReplicaSets, oldest first, before and
    /// after; whether the last of them is the new one.
    type Case = ([(i64, i64); 2], &'static [i64], &'static [i64], bool);
    let cases: [Case; 15] = [
        ([(10, 0), (12, 0)], &[10], &[12], true),
        ([(10, 0), (5, 0)], &[10], &[5], true),
        ([(5, 0), (10, 0)], &[3, 2], &[6, 4], true),
        ([(5, 0), (3, 0)], &[3, 2], &[2, 1], true),
        ([(9, 0), (4, 0)], &[1, 8], &[0, 4], true),
        ([(7, 0), (10, 0)], &[2, 3, 2], &[3, 4, 3], true),
        ([(13, 0), (8, 0)], &[3, 8, 2], &[2, 5, 1], true),
        ([(3, 0), (4, 0)], &[1, 1, 1], &[1, 1, 2], true),
        ([(3, 0), (2, 0)], &[1, 1, 1], &[0, 1, 1], true),
        ([(4, 0), (5, 0)], &[2, 2], &[2, 3], false),
        ([(6, 0), (0, 0)], &[1, 2, 3], &[0, 0, 0], true),
        ([(6, 0), (6, 0)], &[0, 0, 0], &[0, 0, 6], true),
        ([(10, 2), (20, 2)], &[6, 6], &[11, 11], true),
        ([(10, 3), (50, 6)], &[8, 5], &[34, 22], true),
        ([(10, 0), (14, 0)], &[3, 7], &[4, 10], false),
    ];
    for ([before, after], sizes, expected, has_new) in cases {
        let strategy =
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": after.1, "maxUnavailable": 1}});
        let web = deployment(
            &json!({"replicas": after.0, "strategy": strategy}),
            &json!({"replicas": before.0}),
        );
        let annotations = json!({
            "deployment.kubernetes.io/desired-replicas": before.0.to_string(),
            "deployment.kubernetes.io/max-replicas": (before.0 + before.1).to_string(),
        });
        let last = sizes.len() - 1;
        let made = |(at, size): (usize, &i64)| {
            let image = if at == last && has_new {
                "new".to_owned()
            } else {
                format!("old-{at}")
            };
            set(&image, i64::try_from(at).unwrap(), *size, 0, &annotations)
        };
        let (_, scaled) = look(&web, sizes.iter().enumerate().map(made).collect(), clock(99));
        assert_eq!(scaled, expected, "{before:?} to {after:?} of {sizes:?}");
    }
}

#[test]
fn a_new_replica_set_takes_what_room_there_is_and_the_next_revision() {
    let web = deployment(
        &json!({}),
        &json!({"replicas": 11, "readyReplicas": 11, "availableReplicas": 11}),
    );
    let old = set(
        "old",
        0,
        11,
        11,
        &json!({"deployment.kubernetes.io/revision": "4"}),
    );
    let (plan, sets) = plan(&web, vec![old], &Taken(""), clock(9));
    let made = &sets[1];
    assert!(made.object.is_none() && made.name.starts_with("web-"));
    assert_eq!(
        (made.wanted.replicas, made.revision(), plan.revision.as_deref()),
        (2, 5, Some("5"))
    );
    let progressing = conditions::find(&plan.status.conditions, "Progressing").unwrap();
    assert_eq!(
        progressing.message,
        format!("Created new replica set {:?}", made.name)
    );
}

#[test]
fn a_name_that_is_taken_counts_as_a_collision() {
    let web = deployment(&json!({}), &json!({"collisionCount": 3}));
    let (plan, sets) = plan(&web, Vec::new(), &Taken("web-"), clock(9));
    assert!(sets.is_empty());
    assert_eq!(plan.status.collision_count, Some(4));
}

#[test]
fn a_template_that_was_there_before_becomes_the_newest() {
    let web = deployment(&json!({}), &json!({}));
    let revision = |number: u32| json!({"deployment.kubernetes.io/revision": number.to_string()});
    let sets = vec![
        set("new", 0, 0, 0, &revision(1)),
        set("old", 1, 10, 10, &revision(7)),
    ];
    let (_, sets) = plan(&web, sets, &Taken(""), clock(9));
    let annotations = &sets[0].wanted.annotations;
    assert_eq!(sets[0].revision(), 8);
    assert_eq!(annotations["deployment.kubernetes.io/revision-history"], "1");
}

#[test]
fn a_long_history_of_revisions_forgets_the_first() {
    let web = deployment(&json!({}), &json!({}));
    let history = vec!["1234567"; 250].join(",");
    let annotations = json!({
        "deployment.kubernetes.io/revision": "3", "deployment.kubernetes.io/revision-history": history,
    });
    let sets = vec![
        set("new", 0, 0, 0, &annotations),
        set(
            "old",
            1,
            10,
            10,
            &json!({"deployment.kubernetes.io/revision": "7"}),
        ),
    ];
    let (_, sets) = plan(&web, sets, &Taken(""), clock(9));
    let kept = &sets[0].wanted.annotations["deployment.kubernetes.io/revision-history"];
    assert!(
        kept.len() <= 2_000 && kept.ends_with(",3") && kept.starts_with("1234567,"),
        "{}",
        kept.len()
    );
}

#[test]
fn progress_is_renewed_and_then_overdue() {
    let condition = |reason: &str, second: i64| {
        json!([{
            "type": "Progressing", "status": "True", "reason": reason,
            "lastUpdateTime": at(second), "lastTransitionTime": at(0),
        }])
    };
    let before =
        json!({"replicas": 13, "updatedReplicas": 5, "conditions": condition("ReplicaSetUpdated", 100)});
    let web = deployment(&json!({}), &before);
    let sets = |available| {
        vec![
            set("old", 0, 8, 8, &json!({})),
            set("new", 1, 5, available, &json!({})),
        ]
    };
    let progressing = |sets, now| {
        let plan = look(&web, sets, clock(now)).0;
        let found = conditions::find(&plan.status.conditions, "Progressing")
            .unwrap()
            .clone();
        (found.reason, found.last_update_time.unwrap(), plan.again)
    };
    let again = |second: u64| Some(Duration::from_secs(second));
    // One more is available than was said: that is progress.
    assert_eq!(
        progressing(sets(1), 300),
        ("ReplicaSetUpdated".to_owned(), Time::of(clock(300)), again(601))
    );
    let seen = json!({
        "replicas": 13, "updatedReplicas": 5, "readyReplicas": 8, "availableReplicas": 8,
        "conditions": condition("ReplicaSetUpdated", 100),
    });
    let web = deployment(&json!({}), &seen);
    let progressing = |now| {
        let plan = look(&web, sets(0), clock(now)).0;
        let found = conditions::find(&plan.status.conditions, "Progressing")
            .unwrap()
            .clone();
        (found.reason, found.last_update_time.unwrap(), plan.again)
    };
    assert_eq!(
        progressing(300),
        ("ReplicaSetUpdated".to_owned(), Time::of(clock(100)), again(401))
    );
    assert_eq!(
        progressing(701),
        ("ProgressDeadlineExceeded".to_owned(), Time::of(clock(701)), None)
    );
}

#[test]
fn without_a_deadline_nothing_is_said_of_progress() {
    for limit in [json!(2_147_483_647), Value::Null] {
        let web = deployment(&json!({"progressDeadlineSeconds": limit}), &json!({}));
        let plan = look(&web, vec![set("new", 0, 10, 3, &json!({}))], clock(9)).0;
        let kinds: Vec<&str> = plan.status.conditions.iter().map(|each| &*each.kind).collect();
        assert_eq!((kinds, plan.again), (vec!["Available"], None));
    }
}
