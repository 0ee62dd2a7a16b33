//! The Common Expression Language, as Kubernetes v1.36 uses it.
#![forbid(unsafe_code)]

mod issue;
mod syntax;

pub use issue::{Issue, Issues};
