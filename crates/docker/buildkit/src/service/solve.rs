//! Definitions of LLB: read, the client's files brought, and handed to the builder.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};

use llb::{Graph, Op, Refused, Source, Vertex};
use prost::Message as _;

use super::Door;
use super::bridge::{CONFIG, failure_of, result_of};
use crate::build::{Built, CacheImport, Context, Nested, Solving};
use crate::filesync::{Archive, Wanted, receive};
use crate::frontend::shown;
use crate::grpc::{Boxed, Code, Status};
use crate::job::{Job, Outcome};
use crate::proto::pb;
use crate::thread::on_thread;

/// A definition that is none, as a call's end.
fn refused(refused: Refused) -> Status {
    match refused {
        Refused::Invalid(sentence) => Status::new(Code::Unknown, sentence),
        Refused::Unsupported(sentence) => Status::unimplemented(sentence),
    }
}

/// Definitions within definitions: a file of a client may name itself.
const MAX_DEPTH: usize = 8;

/// What there is for a definition besides what it names.
#[derive(Clone, Debug, Default)]
pub(super) struct Aids {
    /// Contexts that stand for sources, by their digests.
    pub(super) files: BTreeMap<String, Context>,
    /// Caches whose steps may be used.
    pub(super) cache_from: Vec<CacheImport>,
    /// It was written here, so that the results in it are ours.
    pub(super) own: bool,
    /// The definitions that it is in.
    depth: usize,
}

/// What was brought for a definition, by the digests of the vertices that name it.
#[derive(Default)]
struct Brought {
    images: BTreeMap<String, String>,
    files: BTreeMap<String, Context>,
    /// The steps that the images were made by.
    steps: Vec<(String, String)>,
}

impl Aids {
    /// Of a definition that was written here.
    pub(super) fn own(files: BTreeMap<String, Context>) -> Self {
        Self {
            files,
            own: true,
            ..Self::default()
        }
    }

    /// With caches.
    pub(super) fn cached(cache_from: Vec<CacheImport>) -> Self {
        Self {
            cache_from,
            ..Self::default()
        }
    }
}

/// Carries out definitions of a build's own making.
struct Within {
    door: Weak<Door>,
    job: Arc<Job>,
    aids: Aids,
}

impl fmt::Debug for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "definition {} of {}", self.aids.depth, self.job.id)
    }
}

impl Nested for Within {
    fn solve(&self, definition: Vec<u8>) -> Boxed<'static, Result<Built, Status>> {
        let (door, job, aids) = (self.door.clone(), self.job.clone(), self.aids.clone());
        Box::pin(async move {
            if aids.depth > MAX_DEPTH {
                let sentence = format!("more than {MAX_DEPTH} definitions within each other");
                return Err(Status::invalid(sentence));
            }
            job.nest()?;
            let bad = |cause| Status::new(Code::Unknown, format!("failed to parse llb proto: {cause}"));
            let definition = pb::Definition::decode(&definition[..]).map_err(bad)?;
            let gone = || Status::new(Code::Internal, "the door is closed");
            let door = door.upgrade().ok_or_else(gone)?;
            let made = door.solved_with(&job, &definition, aids).await?;
            let nothing = || Status::new(Code::Unknown, "the definition makes nothing");
            made.images
                .into_iter()
                .next()
                .map(|(_, built)| built)
                .ok_or_else(nothing)
        })
    }
}

impl Door {
    /// Carries out a definition.
    pub(super) async fn solved(
        &self,
        job: &Arc<Job>,
        definition: &pb::Definition,
    ) -> Result<Outcome, Status> {
        self.solved_with(job, definition, Aids::default()).await
    }

    /// The steps of a result that is known to be one: what anybody else may write is no such proof.
    pub(super) fn steps_of(&self, job: &Job, image: &str) -> Option<Vec<(String, String)>> {
        job.steps_of(image).or_else(|| self.jobs.steps_of(image))
    }

    /// Carries out a definition with what there is for it.
    pub(super) async fn solved_with(
        &self,
        job: &Arc<Job>,
        definition: &pb::Definition,
        aids: Aids,
    ) -> Result<Outcome, Status> {
        let ours = |identifier: &str| {
            let known = |image: &str| aids.own || self.steps_of(job, image).is_some();
            failure_of(identifier).is_some() || result_of(identifier).is_some_and(known)
        };
        let judged = job.asked.policies.judged(definition.clone(), &ours)?;
        let mut graph = Graph::read(&judged).map_err(refused)?;
        let Brought {
            images,
            files,
            mut steps,
        } = self.bring(job, &mut graph, &aids).await?;
        let (os, architecture) = self.builds.platform();
        let last = &graph.vertices[graph.result.vertex];
        let platform = last.platform.clone();
        let solving = Solving {
            graph,
            files,
            images,
            cache_from: aids.cache_from.clone(),
            policies: job.asked.policies.clone(),
            nested: Arc::new(Within {
                door: self.me.clone(),
                job: job.clone(),
                aids: Aids {
                    cache_from: aids.cache_from,
                    depth: aids.depth + 1,
                    ..Aids::default()
                },
            }),
            entitlements: job.asked.entitlements.clone(),
            session: job.session.clone(),
        };
        let mut built = self.builds.solve(solving, job.progress.clone()).await?;
        // A cache of it has the steps of what it was made of.
        steps.append(&mut built.steps);
        built.steps = steps;
        Ok(Outcome {
            images: vec![(platform.unwrap_or_else(|| format!("{os}/{architecture}")), built)],
            ..Outcome::default()
        })
    }

    /// What a definition is made of that does not come from where it says: directories of the client, and results of ours.
    async fn bring(&self, job: &Job, graph: &mut Graph, aids: &Aids) -> Result<Brought, Status> {
        let mut brought = Brought {
            files: aids.files.clone(),
            ..Brought::default()
        };
        for vertex in &mut graph.vertices {
            let digest = vertex.digest.to_string();
            match &vertex.op {
                Op::Source(Source::Local(_)) if brought.files.contains_key(&digest) => {}
                Op::Source(Source::Local(_)) => {
                    let archive = self.directory(job, vertex).await?;
                    brought.files.insert(digest, Context::Client(archive));
                }
                Op::Source(Source::Image { reference, .. }) => {
                    let identifier = format!("docker-image://{reference}");
                    if let Some(failure) = failure_of(&identifier) {
                        return Err(Status::new(Code::Unknown, failure));
                    }
                    let ours = result_of(&identifier).map(String::from);
                    if let Some(image) = ours {
                        let steps = self.steps_of(job, &image);
                        brought.steps.extend(steps.unwrap_or_default());
                        brought.images.insert(digest, image);
                        // Its name says nothing to anybody, so nobody is told of it.
                        vertex.name.clear();
                    }
                }
                _ => {}
            }
        }
        Ok(brought)
    }

    /// A directory of the client.
    async fn directory(&self, job: &Job, vertex: &Vertex) -> Result<Arc<Archive>, Status> {
        let Op::Source(Source::Local(local)) = &vertex.op else {
            return Err(Status::invalid("no directory of a client"));
        };
        let session = match &local.session {
            Some(id) => self.sessions.get(id).await?,
            None => job.session.clone(),
        };
        let wanted = Wanted {
            directory: local.name.clone(),
            include: local.include.clone(),
            exclude: local.exclude.clone(),
            follow: local.follow.clone(),
        };
        let head = session.head();
        let key = format!(
            "llb:{}:{}:{}:{}",
            head.name, head.shared_key, local.hint, local.name
        );
        let known = self.kept.get(&key);
        let digest = vertex.digest.to_string();
        let group = vertex.group.clone();
        let step = job
            .progress
            .begin_vertex(&digest, &vertex.name, Vec::new(), group);
        let builds = self.builds.clone();
        let received = on_thread(Box::pin(async move {
            let spool = || builds.spool();
            receive(&session, &wanted, known.as_ref(), &spool).await
        }));
        match received.await {
            Ok(received) => {
                let part = format!("transferring {}: {}", local.name, shown(received.transferred));
                step.part(&part, 0, 0, true);
                step.done(false);
                self.kept.put(key, received.archive.clone());
                Ok(received.archive)
            }
            Err(status) => {
                step.failed(&*status.message);
                Err(status)
            }
        }
    }

    /// Results with the configurations that a frontend says they have.
    pub(super) async fn dressed(&self, mut outcome: Outcome) -> Result<Outcome, Status> {
        for (platform, built) in &mut outcome.images {
            let config = outcome.metadata.get(&format!("{CONFIG}/{platform}"));
            let Some(config) = config.or_else(|| outcome.metadata.get(CONFIG)) else {
                continue;
            };
            if config[..] != built.config[..] {
                *built = self.builds.dressed(built, config).await?;
            }
        }
        Ok(outcome)
    }
}
