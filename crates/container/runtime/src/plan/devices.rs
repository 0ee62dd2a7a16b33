//! Device nodes, and the links in `/dev` that programs expect (OCI runtime-spec 1.3
//! §config-linux "Default Devices", "Dev symbolic links").

use sys::program::{Op, Slot};

use super::{Draft, PlanError};
use crate::spec::{DeviceType, Linux, LinuxDevice};

/// Path, major, minor: all are character devices that everyone may read and write.
const DEFAULT: &[(&str, i64, i64)] = &[
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
];

const LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Makes the default devices, those of the specification, and the links.
pub(super) fn populate(draft: &mut Draft, root: Slot, linux: &Linux, bind: bool) -> Result<(), PlanError> {
    for (path, major, minor) in DEFAULT {
        if linux.devices.iter().all(|device| device.path != *path) {
            device(draft, root, &default_device(path, *major, *minor), bind)?;
        }
    }
    for listed in &linux.devices {
        // The terminal is bound over these two.
        if !matches!(listed.path.as_str(), "/dev/ptmx" | "/dev/console") {
            device(draft, root, listed, bind)?;
        }
    }
    for (target, path) in LINKS {
        let (target, path) = (draft.builder.text(target), draft.builder.text(path));
        draft.builder.push(Op::Symlink { root, target, path });
    }
    Ok(())
}

fn default_device(path: &str, major: i64, minor: i64) -> LinuxDevice {
    let path = path.to_owned();
    LinuxDevice {
        path,
        kind: DeviceType::Char,
        major,
        minor,
        file_mode: Some(0o666),
        uid: None,
        gid: None,
    }
}

/// A node, or in a user namespace, where nodes cannot be made, the host's own.
fn device(draft: &mut Draft, root: Slot, device: &LinuxDevice, bind: bool) -> Result<(), PlanError> {
    let path = draft.builder.text(&device.path);
    if bind {
        let tree = draft.builder.slot();
        draft.builder.push(Op::Tree {
            out: tree,
            dir: Slot::NONE,
            path,
            flags: libc::OPEN_TREE_CLONE,
        });
        draft.builder.push(Op::Attach {
            tree,
            root,
            path,
            flags: 0,
        });
        draft.builder.release(tree);
        return Ok(());
    }
    let number = |value: i64, name: &str| {
        u32::try_from(value).map_err(|_| {
            PlanError::invalid(
                format!("linux.devices[{}].{name}", device.path),
                "not a device number",
            )
        })
    };
    let rdev = match device.kind {
        DeviceType::Fifo => 0,
        _ => rustix::fs::makedev(number(device.major, "major")?, number(device.minor, "minor")?),
    };
    let kind = match device.kind {
        DeviceType::Char | DeviceType::Unbuffered => libc::S_IFCHR,
        DeviceType::Block => libc::S_IFBLK,
        DeviceType::Fifo => libc::S_IFIFO,
    };
    let mode = kind | device.file_mode.unwrap_or(0o666) & 0o7777;
    let owner = u64::from(device.uid.unwrap_or(0)) << 32 | u64::from(device.gid.unwrap_or(0));
    draft.builder.push(Op::Device {
        root,
        path,
        mode,
        device: rdev,
        owner,
    });
    Ok(())
}
