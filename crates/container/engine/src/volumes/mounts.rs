//! Volumes as containers mount them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use super::driver::Options;
use super::{Volume, Volumes, copy_up, parsed, system};
use crate::Error;

/// A volume that is ready to be bound into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// What to bind.
    pub source: PathBuf,
    /// With what is mounted below it.
    pub recursive: bool,
    /// Whether the volume itself is read-only.
    pub read_only: bool,
}

impl Volumes {
    /// Makes a volume ready for a container that starts, and answers what to bind: all of it, or
    /// its directory `subpath`, which is resolved inside it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; a device or a subpath that is not there; a file system that cannot be
    /// mounted.
    pub fn mount(&self, name: &str, container: &str, subpath: &str) -> Result<Mounted, Error> {
        let volume = self.find(name)?;
        let mounted = match parsed(&volume)? {
            Options::Plain => Mounted {
                source: volume.mountpoint.clone(),
                recursive: true,
                read_only: false,
            },
            Options::Bind {
                source,
                recursive,
                read_only,
            } => Mounted {
                source,
                recursive,
                read_only,
            },
            Options::Tmpfs { flags, data } => {
                self.hold(&volume, container, |target| {
                    let data = std::ffi::CString::new(data.as_str())?;
                    rustix::mount::mount("tmpfs", target, "tmpfs", flags, data.as_c_str()).map_err(Into::into)
                })?;
                Mounted {
                    source: volume.mountpoint.clone(),
                    recursive: true,
                    read_only: false,
                }
            }
        };
        if !mounted.source.exists() {
            let (place, reason) = (volume.mountpoint.display(), absent(&volume, &mounted));
            let text = format!("error while mounting volume '{place}': {reason}");
            return Err(Error::Specification(text));
        }
        Ok(Mounted {
            source: within(&mounted.source, subpath)?,
            ..mounted
        })
    }

    /// Where a volume's data, or its directory `subpath`, is without making it ready for anybody;
    /// none for a file system that is not mounted now.
    ///
    /// # Errors
    /// [`Error::NotFound`], or a device or subpath that is not there.
    pub fn locate(&self, name: &str, subpath: &str) -> Result<Option<PathBuf>, Error> {
        let volume = self.find(name)?;
        let is_tmpfs = matches!(parsed(&volume)?, Options::Tmpfs { .. });
        if is_tmpfs && !self.lock().mounted.contains_key(name) {
            return Ok(None);
        }
        within(&self.data(&volume)?, subpath).map(Some)
    }

    /// A container has ended: file systems that nobody else uses are unmounted.
    pub fn unmount(&self, container: &str) {
        let mut table = self.lock();
        let released: Vec<String> = table
            .mounted
            .iter_mut()
            .filter_map(|(name, users)| (users.remove(container) && users.is_empty()).then(|| name.clone()))
            .collect();
        self.detach_idle(&mut table, &released);
    }

    /// Unmounts what no container holds: after the running ones were adopted, or when the node
    /// goes down.
    pub fn unmount_idle(&self) {
        let mut table = self.lock();
        let idle: Vec<String> = table
            .mounted
            .iter()
            .filter(|(_, users)| users.is_empty())
            .map(|(name, _)| name.clone())
            .collect();
        self.detach_idle(&mut table, &idle);
    }

    /// Detaching is one quick system call, done under the lock so that no start comes between.
    fn detach_idle(&self, table: &mut super::Table, names: &[String]) {
        for name in names {
            let target = self.0.directory.join(name).join("_data");
            match detach(&target) {
                Ok(()) => drop(table.mounted.remove(name)),
                Err(error) => tracing::warn!(volume = name, %error, "cannot unmount a volume"),
            }
        }
    }

    /// Mounts unless it is mounted, and notes the user. Mounting memory is one quick system call.
    fn hold(
        &self,
        volume: &Volume,
        container: &str,
        mount: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), Error> {
        let mut table = self.lock();
        if !table.mounted.contains_key(&volume.name) {
            mount(&volume.mountpoint).map_err(system("failed to mount local volume"))?;
        }
        table
            .mounted
            .entry(volume.name.clone())
            .or_default()
            .insert(container.to_owned());
        Ok(())
    }

    /// Fills an empty volume with what the image has at `path`, owners, modes and attributes
    /// included; a volume with anything in it stays as it is. `root` is the image's root
    /// directory. Answers whether something was copied.
    ///
    /// # Errors
    /// `path` is no directory in the image, or the copy fails: the volume is then empty again.
    pub fn populate(&self, name: &str, root: impl AsFd, path: &Path) -> Result<bool, Error> {
        let volume = self.find(name)?;
        let data = self.data(&volume)?;
        copy_up::copy(root.as_fd(), path, &data)
    }
}

/// What upstream says of a device that is not there.
fn absent(volume: &Volume, mounted: &Mounted) -> String {
    let (source, target) = (mounted.source.display(), volume.mountpoint.display());
    let mut flags = MountFlags::BIND;
    flags.set(MountFlags::REC, mounted.recursive);
    flags.set(MountFlags::RDONLY, mounted.read_only);
    format!(
        "failed to mount local volume: mount {source}:{target}, flags: {:#x}: no such file or directory",
        flags.bits()
    )
}

/// A directory or file of a volume, found without leaving it.
fn within(source: &Path, subpath: &str) -> Result<PathBuf, Error> {
    if subpath.is_empty() {
        return Ok(source.to_owned());
    }
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            let text = format!(
                "cannot access path {}: no such file or directory",
                source.join(subpath).display()
            );
            Error::Invalid(text)
        }
        _ => system("resolving the volume's subpath")(error),
    };
    let root = fs::File::open(source).map_err(missing)?;
    let found = sys::in_root::open(&root, Path::new(subpath), OFlags::PATH).map_err(missing)?;
    // The kernel's own answer to where that is: no link of it is left.
    let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&found));
    fs::read_link(link).map_err(missing)
}

/// Unmounts what is mounted at `target`, if anything is.
pub(super) fn detach(target: &Path) -> io::Result<()> {
    match rustix::mount::unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Volumes that a daemon before us has mounted; their users come with the containers.
pub(super) fn present(directory: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let volumes = mountinfo.lines().filter_map(|line| {
        let target = Path::new(line.split(' ').nth(4)?);
        let inside = target.strip_prefix(directory).ok()?;
        Some((inside.parent()?.to_str()?.to_owned(), BTreeSet::new()))
    });
    volumes.collect()
}
