//! Lines out of a file that grows, and where the last ones begin.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;

/// The longest line that is kept: an entry of the supervisor's is a quarter of this.
const MAX_LINE: usize = 1 << 20;
/// Bytes read at once.
const BLOCK: usize = 64 << 10;

/// The lines of a file; at its end, whatever has no newline yet waits for the rest.
#[derive(Debug)]
pub(super) struct Lines {
    file: File,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were handed out.
    taken: usize,
    /// Bytes of the buffer, from `taken` on, that hold no newline.
    searched: usize,
    /// In the middle of a line too long to keep.
    skipping: bool,
    /// Bytes of the file that are still to be read.
    left: u64,
}

impl Lines {
    /// From where the file stands up to `end`, wherever it ends later.
    pub(super) fn up_to(mut file: File, end: u64) -> io::Result<Self> {
        let start = file.stream_position()?;
        Ok(Self {
            left: end.saturating_sub(start),
            ..Self::new(file)
        })
    }

    /// From where the file stands, as far as it grows.
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            buffer: Vec::new(),
            taken: 0,
            searched: 0,
            skipping: false,
            left: u64::MAX,
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The next whole line, without its newline; none at the end of what is there.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let rest = &self.buffer[self.taken..];
            if let Some(at) = rest[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = rest[..self.searched + at].to_vec();
                self.taken += line.len() + 1;
                self.searched = 0;
                if !std::mem::take(&mut self.skipping) {
                    return Ok(Some(line));
                }
                continue;
            }
            self.searched = rest.len();
            if self.searched > MAX_LINE {
                self.skip();
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn skip(&mut self) {
        self.skipping = true;
        self.buffer.clear();
        (self.taken, self.searched) = (0, 0);
    }

    /// Reads on; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let before = self.buffer.len();
        let block = usize::try_from(self.left).unwrap_or(BLOCK).min(BLOCK);
        self.buffer.resize(before + block, 0);
        let read = read_retrying(&mut self.file, &mut self.buffer[before..]);
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        let read = read?;
        self.left -= read as u64;
        Ok(read > 0)
    }
}

fn read_retrying(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Where the last `wanted` lines of the first `end` bytes of a file begin, and how many there are if they are fewer; a line
/// that is not whole yet comes after them. Reads backwards, so that the tail of a large file costs
/// what the tail is.
pub(super) fn last_lines(file: &File, mut end: u64, wanted: u64) -> io::Result<(u64, u64)> {
    let mut block = vec![0; BLOCK];
    // The newline of the last line ends it; each further one ends the line before.
    let mut newlines = 0;
    while end > 0 {
        let length = usize::try_from(end).unwrap_or(BLOCK).min(BLOCK);
        let begin = end - length as u64;
        file.read_exact_at(&mut block[..length], begin)?;
        for at in (0..length).rev().filter(|at| block[*at] == b'\n') {
            if newlines == wanted {
                return Ok((begin + at as u64 + 1, wanted));
            }
            newlines += 1;
        }
        end = begin;
    }
    Ok((0, newlines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{SeekFrom, Write};

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        file
    }

    fn all(lines: &mut Lines) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn a_line_is_whole_or_waited_for() {
        let file = file(b"one\ntw");
        let mut writer = file.try_clone().unwrap();
        let mut lines = Lines::new(file);
        assert_eq!(all(&mut lines), [b"one"]);
        let at = writer.stream_position().unwrap();
        writer.write_all(b"o\n").unwrap();
        writer.seek(SeekFrom::Start(at)).unwrap();
        assert_eq!(all(&mut lines), [b"two"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let mut content = vec![b'x'; MAX_LINE * 2];
        content.extend_from_slice(b"\nnext\n");
        assert_eq!(all(&mut Lines::new(file(&content))), [b"next"]);
    }

    #[test]
    fn the_tail_crosses_blocks() {
        let content: Vec<u8> = (0..5000)
            .flat_map(|n| format!("{n:040}\n").into_bytes())
            .collect();
        let file = file(&content);
        for wanted in [0, 1, 1598, 1599, 4999, 5000] {
            assert_eq!(
                last_lines(&file, 5000 * 41, wanted).unwrap(),
                ((5000 - wanted) * 41, wanted),
                "{wanted}"
            );
        }
        assert_eq!(last_lines(&file, 5000 * 41, 6000).unwrap(), (0, 5000));
        assert_eq!(last_lines(&file, 41 * 7, 3).unwrap(), (41 * 4, 3), "a part of it");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn the_tail_is_the_last_lines_of_the_model(
            lines in proptest::collection::vec("[a-c]{0,4}", 0..12),
            torn in "[a-c]{0,3}",
            wanted in 0_u64..15,
        ) {
            let mut content: String = lines.iter().map(|line| format!("{line}\n")).collect();
            content.push_str(&torn);
            let (start, found) = last_lines(&file(content.as_bytes()), content.len() as u64, wanted).unwrap();
            let count = lines.len().min(usize::try_from(wanted).unwrap());
            prop_assert_eq!(found, count as u64);
            let mut tail = file(content.as_bytes());
            tail.seek(SeekFrom::Start(start)).unwrap();
            let expected: Vec<Vec<u8>> = lines[lines.len() - count..].iter().map(|line| line.clone().into_bytes()).collect();
            prop_assert_eq!(all(&mut Lines::new(tail)), expected);
        }
    }
}
