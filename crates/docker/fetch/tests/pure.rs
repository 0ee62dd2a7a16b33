//! Files and repositories from servers on this machine's loopback.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

#[path = "pure/git.rs"]
mod git;
#[path = "pure/server.rs"]
mod server;
#[path = "pure/web.rs"]
mod web;
