//! Kubernetes resources and types as data, and the codecs that walk them.
//!
//! One row describes a type, one row a resource; JSON, protobuf and YAML are each one walk over
//! the rows, without a line that knows a kind. A custom resource definition makes the same rows at
//! run time. See `docs/formats/schema-row.md` and `docs/formats/object-bytes.md`.
#![forbid(unsafe_code)]

pub mod cursor;
pub mod custom;
pub mod defaults;
pub mod duration;
pub mod field;
mod generated;
pub mod json;
pub mod object;
pub mod proto;
pub mod quantity;
pub mod resource;
pub mod row;
mod scalar;
pub mod status;
pub mod tree;
pub mod yaml;

pub use generated::BUILTIN;

/// Nesting that a decoded tree may have. Upstream allows 10,000 levels of JSON; a tree is walked
/// by recursion, and this many levels fit a small stack in a debug build. Raw values
/// ([`tree::Raw`]) are scanned without recursion and keep upstream's limit.
pub const MAX_TREE_DEPTH: usize = 400;

/// The largest request body that upstream reads, in bytes; what decoders accept unless told
/// otherwise.
pub const MAX_REQUEST_BYTES: usize = 3 << 20;
