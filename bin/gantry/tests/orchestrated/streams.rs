//! kubectl's streams into containers: logs, exec, attach, cp, port-forward.

use crate::docker::transcript::{Case, case};

pub(super) const CASES: &[Case] = &[
    case(
        "exec and its codes",
        r#"
        $ k run p --image=busybox -- sh -c 'echo started; sleep 1d'
        pod/p created
        $ k wait --for=condition=Ready pod/p
        pod/p condition met
        $ { k exec p -- sh -c 'echo out; echo err >&2; exit 7'; } 2>&1 | LC_ALL=C sort
        command terminated with exit code 7
        err
        out
        $ k exec p -- sh -c 'exit 7'
        command terminated with exit code 7
        ? 7
        $ echo through | k exec -i p -- cat
        through
        $ head -c 3000000 /dev/urandom > big; sha256sum < big > sums; k exec -i p -- sh -c 'cat > /big; sha256sum < /big; cat /big' < big > both; head -c 68 both | cmp - sums; tail -c +69 both | cmp - big
        $ k exec p -- absent
        error: Internal error occurred: [..]exec: "absent": executable file not found in $PATH[..]
        ? 1
        $ k logs p
        started
        $ k logs p -c other
        error: container other is not valid for pod p
        ? 1
        $ k exec other -- true
        Error from server (NotFound): pods "other" not found
        ? 1
        $ docker logs $(docker ps -q --filter label=io.kubernetes.pod.namespace=$n)
        started
        "#,
    ),
    case(
        "logs of several lines",
        r#"
        $ k run p --image=busybox --restart=Never -- sh -c 'seq 1 100; echo e >&2'
        pod/p created
        $ k wait --for=jsonpath='{.status.phase}'=Succeeded pod/p
        pod/p condition met
        $ k logs p | wc -l
        101
        $ k logs p --tail=2
        100
        e
        $ k logs p --limit-bytes=5
        1
        2
        3[..]
        $ k logs -f p | head -1
        1
        $ k logs p --timestamps --tail=1 | grep -c '^20..-..-..T..:..:..\.[0-9]*Z e$'
        1
        "#,
    ),
    case(
        "cp both ways",
        r#"
        $ k run p --image=busybox -- sleep 1d
        pod/p created
        $ k wait --for=condition=Ready pod/p
        pod/p condition met
        $ mkdir from; echo a > from/a; head -c 500000 /dev/urandom > from/b
        $ k cp from p:/tmp/there
        $ k cp p:/tmp/there back 2>/dev/null; diff -r from back
        tar: removing leading '/' from member names
        "#,
    ),
    case(
        "port-forward",
        r#"
        $ k run p --image=busybox -- sh -c 'mkdir /w; echo forwarded > /w/index.html; httpd -f -p 80 -h /w'
        pod/p created
        $ k wait --for=condition=Ready pod/p
        pod/p condition met
        $ $ns kubectl -n $n port-forward pod/p 8081:80 > said 2>&1 & forwarding=$!
        $ until grep -s Forwarding.from.127 said; do kill -0 $forwarding; done
        Forwarding from 127.0.0.1:8081 -> 80
        $ for i in 1 2 3; do $ns timeout 5 busybox wget -qO- http://127.0.0.1:8081/; done
        forwarded
        forwarded
        forwarded
        $ kill $forwarding; wait $forwarding
        Terminated
        ? 143
        "#,
    ),
    case(
        "attach reaches the program",
        r#"
        $ k apply -f - <<'END'
        > apiVersion: v1
        > kind: Pod
        > metadata: {name: p}
        > spec:
        >   restartPolicy: Never
        >   containers: [{name: c, image: busybox, stdin: true, stdinOnce: true, command: [sh, -c, 'read word; echo got $word']}]
        > END
        pod/p created
        $ k wait --for=condition=Ready pod/p
        pod/p condition met
        $ echo hello | k attach -i p -q
        got hello
        $ k wait --for=jsonpath='{.status.phase}'=Succeeded pod/p
        pod/p condition met
        "#,
    ),
    case(
        "run -i loses nothing of a short program",
        r#"
        $ once() { k run p --rm -i -q --restart=Never --image=busybox -- "$@"; }
        $ for i in 1 2 3; do for pause in 0 0.02 0.05 0.2; do once sh -c "echo hello; sleep $pause"; done; done 2>/dev/null | uniq -c | tr -s ' '
         12 hello
        $ for i in 1 2; do once sh -c 'printf unfinished; sleep 0.1' 2>/dev/null; echo; done
        unfinished
        unfinished
        $ once sh -c 'seq 200000; sleep 0.1' 2>/dev/null > said; seq 200000 | cmp - said
        $ echo through | once cat 2>/dev/null
        through
        $ once sh -c 'echo three; sleep 0.1; exit 3' 2>/dev/null
        three
        ? 3
        $ k get pods -o name
        "#,
    ).within(240),
];
