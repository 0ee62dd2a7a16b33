//! version, info, events, and answers that are no container's.

use super::transcript::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "version",
        r#"
        $ docker version --format '{{.Server.Os}}/{{.Server.Arch}} {{.Server.MinAPIVersion}} {{.Server.APIVersion}}'
        linux/[..] 1.24 1.50
        "#,
    )
    .not_dockerd("an older engine has other versions"),
    case(
        "info",
        r#"
        $ docker info --format '{{.Driver}} {{.OSType}} {{.CgroupDriver}} {{.DefaultRuntime}} {{.LoggingDriver}}'
        overlay[..] linux cgroupfs [..] json-file
        $ test $(docker info --format '{{.NCPU}}') = $(nproc)
        $ docker info --format '{{.ServerErrors}}'
        []
        $ docker info >/dev/null
        "#,
    ),
    case(
        "events of a container's life",
        r#"
        $ docker run --name $n --label kind=$n busybox true; docker rm $n >/dev/null
        $ docker events --since 10m --until $(date +%s -d '+1 second') --filter container=$n --format '{{.Type}} {{.Action}}'
        container create
        container attach
        container start
        container die
        container destroy
        $ docker events --since 10m --until $(date +%s -d '+1 second') --filter label=kind=$n --filter event=die --format '{{.Actor.Attributes.exitCode}} {{.Actor.Attributes.image}}'
        0 busybox
        "#,
    )
    .not_dockerd("the order of attach and the rest varies with its version"),
    case(
        "events of volumes, networks and images",
        r#"
        $ docker volume create $n >/dev/null; docker volume rm $n >/dev/null; docker network create $n >/dev/null; docker network rm $n >/dev/null; docker tag busybox $n; docker rmi $n >/dev/null
        $ docker events --since 10m --until $(date +%s -d '+1 second') --filter type=volume --filter volume=$n --format '{{.Action}}'
        create
        destroy
        $ docker events --since 10m --until $(date +%s -d '+1 second') --filter type=network --filter network=$n --format '{{.Action}}'
        create
        destroy
        $ docker events --since 10m --until $(date +%s -d '+1 second') --filter type=image --filter image=$n --format '{{.Action}}'
        tag
        "#,
    ),
    case(
        "events of copies, commits and execs",
        r#"
        $ docker run -d --name $n busybox sleep 60 >/dev/null; docker exec $n true; docker cp $n:/etc/passwd - >/dev/null; docker cp -q $dir $n:/tmp; docker commit -m why $n $n:tag >/dev/null; docker rm -f $n >/dev/null
        $ docker events --since 10m --until $(date +%s -d '+1 second') --filter container=$n --filter event=archive-path --filter event=extract-to-dir --filter event=commit --filter event=exec_create --format '{{.Action}}|{{.Actor.Attributes.comment}}|{{.Actor.Attributes.imageRef}}' | sed "s/$n/N/"
        exec_create: true |<no value>|<no value>
        archive-path|<no value>|<no value>
        extract-to-dir|<no value>|<no value>
        commit|why|N:tag
        $ docker events --since 10m --until $(date +%s -d '+1 second') --filter type=image --filter image=$n:tag --format '{{.Action}}'
        tag
        $ docker rmi $n:tag >/dev/null
        "#,
    )
    .not_dockerd("20.10 says the event of a copy's check of its target too"),
    case(
        "old and new versions of the API",
        r#"
        $ DOCKER_API_VERSION=1.24 docker ps >/dev/null
        $ DOCKER_API_VERSION=1.12 docker ps
        Error response from daemon: client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version
        ? 1
        $ DOCKER_API_VERSION=9.99 docker ps
        Error response from daemon: client version 9.99 is too new. Maximum supported API version is [..]
        ? 1
        "#,
    )
    .not_dockerd("20.10 goes down to 1.12"),
];
