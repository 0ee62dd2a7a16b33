//! prune and df: they look at everything, so these cases follow one another on a daemon of their own.

use super::transcript::{Case, case};

pub const CASES: &[Case] = &[case(
    "prune and df",
    r#"
    $ docker create --name $n busybox >/dev/null; docker run -d --name $n-runs busybox sleep 100 >/dev/null; docker volume create $n >/dev/null; docker network create $n >/dev/null
    $ docker system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'
    Images 2 1
    Containers 2 1
    Local Volumes 1 0
    Build Cache 0 0
    $ docker container prune -f | head -1
    Deleted Containers:
    $ docker ps -a --format '{{.Names}}' | sed "s/$n/N/"
    N-runs
    $ docker network prune -f | sed "s/$n/N/"
    Deleted Networks:
    N

    $ docker volume prune -af | sed "s/$n/N/" | head -2
    Deleted Volumes:
    N
    $ docker image prune -f
    Total reclaimed space: 0B
    $ docker image prune -af | grep -c probe
    1
    $ docker images --format '{{.Repository}}'
    busybox
    $ docker rm -f $n-runs >/dev/null; docker system prune -af | tail -1
    Total reclaimed space: [..]B
    $ docker images -aq
    "#,
)
.not_dockerd("20.10 has no filter that `volume prune --all` sends")];
