//! Whose a container is: docker's door uses a pod's container like any other, and leaves to its kubelet what it is,
//! what it is called and when it runs.

use crate::docker::transcript::{Case, case};

pub(super) const CASES: &[Case] = &[case(
    "a pod's container is its kubelet's",
    r#"
    $ q() { "$@" 2>&1 | head -1 | sed "s/$n/NS/g; s/[0-9a-f]\{8\}-[0-9a-f-]\{27\}/UID/g"; }
    $ k run p --image=busybox -- sleep 1d
    pod/p created
    $ k wait --for=condition=Ready pod/p
    pod/p condition met
    $ c=$(docker ps --filter label=io.kubernetes.pod.namespace=$n --format '{{.Names}}'); q echo $c
    k8s_p_p_NS_UID_0
    $ q docker rm -f $c
    Error response from daemon: container k8s_p_p_NS_UID_0 belongs to pod NS/p: delete the pod instead
    $ q docker restart $c
    Error response from daemon: [..]container k8s_p_p_NS_UID_0 belongs to pod NS/p: stop it, and its kubelet starts it again as the pod's restart policy says
    $ q docker rename $c other
    Error response from daemon: container k8s_p_p_NS_UID_0 belongs to pod NS/p: its kubelet finds it by its name
    $ q docker update --cpu-shares 5 $c
    Error response from daemon: container k8s_p_p_NS_UID_0 belongs to pod NS/p: change the pod's resources instead
    $ q docker network connect bridge $c
    Error response from daemon: container k8s_p_p_NS_UID_0 belongs to pod NS/p: its network is the pod's
    $ q docker network disconnect bridge $c
    Error response from daemon: container k8s_p_p_NS_UID_0 belongs to pod NS/p: its network is the pod's
    $ docker exec $c echo inside; docker pause $c >/dev/null; docker unpause $c >/dev/null; docker kill $c >/dev/null
    inside
    $ k wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/p
    pod/p condition met
    $ q docker start $c
    Error response from daemon: container k8s_p_p_NS_UID_0 belongs to pod NS/p: its kubelet starts it when the pod's restart policy says so
    $ docker container prune -f
    Total reclaimed space: 0B
    $ docker volume prune -f
    Total reclaimed space: 0B
    $ docker network prune -f
    $ docker ps -a --filter label=io.kubernetes.pod.namespace=$n --format '{{.Names}}' | sed "s/.*_//"
    1
    0
    $ docker image prune -af | grep busybox
    ? 1
    $ q docker rmi busybox | sed 's/container .*/container/'
    Error response from daemon: conflict: unable to remove repository reference "busybox" (must force) - container
    $ k get pod p -o jsonpath='{.status.phase}'
    Running
    "#,
)];
