//! How much disk a volume takes: blocks, as `du` counts them, each file once.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes of a block as stat(2) counts them, whatever the file system's are.
const BLOCK: u64 = 512;

/// Files that are counted at most: more take longer than anybody waits for the answer.
const MAX_FILES: usize = 1_000_000;

/// Bytes on disk of a directory and all below it, other file systems left out. What goes away meanwhile is not counted.
///
/// # Errors
/// The directory cannot be looked at.
pub(super) fn of(root: &Path) -> io::Result<u64> {
    let device = fs::symlink_metadata(root)?.dev();
    let (mut waiting, mut linked, mut bytes) = (vec![root.to_owned()], BTreeSet::new(), 0_u64);
    let mut files = 0;
    while let Some(path) = waiting.pop().filter(|_| files < MAX_FILES) {
        files += 1;
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        if meta.dev() != device || (meta.nlink() > 1 && !meta.is_dir() && !linked.insert(meta.ino())) {
            continue;
        }
        bytes = bytes.saturating_add(meta.blocks().saturating_mul(BLOCK));
        if meta.is_dir() {
            waiting.extend(entries(&path));
        }
    }
    Ok(bytes)
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("d")).unwrap();
        let empty = of(root.path()).unwrap();
        fs::write(root.path().join("d/a"), vec![1; 100_000]).unwrap();
        fs::hard_link(root.path().join("d/a"), root.path().join("b")).unwrap();
        let grown = of(root.path()).unwrap() - empty;
        assert!((98_304..150_000).contains(&grown), "{grown}");
        assert!(of(&root.path().join("nothing")).is_err());
    }
}
