//! Contexts that are no directories of the client: what an address names, and archives that were sent.

use std::sync::Arc;

use ::buildkit::{Code, Context, Opened, Remote, Status};
use builder::{Asker, BuildContext, Builder, GitSource, Services};

use super::materials::Materials;
use super::vertices::status;

/// Opens one.
///
/// # Errors
/// It is no address, or it was not fetched.
pub(super) async fn open(builder: Builder, remote: Remote, services: Services) -> Result<Opened, Status> {
    let materials = Arc::new(Materials::over(builder.fetch()));
    let builder = builder.with_fetch(materials.clone());
    let failed = |error| status(&error);
    let context = match remote {
        Remote::Sent(file) => BuildContext::Archive(file),
        Remote::Address { url, history } => {
            let asker = asker(&services, &url).await?;
            builder.remote(&url, history, asker).await.map_err(failed)?
        }
        Remote::File(url) => {
            let asker = asker(&services, &url).await?;
            builder.remote_file(&url, asker).await.map_err(failed)?
        }
    };
    Ok(Opened::new(context, materials.found().into_iter().next()))
}

/// As whom it is asked for: with the client's keys, where it is a repository that is asked for by SSH, and with what the client
/// knows of servers.
async fn asker(services: &Services, url: &str) -> Result<Asker, Status> {
    let git = GitSource::parse(url).map_err(Status::invalid)?;
    let agent = match &services.ssh {
        Some(ssh) if git.is_some_and(|git| git.is_ssh()) => ssh
            .agent("default")
            .await
            .map_err(|error| Status::new(Code::Unknown, error))?,
        _ => None,
    };
    Ok(Asker {
        agent,
        secrets: services.secrets.clone(),
    })
}

/// The Dockerfile of one: what it is called there, and its text.
///
/// # Errors
/// There is none.
pub(super) async fn dockerfile(
    builder: Builder,
    context: Opened,
    name: String,
) -> Result<(String, Vec<u8>), Status> {
    let missing = format!("failed to read dockerfile: open {name}: no such file or directory");
    let found = builder.dockerfile(files(&context)?, name).await;
    found.map_err(|error| match error {
        builder::BuildError::Step(sentence) if sentence.starts_with("Cannot locate") => {
            Status::new(Code::Unknown, missing)
        }
        error => status(&error),
    })
}

fn files(opened: &Opened) -> Result<BuildContext, Status> {
    let strange = || Status::invalid("the context was opened by somebody else");
    let context: &BuildContext = opened.files().ok_or_else(strange)?;
    context.try_clone().map_err(disk)
}

fn disk(cause: std::io::Error) -> Status {
    Status::new(Code::Internal, format!("opening the build context: {cause}"))
}

/// A context in the builder's words.
///
/// # Errors
/// Too many open files.
pub(super) fn context(context: &Context) -> Result<BuildContext, Status> {
    match context {
        Context::Client(archive) => archive.file().map(BuildContext::Archive).map_err(disk),
        Context::Opened(opened) => files(opened),
    }
}
