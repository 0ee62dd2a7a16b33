//! Archives in which nothing is younger than it may be.

use std::io::{BufReader, BufWriter, Read, Write};

use super::{BUFFER, Fault, Kind, Reader, Why, Writer};
use crate::Limits;

/// Copies an archive with times after `seconds` since 1970 taken back to it; whether there were any.
///
/// # Errors
/// What is wrong with the archive; of the file system.
pub(crate) fn clamp(source: impl Read, out: impl Write, seconds: i64, limits: Limits) -> Result<bool, Fault> {
    let mut reader = Reader::new(BufReader::with_capacity(BUFFER, source), limits);
    let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, out));
    let mut younger = false;
    while let Some(mut entry) = reader.next()? {
        if entry.mtime > (seconds, 0) {
            entry.mtime = (seconds, 0);
            younger = true;
        }
        match entry.kind {
            Kind::Other(byte) => return Err(Fault::entry(&entry.name, Why::Kind(byte))),
            Kind::File => writer.file(&entry, &mut reader)?,
            _ => writer.header(&entry)?,
        }
    }
    writer.finish()?.flush()?;
    Ok(younger)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Entry;

    fn archive(times: &[i64]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (number, time) in times.iter().enumerate() {
            let mut entry = Entry::new(format!("f{number}"), Kind::File);
            (entry.size, entry.mtime, entry.uid) = (5, (*time, 0), 7);
            entry.xattrs.push(("user.k".to_owned(), b"v".to_vec()));
            writer.file(&entry, &mut &b"hello"[..]).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn only_younger_times_are_taken_back() {
        let clamped = |times: &[i64]| {
            let mut out = Vec::new();
            let younger = clamp(&*archive(times), &mut out, 100, Limits::default()).unwrap();
            (younger, out)
        };
        assert_eq!(clamped(&[50, 100]), (false, archive(&[50, 100])));
        assert_eq!(clamped(&[50, 101]), (true, archive(&[50, 100])));
    }
}
