//! BuildKit's protocol: `docker buildx build`, `docker compose build` and everybody who speaks to BuildKit.
//!
//! Two connections of one client meet here, both of which have left HTTP/1 (or never spoke it): on one the client calls
//! `Control` and `LLBBridge`, on the other, its session, the daemon calls the client, for the files of a build, its
//! secrets, agents and credentials. The Dockerfile frontend is carried out here; definitions of LLB are read by the crate
//! `llb`, and other frontends are programs of images. What a build is, this crate does not know: [`Builds`] is the seam.
//!
//! `grpc` is the transport, `session` the client's services, `filesync` its files as an archive, `frontend` what a
//! Dockerfile build asks of them, `job` and `progress` the builds there are and what they tell, `service` the methods.
//!
//! Everything a peer sends is bounded, and nothing of it becomes a path of this machine.

#![forbid(unsafe_code)]

mod attachments;
mod build;
mod content;
mod filesync;
mod frontend;
pub mod grpc;
mod job;
mod past;
mod policy;
mod progress;
mod proto;
mod provenance;
mod service;
mod session;
mod statement;
#[cfg(test)]
mod testing;
mod thread;
mod trace;

pub use build::{
    Annotated, Annotation, BuildRequest, Builds, Built, CacheExport, CacheImport, CacheMount, CacheSource,
    CacheTarget, Command, Compression, Container, ContainerRequest, Content, ContentBytes, Context, Control,
    Destination, Entry, EntryKind, Exported, ExportedCache, Found, Held, Material, Mounts, NamedContext,
    Nested, Opened, Outgoing, Packing, Program, Prune, Question, Remote, Request, Running, Scans, Solving,
    Usage,
};
pub use filesync::Archive;
pub use grpc::{Code, Status};
pub use policy::Policies;
pub use progress::{Progress, Step, Warning};
pub use provenance::package_url;
pub use service::{Buildkit, FailedCommand, METHODS, Support};
pub use session::{Session, SessionHead, Sessions};
pub use statement::Predicate;
