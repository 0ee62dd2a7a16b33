//! Other limits for pods that run, through the path that is for it.

use crate::docker::transcript::{Case, case};

pub(super) const CASES: &[Case] = &[case(
    "limits change without a start, unless the node has not so much",
    r#"
    $ k apply -f - <<'END'
    > apiVersion: v1
    > kind: Pod
    > metadata: {name: p}
    > spec:
    >   terminationGracePeriodSeconds: 0
    >   containers: [{name: c, image: busybox, command: [sleep, 1d], resources: {limits: {cpu: 100m, memory: 64Mi}}}]
    > END
    pod/p created
    $ k wait --for=condition=Ready pod/p
    pod/p condition met
    $ resize() { k patch pod p --subresource resize -p '{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"'$1'","memory":"'$2'"},"limits":{"cpu":"'$1'","memory":"'$2'"}}}]}}'; }
    $ resize 200m 32Mi
    pod/p patched
    $ k wait --for=jsonpath='{.status.containerStatuses[0].resources.limits.memory}'=32Mi pod/p
    pod/p condition met
    $ docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}} {{.HostConfig.CpuShares}}' $(docker ps -q --filter label=io.kubernetes.pod.namespace=$n)
    33554432 20000 204
    $ k exec p -- sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true'
    33554432
    $ resize 150m 96Mi
    pod/p patched
    $ k wait --for=jsonpath='{.status.containerStatuses[0].resources.limits.memory}'=96Mi pod/p
    pod/p condition met
    $ k exec p -- sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true'
    100663296
    $ k get pod p -o jsonpath='{.status.containerStatuses[0].restartCount} {.metadata.generation} {.status.observedGeneration} {.status.containerStatuses[0].allocatedResources.cpu}'
    0 3 3 150m
    $ resize 1000 96Mi
    pod/p patched
    $ k wait --for=condition=PodResizePending pod/p
    pod/p condition met
    $ k get pod p -o jsonpath='{.status.conditions[?(@.type=="PodResizePending")].reason} {.status.containerStatuses[0].resources.limits.cpu}'
    Infeasible 150m
    "#,
)];
