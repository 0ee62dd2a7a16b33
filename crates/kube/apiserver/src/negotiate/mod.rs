//! Encodings at the edge: what a client sends, what it accepts, and how an answer is put into that.
//!
//! Verbs work on trees and stored objects and know no media type. A stored object goes out as its stored bytes with
//! the version spliced in, whenever the client takes plain JSON; every other form is made here, on demand.

mod accept;
mod encode;
mod read;

pub(crate) use accept::{Accepted, Convert, Encoding, JSON, PROTOBUF, YAML, accept, is_pretty};
pub(crate) use encode::{indent, json, pieces, refusal, respond, respond_status};
pub(crate) use read::{Expected, FieldValidation, decode, keep_cleared_managers, options_json};
