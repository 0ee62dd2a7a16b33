//! The Common Expression Language (github.com/google/cel-spec), as Kubernetes v1.36 uses it.
//!
//! An [`Env`] says which variables there are and of which types; [`Env::compile`] parses and checks an expression
//! and makes a [`Program`]; [`Program::eval`] evaluates it over [`Value`]s that borrow from the objects they are
//! read from. What an expression may cost is estimated when it is compiled and counted when it is evaluated.
//! Error texts, costs and limits are those of upstream's implementation, cel-go 0.26 with the libraries of
//! `k8s.io/apiserver/pkg/cel`, since users and their tests see them.
#![forbid(unsafe_code)]

mod check;
mod decl;
mod declare;
mod env;
mod error;
mod escape;
mod estimate;
mod eval;
mod issue;
mod library;
mod mutation;
pub mod policy;
pub mod rules;
mod syntax;
mod types;
mod value;

pub use decl::{Decl, DeclForm, ListKind, row_object};
pub use declare::custom_resource;
pub use env::Env;
pub use error::Error;
pub use escape::{escape, is_reserved, unescape};
pub use eval::{Mention, Program};
pub use issue::{Issue, Issues};
pub use library::{Asked, Authorizer, Opaque, Verdict};
pub use mutation::check_type_names;
pub use types::{Fields, Object, Type};
pub use value::{Blob, List, Map, Place, Text, Timestamp, Value};

/// What evaluating one expression may cost.
pub const PER_CALL_LIMIT: u64 = 1_000_000;
