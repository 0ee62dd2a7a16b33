//! `gantry delete`: objects by name, by manifest or by label.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use client::{DeleteOptions, Entry, ListOptions, Propagation, Selectors};

use super::apply::{entry, namespace, shown};
use super::{Server, Session, manifest, wanted};
use crate::client::block_on;
use crate::failure::{Failure, Outcome};

/// Delete objects. Does not wait until they are gone.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// TYPE NAME..., TYPE/NAME..., or TYPE with -l or --all.
    words: Vec<String>,
    /// Delete what a manifest names: a file, a directory, or - for standard input; may be given again.
    #[arg(short, long = "filename", value_name = "FILE", conflicts_with_all = ["words", "selector", "all"])]
    filename: Vec<PathBuf>,
    /// Those with these labels.
    #[arg(
        short = 'l',
        long,
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    selector: String,
    /// All of the type in the namespace.
    #[arg(long, conflicts_with = "selector")]
    all: bool,
    /// What happens to dependents.
    #[arg(long, value_enum, default_value_t = Cascade::Background)]
    cascade: Cascade,
    /// Seconds that the objects may take to end; 0 for at once.
    #[arg(long, value_name = "SECONDS")]
    grace_period: Option<u32>,
    /// It is no failure if an object is not there.
    #[arg(long)]
    ignore_not_found: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Cascade {
    Background,
    Foreground,
    Orphan,
}

impl Options {
    fn how(&self) -> DeleteOptions {
        DeleteOptions {
            grace_period_seconds: self.grace_period.map(i64::from),
            propagation_policy: Some(match self.cascade {
                Cascade::Background => Propagation::Background,
                Cascade::Foreground => Propagation::Foreground,
                Cascade::Orphan => Propagation::Orphan,
            }),
            ..DeleteOptions::default()
        }
    }
}

pub(crate) fn run(options: Options) -> Outcome {
    block_on(async {
        let session = options.server.connect().await?;
        if options.filename.is_empty() {
            by_words(&session, &options).await?;
        } else {
            for document in manifest::read(&options.filename)? {
                let entry = entry(&session, &document)?;
                let flag = options.server.namespace.as_deref();
                let namespace = namespace(&session, &document, flag)?;
                one(&session, &options, entry, &namespace, &document.name).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn by_words(session: &Session, options: &Options) -> Result<(), Failure> {
    for (kind, name) in wanted(&options.words)? {
        for entry in session.resources(kind)? {
            match name {
                Some(name) => one(session, options, entry, &session.namespace, name).await?,
                None => many(session, options, entry).await?,
            }
        }
    }
    Ok(())
}

/// Deletes what is selected, one by one, so that each is told.
async fn many(session: &Session, options: &Options, entry: &Entry) -> Result<(), Failure> {
    if !options.all && options.selector.is_empty() {
        return Err(Failure::usage("name the objects, or say which by -l or --all"));
    }
    let list = ListOptions {
        selectors: Selectors {
            labels: options.selector.clone(),
            ..Selectors::default()
        },
        ..ListOptions::default()
    };
    let place = entry.resource.within(&session.namespace);
    for object in session.client.list_all(place, &list).await?.items {
        one(session, options, entry, &session.namespace, &object.name()).await?;
    }
    Ok(())
}

async fn one(
    session: &Session,
    options: &Options,
    entry: &Entry,
    namespace: &str,
    name: &str,
) -> Result<(), Failure> {
    let place = entry.resource.within(namespace).named(name);
    match session.client.delete(place, &options.how()).await {
        Err(error) if options.ignore_not_found && error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => {
            let shown = shown(entry, name);
            let (kind, name) = shown.split_once('/').unwrap_or((&shown, ""));
            Ok(writeln!(io::stdout(), "{kind} {name:?} deleted")?)
        }
    }
}
