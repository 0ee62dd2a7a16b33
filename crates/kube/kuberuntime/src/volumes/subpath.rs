//! A part of a volume as a mount (`subPath`).
//!
//! The volume may be written by whoever is to be kept inside it, at this very moment. So the path is resolved by the
//! kernel with the volume as its root, and what is found is bound by descriptor to a place of ours: no link that is put in
//! its way later leads the container's mount elsewhere.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, fchmod, mkdirat};
use rustix::io::Errno;

use super::mounted;

/// Why a part of a volume cannot be mounted. What is wrong on the node's disk is told to the log, not to the pod's owner,
/// who might learn of the node from it; the texts are upstream's.
#[derive(Debug, thiserror::Error)]
pub(super) enum SubPathError {
    /// The path begins with `/`.
    #[error("error SubPath `{0}` must not be an absolute path")]
    Absolute(String),
    /// The path has `..`.
    #[error("unable to provision SubPath `{0}`: must not contain '..'")]
    Backsteps(String),
    /// A directory could not be made.
    #[error("failed to create subPath directory for volumeMount {0:?} of container {1:?}")]
    Create(String, String),
    /// What is there could not be bound.
    #[error("failed to prepare subPath for volumeMount {0:?} of container {1:?}")]
    Prepare(String, String),
}

/// Whose mount it is, for errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    pub(super) volume: &'a str,
    pub(super) container: &'a str,
}

/// Binds `path` of a volume, which is made as a directory if it is not there, to `place`, and answers `place`. Whatever
/// was mounted there before is replaced.
///
/// # Errors
/// See [`SubPathError`].
pub(super) fn bind(
    volume: &Path,
    path: &str,
    place: &Path,
    whose: Whose<'_>,
) -> Result<PathBuf, SubPathError> {
    let steps = checked(path)?;
    let log = |what: &'static str| {
        move |error: io::Error| {
            tracing::warn!(%error, volume = whose.volume, container = whose.container, "{what}");
            (whose.volume.to_owned(), whose.container.to_owned())
        }
    };
    let found = find_or_make(volume, &steps).map_err(log("a subPath cannot be made"));
    let found = found.map_err(|(volume, container)| SubPathError::Create(volume, container))?;
    let bound = bind_to(&found, place).map_err(log("a subPath cannot be bound"));
    bound.map_err(|(volume, container)| SubPathError::Prepare(volume, container))?;
    Ok(place.to_owned())
}

/// The steps of a path that does not try to leave.
fn checked(path: &str) -> Result<PathBuf, SubPathError> {
    if path.starts_with('/') {
        return Err(SubPathError::Absolute(path.to_owned()));
    }
    let steps = Path::new(path).components();
    if steps.clone().any(|step| step == Component::ParentDir) {
        return Err(SubPathError::Backsteps(path.to_owned()));
    }
    Ok(steps.filter(|step| *step != Component::CurDir).collect())
}

/// Each directory on the way is opened from the root anew, so that what somebody exchanges meanwhile is found inside or
/// not at all.
fn find_or_make(volume: &Path, path: &Path) -> io::Result<OwnedFd> {
    let root = File::open(volume)?;
    let open = |path: &Path| match path.as_os_str().is_empty() {
        true => Ok(root.as_fd().try_clone_to_owned()?),
        false => sys::in_root::open(&root, path, OFlags::PATH),
    };
    if let Ok(found) = open(path) {
        return Ok(found);
    }
    // As upstream's: what is made may be used by whoever may use the volume.
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&root)?.st_mode & 0o2777);
    let mut way = PathBuf::new();
    for step in path.iter() {
        let parent = open(&way)?;
        way.push(step);
        match mkdirat(&parent, step, Mode::RWXU) {
            Ok(()) => {
                let made =
                    sys::in_root::open(&root, &way, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)?;
                fchmod(&made, mode)?;
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    open(path)
}

fn bind_to(found: &OwnedFd, place: &Path) -> io::Result<()> {
    // The kernel's own name of what is open.
    let source = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
    mounted::detach(place)?;
    make_place(place, fs::metadata(&source)?.is_dir())?;
    mounted::bind(&source, place)
}

/// An empty directory or file to mount on.
fn make_place(place: &Path, directory: bool) -> io::Result<()> {
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::symlink_metadata(place) {
        Ok(meta) if meta.is_dir() == directory => return Ok(()),
        Ok(meta) if meta.is_dir() => fs::remove_dir(place)?,
        Ok(_) => fs::remove_file(place)?,
        Err(_) => {}
    }
    if directory {
        fs::create_dir(place)
    } else {
        File::create_new(place).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn paths_that_leave_are_refused_in_upstreams_words() {
        let refused = |path: &str| checked(path).unwrap_err().to_string();
        assert_eq!(refused("/a"), "error SubPath `/a` must not be an absolute path");
        assert_eq!(
            refused("a/../b"),
            "unable to provision SubPath `a/../b`: must not contain '..'"
        );
        assert_eq!(checked("./a//b/.").unwrap(), Path::new("a/b"));
    }

    #[test]
    fn directories_are_made_as_the_volume_is() {
        let volume = tempfile::tempdir().unwrap();
        fs::set_permissions(volume.path(), fs::Permissions::from_mode(0o770)).unwrap();
        find_or_make(volume.path(), Path::new("a/b")).unwrap();
        for made in ["a", "a/b"] {
            assert_eq!(
                fs::metadata(volume.path().join(made)).unwrap().mode() & 0o7777,
                0o770
            );
        }
    }

    #[test]
    fn links_are_followed_inside_and_lead_nowhere_else() {
        let outside = tempfile::tempdir().unwrap();
        let volume = tempfile::tempdir().unwrap();
        fs::write(volume.path().join("file"), "inside").unwrap();
        symlink("file", volume.path().join("link")).unwrap();
        symlink(outside.path(), volume.path().join("out")).unwrap();
        symlink("..", volume.path().join("up")).unwrap();
        let read = |path: &str| {
            let found = find_or_make(volume.path(), Path::new(path))?;
            fs::read_to_string(format!("/proc/self/fd/{}", found.as_raw_fd()))
        };
        assert_eq!(read("link").unwrap(), "inside");
        assert_eq!(read("up/file").unwrap(), "inside");
        assert!(find_or_make(volume.path(), Path::new("out/made")).is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
