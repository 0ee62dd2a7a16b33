//! The daemon is killed while it builds.

use super::{node, sh};

#[test]
fn a_build_that_is_killed_at_any_moment_leaves_a_clean_store() {
    let daemon = node();
    let said = sh(
        &daemon,
        r#"
        mkdir c; cd c; echo 1 >f
        cat >Dockerfile <<'END'
FROM busybox AS a
RUN --mount=type=cache,target=/c echo 1 >/x && echo c >/c/c
COPY f /f
FROM busybox AS b
RUN head -c 4000000 /dev/zero >/big && echo 2 >/y
FROM busybox
COPY --from=a /x /f /
COPY --link --from=b /y /
RUN cat /x /y /f >/all
END
        before=$(docker images -aq | sort -u | wc -l)
        # A moment for each line that a build says, and whatever is under way then.
        for line in 1 2 3 4 6 8 9 11 13 15 17 19; do
            docker build --no-cache . 2>&1 | awk -v line=$line 'NR == line { system("kill -9 $(cat $run/gantry.pid)") }'
            until_ok "docker version"
        done
        docker build -q -t built . >/dev/null
        docker run --rm built cat /all
        docker rmi -f built >/dev/null
        docker builder prune -af >/dev/null; docker image prune -f >/dev/null
        echo images $(( $(docker images -aq | sort -u | wc -l) - before ))
        echo containers $(docker ps -aq | wc -l)
        ls ../data/build
        grep -c " $PWD/../data/build" /proc/self/mountinfo || :
        "#,
    );
    assert_eq!(
        said,
        "1\n2\n1\nimages 0\ncontainers 0\ncache\nfetched\nhistory\n0\n"
    );
}
