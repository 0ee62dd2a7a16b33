//! Which stages a build needs: the target and what it is made of, in the file's order.
//!
//! Upstream's classic builder carries out every stage up to the target. One that the target does
//! not use changes nothing in the result, so it is left out here, and the step numbers count
//! without it.

use std::collections::BTreeSet;

use crate::BuildError;
use crate::dockerfile::{self, Instruction, InstructionKind, Mount, Run, Stage};

/// The index of the stage to stop after; `--target` takes names only.
///
/// # Errors
/// Upstream's sentence if there is none of this name.
pub(crate) fn target(stages: &[Stage], name: Option<&str>) -> Result<usize, BuildError> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return stages.len().checked_sub(1).ok_or_else(|| {
            BuildError::Invalid("No image was generated. Is your Dockerfile empty?".to_owned())
        });
    };
    by_name(stages, name)
        .ok_or_else(|| BuildError::Invalid(format!("failed to reach build target {name} in Dockerfile")))
}

/// A stage by name, or else by number.
fn find(stages: &[Stage], name: &str) -> Option<usize> {
    by_name(stages, name).or_else(|| name.parse().ok().filter(|index| *index < stages.len()))
}

/// The stage of this name; names do not differ by case alone.
pub(crate) fn by_name(stages: &[Stage], name: &str) -> Option<usize> {
    stages.iter().position(|stage| {
        stage
            .name
            .as_deref()
            .is_some_and(|known| known.eq_ignore_ascii_case(name))
    })
}

/// Whether two stages have one name.
pub(crate) fn has_duplicates(stages: &[Stage]) -> bool {
    let mut names = BTreeSet::new();
    stages
        .iter()
        .filter_map(|stage| stage.name.as_ref())
        .any(|name| !names.insert(name))
}

/// What decides which stages are needed, besides the stages.
pub(crate) trait Bases {
    /// The base of a stage, its variables replaced; `None` if they cannot be.
    fn name(&self, stage: &Stage) -> Option<String>;
    /// What the image of this name has a stage run first, if it is here.
    fn triggers(&self, image: &str) -> Vec<String>;
}

/// The stages that the target is made of, itself included.
pub(crate) fn needed(stages: &[Stage], target: usize, bases: &dyn Bases) -> BTreeSet<usize> {
    let mut needed = BTreeSet::new();
    let mut open = vec![target];
    while let Some(index) = open.pop() {
        if needed.insert(index) {
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

        fn triggers(&self, image: &str) -> Vec<String> {
            let trigger = "COPY --from=used /x /x".to_owned();
            (image == "triggers").then_some(trigger).into_iter().collect()
        }
    }

    fn needed_of(file: &str, target_name: Option<&str>) -> Vec<usize> {
        let stages = dockerfile::parse(file.as_bytes()).unwrap().stages;
        let target = target(&stages, target_name).unwrap();
        needed(&stages, target, &AsWritten).into_iter().collect()
    }

    #[test]
    fn only_what_the_target_is_made_of() {
        let file = "FROM x AS a\nFROM y AS b\nFROM A AS c\nCOPY --from=3 / /\nFROM z\nCOPY --from=b / /\nCOPY --from=image / /\n";
        assert_eq!(needed_of(file, None), [1, 3]);
        let mounted = "FROM x AS a\nFROM y\nFROM z\nRUN --mount=from=A,target=/a --mount=type=cache,target=/c,from=b true\n";
        assert_eq!(needed_of(mounted, None), [0, 2]);
        assert_eq!(needed_of(file, Some("C")), [0, 2]);
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
            assert_eq!(target(&stages, Some(name)).unwrap_err().to_string(), expected);
        }
    }
}
