//! `debug`: ephemeral containers, copies of pods, pods on nodes; attaching needs a kubelet and is not asked for.

use super::{Fails, File, Has, Lacks, Out, Step, walk_with};

const TARGET: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: target, namespace: tight}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers: [{name: busybox, image: busybox, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
";
const FILES: &[File] = &[
    ("target.yaml", TARGET),
    ("custom.json", "{\"env\":[{\"name\":\"K\",\"value\":\"V\"}]}"),
];
const EPHEMERAL: &str = "get pod target -o jsonpath={range.spec.ephemeralContainers[*]}{.name}:{.image}:{.securityContext.capabilities.add[0]}{end}";

#[rustfmt::skip]
const DEBUGGED: &[Step] = &[
    ("run target --image=nginx", "", Has(&["created"])),
    ("debug target -it --image=busybox --attach=false -c debug-container", "", Lacks(&["rror"])),
    (EPHEMERAL, "", Has(&["debug-container:busybox:"])),
    ("debug --profile=general target --image=busybox --attach=false -c general", "", Lacks(&["rror"])),
    (EPHEMERAL, "", Has(&["general:busybox:SYS_PTRACE"])),
    ("debug --profile=netadmin target --image=busybox --attach=false -c net", "", Lacks(&["rror"])),
    ("debug --profile=sysadmin target --image=busybox --attach=false -c sys", "", Lacks(&["rror"])),
    ("get pod target -o jsonpath={.spec.ephemeralContainers[3].securityContext.privileged}", "", Out("true")),
    ("debug target -it --copy-to=target-copy --image=busybox --container=debug-container --attach=false", "", Lacks(&["rror"])),
    ("get pod target-copy -o jsonpath={.spec.containers[*].name},{.spec.containers[*].image}", "", Out("target debug-container,nginx busybox")),
    ("debug target -it --copy-to=target-copy2 --image=busybox --container=d --attach=false --replace", "", Lacks(&["rror"])),
    ("get pods -o name", "", Out("pod/target-copy\npod/target-copy2\n")),
    ("debug target-copy --image=busybox --container=target --copy-to=third -- sleep 1m", "", Lacks(&["rror"])),
    ("get pod third -o jsonpath={.spec.containers[*].image}{.spec.containers[0].command}", "", Out("busybox busybox[\"sleep\",\"1m\"]")),
    ("debug target-copy --set-image=*=alpine --copy-to=fourth", "", Lacks(&["rror"])),
    ("get pod fourth -o jsonpath={.spec.containers[*].image}", "", Out("alpine alpine")),
    ("debug nope --image=busybox --attach=false", "", Fails("pods \"nope\" not found")),
    ("create -f -", "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n", Has(&["created"])),
    ("debug node/n1 --image=busybox --attach=false -- true", "", Has(&["Creating debugging pod node-debugger-n1-"])),
    ("get pods --field-selector spec.nodeName=n1 -o jsonpath={range.items[*].spec}{.nodeName}{.hostIPC}{.hostNetwork}{.hostPID}{.containers[0].volumeMounts[0].mountPath}{.volumes[0].hostPath.path}{end}", "", Has(&["n1truetruetrue/host/"])),
    ("create namespace tight", "", Has(&["created"])),
    ("label namespace tight pod-security.kubernetes.io/enforce=restricted", "", Has(&["labeled"])),
    ("create -f target.yaml", "", Has(&["pod/target created"])),
    ("debug -n tight target --image=busybox --attach=false -c loose --profile=sysadmin", "", Fails("violates PodSecurity \"restricted:latest\"")),
    ("debug -n tight target --image=busybox --attach=false -c ok --profile=restricted", "", Lacks(&["rror"])),
    ("get pod -n tight target -o jsonpath={.spec.ephemeralContainers[*].name}", "", Out("ok")),
    ("exec target-copy -- true", "", Fails("pod target-copy does not have a host assigned")),
    ("attach target-copy", "", Fails("pod target-copy does not have a host assigned")),
    ("logs target-copy -c target", "", Out("")),
    ("logs nope", "", Fails("pods \"nope\" not found")),
    ("port-forward target-copy 8080", "", Fails("unable to forward port because pod is not running. Current status=Pending")),
    ("cp target-copy:/x y", "", Fails("pod target-copy does not have a host assigned")),
    ("top pod", "", Fails("Metrics API not available")),
];

#[test]
fn pods_are_debugged_as_far_as_the_api_goes() {
    walk_with(FILES, DEBUGGED);
}
