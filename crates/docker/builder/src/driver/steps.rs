//! The steps of a stage: each is taken from the cache or carried out.

use std::collections::BTreeMap;

use image::{Digest, HistoryRow, ImageConfig};

use super::{Current, Driver, blocking};
use crate::BuildError;
use crate::cache::{ImagePaths, KeyParts};
use crate::config::{self, Draft, Note};
use crate::copy::{CopyPlan, Forgetful, Known, Origin};
use crate::dockerfile::{self, Command, Copy, Instruction, InstructionKind};
use crate::executor::{Executor, RunPlan, Step, Work};

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
            self.dispatch(current, &instruction).await?;
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
            InstructionKind::Run(run) => self.run(current, &run.command).await,
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
        let work = match kind {
            InstructionKind::Arg(definitions) => {
                definitions
                    .into_iter()
                    .for_each(|definition| self.arguments.define(definition));
                Work::Nothing
            }
            InstructionKind::Workdir(_) => Work::Directory(current.draft.config.working_dir.clone()),
            _ => Work::Nothing,
        };
        let command = current.draft.note(&note);
        let key = self.key(current, &command, "");
        if self.probe(current, &key).await? {
            return Ok(());
        }
        // Upstream makes a container for each such step. Nothing runs, so its id is all there is.
        let container = Digest::of(format!("{key} {}", self.cache.now()).as_bytes()).short();
        self.output
            .text(format!(" ---> Running in {container}\n"))
            .await?;
        self.perform(current, key, &command, work).await?;
        if self.options.rm {
            self.output
                .text(format!("Removing intermediate container {container}\n"))
                .await?;
        }
        Ok(())
    }

    async fn copy(
        &mut self,
        current: &mut Current,
        verb: &'static str,
        copy: Copy,
    ) -> Result<(), BuildError> {
        let plan = self.copy_plan(current, verb, copy).await?;
        let command = current.draft.note(&Note::Joined(plan.comment()));
        let key = self.key(current, &command, "");
        if self.probe(current, &key).await? {
            return Ok(());
        }
        self.perform(current, key, &command, Work::Copy(plan)).await
    }

    /// Finds and hashes the files, on a thread that may wait for the disk.
    async fn copy_plan(
        &self,
        current: &Current,
        verb: &'static str,
        copy: Copy,
    ) -> Result<CopyPlan, BuildError> {
        let from =
            match &copy.from {
                Some(from) => {
                    let image = self.copy_from(current, from);
                    Some(image.map_err(|error| {
                        BuildError::Step(format!("invalid from flag value {from}: {error}"))
                    })?)
                }
                None => None,
            };
        let (executor, cache, context) = (self.executor.clone(), self.cache.clone(), self.context.clone());
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
            };
            CopyPlan::new(verb, &copy, &origin).map_err(BuildError::Step)
        })
        .await
    }

    /// What `--from` means: a stage by name or number, else an image.
    fn copy_from(&self, current: &Current, from: &str) -> Result<Option<Digest>, BuildError> {
        if let Some(done) = self.by_name(from) {
            return Ok(done.image);
        }
        let Ok(number) = from.parse::<i64>() else {
            return self.image(from).map(|base| Some(base.id));
        };
        let number = usize::try_from(number)
            .ok()
            .filter(|number| *number <= current.number);
        match number {
            None => Err(BuildError::Step("index out of bounds".to_owned())),
            Some(number) if number == current.number => {
                Err(BuildError::Step("refers to current build stage".to_owned()))
            }
            Some(number) => {
                let stage = self.done.iter().find(|done| done.number == number);
                stage
                    .map(|done| done.image)
                    .ok_or_else(|| BuildError::Step("index out of bounds".to_owned()))
            }
        }
    }

    async fn run(&mut self, current: &mut Current, command: &Command) -> Result<(), BuildError> {
        let (mut words, script) = command_line(&current.draft, command);
        if words.is_empty() {
            // `RUN []` runs what a container of the image would.
            let config = &current.draft.config;
            words = config
                .entrypoint
                .iter()
                .chain(&config.cmd)
                .flatten()
                .cloned()
                .collect();
        }
        if words.is_empty() {
            return Err(BuildError::Invalid("No command specified".to_owned()));
        }
        let arguments = self.arguments.variables(&current.draft.config.env);
        let recorded = self.recorded(&words, &arguments);
        let script_text = script.as_ref().map_or("", |(_, text)| text.as_str());
        let key = self.key(current, &recorded, script_text);
        if self.probe(current, &key).await? {
            return Ok(());
        }
        let config = &current.draft.config;
        let given = arguments.iter().map(|(name, value)| format!("{name}={value}"));
        let plan = RunPlan {
            args: words,
            env: config.env.iter().cloned().chain(given).collect(),
            user: config.user.clone(),
            cwd: config.working_dir.clone(),
            script,
        };
        self.perform(current, key, &recorded, Work::Run(plan)).await
    }

    /// A command as the history and the cache know it: with the arguments it sees before it,
    /// behind a bar and their number, which no command begins with.
    fn recorded(&self, words: &[String], arguments: &BTreeMap<String, String>) -> Vec<String> {
        if arguments.is_empty() {
            return words.to_vec();
        }
        let persistent = arguments
            .iter()
            .filter(|(name, _)| self.arguments.is_persistent(name));
        let mut given: Vec<String> = persistent
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        given.sort_unstable();
        let bar = format!("|{}", given.len());
        std::iter::once(bar)
            .chain(given)
            .chain(words.iter().cloned())
            .collect()
    }

    fn key(&self, current: &Current, command: &[String], script: &str) -> Digest {
        KeyParts {
            parent: current.image.as_ref(),
            platform: &format!("{}/{}", current.inherited.os, current.inherited.architecture),
            author: &current.draft.author,
            config: &current.draft.config,
            command,
            script,
        }
        .digest()
    }

    /// Takes a step from the cache, if it has it.
    async fn probe(&self, current: &mut Current, key: &Digest) -> Result<bool, BuildError> {
        if self.options.no_cache || current.missed {
            return Ok(false);
        }
        let allowed = |image: &Digest| {
            self.sources
                .as_ref()
                .is_none_or(|sources| sources.contains(image))
        };
        let known = self.cache.get(key);
        let found = known.filter(allowed);
        let held = found
            .map(|image| self.executor.hold(&image))
            .transpose()?
            .flatten();
        match held {
            Some(base) => {
                self.cache.used(key);
                self.output.text(" ---> Using cache\n").await?;
                current.image = Some(base.id);
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

    async fn perform(
        &self,
        current: &mut Current,
        key: Digest,
        command: &[String],
        work: Work,
    ) -> Result<(), BuildError> {
        let created_by = command.join(" ");
        let step = Step {
            parent: current.image,
            config: current.image_config(),
            history: HistoryRow {
                created: Some(self.cache.now()),
                created_by: created_by.clone(),
                author: current.draft.author.clone(),
                ..HistoryRow::default()
            },
            work,
        };
        let made = self.executor.carry_out(step, &self.output).await?;
        self.cache.put(key, made.id, current.image, created_by).await;
        current.image = Some(made.id);
        Ok(())
    }
}

/// What of a base's configuration belongs to the container that made it, and not to what is built
/// upon it.
const NOT_INHERITED: [&str; 5] = ["container", "container_config", "docker_version", "id", "parent"];

impl Current {
    fn image_config(&self) -> ImageConfig {
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

/// The words of a command, and the program of its here-document if that is one.
fn command_line(draft: &Draft, command: &Command) -> (Vec<String>, Option<(String, String)>) {
    let mut command = command.clone();
    let line = command.arguments.first_mut().filter(|_| command.shell);
    let (Some(line), Some(first)) = (line, command.heredocs.first()) else {
        return (draft.command_line(&command), None);
    };
    let mut script = None;
    if dockerfile::Heredoc::is_announced(line) {
        // The line is nothing but a here-document: that is the shell's program, or one of its own.
        if first.content.starts_with("#!") {
            *line = format!("/dev/pipes/{}", first.name);
            script = Some((first.name.clone(), first.text()));
            command.shell = false;
        } else {
            *line = first.text();
        }
    } else {
        // The shell reads the documents itself.
        for document in &command.heredocs {
            line.push('\n');
            line.push_str(&document.content);
            line.push_str(&document.name);
        }
    }
    (draft.command_line(&command), script)
}
