//! Which stages a build needs: the target and what it is made of, in the file's order.
//!
//! Upstream's classic builder carries out every stage up to the target. One that the target does
//! not use changes nothing in the result, so it is left out here, and the step numbers count
//! without it.

use std::collections::BTreeSet;

use crate::BuildError;
use crate::copy::NO_VARIABLES;
use crate::dockerfile::suggest::hinted;
use crate::dockerfile::{self, Instruction, InstructionKind, Lex, Mount, NoVariables, Run, Stage};
use crate::golang;
use crate::request::Dialect;

/// The index of the stage to stop after; `--target` takes names only.
///
/// # Errors
/// Upstream's sentence, of either builder, if there is none of this name.
pub(crate) fn target(stages: &[Stage], name: Option<&str>, dialect: Dialect) -> Result<usize, BuildError> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return stages.len().checked_sub(1).ok_or_else(|| {
            BuildError::Invalid(match dialect {
                Dialect::Classic => "No image was generated. Is your Dockerfile empty?".to_owned(),
                Dialect::BuildKit => "dockerfile contains no stages to build".to_owned(),
            })
        });
    };
    by_name(stages, name).ok_or_else(|| {
        BuildError::Invalid(match dialect {
            Dialect::Classic => format!("failed to reach build target {name} in Dockerfile"),
            Dialect::BuildKit => {
                let names = stages.iter().filter_map(|stage| stage.name.as_deref());
                let sentence = format!("target stage {} could not be found", golang::quote(name));
                hinted(sentence, name, names, true)
            }
        })
    })
}

/// Refuses copies from what can be no source, before anything is done, as BuildKit does.
///
/// # Errors
/// Upstream's sentences.
pub(crate) fn check_sources(stages: &[Stage], lex: Lex, bases: &dyn Bases) -> Result<(), BuildError> {
    for instruction in stages.iter().flat_map(|stage| &stage.instructions) {
        let InstructionKind::Copy(copy) = &instruction.kind else {
            continue;
        };
        let Some(from) = copy.from.as_deref() else {
            continue;
        };
        if lex.word(from, &NoVariables).ok().as_deref() != Some(from) {
            return Err(BuildError::Invalid(NO_VARIABLES.to_owned()));
        }
        if let Ok(number) = from.parse::<i64>()
            && usize::try_from(number).map_or(true, |number| number >= stages.len())
        {
            return Err(BuildError::Invalid(format!("invalid stage index {number}")));
        }
    }
    no_circles(stages, bases)
}

/// Refuses stages that are made of themselves.
fn no_circles(stages: &[Stage], bases: &dyn Bases) -> Result<(), BuildError> {
    let uses: Vec<Vec<usize>> = (0..stages.len())
        .map(|index| all_uses(stages, index, bases))
        .collect();
    // What is used by nothing that is left is taken away, until only circles are left.
    let mut left: BTreeSet<usize> = (0..stages.len()).collect();
    loop {
        let ready: Vec<usize> = left
            .iter()
            .copied()
            .filter(|index| uses[*index].iter().all(|used| !left.contains(used)))
            .collect();
        if ready.is_empty() {
            break;
        }
        left.retain(|index| !ready.contains(index));
    }
    // Of what is left some only wait for a circle; the first of one is named.
    let circle = left.iter().copied().find(|index| {
        let mut reached = BTreeSet::new();
        let mut open = uses[*index].clone();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(&uses[next]);
            }
        }
        reached.contains(index)
    });
    circle.map_or(Ok(()), |index| {
        let name = stages[index].name.clone().unwrap_or_else(|| match stages.len() {
            1 => String::new(),
            _ => format!("stage-{index}"),
        });
        Err(BuildError::Invalid(format!(
            "circular dependency detected on stage: {name}"
        )))
    })
}

/// Every stage that one refers to, also later ones and itself.
fn all_uses(stages: &[Stage], index: usize, bases: &dyn Bases) -> Vec<usize> {
    let stage = &stages[index];
    let name = bases.name(stage);
    let from = name.as_deref().and_then(|name| by_name(&stages[..index], name));
    let sources = stage
        .instructions
        .iter()
        .flat_map(|instruction| of(stages, instruction));
    from.into_iter().chain(sources).collect()
}

/// A stage by name, or else by number.
fn find(stages: &[Stage], name: &str) -> Option<usize> {
    by_name(stages, name).or_else(|| name.parse().ok().filter(|index| *index < stages.len()))
}

/// The stage of this name; names do not differ by case alone.
pub(crate) fn by_name(stages: &[Stage], name: &str) -> Option<usize> {
    // Where two have one name, the later one is meant.
    stages.iter().rposition(|stage| {
        stage
            .name
            .as_deref()
            .is_some_and(|known| known.eq_ignore_ascii_case(name))
    })
}

/// What decides which stages are needed, besides the stages.
pub(crate) trait Bases {
    /// The base of a stage, its variables replaced; `None` if they cannot be.
    fn name(&self, stage: &Stage) -> Option<String>;
    /// Whether something else stands for a stage (a named context).
    fn is_replaced(&self, stage: &Stage) -> bool;
    /// What the image of this name has a stage run first, if it is here.
    fn triggers(&self, image: &str) -> Vec<String>;
}

/// The stages that the target is made of, itself included.
pub(crate) fn needed(stages: &[Stage], target: usize, bases: &dyn Bases) -> BTreeSet<usize> {
    let mut needed = BTreeSet::new();
    let mut open = vec![target];
    while let Some(index) = open.pop() {
        if needed.insert(index) && (index == target || !bases.is_replaced(&stages[index])) {
            open.extend(uses(stages, index, bases));
        }
    }
    needed
}

/// Earlier stages that one stage refers to. A copy from itself or from a later stage is no use;
/// it is refused when its step is reached.
fn uses(stages: &[Stage], index: usize, bases: &dyn Bases) -> Vec<usize> {
    let (stage, before) = (&stages[index], &stages[..index]);
    let name = bases.name(stage);
    let from = name.as_deref().and_then(|name| by_name(before, name));
    let triggers = match (from, &name) {
        (Some(from), _) => set_triggers(&stages[from]),
        (None, Some(name)) => bases.triggers(name),
        (None, None) => Vec::new(),
    };
    let triggers = triggers
        .iter()
        .filter_map(|trigger| dockerfile::parse_instruction(trigger).ok());
    let triggers: Vec<Instruction> = triggers.collect();
    let all = stage.instructions.iter().chain(&triggers);
    from.into_iter()
        .chain(all.flat_map(|instruction| of(before, instruction)))
        .collect()
}

/// What a stage has those upon it run first.
fn set_triggers(stage: &Stage) -> Vec<String> {
    let trigger = |instruction: &Instruction| match &instruction.kind {
        InstructionKind::Onbuild(trigger) => Some(trigger.clone()),
        _ => None,
    };
    stage.instructions.iter().filter_map(trigger).collect()
}

fn of(stages: &[Stage], instruction: &Instruction) -> Vec<usize> {
    match &instruction.kind {
        InstructionKind::Copy(copy) => {
            let from = copy.from.as_deref().and_then(|from| find(stages, from));
            from.into_iter().collect()
        }
        InstructionKind::Run(run) => mounted(stages, run),
        _ => Vec::new(),
    }
}

/// Stages that `RUN --mount` mounts from: by name only.
fn mounted(stages: &[Stage], run: &Run) -> Vec<usize> {
    let from = run.mounts.iter().filter_map(|mount| Mount::from_of(mount));
    from.filter_map(|name| by_name(stages, &name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct AsWritten;

    impl Bases for AsWritten {
        fn name(&self, stage: &Stage) -> Option<String> {
            Some(stage.base.clone())
        }

        fn is_replaced(&self, stage: &Stage) -> bool {
            stage.name.as_deref() == Some("replaced")
        }

        fn triggers(&self, image: &str) -> Vec<String> {
            let trigger = "COPY --from=used /x /x".to_owned();
            (image == "triggers").then_some(trigger).into_iter().collect()
        }
    }

    fn needed_of(file: &str, target_name: Option<&str>) -> Vec<usize> {
        let stages = dockerfile::parse(file.as_bytes()).unwrap().stages;
        let target = target(&stages, target_name, Dialect::Classic).unwrap();
        needed(&stages, target, &AsWritten).into_iter().collect()
    }

    #[test]
    fn only_what_the_target_is_made_of() {
        let file = "FROM x AS a\nFROM y AS b\nFROM A AS c\nCOPY --from=3 / /\nFROM z\nCOPY --from=b / /\nCOPY --from=image / /\n";
        assert_eq!(needed_of(file, None), [1, 3]);
        let mounted = "FROM x AS a\nFROM y\nFROM z\nRUN --mount=from=A,target=/a --mount=type=cache,target=/c,from=b true\n";
        assert_eq!(needed_of(mounted, None), [0, 2]);
        assert_eq!(needed_of(file, Some("C")), [0, 2]);
        let replaced = "FROM x AS a\nFROM a AS replaced\nFROM y\nCOPY --from=replaced / /\n";
        assert_eq!(needed_of(replaced, None), [1, 2]);
    }

    #[test]
    fn triggers_use_stages_too() {
        let file = "FROM x AS used\nFROM y AS other\nFROM triggers\n";
        assert_eq!(needed_of(file, None), [0, 2]);
        let file = "FROM x AS used\nFROM y AS base\nONBUILD RUN --mount=from=used,target=/t y\nFROM base\n";
        assert_eq!(needed_of(file, None), [0, 1, 2]);
    }

    #[test]
    fn a_name_wins_over_a_number_and_cycles_end() {
        assert_eq!(
            needed_of("FROM x\nFROM a AS a\nCOPY --from=1 / /\nCOPY --from=0 / /", None),
            [0, 1]
        );
    }

    #[test]
    fn targets_that_are_not_there() {
        let stages = dockerfile::parse(b"FROM a").unwrap().stages;
        for name in ["zz", "0", "1"] {
            let expected = format!("failed to reach build target {name} in Dockerfile");
            assert_eq!(
                target(&stages, Some(name), Dialect::Classic)
                    .unwrap_err()
                    .to_string(),
                expected
            );
        }
        let stages = dockerfile::parse(b"FROM a AS release").unwrap().stages;
        let error = target(&stages, Some("relase"), Dialect::BuildKit)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "target stage \"relase\" could not be found (did you mean release?)"
        );
    }

    #[test]
    fn circles_are_named() {
        let check = |file: &str| {
            let stages = dockerfile::parse(file.as_bytes()).unwrap().stages;
            check_sources(&stages, Lex::new('\\'), &AsWritten).map_err(|error| error.to_string())
        };
        for (file, sentence) in [
            (
                "FROM x AS a\nCOPY --from=a / /\n",
                "circular dependency detected on stage: a",
            ),
            (
                "FROM x AS s0\nFROM x AS a\nCOPY --from=b / /\nFROM y AS b\nRUN --mount=from=a,target=/x true\nFROM b\n",
                "circular dependency detected on stage: a",
            ),
            ("FROM x\nCOPY --from=1 / /\n", "invalid stage index 1"),
            ("FROM x\nCOPY --from=-1 / /\n", "invalid stage index -1"),
        ] {
            assert_eq!(check(file).unwrap_err(), sentence, "{file}");
        }
        assert_eq!(
            check("FROM x AS a\nCOPY --from=b / /\nFROM a AS a\nFROM y AS b\n"),
            Ok(())
        );
    }
}
