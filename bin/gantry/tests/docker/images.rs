//! images, tag, rmi, history, inspect, save, load.

use super::transcript::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "an older client sees the container that an image was made of",
        r#"
        $ DOCKER_API_VERSION=1.40 docker image inspect -f '[{{.Container}}] [{{.ContainerConfig.Hostname}}]' busybox
        [] []
        "#,
    ),
    case(
        "images",
        r#"
        $ docker images --format '{{.Repository}}:{{.Tag}}' busybox
        busybox:latest
        $ docker images -q no-such-$n
        $ docker images --format '{{.Repository}}' --filter reference='busy*'
        busybox
        $ docker images --digests --no-trunc --format '{{.ID}}' busybox | cut -c1-7
        sha256:
        $ docker images --filter nonsense=1
        Error response from daemon: [..]nvalid filter 'nonsense'
        ? 1
        "#,
    ),
    case(
        "tag and rmi",
        r#"
        $ docker tag busybox $n/repo:v1; docker tag busybox $n/repo
        $ docker images --format '{{.Repository}}:{{.Tag}}' $n/repo | sed "s/$n/N/" | sort
        N/repo:latest
        N/repo:v1
        $ docker rmi $n/repo:v1 | sed "s/$n/N/"
        Untagged: N/repo:v1
        $ docker rmi $n/repo | sed "s/$n/N/"
        Untagged: N/repo:latest
        $ docker rmi $n/repo 2>&1 | sed "s/$n/N/"
        Error[..]: No such image: N/repo:latest
        $ docker tag no-such-$n x 2>&1 | sed "s/$n/N/"
        Error response from daemon: No such image: no-such-N:latest
        $ docker tag busybox Upper:case
        Error parsing reference: "Upper:case" is not a valid repository/tag: invalid reference format: repository name [..]must be lowercase
        ? 1
        "#,
    )
    .not_dockerd("20.10 ends with another hint on upper case"),
    case(
        "an image in use is not removed",
        r#"
        $ tar -cC $dir . | docker import - $n >/dev/null; docker create --name $n $n x >/dev/null; docker rmi $n 2>&1 | sed "s/$n/N/; s/[0-9a-f]\{12\}/ID/g"
        Error response from daemon: conflict: unable to remove repository reference "N" (must force) - container ID is using its referenced image ID
        $ docker rm $n >/dev/null; docker rmi $n | head -1 | sed "s/$n/N/"
        Untagged: N:latest
        "#,
    ),
    case(
        "image inspect",
        r#"
        $ docker image inspect -f '{{.Os}}/{{.Architecture}} {{json .Config.Cmd}} {{len .RootFS.Layers}}' busybox
        linux/[..] ["sh"] 1
        $ docker image inspect no-such-$n 2>&1 | sed "s/$n/N/"
        []
        Error[..]o such image: no-such-N[..]
        $ test $(docker inspect -f '{{.Id}}' busybox) = $(docker inspect -f '{{.Id}}' $(docker images -q busybox))
        "#,
    ),
    case(
        "history",
        r#"
        $ docker history --no-trunc --format '{{.CreatedBy}} {{.Comment}}' busybox
        testkit
        "#,
    ),
    case(
        "save and load",
        r#"
        $ docker tag busybox $n:saved; docker save $n:saved busybox > $dir/tar; tar -tf $dir/tar | grep -cE '^(manifest.json|repositories)$'
        2
        $ docker rmi $n:saved >/dev/null; docker load -i $dir/tar | sed "s/$n/N/" | sort
        Loaded image: N:saved
        Loaded image: busybox:latest
        $ test $(docker images -q $n:saved) = $(docker images -q busybox)
        $ gzip -k $dir/tar; docker load -q < $dir/tar.gz | wc -l
        2
        $ docker save no-such-$n 2>&1 >/dev/null | sed "s/$n/N/"
        Error response from daemon: [..]o such image: no-such-N[..]
        $ docker rmi $n:saved >/dev/null
        "#,
    )
    .not_dockerd("20.10 says `reference does not exist`"),
    case(
        "a damaged archive is refused and leaves nothing",
        r#"
        $ docker images -aq | sort -u > $dir/before; docker save probe | head -c 100000 > $dir/tar; docker load -i $dir/tar >/dev/null 2>&1
        ? 1
        $ echo nonsense | docker load >/dev/null 2>&1
        ? 1
        "#,
    ),
];
