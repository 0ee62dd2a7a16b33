//! `COPY` and `ADD`: what is copied, from where, and layers that depend on nothing below.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::archive::Wanted;
use image::{Digest, HistoryRow, ImageConfig, RunConfig};
use jiff::Timestamp;

use super::{Current, Dialect, Driver, Named, blocking};
use crate::BuildError;
use crate::cache::{ImagePaths, KeyParts};
use crate::config::Note;
use crate::copy::{self, CopyPlan, Forgetful, Known, Origin, Remote};
use crate::dockerfile::{Copy, NoVariables};
use crate::executor::{Base, Executor, Step, Work};
use crate::source::{self, Authorization, Checksum, Fetched, GitSource, Kept, Single};
use crate::tree::Tree;

impl<E: Executor + 'static> Driver<E> {
    pub(super) async fn copy(
        &mut self,
        current: &mut Current,
        verb: &'static str,
        copy: Copy,
    ) -> Result<(), BuildError> {
        // Upstream makes no layer apart where modes are changed.
        let link = copy.link && copy.chmod.is_none();
        let known = self.known_beforehand(current, verb, &copy);
        if let Some(key) = &known
            && self.cache.get(key).is_some()
        {
            current.told.push(Some(copy::told(verb, &copy)));
            if self.probe(current, key, None).await? {
                return Ok(());
            }
            current.told.pop();
        }
        let plan = self.copy_plan(verb, copy).await?;
        let command = current.draft.note(&Note::Joined(plan.comment()));
        let mut more = plan.unpacked();
        more.extend(link.then(|| "link".to_owned()));
        more.extend(plan.depends_on_dialect().then(|| "buildkit".to_owned()));
        let key = known.unwrap_or_else(|| self.key(current, &command, "", &more));
        let command = command.join(" ");
        current.told.push(Some(match self.options.dialect {
            Dialect::Classic => command.clone(),
            Dialect::BuildKit => plan.written.clone(),
        }));
        if self.probe(current, &key, Some(&command)).await? {
            return Ok(());
        }
        if link {
            return self.link(current, key, command, plan).await;
        }
        self.perform(current, key, command, Work::Copy(plan)).await
    }

    /// The key of a step whose content is known by its checksum, as BuildKit has it: its server need not be asked.
    fn known_beforehand(&self, current: &Current, verb: &str, copy: &Copy) -> Option<Digest> {
        let ([address], Some(checksum)) = (&copy.sources[..], &copy.checksum) else {
            return None;
        };
        let is_file = matches!(source::named(address), Ok(source::Named::Http)) && verb == "ADD";
        let name = source::file_name(address);
        // A policy is asked before anything is had, from wherever.
        if self.options.services.policy.is_some() {
            return None;
        }
        // What a server calls a file that its address does not name is known to the server only.
        if self.options.dialect == Dialect::Classic || !is_file || name == source::UNNAMED {
            return None;
        }
        let Copy {
            unpack,
            link,
            chown,
            chmod,
            destination,
            ..
        } = copy;
        let words = format!("ADD {checksum} {name} {unpack:?} {link} {chown:?} {chmod:?} in {destination}");
        Some(self.key(current, &[words], "", &["checksum".to_owned()]))
    }

    /// Finds and hashes the files, on a thread that may wait for the disk.
    async fn copy_plan(&self, verb: &'static str, copy: Copy) -> Result<CopyPlan, BuildError> {
        let named = copy.from.as_ref().and_then(|from| self.context(from));
        let (from, files) = match (&copy.from, named) {
            (_, Some(Named::Files(files))) => (None, files.clone()),
            (Some(from), _) => {
                let image = self.copy_from(from).await.map_err(|error| match error {
                    BuildError::Cancelled => error,
                    error if self.options.dialect == Dialect::BuildKit => error,
                    error => BuildError::Step(format!("invalid from flag value {from}: {error}")),
                })?;
                (Some(image), self.context.clone())
            }
            (None, _) => (None, self.context.clone()),
        };
        let remote = self.fetch(verb, &copy).await?;
        let (executor, cache, context) = (self.executor.clone(), self.cache.clone(), files);
        let dialect = self.options.dialect;
        let time = self.epoch.unwrap_or_else(|| self.cache.now()).as_second();
        blocking(move || {
            let known: Box<dyn Known> = match from {
                Some(Some(image)) => Box::new(ImagePaths { cache, image }),
                _ => Box::new(Forgetful),
            };
            let tree = match from {
                Some(image) => executor.tree(image.as_ref())?,
                None => context,
            };
            let origin = Origin {
                tree,
                image: from.is_some(),
                known: &*known,
                remote: &remote,
                time,
                dialect,
            };
            CopyPlan::new(verb, &copy, &origin).map_err(BuildError::Step)
        })
        .await
    }

    /// Fetches what is no file of the context.
    pub(super) async fn fetch(
        &self,
        verb: &str,
        copy: &Copy,
    ) -> Result<BTreeMap<String, Remote>, BuildError> {
        let mut fetched = BTreeMap::new();
        for (address, git) in copy::addresses(verb, copy, self.options.dialect).map_err(BuildError::Step)? {
            let Some(fetch) = &self.options.services.fetch else {
                return Err(BuildError::Unsupported(format!(
                    "ADD of {address}: this builder fetches nothing from addresses"
                )));
            };
            let failed = |error: String| {
                BuildError::Step(match self.options.dialect {
                    Dialect::Classic => format!("failed to load {address}: {error}"),
                    Dialect::BuildKit => format!("failed to load cache key: {error}"),
                })
            };
            let remote = match git {
                Some(mut git) => {
                    self.judge_repository(&git)?;
                    let agent = self.agent_for(&git).await?;
                    if let Some(secrets) = &self.options.services.secrets {
                        let known = Authorization::of(&git, &**secrets).await;
                        git.authorization = known.map_err(BuildError::Step)?;
                    }
                    let repository = self
                        .unless_cancelled(fetch.git(&git, agent))
                        .await?
                        .map_err(failed)?;
                    let (hash, time) = (source::identity(&git, &repository), repository.time);
                    let tree = blocking(move || {
                        Kept::open(repository).map_err(BuildError::io("opening a repository"))
                    });
                    Remote {
                        tree: Arc::new(tree.await?),
                        name: String::new(),
                        hash: Some(hash),
                        time,
                    }
                }
                None => {
                    let checksum = copy.checksum.as_deref().map(Checksum::parse).transpose();
                    let checksum = checksum.map_err(|error| BuildError::Invalid(error.to_owned()))?;
                    let (judged, demanded) = self.judged_address(&address)?;
                    let who = self.who_asks(&judged).await?;
                    let body = self
                        .unless_cancelled(fetch.http(&judged, &who))
                        .await?
                        .map_err(failed)?;
                    let url = address.clone();
                    let checksum = demanded.or(checksum);
                    blocking(move || fetched_file(&url, body, checksum.as_ref())).await?
                }
            };
            fetched.insert(address, remote);
        }
        Ok(fetched)
    }

    /// As whom a file is asked for.
    pub(super) async fn who_asks(&self, address: &str) -> Result<Authorization, BuildError> {
        let secrets = self.options.services.secrets.as_deref();
        Authorization::of_file(address, secrets)
            .await
            .map_err(BuildError::Step)
    }

    /// The client's keys, where a repository is asked for that wants some.
    pub(super) async fn agent_for(&self, git: &GitSource) -> Result<Option<PathBuf>, BuildError> {
        match &self.options.services.ssh {
            Some(ssh) if git.is_ssh() => ssh.agent("default").await.map_err(BuildError::Step),
            _ => Ok(None),
        }
    }

    /// What `--from` means: a stage by name or number, else an image.
    async fn copy_from(&self, from: &str) -> Result<Option<Digest>, BuildError> {
        if self.lex.word(from, &NoVariables).ok().as_deref() != Some(from) {
            return Err(BuildError::Step(copy::NO_VARIABLES.to_owned()));
        }
        if let Some(Named::Result(image)) = self.context(from) {
            return Ok(Some(self.held(image)?.id));
        }
        if let Some(Named::Image(image)) = self.context(from) {
            if image == "scratch" {
                return Ok(None);
            }
            let base = self.image(image, self.asked()).await;
            return base.map(|base| Some(base.id));
        }
        match self.source_stage(from)? {
            Some(stage) => Ok(self.wait_for(stage).await?.image),
            None => {
                let base = self.image(from, self.asked()).await;
                base.map(|base| Some(base.id))
            }
        }
    }

    /// `--link`: the layer is made upon nothing, so that it is the same whatever is below, and is put
    /// upon the stage then.
    async fn link(
        &self,
        current: &mut Current,
        key: Digest,
        command: String,
        mut plan: CopyPlan,
    ) -> Result<(), BuildError> {
        plan.make_absolute(&current.draft.config.working_dir);
        let epoch = self.epoch.map(Timestamp::as_second);
        let words = ["link".to_owned(), plan.comment()];
        let alone = KeyParts {
            parent: None,
            platform: &format!("{}/{}", current.inherited.os, current.inherited.architecture),
            author: "",
            config: &RunConfig::default(),
            command: &words,
            script: "",
            more: &epoch
                .map(|epoch| format!("epoch {epoch}"))
                .into_iter()
                .collect::<Vec<_>>(),
        };
        let alone = alone.digest();
        let layer = match self.linked(&alone)? {
            Some(layer) => {
                self.output.text(" ---> Using cache\n").await?;
                layer
            }
            None => {
                let step = Step {
                    parent: None,
                    config: ImageConfig {
                        created: self.epoch,
                        ..ImageConfig::for_host()
                    },
                    history: HistoryRow {
                        created: Some(self.epoch.unwrap_or_else(|| self.cache.now())),
                        created_by: format!("{} --link", words[1]),
                        ..HistoryRow::default()
                    },
                    work: Work::Copy(plan),
                    hidden: true,
                    epoch,
                    wanted: Wanted::default(),
                };
                self.make(alone, step).await?.id
            }
        };
        self.perform(current, key, command, Work::Stack(layer)).await
    }

    /// An image that is nothing but files: what a stage begins with that begins with a named context.
    pub(super) async fn files_alone(&self, files: Arc<dyn Tree>) -> Result<Base, BuildError> {
        let dialect = self.options.dialect;
        let plan = blocking(move || {
            let copy = Copy {
                sources: vec![".".to_owned()],
                destination: "/".to_owned(),
                ..Copy::default()
            };
            let origin = Origin {
                tree: files,
                image: false,
                known: &Forgetful,
                remote: &BTreeMap::new(),
                time: 0,
                dialect,
            };
            CopyPlan::new("COPY", &copy, &origin).map_err(BuildError::Step)
        });
        let plan = plan.await?;
        let words = ["files".to_owned(), plan.comment()];
        let epoch = self.epoch.map(Timestamp::as_second);
        let key = KeyParts {
            parent: None,
            platform: &crate::platform::text(&self.platform),
            author: "",
            config: &RunConfig::default(),
            command: &words,
            script: "",
            more: &epoch
                .map(|epoch| format!("epoch {epoch}"))
                .into_iter()
                .collect::<Vec<_>>(),
        };
        let key = key.digest();
        if let Some(known) = self.anywhere(&key).await?
            && let Some(base) = self.executor.hold(&known)?
        {
            return Ok(base);
        }
        let step = Step {
            parent: None,
            config: ImageConfig {
                created: self.epoch,
                ..ImageConfig::for_host()
            },
            history: HistoryRow {
                created: Some(self.epoch.unwrap_or_else(|| self.cache.now())),
                created_by: plan.written.clone(),
                ..HistoryRow::default()
            },
            work: Work::Copy(plan),
            hidden: true,
            epoch,
            wanted: Wanted::default(),
        };
        self.make(key, step).await
    }

    /// A layer that was made for a link before.
    pub(super) fn linked(&self, key: &Digest) -> Result<Option<Digest>, BuildError> {
        if self.options.no_cache || self.sources.is_some() {
            return Ok(None);
        }
        let known = self.cache.get(key);
        let held = known
            .map(|image| self.executor.hold(&image))
            .transpose()?
            .flatten();
        match &held {
            Some(_) => self.cache.used(key),
            None if known.is_some() => self.cache.forget(key),
            None => {}
        }
        Ok(held.map(|base| base.id))
    }
}

/// A file that was fetched, if it is what it should be.
pub(super) fn fetched_file(
    url: &str,
    body: Fetched,
    checksum: Option<&Checksum>,
) -> Result<Remote, BuildError> {
    let failed = || BuildError::io("reading what was fetched");
    // What the server calls it counts only where the address has no name.
    let name = match (source::file_name(url), &body.name) {
        (name, Some(said)) if name == source::UNNAMED => said.clone(),
        (name, _) => name,
    };
    let time = body.modified;
    let single = Single::fetched(name.clone(), body).map_err(failed())?;
    if let Some(expected) = checksum {
        let mut content = single.open(Path::new(&name)).map_err(failed())?;
        if let Some(found) = expected.differs(&mut content).map_err(failed())? {
            return Err(BuildError::Step(format!(
                "digest mismatch for {url}: {found} (expected: {})",
                expected.text()
            )));
        }
    }
    Ok(Remote {
        tree: Arc::new(single),
        name,
        hash: None,
        time,
    })
}
