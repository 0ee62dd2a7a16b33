//! The stream protocols of exec, attach and port-forward: WebSocket and SPDY/3.1, bytes to channels.
//!
//! `websocket` and `spdy` are state machines over bytes: they read no socket, allocate no more for a frame than its
//! bound, and refuse what breaks the protocol. `remote` and `forward` run them over any byte stream and join them with
//! what a [`Node`] gives. Nothing here knows a pod's rights, HTTP servers or containers.
#![forbid(unsafe_code)]

pub mod forward;
pub mod handshake;
mod node;
pub mod remote;
pub mod spdy;
pub mod websocket;
mod wire;

pub use node::{
    ContainerRef, Io, LogFault, LogLine, LogQuery, Node, Pipe, PodRef, Session, Stream, StreamFault,
};
