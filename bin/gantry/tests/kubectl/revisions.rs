//! `rollout history`, `undo` and `status` over revisions that a controller would have left: what kubectl makes of them.

use super::{Exits, Fails, Has, Out, Step, walk};

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, uid: X, annotations: {deployment.kubernetes.io/revision: '2'}}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: nginx, image: nginx:2}]}}
";
const SET: &str = "\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: c, image: pause:2.0}]}}
";

#[rustfmt::skip]
const HISTORY: &[Step] = &[
    ("create deployment solo --image=nginx", "", Has(&["created"])),
    ("rollout history deployment solo", "", Has(&["deployment.apps/solo", "No rollout history found."])),
    ("rollout undo deployment solo", "", Fails("error: no rollout history found for deployment \"solo\"")),
    ("rollout undo deployment solo --to-revision=1000000", "", Fails("unable to find specified revision 1000000 in history")),
    ("rollout status deployment solo --timeout=1s", "", Fails("timed out waiting for the condition")),
    ("rollout status deployment nope", "", Fails("deployments.apps \"nope\" not found")),
    ("rollout history deployment solo --revision=4", "", Has(&["deployment.apps/solo with revision #4"])),
    ("rollout undo deployment solo --to-revision=-1", "", Fails("unable to find specified revision -1 in history")),
    ("apply -f - --record", SET, Has(&["daemonset.apps/agent created", "Flag --record has been deprecated"])),
    ("get daemonset agent -o jsonpath={.metadata.annotations.kubernetes\\.io/change-cause}", "", Has(&["kubectl apply", "--record=true"])),
    ("rollout history daemonset agent", "", Has(&["daemonset.apps/agent"])),
    ("rollout undo daemonset agent --to-revision=1000000", "", Fails("unable to find specified revision 1000000 in history")),
    ("rollout restart daemonset agent", "", Out("daemonset.apps/agent restarted\n")),
    // Within one second kubectl refuses a second one: the first is taken back.
    ("patch daemonset agent --type=json -p [{\"op\":\"remove\",\"path\":\"/spec/template/metadata/annotations\"}]", "", Out("daemonset.apps/agent patched\n")),
    ("rollout restart daemonset agent -o name", "", Out("daemonset.apps/agent\n")),
    ("create -f -", DEPLOYMENT, Has(&["created"])),
    ("rollout status deployment web --watch=false", "", Exits(0, "Waiting for deployment spec update to be observed")),
    ("patch deployment web --subresource=status --type=merge -p {\"status\":{\"observedGeneration\":1,\"conditions\":[{\"type\":\"Progressing\",\"status\":\"False\",\"reason\":\"ProgressDeadlineExceeded\"}]}}", "", Out("deployment.apps/web patched\n")),
    ("rollout status deployment web", "", Fails("deployment \"web\" exceeded its progress deadline")),
    ("patch deployment web --subresource=status --type=merge -p {\"status\":{\"conditions\":null}}", "", Out("deployment.apps/web patched\n")),
    ("rollout status deployment web", "", Out("deployment \"web\" successfully rolled out\n")),
    ("rollout status deployment web --revision=9", "", Fails("desired revision (9) is different from the running revision (2)")),
];

#[test]
fn a_history_that_nobody_made_is_told_as_such() {
    walk(HISTORY);
}
