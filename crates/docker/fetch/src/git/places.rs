//! Where repositories lie: a bare one for each remote, one after the other used by builds, and checkouts, which go with their
//! build.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::digest::{SHA256, digest};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, openat2, utimensat};
use tokio::sync::OwnedMutexGuard;

use crate::program::{GitError, Program, give, take_back};

/// At most so many remotes are kept.
const REMOTES: usize = 32;

pub(super) struct Places {
    directory: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    turns: HashMap<String, (Arc<tokio::sync::Mutex<()>>, u64)>,
    uses: u64,
}

/// A remote's bare repository, while a build has it to itself.
pub(super) struct Place {
    path: PathBuf,
    _turn: OwnedMutexGuard<()>,
}

impl Places {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            known: Mutex::default(),
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a remote's repository.
    pub(super) async fn place(&self, remote: &str, format: &str) -> Place {
        let hash = digest(&SHA256, format!("{format} {remote}").as_bytes());
        let name: String = hash
            .as_ref()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.make_room(&name);
        let turn = {
            let mut known = self.known();
            known.uses += 1;
            let now = known.uses;
            let entry = known.turns.entry(name.clone()).or_default();
            entry.1 = now;
            entry.0.clone()
        };
        Place {
            path: self.directory.join(name),
            _turn: turn.lock_owned().await,
        }
    }

    /// Forgets the remote that was used longest ago, if there are too many.
    fn make_room(&self, wanted: &str) {
        let mut known = self.known();
        if known.turns.contains_key(wanted) || known.turns.len() < REMOTES {
            return;
        }
        let idle = known
            .turns
            .iter()
            .filter(|(_, (turn, _))| Arc::strong_count(turn) == 1);
        let oldest = idle
            .min_by_key(|(_, (_, used))| *used)
            .map(|(name, _)| name.clone());
        if let Some(name) = oldest {
            known.turns.remove(&name);
            // Nobody has it, and nobody can come to have it while the table is held.
            let _ = std::fs::remove_dir_all(self.directory.join(name));
        }
    }

    /// Removes what nobody uses.
    pub(super) async fn clear(&self) -> u64 {
        let names: Vec<String> = self.known().turns.keys().cloned().collect();
        let mut freed = 0;
        for name in names {
            let turn = self.known().turns.get(&name).map(|(turn, _)| turn.clone());
            let Some(turn) = turn.and_then(|turn| turn.try_lock_owned().ok()) else {
                continue;
            };
            let path = self.directory.join(&name);
            let removed = tokio::task::spawn_blocking(move || {
                let size = size(&path);
                std::fs::remove_dir_all(&path).map(|()| size)
            });
            freed += removed.await.ok().and_then(Result::ok).unwrap_or(0);
            drop(turn);
        }
        freed
    }
}

impl Place {
    /// The bare repository, made if it is not there.
    pub(super) async fn open(&self, git: &Program, remote: &str, format: &str) -> Result<PathBuf, GitError> {
        let git = Program {
            git_dir: Some(self.path.clone()),
            ..git.clone()
        };
        if !self.path.join("ready").exists() {
            // One that was begun and not finished is begun anew.
            let _ = std::fs::remove_dir_all(&self.path);
            std::fs::create_dir_all(&self.path)?;
            give(&self.path)?;
            git.run(&["init", "--quiet", "--bare", &format!("--object-format={format}")])
                .await?;
            git.run(&["remote", "add", "origin", "--", remote]).await?;
            std::fs::write(self.path.join("ready"), "")?;
        }
        // What an ended git has left.
        for lock in ["shallow.lock", "packed-refs.lock", "config.lock"] {
            let _ = std::fs::remove_file(self.path.join(lock));
        }
        Ok(self.path.clone())
    }
}

/// Files that go with whoever has them.
#[derive(Debug)]
pub(super) struct Checkout {
    directory: PathBuf,
    files: PathBuf,
}

impl Checkout {
    pub(super) fn make(directory: PathBuf) -> io::Result<Self> {
        let files = directory.join("files");
        std::fs::create_dir_all(&files)?;
        give(&directory)?;
        give(&files)?;
        Ok(Self { directory, files })
    }

    pub(super) fn files(&self) -> &Path {
        &self.files
    }

    pub(super) fn index(&self) -> PathBuf {
        self.directory.join("index")
    }

    /// A directory of it.
    pub(super) fn below(&self, directory: &str) -> PathBuf {
        self.files.join(directory)
    }

    /// Sees that the directory that is wanted is one, and gives everything its time.
    pub(super) async fn finish(&mut self, directory: &str, time: Option<i64>) -> Result<(), super::Failed> {
        let (files, wanted) = (self.files.clone(), directory.to_owned());
        let done = tokio::task::spawn_blocking(move || {
            directory_within(&files, &wanted).map_err(|why| super::Failed::Directory {
                directory: wanted,
                why,
            })?;
            take_back(&files)?;
            walk(&files, &mut |path, _| take_back(path))?;
            if let Some(time) = time {
                set_times(&files, time)?;
            }
            Ok(())
        });
        done.await.map_err(io::Error::other)?
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // What stays is removed when the daemon begins again.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A directory below another, reached through nothing but directories: a repository may hold links to anywhere.
fn directory_within(files: &Path, wanted: &str) -> io::Result<()> {
    let root = std::fs::File::open(files)?;
    let wanted = if wanted.is_empty() { "." } else { wanted };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(root.as_fd(), wanted, flags, Mode::empty(), resolve)?;
    Ok(())
}

fn walk(
    directory: &Path,
    visit: &mut dyn FnMut(&Path, &std::fs::Metadata) -> io::Result<()>,
) -> io::Result<()> {
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            visit(&entry.path(), &meta)?;
            if meta.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

fn size(directory: &Path) -> u64 {
    let mut size = 0;
    let _ = walk(directory, &mut |_, meta| {
        size += meta.len();
        Ok(())
    });
    size
}

fn set_times(files: &Path, seconds: i64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: time,
    };
    walk(files, &mut |path, _| {
        Ok(utimensat(
            rustix::fs::CWD,
            path,
            &times,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    })
}

/// Removes the files by which submodules name their repositories.
pub(super) fn remove_links_to_git(files: &Path) -> io::Result<()> {
    let mut found = Vec::new();
    walk(files, &mut |path, meta| {
        if meta.is_file() && path.file_name().is_some_and(|name| name == ".git") {
            found.push(path.to_owned());
        }
        Ok(())
    })?;
    found.into_iter().try_for_each(std::fs::remove_file)
}
