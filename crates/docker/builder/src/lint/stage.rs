//! Rules that follow a stage: its variables, its shell, what it says twice.

use std::collections::BTreeMap;

use super::state::State;
use super::walk::at;
use super::{Fault, Linter, Rule, expose, rules};
use crate::arguments::{Arguments, NOT_VARIABLES};
use crate::dockerfile::{
    self, ArgDefinition, Copy, ExpandError, Expanded, Instruction, InstructionKind, Lex, Mount, Pair, Stage,
    suggest,
};
use crate::dockerignore::{Ignore, clean};
use crate::golang;

/// What is the same for all stages.
pub(super) struct Surroundings<'a> {
    pub(super) lex: Lex,
    pub(super) given: &'a BTreeMap<String, String>,
    pub(super) global: &'a BTreeMap<String, String>,
    pub(super) ignore: Option<&'a Ignore>,
}

/// Walks a stage.
///
/// # Errors
/// What ends the reading.
pub(super) fn check(
    stage: &Stage,
    mut state: State,
    around: &Surroundings<'_>,
    linter: &mut Linter,
) -> Result<State, Fault> {
    for trigger in std::mem::take(&mut state.triggers) {
        let parsed = dockerfile::parse_instruction(&trigger);
        let mut instruction = parsed.map_err(|error| at(stage.span)(error.to_string()))?;
        instruction.span = stage.span;
        step(&mut state, &instruction, around, linter)?;
    }
    for instruction in &stage.instructions {
        step(&mut state, instruction, around, linter)?;
    }
    Ok(state)
}

fn step(
    state: &mut State,
    instruction: &Instruction,
    around: &Surroundings<'_>,
    linter: &mut Linter,
) -> Result<(), Fault> {
    let mut step = Step {
        state,
        instruction,
        around,
        linter,
    };
    step.check().map_err(at(instruction.span))?;
    Arguments::check_size(&state.variables).map_err(at(instruction.span))
}

struct Step<'a> {
    state: &'a mut State,
    instruction: &'a Instruction,
    around: &'a Surroundings<'a>,
    linter: &'a mut Linter,
}

impl Step<'_> {
    fn warn(&mut self, rule: &'static Rule, detail: String) {
        let (comments, span) = (&self.instruction.comments, self.instruction.span);
        self.linter.warn(comments, rule, span, detail);
    }

    /// Replaces variables and tells of those that nothing has set.
    fn word(&mut self, word: &str) -> Result<String, String> {
        let expanded = self.around.lex.expand(word, &self.state.variables);
        self.known(expanded)
    }

    fn known(&mut self, expanded: Result<Expanded, ExpandError>) -> Result<String, String> {
        let expanded = expanded.map_err(|error| error.to_string())?;
        for name in &expanded.unmatched {
            let excused = self.state.unknown || self.state.declared.contains(name);
            if excused || NOT_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            let near = suggest::nearest(name, self.state.variables.keys().map(String::as_str), true);
            let hint = near
                .map(|near| format!(" (did you mean ${near}?)"))
                .unwrap_or_default();
            self.warn(
                &rules::UNDEFINED_VAR,
                format!("Usage of undefined variable '${name}'{hint}"),
            );
        }
        Ok(expanded.text)
    }

    fn check(&mut self) -> Result<(), String> {
        match &self.instruction.kind {
            InstructionKind::Env(pairs) => {
                for (pair, name, value) in self.pairs(pairs)? {
                    self.legacy(pair);
                    self.secret("ENV", &name);
                    self.state.variables.insert(name, value);
                }
            }
            InstructionKind::Label { labels, .. } => {
                for (pair, ..) in self.pairs(labels)? {
                    self.legacy(pair);
                }
            }
            InstructionKind::Arg(definitions) => definitions
                .iter()
                .try_for_each(|definition| self.define(definition))?,
            InstructionKind::Add(copy) => self.copy(copy, "Add")?,
            InstructionKind::Copy(copy) => self.copy(copy, "Copy")?,
            InstructionKind::Run(run) => {
                for mount in &run.mounts {
                    Mount::parse(mount, &mut |word| self.word(word))?;
                }
            }
            InstructionKind::User(text) | InstructionKind::StopSignal(text) => drop(self.word(text)?),
            InstructionKind::Volume(volumes) => {
                volumes
                    .iter()
                    .try_for_each(|volume| self.word(volume).map(drop))?;
            }
            InstructionKind::Workdir(path) => self.workdir(path)?,
            InstructionKind::Expose(ports) => ports.iter().try_for_each(|port| self.expose(port))?,
            InstructionKind::Cmd(command) => self.command("CMD", command.shell),
            InstructionKind::Entrypoint(command) => self.command("ENTRYPOINT", command.shell),
            InstructionKind::Healthcheck(_) => self.once("HEALTHCHECK"),
            InstructionKind::Shell(_) => self.state.shell = true,
            InstructionKind::Onbuild(trigger) => self.state.sets_triggers.push(trigger.clone()),
            InstructionKind::Maintainer(_) => {}
        }
        Ok(())
    }

    fn pairs<'p>(&mut self, pairs: &'p [Pair]) -> Result<Vec<(&'p Pair, String, String)>, String> {
        pairs
            .iter()
            .map(|pair| Ok((pair, self.word(&pair.name)?, self.word(&pair.value)?)))
            .collect()
    }

    fn legacy(&mut self, pair: &Pair) {
        if pair.legacy {
            let name = &self.instruction.keyword;
            let detail =
                format!("\"{name} key=value\" should be used instead of legacy \"{name} key value\" format");
            self.warn(&rules::LEGACY_KEY_VALUE_FORMAT, detail);
        }
    }

    fn secret(&mut self, keyword: &str, name: &str) {
        if is_secret(name) {
            let name = golang::quote(name);
            let detail = format!("Do not use ARG or ENV instructions for sensitive data ({keyword} {name})");
            self.warn(&rules::SECRETS_USED_IN_ARG_OR_ENV, detail);
        }
    }

    fn define(&mut self, definition: &ArgDefinition) -> Result<(), String> {
        let name = &definition.name;
        self.secret("ARG", name);
        let value = match (self.around.given.get(name), &definition.value) {
            (Some(given), _) => Some(given.clone()),
            (None, Some(default)) => Some(self.word(default)?),
            (None, None) => self.around.global.get(name).cloned(),
        };
        if let Some(value) = value.filter(|_| !NOT_VARIABLES.contains(&name.as_str())) {
            self.state.variables.insert(name.clone(), value);
        }
        self.state.declared.insert(name.clone());
        Ok(())
    }

    fn copy(&mut self, copy: &Copy, verb: &str) -> Result<(), String> {
        let texts = [&copy.chown, &copy.chmod, &copy.checksum];
        for text in texts.into_iter().flatten() {
            self.word(text)?;
        }
        let sources = copy.sources.iter().map(|source| self.word(source));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        self.word(&copy.destination)?;
        for file in copy.inline.iter().filter(|file| file.expand) {
            let expanded = Lex::document().expand(&file.content, &self.state.variables);
            self.known(expanded)?;
        }
        let local = copy.from.is_none();
        for source in sources
            .iter()
            .filter(|source| local && crate::source::named(source) == Ok(crate::source::Named::Path))
        {
            self.ignored(source, verb);
        }
        Ok(())
    }

    /// A file that `.dockerignore` keeps away. Where it has exceptions nobody can say.
    fn ignored(&mut self, source: &str, verb: &str) {
        let Some(ignore) = self.around.ignore.filter(|ignore| !ignore.has_exceptions()) else {
            return;
        };
        let path = clean(source);
        let hidden = match path.as_str() {
            "." | "/" => ignore.hides_everything(),
            path => ignore.excludes(path),
        };
        if hidden {
            let path = golang::quote(&path);
            let detail = format!("Attempting to {verb} file {path} that is excluded by .dockerignore");
            self.warn(&rules::COPY_IGNORED_FILE, detail);
        }
    }

    fn workdir(&mut self, path: &str) -> Result<(), String> {
        let path = self.word(path)?;
        if !self.state.workdir && !path.starts_with('/') {
            let quoted = golang::quote(&path);
            let detail =
                format!("Relative workdir {quoted} can have unexpected results if the base image changes");
            self.warn(&rules::WORKDIR_RELATIVE_PATH, detail);
        }
        self.state.workdir = true;
        Ok(())
    }

    fn expose(&mut self, written: &str) -> Result<(), String> {
        // Upstream does not tell of variables here.
        let words = self.around.lex.words(written, &self.state.variables);
        for port in words.map_err(|error| error.to_string())? {
            let odd = expose::judge(&port)?;
            if odd.casing {
                let detail = format!("Defined protocol '{port}' in EXPOSE instruction should be lowercase");
                self.warn(&rules::EXPOSE_PROTO_CASING, detail);
            }
            if odd.mapping {
                let detail = format!(
                    "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
                );
                self.warn(&rules::EXPOSE_INVALID_FORMAT, detail);
            }
        }
        Ok(())
    }

    fn command(&mut self, keyword: &'static str, shell_form: bool) {
        self.once(keyword);
        if shell_form && !self.state.shell {
            let name = &self.instruction.keyword;
            let detail = format!(
                "JSON arguments recommended for {name} to prevent unintended behavior related to OS signals"
            );
            self.warn(&rules::JSON_ARGS_RECOMMENDED, detail);
        }
    }

    /// What only the last one of counts: the one before is told of.
    fn once(&mut self, keyword: &'static str) {
        let Some(before) = self.state.once.insert(keyword, self.instruction.span) else {
            return;
        };
        let name = &self.instruction.keyword;
        let detail = format!(
            "Multiple {name} instructions should not be used in the same stage because only the last one will be used"
        );
        let (comments, rule) = (
            &self.instruction.comments,
            &rules::MULTIPLE_INSTRUCTIONS_DISALLOWED,
        );
        self.linter.warn(comments, rule, before, detail);
    }
}

/// Parts of names that secrets have.
const SECRET: [&str; 10] = [
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "password",
    "pword",
    "passwd",
    "secret",
    "token",
];
/// Parts of names of what is about a secret and is none.
const OPEN: [&str; 3] = ["public", "file", "version"];

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let has = |parts: &[&str]| name.split('_').any(|part| parts.contains(&part));
    has(&SECRET) && !has(&OPEN)
}
