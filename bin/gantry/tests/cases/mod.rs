//! What a container sees, as data: a change to the configuration, the probe's commands, and what
//! it must print. The same cases run on `gantry oci` (`node.rs`) and, to prove the cases
//! themselves, on runc (`clients.rs`).

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "a module of a test binary")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::Bundle;

/// A runtime under test, with a state directory of its own.
pub struct Runtime {
    program: PathBuf,
    prefix: &'static [&'static str],
    state: TempDir,
}

impl Runtime {
    pub fn gantry() -> Self {
        Self::new(env!("CARGO_BIN_EXE_gantry"), &["oci"])
    }

    pub fn runc() -> Self {
        Self::new("runc", &[])
    }

    /// `gantry oci` from an executable that no other test runs.
    pub fn copied_to(directory: &Path) -> Self {
        let copy = directory.join("gantry");
        std::fs::copy(env!("CARGO_BIN_EXE_gantry"), &copy).unwrap();
        Self::new(path(&copy), &["oci"])
    }

    fn new(program: &str, prefix: &'static [&'static str]) -> Self {
        let state = tempfile::Builder::new()
            .prefix("gantry-state-")
            .tempdir()
            .unwrap();
        Self {
            program: program.into(),
            prefix,
            state,
        }
    }

    /// A command of this runtime.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(self.prefix)
            .arg("--root")
            .arg(self.state.path())
            .args(arguments);
        command.stdin(Stdio::null());
        command
    }

    pub fn call(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The call's standard output, if it exits with 0.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Creates a container that inherits none of the test's streams, and waits for `start`.
    #[track_caller]
    pub fn create(&self, bundle: &Bundle, id: &str, options: &[&str]) {
        let arguments = [&["create", "--bundle", path(bundle.path())], options, &[id]].concat();
        let mut command = self.command(&arguments);
        let status = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{arguments:?}: {status}");
    }

    /// Runs the bundle in the foreground as a container of a name that no other test has.
    pub fn run(&self, bundle: &Bundle) -> Output {
        self.call(&["run", "--bundle", path(bundle.path()), &unique("run")])
    }

    /// What is left in the state directory.
    pub fn left(&self) -> Vec<String> {
        std::fs::read_dir(self.state.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }
}

/// A test that fails leaves no container behind either.
impl Drop for Runtime {
    fn drop(&mut self) {
        let left = std::fs::read_dir(self.state.path())
            .into_iter()
            .flatten()
            .flatten();
        for id in left.map(|entry| entry.file_name()) {
            let id = id.to_string_lossy();
            let mut command = self.command(&["delete", "--force", &id]);
            let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A container id that no other test of this or any other run has.
pub fn unique(name: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "gt-{name}-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// The configuration that both runtimes print as their example, made small.
pub fn config() -> Value {
    let mut config: Value = serde_json::from_str(&example()).unwrap();
    config["root"]["readonly"] = json!(false);
    config
}

fn example() -> String {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
    let status = command
        .args(["oci", "spec", "--bundle", path(directory.path())])
        .status()
        .unwrap();
    assert!(status.success());
    std::fs::read_to_string(directory.path().join("config.json")).unwrap()
}

/// One case: a container that is changed in some way and must then print exactly this.
pub struct Case {
    pub name: &'static str,
    pub change: fn(&mut Bundle),
    pub commands: &'static str,
    pub prints: &'static str,
    /// Why runc 1.1 cannot show it, if so.
    pub not_runc: Option<&'static str>,
}

impl Case {
    /// Runs the case; `Err` says what was printed instead.
    pub fn check(&self, runtime: &Runtime) -> Result<(), String> {
        let arguments: Vec<&str> = std::iter::once("probe").chain(self.commands.split(' ')).collect();
        let mut bundle = Bundle::new(config(), &arguments);
        (self.change)(&mut bundle);
        let output = runtime.run(&bundle);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        if out.trim() == self.prints.trim() && output.status.success() {
            return Ok(());
        }
        Err(format!(
            "{}: {:?}\n--- printed\n{out}--- wanted\n{}\n--- errors\n{err}",
            self.name, output.status, self.prints
        ))
    }
}

const fn case(
    name: &'static str,
    commands: &'static str,
    prints: &'static str,
    change: fn(&mut Bundle),
) -> Case {
    Case {
        name,
        change,
        commands,
        prints,
        not_runc: None,
    }
}

const fn newer(why: &'static str, case: Case) -> Case {
    Case {
        not_runc: Some(why),
        ..case
    }
}

fn mount(bundle: &mut Bundle, mount: Value) {
    bundle.set("/mounts/-", mount);
}

pub const CASES: &[Case] = &[
    case("the root user by default", "ids", "uid=0 gid=0 groups=", |_| ()),
    case(
        "user and groups",
        "ids",
        "uid=1000 gid=1001 groups=5,1001,2000",
        |bundle| {
            bundle.set(
                "/process/user",
                json!({"uid": 1000, "gid": 1001, "additionalGids": [5, 1001, 2000]}),
            );
        },
    ),
    case("umask", "umask", "0027", |bundle| {
        bundle.set("/process/user", json!({"uid": 0, "gid": 0, "umask": 0o027}));
    }),
    case("the default umask", "umask", "0022", |_| ()),
    case(
        "the environment and nothing else",
        "env",
        "PATH=/bin\nA=1=2\nHOME=/",
        |bundle| {
            bundle.set("/process/env", json!(["PATH=/bin", "A=1=2", "HOME=/"]));
        },
    ),
    case(
        "HOME from the image's users",
        "env",
        "PATH=/bin\nHOME=/srv/web",
        |bundle| {
            std::fs::create_dir(bundle.rootfs("/etc")).unwrap();
            std::fs::write(
                bundle.rootfs("/etc/passwd"),
                "root:x:0:0::/root:\nweb:x:33:33::/srv/web:\n",
            )
            .unwrap();
            bundle.set("/process/user", json!({"uid": 33, "gid": 33}));
        },
    ),
    case("HOME without users", "env", "PATH=/bin\nHOME=/", |_| ()),
    case(
        "a working directory that is made",
        "cwd",
        "/work/here",
        |bundle| {
            bundle.set("/process/cwd", json!("/work/here"));
        },
    ),
    case("host name", "hostname", "web-0", |bundle| {
        bundle.set("/hostname", json!("web-0"));
    }),
    newer(
        "domainname came with runtime-spec 1.1",
        case("domain name", "domainname", "example", |bundle| {
            bundle.set("/domainname", json!("example"));
        }),
    ),
    case(
        "process 1 of its own namespace",
        "status Pid PPid NSpid",
        "Pid: 1\nPPid: 0\nNSpid: 1",
        |_| (),
    ),
    case(
        "capabilities: exactly those named",
        "status CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs",
        // A user that is not root keeps over execve what is ambient (capabilities(7)).
        "CapInh: 0000000000000400\nCapPrm: 0000000000000400\nCapEff: 0000000000000400\nCapBnd: 0000000000000421\nCapAmb: 0000000000000400\nNoNewPrivs: 1",
        |bundle| {
            bundle.set("/process/user", json!({"uid": 7, "gid": 7}));
            bundle.set(
                "/process/capabilities",
                json!({
                    "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
                    "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
                    "effective": ["CAP_CHOWN", "CAP_KILL"],
                    "inheritable": ["CAP_NET_BIND_SERVICE"],
                    "ambient": ["CAP_NET_BIND_SERVICE"],
                }),
            );
        },
    ),
    case(
        "no capabilities where none are named",
        "status CapPrm CapEff CapBnd",
        "CapPrm: 0000000000000000\nCapEff: 0000000000000000\nCapBnd: 0000000000000000",
        |bundle| {
            bundle.set("/process/capabilities", json!({}));
        },
    ),
    case(
        "resource limits",
        "limit open",
        "Max open files 64 128 files",
        |bundle| {
            bundle.set(
                "/process/rlimits",
                json!([{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128}]),
            );
        },
    ),
    case(
        "out-of-memory score",
        "cat /proc/self/oom_score_adj",
        "500",
        |bundle| {
            bundle.set("/process/oomScoreAdj", json!(500));
        },
    ),
    case("no descriptors but the three", "fds", "[0, 1, 2]", |_| ()),
    case(
        "default devices",
        "stat /dev/null /dev/tty /dev/ptmx /dev/fd",
        "/dev/null char 1:3 0666 0:0\n/dev/tty char 5:0 0666 0:0\n/dev/ptmx link pts/ptmx 0777 0:0\n/dev/fd link /proc/self/fd 0777 0:0",
        |_| (),
    ),
    case(
        "a device of one's own",
        "stat /dev/fuse2",
        "/dev/fuse2 char 10:229 0640 3:4",
        |bundle| {
            bundle.set("/linux/devices", json!([{"path": "/dev/fuse2", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 3, "gid": 4}]));
        },
    ),
    case(
        "masked file and directory",
        "cat /secret/file -- ls /secret/dir -- cat /plain",
        "plain",
        |bundle| {
            std::fs::create_dir_all(bundle.rootfs("/secret/dir/inside")).unwrap();
            std::fs::write(bundle.rootfs("/secret/file"), "secret").unwrap();
            std::fs::write(bundle.rootfs("/plain"), "plain\n").unwrap();
            bundle.set(
                "/linux/maskedPaths",
                json!(["/secret/file", "/secret/dir", "/not/there"]),
            );
        },
    ),
    case(
        "bind mounts: directory, file, read-only",
        "cat /d/f /f -- stat /d /new/place",
        "bound\nbound\n/d dir 0755 0:0\n/new/place file 6 0644 0:0",
        |bundle| {
            let source = bundle.path().join("source");
            std::fs::create_dir(&source).unwrap();
            std::fs::write(source.join("f"), "bound\n").unwrap();
            mount(
                bundle,
                json!({"destination": "/d", "type": "bind", "source": "source", "options": ["rbind", "ro"]}),
            );
            mount(
                bundle,
                json!({"destination": "/f", "type": "bind", "source": "source/f", "options": ["bind"]}),
            );
            mount(
                bundle,
                json!({"destination": "/new/place", "type": "bind", "source": source.join("f"), "options": ["bind", "ro"]}),
            );
        },
    ),
    case(
        "a link in the root does not lead out of it",
        "ls /",
        "bin dev etc proc real sys",
        |bundle| {
            std::fs::create_dir_all(bundle.rootfs("/real")).unwrap();
            std::fs::create_dir(bundle.rootfs("/etc")).unwrap();
            std::os::unix::fs::symlink("../../../../../../real", bundle.rootfs("/etc/escape")).unwrap();
            mount(
                bundle,
                json!({"destination": "/etc/escape/below", "type": "tmpfs", "source": "tmpfs"}),
            );
        },
    ),
    newer(
        "runc 1.1 gives a new tmpfs 1777 unless it covers something",
        case(
            "a tmpfs has the mode of what it covers",
            "stat /t",
            "/t dir 0750 0:0",
            |bundle| {
                use std::os::unix::fs::PermissionsExt;
                std::fs::create_dir(bundle.rootfs("/t")).unwrap();
                std::fs::set_permissions(bundle.rootfs("/t"), std::fs::Permissions::from_mode(0o750))
                    .unwrap();
                mount(
                    bundle,
                    json!({"destination": "/t/", "type": "tmpfs", "source": "tmpfs"}),
                );
            },
        ),
    ),
    case(
        "a mount over a link to nothing",
        "cat /etc/resolv.conf -- cat /run/systemd/resolv.conf",
        "dns\ndns",
        |bundle| {
            std::fs::create_dir(bundle.rootfs("/etc")).unwrap();
            std::os::unix::fs::symlink("../run/systemd/resolv.conf", bundle.rootfs("/etc/resolv.conf"))
                .unwrap();
            std::fs::write(bundle.path().join("dns"), "dns\n").unwrap();
            mount(
                bundle,
                json!({"destination": "/etc/resolv.conf", "type": "bind", "source": "dns", "options": ["bind"]}),
            );
        },
    ),
    case(
        "standard streams are the user's",
        "write /dev/stdout mine",
        "mine",
        |bundle| {
            bundle.set("/process/user", json!({"uid": 1000, "gid": 1000}));
        },
    ),
    newer(
        "sixty-four descriptors are not a limit to mounts",
        case(
            "many read-only mounts",
            "stat /m79",
            "/m79 dir 0700 0:0",
            |bundle| {
                for number in 0..80 {
                    let options = ["ro", "mode=700"];
                    mount(
                        bundle,
                        json!({"destination": format!("/m{number}"), "type": "tmpfs", "source": "tmpfs", "options": options}),
                    );
                }
            },
        ),
    ),
    case(
        "kernel parameters",
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax",
        "1\n9000",
        |bundle| {
            bundle.set(
                "/linux/sysctl",
                json!({"net.ipv4.ip_forward": "1", "kernel.msgmax": "9000"}),
            );
        },
    ),
    case("tmpfs with options", "stat /t", "/t dir 1777 0:0", |bundle| {
        mount(
            bundle,
            json!({"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "noexec", "mode=1777", "size=1m"]}),
        );
    }),
    newer(
        "time namespaces came with runc 1.2",
        case(
            "clock offsets",
            "cat /proc/self/timens_offsets",
            "monotonic           0         0\nboottime      1000000         0",
            |bundle| {
                bundle.set("/linux/namespaces/-", json!({"type": "time"}));
                bundle.set("/linux/timeOffsets", json!({"boottime": {"secs": 1_000_000}}));
            },
        ),
    ),
    case(
        "user namespace",
        "ids -- cat /proc/self/uid_map -- stat /dev/null /bin",
        "uid=0 gid=0 groups=\n         0     100000      65536\n/dev/null char 1:3 0666 65534:65534\n/bin dir 0755 0:0",
        |bundle| {
            map_users(bundle);
        },
    ),
    newer(
        "personality came with runc 1.2",
        case("personality", "machine", "i686", |bundle| {
            bundle.set("/linux/personality", json!({"domain": "LINUX32"}));
        }),
    ),
    case(
        "seccomp: the errno that the rule names",
        "try mkdir /made",
        "mkdir /made: Value too large for defined data type (os error 75)",
        |bundle| {
            bundle.set(
                "/linux/seccomp",
                json!({
                    "defaultAction": "SCMP_ACT_ALLOW",
                    "architectures": ["SCMP_ARCH_X86_64"],
                    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 75}],
                }),
            );
        },
    ),
];

/// A user namespace, and a root that belongs to its root.
pub fn map_users(bundle: &mut Bundle) {
    for path in ["/", "/bin", "/bin/probe"] {
        std::os::unix::fs::chown(bundle.rootfs(path), Some(100_000), Some(100_000)).unwrap();
    }
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(bundle.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    bundle.set("/linux/namespaces/-", json!({"type": "user"}));
    let mapping = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    bundle.set("/linux/uidMappings", mapping.clone());
    bundle.set("/linux/gidMappings", mapping);
}
