//! The steps of a stage: each is taken from the cache or carried out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use image::archive::Wanted;
use image::{Digest, HistoryRow, ImageConfig};
use jiff::Timestamp;

use super::{Current, Dialect, Driver, history};
use crate::BuildError;
use crate::cache::KeyParts;
use crate::config;
use crate::dockerfile::{self, Instruction, InstructionKind};
use crate::executor::{Base, Executor, Step, Work};
use crate::services::StepCache;

impl<E: Executor + 'static> Driver<E> {
    pub(super) async fn run_triggers(
        &mut self,
        current: &mut Current,
        triggers: &[String],
    ) -> Result<(), BuildError> {
        if triggers.is_empty() {
            return Ok(());
        }
        let plural = if triggers.len() > 1 { "s" } else { "" };
        self.output
            .text(format!("# Executing {} build trigger", triggers.len()))
            .await?;
        self.output.text(format!("{plural}\n")).await?;
        for trigger in triggers {
            let instruction = dockerfile::parse_instruction(trigger).map_err(|source| BuildError::Parse {
                name: "ONBUILD trigger".to_owned(),
                source,
            })?;
            self.watched_trigger(current, &instruction).await?;
        }
        Ok(())
    }

    pub(super) async fn dispatch(
        &mut self,
        current: &mut Current,
        instruction: &Instruction,
    ) -> Result<(), BuildError> {
        if self.output.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        let kind = config::expand(instruction, self.lex, &current.draft.config.env, &self.arguments)
            .map_err(|error| BuildError::Invalid(error.to_string()))?;
        match kind {
            InstructionKind::Run(run) => self.run(current, &run).await,
            InstructionKind::Add(copy) => self.copy(current, "ADD", copy).await,
            InstructionKind::Copy(copy) => self.copy(current, "COPY", copy).await,
            kind => self.amend(current, kind).await,
        }
    }

    /// An instruction about the configuration.
    async fn amend(&mut self, current: &mut Current, kind: InstructionKind) -> Result<(), BuildError> {
        let mut printed = Vec::new();
        let note = current
            .draft
            .amend(&kind, &mut |text| printed.push(text))
            .map_err(BuildError::Invalid)?;
        for text in printed {
            self.output.text(text).await?;
        }
        let buildkit = self.options.dialect == Dialect::BuildKit;
        let mut more = Vec::new();
        let work = match &kind {
            InstructionKind::Arg(definitions) => {
                definitions.iter().cloned().for_each(|definition| match buildkit {
                    true => self.arguments.define_over(definition),
                    false => self.arguments.define(definition),
                });
                Work::Nothing
            }
            InstructionKind::Env(pairs) => {
                pairs.iter().for_each(|pair| self.arguments.set(&pair.name));
                Work::Nothing
            }
            InstructionKind::Workdir(_) => {
                let user = current.draft.config.user.clone();
                let user = Some(user).filter(|_| buildkit).unwrap_or_default();
                more.extend((!user.is_empty()).then(|| "its user's".to_owned()));
                Work::Directory(current.draft.config.working_dir.clone(), user)
            }
            _ => Work::Nothing,
        };
        let command = current.draft.note(&note);
        let key = self.key(current, &command, "", &more);
        self.tell_amended(current, &kind, &note);
        if self.probe(current, &key, Some(&command.join(" "))).await? {
            return Ok(());
        }
        // Upstream makes a container for each such step. Nothing runs, so its id is all there is.
        let container = Digest::of(format!("{key} {}", self.cache.now()).as_bytes()).short();
        self.output
            .text(format!(" ---> Running in {container}\n"))
            .await?;
        self.perform(current, key, command.join(" "), work).await?;
        if self.options.rm {
            self.output
                .text(format!("Removing intermediate container {container}\n"))
                .await?;
        }
        Ok(())
    }

    pub(super) fn key(&self, current: &Current, command: &[String], script: &str, more: &[String]) -> Digest {
        let epoch = self.epoch.map(|epoch| format!("epoch {}", epoch.as_second()));
        let more: Vec<String> = more.iter().cloned().chain(epoch).collect();
        KeyParts {
            parent: current.image.as_ref(),
            platform: &format!("{}/{}", current.inherited.os, current.inherited.architecture),
            author: &current.draft.author,
            config: &current.draft.config,
            command,
            script,
            more: &more,
        }
        .digest()
    }

    /// Takes a step from the cache, if it has it. `command` is what its row of a history says, where that is known.
    pub(super) async fn probe(
        &self,
        current: &mut Current,
        key: &Digest,
        command: Option<&str>,
    ) -> Result<bool, BuildError> {
        if self.options.no_cache || current.no_cache || current.missed {
            return Ok(false);
        }
        let allowed = |image: &Digest| {
            self.sources
                .as_ref()
                .is_none_or(|sources| sources.all.contains(image))
        };
        let known = self.cache.get(key);
        let found = known.filter(allowed);
        let held = found
            .map(|image| self.executor.hold(&image))
            .transpose()?
            .flatten();
        let steps = self.options.services.steps.as_ref();
        let held = match (held, steps) {
            (None, Some(steps)) => self.elsewhere(steps, current.image, key).await?,
            (held, _) => held,
        };
        let held = match (held, command) {
            (None, Some(command)) => self.told_by_sources(current, key, command).await?,
            (held, _) => held,
        };
        match held {
            Some(base) => {
                steps.inspect(|steps| steps.made(key, &base.id));
                self.cache.used(key);
                self.output.text(" ---> Using cache\n").await?;
                current.image = Some(base.id);
                current.hit = true;
                Ok(true)
            }
            None => {
                if found.is_some() {
                    self.cache.forget(key);
                }
                current.missed = true;
                Ok(false)
            }
        }
    }

    /// A step that somebody else has carried out. From now on it is in the cache.
    async fn elsewhere(
        &self,
        steps: &Arc<dyn StepCache>,
        parent: Option<Digest>,
        key: &Digest,
    ) -> Result<Option<Base>, BuildError> {
        let Some(image) = steps.step(key).await else {
            return Ok(None);
        };
        let held = self.executor.hold(&image)?;
        if let Some(base) = &held {
            let row = base.config.history.last();
            let description = row.map(|row| row.created_by.clone()).unwrap_or_default();
            self.cache.put(*key, image, parent, description).await;
        }
        Ok(held)
    }

    /// What a step made that is upon nothing, or whose key says what it is upon: from the cache, or from a cache that
    /// somebody else has written. It is noted for those that this build writes.
    pub(super) async fn anywhere(&self, key: &Digest) -> Result<Option<Digest>, BuildError> {
        let mut known = self.linked(key)?;
        let Some(steps) = &self.options.services.steps else {
            return Ok(known);
        };
        if known.is_none() && !self.options.no_cache {
            known = self.elsewhere(steps, None, key).await?.map(|base| base.id);
        }
        known.inspect(|image| steps.made(key, image));
        Ok(known)
    }

    pub(super) async fn perform(
        &self,
        current: &mut Current,
        key: Digest,
        command: String,
        work: Work,
    ) -> Result<(), BuildError> {
        // A step that nobody is told of is a row all the same until the history is told.
        let told = current.told.last().cloned().flatten();
        let step = Step {
            parent: current.image,
            config: ImageConfig {
                created: self.epoch,
                ..current.image_config()
            },
            history: HistoryRow {
                created: Some(self.epoch.unwrap_or_else(|| self.cache.now())),
                created_by: told.unwrap_or(command),
                comment: history::comment(self.options.dialect).to_owned(),
                author: current.draft.author.clone(),
                ..HistoryRow::default()
            },
            work,
            hidden: self.options.dialect == Dialect::BuildKit,
            epoch: self.epoch.map(Timestamp::as_second),
            wanted: Wanted::default(),
        };
        current.image = Some(self.make(key, step).await?.id);
        Ok(())
    }

    /// What somebody else takes their time for ends with the caller: dropped, it lets go of what it holds.
    pub(super) async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, BuildError> {
        tokio::select! {
            done = work => Ok(done),
            () = self.output.cancelled() => Err(BuildError::Cancelled),
        }
    }

    /// Each step is an image whose configuration tells all before it.
    fn pay_for(&self, config: &ImageConfig) -> Result<(), BuildError> {
        let bytes = serde_json::to_vec(config).map_or(0, |bytes| bytes.len());
        let before = self.graph.configurations.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > MAX_CONFIGURATIONS {
            return Err(BuildError::Invalid(format!(
                "the configurations of this build's steps take more than {MAX_CONFIGURATIONS} bytes"
            )));
        }
        Ok(())
    }

    /// Carries out a step and remembers it. Stages that have it in common wait for the one that came first, as with
    /// BuildKit: else each would make its own, and only what stands upon the last would be found again.
    pub(super) async fn make(&self, key: Digest, step: Step) -> Result<Base, BuildError> {
        if self.options.dialect == Dialect::Classic {
            return self.make_alone(key, step).await;
        }
        let making = self.graph.making(key);
        making
            .get_or_try_init(|| self.make_alone(key, step))
            .await
            .cloned()
    }

    async fn make_alone(&self, key: Digest, step: Step) -> Result<Base, BuildError> {
        let (parent, description) = (step.parent, step.history.created_by.clone());
        // Nothing closes the room.
        let room = tokio::select! {
            room = self.graph.room.acquire() => room.ok(),
            () = self.output.cancelled() => return Err(BuildError::Cancelled),
        };
        let made = self.executor.carry_out(step, &self.output).await?;
        drop(room);
        self.pay_for(&made.config)?;
        self.cache.put(key, made.id, parent, description).await;
        let steps = self.options.services.steps.as_ref();
        steps.inspect(|steps| steps.made(&key, &made.id));
        Ok(made)
    }
}

/// At most so many bytes of configurations of one build's steps: the daemon has them in memory, several times over.
const MAX_CONFIGURATIONS: usize = 64 << 20;

/// What of a base's configuration belongs to the container that made it, and not to what is built
/// upon it.
const NOT_INHERITED: [&str; 5] = ["container", "container_config", "docker_version", "id", "parent"];

impl Current {
    pub(super) fn image_config(&self) -> ImageConfig {
        let mut config = self.inherited.clone();
        config
            .extra
            .retain(|name, _| !NOT_INHERITED.contains(&name.as_str()));
        config.author.clone_from(&self.draft.author);
        config.comment = String::new();
        config.created = None;
        config.config.clone_from(&self.draft.config);
        config
    }
}
