//! `docker build` as it is by default: BuildKit's protocol, with sid's docker, buildx and compose, against one node with a
//! registry beside it.

use testkit::clients::{client, docker_config};
use testkit::daemon::Daemon;
use testkit::registry::Registry;

use super::transcript::{Case, case, check};

const PORT: u16 = 5055;

#[test]
fn buildkit() {
    let daemon = Daemon::gantry_with(&[]);
    let _registry = Registry::start(&daemon.namespace, PORT);
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
    restart(&daemon);
    check(&daemon, LATER);
}

/// Ends the node and starts it again, upon what it left.
fn restart(daemon: &Daemon) {
    let ends = daemon.ok(&["info", "-f", "{{.ID}}"]);
    daemon.gantry_ok(&["down", "--timeout", "1s"]);
    daemon.gantry_ok(&["up", "-d"]);
    assert_eq!(daemon.ok(&["info", "-f", "{{.ID}}"]), ends);
}

/// After a restart of the daemon.
const LATER: &[Case] = &[case(
    "the history is still there, and nobody else prunes",
    r#"
        $ . $dir/../buildkit.sh; docker buildx prune -f --filter id=nothing | grep -o '0B'
        0B
        $ ref=$(cat $dir/../pinned); docker buildx history ls | grep -c "$ref"; docker buildx history logs $ref 2>&1 | grep -c 'seen later'
        1
        2
        $ docker buildx history rm $ref; docker buildx history ls | grep -c "$ref"
        0
        ? 1
        "#,
)];

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
        "what was built can be removed, and its steps are no images",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; printf "FROM busybox AS a\nLABEL k=$n\nRUN echo s > /s\nFROM busybox\nLABEL k=$n\nCOPY --from=a /s /s\n" > Dockerfile
        $ docker build -q -t $n . > $dir/id; own() { docker images -aq --no-trunc --filter label=k=$n; }
        $ own | cmp - $dir/id
        $ docker history -q $n | sed 's/^[^<].*/ID/'; docker inspect -f '[{{.Parent}}]' $n
        ID
        <missing>
        <missing>
        []
        $ docker rmi $n | sed "s/$n/NAME/; s/$(cat $dir/id)/ID/"
        Untagged: NAME:latest
        Deleted: ID
        $ docker inspect $(cat $dir/id) 2>&1 | tail -1 | sed "s/$(cat $dir/id)/ID/"
        Error: No such object: ID
        $ docker image prune -f --filter label=k=$n; own
        Total reclaimed space: 0B
        $ docker build -t $n . 2>&1 | grep -A1 '^#[0-9]* \[.*\(RUN\|COPY\)' | grep -c CACHED; docker rmi $n > /dev/null
        2
        $ printf "FROM busybox\nLABEL k=$n\nRUN echo t > /t\nRUN false\n" > Dockerfile; docker build . > /dev/null 2>&1
        ? 1
        $ own
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
        $ for from in localhost:5055/$n localhost:1/$n; do printf "FROM $from\n" | docker build -f - . 2>&1 | tail -1 | sed "s/$n/N/g"; done
        ERROR: failed to build: failed to solve: localhost:5055/N: failed to resolve source metadata for localhost:5055/N:latest: localhost:5055/N:latest: not found
        ERROR: failed to build: failed to solve: localhost:1/N: failed to resolve source metadata for localhost:1/N:latest: failed to do request: [..] dial tcp [..]:1: connect: connection refused
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
        $ docker rmi -f $n > /dev/null; docker ps -a --no-trunc --format '{{.Command}}' | grep -c '/bin/frontend\|exit 5'
        0
        ? 1
        "##,
    ),
    case(
        "what else a frontend of an image may ask for",
        r##"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; r=localhost:5055/$n; echo $n > f; printf '# syntax=frontend\nanything\n' > Dockerfile
        $ docker build -q -o out --build-arg NESTED=deep . > /dev/null; cat out/nested; echo
        deep
        $ docker build --no-cache --progress=rawjson --build-arg GROUP=together . 2>&1 | grep -c '"progressGroup":{"id":"group","name":"together"' | sed 's/^[4-9]$\|^[1-9][0-9]$/some/'
        some
        $ docker build --build-arg MEMORY=50003968 --build-arg RUN='cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2> /dev/null || true' . 2>&1 | sed -n 's/^#[0-9]* [0-9.]* \(50003968\)$/\1/p'
        50003968
        $ docker build --call=targets . 2> /dev/null; printf 'FROM frontend\nLABEL moby.buildkit.frontend.caps=\n' | docker build -q -t $n-lacks -f - . > /dev/null; printf '# syntax=%s-lacks\n' $n > L
        TARGET           DESCRIPTION
        theirs (default)
        $ docker build --call=targets -f L . 2>&1 | tail -1; docker build --call=outline . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: [..]unsupported frontend capability moby.buildkit.frontend.subrequests
        ERROR: failed to build: failed to solve: the frontend says: unsupported request frontend.outline
        $ docker build -q --build-arg RUN="echo $n > /made" --cache-to type=registry,ref=$r/max,mode=max --cache-to type=registry,ref=$r/min . > /dev/null
        $ hits() { docker buildx prune -af --filter description~=frontend > /dev/null; docker build --build-arg RUN="echo $n > /made" "$@" . 2>&1 | grep -A1 '^#[0-9]* .frontend. [cr]' | grep -c CACHED; }
        $ hits
        0
        ? 1
        $ hits --cache-from type=registry,ref=$r/max; hits --cache-from type=registry,ref=$r/min
        2
        2
        $ docker rmi -f $n-lacks > /dev/null
        "##,
    )
    .within(120),
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
        $ docker build -q -o type=oci,tar=false,dest=store . > /dev/null; ls store; printf 'FROM scratch\nCOPY --from=s a/f /s\n' | docker build -q --build-context s=oci-layout://./store -o s -f - . > /dev/null; cat s/s
        blobs
        index.json
        ingest
        oci-layout
        hi
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
        $ docker build -o type=oci,compression=lz4,dest=- . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: Unimplemented: layer compression type lz4 is not supported
        $ docker rmi -f $n $n:2 > /dev/null
        "#,
    ),
    case(
        "contexts that lie elsewhere",
        r#"
        $ . $dir/../buildkit.sh; mkdir -p $dir/c $dir/w/r/d; cd $dir/w; printf 'FROM scratch\nCOPY . /\n' > r/d/Dockerfile; echo deep > r/d/f; echo top > r/top; mkdir r/e; printf 'FROM scratch\nCOPY top /\n' > r/Dockerfile
        $ git() { command git -c user.name=n -c user.email=e -c init.defaultBranch=main -C r "$@"; }; git init -q; git add .; git commit -qm one; git tag v1; echo later > r/d/f; git commit -qam two
        $ tar -czf c.tar.gz -C r/d . ; printf 'FROM scratch\nADD http://127.0.0.1:8099/top /\n' > Dockerfile; cp r/top .
        $ $ns git daemon --export-all --reuseaddr --listen=127.0.0.1 --base-path=$PWD > /dev/null 2>&1 & daemon=$!
        $ $ns busybox httpd -f -p 127.0.0.1:8099 & web=$!; trap "kill $daemon $web" EXIT
        $ until $ns git ls-remote git://127.0.0.1/r/.git > /dev/null 2>&1; do :; done; until $ns busybox wget -q -O- http://127.0.0.1:8099/top > /dev/null 2>&1; do :; done; cd $dir/c; u=git://127.0.0.1/r/.git
        $ docker build -q -o a $u > /dev/null; cat a/top
        top
        $ docker build -q -o b $u#v1:d > /dev/null; ls -A b; cat b/f
        Dockerfile
        f
        deep
        $ docker build -q -o c --platform linux/amd64,linux/arm64 $u#main:d > /dev/null; cat c/linux_amd64/f c/linux_arm64/f
        later
        later
        $ docker build -q -o d http://127.0.0.1:8099/c.tar.gz > /dev/null; cat d/f
        later
        $ docker build -q -o e http://127.0.0.1:8099/Dockerfile > /dev/null; cat e/top
        top
        $ docker import http://127.0.0.1:8099/c.tar.gz $n:i | grep -v Importing | sed 's/sha256:.*/ID/'; printf 'FROM %s\n' $n:i | docker build -q -o i -f - . > /dev/null; cat i/f; docker image inspect -f '{{.Comment}}' $n:i; docker rmi $n:i > /dev/null
        Downloading from http://127.0.0.1:8099/c.tar.gz
        ID
        later
        Imported from http://127.0.0.1:8099/c.tar.gz
        $ docker import http://127.0.0.1:8099/none 2>&1 | grep -o 'failed to GET http://127.0.0.1:8099/none with status 404 Not Found'
        failed to GET http://127.0.0.1:8099/none with status 404 Not Found
        $ printf 'FROM scratch\nCOPY f /only\n' | docker build -q -o f -f - $u#v1:d > /dev/null; ls -A f
        only
        $ printf 'FROM scratch\nCOPY --from=g f /g\nCOPY --from=h top /h\n' | docker build -q -o g --build-context g=http://127.0.0.1:8099/c.tar.gz --build-context h=http://127.0.0.1:8099/top -f - . 2>&1 | grep -c 'not found'
        1
        $ printf 'FROM scratch\nCOPY --from=g d/f /g\nCOPY --from=h top /h\nCOPY --from=t c.tar.gz /\n' | docker build -q -o g --build-context g=$u --build-context h=http://127.0.0.1:8099/top --build-context t=http://127.0.0.1:8099/c.tar.gz -f - . > /dev/null; cat g/g g/h; tar -tf g/c.tar.gz | grep -c f
        later
        top
        2
        $ docker build --check $u#v1:d 2>&1 | tail -1; docker build --call=targets $u 2>/dev/null
        Check complete, no warnings found.
        TARGET    DESCRIPTION
        (default)
        $ docker build $u#none 2>&1 | tail -1; docker build http://127.0.0.1:8099/none 2>&1 | tail -1; docker build -f None $u 2>&1 | tail -1
        ERROR: failed to build: failed to solve: [..]none[..]
        ERROR: failed to build: failed to solve: failed to download remote context http://127.0.0.1:8099/none: [..]404[..]
        ERROR: failed to build: failed to solve: failed to read dockerfile: open None: no such file or directory
        "#,
    ),
    case(
        "a Dockerfile that is not in the context",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c $dir/d; cd $dir/c; echo ours > Dockerfile; echo no > .dockerignore; echo x > no; printf 'FROM scratch\nCOPY . /\n' > ../d/Dockerfile
        $ docker build -q -o a -f ../d/Dockerfile . > /dev/null; ls -A a; cat a/Dockerfile
        .dockerignore
        Dockerfile
        ours
        $ rm -r a Dockerfile .dockerignore; docker build -q -o ../a -f - . < ../d/Dockerfile > /dev/null; ls -A ../a
        no
        $ tar -c -C ../d . | docker build -q -o ../b - > /dev/null; ls -A ../b; tar -c -C ../d . | docker build --check - 2>&1 | tail -1
        Dockerfile
        Check complete, no warnings found.
        "#,
    ),
    case(
        "provenance",
        r#"
        $ . $dir/../buildkit.sh; unset BUILDX_NO_DEFAULT_ATTESTATIONS; mkdir $dir/c; cd $dir/c; r=localhost:5055/$n/app; echo hi > f; printf 'FROM busybox\nARG A\nCOPY f /\nRUN --mount=type=secret,id=s true\n' > Dockerfile; printf 'FROM scratch\nCOPY f /\n' > S
        $ said() { $ns docker buildx imagetools inspect --format "{{println ($2)}}" $1 | sed '/^$/d'; }; attested() { $ns docker buildx imagetools inspect --raw $1 | grep -c attestation-manifest; }
        $ docker build -q -t $n . > /dev/null; docker image inspect -f '{{len .RepoTags}}' $n; docker build -q -t $r:1 --push --build-arg A=x . > /dev/null; attested $r:1
        1
        1
        $ said $r:1 '.Provenance.SLSA.buildType'; said $r:1 '(index .Provenance.SLSA.materials 0).uri' | sed 's/%2F.*//'; said $r:1 '.Provenance.SLSA.invocation.configSource.entryPoint'; said $r:1 'json .Provenance.SLSA.invocation.parameters.args' | grep -c build-arg; true
        https://mobyproject.org/buildkit@v1
        pkg:docker/busybox@latest?platform=linux
        Dockerfile
        0
        $ said $r:1 '.Provenance.SLSA.metadata.completeness'; test "$(said $r:1 '(index .Provenance.SLSA.materials 0).digest.sha256')" = $(docker image inspect -f '{{.Id}}' busybox | sed 's/sha256://')
        map[environment:true materials:false parameters:false]
        $ docker build -q -t $r:2 --provenance=mode=max --build-arg A=x . > /dev/null; docker run --rm $r:2 cat /f; docker push -q $r:2 | sed "s/$n/N/"; attested $r:2; docker images -q $r | sort -u | wc -l
        hi
        localhost:5055/N/app:2
        1
        1
        $ said $r:2 'index .Provenance.SLSA.invocation.parameters.args "build-arg:A"'; said $r:2 '(index .Provenance.SLSA.invocation.parameters.secrets 0).id'; said $r:2 '.Provenance.SLSA.metadata.completeness'
        x
        s
        map[environment:true materials:false parameters:true]
        $ docker build -q -t $r:3 --attest type=provenance,version=v1,mode=min --push . > /dev/null; said $r:3 '.Provenance.SLSA.buildDefinition.buildType'
        https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md
        $ docker build -q -t $r:4 --provenance=false --push . > /dev/null; attested $r:4
        0
        ? 1
        $ docker rmi $r:2 > /dev/null; docker pull -q $r:2 > /dev/null; docker run --rm $r:2 cat /f; docker rmi -f $n $r:1 $r:2 $r:3 $r:4 > /dev/null
        hi
        $ docker build -q -o out -f S . > /dev/null; ls out; docker build -q -o out --provenance=true -f S . > /dev/null; ls out; grep -c '"name": "f"' out/provenance.json; docker build -q -o - --provenance=true -f S . | tar -t
        f
        f
        provenance.json
        1
        f
        provenance.json
        $ docker build -q -o type=oci,dest=o.tar -f S . > /dev/null; tar -tf o.tar | grep -c blobs/sha256/.; docker build -o type=docker,dest=d.tar --provenance=true -f S . 2>&1 | tail -1
        7
        ERROR: failed to build: docker exporter does not support exporting manifest lists, use the oci exporter instead
        $ docker build --provenance=mode=x -f S . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: invalid mode "x"
        "#,
    )
    .within(120),
    case(
        "bills of materials",
        r#"
        $ . $dir/../buildkit.sh; mkdir -p $dir/c/scan; cd $dir/c; r=localhost:5055/$n/app; echo $n > f; echo other > g; printf 'scan\n' > .dockerignore
        $ printf '#!/bin/sh\nset -e\ntest -w /tmp\nfor place in $BUILDKIT_SCAN_SOURCE ${BUILDKIT_SCAN_SOURCE_EXTRAS:+$BUILDKIT_SCAN_SOURCE_EXTRAS*}; do\nname=${place##*/}; files=$(cd $place && echo *)\nif touch $place/x 2> /dev/null; then exit 9; fi\nprintf "{\\"predicateType\\":\\"%%s\\",\\"predicate\\":{\\"name\\":\\"%%s\\",\\"files\\":\\"%%s\\"}}" ${BUILDKIT_SCAN_KIND:-https://spdx.dev/Document} $name "$files" > $BUILDKIT_SCAN_DESTINATION$name.spdx.json\ndone\n' > scan/scan; printf 'FROM busybox\nCOPY --chmod=755 scan /\nENTRYPOINT ["/scan"]\n' > scan/Dockerfile; docker build -q -t $n-scan scan > /dev/null
        $ printf 'FROM busybox AS tools\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nWORKDIR /tools\nFROM scratch\nARG BUILDKIT_SBOM_SCAN_CONTEXT=true\nCOPY --from=tools /bin/true /\nCOPY f /\n' > Dockerfile; printf 'FROM scratch\nCOPY f /\n' > S
        $ said() { $ns docker buildx imagetools inspect --format "{{json $2}}" $1 | tr -d ' \n'; echo; }
        $ docker build -t $r:1 --push --sbom=generator=$n-scan . 2>&1 | grep -o 'generating sbom using .*' | sed "s/$n/N/"; said $r:1 .SBOM.SPDX; said $r:1 '(len .SBOM.AdditionalSPDXs)'; said $r:1 '.SBOM.AdditionalSPDXs' | grep -o 'DockerfileSfg\|sbom-[a-z]*\|bin[a-z]*tools' | sed 's/bin.*/bin and tools/' | sort
        generating sbom using docker.io/library/N-scan:latest
        {"files":"ftrue","name":"sbom"}
        2
        DockerfileSfg
        bin and tools
        sbom-context
        sbom-tools
        $ docker build -q -t $r:2 --attest type=sbom,generator=$n-scan --provenance=true --push -f S . > /dev/null; said $r:2 .SBOM.SPDX.files; said $r:2 .Provenance.SLSA.buildType; $ns docker buildx imagetools inspect --raw $r:2 | grep -c attestation-manifest
        "f"
        "https://mobyproject.org/buildkit@v1"
        1
        $ said $r:2 .Provenance.SLSA.materials | grep -o "$n-scan"| sed "s/$n/N/"
        N-scan
        $ docker build -t $r:2 --attest type=sbom,generator=$n-scan -f S . 2>&1 | grep -A1 'generating sbom' | grep -c CACHED; docker build -q -t $n --sbom=generator=$n-scan -f S . > /dev/null; docker image inspect -f '{{len .RepoTags}}' $n
        1
        2
        $ docker build -q -o out --sbom=generator=$n-scan -f S . > /dev/null; ls out; grep -c '"name": "f"' out/sbom.spdx.json; docker build -q -o both --platform linux/amd64,linux/arm64 --sbom=generator=$n-scan -f S . > /dev/null; find both -type f | sort
        f
        sbom.spdx.json
        1
        both/linux_amd64/f
        both/linux_amd64/sbom.spdx.json
        both/linux_arm64/f
        both/linux_arm64/sbom.spdx.json
        $ docker build --attest type=sbom,generator=$n-scan,KIND=x -f S . 2>&1 | tail -1; printf 'FROM scratch\nCOPY f /\n' | docker build -q -t $n-none -f - . > /dev/null; docker build --sbom=generator=$n-none -f S . 2>&1 | tail -1 | sed "s/$n/N/"; docker build --sbom=generator=localhost:5055/$n/none -f S . 2>&1 | tail -1 | sed "s/$n/N/g"; docker build --sbom=true -f S . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: bundle entry x does not match required predicate type https://spdx.dev/Document
        ERROR: failed to build: failed to[..] scanner docker.io/library/N-none:latest does not have cmd
        ERROR: failed to build: failed to solve: localhost:5055/N/none:latest: failed to resolve source metadata for localhost:5055/N/none:latest: localhost:5055/N/none:latest: not found
        ERROR: failed to build: failed to solve: docker.io/docker/buildkit-syft-scanner:stable-1: failed to resolve source metadata for docker.io/docker/buildkit-syft-scanner:stable-1: [..]
        $ docker rmi -f $n $n-scan $n-none $r:1 $r:2 > /dev/null
        "#,
    )
    .within(120),
    case(
        "source policies",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; echo hi > f; printf 'FROM busybox\nCOPY f /\n' > Dockerfile; printf 'FROM scratch\nCOPY f /marked\n' | docker build -q -t $n-other -f - . > /dev/null
        $ ruled() { printf '{"version":1,"rules":[{"action":"%s","selector":{"identifier":"%s"}%s}]}' "$@" > p.json; EXPERIMENTAL_BUILDKIT_SOURCE_POLICY=p.json docker build -o out -f ${f:-Dockerfile} . 2>&1 | tail -1; }
        $ ruled DENY 'docker-image://*'; ruled DENY 'local://*'
        ERROR: failed to build: failed to solve: error evaluating the source policy: source "docker-image://docker.io/library/busybox:latest" denied by policy: source denied by policy
        ERROR: failed to build: failed to solve: error evaluating the source policy: source "local://dockerfile" denied by policy: source denied by policy
        $ ruled CONVERT 'docker-image://docker.io/library/busy*' ",\"updates\":{\"identifier\":\"docker-image://docker.io/library/$n-other\"}" > /dev/null; ls out
        f
        marked
        $ printf 'FROM scratch\nADD http://127.0.0.1:1/x /\n' > A; f=A; ruled DENY 'http://*'
        ERROR: failed to build: failed to solve: error evaluating the source policy: source "http://127.0.0.1:1/x" denied by policy: source denied by policy
        $ d=$(docker image inspect -f '{{.Id}}' busybox); printf "FROM $d\n" > I; docker tag busybox gantry.invalid/$n; printf "FROM gantry.invalid/$n\n" > G; for f in I G; do ruled DENY 'docker-image://*' | sed "s/$d/ID/; s/$n/N/"; done
        ERROR: failed to build: failed to solve: error evaluating the source policy: source "docker-image://docker.io/library/ID" denied by policy: source denied by policy
        ERROR: failed to build: failed to solve: error evaluating the source policy: source "docker-image://gantry.invalid/N:latest" denied by policy: source denied by policy
        $ printf '{"version":1,"rules":[{"action":"DENY","selector":{"identifier":"docker-image://localhost:5055/*"}}]}' > p.json; EXPERIMENTAL_BUILDKIT_SOURCE_POLICY=p.json docker build --cache-from localhost:5055/$n/cache . 2>&1 | grep -c 'ERROR: error evaluating the source policy: source "docker-image://localhost:5055/.*cache:latest" denied'
        1
        $ docker rmi -f $n-other gantry.invalid/$n > /dev/null
        "#,
    ),
    case(
        "containers of a debugger",
        r#"
        $ . $dir/../buildkit.sh; export BUILDX_EXPERIMENTAL=1; mkdir $dir/c; cd $dir/c; printf 'FROM busybox\nRUN echo made > /made\nENV A=b\nWORKDIR /w\n' > Dockerfile; printf 'FROM busybox\nWORKDIR /w\nENV A=c\nRUN test -e /here\n' > E
        $ typed() { mkfifo $dir/in; : > $dir/out; script -qec "docker buildx debug --on=$1 --invoke=/bin/sh build -f $2 ." /dev/null < $dir/in > $dir/out 2>&1 & exec 3> $dir/in; until grep -q '# ' $dir/out; do :; done; printf '%s\r' "$3" >&3; until grep -q "$4" $dir/out; do :; done; printf 'exit 4\r' >&3; until grep -q '(buildx)' $dir/out; do :; done; printf 'exit\r' >&3; exec 3>&-; wait $!; rm $dir/in; grep -o "$4\|exit code: 4" $dir/out | sort -u; }
        $ typed always Dockerfile 'cat /made; echo $((6*7))-$A-$(tty)' '42-b-/dev/pts/0'
        42-b-/dev/pts/0
        exit code: 4
        $ typed error E 'echo $((6*7))-$A-$(pwd)' '42-c-/'
        42-c-/
        exit code: 4
        $ docker ps -a --no-trunc --format '{{.Command}}' | grep -c '^"/bin/sh"$'
        0
        ? 1
        "#,
    ),
    case(
        "an index is pushed as a whole, later",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; r=localhost:5055/$n/app; echo $n > f; printf 'FROM scratch\nCOPY f /\nARG TARGETARCH\nLABEL p=$TARGETARCH\n' > Dockerfile
        $ docker build -q -t $r:1 --label n=$n --platform linux/amd64,linux/arm64 . > /dev/null; docker images -q --filter label=n=$n | wc -l; docker push -q $r:1 > /dev/null; $ns docker buildx imagetools inspect $r:1 | grep Platform
        1
          Platform:  linux/amd64
          Platform:  linux/arm64
        $ docker push $r:1 | grep -c 'Layer already exists'
        4
        $ docker rmi -f $r:1 > /dev/null
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
        $ pulled() { docker pull --platform "$2" $1 2>&1 | tail -2 | grep -o 'Downloaded newer\|up to date\|no matching.*'; docker image inspect -f '{{.Architecture}}' $1; }
        $ docker build -q -t localhost:5000/$n:2 --push --platform linux/amd64,linux/arm64 . > /dev/null; for r2 in $r:2 localhost:5000/$n:2; do for p in linux/arm64 linux/s390x "" ""; do pulled $r2 $p; done; docker rmi $r2 > /dev/null; done
        Downloaded newer
        arm64
        no matching manifest for linux/s390x in the manifest list entries
        arm64
        Downloaded newer
        amd64
        up to date
        amd64
        Downloaded newer
        arm64
        no matching manifest for linux/s390x in the manifest list entries
        arm64
        Downloaded newer
        amd64
        up to date
        amd64
        $ echo other > f; docker build -q -t $r:3 -o type=registry,compression=zstd . > /dev/null; $ns docker buildx imagetools inspect --raw $r:3 | grep -c tar+zstd
        1
        $ docker build -q -t $r:4 -o type=image,push=true,oci-mediatypes=false . > /dev/null; $ns docker buildx imagetools inspect --raw $r:4 | grep -c docker.distribution.manifest.v2
        1
        $ printf 'FROM --platform=$BUILDPLATFORM busybox AS b\nARG TARGETARCH\nRUN echo $TARGETARCH > /f\nFROM scratch\nCOPY --from=b /f /\n' | docker build -q --platform linux/arm64 -o x -f - . > /dev/null; cat x/f
        arm64
        $ docker rmi -f $r:1 $r:3 $r:4 > /dev/null
        "#,
    ),
    case(
        "an index is saved and loaded as a whole, and asked for by platform",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; echo $n > f; printf 'FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY f /f\n' > Dockerfile
        $ docker build -q --platform linux/amd64,linux/arm64 --provenance=mode=min -t $n . > /dev/null; docker save -o a.tar $n; mkdir a; tar xf a.tar -C a; i=$(grep -o 'sha256:[0-9a-f]*' a/index.json); grep -o '"architecture":"[a-z0-9]*"' a/blobs/sha256/${i#*:} | sort | uniq -c | sed 's/^ *//'
        1 "architecture":"amd64"
        1 "architecture":"arm64"
        2 "architecture":"unknown"
        $ docker image inspect -f '{{.Architecture}} {{.Config.Labels.arch}}' $n; docker image inspect --platform linux/arm64 -f '{{.Architecture}} {{.Config.Labels.arch}}' $n
        amd64 amd64
        arm64 arm64
        $ docker history --platform linux/arm64 --format '{{.CreatedBy}}' $n | grep LABEL
        LABEL arch=arm64
        $ docker image inspect --platform linux/s390x $n 2>&1 | tail -1 | sed "s/$n/N/g"
        Error response from daemon: image with reference N was found but its platform (linux/amd64) does not match the specified platform (linux/s390x)
        $ docker images --tree $n 2>/dev/null | grep -o 'linux/[a-z0-9]*' | sort
        linux/amd64
        linux/arm64
        $ docker rmi $n > /dev/null; docker load -i a.tar | sed "s/$n/N/"; docker save -o b.tar $n; cmp a.tar b.tar
        Loaded image: N:latest
        $ docker save --platform linux/arm64 -o arm.tar $n; docker rmi $n > /dev/null; docker load -q -i a.tar --platform linux/arm64 | sed "s/$n/N/"; docker image inspect -f '{{.Architecture}}' $n
        Loaded image: N:latest
        arm64
        $ docker rmi $n > /dev/null; docker load -i a.tar --platform linux/s390x 2>&1 | tail -1
        invalid archive: it has no image for linux/s390x
        $ skopeo inspect --raw docker-archive:arm.tar | grep -c manifest; skopeo --override-arch arm64 inspect -f '{{.Architecture}}' docker-archive:arm.tar
        1
        arm64
        $ skopeo copy -q --all oci:a:latest dir:whole; ls whole | grep -c manifest.json
        5
        $ docker load -q -i arm.tar > /dev/null; r=localhost:5055/$n; docker rmi $n > /dev/null; docker load -q -i a.tar > /dev/null; docker tag $n $r; docker build -q --platform linux/arm64,linux/s390x -t $r:foreign . > /dev/null; docker push -q $r:foreign > /dev/null; $ns docker buildx imagetools inspect --raw $r:foreign | grep -o '"architecture":"[a-z0-9]*"'
        "architecture":"arm64"
        "architecture":"s390x"
        $ docker push -q --platform linux/s390x $r:foreign > /dev/null; $ns docker buildx imagetools inspect --raw $r:foreign | grep -c manifests
        0
        ? 1
        $ docker rmi $n $r $r:foreign > /dev/null; docker images -q $r
        "#,
    )
    .within(120),
    case(
        "how results go out",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; r=localhost:5055/$n; echo hi > f; printf 'FROM busybox\nCOPY f /f\n' > Dockerfile
        $ out() { docker build -o "type=oci,dest=o.tar,$1" . > said 2>&1 || tail -1 said; rm -rf o; mkdir o; tar xf o.tar -C o; }
        $ m() { grep -l '"layers":' o/blobs/sha256/* | head -1; }
        $ size() { grep -o '"size":[0-9]*' $(m) | tail -1 | cut -d: -f2; }
        $ out compression=zstd,force-compression=true; grep -o 'tar+zstd\|tar+gzip\|v1.tar"' $(m)
        tar+zstd
        tar+zstd
        $ out compression=uncompressed,force-compression=true; grep -o 'tar+zstd\|tar+gzip\|v1.tar"' $(m)
        v1.tar"
        v1.tar"
        $ out compression=gzip,force-compression=true,compression-level=9; nine=$(size); out compression=gzip,force-compression=true,compression-level=0; test $nine -lt $(size)
        $ docker build -o type=oci,compression=gzip,compression-level=10,dest=- . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: gzip: invalid compression level: 10
        $ docker build -o type=image,name=x,compression=zstd,oci-mediatypes=false . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: exporter option "compression=zstd" conflicts with "oci-mediatypes=false"
        $ out compression=estargz,force-compression=true; grep -o 'stargz/toc.digest\|estargz.uncompressed-size\|tar+gzip' $(m) | sort | uniq -c | sed 's/^ *//'
        2 estargz.uncompressed-size
        2 stargz/toc.digest
        2 tar+gzip
        $ for l in o/blobs/sha256/*; do tail -c 51 $l | grep -ac STARGZ; done | sort | uniq -c | sed 's/^ *//'
        2 0
        2 1
        $ docker load -q -i o.tar | sed 's/.*: //' > id; docker run --rm $(cat id) cat /f; docker rmi $(cat id) > /dev/null
        hi
        $ docker build -q -o type=registry,name=$r:e,compression=estargz . > /dev/null; docker rmi $r:e > /dev/null 2>&1; docker pull -q $r:e > /dev/null; docker run --rm $r:e cat /f; docker rmi $r:e > /dev/null
        hi
        $ docker build -o type=image,name=x,compression=estargz,oci-mediatypes=false . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: exporter option "compression=estargz" conflicts with "oci-mediatypes=false"
        $ dates() { for l in o/blobs/sha256/*; do tar --full-time -tvf $l 2>/dev/null; done | awk '{print $4}' | sort -u; }
        $ SOURCE_DATE_EPOCH=1000 out compression=uncompressed,force-compression=true,rewrite-timestamp=true; dates
        1970-01-01
        $ a=$(sha256sum < o.tar); touch f; SOURCE_DATE_EPOCH=1000 out compression=uncompressed,force-compression=true,rewrite-timestamp=true; test "$a" = "$(sha256sum < o.tar)"
        $ SOURCE_DATE_EPOCH=1000 docker build -q -o type=image,name=$n:old,rewrite-timestamp=true . > /dev/null; docker image inspect -f '{{.Created}}' $n:old; docker run --rm $n:old stat -c %Y /f
        1970-01-01T00:16:40Z
        1000
        $ docker build -q -o type=image,name=$n:c,name-canonical=true,dangling-name-prefix=$n-d . > /dev/null; docker images --digests --format '{{.Repository}}' | grep -c "^$n"
        3
        $ docker build -q -o type=image,name=$n:no,store=false . > /dev/null; docker image inspect $n:no > /dev/null 2>&1
        ? 1
        $ docker build -q --provenance=mode=min -o type=registry,name=$r:art,oci-artifact=true . > /dev/null; d=$($ns docker buildx imagetools inspect --raw $r:art | grep -o '"digest":"[^"]*"' | sed -n 's/.*"\(sha256:.*\)"/\1/p' | tail -1); $ns docker buildx imagetools inspect --raw $r@$d | grep -o 'attestation.manifest.v1+json\|"subject"\|oci.empty' | sort -u | wc -l
        3
        $ $ns docker buildx imagetools inspect --format '{{json .Provenance}}' $r:art | grep -c SLSA
        1
        $ docker images -q "$n*" | sort -u | xargs docker rmi -f > /dev/null
        "#,
    )
    .within(120),
    case(
        "each platform has its own base, and what is here goes on being called so",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; r=localhost:5055/$n/base:1; o=localhost:5000/$n/base:1
        $ printf 'FROM --platform=$BUILDPLATFORM busybox AS b\nFROM scratch\nCOPY --from=b / /\nARG TARGETARCH\nENV PATH=/bin A=$TARGETARCH\n' | docker build -q --platform linux/amd64,linux/arm64 -t $r -t $o --push -f - . > /dev/null
        $ printf 'ARG B\nFROM --platform=$BUILDPLATFORM $B AS build\nARG TARGETARCH\nRUN echo $A makes for $TARGETARCH > /made\nFROM $B\nWORKDIR /w\nCOPY --from=build /made .\nLABEL for=$A\n' > Dockerfile
        $ for b in $r $o; do docker build -q --build-arg B=$b --platform linux/amd64,linux/arm64 -o out . > /dev/null; cat out/linux_*/w/made; docker image inspect -f '{{.Architecture}}' $b; rm -rf out; done
        amd64 makes for amd64
        amd64 makes for arm64
        amd64
        amd64 makes for amd64
        amd64 makes for arm64
        amd64
        $ docker build -q --build-arg B=$r --platform linux/amd64,linux/arm64 -o type=oci,dest=i.tar . > /dev/null; tar -xOf i.tar index.json | grep -o 'image.index' | uniq; tar -xOf i.tar --wildcards 'blobs/sha256/*' 2> /dev/null | grep -ao '"Labels":{"for":"[a-z0-9]*"}' | sort
        image.index
        "Labels":{"for":"amd64"}
        "Labels":{"for":"arm64"}
        $ for k in 0 1; do DOCKER_BUILDKIT=$k docker build -q --build-arg B=$r --platform linux/arm64 -t $n:$k . > /dev/null 2>&1; docker image inspect -f '{{.Architecture}} {{.Config.Labels}}' $n:$k; done
        arm64 map[for:arm64]
        arm64 map[for:arm64]
        $ docker build --build-arg B=$r --platform linux/s390x . 2>&1 | grep -o 'no match for platform.*' | tail -1
        no match for platform in manifest[..]
        "#,
    ),
    case(
        "a name that stands for several platforms is given on, and is what is built upon and run for each",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; r=localhost:5055/$n
        $ printf 'FROM --platform=$BUILDPLATFORM busybox AS b\nFROM scratch\nCOPY --from=b / /\nARG TARGETARCH\nENV PATH=/bin A=$TARGETARCH\n' | docker build -q --platform linux/amd64,linux/arm64 -t $n:base -f - . > id; docker image inspect -f '{{.Architecture}}' $(cat id)
        amd64
        $ for to in $r:1 localhost:5000/$n:1; do docker tag $n:base $to; docker push -q $to > /dev/null; $ns docker buildx imagetools inspect --raw $to | grep -o '"architecture":"a[a-z0-9]*"'; done
        "architecture":"amd64"
        "architecture":"arm64"
        "architecture":"amd64"
        "architecture":"arm64"
        $ docker create --platform linux/arm64 $n:base true > id; docker inspect -f '{{.Image}}' $(cat id) | xargs docker image inspect -f '{{.Architecture}}'; docker rm $(cat id) > /dev/null
        arm64
        $ printf 'FROM %s\nLABEL a=$A\n' $n:base > Dockerfile; for k in 0 1; do DOCKER_BUILDKIT=$k docker build -q --platform linux/arm64 -t $n:$k . > /dev/null 2>&1; docker image inspect -f '{{.Architecture}} {{.Config.Labels}}' $n:$k; done
        arm64 map[a:arm64]
        arm64 map[a:arm64]
        $ docker build -q --platform linux/amd64,linux/arm64 -t $r:p --push . > p; docker image inspect -f '{{.RepoDigests}}' $r:p | grep -c $(cat p); docker images $r | grep -c none
        1
        0
        ? 1
        $ docker image inspect -f '{{.Architecture}}' $n:base; docker rmi -f $n:0 $n:1 $n:base $r:1 $r:p localhost:5000/$n:1 > /dev/null
        amd64
        "#,
    ),
    case(
        "several platforms are loaded, one is removed alone, and what has no name goes by its digest",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; echo $n > f; printf 'FROM scratch\nARG TARGETARCH\nLABEL n=%s arch=$TARGETARCH\nCOPY f /f\n' $n > Dockerfile
        $ docker info | grep driver-type
          driver-type: io.containerd.snapshotter.v1
        $ docker buildx build -q --load --platform linux/amd64,linux/arm64 -t $n . > id; docker image inspect --platform linux/arm64 -f '{{.Architecture}}' $n; docker images -aq --filter label=n=$n | wc -l
        arm64
        1
        $ docker create --platform linux/arm64 $n x > c; docker ps -a --filter id=$(cat c) --format '{{.Image}}' | sed "s/$n/N/"; docker images -aq --filter label=n=$n | wc -l
        N
        1
        $ docker image prune -f --filter label=n=$n > /dev/null; docker rmi $n 2>&1 | grep -o 'unable to remove.*(must force)' | sed "s/$n/N/"; docker rm $(cat c) > /dev/null; docker image ls --tree $n | grep -o 'linux/[a-z0-9]*\|unknown'
        unable to remove repository reference "N" (must force)
        linux/amd64
        linux/arm64
        $ docker image rm --platform linux/amd64 $n 2>&1 | tail -1
        Error response from daemon: Content will be removed from all images referencing this variant. Use —-force to force delete.
        $ docker image rm --force --platform linux/s390x $n 2>&1 | tail -1 | sed "s/$n/N/"
        Error response from daemon: No such image: N (linux/s390x)
        $ docker image rm --force --platform linux/amd64 $n | grep -q Deleted; docker image inspect -f '{{.Architecture}}' $n; docker image inspect --platform linux/amd64 $n > /dev/null 2>&1 || docker images -aq --filter label=n=$n | wc -l
        arm64
        1
        $ docker image rm --force --platform linux/arm64 $n | grep Untagged | sed "s/$n/N/"; docker images -aq --filter label=n=$n
        Untagged: N:latest
        $ docker build -q --platform linux/amd64,linux/arm64 . > id; i=$(cat id); docker image inspect -f '{{.Architecture}} {{.RepoTags}} {{.RepoDigests}}' $i; docker image inspect --platform linux/arm64 -f '{{.Architecture}}' $i
        amd64 [] []
        arm64
        $ docker tag $i $n:2; docker image inspect --platform linux/arm64 -f '{{.Architecture}}' $n:2; docker rmi $n:2 > /dev/null; docker images -aq --filter label=n=$n; docker image inspect $i > /dev/null 2>&1
        arm64
        ? 1
        $ r=localhost:5055/$n; SOURCE_DATE_EPOCH=1000 docker build -q --platform linux/amd64,linux/arm64 -o type=registry,name=$r,store=false,rewrite-timestamp=true . > /dev/null
        $ docker pull -q $r > /dev/null; docker push -q $r > /dev/null; $ns docker buildx imagetools inspect --raw $r | grep -o '"architecture":"a[a-z0-9]*"'
        "architecture":"amd64"
        "architecture":"arm64"
        $ docker tag $r $r-o; docker push $r-o 2>&1 | grep -o 'Not all multiplatform-content is present'; $ns docker buildx imagetools inspect --raw $r-o | grep -c '"manifests"'; o=localhost:5000/$n:o; docker tag $r $o; docker push $o 2>&1 | grep -o 'Not all multiplatform-content is present'; $ns docker buildx imagetools inspect --raw $o | grep -c '"manifests"'; docker rmi $r $r-o $o > /dev/null
        Not all multiplatform-content is present
        0
        Not all multiplatform-content is present
        0
        $ for p in arm64 amd64; do docker pull -q --platform linux/$p $r > /dev/null; docker images -aq --filter label=n=$n | wc -l; done; docker rmi $r > /dev/null; docker images -aq --filter label=n=$n | xargs -r docker rmi > /dev/null
        1
        1
        $ docker build -q --provenance=true --platform linux/amd64,linux/arm64 -t $n:3 . > /dev/null; docker rm $(docker create --platform linux/arm64 $n:3 x) > /dev/null; docker image ls --tree $n:3 | grep -o 'linux/[a-z0-9]*\|unknown'; docker rmi $n:3 > /dev/null; docker images -aq --filter label=n=$n
        linux/amd64
        linux/arm64
        "#,
    ),
    case(
        "what is for another machine says so when it is run",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; echo 'of another machine' > prog; chmod 755 prog; printf 'FROM scratch\nCOPY prog /\nRUN ["/prog"]\n' > Dockerfile
        $ docker build --platform linux/arm64 . > log 2>&1; grep -o 'exec /prog: exec format error' log | uniq; tail -1 log
        exec /prog: exec format error
        ERROR: failed to build: failed to solve: process "/prog" did not complete successfully: exit code: 255
        $ DOCKER_BUILDKIT=0 docker build --platform linux/arm64 . 2>&1 | grep -o 'exec /prog: exec format error\|The command.*'
        exec /prog: exec format error
        The command '/prog' returned a non-zero code: 255
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
        $ docker build --no-cache . 2>&1 | grep -o '[0-9]* warnings found.*\| - MaintainerDep.*'
        2 warnings found (use docker --debug to expand):
        [..]- MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 7)
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
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; r=localhost:5055/$n; printf "FROM busybox AS a\nRUN echo $n > /x\nFROM busybox\nENV A=$n\nCOPY --from=a /x /$n\nRUN cat /$n\n" > Dockerfile
        $ docker build -q --cache-to type=registry,ref=$r/max,mode=max --cache-to type=local,dest=lc,mode=max -t $r/in --cache-to type=inline --push . > /dev/null; ls lc
        blobs
        index.json
        ingest
        oci-layout
        $ forget() { docker rmi -f $r/in $r/at > /dev/null 2>&1; docker buildx prune -af --filter description~=$n > /dev/null; }
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
        $ docker build -q --provenance=mode=min --cache-to type=inline -t $r/at --push . > /dev/null; hits --cache-from $r/at
        2
        $ docker build --cache-from $r/none . 2>&1 | grep -c 'ERROR importing\|ERROR: .*not found\|ERROR: '
        1
        $ docker build -q --cache-to type=local,dest=old,mode=max,image-manifest=false,oci-mediatypes=false,compression=zstd,force-compression=true . > /dev/null; grep -l 'manifest.list' old/blobs/sha256/* | wc -l
        1
        $ hits --cache-from type=local,src=old
        3
        $ docker build -q --cache-to type=registry,ref=$r/old,mode=max,image-manifest=false . > /dev/null; hits --cache-from type=registry,ref=$r/old
        3
        $ docker build -q --cache-to type=registry,ref=localhost:1/old,ignore-error=true . > /dev/null
        $ docker build --cache-to type=azblob,name=x . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: Unimplemented: unknown cache exporter: "azblob"
        "#,
    )
    .within(120),
    case(
        "cache mounts travel",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/c; cd $dir/c; r=localhost:5055/$n; m="--mount=type=cache,id=$n,target=/c --mount=type=cache,target=/$n"; printf "FROM busybox\nRUN $m echo of the first > /c/f; echo other > /$n/o\n" > Dockerfile; printf "FROM busybox\nRUN $m cat /c/f; ls /$n\n" > Look
        $ forget() { docker buildx prune -af --filter description~=$n > /dev/null; }
        $ ids() { grep -hao 'gantry.cache-mount.id":"[^"]*' $1/blobs/sha256/* | sed "s/.*\"//; s/$n/NAME/" | sort; }
        $ here() { docker buildx du --verbose | grep -c "cached mount.*$n"; }
        $ look() { forget; docker build -f Look "$@" . 2>&1 | sed -n "s/$n/NAME/; s/^#[0-9]* [0-9][0-9.]* //p" | sort; }
        $ docker build -q --cache-to type=registry,ref=$r/all,mounts=all --cache-to "type=local,dest=one,mode=max,mounts=$n;$n" . > /dev/null; docker build -q --cache-to type=local,dest=none . > /dev/null; ids one; ids none
        NAME
        $ look --cache-from type=registry,ref=$r/all
        cat: can't open '/c/f': No such file or directory
        $ look --cache-from type=registry,ref=$r/all,mounts=all
        cache mount /NAME begins as it was exported
        cache mount NAME begins as it was exported
        o
        of the first
        $ look --cache-from "type=local,src=one,mounts=other;$n"
        cache mount NAME begins as it was exported
        of the first
        $ forget; docker build --cache-from type=registry,ref=$r/all,mounts=all --cache-to type=local,dest=again,image-manifest=false,compression=zstd,mounts=all . 2>&1 | grep -A1 '^#[0-9]* .2/2. RUN' | grep -c ' CACHED'; here
        1
        0
        ? 1
        $ ids again
        /NAME
        NAME
        $ look --cache-from type=local,src=again,mounts=all | tail -1
        of the first
        $ docker build -q --cache-to type=registry,ref=localhost:5000/$n,mounts=all . > /dev/null; look --cache-from type=registry,ref=localhost:5000/$n,mounts=$n | tail -1
        of the first
        $ docker build --cache-to type=local,dest=x,mounts=nothing . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: mounts: no step of this build has a cache mount with the id nothing
        $ docker build --cache-to type=inline,mounts=all . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: [..]mounts=all: an image carries no cache mounts, so the cache exporter inline has none; registry and local do
        $ docker build --cache-from "type=registry,ref=$r/all,mounts=;" . 2>&1 | tail -1
        ERROR: failed to build: failed to solve: [..]mounts of a cache importer is all, or ids of cache mounts with ; or | between them
        $ forget
        "#,
    )
    .within(120),
    case(
        "the history and the cache are told of",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/$n; cd $dir/$n; printf 'FROM busybox\nRUN echo seen\n' > Dockerfile; docker build -q --no-cache --metadata-file m . > /dev/null; ref=$(sed -n 's/.*build.ref": "\(.*\)",/\1/p' m)
        $ docker buildx history ls | grep -c "${ref##*/}"
        1
        $ own() { docker buildx history ls --filter ref=${ref##*/} "$@" | grep -c "${ref##*/}"; }; own --filter status=completed; own --filter 'startedAt>1h' --filter 'duration<1h'; own --filter status=error; docker buildx history ls --filter startedAt\>x 2>&1 | tail -1
        1
        1
        0
        ERROR: invalid time x
        $ docker buildx history inspect ${ref##*/} 2>/dev/null | grep -c 'Build Steps'
        1
        $ docker buildx history logs ${ref##*/} 2>&1 | grep -c seen
        2
        $ docker buildx history inspect attachment ${ref##*/} --type provenance | grep -c 'buildType'
        1
        $ docker buildx history inspect attachment ${ref##*/} --type application/vnd.oci.image.config.v1+json | grep -c '"rootfs"'
        1
        $ docker buildx history export -o x ${ref##*/} 2> /dev/null; gzip -dc x | tar t | grep -c blobs/sha256/.
        6
        $ docker buildx history rm ${ref##*/}; docker buildx history ls | grep -c "${ref##*/}"
        0
        ? 1
        $ printf 'FROM busybox\nRUN echo seen later\n' > Dockerfile; docker build -q --no-cache --metadata-file m . > /dev/null; sed -n 's/.*build.ref": ".*\/\(.*\)",/\1/p' m > $dir/../pinned; test -s $dir/../pinned
        $ docker buildx inspect | grep 'Driver\|Status'
        Driver:[..]docker
        Status:[..]running
        $ docker buildx du --filter type=nothing | wc -l
        1
        "#,
    ),
    case(
        "Ctrl-C ends a build",
        r#"
        $ . $dir/../buildkit.sh; mkdir $dir/$n; cd $dir/$n; printf 'FROM busybox\nRUN echo begun; sleep 1000\n' > Dockerfile; mkfifo p
        $ docker build --no-cache --progress=plain . > p 2>&1 & pid=$!; grep -m1 '[0-9] begun' < p > /dev/null; kill -INT $pid; wait $pid || echo it ends
        it ends
        $ docker buildx history ls | grep -c "$n"; while docker buildx history ls | grep "$n" | grep -q Running; do :; done
        1
        "#,
    ),
];
