//! Static pods: files of the node that become pods, whatever the API says; it only shows them.

use crate::docker::transcript::{Case, case};

pub(super) const CASES: &[Case] = &[
    case(
        "a file is run, shown, run again and ended",
        r#"
        $ manifests=${KUBECONFIG%/*}/manifests; node=$(uname -n | tr A-Z a-z)
        $ k get pods
        No resources found in [..] namespace.
        $ cat > $manifests/$n.yaml <<END
        > apiVersion: v1
        > kind: Pod
        > metadata: {name: web, namespace: $n}
        > spec:
        >   terminationGracePeriodSeconds: 1
        >   containers: [{name: c, image: busybox, command: [sh, -c, 'echo one; sleep 1d']}]
        > END
        $ k wait --for=create pod/web-$node
        pod/web-[..] condition met
        $ k wait --for=condition=Ready pod/web-$node
        pod/web-[..] condition met
        $ k logs web-$node
        one
        $ k exec web-$node -- echo in
        in
        $ k get pod web-$node -o jsonpath='{.metadata.annotations.kubernetes\.io/config\.source} {.metadata.ownerReferences[*].kind} {.metadata.generation} {.status.observedGeneration}'
        file Node 1 1
        $ k describe pod web-$node | grep -o 'Normal *Started'
        Normal  Started
        $ k get pod web-$node -o jsonpath='{.metadata.uid}' > uid; docker ps -q --filter label=io.kubernetes.pod.namespace=$n > id
        $ k delete pod web-$node --wait=false
        pod "web-[..]" deleted
        $ until k get pod web-$node -o jsonpath='{.metadata.uid} {.status.phase}' 2>/dev/null | grep -v -F -f uid | grep -q Running; do :; done
        $ docker ps -q --filter label=io.kubernetes.pod.namespace=$n | diff - id
        $ sed s/one/two/ $manifests/$n.yaml > new; mv new $manifests/$n.yaml
        $ until k logs web-$node 2>/dev/null | grep two; do :; done
        two
        $ docker ps -q --filter label=io.kubernetes.pod.namespace=$n | wc -l
        1
        $ rm $manifests/$n.yaml
        $ k wait --for=delete pod/web-$node
        pod/web-[..] condition met
        $ docker ps -q --filter label=io.kubernetes.pod.namespace=$n | wc -l
        0
        "#,
    ),
    case(
        "what is no pod, and what needs the API, is told in the log",
        r#"
        $ manifests=${KUBECONFIG%/*}/manifests; log=${KUBECONFIG%/*}/log/gantry.log
        $ printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {serviceAccountName: x, containers: [{name: c, image: busybox}]}\n' $n > $manifests/$n-a.yaml
        $ until grep -F $n-a.yaml $log | grep -o -m1 'static pods may not reference serviceaccounts'; do :; done
        static pods may not reference serviceaccounts
        $ echo 'kind: nonsense' > $manifests/$n-b.yaml
        $ until grep -F $n-b.yaml $log | grep -o -m1 'please check config file'; do :; done
        please check config file
        $ rm $manifests/$n-a.yaml $manifests/$n-b.yaml
        "#,
    ),
];
