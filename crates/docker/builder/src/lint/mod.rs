//! The linter: BuildKit's rules about Dockerfiles (Docker documentation, "Build checks").
//!
//! A rule is a row of [`RULES`] and a pure function that finds what breaks it: `file` has those
//! that look at the text, `stage` those that follow a stage's variables. [`lint`] asks them all, in
//! upstream's order; `# check=` says which are not asked. A door may show the warnings as BuildKit's
//! protocol has them, or as text ([`Report::print`]).

mod expose;
mod file;
mod from;
mod options;
mod print;
mod rules;
mod stage;
mod state;
mod walk;

use std::collections::BTreeMap;

use image::Platform;

pub use options::Options;
pub use rules::{RULES, Rule};

use crate::dockerfile::{self, Span};
use crate::dockerignore::Ignore;

/// What is known besides the Dockerfile.
pub struct Facts<'a> {
    /// `--build-arg`s.
    pub args: &'a BTreeMap<String, String>,
    /// The stage that is built; all of them if none is named.
    pub target: Option<&'a str>,
    /// The context's `.dockerignore`, if it has one.
    pub ignore: Option<&'a Ignore>,
    /// The platform that is built for.
    pub platform: Platform,
    /// What base images are.
    pub bases: &'a dyn Bases,
}

/// A base image, as far as rules ask.
#[derive(Clone, Debug, Default)]
pub struct Base {
    /// Its environment.
    pub env: Vec<String>,
    /// It has a `SHELL`.
    pub shell: bool,
    /// What a stage upon it runs first.
    pub on_build: Vec<String>,
    /// Its platform.
    pub platform: Option<Platform>,
}

/// Where base images are looked up.
pub trait Bases {
    /// The image of this name, the one for `wanted` where it stands for several; `None` if nobody can say. Then variables
    /// that it might set are not called undefined.
    fn base(&self, reference: &str, wanted: &Platform) -> Option<Base>;
}

/// No base image is known.
#[derive(Clone, Copy, Debug)]
pub struct NoBases;

impl Bases for NoBases {
    fn base(&self, _: &str, _: &Platform) -> Option<Base> {
        None
    }
}

/// Something that a rule says of a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The rule.
    pub rule: &'static Rule,
    /// What it says of this place.
    pub detail: String,
    /// The place.
    pub span: Span,
}

/// Why a Dockerfile cannot be built whatever it is built on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In upstream's words.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
}

/// What the linter has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of their lines.
    pub warnings: Vec<Warning>,
    /// What ended the reading.
    pub fault: Option<Fault>,
    /// `# check=error=true`: warnings fail the build.
    pub error: bool,
}

impl Report {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.warnings.is_empty() && self.fault.is_none()
    }

    /// Upstream's sentence where warnings fail the build.
    #[must_use]
    pub fn violation(&self) -> Option<String> {
        let names: std::collections::BTreeSet<_> =
            self.warnings.iter().map(|warning| warning.rule.name).collect();
        let names: Vec<_> = names.into_iter().collect();
        (self.error && !names.is_empty())
            .then(|| format!("lint violation found for rules: {}", names.join(", ")))
    }
}

/// Collects warnings.
struct Linter {
    options: Options,
    warnings: Vec<Warning>,
}

impl Linter {
    /// Notes a warning, unless its rule is skipped here.
    fn warn(&mut self, comments: &[String], rule: &'static Rule, span: Span, detail: String) {
        if self.options.with_comments(comments).asks(rule) {
            self.warnings.push(Warning { rule, detail, span });
        }
    }
}

/// The build argument that says what `# check=` would.
const CHECK_ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// The platform that is built for where nobody says another.
#[must_use]
pub fn host() -> Platform {
    Platform::host()
}

/// Asks all rules about a Dockerfile.
#[must_use]
pub fn lint(file: &[u8], facts: &Facts<'_>) -> Report {
    let parsed = match dockerfile::parse(file) {
        Ok(parsed) => parsed,
        Err(error) => {
            let line = Some(error.line).filter(|line| *line > 0);
            let span = line.map(|line| Span {
                start: line,
                end: line,
            });
            return fault(error.to_string(), span);
        }
    };
    let given = facts.args.get(CHECK_ARGUMENT);
    let said = given.or(parsed.directives.check.as_ref());
    let said = said.and_then(|said| said.split(' ').next()).unwrap_or_default();
    let options = match Options::parse(said) {
        Ok(options) => options,
        Err(error) => return fault(format!("failed to parse check options: {error}"), None),
    };
    let error = options.error;
    let mut linter = Linter {
        options,
        warnings: Vec::new(),
    };
    file::check(&parsed, &mut linter);
    let fault = walk::check(&parsed, facts, &mut linter).err();
    let mut warnings = linter.warnings;
    warnings.sort_by_key(|warning| warning.span.start);
    Report {
        warnings,
        fault,
        error,
    }
}

fn fault(message: String, span: Option<Span>) -> Report {
    Report {
        fault: Some(Fault { message, span }),
        ..Report::default()
    }
}

#[cfg(test)]
mod tests;
