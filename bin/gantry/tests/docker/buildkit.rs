//! `docker build` as it is by default: BuildKit's protocol, with sid's docker, buildx and compose, against one node with a
//! registry beside it.

use std::sync::Arc;

use testkit::clients::{client, docker_config};
use testkit::daemon::{Daemon, Kind, Namespace};
use testkit::registry::Registry;

use super::transcript::{Case, case, check};

const PORT: u16 = 5055;

#[test]
fn buildkit() {
    let namespace = Arc::new(Namespace::new());
    let _registry = Registry::start(&namespace, PORT);
    let daemon = Daemon::start_in(Kind::Gantry, namespace);
    daemon.load_images();
    docker_config(&daemon.directory.join("config"));
    let bin = client("docker");
    let bin = bin.parent().unwrap().display();
    let prelude = format!(
        "export PATH={bin}:$PATH BUILDX_NO_DEFAULT_ATTESTATIONS=1 BUILDKIT_PROGRESS=plain\nunset DOCKER_BUILDKIT\n"
    );
    std::fs::write(daemon.directory.join("buildkit.sh"), prelude).unwrap();
    let frontend = daemon.directory.join("frontend.tar");
    std::fs::write(&frontend, testkit::image::frontend()).unwrap();
    daemon.ok(&["load", "--input", &frontend.to_string_lossy()]);
    check(&daemon, CASES);
}

/// `.` reads what makes the client's plugins found; `steps` are a build's steps with how they ended, `last` what it says at the end.
const CASES: &[Case] = &[
    case(
        "steps and the cache",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; echo hi > f; printf 'FROM busybox AS a\nRUN echo x > /x\nFROM busybox\nARG V=1\nWORKDIR /w\nCOPY f g$V\nCOPY --from=a /x /x\nRUN cat g1 /x\n' > Dockerfile
        $ steps() { sed -n 's/^#[0-9]* //p' | grep '^\[\|^CACHED\|^DONE\|^expor' | sed 's/^DONE.*/DONE/'; }
        $ docker build --no-cache -t $n . 2>&1 | steps | sed 's/^.* FROM/FROM/' | head -20 | sort | uniq
        CACHED
        DONE
        FROM docker.io/library/busybox:latest
        [a 2/2] RUN echo x > /x
        [internal] load .dockerignore
        [internal] load build context
        [internal] load build definition from Dockerfile
        [internal] load metadata for docker.io/library/busybox:latest
        [stage-1 2/5] WORKDIR /w
        [stage-1 3/5] COPY f g1
        [stage-1 4/5] COPY --from=a /x /x
        [stage-1 5/5] RUN cat g1 /x
        $ docker build -t $n . 2>&1 | grep -c CACHED
        6
        $ docker build --no-cache-filter a . > $dir/log 2>&1
        $ ended() { v=$(sed -n "s/^#\([0-9]*\) .*$1.*/\1/p" $dir/log | head -1); sed -n "s/^#$v \(CACHED\|DONE\).*/\1/p" $dir/log; }
        $ ended 'a 2.2.'; ended WORKDIR
        DONE
        CACHED
        $ docker run --rm $n cat g1
        hi
        $ docker rmi -f $n > /dev/null
        "#,
    ),
    case(
        "a failing step, with its lines and its code",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; printf 'FROM busybox\nRUN echo out; exit 7\n' > Dockerfile
        $ docker build . 2>&1 | sed -n '/^------/,$p' | sed 's/^[0-9.]* out/out/'
        ------
         > [2/2] RUN echo out; exit 7:
        out
        ------
        Dockerfile:2
        --------------------
           1 |     FROM busybox
           2 | >>> RUN echo out; exit 7
           3 |
        --------------------
        ERROR: failed to build: failed to solve: process "/bin/sh -c echo out; exit 7" did not complete successfully: exit code: 7
        $ docker build . > /dev/null 2>&1
        ? 1
        $ printf 'FROM busybox\nNOPE x\n' | docker build -f - . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: dockerfile parse error on line 2: unknown instruction: NOPE[..]
        $ printf 'FROM busybox\nCOPY no /\n' | docker build -f - . 2>&1 | tail -7
        Dockerfile:2
        --------------------
           1 |     FROM busybox
           2 | >>> COPY no /
           3 |
        --------------------
        ERROR: failed to build: failed to solve: failed to compute cache key: [..]"/no": not found
        $ docker build --target nope . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: target stage "nope" could not be found
        "#,
    ),
    case(
        "only what is named is sent",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; head -c 3000000 /dev/zero > big; mkdir s; echo deep > s/d; ln -s s/d link
        $ printf 'FROM busybox\nCOPY s link /t/\nRUN cat /t/d /t/link; ls /t\n' > Dockerfile
        $ docker build --no-cache --progress=plain . 2>&1 | sed -n 's/^#[0-9]* [0-9.]* \(deep\|d\|link\)$/\1/p; /transferring context: .*MB/p'
        deep
        deep
        d
        link
        $ printf 'FROM busybox\nCOPY . /t/\nRUN ls /t\n' | docker build --no-cache -f - . 2>&1 | grep -c 'transferring context: 3.0.MB'
        1
        "#,
    ),
    case(
        "a frontend of an image",
        r##"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; echo hi > f; printf '# syntax=frontend\nanything\n' > Dockerfile
        $ docker build -t $n --build-arg 'RUN=echo said; echo x > /made' . > $dir/log 2>&1; grep -c 'the frontend speaks' $dir/log; sed -n 's/^#[0-9]* [0-9.]* \(said\)$/\1/p; s/^#[0-9]* \(.frontend. [cr].*\)/\1/p' $dir/log | sort -u
        1
        [frontend] copy it
        [frontend] run it
        said
        $ docker run --rm $n; docker run --rm $n cat /made; docker image inspect -f '{{index .Config.Labels "by"}} {{index .Config.Env 1}}' $n
        hi
        x
        frontend READ=hi
        $ docker build --build-arg 'RUN=echo said; echo x > /made' . 2>&1 | grep -c '^#[0-9]* CACHED'
        4
        $ docker build --build-arg RUN='exit 5' . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: the frontend says: process "/bin/sh -c exit 5" did not complete successfully: exit code: 5
        $ docker build --build-arg EXIT=1 . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: process "/bin/frontend" did not complete successfully: exit code: 3
        $ docker build -q -o out . > /dev/null; cat out/copied/f
        hi
        $ printf '# syntax=docker/dockerfile:1\nFROM scratch\nCOPY f /g\n' | docker build -q -o own -f - . > /dev/null; cat own/g
        hi
        $ docker rmi -f $n > /dev/null; docker ps -aq
        "##,
    ),
    case(
        "files and archives of a result",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; echo hi > f; printf 'FROM scratch\nCOPY f /a/\n' > Dockerfile
        $ docker build -q -o out . > /dev/null; cat out/a/f
        hi
        $ docker build -q -o - . | tar -t
        a/
        a/f
        $ docker build -q -o type=oci,dest=o.tar . > /dev/null; tar -tf o.tar | grep -c blobs/sha256/.
        3
        $ docker build -q -o type=docker,dest=d.tar,name=$n . > /dev/null; docker load -i d.tar | sed "s/$n/N/"
        Loaded image: N:latest
        $ docker build -q -o out -o type=tar,dest=t.tar --platform linux/amd64,linux/arm64 . > /dev/null; find out -type f | sort; tar -tf t.tar
        out/a/f
        out/linux_amd64/a/f
        out/linux_arm64/a/f
        linux_amd64/
        linux_amd64/a/
        linux_amd64/a/f
        linux_arm64/
        linux_arm64/a/
        linux_arm64/a/f
        $ docker build -q -o type=oci,dest=l.tar -t x . > /dev/null; mkdir lay; tar -xf l.tar -C lay; printf 'FROM scratch\nCOPY --from=lay a/f /g\n' | docker build -q --build-context lay=oci-layout://./lay -o l -f - . > /dev/null; cat l/g
        hi
        $ tar -c . | docker build -q -t $n:2 - > /dev/null; docker image inspect -f '{{len .RootFS.Layers}}' $n:2
        1
        $ docker build -o type=cacheonly . 2>&1 | grep -c exporting
        0
        ? 1
        $ docker build -o type=oci,compression=estargz,dest=- . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: Unimplemented: layer compression type estargz is not supported
        $ docker rmi -f $n $n:2 > /dev/null
        "#,
    ),
    case(
        "images go to a registry, for several platforms and with notes",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; r=localhost:5055/$n/app; echo hi > f; printf 'FROM scratch\nCOPY f /\n' > Dockerfile
        $ docker build -q -t $r:1 --push --annotation k=v . > /dev/null; $ns docker buildx imagetools inspect --raw $r:1 | grep -o '"annotations":{[^}]*}'
        "annotations":{"k":"v"}
        $ docker build -q -t $r:2 --push --platform linux/amd64,linux/arm64 --annotation index:i=x . > /dev/null; $ns docker buildx imagetools inspect $r:2 | grep Platform
          Platform:  linux/amd64
          Platform:  linux/arm64
        $ docker build -q -t $r:3 -o type=registry,compression=zstd . > /dev/null; $ns docker buildx imagetools inspect --raw $r:3 | grep -c tar+zstd
        1
        $ docker build -q -t $r:4 -o type=image,push=true,oci-mediatypes=false . > /dev/null; $ns docker buildx imagetools inspect --raw $r:4 | grep -c docker.distribution.manifest.v2
        1
        $ printf 'FROM busybox\nRUN true\n' | docker build --platform linux/s390x -f - . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: Unimplemented: building for platform "linux/s390x" is not supported on linux/[..]
        $ printf 'FROM --platform=$BUILDPLATFORM busybox AS b\nARG TARGETARCH\nRUN echo $TARGETARCH > /f\nFROM scratch\nCOPY --from=b /f /\n' | docker build -q --platform linux/arm64 -o x -f - . > /dev/null; cat x/f
        arm64
        $ docker rmi -f $r:1 $r:2 $r:3 $r:4 > /dev/null
        "#,
    ),
    case(
        "what a build is told in files",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; printf 'FROM busybox\nLABEL a=1\n' > Dockerfile
        $ docker build -q -t $n --label b=2 --iidfile i --metadata-file m . > id; test $(cat id) = $(cat i); test $(cat i) = $(docker image inspect -f '{{.Id}}' $n)
        $ docker image inspect -f '{{json .Config.Labels}}' $n
        {"a":"1","b":"2"}
        $ grep -o '"\(buildx.build.ref\|containerimage[a-z.]*\|image.name\)"' m | sort
        "buildx.build.ref"
        "containerimage.config.digest"
        "containerimage.descriptor"
        "containerimage.digest"
        "image.name"
        $ docker rmi -f $n > /dev/null
        "#,
    ),
    case(
        "contexts, secrets, agents, limits, networks",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c $dir/o; cd $dir/c; echo other > ../o/o
        $ printf 'FROM base\nCOPY --from=ctx o /o\nCOPY --from=img /bin/busybox /b\nRUN --mount=type=secret,id=s cat /o /run/secrets/s; ulimit -n; grep h1 /etc/hosts; df -k /dev/shm | tail -1\n' > Dockerfile
        $ SEC=hidden docker build --no-cache --build-context ctx=../o --build-context base=docker-image://busybox --build-context img=docker-image://busybox --secret id=s,env=SEC --ulimit nofile=100:200 --shm-size 10m --add-host h1:1.2.3.4 --cgroup-parent /gantry-$n . 2>&1 | sed -n 's/^#[0-9]* [0-9]*[.][0-9]* //p'
        other
        hidden100
        1.2.3.4[..]h1
        shm[..]10240[..]
        $ rmdir /sys/fs/cgroup/gantry-$n /sys/fs/cgroup/*/gantry-$n 2> /dev/null || true
        $ eval $(ssh-agent) > /dev/null; ssh-keygen -q -t ed25519 -N '' -C $n -f key; ssh-add -q key; printf 'FROM busybox\nRUN --mount=type=ssh test -S $SSH_AUTH_SOCK\nRUN --mount=type=ssh,id=none,required=true true\n' > Dockerfile; docker build --no-cache --ssh default . 2>&1 | tail -1; kill $SSH_AGENT_PID
        ERROR: failed to build: failed to solve: no SSH key "none" forwarded from the client
        $ printf 'FROM busybox\nRUN ls /sys/class/net\n' > Dockerfile; docker build --no-cache --network none . 2>&1 | sed -n 's/^#[0-9]* [0-9]*[.][0-9]* //p'
        lo
        $ printf 'FROM busybox\nRUN --security=insecure true\n' > Dockerfile; docker build . 2>&1 | tail -1; docker build -q --allow security.insecure . > /dev/null
        ERROR: failed to build: failed to solve: entitlement security.insecure is not allowed
        "#,
    ),
    case(
        "questions about a Dockerfile",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; printf '# b makes\nFROM busybox AS b\n# V is it\nARG V=1\nRUN --mount=type=secret,id=s true\nFROM b AS Last\nMAINTAINER me\n' > Dockerfile
        $ docker build --call=targets . 2>/dev/null
        TARGET         DESCRIPTION
        b              makes
        last (default)
        $ docker build --call=outline . 2>/dev/null | sed '/^$/d'
        TARGET: last
        BUILD ARG   VALUE   DESCRIPTION
        V           1       is it
        SECRET   REQUIRED
        s
        $ docker build --call=subrequests.describe . 2>/dev/null | wc -l
        4
        $ docker build --check . 2>/dev/null | head -3
        Check complete, 2 warnings have been found!

        WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/
        $ docker build --check . > /dev/null 2>&1
        ? 1
        $ docker build --call=lint,format=json . 2>/dev/null | grep -c ruleName
        2
        $ docker build --no-cache . 2>&1 | grep 'warnings found\|MaintainerDep'
        #1 WARN: MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 7)
        [..]2 warnings found (use docker --debug to expand):
        [..] - MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 7)
        "#,
    ),
    case(
        "bake and compose",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; echo hi > f; printf 'FROM busybox\nCOPY f /\nCMD cat /f\n' > Dockerfile
        $ printf '%s' '{"group":{"default":{"targets":["x","y"]}},"target":{"base":{"dockerfile-inline":"FROM busybox\nRUN echo base > /b"},"x":{"contexts":{"base":"target:base"},"dockerfile-inline":"FROM base\nRUN cat /b"},"y":{"tags":["'$n'"]}}}' > docker-bake.json
        $ docker buildx bake > said 2>&1; echo $?; docker run --rm $n
        0
        hi
        $ printf "name: $n\nservices:\n  a:\n    build: .\n    image: $n:a\n  b:\n    build: {context: ., dockerfile_inline: 'FROM busybox'}\n    image: $n:b\n    command: echo b\n" > compose.yml; docker compose build > said 2>&1; echo $?
        0
        $ docker compose up --build 2>/dev/null | grep '^[ab]-1' | sort
        a-1  | hi
        b-1  | b
        $ docker compose down > /dev/null 2>&1; docker rmi -f $n $n:a $n:b > /dev/null
        "#,
    )
    .within(120),
    case(
        "caches that travel",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; r=localhost:5055/$n; printf "FROM busybox AS a\nRUN echo $n > /x\nFROM busybox\nENV A=$n\nCOPY --from=a /x /x\nRUN cat /x\n" > Dockerfile
        $ docker build -q --cache-to type=registry,ref=$r/max,mode=max --cache-to type=local,dest=lc,mode=max -t $r/in --cache-to type=inline --push . > /dev/null; ls lc
        blobs
        index.json
        ingest
        oci-layout
        $ forget() { docker rmi -f $r/in > /dev/null 2>&1; for i in $(docker buildx du --verbose | awk '/^ID:/ {id=$2} /^Description:.*'$n'|^Description:.*cat .x/ {print id}'); do docker buildx prune -af --filter id=$i > /dev/null; done; }
        $ hits() { forget; docker build "$@" . 2>&1 | grep -A1 '^#[0-9]* \[.*\(RUN\|COPY\)' | grep -c CACHED; }
        $ hits
        0
        ? 1
        $ hits --cache-from type=registry,ref=$r/max
        3
        $ hits --cache-from type=local,src=lc
        3
        $ hits --cache-from $r/in
        2
        $ docker build --cache-from $r/none . 2>&1 | grep -c 'ERROR importing\|ERROR: .*not found\|ERROR: '
        1
        $ docker build --cache-to type=azblob,name=x . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: Unimplemented: unknown cache exporter: "azblob"
        "#,
    )
    .within(120),
    case(
        "the history and the cache are told of",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/$n; cd $dir/$n; printf 'FROM busybox\nRUN echo seen\n' > Dockerfile; docker build -q --no-cache --metadata-file m . > /dev/null; ref=$(sed -n 's/.*build.ref": "\(.*\)",/\1/p' m)
        $ docker buildx history ls | grep -c "${ref##*/}"
        1
        $ docker buildx history inspect ${ref##*/} 2>/dev/null | grep -c 'Build Steps'
        1
        $ docker buildx history logs ${ref##*/} 2>&1 | grep -c seen
        2
        $ docker buildx history rm ${ref##*/}; docker buildx history ls | grep -c "${ref##*/}"
        0
        ? 1
        $ docker buildx inspect | grep 'Driver\|Status'
        Driver:[..]docker
        Status:[..]running
        $ docker buildx du --filter type=nothing | wc -l
        1
        $ docker buildx prune -f --filter id=nothing | grep -o '0B'
        0B
        "#,
    ),
    case(
        "Ctrl-C ends a build",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; printf 'FROM busybox\nRUN echo begun; sleep 1000\n' > Dockerfile; mkfifo p
        $ docker build --no-cache --progress=plain . > p 2>&1 & pid=$!; grep -m1 '[0-9] begun' < p > /dev/null; kill -INT $pid; wait $pid || echo it ends
        it ends
        $ docker buildx history ls | grep -c Running
        0
        ? 1
        "#,
    ),
];
