//! A Dockerfile as typed instructions with positions (Dockerfile reference).
//!
//! [`parse`] works in the two passes that upstream works in, because users see which error comes
//! first: all lines become statements (continuations joined, here-documents attached, arguments
//! split), then statements become [`Instruction`]s in [`Stage`]s. Nothing is expanded here; that
//! needs the variables of a build ([`Lex`]).

mod arguments;
mod csv;
mod error;
mod expand;
mod flags;
mod heredoc;
mod instruction;
mod lines;
mod mount;
mod position;
mod read;
mod statement;
pub(crate) mod suggest;
mod words;

pub use error::{ParseError, ParseErrorKind};
pub use expand::{ExpandError, Expanded, Lex, NoVariables, Variables};
pub use flags::Flags;
pub use heredoc::Heredoc;
pub use instruction::{
    ArgDefinition, Command, Copy, Healthcheck, InlineFile, Instruction, InstructionKind, Pair, Run,
    RunNetwork, Stage,
};
pub use mount::{Device, Mount, MountKind, Sharing};
pub use position::{Location, Piece, PieceKind, Position, Span};

/// At most so many bytes of Dockerfile are parsed.
pub const MAX_DOCKERFILE: usize = 4 << 20;

/// At most so many instructions: each step of a build is an image whose configuration tells all steps before it, so what
/// they take grows with the square (200 MB of memory for so many). Upstream has no bound.
pub const MAX_INSTRUCTIONS: usize = 1000;

/// Parser directives: comments at the very top that speak to the parser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`: the frontend image that the file asks for. The classic builder has one frontend.
    pub syntax: Option<String>,
    /// `# check=`: options of the linter.
    pub check: Option<String>,
}

/// A parsed Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    /// The escape character: `\`, or what `# escape=` says.
    pub escape: char,
    /// The other directives.
    pub directives: Directives,
    /// `ARG`s before the first `FROM`; each is an [`InstructionKind::Arg`].
    pub meta_args: Vec<Instruction>,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// Empty lines inside of instructions.
    pub warnings: Vec<EmptyContinuation>,
}

/// Empty lines between the lines of one instruction, which upstream means to refuse one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmptyContinuation {
    /// The last line of the instruction.
    pub line: u32,
    /// The instruction, its lines joined.
    pub text: String,
}

/// Parses a Dockerfile.
///
/// # Errors
/// [`ParseError`] with the line, in upstream's words.
pub fn parse(file: &[u8]) -> Result<Dockerfile, ParseError> {
    if file.len() > MAX_DOCKERFILE {
        return Err(ParseError::syntax(
            0,
            format!("the Dockerfile is larger than {MAX_DOCKERFILE} bytes"),
        ));
    }
    let parsed = statement::parse(&String::from_utf8_lossy(file))?;
    if let Some(beyond) = parsed.statements.get(MAX_INSTRUCTIONS) {
        return Err(ParseError::syntax(
            beyond.span.start,
            format!("the Dockerfile has more than {MAX_INSTRUCTIONS} instructions"),
        ));
    }
    read::dockerfile(parsed)
}

/// Parses one instruction outside of a file: an `ONBUILD` trigger, or a change of `docker commit`.
///
/// # Errors
/// [`ParseError`]; also if the text is not exactly one instruction, or is a `FROM`.
pub fn parse_instruction(text: &str) -> Result<Instruction, ParseError> {
    let parsed = statement::parse(text)?;
    match <[_; 1]>::try_from(parsed.statements) {
        Ok([statement]) => read::instruction(statement),
        Err(_) => Err(ParseError::syntax(
            1,
            "onbuild trigger should be a single expression".to_owned(),
        )),
    }
}

/// The keywords of all instructions.
#[cfg(test)]
pub(crate) fn keywords() -> impl Iterator<Item = &'static str> {
    statement::Keyword::names()
}

/// The flags of an instruction.
#[cfg(test)]
pub(crate) fn flags_of(keyword: &str) -> impl Iterator<Item = &'static str> {
    flags::table(keyword).iter().map(|(name, _)| *name)
}

/// Door for the fuzz target: bytes nobody vouches for.
pub fn fuzz(file: &[u8]) {
    if let Ok(dockerfile) = parse(file) {
        let lex = Lex::new(dockerfile.escape);
        for stage in &dockerfile.stages {
            let _ = lex.word(&stage.base, &NoVariables);
            for instruction in &stage.instructions {
                let _ = lex.words(&instruction.source, &NoVariables);
            }
        }
    }
}

#[cfg(test)]
mod tests;
