//! The frontend `dockerfile.v0`, done here and not in a container: fetches the Dockerfile, `.dockerignore` and the
//! contexts from the client, and hands them to the builder.

mod files;
mod options;
mod syntax;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use files::shown;
use options::{Main, Source};
pub(crate) use options::{Options, cache_import};

use crate::build::{BuildRequest, Builds, Context, NamedContext, Opened, Question, Remote, Request, Scans};
use crate::filesync::Kept;
use crate::grpc::{Code, Status};
use crate::job::{Extra, Job, Outcome};
use crate::session::Sessions;
use files::{Dockerfile, Files};

/// Carries out `dockerfile.v0`: builds for each platform, or answers a question.
///
/// # Errors
/// The client's, the builder's, and what is not supported.
pub(crate) async fn build(
    job: &Job,
    (builds, kept, sessions): (&Arc<dyn Builds>, &Arc<Kept>, &Sessions),
    given: &BTreeMap<String, String>,
    options: Options,
) -> Result<Outcome, Status> {
    let files = files(job, (builds, kept, sessions), &options).await?;
    if let Some(request) = options.request.clone() {
        return answer(&files, builds, &options, request).await;
    }
    let (context, dockerfile) = match main_context(&files, builds, &options).await? {
        Ok(found) => found,
        Err(image) => return Ok(forwarded(image)),
    };
    let contexts = named_contexts(&files, &options).await?;
    let (os, architecture) = builds.platform();
    let mut outcome = Outcome {
        index: options.index || options.platforms.len() > 1,
        ..Outcome::default()
    };
    let said = Arc::new(said(builds, &options, given, (&context, &dockerfile)).await?);
    let asked: Vec<Option<String>> = match &options.platforms[..] {
        [] => vec![None],
        platforms => platforms.iter().cloned().map(Some).collect(),
    };
    let scans = match options.scanned {
        true => builds.scans(&question(&options, &dockerfile, String::new(), None))?,
        false => Scans::default(),
    };
    for platform in asked {
        let request = |stage: Option<usize>| BuildRequest {
            context: context.clone(),
            name: options.filename.clone(),
            text: dockerfile.text.clone(),
            contexts: contexts.clone(),
            args: options.args.clone(),
            labels: options.labels.clone(),
            // What a scanner is shown has just been made.
            no_cache: options.no_cache && stage.is_none(),
            no_cache_stages: match stage {
                Some(_) => Vec::new(),
                None => options.no_cache_stages.clone(),
            },
            target: options.target.clone(),
            stage,
            platform: platform.clone(),
            platform_shown: outcome.index,
            ulimits: options.ulimits.clone(),
            pull: options.pull,
            network: options.network.clone(),
            extra_hosts: options.extra_hosts.clone(),
            shm_size: options.shm_size,
            cgroup_parent: options.cgroup_parent.clone(),
            cache_from: options.cache_from.clone(),
            entitlements: job.asked.entitlements.clone(),
            policies: job.asked.policies.clone(),
            session: job.session.clone(),
        };
        let mut built = builds.build(request(None), job.progress.clone()).await?;
        built.request = Some(said.clone());
        let mut extras = Vec::new();
        extras.extend(
            scans
                .context
                .then(|| ("context".to_owned(), Extra::Files(context.clone()))),
        );
        for (name, number) in &scans.stages {
            let stage = builds.build(request(Some(*number)), job.progress.unheard());
            extras.push((name.clone(), Extra::Image(stage.await?)));
        }
        outcome.extras.push(extras);
        let platform = platform.unwrap_or_else(|| format!("{os}/{architecture}"));
        outcome.images.push((platform, built));
    }
    Ok(outcome)
}

/// What another frontend is to do.
fn forwarded(image: String) -> Outcome {
    Outcome {
        forward: Some(image),
        ..Outcome::default()
    }
}

/// Where the files of a build come from.
async fn files(
    job: &Job,
    (builds, kept, sessions): (&Arc<dyn Builds>, &Arc<Kept>, &Sessions),
    options: &Options,
) -> Result<Files, Status> {
    let mut others = BTreeMap::new();
    for (directory, id) in &options.sessions {
        others.insert(directory.clone(), sessions.get(id).await?);
    }
    Ok(Files {
        session: job.session.clone(),
        others,
        builds: builds.clone(),
        kept: kept.clone(),
        progress: job.progress.clone(),
        policies: job.asked.policies.clone(),
    })
}

/// What is known of what was asked for.
async fn said(
    builds: &Arc<dyn Builds>,
    options: &Options,
    given: &BTreeMap<String, String>,
    (context, dockerfile): (&Context, &Dockerfile),
) -> Result<Request, Status> {
    let outline = question(options, dockerfile, "frontend.outline".to_owned(), None);
    // A file that cannot be outlined cannot be built: that says more.
    let outline = builds.answer(outline).await.unwrap_or_default();
    let outline: serde_json::Value = outline
        .get("result.json")
        .and_then(|bytes| serde_json::from_slice(bytes).ok())
        .unwrap_or_default();
    let wanted = |kind: &str| -> Vec<(String, bool)> {
        let each = outline[kind].as_array().into_iter().flatten();
        let each = each.map(|one| {
            let required = one["required"].as_bool().unwrap_or(false);
            (one["name"].as_str().unwrap_or_default().to_owned(), required)
        });
        each.collect()
    };
    let mut locals = Vec::new();
    if let Main::Local(directory) = &options.context {
        locals.push(directory.clone());
    }
    if options.dockerfile_is_local || !locals.is_empty() {
        locals.push(options.dockerfile.clone());
    }
    let named = options.contexts.values();
    locals.extend(named.clone().filter_map(|source| match source {
        Source::Local(directory) => Some(directory.clone()),
        _ => None,
    }));
    let other = |source: &Source| matches!(source, Source::Input(_) | Source::Layout(..));
    let sent = matches!(options.context, Main::Upload(_));
    Ok(Request {
        frontend: "dockerfile.v0".to_owned(),
        options: given.clone(),
        context: match context {
            Context::Opened(opened) => opened.material.clone(),
            Context::Client(_) => None,
        },
        is_whole: locals.is_empty() && !sent && !named.clone().any(other),
        locals,
        secrets: wanted("secrets"),
        agents: wanted("ssh"),
        name: dockerfile.name.clone(),
        text: dockerfile.text.clone(),
    })
}

fn question(
    options: &Options,
    dockerfile: &Dockerfile,
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

/// The files of the build and its Dockerfile; or the image of the frontend that the Dockerfile asks for instead.
async fn main_context(
    files: &Files,
    builds: &Arc<dyn Builds>,
    options: &Options,
) -> Result<Result<(Context, Dockerfile), String>, Status> {
    let (context, dockerfile) = match &options.context {
        Main::Local(directory) => {
            let dockerfile = files.dockerfile(options).await?;
            if let Some(image) = syntax::elsewhere(&dockerfile.text, options) {
                return Ok(Err(image));
            }
            let asked = question(options, &dockerfile, String::new(), None);
            let whole = options.scanned && builds.scans(&asked)?.context;
            let uses = builds.uses(&asked).filter(|_| !whole);
            (files.local(directory, &dockerfile, uses).await?, dockerfile)
        }
        Main::Upload(path) => in_it(files, options, files.upload(path).await?).await?,
        Main::Address(url) => in_it(files, options, address(files, options, url).await?).await?,
    };
    Ok(match syntax::elsewhere(&dockerfile.text, options) {
        Some(image) => Err(image),
        None => Ok((context, dockerfile)),
    })
}

/// A context that is no directory of the client, and the Dockerfile: in it, or with the client.
async fn in_it(files: &Files, options: &Options, context: Opened) -> Result<(Context, Dockerfile), Status> {
    let dockerfile = match options.dockerfile_is_local {
        true => files.dockerfile(options).await?,
        false => files.dockerfile_in(&context, &options.filename).await?,
    };
    Ok((Context::Opened(context), dockerfile))
}

async fn address(files: &Files, options: &Options, url: &str) -> Result<Opened, Status> {
    /// The build argument that asks for the history of a repository.
    const HISTORY: &str = "BUILDKIT_CONTEXT_KEEP_GIT_DIR";
    let history = options.args.get(HISTORY);
    let history = history.is_some_and(|value| matches!(&**value, "1" | "t" | "T" | "true" | "TRUE" | "True"));
    let title = format!("[internal] load remote build context {}", redacted(url));
    let url = url.to_owned();
    files.remote(Remote::Address { url, history }, title).await
}

/// An address without the password in it.
pub(crate) fn redacted(url: &str) -> String {
    let shown = || {
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (user, host) = rest[..host]
            .rsplit_once('@')
            .map(|(user, _)| (user, &rest[user.len()..]))?;
        let (name, _) = user.split_once(':')?;
        Some(format!("{scheme}://{name}:xxxxx{host}"))
    };
    shown().unwrap_or_else(|| url.to_owned())
}

async fn named_contexts(files: &Files, options: &Options) -> Result<BTreeMap<String, NamedContext>, Status> {
    let mut contexts = BTreeMap::new();
    for (name, source) in &options.contexts {
        let context = match source {
            Source::Image(reference) => NamedContext::Image(reference.clone()),
            Source::Input(input) => {
                let image = options.inputs.get(input);
                let missing = || Status::invalid(format!("no input {input} for the context {name}"));
                NamedContext::Result(image.ok_or_else(missing)?.clone())
            }
            Source::Local(directory) => NamedContext::Files(files.named(directory).await?),
            Source::Layout(store, digest) => {
                files.judge(&format!("oci-layout://{store}@{digest}"))?;
                NamedContext::Layout {
                    store: store.clone(),
                    digest: digest.clone(),
                }
            }
            Source::Address(url) => {
                let title = format!("[context {name}] {}", redacted(url));
                let opened = files.remote(Remote::File(url.clone()), title).await?;
                NamedContext::Files(Context::Opened(opened))
            }
        };
        contexts.insert(name.clone(), context);
    }
    Ok(contexts)
}

/// Answers a question about the Dockerfile; nothing is built. That of another frontend is asked itself.
async fn answer(
    files: &Files,
    builds: &Arc<dyn Builds>,
    options: &Options,
    request: String,
) -> Result<Outcome, Status> {
    let (dockerfile, ignore) = match &options.context {
        Main::Local(directory) => {
            let dockerfile = files.dockerfile(options).await?;
            if let Some(image) = syntax::elsewhere(&dockerfile.text, options) {
                return Ok(forwarded(image));
            }
            let ignore = files.ignored(&dockerfile, directory).await?;
            (dockerfile, ignore)
        }
        Main::Upload(_) | Main::Address(_) => match main_context(files, builds, options).await? {
            Ok((_, dockerfile)) => (dockerfile, None),
            Err(image) => return Ok(forwarded(image)),
        },
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("https://u:p@h/a.git#v:d", "https://u:xxxxx@h/a.git#v:d"),
            ("https://u@h/a", "https://u@h/a"),
            ("https://h/a:b@c", "https://h/a:b@c"),
            ("git@h:a", "git@h:a"),
        ] {
            assert_eq!(redacted(url), shown);
        }
    }
}
