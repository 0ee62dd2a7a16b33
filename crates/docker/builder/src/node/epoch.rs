//! `SOURCE_DATE_EPOCH`: no file of a layer is younger.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

/// Sets back the time of everything below a writable directory (and of the directory) that is younger.
///
/// # Errors
/// The file system's.
pub(super) fn clamp(directory: &Path, epoch: i64) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let time = |seconds, nanoseconds| Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time(0, UTIME_OMIT),
        last_modification: time(epoch, 0),
    };
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        // Nothing runs there any more, and no link is followed.
        let metadata = std::fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        }
        if (metadata.mtime(), metadata.mtime_nsec()) > (epoch, 0) {
            utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn only_what_is_younger_is_set_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        std::fs::create_dir(path("d")).unwrap();
        std::fs::write(path("d/young"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        let old = std::fs::File::create(path("old")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(5))
            .unwrap();
        clamp(directory.path(), 10).unwrap();
        let time = |name| std::fs::symlink_metadata(path(name)).unwrap().mtime();
        assert_eq!(["d", "d/young", "link", "old", ""].map(time), [10, 10, 10, 5, 10]);
    }
}
