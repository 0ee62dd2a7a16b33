//! Files of a client (`FileSync.DiffCopy`, fsutil's protocol) as a plain tar archive.
//!
//! The client tells of every entry, then of the contents that it is asked for. Nothing is unpacked here: names of a
//! stranger never become paths of ours, and the builder takes an archive anyway. Sizes are known before contents come,
//! so every content has its place in the archive beforehand, and contents may come mixed.
//!
//! The archive of a build is kept for the next of the same client and directory: contents whose size and time are
//! unchanged are copied from it inside the kernel and never asked for, and where nothing has changed it is the archive.

mod archive;
mod layout;
mod look;
mod receive;
mod send;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

pub use archive::Archive;
pub(crate) use archive::go_mode;
pub(crate) use layout::{At, beside, joined, layout};
pub(crate) use look::Look;
pub(crate) use receive::receive;
pub(crate) use send::{send_archive, send_files};

/// Archives that are kept, and their bytes altogether.
const MAX_KEPT: usize = 32;
const MAX_KEPT_BYTES: u64 = 8 << 30;

/// Which files a client is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The name of a directory of the client: `context`, `dockerfile`, or a named context's.
    pub(crate) directory: String,
    /// Patterns of what is wanted; none for everything.
    pub(crate) include: Vec<String>,
    /// Patterns of what is not wanted, in the form of `.dockerignore`.
    pub(crate) exclude: Vec<String>,
    /// Paths that are wanted with whatever their links lead to; none for everything.
    pub(crate) follow: Vec<String>,
}

impl Wanted {
    /// The call's metadata (upstream's `session/filesync`).
    fn metadata(&self) -> Vec<(&'static str, String)> {
        let mut metadata = vec![("dir-name", self.directory.clone())];
        let lists = [
            ("include-patterns", "include-patterns-encoded", &self.include),
            ("exclude-patterns", "exclude-patterns-encoded", &self.exclude),
            ("followpaths", "followpaths-encoded", &self.follow),
        ];
        for (name, mark, values) in lists {
            let encoded = values
                .iter()
                .any(|value| !value.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            if encoded {
                metadata.push((mark, "1".to_owned()));
            }
            metadata.extend(values.iter().map(|value| match encoded {
                true => (name, query_escaped(value)),
                false => (name, value.clone()),
            }));
        }
        metadata
    }
}

/// Go's `url.QueryEscape`, but for the blank, which it also reads as `%20`.
fn query_escaped(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// The archives of earlier builds.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<VecDeque<(String, Arc<Archive>)>>);

impl Kept {
    /// The archive of a key; it is the last to go then.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<Archive>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(known, _)| known == key)?;
        let found = kept.remove(place)?;
        let archive = found.1.clone();
        kept.push_back(found);
        Some(archive)
    }

    /// Keeps an archive in place of the key's old one. The oldest go where there are too many.
    pub(crate) fn put(&self, key: String, archive: Arc<Archive>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != key);
        kept.push_back((key, archive));
        let bytes = |kept: &VecDeque<(String, Arc<Archive>)>| {
            kept.iter().map(|(_, archive)| archive.bytes()).sum::<u64>()
        };
        while kept.len() > MAX_KEPT || bytes(&kept) > MAX_KEPT_BYTES {
            kept.pop_front();
        }
    }
}

/// Makes a file without a name.
pub(crate) type Spool<'a> = &'a (dyn Fn() -> io::Result<File> + Send + Sync);

#[cfg(test)]
mod tests;
