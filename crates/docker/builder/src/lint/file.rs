//! Rules about what is written, in the order in which upstream asks them.

use std::collections::BTreeSet;

use super::{Linter, rules};
use crate::dockerfile::{Dockerfile, Instruction, InstructionKind, Span, Stage};
use crate::golang;

/// Asks them all.
pub(super) fn check(file: &Dockerfile, linter: &mut Linter) {
    empty_continuations(file, linter);
    for instruction in &file.meta_args {
        instruction_rules(instruction, linter);
    }
    for stage in &file.stages {
        stage_name_casing(stage, linter);
        from_as_casing(stage, linter);
        let names: Vec<&str> = stage.name.as_deref().into_iter().collect();
        definition_description("FROM", &names, &stage.comments, stage.span, linter);
        stage
            .instructions
            .iter()
            .for_each(|instruction| instruction_rules(instruction, linter));
    }
    stage_names(&file.stages, linter);
    instruction_casing(&file.stages, linter);
}

fn empty_continuations(file: &Dockerfile, linter: &mut Linter) {
    for warning in &file.warnings {
        let span = Span {
            start: warning.line,
            end: warning.line,
        };
        let detail = "Empty continuation line".to_owned();
        linter.warn(&[], &rules::NO_EMPTY_CONTINUATION, span, detail);
    }
}

fn instruction_rules(instruction: &Instruction, linter: &mut Linter) {
    let (comments, span) = (&instruction.comments, instruction.span);
    match &instruction.kind {
        InstructionKind::Maintainer(_) => linter.warn(
            comments,
            &rules::MAINTAINER_DEPRECATED,
            span,
            "Maintainer instruction is deprecated in favor of using label".to_owned(),
        ),
        InstructionKind::Arg(definitions) => {
            let names: Vec<&str> = definitions
                .iter()
                .map(|definition| definition.name.as_str())
                .collect();
            definition_description("ARG", &names, comments, span, linter);
        }
        _ => {}
    }
}

/// The comment right before a definition describes it, if it begins with its name.
fn definition_description(
    keyword: &str,
    names: &[&str],
    comments: &[String],
    span: Span,
    linter: &mut Linter,
) {
    let (Some(comment), Some(first)) = (comments.last(), names.first()) else {
        return;
    };
    if names.contains(&comment.split(' ').next().unwrap_or_default()) {
        return;
    }
    let example = if names.len() > 1 { "<arg_key>" } else { first };
    let detail = format!("Comment for {keyword} should follow the format: `# {example} <description>`");
    linter.warn(comments, &rules::INVALID_DEFINITION_DESCRIPTION, span, detail);
}

fn stage_name_casing(stage: &Stage, linter: &mut Linter) {
    if let [_, _, _, name] = stage.words.as_slice()
        && *name != name.to_lowercase()
    {
        let detail = format!("Stage name '{name}' should be lowercase");
        linter.warn(&stage.comments, &rules::STAGE_NAME_CASING, stage.span, detail);
    }
}

fn from_as_casing(stage: &Stage, linter: &mut Linter) {
    let [from, _, keyword, ..] = stage.words.as_slice() else {
        return;
    };
    // A keyword of both cases is another rule's.
    let fits = match case(from) {
        Some(Case::Lower) => *keyword == keyword.to_lowercase(),
        Some(Case::Upper) => *keyword == keyword.to_uppercase(),
        None => true,
    };
    if !fits {
        let detail = format!("'{keyword}' and '{from}' keywords' casing do not match");
        linter.warn(&stage.comments, &rules::FROM_AS_CASING, stage.span, detail);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
}

/// The one case that a word is written in.
fn case(word: &str) -> Option<Case> {
    if word == word.to_lowercase() {
        Some(Case::Lower)
    } else if word == word.to_uppercase() {
        Some(Case::Upper)
    } else {
        None
    }
}

/// Names that mean something else where stages are named.
const RESERVED: [&str; 2] = ["context", "scratch"];

fn stage_names(stages: &[Stage], linter: &mut Linter) {
    let mut seen = BTreeSet::new();
    for stage in stages {
        let Some(name) = &stage.name else { continue };
        let quoted = golang::quote(name);
        if RESERVED.contains(&name.as_str()) {
            let detail = format!("Stage name should not use the same name as reserved stage {quoted}");
            linter.warn(&[], &rules::RESERVED_STAGE_NAME, stage.span, detail);
        }
        if !seen.insert(name) {
            let detail = format!("Duplicate stage name {quoted}, stage names should be unique");
            linter.warn(&[], &rules::DUPLICATE_STAGE_NAME, stage.span, detail);
        }
    }
}

fn instruction_casing(stages: &[Stage], linter: &mut Linter) {
    let keywords: Vec<(&str, Span)> = stages.iter().flat_map(keywords).collect();
    let count = |wanted| {
        keywords
            .iter()
            .filter(|(word, _)| case(word) == Some(wanted))
            .count()
    };
    let lower = count(Case::Lower) > count(Case::Upper);
    for (word, span) in keywords {
        let (fits, right) = if lower {
            (word == word.to_lowercase(), "lowercase")
        } else {
            (word == word.to_uppercase(), "uppercase")
        };
        if !fits {
            let detail = format!("Command '{word}' should match the case of the command majority ({right})");
            linter.warn(&[], &rules::CONSISTENT_INSTRUCTION_CASING, span, detail);
        }
    }
}

fn keywords(stage: &Stage) -> impl Iterator<Item = (&str, Span)> {
    let from = stage.words.first().map(|word| (word.as_str(), stage.span));
    let rest = stage.instructions.iter();
    from.into_iter()
        .chain(rest.map(|one| (one.keyword.as_str(), one.span)))
}
