//! Sizes of trees (`docker ps -s`, `system df`).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of the files below `directory`; a file with several names counts once, links and what
/// vanishes meanwhile not at all. File systems mounted below are not entered.
///
/// # Errors
/// The directory itself cannot be read.
pub fn of_tree(directory: &Path) -> io::Result<u64> {
    let device = directory.metadata()?.dev();
    let (mut total, mut seen, mut left) = (0, BTreeSet::new(), vec![directory.to_owned()]);
    while let Some(path) = left.pop() {
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if path == directory => return Err(error),
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() && metadata.dev() == device {
                left.push(entry.path());
            } else if metadata.is_file() && (metadata.nlink() == 1 || seen.insert(metadata.ino())) {
                total += metadata.len();
            }
        }
    }
    Ok(total)
}

/// `SizeRw` and `SizeRootFs` of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerSize {
    /// Bytes that the container has written.
    pub written: u64,
    /// These and the image's.
    pub total: u64,
}

/// A container's size from its root file system and its image's size.
///
/// # Errors
/// The writable directory cannot be read.
pub fn of_container(rootfs: &image::Rootfs, image: u64) -> io::Result<ContainerSize> {
    let written = rootfs.size()?;
    Ok(ContainerSize {
        written,
        total: written.saturating_add(image),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_count_once_and_links_lead_nowhere() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path("a/b")).unwrap();
        fs::write(path("a/one"), [0; 100]).unwrap();
        fs::write(path("a/b/two"), [0; 23]).unwrap();
        fs::hard_link(path("a/one"), path("a/b/same")).unwrap();
        std::os::unix::fs::symlink("/", path("root")).unwrap();
        assert_eq!(of_tree(directory.path()).unwrap(), 123);
        assert!(of_tree(&path("none")).is_err());
    }
}
