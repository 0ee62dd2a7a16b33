//! `get` in all its forms: what is selected, how it is printed, and how it is followed.

use super::{Fails, Has, Lacks, Out, Step, walk};

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: valid-pod, labels: {name: valid-pod}}
spec:
  containers: [{name: c, image: example, resources: {limits: {cpu: '1', memory: 512Mi}}}]
";

#[rustfmt::skip]
const FORMS: &[Step] = &[
    ("get pods abc", "", Fails("Error from server (NotFound): pods \"abc\" not found")),
    ("get pods abc -o json", "", Fails("pods \"abc\" not found")),
    ("get pods abc --ignore-not-found", "", Out("")),
    ("get pods", "", Has(&["No resources found in default namespace."])),
    ("get pods -o wide", "", Has(&["No resources found"])),
    ("get pods --ignore-not-found", "", Lacks(&["No resources found"])),
    ("get pods -o json", "", Lacks(&["No resources found"])),
    ("get pods -o name", "", Out("")),
    ("get pods -o jsonpath={.items}", "", Out("[]")),
    ("get pods -o custom-columns=NAME:.metadata.name", "", Has(&["NAME"])),
    ("get foobar", "", Fails("error: the server doesn't have a resource type \"foobar\"")),
    ("create -f -", POD, Out("pod/valid-pod created\n")),
    ("get pods", "", Has(&["NAME        READY   STATUS    RESTARTS   AGE\nvalid-pod   0/1     Pending   0"])),
    ("get pods -o wide", "", Has(&["IP       NODE     NOMINATED NODE   READINESS GATES", "<none>   <none>   <none>           <none>"])),
    ("get pods --no-headers", "", Has(&["valid-pod   0/1   Pending   0"])),
    ("get pods --show-labels", "", Has(&["LABELS\n", "name=valid-pod\n"])),
    ("get pods -L name", "", Has(&["NAME\n", "valid-pod\n"])),
    ("get pods --show-kind", "", Has(&["pod/valid-pod"])),
    ("get po/valid-pod -o name", "", Out("pod/valid-pod\n")),
    ("get pods valid-pod abc", "", Fails("valid-pod   0/1")),
    ("get pod valid-pod -o jsonpath={.missing}", "", Out("")),
    ("get pod valid-pod -o go-template={{.missing}}", "", Out("<no value>")),
    ("get pod valid-pod --template={{.metadata.name}}:", "", Out("valid-pod:")),
    ("get pod valid-pod --allow-missing-template-keys=false -o jsonpath={.missing}", "", Fails("missing is not found")),
    ("get pod valid-pod --allow-missing-template-keys=false -o go-template={{.missing}}", "", Fails("map has no entry for key \"missing\"")),
    ("get pod valid-pod --subresource=status", "", Has(&["valid-pod"])),
    ("get pod valid-pod --subresource=scale", "", Fails("the server could not find the requested resource")),
    ("get pod valid-pod -o jsonpath={.status.qosClass}", "", Out("Guaranteed")),
    ("get pod valid-pod -o jsonpath={.metadata.managedFields[*].manager} --show-managed-fields", "", Out("kubectl-create")),
    ("get pods --field-selector metadata.name=valid-pod,status.phase!=Running -o name", "", Out("pod/valid-pod\n")),
    ("get pods --field-selector status.phase=Pending -o name", "", Out("pod/valid-pod\n")),
    ("get pods --field-selector spec.nope=1", "", Fails("field label not supported: spec.nope")),
    ("get pods -l 'name in (valid-pod, other)' -o name", "", Out("pod/valid-pod\n")),
    ("get pods -l name!=valid-pod -o name", "", Out("")),
    ("get pods -l !name -o name", "", Out("")),
    ("get pods -l 'a in (b'", "", Fails("unable to parse requirement: found '', expected: ',' or ')'")),
    ("get pods -A -o name", "", Out("pod/valid-pod\n")),
    ("get pods,services -o name", "", Out("pod/valid-pod\nservice/kubernetes\n")),
    ("get namespaces --sort-by={.metadata.name} -o name", "", Out("namespace/default\nnamespace/kube-node-lease\nnamespace/kube-public\nnamespace/kube-system\n")),
    ("get namespaces --chunk-size=1 --no-headers", "", Has(&["default", "kube-node-lease", "kube-public", "kube-system"])),
    ("get clusterroles --chunk-size=10 -v=6", "", Has(&["clusterroles?limit=10", "clusterroles?continue="])),
    ("get pods --sort-by={metadata.name} -v=8", "", Has(&["as=Table", "includeObject=Object"])),
    ("get pods --server-print=false", "", Has(&["NAME        AGE\nvalid-pod"])),
    ("get pods -o yaml", "", Has(&["apiVersion: v1\nitems:\n", "kind: List\n"])),
    ("get -f -", POD, Has(&["valid-pod"])),
    ("get all --chunk-size=0 -v=6", "", Has(&[
        "/api/v1/namespaces/default/pods",
        "/api/v1/namespaces/default/replicationcontrollers",
        "/apis/apps/v1/namespaces/default/daemonsets",
        "/apis/apps/v1/namespaces/default/statefulsets",
        "/apis/batch/v1/namespaces/default/cronjobs",
    ])),
    ("get --raw /api/v1/namespaces/default/pods/nope", "", Fails("Error from server (NotFound): pods \"nope\" not found")),
    ("get --raw /nope", "", Fails("the server could not find the requested resource")),
    ("get --raw /readyz", "", Out("ok")),
    ("get endpoints", "", Has(&["Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"])),
    ("get componentstatuses", "", Has(&["Warning: v1 ComponentStatus is deprecated in v1.19+"])),
];

#[test]
fn objects_are_got_in_every_form() {
    walk(FORMS);
}

#[rustfmt::skip]
const FOLLOWED: &[Step] = &[
    ("create -f -", POD, Has(&["created"])),
    ("get pods -w --request-timeout=5", "", Has(&["STATUS", "valid-pod"])),
    ("get pods/valid-pod -o name -w --request-timeout=5", "", Out("pod/valid-pod\n")),
    ("get pods/valid-pod -o yaml -w --request-timeout=5", "", Has(&["name: valid-pod"])),
    ("get pods --watch-only --request-timeout=5", "", Out("")),
    ("get pods -w --output-watch-events --request-timeout=5", "", Has(&["EVENT      NAME", "ADDED      valid-pod"])),
    ("get pods/invalid-pod -w --request-timeout=5", "", Fails("\"invalid-pod\" not found")),
    ("create configmap one", "", Has(&["created"])),
    ("create configmap two", "", Has(&["created"])),
    ("get configmaps --chunk-size=1 -w --request-timeout=5", "", Lacks(&["watch is only supported on individual resources"])),
    ("wait --for=jsonpath={.status.phase}=Pending pod/valid-pod --timeout=30s", "", Out("pod/valid-pod condition met\n")),
    ("wait --for=create pod/valid-pod --timeout=30s", "", Out("pod/valid-pod condition met\n")),
    ("wait --for=condition=Ready pod/valid-pod --timeout=1s", "", Fails("error: timed out waiting for the condition on pods/valid-pod")),
    ("delete pod valid-pod --now", "", Has(&["pod \"valid-pod\" deleted"])),
    ("wait --for=delete pod/valid-pod --timeout=30s", "", Out("")),
];

#[test]
fn objects_are_followed_and_awaited() {
    walk(FOLLOWED);
}
