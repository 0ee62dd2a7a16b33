//! Two at once about the same images, again and again: nothing but what was done or a clean refusal, and a clean store.

use std::process::Output;
use std::thread;

use testkit::daemon::{Daemon, all};
use testkit::registry::Registry;

use super::kills::{ok, shell};

/// Debian's.
const PEER: u16 = 5055;
const ROUNDS: usize = 30;

/// Images that share their base, each with a layer of its own; `localhost:5055/race/app:1` is in another registry.
const MAKE: &str = r#"
set -eu
head -c 300000 /dev/urandom > f
printf 'FROM busybox\nCOPY f /f\n' > Dockerfile
docker build -q -t localhost:5055/race/app:1 . ; docker push -q localhost:5055/race/app:1; docker save -o app.tar localhost:5055/race/app:1
docker rmi localhost:5055/race/app:1; docker builder prune -af
"#;

/// What may be said by who comes second. Anything else is a fault.
const CLEAN: &[&str] = &[
    "No such image",
    "is using its referenced image",
    "image is being used by",
    "must be forced",
    "cannot be forced",
    "a prune operation is already running",
    "Unable to find image",
    "manifest unknown",
    "not found",
];

fn check(what: &str, round: usize, output: &Output) {
    let said = all(output);
    let clean = output.status.success() || CLEAN.iter().any(|word| said.contains(word));
    assert!(clean, "{what}, round {round}: {said}");
}

/// Runs both scripts at once, `ROUNDS` times, each time after `before`.
fn at_once(daemon: &Daemon, before: &str, one: &str, other: &str, after: &str) {
    for round in 0..ROUNDS {
        ok(daemon, before);
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| shell(daemon, one).output().unwrap());
            let second = shell(daemon, other).output().unwrap();
            (first.join().unwrap(), second)
        });
        check(one, round, &first);
        check(other, round, &second);
        ok(daemon, after);
    }
}

/// Whatever came of it: a pull brings the image as it is.
const AGAIN: &str = "docker pull -q localhost:5055/race/app:1 && \
    docker run --rm localhost:5055/race/app:1 sh -c 'wc -c < /f' | grep -x 300000";

#[test]
fn two_at_once_leave_a_clean_store() {
    let daemon = super::node();
    let _peer = Registry::start(&daemon.namespace, PEER);
    ok(&daemon, MAKE);
    let listed = "cd $data && ls content/blobs/* content/ingest content/uploads snapshots | sort";
    let before = ok(&daemon, listed);
    at_once(
        &daemon,
        "docker load -q -i app.tar",
        "docker run --rm localhost:5055/race/app:1 sh -c 'wc -c < /f' | grep -x 300000",
        "docker rmi localhost:5055/race/app:1",
        "docker image inspect localhost:5055/race/app:1 > /dev/null || docker load -q -i app.tar",
    );
    ok(&daemon, "docker rmi localhost:5055/race/app:1");
    at_once(
        &daemon,
        ":",
        "docker pull -q localhost:5055/race/app:1",
        "docker image prune -af",
        AGAIN,
    );
    ok(&daemon, "docker rmi localhost:5055/race/app:1");
    // The base may have gone with a prune, too.
    let left = ok(&daemon, listed);
    let new: Vec<&str> = left.lines().filter(|line| !before.contains(line)).collect();
    assert_eq!(new, Vec::<&str>::new());
    let collect = "curl --silent --fail -X POST http://localhost:5000/v2/_gantry/registry/collect";
    let copy = "skopeo --insecure-policy copy -q --src-tls-verify=false --dest-tls-verify=false \
        docker://localhost:5055/race/app:1 docker://localhost:5000/race/app:1";
    at_once(
        &daemon,
        ":",
        copy,
        &format!("for n in 1 2 3 4 5; do {collect}; done"),
        "docker run --rm localhost:5000/race/app:1 sh -c 'wc -c < /f' | grep -x 300000 && docker rmi localhost:5000/race/app:1",
    );
    ok(
        &daemon,
        r#"cd $data/content/blobs/sha256 && for blob in *; do echo "$blob  $blob"; done | sha256sum --check --quiet"#,
    );
}
