//! What admission makes of objects, as a person at a terminal meets it: limits, quotas, priorities, pod security.

use super::{Fails, Has, Lacks, Out, Step, walk};

const RANGE: &str = "\
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec: {limits: [{type: Container, default: {cpu: 500m}, defaultRequest: {cpu: 250m}, max: {cpu: '1'}}]}
";

const GREEDY: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: greedy}
spec: {containers: [{name: c, image: i, resources: {limits: {cpu: '2'}}}]}
";

const RESTRICTED: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: safe, labels: {pod-security.kubernetes.io/enforce: restricted}}
";

#[rustfmt::skip]
const ADMISSION: &[Step] = &[
    ("run plain --image=i", "", Out("pod/plain created\n")),
    ("get pod plain -o jsonpath={.spec.serviceAccountName}/{.spec.priority}/{.spec.preemptionPolicy}", "", Out("default/0/PreemptLowerPriority")),
    ("get pod plain -o jsonpath={.spec.volumes[0].name}", "", Has(&["kube-api-access-"])),
    ("run lost --image=i --overrides={\"spec\":{\"serviceAccountName\":\"who\"}}", "", Fails("pods \"lost\" is forbidden: error looking up service account default/who: serviceaccount \"who\" not found")),
    ("create priorityclass high --value=1000 --description=first", "", Out("priorityclass.scheduling.k8s.io/high created\n")),
    ("run urgent --image=i --overrides={\"spec\":{\"priorityClassName\":\"high\"}}", "", Has(&["created"])),
    ("get pod urgent -o jsonpath={.spec.priority}", "", Out("1000")),
    ("run late --image=i --overrides={\"spec\":{\"priorityClassName\":\"none\"}}", "", Fails("no PriorityClass with name none was found")),
    ("apply -f -", RANGE, Out("limitrange/limits created\n")),
    ("describe limitrange limits", "", Has(&["Container", "250m", "500m"])),
    ("run limited --image=i", "", Has(&["created"])),
    ("get pod limited -o jsonpath={.spec.containers[0].resources}", "", Out("{\"limits\":{\"cpu\":\"500m\"},\"requests\":{\"cpu\":\"250m\"}}")),
    ("get pod limited -o jsonpath={.metadata.annotations}", "", Has(&["LimitRanger plugin set: cpu request for container limited; cpu limit for container limited"])),
    ("create -f -", GREEDY, Fails("pods \"greedy\" is forbidden: maximum cpu usage per Container is 1, but limit is 2")),
    ("create namespace tight", "", Has(&["created"])),
    ("create quota one --hard=pods=1,configmaps=2 -n tight", "", Out("resourcequota/one created\n")),
    ("wait quota/one -n tight --for=jsonpath={.status.used.configmaps}=1 --timeout=20s", "", Has(&["condition met"])),
    ("create configmap a -n tight", "", Out("configmap/a created\n")),
    ("create configmap b -n tight", "", Fails("configmaps \"b\" is forbidden: exceeded quota: one, requested: configmaps=1, used: configmaps=2, limited: configmaps=2")),
    ("delete configmap a -n tight", "", Has(&["deleted"])),
    ("wait quota/one -n tight --for=jsonpath={.status.used.configmaps}=1 --timeout=20s", "", Has(&["condition met"])),
    ("create configmap b -n tight", "", Out("configmap/b created\n")),
    ("run fits --image=i -n tight", "", Has(&["created"])),
    ("run not --image=i -n tight", "", Fails("exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1")),
    ("create -f -", RESTRICTED, Out("namespace/safe created\n")),
    ("run bad --image=i -n safe", "", Fails("pods \"bad\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"bad\" must set securityContext.allowPrivilegeEscalation=false)")),
    ("create deployment web --image=i -n safe", "", Has(&["Warning: would violate PodSecurity \"restricted:latest\"", "created"])),
    ("label --overwrite namespace safe pod-security.kubernetes.io/enforce=privileged", "", Has(&["labeled"])),
    ("run good --image=i -n safe", "", Lacks(&["Warning"])),
    ("label --overwrite namespace safe pod-security.kubernetes.io/enforce=restricted", "", Has(&["Warning: existing pods in namespace \"safe\" violate the new PodSecurity enforce level \"restricted:latest\"", "Warning: good: allowPrivilegeEscalation != false"])),
    ("delete namespace default", "", Fails("namespaces \"default\" is forbidden: this namespace may not be deleted")),
];

#[test]
fn what_admission_gives_and_refuses() {
    walk(ADMISSION);
}
