//! The files of a build, from the client.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::{Options, disk};
use crate::build::{Builds, Context, Opened, Remote};
use crate::filesync::{Archive, Kept, Wanted, receive};
use crate::grpc::{Code, Status};
use crate::policy::Policies;
use crate::progress::{Progress, Step};
use crate::session::Session;
use crate::thread::on_thread;

/// The largest Dockerfile and `.dockerignore` in bytes.
const MAX_DOCKERFILE: u64 = 4 << 20;
const MAX_IGNORE: u64 = 1 << 20;

pub(super) struct Files {
    pub(super) session: Arc<Session>,
    /// The sessions of directories that have others.
    pub(super) others: BTreeMap<String, Arc<Session>>,
    pub(super) builds: Arc<dyn Builds>,
    pub(super) kept: Arc<Kept>,
    pub(super) progress: Arc<Progress>,
    pub(super) policies: Arc<Policies>,
}

/// A Dockerfile as it was found.
pub(super) struct Dockerfile {
    pub(super) name: String,
    pub(super) text: Vec<u8>,
    /// Its own list of what is not sent.
    ignore: Option<Vec<u8>>,
}

impl Files {
    /// What is not sent of a client's directory.
    pub(super) async fn ignored(
        &self,
        dockerfile: &Dockerfile,
        directory: &str,
    ) -> Result<Option<Vec<u8>>, Status> {
        match &dockerfile.ignore {
            Some(ignore) => Ok(Some(ignore.clone())),
            None => self.ignore(directory).await,
        }
    }

    /// The context of a client's directory, as far as it is used.
    pub(super) async fn local(
        &self,
        directory: &str,
        dockerfile: &Dockerfile,
        uses: Option<Vec<String>>,
    ) -> Result<Context, Status> {
        let ignore = self.ignored(dockerfile, directory).await?;
        let step = self.progress.begin("[internal] load build context");
        let wanted = Wanted {
            directory: directory.to_owned(),
            exclude: patterns(&ignore.unwrap_or_default())?,
            // No path at all would mean everything.
            follow: match uses {
                Some(uses) if uses.is_empty() => vec![dockerfile.name.clone()],
                Some(uses) => uses,
                None => Vec::new(),
            },
            ..Wanted::default()
        };
        let archive = self.fetch(step, "transferring context:", wanted, true).await?;
        Ok(Context::Client(archive))
    }

    /// A named context.
    pub(super) async fn named(&self, directory: &str) -> Result<Context, Status> {
        let ignore = self.ignore(directory).await?.unwrap_or_default();
        let step = self
            .progress
            .begin(format!("[context {directory}] load from client"));
        let wanted = Wanted {
            directory: directory.to_owned(),
            exclude: patterns(&ignore)?,
            ..Wanted::default()
        };
        let part = format!("transferring {directory}:");
        Ok(Context::Client(self.fetch(step, &part, wanted, true).await?))
    }

    pub(super) async fn dockerfile(&self, options: &Options) -> Result<Dockerfile, Status> {
        let name = options.filename.trim_start_matches("./").trim_start_matches('/');
        let step = self
            .progress
            .begin(format!("[internal] load build definition from {name}"));
        let own = format!("{name}.dockerignore");
        let wanted = Wanted {
            directory: options.dockerfile.clone(),
            follow: vec![name.to_owned(), own.clone(), name.to_lowercase()],
            ..Wanted::default()
        };
        let archive = self
            .fetch(step, "transferring dockerfile:", wanted, false)
            .await?;
        let lower = name.to_lowercase();
        let found = archive.find(name).map(|_| name);
        let fallback = || {
            let lower = archive.find(&lower).filter(|_| name == "Dockerfile");
            lower.map(|_| "dockerfile")
        };
        let name = found.or_else(fallback).ok_or_else(|| {
            let sentence = format!("failed to read dockerfile: open {name}: no such file or directory");
            Status::new(Code::Unknown, sentence)
        })?;
        let text = archive
            .read(name, MAX_DOCKERFILE)
            .map_err(disk)?
            .unwrap_or_default();
        let ignore = archive.read(&own, MAX_IGNORE).map_err(disk)?;
        let name = name.to_owned();
        Ok(Dockerfile { name, text, ignore })
    }

    async fn ignore(&self, directory: &str) -> Result<Option<Vec<u8>>, Status> {
        const NAME: &str = ".dockerignore";
        let place = match directory {
            "context" => "internal".to_owned(),
            named => format!("context {named}"),
        };
        let step = self.progress.begin(format!("[{place}] load .dockerignore"));
        let wanted = Wanted {
            directory: directory.to_owned(),
            follow: vec![NAME.to_owned()],
            ..Wanted::default()
        };
        let archive = self.fetch(step, "transferring context:", wanted, false).await?;
        archive.read(NAME, MAX_IGNORE).map_err(disk)
    }

    /// Refuses what the policy denies. What it converts would be no directory or layout of the client any more.
    pub(super) fn judge(&self, identifier: &str) -> Result<(), Status> {
        let (mut judged, mut attrs) = (identifier.to_owned(), BTreeMap::new());
        let changed = self.policies.judge(&mut judged, &mut attrs);
        let changed = changed.map_err(|denied| {
            let sentence = format!("error evaluating the source policy: {denied}");
            Status::new(Code::Unknown, sentence)
        })?;
        match changed {
            true => Err(Status::unimplemented(format!(
                "the source policy converts {identifier}, which is not supported"
            ))),
            false => Ok(()),
        }
    }

    async fn fetch(
        &self,
        step: Step,
        part: &str,
        wanted: Wanted,
        keep: bool,
    ) -> Result<Arc<Archive>, Status> {
        if let Err(denied) = self.judge(&format!("local://{}", wanted.directory)) {
            step.failed(&*denied.message);
            return Err(denied);
        }
        let head = self.session.head();
        let key = format!("{}:{}:{}", head.name, head.shared_key, wanted.directory);
        let known = self.kept.get(&key).filter(|_| keep);
        let session = self
            .others
            .get(&wanted.directory)
            .unwrap_or(&self.session)
            .clone();
        let builds = self.builds.clone();
        let received = on_thread(Box::pin(async move {
            let spool = || builds.spool();
            receive(&session, &wanted, known.as_ref(), &spool).await
        }))
        .await;
        match received {
            Ok(received) => {
                step.part(&format!("{part} {}", shown(received.transferred)), 0, 0, true);
                step.done(false);
                if keep {
                    self.kept.put(key, received.archive.clone());
                }
                Ok(received.archive)
            }
            Err(status) => {
                step.failed(&*status.message);
                Err(status)
            }
        }
    }

    /// An archive that the client reads from its standard input.
    pub(super) async fn upload(&self, path: &str) -> Result<Opened, Status> {
        let step = self.progress.begin("[internal] load remote build context");
        let sent = async {
            let file = self.received(path).await?;
            self.builds.open(Remote::Sent(file), self.session.clone()).await
        };
        told(step, sent.await)
    }

    /// What lies at an address.
    pub(super) async fn remote(&self, remote: Remote, title: String) -> Result<Opened, Status> {
        let step = self.progress.begin(title);
        let opened = async {
            match &remote {
                Remote::Address { url, .. } | Remote::File(url) => self.judge(url)?,
                Remote::Sent(_) => {}
            }
            self.builds.open(remote, self.session.clone()).await
        };
        told(step, opened.await)
    }

    /// The Dockerfile of a context that is no directory of the client.
    pub(super) async fn dockerfile_in(&self, context: &Opened, name: &str) -> Result<Dockerfile, Status> {
        let (name, text) = self.builds.dockerfile(context, name).await?;
        let ignore = None;
        Ok(Dockerfile { name, text, ignore })
    }

    async fn received(&self, path: &str) -> Result<File, Status> {
        let file = self.builds.spool().map_err(disk)?;
        let kept = file.try_clone().map_err(disk)?;
        let (session, path) = (self.session.clone(), path.to_owned());
        on_thread(Box::pin(async move {
            let mut offset = 0;
            let take = |piece: &[u8]| {
                file.write_all_at(piece, offset)?;
                offset += piece.len() as u64;
                Ok(())
            };
            session.pull(&path, take).await
        }))
        .await?;
        Ok(kept)
    }
}

/// Ends a step as what it did ended.
fn told<T>(step: Step, done: Result<T, Status>) -> Result<T, Status> {
    match &done {
        Ok(_) => step.done(false),
        Err(status) => step.failed(&*status.message),
    }
    done
}

/// The patterns of a `.dockerignore`, in the form of the file sync's metadata.
fn patterns(text: &[u8]) -> Result<Vec<String>, Status> {
    let text = String::from_utf8_lossy(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::trim);
    lines.filter(|line| !line.is_empty()).map(pattern).collect()
}

fn pattern(line: &str) -> Result<String, Status> {
    let (mark, rest) = match line.strip_prefix('!') {
        Some(rest) => ("!", rest.trim()),
        None => ("", line),
    };
    if rest.is_empty() {
        return Err(Status::invalid("illegal exclusion pattern: \"!\""));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let cleaned = if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    };
    Ok(format!("{mark}{cleaned}"))
}

/// Bytes as people read them.
pub(crate) fn shown(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{:02}{name}", bytes / unit, bytes % unit * 100 / unit),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_clean() {
        let text = "\u{feff}# comment\n\n /a/ \n!b/../c\n.\n./d//e\n";
        assert_eq!(patterns(text.as_bytes()).unwrap(), ["a", "!c", ".", "d/e"]);
        assert!(patterns(b"!\n").is_err());
    }

    #[test]
    fn sizes_are_shown_as_upstream_shows_them() {
        assert_eq!(
            [shown(2), shown(1234), shown(5_060_000)],
            ["2B", "1.23kB", "5.06MB"]
        );
    }
}
