//! The files of one log, oldest first, while the writer rotates them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::entry::LogEntry;
use super::lines::{Lines, last_lines};
use super::{Format, LogSource};

/// Attempts to see the files between two rotations.
const ATTEMPTS: usize = 16;
/// Rotated files that are looked for.
const MAX_FILES: usize = 10_000;

/// A position in a log.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    format: Format,
    /// The file being read; none while there is none.
    current: Option<Lines>,
    /// Files after it, older first.
    next: VecDeque<Lines>,
    /// Whether what comes later is read too.
    follow: bool,
}

impl Reader {
    /// At the beginning, or before the last `tail` entries. Who does not follow reads what is there now: another
    /// reading would never end beside a container that writes faster than its client reads.
    pub(super) fn open(source: LogSource, tail: Option<u64>, follow: bool) -> io::Result<Self> {
        let mut files: VecDeque<(File, u64)> = open_all(&source.path)?
            .into_iter()
            .map(|file| file.metadata().map(|metadata| (file, metadata.len())))
            .collect::<io::Result<_>>()?;
        if let Some(tail) = tail {
            seek_to_tail(&mut files, tail)?;
        }
        let mut next = files
            .into_iter()
            .map(|(file, end)| {
                if follow {
                    Ok(Lines::new(file))
                } else {
                    Lines::up_to(file, end)
                }
            })
            .collect::<io::Result<VecDeque<_>>>()?;
        Ok(Self {
            path: source.path,
            format: source.format,
            current: next.pop_front(),
            next,
            follow,
        })
    }

    /// The next entries, at most `limit`; none at the end of what is there.
    pub(super) fn batch(&mut self, limit: usize) -> io::Result<Vec<LogEntry>> {
        let mut entries = Vec::new();
        while entries.len() < limit {
            match self.line()? {
                Some(line) => entries.extend(LogEntry::parse(self.format, &line)),
                None => break,
            }
        }
        Ok(entries)
    }

    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            // What has a successor is not written to any more: seen before the read, so that the
            // end which the read finds is the end.
            let finished = !self.next.is_empty();
            if let Some(line) = self.current.as_mut().map(Lines::next).transpose()?.flatten() {
                return Ok(Some(line));
            }
            if finished {
                self.current = self.next.pop_front();
                continue;
            }
            if !self.follow {
                return Ok(None);
            }
            self.next = self.successors()?;
            if self.next.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Files younger than the current one.
    fn successors(&self) -> io::Result<VecDeque<Lines>> {
        let current = self
            .current
            .as_ref()
            .map(|lines| identity(lines.file()))
            .transpose()?;
        if current.is_some() && current == identity_of(&self.path)? {
            return Ok(VecDeque::new());
        }
        let mut files = open_all(&self.path)?;
        let known = files.iter().position(|file| identity(file).ok() == current);
        // One that has been removed was older than any that is there.
        files.drain(..known.filter(|_| current.is_some()).map_or(0, |at| at + 1));
        Ok(files.into_iter().map(Lines::new).collect())
    }
}

/// Puts each file, of which as many bytes count as stand beside it, where the last `tail` entries begin; files before that
/// go.
fn seek_to_tail(files: &mut VecDeque<(File, u64)>, tail: u64) -> io::Result<()> {
    let mut wanted = tail;
    for (at, (file, end)) in files.iter_mut().enumerate().rev() {
        let (start, found) = last_lines(file, *end, wanted)?;
        file.seek(SeekFrom::Start(start))?;
        wanted -= found;
        if wanted == 0 {
            files.drain(..at);
            return Ok(());
        }
    }
    Ok(())
}

/// All files of the log, oldest first. The current one is looked at before and after the others:
/// if it is the same, there was no rotation meanwhile.
fn open_all(path: &Path) -> io::Result<VecDeque<File>> {
    let mut files = VecDeque::new();
    for _ in 0..ATTEMPTS {
        let current = open(path)?;
        let before = current.as_ref().map(identity).transpose()?;
        files = rotated(path)?;
        files.extend(current);
        if before == identity_of(path)? {
            break;
        }
    }
    Ok(files)
}

fn rotated(path: &Path) -> io::Result<VecDeque<File>> {
    let mut files = VecDeque::new();
    for number in 1..=MAX_FILES {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        match open(Path::new(&name))? {
            Some(file) => files.push_front(file),
            None => break,
        }
    }
    Ok(files)
}

fn open(path: &Path) -> io::Result<Option<File>> {
    absent(File::open(path))
}

/// Device and inode: what a rename keeps.
fn identity(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn identity_of(path: &Path) -> io::Result<Option<(u64, u64)>> {
    Ok(absent(path.metadata())?.map(|metadata| (metadata.dev(), metadata.ino())))
}

fn absent<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
