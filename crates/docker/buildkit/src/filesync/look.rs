//! Files of a result, looked at one by one (`LLBBridge.ReadFile`, `ReadDir`, `StatFile`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;

use super::send::index;
use crate::grpc::{Code, MAX_MESSAGE, Status};
use crate::proto::fsutil::Stat;

/// A result's files, as an archive, and what is where in it.
#[derive(Debug)]
pub(crate) struct Look {
    archive: File,
    entries: Vec<(Stat, u64)>,
}

/// As many links are followed as upstream follows.
const MAX_LINKS: usize = 40;

fn disk(cause: io::Error) -> Status {
    Status::new(Code::Internal, format!("reading the result: {cause}"))
}

/// A path without what leads nowhere, relative to the root.
fn clean(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

impl Look {
    /// Looks into an archive. Blocks on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn into(archive: File) -> Result<Self, Status> {
        let mut entries = index(&archive).map_err(disk)?;
        // A further name of a file says which one it is, and has no bytes.
        let files: BTreeMap<String, (i64, u64)> = entries
            .iter()
            .filter(|(stat, _)| stat.mode & TYPE == 0 && stat.linkname.is_empty())
            .map(|(stat, place)| (stat.path.clone(), (stat.size, *place)))
            .collect();
        for (stat, place) in &mut entries {
            if stat.mode & TYPE == 0
                && let Some(found) = files.get(&clean(&stat.linkname))
            {
                (stat.size, *place) = *found;
                stat.linkname.clear();
            }
        }
        Ok(Self { archive, entries })
    }

    fn entry(&self, path: &str) -> Option<&(Stat, u64)> {
        self.entries.iter().find(|(stat, _)| stat.path == path)
    }

    /// An entry behind links of its own name; links further up are followed too.
    fn behind(&self, path: &str) -> Result<&(Stat, u64), Status> {
        let missing = || Status::new(Code::Unknown, format!("open {path}: no such file or directory"));
        let mut found = clean(path);
        for _ in 0..MAX_LINKS {
            let parts: Vec<&str> = found.split('/').collect();
            let link = (1..=parts.len()).find_map(|count| {
                let (head, rest) = parts.split_at(count);
                let (stat, _) = self.entry(&head.join("/"))?;
                let target = (stat.mode & LINK != 0).then_some(&stat.linkname)?;
                let folder = match target.starts_with('/') {
                    true => String::new(),
                    false => head[..count - 1].join("/"),
                };
                Some(clean(&format!("{folder}/{target}/{}", rest.join("/"))))
            });
            match link {
                Some(next) => found = next,
                None => return self.entry(&found).ok_or_else(missing),
            }
        }
        Err(missing())
    }

    /// What is at a path; the link itself, if it is one.
    ///
    /// # Errors
    /// Nothing is.
    pub(crate) fn stat(&self, path: &str) -> Result<Stat, Status> {
        if clean(path).is_empty() {
            // An archive has no entry for its root.
            return Ok(Stat {
                mode: DIRECTORY | 0o755,
                ..Stat::default()
            });
        }
        let found = self.entry(&clean(path)).map_or_else(|| self.behind(path), Ok)?;
        Ok(named(&found.0))
    }

    /// Whether there is a file at a path, behind links.
    ///
    /// # Errors
    /// Nothing is.
    pub(crate) fn is_file(&self, path: &str) -> Result<bool, Status> {
        Ok(self.behind(path)?.0.mode & TYPE == 0)
    }

    /// What is in a directory, by names.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn directory(&self, path: &str) -> Result<Vec<Stat>, Status> {
        let prefix = match clean(path).is_empty() {
            true => String::new(),
            false => format!("{}/", self.behind(path)?.0.path),
        };
        let below = |stat: &&Stat| {
            let rest = stat.path.strip_prefix(&prefix);
            rest.is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
        };
        let mut stats: Vec<Stat> = self
            .entries
            .iter()
            .map(|(stat, _)| stat)
            .filter(below)
            .map(named)
            .collect();
        stats.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(stats)
    }

    /// A file's content, or so many bytes of it from an offset on.
    ///
    /// # Errors
    /// There is none, or it is larger than a message.
    pub(crate) fn read(&self, path: &str, range: Option<(u64, u64)>) -> Result<Bytes, Status> {
        let (stat, place) = self.behind(path)?;
        let size = u64::try_from(stat.size).unwrap_or(0);
        let (offset, length) = range.unwrap_or((0, size));
        let length = length.min(size.saturating_sub(offset));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_MESSAGE - 1024 {
            return Err(Status::new(
                Code::ResourceExhausted,
                format!("{path} is too large to be read at once"),
            ));
        }
        let mut bytes = vec![0; length];
        self.archive
            .read_exact_at(&mut bytes, place + offset)
            .map_err(disk)?;
        Ok(bytes.into())
    }
}

/// Go's bits of what is no regular file: directories, links, devices, pipes, sockets, and what it has no word for.
const TYPE: u32 = DIRECTORY | LINK | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19;
/// Go's bit of a directory, and of a symbolic link.
const DIRECTORY: u32 = 1 << 31;
const LINK: u32 = 1 << 27;

/// An entry by its last name alone.
fn named(stat: &Stat) -> Stat {
    let name = stat.path.rsplit('/').next().unwrap_or_default();
    Stat {
        path: name.to_owned(),
        ..stat.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> File {
        let mut archive = tar::Builder::new(tempfile::tempfile().unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_mode(0o755);
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        archive.append_data(&mut header, "d/", io::empty()).unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(5);
        archive.append_data(&mut header, "d/f", &b"hello"[..]).unwrap();
        header.set_size(0);
        header.set_entry_type(tar::EntryType::Symlink);
        archive.append_link(&mut header, "l", "d").unwrap();
        archive.append_link(&mut header, "round", "round").unwrap();
        header.set_entry_type(tar::EntryType::Link);
        archive.append_link(&mut header, "second", "d/f").unwrap();
        archive.into_inner().unwrap()
    }

    #[test]
    fn files_are_found_behind_links() {
        let look = Look::into(archive()).unwrap();
        assert_eq!(&look.read("/l/../l/f", None).unwrap()[..], b"hello");
        assert_eq!(&look.read("d/f", Some((1, 3))).unwrap()[..], b"ell");
        assert_eq!(&look.read("d/f", Some((9, 3))).unwrap()[..], b"");
        let names = |path: &str| -> Vec<String> {
            look.directory(path)
                .unwrap()
                .into_iter()
                .map(|stat| stat.path)
                .collect()
        };
        assert_eq!(names("/"), ["d", "l", "round", "second"]);
        assert_eq!(&look.read("second", None).unwrap()[..], b"hello");
        let second = look.stat("second").unwrap();
        assert_eq!((second.size, &second.linkname[..]), (5, ""));
        assert_eq!(names("l"), ["f"]);
        assert_eq!((look.is_file("l/f"), look.is_file("l")), (Ok(true), Ok(false)));
        assert_eq!(look.stat("l").unwrap().linkname, "d");
        assert_eq!(look.stat(".").unwrap().mode, DIRECTORY | 0o755);
        for missing in ["x", "round", "d/x"] {
            let error = look.read(missing, None).unwrap_err().message;
            assert_eq!(error, format!("open {missing}: no such file or directory"));
        }
    }
}
