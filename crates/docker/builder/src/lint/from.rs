//! Rules about `FROM`.

use std::collections::{BTreeMap, BTreeSet};

use image::Reference;

use super::{Linter, rules};
use crate::dockerfile::{Dockerfile, Expanded, Lex, Stage, suggest};
use crate::{golang, platform};

/// Base names must make sense without any build argument.
pub(super) fn defaults(
    file: &Dockerfile,
    lex: Lex,
    defaults: &BTreeMap<String, String>,
    linter: &mut Linter,
) {
    for stage in &file.stages {
        let Ok(base) = lex.word(&stage.base, defaults) else {
            return;
        };
        if Reference::parse(&base).is_err() {
            let detail = format!(
                "Default value for ARG {} results in empty or invalid base image name",
                stage.base
            );
            linter.warn(&[], &rules::INVALID_DEFAULT_ARG_IN_FROM, stage.span, detail);
        }
    }
}

/// Variables in a `FROM` that no `ARG` before it declares.
pub(super) fn undeclared(stage: &Stage, found: &Expanded, declared: &BTreeSet<String>, linter: &mut Linter) {
    for name in found.unmatched.iter().filter(|name| !declared.contains(*name)) {
        let sentence = format!("FROM argument '{name}' is not declared");
        let detail = suggest::hinted(sentence, name, declared.iter().map(String::as_str), true);
        linter.warn(&stage.comments, &rules::UNDEFINED_ARG_IN_FROM, stage.span, detail);
    }
}

/// `--platform=$TARGETPLATFORM`, and platforms that no variable can change.
pub(super) fn platform(
    stage: &Stage,
    written: &str,
    found: &Expanded,
    global: &BTreeMap<String, String>,
    linter: &mut Linter,
) {
    const TARGET: &str = "TARGETPLATFORM";
    let only_target =
        found.matched.len() == 1 && found.unmatched.is_empty() && found.matched.contains(TARGET);
    if only_target && global.get(TARGET) == Some(&found.text) {
        let detail = format!(
            "Setting platform to predefined {written} in FROM is redundant as this is the default behavior"
        );
        linter.warn(
            &stage.comments,
            &rules::REDUNDANT_TARGET_PLATFORM,
            stage.span,
            detail,
        );
    }
    if !found.matched.is_empty() || !found.unmatched.is_empty() {
        return;
    }
    let Some(platform) = platform::parse(&found.text) else {
        return;
    };
    // A stage that is called after its platform means it.
    let name = stage.name.as_deref().unwrap_or_default();
    if !name.contains(&platform.os) && !name.contains(&platform.architecture) {
        let value = golang::quote(&found.text);
        let detail = format!("FROM --platform flag should not use constant value {value}");
        linter.warn(
            &stage.comments,
            &rules::FROM_PLATFORM_FLAG_CONST_DISALLOWED,
            stage.span,
            detail,
        );
    }
}
