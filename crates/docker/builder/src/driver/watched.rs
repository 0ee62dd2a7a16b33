//! Steps told to whoever watches: what each is called, whether it was in the cache, and where a build fails.

use std::collections::BTreeSet;
use std::sync::Arc;

use image::Platform;

use super::{Current, Driver, Named};
use crate::arguments::Scope;
use crate::dockerfile::{Instruction, InstructionKind, Location, Mount, Stage};
use crate::executor::{Base, Executor};
use crate::watch::{Numbering, StepName, WatchedStep, across, is_step, shown};
use crate::{BuildError, platform};

impl<E: Executor + 'static> Driver<E> {
    /// Tells where it is that the build fails.
    pub(super) fn placed<T>(&self, place: &Location, done: Result<T, BuildError>) -> Result<T, BuildError> {
        let failed = matches!(&done, Err(error) if !matches!(error, BuildError::Cancelled));
        if let Some(watch) = self.options.services.watch.as_ref().filter(|_| failed) {
            watch.fault(place);
        }
        done
    }

    /// Whether a stage is one of those that are not to be taken from the cache.
    pub(super) fn is_uncached(&self, number: usize, stage: &Stage) -> bool {
        let unnamed = format!("stage-{number}");
        let name = stage.name.as_deref().unwrap_or(&unnamed);
        let named = &self.options.no_cache_stages;
        named.iter().any(|each| each.eq_ignore_ascii_case(name))
    }

    /// An instruction of a stage.
    pub(super) async fn watched(
        &mut self,
        current: &mut Current,
        instruction: &Instruction,
    ) -> Result<(), BuildError> {
        let name = self.shown(current, instruction);
        let name = name.map(|(shown, across)| current.numbering.name(&shown, &across));
        let done = self.told(current, instruction, name).await;
        self.placed(&instruction.location, done)
    }

    /// An instruction that a base has brought.
    pub(super) async fn watched_trigger(
        &mut self,
        current: &mut Current,
        instruction: &Instruction,
    ) -> Result<(), BuildError> {
        let name = self.shown(current, instruction);
        let name = name.map(|(shown, across)| current.numbering.trigger(&shown, &across));
        self.told(current, instruction, name).await
    }

    /// What an instruction is called, and what it makes things for, if that is not what it is run for.
    fn shown(&self, current: &Current, instruction: &Instruction) -> Option<(String, String)> {
        let watched = self.options.services.watch.is_some() && is_step(&instruction.kind);
        watched.then(|| {
            let environment = &current.draft.config.env;
            let mut arguments = self.arguments.variables(environment);
            // A value that a secret is going to replace is not shown: somebody may have put the secret there as well.
            let hidden = secret_names(&instruction.kind).into_iter();
            arguments.extend(hidden.map(|name| (name, "****".to_owned())));
            let scope = Scope {
                environment,
                arguments: &arguments,
            };
            (
                shown(&instruction.source, &instruction.kind, self.lex, &scope),
                across(&current.platform, &scope),
            )
        })
    }

    async fn told(
        &mut self,
        current: &mut Current,
        instruction: &Instruction,
        name: Option<String>,
    ) -> Result<(), BuildError> {
        let uses = self.used(instruction, self.number);
        if name.is_some() {
            // A step does not begin before what it uses is there.
            for stage in &uses {
                self.wait_for(*stage).await?;
            }
        }
        let step = name.and_then(|name| self.begin_step(name, uses));
        self.output.watch(step.clone());
        current.hit = false;
        let done = self.dispatch(current, instruction).await;
        self.output.watch(None);
        end(step.as_ref(), &done, current.hit);
        done
    }

    fn begin_step(&self, name: String, uses: Vec<usize>) -> Option<Arc<dyn WatchedStep>> {
        let watch = self.options.services.watch.as_ref()?;
        let stage = self.number;
        Some(watch.begin(&StepName { name, stage, uses }))
    }

    /// Stages that an instruction of the stage with the number `before` uses.
    fn used(&self, instruction: &Instruction, before: usize) -> Vec<usize> {
        let named = |name: &str| {
            let by_number = || name.parse().ok().filter(|index| *index < before);
            self.graph.named(name, before).or_else(by_number)
        };
        match &instruction.kind {
            InstructionKind::Copy(copy) => copy.from.as_deref().and_then(named).into_iter().collect(),
            InstructionKind::Run(run) => {
                let from = run.mounts.iter().filter_map(|mount| Mount::from_of(mount));
                from.filter_map(|name| named(&name)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The stage that a base is told of as, of those that begin with it: in BuildKit the one that is come to last on the way
    /// from the target, which takes what a stage is upon before what it uses.
    pub(super) fn told_of(&self, reference: &str, asked: Option<&Platform>) -> Option<usize> {
        let key = |reference: &str, asked: Option<&Platform>| {
            let platform = asked.map(platform::text).unwrap_or_default();
            (reference.to_owned(), platform)
        };
        let told = self.graph.bases.get_or_init(|| {
            let base = |number: usize| {
                let (name, asked) = self.base_of(&self.graph.stage(number)).ok()?;
                Some((key(&canonical(&name), asked.as_ref()), number))
            };
            self.stages_from_the_target()
                .into_iter()
                .filter_map(base)
                .collect()
        });
        told.get(&key(reference, asked)).copied()
    }

    /// The stages that begin with an image, in the order in which they are come to from the target.
    fn stages_from_the_target(&self) -> Vec<usize> {
        let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
        let mut open: Vec<usize> = self.graph.target().into_iter().collect();
        while let Some(number) = open.pop() {
            if !seen.insert(number) {
                continue;
            }
            let stage = self.graph.stage(number);
            let uses = stage.instructions.iter().flat_map(|each| self.used(each, number));
            let mut next: Vec<usize> = uses.filter(|used| !seen.contains(used)).collect();
            let name = self.base_of(&stage).map(|(name, _)| name).unwrap_or_default();
            match self.graph.named(&name, number) {
                Some(earlier) => next.insert(0, earlier),
                None => order.push(number),
            }
            open.extend(next.into_iter().rev());
        }
        order
    }

    /// The named context that stands for a base, if it is an image by its name: what steps call it, and the image.
    fn context_named(&self, name: &str, reference: &str) -> Option<(String, String)> {
        let Some(Named::Image(image)) = self.context(name) else {
            return None;
        };
        let by_name = image.parse::<image::Digest>().is_err();
        let familiar = image::Reference::parse(reference).map(|parsed| parsed.familiar());
        let called = familiar.unwrap_or_else(|_| name.to_owned());
        let called = called.strip_suffix(":latest").unwrap_or(&called).to_owned();
        by_name.then(|| (called, image.clone()))
    }

    /// The base of a stage that is none of the file's: what it is, and then its files. A base that several stages have
    /// is told of once.
    pub(super) async fn watched_base(
        &mut self,
        numbering: &mut Numbering,
        name: &str,
        asked: Option<&Platform>,
        shown: Option<&Platform>,
    ) -> Result<Option<Base>, BuildError> {
        let reference = canonical(name);
        let (title, metadata) = match self.context_named(name, &reference) {
            Some((called, image)) => (
                format!("[context {called}] {image}"),
                format!("[context {called}] load metadata for {image}"),
            ),
            None => {
                let text = format!("FROM {reference}");
                let own = numbering.name(&text, "");
                let other = self
                    .told_of(&reference, asked)
                    .filter(|number| *number != self.number);
                let title = other.map_or(own, |number| {
                    let place = (number, self.graph.len());
                    Numbering::new(&self.graph.stage(number), place, true, shown).name(&text, "")
                });
                let prefix = shown.map(|shown| platform::text(shown) + " ").unwrap_or_default();
                (title, format!("[{prefix}internal] load metadata for {reference}"))
            }
        };
        let fresh = self.graph.tell(&metadata);
        let step = fresh.then(|| self.begin_step(metadata, Vec::new())).flatten();
        self.output.watch(step.clone());
        let base = self.base(name, None, asked).await;
        self.output.watch(None);
        end(step.as_ref(), &base, false);
        let base = base?;
        if fresh && let Some(step) = self.begin_step(title, Vec::new()) {
            step.done(base.is_some());
        }
        Ok(base)
    }
}

/// A reference as steps show it.
fn canonical(name: &str) -> String {
    let reference = image::Reference::parse(name).map(|parsed| parsed.with_default_tag().to_string());
    reference.unwrap_or_else(|_| name.to_owned())
}

/// The variables that secrets of a command are in, as far as they are named without variables.
fn secret_names(kind: &InstructionKind) -> Vec<String> {
    let InstructionKind::Run(run) = kind else {
        return Vec::new();
    };
    let mounts = run.mounts.iter();
    let mounts = mounts.filter_map(|written| Mount::parse(written, &mut |word| Ok(word.to_owned())).ok());
    let named = mounts.filter_map(|mount| match mount.env.as_deref() {
        Some("") => Some(mount.id.clone()),
        name => name.map(str::to_owned),
    });
    named.collect()
}

fn end<T>(step: Option<&Arc<dyn WatchedStep>>, done: &Result<T, BuildError>, cached: bool) {
    match (step, done) {
        (Some(step), Ok(_)) => step.done(cached),
        (Some(step), Err(error)) => step.failed(error),
        (None, _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_the_environment_are_known_by_name() {
        let cases: [(&str, &[&str]); 4] = [
            (
                "RUN --mount=type=secret,id=a,env=A --mount=type=secret,id=b,env=B x",
                &["A", "B"],
            ),
            ("RUN --mount=type=secret,id=a,target=/a x", &[]),
            ("RUN --mount=type=secret,id=a,env=A,target=/a x", &["A"]),
            ("COPY a b", &[]),
        ];
        for (line, expected) in cases {
            let parsed = crate::dockerfile::parse_instruction(line).unwrap();
            assert_eq!(secret_names(&parsed.kind), expected, "{line}");
        }
    }
}
