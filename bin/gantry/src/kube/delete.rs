//! `gantry delete`: objects by name, by manifest or by label.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use client::{DeleteOptions, Entry, Propagation};

use super::apply::{entry, namespace, shown};
use super::gone::{Deleted, wait};
use super::which::{Target, Which};
use super::{Server, Session, manifest};
use crate::client::block_on;
use crate::failure::{Failure, Outcome};

/// How long is waited if nothing is said: kubectl's week.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Delete objects, and wait until they are gone.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    which: Which,
    /// Delete what a manifest names: a file, a directory, or - for standard input; may be given again.
    #[arg(short, long = "filename", value_name = "FILE", conflicts_with_all = ["words", "selector", "field_selector", "all_namespaces", "all"])]
    filename: Vec<PathBuf>,
    /// All of the type in the namespace.
    #[arg(long, conflicts_with_all = ["selector", "field_selector"])]
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
    /// Wait until the objects are gone.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true")]
    wait: bool,
    /// How long to wait, such as 30s [default: a week].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
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
        let deleted = if options.filename.is_empty() {
            by_words(&session, &options).await?
        } else {
            by_manifests(&session, &options).await?
        };
        if options.wait {
            wait(&session, &deleted, options.timeout.unwrap_or(LONGEST)).await?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn by_manifests<'a>(session: &'a Session, options: &Options) -> Result<Vec<Deleted<'a>>, Failure> {
    let mut deleted = Vec::new();
    for document in manifest::read(&options.filename)? {
        let entry = entry(session, &document)?;
        let namespace = namespace(session, &document, options.server.namespace.as_deref())?;
        deleted.extend(one(session, options, entry, &namespace, &document.name).await?);
    }
    Ok(deleted)
}

async fn by_words<'a>(session: &'a Session, options: &'a Options) -> Result<Vec<Deleted<'a>>, Failure> {
    let mut deleted = Vec::new();
    for target in options.which.targets(session)? {
        match target.name {
            Some(name) => {
                deleted.extend(one(session, options, target.entry, &session.namespace, name).await?);
            }
            None => deleted.extend(many(session, options, target).await?),
        }
    }
    Ok(deleted)
}

/// Deletes what is selected, one by one, so that each is told.
async fn many<'a>(
    session: &'a Session,
    options: &Options,
    target: Target<'a>,
) -> Result<Vec<Deleted<'a>>, Failure> {
    if !options.all && !options.which.selects() {
        return Err(Failure::usage("name the objects, or say which by -l or --all"));
    }
    let place = options.which.place(session, target);
    let mut deleted = Vec::new();
    for object in session
        .client
        .list_all(place, &options.which.listing())
        .await?
        .items
    {
        let (namespace, name) = (object.namespace(), object.name());
        deleted.extend(one(session, options, target.entry, &namespace, &name).await?);
    }
    Ok(deleted)
}

/// Deletes one and says so; none if it was not there.
async fn one<'a>(
    session: &Session,
    options: &Options,
    entry: &'a Entry,
    namespace: &str,
    name: &str,
) -> Result<Option<Deleted<'a>>, Failure> {
    let place = entry.resource.within(namespace).named(name);
    let answer = match session.client.delete(place, &options.how()).await {
        Err(error) if options.ignore_not_found && error.is_not_found() => return Ok(None),
        answer => answer?,
    };
    let shown = shown(entry, name);
    let (kind, name) = shown.split_once('/').unwrap_or((&shown, ""));
    writeln!(io::stdout(), "{kind} {name:?} deleted")?;
    Ok(Some(Deleted::new(entry, namespace, name, &answer)))
}
