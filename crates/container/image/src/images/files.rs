//! The files of an archive of images, found by their names in it.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use bytes::Bytes;

use crate::Error;
use crate::content::Ingest;
use crate::worker::{Part, PartKind};

/// The largest document that is read into memory.
const MAX_DOCUMENT: u64 = 4 << 20;
const MAX_LINKS: usize = 40;

/// The files of an archive, by their names in it.
#[derive(Debug)]
pub(super) struct Files {
    place: Ingest,
    by_name: HashMap<String, PartKind>,
}

impl Files {
    /// Of a name that is given twice, the last one counts.
    pub(super) fn new(place: Ingest, parts: Vec<Part>) -> Self {
        Self {
            place,
            by_name: parts.into_iter().map(|part| (part.name, part.kind)).collect(),
        }
    }

    /// Whether there is something of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// A small file, in memory.
    pub(super) fn document(&self, name: &str) -> Result<Bytes, Error> {
        let (path, size) = self.find(name)?;
        if size > MAX_DOCUMENT {
            return Err(Error::Archive(format!(
                "{name} is larger than {MAX_DOCUMENT} bytes"
            )));
        }
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_DOCUMENT).read_to_end(&mut bytes));
        read.map_err(Error::io("read a part of an archive"))?;
        Ok(bytes.into())
    }

    /// Where a file is now, and its size.
    pub(super) fn find(&self, name: &str) -> Result<(PathBuf, u64), Error> {
        let missing = || Error::Archive(format!("{name} is missing"));
        let mut wanted = normal("", name).ok_or_else(missing)?;
        for _ in 0..MAX_LINKS {
            wanted = match self.by_name.get(&wanted).ok_or_else(missing)? {
                PartKind::File { number, size } => {
                    return Ok((self.place.path().join(number.to_string()), *size));
                }
                PartKind::Hardlink(target) => target.clone(),
                PartKind::Symlink(target) => normal(&wanted, target).ok_or_else(missing)?,
            };
        }
        Err(missing())
    }
}

/// A path seen from the directory of another one, without `.` and `..`; `None` if it leads out.
fn normal(from: &str, path: &str) -> Option<String> {
    let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
    let start = if path.starts_with('/') { "" } else { directory };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_inside_the_archive_only() {
        let check = |from: &str, path: &str, normal_path: Option<&str>| {
            assert_eq!(normal(from, path).as_deref(), normal_path, "{from} {path}");
        };
        check("a/layer.tar", "../b/layer.tar", Some("b/layer.tar"));
        check("a/layer.tar", "/b/./c", Some("b/c"));
        check("", "x//y", Some("x/y"));
        check("a/x", "../../etc/passwd", None);
    }
}
