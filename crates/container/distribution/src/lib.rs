//! The client of any OCI distribution registry: configuration, credentials, transport, protocol
//! (distribution-spec 1.1, Docker's token specification).
//!
//! [`Config`] says where a registry's content is to be had: its mirrors in order, and itself last. A [`Client`] is made
//! once for a process; it keeps connections, tokens and what it learned of each server. A [`Repository`] is one
//! repository for one user: manifests, blobs, uploads. Whatever comes from a registry is foreign: bounded, and checked
//! against its digest before anybody believes it.
//!
//! Nothing here reads the environment or starts a program, and nothing knows where bytes are kept.

#![forbid(unsafe_code)]

pub mod auth;
pub mod config;
mod error;
mod registry;
mod transport;

pub use auth::Credentials;
pub use config::Config;
pub use error::{Error, Kind, RegistryError};
pub use error::{Refusal, TransportError};
pub use registry::{
    Asking, BlobStream, Client, Document, FileSource, Mounted, Page, RateLimit, Reader, Referrer, Repository,
    Sent, Settings, Source, Stored, Subject, Upload, referrers_tag,
};

/// Doors for the property tests and fuzz targets of the parsers: bytes nobody vouches for.
pub mod fuzz {
    pub use crate::auth::fuzz::challenges;
    pub use crate::config::fuzz::{docker, hosts, registries};
}
