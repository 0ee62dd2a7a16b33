use std::time::Duration;

use serde_json::{Value, json};

use super::plan::{Plan, Wanted, plan};
use super::*;
use crate::workload::conditions::Condition;
use crate::workload::pods::sample::{at, clock, pod, ready};
use crate::workload::time::Time;

fn job(spec: &Value, status: &Value) -> Job {
    let mut all = json!({"parallelism": 1, "completions": 1, "backoffLimit": 6});
    for (member, value) in spec.as_object().unwrap() {
        all[member] = value.clone();
    }
    let metadata = json!({"name": "work", "namespace": "x"});
    serde_json::from_value(json!({"metadata": metadata, "spec": all, "status": status})).unwrap()
}

fn indexed(count: i64, more: &Value) -> Value {
    let mut spec = json!({"completions": count, "parallelism": count, "completionMode": "Indexed"});
    for (member, value) in more.as_object().unwrap() {
        spec[member] = value.clone();
    }
    spec
}

/// A tracked pod in a phase that began at a second. `more` may say `index`, `failures`, `code`, `deleting`, `free`.
fn run(name: &str, phase: &str, second: i64, more: &Value) -> Run {
    let mut metadata = json!({"creationTimestamp": at(0), "annotations": {}});
    if more["free"].is_null() {
        metadata["finalizers"] = json!([TRACKING]);
    }
    if let Some(index) = more["index"].as_i64() {
        metadata["annotations"][pod::INDEX] = index.to_string().into();
    }
    if let Some(failures) = more["failures"].as_i64() {
        metadata["annotations"][pod::FAILURES] = failures.to_string().into();
    }
    if !more["deleting"].is_null() {
        metadata["deletionTimestamp"] = at(second + 30).into();
        metadata["deletionGracePeriodSeconds"] = 30.into();
    }
    let mut status = json!({"phase": phase, "conditions": ready(if phase == "Running" { "True" } else { "False" }, &at(second))});
    if let Some(code) = more["code"].as_i64() {
        let terminated = json!({"terminated": {"exitCode": code, "finishedAt": at(second)}});
        status["containerStatuses"] = json!([{"name": "c", "state": terminated}]);
    }
    if let Some(restarts) = more["restarts"].as_i64() {
        status["containerStatuses"] = json!([{"name": "c", "restartCount": restarts, "state": {}}]);
    }
    Run::read(pod(
        name,
        &json!({"metadata": metadata, "spec": {"nodeName": "n"}, "status": status}),
    ))
    .unwrap()
}

fn look(job: &Job, runs: Vec<Run>, second: i64) -> (Plan, Status) {
    plan(job, runs, clock(second))
}

fn reasons(conditions: &[Condition]) -> Vec<(&str, &str)> {
    conditions
        .iter()
        .map(|each| (&*each.kind, &*each.reason))
        .collect()
}

fn names(pods: &[Pod]) -> Vec<&str> {
    pods.iter().map(Pod::name).collect()
}

fn none() -> Value {
    json!({})
}

#[test]
fn a_job_makes_runs_counts_and_ends() {
    let fresh = job(&none(), &none());
    let (made, first) = look(&fresh, Vec::new(), 1);
    let wanted = Wanted {
        index: None,
        failures: None,
    };
    assert_eq!((made.create, made.again), (vec![wanted], None));
    assert_eq!(first.start_time, Some(Time::of(clock(1))));
    let empty = json!({
        "startTime": at(1), "conditions": [], "active": 0, "succeeded": 0, "failed": 0, "terminating": 0, "ready": 0,
        "uncountedTerminatedPods": {},
    });
    assert_eq!(serde_json::to_value(&first).unwrap(), empty);

    let running = job(&none(), &serde_json::to_value(&first).unwrap());
    let (plan, second) = look(&running, vec![run("p", "Running", 2, &none())], 3);
    assert!(plan.create.is_empty() && plan.release.is_empty());
    assert_eq!((second.active, second.ready), (1, Some(1)));

    // It has ended: its uid is written, and then it is let go.
    let ended = job(&none(), &serde_json::to_value(&second).unwrap());
    let (plan, third) = look(&ended, vec![run("p", "Succeeded", 9, &none())], 9);
    assert_eq!(names(&plan.release), ["p"]);
    assert_eq!(third.uncounted_terminated_pods.as_ref().unwrap().succeeded, ["p"]);
    assert_eq!((third.active, third.succeeded), (0, 0));
    assert_eq!(
        reasons(&third.conditions),
        [("SuccessCriteriaMet", "CompletionsReached")]
    );

    // A kill before the finalizer is off changes nothing.
    let again = job(&none(), &serde_json::to_value(&third).unwrap());
    let (plan, same) = look(&again, vec![run("p", "Succeeded", 9, &none())], 10);
    assert_eq!((names(&plan.release), &same), (vec!["p"], &third));

    // Without its finalizer it counts, whether it is still there or not.
    for left in [vec![run("p", "Succeeded", 9, &json!({"free": true}))], Vec::new()] {
        let (plan, last) = look(&again, left, 11);
        assert_eq!((last.succeeded, last.is_finished()), (1, true));
        assert_eq!(last.uncounted_terminated_pods, Some(status::Uncounted::default()));
        let expected = [
            ("SuccessCriteriaMet", "CompletionsReached"),
            ("Complete", "CompletionsReached"),
        ];
        assert_eq!(reasons(&last.conditions), expected);
        assert_eq!(last.completion_time, last.conditions[1].last_transition_time);
        let told: Vec<&str> = plan.told.iter().map(|told| &*told.message).collect();
        assert_eq!(told, ["Job completed"]);
    }
}

#[test]
fn failures_make_ever_longer_pauses_since_the_last_success() {
    let many = job(
        &json!({"completions": 5, "parallelism": 1, "backoffLimit": 99}),
        &none(),
    );
    let cases = [(1, 10), (2, 20), (3, 40), (6, 320), (7, 600), (40, 600)];
    for (failures, pause) in cases {
        let failed: Vec<Run> = (0..failures)
            .map(|at| run(&format!("f{at}"), "Failed", 100, &none()))
            .collect();
        let (waiting, _) = look(&many, failed.clone(), 101);
        assert!(waiting.create.is_empty());
        assert_eq!(waiting.again, Some(Duration::from_secs(pause - 1)), "{failures}");
        let (over, _) = look(&many, failed, 100 + i64::try_from(pause).unwrap());
        assert_eq!(over.create.len(), 1, "{failures}");
    }
    let runs = vec![
        run("f1", "Failed", 100, &none()),
        run("ok", "Succeeded", 110, &none()),
        run("f2", "Failed", 120, &none()),
    ];
    assert_eq!(look(&many, runs, 121).0.again, Some(Duration::from_secs(9)));
}

#[test]
fn a_job_that_fails_too_often_says_so_and_then_fails() {
    let limited = |status| {
        job(
            &json!({"backoffLimit": 1, "parallelism": 2, "completions": 4}),
            &status,
        )
    };
    let runs = vec![
        run("a", "Failed", 1, &none()),
        run("b", "Failed", 2, &none()),
        run("c", "Running", 1, &none()),
    ];
    let (plan, status) = look(&limited(none()), runs, 3);
    assert_eq!((names(&plan.delete), plan.create.len()), (vec!["c"], 0));
    assert_eq!(
        reasons(&status.conditions),
        [("FailureTarget", "BackoffLimitExceeded")]
    );
    let mut uncounted = status.uncounted_terminated_pods.clone().unwrap().failed;
    uncounted.sort();
    assert_eq!(uncounted, ["a", "b", "c"], "what is cut off has failed");
    let said = serde_json::to_value(&status).unwrap();
    let free = json!({"free": true, "deleting": true});
    let (plan, waiting) = look(&limited(said.clone()), vec![run("c", "Running", 1, &free)], 4);
    assert_eq!(
        (waiting.failed, waiting.terminating, waiting.is_finished()),
        (3, Some(1), false)
    );
    assert!(plan.told.is_empty());
    let (plan, last) = look(&limited(said), Vec::new(), 5);
    assert_eq!(reasons(&last.conditions)[1], ("Failed", "BackoffLimitExceeded"));
    assert_eq!(
        plan.told[0].message,
        "Job has reached the specified backoff limit"
    );
    assert_eq!(last.completion_time, None);
}

#[test]
fn restarts_in_place_count_towards_the_limit() {
    let of = |limit: i64, restarts: i64| {
        let template = json!({"spec": {"restartPolicy": "OnFailure"}});
        let spec = json!({"backoffLimit": limit, "template": template});
        let runs = vec![run("p", "Running", 1, &json!({"restarts": restarts}))];
        !look(&job(&spec, &none()), runs, 2).1.conditions.is_empty()
    };
    assert_eq!(
        [of(3, 2), of(3, 3), of(0, 0), of(0, 1)],
        [false, true, false, true]
    );
}

#[test]
fn a_deadline_is_waited_for_and_ends_the_job() {
    let limited = job(
        &json!({"activeDeadlineSeconds": 60}),
        &json!({"startTime": at(0)}),
    );
    let running = || vec![run("p", "Running", 1, &none())];
    assert_eq!(
        look(&limited, running(), 20).0.again,
        Some(Duration::from_secs(40))
    );
    let (plan, status) = look(&limited, running(), 60);
    assert_eq!(names(&plan.delete), ["p"]);
    assert_eq!(
        reasons(&status.conditions),
        [("FailureTarget", "DeadlineExceeded")]
    );
}

#[test]
fn a_suspended_job_rests_and_goes_on() {
    let resting = job(&json!({"suspend": true}), &json!({"startTime": at(0)}));
    let (plan, status) = look(&resting, vec![run("p", "Running", 1, &none())], 5);
    assert_eq!((names(&plan.discard), plan.release.len()), (vec!["p"], 0));
    assert_eq!(reasons(&status.conditions), [("Suspended", "JobSuspended")]);
    assert_eq!(plan.told[0].reason, "Suspended");
    let (plan, still) = look(
        &job(&json!({"suspend": true}), &serde_json::to_value(&status).unwrap()),
        Vec::new(),
        9,
    );
    assert!(plan.told.is_empty() && plan.create.is_empty() && still.conditions == status.conditions);
    let (plan, on) = look(
        &job(&none(), &serde_json::to_value(&status).unwrap()),
        Vec::new(),
        100,
    );
    assert_eq!(
        (reasons(&on.conditions), plan.create.len()),
        (vec![("Suspended", "JobResumed")], 1)
    );
    assert_eq!(on.start_time, Some(Time::of(clock(100))));
    let never = look(&job(&json!({"suspend": true}), &none()), Vec::new(), 1).1;
    assert_eq!(never.start_time, None);
}

#[test]
fn no_more_pods_run_than_are_needed() {
    // Parallelism, completions, what has succeeded, what runs; what is made and what is discarded.
    let cases = [
        (3, Some(10), 0, 0, (3, 0)),
        (3, Some(10), 8, 0, (2, 0)),
        (3, Some(10), 8, 3, (0, 1)),
        (3, None, 0, 1, (2, 0)),
        (3, None, 1, 2, (0, 0)),
        (0, Some(2), 0, 2, (0, 2)),
        (900, Some(900), 0, 0, (500, 0)),
    ];
    for (parallelism, completions, succeeded, running, expected) in cases {
        let spec = json!({"parallelism": parallelism, "completions": completions});
        let job = job(&spec, &json!({"succeeded": succeeded}));
        let runs = (0..running)
            .map(|at| run(&format!("r{at}"), "Running", 1, &none()))
            .collect();
        let (plan, _) = look(&job, runs, 9);
        assert_eq!((plan.create.len(), plan.discard.len()), expected, "{spec}");
    }
}

#[test]
fn who_waits_for_ends_replaces_only_what_has_ended() {
    for (policy, made) in [("Failed", 0), ("TerminatingOrFailed", 1)] {
        let spec = json!({"podReplacementPolicy": policy, "backoffLimit": 9});
        let leaving = run("p", "Running", 1, &json!({"deleting": true}));
        let (plan, status) = look(&job(&spec, &none()), vec![leaving], 500);
        assert_eq!(
            (plan.create.len(), status.terminating),
            (made, Some(1)),
            "{policy}"
        );
        assert_eq!(
            status.uncounted_terminated_pods.unwrap().failed.len(),
            made,
            "{policy}"
        );
    }
}

#[test]
fn indexes_are_done_once_each() {
    let spec = indexed(5, &json!({"parallelism": 2}));
    let done = job(&spec, &json!({"completedIndexes": "0,2"}));
    let runs = vec![
        run("one", "Succeeded", 5, &json!({"index": 1})),
        run("again", "Succeeded", 6, &json!({"index": 2})),
        run("beyond", "Succeeded", 6, &json!({"index": 9})),
    ];
    let (plan, status) = look(&done, runs, 9);
    let wanted: Vec<_> = plan.create.iter().map(|wanted| wanted.index.unwrap()).collect();
    assert_eq!(wanted, [3, 4]);
    assert_eq!((&*status.completed_indexes, status.succeeded), ("0-2", 3));
    assert_eq!(names(&plan.release), ["one", "again", "beyond"]);
    assert_eq!(
        status.uncounted_terminated_pods,
        Some(status::Uncounted::default())
    );
}

#[test]
fn of_pods_with_one_index_the_best_stays() {
    let runs = vec![
        run("ready", "Running", 1, &json!({"index": 0})),
        run("pending", "Pending", 1, &json!({"index": 0})),
        run("lost", "Running", 1, &none()),
        run("beyond", "Running", 1, &json!({"index": 7})),
    ];
    let (plan, _) = look(&job(&indexed(2, &none()), &none()), runs, 9);
    let mut discarded = names(&plan.discard);
    discarded.sort_unstable();
    assert_eq!(discarded, ["beyond", "lost", "pending"]);
}

#[test]
fn an_index_has_a_limit_of_its_own() {
    let spec = indexed(
        3,
        &json!({"backoffLimitPerIndex": 1, "backoffLimit": 2_147_483_647}),
    );
    let runs = vec![
        run("a", "Failed", 1, &json!({"index": 0, "failures": 0})),
        run("b", "Failed", 1, &json!({"index": 1, "failures": 1})),
        run("c", "Succeeded", 1, &json!({"index": 2})),
    ];
    let (plan, status) = look(&job(&spec, &none()), runs.clone(), 5);
    assert!(plan.create.is_empty());
    assert_eq!(
        plan.again,
        Some(Duration::from_secs(6)),
        "the first failure of an index costs ten seconds"
    );
    assert_eq!(
        (status.failed_indexes.as_deref(), &*status.completed_indexes),
        (Some("1"), "2")
    );
    assert_eq!(
        names(&plan.release),
        ["b", "c"],
        "the next one of index 0 comes after this one"
    );
    let (plan, _) = look(&job(&spec, &none()), runs, 12);
    let wanted = Wanted {
        index: Some(0),
        failures: Some((1, 0)),
    };
    assert_eq!(plan.create, [wanted]);
    let over = vec![
        run("a", "Failed", 1, &json!({"index": 0, "failures": 1})),
        run("b", "Failed", 1, &json!({"index": 1, "failures": 1})),
        run("c", "Succeeded", 1, &json!({"index": 2})),
    ];
    let (_, status) = look(&job(&spec, &none()), over.clone(), 5);
    assert_eq!(reasons(&status.conditions), [("FailureTarget", "FailedIndexes")]);
    let few = indexed(
        3,
        &json!({"backoffLimitPerIndex": 1, "maxFailedIndexes": 1, "backoffLimit": 2_147_483_647}),
    );
    let (_, status) = look(&job(&few, &none()), over, 5);
    assert_eq!(
        reasons(&status.conditions),
        [("FailureTarget", "MaxFailedIndexesExceeded")]
    );
}

#[test]
fn rules_say_what_a_failure_means() {
    let rules = json!({"rules": [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
        {"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}},
        {"action": "Count", "onExitCodes": {"operator": "NotIn", "values": [7]}},
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}},
    ]});
    let spec = json!({"podFailurePolicy": rules, "backoffLimit": 9});
    let failing = |code: i64| vec![run("p", "Failed", 1, &json!({"code": code}))];
    let (plan, status) = look(&job(&spec, &none()), failing(42), 5);
    assert!(plan.create.is_empty());
    let target = &status.conditions[0];
    assert_eq!(
        (&*target.kind, &*target.reason),
        ("FailureTarget", "PodFailurePolicy")
    );
    let message = "Container c for pod x/p failed with exit code 42 matching FailJob rule at index 1";
    assert_eq!(target.message, message);
    for (code, counted) in [(1, 1), (7, 0)] {
        let (plan, status) = look(&job(&spec, &none()), failing(code), 5);
        assert_eq!(
            status.uncounted_terminated_pods.unwrap().failed.len(),
            counted,
            "{code}"
        );
        assert_eq!(names(&plan.release), ["p"]);
    }
}

#[test]
fn enough_may_be_less_than_all() {
    let rules = json!({"rules": [{"succeededIndexes": "0,3"}, {"succeededCount": 3}]});
    let spec = indexed(5, &json!({"successPolicy": rules}));
    for (completed, message) in [
        ("0,1", None),
        ("0,3", Some("Matched rules at index 0")),
        ("1,2,4", Some("Matched rules at index 1")),
    ] {
        let (plan, status) = look(
            &job(&spec, &json!({"completedIndexes": completed})),
            vec![run("p", "Running", 1, &json!({"index": 4, "code": null}))],
            5,
        );
        let found = status
            .conditions
            .first()
            .map(|found| (&*found.kind, &*found.reason, &*found.message));
        assert_eq!(
            found,
            message.map(|message| ("SuccessCriteriaMet", "SuccessPolicy", message)),
            "{completed}"
        );
        assert_eq!(plan.delete.len(), usize::from(message.is_some()));
        assert!(
            status.uncounted_terminated_pods.unwrap().failed.is_empty(),
            "what is not needed has not failed"
        );
    }
}

#[test]
fn a_status_names_no_more_than_so_many_pods() {
    let many = job(&json!({"completions": 900, "parallelism": 900}), &none());
    let runs: Vec<Run> = (0..700)
        .map(|at| run(&format!("p{at}"), "Succeeded", 1, &none()))
        .collect();
    let (plan, status) = look(&many, runs, 5);
    assert_eq!(
        (
            plan.release.len(),
            status.uncounted_terminated_pods.unwrap().succeeded.len()
        ),
        (500, 500)
    );
}

#[test]
fn a_job_that_is_deleted_lets_its_pods_go() {
    let mut going = job(&none(), &none());
    going.metadata.deletion_timestamp = Some(at(1));
    let (plan, status) = look(&going, vec![run("p", "Running", 1, &none())], 5);
    assert_eq!(
        (names(&plan.release), plan.create.len(), plan.delete.len()),
        (vec!["p"], 0, 0)
    );
    assert!(status.uncounted_terminated_pods.unwrap().failed.is_empty());
}
