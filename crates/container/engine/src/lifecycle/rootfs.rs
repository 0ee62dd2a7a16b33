//! The user database of a container, read without mounting its root.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use image::Rootfs;
use rustix::fs::{CWD, Mode, OFlags};

use crate::oci::UserFiles;

/// A user database is small; one that is not is foreign input and read no further.
const LARGEST: u64 = 1 << 20;

/// The user database as a container with this root would see it.
pub(crate) fn user_files_of(rootfs: &Rootfs) -> io::Result<UserFiles> {
    let layers: Vec<&Path> = rootfs
        .upper
        .iter()
        .chain(&rootfs.lower)
        .map(AsRef::as_ref)
        .collect();
    match (look(&layers, "passwd")?, look(&layers, "group")?) {
        (Look::Text(passwd), Look::Text(group)) => Ok(UserFiles { passwd, group }),
        // A link: only the mounted whole can say where it leads.
        _ => Ok(user_files_in(rootfs.mount()?.as_fd())),
    }
}

/// The user database below a root directory; what is not there or no file is empty.
pub(crate) fn user_files_in(root: BorrowedFd<'_>) -> UserFiles {
    let read = |path: &str| {
        // A FIFO of that name must not make us wait.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let file = sys::in_root::open(root, Path::new(path), flags);
        file.and_then(|file| text(File::from(file))).unwrap_or_default()
    };
    UserFiles {
        passwd: read("etc/passwd"),
        group: read("etc/group"),
    }
}

enum Look {
    Text(String),
    Link,
}

/// Looks for `/etc/NAME` from the top layer down, as the overlay would.
fn look(layers: &[&Path], name: &str) -> io::Result<Look> {
    for layer in layers {
        let etc = layer.join("etc");
        let Ok(directory) = etc.symlink_metadata() else {
            continue;
        };
        if directory.file_type().is_symlink() {
            return Ok(Look::Link);
        }
        let path = etc.join(name);
        match path.symlink_metadata() {
            Ok(file) if file.file_type().is_symlink() => return Ok(Look::Link),
            Ok(file) if file.is_file() => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = rustix::fs::openat(CWD, &path, flags, Mode::empty())?;
                return text(File::from(file)).map(Look::Text);
            }
            // Something else, a whiteout for one: there is no such file.
            Ok(_) => break,
            Err(_) if hides_below(&etc, &directory) => break,
            Err(_) => {}
        }
    }
    Ok(Look::Text(String::new()))
}

/// Whether nothing below this layer shows through: its `etc` is a whiteout, a file, or opaque.
fn hides_below(etc: &Path, metadata: &std::fs::Metadata) -> bool {
    let whiteout = metadata.file_type().is_char_device() && metadata.rdev() == 0;
    let mut value = [0; 1];
    let opaque =
        rustix::fs::lgetxattr(etc, "trusted.overlay.opaque", &mut value).is_ok_and(|_| value == *b"y");
    whiteout || opaque || !metadata.is_dir()
}

fn text(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        directory
    }

    fn found(layers: &[&tempfile::TempDir]) -> Option<String> {
        let layers: Vec<&Path> = layers.iter().map(|layer| layer.path()).collect();
        match look(&layers, "passwd").unwrap() {
            Look::Text(text) => Some(text),
            Look::Link => None,
        }
    }

    #[test]
    fn the_topmost_file_counts_and_a_link_is_left_to_the_mount() {
        let (top, below) = (layer(&[]), layer(&[("etc/passwd", "below")]));
        assert_eq!(found(&[&top, &below]).as_deref(), Some("below"));
        let over = layer(&[("etc/passwd", "over")]);
        assert_eq!(found(&[&top, &over, &below]).as_deref(), Some("over"));
        let hidden = layer(&[("etc", "a file")]);
        assert_eq!(found(&[&hidden, &below]).as_deref(), Some(""));
        let link = layer(&[("etc/other", "")]);
        std::os::unix::fs::symlink("other", link.path().join("etc/passwd")).unwrap();
        assert_eq!(found(&[&link, &below]), None);
        assert_eq!(found(&[]).as_deref(), Some(""));
    }
}
