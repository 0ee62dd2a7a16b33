//! Port-forward: connections to ports of a pod over one connection with a client.
//!
//! A client with SPDY opens two streams for each connection it forwards, one for errors and one for bytes; kubectl from
//! 1.31 on sends the same SPDY inside a WebSocket (`tunnel`). Clients with WebSockets alone name their ports at the start
//! and have one connection to each.

mod carry;
mod spdy;
mod tunnel;
mod websocket;

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::websocket::Coding;
use crate::{Node, PodRef};

/// How a client speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// SPDY/3.1.
    Spdy,
    /// SPDY/3.1 in the messages of a WebSocket.
    Tunnel,
    /// Two channels of a WebSocket for each of these ports.
    WebSocket(Coding, Vec<u16>),
}

/// What is spoken over SPDY, by its `X-Stream-Protocol-Version`.
pub const SPDY: [&str; 1] = ["portforward.k8s.io"];

/// The subprotocol of a WebSocket with SPDY in it.
pub const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

/// What else is spoken over a WebSocket, by its subprotocol.
pub const WEBSOCKET: [(&str, Coding); 3] = [
    ("", Coding::Binary),
    ("v4.channel.k8s.io", Coding::Binary),
    ("v4.base64.channel.k8s.io", Coding::Base64),
];

/// What one connection is for.
#[derive(Clone)]
pub struct Forward {
    /// Whose pods.
    pub node: Arc<dyn Node>,
    /// Which pod.
    pub pod: PodRef,
}

impl Forward {
    /// Serves a client on a connection that is its own, until it leaves.
    pub async fn serve(self, connection: impl AsyncRead + AsyncWrite + Unpin + Send, spoken: Spoken) {
        match spoken {
            Spoken::Spdy => spdy::serve(self, connection).await,
            Spoken::Tunnel => tunnel::serve(self, connection).await,
            Spoken::WebSocket(coding, ports) => websocket::serve(self, connection, coding, &ports).await,
        }
    }
}
