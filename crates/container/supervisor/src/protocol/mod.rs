//! The supervisor's protocol: `docs/formats/supervisor-protocol.md` in types.
//!
//! Pure: bytes and values, no sockets. The tables in `message.rs` are the whole protocol; the
//! document explains them and a test keeps the two together.

mod message;
mod types;
pub(crate) mod wire;

pub use message::{
    DecodeError, Entry, Event, MAX_MESSAGE, Message, OLDEST, Reply, Request, Start, Streams, VERSION, Worker,
};
pub use types::{
    ExitRecord, Format, InvalidName, Key, Leftovers, LogSpec, LogStats, MAX_NAME, Name, Outcome, Owner,
    Phase, Reason, Role, Stdio, Task,
};
pub use wire::{Bytes, Malformed};
