//! A container's root directory, with everything mounted in it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use image::Rootfs;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use sys::private_mounts::{MountNamespace, assemble};

use crate::oci::{Source, UserMount};

/// A container's files. What it shows is unmounted when it is dropped, if it was mounted for it.
#[derive(Debug)]
pub struct View {
    root: OwnedFd,
    /// Absent for a container that runs: its processes keep its mounts.
    _mounts: Option<MountNamespace>,
}

impl View {
    /// The root of a running process. The caller makes sure that the process is still the
    /// container's after this has returned.
    ///
    /// # Errors
    /// The process has ended.
    pub fn running(pid: u32) -> io::Result<Self> {
        let root = rustix::fs::open(
            format!("/proc/{pid}/root"),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self { root, _mounts: None })
    }

    /// The root of a container that does not run, with its volumes and binds; what it has in
    /// memory while it runs does not exist. Places for mounts are made as a start would.
    ///
    /// # Errors
    /// The overlay or a mount cannot be made.
    pub fn stopped(rootfs: &Rootfs, mounts: &[UserMount]) -> io::Result<Self> {
        let root = rootfs.mount()?;
        let binds: Vec<(&Path, &PathBuf, bool)> = mounts
            .iter()
            .filter_map(|mount| match &mount.source {
                Source::Path { path, recursive, .. } => Some((Path::new(&mount.target), path, *recursive)),
                Source::Tmpfs(_) => None,
            })
            .collect();
        if binds.is_empty() {
            return Ok(Self { root, _mounts: None });
        }
        let (root, namespace) = assemble(move || {
            attach(root.as_fd(), place(rootfs))?;
            let root: OwnedFd = File::open(place(rootfs))?.into();
            binds
                .iter()
                .try_for_each(|(target, source, recursive)| bind(&root, target, source, *recursive))?;
            Ok(root)
        })?;
        Ok(Self {
            root,
            _mounts: Some(namespace),
        })
    }

    /// The root, for whoever reads below it while this is there: a path of its own, which opens nothing.
    ///
    /// # Errors
    /// Too many open files.
    pub fn open(&self) -> io::Result<OwnedFd> {
        self.root.try_clone()
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

/// Where the overlay is attached in the namespace that nobody sees: any directory of ours will do.
fn place(rootfs: &Rootfs) -> &Path {
    rootfs
        .work
        .as_deref()
        .or(rootfs.lower.first().map(PathBuf::as_path))
        .unwrap_or(Path::new("/"))
}

fn attach(tree: BorrowedFd<'_>, target: &Path) -> io::Result<()> {
    Ok(move_mount(
        tree,
        "",
        CWD,
        target,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?)
}

fn bind(root: &OwnedFd, target: &Path, source: &Path, recursive: bool) -> io::Result<()> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    let tree = open_tree(CWD, source, flags)?;
    let place = mount_point(root, target, source.is_dir())?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(&tree, "", &place, "", flags)?)
}

/// The place for a mount, made if it does not exist.
fn mount_point(root: &OwnedFd, target: &Path, directory: bool) -> io::Result<OwnedFd> {
    let open = || sys::in_root::open(root, target, OFlags::PATH);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    let parts: Vec<_> = target
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    let mut made = PathBuf::from("/");
    for (at, part) in parts.iter().enumerate() {
        let parent = sys::in_root::open(root, &made, OFlags::PATH | OFlags::DIRECTORY)?;
        made.push(part);
        let result = if directory || at + 1 < parts.len() {
            rustix::fs::mkdirat(&parent, part.as_os_str(), Mode::from_raw_mode(0o755))
        } else {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::openat(&parent, part.as_os_str(), flags, Mode::from_raw_mode(0o644)).map(drop)
        };
        match result {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    open()
}
