//! What an exported file system holds, one line for each path.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Read};

use ring::digest::{Context, SHA256};
use tar::{Archive, EntryType};

/// A path, and all that is to be the same of it.
pub(super) type Tree = BTreeMap<String, String>;

/// Reads an archive of `docker export`. Times are looked at below those paths alone whose times the Dockerfile fixes:
/// everything else is of the moment when it was built.
pub(super) fn read(archive: impl Read, timed: &[String]) -> io::Result<Tree> {
    let (mut tree, mut groups) = (Tree::new(), Groups::default());
    let mut archive = Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = clean(&entry.path_bytes());
        if entry.header().entry_type() == EntryType::Link {
            groups.link(clean(&entry.link_name_bytes().unwrap_or_default()), path);
            continue;
        }
        let mut line = describe(&mut entry)?;
        if timed
            .iter()
            .any(|root| path.starts_with(root.trim_start_matches('/')))
        {
            let _ = write!(line, " time {}", entry.header().mtime()?);
        }
        let _ = write!(line, "{}", contents(&mut entry)?);
        tree.insert(path, line);
    }
    groups.spread(&mut tree);
    Ok(tree)
}

fn describe<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<String> {
    let header = entry.header();
    let (mode, uid, gid) = (header.mode()?, header.uid()?, header.gid()?);
    let kind = header.entry_type();
    let mut line = format!("{kind:?} {:04o} {uid}:{gid}", mode & 0o7777);
    if matches!(kind, EntryType::Char | EntryType::Block) {
        let number = |part: io::Result<Option<u32>>| part.ok().flatten().unwrap_or_default();
        let _ = write!(
            line,
            " {}:{}",
            number(header.device_major()),
            number(header.device_minor())
        );
    }
    if let Some(target) = entry.link_name_bytes() {
        let _ = write!(line, " -> {}", String::from_utf8_lossy(&target));
    }
    for (name, value) in attributes(entry)? {
        let _ = write!(line, " {name}={}", hex(&value));
    }
    Ok(line)
}

/// Extended attributes, as archives carry them.
fn attributes<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let Some(extensions) = entry.pax_extensions()? else {
        return Ok(BTreeMap::new());
    };
    let named = |extension: tar::PaxExtension<'_>| {
        let name = extension.key().ok()?.strip_prefix("SCHILY.xattr.")?.to_owned();
        Some((name, extension.value_bytes().to_vec()))
    };
    Ok(extensions.filter_map(|each| named(each.ok()?)).collect())
}

/// Nothing for what has no contents.
fn contents<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<String> {
    if !entry.header().entry_type().is_file() {
        return Ok(String::new());
    }
    let (mut digest, mut size, mut buffer) = (Context::new(&SHA256), 0, vec![0; 1 << 16]);
    loop {
        let read = entry.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        size += read;
        digest.update(&buffer[..read]);
    }
    let digest = hex(digest.finish().as_ref());
    Ok(format!(" {size} bytes {}", &digest[..16]))
}

/// Which paths are one file. An archive names the first of them in the order in which it was written; all of them count
/// the same here.
#[derive(Default)]
struct Groups(BTreeMap<String, BTreeSet<String>>);

impl Groups {
    fn link(&mut self, first: String, further: String) {
        self.0.entry(first).or_default().insert(further);
    }

    fn spread(self, tree: &mut Tree) {
        for (first, further) in self.0 {
            let Some(line) = tree.get(&first).cloned() else {
                tree.insert(first, "is linked to, and is not there".to_owned());
                continue;
            };
            let mut all = further;
            all.insert(first);
            let line = format!(
                "{line}, one of {} with /{}",
                all.len(),
                all.first().cloned().unwrap_or_default()
            );
            tree.extend(all.into_iter().map(|path| (path, line.clone())));
        }
    }
}

fn clean(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    path.trim_start_matches("./").trim_matches('/').to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
