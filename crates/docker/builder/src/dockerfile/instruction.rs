//! Typed instructions, before any variable is expanded.

use super::mount::Device;
use super::position::{Location, Piece, Span};

/// A stage: a `FROM` and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// `AS name`, in lower case.
    pub name: Option<String>,
    /// The image or the earlier stage that it starts from; may hold variables of the meta `ARG`s.
    pub base: String,
    /// `--platform`; may hold variables.
    pub platform: Option<String>,
    /// The `FROM` as written.
    pub source: String,
    /// The words of `FROM x AS y` as written.
    pub words: Vec<String>,
    /// Where the `FROM` stands.
    pub span: Span,
    /// The same, to the byte.
    pub location: Location,
    /// Where its parts stand.
    pub pieces: Vec<Piece>,
    /// The comments right before it.
    pub comments: Vec<String>,
    /// What follows it.
    pub instructions: Vec<Instruction>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// As written, continuations joined.
    pub source: String,
    /// The keyword as written.
    pub keyword: String,
    /// Where it stands.
    pub span: Span,
    /// The same, to the byte, here-documents included.
    pub location: Location,
    /// Where its parts stand.
    pub pieces: Vec<Piece>,
    /// The comments right before it.
    pub comments: Vec<String>,
    /// What it says.
    pub kind: InstructionKind,
}

/// What an instruction says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstructionKind {
    /// `ADD`.
    Add(Copy),
    /// `ARG`.
    Arg(Vec<ArgDefinition>),
    /// `CMD`.
    Cmd(Command),
    /// `COPY`.
    Copy(Copy),
    /// `ENTRYPOINT`.
    Entrypoint(Command),
    /// `ENV`.
    Env(Vec<Pair>),
    /// `EXPOSE`: port specifications, sorted.
    Expose(Vec<String>),
    /// `HEALTHCHECK`.
    Healthcheck(Healthcheck),
    /// `LABEL`. Labels of the build request are not `expanded`.
    Label {
        /// The labels.
        labels: Vec<Pair>,
        /// Variables in them are replaced.
        expanded: bool,
    },
    /// `MAINTAINER`.
    Maintainer(String),
    /// `ONBUILD`: the instruction to come, as written.
    Onbuild(String),
    /// `RUN`.
    Run(Run),
    /// `SHELL`.
    Shell(Vec<String>),
    /// `STOPSIGNAL`.
    StopSignal(String),
    /// `USER`.
    User(String),
    /// `VOLUME`.
    Volume(Vec<String>),
    /// `WORKDIR`.
    Workdir(String),
}

/// A name with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// It was written `name value`, the old way.
    pub legacy: bool,
}

/// One name of an `ARG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgDefinition {
    /// The name.
    pub name: String,
    /// The default.
    pub value: Option<String>,
}

/// The command of `RUN`, `CMD` or `ENTRYPOINT`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Exec form: the arguments; shell form: the one line, or nothing if there is none.
    pub arguments: Vec<String>,
    /// Shell form: the stage's shell runs it.
    pub shell: bool,
    /// Here-documents of the line.
    pub heredocs: Vec<super::Heredoc>,
}

/// `RUN`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// What is run.
    pub command: Command,
    /// `--mount`s, as written; variables in them are replaced when the step is reached
    /// ([`super::Mount::parse`]).
    pub mounts: Vec<String>,
    /// `--network`.
    pub network: RunNetwork,
    /// `--security=insecure`.
    pub insecure: bool,
    /// `--device`s.
    pub devices: Vec<Device>,
}

/// `RUN --network`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunNetwork {
    /// The build's own.
    #[default]
    Default,
    /// None.
    None,
    /// The machine's.
    Host,
}

/// `COPY` or `ADD`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copy {
    /// Paths, patterns or addresses.
    pub sources: Vec<String>,
    /// Files written in the Dockerfile itself.
    pub inline: Vec<InlineFile>,
    /// Where to; a `/` at its end makes it a directory.
    pub destination: String,
    /// `--from`: a stage, its number, or an image.
    pub from: Option<String>,
    /// `--chown=user:group`.
    pub chown: Option<String>,
    /// `--chmod`: octal, or symbolic.
    pub chmod: Option<String>,
    /// `--link`: the layer does not depend on what is below.
    pub link: bool,
    /// `--parents`: directories above the sources are kept.
    pub parents: bool,
    /// `--exclude`: patterns of what is left out.
    pub excludes: Vec<String>,
    /// `--keep-git-dir`, of git sources.
    pub keep_git_dir: Option<bool>,
    /// `--checksum`, of what is fetched.
    pub checksum: Option<String>,
    /// `--unpack`: whether archives are unpacked.
    pub unpack: Option<bool>,
}

/// A file of a here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineFile {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: String,
    /// Variables in the content are replaced.
    pub expand: bool,
}

/// `HEALTHCHECK`; all times in nanoseconds, 0 for "as inherited".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Healthcheck {
    /// `NONE`, `CMD …` or `CMD-SHELL …`.
    pub test: Vec<String>,
    /// Between checks.
    pub interval: i64,
    /// Of one check.
    pub timeout: i64,
    /// In which failures do not count.
    pub start_period: i64,
    /// Between checks in that period.
    pub start_interval: i64,
    /// Failures that make it unhealthy.
    pub retries: i32,
}
