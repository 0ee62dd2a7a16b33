//! create, start, stop, restart, kill, pause, unpause, rename, update, rm, ps, inspect, wait, top, port.

use super::transcript::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "create, start, wait, rm",
        r#"
        $ docker create --name $n busybox sh -c 'echo ran; exit 4' | wc -c
        65
        $ docker inspect -f '{{.State.Status}} {{.State.Running}} {{.State.Pid}} {{.Path}} {{json .Args}}' $n
        created false 0 sh ["-c","echo ran; exit 4"]
        $ docker start -a $n
        ran
        ? 4
        $ docker wait $n
        4
        $ docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}' $n
        exited 4 0
        $ docker start $n >/dev/null; docker wait $n
        4
        $ docker logs $n
        ran
        ran
        $ docker rm $n | sed "s/$n/N/"
        N
        $ docker rm $n 2>&1 | sed "s/$n/N/"
        Error[..]: No such container: N
        "#,
    ),
    case(
        "stop asks, then kills",
        r#"
        $ docker run -d --name $n busybox sh -c 'trap "" TERM; while :; do sleep 1; done' >/dev/null
        $ docker stop -t 0 $n >/dev/null; docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $n
        exited 137
        $ docker stop $n | sed "s/$n/N/"
        N
        $ docker start $n >/dev/null; docker start $n >/dev/null; docker inspect -f '{{.State.Running}}' $n
        true
        $ docker restart -t 0 $n >/dev/null; docker inspect -f '{{.State.Running}} {{.RestartCount}}' $n
        true 0
        $ docker rm -f $n >/dev/null
        "#,
    ),
    case(
        "kill",
        r#"
        $ docker run -d --name $n busybox sh -c 'trap "exit 6" HUP; echo up; while :; do sleep 0.1; done' >/dev/null
        $ until docker logs $n | grep -q up; do :; done
        $ docker kill -s HUP $n >/dev/null; docker wait $n
        6
        $ docker kill $n 2>&1 | sed "s/$n/N/"
        Error response from daemon: [..]ontainer [..] is not running
        $ docker kill -s NOSUCH $n 2>&1 | sed "s/$n/N/"
        Error response from daemon: [..]nvalid signal: NOSUCH
        $ docker kill no-such-$n 2>&1 | sed "s/$n/N/g"
        Error response from daemon: [..]o such container: no-such-N
        "#,
    ),
    case(
        "pause and unpause",
        r#"
        $ docker run -d --name $n busybox sleep 60 >/dev/null; docker pause $n >/dev/null
        $ docker inspect -f '{{.State.Status}} {{.State.Running}} {{.State.Paused}}' $n
        paused true true
        $ docker exec $n true 2>&1
        Error response from daemon: [..]ontainer [..] is paused, unpause the container before exec
        ? 1
        $ docker pause $n 2>&1 | sed "s/[0-9a-f]\{64\}/ID/"
        Error response from daemon: [..]ontainer ID is already paused
        $ docker ps --filter name=$n --format '{{.Status}}'
        Up [..] (Paused)
        $ docker unpause $n >/dev/null; docker inspect -f '{{.State.Status}}' $n
        running
        $ docker unpause $n 2>&1 | sed "s/[0-9a-f]\{64\}/ID/"
        Error response from daemon: Container ID is not paused
        $ docker rm -f $n >/dev/null
        "#,
    ),
    case(
        "rm -f of a container that removes itself",
        r#"
        $ for i in 1 2 3 4 5 6 7 8 9 10; do docker run -d --rm --name $n busybox sleep 60 >/dev/null && docker rm -f $n; done | sort | uniq -c | sed "s/$n/N/"
             10 N
        "#,
    ),
    case(
        "rename",
        r#"
        $ docker create --name $n busybox >/dev/null; docker rename $n $n-new
        $ docker inspect -f '{{.Name}}' $n-new | sed "s/$n/N/"
        /N-new
        $ docker inspect $n >/dev/null 2>&1
        ? 1
        $ docker create --name $n busybox >/dev/null; docker rename $n $n-new 2>&1 | sed "s/$n/N/g; s/[0-9a-f]\{64\}/ID/"
        Error response from daemon: Error when allocating new name: Conflict. The container name "/N-new" is already in use by container "ID". You have to remove (or rename) that container to be able to reuse that name.
        ...
        $ docker rename $n $n 2>&1 | head -1
        Error response from daemon: Renaming a container with the same name as its current name
        "#,
    ),
    case(
        "update",
        r#"
        $ docker run -d --name $n -m 64m --memory-swap 64m busybox sleep 60 >/dev/null
        $ docker update -m 32m --cpu-shares 100 --restart on-failure:3 $n | sed "s/$n/N/"
        N
        $ docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.CpuShares}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}' $n
        33554432 100 on-failure 3
        $ docker exec $n sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes 2>/dev/null || cat memory.max'
        33554432
        $ docker rm -f $n >/dev/null
        "#,
    ),
    case(
        "ps",
        r#"
        $ docker run -d --name $n --label area=$n busybox sleep 60 >/dev/null; docker create --name $n-2 --label area=$n busybox >/dev/null
        $ docker ps --filter label=area=$n --format '{{.Image}} {{.Command}} {{.State}} {{.Names}}' | sed "s/$n/N/"
        busybox "sleep 60" running N
        $ docker ps -a --filter label=area=$n --format '{{.State}} {{.Status}}'
        created Created
        running Up [..]
        $ docker ps -a --filter label=area=$n --filter status=created --format '{{.Names}}' | sed "s/$n/N/"
        N-2
        $ docker ps -aq --filter label=area=$n --filter ancestor=busybox | wc -l
        2
        $ docker ps -a -n 1 --filter label=area=$n --format '{{.Names}}' | sed "s/$n/N/"
        N-2
        $ docker ps --filter status=nonsense
        Error response from daemon: [..]nvalid [..]nonsense[..]
        ? 1
        $ docker ps --filter nonsense=1
        Error response from daemon: [..]nvalid filter 'nonsense'
        ? 1
        $ docker rm -f $n >/dev/null
        "#,
    ),
    case(
        "inspect",
        r#"
        $ docker create --name $n --hostname h -e A=1 -p 127.0.0.1:8080:80/tcp --expose 9000 -v /v busybox top >/dev/null
        $ docker inspect -f '{{.Config.Hostname}} {{.Config.Image}} {{json .Config.Cmd}} {{json .Config.ExposedPorts}} {{json .Config.Volumes}}' $n
        h busybox ["top"] {"80/tcp":{},"9000/tcp":{}} {"/v":{}}
        $ docker inspect -f '{{json .HostConfig.PortBindings}} {{.HostConfig.NetworkMode}} {{.HostConfig.RestartPolicy.Name}}' $n
        {"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]} [..] no
        $ docker inspect -f '{{.Driver}} {{.Platform}} {{len .Mounts}}' $n
        overlay[..] linux 1
        $ docker inspect -f '{{.SizeRw}}' $n
        <nil>
        $ docker inspect -s -f '{{.SizeRw}}' $n
        0
        $ docker inspect --type image $n 2>&1 | sed "s/$n/N/"
        []
        Error[..]o such image: N[..]
        $ docker inspect ${n}x 2>&1 | tail -1 | sed "s/$n/N/"
        Error: No such object: Nx
        "#,
    ),
    case(
        "ids are found by prefix",
        r#"
        $ id=$(docker create --name $n busybox); docker inspect -f '{{.Name}}' $(echo $id | cut -c1-12) | sed "s/$n/N/"
        /N
        $ docker rm $(echo $id | cut -c1-20) >/dev/null; docker ps -aq --filter id=$id
        "#,
    ),
    case(
        "rm -f of many, and of what is not there",
        r#"
        $ for i in 1 2 3; do docker create --name $n-$i busybox; done >/dev/null; docker rm -f $n-1 $n-2 $n-3 | sed "s/$n/N/"
        N-1
        N-2
        N-3
        $ docker rm -f $n-1 2>&1 | sed "s/$n/N/"
        Error response from daemon: No such container: N-1
        "#,
    )
    .not_dockerd("the client of that engine's time says it otherwise"),
    case(
        "top",
        r#"
        $ docker run -d --name $n busybox sleep 61 >/dev/null; docker top $n -eo pid,args | sed 's/^[0-9]*/PID/'
        PID[..]COMMAND
        PID[..]sleep 61
        $ docker top $n | head -1 | tr -s ' '
        UID PID PPID C STIME TTY TIME CMD
        $ docker rm -f $n >/dev/null; docker create --name $n busybox >/dev/null; docker top $n 2>&1 | sed "s/[0-9a-f]\{64\}/ID/"
        Error response from daemon: [..]ontainer ID is not running
        "#,
    )
    .not_dockerd("the header is padded by ps"),
    case(
        "wait for many and for removal",
        r#"
        $ docker run -d --name $n-1 busybox sh -c 'exit 1' >/dev/null; docker run -d --name $n-2 busybox sh -c 'exit 2' >/dev/null; docker wait $n-1 $n-2
        1
        2
        $ docker wait no-such-$n 2>&1 | sed "s/$n/N/"
        Error response from daemon: No such container: no-such-N
        "#,
    ),
    case(
        "start of what cannot start leaves it created",
        r#"
        $ docker create --name $n busybox /no/such >/dev/null; docker start $n 2>&1 | head -1 | cut -c1-28
        Error response from daemon:
        $ docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $n
        created 127
        $ docker start no-such-$n 2>&1 | sed "s/$n/N/" | head -1
        Error response from daemon: No such container: no-such-N
        "#,
    ),
    case(
        "stats",
        r#"
        $ docker run -d --name $n -m 64m busybox sleep 60 >/dev/null; docker stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' $n | sed "s/$n/N/"
        N 1 [..] / 64MiB
        $ docker rm -f $n >/dev/null
        "#,
    ),
    case(
        "a kill that cannot be",
        r#"
        $ docker kill no-such-$n 2>&1 | sed "s/$n/N/g"
        Error response from daemon: cannot kill container: no-such-N: No such container: no-such-N
        $ docker kill -s 99 $n 2>&1 | sed "s/$n/N/g"
        Error response from daemon: cannot kill container: N: the linux daemon does not support signal 99
        "#,
    )
    .not_dockerd("28.2 words it so"),
];
