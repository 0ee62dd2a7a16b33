//! SPDY/3.1 as Kubernetes' clients speak it (SPDY draft 3 and 3.1): several streams of bytes on one connection, each
//! opened by the client with headers that say what it is for.
//!
//! Clients built on spdystream neither send nor heed flow control, so windows are read and left alone: what holds a
//! client up is that its connection is not read.

mod dictionary;
mod frame;
mod headers;
mod session;

pub use frame::{Fault, Reset};
pub use headers::Headers;
pub use session::{Command, Happened, Reader, Writer};
