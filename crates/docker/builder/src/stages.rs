//! Which stages a build needs: the target and what it is made of, in the file's order.
//!
//! Upstream's classic builder carries out every stage up to the target. One that the target does
//! not use changes nothing in the result, so it is left out here, and the step numbers count
//! without it.

use std::collections::BTreeSet;

use crate::BuildError;
use crate::dockerfile::{InstructionKind, Mount, Run, Stage};

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

/// The stages that the target is made of, itself included. `base` gives the base of a stage with
/// its variables expanded.
pub(crate) fn needed(
    stages: &[Stage],
    target: usize,
    base: &dyn Fn(&Stage) -> Option<String>,
) -> BTreeSet<usize> {
    let mut needed = BTreeSet::new();
    let mut open = vec![target];
    while let Some(index) = open.pop() {
        if needed.insert(index) {
            open.extend(uses(stages, index, base));
        }
    }
    needed
}

/// Earlier stages that one stage refers to. A copy from itself or from a later stage is no use;
/// it is refused when its step is reached.
fn uses(stages: &[Stage], index: usize, base: &dyn Fn(&Stage) -> Option<String>) -> Vec<usize> {
    let stage = &stages[index];
    let from = base(stage).and_then(|name| by_name(&stages[..index], &name));
    let copies = stage
        .instructions
        .iter()
        .flat_map(|instruction| match &instruction.kind {
            InstructionKind::Copy(copy) => {
                let from = copy.from.as_deref();
                from.and_then(|from| find(&stages[..index], from))
                    .into_iter()
                    .collect()
            }
            InstructionKind::Run(run) => mounted(&stages[..index], run),
            _ => Vec::new(),
        });
    from.into_iter().chain(copies).collect()
}

/// Stages that `RUN --mount` mounts from: by name only.
fn mounted(stages: &[Stage], run: &Run) -> Vec<usize> {
    let from = run.mounts.iter().filter_map(|mount| Mount::from_of(mount));
    from.filter_map(|name| by_name(stages, &name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile;

    fn needed_of(file: &str, target_name: Option<&str>) -> Vec<usize> {
        let stages = dockerfile::parse(file.as_bytes()).unwrap().stages;
        let target = target(&stages, target_name).unwrap();
        needed(&stages, target, &|stage| Some(stage.base.clone()))
            .into_iter()
            .collect()
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
