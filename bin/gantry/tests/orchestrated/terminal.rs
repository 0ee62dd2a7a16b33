//! Interactive use of pods: the real kubectl on a terminal of ours.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use sys::pty::Size;
use testkit::daemon::{Daemon, Kind};

use crate::docker::terminal::Session;

/// A pod whose program has a terminal.
const POD: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
    "terminationGracePeriodSeconds": 0,
    "containers": [{"name": "c", "image": "busybox", "stdin": true, "tty": true, "command": ["sh"]}]}}"#;

fn kubectl(daemon: &Daemon, words: &str) -> String {
    let kubeconfig = daemon.directory.join("data/kubeconfig");
    let words = format!("timeout 50 kubectl --kubeconfig {} {words}", kubeconfig.display());
    let output = daemon.namespace.command(&words).output().unwrap();
    assert!(output.status.success(), "{words}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn with_a_pod() -> (Daemon, String) {
    let daemon = Daemon::start(Kind::Gantry);
    daemon.load_images();
    let file = daemon.directory.join("pod.json");
    std::fs::write(&file, POD).unwrap();
    kubectl(&daemon, "wait --for=create serviceaccount/default");
    kubectl(&daemon, &format!("apply -f {}", file.display()));
    kubectl(&daemon, "wait --for=condition=Ready pod/p");
    let client = format!("{} kubectl", daemon.namespace.enter());
    (daemon, client)
}

#[test]
fn a_shell_of_an_exec() {
    let (daemon, client) = with_a_pod();
    let mut session = Session::of(&daemon, &client, &["exec", "-it", "p", "--", "sh"]);
    session
        .see("# ")
        .type_("echo $((6*7)); tty\n")
        .see("42")
        .see("/dev/pts/");
    session
        .type_("until stty size | grep '30 100'; do :; done; echo si'zed'\n")
        .see("sized");
    session.resize(Size {
        rows: 41,
        columns: 77,
    });
    session
        .type_("until stty size | grep '41 77'; do :; done; echo resi'zed'\n")
        .see("resized");
    session
        .type_("sh -c 'echo sta''rted; sleep 100'\n")
        .see("started");
    session
        .type_("\u{3}")
        .type_("echo inter'rupted'\n")
        .see("interrupted");
    session.type_("exit 7\n").see("exit code 7");
    assert_eq!(session.end().code(), Some(7));
}

#[test]
fn a_program_s_own_terminal() {
    let (daemon, client) = with_a_pod();
    let mut session = Session::of(&daemon, &client, &["attach", "-it", "p"]);
    session.see("press").type_("\necho at'tached'\n").see("attached");
    // Whoever detaches leaves the program alone.
    session.type_("\u{10}\u{11}");
    drop(session);
    let mut session = Session::of(&daemon, &client, &["attach", "-it", "p"]);
    session.see("press").type_("\nexit 0\n");
    assert!(session.end().success());
    let restarted = "wait --for=jsonpath={.status.containerStatuses[0].restartCount}=1 pod/p";
    kubectl(&daemon, restarted);
    let run = [
        "run",
        "once",
        "--rm",
        "-it",
        "--restart=Never",
        "--image=busybox",
        "--",
        "sh",
    ];
    let mut session = Session::of(&daemon, &client, &run);
    session.see("# ").type_("echo he'llo'; exit 3\n").see("hello");
    assert_eq!(session.end().code(), Some(3));
    assert_eq!(kubectl(&daemon, "get pods -o name"), "pod/p\n");
}
