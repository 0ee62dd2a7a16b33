//! Mounts that are attached nowhere: they are seen in no mount table, are reached by descriptor,
//! and go away with it (fsopen(2), fsconfig(2), fsmount(2), open_tree(2)).

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use rustix::mount::{MountFlags, mount};

use crate::raw::{self, Errno, MountAttr};

const RECURSIVE_CLONE: u32 = libc::OPEN_TREE_CLONE | libc::AT_RECURSIVE.cast_unsigned();
/// What mount(2) takes as options: a page, less its last byte.
const MAX_OPTIONS: usize = 4095;

/// An overlay to be mounted.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'a> {
    /// Read-only directories, topmost first, absolute. With an upper directory one is needed,
    /// without two.
    pub lower: &'a [PathBuf],
    /// Where changes go, and the scratch directory beside it.
    pub upper: Option<(&'a Path, &'a Path)>,
    /// Further options.
    pub options: &'a [(&'a str, &'a str)],
}

/// Mounts an overlay. The descriptor is its root directory.
///
/// # Errors
/// As fsconfig(2) and mount(2); `InvalidInput` for a path with a NUL byte.
pub fn overlay(overlay: &Overlay<'_>) -> io::Result<OwnedFd> {
    if appends_layers() {
        by_steps(overlay)
    } else {
        by_string(overlay)
    }
}

/// Whether this kernel's overlay takes layers one at a time (`lowerdir+`, Linux 6.7); older ones take 255 bytes of
/// `lowerdir` by fsconfig(2). Asked once.
#[must_use]
pub fn appends_layers() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    let takes = |option: &CStr| {
        let fs = raw::fsopen(c"overlay");
        fs.is_ok_and(|fs| raw::fsconfig(fs.as_fd(), option, Some(c"/")).is_ok())
    };
    // Before Linux 6.5 any word is taken until the mount is made.
    *ANSWER.get_or_init(|| takes(c"lowerdir+") && !takes(c"no-such-option"))
}

/// A copy of the mount at `path` and of all mounts below it.
///
/// # Errors
/// As open_tree(2).
pub fn clone_tree(path: &Path) -> io::Result<OwnedFd> {
    Ok(raw::open_tree(raw::CWD, &c_path(path)?, RECURSIVE_CLONE)?)
}

/// Makes a detached mount, and those below it, read-only.
///
/// # Errors
/// As mount_setattr(2).
pub fn make_read_only(tree: impl AsFd) -> io::Result<()> {
    let attr = MountAttr {
        set: libc::MOUNT_ATTR_RDONLY,
        ..MountAttr::default()
    };
    Ok(raw::mount_setattr(tree.as_fd().as_raw_fd(), true, &attr)?)
}

fn by_steps(overlay: &Overlay<'_>) -> io::Result<OwnedFd> {
    let fs = raw::fsopen(c"overlay")?;
    let set = |key: &str, value: &[u8]| -> io::Result<()> {
        let (key, value) = (CString::new(key)?, CString::new(value)?);
        Ok(raw::fsconfig(fs.as_fd(), &key, Some(&value))?)
    };
    for layer in overlay.lower {
        set("lowerdir+", layer.as_os_str().as_bytes())?;
    }
    if let Some((upper, work)) = overlay.upper {
        set("upperdir", upper.as_os_str().as_bytes())?;
        set("workdir", work.as_os_str().as_bytes())?;
    }
    for (key, value) in overlay.options {
        set(key, value.as_bytes())?;
    }
    raw::fsconfig_create(fs.as_fd())?;
    Ok(raw::fsmount(fs.as_fd(), 0)?)
}

/// As [`overlay`], which calls it where the kernel is older than 6.7. (Public because that way
/// must be tested on newer ones too.)
///
/// mount(2) takes one string of options and a place. The place is in a mount namespace that only
/// one thread ever sees, and the names are relative to what all the directories have in common,
/// because the string is a page at most.
///
/// # Errors
/// As mount(2); ENAMETOOLONG when a page does not hold the names.
pub fn by_string(overlay: &Overlay<'_>) -> io::Result<OwnedFd> {
    let base = common(overlay);
    let options = options(overlay, &base)?;
    let mounted = std::thread::scope(|scope| scope.spawn(|| mount_apart(&base, &options)).join());
    mounted.map_err(|_| io::Error::other("the mounting thread panicked"))?
}

fn mount_apart(base: &Path, options: &CString) -> io::Result<OwnedFd> {
    raw::unshare((libc::CLONE_NEWNS | libc::CLONE_FS).cast_unsigned())?;
    raw::propagation(c"/", libc::MS_REC | libc::MS_PRIVATE)?;
    raw::chdir(&c_path(base)?)?;
    mount(
        "overlay",
        base,
        "overlay",
        MountFlags::empty(),
        options.as_c_str(),
    )?;
    Ok(raw::open_tree(raw::CWD, &c_path(base)?, libc::OPEN_TREE_CLONE)?)
}

/// The deepest directory that holds all others.
fn common(overlay: &Overlay<'_>) -> PathBuf {
    let upper = overlay.upper.into_iter().flat_map(|(upper, work)| [upper, work]);
    let mut paths = overlay.lower.iter().map(PathBuf::as_path).chain(upper);
    let first = paths.next().and_then(Path::parent).unwrap_or(Path::new("/"));
    paths.fold(first.to_owned(), |base, path| {
        let same = base.components().zip(path.components());
        let shared: Vec<Component<'_>> = same.take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
        shared.into_iter().collect()
    })
}

fn options(overlay: &Overlay<'_>, base: &Path) -> io::Result<CString> {
    let name = |path: &Path| escape(path.strip_prefix(base).unwrap_or(path).as_os_str().as_bytes());
    let lower: Vec<Vec<u8>> = overlay.lower.iter().map(|path| name(path)).collect();
    let mut text = [b"lowerdir=".as_slice(), &lower.join(&b':')].concat();
    if let Some((upper, work)) = overlay.upper {
        text.extend([b",upperdir=".as_slice(), &name(upper), b",workdir=", &name(work)].concat());
    }
    for (key, value) in overlay.options {
        text.extend(format!(",{key}={value}").into_bytes());
    }
    if text.len() > MAX_OPTIONS {
        return Err(Errno::NAMETOOLONG.into());
    }
    Ok(CString::new(text)?)
}

/// Colons part directories and commas options; a backslash takes away the meaning.
fn escape(name: &[u8]) -> Vec<u8> {
    let special = |byte: &u8| matches!(byte, b':' | b',' | b'\\');
    let escaped = |byte: &u8| {
        if special(byte) {
            vec![b'\\', *byte]
        } else {
            vec![*byte]
        }
    };
    name.iter().flat_map(escaped).collect()
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example<'a>(lower: &'a [PathBuf]) -> Overlay<'a> {
        Overlay {
            lower,
            upper: Some((Path::new("/data/7/fs"), Path::new("/data/7/work"))),
            options: &[("index", "off")],
        }
    }

    #[test]
    fn names_are_relative_to_what_they_share() {
        let lower = [PathBuf::from("/data/2/fs"), PathBuf::from("/data/1:a/fs")];
        let overlay = example(&lower);
        let base = common(&overlay);
        assert_eq!(base, Path::new("/data"));
        assert_eq!(
            options(&overlay, &base).unwrap().to_str(),
            Ok(r"lowerdir=2/fs:1\:a/fs,upperdir=7/fs,workdir=7/work,index=off")
        );
    }

    #[test]
    fn more_than_a_page_of_names_is_refused() {
        let lower: Vec<PathBuf> = (0..2000).map(|n| format!("/data/{n}/fs").into()).collect();
        let error = options(&example(&lower), Path::new("/data")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENAMETOOLONG));
    }
}
