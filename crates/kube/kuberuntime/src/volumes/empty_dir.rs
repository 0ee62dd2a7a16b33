//! Empty directories of a pod: on the node's disk, or in memory with a size.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use kubelet::Pod;
use kubelet::pod::{ContainerKind, EmptyDir};
use schema::quantity::Quantity;

use super::mounted;
use super::ownership::{self, Access};

/// Everybody in the pod may use a volume.
const MODE: u32 = 0o777;

/// Makes the directory if it is not there; one that is there keeps what is in it.
///
/// # Errors
/// Of the file system, or of mount(2).
pub(super) fn make(path: &Path, volume: &EmptyDir, pod: &Pod, group: Option<u32>) -> io::Result<()> {
    let new = if volume.medium == "Memory" {
        in_memory(path, size(volume, pod))?
    } else {
        on_disk(path)?
    };
    match group {
        Some(group) if new => ownership::give_root(path, group, Access::Write),
        _ => Ok(()),
    }
}

/// Makes a directory that everybody may use; answers whether it is new.
pub(super) fn on_disk(path: &Path) -> io::Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error),
    }
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    Ok(true)
}

/// Mounts memory on a directory, unless it is mounted already; answers whether it is new.
pub(super) fn in_memory(path: &Path, bytes: Option<u64>) -> io::Result<bool> {
    on_disk(path)?;
    let device = |path: &Path| fs::symlink_metadata(path).map(|meta| meta.dev());
    let parent = path.parent().unwrap_or(path);
    if device(path)? != device(parent)? {
        return Ok(false);
    }
    mounted::memory(path, bytes)?;
    Ok(true)
}

/// The smaller of the volume's limit and what the pod may use at all; none for the kernel's default.
fn size(volume: &EmptyDir, pod: &Pod) -> Option<u64> {
    let limit = volume.size_limit.as_deref().and_then(bytes);
    [limit, memory_of(pod)].into_iter().flatten().min()
}

fn bytes(quantity: &str) -> Option<u64> {
    let bytes = u64::try_from(Quantity::parse(quantity)?.value()).ok()?;
    Some(bytes).filter(|bytes| *bytes > 0)
}

/// What the pod says it may use, or all containers that run beside each other; none if one of them has no limit.
fn memory_of(pod: &Pod) -> Option<u64> {
    let own = pod.spec.resources.limits.get("memory");
    if let Some(own) = own {
        return bytes(own);
    }
    let beside = |kind| matches!(kind, ContainerKind::Regular | ContainerKind::Sidecar);
    let mut containers = pod.spec.all.iter().filter(|container| beside(container.kind));
    let all = containers.try_fold(0_u64, |sum, container| {
        let limit = container.resources.limits.get("memory")?;
        Some(sum.saturating_add(bytes(limit)?))
    });
    // To the kernel, a size of nothing is no limit.
    all.filter(|all| *all > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of(limit: Option<&str>, spec: &str) -> Option<u64> {
        let json =
            format!(r#"{{"metadata": {{"name": "p", "namespace": "x", "uid": "u"}}, "spec": {spec}}}"#);
        let volume = EmptyDir {
            medium: "Memory".to_owned(),
            size_limit: limit.map(str::to_owned),
        };
        size(&volume, &Pod::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn memory_is_bounded_by_the_least_that_is_said() {
        let limited = r#"{"containers": [{"name": "a", "resources": {"limits": {"memory": "64Mi"}}},
            {"name": "b", "resources": {"limits": {"memory": "64Mi"}}}]}"#;
        let one_free =
            r#"{"containers": [{"name": "a", "resources": {"limits": {"memory": "64Mi"}}}, {"name": "b"}]}"#;
        let cases = [
            (None, limited, Some(128 << 20)),
            (Some("1Gi"), limited, Some(128 << 20)),
            (Some("1Mi"), limited, Some(1 << 20)),
            (None, one_free, None),
            (Some("1Mi"), one_free, Some(1 << 20)),
            (Some("0"), one_free, None),
            (Some("1Mi"), "{}", Some(1 << 20)),
        ];
        for (limit, spec, expected) in cases {
            assert_eq!(size_of(limit, spec), expected, "{limit:?} {spec}");
        }
    }

    #[test]
    fn a_directory_on_disk_is_everybodys_and_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("v");
        assert!(on_disk(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o777);
        fs::write(path.join("f"), "").unwrap();
        assert!(!on_disk(&path).unwrap());
        assert!(path.join("f").exists());
    }
}
