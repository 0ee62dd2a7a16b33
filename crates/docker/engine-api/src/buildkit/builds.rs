//! The node's builder as BuildKit's door sees it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use ::buildkit::grpc::Boxed;
use ::buildkit::{
    BuildRequest, Builds, Built, CacheExport, Code, Container, ContainerRequest, Content, Exported,
    ExportedCache, Found, Held, Material, Opened, Outgoing, Policies, Program, Progress, Prune, Question,
    Remote, Scans, Session, Solving, Status, Usage,
};
use builder::{Builder, CacheRecord, Dialect, Entitlements, NamedContext, Policy};
use disk::Disk;
use distribution::Registries;
use engine::Engine;
use engine::spec::{Resources, Ulimit};
use image::Digest;
use image::archive::{Pack, pack};
use tokio::sync::mpsc;

use super::caches::Caches;
use super::materials::Materials;
use super::origin::{self, Source};
use super::services::services;
use super::vertices::{self, Vertices};
use super::{caches, calls, containers, contexts, exports, program, solves};
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
        let (engine, builder, registries) =
            (self.engine.clone(), self.builder.clone(), self.registries.clone());
        let mut services = services(
            request.session.clone(),
            self.registries.clone(),
            self.builder.directory(),
        );
        Box::pin(async move {
            let (output, mut messages) = mpsc::channel(WAITING);
            let (name, text) = (request.name.clone(), request.text.clone());
            let policy = of_door(&request.policies);
            calls::warn(&engine, &request, (&name, &text), &progress)?;
            let parts = (&engine, &builder, &registries);
            let wanted_caches = (request.cache_from.clone(), &*request.policies);
            let caches = Caches::open(parts, wanted_caches, &request.session, &progress);
            let caches = Arc::new(caches.await);
            let request = with_layouts((&engine, &builder), request).await?;
            let mut request = wanted(request)?;
            let materials = Arc::new(Materials::over(builder.fetch()));
            let vertices = Arc::new(Vertices::new(
                progress,
                engine.images().clone(),
                materials.clone(),
            ));
            services.watch = Some(vertices.clone());
            services.policy = policy;
            services.fetch = Some(materials.clone());
            services.steps = Some(caches.clone());
            request.services = services;
            // The classic builder's lines: vertices say what there is to say.
            let heard = async { while messages.recv().await.is_some() {} };
            // The builder drops the sender at its end; dropping both cancels the build.
            let (built, ()) = tokio::join!(builder.build_held(request, output), heard);
            match built {
                Ok((id, lease)) => {
                    let made = (caches.steps(), materials.found());
                    let built = config(&engine, &id, made, Held::by(lease))?;
                    Ok(Built {
                        mounts: caches.mounts(),
                        caches: caches.elsewhere(),
                        ..built
                    })
                }
                Err(error) => {
                    let status = vertices::status(&error);
                    Err(match vertices.lines(&error) {
                        Some(lines) => status.with_source(&name, &text, lines),
                        None => status,
                    })
                }
            }
        })
    }

    fn solve(&self, solving: Solving, progress: Arc<Progress>) -> Boxed<'static, Result<Built, Status>> {
        let (engine, builder, registries) =
            (self.engine.clone(), self.builder.clone(), self.registries.clone());
        Box::pin(async move { solves::solve((&engine, &builder, registries), solving, progress).await })
    }

    fn dressed(&self, built: &Built, config: &[u8]) -> Boxed<'static, Result<Built, Status>> {
        let (engine, built, config) = (self.engine.clone(), built.clone(), config.to_vec());
        Box::pin(async move { solves::dressed(engine, built, config).await })
    }

    fn container(&self, request: ContainerRequest) -> Boxed<'static, Result<Arc<dyn Container>, Status>> {
        let (builder, registries) = (self.builder.clone(), self.registries.clone());
        Box::pin(async move { containers::container(builder, registries, request).await })
    }

    fn run(&self, program: Program) -> Boxed<'static, Result<(), Status>> {
        let (engine, directory) = (self.engine.clone(), self.builder.directory().to_owned());
        Box::pin(async move { program::run((engine, directory), program).await })
    }

    fn export(&self, outgoing: Outgoing) -> Boxed<'static, Result<Exported, Status>> {
        let (engine, registries) = (self.engine.clone(), self.registries.clone());
        Box::pin(async move { exports::export(engine, registries, outgoing).await })
    }

    fn export_cache(
        &self,
        built: &Built,
        export: CacheExport,
        session: Arc<Session>,
    ) -> Boxed<'static, Result<ExportedCache, Status>> {
        let node = (self.engine.clone(), self.builder.clone(), self.registries.clone());
        let built = built.clone();
        Box::pin(async move { caches::export(node, built, export, session).await })
    }

    fn inline_cache(&self, built: &Built) -> Boxed<'static, Result<Built, Status>> {
        let (engine, built) = (self.engine.clone(), built.clone());
        Box::pin(async move { caches::inline(engine, built).await })
    }

    fn open(&self, remote: Remote, session: Arc<Session>) -> Boxed<'static, Result<Opened, Status>> {
        let builder = self.builder.clone();
        let services = services(session, self.registries.clone(), builder.directory());
        Box::pin(async move { contexts::open(builder, remote, services).await })
    }

    fn dockerfile(&self, context: &Opened, name: &str) -> Boxed<'static, Result<(String, Vec<u8>), Status>> {
        let (builder, context, name) = (self.builder.clone(), context.clone(), name.to_owned());
        Box::pin(async move { contexts::dockerfile(builder, context, name).await })
    }

    fn answer(&self, question: Question) -> Boxed<'static, Result<BTreeMap<String, Vec<u8>>, Status>> {
        let engine = self.engine.clone();
        Box::pin(async move { calls::answer(&engine, &question) })
    }

    fn uses(&self, question: &Question) -> Option<Vec<String>> {
        calls::uses(&self.engine, question)
    }

    fn scans(&self, question: &Question) -> Result<Scans, Status> {
        calls::scans(&self.engine, question)
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

    fn content(&self, digest: &str) -> Boxed<'static, Result<Option<Content>, Status>> {
        let (engine, digest) = (self.engine.clone(), digest.parse::<Digest>());
        Box::pin(async move {
            let Ok(digest) = digest else {
                return Err(Status::invalid("no digest"));
            };
            let found = blocking(move || exports::stored(engine.images(), &digest));
            found
                .await
                .map_err(|error| Status::new(Code::Internal, error.message))
        })
    }

    fn find(&self, reference: &str) -> Boxed<'static, Result<Option<Found>, Status>> {
        let (engine, reference) = (self.engine.clone(), reference.to_owned());
        Box::pin(async move {
            match engine.images().find(&reference) {
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
            let keep = keep.of(&builder, &disk);
            let wanted = |record: &CacheRecord| {
                prune.ids.as_ref().is_none_or(|ids| ids.contains(&record.id))
                    && prune
                        .unused_since
                        .is_none_or(|since| SystemTime::from(record.last_used) <= since)
            };
            let pruned = builder
                .prune_to(prune.all, keep, wanted)
                .await
                .map_err(|error| vertices::status(&error))?;
            if keep == 0 && prune.ids.is_none() && prune.unused_since.is_none() {
                // It is no record, so nothing is told of it.
                builder.prune_fetched().await;
            }
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
        parents: record.parent.into_iter().collect(),
        description: record.description,
        kind: record.kind.name().to_owned(),
        size: record.size,
        created: record.created.into(),
        last_used: record.last_used.into(),
        uses: record.uses,
        shared: record.shared,
        in_use: record.in_use,
    }
}

/// A door's policies, as the builder asks them.
struct OfDoor(Arc<Policies>);

impl Policy for OfDoor {
    fn judge(
        &self,
        identifier: &mut String,
        attributes: &mut BTreeMap<String, String>,
    ) -> Result<(), String> {
        self.0.judge(identifier, attributes).map(drop)
    }
}

/// Policies, if there are any.
fn of_door(policies: &Arc<Policies>) -> Option<Arc<dyn Policy>> {
    let policy = || -> Arc<dyn Policy> { Arc::new(OfDoor(policies.clone())) };
    (!policies.is_empty()).then(policy)
}

/// The request in the builder's words. What it does not know is refused.
fn wanted(asked: BuildRequest) -> Result<builder::BuildRequest, Status> {
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
        dockerfile: asked.name,
        text: Some(asked.text),
        args: asked
            .args
            .into_iter()
            .map(|(name, value)| (name, Some(value)))
            .collect(),
        labels: asked.labels,
        target: asked.target,
        stage: asked.stage,
        platform: asked.platform,
        platform_shown: asked.platform_shown,
        no_cache: asked.no_cache,
        no_cache_stages: asked.no_cache_stages,
        resources: Resources {
            ulimits: asked.ulimits.into_iter().map(ulimit).collect(),
            cgroup_parent: asked.cgroup_parent,
            ..Resources::default()
        },
        contexts: asked
            .contexts
            .into_iter()
            .map(|(name, context)| Ok((name, named(context)?)))
            .collect::<Result<_, Status>>()?,
        pull: asked.pull,
        rm: false,
        network_mode: asked.network,
        extra_hosts: asked.extra_hosts,
        shm_size: asked.shm_size,
        ..builder::BuildRequest::new(contexts::context(&asked.context)?)
    })
}

fn ulimit((name, soft, hard): (String, i64, i64)) -> Ulimit {
    Ulimit { name, soft, hard }
}

/// The request with images where it has layouts of the client.
async fn with_layouts(
    (engine, builder): (&Engine, &Builder),
    mut request: BuildRequest,
) -> Result<BuildRequest, Status> {
    let wanted = calls::platform(request.platform.as_deref());
    for context in request.contexts.values_mut() {
        if let ::buildkit::NamedContext::Layout { store, digest } = context {
            let source = Source::Local(request.session.clone(), format!("oci:{store}"));
            let digest = digest.parse().map_err(origin::failed)?;
            let image = source.image(engine.images(), builder, digest, &wanted).await?;
            *context = ::buildkit::NamedContext::Result(image.to_string());
        }
    }
    Ok(request)
}

fn named(context: ::buildkit::NamedContext) -> Result<NamedContext, Status> {
    Ok(match context {
        ::buildkit::NamedContext::Layout { store, .. } => {
            return Err(Status::invalid(format!("no layout {store}")));
        }
        ::buildkit::NamedContext::Image(reference) => NamedContext::Image(reference),
        ::buildkit::NamedContext::Result(image) => {
            NamedContext::Result(image.parse().map_err(origin::failed)?)
        }
        ::buildkit::NamedContext::Files(files) => NamedContext::Files(contexts::context(&files)?),
    })
}

pub(super) fn config(
    engine: &Engine,
    id: &Digest,
    (steps, materials): (Vec<(String, String)>, Vec<Material>),
    held: Held,
) -> Result<Built, Status> {
    let gone = || Status::new(Code::NotFound, format!("the image {id} is gone"));
    let image = engine.images().get(id).ok_or_else(gone)?;
    Ok(Built {
        image: id.to_string(),
        config: image.config_bytes.to_vec(),
        steps,
        mounts: Vec::new(),
        caches: Held::default(),
        materials,
        request: None,
        held,
    })
}
