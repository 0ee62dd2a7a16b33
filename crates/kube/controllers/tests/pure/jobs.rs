//! Jobs beside a kubelet that runs whatever there is.

use std::time::Duration;

use client::{Propagation, Resource};
use driver::Env;
use serde_json::{Value, json};

use crate::kubelet::{PODS, read, view};
use crate::node::{EVENTS, Node};

static JOBS: Resource = Resource::new("batch", "v1", "jobs", "Job", true);

fn job(image: &str, more: &Value) -> Value {
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}});
    let mut job = json!({"metadata": {"name": "work"}, "spec": {"template": template}});
    for (member, value) in more.as_object().unwrap() {
        job["spec"][member] = value.clone();
    }
    job
}

fn cluster(seed: u64) -> Node {
    let node = Node::start(seed);
    node.namespace("x");
    node.with_kubelet()
}

fn status(node: &Node) -> Value {
    node.get(&JOBS, "x", "work")
        .map_or(Value::Null, |job| job["status"].clone())
}

fn reasons(node: &Node) -> Vec<String> {
    let conditions = status(node)["conditions"].as_array().cloned().unwrap_or_default();
    let of = |each: &Value| {
        format!(
            "{}/{}",
            each["type"].as_str().unwrap(),
            each["reason"].as_str().unwrap()
        )
    };
    conditions.iter().map(of).collect()
}

fn is_over(node: &Node) -> bool {
    reasons(node)
        .iter()
        .any(|reason| reason.starts_with("Complete/") || reason.starts_with("Failed/"))
}

fn told(node: &Node) -> Vec<String> {
    let names = node.names(&EVENTS, "x");
    let events = names.iter().filter_map(|name| node.get(&EVENTS, "x", name));
    let mut of: Vec<Value> = events
        .filter(|event| event["involvedObject"]["kind"] == "Job")
        .collect();
    of.sort_by_key(|event| event["metadata"]["name"].as_str().map(str::to_owned));
    of.iter()
        .map(|event| event["reason"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_job_runs_once_and_says_so() {
    let node = cluster(1);
    node.create(&JOBS, "x", &job("work", &json!({})));
    node.until("it is over", is_over);
    node.settle();
    assert_eq!(
        reasons(&node),
        [
            "SuccessCriteriaMet/CompletionsReached",
            "Complete/CompletionsReached"
        ]
    );
    let mut said = status(&node);
    for changing in ["startTime", "completionTime", "conditions"] {
        assert!(!said[changing].take().is_null(), "{changing}");
    }
    let expected = json!({
        "startTime": null, "completionTime": null, "conditions": null, "succeeded": 1, "ready": 0, "terminating": 0,
        "uncountedTerminatedPods": {},
    });
    assert_eq!(said, expected);
    assert_eq!(told(&node), ["SuccessfulCreate", "Completed"]);
    let pod = read(&node.pods()[0]);
    assert_eq!(pod["metadata"]["finalizers"], Value::Null);
    assert_eq!(pod["metadata"]["labels"]["batch.kubernetes.io/job-name"], "work");
    node.delete(&JOBS, "x", "work", Some(Propagation::Background));
    node.until("its pod goes too", |node| node.pods().is_empty());
}

#[test]
fn many_pods_run_side_by_side_and_each_counts() {
    let node = cluster(2);
    node.create(
        &JOBS,
        "x",
        &job("work", &json!({"completions": 20, "parallelism": 6})),
    );
    for _ in 0..20_000 {
        let active = node.pods().iter().filter(|pod| view(pod).is_active()).count();
        assert!(active <= 6, "{active}");
        if !node.turn() && is_over(&node) {
            break;
        }
        if !node.sim().is_ready() {
            node.sim().step();
        }
    }
    assert_eq!(
        (status(&node)["succeeded"].as_i64(), node.pods().len()),
        (Some(20), 20)
    );
}

#[test]
fn indexes_are_done_each() {
    let node = cluster(3);
    let spec = json!({"completions": 4, "parallelism": 2, "completionMode": "Indexed"});
    node.create(&JOBS, "x", &job("work", &spec));
    node.until("it is over", is_over);
    assert_eq!(status(&node)["completedIndexes"], "0-3");
    let mut pods: Vec<Value> = node.pods().iter().map(|pod| read(pod)).collect();
    pods.sort_by_key(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned());
    for (index, pod) in pods.iter().enumerate() {
        let (meta, spec) = (&pod["metadata"], &pod["spec"]);
        assert!(
            meta["name"]
                .as_str()
                .unwrap()
                .starts_with(&format!("work-{index}-"))
        );
        for part in ["labels", "annotations"] {
            assert_eq!(
                meta[part]["batch.kubernetes.io/job-completion-index"],
                index.to_string()
            );
        }
        assert_eq!(spec["hostname"], format!("work-{index}"));
        let variable = &spec["containers"][0]["env"][0];
        assert_eq!(variable["name"], "JOB_COMPLETION_INDEX");
        let field = "metadata.labels['batch.kubernetes.io/job-completion-index']";
        assert_eq!(variable["valueFrom"]["fieldRef"]["fieldPath"], field);
    }
}

#[test]
fn a_job_that_fails_tries_again_ever_later() {
    let node = cluster(4);
    node.create(&JOBS, "x", &job("fail-3", &json!({"backoffLimit": 2})));
    let before = node.sim().now();
    node.until("it is over", is_over);
    // Three pods of three to five seconds each, and pauses of 10 and 20 seconds from their ends, in whole seconds.
    let took = node.sim().now().saturating_since(before);
    assert!(
        (Duration::from_secs(38)..Duration::from_secs(46)).contains(&took),
        "{took:?}"
    );
    assert_eq!(
        reasons(&node),
        [
            "FailureTarget/BackoffLimitExceeded",
            "Failed/BackoffLimitExceeded"
        ]
    );
    assert_eq!(
        (status(&node)["failed"].as_i64(), node.pods().len()),
        (Some(3), 3)
    );
    assert_eq!(told(&node).last().unwrap(), "BackoffLimitExceeded");
}

#[test]
fn a_deadline_cuts_a_job_off_and_nothing_of_it_runs_when_it_has_failed() {
    let node = cluster(5);
    let spec = json!({"activeDeadlineSeconds": 30, "parallelism": 3, "completions": 3});
    node.create(&JOBS, "x", &job("hold", &spec));
    node.until("it is cut off", |node| {
        reasons(node) == ["FailureTarget/DeadlineExceeded"]
    });
    node.until("it is over", is_over);
    assert!(node.pods().is_empty(), "what was cut off has ended");
    assert_eq!(status(&node)["failed"], 3);
}

#[test]
fn a_suspended_job_rests() {
    let node = cluster(6);
    node.create(
        &JOBS,
        "x",
        &job("hold", &json!({"parallelism": 2, "completions": 2})),
    );
    node.until("both run", |node| status(node)["active"] == 2);
    node.patch(&JOBS, "x", "work", &json!({"spec": {"suspend": true}}));
    node.until("both are gone", |node| node.pods().is_empty());
    node.settle();
    assert_eq!(
        (reasons(&node), status(&node)["failed"].clone()),
        (vec!["Suspended/JobSuspended".to_owned()], Value::Null)
    );
    node.patch(&JOBS, "x", "work", &json!({"spec": {"suspend": false}}));
    node.until("both run again", |node| status(node)["active"] == 2);
    assert_eq!(reasons(&node), ["Suspended/JobResumed"]);
    let told = told(&node);
    for reason in ["Suspended", "Resumed"] {
        assert!(told.iter().any(|each| each == reason), "{told:?}");
    }
}

#[test]
fn a_pod_that_somebody_deletes_has_failed_and_is_replaced() {
    let node = cluster(7);
    node.create(&JOBS, "x", &job("hold", &json!({})));
    node.until("it runs", |node| {
        status(node)["active"] == 1 && view(&node.pods()[0]).ip.is_none()
    });
    let name = read(&node.pods()[0])["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    node.delete(&PODS, "x", &name, None);
    node.until("another runs", |node| {
        status(node)["active"] == 1 && node.pods().iter().all(|pod| *pod.meta.name != *name)
    });
    assert_eq!(status(&node)["failed"], 1);
}

#[test]
fn a_job_goes_so_long_after_its_end() {
    let node = cluster(8);
    node.create(&JOBS, "x", &job("work", &json!({"ttlSecondsAfterFinished": 100})));
    node.until("it is over", is_over);
    let before = node.sim().now();
    node.until("it is gone", |node| {
        node.get(&JOBS, "x", "work").is_none() && node.pods().is_empty()
    });
    let took = node.sim().now().saturating_since(before);
    assert!(
        (Duration::from_secs(98)..Duration::from_secs(105)).contains(&took),
        "{took:?}"
    );
}

#[test]
fn pods_of_a_job_that_is_gone_do_not_stay() {
    let mut node = cluster(9);
    node.create(
        &JOBS,
        "x",
        &job("hold", &json!({"parallelism": 3, "completions": 3})),
    );
    node.until("all run", |node| status(node)["active"] == 3);
    node.stop();
    node.delete(&JOBS, "x", "work", Some(Propagation::Orphan));
    node.patch(&JOBS, "x", "work", &json!({"metadata": {"finalizers": null}}));
    let node = node.with_controllers();
    node.until("they go", |node| node.pods().is_empty());
}

#[test]
fn each_pod_counts_exactly_once_wherever_the_power_fails() {
    for rounds in [4, 20] {
        let mut node = cluster(rounds);
        node.create(
            &JOBS,
            "x",
            &job("work", &json!({"completions": 6, "parallelism": 3})),
        );
        for crash in 0..3 {
            for _ in 0..rounds {
                if !node.turn() {
                    node.sim().step();
                }
            }
            node = node.crash(100 * rounds + crash).with_controllers().with_kubelet();
        }
        node.until("it is over", is_over);
        node.settle();
        assert_eq!(status(&node)["succeeded"], 6, "{rounds}");
        let pods: Vec<Value> = node.pods().iter().map(|pod| read(pod)).collect();
        let done = pods
            .iter()
            .filter(|pod| pod["status"]["phase"] == "Succeeded")
            .count();
        assert_eq!(done, 6, "{rounds}");
    }
}
