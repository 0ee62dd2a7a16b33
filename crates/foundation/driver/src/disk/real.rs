//! The disk seam over the kernel's files, through `std` alone.

use std::fs::{self, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Dir, DirLock, File, LockError};

/// Files hold cluster state, secrets among it: nobody but the owner reads them.
const MODE: u32 = 0o600;

/// A directory of the machine.
#[derive(Debug)]
pub struct RealDir {
    path: PathBuf,
    handle: fs::File,
}

impl RealDir {
    /// Opens `path`, making it (mode 0700) and its parents if missing; what is made is durable.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn open(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            create_durably(path)?;
        }
        Ok(Self {
            path: path.to_owned(),
            handle: fs::File::open(path)?,
        })
    }

    fn open_with(&self, name: &str, options: &mut OpenOptions) -> io::Result<fs::File> {
        options
            .read(true)
            .write(true)
            .mode(MODE)
            .open(self.path.join(name))
    }
}

/// A new directory is durable once its parent is synced, all the way up to one that existed.
fn create_durably(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if !parent.is_dir() {
        create_durably(parent)?;
    }
    std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(path)?;
    fs::File::open(parent)?.sync_all()
}

impl Dir for RealDir {
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile(
            self.open_with(name, OpenOptions::new().create_new(true))?,
        )))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile(self.open_with(name, &mut OpenOptions::new())?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = fs::read_dir(&self.path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn lock(&self, name: &str) -> Result<Box<dyn DirLock>, LockError> {
        let file = self.open_with(name, OpenOptions::new().create(true).truncate(false))?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.write_all_at(std::process::id().to_string().as_bytes(), 0)?;
                Ok(Box::new(RealLock(file)))
            }
            Err(TryLockError::WouldBlock) => Err(LockError::Held { pid: holder(&file) }),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

fn holder(file: &fs::File) -> Option<u32> {
    let mut text = [0; 16];
    let length = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text[..length]).ok()?.trim().parse().ok()
}

#[derive(Debug)]
struct RealFile(fs::File);

impl File for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// The kernel drops a flock with the last descriptor of its open file.
#[derive(Debug)]
struct RealLock(#[expect(dead_code, reason = "held, not used: dropping it releases the lock")] fs::File);

impl DirLock for RealLock {}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, RealDir) {
        let root = tempfile::tempdir().unwrap();
        let dir = RealDir::open(&root.path().join("a/b")).unwrap();
        (root, dir)
    }

    #[test]
    fn files_keep_what_is_written() {
        let (_root, dir) = scratch();
        let file = dir.create("one").unwrap();
        file.zero_fill(0, 3).unwrap();
        file.write_at(b"xyz", 2).unwrap();
        file.sync_data().unwrap();
        dir.rename("one", "two").unwrap();
        dir.sync().unwrap();
        let mut bytes = [9; 5];
        dir.open("two").unwrap().read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"\0\0xyz");
        assert_eq!(dir.list().unwrap(), ["two"]);
        let beyond = file.read_exact_at(&mut bytes, 1).unwrap_err();
        assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_second_lock_names_the_holder_and_ends_with_the_first() {
        let (_root, dir) = scratch();
        let held = dir.lock("lock").unwrap();
        let Err(LockError::Held { pid }) = dir.lock("lock") else {
            panic!("locked twice")
        };
        assert_eq!(pid, Some(std::process::id()));
        drop(held);
        dir.lock("lock").unwrap();
    }
}
