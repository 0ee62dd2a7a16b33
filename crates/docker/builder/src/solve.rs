//! A graph of LLB that is asked for.

use std::collections::BTreeMap;

use image::Digest;

use crate::BuildContext;
use crate::services::{Entitlements, Services};

/// A graph, and what the door offers to it.
#[derive(Debug)]
pub struct SolveRequest {
    /// What is asked for.
    pub graph: llb::Graph,
    /// What the door has brought of sources that are the client's, by the digests of their vertices.
    pub given: BTreeMap<Digest, Given>,
    /// Whether every vertex is carried out.
    pub no_cache: bool,
    /// What the door offers.
    pub services: Services,
    /// What commands may do.
    pub entitlements: Entitlements,
}

/// What the door has brought of a source.
#[derive(Debug)]
pub enum Given {
    /// Files.
    Files(BuildContext),
    /// An image that is here.
    Image(Digest),
}
