//! The second pass: statements to instructions, and instructions to stages.

mod health;

use health::healthcheck;

use super::arguments::Arguments;
use super::flags::{self, Flags};
use super::heredoc::Heredoc;
use super::instruction::{
    ArgDefinition, Command, Copy, InlineFile, Instruction, InstructionKind, Pair, Run, RunNetwork, Stage,
};
use super::mount::{self, Device};
use super::statement::{Keyword, Parsed, Statement};
use super::{Dockerfile, ParseError, suggest};
use crate::golang;

type Read<T> = Result<T, String>;

pub(super) fn dockerfile(parsed: Parsed) -> Result<Dockerfile, ParseError> {
    let mut meta_args = Vec::new();
    let mut stages: Vec<Stage> = Vec::new();
    for statement in parsed.statements {
        let span = statement.span;
        if statement.keyword == Some(Keyword::From) {
            stages.push(stage(statement).map_err(|text| ParseError::instruction(span, text))?);
            continue;
        }
        let instruction = instruction(statement)?;
        match stages.last_mut() {
            Some(stage) => stage.instructions.push(instruction),
            None if matches!(instruction.kind, InstructionKind::Arg(_)) => meta_args.push(instruction),
            None => return Err(ParseError::no_stage(span)),
        }
    }
    let Parsed {
        escape,
        directives,
        warnings,
        ..
    } = Parsed {
        statements: Vec::new(),
        ..parsed
    };
    Ok(Dockerfile {
        escape,
        directives,
        meta_args,
        stages,
        warnings,
    })
}

pub(super) fn instruction(statement: Statement) -> Result<Instruction, ParseError> {
    let span = statement.span;
    let kind = read(&statement).map_err(|text| ParseError::instruction(span, text))?;
    Ok(Instruction {
        source: statement.source.trim().to_owned(),
        keyword: statement.written,
        span: statement.span,
        location: statement.location,
        pieces: statement.pieces,
        comments: statement.comments,
        kind,
    })
}

fn stage(statement: Statement) -> Read<Stage> {
    let mut words = statement.arguments.list.iter().cloned();
    let (base, name) = match (words.next(), words.next(), words.next(), words.next()) {
        (Some(base), None, ..) => (base, None),
        (Some(base), Some(keyword), Some(name), None) if keyword.eq_ignore_ascii_case("as") => {
            (base, Some(name))
        }
        _ => return Err("FROM requires either one or three arguments".to_owned()),
    };
    Ok(Stage {
        name: name.map(stage_name).transpose()?,
        base,
        platform: Flags::parse(&statement.flags, flags::table("FROM"))?.text("platform"),
        source: statement.source.trim().to_owned(),
        words: std::iter::once(statement.written)
            .chain(statement.arguments.list)
            .collect(),
        span: statement.span,
        location: statement.location,
        pieces: statement.pieces,
        comments: statement.comments,
        instructions: Vec::new(),
    })
}

fn stage_name(written: String) -> Read<String> {
    let name = written.to_lowercase();
    let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    if valid {
        return Ok(name);
    }
    let quoted = golang::quote(&written);
    Err(format!(
        "invalid name for build stage: {quoted}, name can't start with a number or contain symbols"
    ))
}

fn read(statement: &Statement) -> Read<InstructionKind> {
    let keyword = statement.keyword.ok_or_else(|| {
        let sentence = format!("unknown instruction: {}", statement.written);
        suggest::hinted(sentence, &statement.written, Keyword::names(), false)
    })?;
    let arguments = &statement.arguments;
    count(keyword, arguments, statement.trigger.is_some())?;
    // Upstream reads no flags of these, whatever they are.
    let unread = match keyword {
        Keyword::StopSignal | Keyword::Arg => true,
        Keyword::Healthcheck => arguments
            .list
            .first()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("none")),
        _ => false,
    };
    let flags = if unread {
        Flags::default()
    } else {
        Flags::parse(&statement.flags, flags::table(keyword.name()))?
    };
    Ok(match keyword {
        Keyword::Add => InstructionKind::Add(copy("ADD", statement, &flags)?),
        Keyword::Copy => InstructionKind::Copy(copy("COPY", statement, &flags)?),
        Keyword::Arg => InstructionKind::Arg(
            arguments
                .list
                .iter()
                .map(|word| definition(word))
                .collect::<Read<_>>()?,
        ),
        Keyword::Cmd => InstructionKind::Cmd(command(arguments, &statement.heredocs)),
        Keyword::Entrypoint => InstructionKind::Entrypoint(command(arguments, &statement.heredocs)),
        Keyword::Run => InstructionKind::Run(run(statement, &flags)?),
        Keyword::Env => InstructionKind::Env(pairs(keyword, arguments)?),
        Keyword::Label => InstructionKind::Label {
            labels: pairs(keyword, arguments)?,
            expanded: true,
        },
        Keyword::Expose => InstructionKind::Expose(sorted(&arguments.list)),
        Keyword::Healthcheck => InstructionKind::Healthcheck(healthcheck(arguments, &flags)?),
        Keyword::Onbuild => InstructionKind::Onbuild(onbuild(statement)?),
        Keyword::Shell => InstructionKind::Shell(shell(arguments)?),
        Keyword::Volume => InstructionKind::Volume(volumes(&arguments.list)?),
        Keyword::Maintainer => InstructionKind::Maintainer(arguments.text()),
        Keyword::StopSignal => InstructionKind::StopSignal(arguments.text()),
        Keyword::User => InstructionKind::User(arguments.text()),
        Keyword::Workdir => InstructionKind::Workdir(arguments.text()),
        Keyword::From => return Err("FROM is not a command type".to_owned()),
    })
}

fn run(statement: &Statement, flags: &Flags) -> Read<Run> {
    let mounts = flags.all("mount");
    mounts.iter().try_for_each(|mount| mount::check(mount))?;
    let network = match flags.get("network").unwrap_or("default") {
        "default" => RunNetwork::Default,
        "none" => RunNetwork::None,
        "host" => RunNetwork::Host,
        other => return Err(format!("invalid network mode {}", golang::quote(other))),
    };
    let insecure = match flags.get("security").unwrap_or("sandbox") {
        "sandbox" => false,
        "insecure" => true,
        other => return Err(format!("security {} is not valid", golang::quote(other))),
    };
    let devices = flags.all("device");
    Ok(Run {
        command: command(&statement.arguments, &statement.heredocs),
        mounts,
        network,
        insecure,
        devices: devices
            .iter()
            .map(|device| Device::parse(device))
            .collect::<Read<_>>()?,
    })
}

/// How many arguments an instruction needs.
fn count(keyword: Keyword, arguments: &Arguments, trigger: bool) -> Read<()> {
    use Keyword::{
        Add, Arg, Copy, Env, Expose, Healthcheck, Label, Maintainer, Onbuild, Shell, StopSignal, User,
        Volume, Workdir,
    };
    let name = keyword.name();
    let given = arguments.list.len();
    match keyword {
        Add | Copy if given < 2 => Err(format!(
            "{name} requires at least two arguments, but only one was provided. Destination could not be determined"
        )),
        Maintainer | StopSignal | User | Workdir if given != 1 => {
            Err(format!("{name} requires exactly one argument"))
        }
        Arg | Env | Expose | Healthcheck | Label | Shell | Volume if given == 0 => at_least_one(name),
        Onbuild if !trigger => at_least_one(name),
        _ => Ok(()),
    }
}

fn at_least_one(name: &str) -> Read<()> {
    Err(format!("{name} requires at least one argument"))
}

impl Arguments {
    fn text(&self) -> String {
        self.list.join(" ")
    }
}

fn pairs(keyword: Keyword, arguments: &Arguments) -> Read<Vec<Pair>> {
    let pair = |pair: &[String]| match pair {
        [name, value] if !name.is_empty() => Ok(Pair {
            name: name.clone(),
            value: value.clone(),
            legacy: arguments.legacy,
        }),
        _ => Err(format!("{} names can not be blank", keyword.name())),
    };
    arguments.list.chunks(2).map(pair).collect()
}

fn definition(word: &str) -> Read<ArgDefinition> {
    let (name, value) = match word.split_once('=') {
        Some(("", _)) => return Err("ARG names can not be blank".to_owned()),
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (word, None),
    };
    Ok(ArgDefinition {
        name: name.to_owned(),
        value,
    })
}

fn sorted(ports: &[String]) -> Vec<String> {
    let mut ports = ports.to_vec();
    ports.sort_unstable();
    ports
}

fn volumes(list: &[String]) -> Read<Vec<String>> {
    let volumes: Vec<String> = list.iter().map(|volume| volume.trim().to_owned()).collect();
    if volumes.iter().any(String::is_empty) {
        return Err("VOLUME specified can not be an empty string".to_owned());
    }
    Ok(volumes)
}

fn command(arguments: &Arguments, heredocs: &[Heredoc]) -> Command {
    let shell = !arguments.json;
    Command {
        arguments: arguments.list.clone(),
        shell,
        heredocs: heredocs.to_vec(),
    }
}

fn shell(arguments: &Arguments) -> Read<Vec<String>> {
    if arguments.json {
        Ok(arguments.list.clone())
    } else {
        Err("SHELL requires the arguments to be in JSON form".to_owned())
    }
}

fn copy(name: &str, statement: &Statement, flags: &Flags) -> Read<Copy> {
    let (destination, sources) = statement.arguments.list.split_last().ok_or_else(String::new)?;
    if Heredoc::announced(destination).is_some() {
        return Err(format!("{name} cannot accept a heredoc as a destination"));
    }
    // The words of `<< EOF` were split apart with the arguments, so the documents themselves say
    // which words announce them.
    let mut copy = Copy {
        destination: destination.clone(),
        from: flags.text("from"),
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        link: flags.switch("link") == Some(true),
        parents: flags.switch("parents") == Some(true),
        excludes: flags.all("exclude"),
        keep_git_dir: flags.switch("keep-git-dir"),
        checksum: flags.text("checksum"),
        unpack: flags.switch("unpack"),
        ..Copy::default()
    };
    for source in sources {
        match Heredoc::announced(source) {
            Some(announced) => copy.inline.push(inline(&announced, &statement.heredocs)),
            None => copy.sources.push(source.clone()),
        }
    }
    Ok(copy)
}

fn inline(announced: &Heredoc, documents: &[Heredoc]) -> InlineFile {
    let document = documents
        .iter()
        .rev()
        .find(|document| document.name == announced.name);
    InlineFile {
        name: announced.name.clone(),
        content: document.map(Heredoc::text).unwrap_or_default(),
        expand: announced.expand,
    }
}

fn onbuild(statement: &Statement) -> Read<String> {
    let trigger = statement
        .trigger
        .as_ref()
        .map(|trigger| trigger.written.to_uppercase())
        .unwrap_or_default();
    match trigger.as_str() {
        "ONBUILD" => return Err("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".to_owned()),
        "MAINTAINER" | "FROM" => return Err(format!("{trigger} isn't allowed as an ONBUILD trigger")),
        _ => {}
    }
    let line = statement.source.trim_start();
    let mut expression = line
        .get("ONBUILD".len()..)
        .unwrap_or_default()
        .trim_start()
        .to_owned();
    for document in &statement.heredocs {
        expression.push('\n');
        expression.push_str(&document.content);
        expression.push_str(&document.name);
    }
    Ok(expression)
}
