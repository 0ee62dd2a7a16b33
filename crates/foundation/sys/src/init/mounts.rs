//! The filesystem of a container, built with the mount API of Linux 5.2 and later: mounts are made
//! detached, configured, and only then put in place, by descriptor.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use super::resolve::{self, Make, PathBuffer};
use super::{Init, Owner};
use crate::program::{INHERIT_MODE, NO_SYMLINKS, RECURSIVE, Slot, Texts};
use crate::raw::{self, Errno, MountAttr, Result};

const CLONE_ONE: u32 = libc::OPEN_TREE_CLONE | AT_EMPTY_PATH;
const AT_EMPTY_PATH: u32 = libc::AT_EMPTY_PATH.cast_unsigned();
const AT_RECURSIVE: u32 = libc::AT_RECURSIVE.cast_unsigned();

impl Init<'_> {
    pub(super) fn open(&mut self, out: Slot, dir: Slot, path: &CStr, flags: u32) -> Result<()> {
        let resolve = if dir == Slot::NONE { 0 } else { resolve::IN_ROOT };
        let fd = raw::openat2(
            self.dir(dir)?,
            path,
            flags.cast_signed() | libc::O_PATH,
            0,
            resolve,
        )?;
        self.keep(out, fd)
    }

    pub(super) fn tree(&mut self, out: Slot, dir: Slot, path: &CStr, flags: u32) -> Result<()> {
        let flags = if path.is_empty() {
            flags | AT_EMPTY_PATH
        } else {
            flags
        };
        let tree = raw::open_tree(self.dir(dir)?, path, flags)?;
        self.keep(out, tree)
    }

    pub(super) fn filesystem(
        &mut self,
        out: Slot,
        kind: &CStr,
        options: Texts,
        attributes: u64,
    ) -> Result<()> {
        let fs = raw::fsopen(kind)?;
        let mut option = self.program.texts(options);
        // SAFETY: the list is NULL-terminated and every entry is a C string of the program.
        while let Some(text) = unsafe { (*option).as_ref().map(|start| CStr::from_ptr(start)) } {
            configure(&fs, text)?;
            // SAFETY: the entry just read was not the terminator, so one more follows.
            option = unsafe { option.add(1) };
        }
        raw::fsconfig_create(fs.as_fd())?;
        let mount = raw::fsmount(fs.as_fd(), attributes)?;
        self.keep(out, mount)
    }

    pub(super) fn attributes(&self, tree: Slot, attr: &MountAttr, flags: u32) -> Result<()> {
        raw::mount_setattr(self.fd(tree)?.as_raw_fd(), flags & RECURSIVE != 0, attr)
    }

    pub(super) fn attach(&self, tree: Slot, root: Slot, path: &CStr, flags: u32) -> Result<()> {
        if root == Slot::NONE {
            return raw::move_mount(self.fd(tree)?, raw::CWD, path);
        }
        let resolve = if flags & NO_SYMLINKS != 0 {
            resolve::PLAIN
        } else {
            resolve::IN_ROOT
        };
        let make = if is_directory(self.fd(tree)?.as_raw_fd())? {
            Make::Directory
        } else {
            Make::File
        };
        let target = resolve::open(self.fd(root)?.as_raw_fd(), path, resolve, make)?;
        if flags & INHERIT_MODE != 0 {
            let mode = raw::stat(target.as_raw_fd(), c"")?.st_mode & 0o7777;
            raw::chmod(self.fd(tree)?.as_raw_fd(), c".", mode)?;
        }
        raw::move_mount(self.fd(tree)?, target.as_raw_fd(), c"")
    }

    /// The new root goes below the old one at the same place (pivot_root(2), NOTES), and the old
    /// one is made a slave before it is detached, so that the host sees none of it.
    pub(super) fn pivot(&self, root: Slot) -> Result<()> {
        let old = raw::open(c"/", libc::O_DIRECTORY | libc::O_PATH)?;
        raw::fchdir(self.fd(root)?)?;
        raw::pivot_root()?;
        raw::fchdir(old.as_fd())?;
        raw::propagation(c".", libc::MS_SLAVE | libc::MS_REC)?;
        raw::detach_here()?;
        raw::chdir(c"/")
    }

    pub(super) fn device(&self, root: Slot, path: &CStr, mode: u32, device: u64, owner: Owner) -> Result<()> {
        let (directory, name) = resolve::parent(self.fd(root)?.as_raw_fd(), path)?;
        let directory = directory.as_raw_fd();
        match raw::mknodat(directory, name, mode, device) {
            Err(Errno::EXIST) => same_device(&raw::stat(directory, name)?, mode, device)?,
            other => other?,
        }
        raw::chown(directory, name, owner.uid, owner.gid)
    }

    pub(super) fn directory(&self, root: Slot, path: &CStr) -> Result<()> {
        resolve::open(
            self.fd(root)?.as_raw_fd(),
            path,
            resolve::IN_ROOT,
            Make::Directory,
        )
        .map(drop)
    }

    pub(super) fn symlink(&self, root: Slot, target: &CStr, path: &CStr) -> Result<()> {
        let (directory, name) = resolve::parent(self.fd(root)?.as_raw_fd(), path)?;
        match raw::symlinkat(target, directory.as_raw_fd(), name) {
            Err(Errno::EXIST) => Ok(()),
            other => other,
        }
    }

    pub(super) fn mask(&self, base: Slot, directory: Slot, file: Slot, path: &CStr) -> Result<()> {
        let target = match resolve::open(self.fd(base)?.as_raw_fd(), path, resolve::IN_ROOT, Make::Nothing) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => other?,
        };
        let mode = raw::stat(target.as_raw_fd(), c"")?.st_mode;
        let cover = if mode & libc::S_IFMT == libc::S_IFDIR {
            directory
        } else {
            file
        };
        let cover = self.fd(cover)?;
        match raw::open_tree(cover.as_raw_fd(), c"", CLONE_ONE) {
            // Before Linux 6.15 only what is attached can be cloned: the first place gets the cover
            // itself, and the others a clone of it there.
            Err(Errno::INVAL) => raw::move_mount(cover, target.as_raw_fd(), c""),
            clone => raw::move_mount(clone?.as_fd(), target.as_raw_fd(), c""),
        }
    }

    pub(super) fn readonly(&self, base: Slot, path: &CStr) -> Result<()> {
        let target = match resolve::open(self.fd(base)?.as_raw_fd(), path, resolve::IN_ROOT, Make::Nothing) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => other?,
        };
        let tree = raw::open_tree(target.as_raw_fd(), c"", CLONE_ONE | AT_RECURSIVE)?;
        let readonly = MountAttr {
            set: libc::MOUNT_ATTR_RDONLY,
            ..MountAttr::default()
        };
        raw::mount_setattr(tree.as_raw_fd(), true, &readonly)?;
        raw::move_mount(tree.as_fd(), target.as_raw_fd(), c"")
    }
}

/// Only a mount point has a propagation, so the one that holds `path` is the nearest prefix that
/// takes the change.
pub(super) fn private_parent(path: &CStr) -> Result<()> {
    let mut prefix = PathBuffer::new();
    prefix.append(path.to_bytes())?;
    loop {
        match raw::propagation(prefix.as_cstr(), libc::MS_PRIVATE) {
            Err(Errno::INVAL) if prefix.as_cstr() != c"/" => prefix.pop(),
            other => return other,
        }
    }
}

/// `key=value`, or a flag. `source` is an option like any other to the kernel.
fn configure(fs: &impl AsFd, option: &CStr) -> Result<()> {
    let bytes = option.to_bytes();
    let Some(equals) = bytes.iter().position(|byte| *byte == b'=') else {
        return raw::fsconfig(fs.as_fd(), option, None);
    };
    let mut key = PathBuffer::new();
    key.append(&bytes[..equals])?;
    let value =
        CStr::from_bytes_with_nul(&option.to_bytes_with_nul()[equals + 1..]).map_err(|_| Errno::INVAL)?;
    raw::fsconfig(fs.as_fd(), key.as_cstr(), Some(value))
}

fn is_directory(fd: RawFd) -> Result<bool> {
    raw::stat(fd, c"").map(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR)
}

fn same_device(stat: &libc::stat, mode: u32, device: u64) -> Result<()> {
    let same = stat.st_mode & libc::S_IFMT == mode & libc::S_IFMT && stat.st_rdev == device;
    if same { Ok(()) } else { Err(Errno::EXIST) }
}
