//! Gantry's own clients of the docker socket, on a node with real images; what they print and exit with is
//! the docker client's, so the same words go to both where it can tell.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

mod kube;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use testkit::daemon::{Daemon, Kind, all};

fn node() -> Daemon {
    let daemon = Daemon::start(Kind::Gantry);
    daemon.load_images();
    daemon
}

fn output(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn gantry(daemon: &Daemon, words: &[&str]) -> (i32, String, String) {
    output(&mut daemon.gantry(words))
}

fn with_input(mut command: Command, input: &str) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Beside the reading: a program that answers as it reads waits while nobody takes its answer.
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        child.wait_with_output().unwrap()
    })
}

#[test]
fn run_prints_on_both_streams_and_ends_as_the_program_does() {
    let daemon = node();
    let script = "echo out; echo err >&2; echo $A-$(pwd)-$(id -u); exit 7";
    let words = [
        "run", "--rm", "-e", "A=b", "-w", "/tmp", "-u", "5", "busybox", "sh", "-c", script,
    ];
    let ran = gantry(&daemon, &words);
    assert_eq!(ran, (7, "out\nb-/tmp-5\n".into(), "err\n".into()));
    assert_eq!(
        ran,
        output(&mut daemon.docker(&words)),
        "the docker client shows the same"
    );
    assert_eq!(gantry(&daemon, &["ps", "-aq"]).1, "");
}

#[test]
fn refusals_have_the_docker_clients_exit_codes() {
    let daemon = node();
    daemon.ok(&["run", "-d", "--name", "taken", "busybox", "sleep", "1000"]);
    for (words, code, says) in [
        (
            &["run", "--name", "taken", "busybox", "true"][..],
            125,
            "already in use",
        ),
        (&["run", "--rm", "busybox", "/no/such"], 127, "no such file"),
        (&["run", "--rm", "busybox", "/etc"], 126, "is a directory"),
        (
            &["run", "--rm", "--restart", "always", "busybox", "true"],
            125,
            "--restart and --rm",
        ),
        (&["run", "-p", "x", "busybox", "true"], 125, "containerPort"),
        (&["run", "-it", "--rm", "busybox", "true"], 1, "not a TTY"),
        (&["exec", "nobody", "true"], 1, "No such container: nobody"),
        (&["run", "nowhere.invalid/image", "true"], 125, "nowhere.invalid"),
        (&["logs", "nobody"], 1, "No such container: nobody"),
        (&["build", "/nowhere"], 1, "/nowhere"),
    ] {
        let (found, out, err) = gantry(&daemon, words);
        assert!(
            found == code && err.contains(says),
            "{words:?}: {found} {out}{err}"
        );
        let last = err.lines().last().unwrap();
        assert!(last.starts_with("gantry: "), "{words:?}: {err}");
    }
    let no_program = ["exec", "taken", "/no/such"];
    let (code, out, err) = gantry(&daemon, &no_program);
    assert_eq!(code, 127);
    assert_eq!((code, out, err), output(&mut daemon.docker(&no_program)));
    assert_eq!(
        daemon.ok(&["ps", "-aq"]).lines().count(),
        1,
        "`--rm` removes what does not start"
    );
    daemon.ok(&["rm", "-f", "taken"]);
}

#[test]
fn input_reaches_the_program_to_its_end() {
    let daemon = node();
    let input = "line\n".repeat(100_000);
    let output = with_input(daemon.gantry(&["run", "-i", "--rm", "busybox", "cat"]), &input);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == input.as_bytes(), "{} bytes", output.stdout.len());
    daemon.ok(&["run", "-d", "--name", "stays", "busybox", "sleep", "1000"]);
    let exec = daemon.gantry(&[
        "exec",
        "-i",
        "-e",
        "A=1",
        "stays",
        "sh",
        "-c",
        "cat; echo $A$1; exit 9",
        "-",
        "-i",
    ]);
    let output = with_input(exec, "typed\n");
    assert_eq!(
        (output.status.code(), all(&output).as_str()),
        (Some(9), "typed\n1-i\n")
    );
    daemon.ok(&["rm", "-f", "stays"]);
}

#[test]
fn ps_and_logs_show_what_the_docker_client_shows() {
    let daemon = node();
    let id = gantry(
        &daemon,
        &[
            "run",
            "-d",
            "--name",
            "says",
            "-p",
            "8099:80",
            "busybox",
            "sh",
            "-c",
            "echo 1; echo 2 >&2; echo 3; exec sleep 1000",
        ],
    )
    .1;
    // Follows until all three lines are there.
    let mut three = daemon.namespace.command("timeout 10 sh -c");
    let docker = format!(
        "until test $(DOCKER_HOST={} docker logs says 2>&1 | wc -l) = 3; do :; done",
        daemon.host()
    );
    assert!(three.arg(docker).status().unwrap().success());
    assert_eq!(
        gantry(&daemon, &["logs", "says"]),
        (0, "1\n3\n".into(), "2\n".into())
    );
    let last = ["logs", "--tail", "1", "says"];
    let (code, out, err) = gantry(&daemon, &last);
    assert_eq!((out.clone() + &err).lines().count(), 1, "{out}{err}");
    assert_eq!((code, out, err), output(&mut daemon.docker(&last)));
    let columns = |text: String| {
        let lines = text.lines().map(|line| {
            line.split("   ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
                .collect()
        });
        lines.collect::<Vec<Vec<String>>>()
    };
    let (ours, theirs) = (columns(gantry(&daemon, &["ps"]).1), columns(daemon.ok(&["ps"])));
    assert_eq!(ours[0], theirs[0]);
    // Its age may have changed between the two.
    for column in [0, 1, 2, 5, 6] {
        assert_eq!(ours[1][column], theirs[1][column]);
    }
    assert_eq!(gantry(&daemon, &["ps", "-q"]).1.trim(), &id[..12]);
    daemon.ok(&["rm", "-f", "says"]);
    assert!(
        gantry(&daemon, &["logs"]).1.contains("ready"),
        "without a name it is the daemon's own"
    );
}

#[test]
fn build_sends_what_is_not_ignored_and_says_how_it_went() {
    let daemon = node();
    let context = daemon.directory.join("context");
    fs::create_dir(&context).unwrap();
    for (name, content) in [
        (
            "Dockerfile",
            "FROM busybox AS first\nARG A=none\nCOPY . /c\nRUN ls /c; echo got $A\nFROM first\nRUN false\n",
        ),
        (".dockerignore", "secret\n"),
        ("secret", "x"),
        ("shown", "y"),
    ] {
        fs::write(context.join(name), content).unwrap();
    }
    let context = context.to_str().unwrap();
    let words = [
        "build",
        "-t",
        "built",
        "-t",
        "built:2",
        "--target",
        "first",
        "--build-arg",
        "A=it",
        context,
    ];
    let (code, out, err) = gantry(&daemon, &words);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("got it") && out.contains("shown") && !out.contains("secret"),
        "{out}"
    );
    let id = daemon.ok(&["inspect", "-f", "{{.Id}}", "built:2"]);
    let quiet = ["build", "-q", "--target", "first", "--build-arg", "A=it", context];
    assert_eq!(gantry(&daemon, &quiet), (0, id, String::new()));
    let (code, _, err) = gantry(&daemon, &["build", context]);
    assert_eq!(code, 1);
    assert!(err.contains("returned a non-zero code: 1"), "{err}");
}

/// A command as a shell reads it.
fn quoted(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| format!("'{}'", word.to_str().unwrap()));
    quoted.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_terminal_is_the_programs_and_comes_back_as_it_was() {
    let daemon = node();
    // `script` gives us a terminal; the shell before and after shows its settings.
    let line = daemon.gantry(&[
        "run",
        "--rm",
        "-it",
        "busybox",
        "sh",
        "-c",
        "test -t 0 && test -t 1 && stty size && exit 3",
    ]);
    let session = format!(
        "stty rows 33 cols 99; stty -g; {}; echo code $?; stty -g",
        quoted(&line)
    );
    let mut script = Command::new("script");
    script.args(["-qec", &session, "/dev/null"]);
    let mut script = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Open until the end: the end of its input would be typed as well.
    let input = script.stdin.take();
    let output = script.wait_with_output().unwrap();
    drop(input);
    let text = all(&output).replace('\r', "");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.contains(&"33 99") && lines.contains(&"code 3"), "{text}");
    assert_eq!(lines.first(), lines.last(), "{text}");
}

/// Reads until `sign` is there.
fn read_until(out: &mut impl Read, sign: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(sign) {
        let mut byte = [0];
        assert_eq!(
            out.read(&mut byte).unwrap(),
            1,
            "{}",
            String::from_utf8_lossy(&read)
        );
        read.push(byte[0]);
    }
}

#[test]
fn without_a_terminal_signals_are_the_programs() {
    let daemon = node();
    let script = "trap 'exit 4' TERM; echo up; while :; do sleep 0.01; done";
    let mut client = daemon.gantry(&["run", "--rm", "busybox", "sh", "-c", script]);
    let mut client = client.stdout(Stdio::piped()).spawn().unwrap();
    read_until(client.stdout.as_mut().unwrap(), "up");
    let pid = Pid::from_raw(client.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(4));
}

#[test]
fn the_detach_keys_leave_the_program_running() {
    let daemon = node();
    let line = quoted(&daemon.gantry(&["run", "-it", "--name", "left", "busybox", "sh"]));
    let mut session = Command::new("script");
    session
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut session = session.spawn().unwrap();
    let mut input = session.stdin.take().unwrap();
    read_until(session.stdout.as_mut().unwrap(), "# ");
    input.write_all(b"\x10\x11").unwrap();
    assert_eq!(session.wait().unwrap().code(), Some(0));
    assert_eq!(daemon.ok(&["ps", "--format", "{{.Names}}"]), "left\n");
    daemon.ok(&["rm", "-f", "left"]);
}

#[test]
fn without_a_node_it_says_what_to_do() {
    let daemon = Daemon::prepare(Kind::Gantry);
    for words in [&["ps"][..], &["run", "x"], &["exec", "x", "y"], &["logs", "x"]] {
        let (found, _, err) = gantry(&daemon, words);
        assert!(
            found == 3 && err.contains("gantry up -d"),
            "{words:?}: {found} {err}"
        );
    }
}

/// The demo with a place of its own for temporary files, which must be empty afterwards.
fn demo(daemon: &Daemon, words: &[&str]) -> (Command, PathBuf) {
    let temporary = daemon.directory.join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = daemon.gantry(&["demo"]);
    command.args(words).env("TMPDIR", &temporary);
    command.arg("--shop").arg(testkit::beside_tests("shop"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    (command, temporary)
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

#[test]
fn the_demo_holds_and_leaves_nothing() {
    let daemon = Daemon::prepare(Kind::Gantry);
    let (mut demo, temporary) = demo(&daemon, &["--containers", "2"]);
    let demo = demo.output().unwrap();
    let text = all(&demo);
    assert!(demo.status.success(), "{text}");
    assert_eq!(
        text.lines().filter(|line| line.starts_with("ok  ")).count(),
        17,
        "{text}"
    );
    assert!(is_empty(&temporary));
}

#[test]
fn an_interrupted_demo_leaves_nothing_either() {
    let daemon = Daemon::prepare(Kind::Gantry);
    let (mut demo, temporary) = demo(&daemon, &[]);
    let mut demo = demo.spawn().unwrap();
    read_until(demo.stdout.as_mut().unwrap(), "built in");
    let pid = Pid::from_raw(demo.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let demo = demo.wait_with_output().unwrap();
    assert_eq!(
        (demo.status.code(), String::from_utf8_lossy(&demo.stderr).as_ref()),
        (Some(1), "gantry: interrupted\n")
    );
    assert!(is_empty(&temporary));
}
