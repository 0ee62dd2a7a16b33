//! `SOURCE_DATE_EPOCH`: when everything was made. A number says it; in BuildKit also the name of what is built from: the
//! context, a named one, or a stage that is nothing but something fetched.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Dialect, Driver, blocking};
use crate::BuildError;
use crate::arguments::SOURCE_DATE_EPOCH;
use crate::copy::{self, Remote};
use crate::dockerfile::{Copy, InstructionKind, Stage};
use crate::executor::Executor;
use crate::source::{Age, Single};
use crate::tree::{self, Descend, Tree};

const NOT_A_SOURCE: &str = "SOURCE_DATE_EPOCH stage must contain exactly one remote ADD";

impl<E: Executor + 'static> Driver<E> {
    /// Settles when everything is made, and what commands see of it.
    pub(super) async fn settle_epoch(&mut self, stages: &[Stage]) -> Result<(), BuildError> {
        let Some(said) = self.arguments.of_builder(SOURCE_DATE_EPOCH) else {
            return Ok(());
        };
        let invalid = || BuildError::Invalid(format!("invalid SOURCE_DATE_EPOCH: {said}"));
        let seconds = match said.parse::<i64>() {
            Ok(seconds) => Some(seconds),
            Err(_) if self.options.dialect == Dialect::BuildKit => self.epoch_of(&said, stages).await?,
            Err(_) => return Err(invalid()),
        };
        self.epoch = seconds
            .map(Timestamp::from_second)
            .transpose()
            .map_err(|_| invalid())?;
        let value = seconds.map(|seconds| seconds.to_string());
        self.arguments.replace(SOURCE_DATE_EPOCH, value.as_deref());
        Ok(())
    }

    async fn epoch_of(&self, said: &str, stages: &[Stage]) -> Result<Option<i64>, BuildError> {
        if said == "context" {
            return age(self.options.context_age, self.context.clone()).await;
        }
        if let Some(super::Named::Files(files)) = self.context(said) {
            let age_of = self.options.context_ages.get(&said.to_lowercase());
            return age(age_of.copied().unwrap_or_default(), files.clone()).await;
        }
        let named = stages.iter().find(|stage| {
            let name = stage.name.as_deref();
            name.is_some_and(|name| name.eq_ignore_ascii_case(said))
        });
        match named {
            Some(stage) => self.epoch_of_stage(stage).await,
            None => Err(BuildError::Invalid(format!("invalid SOURCE_DATE_EPOCH: {said}"))),
        }
    }

    /// The time of the one thing that a stage fetches.
    async fn epoch_of_stage(&self, stage: &Stage) -> Result<Option<i64>, BuildError> {
        let refused = |text: &str| Err(BuildError::Invalid(text.to_owned()));
        let variables = self.arguments.meta_variables();
        let expand = |text: &str| {
            let word = self.lex.word(text, &variables);
            word.map_err(|error| BuildError::Invalid(error.to_string()))
        };
        if expand(&stage.base)? != "scratch" {
            return refused("SOURCE_DATE_EPOCH stage must use FROM scratch");
        }
        let mut source: Option<Copy> = None;
        for instruction in &stage.instructions {
            match &instruction.kind {
                InstructionKind::Arg(_) => {}
                InstructionKind::Add(_) if source.is_some() => return refused(NOT_A_SOURCE),
                InstructionKind::Add(copy) => source = Some(copy.clone()),
                _ => {
                    let keyword = instruction.keyword.to_uppercase();
                    return Err(BuildError::Invalid(format!(
                        "SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported {keyword} instruction"
                    )));
                }
            }
        }
        let Some(mut copy) = source else {
            return refused(NOT_A_SOURCE);
        };
        for text in copy.sources.iter_mut().chain(&mut copy.checksum) {
            *text = expand(text)?;
        }
        let addresses = copy::addresses("ADD", &copy, self.options.dialect).map_err(BuildError::Invalid)?;
        if copy.sources.len() != 1 || addresses.len() != 1 || !copy.inline.is_empty() {
            return refused("SOURCE_DATE_EPOCH stage must contain exactly one remote ADD source");
        }
        let fetched = self.fetch("ADD", &copy).await?;
        match fetched.into_values().next() {
            Some(remote) => age_of(remote).await,
            None => Ok(None),
        }
    }
}

async fn age(known: Age, files: Arc<dyn Tree>) -> Result<Option<i64>, BuildError> {
    match known {
        Age::Unknown => Ok(None),
        Age::At(seconds) => Ok(Some(seconds)),
        Age::Newest => blocking(move || newest(&*files)).await,
    }
}

async fn age_of(remote: Remote) -> Result<Option<i64>, BuildError> {
    if remote.time != 0 {
        return Ok(Some(remote.time));
    }
    blocking(move || {
        // Only a plain archive is looked into here: decoders of foreign bytes run in workers.
        let archive = Single::of(&*remote.tree, Path::new(&remote.name))
            .map_err(BuildError::io("reading what was fetched"))?;
        let tree = archive.and_then(|file| crate::context::ArchiveTree::read(file).ok().flatten());
        tree.map_or(Ok(None), |tree| newest(&tree))
    })
    .await
}

/// The time of the youngest file.
fn newest(files: &dyn Tree) -> Result<Option<i64>, BuildError> {
    let mut newest = None;
    tree::walk(files, Path::new(""), &mut |_, entry| {
        newest = newest.max(Some(entry.modified));
        Ok::<_, std::io::Error>(Descend::Yes)
    })
    .map_err(BuildError::io("reading the build context"))?;
    Ok(newest)
}
