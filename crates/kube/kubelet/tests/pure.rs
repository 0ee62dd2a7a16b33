//! A kubelet without a kernel: workers alone, and the whole of it beside an API server under virtual time.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

#[path = "pure/agent.rs"]
mod agent;
#[path = "pure/server.rs"]
mod server;
