//! Paths of a container as text.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Links that are followed before a path counts as a loop.
const MAX_LINKS: usize = 255;

/// Where a path leads in `root` when every link is followed, as an absolute path there. What does
/// not exist is kept as it is: a broken link leads to a place where nothing is.
pub(super) fn evaluate(root: BorrowedFd<'_>, path: &Path) -> io::Result<PathBuf> {
    let mut left: VecDeque<OsString> = parts(path).collect();
    let (mut resolved, mut links) = (PathBuf::from("/"), 0);
    while let Some(part) = left.pop_front() {
        if part == ".." {
            resolved.pop();
            continue;
        }
        let next = resolved.join(&part);
        let Some(target) = link(root, &next)? else {
            resolved = next;
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::LOOP.into());
        }
        if target.is_absolute() {
            resolved = PathBuf::from("/");
        }
        for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
            left.push_front(part);
        }
    }
    Ok(resolved)
}

/// The components that mean something.
fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(part) => Some(part.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    })
}

/// The target of a link; none for anything else, also for nothing.
fn link(root: BorrowedFd<'_>, path: &Path) -> io::Result<Option<PathBuf>> {
    let found = match sys::in_root::open(root, path, OFlags::PATH | OFlags::NOFOLLOW) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match rustix::fs::readlinkat(&found, "", Vec::new()) {
        Ok(target) => Ok(Some(PathBuf::from(OsString::from_vec(target.into_bytes())))),
        // With an empty path the kernel says of anything but a link that it does not exist.
        Err(Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The last component as Go's `filepath.Base` has it: of `/` it is `/`, of nothing `.`.
pub(super) fn base(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return if path.is_empty() {
            ".".to_owned()
        } else {
            "/".to_owned()
        };
    }
    let last = trimmed.rsplit('/').next().unwrap_or(trimmed);
    OsStr::new(last).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    #[test]
    fn bases_are_go_s() {
        for (path, expected) in [
            ("", "."),
            ("/", "/"),
            ("//", "/"),
            ("/a", "a"),
            ("/a/b/", "b"),
            ("a", "a"),
            ("/a/.", "."),
            ("/a/..", ".."),
        ] {
            assert_eq!(base(path), expected, "{path:?}");
        }
    }

    #[test]
    fn links_are_followed_inside_the_root() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path("a/b")).unwrap();
        fs::write(path("a/b/file"), "").unwrap();
        for (target, name) in [
            ("/a/b", "absolute"),
            ("b/file", "a/relative"),
            ("../../../../a", "up"),
            ("/absolute/file", "twice"),
            ("/nowhere/x", "broken"),
            ("loop", "loop"),
        ] {
            symlink(target, path(name)).unwrap();
        }
        let root = File::open(directory.path()).unwrap();
        let check = |asked: &str, expected: &str| {
            let found = evaluate(root.as_fd(), Path::new(asked)).unwrap();
            assert_eq!(found, Path::new(expected), "{asked}");
        };
        check("/", "/");
        check("a/./b/../b", "/a/b");
        check("/../..", "/");
        check("/absolute/file", "/a/b/file");
        check("/a/relative", "/a/b/file");
        check("/up/b", "/a/b");
        check("/twice", "/a/b/file");
        check("/broken", "/nowhere/x");
        check("/none/deeper", "/none/deeper");
        let error = evaluate(root.as_fd(), Path::new("/loop")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    }
}
