//! Device nodes made available, and the rules of the device cgroup.

pub(super) mod rules;

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use runtime::spec::{DeviceType, LinuxDevice, LinuxDeviceCgroup};

use super::TranslateError;
use crate::spec::{ContainerSpec, DeviceMapping};

/// Nodes below one directory that are looked at.
const MAX_NODES: usize = 16_384;

/// What kind of device a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A character device.
    Char,
    /// A block device.
    Block,
}

/// A device node of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its kind.
    pub kind: DeviceKind,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A device node.
    Device(Device),
    /// A directory with these entries, by name.
    Directory(Vec<String>),
    /// Neither; also a link.
    Other,
}

/// The host's device nodes.
pub trait HostDevices: Send + Sync {
    /// What is at `path` itself; a link is not followed.
    ///
    /// # Errors
    /// As lstat(2).
    fn look(&self, path: &Path) -> io::Result<Found>;

    /// `path` with every link followed.
    ///
    /// # Errors
    /// As realpath(3).
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;
}

/// The devices of the kernel that runs us.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelDevices;

impl HostDevices for KernelDevices {
    fn look(&self, path: &Path) -> io::Result<Found> {
        let metadata = path.symlink_metadata()?;
        let file_type = metadata.file_type();
        let kind = match () {
            () if file_type.is_char_device() => DeviceKind::Char,
            () if file_type.is_block_device() => DeviceKind::Block,
            () if file_type.is_dir() => return list(path).map(Found::Directory),
            () => return Ok(Found::Other),
        };
        let number = metadata.rdev();
        Ok(Found::Device(Device {
            kind,
            major: rustix::fs::major(number),
            minor: rustix::fs::minor(number),
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
        }))
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        path.canonicalize()
    }
}

fn list(directory: &Path) -> io::Result<Vec<String>> {
    let names = directory
        .read_dir()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.take(MAX_NODES).collect();
    names.sort_unstable();
    Ok(names)
}

/// Nodes to make, and rules in order.
pub(super) fn translate(
    spec: &ContainerSpec,
    host: &dyn HostDevices,
) -> Result<(Vec<LinuxDevice>, Vec<LinuxDeviceCgroup>), TranslateError> {
    if spec.isolation.privileged {
        return privileged(spec, host);
    }
    let (mut nodes, mut allowed) = (Vec::new(), rules::basics());
    for mapping in &spec.resources.devices {
        for (path, device) in mapped(mapping, host)? {
            allowed.push(rules::access(device, &mapping.permissions));
            nodes.push(node(path, device));
        }
    }
    for text in &spec.resources.device_cgroup_rules {
        allowed.push(rules::parse(text)?);
    }
    Ok((nodes, allowed))
}

/// A privileged container has all devices of the host and may use any.
fn privileged(
    spec: &ContainerSpec,
    host: &dyn HostDevices,
) -> Result<(Vec<LinuxDevice>, Vec<LinuxDeviceCgroup>), TranslateError> {
    let mut nodes: Vec<LinuxDevice> = privileged_devices(host)
        .into_iter()
        .map(|(path, device)| node(path, device))
        .collect();
    for mapping in spec
        .resources
        .devices
        .iter()
        .filter(|mapping| mapping.source != mapping.target)
    {
        nodes.extend(
            mapped(mapping, host)?
                .into_iter()
                .map(|(path, device)| node(path, device)),
        );
    }
    Ok((nodes, vec![rules::everything()]))
}

/// Everything below `/dev` but what belongs to a container's own `/dev`.
pub fn privileged_devices(host: &dyn HostDevices) -> Vec<(String, Device)> {
    const OWN: &[&str] = &[
        "pts",
        "shm",
        "fd",
        "mqueue",
        ".lxc",
        ".lxd-mounts",
        ".udev",
        "console",
    ];
    walk(Path::new("/dev"), host, |name| !OWN.contains(&name))
}

/// The nodes below `top`, by their paths, breadth first.
fn walk(top: &Path, host: &dyn HostDevices, wanted: impl Fn(&str) -> bool) -> Vec<(String, Device)> {
    let (mut nodes, mut left) = (Vec::new(), VecDeque::from([top.to_owned()]));
    while let Some(path) = left.pop_front().filter(|_| nodes.len() < MAX_NODES) {
        match host.look(&path) {
            Ok(Found::Device(device)) => nodes.push((path.to_string_lossy().into_owned(), device)),
            Ok(Found::Directory(names)) => {
                left.extend(
                    names
                        .iter()
                        .filter(|name| wanted(name))
                        .map(|name| path.join(name)),
                );
            }
            // What vanishes while we look is no device.
            Ok(Found::Other) | Err(_) => {}
        }
    }
    nodes
}

/// The nodes that one `--device` names: a device, or a directory of them.
fn mapped(mapping: &DeviceMapping, host: &dyn HostDevices) -> Result<Vec<(String, Device)>, TranslateError> {
    let fail = |reason: String| TranslateError::Device {
        path: mapping.source.clone(),
        reason,
    };
    let source = host
        .resolve(Path::new(&mapping.source))
        .map_err(|error| fail(reason(&error)))?;
    let target = if mapping.target.is_empty() {
        &mapping.source
    } else {
        &mapping.target
    };
    match host.look(&source).map_err(|error| fail(reason(&error)))? {
        Found::Device(device) => Ok(vec![(target.clone(), device)]),
        Found::Directory(_) => {
            let nodes = walk(&source, host, |_| true);
            if nodes.is_empty() {
                return Err(fail("not a device node".to_owned()));
            }
            let top = source.to_string_lossy().into_owned();
            Ok(nodes
                .into_iter()
                .map(|(path, device)| (path.replacen(&top, target, 1), device))
                .collect())
        }
        Found::Other => Err(fail("not a device node".to_owned())),
    }
}

/// An I/O error as Go prints an errno.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

fn node(path: String, device: Device) -> LinuxDevice {
    LinuxDevice {
        path,
        kind: match device.kind {
            DeviceKind::Char => DeviceType::Char,
            DeviceKind::Block => DeviceType::Block,
        },
        major: device.major.into(),
        minor: device.minor.into(),
        file_mode: Some(device.mode),
        uid: Some(device.uid),
        gid: Some(device.gid),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Devices by path; links by what they lead to.
    #[derive(Default)]
    pub(crate) struct FakeDevices {
        pub(crate) found: BTreeMap<PathBuf, Found>,
        pub(crate) links: BTreeMap<PathBuf, PathBuf>,
    }

    impl HostDevices for FakeDevices {
        fn look(&self, path: &Path) -> io::Result<Found> {
            self.found
                .get(path)
                .cloned()
                .ok_or_else(|| io::Error::from_raw_os_error(2))
        }

        fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
            let path = self.links.get(path).map_or(path, PathBuf::as_path);
            self.look(path).map(|_| path.to_owned())
        }
    }

    pub(crate) fn device(kind: DeviceKind, major: u32, minor: u32) -> Found {
        Found::Device(Device {
            kind,
            major,
            minor,
            mode: 0o660,
            uid: 0,
            gid: 6,
        })
    }

    pub(crate) fn host() -> FakeDevices {
        let directory = |names: &[&str]| Found::Directory(super::super::defaults::owned(names));
        FakeDevices {
            found: [
                (
                    "/dev",
                    directory(&["console", "fuse", "link", "pts", "sda", "snd"]),
                ),
                ("/dev/console", device(DeviceKind::Char, 5, 1)),
                ("/dev/fuse", device(DeviceKind::Char, 10, 229)),
                ("/dev/link", Found::Other),
                ("/dev/pts", directory(&["0"])),
                ("/dev/pts/0", device(DeviceKind::Char, 136, 0)),
                ("/dev/sda", device(DeviceKind::Block, 8, 0)),
                ("/dev/snd", directory(&["seq", "timer"])),
                ("/dev/snd/seq", device(DeviceKind::Char, 116, 1)),
                ("/dev/snd/timer", device(DeviceKind::Char, 116, 33)),
                ("/dev/empty", directory(&[])),
                ("/etc/passwd", Found::Other),
            ]
            .map(|(path, found)| (path.into(), found))
            .into(),
            links: [("/dev/disk".into(), "/dev/sda".into())].into(),
        }
    }

    fn mapping(source: &str, target: &str) -> DeviceMapping {
        DeviceMapping {
            source: source.into(),
            target: target.into(),
            permissions: "rw".into(),
        }
    }

    fn paths(source: &str, target: &str) -> Result<Vec<String>, String> {
        let nodes = mapped(&mapping(source, target), &host()).map_err(|error| error.to_string())?;
        Ok(nodes.into_iter().map(|(path, _)| path).collect())
    }

    #[test]
    fn devices_links_and_directories_are_found() {
        assert_eq!(paths("/dev/sda", "/dev/xvda").unwrap(), ["/dev/xvda"]);
        assert_eq!(paths("/dev/disk", "").unwrap(), ["/dev/disk"]);
        assert_eq!(
            paths("/dev/snd", "/dev/sound").unwrap(),
            ["/dev/sound/seq", "/dev/sound/timer"]
        );
        for (source, reason) in [
            ("/dev/none", "no such file or directory"),
            ("/etc/passwd", "not a device node"),
            ("/dev/empty", "not a device node"),
        ] {
            assert_eq!(
                paths(source, source).unwrap_err(),
                format!("error gathering device information while adding custom device {source:?}: {reason}")
            );
        }
    }

    #[test]
    fn a_privileged_container_sees_all_but_what_is_its_own() {
        let nodes = privileged_devices(&host());
        let paths: Vec<&str> = nodes.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["/dev/fuse", "/dev/sda", "/dev/snd/seq", "/dev/snd/timer"]);
    }

    #[test]
    fn the_kernel_s_null_device_is_what_it_is() {
        let Found::Device(null) = KernelDevices.look(Path::new("/dev/null")).unwrap() else {
            panic!("/dev/null is a device")
        };
        assert_eq!((null.kind, null.major, null.minor), (DeviceKind::Char, 1, 3));
        assert!(matches!(
            KernelDevices.look(Path::new("/dev")),
            Ok(Found::Directory(_))
        ));
        assert_eq!(
            KernelDevices.look(Path::new("/proc/self")).unwrap(),
            Found::Other,
            "a link"
        );
    }
}
