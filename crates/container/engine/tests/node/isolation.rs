//! What a container sees and may do: the translation, judged by the kernel.

use engine::spec::{
    ContainerSpec, DeviceMapping, IpcNamespace, MountKind, MountSpec, Seccomp, Ulimit, UtsNamespace,
};

use crate::fixture::*;

/// What the probe says in a container of this kind, and its exit code.
fn said(commands: &[&str], set: impl FnOnce(&mut ContainerSpec)) -> (String, i32) {
    let mut spec = spec(commands);
    set(&mut spec);
    let mut answer = None;
    on_node(async |daemon| {
        let id = daemon.run("box", spec).await;
        let code = daemon.wait(&id).await.code;
        answer = Some((daemon.output(&id).await, code));
    });
    answer.unwrap()
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[track_caller]
fn has(said: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            said.lines().any(|each| each == *line),
            "no line {line:?} in\n{said}"
        );
    }
}

#[test]
fn a_plain_container_has_docker_s_rights_and_no_more() {
    let commands = [
        "status",
        "CapBnd",
        "CapEff",
        "NoNewPrivs",
        "Seccomp",
        "--",
        "stat",
        "/proc/interrupts",
        "/dev/shm",
    ];
    let (text, code) = said(&commands, |_| {});
    assert_eq!(code, 0, "{text}");
    has(
        &text,
        &[
            "CapBnd: 00000000a80425fb",
            "CapEff: 00000000a80425fb",
            "NoNewPrivs: 0",
            "Seccomp: 2",
        ],
    );
    has(
        &text,
        &["/proc/interrupts char 1:3 0666 0:0", "/dev/shm dir 1777 0:0"],
    );
    let (text, code) = said(&["write", "/proc/sys/kernel/domainname", "x"], |_| {});
    assert_ne!(code, 0, "{text}");
}

#[test]
fn a_privileged_container_is_not_confined() {
    let commands = [
        "status",
        "Seccomp",
        "--",
        "write",
        "/proc/sys/kernel/domainname",
        "x",
        "--",
        "domainname",
    ];
    let (text, code) = said(&commands, |spec| spec.isolation.privileged = true);
    assert_eq!(code, 0, "{text}");
    has(&text, &["Seccomp: 0", "x"]);
}

#[test]
fn rights_are_added_dropped_and_switched_off() {
    let commands = ["status", "CapBnd", "NoNewPrivs", "Seccomp"];
    let (text, _) = said(&commands, |spec| {
        spec.isolation.capabilities.drop = owned(&["ALL"]);
        spec.isolation.capabilities.add = owned(&["kill"]);
        spec.isolation.no_new_privileges = true;
        spec.isolation.seccomp = Seccomp::Unconfined;
    });
    has(
        &text,
        &["CapBnd: 0000000000000020", "NoNewPrivs: 1", "Seccomp: 0"],
    );
}

#[test]
fn a_program_runs_as_its_user_in_its_directory_with_its_environment() {
    let commands = [
        "ids", "--", "cwd", "--", "env", "--", "hostname", "--", "limit", "open",
    ];
    let (text, code) = said(&commands, |spec| {
        (spec.user, spec.cwd, spec.hostname) = ("web".into(), "/made/for/it".into(), "front".into());
        spec.groups = owned(&["7"]);
        spec.env = owned(&["A=1", "PATH=/x"]);
        spec.resources.ulimits = vec![Ulimit {
            name: "nofile".into(),
            soft: 64,
            hard: 128,
        }];
    });
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("uid=33 gid=44"), "{text}");
    has(
        &text,
        &[
            "/made/for/it",
            "A=1",
            "PATH=/x",
            "HOSTNAME=front",
            "HOME=/srv",
            "front",
        ],
    );
    assert!(text.contains("Max open files 64 128"), "{text}");
}

#[test]
fn the_host_s_names_are_seen_where_they_are_shared() {
    let (text, _) = said(&["hostname"], |spec| spec.isolation.uts = UtsNamespace::Host);
    let own = rustix::system::uname();
    assert_eq!(text.trim(), own.nodename().to_string_lossy());
}

#[test]
fn kernel_parameters_are_the_container_s_own() {
    let commands = [
        "cat",
        "/proc/sys/net/ipv4/ip_unprivileged_port_start",
        "/proc/sys/kernel/shmmni",
    ];
    let (text, code) = said(&commands, |spec| {
        spec.isolation.sysctls = [("kernel.shmmni".to_owned(), "123".to_owned())].into();
    });
    assert_eq!((text.as_str(), code), ("0\n123\n", 0));
}

#[test]
fn a_read_only_root_takes_no_writes_but_memory_does() {
    let memory = |spec: &mut ContainerSpec| {
        spec.read_only_rootfs = true;
        let kind = MountKind::Tmpfs {
            size: 1 << 20,
            mode: Some(0o711),
            options: owned(&["uid=5"]),
        };
        spec.mounts = vec![MountSpec {
            target: "/memory".into(),
            read_only: false,
            kind,
        }];
    };
    let (text, code) = said(&["write", "/memory/x", "y", "--", "stat", "/memory"], memory);
    assert_eq!(code, 0, "{text}");
    has(&text, &["/memory dir 0711 5:0"]);
    let (text, code) = said(&["write", "/x", "y"], memory);
    assert_ne!(code, 0, "{text}");
}

#[test]
fn shared_memory_can_be_left_out() {
    let (text, code) = said(&["stat", "/dev/shm"], |spec| {
        spec.isolation.ipc = IpcNamespace::None;
    });
    assert_ne!(code, 0, "{text}");
}

#[test]
fn devices_are_made_where_they_are_asked_for() {
    let (text, code) = said(&["stat", "/dev/own", "--", "write", "/dev/own", "x"], |spec| {
        spec.resources.devices = vec![DeviceMapping {
            source: "/dev/zero".into(),
            target: "/dev/own".into(),
            permissions: "rw".into(),
        }];
    });
    assert_eq!(code, 0, "{text}");
    has(&text, &["/dev/own char 1:5 0666 0:0"]);
}

#[test]
fn nothing_is_covered_where_system_paths_are_unconfined() {
    let (text, _) = said(&["stat", "/proc/interrupts"], |spec| {
        spec.isolation.masked_paths = Some(vec![]);
        spec.isolation.readonly_paths = Some(vec![]);
    });
    assert!(text.starts_with("/proc/interrupts file"), "{text}");
}
