//! Definitions of LLB: read, the client's files brought, and handed to the builder.

use std::collections::BTreeMap;
use std::sync::Arc;

use llb::{Graph, Local, Op, Refused, Source};

use super::Door;
use super::bridge::{CONFIG, failure_of, result_of};
use crate::build::{Context, Solving};
use crate::filesync::{Archive, Wanted, receive};
use crate::frontend::shown;
use crate::grpc::{Code, Status};
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

impl Door {
    /// Carries out a definition.
    pub(super) async fn solved(&self, job: &Job, definition: &pb::Definition) -> Result<Outcome, Status> {
        self.solved_with(job, definition, BTreeMap::new()).await
    }

    /// Carries out a definition of which some sources are at hand, by their digests.
    pub(super) async fn solved_with(
        &self,
        job: &Job,
        definition: &pb::Definition,
        mut files: BTreeMap<String, Context>,
    ) -> Result<Outcome, Status> {
        let judged = job.asked.policies.judged(definition.clone())?;
        let mut graph = Graph::read(&judged).map_err(refused)?;
        let mut images = BTreeMap::new();
        for vertex in &mut graph.vertices {
            let digest = vertex.digest.to_string();
            match &vertex.op {
                Op::Source(Source::Local(_)) if files.contains_key(&digest) => {}
                Op::Source(Source::Local(local)) => {
                    let archive = self.directory(job, &digest, &vertex.name, local).await?;
                    files.insert(digest, Context::Client(archive));
                }
                Op::Source(Source::Image { reference, .. }) => {
                    let identifier = format!("docker-image://{reference}");
                    if let Some(failure) = failure_of(&identifier) {
                        return Err(Status::new(Code::Unknown, failure));
                    }
                    let ours = result_of(&identifier).map(String::from);
                    if let Some(image) = ours {
                        images.insert(digest, image);
                        // Its name says nothing to anybody, so nobody is told of it.
                        vertex.name.clear();
                    }
                }
                _ => {}
            }
        }
        let (os, architecture) = self.builds.platform();
        let last = &graph.vertices[graph.result.vertex];
        let platform = last.platform.clone();
        let solving = Solving {
            graph,
            files,
            images,
            entitlements: job.asked.entitlements.clone(),
            session: job.session.clone(),
        };
        let built = self.builds.solve(solving, job.progress.clone()).await?;
        Ok(Outcome {
            images: vec![(platform.unwrap_or_else(|| format!("{os}/{architecture}")), built)],
            ..Outcome::default()
        })
    }

    /// A directory of the client.
    async fn directory(
        &self,
        job: &Job,
        digest: &str,
        name: &str,
        local: &Local,
    ) -> Result<Arc<Archive>, Status> {
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
        let step = job.progress.begin_vertex(digest, name, Vec::new());
        let builds = self.builds.clone();
        let received = on_thread(Box::pin(async move {
            let spool = || builds.spool();
            receive(&session, &wanted, known.as_deref(), &spool).await
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
