//! Walks a Dockerfile: step by step through the stages that are needed, each step taken from the
//! cache or carried out by the executor.

mod ancestry;
mod copies;
mod epoch;
mod graph;
mod history;
mod llb;
mod mounts;
mod plan;
mod policy;
mod run;
mod steps;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use image::{Digest, ImageConfig, Platform};
use jiff::Timestamp;
use tokio::sync::mpsc;

use self::graph::{Done, Graph};
use self::history::Told;
pub(crate) use self::llb::Given;
use self::plan::add_labels;
use crate::arguments::{Arguments, Scope};
use crate::cache::Cache;
use crate::config::{self, Draft};
use crate::dockerfile::{
    ArgDefinition, Dockerfile, EmptyContinuation, Instruction, InstructionKind, Lex, Stage,
};
use crate::executor::{Base, Executor};
use crate::output::Output;
use crate::request::Dialect;
use crate::services::{Entitlements, Pull, Services, Wish};
use crate::source::Age;
use crate::tree::Tree;
use crate::watch::Numbering;
use crate::{BuildError, platform, stages};

/// Lines of a pull that wait to be told.
const LINES: usize = 16;

/// What of a request concerns the walk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) args: BTreeMap<String, Option<String>>,
    /// Which of upstream's builders is followed where they differ.
    pub(crate) dialect: Dialect,
    pub(crate) target: Option<String>,
    /// The stage to stop after, by its number; as the target says, if there is none.
    pub(crate) stage: Option<usize>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) no_cache: bool,
    /// Stages of which every step is carried out.
    pub(crate) no_cache_stages: Vec<String>,
    /// What is built for; this machine's if nobody says.
    pub(crate) platform: Option<Platform>,
    /// Whether steps are called by their platforms too.
    pub(crate) platform_shown: bool,
    pub(crate) pull: bool,
    /// Whether containers are removed after a step that succeeded.
    pub(crate) rm: bool,
    /// Where steps may be taken from; anywhere if nobody says.
    pub(crate) cache_from: Vec<String>,
    pub(crate) services: Services,
    pub(crate) entitlements: Entitlements,
    /// Named contexts, opened.
    pub(crate) contexts: BTreeMap<String, Named>,
    /// How old the context is, and the named ones.
    pub(crate) context_age: Age,
    pub(crate) context_ages: BTreeMap<String, Age>,
}

/// A named context.
#[derive(Clone)]
pub(crate) enum Named {
    Files(Arc<dyn Tree>),
    Image(String),
    /// What another build has made.
    Result(Digest),
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(_) => f.write_str("files"),
            Self::Image(name) => f.write_str(name),
            Self::Result(image) => write!(f, "{image}"),
        }
    }
}

/// A walk. The stages have one each, made of the build's.
pub(crate) struct Driver<E> {
    executor: Arc<E>,
    cache: Arc<Cache>,
    output: Output,
    options: Arc<Options>,
    context: Arc<dyn Tree>,
    platform: Platform,
    lex: Lex,
    arguments: Arguments,
    graph: Arc<Graph>,
    /// The stage that is walked.
    number: usize,
    step: usize,
    total: usize,
    /// The only images that may be taken from the cache, if a source of it was named.
    sources: Option<Arc<Sources>>,
    /// `SOURCE_DATE_EPOCH`: when everything was made.
    epoch: Option<Timestamp>,
}

/// Images that `cache_from` names.
#[derive(Default)]
struct Sources {
    named: Vec<Digest>,
    /// And those that they were built upon here.
    all: BTreeSet<Digest>,
}

/// The stage that is being built.
struct Current {
    draft: Draft,
    image: Option<Digest>,
    /// What the history tells of each step since the base that is none of the file's stages.
    told: Told,
    /// The base's architecture and what else is handed down.
    inherited: ImageConfig,
    /// What its commands are for.
    platform: Platform,
    /// A step was carried out, so no later one can be in the cache.
    missed: bool,
    /// No step of it is taken from the cache.
    no_cache: bool,
    /// The step was in the cache.
    hit: bool,
    /// The one source whose history the steps follow, once they follow one.
    source: Option<Digest>,
    numbering: Numbering,
}

impl<E: Executor + 'static> Driver<E> {
    pub(crate) fn new(
        executor: Arc<E>,
        cache: Arc<Cache>,
        output: Output,
        context: Arc<dyn Tree>,
        mut options: Options,
    ) -> Self {
        if options.dialect == Dialect::BuildKit {
            options.platform = options.platform.map(platform::normal);
        }
        let platform = options.platform.clone().unwrap_or_else(Platform::host);
        let arguments = Arguments::new(options.args.clone(), &Platform::host(), &platform);
        Self {
            executor,
            cache,
            output,
            options: Arc::new(options),
            context,
            platform,
            lex: Lex::new('\\'),
            arguments,
            graph: Arc::new(Graph::new(Vec::new(), &BTreeSet::new())),
            number: 0,
            step: 0,
            total: 0,
            sources: None,
            epoch: None,
        }
    }

    /// The same for one stage, whose steps are counted from `step` on.
    fn fork(&self, number: usize, step: usize, output: Output) -> Self {
        Self {
            executor: self.executor.clone(),
            cache: self.cache.clone(),
            output,
            options: self.options.clone(),
            context: self.context.clone(),
            platform: self.platform.clone(),
            lex: self.lex,
            arguments: self.arguments.clone(),
            graph: self.graph.clone(),
            number,
            step,
            total: self.total,
            sources: self.sources.clone(),
            epoch: self.epoch,
        }
    }

    /// Builds a file up to its target.
    ///
    /// # Errors
    /// [`BuildError`]; images of steps that were done stay for the next build.
    pub(crate) async fn build(mut self, mut file: Dockerfile) -> Result<Digest, BuildError> {
        let dialect = self.options.dialect;
        let asked = stages::target(&file.stages, self.options.target.as_deref(), dialect)?;
        let other = self.options.stage.filter(|stage| *stage < file.stages.len());
        let target = other.unwrap_or(asked);
        self.lex = Lex::new(file.escape);
        if target == asked {
            add_labels(&mut file.stages[target], &self.options.labels);
        }
        self.sources = self.cache_sources()?.map(Arc::new);
        if let Some(name) = &file.stages[asked].name {
            self.arguments.set_target(name);
        }
        self.warn(&file.warnings).await?;
        let needed = self.plan(&file, target)?;
        for instruction in &file.meta_args {
            self.announce(&instruction.source).await?;
            self.define_meta(instruction)?;
        }
        self.settle_epoch(&file.stages).await?;
        for (_, stage) in file
            .stages
            .iter()
            .enumerate()
            .filter(|(number, _)| !needed.contains(number))
        {
            self.skip(stage);
        }
        self.graph = Arc::new(Graph::new(file.stages, &needed));
        self.walk(&needed).await?;
        if let Some(warning) = self.arguments.warning() {
            self.output.text(warning).await?;
        }
        let result = self.wait_for(target).await?;
        let result = self.retold(&result).await?;
        result.ok_or_else(|| BuildError::Step("No image was generated. Is your Dockerfile empty?".to_owned()))
    }

    /// The images that `cache_from` names, and those that they were built upon here. One that is
    /// not here is no source.
    fn cache_sources(&self) -> Result<Option<Sources>, BuildError> {
        if self.options.cache_from.is_empty() {
            return Ok(None);
        }
        let mut sources = Sources::default();
        for reference in &self.options.cache_from {
            let mut image = self.executor.find(reference)?;
            sources.named.extend(image.as_ref().map(|base| base.id));
            while let Some(base) = image {
                sources.all.insert(base.id);
                image = base
                    .parent
                    .map(|parent| self.executor.find(&parent.to_string()))
                    .transpose()?
                    .flatten();
            }
        }
        Ok(Some(sources))
    }

    async fn warn(&self, warnings: &[EmptyContinuation]) -> Result<(), BuildError> {
        if warnings.is_empty() {
            return Ok(());
        }
        let mut text: String = warnings
            .iter()
            .map(|warning| {
                format!(
                    "[WARNING]: Empty continuation line found in:\n    {}\n",
                    warning.text
                )
            })
            .collect();
        text.push_str("[WARNING]: Empty continuation lines will become errors in a future release.\n");
        self.output.error_text(&text).await
    }

    fn meta_definitions(
        &self,
        instruction: &Instruction,
        arguments: &Arguments,
    ) -> Result<Vec<ArgDefinition>, BuildError> {
        let InstructionKind::Arg(definitions) = &instruction.kind else {
            return Ok(Vec::new());
        };
        let variables = arguments.meta_variables();
        let scope = Scope {
            environment: &[],
            arguments: &variables,
        };
        config::expand_definitions(definitions, &|word| self.lex.word(word, &scope), &|name| {
            arguments.is_given(name)
        })
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

    async fn stage(&mut self) -> Result<Done, BuildError> {
        let stage = &*self.graph.stage(self.number);
        let twice = stage.name.as_deref().filter(|name| self.earlier(name).is_some());
        if let Some(name) = twice.filter(|_| self.options.dialect == Dialect::Classic) {
            return Err(BuildError::Step(format!("{name} stage name already used")));
        }
        self.announce(&stage.source).await?;
        let begun = self.begin(stage).await;
        let mut current = self.placed(&stage.location, begun)?;
        self.output.result(current.image.as_ref()).await?;
        for instruction in &stage.instructions {
            self.announce(&instruction.source).await?;
            self.watched(&mut current, instruction).await?;
            self.output.result(current.image.as_ref()).await?;
        }
        if let Some(image) = current.image {
            self.output.aux(image).await?;
        }
        Ok(Done {
            image: current.image,
            platform: current.platform,
            told: current.told,
            declared: self.arguments.declared(),
        })
    }

    /// What a stage begins with, and for which platform that is asked for.
    fn base_of(&self, stage: &Stage) -> Result<(String, Option<Platform>), BuildError> {
        let variables = self.arguments.meta_variables();
        let scope = Scope {
            environment: &[],
            arguments: &variables,
        };
        let expand = |text: &str| {
            self.lex
                .word(text, &scope)
                .map_err(|error| BuildError::Step(error.to_string()))
        };
        let asked = match &stage.platform {
            Some(platform) => Some(platform::wanted(&expand(platform)?)?),
            None => self.options.platform.clone(),
        };
        let buildkit = self.options.dialect == Dialect::BuildKit;
        let asked = asked.map(|asked| if buildkit { platform::normal(asked) } else { asked });
        Ok((expand(&stage.base)?, asked))
    }

    async fn begin(&mut self, stage: &Stage) -> Result<Current, BuildError> {
        let buildkit = self.options.dialect == Dialect::BuildKit;
        let (name, asked) = self.base_of(stage)?;
        if name.is_empty() {
            return Err(BuildError::Step(format!(
                "base name ({}) should not be blank",
                stage.base
            )));
        }
        let upon = match self.earlier(&name).filter(|_| self.context(&name).is_none()) {
            Some(earlier) => Some(self.wait_for(earlier).await?),
            None => None,
        };
        // What is built upon another stage is for what that is for.
        let earlier = upon.as_ref().map(|done| done.platform.clone());
        let platform = earlier.or_else(|| asked.clone());
        let platform = platform.unwrap_or_else(|| self.platform.clone());
        let (before, upon) = upon.map(|done| ((done.declared, done.told), done.image)).unzip();
        let based = upon.is_none() && name != "scratch";
        let (declared, told) = before.unwrap_or_default();
        self.arguments.begin_stage(declared);
        let shown = self.options.platform_shown.then(|| platform.clone());
        let place = (self.number, self.graph.len());
        let mut numbering = Numbering::new(stage, place, based, shown.as_ref());
        let base = match based {
            true => {
                self.watched_base(&mut numbering, &name, asked.as_ref(), shown.as_ref())
                    .await?
            }
            false => self.base(&name, upon, asked.as_ref()).await?,
        };
        let mut inherited = base.as_ref().map_or_else(
            || ImageConfig {
                architecture: platform.architecture.clone(),
                os: platform.os.clone(),
                variant: platform.variant.clone(),
                ..ImageConfig::for_host()
            },
            |base| base.config.clone(),
        );
        if base.is_none() && buildkit {
            "/".clone_into(&mut inherited.config.working_dir);
        }
        let mut draft = Draft::new(std::mem::take(&mut inherited.config)).by(self.options.dialect);
        let triggers = std::mem::take(&mut draft.config.on_build);
        let image = base.map(|base| base.id);
        let mut current = Current {
            draft,
            image,
            told,
            inherited,
            platform,
            missed: false,
            no_cache: self.is_uncached(self.number, stage),
            hit: false,
            source: None,
            numbering,
        };
        self.run_triggers(&mut current, &triggers).await?;
        Ok(current)
    }

    /// The named context that stands where a stage or an image of this name would: images are known by any form of their
    /// names.
    pub(crate) fn context(&self, name: &str) -> Option<&Named> {
        let contexts = &self.options.contexts;
        if contexts.is_empty() || matches!(name, "scratch" | "context") {
            return None;
        }
        contexts.get(&name.to_lowercase()).or_else(|| {
            let whole = image::Reference::parse(name).ok()?.with_default_tag().familiar();
            let short = whole.strip_suffix(":latest").unwrap_or(&whole);
            contexts.get(&whole).or_else(|| contexts.get(short))
        })
    }

    /// The image of a base: an earlier stage's, a named context, `scratch`, or an image that is here.
    async fn base(
        &self,
        name: &str,
        stage: Option<Option<Digest>>,
        asked: Option<&Platform>,
    ) -> Result<Option<Base>, BuildError> {
        match self.context(name) {
            Some(Named::Image(image)) if image == "scratch" => return Ok(None),
            Some(Named::Image(image)) => return self.image(image, asked).await.map(Some),
            Some(Named::Result(image)) => return self.held(image).map(Some),
            Some(Named::Files(files)) => return self.files_alone(files.clone()).await.map(Some),
            None => {}
        }
        match stage {
            Some(image) => image.map(|image| self.held(&image)).transpose(),
            None if name == "scratch" => Ok(None),
            None => self.image(name, asked).await.map(Some),
        }
    }

    fn held(&self, image: &Digest) -> Result<Base, BuildError> {
        let gone = || BuildError::NotFound(format!("No such image: {image}"));
        self.executor.hold(image)?.ok_or_else(gone)
    }

    /// What is built for, if somebody has said so.
    fn asked(&self) -> Option<&Platform> {
        self.options.platform.as_ref()
    }

    /// An image by reference: one that is here, or one that the door brings, where another of its name is for another
    /// platform. What was made here is nowhere else, so nobody asks whether there is a newer one.
    async fn image(&self, reference: &str, asked: Option<&Platform>) -> Result<Base, BuildError> {
        let judged = self.judged_image(reference)?;
        let reference = judged.as_deref().unwrap_or(reference);
        let found = self.executor.find(reference)?;
        let fitting = found.as_ref().filter(|base| self.fits(reference, base, asked));
        let other = found
            .as_ref()
            .filter(|base| fitting.is_none() && (base.made_here || !self.options.pull));
        if other.is_some()
            && let Some(id) = self
                .executor
                .variant(reference, asked.unwrap_or(&self.platform))
                .await?
        {
            return self.held(&id);
        }
        let wanted = fitting.is_none_or(|base| self.options.pull && !base.made_here);
        let id = match &self.options.services.pull {
            Some(pull) if wanted => {
                let elsewhere = asked.is_some_and(|asked| !platform::host().runs(asked));
                let wish = Wish {
                    reference: reference.to_owned(),
                    platform: asked.cloned(),
                    apart: elsewhere || found.is_some() && fitting.is_none(),
                };
                self.pull(&**pull, wish).await?
            }
            _ => match (fitting, &found) {
                (Some(base), _) => base.id,
                (None, Some(other)) => return Err(self.misfit(reference, other, asked)),
                (None, None) => return Err(BuildError::NotFound(format!("No such image: {reference}"))),
            },
        };
        let base = self.held(&id)?;
        if self.options.dialect == Dialect::Classic && !self.fits(reference, &base, asked) {
            return Err(self.misfit(reference, &base, asked));
        }
        if let Some(watch) = &self.options.services.watch {
            watch.used(reference, &id);
        }
        Ok(base)
    }

    /// Whether an image is for what is asked for. One that is named by its id is what it is, and so is with dockerd's
    /// builder what is here where nobody asks.
    fn fits(&self, reference: &str, base: &Base, asked: Option<&Platform>) -> bool {
        let own = base.config.platform();
        match (asked, self.options.dialect) {
            _ if reference.parse::<Digest>().is_ok() => true,
            (None, Dialect::Classic) => true,
            (asked, _) => platform::fits(asked.unwrap_or(&self.platform), &own),
        }
    }

    fn misfit(&self, reference: &str, base: &Base, asked: Option<&Platform>) -> BuildError {
        BuildError::NotFound(format!(
            "image with reference {reference} was found but its platform ({}) does not match the specified platform ({})",
            platform::text(&base.config.platform()),
            platform::text(asked.unwrap_or(&self.platform))
        ))
    }

    /// Brings an image, once for all stages that ask for it.
    async fn pull(&self, pull: &dyn Pull, wish: Wish) -> Result<Digest, BuildError> {
        let asked = self.graph.asked(&wish);
        asked
            .get_or_try_init(|| self.pull_now(pull, &wish))
            .await
            .copied()
    }

    async fn pull_now(&self, pull: &dyn Pull, wish: &Wish) -> Result<Digest, BuildError> {
        let (told, mut lines) = mpsc::channel(LINES);
        let pulling = pull.pull(wish, told);
        // The lines end with the pull.
        let telling = async {
            while let Some(line) = lines.recv().await {
                self.output.line(&line).await?;
            }
            Ok::<_, BuildError>(())
        };
        let both = async { tokio::join!(pulling, telling) };
        let (pulled, heard) = tokio::select! {
            both = both => both,
            () = self.output.cancelled() => return Err(BuildError::Cancelled),
        };
        let pulled = pulled.map_err(BuildError::NotFound)?;
        heard.map(|()| pulled)
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

#[cfg(test)]
mod tests;
