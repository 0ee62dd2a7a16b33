//! What `RUN --mount` mounts, made ready for a container: files of a context are copied out, images
//! mounted, caches claimed. Everything is taken back when [`Ready`] is dropped.
//!
//! A container is given a path. A path below an image is resolved in the image first, so that none of
//! its links leads out of it.

mod fill;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use engine::spec::{MountKind, MountSpec};
use image::{Digest, Images, Rootfs};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
};

use crate::cache_mounts::{self, CacheMounts, Held};
use crate::context::DirectoryTree;
use crate::driver::blocking;
use crate::executor::{CacheMount, KeptMount, MountSource, RunMount};
use crate::output::Output;
use crate::services::StepCache;
use crate::tree::{self, Kind, Tree};
use crate::{BuildError, perform};

/// Makes mounts ready for the steps of one build.
pub(crate) struct Mounter {
    images: Images,
    caches: Arc<CacheMounts>,
    /// The build's own directory.
    directory: PathBuf,
    /// Files of contexts that were copied out, by what they are; nobody writes to them.
    copied: Mutex<BTreeMap<String, PathBuf>>,
    /// Caches that were begun anew.
    renewed: Mutex<BTreeSet<Digest>>,
    /// Whoever may have what caches hold that are new here.
    seeds: Option<Arc<dyn StepCache>>,
}

/// Mounts that are ready.
#[derive(Default)]
pub(crate) struct Ready {
    pub(crate) specs: Vec<MountSpec>,
    /// What mounting makes in the step's files where there was nothing.
    pub(crate) stubs: Vec<(PathBuf, FileType)>,
    /// Snapshots whose changes stay.
    pub(crate) kept: Vec<Snapshot>,
    held: Vec<Guard>,
}

/// A snapshot whose changes stay. What was not made an image of goes with this.
pub(crate) struct Snapshot {
    images: Images,
    pub(crate) owner: String,
    pub(crate) mount: Arc<KeptMount>,
}

impl Snapshot {
    fn mounted(self, place: &Path) -> Result<(Self, PathBuf, FileType, Guard), BuildError> {
        let rootfs = self.images.prepare(&self.owner, self.mount.image.as_ref())?;
        let mounted = rootfs.mount().map_err(failed("failed to mount the image"))?;
        let place = place.join("root");
        std::fs::create_dir_all(&place).map_err(failed(FAILED))?;
        let guard = attach(&mounted, &place).map_err(failed(FAILED))?;
        let (real, kind) = below(&place, &self.mount.path)?;
        Ok((self, real, kind, guard))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // One that became an image has no owner any more, and what stays is taken away at the next start.
        let _ = self.images.release(&self.owner);
    }
}

/// Something to take back.
enum Guard {
    /// A mount at a path.
    Mount(PathBuf),
    /// A cache in use.
    Cache { _held: Held },
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Self::Mount(path) = self {
            // The container's copies of it are gone with the container.
            let _ = unmount(&*path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
            let _ = std::fs::remove_dir(&*path).or_else(|_| std::fs::remove_file(&*path));
        }
    }
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> BuildError {
    BuildError::io(what)
}

const FAILED: &str = "failed to prepare a mount";

impl Mounter {
    pub(crate) fn new(
        images: Images,
        caches: Arc<CacheMounts>,
        directory: PathBuf,
        seeds: Option<Arc<dyn StepCache>>,
    ) -> Self {
        Self {
            seeds,
            images,
            caches,
            directory,
            copied: Mutex::default(),
            renewed: Mutex::default(),
        }
    }

    /// Makes the mounts of a command ready. `name` is unique.
    ///
    /// # Errors
    /// The disk's; a path that an image does not have.
    pub(crate) async fn prepare(
        self: &Arc<Self>,
        name: &str,
        mounts: &[RunMount],
        output: &Output,
    ) -> Result<Ready, BuildError> {
        let mut ready = Ready::default();
        let caches = self.caches(mounts, output).await?;
        for (index, mount) in mounts.iter().enumerate() {
            let place = self.directory.join(format!("{name}-mount-{index}"));
            if let MountSource::Cache(cache) = &mount.source {
                let whole = caches
                    .get(&cache_mounts::key(cache))
                    .map(Held::path)
                    .unwrap_or_default();
                let (cache, below) = (whole.clone(), cache.below.clone());
                let part = blocking(move || part(&cache, &below, &place)).await?;
                let (path, kind) = match &part {
                    Some((Guard::Mount(path), kind)) => (path.clone(), *kind),
                    _ => (whole, FileType::Directory),
                };
                ready.add(mount, path, kind);
                ready.held.extend(part.map(|(guard, _)| guard));
                continue;
            }
            if let MountSource::Tmpfs { size } = mount.source {
                ready.tmpfs(mount, size);
                continue;
            }
            if let MountSource::Kept(kept) = &mount.source {
                let snapshot = Snapshot {
                    images: self.images.clone(),
                    owner: format!("{name}-kept-{index}"),
                    mount: kept.clone(),
                };
                let (snapshot, path, kind, guard) = blocking(move || snapshot.mounted(&place)).await?;
                ready.add(mount, path, kind);
                ready.held.push(guard);
                ready.kept.push(snapshot);
                continue;
            }
            let (mounter, wanted) = (self.clone(), mount.clone());
            let (path, kind, guard) = blocking(move || mounter.make(&wanted, &place)).await?;
            ready.add(mount, path, kind);
            ready.held.extend(guard);
        }
        // They are taken back last.
        ready
            .held
            .extend(caches.into_values().map(|held| Guard::Cache { _held: held }));
        Ok(ready)
    }

    /// Makes the caches of a command ready, each once. What those begin with that are new here is fetched before any is claimed:
    /// nobody else waits for a slow registry that this build alone has named.
    async fn caches(
        self: &Arc<Self>,
        mounts: &[RunMount],
        output: &Output,
    ) -> Result<BTreeMap<Digest, Held>, BuildError> {
        let wanted = mounts.iter().filter_map(|mount| match &mount.source {
            MountSource::Cache(cache) => Some((cache_mounts::key(cache), cache)),
            _ => None,
        });
        let wanted: BTreeMap<Digest, &CacheMount> = wanted.collect();
        for (key, cache) in &wanted {
            // Once for each build: its steps share what they make.
            if cache.fresh
                && self
                    .renewed
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(*key)
            {
                let (caches, key) = (self.caches.clone(), *key);
                blocking(move || caches.renew(&key).map_err(failed(FAILED))).await?;
            }
        }
        let mut seeds = BTreeMap::new();
        loop {
            for (key, cache) in &wanted {
                if !seeds.contains_key(key) && self.is_seeded(cache) && !self.caches.has(key) {
                    seeds.insert(*key, self.seed((key, cache), output).await?);
                }
            }
            if let Some(caches) = self.claim(&wanted, &mut seeds, output).await? {
                return Ok(caches);
            }
        }
    }

    /// Claims caches in the same order in all commands, so that two that want the same ones for themselves do not wait for each
    /// other. `None` if one of them has become new meanwhile, and what it is to begin with was not asked for.
    async fn claim(
        self: &Arc<Self>,
        wanted: &BTreeMap<Digest, &CacheMount>,
        seeds: &mut BTreeMap<Digest, Option<File>>,
        output: &Output,
    ) -> Result<Option<BTreeMap<Digest, Held>>, BuildError> {
        let mut caches = BTreeMap::new();
        for (key, cache) in wanted {
            let held = tokio::select! {
                held = self.caches.hold(cache) => held,
                () = output.cancelled() => return Err(BuildError::Cancelled),
            };
            if held.is_first && self.is_seeded(cache) && !seeds.contains_key(key) {
                return Ok(None);
            }
            // Whoever is not the first throws away what was fetched.
            let seed = seeds
                .get_mut(key)
                .and_then(Option::take)
                .filter(|_| held.is_first);
            caches.insert(*key, self.filled(held, (cache, seed), output).await?);
        }
        Ok(Some(caches))
    }

    fn make(&self, mount: &RunMount, place: &Path) -> Result<(PathBuf, FileType, Option<Guard>), BuildError> {
        match &mount.source {
            MountSource::Files { tree, path, hash } => {
                let known = || self.copied.lock().unwrap_or_else(PoisonError::into_inner);
                let old = known().get(hash).cloned().filter(|_| mount.read_only);
                let copied = match old {
                    Some(copied) => copied,
                    None => {
                        let copied = self.copy_out(&**tree, path, place)?;
                        if mount.read_only {
                            known().insert(hash.clone(), copied.clone());
                        }
                        copied
                    }
                };
                let kind = if copied.is_dir() {
                    FileType::Directory
                } else {
                    FileType::RegularFile
                };
                Ok((copied, kind, None))
            }
            MountSource::Image { image, path } => self.image(*image, path, place, mount.read_only),
            MountSource::Secret {
                content,
                mode,
                uid,
                gid,
            } => {
                let guard = memory(place).map_err(failed(FAILED))?;
                let path = place.join("secret");
                write_secret(&path, content, *mode, (*uid, *gid)).map_err(failed(FAILED))?;
                Ok((path, FileType::RegularFile, Some(guard)))
            }
            MountSource::Socket(path) => Ok((path.clone(), FileType::RegularFile, None)),
            MountSource::Cache(_) | MountSource::Tmpfs { .. } | MountSource::Kept(_) => {
                Err(BuildError::Step("a mount of another kind".to_owned()))
            }
        }
    }

    /// Copies a file or a directory to a place of its own. Gives its path.
    fn copy_out(&self, tree: &dyn Tree, path: &Path, place: &Path) -> Result<PathBuf, BuildError> {
        std::fs::create_dir_all(place).map_err(failed(FAILED))?;
        let root = File::open(place).map_err(failed(FAILED))?;
        let found = tree::resolve(tree, path).map_err(failed(FAILED))?;
        let (real, entry) =
            found.ok_or_else(|| BuildError::Step(format!("/{}: not found", path.display())))?;
        perform::export(&self.images, root.as_fd(), tree, (&real, &entry))?;
        if entry.kind == Kind::Directory {
            let mode = std::fs::Permissions::from_mode(if real.as_os_str().is_empty() {
                0o755
            } else {
                entry.mode
            });
            std::fs::set_permissions(place, mode).map_err(failed(FAILED))?;
            return Ok(place.to_owned());
        }
        Ok(place.join(perform::EXPORTED))
    }

    /// Mounts an image, under a layer that is thrown away if it is written to.
    fn image(
        &self,
        image: Option<Digest>,
        path: &Path,
        place: &Path,
        read_only: bool,
    ) -> Result<(PathBuf, FileType, Option<Guard>), BuildError> {
        std::fs::create_dir_all(place).map_err(failed(FAILED))?;
        let Some(image) = image else {
            let empty = path.as_os_str().is_empty();
            let missing = || BuildError::Step(format!("/{}: not found", path.display()));
            return empty
                .then(|| (place.to_owned(), FileType::Directory, None))
                .ok_or_else(missing);
        };
        let mut rootfs = self.images.view(&image)?;
        if !read_only {
            rootfs = thrown_away(rootfs, place).map_err(failed(FAILED))?;
        }
        let place = place.join("root");
        std::fs::create_dir_all(&place).map_err(failed(FAILED))?;
        let mounted = rootfs.mount().map_err(failed("failed to mount the image"))?;
        let guard = attach(&mounted, &place).map_err(failed(FAILED))?;
        let (real, kind) = below(&place, path)?;
        Ok((real, kind, Some(guard)))
    }
}

impl Ready {
    fn add(&mut self, mount: &RunMount, source: PathBuf, kind: FileType) {
        self.stubs
            .push((PathBuf::from(mount.target.trim_start_matches('/')), kind));
        self.specs.push(MountSpec {
            target: mount.target.clone(),
            read_only: mount.read_only,
            kind: MountKind::Bind {
                source: source.to_string_lossy().into_owned(),
                propagation: None,
                non_recursive: false,
                read_only_non_recursive: false,
                create_source: false,
            },
        });
    }

    fn tmpfs(&mut self, mount: &RunMount, size: u64) {
        let target = PathBuf::from(mount.target.trim_start_matches('/'));
        self.stubs.push((target, FileType::Directory));
        self.specs.push(MountSpec {
            target: mount.target.clone(),
            read_only: mount.read_only,
            kind: MountKind::Tmpfs {
                size,
                mode: None,
                options: Vec::new(),
            },
        });
    }
}

/// A path of what is mounted at a place, none of its links leading out of it.
fn below(place: &Path, path: &Path) -> Result<(PathBuf, FileType), BuildError> {
    let tree = DirectoryTree::open(place).map_err(failed(FAILED))?;
    let found = tree::resolve(&tree, path).map_err(failed(FAILED))?;
    let (real, entry) = found.ok_or_else(|| BuildError::Step(format!("/{}: not found", path.display())))?;
    let kind = match entry.kind {
        Kind::Directory => FileType::Directory,
        _ => FileType::RegularFile,
    };
    Ok((place.join(real), kind))
}

/// The layers below a writable directory of the build's own.
fn thrown_away(rootfs: Rootfs, place: &Path) -> io::Result<Rootfs> {
    let (upper, work) = (place.join("upper"), place.join("work"));
    std::fs::create_dir_all(&upper)?;
    std::fs::create_dir_all(&work)?;
    Ok(Rootfs {
        lower: rootfs.lower,
        upper: Some(upper),
        work: Some(work),
    })
}

/// A part of a cache, mounted at a place of its own: whoever uses the cache too may replace it by a link meanwhile, so the
/// kernel looks once, and follows nothing that leads out of the cache.
fn part(cache: &Path, below: &Path, place: &Path) -> Result<Option<(Guard, FileType)>, BuildError> {
    if below.as_os_str().is_empty() {
        return Ok(None);
    }
    let missing = |_| {
        BuildError::Step(format!(
            "failed to mount a cache: /{}: not found in it",
            below.display()
        ))
    };
    let root = File::open(cache).map_err(failed(FAILED))?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = openat2(&root, below, flags, Mode::empty(), resolve).map_err(missing)?;
    let kind = FileType::from_raw_mode(
        fstat(&found)
            .map_err(|error| failed(FAILED)(error.into()))?
            .st_mode,
    );
    let stub = match (kind, place.parent()) {
        (FileType::Directory, _) | (_, None) => std::fs::create_dir_all(place),
        (_, Some(above)) => std::fs::create_dir_all(above).and_then(|()| std::fs::write(place, "")),
    };
    stub.map_err(failed(FAILED))?;
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let mounted = open_tree(&found, "", flags).map_err(|error| failed(FAILED)(error.into()))?;
    let guard = attach(&mounted, place).map_err(failed(FAILED))?;
    Ok(Some((guard, kind)))
}

/// Puts a mount that is nowhere yet at a path.
fn attach(mounted: &OwnedFd, place: &Path) -> io::Result<Guard> {
    move_mount(mounted, "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    Ok(Guard::Mount(place.to_owned()))
}

/// Memory at a path, into which only root looks: a secret is never written to a disk.
fn memory(place: &Path) -> io::Result<Guard> {
    std::fs::create_dir_all(place)?;
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), "mode", "0700")?;
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
    let mounted = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    attach(&mounted, place)
}

fn write_secret(path: &Path, content: &[u8], mode: u32, (uid, gid): (u32, u32)) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    chown(path, Some(uid), Some(gid))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o7777))
}

/// Takes away mounts below a directory that an unclean end has left.
///
/// # Errors
/// The kernel's.
pub(crate) fn take_away(directory: &Path) -> io::Result<()> {
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    let below = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescape);
    let below: Vec<PathBuf> = below
        .map(PathBuf::from)
        .filter(|path| path.starts_with(directory))
        .collect();
    for path in below.iter().rev().filter(|path| *path != directory) {
        unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?;
    }
    Ok(())
}

/// The kernel writes blanks of paths as `\040`.
fn unescape(path: &str) -> String {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes
        .iter()
        .fold(path.to_owned(), |path, (code, c)| path.replace(code, c))
}
