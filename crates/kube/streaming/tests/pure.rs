//! The protocols as a client sees them, over a pipe in memory and a node that is a double.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "pure/double.rs"]
mod double;
#[path = "pure/forwards.rs"]
mod forwards;
#[path = "pure/spdy_client.rs"]
mod spdy_client;
#[path = "pure/spdys.rs"]
mod spdys;
#[path = "pure/websockets.rs"]
mod websockets;
