//! A configuration to start from, as `runc spec` writes one: a shell in a terminal, confined.

use crate::capability::CapabilitySet;
use crate::spec::{
    Linux, LinuxCapabilities, LinuxDeviceCgroup, LinuxNamespace, LinuxResources, Mount, NamespaceType,
    OCI_VERSION, PosixRlimit, Process, RlimitType, Root, Spec,
};

/// Paths that a container has no business reading (Docker's and runc's default).
pub const MASKED_PATHS: &[&str] = &[
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Paths that a container has no business writing (Docker's and runc's default).
pub const READONLY_PATHS: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Destination, type, source, options.
const MOUNTS: &[(&str, &str, &str, &[&str])] = &[
    ("/proc", "proc", "proc", &[]),
    (
        "/dev",
        "tmpfs",
        "tmpfs",
        &["nosuid", "strictatime", "mode=755", "size=65536k"],
    ),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        &[
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
            "gid=5",
        ],
    ),
    (
        "/dev/shm",
        "tmpfs",
        "shm",
        &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    ),
    ("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
    (
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        &["nosuid", "noexec", "nodev", "relatime", "ro"],
    ),
];

const NAMESPACES: &[NamespaceType] = &[
    NamespaceType::Pid,
    NamespaceType::Network,
    NamespaceType::Ipc,
    NamespaceType::Uts,
    NamespaceType::Mount,
    NamespaceType::Cgroup,
];

/// The configuration.
#[must_use]
pub fn spec() -> Spec {
    Spec {
        oci_version: OCI_VERSION.to_owned(),
        process: Some(process()),
        root: Some(Root {
            path: "rootfs".to_owned(),
            readonly: true,
        }),
        hostname: "gantry".to_owned(),
        mounts: MOUNTS.iter().map(mount).collect(),
        linux: Some(linux()),
        ..Spec::default()
    }
}

fn process() -> Process {
    let names: Vec<String> = CapabilitySet::DOCKER_DEFAULT
        .iter()
        .map(|capability| capability.to_string())
        .collect();
    Process {
        cwd: "/".to_owned(),
        terminal: true,
        args: vec!["sh".to_owned()],
        env: owned(&[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TERM=xterm",
        ]),
        capabilities: Some(LinuxCapabilities {
            bounding: names.clone(),
            effective: names.clone(),
            permitted: names,
            ..LinuxCapabilities::default()
        }),
        rlimits: vec![PosixRlimit {
            kind: RlimitType::Nofile,
            hard: 1024,
            soft: 1024,
        }],
        no_new_privileges: true,
        ..Process::default()
    }
}

fn mount((destination, kind, source, options): &(&str, &str, &str, &[&str])) -> Mount {
    Mount {
        destination: (*destination).to_owned(),
        kind: (*kind).to_owned(),
        source: (*source).to_owned(),
        options: owned(options),
        ..Mount::default()
    }
}

fn linux() -> Linux {
    let deny_all = LinuxDeviceCgroup {
        allow: false,
        access: "rwm".to_owned(),
        ..LinuxDeviceCgroup::default()
    };
    Linux {
        namespaces: NAMESPACES
            .iter()
            .map(|kind| LinuxNamespace {
                kind: *kind,
                path: String::new(),
            })
            .collect(),
        resources: Some(LinuxResources {
            devices: vec![deny_all],
            ..LinuxResources::default()
        }),
        masked_paths: owned(MASKED_PATHS),
        readonly_paths: owned(READONLY_PATHS),
        ..Linux::default()
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
