//! What of a pod's volumes one of its containers sees, as the engine mounts it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::spec::{MountKind, MountSpec, Propagation};
use kubelet::Pod;
use kubelet::env::Room;
use kubelet::pod::{Container, VolumeMount, VolumeSource};
use kubelet::volume::{Mounted, Mounts};

use super::subpath::{self, SubPathError, Whose};

/// Bytes of a path that the kernel takes.
const MAX_PATH: usize = 4096;

/// Why a container cannot have its mounts; the texts are upstream's.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// A volume that the pod does not have.
    #[error("cannot find volume {0:?} to mount into container {1:?}")]
    NoVolume(String, String),
    /// A variable in `subPathExpr` that the container does not have.
    #[error("missing value for {0:?}")]
    NoVariable(String),
    /// No path is so long.
    #[error("the path that {0:?} stands for is too long")]
    TooLong(String),
    /// A part of a volume that cannot be had.
    #[error(transparent)]
    SubPath(#[from] SubPathFault),
}

/// A part of a volume that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SubPathFault(#[from] SubPathError);

/// The mounts of a container. `subpaths` is the pod's directory for parts of volumes.
///
/// # Errors
/// See [`MountError`].
pub(super) fn of(
    subpaths: &Path,
    pod: &Pod,
    container: &Container,
    environment: &[(String, String)],
    mounts: &Mounts,
) -> Result<Vec<MountSpec>, MountError> {
    let all = container.volume_mounts.iter().enumerate();
    all.map(|(at, mount)| {
        let volume = mounts
            .volumes
            .get(&mount.name)
            .ok_or_else(|| MountError::NoVolume(mount.name.clone(), container.name.clone()))?;
        let place = subpaths
            .join(&mount.name)
            .join(&container.name)
            .join(at.to_string());
        let source = source(volume, mount, container, environment, &place)?;
        Ok(spec(&source, mount, volume, is_free_path(pod, &mount.name)))
    })
    .collect()
}

fn source(
    volume: &Mounted,
    mount: &VolumeMount,
    container: &Container,
    environment: &[(String, String)],
    place: &Path,
) -> Result<PathBuf, MountError> {
    let part = match mount.sub_path_expr.as_str() {
        "" => mount.sub_path.clone(),
        expression => expanded(expression, environment)?,
    };
    if part.is_empty() {
        return Ok(volume.path.clone());
    }
    let whose = Whose {
        volume: &mount.name,
        container: &container.name,
    };
    let bound = subpath::bind(&volume.path, &part, place, whose).map_err(SubPathFault::from)?;
    Ok(bound)
}

/// A path must not be made of what is not there, so a variable that is missing is an error here and nowhere else.
fn expanded(expression: &str, environment: &[(String, String)]) -> Result<String, MountError> {
    let missing = RefCell::new(None);
    let known: BTreeMap<&str, &str> = environment
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let text = kubelet::env::expand(expression, &mut Room::of(MAX_PATH), |name| {
        let found = known.get(name).copied();
        if found.is_none() {
            missing.borrow_mut().get_or_insert_with(|| name.to_owned());
        }
        found
    });
    match missing.into_inner() {
        Some(name) => Err(MountError::NoVariable(name)),
        None => text.map_err(|_| MountError::TooLong(expression.to_owned())),
    }
}

/// Whether a volume is a path of the node of which nothing is asked: it is made as a directory if it is not there.
fn is_free_path(pod: &Pod, volume: &str) -> bool {
    let found = pod.spec.volumes.iter().find(|each| each.name == volume);
    let source = found.map(|volume| &volume.source);
    matches!(source, Some(VolumeSource::HostPath(path)) if path.kind.is_empty())
}

fn spec(source: &Path, mount: &VolumeMount, volume: &Mounted, create_source: bool) -> MountSpec {
    let recursive = matches!(
        mount.recursive_read_only.as_deref(),
        Some("Enabled" | "IfPossible")
    );
    MountSpec {
        target: target(&mount.mount_path),
        read_only: mount.read_only || volume.read_only,
        kind: MountKind::Bind {
            source: clean(source),
            propagation: propagation(mount.mount_propagation.as_deref()),
            non_recursive: false,
            // All that is below it can be written as before unless the pod says otherwise; our kernels can do both.
            read_only_non_recursive: !recursive,
            create_source,
        },
    }
}

/// `HostToContainer` sees what the node mounts later, `Bidirectional` shows the node what the container mounts.
fn propagation(mode: Option<&str>) -> Option<Propagation> {
    match mode {
        Some("HostToContainer") => Some(Propagation::Rslave),
        Some("Bidirectional") => Some(Propagation::Rshared),
        _ => None,
    }
}

/// Absolute and clean, as upstream makes of a path that is not.
fn target(path: &str) -> String {
    clean(&Path::new("/").join(path))
}

fn clean(path: &Path) -> String {
    let mut clean = PathBuf::new();
    for step in path.components() {
        match step {
            std::path::Component::ParentDir => {
                clean.pop();
            }
            step => clean.push(step),
        }
    }
    clean.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts_of(container: &str, volume: &str, read_only: bool) -> Result<Vec<MountSpec>, MountError> {
        let json = format!(
            r#"{{"metadata": {{"name": "p", "namespace": "x", "uid": "u"}},
                 "spec": {{"containers": [{container}], "volumes": [{volume}]}}}}"#
        );
        let pod = Pod::parse(json.as_bytes()).unwrap();
        let mounted = Mounted {
            path: "/v".into(),
            read_only,
        };
        let mounts = Mounts {
            volumes: [("v".to_owned(), mounted)].into(),
        };
        let environment = [("A".to_owned(), "..".to_owned())];
        of(
            Path::new("/nowhere"),
            &pod,
            &pod.spec.all[0],
            &environment,
            &mounts,
        )
    }

    fn bind(propagation: Option<Propagation>, writable_below: bool, create_source: bool) -> MountKind {
        MountKind::Bind {
            source: "/v".to_owned(),
            propagation,
            non_recursive: false,
            read_only_non_recursive: writable_below,
            create_source,
        }
    }

    #[test]
    fn mounts_are_as_the_container_says() {
        let cases = [
            ("", "{}", false, false, bind(None, true, false)),
            ("", "{}", true, true, bind(None, true, false)),
            (
                r#", "readOnly": true"#,
                "{}",
                false,
                true,
                bind(None, true, false),
            ),
            (
                r#", "readOnly": true, "recursiveReadOnly": "IfPossible""#,
                "{}",
                false,
                true,
                bind(None, false, false),
            ),
            (
                r#", "mountPropagation": "HostToContainer""#,
                "{}",
                false,
                false,
                bind(Some(Propagation::Rslave), true, false),
            ),
            (
                r#", "mountPropagation": "Bidirectional""#,
                r#"{"hostPath": {"path": "/v"}}"#,
                false,
                false,
                bind(Some(Propagation::Rshared), true, true),
            ),
        ];
        for (more, source, volume_read_only, read_only, kind) in cases {
            let container =
                format!(r#"{{"name": "c", "volumeMounts": [{{"name": "v", "mountPath": "a//b/"{more}}}]}}"#);
            let volume = source.replacen('{', r#"{"name": "v", "#, 1).replace(", }", "}");
            let expected = MountSpec {
                target: "/a/b".to_owned(),
                read_only,
                kind,
            };
            assert_eq!(
                mounts_of(&container, &volume, volume_read_only).unwrap(),
                [expected],
                "{more}"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_told_in_upstreams_words() {
        let cases = [
            (
                r#"{"name": "w", "mountPath": "/a"}"#,
                r#"cannot find volume "w" to mount into container "c""#,
            ),
            (
                r#"{"name": "v", "mountPath": "/a", "subPathExpr": "x/$(B)"}"#,
                r#"missing value for "B""#,
            ),
            (
                r#"{"name": "v", "mountPath": "/a", "subPathExpr": "x/$(A)"}"#,
                "unable to provision SubPath `x/..`: must not contain '..'",
            ),
            (
                r#"{"name": "v", "mountPath": "/a", "subPath": "/x"}"#,
                "error SubPath `/x` must not be an absolute path",
            ),
        ];
        for (mount, message) in cases {
            let container = format!(r#"{{"name": "c", "volumeMounts": [{mount}]}}"#);
            assert_eq!(
                mounts_of(&container, r#"{"name": "v"}"#, false)
                    .unwrap_err()
                    .to_string(),
                message
            );
        }
    }
}
