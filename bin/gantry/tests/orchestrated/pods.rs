//! Pods by themselves: what their containers see, what becomes of them, and what the docker side shows.

use crate::docker::transcript::{Case, case};

pub(super) const CASES: &[Case] = &[
    case(
        "environment, files and identity",
        r#"
        $ k create configmap settings --from-literal=colour=red --from-literal=other=x
        configmap/settings created
        $ k create secret generic secrets --from-literal=word=hidden
        secret/secrets created
        $ k apply -f - <<'END'
        > apiVersion: v1
        > kind: Pod
        > metadata: {name: p, labels: {app: p}}
        > spec:
        >   restartPolicy: Never
        >   hostname: named
        >   hostAliases: [{ip: 10.9.8.7, hostnames: [elsewhere]}]
        >   containers:
        >   - name: c
        >     image: busybox
        >     env:
        >     - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
        >     - {name: WORD, valueFrom: {secretKeyRef: {name: secrets, key: word}}}
        >     - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        >     - {name: BOTH, value: "$(COLOUR)-$(POD)-$$(POD)"}
        >     command: [sh, -c]
        >     args:
        >     - |
        >       echo $COLOUR $WORD $BOTH; hostname
        >       cat /settings/colour /secrets/word /about/labels; echo
        >       ls -L /settings; stat -c %a /secrets/..data/word
        >       grep elsewhere /etc/hosts; grep ^search /etc/resolv.conf
        >       test -s /var/run/secrets/kubernetes.io/serviceaccount/token && cat /var/run/secrets/kubernetes.io/serviceaccount/namespace | wc -c
        >       echo shared > /empty/file; cat /empty/file
        >     volumeMounts:
        >     - {name: settings, mountPath: /settings}
        >     - {name: secrets, mountPath: /secrets}
        >     - {name: about, mountPath: /about}
        >     - {name: empty, mountPath: /empty}
        >   volumes:
        >   - {name: settings, configMap: {name: settings}}
        >   - {name: secrets, secret: {secretName: secrets, defaultMode: 0400}}
        >   - {name: about, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
        >   - {name: empty, emptyDir: {medium: Memory}}
        > END
        pod/p created
        $ k wait --for=jsonpath='{.status.phase}'=Succeeded pod/p
        pod/p condition met
        $ k logs p | sed "s/$n/NS/"
        red hidden red-p-$(POD)
        named
        redhiddenapp="p"
        colour
        other
        400
        10.9.8.7[..]elsewhere
        search NS.svc.cluster.local svc.cluster.local cluster.local[..]
        [..]
        shared
        "#,
    ),
    case(
        "init containers, then a crash loop",
        r#"
        $ k apply -f - <<'END'
        > apiVersion: v1
        > kind: Pod
        > metadata: {name: p}
        > spec:
        >   initContainers:
        >   - {name: first, image: busybox, command: [sh, -c, 'echo one > /w/f'], volumeMounts: [{name: w, mountPath: /w}]}
        >   - {name: second, image: busybox, command: [sh, -c, 'echo two >> /w/f'], volumeMounts: [{name: w, mountPath: /w}]}
        >   containers:
        >   - {name: c, image: busybox, command: [sh, -c, 'cat /w/f; exit 4'], volumeMounts: [{name: w, mountPath: /w}]}
        >   volumes: [{name: w, emptyDir: {}}]
        > END
        pod/p created
        $ k wait --for=jsonpath='{.status.containerStatuses[0].state.waiting.reason}'=CrashLoopBackOff pod/p
        pod/p condition met
        $ k logs p -c c
        one
        two
        $ k logs p -c c --previous
        one
        two
        $ k get pod p -o jsonpath='{.status.containerStatuses[0].lastState.terminated.exitCode} {.status.initContainerStatuses[*].state.terminated.reason}'
        4 Completed Completed
        $ k get pod p --no-headers
        p     0/1   CrashLoopBackOff   [..]
        "#,
    ),
    case(
        "probes",
        r#"
        $ k apply -f - <<'END'
        > apiVersion: v1
        > kind: Pod
        > metadata: {name: p}
        > spec:
        >   terminationGracePeriodSeconds: 1
        >   containers:
        >   - name: c
        >     image: busybox
        >     command: [sh, -c, 'mkdir /w; echo ok > /w/alive; httpd -p 80 -h /w; sleep 1d']
        >     startupProbe: {tcpSocket: {port: 80}, periodSeconds: 1, failureThreshold: 30}
        >     readinessProbe: {httpGet: {port: 80, path: /ready}, periodSeconds: 1}
        >     livenessProbe: {exec: {command: [cat, /w/alive]}, periodSeconds: 1, timeoutSeconds: 20, failureThreshold: 1}
        > END
        pod/p created
        $ k wait --for=jsonpath='{.status.containerStatuses[0].started}'=true pod/p
        pod/p condition met
        $ k get pod p -o jsonpath='{.status.containerStatuses[0].ready}'
        false
        $ docker exec $(docker ps -q --filter label=io.kubernetes.pod.namespace=$n) touch /w/ready
        $ k wait --for=condition=Ready pod/p
        pod/p condition met
        $ docker exec $(docker ps -q --filter label=io.kubernetes.pod.namespace=$n) rm /w/alive
        $ k wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/p
        pod/p condition met
        $ k describe pod p | grep -o 'Liveness probe failed: cat: .*'
        Liveness probe failed: cat: can't open '/w/alive': No such file or directory
        "#,
    ),
    case(
        "what cannot be is said",
        r#"
        $ k run absent --image=absent:1 --image-pull-policy=Never
        pod/absent created
        $ k wait --for=jsonpath='{.status.containerStatuses[0].state.waiting.reason}'=ErrImageNeverPull pod/absent
        pod/absent condition met
        $ k get pod absent -o jsonpath='{.status.containerStatuses[0].state.waiting.message}'
        Container image "absent:1" is not present with pull policy of Never
        $ k run refused --image=busybox --overrides='{"spec": {"runtimeClassName": null, "volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}]}}'
        pod/refused created
        $ k wait --for=jsonpath='{.status.phase}'=Failed pod/refused
        pod/refused condition met
        $ k get pod refused -o jsonpath='{.status.reason}: {.status.message}'
        UnsupportedField: spec.volumes[0].nfs
        $ k run wide --image=busybox --overrides='{"spec": {"nodeSelector": {"a": "b"}}}'
        pod/wide created
        $ k wait --for=jsonpath='{.status.conditions[0].reason}'=Unschedulable pod/wide
        pod/wide condition met
        $ k get pod wide -o jsonpath='{.status.conditions[0].message}'
        0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. [..]
        "#,
    ),
    case(
        "the docker side shows pods and leaves them alone",
        r#"
        $ k run p --image=busybox -- sleep 1d
        pod/p created
        $ k wait --for=condition=Ready pod/p
        pod/p condition met
        $ id=$(docker ps -q --filter label=io.kubernetes.pod.namespace=$n)
        $ docker inspect $id --format '{{index .Config.Labels "io.kubernetes.pod.name"}} {{index .Config.Labels "io.kubernetes.container.name"}}'
        p p
        $ docker rm -f $id
        Error response from daemon: container [..] belongs to pod [..]
        ? 1
        $ docker exec $id echo inside
        inside
        $ docker rename $id other
        Error response from daemon: container [..] belongs to pod [..]
        ...
        ? 1
        $ docker network connect bridge $id
        Error response from daemon: container [..] belongs to pod [..]
        ? 1
        $ docker stop $id | wc -l
        1
        $ k wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/p
        pod/p condition met
        $ docker container prune -f | head -1
        [..]
        $ k delete pod p --now
        pod "p" deleted[..]
        $ until [ -z "$(docker ps -aq --filter label=io.kubernetes.pod.namespace=$n)" ]; do :; done
        "#,
    ),
];
