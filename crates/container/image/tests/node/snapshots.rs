//! Writable snapshots, and what they change.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use image::{ChangeKind, Rootfs};

use super::support::{Node, archive, names, tar};

fn changes(rootfs: &Rootfs) -> Vec<String> {
    let line = |change: image::Change| {
        let kind = match change.kind {
            ChangeKind::Modified => 'C',
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
        };
        format!("{kind} {}", change.path.display())
    };
    rootfs.changes().unwrap().into_iter().map(line).collect()
}

/// Works in a mounted root filesystem by ordinary paths.
pub(super) fn inside(rootfs: &Rootfs, work: impl FnOnce(&Path)) {
    let root = rootfs.mount().unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&root));
    work(Path::new(&path));
}

#[test]
fn an_owner_has_one_snapshot_until_it_is_released() {
    let node = Node::new();
    let id = node.load_one(&archive(&["x:1"], &[&tar(&["a = 1"])]));
    let first = node.images.prepare("c", Some(&id)).unwrap();
    assert_eq!(node.images.prepare("c", Some(&id)).unwrap(), first);
    inside(&first, |root| fs::write(root.join("new"), "x").unwrap());
    assert_eq!(first.size().unwrap(), 1);
    let node = node.reopen();
    assert_eq!(node.images.rootfs("c").unwrap(), first);
    assert_eq!(node.images.owners(), ["c"]);
    assert_eq!(names(&first), ["/a", "/new"]);
    node.images.release("c").unwrap();
    node.images.release("c").unwrap();
    assert_eq!(node.images.rootfs("c"), None);
    let second = node.images.prepare("c", Some(&id)).unwrap();
    assert_ne!(second.upper, first.upper);
    assert_eq!(names(&second), ["/a"]);
}

#[test]
fn a_mount_is_seen_by_nobody() {
    let node = Node::new();
    let rootfs = node.images.prepare("c", None).unwrap();
    let mounted = rootfs.mount().unwrap();
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!table.contains(rootfs.upper.as_ref().unwrap().to_str().unwrap()));
    drop(mounted);
}

#[test]
fn the_root_directory_looks_as_the_images() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = super::support::header(tar::EntryType::Directory);
    header.set_mode(0o1777);
    header.set_uid(7);
    super::support::raw(&mut builder, header, "./", "", b"");
    let bottom = builder.into_inner().unwrap();
    let node = Node::new();
    let id = node.load_one(&archive(&[], &[&bottom, &tar(&["a = 1"])]));
    let rootfs = node.images.prepare("c", Some(&id)).unwrap();
    inside(&rootfs, |root| {
        let metadata = fs::metadata(root).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o1777, 7));
    });
}

#[test]
fn layers_in_use_outlive_their_image() {
    let node = Node::new();
    let id = node.load_one(&archive(&["x:1"], &[&tar(&["a = 1"])]));
    let rootfs = node.images.prepare("c", Some(&id)).unwrap();
    let force = image::Remove {
        force: true,
        prune_parents: true,
    };
    node.images.remove("x:1", force, &|_| Vec::new()).unwrap();
    assert_eq!(node.images.list(), []);
    let node = node.reopen();
    assert_eq!(names(&rootfs), ["/a"]);
    node.images.release("c").unwrap();
    node.reopen().assert_empty();
}

#[test]
fn changes_are_listed_as_docker_diff_lists_them() {
    let bottom = tar(&[
        "etc/",
        "etc/hosts = 1",
        "etc/same = 1",
        "etc/passwd = 1",
        "gone/",
        "gone/inside = 1",
        "dir/",
        "dir/a = 1",
        "dir/b = 2",
        "was/",
        "was/x = 1",
        "mode = 1",
        "quiet/",
        "quiet/in = 1",
        "link -> a",
    ]);
    let node = Node::new();
    let id = node.load_one(&archive(&[], &[&bottom]));
    let rootfs = node.images.prepare("c", Some(&id)).unwrap();
    assert_eq!(changes(&rootfs), [] as [&str; 0]);
    inside(&rootfs, |root| {
        fs::write(root.join("etc/hosts"), "changed").unwrap();
        fs::remove_file(root.join("etc/passwd")).unwrap();
        // Copied up, but the same.
        fs::set_permissions(root.join("etc/same"), fs::Permissions::from_mode(0o644)).unwrap();
        fs::remove_dir_all(root.join("gone")).unwrap();
        fs::create_dir_all(root.join("new/deep")).unwrap();
        fs::write(root.join("new/deep/file"), "x").unwrap();
        fs::remove_dir_all(root.join("dir")).unwrap();
        fs::create_dir(root.join("dir")).unwrap();
        fs::write(root.join("dir/c"), "").unwrap();
        fs::remove_dir_all(root.join("was")).unwrap();
        fs::write(root.join("was"), "a file").unwrap();
        fs::set_permissions(root.join("mode"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(root.join("link")).unwrap();
        symlink("elsewhere", root.join("link")).unwrap();
        fs::write(root.join("made"), "").unwrap();
        fs::remove_file(root.join("made")).unwrap();
    });
    assert_eq!(
        changes(&rootfs),
        [
            "C /dir",
            "D /dir/a",
            "D /dir/b",
            "A /dir/c",
            "C /etc",
            "C /etc/hosts",
            "D /etc/passwd",
            "D /gone",
            "C /link",
            "C /mode",
            "A /new",
            "A /new/deep",
            "A /new/deep/file",
            "C /was",
            "D /was/x",
        ]
    );
    assert_eq!(node.images.view(&id).unwrap().changes().unwrap(), []);
}

#[test]
fn without_an_image_everything_is_added() {
    let node = Node::new();
    let rootfs = node.images.prepare("c", None).unwrap();
    inside(&rootfs, |root| fs::write(root.join("a"), "").unwrap());
    assert_eq!(changes(&rootfs), ["A /a"]);
}

#[test]
fn many_layers_are_mounted() {
    let layers: Vec<Vec<u8>> = (0..125).map(|n| tar(&[&format!("f{n:03} = {n}")])).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    let node = Node::new();
    let id = node.load_one(&archive(&[], &layers));
    assert_eq!(names(&node.images.prepare("c", Some(&id)).unwrap()).len(), 125);
}

/// Where the engine mounts is there in every container, is no change of it, and is in no image.
#[test]
fn the_places_for_mounts_are_nobodys_change() {
    let bottom = tar(&[
        "etc/",
        "etc/hosts = the image's",
        "etc/resolv.conf -> ../run/resolv",
        "etc/other = 1",
        "proc = file",
    ]);
    let node = Node::new();
    let id = node.load_one(&archive(&["x:1"], &[&bottom]));
    let rootfs = node.images.prepare("c", Some(&id)).unwrap();
    assert_eq!(changes(&rootfs), [] as [&str; 0]);
    inside(&rootfs, |root| {
        assert_eq!(fs::read_to_string(root.join("etc/hosts")).unwrap(), "");
        assert!(
            root.join("etc/resolv.conf").symlink_metadata().unwrap().is_file(),
            "no link of the image's"
        );
        assert!(root.join("proc").is_dir() && root.join("dev/shm").is_dir());
        assert!(root.join(".dockerenv").is_file() && root.join("etc/other").is_file());
        assert_eq!(
            fs::read_link(root.join("etc/mtab")).unwrap(),
            Path::new("/proc/mounts")
        );
        fs::write(root.join("new"), "").unwrap();
    });
    assert_eq!(changes(&rootfs), ["A /new"]);
    let second = node.images.prepare("d", Some(&id)).unwrap();
    assert_eq!(second.lower, rootfs.lower, "one for all containers of an image");
    assert_eq!(
        names(&node.images.view(&id).unwrap()),
        ["/etc", "/etc/hosts", "/etc/other", "/etc/resolv.conf", "/proc"]
    );
    let node = node.reopen();
    assert_eq!(node.images.rootfs("c").unwrap(), rootfs);
    let force = image::Remove {
        force: true,
        prune_parents: true,
    };
    node.images.remove("x:1", force, &|_| Vec::new()).unwrap();
    for owner in ["c", "d"] {
        node.images.release(owner).unwrap();
    }
    node.reopen().assert_empty();
}

#[test]
fn without_an_image_there_are_places_for_mounts_too() {
    let node = Node::new();
    let rootfs = node.images.prepare("c", None).unwrap();
    inside(&rootfs, |root| assert!(root.join("dev/console").is_file()));
    let node = node.reopen();
    assert_eq!(changes(&node.images.rootfs("c").unwrap()), [] as [&str; 0]);
}

/// A container may make a tree that is deeper than any stack; nobody falls into it.
#[test]
fn a_tree_without_a_bottom_is_refused_and_released() {
    let node = Node::new();
    let rootfs = node.images.prepare("c", None).unwrap();
    let mut here = rootfs.mount().unwrap();
    for _ in 0..5000 {
        rustix::fs::mkdirat(&here, "d", rustix::fs::Mode::RWXU).unwrap();
        here = rustix::fs::openat(
            &here,
            "d",
            rustix::fs::OFlags::DIRECTORY,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
    }
    drop(here);
    assert_eq!(rootfs.size().unwrap(), 0);
    assert_eq!(
        rootfs.changes().unwrap_err().raw_os_error(),
        Some(rustix::io::Errno::NAMETOOLONG.raw_os_error())
    );
    let commit = image::Commit {
        hidden: false,
        parent: None,
        layer: image::CommitLayer::Copy(&rootfs),
        config: image::ImageConfig::for_host(),
        history: image::HistoryRow::default(),
        reference: None,
        lease: None,
    };
    assert!(
        node.images
            .commit(commit)
            .unwrap_err()
            .to_string()
            .ends_with("the name is too deep")
    );
    node.images.release("c").unwrap();
    node.reopen().assert_empty();
}
