//! The node as a whole: what `up`, `status`, `down` and the rest promise, and what is left afterwards.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::daemon::{Daemon, Kind};

use crate::cases::path;

fn started() -> Daemon {
    Daemon::start(Kind::Gantry)
}

fn status(daemon: &Daemon) -> Value {
    serde_json::from_str(&daemon.gantry_ok(&["status", "-o", "json"])).unwrap()
}

fn signal(pid: &Value, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid.as_u64().unwrap()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Directories of the node's groups in every hierarchy.
fn groups(daemon: &Daemon) -> Vec<PathBuf> {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
    let mut all: Vec<PathBuf> = hierarchies.map(|entry| entry.path().join(&daemon.name)).collect();
    all.push(Path::new("/sys/fs/cgroup").join(&daemon.name));
    all.into_iter().filter(|dir| dir.is_dir()).collect()
}

/// Whatever the kernel still has of the node.
fn left(daemon: &Daemon) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut left: Vec<String> = mounts
        .lines()
        .filter(|line| line.contains(path(&daemon.directory)))
        .map(str::to_owned)
        .collect();
    left.extend(groups(daemon).iter().map(|dir| dir.display().to_string()));
    let links = daemon.namespace.command("busybox ip -o link").output().unwrap();
    let links = String::from_utf8(links.stdout).unwrap();
    left.extend(
        links
            .lines()
            .filter(|line| !line.contains(" lo:"))
            .map(str::to_owned),
    );
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        let daemon_of_it = command.contains("\0daemon\0") || command.contains("\0supervisor\0");
        if daemon_of_it && command.contains(path(&daemon.directory)) {
            left.push(command.replace('\0', " "));
        }
    }
    left
}

fn sockets(daemon: &Daemon) -> Vec<String> {
    let Ok(entries) = fs::read_dir(daemon.run_dir()) else {
        return Vec::new();
    };
    let sockets = entries
        .flatten()
        .filter(|entry| entry.file_type().unwrap().is_socket());
    sockets
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn up_says_where_its_time_went_and_down_leaves_nothing() {
    let daemon = Daemon::prepare(Kind::Gantry);
    let up: Value = serde_json::from_str(&daemon.gantry_ok(&["up", "-d", "-o", "json"])).unwrap();
    assert_eq!(up["state"], "ready");
    let stages = up["stages"].as_array().unwrap();
    let sum: f64 = stages.iter().map(|stage| stage["ms"].as_f64().unwrap()).sum();
    let whole = up["ready_ms"].as_f64().unwrap();
    assert!(
        (sum - whole).abs() <= 0.05 * whole,
        "{sum} of {whole}: {stages:?}"
    );

    let again: Value = serde_json::from_str(&daemon.gantry_ok(&["up", "-d", "-o", "json"])).unwrap();
    assert_eq!((&again["pid"], &again["state"]), (&up["pid"], &up["state"]));
    assert_eq!(status(&daemon)["supervisor_pid"], up["supervisor_pid"]);
    let host = format!("unix://{}/docker.sock", path(&daemon.run_dir()));
    assert_eq!(up["docker_host"], host.as_str());
    let kubeconfig = daemon.directory.join("data/kubeconfig");
    assert_eq!(up["kubeconfig"], path(&kubeconfig));
    assert_eq!(
        daemon.gantry_ok(&["env"]),
        format!(
            "export DOCKER_HOST={host}\nexport KUBECONFIG={}\n",
            path(&kubeconfig)
        )
    );
    assert_eq!(
        fs::metadata(&kubeconfig).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(daemon.gantry_ok(&["logs"]).contains("ready"));
    for (file, pid) in [
        ("gantry.pid", &up["pid"]),
        ("supervisor.pid", &up["supervisor_pid"]),
    ] {
        let text = fs::read_to_string(daemon.run_dir().join(file)).unwrap();
        assert_eq!(text.trim(), pid.to_string());
    }
    let mode = |name| {
        fs::metadata(daemon.run_dir().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("docker.sock"), mode("control.sock")), (0o660, 0o600));
    assert!(!groups(&daemon).is_empty());

    daemon.gantry_ok(&["down"]);
    assert_eq!(left(&daemon), Vec::<String>::new());
    assert_eq!(sockets(&daemon), Vec::<String>::new());
    let (code, _) = daemon.gantry_fails(&["status"]);
    assert_eq!(code, 3);
    assert_eq!(daemon.gantry_fails(&["down"]).0, 3);
}

#[test]
fn the_second_comer_is_told_who_was_first() {
    let first = started();
    let pid = status(&first)["pid"].to_string();
    let second = Daemon::prepare(Kind::Gantry);
    let data = path(&first.directory).to_owned() + "/data";
    let (code, error) = second.gantry_fails(&["up", "-d", "--data-dir", &data]);
    assert_eq!(code, 4, "{error}");
    assert!(error.contains(&pid) && error.contains("gantry daemon"), "{error}");
    assert_eq!(left(&second), Vec::<String>::new(), "a failed start is undone");

    let (code, error) = second.gantry_fails(&["up", "-d", "--run-dir", path(&first.run_dir())]);
    assert_eq!(code, 4, "{error}");
    assert!(error.contains(&pid), "{error}");

    let socket = second.directory.join("taken.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let (code, error) = second.gantry_fails(&["up", "-d", "--docker-socket", path(&socket)]);
    assert_eq!(code, 4, "{error}");
    assert!(error.contains(&std::process::id().to_string()), "{error}");
    assert!(socket.exists(), "somebody else's socket is left alone");
}

/// Links, rules and cgroups are named after it.
#[test]
fn a_name_is_one_nodes() {
    let first = started();
    first.load_images();
    let pid = status(&first)["supervisor_pid"].to_string();
    let second = Daemon::prepare_in(Kind::Gantry, first.namespace.clone());
    let (code, error) = second.gantry_fails(&["up", "-d", "--name", &first.name]);
    assert_eq!(code, 4, "{error}");
    let name = format!("the name {:?} is in use by process {pid} ", first.name);
    assert!(error.contains(&name), "{error}");
    assert_eq!(first.ok(&["run", "--rm", "busybox", "echo", "well"]), "well\n");
}

#[test]
fn a_node_of_another_name_is_left_alone() {
    let node = started();
    for words in [
        &["down", "--name", "other"][..],
        &["status", "--name", "other"],
        &["up", "-d", "--name", "other"],
    ] {
        let (code, error) = node.gantry_fails(words);
        assert_eq!(code, 4, "{words:?}: {error}");
        let whose = format!("belongs to the node {:?}", node.name);
        assert!(error.contains(&whose), "{words:?}: {error}");
    }
    assert_eq!(status(&node)["state"], "ready");
}

#[test]
fn a_reader_that_has_enough_is_no_panic() {
    let daemon = Daemon::prepare(Kind::Gantry);
    for words in [&["completion", "zsh"][..], &["oci", "--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = daemon.gantry(words).stdout(writer).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!error.contains("panicked"), "{words:?}: {error}");
    }
}

#[test]
fn mistakes_have_their_own_exit_codes() {
    let daemon = Daemon::prepare(Kind::Gantry);
    let file = daemon.directory.join("gantry.yaml");
    fs::write(&file, "name: x\nnmae: y\n").unwrap();
    let (code, error) = daemon.gantry_fails(&["up", "--config", path(&file)]);
    assert_eq!(code, 2);
    assert!(
        error.contains("gantry.yaml:2: ") && error.contains("nmae"),
        "{error}"
    );
    for wrong in [
        &["up", "--name", "A"][..],
        &["up", "--kubelet-port", "65536"],
        &["reset"],
    ] {
        assert_eq!(daemon.gantry_fails(wrong).0, 2, "{wrong:?}");
    }
    let (code, error) = daemon.gantry_fails(&["up", "-d", "--wait", "0s"]);
    assert_eq!(code, 124, "{error}");
    daemon.gantry_ok(&["up", "-d"]);
    daemon.gantry_ok(&["down"]);
    fs::write(daemon.directory.join("data/VERSION"), "99\n").unwrap();
    let (code, error) = daemon.gantry_fails(&["up", "-d"]);
    assert!(code == 1 && error.contains("layout \"99\""), "{error}");
    assert_eq!(left(&daemon), Vec::<String>::new());
}

#[test]
fn only_root_can_start_a_node() {
    let daemon = Daemon::prepare(Kind::Gantry);
    let copy = daemon.directory.join("gantry");
    fs::copy(env!("CARGO_BIN_EXE_gantry"), &copy).unwrap();
    let mut command = daemon
        .namespace
        .command("setpriv --reuid 65534 --regid 65534 --clear-groups");
    let output = command.arg(&copy).args(["up", "-d"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("root"));
}

#[test]
fn a_killed_daemon_is_back_within_a_second() {
    let daemon = started();
    let old = status(&daemon);
    signal(&old["pid"], Signal::KILL);
    // `up` waits for the next daemon, as any command does that needs one.
    let begun = sys::clock::boottime();
    let new: Value = serde_json::from_str(&daemon.gantry_ok(&["up", "-d", "-o", "json"])).unwrap();
    let took = sys::clock::boottime() - begun;
    assert_ne!(new["pid"], old["pid"]);
    assert_eq!(new["supervisor_pid"], old["supervisor_pid"]);
    assert!(took.as_secs() < 5, "{took:?}");
    daemon.gantry_ok(&["down"]);
    assert_eq!(left(&daemon), Vec::<String>::new());
}

#[test]
fn the_supervisor_outlives_the_daemon_where_containers_are_kept() {
    let daemon = started();
    let old = status(&daemon);
    daemon.gantry_ok(&["down", "--keep-containers"]);
    let stopped = daemon.gantry(&["status", "-o", "json"]).output().unwrap();
    assert_eq!(stopped.status.code(), Some(3));
    let stopped: Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert_eq!(
        (&stopped["state"], &stopped["supervisor_pid"]),
        (&"stopped".into(), &old["supervisor_pid"])
    );
    daemon.gantry_ok(&["up", "-d"]);
    assert_eq!(status(&daemon)["supervisor_pid"], old["supervisor_pid"]);

    let before = status(&daemon);
    daemon.gantry_ok(&["restart"]);
    let after = status(&daemon);
    assert_eq!(after["supervisor_pid"], old["supervisor_pid"]);
    assert_ne!(after["pid"], before["pid"]);
}

#[test]
fn in_the_foreground_it_stops_on_ctrl_c() {
    let daemon = Daemon::prepare(Kind::Gantry);
    let mut up = daemon.gantry(&["up"]);
    let mut up = up.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let ready = lines.find(|line| line.contains("DOCKER_HOST"));
    assert!(ready.is_some());
    signal(&up.id().into(), Signal::INT);
    let output = up.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopping"));
    assert_eq!(left(&daemon), Vec::<String>::new());
}

#[test]
fn reset_leaves_no_data_and_deletes_nothing_that_is_not_ours() {
    let daemon = started();
    daemon.gantry_ok(&["reset", "--yes"]);
    assert!(!daemon.directory.join("data").exists());
    assert_eq!(left(&daemon), Vec::<String>::new());
    let foreign = daemon.directory.join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("precious"), "x").unwrap();
    let (_, error) = daemon.gantry_fails(&["reset", "--yes", "--data-dir", path(&foreign)]);
    assert!(error.contains("no VERSION"), "{error}");
    assert!(foreign.join("precious").exists());
}

#[test]
fn check_names_everything_that_a_node_needs() {
    let daemon = Daemon::prepare(Kind::Gantry);
    let rows: Vec<Value> = serde_json::from_str(&daemon.gantry_ok(&["check", "-o", "json"])).unwrap();
    assert!(
        rows.iter()
            .all(|row| row["required"] == false || row["state"] == "ok"),
        "{rows:?}"
    );
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    for name in ["root", "overlay", "cgroup memory", "CAP_SYS_RESOURCE"] {
        assert!(names.contains(&name), "{names:?}");
    }
}
