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
    $ of() { printf 'FROM busybox\nRUN echo 123 > /a\nRUN echo %s > /b\n' $1 | build -q -t $n:df - >/dev/null; }
    $ cache() { docker system df -v --format '{{range .BuildCache}}{{println .CacheType .Size .Shared .InUse}}{{end}}' | sort; }
    $ of 4567; docker system df --format '{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}' | tail -1; cache
    Build Cache 2 0 0B 0B
    regular 4B true false
    regular 5B true false
    $ docker system df -v --format '{{range .Images}}{{println .Repository .Containers .UniqueSize}}{{end}}' | sed -n "s/$n/N/p"
    N 0 9B
    $ of 89; cache
    regular 3B true false
    regular 4B true false
    regular 5B false false
    $ docker system df --format '{{.Size}} {{.Reclaimable}}' | tail -1
    5B 5B
    $ prune() { docker builder prune -f "$@" 2>&1 | tail -1; }
    $ prune --filter until=1h; prune --filter id=xyz; prune --filter type=exec.cachemount
    Total reclaimed space: 0B
    Total reclaimed space: 0B
    Total reclaimed space: 0B
    $ prune --filter mutable=true; prune --filter until=1h --filter until=2h
    Error response from daemon: invalid filter 'mutable'
    Error response from daemon: filters expect only one value
    $ prune --keep-storage 6b; prune; cache
    Total reclaimed space: 0B
    Total reclaimed space: 5B
    regular 3B true false
    regular 4B true false
    $ prune -a; cache; docker run --rm $n:df cat /b
    Total reclaimed space: 0B
    89
    $ docker rmi $n:df >/dev/null
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
