//! The daemon's log file: 10 MiB, and two older ones beside it.
//!
//! Written where it happens, under one lock: the log is for what a person should see, so it is small,
//! and a line must be in the file when the process dies after it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file at or above this is rotated before the next line.
const MAX_SIZE: u64 = 10 << 20;
/// Files in all: `gantry.log`, `gantry.log.1`, `gantry.log.2`.
const FILES: u32 = 3;

/// The log's files, oldest first, whether or not they exist.
#[must_use]
pub fn parts(path: &Path) -> Vec<PathBuf> {
    (0..FILES).rev().map(|number| part(path, number)).collect()
}

fn part(path: &Path, number: u32) -> PathBuf {
    match number {
        0 => path.to_owned(),
        _ => path.with_extension(format!("log.{number}")),
    }
}

/// A log file that is rotated by size. Every call of `write` is one whole entry.
#[derive(Debug)]
pub struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
    max_size: u64,
}

impl Rotating {
    /// Goes on at the end of the file, or begins it.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::with_size(path, MAX_SIZE)
    }

    fn with_size(path: &Path, max_size: u64) -> io::Result<Self> {
        let file = append(path)?;
        Ok(Self {
            path: path.to_owned(),
            size: file.metadata()?.len(),
            file,
            max_size,
        })
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (0..FILES - 1).rev() {
            match fs::rename(part(&self.path, number), part(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = append(&self.path)?;
        self.size = 0;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

impl Write for Rotating {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        if self.size >= self.max_size {
            // A directory that cannot be written to must not silence the daemon: it goes on in this file.
            drop(self.rotate());
        }
        let written = self.file.write(entry)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_makes_room_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gantry.log");
        let mut log = Rotating::with_size(&path, 8).unwrap();
        for entry in ["entry 1\n", "entry 2\n", "entry 3\n", "4\n", "5\n"] {
            log.write_all(entry.as_bytes()).unwrap();
        }
        drop(log);
        Rotating::with_size(&path, 8).unwrap().write_all(b"6\n").unwrap();
        let texts: Vec<String> = parts(&path)
            .iter()
            .map(|part| fs::read_to_string(part).unwrap())
            .collect();
        assert_eq!(texts, ["entry 2\n", "entry 3\n", "4\n5\n6\n"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
