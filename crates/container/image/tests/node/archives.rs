//! Archives of parts of trees, as `docker cp` and `docker export` make and take them.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;

use image::archive::{Pack, Unpack, pack, unpack};
use image::{Error, Limits};

use super::support::{Node, tar};

fn entries(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let line = |entry: tar::Entry<'_, &[u8]>| {
        let header = entry.header();
        let link = entry
            .link_name()
            .unwrap()
            .map(|link| format!(" -> {}", link.display()));
        format!(
            "{}{} {}:{}",
            String::from_utf8_lossy(&entry.path_bytes()),
            link.unwrap_or_default(),
            header.uid().unwrap(),
            header.gid().unwrap()
        )
    };
    archive
        .entries()
        .unwrap()
        .map(|entry| line(entry.unwrap()))
        .collect()
}

struct Root(tempfile::TempDir, fs::File);

fn root() -> Root {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::create_dir_all(path.join("etc/sub")).unwrap();
    fs::write(path.join("etc/hosts"), "x").unwrap();
    fs::write(path.join("etc/sub/file"), "y").unwrap();
    fs::hard_link(path.join("etc/hosts"), path.join("etc/same")).unwrap();
    symlink("etc/hosts", path.join("link")).unwrap();
    symlink("/etc", path.join("directory")).unwrap();
    let opened = fs::File::open(path).unwrap();
    Root(directory, opened)
}

impl Root {
    fn pack(&self, path: &str, options: &Pack<'_>) -> Result<Vec<String>, Error> {
        let mut archive = Vec::new();
        pack(self.1.as_fd(), Path::new(path), options, &mut archive)?;
        Ok(entries(&archive))
    }

    fn unpack(&self, path: &str, archive: &[u8], options: &Unpack) -> Result<u64, Error> {
        Ok(unpack(self.1.as_fd(), Path::new(path), &mut &*archive, options)?.entries)
    }
}

#[test]
fn parts_of_a_tree_are_packed_in_order() {
    let root = root();
    let check = |path: &str, options: Pack<'_>, expected: &[&str]| {
        assert_eq!(root.pack(path, &options).unwrap(), expected, "{path}");
    };
    let plain = Pack::default();
    check(
        "etc",
        plain,
        &[
            "etc/ 0:0",
            "etc/hosts 0:0",
            "etc/same -> etc/hosts 0:0",
            "etc/sub/ 0:0",
            "etc/sub/file 0:0",
        ],
    );
    check("/etc/sub/", plain, &["sub/ 0:0", "sub/file 0:0"]);
    check("/etc/hosts", plain, &["hosts 0:0"]);
    check("link", plain, &["link -> etc/hosts 0:0"]);
    check(
        "link",
        Pack {
            follow: true,
            ..plain
        },
        &["hosts 0:0"],
    );
    check("directory/sub", plain, &["sub/ 0:0", "sub/file 0:0"]);
    check(
        "etc/sub",
        Pack {
            rebase: Some("x"),
            ..plain
        },
        &["x/ 0:0", "x/file 0:0"],
    );
    check(
        "etc/sub",
        Pack {
            contents: true,
            ..plain
        },
        &["file 0:0"],
    );
    check(
        "etc/hosts",
        Pack {
            rebase: Some("x"),
            owner: Some((1, 2)),
            ..plain
        },
        &["x 1:2"],
    );
    let exclude = |path: &Path| path == Path::new("etc/sub") || path.ends_with("same");
    check(
        "",
        Pack {
            contents: true,
            exclude: Some(&exclude),
            ..plain
        },
        &[
            "directory -> /etc 0:0",
            "etc/ 0:0",
            "etc/hosts 0:0",
            "link -> etc/hosts 0:0",
        ],
    );
    let missing = root.pack("nothing", &plain).unwrap_err();
    assert!(matches!(missing, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound));
}

#[test]
fn what_may_not_be_replaced_is_not() {
    let root = root();
    let strict = Unpack {
        no_overwrite_dir_non_dir: true,
        ..Unpack::default()
    };
    let refused = |path: &str, entries: &[&str], why: &str| {
        let error = root.unpack(path, &tar(entries), &strict).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(
        "",
        &["etc = file"],
        "cannot overwrite directory with non-directory \"etc\"",
    );
    refused(
        "etc",
        &["hosts/"],
        "cannot overwrite non-directory with directory \"hosts/\"",
    );
    assert_eq!(
        root.unpack("etc", &tar(&["hosts = new", "sub/", "sub/more = 1"]), &strict)
            .unwrap(),
        3
    );
    assert_eq!(
        fs::read_to_string(root.0.path().join("etc/hosts")).unwrap(),
        "new"
    );
    assert!(
        root.0.path().join("etc/sub/file").exists(),
        "directories are merged"
    );
    root.unpack("", &tar(&["etc = file"]), &Unpack::default())
        .unwrap();
    assert_eq!(fs::read_to_string(root.0.path().join("etc")).unwrap(), "file");
}

#[test]
fn links_in_the_way_lead_nowhere_outside() {
    let root = root();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), root.0.path().join("out")).unwrap();
    let options = Unpack::default();
    // The link is replaced, not followed, when it is the entry; and leads inside when it is not.
    assert!(root.unpack("", &tar(&["out/planted = 1"]), &options).is_err());
    root.unpack("", &tar(&["link = replaced"]), &options).unwrap();
    assert_eq!(fs::read_to_string(root.0.path().join("etc/hosts")).unwrap(), "x");
    root.unpack("directory", &tar(&["through = 1"]), &options)
        .unwrap();
    assert!(root.0.path().join("etc/through").exists());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn owners_may_be_given_and_whiteouts_are_plain_names() {
    let root = root();
    let options = Unpack {
        owner: Some((3, 4)),
        ..Unpack::default()
    };
    root.unpack("", &tar(&[".wh.etc = plain", "own/"]), &options)
        .unwrap();
    let metadata = fs::metadata(root.0.path().join(".wh.etc")).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((metadata.uid(), metadata.gid()), (3, 4));
    assert!(root.0.path().join("etc").is_dir());
}

#[test]
fn what_is_packed_is_unpacked() {
    let root = root();
    let mut archive = Vec::new();
    pack(
        root.1.as_fd(),
        Path::new(""),
        &Pack {
            contents: true,
            ..Pack::default()
        },
        &mut archive,
    )
    .unwrap();
    let copy = tempfile::tempdir().unwrap();
    let opened = fs::File::open(copy.path()).unwrap();
    unpack(opened.as_fd(), Path::new(""), &mut &*archive, &Unpack::default()).unwrap();
    assert_eq!(
        super::support::tree(&opened.into()),
        super::support::tree(&root.1.try_clone().unwrap().into())
    );
}

/// Entries made of the parts that escapes are made of.
fn nasty() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("a"),
        Just("b"),
        Just(".."),
        Just("."),
        Just(""),
        Just("out"),
        Just("escape")
    ];
    let path = prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"));
    (path.clone(), path, 0..4u8).prop_map(|(name, target, kind)| match kind {
        0 => format!("{name}/"),
        1 => format!("{name} -> {target}"),
        2 => format!("{name} => {target}"),
        _ => format!("{name} = content"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever the entries are, and whatever links the tree has already, nothing outside of the
    /// tree is made, changed or linked into it.
    #[test]
    fn no_archive_reaches_out(entries in prop::collection::vec(nasty(), 1..12), whiteouts: bool) {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("escape"), "untouched").unwrap();
        let inside = outside.path().join("root");
        fs::create_dir(&inside).unwrap();
        symlink(outside.path(), inside.join("out")).unwrap();
        symlink("..", inside.join("a")).unwrap();
        let root = fs::File::open(&inside).unwrap();
        let options = Unpack { whiteouts, ..Unpack::default() };
        for entry in &entries {
            let _ = unpack(root.as_fd(), Path::new(""), &mut &*tar(&[entry]), &options);
        }
        prop_assert_eq!(super::support::list(outside.path()), ["escape", "root"]);
        let metadata = fs::metadata(outside.path().join("escape")).unwrap();
        prop_assert_eq!(std::os::unix::fs::MetadataExt::nlink(&metadata), 1);
        prop_assert_eq!(fs::read_to_string(outside.path().join("escape")).unwrap(), "untouched");
    }
}

/// Through the worker: `docker cp` into a mounted root filesystem.
#[test]
fn an_archive_goes_into_a_mounted_snapshot() {
    let node = Node::new();
    let rootfs = node.images.prepare("c", None).unwrap();
    let mounted = rootfs.mount().unwrap();
    let archive = tar(&["a = 1", "b/", "b/c = 2"]);
    let options = Unpack {
        limits: Limits::default(),
        ..Unpack::default()
    };
    let totals = node
        .images
        .unpack(mounted.as_fd(), Path::new("/to"), &mut &*archive, &options)
        .unwrap();
    assert_eq!((totals.entries, totals.bytes), (3, 2));
    assert_eq!(
        super::support::names(&rootfs),
        ["/to", "/to/a", "/to/b", "/to/b/c"]
    );
    let refused = node.images.unpack(
        mounted.as_fd(),
        Path::new("/to"),
        &mut &tar(&["../x = 1"])[..],
        &options,
    );
    assert_eq!(
        refused.unwrap_err().to_string(),
        "invalid archive: \"../x\": the name leads out of the archive"
    );
}
