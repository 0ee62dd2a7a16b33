//! Taking in the images of an archive (`docker load`).
//!
//! The stream goes to disk once: a worker splits it into its files, whatever they are, and a
//! layer that is new is then unpacked from its file, which becomes the blob by a rename. All of
//! it is made under one lease; a failure at any point, or a crash, leaves nothing.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use super::files::Files;
use super::layout::{Plan, PlannedLayer, Whole};
use super::{Image, Images, LoadEvent, Loaded};
use crate::assemble::NewImage;
use crate::content::digest_of;
use crate::inner::Inner;
use crate::layers::Made;
use crate::standing::By;
use crate::worker::{self, Job, SplitReport, Stream};
use crate::{Digest, DigestAlgorithm, Error, Lease, Limits, Platform, Target, claims};

/// Archives of images have few files, and all of their names are held in memory.
const MAX_FILES: u64 = 100_000;

type Progress<'a> = dyn FnMut(LoadEvent) + 'a;

impl Images {
    /// Takes in the images of an archive made by `docker save` or in the OCI layout, plain or
    /// compressed: those for a platform, or for this machine, or whatever there is. A name that stands for an index all of
    /// which is in the archive stands for it here as well, unless a platform is asked for.
    ///
    /// # Errors
    /// [`Error::Archive`], [`Error::WrongDigest`], [`Error::DiffId`] and others; then nothing of it stays.
    pub fn load(
        &self,
        archive: &mut dyn Read,
        platform: Option<&Platform>,
        progress: &mut dyn FnMut(LoadEvent),
    ) -> Result<Vec<Loaded>, Error> {
        let lease = self.inner.own_lease("load")?;
        let files = self.inner.split(archive)?;
        let plans = files.plans(platform)?;
        let wholes = match platform {
            None => files.wholes()?,
            Some(_) => Vec::new(),
        };
        let mut loaded = Vec::new();
        for plan in plans {
            self.load_image(&lease, plan, progress, &mut loaded)?;
        }
        for whole in wholes {
            self.load_index(&lease, whole, &loaded)?;
        }
        lease.keep()?;
        Ok(loaded)
    }

    /// Keeps an index with all that it lists: what is no layer of an image that was loaded is as it came.
    fn load_index(&self, lease: &Lease, whole: Whole, loaded: &[Loaded]) -> Result<(), Error> {
        for (blob, file) in &whole.blobs {
            let is_image = || lease.add(&blob.digest).is_ok();
            if lease.hold_blob(&blob.digest) || is_image() {
                continue;
            }
            let mut file = File::open(file).map_err(Error::io("read a part of an archive"))?;
            self.receive_blob(lease, blob, &mut file)?;
        }
        for (digest, media_type, bytes) in &whole.manifests {
            self.put_manifest(lease, digest.algorithm(), media_type, bytes)?;
        }
        for name in &whole.names {
            let of_name = loaded
                .iter()
                .find(|loaded| loaded.reference.as_ref() == Some(name));
            // By another list the archive has this name for another image.
            let Some(image) = of_name.map(|loaded| loaded.id) else {
                continue;
            };
            let lists = |id: &Digest| whole.blobs.iter().any(|(blob, _)| blob.digest == *id);
            if lists(&image) {
                self.tag_under(lease, name, Target::manifest(whole.digest, Some(image)))?;
            }
        }
        Ok(())
    }

    fn load_image(
        &self,
        lease: &Lease,
        plan: Plan,
        progress: &mut Progress<'_>,
        loaded: &mut Vec<Loaded>,
    ) -> Result<(), Error> {
        Inner::check_depth(plan.layers.len())?;
        let mut below = None;
        for (at, layer) in plan.layers.into_iter().enumerate() {
            let diff_id = plan.config.rootfs.diff_ids[at];
            below = Some(self.load_layer(lease, (at, below, diff_id), layer, progress)?);
        }
        let parent = plan.parent.and_then(|parent| self.get(&parent));
        let parent = parent.filter(|parent| is_parent(parent, &plan.config.history));
        let id = self
            .inner
            .register(
                lease,
                NewImage::made(plan.config, plan.bytes, parent.map(|parent| parent.id)),
            )?
            .id;
        if plan.references.is_empty() {
            loaded.push(Loaded { id, reference: None });
        }
        for reference in plan.references {
            let previous = self
                .inner
                .tag_under(lease, &reference, Target::image(id), By::Docker)?;
            let previous = previous.and_then(|target| target.image);
            if let Some(previous) = previous.filter(|previous| *previous != id) {
                progress(LoadEvent::Replaced {
                    reference: reference.clone(),
                    previous,
                });
            }
            let reference = Some(reference);
            loaded.push(Loaded { id, reference });
        }
        Ok(())
    }

    /// The chain id of a layer that is now in the table and held.
    fn load_layer(
        &self,
        lease: &Lease,
        (at, below, diff_id): (usize, Option<Digest>, Digest),
        layer: PlannedLayer,
        progress: &mut Progress<'_>,
    ) -> Result<Digest, Error> {
        let chain = Digest::chain(below, diff_id);
        // Whoever loads the same layer at the same time waits here, and then finds it made.
        let _claim = self.inner.claims.take([claims::layer(&chain)]);
        if lease.hold_layer(chain) {
            return Ok(chain);
        }
        let total = layer.size;
        let mut report = |current| {
            progress(LoadEvent::Layer {
                diff_id,
                current,
                total,
            });
        };
        report(0);
        let blob = layer.file.clone();
        let made = self.inner.unpack_layer(below, layer.file, None)?;
        let checked = named(layer.digest, &blob, &made).and_then(|()| same(at, diff_id, made.diff_id));
        checked.inspect_err(|_| self.inner.discard_directory(made.number))?;
        report(total);
        self.inner.insert_layer(lease, made)
    }
}

impl Inner {
    /// Has a worker write each file of the archive to a file of its own.
    fn split(&self, archive: &mut dyn Read) -> Result<Files, Error> {
        let place = self.content.ingest().map_err(Error::io("write an archive"))?;
        let directory = File::open(place.path()).map_err(Error::io("write an archive"))?;
        let limits = Limits {
            entries: self.limits.entries.min(MAX_FILES),
            ..self.limits
        };
        let job = Job::Split { limits };
        let report: SplitReport =
            worker::run(&*self.workers, &job, Stream::Reader(archive), directory.as_fd())?;
        Ok(Files::new(place, report.parts))
    }
}

/// The layer must be what the archive calls it. Here it is called by its SHA-256 in any case.
fn named(expected: Option<Digest>, blob: &Path, made: &Made) -> Result<(), Error> {
    let Some(expected) = expected else { return Ok(()) };
    let actual = match (expected.algorithm(), made.file.as_deref()) {
        // What is here is what it was unpacked to.
        (algorithm, file) if algorithm == DigestAlgorithm::Sha512 || file != Some(blob) => {
            digest_of(blob, algorithm).map_err(Error::io("read a layer"))?
        }
        _ => made.blob.digest,
    };
    if actual == expected {
        Ok(())
    } else {
        Err(Error::WrongDigest { expected, actual })
    }
}

fn same(layer: usize, expected: Digest, actual: Digest) -> Result<(), Error> {
    if expected == actual {
        return Ok(());
    }
    Err(Error::DiffId {
        layer,
        expected,
        actual,
    })
}

/// Whether an image can have been built upon another: its history is the other's and one step.
fn is_parent(parent: &Arc<Image>, history: &[crate::HistoryRow]) -> bool {
    let before = &parent.config.history;
    (before.is_empty() && history.is_empty())
        || (history.len() == before.len() + 1 && history.starts_with(before))
}
