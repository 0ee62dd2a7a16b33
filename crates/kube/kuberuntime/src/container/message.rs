//! Last words of a container: what it left in its file, or the end of its log.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Bytes of last words that are kept (`v1 terminationMessagePath`).
const MAX_MESSAGE: u64 = 4096;
/// What stands for them: lines at the end of the log, and bytes of those.
const MAX_LINES: usize = 80;
const MAX_LINES_BYTES: usize = 2048;
/// Bytes of a log in which those are looked for: an entry of 2048 bytes has another hundred around it.
const MAX_LOG: u64 = 64 << 10;

/// The last words in a file; empty if it is not there.
pub(super) fn of_file(path: &Path) -> String {
    match tail(path, MAX_MESSAGE) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => format!("Error on reading termination log {}: {error}", path.display()),
    }
}

/// The end of a log in CRI's format; empty if there is none.
pub(super) fn of_log(path: &Path) -> String {
    let Ok(bytes) = tail(path, MAX_LOG) else {
        return String::new();
    };
    let mut said = Vec::new();
    for line in last_lines(&bytes) {
        said.extend_from_slice(line);
    }
    let from = said.len().saturating_sub(MAX_LINES_BYTES);
    String::from_utf8_lossy(&said[from..]).into_owned()
}

fn tail(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let from = file.metadata()?.len().saturating_sub(length);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file. What the pod has mounted in its place may be anything: a FIFO would be waited for.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let is_file = file.metadata()?.is_file();
    let other = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    is_file.then_some(file).ok_or_else(other)
}

/// What was said in the last entries, each line with its newline unless more of it follows.
fn last_lines(log: &[u8]) -> Vec<&[u8]> {
    let entries: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let last = &entries[entries.len().saturating_sub(MAX_LINES)..];
    last.iter().filter_map(|entry| content(entry)).collect()
}

/// `TIME STREAM TAG CONTENT`
fn content(entry: &[u8]) -> Option<&[u8]> {
    let mut parts = entry.splitn(4, |byte| *byte == b' ');
    let (tag, content) = (parts.nth(2)?, parts.next()?);
    let whole = tag.split(|byte| *byte == b':').next() == Some(b"F");
    if whole {
        Some(content)
    } else {
        content.strip_suffix(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_end_of_the_file_counts() {
        assert_eq!(of_file(file("why").path()), "why");
        let long = format!("{}{}", "a".repeat(100), "b".repeat(4096));
        assert_eq!(of_file(file(&long).path()), "b".repeat(4096));
        assert_eq!(of_file(Path::new("/nowhere/at/all")), "");
        let read = of_file(Path::new("/proc"));
        assert!(
            read.starts_with("Error on reading termination log /proc: "),
            "{read}"
        );
    }

    #[test]
    fn nobody_waits_for_what_is_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        assert!(of_file(&fifo).ends_with(": not a regular file"));
        assert_eq!(of_log(&fifo), "");
    }

    #[test]
    fn the_end_of_the_log_is_80_lines_or_2048_bytes() {
        let entry = |number: usize| format!("2026-11-21T00:00:00Z stdout F line {number}\n");
        let log: String = (0..100).map(entry).collect();
        let said = of_log(file(&log).path());
        assert!(
            said.starts_with("line 20\n") && said.ends_with("line 99\n"),
            "{said}"
        );
        let long = format!("T stderr P {}\nT stderr F {}\n", "x".repeat(3000), "end");
        let said = of_log(file(&long).path());
        assert_eq!((said.len(), said.ends_with("xxxend\n")), (2048, true));
        assert_eq!(of_log(file("torn").path()), "");
        assert_eq!(of_log(Path::new("/nowhere")), "");
    }
}
