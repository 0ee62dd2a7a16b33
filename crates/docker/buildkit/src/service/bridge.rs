//! `moby.buildkit.v1.frontend.LLBBridge`: what a client's own frontend asks of a build. The client of docker does so for
//! every build; all that it wants is the Dockerfile frontend.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use image::Digest;
use prost::Message as _;

use super::caps::pong;
use super::gateway::Frontend;
use super::solve::Aids;
use super::{Door, attestations, is_set};
use crate::build::Found;
use crate::filesync::Look;
use crate::frontend::cache_import;
use crate::grpc::{Call, Code, Reply, Status};
use crate::job::{Job, Outcome};
use crate::proto::control::VertexWarning;
use crate::proto::frontend::{
    Attestations, EvaluateRequest, EvaluateResponse, InputsResponse, PingRequest, ReadDirRequest,
    ReadDirResponse, ReadFileRequest, ReadFileResponse, Ref, RefMap, ResolveImageConfigRequest,
    ResolveImageConfigResponse, ResolveSourceImageResponse, ResolveSourceMetaRequest,
    ResolveSourceMetaResponse, Result as Solved, ReturnRequest, ReturnResponse, SolveRequest, SolveResponse,
    StatFileRequest, StatFileResponse, WarnRequest, WarnResponse, result,
};
use crate::proto::pb;
use crate::thread::on_thread;

/// Metadata: the build that a call belongs to.
const BUILD: &str = "buildkit-controlapi-buildid";

impl Door {
    pub(super) async fn bridge(&self, method: &str, call: Call, reply: &Reply) -> Result<(), Status> {
        let build = call.metadata.get(BUILD).and_then(|value| value.to_str().ok());
        let build = build.ok_or_else(|| Status::invalid("no buildid found in context"))?;
        let job = self.jobs.get(build).await?;
        self.bridge_of(&job, method, call, reply).await
    }

    /// A call of the frontend of a build.
    pub(super) async fn bridge_of(
        &self,
        job: &Arc<Job>,
        method: &str,
        mut call: Call,
        reply: &Reply,
    ) -> Result<(), Status> {
        let incoming = &mut call.incoming;
        match method {
            "Ping" => {
                let _: PingRequest = incoming.single().await?;
                reply.send(&pong(&*self.builds)).await
            }
            "Solve" => {
                let asked = incoming.single().await?;
                let solved = Box::pin(self.solve_frontend(job, asked)).await?;
                reply.send(&solved).await
            }
            "ResolveImageConfig" => {
                let asked = incoming.single().await?;
                reply.send(&self.resolve_config(job, asked).await?).await
            }
            "ResolveSourceMeta" => {
                let asked = incoming.single().await?;
                reply.send(&self.resolve_source(job, asked).await?).await
            }
            "Evaluate" => {
                let asked: EvaluateRequest = incoming.single().await?;
                // A result is there as soon as it has a name.
                job.result(&asked.r#ref)?;
                reply.send(&EvaluateResponse {}).await
            }
            "ReadFile" => {
                let asked: ReadFileRequest = incoming.single().await?;
                let range = asked.range.map(|range| {
                    let number = |value: i64| u64::try_from(value).unwrap_or(0);
                    (number(range.offset), number(range.length))
                });
                let look = self.look(job, &asked.r#ref).await?;
                let data = look.read(&asked.file_path, range)?;
                reply.send(&ReadFileResponse { data }).await
            }
            "ReadDir" => {
                let asked: ReadDirRequest = incoming.single().await?;
                if !asked.include_pattern.is_empty() {
                    return Err(Status::unimplemented("patterns of ReadDir are not supported"));
                }
                let entries = self.look(job, &asked.r#ref).await?.directory(&asked.dir_path)?;
                reply.send(&ReadDirResponse { entries }).await
            }
            "StatFile" => {
                let asked: StatFileRequest = incoming.single().await?;
                let stat = Some(self.look(job, &asked.r#ref).await?.stat(&asked.path)?);
                reply.send(&StatFileResponse { stat }).await
            }
            "Inputs" => {
                let definitions = job.asked.inputs.clone();
                reply.send(&InputsResponse { definitions }).await
            }
            "Return" => {
                give_back(job, incoming.single().await?)?;
                reply.send(&ReturnResponse {}).await
            }
            "Warn" => {
                warn(job, incoming.single().await?);
                reply.send(&WarnResponse {}).await
            }
            other => self.container_of(job, other, call, reply).await,
        }
    }

    async fn solve_frontend(&self, job: &Arc<Job>, asked: SolveRequest) -> Result<SolveResponse, Status> {
        if !asked.source_policies.is_empty() {
            return Err(Status::unimplemented(
                "source policies of a frontend's own are not supported yet",
            ));
        }
        let whole = asked.allow_result_return;
        // A result that nobody has looked at yet may turn out to be none: a debugger wants it all the same.
        let lazy = whole && !asked.evaluate && !asked.frontend.is_empty();
        let definition = asked.definition.filter(|definition| is_set(Some(definition)));
        let caches = || {
            let imports = asked.cache_imports.iter();
            let caches = imports.map(|import| cache_import(&import.r#type, &import.attrs));
            caches.collect::<Result<Vec<_>, Status>>()
        };
        let work = async {
            match (&*asked.frontend, definition) {
                ("", Some(definition)) => {
                    let made = self
                        .solved_with(job, &definition, Aids::cached(caches()?))
                        .await?;
                    named(job, made, whole)
                }
                // Nothing of nothing.
                ("", None) => Ok(SolveResponse::default()),
                (_, Some(_)) => Err(Status::invalid("a definition beside a frontend makes no sense")),
                (name, None) => {
                    let wanted = Frontend {
                        name: name.to_owned(),
                        options: asked.frontend_opt,
                        inputs: asked.frontend_inputs,
                        caches: caches()?,
                    };
                    solved(job, self.frontend(job, wanted).await?, whole)
                }
            }
        };
        let work = async {
            match work.await {
                Err(status) => match self.told_failure(job, status).await {
                    failure if lazy && failure.has_command() => failed(job, failure),
                    failure => Err(failure),
                },
                done => done,
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            () = job.session.ended() => Err(Status::new(Code::Cancelled, "the client's session ended")),
            _ = job.given_back() => Err(Status::new(Code::Cancelled, "context canceled")),
        }
    }

    /// The files of a result: packed once, and kept for the next question about the same.
    async fn look(&self, job: &Job, name: &str) -> Result<Arc<Look>, Status> {
        let (_, built) = job.result(name)?;
        let kept = || job.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((image, look)) = &*kept()
            && *image == built.image
        {
            return Ok(look.clone());
        }
        let file = self.builds.files(&built).await?;
        let look = Arc::new(on_thread(Box::pin(async move { Look::into(file) })).await?);
        *kept() = Some((built.image, look.clone()));
        Ok(look)
    }

    /// An image as the policies have it: what is denied is not told of either.
    async fn found(&self, job: &Job, reference: &str) -> Result<Found, Status> {
        let parsed = image::Reference::parse(reference).map(|parsed| parsed.with_default_tag().to_string());
        let whole = format!("{IMAGE}{}", parsed.unwrap_or_else(|_| reference.to_owned()));
        let mut judged = whole.clone();
        let changed = job.asked.policies.judge(&mut judged, &mut BTreeMap::new());
        changed.map_err(|denied| {
            let sentence = format!("error evaluating the source policy: {denied}");
            Status::new(Code::Unknown, sentence)
        })?;
        let reference = match judged.strip_prefix(IMAGE) {
            _ if judged == whole => reference,
            Some(other) => other,
            None => {
                let sentence = format!("the source policy converts {whole} to {judged}, which is no image");
                return Err(Status::unimplemented(sentence));
            }
        };
        let missing = || Status::new(Code::NotFound, format!("{reference}: not found"));
        self.builds.find(reference).await?.ok_or_else(missing)
    }

    async fn resolve_config(
        &self,
        job: &Job,
        asked: ResolveImageConfigRequest,
    ) -> Result<ResolveImageConfigResponse, Status> {
        let found = self.found(job, &asked.r#ref).await?;
        Ok(ResolveImageConfigResponse {
            digest: found.digest,
            config: found.config.into(),
            r#ref: found.reference,
        })
    }

    async fn resolve_source(
        &self,
        job: &Job,
        asked: ResolveSourceMetaRequest,
    ) -> Result<ResolveSourceMetaResponse, Status> {
        let source = asked.source.unwrap_or_default();
        let Some(reference) = source.identifier.strip_prefix(IMAGE) else {
            let sentence = format!("the source {} is not supported yet", source.identifier);
            return Err(Status::unimplemented(sentence));
        };
        let found = self.found(job, reference).await?;
        let no_config = asked.image.as_ref().is_some_and(|image| image.no_config);
        let image = ResolveSourceImageResponse {
            digest: found.digest,
            config: if no_config {
                Bytes::new()
            } else {
                found.config.into()
            },
            attestation_chain: None,
        };
        Ok(ResolveSourceMetaResponse {
            source: Some(source),
            image: Some(image),
            ..Default::default()
        })
    }
}

/// A result as the client gets it: a name for each image, their configurations, and what the frontend says.
fn solved(job: &Job, outcome: Outcome, whole: bool) -> Result<SolveResponse, Status> {
    let mut attestations = BTreeMap::new();
    for (platform, said) in outcome.said.iter().filter(|_| whole) {
        let attestation = said.iter().map(|said| attestations::told(job, said));
        let attestation = attestation.collect::<Result<_, _>>()?;
        attestations.insert(platform.clone(), Attestations { attestation });
    }
    let mut metadata = outcome.metadata;
    let mut names: BTreeMap<String, Ref> = BTreeMap::new();
    let mut platforms = Vec::new();
    for (platform, built) in outcome.images {
        let key = match outcome.index {
            true => format!("{CONFIG}/{platform}"),
            false => CONFIG.to_owned(),
        };
        metadata.insert(key, Bytes::from(built.config.clone()));
        platforms.push(described(&platform));
        let def = Some(definition(&built.image));
        let id = job.add_result(&platform, built)?;
        names.insert(platform, Ref { id, def });
    }
    if !platforms.is_empty() {
        let platforms = serde_json::json!({ "Platforms": platforms });
        metadata.insert(PLATFORMS.to_owned(), platforms.to_string().into());
    }
    let single = names.values().next().cloned();
    if !whole {
        return Ok(SolveResponse {
            r#ref: single.map(|single| single.id).unwrap_or_default(),
            result: None,
        });
    }
    let result = match (outcome.index, single) {
        (true, _) => Some(result::Result::Refs(RefMap { refs: names })),
        (false, single) => single.map(result::Result::Ref),
    };
    Ok(SolveResponse {
        r#ref: String::new(),
        result: Some(Solved {
            result,
            metadata,
            attestations,
        }),
    })
}

/// A result that is none, as the client gets it: looking at it fails, and so does whoever gives it to another build.
fn failed(job: &Job, failure: Status) -> Result<SolveResponse, Status> {
    let def = Some(source(&format!("{FAILURE}{}", failure.message)));
    let id = job.add_failure(failure)?;
    Ok(SolveResponse {
        r#ref: String::new(),
        result: Some(Solved {
            result: Some(result::Result::Ref(Ref { id, def })),
            ..Solved::default()
        }),
    })
}

/// The result of a definition: a name, of which nothing else is said.
fn named(job: &Job, outcome: Outcome, whole: bool) -> Result<SolveResponse, Status> {
    let Some((platform, built)) = outcome.images.into_iter().next() else {
        return Ok(SolveResponse::default());
    };
    let def = Some(definition(&built.image));
    let id = job.add_result(&platform, built)?;
    if !whole {
        return Ok(SolveResponse {
            r#ref: id,
            result: None,
        });
    }
    Ok(SolveResponse {
        r#ref: String::new(),
        result: Some(Solved {
            result: Some(result::Result::Ref(Ref { id, def })),
            ..Solved::default()
        }),
    })
}

/// How images are written in LLB.
const IMAGE: &str = "docker-image://";

/// How a result is written in LLB, so that a client can give it to another build.
const RESULT: &str = "docker-image://gantry.invalid/result@";

/// How a failure is written there.
const FAILURE: &str = "docker-image://gantry.invalid/failure@";

/// Why a source is none that another build has failed to make.
pub(super) fn failure_of(identifier: &str) -> Option<&str> {
    identifier.strip_prefix(FAILURE)
}

/// A result of ours, as a source.
pub(super) fn of_result(image: &str) -> String {
    format!("{RESULT}{image}")
}

/// The definition of a result: one source, and the end of it.
pub(super) fn definition(image: &str) -> pb::Definition {
    source(&of_result(image))
}

fn source(identifier: &str) -> pb::Definition {
    let source = pb::SourceOp {
        identifier: identifier.to_owned(),
        ..pb::SourceOp::default()
    };
    let source = pb::Op {
        op: Some(pb::op::Op::Source(source)),
        ..pb::Op::default()
    };
    let source = source.encode_to_vec();
    let end = pb::Op {
        inputs: vec![pb::Input {
            digest: Digest::of(&source).to_string(),
            index: 0,
        }],
        ..pb::Op::default()
    };
    let ops = [source, end.encode_to_vec()];
    // Clients take a definition without any metadata for none.
    let about = |op: &Vec<u8>| (Digest::of(op).to_string(), pb::OpMetadata::default());
    pb::Definition {
        metadata: ops.iter().map(about).collect(),
        def: ops.map(Into::into).into(),
        ..pb::Definition::default()
    }
}

/// The image of such a definition, if it is one.
pub(super) fn given(definition: &pb::Definition) -> Option<String> {
    let ops = definition
        .def
        .iter()
        .filter_map(|bytes| pb::Op::decode(&bytes[..]).ok());
    let mut sources = ops.filter_map(|op| match op.op {
        Some(pb::op::Op::Source(source)) => Some(source.identifier),
        _ => None,
    });
    let image = result_of(&sources.next()?)?.to_owned();
    (definition.def.len() == 2).then_some(image)
}

/// The image of a source that is a result.
pub(super) fn result_of(identifier: &str) -> Option<&str> {
    identifier.strip_prefix(RESULT)
}

/// Metadata: images' configurations, and which platforms there are.
pub(super) const CONFIG: &str = "containerimage.config";
const PLATFORMS: &str = "refs.platforms";

fn described(platform: &str) -> serde_json::Value {
    let mut parts = platform.split('/');
    let mut next = || parts.next().unwrap_or_default();
    let (os, architecture, variant) = (next(), next(), next());
    let mut described = serde_json::json!({ "architecture": architecture, "os": os });
    if !variant.is_empty() {
        described["variant"] = variant.into();
    }
    serde_json::json!({ "ID": platform, "Platform": described })
}

/// Takes what the client's frontend gives back: results, or none, or an error.
fn give_back(job: &Job, asked: ReturnRequest) -> Result<(), Status> {
    if let Some(error) = asked.error.filter(|error| error.code != 0) {
        job.give_back(Err(Status::of(error)));
        return Ok(());
    }
    let result = asked.result.unwrap_or_default();
    let mut said = BTreeMap::new();
    for (platform, all) in result.attestations {
        let all = all
            .attestation
            .into_iter()
            .map(|each| attestations::read(job, each));
        said.insert(platform, all.collect::<Result<Vec<_>, _>>()?);
    }
    let index = matches!(
        result.result,
        Some(result::Result::Refs(_) | result::Result::RefsDeprecated(_))
    );
    // Of several results each is called by its platform.
    let names: Vec<(Option<String>, String)> = match result.result {
        None => Vec::new(),
        Some(result::Result::Ref(Ref { id, .. }) | result::Result::RefDeprecated(id)) => vec![(None, id)],
        Some(result::Result::Refs(refs)) => {
            let refs = refs.refs.into_iter();
            refs.map(|(name, each)| (Some(name), each.id)).collect()
        }
        Some(result::Result::RefsDeprecated(refs)) => {
            let refs = refs.refs.into_iter();
            refs.map(|(name, id)| (Some(name), id)).collect()
        }
    };
    let names = names.into_iter().filter(|(_, name)| !name.is_empty());
    let mut images = Vec::new();
    for (platform, name) in names {
        match job.result(&name) {
            Ok((known, built)) => images.push((platform.unwrap_or(known), built)),
            // A name that nobody has given is the caller's mistake, and not how the build ended.
            Err(missing) if missing.code == Code::NotFound => return Err(missing),
            Err(failure) => {
                job.give_back(Err(failure));
                return Ok(());
            }
        }
    }
    let outcome = Outcome {
        images,
        index,
        metadata: result.metadata,
        said,
        ..Outcome::default()
    };
    job.give_back(Ok(outcome));
    Ok(())
}

fn warn(job: &Job, asked: WarnRequest) {
    job.progress.warn(VertexWarning {
        vertex: asked.digest,
        level: asked.level,
        short: asked.short,
        detail: asked.detail,
        url: asked.url,
        info: asked.info,
        ranges: asked.ranges,
    });
}
