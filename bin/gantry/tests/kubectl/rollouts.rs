//! Workloads as the API keeps them: scale, set, rollout, generations. What controllers would do is not asked here.

use super::{Fails, Has, Out, Step, walk};

const SET: &str = "\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: bind}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: c, image: i}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 2
  serviceName: web
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: rc}
spec:
  replicas: 2
  selector: {a: b}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: c, image: i}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: rs}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: c, image: i}]}
";

#[rustfmt::skip]
const SETS: &[Step] = &[
    ("apply -f -", SET, Out("daemonset.apps/bind created\nstatefulset.apps/web created\nreplicationcontroller/rc created\nreplicaset.apps/rs created\n")),
    ("apply -f -", SET, Out("daemonset.apps/bind unchanged\nstatefulset.apps/web unchanged\nreplicationcontroller/rc unchanged\nreplicaset.apps/rs unchanged\n")),
    ("get daemonset bind -o jsonpath={.metadata.generation}", "", Out("1")),
    ("set image daemonsets/bind *=j", "", Out("daemonset.apps/bind image updated\n")),
    ("set env daemonsets/bind foo=bar", "", Out("daemonset.apps/bind env updated\n")),
    ("set resources daemonsets/bind --limits=cpu=200m,memory=512Mi", "", Out("daemonset.apps/bind resource requirements updated\n")),
    ("rollout restart daemonset/bind", "", Out("daemonset.apps/bind restarted\n")),
    ("get daemonset bind -o jsonpath={.metadata.generation}", "", Out("5")),
    ("get daemonset bind --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}", "", Has(&["kubectl-set", "kubectl-rollout"])),
    ("scale rc rc --replicas=3", "", Out("replicationcontroller/rc scaled\n")),
    ("scale rc rc --current-replicas=2 --replicas=4", "", Fails("error: Expected replicas to be 2, was 3")),
    ("scale statefulset web --current-replicas=2 --replicas=4", "", Out("statefulset.apps/web scaled\n")),
    ("scale rs rs --replicas=0 --dry-run=server", "", Out("replicaset.apps/rs scaled (server dry run)\n")),
    ("scale --replicas=2 rs/rs rc/rc", "", Out("replicaset.apps/rs scaled\nreplicationcontroller/rc scaled\n")),
    ("scale rs nope --replicas=1", "", Fails("replicasets.apps \"nope\" not found")),
    ("get rc,rs,sts -o jsonpath={.items[*].spec.replicas}", "", Out("2 2 4")),
    ("get sts web --subresource=scale -o jsonpath={.kind},{.spec.replicas},{.status.selector}", "", Out("Scale,4,a=b")),
    ("patch sts web --subresource=scale --type=merge -p {\"spec\":{\"replicas\":1}}", "", Out("scale.autoscaling/web patched\n")),
    ("scale daemonset bind --replicas=1", "", Fails("the server could not find the requested resource")),
    ("expose rc rc --port=80", "", Out("service/rc exposed\n")),
    ("set selector service rc app=z", "", Out("service/rc selector updated\n")),
    ("get service rc -o jsonpath={.spec.selector}", "", Out("{\"app\":\"z\"}")),
    ("patch rs rs --type=merge -p {\"spec\":{\"selector\":{\"matchLabels\":{\"x\":\"y\"}}}}", "", Fails("field is immutable")),
    ("delete all --all", "", Has(&["replicationcontroller \"rc\" deleted", "statefulset.apps \"web\" deleted"])),
];

#[test]
fn sets_are_scaled_and_their_generations_counted() {
    walk(SETS);
}

#[rustfmt::skip]
const DEPLOYMENT: &[Step] = &[
    ("create deployment d --image=nginx", "", Has(&["created"])),
    ("rollout pause deployment d", "", Out("deployment.apps/d paused\n")),
    ("rollout pause deployment d", "", Fails("deployments.apps \"d\" is already paused")),
    ("rollout restart deployment d", "", Fails("can't restart paused deployment")),
    ("rollout resume deployment d", "", Out("deployment.apps/d resumed\n")),
    ("rollout resume deployment d", "", Fails("deployments.apps \"d\" is not paused")),
    ("rollout restart deployment d", "", Out("deployment.apps/d restarted\n")),
    ("get deployment d -o jsonpath={.spec.template.metadata.annotations}", "", Has(&["kubectl.kubernetes.io/restartedAt"])),
    ("rollout restart deployment nope", "", Fails("deployments.apps \"nope\" not found")),
    ("set image deployment d nginx=httpd", "", Out("deployment.apps/d image updated\n")),
    ("set image deployment d nope=x", "", Fails("unable to find container named \"nope\"")),
    ("set env deployment d A=b C=d", "", Out("deployment.apps/d env updated\n")),
    ("set env deployment d --list", "", Has(&["A=b\nC=d\n"])),
    ("set env deployment d A-", "", Out("deployment.apps/d env updated\n")),
    ("create configmap env --from-literal=X=1", "", Has(&["created"])),
    ("set env deployment d --from=configmap/env --prefix=P_", "", Out("deployment.apps/d env updated\n")),
    ("get deployment d -o jsonpath={.spec.template.spec.containers[0].env[*].name}", "", Out("C P_X")),
    ("set resources deployment d --limits=cpu=100m --requests=cpu=200m", "", Fails("must be less than or equal to cpu limit")),
    ("set serviceaccount deployment d sa", "", Out("deployment.apps/d serviceaccount updated\n")),
    ("scale deployment d --replicas=3", "", Out("deployment.apps/d scaled\n")),
    ("scale deployment d --current-replicas=3 --resource-version=1 --replicas=4", "", Fails("error: Expected resource version to be 1")),
    ("scale deployment --all --replicas=1", "", Out("deployment.apps/d scaled\n")),
    ("patch deployment d --type=merge -p {\"spec\":{\"selector\":{\"matchLabels\":{\"x\":\"y\"}}}}", "", Fails("field is immutable")),
    ("patch deployment d -p {\"spec\":{\"strategy\":{\"$retainKeys\":[\"type\"],\"type\":\"Recreate\"}}}", "", Out("deployment.apps/d patched\n")),
    ("get deployment d -o jsonpath={.spec.strategy}", "", Out("{\"type\":\"Recreate\"}")),
    ("delete deployment d", "", Has(&["deployment.apps \"d\" deleted"])),
];

#[test]
fn a_deployment_is_set_paused_and_restarted() {
    walk(DEPLOYMENT);
}
