//! cp, diff, commit, export, import.

use super::transcript::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "cp in and out",
        r#"
        $ docker create --name $n busybox >/dev/null; echo words > $dir/f; mkdir -p $dir/d/e; echo deep > $dir/d/e/f
        $ docker cp -q $dir/f $n:/tmp/g; docker cp -q $n:/tmp/g - | tar -tvf - | awk '{print $1, $NF}'
        -rw-r--r-- g
        $ docker cp -q $dir/d $n:/tmp; docker cp -q $n:/tmp/d/e/f $dir/out; cat $dir/out
        deep
        $ docker cp -q $dir/d/. $n:/opt 2>&1; docker cp -q $n:/opt/e/. $dir/dots; cat $dir/dots/f
        deep
        $ docker cp -q $n:/no/such $dir/x 2>&1 | sed "s/$n/N/"
        Error response from daemon: Could not find the file /no/such in container N
        $ docker cp -q $n:/bin/sh $dir/sh; head -c 4 $dir/sh | tail -c 3
        ELF
        $ docker cp -q $dir/f $n:/etc/passwd/x 2>&1 | head -1
        [..]
        "#,
    )
    .not_dockerd("20.10 looks up a missing destination otherwise"),
    case(
        "cp of a running container sees its mounts",
        r#"
        $ docker run -d --name $n -v $n:/v --tmpfs /t busybox sh -c 'echo in-volume > /v/f; sleep 60' >/dev/null
        $ until docker exec $n test -s /v/f; do :; done; docker cp -q $n:/v/f - | tar -xOf -
        in-volume
        $ docker rm -f $n >/dev/null; docker volume rm $n >/dev/null
        "#,
    ),
    case(
        "diff",
        r#"
        $ docker run --name $n busybox sh -c 'echo x > /new; rm /etc/group; mkdir /home/d; echo y >> /etc/passwd'
        $ docker diff $n | sort
        A /home/d
        A /new
        C /etc
        C /etc/passwd
        C /home
        D /etc/group
        "#,
    ),
    case(
        "commit",
        r#"
        $ docker run --name $n busybox sh -c 'echo committed > /file'
        $ docker commit -a me -m why -c 'CMD ["cat","/file"]' -c 'ENV X=1' $n $n:tag | cut -c1-7
        sha256:
        $ docker run --rm $n:tag
        committed
        $ docker image inspect -f '{{.Author}} {{.Comment}} {{json .Config.Cmd}} {{len .RootFS.Layers}}' $n:tag
        me why ["cat","/file"] 2
        $ docker history --format '{{.Comment}}' $n:tag | head -1
        why
        $ docker rm $n >/dev/null; docker rmi $n:tag >/dev/null
        "#,
    ),
    case(
        "commit changes the container's configuration",
        r#"
        $ tar -cC $dir . | docker import -c 'ENV B=2' - $n:base >/dev/null; docker create --name $n -e A=1 $n:base x >/dev/null
        $ docker commit -c 'ENV C=3' $n $n:tag >/dev/null; docker image inspect -f '{{json .Comment}} {{json .Config.Env}}' $n:tag
        "" ["A=1","B=2","C=3"]
        $ docker commit -c 'ENV A=4' $n $n:tag >/dev/null; docker image inspect -f '{{json .Config.Env}} {{json .Config.Volumes}}' $n:tag
        ["A=4","B=2"] null
        $ docker commit -c 'zz x' $n
        Error response from daemon: zz is not a valid change command
        ? 1
        $ docker rm $n >/dev/null; docker rmi $n:tag $n:base >/dev/null
        "#,
    ),
    case(
        "cp from a container that has ended shows what its start wrote",
        r#"
        $ docker run --name $n --hostname box busybox true; docker cp $n:/etc/hostname - | tar -xO
        box
        $ docker cp $n:/etc - | tar -tv | grep -E 'etc/(hosts|hostname|resolv.conf)$' | cut -c1-10 | uniq -c
              3 -rw-r--r--
        $ docker rm $n >/dev/null
        "#,
    ),
    case(
        "export and import",
        r#"
        $ docker run --name $n busybox sh -c 'echo exported > /file'
        $ docker export $n > $dir/tar; tar -tf $dir/tar | grep -cE '^(file|bin/sh|etc/passwd)$'
        3
        $ docker import -c 'CMD ["cat","/file"]' -m imported $dir/tar $n:in | cut -c1-7
        sha256:
        $ docker run --rm $n:in
        exported
        $ cat $dir/tar | docker import - >/dev/null
        $ docker rm $n >/dev/null; docker rmi $n:in >/dev/null
        "#,
    ),
    case(
        "an upload that is refused is told why",
        r#"
        $ head -c 150000 /dev/zero > $dir/f; docker cp $dir/f no-such-$n:/x 2>&1 | sed "s/$n/N/"
        Error response from daemon: No such container: no-such-N
        $ head -c 3000000 /dev/zero | docker import -c 'ZZ x' - $n
        Error response from daemon: ZZ is not a valid change command
        ? 1
        $ echo FROM busybox > $dir/Dockerfile; build --security-opt zz $dir | tail -1
        Error response from daemon: security options are not supported on linux
        "#,
    )
    .not_dockerd("20.10 words security options otherwise"),
];
