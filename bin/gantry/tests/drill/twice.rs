//! The daemon is killed while containers start: each runs once, and everybody knows since when.

use super::{DAEMON, kill, node, sh};

/// Pods and docker's containers, at once.
const STARTING: &str = r#"
k create deployment d --image=busybox --replicas=14 -- sh -c 'echo begun; exec sleep 1d' >/dev/null
for n in 1 2 3 4; do docker run -d --name r$n busybox sleep 1d >/dev/null 2>&1 & done
"#;

/// No container of a pod runs twice, none has been replaced, and of each it is known since when it runs.
const ONCE: &str = r#"
none() { if grep "$@"; then echo "should not be in: $*"; exit 1; fi; }
k rollout status deployment/d >/dev/null
docker ps --filter label=io.kubernetes.pod.name --format '{{.Label "io.kubernetes.pod.name"}}' | sort > running
[ $(wc -l < running) = 14 ] && [ -z "$(uniq -d running)" ] || { echo "not once:"; cat running; docker ps -a; exit 1; }
docker inspect -f '{{.Name}} {{.State.Pid}} {{.State.StartedAt}}' $(docker ps -q) > since
none -E ' 0 | 0001-' since
k get pods -o jsonpath='{range .items[*]}{.metadata.name} {.status.containerStatuses[0].lastState.terminated.reason}{"\n"}{end}' > reasons
none ContainerStatusUnknown reasons
docker inspect -f '{{.Name}} {{.State.Status}}' $(docker ps -aq) > states
none -vE ' (running|created|exited)$' states
for n in 1 2 3 4; do docker rm -f r$n >/dev/null 2>&1 || :; done
k delete deployment d >/dev/null
k delete pods --all --now >/dev/null
until_ok '[ -z "$(docker ps -aq)" ]'
"#;

#[test]
fn what_starts_while_the_daemon_dies_runs_once() {
    let daemon = node();
    for begun in [1, 2, 4, 8, 12] {
        sh(&daemon, STARTING);
        let so_many = "label=io.kubernetes.pod.name";
        sh(
            &daemon,
            &format!("until_ok '[ $(docker ps -aq --filter {so_many} | wc -l) -ge {begun} ]'"),
        );
        kill(&daemon, &[DAEMON]);
        daemon.gantry_ok(&["up", "-d"]);
        sh(&daemon, ONCE);
    }
}
