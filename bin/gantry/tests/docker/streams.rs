//! logs, attach, exec: what comes out where, to the byte.

use super::transcript::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "logs",
        r#"
        $ docker run --name $n busybox sh -c 'echo one; echo two >&2; echo three; printf four' >/dev/null 2>&1
        $ docker logs $n 2>/dev/null
        one
        three
        four
        $ docker logs $n 2>&1 >/dev/null
        two
        $ docker run --name $n-2 busybox sh -c 'echo two; echo three; printf four' >/dev/null; docker logs -t --tail 2 $n-2 | sed 's/^20[0-9-]*T[0-9:.]*Z/TIME/'
        TIME three
        TIME four
        $ docker logs --tail 1 $n-2
        four
        $ docker logs --since 1h $n 2>/dev/null | wc -l
        2
        $ docker logs --until 2001-01-01 $n
        $ docker logs no-such-$n 2>&1 | sed "s/$n/N/"
        Error response from daemon: No such container: no-such-N
        "#,
    ),
    case(
        "logs --follow ends with the container",
        r#"
        $ docker run -d --name $n busybox sh -c 'for i in 1 2 3; do echo $i; sleep 0.2; done' >/dev/null; docker logs -f $n
        1
        2
        3
        "#,
    ),
    case(
        "large output is whole",
        r#"
        $ docker run --name $n busybox sh -c 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done' | md5sum
        fd9e81b156d2de86516165f7b248e163  -
        $ docker logs $n | tail -1
        line 19999
        $ docker run --rm busybox sh -c 'head -c 100000 /dev/zero | tr "\0" x' | wc -c
        100000
        "#,
    ),
    case(
        "log drivers and options",
        r#"
        $ docker run --name $n --log-driver none busybox echo x
        x
        $ docker logs $n
        Error response from daemon: configured logging driver does not support reading
        ? 1
        $ docker run --name $n-2 --log-opt max-size=1k --log-opt max-file=2 busybox sh -c 'for i in $(seq 200); do echo $i; done' >/dev/null; docker logs $n-2 | tail -1
        200
        $ docker run --log-driver no-such busybox true
        docker: Error response from daemon: [..]no-such[..]
        ...
        ? 125
        "#,
    ),
    case(
        "exec",
        r#"
        $ docker run -d --name $n -e A=1 -w /var/www busybox sleep 60 >/dev/null
        $ docker exec $n sh -c 'echo $A; pwd; exit 5'
        1
        /var/www
        ? 5
        $ docker exec $n sh -c 'echo out; echo err >&2' 2>&1 >/dev/null
        err
        $ echo in | docker exec -i $n cat
        in
        $ docker exec -e B=2 -w / -u www $n sh -c 'echo $B; pwd; id -un'
        2
        /
        www
        $ docker exec -d $n sh -c 'touch /done'; until docker exec $n test -e /done; do :; done
        $ docker exec $n no-such-program
        OCI runtime exec failed: [..]exec: "no-such-program": executable file not found in $PATH[..]
        ? 127
        $ docker exec --privileged $n grep CapEff /proc/self/status | wc -l
        1
        $ docker exec no-such-$n true 2>&1 | sed "s/$n/N/"
        Error response from daemon: No such container: no-such-N
        $ docker stop -t 0 $n >/dev/null; docker exec $n true 2>&1 | sed "s/[0-9a-f]\{64\}/ID/"
        Error response from daemon: [..]ontainer ID is not running
        "#,
    )
    .not_dockerd("20.10 and older clients word a failed exec on one stream more"),
    case(
        "attach",
        r#"
        $ docker run -d -i --name $n busybox sh -c 'read line; echo got $line; sleep 0.3; exit 8' >/dev/null
        $ (echo words; sleep 1) | docker attach $n
        got words
        ? 8
        $ docker attach $n
        You cannot attach to a stopped container, start it first
        ? 1
        "#,
    ),
    case(
        "start -a gets the run that it starts",
        r#"
        $ docker create --name $n busybox sh -c 'echo out; echo err >&2; exit 3' >/dev/null
        $ for i in 1 2 3; do docker start -a $n 2>/dev/null; echo $?; done
        out
        3
        out
        3
        out
        3
        $ docker start -a $n 2>&1 >/dev/null
        err
        ? 3
        $ docker create -i --name $n-2 busybox sh -c 'read line; echo got $line; cat' >/dev/null
        $ for i in 1 2; do printf '%s\nmore %s\n' $i $i | docker start -ai $n-2; done
        got 1
        more 1
        got 2
        more 2
        "#,
    ),
    case(
        "a tty",
        r#"
        $ docker run -d -t --name $n busybox sh -c 'test -t 0 && test -t 1 && stty size && echo done' >/dev/null; docker wait $n
        0
        $ docker logs $n | tr -d '\r' | tail -1
        done
        $ docker run --rm -t busybox tty </dev/null | tr -d '\r'
        /dev/pts/0
        $ docker run --rm -t busybox sh -c 'echo out; echo err >&2' 2>/dev/null | tr -d '\r'
        out
        err
        "#,
    ),
];
