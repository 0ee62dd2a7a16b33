//! Frontends: the one that is built in, and those that are programs of images (`gateway.v0`), which speak `LLBBridge` over
//! their standard input and output.

use std::collections::BTreeMap;
use std::sync::Arc;

use llb::pb;
use prost::Message as _;

use super::bridge::given;
use super::caps::worker;
use super::sbom::Sbom;
use super::{Door, METHODS, Support};
use crate::build::{CacheImport, Program};
use crate::frontend::{self, Options};
use crate::grpc::{Boxed, Call, Code, Reply, Service, Status, serve};
use crate::job::{Job, Outcome};

/// Bytes on their way to or from a frontend.
const PIPE: usize = 256 << 10;
/// Frontends that frontends ask for.
const MAX_DEPTH: usize = 8;
/// What says how deep a build is, in its name.
const NESTED: &str = "/frontend";
/// The label by which an image says what its frontend understands.
const CAPABILITIES: &str = "moby.buildkit.frontend.caps";

/// A frontend that is asked for.
pub(super) struct Frontend {
    pub(super) name: String,
    pub(super) options: BTreeMap<String, String>,
    pub(super) inputs: BTreeMap<String, pb::Definition>,
    pub(super) caches: Vec<CacheImport>,
}

/// The bridge as one frontend sees it.
struct Bridge {
    door: Arc<Door>,
    job: Arc<Job>,
}

impl Service for Bridge {
    fn answer<'a>(&'a self, call: Call, reply: &'a Reply) -> Boxed<'a, Result<(), Status>> {
        Box::pin(async move {
            let path = call.path.clone();
            let own = path.strip_prefix("/moby.buildkit.v1.frontend.LLBBridge/");
            match (own, METHODS.iter().find(|(known, _)| *known == path)) {
                (Some(method), Some((_, Support::Works))) => {
                    self.door.bridge_of(&self.job, method, call, reply).await
                }
                (_, Some((_, Support::Refused(reason)))) => Err(Status::unimplemented(*reason)),
                (None, _) if path.starts_with("/grpc.health") => self.door.answer(call, reply).await,
                _ => Err(Status::unimplemented(format!("unknown method {path}"))),
            }
        })
    }
}

impl Door {
    /// What a frontend makes.
    pub(super) async fn frontend(&self, job: &Arc<Job>, wanted: Frontend) -> Result<Outcome, Status> {
        match &*wanted.name {
            "dockerfile.v0" => {}
            "gateway.v0" => return Box::pin(self.gateway(job, wanted)).await,
            other => {
                let sentence = format!("frontend {other} not found");
                return Err(Status::new(Code::NotFound, sentence));
            }
        }
        let mut options = Options::parse(&wanted.options)?;
        let sbom = Sbom::asked(&wanted.options)?;
        options.scanned = sbom.is_some();
        options.cache_from.extend(wanted.caches.iter().cloned());
        for (name, definition) in &wanted.inputs {
            // An image that is no result of a build is a source like any other.
            let image = match given(definition).filter(|image| self.steps_of(job, image).is_some()) {
                Some(image) => image,
                None => self.input(job, definition).await?,
            };
            options.inputs.insert(name.clone(), image);
        }
        let no_cache = options.no_cache;
        let outcome = frontend::build(job, self.parts(), &wanted.options, options).await?;
        let Some(image) = outcome.forward.clone() else {
            return self.scanned(job, outcome, sbom.as_ref(), no_cache).await;
        };
        let mut wanted = wanted;
        wanted.options.insert("cmdline".to_owned(), image.clone());
        wanted.options.insert("source".to_owned(), image);
        Box::pin(self.gateway(job, wanted)).await
    }

    /// The image of a definition that a client gives to a frontend. The build keeps it.
    async fn input(&self, job: &Arc<Job>, definition: &pb::Definition) -> Result<String, Status> {
        let made = self.solved(job, definition).await?;
        let (platform, built) = made.images.into_iter().next().ok_or_else(nothing)?;
        let image = built.image.clone();
        job.add_result(&platform, built)?;
        Ok(image)
    }

    /// Runs the frontend of an image.
    async fn gateway(&self, job: &Arc<Job>, wanted: Frontend) -> Result<Outcome, Status> {
        let source = wanted.options.get("source").filter(|source| !source.is_empty());
        let source = source.ok_or_else(|| Status::new(Code::Unknown, "no source specified for gateway"))?;
        if wanted.options.contains_key("gateway-devel") {
            return Err(Status::new(
                Code::Unknown,
                "development gateway is no longer supported",
            ));
        }
        if job.id.matches(NESTED).count() >= MAX_DEPTH {
            return Err(Status::invalid(format!(
                "more than {MAX_DEPTH} frontends within each other"
            )));
        }
        let definition = image_source(source);
        let found = self.solved(job, &definition).await?;
        let (_, image) = found.images.into_iter().next().ok_or_else(nothing)?;
        check_capabilities(&image.config, &wanted)?;
        let gone = || Status::new(Code::Internal, "the door is closed");
        let door = self.me.upgrade().ok_or_else(gone)?;
        let mut asked = job.asked.clone();
        asked.inputs.clone_from(&wanted.inputs);
        asked.options.clone_from(&wanted.options);
        let id = format!("{}{NESTED}", job.id);
        let own = Arc::new(Job::new(&id, asked, job.session.clone(), job.progress.clone()));
        let (near, far) = tokio::io::duplex(PIPE);
        let bridge = Arc::new(Bridge {
            door,
            job: own.clone(),
        });
        let program = Program {
            image,
            env: self.environment(job, &wanted.options),
            definition: definition.encode_to_vec().into(),
            stream: far,
            said: job.progress.begin(format!("[frontend] {source}")),
        };
        let served = serve(Box::new(near), bridge);
        let mut running = self.builds.run(program);
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = served => running.await,
        };
        own.containers.release().await;
        // What it has given back counts, unless it failed after that.
        match (own.taken(), ended) {
            (Some(Err(status)), _) | (_, Err(status)) => Err(status),
            (Some(Ok(outcome)), Ok(())) => self.dressed(outcome).await,
            (None, Ok(())) => Err(Status::new(Code::Unknown, "no result for incomplete build")),
        }
    }

    /// What a frontend is told.
    fn environment(&self, job: &Job, options: &BTreeMap<String, String>) -> Vec<String> {
        let mut env: Vec<String> = options
            .iter()
            .enumerate()
            .map(|(number, (name, value))| format!("BUILDKIT_FRONTEND_OPT_{number}={name}={value}"))
            .collect();
        let worker = worker(&*self.builds);
        let platform = |platform: &pb::Platform| serde_json::json!({ "architecture": platform.architecture, "os": platform.os });
        let platforms: Vec<_> = worker.platforms.iter().map(platform).collect();
        let workers = serde_json::json!([{
            "id": worker.id, "labels": worker.labels, "platforms": platforms,
        }]);
        env.push(format!("BUILDKIT_SESSION_ID={}", job.session.head().id));
        env.push(format!("BUILDKIT_WORKERS={workers}"));
        env.push("BUILDKIT_EXPORTEDPRODUCT=docker".to_owned());
        env
    }
}

fn nothing() -> Status {
    Status::new(Code::Unknown, "gateway source didn't return default result")
}

/// The definition of an image.
pub(super) fn image_source(source: &str) -> pb::Definition {
    let reference = image::Reference::parse(source).map(|parsed| parsed.with_default_tag().to_string());
    let source = pb::Op {
        op: Some(pb::op::Op::Source(pb::SourceOp {
            identifier: format!(
                "docker-image://{}",
                reference.unwrap_or_else(|_| source.to_owned())
            ),
            ..pb::SourceOp::default()
        })),
        ..pb::Op::default()
    };
    let source = source.encode_to_vec();
    let end = pb::Op {
        inputs: vec![pb::Input {
            digest: image::Digest::of(&source).to_string(),
            index: 0,
        }],
        ..pb::Op::default()
    };
    pb::Definition {
        def: vec![source.into(), end.encode_to_vec().into()],
        ..pb::Definition::default()
    }
}

/// Refuses what an image does not say that its frontend understands.
fn check_capabilities(config: &[u8], wanted: &Frontend) -> Result<(), Status> {
    let config: serde_json::Value = serde_json::from_slice(config).unwrap_or_default();
    let label = config["config"]["Labels"][CAPABILITIES]
        .as_str()
        .unwrap_or_default();
    let names = |list: &str| -> Vec<String> {
        let names = list
            .split(',')
            .map(|name| name.trim().trim_end_matches("+forward"));
        names.filter(|name| !name.is_empty()).map(String::from).collect()
    };
    let understood = names(label);
    let mut asked = names(wanted.options.get("frontend.caps").map_or("", |list| list));
    asked.extend((!wanted.inputs.is_empty()).then(|| "moby.buildkit.frontend.inputs".to_owned()));
    match asked.into_iter().find(|name| !understood.contains(name)) {
        Some(name) => {
            Err(Status::unimplemented(format!("unsupported frontend capability {name}")).without(&name))
        }
        None => Ok(()),
    }
}
