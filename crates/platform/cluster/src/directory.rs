//! DATA and RUN: made, locked for one daemon, and stamped with the layout's version.
//!
//! A lock is a flock on a file that holds its holder's process id: it ends with the holder, however that
//! ended, and whoever comes second can say who was first.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use driver::{Dir, DirLock, LockError, RealDir};

/// The layout of DATA that this build reads and writes.
const LAYOUT: &str = "1";

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it.
    #[error(transparent)]
    Held(#[from] Held),
    /// The directory holds data of another layout.
    #[error("{path} holds data of layout {found:?}, and this gantry {version} knows layout {LAYOUT}", path = .path.display(), version = crate::VERSION)]
    Layout {
        /// The stamp.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// The file system refuses.
    #[error("{}", .0.display())]
    Io(PathBuf, #[source] io::Error),
}

/// Something of which there can be one user is in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is in use by {}", holder(*.pid))]
pub struct Held {
    /// The directory or socket.
    pub what: String,
    /// Who uses it, if that is known.
    pub pid: Option<u32>,
}

fn holder(pid: Option<u32>) -> String {
    let Some(pid) = pid else {
        return "another process".to_owned();
    };
    match command_of(pid) {
        Some(command) => format!("process {pid} ({command})"),
        None => format!("process {pid}"),
    }
}

/// The command line of a process, shortened to 160 characters; none if it has ended.
#[must_use]
pub fn command_of(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = bytes
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>();
    let command = words.join(" ");
    Some(command.trim_end().chars().take(160).collect())
}

/// The process id in a pid file.
#[must_use]
pub fn pid_in(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Makes the directory, readable by root alone, and takes its lock.
///
/// # Errors
/// [`Error::Held`] names the process that has the lock.
pub(crate) fn lock(path: &Path) -> Result<Box<dyn DirLock>, Error> {
    let io = |error| Error::Io(path.to_owned(), error);
    make(path).map_err(io)?;
    let dir = RealDir::open(path).map_err(io)?;
    dir.lock("lock").map_err(|error| match error {
        LockError::Held { pid } => Held {
            what: path.display().to_string(),
            pid,
        }
        .into(),
        LockError::Io(error) => io(error),
    })
}

/// Makes a directory and those above it. Others may pass through (the docker socket may be below), not
/// look inside.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o711).create(path)
}

/// Checks the stamp of a data directory, or writes it into a new one.
///
/// # Errors
/// [`Error::Layout`] for data that another version has written.
pub(crate) fn stamp(path: &Path) -> Result<(), Error> {
    let io = |error| Error::Io(path.to_owned(), error);
    match fs::read_to_string(path) {
        Ok(text) if text.trim() == LAYOUT => Ok(()),
        Ok(text) => Err(Error::Layout {
            path: path.to_owned(),
            found: text.trim().chars().take(40).collect(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::write(path, format!("{LAYOUT}\n")).map_err(io)
        }
        Err(error) => Err(io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_names_its_holder_and_the_command() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        let Err(Error::Held(second)) = lock(dir.path()) else {
            panic!("locked twice")
        };
        assert_eq!(second.pid, Some(std::process::id()));
        let command = command_of(std::process::id()).unwrap();
        assert!(second.to_string().contains(&command), "{second}");
        drop(held);
        drop(lock(dir.path()).unwrap());
    }

    #[test]
    fn a_new_directory_is_stamped_and_another_layout_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("VERSION");
        stamp(&path).unwrap();
        stamp(&path).unwrap();
        fs::write(&path, "2\n").unwrap();
        let error = stamp(&path).unwrap_err().to_string();
        assert!(error.contains("layout \"2\""), "{error}");
    }
}
