//! `docker run` and its flags: what the container sees of each.

use super::transcript::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "output and exit status",
        r#"
        $ docker run --rm busybox echo hi
        hi
        $ docker run --rm busybox sh -c 'exit 3'
        ? 3
        $ docker run --rm busybox sh -c 'echo out; echo err >&2' 2>/dev/null
        out
        "#,
    ),
    case(
        "what cannot be executed",
        r#"
        $ docker run --rm busybox nothing-of-this-name
        docker: Error response from daemon: [..]exec: "nothing-of-this-name": executable file not found in $PATH[..]
        ...
        ? 127
        $ docker run --rm busybox /etc
        docker: Error response from daemon: [..]exec: "/etc": [..]
        ...
        ? 126
        $ docker run --name $n --rm no-such-image-$n true 2>&1 | head -1
        Unable to find image 'no-such-image-[..]:latest' locally
        "#,
    ),
    case(
        "standard input",
        r#"
        $ echo words | docker run --rm -i busybox cat
        words
        $ echo words | docker run --rm busybox cat
        $ head -c 1000000 /dev/zero | docker run --rm -i busybox wc -c
        1000000
        $ docker run --rm busybox head -c 3000000 /dev/zero | wc -c
        3000000
        "#,
    ),
    case(
        "detached, named, removed",
        r#"
        $ id=$(docker run -d --name $n busybox sleep 60); echo ${#id}
        64
        $ docker run --name $n busybox true
        docker: Error response from daemon: Conflict. The container name "/[..]" is already in use by container "[..]". You have to remove (or rename) that container to be able to reuse that name.
        ...
        ? 125
        $ test $(docker ps -q --no-trunc --filter name=^/$n$) = $id
        $ docker rm $n
        Error response from daemon: [..]annot remove [..]container [..]
        ? 1
        $ docker rm -f $n | sed "s/$n/NAME/"
        NAME
        $ docker inspect $n 2>&1 | sed "s/$n/NAME/"
        []
        Error: No such object: NAME
        "#,
    ),
    case(
        "--rm removes, and with it anonymous volumes",
        r#"
        $ docker run --rm -v /data --name $n busybox sh -c 'grep -c " /data " /proc/mounts'
        1
        $ docker ps -aq --filter name=^/$n$
        "#,
    ),
    case(
        "-e and --env-file",
        r#"
        $ printf 'A=1\n# comment\nB=two words\nHOST_VALUE\n' > $dir/env
        $ HOST_VALUE=from-host docker run --rm --env-file $dir/env -e A=9 -e C= busybox sh -c 'echo "$A|$B|$C|$HOST_VALUE"; env | grep -c ^C='
        9|two words||from-host
        1
        $ docker run --rm busybox env | grep -v ^HOSTNAME
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
        HOME=/root
        "#,
    ),
    case(
        "--entrypoint",
        r#"
        $ docker run --rm --entrypoint /bin/echo busybox from entrypoint
        from entrypoint
        $ docker run --rm probe echo through the image
        through the image
        $ docker run --rm --entrypoint '' busybox echo cleared
        cleared
        "#,
    ),
    case(
        "-w",
        r#"
        $ docker run --rm -w /var/www busybox pwd
        /var/www
        $ docker run --rm -w /made/for/it busybox pwd
        /made/for/it
        $ docker run --rm -w relative busybox pwd
        docker: Error response from daemon: [..]relative[..]absolute path[..]
        ...
        ? 125
        "#,
    ),
    case(
        "-u and groups",
        r#"
        $ docker run --rm -u www busybox id
        uid=33(www) gid=33(www) groups=33(www),50(staff)
        $ docker run --rm -u 1000 busybox id
        uid=1000 gid=0(root) groups=0(root)
        $ docker run --rm -u www:nobody busybox id
        uid=33(www) gid=65534(nobody) groups=65534(nobody)
        $ docker run --rm -u 7:8 --group-add 9 --group-add staff busybox id
        uid=7 gid=8 groups=8,9,50(staff)
        $ docker run --rm -u nobody2 busybox id
        docker: Error response from daemon: unable to find user nobody2: no matching entries in passwd file[..]
        ...
        ? 125
        $ docker run --rm -u www busybox sh -c 'echo $HOME'
        /var/www
        "#,
    )
    .not_dockerd("20.10 keeps the supplementary groups of a user with an explicit group otherwise"),
    case(
        "--hostname, --add-host, --dns",
        r#"
        $ docker run --rm --hostname box --domainname example.org busybox sh -c 'hostname; hostname -f; cat /etc/hostname'
        box
        box.example.org
        box
        $ docker run --rm --add-host db:10.1.2.3 busybox grep 10.1.2.3 /etc/hosts
        10.1.2.3	db
        $ docker run --rm --dns 10.9.8.7 --dns-search example.org --dns-option ndots:3 busybox grep -vE '^(#|$)' /etc/resolv.conf
        nameserver 10.9.8.7
        search example.org
        options ndots:3
        $ docker run --rm busybox sh -c 'test "$(hostname)" = "$HOSTNAME"; echo ${#HOSTNAME}'
        12
        "#,
    )
    .not_dockerd("20.10 writes the lines of resolv.conf in another order"),
    case(
        "--init",
        r#"
        $ docker run --rm --init busybox sh -c 'test $$ != 1 && ps -o pid | grep -c "^ *1$"'
        1
        $ docker run --rm --init busybox sh -c 'ps -o pid,comm,args' | head -2 | tail -1
            1 docker-init      /sbin/docker-init -- sh -c ps -o pid,comm,args
        $ docker run --rm --init busybox sh -c 'exit 5'
        ? 5
        $ docker run -d --init --name $n busybox sleep 60 >/dev/null; docker stop -t 10 $n >/dev/null; docker inspect -f '{{.State.ExitCode}}' $n
        143
        "#,
    ),
    case(
        "--memory, --cpus, --pids-limit",
        r#"
        $ docker run --rm -m 64m busybox sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes 2>/dev/null || cat memory.max'
        67108864
        $ docker run --rm --cpus 0.5 busybox sh -c 'cd /sys/fs/cgroup; cat cpu/cpu.cfs_quota_us 2>/dev/null || cat cpu.max' | cut -d' ' -f1
        50000
        $ docker run --rm --pids-limit 33 busybox sh -c 'cd /sys/fs/cgroup; cat pids/pids.max 2>/dev/null || cat pids.max'
        33
        $ docker run --rm -m 1m busybox true
        docker: Error response from daemon: Minimum memory limit allowed is 6MB[..]
        ...
        ? 125
        "#,
    )
    .not_dockerd("20.10 says `Minimum memory limit allowed is 6MB` with another tail"),
    case(
        "out of memory is told",
        r#"
        $ docker run --name $n -m 16m --memory-swap 16m probe eat 100000000
        ? 137
        $ docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' $n
        true 137
        "#,
    )
    .not_dockerd("20.10 hears of it from containerd, at times after the end"),
    case(
        "--ulimit and --shm-size",
        r#"
        $ docker run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -Sn; ulimit -Hn'
        100
        200
        $ docker run --rm --shm-size 8m busybox df -k /dev/shm | tail -1 | awk '{print $2}'
        8192
        $ docker run --rm busybox df -k /dev/shm | tail -1 | awk '{print $2}'
        65536
        "#,
    ),
    case(
        "capabilities",
        r#"
        $ docker run --rm busybox grep CapEff /proc/self/status
        CapEff:	00000000a80425fb
        $ docker run --rm --cap-drop ALL --cap-add net_admin busybox grep CapEff /proc/self/status
        CapEff:	0000000000001000
        $ docker run --rm -u 1000 busybox grep CapEff /proc/self/status
        CapEff:	0000000000000000
        $ docker run --rm --cap-add NO_SUCH busybox true
        docker: Error response from daemon: invalid [..]CAP_NO_SUCH[..]
        ...
        ? 125
        "#,
    )
    .not_dockerd("20.10 writes NO_SUCH without its prefix"),
    case(
        "--security-opt",
        r#"
        $ docker run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status
        NoNewPrivs:	1
        $ docker run --rm busybox grep -E 'NoNewPrivs|Seccomp:' /proc/self/status
        NoNewPrivs:	0
        Seccomp:	2
        $ docker run --rm --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status
        Seccomp:	0
        $ docker run --rm busybox unshare -m true
        unshare: unshare(0x20000): Operation not permitted
        ? 1
        "#,
    ),
    case(
        "--read-only and --tmpfs",
        r#"
        $ docker run --rm --read-only busybox touch /x
        touch: /x: Read-only file system
        ? 1
        $ docker run --rm --read-only --tmpfs /t:size=1m,mode=1770 busybox sh -c 'touch /t/x && df -k /t | tail -1 | awk "{print \$2}"; stat -c %a /t'
        1024
        1770
        "#,
    ),
    case(
        "--privileged",
        r#"
        $ docker run --rm --privileged busybox sh -c 'mount -t tmpfs none /tmp && echo mounted; grep Seccomp: /proc/self/status'
        mounted
        Seccomp:	0
        $ docker run --rm --privileged busybox sh -c 'test -b $(ls /dev/vda /dev/sda /dev/nvme0n1 2>/dev/null | head -1)'
        "#,
    )
    .not_dockerd("runc insists on capabilities that root may lack"),
    case(
        "--device",
        r#"
        $ docker run --rm --device /dev/null:/dev/nowhere:rw busybox stat -c '%F %t:%T' /dev/nowhere
        character special file 1:3
        $ docker run --rm busybox sh -c 'mknod /tmp/x b 8 0 && cat /tmp/x'
        cat: can't open '/tmp/x': Operation not permitted
        ? 1
        "#,
    ),
    case(
        "masked and read-only paths",
        r#"
        $ docker run --rm busybox sh -c 'wc -c < /proc/timer_list; ls /sys/firmware | wc -l'
        0
        0
        $ docker run --rm busybox sh -c 'echo 1 > /proc/sys/kernel/pid_max'
        sh: can't create /proc/sys/kernel/pid_max: Read-only file system
        ? 1
        $ docker run --rm busybox sh -c 'touch /sys/x'
        touch: /sys/x: Read-only file system
        ? 1
        "#,
    ),
    case(
        "--label",
        r#"
        $ printf 'from.file=1\n' > $dir/labels
        $ docker create --name $n --label a=b --label empty --label-file $dir/labels busybox >/dev/null
        $ docker inspect -f '{{json .Config.Labels}}' $n
        {"a":"b","empty":"","from.file":"1"}
        $ docker ps -aq --filter label=a=b --filter label=from.file --filter name=$n | wc -l
        1
        "#,
    ),
    case(
        "--ipc, --pid, --uts, --cgroupns",
        r#"
        $ docker run -d --name $n --ipc shareable busybox sleep 60 >/dev/null
        $ docker run --rm --pid container:$n busybox sh -c 'cat /proc/1/cmdline | tr "\0" " "; echo'
        sleep 60
        $ a=$(docker exec $n readlink /proc/self/ns/ipc); b=$(docker run --rm --ipc container:$n busybox readlink /proc/self/ns/ipc); test $a = $b
        $ test $(docker run --rm --pid host busybox readlink /proc/self/ns/pid) = $(readlink /proc/self/ns/pid)
        $ test $(docker run --rm --ipc host busybox readlink /proc/self/ns/ipc) = $(readlink /proc/self/ns/ipc)
        $ test $(docker run --rm --uts host busybox readlink /proc/self/ns/uts) = $(readlink /proc/self/ns/uts)
        $ test $(docker run --rm --cgroupns host busybox readlink /proc/self/ns/cgroup) = $(readlink /proc/self/ns/cgroup)
        $ test $(docker run --rm --cgroupns private busybox readlink /proc/self/ns/cgroup) != $(readlink /proc/self/ns/cgroup)
        $ docker rm -f $n >/dev/null
        "#,
    ),
    case(
        "--sysctl",
        r#"
        $ docker run --rm --sysctl net.ipv4.ip_default_ttl=33 --sysctl kernel.msgmax=9000 busybox sh -c 'cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/msgmax'
        33
        9000
        $ docker run --rm --sysctl kernel.pid_max=1000 busybox true
        [..]kernel.pid_max[..]
        ...
        ? 125
        "#,
    )
    .not_dockerd("20.10 with the runc of bookworm exits with 126"),
    case(
        "--restart on-failure",
        r#"
        $ docker run -d --name $n --restart on-failure:2 busybox sh -c 'echo run; exit 7' >/dev/null
        $ docker events --until 20s --filter container=$n --filter event=die --format '{{.Action}}' >/dev/null & docker wait $n; kill $! 2>/dev/null; wait
        7
        $ until test $(docker inspect -f '{{.RestartCount}}{{.State.Status}}' $n) = 2exited; do :; done
        $ docker logs $n
        run
        run
        run
        $ docker run --rm --restart always busybox true
        docker: [..]onflicting options: [..]
        ...
        ? 125
        "#,
    )
    .not_dockerd("its `wait` ends with the last run, not with the first"),
    case(
        "--health-cmd",
        r#"
        $ docker run -d --name $n --health-cmd 'test -e /ok' --health-interval 100ms --health-retries 2 busybox sleep 60 >/dev/null
        $ docker inspect -f '{{.State.Health.Status}}' $n | grep -E 'starting|unhealthy' >/dev/null
        $ until test $(docker inspect -f '{{.State.Health.Status}}' $n) = unhealthy; do :; done
        $ docker exec $n touch /ok
        $ until test $(docker inspect -f '{{.State.Health.Status}}' $n) = healthy; do :; done
        $ docker ps --filter name=$n --filter health=healthy --format '{{.Status}}'
        Up [..] (healthy)
        $ docker rm -f $n >/dev/null
        "#,
    ),
    case(
        "--stop-signal and --stop-timeout",
        r#"
        $ docker run -d --name $n --stop-signal USR1 busybox sh -c 'trap "exit 9" USR1; echo up; while :; do sleep 0.1; done' >/dev/null
        $ until docker logs $n | grep -q up; do :; done
        $ docker stop $n >/dev/null; docker inspect -f '{{.State.ExitCode}}' $n
        9
        $ docker run -d --name $n-2 --stop-timeout 0 busybox sleep 60 >/dev/null; docker stop $n-2 >/dev/null; docker inspect -f '{{.State.ExitCode}}' $n-2
        137
        "#,
    ),
    case(
        "the default devices",
        r#"
        $ docker run --rm busybox ls /dev | grep -v core | tr '\n' ' '; echo
        fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero
        "#,
    ),
    case(
        "nothing of the host is seen",
        r#"
        $ docker run --rm busybox ps -o pid,args | tail -n +2
            1 ps -o pid,args
        $ docker run --rm busybox sh -c 'ls -d /proc/[0-9]* | wc -l'
        [..]
        $ docker run --rm --network none busybox sh -c 'ls /sys/class/net'
        lo
        "#,
    ),
    case(
        "a detached run with --cidfile",
        r#"
        $ docker run -d --cidfile $dir/id --name $n busybox true >/dev/null; test "$(cat $dir/id)" = "$(docker inspect -f '{{.Id}}' $n)"
        $ docker run --cidfile $dir/id busybox true 2>&1 | sed "s#$dir#DIR#"
        docker: container ID file found, make sure the other container isn't running or delete DIR/id
        ...
        "#,
    ),
    case(
        "flags that make no sense",
        r#"
        $ docker run --rm --memory 64m --memory-swap 32m busybox true
        docker: Error response from daemon: Minimum memoryswap limit should be larger than memory limit, see usage[..]
        ...
        ? 125
        $ docker run --rm --cpus 1000 busybox true
        docker: Error response from daemon: [..]ange of CPUs is from 0.01 to [..], as there are only [..] CPUs available[..]
        ...
        ? 125
        $ docker run --rm --network no-such-$n busybox true 2>&1 | sed "s/$n/N/"
        docker: Error response from daemon: [..]network no-such-N not found[..]
        ...
        $ docker run --rm --name 'a b' busybox true
        docker: Error response from daemon: Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed[..]
        ...
        ? 125
        "#,
    ),
    case(
        "--userns host, --oom-score-adj, --cpuset-cpus",
        r#"
        $ docker run --rm --userns host busybox true
        $ docker run --rm --oom-score-adj 500 busybox cat /proc/self/oom_score_adj
        500
        $ docker run --rm --cpuset-cpus 0 busybox grep Cpus_allowed_list /proc/self/status
        Cpus_allowed_list:	0
        $ docker run --rm --cpu-shares 512 busybox sh -c 'cat /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null || sed s/^59$/512/ /sys/fs/cgroup/cpu.weight'
        512
        "#,
    ),
    case(
        "--link on the default bridge",
        r#"
        $ docker run -d --name $n -e Q=1 --expose 80-81 busybox sleep 60 >/dev/null
        $ docker run --rm --name $n-l --link $n:my-db busybox sh -c 'env | grep -E "^MY_DB_(NAME|ENV|PORT_80_TCP_(PROTO|PORT_END))" | sort' | sed "s/$n/N/"
        MY_DB_ENV_Q=1
        MY_DB_NAME=/N-l/my-db
        MY_DB_PORT_80_TCP_PORT_END=81
        MY_DB_PORT_80_TCP_PROTO=tcp
        $ docker rm -f $n >/dev/null; docker create --name $n busybox >/dev/null
        $ docker run --rm --name $n-l --link $n:db busybox true 2>&1 | head -1 | sed "s/$n/N/g"
        docker: Error response from daemon: Cannot link to a non running container: /N AS /N-l/db
        $ docker run --rm --link no-such-$n busybox true 2>&1 | head -1 | sed "s/$n/N/g"
        docker: Error response from daemon: could not get container for no-such-N: No such container: no-such-N
        "#,
    )
    .not_dockerd("20.10 leaves out ranges of ports"),
    case(
        "namespaces of containers that cannot share them",
        r#"
        $ docker create --name $n busybox sleep 60 >/dev/null; id=$(docker inspect -f '{{.Id}}' $n)
        $ docker run --rm --network container:no-such-$n busybox true 2>&1 | head -1 | sed "s/$n/N/"
        docker: Error response from daemon: failed to set up container networking: joining network namespace of container: No such container: no-such-N
        $ docker run --rm --pid container:no-such-$n busybox true 2>&1 | head -1 | sed "s/$n/N/"
        docker: Error response from daemon: failed to join PID namespace: No such container: no-such-N
        $ docker run --rm --pid container:$n busybox true 2>&1 | head -1 | sed "s/$id/ID/"
        docker: Error response from daemon: failed to join PID namespace: container ID is not running
        $ docker start $n >/dev/null; docker run --rm --ipc container:$n busybox true 2>&1 | head -1 | sed "s/$id/ID/"
        docker: Error response from daemon: failed to join IPC namespace: container ID: non-shareable IPC (hint: use IpcMode:shareable for the donor container)
        $ docker rm -f $n >/dev/null
        "#,
    )
    .not_dockerd("28.2 words it so"),
    case(
        "a kernel's parameter that is not there",
        r#"
        $ docker run --rm --sysctl net.no_such=1 busybox true
        docker: Error response from daemon: [..]no such file or directory[..]
        ...
        ? 127
        "#,
    ),
    case(
        "what a container never started has not",
        r#"
        $ docker create --name $n busybox true >/dev/null
        $ docker inspect -f '{{json .Config.Volumes}} {{json .HostnamePath}}{{json .HostsPath}}{{json .LogPath}}{{json .ResolvConfPath}} {{json .HostConfig.MemorySwappiness}}' $n
        null """""""" null
        $ docker start $n >/dev/null; docker inspect -f '{{.HostnamePath}} {{.HostsPath}} {{.LogPath}} {{.ResolvConfPath}}' $n
        /[..]/hostname /[..]/hosts /[..]-json.log /[..]/resolv.conf
        $ docker rm -f $n >/dev/null
        "#,
    ),
    case(
        "what is found out at a start is said as runc says it",
        r#"
        $ docker run --rm --sysctl net.ipv4.ip_forward=zz busybox true
        docker: Error response from daemon: [..]: error during container init: write /proc/sys/net/ipv4/ip_forward: invalid argument: unknown
        ...
        ? 125
        $ docker run --rm --hostname $(printf 'a%.0s' $(seq 80)) busybox true
        docker: Error response from daemon: [..]: error during container init: sethostname: invalid argument: unknown
        ...
        ? 125
        $ docker run --rm -w /etc/passwd busybox true
        docker: Error response from daemon: Cannot mkdir: /etc/passwd is not a directory
        ...
        ? 125
        $ docker run --rm --group-add zz busybox true
        docker: Error response from daemon: Unable to find group zz: no matching entries in group file
        ...
        ? 125
        $ docker run --rm --log-opt max-size=zz busybox true
        docker: Error response from daemon: [..]failed to initialize logging driver: invalid size: 'zz'
        ...
        ? 125
        $ docker volume create -o type=none -o o=bind -o device=$dir/none $n >/dev/null; docker run --rm -v $n:/x busybox true
        docker: Error response from daemon: error while mounting volume '/[..]/_data': failed to mount local volume: mount /[..]/none:/[..]/_data, flags: 0x1000: no such file or directory
        ...
        ? 127
        $ docker volume rm $n >/dev/null
        "#,
    ),
    case(
        "what an exec cannot be",
        r#"
        $ docker run -d --name $n busybox sleep 60 >/dev/null
        $ docker exec -u nope $n true
        unable to find user nope: no matching entries in passwd file
        ? 126
        $ docker exec -w /nope $n true 2>&1 | cat
        OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd ("/nope") set in config.json failed: no such file or directory: unknown
        $ docker exec -w nope $n true
        OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown
        ? 126
        $ docker rm -f $n >/dev/null
        "#,
    ),
    case(
        "mounts at one place",
        r#"
        $ docker run --rm --mount type=volume,src=$n,dst=/a --tmpfs /a busybox grep -c '^tmpfs /a ' /proc/mounts
        1
        $ docker run --rm -v $n:/a --tmpfs /a busybox true
        docker: Error response from daemon: Duplicate mount point: /a
        ...
        ? 125
        $ docker volume rm $n >/dev/null 2>&1; true
        "#,
    ),
];
