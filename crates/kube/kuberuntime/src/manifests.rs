//! The directory of manifests of static pods: read whole, and watched by inotify(7).
//!
//! The kernel only wakes; what there is is read anew each time, so no event has to be understood. A directory that is not
//! there, or that the kernel does not watch, is looked at every 20 seconds (upstream's `fileCheckFrequency`).

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kubelet::traits::{Doing, ManifestFile, Manifests};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

use crate::blocking;

/// How often a directory is looked at that nobody watches.
const PERIOD: Duration = Duration::from_secs(20);

/// The largest file that is read, in bytes (upstream's `maxConfigLength`), and how many of them.
const MAX_BYTES: u64 = 10 << 20;
const MAX_FILES: usize = 1000;

/// A directory of manifests.
#[derive(Clone)]
pub struct ManifestDirectory {
    path: PathBuf,
    watch: Option<Arc<Watch>>,
}

struct Watch {
    queue: AsyncFd<OwnedFd>,
    /// The directory was there when it was looked at last.
    active: AtomicBool,
}

impl ManifestDirectory {
    /// Makes the directory unless it is there. It touches the disk.
    ///
    /// # Panics
    /// Outside of an executor.
    pub fn open(path: PathBuf) -> Self {
        if let Err(error) = fs::create_dir_all(&path) {
            tracing::warn!(path = %path.display(), %error, "there is no directory for static pods");
        }
        let watch = watch().inspect_err(|error| {
            tracing::warn!(%error, "manifests of static pods are looked at every 20 s");
        });
        Self {
            path,
            watch: watch.ok().map(Arc::new),
        }
    }

    /// Begins to watch the directory that is there now. Doing so again changes nothing.
    fn watch(&self) {
        let Some(watch) = &self.watch else { return };
        let changes = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::MOVE
            | WatchFlags::DELETE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        let added = inotify::add_watch(watch.queue.get_ref(), &self.path, changes);
        watch.active.store(added.is_ok(), Ordering::Release);
    }
}

#[expect(
    deprecated,
    reason = "sound for an OwnedFd, and unsafe code lives in sys alone"
)]
fn watch() -> io::Result<Watch> {
    let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    Ok(Watch {
        queue: AsyncFd::new(queue)?,
        active: AtomicBool::new(false),
    })
}

impl Watch {
    /// Waits until something has happened, and takes note of all of it.
    async fn changed(&self) -> io::Result<()> {
        let mut buffer = [0_u8; 4096];
        loop {
            let mut ready = self.queue.readable().await?;
            let mut any = false;
            while let Ok(read) = rustix::io::read(self.queue.get_ref(), &mut buffer) {
                any |= read > 0;
                if read == 0 {
                    break;
                }
            }
            ready.clear_ready();
            if any {
                return Ok(());
            }
        }
    }
}

/// All manifests of a directory: upstream passes over names that begin with a dot, and looks into no directory below.
fn read(path: &Path) -> io::Result<Vec<ManifestFile>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(path)?
        .flatten()
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .collect();
    paths.sort_unstable();
    if paths.len() > MAX_FILES {
        tracing::error!(path = %path.display(), "only the first {MAX_FILES} manifests are read");
        paths.truncate(MAX_FILES);
    }
    let files = paths.into_iter().map(|path| {
        let content = content(&path);
        (path, content)
    });
    // One that is gone by now was taken away, or renamed.
    let there = |content: &io::Result<Vec<u8>>| !matches!(content, Err(error) if error.kind() == io::ErrorKind::NotFound);
    Ok(files.filter(|(_, content)| there(content)).collect())
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if !kind.is_file() {
        let why = if kind.is_dir() {
            "it is a directory"
        } else {
            "it is no file"
        };
        return Err(io::Error::other(why));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

impl Manifests for ManifestDirectory {
    fn read(&self) -> Doing<io::Result<Vec<ManifestFile>>> {
        let directory = self.clone();
        Box::pin(blocking(move || {
            // Before it is read, so that nothing that happens meanwhile is missed.
            directory.watch();
            read(&directory.path)
        }))
    }

    fn changed(&self) -> Doing<()> {
        let directory = self.clone();
        Box::pin(async move {
            let watch = directory
                .watch
                .filter(|watch| watch.active.load(Ordering::Acquire));
            let Some(watch) = watch else {
                return tokio::time::sleep(PERIOD).await;
            };
            if let Err(error) = watch.changed().await {
                tracing::warn!(%error, "manifests of static pods are not watched");
                tokio::time::sleep(PERIOD).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn names(directory: &ManifestDirectory) -> Vec<String> {
        let files = directory.read().await.unwrap();
        let named = |(path, content): ManifestFile| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            format!(
                "{name}: {}",
                content.map_or_else(
                    |error| error.to_string(),
                    |bytes| String::from_utf8(bytes).unwrap()
                )
            )
        };
        files.into_iter().map(named).collect()
    }

    #[tokio::test]
    async fn what_happens_to_files_is_told_and_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("manifests");
        let directory = ManifestDirectory::open(path.clone());
        assert!(names(&directory).await.is_empty());
        fs::write(path.join("b"), "two").unwrap();
        directory.changed().await;
        fs::write(path.join(".hidden"), "x").unwrap();
        fs::create_dir(path.join("c")).unwrap();
        std::os::unix::fs::symlink("b", path.join("a")).unwrap();
        assert_eq!(
            names(&directory).await,
            ["a: two", "b: two", "c: it is a directory"]
        );
        directory.changed().await;
        fs::remove_file(path.join("b")).unwrap();
        directory.changed().await;
        assert_eq!(names(&directory).await, ["c: it is a directory"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_comes_back_is_found() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("manifests");
        let directory = ManifestDirectory::open(path.clone());
        directory.read().await.unwrap();
        fs::remove_dir(&path).unwrap();
        directory.changed().await;
        assert_eq!(
            directory.read().await.unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        // Nobody watches: that is the time which passes here.
        directory.changed().await;
        fs::create_dir(&path).unwrap();
        fs::write(path.join("a"), "x").unwrap();
        assert_eq!(names(&directory).await, ["a: x"]);
    }
}
