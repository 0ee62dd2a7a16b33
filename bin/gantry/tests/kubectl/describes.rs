//! `describe`, `explain` and `events`: what kubectl puts together from several answers.

use super::{Fails, Has, Lacks, Out, Step, walk};

const OBJECTS: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: env}
spec:
  containers:
  - name: c
    image: i
    env:
    - {name: ONE, valueFrom: {secretKeyRef: {name: s, key: k}}}
    - {name: TWO, valueFrom: {configMapKeyRef: {name: m, key: k}}}
    - {name: THREE, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
---
apiVersion: v1
kind: Event
metadata: {name: env.1, namespace: default}
involvedObject: {apiVersion: v1, kind: Pod, name: env, namespace: default}
reason: Tested
message: it was tested
type: Warning
count: 3
source: {component: tester}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /tmp/x}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: lr}
spec: {limits: [{type: Container, max: {cpu: '1'}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np}
spec: {podSelector: {matchLabels: {a: b}}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 80}]}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: hpa}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: d}
  maxReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
";

#[rustfmt::skip]
const DESCRIBED: &[Step] = &[
    ("create -f -", OBJECTS, Has(&["pod/env created", "event/env.1 created"])),
    ("describe pods env", "", Has(&["Name:", "Pending", "<set to the key 'k' in secret 's'>", "<set to the key 'k' of config map 'm'>", "env (v1:metadata.name)", "Events:"])),
    ("describe pods env --show-events=false", "", Lacks(&["Events:"])),
    ("describe pods", "", Has(&["Name:", "env\nNamespace:"])),
    ("describe pods --chunk-size=1 -v=6", "", Has(&["pods?limit=1", "events?", "limit=1"])),
    ("describe pod nope", "", Fails("pods \"nope\" not found")),
    ("describe pv pv", "", Has(&["Status:", "Capacity:        1Gi", "Type:          HostPath (bare host directory volume)"])),
    ("describe limits lr", "", Has(&["Container   cpu       -    1"])),
    ("describe netpol np", "", Has(&["PodSelector:     a=b", "To Port: 80/TCP"])),
    ("describe hpa hpa", "", Has(&["Deployment/d", "<unknown> / 80%"])),
    ("describe ns default", "", Has(&["Status:       Active"])),
    ("describe service kubernetes", "", Has(&["IP:                       10.43.0.1", "component=apiserver"])),
    ("describe clusterrole view", "", Has(&["PolicyRule:", "configmaps"])),
    ("describe serviceaccount default", "", Has(&["Name:                default"])),
    ("get events", "", Has(&["Warning   Tested", "pod/env", "it was tested"])),
    ("events", "", Has(&["Tested", "Pod/env"])),
    ("events --for=pod/env --types=Warning", "", Has(&["Tested"])),
    ("events --types=Normal", "", Has(&["No events found"])),
    ("get events --field-selector involvedObject.name=env,reason=Tested -o name", "", Out("event/env.1\n")),
    ("get events.events.k8s.io env.1 -o jsonpath={.note},{.deprecatedCount}", "", Out("it was tested,3")),
    ("explain pods", "", Has(&["KIND:       Pod", "spec\t<PodSpec>"])),
    ("explain po.status.message", "", Has(&["FIELD: message <string>"])),
    ("explain pods.spec.containers.resources", "", Has(&["FIELD: resources <ResourceRequirements>", "limits\t<map[string]Quantity>"])),
    ("explain deployment --recursive", "", Has(&["GROUP:      apps", "selector\t<LabelSelector> -required-"])),
    ("explain cronjob --api-version=batch/v1", "", Has(&["KIND:       CronJob"])),
    ("explain pods.nope", "", Fails("field \"nope\" does not exist")),
    ("explain nopes", "", Fails("the server doesn't have a resource type \"nopes\"")),
];

#[test]
fn objects_are_described_and_kinds_explained() {
    walk(DESCRIBED);
}
