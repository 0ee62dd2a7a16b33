//! The pull-through cache with clients of today: what was fetched once is served when the other registry is gone.

use testkit::daemon::{Daemon, Kind};
use testkit::registry::Registry;

use super::kills::ok;

/// Debian's.
const PEER: u16 = 5055;

/// An image that nobody here has, and an index of two.
const PUSH: &str = r#"
set -eu
for size in 10 3000000 40000; do head -c $size /dev/urandom > f$size; done
printf 'FROM busybox\nCOPY f10 /\nCOPY f3000000 /\nCOPY f40000 /\n' > Dockerfile
docker build -q -t localhost:5055/up/app:1 . ; docker push -q localhost:5055/up/app:1
docker rmi localhost:5055/up/app:1; docker builder prune -af
"#;

/// Each of the clients pulls into places of its own, `$1`.
const CLIENTS: &[(&str, &str)] = &[
    (
        "skopeo",
        "skopeo --insecure-policy copy -q --src-tls-verify=false docker://localhost:5000/up/app:1 oci:$1:x; test -f $1/index.json",
    ),
    (
        "podman",
        "podman --storage-driver vfs --root $PWD/$1/root --runroot $PWD/$1/run --tmpdir $PWD/$1/tmp pull -q --tls-verify=false localhost:5000/up/app:1",
    ),
];

fn pull(daemon: &Daemon, place: &str) {
    let bin = testkit::clients::client("skopeo");
    let bin = bin.parent().unwrap().display();
    for (client, script) in CLIENTS {
        ok(
            daemon,
            &format!("set -eu; export PATH={bin}:$PATH; set -- {client}-{place}; mkdir $1; {script}"),
        );
    }
}

#[test]
fn what_was_fetched_once_is_served_when_the_other_registry_is_gone() {
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str| files.path().join(name).display().to_string();
    let mirror = "[mirror]\nhosts = [\"localhost:5055\"]\ndefault = \"localhost:5055\"\n";
    std::fs::write(at("registry.toml"), mirror).unwrap();
    let daemon = Daemon::gantry_with(&[
        "--without=kubelet,scheduler",
        &format!("--registry-config={}", at("registry.toml")),
    ]);
    daemon.load_images();
    let peer = Registry::start(&daemon.namespace, PEER);
    ok(&daemon, PUSH);
    // A real dockerd asks the cache as a registry; another node, and a pod of it, as a mirror (`?ns=`).
    let dockerd = Daemon::start_in(Kind::Dockerd, daemon.namespace.clone());
    let other = Daemon::prepare_in(Kind::Gantry, daemon.namespace.clone());
    let mirrors = "mirrors:\n  \"localhost:5055\":\n    endpoint: [\"http://localhost:5000\"]\n";
    std::fs::write(at("registries.yaml"), mirrors).unwrap();
    other.gantry_ok(&["up", "-d", &format!("--registries={}", at("registries.yaml"))]);
    let with_docker = |place: &str| {
        dockerd.ok(&["pull", "-q", "localhost:5000/up/app:1"]);
        dockerd.ok(&["rmi", "localhost:5000/up/app:1"]);
        other.ok(&["pull", "-q", "localhost:5055/up/app:1"]);
        let wc = "wc -c < /f3000000";
        let said = other.ok(&["run", "--rm", "localhost:5055/up/app:1", "sh", "-c", wc]);
        assert_eq!(said.trim(), "3000000", "{place}");
        other.ok(&["rmi", "localhost:5055/up/app:1"]);
    };
    pull(&daemon, "first");
    with_docker("first");
    drop(peer);
    pull(&daemon, "second");
    with_docker("second");
    let run = "kubectl run cached --image=localhost:5055/up/app:1 --image-pull-policy=Always --restart=Never -- sh -c 'wc -c < /f3000000' && \
        kubectl wait --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s pod/cached && kubectl logs cached | grep 3000000";
    ok(
        &other,
        &format!(
            "export KUBECONFIG={}/data/kubeconfig; {run}",
            other.directory.display()
        ),
    );
}
