//! A log file: appended to, rotated, and given up for a second when the disk refuses.
//!
//! The policy for a disk that is full or broken: the container never waits for it. Entries that
//! cannot be written are dropped and counted, a torn entry is cut off again, and after
//! [`RETRY`] the next entry is tried anew; the first that succeeds ends the trouble. Nothing is
//! buffered meanwhile, because what fills a disk would fill memory next.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::counters::Counters;
use super::entry::{self, StreamName};
use super::lines::{Cut, Ending};
use crate::protocol::{Format, LogSpec, Name};

/// How long a refusing disk is left alone.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// Longer than any entry: 16 KiB of content, six bytes for each in JSON, and attributes that fit into
/// a message.
const MAX_ENTRY: u64 = 256 * 1024;

/// Entries that are written together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// For each entry where it ends in `bytes`, and how much output it holds.
    ends: Vec<(usize, usize)>,
}

impl Batch {
    pub(crate) fn push(
        &mut self,
        format: &Format,
        time: &str,
        stream: StreamName,
        line: &[u8],
        ending: Ending,
    ) {
        entry::put(&mut self.bytes, format, time, stream, line, ending);
        self.ends.push((
            self.bytes.len(),
            line.len() + usize::from(ending == Ending::Newline),
        ));
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn start(&self, entry: usize) -> usize {
        entry.checked_sub(1).map_or(0, |before| self.ends[before].0)
    }
}

/// A log file that is open, or will be again when the disk allows.
#[derive(Debug)]
pub(crate) struct LogFile {
    spec: LogSpec,
    file: Option<File>,
    /// Length of the file, whole entries only.
    size: u64,
    retry_at: Option<Duration>,
    pub(crate) counters: Arc<Counters>,
}

impl LogFile {
    /// Opens or creates the file and appends from there.
    pub(crate) fn open(spec: LogSpec, counters: Arc<Counters>) -> io::Result<Self> {
        let mut log = Self {
            spec,
            file: None,
            size: 0,
            retry_at: None,
            counters,
        };
        let (file, size) = log.open_current()?;
        (log.file, log.size) = (Some(file), size);
        Ok(log)
    }

    /// A log that goes on although its file could not be opened, as one whose disk refuses: what
    /// comes is dropped and counted until the file can be opened. `now` is boot time.
    pub(crate) fn refused(spec: LogSpec, error: &io::Error, counters: Arc<Counters>, now: Duration) -> Self {
        counters.set_errno(errno(error));
        Self {
            spec,
            file: None,
            // No bound: nothing of what is in the file is ours to cut off.
            size: u64::MAX,
            retry_at: Some(now + RETRY),
            counters,
        }
    }

    /// A log whose file was open before a re-exec and had `size` bytes of whole entries.
    pub(crate) fn resume(spec: LogSpec, size: u64, counters: Arc<Counters>) -> Self {
        Self {
            spec,
            file: None,
            size,
            retry_at: None,
            counters,
        }
    }

    pub(crate) fn spec(&self) -> &LogSpec {
        &self.spec
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether entries need not be made: of a program whose output is its clients' alone.
    pub(crate) fn keeps_nothing(&self) -> bool {
        self.spec.path.0 == b"/dev/null"
    }

    pub(crate) fn cut(&self) -> Cut {
        match self.spec.format {
            Format::Cri {} => Cut::WhenExceeded,
            Format::Json { .. } => Cut::WhenFull,
        }
    }

    /// Appends a batch; what the disk refuses is dropped. `now` is boot time.
    pub(crate) fn append(&mut self, batch: &Batch, now: Duration) {
        let mut next = 0;
        while next < batch.ends.len() {
            match self.append_some(batch, next, now) {
                Ok(after) => next = after,
                Err((after, errno)) => return self.give_up(batch, after, errno, now),
            }
        }
    }

    /// Starts a new file under the same name; the old one is renamed first if there is a suffix.
    pub(crate) fn reopen(&mut self, suffix: Option<&Name>) -> io::Result<()> {
        if let Some(suffix) = suffix {
            std::fs::rename(self.path(), with_suffix(self.path(), suffix))?;
        }
        let (file, size) = self.open_current()?;
        (self.file, self.size, self.retry_at) = (Some(file), size, None);
        Ok(())
    }

    /// Writes entries from `first` on up to the next rotation, and answers where it stopped.
    fn append_some(&mut self, batch: &Batch, first: usize, now: Duration) -> Result<usize, (usize, i32)> {
        self.make_ready(now).map_err(|error| (first, errno(&error)))?;
        let after = self.entries_before_rotation(batch, first);
        let (start, end) = (batch.start(first), batch.start(after));
        let (written, error) = self.write(&batch.bytes[start..end]);
        let whole = first
            + batch.ends[first..after]
                .iter()
                .take_while(|(end, _)| end - start <= written)
                .count();
        self.size += (batch.start(whole) - start) as u64;
        self.counters.written((whole - first) as u64);
        let Some(error) = error else { return Ok(after) };
        Err((whole, errno(&error)))
    }

    /// Docker's rule: a file is rotated before the first entry that finds it at its limit.
    fn entries_before_rotation(&self, batch: &Batch, first: usize) -> usize {
        if self.spec.max_size == 0 {
            return batch.ends.len();
        }
        let start = batch.start(first);
        let full = |(end, _): &(usize, usize)| self.size + (end - start) as u64 >= self.spec.max_size;
        batch.ends[first..]
            .iter()
            .position(full)
            .map_or(batch.ends.len(), |at| first + at + 1)
    }

    fn make_ready(&mut self, now: Duration) -> io::Result<()> {
        if self.retry_at.is_some_and(|at| now < at) {
            return Err(io::Error::from_raw_os_error(self.counters.snapshot().errno));
        }
        if self.file.is_none() {
            let (file, length) = self.open_current()?;
            // Cuts off a torn entry, unless somebody has replaced the file meanwhile.
            self.size = self.size.min(length);
            if length > 0 {
                file.set_len(self.size)?;
            }
            self.file = Some(file);
        }
        if self.spec.max_size > 0 && self.size >= self.spec.max_size {
            self.rotate()?;
        }
        self.retry_at = None;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> (usize, Option<io::Error>) {
        let Some(file) = &mut self.file else {
            return (0, None);
        };
        let mut done = 0;
        while done < bytes.len() {
            match file.write(&bytes[done..]) {
                Ok(0) => return (done, Some(io::ErrorKind::WriteZero.into())),
                Ok(more) => done += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (done, Some(error)),
            }
        }
        self.counters.set_errno(0);
        (done, None)
    }

    fn give_up(&mut self, batch: &Batch, first: usize, errno: i32, now: Duration) {
        let lost = &batch.ends[first..];
        self.counters.dropped(
            lost.len() as u64,
            lost.iter().map(|(_, bytes)| *bytes as u64).sum(),
        );
        if self.retry_at.is_none() {
            self.retry_at = Some(now + RETRY);
            self.counters.set_errno(errno);
            // A disk that takes no byte gives some back. Should even that fail, the next attempt,
            // which begins by opening the file anew, cuts it off.
            drop(self.file.take().map(|file| file.set_len(self.size)));
        }
    }

    /// `.1` is the youngest old file, `.(max_files - 1)` the oldest.
    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |number: u16| with_suffix(self.path(), &number);
        let oldest = self.spec.max_files.saturating_sub(1);
        for number in (1..oldest).rev() {
            ignore_missing(std::fs::rename(numbered(number), numbered(number + 1)))?;
        }
        match oldest {
            0 => ignore_missing(std::fs::remove_file(self.path()))?,
            _ => ignore_missing(std::fs::rename(self.path(), numbered(1)))?,
        }
        // The old file is no longer there under its name: from here on it must not be written to.
        (self.file, self.size) = (None, 0);
        self.file = Some(self.open_current()?.0);
        Ok(())
    }

    /// The file and the length of its whole entries. What a writer that was killed in the middle of
    /// an entry left of it is cut off, or the next entry would be glued to it.
    fn open_current(&self) -> io::Result<(File, u64)> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(self.path())?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok((file, 0));
        }
        let whole = whole_entries(self.path(), metadata.len())?;
        if whole < metadata.len() {
            file.set_len(whole)?;
        }
        Ok((file, whole))
    }

    fn path(&self) -> &Path {
        Path::new(std::ffi::OsStr::from_bytes(&self.spec.path.0))
    }
}

/// Where the last whole entry of a file of `length` bytes ends: behind its last newline. A file
/// with none in its last [`MAX_ENTRY`] bytes is no log, and is left alone.
fn whole_entries(path: &Path, length: u64) -> io::Result<u64> {
    let file = File::open(path)?;
    let mut block = [0; 4096];
    let mut end = length;
    while end > length.saturating_sub(MAX_ENTRY) {
        let start = end.saturating_sub(block.len() as u64);
        let bytes = &mut block[..usize::try_from(end - start).unwrap_or(0)];
        file.read_exact_at(bytes, start)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(if length <= MAX_ENTRY { 0 } else { length })
}

fn with_suffix(path: &Path, suffix: &dyn std::fmt::Display) -> PathBuf {
    let mut bytes = path.as_os_str().as_bytes().to_vec();
    bytes.extend_from_slice(format!(".{suffix}").as_bytes());
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Zero would read as "no trouble", so an error without a number counts as EIO.
fn errno(error: &io::Error) -> i32 {
    const EIO: i32 = 5;
    error.raw_os_error().filter(|errno| *errno != 0).unwrap_or(EIO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(directory: &Path, max_size: u64, max_files: u16) -> LogSpec {
        let path = directory.join("log").as_os_str().as_bytes().into();
        LogSpec {
            path,
            format: Format::Cri {},
            max_size,
            max_files,
        }
    }

    fn batch(lines: &[&str]) -> Batch {
        let mut batch = Batch::default();
        for line in lines {
            batch.push(
                &Format::Cri {},
                "T",
                StreamName::Stdout,
                line.as_bytes(),
                Ending::Newline,
            );
        }
        batch
    }

    fn contents(directory: &Path, name: &str) -> String {
        std::fs::read_to_string(directory.join(name)).unwrap_or_default()
    }

    #[test]
    fn an_entry_that_a_killed_writer_left_torn_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let long = "x".repeat(10_000);
        for (before, whole) in [
            ("T stdout F 1\nT std".to_owned(), "T stdout F 1\n".to_owned()),
            (
                format!("T stdout F 1\nT stdout F {long}"),
                "T stdout F 1\n".to_owned(),
            ),
            ("T stdo".to_owned(), String::new()),
        ] {
            std::fs::write(&path, before).unwrap();
            let mut log = LogFile::open(spec(directory.path(), 0, 0), Arc::default()).unwrap();
            log.append(&batch(&["2"]), Duration::ZERO);
            assert_eq!(contents(directory.path(), "log"), whole + "T stdout F 2\n");
        }
        // What cannot be a log of ours keeps every byte.
        let foreign = "x".repeat(usize::try_from(MAX_ENTRY).unwrap() + 1);
        std::fs::write(&path, &foreign).unwrap();
        LogFile::open(spec(directory.path(), 0, 0), Arc::default()).unwrap();
        assert_eq!(contents(directory.path(), "log"), foreign);
    }

    #[test]
    fn a_log_that_could_not_be_opened_counts_and_goes_on_where_the_file_ends() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("log"), "T stdout F 1\n").unwrap();
        let refusal = io::Error::from_raw_os_error(13);
        let spec = spec(directory.path(), 0, 0);
        let mut log = LogFile::refused(spec, &refusal, Arc::default(), Duration::ZERO);
        log.append(&batch(&["2"]), Duration::ZERO);
        let stats = log.counters.snapshot();
        assert_eq!((stats.entries, stats.dropped_entries, stats.errno), (0, 1, 13));
        log.append(&batch(&["3"]), RETRY);
        assert_eq!(log.counters.snapshot().errno, 0);
        assert_eq!(contents(directory.path(), "log"), "T stdout F 1\nT stdout F 3\n");
    }

    #[test]
    fn rotation_keeps_max_files_and_every_entry_is_in_exactly_one() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(spec(directory.path(), 25, 3), Arc::default()).unwrap();
        log.append(&batch(&["1", "2", "3", "4", "5", "6", "7"]), Duration::ZERO);
        assert_eq!(contents(directory.path(), "log"), "T stdout F 7\n");
        assert_eq!(
            contents(directory.path(), "log.1"),
            "T stdout F 5\nT stdout F 6\n"
        );
        assert_eq!(
            contents(directory.path(), "log.2"),
            "T stdout F 3\nT stdout F 4\n"
        );
        assert!(!directory.path().join("log.3").exists());
        assert_eq!(log.counters.snapshot().entries, 7);
    }

    #[test]
    fn one_file_is_emptied_and_a_request_renames() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(spec(directory.path(), 10, 1), Arc::default()).unwrap();
        log.append(&batch(&["1", "2"]), Duration::ZERO);
        assert_eq!(contents(directory.path(), "log"), "T stdout F 2\n");
        log.reopen(Some(&"20261121-040000".parse().unwrap())).unwrap();
        log.append(&batch(&["3"]), Duration::ZERO);
        assert_eq!(
            contents(directory.path(), "log.20261121-040000"),
            "T stdout F 2\n"
        );
        assert_eq!(contents(directory.path(), "log"), "T stdout F 3\n");
    }

    #[test]
    fn a_disk_that_refuses_costs_entries_for_a_second_and_recovers() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(spec(directory.path(), 0, 0), Arc::default()).unwrap();
        log.append(&batch(&["1"]), Duration::ZERO);
        // /dev/full answers every write with ENOSPC.
        log.file = Some(OpenOptions::new().write(true).open("/dev/full").unwrap());
        log.append(&batch(&["2", "3"]), Duration::ZERO);
        log.append(&batch(&["4"]), RETRY / 2);
        let stats = log.counters.snapshot();
        assert_eq!(
            (
                stats.entries,
                stats.dropped_entries,
                stats.dropped_bytes,
                stats.errno
            ),
            (1, 3, 6, 28)
        );
        log.append(&batch(&["5"]), RETRY);
        assert_eq!(log.counters.snapshot().errno, 0);
        assert_eq!(contents(directory.path(), "log"), "T stdout F 1\nT stdout F 5\n");
    }

    #[test]
    fn a_torn_entry_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("log"), "T stdout F 1\nT stdo").unwrap();
        let mut log = LogFile::resume(spec(directory.path(), 0, 0), 13, Arc::default());
        log.append(&batch(&["2"]), Duration::ZERO);
        assert_eq!(contents(directory.path(), "log"), "T stdout F 1\nT stdout F 2\n");
    }
}
