//! What an image's history tells of its steps. The cache is one for all doors, so a step's own row is told by whoever made
//! it; each build knows what its steps are to be told as, and the result tells that.

use image::archive::Wanted;
use image::{Digest, HistoryRow, ImageConfig, Platform, RunConfig};
use jiff::Timestamp;

use super::graph::Done;
use super::{Current, Dialect, Driver};
use crate::cache::KeyParts;
use crate::config::{Draft, Note};
use crate::dockerfile::{ArgDefinition, InstructionKind};
use crate::executor::{Executor, Step, Work};
use crate::{BuildError, platform};

/// Of each step its row; nothing for one that upstream does not tell of.
pub(super) type Told = Vec<Option<String>>;

/// What each row says of whoever wrote it.
pub(super) const fn comment(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Classic => "",
        Dialect::BuildKit => "buildkit.dockerfile.v0",
    }
}

impl<E: Executor + 'static> Driver<E> {
    /// Notes what an instruction about the configuration is told as.
    pub(super) fn tell_amended(&self, current: &mut Current, kind: &InstructionKind, note: &Note) {
        let told = match (self.options.dialect, kind) {
            (Dialect::Classic, _) => Some(current.draft.note(note).join(" ")),
            (Dialect::BuildKit, InstructionKind::Arg(definitions)) => Some(self.told_arguments(definitions)),
            (Dialect::BuildKit, kind) => current.draft.told(kind, note),
        };
        current.told.push(told);
    }

    /// `ARG`: with what they are worth, and not what they would be if nobody said.
    fn told_arguments(&self, definitions: &[ArgDefinition]) -> String {
        let words = definitions.iter().map(|definition| {
            let name = &definition.name;
            let worth = self.arguments.worth(name);
            worth.map_or_else(|| name.clone(), |worth| format!("{name}={worth}"))
        });
        format!("ARG {}", words.collect::<Vec<_>>().join(" "))
    }

    /// `RUN` as BuildKit tells it: behind all arguments that the stage has named, and a program in a here-document as what a
    /// shell would be given.
    pub(super) fn told_run(&self, draft: &Draft, words: &[String], is_script: bool) -> String {
        let arguments = self.arguments.in_order(&draft.config.env);
        let count = (!arguments.is_empty()).then(|| format!("|{}", arguments.len()));
        let shell = if is_script { draft.shell() } else { Vec::new() };
        let all = count
            .into_iter()
            .chain(arguments)
            .chain(shell)
            .chain(words.iter().cloned());
        format!("RUN {} # buildkit", all.collect::<Vec<_>>().join(" "))
    }

    /// What the result is for: with BuildKit what was asked for, whatever the last stage began with.
    fn result_platform(&self, own: &Platform) -> Platform {
        let mut platform = own.clone();
        if self.options.dialect == Dialect::Classic {
            return platform;
        }
        if let Some(asked) = &self.options.platform {
            let same = asked.runs(own);
            platform.variant = asked.variant.clone().or(platform.variant.filter(|_| same));
            platform.os.clone_from(&asked.os);
            platform.architecture.clone_from(&asked.architecture);
        }
        platform::normal(platform)
    }

    /// The result of a stage, with the history that this build is to tell.
    pub(super) async fn retold(&self, done: &Done) -> Result<Option<Digest>, BuildError> {
        let Some(image) = done.image else {
            return Ok(None);
        };
        let base = self.held(&image)?;
        let dialect = self.options.dialect;
        let rows = rows(&base.config.history, &done.told, comment(dialect));
        let own = base.config.platform();
        let platform = self.result_platform(&own);
        if rows.is_none() && platform == own {
            return Ok(Some(image));
        }
        let rows = rows.unwrap_or(base.config.history);
        let command: Vec<String> = rows.iter().map(|row| row.created_by.clone()).collect();
        // Where it is the image's own it is nothing that is said anew.
        let shown = Some(platform::text(&platform)).filter(|_| platform != own);
        let shown = shown.unwrap_or_default();
        let key = KeyParts {
            parent: Some(&image),
            platform: &shown,
            author: "",
            config: &RunConfig::default(),
            command: &command,
            script: "",
            more: &["history".to_owned(), comment(dialect).to_owned()],
        };
        let key = key.digest();
        let known = self.cache.get(&key);
        let held = known
            .map(|known| self.executor.hold(&known))
            .transpose()?
            .flatten();
        if let Some(base) = held {
            self.cache.used(&key);
            return Ok(Some(base.id));
        }
        let step = Step {
            parent: Some(image),
            config: ImageConfig::default(),
            history: rows.last().cloned().unwrap_or_default(),
            work: Work::Retell(rows, platform),
            hidden: dialect == Dialect::BuildKit,
            epoch: self.epoch.map(Timestamp::as_second),
            wanted: Wanted::default(),
        };
        let description = step.history.created_by.clone();
        let made = self.executor.carry_out(step, &self.output).await?.id;
        self.cache.put(key, made, Some(image), description).await;
        self.output.aux(made).await?;
        Ok(Some(made))
    }
}

/// A history whose last rows are told as they are to be; nothing if they are so already.
fn rows(history: &[HistoryRow], told: &Told, comment: &str) -> Option<Vec<HistoryRow>> {
    let base = history.len().checked_sub(told.len())?;
    let is_told = |(row, told): (&HistoryRow, &Option<String>)| {
        told.as_ref() == Some(&row.created_by) && row.comment == comment
    };
    if history[base..].iter().zip(told).all(is_told) {
        return None;
    }
    let tell = |(row, told): (&HistoryRow, &Option<String>)| {
        let created_by = match told {
            Some(told) => told.clone(),
            // A layer needs its row.
            None if !row.empty_layer => row.created_by.clone(),
            None => return None,
        };
        Some(HistoryRow {
            created_by,
            comment: comment.to_owned(),
            ..row.clone()
        })
    };
    let retold = history[base..].iter().zip(told).filter_map(tell);
    Some(history[..base].iter().cloned().chain(retold).collect())
}
