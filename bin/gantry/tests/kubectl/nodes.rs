//! Nodes that nobody runs: taints, cordons, drains with selectors and pages, and what describes them.

use super::{Fails, Has, Lacks, Out, Step, walk};

const SCENE: &str = "\
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {test: label}}
spec: {podCIDR: 10.42.7.0/24}
status: {capacity: {cpu: '4', memory: 8Gi, pods: '110'}, allocatable: {cpu: '4', memory: 8Gi, pods: '110'}, addresses: [{type: InternalIP, address: 10.0.0.7}], nodeInfo: {kubeletVersion: v1.36.0, osImage: Debian, kernelVersion: '6.1', containerRuntimeVersion: gantry://1}}
---
apiVersion: v1
kind: Pod
metadata: {name: test-pod-1, labels: {e: f, type: test-pod}}
spec: {nodeName: n1, tolerations: [{operator: Exists}], containers: [{name: c, image: i, resources: {requests: {cpu: 100m, memory: 64Mi}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: test-pod-2, labels: {c: d, type: test-pod}}
spec: {nodeName: n1, tolerations: [{operator: Exists}], containers: [{name: c, image: i}]}
";
const TAINTS: &str = "get node n1 -o jsonpath={range.spec.taints[*]}{.key}={.value}:{.effect},{end}";
const UNSCHEDULABLE: &str = "get node n1 -o go-template={{.spec.unschedulable}}";

#[rustfmt::skip]
const NODES: &[Step] = &[
    ("create -f -", SCENE, Has(&["node/n1 created", "pod/test-pod-2 created"])),
    ("get nodes", "", Has(&["STATUS", "n1     Unknown   <none>", "v1.36.0"])),
    ("get nodes -o wide", "", Has(&["INTERNAL-IP", "10.0.0.7", "Debian", "gantry://1"])),
    ("describe node n1", "", Has(&["Name:               n1", "test=label", "Capacity:", "PodCIDR:", "10.42.7.0/24", "Non-terminated Pods:          (2 in total)", "cpu                100m (2%)  0 (0%)", "Events:"])),
    ("describe nodes --show-events=false", "", Lacks(&["Events:"])),
    ("describe nodes --chunk-size=1 -v=6", "", Has(&["nodes?limit=1", "pods?", "events?"])),
    ("taint node n1 --dry-run=client dedicated=foo:PreferNoSchedule", "", Out("node/n1 tainted\n")),
    ("taint node n1 --dry-run=server dedicated=foo:PreferNoSchedule", "", Out("node/n1 tainted\n")),
    (TAINTS, "", Lacks(&["dedicated"])),
    ("taint node n1 dedicated=foo:PreferNoSchedule", "", Out("node/n1 tainted\n")),
    (TAINTS, "", Has(&["dedicated=foo:PreferNoSchedule,"])),
    ("taint node n1 dedicated-", "", Out("node/n1 untainted\n")),
    ("taint node n1 dedicated:PreferNoSchedule", "", Out("node/n1 tainted\n")),
    (TAINTS, "", Has(&["dedicated=:PreferNoSchedule,"])),
    ("get node n1 --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}", "", Has(&["kubectl-taint"])),
    ("taint node n1 dedicated-", "", Out("node/n1 untainted\n")),
    ("cordon n1 --dry-run=client", "", Has(&["node/n1 cordoned (dry run)"])),
    ("cordon n1 --dry-run=server", "", Has(&["node/n1 cordoned (server dry run)"])),
    ("drain n1 --dry-run=server --force", "", Has(&["evicting pod default/test-pod-1 (server dry run)", "node/n1 drained (server dry run)"])),
    (UNSCHEDULABLE, "", Out("<no value>")),
    ("drain n1 --pod-selector 'e in (f)' --dry-run=client --force", "", Has(&["evicting pod default/test-pod-1 (dry run)"])),
    ("drain n1", "", Fails("annot delete Pods that declare no controller")),
    ("drain n1 --force --pod-selector 'e in (f)' --skip-wait-for-delete-timeout=1", "", Has(&["evicting pod default/test-pod-1"])),
    ("get pod test-pod-2 -o go-template={{.metadata.deletionTimestamp}}", "", Out("<no value>")),
    ("delete pod test-pod-1 --force --ignore-not-found", "", Lacks(&["error"])),
    ("uncordon n1", "", Out("node/n1 uncordoned\n")),
    ("uncordon n1 --dry-run=server", "", Has(&["node/n1 already uncordoned (server dry run)"])),
    ("drain n1 --selector test=label", "", Fails("cannot specify both a node name")),
    ("-v=6 drain --force --pod-selector type=test-pod --selector test=label --chunk-size=1 --dry-run=client", "", Has(&["nodes?labelSelector=test%3Dlabel&limit=1", "pods?fieldSelector=spec.nodeName%3Dn1&labelSelector=type%3Dtest-pod&limit=1", "evicting pod default/test-pod-2"])),
    ("cordon", "", Fails("USAGE: cordon NODE")),
    ("cordon --selector=", "", Fails("must provide one or more resources")),
    ("cordon --selector test=label", "", Out("node/n1 cordoned\n")),
    ("cordon --selector invalid=label", "", Lacks(&["cordoned"])),
    (UNSCHEDULABLE, "", Out("true")),
    (TAINTS, "", Lacks(&["dedicated"])),
    ("patch nodes n1 -p {\"spec\":{\"unschedulable\":null}}", "", Out("node/n1 patched\n")),
    (UNSCHEDULABLE, "", Out("<no value>")),
    ("top node", "", Fails("Metrics API not available")),
    ("delete pod --all --force", "", Has(&["force deleted"])),
];

#[test]
fn nodes_are_drained_by_selectors() {
    walk(NODES);
}
