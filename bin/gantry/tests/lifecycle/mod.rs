//! Create, start, exec, kill, delete, hooks, terminals, and what is left after each failure.

#![allow(unreachable_pub, reason = "a module of a test binary")]
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use testkit::Bundle;

use super::cases::{Runtime, config, path, text, unique};

/// A container that prints `ready` and then waits for the end of its input.
pub struct Waiting<'r> {
    runtime: &'r Runtime,
    pub id: String,
    child: Child,
    bundle: Bundle,
}

impl<'r> Waiting<'r> {
    pub fn start(runtime: &'r Runtime, change: impl FnOnce(&mut Bundle)) -> Self {
        let mut bundle = Bundle::new(config(), &["probe", "wait"]);
        change(&mut bundle);
        let id = unique("wait");
        let mut command = runtime.command(&["run", "--bundle", path(bundle.path()), &id]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        Self {
            runtime,
            id,
            child,
            bundle,
        }
    }

    pub fn state(&self) -> Value {
        serde_json::from_str(&self.runtime.ok(&["state", &self.id])).unwrap()
    }

    fn exec(&self, arguments: &[&str]) -> String {
        self.runtime
            .ok(&[&["exec", &self.id, "probe"], arguments].concat())
    }

    fn cgroups(&self) -> Vec<String> {
        cgroups(&self.id)
    }

    /// Ends the program by ending its input.
    pub fn finish(mut self) -> i32 {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The container's directories in every hierarchy; the only one there may be is the directory itself (v2).
fn cgroups(id: &str) -> Vec<String> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    hierarchies
        .chain([root.to_owned()])
        .map(|hierarchy| hierarchy.join(id))
        .filter(|dir| dir.exists())
        .map(|dir| path(&dir).to_owned())
        .collect()
}

#[test]
fn created_running_stopped_gone() {
    let runtime = Runtime::gantry();
    let bundle = Bundle::new(config(), &["probe", "write", "/done", "x"]);
    let id = unique("life");
    let status = || serde_json::from_str::<Value>(&runtime.ok(&["state", &id])).unwrap()["status"].clone();

    runtime.create(&bundle, &id, &[]);
    assert_eq!(status(), "created");
    assert!(!bundle.rootfs("/done").exists());
    let again = runtime.call(&["create", "--bundle", path(bundle.path()), &id]);
    assert!(text(&again.stderr).contains("already exists"), "{again:?}");

    let pid = serde_json::from_str::<Value>(&runtime.ok(&["state", &id])).unwrap()["pid"]
        .as_i64()
        .unwrap();
    let process = rustix::process::pidfd_open(
        rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap(),
        rustix::process::PidfdFlags::empty(),
    );
    runtime.ok(&["start", &id]);
    rustix::event::poll(
        &mut [rustix::event::PollFd::new(
            &process.unwrap(),
            rustix::event::PollFlags::IN,
        )],
        None,
    )
    .unwrap();
    assert_eq!(status(), "stopped");
    assert!(bundle.rootfs("/done").exists());
    let twice = runtime.call(&["start", &id]);
    assert!(
        text(&twice.stderr).contains("cannot start a container that has stopped"),
        "{twice:?}"
    );

    runtime.ok(&["delete", &id]);
    assert_eq!(runtime.call(&["state", &id]).status.code(), Some(1));
    assert!(runtime.left().is_empty());
}

#[test]
fn a_running_container_is_killed_not_deleted() {
    let runtime = Runtime::gantry();
    let waiting = Waiting::start(&runtime, |_| ());
    let state = waiting.state();
    assert_eq!(
        (&state["status"], &state["ociVersion"]),
        (&json!("running"), &json!("1.3.0"))
    );
    assert!(runtime.ok(&["list"]).contains(&waiting.id));
    assert!(!waiting.cgroups().is_empty());

    let refused = runtime.call(&["delete", &waiting.id]);
    assert!(
        text(&refused.stderr).contains("that is not stopped: running"),
        "{refused:?}"
    );
    runtime.ok(&["kill", &waiting.id, "KILL"]);
    let (mut waiting, id) = {
        let id = waiting.id.clone();
        (waiting, id)
    };
    assert_eq!(waiting.child.wait().unwrap().code(), Some(137));
    assert!(waiting.cgroups().is_empty(), "{id}: {:?}", waiting.cgroups());
}

#[test]
fn exec_is_inside_and_says_how_it_ended() {
    let runtime = Runtime::gantry();
    let waiting = Waiting::start(&runtime, |bundle| {
        bundle.set("/hostname", json!("inside"));
    });
    assert_eq!(waiting.exec(&["hostname"]), "inside\n");
    assert_eq!(waiting.exec(&["namespaces"]), {
        let pid = waiting.state()["pid"].as_i64().unwrap();
        let link = |kind: &&str| {
            format!(
                "{}\n",
                fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().display()
            )
        };
        ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]
            .iter()
            .map(link)
            .collect::<String>()
    });
    let exec = |arguments: &[&str]| runtime.call(&[&["exec"], arguments].concat());
    assert_eq!(
        exec(&[&waiting.id, "probe", "exit", "42"]).status.code(),
        Some(42)
    );
    let user = exec(&[
        "--user",
        "5:6",
        "--cwd",
        "/bin",
        "--env",
        "A=b",
        &waiting.id,
        "probe",
        "ids",
        "--",
        "cwd",
        "--",
        "env",
    ]);
    assert_eq!(
        text(&user.stdout),
        "uid=5 gid=6 groups=\n/bin\nPATH=/bin\nA=b\nHOME=/\n"
    );
    let missing = exec(&[&waiting.id, "nothing"]);
    assert_eq!(
        text(&missing.stderr),
        "gantry: exec: \"nothing\": executable file not found in $PATH\n"
    );
    assert_eq!(waiting.finish(), 0);
}

#[test]
fn exec_keeps_the_limits_of_a_user_namespace() {
    let runtime = Runtime::gantry();
    let waiting = Waiting::start(&runtime, super::cases::map_users);
    assert_eq!(
        waiting.exec(&["ids", "--", "cat", "/proc/self/uid_map"]),
        "uid=0 gid=0 groups=\n         0     100000      65536\n"
    );
    assert_eq!(waiting.finish(), 0);
}

#[test]
fn limits_hold_for_the_program_and_for_exec() {
    let runtime = Runtime::gantry();
    let waiting = Waiting::start(&runtime, |bundle| {
        bundle.set(
            "/linux/resources",
            json!({"memory": {"limit": 33_554_432}, "pids": {"limit": 8}}),
        );
    });
    let cgroups = waiting.cgroups();
    let read = |file: &str| {
        cgroups
            .iter()
            .find_map(|dir| fs::read_to_string(format!("{dir}/{file}")).ok())
    };
    let memory = read("memory.limit_in_bytes")
        .or_else(|| read("memory.max"))
        .unwrap();
    assert_eq!(
        (memory.trim(), read("pids.max").unwrap().trim()),
        ("33554432", "8")
    );
    let eaten = runtime.call(&["exec", &waiting.id, "probe", "eat", "100000000"]);
    assert_eq!(eaten.status.code(), Some(137), "{eaten:?}");
    assert_eq!(waiting.finish(), 0);
}

/// Whenever `create` is killed, a forced delete clears what there is.
#[test]
fn a_killed_create_leaves_nothing_that_delete_cannot_clear() {
    let runtime = Runtime::gantry();
    for microseconds in (0..12_000).step_by(700) {
        let bundle = Bundle::new(config(), &["probe", "wait"]);
        let id = unique("killed");
        let mut command = runtime.command(&["create", "--bundle", path(bundle.path()), &id]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let after = std::time::Duration::from_micros(microseconds);
        // How far it has come is chance; the test holds for every moment.
        sys::poll::readable_within(
            rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).unwrap(),
            after,
        )
        .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        runtime.ok(&["delete", "--force", &id]);
        let left = cgroups(&id);
        assert!(left.is_empty(), "{microseconds} us: {left:?}");
    }
    assert!(runtime.left().is_empty(), "{:?}", runtime.left());
}

#[test]
fn a_hook_that_does_not_read_does_not_hold_up_a_long_state() {
    let runtime = Runtime::gantry();
    let mut bundle = Bundle::new(config(), &["probe", "true"]);
    bundle.set("/annotations", json!({"long": "x".repeat(200_000)}));
    bundle.set("/hooks", json!({"prestart": [{"path": "/bin/true"}]}));
    assert!(runtime.run(&bundle).status.success());
}

#[test]
fn all_processes_are_paused_listed_limited_and_killed() {
    let runtime = Runtime::gantry();
    let mut waiting = Waiting::start(&runtime, |_| ());
    runtime.ok(&["pause", &waiting.id]);
    assert_eq!(waiting.state()["status"], "paused");
    runtime.ok(&["resume", &waiting.id]);
    assert_eq!(waiting.state()["status"], "running");

    let pids: Vec<u64> = serde_json::from_str(&runtime.ok(&["ps", "--format", "json", &waiting.id])).unwrap();
    assert_eq!(pids, [waiting.state()["pid"].as_u64().unwrap()]);

    let limits = waiting.bundle.path().join("limits.json");
    fs::write(
        &limits,
        r#"{"pids": {"limit": 5}, "memory": {"limit": 67108864}}"#,
    )
    .unwrap();
    runtime.ok(&["update", "--resources", path(&limits), &waiting.id]);
    let cgroups = waiting.cgroups();
    let pids_max = cgroups
        .iter()
        .find_map(|dir| fs::read_to_string(format!("{dir}/pids.max")).ok())
        .unwrap();
    assert_eq!(pids_max, "5\n");

    runtime.ok(&["kill", "--all", &waiting.id, "KILL"]);
    assert_eq!(waiting.child.wait().unwrap().code(), Some(137));
}

#[test]
fn hooks_run_in_order_and_see_the_state() {
    let runtime = Runtime::gantry();
    let mut bundle = Bundle::new(config(), &["probe", "true"]);
    let log = bundle.path().join("log");
    let hook = |name: &str| {
        let script = format!("(echo {name}; cat; echo) >> {}", log.display());
        json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}])
    };
    let inside = json!([{"path": "/bin/probe", "args": ["probe", "write", "/inside", "x"]}]);
    bundle.set(
        "/hooks",
        json!({
            "prestart": hook("prestart"),
            "createRuntime": hook("createRuntime"),
            "createContainer": hook("createContainer"),
            "startContainer": inside,
            "poststart": hook("poststart"),
            "poststop": hook("poststop"),
        }),
    );
    let id = unique("hooks");
    runtime.create(&bundle, &id, &[]);
    runtime.ok(&["start", &id]);
    runtime.ok(&["delete", "--force", &id]);
    assert!(bundle.rootfs("/inside").exists());
    let log = fs::read_to_string(log).unwrap();
    let seen: Vec<(&str, Value)> = log
        .lines()
        .collect::<Vec<_>>()
        .chunks(2)
        .map(|pair| {
            (
                pair[0],
                serde_json::from_str::<Value>(pair[1]).unwrap()["status"].clone(),
            )
        })
        .collect();
    let expected = ["prestart", "createRuntime", "createContainer"].map(|name| (name, json!("creating")));
    assert_eq!(seen[..3], expected, "{log}");
    assert_eq!(seen[4], ("poststop", json!("stopped")), "{log}");
}

#[test]
fn a_failing_hook_undoes_the_container() {
    let runtime = Runtime::gantry();
    let mut bundle = Bundle::new(config(), &["probe", "true"]);
    bundle.set("/hooks", json!({"createRuntime": [{"path": "/bin/false"}]}));
    let output = runtime.run(&bundle);
    assert!(
        text(&output.stderr).contains("createRuntime hook /bin/false: exit status 1"),
        "{output:?}"
    );
    let mut slow = Bundle::new(config(), &["probe", "true"]);
    slow.set(
        "/hooks",
        json!({"prestart": [{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]}),
    );
    assert!(text(&runtime.run(&slow).stderr).contains("still running after 1 s"));
    assert!(runtime.left().is_empty());
}

#[test]
fn a_terminal_is_the_programs_own() {
    let runtime = Runtime::gantry();
    let mut bundle = Bundle::new(config(), &["probe", "tty"]);
    bundle.set("/process/terminal", json!(true));
    bundle.set("/process/consoleSize", json!({"height": 24, "width": 91}));
    let output = runtime.run(&bundle);
    assert_eq!(
        text(&output.stdout),
        "24x91 console=true controlling=true\r\n",
        "{output:?}"
    );

    let waiting = Waiting::start(&runtime, |_| ());
    let exec = runtime.call(&["exec", "--tty", &waiting.id, "probe", "stat", "/dev/console"]);
    assert!(text(&exec.stdout).contains("No such file"), "{exec:?}");
    assert_eq!(waiting.finish(), 0);
}

#[test]
fn a_terminal_goes_to_the_console_socket() {
    let runtime = Runtime::gantry();
    let mut bundle = Bundle::new(config(), &["probe", "wait"]);
    bundle.set("/process/terminal", json!(true));
    let socket = bundle.path().join("console.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let id = unique("console");
    runtime.create(&bundle, &id, &["--console-socket", path(&socket)]);
    let (connection, _) = listener.accept().unwrap();
    let packet = sys::socket::SeqPacket::from(std::os::fd::OwnedFd::from(connection))
        .receive(&mut [0; 64])
        .unwrap();
    let mut master = fs::File::from(packet.descriptors.into_iter().next().unwrap());
    runtime.ok(&["start", &id]);
    let mut line = [0; 7];
    master.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"ready\r\n");
    master.write_all(&[4]).unwrap();
    runtime.ok(&["delete", "--force", &id]);
}

#[test]
fn init_reaps_and_passes_on_how_the_program_ended() {
    let runtime = Runtime::gantry();
    let bundle = Bundle::new(config(), &["probe", "status", "Pid", "--", "exit", "9"]);
    let output = runtime.call(&["run", "--init", "--bundle", path(bundle.path()), &unique("init")]);
    assert_eq!(
        (text(&output.stdout).as_str(), output.status.code()),
        ("Pid: 2\n", Some(9))
    );
}

#[test]
fn namespaces_of_another_container_are_joined() {
    let runtime = Runtime::gantry();
    let first = Waiting::start(&runtime, |bundle| {
        bundle.set("/hostname", json!("shared"));
    });
    let pid = first.state()["pid"].as_i64().unwrap();
    let mut bundle = Bundle::new(config(), &["probe", "hostname", "--", "status", "NSpid"]);
    bundle.set("/hostname", json!(""));
    let joined = |kind: &str, file: &str| json!({"type": kind, "path": format!("/proc/{pid}/ns/{file}")});
    bundle.set(
        "/linux/namespaces",
        json!([
            joined("uts", "uts"), joined("network", "net"), joined("ipc", "ipc"), joined("pid", "pid"),
            {"type": "mount"}, {"type": "cgroup"},
        ]),
    );
    let output = runtime.run(&bundle);
    let out = text(&output.stdout);
    assert!(
        out.starts_with("shared\nNSpid: ") && !out.contains("NSpid: 1\n"),
        "{output:?}"
    );
    assert_eq!(first.finish(), 0);
}

/// A configuration that cannot be honoured, and a part of the error that says so.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "/process/args",
        r#"["nothing"]"#,
        "exec: \"nothing\": executable file not found in $PATH",
    ),
    ("/process/args", r#"["/bin"]"#, "exec: \"/bin\": is a directory"),
    (
        "/process/args",
        r#"["/no/such"]"#,
        "exec: \"/no/such\": stat /no/such: no such file or directory",
    ),
    ("/process/args", "[]", "process.args is required"),
    ("/process/args", r#"["a\u0000b"]"#, "NUL byte"),
    ("/process/cwd", "7", "process.cwd: invalid type: integer"),
    (
        "/process/apparmorProfile",
        r#""x""#,
        "process.apparmorProfile is not supported: AppArmor is not enabled on this host",
    ),
    (
        "/process/selinuxLabel",
        r#""x""#,
        "process.selinuxLabel is not supported",
    ),
    (
        "/process/user",
        r#"{"uid": -1}"#,
        "process.user.uid: invalid value",
    ),
    ("/root/path", r#""nowhere""#, "No such file or directory"),
    (
        "/mounts",
        r#"[{"destination": "/x", "type": "nofs"}]"#,
        "Filesystem out=",
    ),
    (
        "/mounts",
        r#"[{"destination": "/x", "type": "bind", "source": "/no/such"}]"#,
        "No such file or directory",
    ),
    (
        "/mounts",
        r#"[{"destination": "/x", "type": "tmpfs", "options": ["size=lots"]}]"#,
        "Invalid argument",
    ),
    (
        "/mounts",
        r#"[{"destination": "/x", "type": "tmpfs", "options": ["idmap"]}]"#,
        "option \"idmap\" of /x",
    ),
    (
        "/linux/namespaces",
        "[]",
        "a container has a mount namespace of its own",
    ),
    (
        "/linux/namespaces",
        r#"[{"type":"mount"},{"type":"mount"}]"#,
        "mount is named twice",
    ),
    (
        "/linux/namespaces",
        r#"[{"type":"mount"},{"type":"user"}]"#,
        "needs linux.uidMappings",
    ),
    (
        "/linux/namespaces",
        r#"[{"type":"mount"},{"type":"uts"},{"type":"network","path":"/no/ns"}]"#,
        "cannot open namespace /no/ns",
    ),
    (
        "/linux/namespaces",
        r#"[{"type":"mountain"}]"#,
        "linux.namespaces[0].type: unknown variant",
    ),
    (
        "/linux/sysctl",
        r#"{"kernel.pid_max": "100"}"#,
        "it would change the host",
    ),
    (
        "/linux/intelRdt",
        r#"{"closID": "x"}"#,
        "linux.intelRdt is not supported",
    ),
    ("/linux/cgroupsPath", r#""/a/../../b""#, "has a .. in it"),
    (
        "/linux/resources",
        r#"{"unified": {"memory.high/../x": "1"}}"#,
        "is not a file name",
    ),
    (
        "/linux/seccomp",
        r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#,
        "SCMP_ACT_NOTIFY",
    ),
];

#[test]
fn what_cannot_be_done_fails_with_its_reason_and_leaves_nothing() {
    let runtime = Runtime::gantry();
    for (pointer, value, reason) in REFUSED {
        let mut bundle = Bundle::new(config(), &["probe", "true"]);
        bundle.set(pointer, serde_json::from_str(value).unwrap());
        let output = runtime.run(&bundle);
        let error = text(&output.stderr);
        assert!(
            error.contains(reason) && output.status.code() == Some(1),
            "{pointer} = {value}: {error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert!(runtime.left().is_empty(), "{:?}", runtime.left());
}

#[test]
fn a_configuration_has_a_largest_size() {
    let runtime = Runtime::gantry();
    let bundle = Bundle::new(config(), &["probe", "true"]);
    fs::OpenOptions::new()
        .write(true)
        .open(bundle.path().join("config.json"))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    let error = text(&runtime.run(&bundle).stderr);
    assert!(error.contains("larger than 16777216 bytes"), "{error}");
}

#[test]
fn a_container_that_never_was_is_deleted_by_force_only() {
    let runtime = Runtime::gantry();
    assert_eq!(runtime.call(&["delete", "nobody"]).status.code(), Some(1));
    assert_eq!(
        runtime.call(&["delete", "--force", "nobody"]).status.code(),
        Some(0)
    );
    assert_eq!(runtime.call(&["kill", "../etc"]).status.code(), Some(1));
    assert_eq!(runtime.call(&["kill", "nobody", "NOSUCH"]).status.code(), Some(2));
}
