//! Two Gantrys and a dockerd (whose forward chain drops by default) in one network namespace, in any order:
//! containers of each reach out, and are reached; so do pods, and so are they.

use std::process::Stdio;
use std::sync::Arc;

use testkit::daemon::{Daemon, Kind, Namespace, all};

/// The world beyond the host: a namespace with a web server, one link away.
struct Outside {
    namespace: Namespace,
    server: std::process::Child,
    _files: tempfile::TempDir,
}

impl Outside {
    fn beyond(host: &Namespace) -> Self {
        let namespace = Namespace::new();
        let outside = namespace.pid();
        // busybox leaves the peer's name to the kernel.
        sh(host, "busybox ip link add up0 type veth");
        sh(host, &format!("busybox ip link set veth0 netns {outside}"));
        sh(
            host,
            "busybox ip addr add 10.99.0.2/24 dev up0 && busybox ip link set up0 up",
        );
        sh(
            &namespace,
            "busybox ip addr add 10.99.0.1/24 dev veth0 && busybox ip link set veth0 up",
        );
        sh(host, "busybox ip route add default via 10.99.0.1");
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("world"), "outside\n").unwrap();
        let mut server = namespace.command("busybox httpd -f -p 8000 -h");
        let server = server.arg(files.path()).stdout(Stdio::null()).spawn().unwrap();
        sh(
            &namespace,
            "until busybox wget -qO- http://10.99.0.1:8000/world; do :; done",
        );
        Self {
            namespace,
            server,
            _files: files,
        }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[track_caller]
fn sh(namespace: &Namespace, script: &str) -> String {
    let mut command = namespace.command("timeout 20 sh -c");
    let output = command.arg(script).output().unwrap();
    assert!(output.status.success(), "{script}: {}", all(&output));
    all(&output)
}

/// dockerd lets its chain drop only where it switches forwarding on itself; hosts do so by hand.
fn start(kind: Kind, host: &Arc<Namespace>) -> Daemon {
    let daemon = Daemon::start_in(kind, host.clone());
    if kind == Kind::Dockerd {
        sh(host, "iptables --wait -P FORWARD DROP");
    }
    daemon
}

fn live_together(order: &[Kind]) {
    let host = Arc::new(Namespace::new());
    let outside = Outside::beyond(&host);
    let daemons: Vec<Daemon> = order.iter().map(|kind| start(*kind, &host)).collect();
    for (number, daemon) in daemons.iter().enumerate() {
        daemon.load_images();
        let port = format!("{}:80", 8100 + number);
        let page = format!("echo page {number} > /var/www/index.html; exec httpd -f -h /var/www");
        daemon.ok(&[
            "run", "-d", "--name", "web", "-p", &port, "busybox", "sh", "-c", &page,
        ]);
    }
    for (number, daemon) in daemons.iter().enumerate() {
        // Debian's wget dies of its own option for a limit of time.
        let fetch = "timeout 5 wget -qO- http://10.99.0.1:8000/world";
        let out = daemon.ok(&["run", "--rm", "busybox", "sh", "-c", fetch]);
        assert_eq!(out, "outside\n", "{number} of {order:?} reaches out");
        let script = format!(
            "until busybox timeout 2 busybox wget -qO- http://10.99.0.2:{}; do :; done",
            8100 + number
        );
        let page = sh(&outside.namespace, &script);
        assert_eq!(page, format!("page {number}\n"), "of {order:?}");
    }
    for daemon in daemons.iter().filter(|daemon| daemon.kind == Kind::Gantry) {
        a_pod_reaches_out_and_is_reached(daemon, &outside);
    }
    let chain = sh(&host, "iptables --wait -S FORWARD");
    assert!(chain.contains("-P FORWARD DROP\n"), "{chain}");
}

#[track_caller]
fn kubectl(daemon: &Daemon, words: &[&str]) -> String {
    let mut command = daemon.namespace.command("timeout 50 kubectl");
    command
        .args(words)
        .env("KUBECONFIG", daemon.directory.join("data/kubeconfig"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "kubectl {words:?}: {}", all(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn a_pod_reaches_out_and_is_reached(daemon: &Daemon, outside: &Outside) {
    let page = format!(
        "mkdir /w; echo pod of {} > /w/index.html; exec httpd -f -p 80 -h /w",
        daemon.name
    );
    kubectl(daemon, &["wait", "--for=create", "serviceaccount/default"]);
    kubectl(
        daemon,
        &[
            "run",
            "web",
            "--image=busybox",
            "--port=80",
            "--",
            "sh",
            "-c",
            &page,
        ],
    );
    kubectl(daemon, &["expose", "pod", "web", "--type=NodePort"]);
    kubectl(daemon, &["wait", "--for=condition=Ready", "pod/web"]);
    let fetch = "timeout 5 wget -qO- http://10.99.0.1:8000/world";
    let out = kubectl(daemon, &["exec", "web", "--", "sh", "-c", fetch]);
    assert_eq!(out, "outside\n", "a pod of {} reaches out", daemon.name);
    let port = kubectl(
        daemon,
        &[
            "get",
            "service",
            "web",
            "--output=jsonpath={.spec.ports[0].nodePort}",
        ],
    );
    let script = format!("until busybox timeout 2 busybox wget -qO- http://10.99.0.2:{port}; do :; done");
    let page = sh(&outside.namespace, &script);
    assert_eq!(
        page,
        format!("pod of {}\n", daemon.name),
        "its node port is reached"
    );
}

#[test]
fn a_dockerd_between_two_gantrys() {
    live_together(&[Kind::Gantry, Kind::Dockerd, Kind::Gantry]);
}

#[test]
fn a_dockerd_that_was_there_first() {
    live_together(&[Kind::Dockerd, Kind::Gantry]);
}
