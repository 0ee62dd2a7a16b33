//! The node's builder as BuildKit's door sees it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use ::buildkit::grpc::Boxed;
use ::buildkit::{BuildRequest, Builds, Built, Code, Found, Progress, Prune, Status, Step, Usage};
use builder::{
    BuildContext, BuildError, BuildErrorKind, Builder, CacheRecord, Dialect, Entitlements, build_tags,
};
use disk::Disk;
use distribution::Registries;
use engine::Engine;
use image::Digest;
use image::archive::{Pack, pack};
use tokio::sync::mpsc;

use super::services::services;
use crate::api::blocking;
use crate::error::ApiError;

/// Messages of a build that wait for the door.
const WAITING: usize = 64;

/// The builder, and the store that it fills.
pub(super) struct NodeBuilds {
    pub(super) engine: Engine,
    pub(super) builder: Builder,
    pub(super) registries: Registries,
    pub(super) disk: Disk,
}

impl Builds for NodeBuilds {
    fn build(&self, request: BuildRequest, progress: Arc<Progress>) -> Boxed<'static, Result<Built, Status>> {
        let (engine, builder) = (self.engine.clone(), self.builder.clone());
        let services = services(request.session.clone(), self.registries.clone());
        Box::pin(async move {
            let (output, mut messages) = mpsc::channel(WAITING);
            let mut request = wanted(request)?;
            request.services = services;
            let mut steps = Steps::new(progress);
            let told = async {
                while let Some(message) = messages.recv().await {
                    if let builder::Progress::Stream(text) = message {
                        steps.hear(&text);
                    }
                }
            };
            // The builder drops the sender at its end; dropping both cancels the build.
            let (built, ()) = tokio::join!(builder.build(request, output), told);
            match built {
                Ok(id) => {
                    steps.finish(None);
                    config(&engine, &id)
                }
                Err(error) => {
                    let status = status(&error);
                    steps.finish(Some(&status.message));
                    Err(status)
                }
            }
        })
    }

    fn name(&self, built: &Built, names: Vec<String>) -> Boxed<'static, Result<Vec<String>, Status>> {
        let (engine, image) = (self.engine.clone(), built.image.clone());
        Box::pin(async move {
            let tags = build_tags(&names).map_err(|error| Status::invalid(error.to_string()))?;
            let id: Digest = image.parse().map_err(|_| Status::invalid("no such result"))?;
            let tagged = blocking(move || {
                for tag in &tags {
                    engine.images().tag(&id, tag)?;
                }
                if tags.is_empty() {
                    // Its id is all that whoever built it has.
                    engine.images().note_result(&id)?;
                }
                Ok::<_, image::Error>(tags.iter().map(ToString::to_string).collect())
            });
            tagged
                .await
                .map_err(|error: ApiError| Status::new(Code::Internal, error.message))
        })
    }

    fn files(&self, built: &Built) -> Boxed<'static, Result<File, Status>> {
        let (engine, builder, image) = (self.engine.clone(), self.builder.clone(), built.image.clone());
        Box::pin(async move {
            let id: Digest = image.parse().map_err(|_| Status::invalid("no such result"))?;
            let packed = blocking(move || files(&engine, &builder, &id));
            packed
                .await
                .map_err(|error| Status::new(Code::Internal, error.message))
        })
    }

    fn find(&self, reference: &str) -> Boxed<'static, Result<Option<Found>, Status>> {
        let (engine, reference) = (self.engine.clone(), reference.to_owned());
        Box::pin(async move {
            match engine.images().resolve(&reference) {
                Ok(image) => Ok(Some(Found {
                    reference,
                    digest: image.id.to_string(),
                    config: image.config_bytes.to_vec(),
                })),
                Err(error) if error.kind() == image::Kind::NotFound => Ok(None),
                Err(error) => Err(Status::new(Code::Internal, error.to_string())),
            }
        })
    }

    fn spool(&self) -> io::Result<File> {
        self.builder.spool()
    }

    fn usage(&self) -> Boxed<'static, Result<Vec<Usage>, Status>> {
        let builder = self.builder.clone();
        Box::pin(async move { Ok(builder.usage().into_iter().map(usage).collect()) })
    }

    fn prune(&self, prune: Prune) -> Boxed<'static, Result<Vec<Usage>, Status>> {
        let (builder, disk) = (self.builder.clone(), self.disk.clone());
        Box::pin(async move {
            let records = builder.usage();
            let keep = crate::build::Keep {
                reserved: prune.reserved,
                max_used: prune.max_used,
                min_free: prune.min_free,
            };
            let total = records.iter().map(|record| record.size).sum();
            let free = disk
                .space()
                .map_or(0, |space| space.total.saturating_sub(space.used));
            let kept = crate::build::kept(records.clone(), keep.bytes(total, free));
            let wanted = |record: &CacheRecord| {
                !kept.contains(&record.id)
                    && prune
                        .unused_since
                        .is_none_or(|since| SystemTime::from(record.last_used) <= since)
            };
            let pruned = builder
                .prune(prune.all, wanted)
                .await
                .map_err(|error| status(&error))?;
            let gone = records
                .into_iter()
                .filter(|record| pruned.steps.contains(&record.id));
            Ok(gone.map(usage).collect())
        })
    }

    fn platform(&self) -> (String, String) {
        let host = image::Platform::host();
        (host.os, host.architecture)
    }
}

/// Packs an image's files.
fn files(engine: &Engine, builder: &Builder, id: &Digest) -> Result<File, ApiError> {
    let failed = |cause: io::Error| ApiError::internal(format!("packing the result: {cause}"));
    // Held by a name of its own while its files are read.
    static EXPORTS: AtomicU64 = AtomicU64::new(0);
    let number = EXPORTS.fetch_add(1, Ordering::Relaxed);
    let lease = engine.images().lease(&format!("export-{number}"))?;
    lease.add(id)?;
    let root = engine.images().view(id)?.mount().map_err(failed)?;
    let mut file = builder.spool().map_err(failed)?;
    let whole = Pack {
        contents: true,
        ..Pack::default()
    };
    pack(root.as_fd(), Path::new("/"), &whole, &mut file)?;
    Ok(file)
}

fn usage(record: CacheRecord) -> Usage {
    Usage {
        id: record.id,
        parents: record
            .parent
            .map(|parent| parent.to_string())
            .into_iter()
            .collect(),
        description: record.description,
        size: record.size,
        created: record.created.into(),
        last_used: record.last_used.into(),
        uses: record.uses,
        in_use: record.in_use,
    }
}

/// The request in the builder's words. What it does not know yet is refused.
fn wanted(asked: BuildRequest) -> Result<builder::BuildRequest, Status> {
    let table = [
        (!asked.contexts.is_empty(), "named contexts are"),
        (!asked.cgroup_parent.is_empty(), "--cgroup-parent is"),
    ];
    if let Some((_, what)) = table.iter().find(|(refused, _)| *refused) {
        return Err(Status::unimplemented(format!("{what} not supported yet")));
    }
    let allowed = |what: &str| asked.entitlements.iter().any(|entitlement| entitlement == what);
    let entitlements = Entitlements {
        network_host: allowed("network.host"),
        security_insecure: allowed("security.insecure"),
    };
    let known = ["network.host", "security.insecure"];
    if let Some(other) = asked
        .entitlements
        .iter()
        .find(|other| !known.contains(&other.as_str()))
    {
        return Err(Status::unimplemented(format!(
            "--allow {other} is not supported yet"
        )));
    }
    Ok(builder::BuildRequest {
        entitlements,
        dialect: Dialect::BuildKit,
        dockerfile: asked.dockerfile,
        args: asked
            .args
            .into_iter()
            .map(|(name, value)| (name, Some(value)))
            .collect(),
        labels: asked.labels,
        target: asked.target,
        platform: asked.platform,
        no_cache: asked.no_cache,
        pull: asked.pull,
        rm: false,
        network_mode: asked.network,
        extra_hosts: asked.extra_hosts,
        shm_size: asked.shm_size,
        cache_from: asked.cache_from,
        ..builder::BuildRequest::new(BuildContext::Archive(asked.context))
    })
}

fn status(error: &BuildError) -> Status {
    let code = match error.kind() {
        BuildErrorKind::InvalidParameter => Code::InvalidArgument,
        BuildErrorKind::NotFound => Code::NotFound,
        BuildErrorKind::Unsupported => Code::Unimplemented,
        BuildErrorKind::System => Code::Unknown,
    };
    let sentence = match error {
        // In BuildKit's words; the classic builder has its own.
        BuildError::Command { command, code } => {
            format!("process {command:?} did not complete successfully: exit code: {code}")
        }
        other => other.to_string(),
    };
    Status::new(code, sentence)
}

fn config(engine: &Engine, id: &Digest) -> Result<Built, Status> {
    let gone = || Status::new(Code::NotFound, format!("the image {id} is gone"));
    let image = engine.images().get(id).ok_or_else(gone)?;
    Ok(Built {
        image: id.to_string(),
        config: image.config_bytes.to_vec(),
    })
}

/// Vertices, of what the classic builder says: `Step 2/3 : RUN x` begins one, everything up to the next is its output.
struct Steps {
    progress: Arc<Progress>,
    current: Option<Step>,
    number: usize,
    cached: bool,
}

impl Steps {
    fn new(progress: Arc<Progress>) -> Self {
        Self {
            progress,
            current: None,
            number: 0,
            cached: false,
        }
    }

    fn hear(&mut self, text: &str) {
        if let Some((name, instruction)) = self.step(text) {
            self.finish(None);
            self.number += 1;
            self.current = Some(self.progress.begin(format!("[{name}] {instruction}")));
            return;
        }
        match (text, &self.current) {
            (" ---> Using cache\n", _) => self.cached = true,
            // The line feed behind a step, ids of images, and the builder's last words.
            ("\n", _) => {}
            (text, _) if text.starts_with(" ---> ") || text.starts_with("Successfully ") => {}
            (text, Some(step)) => match text.strip_prefix("\u{1b}[91m") {
                Some(error) => step.output(2, error.trim_end_matches("\u{1b}[0m").as_bytes()),
                None => step.output(1, text.as_bytes()),
            },
            (_, None) => {}
        }
    }

    /// `2/3` and the instruction, if the text is the beginning of the next step and no output that looks like one.
    fn step<'t>(&self, text: &'t str) -> Option<(&'t str, &'t str)> {
        let (name, instruction) = text.strip_prefix("Step ")?.split_once(" : ")?;
        let (number, total) = name.split_once('/')?;
        let next = number.parse() == Ok(self.number + 1) && total.bytes().all(|byte| byte.is_ascii_digit());
        (next && !text.ends_with('\n')).then_some((name, instruction))
    }

    fn finish(&mut self, error: Option<&str>) {
        let cached = std::mem::take(&mut self.cached);
        match (self.current.take(), error) {
            (Some(step), Some(error)) => step.failed(error),
            (Some(step), None) => step.done(cached),
            (None, _) => {}
        }
    }
}
