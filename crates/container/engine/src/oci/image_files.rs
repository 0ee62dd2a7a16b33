//! `/etc/passwd` and `/etc/group` of a container, read from its layers.
//!
//! Every start needs them, and an overlay mount for two small files would cost more than all the
//! rest of the translation. So the layers are looked through from the top, as the overlay would;
//! where a link makes that more than a look, the overlay is mounted after all.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use image::Rootfs;
use rustix::fs::OFlags;

use super::UserFiles;

/// Bytes of a file that are read; no honest one has more.
const MAX_SIZE: u64 = 4 << 20;

impl UserFiles {
    /// Reads the files of a container's root file system; one that is not there is empty.
    ///
    /// # Errors
    /// A layer cannot be read.
    pub fn of(rootfs: &Rootfs) -> io::Result<Self> {
        Ok(Self {
            passwd: text(rootfs, "passwd")?,
            group: text(rootfs, "group")?,
        })
    }
}

fn text(rootfs: &Rootfs, name: &str) -> io::Result<String> {
    let file = match look(rootfs, name)? {
        Found::File(file) => Some(file),
        Found::Nothing => None,
        Found::Link => through_overlay(rootfs, name)?,
    };
    let mut bytes = Vec::new();
    if let Some(file) = file {
        file.take(MAX_SIZE).read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

enum Found {
    File(File),
    Nothing,
    /// Somewhere on the way is a link: only the overlay knows where it leads.
    Link,
}

/// Looks for `etc/NAME` in the layers.
fn look(rootfs: &Rootfs, name: &str) -> io::Result<Found> {
    for layer in rootfs.upper.iter().chain(&rootfs.lower) {
        let etc = layer.join("etc");
        let Some(directory) = present(&etc)? else {
            continue;
        };
        if !directory.is_dir() {
            return Ok(if directory.is_symlink() {
                Found::Link
            } else {
                Found::Nothing
            });
        }
        let path = etc.join(name);
        match present(&path)? {
            Some(file) if file.is_file() => return open(layer, name).map(Found::File),
            Some(link) if link.is_symlink() => return Ok(Found::Link),
            Some(_) => return Ok(Found::Nothing),
            None if hides_lower_layers(&etc) => return Ok(Found::Nothing),
            None => {}
        }
    }
    Ok(Found::Nothing)
}

/// Opens `etc/NAME` of a layer, which a running container may have exchanged since it was looked at.
fn open(layer: &Path, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    sys::in_root::open(File::open(layer)?, &Path::new("etc").join(name), flags).map(File::from)
}

/// What is at a path, which may be a whiteout: a character device 0:0, never a file.
fn present(path: &Path) -> io::Result<Option<Metadata>> {
    match path.symlink_metadata() {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a directory is opaque: nothing of the layers below shows through.
fn hides_lower_layers(directory: &Path) -> bool {
    let mut value = [0; 1];
    matches!(rustix::fs::lgetxattr(directory, "trusted.overlay.opaque", &mut value), Ok(1) if value == *b"y")
}

fn through_overlay(rootfs: &Rootfs, name: &str) -> io::Result<Option<File>> {
    let root = rootfs.mount()?;
    // A FIFO or a device is none of our files; opening one must not wait.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    match sys::in_root::open(&root, &Path::new("etc").join(name), flags).map(File::from) {
        Ok(file) if file.metadata()?.is_file() => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    /// Two layers and a writable directory.
    fn rootfs(directory: &TempDir) -> Rootfs {
        let path = |name: &str| directory.path().join(name);
        for name in ["upper", "work", "a/etc", "b/etc"] {
            fs::create_dir_all(path(name)).unwrap();
        }
        Rootfs {
            lower: vec![path("a"), path("b")],
            upper: Some(path("upper")),
            work: Some(path("work")),
        }
    }

    #[test]
    fn the_topmost_file_is_the_one() {
        let directory = tempfile::tempdir().unwrap();
        let rootfs = rootfs(&directory);
        let write = |name: &str| fs::write(directory.path().join(name), name).unwrap();
        let passwd = || UserFiles::of(&rootfs).unwrap().passwd;
        assert_eq!(UserFiles::of(&rootfs).unwrap(), UserFiles::default());
        write("b/etc/passwd");
        assert_eq!(passwd(), "b/etc/passwd");
        write("a/etc/passwd");
        assert_eq!(passwd(), "a/etc/passwd");
        fs::create_dir(directory.path().join("upper/etc")).unwrap();
        assert_eq!(passwd(), "a/etc/passwd");
        write("upper/etc/passwd");
        write("b/etc/group");
        let files = UserFiles::of(&rootfs).unwrap();
        assert_eq!(
            (files.passwd.as_str(), files.group.as_str()),
            ("upper/etc/passwd", "b/etc/group")
        );
    }

    #[test]
    fn what_is_no_file_is_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let rootfs = rootfs(&directory);
        fs::write(directory.path().join("b/etc/passwd"), "hidden").unwrap();
        fs::create_dir(directory.path().join("a/etc/passwd")).unwrap();
        assert_eq!(UserFiles::of(&rootfs).unwrap().passwd, "");
    }
}
