//! The names of the cluster (kubernetes/dns, `docs/specification.md`, schema version 1.1.0; where it is silent, as CoreDNS
//! answers them): a function of services, their slices and the namespaces.
//!
//! What is known stands in [`Names`], which answers a question from memory; [`Zone`] keeps it up to date. Wire format,
//! sockets and what lies outside the cluster are others'.
#![forbid(unsafe_code)]

mod names;
mod question;
mod record;
mod service;
mod zone;

pub use names::Names;
pub use record::{Found, Kind, Record, RecordData};
pub use zone::Zone;
