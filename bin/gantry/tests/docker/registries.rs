//! pull, push, login: against Debian's docker-registry, by Gantry and by dockerd.

use std::sync::Arc;

use testkit::daemon::{Daemon, Kind, Namespace};
use testkit::registry::Registry;

use super::transcript::{Case, case, check};

/// Ports of the registry that lets everybody in, and of the one that lets users in.
const OPEN: u16 = 5055;
const CLOSED: u16 = 5056;

pub fn registries(kind: Kind) {
    let namespace = Arc::new(Namespace::new());
    let _open = Registry::start(&namespace, OPEN);
    let _closed = Registry::with_users(&namespace, CLOSED);
    let daemon = Daemon::start_in(kind, namespace);
    daemon.load_images();
    check(&daemon, CASES);
}

/// `r` is the open registry with a name of the case's own, `c` the closed one.
const CASES: &[Case] = &[
    case(
        "an image goes to a registry and comes back",
        r#"
        $ r=localhost:5055/$n/app; docker tag busybox $r:1; docker push $r:1 | sed "s/$n/N/; s/[0-9a-f]\{64\}/DIGEST/; s/^[0-9a-f]\{12\}/LAYER/; s/size: .*/size/"
        The push refers to repository [localhost:5055/N/app]
        LAYER: Preparing
        LAYER: Pushed
        1: digest: sha256:DIGEST size
        $ docker push $r:1 | grep -c 'Layer already exists'
        1
        $ digests() { docker image inspect -f '{{range .RepoDigests}}{{println .}}{{end}}' $r:1 | grep $n; }; digests | wc -l
        1
        $ digest=$(digests); id=$(docker image inspect -f '{{.Id}}' $r:1)
        $ docker rmi $r:1 | sed "s/$n/N/; s/[0-9a-f]\{64\}/DIGEST/"
        Untagged: localhost:5055/N/app:1
        Untagged: localhost:5055/N/app@sha256:DIGEST
        $ docker pull $r:1 | grep -v '^[0-9a-f]\{12\}: ' | sed "s/$n/N/; s/[0-9a-f]\{64\}/DIGEST/"
        1: Pulling from N/app
        Digest: sha256:DIGEST
        Status: Downloaded newer image for localhost:5055/N/app:1
        localhost:5055/N/app:1
        $ docker pull $r:1 | tail -2 | sed "s/$n/N/"
        Status: Image is up to date for localhost:5055/N/app:1
        localhost:5055/N/app:1
        $ test $id = $(docker image inspect -f '{{.Id}}' $r:1)
        $ test $digest = $(digests)
        $ docker rmi $r:1 > /dev/null; docker pull -q $digest | sed "s/$n/N/; s/[0-9a-f]\{64\}/DIGEST/"
        localhost:5055/N/app@sha256:DIGEST
        $ docker run --rm $digest echo it runs
        it runs
        "#,
    ),
    case(
        "layers come and go by their names",
        r#"
        $ r=localhost:5055/$n/own; echo $n > $dir/f; tar -cC $dir f | docker import -c 'CMD ["x"]' - $r > /dev/null; docker push -q $r | sed "s/$n/N/"
        localhost:5055/N/own:latest
        $ docker rmi $r > /dev/null; docker pull $r | sed "s/$n/N/; s/[0-9a-f]\{64\}/DIGEST/; s/^[0-9a-f]\{12\}/LAYER/" | grep -v Verifying
        Using default tag: latest
        latest: Pulling from N/own
        LAYER: Pulling fs layer
        LAYER: Download complete
        LAYER: Pull complete
        Digest: sha256:DIGEST
        Status: Downloaded newer image for localhost:5055/N/own:latest
        localhost:5055/N/own:latest
        $ docker tag $r localhost:5055/$n/other; docker push localhost:5055/$n/other | grep -o 'Mounted from .*' | sed "s/$n/N/"
        Mounted from N/own
        "#,
    ),
    case(
        "what is not there",
        r#"
        $ docker pull localhost:5055/$n/none 2>&1 | sed "s/$n/N/g"
        Using default tag: latest
        Error response from daemon: manifest for localhost:5055/N/none:latest not found: manifest unknown: manifest unknown
        $ docker pull localhost:1/$n 2>&1 | sed "s/$n/N/g"
        Using default tag: latest
        Error response from daemon: Get "http[..]://localhost:1/v2/[..]connection refused
        $ docker push localhost:5055/$n/none 2>&1 | sed "s/$n/N/g"
        Using default tag: latest
        The push refers to repository [localhost:5055/N/none]
        An image does not exist locally with the tag: localhost:5055/N/none
        $ docker run --rm localhost:5055/$n/none 2>&1 | sed "s/$n/N/g"
        Unable to find image 'localhost:5055/N/none:latest' locally
        docker: Error response from daemon: manifest for localhost:5055/N/none:latest not found: manifest unknown: manifest unknown[..]
        ...
        $ docker pull --platform linux/riscv64 $n 2>&1 >/dev/null | grep -c Error
        1
        "#,
    ),
    case(
        "a tag that moves is pulled anew, and a run can insist on it",
        r#"
        $ r=localhost:5055/$n/moves; docker tag busybox $r; docker push -q $r > /dev/null; docker tag probe $r; docker push -q $r > /dev/null; docker tag busybox $r
        $ docker run --rm --pull always $r version 2>&1 | grep -c 'Downloaded newer image'
        1
        $ test $(docker image inspect -f '{{.Id}}' $r) = $(docker image inspect -f '{{.Id}}' probe)
        $ docker tag busybox $r:2; docker push -q -a $r | sed "s/$n/N/"; docker rmi $r $r:2 > /dev/null; docker pull -a $r | grep -c '^[[:alnum:]]*: Pulling from'
        localhost:5055/N/moves
        2
        "#,
    ),
    case(
        "a registry that lets users in",
        r#"
        $ c=localhost:5056/$n/app; docker tag busybox $c; docker push $c 2>&1 | tail -1
        no basic auth credentials
        $ docker --config $dir login -u user -p wrong localhost:5056 2>&1 | grep -c '401\|unauthorized'
        1
        $ docker --config $dir login -u user -p secret localhost:5056 2>/dev/null
        Login Succeeded
        $ docker --config $dir push -q $c | sed "s/$n/N/"
        localhost:5056/N/app:latest
        $ docker pull $c 2>&1 | tail -1 | sed "s/$n/N/"
        Error response from daemon: [..] "http[..]://localhost:5056/v2/N/app/manifests/latest": no basic auth credentials
        $ docker --config $dir pull -q $c | sed "s/$n/N/"
        localhost:5056/N/app:latest
        "#,
    ),
    case(
        "a registry is asked about an image",
        r#"
        $ r=localhost:5055/$n/asked; docker tag busybox $r; docker push -q $r > /dev/null
        $ curl -s --unix-socket ${DOCKER_HOST#unix://} http://d/v1.41/distribution/$r/json | grep -o '"os":"linux"\|"mediaType":"[^"]*"' | sort
        "mediaType":"application/vnd.docker.distribution.manifest.v2+json"
        "os":"linux"
        $ curl -s --unix-socket ${DOCKER_HOST#unix://} http://d/v1.41/distribution/$r:none/json | grep -c '"message"'
        1
        "#,
    ),
];
