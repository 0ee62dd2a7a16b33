//! Known escapes, tried as root in a container. Each test also shows that it would notice success.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use testkit::Bundle;

use super::cases::{Runtime, config, map_users, path, text, unique};
use super::lifecycle::Waiting;

/// Writes to the executable of a process that has ended, as the exploit does: through a
/// descriptor taken while it ran.
fn write_to_executable(executable: &File) -> io::Result<File> {
    use std::os::fd::AsRawFd;
    OpenOptions::new()
        .write(true)
        .open(format!("/proc/self/fd/{}", executable.as_raw_fd()))
}

fn open_executable(pid: u32) -> File {
    OpenOptions::new()
        .read(true)
        .custom_flags(0o10_000_000)
        .open(format!("/proc/{pid}/exe"))
        .unwrap()
}

/// A container whose program is `/proc/self/exe`: the kernel runs gantry inside, and whoever is
/// there may try to write to it.
#[test]
fn cve_2019_5736_the_runtime_cannot_be_overwritten() {
    let control = tempfile::tempdir().unwrap();
    let copy = control.path().join("probe");
    fs::copy(testkit::probe(), &copy).unwrap();
    let mut child = Command::new(&copy)
        .arg("wait")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let executable = open_executable(child.id());
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(
        write_to_executable(&executable).is_ok(),
        "an ordinary executable can be overwritten"
    );

    let runtime = Runtime::copied_to(control.path());
    let mut bundle = Bundle::new(config(), &["/proc/self/exe", "version"]);
    let output = runtime.run(&bundle);
    assert!(text(&output.stdout).starts_with("gantry "), "{output:?}");

    // The same, held at its start gate: its executable is the runtime's.
    bundle.set("/process/args", json!(["probe", "true"]));
    let id = unique("cve");
    runtime.create(&bundle, &id, &[]);
    let state: serde_json::Value = serde_json::from_str(&runtime.ok(&["state", &id])).unwrap();
    let executable = open_executable(u32::try_from(state["pid"].as_u64().unwrap()).unwrap());
    runtime.ok(&["delete", "--force", &id]);
    let refused = write_to_executable(&executable).unwrap_err();
    assert_eq!(
        refused.raw_os_error(),
        Some(rustix::io::Errno::ROFS.raw_os_error()),
        "{refused}"
    );
}

/// The image's `/proc` is a link: procfs must not be mounted elsewhere, leaving masks behind.
#[test]
fn cve_2019_19921_proc_is_no_link() {
    let runtime = Runtime::gantry();
    let bundle = Bundle::new(config(), &["probe", "true"]);
    fs::create_dir(bundle.rootfs("/elsewhere")).unwrap();
    symlink("elsewhere", bundle.rootfs("/proc")).unwrap();
    let output = runtime.run(&bundle);
    assert!(text(&output.stderr).contains("path=\"/proc\""), "{output:?}");
    assert_eq!(fs::read_dir(bundle.rootfs("/elsewhere")).unwrap().count(), 0);
}

/// Mount targets that lead out of the root through links stay inside it.
#[test]
fn cve_2021_30465_mounts_stay_in_the_root() {
    let outside = tempfile::tempdir().unwrap();
    let runtime = Runtime::gantry();
    let mut bundle = Bundle::new(config(), &["probe", "write", "/link/made", "x"]);
    let up = format!(
        "{}{}",
        "../".repeat(12),
        path(outside.path()).trim_start_matches('/')
    );
    fs::create_dir_all(bundle.rootfs(path(outside.path()))).unwrap();
    symlink(up, bundle.rootfs("/link")).unwrap();
    bundle.set(
        "/mounts/-",
        json!({"destination": "/link/sub", "type": "tmpfs", "source": "tmpfs"}),
    );
    let output = runtime.run(&bundle);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        fs::read_dir(outside.path()).unwrap().count(),
        0,
        "the host's directory is untouched"
    );
    assert!(
        bundle.rootfs(path(outside.path())).join("made").exists(),
        "the root's own was used"
    );
}

/// The container resolves a path through a descriptor of the host: as working directory, as
/// program, in `run` and in `exec`, with and without a user namespace, through the runtime's own
/// descriptors and through one that the caller left open.
#[test]
fn cve_2024_21626_no_descriptor_of_the_host_leaks() {
    let runtime = Runtime::gantry();
    let etc = File::open("/etc").unwrap();
    let leaked = leak(&etc);
    let waiting = Waiting::start(&runtime, |_| ());
    for number in (3..40).chain([leaked]) {
        let link = format!("/proc/self/fd/{number}");
        for users in [false, true] {
            let mut bundle = Bundle::new(config(), &["probe", "cwd"]);
            if users {
                map_users(&mut bundle);
            }
            symlink(&link, bundle.rootfs("/work")).unwrap();
            for (pointer, value) in [
                ("/process/cwd", json!(link)),
                ("/process/cwd", json!("/work")),
                (
                    "/process/args",
                    json!([format!("{link}/../../../../../bin/true")]),
                ),
            ] {
                let cwd = bundle.config()["process"]["cwd"].clone();
                bundle.set(pointer, value);
                let output = runtime.run(&bundle);
                let inside = text(&output.stdout) == "/\n";
                assert!(!output.status.success() || inside, "{link} {pointer}: {output:?}");
                bundle.set("/process/cwd", cwd);
            }
        }
        let exec = |arguments: &[&str]| runtime.call(&[&["exec"], arguments].concat());
        let output = exec(&["--cwd", &link, &waiting.id, "/bin/probe", "ls", "."]);
        assert!(!output.status.success(), "{link}: {output:?}");
        let program = format!("{link}/../../../../../bin/true");
        assert!(!exec(&[&waiting.id, &program]).status.success(), "{link}");
    }
    assert_eq!(waiting.finish(), 0);
    // That the test would notice: the caller's own child does reach the directory.
    let reached = Command::new("/bin/ls")
        .arg(format!("/proc/self/fd/{leaked}/passwd"))
        .output()
        .unwrap();
    assert!(reached.status.success());
}

/// A duplicate that children inherit.
fn leak(file: &File) -> i32 {
    use std::os::fd::IntoRawFd;
    let copy = rustix::io::fcntl_dupfd_cloexec(file, 40).unwrap();
    rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty()).unwrap();
    copy.into_raw_fd()
}

/// Somebody else's cgroup is neither killed nor removed with the container that names it.
#[test]
fn a_container_cannot_end_what_shares_its_cgroup() {
    let runtime = Runtime::gantry();
    let first = Waiting::start(&runtime, |_| ());
    let group = format!("/{}", first.id);
    let mut second = Bundle::new(config(), &["probe", "true"]);
    second.set("/linux/cgroupsPath", json!(group));
    assert!(runtime.run(&second).status.success());
    second.set("/process/args", json!(["/no/such"]));
    assert!(!runtime.run(&second).status.success());
    assert_eq!(first.state()["status"], "running");
    assert_eq!(first.finish(), 0);
}

/// The image's `/dev/null` is a link to what shall be unmasked: masks come from the host's.
#[test]
fn cve_2025_31133_masks_are_not_the_containers_files() {
    let runtime = Runtime::gantry();
    let mut bundle = Bundle::new(config(), &["probe", "cat", "/secret", "--", "stat", "/secret"]);
    let mounts = config()["mounts"].as_array().unwrap().clone();
    let without_dev: Vec<_> = mounts
        .into_iter()
        .filter(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"))
        .collect();
    bundle.set("/mounts", json!(without_dev));
    fs::create_dir(bundle.rootfs("/dev")).unwrap();
    fs::write(bundle.rootfs("/secret"), "secret").unwrap();
    symlink("/secret", bundle.rootfs("/dev/null")).unwrap();
    bundle.set("/linux/maskedPaths", json!(["/secret"]));
    let output = runtime.run(&bundle);
    assert!(
        !text(&output.stdout).contains("secret\n") || text(&output.stdout).contains("char 1:3"),
        "{output:?}"
    );
    assert!(!text(&output.stdout).starts_with("secret"), "{output:?}");
}

/// A bind mount whose source is a link is resolved on the host, its target in the container.
#[test]
fn a_bind_mount_cannot_reach_over_the_root() {
    let runtime = Runtime::gantry();
    let mut bundle = Bundle::new(config(), &["probe", "cat", "/etc/passwd"]);
    fs::create_dir(bundle.rootfs("/etc")).unwrap();
    symlink("/etc/passwd", bundle.rootfs("/victim")).unwrap();
    fs::write(bundle.path().join("mine"), "mine\n").unwrap();
    fs::write(bundle.rootfs("/etc/passwd"), "").unwrap();
    bundle.set(
        "/mounts/-",
        json!({"destination": "/victim", "type": "bind", "source": "mine", "options": ["bind"]}),
    );
    let output = runtime.run(&bundle);
    assert_eq!(text(&output.stdout), "mine\n", "{output:?}");
    assert_ne!(fs::read_to_string("/etc/passwd").unwrap(), "mine\n");
    assert!(Path::new("/etc/passwd").exists());
}
