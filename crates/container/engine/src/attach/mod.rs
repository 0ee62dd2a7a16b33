//! Clients at a container's streams.
//!
//! The supervisor makes one copy of a process's output at a time, so the daemon hands it out: a
//! [`Hub`] for each process reads the copy, while somebody is attached, and passes every chunk to
//! everybody. A client that reads slowly slows the process down, as upstream has it; one that goes
//! is forgotten with the next chunk. What nobody reads is in the log and nowhere else.
//!
//! Each run of a container has a hub of its own ([`Hubs`]), so that nobody who came for one run sees
//! or writes to another.

mod container;
mod hub;
mod hubs;
mod input;

pub(crate) use hub::{Client, Hub};
pub(crate) use hubs::Hubs;
pub use input::Input;

/// Chunks that wait for a client; with [`CHUNK`] this bounds what an attached client costs.
const BACKLOG: usize = 16;
/// Most bytes of a chunk.
const CHUNK: usize = 16 * 1024;
