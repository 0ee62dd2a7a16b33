//! Logs of containers on the node's disk: the link by which tools find them, and their removal.

use std::ffi::OsStr;
use std::path::Path;
use std::{fs, io};

use crate::sandbox::gone;

/// Leads to a log. What was there before goes.
pub(crate) fn link(link: &Path, log: &Path) -> io::Result<()> {
    if let Some(directory) = link.parent() {
        fs::create_dir_all(directory)?;
    }
    gone(fs::remove_file(link))?;
    std::os::unix::fs::symlink(log, link)
}

/// Removes a log, the files that were rotated out of it, and its directory if nothing else is there.
pub(crate) fn remove(log: &Path) -> io::Result<()> {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name()) else {
        return Ok(());
    };
    files(directory, name).try_for_each(|file| gone(fs::remove_file(file.path())))?;
    remove_empty(directory);
    Ok(())
}

/// Bytes of a log and the files that were rotated out of it.
pub(crate) fn size(log: &Path) -> u64 {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name()) else {
        return 0;
    };
    let metadata = files(directory, name).filter_map(|file| file.metadata().ok());
    metadata.map(|metadata| metadata.len()).sum()
}

fn files(directory: &Path, log: &OsStr) -> impl Iterator<Item = fs::DirEntry> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(move |entry| is_part(&entry.file_name(), log))
}

/// Removes a directory and the one above it where nothing is in them.
pub(crate) fn remove_empty(directory: &Path) {
    if fs::remove_dir(directory).is_ok()
        && let Some(above) = directory.parent()
    {
        // It holds the logs of the pod's other containers.
        let _ = fs::remove_dir(above);
    }
}

/// `0.log.3` is a part of `0.log`.
fn is_part(name: &OsStr, log: &OsStr) -> bool {
    let (name, log) = (name.as_encoded_bytes(), log.as_encoded_bytes());
    name.strip_prefix(log)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_goes_with_what_was_rotated_out_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let logs = directory.path().join("n_p_u/c");
        fs::create_dir_all(&logs).unwrap();
        for name in ["1.log", "1.log.1", "10.log", "11.log.2"] {
            fs::write(logs.join(name), "").unwrap();
        }
        let names = || {
            let mut names: Vec<_> = fs::read_dir(&logs)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            names.sort_unstable();
            names
        };
        fs::write(logs.join("1.log.1"), "123").unwrap();
        assert_eq!(size(&logs.join("1.log")), 3);
        remove(&logs.join("1.log")).unwrap();
        assert_eq!(names(), ["10.log", "11.log.2"]);
        remove(&logs.join("10.log")).unwrap();
        remove(&logs.join("11.log")).unwrap();
        assert!(!logs.exists() && !directory.path().join("n_p_u").exists());
        remove(&logs.join("11.log")).unwrap();
    }

    #[test]
    fn a_link_leads_to_the_newest() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("containers/x.log");
        link(&from, Path::new("/a")).unwrap();
        link(&from, Path::new("/b")).unwrap();
        assert_eq!(fs::read_link(from).unwrap(), Path::new("/b"));
    }
}
