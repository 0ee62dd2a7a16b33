//! What is settled before the first step: which stages are needed, what they are called upon, and
//! when everything was made.

use std::collections::{BTreeMap, BTreeSet};

use super::Driver;
use crate::dockerfile::{Dockerfile, Instruction, InstructionKind, Lex, Pair, Stage};
use crate::executor::Executor;
use crate::request::Dialect;
use crate::{BuildError, stages};

impl<E: Executor + 'static> Driver<E> {
    /// The stages that are needed, and how many steps they are. A meta `ARG` that cannot be
    /// expanded fails its own step later.
    ///
    /// # Errors
    /// BuildKit's sentences about sources that no stage can have.
    pub(super) fn plan(&mut self, file: &Dockerfile, target: usize) -> Result<BTreeSet<usize>, BuildError> {
        let mut arguments = self.arguments.clone();
        for instruction in &file.meta_args {
            if let Ok(definitions) = self.meta_definitions(instruction, &arguments) {
                definitions
                    .into_iter()
                    .for_each(|definition| arguments.define_meta(definition));
            }
        }
        let bases = PlannedBases {
            executor: &*self.executor,
            lex: self.lex,
            variables: arguments.meta_variables(),
            replaced: &|name| self.context(name).is_some(),
        };
        let classic = self.options.dialect == Dialect::Classic;
        if !classic {
            stages::check_sources(&file.stages, self.lex, &bases)?;
        }
        let needed = if classic {
            // dockerd's own builder knows no graph: it carries out every stage up to the target.
            (0..=target).collect()
        } else {
            let mut needed = stages::needed(&file.stages, target, &bases);
            needed.retain(|number| {
                *number == target || !stages::Bases::is_replaced(&bases, &file.stages[*number])
            });
            needed
        };
        let steps = needed
            .iter()
            .map(|number| 1 + file.stages[*number].instructions.len());
        self.total = file.meta_args.len() + steps.sum::<usize>();
        Ok(needed)
    }
}

/// Bases as far as they are known before the first step.
struct PlannedBases<'a, E> {
    executor: &'a E,
    lex: Lex,
    variables: BTreeMap<String, String>,
    replaced: &'a dyn Fn(&str) -> bool,
}

impl<E: Executor> stages::Bases for PlannedBases<'_, E> {
    fn name(&self, stage: &Stage) -> Option<String> {
        self.lex.word(&stage.base, &self.variables).ok()
    }

    fn is_replaced(&self, stage: &Stage) -> bool {
        stage.name.as_deref().is_some_and(self.replaced)
    }

    fn triggers(&self, image: &str) -> Vec<String> {
        // One that cannot be looked up fails its own step.
        let found = self.executor.find(image).ok().flatten();
        found.map(|base| base.config.config.on_build).unwrap_or_default()
    }
}

/// `--label`s are a last instruction each, in the order of their names.
pub(super) fn add_labels(stage: &mut Stage, labels: &BTreeMap<String, String>) {
    stage
        .instructions
        .extend(labels.iter().map(|(name, value)| Instruction {
            source: format!("LABEL {name}={value}"),
            keyword: "LABEL".to_owned(),
            span: stage.span,
            location: stage.location.clone(),
            pieces: Vec::new(),
            comments: Vec::new(),
            kind: InstructionKind::Label {
                labels: vec![Pair {
                    name: name.clone(),
                    value: value.clone(),
                    legacy: false,
                }],
                expanded: false,
            },
        }));
}
