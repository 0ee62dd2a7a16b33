//! Steps as BuildKit's clients see them (vertices), told to whoever watches a build.
//!
//! The classic door's lines count every instruction; BuildKit counts, stage by stage, what makes files, and names each
//! step with its stage, its number and the instruction with its variables replaced.

use std::sync::Arc;

use image::{Digest, Platform};

use crate::dockerfile::{InstructionKind, Lex, Location, Stage, Variables};
use crate::{BuildError, platform};

/// Hears of a build's steps. Its methods do not wait.
pub trait Watch: Send + Sync {
    /// A step begins.
    fn begin(&self, step: &StepName) -> Arc<dyn WatchedStep>;
    /// A vertex of LLB begins, which has a name of its own on the wire.
    fn vertex(&self, vertex: &VertexName) -> Arc<dyn WatchedStep>;
    /// Where in the Dockerfile it is that the build fails; the innermost is told last.
    fn fault(&self, place: &Location);
    /// An image of this name is used, and it is this one.
    fn used(&self, _reference: &str, _image: &Digest) {}
}

/// A step that is watched.
pub trait WatchedStep: Send + Sync {
    /// Its command's output: 1 for standard output, 2 for standard error.
    fn output(&self, stream: u8, bytes: &[u8]);
    /// A line about it.
    fn line(&self, text: &str);
    /// It is done.
    fn done(&self, cached: bool);
    /// It failed.
    fn failed(&self, error: &BuildError);
}

/// What a vertex is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VertexName {
    /// Its digest.
    pub digest: String,
    /// What is shown.
    pub name: String,
    /// The digests of what it needs.
    pub inputs: Vec<String>,
    /// The steps that it is shown together with.
    pub group: Option<llb::pb::ProgressGroup>,
}

/// What a step is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepName {
    /// `[build 2/5] RUN make`.
    pub name: String,
    /// The stage's number.
    pub stage: usize,
    /// Earlier stages that it uses, besides the step before it.
    pub uses: Vec<usize>,
}

/// Counts the steps of a stage.
#[derive(Clone, Debug)]
pub(crate) struct Numbering {
    /// `linux/arm64`; nothing where that is not shown.
    platform: String,
    /// `build `.
    stage: String,
    next: usize,
    total: usize,
}

impl Numbering {
    /// Of the stage with this number, of so many; `based` says that it begins with an image.
    pub(crate) fn new(
        stage: &Stage,
        (number, stages): (usize, usize),
        based: bool,
        shown: Option<&Platform>,
    ) -> Self {
        let steps = stage.instructions.iter().filter(|each| is_step(&each.kind));
        let platform = shown.map(platform::text).unwrap_or_default();
        let name = match &stage.name {
            _ if stages == 1 => String::new(),
            Some(name) => format!("{name} "),
            None => format!("stage-{number} "),
        };
        Self {
            platform,
            stage: name,
            next: 0,
            total: steps.count() + usize::from(based),
        }
    }

    /// The next step's name; `across` is what it makes things for ([`across`]).
    pub(crate) fn name(&mut self, text: &str, across: &str) -> String {
        self.next += 1;
        let width = self.total.max(1).to_string().len();
        let (next, total, stage) = (self.next, self.total, &self.stage);
        let platform = match &*self.platform {
            "" => String::new(),
            platform => format!("{platform}{across} "),
        };
        format!("[{platform}{stage}{next:width$}/{total}] {text}")
    }

    /// The same for an instruction that a base has brought.
    pub(crate) fn trigger(&mut self, text: &str, across: &str) -> String {
        self.total += 1;
        self.name(&format!("ONBUILD {text}"), across)
    }
}

/// `->arm64`: what a stage that knows its target's platform makes things for, if that is not what its commands are for.
pub(crate) fn across(own: &Platform, variables: &dyn Variables) -> String {
    let part = |name: &str| variables.get(name).map(str::to_owned);
    let whole = part("TARGETPLATFORM").and_then(|whole| platform::parse(&whole));
    let parts = ["TARGETOS", "TARGETARCH", "TARGETVARIANT"].map(part);
    if whole.is_none() && parts.iter().all(Option::is_none) {
        return String::new();
    }
    let [os, architecture, variant] = parts.map(|part| part.filter(|part| !part.is_empty()));
    let target = platform::normal(whole.unwrap_or_else(|| Platform {
        os: os.unwrap_or_else(|| own.os.clone()),
        architecture: architecture.unwrap_or_else(|| own.architecture.clone()),
        variant,
    }));
    let text = platform::text(&target);
    match (target.os == own.os, target.architecture == own.architecture) {
        (true, true) => String::new(),
        (true, false) => format!("->{}", &text[target.os.len() + 1..]),
        (false, _) => format!("->{text}"),
    }
}

/// Whether an instruction is a step: it makes files.
pub(crate) const fn is_step(kind: &InstructionKind) -> bool {
    matches!(
        kind,
        InstructionKind::Add(_)
            | InstructionKind::Copy(_)
            | InstructionKind::Run(_)
            | InstructionKind::Workdir(_)
    )
}

/// An instruction as steps are called: variables replaced, those of commands only where they are set.
pub(crate) fn shown(source: &str, kind: &InstructionKind, lex: Lex, variables: &dyn Variables) -> String {
    let lex = match kind {
        InstructionKind::Run(_) => Lex {
            raw_quotes: true,
            keep_unset: true,
            ..lex
        },
        _ => lex,
    };
    let text = lex.word(source, variables).unwrap_or_else(|_| source.to_owned());
    match text.split_once(' ') {
        Some((keyword, rest)) => format!("{} {rest}", keyword.to_uppercase()),
        None => text.to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::dockerfile;

    #[test]
    fn steps_are_counted_by_stage() {
        let file = b"FROM x AS build\nENV a=b\nRUN y\nWORKDIR /w\nFROM scratch\nCOPY --from=build / /\n";
        let stages = dockerfile::parse(file).unwrap().stages;
        let mut build = Numbering::new(&stages[0], (0, 2), true, None);
        assert_eq!(build.name("FROM x", ""), "[build 1/3] FROM x");
        assert_eq!(build.name("RUN y", ""), "[build 2/3] RUN y");
        let mut last = Numbering::new(&stages[1], (1, 2), false, Some(&Platform::host()));
        let host = platform::text(&Platform::host());
        assert_eq!(last.name("COPY", "->x"), format!("[{host}->x stage-1 1/1] COPY"));
        let mut alone = Numbering::new(&stages[1], (0, 1), false, None);
        assert_eq!(alone.trigger("RUN x", ""), "[1/2] ONBUILD RUN x");
    }

    #[test]
    fn what_is_made_for_another_platform_is_told_of() {
        let own = platform::parse("linux/amd64").unwrap();
        for (variables, expected) in [
            (&[][..], ""),
            (&[("TARGETARCH", "amd64")], ""),
            (&[("TARGETARCH", "arm64"), ("TARGETVARIANT", "")], "->arm64"),
            (&[("TARGETPLATFORM", "linux/arm/v6")], "->arm/v6"),
            (&[("TARGETPLATFORM", "linux/arm64/v8")], "->arm64"),
            (&[("TARGETOS", "windows")], "->windows/amd64"),
        ] {
            let set = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let set: BTreeMap<String, String> = set.collect();
            assert_eq!(across(&own, &set), expected, "{variables:?}");
        }
    }

    #[test]
    fn variables_are_shown_with_their_values() {
        let variables = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        let shown = |source: &str| {
            let parsed = dockerfile::parse_instruction(source).unwrap();
            shown(source, &parsed.kind, Lex::new('\\'), &variables)
        };
        assert_eq!(shown("run echo \"$a\" $b"), "RUN echo \"1\" $b");
        assert_eq!(shown("COPY x$a \"y\" $b/"), "COPY x1 y /");
    }
}
