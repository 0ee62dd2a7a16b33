//! Create: a row, a writable snapshot, a directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{Digest, Lease, Rootfs};
use rustix::fs::{FileType, OFlags};

use crate::container::{Container, ContainerId};
use crate::engine::Engine;
use crate::error::Error;
use crate::oci;
use crate::request::{Create, Created};
use crate::spec::LogDriver;
use crate::state::State;
use crate::table::{Entry, checked_name};
use crate::tasks::{apart, blocking};

/// Refuses a working directory that is something else in the image. A start makes it where it is missing;
/// upstream does so here, and so refuses here.
fn check_working_directory(rootfs: &Rootfs, cwd: &str) -> Result<(), Error> {
    let path = Path::new(cwd.trim_start_matches('/'));
    let is_plain = |path: PathBuf| path.symlink_metadata().is_ok_and(|found| found.is_file());
    let in_layer = |layer: &PathBuf| path.ancestors().any(|part| is_plain(layer.join(part)));
    // Mostly no layer has a file there; else the overlay tells whether it can be seen.
    if cwd.is_empty() || cwd.contains("..") || !rootfs.lower.iter().any(in_layer) {
        return Ok(());
    }
    let root = rootfs.mount().map_err(Error::system("the container's layers"))?;
    let found = sys::in_root::open(&root, Path::new(cwd), OFlags::PATH).map_err(|error| error.kind());
    let reason = match found.map(|found| rustix::fs::fstat(&found)) {
        Ok(Ok(stat)) if FileType::from_raw_mode(stat.st_mode) != FileType::Directory => {
            format!("Cannot mkdir: {cwd} is not a directory")
        }
        Err(std::io::ErrorKind::NotADirectory) => format!("mkdir {cwd}: not a directory"),
        _ => return Ok(()),
    };
    Err(Error::Specification(reason))
}

impl Engine {
    /// Makes a container. It is durable when this returns, unless it is a pod's.
    ///
    /// # Errors
    /// The specification makes no sense, the name is taken, the image or a volume is not there, or
    /// the disk refuses; nothing is left of it then.
    pub async fn create(&self, create: Create) -> Result<Created, Error> {
        let engine = self.clone();
        apart(async move { engine.create_now(create).await }).await
    }

    async fn create_now(&self, mut create: Create) -> Result<Created, Error> {
        if create.spec.args.is_empty() {
            return Err(Error::Invalid("no command specified".into()));
        }
        let warnings = oci::check(&mut create.spec, &self.0.facts, &create.owner)
            .map_err(|invalid| Error::Invalid(invalid.to_string()))?;
        let id = ContainerId::new(self.new_id());
        let name = match &create.name {
            Some(name) => {
                let name = checked_name(name)?;
                self.0.table.reserve(name, &id)?;
                name.to_owned()
            }
            None => self.new_name(&id),
        };
        match self.make(id.clone(), name, create).await {
            Ok(entry) => {
                self.tell(&entry.get(), "create", &[]);
                Ok(Created { id, warnings })
            }
            Err(error) => {
                self.unmake(&id).await;
                Err(error)
            }
        }
    }

    async fn make(&self, id: ContainerId, name: String, create: Create) -> Result<Arc<Entry>, Error> {
        let mut spec = create.spec;
        let (engine, owner) = (self.clone(), id.clone());
        let (spec, mounts) = blocking(move || {
            let mounts = engine.resolve_mounts(&owner, &mut spec)?;
            Ok::<_, Error>((spec, mounts))
        })
        .await?;
        let directory = self.directory(&id);
        let log_path = match &spec.log {
            LogDriver::JsonFile { .. } => Some(directory.join(format!("{id}-json.log"))),
            LogDriver::Cri { path, .. } => Some(path.into()),
            LogDriver::None | LogDriver::Unusable { .. } => None,
        };
        let container = Container {
            id: id.clone(),
            name,
            created: self.now(),
            spec: Arc::new(spec),
            image: create.image,
            owner: create.owner,
            door: Arc::new(create.door),
            state: State::default(),
            restart_count: 0,
            generation: 0,
            mounts,
            log_path,
        };
        // Until the table says that the container uses it, this does: no removal comes between.
        let held = self.hold_image(&container);
        let (engine, image, spec) = (self.clone(), container.image.clone(), container.spec.clone());
        let files = blocking(move || {
            engine.populate_volumes(&spec, image.as_ref())?;
            std::fs::create_dir(&directory).map_err(Error::system("the container's directory"))?;
            let image = image.map(|image| image.id.parse::<Digest>());
            let image = image
                .transpose()
                .map_err(|error| Error::Invalid(error.to_string()))?;
            let rootfs = engine.0.images.prepare(&id, image.as_ref())?;
            check_working_directory(&rootfs, &spec.cwd)
        });
        // The row's fsync is the longest step; the files are made meanwhile. A row without files is
        // completed or forgotten when the table is opened.
        let entry = Entry::new(container);
        let (defined, made): (_, Result<(), Error>) = tokio::join!(self.0.rows.define(&entry), files);
        match made.and(defined).and(held) {
            // The table has it from here on, and what was held goes.
            Ok(_held) => Ok(self.0.table.insert(entry)),
            Err(error) => {
                let (engine, gone) = (self.clone(), entry.get());
                blocking(move || engine.release_volumes(&gone, true)).await;
                Err(error)
            }
        }
    }

    fn hold_image(&self, container: &Container) -> Result<Option<Lease>, Error> {
        let id = container.image.as_ref().map(|image| image.id.parse::<Digest>());
        let id = id
            .transpose()
            .map_err(|error| Error::Invalid(error.to_string()))?;
        let Some(id) = id else { return Ok(None) };
        let lease = self.0.images.lease(&format!("create/{}", container.id))?;
        lease.add(&id)?;
        Ok(Some(lease))
    }

    /// Takes back what a failed create has made.
    async fn unmake(&self, id: &ContainerId) {
        if let Err(error) = self.0.rows.discard(id).await {
            tracing::warn!(%id, %error, "the row of a container that was not made stays");
        }
        self.0.table.remove(id);
        self.0.volumes.unclaim(id);
        self.discard_files(id).await;
    }

    /// Gives up the snapshot and the files of a container.
    pub(crate) async fn discard_files(&self, id: &ContainerId) {
        let (engine, id) = (self.clone(), id.clone());
        blocking(move || {
            if let Err(error) = engine.0.images.release(&id) {
                tracing::warn!(%id, %error, "a snapshot stays until the next start");
            }
            match std::fs::remove_dir_all(engine.directory(&id)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(%id, %error, "files of a container stay until the next start");
                }
                _ => {}
            }
        })
        .await;
    }
}
