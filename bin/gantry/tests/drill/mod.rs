//! Drills: what the deaths of daemon and supervisor, reboots, `down` and full disks do to containers and pods, with the
//! real docker and kubectl. Each drill has a node of its own, and a node that leaves something in the kernel fails
//! ([`testkit::daemon::Daemon`] looks when it goes).
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

mod builds;
mod daemon;
mod disk;
mod down;
mod quota;
mod reboot;
mod storm;
mod supervisor;
mod survivors;
mod twice;

use std::process::{Child, Command, Stdio};

use testkit::daemon::{Daemon, Kind, all};

use crate::cases::text;

/// Functions of every script.
const PRELUDE: &str = r#"
set -eu
k() { $ns timeout 60 kubectl "$@"; }
# Waits until a command succeeds.
until_ok() { timeout 60 sh -c 'until eval "$1" >/dev/null 2>&1; do :; done' sh "$1" || { echo "in vain: $1"; exit 1; }; }
get() { $ns timeout 5 busybox wget -qO- "$1"; }
# The host's process of a pod's or docker's container.
pid() { docker inspect -f '{{.State.Pid}}' "$1"; }
of_pod() { docker ps -aq --filter label=io.kubernetes.pod.name=$1 | head -1; }
# Whether lines `line 1`, `line 2`, ... are all there and in order; at least $1 of them.
counted() { awk -v least=$1 '$0 != "line " NR { print "not line " NR ": " $0; bad = 1; exit } END { exit bad || NR < least }'; }
"#;

/// A node with pods and the images `busybox` and `probe`.
fn node() -> Daemon {
    let daemon = Daemon::start(Kind::Gantry);
    daemon.load_images();
    daemon
}

/// Begins a script that goes on beside the test.
fn begin(daemon: &Daemon, script: &str) -> Child {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", "200", "sh", "-c", &format!("{PRELUDE}{script}")])
        .current_dir(&daemon.directory)
        .env("DOCKER_HOST", daemon.host())
        .env("DOCKER_CONFIG", daemon.directory.join("config"))
        .env("DOCKER_BUILDKIT", "0")
        .env("DOCKER_CLI_HINTS", "false")
        .env("KUBECONFIG", daemon.directory.join("data/kubeconfig"))
        .env("HOME", &daemon.directory)
        .env("run", daemon.run_dir())
        .env("ns", daemon.namespace.enter())
        .env("gantry", env!("CARGO_BIN_EXE_gantry"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// What a script says that ends well.
#[track_caller]
fn finish(daemon: &Daemon, child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        all(&output),
        tail(&std::fs::read_to_string(daemon.directory.join("data/log/gantry.log")).unwrap_or_default())
    );
    text(&output.stdout)
}

#[track_caller]
fn sh(daemon: &Daemon, script: &str) -> String {
    finish(daemon, begin(daemon, script))
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// As the kernel kills; `files` is where the processes wrote their ids.
fn kill(daemon: &Daemon, files: &[&str]) {
    let pids = files
        .iter()
        .map(|file| std::fs::read_to_string(daemon.run_dir().join(file)).unwrap());
    let pids: Vec<String> = pids.map(|pid| pid.trim().to_owned()).collect();
    let killed = Command::new("kill").arg("-9").args(&pids).status().unwrap();
    assert!(killed.success());
}

const DAEMON: &str = "gantry.pid";
const SUPERVISOR: &str = "supervisor.pid";

/// Whatever a node may run, serving and counting.
const WORKLOADS: &str = r#"
k apply -f - >/dev/null <<'END'
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: busybox
        command: [sh, -c, 'mkdir -p /www; echo page > /www/index.html; exec httpd -f -p 80 -h /www']
        readinessProbe: {httpGet: {port: 80, path: /index.html}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: counts}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'touch /alive; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done']
    livenessProbe: {exec: {command: [cat, /alive]}, periodSeconds: 1, timeoutSeconds: 20, failureThreshold: 1}
    volumeMounts: [{name: disk, mountPath: /disk}, {name: memory, mountPath: /memory}]
  volumes: [{name: disk, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory}}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox, command: [echo, done]}]}}
END
docker run -d --name counts busybox sh -c 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done' >/dev/null
docker run -d --name web -p 8090:80 --restart always busybox sh -c 'mkdir -p /www; echo docker > /www/index.html; exec httpd -f -p 80 -h /www' >/dev/null
k rollout status deployment/web >/dev/null
k wait --for=condition=Ready pod/counts >/dev/null
k wait --for=condition=Complete job/once >/dev/null
until_ok "$ns busybox wget -qO- http://$(k get service web -o jsonpath='{.spec.clusterIP}')/"
until_ok "$ns busybox wget -qO- http://127.0.0.1:8090/"
"#;

/// Processes, restarts and identities that no death may change.
const IDENTITIES: &str = r#"
for each in counts web $(of_pod counts) $(docker ps -q --filter label=io.kubernetes.container.name=web | sort); do pid $each; done
k get pods -o jsonpath='{range .items[*]}{.metadata.name} {.metadata.uid} {.status.phase} {.status.podIP} {.status.containerStatuses[0].restartCount}{"\n"}{end}'
"#;

/// Asks the services without a pause until the file `enough` is there; every question must be answered.
const ASKING: &str = r#"
ip=$(k get service web -o jsonpath='{.spec.clusterIP}') port=$(k get service web -o jsonpath='{.spec.ports[0].nodePort}')
: > asking; n=0
while [ ! -e enough ]; do
  for url in $ip 127.0.0.1:$port 127.0.0.1:8090; do get http://$url/ >/dev/null || { echo "$url does not answer"; exit 1; }; done
  n=$((n+1))
done
[ $n -gt 3 ]
"#;

/// Everything that is done to a container works.
const USABLE: &str = r#"
c=$(of_pod counts)
[ "$(docker exec counts echo in)" = in ]
[ "$(k exec counts -- echo in)" = in ]
until_ok '[ "$(docker exec counts echo in)" = in ]'
timeout 60 docker attach --no-stdin counts | head -1 | grep -q '^line '
timeout 60 sh -c "$ns kubectl attach counts" 2>/dev/null | head -1 | grep -q '^line '
docker logs counts | counted 10
k logs counts | counted 10
timeout 80 $ns kubectl port-forward deployment/web 8099:80 > forwarded 2>&1 & forward=$!
until_ok "$ns timeout 5 busybox wget -qO- http://127.0.0.1:8099/"
kill $forward; wait $forward || :
"#;
