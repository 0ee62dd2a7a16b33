//! What a door asks for, what it hears while it waits, and why it may be refused.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use engine::spec::Resources;
use image::{Digest, Reference};

use crate::dockerfile::{ParseError, ParseErrorKind};
use crate::services::{Entitlements, NamedContexts, Services};
use crate::source::{Age, Repository};

/// At most so many bytes of an archive are taken as a context.
pub const MAX_CONTEXT: u64 = 16 << 30;

/// The files a build may use.
#[derive(Debug)]
pub enum BuildContext {
    /// A tar archive, plain, gzip or zstd, spooled to a file (see [`crate::Builder::spool`]).
    /// A plain one is never unpacked as a whole; what steps copy is read from it.
    Archive(File),
    /// A directory of ours, not a client's.
    Directory(PathBuf),
    /// The files of a repository (see [`crate::Builder::remote`]).
    Repository(Repository),
    /// An archive that was fetched, and its time in seconds since 1970; 0 if nobody said.
    Fetched(File, i64),
}

impl BuildContext {
    /// The same files, for another build at another time: what is no plain archive is read from its beginning by each.
    ///
    /// # Errors
    /// Too many open files.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        Ok(match self {
            Self::Archive(file) => Self::Archive(file.try_clone()?),
            Self::Directory(path) => Self::Directory(path.clone()),
            Self::Repository(repository) => Self::Repository(repository.clone()),
            Self::Fetched(file, time) => Self::Fetched(file.try_clone()?, *time),
        })
    }

    /// How old its files are.
    pub(crate) fn age(&self) -> Age {
        match self {
            Self::Archive(_) | Self::Directory(_) => Age::Unknown,
            Self::Repository(repository) => Age::At(repository.time),
            Self::Fetched(_, 0) => Age::Newest,
            Self::Fetched(_, time) => Age::At(*time),
        }
    }
}

/// Which of upstream's builders is followed, where one file means different things to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// dockerd's own builder (`POST /build`).
    #[default]
    Classic,
    /// BuildKit's Dockerfile frontend.
    BuildKit,
}

/// A build (Engine API 1.50 `POST /build`).
#[derive(Debug)]
pub struct BuildRequest {
    /// The files.
    pub context: BuildContext,
    /// Who asks for it.
    pub dialect: Dialect,
    /// The Dockerfile's path in the context; empty for `Dockerfile`.
    pub dockerfile: String,
    /// The Dockerfile itself, if it is known: the context need not have it then, and nothing of it is left out.
    pub text: Option<Vec<u8>>,
    /// Names for the result; see [`crate::build_tags`].
    pub tags: Vec<Reference>,
    /// `--build-arg`; a name without a value counts as mentioned only.
    pub args: BTreeMap<String, Option<String>>,
    /// The stage to stop after.
    pub target: Option<String>,
    /// The stage to stop after, by its number; as the target says, if there is none.
    pub stage: Option<usize>,
    /// Labels of the result.
    pub labels: BTreeMap<String, String>,
    /// Whether every step is carried out.
    pub no_cache: bool,
    /// Stages of which every step is carried out.
    pub no_cache_stages: Vec<String>,
    /// Whether bases are pulled though they are here. One that was made here never is.
    pub pull: bool,
    /// Whether the container of a step that succeeded is removed (upstream's default), and that told.
    pub rm: bool,
    /// The same whether it succeeded or not.
    pub force_rm: bool,
    /// Whether containers that are not removed stay for the clients of the Docker API to see. Else all of them go.
    pub stay: bool,
    /// Limits of the containers of steps.
    pub resources: Resources,
    /// Network of the containers: empty or `default`, `bridge`, `none`, `host`,
    /// `container:NAME`, or a network.
    pub network_mode: String,
    /// `NAME:ADDRESS` lines for the containers' hosts files.
    pub extra_hosts: Vec<String>,
    /// Size of the containers' `/dev/shm` in bytes; 0 for the default.
    pub shm_size: u64,
    /// `linux/amd64`; this machine's if nobody says. Nothing can be run for another.
    pub platform: Option<String>,
    /// Whether steps are called by their platforms too: there are builds for others.
    pub platform_shown: bool,
    /// Images whose steps may be used. Those that are not here are skipped, as upstream does.
    pub cache_from: Vec<String>,
    /// Whether only the result's id is told.
    pub quiet: bool,
    /// Refused: upstream needs an experimental daemon for it.
    pub squash: bool,
    /// Named contexts.
    pub contexts: NamedContexts,
    /// What the door offers.
    pub services: Services,
    /// What steps may do.
    pub entitlements: Entitlements,
}

impl BuildRequest {
    /// A build of a context, everything else as the API's defaults have it.
    #[must_use]
    pub fn new(context: BuildContext) -> Self {
        Self {
            context,
            dialect: Dialect::Classic,
            dockerfile: String::new(),
            text: None,
            tags: Vec::new(),
            args: BTreeMap::new(),
            target: None,
            stage: None,
            labels: BTreeMap::new(),
            no_cache: false,
            no_cache_stages: Vec::new(),
            pull: false,
            rm: true,
            force_rm: false,
            stay: false,
            resources: Resources::default(),
            network_mode: String::new(),
            extra_hosts: Vec::new(),
            shm_size: 0,
            platform: None,
            platform_shown: false,
            cache_from: Vec::new(),
            quiet: false,
            squash: false,
            contexts: NamedContexts::new(),
            services: Services::default(),
            entitlements: Entitlements::default(),
        }
    }
}

/// One message of a build's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// `{"stream": …}`.
    Stream(String),
    /// `{"aux": {"ID": …}}`: an image that a stage ended with.
    Aux(Digest),
}

/// What an error means to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildErrorKind {
    /// The request or the Dockerfile makes no sense: 400 if nothing was sent yet.
    InvalidParameter,
    /// Something it names is not there: 404.
    NotFound,
    /// It is not there yet: 501.
    Unsupported,
    /// A step failed, or the machine: 500.
    System,
}

/// A command that failed, and the image that it was run upon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedCommand {
    /// The image; nothing if there is none.
    pub image: Option<Digest>,
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The environment, without secrets.
    pub env: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// `USER[:GROUP]`; empty for root.
    pub user: String,
}

/// Why there is no image. The texts are those that dockerd's clients know.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile, as text.
    #[error("{}{source}", if source.kind == ParseErrorKind::Syntax { format!("failed to parse {name}: ") } else { String::new() })]
    Parse {
        /// The Dockerfile's path.
        name: String,
        /// What and where.
        source: ParseError,
    },
    /// The request, or an instruction, makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Something named is not there.
    #[error("{0}")]
    NotFound(String),
    /// A feature that is refused rather than ignored.
    #[error("{0}")]
    Unsupported(String),
    /// A step that failed.
    #[error("{0}")]
    Step(String),
    /// A command that ended with another code than 0.
    #[error("The command '{command}' returned a non-zero code: {code}")]
    Command {
        /// The command, as upstream joins it.
        command: String,
        /// The exit code; it is also the `code` of the stream's `errorDetail`.
        code: i32,
        /// The kernel killed one of its processes because there was no memory left for them.
        out_of_memory: bool,
        /// The command itself, where it was run in a container.
        at: Option<Box<FailedCommand>>,
    },
    /// Whoever asked is gone.
    #[error("build cancelled")]
    Cancelled,
    /// Images failed.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// Containers failed.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The disk failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// How it failed.
        source: std::io::Error,
    },
}

impl BuildError {
    /// What it means.
    #[must_use]
    pub fn kind(&self) -> BuildErrorKind {
        match self {
            Self::Parse { .. } | Self::Invalid(_) => BuildErrorKind::InvalidParameter,
            Self::NotFound(_) => BuildErrorKind::NotFound,
            Self::Unsupported(_) => BuildErrorKind::Unsupported,
            Self::Image(error) => match error.kind() {
                image::Kind::NotFound => BuildErrorKind::NotFound,
                image::Kind::InvalidParameter => BuildErrorKind::InvalidParameter,
                image::Kind::Conflict | image::Kind::System => BuildErrorKind::System,
            },
            Self::Engine(error) if error.kind() == engine::Kind::InvalidParameter => {
                BuildErrorKind::InvalidParameter
            }
            Self::Step(_) | Self::Command { .. } | Self::Cancelled | Self::Engine(_) | Self::Io { .. } => {
                BuildErrorKind::System
            }
        }
    }

    /// The `code` of the stream's `errorDetail`, if it has one.
    #[must_use]
    pub const fn code(&self) -> Option<i32> {
        match self {
            Self::Command { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// For `map_err`: what was being done when the disk failed.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}

/// The names a result may be given, of the `t` parameters of a request: each once, `latest` where
/// no tag is said.
///
/// # Errors
/// What is no reference, or has a digest: 500 with dockerd, and so here.
pub fn build_tags(names: &[String]) -> Result<Vec<Reference>, BuildError> {
    let mut tags: Vec<Reference> = Vec::new();
    for name in names.iter().filter(|name| !name.is_empty()) {
        let reference = Reference::parse(name).map_err(|error| BuildError::Step(error.to_string()))?;
        if reference.digest.is_some() {
            return Err(BuildError::Step("build tag cannot contain a digest".to_owned()));
        }
        let reference = reference.with_default_tag();
        if !tags.contains(&reference) {
            tags.push(reference);
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(names: &[&str]) -> Result<Vec<String>, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let tags = build_tags(&names).map_err(|error| error.to_string())?;
        Ok(tags.iter().map(Reference::familiar).collect())
    }

    #[test]
    fn tags_are_whole_and_each_once() {
        assert_eq!(
            tags(&["t1", "t1:latest", "t2:x", ""]).unwrap(),
            ["t1:latest", "t2:x"]
        );
        let digest = format!("a@sha256:{}", "0".repeat(64));
        assert_eq!(tags(&[&digest]).unwrap_err(), "build tag cannot contain a digest");
        assert!(
            tags(&["AB"])
                .unwrap_err()
                .starts_with("invalid reference format: ")
        );
    }
}
