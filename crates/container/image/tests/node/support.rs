//! A node's images in a temporary directory, archives made by the `tar` crate, trees as text.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use driver::SystemClock;
use image::{Config, Digest, Error, Images, Inline, Limits, Loaded, Rootfs, Workers};
use rustix::fs::{FileType, OFlags};
use store::{Embedded, Options, Snapshot, Store};
use tempfile::TempDir;

/// A node's images. The store is in memory and outlives a reopening.
pub(crate) struct Node {
    pub(crate) images: Images,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) directory: TempDir,
}

pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(
        Embedded::fork(
            Snapshot::default(),
            Arc::new(SystemClock::new()),
            Options::default(),
        )
        .unwrap(),
    )
}

pub(crate) fn open(directory: &Path, store: Arc<dyn Store>, workers: Arc<dyn Workers>) -> Images {
    let config = Config {
        content: directory.join("content"),
        snapshots: directory.join("snapshots"),
        limits: Limits {
            bytes: 64 << 20,
            entries: 10_000,
            ..Limits::default()
        },
    };
    Images::open(config, store, workers, Arc::new(SystemClock::new())).unwrap()
}

impl Node {
    pub(crate) fn new() -> Self {
        Self::with(memory(), Arc::new(Inline))
    }

    pub(crate) fn with(store: Arc<dyn Store>, workers: Arc<dyn Workers>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let images = open(directory.path(), store.clone(), workers);
        Self {
            images,
            store,
            directory,
        }
    }

    /// As after a restart of the daemon.
    pub(crate) fn reopen(self) -> Self {
        let Self {
            images,
            store,
            directory,
        } = self;
        drop(images);
        let images = open(directory.path(), store.clone(), Arc::new(Inline));
        Self {
            images,
            store,
            directory,
        }
    }

    pub(crate) fn load(&self, archive: &[u8]) -> Result<Vec<Loaded>, Error> {
        self.images.load(&mut &*archive, None, &mut |_| {})
    }

    pub(crate) fn load_one(&self, archive: &[u8]) -> Digest {
        let loaded = self.load(archive).unwrap();
        assert!(!loaded.is_empty());
        loaded[0].id
    }

    /// Numbers of directories of snapshots, and names of blobs.
    pub(crate) fn on_disk(&self) -> (Vec<String>, Vec<String>) {
        let number = |name: &String| name.parse::<u64>().is_ok();
        let snapshots = list(&self.directory.path().join("snapshots"));
        let blobs = list(&self.directory.path().join("content/blobs/sha256"));
        (snapshots.into_iter().filter(number).collect(), blobs)
    }

    /// Where a blob lies.
    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        let blobs = self.directory.path().join("content/blobs");
        blobs.join(digest.algorithm().name()).join(digest.hex())
    }

    /// Nothing of any image is anywhere.
    pub(crate) fn assert_empty(&self) {
        assert_eq!(self.images.list(), []);
        assert_eq!(self.on_disk(), (vec![], vec![]));
        assert_eq!(
            list(&self.directory.path().join("content/ingest")),
            [] as [String; 0]
        );
        let rows = store::RangeRequest {
            range: store::KeyRange::prefix(b"/"),
            revision: None,
            limit: None,
        };
        let rows = self.store.range(&rows).wait().unwrap().rows;
        assert!(
            rows.is_empty(),
            "{:?}",
            rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>()
        );
    }
}

pub(crate) fn list(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// A tar archive of entries: `name/` a directory, `name -> target` a symbolic link, `name => target`
/// a hard link, `name = content` a file.
pub(crate) fn tar(entries: &[&str]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        append(&mut builder, entry);
    }
    builder.into_inner().unwrap()
}

pub(crate) fn header(kind: tar::EntryType) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(if kind == tar::EntryType::Directory {
        0o755
    } else {
        0o644
    });
    header.set_mtime(1_000_000_000);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

/// Writes names that the `tar` crate itself would refuse to write.
pub(crate) fn raw(
    builder: &mut tar::Builder<Vec<u8>>,
    mut header: tar::Header,
    name: &str,
    link: &str,
    content: &[u8],
) {
    let fields = header.as_ustar_mut().unwrap();
    fields.name[..name.len()].copy_from_slice(name.as_bytes());
    fields.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_size(content.len() as u64);
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

fn append(builder: &mut tar::Builder<Vec<u8>>, entry: &str) {
    use tar::EntryType;
    if let Some((name, target)) = entry.split_once(" -> ") {
        raw(builder, header(EntryType::Symlink), name, target, b"");
    } else if let Some((name, target)) = entry.split_once(" => ") {
        raw(builder, header(EntryType::Link), name, target, b"");
    } else if let Some((name, content)) = entry.split_once(" = ") {
        raw(builder, header(EntryType::Regular), name, "", content.as_bytes());
    } else {
        raw(builder, header(EntryType::Directory), entry, "", b"");
    }
}

/// Files by name, as an archive.
pub(crate) fn files<'a>(files: impl IntoIterator<Item = (String, &'a [u8])>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = header(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The configuration of an image with these layers.
pub(crate) fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let history: Vec<_> = layers
        .iter()
        .map(|_| serde_json::json!({"created_by": "test"}))
        .collect();
    serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["true"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
    }))
    .unwrap()
}

/// What `docker save` writes, with the layers as they are handed in.
pub(crate) fn docker_archive(tags: &[&str], layers: &[&[u8]], config: &[u8]) -> Vec<u8> {
    let names: Vec<String> = (0..layers.len()).map(|at| format!("{at}/layer.tar")).collect();
    let manifest = serde_json::to_vec(&serde_json::json!([
        {"Config": "config.json", "RepoTags": tags, "Layers": names}
    ]))
    .unwrap();
    let documents = [
        ("config.json".to_owned(), config),
        ("manifest.json".to_owned(), &*manifest),
    ];
    files(names.iter().cloned().zip(layers.iter().copied()).chain(documents))
}

/// An image of plain layers.
pub(crate) fn archive(tags: &[&str], layers: &[&[u8]]) -> Vec<u8> {
    docker_archive(tags, layers, &config(layers))
}

/// A tree as text: one line for each path.
pub(crate) fn tree(root: &OwnedFd) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let here = rustix::fs::openat(
        root,
        ".",
        OFlags::RDONLY | OFlags::DIRECTORY,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    walk(&here, "", &mut found);
    found
}

/// What the init layer has, which is in every writable snapshot and of no interest.
const INIT: &[&str] = &["/dev", "/etc", "/proc", "/sys", "/.dockerenv"];

pub(crate) fn mounted(rootfs: &Rootfs) -> BTreeMap<String, String> {
    let mut tree = tree(&rootfs.mount().unwrap());
    let of_init = |path: &str| {
        INIT.iter()
            .any(|name| path == *name || path.starts_with(&format!("{name}/")))
    };
    tree.retain(|path, _| rootfs.upper.is_none() || !of_init(path));
    tree
}

fn walk(directory: &OwnedFd, path: &str, found: &mut BTreeMap<String, String>) {
    let mut inodes: BTreeMap<u64, String> = BTreeMap::new();
    walk_linked(directory, path, found, &mut inodes);
}

fn walk_linked(
    directory: &OwnedFd,
    path: &str,
    found: &mut BTreeMap<String, String>,
    inodes: &mut BTreeMap<u64, String>,
) {
    let base = PathBuf::from(format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&directory.as_fd())
    ));
    for name in list(&base) {
        let metadata = fs::symlink_metadata(base.join(&name)).unwrap();
        let path = format!("{path}/{name}");
        let kind = FileType::from_raw_mode(metadata.mode());
        let what = match kind {
            FileType::RegularFile => {
                let content = String::from_utf8_lossy(&fs::read(base.join(&name)).unwrap()).into_owned();
                if metadata.nlink() > 1 {
                    let first = inodes.entry(metadata.ino()).or_insert_with(|| path.clone());
                    format!("file {content:?} like {first}")
                } else {
                    format!("file {content:?}")
                }
            }
            FileType::Symlink => format!("link {}", fs::read_link(base.join(&name)).unwrap().display()),
            other => format!(
                "{other:?} {}",
                if other == FileType::Directory {
                    0
                } else {
                    metadata.rdev()
                }
            ),
        };
        let line = format!(
            "{what} {:o} {}:{}",
            metadata.mode() & 0o7777,
            metadata.uid(),
            metadata.gid()
        );
        let time = if kind == FileType::Directory {
            0
        } else {
            metadata.mtime()
        };
        found.insert(path.clone(), format!("{line} @{time}"));
        if kind == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let inner = rustix::fs::openat(directory, &*name, flags, rustix::fs::Mode::empty()).unwrap();
            walk_linked(&inner, &path, found, inodes);
        }
    }
}

/// Just the names.
pub(crate) fn names(rootfs: &Rootfs) -> Vec<String> {
    mounted(rootfs).into_keys().collect()
}
