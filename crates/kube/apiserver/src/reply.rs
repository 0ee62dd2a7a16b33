//! What a verb answers, before it is put into the encoding that the client accepts.

use std::sync::Arc;

use http::{Response, StatusCode};
use schema::object::Obj;
use schema::row::TypesRef;
use schema::status::Status;
use schema::tree::Struct;

use crate::{Body, Served};

/// An answer that `negotiate` encodes (JSON, YAML, protobuf, Table, PartialObjectMetadata).
#[derive(Debug)]
pub enum Reply {
    /// A stored object: spliced, not encoded again, when the client takes JSON.
    Object {
        /// 200, or 201 of a creation
        code: StatusCode,
        /// The row and version under which it was asked for.
        served: Served,
        /// The object.
        object: Arc<Obj>,
    },
    /// An object that is not stored: a review, a Scale, a token, the answer of a dry run.
    Tree {
        /// 200, or 201 of a creation
        code: StatusCode,
        /// `apps/v1`
        api_version: String,
        /// `Scale`
        kind: String,
        /// The table of the object's type.
        types: TypesRef,
        /// The object.
        object: Box<Struct>,
    },
    /// A Status, such as the Success of a deletion.
    Status(Box<Status>),
    /// Already encoded: lists, watches, discovery, logs, upgrades.
    Http(Response<Body>),
}

impl From<Status> for Reply {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}
