//! Dockerfile to image.
//!
//! A build goes through separate pieces so that BuildKit's protocol becomes one more door and not
//! a second builder: [`dockerfile`] makes a typed file of text, `stages` decides which of its
//! stages are needed, `driver` walks them against a content-addressed cache and asks an
//! executor to carry out what the cache does not have. A door supplies a
//! [`BuildContext`] and a progress sink and nothing else.
//!
//! The pieces that decide (`dockerfile`, `dockerignore`, `stages`, `arguments`, `config`, `key`)
//! have no I/O.

#![forbid(unsafe_code)]

pub mod dockerfile;
pub mod dockerignore;
pub mod inquiry;
pub mod lint;

mod acts;
mod arguments;
mod builder;
mod cache;
mod cache_mounts;
mod changes;
mod chmod;
mod config;
mod context;
mod copy;
mod driver;
mod executor;
mod filter;
mod glob;
mod golang;
mod node;
mod output;
mod perform;
mod platform;
mod request;
mod services;
mod solve;
mod source;
mod stages;
mod tree;
mod watch;

pub use builder::{
    BuildContainer, Builder, CacheKind, CacheRecord, Command, ContainerFiles, ContainerRequest, Found,
    FoundKind, HISTORY, MAX_CACHE_MOUNT, Process, Pruned, Running,
};
pub use changes::apply_changes;
pub use request::{
    BuildContext, BuildError, BuildErrorKind, BuildRequest, Dialect, FailedCommand, MAX_CONTEXT, Progress,
    build_tags,
};
pub use services::{
    Asker, Entitlements, NamedContext, NamedContexts, Nested, Policy, Pull, Secrets, Services, Solved, Ssh,
    StepCache, Wish,
};
pub use solve::{Given, SolveRequest};
pub use source::{Authorization, Fetch, Fetched, GitSource, Repository, Sent};
pub use watch::{StepName, VertexName, Watch, WatchedStep};
