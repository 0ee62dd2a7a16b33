//! What the API says of itself: discovery (plain and aggregated), OpenAPI v2 and v3 and the server's version, printed from
//! the resource rows. Pure.
//!
//! A [`Catalog`] is the rows of one moment, grouped and ordered as upstream orders them; every document is printed
//! from it. Documents are made on demand: whoever serves them keeps the bytes until the rows change.
#![forbid(unsafe_code)]

mod aggregated;
mod catalog;
mod connect;
mod descriptions;
mod names;
mod parameters;
mod paths;
mod plain;
mod priority;
pub mod proto;
mod roots;
mod types;
mod v2;
mod v3;
mod version;

pub use aggregated::DiscoveryVersion;
pub use catalog::{Catalog, GroupVersion};
pub use priority::{GroupPriority, group_priority, version_rank};
pub use v3::{CustomSchema, Stamp};
pub use version::{GIT_VERSION, MAJOR, MINOR, version};

use ring::digest::{SHA512, digest};

/// The entity tag of a document, without quotes: upstream's upper-case SHA-512.
pub fn etag(document: &[u8]) -> String {
    digest(&SHA512, document)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}
