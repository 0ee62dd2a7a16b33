//! LLB: what BuildKit's clients and frontends ask for, as a graph of vertices.
//!
//! A definition is foreign input: messages that name each other by their digests. [`Graph::read`] makes of it vertices in
//! an order in which each comes after what it needs, with everything checked that can be checked beforehand, or says in
//! BuildKit's words why it does not. There is no I/O here, and no recursion: how deep a definition is costs nothing.
//!
//! What a vertex does is carried out by the `builder`; the messages themselves ([`pb`]) are made by `cargo xtask codegen`.

#![forbid(unsafe_code)]

mod exec;
mod file;
mod graph;
mod names;
mod source;
#[cfg(test)]
mod tests;

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::cast_possible_truncation,
    clippy::use_self,
    clippy::uninlined_format_args,
    reason = "generated"
)]
#[rustfmt::skip]
mod generated;

pub use exec::{Exec, Mount, MountKind, Network, SecretEnv, Sharing};
pub use file::{Account, Action, Copy, File, Owner, Place, Work};
pub use generated::pb;
pub use graph::{Edge, Graph, Op, Vertex};
pub use source::{Git, Http, Layout, Local, Pulling, Source};

/// Why a definition is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It makes sense, and is not done here.
    #[error("{0}")]
    Unsupported(String),
}

impl Refused {
    pub(crate) fn invalid(sentence: impl Into<String>) -> Self {
        Self::Invalid(sentence.into())
    }

    pub(crate) fn unsupported(sentence: impl Into<String>) -> Self {
        Self::Unsupported(sentence.into())
    }
}
