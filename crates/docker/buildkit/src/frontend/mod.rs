//! The frontend `dockerfile.v0`, done here and not in a container: fetches the Dockerfile, `.dockerignore` and the
//! contexts from the client, and hands them to the builder.

mod files;
mod options;
mod syntax;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use files::shown;
use options::Remote;
pub(crate) use options::{Options, cache_source};

use crate::build::{BuildRequest, Builds, NamedContext, Question};
use crate::filesync::Kept;
use crate::grpc::{Code, Status};
use crate::job::{Job, Outcome};
use crate::session::Sessions;
use files::Files;

/// Carries out `dockerfile.v0`: builds for each platform, or answers a question.
///
/// # Errors
/// The client's, the builder's, and what is not supported.
pub(crate) async fn build(
    job: &Job,
    (builds, kept, sessions): (&Arc<dyn Builds>, &Arc<Kept>, &Sessions),
    options: Options,
) -> Result<Outcome, Status> {
    let mut others = BTreeMap::new();
    for (directory, id) in &options.sessions {
        others.insert(directory.clone(), sessions.get(id).await?);
    }
    let files = Files {
        session: job.session.clone(),
        others,
        builds: builds.clone(),
        kept: kept.clone(),
        progress: job.progress.clone(),
    };
    if let Some(request) = options.request.clone() {
        return answer(&files, builds, &options, request).await;
    }
    let (context, dockerfile, text) = match &options.context {
        Remote::Local(directory) => {
            let dockerfile = files.dockerfile(&options).await?;
            if let Some(image) = syntax::elsewhere(&dockerfile.text, &options) {
                return Ok(Outcome {
                    forward: Some(image),
                    ..Outcome::default()
                });
            }
            let uses = builds.uses(&question(&options, &dockerfile, String::new(), None));
            let (context, name) = files.local(directory, &dockerfile, uses).await?;
            (context, name, Some(dockerfile.text))
        }
        Remote::Upload(path) => {
            let file = files.upload(path).await?;
            (file, options.filename.clone(), None)
        }
    };
    let mut contexts = BTreeMap::new();
    for (name, source) in &options.contexts {
        let context = match source {
            options::Source::Image(reference) => NamedContext::Image(reference.clone()),
            options::Source::Input(input) => {
                let image = options.inputs.get(input);
                let missing = || Status::invalid(format!("no input {input} for the context {name}"));
                NamedContext::Image(image.ok_or_else(missing)?.clone())
            }
            options::Source::Local(directory) => NamedContext::Files(files.named(directory).await?),
            options::Source::Layout(store, digest) => NamedContext::Layout {
                store: store.clone(),
                digest: digest.clone(),
            },
        };
        contexts.insert(name.clone(), context);
    }
    let (os, architecture) = builds.platform();
    let mut outcome = Outcome {
        index: options.index || options.platforms.len() > 1,
        ..Outcome::default()
    };
    let asked: Vec<Option<String>> = match &options.platforms[..] {
        [] => vec![None],
        platforms => platforms.iter().cloned().map(Some).collect(),
    };
    for platform in asked {
        let request = BuildRequest {
            context: context.try_clone().map_err(disk)?,
            dockerfile: dockerfile.clone(),
            name: options.filename.clone(),
            text: text.clone(),
            contexts: contexts.clone(),
            args: options.args.clone(),
            labels: options.labels.clone(),
            target: options.target.clone(),
            platform: platform.clone(),
            platform_shown: outcome.index,
            no_cache: options.no_cache,
            no_cache_stages: options.no_cache_stages.clone(),
            ulimits: options.ulimits.clone(),
            pull: options.pull,
            network: options.network.clone(),
            extra_hosts: options.extra_hosts.clone(),
            shm_size: options.shm_size,
            cgroup_parent: options.cgroup_parent.clone(),
            cache_from: options.cache_from.clone(),
            entitlements: job.asked.entitlements.clone(),
            session: job.session.clone(),
        };
        let built = builds.build(request, job.progress.clone()).await?;
        let platform = platform.unwrap_or_else(|| format!("{os}/{architecture}"));
        outcome.images.push((platform, built));
    }
    Ok(outcome)
}

fn question(
    options: &Options,
    dockerfile: &files::Dockerfile,
    request: String,
    ignore: Option<Vec<u8>>,
) -> Question {
    Question {
        request,
        name: dockerfile.name.clone(),
        text: dockerfile.text.clone(),
        ignore,
        args: options.args.clone(),
        target: options.target.clone(),
        platform: options.platforms.first().cloned(),
    }
}

/// Answers a question about the Dockerfile; nothing is built.
async fn answer(
    files: &Files,
    builds: &Arc<dyn Builds>,
    options: &Options,
    request: String,
) -> Result<Outcome, Status> {
    let Remote::Local(directory) = &options.context else {
        return Err(Status::unimplemented(
            "a question about a Dockerfile in an archive is not supported yet",
        ));
    };
    let dockerfile = files.dockerfile(options).await?;
    let ignore = files.ignored(&dockerfile, directory).await?;
    let answer = builds
        .answer(question(options, &dockerfile, request, ignore))
        .await?;
    Ok(Outcome {
        metadata: answer
            .into_iter()
            .map(|(name, bytes)| (name, bytes.into()))
            .collect(),
        ..Outcome::default()
    })
}

fn disk(cause: std::io::Error) -> Status {
    Status::new(Code::Internal, format!("reading the client's files: {cause}"))
}
