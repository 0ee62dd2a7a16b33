//! WebSocket (RFC 6455), the server's side, and the channels that Kubernetes puts into its messages.

mod channel;
mod frame;
mod handshake;

pub use channel::{Channels, Coding, Piece, Step};
pub use frame::{Decoder, Event, Fault, Opcode, close, encode};
pub(crate) use handshake::tokens;
pub use handshake::{Accepted, Refused, accept, is_asked};
