//! `docker build` through the classic endpoint.

use super::transcript::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "the instructions",
        r#"
        $ mkdir $dir/c; cd $dir/c; echo copied > f; mkdir sub; echo deep > sub/g
        $ cat > Dockerfile <<'END'
        > FROM busybox
        > ARG WHO=nobody
        > ENV A=1 B="two words"
        > LABEL kind=test
        > WORKDIR /w
        > COPY f sub/g ./
        > ADD sub /added
        > RUN echo "$A $B $WHO" > ran && cat f g > both
        > RUN ["sh", "-c", "echo exec >> ran"]
        > USER www
        > EXPOSE 80/tcp
        > VOLUME /data
        > STOPSIGNAL USR1
        > HEALTHCHECK --interval=5s CMD true
        > SHELL ["/bin/sh", "-e", "-c"]
        > ONBUILD RUN true
        > MAINTAINER me
        > ENTRYPOINT ["cat"]
        > CMD ["ran", "both", "/added/g"]
        > END
        $ build -q --build-arg WHO=somebody -t $n . | cut -c1-7
        sha256:
        $ docker run --rm $n
        1 two words somebody
        exec
        copied
        deep
        deep
        $ docker image inspect -f '{{.Config.User}} {{.Config.WorkingDir}} {{json .Config.ExposedPorts}} {{json .Config.Volumes}} {{.Config.StopSignal}} {{json .Config.Labels}} {{.Author}} {{json .Config.OnBuild}}' $n
        www /w {"80/tcp":{}} {"/data":{}} USR1 {"kind":"test"} me ["RUN true"]
        $ docker rmi -f $n >/dev/null
        "#,
    ),
    case(
        "stages, --target, scratch",
        r#"
        $ mkdir $dir/c; cd $dir/c
        $ cat > Dockerfile <<'END'
        > FROM busybox AS build
        > RUN echo made > /made
        > FROM scratch AS last
        > COPY --from=build /made /made
        > COPY --from=probe /bin/probe /probe
        > ENTRYPOINT ["/probe", "cat", "/made"]
        > FROM last
        > ENTRYPOINT ["/probe", "echo", "final"]
        > END
        $ build -q --target last -t $n:last . >/dev/null; docker run --rm $n:last
        made
        $ build -q -t $n . >/dev/null; docker run --rm $n
        final
        $ build -q --target nowhere . | tail -1
        [..]failed to reach build target nowhere in Dockerfile
        $ docker rmi -f $n $n:last >/dev/null
        "#,
    ),
    case(
        ".dockerignore and -f",
        r#"
        $ mkdir $dir/c; cd $dir/c; touch a b keep.log x.log; printf '*.log\n!keep.log\nb\n' > .dockerignore
        $ printf 'FROM busybox\nCOPY . /c/\nRUN ls /c > /list\n' > Other
        $ build -q -f Other -t $n . >/dev/null; docker run --rm $n cat /list
        Other
        a
        keep.log
        $ printf 'FROM busybox\nCOPY b /\n' | build -q -f - . 2>&1 | tail -1 | cut -c1-4
        COPY
        $ docker rmi -f $n >/dev/null
        "#,
    ),
    case(
        "the cache",
        r#"
        $ mkdir $dir/c; cd $dir/c; echo 1 > f; printf 'FROM busybox\nRUN head -c 8 /dev/urandom | md5sum > /r\nCOPY f /\nRUN head -c 8 /dev/urandom | md5sum > /s\n' > Dockerfile
        $ build -q -t $n:1 . >/dev/null; build -q -t $n:2 . >/dev/null; test $(docker images -q $n:1) = $(docker images -q $n:2)
        $ build -t $n:2 . | grep -c 'Using cache'
        3
        $ echo 2 > f; build -q -t $n:3 . >/dev/null; test "$(docker run --rm $n:1 cat /r)" = "$(docker run --rm $n:3 cat /r)"
        $ test "$(docker run --rm $n:1 cat /s)" = "$(docker run --rm $n:3 cat /s)"
        ? 1
        $ build -q --no-cache -t $n:4 . >/dev/null; test "$(docker run --rm $n:1 cat /r)" = "$(docker run --rm $n:4 cat /r)"
        ? 1
        $ docker rmi -f $n:1 $n:2 $n:3 $n:4 >/dev/null
        "#,
    ),
    case(
        "the cache of an image that was loaded",
        r#"
        $ mkdir $dir/c; cd $dir/c; echo 1 > f; printf "FROM busybox\nENV A=$n\nRUN cat /proc/sys/kernel/random/uuid > /r\nCOPY f /\n" > Dockerfile; build -q -t $n . > id; docker save -o i.tar $n; docker rmi $n > /dev/null; docker load -q -i i.tar > /dev/null
        $ build -t $n:again . | grep -c 'Using cache'
        0
        ? 1
        $ build -t $n:other --cache-from $n . | grep -c 'Using cache'; docker inspect -f '{{.Id}}' $n:other | cmp - id
        3
        $ echo 'RUN true' >> Dockerfile; build -t $n:more --cache-from $n . | grep -c 'Using cache'
        3
        $ sed -i "s/^RUN cat/RUN echo; cat/" Dockerfile; build -t $n:less --cache-from $n . | grep -c 'Using cache'
        1
        $ docker rmi -f $n $n:again $n:other $n:more $n:less > /dev/null
        "#,
    ),
    case(
        "what a build says",
        r#"
        $ mkdir $dir/c; cd $dir/c; printf 'FROM busybox\nRUN echo seen\n' > Dockerfile; build -t $n . | sed "s/[0-9a-f]\{12\}/ID/g; s/$n/N/"
        ...
        Step 1/2 : FROM busybox
         ---> ID
        Step 2/2 : RUN echo seen
         ---> Running in ID
        seen
        ...
         ---> ID
        Successfully built ID
        Successfully tagged N:latest
        $ docker rmi -f $n >/dev/null
        "#,
    ),
    case(
        "a failing step",
        r#"
        $ mkdir $dir/c; cd $dir/c; printf 'FROM busybox\nRUN exit 9\n' > Dockerfile; build -q . 2>&1 | tail -1
        The command '/bin/sh -c exit 9' returned a non-zero code: 9
        $ printf 'FROM busybox\nCOPY nope /\n' > Dockerfile; build -q . 2>&1 | tail -1
        COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist
        "#,
    ),
    case(
        "containers of steps",
        r#"
        $ mkdir $dir/c; cd $dir/c; file() { printf "FROM busybox\nLABEL k=$n\nRUN $1\n" > Dockerfile; }; file 'echo ran > /f'
        $ mine() { docker ps -aq --no-trunc --filter label=k=$n --filter status=exited; }; away() { docker rm $(docker ps -aq --filter label=k=$n) > /dev/null; }
        $ build -q --rm=false -t $n . > /dev/null; docker inspect -f '{{json .Config.Cmd}} {{.State.ExitCode}} {{.HostConfig.LogConfig.Type}}' $(mine)
        ["/bin/sh","-c","echo ran > /f"] 0 none
        $ docker diff $(mine); docker commit $(mine) $n:made > /dev/null; docker run --rm $n:made cat /f; docker start -a $(mine)
        A /f
        ran
        $ docker run --rm $n cat /f; away; mine
        ran
        $ build -q --no-cache -t $n . > /dev/null; mine
        $ file 'echo seen; exit 3'; build -q . > /dev/null 2>&1
        ? 3
        $ docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $(mine); away
        exited 3
        $ build -q --force-rm . > /dev/null 2>&1
        ? 3
        $ mine
        $ docker rmi -f $n $n:made > /dev/null
        "#,
    ),
    case(
        "broken Dockerfiles",
        r#"
        $ mkdir $dir/c; cd $dir/c; printf 'FROM busybox\nNOPE x\n' > Dockerfile; build -q .
        ...
        Error response from daemon: dockerfile parse error [..]line 2: unknown instruction: NOPE[..]
        ? 1
        $ : > Dockerfile; build -q .
        ...
        Error response from daemon: [..]Dockerfile[..]cannot be empty[..]
        ? 1
        $ printf 'RUN true\n' > Dockerfile; build -q .
        ...
        Error response from daemon: [..]o build stage in current context
        ? 1
        $ build -q -f nope . 2>&1 | tail -1
        unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat [..]/nope: no such file or directory
        "#,
    ),
    case(
        "a context from standard input",
        r#"
        $ mkdir $dir/c; cd $dir/c; printf 'FROM busybox\nCOPY f /\n' > Dockerfile; echo piped > f; tar -c . | build -q -t $n - >/dev/null; docker run --rm $n cat /f
        piped
        $ printf 'FROM busybox\nRUN echo x > /only\n' | build -q -t $n - >/dev/null; docker run --rm $n cat /only
        x
        $ docker rmi -f $n >/dev/null
        "#,
    ),
];
