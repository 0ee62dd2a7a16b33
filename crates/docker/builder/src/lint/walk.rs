//! From the file to its stages: global arguments, bases, and which stages the target is made of.

use std::collections::{BTreeMap, BTreeSet};

use super::stage;
use super::state::State;
use super::{Facts, Fault, Linter, from, rules};
use crate::arguments::{Arguments, automatic};
use crate::dockerfile::{Dockerfile, InstructionKind, Lex, NoVariables, Span, Stage, suggest};
use crate::{golang, platform};

pub(super) fn at(span: Span) -> impl Fn(String) -> Fault {
    move |message| Fault {
        message,
        span: Some(span),
    }
}

/// Asks the rules about `FROM` and about stages.
///
/// # Errors
/// What ends the reading.
pub(super) fn check(file: &Dockerfile, facts: &Facts<'_>, linter: &mut Linter) -> Result<(), Fault> {
    if file.stages.is_empty() {
        return Err(Fault {
            message: "dockerfile contains no stages to build".to_owned(),
            span: None,
        });
    }
    let lex = Lex::new(file.escape);
    let last = file.stages.last().and_then(|stage| stage.name.as_deref());
    let target = facts.target.or(last).unwrap_or("default");
    let automatic = automatic(&platform::host(), &facts.platform, target, facts.args);
    if let Ok((defaults, _)) = global(file, lex, &automatic, &BTreeMap::new()) {
        from::defaults(file, lex, &defaults, linter);
    }
    let (global, declared) = global(file, lex, &automatic, facts.args)?;
    let mut walk = Walk {
        facts,
        lex,
        global,
        declared,
        bases: Vec::new(),
        states: Vec::new(),
    };
    for stage in &file.stages {
        let base = walk.base(stage, linter)?;
        walk.bases.push(base);
    }
    let wanted = walk.wanted(&file.stages)?;
    circles(&file.stages, &walk.bases)?;
    for (index, stage) in file.stages.iter().enumerate() {
        let state = walk.enter(file, index, linter);
        let state = if wanted.contains(&index) {
            stage::check(stage, state, &walk.surroundings(), linter)?
        } else {
            state
        };
        walk.states.push(state);
    }
    Ok(())
}

type Global = (BTreeMap<String, String>, BTreeSet<String>);

/// Values of the `ARG`s before the first `FROM`, and all names that are declared there.
fn global(
    file: &Dockerfile,
    lex: Lex,
    automatic: &BTreeMap<String, String>,
    given: &BTreeMap<String, String>,
) -> Result<Global, Fault> {
    let mut values = automatic.clone();
    let mut declared: BTreeSet<String> = automatic.keys().cloned().collect();
    for instruction in &file.meta_args {
        let InstructionKind::Arg(definitions) = &instruction.kind else {
            continue;
        };
        for definition in definitions {
            let value = match (given.get(&definition.name), &definition.value) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => {
                    let value = lex.word(default, &values);
                    Some(value.map_err(|error| at(instruction.span)(error.to_string()))?)
                }
                (None, None) => None,
            };
            declared.insert(definition.name.clone());
            values.extend(value.map(|value| (definition.name.clone(), value)));
            Arguments::check_size(&values).map_err(at(instruction.span))?;
        }
    }
    Ok((values, declared))
}

/// What a stage starts from.
struct Start {
    name: String,
    /// It is this earlier stage.
    stage: Option<usize>,
}

struct Walk<'a> {
    facts: &'a Facts<'a>,
    lex: Lex,
    global: BTreeMap<String, String>,
    declared: BTreeSet<String>,
    bases: Vec<Start>,
    states: Vec<State>,
}

impl Walk<'_> {
    fn base(&self, stage: &Stage, linter: &mut Linter) -> Result<Start, Fault> {
        let fault = at(stage.span);
        let expand = |text: &str| {
            let expanded = self.lex.expand(text, &self.global);
            expanded.map_err(|error| fault(error.to_string()))
        };
        let found = expand(&stage.base)?;
        from::undeclared(stage, &found, &self.declared, linter);
        if found.text.is_empty() {
            return Err(fault(format!("base name ({}) should not be blank", stage.base)));
        }
        if let Some(written) = &stage.platform {
            let platform = expand(written)?;
            from::undeclared(stage, &platform, &self.declared, linter);
            from::platform(stage, written, &platform, &self.global, linter);
            if platform.text.is_empty() {
                return Err(fault(format!("empty platform value from expression {written}")));
            }
        }
        Ok(Start {
            name: found.text,
            stage: None,
        })
    }

    /// The stages that the target is made of; all of them if there is no target.
    fn wanted(&mut self, stages: &[Stage]) -> Result<BTreeSet<usize>, Fault> {
        for index in 0..stages.len() {
            let named = stages[..index]
                .iter()
                .rposition(|stage| stage.name.as_deref() == Some(&self.bases[index].name));
            self.bases[index].stage = named;
        }
        let Some(target) = self.facts.target.filter(|target| !target.is_empty()) else {
            return Ok((0..stages.len()).collect());
        };
        let Some(index) = crate::stages::by_name(stages, target) else {
            let names = stages.iter().filter_map(|stage| stage.name.as_deref());
            let sentence = format!("target stage {} could not be found", golang::quote(target));
            return Err(Fault {
                message: suggest::hinted(sentence, target, names, true),
                span: None,
            });
        };
        Ok(crate::stages::needed(stages, index, self))
    }

    /// What a stage begins with.
    fn enter(&self, file: &Dockerfile, index: usize, linter: &mut Linter) -> State {
        let (stage, start) = (&file.stages[index], &self.bases[index]);
        if let Some(base) = start.stage {
            return self.states[base].inherited();
        }
        if start.name == "scratch" {
            return State::of(&super::Base::default());
        }
        let Some(base) = self.facts.bases.base(&start.name, &self.facts.platform) else {
            return State::unknown();
        };
        let expected = &self.facts.platform;
        if let Some(actual) = base.platform.as_ref().filter(|_| stage.platform.is_none())
            && (&actual.os, &actual.architecture) != (&expected.os, &expected.architecture)
        {
            let detail = format!(
                "Base image {} was pulled with platform {}, expected {} for current build",
                start.name,
                golang::quote(&platform::text(actual)),
                golang::quote(&platform::text(expected)),
            );
            linter.warn(&[], &rules::INVALID_BASE_IMAGE_PLATFORM, stage.span, detail);
        }
        State::of(&base)
    }

    fn surroundings(&self) -> stage::Surroundings<'_> {
        stage::Surroundings {
            lex: self.lex,
            given: self.facts.args,
            global: &self.global,
            ignore: self.facts.ignore,
        }
    }
}

impl crate::stages::Bases for Walk<'_> {
    fn is_replaced(&self, _: &Stage) -> bool {
        false
    }

    fn name(&self, stage: &Stage) -> Option<String> {
        self.lex.word(&stage.base, &self.global).ok()
    }

    fn triggers(&self, image: &str) -> Vec<String> {
        let base = self.facts.bases.base(image, &self.facts.platform);
        base.map(|base| base.on_build).unwrap_or_default()
    }
}

/// A stage that copies or mounts from itself, straight or by way of others.
fn circles(stages: &[Stage], bases: &[Start]) -> Result<(), Fault> {
    for (index, stage) in stages.iter().enumerate() {
        for instruction in &stage.instructions {
            let InstructionKind::Copy(copy) = &instruction.kind else {
                continue;
            };
            let Some(from) = &copy.from else { continue };
            let fault = at(instruction.span);
            if Lex::new('\\').word(from, &NoVariables).ok().as_ref() != Some(from) {
                return Err(fault(crate::copy::NO_VARIABLES.to_owned()));
            }
            let number = from.parse::<i64>().ok();
            let stage = match number {
                Some(number) => Some(
                    usize::try_from(number)
                        .ok()
                        .filter(|number| *number < bases.len())
                        .ok_or_else(|| fault(format!("invalid stage index {number}")))?,
                ),
                None => crate::stages::by_name(stages, from),
            };
            if stage == Some(index) {
                let name = stages[index]
                    .name
                    .clone()
                    .unwrap_or_else(|| format!("stage-{index}"));
                return Err(fault(format!("circular dependency detected on stage: {name}")));
            }
            if stage.is_some_and(|stage| stage > index) {
                let name = stages[index]
                    .name
                    .clone()
                    .unwrap_or_else(|| format!("stage-{index}"));
                return Err(fault(format!(
                    "cannot copy from stage {}, it needs to be defined before current stage {}",
                    golang::quote(from),
                    golang::quote(&name)
                )));
            }
        }
    }
    Ok(())
}
