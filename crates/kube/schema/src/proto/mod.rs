//! Protobuf as upstream's generated Go code writes and reads it (gogo, proto2 without presence for
//! members held by value): both directions are one walk over the wire rows.

mod decode;
mod encode;
mod envelope;
mod wire;

pub use decode::decode;
pub use encode::encode;
pub use envelope::{MAGIC, open, put_item, seal, seal_list};
pub use wire::ProtoError;
