//! `wait`: for conditions, fields, creation and the end of objects, alone and in bulk.

use super::{Fails, Has, Out, Step, kubectl, walk, walk_on};
use testkit::daemon::Daemon;

#[rustfmt::skip]
const WAITS: &[Step] = &[
    ("create deployment test-1 --image=busybox", "", Has(&["created"])),
    ("create deployment test-2 --image=busybox", "", Has(&["created"])),
    ("wait --for=jsonpath=.status.readyReplicas=1 deploy/test-1 --timeout=1s", "", Fails("timed out waiting for the condition on deployments/test-1")),
    ("wait --for=jsonpath={.spec.replicas} deploy/test-1 --timeout=30s", "", Out("deployment.apps/test-1 condition met\n")),
    ("wait --for=jsonpath={.spec.replicas}=1 deploy --all --timeout=30s", "", Out("deployment.apps/test-1 condition met\ndeployment.apps/test-2 condition met\n")),
    ("wait --for=condition=Available=False deploy/test-1 --timeout=1s", "", Fails("timed out waiting for the condition")),
    ("wait pod --selector=app=dtest --for=condition=InvalidCondition --timeout=1s", "", Fails("no matching resources found")),
    ("wait --for=condition=x pod/nope --timeout=1s", "", Fails("pods \"nope\" not found")),
    ("wait --for=delete pod/nope --timeout=1s", "", Out("")),
    ("wait --for=delete deploy/test-1 --timeout=1s", "", Fails("timed out waiting for the condition on deployments/test-1")),
    ("wait --for=create pod/nope --timeout=1s", "", Fails("timed out waiting for the condition")),
    ("wait --for=nope deploy/test-1", "", Fails("unrecognized condition: \"nope\"")),
    ("wait --for=jsonpath={.x deploy/test-1", "", Fails("unexpected path string")),
    ("patch deployment test-1 --subresource=status --type=merge -p {\"status\":{\"conditions\":[{\"type\":\"Available\",\"status\":\"True\"}]}}", "", Has(&["patched"])),
    ("wait --for=condition=available deploy/test-1 --timeout=30s", "", Out("deployment.apps/test-1 condition met\n")),
    ("wait --for=condition=Available=true deploy/test-1 --timeout=30s", "", Out("deployment.apps/test-1 condition met\n")),
    ("create namespace ends", "", Has(&["created"])),
    ("delete namespace ends --wait=false", "", Has(&["deleted"])),
    // It says nothing where the namespace has gone before it asked.
    ("wait --for=delete ns/ends --timeout=20s", "", Has(&[])),
    ("get pods --request-timeout=60", "", Has(&["No resources found"])),
    ("get pods --request-timeout=1m", "", Has(&["No resources found"])),
    ("get pods --request-timeout=1p", "", Fails("Invalid timeout value")),
];

#[test]
fn what_is_awaited_comes_or_times_out() {
    walk(WAITS);
}

#[test]
fn what_is_deleted_meanwhile_ends_a_wait() {
    let daemon = Daemon::api();
    walk_on(
        &daemon,
        &[
            ("create configmap one", "", Has(&["created"])),
            ("create configmap two", "", Has(&["created"])),
        ],
    );
    let waiting = kubectl(&daemon, "wait configmap one two --for=delete --timeout=30s")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    walk_on(&daemon, &[("delete configmap one two", "", Has(&["deleted"]))]);
    let output = waiting.wait_with_output().unwrap();
    // A wait that begins when both are gone has nothing to say.
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
