//! Walks a Dockerfile: step by step through the stages that are needed, each step taken from the
//! cache or carried out by the executor.

use std::collections::BTreeMap;
use std::sync::Arc;

use image::{Digest, HistoryRow, ImageConfig, Platform};

use crate::arguments::Arguments;
use crate::cache::{Cache, ImagePaths, KeyParts};
use crate::config::{self, Draft, Note};
use crate::copy::{CopyPlan, Forgetful, Known, Origin};
use crate::dockerfile::{self, Command, Copy, Dockerfile, Instruction, InstructionKind, Lex, Pair, Stage};
use crate::executor::{Base, Executor, RunPlan, Step, Work};
use crate::output::Output;
use crate::tree::Tree;
use crate::{BuildError, golang, stages};

/// What of a request concerns the walk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) args: BTreeMap<String, Option<String>>,
    pub(crate) target: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) no_cache: bool,
    pub(crate) pull: bool,
    /// Whether containers are removed after a step that succeeded.
    pub(crate) rm: bool,
}

/// A walk.
pub(crate) struct Driver<E> {
    executor: Arc<E>,
    cache: Arc<Cache>,
    output: Output,
    options: Options,
    context: Arc<dyn Tree>,
    platform: Platform,
    lex: Lex,
    arguments: Arguments,
    /// Stages that are done: number, name, result.
    done: Vec<(usize, Option<String>, Option<Digest>)>,
    step: usize,
    total: usize,
}

/// The stage that is being built.
struct Current {
    number: usize,
    draft: Draft,
    image: Option<Digest>,
    /// The base's architecture and what else is handed down.
    inherited: ImageConfig,
    /// A step was carried out, so no later one can be in the cache.
    missed: bool,
}

impl<E: Executor + 'static> Driver<E> {
    pub(crate) fn new(
        executor: Arc<E>,
        cache: Arc<Cache>,
        output: Output,
        context: Arc<dyn Tree>,
        options: Options,
    ) -> Self {
        let platform = Platform::host();
        let arguments = Arguments::new(options.args.clone(), &platform, &platform);
        Self {
            executor,
            cache,
            output,
            options,
            context,
            platform,
            lex: Lex::new('\\'),
            arguments,
            done: Vec::new(),
            step: 0,
            total: 0,
        }
    }

    /// Builds a file up to its target.
    ///
    /// # Errors
    /// [`BuildError`]; images of steps that were done stay for the next build.
    pub(crate) async fn build(mut self, mut file: Dockerfile) -> Result<Digest, BuildError> {
        let target = stages::target(&file.stages, self.options.target.as_deref())?;
        self.lex = Lex::new(file.escape);
        add_labels(&mut file.stages[target], &self.options.labels);
        self.warn(&file.warnings).await?;
        let needed = self.plan(&file, target);
        for instruction in &file.meta_args {
            self.announce(&instruction.source).await?;
            self.define_meta(instruction)?;
        }
        for (number, stage) in file.stages.iter().enumerate().take(target + 1) {
            if needed.contains(&number) {
                self.stage(number, stage).await?;
            } else {
                self.skip(stage);
            }
        }
        if let Some(warning) = self.arguments.warning() {
            self.output.text(warning).await?;
        }
        let result = self.done.last().and_then(|(.., image)| *image);
        result.ok_or_else(|| BuildError::Step("No image was generated. Is your Dockerfile empty?".to_owned()))
    }

    async fn warn(&self, warnings: &[String]) -> Result<(), BuildError> {
        if warnings.is_empty() {
            return Ok(());
        }
        let mut text: String = warnings
            .iter()
            .map(|warning| format!("[WARNING]: {warning}\n"))
            .collect();
        text.push_str("[WARNING]: Empty continuation lines will become errors in a future release.\n");
        self.output.error_text(&text).await
    }

    /// The stages that are needed, and how many steps they are. A meta `ARG` that cannot be
    /// expanded fails its own step later.
    fn plan(&mut self, file: &Dockerfile, target: usize) -> std::collections::BTreeSet<usize> {
        let mut arguments = self.arguments.clone();
        for instruction in &file.meta_args {
            if let Ok(definitions) = self.meta_definitions(instruction, &arguments) {
                definitions
                    .into_iter()
                    .for_each(|definition| arguments.define_meta(definition));
            }
        }
        let variables = arguments.meta_variables();
        let scope = crate::arguments::Scope {
            environment: &[],
            arguments: &variables,
        };
        let needed = stages::needed(&file.stages, target, &|stage| {
            self.lex.word(&stage.base, &scope).ok()
        });
        let steps = needed
            .iter()
            .map(|number| 1 + file.stages[*number].instructions.len());
        self.total = file.meta_args.len() + steps.sum::<usize>();
        needed
    }

    fn meta_definitions(
        &self,
        instruction: &Instruction,
        arguments: &Arguments,
    ) -> Result<Vec<dockerfile::ArgDefinition>, BuildError> {
        let InstructionKind::Arg(definitions) = &instruction.kind else {
            return Ok(Vec::new());
        };
        let variables = arguments.meta_variables();
        let scope = crate::arguments::Scope {
            environment: &[],
            arguments: &variables,
        };
        config::expand_definitions(definitions, &|word| self.lex.word(word, &scope))
            .map_err(|error| BuildError::Step(error.to_string()))
    }

    fn define_meta(&mut self, instruction: &Instruction) -> Result<(), BuildError> {
        let definitions = self.meta_definitions(instruction, &self.arguments)?;
        definitions
            .into_iter()
            .for_each(|definition| self.arguments.define_meta(definition));
        Ok(())
    }

    /// An argument that only a stage left out mentions is mentioned all the same.
    fn skip(&mut self, stage: &Stage) {
        for instruction in &stage.instructions {
            if let InstructionKind::Arg(definitions) = &instruction.kind {
                definitions
                    .iter()
                    .for_each(|definition| self.arguments.mention(&definition.name));
            }
        }
    }

    async fn announce(&mut self, source: &str) -> Result<(), BuildError> {
        self.step += 1;
        self.output.step(self.step, self.total, source).await
    }

    async fn stage(&mut self, number: usize, stage: &Stage) -> Result<(), BuildError> {
        if let Some(name) = stage.name.as_deref().filter(|name| self.by_name(name).is_some()) {
            return Err(BuildError::Step(format!("{name} stage name already used")));
        }
        self.announce(&stage.source).await?;
        self.arguments.begin_stage();
        let mut current = self.begin(number, stage).await?;
        self.output.result(current.image.as_ref()).await?;
        for instruction in &stage.instructions {
            self.announce(&instruction.source).await?;
            self.dispatch(&mut current, instruction).await?;
            self.output.result(current.image.as_ref()).await?;
        }
        if let Some(image) = current.image {
            self.output.aux(image).await?;
        }
        self.done.push((number, stage.name.clone(), current.image));
        Ok(())
    }

    fn by_name(&self, name: &str) -> Option<Option<Digest>> {
        let named = |known: &Option<String>| {
            known
                .as_deref()
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        self.done
            .iter()
            .find(|(_, known, _)| named(known))
            .map(|(.., image)| *image)
    }

    async fn begin(&mut self, number: usize, stage: &Stage) -> Result<Current, BuildError> {
        let variables = self.arguments.meta_variables();
        let scope = crate::arguments::Scope {
            environment: &[],
            arguments: &variables,
        };
        let expand = |text: &str| {
            self.lex
                .word(text, &scope)
                .map_err(|error| BuildError::Step(error.to_string()))
        };
        if let Some(platform) = &stage.platform {
            check_platform(&expand(platform)?, &self.platform)?;
        }
        let name = expand(&stage.base)?;
        if name.is_empty() {
            return Err(BuildError::Step(format!(
                "base name ({}) should not be blank",
                stage.base
            )));
        }
        let base = self.base(&name)?;
        let mut inherited = base
            .as_ref()
            .map_or_else(ImageConfig::for_host, |base| base.config.clone());
        let mut draft = Draft::new(std::mem::take(&mut inherited.config));
        let triggers = std::mem::take(&mut draft.config.on_build);
        let image = base.map(|base| base.id);
        let mut current = Current {
            number,
            draft,
            image,
            inherited,
            missed: false,
        };
        self.run_triggers(&mut current, &triggers).await?;
        Ok(current)
    }

    /// The image of a base: an earlier stage, `scratch`, or an image that is here.
    fn base(&self, name: &str) -> Result<Option<Base>, BuildError> {
        match self.by_name(name) {
            Some(None) => Ok(None),
            Some(Some(image)) => self.held(&image).map(Some),
            None if name == "scratch" => Ok(None),
            None => self.image(name).map(Some),
        }
    }

    fn held(&self, image: &Digest) -> Result<Base, BuildError> {
        let gone = || BuildError::NotFound(format!("No such image: {image}"));
        self.executor.hold(image)?.ok_or_else(gone)
    }

    /// An image by reference. Nothing is ever asked of a network.
    fn image(&self, reference: &str) -> Result<Base, BuildError> {
        let found = self.executor.find(reference)?;
        match found {
            Some(base) if !self.options.pull || base.made_here => self.held(&base.id),
            Some(_) => Err(BuildError::Unsupported(format!(
                "pulling {reference} is not supported yet"
            ))),
            None => Err(BuildError::NotFound(format!(
                "No such image: {reference}, and pulling images is not supported yet"
            ))),
        }
    }

    async fn run_triggers(&mut self, current: &mut Current, triggers: &[String]) -> Result<(), BuildError> {
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

    async fn dispatch(&mut self, current: &mut Current, instruction: &Instruction) -> Result<(), BuildError> {
        if self.output.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        if let Some(flag) = instruction.unsupported {
            return Err(BuildError::Unsupported(format!(
                "the --{flag} option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit enabled"
            )));
        }
        let kind = config::expand(instruction, self.lex, &current.draft.config.env, &self.arguments)
            .map_err(|error| BuildError::Invalid(error.to_string()))?;
        match kind {
            InstructionKind::Run(command) => self.run(current, &command).await,
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
        if let Some(image) = self.by_name(from) {
            return Ok(image);
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
                let stage = self.done.iter().find(|(known, ..)| *known == number);
                stage
                    .map(|(.., image)| *image)
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
        given.sort();
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
        let found = self.cache.get(key);
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
                self.cache.forget(key);
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
        self.cache.put(key, made.id, current.image, created_by);
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

/// Runs what waits for the disk on a thread that may.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, BuildError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, BuildError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(BuildError::Step("a build step ended unexpectedly".to_owned())),
    }
}

/// `--label`s are a last instruction each, in the order of their names.
fn add_labels(stage: &mut Stage, labels: &BTreeMap<String, String>) {
    stage
        .instructions
        .extend(labels.iter().map(|(name, value)| Instruction {
            source: format!("LABEL {name}={value}"),
            span: stage.span,
            unsupported: None,
            kind: InstructionKind::Label {
                labels: vec![Pair {
                    name: name.clone(),
                    value: value.clone(),
                }],
                expanded: false,
            },
        }));
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

/// Refuses what is not this machine's.
pub(crate) fn check_platform(asked: &str, host: &Platform) -> Result<(), BuildError> {
    let mut parts = asked.split('/');
    let (os, architecture) = (parts.next().unwrap_or_default(), parts.next());
    let alias = |name: &str| match name {
        "x86_64" | "x86-64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        other => other.to_owned(),
    };
    let fits = match architecture {
        Some(architecture) => os == host.os && alias(architecture) == host.architecture,
        None => os == host.os || alias(os) == host.architecture,
    };
    if fits {
        return Ok(());
    }
    let here = format!("{}/{}", host.os, host.architecture);
    Err(BuildError::Unsupported(format!(
        "building for platform {} is not supported on {here}",
        golang::quote(asked)
    )))
}

#[cfg(test)]
mod tests;
