//! What every container gets, as tables.

use runtime::example::{MASKED_PATHS, READONLY_PATHS};
use runtime::spec::Mount;

use super::Facts;
use crate::spec::ContainerSpec;

/// `--shm-size` where none is given.
pub(super) const SHM_SIZE: u64 = 64 << 20;

/// Destination, type, source, options: upstream's list in upstream's order.
const MOUNTS: &[(&str, &str, &str, &[&str])] = &[
    ("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
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
    ("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
    (
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        &["ro", "nosuid", "noexec", "nodev"],
    ),
    ("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    (
        "/dev/shm",
        "tmpfs",
        "shm",
        &["nosuid", "noexec", "nodev", "mode=1777"],
    ),
];

/// Those of the mounts that stay writable in a read-only container.
pub(super) const STAY_WRITABLE: &[&str] = &["/proc", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"];

pub(super) fn mounts() -> impl Iterator<Item = Mount> {
    MOUNTS.iter().map(|(destination, kind, source, options)| Mount {
        destination: (*destination).to_owned(),
        kind: (*kind).to_owned(),
        source: (*source).to_owned(),
        options: owned(options),
        ..Mount::default()
    })
}

/// Masked and read-only paths: those asked for (`systempaths=unconfined` asks for none), else
/// none for a privileged container, else the defaults.
pub(super) fn covered(spec: &ContainerSpec, facts: &Facts) -> (Vec<String>, Vec<String>) {
    let isolation = &spec.isolation;
    let default = |list: Vec<String>| if isolation.privileged { Vec::new() } else { list };
    let masked = || {
        owned(MASKED_PATHS)
            .into_iter()
            .chain(facts.thermal.iter().cloned())
            .collect()
    };
    (
        isolation
            .masked_paths
            .clone()
            .unwrap_or_else(|| default(masked())),
        isolation
            .readonly_paths
            .clone()
            .unwrap_or_else(|| default(owned(READONLY_PATHS))),
    )
}

pub(super) fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
