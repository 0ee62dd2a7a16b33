//! Contexts that lie elsewhere.

use std::fs::File;
use std::io::{Read, Seek as _};
use std::os::unix::fs::FileExt as _;

use super::Builder;
use crate::context::Compression;
use crate::dockerfile::MAX_DOCKERFILE;
use crate::driver::blocking;
use crate::perform::is_tar;
use crate::services::Asker;
use crate::source::{self, Authorization, Fetch, Fetched, GitSource};
use crate::{BuildContext, BuildError};

pub(super) async fn context(
    builder: &Builder,
    fetch: &dyn Fetch,
    address: &str,
    history: bool,
    asker: Asker,
) -> Result<BuildContext, BuildError> {
    let address = complete(address);
    if let Some(git) = GitSource::parse(&address).map_err(BuildError::Invalid)? {
        let authorization = match &asker.secrets {
            Some(secrets) => Authorization::of(&git, &**secrets)
                .await
                .map_err(BuildError::Step)?,
            None => Authorization::default(),
        };
        let git = GitSource {
            keep_git_dir: git.keep_git_dir.or(Some(history)),
            authorization,
            ..git
        };
        let agent = asker.agent.filter(|_| git.is_ssh());
        let repository = fetch.git(&git, agent).await;
        return repository.map(BuildContext::Repository).map_err(BuildError::Step);
    }
    if !address.starts_with("http://") && !address.starts_with("https://") {
        return Err(BuildError::Invalid(format!(
            "remoteURL ({address}) could not be recognized as URL"
        )));
    }
    let body = download(fetch, &address, &asker).await?;
    let builder = builder.clone();
    blocking(move || archive(&builder, body.file, body.modified)).await
}

async fn download(fetch: &dyn Fetch, address: &str, asker: &Asker) -> Result<Fetched, BuildError> {
    let who = Authorization::of_file(address, asker.secrets.as_deref()).await;
    let body = fetch.http(address, &who.map_err(BuildError::Step)?).await;
    body.map_err(|error| BuildError::Step(format!("failed to download remote context {address}: {error}")))
}

/// A file as all there is in a context.
pub(super) async fn file(
    builder: &Builder,
    fetch: &dyn Fetch,
    address: &str,
    asker: &Asker,
) -> Result<BuildContext, BuildError> {
    let body = download(fetch, address, asker).await?;
    let name = match (source::file_name(address), body.name) {
        (name, Some(said)) if name == source::UNNAMED => said,
        (name, _) => name,
    };
    let builder = builder.clone();
    blocking(move || {
        let size = body
            .file
            .metadata()
            .map_err(BuildError::io("reading what was fetched"))?
            .len();
        let mut file = body.file;
        file.rewind()
            .map_err(BuildError::io("reading what was fetched"))?;
        packed(&builder, (&name, size), body.modified, file.take(size))
    })
    .await
}

/// An archive of one file.
fn packed(
    builder: &Builder,
    (name, size): (&str, u64),
    time: i64,
    content: impl Read,
) -> Result<BuildContext, BuildError> {
    let failed = || BuildError::io("reading the build context");
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(time).unwrap_or(0));
    let mut packed = tar::Builder::new(builder.spool().map_err(failed())?);
    packed.append_data(&mut header, name, content).map_err(failed())?;
    let mut file = packed.into_inner().map_err(failed())?;
    file.rewind().map_err(failed())?;
    Ok(BuildContext::Fetched(file, time))
}

/// `github.com/a/b` is short for its repository.
fn complete(address: &str) -> String {
    let Some(rest) = address.strip_prefix("github.com/") else {
        return address.to_owned();
    };
    let end = rest.find(['#', '?']).unwrap_or(rest.len());
    let (path, behind) = rest.split_at(end);
    let path = path.strip_suffix(".git").unwrap_or(path);
    format!("https://github.com/{path}.git{behind}")
}

/// An archive as it is; what is none is a Dockerfile.
fn archive(builder: &Builder, mut body: File, time: i64) -> Result<BuildContext, BuildError> {
    let failed = || BuildError::io("reading the build context");
    let mut head = vec![0; 512];
    let read = body.read_at(&mut head, 0).map_err(failed())?;
    head.truncate(read);
    if Compression::of(&head) != Compression::Plain || is_tar(&head) {
        body.rewind().map_err(failed())?;
        return Ok(BuildContext::Fetched(body, time));
    }
    let mut text = Vec::new();
    body.rewind().map_err(failed())?;
    body.take(MAX_DOCKERFILE as u64 + 1)
        .read_to_end(&mut text)
        .map_err(failed())?;
    if text.len() > MAX_DOCKERFILE {
        return Err(BuildError::Invalid(
            "the remote context is no archive, and larger than a Dockerfile may be".to_owned(),
        ));
    }
    packed(builder, ("Dockerfile", text.len() as u64), time, &*text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_addresses_are_completed() {
        assert_eq!(complete("github.com/a/b#v:d"), "https://github.com/a/b.git#v:d");
        assert_eq!(complete("github.com/a/b.git"), "https://github.com/a/b.git");
        assert_eq!(complete("https://h/a"), "https://h/a");
    }
}
