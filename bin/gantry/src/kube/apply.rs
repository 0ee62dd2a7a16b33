//! `gantry apply -f`: server-side apply of manifests.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use client::{Entry, WriteOptions};

use super::manifest::{self, Document};
use super::{AGENT, Server, Session};
use crate::client::block_on;
use crate::failure::{Failure, Outcome};

/// Lay manifests over the cluster's objects (server-side apply), making what is not there.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A file, a directory of .yaml, .yml and .json files, or - for standard input; may be given again.
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    filename: Vec<PathBuf>,
    /// Take over fields that others own.
    #[arg(long)]
    force_conflicts: bool,
    /// Do everything on the server but write.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: Server,
}

pub(crate) fn run(options: Options) -> Outcome {
    let documents = manifest::read(&options.filename)?;
    block_on(async {
        let mut session = options.server.connect().await?;
        for document in &documents {
            // A definition that was just applied may have made the kind.
            if session
                .discovery
                .by_kind(&document.api_version, &document.kind)
                .is_none()
            {
                session.discovery = client::Discovery::read(&session.client).await?;
            }
            apply(&session, document, &options).await?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn apply(session: &Session, document: &Document, options: &Options) -> Result<(), Failure> {
    let entry = entry(session, document)?;
    let namespace = namespace(session, document, options.server.namespace.as_deref())?;
    let write = WriteOptions {
        dry_run: options.dry_run,
        field_manager: AGENT.to_owned(),
        force: options.force_conflicts,
        field_validation: "Strict".to_owned(),
    };
    let place = entry.resource.within(&namespace).named(&document.name);
    session.client.apply(place, document.json.clone(), &write).await?;
    let dry = if options.dry_run { " (server dry run)" } else { "" };
    Ok(writeln!(
        io::stdout(),
        "{} serverside-applied{dry}",
        shown(entry, &document.name)
    )?)
}

/// The resource of a document's kind.
pub(super) fn entry<'a>(session: &'a Session, document: &Document) -> Result<&'a Entry, Failure> {
    let (version, kind) = (&document.api_version, &document.kind);
    let unknown = || Failure::with_code(1, format!("no matches for kind {kind:?} in version {version:?}"));
    session.discovery.by_kind(version, kind).ok_or_else(unknown)
}

/// The document's namespace, or the session's where it names none; a flag must not contradict it.
pub(super) fn namespace(
    session: &Session,
    document: &Document,
    flag: Option<&str>,
) -> Result<String, Failure> {
    match (document.namespace.as_str(), flag) {
        ("", _) => Ok(session.namespace.clone()),
        (own, Some(flag)) if own != flag => Err(Failure::with_code(
            1,
            format!("the namespace from the provided object {own:?} does not match the namespace {flag:?}"),
        )),
        (own, _) => Ok(own.to_owned()),
    }
}

/// `deployment.apps/web`
pub(super) fn shown(entry: &Entry, name: &str) -> String {
    match &*entry.resource.group {
        "" => format!("{}/{name}", entry.singular),
        group => format!("{}.{group}/{name}", entry.singular),
    }
}
