//! The client of any OCI distribution registry: configuration, credentials, transport, protocol
//! (distribution-spec 1.1, Docker's token specification).
//!
//! [`Config`] says where a registry's content is to be had: its mirrors in order, and itself last. A [`Client`] is made
//! once for a process; it keeps connections, tokens and what it learned of each server. A [`Repository`] is one
//! repository for one user: manifests, blobs, uploads. Whatever comes from a registry is foreign: bounded, and checked
//! against its digest before anybody believes it.
//!
//! [`Registries`] brings whole images from registries into the node's own content, and sends them.
//!
//! Nothing here reads the environment or starts a program.

#![forbid(unsafe_code)]

pub mod auth;
pub mod config;
mod error;
mod feed;
mod flights;
mod inspect;
mod progress;
mod pull;
mod push;
mod registries;
mod registry;
mod transport;
mod web;

pub use auth::Credentials;
pub use config::Config;
pub use error::{Error, Kind, Refusal, RegistryError, TransportError};
pub use inspect::Inspected;
pub use progress::{Event, Progress, Step};
pub use pull::{Pull, Pulled};
pub use push::{Parts, Push};
pub use registries::{Fault, Registries};
pub use registry::{
    Asking, BlobStream, Client, Document, FileSource, Mounted, Page, RateLimit, Reader, Referrer, Repository,
    Sent, Settings, Source, Stored, Subject, Upload, referrers_tag,
};
pub use web::{WebAnswer, WebAsking, WebError};

/// Doors for the property tests and fuzz targets of the parsers: bytes nobody vouches for.
pub mod fuzz {
    pub use crate::auth::fuzz::challenges;
    pub use crate::config::fuzz::{docker, hosts, registries};
}
