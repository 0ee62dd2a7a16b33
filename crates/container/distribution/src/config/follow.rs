//! Whether the files of [`Sources`] have changed since they were read. They are looked at whenever a repository is asked for,
//! since containerd reads its own at each pull and nobody expects to restart a node for a mirror.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Config, ConfigError, Sources};

/// Files that are read again when they have changed.
#[derive(Debug)]
pub(crate) struct Followed {
    sources: Sources,
    seen: Mutex<Vec<Seen>>,
}

/// A file or directory as it was: its inode, its length and its time in seconds and nanoseconds.
type Seen = (PathBuf, u64, u64, (i64, i64));

impl Followed {
    /// Reads the files for the first time; the texts are warnings.
    ///
    /// # Errors
    /// The first file that is wrong.
    pub(crate) fn read(sources: Sources) -> Result<(Self, Config, Vec<String>), ConfigError> {
        // Before they are read: what changes meanwhile is read once more.
        let seen = Mutex::new(look(&sources));
        let (config, warnings) = Config::load(&sources)?;
        Ok((Self { sources, seen }, config, warnings))
    }

    /// What the files say, if they have changed since this was asked last; told once, be it an error.
    pub(crate) fn changed(&self) -> Option<Result<(Config, Vec<String>), ConfigError>> {
        let now = look(&self.sources);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return None;
        }
        *seen = now;
        Some(Config::load(&self.sources))
    }
}

/// The directories of hosts with what lies in them, and the files.
fn look(sources: &Sources) -> Vec<Seen> {
    let mut found = Vec::new();
    for root in sources.hosts.iter().chain(&sources.certificates) {
        for directory in entries(root) {
            entries(&directory).iter().for_each(|file| note(file, &mut found));
            note(&directory, &mut found);
        }
    }
    sources.registries.iter().for_each(|file| note(file, &mut found));
    found.sort_unstable();
    found
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn note(path: &Path, found: &mut Vec<Seen>) {
    if let Ok(file) = fs::metadata(path) {
        let changed = (file.mtime(), file.mtime_nsec());
        found.push((path.to_owned(), file.ino(), file.len(), changed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_counts_from_when_it_is_written_on() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let sources = Sources {
            hosts: vec![at("certs.d")],
            registries: vec![at("registries.yaml")],
            ..Sources::default()
        };
        let (followed, config, _) = Followed::read(sources).unwrap();
        let first = |config: &Config| config.endpoints("docker.io")[0].base.to_string();
        let hub = first(&config);
        assert!(followed.changed().is_none());

        let write = |text: &str| {
            // A new file each time, so that it differs whatever the clock says.
            fs::write(at("new"), text).unwrap();
            fs::rename(at("new"), at("certs.d/docker.io/hosts.toml")).unwrap();
        };
        fs::create_dir_all(at("certs.d/docker.io")).unwrap();
        write("[host.\"http://mirror:5000\"]\n");
        let (config, _) = followed.changed().unwrap().unwrap();
        assert_eq!(first(&config), "http://mirror:5000/v2");
        assert!(followed.changed().is_none());

        write("[host");
        assert!(followed.changed().unwrap().is_err());
        assert!(followed.changed().is_none(), "it is told once");
        fs::remove_dir_all(at("certs.d/docker.io")).unwrap();
        assert_eq!(first(&followed.changed().unwrap().unwrap().0), hub);

        fs::write(
            at("registries.yaml"),
            "mirrors:\n  docker.io:\n    endpoint: [\"http://other:5000\"]\n",
        )
        .unwrap();
        let (config, _) = followed.changed().unwrap().unwrap();
        assert_eq!(first(&config), "http://other:5000/v2");
    }
}
