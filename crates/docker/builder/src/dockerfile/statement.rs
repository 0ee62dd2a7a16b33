//! The first pass: a file to statements. What a keyword may be and how its arguments are split is
//! the table [`KEYWORDS`]; an unknown keyword is a statement too, and the second pass refuses it.

use super::arguments::{Arguments, Form};
use super::heredoc::Heredoc;
use super::lines::{Line, Lines};
use super::position::{Location, Piece, PieceKind, Span, within};
use super::words;
use super::{Directives, EmptyContinuation, ParseError};

/// An instruction's keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
}

/// Keyword, its spelling, the form of its arguments.
const KEYWORDS: [(Keyword, &str, Form); 18] = [
    (Keyword::Add, "ADD", Form::List),
    (Keyword::Arg, "ARG", Form::Names),
    (Keyword::Cmd, "CMD", Form::Command),
    (Keyword::Copy, "COPY", Form::List),
    (Keyword::Entrypoint, "ENTRYPOINT", Form::Command),
    (Keyword::Env, "ENV", Form::Pairs),
    (Keyword::Expose, "EXPOSE", Form::Words),
    (Keyword::From, "FROM", Form::Words),
    (Keyword::Healthcheck, "HEALTHCHECK", Form::TypedCommand),
    (Keyword::Label, "LABEL", Form::Pairs),
    (Keyword::Maintainer, "MAINTAINER", Form::Text),
    (Keyword::Onbuild, "ONBUILD", Form::Instruction),
    (Keyword::Run, "RUN", Form::Command),
    (Keyword::Shell, "SHELL", Form::Command),
    (Keyword::StopSignal, "STOPSIGNAL", Form::Text),
    (Keyword::User, "USER", Form::Text),
    (Keyword::Volume, "VOLUME", Form::List),
    (Keyword::Workdir, "WORKDIR", Form::Text),
];

impl Keyword {
    fn find(written: &str) -> Option<(Self, &'static str, Form)> {
        KEYWORDS
            .iter()
            .find(|(_, name, _)| name.eq_ignore_ascii_case(written))
            .copied()
    }

    /// The spelling in capitals.
    pub(super) fn name(self) -> &'static str {
        KEYWORDS
            .iter()
            .find(|(keyword, ..)| *keyword == self)
            .map_or("", |(_, name, _)| name)
    }

    /// All spellings.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        KEYWORDS.iter().map(|(_, name, _)| *name)
    }

    fn takes_heredocs(self) -> bool {
        matches!(self, Self::Add | Self::Copy | Self::Run)
    }
}

/// One statement of a Dockerfile.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    /// `None` if nobody knows it.
    pub(super) keyword: Option<Keyword>,
    /// The keyword as written.
    pub(super) written: String,
    pub(super) flags: Vec<String>,
    pub(super) arguments: Arguments,
    /// What `ONBUILD` triggers.
    pub(super) trigger: Option<Box<Self>>,
    pub(super) heredocs: Vec<Heredoc>,
    /// The logical line.
    pub(super) source: String,
    pub(super) span: Span,
    /// All of it, here-documents included.
    pub(super) location: Location,
    pub(super) pieces: Vec<Piece>,
    /// The comments right before it.
    pub(super) comments: Vec<String>,
}

/// A file after the first pass.
pub(super) struct Parsed {
    pub(super) escape: char,
    pub(super) directives: Directives,
    pub(super) statements: Vec<Statement>,
    pub(super) warnings: Vec<EmptyContinuation>,
}

pub(super) fn parse(file: &str) -> Result<Parsed, ParseError> {
    let mut lines = Lines::new(file);
    let mut statements = Vec::new();
    while let Some(line) = lines.logical()? {
        statements.push(statement(&line, &mut lines)?);
    }
    if statements.is_empty() {
        return Err(ParseError::syntax(lines.number, "file with no instructions"));
    }
    Ok(Parsed {
        escape: lines.escape,
        directives: lines.directives,
        statements,
        warnings: lines.warnings,
    })
}

fn statement(line: &Line, lines: &mut Lines<'_>) -> Result<Statement, ParseError> {
    let mut statement =
        split(&line.text, lines.escape, 0).map_err(|text| ParseError::syntax(line.start, text))?;
    if statement.has_heredocs() {
        statement.heredocs = Heredoc::attach(&line.text, line.start, lines)?;
    }
    statement.span = Span {
        start: line.start,
        end: lines.number,
    };
    let trimmed = line.text.len() - line.text.trim_end().len();
    // What no here-document prolongs ends with its last word.
    let end = if statement.heredocs.is_empty() {
        line.origins.range(0..line.text.len() - trimmed).end
    } else {
        lines.end
    };
    statement.location = lines.starts.location(line.origins.range(0..0).start..end);
    statement.pieces = pieces(line, lines);
    statement.comments.clone_from(&line.comments);
    Ok(statement)
}

/// Where keyword, flags and arguments stand.
fn pieces(line: &Line, lines: &Lines<'_>) -> Vec<Piece> {
    let text = line.text.as_str();
    let piece = |kind, part| Piece {
        kind,
        location: lines.starts.location(line.origins.range(within(text, part))),
    };
    let (keyword, rest) = words::keyword(text);
    let (flags, rest) = words::flags(rest, lines.escape);
    let rest = rest.trim();
    let arguments = if rest.starts_with('[') && serde_json::from_str::<Vec<serde_json::Value>>(rest).is_ok() {
        vec![rest]
    } else {
        let words = words::pieces(rest, lines.escape);
        words.into_iter().map(|(_, part)| part).collect()
    };
    std::iter::once(piece(PieceKind::Keyword, keyword))
        .chain(flags.into_iter().map(|(_, part)| piece(PieceKind::Flag, part)))
        .chain(arguments.into_iter().map(|part| piece(PieceKind::Argument, part)))
        .collect()
}

impl Statement {
    /// Here-documents belong to shell forms of some instructions, also behind `ONBUILD`.
    fn has_heredocs(&self) -> bool {
        let inner = self.trigger.as_deref().unwrap_or(self);
        inner.keyword.is_some_and(Keyword::takes_heredocs)
            && !inner.arguments.json
            && self.source.contains("<<")
    }
}

/// `ONBUILD ONBUILD …` nests; the second pass refuses the first repetition, so no more is needed.
const MAX_TRIGGERS: u32 = 2;

fn split(line: &str, escape: char, depth: u32) -> Result<Statement, String> {
    let (written, rest) = words::keyword(line);
    let (flags, rest) = words::flags(rest, escape);
    let rest = rest.trim();
    let known = Keyword::find(written);
    let mut statement = Statement {
        keyword: known.map(|(keyword, ..)| keyword),
        written: written.to_owned(),
        flags: flags.into_iter().map(|(flag, _)| flag).collect(),
        arguments: Arguments::default(),
        trigger: None,
        heredocs: Vec::new(),
        source: line.to_owned(),
        span: Span::default(),
        location: Location::default(),
        pieces: Vec::new(),
        comments: Vec::new(),
    };
    match known {
        Some((_, _, Form::Instruction)) if !rest.is_empty() && depth < MAX_TRIGGERS => {
            statement.trigger = Some(Box::new(split(rest, escape, depth + 1)?));
        }
        Some((_, name, form)) => statement.arguments = form.split(rest, name, escape)?,
        None => {}
    }
    Ok(statement)
}
