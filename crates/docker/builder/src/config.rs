//! What an instruction makes of a stage's configuration. Pure: the same instruction on the same
//! state gives the same state and the same note in the history.

mod told;

use std::str::FromStr as _;

use image::{Empty, Healthcheck, RunConfig};

use crate::arguments::{Arguments, Scope, name_of};
use crate::dockerfile::{ArgDefinition, Command, Copy, ExpandError, Instruction, InstructionKind, Lex, Pair};
use crate::request::Dialect;
use crate::{dockerfile, golang};

/// What runs shell forms where no `SHELL` says otherwise.
const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// The `PATH` of images that have none, as upstream sets it.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A stage while it is being built: what the next image's configuration is to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) config: RunConfig,
    pub(crate) author: String,
    /// A `CMD` of this stage, which an `ENTRYPOINT` after it does not clear.
    cmd_set: bool,
    /// Whose rules.
    dialect: Dialect,
}

/// How a step without a command of its own is written down (`/bin/sh -c #(nop) …`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Two words: what most instructions leave, with a space more than the other form.
    Plain(String),
    /// One word: `WORKDIR`, `COPY`, `ADD`.
    Joined(String),
}

impl Draft {
    /// The draft of a stage that starts from a configuration.
    pub(crate) fn new(mut config: RunConfig) -> Self {
        if !config.env.iter().any(|entry| name_of(entry) == "PATH") {
            config.env.push(format!("PATH={DEFAULT_PATH}"));
        }
        Self::exactly(config)
    }

    /// The same by the rules of one of upstream's builders.
    pub(crate) fn by(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// The draft of a configuration that is changed without a build.
    pub(crate) fn exactly(config: RunConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// The shell of shell forms.
    pub(crate) fn shell(&self) -> Vec<String> {
        match &self.config.shell {
            Some(shell) if !shell.is_empty() => shell.clone(),
            _ => DEFAULT_SHELL.map(str::to_owned).to_vec(),
        }
    }

    /// The command line of a note.
    pub(crate) fn note(&self, note: &Note) -> Vec<String> {
        let mut words = self.shell();
        match note {
            Note::Plain(text) => words.extend(["#(nop) ".to_owned(), text.clone()]),
            Note::Joined(text) => words.push(format!("#(nop) {text}")),
        }
        words
    }

    /// A command with the shell before it, if it is in shell form.
    pub(crate) fn command_line(&self, command: &Command) -> Vec<String> {
        let shell = if command.shell { self.shell() } else { Vec::new() };
        shell
            .into_iter()
            .chain(command.arguments.iter().cloned())
            .collect()
    }

    /// Carries out an instruction that changes nothing but the configuration. What it prints goes
    /// to `print`.
    ///
    /// # Errors
    /// Upstream's sentence.
    pub(crate) fn amend(
        &mut self,
        kind: &InstructionKind,
        print: &mut dyn FnMut(String),
    ) -> Result<Note, String> {
        let text = match kind {
            InstructionKind::Env(pairs) => self.env(pairs),
            InstructionKind::Label { labels, .. } => self.label(labels),
            InstructionKind::Arg(definitions) => format!("ARG {}", definitions_text(definitions)),
            InstructionKind::Maintainer(author) => {
                self.author.clone_from(author);
                format!("MAINTAINER {author}")
            }
            InstructionKind::Cmd(command) => {
                let words = self.command_line(command);
                self.cmd_set |= !command.arguments.is_empty();
                let text = format!("CMD {}", golang::quote_list(&words));
                self.config.cmd = Some(words);
                // It says nothing on Linux; BuildKit says it all the same.
                self.config.args_escaped |= self.dialect == Dialect::BuildKit;
                text
            }
            InstructionKind::Entrypoint(command) => self.entrypoint(command),
            InstructionKind::Expose(ports) => self.expose(ports)?,
            InstructionKind::Healthcheck(check) => self.healthcheck(check, print),
            InstructionKind::Onbuild(trigger) => {
                self.config.on_build.push(trigger.clone());
                format!("ONBUILD {trigger}")
            }
            InstructionKind::Shell(shell) => {
                self.config.shell = Some(shell.clone());
                format!("SHELL {}", golang::plain_list(shell))
            }
            InstructionKind::StopSignal(signal) => {
                check_signal(signal)?;
                self.config.stop_signal.clone_from(signal);
                format!("STOPSIGNAL {signal}")
            }
            InstructionKind::User(user) => {
                self.config.user.clone_from(user);
                format!("USER {user}")
            }
            InstructionKind::Volume(volumes) => self.volume(volumes)?,
            InstructionKind::Workdir(path) => {
                self.config.working_dir = join(&self.config.working_dir, path)?;
                return Ok(Note::Joined(format!("WORKDIR {}", self.config.working_dir)));
            }
            InstructionKind::Add(_) | InstructionKind::Copy(_) | InstructionKind::Run(_) => {
                return Err("it changes more than the configuration".to_owned());
            }
        };
        Ok(Note::Plain(text))
    }

    fn env(&mut self, pairs: &[Pair]) -> String {
        let mut text = "ENV".to_owned();
        for pair in pairs {
            let entry = format!("{}={}", pair.name, pair.value);
            text.push(' ');
            text.push_str(&entry);
            match self.config.env.iter_mut().find(|old| name_of(old) == pair.name) {
                Some(old) => *old = entry,
                None => self.config.env.push(entry),
            }
        }
        text
    }

    fn label(&mut self, labels: &[Pair]) -> String {
        let mut text = "LABEL".to_owned();
        for Pair { name, value, .. } in labels {
            text.push_str(&format!(" {name}={value}"));
            self.config.labels.insert(name.clone(), value.clone());
        }
        text
    }

    fn entrypoint(&mut self, command: &Command) -> String {
        let words = self.command_line(command);
        let bare = command.arguments.is_empty();
        let text = format!(
            "ENTRYPOINT {}",
            golang::quote_list(if bare { &[] } else { &words })
        );
        // An empty one takes the base's away.
        self.config.entrypoint = Some(words).filter(|_| !bare);
        if !self.cmd_set {
            self.config.cmd = None;
        }
        text
    }

    fn expose(&mut self, ports: &[String]) -> Result<String, String> {
        for port in ports {
            for exposed in exposed_ports(port)? {
                self.config.exposed_ports.insert(exposed, Empty {});
            }
        }
        Ok(format!("EXPOSE {}", ports.join(" ")))
    }

    fn healthcheck(&mut self, check: &dockerfile::Healthcheck, print: &mut dyn FnMut(String)) -> String {
        if let Some(old) = self
            .config
            .healthcheck
            .as_ref()
            .filter(|old| old.test.first().is_some_and(|t| t != "NONE"))
        {
            print(format!(
                "Note: overriding previous HEALTHCHECK: {}\n",
                golang::plain_list(&old.test)
            ));
        }
        let said = Healthcheck {
            test: check.test.clone(),
            interval: check.interval,
            timeout: check.timeout,
            start_period: check.start_period,
            start_interval: check.start_interval,
            retries: i64::from(check.retries),
        };
        let before = self
            .config
            .healthcheck
            .take()
            .filter(|_| self.dialect == Dialect::Classic);
        self.config.healthcheck = Some(before.map_or(said.clone(), |before| filled(said, &before)));
        // Engines before 25 do not know the last one, so it is told only where it is set.
        let times = [check.interval, check.timeout, check.start_period];
        let times = times
            .into_iter()
            .chain(Some(check.start_interval).filter(|time| *time != 0));
        let times = times
            .map(|time| golang::quote(&golang::duration(time)))
            .collect::<Vec<_>>()
            .join(" ");
        let retries = u32::try_from(check.retries)
            .ok()
            .and_then(char::from_u32)
            .unwrap_or('\u{fffd}');
        format!(
            "HEALTHCHECK &{{{} {times} {}}}",
            golang::quote_list(&check.test),
            golang::quote_char(retries)
        )
    }

    fn volume(&mut self, volumes: &[String]) -> Result<String, String> {
        if volumes.iter().any(String::is_empty) {
            return Err("VOLUME specified can not be an empty string".to_owned());
        }
        self.config
            .volumes
            .extend(volumes.iter().map(|volume| (volume.clone(), Empty {})));
        Ok(format!("VOLUME {}", golang::plain_list(volumes)))
    }
}

/// A check with what it leaves out taken from the one before it: so dockerd's builder, which commits containers, has it.
fn filled(said: Healthcheck, before: &Healthcheck) -> Healthcheck {
    let or = |value: i64, other: i64| if value == 0 { other } else { value };
    Healthcheck {
        test: if said.test.is_empty() {
            before.test.clone()
        } else {
            said.test
        },
        interval: or(said.interval, before.interval),
        timeout: or(said.timeout, before.timeout),
        start_period: or(said.start_period, before.start_period),
        start_interval: or(said.start_interval, before.start_interval),
        retries: or(said.retries, before.retries),
    }
}

fn definitions_text(definitions: &[ArgDefinition]) -> String {
    let text = |definition: &ArgDefinition| match &definition.value {
        Some(value) => format!("{}={value}", definition.name),
        None => definition.name.clone(),
    };
    definitions.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// A working directory relative to the current one, cleaned.
fn join(current: &str, path: &str) -> Result<String, String> {
    match path {
        "" => Err("cannot normalize nothing".to_owned()),
        path if path.starts_with('/') => Ok(crate::dockerignore::clean(path)),
        path => Ok(crate::dockerignore::clean(&format!("/{current}/{path}"))),
    }
}

/// Signal numbers with a name; the real-time ones are `RTMIN+1` to `RTMAX-1`.
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

fn check_signal(signal: &str) -> Result<(), String> {
    let invalid = || format!("Invalid signal: {signal}");
    if let Ok(number) = i32::from_str(signal) {
        return (1..=64).contains(&number).then_some(()).ok_or_else(invalid);
    }
    let upper = signal.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = |prefix, range: std::ops::RangeInclusive<u8>| {
        name.strip_prefix(prefix)
            .and_then(|n| n.parse().ok())
            .is_some_and(|n| range.contains(&n))
    };
    let known = SIGNALS.contains(&name) || real_time("RTMIN+", 1..=15) || real_time("RTMAX-", 1..=14);
    known.then_some(()).ok_or_else(invalid)
}

/// `[[ip:]host:]80-81[/tcp]` to `80/tcp`, `81/tcp`.
fn exposed_ports(specification: &str) -> Result<Vec<String>, String> {
    let container = specification.rsplit(':').next().unwrap_or_default();
    let (range, protocol) = match container.split_once('/') {
        Some((range, protocol)) => (range, protocol),
        None => (container, ""),
    };
    if range.is_empty() {
        return Err(format!("No port specified: {specification}<empty>"));
    }
    let protocol = match protocol.to_lowercase().as_str() {
        "" => "tcp".to_owned(),
        known @ ("tcp" | "udp" | "sctp") => known.to_owned(),
        other => return Err(format!("Invalid proto: {other}")),
    };
    let invalid = || format!("Invalid containerPort: {range}");
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let port = |text: &str| text.parse::<u16>().map_err(|_| invalid());
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err(invalid());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

/// Replaces the variables of an instruction, where it is one whose variables are replaced.
///
/// # Errors
/// [`ExpandError`].
pub(crate) fn expand(
    instruction: &Instruction,
    lex: Lex,
    environment: &[String],
    arguments: &Arguments,
) -> Result<InstructionKind, ExpandError> {
    let given = |name: &str| arguments.is_given(name);
    let arguments = &arguments.variables(environment);
    let scope = Scope {
        environment,
        arguments,
    };
    let word = |text: &String| lex.word(text, &scope);
    // Quotes are plain characters in here-documents.
    let content = |text: &String| Lex::document().word(text, &scope);
    let list = |texts: &[String]| texts.iter().map(word).collect::<Result<Vec<_>, _>>();
    Ok(match &instruction.kind {
        InstructionKind::Env(pairs) => InstructionKind::Env(expand_pairs(pairs, &word)?),
        InstructionKind::Label {
            labels,
            expanded: true,
        } => InstructionKind::Label {
            labels: expand_pairs(labels, &word)?,
            expanded: true,
        },
        InstructionKind::Arg(definitions) => {
            InstructionKind::Arg(expand_definitions(definitions, &word, &given)?)
        }
        InstructionKind::Add(copy) => InstructionKind::Add(expand_copy(copy, &word, &content)?),
        InstructionKind::Copy(copy) => InstructionKind::Copy(expand_copy(copy, &word, &content)?),
        InstructionKind::User(user) => InstructionKind::User(word(user)?),
        InstructionKind::Workdir(path) => InstructionKind::Workdir(word(path)?),
        InstructionKind::StopSignal(signal) => InstructionKind::StopSignal(word(signal)?),
        InstructionKind::Volume(volumes) => InstructionKind::Volume(list(volumes)?),
        // The one instruction in which a variable may become several words.
        InstructionKind::Expose(ports) => {
            let words: Result<Vec<_>, _> = ports.iter().map(|port| lex.words(port, &scope)).collect();
            InstructionKind::Expose(words?.concat())
        }
        other => other.clone(),
    })
}

type Word<'a> = dyn Fn(&String) -> Result<String, ExpandError> + 'a;

fn expand_pairs(pairs: &[Pair], word: &Word<'_>) -> Result<Vec<Pair>, ExpandError> {
    pairs
        .iter()
        .map(|pair| {
            Ok(Pair {
                name: word(&pair.name)?,
                value: word(&pair.value)?,
                legacy: pair.legacy,
            })
        })
        .collect()
}

pub(crate) fn expand_definitions(
    definitions: &[ArgDefinition],
    word: &Word<'_>,
    given: &dyn Fn(&str) -> bool,
) -> Result<Vec<ArgDefinition>, ExpandError> {
    let expand = |definition: &ArgDefinition| {
        let name = word(&definition.name)?;
        // Nobody asks what a default is worth that is not used.
        let value = match &definition.value {
            Some(value) if given(&name) => Some(value.clone()),
            value => value.as_ref().map(word).transpose()?,
        };
        Ok(ArgDefinition { name, value })
    };
    definitions.iter().map(expand).collect()
}

fn expand_copy(copy: &Copy, word: &Word<'_>, raw: &Word<'_>) -> Result<Copy, ExpandError> {
    let inline = copy.inline.iter().map(|file| {
        let content = if file.expand {
            raw(&file.content)?
        } else {
            file.content.clone()
        };
        Ok(dockerfile::InlineFile {
            content,
            ..file.clone()
        })
    });
    let optional = |text: &Option<String>| {
        let text = text.as_ref().map(word).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    };
    Ok(Copy {
        sources: copy.sources.iter().map(word).collect::<Result<_, _>>()?,
        inline: inline.collect::<Result<_, _>>()?,
        destination: word(&copy.destination)?,
        chown: optional(&copy.chown)?,
        chmod: optional(&copy.chmod)?,
        checksum: optional(&copy.checksum)?,
        ..copy.clone()
    })
}
