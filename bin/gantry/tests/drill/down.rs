//! `down`, `up`, `restart` and Ctrl-C with pods and containers.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use testkit::daemon::{Daemon, Kind};

use super::{IDENTITIES, USABLE, WORKLOADS, node, sh};

/// Everything that ran runs again.
const BACK: &str = r#"
k rollout status deployment/web >/dev/null
k wait --for=condition=Ready pod/counts >/dev/null
until_ok "$ns busybox wget -qO- http://$(k get service web -o jsonpath='{.spec.clusterIP}')/"
until_ok "$ns busybox wget -qO- http://127.0.0.1:8090/"
k get job once -o jsonpath='{.status.succeeded}{"\n"}'
"#;

#[test]
fn nothing_is_left_and_everything_comes_back() {
    let daemon = node();
    sh(&daemon, WORKLOADS);
    for _ in 0..2 {
        daemon.gantry_ok(&["down", "--timeout", "3s"]);
        assert_eq!(daemon.left(), Vec::<String>::new());
        daemon.gantry_ok(&["up", "-d"]);
        assert_eq!(sh(&daemon, BACK), "1\n");
    }
    // It was stopped, and no policy starts it again.
    assert_eq!(
        sh(&daemon, "docker inspect -f '{{.State.Status}}' counts"),
        "exited\n"
    );
}

#[test]
fn kept_containers_and_pods_are_the_same_afterwards() {
    let daemon = node();
    sh(&daemon, WORKLOADS);
    let before = sh(&daemon, IDENTITIES);
    daemon.gantry_ok(&["down", "--keep-containers"]);
    sh(&daemon, "get http://127.0.0.1:8090/");
    daemon.gantry_ok(&["up", "-d"]);
    assert_eq!(sh(&daemon, IDENTITIES), before);
    daemon.gantry_ok(&["restart"]);
    assert_eq!(sh(&daemon, IDENTITIES), before);
    sh(&daemon, USABLE);
    // Nobody but `down` is left to stop what was kept.
    daemon.gantry_ok(&["down", "--keep-containers"]);
    daemon.gantry_ok(&["down", "--timeout", "1s"]);
    assert_eq!(daemon.left(), Vec::<String>::new());
}

#[test]
fn what_down_has_to_kill_starts_again_and_says_so() {
    let daemon = node();
    // As process 1 it does not heed SIGTERM. What a user has stopped stays down.
    let run = "docker run -d --stop-timeout 1000 --restart";
    sh(
        &daemon,
        &format!(
            "{run} unless-stopped --name kept busybox sleep 1d; {run} unless-stopped --name by-hand busybox sleep 1d
            {run} no --name once busybox sleep 1d; docker stop -t 0 by-hand"
        ),
    );
    daemon.gantry_ok(&["down", "--timeout", "1s"]);
    assert_eq!(daemon.left(), Vec::<String>::new());
    let down = sh(&daemon, "date -u +%Y-%m-%dT%H:%M:%S.%NZ");
    daemon.gantry_ok(&["up", "-d"]);
    assert_eq!(
        sh(
            &daemon,
            "docker inspect -f '{{.Name}} {{.State.Status}} {{.State.ExitCode}}' kept by-hand once"
        ),
        "/kept running 0\n/by-hand exited 137\n/once exited 137\n"
    );
    for name in ["kept", "once"] {
        let finished = sh(
            &daemon,
            &format!("docker inspect -f '{{{{.State.FinishedAt}}}}' {name}"),
        );
        assert!(finished < down, "{name}: {finished}, and down ended at {down}");
    }
}

#[test]
fn pods_that_are_being_started_leave_nothing() {
    let daemon = node();
    for _ in 0..4 {
        sh(
            &daemon,
            "k create deployment many --image=busybox --replicas=12 -- sleep 1d >/dev/null; until_ok '[ $(docker ps -q | wc -l) -gt 2 ]'",
        );
        daemon.gantry_ok(&["down", "--timeout", "1s"]);
        assert_eq!(daemon.left(), Vec::<String>::new());
        daemon.gantry_ok(&["up", "-d"]);
        sh(&daemon, "k delete deployment many --now >/dev/null");
    }
}

#[test]
fn ctrl_c_in_the_foreground_is_down() {
    let daemon = Daemon::prepare(Kind::Gantry);
    let mut up = daemon.gantry(&["up"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(up.stdout.take().unwrap()).lines();
    assert!(
        lines
            .map_while(Result::ok)
            .any(|line| line.contains("DOCKER_HOST") || line.contains("docker"))
    );
    daemon.load_images();
    sh(&daemon, WORKLOADS);
    // nsenter and env have become the command itself.
    let interrupted = Command::new("kill").args(["-INT", &up.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    assert!(up.wait().unwrap().success());
    assert_eq!(daemon.left(), Vec::<String>::new());
}

#[test]
fn up_needs_no_reader() {
    let daemon = Daemon::prepare(Kind::Gantry);
    let mut up = daemon.gantry(&["up"]);
    let mut up = up.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(up.stdout.take());
    let mut lines = BufReader::new(up.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line.contains("node ready")));
    daemon.ok(&["version"]);
    let interrupted = Command::new("kill").args(["-INT", &up.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    assert_eq!(lines.collect::<Vec<_>>(), ["stopping"]);
    assert!(up.wait().unwrap().success());
}
