//! Volumes and mounts.

use super::transcript::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "volume create, ls, inspect, rm",
        r#"
        $ docker volume create --label a=b $n | sed "s/$n/N/"
        N
        $ docker volume create $n >/dev/null
        $ docker volume inspect -f '{{.Driver}} {{.Scope}} {{json .Labels}}' $n
        local local {"a":"b"}
        $ docker volume ls -q --filter name=$n | sed "s/$n/N/"
        N
        $ docker volume rm $n | sed "s/$n/N/"
        N
        $ docker volume rm $n 2>&1 | sed "s/$n/N/g"
        Error response from daemon: get N: no such volume
        $ docker volume inspect $n 2>&1 | sed "s/$n/N/g"
        []
        Error response from daemon: get N: no such volume
        $ docker volume create 'bad name'
        Error response from daemon: create bad name: "bad name" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path
        ? 1
        "#,
    )
    .not_dockerd("20.10 words a missing volume otherwise"),
    case(
        "a volume keeps what is written",
        r#"
        $ docker run --rm -v $n:/data busybox sh -c 'echo kept > /data/file'
        $ docker run --rm -v $n:/data:ro busybox cat /data/file
        kept
        $ docker run --rm -v $n:/data:ro busybox sh -c 'echo x > /data/file'
        sh: can't create /data/file: Read-only file system
        ? 1
        $ docker create --name $n -v $n:/data busybox >/dev/null; docker volume rm $n 2>&1 | sed "s/$n/N/; s/[0-9a-f]\{64\}/ID/"
        Error response from daemon: remove N: volume is in use - [ID]
        $ docker rm $n >/dev/null; docker volume rm $n >/dev/null
        "#,
    ),
    case(
        "a new volume begins with the image's files",
        r#"
        $ docker run --rm -v $n:/etc busybox cat /etc/passwd | head -1
        root:x:0:0:root:/root:/bin/sh
        $ docker run --rm -v $n-2:/etc:nocopy busybox ls /etc
        ...
        $ docker volume rm $n $n-2 >/dev/null
        "#,
    ),
    case(
        "bind mounts",
        r#"
        $ mkdir $dir/b; echo host > $dir/b/f
        $ docker run --rm -v $dir/b:/b busybox sh -c 'cat /b/f; echo container > /b/f'
        host
        $ cat $dir/b/f
        container
        $ docker run --rm -v $dir/b/f:/file:ro busybox cat /file
        container
        $ docker run --rm -v $dir/made:/m busybox true; test -d $dir/made
        $ docker run --rm --mount type=bind,src=$dir/nope,dst=/x busybox true 2>&1 | head -1 | sed "s#$dir#DIR#"
        docker: Error response from daemon: invalid mount config for type "bind": bind source path does not exist: DIR/nope[..]
        "#,
    ),
    case(
        "--mount",
        r#"
        $ docker run --rm --mount type=volume,src=$n,dst=/v,readonly busybox sh -c 'grep " /v " /proc/mounts | grep -c ro,'
        1
        $ docker run --rm --mount type=tmpfs,dst=/t,tmpfs-size=1m busybox sh -c 'df -k /t | tail -1 | awk "{print \$2}"'
        1024
        $ docker volume rm $n >/dev/null
        "#,
    ),
    case(
        "--volumes-from",
        r#"
        $ docker create --name $n -v $n:/one -v /two busybox >/dev/null
        $ docker run --rm --volumes-from $n busybox sh -c 'grep -cE " /(one|two) " /proc/mounts'
        2
        $ docker run --rm --volumes-from $n:ro busybox touch /one/x
        touch: /one/x: Read-only file system
        ? 1
        $ docker rm -v $n >/dev/null; docker volume rm $n >/dev/null
        "#,
    ),
    case(
        "mounts as inspect shows them",
        r#"
        $ docker create --name $n -v $n:/v -v /etc:/e:ro --tmpfs /t busybox >/dev/null
        $ docker inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}}{{println}}{{end}}' $n | sort | grep .
        bind /e false
        volume /v true
        $ docker inspect -f '{{range .HostConfig.Binds}}{{println .}}{{end}}{{json .HostConfig.Tmpfs}}' $n | sed "s/$n/N/g" | LC_ALL=C sort
        /etc:/e:ro
        N:/v
        {"/t":""}
        $ docker rm $n >/dev/null; docker volume rm $n >/dev/null
        "#,
    ),
    case(
        "what no mount can be",
        r#"
        $ docker run --rm -v relative/path:/x busybox true 2>&1 | head -1
        docker: Error response from daemon: create relative/path: "relative/path" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path[..]
        $ docker run --rm -v /a:/x -v /b:/x busybox true 2>&1 | head -1
        docker: Error response from daemon: Duplicate mount point: /x[..]
        $ docker run --rm -v /a:/ busybox true 2>&1 | head -1
        docker: Error response from daemon: invalid volume specification: '/a:/': invalid mount config for type "bind": invalid specification: destination can't be '/'[..]
        "#,
    ),
    case(
        "what a mount says is heeded or refused",
        r#"
        $ docker run --rm --mount type=volume,dst=/x,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=1m busybox df -k /x | tail -1 | awk '{print $2}'
        1024
        $ docker create --mount type=volume,dst=/x,volume-driver=no-such busybox 2>&1 | tail -1 | grep -c '^sha256\|^[0-9a-f]*$'
        0
        ? 1
        $ docker run --rm -v /tmp:/x:nocopy busybox true 2>&1 | head -1
        docker: Error response from daemon: invalid volume specification: '/tmp:/x:nocopy': invalid mount config for type "bind": field VolumeOptions must not be specified
        $ docker run --rm -v $n:/x:shared busybox true 2>&1 | head -1 | sed "s/$n/N/"
        docker: Error response from daemon: invalid volume specification: 'N:/x:shared': invalid mount config for type "volume": field BindOptions must not be specified
        "#,
    ),
];
