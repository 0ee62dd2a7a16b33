//! The frontend `dockerfile.v0`, done here and not in a container: fetches the Dockerfile, `.dockerignore` and the
//! contexts from the client, and hands them to the builder.

mod files;
mod options;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use files::shown;
pub(crate) use options::Options;
use options::Remote;

use crate::build::{BuildRequest, Builds, Built, NamedContext};
use crate::filesync::Kept;
use crate::grpc::{Code, Status};
use crate::job::Job;
use files::Files;

/// Carries out `dockerfile.v0`.
///
/// # Errors
/// The client's, the builder's, and what is not supported.
pub(crate) async fn build(
    job: &Job,
    builds: &Arc<dyn Builds>,
    kept: &Arc<Kept>,
    options: Options,
) -> Result<Built, Status> {
    let files = Files {
        session: job.session.clone(),
        builds: builds.clone(),
        kept: kept.clone(),
        progress: job.progress.clone(),
    };
    let (context, dockerfile, text) = match &options.context {
        Remote::Local(directory) => files.local(&options, directory).await?,
        Remote::Upload(path) => {
            let file = files.upload(path).await?;
            (file, options.filename.clone(), None)
        }
    };
    let mut contexts = BTreeMap::new();
    for (name, source) in &options.contexts {
        let context = match source {
            options::Source::Image(reference) => NamedContext::Image(reference.clone()),
            options::Source::Local(directory) => NamedContext::Files(files.named(directory).await?),
        };
        contexts.insert(name.clone(), context);
    }
    let request = BuildRequest {
        context,
        dockerfile,
        text,
        contexts,
        args: options.args,
        labels: options.labels,
        target: options.target,
        platform: options.platform,
        no_cache: options.no_cache,
        pull: options.pull,
        network: options.network,
        extra_hosts: options.extra_hosts,
        shm_size: options.shm_size,
        cgroup_parent: options.cgroup_parent,
        cache_from: options.cache_from,
        entitlements: job.asked.entitlements.clone(),
        session: job.session.clone(),
    };
    builds.build(request, job.progress.clone()).await
}

fn disk(cause: std::io::Error) -> Status {
    Status::new(Code::Internal, format!("reading the client's files: {cause}"))
}
