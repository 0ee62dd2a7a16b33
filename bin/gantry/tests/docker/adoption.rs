//! What a daemon's death or absence does to containers: nothing.

use std::process::Command;

use serde_json::Value;
use testkit::daemon::{Daemon, Kind, all};

fn daemon() -> Daemon {
    let daemon = Daemon::start(Kind::Gantry);
    daemon.load_images();
    daemon
}

/// As the kernel would; `file` is where the process wrote its id.
fn kill(daemon: &Daemon, file: &str) {
    let pid = std::fs::read_to_string(daemon.run_dir().join(file)).unwrap();
    let killed = Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
    assert!(killed.success());
}

fn kill_daemon(daemon: &Daemon) {
    kill(daemon, "gantry.pid");
    // Returns when the next one is ready.
    daemon.gantry_ok(&["up", "-d"]);
}

#[test]
fn a_supervisor_that_is_killed_alone_is_replaced_and_missed_by_nobody() {
    let daemon = daemon();
    let page = "echo page > /var/www/index.html; exec httpd -f -h /var/www";
    daemon.ok(&[
        "run", "-d", "--name", "web", "-p", "8083:80", "busybox", "sh", "-c", page,
    ]);
    let counting = "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.01; done";
    daemon.ok(&["run", "-d", "--name", "counts", "busybox", "sh", "-c", counting]);
    // Before or after the death: whoever ends is heard of.
    let ending = "sleep 0.2; exit 6";
    daemon.ok(&["run", "-d", "--name", "ends", "busybox", "sh", "-c", ending]);
    let once = "test -e /again && exec sleep 1000; touch /again; sleep 0.2; exit 1";
    daemon.ok(&[
        "run",
        "-d",
        "--name",
        "again",
        "--restart",
        "on-failure",
        "busybox",
        "sh",
        "-c",
        once,
    ]);
    let before = ["web", "counts"].map(|name| pid(&daemon, name));
    let old = std::fs::read_to_string(daemon.run_dir().join("gantry.pid")).unwrap();
    kill(&daemon, "supervisor.pid");
    // Nobody but the daemon does anything about it: what needs a supervisor waits for the next one.
    assert_eq!(daemon.ok(&["exec", "counts", "echo", "hi"]), "hi\n");
    assert_eq!(daemon.ok(&["run", "--rm", "busybox", "echo", "new"]), "new\n");
    // The kernel tells the code from 6.15 on, and no one does before.
    let code = daemon.ok(&["wait", "ends"]);
    assert!(["6\n", "255\n"].contains(&&*code), "{code}");
    assert_eq!(["web", "counts"].map(|name| pid(&daemon, name)), before);
    let restarted = ["inspect", "-f", "{{.RestartCount}} {{.State.Running}}", "again"];
    let restarted = || daemon.ok(&restarted) == "1 true\n";
    assert!((0..100).any(|_| restarted()));
    let now = std::fs::read_to_string(daemon.run_dir().join("gantry.pid")).unwrap();
    assert_eq!(now, old, "the daemon is the same");
    // The new supervisor has what the daemon held, and restarts the daemon that it did not start.
    kill(&daemon, "gantry.pid");
    assert_eq!(daemon.ok(&["exec", "counts", "echo", "hi"]), "hi\n");
    let mut served = daemon.namespace.command("timeout 10 sh -c");
    served.arg("until busybox wget -qO- http://127.0.0.1:8083 2>/dev/null; do :; done");
    assert_eq!(all(&served.output().unwrap()), "page\n");
    // What the next daemon could not read is said while there is one.
    let wrong = daemon.directory.join("registries.yaml");
    std::fs::write(&wrong, "mirrors: [").unwrap();
    let (code, said) = daemon.gantry_fails(&["restart", "--registries", wrong.to_str().unwrap()]);
    assert!(code == 1 && said.contains("registries.yaml"), "{code} {said}");
    let now = std::fs::read_to_string(daemon.run_dir().join("gantry.pid")).unwrap();
    daemon.ok(&["exec", "counts", "true"]);
    daemon.gantry_ok(&["restart"]);
    assert_ne!(
        std::fs::read_to_string(daemon.run_dir().join("gantry.pid")).unwrap(),
        now
    );
    assert_eq!(["web", "counts"].map(|name| pid(&daemon, name)), before);
    daemon.ok(&["stop", "-t", "0", "counts"]);
    assert_lines(&daemon.ok(&["logs", "counts"]), 1);
    daemon.ok(&["rm", "-f", "web", "counts", "ends", "again"]);
}

#[test]
fn deaths_of_daemon_and_supervisor_in_turn_cost_no_container() {
    let daemon = daemon();
    let counting = "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.01; done";
    daemon.ok(&["run", "-d", "--name", "counts", "busybox", "sh", "-c", counting]);
    let before = pid(&daemon, "counts");
    for file in ["supervisor.pid", "supervisor.pid", "gantry.pid", "supervisor.pid"] {
        kill(&daemon, file);
        // `up` waits for whichever is missing.
        daemon.gantry_ok(&["up", "-d"]);
        assert_eq!(daemon.ok(&["exec", "counts", "echo", "hi"]), "hi\n");
    }
    assert_eq!(pid(&daemon, "counts"), before);
    daemon.ok(&["stop", "-t", "0", "counts"]);
    assert_lines(&daemon.ok(&["logs", "counts"]), 3);
}

fn pid(daemon: &Daemon, container: &str) -> String {
    daemon.ok(&["inspect", "-f", "{{.State.Pid}}", container])
}

/// The lines that the counting container wrote, in order; where a supervisor was killed between reading and writing, what
/// it had read is missing.
fn assert_lines(log: &str, killed: usize) {
    let numbers: Vec<usize> = log
        .lines()
        .map(|line| line.strip_prefix("line ").unwrap().parse().unwrap())
        .collect();
    let last = *numbers.last().unwrap();
    assert!(
        last > 5 && numbers.is_sorted_by(|one, next| one < next),
        "{numbers:?}"
    );
    let gaps = numbers.windows(2).filter(|pair| pair[1] - pair[0] > 1).count();
    assert!(usize::from(numbers[0] > 0) + gaps <= killed, "{numbers:?}");
}

#[test]
fn a_killed_daemon_loses_no_container_no_line_and_no_exit() {
    let daemon = daemon();
    let counting = "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.01; done";
    daemon.ok(&["run", "-d", "--name", "counts", "busybox", "sh", "-c", counting]);
    daemon.ok(&[
        "run",
        "-d",
        "--name",
        "ends",
        "-i",
        "busybox",
        "sh",
        "-c",
        "until test -e /go; do sleep 0.01; done; exit 6",
    ]);
    daemon.ok(&["exec", "ends", "true"]);
    let before = pid(&daemon, "counts");
    daemon.ok(&["exec", "-d", "ends", "sh", "-c", "sleep 0.05; touch /go"]);
    kill_daemon(&daemon);
    assert_eq!(pid(&daemon, "counts"), before);
    assert_eq!(daemon.ok(&["wait", "ends"]), "6\n");
    assert_eq!(daemon.ok(&["exec", "counts", "echo", "hi"]), "hi\n");
    daemon.ok(&["stop", "-t", "0", "counts"]);
    assert_lines(&daemon.ok(&["logs", "counts"]), 0);
}

#[test]
fn kept_containers_are_there_again_with_their_network() {
    let daemon = daemon();
    let page = "echo page > /var/www/index.html; exec httpd -f -h /var/www";
    daemon.ok(&[
        "run",
        "-d",
        "--name",
        "web",
        "-p",
        "8081:80",
        "--restart",
        "always",
        "busybox",
        "sh",
        "-c",
        page,
    ]);
    let before = pid(&daemon, "web");
    let served = || {
        let mut command = daemon.namespace.command("timeout 10 sh -c");
        command.arg("until busybox wget -qO- http://127.0.0.1:8081 2>/dev/null; do :; done");
        all(&command.output().unwrap())
    };
    assert_eq!(served(), "page\n");
    daemon.gantry_ok(&["down", "--keep-containers"]);
    assert_eq!(served(), "page\n", "while no daemon runs");
    daemon.gantry_ok(&["up", "-d"]);
    assert_eq!(pid(&daemon, "web"), before);
    assert_eq!(served(), "page\n");
    let status: Value = serde_json::from_str(&daemon.gantry_ok(&["status", "-o", "json"])).unwrap();
    assert_eq!(status["state"], "ready");
    daemon.gantry_ok(&["restart"]);
    assert_eq!(pid(&daemon, "web"), before);
    daemon.ok(&["rm", "-f", "web"]);
}

#[test]
fn down_stops_containers_and_up_starts_those_that_shall_always_run() {
    let daemon = daemon();
    daemon.ok(&[
        "run",
        "-d",
        "--name",
        "always",
        "--restart",
        "always",
        "busybox",
        "sleep",
        "1000",
    ]);
    daemon.ok(&[
        "run",
        "-d",
        "--name",
        "once",
        "-v",
        "kept:/v",
        "busybox",
        "sh",
        "-c",
        "echo kept > /v/f; exec sleep 1000",
    ]);
    daemon.ok(&["network", "create", "own"]);
    daemon.gantry_ok(&["down", "--timeout", "1s"]);
    daemon.gantry_ok(&["up", "-d"]);
    assert_eq!(daemon.ok(&["ps", "--format", "{{.Names}}"]), "always\n");
    assert_eq!(
        daemon.ok(&["ps", "-a", "--filter", "name=once", "--format", "{{.State}}"]),
        "exited\n"
    );
    assert_eq!(
        daemon.ok(&[
            "run",
            "--rm",
            "--network",
            "own",
            "-v",
            "kept:/v",
            "busybox",
            "cat",
            "/v/f"
        ]),
        "kept\n"
    );
}

#[test]
fn with_everything_killed_up_finds_its_way() {
    let daemon = daemon();
    daemon.ok(&[
        "run",
        "-d",
        "--name",
        "web",
        "--restart",
        "always",
        "-p",
        "8082:80",
        "busybox",
        "httpd",
        "-f",
    ]);
    let mut pids = vec![pid(&daemon, "web").trim().to_owned()];
    for file in ["supervisor.pid", "gantry.pid"] {
        let pid = std::fs::read_to_string(daemon.run_dir().join(file)).unwrap();
        pids.insert(0, pid.trim().to_owned());
    }
    let killed = Command::new("kill").arg("-9").args(&pids).status().unwrap();
    assert!(killed.success());
    daemon.gantry_ok(&["up", "-d"]);
    assert_eq!(
        daemon.ok(&["ps", "--format", "{{.Names}} {{.State}}"]),
        "web running\n"
    );
    daemon.ok(&["rm", "-f", "web"]);
}
